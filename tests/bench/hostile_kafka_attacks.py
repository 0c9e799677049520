# SPDX-License-Identifier: Apache-2.0
"""The attacks of hostile_kafka.py: generators as those of hostile_attacks.py are."""
import gzip
import random
import struct
import time

from hostile_kafka_client import CREATE_TOPICS, DELETE_TOPICS, DESCRIBE_CONFIGS, FETCH, GZIP, \
    JOIN_GROUP, LEAVE_GROUP, METADATA, PRODUCE, Client, batch, created, deleted, described, \
    fetched, given_id, joined, left, metadata, packed, produced, uvarint

ATTACKS = {}  # name: (function, what it is)
TOPICS, WIDTH = 10, 1000  # of what is wide
HELD_S = 4
held = []


def attack(what):
    def add(function):
        ATTACKS[function.__name__] = (function, what)
        return function
    return add


def attacker(place, **options):
    client = Client(place.kafka_port, **options)
    held.append(client)
    return client


def wide(client):
    """Topics w0, w1, ... of very many partitions; their names."""
    names = [f"w{n}" for n in range(TOPICS)]
    for name in names:
        client.create((name, WIDTH))
    return names


def whole(names, of):
    """Each partition of these topics, with that beside it."""
    return [(name, [(partition, of) for partition in range(WIDTH)]) for name in names]


def full(client, topic, partitions, batches):
    """A topic with so many batches of a megabyte in each partition."""
    client.create((topic, partitions))
    one = batch([b"x" * 1000] * 1000)
    for partition in range(partitions):
        for _ in range(batches):
            client.ask(PRODUCE, produced([(topic, [(partition, one)])]))


# ---- Answers that nobody reads ---------------------------------------------------------------

@attack("60 consumers ask 200 times for 50 MB each, and read nothing")
def never_read(place):
    full(attacker(place), "full", 8, 8)
    readers = [attacker(place, receive_bytes=4096) for _ in range(60)]
    body = fetched([("full", [(partition, 0) for partition in range(8)])])
    yield
    for reader in readers:
        reader.send(FETCH, body, 200)
    time.sleep(HELD_S)


@attack("200 connections ask 1000 times about 10 000 partitions, and read nothing")
def never_read_metadata(place):
    names = wide(attacker(place))
    readers = [attacker(place, receive_bytes=4096) for _ in range(200)]
    yield
    for reader in readers:
        reader.send(METADATA, metadata(names), 1000)
    time.sleep(HELD_S)


@attack("clients that leave in the midst of what they asked, some 3000 times")
def leavers(place):
    client = attacker(place)
    names = wide(client)
    full(client, "full", 4, 8)
    one = batch([b"x"])
    asks = [(FETCH, fetched(whole(names, 0), 30_000)),
            (FETCH, fetched([("full", [(n, 0) for n in range(4)])])),
            (PRODUCE, produced(whole(names, one))),
            (METADATA, metadata(names)),
            (DESCRIBE_CONFIGS, described(names * 100)),
            (JOIN_GROUP, joined("g")),
            (None, None)]
    dice = random.Random(13)
    yield
    end = time.monotonic() + HELD_S
    for n in range(3000):
        key, body = dice.choice(asks)
        if key is None:
            key, body = CREATE_TOPICS, created([(f"left{n}", 100)])
        leaver = Client(place.kafka_port)
        leaver.send(key, body)
        if dice.random() < 0.5:
            time.sleep(0.001)
        leaver.leave()
        if time.monotonic() > end:
            break
    client.ask(METADATA, metadata(names[:1]))


@attack("2000 members of one group, who leave in one request and come again, 3 times")
def crowd(place):
    clients = [attacker(place) for _ in range(2000)]
    yield
    for _ in range(3):
        ids = [given_id(client.ask(JOIN_GROUP, joined("crowd"))) for client in clients]
        for client, member in zip(clients, ids):
            client.send(JOIN_GROUP, joined("crowd", member))
        attacker(place).ask(LEAVE_GROUP, left("crowd", ids))
        for client in clients:
            client.read()


# ---- Batches ---------------------------------------------------------------------------------

@attack("4 clients write 100 batches of 8 kB that unpack to 8 MB, and one that does to 1 GB")
def bomb_gzip(place):
    clients = [attacker(place) for _ in range(4)]
    clients[0].create(("bombs", 100))
    small = batch([b"\0" * 7_900_000], GZIP)
    large = packed(gzip.compress(b"\0" * (1 << 30), 9), 1, GZIP)
    every = produced([("bombs", [(partition, small) for partition in range(100)])])
    alone = produced([("bombs", [(0, large)])])
    yield
    for client in clients:
        client.send(PRODUCE, every)
        client.send(PRODUCE, alone)
    for client in clients:
        client.read()
        client.read()


@attack("4 clients write to 10 000 partitions in one request, 5 times")
def wide_produce(place):
    clients = [attacker(place) for _ in range(4)]
    body = produced(whole(wide(clients[0]), batch([b"x"])))
    yield
    for client in clients:
        client.send(PRODUCE, body, 5)
    for client in clients:
        for _ in range(5):
            client.read()


@attack("4 clients write to 300 000 topics that are not there, 3 times")
def absent_produce(place):
    clients = [attacker(place) for _ in range(4)]
    one = batch([b"x"])
    body = produced([(f"n{n}", [(0, one)]) for n in range(300_000)])
    yield
    for client in clients:
        try:
            client.send(PRODUCE, body, 3)
            for _ in range(3):
                client.read()
        except ConnectionError:
            continue  # it is too much to be answered


@attack("3 clients send 98 MB of tagged fields: in a header, behind a body, a thousand to a topic")
def tags(place):
    clients = [attacker(place) for _ in range(3)]
    size = 98 << 20
    name, none = b"\x02w", b"\x01"  # a topic; no topics
    many = uvarint(size // 2) + b"\x7f\0" * (size // 2)
    each = name + uvarint(1000) + b"\x7f\0" * 1000
    topics = uvarint(size // len(each) + 1) + each * (size // len(each))
    frames = [asked(many, none + b"\0\0\0\0"), asked(b"\0", none + b"\0\0\0" + many),
              asked(b"\0", topics + b"\0\0\0\0")]
    yield
    for client, frame in zip(clients, frames):
        try:
            client.socket.sendall(frame)
            client.read()
        except ConnectionError:
            continue  # these are more than are taken


def asked(tagged, body):
    """A frame of Metadata 9, whose header has these tagged fields."""
    head = struct.pack(">hhih", METADATA, 9, 1, 1) + b"h" + tagged
    return struct.pack(">i", len(head) + len(body)) + head + body


# ---- Much that is named ----------------------------------------------------------------------

@attack("50 consumers ask for 10 000 partitions each, in sessions, and again when one has a record")
def wide_sessions(place):
    client = attacker(place)
    names = wide(client)
    readers = [attacker(place) for _ in range(50)]
    body = fetched(whole(names, 0), 60_000, epoch=0)
    one = batch([b"x"])
    yield
    for n in range(10):
        client.ask(PRODUCE, produced([(names[n % TOPICS], [(n, one)])]))
        for reader in list(readers):
            try:
                reader.send(FETCH, body)
                reader.read()
            except ConnectionError:
                readers.remove(reader)  # all of them ask for more than there is room for


@attack("50 consumers wait for much in 10 000 partitions, one of which is written to all the time")
def wide_wakes(place):
    client = attacker(place)
    names = wide(client)
    readers = [attacker(place) for _ in range(50)]
    one = batch([b"x"])
    yield
    body = bytearray(fetched(whole(names, 0), 60_000))
    body[8:12] = (1 << 30).to_bytes(4, "big")  # min_bytes
    for reader in readers:
        reader.send(FETCH, bytes(body))
    end = time.monotonic() + HELD_S
    while time.monotonic() < end:
        client.ask(PRODUCE, produced([(names[0], [(0, one)])]))


@attack("10 topics of 1000 partitions each, and 5000 of one, are deleted at once")
def delete_wide(place):
    clients = [attacker(place) for _ in range(2)]
    names = wide(clients[0])
    many = [f"m{n}" for n in range(5000)]
    for first in range(0, len(many), 500):
        clients[0].create(*((name, 1) for name in many[first:first + 500]))
    clients[0].ask(PRODUCE, produced(whole(names, batch([b"x"]))))
    yield
    clients[0].send(DELETE_TOPICS, deleted(names))
    clients[1].send(DELETE_TOPICS, deleted(many))
    for client in clients:
        client.read()


@attack("10 clients ask for all settings of 2000 topics, 3 times")
def describe_configs(place):
    clients = [attacker(place) for _ in range(10)]
    many = [f"m{n}" for n in range(2000)]
    for first in range(0, len(many), 500):
        clients[0].create(*((name, 1) for name in many[first:first + 500]))
    yield
    for client in clients:
        client.send(DESCRIBE_CONFIGS, described(many), 3)
    for client in clients:
        try:
            for _ in range(3):
                client.read()
        except ConnectionError:
            continue  # it is too much to be answered
