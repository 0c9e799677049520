# SPDX-License-Identifier: Apache-2.0
"""permissions.py --rilld P --loadgen P [--peer P] [--rounds N] [--scale F]: what permissions cost.
rilld with a user of many rules beside one where nobody is asked, and beside a nats-server with the
same rules, turn and turn about. The user is who logs in without a word (no_auth_user). And rilld
with a thousand accounts beside one without. Where in memory a server's own things come to lie
decides a twentieth of what a small message takes, and the configuration decides that: each round
has servers of its own, with a rule or an account more than the last."""
import sys

from servers import Server, generate, median, parser_of_servers, peer_or_skip, version
from table import Table

args = parser_of_servers().parse_args()
peer = peer_or_skip(args.peer)
table = Table(f"{version(args.rilld)} against itself without permissions, and against "
              f"{version(peer)} with them")
PATTERNS, ACCOUNTS = 100, 1000


def patterns(first, n, *more):
    return "[" + ", ".join([*(f"{first}.{i}.*.in" for i in range(n)), *more]) + "]"


def rules(more):
    n = PATTERNS + more
    side = f"{{ allow: {patterns('work', n, 'bench', 'match.>')}, deny: {patterns('secret', n)} }}"
    return ("no_auth_user: u\nauthorization { users: [ { user: u, password: p, permissions: {\n"
            f"publish: {side}, subscribe: {side}, allow_responses: true }} }} ] }}\n")


def accounts(more):
    return ("no_auth_user: u500\naccounts {\n"
            + "".join(f"  A{i} {{ users: [ {{ user: u{i}, password: p }} ] }}\n"
                      for i in range(ACCOUNTS + more)) + "}\n")


def three(configured, mode, size, count, *more):
    """Medians of rilld configured so, without anything, and of the peer configured so."""
    words = [size, max(int(count * args.scale), 1), *more]
    runs = ([], [], [])
    for turn in range(args.rounds):
        config = configured(turn)
        with Server(args.rilld, config=config) as a, Server(args.rilld, config="") as b, \
                Server(peer, config=config) as c:
            servers = (a, b, c)
            for i in (0, 1, 2) if turn % 2 == 0 else (2, 1, 0):
                s = servers[i]
                runs[i].append(generate(args.loadgen, mode, s.port, s.pid, *words))
    return [median(run) for run in runs]


for name, *words in (("pub only, 16 B", "pub", 16, 8_000_000),
                     ("1:1, 16 B", "fan", 16, 4_000_000, 1),
                     ("1:1, 128 B", "fan", 128, 3_000_000, 1),
                     ("1:10, 128 B", "fan", 128, 400_000, 10),
                     ("10000 subjects, hit", "hit", 10000, 2_000_000)):
    ruled, free, theirs = three(rules, *words)
    # Who publishes to another subject each time has each looked up: that is told, not judged.
    must, aim = (None, None) if words[0] == "hit" else (0.97, 0.99)
    table.rate(f"{name}: with 200 rules a side, beside without", ruled, free, must, aim)
    table.rate(f"{name}: both with them, beside nats-server", ruled, theirs, 1, 2)
for name, *words in (("pub only, 16 B", "pub", 16, 8_000_000),
                     ("1:1, 128 B", "fan", 128, 3_000_000, 1)):
    many, free, theirs = three(accounts, *words)
    table.rate(f"{name}: with 1000 accounts, beside without", many, free, 0.97, 0.99)
    table.rate(f"{name}: both with them, beside nats-server", many, theirs, 1, 2)
sys.exit(1 if table.show() else 0)
