# SPDX-License-Identifier: Apache-2.0
"""js.py --rilld P --loadgen P --append P [--peer P] [--rounds N] [--scale F] [--only WORD]:
JetStream over TCP, rilld against nats-server with the same load generator, turn and turn about.
Both begin each row with an empty store on the same disk. The rows "linked" compare what the same
work costs a program that has the broker within it.

What an acknowledgement promises is said for each side of each row. Synced: a power cut loses
nothing of it, which nats-server promises with `sync_interval: always` only. Unsynced: it is with
the operating system and synced within two minutes, nats-server's default and its best figure.

One at a time the wire's round trip and the disk are most of what is measured, and they are the
same for both. A synced put waits for one write and one flush of the disk's cache, some 90 us on
the machine of the README's figures; the request and its answer take some 25 us more, of which the
server's share is 8, most of that in the call that sends. Unsynced puts and gets are that round
trip alone, and its length depends on whether the kernel has the client and the server share a
core, so these rows are longer to have their median over both."""
import shutil
import sys
import tempfile
import time

from servers import Server, alternate, generate, median, parser_of_servers, peer_or_skip, version
from table import Table

SYNCED = 'jetstream { store_dir: "@DIR@/js", sync_interval: always }'
UNSYNCED = 'jetstream { store_dir: "@DIR@/js", sync_interval: "2m" }'
DEFAULT = 'jetstream { store_dir: "@DIR@/js" }'  # rilld's is SYNCED, nats-server's is UNSYNCED

parser = parser_of_servers()
parser.add_argument("--append", required=True)
parser.add_argument("--only", default="", help="rows whose name has this")
args = parser.parse_args()
peer = peer_or_skip(args.peer)
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
    slow that the row would take minutes is given fewer messages: a rate is a rate. Without bounds
    the row is told and not judged."""
    if args.only not in work:
        return
    b, measure_peer = on_server(peer, peer_config, peer_count or count, words)
    with b:
        a, measure = on_server(args.rilld, rill_config, count, words)
        with a:
            rill, theirs = alternate(args.rounds, measure, measure_peer)
    table.rate(work, rill, theirs, *(bounds or (None, None)))
    if words[0] != "publish":
        return
    sync = "lazy" if rill_config is UNSYNCED else "always"
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


rate("synced publish, 4096 in flight, to nats synced", SYNCED, SYNCED, (100, 500),
     1_000_000, 20_000, "publish", 4096)
rate("synced publish, 4096 in flight, to nats unsynced", SYNCED, UNSYNCED, (3, 8),
     1_000_000, 500_000, "publish", 4096)
rate("unsynced publish, to nats unsynced", UNSYNCED, UNSYNCED, (8, 15), 1_000_000, 500_000,
     "publish", 4096)
rate("synced publish, one at a time, to nats synced", SYNCED, SYNCED, (1.5, 2.2), 10_000, None,
     "publish", 1)
rate("pull, batch 4000", DEFAULT, DEFAULT, (4, 7), 1_000_000, None, "pull", 4000)
rate("consume, explicit acks", DEFAULT, DEFAULT, (4, 8), 400_000, None, "consume", 4000)
rate("filtered consumer, 1 % of 1 M", DEFAULT, DEFAULT, (20, 100), 1_000_000, None, "filtered",
     4000)
rate("KV put, one at a time, both synced", SYNCED, SYNCED, (2, 4), 10_000, None, "kv-put")
rate("KV put, one at a time, both unsynced", UNSYNCED, UNSYNCED, (2, 4), 20_000, None, "kv-put")
rate("KV put, one at a time, synced to nats unsynced", SYNCED, UNSYNCED, None, 10_000, None,
     "kv-put")  # each side's default; the disk alone takes longer than nats-server's whole put
rate("KV get, one at a time", DEFAULT, DEFAULT, (2, 4), 20_000, None, "kv-get")
if args.only in "a stream or consumer of 110 000":
    ours, theirs = many(args.rilld, DEFAULT), many(peer, DEFAULT)
    table.cost("a stream or consumer of 110 000", ours["kib"], theirs["kib"], "KiB", 4, 10)
    table.cost("the same, time to reopen", ours["s"], theirs["s"], "s", 4, 10)
sys.exit(1 if table.show() else 0)
