/* SPDX-License-Identifier: Apache-2.0 */
/* Consumers with filters that wait: each gets what matches, in order, once, with the right count of
 * what is behind it, whoever else waits and whatever comes, goes and changes meanwhile. By the
 * dice, against a list of messages that is looked through. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "codec/jetstream/jshot.h"
#include "codec/subject/subject.h"
#include "engine/streams/consumer.h"
#include "engine/streams/js_state.h"
#include "engine/streams/purge.h"
#include "support/rng.h"
#include "support/suite.h"
#include "support/world.h"

enum { CONSUMERS = 6, FILTERS = 6, MESSAGES = 4000, TEXT = 24 };

typedef struct reader { /* a consumer, and what it must have got */
    struct machine *m;
    ri_party party;
    ri_subscription sub;
    char inbox[TEXT];
    ri_consumer *c;
    char filters[FILTERS][TEXT];
    int nfilters;            /* 0: everything */
    uint64_t next_seq;       /* it has looked at all below */
    uint64_t wanted;         /* messages that it has asked for and not got */
} reader;

typedef struct machine {
    world w;
    rng random;
    uint64_t seed;
    int step;
    ri_stream *stream;
    char subjects[MESSAGES][TEXT]; /* by sequence; empty: gone */
    uint64_t last_seq;
    reader readers[CONSUMERS];
    uint64_t delivered;
} machine;

static machine m_;

#define need(holds)                                                                       \
    do {                                                                                  \
        if (!(holds))                                                                     \
            ck_abort_msg("seed %llu, step %d: broken: %s", (unsigned long long)m_.seed, m_.step, \
                         #holds);                                                         \
    } while (0)

static bool matches(const reader *r, uint64_t seq)
{
    const char *subject = r->m->subjects[seq];
    if (!*subject) return false;
    for (int i = 0; i < r->nfilters; i++)
        if (ri_subject_match(ri_str_of(r->filters[i]), ri_str_of(subject))) return true;
    return r->nfilters == 0;
}

/* Of what is committed. */
static uint64_t ahead(const reader *r)
{
    ri_track_info info;
    uint64_t n = 0;
    ri_track_counts(ri_stream_track(r->m->stream), &info);
    for (uint64_t seq = r->next_seq; seq <= info.visible_seq; seq++) n += matches(r, seq);
    return n;
}

/* What arrives is the next that matches, and tells how many are behind it. */
static bool reader_deliver(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    (void)sub;
    reader *r = ri_container_of(party, reader, party);
    ri_js_ack ack;
    if (d->m->reply.len == 0) return true; /* a status */
    need(ri_jshot_ack_read(d->m->reply, &ack));
    uint64_t seq = r->next_seq;
    while (seq <= r->m->last_seq && !matches(r, seq)) seq++;
    need(ack.stream_seq == seq && r->wanted > 0);
    need(ri_str_is(d->m->subject, r->m->subjects[seq]));
    r->next_seq = seq + 1;
    r->wanted--;
    need(ack.pending == ahead(r));
    r->m->delivered++;
    return true;
}

static const ri_party_ops reader_ops = {.deliver = reader_deliver};

static void dice_subject(machine *m, char out[TEXT], bool filter)
{
    static const char *words[] = {"a", "b", "c", "d"};
    size_t len = (size_t)snprintf(out, TEXT, "s");
    uint64_t count = 1 + rng_below(&m->random, 3);
    for (uint64_t i = 0; i < count; i++) {
        const char *word = words[rng_below(&m->random, RI_LEN(words))];
        if (filter && rng_below(&m->random, 3) == 0) word = i + 1 == count ? ">" : "*";
        len += (size_t)snprintf(out + len, TEXT - len, ".%s", word);
    }
}

/* Filters by the dice, none of which covers another. */
static void dice_filters(machine *m, reader *r)
{
    r->nfilters = (int)rng_below(&m->random, FILTERS + 1);
    for (int i = 0; i < r->nfilters; i++) {
        bool again = true;
        for (int tries = 0; again; tries++) {
            dice_subject(m, r->filters[i], true);
            again = false;
            for (int k = 0; k < i && !again; k++)
                again = ri_subject_covers(ri_str_of(r->filters[k]), ri_str_of(r->filters[i])) ||
                        ri_subject_covers(ri_str_of(r->filters[i]), ri_str_of(r->filters[k]));
            if (again && tries > 20) break;
        }
        if (again) r->nfilters = i;
    }
}

static void configure(machine *m, int i)
{
    reader *r = &m->readers[i];
    char json[512];
    int len = snprintf(json, sizeof json, "{\"durable_name\":\"c%d\",\"ack_policy\":\"none\","
                       "\"max_waiting\":100000", i);
    for (int k = 0; k < r->nfilters; k++)
        len += snprintf(json + len, sizeof json - (size_t)len, "%s\"%s\"",
                        k ? "," : ",\"filter_subjects\":[", r->filters[k]);
    snprintf(json + len, sizeof json - (size_t)len, "%s}", r->nfilters ? "]" : "");
    ri_js_error e = {0};
    if (world_consumer(&m->w, "S", json, &r->c, &e) < 0)
        ck_abort_msg("seed %llu, step %d: %s: %s", (unsigned long long)m->seed, m->step, json,
                     e.text);
}

static void begin(machine *m, int i)
{
    reader *r = &m->readers[i];
    dice_filters(m, r);
    r->next_seq = 1;
    r->wanted = 0;
    configure(m, i);
}

static void do_publish(machine *m)
{
    uint64_t n = 1 + rng_below(&m->random, 4);
    for (uint64_t i = 0; i < n && m->last_seq + 1 < MESSAGES; i++) {
        dice_subject(m, m->subjects[m->last_seq + 1], false);
        m->last_seq++;
        need(world_publish(&m->w, m->subjects[m->last_seq], "", "", "x") == 1);
    }
}

static void do_pull(machine *m, reader *r)
{
    char json[64];
    uint64_t batch = 1 + rng_below(&m->random, 5);
    snprintf(json, sizeof json, "{\"batch\":%d,\"expires\":3600000000000}", (int)batch);
    r->wanted += batch;
    ck_assert_ok(world_pull(&m->w, r->c, r->inbox, json));
}

static void do_remove(machine *m)
{
    if (m->last_seq == 0) return;
    uint64_t seq = 1 + rng_below(&m->random, m->last_seq);
    if (!m->subjects[seq][0]) return;
    ck_assert_ok(ri_stream_erase(m->stream, seq, false, NULL));
    m->subjects[seq][0] = 0;
}

static void do_purge(machine *m)
{
    uint64_t purged, seq = rng_below(&m->random, m->last_seq + 1);
    if (rng_below(&m->random, 4)) seq = RI_MIN(seq, 3);
    if (seq == 0) return;
    ck_assert_ok(ri_purge_whole(m->stream, RI_STR_NONE, seq, 0, &purged, NULL));
    for (uint64_t i = 1; i < seq; i++) m->subjects[i][0] = 0;
}

/* All that was committed has been offered. A consumer may have gone on past what does not match. */
static void settle(machine *m)
{
    world_turn(&m->w);
    for (int i = 0; i < CONSUMERS; i++) {
        reader *r = &m->readers[i];
        need(r->wanted == 0 || ahead(r) == 0);
        need(r->c->next_seq >= r->next_seq);
        for (; r->next_seq < r->c->next_seq; r->next_seq++) need(!matches(r, r->next_seq));
        ri_consumer_info info;
        if (rng_below(&m->random, 4)) continue;
        ri_consumer_info_of(r->c, &info);
        need(info.num_pending == ahead(r));
    }
}

static void do_one(machine *m)
{
    int i = (int)rng_below(&m->random, CONSUMERS);
    reader *r = &m->readers[i];
    switch (rng_below(&m->random, 32)) {
    default: do_publish(m); break;
    case 0: case 1: case 2: case 3: case 4: case 5: case 6: do_pull(m, r); break;
    case 7: do_remove(m); break;
    case 8: if (rng_below(&m->random, 8) == 0) do_purge(m); break;
    case 9:
        if (rng_below(&m->random, 4)) break;
        settle(m);
        dice_filters(m, r);
        configure(m, i);
        break;
    case 10:
        if (rng_below(&m->random, 8)) break;
        ck_assert_ok(ri_consumer_delete(r->c));
        begin(m, i);
        break;
    case 11: /* requests run out */
        if (rng_below(&m->random, 8)) break;
        settle(m);
        world_wait(&m->w, 3600 * 1000 + 1);
        for (int k = 0; k < CONSUMERS; k++) m->readers[k].wanted = 0;
        break;
    }
}

static void run(uint64_t seed)
{
    machine *m = &m_;
    memset(m, 0, sizeof *m);
    m->seed = seed;
    rng_init(&m->random, seed);
    ck_assert_ok(world_init(&m->w, NULL));
    ck_assert_ok(world_stream(&m->w, "{\"name\":\"S\",\"subjects\":[\"s.>\"]}", &m->stream, NULL));
    for (int i = 0; i < CONSUMERS; i++) {
        reader *r = &m->readers[i];
        r->m = m;
        ri_party_init(&r->party, &m->w.router, &reader_ops);
        snprintf(r->inbox, sizeof r->inbox, "in%d", i);
        r->sub.entry.subject = ri_str_of(r->inbox);
        ck_assert_ok(ri_router_subscribe(&r->party, &r->sub));
        begin(m, i);
    }
    for (m->step = 0; m->step < 700; m->step++) {
        do_one(m);
        if (rng_below(&m->random, 3)) settle(m);
    }
    need(m->delivered > 100);
    for (int i = 0; i < CONSUMERS; i++) ri_party_fini(&m->readers[i].party);
    world_fini(&m->w);
}

START_TEST(test_dice)
{
    uint64_t seed = rng_seed(1);
    for (uint64_t i = 0; i < 20; i++) run(seed + i);
}
END_TEST

SUITE_MAIN("wake", test_dice)
