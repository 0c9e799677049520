# SPDX-License-Identifier: Apache-2.0
"""Start and measure the servers that a benchmark compares: rilld and a nats-server."""
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

LISTENS = re.compile(rb"Listening for client connections on \S*:(\d+)")


class Server:
    """One server process on a port of its own, in a directory that goes with it unless given."""

    def __init__(self, program, args=(), config=None, dir=None):
        self.kept = dir is not None
        self.dir = dir or tempfile.mkdtemp(prefix="bench-")
        self.log = pathlib.Path(self.dir, "log")
        command = [program, "-a", "127.0.0.1", "-p", "-1"]
        if config is not None:
            path = pathlib.Path(self.dir, "server.conf")
            path.write_text(config.replace("@DIR@", self.dir))
            command += ["-c", str(path)]
        command += [arg.replace("@DIR@", self.dir) for arg in args]
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out)
        self.pid = self.process.pid
        self.port = self._await_port()

    def _await_port(self):
        end = time.monotonic() + 120
        while time.monotonic() < end and self.process.poll() is None:
            found = LISTENS.search(self.log.read_bytes())
            if found:
                return int(found.group(1))
            time.sleep(0.005)
        text = self.log.read_text(errors="replace")
        self.stop()
        raise RuntimeError(f"the server did not listen:\n{text}")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stop()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if not self.kept:
            shutil.rmtree(self.dir, ignore_errors=True)

    def rss_kib(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))

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
    """The nats-server to compare with: the one given, else the first on PATH."""
    return given if given and os.access(given, os.X_OK) else shutil.which("nats-server")


def version(program):
    out = subprocess.run([program, "-v"], capture_output=True, text=True)
    return (out.stdout + out.stderr).strip()
