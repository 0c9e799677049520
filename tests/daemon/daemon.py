# SPDX-License-Identifier: Apache-2.0
"""daemon.py EXE [TEST...]: the daemon as scripts and client test harnesses use nats-server: flags,
configuration, signals, pid, log and ports files, reload, lame duck, exit codes. EXE is started
under the name nats-server."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import time

from case import BOUND_S, Case, Client, free_port, main, wait_for

LINE = re.compile(r"\[\d+\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6} \[(INF|WRN|ERR|FTL|DBG|TRC)\] .*")


class Daemon(Case):
    # ---- Flags

    def test_version(self):
        for args in (["-v"], ["--version"], ["version"], ["-v", "-p", "5"], ["-v=true"]):
            done = self.run_once(*args)
            self.assertEqual(done.returncode, 0)
            found = re.fullmatch(r"nats-server: v(\d+)\.(\d+)\.(\d+)\n", done.stdout)
            self.assertIsNotNone(found, done.stdout)
            self.assertGreaterEqual((int(found[1]), int(found[2])), (2, 11))
        os.symlink(self.exe, self.path("rilld"))
        self.assertRegex(self.run_once("-v", name="rilld").stdout,
                         r"^rilld: v\d+\.\d+\.\d+ "
                         r"\(rill \d+\.\d+\.\d+, (mbedTLS|OpenSSL) \d+\.\d+\.\d+\)\n$")

    def test_refuses_to_start(self):
        """In words that harnesses of nats-server look for; -t says what a start would."""
        self.write("file", "no directory")
        self.write("bad.conf", "port: {\n")
        self.write("least.conf", "port: -1\nmemory_budget: 1MB\n")
        self.write("half.conf", "port: -1\nmemory_budget: 33554432\n")
        for args, said in ((["-c", "bad.conf"], "bad.conf:2: Parse error: "),
                           (["-t", "-c", "bad.conf"], "bad.conf:2: Parse error: "),
                           (["-t", "-c", "least.conf"], "least.conf:2:1: memory_budget is 10"),
                           (["-c", "least.conf"], "least.conf:2:1: memory_budget is 10"),
                           (["-p", "-1", "-js", "-sd", "file"],
                            "storage directory is not a directory: "),
                           (["-p", "-1", "-js", "-sd", "/proc/none"],
                            "could not create storage directory: mkdir ")):
            args = [self.path(a) if os.path.exists(self.path(a)) else a for a in args]
            done = self.run_once(*args)
            self.assertEqual(done.returncode, 1, args)
            self.assertIn(said, done.stderr, args)
        self.assertEqual(self.run_once("-t", "-c", self.path("half.conf")).returncode, 0)

    def test_what_a_build_has(self):
        """A port that this build cannot open is refused by -t as by a start, in the same words."""
        for text in ("http: '127.0.0.1:-1'",
                     "websocket { host: '127.0.0.1', port: -1, no_tls: true }"):
            path = self.write("a.conf", "listen: '127.0.0.1:-1'\n" + text)
            done = self.run_once("-t", "-c", path)
            server = self.start("-c", path)
            if done.returncode == 0:
                server.ready()
                self.assertEqual(server.end(), 0)
            else:
                server.logged(done.stderr[done.stderr.index("this rill"):].strip())

    def test_help(self):
        for args in (["-h"], ["--help"], ["help"]):
            done = self.run_once(*args)
            self.assertEqual(done.returncode, 0)
            self.assertIn("-p, --port", done.stdout)
            self.assertIn("Usage: nats-server", done.stdout)

    def test_wrong_flags(self):
        for args, text in ((["--bogus"], "flag provided but not defined: -bogus"),
                           (["-bogus=3"], "flag provided but not defined: -bogus"),
                           (["-p", "abc"], 'invalid value "abc" for flag -p'),
                           (["-p"], "flag needs an argument: -p"),
                           (["-D=maybe"], 'invalid boolean value "maybe" for -D'),
                           (["---p", "3"], "bad flag syntax: ---p")):
            done = self.run_once(*args)
            self.assertEqual(done.returncode, 2, args)
            self.assertIn(text, done.stderr)
        for args, text in ((["serve"], 'unrecognized command: "serve"'),
                           (["-p", "70000"], "70000 is no port"),
                           (["-n", "a b"], "server name cannot contain spaces"),
                           (["-t"], "must specify"),
                           (["-c", "/no/such.conf"], "open /no/such.conf: "),
                           (["--auth", "t", "--user", "u", "--pass", "p"], "Cannot have")):
            done = self.run_once(*args)
            self.assertEqual(done.returncode, 1, args)
            self.assertIn(text, done.stderr)

    def test_flag_forms(self):
        """The forms in which client test harnesses start it."""
        port = str(free_port())
        for args in (["-a", "127.0.0.1", "-p", port], ["--addr", "127.0.0.1", "--port", port],
                     ["-addr=127.0.0.1", "-port=" + port], ["-p", port],
                     ["-p", "-1", "-js", "-sd", self.folder],
                     ["-p", "-1", "-js", "-sd=" + self.folder],
                     ["--port", "-1", "--jetstream", "--store_dir", self.folder],
                     ["-p", "-1", "-m", port], ["-p", "-1", "--http_port=" + port],
                     ["-p", "-1", "-DV"], ["-p", "-1", "-D", "-V"], ["-p=-1", "-T=true", "--"],
                     ["-p", "-1", "-cluster_name", "x", "-server_name", "y",
                      "-cluster", "nats://127.0.0.1:-1", "-routes", "nats://127.0.0.1:1"]):
            server = self.start(*args).ready()
            client = Client(server.port)
            self.assertTrue(client.ping(), args)
            client.close()
            self.assertEqual(server.end(), 0, args)

    def test_ipv6(self):
        try:
            with socket.socket(socket.AF_INET6) as s:
                s.bind(("::1", 0))
        except OSError:
            self.skipTest("there is no IPv6 here")
        server = self.start("-a", "::", "-p", "-1").ready()
        self.assertEqual(server.host, "[::]")
        client = self.client(server, host="::1")
        self.assertTrue(client.ping())

    def test_credentials(self):
        for flags in (["-user", "ivan", "-pass", "pw"], ["--user", "ivan", "--pass=pw"]):
            server = self.serve(*flags)
            good = self.client(server, connect='{"user":"ivan","pass":"pw"}')
            self.assertTrue(good.info["auth_required"])
            self.assertTrue(good.ping())
            self.assertFalse(self.client(server, connect='{"user":"ivan","pass":"no"}').ping())
            self.assertFalse(self.client(server).ping())
            server.end()
        for flags in (["-auth", "t0k"], ["--auth=t0k"]):
            server = self.serve(*flags)
            self.assertTrue(self.client(server, connect='{"auth_token":"t0k"}').ping())
            self.assertFalse(self.client(server, connect='{"auth_token":"t"}').ping())
            server.end()

    def test_names(self):
        server = self.serve("--name", "north", "--server_version", "2.14.9")
        info = self.client(server).info
        self.assertEqual(info["server_name"], "north")
        self.assertEqual(info["version"], "2.14.9")
        self.assertEqual(info["port"], server.port)

    # ---- Configuration

    def test_config_values(self):
        """What INFO says of a file's max_payload shows how a value was read."""
        self.write("part.conf", "max_payload: 2222\n")
        for text, want in (
                ("max_payload: 1000", 1000), ("max_payload = 1000", 1000),
                ("max_payload 1000", 1000), ("MAX_PAYLOAD: 1000 # text", 1000),
                ("max_payload: 1000 // text", 1000), ("max_payload: 1000;", 1000),
                ("max_payload: 64k", 64000), ("max_payload: 64KB", 65536),
                ("max_payload: 64kib", 65536), ("max_payload: 2MB", 2 << 20),
                ("max_payload: 2m", 2000000), ("max_payload: 1Mi", 1 << 20),
                ("x: 3000\nmax_payload: $x", 3000), ("x: 1KB\ny: $x\nmax_payload: $y", 1024),
                ("max_payload: $RILLD_TEST_SIZE", 5120), ("include part.conf", 2222),
                ("include './part.conf'", 2222), ('include "part.conf"\n', 2222),
                ("include part.conf\nmax_payload: 7", 7), ("max_payload: 7\nmax_payload: 8", 8),
                ('{"max_payload": 1234, "ping_max": 3}', 1234),
                ('"max_payload": 1234,\n"ping_max": 3,', 1234),
                ("# only a comment\n\n\n", 1 << 20),
                ("gateway: (\nmax_payload: 1\n)\nmax_payload: 99", 99),
                ("gateway { a: [1, 2\n3], b { c: \"} \\\" \\x7d\" } }\nmax_payload: 98", 98),
                ("gateway: #1 // \nmax_payload: 95", 95), ("max_payload: \\x39\\x34", 94),
                ("gateway [ {a: b}, {c: 'd'} ]\nmax_payload: 97", 97),
                ("authorization { }\nmax_payload: 96", 96)):
            path = self.write("a.conf", text)
            server = self.serve("-c", path, env=dict(os.environ, RILLD_TEST_SIZE="5KB"))
            self.assertEqual(self.client(server).info["max_payload"], want, text)
            self.assertEqual(server.end(), 0)

    def test_config_errors(self):
        """Each is named with its file and line, and nothing is started."""
        self.write("loop.conf", "include loop.conf")
        for text, line, what in (
                ("port: abc", 1, "port should be a whole number"),
                ("\n\nmax_payload: true", 3, "max_payload should be a whole number"),
                ("max_payload: 70000000", 1, "may be 67108864 at most"),
                ("debug: 1", 1, "debug should be true or false"),
                ("server_name: 'a b'", 1, "server name cannot contain spaces"),
                ("ping_interval: 'soon'", 1, "error parsing ping_interval"),
                ("listen: nowhere", 1, "could not parse address string"),
                ("port: 4222 port: 4223", 1, "expected the end of the line"),
                ("a: $NO_SUCH_VARIABLE_HERE", 1, "can not be found"),
                ("a { b: $a }", 1, "can not be found"), ("a: [ $a ]", 1, "can not be found"),
                ("a {\n b: 1\n", 3, "no }"), ("a [1,\n2", 2, "no ]"), ("a: \"x", 1, "no end"),
                ("a: \"\\q\"", 1, "no escape"), ("a: b\\q", 1, "no escape"),
                ("a: (\nx", 1, "no line with only )"),
                ("\n}", 2, "expected a key"), ("port:", 1, "no value"),
                ("port:\n4222", 1, "no value on its line"), ("/ port: 1", 1, "expected a key"),
                ("x: .5", 1, "expected a value"), ("x: 1 \xe9", 1, "but got '?'"),
                ("port: 99999999999999999999", 1, "out of range"),
                ("authorization { token: a, user: b, password: c }", 1, "Cannot have"),
                ("authorization { users: [ {password: a} ] }", 1, "requires a user"),
                ("authorization { users: [ {user: a, nkey: b} ] }", 1,
                 "Nkey users do not take usernames or passwords"),
                ("authorization { users: [ {user: a, allowed_connection_types: [x]} ] }", 1,
                 "guards access"),
                ("authorization { users: [ {user: a,\n permissions: x } ] }", 2,
                 "Expected permissions to be a map/struct"),
                ("authorization { users: [ {user: a, permissions: { publis: x } } ] }", 1,
                 'Unknown field "publis" parsing permissions'),
                ("authorization { users: [ {user: a, permissions: { pub: { alow: x } } } ] }", 1,
                 "only 'allow' or 'deny'"),
                ("authorization { users: [ {user: a, permissions: { sub: [ 5 ] } } ] }", 1,
                 "Expected subject permissions to be a subject"),
                ("authorization { users: [ {user: a, permissions {allow_responses: 5} } ] }", 1,
                 "expected a boolean or a map"),
                ("authorization { users: [ {user: a, permissions {allow_responses: {\n max: x} } "
                 "} ] }", 2, "max should be"),
                ("authorization { users: [ {user: a, permissions {allow_responses: {expires: 5} } "
                 "} ] }", 1, "error parsing expires, not a duration string"),
                ("authorization { users: [ {user: a, permissions {allow_responses: {expires: 5d} "
                 "} } ] }", 1, 'error parsing expires: invalid duration "5d"'),
                ("authorization { users: [ {user: a, permissions {allow_responses: {maxx: 5} } } "
                 "] }", 1, 'Unknown field "maxx" parsing permissions'),
                ("authorization { token: t, users: [ {user: a} ] }", 1,
                 "Can not have a token and a users array"),
                ("authorization { user: u, password: p, users: [ {user: a} ] }", 1,
                 "Can not have a single user/pass and a users array"),
                ("tls { pinned_certs: x }", 1, "guards access"),
                ("accounts { A { exports: {stream: x} } }", 1, "Exports should be an array, got"),
                ("accounts {\n A { imports: [x] } }", 2, "Import Items should be a map with type"),
                ("accounts { A { exports: [ {stream: x, service: y} ] } }", 1,
                 'Detected service "y" but already saw a stream'),
                ("accounts { A { exports: [ {service: x, response: foo} ] } }", 1,
                 'Unknown response type: "foo"'),
                ("accounts { A { exports: [ {stream: x, response: stream} ] } }", 1,
                 "Detected response directive on non-service"),
                ("accounts { A { exports: [ {service: x, response_threshold: 5} ] } }", 1,
                 "Expected response threshold to be a parseable time duration"),
                ("accounts { A { exports: [ {service: x, latency: {sampling: 0}} ] } }", 1,
                 "bad sampling percentage, should be 1-100"),
                ("accounts { A { exports: [ {stream: x, what: y} ] } }", 1, 'unknown field "what"'),
                ("accounts { A { imports: [ {stream: {account: B}} ] } }", 1,
                 "Expect an account name and a subject"),
                ("accounts { A { imports: [ {stream: {account: B, subject: s}, prefix: p, to: t} ] "
                 "} }", 1, "Stream import can not have a 'prefix' and a 'to' property"),
                ("accounts { A { imports: [ {stream: {account: B, subject: s}, prefix: 'p.*'} ] } "
                 "}", 1, "stream import prefix can not contain wildcard tokens"),
                ("accounts {\n A { jetstream: maybe } }", 2, "Expected 'enabled' or 'disabled'"),
                ("accounts {\n A { jetstream { max_fil: 1 } } }", 2, 'Unknown field "max_fil"'),
                ("accounts {\n $G { } }", 2, '"$G" is a Reserved Account'),
                ("accounts [ A, B, A ]", 1, "Duplicate Account Entry: A"),
                ("accounts {\n A { user: [] } }", 2, 'unknown field "user"; "users" was meant?'),
                ("accounts {\n A { limits { max_conns: 5 } } }", 2, 'Unknown field "max_conns"'),
                ("accounts {\n A { limits { max_conn: 0 } } }", 2, "max_conn is 0; 1 to"),
                ("accounts {\n A { mappings { a: 'a..b' } } }", 2, 'Error adding mapping for "a"'),
                ("accounts { A { users [ {user: a} ] } }\nauthorization { token: t }", 2,
                 "Can not have a token and accounts"),
                ("jetstream: maybe", 1, "Expected 'enabled' or 'disabled'"),
                ("jetstream { sync_interval: 0s }", 1, "say always"),
                ("jetstream { sync_interval: often }", 1, "error parsing sync_interval"),
                ("\nmappings: [ a ]", 2, "mappings should be"),
                ("mappings {\n a: 5 }", 2, "Expected an entry"),
                ("mappings {\n a: [ { dest: b } ] }", 2, "Missing weight"),
                ("mappings {\n a: [ { weight: 5 } ] }", 2, "Missing destination"),
                ("mappings {\n a: { dest: b, weight: 101 } }", 2, "a weight is 0 to 100"),
                ("mappings {\n a: { dest: b, weight: x } }", 2, "a weight is 0 to 100"),
                ("mappings {\n a: { dest: b, weight: 5, to: c } }", 2, 'Unknown field "to"'),
                ("mappings {\n a: [ {dest: b, weight: 60}, {dest: c, weight: 60} ] }", 2, "<= 100"),
                ("mappings {\n a: b\n 'a..b': c }", 3, 'Error adding mapping for "a..b"'),
                ("mappings {\n a: 'b.$1' }", 2, "names no wildcard"),
                ('kafka {\n listen: "127.0.0.1:-1"\n group.max.size: 0 }', 1,
                 "group.max.size is a number from 1"),
                ('kafka { listen: "127.0.0.1:-1"\n group.max.size: 3\n'
                 ' group.consumer.migration.policy: sideways }', 1, "not sideways"),
                ('kafka { listen: "127.0.0.1:-1"\n group.max.size: true }', 2,
                 "group.max.size should be"),
                ("spin: 50", 1, "spin is a duration of at most 1s"), ("spin: 2s", 1, "at most 1s"),
                ("http: 'here'", 1, "could not parse address string"),
                ("x {" * 100, 1, "within each other")):
            path = self.write("a.conf", text)
            for args in (["-t", "-c", path], ["-c", path]):
                done = self.run_once(*args)
                self.assertEqual(done.returncode, 1, text)
                self.assertRegex(done.stderr, r"a\.conf:%d:(\d+:)? " % line, text)
                self.assertIn(what, done.stderr)
        for text, what in (("include none.conf", "none.conf: No such file"),
                           ("include loop.conf", "include each other")):
            done = self.run_once("-c", self.write("a.conf", text))
            self.assertEqual(done.returncode, 1, text)
            self.assertIn(what, done.stderr)

    def test_config_flags(self):
        """Every spelling of the flag; other flags count more than the file."""
        port = free_port()
        path = self.write("a.conf", "listen: 127.0.0.1:%d\nserver_name: filed\n" % port)
        for flag in (["-c", path], ["-config", path], ["--config", path], ["--config=" + path]):
            server = self.start(*flag).ready()
            self.assertEqual((server.host, server.port), ("127.0.0.1", port))
            self.assertEqual(self.client(server).info["server_name"], "filed")
            self.assertEqual(server.end(), 0)
        server = self.start("-p", "-1", "--name", "flagged", "-c", path).ready()
        self.assertNotEqual(server.port, port)
        self.assertEqual(self.client(server).info["server_name"], "flagged")
        done = self.run_once("-t", "-c", path)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"configuration file \S+a\.conf is valid")

    def test_config_accounts(self):
        """What one line does not tell: users and names of accounts have to fit together."""
        for text, what in (
                ("accounts { A { users [ {user: a} ] }, B { users: [ {user: a} ] } }",
                 'Duplicate user "a" detected'),
                ("accounts { A { users [ {user: a} ] } }\nno_auth_user: b", "not present as user"),
                ("accounts { A { jetstream: enabled } }", "jetstream, and the broker has none"),
                ("accounts { A { users [ {user: a} ] } }\nsystem_account: B",
                 'system_account: "B" is no account')):
            path = self.write("a.conf", text)
            for flags in ((), ("-t",)):
                done = self.run_once("-c", path, *flags)
                self.assertEqual(done.returncode, 1, text)
                self.assertIn(what, done.stderr, text)

    def test_account_streams(self):
        """Each account has streams of its own, with limits of its own, also after a crash; a reload
        that would change which is refused."""
        text = """jetstream { store_dir: "%s/js" }
            accounts { A { users: [ { user: a, password: p } ], jetstream: enabled }
              "B/1" { users: [ { user: b, password: p } ], jetstream: { max_streams: 1 } }
              N { users: [ { user: n, password: p } ] }
              $SYS { users: [ { user: s, password: p } ] } }
            authorization { users: [ { user: g, password: p } ] }""" % self.folder
        path = self.write("a.conf", text)

        def enter(server, user):
            client = Client(server.port, connect='{"verbose":false,"headers":true,'
                            '"no_responders":true,"user":"%s","pass":"p"}' % user)
            self.addCleanup(client.close)
            client.write("SUB in 1\r\n")
            return client

        def ask(client, subject, body=""):
            client.write("PUB %s in %d\r\n%s\r\n" % (subject, len(body), body))
            line = client.read()
            if not line.startswith("MSG "):
                return line
            return client.read()

        create = '{"name":"%s","subjects":["%s.>"]}'
        server = self.serve("-c", path)
        a, b, g, n = (enter(server, user) for user in "abgn")
        for client, name in ((a, "S"), (a, "T"), (b, "S"), (g, "G")):
            self.assertIn('"did_create":true', ask(client, "$JS.API.STREAM.CREATE." + name,
                                                   create % (name, name.lower())))
        self.assertIn('"err_code":10027', ask(b, "$JS.API.STREAM.CREATE.T", create % ("T", "t")))
        self.assertIn('"err_code":10039', ask(n, "$JS.API.INFO"))
        for data in ("one", "two"):
            self.assertIn('"stream":"S","seq"', ask(a, "s.x", data))
        self.assertIn('"stream":"S","seq":1', ask(b, "s.x", "other"))
        server.kill()
        self.assertEqual(sorted(os.listdir(self.folder + "/js/jetstream/accounts")),
                         ["A", "B%2F1"])
        server = self.serve("-c", path)
        a, b, g = (enter(server, user) for user in "abg")
        for client, names, messages in ((a, '["S","T"]', 2), (b, '["S"]', 1), (g, '["G"]', 0)):
            self.assertIn('"streams":' + names, ask(client, "$JS.API.STREAM.NAMES"))
            name = "G" if client is g else "S"
            self.assertIn('"messages":%d,' % messages, ask(client, "$JS.API.STREAM.INFO." + name))
        s = enter(server, "s")
        listed = ask(s, "$SYS.REQ.SERVER.PING.CONNZ", '{"auth":true}')
        for account in ("A", "B/1", "$SYS"):
            self.assertIn('"account":"%s"' % account, listed)
        self.assertIn('"name_tag":"$G"', listed)
        own = ask(g, "$SYS.REQ.SERVER.PING.CONNZ", '{"auth":true,"acc":"A"}')  # and no other
        self.assertIn('"total":1,', own)
        self.assertIn('"name_tag":"$G"', own)
        listed = ask(a, "$SYS.REQ.ACCOUNT.PING.CONNZ", '{"auth":true}')
        self.assertIn('"num_connections":1,"total":1', listed)
        self.assertIn('"account":"A"', listed)
        self.write("a.conf", text.replace("jetstream: enabled", "jetstream: disabled"))
        server.send_signal(signal.SIGHUP)
        server.logged('account "A": a reload cannot change whether it has streams')
        self.assertIn('"streams":["S","T"]', ask(a, "$JS.API.STREAM.NAMES"))

    def test_monitor_accounts(self):
        """Connections say in which account they are, and accounts how many they have."""
        path = self.write("a.conf", """accounts {
            A { users: [ { user: a, password: p } ], exports: [ { stream: "s.>", accounts: [B] },
                { service: q, response: stream } ] }
            B { users: [ { user: b, password: p } ], imports: [
                { stream: { account: A, subject: "s.>" }, prefix: in },
                { service: { account: A, subject: q }, to: ask, share: true } ] }
            $SYS { users: [ { user: s, password: p } ] } }""")
        server = self.monitored("-c", path)
        port = server.http_port
        self.assertEqual(self.page(port, "/accountz?acc=A")["account_detail"]["exports"], [
            {"subject": "s.>", "type": "stream", "approved_accounts": ["B"]},
            {"subject": "q", "type": "service", "response_type": "Streamed"}])
        self.assertEqual(self.page(port, "/accountz?acc=B")["account_detail"]["imports"], [
            {"subject": "s.>", "account": "A", "local_subject": "in.s.>", "type": "stream",
             "invalid": False, "share": False, "tracking": False},
            {"subject": "q", "account": "A", "to": "ask", "local_subject": "ask",
             "type": "service", "invalid": False, "share": True, "tracking": False}])
        clients = [Client(server.port, connect='{"verbose":false,"user":"%s","pass":"p"}' % user)
                   for user in ("a", "a", "b")]
        for client in clients:
            self.addCleanup(client.close)
        clients[0].write("SUB x 1\r\nSUB y 2\r\n")
        for client in clients:
            self.assertTrue(client.ping())
        page = self.page(port, "/accountz")
        self.assertEqual(page["accounts"], ["$G", "$SYS", "A", "B"])
        self.assertEqual(page["system_account"], "$SYS")
        detail = self.page(port, "/accountz?acc=A")["account_detail"]
        self.assertEqual((detail["client_connections"], detail["subscriptions"],
                          detail.get("is_system")), (2, 2, None))
        self.assertTrue(self.page(port, "/accountz?acc=%24SYS")["account_detail"]["is_system"])
        stats = {row["acc"]: row["conns"] for row in self.page(port, "/accstatz")["account_statz"]}
        self.assertEqual(stats, {"$G": 0, "A": 2, "B": 1})
        page = self.page(port, "/connz?acc=B&auth=1")
        self.assertEqual([(c["authorized_user"], c["account"]) for c in page["connections"]],
                         [("b", "B")])
        self.assertEqual(self.page(port, "/connz?acc=A")["total"], 2)

    def test_config_unknown(self):
        """Keys of parts that are missing are named and do no harm."""
        path = self.write("a.conf", """
            listen: "127.0.0.1:-1"
            trace_headers: true
            mqtt { port: -1, no_tls: true }
            leafnodes { listen: "127.0.0.1:-1" }
            http: "127.0.0.1:-1"
            connect_error_reports: [ "a", "b" ]
            jetstream { store_dir: '%s', max_file_store: 10GB, max_mem: 1G, strict: true }
            authorization { timeout: 1.5 }
        """ % self.folder)
        server = self.start("-c", path).ready()
        for line, name in ((3, "trace_headers"), (4, "mqtt"), (5, "leafnodes"),
                           (7, "connect_error_reports"), (8, "strict")):
            self.assertRegex(server.log(), r'\[WRN\] \S*a\.conf:%d: .*"%s"' % (line, name))
        self.assertTrue(self.client(server).ping())

    def test_config_typing_error(self):
        """A key that nobody knows is refused as by nats-server: by its file, line and column. What
        a variable is taken from is none."""
        peer = os.environ.get("RILL_PEER")
        for text, name, place in (("port: -1\nprot: 4\n", "prot", "2:1"),
                                  ("port: -1\n  flux_capacitor: 88\n", "flux_capacitor", "2:3"),
                                  ("port: -1\njetstream {\n  warp: 9\n}\n", "warp", "3:3"),
                                  ("port: -1\nflux {\n  a: 1\n}\n", "flux", "2:1"),
                                  ("port: -1\njetstream {\n limits {\n  bar: 2\n }\n}\n", "bar",
                                   "4:3")):
            path = self.write("a.conf", text)
            for args in (["-t", "-c", path], ["-c", path]):
                done = self.run_once(*args)
                self.assertEqual(done.returncode, 1, text)
                self.assertIn('a.conf:%s: unknown field "%s"' % (place, name), done.stderr)
            if peer:
                done = subprocess.run([peer, "-t", "-c", path], capture_output=True, text=True,
                                      timeout=BOUND_S)
                self.assertEqual(done.returncode, 1, text)
                self.assertIn('a.conf:%s: unknown field "%s"' % (place, name), done.stderr)
        path = self.write("a.conf", "n: 77\nlisten: '127.0.0.1:-1'\nmax_connections: $n\n")
        self.assertEqual(self.run_once("-t", "-c", path).returncode, 0)
        server = self.start("-c", path).ready()
        self.write("a.conf", "listen: '127.0.0.1:-1'\nmax_conections: 5\n")
        server.send_signal(signal.SIGHUP)
        server.logged('a.conf:2:1: unknown field "max_conections"; "max_connections" was meant?')
        self.assertTrue(self.client(server).ping())

    def upgrade(self, port, *headers):
        """The answer to a request for WebSocket: its first line, and what follows the head."""
        lines = ("GET /any HTTP/1.1", "Host: 127.0.0.1:%d" % port, "Upgrade: websocket",
                 "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                 "Sec-WebSocket-Version: 13", *headers, "", "")
        sock = socket.create_connection(("127.0.0.1", port), timeout=BOUND_S)
        self.stack.callback(sock.close)
        sock.sendall("\r\n".join(lines).encode())
        got = b""
        while b"\r\n\r\n" not in got or (b" 101 " in got and b"}" not in got):
            part = sock.recv(4096)
            self.assertTrue(part, got)
            got += part
        head, _, rest = got.partition(b"\r\n\r\n")
        return head.split(b"\r\n")[0].decode(), rest, sock

    def test_config_websocket(self):
        path = self.write("a.conf", """
            websocket { host: "127.0.0.1", port: -1, no_tls: true, handshake_timeout: "1500ms"
                        compression: true
                        allowed_origins: ["https://a.example", "http://b:81"] }
        """)
        server = self.monitored("-c", path)
        port = int(re.search(r"websocket clients on ws://127\.0\.0\.1:(\d+)", server.log())[1])
        line, rest, sock = self.upgrade(port)
        self.assertEqual(line, "HTTP/1.1 101 Switching Protocols")
        self.assertRegex(rest, rb"^\x82.{1,9}INFO {.*\"port\":%d" % port)
        sock.sendall(b"\x02\x8e\0\0\0\0CONNECT {}\r\nPI\x80\x84\0\0\0\0NG\r\n")
        self.assertIn(b"PONG", sock.recv(4096))
        for origin, status in (("https://a.example", 101), ("http://b:81", 101),
                               ("http://b", 403), ("null", 403)):
            line, _, _ = self.upgrade(port, "Origin: " + origin)
            self.assertRegex(line, r"HTTP/1\.1 %d " % status)
        web = self.page(server.http_port, "/varz")["websocket"]
        self.assertEqual(web, {"host": "127.0.0.1", "port": port, "no_tls": True,
                               "compression": True,
                               "handshake_timeout": 1500000000,
                               "allowed_origins": ["https://a.example", "http://b:81"]})
        conns = self.page(server.http_port, "/connz")["connections"]
        self.assertIn(("Client", "websocket"), [(c["kind"], c["type"]) for c in conns])
        for block, why in (("port: 1", "websocket requires TLS configuration"),
                           ("port: -1, no_tls: true, no_auth_user: a", "guards access"),
                           ("port: -1, no_tls: true, jwt_cookie: a", "trusted operators"),
                           ("port: -1, no_tls: true, user_cookie: 'a;b'", "which cookie stands"),
                           ("port: -1, no_tls: true, same_orign: true", '"same_origin" was meant'),
                           ("port: -1, no_tls: true, origins: a.example", "is no origin"),
                           ("port: 70000, no_tls: true", "70000 is no port"),
                           ("port: -1, tls { cert_file: x, key_file: y }", "x")):
            done = self.run_once("-t", "-c", self.write("b.conf", "websocket { %s }" % block))
            self.assertEqual(done.returncode, 1)
            self.assertIn(why, done.stderr + done.stdout)

    def test_config_guards(self):
        """A typing error in what guards access is no warning: the door would be open."""
        for text, where, what in (
                ("\ufeffauthorization { token: x }", "1:1", "not ASCII"),
                ("port: 4222\n\u00a0authorization { token: x }", "2:1", "not ASCII"),
                ("authorisation { user: a, password: b }", "1:1", '"authorization" was meant'),
                ("port: 4222\n  autorization { token: x }", "2:3", '"authorization" was meant'),
                ("acounts { }", "1:1", '"accounts" was meant'),
                ("tsl { }", "1:1", '"tls" was meant'),
                ("authorization { tokn: x }", "1:17", '"token" was meant'),
                ("authorization { user: a, pasword: b }", "1:26", '"password" was meant'),
                ("authorization { flux_capacitor: 1, token: x }", "1:17", "flux_capacitor"),
                ("authorization { users: [ { user: a, passwd: b } ] }", "1:37", '"pass'),
                ("auth { token: x }", "1:1", 'unknown field "auth"'),
                ("password: x", "1:1", "guards nothing at this place")):
            path = self.write("a.conf", text)
            for flags in ((), ("-t",)):
                done = self.run_once("-c", path, *flags)
                self.assertEqual(done.returncode, 1, text)
                self.assertIn("a.conf:%s: " % where, done.stderr, text)
                self.assertIn(what, done.stderr, text)

    def test_config_include(self):
        """A file's name needs no quotes, also when it begins with a dot."""
        os.mkdir(self.path("d"))
        self.write("d/b.conf", "max_payload: 4096")
        for text in ("include ./d/b.conf", "include d/b.conf;", "include 'd/b.conf'"):
            server = self.serve("-c", self.write("a.conf", text + "\n"))
            self.assertEqual(self.client(server).info["max_payload"], 4096)
            server.end()

    def test_config_limits(self):
        path = self.write("a.conf", "max_connections: 2\nmax_control_line: 1KB\nmax_subs: 1\n"
                          "ping_interval: '1h'\nwrite_deadline: \"2s\"\nmax_pending: 1MB\n")
        server = self.serve("-c", path)
        one, two = self.client(server), self.client(server)
        self.assertTrue(one.ping() and two.ping())
        self.assertIn("-ERR 'maximum connections exceeded'", self.client(server).read_end())
        one.say("SUB " + "x" * 2000 + " 1")
        self.assertIn("-ERR 'maximum control line exceeded'", one.read_end())
        two.say("SUB a 1\r\nSUB b 2")
        lines = [two.read() for _ in range(2)]
        self.assertIn("-ERR 'maximum subscriptions exceeded'", lines)

    def test_config_kafka_groups(self):
        path = self.write("a.conf", 'port: -1\njetstream: true\nstore_dir: "%s"\n'
                          'kafka { listen: "127.0.0.1:-1"\n group.max.session.timeout.ms: 7000\n'
                          ' "offsets.retention.minutes": "5"\n'
                          ' group.consumer.migration.policy: upgrade }\n' % self.path("store"))
        done = self.run_once("-t", "-c", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("group.", done.stderr)
        server = self.start("-a", "127.0.0.1", "-c", path).ready()
        port = int(re.search(r"Kafka's clients on 127\.0\.0\.1:(\d+)", server.log())[1])
        told = self.kafka_settings(port)
        self.assertEqual(told["group.max.session.timeout.ms"], "7000")
        self.assertEqual(told["offsets.retention.minutes"], "5")
        self.assertEqual(told["group.consumer.migration.policy"], "upgrade")
        self.assertEqual(told["group.min.session.timeout.ms"], "6000")

    def kafka_settings(self, port):
        """Of the broker: DescribeConfigs v1."""
        body = struct.pack(">hhihibh1siB", 32, 1, 1, -1, 1, 4, 1, b"1", -1, 0)
        with socket.create_connection(("127.0.0.1", port), 20) as s:
            s.sendall(struct.pack(">i", len(body)) + body)
            size, = struct.unpack(">i", s.recv(4, socket.MSG_WAITALL))
            answer = s.recv(size, socket.MSG_WAITALL)
        at = 4 + 4 + 4 + 2  # correlation, throttle, one result, its error
        size, = struct.unpack_from(">h", answer, at)
        at += 2 + max(size, 0) + 1 + 2 + 1  # sentence, type, name "1"
        count, = struct.unpack_from(">i", answer, at)
        at, found = at + 4, {}
        for _ in range(count):
            texts = []
            for _ in range(2):
                size, = struct.unpack_from(">h", answer, at)
                texts.append(answer[at + 2:at + 2 + max(size, 0)].decode())
                at += 2 + max(size, 0)
            at += 3  # read only, source, sensitive
            synonyms, = struct.unpack_from(">i", answer, at)
            self.assertEqual(synonyms, 0)
            at += 4
            found[texts[0]] = texts[1]
        return found

    # ---- Log, pid and ports files

    def test_log_lines(self):
        server = self.serve("-DV")
        self.client(server).ping()
        server.end()
        for line in server.log().splitlines():
            self.assertRegex(line, LINE)
            self.assertTrue(line.startswith("[%d] " % server.pid))
        self.assertIn("[INF] Listening for client connections on 127.0.0.1:%d\n" % server.port,
                      server.log())
        self.assertRegex(server.log(), r"(?s)Starting nats-server.*Server is ready.*Exiting")
        server = self.serve("-T=false")
        self.assertIn("[%d] [INF] Server is ready\n" % server.pid, server.log())

    def test_log_file(self):
        """Appended to by one start after another; opened anew on USR1."""
        path = self.path("server.log")
        for count in (1, 2):
            server = self.start("-a", "127.0.0.1", "-p", "-1", "-l", path)
            wait_for("a start", lambda: server.log(path).count("Server is ready") == count)
            if count == 1:
                self.assertEqual(server.end(), 0)
        self.assertEqual(server.log(), "")
        os.rename(path, path + ".1")
        server.send_signal(signal.SIGUSR1)
        server.logged("File log re-opened", path)
        server.end()
        self.assertIn("Server Exiting..", server.log(path))
        self.assertNotIn("re-opened", server.log(path + ".1"))
        done = self.run_once("-p", "-1", "-l", "/no/such/folder/x.log")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/no/such/folder/x.log", done.stderr)

    def test_pid_file(self):
        for flag in ("-P", "--pid"):
            server = self.serve(flag, self.path("pid"))
            with open(self.path("pid")) as file:
                self.assertEqual(int(file.read()), server.pid)
            server.end()
        done = self.run_once("-p", "-1", "-P", "/no/such/folder/pid")
        self.assertEqual(done.returncode, 1)
        self.assertIn("[FTL] Could not write pidfile", done.stderr)

    def test_ports_file(self):
        server = self.serve("--ports_file_dir", self.folder)
        path = self.path("nats-server_%d.ports" % server.pid)
        with open(path) as file:
            self.assertEqual(json.load(file)["nats"], ["nats://127.0.0.1:%d" % server.port])
        server.end()
        self.assertFalse(os.path.exists(path))
        config = self.write("a.conf", "port: -1\nports_file_dir: '%s'\n" % self.folder)
        server = self.start("-c", config).ready()
        wanted = "nats://127.0.0.1:%d" % server.port
        path = self.path("nats-server_%d.ports" % server.pid)
        wait_for("the ports file", lambda: os.path.exists(path))
        with open(path) as file:
            self.assertIn(wanted, json.load(file)["nats"])

    def test_rights(self):
        """Who else is on the machine can send no signal by a file of ours that he wrote, and reads
        no log or message; where the ports are is for all, as with nats-server."""
        server = self.start("-a", "127.0.0.1", "-p", "-1", "-P", self.path("pid"),
                            "-l", self.path("log"), "--ports_file_dir", self.folder, "-js",
                            "-sd", self.path("store"), umask=0o022).ready(self.path("log"))
        ports = "nats-server_%d.ports" % server.pid
        store = self.path("store") + "/jetstream/"
        self.client(server).request("$JS.API.STREAM.CREATE.A", '{"name":"A","subjects":["a"]}')
        for name, rights in (("pid", 0o600), ("log", 0o640), (ports, 0o644),
                             (store, 0o700), (store + "LOCK", 0o600),
                             (store + "00000000.seg", 0o600)):
            self.assertEqual(os.stat(self.path(name)).st_mode & 0o777, rights, name)

    def test_port_taken(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            port = s.getsockname()[1]
            done = self.run_once("-a", "127.0.0.1", "-p", str(port))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"\[FTL\] Error listening on port: 127\.0\.0\.1:%d" % port)
        self.assertNotIn("Server is ready", done.stderr)
        done = self.run_once("-a", "192.0.2.77", "-p", "-1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("[FTL]", done.stderr)

    def test_silent_visitor(self):
        """The readiness check of harnesses opens a connection and closes it without a byte."""
        server = self.serve()
        before = server.log()
        for _ in range(20):
            socket.create_connection(("127.0.0.1", server.port)).close()
        self.assertTrue(self.client(server).ping())
        self.assertEqual(server.log(), before)

    # ---- JetStream

    def test_jetstream(self):
        """Every form of the flags; what was stored is there after the next start."""
        self.assertNotIn("jetstream", self.client(self.serve()).info)
        forms = (["-js", "-sd", self.folder], ["-js", "-sd=" + self.folder],
                 ["--jetstream", "--store_dir", self.folder],
                 ["-c", self.write("a.conf", "jetstream { store_dir: '%s' }" % self.folder)],
                 ["-c", self.write("b.conf", "jetstream: true\nstore_dir: '%s'" % self.folder)],
                 ["-js", "-c", self.write("c.conf", "jetstream { store_dir: /nowhere }"),
                  "--store_dir=" + self.folder])
        for count, flags in enumerate(forms):
            server = self.serve(*flags)
            self.assertIn('Store Directory: "%s/jetstream"' % self.folder, server.log())
            client = self.client(server, connect='{"verbose":false,"headers":true}')
            self.assertTrue(client.info["jetstream"])
            if count == 0:
                made = client.request("$JS.API.STREAM.CREATE.S",
                                      '{"name":"S","subjects":["s.>"]}')
                self.assertEqual(made["config"]["name"], "S")
            self.assertEqual(client.request("s.x", "hello"), {"stream": "S", "seq": count + 1})
            info = client.request("$JS.API.STREAM.INFO.S")
            self.assertEqual(info["state"]["messages"], count + 1)
            self.assertEqual(server.end(), 0)

    def test_jetstream_config(self):
        path = self.write("a.conf", """
            jetstream { store_dir: '%s', domain: hub, max_mem: 10MB, max_file: 20MB,
                        sync_interval: always }
        """ % self.folder)
        server = self.serve("-c", path)
        client = self.client(server, connect='{"verbose":false}')
        self.assertEqual(client.info["domain"], "hub")
        account = client.request("$JS.API.INFO")
        self.assertEqual(account["domain"], "hub")
        self.assertNotIn("[WRN]", server.log())
        # A directory has one master.
        done = self.run_once("-a", "127.0.0.1", "-p", "-1", "-js", "-sd", self.folder)
        self.assertEqual(done.returncode, 1)
        self.assertIn("[FTL]", done.stderr)
        self.write("a.conf", "jetstream { store_dir: '%s', domain: other }" % self.folder)
        server.send_signal(signal.SIGHUP)
        server.logged("config reload not supported for JetStreamDomain")
        self.write("a.conf", "max_payload: 10")
        server.send_signal(signal.SIGHUP)
        server.logged("config reload not supported for JetStream\n")

    def test_sync_interval(self):
        """A duration means that; it is no longer said to be ignored."""
        for value in ("10s", "always", "never", '"100ms"'):
            path = self.write("a.conf", "spin: 20us, max_traced_msg_len: 10\n"
                              "jetstream { store_dir: '%s', sync_interval: %s }"
                              % (self.folder, value))
            server = self.serve("-c", path)
            self.assertNotIn("[WRN]", server.log())
            self.write("a.conf", "spin: 20us, max_traced_msg_len: 10\n"
                       "jetstream { store_dir: '%s', sync_interval: 11s }" % self.folder)
            server.send_signal(signal.SIGHUP)
            server.logged("config reload not supported for SyncInterval")
            self.assertEqual(server.end(), 0)

    def test_large_messages(self):
        """A stream takes what max_payload allows, also in a store that began with less."""
        path = self.write("a.conf", "jetstream { store_dir: '%s' }" % self.folder)
        server = self.serve("-c", path)
        client = self.client(server, connect='{"verbose":false}')
        client.request("$JS.API.STREAM.CREATE.file", '{"name":"file","subjects":["file"]}')
        self.assertEqual(client.request("file", "first")["seq"], 1)
        self.assertEqual(server.end(), 0)
        text = "x" * (24 << 20)
        self.write("a.conf", "max_payload: 24MB\njetstream { store_dir: '%s' }" % self.folder)
        for first in (2, 4):
            server = self.serve("-c", path)
            client = self.client(server, connect='{"verbose":false}')
            for seq in (first, first + 1):
                self.assertEqual(client.request("file", text).get("seq"), seq)
            state = client.request("$JS.API.STREAM.INFO.file")["state"]
            self.assertEqual(state["messages"], first + 1)
            self.assertEqual(server.end(signal.SIGKILL), -signal.SIGKILL)
        done = self.run_once("--check", self.folder)
        self.assertEqual(done.returncode, 0, done.stdout)
        server = self.serve("-c", path)
        client = self.client(server, connect='{"verbose":false}')
        client.request("$JS.API.STREAM.CREATE.memory",
                       '{"name":"memory","subjects":["memory"],"storage":"memory"}')
        self.assertEqual(client.request("memory", text).get("seq"), 1)
        for seq in (1, 5):
            got = client.request("$JS.API.STREAM.MSG.GET.file", '{"seq":%d}' % seq)
            self.assertEqual(len(got["message"]["data"]), {1: 8, 5: (24 << 20) * 4 // 3}[seq])

    def test_jetstream_far_times(self):
        """Times as far away as a number can say stop nothing, also after the next start."""
        far, flags = 2**63 - 1, ("-js", "-sd", self.folder)
        for start in range(3):
            server = self.serve(*flags)
            client = self.client(server, connect='{"verbose":false,"headers":true}')
            if start == 0:
                client.request("$JS.API.STREAM.CREATE.S", json.dumps(
                    {"name": "S", "subjects": ["s.>"], "max_age": far, "allow_msg_ttl": True,
                     "allow_msg_schedules": True}))
                for name, more in (("a", {"inactive_threshold": far}),
                                   ("b", {"deliver_subject": "d", "idle_heartbeat": far}),
                                   ("c", {"ack_wait": far}), ("d", {"backoff": [far]})):
                    made = client.request("$JS.API.CONSUMER.DURABLE.CREATE.S." + name, json.dumps(
                        {"stream_name": "S", "config": {"durable_name": name,
                                                        "ack_policy": "explicit", **more}}))
                    self.assertEqual(made.get("name"), name, made)
            for name in "acd":
                client.say("PUB $JS.API.CONSUMER.MSG.NEXT.S.%s far.%s 48\r\n%s" % (
                    name, name, '{"batch":1,"expires":9000000000000000000}'.ljust(48)))
            headers = ("NATS/1.0\r\nNats-Schedule: @every 2200000h\r\n"
                       "Nats-Schedule-Target: s.never\r\n\r\n")
            client.say("HPUB s.later %d %d\r\n%s" % (len(headers), len(headers), headers))
            headers = "NATS/1.0\r\nNats-TTL: 9223372036\r\n\r\n"
            client.say("HPUB s.x %d %d\r\n%s" % (len(headers), len(headers), headers))
            self.assertTrue(client.ping())
            names = client.request("$JS.API.CONSUMER.NAMES.S")
            self.assertEqual(sorted(names["consumers"]), ["a", "b", "c", "d"])
            self.assertEqual(server.end(), 0)

    def test_jetstream_temporary(self):
        """Without a directory: in that of temporary files, and said so."""
        server = self.serve("-js", env=dict(os.environ, TMPDIR=self.folder))
        self.assertIn("[WRN] Temporary storage directory used", server.log())
        self.assertTrue(os.path.isdir(self.path("rilld/jetstream")))

    # ---- Monitoring

    def http(self, port, target, method="GET"):
        conn = http.client.HTTPConnection("127.0.0.1", port, timeout=BOUND_S)
        conn.request(method, target)
        answer = conn.getresponse()
        body = answer.read().decode()
        conn.close()
        return answer, body

    def page(self, port, target):
        answer, body = self.http(port, target)
        self.assertEqual(answer.status, 200, body)
        self.assertEqual(answer.getheader("Content-Type"), "application/json")
        return json.loads(body)

    def monitored(self, *args):
        server = self.serve("-m", "-1", *args)
        found = re.search(r"\[INF\] Starting http monitor on 127\.0\.0\.1:(\d+)\n", server.log())
        server.http_port = int(found[1])
        return server

    def test_varz(self):
        server = self.monitored("--name", "north")
        client = self.client(server)
        client.say("SUB foo 1\r\nSUB bar 2\r\nPUB foo 3\r\nabc")
        while client.read() != "MSG foo 1 3":
            pass
        varz = self.page(server.http_port, "/varz")
        for key, value in (("server_name", "north"), ("server_id", client.info["server_id"]),
                           ("version", client.info["version"]), ("port", server.port),
                           ("http_port", server.http_port), ("host", "127.0.0.1"),
                           ("connections", 1), ("total_connections", 1), ("subscriptions", 2),
                           ("in_msgs", 1), ("in_bytes", 3), ("out_msgs", 1), ("out_bytes", 3),
                           ("max_payload", 1 << 20), ("ping_interval", 120 * 10**9),
                           ("max_connections", 65536), ("slow_consumers", 0), ("tls_timeout", 2),
                           ("gomaxprocs", len(os.sched_getaffinity(0)))):
            self.assertEqual(varz[key], value, key)
        self.assertGreater(varz["mem"], 100000)
        self.assertRegex(varz["now"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$")
        self.assertRegex(varz["uptime"], r"^\d+s$")
        self.assertEqual(self.page(server.http_port, "/varz")["http_req_stats"]["/varz"], 2)
        self.assertEqual(self.page(server.http_port, "/subsz")["num_subscriptions"], 2)
        self.assertEqual(self.page(server.http_port, "/healthz"), {"status": "ok"})

    def test_jsz(self):
        self.assertTrue(self.page(self.monitored().http_port, "/jsz")["disabled"])
        server = self.monitored("-js", "-sd", self.folder)
        client = self.client(server, connect='{"verbose":false}')
        for name in "AB":
            client.request("$JS.API.STREAM.CREATE." + name,
                           '{"name":"%s","subjects":["%s.>"]}' % (name, name))
            for i in range(3):
                client.request(name + ".x", "payload")
        client.request("$JS.API.CONSUMER.DURABLE.CREATE.A.d", '{"stream_name":"A",'
                       '"config":{"durable_name":"d","ack_policy":"explicit"}}')
        client.request("$JS.API.STREAM.INFO.NONE")
        jsz = self.page(server.http_port, "/jsz")
        state = client.request("$JS.API.STREAM.INFO.A")["state"]
        for key, value in (("streams", 2), ("consumers", 1), ("messages", 6), ("memory", 0),
                           ("bytes", 2 * state["bytes"]), ("storage", 2 * state["bytes"])):
            self.assertEqual(jsz[key], value, key)
        self.assertEqual(jsz["config"]["store_dir"], self.folder + "/jetstream")
        self.assertEqual(jsz["api"]["errors"], 1)
        self.assertEqual(server.end(), 0)

    def test_connz(self):
        server = self.monitored("--user", "u", "--pass", "p")
        clients = []
        for i in range(5):
            clients.append(self.client(server, connect=json.dumps({
                "name": 'n"<%d' % i, "lang": "py", "version": "9.8", "user": "u", "pass": "p",
                "verbose": False})))
            self.assertTrue(clients[i].ping())
        clients[3].say("SUB a 1")
        self.assertTrue(clients[3].ping())
        connz = self.page(server.http_port, "/connz")
        self.assertEqual((connz["num_connections"], connz["total"], connz["limit"]), (5, 5, 1024))
        self.assertEqual([conn["cid"] for conn in connz["connections"]], [1, 2, 3, 4, 5])
        conn = connz["connections"][3]
        self.assertEqual((conn["ip"], conn["port"]), clients[3].socket.getsockname())
        self.assertEqual((conn["name"], conn["lang"], conn["version"]), ('n"<3', "py", "9.8"))
        self.assertEqual(conn["subscriptions"], 1)
        self.assertNotIn("authorized_user", conn)
        for query, cids in (("sort=subs&limit=1", [4]), ("offset=1&limit=2", [2, 3]),
                            ("cid=5&auth=1", [5]), ("cid=77", []), ("state=closed", []),
                            ("offset=9", []), ("sort=uptime&offset=4", [5])):
            connz = self.page(server.http_port, "/connz?" + query)
            self.assertEqual([conn["cid"] for conn in connz["connections"]], cids, query)
        connz = self.page(server.http_port, "/connz?cid=5&auth=1")
        self.assertEqual(connz["connections"][0]["authorized_user"], "u")
        self.assertEqual(self.http(server.http_port, "/connz?sort=beauty")[0].status, 400)

    def test_connz_of_many(self):
        """More than a slice of the turn has room for, and than is copied together."""
        server = self.monitored()
        for _ in range(10):
            gone = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(300)]
            for conn in gone:
                self.assertTrue(conn.recv(1000).startswith(b"INFO "))
                conn.close()

        def ids(query):
            page = self.page(server.http_port, "/connz?" + query)
            self.assertEqual(page["num_connections"], len(page["connections"]), query)
            return page["total"], [conn["cid"] for conn in page["connections"]]
        wait_for("3000 that have gone", lambda: ids("state=closed&limit=1")[0] == 3000)
        there = [Client(server.port, connect=json.dumps({"name": "n" * 2000, "verbose": False}))
                 for _ in range(600)]
        self.assertTrue(all(client.ping() for client in there))
        of_all, of_there = list(range(1, 3601)), list(range(3001, 3601))
        backward = of_there[::-1]
        there[-1].say("SUB x 1")
        self.assertTrue(there[-1].ping())
        for query, total, cids in (
                ("limit=9999", 600, of_there), ("limit=500", 600, of_there[:500]),
                ("offset=590&limit=9999", 600, of_there[590:]), ("cid=3007", 1, [3007]),
                ("sort=last&limit=9999", 600, sorted), ("sort=subs&limit=1", 600, backward[:1]),
                ("sort=subs&limit=599", 600, backward[:1] + of_there[:598]),
                ("sort=subs&offset=598&limit=9", 600, of_there[597:599]),
                ("state=any&limit=9999", 3600, of_all), ("state=any&limit=9", 3600, of_all[:9]),
                ("state=any&offset=2995&limit=9", 3600, of_all[2995:3004]),
                ("state=closed&limit=9999", 3000, of_all[:3000])):
            found = ids(query)
            if cids is sorted:
                found, cids = (found[0], sorted(found[1])), of_there
            self.assertEqual(found, (total, cids), query)
        for client in there:
            client.close()

    def test_monitor_closed(self):
        """Who has gone is remembered, with the reason in nats-server's words."""
        path = self.write("a.conf", "authorization { users: [ { user: u, password: p }, "
                          "{ user: v, password: p } ] }\nmax_payload: 100\n")
        port = self.serve("-c", path, "-m", "-1")
        found = re.search(r"Starting http monitor on 127\.0\.0\.1:(\d+)\n", port.log())
        server, port = port, int(found[1])
        login = '{"verbose":false,"user":"%s","pass":"p","name":"%s"}'
        stays = self.client(server, connect=login % ("u", "stays"))
        stays.say("SUB orders.* 1")
        self.assertTrue(stays.ping())
        goes = Client(server.port, connect=login % ("v", "goes <b>"))
        goes.write("SUB other 1\r\nPUB x 2\r\nhi\r\n")
        self.assertTrue(goes.ping())
        goes.close()
        big = Client(server.port, connect=login % ("v", "big"))
        big.write("PUB x 101\r\n")
        wrong = Client(server.port, connect='{"verbose":false,"user":"u","pass":"no"}')

        def closed(query=""):
            return self.page(port, "/connz?state=closed" + query)
        wait_for("three that have gone", lambda: closed()["total"] == 3)
        big.close()
        wrong.close()
        page = closed("&sort=reason&auth=1")
        self.assertEqual([c["reason"] for c in page["connections"]],
                         ["Authentication Failure", "Client Closed",
                          "Maximum Message Payload Exceeded"])
        conn = page["connections"][1]
        self.assertEqual((conn["name"], conn["authorized_user"], conn["in_msgs"],
                          conn["in_bytes"], conn["subscriptions"]), ("goes <b>", "v", 1, 2, 1))
        self.assertLessEqual(conn["start"], conn["stop"])
        stops = [c["stop"] for c in closed("&sort=stop")["connections"]]
        self.assertEqual(stops, sorted(stops, reverse=True))
        self.assertEqual(closed("&limit=1&offset=2")["num_connections"], 1)
        self.assertEqual([c["name"] for c in closed("&user=v")["connections"]],
                         ["goes <b>", "big"])
        everybody = self.page(port, "/connz?state=any")["connections"]
        self.assertEqual([c["cid"] for c in everybody],
                         sorted(c["cid"] for c in everybody))
        self.assertEqual(len(everybody), 4)
        for query, names in (("filter_subject=orders.%3E", ["stays"]), ("filter_subject=none", []),
                             ("user=u", ["stays"]), ("user=v", []), ("acc=$G", ["stays"])):
            page = self.page(port, "/connz?" + query)
            self.assertEqual([c["name"] for c in page["connections"]], names, query)
        for query in ("sort=stop", "sort=reason&state=any"):
            answer, text = self.http(port, "/connz?" + query)
            self.assertEqual(answer.status, 400, query)
            self.assertIn(" only valid on closed connections", text)

    def test_monitor_rtt(self):
        """How long a PING takes to be answered is known, and sorts."""
        path = self.write("a.conf", "ping_interval: '50ms'\nping_max: 1000\n")
        server = self.monitored("-c", path)
        a, b = self.client(server), self.client(server)
        self.assertTrue(a.ping() and b.ping())
        for client in (a, b):
            while client.read_line() != "PING":
                pass
            client.say("PONG")
            self.assertTrue(client.ping())
        conns = self.page(server.http_port, "/connz?sort=rtt")["connections"]
        for conn in conns:
            self.assertRegex(conn["rtt"], "^[1-9][0-9.]*(\u00b5s|ms|s)$")
        self.assertEqual(len(conns), 2)

    def test_monitor_others(self):
        """What nats-server says of clusters, queues and Go, as far as there is such."""
        server = self.monitored("-js", "-sd", self.folder)
        port = server.http_port
        self.assertEqual(self.page(port, "/routez")["routes"], [])
        self.assertEqual(self.page(port, "/leafz")["leafs"], [])
        self.assertEqual(self.page(port, "/gatewayz")["inbound_gateways"], {})
        self.assertEqual(self.page(port, "/ipqueuesz?all=1"),
                         {"JetStream API queue": {"pending": 0}})
        self.assertEqual(self.page(port, "/ipqueuesz"), {})
        self.assertEqual(self.http(port, "/raftz")[0].status, 404)
        for path in ("/expvarz", "/debug/vars"):
            self.assertGreater(self.page(port, path)["memstats"]["Sys"], 100000)
        answer, body = self.http(port, "/healthz?account=$G&stream=x&details=1")
        self.assertEqual((answer.status, json.loads(body)), (404, {"status": "error", "errors": [
            {"type": "STREAM", "account": "$G", "stream": "x",
             "error": 'JetStream stream "x" not found on account "$G"'}]}))

    def test_monitor_keeps(self):
        """A connection is good for many requests, unless it is not wanted to be."""
        port = self.monitored().http_port
        conn = http.client.HTTPConnection("127.0.0.1", port, timeout=BOUND_S)
        conn.connect()
        kept = conn.sock
        for target, status in (("/varz", 200), ("/nothing", 404), ("/healthz", 200)):
            conn.request("GET", target)
            answer = conn.getresponse()
            answer.read()
            self.assertEqual((answer.status, answer.getheader("Connection")), (status, None))
            self.assertIs(conn.sock, kept)
        conn.close()
        ask = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
        for text, answers in ((b"\r\n".join([ask] * 3) + b"connection: Close\r\n\r\n" + ask, 3),
                              (ask.replace(b"1.1", b"1.0") + b"\r\n" + ask, 1),
                              (ask.replace(b"GET", b"POST") + b"Content-Length: 2\r\n\r\nab", 0),
                              (ask.replace(b"1.1", b"1.0") + b"Connection: keep-alive\r\n\r\n" +
                               ask + b"Connection: close\r\n\r\n", 2)):
            with socket.create_connection(("127.0.0.1", port), timeout=BOUND_S) as s:
                s.sendall(text)
                got = b"".join(iter(lambda: s.recv(4096), b""))
            self.assertEqual(got.count(b"HTTP/1.1 200 OK\r\n"), answers, text)
            self.assertEqual(got.count(b"Connection: close\r\n"), 1, text)

    def test_monitor_subs(self):
        server = self.monitored()
        port = server.http_port
        a = self.client(server)
        for line in ("SUB foo.* 1", "SUB bar workers x2", "UNSUB x2 7"):
            a.say(line)
        self.assertTrue(a.ping())
        cid = a.info["client_id"]
        conns = {conn["cid"]: conn for conn in self.page(port, "/connz?subs=1")["connections"]}
        self.assertEqual(conns[cid]["subscriptions_list"], ["foo.*", "bar"])
        page = self.page(port, "/connz?subs=detail&cid=%d" % cid)
        self.assertEqual((page["total"], page["limit"]), (1, 1))
        self.assertEqual(page["connections"][0]["subscriptions_list_detail"], [
            {"subject": "foo.*", "sid": "1", "msgs": 0, "cid": cid},
            {"subject": "bar", "qgroup": "workers", "sid": "x2", "msgs": 0, "max": 7, "cid": cid}])
        self.assertNotIn("subscriptions_list", self.page(port, "/connz")["connections"][0])
        page = self.page(port, "/subsz?subs=1&test=foo.1")
        self.assertEqual([sub["subject"] for sub in page["subscriptions_list"]], ["foo.*"])
        self.assertEqual(page["total"], 1)
        page = self.page(port, "/subsz?subs=1&offset=1&limit=1")
        self.assertEqual([sub["subject"] for sub in page["subscriptions_list"]], ["bar"])
        for target, body in (("/connz?sort=odd", "invalid sorting option: odd"),
                             ("/connz?state=odd", "Error decoding state for odd"),
                             ("/subsz?test=a.*", "invalid test subject, must be valid publish "
                              "subject: a.*"), ("/accountz?acc=X", "Account X does not exist")):
            answer, text = self.http(port, target)
            self.assertEqual((answer.status, text), (400, body))
        self.assertEqual(self.page(port, "/accountz")["accounts"], ["$G"])
        detail = self.page(port, "/accountz?acc=%24G")["account_detail"]
        self.assertEqual((detail["account_name"], detail["client_connections"]), ("$G", 1))
        self.assertEqual(self.page(port, "/accstatz")["account_statz"][0]["conns"], 1)
        for target, key in (("/routez", "routes"), ("/gatewayz", "inbound_gateways"),
                            ("/leafz", "leafs")):
            self.assertFalse(self.page(port, target)[key])

    def test_monitor_many_subs(self):
        """Lists of subscriptions end at 4096, say so, and go on where they are told to."""
        server = self.monitored()
        port = server.http_port
        a = self.client(server)
        for n in range(5000):
            a.say("SUB s.%d %d" % (n, n))
        self.assertTrue(a.ping())
        target = "/connz?subs=1&cid=%d" % a.info["client_id"]
        first = self.page(port, target)["connections"][0]
        self.assertEqual((first["subscriptions"], first["subs_offset"], first["subs_limit"]),
                         (5000, 0, 4096))
        rest = self.page(port, target + "&subs_offset=4096")["connections"][0]
        self.assertEqual(rest["subs_offset"], 4096)
        listed = first["subscriptions_list"] + rest["subscriptions_list"]
        self.assertEqual(listed, ["s.%d" % n for n in range(5000)])
        seen = []
        while True:
            page = self.page(port, "/subsz?subs=1&limit=100000&offset=%d" % len(seen))
            self.assertEqual((page["total"], page["limit"]), (5000, 4096))
            if not page["subscriptions_list"]:
                break
            seen += [sub["subject"] for sub in page["subscriptions_list"]]
        self.assertEqual(seen, listed)

    def test_monitor_jetstream(self):
        """Streams and consumers, over several pages of the API's answers, and their health."""
        server = self.monitored("-js", "-sd", self.folder)
        port = server.http_port
        client = self.client(server, connect='{"verbose":false}')
        for i in range(300):
            client.request("$JS.API.STREAM.CREATE.S%03d" % i, '{"name":"S%03d","subjects":["s.%d"],'
                           '"description":"a \\"quoted\\" ] one"}' % (i, i))
        client.request("$JS.API.CONSUMER.CREATE.S007.C", '{"stream_name":"S007","config":'
                       '{"name":"C","durable_name":"C","ack_policy":"explicit"}}')
        client.request("s.7", "hello")
        page = self.page(port, "/jsz")
        self.assertEqual([page[key] for key in ("streams", "consumers", "messages")], [300, 1, 1])
        self.assertNotIn("account_details", page)
        account = self.page(port, "/jsz?consumers=true&config=1&acc=$G")["account_details"][0]
        streams = account["stream_detail"]
        self.assertEqual([stream["name"] for stream in streams], ["S%03d" % i for i in range(300)])
        self.assertEqual(streams[7]["config"]["description"], 'a "quoted" ] one')
        self.assertEqual(streams[7]["state"]["messages"], 1)
        self.assertEqual(streams[7]["consumer_detail"][0]["config"]["ack_policy"], "explicit")
        self.assertEqual(streams[8]["consumer_detail"], [])
        bare = self.page(port, "/jsz?streams=1")["account_details"][0]["stream_detail"][7]
        self.assertEqual(set(bare), {"name", "created", "cluster", "state"})
        self.assertNotIn("account_details", self.page(port, "/jsz?acc=none&streams=1"))
        self.assertEqual(self.page(port, "/varz")["jetstream"]["stats"]["accounts"], 1)
        for query, status in (("", 200), ("?js-enabled-only=1", 200), ("?stream=S007", 400),
                              ("?account=$G&stream=S007", 200), ("?account=$G&stream=no", 404),
                              ("?account=$G&stream=S007&consumer=C", 200),
                              ("?account=$G&stream=S007&consumer=D", 404), ("?account=no", 404)):
            answer, body = self.http(port, "/healthz" + query)
            self.assertEqual(answer.status, status, query)
            self.assertEqual(json.loads(body)["status"] == "ok", status == 200)
        answer, body = self.http(self.monitored().http_port, "/healthz?js-enabled-only=true")
        self.assertEqual(answer.status, 503)

    def test_monitor_numbers(self):
        """What exporters and dashboards read is there, and is so."""
        path = self.write("a.conf", "ping_interval: '500ms'\nping_max: 1\n"
                          "jetstream { store_dir: '%s' }" % self.folder)
        server = self.monitored("-c", path)
        client = self.client(server, connect='{"verbose":false}')
        client.request("$JS.API.STREAM.CREATE.F", '{"name":"F","subjects":["f"],'
                       '"max_bytes":1000000}')
        client.request("$JS.API.STREAM.CREATE.M", '{"name":"M","subjects":["m"],'
                       '"storage":"memory","max_bytes":2000000}')
        client.say("SUB a 91\r\nSUB a 92\r\nSUB a 93 q\r\nUNSUB 92")
        for i in range(6):
            client.say("PUB a 1\r\nx\r\nPUB b 1\r\nx") # by turns, so that answers are remembered
        wait_for("a connection that answers no ping",
                 lambda: self.page(server.http_port, "/varz")["stale_connections"] == 1)
        varz = self.page(server.http_port, "/varz")
        for way in ("in", "out"):
            for what in ("msgs", "bytes"):
                self.assertEqual(varz["%s_client_%s" % (way, what)], varz["%s_%s" % (way, what)])
        self.assertEqual(varz["stale_connection_stats"]["clients"], 1)
        self.assertEqual(varz["stalled_clients"], 0)
        stats, config = varz["jetstream"]["stats"], varz["jetstream"]["config"]
        self.assertEqual((stats["reserved_storage"], stats["reserved_memory"]), (10**6, 2 * 10**6))
        disk = os.statvfs(self.folder)
        room = disk.f_bavail * disk.f_frsize * 3 / 4
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 3 / 4
        self.assertAlmostEqual(config["max_storage"] / room, 1, delta=0.1)
        self.assertTrue(0 < config["max_memory"] <= memory)
        subsz = self.page(server.http_port, "/subsz")
        self.assertEqual(subsz["num_inserts"] - subsz["num_removes"], subsz["num_subscriptions"])
        self.assertGreaterEqual(subsz["num_removes"], 3)
        self.assertGreaterEqual(subsz["num_matches"], 6)
        self.assertTrue(0 < subsz["cache_hit_rate"] < 1)
        self.assertGreater(subsz["num_cache"], 0)
        self.assertGreaterEqual(subsz["max_fanout"], subsz["avg_fanout"])
        # The limits that were found do not count as changed.
        self.write("a.conf", "max_payload: 99\njetstream { store_dir: '%s' }" % self.folder)
        server.send_signal(signal.SIGHUP)
        server.logged("Reloaded server configuration")
        after = self.page(server.http_port, "/varz")
        self.assertEqual((after["max_payload"], after["jetstream"]["config"]), (99, config))

    def test_system_requests(self):
        """Who is connected, and what the account did, by requests."""
        server = self.monitored("-js", "-sd", self.folder)
        client = self.client(server, connect='{"verbose":false,"name":"one","lang":"py"}')
        other = self.client(server, connect='{"verbose":false,"name":"two"}')
        other.say("SUB x 1")
        self.assertTrue(other.ping())
        for subject in ("SERVER.PING.CONNZ", "ACCOUNT.PING.CONNZ",
                        "SERVER.%s.CONNZ" % client.info["server_id"]):
            answer = client.request("$SYS.REQ." + subject)
            self.assertEqual(answer["server"]["id"], client.info["server_id"])
            data = answer["data"]
            self.assertEqual((data["num_connections"], data["total"], data["offset"]), (2, 2, 0))
            page = self.page(server.http_port, "/connz")["connections"]
            for told, shown in zip(data["connections"], page):
                for key in ("cid", "kind", "type", "ip", "port"):
                    self.assertEqual(told[key], shown[key], key)
                self.assertEqual(set(shown) - set(told), set())
                self.assertEqual(told["start"].rstrip("0Z"), shown["start"].rstrip("0Z"))
        data = client.request("$SYS.REQ.SERVER.PING.CONNZ", '{"offset":1,"limit":1}')["data"]
        self.assertEqual([c["name"] for c in data["connections"]], ["two"])
        data = client.request("$SYS.REQ.ACCOUNT.PING.STATZ")["data"]["account_statz"]
        page = self.page(server.http_port, "/accstatz")["account_statz"]
        self.assertEqual(set(data[0]), set(page[0]))
        self.assertEqual((len(data), data[0]["acc"], data[0]["conns"]), (1, "$G", 2))

    def test_jetstream_limits(self):
        """Of a request to JetStream, as the configuration says; and the page says them."""
        path = self.write("a.conf", "jetstream { store_dir: '%s', limits { max_ack_pending: 50, "
                          "max_request_batch: 7, max_subjects: 3, duplicate_window: 30s, "
                          "max_ha_assets: 5 } }"
                          % self.folder)
        server = self.monitored("-c", path)
        server.logged('"max_ha_assets" is not supported by this broker and is ignored')
        client = self.client(server, connect='{"verbose":false}')
        config = client.request("$JS.API.STREAM.CREATE.A",
                                '{"name":"A","subjects":["a"]}')["config"]
        self.assertEqual(config["duplicate_window"], 30 * 10**9)
        self.assertIn("server limit of 30s", client.request(
            "$JS.API.STREAM.CREATE.B", '{"name":"B","subjects":["b"],"duplicate_window":%d}'
            % (60 * 10**9))["error"]["description"])
        self.assertIn("at most 3 subjects", client.request(
            "$JS.API.STREAM.CREATE.B", '{"name":"B","subjects":["b1","b2","b3","b4"]}')["error"][
                "description"])

        def consumer(more):
            return client.request(
                "$JS.API.CONSUMER.CREATE.A.c", '{"stream_name":"A","config":'
                '{"name":"c","durable_name":"c","ack_policy":"explicit"%s}}' % more)
        for more, code in ((',"max_ack_pending":51', 10121), (',"max_batch":8', 10125)):
            self.assertEqual(consumer(more)["error"]["err_code"], code)
        config = consumer("")["config"]
        self.assertEqual((config["max_ack_pending"], config["max_batch"]), (50, 7))
        self.assertEqual(self.page(server.http_port, "/jsz")["limits"],
                         {"max_request_batch": 7, "max_ack_pending": 50,
                          "max_duplicate_window": 30 * 10**9})

    def test_reserved(self):
        """Streams are not promised more bytes in all than there may be."""
        path = self.write("a.conf", "jetstream { store_dir: '%s', max_file: 10MB, max_mem: 1MB }"
                          % self.folder)
        client = self.client(self.serve("-c", path), connect='{"verbose":false}')

        def stream(verb, name, size, storage="file"):
            return client.request("$JS.API.STREAM.%s.%s" % (verb, name), json.dumps(
                {"name": name, "subjects": [name], "max_bytes": size, "storage": storage})).get(
                    "error", {}).get("err_code")
        self.assertIsNone(stream("CREATE", "A", 6 << 20))
        self.assertEqual(stream("CREATE", "B", 5 << 20), 10047)
        self.assertIsNone(stream("CREATE", "B", 4 << 20))
        self.assertEqual(stream("UPDATE", "B", 5 << 20), 10047)
        self.assertIsNone(stream("UPDATE", "A", 5 << 20))
        self.assertIsNone(stream("UPDATE", "B", 5 << 20))
        self.assertIsNone(stream("CREATE", "C", -1))
        self.assertEqual(stream("CREATE", "M", 2 << 20, "memory"), 10028)
        self.assertIsNone(stream("CREATE", "M", 1 << 20, "memory"))

    def test_monitor_http(self):
        """What is no request for a page, and visitors that are slow, silent or rude."""
        server = self.monitored()
        port = server.http_port
        self.assertEqual(self.http(port, "/nothing")[0].status, 404)
        self.assertEqual(self.http(port, "/varz", "DELETE")[0].status, 405)
        answer, body = self.http(port, "/varz", "HEAD")
        self.assertEqual((answer.status, body), (200, ""))
        self.assertGreater(int(answer.getheader("Content-Length")), 100)
        self.assertIn("<title>rill</title>", self.http(port, "/")[1])
        self.assertIn("\nrill_door_connections{door=\"nats\"} 0\n", self.http(port, "/metrics")[1])
        silent = [self.stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                  for _ in range(31)]
        for text, status in ((b"\0\0\0\r\n\r\n", b"400"), (b"x" * 9000, b"431"),
                             (b"GET /healthz\r\n\r\n", b"505"),
                             (b"GET /healthz HTTP/1.0\r\n\r\n", b"200")):
            with socket.create_connection(("127.0.0.1", port), timeout=BOUND_S) as s:
                s.sendall(text)
                self.assertIn(status, s.recv(4096))
        with socket.create_connection(("127.0.0.1", port), timeout=BOUND_S) as s:
            for byte in b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n":
                s.sendall(bytes([byte]))
            self.assertIn(b"200 OK", s.recv(4096))
        socket.create_connection(("127.0.0.1", port)).close()
        silent.pop().close()
        self.assertEqual(self.page(port, "/healthz"), {"status": "ok"})
        self.assertTrue(self.client(server).ping())
        self.assertEqual(server.end(), 0)

    def test_monitor_nonsense(self):
        """What a page cannot be asked for is refused, and not taken for what was not asked."""
        port = self.monitored().http_port
        for page, kind, name, value in (
                ("connz", "int", "limit", "abc"), ("connz", "int", "offset", "1x"),
                ("connz", "int", "limit", "9" * 20), ("connz", "uint64", "cid", "-1"),
                ("connz", "boolean", "subs", "maybe"), ("subsz", "boolean", "subs", "2"),
                ("jsz", "boolean", "streams", "yes"), ("jsz", "int", "offset", "+"),
                ("healthz", "boolean", "js-enabled-only", "x"),
                ("accstatz", "boolean", "unused", "tRUE")):
            answer, body = self.http(port, "/%s?a=1&%s=%s" % (page, name, value))
            self.assertEqual(answer.status, 400, page)
            self.assertIn("Error decoding %s for '%s'" % (kind, name), body)
        for good in ("connz?limit=-5&offset=%2B0&subs=detail&auth=T&cid=",
                     "jsz?streams=false&raft=F",
                     "varz?limit=abc", "subsz?subs=TRUE&limit="):
            self.assertEqual(self.http(port, "/" + good)[0].status, 200, good)

    def test_monitor_config(self):
        """From the file, in the ports file, and after a reload that replaces the file's text."""
        text = "port: -1\nhttp: '127.0.0.1:-1'\nports_file_dir: '%s'\n" % self.folder
        path = self.write("a.conf", text)
        server = self.start("-a", "127.0.0.1", "-c", path).ready()
        with open(self.path("nats-server_%d.ports" % server.pid)) as file:
            ports = json.load(file)
        self.assertEqual(ports["nats"], ["nats://127.0.0.1:%d" % server.port])
        port = int(ports["monitoring"][0].rsplit(":", 1)[1])
        before = self.page(port, "/varz")
        self.write("a.conf", text + "max_payload: 77\n")
        server.send_signal(signal.SIGHUP)
        server.logged("Reloaded server configuration")
        after = self.page(port, "/varz")
        self.assertEqual((before["max_payload"], after["max_payload"]), (1 << 20, 77))
        self.assertEqual(after["http_host"], "127.0.0.1")
        self.assertNotEqual(before["config_load_time"], after["config_load_time"])
        taken = self.run_once("-a", "127.0.0.1", "-p", "-1", "-m", str(port))
        self.assertEqual(taken.returncode, 1)
        self.assertIn("[FTL] Can't start monitoring", taken.stderr)

    # ---- Signals

    def test_end(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            server = self.serve()
            client = self.client(server)
            self.assertTrue(client.ping())
            self.assertEqual(server.end(number), 0)
            client.read_end()
            self.assertIn("Server Exiting..", server.log())

    def test_end_streams(self):
        """Who waits for a message is told of the end; what was delivered is counted, however soon
        the end came behind it: what is given back comes again, but no more than twice."""
        delivery = None
        for round in (1, 2, 3):
            server = self.serve("-js", "-sd", self.folder)
            client = self.client(server, connect='{"headers":true,"verbose":false}')
            client.request("$JS.API.STREAM.CREATE.S", '{"name":"S","subjects":["s"]}')
            client.request("$JS.API.CONSUMER.CREATE.S.c", json.dumps({
                "stream_name": "S", "config": {"durable_name": "c", "ack_policy": "explicit",
                                               "ack_wait": 10**12, "max_deliver": 2}}))
            if round == 1:
                client.request("s")
            else:
                client.say("PUB %s 4\r\n-NAK" % delivery)
            body = '{"batch":2,"expires":30000000000}'
            client.say("SUB in 1000\r\nPUB $JS.API.CONSUMER.MSG.NEXT.S.c in %d\r\n%s" %
                        (len(body), body))
            if round <= 2:
                while "$JS.ACK.S.c.%d.1." % round not in (line := client.read()):
                    pass
                delivery = line.split()[3]
            wait_for("the pull to be there", lambda: client.request(
                "$JS.API.CONSUMER.INFO.S.c")["num_waiting"] == 1)
            self.assertEqual(server.end(), 0)
            left = "Nats-Pending-Messages: %d" % (1 if round <= 2 else 2)
            lines = client.read_end()
            self.assertIn("NATS/1.0 409 Server Shutdown", lines)
            self.assertIn(left, lines)

    def test_inherited_signals(self):
        """SIGINT ignored or blocked by who started us counts, also when it comes early."""
        def ignore():
            signal.signal(signal.SIGINT, signal.SIG_IGN)

        def block():
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
        for prepare in (ignore, block):
            server = self.start("-a", "127.0.0.1", "-p", "-1", preexec_fn=prepare)
            server.logged("Starting nats-server")
            self.assertEqual(server.end(signal.SIGINT), 0)

    def test_reload(self):
        path = self.write("a.conf", "port: -1\nmax_payload: 1000\n")
        server = self.serve("-c", path)
        old = self.client(server)
        self.assertTrue(old.ping())
        self.write("a.conf", "port: -1\nmax_payload: 2000\n")
        server.send_signal(signal.SIGHUP)
        server.logged("[INF] Reloaded server configuration")
        self.assertEqual(self.client(server).info["max_payload"], 2000)
        self.assertTrue(old.ping())
        # What is wrong, or cannot change, leaves all as it was.
        for text, why in (("max_payload: x", "a.conf:1:1: max_payload should be"),
                          ("max_payload: 1\nserver_name: other", "not supported for ServerName"),
                          ("max_payload: 1\nlog_file: /no/such/x", "open /no/such/x")):
            self.write("a.conf", text)
            server.send_signal(signal.SIGHUP)
            server.logged("[ERR] Failed to reload server configuration: ")
            server.logged(why)
            self.assertEqual(self.client(server).info["max_payload"], 2000)
        # Who could not log in any more is closed.
        self.write("a.conf", "authorization { user: u, password: p }\ntrace_headers: true\n")
        server.send_signal(signal.SIGHUP)
        wait_for("the old client's end", lambda: not old.ping())
        server.logged('"trace_headers"')
        self.assertTrue(self.client(server, connect='{"user":"u","pass":"p"}').ping())
        self.assertFalse(self.client(server).ping())
        self.assertEqual(server.end(), 0)

    def test_client_keys(self):
        """What clients are told, and what they may say."""
        path = self.write("a.conf", "port: -1\nno_header_support: true\nmax_sub_tokens: 3\n"
                          "client_advertise: 'example.org:4333'\n")
        server = self.serve("-c", path)
        client = self.client(server)
        told = client.info
        self.assertEqual((told["host"], told["port"], told["headers"]),
                         ("example.org", 4333, False))
        client.say("SUB a.b.c.d 1\r\nSUB a.b.c 2\r\nSUB a.b.c _sys_ 3\r\nPING")
        lines = [client.read()]
        while lines[-1] != "PONG":
            lines.append(client.read())
        refused = [line for line in lines if line.startswith("-ERR")]
        self.assertEqual(len(refused), 2)
        self.assertIn("too many tokens", refused[0])
        self.assertIn('using queue "_sys_"', refused[1])
        self.assertEqual(server.end(), 0)

    def test_reload_mappings(self):
        """Those of the file that was read last."""
        path = self.write("a.conf", "port: -1\nmappings { a: b, 'x.*': 'y.$1' }\n")
        server = self.serve("-c", path)
        client = self.client(server)
        client.say("SUB > 1")

        def mapped(subject):
            client.say("PUB %s 0\r\n\r\nPING" % subject)
            line = client.read()
            while line != "PONG":
                found, line = line or found, client.read()
            return found.split()[1]
        for subject, want in (("a", "b"), ("b", "b"), ("x.1", "y.1"), ("x.1.2", "x.1.2")):
            self.assertEqual(mapped(subject), want)
        for text, want in (("mappings { a: c }", ("c", "x.1")),
                           ("mappings { a: 'a.>' }", ("c", "x.1")), ("", ("a", "x.1"))):
            seen = server.log().count("eload")
            self.write("a.conf", "port: -1\n" + text)
            server.send_signal(signal.SIGHUP)
            wait_for("the reload", lambda: server.log().count("eload") > seen)
            self.assertEqual((mapped("a"), mapped("x.1")), want)
        self.assertEqual(server.end(), 0)

    def test_reload_without_file(self):
        server = self.serve()
        server.send_signal(signal.SIGHUP)
        server.logged("can only reload config when a file is provided")
        server.send_signal(signal.SIGUSR1)
        server.logged("not a file logger")
        self.assertTrue(self.client(server).ping())

    def test_reload_log(self):
        path = self.write("a.conf", "log_file: '%s'\n" % self.path("one.log"))
        server = self.start("-a", "127.0.0.1", "-p", "-1", "-c", path)
        server.ready(self.path("one.log"))
        self.write("a.conf", "log_file: '%s'\ndebug: true\n" % self.path("two.log"))
        server.send_signal(signal.SIGHUP)
        server.logged("Reloaded server configuration", self.path("two.log"))

    def test_lame_duck(self):
        path = self.write("a.conf", "lame_duck_grace_period: '4s'\n"
                          "lame_duck_duration: '5s'\n")
        server = self.serve("-c", path)
        client = self.client(server, connect='{"protocol":1,"verbose":false}')
        self.assertTrue(client.ping())
        self.assertTrue(client.read_info()["connect_info"])
        begin = time.monotonic()
        server.send_signal(signal.SIGUSR2)
        self.assertTrue(client.read_info()["ldm"])
        self.assertTrue(client.ping())
        with self.assertRaises((ConnectionRefusedError, ConnectionResetError)):
            Client(server.port)
        client.read_end()
        self.assertGreater(time.monotonic() - begin, 3.5)
        self.assertEqual(server.process.wait(BOUND_S), 0)
        self.assertIn("Entering lame duck mode, stop accepting new clients", server.log())

    def test_lame_duck_alone(self):
        server = self.serve()
        server.send_signal(signal.SIGUSR2)
        self.assertEqual(server.process.wait(BOUND_S), 0)

    def test_signal_flag(self):
        pid_file = self.path("pid")
        for command, want in (("quit", 0), ("term", 0), ("ldm", 0), ("stop", -signal.SIGKILL)):
            server = self.serve("-P", pid_file)
            target = pid_file if command in ("quit", "stop") else str(server.pid)
            self.assertEqual(self.run_once("--signal", command + "=" + target).returncode, 0)
            self.assertEqual(server.process.wait(BOUND_S), want)
        path = self.write("a.conf", "max_payload: 10\n")
        server = self.serve("-c", path)
        self.assertEqual(self.run_once("-sl=reload=%d" % server.pid).returncode, 0)
        server.logged("Reloaded server configuration")
        self.assertEqual(self.run_once("-signal=reopen=%d" % server.pid).returncode, 0)
        server.logged("not a file logger")
        for args, text in ((["--signal", "jump"], 'unknown signal "jump"'),
                           (["--signal", "term=%s" % self.path("none")], "invalid pid: "),
                           (["--signal", "term=0"], "invalid pid: 0"),
                           (["--signal", "term=2147483647"], "No such process")):
            done = self.run_once(*args, start_new_session=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn(text, done.stderr)

    def test_signal_by_name(self):
        """Without a pid it is the only process of the same name."""
        name = "rilld-test-%d" % os.getpid()
        os.symlink(self.exe, self.path(name))
        done = self.run_once("--signal", "term", name=name)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no %s processes running" % name, done.stderr)
        processes = []
        for i in range(2):
            with open(self.path("log%d" % i), "w") as log:
                processes.append(subprocess.Popen([self.path(name), "-a", "127.0.0.1", "-p", "-1"],
                                                  stderr=log))
            self.stack.callback(processes[i].wait)
            self.stack.callback(processes[i].kill)
        for i in range(2):
            def ready():
                with open(self.path("log%d" % i)) as log:
                    return "Server is ready" in log.read()
            wait_for("a server", ready)
        done = self.run_once("--signal", "term", name=name)
        self.assertEqual(done.returncode, 1)
        self.assertIn("multiple %s processes running" % name, done.stderr)
        processes[0].terminate()
        self.assertEqual(processes[0].wait(BOUND_S), 0)
        self.assertEqual(self.run_once("--signal", "term", name=name).returncode, 0)
        self.assertEqual(processes[1].wait(BOUND_S), 0)

    # ---- Care

    def test_care(self):
        """A store is looked at and saved by the one who has only the daemon."""
        base, saved = self.path("base"), self.path("saved")
        server = self.serve("-js", "-sd", base)
        client = self.client(server, connect='{"verbose":false}')
        client.request("$JS.API.STREAM.CREATE.A", '{"name":"A","subjects":["a"]}')
        for i in range(20):
            client.request("a", "message <%02d> " % i + "x" * 500)
        done = self.run_once("--check", base)
        self.assertEqual(done.returncode, 1)
        self.assertIn("is open already", done.stderr)
        self.assertEqual(server.end(), 0)
        done = self.run_once("--check", base)
        self.assertEqual((done.returncode, done.stdout), (0, base + "/jetstream: 0 damages\n"))
        self.assertRegex(done.stderr, r"^nats-server: \d+ % of this pass\n")
        segment = base + "/jetstream/00000000.seg"
        with open(segment, "r+b") as file:
            file.seek(file.read().index(b"<07>"))
            file.write(b"<99>")
        before = {name: os.stat(base + "/jetstream/" + name).st_mtime_ns
                  for name in os.listdir(base + "/jetstream")}
        for dir in (base, base + "/jetstream"):
            done = self.run_once("--check", dir)
            self.assertEqual(done.returncode, 3)
            self.assertRegex(done.stdout, r"stream A\b.*\b8\b.*\n.*/jetstream: 1 damage\n$")
        done = self.run_once("--salvage", base, saved)
        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.stdout, r"stream A\b.*\n.*/jetstream: 1 damage\n$")
        self.assertEqual({name: os.stat(base + "/jetstream/" + name).st_mtime_ns
                          for name in os.listdir(base + "/jetstream")}, before)
        done = self.run_once("--check", saved)
        self.assertEqual(done.returncode, 0, done.stdout)
        server = self.serve("-js", "-sd", saved)
        state = self.client(server).request("$JS.API.STREAM.INFO.A")["state"]
        self.assertEqual((state["messages"], state["last_seq"], state["num_deleted"]), (19, 20, 1))

    def test_care_of_two_stores(self):
        """A directory may be a store, and have one of rilld below it: both are looked at."""
        base, both, saved = (self.path(name) for name in ("base", "both", "saved"))
        server = self.serve("-js", "-sd", base)
        client = self.client(server, connect='{"verbose":false}')
        client.request("$JS.API.STREAM.CREATE.A", '{"name":"A","subjects":["a"]}')
        client.request("a", "message <1> " + "x" * 500)
        self.assertEqual(server.end(), 0)
        shutil.copytree(base + "/jetstream", both)
        shutil.copytree(base + "/jetstream", both + "/jetstream")
        with open(both + "/00000000.seg", "r+b") as file:
            file.seek(file.read().index(b"<1>"))
            file.write(b"<9>")
        done = self.run_once("--check", both)
        self.assertEqual(done.returncode, 3)
        self.assertIn(both + ": 1 damage\n", done.stdout)
        self.assertIn(both + "/jetstream: 0 damages\n", done.stdout)
        self.assertEqual(self.run_once("--salvage", both, saved).returncode, 3)
        done = self.run_once("--check", saved)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(done.stdout.count(": 0 damages\n"), 2)

    def test_care_refused(self):
        for args, code, text in ((("--check", self.path("none")), 1, "No such file"),
                                 (("--salvage", self.path("none"), self.path("to")), 1,
                                  "No such file"),
                                 (("--check", self.folder), 1, "holds no log"),
                                 (("--salvage", self.path("none")), 2, "TO is missing"),
                                 (("--check",), 2, "needs an argument")):
            done = self.run_once(*args)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(text, done.stderr)
            self.assertFalse(os.path.exists(self.path("none")))
            self.assertFalse(os.path.exists(self.path("to")))

    # ---- Rest

    def test_idle(self):
        """Nobody wakes up while nothing happens."""
        server = self.serve()
        self.assertTrue(self.client(server).ping())

        def switches():
            total = 0
            for task in os.listdir("/proc/%d/task" % server.pid):
                with open("/proc/%d/task/%s/status" % (server.pid, task)) as file:
                    total += sum(int(n) for n in re.findall(r"ctxt_switches:\s+(\d+)",
                                                            file.read()))
            return total

        def quiet_second():
            before = switches()
            time.sleep(1)
            return switches() == before
        wait_for("a second without a wake-up", quiet_second)


if __name__ == "__main__":
    main(Daemon)
