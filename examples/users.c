/* SPDX-License-Identifier: Apache-2.0
 *
 * A broker with users: a sensor publishes, a display reads and asks, a helper answers. Prints
 *     a stranger: refused
 *     display: 21 degrees, and that is warm
 */
#include <stdio.h>
#include <stdlib.h>
#include "rill.h"
#define LIST(field, ...) .field = (const char *const[]){__VA_ARGS__}, \
                         .n##field = sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

static const rill_user sensor = {.size = sizeof sensor, .user = "sensor", .password = "s3nse",
                                 LIST(publish_allow, "home.>"), LIST(subscribe_deny, ">")};
static const rill_user display = {
    .size = sizeof display, .user = "display", .password = "l00k", LIST(publish_allow, "ask"),
    LIST(subscribe_allow, "home.>", "_INBOX.>"), LIST(subscribe_deny, "home.private.>")};
static const rill_user helper = {.size = sizeof helper, .user = "helper", .password = "h3lp",
                                 LIST(subscribe_allow, "ask"), .allow_responses = true};
static const rill_user *const users[] = {&sensor, &display, &helper};
static int check(int rc)
{
    return rc >= 0 ? rc : (fprintf(stderr, "%s\n", rill_errmsg()), exit(1), rc);
}
static void answer(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub, (void)arg;
    check(rill_reply(m, "warm", 4, NULL));
}

int main(void)
{
    rill_broker *broker;
    rill_bus *bus[3];
    rill_sub *readings, *questions;
    const rill_msg *m;
    rill_msg *told;
    char url[80];
    check(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .users = users, .nusers = 3)));
    int port = check(rill_broker_listen(broker, "nats://127.0.0.1:0", NULL));
    snprintf(url, sizeof url, "nats://sensor:guess@127.0.0.1:%d", port);
    if (rill_open(&bus[0], url, NULL) == RILL_EAUTH) puts("a stranger: refused");
    for (int i = 0; i < 3; i++) {
        snprintf(url, sizeof url, "nats://%s:%s@127.0.0.1:%d", users[i]->user, users[i]->password,
                 port);
        check(rill_open(&bus[i], url, NULL));
    }
    check(rill_subscribe(bus[1], &readings, "home.>", NULL));
    check(rill_subscribe(bus[2], &questions, "ask", RILL_OPTS(rill_sub_opts, .on_msg = answer)));
    for (int i = 0; i < 3; i++) check(rill_flush(bus[i], 5000));
    check(rill_publish(bus[0], "home.private.diary", "dear diary", 10, NULL));
    check(rill_publish(bus[0], "home.kitchen", "21 degrees", 10, NULL));
    check(rill_next(readings, &m, 5000));
    check(rill_request(bus[1], "ask", NULL, 0, NULL, &told, 5000));
    printf("display: %.*s, and that is %.*s\n", RILL_ARG(m->data), RILL_ARG(told->data));
    rill_msg_unref(told);
    rill_sub_close(readings), rill_sub_close(questions);
    for (int i = 0; i < 3; i++) check(rill_close(bus[i], 1000));
    return rill_broker_close(broker, 1000) < 0;
}
