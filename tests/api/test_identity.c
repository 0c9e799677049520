/* SPDX-License-Identifier: Apache-2.0 */
/* A bus of the broker's own process that was given an identity may do what a client that has logged
 * in as that user may, and no more: live, with streams and groups, and with what is asked of them.
 * Looped, _i is the drive of the bus. */
#include <unistd.h>

#include "api.h"
#include "support/peer.h"

#define ROWS(...) ((const char *const[]){__VA_ARGS__})
#define LIST(field, ...) .field = ROWS(__VA_ARGS__), \
                         .n##field = sizeof ROWS(__VA_ARGS__) / sizeof(char *)
#define SAYS(part) ck_assert_msg(strstr(rill_errmsg(), part), "%s", rill_errmsg())

enum { WAIT_MS = 20000 };

static rill_broker *broker;
static rill_bus *bus, *all; /* as the user of the test; as nobody, who may do all */

static void begin(int drive, const rill_user *identity)
{
    rill_drive by = drive ? RILL_DRIVE_HOST : RILL_DRIVE_THREAD;
    OK(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .jetstream = true)));
    OK(rill_broker_bus(broker, &all, NULL));
    OK(rill_broker_bus(broker, &bus, RILL_OPTS(rill_opts, .drive = by, .identity = identity)));
}

static void end(void)
{
    OK(rill_close(bus, WAIT_MS));
    OK(rill_close(all, WAIT_MS));
    OK(rill_broker_close(broker, WAIT_MS));
}

static void say(rill_bus *as, const char *subject, const char *data)
{
    OK(rill_publish(as, subject, data, strlen(data), NULL));
}

static void hears(rill_sub *sub, const char *subject, const char *data)
{
    const rill_msg *m;
    OK(rill_next(sub, &m, WAIT_MS));
    TEXT_IS(m->subject, subject);
    TEXT_IS(m->data, data);
}

static const rill_user ada = {.size = sizeof ada, .user = "ada", LIST(publish_allow, "a.>", "log"),
                              LIST(publish_deny, "a.no"),
                              LIST(subscribe_allow, "a.>", "jobs.* workers"),
                              LIST(subscribe_deny, "a.secret")};

START_TEST(live)
{
    rill_sub *sub, *group, *at_all;
    rill_msg *reply;
    begin(_i, &ada);
    FAILS(rill_publish(bus, "b", "x", 1, NULL), RILL_EAUTH);
    ck_assert_str_eq(rill_errmsg(), "user \"ada\" may not publish to b");
    FAILS(rill_publish(bus, "a.no", "x", 1, NULL), RILL_EAUTH);
    FAILS(rill_subscribe(bus, &sub, "b", NULL), RILL_EAUTH);
    ck_assert_str_eq(rill_errmsg(), "user \"ada\" may not subscribe to b");
    FAILS(rill_subscribe(bus, &sub, ">", NULL), RILL_EAUTH);
    FAILS(rill_subscribe(bus, &sub, "jobs.*", NULL), RILL_EAUTH);
    FAILS(rill_subscribe(bus, &sub, "jobs.*", RILL_OPTS(rill_sub_opts, .group = "others")),
          RILL_EAUTH);
    OK(rill_subscribe(bus, &group, "jobs.*", RILL_OPTS(rill_sub_opts, .group = "workers")));
    OK(rill_subscribe(bus, &sub, "a.>", NULL)); /* but a.secret */
    OK(rill_subscribe(all, &at_all, ">", NULL));
    say(all, "a.secret", "hush");
    say(all, "a.b", "1");
    say(bus, "log", "2");
    say(bus, "a.c", "3");
    say(all, "jobs.x", "4");
    hears(sub, "a.b", "1");
    hears(sub, "a.c", "3");
    hears(group, "jobs.x", "4");
    hears(at_all, "a.secret", "hush");
    hears(at_all, "a.b", "1");
    hears(at_all, "log", "2");
    FAILS(rill_request(bus, "a.b", NULL, 0, NULL, &reply, WAIT_MS), RILL_EAUTH);
    SAYS("may not subscribe to _INBOX."); /* who has no inbox cannot be answered */
    rill_sub_close(sub);
    rill_sub_close(group);
    rill_sub_close(at_all);
    end();
}
END_TEST

/* No answer goes to where it would settle a message, with the rights of whoever answers. */
START_TEST(answers_that_settle)
{
    static const char *const kept[] = {"$JS.ACK.orders.g.1.7.7.0.0", "_R_.x", "_GR_.x"};
    begin(_i, &ada);
    for (int i = 0; i < 3; i++) {
        FAILS(rill_publish(bus, "a.b", "+TERM", 5, RILL_OPTS(rill_post, .reply = kept[i])),
              RILL_EAUTH);
        SAYS(kept[i]);
    }
    OK(rill_publish(bus, "a.b", "+TERM", 5, RILL_OPTS(rill_post, .reply = "_INBOX.x")));
    end();
}
END_TEST

/* Bound from the first callback on. */
static void on_up(rill_bus *up, const rill_event *ev, void *arg)
{
    if (ev->kind != RILL_EV_UP) return;
    atomic_store((atomic_int *)arg, rill_publish(up, "b", "x", 1, NULL));
}

START_TEST(from_the_beginning)
{
    atomic_int rc = 1;
    OK(rill_broker_open(&broker, NULL));
    OK(rill_broker_bus(broker, &bus, RILL_OPTS(rill_opts, .identity = &ada, .on_event = on_up,
                                               .arg = &rc)));
    EVENTUALLY(atomic_load(&rc) != 1);
    ck_assert_int_eq(atomic_load(&rc), RILL_EAUTH);
    OK(rill_close(bus, WAIT_MS));
    OK(rill_broker_close(broker, WAIT_MS));
}
END_TEST

static const rill_user service = {.size = sizeof service, .user = "service",
                                  LIST(subscribe_allow, "svc"), .allow_responses = true};

/* Who is asked may answer, once, there and nowhere else. */
START_TEST(answers)
{
    rill_sub *questions, *told;
    const rill_msg *m;
    begin(_i, &service);
    OK(rill_subscribe(bus, &questions, "svc", NULL));
    OK(rill_subscribe(all, &told, "mine.>", NULL));
    OK(rill_publish(all, "svc", "?", 1, RILL_OPTS(rill_post, .reply = "mine.1")));
    OK(rill_next(questions, &m, WAIT_MS));
    FAILS(rill_publish(bus, "mine.2", "!", 1, NULL), RILL_EAUTH);
    OK(rill_reply(m, "!", 1, NULL));
    hears(told, "mine.1", "!");
    FAILS(rill_reply(m, "!", 1, NULL), RILL_EAUTH);
    SAYS("user \"service\" may not publish to mine.1");
    rill_sub_close(questions);
    rill_sub_close(told);
    end();
}
END_TEST

static const rill_user reader = {
    .size = sizeof reader, .user = "reader",
    LIST(publish_allow, "orders.new", "$JS.API.CONSUMER.CREATE.orders.>",
         "$JS.API.CONSUMER.INFO.orders.*", "$JS.API.CONSUMER.MSG.NEXT.orders.*", "$JS.ACK.orders.>",
         "$JS.API.STREAM.INFO.orders", "$JS.API.DIRECT.GET.orders.orders.new"),
    LIST(publish_deny, "$JS.API.CONSUMER.CREATE.orders.theirs", "$JS.ACK.orders.mute.>",
         "$JS.API.CONSUMER.MSG.NEXT.orders.deaf"),
    LIST(subscribe_allow, "_INBOX.>")};

static void make_streams(void)
{
    OK(rill_stream_ensure(all, "orders", RILL_OPTS(rill_stream_opts, .subjects = "orders.>")));
    OK(rill_stream_ensure(all, "secrets", RILL_OPTS(rill_stream_opts, .subjects = "secrets.>")));
    OK(rill_append(all, "secrets.a", "1", 1, NULL, NULL, WAIT_MS));
}

static int count(const char *name, void *arg)
{
    (void)name;
    ++*(int *)arg;
    return 0;
}

START_TEST(streams)
{
    rill_sub *sub;
    rill_batch *batch;
    rill_msg *m;
    rill_kv *kv;
    int n = 0;
    rill_stream_info info = {.size = sizeof info};
    begin(_i, &reader);
    make_streams();
    OK(rill_append(bus, "orders.new", "1", 1, NULL, NULL, WAIT_MS));
    FAILS(rill_append(bus, "orders.old", "1", 1, NULL, NULL, WAIT_MS), RILL_EAUTH);
    SAYS("user \"reader\" may not publish to orders.old");
    OK(rill_batch_begin(bus, &batch, NULL));
    OK(rill_batch_add(batch, "orders.new", "2", 1, NULL));
    OK(rill_batch_add(batch, "orders.old", "2", 1, NULL));
    FAILS(rill_batch_commit(batch, NULL, WAIT_MS), RILL_EAUTH);
    rill_batch_close(batch);
    OK(rill_stream_status(bus, "orders", &info));
    ck_assert_uint_eq(info.msgs, 1); /* nothing of the batch */
    FAILS(rill_stream_status(bus, "secrets", &info), RILL_EAUTH);
    SAYS("may not publish to $JS.API.STREAM.INFO.secrets");
    FAILS(rill_stream_delete(bus, "orders"), RILL_EAUTH);
    FAILS(rill_stream_ensure(bus, "mine", NULL), RILL_EAUTH);
    SAYS("$JS.API.STREAM.CREATE.mine");
    FAILS(rill_stream_ensure(bus, "orders", NULL), RILL_EAUTH);
    SAYS("$JS.API.STREAM.UPDATE.orders");
    FAILS(rill_stream_purge(bus, "orders", NULL, NULL), RILL_EAUTH);
    FAILS(rill_stream_erase(bus, "orders", RILL_AT(1)), RILL_EAUTH);
    FAILS(rill_stream_each(bus, count, &n), RILL_EAUTH);
    FAILS(rill_kv_open(bus, &kv, "b", NULL), RILL_EAUTH);
    FAILS(rill_stream_get(bus, "orders", RILL_AT(1), &m), RILL_EAUTH);
    SAYS("$JS.API.DIRECT.GET.orders");
    OK(rill_stream_get(bus, "orders", RILL_OPTS(rill_at, .from = RILL_FROM_LAST,
                                                .filter = "orders.new"), &m));
    rill_msg_unref(m);
    FAILS(rill_stream_get(bus, "secrets", RILL_AT(1), &m), RILL_EAUTH);
    FAILS(rill_tail(bus, &sub, "secrets", NULL), RILL_EAUTH);
    FAILS(rill_jetstream_ask(bus, "$JS.API.STREAM.INFO.secrets", NULL, 0, &m, WAIT_MS), RILL_EAUTH);
    FAILS(rill_jetstream_ask(bus, "", NULL, 0, &m, WAIT_MS), RILL_EINVAL);
    OK(rill_jetstream_ask(bus, "$JS.API.STREAM.INFO.orders", NULL, 0, &m, WAIT_MS));
    rill_msg_unref(m);
    FAILS(rill_store_check(bus, NULL, NULL), RILL_EAUTH);
    FAILS(rill_store_snapshot(bus, "/nowhere"), RILL_EAUTH);
    end();
}
END_TEST

/* What is read by a group: made or joined, asked for, settled, each by its own right. */
START_TEST(groups)
{
    rill_sub *sub, *mute;
    const rill_msg *m;
    rill_group_info info = {.size = sizeof info};
    begin(_i, &reader);
    make_streams();
    OK(rill_append(all, "orders.new", "1", 1, NULL, NULL, WAIT_MS));
    OK(rill_tail(bus, &sub, "orders", NULL));
    hears(sub, "orders.new", "1");
    rill_sub_close(sub);
    OK(rill_consume(bus, &sub, "orders", RILL_OPTS(rill_sub_opts, .group = "mine")));
    OK(rill_next(sub, &m, WAIT_MS));
    OK(rill_ack(m));
    rill_sub_close(sub);
    OK(rill_group_status(bus, "orders", "mine", &info));
    ck_assert_uint_eq(info.settled_seq, 1);
    FAILS(rill_consume(bus, &sub, "orders", RILL_OPTS(rill_sub_opts, .group = "theirs")),
          RILL_EAUTH);
    OK(rill_group_ensure(all, "orders", "theirs", NULL)); /* there it may be joined */
    OK(rill_consume(bus, &sub, "orders", RILL_OPTS(rill_sub_opts, .group = "theirs")));
    rill_sub_close(sub);
    OK(rill_consume(bus, &mute, "orders", RILL_OPTS(rill_sub_opts, .group = "mute")));
    OK(rill_next(mute, &m, WAIT_MS));
    FAILS(rill_ack(m), RILL_EAUTH);
    SAYS("may not publish to $JS.ACK.orders.mute.1.1.");
    rill_sub_close(mute);
    FAILS(rill_consume(bus, &sub, "orders", RILL_OPTS(rill_sub_opts, .group = "deaf")),
          RILL_EAUTH);
    FAILS(rill_group_seek(bus, "orders", "mine", RILL_AT(1)), RILL_EAUTH);
    FAILS(rill_group_pause(bus, "orders", "mine", 0), RILL_EAUTH);
    FAILS(rill_group_delete(bus, "orders", "mine"), RILL_EAUTH);
    SAYS("$JS.API.CONSUMER.DELETE.orders.mine");
    end();
}
END_TEST

/* What is done here, and the subject that a client on the wire publishes to for it. */
typedef struct trial {
    int (*here)(const char *name);
    const char *name, *there;
} trial;

static int try_append(const char *name)
{
    return rill_append(bus, name, "x", 1, NULL, NULL, WAIT_MS);
}

static int try_status(const char *name)
{
    rill_stream_info info = {.size = sizeof info};
    return rill_stream_status(bus, name, &info);
}

static int try_ensure(const char *name)
{
    char subjects[40];
    snprintf(subjects, sizeof subjects, "%s.>", name);
    return rill_stream_ensure(bus, name, RILL_OPTS(rill_stream_opts, .subjects = subjects));
}

static int try_purge(const char *name)
{
    return rill_stream_purge(bus, name, NULL, NULL);
}

static int try_group(const char *name)
{
    return rill_group_ensure(bus, "orders", name, RILL_OPTS(rill_sub_opts, .filter = "orders.>"));
}

static int try_group_delete(const char *name)
{
    int rc = rill_group_delete(bus, "orders", name);
    return rc == RILL_ENOENT ? RILL_OK : rc;
}

static int try_groups(const char *name)
{
    int n = 0;
    return rill_group_each(bus, name, count, &n);
}

static int try_streams(const char *name)
{
    int n = 0;
    (void)name;
    return rill_stream_each(bus, count, &n);
}

static const trial trials[] = {
    {try_append, "orders.a", "orders.a"},
    {try_append, "orders.b", "orders.b"},
    {try_status, "orders", "$JS.API.STREAM.INFO.orders"},
    {try_status, "secrets", "$JS.API.STREAM.INFO.secrets"},
    {try_ensure, "orders", "$JS.API.STREAM.UPDATE.orders"},
    {try_ensure, "fresh", "$JS.API.STREAM.CREATE.fresh"},
    {try_purge, "orders", "$JS.API.STREAM.PURGE.orders"},
    {try_purge, "secrets", "$JS.API.STREAM.PURGE.secrets"},
    {try_group, "g1", "$JS.API.CONSUMER.CREATE.orders.g1.orders.>"},
    {try_group, "g2", "$JS.API.CONSUMER.CREATE.orders.g2.orders.>"},
    {try_group, "there", "$JS.API.CONSUMER.CREATE.orders.there.orders.>"}, /* it would be changed */
    {try_group_delete, "g1", "$JS.API.CONSUMER.DELETE.orders.g1"},
    {try_group_delete, "g2", "$JS.API.CONSUMER.DELETE.orders.g2"},
    {try_groups, "orders", "$JS.API.CONSUMER.LIST.orders"},
    {try_streams, "", "$JS.API.STREAM.NAMES"}};
enum { TRIALS = sizeof trials / sizeof *trials };

static const rill_user writer = {.size = sizeof writer, .user = "writer",
                                 LIST(publish_allow, "orders.a", "$JS.API.STREAM.CREATE.*",
                                      "$JS.API.STREAM.UPDATE.fresh",
                                      "$JS.API.CONSUMER.CREATE.orders.g1.>",
                                      "$JS.API.STREAM.INFO.*", "$JS.API.CONSUMER.INFO.>"),
                                 LIST(subscribe_allow, "_INBOX.>")};
static const rill_user keeper = {.size = sizeof keeper, .user = "keeper",
                                 LIST(publish_deny, "orders.a", "$JS.API.STREAM.PURGE.orders",
                                      "$JS.API.CONSUMER.DELETE.*.g2", "$JS.API.STREAM.NAMES",
                                      "$JS.API.STREAM.CREATE.>")};

/* A client on the wire, the same user, is told so in NATS's words. */
static bool may_there(peer *p, const char *subject)
{
    char line[200];
    snprintf(line, sizeof line, "PUB %s 0\r\n\r\nPING\r\n", subject);
    peer_send(p, line);
    snprintf(line, sizeof line, "-ERR 'Permissions Violation for Publish to \"%s\"'", subject);
    const char *heard = peer_line(p);
    bool may = strcmp(heard, "PONG") == 0;
    if (may) return true;
    ck_assert_str_eq(heard, line);
    peer_expect(p, "PONG");
    return false;
}

static int try_all(const char *who, peer *p)
{
    int refused = 0;
    for (int i = 0; i < TRIALS; i++) {
        int rc = trials[i].here(trials[i].name);
        ck_assert_msg(rc >= 0 || rc == RILL_EAUTH, "%s: %s: %s", who, trials[i].there,
                      rc < 0 ? rill_errmsg() : "");
        if (rc == RILL_EAUTH) SAYS(trials[i].there);
        refused += rc == RILL_EAUTH;
        ck_assert_msg(may_there(p, trials[i].there) == (rc >= 0), "%s: %s", who, trials[i].there);
    }
    return refused;
}

START_TEST(as_over_the_wire)
{
    static const rill_user *const users[] = {&writer, &keeper};
    static const int refused[] = {10, 5};
    peer p;
    char connect[100];
    for (int u = 0; u < 2; u++) {
        begin(_i, users[u]);
        OK(rill_broker_reload(broker, RILL_OPTS(rill_broker_opts, .users = users, .nusers = 2,
                                                .jetstream = true)));
        int port = rill_broker_listen(broker, "nats://127.0.0.1:0", NULL);
        OK(port);
        peer_visit(&p, port);
        peer_hear(&p, "\r\n");
        snprintf(connect, sizeof connect, "CONNECT {\"verbose\":false,\"pedantic\":false,"
                 "\"user\":\"%s\"}\r\n", users[u]->user);
        peer_send(&p, connect);
        peer_sync(&p);
        make_streams();
        ck_assert_int_eq(try_all(users[u]->user, &p), refused[u]);
        close(p.fd);
        end();
    }
}
END_TEST

START_TEST(refused)
{
    const rill_user nameless = {.size = sizeof nameless},
                           wrong = {.size = sizeof wrong, .user = "eve",
                                    LIST(publish_allow, "a..b")};
    rill_user newer = {.size = sizeof newer, .user = "eve", .reserved2 = 1};
    OK(rill_broker_open(&broker, NULL));
    FAILS(rill_broker_bus(broker, &bus, RILL_OPTS(rill_opts, .identity = &nameless)), RILL_EINVAL);
    SAYS("identity: a user without a name");
    ck_assert_ptr_null(bus);
    FAILS(rill_broker_bus(broker, &bus, RILL_OPTS(rill_opts, .identity = &wrong)), RILL_EINVAL);
    SAYS("identity: user \"eve\": publish allow: subject \"a..b\" is not a valid subject");
    FAILS(rill_broker_bus(broker, &bus, RILL_OPTS(rill_opts, .identity = &newer)), RILL_EINVAL);
    FAILS(rill_open(&bus, "mem:", RILL_OPTS(rill_opts, .identity = &ada)), RILL_EINVAL);
    SAYS("identity");
    OK(rill_broker_close(broker, WAIT_MS));
}
END_TEST

static const rill_user part = {.size = sizeof part, .user = "pat",
                               LIST(publish_allow, "P", "$JS.API.*.*.P", "$JS.API.*.*.P.>",
                                    "$JS.API.*.*.*.P.>"),
                               LIST(subscribe_allow, "_INBOX.>")};

/* Who has rights on a topic's first partition has none on the others: what is asked of all is
 * refused, and nothing of it stays. */
START_TEST(partitions)
{
    begin(_i, &part);
    rill_sub *sub;
    rill_stream_info info = {.size = sizeof info};
    rill_group_info group = {.size = sizeof group};
    const rill_header one = {RILL_STR("Kafka-Key"), RILL_STR("a-little-bit-long-string")};
    const rill_post *keyed = RILL_OPTS(rill_post, .headers = &one, .nheaders = 1);
    OK(rill_stream_ensure(all, "P", RILL_OPTS(rill_stream_opts, .partitions = 3)));
    OK(rill_append(bus, "P", "x", 1, NULL, NULL, WAIT_MS));
    FAILS(rill_append(bus, "P", "x", 1, keyed, NULL, WAIT_MS), RILL_EAUTH);
    SAYS("P.~2");
    FAILS(rill_tail(bus, &sub, "P", NULL), RILL_EAUTH);
    SAYS("P~1");
    OK(rill_stream_status(all, "P", &info));
    ck_assert_uint_eq(info.groups, 0);
    FAILS(rill_stream_delete(bus, "P"), RILL_EAUTH);
    FAILS(rill_stream_purge(bus, "P", NULL, NULL), RILL_EAUTH);
    FAILS(rill_group_ensure(bus, "P", "g", NULL), RILL_EAUTH);
    FAILS(rill_stream_ensure(bus, "P", RILL_OPTS(rill_stream_opts, .max_age_ms = 1000)),
          RILL_EAUTH);
    SAYS("P~1");
    OK(rill_stream_status(all, "P", &info));
    ck_assert_uint_eq(info.partitions, 3);
    ck_assert_uint_eq(info.msgs, 1);
    ck_assert_uint_eq(info.groups, 0);
    ck_assert_int_eq(rill_group_ensure(all, "P", "g", NULL), 1);
    FAILS(rill_group_pause(bus, "P", "g", INT64_MAX), RILL_EAUTH);
    FAILS(rill_group_delete(bus, "P", "g"), RILL_EAUTH);
    OK(rill_group_status(all, "P", "g", &group));
    ck_assert_int_eq(group.paused_until_ns, 0);
    end();
}
END_TEST

SUITE_MAIN_ROWS("identity", SUITE_ONCE(refused, from_the_beginning),
                SUITE_EACH(2, live, answers, answers_that_settle, streams, groups, partitions,
                           as_over_the_wire))
