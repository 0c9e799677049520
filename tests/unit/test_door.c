/* SPDX-License-Identifier: Apache-2.0 */
/* Two doors of different kinds at one broker: the NATS door over sockets, and the door of
 * support/line_door.h. What goes in by one comes out of the other, and what is asked of the broker
 * is asked of both. */
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "front/broker/durable.h"
#include "front/nats/nats_server.h"
#include "support/line_door.h"
#include "support/peer.h"
#include "support/suite.h"

enum { WAIT_MS = 20000 };

static const ri_door_ops *const kinds[] = {&ri_nats_door, &line_door, NULL};

typedef struct house {
    rill_broker *broker;
    ri_broker *inside; /* the same one */
    ri_door *lines;
    int port;
} house;

static const rill_listen_opts plain = {.size = sizeof plain};

static house house_open(const rill_broker_opts *opts)
{
    house h;
    ck_assert_ok(rill_broker_open(&h.broker, opts));
    h.inside = (ri_broker *)(void *)h.broker;
    h.port = ri_broker_listen(h.inside, kinds, "nats://127.0.0.1:0", &plain);
    ck_assert_msg(h.port > 0, "%s", ri_err_text());
    ck_assert_ok(ri_broker_listen(h.inside, kinds, "mem:", &plain));
    h.lines = line_door_of(h.inside);
    ck_assert_ptr_nonnull(h.lines);
    return h;
}

static rill_stats house_stats(const house *h)
{
    rill_stats stats = {.size = sizeof stats};
    ck_assert_ok(rill_broker_stats(h->broker, &stats));
    return stats;
}

START_TEST(schemes)
{
    house h = house_open(NULL);
    ri_door *lines = h.lines;
    ck_assert_ok(ri_broker_listen(h.inside, kinds, "mem:", &plain));
    ck_assert_int_gt(ri_broker_listen(h.inside, kinds, "nats://127.0.0.1:0", &plain), 0);
    ck_assert_ptr_eq(line_door_of(h.inside), lines);
    ck_assert_uint_eq(h.inside->ndoors, 2);
    /* The door's own word. */
    ck_assert_rc(ri_broker_listen(h.inside, kinds, "mem:x", &plain), RILL_EINVAL);
    ck_assert_rc(ri_broker_listen(h.inside, kinds, "kafka://127.0.0.1:0", &plain), RILL_EINVAL);
    ck_assert_ptr_nonnull(strstr(ri_err_text(), "kafka:"));
    ck_assert_rc(ri_broker_listen(h.inside, kinds, "127.0.0.1", &plain), RILL_EINVAL);
    ck_assert_rc(ri_broker_listen(h.inside, kinds + 2, "mem:", &plain), RILL_EINVAL);
    ck_assert_uint_eq(h.inside->ndoors, 2);
    ck_assert_ok(rill_broker_close(h.broker, WAIT_MS));
}
END_TEST

/* From each of a line, a socket and a bus to all three, and both doors are flushed. */
START_TEST(all_ways)
{
    house h = house_open(NULL);
    rill_bus *bus;
    rill_sub *sub;
    const rill_msg *m;
    ck_assert_ok(rill_broker_bus(h.broker, &bus, NULL));
    ck_assert_ok(rill_subscribe(bus, &sub, "a.*", NULL));
    line_conn *line = line_dial(h.lines);
    line_say(line, "SUB a.*");
    peer p;
    peer_open(&p, h.port);
    peer_send(&p, "SUB a.* 1\r\nPUB a.nats 2\r\nhi\r\n");
    ck_assert(line_hears(line, "MSG a.nats hi\n"));
    line_say(line, "PUB a.line hello");
    ck_assert_ok(rill_publish(bus, "a.bus", "yes", 3, NULL));
    ck_assert(line_hears(line, "MSG a.line hello\nMSG a.bus yes\n"));
    static const char *const lines[] = {"MSG a.nats 1 2", "hi", "MSG a.line 1 5", "hello",
                                        "MSG a.bus 1 3", "yes"};
    for (size_t i = 0; i < RI_LEN(lines); i++) peer_expect(&p, lines[i]);
    for (int i = 0; i < 3; i++) ck_assert_ok(rill_next(sub, &m, WAIT_MS));
    ck_assert_uint_ge(line_door_counts_of(h.lines).wakes, 2);

    ck_assert_ok(rill_flush(bus, WAIT_MS));
    line_hold(line, true);
    ck_assert_ok(rill_publish(bus, "a.bus", "late", 4, NULL));
    ck_assert_rc(rill_flush(bus, 1), RILL_ETIMEDOUT);
    peer_expect(&p, "MSG a.bus 1 4"); /* the other door has not waited */
    peer_expect(&p, "late");
    line_hold(line, false);
    ck_assert_ok(rill_flush(bus, WAIT_MS));
    ck_assert(line_hears(line, "late"));
    rill_sub_close(sub);
    ck_assert_ok(rill_close(bus, WAIT_MS));
    ck_assert_ok(rill_broker_close(h.broker, WAIT_MS));
    close(p.fd);
}
END_TEST

static int put_conn(const rill_conn_info *conn, void *arg)
{
    const char *door = strcmp(conn->peer, "line") == 0 ? "line" : "nats";
    sprintf((char *)arg + strlen(arg), "%d %s, ", (int)conn->id, door);
    return 0;
}

static int put_sub(const rill_conn_sub *sub, void *arg)
{
    sprintf((char *)arg + strlen(arg), "%s ", sub->subject);
    return 0;
}

/* Ids are one order for both doors, whichever came first. */
START_TEST(lists)
{
    house h = house_open(NULL);
    peer first, third;
    peer_open(&first, h.port);
    line_conn *second = line_dial(h.lines);
    peer_open(&third, h.port);
    line_conn *fourth = line_dial(h.lines);
    peer_send(&first, "SUB one 1\r\n");
    line_say(second, "SUB two");
    peer_send(&third, "SUB three 1\r\n");
    line_say(fourth, "SUB four");
    peer_sync(&first);
    peer_sync(&third);

    char told[128] = "";
    ck_assert_int_eq(rill_broker_conns(h.broker, NULL, put_conn, told), 4);
    ck_assert_str_eq(told, "1 nats, 2 line, 3 nats, 4 line, ");
    rill_conns_opts behind = {.size = sizeof behind, .after = 2};
    ck_assert_int_eq(rill_broker_conns(h.broker, &behind, put_conn, strcpy(told, "")), 2);
    ck_assert_str_eq(told, "3 nats, 4 line, ");
    behind.after = 4;
    ck_assert_int_eq(rill_broker_conns(h.broker, &behind, put_conn, told), 0);

    uint64_t total;
    ck_assert_int_eq(rill_broker_subs(h.broker, NULL, put_sub, strcpy(told, ""), &total), 4);
    ck_assert_uint_eq(total, 4);
    ck_assert_str_eq(told, "one two three four ");
    rill_conn_subs_opts of = {.size = sizeof of, .conn = 4};
    ck_assert_int_eq(rill_broker_subs(h.broker, &of, put_sub, strcpy(told, ""), &total), 1);
    ck_assert_str_eq(told, "four ");
    ck_assert_uint_eq(house_stats(&h).conns, 4);
    close(first.fd);
    close(third.fd);
    ck_assert_ok(rill_broker_close(h.broker, WAIT_MS));
}
END_TEST

enum { VISITORS = 30 };

typedef struct roster {
    uint64_t ids[3 * VISITORS];
    int n;
} roster;

static void put_id(void *arg, const ri_broker_conn *conn)
{
    roster *r = arg;
    ck_assert_int_lt(r->n, 3 * VISITORS);
    r->ids[r->n++] = conn->info.id;
}

/* A list of connections is cut where the budget ends, and goes on behind the last that was looked
 * at, whoever has left meanwhile. */
START_TEST(lists_in_slices)
{
    house h = house_open(NULL);
    peer peers[VISITORS];
    roster r = {.n = 0};
    ri_budget budget;
    for (int i = 0; i < VISITORS; i++) {
        peer_open(&peers[i], h.port); /* odd ids */
        line_dial(h.lines);
        peer_sync(&peers[i]);
    }
    ri_budget_init(&budget);
    budget.left = budget.limit = 7;
    ri_broker_conns_query query = {.skip = 5, .max = UINT64_MAX, .budget = &budget, .put = put_id,
                                   .arg = &r};
    int slices = 0;
    for (bool more = true; more; slices++) {
        ri_broker_enter(h.inside);
        ri_budget_open(&budget);
        more = ri_broker_list_conns(h.inside, &query);
        ck_assert_int_ge(budget.left, 0);
        ri_broker_leave(h.inside);
        if (slices != 3) continue;
        uint64_t last = query.after - (query.after % 2 == 0); /* where the NATS door stands */
        close(peers[last / 2].fd);
        peers[last / 2].fd = -1;
        while (house_stats(&h).conns == 2 * VISITORS) sched_yield();
    }
    ck_assert_int_gt(slices, 2 * VISITORS / 7);
    ck_assert_int_eq(r.n, 2 * VISITORS - 5);
    for (int i = 0; i < r.n; i++) ck_assert_uint_eq(r.ids[i], (uint64_t)i + 6);
    for (int i = 0; i < VISITORS; i++)
        if (peers[i].fd >= 0) close(peers[i].fd);
    ck_assert_ok(rill_broker_close(h.broker, WAIT_MS));
}
END_TEST

/* A line that is not read uses up the share of output: that connection goes, the other door's
 * stays, though it has output waiting, too. */
START_TEST(shed)
{
    enum { SIZE = 256 * 1024, MESSAGES = 100 };
    rill_broker_opts opts = {.size = sizeof opts, .memory_bytes = RI_MEMORY_MIN};
    house h = house_open(&opts);
    rill_bus *bus;
    ck_assert_ok(rill_broker_bus(h.broker, &bus, NULL));
    line_conn *greedy = line_dial(h.lines), *small = line_dial(h.lines);
    line_say(greedy, "SUB big");
    line_say(small, "SUB little");
    line_hold(greedy, true);
    peer p;
    peer_open(&p, h.port);
    peer_send(&p, "SUB little 1\r\n");
    peer_sync(&p);
    char *data = calloc(1, SIZE);
    ck_assert_ptr_nonnull(data);
    memset(data, 'x', SIZE);
    for (int i = 0; i < MESSAGES; i++) rill_publish(bus, "big", data, SIZE, NULL);
    free(data);
    ck_assert_uint_eq(line_door_counts_of(h.lines).sheds, 1);
    ck_assert(line_hears(greedy, "BYE"));
    ck_assert_ok(rill_publish(bus, "little", "still", 5, NULL));
    peer_expect(&p, "MSG little 1 5");
    ck_assert(line_hears(small, "MSG little still"));
    ck_assert_uint_eq(house_stats(&h).conns, 2);
    close(p.fd);
    ck_assert_ok(rill_close(bus, WAIT_MS));
    ck_assert_ok(rill_broker_close(h.broker, WAIT_MS));
}
END_TEST

/* Each is asked of both; a close that leaves output at one door has closed the other, too. */
START_TEST(reload_and_close)
{
    house h = house_open(NULL);
    rill_broker_opts opts = {.size = sizeof opts, .max_msg_bytes = 100};
    peer p;
    peer_open(&p, h.port);
    line_conn *line = line_dial(h.lines);
    line_say(line, "SUB a");
    ck_assert_ok(rill_broker_reload(h.broker, &opts));
    ck_assert_uint_eq(line_door_counts_of(h.lines).reloads, 1);
    ck_assert_ok(rill_broker_lame_duck(h.broker, 60000, 60000));
    ck_assert_uint_eq(line_door_counts_of(h.lines).lame_ducks, 1);
    ck_assert_rc(ri_broker_listen(h.inside, kinds, "nats://127.0.0.1:0", &plain), RILL_ECLOSED);
    line_hold(line, true);
    line_say(line, "PUB a left");
    ck_assert_rc(rill_broker_close(h.broker, 20), RILL_ETIMEDOUT); /* of the one; both are closed */
    while (peer_fill(&p)) p.len = 0;
    close(p.fd);
}
END_TEST

/* ---- Drivers ---- */

typedef struct fake {
    ri_driver driver;
    int wakes;
} fake;

static void fake_wake(ri_driver *driver)
{
    ri_container_of(driver, fake, driver)->wakes++;
}

/* Whoever has the highest rank turns; of two the first; and each that takes over is woken. */
START_TEST(drivers)
{
    static const ri_driver_ops ops = {.rank = RI_DRIVER_LOOP, .alone = true, .wake = fake_wake};
    fake one = {.driver.ops = &ops}, two = {.driver.ops = &ops};
    rill_broker *broker;
    ck_assert_ok(rill_broker_open(&broker, NULL));
    ri_broker *b = (ri_broker *)(void *)broker;
    ck_assert_ptr_eq(b->driver, &b->hosts);
    ck_assert_ok(ri_broker_need_durable(b, NULL));
    ri_broker_enter(b);
    ck_assert_ptr_eq(b->driver, &b->thread.driver);
    ri_driver_join(b, &one.driver);
    ri_driver_join(b, &two.driver);
    ck_assert_ptr_eq(b->driver, &one.driver);
    ck_assert_int_eq(one.wakes, 1);
    ck_assert_int_eq(two.wakes, 0);
    ri_durable_nudge(b->durable);
    ck_assert_int_eq(one.wakes, 2);
    ri_driver_leave(b, &one.driver);
    ri_driver_leave(b, &one.driver);
    ck_assert_ptr_eq(b->driver, &two.driver);
    ck_assert_int_eq(two.wakes, 1);
    ri_driver_leave(b, &two.driver);
    ck_assert_ptr_eq(b->driver, &b->thread.driver);
    ri_broker_leave(b);
    ck_assert_ok(rill_broker_close(broker, WAIT_MS));
}
END_TEST

SUITE_MAIN("door", schemes, all_ways, lists, lists_in_slices, shed, reload_and_close, drivers)
