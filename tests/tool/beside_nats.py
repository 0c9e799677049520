# SPDX-License-Identifier: Apache-2.0
"""What the tool makes is what the nats tool sees, and the other way round; at rilld, and at a
nats-server where there is one. NATS_PEERS is a folder with both in bin/; else they are looked for
on the PATH. Without the nats tool nothing is compared."""
import json
import os
import shutil
import socket
import subprocess
import unittest

from case import BOUND_S, Case, Nats, main
from server import Server, free_port, wait_for


def program(name):
    fetched = os.path.join(os.environ.get("NATS_PEERS", ""), "bin", name)
    return fetched if os.access(fetched, os.X_OK) else shutil.which(name)


NATS, SERVER = program("nats"), program("nats-server")
if not NATS:
    print("the nats tool is not here: nothing is compared with it")


@unittest.skipUnless(NATS, "the nats tool is not here")
class BesideNats(Nats, Case):
    def nats(self, *args, stdin=b""):
        done = subprocess.run([NATS, "--no-context", "-s", self.url, *args], input=stdin,
                              capture_output=True, timeout=BOUND_S, env=self.env, cwd=self.folder)
        self.assertEqual(done.returncode, 0, (args, done.stdout, done.stderr))
        return done.stdout

    def test_streams(self):
        self.rill("stream", "add", "S", "s.>", "--max-msgs", "10", "--max-age", "1h", "--when-full",
                  "reject", "--keep", "interest", "--description", "d", "--dedupe", "30s")
        conf = json.loads(self.nats("stream", "info", "S", "--json"))["config"]
        self.assertEqual([conf[k] for k in ("subjects", "max_msgs", "max_age", "discard",
                                            "retention", "description", "duplicate_window")],
                         [["s.>"], 10, 3600 * 10**9, "new", "interest", "d", 30 * 10**9])
        self.nats("stream", "edit", "S", "--max-msgs", "20", "--force")
        self.rill("stream", "edit", "S", "--description", "e")
        info = self.row("stream", "info", "S")
        self.assertEqual((info["max_msgs"], info["description"], info["when_full"]),
                         (20, "e", "reject"))
        self.rill("stream", "rm", "S", "-f")
        self.assertNotIn(b"S", self.nats("stream", "ls", "--names"))

    def test_messages(self):
        self.rill("stream", "add", "S", "s.>")
        self.rill("pub", "-a", "s.x", "hello", "-H", "k:v")
        got = json.loads(self.nats("stream", "get", "S", "1", "--json"))
        self.assertEqual((got["subject"], got["seq"], got["data"]), ("s.x", 1, "aGVsbG8="))
        self.nats("pub", "s.y", "from nats", "-H", "a:b")
        m = self.row("stream", "get", "S", "--last")
        self.assertEqual((m["subject"], m["data"], m["headers"]),
                         ("s.y", "from nats", [{"name": "a", "value": "b"}]))

    def test_groups(self):
        self.rill("stream", "add", "S", "s.>")
        self.rill("pub", "-a", "-n", "3", "s.x", "m")
        self.rill("group", "add", "S", "g", "--subject", "s.x", "--ack-wait", "10s",
                  "--max-deliveries", "4", "--max-unacked", "7")
        conf = json.loads(self.nats("consumer", "info", "S", "g", "--json"))["config"]
        self.assertEqual([conf[k] for k in ("durable_name", "ack_wait", "max_deliver",
                                            "max_ack_pending", "ack_policy")],
                         ["g", 10**10, 4, 7, "explicit"])
        self.assertEqual(self.nats("consumer", "next", "S", "g", "--raw", "--ack").strip(), b"m")
        self.assertEqual(self.row("group", "next", "S", "g")["seq"], 2)
        info = json.loads(self.nats("consumer", "info", "S", "g", "--json"))
        self.assertEqual((info["num_pending"], info["ack_floor"]["stream_seq"]), (1, 2))

    def test_buckets(self):
        self.rill("kv", "add", "B", "--history", "4")
        self.rill("kv", "put", "B", "a.b", "one")
        self.assertEqual(self.nats("kv", "get", "B", "a.b", "--raw").strip(), b"one")
        self.nats("kv", "put", "B", "a.b", "two")
        self.assertEqual(self.rill("kv", "get", "B", "a.b"), b"two")
        self.nats("kv", "del", "B", "a.b", "--force")
        self.assertEqual([r["deleted"] for r in self.rows("kv", "history", "B", "a.b")],
                         [False, False, True])
        self.nats("kv", "add", "C", "--history", "2")
        self.assertEqual({b["bucket"]: b["history"] for b in self.rows("kv", "ls")},
                         {"B": 4, "C": 2})

    def test_objects(self):
        data = os.urandom(300000)
        with open(self.path("f"), "wb") as file:
            file.write(data)
        self.rill("obj", "add", "O")
        self.rill("obj", "put", "O", "f")
        self.nats("object", "get", "O", "f", "-O", self.path("out"), "--force", "--no-progress")
        with open(self.path("out"), "rb") as file:
            self.assertEqual(file.read(), data)
        self.nats("object", "put", "O", self.path("f"), "--name", "g", "--force", "--no-progress")
        self.assertEqual(self.rill("obj", "get", "O", "g"), data)

    def test_backups(self):
        self.rill("stream", "add", "S", "s.>")
        self.rill("pub", "-a", "-n", "9", "s.x", "m" * 5000)
        self.rill("backup", "--stream", "S", "ours")
        self.nats("stream", "backup", "S", "theirs", "--no-progress")
        self.rill("stream", "rm", "S", "-f")
        self.nats("stream", "restore", "ours/S", "--no-progress")
        self.assertEqual(self.row("stream", "info", "S")["messages"], 9)
        self.rill("stream", "rm", "S", "-f")
        self.rill("restore", "theirs")
        self.assertEqual(self.row("stream", "info", "S")["messages"], 9)

    def test_live(self):
        service = self.begin("reply", "svc", "pong")
        service.stderr.readline()
        self.assertEqual(self.nats("request", "svc", "ping", "--raw").strip(), b"pong")
        other = subprocess.Popen([NATS, "--no-context", "-s", self.url, "reply", "two", "there"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.env)
        self.stack.callback(self.end, other)
        wait_for("nats reply", lambda: self.run_rill("req", "two").stdout == b"there\n")


@unittest.skipUnless(NATS and SERVER, "there is no nats-server here, or no nats tool")
class BesideNatsServer(BesideNats):
    """The same at the server that the tool was made for."""

    def start(self):
        port = free_port()
        os.makedirs(self.path("server"))
        self.server = Server(SERVER, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd",
                             self.path("server"), folder=self.path("server"))
        self.stack.callback(self.server.kill)

        def there():
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return True
            except OSError:
                return False
        wait_for("nats-server", there)
        return "nats://127.0.0.1:%d" % port


if __name__ == "__main__":
    main()
