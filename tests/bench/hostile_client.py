# SPDX-License-Identifier: Apache-2.0
"""A plain client for hostile.py: bytes out, answers in, nothing between."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import server
from server import Gone, many_files

USER, PASSWORD = "ivan", "s3cret"
HEADERS = "NATS/1.0\r\n"


def options(user=USER, password=PASSWORD):
    return json.dumps({"verbose": False, "headers": True, "no_responders": True,
                       "user": user, "pass": password})


def hello(user=USER, password=PASSWORD):
    return "CONNECT " + options(user, password) + "\r\n"


class Client(server.Client):
    """A connection that asks, and waits for one answer at a time. `raw`: it says nothing."""

    def __init__(self, port, raw=False, timeout=60, receive_bytes=0):
        super().__init__(port, connect=None if raw else options(), timeout=timeout,
                         receive_bytes=receive_bytes)
        if not raw:
            self.inbox = f"in.{self.socket.getsockname()[1]}"
            self.send(f"SUB {self.inbox}.* 1\r\n")
            self.ping()

    def send(self, *parts):
        self.write("".join(parts))

    def line(self):
        """The next operation's line; a PING is answered."""
        while True:
            line = self.read()
            if line is None:
                raise Gone("the connection is closed")
            if line.startswith("PING"):
                self.send("PONG\r\n")
            elif line.startswith("-ERR"):
                raise Gone(line)
            else:
                return line

    def message(self):
        """Subject and body of the next message, headers with the body."""
        while True:
            line = self.line()
            if line.startswith(("MSG", "HMSG")):
                subject, _, headers, body = self.read_body(line)
                return subject, headers + body

    def ping(self):
        """Until all that was sent is obeyed; messages that come meanwhile are dropped."""
        self.send("PING\r\n")
        while True:
            line = self.line()
            if line.startswith("PONG"):
                return
            if line.startswith(("MSG", "HMSG")):
                self.read_body(line)

    def reply(self):
        self.asked += 1
        return f"{self.inbox}.{self.asked}"

    def await_reply(self, reply):
        while True:
            subject, body = self.message()
            if subject == reply:
                return body

    def ask(self, subject, body="", headers=""):
        reply = self.reply()
        self.send(publish(subject, body, reply, headers))
        return self.await_reply(reply)

    def api(self, verb, request=None, subject="$JS.API."):
        """The answer; an error is one, and for the caller to judge."""
        body = json.dumps(request) if request is not None else ""
        return json.loads(self.ask(subject + verb, body))

    def must(self, verb, request=None):
        told = self.api(verb, request)
        if "error" in told:
            raise RuntimeError(f"{verb}: {told['error']}")
        return told

    def answers(self, count):
        """The next `count` messages, whatever they are."""
        for _ in range(count):
            self.message()

    def stream(self, name, subjects, **config):
        return self.must(f"STREAM.CREATE.{name}", {"name": name, "subjects": subjects, **config})

    def consumer(self, stream, name, **config):
        return self.must(f"CONSUMER.CREATE.{stream}.{name}", {
            "stream_name": stream, "config": {"name": name, "durable_name": name, **config}})

    def fill(self, subject, count, body="x" * 16, step=10_000):
        """`count` messages to subject.format(n), waiting at times for all before."""
        for first in range(0, count, step):
            last = min(first + step, count) - 1
            self.send("".join(publish(subject.format(n), body) for n in range(first, last)))
            self.ask(subject.format(last), body)


def publish(subject, body="", reply="", headers=""):
    reply = reply and reply + " "
    if not headers:
        return f"PUB {subject} {reply}{len(body)}\r\n{body}\r\n"
    block = HEADERS + headers + "\r\n"
    return f"HPUB {subject} {reply}{len(block)} {len(block) + len(body)}\r\n{block}{body}\r\n"
