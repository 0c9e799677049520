# SPDX-License-Identifier: Apache-2.0
"""rill for asyncio: the same calls as coroutines, in the loop's own thread.

    async with await aio.open("nats://127.0.0.1") as bus:
        async with await bus.subscribe("greet.*") as sub:
            bus.publish("greet.world", "hello")
            async for m in sub:
                print(m.data)

The bus has no thread (Drive.HOST): the loop watches its descriptor and its clock, and whatever is
asked is begun by rill_start(). A future that is cancelled takes its call back. Messages stay with
rill until they are wanted, within its limits and under its rules for groups: a subscription's own
descriptor is watched while somebody waits for it, and only then. Everything belongs to the loop
that has opened it, and is used in its thread.
"""
from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, AsyncIterator, Generic, List, Optional, Type, TypeVar

import rill
from rill import (Data, Drive, Event, GroupInfo, Message, ObjectInfo, Receipt, Stats, StreamDesc,
                  StreamInfo, SubInfo, Verb)
from rill import _at, _desc, _ms

__all__ = ["Batch", "Bus", "Forward", "KV", "Objects", "Sub", "open"]
_H = TypeVar("_H")
_TURN_BYTES = 1 << 16
_S = TypeVar("_S", bound="_Closes[Any]")


class _Closes(Generic[_H]):
    """What an `async with` closes. `sync` is the handle of the package rill below it."""

    def __init__(self, bus: "Bus", sync: _H) -> None:
        self._bus = bus
        self.sync = sync

    def close(self) -> None:
        self.sync.close()  # type: ignore[attr-defined]

    async def __aenter__(self: _S) -> _S:
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                        trace: Optional[TracebackType]) -> None:
        self.close()


class Sub(_Closes[rill.Sub]):
    """Whatever yields messages: `async for m in sub`, or next() and read()."""

    def __init__(self, bus: "Bus", sync: rill.Sub) -> None:
        super().__init__(bus, sync)
        self._take = sync.next
        self._waiter: Optional["asyncio.Future[None]"] = None

    async def next(self) -> Message:
        """The next message; rill.Closed after the last."""
        while True:
            m = self._take(0)
            if m is not None:
                return m
            await self._readable()

    async def read(self, max: int = 256) -> List[Message]:
        """Up to so many; waits for the first."""
        while True:
            got = self.sync.read(max, 0)
            if got:
                return got
            await self._readable()

    async def _readable(self) -> None:
        if self._waiter is not None:
            raise rill.Busy("another task reads this subscription")
        loop, fd = self._bus._loop, self.sync.fd()
        waiter: "asyncio.Future[None]" = loop.create_future()
        self._waiter = waiter
        loop.add_reader(fd, _wake, waiter)
        try:
            self._bus._turn()
            await waiter
        finally:
            self._waiter = None
            loop.remove_reader(fd)

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        try:
            m = self._take(0)
            return m if m is not None else await self.next()
        except rill.Closed:
            raise StopAsyncIteration from None

    def stop(self) -> None:
        self.sync.stop()

    def close(self) -> None:
        """Who waits for a message reads rill.Closed."""
        waiter = self._waiter
        if waiter is not None:
            self._bus._loop.remove_reader(self.sync.fd())
            _wake(waiter)
        self.sync.close()

    async def seek(self, *, seq: Optional[int] = None, time_ns: Optional[int] = None,
                   from_: Optional[int] = None, partition: Optional[int] = None) -> None:
        await self._bus._call(Verb.SEEK, sub=self.sync,
                              at=_at(seq, time_ns, from_, partition, None))

    async def status(self) -> SubInfo:
        return SubInfo(**await self._bus._call(Verb.SUB_STATUS, sub=self.sync))


class Batch(_Closes[rill.Batch]):
    """An `async with` commits it, unless something was raised."""

    def add(self, subject: str, data: Data = b"", **post: Any) -> None:
        self.sync.add(subject, data, **post)

    async def commit(self) -> Receipt:
        return Receipt(**await self._bus._call(Verb.BATCH_COMMIT, -1, batch=self.sync))

    async def __aexit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException],
                        trace: Optional[TracebackType]) -> None:
        try:
            if kind is None and not self.sync.closed:
                await self.commit()
        finally:
            self.close()


class KV(_Closes[rill.KV]):
    async def put(self, key: str, value: Data = b"", **opts: Any) -> int:
        return int(await self._do(Verb.KV_PUT, name=key, data=value, kv_opts=opts))

    async def create(self, key: str, value: Data = b"", **opts: Any) -> int:
        return int(await self._do(Verb.KV_CREATE, name=key, data=value, kv_opts=opts))

    async def get(self, key: str) -> Message:
        got: Message = await self._do(Verb.KV_GET, name=key)
        return got

    async def delete(self, key: str, **opts: Any) -> None:
        await self._do(Verb.KV_DELETE, name=key, kv_opts=opts)

    async def purge(self, key: str, **opts: Any) -> None:
        await self._do(Verb.KV_PURGE, name=key, kv_opts=opts)

    async def keys(self, filter: Optional[str] = None) -> List[str]:
        return list(await self._do(Verb.KV_EACH, name=filter))

    async def history(self, key: str) -> List[Message]:
        return list(await self._do(Verb.KV_HISTORY, name=key))

    async def watch(self, **opts: Any) -> Sub:
        return Sub(self._bus, await self._do(Verb.KV_WATCH, sub_opts=opts))

    async def _do(self, verb: int, **fields: Any) -> Any:
        return await self._bus._call(verb, kv=self.sync, **fields)


class Objects(_Closes[rill.Objects]):
    """Objects of up to 64 MiB; the package rill has larger ones, by pieces."""

    async def put(self, name: str, data: Data) -> None:
        await self._do(Verb.OBJ_PUT, name=name, data=data)

    async def get(self, name: str) -> bytes:
        return bytes(await self._do(Verb.OBJ_GET, name=name))

    async def status(self, name: str) -> ObjectInfo:
        return ObjectInfo(**await self._do(Verb.OBJ_STATUS, name=name))

    async def delete(self, name: str) -> None:
        await self._do(Verb.OBJ_DELETE, name=name)

    async def link(self, name: str, to: "Objects", target: Optional[str] = None) -> None:
        await self._do(Verb.OBJ_LINK, name=name, to=to.sync, group=target)

    async def names(self) -> List[str]:
        return list(await self._do(Verb.OBJ_EACH))

    async def watch(self, **opts: Any) -> Sub:
        return Sub(self._bus, await self._do(Verb.OBJ_WATCH, sub_opts=opts))

    async def seal(self) -> None:
        await self._do(Verb.OBJS_SEAL)

    async def _do(self, verb: int, **fields: Any) -> Any:
        return await self._bus._call(verb, objs=self.sync, **fields)


class Forward(_Closes[rill.Forward]):
    async def status(self) -> rill.ForwardInfo:
        return rill.ForwardInfo(**await self._bus._call(Verb.FORWARD_STATUS, forward=self.sync))


def _wake(waiter: "asyncio.Future[Any]") -> None:
    if not waiter.done():
        waiter.set_result(None)


class Bus:
    """open() makes one. publish(), publish_all() and publish_many() wait for nothing: what a server
    is to have is sent by the loop's next turns, and flush() waits for that. Whoever publishes much
    in one go (64 KB) sends a part of it at once, as far as the server takes it; what is due, is
    done then."""

    def __init__(self, sync: rill.Bus, loop: asyncio.AbstractEventLoop) -> None:
        self.sync = sync
        self._loop = loop
        self._fd = sync.fd()
        self._timer: Optional[asyncio.TimerHandle] = None
        self.publish = sync.publish
        self.publish_all = sync.publish_all
        self.publish_many = sync.publish_many
        sync._turns(_TURN_BYTES)
        loop.add_reader(self._fd, self._turn)
        self._turn()

    def _turn(self) -> None:
        """Run what is due, and ask when to look again. What a call has made due makes the
        descriptor readable."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.sync.closed:
            return
        try:
            self.sync.poll(0)
            ms = self.sync.wait_ms()
        except rill.Closed:  # it has given up its servers
            self._loop.remove_reader(self._fd)
            return
        if ms >= 0:
            self._timer = self._loop.call_later(ms / 1000, self._turn)

    async def _call(self, verb: int, timeout_ms: int = 0, **fields: Any) -> Any:
        """timeout_ms as in rill_call: -1 until it is cancelled, 0 as the bus was opened."""
        future: "asyncio.Future[Any]" = self._loop.create_future()

        def done(error: Optional[rill.Error], value: Any) -> None:
            if future.cancelled():
                if isinstance(value, (rill.Sub, rill.KV, rill.Objects)):
                    value.close()
            elif error is not None:
                future.set_exception(error)
            else:
                future.set_result(value)

        call = self.sync._start(verb, timeout_ms, fields, done)
        try:
            return await future
        except asyncio.CancelledError:
            if not self.sync.closed:
                call.cancel()
            raise

    async def __aenter__(self) -> "Bus":
        return self

    async def __aexit__(self, *why: object) -> None:
        if why[0] is None and not self.sync.closed:
            await self.flush()
        self.close()

    def close(self, timeout: Optional[float] = 0) -> None:
        """At once; flush() before it waits for what was sent."""
        if self.sync.closed:
            return
        self._loop.remove_reader(self._fd)
        if self._timer is not None:
            self._timer.cancel()
        self.sync.close(timeout)

    @property
    def closed(self) -> bool:
        return self.sync.closed

    def stats(self) -> Stats:
        return self.sync.stats()

    async def flush(self) -> None:
        await self._call(Verb.FLUSH, -1)

    async def drain(self) -> None:
        await self._call(Verb.DRAIN, -1)

    async def append(self, subject: str, data: Data = b"", **post: Any) -> Receipt:
        return Receipt(**await self._call(Verb.APPEND, -1, name=subject, data=data,
                                          post=post or None))

    async def request(self, subject: str, data: Data = b"", *, timeout: Optional[float] = None,
                      **post: Any) -> Message:
        reply: Message = await self._call(Verb.REQUEST, _ms(timeout) or 1, name=subject, data=data,
                                          post=post or None)
        return reply

    async def jetstream_ask(self, subject: str, body: Data = b"") -> Message:
        answer: Message = await self._call(Verb.JETSTREAM_ASK, name=subject, data=body)
        return answer

    def batch(self, **opts: Any) -> Batch:
        return Batch(self, self.sync.batch(**opts))

    async def subscribe(self, subject: str, **opts: Any) -> Sub:
        return Sub(self, await self._call(Verb.SUBSCRIBE, name=subject, sub_opts=opts))

    async def consume(self, stream: str, **opts: Any) -> Sub:
        return Sub(self, await self._call(Verb.CONSUME, name=stream, sub_opts=opts))

    async def tail(self, stream: str, **opts: Any) -> Sub:
        return Sub(self, await self._call(Verb.TAIL, name=stream, sub_opts=opts))

    async def stream_ensure(self, stream: str, **opts: Any) -> bool:
        return bool(await self._call(Verb.STREAM_ENSURE, name=stream, stream_opts=opts))

    async def stream_delete(self, stream: str) -> None:
        await self._call(Verb.STREAM_DELETE, name=stream)

    async def stream_status(self, stream: str) -> StreamInfo:
        return StreamInfo(**await self._call(Verb.STREAM_STATUS, name=stream))

    async def streams(self) -> List[str]:
        return list(await self._call(Verb.STREAM_EACH))

    async def stream_describe(self, stream: str) -> StreamDesc:
        return _desc((await self._call(Verb.STREAM_DESCRIBE, name=stream))[0])

    async def describe_streams(self) -> List[StreamDesc]:
        return [_desc(one) for one in await self._call(Verb.STREAM_DESCRIBE)]

    async def stream_purge(self, stream: str, **opts: Any) -> int:
        return int(await self._call(Verb.STREAM_PURGE, name=stream, purge_opts=opts))

    async def stream_get(self, stream: str, seq: Optional[int] = None, *,
                         time_ns: Optional[int] = None, from_: Optional[int] = None,
                         partition: Optional[int] = None, filter: Optional[str] = None) -> Message:
        got: Message = await self._call(Verb.STREAM_GET, name=stream,
                                        at=_at(seq, time_ns, from_, partition, filter))
        return got

    async def stream_erase(self, stream: str, seq: int, *, partition: Optional[int] = None) -> None:
        await self._call(Verb.STREAM_ERASE, name=stream, at=_at(seq, None, None, partition, None))

    async def group_ensure(self, stream: str, group: str, **opts: Any) -> bool:
        return bool(await self._call(Verb.GROUP_ENSURE, name=stream, group=group, sub_opts=opts))

    async def group_status(self, stream: str, group: str) -> GroupInfo:
        return GroupInfo(**await self._call(Verb.GROUP_STATUS, name=stream, group=group))

    async def groups(self, stream: str) -> List[str]:
        return list(await self._call(Verb.GROUP_EACH, name=stream))

    async def group_seek(self, stream: str, group: str, *, seq: Optional[int] = None,
                         time_ns: Optional[int] = None, from_: Optional[int] = None,
                         partition: Optional[int] = None) -> None:
        await self._call(Verb.GROUP_SEEK, name=stream, group=group,
                         at=_at(seq, time_ns, from_, partition, None))

    async def group_pause(self, stream: str, group: str, until_ns: int) -> None:
        await self._call(Verb.GROUP_PAUSE, name=stream, group=group, time_ns=until_ns)

    async def group_delete(self, stream: str, group: str) -> None:
        await self._call(Verb.GROUP_DELETE, name=stream, group=group)

    async def kv(self, bucket: str, **opts: Any) -> KV:
        return KV(self, await self._call(Verb.KV_OPEN, name=bucket, bucket_opts=opts))

    async def objects(self, bucket: str, **opts: Any) -> Objects:
        return Objects(self, await self._call(Verb.OBJS_OPEN, name=bucket, bucket_opts=opts))

    def forward(self, stream: str, to: "Bus", into: str, **opts: Any) -> Forward:
        return Forward(self, self.sync.forward(stream, to.sync, into, **opts))

    async def store_check(self) -> int:
        return int(await self._call(Verb.STORE_CHECK, -1))

    async def store_snapshot(self, dir: str) -> None:
        await self._call(Verb.STORE_SNAPSHOT, -1, name=dir)


async def open(url: str, **opts: Any) -> Bus:
    """Open a bus, and wait for the first connection. Keywords are of rill_opts; on_event is called
    with an Event, in the loop."""
    loop = asyncio.get_running_loop()
    remote = not url.startswith(("mem:", "file:"))
    wait = remote and not opts.get("no_wait")
    first: "asyncio.Future[None]" = loop.create_future()
    told = opts.pop("on_event", None)

    def on_event(event: Event) -> None:
        if event.kind == rill.EventKind.UP:
            _wake(first)
        elif event.kind in (rill.EventKind.DOWN, rill.EventKind.CLOSED) and not first.done():
            first.set_exception(rill._errors.make(event.err or -16, event.detail or ""))
        if told is not None:
            told(event)

    if remote:
        opts["no_wait"] = True
    bus = Bus(rill.Bus(url, drive=Drive.HOST, on_event=on_event, **opts), loop)
    if wait:
        try:
            await first
        except BaseException:
            bus.close()
            raise
    return bus

