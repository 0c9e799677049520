/* SPDX-License-Identifier: Apache-2.0 */
/* What a broker tells of itself and of its connections. */
#include "listening.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/peer.h"

/* A connection that has said these lines and PING, and has had its PONG. */
static int visit(const char *lines)
{
    peer p;
    peer_visit(&p, port);
    peer_send(&p, lines);
    peer_send(&p, "\r\nPING\r\n");
    ck_assert(peer_hear(&p, "PONG\r\n"));
    return p.fd;
}

/* What was told, as long as there was room. */
typedef struct roll {
    int n, room;
    rill_conn_info conns[16];
    rill_conn_sub subs[4];
    char texts[16][3][1600];
} roll;

static roll *seen(int room)
{
    static roll r;
    r = (roll){.room = room};
    return &r;
}

static const char *keep(char *to, const char *text)
{
    ck_assert_uint_lt(strlen(text), sizeof ((roll *)0)->texts[0][0]);
    return strcpy(to, text);
}

static int see_sub(const rill_conn_sub *sub, void *arg)
{
    roll *r = arg;
    rill_conn_sub *to = &r->subs[r->n];
    *to = *sub;
    to->subject = keep(r->texts[r->n][0], sub->subject);
    to->queue = keep(r->texts[r->n][1], sub->queue);
    to->sid = keep(r->texts[r->n][2], sub->sid);
    return ++r->n == r->room;
}

static int see_conn(const rill_conn_info *conn, void *arg)
{
    roll *r = arg;
    r->conns[r->n] = *conn;
    return ++r->n == r->room;
}

static int subs_of(const rill_conn_subs_opts *opts, roll *r, uint64_t *total)
{
    int n = rill_broker_subs(broker, opts, see_sub, r, total);
    if (n >= 0) ck_assert_int_eq(n, r->n);
    return n;
}

static int conns_after(uint64_t after, roll *r)
{
    return rill_broker_conns(broker, RILL_OPTS(rill_conns_opts, .after = after), see_conn, r);
}

START_TEST(subscriptions_are_told)
{
    uint64_t total = 0;
    roll *r = seen(4);
    const rill_conn_sub *subs = r->subs;
    start(NULL);
    ck_assert_int_eq(subs_of(NULL, r, &total), 0);
    int a = visit("CONNECT {}\r\nSUB foo.* 1\r\nSUB bar workers x2\r\nUNSUB x2 7");
    int b = visit("CONNECT {}\r\nSUB foo.> 9\r\nPUB foo.1 1\r\nx");
    ck_assert_int_eq(subs_of(NULL, seen(4), &total), 3);
    ck_assert_uint_eq(total, 3);
    ck_assert_str_eq(subs[0].subject, "foo.*");
    ck_assert_str_eq(subs[0].queue, "");
    ck_assert_uint_eq(subs[0].msgs, 1);
    ck_assert_str_eq(subs[1].queue, "workers");
    ck_assert_str_eq(subs[1].sid, "x2");
    ck_assert_uint_eq(subs[1].max_msgs, 7);
    ck_assert_uint_eq(subs[2].conn, 2);
    const rill_conn_subs_opts *some = RILL_OPTS(rill_conn_subs_opts, .matches = "foo.1", .skip = 1);
    ck_assert_int_eq(subs_of(some, seen(4), &total), 1);
    ck_assert_uint_eq(total, 2);
    ck_assert_str_eq(subs[0].subject, "foo.>");
    some = RILL_OPTS(rill_conn_subs_opts, .conn = 1, .max = 1);
    ck_assert_int_eq(subs_of(some, seen(4), &total), 1);
    ck_assert_uint_eq(total, 2);
    for (uint64_t skip = 0; skip < 4; skip++) { /* those before and behind are counted */
        some = RILL_OPTS(rill_conn_subs_opts, .skip = skip, .max = 1);
        ck_assert_int_eq(subs_of(some, seen(4), &total), skip < 3);
        ck_assert_uint_eq(total, 3);
        if (skip < 3) ck_assert_str_eq(subs[0].sid, skip == 0 ? "1" : skip == 1 ? "x2" : "9");
    }
    ck_assert_int_eq(subs_of(NULL, seen(2), NULL), 2); /* its function wants no more */
    FAILS(rill_broker_subs(NULL, NULL, see_sub, r, NULL), RILL_EINVAL);
    FAILS(rill_broker_subs(broker, NULL, NULL, NULL, NULL), RILL_EINVAL);
    some = RILL_OPTS(rill_conn_subs_opts, .matches = "foo.*");
    FAILS(subs_of(some, seen(4), NULL), RILL_EINVAL);
    close(a);
    close(b);
    OK(rill_broker_close(broker, 20000));
}
END_TEST

START_TEST(a_broker_tells_who_it_is)
{
    rill_broker_info info = {.size = sizeof info};
    start(RILL_OPTS(rill_broker_opts, .name = "north", .version = "2.13.1"));
    OK(rill_broker_about(broker, &info));
    ck_assert_str_eq(info.name, "north");
    ck_assert_str_eq(info.version, "2.13.1");
    ck_assert_uint_eq(strlen(info.id), 56);
    ck_assert_int_eq(info.id[0], 'N');
    FAILS(rill_broker_about(NULL, &info), RILL_EINVAL);
    FAILS(rill_broker_about(broker, NULL), RILL_EINVAL);
    FAILS(rill_broker_about(broker, &(rill_broker_info){.size = 1}), RILL_EINVAL);
    OK(rill_broker_close(broker, 20000));
    start(NULL);
    OK(rill_broker_about(broker, &info));
    ck_assert_str_eq(info.name, info.id);
    OK(rill_broker_close(broker, 20000));
}
END_TEST

START_TEST(connections_are_told_in_order)
{
    enum { COUNT = 10 };
    roll *r = seen(16);
    const rill_conn_info *conns = r->conns;
    int fds[COUNT];
    start(NULL);
    FAILS(rill_broker_conns(NULL, NULL, see_conn, r), RILL_EINVAL);
    FAILS(rill_broker_conns(broker, NULL, NULL, NULL), RILL_EINVAL);
    ck_assert_int_eq(rill_broker_conns(broker, NULL, see_conn, r), 0);
    for (int i = 0; i < COUNT; i++) fds[i] = visit("CONNECT {\"verbose\":false}");
    ck_assert_int_eq(rill_broker_conns(broker, NULL, see_conn, seen(16)), COUNT);
    for (int i = 0; i < COUNT; i++) ck_assert_uint_eq(conns[i].id, (uint64_t)i + 1);
    ck_assert_int_eq(conns_after(3, seen(4)), 4);
    ck_assert_uint_eq(conns[0].id, 4);
    ck_assert_uint_eq(conns[3].id, 7);
    ck_assert_int_eq(conns_after(8, seen(4)), 2);
    ck_assert_int_eq(conns_after(UINT64_MAX, seen(4)), 0);
    close(fds[4]);
    EVENTUALLY(conns_after(0, seen(16)) == COUNT - 1);
    ck_assert_uint_eq(conns[4].id, 6);
    for (int i = 0; i < COUNT; i++) {
        if (i != 4) close(fds[i]);
    }
    EVENTUALLY(conns_after(0, seen(16)) == 0);
    OK(rill_broker_close(broker, 20000));
}
END_TEST

static int count_conn(const rill_conn_info *conn, void *arg)
{
    uint64_t *last = arg;
    rill_stats stats = {.size = sizeof stats};
    ck_assert_uint_eq(conn->id, *last + 1);
    ck_assert_uint_eq(strlen(conn->name), 200);
    OK(rill_broker_stats(broker, &stats)); /* it may call rill */
    *last = conn->id;
    return 0;
}

/* More than are copied at a time, with names of any length. */
START_TEST(many_connections_are_told)
{
    enum { COUNT = 600 };
    static int fds[COUNT];
    char line[256], name[201];
    uint64_t last = 0;
    memset(name, 'n', 200);
    name[200] = 0;
    snprintf(line, sizeof line, "CONNECT {\"verbose\":false,\"name\":\"%s\"}", name);
    start(NULL);
    for (int i = 0; i < COUNT; i++) fds[i] = visit(line);
    ck_assert_int_eq(rill_broker_conns(broker, NULL, count_conn, &last), COUNT);
    for (int i = 0; i < COUNT; i++) close(fds[i]);
    OK(rill_broker_close(broker, 20000));
}
END_TEST

typedef struct told {
    rill_conn_info conn;
    char peer[64], user[64], name[1600], lang[128], version[64];
} told;

static int tell_one(const rill_conn_info *conn, void *arg)
{
    told *t = arg;
    t->conn = *conn;
    snprintf(t->peer, sizeof t->peer, "%s", conn->peer);
    snprintf(t->user, sizeof t->user, "%s", conn->user);
    snprintf(t->name, sizeof t->name, "%s", conn->name);
    snprintf(t->lang, sizeof t->lang, "%s", conn->lang);
    snprintf(t->version, sizeof t->version, "%s", conn->version);
    return 1;
}

static told tell_after(uint64_t after)
{
    told t = {0};
    ck_assert_int_eq(rill_broker_conns(broker, RILL_OPTS(rill_conns_opts, .after = after), tell_one,
                                       &t), 1);
    return t;
}

START_TEST(a_connection_is_told_as_it_is)
{
    start(NULL);
    int fd = visit("CONNECT {\"verbose\":false,\"name\":\"a:b \\u0041\",\"lang\":\"c\","
                   "\"version\":\"1.2.3\",\"user\":\"mallory\"}\r\n"
                   "SUB foo 1\r\nSUB foo 2\r\nPUB foo 3\r\nabc");
    struct sockaddr_in self;
    getsockname(fd, (struct sockaddr *)&self, &(socklen_t){sizeof self});
    char peer[64];
    snprintf(peer, sizeof peer, "127.0.0.1:%d", ntohs(self.sin_port));
    told t = tell_after(0);
    rill_conn_info conn = t.conn;
    ck_assert_str_eq(t.peer, peer);
    ck_assert_str_eq(t.name, "a:b A");
    ck_assert_str_eq(t.lang, "c");
    ck_assert_str_eq(t.version, "1.2.3");
    ck_assert_str_eq(t.user, ""); /* nobody asked, so nobody has checked */
    ck_assert_uint_eq(conn.subs, 2);
    ck_assert_uint_eq(conn.in_msgs, 1);
    ck_assert_uint_eq(conn.in_bytes, 3);
    ck_assert_uint_eq(conn.out_msgs, 2);
    ck_assert_uint_eq(conn.out_bytes, 6);
    int64_t now_ns = (int64_t)time(NULL) * 1000000000;
    ck_assert(conn.start_ns > now_ns - 60000000000 && conn.start_ns < now_ns + 60000000000);
    ck_assert(conn.active_ns > now_ns - 60000000000 && conn.active_ns < now_ns + 60000000000);
    close(fd);
    OK(rill_broker_close(broker, 20000));
}
END_TEST

/* Texts that are missing, long, or hold a 0. */
START_TEST(odd_names_are_told)
{
    static const char *const odd[][4] = {
        {"{\"verbose\":false}", "", "", ""},
        {"{\"verbose\":false,\"name\":\"n\"}", "n", "", ""},
        {"{\"verbose\":false,\"lang\":\"l\"}", "", "l", ""},
        {"{\"verbose\":false,\"version\":\"v\",\"lang\":\"l\"}", "", "l", "v"},
        {"{\"verbose\":false,\"version\":\"1\\u00002\",\"lang\":\"\\u0000\","
         "\"name\":\"n\\u0000m\"}",
         "n", "", "1"},
        {"{\"verbose\":false,\"name\":\"\\u0000\",\"lang\":\"l\"}", "", "l", ""},
    };
    start(NULL);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        char line[256];
        snprintf(line, sizeof line, "CONNECT %s", odd[i][0]);
        int fd = visit(line);
        told t = tell_after(i);
        ck_assert_str_eq(t.name, odd[i][1]);
        ck_assert_str_eq(t.lang, odd[i][2]);
        ck_assert_str_eq(t.version, odd[i][3]);
        close(fd);
    }
    char line[2048], longest[1500];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    snprintf(line, sizeof line, "CONNECT {\"verbose\":false,\"name\":\"%s\",\"lang\":\"%.99s\"}",
             longest, longest);
    int fd = visit(line);
    told t = tell_after(sizeof odd / sizeof *odd);
    ck_assert_uint_gt(strlen(t.name), 128);
    ck_assert_uint_eq(strlen(t.lang), 64);
    close(fd);
    OK(rill_broker_close(broker, 20000));
}
END_TEST

START_TEST(who_has_logged_in_is_told)
{
    start(RILL_OPTS(rill_broker_opts, .user = "ivan", .password = "pw"));
    int fd = visit("CONNECT {\"verbose\":false,\"user\":\"ivan\",\"pass\":\"pw\"}");
    ck_assert_str_eq(tell_after(0).user, "ivan");
    close(fd);
    OK(rill_broker_close(broker, 20000));
}
END_TEST

SUITE_MAIN("conns", a_broker_tells_who_it_is, subscriptions_are_told, connections_are_told_in_order,
           many_connections_are_told, a_connection_is_told_as_it_is, odd_names_are_told,
           who_has_logged_in_is_told)
