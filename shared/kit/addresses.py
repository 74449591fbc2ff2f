"""Where others find us: a service that listens on every interface has to say one address of its own."""

import socket
from typing import Final
from urllib.parse import urlsplit

_EVERY_INTERFACE: Final = frozenset({"0.0.0.0", "::"})
_BUS_PORT: Final = 4222


def url_for_others(host: str, port: int, bus_url: str) -> str:
    """The URL of a port of ours: at `host`, or where that means every interface, at our end of the way to the bus.

    Whoever reads it read it from the bus, so that this network is one we share. Looks up the bus's name; where that
    fails, our own host name has to do.
    """
    if host in _EVERY_INTERFACE:
        host = _address_towards(bus_url) or socket.gethostname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _address_towards(bus_url: str) -> str | None:
    """Our address on the network of the bus; connecting a datagram socket sends nothing."""
    bus = urlsplit(bus_url if "://" in bus_url else f"nats://{bus_url}")
    try:
        found = socket.getaddrinfo(bus.hostname, bus.port or _BUS_PORT, type=socket.SOCK_DGRAM)
        family, kind, protocol, _, there = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(there)
            return str(probe.getsockname()[0])
    except (OSError, ValueError):
        return None
