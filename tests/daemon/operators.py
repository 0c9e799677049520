# SPDX-License-Identifier: Apache-2.0
"""operators.py EXE [TEST...]: operator mode, with JWTs that openssl has signed. Each test does the
same to a nats-server, where RILL_PEER names one, and wants the same of it."""
import json
import os
import signal
import time

from case import Case, main
from mint import Key
from server import wait_for

OPERATOR, SIGNER = Key("O", 1), Key("O", 2)
ACCOUNT, SCOPED, SYSTEM, STRANGER = Key("A", 3), Key("A", 4), Key("A", 5), Key("A", 8)
IMPORTER = Key("A", 9)
USER, OTHER = Key("U", 6), Key("U", 7)
FREE = {"subs": -1, "data": -1, "payload": -1}
LIMITS = {"limits": {"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1,
                     "wildcards": True, "conn": -1, "leaf": -1}}
SCOPE = {"signing_keys": [{"kind": "user_scope", "key": SCOPED.public, "role": "worker",
                           "template": {**FREE, "pub": {"allow": ["work.{{name()}}"]}}}]}
VIOLATION = "-ERR 'Authorization Violation'"


def user(nats=FREE, by=ACCOUNT, of=USER, **claims):
    return by.jwt("user", of, nats, **claims)


def account(nats=None, by=OPERATOR, of=ACCOUNT, **claims):
    return by.jwt("account", of, {**LIMITS, **SCOPE, **(nats or {})}, **claims)


class OperatorCase(Case):
    def conf(self, *accounts, operator=None, more=""):
        operator = operator or OPERATOR.jwt("operator", OPERATOR,
                                            {"system_account": SYSTEM.public,
                                             "signing_keys": [SIGNER.public]})
        self.write("op.jwt", operator + "\n")
        rows = [(SYSTEM, account(of=SYSTEM)), *accounts]
        preload = "".join("  %s: %s\n" % (key.public, text) for key, text in rows)
        return self.write("nats.conf", 'operator: "%s"\nresolver: MEMORY\nresolver_preload {\n'
                          "%s}\n%s" % (self.path("op.jwt"), preload, more))

    def each_server(self, *accounts, path=None, **kwargs):
        """rilld, and then the other one, each with that configuration."""
        path = path or self.conf(*accounts, **kwargs)
        peer = os.environ.get("RILL_PEER")
        for exe in [self.exe] + ([peer] if peer and os.path.exists(peer) else []):
            os.unlink(self.path("nats-server"))
            os.symlink(exe, self.path("nats-server"))
            server = self.serve("-c", path)
            with self.subTest(server=exe):
                yield server
            server.stop()

    def come(self, server, jwt, key=USER, **connect):
        """A client that has shown the JWT, and signed if `key` is not None."""
        client = self.client(server, connect=None)
        if jwt:
            connect["jwt"] = jwt
        if key:
            connect["sig"] = key.sign(client.info["nonce"])
        client.say("CONNECT " + json.dumps({"verbose": False, **connect}))
        return client

    def said(self, server, *args, **kwargs):
        """PONG, or what it says in its place."""
        client = self.come(server, *args, **kwargs)
        client.say("PING")
        return client.read()


class Operators(OperatorCase):
    def test_who_is_let_in(self):
        none = user(alg="none")
        forged = user(by=STRANGER)[:-4] + "AAAA"
        rows = [
            (user(), {}, True), (user(), {"key": None}, False), (user(), {"key": OTHER}, False),
            (None, {}, False), ("eyJ0.eyJ9.AAA", {}, False), (none, {}, False),
            (forged, {}, False), (user(by=STRANGER), {}, False), (user(by=SCOPED), {}, False),
            (user(by=SCOPED, nats={"issuer_account": ACCOUNT.public}, name="ann"), {}, True),
            (user(by=SCOPED, nats={**FREE, "issuer_account": ACCOUNT.public}), {}, False),
            (user({**FREE, "issuer_account": ACCOUNT.public}, by=STRANGER), {}, False),
            (user({**FREE, "bearer_token": True}), {"key": None}, True),
            (user(exp=int(time.time()) + 1000), {}, True), (user(exp=1000), {}, False),
            (user(nbf=int(time.time()) + 1000), {}, False),
            (user({**FREE, "src": ["127.0.0.0/8"]}), {}, True),
            (user({**FREE, "src": ["10.0.0.0/8"]}), {}, False),
            (user({**FREE, "allowed_connection_types": ["STANDARD"]}), {}, True),
            (user({**FREE, "allowed_connection_types": ["WEBSOCKET"]}), {}, False),
            (user(), {"user": "x", "pass": "y", "auth_token": "z"}, True),
            (user(of=OTHER), {"key": OTHER}, False),
            (account(), {}, False), (OPERATOR.jwt("user", USER, FREE), {}, False),
        ]
        for server in self.each_server((ACCOUNT, account({"revocations": {OTHER.public: 1000}}))):
            for i, (jwt, kwargs, good) in enumerate(rows):
                self.assertEqual(self.said(server, jwt, **kwargs), "PONG" if good else VIOLATION,
                                 "row %d" % i)

    def test_what_is_shown_of_them(self):
        """Events and pages say what the JWTs say, and no JWT that lets in whoever has it."""
        names = ("user", "acc", "jwt", "issuer_key", "name_tag", "tags", "kind")
        shown = ("authorized_user", "account", "jwt", "issuer_key", "name_tag", "tags")
        tags = {"tags": ["b:\"x", "a"]}
        rows = [
            (user({**FREE, **tags}, name="ann"), {}),
            (user({**FREE}), {"user": "x"}),
            (user({**FREE}), {"user": "x", "nkey": OTHER.public}),
            (user({**FREE}), {"auth_token": "t"}),
            (user(by=SCOPED, nats={"issuer_account": ACCOUNT.public, **tags}, name="ann"), {}),
            (user({**FREE, "bearer_token": True}), {"key": None}),
            (user(by=STRANGER), {})]
        told = []
        for server in self.each_server((ACCOUNT, account(tags, name="acme")),
                                       (STRANGER, account(of=STRANGER)), more="http: -1\n"):
            asks, said = self.come(server, user(by=SYSTEM)), []
            asks.say("SUB $SYS.ACCOUNT.*.CONNECT 901\r\nSUB $SYS.ACCOUNT.*.DISCONNECT 902")
            self.assertTrue(asks.ping())
            for jwt, kwargs in rows:
                client = self.come(server, jwt, **kwargs)
                self.assertTrue(client.ping())
                said.append(self.event(asks, names))
                page = self.page(asks, "CONNZ", '{"auth":true,"cid":%d}' % client.info["client_id"])
                said.append({k: page["connections"][0].get(k) for k in shown})
                client.close()
                said.append(self.event(asks, names))
                for auth in ("true", "false"):
                    page = self.page(asks, "CONNZ", '{"auth":%s,"state":1,"cid":%d}' % (
                        auth, client.info["client_id"]))
                    said.append({k: page["connections"][0].get(k) for k in shown})
            one = self.page(asks, "ACCOUNTZ", '{"account":"%s"}' % ACCOUNT.public)
            detail = one["account_detail"]
            said.append({k: detail.get(k) for k in ("issuer_key", "name_tag", "tags")})
            told.append(said)
        first = told[0]
        self.assertEqual(first[0]["tags"], tags["tags"])
        self.assertEqual((first[0]["issuer_key"], first[0]["name_tag"]), (ACCOUNT.public, "acme"))
        self.assertEqual([row["user"] for row in first[::5] if "user" in row],
                         [USER.public, "x", OTHER.public] + 4 * [USER.public])
        self.assertEqual(first[20]["issuer_key"], SCOPED.public)
        self.assertEqual([row["jwt"] for row in first[26:30] if "kind" not in row], 3 * [None])
        self.assertEqual(first[-1], {"issuer_key": OPERATOR.public, "name_tag": "acme", **tags})
        for other in told[1:]:
            for i, row in enumerate(other):
                self.assertEqual(first[i], row, i)

    def event(self, asks, names):
        """Of another one: that of who listens may have come behind his subscription."""
        while True:
            while not (line := asks.read()).startswith("MSG $SYS.ACCOUNT."):
                self.assertIsNotNone(line)
            client = json.loads(asks.read_body(line)[3])["client"]
            if client["acc"] != SYSTEM.public:
                return {name: client.get(name) for name in names}

    def page(self, asks, verb, body):
        """Once what is asked for is there: one that goes is among the closed a moment later."""
        subject = "$SYS.REQ.SERVER.%s.%s" % (asks.info["server_id"], verb)
        found = []

        def is_there():
            found[:] = [asks.request(subject, body)["data"]]
            return found[0].get("connections", True)
        wait_for("an answer", is_there)
        return found[0]

    def test_what_they_may(self):
        jwt = user({**FREE, "pub": {"allow": ["a"]}, "subs": 1})
        scoped = user(by=SCOPED, nats={"issuer_account": ACCOUNT.public}, name="ann")
        for server in self.each_server((ACCOUNT, account()), (STRANGER, account(of=STRANGER))):
            client = self.come(server, jwt)
            client.say("SUB a 1\r\nSUB b 2\r\nPUB a 1\r\nx\r\nPUB b 1\r\ny\r\nPING")
            self.assertEqual([client.read() for _ in range(5)], [
                "-ERR 'maximum subscriptions exceeded'", "MSG a 1 1", "x",
                "-ERR 'Permissions Violation for Publish to \"b\"'", "PONG"])
            client = self.come(server, scoped)
            client.say("SUB > 1\r\nPUB work.ann 1\r\nx\r\nPUB work.bob 1\r\nx\r\nPING")
            self.assertEqual([client.read() for _ in range(4)], [
                "MSG work.ann 1 1", "x",
                "-ERR 'Permissions Violation for Publish to \"work.bob\"'", "PONG"])
            other = self.come(server, user(by=STRANGER))
            other.say("SUB > 1\r\nPING")
            self.assertEqual(other.read(), "PONG")
            client.say("PUB work.ann 1\r\nx\r\nPING")
            self.assertTrue(client.read().startswith("MSG work.ann"))
            self.assertTrue(other.ping())  # nothing of that in another account

    def test_a_time_that_is_over(self):
        for server in self.each_server((ACCOUNT, account()),
                                       (STRANGER, account(of=STRANGER, exp=int(time.time()) + 9))):
            for seconds in (2, 4, 8, 16, 32):  # a busy machine may come too late with the first
                until = int(time.time()) + seconds
                client = self.come(server, user(exp=until))
                client.say("PING")
                if (line := client.read()) == "PONG":
                    break
            self.assertEqual(line, "PONG")
            lines = [line for line in client.read_end() if line != "PING"]
            self.assertEqual(lines, ["-ERR 'User Authentication Expired'"])
            self.assertGreaterEqual(time.time(), until - 1)

    def test_an_account_whose_time_is_over(self):
        until = int(time.time()) + 3
        for server in self.each_server((ACCOUNT, account(exp=until))):
            client = self.come(server, user())
            client.say("PING")
            line = client.read()
            if line == VIOLATION:  # a server may come too late to let anybody in
                self.assertGreaterEqual(time.time(), until)
                continue
            self.assertEqual(line, "PONG")
            lines = [line for line in client.read_end() if line != "PING"]
            self.assertEqual(lines, ["-ERR 'Account Authentication Expired'"])

    def test_revoked_by_a_reload(self):
        for server in self.each_server((ACCOUNT, account()), (STRANGER, account(of=STRANGER))):
            stays = self.come(server, user(by=STRANGER))
            goes = self.come(server, user())
            kept = self.come(server, user(of=OTHER), key=OTHER)
            for client in (stays, goes, kept):
                self.assertTrue(client.ping())
            self.conf((ACCOUNT, account({"revocations": {USER.public: 2000}})),
                      (STRANGER, account(of=STRANGER)))
            server.send_signal(signal.SIGHUP)
            lines = [line for line in goes.read_end() if line != "PING"]
            self.assertEqual(lines, ["-ERR 'User Authentication Revoked'"])
            self.assertTrue(stays.ping() and kept.ping())
            self.assertEqual(self.said(server, user()), VIOLATION)
            self.conf((ACCOUNT, account()), (STRANGER, account(of=STRANGER)))

    def test_an_account_that_is_taken_away(self):
        server = self.serve("-c", self.conf((ACCOUNT, account()), (STRANGER, account(of=STRANGER))))
        goes, stays = self.come(server, user(by=STRANGER)), self.come(server, user())
        self.assertTrue(goes.ping() and stays.ping())
        self.conf((ACCOUNT, account()))
        server.send_signal(signal.SIGHUP)
        self.assertEqual(goes.read_end(), [VIOLATION])
        self.assertTrue(stays.ping())

    def test_what_accounts_have_of_one_another(self):
        def activation(of, subject, by=ACCOUNT, **claims):
            return by.jwt("activation", of, {"subject": subject, "kind": "stream"}, **claims)

        def imports(*rows):
            return {"imports": [{"name": "i", "account": ACCOUNT.public, **row} for row in rows]}

        exports = [{"name": "a", "type": "stream", "subject": "pub.>"},
                   {"name": "b", "type": "stream", "subject": "priv.>", "token_req": True},
                   {"name": "c", "type": "service", "subject": "svc.*",
                    "response_type": "Singleton"}]
        exporter = (ACCOUNT, account({"exports": exports}))
        public = {"type": "stream", "subject": "pub.>", "to": "in"}
        private = {"type": "stream", "subject": "priv.>"}
        token = activation(IMPORTER, "priv.>")
        importer = (IMPORTER, account(imports(
            public, {**private, "token": token},
            {"type": "service", "subject": "svc.x", "local_subject": "ask.x"}), of=IMPORTER))
        wrong = [activation(IMPORTER, "priv.>"), activation(STRANGER, "priv.>", by=IMPORTER),
                 activation(STRANGER, "priv.>", exp=2000), activation(STRANGER, "other.>"), None]
        for bad in wrong:  # nats-server takes no account that has one of these
            row = {**private, "token": bad} if bad else private
            bad = (STRANGER, account(imports(row), of=STRANGER))
            server = self.serve("-c", self.conf(exporter, importer, bad))
            self.trade(server)
            server.stop()
        for server in self.each_server(exporter, importer, (STRANGER, account(of=STRANGER))):
            self.trade(server)
        for server in self.each_server(exporter, importer, (STRANGER, account(of=STRANGER))):
            hears = self.come(server, user(by=IMPORTER))
            hears.say("SUB priv.> 1")
            self.assertTrue(hears.ping())
            self.conf((ACCOUNT, account({"exports": [
                exports[0], {**exports[1], "revocations": {IMPORTER.public: 2000}}]})), importer,
                (STRANGER, account(of=STRANGER)))
            server.send_signal(signal.SIGHUP)
            sends = self.come(server, user())

            def is_over():  # what is imported was heard until then
                sends.say("PUB priv.a 1\r\nx\r\nPING")
                self.assertEqual(sends.read(), "PONG")
                hears.say("PING")
                line = hears.read()
                if line == "PONG":
                    return True
                hears.read_body(line)
                self.assertEqual(hears.read(), "PONG")
                return False
            wait_for("the revocation", is_over)
            self.conf(exporter, importer, (STRANGER, account(of=STRANGER)))

    def test_an_activation_that_is_over(self):
        """What is imported by it is heard until then, without a reload."""
        exports = [{"name": "b", "type": "stream", "subject": "priv.>", "token_req": True}]
        for server, until in self.each_with_an_end(exports):
            hears, sends = self.come(server, user(by=IMPORTER)), self.come(server, user())
            hears.say("SUB priv.> 1")
            self.assertTrue(hears.ping())

            def is_heard():
                sends.say("PUB priv.a 1\r\nx\r\nPING")
                while sends.read() != "PONG":
                    pass
                hears.say("PING")
                lines = []
                while not lines or lines[-1] != "PONG":
                    lines.append(hears.read())
                return "MSG priv.a 1 1" in lines
            self.assertTrue(is_heard() or time.time() >= until)
            wait_for("the end", lambda: not is_heard())
            self.assertGreaterEqual(time.time(), until)
            self.assertTrue(self.come(server, user(by=IMPORTER)).ping())

    def each_with_an_end(self, exports):
        peer = os.environ.get("RILL_PEER")
        for exe in [self.exe] + ([peer] if peer and os.path.exists(peer) else []):
            until = int(time.time()) + 4
            token = ACCOUNT.jwt("activation", IMPORTER, {"subject": "priv.>", "kind": "stream"},
                                exp=until)
            imports = {"imports": [{"name": "i", "account": ACCOUNT.public, "type": "stream",
                                    "subject": "priv.>", "token": token}]}
            path = self.conf((ACCOUNT, account({"exports": exports})),
                             (IMPORTER, account(imports, of=IMPORTER)))
            os.unlink(self.path("nats-server"))
            os.symlink(exe, self.path("nats-server"))
            server = self.serve("-c", path)
            with self.subTest(server=exe):
                yield server, until
            server.stop()

    def trade(self, server):
        """The importer hears what is public, and what he has a token for; and is answered."""
        hears, sends = self.come(server, user(by=IMPORTER)), self.come(server, user())
        mute = self.come(server, user(by=STRANGER))
        mute.say("SUB > 1")
        hears.say("SUB in.pub.> 1\r\nSUB priv.> 2\r\nSUB back 3")
        sends.say("SUB svc.* 4")
        for name, client in (("mute", mute), ("hears", hears), ("sends", sends)):
            client.say("PING")
            self.assertEqual(client.read(), "PONG", name)
        sends.say("PUB pub.a 1\r\nx\r\nPUB priv.b 1\r\ny\r\nPING")
        self.assertEqual(sends.read(), "PONG")
        self.assertEqual([hears.read() for _ in range(4)],
                         ["MSG in.pub.a 1 1", "x", "MSG priv.b 2 1", "y"])
        hears.say("PUB ask.x back 1\r\nq")
        line = sends.read()
        self.assertRegex(line, r"^H?MSG svc\.x 4 _R_\.\S+ ")
        sends.read_body(line)
        sends.say("PUB %s 1\r\nz" % line.split()[3])
        self.assertEqual([hears.read() for _ in range(2)], ["MSG back 3 1", "z"])
        self.assertTrue(mute.ping())  # nothing of all that

    def test_streams_by_the_limits_of_the_account(self):
        limits = {"limits": {**LIMITS["limits"], "disk_storage": 1 << 20, "streams": 1}}
        more = 'jetstream { store_dir: "%s" }\n' % self.path("store")
        for server in self.each_server((ACCOUNT, account(limits)),
                                       (STRANGER, account(of=STRANGER)), more=more):
            client = self.come(server, user())
            info = client.request("$JS.API.INFO")
            self.assertEqual((info["limits"]["max_storage"], info["limits"]["max_streams"]),
                             (1 << 20, 1))
            made = client.request("$JS.API.STREAM.CREATE.S",
                                  '{"name":"S","subjects":["s"],"storage":"file"}')
            self.assertEqual(made.get("config", made).get("name"), "S")
            again = client.request("$JS.API.STREAM.CREATE.T",
                                   '{"name":"T","subjects":["t"],"storage":"file"}')
            self.assertEqual(again["error"]["err_code"], 10027)

    def test_a_configuration_that_is_wrong_says_how(self):
        self.conf()
        for text, why in [
                ('operator: "%s"\n' % self.path("op.jwt"), "require an account resolver"),
                ("resolver: MEMORY\n", "needs an operator"),
                ('operator: x.jwt\nresolver: MEMORY\n', "x.jwt"),
                ('operator: "%s"\nresolver: URL("http://x/")\n' % self.path("op.jwt"),
                 "no libcurl"),
                ('operator: "%s"\nresolver { type: full }\n' % self.path("op.jwt"),
                 "dir has no value"),
                ('operator: "%s"\nresolver { type: some, dir: x }\n' % self.path("op.jwt"),
                 'type "some" is none'),
                ('operator: "%s"\nresolver { type: full, dir: x, size: 1 }\n' %
                 self.path("op.jwt"), 'unknown field "size"'),
                ('operator: "%s"\nresolver { type: full, dir: "%s" }\n' %
                 (self.path("op.jwt"), self.path("jwt")), "there is no JWT of " + SYSTEM.public)]:
            self.refuses(self.write("wrong.conf", text), why)
        self.refuses(self.conf((ACCOUNT, account(by=STRANGER))), "account " + ACCOUNT.public)
        self.refuses(self.conf((ACCOUNT, account(alg="none"))), "algorithm")
        self.refuses(self.conf(more="authorization { user: a, password: b }\n"),
                     "operators do not allow users to be configured directly")
        self.refuses(self.conf(more="accounts { A { users: [] } }\n"),
                     "operators do not allow Accounts to be configured directly")

    def refuses(self, path, why):
        done = self.run_once("-c", path, "-t")
        self.assertNotEqual(done.returncode, 0, why)
        self.assertIn(why, done.stdout + done.stderr)


if __name__ == "__main__":
    main(Operators)
