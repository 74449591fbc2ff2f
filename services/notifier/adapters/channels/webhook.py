"""A system of the user's own: CloudEvents 1.0 as structured JSON, signed, with the delivery as idempotency key."""

import hashlib
import hmac
import json
from typing import Final

import httpx

from services.notifier.adapters.channels.http_answers import BROKEN, failed, post, refused
from services.notifier.domain.outcomes import Accepted, SendResult
from services.notifier.domain.wording import Outgoing, headline
from shared.config.slice_models import WebhookTarget
from shared.kit.clock import Clock
from shared.kit.settings import secret_value

EVENT_TYPE: Final = "hypercare.notification.v1"
SOURCE: Final = "/hypercare/notifier"


class WebhookChannel:
    """One receiver. Any 2xx is accepted; what the receiver does with it is its own affair."""

    def __init__(self, target: WebhookTarget, client: httpx.AsyncClient, clock: Clock) -> None:
        self._target, self._client, self._clock = target, client, clock

    @property
    def name(self) -> str:
        """Names the receiver."""
        return self._target.name

    async def send(self, message: Outgoing) -> SendResult:
        """Post one event. Every attempt of a delivery has the same id, time and body."""
        reference = self._target.url
        url = reference.name if reference.source == "literal" else secret_value(reference.text)
        body, now = event(message), self._clock.now()
        headers = {
            "content-type": "application/cloudevents+json",
            "idempotency-key": message.delivery,
            "hypercare-signature": sign(secret_value(self._target.secret.text), body, int(now.timestamp())),
        }
        try:
            answer = await post(self._client, url, body, headers)
        except BROKEN as error:
            return failed(error)
        return Accepted() if answer.is_success else refused(answer, answer.text[:100].strip(), now)


def event(message: Outgoing) -> bytes:
    """Return the CloudEvent as it is signed and sent."""
    data = {
        "page": message.page,
        "incident": message.incident_name,
        "incident_id": message.incident,
        "service": message.service,
        "kind": message.kind,
        "severity": message.severity,
        "person": message.person,
        "address": message.address,
        "rung": message.rung,
        "round": message.round,
        "title": message.title,
        "text": headline(message),
        "lines": message.lines,
        "runbook": message.runbook,
        "ack_url": message.ack_url,
    }
    whole = {
        "specversion": "1.0",
        "id": message.delivery,
        "source": SOURCE,
        "type": EVENT_TYPE,
        "time": message.requested_at.isoformat(),
        "subject": message.incident,
        "datacontenttype": "application/json",
        "data": data,
    }
    return json.dumps(whole, ensure_ascii=False).encode()


def sign(secret: str, body: bytes, t: int) -> str:
    """Return `t=<unix seconds>,v1=<hex>`: HMAC-SHA256 over `<t>.<body>`; receivers refuse a t older than they like."""
    mac = hmac.new(secret.encode(), f"{t}.".encode() + body, hashlib.sha256)
    return f"t={t},v1={mac.hexdigest()}"
