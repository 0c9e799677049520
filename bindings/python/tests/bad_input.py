# SPDX-License-Identifier: Apache-2.0
"""What must not be is an exception, and never a crash; and nothing is left behind. A row a case."""
import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
import traceback
import tracemalloc
import weakref

import rill
from rill import _rill
from rows import main, raises, row, until


@row
def wrong_types():
    with rill.Bus("mem:") as bus, bus.subscribe("a") as sub, bus.kv("b") as kv:
        for bad in (None, 1, 1.5, [], object()):
            raises(TypeError, bus.publish, bad, "x")
            raises(TypeError, rill.Bus, bad)
        for bad in (1, 1.5, [], object()):
            raises(TypeError, bus.publish, "a", bad)
            raises(TypeError, bus.append, "a", bad)
            raises(TypeError, kv.put, "a", bad)
        raises(TypeError, bus.publish)
        raises(TypeError, bus.publish, "a", "b", "c")
        raises(TypeError, bus.publish, "a", "b", nothing=1)
        raises(TypeError, bus.publish, "a", reply=1)
        raises(TypeError, bus.publish, "a", headers="text")
        raises(TypeError, bus.publish, "a", headers=[("one",)])
        raises(TypeError, bus.publish, "a", headers=[(1, 2)])
        raises(TypeError, bus.publish, "a", expect_last_seq="1")
        raises(TypeError, bus.subscribe, "a", group=1)
        raises(TypeError, bus.subscribe, "a", 1)
        raises(TypeError, bus.subscribe, "a", on_publisher=1)
        raises(TypeError, bus.subscribe, "a", size=1)
        raises(TypeError, bus.stream_ensure, "S", sources=1)
        raises(TypeError, bus.stream_ensure, "S", sources=[1])
        raises(TypeError, bus.stream_ensure, "S", sources=[{"streem": "x"}])
        raises(TypeError, bus.group_ensure, "S", "g", backoff_ms=["x"])
        raises(TypeError, sub.next, "soon")
        raises(ValueError, sub.next, float("nan"))
        raises(TypeError, sub.next, 1, 2)
        raises(TypeError, sub.read, "x")
        raises(TypeError, bus.forward, "S", sub, "T", name="x")
        raises(TypeError, bus._ask, rill.Verb.SEEK, 0, {"sub": bus})
        raises(TypeError, bus._ask, rill.Verb.SEEK, 0, {"nothing": bus})
        raises(TypeError, bus._ask)
        raises(TypeError, rill.Bus, "mem:", on_event=1)
        raises(TypeError, rill.Bus, "mem:", tls=1)
        raises(TypeError, rill.Wire)
        raises(TypeError, rill.salvage, 1)
        raises(rill.Invalid, bus._ask, 999, 0, {})
        bus.publish("a", "still here")
        assert sub.next(50).data == b"still here"


@row
def numbers_out_of_range():
    with rill.Bus("mem:") as bus:
        raises(OverflowError, bus.publish, "a", expect_last_seq=-1)
        raises(OverflowError, bus.publish, "a", expect_last_seq=2**64)
        raises(OverflowError, bus.publish, "a", ttl_ms=2**32)
        raises(OverflowError, bus.subscribe, "a", pending_msgs=2**70)
        raises(OverflowError, bus.subscribe, "a", when_full=2**31)
        raises(OverflowError, bus.stream_ensure, "S", replicas=256)
        raises(OverflowError, bus.stream_ensure, "S", max_age_ms=-2**63 - 1)
        raises(rill.Invalid, bus.stream_ensure, "S", max_age_ms=-1)
    assert _rill.timeout_ms(1e300) == 2**31 - 1 and _rill.timeout_ms(-1) == 0
    assert _rill.timeout_ms(None) == -1 and _rill.timeout_ms(0.0001) == 1


@row
def texts_that_are_none():
    with rill.Bus("mem:") as bus:
        raises(ValueError, bus.publish, "a\0b")
        raises(ValueError, bus.stream_status, "a\0b")
        raises(ValueError, bus.publish, "\ud800")
        raises(rill.Invalid, bus.publish, "x" * 2000)
        raises(rill.Invalid, rill.Bus, "nowhere:")
        raises(rill.TooBig, bus.publish, "a", bytes(2 << 20))


@row
def closed_handles():
    bus = rill.Bus("mem:")
    sub, kv, objs, batch = bus.subscribe("a"), bus.kv("b"), bus.objects("c"), bus.batch()
    bus.close()
    bus.close()
    for call in (lambda: bus.publish("a"), lambda: bus.subscribe("a"), lambda: bus.kv("d"),
                 lambda: bus.publish_many("a", ["b"]),
                 lambda: bus.stats(), lambda: bus.poll(), lambda: bus.batch(), bus.inbox,
                 lambda: bus.request("a", timeout=1), lambda: bus.reap(1, 0), bus.fd, bus.caps,
                 lambda: sub.next(50), lambda: sub.read(1, 50), lambda: kv.put("a"),
                 lambda: objs.get("a"), lambda: batch.add("a"), lambda: batch.commit(1),
                 lambda: sub.seek(seq=1), lambda: sub.status()):
        raises(rill.Closed, call)
    for handle in (sub, kv, objs, batch):
        handle.close()
        handle.close()
        assert handle.closed
    raises(rill.Closed, sub.next, 0)
    raises(rill.Closed, sub.fd)
    broker = rill.Broker()
    inside = broker.bus()
    broker.close()
    raises(rill.Closed, broker.stats)
    raises(rill.Closed, broker.bus)
    raises(rill.Closed, inside.publish, "a")
    inside.close()


@row
def handles_that_were_never_opened():
    for kind in (rill.Sub, rill.KV, rill.Objects, rill.Batch, rill.Forward):
        raises(rill.Closed, lambda: kind()._bus)
        kind().close()
    raises(rill.Closed, rill.Bus.__new__(rill.Bus).publish, "a")
    raises(rill.Closed, rill.Broker.__new__(rill.Broker).stats)
    if sys.version_info >= (3, 10):
        raises(TypeError, rill.Message)
    else:
        raises(rill.Error, lambda: rill.Message().data)
    with rill.Bus("mem:") as bus:
        raises(rill.Busy, bus._open, "mem:", {})


@row
def callbacks_that_raise():
    said = []
    old, sys.unraisablehook = sys.unraisablehook, lambda u: said.append(type(u.exc_value))
    try:
        with rill.Bus("mem:", on_event=lambda e: 1 // 0) as bus:
            bus.subscribe("a", lambda m: [][1])
            bus.subscribe("b", lambda m: {}[1], on_publisher=True)
            bus.subscribe("c", lambda: None)  # it takes no message
            bus.publish("a")
            bus.publish("b")
            bus.publish("c")
            until(lambda: {ZeroDivisionError, IndexError, KeyError, TypeError} <= set(said))
            done = threading.Event()
            bus.request_async("a", "", lambda e, m: done.set() or 1 // 0, timeout=0.01)
            assert done.wait(50)
            bus.stream_ensure("S")
            raises(rill.NotSupported, bus.store_check, lambda care: 1 // 0)
    finally:
        sys.unraisablehook = old


@row
def closing_in_a_callback():
    with rill.Bus("mem:") as bus:
        closed = []

        def once(m):
            sub.close()
            closed.append(sub.closed)

        sub = bus.subscribe("a", once)
        bus.publish_all("a", ["1", "2"])
        until(lambda: closed)
        bus.flush(50)
        assert closed == [True]
        errors = []

        def end(m):
            try:
                bus.close()
            except rill.Deadlock as e:
                errors.append(e)

        bus.subscribe("b", end)
        bus.publish("b")
        until(lambda: errors)
        bus.publish("b")
    host = rill.Bus("mem:", drive=rill.Drive.HOST)
    host.subscribe("a", lambda m: raises(rill.Deadlock, host.close))
    host.publish("a")
    assert host.poll(5) == 1
    host.close()


@row
def closed_while_it_is_read():
    for _ in range(20):
        bus = rill.Bus("mem:")
        sub = bus.subscribe("a")
        got = []

        def read():
            try:
                sub.next()
            except rill.Closed as e:
                got.append(e)

        reader = threading.Thread(target=read)
        reader.start()
        until(lambda: raises_busy(sub))
        sub.close()
        reader.join(50)
        assert got and sub.closed
        bus.close()


def raises_busy(sub):
    try:
        sub.next(0)
    except rill.Busy:
        return True
    return False


@row
def a_bus_closed_under_its_callers():
    for _ in range(10):
        bus = rill.Bus("mem:")
        sub = bus.subscribe("a")
        mute = bus.subscribe("mute")
        ends = []

        def ask():
            try:
                bus.request("mute", timeout=0.2)
            except rill.Error as e:
                ends.append(e)

        def spin():
            try:
                while True:
                    bus.publish("a", "x")
            except rill.Closed as e:
                ends.append(e)

        def read():
            try:
                for _ in sub:
                    pass
            except rill.Error:
                pass
            ends.append(None)

        threads = [threading.Thread(target=f) for f in (ask, spin, spin, read)]
        for t in threads:
            t.start()
        mute.next(50)
        bus.close(50)
        for t in threads:
            t.join(50)
        assert len(ends) == 4, ends


@row
def interrupted():
    with rill.Bus("mem:", drive=rill.Drive.HOST) as host, rill.Bus("mem:", reap=True) as reap, \
            rill.Bus("mem:") as bus, bus.subscribe("a") as sub:
        until(lambda: not reap.reap(10, 0.01))
        for wait in (sub.next, lambda: sub.read(10), lambda: list(sub), lambda: host.poll(None),
                     reap.reap):
            timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
            try:  # who is kept from it for so long is interrupted before
                timer.start()
                wait()
                raise AssertionError("it was not interrupted")
            except KeyboardInterrupt:
                pass
            timer.join()
        bus.publish("a", "1")
        assert sub.next(50).data == b"1"


@row
def finalizers_in_any_order():
    for seed in range(60):
        dice = random.Random(seed)
        bus = rill.Bus("mem:")
        bus.stream_ensure("S")
        bus.append("S", "x")
        all = [bus, bus.subscribe("a"), bus.subscribe("a", lambda m: None), bus.kv("b"),
               bus.objects("c"), bus.batch(), bus.tail("S"), bus.consume("S", group="g"),
               bus.kv("b").watch()]
        bus.publish("a", "y" * 10000)
        all += [all[1].next(50), all[6].next(50)]
        all.append(all[-1].view)
        cycle = [all]
        cycle.append(cycle)
        dice.shuffle(all)
        del bus
        if seed % 2:
            while all:
                all.pop()
        del all, cycle
        gc.collect()


@row
def nothing_is_left():
    bus = rill.Bus("mem:")
    refs = [weakref.ref(bus), weakref.ref(bus.subscribe("a", lambda m: bus))]
    del bus
    gc.collect()
    assert [r() for r in refs] == [None, None]


@row
def forked():
    bus = rill.Bus("mem:")
    sub = bus.subscribe("a")
    bus.publish("a", "1")
    m = sub.next(50)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            raises(rill.Closed, bus.publish, "a", "2")
            raises(rill.Closed, sub.next, 1)
            assert m.data == b"1"
            sub.close()
            bus.close()
            with rill.Bus("mem:") as own, own.subscribe("a") as mine:
                own.publish("a", "3")
                assert mine.next(50).data == b"3"
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    bus.publish("a", "4")
    assert sub.next(50).data == b"4"
    sub.close()
    bus.close()


def child(program):
    """What a program prints; it must end as it should."""
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", program], timeout=60,
                          capture_output=True, text=True, env=dict(os.environ, PYTHONDEVMODE="0"))
    assert done.returncode == 0 and not done.stderr, (done.returncode, done.stderr)
    return done.stdout


@row
def shutdown_with_all_open():
    program = """
import rill, threading, time
bus = rill.Bus("mem:")
bus.stream_ensure("S")
def hear(m):
    time.sleep(0)
bus.subscribe("a", hear)
sub = bus.subscribe("b")
kept = []
broker = rill.Broker()
broker.listen("nats://127.0.0.1:0")
def spin():
    try:
        while True:
            bus.publish("a", "x" * 100)
    except rill.Closed:
        pass
def wait():
    try:
        sub.next()
    except rill.Closed:
        pass
for f in (spin, wait):
    threading.Thread(target=f, daemon=True).start()
bus.publish("b", "y")
time.sleep(0.05)
print("over")
"""
    for _ in range(5):
        assert child(program) == "over\n"
    assert child("import rill\nb = rill.Bus('mem:')\ndel rill\nprint(1)") == "1\n"


@row
def another_thread_drops_it():
    with rill.Bus("mem:") as bus:
        messages = []
        with bus.subscribe("a") as sub:
            for i in range(1000):
                bus.publish("a", b"z" * i)
                messages.append(sub.next(50))
        views = [m.view for m in messages]

        def drop(list):
            while list:
                list.pop()

        threads = [threading.Thread(target=drop, args=(x,)) for x in (messages, views)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()


def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")


@row
def a_million_messages_leave_nothing():
    with rill.Bus("mem:") as bus, bus.subscribe("a") as sub:
        heard = []
        bus.subscribe("b", lambda m: heard.append(None) if m is None else None, on_publisher=True)
        data, arrays = [b"x" * 128] * 500, ["x", bytearray(128)] * 5

        def work(rounds):
            for i in range(rounds):
                bus.publish_all("a", data)
                for m in sub.read(500, 50):
                    m.data
                bus.publish_many("b", data)
                bus.publish_many("b", arrays)
                bus.publish("a", headers={"A": "b"}, reply="c")
                m = sub.next(50)
                m.view, m.headers, m.subject

        work(50)
        gc.collect()
        tracemalloc.start()
        before, rss = tracemalloc.get_traced_memory()[0], resident()
        work(50)
        tracemalloc.stop()
        work(950)
        gc.collect()
        tracemalloc.start()
        work(1)
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert resident() - rss < 16 << 20, resident() - rss
        assert after - before < 100000, (before, after)


@row
def threads_leave_nothing():
    def work(n):
        for _ in range(n):
            with rill.Bus("mem:") as bus:
                done = threading.Event()
                bus.subscribe("a", lambda m: done.set())
                bus.publish("a")
                assert done.wait(50)

    def grown():
        before = resident()
        work(200)
        gc.collect()
        return resident() - before

    # Allocators take some rounds until they have enough; what is lost is lost in each.
    rounds = []
    assert any(rounds.append(grown()) or rounds[-1] < 1 << 20 for _ in range(8)), rounds


@row
def errors_leave_nothing():
    with rill.Bus("mem:") as bus:
        def work(n):
            for _ in range(n):
                for call in (lambda: bus.request("nobody"), lambda: bus.stream_status("S"),
                             lambda: bus.publish("a", headers=[("a",)]), lambda: bus.kv("b", x=1),
                             lambda: bus.publish_many("a", [bytearray(9), "x", 7]),
                             lambda: bus.publish_many("a b", [bytearray(9), "x"]),
                             lambda: bus.subscribe("a b", lambda m: None),
                             lambda: bus.batch().commit()):
                    try:
                        call()
                    except (rill.Error, TypeError):
                        pass
        work(100)
        gc.collect()
        tracemalloc.start()
        work(100)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        work(2000)
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert after - before < 50000, after - before


main()
