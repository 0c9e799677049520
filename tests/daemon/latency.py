# SPDX-License-Identifier: Apache-2.0
"""latency.py EXE [TEST...]: samples of how long services of accounts take. The same is done to a
nats-server, where RILL_PEER names one, and what both say is compared."""
import json
import time

from case import main
from operators import ACCOUNT, IMPORTER, OperatorCase, account, user

CONF = """accounts {
  B: { users: [ {user: b, password: p} ]
       exports: [ {service: svc, latency: {sampling: 100%%, subject: lat}}
                  {service: dumb, latency: {sampling: 100%%, subject: lat},
                   response_threshold: "500ms"}
                  {service: traced, latency: {sampling: headers, subject: lat}} ] }
  A: { users: [ {user: a, password: p} ]
       imports: [ {service: {account: B, subject: svc}, to: ask%s}
                  {service: {account: B, subject: dumb}%s}
                  {service: {account: B, subject: traced}} ] }
}
"""
TRACED = [
    ("Uber-Trace-Id: 479fefe9525eddb:5adb976bfc1f95c1:479fefe9525eddb:1\r\nUberctx-X: y", True),
    ("Uber-Trace-Id: 479fefe9525eddb:5adb976bfc1f95c1:479fefe9525eddb:2", False),
    ("X-B3-Sampled: 1", True), ("X-B3-Sampled: 0", False),
    ("X-B3-TraceId: 80f198ee56343ba864fe8b2a57d3eff7\r\nX-B3-SpanId: 05", True),
    ("B3: 80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90", True),
    ("B3: 80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-0-05e3ac9a4f6e3b90", False),
    ("B3: 0", False),
    ("Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nTracestate: a=b",
     True),
    ("Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", False),
    ("Other: 1", False)]


class Latency(OperatorCase):
    maxDiff = None

    def each_with(self, text):
        """Each server, with that configuration."""
        before, self.conf = self.conf, lambda: self.write("nats.conf", text)
        try:
            yield from self.each_server()
        finally:
            self.conf = before

    def enter(self, server, name):
        client = self.client(server, connect=json.dumps(
            {"verbose": False, "headers": True, "no_responders": True, "user": name, "pass": "p",
             "name": "of " + name, "lang": "py", "version": "1.0"}))
        self.assertTrue(client.ping())
        return client

    def next_of(self, client):
        """Subject, reply and body of the next message."""
        while True:
            line = client.read()
            if line.startswith(("MSG", "HMSG")):
                subject, reply, _, data = client.read_body(line)
                return subject, reply, data.decode()
            if line == "PING":
                client.say("PONG")

    def sample(self, client):
        """What does not differ from server to server, and from minute to minute."""
        subject, _, text = self.next_of(client)
        self.assertEqual(subject, "lat")
        sample = json.loads(text)
        self.assertEqual(len(sample.pop("id")), 22)
        for name in ("timestamp", "start"):
            self.assertRegex(sample.pop(name), r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d")
        for who in ("requestor", "responder"):
            for name in ("rtt", "start", "id", "server", "host"):
                sample.get(who, {}).pop(name, None)
        if sample["status"] == 200:
            self.assertLessEqual(sample["service"], sample["total"])
            self.assertLess(sample["total"], 60e9)
        for name in ("service", "system", "total"):
            value = sample.pop(name)
            self.assertTrue(value >= 0 and (value == 0 or sample["status"] == 200))
        return sample

    def play(self, server, a, b):
        ear = self.enter(server, "b")
        ear.say("SUB lat 1")
        self.assertTrue(ear.ping())
        said = []
        a.say("PUB ask in 1\r\nx\r\nPING")  # nobody is there
        said.append(self.sample(ear))
        b.say("SUB svc 1\r\nSUB traced 2\r\nSUB dumb 3")
        a.say("SUB in 1")
        self.assertTrue(a.ping() and b.ping())
        a.say("PUB ask 1\r\nx")  # nobody wants an answer
        said += [self.sample(ear), self.next_of(b)[0]]
        a.say("PUB ask in 1\r\nx")
        reply = self.next_of(b)[1]
        time.sleep(0.05)
        b.say("PUB %s 1\r\ny" % reply)
        said += [self.next_of(a)[2], self.sample(ear)]
        a.say("PUB dumb in 1\r\nx")  # and no answer, in two minutes or what is configured
        self.next_of(b)
        said.append(self.sample(ear))
        return said

    def play_traced(self, server, a, b):
        ear = self.enter(server, "b")
        ear.say("SUB lat 1")
        self.assertTrue(ear.ping())
        said = []
        for header, wanted in TRACED:
            head = "NATS/1.0\r\n%s\r\n\r\n" % header
            a.say("HPUB traced in %d %d\r\n%sx" % (len(head), len(head) + 1, head))
            b.say("PUB %s 1\r\ny" % self.next_of(b)[1])
            self.next_of(a)
            if wanted:
                said.append(self.sample(ear))
        ear.say("PING")
        while (line := ear.read()) == "PING":
            pass
        self.assertEqual(line, "PONG")  # and no sample more
        return said

    def compare(self, share):
        said = []
        for server in self.each_with(CONF % (share, share)):
            a, b = self.enter(server, "a"), self.enter(server, "b")
            said.append(self.play(server, a, b) + self.play_traced(server, a, b))
        for other in said[1:]:
            self.assertEqual(said[0], other)
        return said[0]

    def test_of_a_configuration(self):
        said = self.compare("")
        self.assertEqual([row["status"] for row in said if isinstance(row, dict)],
                         [503, 400, 200, 504] + [200] * 5)
        kind = "io.nats.server.metric.v1.service_latency"
        self.assertEqual(said[0], {"type": kind, "status": 503, "requestor": {"acc": "A"},
                                   "description": "Service Unavailable"})
        self.assertEqual(said[4]["responder"], {
            "acc": "B", "user": "b", "name": "of b", "lang": "py", "ver": "1.0", "kind": "Client",
            "client_type": "nats"})

    def test_who_asks_is_shared(self):
        said = self.compare(", share: true")
        self.assertEqual(said[0]["requestor"]["user"], "a")

    def test_of_a_jwt(self):
        exports = [{"name": "a", "type": "service", "subject": "svc",
                    "service_latency": {"sampling": 100, "results": "lat"}}]
        imports = [{"name": "i", "account": ACCOUNT.public, "type": "service", "subject": "svc"}]
        said = []
        for server in self.each_server((ACCOUNT, account({"exports": exports})),
                                       (IMPORTER, account({"imports": imports}, of=IMPORTER))):
            ear, b = self.come(server, user()), self.come(server, user())
            a = self.come(server, user(by=IMPORTER))
            ear.say("SUB lat 1")
            b.say("SUB svc 1")
            a.say("SUB in 1")
            self.assertTrue(ear.ping() and b.ping() and a.ping())
            a.say("PUB svc in 1\r\nx")
            b.say("PUB %s 1\r\ny" % self.next_of(b)[1])
            self.next_of(a)
            sample = self.sample(ear)
            said.append([sample["status"], sample["requestor"], sample["responder"]["acc"]])
        for one in said:
            self.assertEqual(one, [200, {"acc": IMPORTER.public}, ACCOUNT.public])

    def test_a_tenth(self):
        """About as many as it says."""
        text = CONF.replace("100%%", "10%%") % ("", "")
        for server in self.each_with(text):
            a, b = self.enter(server, "a"), self.enter(server, "b")
            b.say("SUB lat 1")
            self.assertTrue(b.ping())
            for _ in range(20):
                a.write("PUB ask 1\r\nx\r\n" * 100)
                self.assertTrue(a.ping())
            b.say("PING")
            n = 0
            while (line := b.read()) != "PONG":
                if line.startswith(("MSG", "HMSG")):
                    b.read_body(line)
                    n += 1
            self.assertTrue(100 < n < 330, n)


if __name__ == "__main__":
    main(Latency)
