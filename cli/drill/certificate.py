"""A certificate of our own for the mail server's STARTTLS, signed by an authority that lives in the data folder."""

import ssl
from pathlib import Path
from typing import Final

_NAMES: Final = ("localhost", "127.0.0.1", "::1")


def own_certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return a server context and the file of the authority to trust, made anew (valid for a year and a day).

    The private key is in `smtp.pem`, readable by its owner only. Raises ModuleNotFoundError without `trustme`.
    """
    import trustme  # late: needs a compiled library that plain sinks do without

    authority = trustme.CA(organization_name="Hypercare drill")
    chain = authority.issue_cert(*_NAMES).private_key_and_cert_chain_pem
    key_file, ca_file = folder / "smtp.pem", folder / "smtp-ca.pem"
    key_file.touch(mode=0o600)
    key_file.write_bytes(chain.bytes())
    ca_file.write_bytes(authority.cert_pem.bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(key_file)
    return context, ca_file
