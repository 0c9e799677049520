# SPDX-License-Identifier: Apache-2.0
"""kcat.py RILLD CODEC...: kcat, which is librdkafka's, and rilld as the README starts it, which was
built with those codecs: what one produces the other has, in every codec, by groups whose members
come and go, and over both doors. Exit 77, with a line that says why, when there is no kcat."""
import collections
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from server import Client, Server, wait_for

RILLD, BUILT_WITH = sys.argv[1], sys.argv[2:]
BOUND_S = 60
PLACE = re.compile(r"Listening for Kafka's clients on \S+:(\d+)\n")


def kcat(*args, data=None):
    """What it prints."""
    done = subprocess.run(["kcat", "-b", BROKER, *args], input=data, capture_output=True,
                          timeout=BOUND_S)
    if done.returncode != 0:
        raise AssertionError("kcat %s: %s" % (" ".join(args), done.stderr.decode()[:500]))
    return done.stdout.decode()


def produce(topic, lines, *args):
    kcat("-P", "-t", topic, *args, data="".join(line + "\n" for line in lines).encode())


def consume(topic, *args):
    return kcat("-C", "-t", topic, "-e", "-q", *args).splitlines()


def same(what, got, wanted):
    if got != wanted:
        raise AssertionError("%s: %r, not %r" % (what, got[:20], wanted[:20]))


HERE = os.path.dirname(os.path.abspath(__file__))
TLS = os.path.join(os.path.dirname(HERE), "golden", "tls")
ENCRYPTED = ("-X", "security.protocol=ssl", "-X", "ssl.ca.location=%s/ca.pem" % TLS)


def over_tls():
    """All that goes is encrypted, and who speaks the other way, or is not shown a certificate that
    it believes, does not come in: the log says why."""
    lines = ["line %d %s" % (i, "x" * (i % 3000)) for i in range(5000)]
    kcat("-P", "-t", "secret", *ENCRYPTED, "-X", "enable.idempotence=true", "-X", "acks=all",
         data="".join(line + "\n" for line in lines).encode())
    same("over TLS", consume("secret", *ENCRYPTED), lines)
    same("by a group", sorted(kcat("-G", "g", *ENCRYPTED, "-X", "auto.offset.reset=earliest", "-e",
                                   "-q", "secret").splitlines()), sorted(lines))
    brief = ("-L", "-m", "1")
    for args, what in ((brief, "a client speaks no TLS, which is wanted here"),
                       ((*brief, "-X", "security.protocol=ssl", "-X",
                         "ssl.ca.location=%s/stranger.pem" % TLS), "TLS handshake error")):
        with contextlib.suppress(AssertionError):
            raise RuntimeError("it came in: " + kcat(*args))
        wait_for(what, lambda: what in SERVER.log())


def listed():
    produce("listed", ["x"])
    text = kcat("-L")
    for word in ("broker 1 at " + BROKER, 'topic "listed" with 1 partitions',
                 "partition 0, leader 1, replicas: 1, isrs: 1"):
        if word not in text:
            raise AssertionError("no %r in %s" % (word, text))


def refused(topic, lines, codec):
    try:
        produce(topic, lines, "-z", codec)
    except AssertionError as why:
        if "Unsupported compression type" in str(why):
            return
        raise
    raise AssertionError("%s was taken" % codec)


def each_codec():
    """Batches of many records, and of one; what librdkafka packs in any way is read by it, and by
    others, record by record. A codec that rilld does not have is refused by its name."""
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        topic = "codec." + codec
        lines = ["%s record %d %s" % (codec, i, "x" * (i % 300)) for i in range(2000)]
        if codec not in BUILT_WITH:
            refused(topic, lines, codec)
            continue
        produce(topic, lines, "-z", codec)
        same(topic, consume(topic), lines)
        produce(topic, ["one"], "-z", codec, "-X", "linger.ms=0")
        same(topic, consume(topic, "-o", "-1"), ["one"])


def all_of_a_record():
    kcat("-P", "-t", "whole", "-k", "key", "-H", "a=1", "-H", "a=2", "-H", "empty=", data=b"value")
    kcat("-P", "-t", "whole", "-Z", "-k", "key", data=b"")
    text = kcat("-C", "-t", "whole", "-e", "-q", "-Z", "-f", "%o|%p|%k|%h|%s\\n")
    same("a record", text.splitlines()[0], "0|0|key|a=1,a=2,empty=|value")


def one_of_many():
    """An idempotent producer, and one that waits for no answer."""
    lines = [str(i) for i in range(5000)]
    produce("idempotent", lines, "-X", "enable.idempotence=true", "-X", "batch.num.messages=100")
    same("idempotent", consume("idempotent"), lines)
    produce("unanswered", lines, "-X", "acks=0")
    wait_for("what was sent without an answer", lambda: len(consume("unanswered")) == len(lines))


def from_there_on():
    produce("times", ["early"])
    time.sleep(0.02)
    later = int(time.time() * 1000)
    produce("times", ["late", "later"])
    same("by time", consume("times", "-o", "s@%d" % later), ["late", "later"])
    same("by offset", consume("times", "-o", "1", "-c", "1"), ["late"])
    same("from behind", consume("times", "-o", "-1"), ["later"])


class Member:
    """kcat as a member of a group; what it gets goes to a file."""

    def __init__(self, name, group, topic):
        self.path = os.path.join(FOLDER, name)
        with open(self.path, "w") as out, open(self.path + ".err", "w") as err:
            self.process = subprocess.Popen(
                ["kcat", "-b", BROKER, "-u", "-G", group, "-X", "auto.offset.reset=earliest",
                 "-X", "session.timeout.ms=6000", "-d", "cgrp", topic], stdout=out, stderr=err)

    def got(self):
        with open(self.path) as file:
            return file.read().split()

    def assigned(self):
        """How many partitions it has been given last; -1: none yet."""
        with open(self.path + ".err") as file:
            given = re.findall(r"assigned: (.*)", file.read())
        return given[-1].count("[") if given else -1

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        status = self.process.wait(BOUND_S)
        if status not in (0, -signal.SIGKILL):
            raise AssertionError("%s ended with %d:\n%s" % (self.path, status, self.says()))

    def says(self, lines=60):
        """The last lines of what it has told of its part in the group; None: all."""
        with open(self.path + ".err") as file:
            return "".join(file.readlines()[-lines if lines else None:])


def members_come_and_go():
    """Two share six partitions; one leaves, one is killed, another comes: all is read, and what was
    committed is not read again."""
    sent = []

    def send(n):
        lines = ["m%d" % (len(sent) + i) for i in range(n)]
        sent.extend(lines)
        produce("shared", lines, "-X", "topic.partitioner=random")

    def seen(*members):
        return set(word for m in members for word in m.got())

    send(600)
    a = Member("a", "g", "shared")
    wait_for("the first", lambda: len(seen(a)) == 600, BOUND_S)
    b = Member("b", "g", "shared")
    wait_for("both to have some", lambda: a.assigned() == b.assigned() == 3, BOUND_S)
    send(600)
    wait_for("the second", lambda: len(seen(a, b)) == 1200, BOUND_S)
    a.end()
    wait_for("one to have all", lambda: b.assigned() == 6, BOUND_S)
    send(600)
    wait_for("the third", lambda: len(seen(a, b)) == 1800, BOUND_S)
    b.end(signal.SIGKILL)
    c = Member("c", "g", "shared")
    send(600)
    wait_for("the fourth, behind a session's end", lambda: len(seen(a, b, c)) == 2400, BOUND_S)
    c.end()
    same("all of them", sorted(seen(a, b, c)), sorted(sent))
    d = Member("d", "g", "shared")
    wait_for("a member of its own", lambda: d.assigned() == 6, BOUND_S)
    send(1)
    wait_for("the last", lambda: sent[-1] in d.got(), BOUND_S)
    d.end()
    again = collections.Counter(d.got())
    again = [word for word in again if word != sent[-1]]
    if again and "session timed out" in c.says(None):  # it had no processor for six seconds
        print("not looked at: what was committed: the last member had lost its session")
        return
    same("what was committed; " + (c.says() if again else ""), again, [])


def both_doors():
    """A client of NATS hears what is produced, and what it publishes is consumed."""
    produce("news", ["before anybody listens"])
    nats = Client(SERVER.port, connect='{"headers":true,"verbose":false}')
    nats.say("SUB news 1")
    nats.ping()
    produce("news", ["one", "two"], "-k", "k", "-z", "gzip")
    for wanted in (b"one", b"two"):
        while not (line := nats.read()).startswith("HMSG "):
            same("between messages", line, "PING")
        _, _, head, data = nats.read_body(line)
        same("over NATS", data, wanted)
        if b"Kafka-Key: k\r\n" not in head:
            raise AssertionError("no key in %r" % head)
    nats.say("HPUB news 26 31\r\nNATS/1.0\r\nKafka-Key: n\r\n\r\nthree")
    nats.ping()
    wait_for("what NATS published", lambda: consume("news", "-o", "3", "-f", "%k=%s\\n") ==
             ["n=three"])
    nats.close()


def serve(partitions, steps, more=""):
    """Each step at a server of its own, whose topics have so many partitions."""
    global BROKER, FOLDER, SERVER
    for step in steps:
        with tempfile.TemporaryDirectory() as FOLDER:
            path = os.path.join(FOLDER, "rilld.conf")
            with open(path, "w") as file:
                file.write('port: -1\nhost: "127.0.0.1"\njetstream { store_dir: "%s" }\n'
                           "kafka { listen: \"127.0.0.1:-1\", default_partitions: %d\n%s }\n" %
                           (FOLDER, partitions, more))
            with Server(RILLD, "-c", path, folder=FOLDER) as SERVER:
                SERVER.ready()
                BROKER = "127.0.0.1:" + PLACE.search(SERVER.log())[1]
                step()
        print("ok", step.__name__)


if shutil.which("kcat") is None:
    print("skipped: no kcat here: apt-get install kcat")
    sys.exit(77)
serve(1, (listed, each_codec, all_of_a_record, one_of_many, from_there_on, both_doors))
serve(6, (members_come_and_go,))
serve(1, (over_tls,), 'tls { cert_file: "%s/server.pem", key_file: "%s/server.key" }' % (TLS, TLS))
