# SPDX-License-Identifier: Apache-2.0
"""The attacks of hostile.py. Each is a generator that prepares, yields when the attack may begin,
and ends when the attacker has done what it wants to. What it holds open it keeps in `held`, so
that it lasts until the attacker's process ends."""
import json
import os
import random
import signal
import time

from hostile_client import Client, Gone, hello, publish

ATTACKS = {}  # name: (function, what it is)
MIB = 1 << 20
held = []


def attack(what):
    def add(function):
        ATTACKS[function.__name__] = (function, what)
        return function
    return add


def attacker(server, **options):
    client = Client(server.port, **options)
    held.append(client)
    return client


def pipelined(client, requests, window=500):
    """Requests of which `window` wait for their answers at a time."""
    waiting = 0
    for subject, body, headers in requests:
        client.send(publish(subject, body, client.reply(), headers))
        waiting += 1
        if waiting == window:
            client.answers(waiting)
            waiting = 0
    client.answers(waiting)


# ---- Requests that name much ---------------------------------------------------------------

@attack("a stream of 60 000 subjects, 20 of 4096")
def many_subjects(server):
    client = attacker(server)
    yield
    client.api("STREAM.CREATE.A", {"name": "A", "subjects": [f"m{n}" for n in range(60_000)]})
    for k in range(20):
        client.stream(f"A{k}", [f"a{k}.{n}" for n in range(4096)])


@attack("a consumer of 60 000 filters, 20 of 4096")
def many_filters(server):
    client = attacker(server)
    client.stream("A", ["m.>"])
    yield
    client.api("CONSUMER.CREATE.A.c", {"stream_name": "A", "config": {
        "name": "c", "ack_policy": "none", "filter_subjects": [f"m.{n}" for n in range(60_000)]}})
    for k in range(20):
        client.consumer("A", f"c{k}", ack_policy="none",
                        filter_subjects=[f"m.{n}" for n in range(4096)])


@attack("an update with 1500 sources over 200 000 messages")
def many_sources(server):
    client = attacker(server)
    client.stream("S", ["s.>"])
    client.fill("s.{}", 200_000)
    client.stream("A", ["a"])
    yield
    client.api("STREAM.UPDATE.A", {"name": "A", "subjects": ["a"], "sources": [
        {"name": "S", "filter_subject": f"s.{n}"} for n in range(1500)]})
    time.sleep(2)  # the copies come after the answer


@attack("2^14 subscriptions of {a,*} tokens, 2000 misses")
def placed_wildcards(server):
    client = attacker(server)
    tokens = 14
    yield
    for first in range(0, 1 << tokens, 1024):
        client.send("".join(
            "SUB " + ".".join("a*"[n >> bit & 1] for bit in range(tokens)) + f" {n + 2}\r\n"
            for n in range(first, first + 1024)))
    client.ping()
    client.send("".join(publish("a." * (tokens - 1) + f"a.b{n}") for n in range(2000)))
    client.ping()


# ---- Requests that are many, or long ---------------------------------------------------------

@attack("an atomic batch of 1000 with 45 KB of headers each")
def batch_headers(server):
    client = attacker(server)
    client.stream("A", ["a"], allow_atomic=True)
    padding = "".join(f"X-{n}: {'y' * 40}\r\n" for n in range(940))
    yield
    for n in range(1, 1000):
        client.send(publish("a", "", "", f"Nats-Batch-Id: b\r\nNats-Batch-Sequence: {n}\r\n"
                            + padding))
    client.ask("a", "", f"Nats-Batch-Id: b\r\nNats-Batch-Sequence: 1000\r\nNats-Batch-Commit: 1\r\n"
               + padding)


@attack("500 batched DIRECT.GET, answers to nobody")
def direct_gets(server):
    client = attacker(server)
    client.stream("S", ["s.>"], allow_direct=True)
    client.fill("s.{}", 100_000)
    body = json.dumps({"seq": 1, "batch": 100_000, "next_by_subj": "s.>"})
    yield
    client.send("".join(publish("$JS.API.DIRECT.GET.S", body, f"nobody.{n}") for n in range(500)))
    client.api("STREAM.INFO.S")
    time.sleep(2)  # who asked before is served beside this


@attack("3000 STREAM.INFO over 100 000 subjects")
def infos(server):
    client = attacker(server)
    client.stream("S", ["s.>"])
    client.fill("s.{}", 100_000)
    body = json.dumps({"subjects_filter": "s.*.x"})
    yield
    pipelined(client, (("$JS.API.STREAM.INFO.S", body, "") for _ in range(3000)))


@attack("5000 publishes that expect the last sequence of s.>")
def expected_last(server):
    client = attacker(server)
    client.stream("S", ["s.>"])
    client.fill("s.{}", 100_000)
    yield
    pipelined(client, ((f"s.{n}", "", "Nats-Expected-Last-Subject-Sequence: 1\r\n"
                        "Nats-Expected-Last-Subject-Sequence-Subject: s.>\r\n")
                       for n in range(5000)))


@attack("300 purges of 200 000 subjects by a filter that is of none")
def purges(server):
    client = attacker(server)
    client.stream("S", ["s.>"])
    client.fill("s.{}.x", 200_000)
    body = json.dumps({"filter": "s.*.y", "keep": 1})
    yield
    pipelined(client, (("$JS.API.STREAM.PURGE.S", body, "") for _ in range(300)))


@attack("a purge of 200 000 messages by a filter")
def purge(server):
    client = attacker(server)
    client.stream("S", ["s.>"])
    client.fill("s.{}.x", 200_000)
    yield
    client.api("STREAM.PURGE.S", {"filter": "s.*.x"})


@attack("the lists of 5000 consumers, 50 times at each offset")
def consumer_lists(server):
    client = attacker(server)
    client.stream("S", ["s"], storage="memory")
    pipelined(client, ((f"$JS.API.CONSUMER.CREATE.S.c{n}", json.dumps(
        {"stream_name": "S", "config": {"name": f"c{n}", "ack_policy": "none"}}), "")
        for n in range(5000)))
    yield
    pipelined(client, (("$JS.API.CONSUMER.LIST.S", json.dumps({"offset": n * 100}), "")
                       for n in range(50)))
    pipelined(client, (("$JS.API.CONSUMER.NAMES.S", "", "") for _ in range(50)))


@attack("the list of 250 streams of 3000 subjects each, 20 times")
def stream_lists(server):
    client = attacker(server)
    for n in range(250):
        client.stream(f"S{n}", [f"s.{n}.{k:024}" for k in range(3000)], storage="memory")
    yield
    for _ in range(20):
        client.api("STREAM.LIST")


@attack("JSZ of 10 000 consumers, 20 times")
def monitoring(server):
    client = attacker(server)
    client.stream("S", ["s"], storage="memory")
    pipelined(client, ((f"$JS.API.CONSUMER.CREATE.S.c{n}", json.dumps(
        {"stream_name": "S", "config": {"name": f"c{n}", "ack_policy": "none"}}), "")
        for n in range(10_000)))
    yield
    for _ in range(20):
        client.ask("$SYS.REQ.SERVER.PING.JSZ", '{"consumer":true}')


@attack("50 STREAM.INFO of what is deleted of 500 000 messages")
def deleted(server):
    client = attacker(server)
    client.stream("S", ["s.*"])
    client.fill("s.{}", 500_000)
    client.must("STREAM.PURGE.S", {"filter": "s.1", "keep": 0})
    for n in range(2, 50_000, 7):
        client.send(publish("$JS.API.STREAM.MSG.DELETE.S",
                            json.dumps({"seq": n, "no_erase": True})))
    client.api("STREAM.INFO.S")
    yield
    for _ in range(50):
        client.api("STREAM.INFO.S", {"deleted_details": True})


@attack("20 requests of 4 MB of JSON")
def long_bodies(server):
    client = attacker(server)
    body = '{"config":{"metadata":{' + ",".join(f'"k{n}":"v"' for n in range(320_000)) + "}}}"
    yield
    for _ in range(20):
        client.ask("$JS.API.STREAM.CREATE.A", body)


@attack("a million pull requests' worth in one, over 200 000 messages")
def pull_million(server):
    client = attacker(server)
    client.stream("S", ["s"])
    client.fill("s", 200_000)
    client.consumer("S", "c", ack_policy="none")
    yield
    client.send(publish("$JS.API.CONSUMER.MSG.NEXT.S.c", '{"batch":1000000,"expires":10000000000}',
                        client.reply()))
    client.answers(200_000)


@attack("a snapshot of a stream of 100 MB")
def snapshot(server):
    client = attacker(server)
    client.stream("S", ["s"])
    client.fill("s", 1000, random.Random(1).randbytes(50_000).hex(), step=100)
    yield
    client.send("SUB chunks 9\r\n")
    client.must("STREAM.SNAPSHOT.S", {"deliver_subject": "chunks", "chunk_size": 1 << 17})
    while True:
        line = client.line().split()
        body = client.input.read(int(line[-1]) + 2)
        if line[0] == "HMSG" or len(body) == 2:
            return
        if len(line) > 4:
            client.send(publish(line[3]))


@attack("a stream of a million messages is deleted")
def delete_stream(server):
    client = attacker(server)
    client.stream("S", ["s.*"])
    client.fill("s.{}", 1_000_000)
    yield
    client.must("STREAM.DELETE.S")


@attack("a work queue of 200 000 is purged, consumer and all")
def purge_queue(server):
    client = attacker(server)
    client.stream("S", ["s"], retention="workqueue")
    client.consumer("S", "c", ack_policy="explicit", max_ack_pending=100_000)
    client.fill("s", 200_000)
    client.send(publish("$JS.API.CONSUMER.MSG.NEXT.S.c", '{"batch":50000,"expires":10000000000}',
                        client.reply()))
    client.answers(50_000)
    yield
    client.api("STREAM.PURGE.S")


# ---- Time -----------------------------------------------------------------------------------

@attack("10 000 messages whose TTL ends together")
def ttl_together(server):
    client = attacker(server)
    client.stream("S", ["s.*"], allow_msg_ttl=True, subject_delete_marker_ttl=1_000_000_000)
    client.send("".join(publish(f"s.{n}", "x", "", "Nats-TTL: 3s\r\n") for n in range(10_000)))
    client.api("STREAM.INFO.S")
    yield
    end = time.monotonic() + 8
    while time.monotonic() < end:
        state = client.must("STREAM.INFO.S")["state"]
        if state["first_seq"] > 10_000:
            return
        time.sleep(0.05)


@attack("1000 schedules that are due together")
def schedules_together(server):
    client = attacker(server)
    client.stream("S", ["s.>", "t.>"], allow_msg_schedules=True)
    due = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 4))
    client.send("".join(publish(f"s.{n}", "x", "", f"Nats-Schedule: @at {due}\r\n"
                                f"Nats-Schedule-Target: t.{n}\r\n") for n in range(1000)))
    client.api("STREAM.INFO.S")
    yield
    time.sleep(5)


@attack("two streams whose consumers deliver into each other")
def circle(server):
    client = attacker(server)
    for name, to in (("A", "b"), ("B", "a")):
        client.stream(name, [name.lower()], storage="memory", max_msgs=1000)
        client.consumer(name, "c", ack_policy="none", deliver_subject=to)
    yield
    client.send(publish("a", "round"))
    time.sleep(3)


# ---- Connections ------------------------------------------------------------------------------

@attack("195 000 subscriptions of sequential sids, twice")
def many_sids(server):
    client = attacker(server)
    yield
    for _ in range(2):
        for first in range(2, 195_002, 5000):
            client.send("".join(f"SUB x{n} {n}\r\n" for n in range(first, first + 5000)))
        client.ping()
        for first in range(2, 195_002, 5000):
            client.send("".join(f"UNSUB {n}\r\n" for n in range(first, first + 5000)))
        client.ping()


@attack("deep subscriptions with wildcards come and go")
def churn(server):
    client = attacker(server)
    filters = [".".join("*" if (n * 7 + bit) % 5 == 0 else f"t{(n * 31 + bit) % 9}"
                        for bit in range(60)) for n in range(2000)]
    yield
    for _ in range(20):
        client.send("".join(f"SUB {text} {n + 2}\r\n" for n, text in enumerate(filters)))
        client.send("".join(publish(text.replace("*", "q")) for text in filters[::20]))
        client.send("".join(f"UNSUB {n + 2}\r\n" for n in range(len(filters))))
        client.ping()


@attack("a second CONNECT, and an end, that drop 200 000 subscriptions")
def second_connect(server):
    client = attacker(server)
    for first in range(2, 200_002, 5000):
        client.send("".join(f"SUB x{n}.* {n}\r\n" for n in range(first, first + 5000)))
    client.ping()
    yield
    try:
        client.send(hello())
        client.ping()
    except (Gone, OSError):
        pass
    client.close()
    time.sleep(1)


@attack("20 logins with a wrong password, hashed at cost 11")
def logins(server):
    clients = [attacker(server, raw=True) for _ in range(20)]
    yield
    for client in clients:
        client.send(hello(password="wrong"), "PING\r\n")
    for client in clients:
        while client.input.readline():
            pass


@attack("a reload while 40 are logged in by a hashed password")
def reload(server):
    for _ in range(40):
        attacker(server)
    path = os.path.join(server.dir, "server.conf")
    with open(path, "a", encoding="ascii") as conf:
        conf.write("\nmax_connections: 5000\n")
    yield
    os.kill(server.pid, signal.SIGHUP)
    time.sleep(3)


@attack("a reader that is slow, with 63 MB for it")
def slow_reader(server):
    reader = attacker(server, receive_bytes=4096)
    reader.send("SUB much 2\r\n")
    reader.ping()
    client = attacker(server)
    yield
    body = "x" * 100_000
    for _ in range(630):
        client.send(publish("much", body))
    client.ping()


@attack("20 payloads of 1 MiB, a byte at a time")
def byte_by_byte(server):
    clients = [attacker(server) for _ in range(20)]
    for client in clients:
        client.send(f"PUB x {MIB}\r\n")
    yield
    for _ in range(5000):
        for client in clients:
            client.send("x")


# ---- Memory ----------------------------------------------------------------------------------

MEMORY = {}  # name: (function, what it is)


def memory(what):
    def add(function):
        MEMORY[function.__name__] = (function, what)
        return function
    return add


def insist(client, *parts):
    """Send, and say whether the connection lives."""
    try:
        client.send(*parts)
        return True
    except OSError:
        return False


@memory("40 open batches of 60 MB")
def open_batches(server):
    client = attacker(server)
    client.stream("A", ["a"], allow_atomic=True)
    yield
    body = "x" * 1_000_000
    for batch in range(40):
        for n in range(1, 61):
            client.send(publish("a", body, "", f"Nats-Batch-Id: b{batch}\r\n"
                                f"Nats-Batch-Sequence: {n}\r\n"))
    client.ping()


@memory("40 readers that do not read, 60 MB each")
def slow_readers(server):
    for _ in range(40):
        reader = attacker(server, receive_bytes=4096)
        reader.send("SUB much 2\r\n")
        reader.ping()
    client = attacker(server)
    yield
    body = "x" * 1_000_000
    for n in range(60):
        client.send(publish("much", f"{n:4}" + body))
    client.ping()


@memory("40 readers that do not read, each another 60 MB")
def slow_readers_apart(server):
    for n in range(40):
        reader = attacker(server, receive_bytes=4096)
        reader.send(f"SUB much.{n} 2\r\n")
        reader.ping()
    client = attacker(server)
    yield
    body = "x" * 1_000_000
    for _ in range(60):
        for n in range(40):
            client.send(publish(f"much.{n}", body))
    client.ping()


@memory("1000 payloads of 1 MiB, all but a byte")
def partial_payloads(server):
    clients = [attacker(server) for _ in range(1000)]
    yield
    body = "x" * (MIB - 1)
    for client in clients:
        insist(client, f"PUB x {MIB}\r\n", body)


@memory("20 that PING and do not read")
def unread_pongs(server):
    clients = [attacker(server, receive_bytes=4096, timeout=0.05) for _ in range(20)]
    pings = "PING\r\n" * 100_000
    yield
    for _ in range(30):
        for client in clients:
            insist(client, pings)


@memory("300 consumers, 500 pulls that wait at each")
def waiting_pulls(server):
    client = attacker(server)
    client.stream("P", ["p"], storage="memory")
    for n in range(300):
        client.consumer("P", f"c{n}", ack_policy="explicit")
    client.send("SUB in.> 9\r\n")
    yield
    inbox = "in." + "y" * 500
    for n in range(300):
        client.send(*[publish(f"$JS.API.CONSUMER.MSG.NEXT.P.c{n}", '{"batch":1}', inbox)
                      for _ in range(500)])
        client.ping()


@memory("20 consumers, 200 000 unacknowledged messages of each")
def unacknowledged(server):
    client = attacker(server)
    client.stream("U", ["u"], storage="memory")
    client.fill("u", 200_000)
    for n in range(20):
        client.consumer("U", f"c{n}", ack_policy="explicit", max_ack_pending=-1)
    yield
    reader = attacker(server)
    reader.send("SUB got 9\r\n")
    for n in range(20):
        reader.send(publish(f"$JS.API.CONSUMER.MSG.NEXT.U.c{n}",
                            '{"batch":200000,"expires":15000000000}',
                            "got"))
    time.sleep(15)


@memory("4000 streams with 125 KB of metadata each")
def streams_of_metadata(server):
    client = attacker(server)
    client.stream("KEPT", ["kept"])
    yield
    filler = "m" * 125_000
    pipelined(client, ((f"$JS.API.STREAM.CREATE.A{n}", json.dumps(
        {"name": f"A{n}", "subjects": [f"a{n}"], "metadata": {"m": filler}}), "")
        for n in range(4000)), window=20)
    client.fill("kept", 1000)


@memory("2000 consumers with 4096 filters each")
def consumers_of_filters(server):
    client = attacker(server)
    client.stream("KEPT", ["kept", "f.>"])
    yield
    pipelined(client, ((f"$JS.API.CONSUMER.CREATE.KEPT.c{n}", json.dumps(
        {"stream_name": "KEPT", "config": {
            "name": f"c{n}", "ack_policy": "none",
            "filter_subjects": [f"f.{n}.{k}" for k in range(4096)]}}), "")
        for n in range(2000)), window=20)
    client.fill("kept", 1000)


@memory("4 000 000 distinct subjects")
def distinct_subjects(server):
    client = attacker(server)
    client.stream("S", ["kept", "s.>"])
    yield
    for first in range(0, 4_000_000, 10_000):
        client.send(*[publish(f"s.{n * 2654435761 % 4294967296:x}.{n}", "x")
                      for n in range(first, first + 10_000)])
        client.ping()
    client.fill("kept", 1000)


@memory("4 streams, 1 000 000 message ids in each")
def message_ids(server):
    client = attacker(server)
    for n in range(4):
        client.stream(f"S{n}", [f"s{n}"], max_msgs=1000)
    yield
    for first in range(0, 1_000_000, 5_000):
        for k in range(4):
            client.send(*[publish(f"s{k}", "x", "", f"Nats-Msg-Id: id-{n:027}\r\n")
                          for n in range(first, first + 5_000)])
        client.ping()
