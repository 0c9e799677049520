/* SPDX-License-Identifier: Apache-2.0
 *
 * What rill.hpp does with handles that are moved, closed or used within their own callbacks, with
 * callbacks that throw, and with options that contradict each other; a row a case. */
#include <mutex>
#include <optional>

#include "rows.hpp"

static void moved_and_closed_handles()
{
    rill::bus first("mem:"), bus = std::move(first);
    IS(thrown([&] { first.publish("a", ""); }) == RILL_ECLOSED && !first);
    IS(thrown([&] { first.subscribe("a"); }) == RILL_ECLOSED);
    IS(thrown([&] { first.kv_open("a"); }) == RILL_ECLOSED);
    IS(thrown([&] { first.poll(); }) == RILL_ECLOSED && first.caps() == 0 && !first.caught());
    std::error_code ec;
    first.append("a", "", nullptr, 0, ec);
    IS(ec == errc::closed);
    first.close(0, ec);
    rill::sub one = bus.subscribe("a"), two = std::move(one);
    IS(thrown([&] { one.next(0); }) == RILL_ECLOSED && thrown([&] { one.read(); }) == RILL_ECLOSED);
    IS(thrown([&] { one.each(); }) == RILL_ECLOSED && thrown([&] { one.fd(); }) == RILL_ECLOSED);
    two.close(), two.close();
    IS(thrown([&] { two.stop(); }) == RILL_ECLOSED);
    IS(thrown([&] { two.status(); }) == RILL_ECLOSED);
    rill::kv kv;
    IS(thrown([&] { kv.put("a", ""); }) == RILL_ECLOSED && thrown([&] { kv.watch(); }) != 0);
    rill::objects objs;
    IS(thrown([&] { objs.put("a", ""); }) == RILL_ECLOSED && thrown([&] { objs.get("a"); }) != 0);
    rill::message m;
    IS(thrown([&] { m.data(); }) == RILL_EINVAL && thrown([&] { m.ack(); }) == RILL_EINVAL);
    bus.close(), bus.close();
    IS(thrown([&] { bus.flush(); }) == RILL_ECLOSED);
}

static void loans_that_are_over()
{
    rill::bus bus("mem:");
    rill::sub sub = bus.subscribe("a");
    bus.publish("a", "1"), bus.publish("a", "2");
    auto lent = sub.next(1s);
    rill::message kept = lent->keep(), more = kept.keep();
    auto next = sub.next(1s);
    IS(!*lent && *next && thrown([&] { lent->data(); }) == RILL_EINVAL);
    sub.close();
    IS(thrown([&] { next->keep(); }) == RILL_EINVAL);
    bus.close();
    IS(kept.data() == "1" && more.data() == "1");
    IS(thrown([] { rill::loan().data(); }) == RILL_EINVAL);
    rill::loan called;
    rill::opts<rill_opts> o;
    o.drive = RILL_DRIVE_HOST;
    rill::bus other("mem:", o);
    rill::sub calls = other.subscribe("a", {}, [&](rill::loan m) { called = m, IS(bool(called)); });
    other.publish("a", "");
    other.poll();
    IS(!called && thrown([&] { called.subject(); }) == RILL_EINVAL);
}

static void ends_in_any_order()
{
    std::optional<rill::sub> sub;
    std::optional<rill::kv> kv;
    std::optional<rill::batch> batch;
    rill::message kept;
    {
        rill::bus bus("mem:");
        sub = bus.subscribe("a", {}, [](rill::loan) {});
        kv = bus.kv_open("k");
        batch = bus.batch_begin();
        kv->put("a", "value");
        kept = std::move(*kv->get("a"));
    }
    IS(thrown([&] { kv->put("a", ""); }) == RILL_ECLOSED);
    IS(thrown([&] { batch->add("a", ""); }) == RILL_ECLOSED);
    IS(kept.data() == "value");
    std::optional<rill::bus> left;
    {
        rill::broker broker;
        left = broker.bus();
    }
    IS(thrown([&] { left->publish("a", ""); }) == RILL_ECLOSED);
}

static void callbacks_that_throw()
{
    rill::opts<rill_opts> o;
    o.drive = RILL_DRIVE_HOST;
    rill::bus bus("mem:", o);
    int calls = 0;
    rill::sub sub = bus.subscribe("a", {}, [&](rill::loan) {
        throw std::out_of_range(std::to_string(++calls));
    });
    bus.publish("a", ""), bus.publish("a", "");
    try {
        bus.poll(1s);
        IS(false);
    } catch (const std::out_of_range &e) {
        IS(std::string(e.what()) == "1");
    }
    std::error_code ec;
    while (calls < 2) bus.poll(1s, ec);
    bus.publish("a", "");
    while (calls < 3) bus.poll(1s, ec);
    bus.poll(0, ec);
    IS(ec == errc::thrown && bus.caught() && !bus.caught());
    bus.stream_ensure("JOBS");
    bus.append("JOBS", "job");
    rill::opts<rill_sub_opts> own;
    own.ack = RILL_ACK_AUTO;
    std::uint32_t deliveries = 0;
    rill::sub jobs = bus.consume("JOBS", own, [&](rill::loan m) {
        deliveries = m.deliveries();
        if (deliveries == 1) throw 7; /* so it comes again */
    });
    while (deliveries < 2) bus.poll(1s, ec);
    IS(bus.caught() != nullptr);
    try { /* what a listing's function throws ends it, and comes through */
        bus.stream_each([](std::string_view) { throw std::length_error("x"); }, ec);
        IS(false);
    } catch (const std::length_error &) {
    }
    std::promise<void> over;
    rill::bus threaded("mem:");
    rill::sub bad = threaded.subscribe("a", {}, [&](rill::loan) { over.set_value(), throw 8; });
    threaded.publish("a", "");
    over.get_future().wait();
    int caught = 0;
    try {
        bad.close();
        threaded.close();
    } catch (int eight) {
        caught = eight;
    }
    IS(caught == 8 && !threaded);
}

static void closes_within_callbacks()
{
    rill::opts<rill_opts> o;
    o.drive = RILL_DRIVE_HOST;
    rill::bus bus("mem:", o);
    int calls = 0, code = 0;
    auto token = std::make_shared<int>(0);
    std::weak_ptr<int> alive = token;
    rill::sub sub;
    sub = bus.subscribe("a", {}, [&, token = std::move(token)](rill::loan m) {
        calls++;
        code = thrown([&] { bus.close(); });
        sub.close();
        IS(m.data() == "x" && !alive.expired());
    });
    bus.publish("a", "x"), bus.publish("a", "y");
    bus.poll(1s), bus.poll(0);
    IS(calls == 1 && code == RILL_EDEADLK && bus && !sub && alive.expired());
    std::promise<void> over;
    rill::bus threaded("mem:");
    std::mutex made;
    rill::sub own;
    {
        std::lock_guard<std::mutex> hold(made);
        own = threaded.subscribe("a", {}, [&](rill::loan) {
            std::lock_guard<std::mutex> wait(made);
            own.close();
            over.set_value();
        });
    }
    threaded.publish("a", "");
    over.get_future().wait();
}

static void options_given_twice()
{
    rill::bus bus("mem:");
    rill::opts<rill_sub_opts> o;
    o.on_msg = [](rill_sub *, const rill_msg *, void *) {};
    IS(thrown([&] { bus.subscribe("a", o, [](rill::loan) {}); }) == RILL_EINVAL);
    rill::opts<rill_opts> open;
    open.on_event = [](rill_bus *, const rill_event *, void *) {};
    rill::hooks hooks;
    hooks.on_event = [](const rill_event &) {};
    IS(thrown([&] { rill::bus("mem:", open, hooks); }) == RILL_EINVAL);
    /* A struct that was not given its size is refused, and not taken for one without options. */
    rill_sub_opts lost_sub{};
    rill_opts lost_bus{};
    lost_sub.group = "g", lost_bus.drive = RILL_DRIVE_HOST;
    IS(thrown([&] { bus.subscribe("a", lost_sub); }) == RILL_EINVAL);
    IS(thrown([&] { bus.subscribe("a", lost_sub, [](rill::loan) {}); }) == RILL_EINVAL);
    IS(thrown([&] { rill::bus("mem:", lost_bus, hooks); }) == RILL_EINVAL);
}

/* A callback that still runs when close() has given up keeps what it stands on. */
static void close_that_gives_up()
{
    std::promise<void> begun, go;
    auto token = std::make_shared<int>(0);
    std::weak_ptr<int> alive = token;
    std::error_code ec;
    rill::hooks hooks;
    hooks.on_event = [token = std::move(token)](const rill_event &) {};
    {
        rill::bus bus("mem:", {}, hooks);
        hooks.on_event = nullptr;
        rill::sub sub = bus.subscribe("a", {}, [&](rill::loan) {
            begun.set_value();
            go.get_future().wait();
        });
        bus.publish("a", "");
        begun.get_future().wait();
        bus.close(1ms, ec);
        IS(ec == errc::timed_out && !bus);
        go.set_value();
    }
    for (int i = 0; i < 2000 && !alive.expired(); i++) std::this_thread::sleep_for(5ms);
    IS(alive.expired());
}

/* Objects and requests by the hundred: for who counts what is left. */
static void many()
{
    rill::bus bus("mem:");
    rill::sub sub = bus.subscribe("a");
    for (int i = 0; i < 20000; i++) {
        bus.publish("a", "12345678");
        auto m = sub.next(1s);
        if (i % 10 == 0) m->keep();
    }
    for (int i = 0; i < 200; i++) bus.subscribe("b", {}, [](rill::loan) {}).close();
}

static const row rows[] = {
    ROW(moved_and_closed_handles), ROW(loans_that_are_over), ROW(ends_in_any_order),
    ROW(callbacks_that_throw), ROW(closes_within_callbacks), ROW(options_given_twice),
    ROW(close_that_gives_up), ROW(many),
};

int main(int argc, char **argv) { return run_rows(rows, argc, argv); }
