# SPDX-License-Identifier: Apache-2.0
"""kafka_mixed.py DIR RILLD: one group, in which members of both protocols come and go: kcat's,
which are librdkafka's classic ones, and one of Java's console consumer with
group.protocol=consumer. The group is upgraded when that one comes and downgraded when it goes; all
that is produced meanwhile is read, and what was committed is not read again. Kafka's tools are
fetched into DIR/kafka. Exit 77, with a line that says why, when there is no kcat, or they cannot be
had."""
import collections
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from server import Server, wait_for

FETCHED, RILLD = sys.argv[1:3]
BOUND_S = 90
PLACE = re.compile(r"Listening for Kafka's clients on \S+:(\d+)\n")
TOOLS = "org.apache.kafka.tools."


def skip(why):
    print(why)
    sys.exit(77)


def java(name, *args):
    return ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", JARS + "/*",
            TOOLS + name, "--bootstrap-server", BROKER, *args]


def kind():
    """What the tools say that the group is."""
    done = subprocess.run(java("consumer.group.ConsumerGroupCommand", "--list", "--type"),
                          capture_output=True, text=True, timeout=BOUND_S)
    found = re.search(r"^g +(\w+)", done.stdout, re.M)
    return found[1].lower() if found else done.stdout + done.stderr


class Member:
    """What it reads goes to a file."""

    def __init__(self, name, command):
        self.path = os.path.join(FOLDER, name)
        with open(self.path, "w") as out, open(self.path + ".err", "w") as err:
            self.process = subprocess.Popen(command, stdout=out, stderr=err)

    def got(self):
        with open(self.path) as file:
            return file.read().split()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(BOUND_S)


def classic(name):
    return Member(name, ["kcat", "-b", BROKER, "-u", "-q", "-G", "g", "-X",
                         "auto.offset.reset=earliest", "-X", "session.timeout.ms=45000", "shared"])


def modern(name):
    return Member(name, java("consumer.ConsoleConsumer", "--topic", "shared", "--group", "g",
                             "--consumer-property", "group.protocol=consumer",
                             "--consumer-property", "auto.offset.reset=earliest"))


class Stream:
    def __init__(self):
        self.sent = []
        self.members = []

    def send(self, n):
        lines = ["m%d" % (len(self.sent) + i) for i in range(n)]
        self.sent.extend(lines)
        subprocess.run(["kcat", "-b", BROKER, "-P", "-t", "shared", "-X",
                        "topic.partitioner=random"], input="\n".join(lines).encode(), check=True,
                       timeout=BOUND_S)

    def add(self, member):
        self.members.append(member)
        return member

    def read(self):
        return collections.Counter(word for m in self.members for word in m.got())

    def all_read(self, what):
        wait_for(what, lambda: len(self.read()) == len(self.sent), BOUND_S)

    def takes_part(self, member):
        """Something is sent until that member has read some of it."""
        def some():
            before = len(member.got())
            self.send(20)
            wait_for("a batch", lambda: len(self.read()) == len(self.sent), BOUND_S)
            return len(member.got()) > before
        wait_for("a member to take part", some, BOUND_S)


def same(what, got, wanted):
    if got != wanted:
        raise AssertionError("%s: %r, not %r" % (what, got, wanted))


def migrate(s):
    s.send(500)
    a = s.add(classic("a"))
    b = s.add(classic("b"))
    s.all_read("the first")
    same("before", kind(), "classic")
    n = s.add(modern("n"))
    s.takes_part(n)
    same("with a modern member", kind(), "consumer")
    for member in (a, b):
        s.takes_part(member)
    s.send(2000)
    s.all_read("what came while there were both")
    c = s.add(classic("c"))
    s.takes_part(c)
    a.end()
    s.send(1000)
    s.all_read("what came when a classic one left")
    n.end()
    for member in (b, c):
        s.takes_part(member)
    same("without it", kind(), "classic")
    s.send(1000)
    s.all_read("the last")
    for member in (b, c):
        member.end()
    read = s.read()
    same("nothing is lost", set(s.sent) - set(read), set())
    d = s.add(modern("d"))
    s.takes_part(d)
    d.end()
    same("an empty group is of whichever kind comes", kind(), "consumer")
    again = [word for word in d.got() if word in read]
    print("%d sent, %d read twice, %d again by a member that came later" %
          (len(s.sent), sum(n > 1 for n in read.values()), len(again)))
    same("what was committed", again, [])


if shutil.which("kcat") is None:
    skip("skipped: no kcat here: apt-get install kcat")
found = subprocess.run(["sh", os.path.join(HERE, "kafka_jars.sh"), FETCHED], stdout=subprocess.PIPE,
                       text=True)
if found.returncode != 0:
    skip(found.stdout.strip())
JARS = found.stdout.strip()
with tempfile.TemporaryDirectory() as FOLDER:
    path = os.path.join(FOLDER, "rilld.conf")
    with open(path, "w") as file:
        file.write('port: -1\nhost: "127.0.0.1"\njetstream { store_dir: "%s" }\n'
                   'kafka { listen: "127.0.0.1:-1", default_partitions: 6 }\n' % FOLDER)
    with Server(RILLD, "-c", path, folder=FOLDER) as SERVER:
        SERVER.ready()
        BROKER = "127.0.0.1:" + PLACE.search(SERVER.log())[1]
        stream = Stream()
        try:
            migrate(stream)
        finally:
            for member in stream.members:
                member.process.kill()
print("ok")
