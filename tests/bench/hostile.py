#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hostile.py --rilld P [--peer P] [--rounds N] [--only NAME] [--list]: what one client can do to
all others, rilld beside nats-server.

Each attack has a server of its own, an attacker in a process of its own, and two bystanders, each
in one too: one has a request answered by a second connection of its own, one appends to a stream
of its own and waits for the acknowledgement. First they are measured at rest, then from the
attack's beginning until half a second after its end, or for LONGEST_S seconds. A row has p50, p99
and the longest of what each waited for, and these against the same at rest. A round trip that has
no answer in PATIENCE_S, or whose connection is closed, counts as that long.

A row's factor is nats-server's longest wait over rilld's. It is "aim" when rilld's is no more than
MAY_WAIT_MS longer than at rest, "ok" when it is at least no longer than nats-server's.

The rows "memory" tell what a server holds at the most while peers make it hold what they can, and
what is left when these have gone. rilld is told a budget of BUDGET_MB, may hold 1.3 times that
beyond what it held before, and nats-server has none."""
import argparse
import ctypes
import ctypes.util
import multiprocessing
import statistics
import sys
import time

import hostile_attacks
from hostile_client import PASSWORD, Client, Gone, many_files, publish
from servers import Server, find_peer, version
from table import Table

LONGEST_S = 20
PATIENCE_S = 30
PREPARED_S = 120
REST_S = 1
BEHIND_S = 0.5
PAUSE_S = 0.0005
MAY_WAIT_MS = 5
BUDGET_MB = 256
CONFIG = """jetstream {{ store_dir: "@DIR@/js", max_file_store: 8GB, max_memory_store: 4GB,
             sync_interval: "2m" }}
max_payload: 8MB
max_subscriptions: 0
{more}
"""
LOGIN = 'authorization {{ user: ivan, password: "{password}", timeout: 30 }}'
context = multiprocessing.get_context("fork")


# ---- Bystanders ------------------------------------------------------------------------------

def echo(port):
    """A call that has a request answered by a second connection."""
    asker, answerer = (Client(port, timeout=PATIENCE_S) for _ in range(2))
    answerer.send("SUB bystander.echo 2\r\n")
    answerer.ping()

    def trip():
        reply = asker.reply()
        asker.send(publish("bystander.echo", "hello", reply))
        answerer.message()
        answerer.send(publish(reply, "hello"))
        asker.await_reply(reply)
    return trip


def append(port):
    client = Client(port, timeout=PATIENCE_S)
    client.stream("BYSTANDER", ["bystander.append"])
    return lambda: client.ask("bystander.append", "hello")


def bystand(make, port, pipe):
    """Round trips until told to end; each as (when it began, how long it took)."""
    trip = make(port)
    trips = []
    pipe.send("ready")
    while not pipe.poll():
        start = time.monotonic()
        try:
            trip()
        except (OSError, Gone):
            trips.append((start, PATIENCE_S))
            break
        trips.append((start, time.monotonic() - start))
        time.sleep(PAUSE_S)
    pipe.send(trips)


class Bystander:
    def __init__(self, make, port):
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=bystand, args=(make, port, theirs), daemon=True)
        self.process.start()
        theirs.close()
        if not self.pipe.poll(PATIENCE_S) or self.pipe.recv() != "ready":
            raise RuntimeError("a bystander has no server")

    def stop(self):
        """What it has measured; nothing of one that waits still."""
        try:
            self.pipe.send("end")
        except BrokenPipeError:
            pass  # it was cut off, and has told that
        trips = self.pipe.recv() if self.pipe.poll(PATIENCE_S + 1) else []
        self.process.kill()
        self.process.join()
        return trips


def figures(trips, begin, end):
    """p50, p99 and the longest, in ms, of the round trips that lie in a time, in part at least."""
    took = sorted(took * 1e3 for start, took in trips if start < end and start + took > begin)
    if not took:
        return {"p50": PATIENCE_S * 1e3, "p99": PATIENCE_S * 1e3, "max": PATIENCE_S * 1e3}
    return {"p50": took[len(took) // 2], "p99": took[len(took) * 99 // 100], "max": took[-1]}


# ---- Attackers -------------------------------------------------------------------------------

class Place:
    """Of a server, what an attacker's process needs."""

    def __init__(self, server):
        self.port, self.pid, self.dir = server.port, server.pid, server.dir


def attack(function, place, pipe):
    try:
        steps = function(place)
        next(steps)
        pipe.send("ready")
        pipe.recv()
        for _ in steps:
            pass
        pipe.send("done")
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {error}")
    pipe.recv()  # what it holds is held until it is killed


class Attacker:
    def __init__(self, function, place):
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=attack, args=(function, place, theirs), daemon=True)
        self.process.start()
        theirs.close()

    def told(self, seconds):
        """What it says within this time; None: nothing."""
        try:
            return self.pipe.recv() if self.pipe.poll(seconds) else None
        except EOFError:
            return "the attacker has died"

    def prepared(self):
        told = self.told(PREPARED_S)
        if told != "ready":
            self.end()
            raise RuntimeError(f"not prepared: {told or 'no time left'}")

    def go(self):
        self.pipe.send("go")

    def end(self):
        self.process.kill()
        self.process.join()


# ---- Rows ------------------------------------------------------------------------------------

def config_of(name):
    more = ""
    if name in ("logins", "reload"):
        more = LOGIN.format(password=hashed(11))
    return CONFIG.format(more=more)


def hashed(cost):
    """The password's bcrypt hash, by the C library of passwords."""
    crypt = ctypes.CDLL(ctypes.util.find_library("crypt") or "libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    salt = f"$2b${cost:02}$abcdefghijklmnopqrstuu"
    return crypt(PASSWORD.encode(), salt.encode()).decode()


def measure(program, name):
    """Of each bystander the figures at rest and under attack, and what became of the attack."""
    function, _ = hostile_attacks.ATTACKS[name]
    with Server(program, config=config_of(name)) as server:
        attacker = Attacker(function, Place(server))
        attacker.prepared()
        standers = {make.__name__: Bystander(make, server.port) for make in (echo, append)}
        rest = time.monotonic()
        time.sleep(REST_S)
        begin = time.monotonic()
        attacker.go()
        end = attacker.told(LONGEST_S) or f"not done in {LONGEST_S} s"
        took = time.monotonic() - begin
        time.sleep(BEHIND_S)
        over = time.monotonic()
        trips = {who: stander.stop() for who, stander in standers.items()}
        attacker.end()
        if end != "done":
            server.process.kill()  # it may not end by itself for minutes
        return {who: {"rest": figures(all_of, rest, begin), "under": figures(all_of, begin, over)}
                for who, all_of in trips.items()}, end, took


def rounds_of(program, name, rounds):
    """The medians of the rounds, in the form of one; of the attack what the last one told."""
    each = [measure(program, name) for _ in range(rounds)]
    return {who: {when: {key: statistics.median(one[0][who][when][key] for one in each)
                         for key in ("p50", "p99", "max")}
                  for when in ("rest", "under")} for who in ("echo", "append")}, *each[-1][1:]


def text(side):
    return " / ".join(f"{side['under'][key]:.2f}" for key in ("p50", "p99", "max")) + " ms"


def against_rest(side):
    under, rest = side["under"], side["rest"]
    return "/".join(f"{under[key] / rest[key]:.3g}" for key in ("p50", "p99", "max"))


def waits(table, name, rill, theirs):
    """Two rows, one for each bystander."""
    for who in ("echo", "append"):
        ours, other = rill[0][who], theirs[0][who]
        longest, nats = ours["under"]["max"], other["under"]["max"]
        may = ours["rest"]["max"] + MAY_WAIT_MS
        aim = round(nats / may, 2)
        table.add(f"{name}, {who}", text(ours), text(other), nats / longest, min(1, aim),
                  aim, f"to rest {against_rest(ours)} / {against_rest(other)}")
    for side, told in (("rill", rill), ("peer", theirs)):
        done = "" if told[1] == "done" else f": {told[1]}"
        print(f"    {side}: the attack took {told[2]:.2f} s{done}", flush=True)


def held(program, name, more):
    """MB: the most that a server held more than before, and what is left of it afterwards."""
    function, _ = hostile_attacks.MEMORY[name]
    with Server(program, config=CONFIG.format(more=more)) as server:
        attacker = Attacker(function, Place(server))
        attacker.prepared()
        before = most = server.rss_kib()
        attacker.go()
        end, told = time.monotonic() + LONGEST_S, None
        while told is None and time.monotonic() < end:
            told = attacker.told(0.02)
            most = max(most, server.rss_kib())
        attacker.end()
        time.sleep(2)
        return {"most": (most - before) / 1024, "left": (server.rss_kib() - before) / 1024}


def memory(table, name, program, peer):
    rill = held(program, name, f"memory_budget: {BUDGET_MB}MB")
    theirs = held(peer, name, "")
    may = round(max(theirs["most"], 0.1) / (BUDGET_MB * 1.3), 3)
    table.add(f"memory: {name}", f"{rill['most']:.0f} MB", f"{theirs['most']:.0f} MB",
              round(max(theirs["most"], 0.1) / max(rill["most"], 0.1), 3), may, max(may, 1),
              f"left {rill['left']:.0f} / {theirs['left']:.0f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rilld", required=True)
    parser.add_argument("--peer")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", help="attacks whose name has this")
    parser.add_argument("--list", action="store_true", help="the names, and what they are")
    args = parser.parse_args()
    known = {**hostile_attacks.ATTACKS, **hostile_attacks.MEMORY}
    if args.list:
        for name, (_, what) in known.items():
            print(f"{name:20} {what}")
        return 0
    peer = find_peer(args.peer)
    if peer is None:
        print("no nats-server to compare with")
        return 77
    many_files()
    table = Table(f"{version(args.rilld)} against {version(peer)}")
    failed = 0
    for name, (_, what) in known.items():
        if args.only and args.only not in name:
            continue
        print(f"{name}: {what}", flush=True)
        try:
            if name in hostile_attacks.MEMORY:
                memory(table, name, args.rilld, peer)
            else:
                waits(table, name, rounds_of(args.rilld, name, args.rounds),
                      rounds_of(peer, name, args.rounds))
        except (RuntimeError, OSError) as error:
            failed += 1
            print(f"    not measured: {error}", flush=True)
    return 1 if table.show() + failed else 0


if __name__ == "__main__":
    sys.exit(main())
