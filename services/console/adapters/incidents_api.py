"""The incidents service's public API, called with the token of the person who looks at the page."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import httpx

from shared.kit.errors import Refused, Transient
from shared.values import IncidentId

PATHS: Final = {"acknowledge": "acknowledge", "advance": "advance", "resolve": "resolve", "note": "notes"}
"""What people do here, and the path below `/api/v1/incidents/{id}/` that does it."""


@dataclass(frozen=True)
class Entry:
    """One line of an incident's timeline."""

    at: str
    """RFC 3339."""
    kind: str
    text: str
    actor: str | None


@dataclass(frozen=True)
class Watch:
    """Seconds of good samples that RESOLUTION asks for, and those seen so far."""

    needed_s: float
    covered_s: float


class IncidentsApi:
    """One connection pool towards the incidents service."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def act(self, token: str, incident: IncidentId, action: str, form: Mapping[str, str]) -> None:
        """Do one of `PATHS`. Raises Refused with the service's own words, Transient when it cannot be reached."""
        await self._ask("POST", token, f"{_path(incident)}/{PATHS[action]}", _body(action, form))

    async def timeline(self, token: str, incident: IncidentId) -> list[Entry]:
        """The timeline, oldest first. Raises Refused or Transient."""
        answer = await self._ask("GET", token, f"{_path(incident)}/timeline", None)
        found = answer.get("entries", []) if isinstance(answer, dict) else answer
        return [_entry(one) for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    async def watch(self, token: str, incident: IncidentId) -> Watch | None:
        """How far the watch after a resolution has come; None in every other stage. Raises Refused or Transient."""
        answer = await self._ask("GET", token, _path(incident), None)
        found = answer.get("watch") if isinstance(answer, dict) and answer.get("stage") == "resolution" else None
        try:
            return Watch(float(found["needed_s"]), float(found["covered_s"])) if isinstance(found, dict) else None
        except (KeyError, TypeError, ValueError):
            return None

    async def _ask(self, method: str, token: str, path: str, body: dict[str, object] | None) -> object:
        headers = {"authorization": f"Bearer {token}"}
        try:
            answer = await self._client.request(method, path, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise Transient(f"the incidents service does not answer ({type(error).__name__})") from error
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Transient(_said(answer) or f"the incidents service answered {answer.status_code}")
        if answer.is_error:
            raise Refused(_said(answer) or f"the incidents service answered {answer.status_code}")
        return answer.json() if answer.content else None


def _path(incident: IncidentId) -> str:
    """An id comes from the address bar: whatever is in it stays one step of the path."""
    return f"/api/v1/incidents/{quote(incident, safe='')}"


def _body(action: str, form: Mapping[str, str]) -> dict[str, object]:
    """What the API wants, out of what the form holds. Raises Refused for what it would refuse less readably."""
    words = form.get("text", "").strip()
    if action == "advance":
        return {"reason": words, "override": "override" in form}
    if action == "acknowledge":
        return {}
    if not words:
        raise Refused("Say what was done: everyone who was paged reads it." if action == "resolve" else "Write a note.")
    return {"summary": words} if action == "resolve" else {"text": words}


def _said(answer: httpx.Response) -> str:
    """The words of a problem+json answer."""
    try:
        body = answer.json()
    except ValueError:
        return ""
    if not isinstance(body, dict):
        return ""
    wrong = [f"{one.get('where')}: {one.get('what')}" for one in body.get("errors", []) if isinstance(one, dict)]
    said = str(body.get("detail") or body.get("title") or "")
    return f"{said} ({'; '.join(wrong)})" if wrong else said


def _entry(fields: dict[str, object]) -> Entry:
    """Read tolerantly: this API is another service's, and grows."""
    actor = fields.get("actor")
    return Entry(
        at=str(fields.get("at") or fields.get("occurred_at") or ""),
        kind=str(fields.get("kind") or fields.get("what") or ""),
        text=str(fields.get("text") or fields.get("summary") or ""),
        actor=None if actor is None else str(actor),
    )
