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
    auto lent = sub.next(30s);
    rill::message kept = lent->keep(), more = kept.keep();
    auto next = sub.next(30s);
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

static long resident_pages()
{
    long size = 0, pages = 0;
    std::FILE *f = std::fopen("/proc/self/statm", "r");
    IS(f && std::fscanf(f, "%ld %ld", &size, &pages) == 2);
    std::fclose(f);
    return pages;
}

/* By reads, by a callback, with headers and kept ones: the process does not grow. */
static void a_million_messages_leave_nothing()
{
    rill::bus bus("mem:");
    rill::sub sub = bus.subscribe("a");
    std::atomic<int> heard{0};
    rill::opts<rill_sub_opts> here;
    here.on_publisher = true;
    rill::sub hears = bus.subscribe("a", here, [&heard](rill::loan) { heard++; });
    rill::post post({{"A", "b"}});
    std::vector<rill::message> kept;
    auto work = [&](int n) {
        for (int i = 0; i < n; i += 100) {
            for (int j = 0; j < 100; j++) bus.publish("a", "12345678", j % 10 ? nullptr : &post);
            for (rill::loan m : sub.read(50, 30s)) kept.push_back(m.keep());
            for (int j = 0; j < 50; j++) IS(sub.next(30s)->data() == "12345678");
            if (kept.size() == 500) kept.clear();
        }
        for (int i = 0; i < n / 1000; i++) bus.subscribe("b", {}, [](rill::loan) {}).close();
    };
    work(50000);
    long before = resident_pages();
    work(1000000);
    IS(heard == 1050000);
#ifndef __SANITIZE_ADDRESS__ /* which keeps what was freed */
    IS((resident_pages() - before) * sysconf(_SC_PAGESIZE) < 32 << 20);
#else
    (void)before;
#endif
}

/* What is no text for C is refused before C sees it, and what is none at all by C. */
static void texts_that_are_none()
{
    using namespace std::string_view_literals;
    rill::bus bus("mem:");
    std::error_code ec;
    IS(thrown([&] { bus.publish("a\0b"sv, ""); }) == RILL_EINVAL);
    IS(thrown([&] { bus.publish(std::string("a\0b"sv), "", {}, ec); }) == RILL_EINVAL);
    IS(thrown([&] { bus.publish(nullptr, ""); }) == RILL_EINVAL);
    IS(thrown([&] { bus.publish(""sv, ""); }) == RILL_EINVAL);
    IS(thrown([&] { bus.publish(std::string(2000, 'a'), ""); }) == RILL_EINVAL);
    IS(thrown([&] { rill::bus(nullptr); }) == RILL_EINVAL);
    bus.publish(std::string(200, 'a'), nullptr, nullptr, ec); /* one that is copied to the heap */
    IS(!ec);
}

/* The compiler's to refuse. */
template <class... A>
static constexpr bool publishes = std::is_invocable_v<void (*)(rill::text, rill::bytes), A...>;
static void wrong_types()
{
    static_assert(publishes<const char *, const char *>);
    static_assert(publishes<std::string_view, std::vector<unsigned char>>);
    static_assert(publishes<std::string, std::array<std::byte, 4>>);
    static_assert(!publishes<int, const char *> && !publishes<const char *, int>);
    static_assert(!publishes<const char *, std::vector<int>> && !publishes<const char *, double>);
    static_assert(!publishes<const char *, std::vector<std::string>>);
    static_assert(!std::is_copy_constructible_v<rill::bus> && !std::is_copy_assignable_v<rill::sub>);
    static_assert(!std::is_copy_constructible_v<rill::batch>);
    static_assert(!std::is_copy_constructible_v<rill::message>);
    static_assert(!std::is_constructible_v<rill::wait, const char *>);
    static_assert(!std::is_convertible_v<rill::loan, rill::message>);
    static_assert(!std::is_constructible_v<rill::in<rill_post>, rill_sub_opts>);
    /* An enumeration is a number, of which C knows the range. */
    rill::bus bus("mem:");
    rill::opts<rill_sub_opts> o;
    o.when_full = 99;
    IS(thrown([&] { bus.subscribe("a", o); }) == RILL_EINVAL);
}

static void numbers_out_of_range()
{
    IS(rill::wait(std::chrono::hours::max()).ms == INT_MAX && rill::wait(1ns).ms == 1);
    IS(rill::wait(-1h).ms == 0 && rill::wait(1500us).ms == 2);
    IS(rill::wait(std::chrono::duration<double>(1e300)).ms == INT_MAX);
    rill::bus bus("mem:");
    rill::sub sub = bus.subscribe("a");
    IS(thrown([&] { sub.read(0, 0); }) == RILL_EINVAL);
    bus.publish("a", "1");
    IS(sub.read(SIZE_MAX, 30s).size() == 1);
    IS(thrown([&] { bus.publish("a", {"", SIZE_MAX}); }) == RILL_ETOOBIG);
    IS(thrown([&] { bus.publish("a", std::string(2 << 20, 'x')); }) == RILL_ETOOBIG);
    rill::loans none;
    IS(thrown([&] { none[0]; }) == RILL_EINVAL);
}

/* What is open belongs to the parent; a child opens its own. */
static void a_forked_child()
{
    rill::bus bus("mem:");
    rill::sub sub = bus.subscribe("a");
    bus.publish("a", "1");
    rill::message kept = sub.next(30s)->keep();
    pid_t child = fork();
    if (child == 0) {
        IS(thrown([&] { bus.publish("a", "2"); }) == RILL_ECLOSED);
        IS(thrown([&] { sub.next(30s); }) == RILL_ECLOSED && kept.data() == "1");
        sub.close();
        IS(thrown([&] { bus.close(); }) == RILL_ECLOSED);
#ifndef __SANITIZE_THREAD__ /* which wants no threads behind a fork */
        rill::bus own("mem:");
        rill::sub mine = own.subscribe("a");
        own.publish("a", "3");
        IS(mine.next(30s)->data() == "3");
        mine.close(), own.close();
#endif
        execl("/bin/true", "true", static_cast<char *>(nullptr)); /* what the parent has is no leak */
        _exit(1);
    }
    int status = -1;
    IS(waitpid(child, &status, 0) == child && status == 0);
    bus.publish("a", "4");
    IS(sub.next(30s)->data() == "4");
}

/* Handles of a program that just ends, in variables that the end destroys and in some that it does
 * not, with callbacks that may run. */
[[noreturn]] static void leave_all_open()
{
    static rill::bus bus("mem:"), *never = new rill::bus("mem:");
    static rill::sub heard = bus.subscribe("a", {}, [](rill::loan) {});
    static rill::sub lost = never->subscribe("a", {}, [](rill::loan) {});
    rill::opts<rill_broker_opts> jetstream;
    jetstream.jetstream = true;
    static rill::broker broker(jetstream);
    static rill::bus client("nats://127.0.0.1:" + std::to_string(broker.listen("nats://127.0.0.1:0")));
    rill::opts<rill_stream_opts> memory;
    rill::opts<rill_bucket_opts> bucket;
    memory.in_memory = bucket.in_memory = true;
    client.stream_ensure("S", memory);
    static rill::batch batch = client.batch_begin();
    static rill::kv kv = client.kv_open("k", bucket);
    static rill::sub watch = kv.watch();
    batch.add("S", "1");
    for (int i = 0; i < 1000; i++) bus.publish("a", "x"), never->publish("a", "x");
    static rill::message kept = [] {
        rill::sub sub = bus.subscribe("b");
        bus.publish("b", "kept");
        return sub.next(30s)->keep();
    }();
    std::exit(7);
}

static void exit_with_all_open()
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    IS(n > 0);
    self[n] = 0;
    pid_t child = fork();
    if (child == 0) {
        execl(self, self, "leave_all_open", static_cast<char *>(nullptr));
        _exit(1);
    }
    int status = -1;
    IS(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

/* Whoever waits within a bus that is closed has an error, and no other end. */
static void closed_under_its_callers()
{
    rill::bus bus("mem:");
    std::vector<rill::sub> subs;
    std::vector<std::thread> threads;
    std::atomic<int> ends{0};
    for (int i = 0; i < 4; i++) subs.push_back(bus.subscribe("a"));
    for (int i = 0; i < 4; i++) {
        threads.emplace_back([&ends, i, &sub = subs[i]] {
            if (i % 2) ends += thrown([&] { sub.next(); }) == RILL_ECLOSED;
            else ends += thrown([&] { sub.read(10); }) == RILL_ECLOSED;
        });
    }
    bus.close(30s);
    for (std::thread &t : threads) t.join();
    IS(ends == 4);
}

/* A call that is taken back ends once, by errc::canceled; once is enough. */
static void canceled_in_the_middle()
{
    rill::bus bus("mem:");
    rill::sub mute = bus.subscribe("mute");
    for (int i = 0; i < 50; i++) {
        rill::opts<rill_call> asks;
        asks.verb = RILL_DO_REQUEST;
        asks.name = "mute";
        asks.timeout_ms = -1;
        std::promise<int> end;
        const void *asked = bus.start(asks, [&](const rill_item &it) { end.set_value(it.err); });
        std::thread other([&] { bus.cancel(asked); });
        IS(end.get_future().get() == RILL_ECANCELED);
        other.join();
    }
    IS(mute.read(100, 0).size() == 50);
}

static const row rows[] = {
    ROW(moved_and_closed_handles), ROW(loans_that_are_over), ROW(ends_in_any_order),
    ROW(callbacks_that_throw), ROW(closes_within_callbacks), ROW(options_given_twice),
    ROW(close_that_gives_up), ROW(a_million_messages_leave_nothing), ROW(texts_that_are_none),
    ROW(wrong_types),
    ROW(numbers_out_of_range), ROW(a_forked_child), ROW(exit_with_all_open),
    ROW(closed_under_its_callers), ROW(canceled_in_the_middle),
};

int main(int argc, char **argv)
{
    if (argc == 2 && !std::strcmp(argv[1], "leave_all_open")) leave_all_open();
    return run_rows(rows, argc, argv);
}
