# SPDX-License-Identifier: Apache-2.0
"""Streams and buckets by the tool: each command, what it prints for people and as JSON, and its
exit code; over file: and nats://."""
import base64
import json

from case import BOUND_S, Case, Nats, main
from server import Client

# What a stranger may publish on over NATS, behind a prefix; none of it may be written by us.
STRANGE = [b"\x01", b"a\x1b[2J", b"x\x00y", b"\x7f", b"y" * 2000]
# What a stranger may put into a message.
HOSTILE = b"\x1b[2J\x1b]0;owned\x07\xff\xfe\x00\r\n\xe2\x80\xae"


class Streams(Case):
    def make(self, *args):
        self.rill("stream", "add", "ORDERS", "orders.>", *args)

    def append(self, subject, data, *args, **kwargs):
        return self.row("pub", "-a", subject, data, *args, **kwargs)

    def test_a_stream_is_made_once(self):
        self.assertEqual(self.row("stream", "add", "ORDERS", "orders.>", "x"),
                         {"stream": "ORDERS", "created": True})
        self.refused("stream", "add", "ORDERS", code=4, says="there is a stream ORDERS")
        self.refused("stream", "add", "a.b", code=2, says="a.b")
        self.refused("stream", "add", "S2", "orders.>", code=4, says="S2")

    def test_options_are_what_info_says(self):
        self.make("--max-msgs", "100", "--max-bytes", "2MiB", "--max-age", "2h", "--dedupe", "1m",
                  "--when-full", "reject", "--keep", "interest", "--memory", "--description", "d",
                  "--max-per-subject", "5", "--max-msg-size", "64K", "--allow-ttl")
        info = self.row("stream", "info", "ORDERS") if self.url.startswith("nats") else None
        if not info:  # what is in memory went with its process
            return
        wanted = {"name": "ORDERS", "subjects": "orders.>", "keep": "interest",
                  "storage": "memory", "max_msgs": 100, "max_bytes": 2 << 20,
                  "max_age_ns": 7200 * 10**9, "dedupe_window_ns": 60 * 10**9,
                  "when_full": "reject", "description": "d", "max_msgs_per_subject": 5,
                  "max_msg_bytes": 64 << 10, "allow_ttl": True}
        self.assertEqual({key: info.get(key) for key in wanted}, wanted)

    def test_edit_leaves_the_rest(self):
        self.make("--max-msgs", "100", "--description", "first")
        self.rill("stream", "edit", "ORDERS", "--description", "second", "--subjects", "orders.> b")
        info = self.row("stream", "info", "ORDERS")
        self.assertEqual((info["max_msgs"], info["description"], info["subjects"]),
                         (100, "second", "orders.> b"))
        self.refused("stream", "edit", "NONE", "--max-msgs", "1", code=3, says="NONE")

    def test_messages(self):
        self.make()
        self.assertEqual(self.append("orders.a", "one", "-H", "k:v w")["seq"], 1)
        self.assertEqual(self.append("orders.b", "two", "--id", "x")["seq"], 2)
        again = self.append("orders.b", "two", "--id", "x")
        self.assertEqual((again["seq"], again["duplicate"]), (2, True))
        self.refused("pub", "-a", "orders.a", "z", "--expect-last", "1", code=4, says="expected")
        got = self.row("stream", "get", "ORDERS", "1")
        self.assertEqual((got["subject"], got["data"], got["headers"]),
                         ("orders.a", "one", [{"name": "k", "value": "v w"}]))
        self.assertEqual(self.row("stream", "get", "ORDERS")["data"], "two")
        self.assertEqual(self.row("stream", "get", "ORDERS", "--first")["data"], "one")
        self.assertEqual(self.row("stream", "get", "ORDERS", "--subject", "orders.a")["seq"], 1)
        self.assertEqual(self.row("stream", "get", "ORDERS", "--time", "1h")["seq"], 1)
        self.assertEqual(self.rill("stream", "get", "ORDERS", "1", "--raw"), b"one")
        self.refused("stream", "get", "ORDERS", "9", code=3, says="ORDERS")
        self.refused("stream", "get", "ORDERS", "x", code=2, says="no number")
        self.assertEqual([m["seq"] for m in self.rows("stream", "tail", "ORDERS", "--end")], [1, 2])
        self.assertEqual([m["seq"] for m in self.rows("stream", "tail", "ORDERS", "--end", "--seq",
                                                      "2")], [2])
        self.assertEqual([m["seq"] for m in self.rows("stream", "tail", "ORDERS", "-n", "1")], [1])
        self.rill("stream", "erase", "ORDERS", "1", "--force")
        self.refused("stream", "get", "ORDERS", "1", code=3, says="ORDERS")

    def test_tail_of_nothing_ends(self):
        self.make()
        self.assertEqual(self.rows("stream", "tail", "ORDERS", "--end"), [])
        self.refused("stream", "tail", "ORDERS", "--wait", "50ms", code=7, says="within 50ms")
        self.refused("stream", "tail", "NONE", "--end", code=3, says="NONE")
        self.refused("stream", "tail", "ORDERS", "--from", "last", "--seq", "3", code=2,
                     says="one of them")

    def test_lists(self):
        self.make()
        self.append("orders.a", "1")
        self.rill("stream", "add", "EMPTY")
        self.assertEqual([s["name"] for s in self.rows("stream", "ls")], ["EMPTY", "ORDERS"])
        table = self.rill("stream", "ls").decode().splitlines()
        self.assertRegex(table[0], "^name +subjects +messages +bytes +groups +last time$")
        self.assertRegex(table[2], r"^ORDERS +orders\.> +1 +\d+ B +0 +20\d\d-")
        found = lambda *args: [s["name"] for s in self.rows("stream", "find", *args)]
        self.assertEqual(found("--empty"), ["EMPTY"])
        self.assertEqual(found("--subject", "orders.eu.7"), ["ORDERS"])
        self.assertEqual(found("--subject", "other"), [])
        self.assertEqual(found("--over", "0", "--no-groups"), ["ORDERS"])
        self.assertEqual(found("--idle", "1h"), ["EMPTY"])

    def test_purge_and_rm_ask(self):
        self.make()
        for i in range(4):
            self.append("orders.%d" % i, "x")
        self.refused("stream", "purge", "ORDERS", code=2, says="--force")
        self.assertEqual(self.row("stream", "purge", "ORDERS", "-f", "--subject", "orders.1"),
                         {"stream": "ORDERS", "purged": 1})
        self.assertEqual(self.row("stream", "purge", "ORDERS", "-f", "--keep", "1")["purged"], 2)
        self.refused("stream", "rm", "ORDERS", code=2, says="--force")
        self.rill("stream", "rm", "ORDERS", "-f")
        self.refused("stream", "rm", "ORDERS", "-f", code=3, says="ORDERS")

    def test_hostile_data(self):
        self.make()
        self.append("orders.a", "-", stdin=HOSTILE)
        got = self.row("stream", "get", "ORDERS", "1")
        self.assertEqual(base64.b64decode(got["data_base64"]), HOSTILE)
        self.assertEqual(self.rill("stream", "get", "ORDERS", "1", "--raw"), HOSTILE)
        self.rill("pub", "-a", "orders.b", "x", "-H", b"h\xff:\x1b[1m")
        head = self.row("stream", "get", "ORDERS", "2")["headers"][0]
        self.assertEqual(base64.b64decode(head["name_base64"]), b"h\xff")
        self.assertEqual(head["value"], "\x1b[1m")
        self.assertIn(b"h\\xff: \\x1b[1m\n", self.rill("stream", "get", "ORDERS", "2"))


class StreamsOverNats(Nats, Streams):
    def test_strange_subjects(self):
        """What the server stores can be read, by a direct get and through the API."""
        client = Client(self.server.port)
        self.stack.callback(client.close)
        for direct in (True, False):
            conf = {"name": "D%d" % direct, "subjects": ["d%d.>" % direct], "allow_direct": direct}
            self.assertNotIn("error", client.request("$JS.API.STREAM.CREATE.D%d" % direct,
                                                     json.dumps(conf)))
            subjects = [b"d%d." % direct + strange for strange in STRANGE]
            for subject in subjects:
                client.write(b"PUB %s 1\r\nx\r\n" % subject)
            self.assertTrue(client.ping())
            for i, subject in enumerate(subjects):
                got = self.row("stream", "get", "D%d" % direct, str(i + 1))
                self.assertEqual((got["subject"].encode(), got["data"]), (subject, "x"))
            self.assertIn(b"d%d.a\\x1b[2J, number 2" % direct,
                          self.rill("stream", "get", "D%d" % direct, "2"))


class Buckets(Case):
    def test_values(self):
        self.assertEqual(self.row("kv", "add", "B", "--history", "3"),
                         {"bucket": "B", "created": True})
        self.refused("kv", "add", "B", code=4, says="there is a bucket B")
        self.assertEqual(self.row("kv", "put", "B", "k", "v1"),
                         {"bucket": "B", "key": "k", "revision": 1})
        self.assertEqual(self.rill("kv", "get", "B", "k"), b"v1")
        self.refused("kv", "create", "B", "k", "v", code=4, says="k")
        self.refused("kv", "update", "B", "k", "v", "7", code=4, says="k")
        self.refused("kv", "update", "B", "k", "v", "x", code=2, says="no revision")
        self.assertEqual(self.row("kv", "update", "B", "k", "v2", "1")["revision"], 2)
        self.assertEqual(self.rill("kv", "get", "B", "k", "--revision", "1"), b"v1")
        self.assertEqual(self.row("kv", "create", "B", "other", "o")["revision"], 3)
        self.refused("kv", "get", "B", "k", "--revision", "3", code=3, says="another key")
        self.refused("kv", "del", "B", "k", "--revision", "1", code=4, says="k")
        self.rill("kv", "del", "B", "k", "--revision", "2")
        self.refused("kv", "get", "B", "k", code=3, says="k")
        history = self.rows("kv", "history", "B", "k")
        self.assertEqual([(r["revision"], r["deleted"], r["value"]) for r in history],
                         [(1, False, "v1"), (2, False, "v2"), (4, True, "")])
        self.assertEqual([r["key"] for r in self.rows("kv", "keys", "B")], ["other"])
        self.rill("kv", "purge", "B", "k")
        self.assertEqual(len(self.rows("kv", "history", "B", "k")), 1)

    def test_lists(self):
        self.rill("kv", "add", "B", "--history", "3", "--ttl", "1h")
        self.rill("kv", "put", "B", "a.b", "-", stdin=b"\xff")
        info = self.row("kv", "info", "B")
        self.assertEqual((info["bucket"], info["history"], info["keys"], info["ttl_ns"]),
                         ("B", 3, 1, 3600 * 10**9))
        self.assertEqual([b["bucket"] for b in self.rows("kv", "ls")], ["B"])
        self.assertEqual([r["value_base64"] for r in self.rows("kv", "watch", "B", "--end")],
                         ["/w=="])
        self.assertEqual(self.rows("kv", "keys", "B", "b.*"), [])
        self.assertEqual(self.rill("kv", "keys", "B", "a.*"), b"a.b\n")
        self.rill("kv", "rm", "B", "--force")
        self.refused("kv", "get", "B", "k", code=3, says="B")
        self.refused("kv", "info", "B", code=3, says="B")
        self.assertEqual(self.rows("kv", "ls"), [])

    def test_watch_of_nothing_ends(self):
        self.rill("kv", "add", "B")
        self.assertEqual(self.rows("kv", "watch", "B", "--end"), [])
        self.refused("kv", "watch", "B", "--wait", "50ms", code=7, says="within 50ms")


class BucketsOverNats(Nats, Buckets):
    def test_strange_keys(self):
        """One of them hides none of the others."""
        self.rill("kv", "add", "B")
        self.rill("kv", "put", "B", "good", "v")
        client = Client(self.server.port)
        self.stack.callback(client.close)
        for strange in STRANGE:
            client.write(b"PUB $KV.B.%s 1\r\nx\r\n" % strange)
        self.assertTrue(client.ping())
        strange = [key.decode() for key in STRANGE if b"\0" not in key]  # a name ends at its 0
        keys = lambda url="": [row["key"] for row in self.rows("kv", "keys", "B", url=url)]
        self.assertEqual(sorted(keys()), sorted(["good", *strange]))
        self.assertEqual(len(self.rows("kv", "watch", "B", "--end")), 1 + len(STRANGE))
        self.assertEqual(self.server.end(), 0)
        self.assertEqual(sorted(keys("file:" + self.path("server/jetstream"))),
                         sorted(["good", *strange]))

    def test_watch_hears_changes(self):
        self.rill("kv", "add", "B")
        watch = self.begin("kv", "watch", "B", "--json", "-n", "2")
        self.rill("kv", "put", "B", "k", "\x1b[31m")
        self.rill("kv", "del", "B", "k")
        out, err = watch.communicate(timeout=BOUND_S)
        self.assertEqual((watch.returncode, err), (0, b""))
        self.assertEqual(out.count(b"\n"), 2)
        self.assertIn(b'"value":"\\u001b[31m"', out)


if __name__ == "__main__":
    main()
