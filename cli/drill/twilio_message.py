"""A Twilio message as a resource, and the signed callbacks that report its way."""

import base64
import hashlib
import hmac
from datetime import datetime
from email.utils import format_datetime
from typing import Final

import httpx
from pydantic import AwareDatetime, BaseModel, ConfigDict

from cli.drill.sms_text import segments

UNREACHABLE: Final = 30003
ACCOUNT_PATH: Final = "/2010-04-01/Accounts/{account}"


class Sms(BaseModel):
    """A message resource as the sink keeps it; the newest line of a sid in the journal counts."""

    model_config = ConfigDict(frozen=True)

    sid: str
    account: str
    to: str
    sender: str | None
    service: str | None
    body: str
    status: str = "queued"
    error_code: int | None = None
    created_at: AwareDatetime
    updated_at: AwareDatetime
    sent_at: AwareDatetime | None = None

    def resource(self) -> dict[str, object]:
        """Return the JSON document Twilio describes this message with."""
        uri = f"{ACCOUNT_PATH.format(account=self.account)}/Messages/{self.sid}"
        return {
            "account_sid": self.account,
            "api_version": "2010-04-01",
            "body": self.body,
            "date_created": _rfc2822(self.created_at),
            "date_sent": _rfc2822(self.sent_at),
            "date_updated": _rfc2822(self.updated_at),
            "direction": "outbound-api",
            "error_code": self.error_code,
            "error_message": "Unreachable destination handset" if self.error_code == UNREACHABLE else None,
            "from": self.sender,
            "messaging_service_sid": self.service,
            "num_media": "0",
            "num_segments": str(segments(self.body)),
            "price": None,
            "price_unit": "USD",
            "sid": self.sid,
            "status": self.status,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": self.to,
            "uri": f"{uri}.json",
        }


async def call_back(client: httpx.AsyncClient, url: str, sms: Sms, token: str, to: str | None = None) -> None:
    """POST one state. Like Twilio's default: once more where no connection could be made, and otherwise never again.

    `to` is the server to go to instead of the URL's, for whoever cannot reach the public address; it signs as ever.
    """
    params = {
        "AccountSid": sms.account,
        "ApiVersion": "2010-04-01",
        "From": sms.sender or "",
        "MessageSid": sms.sid,
        "MessageStatus": sms.status,
        "SmsSid": sms.sid,
        "SmsStatus": sms.status,
        "To": sms.to,
    }
    if sms.error_code is not None:
        params["ErrorCode"] = str(sms.error_code)
    headers = {"X-Twilio-Signature": signature(url, params, token), "User-Agent": "TwilioProxy/1.1"}
    for last in (False, True):
        try:
            await client.post(_at(url, to) if to else url, data=params, headers=headers)
        except httpx.ConnectError:
            if last:
                return
        except (httpx.HTTPError, httpx.InvalidURL):
            return  # whether the other side took it is its own affair: the state can be fetched
        else:
            return


def _at(url: str, server: str) -> httpx.URL:
    there = httpx.URL(server)
    return httpx.URL(url).copy_with(scheme=there.scheme, host=there.host, port=there.port)


def signature(url: str, params: dict[str, str], token: str) -> str:
    """Sign a callback as Twilio does: base64 HMAC-SHA1 over the URL and the sorted names and values, unglued."""
    signed = url + "".join(name + params[name] for name in sorted(params))
    return base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


def _rfc2822(at: datetime | None) -> str | None:
    return None if at is None else format_datetime(at)
