"""Team chat by Slack's incoming webhooks (Mattermost takes the same): JSON in, `ok` or one of Slack's words out."""

import json
import re
from http import HTTPStatus
from typing import Final

import httpx

from services.notifier.adapters.channels.http_answers import BROKEN, failed, post, refused
from services.notifier.domain.outcomes import Accepted, PermanentFailure, SendResult, TransientFailure
from services.notifier.domain.wording import Outgoing, headline
from shared.config.slice_models import SlackHook
from shared.kit.clock import Clock
from shared.kit.settings import secret_value

_RECIPIENT: Final = frozenset({"channel_not_found", "channel_is_archived", "user_not_found"})
"""Words about the addressee; every other permanent word is about our webhook or our request."""
_MEMBER: Final = re.compile(r"[UW][A-Z0-9]{6,}")
EVENT_TYPE: Final = "hypercare_notification"


class ChatChannel:
    """One incoming webhook. It says `ok` and nothing later."""

    def __init__(self, hook: SlackHook, client: httpx.AsyncClient, clock: Clock) -> None:
        self._hook, self._client, self._clock = hook, client, clock

    @property
    def name(self) -> str:
        """Names the webhook, without its secret address."""
        return self._hook.name

    async def send(self, message: Outgoing) -> SendResult:
        """Post one message."""
        body = json.dumps(payload(message)).encode()
        url = secret_value(self._hook.webhook.text)
        try:
            answer = await post(self._client, url, body, {"content-type": "application/json"})
        except BROKEN as error:
            return failed(error)
        word = answer.text.strip()[:100]
        if answer.status_code == HTTPStatus.OK:
            return Accepted() if word == "ok" else PermanentFailure(f"Slack said {word!r}, not 'ok'", "us")
        if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS or word == "rate_limited":
            asked = refused(answer, word, self._clock.now())
            return asked if isinstance(asked, TransientFailure) else TransientFailure(f"Slack said {word}")
        if word in _RECIPIENT:
            return PermanentFailure(f"Slack said {word}", "recipient")
        return refused(answer, word, self._clock.now())


def payload(message: Outgoing) -> dict[str, object]:
    """Return what is posted: the text for people, and as message metadata which page it is, for programs.

    Nobody sees the metadata; Slack hands it to apps that read the channel, and whoever does not know it ignores it.
    """
    marks = {
        "delivery": message.delivery,
        "page": message.page,
        "incident": message.incident_name,
        "kind": message.kind,
        "person": message.person,
        "rung": message.rung,
    }
    return {
        "channel": message.address,
        "text": chat_text(message),
        "metadata": {"event_type": EVENT_TYPE, "event_payload": marks},
    }


def chat_text(message: Outgoing) -> str:
    """Return mrkdwn: a bold headline, a mention where a member is meant, the lines, and the link."""
    mention = f"<@{message.address}> " if _MEMBER.fullmatch(message.address) else ""
    parts = [f"{mention}*{escape(headline(message))}*", *(escape(line) for line in message.lines)]
    foot = f"Incident {escape(message.incident_name)}"
    parts.append(f"{foot} · <{escape(message.runbook)}|runbook>" if message.runbook else foot)
    if message.ack_url:
        parts.append(f"<{escape(message.ack_url)}|Acknowledge>")
    return "\n".join(parts)


def escape(text: str) -> str:
    """Escape what mrkdwn reads as markup: & < > and nothing else."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
