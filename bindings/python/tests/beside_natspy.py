# SPDX-License-Identifier: Apache-2.0
"""rill and nats-py at one broker: each publishes, stores and sets what the other one reads."""
import asyncio

import nats

import rill
from rill import aio
from rows import main, row


def with_both(fn):
    async def run():
        with rill.Broker(jetstream=True) as broker:
            url = f"nats://127.0.0.1:{broker.listen('nats://127.0.0.1:0')}"
            nc = await nats.connect(url)
            async with await aio.open(url) as bus:
                await fn(bus, nc)
            await nc.close()

    run.__name__ = fn.__name__
    return row(run)


@with_both
async def live_messages(bus, nc):
    async with await bus.subscribe("to.rill") as sub:
        await nc.publish("to.rill", b"1", headers={"A": "b"})
        m = await sub.next()
        assert m.data == b"1" and m.header("A") == "b"
    other = await nc.subscribe("to.nats")
    await nc.flush()
    bus.publish("to.nats", "2", headers={"C": "d"})
    m = await other.next_msg(50)
    assert m.data == b"2" and m.headers == {"C": "d"}


@with_both
async def requests(bus, nc):
    async def answer(m):
        await m.respond(b"of nats " + m.data)

    await nc.subscribe("ask.nats", cb=answer)
    await nc.flush()
    assert (await bus.request("ask.nats", "1", timeout=30)).data == b"of nats 1"
    async with await bus.subscribe("ask.rill") as sub:
        asking = asyncio.ensure_future(nc.request("ask.rill", b"2", timeout=30))
        (await sub.next()).reply("of rill 2")
        assert (await asking).data == b"of rill 2"


@with_both
async def streams(bus, nc):
    js = nc.jetstream()
    await bus.stream_ensure("S", subjects="s.*", in_memory=True)
    assert (await js.publish("s.a", b"1")).seq == 1
    assert (await bus.append("s.b", "2")).seq == 2
    async with await bus.tail("S") as sub:
        assert [(await sub.next()).data for _ in range(2)] == [b"1", b"2"]
    pull = await js.pull_subscribe("s.*", "group", stream="S")
    messages = await pull.fetch(2, timeout=30)
    assert [m.data for m in messages] == [b"1", b"2"]
    await messages[0].ack_sync()
    assert (await bus.group_status("S", "group")).settled_seq == 1


@with_both
async def keys_and_values(bus, nc):
    async with await bus.kv("b", in_memory=True) as kv:
        theirs = await nc.jetstream().key_value("b")
        await kv.put("k", "of rill")
        assert (await theirs.get("k")).value == b"of rill"
        await theirs.put("k", b"of nats")
        m = await kv.get("k")
        assert m.data == b"of nats" and m.seq == 2


main(lambda fn: asyncio.run(asyncio.wait_for(fn(), 60)))
