/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_real BROKERS: what a kafka:// handle does with a real cluster, and the cluster for tests in
 * tests/api/test_kafka.c cannot: topics that are made, changed, listed, emptied and deleted; groups
 * that are left and joined again, and looked at from outside. One line for each; all must hold. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rill.h"

static rill_bus *bus;
static char topic[64], group[64];

#define OK(call)                                                                            \
    do {                                                                                    \
        int rc_ = (call);                                                                   \
        if (rc_ < 0) die(__LINE__, #call, rill_errmsg());                                   \
    } while (0)
#define FAILS(call, want)                                                                   \
    do {                                                                                    \
        int rc_ = (call);                                                                   \
        if (rc_ != (want)) die(__LINE__, #call, rc_ < 0 ? rill_errmsg() : "did not fail");  \
    } while (0)
#define HOLDS(condition)                                                                    \
    do {                                                                                    \
        if (!(condition)) die(__LINE__, #condition, "does not hold");                       \
    } while (0)

static void die(int line, const char *what, const char *why)
{
    fprintf(stderr, "kafka_real.c:%d: %s: %s\n", line, what, why);
    exit(1);
}

static void append(int n)
{
    char text[16];
    for (int i = 0; i < n; i++) {
        snprintf(text, sizeof text, "%d", i + 1);
        OK(rill_append(bus, topic, text, strlen(text), NULL, NULL, 20000));
    }
}

/* Is `name` in the list? */
typedef struct search {
    const char *name;
    int found;
} search;

static int on_name(const char *name, void *arg)
{
    search *s = arg;
    s->found += strcmp(name, s->name) == 0;
    return 0;
}

static int on_desc(const rill_stream_desc *desc, void *arg)
{
    *(int64_t *)arg = desc->opts->compact ? desc->opts->tombstone_ms : desc->opts->max_age_ms;
    return 0;
}

static void topics(void)
{
    int64_t age_ms = 0;
    search s = {topic, 0};
    FAILS(rill_append(bus, topic, "", 0, NULL, NULL, 10000), RILL_ENOREPLY);
    FAILS(rill_stream_status(bus, topic, &(rill_stream_info){.size = sizeof(rill_stream_info)}),
          RILL_ENOENT);
    FAILS(rill_stream_delete(bus, topic), RILL_ENOENT);
    HOLDS(rill_stream_ensure(bus, topic, RILL_OPTS(rill_stream_opts, .max_age_ms = 3600000)) == 1);
    HOLDS(rill_stream_ensure(bus, topic, RILL_OPTS(rill_stream_opts, .max_age_ms = 3600000)) == 0);
    OK(rill_stream_describe(bus, topic, on_desc, &age_ms));
    HOLDS(age_ms == 3600000);
    HOLDS(rill_stream_ensure(bus, topic, RILL_OPTS(rill_stream_opts, .compact = true,
                                                   .tombstone_ms = 5000)) == 0);
    for (int i = 0; i < 50 && age_ms != 5000; i++) { /* brokers hear of a change a little later */
        OK(rill_stream_describe(bus, topic, on_desc, &age_ms));
        nanosleep(&(struct timespec){0, 20000000}, NULL);
    }
    HOLDS(age_ms == 5000);
    HOLDS(rill_stream_ensure(bus, topic, NULL) == 0); /* what is not named stays */
    OK(rill_stream_describe(bus, topic, on_desc, &age_ms));
    HOLDS(age_ms == 5000);
    OK(rill_stream_each(bus, on_name, &s));
    HOLDS(s.found == 1);
    OK(rill_stream_delete(bus, topic)); /* what follows has no keys, which a compacted one needs */
    OK(rill_stream_ensure(bus, topic, NULL));
    puts("topics are made, changed, described and listed");
}

static void purges(void)
{
    rill_stream_info info = {.size = sizeof info};
    uint64_t purged = 0;
    rill_msg *m;
    append(10);
    OK(rill_stream_status(bus, topic, &info));
    HOLDS(info.msgs == 10 && info.first_seq == 1 && info.last_seq == 10);
    OK(rill_stream_purge(bus, topic, RILL_OPTS(rill_purge_opts, .before_seq = 4), &purged));
    HOLDS(purged == 3);
    OK(rill_stream_purge(bus, topic, RILL_OPTS(rill_purge_opts, .keep_msgs = 5), &purged));
    HOLDS(purged == 2);
    OK(rill_stream_status(bus, topic, &info));
    HOLDS(info.msgs == 5 && info.first_seq == 6);
    FAILS(rill_stream_get(bus, topic, RILL_AT(5), &m), RILL_ENOENT);
    OK(rill_stream_get(bus, topic, RILL_OPTS(rill_at, .from = RILL_FROM_FIRST), &m));
    HOLDS(m->seq == 6);
    int64_t then = m->time_ns;
    rill_msg_unref(m);
    OK(rill_stream_get(bus, topic, RILL_AT_TIME(then), &m));
    HOLDS(m->seq >= 6 && m->time_ns >= then);
    rill_msg_unref(m);
    OK(rill_stream_get(bus, topic, RILL_AT_LAST(NULL), &m));
    HOLDS(m->seq == 10);
    rill_msg_unref(m);
    puts("topics are emptied from the front, and read by number, time and end");
}

static rill_sub *join(const rill_sub_opts *opts)
{
    rill_sub *sub = NULL;
    OK(rill_consume(bus, &sub, topic, opts));
    return sub;
}

static uint64_t next(rill_sub *sub)
{
    const rill_msg *m;
    OK(rill_next(sub, &m, 30000));
    OK(rill_ack(m));
    return m->seq;
}

static rill_group_info status(void)
{
    rill_group_info info = {.size = sizeof info};
    OK(rill_flush(bus, 20000));
    OK(rill_group_status(bus, topic, group, &info));
    return info;
}

static void groups(void)
{
    search s = {group, 0};
    FAILS(rill_group_status(bus, topic, group, &(rill_group_info){.size = sizeof(rill_group_info)}),
          RILL_ENOENT);
    rill_sub *sub = join(RILL_OPTS(rill_sub_opts, .group = group));
    for (uint64_t i = 6; i <= 7; i++) HOLDS(next(sub) == i);
    rill_group_info info = status();
    HOLDS(info.settled_seq == 7);
    FAILS(rill_group_seek(bus, topic, group, RILL_AT(6)), RILL_EBUSY); /* it has a member */
    rill_sub_close(sub);
    sub = join(RILL_OPTS(rill_sub_opts, .group = group)); /* goes on where it was */
    HOLDS(next(sub) == 8);
    OK(rill_seek(sub, RILL_AT(7)));
    HOLDS(next(sub) == 7);
    rill_sub_close(sub);
    for (int i = 0, rc = RILL_EBUSY; rc == RILL_EBUSY; i++) { /* until its last member has left */
        rc = rill_group_seek(bus, topic, group, RILL_AT(10));
        if (i == 500) die(__LINE__, "rill_group_seek", rill_errmsg());
        if (rc == RILL_OK) break;
        nanosleep(&(struct timespec){0, 20000000}, NULL);
    }
    sub = join(RILL_OPTS(rill_sub_opts, .group = group));
    HOLDS(next(sub) == 10);
    info = status();
    HOLDS(info.lag_msgs == 0 && info.settled_seq == 10);
    append(2);
    HOLDS(next(sub) == 11);
    OK(rill_group_each(bus, topic, on_name, &s));
    HOLDS(s.found == 1);
    rill_sub_close(sub);
    for (int i = 0, rc = RILL_EBUSY; rc == RILL_EBUSY && i < 500; i++) {
        rc = rill_group_delete(bus, topic, group);
        if (rc < 0 && rc != RILL_EBUSY) die(__LINE__, "rill_group_delete", rill_errmsg());
        nanosleep(&(struct timespec){0, 20000000}, NULL);
    }
    FAILS(rill_group_delete(bus, topic, group), RILL_ENOENT);
    puts("groups are joined, left, sought, looked at and deleted");
}

/* A group that is new begins where it was asked to, though nobody has read yet. */
static void new_group(void)
{
    char name[80];
    snprintf(name, sizeof name, "%s-new", group);
    rill_sub *sub = join(RILL_OPTS(rill_sub_opts, .group = name, .from = RILL_FROM_NEW));
    append(1);
    HOLDS(next(sub) == 13);
    rill_sub_close(sub);
    HOLDS(rill_group_ensure(bus, topic, name, NULL) == 0);
    puts("a new group begins where it is asked to");
}

/* A topic gets partitions, and a key goes where a broker of ours has it, too. */
static void partitions(void)
{
    rill_bus *mem;
    rill_stream_info info = {.size = sizeof info};
    const char *keyed = "rill-keyed";
    OK(rill_open(&mem, "mem:", NULL));
    OK(rill_stream_ensure(mem, keyed, RILL_OPTS(rill_stream_opts, .partitions = 5)));
    HOLDS(rill_stream_ensure(bus, keyed, RILL_OPTS(rill_stream_opts, .partitions = 3)) == 1);
    OK(rill_stream_ensure(bus, keyed, RILL_OPTS(rill_stream_opts, .partitions = 5)));
    FAILS(rill_stream_ensure(bus, keyed, RILL_OPTS(rill_stream_opts, .partitions = 2)),
          RILL_EEXIST);
    OK(rill_stream_status(bus, keyed, &info));
    HOLDS(info.partitions == 5);
    for (int i = 0; i < 100; i++) {
        char key[16];
        const rill_header header = {RILL_STR("Kafka-Key"),
                                    {key, (size_t)snprintf(key, sizeof key, "key %d", i)}};
        const rill_post *post = RILL_OPTS(rill_post, .headers = &header, .nheaders = 1);
        rill_receipt theirs = {.size = sizeof theirs}, ours = {.size = sizeof ours};
        OK(rill_append(bus, keyed, key, strlen(key), post, &theirs, 20000));
        OK(rill_append(mem, keyed, key, strlen(key), post, &ours, 20000));
        HOLDS(theirs.partition == ours.partition && theirs.seq == ours.seq);
    }
    OK(rill_stream_delete(bus, keyed));
    OK(rill_close(mem, 20000));
    puts("topics get partitions, which keys pick as in a broker of ours");
}

/* Until it is the last one: a transaction is read a moment after its commit was answered. */
static void await_last(const char *name, uint64_t seq)
{
    rill_msg *m;
    time_t until = time(NULL) + 20;
    for (uint64_t last = 0; last != seq;) {
        int rc = rill_stream_get(bus, name, RILL_AT_LAST(name), &m);
        if (rc != RILL_ENOENT) OK(rc);
        if (rc == RILL_OK) last = m->seq;
        if (rc == RILL_OK) rill_msg_unref(m);
        HOLDS(last <= seq && time(NULL) < until);
    }
}

/* All of a batch is read, or none; what ends one has a number of its own. */
static void batches(void)
{
    rill_batch *batch;
    rill_sub *sub;
    const rill_msg *m;
    rill_receipt last = {.size = sizeof last};
    const char *names[] = {"rill-left", "rill-right"};
    for (int i = 0; i < 2; i++) OK(rill_stream_ensure(bus, names[i], NULL));
    for (int round = 1; round <= 3; round++) {
        bool refused = round == 2; /* when two of its messages are there */
        OK(rill_batch_begin(bus, &batch, NULL));
        for (int i = 0; i < 2; i++)
            OK(rill_batch_add(batch, names[i], &round, sizeof round, NULL));
        OK(rill_batch_add(batch, names[1], &round, sizeof round,
                          refused ? RILL_OPTS(rill_post, .msg_id = "7") : NULL));
        if (refused) FAILS(rill_batch_commit(batch, &last, 30000), RILL_ENOTSUP);
        else OK(rill_batch_commit(batch, &last, 30000));
        rill_batch_close(batch);
        if (!refused) await_last(names[1], last.seq);
    }
    for (int i = 0; i < 2; i++) {
        OK(rill_tail(bus, &sub, names[i], NULL));
        for (int n = 0; n < 2 * (i + 1); n++) {
            int round;
            OK(rill_next(sub, &m, 20000));
            memcpy(&round, m->data.ptr, sizeof round);
            HOLDS(round == (n < i + 1 ? 1 : 3));
        }
        FAILS(rill_next(sub, &m, 1000), RILL_ETIMEDOUT);
        rill_sub_close(sub);
        OK(rill_stream_delete(bus, names[i]));
    }
    puts("batches are stored as a whole, or not at all");
}

static void ends(void)
{
    rill_sub *sub;
    FAILS(rill_tail(bus, &sub, "no-such-topic", NULL), RILL_ENOENT);
    OK(rill_tail(bus, &sub, topic, NULL));
    OK(rill_stream_delete(bus, topic));
    FAILS(rill_stream_get(bus, topic, RILL_AT(1), &(rill_msg *){NULL}), RILL_ENOENT);
    rill_sub_close(sub);
    puts("topics are deleted");
}

int main(int argc, char **argv)
{
    char url[256];
    if (argc != 2) return 2;
    snprintf(url, sizeof url, "kafka://%s", argv[1]);
    snprintf(topic, sizeof topic, "orders.%ld", (long)time(NULL));
    snprintf(group, sizeof group, "billing-%ld", (long)time(NULL));
    OK(rill_open(&bus, url, NULL));
    topics();
    purges();
    groups();
    new_group();
    partitions();
    batches();
    ends();
    OK(rill_close(bus, 20000));
    return 0;
}
