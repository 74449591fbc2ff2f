"""Encrypted and verified connections to the bus."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.kit.errors import Unusable


def tls_options(ca: Path | None, certificate: Path | None, key: Path | None) -> Mapping[str, Any]:
    """What nats-py is told; nothing without a CA file, for then the bus is spoken to in the clear.

    The handshake comes first: otherwise the client would believe an unencrypted server that asks for no TLS, and tell
    it the password. The server needs `handshake_first` (or `auto`) in its `tls` block. Raises Unusable.
    """
    if ca is None:
        if certificate or key:
            raise Unusable("HYPERCARE_NATS_CERT_FILE and _KEY_FILE need HYPERCARE_NATS_CA_FILE: whom to trust")
        return {}
    return {"tls": _context(ca, certificate, key), "tls_handshake_first": True}


def _context(ca: Path, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(ca))
        if certificate:
            context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        names = " or ".join(str(path) for path in (ca, certificate, key) if path)
        raise Unusable(f"TLS to the bus: cannot use {names}: {error.strerror or error}") from error
    return context
