# SPDX-License-Identifier: Apache-2.0
"""rill for Python: publish/subscribe, request/reply and durable streams over one set of handles,
with the broker inside this process.

    import rill

    with rill.Bus("mem:") as bus, bus.subscribe("greet.*") as sub:
        bus.publish("greet.world", "hello")
        print(sub.next(1).data)

What a call does, and when it fails, stands in rill.h; the names are those, less the prefix. Options
are keywords, by the names of the fields of their struct (`from` is `from_`). Timeouts are seconds;
None waits for ever. Whatever fails raises rill.Error, with `code`, `name` and a sentence.
"""
from __future__ import annotations

import atexit
import weakref
from typing import (Any, BinaryIO, Callable, Dict, List, Mapping, Optional, Tuple, Type,
                    TypeVar, Union)

from . import _rill
from ._errors import (Again, AuthFailed, Bug, Busy, Canceled, Closed, Conflict, Corrupt, Deadlock,
                      Error, Exists, Fenced, Full, Invalid, IOFailed, NoConnection, NoMemory,
                      NoReply, NotFound, NotSupported, Protocol, Timeout, TooBig, Unsure)
from ._rill import Call, Login, Message
from ._types import (BATCH_MAX, TTL_NEVER, Ack, BrokerInfo, Can, Care, ConnInfo, ConnSub, Damage,
                     Drive, Event, EventKind, ForwardInfo, From, GroupInfo, Item, ItemKind, Keep,
                     ObjectInfo, Receipt, Stats, StreamDesc, StreamInfo, SubInfo, Sync, Verb,
                     WhenFull)

__all__ = [
    "Ack", "Again", "AuthFailed", "BATCH_MAX", "Batch", "Broker", "BrokerInfo", "Bug", "Bus",
    "Busy", "Call", "Can", "Canceled", "Care", "Closed", "Conflict", "ConnInfo", "ConnSub",
    "Corrupt", "Damage", "Data", "Deadlock", "Drive", "Error", "Event", "EventKind", "Exists",
    "Fenced", "Forward", "ForwardInfo", "From", "Full", "GroupInfo", "IOFailed", "Invalid", "Item",
    "ItemKind", "KV", "Keep", "Login", "Message", "NoConnection", "NoMemory", "NoReply", "NotFound",
    "NotSupported", "ObjectInfo", "Objects", "Protocol", "Receipt", "Stats", "StreamDesc",
    "StreamInfo", "Sub", "SubInfo", "Sync", "TTL_NEVER", "Timeout", "TooBig", "Unsure", "Verb",
    "WhenFull", "Wire", "__version__", "errname", "salvage", "strerror", "told",
]

_linked, _built = _rill.version()
if _linked < _built:
    raise ImportError(f"librill {_linked:#08x} is older than {_built:#08x}, which this wants")
__version__ = f"{_built >> 16}.{_built >> 8 & 255}.{_built & 255}"

errname = _rill.errname
strerror = _rill.strerror

Data = Union[str, bytes, bytearray, memoryview, Message, None]
OnMessage = Callable[[Message], Any]
OnCare = Callable[[Care], Any]
_Closing = TypeVar("_Closing", bound="_Closes")
CLOSE_S = 1.0  # how long the end of a `with` waits for what is under way

# What is open when the interpreter ends is closed before it does, so that no callback meets it.
_open: "weakref.WeakSet[Union[Bus, Broker]]" = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for handle in list(_open):
        try:
            handle.close(CLOSE_S)
        except Error:
            pass
    _rill.finish()


def _given(**fields: Any) -> Dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _at(seq: Optional[int], time_ns: Optional[int], from_: Optional[int],
        partition: Optional[int], filter: Optional[str]) -> Dict[str, Any]:
    """A place: rill_at. A number or a time says by itself which kind of place it is."""
    if from_ is None and seq is not None:
        from_ = From.SEQ
    elif from_ is None and time_ns is not None:
        from_ = From.TIME
    return _given(from_=from_, seq=seq, time_ns=time_ns, partition=partition, filter=filter)


def _care(fn: Optional[OnCare]) -> Optional[Callable[[int, int, int, Any], Any]]:
    if fn is None:
        return None
    report = fn

    def tell(done: int, total: int, damages: int, damage: Optional[Dict[str, Any]]) -> Any:
        return report(Care(done, total, damages, Damage(**damage) if damage else None))

    return tell


def _event(fn: Callable[[Event], Any]) -> Callable[[Dict[str, Any]], Any]:
    if not callable(fn):
        raise TypeError("on_event: a function is wanted")
    return lambda told: fn(Event(**told))


def _desc(told: Tuple[str, Dict[str, Any], Dict[str, Any]]) -> StreamDesc:
    name, opts, info = told
    return StreamDesc(name, opts, StreamInfo(**info))


def told(message: Message) -> ObjectInfo:
    """What the message of a watch of objects is about."""
    return ObjectInfo(**message._told())


def salvage(source: str, target: Optional[str] = None, fn: Optional[OnCare] = None) -> int:
    """Copy what can be read of the store in `source`; without `target`, check it. Returns how many
    damages there are."""
    return _rill.salvage(source, target, _care(fn))


class _Closes:
    """What a `with` closes."""

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self: _Closing) -> _Closing:
        return self

    def __exit__(self, *why: object) -> None:
        self.close()


class Sub(_rill.Sub, _Closes):
    """Whatever yields messages. Iterating over it waits for each, and ends with the last."""

    def seek(self, *, seq: Optional[int] = None, time_ns: Optional[int] = None,
             from_: Optional[int] = None, partition: Optional[int] = None) -> None:
        """Read on from there, forwards or back; for the whole group."""
        self._bus._ask(Verb.SEEK, 0, {"sub": self, "at": _at(seq, time_ns, from_, partition, None)})

    def status(self) -> SubInfo:
        return SubInfo(**self._bus._ask(Verb.SUB_STATUS, 0, {"sub": self}))

    def fileno(self) -> int:
        """fd(), as select and selectors want it."""
        return self.fd()


class Batch(_rill.Batch, _Closes):
    """Messages to be stored all or none. A `with` commits it, unless something was raised."""

    def commit(self, timeout: Optional[float] = None) -> Receipt:
        """Where the last one was stored."""
        return Receipt(**self._bus._ask(Verb.BATCH_COMMIT, _ms(timeout), {"batch": self}))

    def __exit__(self, *why: object) -> None:
        try:
            if why[0] is None and not self.closed:
                self.commit()
        finally:
            self.close()


class KV(_rill.KV, _Closes):
    """A bucket of keys and values. A revision is a number of its stream."""

    def put(self, key: str, value: Data = b"", **opts: Any) -> int:
        """Keywords are of rill_kv_opts: expect, ttl_ms. Returns the revision."""
        return int(self._do(Verb.KV_PUT, name=key, data=value, kv_opts=opts))

    def create(self, key: str, value: Data = b"", **opts: Any) -> int:
        return int(self._do(Verb.KV_CREATE, name=key, data=value, kv_opts=opts))

    def get(self, key: str) -> Message:
        """The value; its seq is the revision. NotFound if there is none."""
        found: Message = self._do(Verb.KV_GET, name=key)
        return found

    def delete(self, key: str, **opts: Any) -> None:
        self._do(Verb.KV_DELETE, name=key, kv_opts=opts)

    def purge(self, key: str, **opts: Any) -> None:
        self._do(Verb.KV_PURGE, name=key, kv_opts=opts)

    def keys(self, filter: Optional[str] = None) -> List[str]:
        return list(self._do(Verb.KV_EACH, name=filter))

    def history(self, key: str) -> List[Message]:
        return list(self._do(Verb.KV_HISTORY, name=key))

    def watch(self, on_msg: Optional[OnMessage] = None, **opts: Any) -> Sub:
        """The values there are, the last one caught_up, and then every change."""
        sub: Sub = self._do(Verb.KV_WATCH, sub_opts=dict(opts, on_msg=on_msg))
        return sub

    def _do(self, verb: int, **fields: Any) -> Any:
        return self._bus._ask(verb, 0, dict(fields, kv=self))

    def __getitem__(self, key: str) -> bytes:
        return self.get(key).data

    def __setitem__(self, key: str, value: Data) -> None:
        self.put(key, value)

    def __delitem__(self, key: str) -> None:
        self.delete(key)

    def __contains__(self, key: object) -> bool:
        try:
            self.get(str(key))
        except NotFound:
            return False
        return True


class Objects(_rill.Objects, _Closes):
    """A bucket of objects: data of any length under a name."""

    def put(self, name: str, source: Union[bytes, BinaryIO, Any]) -> None:
        """`source` is bytes, or whatever has read(n)."""
        if not hasattr(source, "read"):
            from io import BytesIO
            source = BytesIO(source)
        self._put(name, source.read)

    def get(self, name: str, sink: Optional[Any] = None) -> bytes:
        """All of it; or b"", with each piece given to `sink`, which has write(bytes)."""
        if sink is not None:
            self._get(name, sink.write)
            return b""
        pieces: List[bytes] = []
        self._get(name, pieces.append)
        return b"".join(pieces)

    def status(self, name: str) -> ObjectInfo:
        return ObjectInfo(**self._do(Verb.OBJ_STATUS, name=name))

    def delete(self, name: str) -> None:
        self._do(Verb.OBJ_DELETE, name=name)

    def link(self, name: str, to: "Objects", target: Optional[str] = None) -> None:
        """`name` leads to `target` of `to`, or to that bucket."""
        self._do(Verb.OBJ_LINK, name=name, to=to, group=target)

    def names(self) -> List[str]:
        return list(self._do(Verb.OBJ_EACH))

    def watch(self, on_msg: Optional[OnMessage] = None, **opts: Any) -> Sub:
        """As messages that rill.told() reads."""
        sub: Sub = self._do(Verb.OBJ_WATCH, sub_opts=dict(opts, on_msg=on_msg))
        return sub

    def seal(self) -> None:
        self._do(Verb.OBJS_SEAL)

    def _do(self, verb: int, **fields: Any) -> Any:
        return self._bus._ask(verb, 0, dict(fields, objs=self))


class Forward(_rill.Forward, _Closes):
    """A stream that goes on elsewhere."""

    def status(self) -> ForwardInfo:
        return ForwardInfo(**self._bus._ask(Verb.FORWARD_STATUS, 0, {"forward": self}))

    def close(self, timeout: Optional[float] = CLOSE_S) -> None:
        self._close(timeout)


class Wire(_rill.Wire, _Closes):
    """A connection whose bytes `end` moves: read(n) gives bytes, b"" at the end, or None if there
    are none at the moment; write(data) takes some and returns how many, or None; close(); and maybe
    fileno(), else call ready()."""

    def __init__(self, end: Any) -> None:
        self._open(end)


def _ms(timeout: Optional[float]) -> int:
    return _rill.timeout_ms(timeout)


class Bus(_rill.Bus, _Closes):
    """A door to a broker: "mem:", "file:DIR", "nats://HOST", "kafka://HOST" .. Keywords are of
    rill_opts; on_event is called with an Event, dial with an address, for a Wire."""

    def __init__(self, url: str, **opts: Any) -> None:
        if opts.get("on_event") is not None:
            opts["on_event"] = _event(opts["on_event"])
        self._open(url, opts)
        _open.add(self)

    def close(self, timeout: Optional[float] = CLOSE_S) -> None:
        self._close(timeout)

    def drain(self, timeout: Optional[float] = None) -> None:
        self._ask(Verb.DRAIN, _ms(timeout), {})

    def flush(self, timeout: Optional[float] = None) -> None:
        self._ask(Verb.FLUSH, _ms(timeout), {})

    def stats(self) -> Stats:
        return Stats(**self._stats())

    # -- Sending: publish(), publish_all() and publish_many() are in _rill.

    def append(self, subject: str, data: Data = b"", *, timeout: Optional[float] = None,
               **post: Any) -> Receipt:
        """Publish, and wait until a stream has it. Keywords are of rill_post."""
        return Receipt(**self._ask(Verb.APPEND, _ms(timeout),
                                   {"name": subject, "data": data, "post": post or None}))

    def append_async(self, subject: str, data: Data,
                     done: Callable[[Optional[Error], Optional[Receipt]], Any],
                     **post: Any) -> Call:
        """The same without waiting: done(error, receipt), once, where callbacks run."""
        return self._start(Verb.APPEND, -1, {"name": subject, "data": data, "post": post or None},
                           lambda err, got: done(err, Receipt(**got) if got else None))

    def request(self, subject: str, data: Data = b"", *, timeout: Optional[float] = None,
                **post: Any) -> Message:
        """Ask, and take the first answer."""
        reply: Message = self._ask(Verb.REQUEST, _ms(timeout),
                                   {"name": subject, "data": data, "post": post or None})
        return reply

    def request_async(self, subject: str, data: Data,
                      done: Callable[[Optional[Error], Optional[Message]], Any], *,
                      timeout: Optional[float] = None, **post: Any) -> Call:
        return self._start(Verb.REQUEST, _ms(timeout) or 1,
                           {"name": subject, "data": data, "post": post or None}, done)

    def batch(self, **opts: Any) -> Batch:
        """Keywords are of rill_batch_opts."""
        batch: Batch = self._batch(opts)
        return batch

    def jetstream_ask(self, subject: str, body: Data = b"", *,
                      timeout: Optional[float] = None) -> Message:
        """What the JetStream API of the broker answers: JSON."""
        answer: Message = self._ask(Verb.JETSTREAM_ASK, _ms(timeout),
                                    {"name": subject, "data": body})
        return answer

    def start(self, verb: int, done: Optional[Callable[[Optional[Error], Any], Any]] = None, *,
              timeout_ms: int = 0, **fields: Any) -> Call:
        """Begin what the verb says, with the fields of rill_call: done(error, value), or, without
        `done`, an item of reap()."""
        return self._start(verb, timeout_ms, fields, done)

    def reap(self, max: int = 4096, timeout: Optional[float] = None) -> List[Item]:
        """All that has come, of a bus that was opened with reap=True; [] if nothing did in time."""
        return [Item(kind, about, error, Event(**value) if kind == ItemKind.EVENT else value)
                for kind, about, error, value in self._reap(max, timeout)]

    # -- Receiving

    def subscribe(self, subject: str, on_msg: Optional[OnMessage] = None, **opts: Any) -> Sub:
        """Live messages. Keywords are of rill_sub_opts. With a callback it stays until it, or the
        bus, is closed."""
        return self._sub(Verb.SUBSCRIBE, subject, on_msg, opts)

    def consume(self, stream: str, on_msg: Optional[OnMessage] = None, **opts: Any) -> Sub:
        """Stored messages with acks."""
        return self._sub(Verb.CONSUME, stream, on_msg, opts)

    def tail(self, stream: str, on_msg: Optional[OnMessage] = None, **opts: Any) -> Sub:
        """Stored messages in order, each once, with no acks; then what comes."""
        return self._sub(Verb.TAIL, stream, on_msg, opts)

    def _sub(self, verb: int, name: str, on_msg: Optional[OnMessage], opts: Dict[str, Any]) -> Sub:
        if on_msg is not None:
            opts["on_msg"] = on_msg
        sub: Sub = self._ask(verb, 0, {"name": name, "sub_opts": opts})
        return sub

    # -- Streams

    def stream_ensure(self, stream: str, **opts: Any) -> bool:
        """Make it be so: True if it was created. Keywords are of rill_stream_opts."""
        return bool(self._ask(Verb.STREAM_ENSURE, 0, {"name": stream, "stream_opts": opts}))

    def stream_delete(self, stream: str) -> None:
        self._ask(Verb.STREAM_DELETE, 0, {"name": stream})

    def stream_status(self, stream: str) -> StreamInfo:
        return StreamInfo(**self._ask(Verb.STREAM_STATUS, 0, {"name": stream}))

    def streams(self) -> List[str]:
        return list(self._ask(Verb.STREAM_EACH, 0, {}))

    def stream_describe(self, stream: str) -> StreamDesc:
        return _desc(self._ask(Verb.STREAM_DESCRIBE, 0, {"name": stream})[0])

    def describe_streams(self) -> List[StreamDesc]:
        return [_desc(one) for one in self._ask(Verb.STREAM_DESCRIBE, 0, {})]

    def stream_purge(self, stream: str, **opts: Any) -> int:
        """Keywords are of rill_purge_opts. Returns how many that were."""
        return int(self._ask(Verb.STREAM_PURGE, 0, {"name": stream, "purge_opts": opts}))

    def stream_get(self, stream: str, seq: Optional[int] = None, *, time_ns: Optional[int] = None,
                   from_: Optional[int] = None, partition: Optional[int] = None,
                   filter: Optional[str] = None) -> Message:
        got: Message = self._ask(Verb.STREAM_GET, 0, {
            "name": stream, "at": _at(seq, time_ns, from_, partition, filter)})
        return got

    def stream_erase(self, stream: str, seq: int, *, partition: Optional[int] = None) -> None:
        self._ask(Verb.STREAM_ERASE, 0,
                  {"name": stream, "at": _at(seq, None, None, partition, None)})

    # -- Groups

    def group_ensure(self, stream: str, group: str, **opts: Any) -> bool:
        return bool(self._ask(Verb.GROUP_ENSURE, 0,
                              {"name": stream, "group": group, "sub_opts": opts}))

    def group_status(self, stream: str, group: str) -> GroupInfo:
        return GroupInfo(**self._ask(Verb.GROUP_STATUS, 0, {"name": stream, "group": group}))

    def groups(self, stream: str) -> List[str]:
        return list(self._ask(Verb.GROUP_EACH, 0, {"name": stream}))

    def group_seek(self, stream: str, group: str, *, seq: Optional[int] = None,
                   time_ns: Optional[int] = None, from_: Optional[int] = None,
                   partition: Optional[int] = None) -> None:
        self._ask(Verb.GROUP_SEEK, 0, {"name": stream, "group": group,
                                       "at": _at(seq, time_ns, from_, partition, None)})

    def group_pause(self, stream: str, group: str, until_ns: int) -> None:
        self._ask(Verb.GROUP_PAUSE, 0, {"name": stream, "group": group, "time_ns": until_ns})

    def group_delete(self, stream: str, group: str) -> None:
        self._ask(Verb.GROUP_DELETE, 0, {"name": stream, "group": group})

    # -- Buckets, forwarding, care

    def kv(self, bucket: str, **opts: Any) -> KV:
        """Open a bucket, or create it. Keywords are of rill_bucket_opts."""
        kv: KV = self._ask(Verb.KV_OPEN, 0, {"name": bucket, "bucket_opts": opts})
        return kv

    def objects(self, bucket: str, **opts: Any) -> Objects:
        objs: Objects = self._ask(Verb.OBJS_OPEN, 0, {"name": bucket, "bucket_opts": opts})
        return objs

    def forward(self, stream: str, to: "Bus", into: str, **opts: Any) -> Forward:
        """Carry a stream to one of another bus. Keywords are of rill_forward_opts."""
        forward: Forward = self._forward(stream, to, into, opts)
        return forward

    def store_check(self, fn: Optional[OnCare] = None) -> int:
        """Returns how many damages there are; `fn` is told of each, and ends it by True."""
        return self._check(_care(fn))

    def store_snapshot(self, dir: str) -> None:
        self._ask(Verb.STORE_SNAPSHOT, 0, {"name": dir})


class Broker(_rill.Broker, _Closes):
    """A broker in this process. Keywords are of rill_broker_opts; users and mappings are sequences
    of dicts. on_login is called with a Login, which is to be answered, then or later."""

    def __init__(self, **opts: Any) -> None:
        self._open(opts)
        _open.add(self)

    def close(self, timeout: Optional[float] = CLOSE_S) -> None:
        self._close(timeout)

    def listen(self, url: str, **opts: Any) -> int:
        """Returns the port. Keywords are of rill_listen_opts."""
        return self._listen(url, opts)

    def accept(self, url: str, wire: Wire) -> None:
        """The other end of the wire speaks the protocol of the URL; the wire is the broker's."""
        self._accept(url, wire)

    def bus(self, **opts: Any) -> Bus:
        """A bus to this broker that touches no socket."""
        if opts.get("on_event") is not None:
            opts["on_event"] = _event(opts["on_event"])
        bus = Bus.__new__(Bus)
        self._bus(bus, opts)
        _open.add(bus)
        return bus

    def reload(self, **opts: Any) -> None:
        self._reload(opts)

    def lame_duck(self, grace_ms: int, duration_ms: int) -> None:
        self._lame_duck(grace_ms, duration_ms)

    def stats(self) -> Stats:
        return Stats(**self._stats())

    def about(self) -> BrokerInfo:
        return BrokerInfo(**self._about())

    def conns(self, after: int = 0) -> List[ConnInfo]:
        return [ConnInfo(**one) for one in self._conns(after)]

    def subs(self, conn: int = 0, matches: Optional[str] = None, skip: int = 0,
             max: int = 0) -> Tuple[List[ConnSub], int]:
        """Subscriptions of connections, and how many there are."""
        found, total = self._subs(conn, matches, skip, max)
        return [ConnSub(**one) for one in found], total


_KINDS: Mapping[str, Type[Any]] = {
    "Bus": Bus, "Sub": Sub, "Batch": Batch, "KV": KV, "Objects": Objects, "Broker": Broker,
    "Forward": Forward, "Wire": Wire,
}
for _name, _class in _KINDS.items():
    _rill.use(_name, _class)

