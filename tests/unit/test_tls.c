/* SPDX-License-Identifier: Apache-2.0 */
/* TLS over a pipe in memory, both ends of it on one loop that the test turns in virtual time. What
 * the two say to each other is random, so that only lengths and sentences are compared. */
#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "net/tls_wire.h"
#include "support/fault.h"
#include "support/pipe.h"
#include "support/scratch.h"
#include "support/suite.h"

#define TLS_DIR GOLDEN_DIR "/tls/"
#define REFUSAL "-ERR 'no'\r\n"

enum { TURNS_MAX = 20000 };

/* One of the two ends, and what its owner has heard. */
typedef struct end {
    ri_wire *wire;
    char got[4096];
    size_t len;
    ssize_t last;      /* what readv() said that was no bytes, and not -EAGAIN */
    char why[RI_ERROR_TEXT_MAX];
    size_t told;
} end;

typedef struct duo {
    fault f;
    ri_memory memory;
    ri_loop loop;
    pipe_pair pipe;
    ri_tls_conf *confs[2]; /* 0: the server's */
    end ends[2];
} duo;

static void duo_on_turn(void *arg)
{
    (void)arg;
}

static void end_on_ready(ri_wire *wire, unsigned what)
{
    end *e = wire->owner;
    e->told++;
    ck_quick(!(what & ~(unsigned)(RI_WIRE_READ | RI_WIRE_WRITE)));
    if (!(what & RI_WIRE_READ) || e->last != -EAGAIN) return;
    struct iovec iov = {e->got + e->len, sizeof e->got - e->len};
    ck_assert(iov.iov_len > 0);
    ssize_t n = wire->ops->readv(wire, &iov, 1);
    if (n > 0) e->len += (size_t)n;
    if (n > 0 || n == -EAGAIN) return;
    e->last = n;
    snprintf(e->why, sizeof e->why, "%s", ri_err_text());
    wire->ops->watch(wire, 0);
}

static const rill_tls server_tls = {.size = sizeof server_tls, .cert_file = TLS_DIR "server.pem",
                                    .key_file = TLS_DIR "server.key"};
static const rill_tls client_tls = {.size = sizeof client_tls, .ca_file = TLS_DIR "ca.pem"};

static void duo_init(duo *d, const rill_tls *server, const rill_tls *client)
{
    *d = (duo){0};
    fault_init(&d->f);
    ri_memory_init(&d->memory);
    ck_assert_ok(ri_loop_init(&d->loop, &d->f.host, duo_on_turn, d));
    d->loop.memory = &d->memory;
    ck_assert_ok(ri_tls_conf_new(&d->confs[0], &d->f.host, server, true));
    ck_assert_ok(ri_tls_conf_new(&d->confs[1], &d->f.host, client, false));
    pipe_init(&d->pipe);
}

/* TLS at one end of the pipe; the other may be the test's. */
static void duo_open(duo *d, int i, const char *name)
{
    const ri_tls_wire_opts opts = {.name = i ? name : NULL, .refusal = i ? NULL : REFUSAL};
    end *e = &d->ends[i];
    *e = (end){.last = -EAGAIN};
    ck_assert_ok(ri_tls_wire_new(&e->wire, d->confs[i], &d->pipe.end[i].wire, &opts));
    ri_wire_attach(e->wire, &d->loop, end_on_ready, e);
    ck_assert_ok(e->wire->ops->watch(e->wire, RI_WIRE_READ));
}

static void duo_open_both(duo *d, const char *name)
{
    duo_open(d, 0, NULL);
    duo_open(d, 1, name);
}

static void duo_close(duo *d, int i)
{
    if (d->ends[i].wire) d->ends[i].wire->ops->close(d->ends[i].wire);
    d->ends[i].wire = NULL;
}

/* Another pair of ends over a pipe of its own, the configurations being kept. */
static void duo_again(duo *d, const char *name)
{
    duo_close(d, 0);
    duo_close(d, 1);
    pipe_fini(&d->pipe);
    pipe_init(&d->pipe);
    duo_open_both(d, name);
}

static void duo_fini(duo *d)
{
    duo_close(d, 0);
    duo_close(d, 1);
    pipe_fini(&d->pipe);
    for (int i = 0; i < 2; i++) ri_tls_conf_unref(d->confs[i]);
    ri_loop_fini(&d->loop);
    for (int i = 0; i < RI_MEMORY_KINDS; i++) ck_assert_uint_eq(ri_memory_used(&d->memory, i), 0);
    fault_fini(&d->f);
}

static const ri_tls_wire *duo_tls(const duo *d, int i)
{
    return ri_tls_wire_of(d->ends[i].wire);
}

static ri_tls_wire_state duo_state(const duo *d, int i)
{
    return ri_tls_wire_state_of(duo_tls(d, i));
}

/* Turns until `condition` holds; time stands still. */
#define DUO_UNTIL(d, condition)                                                       \
    do {                                                                              \
        int turns_ = 0;                                                               \
        while (!(condition)) {                                                        \
            ck_assert_msg(turns_++ < TURNS_MAX, "in vain: %s; %s; %s", #condition,     \
                          (d)->ends[0].why, (d)->ends[1].why);                         \
            ri_loop_turn(&(d)->loop);                                                 \
        }                                                                             \
    } while (0)

/* All that happens without time going on. */
static void duo_settle(duo *d)
{
    int turns = 0;
    do {
        ck_assert_int_lt(turns++, TURNS_MAX);
        ri_loop_turn(&d->loop);
    } while (!ri_list_empty(&d->loop.soon));
}

static void duo_wait_ms(duo *d, int64_t ms)
{
    d->f.now_ns += ms * RI_MS;
    duo_settle(d);
}

static bool duo_is_open(const duo *d)
{
    return duo_state(d, 0) == RI_TLS_OPEN && duo_state(d, 1) == RI_TLS_OPEN;
}

static ssize_t end_put(end *e, const char *bytes, size_t len)
{
    struct iovec iov = {(char *)(uintptr_t)bytes, len};
    return e->wire->ops->writev(e->wire, &iov, 1);
}

static void duo_say(duo *d, int i, const char *text)
{
    end *e = &d->ends[i], *other = &d->ends[!i];
    size_t before = other->len, len = strlen(text);
    for (size_t done = 0; done < len;) {
        ssize_t n = end_put(e, text + done, len - done);
        ck_assert_msg(n > 0 || n == -EAGAIN, "%s", ri_err_text());
        if (n > 0) done += (size_t)n;
        else ri_loop_turn(&d->loop);
    }
    DUO_UNTIL(d, other->len == before + len);
    ck_assert_mem_eq(other->got + before, text, len);
}

/* ---- What goes well ---- */

START_TEST(handshake)
{
    duo d;
    ri_tls_about about[2];
    duo_init(&d, &server_tls, &client_tls);
    duo_open_both(&d, "localhost");
    ck_assert(!ri_tls_wire_about(duo_tls(&d, 0), &about[0]));
    DUO_UNTIL(&d, duo_is_open(&d));
    for (int i = 0; i < 2; i++) ck_assert(ri_tls_wire_about(duo_tls(&d, i), &about[i]));
    ck_assert_str_eq(about[0].version, about[1].version);
    ck_assert(strcmp(about[0].version, "1.2") == 0 || strcmp(about[0].version, "1.3") == 0);
    ck_assert_str_eq(about[0].cipher, about[1].cipher);
    ck_assert_int_eq(strncmp(about[0].cipher, "TLS_", 4), 0);
    ck_assert(!about[0].resumed && !about[1].resumed);
    duo_say(&d, 1, "hello");
    duo_say(&d, 0, "and hello to you");
    ck_assert_int_ne(d.f.supply.bytes, 0);
    duo_fini(&d);
}
END_TEST

/* Each byte alone in both directions, and now and then a call finds nothing. */
START_TEST(byte_by_byte)
{
    duo d;
    duo_init(&d, &server_tls, &client_tls);
    duo_open_both(&d, "localhost");
    for (int i = 0; i < 2; i++) {
        d.pipe.flow[i].step = 1;
        d.pipe.flow[i].room = 3;
    }
    for (int turns = 0; !duo_is_open(&d); turns++) {
        ck_assert_int_lt(turns, TURNS_MAX);
        if (turns % 5 == 0) d.pipe.flow[turns / 5 & 1].refuse = 1;
        ri_loop_turn(&d.loop);
    }
    duo_say(&d, 1, "hello");
    duo_say(&d, 0, "hello");
    duo_fini(&d);
}
END_TEST

/* The handshake and what is said behind it, cut at each byte of either direction: a session that is
 * resumed, so that it does not take long, and, of every 16th byte, one that is not. */
START_TEST(every_cut)
{
    duo d;
    duo_init(&d, &server_tls, &client_tls);
    duo_open_both(&d, "localhost");
    DUO_UNTIL(&d, duo_is_open(&d));
    duo_say(&d, 0, "remember me");
    const size_t step = under_valgrind() ? 7 : 1;
    for (int resume = 1; resume >= 0; resume--) {
        size_t lens[2] = {1, 1};
        for (int i = 0; i < 2; i++) {
            for (size_t cut = 1; cut <= lens[i]; cut += (resume ? 1 : 16) * step) {
                duo_again(&d, resume ? "localhost" : cut & 32 ? "127.0.0.1" : "server.example");
                d.pipe.flow[i].cut = cut;
                DUO_UNTIL(&d, duo_is_open(&d));
                duo_say(&d, 1, "from the client");
                duo_say(&d, 0, "from the server");
                lens[i] = d.pipe.flow[i].passed;
            }
        }
        ck_assert_uint_gt(lens[0], 150);
        ck_assert_uint_gt(lens[1], 150);
    }
    duo_fini(&d);
}
END_TEST

START_TEST(resumed)
{
    duo d;
    ri_tls_about about;
    duo_init(&d, &server_tls, &client_tls);
    for (int i = 0; i < 3; i++) {
        if (i == 0) duo_open_both(&d, "localhost");
        else duo_again(&d, i == 1 ? "localhost" : "127.0.0.1"); /* whose session it is not */
        DUO_UNTIL(&d, duo_is_open(&d));
        duo_say(&d, 0, "hello");
        for (int e = 0; e < 2; e++) {
            ck_assert(ri_tls_wire_about(duo_tls(&d, e), &about));
            ck_assert_int_eq(about.resumed, i == 1);
        }
    }
    duo_fini(&d);
}
END_TEST

/* What is written at once is one record, however many pieces it has; more is several. */
START_TEST(one_record)
{
    static char big[3 * RI_TLS_RECORD];
    duo d;
    duo_init(&d, &server_tls, &client_tls);
    duo_open_both(&d, "localhost");
    DUO_UNTIL(&d, duo_is_open(&d));
    duo_settle(&d);
    struct iovec iov[100];
    for (int i = 0; i < 100; i++) iov[i] = (struct iovec){big, 20};
    pipe_flow *flow = &d.pipe.flow[0];
    ri_wire *wire = d.ends[0].wire;
    ck_assert_uint_eq(flow->len, flow->at);
    ck_assert_int_eq(wire->ops->writev(wire, iov, 100), 2000);
    size_t len = flow->len - flow->at;
    ck_assert_uint_gt(len, 2000);
    ck_assert_uint_lt(len, 2000 + 64);
    ck_assert_int_eq(flow->bytes[flow->at], 23);
    DUO_UNTIL(&d, d.ends[1].len == 2000);
    iov[0] = (struct iovec){big, 10};
    iov[1] = (struct iovec){big, sizeof big - 10};
    ck_assert_int_eq(wire->ops->writev(wire, iov, 2), sizeof big);
    size_t want = sizeof big;
    for (size_t at = flow->at; at < flow->len;) {
        const unsigned char *b = (unsigned char *)flow->bytes + at;
        ck_assert_int_eq(b[0], 23);
        at += 5 + ((size_t)b[3] << 8 | b[4]);
        ck_assert_uint_le(at, flow->len);
        want -= RI_MIN(want, (size_t)RI_TLS_RECORD);
    }
    ck_assert_uint_eq(want, 0);
    duo_fini(&d);
}
END_TEST

/* A reader that takes little holds the writer back, and what is inside stays within its bounds. */
START_TEST(slow_reader)
{
    static char big[1024 * 1024];
    duo d;
    duo_init(&d, &server_tls, &client_tls);
    duo_open_both(&d, "localhost");
    DUO_UNTIL(&d, duo_is_open(&d));
    duo_settle(&d);
    for (size_t i = 0; i < sizeof big; i++) big[i] = (char)(i * 7 + i / 251);
    d.ends[1].wire->ops->watch(d.ends[1].wire, 0);
    d.pipe.flow[0].room = 5000;
    size_t sent = 0, got = 0;
    ri_wire *wire = d.ends[0].wire;
    while (got < sizeof big) {
        struct iovec out = {big + sent, sizeof big - sent};
        ssize_t n = sent < sizeof big ? wire->ops->writev(wire, &out, 1) : -EAGAIN;
        ck_quick(n > 0 || n == -EAGAIN);
        if (n > 0) sent += (size_t)n;
        ck_quick(ri_memory_used(&d.memory, RI_MEMORY_OUTPUT) < RI_TLS_BURST + RI_TLS_RECORD_MAX);
        ck_quick(ri_memory_used(&d.memory, RI_MEMORY_INPUT) <= RI_TLS_RECORD_MAX);
        char back[3000];
        struct iovec in = {back, 1 + sent % sizeof back};
        n = d.ends[1].wire->ops->readv(d.ends[1].wire, &in, 1);
        ck_quick(n == -EAGAIN || (n > 0 && memcmp(back, big + got, (size_t)n) == 0));
        if (n > 0) got += (size_t)n;
        ri_loop_turn(&d.loop);
    }
    ck_assert_uint_eq(ri_memory_used(&d.memory, RI_MEMORY_OUTPUT), 0);
    ck_assert_uint_eq(ri_memory_used(&d.memory, RI_MEMORY_INPUT), 0);
    duo_fini(&d);
}
END_TEST

/* An end that is announced, in either direction, and one that is not. */
START_TEST(ends)
{
    duo d;
    duo_init(&d, &server_tls, &client_tls);
    duo_open_both(&d, "localhost");
    DUO_UNTIL(&d, duo_is_open(&d));
    d.ends[1].wire->ops->shut(d.ends[1].wire);
    DUO_UNTIL(&d, d.ends[0].last != -EAGAIN);
    ck_assert_int_eq(d.ends[0].last, 0);
    duo_say(&d, 0, "last words");
    duo_close(&d, 0);
    DUO_UNTIL(&d, d.ends[1].last != -EAGAIN);
    ck_assert_int_eq(d.ends[1].last, -ECONNABORTED);
    duo_fini(&d);
}
END_TEST

/* ---- Certificates ---- */

typedef struct cert_row {
    const char *cert, *name; /* the server's, and whom the client wants */
    const char *why;         /* what the client says; NULL: all is well */
} cert_row;

static const cert_row cert_rows[] = {
    {"server", "localhost", NULL},
    {"server", "127.0.0.1", NULL},
    {"server", "::1", NULL},
    {"server", "SERVER.example", NULL},
    {"rsa", "localhost", NULL},
    {"chain", "localhost", NULL},
    {"elsewhere", "elsewhere.example", NULL},
    {"elsewhere", "192.0.2.1", NULL},
    {"elsewhere", "localhost",
     "the certificate is of \"elsewhere.example\", and not of \"localhost\""},
    {"elsewhere", "127.0.0.1",
     "the certificate is of \"elsewhere.example\", and not of \"127.0.0.1\""},
    {"expired", "localhost",
     "the certificate of \"server.example\" has expired at 2021-01-01T00:00:00Z"},
    {"future", "localhost",
     "the certificate of \"server.example\" is not valid before 2070-01-01T00:00:00Z"},
    {"stranger", "localhost",
     "the certificate of \"server.example\" was signed by \"other CA\", who is not believed here"},
    {"long", "localhost", "there are more than 8 certificates between"},
};

static void cert_paths(const char *name, char cert[256], char key[256])
{
    snprintf(cert, 256, TLS_DIR "%s.pem", name);
    snprintf(key, 256, TLS_DIR "%s.key", name);
}

START_TEST(server_certs)
{
    const cert_row *row = &cert_rows[_i];
    char cert[256], key[256];
    cert_paths(row->cert, cert, key);
    const rill_tls server = {.size = sizeof server, .cert_file = cert, .key_file = key};
    duo d;
    duo_init(&d, &server, &client_tls);
    duo_open_both(&d, row->name);
    if (!row->why) {
        DUO_UNTIL(&d, duo_is_open(&d));
        duo_say(&d, 0, "hello");
        duo_fini(&d);
        return;
    }
    DUO_UNTIL(&d, d.ends[1].last != -EAGAIN);
    ck_assert_int_eq(d.ends[1].last, -EACCES);
    ck_assert_int_eq(ri_tls_wire_code(duo_tls(&d, 1)), RILL_EAUTH);
    ck_assert_msg(strstr(d.ends[1].why, row->why), "%s", d.ends[1].why);
    duo_close(&d, 1);
    DUO_UNTIL(&d, d.ends[0].last != -EAGAIN);
    ck_assert_msg(strstr(d.ends[0].why, "the other side has ended TLS") ||
                      strstr(d.ends[0].why, "within the handshake"), "%s", d.ends[0].why);
    duo_fini(&d);
}
END_TEST

/* Whoever believes anybody believes all of these. */
START_TEST(insecure)
{
    static const rill_tls client = {.size = sizeof client, .insecure = true};
    const cert_row *row = &cert_rows[_i];
    char cert[256], key[256];
    cert_paths(row->cert, cert, key);
    const rill_tls server = {.size = sizeof server, .cert_file = cert, .key_file = key};
    duo d;
    duo_init(&d, &server, &client);
    duo_open_both(&d, row->name);
    DUO_UNTIL(&d, duo_is_open(&d));
    duo_say(&d, 1, "hello");
    duo_fini(&d);
}
END_TEST

START_TEST(client_certs)
{
    static const struct {
        const char *cert, *why; /* what the server says */
    } rows[] = {
        {"client", NULL},
        {"server", NULL}, /* is for both */
        {NULL, "no certificate was shown"},
        {"stranger", "was signed by \"other CA\", who is not believed here"},
        {"expired", "has expired at 2021-01-01T00:00:00Z"},
    };
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        char cert[256], key[256];
        cert_paths(rows[i].cert ? rows[i].cert : "", cert, key);
        rill_tls server = server_tls, client = client_tls;
        server.verify_peer = true;
        server.ca_file = TLS_DIR "ca.pem";
        if (rows[i].cert) client.cert_file = cert;
        if (rows[i].cert) client.key_file = key;
        duo d;
        duo_init(&d, &server, &client);
        duo_open_both(&d, "localhost");
        if (!rows[i].why) {
            DUO_UNTIL(&d, duo_is_open(&d));
            duo_say(&d, 1, "hello");
            duo_say(&d, 0, "hello");
            duo_again(&d, "localhost"); /* a session that was verified may be resumed */
            DUO_UNTIL(&d, duo_is_open(&d));
        } else {
            DUO_UNTIL(&d, d.ends[0].last != -EAGAIN && d.ends[1].last != -EAGAIN);
            ck_assert_int_eq(ri_tls_wire_code(duo_tls(&d, 0)), RILL_EAUTH);
            ck_assert_msg(strstr(d.ends[0].why, rows[i].why), "%s", d.ends[0].why);
            ck_assert_msg(strstr(d.ends[1].why, "the other side has ended TLS"), "%s",
                          d.ends[1].why);
        }
        duo_fini(&d);
    }
}
END_TEST

/* Who stands between a server and whom everybody believes may be the one who is believed. */
START_TEST(believed_between)
{
    char pem[8192];
    char *between = strstr(scratch_read(TLS_DIR "chain.pem", pem, sizeof pem) + 1, "-----BEGIN");
    ck_assert_ptr_nonnull(between);
    const rill_tls server = {.size = sizeof server, .cert_file = TLS_DIR "chain.pem",
                             .key_file = TLS_DIR "chain.key"};
    const rill_tls client = {.size = sizeof client, .ca_pem = between};
    duo d;
    duo_init(&d, &server, &client);
    duo_open_both(&d, "localhost");
    DUO_UNTIL(&d, duo_is_open(&d));
    duo_say(&d, 0, "hello");
    duo_fini(&d);
}
END_TEST

/* What a library has come across before it gave its verdict does not stand in the verdict's place:
 * here names that cannot be read, of a CA. A library that does not take such a chain at all has
 * nothing to say. */
START_TEST(verdict_behind_errors)
{
    const rill_tls server = {.size = sizeof server, .cert_file = TLS_DIR "odd.pem",
                             .key_file = TLS_DIR "odd.key"};
    if (ri_tls_library() == &ri_tls_mbedtls) return; /* test_tls_conf.c has its answer */
    duo d;
    duo_init(&d, &server, &client_tls);
    duo_open_both(&d, "localhost");
    DUO_UNTIL(&d, d.ends[1].last != -EAGAIN);
    ck_assert_msg(strstr(d.ends[1].why, "the certificate of \"server.example\" was signed by \"odd "
                         "CA\", who is not believed here"), "%s", d.ends[1].why);
    ck_assert_int_eq(ri_tls_wire_code(duo_tls(&d, 1)), RILL_EAUTH);
    duo_fini(&d);
}
END_TEST

/* A server's hello of TLS 1.2, and in place of a certificate bytes that are none: the library has
 * failed for a reason that is neither an alert of the other side nor a verdict. */
START_TEST(no_certificate)
{
    static const char hello[] = "\x16\x03\x03\x00\x31\x02\x00\x00\x2d\x03\x03"
                                "0123456789abcdef0123456789abcdef"
                                "\x00\xc0\x2b\x00\x00\x05\xff\x01\x00\x01\x00";
    static const char cert[] = "\x16\x03\x03\x00\x12\x0b\x00\x00\x0e\x00\x00\x0b"
                               "\x00\x00\x08not one!";
    duo d;
    duo_init(&d, &server_tls, &client_tls);
    duo_open(&d, 1, "localhost");
    duo_settle(&d);
    pipe_put(&d.pipe.end[0], hello, sizeof hello - 1);
    pipe_put(&d.pipe.end[0], cert, sizeof cert - 1);
    DUO_UNTIL(&d, d.ends[1].last != -EAGAIN);
    ck_assert_int_eq(d.ends[1].last, -EPROTO);
    ck_assert_msg(strstr(d.ends[1].why, "TLS has failed (mbedTLS -0x") ||
                      strstr(d.ends[1].why, "TLS has failed (OpenSSL: "), "%s", d.ends[1].why);
    duo_fini(&d);
}
END_TEST

/* One cipher that both have, and none. */
START_TEST(ciphers)
{
    static const char *const names[] = {
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"};
    for (size_t i = 0; i < RI_LEN(names); i++) {
        rill_tls server = server_tls, client = client_tls;
        server.ciphers = names[i];
        duo d;
        ri_tls_about about;
        duo_init(&d, &server, &client);
        duo_open_both(&d, "localhost");
        DUO_UNTIL(&d, duo_is_open(&d));
        ck_assert(ri_tls_wire_about(duo_tls(&d, 1), &about));
        if (strcmp(about.version, "1.2") == 0) ck_assert_str_eq(about.cipher, names[i]);
        duo_fini(&d);
    }
    rill_tls server = server_tls, client = client_tls;
    server.ciphers = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"; /* its key is none of RSA */
    duo d;
    duo_init(&d, &server, &client);
    duo_open_both(&d, "localhost");
    for (int turns = 0; turns < 200 && d.ends[0].last == -EAGAIN && !duo_is_open(&d); turns++)
        ri_loop_turn(&d.loop);
    if (!duo_is_open(&d)) { /* TLS 1.3 has other ciphers */
        ck_assert_msg(strstr(d.ends[0].why, "no cipher that both sides have"), "%s", d.ends[0].why);
        DUO_UNTIL(&d, d.ends[1].last != -EAGAIN);
        ck_assert_msg(strstr(d.ends[1].why, "no cipher that both sides have"), "%s", d.ends[1].why);
    }
    duo_fini(&d);
}
END_TEST

/* ---- What goes wrong on the way ---- */

/* Who speaks no TLS is answered in words that it knows, and nothing of what it said is repeated. */
START_TEST(plain_client)
{
    static const char *const says[] = {"CONNECT {\"pass\":\"secret\"}\r\n", "\x80\x2e\x01\x03",
                                       "\x16\x02", "\x16\x03\x09", "\x16\x03\x01\x60", "\r\n"};
    for (size_t i = 0; i < RI_LEN(says); i++) {
        duo d;
        char back[64];
        duo_init(&d, &server_tls, &client_tls);
        duo_open(&d, 0, NULL);
        pipe_put(&d.pipe.end[1], says[i], strlen(says[i]));
        if (i == 4) pipe_put(&d.pipe.end[1], "\x60", 1);
        DUO_UNTIL(&d, d.ends[0].last != -EAGAIN);
        ck_assert_int_eq(d.ends[0].last, -EPROTO);
        ck_assert_str_eq(d.ends[0].why, "a client speaks no TLS, which is wanted here");
        size_t n = pipe_get(&d.pipe.end[1], back, sizeof back);
        ck_assert(n == strlen(REFUSAL) && memcmp(back, REFUSAL, n) == 0);
        duo_fini(&d);
    }
}
END_TEST

START_TEST(plain_server)
{
    duo d;
    duo_init(&d, &server_tls, &client_tls);
    duo_open(&d, 1, "localhost");
    duo_settle(&d);
    pipe_put(&d.pipe.end[0], "INFO {}\r\n", 9);
    DUO_UNTIL(&d, d.ends[1].last != -EAGAIN);
    ck_assert_int_eq(d.ends[1].last, -EPROTO);
    ck_assert_str_eq(d.ends[1].why, "the server speaks no TLS");
    duo_fini(&d);
}
END_TEST

/* Nothing; a byte of a hello each 100 ms; and a client that stops within the handshake: each is
 * given up when the time is up, and not before. */
START_TEST(too_slow)
{
    for (int how = 0; how < 3; how++) {
        rill_tls server = server_tls;
        server.timeout_ms = 1500;
        duo d;
        duo_init(&d, &server, &client_tls);
        duo_open(&d, 0, NULL);
        if (how == 2) {
            duo_open(&d, 1, "localhost");
            DUO_UNTIL(&d, duo_state(&d, 0) == RI_TLS_SHAKING);
            d.pipe.flow[1].room = 0;
        }
        duo_settle(&d);
        size_t live = d.f.supply.bytes;
        for (int i = 0; i < 15; i++) {
            ck_assert_int_eq(d.ends[0].last, -EAGAIN);
            if (how == 1) pipe_put(&d.pipe.end[1], &"\x16\x03\x01\x10\x00"[RI_MIN(i, 4)], 1);
            duo_wait_ms(&d, 100);
        }
        ck_assert_int_eq(d.ends[0].last, -ETIMEDOUT);
        ck_assert_str_eq(d.ends[0].why, "TLS handshake timeout: it was not done in 1500 ms");
        if (how < 2) ck_assert_uint_lt(d.f.supply.bytes, live + 1024);
        duo_fini(&d);
    }
}
END_TEST

/* A client that never comes to an end of its hello is given up behind so many bytes. */
START_TEST(too_long)
{
    duo d;
    char record[5 + 16384] = "\x16\x03\x01\x40\x00\x01\x00\xff\xff"; /* a hello of 65535 bytes */
    duo_init(&d, &server_tls, &client_tls);
    duo_open(&d, 0, NULL);
    d.pipe.flow[1].room = 1 << 20;
    for (int i = 0; i < 12; i++) {
        memset(record + 5, i ? 'x' : 0, 4);
        if (i == 0) memcpy(record + 5, "\x01\x00\xff\xff\x03\x03", 6);
        pipe_put(&d.pipe.end[1], record, sizeof record);
    }
    DUO_UNTIL(&d, d.ends[0].last != -EAGAIN);
    ck_assert_int_eq(d.ends[0].last, -EPROTO);
    duo_fini(&d);
}
END_TEST

/* The connection ends in the middle of the handshake, on either side. */
START_TEST(cut_short)
{
    for (int i = 0; i < 2; i++) {
        duo d;
        duo_init(&d, &server_tls, &client_tls);
        duo_open_both(&d, "localhost");
        DUO_UNTIL(&d, duo_state(&d, 0) == RI_TLS_SHAKING);
        duo_close(&d, !i);
        DUO_UNTIL(&d, d.ends[i].last != -EAGAIN);
        ck_assert_msg(strstr(d.ends[i].why, "handshake") || strstr(d.ends[i].why, "a pipe") ||
                          strstr(d.ends[i].why, "was cut"), "%s", d.ends[i].why);
        duo_fini(&d);
    }
    duo d;
    duo_init(&d, &server_tls, &client_tls);
    duo_open(&d, 0, NULL);
    pipe_put(&d.pipe.end[1], "\x16\x03", 2);
    d.pipe.end[1].wire.ops->close(&d.pipe.end[1].wire);
    DUO_UNTIL(&d, d.ends[0].last != -EAGAIN);
    ck_assert_str_eq(d.ends[0].why, "the client has ended the connection before its handshake");
    duo_fini(&d);
}
END_TEST

/* Take the records that are under way out of a flow. */
static size_t flow_take(pipe_flow *flow, char *out, size_t room)
{
    size_t n = flow->len - flow->at;
    ck_assert_uint_le(n, room);
    memcpy(out, flow->bytes + flow->at, n);
    flow->at = flow->len = 0;
    return n;
}

/* A record that is changed in any byte, one that comes twice, and two in the wrong order. */
START_TEST(bad_records)
{
    for (int how = 0; how < 10; how++) {
        duo d;
        char first[256], second[256];
        duo_init(&d, &server_tls, &client_tls);
        duo_open_both(&d, "localhost");
        DUO_UNTIL(&d, duo_is_open(&d));
        duo_say(&d, 1, "so far so good");
        duo_settle(&d);
        pipe_flow *flow = &d.pipe.flow[1];
        ck_assert_int_eq(end_put(&d.ends[1], "first", 5), 5);
        size_t n = flow_take(flow, first, sizeof first);
        ck_assert_int_eq(end_put(&d.ends[1], "second", 6), 6);
        size_t m = flow_take(flow, second, sizeof second);
        size_t before = d.ends[0].len;
        if (how < 8) first[how < 3 ? how : how == 7 ? (int)n - 1 : how * 2] ^= 0x55;
        if (how == 9) {
            pipe_put(&d.pipe.end[1], second, m);
        } else {
            pipe_put(&d.pipe.end[1], first, n);
            if (how == 8) pipe_put(&d.pipe.end[1], first, n);
        }
        DUO_UNTIL(&d, d.ends[0].last != -EAGAIN);
        ck_assert_int_eq(d.ends[0].last, -EPROTO);
        ck_assert_uint_eq(d.ends[0].len, before + (how == 8 ? 5 : 0));
        ck_assert_msg(strstr(d.ends[0].why, "TLS"), "%s", d.ends[0].why);
        DUO_UNTIL(&d, d.ends[1].last != -EAGAIN);
        ck_assert_msg(strstr(d.ends[1].why, "the other side has ended TLS"), "%s", d.ends[1].why);
        duo_fini(&d);
    }
}
END_TEST

/* ---- Slots ---- */

enum { CROWD = 5 };

typedef struct crowd {
    duo d;       /* the servers' loop, and the configurations */
    ri_loop far; /* the clients' */
    pipe_pair pipes[CROWD];
    end servers[CROWD], clients[CROWD];
} crowd;

static void crowd_open(crowd *c, end *e, int i, bool server)
{
    const ri_tls_wire_opts opts = {.name = server ? NULL : "localhost"};
    *e = (end){.last = -EAGAIN};
    ck_assert_ok(ri_tls_wire_new(&e->wire, c->d.confs[!server], &c->pipes[i].end[!server].wire,
                                 &opts));
    ri_wire_attach(e->wire, server ? &c->d.loop : &c->far, end_on_ready, e);
    ck_assert_ok(e->wire->ops->watch(e->wire, RI_WIRE_READ));
}

static void crowd_settle(crowd *c)
{
    do {
        duo_settle(&c->d);
        ri_loop_turn(&c->far);
    } while (!ri_list_empty(&c->far.soon) || !ri_list_empty(&c->d.loop.soon));
}

static int crowd_count(const crowd *c, ri_tls_wire_state state)
{
    int n = 0;
    for (int i = 0; i < CROWD; i++)
        n += ri_tls_wire_state_of(ri_tls_wire_of(c->servers[i].wire)) == state;
    return n;
}

/* Who waits for its peer and keeps others waiting goes; who has said nothing has no slot. */
START_TEST(slots)
{
    crowd c = {0};
    rill_tls server = server_tls;
    server.timeout_ms = 5000;
    duo_init(&c.d, &server, &client_tls);
    ck_assert_ok(ri_loop_init(&c.far, &c.d.f.host, duo_on_turn, NULL));
    ck_assert_ok(ri_tls_wire_set_slots(&c.d.loop, 2));
    for (int i = 0; i < CROWD; i++) {
        pipe_init(&c.pipes[i]);
        crowd_open(&c, &c.servers[i], i, true);
    }
    crowd_settle(&c);
    ck_assert_int_eq(crowd_count(&c, RI_TLS_HELLO), CROWD);
    for (int i = 0; i < CROWD; i++) crowd_open(&c, &c.clients[i], i, false);
    for (int i = 0; i < 10; i++) ri_loop_turn(&c.far);
    for (int i = 0; i < CROWD; i++) c.pipes[i].flow[1].room = 0; /* after its hello none goes on */
    crowd_settle(&c);
    ck_assert_int_eq(crowd_count(&c, RI_TLS_SHAKING), 2);
    ck_assert_int_eq(crowd_count(&c, RI_TLS_QUEUED), CROWD - 2);
    c.d.f.now_ns += (RI_TLS_PATIENCE_MS - 1) * RI_MS;
    crowd_settle(&c);
    ck_assert_int_eq(crowd_count(&c, RI_TLS_BROKEN), 0);
    c.d.f.now_ns += RI_MS;
    crowd_settle(&c);
    ck_assert_int_eq(crowd_count(&c, RI_TLS_BROKEN), 2);
    ck_assert_int_eq(crowd_count(&c, RI_TLS_SHAKING), 2);
    ck_assert_str_eq(c.servers[0].why,
                     "TLS handshake timeout: nothing came for 500 ms while others waited");
    for (int i = 0; i < CROWD; i++) c.pipes[i].flow[1].room = 65536;
    for (int i = 0; i < CROWD; i++) c.clients[i].wire->ops->watch(c.clients[i].wire, RI_WIRE_READ);
    for (int i = 0; i < 1000 && crowd_count(&c, RI_TLS_OPEN) < 3; i++) crowd_settle(&c);
    ck_assert_int_eq(crowd_count(&c, RI_TLS_OPEN), 3);
    for (int i = 0; i < CROWD; i++) {
        c.servers[i].wire->ops->close(c.servers[i].wire);
        c.clients[i].wire->ops->close(c.clients[i].wire);
        pipe_fini(&c.pipes[i]);
    }
    ri_loop_fini(&c.far);
    duo_fini(&c.d);
}
END_TEST

/* The pipe takes some bytes of the handshake, and for the rest, which has to be kept, there is no
 * memory: the wire is broken then, and not one that only hears. */
static int short_of_memory(fault *f, void *arg)
{
    (void)arg;
    size_t fail_at = f->supply.fail_at;
    duo d;
    duo_init(&d, &server_tls, &client_tls);
    duo_open_both(&d, "localhost");
    d.pipe.flow[0].room = 64;
    d.f.supply.fail_at = d.f.supply.calls + fail_at;
    DUO_UNTIL(&d, duo_is_open(&d) || d.ends[0].last != -EAGAIN || d.ends[1].last != -EAGAIN);
    bool hit = d.f.supply.failed > 0;
    int rc = duo_is_open(&d) ? RILL_OK : RILL_ENOMEM;
    d.f.supply.fail_at = 0;
    if (rc == RILL_OK) duo_say(&d, 0, "hello");
    f->supply.failed += hit;
    duo_fini(&d);
    return rc;
}

START_TEST(no_memory)
{
    ck_assert_uint_gt(fault_each(short_of_memory, NULL), 2);
}
END_TEST

/* A library that answers whatever it reads, as one does that is asked for new keys. */
static int chatty_read(ri_tls *tls, ri_tls_io *io, void *buf, size_t len)
{
    static const char answer[8192];
    int n = ri_tls_library()->read(tls, io, buf, len);
    if (n > 0) ck_quick(ri_tls_io_put(io, answer, sizeof answer) == sizeof answer);
    return n;
}

/* Who asks for answers and reads none of them loses the connection, when they have become too many
 * to be kept: it is not as if the wire below had ended. */
START_TEST(asks_and_reads_nothing)
{
    duo d;
    ri_tls_ops chatty = *ri_tls_library();
    chatty.read = chatty_read;
    duo_init(&d, &server_tls, &client_tls);
    d.confs[0]->library = &chatty;
    duo_open_both(&d, "localhost");
    DUO_UNTIL(&d, duo_is_open(&d));
    duo_settle(&d);
    d.pipe.flow[0].room = 0;
    for (int i = 0; i < 100 && d.ends[0].last == -EAGAIN; i++) {
        ck_assert_int_eq(end_put(&d.ends[1], "and?", 4), 4);
        duo_settle(&d);
    }
    ck_assert_int_eq(d.ends[0].last, -EPROTO);
    ck_assert_str_eq(d.ends[0].why, "the other side asks for answers and does not read them");
    ck_assert_int_eq(duo_state(&d, 0), RI_TLS_BROKEN);
    duo_fini(&d);
}
END_TEST

/* A budget without room for a connection refuses it, with a sentence. */
START_TEST(no_room)
{
    duo d;
    duo_init(&d, &server_tls, &client_tls);
    ri_memory_set_limit(&d.memory, 1);
    duo_open(&d, 1, "localhost");
    DUO_UNTIL(&d, d.ends[1].last != -EAGAIN);
    ck_assert_int_eq(d.ends[1].last, -ENOMEM);
    ck_assert_str_eq(d.ends[1].why, "the memory budget has no room for a TLS connection");
    duo_fini(&d);
}
END_TEST

SUITE_MAIN_ROWS("tls",
                SUITE_ONCE(handshake, byte_by_byte, every_cut, resumed, one_record, slow_reader,
                           ends, client_certs, ciphers, plain_client,
                           plain_server, too_slow, too_long, cut_short, bad_records, slots, no_room,
                           no_memory, asks_and_reads_nothing, believed_between,
                           verdict_behind_errors, no_certificate),
                SUITE_EACH(RI_LEN(cert_rows), server_certs, insecure))
