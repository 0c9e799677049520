/* SPDX-License-Identifier: Apache-2.0
 *
 * What rill.hpp costs over rill.h: the same work by both, in turns, 128 bytes a message. Prints for
 * each kind of work ns a message and C's by C++'s, 1 being as fast: medians of the rounds, which
 * are short, by the clock and of the processor.
 *
 *     bench [ROUNDS]       151 */
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

#include "rill.hpp"

static const int messages = 5000;
static char data[128];
static std::uint64_t heard;

static void check(int rc)
{
    if (rc >= 0) return;
    std::fprintf(stderr, "%s\n", rill_errmsg());
    std::exit(1);
}

static void hear(rill_sub *, const rill_msg *m, void *) { heard += m->data.len; }

struct place { /* one for both, so that only the calls differ */
    rill::bus bus{"mem:"};
    place() { bus.stream_ensure("S", in_memory()); }
    static rill::opts<rill_stream_opts> in_memory()
    {
        rill::opts<rill_stream_opts> o;
        o.in_memory = true;
        return o;
    }
};

static rill::opts<rill_sub_opts> inline_opts()
{
    rill::opts<rill_sub_opts> o;
    o.on_publisher = true;
    return o;
}

static void send_c(place &p)
{
    check(rill_publish(p.bus.get(), "a.b", data, sizeof data, nullptr));
}

static void callback_c(place &p)
{
    rill_sub *sub;
    rill::opts<rill_sub_opts> o = inline_opts();
    o.on_msg = hear;
    check(rill_subscribe(p.bus.get(), &sub, "a.b", &o));
    for (int i = 0; i < messages; i++) send_c(p);
    rill_sub_close(sub);
}

static void callback_cpp(place &p)
{
    rill::sub sub = p.bus.subscribe("a.b", inline_opts(), [](rill::loan m) {
        heard += m.data().size();
    });
    for (int i = 0; i < messages; i++) p.bus.publish("a.b", {data, sizeof data});
}

static void next_c(place &p)
{
    rill_sub *sub;
    const rill_msg *m;
    check(rill_subscribe(p.bus.get(), &sub, "a.b", nullptr));
    for (int i = 0; i < messages; i++) {
        send_c(p);
        check(rill_next(sub, &m, -1));
        heard += m->data.len;
    }
    rill_sub_close(sub);
}

static void next_cpp(place &p)
{
    rill::sub sub = p.bus.subscribe("a.b");
    for (int i = 0; i < messages; i++) {
        p.bus.publish("a.b", {data, sizeof data});
        heard += sub.next()->data().size();
    }
}

static void read_c(place &p)
{
    rill_sub *sub;
    static const rill_msg *all[250];
    std::uint64_t bytes = 0;
    check(rill_subscribe(p.bus.get(), &sub, "a.b", nullptr));
    for (int i = 0; i < messages; i += 250) {
        for (int j = 0; j < 250; j++) send_c(p);
        int n = rill_read(sub, all, 250, -1);
        check(n);
        for (int j = 0; j < n; j++) bytes += all[j]->data.len;
    }
    heard += bytes;
    rill_sub_close(sub);
}

static void read_cpp(place &p)
{
    rill::sub sub = p.bus.subscribe("a.b");
    /* In a register: a loan that is over throws, and who catches that may look at `heard`, which
     * would be in memory after each message. */
    std::uint64_t bytes = 0;
    for (int i = 0; i < messages; i += 250) {
        for (int j = 0; j < 250; j++) p.bus.publish("a.b", {data, sizeof data});
        for (rill::loan m : sub.read(250)) bytes += m.data().size();
    }
    heard += bytes;
}

static void append_c(place &p)
{
    rill_batch *b = nullptr;
    for (int i = 0; i < messages; i++) {
        if (!b) check(rill_batch_begin(p.bus.get(), &b, nullptr));
        check(rill_batch_add(b, "S", data, sizeof data, nullptr));
        if (i % 1000 != 999) continue;
        check(rill_batch_commit(b, nullptr, -1));
        rill_batch_close(b);
        b = nullptr;
    }
}

static void append_cpp(place &p)
{
    rill::batch b;
    for (int i = 0; i < messages; i++) {
        if (!b) b = p.bus.batch_begin();
        b.add("S", {data, sizeof data});
        if (i % 1000 != 999) continue;
        b.commit();
        b.close();
    }
}

struct took {
    double wall, cpu; /* ns a message */
};

static double now(clockid_t which)
{
    timespec t;
    clock_gettime(which, &t);
    return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

/* What was appended goes between rounds. The processor's time is this thread's, and all of it where
 * the library's thread works along. */
static took once(void (*work)(place &), place &p)
{
    p.bus.stream_purge("S");
    double wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    work(p);
    return {(now(CLOCK_MONOTONIC) - wall) / messages,
            (now(CLOCK_PROCESS_CPUTIME_ID) - cpu) / messages};
}

static took half(took a, took b)
{
    return {(a.wall + b.wall) / 2, (a.cpu + b.cpu) / 2};
}

static took twice(void (*work)(place &), place &p)
{
    took first = once(work, p);
    return half(first, once(work, p));
}

static double median(std::vector<double> v)
{
    std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
    return v[v.size() / 2];
}

int main(int argc, char **argv)
{
    struct {
        const char *name;
        void (*c)(place &), (*cpp)(place &);
    } const rows[] = {
        {"publish to callback", callback_c, callback_cpp},
        {"publish, next", next_c, next_cpp},
        {"publish, read by 250", read_c, read_cpp},
        {"append, batches of 1000", append_c, append_cpp},
    };
    int rounds = argc > 1 ? std::atoi(argv[1]) : 151;
    std::printf("%-26s %8s %8s %8s %8s\n", "ns a message", "C", "C++", "C / C++", "cpu");
    for (const auto &row : rows) {
        place p;
        std::vector<double> c, cpp, wall, cpu;
        for (int i = 0; i < rounds; i++) {
            took a = once(row.c, p), b = twice(row.cpp, p);
            a = half(a, once(row.c, p)); /* whoever comes first has it otherwise */
            c.push_back(a.wall), cpp.push_back(b.wall);
            wall.push_back(a.wall / b.wall), cpu.push_back(a.cpu / b.cpu);
        }
        std::printf("%-26s %8.1f %8.1f %8.3f %8.3f\n", row.name, median(c), median(cpp),
                    median(wall), median(cpu));
    }
    return heard == 0;
}
