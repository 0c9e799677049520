# SPDX-License-Identifier: Apache-2.0
"""Start and measure the servers that a benchmark compares: rilld and a nats-server."""
import argparse
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import server


class Server(server.Server):
    """One server process on a port of its own, in a directory that goes with it unless given."""

    def __init__(self, program, args=(), config=None, dir=None):
        self.kept = dir is not None
        self.dir = dir or tempfile.mkdtemp(prefix="bench-")
        command = [program, "-a", "127.0.0.1", "-p", "-1"]
        if config is not None:
            path = pathlib.Path(self.dir, "server.conf")
            path.write_text(config.replace("@DIR@", self.dir))
            command += ["-c", str(path)]
        command += [arg.replace("@DIR@", self.dir) for arg in args]
        super().__init__(*command, folder=self.dir)
        self.ready(seconds=120)

    def kill(self):
        super().kill()
        self.forget()

    def stop(self):
        super().stop()
        self.forget()

    def forget(self):
        if not self.kept:
            shutil.rmtree(self.dir, ignore_errors=True)

    def rss_kib(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))

    def cpu_ms(self):
        """Processor time of its threads so far, which a busy machine makes no longer."""
        total = 0
        for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total / 1e6

    def wakeups(self):
        """How often its threads have given up a core to wait, so far."""
        total = 0
        for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            text = (task / "status").read_text()
            total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.M).group(1))
        return total


def generate(loadgen, *args):
    """Run a load generator; its key=value pairs as floats."""
    command = [str(word) for word in (loadgen, *args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return {key: float(value) for key, value in re.findall(r"(\w+)=([-\d.]+)", done.stdout)}


def alternate(rounds, measure_rill, measure_peer):
    """A B A B ...; the medians of both, key by key."""
    rill, peer = [], []
    for _ in range(rounds):
        rill.append(measure_rill())
        peer.append(measure_peer())
    return median(rill), median(peer)


def median(samples):
    return {key: statistics.median(sample[key] for sample in samples) for key in samples[0]}


def find_peer(given):
    """The nats-server to compare with: the one given, else RILL_PEER, else the first on PATH."""
    given = given or os.environ.get("RILL_PEER")
    return given if given and os.access(given, os.X_OK) else shutil.which("nats-server")


def parser_of_servers():
    """What every program takes that runs a load on rilld and on a peer in turn."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rilld", required=True)
    parser.add_argument("--loadgen", required=True)
    parser.add_argument("--peer")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="of the message counts")
    return parser


def peer_or_skip(given):
    """The same; without one the benchmark is skipped."""
    peer = find_peer(given)
    if peer is None:
        print("no nats-server to compare with")
        sys.exit(77)
    return peer


def version(program):
    out = subprocess.run([program, "-v"], capture_output=True, text=True)
    return (out.stdout + out.stderr).strip()
