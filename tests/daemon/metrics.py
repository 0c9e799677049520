# SPDX-License-Identifier: Apache-2.0
"""metrics.py EXE [TEST...]: /metrics as Prometheus takes it: both forms of text by the parsers of
its Python client, and by its own in promtool, if PROMTOOL or the PATH names one; of a broker whose
names are hostile, and whose streams have consumers and groups of Kafka. Exit 77, with a line that
says why, where the Python client is absent."""
import http.client
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import unittest

# Debian's package is of Debian's Python, which need not be the first on the PATH.
DEBIAN, PACKAGE = "/usr/bin/python3", "/usr/lib/python3/dist-packages/prometheus_client"
if importlib.util.find_spec("prometheus_client") is None:
    if os.path.realpath(sys.executable) != os.path.realpath(DEBIAN) and os.path.isdir(PACKAGE):
        os.execv(DEBIAN, [DEBIAN, *sys.argv])
    print("skipped: no python3-prometheus-client, whose parsers this is about")
    sys.exit(77)

from prometheus_client import parser as text_parser
from prometheus_client.openmetrics import parser as open_parser

from case import BOUND_S, Case, main, wait_for

OPEN, TEXT = "application/openmetrics-text; version=1.0.0", "text/plain; version=0.0.4"
PROMETHEUS = ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
              "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1")
PROMTOOL = os.environ.get("PROMTOOL") or shutil.which("promtool")
# What ends a value of a label, or its braces, or makes a table or a comment; what is no ASCII, and
# what is as long as may be.
HOSTILE = ('quote"', '"}1', '",stream="x', "{}", "#", ",=", "a\\n", "\\", "$G%s%n", "<b>",
           "\u00fc\U0001f980", "\u202e", "n" * 255)
KAFKA_GROUPS = ('quote" {}', "line\nend\r\n# EOF\n", "\u00fc\\n", "g" * 10000)


def quoted(text):
    """As the daemon's configuration takes it."""
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def samples(families):
    """Of each family, what its samples are and their values; a sample twice is an error."""
    found = {}
    for family in families:
        rows = {}
        for s in family.samples:
            key = (s.name, tuple(sorted(s.labels.items())))
            if key in rows:
                raise AssertionError("twice: %r" % (key,))
            rows[key] = s.value
        if not family.documentation or family.type == "unknown":
            raise AssertionError("%s has no help or no type" % family.name)
        if family.name in found:
            raise AssertionError("a family twice: " + family.name)
        found[family.name] = (family.type, rows)
    return found


class Metrics(Case):
    def broker(self, name="north", accounts=(), more=""):
        users = "".join("%s: { jetstream: enabled, users: [{user: u%d, password: p}] }\n" %
                        (quoted(account), i) for i, account in enumerate(accounts))
        path = self.write("a.conf", "server_name: %s\nhttp: '127.0.0.1:-1'\n%s\n"
                          "jetstream { store_dir: '%s' }\naccounts { %s }\n" %
                          (quoted(name), more, self.path("store"), users))
        server = self.serve("-c", path)
        found = re.search(r"Starting http monitor on 127\.0\.0\.1:(\d+)\n", server.log())
        server.http_port = int(found[1])
        return server

    def scrape(self, server, accept):
        conn = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=BOUND_S)
        try:
            conn.request("GET", "/metrics", headers={"Accept": accept})
            answer = conn.getresponse()
            self.assertEqual(answer.status, 200)
            return answer.getheader("Content-Type"), answer.read().decode()
        finally:
            conn.close()

    def promtool(self, *args, **run):
        done = subprocess.run([PROMTOOL, *args], capture_output=True, timeout=BOUND_S, **run)
        self.assertEqual((done.returncode, done.stderr), (0, b""), done.stdout)
        return done.stdout

    def scrape_text(self, server):
        kind, text = self.scrape(server, TEXT)
        self.assertEqual(kind, TEXT + "; charset=utf-8")
        return text, samples(text_parser.text_string_to_metric_families(text))

    def scrape_both(self, server):
        """Both forms while no sample has come or gone, else nothing."""
        text, old = self.scrape_text(server)
        kind, text_open = self.scrape(server, PROMETHEUS)
        self.assertEqual(kind, OPEN + "; charset=utf-8")
        there, still = ([set(rows) for _, rows in families.values()]
                        for families in (old, self.scrape_text(server)[1]))
        return (text, old, text_open) if there == still else None

    def read(self, server):
        """What the parsers make of both forms, in which they agree."""
        text, old, text_open = wait_for("a still", lambda: self.scrape_both(server))
        new = samples(open_parser.text_string_to_metric_families(text_open))
        # The one thing that is a type of its own in the new form.
        self.assertEqual(new.pop("rill_build")[1], old.pop("rill_build_info")[1])
        self.assertEqual({name: (kind, set(rows)) for name, (kind, rows) in new.items()},
                         {name: (kind, set(rows)) for name, (kind, rows) in old.items()})
        if PROMTOOL:
            self.assertEqual(self.promtool("check", "metrics", input=text.encode()), b"")
            self.import_by_prometheus(text_open)
        return new

    def import_by_prometheus(self, text):
        """By its parser of OpenMetrics, which wants a time with each sample when it reads a file;
        what it took is as much as there is."""
        lines = [line if line.startswith("#") else line + " 1700000000"
                 for line in text.split("\n")[:-1]]
        path = self.write("metrics", "".join(line + "\n" for line in lines))
        blocks = self.path("blocks")
        said = self.promtool("tsdb", "create-blocks-from", "openmetrics", path, blocks)
        count = sum(not line.startswith("#") for line in lines)
        row = said.decode().splitlines()[-1].split()
        self.assertEqual(row[4:7:2], [str(count)] * 2, said)
        shutil.rmtree(blocks)

    def asked(self, client, subject, **body):
        answer = client.request(subject, json.dumps(body))
        self.assertNotIn("error", answer, subject)
        return answer

    @staticmethod
    def lags(found, unit):
        rows = found["rill_group_lag_" + unit][1]
        named = {tuple(dict(labels)[k] for k in ("group", "topic", "partition")): value
                 for (_, labels), value in rows.items()}
        assert len(named) == len(rows)
        return named

    @staticmethod
    def members(found):
        """Of each group, its state and how many members it has."""
        states = {}
        for (_, labels), value in found["rill_group_state"][1].items():
            labels = dict(labels)
            assert value == 1 and labels["group"] not in states
            states[labels["group"]] = labels["state"]
        return {dict(labels)["group"]: (states[dict(labels)["group"]], value)
                for (_, labels), value in found["rill_group_members"][1].items()}

    # ---- The tests

    def test_hostile_names(self):
        """Each name is a label as it is: of an account, of a stream and of a consumer."""
        names = [name for name in HOSTILE if not set(name) & set("\\>")]
        broker = "b" * 9000 + '"{}\\n\u00fc#EOF'
        server = self.broker(broker, HOSTILE)
        for i, account in enumerate(HOSTILE):
            client = self.client(server, connect='{"user":"u%d","pass":"p"}' % i)
            for n, name in enumerate(names if i < 2 else names[:2]):
                self.asked(client, "$JS.API.STREAM.CREATE." + name, name=name, subjects=["s%d" % n],
                           storage="file" if n % 2 else "memory")
                self.asked(client, "$JS.API.CONSUMER.DURABLE.CREATE.%s.%s" % (name, names[-1 - n]),
                           stream_name=name, config={"durable_name": names[-1 - n],
                                                     "ack_policy": "explicit"})
                for _ in range(n + 1):
                    self.asked(client, "s%d" % n)
        found = self.read(server)
        wanted = {}
        for i, account in enumerate(HOSTILE):
            for n, name in enumerate(names if i < 2 else names[:2]):
                wanted[(("account", account), ("consumer", names[-1 - n]),
                        ("stream", name))] = n + 1
        self.assertEqual({labels: value for (_, labels), value in
                          found["rill_consumer_lag_messages"][1].items()}, wanted)
        self.assertEqual({labels: value for (_, labels), value in
                          found["rill_stream_messages"][1].items()},
                         {(at, of): value for (at, _, of), value in wanted.items()})

    def test_of_the_broker(self):
        """Its name is a label too, and each type of metric is there."""
        server = self.broker("a\"b\\c}{")
        (_, labels), value = next(iter(samples(open_parser.text_string_to_metric_families(
            self.scrape(server, PROMETHEUS)[1]))["rill_build"][1].items()))
        self.assertEqual((value, dict(labels)["name"]), (1, "a\"b\\c}{"))
        found = self.read(server)
        kinds = {kind for kind, _ in found.values()}
        self.assertEqual(kinds, {"counter", "gauge", "histogram"})

    @unittest.skipUnless(shutil.which("kcat"), "no kcat")
    def test_kafka(self):
        """With topics and groups of Kafka, of any name."""
        server = self.broker(more="kafka { listen: '127.0.0.1:-1'\n"
                             "group.initial.rebalance.delay.ms: 0 }")
        broker = re.search(r"Kafka's clients on (\S+)\n", server.log())[1]

        def kcat(*args, data=b""):
            done = subprocess.run(["kcat", "-b", broker, *args], input=data, timeout=BOUND_S,
                                  capture_output=True)
            self.assertEqual(done.returncode, 0, done.stderr[-1000:])
            return done.stdout

        kcat("-P", "-t", "topic", data=b"a\nb\nc\n")
        for group in KAFKA_GROUPS:
            self.assertEqual(kcat("-q", "-c", "2", "-X", "auto.offset.reset=earliest", "-G", group,
                                  "topic"), b"a\nb\n")
        found = self.read(server)
        self.assertEqual(found["rill_stream_messages"][1], {("rill_stream_messages", (
            ("account", "$G"), ("stream", "topic"))): 3})

        # What kafka-consumer-groups counts: from what was committed to the end that is listed.
        end = int(kcat("-Q", "-t", "topic:0:-1").split()[-1])
        self.assertEqual(end, 3)
        self.assertEqual(self.lags(found, "messages"),
                         {(group, "topic", "0"): end - 2 for group in KAFKA_GROUPS})
        for lag in self.lags(found, "bytes").values():
            self.assertGreater(lag, 0)
        self.assertEqual(set(self.lags(found, "seconds")), set(self.lags(found, "bytes")))
        self.assertEqual(self.members(found), dict.fromkeys(KAFKA_GROUPS, ("Empty", 0)))
        self.assertEqual(found["rill_groups_left_out"][1].popitem()[1], 0)

        # Who goes on has none left, and more comes; a member that is there is counted.
        reader = subprocess.Popen(
            ["kcat", "-b", broker, "-q", "-u", "-X", "auto.commit.interval.ms=50", "-G",
             KAFKA_GROUPS[0], "topic"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            self.assertEqual(reader.stdout.readline(), b"c\n")
            at = (KAFKA_GROUPS[0], "topic", "0")
            for records in (b"", b"d\ne\n"):
                if records:
                    kcat("-P", "-t", "topic", data=records)
                wait_for("the commit", lambda: self.lags(
                    found := self.scrape_text(server)[1], "messages")[at] == 0 and
                    found["rill_stream_messages"][1].popitem()[1] == 3 + len(records) // 2)
            found = self.read(server)
            self.assertEqual(self.members(found)[KAFKA_GROUPS[0]], ("Stable", 1))
            self.assertEqual(self.lags(found, "seconds")[at], 0)
            self.assertEqual(self.lags(found, "messages")[(KAFKA_GROUPS[1], "topic", "0")], 3)
        finally:
            reader.kill()
            reader.communicate()
        self.assertIn(("rill_door_connections", (("door", "kafka"),)),
                      found["rill_door_connections"][1])

    @unittest.skipUnless(shutil.which("kcat"), "no kcat")
    def test_left_out(self):
        """A group with a long name that has committed for many: so much of it as there may be is
        shown, and who asks and goes before it is made leaves nothing behind."""
        server = self.broker(more="kafka { listen: '127.0.0.1:-1'\n"
                             "group.initial.rebalance.delay.ms: 0 }")
        broker = re.search(r"Kafka's clients on (\S+)\n", server.log())[1]
        client, count = self.client(server), 700
        for i in range(count):
            name = "t%d" % i
            self.asked(client, "$JS.API.STREAM.CREATE." + name, name=name, subjects=[name],
                       storage="memory")
            self.asked(client, name)
        subprocess.run(["kcat", "-b", broker, "-q", "-c", str(count), "-X",
                        "auto.offset.reset=earliest", "-G", "g" * 10000, "^t[0-9]+"], check=True,
                       timeout=BOUND_S, capture_output=True)
        for _ in range(3):
            text, found = self.scrape_text(server)
            self.assertEqual(found["rill_groups_left_out"][1].popitem()[1], 1)
            lags = self.lags(found, "messages")
            self.assertTrue(500 < len(lags) < count, len(lags))
            self.assertEqual(set(lags.values()), {0})
            self.assertLess(len(text), 18 * 1024 * 1024)
            for _ in range(20):
                conn = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=BOUND_S)
                conn.request("GET", "/metrics")
                conn.close()

    def test_while_it_grows(self):
        """Histograms are cumulative, and what is a counter goes up only."""
        server = self.broker()
        client = self.client(server)
        self.asked(client, "$JS.API.STREAM.CREATE.S", name="S", subjects=["s.>"])
        before = None
        for turn in range(1, 4):
            for i in range(200):
                client.say("PUB s.%d 3\r\nabc" % i)
            self.assertTrue(client.ping())
            wait_for("the messages", lambda: self.asked(client, "$JS.API.STREAM.INFO.S")
                     ["state"]["messages"] == 200 * turn)
            found = self.read(server)
            for name, (kind, rows) in found.items():
                for key, value in rows.items() if kind == "counter" else ():
                    self.assertGreaterEqual(value, before[name][1].get(key, 0) if before else 0)
            before = found
        self.assertEqual(before["rill_stream_messages"][1].popitem()[1], 600)


if __name__ == "__main__":
    main(Metrics)
