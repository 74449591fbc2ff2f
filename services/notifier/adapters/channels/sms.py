"""Text messages by Twilio's API: what its codes and states mean, and how to ask whether it has a message already."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

import httpx

from services.notifier.adapters.channels.http_answers import BROKEN, failed, post, refused, retry_after
from services.notifier.domain.outcomes import (
    Accepted,
    Delivered,
    PermanentFailure,
    SendResult,
    TransientFailure,
    Unknown,
)
from services.notifier.domain.wording import Outgoing, sms_text
from shared.config.slice_models import TwilioAccount
from shared.kit.clock import Clock
from shared.kit.settings import secret_value

_VALIDITY: Final = timedelta(minutes=10)
"""A page that the network could not deliver for so long is not delivered later: it would wake somebody for nothing."""
_CLOCKS_DIFFER: Final = timedelta(minutes=2)

_RETRY: Final = frozenset({14107, 20429, 21611, 30001, 30008, 30022, 30023})
_LONGEST_CODE: Final = 9
_OURS: Final = frozenset({20003, 20404, 21212, 21408, 21603, 21606, 21612, 21617, 21659, 30002, 30034})
"""Our account, sender or request. Everything else that is no retry is about this number: off, wrong, stopped."""


class SmsChannel:
    """One account."""

    def __init__(self, account: TwilioAccount, client: httpx.AsyncClient, clock: Clock, public_url: str) -> None:
        self._account, self._client, self._clock, self._public_url = account, client, clock, public_url

    @property
    def name(self) -> str:
        """Names the account."""
        return self._account.name

    async def send(self, message: Outgoing) -> SendResult:
        """Hand one text over. Twilio knows no idempotency key: after an unknown end it is asked first."""
        sid, token = secret_value(self._account.account.text), secret_value(self._account.token.text)
        body = sms_text(message)
        try:
            if message.may_have_been_sent:
                known = await self._find(sid, token, message, body)
                if known is not None:
                    return known
            return await self._create(sid, token, message, body)
        except BROKEN as error:
            return failed(error)

    async def _create(self, sid: str, token: str, message: Outgoing, body: str) -> SendResult:
        sender = "MessagingServiceSid" if self._account.sender.startswith("MG") else "From"
        form = {
            "To": message.address,
            sender: self._account.sender,
            "Body": body,
            "StatusCallback": callback_url(self._public_url, message.delivery),
            "ValidityPeriod": str(int(_VALIDITY.total_seconds())),
        }
        headers = {"content-type": "application/x-www-form-urlencoded", "authorization": _basic(sid, token)}
        answer = await post(self._client, self._url(sid), urlencode(form).encode(), headers)
        found = _json(answer)
        if answer.status_code == HTTPStatus.CREATED and "sid" in found:
            return judge_status(str(found["sid"]), str(found.get("status", "queued")), found.get("error_code"))
        if answer.is_success:
            return Unknown(f"HTTP {answer.status_code} without a message")
        code = found.get("code")
        if not isinstance(code, int):
            return refused(answer, answer.text[:100], self._clock.now())
        words = f"{code} {found.get('message', '')}".strip()
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or code in _RETRY:
            return TransientFailure(words, retry_after(answer.headers.get("retry-after"), self._clock.now()))
        return judge_code(code, words)

    async def _find(self, sid: str, token: str, message: Outgoing, body: str) -> SendResult | None:
        """Look among the messages of these days to this number for the very same text; None when it is not there.

        A listing that fails leaves the question open: nothing is sent again on a guess.
        """
        since = message.first_tried_at - _CLOCKS_DIFFER
        query = {"To": message.address, "DateSent>": since.date().isoformat(), "PageSize": "100"}
        answer = await self._client.get(self._url(sid), params=query, headers={"authorization": _basic(sid, token)})
        listed = _json(answer).get("messages")
        if not answer.is_success or not isinstance(listed, list):
            return Unknown(f"Twilio could not be asked whether it has the message: HTTP {answer.status_code}")
        for one in listed:
            if one.get("body") == body and _created(one, since) >= since:
                return judge_status(str(one["sid"]), str(one["status"]), one.get("error_code"))
        return None

    def _url(self, sid: str) -> str:
        return f"{self._account.api_url}/2010-04-01/Accounts/{sid}/Messages.json"


def callback_url(public_url: str, delivery: str) -> str:
    """Return where Twilio reports on a delivery."""
    return f"{public_url}/callbacks/twilio/{delivery}"


def signature(url: str, form: Mapping[str, str], token: str) -> str:
    """Return what X-Twilio-Signature must be: base64 HMAC-SHA1 over the URL and the sorted parameters."""
    said = url + "".join(f"{name}{form[name]}" for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), said.encode(), hashlib.sha1).digest()).decode()


def judge_status(sid: str, status: str, code: Any = None) -> SendResult:
    """Say what a message's state means; `code` is Twilio's error code, None where there is none."""
    if status in {"delivered", "read"}:
        return Delivered(sid)
    if status in {"undelivered", "failed", "canceled"}:
        number = int(code) if str(code or "").isdecimal() and len(str(code)) <= _LONGEST_CODE else 0
        return judge_code(number, f"Twilio reports {status} ({number or 'no code'})")
    return Accepted(sid)


def judge_code(code: int, words: str) -> SendResult:
    """Say what an error code means. Unknown ones count against this number only: the next channel starts at once."""
    if code in _RETRY:
        return TransientFailure(words)
    return PermanentFailure(words, "us" if code in _OURS else "recipient")


def _basic(sid: str, token: str) -> str:
    return "Basic " + base64.b64encode(f"{sid}:{token}".encode()).decode()


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = json.loads(answer.content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _created(one: Mapping[str, Any], otherwise: datetime) -> datetime:
    try:
        return parsedate_to_datetime(str(one.get("date_created")))
    except ValueError:
        return otherwise
