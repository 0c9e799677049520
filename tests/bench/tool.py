# SPDX-License-Identifier: Apache-2.0
"""tool.py --rilld P --rill P --loop P --loadgen P [--rounds N] [--count N]: what `rill bench pub`
costs, beside a loop of the library that measures nothing (tool_loop.c), and beside the load
generator, which formats no message: it writes one block again and again. In turn on one rilld, by
the clock and by the processor time of who publishes: one connection each, the same subject and
size, and the clock runs from the first message until the PONG behind the last. Where the two have
no cores for themselves the processor time of both ends makes the rate, so that of the server stands
beside it."""
import argparse
import json
import re
import resource
import statistics
import subprocess
import sys

from servers import Server, version
from table import Table

parser = argparse.ArgumentParser()
for name in ("rilld", "rill", "loop", "loadgen"):
    parser.add_argument("--" + name, required=True)
parser.add_argument("--rounds", type=int, default=11)
parser.add_argument("--count", type=int, default=4000000)
args = parser.parse_args()
SIZE = 128
OURS, LOOP, GENERATOR = "rill bench pub", "a loop of the library", "the load generator"


def spent_s():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(server, *words):
    """Messages a second, and nanoseconds of processor for each: of who publishes, of the server."""
    before, server_before = spent_s(), server.cpu_ms()
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True,
                          timeout=300, check=True)
    cpu_ns = (spent_s() - before) * 1e9 / args.count
    server_ns = (server.cpu_ms() - server_before) * 1e6 / args.count
    if done.stdout.startswith("{"):
        return json.loads(done.stdout.splitlines()[0])["messages_per_s"], cpu_ns, server_ns
    return float(re.search(r"per_s=(\d+)", done.stdout)[1]), cpu_ns, server_ns


def sample(server, works):
    """A list for each work, of which the n-th of all were one after the other. Who comes first in a
    round is another each time: what runs behind a certain other one finds its caches."""
    samples = {what: [] for what in works}
    names = list(works)
    for turn in range(args.rounds):
        first = turn % len(names)
        for what in names[first:] + names[:first]:
            samples[what].append(run(server, *works[what]))
    return samples


def add(table, samples, what, must, aim):
    """The factor is the median of those of the rounds: a machine that is slower for a while is so
    for both."""
    rill, peer = samples[OURS], samples[what]
    ours, theirs = ([statistics.median(of) for of in zip(*all_of)] for all_of in (rill, peer))
    rate, cpu = (statistics.median(factor) for factor in zip(
        *((r[0] / p[0], p[1] / r[1]) for r, p in zip(rill, peer))))
    table.add(f"{OURS} beside {what}", f"{ours[0] / 1e6:.2f} M/s", f"{theirs[0] / 1e6:.2f} M/s",
              rate, must, aim, f"the server {ours[2]:.0f} / {theirs[2]:.0f} ns")
    # A generator that formats nothing has less to do: that is told, and its rate is judged.
    bounds = (None, None) if what == GENERATOR else (must, aim)
    table.add(f"{OURS} beside {what}, processor", f"{ours[1]:.1f} ns", f"{theirs[1]:.1f} ns", cpu,
              *bounds)


def main():
    table = Table(f"rill bench pub on {version(args.rilld)}, {SIZE} bytes")
    with Server(args.rilld) as server:
        url = f"nats://127.0.0.1:{server.port}"
        works = {
            OURS: (args.rill, "--json", "-s", url, "bench", "pub", "bench",
                   "-n", args.count, "--size", SIZE),
            LOOP: (args.loop, url, args.count, SIZE),
            GENERATOR: (args.loadgen, "pub", server.port, server.pid, SIZE, args.count)}
        samples = sample(server, works)
    add(table, samples, LOOP, 0.95, 0.98)
    add(table, samples, GENERATOR, 0.95, 0.98)
    sys.exit(1 if table.show() else 0)


main()
