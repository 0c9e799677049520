/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/error.h"
#include "codec/limits.h"
#include "codec/nats/nats.h"
#include "support/guard.h"
#include "support/rng.h"
#include "support/suite.h"

/* What an operation says, as text, to compare it with what was meant. */
static void describe(const ri_nats_op *op, char *out, size_t size)
{
    int n = 0;
    bool has_sid = op->kind == RI_NATS_MSG || op->kind == RI_NATS_HMSG;
    ri_str sid = has_sid ? op->sid : RI_STR("");
    switch (op->kind) {
    case RI_NATS_PUB:
    case RI_NATS_HPUB:
    case RI_NATS_MSG:
    case RI_NATS_HMSG:
        n = snprintf(out, size, "%s %.*s sid=%.*s reply=%.*s header=%.*s data=%.*s",
                     op->kind == RI_NATS_PUB ? "PUB" : op->kind == RI_NATS_HPUB ? "HPUB" :
                     op->kind == RI_NATS_MSG ? "MSG" : "HMSG", RI_ARG(op->m.subject),
                     RI_ARG(sid), RI_ARG(op->m.reply), RI_ARG(op->m.headers), RI_ARG(op->m.data));
        break;
    case RI_NATS_SUB:
        n = snprintf(out, size, "SUB %.*s queue=%.*s sid=%.*s", RI_ARG(op->m.subject),
                     RI_ARG(op->queue), RI_ARG(op->sid));
        break;
    case RI_NATS_UNSUB:
        n = snprintf(out, size, "UNSUB %.*s max=%llu", RI_ARG(op->sid),
                     (unsigned long long)op->max);
        break;
    case RI_NATS_CONNECT: n = snprintf(out, size, "CONNECT %.*s", RI_ARG(op->text)); break;
    case RI_NATS_INFO: n = snprintf(out, size, "INFO %.*s", RI_ARG(op->text)); break;
    case RI_NATS_ERR: n = snprintf(out, size, "ERR %.*s", RI_ARG(op->text)); break;
    case RI_NATS_PING: n = snprintf(out, size, "PING"); break;
    case RI_NATS_PONG: n = snprintf(out, size, "PONG"); break;
    case RI_NATS_OK: n = snprintf(out, size, "OK"); break;
    }
    ck_assert(n > 0 && (size_t)n < size);
}

typedef struct row {
    const char *bytes; /* one or more operations */
    const char *says;  /* the last of them; NULL: the stream fails */
    ri_nats_failure failure;
} row;

static const row client_rows[] = {
    {"PUB a 5\r\nhello\r\n", "PUB a sid= reply= header= data=hello", 0},
    {"pub a.b r 0\r\n\r\n", "PUB a.b sid= reply=r header= data=", 0},
    {"Pub\ta \t r\t 2 \r\nhi\r\n", "PUB a sid= reply=r header= data=hi", 0},
    {"PUB a 5\nhello\r\n", "PUB a sid= reply= header= data=hello", 0},
    {"PUB a 4\r\n\r\n\r\n\r\n", "PUB a sid= reply= header= data=\r\n\r\n", 0},
    {"PUB a.very.long.subject.with.many.tokens some.reply.that.is.long 000000003\r\nabc\r\n",
     "PUB a.very.long.subject.with.many.tokens sid= reply=some.reply.that.is.long header= data=abc",
     0},
    {"PUB a\x01" "b 1\r\nx\r\n", "PUB a\x01" "b sid= reply= header= data=x", 0},
    {"PUB a\rb 1\r\nx\r\n", "PUB a\rb sid= reply= header= data=x", 0},
    {"HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
     "HPUB a sid= reply= header=NATS/1.0\r\n\r\n data=hi", 0},
    {"hpub a r 12 12\r\nNATS/1.0\r\n\r\n\r\n",
     "HPUB a sid= reply=r header=NATS/1.0\r\n\r\n data=", 0},
    {"HPUB a 0 2\r\nhi\r\n", "HPUB a sid= reply= header= data=hi", 0},
    {"SUB a.* 1\r\n", "SUB a.* queue= sid=1", 0},
    {"sub a.> q  x7 \r\n", "SUB a.> queue=q sid=x7", 0},
    {"UNSUB 1\r\n", "UNSUB 1 max=0", 0},
    {"unsub 1 5\r\n", "UNSUB 1 max=5", 0},
    {"UNSUB 1 -5\r\n", "UNSUB 1 max=0", 0},
    {"UNSUB 1 1234567890\r\n", "UNSUB 1 max=0", 0},
    {"CONNECT {\"verbose\":false}\r\n", "CONNECT {\"verbose\":false}", 0},
    {"connect\t {}\n", "CONNECT {}", 0},
    {"CONNECT{}\r\n", "CONNECT {}", 0},
    {"CONNECT\r\n", "CONNECT ", 0},
    {"PING\r\n", "PING", 0},
    {"ping\n", "PING", 0},
    {"PING what ever\r\n", "PING", 0},
    {"PONGx\r\n", "PONG", 0},
    {"+OK\r\n", "OK", 0},
    {"+ok\n", "OK", 0},
    {"INFO {\"a\":1} \r\n", "INFO {\"a\":1}", 0},
    {"-ERR 'Some Text'\r\n", "ERR Some Text", 0},
    {"-err text\r\n", "ERR text", 0},
    {"PING\r\nPUB a 1\r\nx\r\nPONG\r\n", "PONG", 0},
    {"PUB a 5\r\nhelloPING\r\n", NULL, RI_NATS_BAD_OPERATION},
    {"PUB a 5\r\nhello\n", NULL, RI_NATS_BAD_OPERATION},
    {"PUB a 5\r\nhello\rX", NULL, RI_NATS_BAD_OPERATION},
    {"PUB\r\n", NULL, RI_NATS_BAD_OPERATION},
    {"PUBX a 5\r\n", NULL, RI_NATS_BAD_OPERATION},
    {"PUB \r\n", NULL, RI_NATS_BAD_ARGUMENTS},
    {"PUB a\r\n", NULL, RI_NATS_BAD_ARGUMENTS},
    {"PUB a b c 5\r\n", NULL, RI_NATS_BAD_ARGUMENTS},
    {"PUB a b c d e f g h 5\r\n", NULL, RI_NATS_BAD_ARGUMENTS},
    {"PUB a x\r\n", NULL, RI_NATS_BAD_ARGUMENTS},
    {"PUB a -1\r\n", NULL, RI_NATS_BAD_ARGUMENTS},
    {"PUB a 1x\r\n", NULL, RI_NATS_BAD_ARGUMENTS},
    {"PUB a 1234567890\r\n", NULL, RI_NATS_BAD_ARGUMENTS},
    {"PUB a 1048577\r\n", NULL, RI_NATS_BIG_PAYLOAD},
    {"HPUB a 12 1048577\r\n", NULL, RI_NATS_BIG_PAYLOAD},
    {"HPUB a 5\r\n", NULL, RI_NATS_BAD_ARGUMENTS},
    {"HPUB a 6 5\r\n", NULL, RI_NATS_BAD_ARGUMENTS},
    {"HPUB a b c 5 6\r\n", NULL, RI_NATS_BAD_ARGUMENTS},
    {"HPUB a x 5\r\n", NULL, RI_NATS_BAD_ARGUMENTS},
    {"HPU a", NULL, RI_NATS_BAD_OPERATION},
    {"SUB a\r\n", NULL, RI_NATS_BAD_ARGUMENTS},
    {"SUB a b c d\r\n", NULL, RI_NATS_BAD_ARGUMENTS},
    {"SUB\r\n", NULL, RI_NATS_BAD_OPERATION},
    {"UNSUB \r\n", NULL, RI_NATS_BAD_ARGUMENTS},
    {"UNSUB 1 2 3\r\n", NULL, RI_NATS_BAD_ARGUMENTS},
    {"UNSUBS 1\r\n", NULL, RI_NATS_BAD_OPERATION},
    {"GET / HTTP/1.1\r\n", NULL, RI_NATS_BAD_OPERATION},
    {"G", NULL, RI_NATS_BAD_OPERATION},
    {"PX", NULL, RI_NATS_BAD_OPERATION},
    {"PINT", NULL, RI_NATS_BAD_OPERATION},
    {"\r\n", NULL, RI_NATS_BAD_OPERATION},
    {"\n", NULL, RI_NATS_BAD_OPERATION},
    {" PING\r\n", NULL, RI_NATS_BAD_OPERATION},
    {"MSG a 1 0\r\n\r\n", NULL, RI_NATS_BAD_OPERATION},
    {"HMSG a 1 0 0\r\n\r\n", NULL, RI_NATS_BAD_OPERATION},
    {"\rERR x\r\n", NULL, RI_NATS_BAD_OPERATION}, /* CR and - differ in the bit for case */
    {"\x0bOK\r\n", NULL, RI_NATS_BAD_OPERATION},
    {"-ERR\r\n", NULL, RI_NATS_BAD_OPERATION},
    {"PING\r\nPUB a 1\r\nx\r\nSUB q\r\n", NULL, RI_NATS_BAD_ARGUMENTS},
};

static const row server_rows[] = {
    {"MSG a 7 5\r\nhello\r\n", "MSG a sid=7 reply= header= data=hello", 0},
    {"msg a 7 r 5\r\nhello\r\n", "MSG a sid=7 reply=r header= data=hello", 0},
    {"HMSG a 7 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
     "HMSG a sid=7 reply= header=NATS/1.0\r\n\r\n data=hi", 0},
    {"HMSG a 7 r 12 12\r\nNATS/1.0\r\n\r\n\r\n",
     "HMSG a sid=7 reply=r header=NATS/1.0\r\n\r\n data=", 0},
    {"INFO {\"x\":\"y\"} \r\n", "INFO {\"x\":\"y\"}", 0},
    {"PING\r\n", "PING", 0},
    {"PONG\r\n", "PONG", 0},
    {"+OK\r\n", "OK", 0},
    {"-ERR 'Stale Connection'\r\n", "ERR Stale Connection", 0},
    {"MSG a 7\r\n", NULL, RI_NATS_BAD_ARGUMENTS},
    {"MSG a 7 r x 1\r\n", NULL, RI_NATS_BAD_ARGUMENTS},
    {"HMSG a 7 12\r\n", NULL, RI_NATS_BAD_ARGUMENTS},
    {"PUB a 0\r\n\r\n", NULL, RI_NATS_BAD_OPERATION},
    {"SUB a 1\r\n", NULL, RI_NATS_BAD_OPERATION},
    {"CONNECT {}\r\n", NULL, RI_NATS_BAD_OPERATION},
};

/* Parse `bytes` as they come in pieces that end at `split` and, behind it, at every `step`
 * bytes, each piece against a guard page. */
static void run_row(const row *want, ri_nats_side side, size_t split, size_t step)
{
    ri_nats p;
    ri_nats_init(&p, side);
    size_t len = strlen(want->bytes), at = 0, have = split;
    char says[512] = "";
    for (;;) {
        const char *s = guard_copy(want->bytes + at, have - at);
        ri_nats_op op;
        int used = ri_nats_parse(&p, s, s + (have - at), &op);
        if (used < 0) {
            ck_assert_int_eq(used, RILL_EPROTO);
            ck_assert_msg(!want->says && p.failure == want->failure, "\"%s\" fails by %d at %zu",
                          want->bytes, (int)p.failure, have);
            return;
        }
        if (used > 0) {
            at += (size_t)used;
            describe(&op, says, sizeof says);
            if (at == len) break;
            if (at < have) continue;
        }
        if (have == len) break;
        ck_assert(p.need == 0 || p.need > have - at || used > 0);
        have = RI_MIN(have + step, len);
    }
    ck_assert_msg(want->says && at == len, "\"%s\" was not refused, or not used up", want->bytes);
    ck_assert_str_eq(says, want->says);
}

static void run_rows(const row *rows, size_t count, ri_nats_side side)
{
    for (size_t i = 0; i < count; i++)
        for (size_t split = 0, len = strlen(rows[i].bytes); split <= len; split++) {
            run_row(&rows[i], side, split, len); /* two pieces */
            run_row(&rows[i], side, split, 1);   /* then byte by byte */
        }
    guard_free();
}

START_TEST(test_from_client)
{
    run_rows(client_rows, RI_LEN(client_rows), RI_NATS_FROM_CLIENT);
}
END_TEST

START_TEST(test_from_server)
{
    run_rows(server_rows, RI_LEN(server_rows), RI_NATS_FROM_SERVER);
}
END_TEST

/* Many at once are the same as one by one, wherever the stream is cut, up to what fails. */
static void run_many(const char *bytes, size_t len, ri_nats_side side, size_t split, int max)
{
    ri_nats one, many;
    ri_nats_init(&one, side);
    ri_nats_init(&many, side);
    size_t at = 0, have = split;
    for (;;) {
        const char *s = guard_copy(bytes + at, have - at);
        ri_str in = {s, have - at};
        ri_nats_op ops[8], op;
        int n = ri_nats_parse_many(&many, &in, ops, max), used = 0;
        ck_assert_int_le(n, max);
        for (int i = 0; i < n; i++) {
            char want[512], got[512];
            used = ri_nats_parse(&one, s, s + (have - at), &op);
            ck_assert_int_gt(used, 0);
            describe(&op, want, sizeof want);
            describe(&ops[i], got, sizeof got);
            ck_assert_str_eq(got, want);
            ck_assert(i + 1 == n || ri_nats_is_message(op.kind));
            s += used;
            at += (size_t)used;
        }
        ck_assert(in.ptr == s && in.len == have - at);
        if (n > 0) continue;
        used = ri_nats_parse(&one, s, s + (have - at), &op);
        ck_assert_int_eq(n, used);
        ck_assert(n == 0 || one.failure == many.failure);
        ck_assert_uint_eq(one.need, many.need);
        if (n < 0 || have == len) return;
        have = len;
    }
}

START_TEST(test_many)
{
    static const char *streams[] = {
        "PUB a.b 2\r\nhi\r\nPUB a.b 2\r\nho\r\nPUB a.b 2\r\nha\r\nPUB a.b 3\r\nhum\r\nPUB a.b "
        "3\r\nham\r\n",
        "PUB a 0\n\r\nPUB a 0\n\r\nPUB a 0\r\n\r\nPUB a 0\r\n\r\n",
        "PUB a r 2\r\nhi\r\nPUB a r 2\r\nho\r\nPUB a q 2\r\nhi\r\nPUB a 2\r\nhi\r\n",
        "HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\nHPUB a 12 14\r\nNATS/1.0\r\n\r\nho\r\nPING\r\nPUB "
        "a 0\r\n\r\n",
        "PUB a 2\r\nhi\r\nPUB a 2\r\nhi\rX", "PUB a 2\r\nhi\r\nPUB a 2\r\nhiX\n",
        "PUB a 2\r\nhi\r\nPUB a 2\r\nhi\r\nPUB a x\r\n",
        "PUB a 2\r\nhi\r\nSUB a 1\r\nPUB a 2\r\nhi\r\n",
    };
    for (size_t i = 0; i < RI_LEN(streams); i++)
        for (size_t split = 0, len = strlen(streams[i]); split <= len; split++)
            for (int max = 1; max <= 8; max += max == 1 ? 1 : 6)
                run_many(streams[i], len, RI_NATS_FROM_CLIENT, split, max);
    for (size_t i = 0; i < RI_LEN(client_rows); i++)
        for (size_t split = 0, len = strlen(client_rows[i].bytes); split <= len; split++)
            run_many(client_rows[i].bytes, len, RI_NATS_FROM_CLIENT, split, 8);
    const char *msgs =
        "MSG a 7 2\r\nhi\r\nMSG a 7 2\r\nho\r\nMSG a 8 2\r\nhi\r\nHMSG a 8 r 12 12\r\n"
                       "NATS/1.0\r\n\r\n\r\nHMSG a 8 r 12 12\r\nNATS/1.0\r\n\r\n\r\n+OK\r\n";
    for (size_t split = 0; split <= strlen(msgs); split++)
        run_many(msgs, strlen(msgs), RI_NATS_FROM_SERVER, split, 8);
    guard_free();
}
END_TEST

/* Messages whose lines are equal share subject and reply by address. */
START_TEST(test_many_shared)
{
    const char *bytes = "PUB a r 1\r\nx\r\nPUB a r 1\r\ny\r\nPUB b r 1\r\nz\r\n";
    ri_nats p;
    ri_nats_op ops[4];
    ri_nats_init(&p, RI_NATS_FROM_CLIENT);
    ri_str in = {guard_copy(bytes, strlen(bytes)), strlen(bytes)};
    ck_assert_int_eq(ri_nats_parse_many(&p, &in, ops, 4), 3);
    const ri_message *first = &ops[0].m, *second = &ops[1].m;
    ck_assert(first->subject.ptr == second->subject.ptr);
    ck_assert(first->reply.ptr == second->reply.ptr);
    ck_assert(ops[2].m.subject.ptr != ops[0].m.subject.ptr && in.len == 0);
    ck_assert_span(ops[1].m.data, "y");
    guard_free();
}
END_TEST

static int parse(ri_nats *p, const char *bytes, size_t len, ri_nats_op *op)
{
    const char *s = guard_copy(bytes, len);
    return ri_nats_parse(p, s, s + len, op);
}

START_TEST(test_control_line)
{
    static char line[8192];
    ri_nats p;
    ri_nats_op op;
    /* the arguments "a...a 1" have exactly the bytes allowed, then one more */
    for (size_t over = 0; over < 2; over++) {
        size_t args = RI_LIMIT_CONTROL_LINE + over;
        memcpy(line, "SUB ", 4);
        memset(line + 4, 'a', args - 2);
        memcpy(line + 4 + args - 2, " 1\r\n", 4);
        ri_nats_init(&p, RI_NATS_FROM_CLIENT);
        int used = parse(&p, line, 4 + args + 2, &op);
        ck_assert_int_eq(used, over ? RILL_EPROTO : (int)(4 + args + 2));
        if (over) ck_assert_int_eq(p.failure, RI_NATS_LONG_LINE);
        /* the same without its end: refused as soon as it is too long */
        ri_nats_init(&p, RI_NATS_FROM_CLIENT);
        ck_assert_int_eq(parse(&p, line, 4 + args, &op), over ? RILL_EPROTO : 0);
        if (!over) ck_assert_int_eq(parse(&p, line, 4 + args + 1, &op), 0); /* its CR is there */
    }
    static const char *endless[] = {"PING ", "CONNECT ", "PUB ", "PUB a b ", "-ERR ", "+OK"};
    for (size_t i = 0; i < RI_LEN(endless); i++) {
        memset(line, i & 1 ? ' ' : 'x', sizeof line);
        memcpy(line, endless[i], strlen(endless[i]));
        ri_nats_init(&p, RI_NATS_FROM_CLIENT);
        ck_assert_int_eq(parse(&p, line, sizeof line, &op), RILL_EPROTO);
        ck_assert_int_eq(p.failure, RI_NATS_LONG_LINE);
    }
    ck_assert_str_eq(ri_nats_failure_text(p.failure), "maximum control line exceeded");
    guard_free();
}
END_TEST

START_TEST(test_login_and_headers)
{
    ri_nats p;
    ri_nats_op op;
    ri_nats_init(&p, RI_NATS_FROM_CLIENT);
    p.connect_only = true;
    ck_assert_int_eq(parse(&p, "P", 1, &op), RILL_EPROTO);
    ck_assert_int_eq(p.failure, RI_NATS_NO_LOGIN);
    ck_assert_str_eq(ri_nats_failure_text(p.failure), "Authorization Violation");
    ri_nats_init(&p, RI_NATS_FROM_CLIENT);
    p.connect_only = true;
    ck_assert_int_eq(parse(&p, "CONNECT {}\r\n", 12, &op), 12);
    ri_nats_init(&p, RI_NATS_FROM_CLIENT);
    p.headers = false;
    ck_assert_int_eq(parse(&p, "HPUB a 0 0\r\n", 12, &op), RILL_EPROTO);
    ck_assert_int_eq(p.failure, RI_NATS_NO_HEADERS);
    ck_assert_ptr_null(ri_nats_failure_text(p.failure));
    guard_free();
}
END_TEST

START_TEST(test_need)
{
    static char text[70000];
    ri_nats p;
    ri_nats_op op;
    ri_nats_init(&p, RI_NATS_FROM_CLIENT);
    int line = snprintf(text, sizeof text, "PUB a 65536\r\n");
    memset(text + line, 'x', 65536);
    memcpy(text + line + 65536, "\r\n", 2);
    size_t whole = (size_t)line + 65536 + 2;
    ck_assert_int_eq(parse(&p, text, (size_t)line, &op), 0);
    ck_assert_uint_eq(p.need, whole);
    ck_assert_int_eq(parse(&p, text, whole - 1, &op), 0);
    ck_assert_uint_eq(p.need, whole);
    ck_assert_int_eq(parse(&p, text, whole, &op), (int)whole);
    ck_assert_uint_eq(op.m.data.len, 65536);
    ck_assert_uint_eq(p.need, 0);
    guard_free();
}
END_TEST

/* Whatever is written can be read: random messages, both ways, in a stream cut anywhere. */
START_TEST(test_round_trip)
{
    static char stream[1 << 16], payload[300];
    rng r;
    rng_init(&r, rng_seed(11));
    for (int round = 0; round < 300; round++) {
        bool client = rng_below(&r, 2);
        char *out = stream;
        static struct { char subject[40], reply[40], sid[8]; size_t header, data; } sent[64];
        size_t n = 0;
        for (; n < RI_LEN(sent); n++) {
            snprintf(sent[n].subject, sizeof sent[n].subject, "s.%llu",
                     (unsigned long long)rng_next(&r));
            sent[n].reply[0] = 0;
            if (rng_below(&r, 2))
                snprintf(sent[n].reply, sizeof sent[n].reply, "r.%u", (unsigned)rng_below(&r, 99));
            snprintf(sent[n].sid, sizeof sent[n].sid, "%u", (unsigned)rng_below(&r, 99999));
            sent[n].header = rng_below(&r, 2) ? 12 : 0;
            sent[n].data = rng_below(&r, sizeof payload);
            ri_nats_line line;
            ri_str subject = ri_str_of(sent[n].subject), reply = ri_str_of(sent[n].reply);
            ri_nats_line_init(&line, subject, reply, sent[n].header, sent[n].data);
            char *start = out;
            out = client ? ri_nats_put_pub(out, subject, reply, sent[n].header, sent[n].data)
                         : ri_nats_put_msg(out, &line, ri_str_of(sent[n].sid));
            ck_assert((size_t)(out - start) <=
                      (client ? RI_NATS_PUB_ROOM(subject.len, reply.len)
                              : ri_nats_line_room(&line, strlen(sent[n].sid))));
            if (sent[n].header) out = ri_str_put(out, RI_STR("NATS/1.0\r\n\r\n"));
            memset(payload, 'a' + (int)(n % 26), sizeof payload);
            out = ri_str_put(out, (ri_str){payload, sent[n].data});
            out = ri_str_put(out, RI_NATS_CRLF);
        }
        ri_nats p;
        ri_nats_init(&p, client ? RI_NATS_FROM_CLIENT : RI_NATS_FROM_SERVER);
        const char *s = stream, *have = stream;
        for (size_t i = 0; i < n;) {
            ri_nats_op op;
            int used = ri_nats_parse(&p, s, have, &op);
            ck_assert_int_ge(used, 0);
            if (used == 0) {
                ck_assert(have < out);
                have += 1 + rng_below(&r, (uint64_t)RI_MIN(out - have, 700));
                continue;
            }
            ck_assert(ri_str_is(op.m.subject, sent[i].subject));
            ck_assert(ri_str_is(op.m.reply, sent[i].reply));
            ck_assert(op.m.headers.len == sent[i].header && op.m.data.len == sent[i].data);
            if (!client) ck_assert(ri_str_is(op.sid, sent[i].sid));
            size_t len = op.m.data.len;
            if (len) ck_assert_int_eq(op.m.data.ptr[len - 1], 'a' + (int)(i % 26));
            s += used;
            i++;
        }
        ck_assert_ptr_eq(s, out);
    }
}
END_TEST

START_TEST(test_writers)
{
    char out[200], *end;
#define WROTE(text) ck_assert(ri_str_is((ri_str){out, (size_t)(end - out)}, text))
    end = ri_nats_put_sub(out, RI_STR("a.>"), RI_STR_NONE, 1);
    WROTE("SUB a.> 1\r\n");
    end = ri_nats_put_sub(out, RI_STR("a.b"), RI_STR("workers"), UINT64_MAX);
    WROTE("SUB a.b workers 18446744073709551615\r\n");
    ck_assert((size_t)(end - out) <= RI_NATS_SUB_ROOM(3, 7));
    end = ri_nats_put_unsub(out, 12, 0);
    WROTE("UNSUB 12\r\n");
    end = ri_nats_put_unsub(out, UINT64_MAX, UINT64_MAX);
    WROTE("UNSUB 18446744073709551615 18446744073709551615\r\n");
    ck_assert((size_t)(end - out) <= RI_NATS_UNSUB_ROOM);
    end = ri_nats_put_err(out, RI_STR("Stale Connection"));
    WROTE("-ERR 'Stale Connection'\r\n");
    end = ri_str_put(out, RI_NATS_PONG_LINE);
    WROTE("PONG\r\n");
    ri_nats_line line;
    ri_nats_line_init(&line, RI_STR("a.b"), RI_STR("r"), 12, 88);
    end = ri_nats_put_msg(out, &line, RI_STR("7"));
    WROTE("HMSG a.b 7 r 12 100\r\n");
    end = ri_nats_put_pub(out, RI_STR("a.b"), RI_STR("r"), 12, 88);
    WROTE("HPUB a.b r 12 100\r\n");
    end = ri_nats_put_pub(out, RI_STR("a"), RI_STR_NONE, 0, 0);
    WROTE("PUB a 0\r\n");
    end = ri_nats_put_pub(out, RI_STR("a"), RI_STR("r"), SIZE_MAX - 1, 1);
    WROTE("HPUB a r 18446744073709551614 18446744073709551615\r\n");
    ck_assert((size_t)(end - out) <= RI_NATS_PUB_ROOM(1, 1));
    /* A client's headers may be as long as its payload. */
    ri_nats_line_init(&line, RI_STR("a.b"), RI_STR_NONE, 70000, 30000);
    end = ri_nats_put_msg(out, &line, RI_STR("7"));
    WROTE("HMSG a.b 7 70000 100000\r\n");
#undef WROTE
}
END_TEST

SUITE_MAIN("nats", test_from_client, test_from_server, test_many, test_many_shared,
           test_control_line, test_login_and_headers,
           test_need, test_round_trip, test_writers)
