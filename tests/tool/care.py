# SPDX-License-Identifier: Apache-2.0
"""Backups, copies and checks of stores, damage in them, full disks, and forwards."""
import json
import os
import resource
import shutil
import signal
import tempfile
import unittest

from case import BOUND_S, Case, Nats, main
from server import wait_for

LIMIT = 256 << 10  # of a file, where the disk is full


def full_disk():
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))


class Care(Case):
    def fill(self, n=300, size=4000):
        self.rill("stream", "add", "S", "s.>")
        self.rill("pub", "--lines", "s.x", stdin=(b"x" * size + b"\n") * n)

    def last(self, url):
        return self.row("stream", "info", "S", url=url)["last_seq"]

    def test_backup_and_restore(self):
        self.fill()
        made = self.row("backup", self.path("b"))
        self.assertEqual(made["directory"], self.path("b"))
        self.assertGreater(made["bytes"], 300 * 4000)
        self.assertEqual(self.last("file:" + self.path("b")), 300)
        self.row("restore", self.path("b"), self.path("r"), url=None)
        self.assertEqual(self.last("file:" + self.path("r")), 300)
        self.assertFalse([n for n in os.listdir(self.folder) if n.endswith(".part")])
        self.refused("backup", self.path("b"), code=4, says=self.path("b"))
        self.refused("restore", self.path("b"), self.path("r"), url=None, code=4, says="is there")
        self.refused("restore", self.path("none"), self.path("x"), url=None, code=3, says="none")
        self.assertFalse(os.path.exists(self.path("x")))
        self.refused("backup", self.path("c"), url="mem:", code=2, says="neither")

    def test_scrub_and_salvage(self):
        self.fill()
        self.assertEqual(self.row("scrub")["damages"], 0)
        self.assertEqual(self.row("scrub", self.path("store"), url=None)["damages"], 0)
        self.damage()
        done = self.run_rill("--json", "scrub", self.path("store"), url=None)
        self.assertEqual(done.returncode, 8, done.stderr)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(rows[-1]["damages"], len(rows) - 1)
        self.assertEqual(rows[0]["stream"], "S")
        self.assertGreater(rows[0]["first_seq"], 1)
        self.refused("restore", self.path("store"), self.path("r"), url=None, code=8,
                     says="rill salvage")
        self.assertFalse([n for n in os.listdir(self.folder) if n.startswith("r")])
        self.assertEqual(self.run_rill("salvage", self.path("store"), self.path("s"),
                                       url=None).returncode, 8)
        self.assertEqual(self.last("file:" + self.path("s")), 300)
        self.assertEqual(self.row("scrub", self.path("s"), url=None)["damages"], 0)

    def damage(self):
        """A byte of a message in the middle of the store."""
        for name in sorted(os.listdir(self.path("store"))):
            path = os.path.join(self.path("store"), name)
            if not name.endswith(".seg"):
                continue
            with open(path, "r+b") as file:
                at = file.read().find(b"x" * 4000, 500000)
                if at > 0:
                    file.seek(at + 100)
                    file.write(b"y")
                    return
        self.fail("no message was found in the store")

    def test_a_full_disk_leaves_no_copy(self):
        self.fill()
        done = self.run_rill("restore", self.path("store"), self.path("r"), url=None,
                             preexec_fn=full_disk)
        self.assertIn(done.returncode, (1, 9), done.stderr)
        self.assertNotEqual(done.stderr, b"")
        self.assertFalse([n for n in os.listdir(self.folder) if n.startswith("r")])

    @unittest.skipUnless(os.path.isdir("/dev/shm") and os.access("/dev/shm", os.W_OK),
                         "there is no second file system here")
    def test_a_full_disk_leaves_no_backup(self):
        self.fill()
        if os.stat("/dev/shm").st_dev == os.stat(self.folder).st_dev:
            self.skipTest("/dev/shm is the same file system")
        with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
            place = os.path.join(other, "b")
            done = self.run_rill("backup", place, preexec_fn=full_disk)
            self.assertIn(done.returncode, (1, 9), (done.stdout, done.stderr))
            self.assertNotEqual(done.stderr, b"")
            self.assertFalse(os.path.exists(place))
            shutil.rmtree(place + ".part", ignore_errors=True)
            self.rill("backup", place)
            self.assertEqual(self.last("file:" + place), 300)

    def test_the_store_is_in_use(self):
        self.fill(1)
        server = self.begin("serve", "--dir", self.path("store"), "--listen", "nats://127.0.0.1:0",
                            "--json", url=None)
        url = json.loads(server.stdout.readline())["listening"]
        self.assertEqual(self.last(url), 1)
        self.refused("stream", "ls", code=4, says="ask that one")
        server.send_signal(signal.SIGINT)
        self.assertEqual(server.wait(BOUND_S), 130)
        self.assertEqual(self.last(self.url), 1)


class Archives(Nats, Case):
    """Backups of a server's streams."""

    def fill(self):
        self.rill("stream", "add", "S", "s.>", "--description", "a \"b\" {c}")
        self.rill("pub", "--lines", "s.x", stdin=(b"y" * 4000 + b"\n") * 200)
        self.rill("stream", "purge", "S", "-f", "--before", "50")
        self.rill("group", "add", "S", "g")
        self.rill("kv", "add", "B")
        self.rill("kv", "put", "B", "k", "v")

    def test_there_and_back(self):
        self.fill()
        self.assertEqual(self.row("backup", self.path("b"))["streams"], 2)
        self.assertEqual(sorted(os.listdir(self.path("b"))), ["KV_B", "S"])
        self.refused("backup", self.path("b"), code=4, says="is there")
        self.refused("restore", self.path("b"), code=4, says="in use")
        before = self.row("stream", "info", "S")
        other = self.serve(name="other")
        self.assertEqual(self.row("restore", self.path("b"), url=other.url)["streams"], 2)
        after = self.row("stream", "info", "S", url=other.url)
        self.assertEqual(after, before)
        self.assertEqual(self.row("group", "info", "S", "g", url=other.url)["lag"], 151)
        self.assertEqual(self.rill("kv", "get", "B", "k", url=other.url), b"v")

    def test_one_stream(self):
        self.fill()
        self.assertEqual(self.row("backup", "--stream", "S", self.path("b"))["streams"], 1)
        self.rill("stream", "rm", "S", "-f")
        self.assertEqual(self.row("restore", self.path("b/S"))["streams"], 1)
        self.assertEqual(self.row("stream", "info", "S")["messages"], 151)
        self.refused("backup", "--stream", "NONE", self.path("c"), code=3, says="NONE")
        self.assertFalse([n for n in os.listdir(self.folder) if n.startswith("c.")])
        self.refused("restore", self.path("none"), code=3, says="none")
        os.mkdir(self.path("empty"))
        self.refused("restore", self.path("empty"), code=3, says="no backup")

    def test_a_full_disk_leaves_nothing(self):
        self.rill("stream", "add", "S", "s")
        for i in range(8):
            self.rill("pub", "-a", "s", "-", stdin=os.urandom(100000))
        done = self.run_rill("backup", self.path("b"), preexec_fn=full_disk)
        self.assertEqual((done.returncode, done.stdout), (9, b""), done.stderr)
        self.assertIn(b"File too large", done.stderr)
        self.assertFalse([n for n in os.listdir(self.folder) if n.startswith("b")])

    def test_a_damaged_backup_makes_no_stream(self):
        self.fill()
        self.rill("backup", "--stream", "S", self.path("b"))
        self.rill("stream", "rm", "S", "-f")
        archive = self.path("b/S/stream.arc.s2")
        with open(archive, "r+b") as file:
            file.truncate(os.path.getsize(archive) * 2 // 3)
        self.assertNotEqual(self.run_rill("restore", self.path("b")).returncode, 0)
        self.refused("stream", "info", "S", code=3, says="S")
        self.assertEqual(self.rows("kv", "ls")[0]["bucket"], "B")


class Forward(Case):
    def test_a_stream_is_carried(self):
        server = self.serve()
        self.rill("stream", "add", "S", "s.>")
        self.rill("stream", "add", "T", "s.>", url=server.url)
        self.rill("pub", "-a", "--lines", "s.x", stdin=b"1\n2\n3\n")
        carry = ("forward", self.url, server.url, "--stream", "S", "--into", "T", "--name", "edge")
        got = self.rows(*carry, "--until-empty", url=None)[-1]
        self.assertEqual((got["messages"], got["lag"], got["failures"]), (3, 0, 0))
        self.assertEqual([m["data"] for m in self.rows("stream", "tail", "T", "--end",
                                                       url=server.url)], ["1", "2", "3"])
        self.rill("pub", "-a", "s.x", "4")
        self.rill("context", "add", "hub", server.url, url=None)
        got = self.rows(*carry[:2], "hub", *carry[3:], "--until-empty", url=None)[-1]
        self.assertEqual(got["messages"], 1)
        self.assertEqual(self.row("stream", "info", "T", url=server.url)["messages"], 4)

    def test_it_goes_on_until_it_is_ended(self):
        server = self.serve()
        self.rill("stream", "add", "S", "s.>", url=server.url)
        self.rill("stream", "add", "T", "t.>", url=server.url)
        carry = self.begin("forward", server.url, server.url, "--stream", "S", "--into", "T",
                           "--name", "n", "--map-to", "t.>", "--json", url=None)
        self.rill("pub", "-a", "s.x", "1", url=server.url)
        wait_for("the message", lambda: self.row("stream", "info", "T",
                                                 url=server.url)["messages"] == 1)
        carry.send_signal(signal.SIGTERM)
        self.assertEqual(carry.wait(BOUND_S), 130, carry.stderr.read())

    def test_mistakes(self):
        self.refused("forward", "mem:", "mem:", url=None, code=2, says="--stream")
        self.refused("forward", "none", "mem:", "--stream", "S", "--name", "n", url=None, code=2,
                     says="no context 'none'")
        self.refused("forward", "nats://127.0.0.1:1", "mem:", "--stream", "S", "--name", "n",
                     url=None, code=5, says="is a server there?")


if __name__ == "__main__":
    main()
