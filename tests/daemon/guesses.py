# SPDX-License-Identifier: Apache-2.0
"""guesses.py EXE [TEST...]: a client that guesses passwords, over each door: how many of its logins
are looked at, what the log and the pages say of the others, and that whoever is another user or
comes from another address is let in meanwhile. All of 127.0.0.0/8 is this machine's, so there are
other addresses."""
import base64
import contextlib
import http.client
import json
import re
import socket
import time

from case import BOUND_S, Case, main

HASH = "$2b$04$abcdefghijklmnopqrstuuLZYjhNQAOdpbzt4WxWlUHjv1wsyH5DG"  # of s3cret
VIOLATION = "-ERR 'Authorization Violation'"
LATER = "-ERR 'Authentication Timeout'"  # it is not looked at
TOLD = re.compile(r"\[WRN\] (\S+):\d+ - (\d+) logins of its host refused without a look")
KNOWN = "users: [ { user: ann, password: plain }, { user: ivan, password: '%s' }, " \
    "{ user: eve, password: eve } ]" % HASH


class Guesses(Case):
    def broker(self, more=""):
        server = self.serve("-c", self.write("a.conf", "http: '127.0.0.1:-1'\nauthorization { %s\n"
                                             "%s }\n" % (more, KNOWN)))
        self.monitor = int(re.search(r"Starting http monitor on 127\.0\.0\.1:(\d+)",
                                     server.log())[1])
        return server

    def nats(self, server, user, password, source="127.0.0.1"):
        """What the server says to these: the line behind the CONNECT and a PING."""
        with socket.create_connection(("127.0.0.1", server.port), BOUND_S, (source, 0)) as s, \
                s.makefile("rb") as lines:
            lines.readline()
            s.sendall(b'CONNECT %s\r\nPING\r\n' % json.dumps(
                {"verbose": False, "user": user, "pass": password}).encode())
            with contextlib.suppress(ConnectionResetError):
                return lines.readline().decode().rstrip("\r\n")
        return VIOLATION  # it was not read, since the server closed with input unread

    def http(self, user, password, source="127.0.0.1"):
        page = http.client.HTTPConnection("127.0.0.1", self.monitor, timeout=BOUND_S,
                                          source_address=(source, 0))
        with contextlib.closing(page):
            word = base64.b64encode(("%s:%s" % (user, password)).encode()).decode()
            page.request("GET", "/login", headers={"Authorization": "Basic " + word})
            answer = page.getresponse()
            answer.read()
            return answer.status, answer.getheader("Retry-After")

    def page(self, path):
        page = http.client.HTTPConnection("127.0.0.1", self.monitor, timeout=BOUND_S)
        with contextlib.closing(page):
            page.request("GET", path)
            return page.getresponse().read().decode()

    def counts(self):
        """Failed, and refused, of /varz, as /metrics has them, too."""
        varz, text = json.loads(self.page("/varz")), self.page("/metrics")
        found = [int(re.search(r"^rill_logins_%s_total (\d+)" % word, text, re.M)[1])
                 for word in ("failed", "refused")]
        self.assertEqual([varz["logins_failed"], varz["logins_refused"]], found)
        return found

    def check_counts(self, server, tries, since, users=1):
        """So many were wrong; no more of these were looked at than may be."""
        failed, refused = self.counts()
        self.assertEqual(failed + refused, tries)
        self.assertGreaterEqual(failed, min(tries, 64 * users))
        self.assertLessEqual(failed, users * (64 + 4 * (time.monotonic() - since) + 1))
        log = server.log()
        told = TOLD.findall(log)
        self.assertLessEqual(len(told), users * (1 + (time.monotonic() - since) / 10), told)
        self.assertEqual({host for host, _ in told}, {"127.0.0.1"})
        self.assertLessEqual(sum(int(n) for _, n in told), refused)
        self.assertLessEqual(log.count("authentication error"), failed)

    def test_nats(self):
        server, since = self.broker(), time.monotonic()
        for i in range(300):
            user = ("ann", "ivan", "nobody")[i % 3]  # a password, a hash, nothing
            self.assertIn(self.nats(server, user, "guess%d" % i), (VIOLATION, LATER))
            if i % 50 == 0:
                self.assertEqual(self.nats(server, "ivan", "s3cret", "127.0.0.2"), "PONG")
                self.assertEqual(self.nats(server, "eve", "eve"), "PONG")
        self.check_counts(server, 300, since, 3)

    def test_all_at_once(self):
        """They are there before the first of them is found wrong."""
        server, since = self.broker(), time.monotonic()
        with contextlib.ExitStack() as stack:
            clients = []
            for _ in range(300):
                s = stack.enter_context(socket.create_connection(("127.0.0.1", server.port),
                                                                 BOUND_S))
                lines = stack.enter_context(s.makefile("rb"))
                lines.readline()
                clients.append((s, lines))
            for s, _ in clients:
                s.sendall(b'CONNECT {"verbose":false,"user":"ivan","pass":"x"}\r\n')
            for _, lines in clients:
                self.assertIn(lines.readline().decode().rstrip("\r\n"), (VIOLATION, LATER))
        self.check_counts(server, 300, since)

    def test_http(self):
        server, since = self.broker(), time.monotonic()
        seen = set()
        for i in range(300):
            answer = self.http(("ann", "ivan", "nobody")[i % 3], "guess%d" % i)
            self.assertIn(answer, {(401, None), (429, "1")})
            seen.add(answer[0])
        self.assertEqual(seen, {401, 429})
        self.assertEqual(self.http("ivan", "s3cret", "127.0.0.2")[0], 303)
        self.assertEqual(self.http("eve", "eve")[0], 303)
        self.check_counts(server, 300, since, 3)

    def test_options(self):
        """Fewer, at both doors in one number, and slowly given back; and no limit."""
        server = self.broker("failed_logins: 3, failed_logins_per_second: 1")
        self.assertEqual(self.http("ann", "x")[0], 401)
        self.assertEqual(self.nats(server, "ann", "x"), VIOLATION)
        self.assertEqual(self.nats(server, "ann", "x"), VIOLATION)
        end = time.monotonic() + BOUND_S
        self.assertEqual(self.http("ann", "plain", "127.0.0.9")[0], 303)
        while self.counts()[1] == 0:  # unless it took a second from the first to here
            self.assertIn(self.nats(server, "ann", "x"), (VIOLATION, LATER))
            self.assertLess(time.monotonic(), end)
        while self.nats(server, "ann", "plain") != "PONG":  # it comes back by itself
            self.assertLess(time.monotonic(), end)
        self.assertEqual(self.nats(server, "", ""), VIOLATION)  # who shows nothing guesses nothing
        server.end()
        server = self.broker("failed_logins: -1")
        for i in range(200):
            self.assertEqual(self.nats(server, "ann", "x"), VIOLATION)
        self.assertEqual(self.counts(), [200, 0])
        self.assertEqual(self.nats(server, "ann", "plain"), "PONG")


main(Guesses)
