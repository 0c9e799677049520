# SPDX-License-Identifier: Apache-2.0
"""Enumerations of rill.h, and what its calls tell. A number that a newer library has, and these do
not, stays a number."""
from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any, Dict, NamedTuple, Optional

Bytes = bytes


class Drive(IntEnum):
    THREAD = 0
    HOST = 1


class Sync(IntEnum):
    DEFAULT = 0
    ALWAYS = 1
    LAZY = 2
    NEVER = 3
    MEMORY = 4


class WhenFull(IntEnum):
    DROP_NEW = 0
    DROP_OLD = 1
    BLOCK = 2
    DISCONNECT = 3


class From(IntEnum):
    FIRST = 0
    LAST = 1
    LAST_PER_SUBJECT = 2
    NEW = 3
    SEQ = 4
    TIME = 5


class Ack(IntEnum):
    EACH = 0
    UPTO = 1
    NONE = 2
    AUTO = 3


class Keep(IntEnum):
    LIMITS = 0
    INTEREST = 1
    WORK = 2


class EventKind(IntEnum):
    UP = 1
    DOWN = 2
    ERROR = 3
    SLOW = 4
    CLOSED = 5


class ItemKind(IntEnum):
    DONE = 1
    MSG = 2
    END = 3
    EVENT = 4


class Can(IntFlag):
    REQUEST = 1
    STREAM = 2
    KV = 4
    OBJECTS = 8


class Verb(IntEnum):
    APPEND = 1
    REQUEST = 2
    JETSTREAM_ASK = 3
    FLUSH = 4
    DRAIN = 5
    BATCH_COMMIT = 6
    SUBSCRIBE = 7
    CONSUME = 8
    TAIL = 9
    SEEK = 10
    SUB_STATUS = 11
    STREAM_ENSURE = 12
    STREAM_DELETE = 13
    STREAM_STATUS = 14
    STREAM_EACH = 15
    STREAM_DESCRIBE = 16
    STREAM_PURGE = 17
    STREAM_GET = 18
    STREAM_ERASE = 19
    GROUP_ENSURE = 20
    GROUP_STATUS = 21
    GROUP_EACH = 22
    GROUP_SEEK = 23
    GROUP_PAUSE = 24
    GROUP_DELETE = 25
    FORWARD_STATUS = 26
    KV_OPEN = 27
    KV_PUT = 28
    KV_CREATE = 29
    KV_GET = 30
    KV_DELETE = 31
    KV_PURGE = 32
    KV_EACH = 33
    KV_HISTORY = 34
    KV_WATCH = 35
    OBJS_OPEN = 36
    OBJS_SEAL = 37
    OBJ_PUT = 38
    OBJ_GET = 39
    OBJ_STATUS = 40
    OBJ_DELETE = 41
    OBJ_LINK = 42
    OBJ_EACH = 43
    OBJ_WATCH = 44
    STORE_CHECK = 45
    STORE_SNAPSHOT = 46


TTL_NEVER = 0xFFFFFFFF
BATCH_MAX = 1000


class Receipt(NamedTuple):
    seq: int
    duplicate: bool
    partition: int


class Stats(NamedTuple):
    in_msgs: int
    in_bytes: int
    out_msgs: int
    out_bytes: int
    dropped_msgs: int
    subs: int
    conns: int
    conns_total: int
    slow_conns: int
    store_bytes: int
    store_file_bytes: int
    store_appended_bytes: int
    store_moved_bytes: int
    store_written_bytes: int
    store_damages: int
    turns: int
    turns_cut: int
    turn_units: int
    turn_units_max: int
    memory_bytes: int
    memory_max_bytes: int
    memory_refusals: int
    stale_conns: int
    stalled_conns: int
    subs_begun: int
    subs_ended: int
    matches: int
    matches_known: int
    answers: int
    answers_told: int
    receivers: int
    receivers_max: int
    logins_failed: int
    logins_refused: int


class SubInfo(NamedTuple):
    pending_msgs: int
    pending_bytes: int
    dropped_msgs: int
    delivered_msgs: int
    unacked_msgs: int
    lag_msgs: int
    lag_ns: int
    lag_bytes: int


class StreamInfo(NamedTuple):
    msgs: int
    bytes: int
    first_seq: int
    last_seq: int
    first_time_ns: int
    last_time_ns: int
    subjects: int
    groups: int
    partitions: int
    ids_forgotten: int


class StreamDesc(NamedTuple):
    """`opts` are keywords for stream_ensure(), which would make the stream so anew."""

    name: str
    opts: Dict[str, Any]
    info: StreamInfo


class GroupInfo(NamedTuple):
    unacked_msgs: int
    lag_msgs: int
    lag_bytes: int
    lag_ns: int
    redelivered_msgs: int
    delivered_seq: int
    settled_seq: int
    active_ns: int
    paused_until_ns: int
    waiting: int


class ForwardInfo(NamedTuple):
    msgs: int
    bytes: int
    known_msgs: int
    dead_msgs: int
    failures: int
    err: int
    under_way: int
    up: bool
    closed: bool
    lag_known: bool
    lag_msgs: int
    lag_ns: int
    why: str


class ObjectInfo(NamedTuple):
    bytes: int
    time_ns: int
    seq: int
    chunks: int
    deleted: bool
    sha256: Bytes
    name: str
    link_bucket: str
    link_name: str


class BrokerInfo(NamedTuple):
    id: str
    name: str
    version: str
    tls_library: str
    tls_expires_ns: int


class ConnInfo(NamedTuple):
    id: int
    start_ns: int
    active_ns: int
    in_msgs: int
    in_bytes: int
    out_msgs: int
    out_bytes: int
    pending_bytes: int
    subs: int
    peer: str
    user: str
    name: str
    lang: str
    version: str
    tls_version: str
    tls_cipher: str
    websocket: bool
    account: str


class ConnSub(NamedTuple):
    conn: int
    msgs: int
    max_msgs: int
    subject: str
    queue: str
    sid: str


@dataclass(frozen=True)
class Event:
    kind: int
    err: int
    count: int
    first: int
    detail: Optional[str]
    server: Optional[str]
    subject: Optional[str]
    sub: Any


class Damage(NamedTuple):
    sentence: str
    file: Optional[str]
    position: int
    stream: Optional[str]
    first_seq: int
    last_seq: int


class Care(NamedTuple):
    """A report on the way; `damage` was just found, or is None."""

    done_bytes: int
    total_bytes: int
    damages: int
    damage: Optional[Damage]


class Item(NamedTuple):
    """Of bus.reap(): `about` is the call that has ended, or the subscription; `error` an exception
    or None; `value` what the call brings, a message, or an Event."""

    kind: int
    about: Any
    error: Optional[Exception]
    value: Any
