# SPDX-License-Identifier: Apache-2.0
"""tool.py --rilld P --rill P --loop P --loadgen P [--rounds N] [--count N]: what `rill bench pub`
costs, beside a loop of the library that measures nothing (tool_loop.c), and beside the load
generator, which formats no message: it writes one block again and again. In turn on one rilld, by
the clock and by the processor time of who publishes."""
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


def spent_s():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(*words):
    """Messages a second, and nanoseconds of processor for each."""
    before = spent_s()
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True,
                          timeout=300, check=True)
    cpu_ns = (spent_s() - before) * 1e9 / args.count
    if done.stdout.startswith("{"):
        return json.loads(done.stdout.splitlines()[0])["messages_per_s"], cpu_ns
    return float(re.search(r"per_s=(\d+)", done.stdout)[1]), cpu_ns


def main():
    table = Table(f"rill bench pub on {version(args.rilld)}, {SIZE} bytes")
    with Server(args.rilld) as server:
        url = f"nats://127.0.0.1:{server.port}"
        works = {
            "rill bench pub": (args.rill, "--json", "-s", url, "bench", "pub", "bench",
                               "-n", args.count, "--size", SIZE),
            "a loop of the library": (args.loop, url, args.count, SIZE),
            "the load generator": (args.loadgen, "pub", server.port, server.pid, SIZE, args.count)}
        samples = {what: [] for what in works}
        for _ in range(args.rounds):
            for what, words in works.items():
                samples[what].append(run(*words))
    rate, cpu = ({what: statistics.median(sample[i] for sample in all_samples)
                  for what, all_samples in samples.items()} for i in (0, 1))
    ours = "rill bench pub"
    for what, must, aim in (("a loop of the library", 0.95, 0.98),
                            ("the load generator", None, None)):
        table.add(f"{ours} beside {what}", f"{rate[ours] / 1e6:.2f} M/s",
                  f"{rate[what] / 1e6:.2f} M/s", rate[ours] / rate[what], must, aim)
        table.add(f"{ours} beside {what}, processor", f"{cpu[ours]:.1f} ns", f"{cpu[what]:.1f} ns",
                  cpu[what] / cpu[ours], must, aim)
    sys.exit(1 if table.show() else 0)


main()
