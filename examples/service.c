/* SPDX-License-Identifier: Apache-2.0
 *
 * A service that NATS clients find and ask (service nats://127.0.0.1:4222 stays up for them: nats
 * micro ls, nats micro info double). It is told of by answers on $SRV, by nothing else. Prints
 *
 *     21 -> 42
 *     {"type":"io.nats.micro.v1.ping_response","name":"double","version":"1.0.0",
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "rill.h"
#define OK(call) if ((call) < 0) { fprintf(stderr, "%s\n", rill_errmsg()); exit(1); }
#define JSON(...) #__VA_ARGS__
static int asked; /* callbacks of one bus never overlap */
static char inbox[RILL_INBOX_LEN], since[32], *id = inbox + 7; /* behind "_INBOX." */

static void twice(rill_sub *sub, const rill_msg *m, void *arg)
{
    char answer[24];
    rill_reply(m, answer, (size_t)sprintf(answer, "%d", 2 * atoi(m->data.ptr)), NULL);
    (void)sub, (void)arg, asked++;
}

static void tell(rill_sub *sub, const rill_msg *m, void *arg) /* $SRV.PING[.name[.id]] and so on */
{
    (void)sub, (void)arg;
    char verb[8] = "", name[64] = "double", who[64] = "", out[1024];
    sscanf(m->subject.ptr, "$SRV.%7[^.].%63[^.].%63s", verb, name, who);
    if (strcmp(name, "double") != 0 || (*who && strcmp(who, id) != 0)) return;
    for (char *c = verb; *c; c++) *c |= 0x20; /* to lower case */
    int n = sprintf(out, JSON({"type":"io.nats.micro.v1.%s_response","name":"double",)
        JSON("version":"1.0.0","id":"%s","metadata":{},"description":"","started":"%s",)
        JSON("endpoints":[{"name":"it","subject":"double","queue_group":"q","num_requests":%d}]}),
        verb, id, since, asked); /* who asks takes the fields of his verb */
    rill_reply(m, out, (size_t)n, NULL);
}

int main(int argc, char **argv)
{
    rill_broker *broker;
    rill_bus *bus;
    rill_sub *it, *tells;
    rill_msg *answer, *pong;
    OK(rill_broker_open(&broker, NULL));
    OK(rill_broker_listen(broker, argc > 1 ? argv[1] : "nats://127.0.0.1:0", NULL));
    OK(rill_broker_bus(broker, &bus, NULL));
    OK(rill_inbox(bus, inbox, sizeof inbox));
    strftime(since, sizeof since, "%FT%TZ", gmtime(&(time_t){time(NULL)}));
    OK(rill_subscribe(bus, &it, "double", RILL_OPTS(rill_sub_opts, .on_msg = twice, .group = "q")));
    OK(rill_subscribe(bus, &tells, "$SRV.>", RILL_OPTS(rill_sub_opts, .on_msg = tell)));
    OK(rill_request(bus, "double", "21", 2, NULL, &answer, 5000));
    OK(rill_request(bus, "$SRV.PING.double", "", 0, NULL, &pong, 5000));
    printf("21 -> %s\n%.75s\n", answer->data.ptr, pong->data.ptr);
    if (argc > 1) pause();
    rill_sub_close(it), rill_sub_close(tells), rill_msg_unref(answer), rill_msg_unref(pong);
    return rill_close(bus, 1000) | rill_broker_close(broker, 1000);
}
