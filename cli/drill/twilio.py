"""Twilio's Messages resource: create, fetch and list, Basic auth, its error shape, and signed status callbacks."""

import asyncio
import base64
import binascii
import re
import secrets
from datetime import date, datetime
from typing import Final
from urllib.parse import parse_qsl

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from cli.drill.behaviour import Behaviour, Mode, Wire
from cli.drill.desk import REFUSALS, Desk, ack_url_in
from cli.drill.store import Arrival, Channel, Journal
from cli.drill.twilio_message import ACCOUNT_PATH, UNREACHABLE, Sms, call_back
from shared.values import stable_id

_E164: Final = re.compile(r"\+[1-9]\d{1,14}")
_HTTP_URL: Final = re.compile(r"https?://[\w.\[\]:-]+(/\S*)?", re.ASCII)
_MAX_BODY: Final = 1600
_PAGE: Final = 50
_CALLBACK_TIMEOUT_S: Final = 5.0
_BETWEEN_STATES_S: Final = 0.05
_DELIVERED: Final = ("queued", "sent", "delivered")
_UNDELIVERED: Final = ("queued", "sent", "undelivered")


class TwilioSink:
    """Its routes, its messages and the callbacks on their way."""

    def __init__(self, desk: Desk, journal: Journal, callbacks_to: str | None = None) -> None:
        self._desk, self._journal, self._callbacks_to = desk, journal, callbacks_to
        self._by_sid: dict[str, Sms] = {}
        for line in journal.lines_at_open:
            sms = Sms.model_validate_json(line)
            self._by_sid[sms.sid] = sms
        self._reports: set[asyncio.Task[None]] = set()

    def routes(self) -> list[Route]:
        """Return what it answers to."""
        return [
            Route(f"{ACCOUNT_PATH}/Messages.json", self.create, methods=["POST"]),
            Route(f"{ACCOUNT_PATH}/Messages.json", self.index, methods=["GET"]),
            Route(f"{ACCOUNT_PATH}/Messages/{{sid}}.json", self.fetch, methods=["GET"]),
        ]

    async def stop(self) -> None:
        """Give up the callbacks that are still to be sent; their messages keep the state they have."""
        for report in self._reports:
            report.cancel()
        await asyncio.gather(*self._reports, return_exceptions=True)

    async def create(self, request: Request) -> Response:
        """Take a message, answer `queued`, and report its way to the status callback afterwards."""
        form = dict(parse_qsl((await request.body()).decode(errors="replace"), keep_blank_values=True))
        now, account = self._desk.clock.now(), request.path_params["account"]
        token = _token(request)
        if token is None:
            return _error(401, 20003, "Authenticate")
        behaviour = self._desk.take(Wire.TWILIO, form.get("To", ""))
        refusal = _refused_as_told(behaviour, form) or _invalid(form)
        if refusal is not None:
            return refusal
        sms = self._keep(_sms(account, form, now))
        self._desk.store.add(_arrival(sms, request, delivered=behaviour.mode is not Mode.LIE))
        self._start_report(sms, form.get("StatusCallback"), token, behaviour)
        return await self._desk.answer(request, behaviour, JSONResponse(sms.resource(), 201))

    async def fetch(self, request: Request) -> Response:
        """Return one message with the state it has now."""
        if _token(request) is None:
            return _error(401, 20003, "Authenticate")
        sms = self._by_sid.get(request.path_params["sid"])
        if sms is None or sms.account != request.path_params["account"]:
            return _error(404, 20404, f"The requested resource {request.url.path} was not found")
        return JSONResponse(sms.resource())

    async def index(self, request: Request) -> Response:
        """List messages, newest first, by To, From and DateSent (a day in UTC; also `DateSent>` and `DateSent<`)."""
        if _token(request) is None:
            return _error(401, 20003, "Authenticate")
        query = request.query_params
        try:
            size = min(max(int(query.get("PageSize", _PAGE)), 1), 1000)
            days = {name: date.fromisoformat(query[name][:10]) for name in query if name.startswith("DateSent")}
        except ValueError:
            return _error(400, 20001, "Invalid parameter")
        mine = [s for s in reversed(self._by_sid.values()) if s.account == request.path_params["account"]]
        found = [s for s in mine if _matches(s, query.get("To"), query.get("From"), days)][:size]
        first = f"{request.url.path}?{request.url.query}"
        return JSONResponse(
            {
                "messages": [s.resource() for s in found],
                "page": 0,
                "page_size": size,
                "start": 0,
                "end": max(0, len(found) - 1),
                "uri": first,
                "first_page_uri": first,
                "next_page_uri": None,
                "previous_page_uri": None,
            }
        )

    def _keep(self, sms: Sms) -> Sms:
        self._journal.append(sms.model_dump_json())
        self._by_sid[sms.sid] = sms
        return sms

    def _start_report(self, sms: Sms, callback: str | None, token: str, behaviour: Behaviour) -> None:
        lies = behaviour.mode is Mode.LIE
        if lies and behaviour.code == 0:
            return
        error = behaviour.number(UNREACHABLE) if lies else None
        task = asyncio.create_task(self._report(sms, callback, token, error))
        self._reports.add(task)
        task.add_done_callback(self._reports.discard)

    async def _report(self, sms: Sms, callback: str | None, token: str, error: int | None) -> None:
        """Move the message through its states, telling the callback each one, in order."""
        async with httpx.AsyncClient(timeout=_CALLBACK_TIMEOUT_S, trust_env=False) as client:
            for status in _DELIVERED if error is None else _UNDELIVERED:
                now = self._desk.clock.now()
                changed: dict[str, object] = {"status": status, "updated_at": now}
                if status == "sent":
                    changed["sent_at"] = now
                if status == "undelivered":
                    changed["error_code"] = error
                sms = self._keep(sms.model_copy(update=changed))
                if callback:
                    await call_back(client, callback, sms, token, self._callbacks_to)
                await asyncio.sleep(_BETWEEN_STATES_S)


def _token(request: Request) -> str | None:
    """Return the password of the Basic credentials for this account, or None where they are missing or another's."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    try:
        user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    good = scheme.lower() == "basic" and colon and user == request.path_params["account"] and password
    return password if good else None


def _refused_as_told(behaviour: Behaviour, form: dict[str, str]) -> Response | None:
    if behaviour.mode not in REFUSALS:
        return None
    if behaviour.mode is Mode.THROTTLE:
        refusal = _error(429, behaviour.number(20429), "Too Many Requests")
        refusal.headers["Retry-After"] = str(behaviour.retry_after_s)
        return refusal
    if behaviour.mode is Mode.FAIL:
        return _error(500, behaviour.number(20500), "An internal server error has occurred")
    return _error(400, behaviour.number(21211), f"Invalid 'To' Phone Number: {form.get('To', '')}")


def _invalid(form: dict[str, str]) -> Response | None:
    """Return the error for a message nobody could send, or None."""
    to, body = form.get("To", ""), form.get("Body", "")
    if not to:
        return _error(400, 21604, "A 'To' phone number is required.")
    if not _E164.fullmatch(to):
        return _error(400, 21211, f"Invalid 'To' Phone Number: {to}")
    if not (form.get("From") or form.get("MessagingServiceSid")):
        return _error(400, 21603, "A 'From' phone number is required.")
    return _invalid_content(body, form.get("StatusCallback"))


def _invalid_content(body: str, callback: str | None) -> Response | None:
    if not body:
        return _error(400, 21602, "Message body is required.")
    if len(body) > _MAX_BODY:
        return _error(400, 21617, "The concatenated message body exceeds the 1600 character limit.")
    if callback and not _HTTP_URL.fullmatch(callback):
        return _error(400, 21609, f"The 'StatusCallback' URL {callback} is not a valid URL")
    return None


def _error(status: int, code: int, message: str) -> JSONResponse:
    more_info = f"https://www.twilio.com/docs/errors/{code}"
    return JSONResponse({"code": code, "message": message, "more_info": more_info, "status": status}, status)


def _sms(account: str, form: dict[str, str], now: datetime) -> Sms:
    return Sms(
        sid=f"SM{secrets.token_hex(16)}",
        account=account,
        to=form["To"],
        sender=form.get("From"),
        service=form.get("MessagingServiceSid"),
        body=form["Body"],
        created_at=now,
        updated_at=now,
    )


def _arrival(sms: Sms, request: Request, *, delivered: bool) -> Arrival:
    return Arrival(
        at=sms.created_at,
        channel=Channel.SMS,
        to=sms.to,
        sender=sms.sender or sms.service or "",
        text=sms.body,
        ack_url=ack_url_in(sms.body),
        message_id=sms.sid,
        headers={"User-Agent": request.headers.get("User-Agent", "")},
        same_as=stable_id(sms.to, sms.body),
        delivered=delivered,
    )


def _matches(sms: Sms, to: str | None, sender: str | None, days: dict[str, date]) -> bool:
    """Say whether a message is asked for; one not sent yet counts with the day it was created."""
    day = (sms.sent_at or sms.created_at).date()
    return (
        to in {None, sms.to}
        and sender in {None, sms.sender}
        and day == days.get("DateSent", day)
        and day >= days.get("DateSent>", day)
        and day <= days.get("DateSent<", day)
    )
