"""What every `__main__` does: settings, logging, bootstrap, run until a signal, drain."""

import asyncio
import contextlib
import resource
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import uvloop

from shared.kit.errors import HypercareError, Unusable
from shared.kit.logging import configure_logging, get_logger
from shared.kit.settings import ServiceSettings, exit_unusable, load_settings, misspelt

log = get_logger()

S = TypeVar("S", bound=ServiceSettings)
Bootstrap = Callable[[S], AbstractAsyncContextManager["Running"]]
OPEN_FILES: Final = 65_536
"""As many as a service will ever want: where a machine sets no limit, closing them all would take for ever."""


@dataclass
class Running:
    """A started service: tasks that must never end by themselves, and what to do first when asked to stop."""

    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    on_stop: list[Callable[[], None]] = field(default_factory=list)

    def start(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        """Run something for the life of the service."""
        task = asyncio.create_task(work, name=name)
        self.tasks.append(task)
        return task


def run_service(service: str, settings_class: type[S], bootstrap: Bootstrap[S]) -> None:
    """Run a service until SIGTERM or SIGINT; exit 2 with one readable message when it cannot start."""
    try:
        settings = load_settings(settings_class)
        raise_open_files()
        configure_logging(service, settings.instance, settings.log_level, settings.log_format)
        for name, meant in misspelt(settings_class).items():
            log.warning("setting_unknown", name=name, did_you_mean=meant)
        uvloop.run(_run(service, settings, bootstrap))
    except Unusable as error:
        exit_unusable(error)


def raise_open_files() -> None:
    """Take what this machine allows us: the usual 1024 open files are gone with the first crowd of clients."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _run(service: str, settings: S, bootstrap: Bootstrap[S]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(tell_unseen)
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    async with _until_stopped(stop, bootstrap(settings)) as running:
        if running is None:
            return
        log.info("service_started", service=service)
        await _wait(stop, running)
        log.info("service_draining")
        for hook in running.on_stop:
            hook()
    log.info("service_stopped")


def tell_unseen(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What the loop does with an error that nobody asked for: say it, unless whoever lost patience has said enough.

    A connection that took too long leaves its look-up of a name behind, which fails later: a container that is down has
    no name.
    """
    if isinstance(context.get("exception"), socket.gaierror):
        log.debug("lookup_abandoned", error=repr(context["exception"]))
    else:
        loop.default_exception_handler(context)


@contextlib.asynccontextmanager
async def _until_stopped(
    stop: asyncio.Event, started: AbstractAsyncContextManager[Running]
) -> AsyncIterator[Running | None]:
    """Enter the bootstrap, but give up when a signal comes first: the bus may be away for long."""
    entering = asyncio.ensure_future(started.__aenter__())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({entering, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not entering.done():
        entering.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await entering
        yield None
        return
    stopping.cancel()
    running = await entering
    try:
        yield running
    finally:
        await end_tasks(running.tasks)
        await started.__aexit__(None, None, None)


async def end_tasks(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended.

    Once is not enough: until Python 3.12 `asyncio.wait_for`, which nats-py uses everywhere, swallows a cancellation
    that arrives in the same turn of the loop as its result, and the task goes on for ever.
    """
    asked = set(tasks)
    while asked:
        for task in asked:
            task.cancel()
        _, asked = await asyncio.wait(asked, timeout=1.0)


async def _wait(stop: asyncio.Event, running: Running) -> None:
    """Return on a signal; raise when a task that must never end has ended, so that the supervisor starts us anew."""
    stopping = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait({stopping, *running.tasks}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    for task in done - {stopping}:
        if stop.is_set():
            continue
        error = task.exception() if not task.cancelled() else None
        log.error("task_ended", task=task.get_name(), error=repr(error), exc_info=error)
        raise HypercareError(f"task {task.get_name()} ended") from error
