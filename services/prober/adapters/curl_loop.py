"""libcurl's transfers on the event loop: libcurl says which sockets and what timer it needs, the loop watches them."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pycurl


@dataclass(frozen=True, slots=True)
class Ended:
    """How a transfer ended: libcurl's code (0 is good) and its words."""

    code: int
    words: str


class CurlLoop:
    """Runs many transfers at once on the running loop. Made and used in the loop's own thread only."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._multi: Any = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        # No multiplexing: a probe measures a connection of its own, as a new user would see it.
        self._multi.setopt(pycurl.M_PIPELINING, 0)
        self._timer: asyncio.TimerHandle | None = None
        self._watched: dict[int, int] = {}
        self._waiting: dict[Any, asyncio.Future[Ended]] = {}

    async def perform(self, handle: Any) -> Ended:
        """Run one easy handle to its end. Cancelling it drops the transfer."""
        ended: asyncio.Future[Ended] = self._loop.create_future()
        self._waiting[handle] = ended
        self._multi.add_handle(handle)
        try:
            return await ended
        finally:
            del self._waiting[handle]
            self._multi.remove_handle(handle)

    def close(self) -> None:
        """Give everything back; no transfer may be running."""
        if self._timer is not None:
            self._timer.cancel()
        for fd in list(self._watched):
            self._unwatch(fd)
        self._multi.close()

    def _on_timer(self, timeout_ms: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if timeout_ms >= 0:  # never from inside the callback: libcurl must not be entered twice
            self._timer = self._loop.call_later(timeout_ms / 1000, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._act(pycurl.SOCKET_TIMEOUT, 0)

    def _on_socket(self, what: int, fd: int, _multi: object, _data: object) -> None:
        if what == pycurl.POLL_REMOVE:
            self._unwatch(fd)
            return
        before = self._watched.get(fd, 0)
        self._watched[fd] = what
        if what & pycurl.POLL_IN and not before & pycurl.POLL_IN:
            self._loop.add_reader(fd, self._act, fd, pycurl.CSELECT_IN)
        elif before & pycurl.POLL_IN and not what & pycurl.POLL_IN:
            self._loop.remove_reader(fd)
        if what & pycurl.POLL_OUT and not before & pycurl.POLL_OUT:
            self._loop.add_writer(fd, self._act, fd, pycurl.CSELECT_OUT)
        elif before & pycurl.POLL_OUT and not what & pycurl.POLL_OUT:
            self._loop.remove_writer(fd)

    def _unwatch(self, fd: int) -> None:
        before = self._watched.pop(fd, 0)
        if before & pycurl.POLL_IN:
            self._loop.remove_reader(fd)
        if before & pycurl.POLL_OUT:
            self._loop.remove_writer(fd)

    def _act(self, fd: int, mask: int) -> None:
        self._multi.socket_action(fd, mask)
        while True:
            queued, good, bad = self._multi.info_read()
            for handle in good:
                self._end(handle, Ended(0, ""))
            for handle, code, words in bad:
                self._end(handle, Ended(code, words))
            if not queued:
                return

    def _end(self, handle: Any, how: Ended) -> None:
        ended = self._waiting.get(handle)
        if ended is not None and not ended.done():
            ended.set_result(how)
