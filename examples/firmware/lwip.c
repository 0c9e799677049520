/* SPDX-License-Identifier: Apache-2.0 */
/* lwip ADDRESS:PORT: a client on lwIP's TCP, which is started here as Debian has it, on threads; a
 * board has NO_SYS, and turns it in rill_host.idle. It prints what it hears:
 *
 *     heard: 1 of 3
 *     heard: 2 of 3
 *     heard: 3 of 3
 *     answered: pong
 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "lwip_net.h"
#include "lwip_wire.h"

static _Alignas(8) char arena[64 * 1024];

static int64_t now(void *arg)
{
    struct timespec t;
    (void)arg;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void entropy(void *arg, void *out, size_t len)
{
    (void)arg;
    if (getrandom(out, len, 0) != (ssize_t)len) memset(out, 1, len);
}

static void heard(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    printf("heard: %s of %s\n", m->data.ptr, (const char *)arg);
}

static void asked(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    (void)arg;
    rill_reply(m, "pong", 4, NULL);
}

int main(int argc, char **argv)
{
    const rill_host host = {.size = sizeof host, .mono_ns = now, .entropy = entropy,
                            .idle = lwip_idle};
    const rill_memory memory = {.size = sizeof memory, .arena = arena, .arena_bytes = sizeof arena};
    rill_bus *bus = NULL;
    rill_sub *sub, *service;
    rill_msg *answer = NULL;
    if (argc < 2) return 2;
    const char *url = lwip_net_start(argv[1]); /* how lwIP reaches that address */
    int rc = rill_open(&bus, url, RILL_OPTS(rill_opts, .host = &host, .drive = RILL_DRIVE_HOST,
                       .dial = lwip_dial, .memory = &memory));
    if (rc >= 0)
        rc = rill_subscribe(bus, &sub, "lwip.count", RILL_OPTS(rill_sub_opts, .on_msg = heard,
                                                               .arg = "3"));
    if (rc >= 0)
        rc = rill_subscribe(bus, &service, "lwip.ping", RILL_OPTS(rill_sub_opts, .on_msg = asked));
    for (int i = 0; i < 3 && rc >= 0; i++)
        rc = rill_publish(bus, "lwip.count", &"123"[i], 1, NULL);
    if (rc >= 0) rc = rill_request(bus, "lwip.ping", "", 0, NULL, &answer, 10000);
    if (rc >= 0) printf("answered: %s\n", answer->data.ptr);
    else printf("%s\n", rill_errmsg());
    rill_msg_unref(answer);
    rill_close(bus, 1000);
    return rc < 0;
}
