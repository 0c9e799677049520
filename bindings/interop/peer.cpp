/* SPDX-License-Identifier: Apache-2.0
 *
 * peer URL: what interop.py says to each language's program, in C++. */
#include <iostream>
#include <rill.hpp>

using namespace std::chrono_literals;

static const std::string me = "Cpp";

static void told(const char *how, const rill::loan &m)
{
    std::cout << how << ' ' << m.subject() << ' ' << m.data() << ' '
              << m.header("From").value_or("nobody") << '\n';
}

static void write(rill::bus &bus, rill::kv &kv)
{
    rill::post from({{"From", me}});
    bus.publish("live." + me, "published by " + me, from);
    bus.append("s." + me, "stored by " + me, from);
    kv.put(me, "set by " + me);
    bus.flush(20s);
    std::cout << "written" << std::endl;
}

static void read(int n, rill::bus &bus, rill::kv &kv, rill::sub &live)
{
    rill::opts<rill_sub_opts> group;
    group.group = "cpp";
    rill::sub stored = bus.consume("S", group);
    for (int i = 0; i < n; i++) told("live", live.next(20s).value());
    for (int i = 0; i < n; i++) {
        rill::loan m = stored.next(20s).value();
        told("stored", m);
        m.ack();
    }
    for (const std::string &key : kv.keys())
        std::cout << "key " << key << ' ' << kv.get(key).value().data() << '\n';
    std::cout << "end" << std::endl;
}

int main(int, char **argv)
{
    rill::bus bus(argv[1]);
    rill::kv kv = bus.kv_open("kv");
    rill::sub live = bus.subscribe("live.*");
    bus.flush(20s);
    std::cout << "ready" << std::endl;
    for (std::string line; std::getline(std::cin, line);) {
        if (line == "write") write(bus, kv);
        else read(std::stoi(line.substr(5)), bus, kv, live);
    }
}
