#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Requests that name much, over the wire, beside a nats-server: a consumer of many filters and its
first message, a stream of many subjects. The time until the answer, the median of the rounds; who
has not answered within PATIENCE seconds is told as that."""
import argparse
import json
import socket
import statistics
import sys
import time

import servers

SUBJECTS = 150_000
FILTERS = 3000
NAMED = 60_000
PATIENCE = 60
CONFIG = 'jetstream { store_dir: "@DIR@/js", max_file_store: 4GB, max_memory_store: 4GB }\n'


class Client:
    """A connection that asks, and waits for one answer at a time."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.input = self.socket.makefile("rb", 1 << 20)
        self.asked = 0
        self.input.readline()
        self.socket.sendall(b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n'
                            b'SUB answer.* 1\r\nPING\r\n')
        self.until(b"PONG")

    def until(self, word):
        while True:
            line = self.input.readline()
            if not line:
                raise RuntimeError("the connection is gone")
            if line.startswith(word):
                return line
            if line.startswith(b"-ERR"):
                raise RuntimeError(line.decode())

    def answer(self):
        words = self.until((b"MSG", b"HMSG")).split()
        body = self.input.read(int(words[-1]) + 2)[:-2]
        return words[1].decode(), body

    def ask(self, subject, body):
        self.asked += 1
        head = f"PUB {subject} answer.{self.asked} {len(body)}\r\n".encode()
        start = time.monotonic()
        self.socket.sendall(head + body + b"\r\n")
        answer = self.answer()
        return time.monotonic() - start, answer

    def api(self, name, request):
        took, (_, body) = self.ask("$JS.API." + name, json.dumps(request).encode())
        told = json.loads(body)
        if "error" in told:
            raise RuntimeError(f"{name}: {told['error']}")
        return took


def fill(client):
    client.api("STREAM.CREATE.S", {"name": "S", "subjects": ["s.>"], "max_msg_size": 1024})
    for first in range(0, SUBJECTS, 10_000):
        lines = [f"PUB s.{n}.x 16\r\n0123456789abcdef\r\n" for n in range(first, first + 9999)]
        client.socket.sendall("".join(lines).encode())
        client.ask(f"s.{first + 9999}.x", b"0123456789abcdef")


def consumer(client, number):
    filters = [f"s.{n * 3}.{'*' if n % 10 == 9 else 'x'}" for n in range(FILTERS)]
    name = f"C{number}"
    made = client.api(f"CONSUMER.CREATE.S.{name}",
                      {"stream_name": "S", "config": {"name": name, "ack_policy": "none",
                                                      "filter_subjects": filters}})
    pulled, (subject, _) = client.ask(f"$JS.API.CONSUMER.MSG.NEXT.S.{name}", b'{"batch":1}')
    if subject != "s.0.x":
        raise RuntimeError(f"the first message is {subject}")
    client.api(f"CONSUMER.DELETE.S.{name}", {})
    return made, pulled


def stream(client, number):
    name = f"MANY{number}"
    subjects = [f"m{number}{n}" for n in range(NAMED)]
    took = client.api(f"STREAM.CREATE.{name}", {"name": name, "subjects": subjects})
    client.api(f"STREAM.DELETE.{name}", {})
    return took


def patiently(rounds, ask, client):
    """The answers' times, one for each round; a client that waits in vain asks no more."""
    times = []
    for number in range(rounds):
        try:
            times.append(ask(client, number))
        except TimeoutError:
            return times or [PATIENCE]
    return times


def measure(program, rounds):
    with servers.Server(program, config=CONFIG) as server:
        client = Client(server.port)
        fill(client)
        rows = [(made, pulled, made + pulled) for made, pulled in
                patiently(rounds, consumer, client)]
        columns = [statistics.median(column) for column in zip(*rows)]
        return columns + [statistics.median(patiently(rounds, stream, client))]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rilld", required=True)
    parser.add_argument("--peer", default=None)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    peer = servers.find_peer(args.peer)
    rill = measure(args.rilld, args.rounds)
    theirs = measure(peer, args.rounds) if peer else None
    names = [f"a consumer of {FILTERS} filters, {SUBJECTS} subjects", "its first message",
             "both", f"a stream of {NAMED} subjects"]
    print(f"{'':48} {'rill ms':>10} {'nats ms':>10} {'ratio':>7}")
    missed = 0
    for i, name in enumerate(names):
        row = f"{name:48} {rill[i] * 1e3:10.2f}"
        if theirs:
            ratio = rill[i] / theirs[i]
            row += f" {theirs[i] * 1e3:10.2f} {ratio:7.2f}"
            if i >= 2:
                row += "   ok" if ratio <= 1 else "   MISSED"
                missed += ratio > 1
        print(row)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
