# SPDX-License-Identifier: Apache-2.0
"""resolver.py EXE [TEST...]: JWTs of accounts that come and go while the daemon runs. The same is
asked of a nats-server, where RILL_PEER names one, and the answers are compared."""
import contextlib
import hashlib
import json
import os
import shutil
import signal
import time

from case import main
from operators import (ACCOUNT, IMPORTER, LIMITS, OPERATOR, OTHER, SIGNER, STRANGER, SYSTEM, USER,
                       VIOLATION, OperatorCase, account, user)
from mint import Key
from server import wait_for

UPDATE, LIST, PACK, DELETE = ("$SYS.REQ.CLAIMS." + what
                              for what in ("UPDATE", "LIST", "PACK", "DELETE"))


def lookup(key):
    return "$SYS.REQ.ACCOUNT.%s.CLAIMS.LOOKUP" % key


def updates(key):
    return ["$SYS.REQ.ACCOUNT.%s.CLAIMS.UPDATE" % key, "$SYS.ACCOUNT.%s.CLAIMS.UPDATE" % key]


def deletion(*keys, by=OPERATOR, of=OPERATOR):
    return by.jwt("generic", of, {"accounts": list(keys)})


class Resolver(OperatorCase):
    maxDiff = None

    def conf(self, *accounts, resolver="type: full, allow_delete: true", operator=None, more=""):
        path = super().conf(*accounts, operator=operator, more=more)
        with open(path) as file:
            text = file.read()
        if resolver != "MEMORY":
            text = text.replace("resolver: MEMORY", 'resolver { %s, dir: "%s" }' %
                                (resolver, self.path("jwt")))
        return self.write("nats.conf", text)

    def each_server(self, *accounts, **kwargs):
        for server in super().each_server(*accounts, **kwargs):
            yield server
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(self.path("jwt"))

    def raw(self, client, subject, body, wait=True):
        """The first answer, as text; None if there is none for some PINGs."""
        client.asked += 1
        client.say("SUB answer.%d %d\r\nPUB %s answer.%d %d\r\n%s\r\nPING" %
                   (client.asked, client.asked, subject, client.asked, len(body), body))
        pongs = 0
        while True:
            line = client.read()
            if line == "PING":
                client.say("PONG")
            elif line == "PONG":
                pongs += 1
                if pongs == (1000 if wait else 20):
                    return None
                client.say("PING")
                time.sleep(0.01)
            elif line and line.startswith(("MSG answer.", "HMSG answer.")):
                client.say("UNSUB %d" % client.asked)
                text = client.read_body(line)[3].decode()
                while client.read() != "PONG":  # the one that is still due
                    pass
                return text
            elif line is None or line.startswith("-ERR"):
                return line

    def ask(self, client, subject, body=""):
        """What does not differ from server to server and from minute to minute."""
        text = self.raw(client, subject, body)
        if text is None:
            return None
        answer = json.loads(text)
        self.assertTrue({"name", "id", "ver", "seq", "time"} <= set(answer.pop("server")))
        for part in answer.values():
            if isinstance(part, list):
                part.sort()
            else:
                self.assertEqual(bool(part.pop("description", "")), "error" in answer)
        return answer

    def files(self):
        return sorted(os.listdir(self.path("jwt")))

    def said_to_each(self, play, *accounts, **kwargs):
        """What `play` gives is the same for each server."""
        said = [play(server) for server in self.each_server(*accounts, **kwargs)]
        for other in said[1:]:
            self.assertEqual(said[0], other)
        return said[0]

    def test_requests_and_answers(self):
        first, later = account(), account({"revocations": {USER.public: 2000}}, iat=2000)
        wrong = [("none", "x.y.z"), ("of a stranger's", first[:-4] + "AAAA"), ("a user's", user()),
                 ("empty", "")]

        def play(server):
            asks = self.come(server, user(by=SYSTEM))
            said = [self.ask(asks, LIST)]
            said += [self.ask(asks, UPDATE, first), self.raw(asks, lookup(ACCOUNT.public), "")]
            self.assertEqual(said[-1], first)
            said += [self.ask(asks, subject, later) for subject in updates(ACCOUNT.public)]
            said += [self.ask(asks, subject, later) for subject in updates(STRANGER.public)]
            self.assertEqual(self.raw(asks, lookup(ACCOUNT.public), ""), later)
            said += [self.raw(asks, lookup(STRANGER.public), "") or ""]  # some are silent
            said += [self.ask(asks, UPDATE, text) for _, text in wrong]
            said += [self.ask(asks, LIST), self.files()]
            said += [self.ask(asks, DELETE, text) for text in (
                deletion(ACCOUNT.public, by=STRANGER, of=STRANGER),
                deletion(ACCOUNT.public, of=STRANGER), deletion(SYSTEM.public),
                deletion(USER.public), deletion("../x"), OPERATOR.jwt("generic", OPERATOR, {}),
                "x")]
            said += [self.ask(asks, LIST), self.ask(asks, DELETE, deletion(ACCOUNT.public)),
                     self.ask(asks, LIST), self.files(),
                     self.raw(asks, lookup(ACCOUNT.public), "") or "",
                     self.ask(asks, DELETE, deletion(ACCOUNT.public, by=SIGNER, of=SIGNER))]
            return said
        said = self.said_to_each(play)
        self.assertEqual(said[1]["data"],
                         {"account": ACCOUNT.public, "code": 200, "message": "jwt updated"})
        self.assertEqual(said[8]["error"], {"account": "n/a", "code": 500})
        both = sorted([ACCOUNT.public, SYSTEM.public])
        self.assertIn({"data": both}, said)
        self.assertIn([key + ".jwt" for key in both], said)
        self.assertIn({"data": {"code": 200, "message": "deleted 1 accounts"}}, said)
        self.assertIn(sorted([ACCOUNT.public + ".jwt.deleted", SYSTEM.public + ".jwt"]), said)

    def packed(self, client, body=b""):
        client.write(b"SUB packs 7\r\nPUB %s packs %d\r\n%s\r\n" % (PACK.encode(), len(body), body))
        rows = []
        while True:
            line = client.read()
            if line == "PING":
                client.say("PONG")
                continue
            data = client.read_body(line)[3].decode()
            if not data:
                client.say("UNSUB 7")
                return sorted(rows)
            rows.append(data)

    def test_all_of_them(self):
        def play(server):
            asks = self.come(server, user(by=SYSTEM))
            system = self.raw(asks, lookup(SYSTEM.public), "")
            rows = self.packed(asks)
            self.assertEqual(rows, sorted("%s|%s" % pair for pair in (
                (ACCOUNT.public, account()), (SYSTEM.public, system))))
            sums = [hashlib.sha256(text.encode()).digest() for text in (account(), system)]
            return [rows, self.packed(asks, bytes(a ^ b for a, b in zip(*sums)))]
        self.assertEqual(self.said_to_each(play, (ACCOUNT, account()))[1], [])

    def test_it_counts_at_once(self):
        for server in self.each_server((STRANGER, account(of=STRANGER))):
            asks = self.come(server, user(by=SYSTEM))
            stays = self.come(server, user(by=STRANGER))
            self.assertEqual(self.said(server, user()), VIOLATION)
            self.ask(asks, UPDATE, account())
            goes, kept = self.come(server, user()), self.come(server, user(of=OTHER), key=OTHER)
            self.assertTrue(stays.ping() and goes.ping() and kept.ping())
            self.ask(asks, UPDATE, account({"revocations": {USER.public: 2000}}, iat=2000))
            lines = [line for line in goes.read_end() if line != "PING"]
            self.assertEqual(lines, ["-ERR 'User Authentication Revoked'"])
            self.assertTrue(stays.ping() and kept.ping())
            self.assertEqual(self.said(server, user()), VIOLATION)
            self.ask(asks, DELETE, deletion(ACCOUNT.public))
            lines = [line for line in kept.read_end() if line != "PING"]
            self.assertEqual(len(lines), 1)  # it is another sentence
            self.assertEqual(lines[0][:6], "-ERR '")
            self.assertTrue(stays.ping() and asks.ping())

    def test_what_is_kept_is_there_again(self):
        conf = self.conf(resolver="type: full")
        server = self.serve("-c", conf)
        asks = self.come(server, user(by=SYSTEM))
        self.ask(asks, UPDATE, account())
        refused = self.ask(asks, DELETE, deletion(ACCOUNT.public))
        self.assertIn("error", refused)  # allow_delete is not said
        server.kill()
        self.write("jwt/%s.jwt.new" % OTHER.public, "half of one")
        self.write("jwt/%s.jwt" % STRANGER.public, account(of=STRANGER, by=Key("O", 11)))
        self.write("jwt/%s.jwt" % IMPORTER.public, account())
        server = self.serve("-c", conf)
        self.assertEqual(self.said(server, user()), "PONG")
        self.assertEqual(self.said(server, user(by=STRANGER)), VIOLATION)
        for key, why in ((STRANGER, "not signed by trusted operator"),
                         (IMPORTER, "it is that of " + ACCOUNT.public)):
            server.logged("%s.jwt is passed over: " % key.public)
            server.logged(why)
        self.write("jwt/%s.jwt" % STRANGER.public, account(of=STRANGER))
        server.send_signal(signal.SIGHUP)
        wait_for("the file", lambda: self.said(server, user(by=STRANGER)) == "PONG")
        asks = self.come(server, user(by=SYSTEM))
        self.assertEqual(self.ask(asks, UPDATE, account(of=OTHER, by=OTHER))["error"]["code"], 500)
        self.assertEqual(self.said(server, user()), "PONG")

    def test_a_reload_loses_no_request(self):
        """Requests wait while the configuration is read again: each has one answer."""
        server, many = self.serve("-c", self.conf()), 100
        asks = self.come(server, user(by=SYSTEM))
        for turn in range(10):
            asks.say("SUB turn.%d.* %d" % (turn, turn + 1))
            self.assertTrue(asks.ping())
            server.send_signal(signal.SIGHUP)
            for i in range(many):
                asks.say("PUB %s turn.%d.%d 0\r\n" % (LIST, turn, i))
            answered = []
            while len(answered) < many:
                line = asks.read()
                if line == "PING":
                    asks.say("PONG")
                    continue
                answered.append(line.split()[1])
                asks.read_body(line)
            self.assertEqual(len(set(answered)), many)

    def push(self, client, texts):
        """All at once; the answers come in any order, each by the number of what was asked."""
        client.say("SUB many.* 90")
        client.write(b"".join(b"PUB %s many.%d %d\r\n%s\r\n" % (UPDATE.encode(), i, len(text),
                                                               text.encode())
                              for i, text in enumerate(texts)))

    def pushed(self, client, least):
        answers = {}
        while len(answers) < least:
            line = client.read()
            if line == "PING":
                client.say("PONG")
                continue
            number = int(line.split()[1].split(".")[1])
            answers[number] = json.loads(client.read_body(line)[3])
        return answers

    def test_many_at_once(self):
        """They are kept together: one of them that is wrong, or one too many, is alone with it, and
        of two of one account the last one counts."""
        keys = [Key("A", 20 + i) for i in range(12)]
        texts = [account(of=key) for key in keys] + [account(of=keys[0], iat=2000), "x.y.z"]
        for limit, most in (100, 12), (5, 4):
            with self.subTest(limit=limit):
                server = self.serve("-c", self.conf(resolver="type: full, limit: %d" % limit))
                asks = self.come(server, user(by=SYSTEM))
                self.push(asks, texts)
                answers = self.pushed(asks, len(texts))
                good = [i for i in range(12) if "data" in answers[i]]
                self.assertEqual(good, list(range(most)))
                self.assertEqual("data" in answers[12], True)
                self.assertIn("error", answers[13])
                for i in range(12):
                    want = texts[12] if i == 0 else texts[i] if i in good else ""
                    self.assertEqual(self.raw(asks, lookup(keys[i].public), ""), want)
                self.assertEqual(len(self.files()), most + 1)
                server.stop()
                shutil.rmtree(self.path("jwt"))

    def test_what_was_answered_outlives_a_kill(self):
        keys = [Key("A", 20 + i) for i in range(30)]
        texts = [account(of=key) for key in keys]
        for least in 1, 7, 30:
            server = self.serve("-c", self.conf())
            asks = self.come(server, user(by=SYSTEM))
            self.push(asks, texts)
            answers = self.pushed(asks, least)
            server.kill()
            server = self.serve("-c", self.conf())
            asks = self.come(server, user(by=SYSTEM))
            there = json.loads(self.raw(asks, LIST, ""))["data"]
            for i, answer in answers.items():
                self.assertIn("data", answer)
                self.assertIn(keys[i].public, there)
            server.stop()
            shutil.rmtree(self.path("jwt"))

    def test_no_more_than_the_limit(self):
        def play(server):
            asks = self.come(server, user(by=SYSTEM))
            return [self.ask(asks, UPDATE, account()),
                    self.ask(asks, UPDATE, account(of=STRANGER)),
                    self.ask(asks, UPDATE, account(iat=2000)), self.ask(asks, LIST)]
        said = self.said_to_each(play, resolver="type: full, limit: 2")
        self.assertEqual(said[1]["error"], {"account": STRANGER.public, "code": 500})

    def test_a_disk_that_takes_nothing(self):
        if os.geteuid() == 0:
            blocks = self.path("jwt/%s.jwt.new" % ACCOUNT.public)
        else:
            blocks = None
        server = self.serve("-c", self.conf())
        if blocks:
            os.mkdir(blocks)
        else:
            os.chmod(self.path("jwt"), 0o500)
        asks = self.come(server, user(by=SYSTEM))
        self.assertEqual(self.ask(asks, UPDATE, account())["error"]["code"], 500)
        self.assertEqual(self.said(server, user()), VIOLATION)
        self.assertEqual(self.ask(asks, LIST), {"data": [SYSTEM.public]})
        if not blocks:
            os.chmod(self.path("jwt"), 0o700)

    def test_a_look_at_a_configuration_makes_nothing(self):
        done = self.run_once("-c", self.conf((ACCOUNT, account())), "-t")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertFalse(os.path.exists(self.path("jwt")))

    def test_a_reload_that_is_refused_writes_nothing(self):
        conf = self.conf((ACCOUNT, account()))
        server = self.serve("-c", conf)
        before = self.files()
        self.conf((ACCOUNT, account(iat=2000)), (STRANGER, account(of=STRANGER)),
                  more="server_name: another\n")
        server.send_signal(signal.SIGHUP)
        server.logged("config reload not supported for ServerName")
        self.assertEqual(self.files(), before)
        with open(self.path("jwt/%s.jwt" % ACCOUNT.public)) as file:
            self.assertEqual(file.read(), account())
        self.conf((ACCOUNT, account(iat=2000)), (STRANGER, account(of=STRANGER)))
        server.send_signal(signal.SIGHUP)

        def kept(key):
            with contextlib.suppress(FileNotFoundError), \
                    open(self.path("jwt/%s.jwt" % key.public)) as file:
                return file.read()
        wait_for("one file", lambda: kept(ACCOUNT) == account(iat=2000))
        wait_for("the other", lambda: kept(STRANGER) == account(of=STRANGER))
        self.assertEqual(self.said(server, user(by=STRANGER)), "PONG")

    def test_who_keeps_some(self):
        for kind in ("MEMORY", "type: cache"):
            with self.subTest(kind=kind):
                later = account({"revocations": {OTHER.public: 2000}}, iat=2000)

                def play(server):
                    asks = self.come(server, user(by=SYSTEM))
                    self.assertEqual(self.said(server, user()), "PONG")  # it is known then
                    said = [self.ask(asks, updates(key.public)[0], text) for key, text in (
                        (ACCOUNT, later), (STRANGER, account(of=STRANGER)))]
                    return said + [self.said(server, user(of=OTHER), key=OTHER)]
                said = self.said_to_each(play, (ACCOUNT, account()), resolver=kind)
                self.assertEqual(said[1]["data"]["message"][-7:], "skipped")
                self.assertEqual(said[2], VIOLATION)

    def streams(self, client, subject, body=""):
        """What the API says: its error's number, or what of a stream or an account is compared."""
        answer = client.request(subject, body)
        if "error" in answer:
            return answer["error"]["err_code"]
        if "limits" in answer:
            return [answer["limits"][key] for key in ("max_streams", "max_storage")]
        return answer.get("state", {}).get("messages", answer.get("success"))

    def test_streams_of_one_that_comes(self):
        """What JWTs say of streams counts at once, too: more, less, none, and some again."""
        def limited(iat, **more):
            return account({"limits": {**LIMITS["limits"], **more}}, iat=iat)
        info, make, look = "$JS.API.INFO", "$JS.API.STREAM.CREATE.", "$JS.API.STREAM.INFO."

        def made(name):
            return make + name, json.dumps({"name": name, "subjects": [name.lower()]})

        def play(server):
            asks = self.come(server, user(by=SYSTEM))

            def push(text):
                self.assertIn("data", self.ask(asks, UPDATE, text))
            push(limited(2000, disk_storage=1 << 20, streams=1))
            client = self.come(server, user())
            said = [self.streams(client, info)]
            said += [self.streams(client, *made(name)) for name in "ST"]
            self.assertEqual(client.request("s", "one").get("seq"), 1)
            push(limited(3000, disk_storage=1 << 21, streams=2))
            said += [self.streams(client, info)]
            said += [self.streams(client, *made(name)) for name in "TU"]
            push(limited(4000, disk_storage=1 << 20, streams=1))
            said += [self.streams(client, info), self.streams(client, *made("U"))]
            push(limited(5000))
            said += [self.streams(client, info), self.streams(client, look + "S")]
            self.assertIsNone(self.raw(client, "s", "lost", wait=False))
            push(limited(6000, disk_storage=1 << 20, streams=1))
            said += [self.streams(client, info), self.streams(client, look + "S")]
            self.assertEqual(client.request("s", "two").get("seq"), 2)
            self.assertIn("data", self.ask(asks, DELETE, deletion(ACCOUNT.public)))
            self.assertEqual(len([line for line in client.read_end() if line != "PING"]), 1)
            push(limited(7000, disk_storage=1 << 20, streams=1))
            client = self.come(server, user())
            said += [self.streams(client, look + "S"), self.streams(client, look + "T")]
            self.assertEqual(client.request("s", "three").get("seq"), 3)
            return said
        said = self.said_to_each(play, (STRANGER, account(of=STRANGER)),
                                 more='jetstream { store_dir: "%s" }\n' % self.path("store"))
        self.assertEqual(said, [[1, 1 << 20], 0, 10027, [2, 1 << 21], 0, 10027, [1, 1 << 20], 10027,
                                10039, 10039, [1, 1 << 20], 1, 2, 0])

    def test_a_bound_of_nothing_is_one(self):
        """Who may have no streams in memory makes none, and what he has takes no more."""
        def limited(iat, **more):
            return account({"limits": {**LIMITS["limits"], "streams": 2, **more}}, iat=iat)

        def play(server):
            asks = self.come(server, user(by=SYSTEM))
            self.assertIn("data", self.ask(asks, UPDATE, limited(2000, mem_storage=1 << 20)))
            client = self.come(server, user())
            file = '{"name":"F","subjects":["f"]}'
            said = [self.streams(client, "$JS.API.STREAM.CREATE.F", file)]
            said += [self.streams(client, "$JS.API.STREAM.CREATE.M",
                                  '{"name":"M","subjects":["m"],"storage":"memory"}')]
            self.assertEqual(client.request("m", "one").get("seq"), 1)
            self.assertIn("data", self.ask(asks, UPDATE, limited(3000, disk_storage=1 << 20)))
            self.assertIn("error", client.request("m", "two"))
            said += [self.streams(client, "$JS.API.STREAM.CREATE.N",
                                  '{"name":"N","subjects":["n"],"storage":"memory"}')]
            return said
        said = self.said_to_each(play, (STRANGER, account(of=STRANGER)),
                                 more='jetstream { store_dir: "%s" }\n' % self.path("store"))
        self.assertEqual(said, [10047, 0, 10028])

    def test_what_nobody_takes_is_not_kept(self):
        """In an account whose streams stand still nobody listens to what they would hear."""
        def limited(iat, **more):
            return account({"limits": {**LIMITS["limits"], **more}}, iat=iat)
        conf = self.conf((STRANGER, account(of=STRANGER)),
                         more='jetstream { store_dir: "%s" }\n' % self.path("store"))
        server = self.serve("-c", conf)
        asks = self.come(server, user(by=SYSTEM))
        some = limited(2000, disk_storage=1 << 20, streams=1)
        self.assertIn("data", self.ask(asks, UPDATE, some))
        client = self.come(server, user(), headers=True, no_responders=True)
        client.say("SUB answer 1")

        def is_taken(subject):
            client.say("PUB %s answer 1\r\nx" % subject)
            client.say("PING")
            lines = [client.read()]
            while lines[-1] != "PONG":
                lines.append(client.read())
            return not any("503" in line for line in lines)
        self.assertTrue(is_taken("$JS.FC.S.C.x"))
        self.assertIn("data", self.ask(asks, UPDATE, limited(3000)))
        self.assertFalse(is_taken("$JS.FC.S.C.x"))

    def test_streams_that_came_are_there_again(self):
        limits = {"limits": {**LIMITS["limits"], "disk_storage": 1 << 20, "streams": 1}}
        conf = self.conf(more='jetstream { store_dir: "%s" }\n' % self.path("store"))
        server = self.serve("-c", conf)
        asks = self.come(server, user(by=SYSTEM))
        self.assertIn("data", self.ask(asks, UPDATE, account(limits)))
        client = self.come(server, user())
        client.request("$JS.API.STREAM.CREATE.S", '{"name":"S","subjects":["s"]}')
        self.assertEqual(client.request("s", "one").get("seq"), 1)
        server.kill()
        server = self.serve("-c", conf)
        client = self.come(server, user())
        self.assertEqual(self.streams(client, "$JS.API.STREAM.INFO.S"), 1)

    def test_nobody_else_asks(self):
        for server in self.each_server((ACCOUNT, account())):
            other = self.come(server, user())
            self.assertIsNone(self.raw(other, UPDATE, account(iat=2000), wait=False))
            asks = self.come(server, user(by=SYSTEM))
            self.assertEqual(self.raw(asks, lookup(ACCOUNT.public), ""), account())
            self.assertIsNone(self.raw(asks, lookup("x"), "", wait=False))


if __name__ == "__main__":
    main(Resolver)
