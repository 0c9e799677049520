# SPDX-License-Identifier: Apache-2.0
"""peers_kafka.py --rilld P --rill P --bare P [--broker HOST:PORT] [--rounds N] [--scale F]:
kafka:// beside bare librdkafka, turn and turn about on the same broker, which is rilld unless one
is named: messages of 128 B in a second of the client's processor time, and in a second.

A tail without headers (rill_sub_opts.no_headers) is told beside a bare program that does not ask
librdkafka for them, and one with headers beside a bare program that does."""
import argparse
import os
import subprocess
import sys
import tempfile

from kafka_broker import LAZY, Broker, Rilld
from servers import alternate, generate, server
from table import Table, rate_text

# What is compared, how many at scale 1, by which works of ours and of librdkafka alone.
ROWS = (("append, callbacks", 1_000_000, "kafka_append", ("kafka_append", "kafka_append_batches")),
        ("... of which few are under way", 1_000_000, "kafka_append_few",
         ("kafka_append_few", "kafka_append_batches_few")),
        ("... of a handle with threads", 1_000_000, "kafka_append_threads",
         ("kafka_append", "kafka_append_batches")),
        ("tail without headers", 2_000_000, "kafka_tail", ("kafka_tail", "kafka_tail_called")),
        ("... with headers", 2_000_000, "kafka_tail_headers",
         ("kafka_tail_headers", "kafka_tail_headers_called")),
        ("... of a handle with threads", 2_000_000, "kafka_tail_threads",
         ("kafka_tail", "kafka_tail_called")),
        ("... with headers and threads", 2_000_000, "kafka_tail_headers_threads",
         ("kafka_tail_headers", "kafka_tail_headers_called")))

parser = argparse.ArgumentParser()
parser.add_argument("--rilld", required=True)
parser.add_argument("--rill", required=True, help="peers_rill")
parser.add_argument("--bare", required=True, help="peers_kafka")
parser.add_argument("--broker", help="HOST:PORT, in place of rilld")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--scale", type=float, default=1.0, help="of the message counts")
args = parser.parse_args()


class Bench:
    def __init__(self, broker):
        self.broker = broker
        self.full = None  # a topic that has messages to be read

    def url(self, topic):
        return "kafka://%s#%s" % (self.broker.address, topic)

    def topic(self, work, count):
        if "append" in work:
            return self.broker.topic()
        if not self.full:
            self.full = self.broker.topic()
            generate(args.bare, "kafka_append", self.url(self.full), count)
        return self.full

    def run(self, program, work, count):
        return generate(program, work, self.url(self.topic(work, count)), count)

    def best(self, works, count):
        """What librdkafka does in the better of its ways, for each kind of time."""
        told = [self.run(args.bare, work, count) for work in works]
        return {key: max(one[key] for one in told) for key in ("per_s", "wall_per_s")}

    def compare(self, table):
        for name, count, ours, theirs in ROWS:
            count = max(int(count * args.scale), 1000)
            rill, bare = alternate(args.rounds, lambda: self.run(args.rill, ours, count),
                                   lambda: self.best(theirs, count))
            for key, kind in (("per_s", ", CPU"), ("wall_per_s", ", wall")):
                table.add(name + kind, rate_text(rill[key]), rate_text(bare[key]),
                          rill[key] / bare[key], 0.9, 1)


def main():
    names = [subprocess.run([program, "version"], capture_output=True, text=True,
                            check=True).stdout.strip() for program in (args.rill, args.bare)]
    table = Table("messages of 128 B over Kafka's protocol: %s over kafka://, and %s bare, on %s" %
                  (*names, args.broker or "rilld"))
    if args.broker:
        Bench(Broker(args.broker, os.getpid())).compare(table)
        return table.show()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        with Rilld(os.path.join(folder, "rilld"), args.rilld, LAZY) as program:
            broker = program.start()
            server.wait_for("rilld", broker.answers)
            Bench(broker).compare(table)
    return table.show()


sys.exit(1 if main() else 0)
