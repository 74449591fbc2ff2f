"""One certificate for each way to get it wrong."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

EXPIRED_AT: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)
VALID_FROM: Final = datetime(2001, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Certificates:
    """Files for `ssl_certificate` and `ssl_certificate_key`, key and chain in one; and the authority to trust."""

    ca: Path
    good: Path
    expired: Path
    other_name: Path
    nameless: Path
    self_signed: Path
    without_intermediate: Path


def make_certificates(folder: Path) -> Certificates:
    """Write them all, for `localhost` but where they are wrong in that."""
    folder.mkdir()
    authority = trustme.CA(organization_name="Shop's own authority")
    stranger = trustme.CA()
    ca = folder / "ca.pem"
    ca.write_bytes(authority.cert_pem.bytes())

    def write(name: str, *parts: bytes) -> Path:
        path = folder / f"{name}.pem"
        path.write_bytes(b"".join(parts))
        return path

    def issued(name: str, leaf: trustme.LeafCert) -> Path:
        return write(name, leaf.private_key_pem.bytes(), leaf.cert_chain_pems[0].bytes())

    return Certificates(
        ca,
        issued("good", authority.issue_cert("localhost")),
        issued("expired", authority.issue_cert("localhost", not_after=EXPIRED_AT)),
        issued("other-name", authority.issue_cert("shop.example.org")),
        write("nameless", stranger.private_key_pem.bytes(), stranger.cert_pem.bytes()),
        write("self-signed", _self_signed("localhost")),
        issued("without-intermediate", authority.create_child_ca().issue_cert("localhost")),
    )


def _self_signed(name: str) -> bytes:
    """What people make with one line of openssl."""
    key = ec.generate_private_key(ec.SECP256R1())
    itself = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder(itself, itself, key.public_key(), x509.random_serial_number())
        .not_valid_before(VALID_FROM)
        .not_valid_after(VALID_FROM + timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, *form) + certificate.public_bytes(serialization.Encoding.PEM)
