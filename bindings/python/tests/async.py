# SPDX-License-Identifier: Apache-2.0
"""What rill.aio promises, a row a feature, each in a loop of its own."""
import asyncio
import os
import socket
import tempfile
import threading

import rill
from rill import aio
from rows import main, row


async def araises(kind, what):
    try:
        got = await what
    except kind as e:
        return e
    raise AssertionError(f"{kind.__name__} was not raised, but {got!r} returned")


@row
async def publish_subscribe():
    async with await aio.open("mem:") as bus, await bus.subscribe("a.*") as sub:
        bus.publish("a.b", "1", headers={"H": "v"})
        m = await sub.next()
        assert m.data == b"1" and m.header("H") == "v"
        asyncio.get_running_loop().call_later(0.01, bus.publish, "a.c", "2")
        assert (await sub.next()).data == b"2"
        assert bus.stats().in_msgs == 2
    assert bus.closed


@row
async def much_leaves_before_the_loop_turns():
    with rill.Broker() as broker:
        url = f"nats://127.0.0.1:{broker.listen('nats://127.0.0.1:0')}"
        with rill.Bus(url) as other, other.subscribe("a", pending_msgs=1000) as sub:
            other.flush(50)
            async with await aio.open(url) as bus:
                await bus.flush()
                bus.publish_all("a", [b"x" * 1000] * 200)
                assert sub.next(50).data[:1] == b"x"  # and this coroutine has awaited nothing
                await bus.flush()
                assert len(sub.read(1000, 50)) > 0
                assert bus.publish_many("a", [b"y" * 1000] * 200) == 200
                got = [sub.next(50)]  # likewise
                await bus.flush()
                while got[-1].data[:1] != b"y" or len(got) < 200:
                    got.append(sub.next(50))


@row
async def iteration():
    async with await aio.open("mem:") as bus:
        async with await bus.subscribe("a", limit_msgs=1000) as sub:
            bus.publish_all("a", [b"%d" % i for i in range(1000)])
            assert [int(m.data) async for m in sub] == list(range(1000))
        async with await bus.subscribe("b") as sub:
            bus.publish_all("b", [b"x"] * 300)
            assert len(await sub.read(1000)) == 300
            reader = asyncio.ensure_future(sub.next())
            await asyncio.sleep(0)
            sub.close()
            await araises(rill.Closed, reader)


@row
async def request_reply():
    async with await aio.open("mem:") as bus:
        async def serve(sub):
            async for m in sub:
                m.reply(b"you said " + m.data)

        async with await bus.subscribe("echo") as sub:
            task = asyncio.ensure_future(serve(sub))
            replies = await asyncio.gather(
                *(bus.request("echo", str(i), timeout=30) for i in range(50)))
            assert [r.data for r in replies] == [b"you said %d" % i for i in range(50)]
            task.cancel()
        await araises(rill.NoReply, bus.request("nobody", timeout=30))
        async with await bus.subscribe("mute"):
            await araises(TimeoutError, bus.request("mute", timeout=0.01))


@row
async def cancelled_calls():
    async with await aio.open("mem:") as bus, await bus.subscribe("mute") as sub:
        task = asyncio.ensure_future(bus.request("mute"))
        assert (await sub.next()).reply_to
        task.cancel()
        await araises(asyncio.CancelledError, task)
        await araises(asyncio.TimeoutError, asyncio.wait_for(sub.next(), 0.01))
        reader = asyncio.ensure_future(sub.next())
        await asyncio.sleep(0.001)
        await araises(rill.Busy, sub.next())
        reader.cancel()
        await araises(asyncio.CancelledError, reader)
        bus.publish("mute", "still")
        assert (await sub.next()).data == b"still"
        before = bus.stats().subs
        opening = asyncio.ensure_future(bus.subscribe("late"))
        await asyncio.sleep(0)
        opening.cancel()
        await araises(asyncio.CancelledError, opening)
        await bus.flush()
        assert bus.stats().subs == before


@row
async def streams_and_groups():
    async with await aio.open("mem:") as bus:
        assert await bus.stream_ensure("S", subjects="s.*")
        receipts = await asyncio.gather(*(bus.append("s.a", str(i)) for i in range(100)))
        assert sorted(r.seq for r in receipts) == list(range(1, 101))
        assert (await bus.stream_status("S")).msgs == 100 and await bus.streams() == ["S"]
        assert (await bus.stream_describe("S")).name == "S"
        assert len(await bus.describe_streams()) == 1
        assert (await bus.stream_get("S", 7)).seq == 7
        await bus.stream_erase("S", 7)
        await araises(rill.NotFound, bus.stream_get("S", 7))
        async with await bus.consume("S", group="g") as sub:
            m = await sub.next()
            m.ack()
            await sub.seek(seq=50)
            assert (await sub.next()).seq == 50
            assert (await sub.status()).unacked_msgs >= 1
        async with await bus.tail("S", from_=rill.From.LAST) as sub:
            assert (await sub.next()).seq == 100
        assert await bus.groups("S") == ["g"]
        assert not await bus.group_ensure("S", "g", max_deliveries=2)
        await bus.group_seek("S", "g", from_=rill.From.FIRST)
        await bus.group_pause("S", "g", 0)
        assert (await bus.group_status("S", "g")).lag_msgs == 99
        await bus.group_delete("S", "g")
        assert await bus.stream_purge("S", keep_msgs=1) == 98
        await bus.stream_delete("S")


@row
async def batches():
    async with await aio.open("mem:") as bus:
        await bus.stream_ensure("S")
        async with bus.batch() as batch:
            for i in range(10):
                batch.add("S", str(i))
        assert (await bus.stream_status("S")).msgs == 10
        batch = bus.batch()
        batch.add("S", "x", expect_last_seq=3)
        await araises(rill.Conflict, batch.commit())
        batch.close()


@row
async def key_value():
    async with await aio.open("mem:") as bus, await bus.kv("b", history=2) as kv:
        assert await kv.put("a", "1") == 1
        await araises(rill.Exists, kv.create("a"))
        assert (await kv.get("a")).data == b"1"
        await kv.put("a", "2", expect=1)
        assert [m.data for m in await kv.history("a")] == [b"1", b"2"]
        async with await kv.watch() as watch:
            m = await watch.next()
            assert m.key == "a" and m.caught_up
            await kv.delete("a")
            assert (await watch.next()).deleted
        await araises(rill.NotFound, kv.get("a"))
        await kv.put("c", "3")
        assert await kv.keys() == ["c"]
        await kv.purge("c")


@row
async def objects():
    data = os.urandom(200000)
    async with await aio.open("mem:") as bus, await bus.objects("o") as objs:
        await objs.put("a", data)
        assert await objs.get("a") == data and (await objs.status("a")).bytes == len(data)
        await objs.link("l", objs, "a")
        assert sorted(await objs.names()) == ["a", "l"]
        async with await objs.watch() as watch:
            assert rill.told(await watch.next()).name in ("a", "l")
        await objs.delete("a")
        await objs.seal()


@row
async def over_a_connection():
    with rill.Broker(jetstream=True) as broker:
        port = broker.listen("nats://127.0.0.1:0")
        events = []
        async with await aio.open(f"nats://127.0.0.1:{port}", on_event=events.append) as bus:
            async with await bus.subscribe("a") as sub, await aio.open(
                    f"nats://127.0.0.1:{port}") as other:
                other.publish_all("a", [b"x" * 1000] * 2000)
                await other.flush()
                got = 0
                while got < 2000:
                    got += len(await sub.read(500))
                other.publish("a", "last")
                assert (await sub.next()).data == b"last"
            assert (await bus.jetstream_ask("$JS.API.INFO")).data.startswith(b"{")
        assert events[0].kind == rill.EventKind.UP
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        e = await araises(rill.NoConnection, aio.open(
            f"nats://127.0.0.1:{free.getsockname()[1]}", no_redial=True))
        assert isinstance(e, ConnectionError)


@row
async def over_kafka():
    with rill.Broker(jetstream=True) as broker:
        port = broker.listen("kafka://127.0.0.1:0")
        try:
            bus = await aio.open(f"kafka://127.0.0.1:{port}")
        except rill.NotSupported as e:
            print("kafka:// is left out:", e)
            return
        async with bus:
            await bus.stream_ensure("T")
            assert (await bus.append("T", "1")).seq == 1
            async with await bus.tail("T") as sub:
                assert (await sub.next()).data == b"1"


@row
async def no_thread():
    before = threading.active_count(), len(os.listdir("/proc/self/task"))
    with rill.Broker(drive=rill.Drive.HOST) as broker:
        sync = broker.bus(drive=rill.Drive.HOST)
        bus = aio.Bus(sync, asyncio.get_running_loop())
        async with bus, await bus.subscribe("a") as sub:
            bus.publish("a", "1")
            assert (await sub.next()).data == b"1"
            assert (threading.active_count(), len(os.listdir("/proc/self/task"))) == before


@row
async def care_and_forwarding():
    with tempfile.TemporaryDirectory() as dir:
        async with await aio.open(f"file:{dir}/a") as bus, await aio.open("mem:") as there:
            await bus.stream_ensure("S")
            await bus.append("S", "1")
            await there.stream_ensure("T", subjects="S")
            assert await bus.store_check() == 0
            await bus.store_snapshot(f"{dir}/b")
            async with bus.forward("S", there, "T", name="f") as forward:
                while (await forward.status()).msgs < 1:
                    await asyncio.sleep(0.005)
            assert (await there.stream_status("T")).msgs == 1
            await bus.drain()


@row
async def a_closed_bus_ends_what_waits():
    bus = await aio.open("mem:")
    sub = await bus.subscribe("mute")
    asking = asyncio.ensure_future(bus.request("mute"))
    await sub.next()
    bus.close()
    await araises(rill.Closed, asking)
    await araises(rill.Closed, bus.request("mute"))
    await araises(rill.Closed, sub.next())


main(lambda fn: asyncio.run(asyncio.wait_for(fn(), 60)))
