# SPDX-License-Identifier: Apache-2.0
"""peers.py --rilld P --rill P [--natsc P] [--peer P] [--rounds N] [--scale F]: rill as a client of
a nats-server beside nats.c, turn and turn about on the same server: messages in a second of the
client's processor time. Then the same program over mem: and over nats:// to rilld."""
import argparse
import os
import subprocess
import sys

from servers import Server, alternate, generate, peer_or_skip, version
from table import Table, rate_text

CONFIG = 'jetstream { store_dir: "@DIR@/js" }\n'
# What is compared, how many at scale 1, by which works of nats.c, and what must be and is aimed at.
LIVE = (("publish", 2_000_000, ("publish",), 1.5, 4),
        ("receive", 1_000_000, ("receive", "receive_called"), 1.5, 3),
        ("request", 10_000, ("request",), 1, 1.5))
STORED = (("js_publish", 200_000, ("js_publish",), 1.5, 3),
          ("js_fetch", 200_000, ("js_fetch",), 1.5, 3),
          ("js_consume", 200_000, ("js_consume", "js_consume_called"), 1.5, 3))
NAMES = {"publish": "publish", "receive": "receive", "request": "request, one at a time",
         "js_publish": "JetStream publish, window of 4096", "js_fetch": "fetch 1000",
         "js_consume": "consume with acks"}
OWN = (("own_live", "live, thread to thread", 1_000_000),
       ("own_request", "request, a callback answers", 20_000),
       ("own_append", "append, window of 4096", 200_000))
IDLE = 200

parser = argparse.ArgumentParser()
parser.add_argument("--rilld", required=True)
parser.add_argument("--rill", required=True, help="peers_rill")
parser.add_argument("--natsc", help="peers_natsc")
parser.add_argument("--peer")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--scale", type=float, default=1.0, help="of the message counts")
args = parser.parse_args()
args.natsc = os.environ.get("RILL_NATSC", args.natsc)


def scaled(count):
    return max(int(count * args.scale), 1000)


def best(works, url, count):
    """What nats.c does in the better of its ways."""
    return max((generate(args.natsc, work, url, count) for work in works),
               key=lambda told: told["per_s"])


def compare(table, url, rows):
    for work, count, ways, must, aim in rows:
        ours, theirs = alternate(args.rounds,
                                 lambda: generate(args.rill, work, url, scaled(count)),
                                 lambda: best(ways, url, scaled(count)))
        table.add(NAMES[work], rate_text(ours["per_s"]), rate_text(theirs["per_s"]),
                  ours["per_s"] / theirs["per_s"], must, aim,
                  f"wall {rate_text(ours['wall_per_s'])}, {rate_text(theirs['wall_per_s'])}")


def idle(table, url):
    ours, theirs = alternate(args.rounds, lambda: generate(args.rill, "idle", url, IDLE),
                             lambda: generate(args.natsc, "idle", url, IDLE))
    table.cost("memory of one idle handle", ours["first_kib"], theirs["first_kib"], "KiB", 4, 10)
    table.cost(f"... of each of {IDLE} more", ours["each_kib"], theirs["each_kib"], "KiB", 4, 10)
    table.add("threads of one idle handle", f"{ours['first_threads']:g}",
              f"{theirs['first_threads']:g}", 1 / max(ours["first_threads"], 1), 1, 1,
              "at most 1")
    table.add(f"... of each of {IDLE} more", f"{ours['each_threads']:g}",
              f"{theirs['each_threads']:g}", 1 / (1 + ours["each_threads"]), 1, 1, "none")


def with_natsc():
    peer = peer_or_skip(args.peer)
    names = [subprocess.run([program, "version"], capture_output=True, text=True,
                            check=True).stdout.strip() for program in (args.rill, args.natsc)]
    table = Table(f"messages of 128 B in a second of the client's processor: {names[0]} "
                  f"and {names[1]}, on {version(peer)}")
    with Server(peer, config=CONFIG) as server:
        url = f"nats://127.0.0.1:{server.port}"
        compare(table, url, LIVE + STORED)
        idle(table, url)
    return table.show()


def with_itself():
    table = Table("the same program: in one process (mem:), and over rilld on loopback (nats://)")
    with Server(args.rilld, config=CONFIG) as server:
        url = f"nats://127.0.0.1:{server.port}"
        for work, name, count in OWN:
            ours, theirs = alternate(args.rounds,
                                     lambda: generate(args.rill, work, "mem:bench", scaled(count)),
                                     lambda: generate(args.rill, work, url, scaled(count)))
            table.add(name, rate_text(ours["wall_per_s"]), rate_text(theirs["wall_per_s"]),
                      ours["wall_per_s"] / theirs["wall_per_s"], None, None,
                      f"CPU {ours['cpu_ns']:.0f}, {theirs['cpu_ns']:.0f} ns")
    table.show()


if not args.natsc:
    print("nats.c is not here: libnats-dev, or RILL_NATSC")
short = with_natsc() if args.natsc else 0
with_itself()
sys.exit(1 if short else 0)
