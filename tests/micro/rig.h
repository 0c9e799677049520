/* SPDX-License-Identifier: Apache-2.0 */
/* A handle of the profile with a clock that stands still, an arena between guards, and a server
 * of NATS in memory at the other end of its wire. The clock goes on when the handle is idle; then
 * the server answers what it was sent, too. */
#ifndef RI_TEST_RIG_H
#define RI_TEST_RIG_H

#include "codec/subject/subject.h"
#include "micro/micro_nats.h"
#include "support/suite.h"

#include <stdio.h>

enum { RIG_BYTES = 65536, RIG_GUARD = 64, RIG_SUBS = 32, RIG_EVENTS = 64 };

typedef struct rig_sub {
    char subject[128], sid[16], queue[64];
} rig_sub;

typedef struct rig {
    /* The handle. */
    rill_bus *bus;
    char *arena;
    size_t arena_bytes;
    rill_host host;
    rill_memory memory;
    rill_opts opts;
    int64_t now_ns;
    uint32_t dice;
    rill_event events[RIG_EVENTS];
    int nevents;
    /* The wire: what the server has said and was not read, what it was sent. */
    char in[RIG_BYTES], out[RIG_BYTES];
    size_t in_len, out_len;
    size_t read_most, write_most;   /* bytes in one call; 0: as many as wanted */
    size_t write_left, read_left;   /* bytes until the wire takes, or gives, no more; SIZE_MAX */
    bool cut_then;                  /* ... and is cut, once */
    bool connected, refuse, silent; /* silent: the server says nothing by itself */
    int dials, closes;
    char address[64];               /* that was dialled last */
    /* The server. */
    const char *info;
    rig_sub subs[RIG_SUBS];
    int nsubs;
    int connects, pings, pubs, subs_seen, unsubs_seen;
    char connect[512];
    char heard[4096];               /* "subject reply data|" of each message, in order */
    bool no_pong, no_stream;
    bool (*api)(const ri_message *m); /* takes what it knows; else the server is as without it */
    uint64_t seq;                   /* of the stream that takes js.> */
} rig;

static char rig_room[RIG_GUARD + 262144 + RIG_GUARD] __attribute__((aligned(8)));
static rig r;

static int64_t rig_mono(void *arg)
{
    (void)arg;
    return r.now_ns;
}

static void rig_entropy(void *arg, void *out, size_t len)
{
    (void)arg;
    for (size_t i = 0; i < len; i++) {
        r.dice = r.dice * 1664525u + 1013904223u;
        ((uint8_t *)out)[i] = (uint8_t)(r.dice >> 24);
    }
}

/* ---- The server ---- */

static void rig_say_bytes(const void *data, size_t len)
{
    ck_assert(r.in_len + len <= sizeof r.in);
    memcpy(r.in + r.in_len, data, len);
    r.in_len += len;
}

static void rig_say(const char *text)
{
    rig_say_bytes(text, strlen(text));
}

/* To each that hears it; how many. */
static int rig_deliver(ri_str subject, ri_str reply, ri_str data)
{
    char line[512];
    int n = 0;
    for (int i = 0; i < r.nsubs; i++) {
        const rig_sub *sub = &r.subs[i];
        if (!ri_subject_match(ri_str_of(sub->subject), subject)) continue;
        snprintf(line, sizeof line, "MSG %.*s %s %.*s%s%zu\r\n", RI_ARG(subject), sub->sid,
                 (int)reply.len, reply.len ? reply.ptr : "", reply.len ? " " : "", data.len);
        rig_say(line);
        rig_say_bytes(data.ptr, data.len);
        rig_say("\r\n");
        n++;
    }
    return n;
}

static void rig_publish(const ri_message *m)
{
    if (r.api && r.api(m)) return;
    size_t used = strlen(r.heard);
    snprintf(r.heard + used, sizeof r.heard - used, "%.*s %.*s %.*s|", RI_ARG(m->subject),
             m->reply.len ? 1 : 0, "r", RI_ARG(m->data));
    r.pubs++;
    char text[128];
    if (ri_str_starts(m->subject, RI_STR("js.")) && !r.no_stream) {
        int len = snprintf(text, sizeof text, "{\"stream\": \"S\", \"seq\":%d}", (int)++r.seq);
        if (m->reply.len) rig_deliver(m->reply, RI_STR_NONE, (ri_str){text, (size_t)len});
        return;
    }
    if (rig_deliver(m->subject, m->reply, m->data) > 0 || m->reply.len == 0) return;
    static const char status[] = "NATS/1.0 503\r\n\r\n";
    for (int i = 0; i < r.nsubs; i++) {
        if (!ri_subject_match(ri_str_of(r.subs[i].subject), m->reply)) continue;
        snprintf(text, sizeof text, "HMSG %.*s %s 16 16\r\n", RI_ARG(m->reply), r.subs[i].sid);
        rig_say(text);
        rig_say(status);
        rig_say("\r\n");
    }
}

static void rig_obey(const ri_nats_op *op)
{
    switch (op->kind) {
    case RI_NATS_CONNECT:
        r.connects++;
        snprintf(r.connect, sizeof r.connect, "%.*s", RI_ARG(op->text));
        break;
    case RI_NATS_PING:
        r.pings++;
        if (!r.no_pong) rig_say("PONG\r\n");
        break;
    case RI_NATS_SUB: {
        ck_assert_int_lt(r.nsubs, RIG_SUBS);
        rig_sub *sub = &r.subs[r.nsubs++];
        snprintf(sub->subject, sizeof sub->subject, "%.*s", RI_ARG(op->m.subject));
        snprintf(sub->sid, sizeof sub->sid, "%.*s", RI_ARG(op->sid));
        snprintf(sub->queue, sizeof sub->queue, "%.*s", (int)op->queue.len,
                 op->queue.len ? op->queue.ptr : "");
        r.subs_seen++;
        break;
    }
    case RI_NATS_UNSUB:
        r.unsubs_seen++;
        for (int i = 0; i < r.nsubs; i++)
            if (ri_str_is(op->sid, r.subs[i].sid)) r.subs[i--] = r.subs[--r.nsubs];
        break;
    case RI_NATS_PUB:
    case RI_NATS_HPUB: rig_publish(&op->m); break;
    default: break;
    }
}

/* Answer what was sent whole; anything that is no protocol fails the test. */
static bool rig_serve(void)
{
    ri_nats parser;
    ri_nats_op op;
    size_t at = 0;
    if (!r.connected || r.silent) return false;
    ri_nats_init(&parser, RI_NATS_FROM_CLIENT);
    while (at < r.out_len) {
        int used = ri_nats_parse(&parser, r.out + at, r.out + r.out_len, &op);
        ck_assert_msg(used >= 0, "the client broke the protocol: %.*s", 80, r.out + at);
        if (used == 0) break;
        rig_obey(&op);
        at += (size_t)used;
    }
    memmove(r.out, r.out + at, r.out_len - at);
    r.out_len -= at;
    return at > 0;
}

static void rig_idle(void *arg, int64_t ns)
{
    (void)arg;
    if (rig_serve()) return;
    r.now_ns += ns < 0 || ns > 1000000 ? 1000000 : ns > 0 ? ns : 1;
}

/* ---- The wire ---- */

static int64_t rig_read(void *arg, void *buf, size_t len)
{
    (void)arg;
    size_t n = RI_MIN(len, r.in_len);
    if (r.read_most) n = RI_MIN(n, r.read_most);
    n = RI_MIN(n, r.read_left);
    if (n == 0 && r.read_left == 0 && r.cut_then) return RILL_EIO;
    if (!r.connected) return 0;
    if (n == 0) return RILL_EAGAIN;
    memcpy(buf, r.in, n);
    memmove(r.in, r.in + n, r.in_len - n);
    r.in_len -= n;
    if (r.read_left != SIZE_MAX) r.read_left -= n;
    return (int64_t)n;
}

static int64_t rig_write(void *arg, const void *buf, size_t len)
{
    (void)arg;
    size_t n = len;
    if (r.write_most) n = RI_MIN(n, r.write_most);
    n = RI_MIN(n, r.write_left);
    if (n == 0) return r.cut_then ? RILL_EIO : RILL_EAGAIN;
    ck_assert(r.out_len + n <= sizeof r.out);
    memcpy(r.out + r.out_len, buf, n);
    r.out_len += n;
    if (r.write_left != SIZE_MAX) r.write_left -= n;
    return (int64_t)n;
}

static void rig_close(void *arg)
{
    (void)arg;
    r.closes++;
    rig_serve(); /* what was sent whole has arrived */
    r.connected = false;
    if (r.cut_then) r.read_left = r.write_left = SIZE_MAX;
    r.cut_then = false;
}

static int rig_dial(rill_wire **wire, const char *address, void *arg)
{
    static const rill_wire_ops ops = {sizeof ops, rig_read, rig_write, rig_close, NULL};
    (void)arg;
    r.dials++;
    snprintf(r.address, sizeof r.address, "%s", address);
    if (r.refuse) return RILL_ECONN;
    r.in_len = r.out_len = 0;
    r.nsubs = 0;
    r.connected = true;
    if (!r.silent) rig_say(r.info);
    return rill_wire_new(wire, &ops, NULL, NULL);
}

/* ---- The handle ---- */

static void rig_event(rill_bus *bus, const rill_event *ev, void *arg)
{
    (void)bus;
    (void)arg;
    ck_assert_ptr_nonnull(ev->detail);
    if (r.nevents < RIG_EVENTS) r.events[r.nevents++] = *ev;
}

RI_UNUSED static int rig_count(rill_event_kind kind)
{
    int n = 0;
    for (int i = 0; i < r.nevents; i++) n += r.events[i].kind == kind;
    return n;
}

static void rig_init(void)
{
    r = (rig){.read_left = SIZE_MAX, .write_left = SIZE_MAX, .now_ns = 1000000000, .dice = 7,
              .info = "INFO {\"server_id\":\"X\",\"headers\":true,\"max_payload\":1048576}\r\n"};
    memset(rig_room, 0x5a, sizeof rig_room);
    r.arena = rig_room + RIG_GUARD;
    r.arena_bytes = sizeof rig_room - 2 * RIG_GUARD;
    r.host = (rill_host){.size = sizeof r.host, .mono_ns = rig_mono, .entropy = rig_entropy,
                         .idle = rig_idle};
    r.memory = (rill_memory){.size = sizeof r.memory, .arena = r.arena,
                             .arena_bytes = r.arena_bytes,
                             .max_subs = 4, .max_pending = 8, .max_calls = 3, .max_msg_bytes = 256};
    r.opts = (rill_opts){.size = sizeof r.opts, .host = &r.host, .drive = RILL_DRIVE_HOST,
                         .on_event = rig_event, .memory = &r.memory, .dial = rig_dial};
}

static int rig_open(const char *url)
{
    r.memory.arena_bytes = r.arena_bytes;
    return rill_open(&r.bus, url, &r.opts);
}

/* The bytes around the arena are as they were. */
static void rig_check_guards(void)
{
    for (int i = 0; i < RIG_GUARD; i++) {
        ck_quick(rig_room[i] == 0x5a);
        ck_quick(rig_room[RIG_GUARD + r.arena_bytes + (size_t)i] == 0x5a);
    }
}

static void rig_done(void)
{
    ck_assert_ok(rill_close(r.bus, 1000));
    rig_check_guards();
}

static void rig_run(int ms)
{
    int64_t until = r.now_ns + ms * RI_MS;
    while (r.now_ns < until) ck_assert_int_ge(rill_poll(r.bus, 1), 0);
}

/* What callbacks have heard: "subject=data|" of each. */
static char rig_log[4096];

RI_UNUSED static void rig_hear(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    ck_assert_int_eq(m->subject.ptr[m->subject.len], 0);
    ck_assert_int_eq(m->data.ptr[m->data.len], 0);
    ck_assert_int_eq(m->reply.ptr[m->reply.len], 0);
    size_t used = strlen(rig_log);
    snprintf(rig_log + used, sizeof rig_log - used, "%s%s=%s|", arg ? (const char *)arg : "",
             m->subject.ptr, m->data.ptr);
}

#endif
