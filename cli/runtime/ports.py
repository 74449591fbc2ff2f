"""Choosing ports: the remembered one if it is free, another one if not, and never silently."""

import os
import random
import socket
import sys
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from shared.kit.errors import Unusable

RANGE: Final = range(20_000, 32_000)
"""Below the range from which Linux serves outgoing connections, so that none takes a port between choice and use."""


@dataclass
class Ports:
    """The ports of one run. `remembered` are those of the last one on the same data folder."""

    remembered: Mapping[str, int] = field(default_factory=dict)
    host: str = "127.0.0.1"
    chosen: dict[str, int] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    """One line for each port that is not the expected one."""

    def choose(self, name: str, *, usual: int | None = None, asked_for: int | None = None, shared: bool = False) -> int:
        """The port for `name`: what was asked for, else the remembered, else the usual one, else any free one.

        `shared`: several processes will listen on it (SO_REUSEPORT). It is held from now on: a second installation
        that started before any of them listens would otherwise listen beside them, and get half of their requests.
        Raises Unusable when a port that was asked for is taken.
        """
        port = self._choose(name, usual, asked_for)
        if shared:
            self._hold(port)
        return port

    def _hold(self, port: int) -> None:
        """Bind it without listening, so that others find it taken and processes of ours may still share it."""
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            try:
                sock.bind((self.host, port))
            except OSError as error:
                raise Unusable(f"port {port} was taken by another program this very moment; start again") from error
            weakref.finalize(self, os.close, sock.detach())

    def _choose(self, name: str, usual: int | None, asked_for: int | None) -> int:
        if asked_for is not None:
            if not self._is_free(asked_for):
                raise Unusable(f"port {asked_for}, asked for {name}, is taken: free it, or ask for another one")
            return self._take(name, asked_for)
        expected = self.remembered.get(name, usual)
        if expected is not None and self._is_free(expected):
            return self._take(name, expected)
        port = self._any_free()
        if expected is not None:
            self.remarks.append(f"{name}: port {expected} is taken, using {port} instead")
        return self._take(name, port)

    def _take(self, name: str, port: int) -> int:
        self.chosen[name] = port
        return port

    def _is_free(self, port: int) -> bool:
        # Reserved before it is tried: trying means binding it for a moment, in which its owner may want to hold it.
        reservation = None if port in self.chosen.values() else reserve(port)
        if reservation is None:
            return False
        weakref.finalize(self, os.close, reservation)
        return is_free(port, self.host)

    def _any_free(self) -> int:
        for port in random.sample(RANGE, 200):
            if self._is_free(port):
                return port
        raise Unusable(f"no free port between {RANGE.start} and {RANGE.stop}")


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could bind it now. Raises Unusable for a port we may not bind at all (below 1024, say)."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except PermissionError as error:
            raise Unusable(f"port {port}: we may not use it ({error.strerror})") from error
        except OSError:
            return False
    return True


def reserve(port: int) -> int | None:
    """Keep others who ask here from choosing this port; None when somebody has done so already.

    Between our choice and our child's `bind` lie seconds in which another `hypercare up` would find the port free too.
    What is returned is a descriptor: the reservation lasts until it is closed or we die. On Linux only (a name in the
    abstract namespace, which belongs to the same network as the port); elsewhere everything is reserved for everybody.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    if sys.platform == "linux":
        try:
            sock.bind(f"\0hypercare-port-{port}")
        except OSError:
            sock.close()
            return None
    return sock.detach()
