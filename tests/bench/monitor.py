# SPDX-License-Identifier: Apache-2.0
"""monitor.py --rilld P [--peer P] [--rounds N] [--many N]: what a look at a broker costs,
rilld beside nats-server, turn and turn about, over one connection that stays: /connz of 10 000
connections, /jsz of 10 000 consumers of 100 streams, by the clock and by the processor time of the
server. Then /metrics, which nats-server has not.

No look may hold up who publishes: an answer is made in slices, and the processor time of the
longest slice is what a publisher waits for at most, on a machine that does nothing else. The broker
tells it itself. Beside it stands what a publisher's round trip (PUB, PING, PONG) comes to while
somebody asks without end, and while nobody does, in turn: there the machine's own noise is in both.

The connections are of this process, which needs as many descriptors (ulimit -n)."""
import argparse
import http.client
import json
import resource
import socket
import statistics
import sys
import threading
import time

from servers import Server, find_peer, version
from table import Table


parser = argparse.ArgumentParser()
parser.add_argument("--rilld", required=True)
parser.add_argument("--peer")
parser.add_argument("--rounds", type=int, default=7)
parser.add_argument("--many", type=int, default=10000, help="connections, and consumers")
args = parser.parse_args()

STREAMS = 100
CONFIG = """http: "127.0.0.1:-1"
jetstream { store_dir: "@DIR@/js", max_mem: 1G, max_file: 4G }
max_connections: 65536
"""


class Client:
    """A connection that speaks the NATS protocol, as little as is needed."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        self.file.readline()  # INFO
        self.socket.sendall(b'CONNECT {"verbose":false,"name":"bench"}\r\n')

    def ping(self, before=b""):
        self.socket.sendall(before + b"PING\r\n")
        while self.file.readline() != b"PONG\r\n":
            pass

    def requests(self, each):
        """(subject, body) after body, all sent at once; waits for as many answers, without
        errors."""
        self.socket.sendall(b"SUB _R.> 1\r\n")
        total, text = 0, b""
        for subject, body in each:
            text += b"PUB %s _R.x %d\r\n%s\r\n" % (subject.encode(), len(body), body.encode())
            total += 1
        threading.Thread(target=self.socket.sendall, args=(text,), daemon=True).start()
        while total:
            line = self.file.readline().split()
            if line and line[0] == b"MSG":
                answer = self.file.read(int(line[-1]) + 2)
                assert b'"error"' not in answer, answer
                total -= 1

    def close(self):
        self.file.close()
        self.socket.close()


def http_port(server):
    text = server.log()
    return int(text.split("http monitor on 127.0.0.1:")[1].split("\n")[0])


def make_streams(server):
    """100 streams in memory with as many consumers each as make `many` in all."""
    client = Client(server.port)
    each = args.many // STREAMS
    client.requests(("$JS.API.STREAM.CREATE.S%03d" % i, json.dumps(
        {"name": "S%03d" % i, "subjects": ["s.%d.>" % i], "storage": "memory"}))
        for i in range(STREAMS))
    for i in range(STREAMS):
        client.requests(("$JS.API.CONSUMER.DURABLE.CREATE.S%03d.C%04d" % (i, n), json.dumps(
            {"stream_name": "S%03d" % i, "config": {"durable_name": "C%04d" % n,
             "ack_policy": "explicit", "mem_storage": True}})) for n in range(each))
    client.close()


class Page:
    """One connection to the monitoring port."""

    def __init__(self, server):
        self.http = http.client.HTTPConnection("127.0.0.1", http_port(server), timeout=120)

    def get(self, path):
        """Milliseconds, and the bytes that came."""
        begun = time.perf_counter()
        self.http.request("GET", path)
        body = self.http.getresponse().read()
        return (time.perf_counter() - begun) * 1000, body


def compare(table, what, servers, path, check):
    """Medians of both, by turns, by the clock and by processor time; each answer is looked at."""
    took, cost = ([], []), ([], [])
    pages = [Page(server) for server in servers]  # one that is silent for 10 s is closed
    for _ in range(args.rounds):
        for server, page, times, costs in zip(servers, pages, took, cost):
            before = server.cpu_ms()
            ms, body = page.get(path)
            costs.append(server.cpu_ms() - before)
            check(json.loads(body))
            times.append(ms)
    table.cost(what, *map(statistics.median, took), "ms", 3, 10)
    table.cost(f"{what}, processor", *map(statistics.median, cost), "ms", 3, 10)


def listed(key, count):
    def check(answer):
        assert answer[key] == count, (answer[key], count)
    return check


def told(answer):
    streams = answer["account_details"][0]["stream_detail"]
    count = sum(len(stream["consumer_detail"]) for stream in streams)
    assert count == args.many, count


def asked_without_end(server, path, over):
    page = Page(server)
    while not over.is_set():
        page.get(path)


def round_trips(server, path):
    """Of 128 bytes and a PING, in microseconds; `path` None: nobody asks for a page."""
    client, over, trips = Client(server.port), threading.Event(), []
    asker = threading.Thread(target=asked_without_end, args=(server, path, over), daemon=True)
    if path:
        asker.start()
    client.ping()
    line = b"PUB bench.x 128\r\n" + b"x" * 128 + b"\r\n"
    end = time.perf_counter() + 1
    while time.perf_counter() < end:
        begun = time.perf_counter()
        client.ping(line)
        trips.append((time.perf_counter() - begun) * 1e6)
    over.set()
    if path:
        asker.join()
    client.close()
    return trips


def stalls(server, path):
    """What a publisher sees with and without somebody who asks for `path`, in turn."""
    trips = {None: [], path: []}
    for _ in range(args.rounds):
        for asked, all_trips in trips.items():
            all_trips.extend(round_trips(server, asked))
    for asked, all_trips in trips.items():
        all_trips.sort()
        at = [all_trips[int(len(all_trips) * share)] for share in (.5, .99, .999)]
        print(f"PUB and PING, {asked or 'nobody asks'}: median {at[0]:.0f} us, "
              f"99 % {at[1]:.0f} us, 99.9 % {at[2]:.0f} us, longest {all_trips[-1]:.0f} us",
              flush=True)


def told_by_metrics(server, name):
    text = Page(server).get("/metrics")[1].decode()
    return float(text.split(f"\n{name} ")[1].split("\n")[0])


def longest_slice(table, what, server):
    """So far: the order of the rows tells which look it was. The peer's column is the bound."""
    us = told_by_metrics(server, "rill_http_slice_longest_seconds") * 1e6
    table.cost(f"longest slice up to {what}, processor", us, 1000, "us", 1, 2)


def main():
    peer_program = find_peer(args.peer)
    if peer_program is None:
        print("no nats-server to compare with")
        sys.exit(77)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    many = min(args.many, (most - 100) // 2)
    table = Table(f"{version(args.rilld)} against {version(peer_program)}")
    with Server(args.rilld, config=CONFIG) as rilld, Server(peer_program, config=CONFIG) as peer:
        for server in (rilld, peer):
            make_streams(server)
        servers, page = (rilld, peer), Page(rilld)
        times, before = [], rilld.cpu_ms()
        for _ in range(args.rounds):
            times.append(page.get("/metrics")[0])
        cpu_ms = (rilld.cpu_ms() - before) / args.rounds
        # The peer's column is what is allowed.
        table.cost(f"/metrics of {args.many} consumers", statistics.median(times), 20, "ms", 1, 4)
        table.cost(f"/metrics of {args.many} consumers, processor", cpu_ms, 20, "ms", 1, 4)
        stalls(rilld, "/metrics")
        longest_slice(table, "/metrics", rilld)
        path = "/jsz?consumers=1&config=1"
        compare(table, f"/jsz of {args.many} consumers", servers, path, told)
        stalls(rilld, path)
        longest_slice(table, "/jsz", rilld)
        clients = [[Client(server.port) for _ in range(many)] for server in servers]
        for server in clients:
            for client in server:
                client.ping()
        for path in (f"/connz?limit={many}", f"/connz?limit={many}&sort=bytes_to&auth=1"):
            compare(table, path, servers, path, listed("num_connections", many))
            stalls(rilld, path)
            longest_slice(table, path, rilld)
        table.cost("longest turn, in units of about 100 ns",
                   told_by_metrics(rilld, "rill_turn_longest_units"), 10000, "units", 1, 2)
        for server in clients:
            for client in server:
                client.close()
    sys.exit(1 if table.show() else 0)


main()
