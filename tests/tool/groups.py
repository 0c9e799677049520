# SPDX-License-Identifier: Apache-2.0
"""Groups and objects by the tool: each command over file: and nats://; and a server that goes away
in the middle."""
import hashlib
import os
import resource
import signal

from case import BOUND_S, Case, Nats, main
from server import wait_for


class Groups(Case):
    def make(self, n=5):
        self.rill("stream", "add", "ORDERS", "orders.>")
        lines = b"".join(b"%d\n" % i for i in range(1, n + 1))
        self.rill("pub", "-a", "--lines", "orders.a", stdin=lines)

    def test_a_group_reads_on(self):
        self.make()
        self.assertEqual(self.row("group", "add", "ORDERS", "g", "--ack-wait", "1m"),
                         {"group": "g", "created": True})
        self.refused("group", "add", "ORDERS", "g", code=4, says="there is a group g")
        self.assertEqual([m["data"] for m in self.rows("group", "next", "ORDERS", "g", "-n", "2")],
                         ["1", "2"])
        self.assertEqual(self.rill("consumer", "next", "ORDERS", "g", "--raw"), b"3")
        info = self.row("group", "info", "ORDERS", "g")
        self.assertEqual((info["lag"], info["unacked"], info["settled_seq"]), (2, 0, 3))
        self.assertEqual(len(self.rows("group", "next", "ORDERS", "g", "-n", "9", "--wait",
                                       "2s")), 2)
        self.refused("group", "next", "ORDERS", "g", "--wait", "100ms", code=7, says="in time")
        self.refused("group", "next", "ORDERS", "none", code=3, says="none")
        self.assertEqual([g["group"] for g in self.rows("group", "ls", "ORDERS")], ["g"])

    def test_what_is_not_settled_comes_again(self):
        self.make(1)
        self.rill("group", "add", "ORDERS", "g", "--ack-wait", "500ms")
        first = self.row("group", "next", "ORDERS", "g", "--no-ack")
        again = self.row("group", "next", "ORDERS", "g")
        self.assertEqual((first["seq"], again["seq"]), (1, 1))
        self.assertEqual(self.row("group", "info", "ORDERS", "g")["settled_seq"], 1)

    def test_places(self):
        self.make()
        self.rill("group", "add", "ORDERS", "new", "--from", "new")
        self.assertEqual(self.row("group", "lag", "ORDERS")["lag"], 0)
        self.rill("group", "rm", "ORDERS", "new", "-f")
        self.rill("group", "add", "ORDERS", "g")
        self.rill("group", "seek", "ORDERS", "g", "--seq", "4")
        self.assertEqual(self.row("group", "next", "ORDERS", "g")["seq"], 4)
        self.rill("group", "seek", "ORDERS", "g", "--new")
        self.assertEqual(self.row("group", "info", "ORDERS", "g")["lag"], 0)
        self.rill("group", "seek", "ORDERS", "g", "--time", "1h")
        self.assertEqual(self.row("group", "info", "ORDERS", "g")["lag"], 5)
        self.rill("group", "seek", "ORDERS", "g", "--new")
        self.refused("group", "reset", "ORDERS", "g", code=2, says="--force")
        self.rill("group", "reset", "ORDERS", "g", "-f")
        self.assertEqual(self.row("group", "lag")["lag"], 5)
        self.refused("group", "seek", "ORDERS", "g", code=2, says="--first, --last")
        self.refused("group", "seek", "ORDERS", "none", "--first", code=3, says="none")

    def test_pause_and_rm(self):
        self.make()
        self.rill("group", "add", "ORDERS", "g", "--subject", "orders.*")
        self.rill("group", "pause", "ORDERS", "g", "1h")
        self.assertIn("paused_until", self.row("group", "info", "ORDERS", "g"))
        self.refused("group", "next", "ORDERS", "g", "--wait", "100ms", code=7, says="in time")
        self.rill("group", "resume", "ORDERS", "g")
        self.assertEqual(self.row("group", "next", "ORDERS", "g")["seq"], 1)
        self.refused("group", "pause", "ORDERS", "g", "long", code=2, says="7d")
        self.rill("group", "rm", "ORDERS", "g", "--force")
        self.refused("group", "info", "ORDERS", "g", code=3, says="g")
        self.assertEqual(self.rows("group", "ls", "ORDERS"), [])


class GroupsOverNats(Nats, Groups):
    pass


class Objects(Case):
    def file(self, name, size):
        data = (b"0123456789abcde\n" * (size // 16 + 1))[:size]
        with open(self.path(name), "wb") as file:
            file.write(data)
        return data

    def put(self, name="f", size=300000):
        self.rill("obj", "add", "O")
        data = self.file(name, size)
        self.assertEqual(self.row("obj", "put", "O", self.path(name)),
                         {"object": name, "bytes": size})
        return data

    def test_put_and_get(self):
        data = self.put()
        self.refused("obj", "add", "O", code=4, says="there is a bucket O")
        self.assertEqual(self.rill("obj", "get", "O", "f"), data)
        self.assertEqual(self.row("obj", "get", "O", "f", "-o", self.path("out"))["bytes"],
                         len(data))
        with open(self.path("out"), "rb") as file:
            self.assertEqual(file.read(), data)
        info = self.row("obj", "info", "O", "f")
        self.assertEqual((info["bytes"], info["sha256"]),
                         (len(data), hashlib.sha256(data).hexdigest()))
        self.assertEqual([o["name"] for o in self.rows("obj", "ls", "O")], ["f"])
        self.assertEqual([b["bucket"] for b in self.rows("obj", "ls")], ["O"])
        self.rill("obj", "put", "O", "-", "--name", "\x1b[1m\u00fc", stdin=b"x")
        self.assertIn(b"\\x1b[1m\xc3\xbc", self.rill("obj", "ls", "O"))
        self.assertEqual({o["name"] for o in self.rows("obj", "watch", "O", "--end")},
                         {"f", "\x1b[1m\u00fc"})
        self.refused("obj", "put", "O", "-", code=2, says="--name")
        self.refused("obj", "put", "O", self.path("none"), code=2, says="No such file")
        self.refused("obj", "get", "O", "none", "-o", self.path("none"), code=3, says="none")
        self.assertFalse(os.path.exists(self.path("none")))

    def test_rm(self):
        self.put(size=10)
        self.refused("obj", "rm", "O", "f", code=2, says="--force")
        self.rill("obj", "rm", "O", "f", "-f")
        self.refused("obj", "get", "O", "f", code=3, says="f")
        self.rill("obj", "seal", "O", "-f")
        self.assertNotEqual(self.run_rill("obj", "put", "O", self.path("f")).returncode, 0)
        self.rill("obj", "rm", "O", "-f")
        self.refused("obj", "info", "O", "f", code=3, says="O")

    def test_a_full_disk_leaves_nothing(self):
        self.put(size=3 << 20)

        def small():
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        url = self.url if self.url.startswith("nats") else None
        if not url:
            return  # the store itself would be full
        done = self.run_rill("obj", "get", "O", "f", "-o", self.path("out"), preexec_fn=small)
        self.assertEqual((done.returncode, done.stdout), (9, b""), done.stderr)
        self.assertIn(b"File too large", done.stderr)
        self.assertFalse([n for n in os.listdir(self.folder) if n.startswith("out")])


class ObjectsOverNats(Nats, Objects):
    def test_the_server_dies_in_the_middle(self):
        self.put(size=48 << 20)
        fetch = self.begin("obj", "get", "O", "f", "-o", self.path("out"))
        wait_for("the first piece", lambda: fetch.poll() is not None or
                 (os.path.exists(self.path("out.part")) and
                  os.path.getsize(self.path("out.part")) > 0))
        self.server.kill()
        code = fetch.wait(BOUND_S)
        said = fetch.stderr.read().decode()
        if code == 0:
            self.skipTest("it had all before the server was killed")
        self.assertEqual(code, 5, said)
        self.assertIn("is lost", said)
        self.assertFalse([n for n in os.listdir(self.folder) if n.startswith("out")])

    def test_interrupted_in_the_middle(self):
        self.put(size=48 << 20)
        fetch = self.begin("obj", "get", "O", "f")
        self.assertEqual(len(fetch.stdout.read(1 << 16)), 1 << 16)
        fetch.send_signal(signal.SIGINT)
        while fetch.stdout.read(1 << 20):
            pass
        self.assertEqual(fetch.wait(BOUND_S), 130)
        self.assertEqual(fetch.stderr.read(), b"")


if __name__ == "__main__":
    main()
