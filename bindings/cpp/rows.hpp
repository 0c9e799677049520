/* SPDX-License-Identifier: Apache-2.0
 *
 * What the programs of rows share: IS(), thrown(), and a main() that prints "ok NAME" for each row
 * that was named, or for all. */
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <thread>

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rill.hpp"

using namespace std::chrono_literals;
using rill::errc;

static void is(bool so, const char *what, const char *file, int line)
{
    if (so) return;
    std::fprintf(stderr, "%s:%d: %s\n", file, line, what);
    std::exit(1);
}
#define IS(what) is((what), #what, __FILE__, __LINE__)

/* The code with which `f` throws; 0 if it does not. */
template <class F> static int thrown(F f)
{
    try {
        f();
    } catch (const rill::error &e) {
        IS(*e.what() != 0);
        return e.code().value();
    }
    return 0;
}

#define ROW(f) {#f, &f}
struct row {
    const char *name;
    void (*run)();
};

template <std::size_t N> static int run_rows(const row (&rows)[N], int argc, char **argv)
{
    for (const row &r : rows) {
        bool wanted = argc == 1;
        for (int i = 1; i < argc; i++) wanted = wanted || std::string_view(argv[i]) == r.name;
        if (!wanted) continue;
        std::printf("   %s\r", r.name);
        std::fflush(stdout);
        r.run();
        std::printf("ok %s\n", r.name);
    }
    return 0;
}
