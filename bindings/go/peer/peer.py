# SPDX-License-Identifier: Apache-2.0
"""peer.py URL [LANGUAGE]: as peer.c, for the tests of bindings."""
import sys

import rill

language = sys.argv[2] if len(sys.argv) > 2 else "go"
with rill.Bus(sys.argv[1]) as bus:
    with bus.consume("S", group="both") as sub:
        m = sub.next(5)
        print(f"{m.data.decode()}, from {m.header('From')}")
        m.ack()
        bus.flush(5)
    with bus.kv("kv") as kv, bus.objects("objs") as objs:
        print(kv[language].decode())
        print(len(objs.get(language)), "bytes")
        print(bus.request(f"ask.{language}", "a question", timeout=30).data.decode())
        bus.publish("live", "published by Python", headers={"From": "Python"})
        bus.append("s.peer", "stored by Python", timeout=30)
        kv["peer"] = "set by Python"
        objs.put("peer", b"x" * 300000)
    bus.flush(5)
