/* SPDX-License-Identifier: Apache-2.0
 *
 * A broker with users: a sensor that may publish what it measures and nothing else, a display that
 * may read that but for what is private, and a service that may only answer. Prints
 *
 *     a stranger: refused
 *     display: 21 degrees
 *     service: asked for kitchen, told warm
 */
#include <stdio.h>
#include <stdlib.h>

#include "rill.h"

#define LIST(field, ...) .field = (const char *const[]){__VA_ARGS__}, \
                         .n##field = sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

static const rill_user sensor = {.size = sizeof sensor, .user = "sensor", .password = "s3nse",
                                 LIST(publish_allow, "home.>"), LIST(subscribe_deny, ">")};
static const rill_user display = {.size = sizeof display, .user = "display", .password = "l00k",
                                  LIST(publish_allow, "ask.*"),
                                  LIST(subscribe_allow, "home.>", "_INBOX.>"),
                                  LIST(subscribe_deny, "home.private.>")};
static const rill_user service = {.size = sizeof service, .user = "service", .password = "h3lp",
                                  LIST(subscribe_allow, "ask.*"), .allow_responses = true};

static int check(int rc)
{
    if (rc >= 0) return rc;
    fprintf(stderr, "%s\n", rill_errmsg());
    exit(1);
}

static rill_bus *enter(const char *who, int port)
{
    rill_bus *bus;
    char url[80];
    snprintf(url, sizeof url, "nats://%s@127.0.0.1:%d", who, port);
    if (rill_open(&bus, url, RILL_OPTS(rill_opts, .no_redial = true)) == RILL_EAUTH) return NULL;
    return bus;
}

static void answer(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    (void)arg;
    check(rill_reply(m, "warm", 4, NULL));
}

int main(void)
{
    rill_broker *broker;
    rill_sub *readings, *questions;
    const rill_msg *m;
    rill_msg *told;
    const rill_user *const users[] = {&sensor, &display, &service};
    check(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .users = users, .nusers = 3)));
    int port = check(rill_broker_listen(broker, "nats://127.0.0.1:0", NULL));
    if (!enter("sensor:guess", port)) puts("a stranger: refused");
    rill_bus *reads = enter("display:l00k", port), *answers = enter("service:h3lp", port);
    rill_bus *measures = enter("sensor:s3nse", port);
    if (!reads || !answers || !measures) return 1;
    check(rill_subscribe(reads, &readings, "home.>", NULL));
    check(rill_flush(reads, 5000));
    check(rill_publish(measures, "home.private.diary", "dear diary", 10, NULL));
    check(rill_publish(measures, "home.kitchen", "21 degrees", 10, NULL));
    check(rill_next(readings, &m, 5000));
    printf("display: %.*s\n", RILL_ARG(m->data));
    check(rill_subscribe(answers, &questions, "ask.*", RILL_OPTS(rill_sub_opts, .on_msg = answer)));
    check(rill_flush(answers, 5000));
    check(rill_request(reads, "ask.kitchen", NULL, 0, NULL, &told, 5000));
    printf("service: asked for kitchen, told %.*s\n", RILL_ARG(told->data));
    rill_msg_unref(told);
    rill_sub_close(questions);
    rill_sub_close(readings);
    rill_bus *const all[] = {reads, answers, measures};
    for (int i = 0; i < 3; i++) check(rill_close(all[i], 1000));
    return rill_broker_close(broker, 1000) < 0;
}
