# SPDX-License-Identifier: Apache-2.0
"""permissions.py --rilld P --loadgen P [--peer P] [--rounds N] [--scale F]: what permissions cost.
rilld with a user of many rules beside one where nobody is asked, and beside a nats-server with the
same rules, turn and turn about. The user is who logs in without a word (no_auth_user). And rilld
with a thousand accounts beside one without."""
import sys

from servers import Server, generate, median, parser_of_servers, peer_or_skip, version
from table import Table

args = parser_of_servers().parse_args()
peer = peer_or_skip(args.peer)
table = Table(f"{version(args.rilld)} against itself without permissions, and against "
              f"{version(peer)} with them")
PATTERNS = 100


def patterns(first, *more):
    return "[" + ", ".join([*(f"{first}.{i}.*.in" for i in range(PATTERNS)), *more]) + "]"


SIDE = f"{{ allow: {patterns('work', 'bench', 'match.>')}, deny: {patterns('secret')} }}"
RULES = ("no_auth_user: u\nauthorization { users: [ { user: u, password: p, permissions: {\n"
         f"publish: {SIDE}, subscribe: {SIDE}, allow_responses: true }} }} ] }}\n")


ACCOUNTS = ("no_auth_user: u500\naccounts {\n"
            + "".join(f"  A{i} {{ users: [ {{ user: u{i}, password: p }} ] }}\n"
                      for i in range(1000)) + "}\n")


def three(rules, mode, size, count, *more):
    """Medians of rilld with such rules, without, and of the peer with them."""
    words = [size, max(int(count * args.scale), 1), *more]
    with Server(args.rilld, config=rules) as a, Server(args.rilld, config="") as b, \
            Server(peer, config=rules) as c:
        servers, runs = (a, b, c), ([], [], [])
        for turn in range(args.rounds):
            for i in (0, 1, 2) if turn % 2 == 0 else (2, 1, 0):
                s = servers[i]
                runs[i].append(generate(args.loadgen, mode, s.port, s.pid, *words))
    return [median(run) for run in runs]


for name, *words in (("pub only, 16 B", "pub", 16, 8_000_000),
                     ("1:1, 16 B", "fan", 16, 4_000_000, 1),
                     ("1:1, 128 B", "fan", 128, 3_000_000, 1),
                     ("1:10, 128 B", "fan", 128, 400_000, 10),
                     ("10000 subjects, hit", "hit", 10000, 2_000_000)):
    ruled, free, theirs = three(RULES, *words)
    # Who publishes to another subject each time has each looked up: that is told, not judged.
    must, aim = (None, None) if words[0] == "hit" else (0.97, 0.99)
    table.rate(f"{name}: with 200 rules a side, beside without", ruled, free, must, aim)
    table.rate(f"{name}: both with them, beside nats-server", ruled, theirs, 1, 2)
for name, *words in (("pub only, 16 B", "pub", 16, 8_000_000),
                     ("1:1, 128 B", "fan", 128, 3_000_000, 1)):
    many, free, theirs = three(ACCOUNTS, *words)
    table.rate(f"{name}: with 1000 accounts, beside without", many, free, 0.97, 0.99)
    table.rate(f"{name}: both with them, beside nats-server", many, theirs, 1, 2)
sys.exit(1 if table.show() else 0)
