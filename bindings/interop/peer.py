# SPDX-License-Identifier: Apache-2.0
"""peer.py URL: what interop.py says to each language's program, in Python."""
import sys

import rill

ME = "Python"
FROM = {"From": ME}


def told(how, m):
    print(how, m.subject, m.data.decode(), m.header("From"))


def write(bus, kv):
    bus.publish(f"live.{ME}", f"published by {ME}", headers=FROM)
    bus.append(f"s.{ME}", f"stored by {ME}", timeout=20, headers=FROM)
    kv[ME] = f"set by {ME}"
    bus.flush(20)
    print("written", flush=True)


def read(n, bus, kv, live):
    for _ in range(n):
        told("live", live.next(20))
    with bus.consume("S", group="python") as stored:
        for _ in range(n):
            m = stored.next(20)
            told("stored", m)
            m.ack()
    for key in kv.keys():
        print("key", key, kv[key].decode())
    print("end", flush=True)


with rill.Bus(sys.argv[1]) as bus, bus.kv("kv") as kv, bus.subscribe("live.*") as live:
    bus.flush(20)
    print("ready", flush=True)
    for line in sys.stdin:
        word, *n = line.split()
        write(bus, kv) if word == "write" else read(int(n[0]), bus, kv, live)
