"""JSON logs: one line per message or request, an event name plus fields, ids bound once at the edge."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

# Both of structlog's defaults print the local variables of every frame: secrets, resolved a moment before, among them.
# The colourful one also takes seconds for it, during which the event loop stands still.
_console: Final = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
_json_tracebacks: Final = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)

_MASKED = ("password", "token", "secret", "authorization", "cookie")


def _mask(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Last line of defence: a field with a secret's name never shows its value."""
    for name in event:
        if any(word in name.lower() for word in _MASKED):
            event[name] = "***"
    return event


def configure_logging(service: str, instance: str, level: str = "info", fmt: str = "json") -> None:
    """Set up structlog and the standard library's logging to write one format to standard error."""
    ending: list[Any] = [_json_tracebacks, structlog.processors.JSONRenderer()] if fmt == "json" else [_console]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _mask,
    ]
    structlog.configure(
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(service=service, instance=instance)


def log_beside_the_answer() -> None:
    """Set up structlog for a command: warnings and worse, in words, on standard error; standard output is its answer.

    Left alone, structlog prints everything to standard output, where it spoils the JSON that scripts read.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            _mask,
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def get_logger(**fields: str | int) -> structlog.typing.FilteringBoundLogger:
    """Return a logger with these fields bound."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(**fields)
    return logger
