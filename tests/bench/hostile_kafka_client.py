# SPDX-License-Identifier: Apache-2.0
"""A plain client of Kafka's protocol for hostile_kafka.py: frames out, answers in, nothing between.
All versions are ones of before the flexible ones, whose bytes are plain."""
import gzip
import itertools
import socket
import struct
import time

PRODUCE, FETCH, LIST_OFFSETS, METADATA, CREATE_TOPICS, DELETE_TOPICS, DESCRIBE_CONFIGS, \
    JOIN_GROUP, LEAVE_GROUP = 0, 1, 2, 3, 19, 20, 32, 11, 13
VERSIONS = {PRODUCE: 7, FETCH: 11, LIST_OFFSETS: 4, METADATA: 8, CREATE_TOPICS: 4,
            DELETE_TOPICS: 3, DESCRIBE_CONFIGS: 3, JOIN_GROUP: 5, LEAVE_GROUP: 3}
GZIP = 1
TOPIC = 2  # a resource that has a configuration


class Gone(ConnectionError):
    """The broker has closed the connection."""


class Client:
    def __init__(self, port, timeout=60, receive_bytes=0):
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.numbers = itertools.count(1)

    def send(self, key, body, times=1):
        """As often as that, all at once."""
        self.socket.sendall(b"".join(frame(key, body, next(self.numbers)) for _ in range(times)))

    def read(self):
        """The next answer, without its number."""
        size, = struct.unpack(">i", self.bytes(4))
        return self.bytes(size)[4:]

    def ask(self, key, body):
        self.send(key, body)
        return self.read()

    def bytes(self, size):
        parts = []
        while size > 0:
            part = self.socket.recv(min(size, 1 << 20))
            if not part:
                raise Gone("the broker has closed the connection")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def leave(self):
        """At once, with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def create(self, *topics):
        """Each a name and how many partitions it gets; errors are the caller's bug."""
        answer = self.ask(CREATE_TOPICS, created(topics))
        at = 8
        for name, _ in topics:
            code, length = struct.unpack_from(">hh", answer, at + 2 + len(name))
            if code:
                raise RuntimeError(f"no topic {name}: error {code}")
            at += 2 + len(name) + 4 + max(length, 0)


def frame(key, body, number):
    head = struct.pack(">hhi", key, VERSIONS[key], number) + text("hostile")
    return struct.pack(">i", len(head) + len(body)) + head + body


def text(word):
    return struct.pack(">h", len(word)) + word.encode()


def listed(items):
    items = list(items)
    return struct.pack(">i", len(items)) + b"".join(items)


def blob(data):
    return struct.pack(">i", len(data)) + data


# ---- Requests --------------------------------------------------------------------------------

def created(topics):
    return listed(text(name) + struct.pack(">ihii", partitions, 1, 0, 0)
                  for name, partitions in topics) + struct.pack(">ib", 60_000, 0)


def deleted(names):
    return listed(text(name) for name in names) + struct.pack(">i", 60_000)


def produced(topics, acks=-1):
    """Each topic a name and pairs of a partition and its batch."""
    return struct.pack(">hhi", -1, acks, 30_000) + listed(
        text(name) + listed(struct.pack(">i", partition) + blob(batch)
                            for partition, batch in of)
        for name, of in topics)


def fetched(topics, wait_ms=0, most=1 << 30, epoch=-1):
    """Each topic a name and pairs of a partition and an offset."""
    return struct.pack(">iiiibii", -1, wait_ms, 1, most, 0, 0, epoch) + listed(
        text(name) + listed(struct.pack(">iiqqi", partition, -1, offset, -1, most)
                            for partition, offset in of)
        for name, of in topics) + struct.pack(">i", 0) + text("")


def described(names):
    return listed(struct.pack(">b", TOPIC) + text(name) + struct.pack(">i", -1)
                  for name in names) + b"\x01\x01"


def metadata(names):
    return listed(text(name) for name in names) + b"\0\0\0"


def joined(group, member=""):
    topics = blob(b"\0\0" + listed([text("w0")]) + blob(b""))
    head = text(group) + struct.pack(">ii", 30_000, 30_000) + text(member) + struct.pack(">h", -1)
    return head + text("consumer") + listed([text("range") + topics])


def left(group, members):
    return text(group) + listed(text(member) + struct.pack(">h", -1) for member in members)


def given_id(answer):
    """The member id in what JoinGroup was answered."""
    at = 4 + 2 + 4
    for _ in range(3):  # the protocol, the leader, the member
        size, = struct.unpack_from(">h", answer, at)
        word, at = answer[at + 2:at + 2 + max(size, 0)], at + 2 + max(size, 0)
    return word.decode()


# ---- Record batches --------------------------------------------------------------------------

def crc32c_row(byte):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


CRC32C = [crc32c_row(byte) for byte in range(256)]


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC32C[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def varint(number):
    return uvarint(number << 1 ^ number >> 63)


def uvarint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def record(number, value):
    body = b"\0" + varint(0) + varint(number) + varint(-1) + varint(len(value)) + value + varint(0)
    return varint(len(body)) + body


def batch(values, codec=0):
    """Of a time that is now; with GZIP packed as far as it goes."""
    records = b"".join(record(number, value) for number, value in enumerate(values))
    return packed(gzip.compress(records, 9) if codec == GZIP else records, len(values), codec)


def packed(records, count, codec):
    now_ms = int(time.time() * 1000)
    body = struct.pack(">hiqqqhii", codec, count - 1, now_ms, now_ms, -1, -1, -1, count) + records
    return struct.pack(">qiibI", 0, len(body) + 9, 0, 2, crc32c(body)) + body
