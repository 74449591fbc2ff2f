"""Three nodes by the shipped configuration: everything on all of them, and a node that dies takes nothing along."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme
from nats.aio.client import Client
from pydantic import SecretStr

from shared.contracts import BreachOpened
from shared.contracts.streams import BREACHES, BUCKETS, CONSUMERS, STREAMS
from shared.kit.bus import Publisher, connected, declare_all
from shared.kit.settings import BusSettings
from tests.contract.messages.examples import EXAMPLES
from tests.fakes.cluster import Cluster
from tests.fakes.keys import BUS_PASSWORDS

BREACH = next(example for example in EXAMPLES if type(example) is BreachOpened)
EVERYTHING = [*(stream.name for stream in STREAMS), *(bucket.stream for bucket in BUCKETS)]


@pytest.fixture
async def admin() -> AsyncIterator[tuple[Cluster, Client]]:
    with Cluster() as cluster:
        settings = BusSettings(nats_url=cluster.url, nats_user="admin", nats_password=SecretStr(BUS_PASSWORDS["admin"]))
        async with connected(settings, "test") as client:
            yield cluster, client


async def test_a_bus_grows_to_three_copies_and_keeps_its_word_when_a_leader_dies(
    admin: tuple[Cluster, Client],
) -> None:
    cluster, client = admin
    js = client.jetstream(timeout=10)
    # given a bus with one copy of everything, which is then declared with three, and again by somebody who says nothing
    await declare_all(js)
    assert len(await declare_all(js, replicas=3)) == len(EVERYTHING)
    assert await declare_all(js) == []
    assert {(await js.stream_info(name)).config.num_replicas for name in EVERYTHING} == {3}
    assert {(await js.consumer_info(one.stream, one.durable)).config.num_replicas for one in CONSUMERS} <= {0, 3, None}
    # when the leader of a stream dies between two messages
    publisher = Publisher(client, "/hypercare/test")
    await publisher.start()
    first = await publisher.publish(BREACH)
    await asyncio.to_thread(cluster.until_whole)
    led_by = (await js.stream_info(BREACHES.name)).cluster
    assert led_by is not None
    assert led_by.leader is not None
    cluster.nodes[led_by.leader].kill()
    second = await publisher.publish(BREACH.model_copy(update={"event_id": "0" * 32}), give_up_s=60)
    # then what was acknowledged is there, the next in line is next, and the same again is stored once
    assert (first.sequence, second.sequence) == (1, 2)
    assert (await publisher.publish(BREACH, give_up_s=60)).duplicate


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    made = authority.issue_cert("127.0.0.1")
    made.cert_chain_pems[0].write_to_path(tmp_path / "tls.crt")
    made.private_key_pem.write_to_path(tmp_path / "tls.key")
    return tmp_path


async def test_clients_and_nodes_speak_tls_where_its_files_are_in_their_place(certificates: Path) -> None:
    with Cluster(certificates) as cluster:
        settings = BusSettings(
            nats_url=cluster.url,
            nats_user="admin",
            nats_password=SecretStr(BUS_PASSWORDS["admin"]),
            nats_ca_file=certificates / "ca.crt",
            nats_cert_file=certificates / "tls.crt",
            nats_key_file=certificates / "tls.key",
        )
        async with connected(settings, "test") as client:
            js = client.jetstream(timeout=10)
            await declare_all(js, replicas=3)
            publisher = Publisher(client, "/hypercare/test")
            await publisher.start()
            assert (await publisher.publish(BREACH, give_up_s=60)).sequence == 1
        for node in cluster.nodes.values():
            said = node.says("/varz")
            assert isinstance(said, dict)
            assert (said["tls_required"], said["cluster"]["tls_required"]) == (True, True)
