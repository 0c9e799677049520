#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hostile_kafka.py --rilld P [--rounds N] [--only NAME] [--list]: what clients of Kafka's protocol
can do to all others, and to the memory of rilld.

As in hostile.py, whose bystanders and attackers these are: each attack has a server of its own, an
attacker in a process of its own, and bystanders, each in one too. To those of NATS two of Kafka
come: one appends a record and waits for its acknowledgement, one waits for that record in a fetch
that was parked. They are measured at rest; beside a process that only takes a processor, as each
attacker's does; and under attack.

A row is "ok" when the longest wait is no more than MAY_WAIT_MS longer than the longer one of the
other two, and "aim" when that is so for half of that. A row of memory has what rilld held at the
most beyond what it held before, which may be as much as the budget that it is told, BUDGET_MB.

By the clock on the wall that is only so where nobody else uses the machine. A rilld that is built
with -Dc_args=-DRI_GATE_CLOCK says which stays inside its gate, and which turns of its loops, took
their thread's own processor clock long: with --clocked the longest of each while under attack is a
row, bounded by the same MAY_WAIT_MS; where those of CLOCKED_MS or more ended is told."""
import argparse
import re
import statistics
import subprocess
import sys
import time

import hostile
from hostile import BEHIND_S, BUDGET_MB, PATIENCE_S, Attacker, Bystander, append, context, echo, \
    figures, text
from hostile_client import many_files
from hostile_kafka_attacks import ATTACKS
from hostile_kafka_client import FETCH, PRODUCE, Client, batch, fetched, produced
from servers import Server, server as support, version
from table import Table

MAY_WAIT_MS = 25
CLOCKED_MS = 2
SHOWN = 5  # of the stays that were long
STAY = re.compile(r"^(gate|turn) held (\d+) us: (.*)$", re.M)
REST_S = 3
LONGEST_S = 20
LISTENS = re.compile(r"Listening for Kafka's clients on \S+:(\d+)\n")
CONFIG = """jetstream { store_dir: "@DIR@/js", max_file_store: 8GB, sync_interval: "2m" }
kafka { listen: "127.0.0.1:-1" }
memory_budget: %dMB
""" % BUDGET_MB


# ---- Bystanders ------------------------------------------------------------------------------

def records(place):
    """A call that appends a record and has its acknowledgement."""
    client = Client(place.kafka_port, timeout=PATIENCE_S)
    client.create(("bystander.records", 1))
    body = produced([("bystander.records", [(0, batch([b"hello"]))])])
    return lambda: client.ask(PRODUCE, body)


def parked(place):
    """A call that appends a record and has it from a fetch that waits for it."""
    writer, reader = (Client(place.kafka_port, timeout=PATIENCE_S) for _ in range(2))
    writer.create(("bystander.parked", 1))
    body = produced([("bystander.parked", [(0, batch([b"hello"]))])])
    offset = 0

    def trip():
        nonlocal offset
        reader.send(FETCH, fetched([("bystander.parked", [(0, offset)])], PATIENCE_S * 1000))
        writer.ask(PRODUCE, body)
        reader.read()
        offset += 1
    return trip


BYSTANDERS = {"echo": lambda place: echo(place.port), "append": lambda place: append(place.port),
              "Kafka append": records, "Kafka echo": parked}


# ---- Rows ------------------------------------------------------------------------------------

class Place(hostile.Place):
    def __init__(self, server):
        super().__init__(server)
        listens = support.wait_for("Kafka's place", lambda: LISTENS.search(server.log()))
        self.kafka_port = int(listens[1])


def burn():
    while True:
        pass


def beside_a_burner():
    """When it began to be so, and when it was over."""
    burner = context.Process(target=burn, daemon=True)
    begin = time.monotonic()
    burner.start()
    time.sleep(REST_S)
    burner.kill()
    burner.join()
    return begin, time.monotonic()


def measure(program, name):
    """Of each bystander the figures at rest, beside a burner and under attack, the MB that it took,
    and what became of the attack."""
    function, _ = ATTACKS[name]
    with Server(program, config=CONFIG) as server:
        place = Place(server)
        attacker = Attacker(function, place)
        attacker.prepared()
        standers = {who: Bystander(make, place) for who, make in BYSTANDERS.items()}
        rest = time.monotonic()
        time.sleep(REST_S)
        burnt = beside_a_burner()
        before = most = server.rss_kib()
        said = len(server.log())
        begin = time.monotonic()
        attacker.go()
        end = None
        while not end and time.monotonic() < begin + LONGEST_S:
            end = attacker.told(0.02)
            most = max(most, server.rss_kib())
        took = time.monotonic() - begin
        time.sleep(BEHIND_S)
        over = time.monotonic()
        trips = {who: stander.stop() for who, stander in standers.items()}
        most = max(most, server.rss_kib())
        attacker.end()
        stays = STAY.findall(server.log()[said:])
        if end != "done":
            server.process.kill()
        return {"stays": stays, "waits": {who: {"rest": figures(all_of, rest, burnt[0]),
                                "burner": figures(all_of, *burnt),
                                "under": figures(all_of, begin, over)}
                          for who, all_of in trips.items()},
                "mb": (most - before) / 1024, "took": took,
                "end": end or f"not done in {LONGEST_S} s"}


def clocked(table, program, name, each):
    """A row for the gate and one for the loops; where the long ones were is printed."""
    for what in ("gate", "turn"):
        stays = sorted((int(took_us) / 1e3, where) for one in each
                       for kind, took_us, where in one["stays"] if kind == what)
        longest = stays[-1][0] if stays else 1
        long = [stay for stay in stays if stay[0] >= CLOCKED_MS]
        table.add(f"{name}, longest {what}", f"{longest:.1f} ms of its processor clock",
                  f"{MAY_WAIT_MS} ms", MAY_WAIT_MS / longest, 1, MAY_WAIT_MS / CLOCKED_MS,
                  f"{len(long)} of {CLOCKED_MS} ms or more")
        for took, where in long[-SHOWN:]:
            print(f"    {what} {took:.1f} ms: {name_of(program, where)}", flush=True)


def name_of(program, address):
    """Of the function that left."""
    done = subprocess.run(["addr2line", "-f", "-s", "-e", program, address],
                          capture_output=True, text=True)
    return done.stdout.split("\n")[0]


def rows(table, name, each):
    """One for each bystander, and one of memory; of the rounds the medians."""
    def median(look):
        return statistics.median(look(one) for one in each)
    for who in BYSTANDERS:
        sides = {when: {"under": {key: median(lambda one: one["waits"][who][when][key])
                                  for key in ("p50", "p99", "max")}}
                 for when in ("rest", "burner", "under")}
        longest = sides["under"]["under"]["max"]
        may = max(sides[when]["under"]["max"] for when in ("rest", "burner")) + MAY_WAIT_MS
        table.add(f"{name}, {who}", text(sides["under"]), text(sides["rest"]), may / longest, 1, 2,
                  "beside a burner " + text(sides["burner"]))
    most = median(lambda one: one["mb"])
    table.add(f"{name}, memory", f"{most:.0f} MB", f"{BUDGET_MB} MB", BUDGET_MB / max(most, 1), 1,
              2)
    last = each[-1]
    done = "" if last["end"] == "done" else f": {last['end']}"
    print(f"    the attack took {last['took']:.2f} s{done}", flush=True)
    return last["end"] != "done"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rilld", required=True)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", help="attacks whose name has this")
    parser.add_argument("--list", action="store_true", help="the names, and what they are")
    parser.add_argument("--clocked", action="store_true", help="this rilld tells its stays")
    args = parser.parse_args()
    if args.list:
        for name, (_, what) in ATTACKS.items():
            print(f"{name:20} {what}")
        return 0
    many_files()
    table = Table(f"{version(args.rilld)}: p50 / p99 / longest under attack, and at rest")
    failed = 0
    for name, (_, what) in ATTACKS.items():
        if args.only and args.only not in name:
            continue
        print(f"{name}: {what}", flush=True)
        try:
            each = [measure(args.rilld, name) for _ in range(args.rounds)]
            failed += rows(table, name, each)
            if args.clocked:
                clocked(table, args.rilld, name, each)
        except (RuntimeError, OSError) as error:
            failed += 1
            print(f"    not measured: {error}", flush=True)
    return 1 if table.show() + failed else 0


if __name__ == "__main__":
    sys.exit(main())
