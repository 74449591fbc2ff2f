"""Heartbeat checks: others ping us, at an address only they and we can know."""

import contextlib
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.prober import metrics
from services.prober.domain.plan import Heartbeat, Programme
from services.prober.domain.safe_text import safe_text
from shared.contracts import Sample
from shared.kit.clock import Clock
from shared.kit.errors import Transient
from shared.kit.http import http_problem, problem, without_redirects
from shared.kit.logging import get_logger
from shared.kit.signing import ping_token
from shared.values import CheckId, Outcome, Partition

log = get_logger()

BODY_LIMIT: Final = 10_000
"""Bytes of a failure's body that are kept as its reason; the rest is read and let go."""
BODY_READ_LIMIT: Final = 1024 * 1024
ANY_BODY: Final = 2**63
"""No length is refused before it is looked at: we stop reading by ourselves."""
STORE_WITHIN_S: Final = 2.0
METHODS: Final = ("GET", "POST")


class Storing(Protocol):
    """Where a ping goes before it is answered."""

    async def store(self, partition: Partition, sample: Sample, *, within_s: float) -> None:
        """Return when the bus has it; raise Transient when it has not."""
        ...


class Pings:
    """Turns pings into samples: any replica answers, whoever owns the partition."""

    def __init__(self, key: str, outlet: Storing, clock: Clock) -> None:
        self._key = key
        self._outlet = outlet
        self._clock = clock
        self._known: dict[bytes, Heartbeat] | None = None
        self._last_at: dict[CheckId, datetime] = {}

    def take(self, programme: Programme) -> None:
        """From now on these heartbeat checks are known."""
        self._known = {_key_of(ping_token(self._key, check)): one for check, one in programme.heartbeats.items()}

    def find(self, token: str) -> Heartbeat | None:
        """The check of a token. Looked up by hash, so that the time it takes says nothing about the token.

        Raises Transient while there is no configuration: then nobody can say that a token is unknown.
        """
        if self._known is None:
            raise Transient("no configuration yet")
        return self._known.get(_key_of(token))

    async def record(self, check: Heartbeat, reason: str | None) -> None:
        """Keep one ping; returns when the bus has it. `reason` None: all is well. Raises Transient."""
        sample = Sample(
            check=check.check,
            due_at=self._arrival(check.check),
            took_s=0.0,
            outcome=Outcome.OK if reason is None else Outcome.FAILED,
            reason=reason,
            code=None if reason is None else "reported",
        )
        await self._outlet.store(check.partition, sample, within_s=STORE_WITHIN_S)

    def _arrival(self, check: CheckId) -> datetime:
        """Return now in whole milliseconds, and later than the ping before.

        Of two at one instant the second would be late data to the evaluator, and it may be the failure.
        """
        now = self._clock.now()
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        last = self._last_at.get(check)
        if last is not None and timedelta() <= last - now < timedelta(seconds=1):
            now = last + timedelta(milliseconds=1)
        self._last_at[check] = now
        return now


def _key_of(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def pings_app(pings: Pings) -> Starlette:
    """`/ping/<token>` and `/ping/<token>/fail`: 200 only after the bus has it, else 503, for a client that retries."""

    async def alive(request: Request) -> Response:
        return await _answer(pings, request, None)

    async def fail(request: Request) -> Response:
        try:
            body = await _body(request)
        except ClientDisconnect:
            return Response(status_code=400)
        words = safe_text(body.decode("utf-8", "replace"), limit=BODY_LIMIT)
        return await _answer(pings, request, words or "reported as failed")

    answers = {"/ping/{token}": alive, "/ping/{token}/fail": fail}
    # A slash at the end is a ping too: a job whose client follows no redirect would be called dead.
    routes = [Route(path + end, take, methods=list(METHODS)) for path, take in answers.items() for end in ("", "/")]
    return without_redirects(Starlette(routes=routes, exception_handlers={HTTPException: http_problem}))


async def _answer(pings: Pings, request: Request, reason: str | None) -> Response:
    if request.method == "HEAD":  # link checkers and chat previews ask so: nobody's job has run
        answer = problem(405, "Method Not Allowed", "a ping is a GET or a POST")
        answer.headers["allow"] = ", ".join(METHODS)
        return answer
    try:
        check = pings.find(request.path_params["token"])
        if check is None:
            metrics.PINGS.labels(answer="unknown").inc()
            return problem(404, "Not Found", "no heartbeat check has this address")
        await pings.record(check, reason)
    except Transient as error:
        metrics.PINGS.labels(answer="unavailable").inc()
        log.warning("ping_refused", reason=error.reason)
        answer = problem(503, "Service Unavailable", f"{error.reason}; try again")
        answer.headers["retry-after"] = "2"
        return answer
    metrics.PINGS.labels(answer="ok").inc()
    log.info("ping_recorded", check_id=check.check, outcome="ok" if reason is None else "failed")
    return JSONResponse({"ok": True})


async def _body(request: Request) -> bytes:
    """The first BODY_LIMIT bytes. A failure with a long or slow log attached is still one: it is cut, not refused."""
    kept, read = bytearray(), 0
    with contextlib.suppress(HTTPException):  # it took longer than anybody may
        async for chunk in request.stream():
            kept += chunk[: max(0, BODY_LIMIT - len(kept))]
            read += len(chunk)
            if read > BODY_READ_LIMIT:
                break
    return bytes(kept)
