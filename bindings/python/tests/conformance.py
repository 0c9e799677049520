# SPDX-License-Identifier: Apache-2.0
"""What the package rill promises, a row a feature."""
import gc
import hashlib
import io
import os
import socket
import tempfile
import threading
import time

import rill
from rows import main, raises, row, until


@row
def publish_subscribe():
    with rill.Bus("mem:") as bus, bus.subscribe("greet.*") as sub:
        bus.publish("greet.world", "hello")
        m = sub.next(50)
        assert (m.subject, m.data, m.reply_to) == ("greet.world", b"hello", "")
        assert sub.next(0) is None and sub.next(0.01) is None
        assert bus.caps() & rill.Can.KV
        assert bus.stats().in_msgs == 1 and sub.status().delivered_msgs == 1
        assert not sub.closed
    assert sub.closed and bus.closed


@row
def publish_many():
    with rill.Broker() as broker:
        url = f"nats://127.0.0.1:{broker.listen('nats://127.0.0.1:0')}"
        for at in ("mem:", url):
            with rill.Bus(at) as bus, bus.subscribe(">", pending_msgs=10000) as sub:
                many_arrive(bus, sub)
                many_that_cannot_go(bus, sub)
                until(lambda: sub.status().pending_msgs == 0)
            raises(rill.Closed, bus.publish_many, "m", ["1"])
            raises(rill.Closed, bus.publish_many, "m", [])


def many_arrive(bus, sub):
    kinds = ["ü", b"bytes", bytearray(b"array"), memoryview(b"a view")[2:], None, "", b""]
    want = ["ü".encode(), b"bytes", b"array", b"view", b"", b"", b""]
    assert bus.publish_many("m", kinds) == 7
    assert [sub.next(50).data for _ in want] == want
    bus.publish("m", "of rill's")
    assert bus.publish_many("m", [sub.next(50)] * 2) == 2  # a message is bytes, too
    assert [sub.next(50).data for _ in range(2)] == [b"of rill's"] * 2
    for lengths in ([128] * 3000, [i % 700 for i in range(3000)]):
        data = [b"%d " % i + b"x" * n for i, n in enumerate(lengths)]
        assert bus.publish_many("m.n", data) == 3000
        got = [sub.next(50) for _ in data]
        assert [m.data for m in got] == data and {m.subject for m in got} == {"m.n"}
    assert bus.publish_many("m", (str(i) for i in range(3))) == 3  # whatever is gone through
    assert [sub.next(50).data for _ in range(3)] == [b"0", b"1", b"2"]
    assert bus.publish_many("m", []) == bus.publish_many("m", ()) == 0
    grown = bytearray(b"free")
    assert bus.publish_many("m", [grown]) == 1 and sub.next(50).data == b"free"
    grown.extend(b" again")  # nobody holds it behind the call


def many_that_cannot_go(bus, sub):
    sent = bus.stats().in_msgs
    for bad in ("a b", "a..b", "", "x" * 2000):
        raises(rill.Invalid, bus.publish_many, bad, ["1", "2"])
    raises(TypeError, bus.publish_many, 7, ["1"])
    raises(ValueError, bus.publish_many, "a\0b", ["1"])
    for bad in ((), ("m",), ("m", ["1"], "x"), ("m", "text"), ("m", b"bytes"), ("m", 7)):
        raises(TypeError, bus.publish_many, *bad)
    for bad in (7, 1.5, [b"x"], object()):
        e = raises(TypeError, bus.publish_many, "m", ["1", bytearray(b"2"), bad, "4"])
        assert str(e).startswith("data[2]: ") and type(bad).__name__ in str(e), e
    e = raises(ValueError, bus.publish_many, "m", ["1", "\ud800"])
    assert str(e).startswith("data[1]: "), e
    e = raises(BufferError, bus.publish_many, "m", [memoryview(b"abcd")[::2]])
    assert str(e).startswith("data[0]: "), e
    assert bus.stats().in_msgs == sent  # nothing went
    large = bytes(2 << 20)
    assert bus.publish_many("m", ["1", "2", large, "4"]) == 2
    raises(rill.TooBig, bus.publish_many, "m", [large, "4"])
    assert bus.publish_many("m", ["4"]) == 1
    assert [sub.next(50).data for _ in range(3)] == [b"1", b"2", b"4"]


@row
def views_and_bytes():
    with rill.Bus("mem:") as bus, bus.subscribe("b") as sub:
        whole = bytes(range(256))
        for data in (whole, bytearray(whole), memoryview(whole)):
            bus.publish("b", data)
            assert sub.next(50).data == whole
        bus.publish("b", memoryview(whole)[10:20])
        m = sub.next(50)
        assert bytes(m.view) == whole[10:20] and len(m) == 10 and m.view.readonly
        bus.publish("b", m)  # a message is bytes, too
        assert sub.next(50).data == whole[10:20]
        bus.publish("b")
        empty = sub.next(50)
        assert empty and empty.data == b"" and bytes(empty.view) == b""
        bus.publish("b", "ü")
        assert sub.next(50).data == "ü".encode()


@row
def messages_that_are_kept():
    with rill.Bus("mem:") as bus, bus.subscribe("k") as sub:
        kept, views = [], []
        for i in range(100):
            bus.publish("k", str(i) * 50, headers={"N": str(i)})
            m = sub.next(50)
            kept.append(m)
            views.append(m.view)
            del m
    del sub, bus
    gc.collect()
    for i, (m, view) in enumerate(zip(kept, views)):
        assert m.data == bytes(view) == (str(i) * 50).encode() and m.header("N") == str(i)
    kept.clear()
    assert bytes(views[7]) == b"7" * 50


@row
def error_classes():
    with rill.Bus("mem:") as bus:
        e = raises(rill.NoReply, bus.request, "nobody", timeout=30)
        assert (e.code, e.name) == (-12, "ENOREPLY") and "nobody" in e.sentence
        e = raises(rill.NotFound, bus.stream_status, "NONE")
        assert isinstance(e, LookupError) and isinstance(e, rill.Error)
        with bus.subscribe("mute"):
            e = raises(TimeoutError, bus.request, "mute", timeout=0.01)
        assert isinstance(e, rill.Timeout) and e.code == -4
        assert isinstance(raises(rill.Error, bus.publish, "a b"), ValueError)
    assert rill.errname(-8) == "ENOTSUP" and "peer" in rill.strerror(-8)
    assert rill.errname(-999) == "EUNKNOWN"
    e = rill._errors.make(-77, "new")
    assert type(e) is rill.Error and e.code == -77 and rill.Error.code == 0
    assert raises(rill.NoConnection, rill.Bus, "nats://127.0.0.1:1", no_redial=True)


@row
def iterators():
    with rill.Bus("mem:") as bus:
        sub = bus.subscribe("i.>", limit_msgs=5)
        assert bus.publish_all("i.a", [str(i) for i in range(7)]) == 7
        assert [m.data for m in sub] == [b"0", b"1", b"2", b"3", b"4"]
        raises(rill.Closed, sub.next, 1)
        sub.close()
        assert list(sub) == []


@row
def batches_of_messages():
    with rill.Bus("mem:") as bus, bus.subscribe("m", pending_msgs=10000) as sub:
        bus.publish_all("m", [b"%d" % i for i in range(1000)])
        first = sub.read(600, 50)
        second = sub.read(4096, 50)
        assert (len(first), len(second)) == (600, 400)
        assert [int(m.data) for m in first + second] == list(range(1000))
        assert sub.read(10, 0) == []
        raises(ValueError, sub.read, 0)
        raises(ValueError, sub.read, 4097)


@row
def request_reply():
    with rill.Bus("mem:") as bus:
        with bus.subscribe("echo", lambda m: m.reply(b"you said " + m.data, headers={"A": "b"})):
            reply = bus.request("echo", "ping", timeout=30)
            assert reply.data == b"you said ping" and reply.header("A") == "b"
            got, done = [], threading.Event()

            def answered(error, m):
                got.append((error, m.data))
                done.set()

            bus.request_async("echo", "x", answered, timeout=30)
            assert done.wait(50) and got == [(None, b"you said x")]
        inbox = bus.inbox()
        with bus.subscribe(inbox) as mine:
            bus.publish("a", "b", reply=inbox)
            raises(rill.Invalid, reply.reply, "again")
            bus.publish(inbox, "1")
            assert mine.next(50).data == b"1"


@row
def services_share_work():
    with rill.Bus("mem:") as bus:
        counts = [0, 0, 0]
        lock = threading.Lock()

        def serve(i):
            def answer(m):
                with lock:
                    counts[i] += 1
                m.reply(str(i))
            return answer

        subs = [bus.subscribe("svc", serve(i), group="g") for i in range(3)]
        for _ in range(60):
            bus.request("svc", timeout=30)
        assert sum(counts) == 60 and all(counts), counts
        for sub in subs:
            sub.close()


@row
def headers():
    with rill.Bus("mem:") as bus, bus.subscribe("h") as sub:
        bus.publish("h", headers=[("A", "1"), ("A", b"2"), ("B", "")])
        m = sub.next(50)
        assert m.headers == [("A", "1"), ("A", "2"), ("B", "")]
        assert m.header("A") == "1" and m.header("B") == "" and m.header("C") is None
        raises(rill.Invalid, bus.publish, "h", headers={"A": "x\r\ny"})


@row
def streams():
    with rill.Bus("mem:") as bus:
        assert bus.stream_ensure("ORDERS", subjects="orders.>", max_msgs=100, allow_ttl=True)
        assert not bus.stream_ensure("ORDERS", subjects="orders.>", max_msgs=100, allow_ttl=True)
        receipt = bus.append("orders.eu", "1", msg_id="a")
        assert receipt == rill.Receipt(1, False, 0)
        assert bus.append("orders.eu", "1", msg_id="a").duplicate
        raises(rill.Conflict, bus.append, "orders.eu", "2", expect_last_seq=7)
        bus.append("orders.us", "2", expect_last_seq=1)
        raises(rill.NoReply, bus.append, "nowhere", timeout=30)
        assert bus.stream_status("ORDERS").msgs == 2 and bus.streams() == ["ORDERS"]
        name, opts, info = bus.stream_describe("ORDERS")
        assert name == "ORDERS" and opts["max_msgs"] == 100 and opts["allow_ttl"] is True
        assert not bus.stream_ensure("ORDERS", **opts) and info.last_seq == 2
        assert [d.name for d in bus.describe_streams()] == ["ORDERS"]
        assert bus.stream_get("ORDERS", 2).data == b"2"
        assert bus.stream_get("ORDERS", from_=rill.From.LAST, filter="orders.eu").seq == 1
        bus.stream_erase("ORDERS", 2)
        raises(rill.NotFound, bus.stream_get, "ORDERS", 2)
        assert bus.stream_purge("ORDERS") == 1
        bus.stream_ensure("COPY", sources=[{"stream": "ORDERS", "filter": "orders.eu"}])
        assert bus.stream_describe("COPY").opts["sources"] == [
            {"stream": "ORDERS", "filter": "orders.eu"}]
        bus.stream_delete("COPY")
        bus.stream_delete("ORDERS")
        assert bus.streams() == []


@row
def append_without_waiting():
    with rill.Bus("mem:") as bus:
        bus.stream_ensure("S")
        got, done = [], threading.Event()

        def stored(error, receipt):
            got.append((error, receipt))
            if len(got) == 100:
                done.set()

        for i in range(100):
            bus.append_async("S", str(i), stored)
        assert done.wait(50) and [r.seq for e, r in got] == list(range(1, 101))
        got.clear()
        refused = threading.Event()
        bus.append_async("nowhere", "", lambda e, r: (got.append(e), refused.set()))
        assert refused.wait(50) and isinstance(got[0], rill.NoReply) and got[0].sentence


@row
def batches_all_or_none():
    with rill.Bus("mem:") as bus:
        bus.stream_ensure("S", subjects="s.*")
        with bus.batch() as batch:
            batch.add("s.a", "1")
            batch.add("s.b", "2", msg_id="x")
        assert bus.stream_status("S").msgs == 2
        batch = bus.batch()
        batch.add("s.a", "3")
        assert batch.commit(5).seq == 3 and batch.commit(5).seq == 3
        batch.close()
        raises(rill.Closed, batch.add, "s.a")
        try:
            with bus.batch() as batch:
                batch.add("s.a", "4")
                raise KeyError("no")
        except KeyError:
            pass
        assert bus.stream_status("S").msgs == 3
        batch = bus.batch()
        for i in range(rill.BATCH_MAX):
            batch.add("s.a", str(i))
        raises(rill.Full, batch.add, "s.a", "one more")
        raises(rill.Conflict, both_expect, bus)


def both_expect(bus):
    with bus.batch() as batch:
        batch.add("s.a", "1", expect_last_seq=1)


@row
def consumers_and_groups():
    with rill.Bus("mem:") as bus:
        bus.stream_ensure("JOBS", keep=rill.Keep.WORK)
        for i in range(4):
            bus.append("JOBS", str(i))
        with bus.consume("JOBS", group="w", ack_wait_ms=30000) as sub:
            m = sub.next(50)
            assert (m.seq, m.deliveries, m.pending, m.stream) == (1, 1, 3, "JOBS")
            m.working()
            m.ack()
            raises(rill.NotFound, m.ack)
            m = sub.next(50)
            m.nak(0.01)
            m = sub.next(50)
            assert m.seq == 3
            m.term()
            rest = {sub.next(50).seq, sub.next(50).seq}
            assert rest == {2, 4}
            assert sub.status().unacked_msgs == 2
            assert bus.group_status("JOBS", "w").unacked_msgs == 2
        assert bus.groups("JOBS") == ["w"]
        raises(rill.Exists, bus.consume, "JOBS", group="w", max_deliveries=3)
        bus.group_pause("JOBS", "w", time.time_ns() + 10**12)
        assert bus.group_status("JOBS", "w").paused_until_ns > 0
        bus.group_pause("JOBS", "w", 0)
        assert not bus.group_ensure("JOBS", "w", backoff_ms=[10, 20], max_deliveries=3)
        bus.group_seek("JOBS", "w", from_=rill.From.FIRST)
        bus.group_delete("JOBS", "w")
        assert bus.groups("JOBS") == []


@row
def acks_by_themselves():
    with rill.Bus("mem:") as bus:
        bus.stream_ensure("S")
        bus.append("S", "1")
        done, seen = threading.Event(), []

        def work(m):
            seen.append(m.deliveries)
            if m.deliveries == 1:
                raise RuntimeError("so it comes again")
            done.set()

        with Unraised() as said:
            with bus.consume("S", work, group="g", ack=rill.Ack.AUTO):
                assert done.wait(50)
                until(lambda: bus.group_status("S", "g").settled_seq == 1)
        assert seen == [1, 2] and [type(e) for e in said] == [RuntimeError]


class Unraised:
    """What callbacks have raised meanwhile."""

    def __enter__(self):
        import sys
        self.said = []
        self.old, sys.unraisablehook = sys.unraisablehook, lambda u: self.said.append(u.exc_value)
        return self.said

    def __exit__(self, *why):
        import sys
        sys.unraisablehook = self.old


@row
def tail_and_seek():
    with rill.Bus("mem:") as bus:
        bus.stream_ensure("P", subjects="p.*")
        for i in range(5):
            bus.append("p.eu" if i % 2 else "p.us", str(i))
        with bus.tail("P", filter="p.eu") as sub:
            assert [sub.next(50).data, sub.next(50).data] == [b"1", b"3"]
        with bus.tail("P", from_=rill.From.SEQ, from_seq=4) as sub:
            assert sub.next(50).seq == 4
            sub.seek(seq=2)
            assert sub.next(50).seq == 2
            sub.seek(from_=rill.From.LAST)
            assert sub.next(50).seq == 5
            sub.seek(time_ns=1)
            assert sub.next(50).seq == 1
            sub.stop()
            assert sub.read(100, 50)


@row
def key_value():
    with rill.Bus("mem:") as bus, bus.kv("conf", history=3) as kv:
        assert kv.put("size", "1") == 1 and kv.get("size").seq == 1
        kv["size"] = b"2"
        assert kv["size"] == b"2" and "size" in kv and "none" not in kv
        raises(rill.Exists, kv.create, "size", "8")
        raises(rill.Conflict, kv.put, "size", "8", expect=1)
        assert kv.put("size", "3", expect=2) == 3
        assert [m.data for m in kv.history("size")] == [b"1", b"2", b"3"]
        kv.create("a.b", "x")
        assert sorted(kv.keys()) == ["a.b", "size"] and kv.keys("a.*") == ["a.b"]
        del kv["size"]
        raises(rill.NotFound, kv.get, "size")
        raises(LookupError, lambda: kv["size"])
        kv.purge("a.b")
        assert kv.keys() == []


@row
def key_value_watch():
    with rill.Bus("mem:") as bus, bus.kv("conf") as kv:
        kv["a"], kv["b"] = "1", "2"
        with kv.watch() as watch:
            first, second = watch.next(50), watch.next(50)
            assert (first.key, first.caught_up, second.key, second.caught_up) == (
                "a", False, "b", True)
            kv["a"] = "3"
            kv.delete("b")
            assert watch.next(50).data == b"3" and watch.next(50).deleted
        got, done = [], threading.Event()

        def changed(m):
            if m.key:  # else it says that there was nothing
                got.append(m.key)
                done.set()

        with kv.watch(changed, from_=rill.From.NEW):
            kv["c"] = "4"
            assert done.wait(50) and got == ["c"]


@row
def objects():
    data = os.urandom(300000)
    with rill.Bus("mem:") as bus, bus.objects("files") as objs:
        objs.put("a", data)
        objs.put("b", io.BytesIO(data * 2))
        assert objs.get("a") == data
        sink = io.BytesIO()
        objs.get("b", sink)
        assert sink.getvalue() == data * 2
        info = objs.status("a")
        assert info.bytes == len(data) and info.sha256 == hashlib.sha256(data).digest()
        assert sorted(objs.names()) == ["a", "b"]
        objs.link("l", objs, "a")
        assert objs.get("l") == data and objs.status("l").link_name == "a"
        with objs.watch(from_=rill.From.NEW) as watch:
            objs.delete("b")
            m = watch.next(50)
            info = rill.told(m if m.key else watch.next(50))
            assert info.name == "b" and info.deleted
        raises(rill.NotFound, objs.get, "b")
        raises(OSError, objs.put, "c", Broken())
        assert sorted(objs.names()) == ["a", "l"]
        objs.seal()
        raises(rill.Error, objs.put, "d", b"")


class Broken:
    """A file whose second piece cannot be read."""

    first = True

    def read(self, n):
        if not self.first:
            raise OSError("the disk is gone")
        self.first = False
        return b"x" * n


@row
def broker_and_listener():
    with rill.Broker(jetstream=True, name="b1") as broker:
        port = broker.listen("nats://127.0.0.1:0")
        with broker.bus() as inside, rill.Bus(f"nats://127.0.0.1:{port}", name="me") as outside:
            with inside.subscribe("a") as sub, outside.subscribe("b.*") as other:
                outside.publish("a", "1")
                assert sub.next(50).data == b"1"
                inside.publish("b.x", "2")
                assert other.next(50).data == b"2"
                conns = broker.conns()
                assert len(conns) == 1 and conns[0].name == "me" and conns[0].subs >= 1
                assert broker.conns(conns[0].id) == []
                subs, total = broker.subs(matches="b.y")
                assert total == 1 and subs[0].subject == "b.*"
            inside.stream_ensure("S")
            assert outside.append("S", "x").seq == 1
            outside.kv("conf", in_memory=True)["k"] = "v"
            assert inside.kv("conf")["k"] == b"v"
            assert b"STREAM" not in inside.jetstream_ask("$JS.API.INFO").data
            assert broker.stats().conns == 1
        about = broker.about()
        assert about.name == "b1" and about.id
        until(lambda: broker.stats().conns == 0)
        broker.lame_duck(0, 0)


@row
def every_url():
    with tempfile.TemporaryDirectory() as dir, \
            rill.Broker(jetstream=True, dir=f"{dir}/broker") as broker:
        port = broker.listen("nats://127.0.0.1:0")
        broker.listen(f"unix:{dir}/socket")
        kafka = broker.listen("kafka://127.0.0.1:0")
        for i, url in enumerate(("mem:", "mem:python", f"file:{dir}/a", f"nats://127.0.0.1:{port}",
                                 f"unix:{dir}/socket", f"kafka://127.0.0.1:{kafka}")):
            try:
                bus = rill.Bus(url)
            except rill.NotSupported:
                assert url.startswith("kafka:")  # a library without librdkafka
                continue
            with bus:
                bus.stream_ensure(f"S{i}")
                assert bus.append(f"S{i}", url, timeout=20).seq == 1
                with bus.consume(f"S{i}", group="g") as sub:
                    m = sub.next(20)
                    assert (m.data.decode(), m.seq) == (url, 1)
                    m.ack()
                    bus.flush(20)
                assert bus.group_status(f"S{i}", "g").settled_seq == 1
        with rill.Bus("mem:python") as one, rill.Bus("mem:python") as other:
            with one.subscribe("a") as sub:
                other.publish("a", "seen")
                assert sub.next(50).data == b"seen"
        raises(rill.Invalid, rill.Bus, "gopher://here")


@row
def broker_users():
    users = [{"user": "a", "password": "x"},
             {"user": "b", "password": "y", "publish_allow": ["open.>"]}]
    with rill.Broker(users=users) as broker:
        port = broker.listen("nats://127.0.0.1:0")
        raises(rill.AuthFailed, rill.Bus, f"nats://127.0.0.1:{port}", no_redial=True)
        events = []
        with rill.Bus(f"nats://b:y@127.0.0.1:{port}", on_event=events.append) as bus:
            bus.publish("closed", "")
            bus.flush(50)
            until(lambda: [e for e in events if e.kind == rill.EventKind.ERROR])
        broker.reload(users=users[:1])
        raises(PermissionError, rill.Bus, f"nats://b:y@127.0.0.1:{port}", no_redial=True)


@row
def broker_that_asks_who_comes():
    asked = []

    def decide(login):
        asked.append(login)
        if login.user == "later":
            return
        if login.user == "error":
            raise KeyError(login.user)
        ok = login.password == "right"
        login.answer({"user": login.user} if ok else None, "no such password")

    with rill.Broker(on_login=decide) as broker:
        at = f"@127.0.0.1:{broker.listen('nats://127.0.0.1:0')}"
        with rill.Bus(f"nats://a:right{at}") as bus:
            bus.flush(50)
        assert (asked[0].user, asked[0].token, asked[0].encrypted) == ("a", None, False)
        raises(rill.Invalid, asked[0].answer)
        raises(rill.AuthFailed, rill.Bus, f"nats://a:wrong{at}", no_redial=True)
        with Unraised() as said:
            raises(rill.AuthFailed, rill.Bus, f"nats://error:right{at}", no_redial=True)
        assert [type(e) for e in said] == [KeyError]
        answers = threading.Thread(target=lambda: until(
            lambda: asked[-1].user == "later") and asked[-1].answer({"user": "b"}))
        answers.start()
        with rill.Bus(f"nats://later:x{at}") as bus:
            bus.flush(50)
        answers.join()
        asked.clear()
    raises(TypeError, rill.Broker, on_login=1)


@row
def identities():
    with rill.Broker() as broker:
        limits = {"user": "plug-in", "publish_allow": ["a.>"], "subscribe_allow": ["a.>"]}
        with broker.bus(identity=limits) as bus, bus.subscribe("a.b") as sub:
            bus.publish("a.b", b"x")
            assert sub.next(50).data == b"x"
            raises(rill.AuthFailed, bus.publish, "b", b"x")
            raises(rill.AuthFailed, bus.subscribe, "b")
        raises(TypeError, broker.bus, identity={"user": "a", "rights": []})
        raises(rill.Invalid, broker.bus, identity={})
    raises(rill.Invalid, rill.Bus, "mem:", identity=limits)


@row
def events():
    seen = []
    with rill.Bus("mem:", on_event=seen.append) as bus:
        with bus.subscribe("a", pending_msgs=1) as sub:
            for i in range(5):
                bus.publish("a", str(i))
            slow = until(lambda: [e for e in seen if e.kind == rill.EventKind.SLOW])[0]
            assert slow.sub is sub and slow.count >= 1 and slow.first == 2
            assert sub.status().dropped_msgs == 4
    until(lambda: seen[-1].kind == rill.EventKind.CLOSED)
    assert seen[0].kind == rill.EventKind.UP


@row
def forwarding():
    with rill.Bus("mem:") as here, rill.Bus("mem:") as there:
        here.stream_ensure("A")
        there.stream_ensure("B", subjects="A")
        here.append("A", "1")
        with here.forward("A", there, "B", name="f") as forward:
            until(lambda: there.stream_status("B").msgs == 1)
            until(lambda: forward.status().msgs == 1)
            assert forward.status().up
        raises(rill.Closed, forward.status)


@row
def care_of_a_store():
    with tempfile.TemporaryDirectory() as dir:
        with rill.Bus(f"file:{dir}/a") as bus:
            bus.stream_ensure("S")
            bus.append("S", "x" * 1000)
            reports = []
            assert bus.store_check(reports.append) == 0
            assert all(r.damage is None for r in reports)
            bus.store_snapshot(f"{dir}/b")
            raises(rill.Exists, bus.store_snapshot, f"{dir}/b")
        with rill.Bus(f"file:{dir}/b") as copy:
            assert copy.stream_get("S", 1).data == b"x" * 1000
        assert rill.salvage(f"{dir}/b") == 0
        assert rill.salvage(f"{dir}/b", f"{dir}/c", lambda care: False) == 0
        with rill.Bus(f"file:{dir}/c") as again:
            assert again.stream_status("S").msgs == 1
        raises(rill.NotFound, rill.salvage, f"{dir}/none")
    with rill.Bus("mem:") as bus:
        raises(rill.NotSupported, bus.store_check)


@row
def reaping():
    with rill.Bus("mem:", reap=True) as bus:
        call = bus.start(rill.Verb.STREAM_ENSURE, name="S")
        assert isinstance(call, rill.Call)
        items = []
        until(lambda: items.extend(bus.reap(100, 1)) or
              [i for i in items if i.kind == rill.ItemKind.DONE])
        done = [i for i in items if i.kind == rill.ItemKind.DONE][0]
        assert done.about is call and done.error is None and done.value is True
        bus.start(rill.Verb.SUBSCRIBE, name="a")
        subs = []
        until(lambda: subs.extend(i.value for i in bus.reap(100, 1)
                                  if i.kind == rill.ItemKind.DONE) or subs)
        kept = []
        for i in range(300):
            bus.publish("a", str(i))
        until(lambda: kept.extend(i for i in bus.reap(100, 1) if i.kind == rill.ItemKind.MSG)
              or len(kept) == 300)
        assert all(i.about is subs[0] for i in kept)
        bus.start(rill.Verb.APPEND, timeout_ms=-1, name="nowhere", data="")
        failed = until(lambda: [i for i in bus.reap(10, 1) if i.error])[0]
        assert isinstance(failed.error, rill.NoReply)
        assert bus.reap(10, 0) == []
        bus.start(rill.Verb.FLUSH)  # dropped, as nobody reaps it
    del bus
    assert [int(i.value.data) for i in kept] == list(range(300))


@row
def calls_taken_back():
    with rill.Bus("mem:") as bus, bus.subscribe("mute"):
        got, done = [], threading.Event()
        call = bus.request_async("mute", "", lambda e, m: (got.append(e), done.set()))
        assert call.cancel() == 1
        assert done.wait(50) and isinstance(got[0], rill.Canceled)
        assert call.cancel() == 0


@row
def a_loop_of_ones_own():
    with rill.Bus("mem:", drive=rill.Drive.HOST) as bus:
        got = []
        bus.subscribe("a", lambda m: got.append(m.data))
        bus.publish("a", "1")
        import select
        while not got:
            ms = bus.wait_ms()
            select.select([bus.fd()], [], [], ms / 1000 if ms >= 0 else 5)
            bus.poll(0)
        assert got == [b"1"] and bus.poll(0) == 0


@row
def callbacks_on_the_publisher():
    with rill.Bus("mem:") as bus:
        threads = []
        bus.subscribe("a", lambda m: threads.append(threading.get_ident()), on_publisher=True)
        bus.publish("a", "1")
        assert threads == [threading.get_ident()]


@row
def descriptor_of_a_subscription():
    import select
    with rill.Bus("mem:") as bus, bus.subscribe("a") as sub:
        assert select.select([sub], [], [], 0)[0] == []
        bus.publish("a", "1")
        assert select.select([sub], [], [], 5)[0] == [sub]


class Pair:
    """One end of a pair of sockets, as a wire wants it."""

    def __init__(self, sock):
        self.sock = sock
        sock.setblocking(False)
        self.closed = threading.Event()

    def read(self, n):
        try:
            return self.sock.recv(n)
        except BlockingIOError:
            return None

    def write(self, data):
        try:
            return self.sock.send(data)
        except BlockingIOError:
            return None

    def fileno(self):
        return self.sock.fileno()

    def close(self):
        self.sock.close()
        self.closed.set()


@row
def a_wire_of_ones_own():
    ends = []
    with rill.Broker() as broker:
        def dial(address):
            here, there = socket.socketpair()
            ends.extend((Pair(here), Pair(there)))
            broker.accept("nats://depot", rill.Wire(ends[1]))
            return rill.Wire(ends[0])

        with rill.Bus("nats://depot", dial=dial) as bus, bus.subscribe("a") as sub:
            bus.publish("a", b"x" * 100000)
            assert len(sub.next(50)) == 100000
    assert all(end.closed.wait(50) for end in ends)
    one, other = socket.socketpair()
    spare = Pair(one)
    other.close()
    wire = rill.Wire(spare)
    wire.ready()
    wire.close()
    assert spare.closed.is_set() and wire.closed
    with Unraised() as said:
        raises(rill.NoConnection, rill.Bus, "nats://depot", no_redial=True,
               dial=lambda address: 1 // 0)
    assert type(said[0]) is ZeroDivisionError


@row
def many_threads():
    with rill.Bus("mem:") as bus:
        subs = [bus.subscribe("t", group="g", pending_msgs=100000) for _ in range(3)]
        counts = [0] * 3

        def read(i):
            for _ in subs[i]:
                counts[i] += 1

        readers = [threading.Thread(target=read, args=(i,)) for i in range(3)]
        writers = [threading.Thread(target=bus.publish_all, args=("t", [b"x"] * 5000))
                   for _ in range(2)]
        for t in readers + writers:
            t.start()
        for t in writers:
            t.join()
        for sub in subs:
            sub.stop()
        for t in readers:
            t.join()
        assert sum(counts) == 10000, counts


@row
def drain_and_flush():
    with rill.Bus("mem:") as bus:
        got = []
        bus.subscribe("a", lambda m: got.append(m.data))
        bus.publish_all("a", [b"x"] * 100)
        bus.flush(50)
        bus.drain(50)
        assert len(got) == 100


main()
