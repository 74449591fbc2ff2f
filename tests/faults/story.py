"""The full story on a real site, step by step, so that a fault can be put between any two of them."""

import re
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import httpx

from shared.contracts import BreachCleared, BreachOpened, IncidentAcknowledged, IncidentClosed, IncidentOpened, Message
from shared.contracts.incidents import IncidentEvent
from shared.kit.clock import SystemClock
from tests.faults.outside import WITHIN_S, Outside, Stored, http, until

STREAMS: Final = ("BREACHES", "INCIDENTS", "PAGES", "RECEIPTS", "DEAD")
RULE: Final = "web-down"
_LINK: Final = re.compile(r"https?://\S+/a/[\w.~-]+")
_STAGES: Final = ("alert", "assessment", "response", "resolution", "post_mortem", "closed")

M = TypeVar("M", bound=Message)


@dataclass
class Story:
    """One failure from the first bad answer to the closed incident. `since`: where each stream stood before it."""

    house: Outside
    since: dict[str, int]
    arrived_before: int
    incident: str = ""
    name: str = ""
    acked_at: list[Any] = field(default_factory=list)
    """When the answer to each press of a link had come: the acknowledgement was committed by then."""
    _known: dict[str, list[Stored]] = field(default_factory=dict)

    @classmethod
    async def begin(cls, house: Outside) -> "Story":
        """Note where everything stands."""
        return cls(house, await house.last(*STREAMS), len(await house.received()))

    async def said(self, stream: str) -> list[Stored]:
        """What was stored in a stream since the story began, also what was deleted meanwhile."""
        known = self._known.setdefault(stream, [])
        known += await self.house.stored(stream, known[-1].sequence if known else self.since[stream])
        return known

    async def wait_for(self, stream: str, kind: type[M], within_s: float = WITHIN_S, **fields: Any) -> M:
        """The first such message of the story. Raises AssertionError."""

        async def look() -> M | None:
            for one in await self.said(stream):
                message = one.message
                if type(message) is kind and all(getattr(message, name) == value for name, value in fields.items()):
                    return message
            return None

        return await until(look, f"{kind.__name__} {fields}", within_s)

    async def breached(self, rule: str = RULE) -> BreachOpened:
        """Wait until the rule's breach is said."""

        async def look() -> BreachOpened | None:
            for one in await self.said("BREACHES"):
                if isinstance(one.message, BreachOpened) and one.message.key.rule == rule:
                    return one.message
            return None

        return await until(look, f"{rule} breaches")

    async def opened(self, symptom: str = RULE) -> IncidentOpened:
        """Wait until the incident is open."""
        event = await self.wait_for("INCIDENTS", IncidentOpened, symptom=symptom)
        self.incident, self.name = event.incident, event.name
        return event

    async def arrivals(self) -> list[dict[str, Any]]:
        """What the sinks got since the story began."""
        return (await self.house.received())[self.arrived_before :]

    async def paged(self, channel: str = "email") -> dict[str, Any]:
        """Wait for the first message with a link of this incident (of any, before `opened`) that reached somebody."""

        async def look() -> dict[str, Any] | None:
            for one in await self.arrivals():
                if one["channel"] == channel and one["delivered"] and one["ack_url"] and self.name in one["text"]:
                    return one
            return None

        return await until(look, f"a page by {channel}")

    async def press(self, message: dict[str, Any]) -> None:
        """What a person's browser does: GET the link, then POST it, again where nobody answered."""
        link = _LINK.search(message["text"])
        assert link is not None, message["text"]

        async def press() -> bool | None:
            try:
                async with http() as client:
                    shown = await client.get(link[0])
                    pressed = await client.post(link[0]) if shown.is_success else shown
            except httpx.TransportError:
                return None
            assert pressed.status_code < 500 or pressed.status_code == 503, pressed.text
            return True if pressed.is_success else None

        await until(press, "the link answers")
        self.acked_at.append(SystemClock().now())

    async def acknowledged(self) -> IncidentAcknowledged:
        """Wait until incidents has heard of it."""
        return await self.wait_for("INCIDENTS", IncidentAcknowledged, incident=self.incident)

    async def at_stage(self, stage: str) -> None:
        """Wait until the incident stands there, or beyond."""

        async def look() -> bool | None:
            now = (await self.house.incidents(f"/{self.incident}"))["stage"]
            return True if _STAGES.index(now) >= _STAGES.index(stage) else None

        await until(look, f"stage {stage}")

    async def to_response(self) -> None:
        """Leave the assessment: asked again where the answer was lost and it has not moved."""

        async def advance() -> bool | None:
            shown = await self.house.incidents(f"/{self.incident}")
            if _STAGES.index(shown["stage"]) >= _STAGES.index("response"):
                return True
            url = f"{self.house.facts['incidents_url']}/api/v1/incidents/{self.incident}/advance"
            await self.house.ask("POST", url, {"reason": "assessed: the last deployment"})
            return None

        await until(advance, "stage response")

    async def verdicts(self, count: int) -> None:
        """Wait until so many verdicts were said since the story began."""

        async def look() -> bool | None:
            return True if len(await self.said("BREACHES")) >= count else None

        await until(look, f"{count} verdicts")

    async def healed(self) -> BreachCleared:
        """Wait until the breach has cleared."""

        async def look() -> BreachCleared | None:
            for one in await self.said("BREACHES"):
                if isinstance(one.message, BreachCleared) and one.message.key.rule == RULE:
                    return one.message
            return None

        return await until(look, "the breach clears")

    async def answer_all(self) -> None:
        """Answer every question of the stage it is in."""
        shown = await self.house.incidents(f"/{self.incident}")
        url = f"{self.house.facts['incidents_url']}/api/v1/incidents/{self.incident}/answers"
        for item in shown["checklist"]:
            if item["answer"]:
                continue
            body = {"item": item["question"], "answer": "yes, see the timeline"}

            async def answer(body: dict[str, str] = body) -> bool | None:
                told = await self.house.ask("POST", url, body)
                return None if told is None else True  # a refusal: the lost first answer moved the stage on

            await until(answer, f"the answer to {item['question']!r} is taken")

    async def resolve_and_close(self) -> None:
        """From the cleared breach to the closed incident."""
        await self.at_stage("resolution")
        await self.answer_all()
        await self.at_stage("post_mortem")
        await self.answer_all()
        await self.at_stage("closed")
        await self.wait_for("INCIDENTS", IncidentClosed, incident=self.incident)

    async def run(self) -> None:
        """All of it, nothing in between."""
        await self.house.switch("errors")
        await self.breached()
        await self.opened()
        await self.press(await self.paged())
        await self.acknowledged()
        await self.to_response()
        await self.house.switch("healthy")
        await self.healed()
        await self.resolve_and_close()

    async def events(self) -> list[IncidentEvent]:
        """What the incident said of itself, in the stream's order."""
        found = [one.message for one in await self.said("INCIDENTS")]
        return [one for one in found if isinstance(one, IncidentEvent) and one.incident == self.incident]
