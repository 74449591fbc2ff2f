"""libcurl on the event loop against real servers: every way to fail has its code and its words."""

import contextlib
import os
import resource
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from services.prober.adapters.curl import CurlWeb
from services.prober.domain.look import Answer, Fault, Request, faulty
from shared.values import Outcome
from tests.fakes.ports import closed_port
from tests.integration.prober.targets import EXPIRED_AT, Target, certified, running_target

CA = trustme.CA()


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[CurlWeb]:
    ca_file = tmp_path / "ca.pem"
    CA.cert_pem.write_to_path(str(ca_file))
    web = CurlWeb(str(ca_file))
    yield web
    web.close()


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    async with running_target() as target:
        yield target


def request(url: str, timeout_s: float = 5.0) -> Request:
    return Request(url, "GET", {}, {}, timeout_s, 3, verify_tls=True)


async def fault(web: CurlWeb, wanted: Request) -> Fault:
    seen = await web.ask(wanted)
    assert isinstance(seen, Fault), seen
    return seen


async def answer(web: CurlWeb, wanted: Request) -> Answer:
    seen = await web.ask(wanted)
    assert isinstance(seen, Answer), seen
    return seen


async def test_an_answer_comes_with_status_headers_body_and_phases(web: CurlWeb, target: Target) -> None:
    seen = await answer(web, request(target.url("/slow")))
    assert (seen.status, seen.headers["content-type"]) == (200, "application/json")
    assert seen.body == b'{"status": "ok", "n": 7}'
    assert set(seen.phases) == {"dns", "connect", "tls", "ttfb", "transfer"}
    assert seen.phases["ttfb"] >= 0.19
    assert seen.phases["tls"] == 0
    assert sum(seen.phases.values()) == pytest.approx(seen.took_s, abs=0.001)


async def test_a_tls_answer_has_a_tls_phase(web: CurlWeb) -> None:
    async with running_target(certified(CA, "localhost")) as target:
        seen = await answer(web, request(target.url("/ok", "localhost")))
        assert seen.phases["tls"] > 0


async def test_each_probe_makes_a_connection_of_its_own(web: CurlWeb, target: Target) -> None:
    for _ in range(3):
        seen = await answer(web, request(target.url("/ok")))
        assert seen.phases["connect"] > 0


@pytest.mark.parametrize(
    ("path", "code", "reason"),
    [
        ("/hang", "timeout", "no answer within 200ms"),
        ("/drip", "timeout", "answer not complete within 200ms"),
        ("/nothing", "reset", "connection closed without an answer"),
        ("/half", "reset", "answer broke off before its end"),
        ("/huge", "body-too-large", "answer is longer than 1024 KiB"),
        ("/says-huge", "body-too-large", "answer is longer than 1024 KiB"),
        ("/loop", "too-many-redirects", "more than 3 redirects"),
        ("/garbage", "other", ""),
    ],
)
async def test_a_target_that_misbehaves_is_named(
    web: CurlWeb, target: Target, path: str, code: str, reason: str
) -> None:
    limit_s = 0.2 if code == "timeout" else 5.0
    seen = await fault(web, request(target.url(path), limit_s))
    assert seen.code == code
    assert seen.reason.startswith(reason)


async def test_a_refused_connection_names_the_address(web: CurlWeb) -> None:
    with closed_port() as port:
        seen = await fault(web, request(f"http://127.0.0.1:{port}/secret?key=1"))
    assert (seen.code, seen.reason) == ("refused", f"connection refused by 127.0.0.1:{port}")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "nowhere.invalid"])
async def test_a_prober_without_a_descriptor_left_says_so_and_nothing_of_the_target(web: CurlWeb, host: str) -> None:
    with closed_port() as port, no_descriptor_left():
        seen = await fault(web, request(f"http://{host}:{port}/"))
    assert (seen.code, seen.is_ours) == ("prober-exhausted", True)
    assert seen.reason == "this prober has no room for a connection: Too many open files"
    assert faulty(seen).outcome is Outcome.UNKNOWN


@contextlib.contextmanager
def no_descriptor_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as held:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (max(int(one.name) for one in Path("/proc/self/fd").iterdir()) + 20, hard)
        )
        held.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        with contextlib.suppress(OSError):
            while True:
                held.enter_context(Path(os.devnull).open("rb"))
        yield


async def test_a_name_that_does_not_exist_is_a_dns_fault(web: CurlWeb) -> None:
    seen = await fault(web, request("http://nowhere.invalid/"))
    assert (seen.code, seen.reason) == ("dns", "name nowhere.invalid could not be resolved")


async def test_an_expired_certificate_says_since_when(web: CurlWeb) -> None:
    async with running_target(certified(CA, "localhost", not_after=EXPIRED_AT)) as target:
        seen = await fault(web, request(target.url("/ok", "localhost")))
    assert (seen.code, seen.reason) == ("tls-expired", "certificate expired on 2026-11-20")


async def test_a_certificate_for_another_name_says_for_which(web: CurlWeb) -> None:
    async with running_target(certified(CA, "shop.example.org")) as target:
        seen = await fault(web, request(target.url("/ok", "localhost")))
    assert (seen.code, seen.reason) == ("tls-name", "certificate is not for localhost but for shop.example.org")


async def test_a_certificate_of_an_unknown_issuer_is_not_trusted_unless_asked_for(web: CurlWeb) -> None:
    async with running_target(certified(trustme.CA(), "localhost")) as target:
        wanted = request(target.url("/ok", "localhost"))
        seen = await fault(web, wanted)
        assert seen.code == "tls-untrusted"
        assert seen.reason.startswith("certificate is not trusted: ")
        assert (await answer(web, replace(wanted, verify_tls=False))).status == 200


async def test_a_target_that_does_not_speak_tls_is_told_apart(web: CurlWeb, target: Target) -> None:
    wanted = request(target.url("/ok").replace("http:", "https:"), 0.3)
    assert (await fault(web, wanted)).reason == "no TLS within 300ms"


async def test_redirects_are_followed_and_their_time_is_counted(web: CurlWeb, target: Target) -> None:
    seen = await answer(web, request(target.url("/once")))
    assert seen.status == 200
    assert len(target.requests) == 2


async def test_without_following_a_redirect_is_the_answer(web: CurlWeb, target: Target) -> None:
    seen = await answer(web, replace(request(target.url("/once")), max_redirects=0))
    assert (seen.status, seen.headers["location"]) == (302, "/ok")


async def test_a_redirect_never_leaves_the_web(web: CurlWeb, target: Target) -> None:
    assert (await fault(web, request(target.url("/to-file")))).code == "other"


async def test_a_secret_header_stays_with_its_host(web: CurlWeb, target: Target) -> None:
    wanted = replace(request(target.url("/elsewhere")), secret_headers={"X-Api-Key": "s3cret"})
    await answer(web, wanted)
    first, second = target.requests
    assert "X-Api-Key: s3cret" in first
    assert "s3cret" not in second


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_each_method_is_sent_as_written(web: CurlWeb, target: Target, method: str) -> None:
    wanted = replace(request(target.url("/ok")), method=method, headers={"Accept": "application/json"})
    await answer(web, wanted)
    assert target.requests[0].startswith(f"{method} /ok HTTP/1.1\r\n")
    assert "Accept: application/json" in target.requests[0]
    assert "form-urlencoded" not in target.requests[0]
