# SPDX-License-Identifier: Apache-2.0
"""callout.py EXE [TEST...]: a service on the bus decides who comes in. It is this test, which
signs and seals with libsodium. Each test does the same to a nats-server, where RILL_PEER names
one, and wants the same of it."""
import base64
import ctypes
import json
import os
import re
import signal
import time

from case import Case, main
from mint import KINDS, PKCS8, Key, coded, crc16, url64

KINDS.update(N=13 << 3, X=23 << 3)
OPERATOR, SYSTEM = Key("O", 1), Key("A", 5)
ISSUER, OTHER, SCOPED = Key("A", 3), Key("A", 8), Key("A", 4)
SERVICE, SENTINEL, USER = Key("U", 6), Key("U", 7), Key("U", 9)
FREE = {"subs": -1, "data": -1, "payload": -1}
LIMITS = {"limits": {"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1,
                     "wildcards": True, "conn": -1, "leaf": -1}}
VIOLATION = "-ERR 'Authorization Violation'"
TIMEOUT = "-ERR 'Authentication Timeout'"
ASKED = "$SYS.REQ.USER.AUTH"
SODIUM = ctypes.CDLL("libsodium.so.23")


def sign(key, text):
    """As Key.sign(), a hundred times as fast."""
    pair, out = ctypes.create_string_buffer(64), ctypes.create_string_buffer(64)
    SODIUM.crypto_sign_seed_keypair(ctypes.create_string_buffer(32), pair,
                                    key.private[len(PKCS8):])
    SODIUM.crypto_sign_detached(out, None, text.encode(), ctypes.c_ulonglong(len(text)), pair)
    return url64(out.raw)


Key.sign = sign


class Public:
    """A key that has come as text; its bytes."""

    def __init__(self, text):
        raw = base64.b32decode(text + "=" * (-len(text) % 8))
        assert crc16(raw[:-2]).to_bytes(2, "little") == raw[-2:], text
        self.public, self.raw = text, raw[1:-2]


class XKey(Public):
    def __init__(self, byte):
        self.secret, public = bytes([byte]) * 32, ctypes.create_string_buffer(32)
        SODIUM.crypto_scalarmult_base(public, self.secret)
        super().__init__(coded(bytes([KINDS["X"]]) + public.raw))

    def seal(self, to, text):
        nonce, box = os.urandom(24), ctypes.create_string_buffer(len(text) + 16)
        SODIUM.crypto_box_easy(box, text, ctypes.c_ulonglong(len(text)), nonce, to.raw, self.secret)
        return b"xkv1" + nonce + box.raw

    def open(self, by, sealed):
        assert sealed[:4] == b"xkv1"
        box, text = sealed[28:], ctypes.create_string_buffer(len(sealed) - 28 - 16)
        assert SODIUM.crypto_box_open_easy(text, box, ctypes.c_ulonglong(len(box)), sealed[4:28],
                                           by.raw, self.secret) == 0
        return text.raw


def claims_of(jwt):
    """What it claims, once its signature is seen to be its issuer's."""
    signs, signature = jwt.rsplit(".", 1)
    body = signs.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    raw = base64.urlsafe_b64decode(signature + "==")
    assert SODIUM.crypto_sign_verify_detached(raw, signs.encode(), ctypes.c_ulonglong(len(signs)),
                                              Public(claims["iss"]).raw) == 0
    return claims


class Request:
    """What the service is asked, and its answer."""

    def __init__(self, service, line, xkey):
        self.service = service
        _, self.reply, self.headers, data = service.read_body(line)
        self.server_xkey = None
        if self.headers:
            name, self.server_xkey = self.headers.decode().split("\r\n")[1].split(": ")
            assert name == "Nats-Server-Xkey"
            data = xkey.open(Public(self.server_xkey), data)
        self.claims = claims_of(data.decode())
        self.nats = self.claims["nats"]
        self.user = Public(self.nats["user_nkey"])

    def user_jwt(self, nats=FREE, by=ISSUER, of=None, aud="$G", **claims):
        return by.jwt("user", of or self.user, nats, aud=aud, **claims)

    def response(self, jwt=None, by=ISSUER, of=None, aud=None, kind="authorization_response",
                 **nats):
        if jwt:
            nats["jwt"] = jwt
        return by.jwt(kind, of or self.user, nats, aud=aud or self.nats["server_id"]["id"])

    def say(self, data):
        data = data if isinstance(data, bytes) else data.encode()
        self.service.write(b"PUB %s %d\r\n%s\r\n" % (self.reply.encode(), len(data), data))

    def let_in(self, nats=FREE, **kwargs):
        self.say(self.response(self.user_jwt(nats, **kwargs)))


class Callout(Case):
    xkey = None

    def each_server(self, path):
        """rilld, and then the other one, each with that configuration."""
        peer = os.environ.get("RILL_PEER")
        for exe in [self.exe] + ([peer] if peer and os.path.exists(peer) else []):
            os.unlink(self.path("nats-server"))
            os.symlink(exe, self.path("nats-server"))
            server = self.serve("-c", path)
            with self.subTest(server=exe):
                yield server
            server.stop()

    def conf(self, more="", callout="", timeout=20):
        """Users of three accounts; `auth` is the service's, in AUTH."""
        xkey = "xkey: %s\n" % self.xkey.public if self.xkey else ""
        return self.write("nats.conf", """
            accounts {
              AUTH { users: [ {user: auth, password: a}, {user: aide, password: b} ] }
              APP { users: [ {user: bob, password: c} ] }
              OPEN { users: [ {user: eve, password: d} ] }
            }
            authorization { timeout: %d
              auth_callout { issuer: %s, account: AUTH, auth_users: [ auth ]
                %s%s } }
            %s""" % (timeout, ISSUER.public, xkey, callout, more))

    def listen(self, server, **connect):
        """The service."""
        client = self.client(server, connect=None)
        client.say("CONNECT " + json.dumps({"verbose": False, "headers": True, "user": "auth",
                                            "pass": "a", **connect}))
        client.say("SUB %s 1" % ASKED)
        self.assertTrue(client.ping())
        return client

    def asked(self, service):
        line = service.read()
        while line == "PING":
            service.say("PONG")
            line = service.read()
        self.assertRegex(line, r"^H?MSG \$SYS\.REQ\.USER\.AUTH 1 \$SYS\._INBOX\.\S+ ")
        return Request(service, line, self.xkey)

    def come(self, server, **connect):
        client = self.client(server, connect=None)
        client.say("CONNECT " + json.dumps({"verbose": False, **connect}) + "\r\nPING")
        return client

    def test_who_is_let_in_and_as_whom(self):
        for server in self.each_server(self.conf()):
            service = self.listen(server)
            client = self.come(server, user="joe", name="desk", lang="py", version="1.2",
                               **{"pass": "secret"}, protocol=1)
            request = self.asked(service)
            claims, nats = request.claims, request.nats
            self.assertEqual(claims["aud"], "nats-authorization-request")
            self.assertEqual(claims["sub"], ISSUER.public)
            self.assertEqual(claims["iss"], client.info["server_id"])
            self.assertEqual((nats["type"], nats["version"]), ("authorization_request", 2))
            self.assertEqual(nats["server_id"]["id"], client.info["server_id"])
            self.assertEqual(nats["server_id"]["name"], client.info["server_name"])
            self.assertAlmostEqual(claims["exp"], time.time() + 20, delta=5)
            self.assertEqual(nats["client_info"],
                             {"host": "127.0.0.1", "id": client.info["client_id"], "user": "joe",
                              "name": "desk", "kind": "Client", "type": "nats"})
            self.assertEqual(nats["connect_opts"],
                             {"user": "joe", "pass": "secret", "name": "desk", "lang": "py",
                              "version": "1.2", "protocol": 1})
            self.assertTrue(request.user.public.startswith("U"))
            request.let_in({**FREE, "pub": {"allow": ["a"]}, "sub": {"allow": ["a"]}}, aud="APP",
                           name="joseph")
            self.assertEqual(client.read(), "PONG")
            bob = self.client(server, connect='{"verbose":false,"user":"bob","pass":"c"}')
            self.asked(service).let_in(aud="APP")
            bob.say("SUB > 1")
            self.assertTrue(bob.ping())
            client.say("SUB b 2\r\nPUB b 1\r\nx\r\nPUB a 1\r\ny\r\nPING")
            while (line := client.read()).startswith("INFO"):
                pass
            self.assertEqual([line] + [client.read() for _ in range(2)], [
                "-ERR 'Permissions Violation for Subscription to \"b\"'",
                "-ERR 'Permissions Violation for Publish to \"b\"'", "PONG"])
            self.assertEqual([bob.read(), bob.read()], ["MSG a 1 1", "y"])
            self.assertTrue(service.ping())  # nothing of that in another account

    def test_what_he_has_shown(self):
        shown = [{"auth_token": "t"}, {"nkey": USER.public}, {}]
        for server in self.each_server(self.conf()):
            service = self.listen(server)
            for row in shown:
                client = self.client(server, connect=None)
                if "nkey" in row and "nonce" in client.info:
                    row = {**row, "sig": USER.sign(client.info["nonce"])}
                client.say("CONNECT " + json.dumps({"verbose": False, **row}) + "\r\nPING")
                request = self.asked(service)
                for name, value in row.items():
                    self.assertEqual(request.nats["connect_opts"][name], value)
                if "sig" in row:
                    self.assertEqual(request.nats["client_info"]["nonce"], client.info["nonce"])
                request.let_in()
                self.assertEqual(client.read(), "PONG")

    def test_who_is_refused(self):
        late = int(time.time()) + 1000

        def rows(request, last):
            own = request.user_jwt()
            yield "an error", request.response(error="go away")
            yield "no reason", b""
            yield "no JWT", b"yes"
            yield "both", request.response(own, error="no")
            yield "neither", request.response()
            yield "a user of another issuer", request.response(request.user_jwt(by=OTHER))
            yield "another user's JWT", request.response(request.user_jwt(of=USER))
            yield "an answer about another", request.response(own, of=USER)
            yield "an answer to another", request.response(own, aud=Key("N", 1).public)
            yield "another kind", request.response(own, kind="activation")
            yield "a user, and no answer", own
            yield "no such account", request.response(request.user_jwt(aud="NONE"))
            yield "no account", request.response(request.user_jwt(aud=""))
            yield "forged", request.response(request.user_jwt()[:-4] + "AAAA")
            yield "signed by nobody", request.response(own)[:-4] + "AAAA"
            yield "expired", request.response(request.user_jwt(exp=1000))
            yield "not yet", request.response(request.user_jwt(nbf=late))
            yield "by another way", request.response(
                request.user_jwt({**FREE, "allowed_connection_types": ["WEBSOCKET"]}))
            yield "from elsewhere", request.response(
                request.user_jwt({**FREE, "src": ["10.0.0.0/8"]}))
            yield "of an account", request.response(
                request.user_jwt({**FREE, "issuer_account": OTHER.public}))
            yield "said before", last

        for server in self.each_server(self.conf()):
            service = self.listen(server)
            client = self.come(server, user="joe")
            request = self.asked(service)
            last = request.response(request.user_jwt())
            request.say(last)
            self.assertEqual(client.read(), "PONG")
            n = len(list(rows(request, last)))
            for i in range(n):
                client = self.come(server, user="joe")
                request = self.asked(service)
                why, text = list(rows(request, last))[i]
                request.say(text)
                with self.subTest(why):
                    self.assertEqual(client.read(), VIOLATION)
                    self.assertIsNone(client.read())
            self.assertTrue(service.ping())

    def test_no_answer_and_one_that_is_late(self):
        for server in self.each_server(self.conf(timeout=3)):
            service = self.listen(server)
            client = self.come(server, user="joe")
            request = self.asked(service)
            self.assertIn(client.read(), (TIMEOUT, VIOLATION))
            self.assertIsNone(client.read())
            request.let_in()  # nobody waits for it
            self.assertTrue(service.ping())
            gone = self.come(server, user="gone")
            request = self.asked(service)
            gone.close()
            request.let_in()
            self.assertTrue(service.ping())

    def test_of_two_answers_the_first_counts(self):
        for server in self.each_server(self.conf()):
            service = self.listen(server)
            client = self.come(server, user="joe")
            request = self.asked(service)
            request.let_in()
            request.say(request.response(error="no"))
            self.assertEqual(client.read(), "PONG")
            self.assertTrue(client.ping())

    def test_nobody_answers(self):
        for server in self.each_server(self.conf(timeout=3)):
            client = self.come(server, user="joe")
            self.assertIn(client.read(), (TIMEOUT, VIOLATION))
            self.assertIsNone(client.read())

    def test_sealed(self):
        self.xkey = XKey(1)
        other = XKey(2)
        for server in self.each_server(self.conf()):
            service = self.listen(server)
            for i, good in enumerate((True, True, False, False)):
                client = self.come(server, user="joe")
                request = self.asked(service)
                self.assertEqual(request.nats["server_id"]["xkey"], request.server_xkey)
                answer = request.response(request.user_jwt()).encode()
                to = Public(request.server_xkey)
                request.say([self.xkey.seal(to, answer), answer, other.seal(to, answer),
                             self.xkey.seal(to, answer)[:-1]][i])
                self.assertEqual(client.read(), "PONG" if good else VIOLATION, i)

    def test_whose_users_are_asked_about(self):
        for server in self.each_server(self.conf(callout="allowed_accounts: [ APP ]")):
            service = self.listen(server)
            eve = self.come(server, user="eve", **{"pass": "d"})
            self.assertEqual(eve.read(), "PONG")  # as the file says
            bob = self.come(server, user="bob", **{"pass": "c"})
            self.asked(service).say(b"")
            self.assertEqual(bob.read(), VIOLATION)
            wrong = self.come(server, user="auth", **{"pass": "wrong"})
            self.assertEqual(wrong.read(), VIOLATION)
            self.assertTrue(service.ping())

    def test_nobody_else_asks_or_hears(self):
        for server in self.each_server(self.conf()):
            service = self.listen(server)
            spy = self.come(server, user="spy")
            self.asked(service).let_in(aud="AUTH")
            self.assertEqual(spy.read(), "PONG")
            for what in (ASKED, "$SYS._INBOX.>"):
                spy.say("SUB %s 1" % what)
                self.assertEqual(spy.read(), "-ERR 'Permissions Violation for Subscription to "
                                 "\"%s\"'" % what)
            for client in (spy, service):
                client.say("PUB %s 1\r\nx" % ASKED)
                self.assertEqual(client.read(), "-ERR 'Permissions Violation for Publish to \"%s\"'"
                                 % ASKED)
            spy.say("SUB > 2")
            self.assertTrue(spy.ping())
            joe = self.come(server, user="joe")
            self.asked(service).let_in()
            self.assertEqual(joe.read(), "PONG")
            self.assertTrue(spy.ping())  # and nothing before that

    def guarded_conf(self, what="$SYS.REQ.USER.*", star=".*"):
        """The service's account has streams, and exports all; IMP imports all."""
        return self.write("nats.conf", """
            jetstream { store_dir: "%s" }
            accounts {
              AUTH { jetstream: enabled, users: [ {user: auth, password: a} ],
                     exports: [ {stream: ">"}, {service: ">"} ] }
              IMP { imports: [
                     {stream: {account: AUTH, subject: ">"}, prefix: from},
                     {service: {account: AUTH, subject: "%s"}, to: "ask%s"} ] }
            }
            authorization { timeout: 20, auth_callout { issuer: %s, account: AUTH,
              auth_users: [ auth ] } }""" % (self.path("js"), what, star, ISSUER.public))

    def inside(self, server, service, aud):
        """One whom the service has let into that account."""
        client = self.come(server, user="of " + aud, headers=True)
        self.asked(service).let_in(aud=aud)
        self.assertEqual(client.read(), "PONG")
        client.say("SUB mine 9")
        return client

    def api(self, client, subject, reply="mine", **request):
        body = json.dumps(request)
        client.say("PUB $JS.API.%s %s %d\r\n%s" % (subject, reply, len(body), body))
        return json.loads(self.heard(client)) if reply == "mine" else None

    def heard(self, client, subject="mine"):
        """The next message, which has to be of that subject."""
        line = self.next_line(client)
        self.assertRegex(line, r"^H?MSG %s " % re.escape(subject))
        return client.read_body(line)[3]

    def hears_nothing(self, client):
        client.say("PING")
        self.assertEqual(self.next_line(client), "PONG")

    @staticmethod
    def next_line(client):
        while (line := client.read()) == "PING" or line.startswith("INFO"):
            if line == "PING":
                client.say("PONG")
        return line

    def test_what_is_asked_is_stored_and_imported_by_nobody(self):
        """Passwords are in it. Of rilld alone, as is the next one."""
        server = self.serve("-c", self.guarded_conf())
        service = self.listen(server)
        spy, far = self.inside(server, service, "AUTH"), self.inside(server, service, "IMP")
        made = self.api(spy, "STREAM.CREATE.S", name="S", subjects=["$SYS.REQ.>", "$SYS._INBOX.>"],
                        no_ack=True, republish={"src": ">", "dest": "leak.>"})
        self.assertNotIn("error", made)
        spy.say("SUB leak.> 1")
        far.say("SUB > 1\r\nSUB from.> 2\r\nSUB from.> q 3")
        self.hears_nothing(spy)
        self.hears_nothing(far)
        joe = self.come(server, user="joe", **{"pass": "secret"})
        request = self.asked(service)
        request.let_in()
        self.assertEqual(joe.read(), "PONG")
        self.hears_nothing(far)
        self.assertEqual(self.api(spy, "STREAM.INFO.S")["state"]["messages"], 0)
        self.assertEqual(request.nats["connect_opts"]["pass"], "secret")

    def test_an_import_of_what_is_asked_is_refused(self):
        done = self.run_once("-t", "-c", self.guarded_conf(ASKED, ""))
        self.assertIn("between the server and its callout's service", done.stderr)
        self.assertEqual(done.returncode, 1)

    def test_nobody_asks_by_others(self):
        """By a stream, a consumer, the API, or an import."""
        server = self.serve("-c", self.guarded_conf())
        service = self.listen(server)
        low, far = self.inside(server, service, "AUTH"), self.inside(server, service, "IMP")
        made = self.api(low, "STREAM.CREATE.N", name="N", subjects=["n"],
                        republish={"src": "n", "dest": ASKED})
        self.assertIn(ASKED, made["error"]["description"])
        made = self.api(low, "STREAM.CREATE.F", name="F", subjects=["f.>"],
                        republish={"src": "f.>", "dest": "$SYS.>"})
        self.assertNotIn("error", made)
        low.say("SUB $SYS.LAST 1\r\nPUB f.REQ.USER.AUTH 5\r\nFORGE\r\nPUB f.LAST 1\r\nx")
        self.heard(low, "$SYS.LAST")
        made = self.api(low, "CONSUMER.CREATE.F.c", stream_name="F", config={
            "name": "c", "deliver_subject": ASKED, "ack_policy": "none"})
        self.assertEqual(made["error"]["err_code"], 10112)
        self.api(low, "STREAM.INFO.F", reply=ASKED)
        far.say("PUB ask.AUTH 5\r\nFORGE")
        self.hears_nothing(far)
        self.assertIn("state", self.api(low, "STREAM.INFO.F"))
        self.hears_nothing(service)
        joe = self.come(server, user="joe")
        self.asked(service).let_in()
        self.assertEqual(joe.read(), "PONG")

    def test_a_time_that_is_over(self):
        for server in self.each_server(self.conf()):
            service = self.listen(server)
            for seconds in (2, 4, 8, 16, 32):  # a busy machine may come too late with the first
                until = int(time.time()) + seconds
                client = self.come(server, user="joe")
                self.asked(service).let_in(exp=until)
                if (line := client.read()) == "PONG":
                    break
            self.assertEqual(line, "PONG")
            lines = [line for line in client.read_end() if line != "PING"]
            self.assertEqual(lines, ["-ERR 'User Authentication Expired'"])
            self.assertGreaterEqual(time.time(), until - 1)

    def test_a_reload_asks_anew(self):
        """Of rilld alone: the other one closes them."""
        self.conf()
        server = self.serve("-c", self.path("nats.conf"))
        service = self.listen(server)
        clients = [self.come(server, user=name) for name in ("stays", "goes", "silent")]
        for client in clients:
            self.asked(service).let_in()
            self.assertEqual(client.read(), "PONG")
        server.send_signal(signal.SIGHUP)  # nothing is another now
        server.logged("Reloaded server configuration")
        self.assertTrue(all(client.ping() for client in clients))
        self.conf(callout="allowed_accounts: [ APP ]", timeout=5)
        server.send_signal(signal.SIGHUP)
        for _ in clients:
            request = self.asked(service)
            name = request.nats["connect_opts"]["user"]
            if name == "stays":
                request.let_in()
            elif name == "goes":
                request.say(request.response(error="no"))
        for client in clients[1:]:
            self.assertEqual([line for line in client.read_end() if line != "PING"], [VIOLATION])
        self.assertTrue(clients[0].ping())

    # ---- Operator mode ----

    def operators(self, nats, *others, more="", trade=None):
        """ISSUER's account has a callout; SERVICE is exempt, SENTINEL is a bearer."""
        self.write("op.jwt", OPERATOR.jwt("operator", OPERATOR, {"system_account": SYSTEM.public}))
        rows = [(SYSTEM, {}), (ISSUER, {"authorization": nats, **(trade or {})}),
                *((key, {}) if isinstance(key, Key) else key for key in others)]
        preload = "".join("  %s: %s\n" % (key.public,
                                          OPERATOR.jwt("account", key, {**LIMITS, **claims}))
                          for key, claims in rows)
        return self.write("nats.conf", 'operator: "%s"\nresolver: MEMORY\nresolver_preload {\n%s}\n'
                          "%s" % (self.path("op.jwt"), preload, more))

    @staticmethod
    def bearer():
        return ISSUER.jwt("user", SENTINEL, {**FREE, "bearer_token": True,
                                             "pub": {"deny": [">"]}, "sub": {"deny": [">"]}})

    def sentinel(self, server, **connect):
        return self.come(server, jwt=self.bearer(), **connect)

    def operated(self, server):
        client = self.client(server, connect=None)
        client.say("CONNECT " + json.dumps({
            "verbose": False, "headers": True, "jwt": ISSUER.jwt("user", SERVICE, FREE),
            "sig": SERVICE.sign(client.info["nonce"])}))
        client.say("SUB %s 1" % ASKED)
        self.assertTrue(client.ping())
        return client

    def test_in_operator_mode(self):
        self.xkey = XKey(1)
        path = self.operators({"auth_users": [SERVICE.public], "xkey": self.xkey.public,
                               "allowed_accounts": [OTHER.public]}, OTHER, SCOPED)
        for server in self.each_server(path):
            service = self.operated(server)
            client = self.sentinel(server, user="joe", **{"pass": "p"})
            request = self.asked(service)
            self.assertEqual(request.claims["sub"], ISSUER.public)
            self.assertEqual(request.nats["connect_opts"]["user"], "joe")
            self.assertIn("jwt", request.nats["connect_opts"])
            request.let_in(aud="")
            self.assertEqual(client.read(), "PONG")
            client.say("SUB a 1\r\nPUB a 1\r\nx\r\nPING")
            self.assertEqual([client.read() for _ in range(3)], ["MSG a 1 1", "x", "PONG"])
            for by, good in ((OTHER, True), (SCOPED, False), (Key("A", 11), False)):
                client = self.sentinel(server)
                self.asked(service).let_in(by=by, aud="")
                self.assertEqual(client.read(), "PONG" if good else VIOLATION)
            client = self.sentinel(server)
            request = self.asked(service)
            answer = request.response(request.user_jwt(aud=""), by=OTHER)
            request.say(answer)  # in the clear it has to be the account's own
            self.assertEqual(client.read(), VIOLATION)
            client = self.sentinel(server)
            request = self.asked(service)
            answer = request.response(request.user_jwt(aud=""), by=OTHER).encode()
            request.say(self.xkey.seal(Public(request.server_xkey), answer))
            self.assertEqual(client.read(), "PONG")
            self.assertEqual(self.come(server, user="nobody").read(), VIOLATION)

    def test_nobody_imports_it_in_operator_mode(self):
        """Of rilld alone."""
        def trade(kind, rows):
            return {kind: [{"name": "t", "subject": "$SYS.REQ.USER.*", **row} for row in rows]}
        imports = [{"type": "stream", "to": "from"},
                   {"type": "service", "local_subject": "ask.*"}]
        path = self.operators(
            {"auth_users": [SERVICE.public], "allowed_accounts": [OTHER.public]},
            (OTHER, trade("imports", [{"account": ISSUER.public, **row} for row in imports])),
            trade=trade("exports", [{"type": "stream"}, {"type": "service"}]))
        server = self.serve("-c", path)
        service = self.operated(server)
        far = self.sentinel(server)
        self.asked(service).let_in(by=OTHER, aud="")
        self.assertEqual(far.read(), "PONG")
        far.say("SUB > 1\r\nPUB ask.AUTH 5\r\nFORGE\r\nPUB ask.B 1\r\nx")
        self.assertEqual(self.heard(far, "ask.AUTH"), b"FORGE")
        self.assertEqual(self.heard(far, "ask.B"), b"x")
        self.assertEqual(self.heard(far, "from.$SYS.REQ.USER.B"), b"x")
        joe = self.sentinel(server, user="joe")
        self.asked(service).let_in(aud="")
        self.assertEqual(joe.read(), "PONG")
        self.hears_nothing(far)

    def test_who_shows_no_jwt(self):
        rules = {"auth_users": [SERVICE.public]}
        path = self.operators(rules, more="default_sentinel: %s\n" % self.bearer())
        for server in self.each_server(path):
            service = self.operated(server)
            for shown in ({}, {"jwt": "eyJ.eyJ.x"}):
                client = self.come(server, user="joe", **shown)
                request = self.asked(service)
                self.assertEqual(request.nats["connect_opts"]["user"], "joe")
                if not shown:
                    self.assertEqual(request.nats["connect_opts"]["jwt"], self.bearer())
                request.let_in(aud="")
                self.assertEqual(client.read(), "PONG")
            client = self.come(server, user="eve")
            self.asked(service).say(b"")
            self.assertEqual(client.read(), VIOLATION)
        signer = ISSUER.jwt("user", SENTINEL, FREE)
        for text, why in ((signer, "must be a bearer"), ("eyJ", "sentinel JWT not valid")):
            done = self.run_once("-c", self.operators(rules, more="default_sentinel: %s\n" % text),
                                 "-t")
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(why, done.stdout + done.stderr)

    # ---- What cannot be ----

    def test_a_configuration_that_is_wrong_says_how(self):
        rows = [
            ("issuer: UABC, auth_users: [ auth ]", "valid public account nkey"),
            ("issuer: %s" % ISSUER.public, "require authorized users"),
            ("auth_users: [ auth ]", "require an issuer"),
            ("issuer: %s, auth_users: [ nobody ]" % ISSUER.public, "user \"nobody\" not valid"),
            ("issuer: %s, auth_users: auth" % ISSUER.public, "to be an array"),
            ("issuer: %s, auth_users: [ auth ], xkey: XA" % ISSUER.public, "valid public xkey"),
            ("issuer: %s, auth_users: [ auth ], account: NONE" % ISSUER.public, "\"NONE\""),
            ("issuer: %s, auth_users: [ auth ], allowed_accounts: [ NONE ]" % ISSUER.public,
             "allowed account \"NONE\""),
            ("issuer: %s, auth_users: [ auth ], isuer: x" % ISSUER.public, "Unknown field"),
        ]
        for text, why in rows:
            path = self.write("wrong.conf", "authorization { users: [ {user: auth, password: a} ]\n"
                              "auth_callout { %s } }\n" % text)
            done = self.run_once("-c", path, "-t")
            with self.subTest(text):
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(why, done.stdout + done.stderr)


main(Callout)
