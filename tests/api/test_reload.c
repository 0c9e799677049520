/* SPDX-License-Identifier: Apache-2.0 */
/* Reloads while everything that reads the configuration is at it: the listener, the JetStream API,
 * other reloads, and who asked the broker about itself before. */
#include <unistd.h>

#include "api.h"
#include "support/peer.h"

enum { RELOADS = 200, ASKERS = 2 };

static const char KAFKA[] = "group.max.size=77"; /* each reload says the same, and copies it */

typedef struct play {
    rill_broker *broker;
    int port;
    atomic_bool over;
    atomic_int reloads, answers;
} play;

static void *reload(void *arg)
{
    play *p = arg;
    for (uint32_t i = 0; i < RELOADS; i++) {
        OK(rill_broker_reload(p->broker, RILL_OPTS(rill_broker_opts, .max_msg_bytes = 4096 + i % 7,
                                                   .ping_interval_ms = 1000 + i, .spin_us = i % 2,
                                                   .max_subs = 1000 + i,
                                                   .kafka_config = KAFKA)));
        atomic_fetch_add(&p->reloads, 1);
    }
    return NULL;
}

/* Come, ask the JetStream API, go. */
static void *ask(void *arg)
{
    static const char words[] = "CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB in 1\r\n"
                                "PUB $JS.API.STREAM.INFO.x in 0\r\n\r\nPUB $SRV.PING in 0\r\n\r\n"
                                "PUB $JS.API.STREAM.CREATE.x in 12\r\n{\"name\":\"x\"}\r\n";
    play *p = arg;
    while (!atomic_load(&p->over)) {
        peer asker;
        peer_visit(&asker, p->port);
        peer_send(&asker, words);
        ck_assert(peer_hear(&asker, "stream_create_response"));
        close(asker.fd);
        atomic_fetch_add(&p->answers, 1);
    }
    return NULL;
}

START_TEST(reloads_under_load)
{
    play p = {0};
    pthread_t reloaders[2], askers[ASKERS];
    rill_broker_info info = {.size = sizeof info};
    OK(rill_broker_open(&p.broker, RILL_OPTS(rill_broker_opts, .jetstream = true, .name = "n1",
                                             .version = "2.99.1", .kafka_config = KAFKA)));
    OK(rill_broker_about(p.broker, &info));
    OK(p.port = rill_broker_listen(p.broker, "nats://127.0.0.1:0", NULL));
    for (int i = 0; i < ASKERS; i++) ck_assert_int_eq(pthread_create(&askers[i], NULL, ask, &p), 0);
    EVENTUALLY(atomic_load(&p.answers) >= 2);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&reloaders[i], NULL, reload, &p), 0);
    for (int i = 0; i < 2; i++) pthread_join(reloaders[i], NULL);
    int before = atomic_load(&p.answers);
    EVENTUALLY(atomic_load(&p.answers) > before + 2);
    atomic_store(&p.over, true);
    for (int i = 0; i < ASKERS; i++) pthread_join(askers[i], NULL);
    ck_assert_int_eq(atomic_load(&p.reloads), 2 * RELOADS);
    ck_assert_str_eq(info.name, "n1"); /* lent until the close, whatever was reloaded */
    ck_assert_str_eq(info.version, "2.99.1");
    FAILS(rill_broker_reload(p.broker, RILL_OPTS(rill_broker_opts, .name = "n2")), RILL_EINVAL);
    FAILS(rill_broker_reload(p.broker, RILL_OPTS(rill_broker_opts, .version = "3")), RILL_EINVAL);
    OK(rill_broker_close(p.broker, 20000));
}
END_TEST

SUITE_MAIN("reload", reloads_under_load)
