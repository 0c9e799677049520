# SPDX-License-Identifier: Apache-2.0
"""A program that mypy checks in strict mode: the types that a user of the package meets."""
from __future__ import annotations

from typing import List, Optional

import rill
from rill import aio


def sync() -> None:
    with rill.Bus("mem:", name="typed") as bus:
        bus.subscribe("ask", lambda m: m.reply(m.data))
        with bus.subscribe("a") as sub:
            bus.publish("a", "text", headers={"A": "b"})
            went: int = bus.publish_many("a", ["text", b"bytes", bytearray(b"array")])
            first: Optional[rill.Message] = sub.next(1)
            more: List[rill.Message] = sub.read(10, 0)
            if first is not None:
                view: memoryview = first.view
                print(first.subject, len(view), first.header("A"), len(more), went)
            for m in sub:
                data: bytes = m.data
                print(data)
        receipt: rill.Receipt = bus.append("S", b"x", msg_id="1")
        print(receipt.seq, bus.stream_describe("S").info.msgs)
        with bus.kv("b") as kv:
            revision: int = kv.put("k", b"v")
            kv["k"] = "w"
            print(revision, kv["k"], "k" in kv)
        try:
            bus.request("nobody", timeout=30)
        except rill.NoReply as e:
            print(e.code, e.name, e.sentence)


async def loop() -> None:
    async with await aio.open("mem:") as bus, await bus.subscribe("a") as sub:
        bus.publish("a", b"x")
        m: rill.Message = await sub.next()
        print(m.data, (await bus.append("S")).seq)
        async for m in sub:
            print(m.subject)
        async with await bus.kv("b") as kv:
            print(await kv.put("k", b"v"), (await kv.get("k")).data)
