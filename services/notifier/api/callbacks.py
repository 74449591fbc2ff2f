"""What Twilio reports about messages. Only a request that it has signed is believed."""

import hmac
from urllib.parse import parse_qsl

from fastapi import APIRouter, HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.notifier.adapters.channels.sms import callback_url, judge_status, signature
from services.notifier.adapters.directory import SliceDirectory
from services.notifier.handlers import Desk, take_report
from shared.values import DeliveryId

_LONGEST_FORM = 16_384


def callback_routes(desk: Desk, directory: SliceDirectory) -> APIRouter:
    """Return `POST /callbacks/twilio/{delivery}`."""
    router = APIRouter(include_in_schema=False)

    @router.post("/callbacks/twilio/{delivery}")
    async def twilio(delivery: str, request: Request) -> Response:
        """Take one report. Twilio calls again after an error of ours; a delivery we do not know is nobody's error."""
        body = await request.body()
        if len(body) > _LONGEST_FORM:
            raise HTTPException(413, "too long for a report")
        form = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
        # The address as Twilio was told it: behind a proxy the request's own may look different.
        url = callback_url(directory.public_url, delivery)
        given = request.headers.get("x-twilio-signature", "")
        if not any(
            hmac.compare_digest(signature(url, form, one).encode(), given.encode()) for one in directory.twilio_tokens()
        ):
            raise HTTPException(403, "this is not signed by the account that sends our messages")
        sid, status = form.get("MessageSid", ""), form.get("MessageStatus", "")
        if not sid or not status:
            raise HTTPException(400, "MessageSid and MessageStatus are missing")
        result = judge_status(sid, status, form.get("ErrorCode"))
        await take_report(desk, "sms", DeliveryId(delivery), sid, result)
        return Response(status_code=204)

    return router
