# SPDX-License-Identifier: Apache-2.0
"""core.py --rilld P --loadgen P [--peer P] [--lib P] [--rounds N] [--scale F]: live messages
over TCP, rilld against nats-server with the same load generator, turn and turn about."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from servers import Server, alternate, generate, median, parser_of_servers, peer_or_skip, version
from table import Table

parser = parser_of_servers()
parser.add_argument("--lib")
parser.add_argument("--conns", type=int, default=10000)
args = parser.parse_args()
peer = peer_or_skip(args.peer)
table = Table(f"{version(args.rilld)} against {version(peer)}")


def load(mode, *words, config=None):
    """Medians of a load on both servers, each round on a pair that is already running; `config`
    is for ours."""
    words = [int(w * args.scale) if i == 1 else w for i, w in enumerate(words)]
    with Server(args.rilld, config=config) as a, Server(peer) as b:
        return alternate(args.rounds,
                         lambda: generate(args.loadgen, mode, a.port, a.pid, *words),
                         lambda: generate(args.loadgen, mode, b.port, b.pid, *words))


def start(rounds):
    """Both programs are copies, as an installed one is: a file that was written from end to end
    lies in the page cache in larger pieces than one that a linker has just written."""
    with tempfile.TemporaryDirectory(prefix="bench-") as dir:
        ours, theirs = (shutil.copy2(program, pathlib.Path(dir, name)) for program, name in
                        ((os.path.realpath(args.rilld), "rilld"), (peer, "nats-server")))
        return alternate(rounds, *(lambda program=program: generate(
            args.loadgen, "start", program, "-a", "127.0.0.1", "-p", "@PORT@")
            for program in (ours, theirs)))


def idle(program, conns):
    """RSS of a server before and after so many idle connections, in KiB."""
    with Server(program) as server:
        time.sleep(0.5)  # what a server frees after its start is not charged to it
        before = server.rss_kib()
        hold = subprocess.Popen([args.loadgen, "idle", str(server.port), str(server.pid),
                                 str(conns)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if not hold.stdout.readline().startswith(b"idle"):
            raise RuntimeError("the connections were not made")
        after = server.rss_kib()
        hold.stdin.close()
        hold.wait()
        return {"idle": before, "conn": (after - before) / conns}


def wakeups(program):
    """A second of rest, measured over five, with nobody connected."""
    with Server(program) as server:
        time.sleep(1)
        before = server.wakeups()
        time.sleep(5)
        return (server.wakeups() - before) / 5


def stripped(path):
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["strip", "-o", out.name, os.path.realpath(path)], check=True)
        return os.path.getsize(out.name)


table.rate("pub only, 16 B", *load("pub", 16, 8_000_000), 4, 7)
for size, count, must, aim in ((16, 4_000_000, 3, 5), (128, 3_000_000, 3, 5),
                               (1024, 800_000, 1.3, 1.9)):
    one = load("fan", size, count, 1)
    table.rate(f"1:1, {size} B", *one, must, aim)
    if size == 128:
        table.cost("CPU a delivery, 1:1, 128 B", one[0]["cpu_ns"], one[1]["cpu_ns"], "ns", 4, 6)
table.rate("1:10, 128 B", *load("fan", 128, 500_000, 10), 3, 5)
# Asleep between two messages; as the loop decides by itself, which polls for a while if its last
# sleeps were short; and polling before each sleep, whatever is seen.
for how, config, aim in (("spin: 0s", "spin: 0s\n", 1), ("default", None, 1.8),
                         ("spin: 50us", "spin: 50us\n", 1.8)):
    ours, theirs = load("echo", 128, 20_000, config=config)
    table.cost(f"echo p50, 128 B, {how}", ours["p50_us"], theirs["p50_us"], "us", 1, aim)
ours, theirs = start(args.rounds)
table.cost("start to first PONG", ours["ms"], theirs["ms"], "ms", 10, 40)
ours, theirs = median([idle(args.rilld, args.conns)]), median([idle(peer, args.conns)])
table.cost("idle RSS", ours["idle"], theirs["idle"], "KiB", 6, 12)
table.cost(f"one idle connection of {args.conns}", ours["conn"], theirs["conn"], "KiB", 9, 18)
if args.lib:
    table.cost("stripped library", stripped(args.lib), stripped(peer), "B", 20, 40)
# Both are whole if rilld is linked statically: the C library, and the other's runtime, count.
table.cost("stripped daemon", stripped(args.rilld), stripped(peer), "B", 1, 20)
for mode, what in (("match", "match"), ("hit", "match and deliver")):
    few, many = (load(mode, subs, 3_000_000)[0] for subs in (10, 1_000_000))
    table.cost(f"{what}, 1 M against 10 subscriptions", many["cpu_ns"], few["cpu_ns"], "ns", 1 / 3,
               1 / 2)
table.zero("idle wake-ups a second", wakeups(args.rilld), wakeups(peer))
sys.exit(1 if table.show() else 0)
