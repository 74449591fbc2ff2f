"""Incidents for a team that listens on the bus: as they happen, or once more since an instant (see docs/consume.md)."""

import asyncio
import contextlib
import json
import os
import sys

import nats


def tell(msg):
    """Do with an event what you like. You may be handed one again: you know it by its ce-id."""
    event = json.loads(msg.data)
    print(msg.headers["ce-time"], msg.headers["ce-type"], msg.headers["ce-id"], event["incident"], flush=True)


async def live(client):
    """Read on from where we acknowledged last, for ever: nothing is missed while we are away."""
    inbox = b"_INBOX.platform."
    consumer = await client.jetstream().pull_subscribe_bind("platform-incidents", "INCIDENTS", inbox_prefix=inbox)
    while True:
        try:
            for msg in await consumer.fetch(10, timeout=5):
                tell(msg)
                await msg.ack()
        except nats.errors.Error:  # nothing new, or the bus is electing a leader: ask again
            await asyncio.sleep(0.2)


async def replay(client, since):
    """Read what is stored since an instant (RFC 3339), a hundred at a time. Nothing is acknowledged."""
    answers = await client.subscribe(inbox := client.new_inbox())
    start, left = {"start_time": since}, 1
    while left:
        ask = {**start, "batch": 100, "next_by_subj": "hc.incidents.v1.*.*"}
        await client.publish("$JS.API.DIRECT.GET.INCIDENTS", json.dumps(ask).encode(), reply=inbox)
        while (msg := await answers.next_msg(timeout=10)).data:
            tell(msg)
            start = {"seq": int(msg.headers["Nats-Sequence"]) + 1}
        if msg.headers["Status"] not in {"204", "404"}:
            sys.exit(f"{since}: {msg.headers['Description']}")
        left = int(msg.headers.get("Nats-Num-Pending", 0))  # of 204, the end of a batch; 404 says that there is nothing


async def main():
    """Log in as the read-only user of platform teams."""
    urls, password = os.environ["HYPERCARE_NATS_URL"].split(","), os.environ["HYPERCARE_NATS_PASSWORD"]
    who = {"user": "platform", "password": password, "inbox_prefix": "_INBOX.platform"}
    client = await nats.connect(urls, **who, max_reconnect_attempts=-1, ping_interval=5)
    await (replay(client, sys.argv[1]) if sys.argv[1:] else live(client))
    await client.close()


with contextlib.suppress(KeyboardInterrupt):
    asyncio.run(main())
