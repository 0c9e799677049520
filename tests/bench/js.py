# SPDX-License-Identifier: Apache-2.0
"""js.py --rilld P --loadgen P --append P [--peer P] [--rounds N] [--scale F] [--only WORD]:
JetStream over TCP, rilld against nats-server with the same load generator, turn and turn about.
Both begin each row with an empty store on the same disk. The rows "linked" compare what the same
work costs a program that has the broker within it."""
import argparse
import os
import shutil
import sys
import tempfile
import time

from servers import Server, alternate, find_peer, generate, median, version
from table import Table

SYNCED = 'jetstream { store_dir: "@DIR@/js", sync_interval: always }'
DEFAULT = 'jetstream { store_dir: "@DIR@/js" }'
# rilld syncs always unless told "never"; nats-server's default, "2m", is no sync in a row's time.
UNSYNCED = 'jetstream { store_dir: "@DIR@/js", sync_interval: never }'

parser = argparse.ArgumentParser()
parser.add_argument("--rilld", required=True)
parser.add_argument("--loadgen", required=True)
parser.add_argument("--append", required=True)
parser.add_argument("--peer")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--scale", type=float, default=1.0, help="of the message counts")
parser.add_argument("--only", default="", help="rows whose name has this")
args = parser.parse_args()
peer = find_peer(args.peer or os.environ.get("RILL_PEER"))
if peer is None:
    print("no nats-server to compare with")
    sys.exit(77)
table = Table(f"{version(args.rilld)} against {version(peer)}")


def on_server(program, config, count, words):
    """A server for the length of a row, and the call that measures a round on it."""
    server = Server(program, config=config)
    return server, lambda: generate(args.loadgen, words[0], server.port, server.pid, 128,
                                    max(100, int(count * args.scale)), *words[1:])


def linked(sync, count, window):
    """The same from within: each round has a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-") as store:
        return generate(args.append, store, sync, 128, max(100, int(count * args.scale)), window)


def rate(work, rill_config, peer_config, bounds, count, peer_count, *words):
    """A row of medians, and one for the program that is linked, if rill_config says how. A peer so
    slow that the row would take minutes is given fewer messages: a rate is a rate."""
    if args.only not in work:
        return
    b, measure_peer = on_server(peer, peer_config, peer_count or count, words)
    with b:
        a, measure = on_server(args.rilld, rill_config, count, words)
        with a:
            rill, theirs = alternate(args.rounds, measure, measure_peer)
    table.rate(work, rill, theirs, *bounds)
    if words[0] != "publish":
        return
    sync = "never" if rill_config is UNSYNCED else "always"
    own = median([linked(sync, count, words[1]) for _ in range(args.rounds)])
    table.rate("  the same, linked", own, theirs, *bounds)


def many(program, config):
    """Memory of each of 10 000 streams and 100 000 consumers, and the time to come back."""
    streams = max(10, int(10_000 * args.scale))
    store = tempfile.mkdtemp(prefix="bench-")
    try:
        with Server(program, config=config, dir=store) as server:
            before = server.rss_kib()
            generate(args.loadgen, "many", server.port, server.pid, streams, streams * 10)
            each = (server.rss_kib() - before) / (streams * 11)
        start = time.monotonic()
        with Server(program, config=config, dir=store) as server:
            return {"kib": each, "s": time.monotonic() - start}
    finally:
        shutil.rmtree(store, ignore_errors=True)


rate("durable publish, 4096 in flight, to nats always", SYNCED, SYNCED, (100, 500),
     1_000_000, 20_000, "publish", 4096)
rate("durable publish, 4096 in flight, to nats unsynced", SYNCED, DEFAULT, (3, 8),
     1_000_000, 500_000, "publish", 4096)
rate("unsynced publish", UNSYNCED, DEFAULT, (8, 15), 1_000_000, 500_000, "publish", 4096)
rate("durable publish, one at a time", SYNCED, SYNCED, (1.5, 2.2), 10_000, None, "publish", 1)
rate("pull, batch 4000", DEFAULT, DEFAULT, (4, 7), 1_000_000, None, "pull", 4000)
rate("consume, explicit acks", DEFAULT, DEFAULT, (4, 8), 400_000, None, "consume", 4000)
rate("filtered consumer, 1 % of 1 M", DEFAULT, DEFAULT, (20, 100), 1_000_000, None, "filtered", 4000)
for mode in ("put", "get"):
    rate(f"KV {mode}, one at a time", SYNCED, SYNCED, (2, 4), 10_000, None, "kv-" + mode)
if args.only in "a stream or consumer of 110 000":
    ours, theirs = many(args.rilld, DEFAULT), many(peer, DEFAULT)
    table.cost("a stream or consumer of 110 000", ours["kib"], theirs["kib"], "KiB", 4, 10)
    table.cost("the same, time to reopen", ours["s"], theirs["s"], "s", 4, 10)
sys.exit(1 if table.show() else 0)
