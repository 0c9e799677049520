# SPDX-License-Identifier: Apache-2.0
"""carry.py CARRY RILLD: examples/carry.c between the nats-server on the PATH, which has a stream,
and rilld, which has the topic: each of the three is killed in turn, by kill -9 and under way, and
in the end every message is in the topic once, in order. Exit code 77: there is no nats-server, or
no kcat."""
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from server import Client, Server, free_port, wait_for

CARRY, RILLD = sys.argv[1:3]
ROUNDS = 9
EACH = 400
BOUND_S = 60


class Killed:
    """A process that is started again as it was, whenever it was killed."""

    def __init__(self, start):
        self.start, self.running = start, start()

    def kill(self):
        self.running.kill()
        self.running = self.start()


class Carrier:
    """carry, whose input stays open until it is stopped."""

    def __init__(self, *args):
        self.process = subprocess.Popen([CARRY, *args], stdin=subprocess.PIPE,
                                        stdout=sys.stderr)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.stdin.close()
        return self.process.wait(BOUND_S)


def ask(port, subject, body):
    with contextlib.closing(Client(port)) as client:
        return client.request(subject, json.dumps(body))


def fill(port, first):
    """EACH messages that the stream has acknowledged."""
    with contextlib.closing(Client(port)) as client:
        for i in range(first, first + EACH):
            ack = client.request("orders", "order %d" % i)
            assert "seq" in ack, ack


def topic(port):
    """What a client of Kafka reads in the topic."""
    done = subprocess.run(["kcat", "-b", "127.0.0.1:%d" % port, "-C", "-t", "orders", "-e", "-q",
                           "-o", "beginning"], capture_output=True, text=True, timeout=BOUND_S)
    return done.stdout.splitlines()


def main():
    peer = shutil.which("nats-server")
    if not peer or not shutil.which("kcat"):
        print("skipped: no nats-server or no kcat is on the PATH: apt-get install nats-server kcat")
        sys.exit(77)
    nats, ours, kafka = free_port(), free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("source", "target"):
            os.mkdir(os.path.join(folder, name))
        source = Killed(lambda: Server(peer, "-a", "127.0.0.1", "-p", str(nats), "-js", "-sd",
                                       folder + "/source", folder=folder + "/source").ready())
        target = Killed(lambda: Server(RILLD, "-a", "127.0.0.1", "-p", str(ours), "-js", "-sd",
                                       folder + "/target", "--kafka", str(kafka),
                                       folder=folder + "/target").ready())
        made = ask(nats, "$JS.API.STREAM.CREATE.orders", {"name": "orders", "subjects": ["orders"]})
        assert "error" not in made, made
        carrier = Killed(lambda: Carrier("nats://127.0.0.1:%d" % nats, "orders",
                                         "kafka://127.0.0.1:%d" % kafka, "orders"))
        try:
            for i in range(ROUNDS):
                fill(nats, i * EACH)
                (target, source, carrier)[i % 3].kill()
            wait_for("the last order in the topic",
                     lambda: len(topic(kafka)) >= ROUNDS * EACH,
                     BOUND_S)
            found, wanted = topic(kafka), ["order %d" % i for i in range(ROUNDS * EACH)]
            assert found == wanted, "%d of %d, the first that differs: %r" % (
                len(found), len(wanted),
                next((pair for pair in zip(found, wanted) if pair[0] != pair[1]), None))
            assert carrier.running.stop() == 0, "carry did not end well"
        finally:
            for process in (carrier, target, source):
                process.running.kill()
    print("%d orders, %d kills: each once, in order" % (ROUNDS * EACH, ROUNDS))


main()
