# SPDX-License-Identifier: Apache-2.0
"""turns.py EXE [TEST...]: whatever one client asks of the daemon, the others are served, and
SIGTERM ends it. Each test makes work that is long or has no end, and asks in between as a
bystander."""

import json
import re
import signal
import urllib.request

from case import Case, free_port, main, wait_for


class Turns(Case):
    def setUp(self):
        super().setUp()
        self.monitor = free_port()
        self.server = self.serve("-js", "-sd", self.folder, "-m", str(self.monitor))

    def api(self, client, verb, body=None):
        answer = client.request("$JS.API." + verb, json.dumps(body) if body else "")
        self.assertNotIn("error", answer)
        return answer

    def varz(self):
        with urllib.request.urlopen("http://127.0.0.1:%d/varz" % self.monitor) as page:
            return json.load(page)

    def circle(self, client, storage):
        """Two streams whose consumers deliver into each other, and a message that goes round."""
        for name, to in (("A", "b"), ("B", "a")):
            self.api(client, "STREAM.CREATE." + name,
                     {"name": name, "subjects": [name.lower()], "storage": storage,
                      "max_msgs": 1000})
            self.api(client, "CONSUMER.CREATE.%s.c" % name,
                     {"stream_name": name, "config": {
                         "name": "c", "durable_name": "c", "deliver_subject": to,
                         "ack_policy": "none"}})
        client.say("PUB a 5\r\nround")

    def last(self, client):
        return self.api(client, "STREAM.INFO.B")["state"]["last_seq"]

    def check_circle(self, storage):
        asker, bystander = self.client(self.server), self.client(self.server)
        self.circle(asker, storage)
        wait_for("the circle", lambda: self.last(asker) > 10)
        for _ in range(20):
            was = self.last(asker)
            self.assertTrue(bystander.ping())
            wait_for("more of it", lambda: self.last(asker) > was)
        self.assertEqual(self.server.end(signal.SIGTERM), 0)

    def test_circle_in_memory(self):
        self.check_circle("memory")

    def test_circle_on_disk(self):
        self.check_circle("file")

    def test_shares_of_input(self):
        """One who sends as fast as he can, each message to many, is served by shares: who asks in
        between is answered before all of it is done, and nothing is lost. The question may come
        late, on a machine that has much to do: it is put until it comes in time."""
        ears, messages, rounds = 200, 5000, 20
        ear, sender, bystander = (self.client(self.server) for _ in range(3))
        ear.say("\r\n".join("SUB s %d" % sid for sid in range(100, 100 + ears)))
        self.assertTrue(ear.ping())
        for done in range(1, rounds + 1):
            sender.socket.sendall(b"PUB s 1\r\nx\r\n" * messages)
            self.assertTrue(bystander.ping())
            between = self.varz()["out_msgs"] < done * ears * messages
            left = ears * messages * len("MSG s 100 1\r\nx\r\n")
            while left > 0:
                left -= len(ear.input.read(min(left, 1 << 20)))
            self.assertTrue(sender.ping())
            self.assertGreaterEqual(self.varz()["out_msgs"], done * ears * messages)
            if between:
                return
        self.fail("the bystander was never answered in between")

    def turns(self):
        with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % self.monitor) as page:
            return int(re.search(rb"^rill_turns(?:_total)? (\d+)", page.read(), re.M)[1])

    def test_traced(self):
        """A line of the log for what a client does is work of his turn: with two of them for each
        message, as many messages are many turns."""
        self.server.end()
        messages = 10000
        self.server = self.serve("-V", "-m", str(self.monitor), "--max_traced_msg_len", "1")
        sender, before = self.client(self.server), self.turns()
        sender.socket.sendall(b"PUB s 1\r\nx\r\n" * messages)
        self.assertTrue(sender.ping())
        self.assertGreater(self.turns() - before, messages // 250)  # of 10 000 units, at most

    def test_compared_subscriptions(self):
        """A page compares the subscriptions of one connection, however many, in many turns."""
        many, client = 60000, self.client(self.server)
        client.say("\r\n".join("SUB x.%d.y %d" % (i, i) for i in range(many)))
        client.say("SUB late.> a")
        self.assertTrue(client.ping())

        def page(path):
            with urllib.request.urlopen("http://127.0.0.1:%d%s" % (self.monitor, path)) as got:
                return got.read()
        for path, key, want in (
                ("/subsz?test=x.5.y", "total", 1), ("/subsz?test=none", "total", 0),
                ("/connz?acc=$G&filter_subject=late.a", "num_connections", 1),
                ("/connz?acc=$G&filter_subject=none", "num_connections", 0),
                ("/connz?acc=$G&filter_subject=none&sort=subs", "num_connections", 0),
                ("/connz?acc=$G&filter_subject=late.a&sort=subs", "num_connections", 1)):
            self.assertEqual(json.loads(page(path))[key], want, path)
        longest = int(re.search(rb"^rill_turn_longest_units (\d+)", page("/metrics"), re.M)[1])
        self.assertLess(longest, many // 2)


if __name__ == "__main__":
    main(Turns)
