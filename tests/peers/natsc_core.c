/* SPDX-License-Identifier: Apache-2.0 */
/* A NATS user's daily work through libnats: publish and subscribe, wildcards, queue groups,
 * requests, no responders, headers, limits of a subscription, echo, drain. */
#include "natsc.h"

static void core_pubsub(natsConnection *conn)
{
    natsSubscription *sub;
    OK(natsConnection_SubscribeSync(&sub, conn, "greet.world"));
    OK(natsConnection_PublishString(conn, "greet.world", "hello"));
    OK(natsConnection_PublishString(conn, "greet.world", ""));
    natsMsg *msg = natsc_next(sub);
    printf("pubsub: %s: %s\n", natsMsg_GetSubject(msg), natsMsg_GetData(msg));
    natsMsg_Destroy(msg);
    msg = natsc_next(sub);
    printf("pubsub: empty message of %d bytes\n", natsMsg_GetDataLength(msg));
    natsMsg_Destroy(msg);
    natsSubscription_Destroy(sub);
}

static void core_wildcards(natsConnection *conn)
{
    static const char *const patterns[] = {"w.a.b", "w.*.b", "w.a.*", "w.>", "w.a.>", "*.a.b", ">",
                                           "w.*", "w.a.b.*", "w*.a.b"};
    enum { PATTERNS = sizeof patterns / sizeof *patterns };
    natsSubscription *subs[PATTERNS];
    for (int i = 0; i < PATTERNS; i++)
        OK(natsConnection_SubscribeSync(&subs[i], conn, patterns[i]));
    static const char *const subjects[] = {"w.a.b", "w.a", "w.x.b", "w.a.b.c", "w"};
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++)
        OK(natsConnection_PublishString(conn, subjects[i], "x"));
    for (int i = 0; i < PATTERNS; i++) {
        printf("wildcards: %s got %d\n", patterns[i], natsc_waiting(conn, subs[i]));
        natsSubscription_Destroy(subs[i]);
    }
}

static void core_queue_groups(natsConnection *conn)
{
    enum { MEMBERS = 3, MESSAGES = 600 };
    natsSubscription *members[MEMBERS], *other, *plain;
    for (int i = 0; i < MEMBERS; i++)
        OK(natsConnection_QueueSubscribeSync(&members[i], conn, i ? "jobs.*" : "jobs.new", "q"));
    OK(natsConnection_QueueSubscribeSync(&other, conn, "jobs.>", "r"));
    OK(natsConnection_SubscribeSync(&plain, conn, "jobs.new"));
    for (int i = 0; i < MESSAGES; i++)
        OK(natsConnection_PublishString(conn, "jobs.new", "job"));
    int sum = 0;
    for (int i = 0; i < MEMBERS; i++) {
        int got = natsc_waiting(conn, members[i]);
        HOLDS(got > 0);
        sum += got;
    }
    printf("queue: members %d, other group %d, plain %d\n", sum, natsc_waiting(conn, other),
           natsc_waiting(conn, plain));
    for (int i = 0; i < MEMBERS; i++)
        natsSubscription_Destroy(members[i]);
    natsSubscription_Destroy(other);
    natsSubscription_Destroy(plain);
}

static void core_answer(natsConnection *conn, natsSubscription *sub, natsMsg *msg, void *arg)
{
    (void)sub;
    (void)arg;
    char text[64];
    snprintf(text, sizeof text, "re: %s", natsMsg_GetData(msg));
    natsConnection_PublishString(conn, natsMsg_GetReply(msg), text);
    natsMsg_Destroy(msg);
}

static void core_requests(natsConnection *conn)
{
    natsSubscription *sub;
    natsMsg *reply = NULL;
    OK(natsConnection_Subscribe(&sub, conn, "echo", core_answer, NULL));
    for (int i = 0; i < 3; i++) {
        char text[16];
        snprintf(text, sizeof text, "ask %d", i);
        OK(natsConnection_RequestString(&reply, conn, "echo", text, NATSC_WAIT_MS));
        printf("request: %s\n", natsMsg_GetData(reply));
        natsMsg_Destroy(reply);
    }
    natsSubscription_Destroy(sub);
    OK(natsConnection_FlushTimeout(conn, NATSC_WAIT_MS));
    natsStatus status = natsConnection_RequestString(&reply, conn, "echo", "?", NATSC_WAIT_MS);
    printf("request, nobody there: %s\n", natsStatus_GetText(status));
}

static void core_headers(natsConnection *conn)
{
    natsSubscription *sub;
    natsMsg *msg;
    OK(natsConnection_SubscribeSync(&sub, conn, "headed"));
    OK(natsMsg_Create(&msg, "headed", NULL, "body", 4));
    OK(natsMsgHeader_Set(msg, "Trace", "one"));
    OK(natsMsgHeader_Add(msg, "Trace", "two"));
    OK(natsMsgHeader_Set(msg, "Note", "kept as sent"));
    OK(natsConnection_PublishMsg(conn, msg));
    natsMsg_Destroy(msg);
    msg = natsc_next(sub);
    const char **values;
    int count;
    OK(natsMsgHeader_Values(msg, "Trace", &values, &count));
    for (int i = 0; i < count; i++)
        printf("headers: Trace[%d]=%s\n", i, values[i]);
    free((void *)values);
    const char *value;
    OK(natsMsgHeader_Get(msg, "Note", &value));
    printf("headers: Note=%s, data %s\n", value, natsMsg_GetData(msg));
    printf("headers: letter case: %s\n",
           natsStatus_GetText(natsMsgHeader_Get(msg, "trace", &value)));
    natsMsg_Destroy(msg);
    natsSubscription_Destroy(sub);
}

static void core_auto_unsubscribe(natsConnection *conn)
{
    natsSubscription *sub;
    OK(natsConnection_SubscribeSync(&sub, conn, "few"));
    OK(natsSubscription_AutoUnsubscribe(sub, 3));
    for (int i = 0; i < 10; i++)
        OK(natsConnection_PublishString(conn, "few", "x"));
    OK(natsConnection_FlushTimeout(conn, NATSC_WAIT_MS));
    natsMsg *msg;
    int got = 0;
    while (natsSubscription_NextMsg(&msg, sub, 200) == NATS_OK) {
        natsMsg_Destroy(msg);
        got++;
    }
    printf("auto-unsubscribe after 3: got %d\n", got);
    natsSubscription_Destroy(sub);
}

static void core_no_echo(void)
{
    natsOptions *opts;
    natsConnection *conn, *other = natsc_connect();
    natsSubscription *sub;
    OK(natsOptions_Create(&opts));
    OK(natsOptions_SetURL(opts, natsc_url()));
    OK(natsOptions_SetNoEcho(opts, true));
    OK(natsConnection_Connect(&conn, opts));
    OK(natsConnection_SubscribeSync(&sub, conn, "own"));
    OK(natsConnection_FlushTimeout(conn, NATSC_WAIT_MS));
    OK(natsConnection_PublishString(conn, "own", "mine"));
    OK(natsConnection_FlushTimeout(conn, NATSC_WAIT_MS));
    OK(natsConnection_PublishString(other, "own", "yours"));
    OK(natsConnection_FlushTimeout(other, NATSC_WAIT_MS));
    natsMsg *msg = natsc_next(sub);
    printf("no echo: got %s, %d wait\n", natsMsg_GetData(msg), natsc_waiting(conn, sub));
    natsMsg_Destroy(msg);
    natsSubscription_Destroy(sub);
    natsConnection_Destroy(conn);
    natsConnection_Destroy(other);
    natsOptions_Destroy(opts);
}

static void core_drain(natsConnection *conn)
{
    natsSubscription *sub;
    OK(natsConnection_SubscribeSync(&sub, conn, "drained"));
    for (int i = 0; i < 100; i++)
        OK(natsConnection_PublishString(conn, "drained", "x"));
    OK(natsConnection_FlushTimeout(conn, NATSC_WAIT_MS));
    OK(natsSubscription_Drain(sub));
    OK(natsConnection_PublishString(conn, "drained", "late"));
    natsMsg *msg;
    int got = 0;
    while (natsSubscription_NextMsg(&msg, sub, 500) == NATS_OK) {
        natsMsg_Destroy(msg);
        got++;
    }
    printf("drain: got %d\n", got);
    natsSubscription_Destroy(sub);
}

int main(void)
{
    natsConnection *conn = natsc_connect();
    core_pubsub(conn);
    core_wildcards(conn);
    core_queue_groups(conn);
    core_requests(conn);
    core_headers(conn);
    core_auto_unsubscribe(conn);
    core_no_echo();
    core_drain(conn);
    natsConnection_Destroy(conn);
    nats_Close();
    return 0;
}
