# SPDX-License-Identifier: Apache-2.0
"""http_bearer.py EXE [TEST...]: who logs in over HTTP in operator mode, where JWTs say who somebody
is: bearers, who sign nothing, with the rights and the end that their JWTs have."""
import base64
import http.client
import json
import signal
import time

from case import BOUND_S, free_port, main, wait_for
from operators import (ACCOUNT, FREE, OPERATOR, OTHER, SCOPED, STRANGER, USER, OperatorCase,
                       account, user)

BEARER = {**FREE, "bearer_token": True}


def basic(name, password):
    return "Basic " + base64.b64encode(("%s:%s" % (name, password)).encode()).decode()


class Bearers(OperatorCase):
    def watched(self, path):
        port = free_port()
        server = self.serve("-c", path, "-m", str(port))
        server.monitor = port
        return server

    def ask(self, server, path, login):
        page = http.client.HTTPConnection("127.0.0.1", server.monitor, timeout=BOUND_S)
        self.stack.callback(page.close)
        page.request("GET", path, headers={"Authorization": login} if login else {})
        return page.getresponse()

    def who(self, server, login):
        """His key, if he is let in."""
        answer = json.load(self.ask(server, "/who", login))
        self.assertEqual("user" in answer, answer["login"])
        if answer["login"]:
            self.assertEqual(answer["account"], ACCOUNT.public)
        return answer.get("user")

    def read_until(self, answer, text):
        """Lines of the events, up to one that has this."""
        lines = []
        while text not in "".join(lines[-1:]):
            line = answer.fp.readline().decode() if answer.fp else ""
            self.assertTrue(line, lines)
            lines.append(line)
        return lines

    def follow(self, server, subject, jwt):
        """The answer, whose events may be read; its status says whether there are any."""
        return self.ask(server, "/follow?subject=" + subject, "Bearer " + jwt)

    def test_who_is_let_in(self):
        now = int(time.time())
        bearer = user(BEARER)
        rows = [
            ("Bearer " + bearer, True), ("bearer " + bearer, True), (basic("", bearer), True),
            (basic("any", bearer), True), (None, False), ("Bearer", False), ("Bearer x", False),
            (basic(bearer, ""), False), (basic("ann", "pw"), False),
            ("Bearer " + user(), False),  # he would have to sign
            ("Bearer " + user(BEARER, exp=now + 1000), True),
            ("Bearer " + user(BEARER, exp=1000), False),
            ("Bearer " + user(BEARER, nbf=now + 1000), False),
            ("Bearer " + user(BEARER, alg="none"), False),
            ("Bearer " + user(BEARER, by=STRANGER), False),
            ("Bearer " + user(BEARER, by=OPERATOR), False),
            ("Bearer " + bearer[:-4] + "AAAA", False),
            ("Bearer " + user({**BEARER, "issuer_account": ACCOUNT.public}, by=SCOPED), False),
            ("Bearer " + user({**BEARER, "src": ["127.0.0.0/8"]}), True),
            ("Bearer " + user({**BEARER, "src": ["10.0.0.0/8"]}), False),
            ("Bearer " + user({**BEARER, "allowed_connection_types": ["STANDARD"]}), False),
            ("Bearer " + user({**BEARER, "allowed_connection_types": ["HTTP"]}), True),
            ("Bearer " + account(), False),
        ]
        gone = "Bearer " + user(BEARER, of=OTHER)
        server = self.watched(self.conf((ACCOUNT, account({"revocations": {OTHER.public: 1000}}))))
        for i, (login, good) in enumerate(rows):
            self.assertEqual(self.who(server, login), USER.public if good else None, "row %d" % i)
        self.assertIsNone(self.who(server, gone))
        self.assertIn("refused: Signature missing", server.log())
        self.assertNotIn(bearer.split(".")[2], server.log())
        self.assertEqual(self.ask(server, "/follow?subject=a", None).status, 401)
        self.assertEqual(self.ask(server, "/healthz", gone).status, 200)

    def test_an_account_without_bearers(self):
        for more in ({"limits": {"subs": -1, "conn": -1, "disallow_bearer": True}},
                     {"authorization": {"auth_users": [OTHER.public]}}):
            server = self.watched(self.conf((ACCOUNT, account(more))))
            self.assertIsNone(self.who(server, "Bearer " + user(BEARER)))
            self.assertEqual(server.end(), 0)

    def test_what_they_read(self):
        """What their JWTs let them, of their account, and from each request's own JWT."""
        server = self.watched(self.conf((ACCOUNT, account()), (STRANGER, account(of=STRANGER))))
        jwt = user({**BEARER, "sub": {"allow": ["open.>"]}})
        self.assertEqual(self.follow(server, "shut", jwt).status, 403)
        events = self.follow(server, "open.%3E", jwt)
        self.assertEqual(events.status, 200)
        self.read_until(events, "retry")
        other, own = self.come(server, user(by=STRANGER)), self.come(server, user())
        for client in (other, own):
            client.say("PUB open.%s 1\r\nx" % ("b" if client is other else "a"))
            self.assertTrue(client.ping())
        own.say("PUB open.end 0\r\n")
        lines = "".join(self.read_until(events, "open.end"))
        self.assertIn('"subject": "open.a"', lines)
        self.assertNotIn("open.b", lines)
        page = http.client.HTTPConnection("127.0.0.1", server.monitor, timeout=BOUND_S)
        self.stack.callback(page.close)
        for login, right in ((user(BEARER), True), (user(BEARER, of=OTHER), True)):
            page.request("GET", "/who", headers={"Authorization": "Bearer " + login})
            answer = json.load(page.getresponse())
            self.assertEqual((answer["login"], answer["user"]),
                             (right, (USER if login == user(BEARER) else OTHER).public))

    def test_a_time_that_is_over(self):
        server = self.watched(self.conf((ACCOUNT, account())))
        for seconds in (2, 4, 8, 16, 32):  # a busy machine may come too late with the first
            until = int(time.time()) + seconds
            jwt = user(BEARER, exp=until)
            events = self.follow(server, "a", jwt)
            if events.status == 200:
                break
        self.read_until(events, "retry")
        sends = self.come(server, user())

        def is_over():
            sends.say("PUB a 1\r\nx")
            self.assertTrue(sends.ping())
            return time.time() > until
        wait_for("the end of his time", is_over)
        is_over()
        self.read_until(events, "the time of that user is over")
        self.assertIsNone(self.who(server, "Bearer " + jwt))

    def test_a_reload_that_revokes(self):
        path = self.conf((ACCOUNT, account()))
        server = self.watched(path)
        jwt = user(BEARER)
        events = self.follow(server, "a", jwt)
        self.read_until(events, "retry")
        self.conf((ACCOUNT, account({"revocations": {USER.public: 2000}})))
        server.send_signal(signal.SIGHUP)
        server.logged("Reloaded server configuration")
        while events.fp and events.fp.readline():
            pass  # up to the end
        self.assertIsNone(self.who(server, "Bearer " + jwt))
        self.assertEqual(server.end(), 0)


if __name__ == "__main__":
    main(Bearers)
