# SPDX-License-Identifier: Apache-2.0
"""A broker of Kafka's protocol that is measured, rilld or a real Kafka, and their processes."""
import contextlib
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import time

from servers import generate, server

HEAP = ("-Xms1g", "-Xmx1g")  # what Kafka's own script gives a broker
SYNCED = {"flush.messages": "1"}  # log.flush.interval.messages, of one topic
LAZY = "sync_interval: 100ms"     # of rilld: RILL_SYNC_LAZY


class Broker:
    def __init__(self, address, pid, store=None):
        self.address = address
        self.store = store  # a directory that is where its records are; None: it is not known
        self.port = int(address.rpartition(":")[2])
        self.pid = pid
        self.made = 0

    def status_kib(self, key):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(key + r":\s+(\d+)", status)[1])

    def cpu_s(self):
        """Of all its threads: the clock that clock_getcpuclockid() has of a process."""
        return time.clock_gettime((~self.pid << 3) | 2)

    def answers(self):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True

    def create(self, topic, partitions=1, settings=None):
        """CreateTopics v2: kcat makes none."""
        name = topic.encode()
        body = struct.pack(">hhihiH", 19, 2, 1, -1, 1, len(name)) + name
        body += struct.pack(">ihii", partitions, 1, 0, len(settings or {}))
        for text in (text for pair in (settings or {}).items() for text in pair):
            body += struct.pack(">H", len(text)) + text.encode()
        body += struct.pack(">ib", 10000, 0)
        with socket.create_connection(("127.0.0.1", self.port), 60) as s:
            s.sendall(struct.pack(">i", len(body)) + body)
            size, = struct.unpack(">i", s.recv(4, socket.MSG_WAITALL))
            answer = s.recv(size, socket.MSG_WAITALL)
        code, = struct.unpack_from(">h", answer, 4 + 4 + 4 + 2 + len(name))
        if code != 0:
            raise RuntimeError("%s makes no topic: error %d" % (self.address, code))

    def topic(self, partitions=1, settings=None):
        """A new one."""
        self.made += 1
        self.create("t%d" % self.made, partitions, settings)
        return "t%d" % self.made

    def kcat(self, records, args, data):
        cpu, wall = self.cpu_s(), time.monotonic()
        subprocess.run(["kcat", "-b", self.address, *args], stdin=data, check=True, timeout=300,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cpu, wall = self.cpu_s() - cpu, time.monotonic() - wall
        return {"per_s": records / cpu, "cpu_ns": cpu / records * 1e9, "wall_per_s": records / wall}

    def produce(self, topic, records, args, path):
        with open(path) as data:
            return self.kcat(records, ("-P", "-t", topic, *args), data)

    def fetch(self, topic, records):
        return self.kcat(records, ("-C", "-t", topic, "-o", "beginning", "-c", str(records), "-e",
                                   "-q", "-X", "check.crcs=false", "-X", "fetch.max.bytes=52428800",
                                   "-X", "max.partition.fetch.bytes=10485760"), None)

    def latency(self, loadgen, settings, count):
        return generate(loadgen, "latency", self.port, self.topic(1, settings), count)


class Program:
    """How a broker is started, again and again, over the same directory, which goes in the end."""

    def __init__(self, folder):
        self.folder = folder
        self.port = server.free_port()
        self.process = None
        os.mkdir(folder)

    def start(self):
        with open(os.path.join(self.folder, "log"), "a") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        return Broker("127.0.0.1:%d" % self.port, self.process.pid)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(120)
        self.process = None

    @contextlib.contextmanager
    def first(self, loadgen):
        """Started by the load generator, which says how many ms it took to the first record."""
        with open(os.path.join(self.folder, "log"), "a") as log:
            one = subprocess.Popen([loadgen, "start", str(self.port), *self.command],
                                   stdin=subprocess.PIPE, stdout=log, stderr=subprocess.PIPE,
                                   text=True)
        line = one.stderr.readline()
        found = re.search(r"ms=([\d.]+) pid=(\d+)", line)
        try:
            if not found:
                raise RuntimeError("%s: %s" % (self.command[0], line))
            yield float(found[1]), Broker("127.0.0.1:%d" % self.port, int(found[2]))
        finally:
            one.stdin.close()
            one.wait(120)

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Rilld(Program):
    def __init__(self, folder, program, settings=""):
        super().__init__(folder)
        path = os.path.join(folder, "conf")
        pathlib.Path(path).write_text('jetstream { store_dir: "%s"\n %s }\n' %
                                      (os.path.join(folder, "store"), settings))
        self.command = [program, "-a", "127.0.0.1", "-p", "-1", "--kafka", str(self.port), "-c",
                        path]


class Kafka(Program):
    """One more of the jars that tests/peers/kafka.sh names, with all settings but the places."""

    def __init__(self, folder):
        super().__init__(folder)
        path = os.path.join(folder, "properties")
        control = server.free_port()
        text = pathlib.Path(os.environ["KAFKA_PROPERTIES"]).read_text()
        for key, value in (("controller.quorum.voters", "1@127.0.0.1:%d" % control),
                           ("listeners", "PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d" %
                            (self.port, control)), ("log.dirs", os.path.join(folder, "data"))):
            text = re.sub("(?m)^%s=.*$" % re.escape(key), "%s=%s" % (key, value), text)
        pathlib.Path(path).write_text(text)
        java = ["java", *HEAP, "-cp", os.environ["KAFKA_JARS"] + "/*"]
        subprocess.run([*java, "kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ",
                        "-c", path], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        self.command = [*java, "kafka.Kafka", path]
