import asyncpg
import nats

from tests.fakes.embedded import NatsServer


async def test_a_message_survives_a_killed_bus(bus: NatsServer) -> None:
    client = await nats.connect(bus.url, max_reconnect_attempts=-1, reconnect_time_wait=0.05)
    stream = client.jetstream()
    await stream.add_stream(name="KEPT", subjects=["kept.>"])
    await stream.publish("kept.one", b"1")

    bus.kill()
    bus.start()

    again = await nats.connect(bus.url)
    assert (await again.jetstream().stream_info("KEPT")).state.messages == 1
    await again.close()
    await client.close()


async def test_each_test_gets_an_empty_database(database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("CREATE TABLE public.only_mine (id int)")
    assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 1
    await connection.close()


async def test_the_next_test_sees_nothing_of_it(database: str) -> None:
    connection = await asyncpg.connect(database)
    assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    await connection.close()
