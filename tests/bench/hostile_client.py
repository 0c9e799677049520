# SPDX-License-Identifier: Apache-2.0
"""A plain client for hostile.py: bytes out, answers in, nothing between."""
import json
import resource
import socket

USER, PASSWORD = "ivan", "s3cret"
HEADERS = "NATS/1.0\r\n"


class Gone(Exception):
    """The server has closed the connection, or told an error that ends it."""


def many_files():
    """As many descriptors as this process may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def hello(user=USER, password=PASSWORD):
    return "CONNECT " + json.dumps({"verbose": False, "headers": True, "no_responders": True,
                                    "user": user, "pass": password}) + "\r\n"


class Client:
    """A connection that asks, and waits for one answer at a time. `raw`: it says nothing."""

    def __init__(self, port, raw=False, timeout=60, receive_bytes=0):
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = self.socket.makefile("rb", 1 << 16)
        self.asked = 0
        self.input.readline()
        if not raw:
            self.inbox = f"in.{self.socket.getsockname()[1]}"
            self.send(hello() + f"SUB {self.inbox}.* 1\r\n")
            self.ping()

    def close(self):
        self.input.close()
        self.socket.close()

    def send(self, *parts):
        self.socket.sendall("".join(parts).encode())

    def line(self):
        """The next operation's line; a PING is answered."""
        while True:
            line = self.input.readline()
            if not line:
                raise Gone("the connection is closed")
            if line.startswith(b"PING"):
                self.send("PONG\r\n")
            elif line.startswith(b"-ERR"):
                raise Gone(line.decode().strip())
            else:
                return line

    def message(self):
        """Subject and body of the next message, headers with the body."""
        while True:
            line = self.line()
            if line.startswith((b"MSG", b"HMSG")):
                words = line.split()
                return words[1].decode(), self.input.read(int(words[-1]) + 2)[:-2]

    def ping(self):
        """Until all that was sent is obeyed; messages that come meanwhile are dropped."""
        self.send("PING\r\n")
        while True:
            line = self.line()
            if line.startswith(b"PONG"):
                return
            if line.startswith((b"MSG", b"HMSG")):
                self.input.read(int(line.split()[-1]) + 2)

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
