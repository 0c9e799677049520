# SPDX-License-Identifier: Apache-2.0
"""ws.py --rilld P --loadgen P [--peer P] [--rounds N] [--scale F]: live messages over WebSocket,
rilld against nats-server with the same load generator, turn and turn about."""
import re
import sys

from servers import Server, alternate, generate, parser_of_servers, peer_or_skip, version
from table import Table

args = parser_of_servers().parse_args()
peer = peer_or_skip(args.peer)
table = Table(f"{version(args.rilld)} against {version(peer)}")
CONFIG = 'websocket { host: "127.0.0.1", port: -1, no_tls: true }\n'


def load(mode, size, count):
    count = max(int(count * args.scale), 1)
    with Server(args.rilld, config=CONFIG) as a, Server(peer, config=CONFIG) as b:
        one, other = (lambda server=server: generate(
            args.loadgen, mode, re.search(r"websocket clients on ws://\S+:(\d+)",
                                          server.log())[1], server.pid, size, count)
            for server in (a, b))
        return alternate(args.rounds, one, other)


for size, count in ((128, 3_000_000), (1024, 1_000_000)):
    for mode, name in (("pub", "pub only"), ("one", "1:1")):
        ours, theirs = load(mode, size, count)
        table.rate(f"{name}, {size} B", ours, theirs, 3, 5)
        table.cost(f"CPU a message, {name}, {size} B", ours["cpu_ns"], theirs["cpu_ns"], "ns", 3, 5)
sys.exit(1 if table.show() else 0)
