# SPDX-License-Identifier: Apache-2.0
"""client.py core|js: a user's work through nats.py; prints what it saw, the same for any server."""
import asyncio
import os
import sys

import nats
from nats.errors import MaxPayloadError, NoRespondersError, TimeoutError as NatsTimeout
from nats.js.api import ConsumerConfig, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import KeyNotFoundError, NotFoundError


async def core(nc):
    got = []

    async def collect(msg):
        got.append(f"{msg.subject}={msg.data.decode()}")

    sub = await nc.subscribe("py.*.x", cb=collect)
    for word in ("a", "b"):
        await nc.publish(f"py.{word}.x", word.encode())
    await nc.publish("py.a.y", b"no")
    await nc.flush()
    await asyncio.sleep(0)
    await sub.drain()
    print("wildcard:", sorted(got))

    counts = [0, 0, 0]

    def member(i):
        async def count(_msg):
            counts[i] += 1
        return count

    members = [await nc.subscribe("py.jobs", queue="w", cb=member(i)) for i in range(3)]
    for _ in range(300):
        await nc.publish("py.jobs", b"job")
    await nc.flush()
    for sub in members:
        await sub.drain()
    print("queue:", sum(counts), all(counts))

    async def answer(msg):
        await msg.respond(b"re: " + msg.data)

    sub = await nc.subscribe("py.echo", cb=answer)
    print("request:", (await nc.request("py.echo", b"ask", timeout=30)).data.decode())
    await sub.unsubscribe()
    await nc.flush()
    try:
        await nc.request("py.echo", b"ask", timeout=30)
    except NoRespondersError:
        print("request, nobody there: no responders")

    sub = await nc.subscribe("py.headed")
    await nc.publish("py.headed", b"body", headers={"One": "1", "Two": "two words"})
    msg = await sub.next_msg(timeout=30)
    print("headers:", sorted(msg.headers.items()), msg.data.decode())

    sub = await nc.subscribe("py.large")
    data = bytes(i % 251 for i in range(1024 * 1024))
    await nc.publish("py.large", data)
    print("large:", (await sub.next_msg(timeout=30)).data == data)
    try:
        await nc.publish("py.large", data + b"x")
    except MaxPayloadError:
        print("larger: refused")

    sub = await nc.subscribe("py.few", max_msgs=2)
    for _ in range(5):
        await nc.publish("py.few", b"x")
    await nc.flush(30)  # what comes has come
    count = 0
    try:
        while True:
            await sub.next_msg(timeout=0.5)
            count += 1
    except (NatsTimeout, nats.errors.Error):
        print("auto-unsubscribe:", count)


async def js(nc):
    js = nc.jetstream(timeout=30)
    await js.add_stream(StreamConfig(name="PY", subjects=["pyjs.>"], storage=StorageType.FILE))
    for i in range(10):
        ack = await js.publish(f"pyjs.{i % 2}", f"m{i}".encode())
    print("published:", ack.stream, ack.seq)
    ack = await js.publish("pyjs.0", b"once", headers={"Nats-Msg-Id": "id"})
    again = await js.publish("pyjs.0", b"once", headers={"Nats-Msg-Id": "id"})
    print("duplicate:", again.seq == ack.seq, again.duplicate)
    info = await js.stream_info("PY")
    print("stream:", info.state.messages, info.state.first_seq, info.state.last_seq)

    pull = await js.pull_subscribe("pyjs.1", "puller")
    msgs = await pull.fetch(5, timeout=30)
    print("pull:", [m.data.decode() for m in msgs], [m.metadata.sequence.stream for m in msgs])
    for msg in msgs[:3]:
        await msg.ack_sync()
    await msgs[3].nak()
    await msgs[4].term()
    again = await pull.fetch(1, timeout=30)
    print("redelivered:", again[0].data.decode(), again[0].metadata.num_delivered)
    await again[0].ack_sync()
    info = await js.consumer_info("PY", "puller")
    print("consumer:", info.num_ack_pending, info.num_pending, info.delivered.consumer_seq)

    ordered = await js.subscribe("pyjs.>", ordered_consumer=True)
    print("ordered:", [(await ordered.next_msg(timeout=30)).data.decode() for _ in range(11)])
    msg = await js.get_msg("PY", 3)
    print("get:", msg.subject, msg.data.decode())
    await js.add_stream(StreamConfig(name="PYW", subjects=["pyw"],
                                     retention=RetentionPolicy.WORK_QUEUE))
    await js.publish("pyw", b"work")
    worker = await js.pull_subscribe("pyw", "w", config=ConsumerConfig(ack_wait=30))
    await (await worker.fetch(1, timeout=30))[0].ack_sync()
    print("work queue:", (await js.stream_info("PYW")).state.messages)

    kv = await js.create_key_value(bucket="PYKV", history=3)
    revisions = [await kv.put("k", b"1"), await kv.put("k", b"2"), await kv.create("other", b"o")]
    entry = await kv.get("k")
    print("kv:", revisions, entry.value.decode(), entry.revision, sorted(await kv.keys()))
    await kv.delete("k")
    try:
        await kv.get("k")
    except KeyNotFoundError:
        print("kv: deleted")
    print("kv history:", [(e.operation, e.revision) for e in await kv.history("k")])
    await js.delete_stream("PY")
    try:
        await js.stream_info("PY")
    except NotFoundError as error:
        print("deleted:", error.err_code, error.description)


async def main():
    nc = await nats.connect(os.environ["NATS_URL"], connect_timeout=30, max_reconnect_attempts=1)
    await (js if sys.argv[1] == "js" else core)(nc)
    await nc.drain()


asyncio.run(asyncio.wait_for(main(), 100))
