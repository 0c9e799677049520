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

START_TEST(subscriptions_are_told)
{
    rill_conn_sub subs[4];
    uint64_t total = 0;
    start(NULL);
    ck_assert_int_eq(rill_broker_subs(broker, NULL, subs, 4, &total), 0);
    int a = visit("CONNECT {}\r\nSUB foo.* 1\r\nSUB bar workers x2\r\nUNSUB x2 7");
    int b = visit("CONNECT {}\r\nSUB foo.> 9\r\nPUB foo.1 1\r\nx");
    ck_assert_int_eq(rill_broker_subs(broker, NULL, subs, 4, &total), 3);
    ck_assert_uint_eq(total, 3);
    ck_assert_str_eq(subs[0].subject, "foo.*");
    ck_assert_str_eq(subs[0].queue, "");
    ck_assert_uint_eq(subs[0].msgs, 1);
    ck_assert_str_eq(subs[1].queue, "workers");
    ck_assert_str_eq(subs[1].sid, "x2");
    ck_assert_uint_eq(subs[1].max_msgs, 7);
    ck_assert_uint_eq(subs[2].conn, 2);
    const rill_conn_subs_opts *some = RILL_OPTS(rill_conn_subs_opts, .matches = "foo.1", .skip = 1);
    ck_assert_int_eq(rill_broker_subs(broker, some, subs, 4, &total), 1);
    ck_assert_uint_eq(total, 2);
    ck_assert_str_eq(subs[0].subject, "foo.>");
    some = RILL_OPTS(rill_conn_subs_opts, .conn = 1);
    ck_assert_int_eq(rill_broker_subs(broker, some, subs, 1, &total), 1);
    ck_assert_uint_eq(total, 2);
    ck_assert_int_eq(rill_broker_subs(broker, NULL, NULL, 0, NULL), 0);
    FAILS(rill_broker_subs(NULL, NULL, subs, 4, NULL), RILL_EINVAL);
    FAILS(rill_broker_subs(broker, NULL, NULL, 4, NULL), RILL_EINVAL);
    some = RILL_OPTS(rill_conn_subs_opts, .matches = "foo.*");
    FAILS(rill_broker_subs(broker, some, subs, 4, NULL), RILL_EINVAL);
    close(a);
    close(b);
    OK(rill_broker_close(broker, 1000));
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
    OK(rill_broker_close(broker, 1000));
    start(NULL);
    OK(rill_broker_about(broker, &info));
    ck_assert_str_eq(info.name, info.id);
    OK(rill_broker_close(broker, 1000));
}
END_TEST

START_TEST(connections_are_told_in_order)
{
    enum { COUNT = 10 };
    rill_conn_info conns[COUNT + 1];
    int fds[COUNT];
    start(NULL);
    FAILS(rill_broker_conns(NULL, 0, conns, 1), RILL_EINVAL);
    FAILS(rill_broker_conns(broker, 0, NULL, 1), RILL_EINVAL);
    FAILS(rill_broker_conns(broker, 0, NULL, 0), 0);
    FAILS(rill_broker_conns(broker, 0, conns, 3), 0);
    for (int i = 0; i < COUNT; i++) fds[i] = visit("CONNECT {\"verbose\":false}");
    FAILS(rill_broker_conns(broker, 0, conns, COUNT + 1), COUNT);
    for (int i = 0; i < COUNT; i++) ck_assert_uint_eq(conns[i].id, (uint64_t)i + 1);
    FAILS(rill_broker_conns(broker, 3, conns, 4), 4);
    ck_assert_uint_eq(conns[0].id, 4);
    ck_assert_uint_eq(conns[3].id, 7);
    FAILS(rill_broker_conns(broker, 8, conns, 4), 2);
    FAILS(rill_broker_conns(broker, UINT64_MAX, conns, 4), 0);
    close(fds[4]);
    EVENTUALLY(rill_broker_conns(broker, 0, conns, COUNT + 1) == COUNT - 1);
    ck_assert_uint_eq(conns[4].id, 6);
    for (int i = 0; i < COUNT; i++) {
        if (i != 4) close(fds[i]);
    }
    EVENTUALLY(rill_broker_conns(broker, 0, conns, 1) == 0);
    OK(rill_broker_close(broker, 1000));
}
END_TEST

START_TEST(a_connection_is_told_as_it_is)
{
    rill_conn_info conn;
    start(NULL);
    int fd = visit("CONNECT {\"verbose\":false,\"name\":\"a:b \\u0041\",\"lang\":\"c\","
                   "\"version\":\"1.2.3\",\"user\":\"mallory\"}\r\n"
                   "SUB foo 1\r\nSUB foo 2\r\nPUB foo 3\r\nabc");
    struct sockaddr_in self;
    getsockname(fd, (struct sockaddr *)&self, &(socklen_t){sizeof self});
    char peer[64];
    snprintf(peer, sizeof peer, "127.0.0.1:%d", ntohs(self.sin_port));
    FAILS(rill_broker_conns(broker, 0, &conn, 1), 1);
    ck_assert_str_eq(conn.peer, peer);
    ck_assert_str_eq(conn.name, "a:b A");
    ck_assert_str_eq(conn.lang, "c");
    ck_assert_str_eq(conn.version, "1.2.3");
    ck_assert_str_eq(conn.user, ""); /* nobody asked, so nobody has checked */
    ck_assert_uint_eq(conn.subs, 2);
    ck_assert_uint_eq(conn.in_msgs, 1);
    ck_assert_uint_eq(conn.in_bytes, 3);
    ck_assert_uint_eq(conn.out_msgs, 2);
    ck_assert_uint_eq(conn.out_bytes, 6);
    int64_t now_ns = (int64_t)time(NULL) * 1000000000;
    ck_assert(conn.start_ns > now_ns - 60000000000 && conn.start_ns < now_ns + 60000000000);
    ck_assert(conn.active_ns > now_ns - 60000000000 && conn.active_ns < now_ns + 60000000000);
    close(fd);
    OK(rill_broker_close(broker, 1000));
}
END_TEST

/* Texts that are missing, too long, or hold a 0. */
START_TEST(odd_names_are_cut)
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
    rill_conn_info conn;
    start(NULL);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        char line[256];
        snprintf(line, sizeof line, "CONNECT %s", odd[i][0]);
        int fd = visit(line);
        FAILS(rill_broker_conns(broker, i, &conn, 1), 1);
        ck_assert_str_eq(conn.name, odd[i][1]);
        ck_assert_str_eq(conn.lang, odd[i][2]);
        ck_assert_str_eq(conn.version, odd[i][3]);
        close(fd);
    }
    char line[2048], longest[1500];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    snprintf(line, sizeof line, "CONNECT {\"verbose\":false,\"name\":\"%s\",\"lang\":\"%.99s\"}",
             longest, longest);
    int fd = visit(line);
    FAILS(rill_broker_conns(broker, sizeof odd / sizeof *odd, &conn, 1), 1);
    ck_assert_uint_eq(strlen(conn.name), sizeof conn.name - 1);
    ck_assert_uint_eq(strlen(conn.lang), sizeof conn.lang - 1);
    close(fd);
    OK(rill_broker_close(broker, 1000));
}
END_TEST

START_TEST(who_has_logged_in_is_told)
{
    rill_conn_info conn;
    start(RILL_OPTS(rill_broker_opts, .user = "ivan", .password = "pw"));
    int fd = visit("CONNECT {\"verbose\":false,\"user\":\"ivan\",\"pass\":\"pw\"}");
    FAILS(rill_broker_conns(broker, 0, &conn, 1), 1);
    ck_assert_str_eq(conn.user, "ivan");
    close(fd);
    OK(rill_broker_close(broker, 1000));
}
END_TEST

SUITE_MAIN("conns", a_broker_tells_who_it_is, subscriptions_are_told, connections_are_told_in_order,
           a_connection_is_told_as_it_is, odd_names_are_cut, who_has_logged_in_is_told)
