/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the consumers that wait for messages a commit wakes.
 *
 * One without a filter is HUNGRY, and every commit is for it. One with filters is ASLEEP while
 * nothing that matches is there: its filters stand in stream->ears, one index of all sleepers, and
 * what was committed is looked up there, each message once:
 *
 *     committed       7: orders.eu   8: logs.x   9: orders.us
 *     stream->ears    orders.* -> [A, B]   orders.us -> [C]       7 wakes A and B, 9 wakes C
 *
 * So a publish costs its own match and those whom it wakes, however many others sleep, and however
 * many filters they have. A sleeper's place is where it fell asleep, with nothing ahead; who is
 * woken goes on at the message that woke it:
 *
 *     true of every sleeper:  nothing from next_seq to stream->heard_seq matches, and so nothing
 *     of that has to be read, or counted, again
 *
 * Filters stay in the index while their consumer is at work, since it will sleep again soon; they
 * leave it, in slices, as they came, when messages find nobody asking there. */
#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/saturate.h"
#include "engine/streams/js_state.h"

enum {
    WAKE_FILTERS = 256, /* that come or go in one step of a consumer */
    WAKE_RECORDS = 1024, /* that are looked up in one step of a stream */
    WAKE_IDLE = 16,     /* messages that find nobody asking, until the filters leave */
};

struct ri_ear { /* a filter of a consumer that sleeps, or will again */
    ri_interest_entry entry;
    ri_consumer *c;
};

void ri_wake_init(ri_stream *stream)
{
    ri_interest_init(&stream->ears, stream->js->host);
    stream->ears.bare = true;
    ri_list_init(&stream->asleep);
}

void ri_wake_fini(ri_stream *stream)
{
    ri_interest_fini(&stream->ears);
}

/* ---- Falling asleep ---- */

/* 1 when all filters are in the index, 0 if there are more to come. */
static int wake_listen(ri_consumer *c)
{
    ri_stream *stream = c->stream;
    if (!c->ears) {
        c->ears = ri_calloc(stream->js->host, ri_size_mul(c->filter.nsubjects, sizeof *c->ears));
        if (!c->ears) return RILL_ENOMEM;
        c->nears = c->filter.nsubjects;
    }
    for (int i = 0; i < WAKE_FILTERS && c->listening < c->nears; i++, c->listening++) {
        ri_ear *ear = &c->ears[c->listening];
        ear->c = c;
        ear->entry.subject = c->filter.subjects[c->listening];
        int rc = ri_interest_add(&stream->ears, &ear->entry);
        ri_budget_spend(&stream->js->router->budget, 2);
        if (rc < 0) return rc;
    }
    return c->listening == c->nears;
}

static bool wake_leave(ri_consumer *c, size_t max)
{
    for (; c->listening > 0 && max > 0; max--)
        ri_interest_remove(&c->stream->ears, &c->ears[--c->listening].entry);
    return c->listening == 0;
}

void ri_wake_sleep(ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_stream *stream = c->stream;
    int rc = c->filter.nsubjects ? wake_listen(c) : RILL_EINVAL;
    if (rc == 0) {
        ri_js_ready(c); /* the rest of the filters, in its next turn */
        return;
    }
    if (rc < 0) { /* without a filter, or without memory for it: every commit is looked at */
        ri_js_park(c, RI_PARKED_HUNGRY);
        return;
    }
    ri_track_info info;
    ri_track_counts(stream->track, &info);
    RI_ASSERT(c->next_seq > info.visible_seq);
    c->counted_to = info.visible_seq;
    c->ahead = 0;
    c->idle_wakes = 0;
    if (ri_list_empty(&stream->asleep)) stream->heard_seq = info.visible_seq;
    ri_js_park(c, RI_PARKED_ASLEEP);
}

bool ri_wake_idle(ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    if (c->idle_wakes < WAKE_IDLE) return false;
    c->idle_wakes = wake_leave(c, WAKE_FILTERS) ? 0 : WAKE_IDLE;
    if (c->idle_wakes) ri_js_ready(c);
    return c->idle_wakes > 0;
}

void ri_wake_forget(ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    wake_leave(c, SIZE_MAX);
    ri_free(c->stream->js->host, c->ears, c->nears * sizeof *c->ears);
    c->ears = NULL;
    c->nears = 0;
    if (c->parked == RI_PARKED_ASLEEP) ri_js_ready(c); /* new filters may match what is there */
}

/* ---- Waking ---- */

static void wake_up(ri_consumer *c, uint64_t seq)
{
    bool idle = c->parked == RI_PARKED_NO || c->parked == RI_PARKED_UNBOUND;
    if (idle && c->idle_wakes < WAKE_IDLE && ++c->idle_wakes == WAKE_IDLE) ri_js_ready(c);
    if (c->parked != RI_PARKED_ASLEEP || seq < c->next_seq) return;
    c->next_seq = seq;
    c->counted_to = seq - 1;
    c->ahead = 0;
    ri_js_ready(c);
}

typedef struct wake_visit {
    uint64_t seq;
    uint64_t units;
} wake_visit;

static bool wake_found(void *arg, ri_interest_entry *ring)
{
    wake_visit *visit = arg;
    ri_interest_entry *entry = ring;
    do {
        wake_up(ri_container_of(entry, ri_ear, entry)->c, visit->seq);
        visit->units++;
        entry = entry->next;
    } while (entry != ring);
    return true;
}

/* Nobody can say what was committed: all look for themselves. */
static void wake_all(ri_stream *stream)
{
    while (!ri_list_empty(&stream->asleep))
        ri_js_ready(ri_container_of(stream->asleep.next, ri_consumer, ready_link));
}

/* Look the next message up; false at the end of what is committed. */
static bool wake_next(ri_stream *stream, uint64_t visible_seq)
{
    ri_record record;
    if (ri_list_empty(&stream->asleep) || stream->heard_seq >= visible_seq) return false;
    int rc = ri_cursor_next(&stream->cursor, stream->heard_seq + 1, NULL, &record);
    if (rc < 0) wake_all(stream);
    if (rc <= 0) return false;
    wake_visit visit = {record.seq, 1};
    ri_interest_walk(&stream->ears, record.subject, ri_hash(record.subject), wake_found, &visit);
    stream->heard_seq = record.seq;
    ri_budget_spend(&stream->js->router->budget, visit.units);
    return true;
}

void ri_wake_step(ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_track_info info;
    ri_track_counts(stream->track, &info);
    for (int i = 0; i < WAKE_RECORDS; i++) {
        if (!wake_next(stream, info.visible_seq)) {
            stream->heard_seq = info.visible_seq;
            return;
        }
        if (!ri_budget_left(&stream->js->router->budget)) break;
    }
    ri_js_busy(stream); /* there is more */
}
