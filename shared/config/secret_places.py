"""Which secrets a configuration refers to, which service needs each, and where it is written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from shared.config.assemble import Assembled
from shared.config.errors import ConfigError, Path, error_at, path_text
from shared.config.secret_refs import SecretMissing, SecretRef

_NEEDED_BY: Final = {"channels": "notifier", "checks": "prober"}


@dataclass(frozen=True)
class NeededSecret:
    """A reference in a document, and the service that resolves it."""

    path: Path
    reference: SecretRef
    service: str

    def missing(self, environment: Mapping[str, str]) -> str | None:
        """Say in words what is missing and what to do; None when the reference leads to something."""
        try:
            self.reference.resolve(environment)
        except SecretMissing:
            text = self.reference.text
            if self.reference.source == "env":
                return f"the secret {text} is not set, and {self.service} needs it: set it and start again"
            return f"the secret {text} cannot be read, and {self.service} needs it: write that file and start again"
        return None


def needed_secrets(data: Mapping[str, object]) -> Iterator[NeededSecret]:
    """Every `env:NAME` and `file:/path` of a document, as plain data."""
    for section, service in _NEEDED_BY.items():
        for path, value in _texts(data.get(section), (section,)):
            if _is_secret_here(path) and value.startswith(("env:", "file:/")):
                yield NeededSecret(path, SecretRef.read(value), service)


def missing_secrets(assembled: Assembled, environment: Mapping[str, str]) -> list[ConfigError]:
    """Say of each secret that is not there where it is referred to."""
    found = [(one, one.missing(environment)) for one in needed_secrets(assembled.data)]
    return [error_at(assembled.place(one.path).value, one.path, words) for one, words in found if words]


def missing_of(data: Mapping[str, object], environment: Mapping[str, str]) -> dict[str, list[str]]:
    """The same of a document that is in no file any more, by service: `channels.chat[0].slack.webhook: …`."""
    found: dict[str, list[str]] = {}
    for one in needed_secrets(data):
        if words := one.missing(environment):
            found.setdefault(one.service, []).append(f"{path_text(one.path)}: {words}")
    return found


def _is_secret_here(path: Path) -> bool:
    """In a check only headers may be secret; elsewhere in it such a text is just a text."""
    return path[0] == "channels" or path[2:4] == ("http", "headers")


def _texts(node: object, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(node, str):
        yield path, node
    elif isinstance(node, Mapping):
        for name, value in node.items():
            yield from _texts(value, (*path, name))
    elif isinstance(node, list | tuple):
        for number, value in enumerate(node):
            yield from _texts(value, (*path, number))
