# SPDX-License-Identifier: Apache-2.0
"""js.py --rilld P --loadgen P [--peer P] [--rounds N] [--scale F]: JetStream over TCP, rilld
against nats-server with the same load generator, turn and turn about. Both begin each row with
an empty store on the same disk."""
import argparse
import os
import shutil
import sys
import tempfile
import time

from servers import Server, alternate, find_peer, generate, version
from table import Table

SYNCED = 'jetstream { store_dir: "@DIR@/js", sync_interval: always }'
DEFAULT = 'jetstream { store_dir: "@DIR@/js" }'
# rilld syncs always unless told "never"; nats-server's default, "2m", is no sync in a row's time.
UNSYNCED = 'jetstream { store_dir: "@DIR@/js", sync_interval: never }'

parser = argparse.ArgumentParser()
parser.add_argument("--rilld", required=True)
parser.add_argument("--loadgen", required=True)
parser.add_argument("--peer")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--scale", type=float, default=1.0, help="of the message counts")
args = parser.parse_args()
peer = find_peer(args.peer or os.environ.get("RILL_PEER"))
if peer is None:
    print("no nats-server to compare with")
    sys.exit(77)
table = Table(f"{version(args.rilld)} against {version(peer)}")


def load(rill_config, peer_config, mode, count, peer_count, *words):
    """Medians of a load on both. A peer so slow that the row would take minutes is given fewer
    messages: a rate is a rate."""
    def run(server, n):
        return generate(args.loadgen, mode, server.port, server.pid, 128,
                        max(100, int(n * args.scale)), *words)
    with Server(args.rilld, config=rill_config) as a, Server(peer, config=peer_config) as b:
        return alternate(args.rounds, lambda: run(a, count), lambda: run(b, peer_count or count))


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


table.rate("durable publish, 4096 in flight, to nats always",
           *load(SYNCED, SYNCED, "publish", 1_000_000, 20_000, 4096), 100, 500)
table.rate("durable publish, 4096 in flight, to nats unsynced",
           *load(SYNCED, DEFAULT, "publish", 1_000_000, 500_000, 4096), 3, 8)
table.rate("unsynced publish",
           *load(UNSYNCED, DEFAULT, "publish", 1_000_000, 500_000, 4096), 8, 15)
table.rate("durable publish, one at a time",
           *load(SYNCED, SYNCED, "publish", 10_000, None, 1), 1.5, 2.2)
table.rate("pull, batch 4000", *load(DEFAULT, DEFAULT, "pull", 1_000_000, None, 4000), 4, 7)
table.rate("consume, explicit acks",
           *load(DEFAULT, DEFAULT, "consume", 400_000, None, 4000), 4, 8)
table.rate("filtered consumer, 1 % of 1 M",
           *load(DEFAULT, DEFAULT, "filtered", 1_000_000, None, 4000), 20, 100)
for mode in ("put", "get"):
    table.rate(f"KV {mode}, one at a time",
               *load(SYNCED, SYNCED, "kv-" + mode, 10_000, None), 2, 4)
ours, theirs = many(args.rilld, DEFAULT), many(peer, DEFAULT)
table.cost("a stream or consumer of 110 000", ours["kib"], theirs["kib"], "KiB", 4, 10)
table.cost("the same, time to reopen", ours["s"], theirs["s"], "s", 4, 10)
sys.exit(1 if table.show() else 0)
