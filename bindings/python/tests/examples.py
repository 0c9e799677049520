# SPDX-License-Identifier: Apache-2.0
"""The programs of examples/ in Python: examples.py NAME prints what examples/NAME.c prints, and the
tests compare it with what stands on the top of that."""
import io
import os
import select
import shutil
import socket
import sys
import threading
from collections import Counter

import rill


def hello():
    with rill.Bus("mem:") as bus, bus.subscribe("greet.*") as sub:
        bus.publish("greet.world", "hello")
        m = sub.next(50)
        print(f"{m.subject}: {m.data.decode()}")


def request_reply():
    with rill.Bus("mem:") as bus:
        bus.subscribe("echo", lambda m: m.reply(b"you said " + m.data))
        print("ping ->", bus.request("echo", "ping", timeout=30).data.decode())
        try:
            bus.request("nobody", timeout=30)
        except rill.NoReply as e:
            print("nobody:", e.name)


def worker_queue():
    with rill.Bus("mem:") as bus:
        subs = [bus.subscribe("jobs", group="w") for _ in range(3)]
        done = [[] for _ in subs]
        workers = [threading.Thread(target=lambda s=s, d=d: d.extend(m.data for m in s))
                   for s, d in zip(subs, done)]
        for worker in workers:
            worker.start()
        bus.publish_all("jobs", [str(i) for i in range(100)])
        for sub in subs:
            sub.stop()  # what waits is still read
        for worker in workers:
            worker.join()
        counts = Counter(sum(done, []))
        print(sum(n == 1 for n in counts.values()), "jobs, each done once")


def own_loop():
    ours, theirs = os.pipe()
    with rill.Bus("mem:", drive=rill.Drive.HOST) as bus:
        def heard(m):
            print("from the bus:", m.data.decode())
            if m.data == b"two":
                os.write(theirs, b"stop")

        bus.subscribe("news", heard)
        bus.publish("news", "one")
        bus.publish("news", "two")
        while True:
            ms = bus.wait_ms()
            ready, _, _ = select.select([ours, bus.fd()], [], [], ms / 1000 if ms >= 0 else None)
            bus.poll(0)
            if ours in ready:
                print("from the pipe:", os.read(ours, 8).decode())
                break


def queue():
    shutil.rmtree("queue.py.data", ignore_errors=True)
    with rill.Bus("file:queue.py.data") as bus:
        bus.stream_ensure("JOBS", keep=rill.Keep.WORK)
        for job in "resize 1", "resize 2", "resize 3":
            bus.append("JOBS", job)
    with rill.Bus("file:queue.py.data") as bus:
        print(bus.stream_status("JOBS").msgs, "jobs wait")
        sub, done = bus.consume("JOBS", group="workers"), 0
        while done < 3:
            m = sub.next(50)
            job = m.data.decode()
            if job == "resize 2" and m.deliveries == 1:
                print(job, "failed, again in 50 ms")
                m.nak(0.05)
                continue
            print(f"{job} is done" + (f", at delivery {m.deliveries}" if m.deliveries > 1 else ""))
            m.ack()
            done += 1
        print(bus.stream_status("JOBS").msgs, "jobs wait")


def replay():
    with rill.Bus("mem:") as bus:
        bus.stream_ensure("PRICES", subjects="prices.*")

        def show(what, **how):
            line = f"{what:<8}"
            with bus.tail("PRICES", **how) as sub:
                for m in sub:
                    line += f" {m.seq} {m.subject[7:]}={m.data.decode()}"
                    if m.pending == 0:
                        break
            print(line)

        for where, price in ("eu", 10), ("us", 20), ("eu", 11), ("us", 21), ("eu", 12):
            bus.append(f"prices.{where}", str(price))
        show("all:")
        show("eu only:", filter="prices.eu")
        show("from 4:", from_=rill.From.SEQ, from_seq=4)
        show("newest:", from_=rill.From.LAST_PER_SUBJECT)
        bus.append("prices.eu", "13")
        show("last:", from_=rill.From.LAST)


def kv_watch():
    with rill.Bus("mem:") as bus, bus.kv("config") as kv:
        kv["color"], kv["size"] = "blue", "7"
        watch = kv.watch()

        def follow():
            m = watch.next(50)
            print(f"{m.key} is gone" if m.deleted else f"{m.key} = {m.data.decode()}")
            if m.caught_up:
                print("that is all there was")

        follow()
        follow()
        revision = kv.put("size", "8", expect=2)
        follow()
        del kv["color"]
        follow()
        try:
            kv.put("size", "9", expect=2)
        except rill.Conflict as e:
            print(f'size is at revision {revision}, so "expect 2" fails: {e.name}')


def batch():
    with rill.Bus("mem:") as bus:
        bus.stream_ensure("STOCK", subjects="stock.*")
        bus.stream_ensure("INVOICES", subjects="invoices")
        bus.append("stock.pears", "+10")

        def order(name, seen):
            try:
                with bus.batch() as both:
                    both.add("stock.pears", "-1", expect_last_seq=seen,
                             expect_subject="stock.pears")
                    both.add("invoices", name)
                said = "stored"
            except rill.Error as e:
                said = e.name
            print(f"{name}: {said}, {bus.stream_status('STOCK').msgs} in STOCK, "
                  f"{bus.stream_status('INVOICES').msgs} in INVOICES")

        order("order 1", 1)
        order("order 2", 1)
        order("order 2", 2)


def dead_letters():
    with rill.Bus("mem:") as bus:
        bus.stream_ensure("JOBS", keep=rill.Keep.WORK)
        bus.stream_ensure("DEAD")
        sub = bus.consume("JOBS", group="workers", max_deliveries=2, max_unacked=1,
                          dead_letters="DEAD")
        for job in "good", "bad", "absurd":
            bus.append("JOBS", job)
        for _ in range(4):
            m = sub.next(50)
            job = m.data.decode()
            if job == "bad":
                print("bad failed")
                m.nak(0.02)
            elif job == "absurd":
                print("absurd is refused")
                m.term()
            else:
                print(job, "is done")
                m.ack()
        dead = bus.tail("DEAD")
        for _ in range(2):
            m = dead.next(50)
            print(f"DEAD has {m.data.decode()}: {m.header('Rill-Dead-Reason')}, "
                  f"number {m.header('Rill-Dead-Sequence')} of JOBS")


def anywhere():
    def run(url):
        with rill.Bus(url) as bus:
            bus.stream_ensure("ANYWHERE", subjects="any.orders", in_memory=True)
            receipt = bus.append("any.orders", "first order", timeout=30)
            with bus.tail("ANYWHERE") as orders:
                read = orders.next(50).data.decode()
            with bus.subscribe("any.add", lambda m: m.reply("4")):
                answer = bus.request("any.add", "2 + 2", timeout=30).data.decode()
            print(f'{url.split(":")[0]}: stored {receipt.seq}, read back "{read}"; '
                  f'answered "{answer}"')
            bus.stream_delete("ANYWHERE")

    run("mem:")
    with rill.Broker(jetstream=True) as broker:
        run(f"nats://127.0.0.1:{broker.listen('nats://127.0.0.1:0')}")


def object_copy():
    copy = io.BytesIO()
    with rill.Bus("mem:") as bus, bus.objects("programs") as objs, open(sys.executable, "rb") as f:
        objs.put("me", f)
        f.seek(0)
        whole = f.read()
        if objs.status("me").bytes == len(whole):
            print("the object has the length of the file")
        objs.get("me", copy)
        if copy.getvalue() == whole:
            print("the copy is the same")


def embedded_broker():
    with rill.Broker() as broker:
        port = broker.listen("nats://127.0.0.1:0")
        with broker.bus() as bus, bus.subscribe("sensors.>") as sub:
            with socket.create_connection(("127.0.0.1", port)) as other:
                other.sendall(b"CONNECT {}\r\nPUB sensors.kitchen 10\r\n21 degrees\r\n")
                print("over TCP came:", sub.next(50).data.decode())


class Line:
    """Bytes over one end of a socketpair."""

    def __init__(self, sock):
        sock.setblocking(False)
        self.sock = sock
        self.fileno = sock.fileno
        self.close = sock.close

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


def own_wire():
    with rill.Broker() as broker, broker.bus() as here, here.subscribe("oven") as sub:
        def dial(address):
            print("dial", address)
            near, far = socket.socketpair()
            broker.accept("nats://the-other-end", rill.Wire(Line(far)))
            return rill.Wire(Line(near))

        with rill.Bus("nats://depot", dial=dial) as there:
            there.publish("oven", "21 degrees")
            m = sub.next(50)
            print(f"the {m.subject} has {m.data.decode()}")


def backup():
    for dir in "py.data", "py.copy", "py.saved":
        shutil.rmtree(dir, ignore_errors=True)

    def orders(url):
        with rill.Bus(url) as bus:
            return bus.stream_status("ORDERS").msgs

    def say(care):
        if care.damage:
            print("damaged: order", care.damage.first_seq)

    with rill.Bus("file:py.data") as bus:
        bus.stream_ensure("ORDERS")
        for order in "one coffee", "two croissants", "three more coffees":
            bus.append("ORDERS", order)
        print(f"checked: {bus.store_check(say)} damages")
        bus.store_snapshot("py.copy")
        bus.append("ORDERS", "the bill")
    print(f"the copy has {orders('file:py.copy')} orders, the store {orders('file:py.data')}")
    with open("py.copy/00000000.seg", "r+b") as f:
        at = f.read(4096).index(b"croissants")
        f.seek(at)
        f.write(b"????")  # a disk that forgets
    rill.salvage("py.copy", "py.saved", say)
    print(f"saved: {orders('file:py.saved')} orders")


def may_come(url):
    try:
        rill.Bus(url).close()
    except rill.AuthFailed:
        return False
    return True


def users():
    sensor = {"user": "sensor", "password": "s3nse", "publish_allow": ["home.>"],
              "subscribe_deny": [">"]}
    display = {"user": "display", "password": "l00k", "publish_allow": ["ask"],
               "subscribe_allow": ["home.>", "_INBOX.>"], "subscribe_deny": ["home.private.>"]}
    helper = {"user": "helper", "password": "h3lp", "subscribe_allow": ["ask"],
              "allow_responses": True}
    with rill.Broker(users=[sensor, display, helper]) as broker:
        at = f"127.0.0.1:{broker.listen('nats://127.0.0.1:0')}"
        if not may_come(f"nats://sensor:guess@{at}"):
            print("a stranger: refused")
        with rill.Bus(f"nats://sensor:s3nse@{at}") as tells, \
                rill.Bus(f"nats://display:l00k@{at}") as shows, \
                rill.Bus(f"nats://helper:h3lp@{at}") as helps:
            readings = shows.subscribe("home.>")
            helps.subscribe("ask", lambda m: m.reply("warm"))
            for bus in tells, shows, helps:
                bus.flush(50)
            tells.publish("home.private.diary", "dear diary")
            tells.publish("home.kitchen", "21 degrees")
            read = readings.next(50).data.decode()
            told = shows.request("ask", timeout=50).data.decode()
            print(f"display: {read}, and that is {told}")


def own_login():
    tickets = {"ada": "t-17", "bob": "t-23"}

    def on_login(login):
        if login.user in tickets and login.password == tickets[login.user]:
            login.answer({"user": login.user, "subscribe_allow": [f"{login.user}.>"]})
        else:
            login.answer(None, "he has no ticket")

    with rill.Broker(on_login=on_login) as broker:
        at = f"127.0.0.1:{broker.listen('nats://127.0.0.1:0')}"
        if not may_come(f"nats://mallory:t-99@{at}"):
            print("mallory: refused")
        with rill.Bus(f"nats://ada:t-17@{at}") as ada, rill.Bus(f"nats://bob:t-23@{at}") as bob:
            sub = bob.subscribe("bob.>")
            bob.flush(50)
            ada.publish("bob.mail", "hello from ada")
            print("bob hears:", sub.next(50).data.decode())


def bounded_bus():
    limits = {"user": "plug-in", "subscribe_allow": ["orders.>", "_INBOX.>"],
              "publish_allow": ["orders.>", "$JS.API.CONSUMER.*.orders.>",
                                "$JS.API.CONSUMER.MSG.NEXT.orders.*", "$JS.ACK.orders.>"]}
    with rill.Broker() as broker, broker.bus() as own:
        own.stream_ensure("orders", subjects="orders.>")
        with broker.bus(identity=limits) as bus:
            bus.append("orders.new", "a book")
            with bus.consume("orders", group="plug-in") as sub:
                m = sub.next(50)
                print("plug-in: stored order", m.seq)
                m.ack()
            for refused in (lambda: bus.publish("salaries.ada", "more"),
                            lambda: bus.stream_delete("orders")):
                try:
                    refused()
                except rill.AuthFailed as e:
                    print(e.sentence)


EXAMPLES = {f.__name__: f for f in (
    hello, request_reply, worker_queue, own_loop, queue, replay, kv_watch, batch, dead_letters,
    anywhere, object_copy, embedded_broker, own_wire, backup, users, own_login, bounded_bus)}

if len(sys.argv) != 2 or sys.argv[1] not in EXAMPLES:
    sys.exit("usage: examples.py NAME")
EXAMPLES[sys.argv[1]]()
