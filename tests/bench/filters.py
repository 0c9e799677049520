#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Requests that name much, over the wire, beside a nats-server: a consumer of many filters and its
first message, a stream of many subjects. The time until the answer, the median of the rounds; who
has not answered within PATIENCE seconds is told as that."""
import argparse
import statistics
import sys
import time

import servers
from hostile_client import Client, publish

SUBJECTS = 150_000
FILTERS = 3000
NAMED = 4096  # as many as rilld takes
PATIENCE = 60
CONFIG = 'jetstream { store_dir: "@DIR@/js", max_file_store: 4GB, max_memory_store: 4GB }\n'


def timed(function, *args):
    start = time.monotonic()
    answer = function(*args)
    return time.monotonic() - start, answer


def fill(client):
    client.stream("S", ["s.>"], max_msg_size=1024)
    client.fill("s.{}.x", SUBJECTS, "0123456789abcdef")


def consumer(client, number):
    filters = [f"s.{n * 3}.{'*' if n % 10 == 9 else 'x'}" for n in range(FILTERS)]
    name = f"C{number}"
    made, _ = timed(client.must, f"CONSUMER.CREATE.S.{name}", {
        "stream_name": "S",
        "config": {"name": name, "ack_policy": "none", "filter_subjects": filters}})
    client.send(publish(f"$JS.API.CONSUMER.MSG.NEXT.S.{name}", '{"batch":1}', client.reply()))
    pulled, (subject, _) = timed(client.message)
    if subject != "s.0.x":
        raise RuntimeError(f"the first message is {subject}")
    client.must(f"CONSUMER.DELETE.S.{name}", {})
    return made, pulled


def stream(client, number):
    name = f"MANY{number}"
    took, _ = timed(client.stream, name, [f"m{number}{n}" for n in range(NAMED)])
    client.must(f"STREAM.DELETE.{name}", {})
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
        client = Client(server.port, timeout=PATIENCE)
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
