# SPDX-License-Identifier: Apache-2.0
"""kafka.py --rilld RILLD --loadgen LOADGEN --loadgen-js LOADGEN_JS [--only WORD] [--rounds N]
[--warm N] [--minutes M] [--kafka-topics N] [KAFKA]: what rilld does for clients of Kafka, and a
real Kafka beside it in the same run, by turns: kcat, which is librdkafka's, with the same settings
for both. rilld syncs what it acknowledges; Kafka does not, unless a row says so. Where neither
does, rilld has sync_interval at its default of 100 ms. What is done some times before it is
measured warms both: Kafka's virtual machine has compiled itself by then.

tests/peers/kafka.sh gives the address of a Kafka as the last argument, and the rest by KAFKA_PID,
KAFKA_JARS and KAFKA_PROPERTIES; without one rilld is measured alone. A row that would begin when M
minutes are over is left out, and told. Kafka takes minutes for 10 000 partitions: it is given
N times 1000, and what is compared is the share of one. Exit 77 when there is no kcat."""
import argparse
import os
import re
import shutil
import sys
import tempfile
import time

from kafka_broker import LAZY, SYNCED, Broker, Kafka, Rilld
from servers import Server, generate, median, server
from table import Table

PLACE = re.compile(r"Listening for Kafka's clients on (\S+:\d+)\n")
MB = ("-X", "batch.size=1000000", "-X", "linger.ms=50")
KB16 = ("-X", "batch.size=16384")
TEN = ("-X", "batch.num.messages=10")
ONE = ("-X", "batch.num.messages=1")
LZ4 = ("-z", "lz4", "-X", "batch.size=1000000")
PRODUCE = (  # work, records, partitions, arguments of kcat, must, aim
    ("produce, batches of 1 MB", 1000000, 1, MB, 1.5, 3),
    ("produce, batches of 16 KB", 500000, 1, KB16, 3, 5),
    ("produce, batches of 10 records", 100000, 1, TEN, 10, 30),
    ("produce, batches of 1 record", 20000, 1, ONE, 10, 25),
    ("produce, idempotent", 1000000, 1, ("-X", "enable.idempotence=true"), 1.5, 3),
    ("produce, 100 partitions", 500000, 100, (), 2, 5),
    ("produce, lz4", 1000000, 1, LZ4, None, None),
)
BOTH_SYNCED = (  # by the wall clock; Kafka is given fewer records: a rate is a rate
    ("wall clock, Kafka synced, 16 KB", 1000000, 100000, KB16, 4, 8),
    ("wall clock, Kafka synced, 10 records", 200000, 20000, TEN, 8, 20),
    ("wall clock, Kafka synced, 1 record", 30000, 2000, ONE, 8, 20),
)
FETCH = (("fetch from the start", MB, 0.8, 1.5), ("fetch, lz4", LZ4, 0.8, 1))
FETCHED = 1000000
TOPICS, PARTITIONS = 10, 1000
LATENCY = (  # work, is ours synced, settings of Kafka's topic, must and aim of p50 and p99
    ("produce to consume", True, None, (4, 10), (8, 30)),
    ("produce to consume, none synced", False, None, (4, 10), (8, 30)),
    ("produce to consume, Kafka synced", True, SYNCED, (3, 5), (5, 10)),
)
ONE_BY_ONE = 5000  # records of these
SEGMENT = 8 << 20  # bytes that rilld asks of the disk for its first file


class Bench:
    def __init__(self, given, folder, ours, peer):
        self.given = given
        self.folder = folder
        self.brokers = [ours] + ([peer] if peer else [])
        self.table = Table("clients of Kafka; rates are for each second of the broker's CPU unless "
                           "the row says otherwise")
        self.until = time.monotonic() + 60 * given.minutes

    def wanted(self, work):
        if self.given.only not in work:
            return False
        if time.monotonic() > self.until:
            print("left out, the time is over: " + work)
            return False
        return True

    def lines(self, records):
        """A file of records of 100 bytes."""
        path = os.path.join(self.folder, str(records))
        if not os.path.exists(path):
            with open(path, "w") as file:
                file.writelines("%099d\n" % i for i in range(records))
        return path

    def by_turns(self, measure):
        """Of each broker the medians, key by key, behind rounds that warm."""
        samples = [[] for _ in self.brokers]
        for at in range(self.given.warm + self.given.rounds):
            for i, broker in enumerate(self.brokers):
                found = measure(broker, i)
                if at >= self.given.warm:
                    samples[i].append(found)
        return [median(of) for of in samples]

    def bounds(self, must, aim):
        return (must, aim) if len(self.brokers) > 1 else (None, None)

    def rate(self, work, found, must, aim, key="per_s"):
        self.table.rate(work, found[0], found[-1], *self.bounds(must, aim), key=key)

    def cost(self, work, found, key, unit, must, aim):
        self.table.cost(work, found[0][key], found[-1][key], unit, *self.bounds(must, aim))

    # ---- The rows ----

    def produce(self):
        for work, records, partitions, args, must, aim in PRODUCE:
            if self.wanted(work):
                path = self.lines(records)
                self.rate(work, self.by_turns(lambda b, _: b.produce(
                    b.topic(partitions), records, args, path)), must, aim)

    def both_synced(self):
        for work, records, fewer, args, must, aim in BOTH_SYNCED:
            if not self.wanted(work):
                continue
            counts = (records, fewer)
            paths = [self.lines(n) for n in counts]
            self.rate(work, self.by_turns(lambda b, i: b.produce(
                b.topic(1, SYNCED if i else None), counts[i], args, paths[i])), must, aim,
                      "wall_per_s")

    def fetch(self):
        for work, args, must, aim in FETCH:
            if not self.wanted(work):
                continue
            topics = [b.topic() for b in self.brokers]
            for broker, topic in zip(self.brokers, topics):
                broker.produce(topic, FETCHED, args, self.lines(FETCHED))
            self.rate(work, self.by_turns(lambda b, i: b.fetch(topics[i], FETCHED)), must, aim)

    def sync_alone(self, broker):
        """What the disk takes for a record of 272 bytes, as rilld writes it, over zeros that are
        there, and nothing else: beside the store of that broker, while it rests."""
        took, room = [], bytes(272)
        with tempfile.NamedTemporaryFile(dir=broker.store or self.folder) as file:
            file.write(bytes(ONE_BY_ONE * len(room)))
            file.flush()
            os.fsync(file.fileno())
            for i in range(ONE_BY_ONE):
                start = time.perf_counter_ns()
                os.pwrite(file.fileno(), room, i * len(room))
                os.fdatasync(file.fileno())
                took.append((time.perf_counter_ns() - start) / 1e3)
        took.sort()
        return {"p50_us": took[len(took) // 2], "p99_us": took[len(took) * 99 // 100]}

    def latency(self):
        """Where rilld syncs no record can be there sooner than the disk has it: what that takes
        alone is measured by turns with the brokers, and what rilld takes beside it is a row."""
        wanted = [row for row in LATENCY if self.wanted(row[0])]
        with tempfile.TemporaryDirectory() as folder, Rilld(
                os.path.join(folder, "lazy"), self.given.rilld, LAZY) as lazy:
            started = None if all(row[1] for row in wanted) else lazy.start()
            if started:
                generate(self.given.loadgen, "up", started.port, "first", 1)
            for work, synced, settings, musts, aims in wanted:
                alone = []

                def both(broker, i):
                    if i == 0 and synced:
                        alone.append(self.sync_alone(broker))
                    one = broker if i or synced else started
                    return one.latency(self.given.loadgen, settings if i else None, ONE_BY_ONE)

                found = self.by_turns(both)
                for i, key in enumerate(("p50_us", "p99_us")):
                    self.cost("%s, %s" % (work, key[:3]), found, key, "us", musts[i], aims[i])
                if synced:
                    self.beside_the_disk(work, found, median(alone[self.given.warm:]))

    def beside_the_disk(self, work, found, alone):
        print("%s: the disk alone p50 %.0f us, p99 %.0f us; with rilld p50 %.0f us, p99 %.0f us" %
              (work, alone["p50_us"], alone["p99_us"], found[0]["p50_us"], found[0]["p99_us"]),
              flush=True)
        for key in ("p50_us", "p99_us"):
            beside = {key: max(found[0][key] - alone[key], 1)}
            self.cost("%s, beside the disk, %s" % (work, key[:3]), [beside, found[-1]], key, "us",
                      None, None)

    def founded_alone(self):
        """What the disk takes, in ms, for that which no first record can be acknowledged without,
        and nothing else: a file in a new directory is there, the directory names it, a topic is
        there, and a record is; each is synced before the next."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            time.sleep(1)  # it rests before a start, too
            start = time.perf_counter_ns()
            place = os.open(folder, os.O_RDONLY)
            file = os.open(os.path.join(folder, "segment"), os.O_RDWR | os.O_CREAT | os.O_EXCL)
            os.posix_fallocate(file, 0, SEGMENT)
            os.pwrite(file, bytes(4096), 0)
            os.fdatasync(file)
            os.fsync(place)
            for at, size in ((320, 712), (1032, 320)):
                os.pwrite(file, bytes(size), at)
                os.fdatasync(file)
            took = (time.perf_counter_ns() - start) / 1e6
            os.close(file)
            os.close(place)
        return took

    def started(self, program):
        """The medians of starts with an empty store, and what the last one takes."""
        found = []
        for i in range(self.given.rounds):
            with program(os.path.join(self.folder, "start")) as one, \
                    one.first(self.given.loadgen) as (ms, broker):
                time.sleep(1)  # what it does once it has started is part of its memory
                found.append({"ms": ms, "idle": broker.status_kib("VmRSS") / 1024})
                if i == self.given.rounds - 1:
                    for _ in range(2):
                        broker.produce(broker.topic(), FETCHED, MB, self.lines(FETCHED))
                    loaded = broker.status_kib("VmHWM") / 1024
        return {**median(found), "loaded": loaded}

    def programs(self):
        own = [lambda folder: Rilld(folder, self.given.rilld)]
        return own + [Kafka] if os.environ.get("KAFKA_JARS") and len(self.brokers) > 1 else own

    def start(self):
        if not self.wanted("start and memory"):
            return
        found = [self.started(program) for program in self.programs()]
        alone = sorted(self.founded_alone() for _ in range(2 * self.given.rounds + 1))
        print("start: its syncs alone take the disk %.2f ms (%.2f to %.2f); with rilld %.2f ms"
              % (alone[self.given.rounds], alone[0], alone[-1], found[0]["ms"]), flush=True)
        self.cost("start to the first acknowledged record", found, "ms", "ms", 1000, 2000)
        self.cost("memory, idle", found, "idle", "MiB", 100, 200)
        self.cost("memory, batches of 1 MB", found, "loaded", "MiB", 20, 40)

    def filled(self, program, topics):
        """What is one partition's share of time, memory and opening again."""
        n = topics * PARTITIONS
        with program(os.path.join(self.folder, "many")) as one:
            broker = one.start()
            generate(self.given.loadgen, "up", broker.port, "first", 1)
            before = broker.status_kib("VmRSS")
            found = generate(self.given.loadgen, "each", broker.port, topics, PARTITIONS)
            kib = broker.status_kib("VmRSS") - before
            one.stop()
            start = time.monotonic()
            broker = one.start()
            generate(self.given.loadgen, "last", broker.port, topics, PARTITIONS)
            again = time.monotonic() - start
        print("%s: %d partitions made in %.2f s, each with a record in %.2f s, %d KiB, again in "
              "%.2f s" % (one.command[0], n, found["made_s"], found["s"], kib, again), flush=True)
        return {"ms": found["s"] / n * 1e3, "kib": kib / n, "again": again / n * 1e3}

    def many(self):
        if not self.wanted("10 000 partitions"):
            return
        counts = (TOPICS, self.given.kafka_topics)
        found = [self.filled(program, counts[i]) for i, program in enumerate(self.programs())]
        work = "one of 10 000 partitions"
        if len(found) > 1 and counts[1] != TOPICS:
            work += ", Kafka: of %d" % (counts[1] * PARTITIONS)
        self.cost(work + ", a record in each", found, "ms", "ms", 10, 50)
        self.cost(work + ", memory", found, "kib", "KiB", 10, 50)
        self.cost(work + ", opened again", found, "again", "ms", 10, 50)

    def crossed(self, nats_port):
        """Messages of one door read at the other, beside what that other reads of its own."""
        if not self.wanted("from door to door"):
            return
        ours, count = self.brokers[0], 500000

        def nats(mode, *more):
            cpu = ours.cpu_s()
            generate(self.given.loadgen_js, mode, nats_port, ours.pid, 100, count, *more)
            cpu = ours.cpu_s() - cpu
            return {"per_s": count / cpu, "cpu_ns": cpu / count * 1e9}

        samples = []
        for at in range(1 + self.given.rounds):
            nats("fill", 4096)
            crossed, own = {"kafka": ours.fetch("B", count)}, {}
            own["nats"] = nats("drain", 4000)
            ours.create("B")
            ours.produce("B", count, MB, self.lines(count))
            own["kafka"] = ours.fetch("B", count)
            crossed["nats"] = nats("drain", 4000)
            if at > 0:
                samples.append((crossed, own))
        for key, work in (("kafka", "published in NATS, read by Kafka's; beside its own"),
                          ("nats", "produced in Kafka, read by NATS's; beside its own")):
            self.table.rate(work, median([c[key] for c, _ in samples]),
                            median([o[key] for _, o in samples]), 0.5, 0.9)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rilld", required=True)
    parser.add_argument("--loadgen", required=True)
    parser.add_argument("--loadgen-js", required=True)
    parser.add_argument("--only", default="", help="rows whose name has this")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warm", type=int, default=3, help="rounds before those")
    parser.add_argument("--minutes", type=float, default=30, help="no row begins later")
    parser.add_argument("--kafka-topics", type=int, default=1, help="of 1000 partitions each")
    parser.add_argument("kafka", nargs="?")
    return parser.parse_args()


if __name__ == "__main__":
    given = arguments()
    if shutil.which("kcat") is None:
        print("skipped: no kcat here: apt-get install kcat")
        sys.exit(77)
    server.many_files()
    with tempfile.TemporaryDirectory() as folder, Server(
            given.rilld, ["--kafka", "-1", "-js", "-sd", "@DIR@/store"]) as rilld:
        peer = Broker(given.kafka, int(os.environ["KAFKA_PID"])) if given.kafka else None
        if not peer:
            print("no Kafka to compare with: rilld stands on both sides")
        ours = Broker(PLACE.search(rilld.log())[1], rilld.pid, rilld.dir)
        bench = Bench(given, folder, ours, peer)
        bench.produce()
        bench.both_synced()
        bench.fetch()
        bench.latency()
        bench.crossed(rilld.port)
        bench.start()
        bench.many()
    sys.exit(1 if bench.table.show() and given.kafka else 0)
