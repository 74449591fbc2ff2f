"""CPU per probe: the prober's own path (schedule, libcurl, judgement, batches to a real bus), plain and over TLS.

    python -m benchmarks.prober [--rate 300] [--seconds 10]

The target runs in a process of its own, so that only the prober's CPU is counted. The bus is a fresh nats-server.
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import platform
import ssl
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import trustme
import uvloop

from services.prober.adapters.curl import CurlWeb
from services.prober.batches import Outlet
from services.prober.domain.look import Answer, Fault, Request
from services.prober.domain.plan import programme_of
from services.prober.lane import Identity
from services.prober.runner import Caps, Runner
from shared.config import ProberSlice
from shared.config.checks import CheckKind
from shared.config.slice_models import HttpProbe, JsonCondition, ProbeCheck, ReadNumber
from shared.config.types import Unit
from shared.contracts import Sample
from shared.kit.bus import Publisher, connected, declare_all
from shared.kit.clock import SystemClock
from shared.kit.health import Health
from shared.kit.logging import configure_logging
from shared.kit.settings import BusSettings
from shared.values import CheckId, Location, Outcome, Partition, ServiceId, partition_of
from tests.fakes.embedded import start_nats

BODY = b'{"status": "ok", "cache": {"hit_rate": 93.5}}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (
    len(BODY),
    BODY,
)


class Target(asyncio.Protocol):
    """Answers every request with the same small JSON."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class, of the same shape

    def data_received(self, data: bytes) -> None:
        if data.endswith(b"\r\n\r\n"):
            self._transport.write(ANSWER)
            self._transport.close()


def serve(pipe: Connection, certificate: str | None) -> None:
    """The target's process: says its port, serves until it is ended."""
    tls = None
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Target, "127.0.0.1", 0, ssl=tls, backlog=1024)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(run())


@contextlib.contextmanager
def target(certificate: str | None) -> Iterator[int]:
    """A target in another process; gives its port."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, certificate), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def slice_of(url: str, rate: int) -> ProberSlice:
    """One check a second for each probe a second, over 16 services."""
    http = HttpProbe(
        url=url,
        method="GET",
        headers={},
        secret_headers={},
        statuses=(200,),
        response_headers={},
        contains=(),
        regexes=(),
        json_conditions=(JsonCondition(path="$.status", op="is", value="ok"),),
        read={"cache_hit_rate": ReadNumber(path="$.cache.hit_rate", unit=Unit.PERCENT)},
        max_redirects=5,
        verify_tls=True,
    )
    checks = {
        CheckId(f"check-{n}"): ProbeCheck(
            service=ServiceId(f"service-{n % 16}"),
            partition=partition_of(f"service-{n % 16}"),
            kind=CheckKind.HTTP,
            every=timedelta(seconds=1),
            timeout=timedelta(seconds=1),
            http=http,
        )
        for n in range(rate)
    }
    return ProberSlice(programme="bench", locations=(Location("main"),), partitions=16, checks=checks)


class CountingWeb(CurlWeb):
    """Counts what was really asked: a turn that was skipped costs nothing and must not make probes look cheap."""

    asked = 0

    async def ask(self, request: Request) -> Answer | Fault:
        self.asked += 1
        return await super().ask(request)


class CountingOutlet(Outlet):
    """Counts the samples by outcome."""

    def __init__(self, who: Identity, bus: Publisher) -> None:
        super().__init__(who, bus, SystemClock(), room=20_000)
        self.seen = dict.fromkeys(Outcome, 0)

    def add(self, partition: Partition, sample: Sample) -> None:
        self.seen[sample.outcome] += 1
        super().add(partition, sample)


@dataclass(frozen=True)
class Result:
    """What a run used. CPU in seconds."""

    probes: int
    other: int
    cpu_s: float
    took_s: float

    def line(self, name: str) -> str:
        per_probe_ms = 1000 * self.cpu_s / self.probes
        return (
            f"{name:<6} {self.probes / self.took_s:6.0f} probes/s   {per_probe_ms:.3f} ms CPU a probe"
            f"   {100 * self.cpu_s / self.took_s:.0f} % of a core   not ok: {self.other}"
        )


async def measure(url: str, ca_file: str, nats_url: str, rate: int, seconds: float) -> Result:
    settings = BusSettings(nats_url=nats_url)
    async with connected(settings, "bench") as client:
        await declare_all(client.jetstream())
        publisher = Publisher(client, "/hypercare/bench")
        await publisher.start()
        web = CountingWeb(ca_file)
        outlet = CountingOutlet(Identity("bench-0", Location("main")), publisher)
        runner = Runner(SystemClock(), web, outlet, Health(), {}, Caps(total=500, per_host=500))
        programme = programme_of(slice_of(url, rate))
        tasks = [asyncio.create_task(outlet.run()), asyncio.create_task(runner.run())]
        runner.assign(list(programme.plans.values()))
        outlet.speak_for(programme.partitions)
        await asyncio.sleep(2)  # the CA bundle is parsed, the first connections made
        before, asked = dict(outlet.seen), web.asked
        cpu_s, started_s = time.process_time(), time.monotonic()
        await asyncio.sleep(seconds)
        cpu_s, took_s = time.process_time() - cpu_s, time.monotonic() - started_s
        seen = {outcome: count - before[outcome] for outcome, count in outlet.seen.items()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await runner.drain(5)
        web.close()
        return Result(web.asked - asked, sum(seen.values()) - seen[Outcome.OK], cpu_s, took_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=10)
    wanted = parser.parse_args()
    configure_logging("bench", "bench-0", "error")
    print(f"{platform.machine()}, Python {platform.python_version()}, libcurl by pycurl, {wanted.rate} checks of 1 s")
    bus = start_nats()
    try:
        with tempfile.TemporaryDirectory() as folder:
            ca, ca_file, chain = trustme.CA(), Path(folder, "ca.pem"), Path(folder, "server.pem")
            # The machine's own bundle too: parsing 140 authorities for each probe would be the costliest mistake.
            system = Path("/etc/ssl/certs/ca-certificates.crt")
            ca_file.write_bytes((system.read_bytes() if system.exists() else b"") + ca.cert_pem.bytes())
            ca.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(chain))
            for name, certificate in (("plain", None), ("tls", str(chain))):
                with target(certificate) as port:
                    url = f"{'https' if certificate else 'http'}://localhost:{port}/"
                    result = uvloop.run(measure(url, str(ca_file), bus.url, wanted.rate, wanted.seconds))
                    print(result.line(name))
    finally:
        bus.close()


if __name__ == "__main__":
    main()
