/* SPDX-License-Identifier: Apache-2.0 */
/* rill_sub_end() of readers of a stream, whatever the peer: tests/contract runs these over every
 * kind of server, for live messages see test_close.c. */
#include "topic.h"

/* Appends come first: who turns its bus runs callbacks while it waits for an answer. */
static rill_sub *read_as(rill_bus *bus, const char *group, rill_msg_fn on_msg, void *arg)
{
    rill_sub *sub = NULL;
    const rill_sub_opts *opts = RILL_OPTS(rill_sub_opts, .group = group, .on_msg = on_msg,
                                          .arg = arg);
    OK(group ? rill_consume(bus, &sub, T, opts) : rill_tail(bus, &sub, T, opts));
    return sub;
}

/* ---- A callback that does not return ---- */

typedef struct stuck {
    rill_bus *bus;
    const char *group;
    rill_sub *_Atomic sub;      /* its callback is inside */
    atomic_int go_on, after;    /* it may return; it has */
    atomic_int over;            /* nobody has to turn the bus any more */
} stuck;

static void on_msg_stuck(rill_sub *sub, const rill_msg *m, void *arg)
{
    stuck *s = arg;
    ck_assert_uint_eq(m->seq, 1); /* and no other */
    atomic_store(&s->sub, sub);
    while (!atomic_load(&s->go_on)) nanosleep(&(struct timespec){0, 200000}, NULL);
    atomic_fetch_add(&s->after, 1);
}

static void *get_stuck(void *arg)
{
    stuck *s = arg;
    read_as(s->bus, s->group, on_msg_stuck, s);
    while (!atomic_load(&s->over))
        if (drives) OK(rill_poll(s->bus, 10));
        else nanosleep(&(struct timespec){0, 200000}, NULL);
    return NULL;
}

/* It has its time and no more, and what was said to be in use is so until the last call. */
static void end_stuck(int kind, const char *group)
{
    pthread_t thread;
    stuck s = {.bus = begin(kind), .group = group};
    append_numbers(s.bus, T, 1, 3);
    ck_assert_int_eq(pthread_create(&thread, NULL, get_stuck, &s), 0);
    EVENTUALLY(atomic_load(&s.sub));
    int64_t from = api_now_ms();
    FAILS(rill_sub_end(s.sub, 0), RILL_ETIMEDOUT);
    ck_assert_int_lt(api_now_ms() - from, WAIT_MS);
    from = api_now_ms();
    FAILS(rill_sub_end(s.sub, 50), RILL_ETIMEDOUT);
    ck_assert_int_ge(api_now_ms() - from, 49);
    ck_assert_int_lt(api_now_ms() - from, WAIT_MS);
    ck_assert_int_eq(atomic_load(&s.after), 0);
    atomic_store(&s.go_on, 1);
    OK(rill_sub_end(s.sub, WAIT_MS));
    ck_assert_int_eq(atomic_load(&s.after), 1);
    atomic_store(&s.over, 1);
    pthread_join(thread, NULL);
    end_kind(s.bus);
    ck_assert_int_eq(atomic_load(&s.after), 1);
}

START_TEST(a_tail_ends_within_a_time)
{
    end_stuck(_i, NULL);
}
END_TEST

START_TEST(a_member_ends_within_a_time)
{
    end_stuck(_i, "g");
}
END_TEST

/* ---- In callbacks ---- */

typedef struct ending {
    rill_sub *other;     /* NULL: its own */
    atomic_int calls;
} ending;

static void on_msg_end(rill_sub *sub, const rill_msg *m, void *arg)
{
    ending *e = arg;
    (void)m;
    if (atomic_fetch_add(&e->calls, 1) == 0) OK(rill_sub_end(e->other ? e->other : sub, 0));
}

static void end_in_callback(int kind, const char *group)
{
    rill_bus *bus = begin(kind);
    ending e = {0};
    append_numbers(bus, T, 1, 3);
    read_as(bus, group, on_msg_end, &e);
    COMES(bus, atomic_load(&e.calls) == 1);
    rill_sub *sub = read_as(bus, NULL, NULL, NULL); /* the bus goes on */
    next_are(sub, 1, 3);
    OK(rill_sub_end(sub, WAIT_MS));
    end_kind(bus);
    ck_assert_int_eq(atomic_load(&e.calls), 1);
}

START_TEST(a_tail_ends_in_its_callback)
{
    end_in_callback(_i, NULL);
}
END_TEST

START_TEST(a_member_ends_in_its_callback)
{
    end_in_callback(_i, "g");
}
END_TEST

START_TEST(a_reader_ends_in_the_callback_of_another)
{
    rill_bus *bus = begin(_i);
    append_numbers(bus, T, 1, 3);
    ending e = {.other = read_as(bus, NULL, NULL, NULL)};
    rill_sub *sub = read_as(bus, NULL, on_msg_end, &e);
    COMES(bus, atomic_load(&e.calls) == 3);
    OK(rill_sub_end(sub, WAIT_MS));
    end_kind(bus);
}
END_TEST

/* ---- Under way ---- */

static void on_stored(int err, const rill_receipt *receipt, void *arg)
{
    (void)receipt;
    OK(err);
    atomic_fetch_add((atomic_int *)arg, 1);
}

/* What waits for a reader goes with it, and what is lent to it does not; what it has not read is
 * there for the next one, and what others have under way is not touched. */
START_TEST(what_was_not_read_is_there_still)
{
    enum { MANY = 200 };
    rill_bus *bus = begin(_i);
    atomic_int stored = 0;
    append_numbers(bus, T, 1, MANY);
    rill_sub *sub = read_as(bus, NULL, NULL, NULL);
    next_are(sub, 1, 2);
    rill_msg *kept = rill_msg_ref(next(sub));
    for (int i = 0; i < 50; i++) OK(rill_append_async(bus, T, "x", 1, NULL, on_stored, &stored));
    OK(rill_sub_end(sub, 0)); /* nobody is inside it */
    TEXT_IS(kept->data, "3");
    rill_msg_unref(kept);
    COMES(bus, atomic_load(&stored) == 50);
    sub = read_as(bus, NULL, NULL, NULL);
    next_are(sub, 1, MANY);
    for (int i = 0; i < 50; i++) {
        const rill_msg *m = next(sub);
        TEXT_IS(m->data, "x");
    }
    OK(rill_sub_end(sub, 0));
    OK(rill_sub_end(NULL, 0));
    end_kind(bus);
}
END_TEST

/* The next member of the group goes on behind what was settled. */
START_TEST(what_was_not_settled_is_there_still)
{
    rill_bus *bus = begin(_i);
    append_numbers(bus, T, 1, 6);
    rill_sub *sub = read_as(bus, "g", NULL, NULL);
    for (uint64_t i = 1; i <= 4; i++) {
        const rill_msg *m = next(sub);
        ck_assert_uint_eq(m->seq, i);
        OK(rill_ack(m));
    }
    OK(rill_flush(bus, WAIT_MS));
    (void)next(sub);
    OK(rill_sub_end(sub, 0));
    append_numbers(bus, T, 7, 8);
    sub = read_as(bus, "g", NULL, NULL);
    ck_assert_uint_ge(next(sub)->seq, 5);
    OK(rill_sub_end(sub, 0));
    end_kind(bus);
}
END_TEST

static void *read_on(void *sub)
{
    const rill_msg *m;
    int rc;
    while ((rc = rill_next(sub, &m, -1)) == RILL_EBUSY) continue; /* whoever looks is inside */
    FAILS(rc, RILL_ECLOSED);
    return NULL;
}

/* Nothing comes, so that who is inside stays there until the end. */
START_TEST(a_reader_ends_beside_who_reads)
{
    rill_bus *bus = begin(_i);
    for (int i = 0; i < 4; i++) {
        const rill_msg *m;
        pthread_t thread;
        int rc;
        rill_sub *sub = read_as(bus, i & 1 ? "g" : NULL, NULL, NULL);
        ck_assert_int_eq(pthread_create(&thread, NULL, read_on, sub), 0);
        EVENTUALLY(rill_next(sub, &m, 0) == RILL_EBUSY);
        while ((rc = rill_sub_end(sub, 1)) == RILL_ETIMEDOUT) continue;
        OK(rc);
        pthread_join(thread, NULL);
    }
    end_kind(bus);
}
END_TEST

/* ---- Without a peer ---- */

START_TEST(readers_end_behind_their_bus)
{
    rill_bus *bus = begin(_i);
    append_numbers(bus, T, 1, 3);
    rill_sub *tail = read_as(bus, NULL, NULL, NULL), *member = read_as(bus, "g", NULL, NULL);
    next_are(tail, 1, 1);
    OK(rill_close(bus, WAIT_MS));
    OK(rill_sub_end(tail, 0));
    OK(rill_sub_end(member, 0));
    remove_dir();
}
END_TEST

static void on_down(rill_bus *bus, const rill_event *ev, void *arg)
{
    (void)bus;
    if (ev->kind == RILL_EV_DOWN) atomic_fetch_add((atomic_int *)arg, 1);
}

/* No server is asked: none is there. */
START_TEST(readers_end_while_no_server_is_there)
{
    atomic_int downs = 0;
    rill_bus *bus = begin_with(KIND_NATS + _i, (rill_opts){.on_event = on_down, .arg = &downs});
    ending e = {0};
    OK(rill_stream_ensure(bus, T, NULL));
    append_numbers(bus, T, 1, 3);
    rill_sub *tail = read_as(bus, NULL, NULL, NULL), *member = read_as(bus, "g", NULL, NULL);
    read_as(bus, NULL, on_msg_end, &e);
    next_are(tail, 1, 1);
    (void)next(member);
    COMES(bus, atomic_load(&e.calls) == 1); /* it has ended itself */
    OK(rill_broker_close(kind_broker, WAIT_MS));
    kind_broker = NULL;
    COMES(bus, atomic_load(&downs) > 0);
    OK(rill_sub_end(tail, 0));
    OK(rill_sub_end(member, 0));
    FAILS(rill_close(bus, 0), RILL_ETIMEDOUT); /* what it has sent, no server answers */
    remove_dir();
}
END_TEST

SUITE_MAIN_ROWS("ends",
    EACH_TOPIC(a_tail_ends_within_a_time, a_member_ends_within_a_time, a_tail_ends_in_its_callback,
               a_member_ends_in_its_callback, a_reader_ends_in_the_callback_of_another,
               what_was_not_read_is_there_still, what_was_not_settled_is_there_still,
               a_reader_ends_beside_who_reads, readers_end_behind_their_bus),
    /* Its server is in this process. */
    SUITE_EACH(api_far_url() ? 0 : 2, readers_end_while_no_server_is_there))
