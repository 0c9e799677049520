/* SPDX-License-Identifier: Apache-2.0 */
/* The works of peers.h over nats.c. Where its header has two ways, there are two
 * works, and peers.py takes what was better. Buffers of the size that is its default took the least
 * processor time. Against another nats.c than the system's:
 *
 *     cc -O2 -D_GNU_SOURCE tests/bench/peers.c tests/bench/peers_natsc.c tests/bench/wire.c \
 *        -o peers_natsc $(PKG_CONFIG_PATH=.../lib/pkgconfig pkg-config --cflags --libs libnats)
 *     RILL_NATSC=./peers_natsc meson test -C build --benchmark peers -v */
#include "peers.h"

#include <nats/nats.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#define CALLS_PULLS (NATS_VERSION_NUMBER >= 0x030900) /* else consumers have no callbacks */

#define OK(call)                                                                    \
    do {                                                                            \
        natsStatus s_ = (call);                                                     \
        if (s_ != NATS_OK) wire_die("%s: %s", #call, natsStatus_GetText(s_));       \
    } while (0)

const char *peers_version(void)
{
    static char text[32];
    snprintf(text, sizeof text, "nats.c %s", nats_GetVersion());
    return text;
}

static natsConnection *conn_of(const char *url)
{
    natsConnection *conn;
    OK(natsConnection_ConnectTo(&conn, url));
    return conn;
}

/* What a callback counts, which nats.c runs on one thread. */
typedef struct taking {
    long count, want;
    bool acks, paced;
    sem_t done;
} taking;

static void taking_init(taking *t, long want)
{
    *t = (taking){.want = want};
    sem_init(&t->done, 0, 0);
}

static void on_message(natsConnection *conn, natsSubscription *sub, natsMsg *msg, void *arg)
{
    taking *t = arg;
    (void)conn, (void)sub;
    if (t->acks) OK(natsMsg_Ack(msg, NULL));
    natsMsg_Destroy(msg);
    t->count++;
    if (t->paced && t->count % PEERS_FETCH == 0) peers_came(t->count);
    if (t->count == t->want) sem_post(&t->done);
}

/* ---- Live ---- */

static void run_publish(const char *url, long count)
{
    natsConnection *conn = conn_of(url);
    OK(natsConnection_FlushTimeout(conn, PEERS_WAIT_MS));
    peers_begin();
    for (long i = 0; i < count; i++)
        OK(natsConnection_Publish(conn, PEERS_SUBJECT, peers_data, PEERS_SIZE));
    OK(natsConnection_FlushTimeout(conn, PEERS_WAIT_MS));
    peers_end(count);
    natsConnection_Destroy(conn);
}

static void run_receive(const char *url, long count)
{
    peers_source(url, count);
    natsConnection *conn = conn_of(url);
    natsSubscription *sub;
    OK(natsConnection_SubscribeSync(&sub, conn, PEERS_SUBJECT));
    OK(natsSubscription_SetPendingLimits(sub, -1, -1));
    OK(natsConnection_FlushTimeout(conn, PEERS_WAIT_MS));
    peers_begin();
    peers_came(0);
    for (long n = 1; n <= count; n++) {
        natsMsg *msg;
        OK(natsSubscription_NextMsg(&msg, sub, PEERS_WAIT_MS));
        natsMsg_Destroy(msg);
        if (n % PEERS_FETCH == 0) peers_came(n);
    }
    peers_end(count);
    natsSubscription_Destroy(sub);
    natsConnection_Destroy(conn);
}

static void run_receive_called(const char *url, long count)
{
    peers_source(url, count);
    natsConnection *conn = conn_of(url);
    natsSubscription *sub;
    taking t;
    taking_init(&t, count);
    t.paced = true;
    OK(natsConnection_Subscribe(&sub, conn, PEERS_SUBJECT, on_message, &t));
    OK(natsSubscription_SetPendingLimits(sub, -1, -1));
    OK(natsConnection_FlushTimeout(conn, PEERS_WAIT_MS));
    peers_begin();
    peers_came(0);
    sem_wait(&t.done);
    peers_end(count);
    natsSubscription_Destroy(sub);
    natsConnection_Destroy(conn);
}

static void ask_all(natsConnection *conn, long count)
{
    for (long i = 0; i < count; i++) {
        natsMsg *reply;
        OK(natsConnection_Request(&reply, conn, PEERS_ECHO, peers_data, PEERS_SIZE, PEERS_WAIT_MS));
        natsMsg_Destroy(reply);
    }
}

static void run_request(const char *url, long count)
{
    peers_echo(url);
    natsConnection *conn = conn_of(url);
    ask_all(conn, 100);
    peers_begin();
    ask_all(conn, count);
    peers_end(count);
    natsConnection_Destroy(conn);
}

/* ---- Streams ---- */

static jsOptions js_options(void)
{
    jsOptions opts;
    OK(jsOptions_Init(&opts));
    opts.PublishAsync.MaxPending = PEERS_WINDOW;
    opts.PublishAsync.StallWait = PEERS_WAIT_MS;
#if CALLS_PULLS
    opts.PullSubscribeAsync.FetchSize = PEERS_FETCH;
    opts.PullSubscribeAsync.KeepAhead = PEERS_FETCH / 2;
#endif
    return opts;
}

static jsCtx *js_of(natsConnection *conn)
{
    jsCtx *js;
    jsOptions opts = js_options();
    OK(natsConnection_JetStream(&js, conn, &opts));
    return js;
}

static void run_js_publish(const char *url, long count)
{
    natsConnection *conn = conn_of(url);
    jsCtx *js = js_of(conn);
    jsStreamConfig conf;
    const char *subjects[] = {PEERS_SUBJECT};
    natsStatus s = js_DeleteStream(js, PEERS_STREAM, NULL, NULL);
    if (s != NATS_NOT_FOUND) OK(s);
    OK(jsStreamConfig_Init(&conf));
    conf.Name = PEERS_STREAM;
    conf.Subjects = subjects;
    conf.SubjectsLen = 1;
    conf.Storage = js_MemoryStorage;
    OK(js_AddStream(NULL, js, &conf, NULL, NULL));
    peers_begin();
    for (long i = 0; i < count; i++)
        OK(js_PublishAsync(js, PEERS_SUBJECT, peers_data, PEERS_SIZE, NULL));
    jsPubOptions wait;
    OK(jsPubOptions_Init(&wait));
    wait.MaxWait = PEERS_WAIT_MS;
    OK(js_PublishAsyncComplete(js, &wait));
    peers_end(count);
    jsCtx_Destroy(js);
    natsConnection_Destroy(conn);
}

static jsSubOptions sub_options(bool acks)
{
    jsSubOptions opts;
    OK(jsSubOptions_Init(&opts));
    opts.Stream = PEERS_STREAM;
    opts.ManualAck = true;
    opts.Config.AckPolicy = acks ? js_AckExplicit : js_AckNone;
    if (acks) opts.Config.MaxAckPending = PEERS_UNACKED;
    return opts;
}

static natsSubscription *pull_of(jsCtx *js, const char *name, bool acks)
{
    natsSubscription *sub;
    jsSubOptions opts = sub_options(acks);
    OK(js_PullSubscribe(&sub, js, PEERS_SUBJECT, name, NULL, &opts, NULL));
    OK(natsSubscription_SetPendingLimits(sub, -1, -1));
    return sub;
}

/* Out of the stream, and acknowledged if `acks`. */
static void run_pull(const char *url, long count, const char *name, bool acks)
{
    natsConnection *conn = conn_of(url);
    jsCtx *js = js_of(conn);
    natsSubscription *sub = pull_of(js, name, acks);
    peers_begin();
    for (long n = 0; n < count;) {
        natsMsgList list;
        long left = count - n;
        OK(natsSubscription_Fetch(&list, sub, (int)(left < PEERS_FETCH ? left : PEERS_FETCH),
                                  PEERS_WAIT_MS, NULL));
        for (int i = 0; acks && i < list.Count; i++)
            OK(natsMsg_Ack(list.Msgs[i], NULL));
        n += list.Count;
        natsMsgList_Destroy(&list);
    }
    OK(natsConnection_FlushTimeout(conn, PEERS_WAIT_MS));
    peers_end(count);
    natsSubscription_Destroy(sub);
    OK(js_DeleteConsumer(js, PEERS_STREAM, name, NULL, NULL));
    jsCtx_Destroy(js);
    natsConnection_Destroy(conn);
}

static void run_js_fetch(const char *url, long count)
{
    run_pull(url, count, "natsc_fetch", false);
}

static void run_js_consume(const char *url, long count)
{
    run_pull(url, count, "natsc_consume", true);
}

#if CALLS_PULLS
static void run_js_consume_called(const char *url, long count)
{
    static const char name[] = "natsc_called";
    natsConnection *conn = conn_of(url);
    jsCtx *js = js_of(conn);
    natsSubscription *sub;
    jsOptions opts = js_options();
    jsSubOptions sub_opts = sub_options(true);
    taking t;
    taking_init(&t, count);
    t.acks = true;
    peers_begin();
    OK(js_PullSubscribeAsync(&sub, js, PEERS_SUBJECT, name, on_message, &t, &opts, &sub_opts,
                             NULL));
    sem_wait(&t.done);
    OK(natsConnection_FlushTimeout(conn, PEERS_WAIT_MS));
    peers_end(count);
    natsSubscription_Destroy(sub);
    OK(js_DeleteConsumer(js, PEERS_STREAM, name, NULL, NULL));
    jsCtx_Destroy(js);
    natsConnection_Destroy(conn);
}
#endif

/* ---- Idle ---- */

static void run_idle(const char *url, long count)
{
    natsConnection **conns = wire_alloc((size_t)(count + 1) * sizeof *conns);
    peers_size sizes[3] = {peers_measure()};
    OK(natsConnection_ConnectTo(&conns[0], url));
    sizes[1] = peers_measure();
    for (long i = 1; i <= count; i++)
        OK(natsConnection_ConnectTo(&conns[i], url));
    sizes[2] = peers_measure();
    peers_report_idle(sizes, count);
    for (long i = 0; i <= count; i++)
        natsConnection_Destroy(conns[i]);
    free(conns);
}

const peers_work peers_works[] = {
    {"publish", run_publish},
    {"receive", run_receive},
    {"receive_called", run_receive_called},
    {"request", run_request},
    {"js_publish", run_js_publish},
    {"js_fetch", run_js_fetch},
    {"js_consume", run_js_consume},
#if CALLS_PULLS
    {"js_consume_called", run_js_consume_called},
#else
    {"js_consume_called", run_js_consume},
#endif
    {"idle", run_idle},
    {NULL, NULL},
};
