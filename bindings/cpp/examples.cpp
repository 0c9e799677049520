/* SPDX-License-Identifier: Apache-2.0
 *
 * The programs of examples/ in C++: examples NAME prints what examples/NAME.c prints, and the tests
 * compare it with what stands on the top of that. */
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <future>
#include <iostream>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rill.hpp"

using namespace std::chrono_literals;
using std::cout;

static void hello()
{
    rill::bus bus("mem:");
    rill::sub sub = bus.subscribe("greet.*");
    bus.publish("greet.world", "hello");
    auto m = sub.next(30s);
    cout << m->subject() << ": " << m->data() << "\n";
}

static void request_reply()
{
    rill::bus bus("mem:");
    rill::sub service = bus.subscribe("echo", {}, [](rill::loan m) {
        m.reply("you said " + std::string(m.data()));
    });
    cout << "ping -> " << bus.request("echo", "ping", {}, 30s).data() << "\n";
    try {
        bus.request("nobody", "", {}, 30s);
    } catch (const rill::error &e) {
        cout << "nobody: " << e.name() << "\n";
    }
}

static void worker_queue()
{
    constexpr int jobs = 100;
    std::array<std::atomic<int>, jobs> done{};
    rill::bus bus("mem:");
    rill::opts<rill_sub_opts> group;
    group.group = "w";
    std::array<rill::sub, 3> subs;
    std::vector<std::thread> workers;
    for (rill::sub &sub : subs) sub = bus.subscribe("jobs", group);
    for (rill::sub &sub : subs)
        workers.emplace_back([&done, &sub] {
            for (const rill::loan &m : sub) done[std::stoul(std::string(m.data()))]++;
        });
    for (int i = 0; i < jobs; i++) bus.publish("jobs", std::to_string(i));
    for (rill::sub &sub : subs) sub.stop(); /* what waits is still read */
    for (std::thread &t : workers) t.join();
    cout << std::count(done.begin(), done.end(), 1) << " jobs, each done once\n";
}

static void own_loop()
{
    int own[2];
    if (pipe(own) < 0) return;
    rill::opts<rill_opts> o;
    o.drive = RILL_DRIVE_HOST;
    rill::bus bus("mem:", o);
    rill::sub sub = bus.subscribe("news", {}, [&](rill::loan m) {
        cout << "from the bus: " << m.data() << "\n";
        if (m.data() == "two" && write(own[1], "stop", 4) != 4) throw std::runtime_error("pipe");
    });
    bus.publish("news", "one");
    bus.publish("news", "two");
    std::array<pollfd, 2> fds{{{own[0], POLLIN, 0}, {bus.fd(), POLLIN, 0}}};
    while (poll(fds.data(), fds.size(), bus.wait_ms()) >= 0) {
        bus.poll(0);
        char line[8];
        ssize_t len = fds[0].revents ? read(own[0], line, sizeof line) : 0;
        if (len <= 0) continue;
        cout << "from the pipe: " << std::string_view(line, static_cast<std::size_t>(len)) << "\n";
        break;
    }
    close(own[0]), close(own[1]);
}

static void queue()
{
    rill::opts<rill_stream_opts> work;
    work.keep = RILL_KEEP_WORK;
    {
        rill::bus bus("file:queue.cpp.data");
        std::error_code ec;
        bus.stream_delete("JOBS", ec); /* of a run that was broken off */
        bus.stream_ensure("JOBS", work);
        for (const char *job : {"resize 1", "resize 2", "resize 3"}) bus.append("JOBS", job);
    }
    rill::bus bus("file:queue.cpp.data");
    auto count = [&] { cout << bus.stream_status("JOBS").msgs << " jobs wait\n"; };
    count();
    rill::opts<rill_sub_opts> workers;
    workers.group = "workers";
    rill::sub sub = bus.consume("JOBS", workers);
    for (int done = 0; done < 3;) {
        auto m = sub.next(30s);
        if (m->data() == "resize 2" && m->deliveries() == 1) {
            cout << m->data() << " failed, again in 50 ms\n";
            m->nak(50ms);
            continue;
        }
        cout << m->data() << " is done";
        if (m->deliveries() > 1) cout << ", at delivery " << m->deliveries();
        cout << "\n";
        m->ack();
        done++;
    }
    count();
}

static void replay()
{
    rill::bus bus("mem:");
    rill::opts<rill_stream_opts> prices;
    prices.subjects = "prices.*";
    bus.stream_ensure("PRICES", prices);
    auto show = [&](const char *what, rill::in<rill_sub_opts> from) {
        std::printf("%-8s", what);
        for (const rill::loan &m : bus.tail("PRICES", from)) {
            std::printf(" %d %s=%s", int(m.seq()), std::string(m.subject().substr(7)).c_str(),
                        std::string(m.data()).c_str());
            if (m.pending() == 0) break;
        }
        std::printf("\n");
    };
    bus.append("prices.eu", "10"), bus.append("prices.us", "20"), bus.append("prices.eu", "11");
    bus.append("prices.us", "21"), bus.append("prices.eu", "12");
    show("all:", {});
    rill::opts<rill_sub_opts> eu, four, newest, last;
    eu.filter = "prices.eu";
    four.from = RILL_FROM_SEQ, four.from_seq = 4;
    newest.from = RILL_FROM_LAST_PER_SUBJECT;
    last.from = RILL_FROM_LAST;
    show("eu only:", eu), show("from 4:", four), show("newest:", newest);
    bus.append("prices.eu", "13");
    show("last:", last);
}

static void kv_watch()
{
    rill::bus bus("mem:");
    rill::kv kv = bus.kv_open("config");
    kv.put("color", "blue");
    kv.put("size", "7");
    rill::sub watch = kv.watch();
    auto follow = [&] {
        auto m = watch.next(30s);
        if (m->deleted()) cout << m->key() << " is gone\n";
        else cout << m->key() << " = " << m->data() << "\n";
        if (m->caught_up()) cout << "that is all there was\n";
    };
    follow(), follow();
    std::uint64_t seen = 2;
    rill::opts<rill_kv_opts> still;
    still.expect = &seen;
    std::uint64_t revision = kv.put("size", "8", still);
    follow();
    kv.del("color");
    follow();
    try {
        kv.put("size", "9", still);
    } catch (const rill::error &e) {
        cout << "size is at revision " << revision << ", so \"expect 2\" fails: " << e.name()
             << "\n";
    }
}

static void batch()
{
    rill::bus bus("mem:");
    rill::opts<rill_stream_opts> stock;
    stock.subjects = "stock.*";
    bus.stream_ensure("STOCK", stock);
    stock.subjects = "invoices";
    bus.stream_ensure("INVOICES", stock);
    bus.append("stock.pears", "+10");
    auto order = [&](const char *name, std::uint64_t seen) {
        rill::post expects;
        expects.expect_last_seq = &seen;
        expects.expect_subject = "stock.pears";
        rill::batch both = bus.batch_begin();
        both.add("stock.pears", "-1", expects);
        both.add("invoices", name);
        std::error_code ec;
        both.commit(30s, ec);
        cout << name << ": " << (ec ? rill_errname(ec.value()) : "stored") << ", "
             << bus.stream_status("STOCK").msgs << " in STOCK, "
             << bus.stream_status("INVOICES").msgs << " in INVOICES\n";
    };
    order("order 1", 1), order("order 2", 1), order("order 2", 2);
}

static void dead_letters()
{
    rill::bus bus("mem:");
    rill::opts<rill_stream_opts> work;
    work.keep = RILL_KEEP_WORK;
    bus.stream_ensure("JOBS", work);
    bus.stream_ensure("DEAD");
    rill::opts<rill_sub_opts> o;
    o.group = "workers", o.max_deliveries = 2, o.max_unacked = 1, o.dead_letters = "DEAD";
    rill::sub sub = bus.consume("JOBS", o);
    for (const char *job : {"good", "bad", "absurd"}) bus.append("JOBS", job);
    for (int i = 0; i < 4; i++) {
        auto m = sub.next(30s);
        if (m->data() == "bad") cout << "bad failed\n", m->nak(20ms);
        else if (m->data() == "absurd") cout << "absurd is refused\n", m->term();
        else cout << m->data() << " is done\n", m->ack();
    }
    rill::sub dead = bus.tail("DEAD");
    for (int i = 0; i < 2; i++) {
        auto m = dead.next(30s);
        cout << "DEAD has " << m->data() << ": " << *m->header("Rill-Dead-Reason") << ", number "
             << *m->header("Rill-Dead-Sequence") << " of JOBS\n";
    }
}

static void anywhere()
{
    auto run = [](const std::string &url) {
        rill::bus bus(url);
        rill::opts<rill_stream_opts> o;
        o.subjects = "any.orders", o.in_memory = true;
        bus.stream_ensure("ANYWHERE", o);
        rill::receipt receipt = bus.append("any.orders", "first order", {}, 30s);
        rill::sub orders = bus.tail("ANYWHERE");
        cout << url.substr(0, url.find(':')) << ": stored " << receipt.seq << ", read back \""
             << orders.next(30s)->data() << "\"; ";
        rill::sub adder = bus.subscribe("any.add", {}, [](rill::loan m) { m.reply("4"); });
        cout << "answered \"" << bus.request("any.add", "2 + 2", {}, 30s).data() << "\"\n";
        bus.stream_delete("ANYWHERE");
    };
    run("mem:");
    rill::opts<rill_broker_opts> o;
    o.jetstream = true;
    rill::broker broker(o);
    run("nats://127.0.0.1:" + std::to_string(broker.listen("nats://127.0.0.1:0")));
}

static void object_copy()
{
    std::ifstream file("/proc/self/exe", std::ios::binary);
    std::string copy, all{std::istreambuf_iterator<char>(file), {}};
    file.clear(), file.seekg(0);
    rill::bus bus("mem:");
    rill::objects objs = bus.objs_open("programs");
    objs.put("me", [&](void *to, std::size_t room) {
        return file.read(static_cast<char *>(to), static_cast<std::streamsize>(room)).gcount();
    });
    if (objs.status("me").bytes == all.size()) cout << "the object has the length of the file\n";
    objs.get("me", [&](rill::bytes piece) { copy += piece.str(); });
    if (copy == all) cout << "the copy is the same\n";
}

static void embedded_broker()
{
    rill::broker broker;
    int port = broker.listen("nats://127.0.0.1:0");
    rill::bus bus = broker.bus();
    rill::sub sub = bus.subscribe("sensors.>");
    rill::bus other("nats://127.0.0.1:" + std::to_string(port));
    other.publish("sensors.kitchen", "21 degrees");
    cout << "over TCP came: " << sub.next(30s)->data() << "\n";
}

/* Bytes over one end of a socketpair. */
class line {
public:
    explicit line(int fd) : fd_(fd) {}
    line(line &&o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
    ~line()
    {
        if (fd_ >= 0) close(fd_);
    }
    std::int64_t read(void *to, std::size_t n) { return said(recv(fd_, to, n, 0)); }
    std::int64_t write(const void *from, std::size_t n)
    {
        return said(send(fd_, from, n, MSG_NOSIGNAL));
    }
    int fd() const { return fd_; }

private:
    int fd_;
    static std::int64_t said(ssize_t n)
    {
        return n >= 0 ? n : std::int64_t(errno == EAGAIN ? RILL_EAGAIN : RILL_ECONN);
    }
};

static void own_wire()
{
    rill::broker broker;
    rill::bus here = broker.bus();
    rill::sub sub = here.subscribe("oven");
    rill::hooks hooks;
    hooks.dial = [&](const char *address) {
        int ends[2];
        cout << "dial " << address << "\n";
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) < 0) return rill::wire();
        broker.accept("nats://the-other-end", rill::wire::over(line(ends[1])));
        return rill::wire::over(line(ends[0]));
    };
    rill::bus there("nats://depot", {}, hooks);
    there.publish("oven", "21 degrees");
    auto m = sub.next(30s);
    cout << "the " << m->subject() << " has " << m->data() << "\n";
}

static void backup()
{
    if (std::system("rm -rf cpp.data cpp.copy cpp.saved")) return;
    auto orders = [](const char *url) { return rill::bus(url).stream_status("ORDERS").msgs; };
    auto say = [](const rill_care &care) {
        if (care.damage) cout << "damaged: order " << care.damage->first_seq << "\n";
    };
    {
        rill::bus bus("file:cpp.data");
        bus.stream_ensure("ORDERS");
        for (const char *o : {"one coffee", "two croissants", "three more coffees"})
            bus.append("ORDERS", o);
        cout << "checked: " << bus.store_check(say) << " damages\n";
        bus.store_snapshot("cpp.copy");
        bus.append("ORDERS", "the bill");
    }
    cout << "the copy has " << orders("file:cpp.copy") << " orders, the store "
         << orders("file:cpp.data") << "\n";
    std::fstream file("cpp.copy/00000000.seg", std::ios::in | std::ios::out | std::ios::binary);
    std::string bytes(4096, 0);
    file.read(&bytes[0], 4096);
    file.seekp(static_cast<std::streamoff>(bytes.find("croissants")));
    file << "????" << std::flush; /* a disk that forgets */
    rill::store_salvage("cpp.copy", "cpp.saved", say);
    cout << "saved: " << orders("file:cpp.saved") << " orders\n";
}

template <class F> static void refused(F call)
{
    try {
        call();
    } catch (const rill::error &e) {
        if (e.code() != rill::errc::auth) throw;
        cout << e.what() << "\n";
    }
}

static bool may_come(const std::string &url)
{
    try {
        rill::bus bus(url);
        return true;
    } catch (const rill::error &e) {
        if (e.code() != rill::errc::auth) throw;
        return false;
    }
}

static void users()
{
    static const char *const home[] = {"home.>"}, *const all[] = {">"}, *const ask[] = {"ask"},
                             *const seen[] = {"home.>", "_INBOX.>"},
                             *const hidden[] = {"home.private.>"};
    rill::opts<rill_user> sensor, display, helper;
    sensor.user = "sensor", sensor.password = "s3nse";
    sensor.publish_allow = home, sensor.npublish_allow = 1;
    sensor.subscribe_deny = all, sensor.nsubscribe_deny = 1;
    display.user = "display", display.password = "l00k";
    display.publish_allow = ask, display.npublish_allow = 1;
    display.subscribe_allow = seen, display.nsubscribe_allow = 2;
    display.subscribe_deny = hidden, display.nsubscribe_deny = 1;
    helper.user = "helper", helper.password = "h3lp", helper.allow_responses = true;
    helper.subscribe_allow = ask, helper.nsubscribe_allow = 1;
    const rill_user *const known[] = {&sensor, &display, &helper};
    rill::opts<rill_broker_opts> o;
    o.users = known, o.nusers = 3;
    rill::broker broker(o);
    std::string at = "127.0.0.1:" + std::to_string(broker.listen("nats://127.0.0.1:0"));
    if (!may_come("nats://sensor:guess@" + at)) cout << "a stranger: refused\n";
    rill::bus tells("nats://sensor:s3nse@" + at), shows("nats://display:l00k@" + at),
        helps("nats://helper:h3lp@" + at);
    rill::sub readings = shows.subscribe("home.>");
    rill::sub questions = helps.subscribe("ask", {}, [](rill::loan m) { m.reply("warm"); });
    for (rill::bus *bus : {&tells, &shows, &helps}) bus->flush(30s);
    tells.publish("home.private.diary", "dear diary");
    tells.publish("home.kitchen", "21 degrees");
    auto m = readings.next(30s);
    cout << "display: " << m->data() << ", and that is " << shows.request("ask", "", {}, 30s).data()
         << "\n";
}

static void own_login()
{
    rill::opts<rill_broker_opts> o;
    o.on_login = [](const rill_login *shown, void *) {
        rill::login login(shown);
        std::string user = login->user ? login->user : "";
        std::string shows = user + " " + (login->password ? login->password : "");
        if (shows != "ada t-17" && shows != "bob t-23") {
            login.refuse("he has no ticket");
            return;
        }
        std::string subjects = user + ".>";
        const char *own[] = {subjects.c_str()};
        rill::opts<rill_user> as;
        as.user = user.c_str();
        as.subscribe_allow = own, as.nsubscribe_allow = 1;
        login.accept(as);
    };
    rill::broker broker(o);
    std::string at = "127.0.0.1:" + std::to_string(broker.listen("nats://127.0.0.1:0"));
    if (!may_come("nats://mallory:t-99@" + at)) cout << "mallory: refused\n";
    rill::bus ada("nats://ada:t-17@" + at), bob("nats://bob:t-23@" + at);
    rill::sub sub = bob.subscribe("bob.>");
    bob.flush(30s);
    ada.publish("bob.mail", "hello from ada");
    cout << "bob hears: " << sub.next(30s)->data() << "\n";
}

static void bounded_bus()
{
    static const char *const sends[] = {"orders.>", "$JS.API.CONSUMER.*.orders.>",
                                        "$JS.API.CONSUMER.MSG.NEXT.orders.*", "$JS.ACK.orders.>"},
                             *const hears[] = {"orders.>", "_INBOX.>"};
    rill::opts<rill_user> limits;
    limits.user = "plug-in";
    limits.publish_allow = sends, limits.npublish_allow = 4;
    limits.subscribe_allow = hears, limits.nsubscribe_allow = 2;
    rill::broker broker;
    rill::bus own = broker.bus();
    rill::opts<rill_stream_opts> stream;
    stream.subjects = "orders.>";
    own.stream_ensure("orders", stream);
    rill::opts<rill_opts> bounds;
    bounds.identity = &limits;
    rill::bus bus = broker.bus(bounds);
    bus.append("orders.new", "a book");
    rill::opts<rill_sub_opts> reader;
    reader.group = "plug-in";
    rill::sub sub = bus.consume("orders", reader);
    auto m = sub.next(30s);
    cout << "plug-in: stored order " << m->seq() << "\n";
    m->ack();
    sub.close();
    refused([&] { bus.publish("salaries.ada", "more"); });
    refused([&] { bus.stream_delete("orders"); });
}

#define EXAMPLE(f) {#f, &f}
static const std::pair<const char *, void (*)()> examples[] = {
    EXAMPLE(hello), EXAMPLE(request_reply), EXAMPLE(worker_queue), EXAMPLE(own_loop),
    EXAMPLE(queue), EXAMPLE(replay), EXAMPLE(kv_watch), EXAMPLE(batch), EXAMPLE(dead_letters),
    EXAMPLE(anywhere), EXAMPLE(object_copy), EXAMPLE(embedded_broker), EXAMPLE(own_wire),
    EXAMPLE(backup), EXAMPLE(users), EXAMPLE(own_login), EXAMPLE(bounded_bus),
};

int main(int argc, char **argv)
{
    for (const auto &e : examples)
        if (argc > 1 && std::string_view(argv[1]) == e.first) return e.second(), 0;
    std::cerr << "usage: examples NAME\n";
    return 2;
}
