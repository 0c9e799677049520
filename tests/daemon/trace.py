# SPDX-License-Identifier: Apache-2.0
"""trace.py SERVER [--print]: what a server logs under -DV of one scripted session, against
trace.expected, which is what nats-server 2.15.2 prints but for lines that only it has (of its
parser's state, of its accept loop). Addresses and times are masked."""
import os
import pathlib
import re
import socket
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from server import BOUND_S, Server, wait_for

EXPECTED = pathlib.Path(__file__).with_name("trace.expected")
THEIRS = ("Client parser ERROR", "maximum payload exceeded", "Client accept loop", "SYSTEM",
          "Go build", "Created system account")


class Peer:
    """A connection that waits for what it has asked for: lines are logged in a known order."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=BOUND_S)
        self.got = b""
        self.wait(b"\r\n")

    def wait(self, end):
        while not self.got.endswith(end):
            more = self.socket.recv(65536)
            if not more:
                return
            self.got += more
        self.got = b""

    def say(self, text, answer):
        self.socket.sendall(text)
        self.wait(answer)


def session(port):
    a = Peer(port)
    a.say(b'CONNECT {"verbose":false,"name":"a","lang":"py","version":"1.2","headers":true,'
          b'"no_responders":true,"user":"u","pass":"secret"}\r\nPING\r\n', b"PONG\r\n")
    b = Peer(port)
    b.say(b'CONNECT {"verbose":true,"headers":true,"name":"n\\n"}\r\nPING\r\n', b"PONG\r\n")
    a.say(b"SUB foo.* 1\r\nSUB  q.>  workers  2\r\nUNSUB 2 5\r\nPING\r\n", b"PONG\r\n")
    b.say(b"PUB foo.1   5 \r\nhello\r\n", b"+OK\r\n")
    a.wait(b"hello\r\n")
    b.say(b'PUB foo.2 rep.1 5\r\n\xc3\xa9\x01\xff"\r\n', b"+OK\r\n")
    a.wait(b'"\r\n')
    b.say(b"hpub foo.3 rep 12 17\r\nNATS/1.0\r\n\r\nhello\r\n", b"+OK\r\n")
    a.wait(b"hello\r\n")
    a.say(b"PUB nobody rep.9 2\r\nhi\r\nUNSUB 1\r\nPONG\r\nSUB once 3\r\nUNSUB 3 1\r\nPING\r\n",
          b"PONG\r\n")
    b.say(b"PUB once 0\r\n\r\n", b"+OK\r\n")
    a.wait(b"\r\n\r\n")
    b.say(b"SUB foo..bar 3\r\n", b"-ERR 'Invalid Subject'\r\n")
    b.say(b"PUB foo.long 300\r\n" + b"x" * 300 + b"\r\n", b"+OK\r\n")
    b.say(b"BOGUS\r\n", b"'Unknown Protocol Operation'\r\n")
    b.wait(b"never")
    a.say(b"PING\r\n", b"PONG\r\n")
    a.socket.close()


def masked(log):
    for line in log.splitlines():
        kind = line[line.find("["):]
        kind = re.sub(r"^\[\d+\] \S+ \S+ ", "", kind)
        kind = re.sub(r"127\.0\.0\.1:\d+ - cid:\d+", "PEER", kind)
        if not kind.startswith("[INF]") and not any(word in kind for word in THEIRS):
            yield kind


def run(program):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "log")
        with Server(program, "-a", "127.0.0.1", "-p", "-1", "-DV", "-l", path,
                    "--max_traced_msg_len", "100", folder=folder) as server:
            session(server.ready(path).port)
            wait_for("two ends", lambda: server.log(path).count("Client connection closed") >= 2)
        return list(masked(server.log(path)))


lines = run(sys.argv[1])
if "--print" in sys.argv:
    print("\n".join(lines))
    sys.exit(0)
expected = EXPECTED.read_text().splitlines()
for number, (got, want) in enumerate(zip(lines, expected), 1):
    if got != want:
        sys.exit(f"line {number}: got\n  {got}\nand not\n  {want}")
if len(lines) != len(expected):
    sys.exit(f"{len(lines)} lines, not {len(expected)}: {lines[len(expected):]}")
print(f"{len(lines)} lines as nats-server says them")
