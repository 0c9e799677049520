/* SPDX-License-Identifier: Apache-2.0
 *
 * What rill.hpp promises, a row a feature: each row is a function, and prints "ok NAME". In C++20
 * there are rows more. Without arguments all run; else those that are named. */
#include <mutex>

#include "rows.hpp"

static void publish_subscribe()
{
    rill::bus bus("mem:");
    rill::sub sub = bus.subscribe("greet.*");
    bus.publish("greet.world", "hello");
    auto m = sub.next(30s);
    IS(m && m->subject() == "greet.world" && m->data() == "hello" && m->reply_to().empty());
    IS(!sub.next(0));
    IS(bus.caps() & RILL_CAN_KV);
    IS(bus.stats().in_msgs == 1 && sub.status().delivered_msgs == 1);
}

static void views_and_bytes()
{
    rill::bus bus("mem:");
    rill::sub sub = bus.subscribe("b");
    std::string_view name = std::string_view("b.and more").substr(0, 1);
    const std::vector<unsigned char> raw = {0, 1, 255};
    const std::array<std::byte, 2> few = {std::byte{7}, std::byte{0}};
    bus.publish(name, raw);
    bus.publish(std::string("b"), few);
    bus.publish("b", {});
    auto m = sub.next(30s);
    IS(m->bytes().size() == 3 && m->bytes().data()[2] == std::byte{255});
    m = sub.next(30s);
    IS(m->data() == std::string_view("\7\0", 2));
    m = sub.next(30s);
    IS(m->data().empty());
    IS(thrown([&] { bus.publish(std::string_view("b\0c", 3), ""); }) == RILL_EINVAL);
    std::string far(2000, 'x');
    IS(thrown([&] { bus.publish(std::string_view(far), ""); }) == RILL_EINVAL);
    IS(rill::wait(1ns).ms == 1 && rill::wait(-5s).ms == 0 && rill::wait(24h * 365).ms == INT_MAX);
}

static void publish_many()
{
    rill::bus bus("mem:");
    rill::sub sub = bus.subscribe("a");
    const std::string large(2 << 20, 'x');
    const rill_str rows[] = {{"one", 3}, {"", 0}, {"two", 3}, {large.data(), large.size()}};
    IS(bus.publish_many("a", rows, 0) == 0 && bus.publish_many("a", rows, 4) == 3);
    for (const char *want : {"one", "", "two"}) IS(sub.next(30s)->data() == want);
    std::error_code ec;
    IS(thrown([&] { bus.publish_many("a", rows + 3, 1); }) == RILL_ETOOBIG);
    IS(bus.publish_many("a b", rows, 3, ec) == 0 && ec == errc::invalid);
    IS(!sub.next(0));
    bus.close();
    IS(thrown([&] { bus.publish_many("a", rows, 3); }) == RILL_ECLOSED);
}

static void error_forms()
{
    rill::bus bus("mem:");
    std::error_code ec;
    bus.request("nobody", "", nullptr, 30s, ec);
    IS(ec == errc::no_reply && ec.category() == rill::category() && *rill::why());
    bus.publish("a", "b", nullptr, ec);
    IS(!ec);
    try {
        bus.publish("a b", "");
        IS(false);
    } catch (const std::system_error &e) {
        IS(e.code() == errc::invalid && e.code() == std::errc::invalid_argument);
        IS(std::string(e.what()) == rill::why());
    }
    rill::bus none("nowhere:", {}, ec);
    IS(ec == errc::invalid && !none);
    IS(thrown([] { rill::bus("nowhere:"); }) == RILL_EINVAL);
    rill::opts<rill_stream_opts> two;
    two.replicas = 3;
    IS(thrown([&] { bus.stream_ensure("S", two); }) == RILL_ENOTSUP);
    rill::sub sub = bus.subscribe("s");
    IS(!sub.next(0, ec) && ec == errc::again && ec == std::errc::resource_unavailable_try_again);
    IS(!sub.next(1ms, ec) && ec == errc::timed_out);
}

static void requests_and_services()
{
    rill::bus bus("mem:");
    rill::sub service = bus.subscribe("echo", {}, [](rill::loan m) {
        m.reply("you said " + std::string(m.data()), rill::post{{"From", m.subject()}});
    });
    rill::message reply = bus.request("echo", "ping", {}, 30s);
    IS(reply.data() == "you said ping" && reply.header("From") == "echo" && !reply.header("from"));
    IS(reply.header_count() == 1 && reply.header_at(0).first == "From");
    std::promise<std::string> told;
    bus.request_async("echo", "pong", {}, 30s, [&](std::error_code ec, rill::loan m) {
        told.set_value(ec ? ec.message() : std::string(m.data()));
    });
    IS(told.get_future().get() == "you said pong");
    std::string inbox = bus.inbox();
    rill::sub answers = bus.subscribe(inbox);
    rill::post asks;
    asks.reply = inbox.c_str();
    bus.publish("echo", "many", asks);
    IS(answers.next(30s)->data() == "you said many");
}

static void services_share_work()
{
    rill::bus bus("mem:");
    rill::opts<rill_sub_opts> shared;
    shared.group = "workers";
    std::atomic<int> a{0}, b{0};
    rill::sub one = bus.subscribe("work", shared, [&](rill::loan m) { a++, m.reply("a"); });
    rill::sub other = bus.subscribe("work", shared, [&](rill::loan m) { b++, m.reply("b"); });
    for (int i = 0; i < 200; i++) bus.request("work", "", {}, 30s);
    IS(a + b == 200 && a > 0 && b > 0);
    IS(thrown([&] { bus.request("nobody", "", {}, 30s); }) == RILL_ENOREPLY);
}

static void headers()
{
    rill::bus bus("mem:");
    rill::sub sub = bus.subscribe("h");
    bus.publish("h", "", rill::post{{"A", "1"}, {"A", "2"}, {"B", ""}});
    auto m = sub.next(30s);
    IS(m->header_count() == 3 && m->header_at(1).second == "2");
    IS(m->header("A") == "1" && m->header("B") == "" && !m->header("C"));
    rill::post bad{{"A", "x\r\ny"}};
    IS(thrown([&] { bus.publish("h", "", bad); }) == RILL_EINVAL);
}

static void calls_that_do_not_wait()
{
    rill::bus bus("mem:");
    rill::opts<rill_call> make, put;
    make.verb = RILL_DO_KV_OPEN;
    make.name = "colours";
    std::promise<rill_kv *> made;
    IS(bus.start(make, [&](const rill_item &it) { made.set_value(it.kv); }) != nullptr);
    rill_kv *kv = made.get_future().get();
    put.verb = RILL_DO_KV_PUT;
    put.kv = kv;
    put.name = "red";
    put.data = "1";
    put.len = 1;
    std::promise<std::uint64_t> revision;
    bus.start(put, [&](const rill_item &it) { revision.set_value(it.err ? 0 : it.count); });
    IS(revision.get_future().get() == 1);
    rill_kv_close(kv);
    rill::opts<rill_call> asks;
    asks.verb = RILL_DO_REQUEST;
    asks.name = "somebody";
    asks.timeout_ms = -1;
    rill::sub mute = bus.subscribe("somebody");
    std::promise<int> ended;
    const void *asked = bus.start(asks, [&](const rill_item &it) { ended.set_value(it.err); });
    IS(bus.cancel(asked) == 1);
    IS(errc(ended.get_future().get()) == errc::canceled);
    std::error_code ec;
    rill::opts<rill_call> nothing;
    IS(!bus.start(nothing, [](const rill_item &) {}, ec) && ec == errc::invalid);
}

static void all_in_one_call()
{
    rill::opts<rill_opts> o;
    o.reap = true;
    rill::bus bus("mem:", o);
    int tag = 0;
    rill::reaped kept;
    IS(kept.empty() && kept.bytes() == 0);
    {
        rill::sub sub = bus.subscribe("a");
        for (int i = 0; i < 10; i++) bus.publish("a", std::to_string(i));
        rill::opts<rill_call> call;
        call.verb = RILL_DO_FLUSH;
        bus.start(call, &tag);
        int msgs = 0, done = 0;
        while (msgs < 10 || done < 1) {
            rill::reaped got = bus.reap(4096, 30s);
            for (const rill_item *it : got) {
                if (it->kind == RILL_ITEM_MSG) IS(it->msg->data.ptr[0] == '0' + msgs++);
                if (it->kind == RILL_ITEM_DONE) done += it->arg == &tag && it->err == RILL_OK;
            }
            kept = std::move(got);
        }
    }
    std::error_code ec;
    IS(bus.reap(1, 0ms, ec).empty() && ec);
    IS(!kept.empty() && thrown([&] { kept[kept.size()]; }) == RILL_EINVAL);
}

/* What a callback has thrown takes no items with it: they come first, or afterwards. */
static void reap_beside_a_throw()
{
    rill::opts<rill_opts> o;
    o.reap = true;
    o.drive = RILL_DRIVE_HOST;
    rill::bus bus("mem:", o);
    rill::sub sub = bus.subscribe("a");
    rill::opts<rill_call> call;
    call.verb = RILL_DO_FLUSH;
    int msgs = 0, throws = 0;
    for (int round = 0; round < 3; round++) {
        bus.start(call, [](const rill_item &) { throw 9; });
        bus.publish("a", "");
    }
    std::error_code ec;
    msgs += static_cast<int>(bus.reap(1, 30s, ec).size());
    while (msgs < 3 || !throws) try {
        msgs += static_cast<int>(bus.reap(1, 30s).size());
    } catch (int nine) {
        throws += nine == 9;
    }
    IS(msgs == 3 && throws == 1 && !bus.caught());
}

static void streams()
{
    rill::bus bus("mem:");
    rill::opts<rill_stream_opts> o;
    o.subjects = "orders.*";
    IS(bus.stream_ensure("ORDERS", o) && !bus.stream_ensure("ORDERS", o));
    IS(bus.append("orders.a", "1").seq == 1);
    std::promise<std::uint64_t> told;
    bus.append_async("orders.b", "2", {}, [&](std::error_code ec, const rill::receipt &r) {
        told.set_value(ec ? 0 : r.seq);
    });
    IS(told.get_future().get() == 2);
    rill::sub tail = bus.tail("ORDERS");
    auto m = tail.next(30s);
    IS(m->seq() == 1 && m->stream() == "ORDERS" && m->time().time_since_epoch().count() > 0);
    rill::opts<rill_at> at;
    at.from = RILL_FROM_SEQ;
    at.seq = 2;
    IS(bus.stream_get("ORDERS", at).data() == "2");
    tail.seek(at);
    IS(tail.next(30s)->seq() == 2);
    IS(bus.streams() == std::vector<std::string>{"ORDERS"});
    std::string subjects;
    bus.stream_describe("ORDERS", [&](const rill_stream_desc &d) { subjects = d.opts->subjects; });
    IS(subjects == "orders.*" && bus.stream_status("ORDERS").msgs == 2);
    bus.stream_erase("ORDERS", at);
    IS(bus.stream_purge("ORDERS") == 1);
    bus.stream_delete("ORDERS");
    IS(thrown([&] { bus.stream_status("ORDERS"); }) == RILL_ENOENT);
}

static void consumers_and_groups()
{
    rill::bus bus("mem:");
    bus.stream_ensure("JOBS");
    for (const char *job : {"a", "b", "c"}) bus.append("JOBS", job);
    rill::opts<rill_sub_opts> o;
    o.group = "w";
    bus.group_ensure("JOBS", "w", o);
    rill::sub jobs = bus.consume("JOBS", o);
    auto m = jobs.next(30s);
    m->working();
    m->nak();
    m = jobs.next(30s);
    while (m->data() != "a") m->ack(), m = jobs.next(30s);
    IS(m->deliveries() == 2);
    m->term();
    std::error_code ec;
    m->ack(ec);
    IS(ec == errc::not_found);
    IS(bus.groups("JOBS") == std::vector<std::string>{"w"});
    bus.group_pause("JOBS", "w", std::chrono::system_clock::now() + 1h);
    IS(bus.group_status("JOBS", "w").paused_until_ns > 0);
    bus.group_pause("JOBS", "w", rill::time_point());
    rill::opts<rill_at> first;
    bus.group_seek("JOBS", "w", first);
    IS(jobs.next(30s)->data() == "a");
    bus.group_delete("JOBS", "w");
    IS(bus.groups("JOBS").empty());
}

static void ranges()
{
    rill::bus bus("mem:");
    rill::sub sub = bus.subscribe("r");
    for (int i = 0; i < 5; i++) bus.publish("r", std::to_string(i));
    std::string got;
    for (rill::loan m : sub.read(2)) got += m.data();
    IS(got == "01");
    sub.stop();
    for (const rill::loan &m : sub) got += m.data(); /* until errc::closed */
    IS(got == "01234");
    rill::sub quiet = bus.subscribe("q");
    for (const rill::loan &m : quiet.each(1ms)) got += m.data();
    IS(got.size() == 5 && quiet.read(10, 0).empty());
    bus.publish("q", "x");
    rill::loans one = quiet.read();
    IS(one.size() == 1 && one[0].data() == "x");
    IS(thrown([&] { one[1]; }) == RILL_EINVAL);
    quiet.read(1, 0);
    IS(thrown([&] { one.begin(); }) == RILL_EINVAL);
}

static void batches()
{
    rill::bus bus("mem:");
    bus.stream_ensure("A");
    rill::batch all = bus.batch_begin();
    all.add("A", "1");
    all.add("A", "2");
    IS(all.commit(30s).seq == 2 && all.commit(30s).seq == 2);
    rill::batch none = bus.batch_begin();
    none.add("A", "3");
    none.close();
    IS(bus.stream_status("A").msgs == 2);
    IS(thrown([&] { none.add("A", "4"); }) == RILL_ECLOSED);
}

static void key_value()
{
    rill::bus bus("mem:");
    rill::kv kv = bus.kv_open("config");
    IS(kv.put("color", "blue") == 1 && kv.create("size", "7") == 2);
    IS(thrown([&] { kv.create("size", "8"); }) == RILL_EEXIST);
    IS(kv.get("color")->data() == "blue" && kv.get("color")->seq() == 1);
    std::error_code ec;
    IS(!kv.get("weight") && !kv.get("weight", ec) && ec == errc::not_found);
    rill::opts<rill_kv_opts> still;
    std::uint64_t seen = 1;
    still.expect = &seen;
    IS(thrown([&] { kv.put("size", "9", still); }) == RILL_ECONFLICT);
    std::vector<std::string> keys = kv.keys();
    std::sort(keys.begin(), keys.end());
    IS(keys == (std::vector<std::string>{"color", "size"}) && kv.keys("col*").empty());
    int n = 0;
    kv.each([&](std::string_view) { return ++n < 1; });
    IS(n == 1);
    rill::sub watch = kv.watch();
    IS(watch.next(30s)->key() == "color");
    IS(watch.next(30s)->caught_up());
    kv.del("color");
    IS(watch.next(30s)->deleted());
    std::string history;
    kv.history("color", [&](rill::loan m) { history += m.deleted() ? "-" : m.data(); });
    IS(history == "-");
    kv.purge("color");
    std::promise<std::string> told;
    rill::opts<rill_sub_opts> news;
    news.from = RILL_FROM_NEW;
    rill::sub called = kv.watch(news, [&](rill::loan m) {
        if (!m.key().empty()) told.set_value(std::string(m.data())); /* else: nothing was there */
    });
    kv.put("size", "10");
    IS(told.get_future().get() == "10");
}

static void objects()
{
    rill::bus bus("mem:");
    rill::objects objs = bus.objs_open("files");
    rill::sub watch = objs.watch();
    IS(!rill::objects::told(*watch.next(30s)));
    std::string large(300000, 'o');
    objs.put("large", large);
    IS(objs.get("large") == large && objs.status("large").bytes == large.size());
    IS(rill::objects::told(*watch.next(30s))->bytes == large.size());
    int left = 3;
    objs.put("small", [&](void *to, std::size_t) {
        return std::memcpy(to, "x", 1), left-- > 0 ? 1 : 0;
    });
    std::size_t size = 0;
    objs.get("small", [&](rill::bytes piece) { size += piece.size(); });
    IS(size == 3 && objs.names().size() == 2 && !objs.get("none"));
    objs.link("same", objs, "small");
    IS(objs.get("same") == "xxx");
    try { /* what a source throws comes through, and nothing is stored */
        objs.put("bad", [](void *, std::size_t) -> int { throw std::out_of_range("source"); });
        IS(false);
    } catch (const std::out_of_range &) {
    }
    IS(!objs.get("bad"));
    objs.del("same");
    objs.seal();
    IS(thrown([&] { objs.put("more", "x"); }) != 0);
}

static void brokers_and_peers()
{
    rill::opts<rill_broker_opts> o;
    o.jetstream = true;
    rill::broker broker(o);
    int port = broker.listen("nats://127.0.0.1:0");
    IS(port > 0 && *broker.about().id);
    std::atomic<int> ups{0};
    {
        rill::hooks hooks;
        hooks.on_event = [&](const rill_event &ev) { ups += ev.kind == RILL_EV_UP; };
        rill::bus far("nats://127.0.0.1:" + std::to_string(port), {}, hooks);
        rill::bus near = broker.bus();
        rill::sub sub = near.subscribe("x.>");
        far.publish("x.y", "over TCP");
        IS(sub.next(30s)->data() == "over TCP");
        rill::sub theirs = far.subscribe("t");
        far.flush(30s);
        int conns = 0;
        broker.conns([&](const rill_conn_info &c) { conns += *c.peer != 0; });
        std::string subject;
        IS(conns == 1 && broker.subs([&](const rill_conn_sub &s) { subject = s.subject; }) == 1);
        IS(subject == "t" && broker.stats().conns == 1);
        rill::message info = near.jetstream_ask("$JS.API.INFO", "", 30s);
        IS(info.data().find("streams") != std::string_view::npos);
        broker.lame_duck(10s, 10s);
        far.close();
    }
    IS(ups == 1);
    broker.reload(o);
    o.on_login = [](const rill_login *shown, void *) {
        rill::login one(shown), login(std::move(one));
        rill::opts<rill_user> as;
        IS(thrown([&] { login.accept(as); }) == RILL_EINVAL); /* he has no name */
        as.user = "ada";
        if (login->user && std::string(login->user) == "ada") login.accept(as);
        else if (login->user) login.refuse("who is that?");
    }; /* and who shows nothing is refused, too */
    rill::broker guarded(o);
    std::string at = "127.0.0.1:" + std::to_string(guarded.listen("nats://127.0.0.1:0"));
    rill::bus("nats://ada:p@" + at).close(30s);
    IS(thrown([&] { rill::bus("nats://eve:p@" + at); }) == RILL_EAUTH);
    IS(thrown([&] { rill::bus("nats://" + at); }) == RILL_EAUTH);
    guarded.close(30s);
    rill::opts<rill_user> limits;
    rill::opts<rill_opts> bounded;
    limits.user = "plug-in";
    const char *rights[] = {"a.>"};
    limits.publish_allow = rights;
    limits.npublish_allow = 1;
    bounded.identity = &limits;
    rill::bus as_plug_in = broker.bus(bounded);
    as_plug_in.publish("a.b", "x");
    IS(thrown([&] { as_plug_in.publish("b", "x"); }) == RILL_EAUTH);
    broker.close(30s);
    IS(thrown([&] { broker.stats(); }) == RILL_ECLOSED);
}

static void forwards()
{
    rill::bus from("mem:"), to("mem:");
    from.stream_ensure("A");
    to.stream_ensure("A");
    from.append("A", "carried");
    rill::opts<rill_forward_opts> o;
    o.name = "edge";
    rill::forward forward(from, "A", to, "A", o);
    rill::sub arrived = to.tail("A");
    IS(arrived.next(30s)->data() == "carried");
    IS(forward.status().failures == 0);
    forward.close();
    IS(thrown([&] { forward.status(); }) == RILL_ECLOSED);
}

/* One end of a socketpair, closed by its destructor. */
struct end {
    std::unique_ptr<int, void (*)(int *)> fd_;
    explicit end(int fd) : fd_(new int(fd), [](int *p) { ::close(*p), delete p; }) {}
    std::int64_t read(void *buf, std::size_t n) { return said(::read(*fd_, buf, n)); }
    std::int64_t write(const void *buf, std::size_t n) { return said(::write(*fd_, buf, n)); }
    int fd() const { return *fd_; }
    static std::int64_t said(ssize_t n)
    {
        return n >= 0 ? n : std::int64_t(errno == EAGAIN ? RILL_EAGAIN : RILL_ECONN);
    }
};

static void own_wires()
{
    rill::broker broker;
    rill::bus here = broker.bus();
    rill::sub sub = here.subscribe("oven");
    rill::hooks hooks;
    hooks.dial = [&](const char *address) {
        IS(std::string_view(address) == "depot:4222");
        int ends[2];
        IS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
        std::error_code ec;
        broker.close(0, ec); /* within a dial(): the broker is still there, to be closed later */
        IS(ec == errc::deadlock && broker);
        broker.accept("nats://other", rill::wire::over(end(ends[1])));
        return rill::wire::over(end(ends[0]));
    };
    rill::bus there("nats://depot", {}, hooks);
    there.publish("oven", "21 degrees");
    IS(sub.next(30s)->data() == "21 degrees");
    there.close();
    int ends[2];
    IS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    ::close(ends[1]);
    rill::wire unused = rill::wire::over(end(ends[0]));
    rill::hooks fails;
    fails.dial = [](const char *) -> rill::wire { throw std::runtime_error("no line"); };
    IS(thrown([&] { rill::bus("nats://depot", {}, fails); }) == RILL_ECONN);
}

static void own_loop()
{
    rill::opts<rill_opts> o;
    o.drive = RILL_DRIVE_HOST;
    rill::bus bus("mem:", o);
    int heard = 0;
    rill::sub sub = bus.subscribe("x", {}, [&](rill::loan) { heard++; });
    bus.publish("x", "");
    IS(bus.fd() >= 0 && bus.wait_ms() == 0 && bus.poll(1s) == 1 && heard == 1);
    std::error_code ec;
    IS(bus.wait_ms(ec) == -1 && !ec);
    rill::sub read = bus.subscribe("y");
    IS(read.fd() >= 0);
    bus.drain(30s);
}

static void every_url()
{
    char dir[] = "/tmp/rill-cpp-XXXXXX";
    IS(mkdtemp(dir) != nullptr);
    std::string at(dir), store = at + "/broker";
    rill::opts<rill_broker_opts> o;
    o.jetstream = true;
    o.dir = store.c_str();
    rill::broker broker(o);
    std::string port = std::to_string(broker.listen("nats://127.0.0.1:0"));
    IS(broker.listen("unix:" + at + "/socket") == 0);
    int n = 0;
    for (const std::string &url : {std::string("mem:"), std::string("mem:cpp"), "file:" + at + "/a",
                                   "nats://127.0.0.1:" + port, "unix:" + at + "/socket"}) {
        rill::bus bus(url);
        std::string name = "S" + std::to_string(n++);
        bus.stream_ensure(name);
        IS(bus.append(name, url).seq == 1);
        rill::opts<rill_sub_opts> group;
        group.group = "g";
        rill::sub sub = bus.consume(name, group);
        auto m = sub.next(30s);
        IS(m->data() == url && m->seq() == 1);
        m->ack();
        bus.flush(30s);
        IS(bus.group_status(name, "g").settled_seq == 1);
    }
    rill::bus one("mem:cpp"), other("mem:cpp");
    rill::sub sub = one.subscribe("a");
    other.publish("a", "seen");
    IS(sub.next(30s)->data() == "seen");
    IS(thrown([] { rill::bus("gopher://here"); }) == RILL_EINVAL);
    IS(std::system(("rm -rf " + at).c_str()) == 0);
}

static void many_threads()
{
    rill::bus bus("mem:");
    rill::opts<rill_sub_opts> shared;
    shared.group = "g";
    shared.pending_msgs = 100000;
    std::atomic<int> heard{0};
    std::vector<rill::sub> subs;
    for (int i = 0; i < 3; i++) subs.push_back(bus.subscribe("t", shared));
    std::vector<std::thread> readers, writers;
    for (rill::sub &sub : subs)
        readers.emplace_back([&] { for (const rill::loan &m : sub) heard += m.data() == "x"; });
    for (int i = 0; i < 2; i++)
        writers.emplace_back([&] { for (int k = 0; k < 5000; k++) bus.publish("t", "x"); });
    for (std::thread &writer : writers) writer.join();
    for (rill::sub &sub : subs) sub.stop(); /* what has come is read to its end */
    for (std::thread &reader : readers) reader.join();
    IS(heard == 10000);
}

static void drain_and_flush()
{
    rill::bus bus("mem:");
    std::atomic<int> heard{0};
    rill::sub sub = bus.subscribe("a", {}, [&](rill::loan) { heard++; });
    for (int i = 0; i < 1000; i++) bus.publish("a", "x");
    bus.flush(30s);
    bus.drain(30s);
    IS(heard == 1000);
}

static void care_of_a_store()
{
    char dir[] = "/tmp/rill-cpp-XXXXXX";
    IS(mkdtemp(dir) != nullptr);
    std::string at(dir);
    {
        rill::bus bus("file:" + at + "/a");
        bus.stream_ensure("S");
        bus.append("S", "kept");
        int reports = 0;
        IS(bus.store_check() == 0 && bus.store_check([&](const rill_care &) { reports++; }) == 0);
        bus.store_snapshot(at + "/b");
    }
    int found = rill::store_salvage(at + "/a", at + "/c", [](const rill_care &) {});
    IS(found == 0 && rill::bus("file:" + at + "/b").stream_status("S").msgs == 1);
    IS(std::system(("rm -rf " + at).c_str()) == 0);
}

#if defined(__cpp_lib_ranges) && defined(__cpp_lib_span)
#include <span>
static void ranges_of_cpp20()
{
    static_assert(std::ranges::input_range<rill::sub::range>);
    static_assert(std::ranges::input_range<rill::loans>);
    static_assert(std::ranges::contiguous_range<rill::bytes>);
    rill::bus bus("mem:");
    rill::sub sub = bus.subscribe("a");
    bus.publish("a", std::span<const char>("xyz", 3));
    auto m = sub.next(30s);
    std::span<const std::byte> data = m->bytes();
    IS(data.size() == 3 && data[2] == std::byte{'z'});
    rill::sub named = bus.subscribe("b", RILL_OPTS(rill_sub_opts, .limit_msgs = 2));
    for (int i = 0; i < 3; i++) bus.publish("b", "");
    IS(std::ranges::distance(named.each()) == 2);
}
#endif

#ifdef RILL_HPP_COROUTINES
struct going { /* a coroutine that nobody waits for; one that throws stays, and is destroyed here */
    struct promise_type {
        going get_return_object()
        {
            return {std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { throw; }
    };
    std::coroutine_handle<promise_type> self;
};

static going talk(rill::bus &bus, std::string &said)
{
    rill::post with{{"A", "b"}};
    rill::receipt r = co_await bus.co_append("S", "stored", with);
    said += std::to_string(r.seq);
    rill::message reply = co_await bus.co_request("echo", "ping", {}, 30s);
    said += reply.data();
    std::error_code ec;
    co_await bus.co_request("nobody", "", {}, 30s, ec);
    said += ec == errc::no_reply ? " nobody" : " somebody";
    try {
        co_await bus.co_append("no stream", "");
    } catch (const rill::error &e) {
        said += e.code() == errc::invalid ? " invalid" : e.what();
    }
    throw std::out_of_range("the end");
}

static going left_alone(rill::bus &bus, int &code)
{
    try {
        co_await bus.co_request("silent", "", {}, rill::forever);
    } catch (const rill::error &e) {
        code = e.code().value();
    }
}

static thread_local bool no_memory;

static going short_of_memory(rill::bus &bus, std::error_code &ec)
{
    co_await bus.co_request("silent", "", {}, rill::forever, ec);
}

/* Where there is no memory for a sentence the code is left. */
static void coroutine_without_memory()
{
    rill::opts<rill_opts> o;
    o.drive = RILL_DRIVE_HOST;
    rill::bus bus("mem:", o);
    rill::sub silent = bus.subscribe("silent");
    std::error_code ec;
    short_of_memory(bus, ec);
    no_memory = true;
    bus.close();
    no_memory = false;
    IS(ec == errc::closed);
}

static void coroutines()
{
    rill::opts<rill_opts> o;
    o.drive = RILL_DRIVE_HOST;
    rill::bus bus("mem:", o);
    bus.stream_ensure("S");
    rill::sub echo = bus.subscribe("echo", {}, [](rill::loan m) { m.reply(m.bytes()); });
    rill::sub silent = bus.subscribe("silent");
    std::string said;
    int code = 0;
    going talking = talk(bus, said);
    left_alone(bus, code);
    bool ended = false;
    while (!ended) try { bus.poll(1s); } catch (const std::out_of_range &) { ended = true; }
    talking.self.destroy();
    IS(said == "1ping nobody invalid");
    bus.close();
    IS(code == RILL_ECLOSED);
    rill::bus none;
    left_alone(none, code = 0);
    IS(code == RILL_ECLOSED);
}
#endif

static const row rows[] = {
    ROW(publish_subscribe), ROW(publish_many), ROW(views_and_bytes), ROW(error_forms),
    ROW(requests_and_services),
    ROW(services_share_work), ROW(headers), ROW(calls_that_do_not_wait), ROW(all_in_one_call),
    ROW(reap_beside_a_throw), ROW(streams), ROW(consumers_and_groups), ROW(ranges), ROW(batches),
    ROW(key_value), ROW(objects), ROW(brokers_and_peers), ROW(every_url), ROW(forwards),
    ROW(own_wires), ROW(own_loop), ROW(many_threads), ROW(drain_and_flush), ROW(care_of_a_store),
#if defined(__cpp_lib_ranges) && defined(__cpp_lib_span)
    ROW(ranges_of_cpp20),
#endif
#ifdef RILL_HPP_COROUTINES
    ROW(coroutines), ROW(coroutine_without_memory),
#endif
};

#ifdef RILL_HPP_COROUTINES
/* Not inlined: the compiler would take new and free() for a pair that do not belong together. */
[[gnu::noinline]] void *operator new(std::size_t n)
{
    void *p = no_memory ? nullptr : std::malloc(n);
    if (!p) throw std::bad_alloc();
    return p;
}
[[gnu::noinline]] void operator delete(void *p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void *p, std::size_t) noexcept { std::free(p); }
#endif

int main(int argc, char **argv) { return run_rows(rows, argc, argv); }
