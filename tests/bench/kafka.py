# SPDX-License-Identifier: Apache-2.0
"""kafka.py --rilld RILLD [KAFKA]: what rilld does for clients of Kafka in a second of its CPU, and
a real Kafka beside it in the same run, by turns: kcat, which is librdkafka's, with the same
settings for both. rilld syncs what it acknowledges, Kafka does not. tests/peers/kafka.sh gives the
address of a Kafka as the last argument, and its process as KAFKA_PID; without one rilld is measured
alone. Exit 77 when there is no kcat."""
import argparse
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

import servers
from table import Table

PLACE = re.compile(r"Listening for Kafka's clients on (\S+:\d+)\n")
ROUNDS = 3
ROWS = (  # work, records, partitions, arguments of kcat, must, aim
    ("produce, batches of 1 MB", 1000000, 1, ("-X", "batch.size=1000000", "-X", "linger.ms=50"),
     1.5, 3),
    ("produce, batches of 16 KB", 500000, 1, ("-X", "batch.size=16384"), 3, 5),
    ("produce, batches of 10 records", 100000, 1, ("-X", "batch.num.messages=10"), 10, 30),
    ("produce, batches of 1 record", 20000, 1, ("-X", "batch.num.messages=1"), 10, 25),
    ("produce, idempotent", 1000000, 1, ("-X", "enable.idempotence=true"), 1.5, 3),
    ("produce, 100 partitions", 500000, 100, (), 2, 5),
    ("produce, lz4", 1000000, 1, ("-z", "lz4", "-X", "batch.size=1000000"), None, None),
)
FETCHES = (("fetch from the start", ROWS[0][0], 0.8, 1.5), ("fetch, lz4", ROWS[6][0], 0.8, 1))


class Broker:
    def __init__(self, address, pid):
        self.address = address
        self.pid = pid
        self.made = 0

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def create(self, topic, partitions):
        """CreateTopics v2: kcat makes none."""
        host, _, port = self.address.rpartition(":")
        name = topic.encode()
        body = struct.pack(">hhihiH", 19, 2, 1, -1, 1, len(name)) + name
        body += struct.pack(">ihiiib", partitions, 1, 0, 0, 10000, 0)
        with socket.create_connection((host, int(port)), 60) as s:
            s.sendall(struct.pack(">i", len(body)) + body)
            size, = struct.unpack(">i", s.recv(4, socket.MSG_WAITALL))
            answer = s.recv(size, socket.MSG_WAITALL)
        code, = struct.unpack_from(">h", answer, 4 + 4 + 4 + 2 + len(name))
        if code != 0:
            raise RuntimeError("%s makes no topic: error %d" % (self.address, code))

    def measure(self, records, args, data):
        cpu, wall = self.cpu_s(), time.monotonic()
        subprocess.run(["kcat", "-b", self.address, *args], stdin=data, check=True, timeout=300,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cpu, wall = max(self.cpu_s() - cpu, 0.01), time.monotonic() - wall
        return {"per_s": records / cpu, "cpu_ns": cpu / records * 1e9, "wall_per_s": records / wall}

    def produce(self, row, path):
        _, records, partitions, args = row[:4]
        self.made += 1
        topic = "t%d" % self.made
        self.create(topic, partitions)
        with open(path) as data:
            found = self.measure(records, ("-P", "-t", topic, *args), data)
        return topic, found

    def fetch(self, topic, records):
        return self.measure(records, ("-C", "-t", topic, "-e", "-q", "-X", "check.crcs=false",
                                      "-X", "fetch.max.bytes=52428800",
                                      "-X", "max.partition.fetch.bytes=10485760"), None)


def lines_of(folder, records):
    """A file of records of 100 bytes."""
    path = os.path.join(folder, str(records))
    if not os.path.exists(path):
        with open(path, "w") as file:
            file.writelines("%099d\n" % i for i in range(records))
    return path


def run(table, folder, brokers):
    """Each row for each broker by turns; the last topics of a row are what is fetched."""
    topics = {}

    def show(work, samples, must, aim):
        found = [servers.median(of) for of in samples]
        table.rate(work, found[0], found[-1], must if len(found) > 1 else None, aim)

    for row in ROWS:
        samples = [[] for _ in brokers]
        for _ in range(ROUNDS):
            for i, broker in enumerate(brokers):
                topics[row[0], i], found = broker.produce(row, lines_of(folder, row[1]))
                samples[i].append(found)
        show(row[0], samples, row[4], row[5])
    for work, of, must, aim in FETCHES:
        samples = [[b.fetch(topics[of, i], 1000000) for _ in range(ROUNDS)]
                   for i, b in enumerate(brokers)]
        show(work, samples, must, aim)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rilld", required=True)
    parser.add_argument("kafka", nargs="?")
    given = parser.parse_args()
    if shutil.which("kcat") is None:
        print("skipped: no kcat here: apt-get install kcat")
        sys.exit(77)
    table = Table("clients of Kafka: records for each second of the broker's CPU")
    with tempfile.TemporaryDirectory() as folder, servers.Server(
            given.rilld, ["--kafka", "-1", "-js", "-sd", "@DIR@/store"]) as server:
        brokers = [Broker(PLACE.search(server.log())[1], server.pid)]
        if given.kafka:
            brokers.append(Broker(given.kafka, int(os.environ["KAFKA_PID"])))
        else:
            print("no Kafka to compare with: rilld stands on both sides")
        run(table, folder, brokers)
    sys.exit(1 if table.show() and given.kafka else 0)
