# SPDX-License-Identifier: Apache-2.0
"""bench.py [--url nats://HOST:PORT] [--rounds N] [--msgs N]: what a message of 128 bytes costs.

Within this process, where there is no peer; and, if nats-py is here (pip install nats-py), beside
it at one broker, in turns: that of --url, or one in a process of its own. Each figure is the median
of the rounds, by the clock and of this process's processors; "times" is the median of the rounds'
quotients. Without nats-py that part says so and is left out."""
import argparse
import asyncio
import multiprocessing
import sys
import time

import rill
from rill import aio

try:
    import nats
except ImportError:
    nats = None

DATA = b"x" * 128
clock = time.perf_counter


# -- In process

def to_callback(n, **opts):
    with rill.Bus("mem:", **opts) as bus:
        count = 0

        def hear(m):
            nonlocal count
            count += 1

        bus.subscribe("a", hear, on_publisher=not opts)
        publish = bus.publish
        began = clock()
        for _ in range(0, n, 250):
            for _ in range(250):
                publish("a", DATA)
            if opts:
                bus.poll()
        took = clock() - began
        assert count == n, count
        return took


def to_host_callback(n):
    return to_callback(n, drive=rill.Drive.HOST)


def to_next(n):
    with rill.Bus("mem:") as bus, bus.subscribe("a") as sub:
        began = clock()
        for _ in range(0, n, 250):
            for _ in range(250):
                bus.publish("a", DATA)
            for _ in range(250):
                sub.next(0)
        return clock() - began


def to_read(n):
    with rill.Bus("mem:") as bus, bus.subscribe("a") as sub:
        batch = [DATA] * 250
        began = clock()
        for _ in range(0, n, 250):
            bus.publish_all("a", batch)
            for m in sub.read(250, 0):
                m.data
        return clock() - began


def in_batches(n):
    with rill.Bus("mem:") as bus:
        bus.stream_ensure("S", max_msgs=10000)
        began = clock()
        for _ in range(0, n, 1000):
            with bus.batch() as batch:
                for _ in range(1000):
                    batch.add("S", DATA)
        return clock() - began


IN_PROCESS = {
    "publish to a callback, on the publisher": to_callback,
    "publish to a callback, by poll()": to_host_callback,
    "publish, next()": to_next,
    "publish_all, read() by 250": to_read,
    "append, batches of 1000": in_batches,
}


# -- Beside nats-py

def serve(pipe):
    with rill.Broker(jetstream=True, max_pending_bytes=1 << 30) as broker:
        pipe.send(broker.listen("nats://127.0.0.1:0"))
        pipe.recv()


def send(url, subject, n):
    """In a process of its own: n messages for whoever receives."""
    with rill.Bus(url, send_buffer_bytes=1 << 30) as bus:
        for _ in range(0, n, 500):
            bus.publish_all(subject, [DATA] * 500)
        bus.flush(60)


def sender(url, n):
    process = multiprocessing.get_context("spawn").Process(target=send, args=(url, "recv", n))
    process.start()
    return process


def rill_publish(url, n):
    with rill.Bus(url, send_buffer_bytes=1 << 30) as bus:
        began = clock()
        for _ in range(n):
            bus.publish("pub", DATA)
        bus.flush(60)
        return clock() - began


def rill_receive(url, n):
    with rill.Bus(url) as bus, bus.subscribe("recv", pending_msgs=n, pending_bytes=1 << 30) as sub:
        process = sender(url, n)
        sub.next(60)
        began = clock()
        for _ in range(n - 1):
            next(sub)
        took = clock() - began
        process.join()
        return took


def rill_append(url, n):
    with rill.Bus(url) as bus:
        bus.stream_ensure("RILL", subjects="rill.s", in_memory=True, max_msgs=10000)
        began = clock()
        for _ in range(0, n, 1000):
            with bus.batch() as batch:
                for _ in range(1000):
                    batch.add("rill.s", DATA)
        took = clock() - began
        bus.stream_delete("RILL")
        return took


async def aio_publish(url, n):
    async with await aio.open(url, send_buffer_bytes=1 << 30) as bus:
        began = clock()
        for _ in range(n):
            bus.publish("pub", DATA)
        await bus.flush()
        return clock() - began


async def aio_receive(url, n):
    async with await aio.open(url) as bus:
        async with await bus.subscribe("recv", pending_msgs=n, pending_bytes=1 << 30) as sub:
            process = sender(url, n)
            await sub.next()
            began = clock()
            left = n - 1
            async for _ in sub:
                left -= 1
                if not left:
                    break
            took = clock() - began
            process.join()
            return took


async def aio_append(url, n):
    async with await aio.open(url) as bus:
        await bus.stream_ensure("RILL", subjects="rill.s", in_memory=True, max_msgs=10000)
        began = clock()
        for _ in range(0, n, 1000):
            async with bus.batch() as batch:
                for _ in range(1000):
                    batch.add("rill.s", DATA)
        took = clock() - began
        await bus.stream_delete("RILL")
        return took


async def nats_publish(url, n):
    nc = await nats.connect(url)
    began = clock()
    for _ in range(n):
        await nc.publish("pub", DATA)
    await nc.flush(60)
    took = clock() - began
    await nc.close()
    return took


async def nats_receive(url, n):
    nc = await nats.connect(url)
    sub = await nc.subscribe("recv", pending_msgs_limit=n, pending_bytes_limit=1 << 30)
    await nc.flush()
    process = sender(url, n)
    await sub.next_msg(60)
    began = clock()
    left = n - 1
    async for _ in sub.messages:
        left -= 1
        if not left:
            break
    took = clock() - began
    process.join()
    await nc.close()
    return took


async def nats_append(url, n):
    nc = await nats.connect(url)
    js = nc.jetstream()
    await js.add_stream(name="NATS", subjects=["nats.s"], storage="memory", max_msgs=10000)
    began = clock()
    for _ in range(0, n, 1000):
        await asyncio.gather(*(js.publish("nats.s", DATA) for _ in range(1000)))
    took = clock() - began
    await js.delete_stream("NATS")
    await nc.close()
    return took


def median(values):
    values = list(values)
    return sorted(values)[len(values) // 2]


def measured(form, url, n):
    """ns a message, by the clock and of the processors."""
    cpu = time.process_time()
    took = form(url, n)
    if asyncio.iscoroutine(took):
        took = asyncio.run(took)
    return took / n * 1e9, (time.process_time() - cpu) / n * 1e9


def beside(url, args):
    work = {"publish": (rill_publish, aio_publish, nats_publish),
            "receive": (rill_receive, aio_receive, nats_receive),
            "append, batches of 1000": (rill_append, aio_append, nats_append)}
    print(f"{'ns a message':<24}{'':<6}{'rill':>9}{'rill.aio':>10}{'nats-py':>10}"
          f"{'rill, times':>13}{'aio, times':>12}")
    for name, forms in work.items():
        n = args.msgs // (10 if "append" in name else 1)
        rounds = []
        for i in range(args.rounds):
            order = forms if i % 2 == 0 else forms[::-1]
            rounds.append([measured(form, url, n) for form in order][::1 if i % 2 == 0 else -1])
        for what, name_of in enumerate(("wall", "cpu")):
            ours, loop, its = ([took[form][what] for took in rounds] for form in range(3))
            print(f"{name:<24}{name_of:<6}{median(ours):>9.0f}{median(loop):>10.0f}"
                  f"{median(its):>10.0f}{median(i / o for o, i in zip(ours, its)):>13.1f}"
                  f"{median(i / o for o, i in zip(loop, its)):>12.1f}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--msgs", type=int, default=100000)
    args = parser.parse_args()
    print("in process, ns a message")
    for name, form in IN_PROCESS.items():
        took = median(form(args.msgs) for _ in range(args.rounds)) / args.msgs
        print(f"{name:<42}{took * 1e9:>7.0f}", flush=True)
    if nats is None:
        print("nats-py is not here (pip install nats-py): nothing is compared with it")
        return
    if args.url:
        beside(args.url, args)
        return
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    broker = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,))
    broker.start()
    try:
        beside(f"nats://127.0.0.1:{ours.recv()}", args)
    finally:
        ours.send("end")
        broker.join()


if __name__ == "__main__":
    sys.exit(main())
