/* SPDX-License-Identifier: Apache-2.0 */
/* How long a stream keeps what it has.
 *
 *     limits      until max_msgs, max_bytes, max_msgs_per_subject, max_age or a TTL says so
 *     interest    also until every consumer whose filter matches has settled it
 *     workqueue   also until the one consumer that may have it has settled it
 *
 * Every removal, for whatever reason, passes ri_retention_remove() or ri_retention_purge(), which
 * inform the consumers: what is gone can no longer be pending. */
#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "codec/jetstream/duration.h"
#include "codec/nats/headers.h"
#include "codec/subject/subject.h"
#include "engine/streams/js_state.h"
#include "engine/streams/view.h"
#include "store/index/subject_index.h"

#define RETENTION_AGAIN_NS RI_SEC /* what could not be read is tried again after that */
#define RETENTION_LATE_NS (300 * RI_SEC) /* log.retention.check.interval.ms of Kafka */

enum {
    RETENTION_LEAST = 64, /* messages that are removed together, however little of the turn is
                             left */
    RETENTION_KEPT = 1024, /* places of an agenda that is empty */
    RETENTION_OVER = 2,   /* a walk has found a subject with too many messages */
};

/* Of the turn, for a message that is removed: its consumers are informed. */
static uint64_t retention_units(const ri_stream *stream)
{
    return 2 + stream->nconsumers / 4;
}

/* ---- Removing ---- */

int ri_retention_remove(ri_stream *stream, uint64_t seq, bool erase)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    int rc = ri_track_remove(stream->track, seq, erase);
    if (rc < 0) return rc;
    if (erase) ri_view_erased(stream, seq);
    ri_stream_touch(stream);
    ri_ids_gone(stream, seq, seq);
    ri_consumer_removed(stream, seq);
    ri_budget_spend(&stream->js->router->budget, retention_units(stream));
    return RILL_OK;
}

int ri_retention_purge_some(ri_stream *stream, uint64_t before)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_budget *budget = &stream->js->router->budget;
    uint64_t each = retention_units(stream);
    ri_track_info info, after;
    ri_track_counts(stream->track, &info);
    uint64_t fit = (uint64_t)RI_MAX(budget->left - budget->floor, 0) / each;
    uint64_t end = info.first_seq + RI_MAX(fit, (uint64_t)RETENTION_LEAST);
    int rc = ri_retention_purge(stream, RI_MIN(end, before));
    if (rc < 0) return rc;
    ri_track_counts(stream->track, &after);
    ri_budget_spend(budget, 1 + (info.count - after.count) * each);
    return after.count > 0 && after.first_seq < before;
}

int ri_retention_purge(ri_stream *stream, uint64_t before)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    int rc = ri_track_purge(stream->track, before);
    if (rc < 0) return rc;
    ri_stream_touch(stream);
    if (before > 1) ri_ids_gone(stream, 1, before - 1);
    ri_consumer_purged(stream, before);
    return RILL_OK;
}

/* ---- Records with a time of their own: a binary heap ---- */

int ri_agenda_put(ri_js_agenda *agenda, int64_t due_ns, uint64_t seq)
{
    int rc = ri_array_reserve_long(agenda->host, &agenda->items, &agenda->cap, agenda->len + 1,
                                   sizeof *agenda->items);
    if (rc < 0) return rc;
    size_t i = agenda->len++;
    for (; i > 0 && agenda->items[(i - 1) / 2].due_ns > due_ns; i = (i - 1) / 2)
        agenda->items[i] = agenda->items[(i - 1) / 2];
    agenda->items[i] = (ri_js_expiry){due_ns, seq};
    return RILL_OK;
}

bool ri_agenda_due(ri_js_agenda *agenda, int64_t now_ns, ri_js_expiry *out)
{
    if (agenda->len == 0 || agenda->items[0].due_ns > now_ns) return false;
    *out = agenda->items[0];
    ri_js_expiry last = agenda->items[--agenda->len];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < agenda->len; i = child) {
        if (child + 1 < agenda->len &&
            agenda->items[child + 1].due_ns < agenda->items[child].due_ns)
            child++;
        if (agenda->items[child].due_ns >= last.due_ns) break;
        agenda->items[i] = agenda->items[child];
    }
    if (agenda->len) agenda->items[i] = last;
    return true;
}

void ri_agenda_fini(ri_js_agenda *agenda)
{
    ri_free(agenda->host, agenda->items, agenda->cap * sizeof *agenda->items);
    agenda->items = NULL;
    agenda->len = agenda->cap = 0;
}

/* ---- Limits ---- */

static uint64_t retention_bytes(const ri_ingest *in)
{
    ri_record record = {.subject = in->subject, .headers = in->headers, .data = in->data};
    return ri_record_bytes(&record, ri_track_counts_as_memory(in->stream->track));
}

/* Will the new message push out an older one of its subject, so that the sum stays? */
static bool retention_replaces(const ri_ingest *in, uint64_t *bytes)
{
    ri_stream *stream = in->stream;
    ri_subject_info info;
    ri_record record;
    *bytes = 0;
    if (stream->conf.max_msgs_per_subject <= 0) return false;
    if (ri_track_subject(stream->track, in->subject, &info) < 0) return false;
    if (info.count < (uint64_t)stream->conf.max_msgs_per_subject) return false;
    if (ri_cursor_get(&stream->cursor, info.first_seq, &record) >= 0)
        *bytes = ri_record_bytes(&record, ri_track_counts_as_memory(stream->track));
    return true;
}

static int retention_refuse(ri_js_error *e, const char *what)
{
    return ri_jserror_set(e, RI_JS_STREAM_STORE_FAILED, "maximum %s exceeded", what);
}

/* May one more come to so many, of so many bytes in all? */
static int retention_fits(const ri_stream_conf *conf, uint64_t count, uint64_t bytes,
                          ri_js_error *e)
{
    if (conf->max_msgs > 0 && count > (uint64_t)conf->max_msgs)
        return retention_refuse(e, "messages");
    if (conf->max_bytes > 0 && bytes > (uint64_t)conf->max_bytes)
        return retention_refuse(e, "bytes");
    return RILL_OK;
}

/* ---- Limits that refuse, of messages that come together ---- */

typedef struct retention_planned { /* a subject of the batch */
    ri_str subject;    /* lent by it */
    uint64_t count;    /* messages that it will have */
    uint64_t next_seq; /* its oldest stored message that is still there then */
} retention_planned;

static bool retention_same(const void *item, const void *key)
{
    return ri_str_eq(((const retention_planned *)item)->subject, *(const ri_str *)key);
}

void ri_retention_plan_init(ri_retention_plan *plan, ri_stream *stream)
{
    ri_track_info info;
    ri_track_counts(stream->track, &info);
    *plan = (ri_retention_plan){.count = info.count, .bytes = info.bytes};
    ri_map_init(&plan->subjects, stream->js->host, retention_same);
    ri_arena_init(&plan->arena, stream->js->host);
}

void ri_retention_plan_fini(ri_retention_plan *plan)
{
    ri_map_fini(&plan->subjects);
    ri_arena_fini(&plan->arena);
}

/* NULL: out of memory. */
static retention_planned *retention_plan_of(ri_retention_plan *plan, const ri_ingest *in)
{
    uint64_t hash = ri_hash(in->subject);
    retention_planned *p = ri_map_get(&plan->subjects, hash, &in->subject);
    if (p) return p;
    p = ri_arena_alloc(&plan->arena, sizeof *p);
    if (!p) return NULL;
    ri_subject_info info;
    *p = (retention_planned){.subject = in->subject, .next_seq = 1};
    if (ri_track_subject(in->stream->track, in->subject, &info) >= 0) p->count = info.count;
    return ri_map_put(&plan->subjects, hash, p) < 0 ? NULL : p;
}

/* Its oldest message gives way. Bytes of one that came with the batch are not counted: what is
 * larger than the stream may be refused, though what is left of it would have room. */
static uint64_t retention_plan_replace(const ri_ingest *in, retention_planned *p)
{
    ri_record record;
    ri_filter filter = {&in->subject, 1};
    if (ri_subject_has_wildcard(in->subject) ||
        ri_cursor_next(&in->stream->open_cursor, p->next_seq, &filter, &record) <= 0)
        return 0;
    p->next_seq = record.seq + 1;
    return ri_record_bytes(&record, ri_track_counts_as_memory(in->stream->track));
}

/* Behind all that was admitted before. */
static int retention_admit_planned(ri_retention_plan *plan, const ri_ingest *in, ri_js_error *e)
{
    ri_stream *stream = in->stream;
    const ri_stream_conf *conf = &stream->conf;
    retention_planned *p = NULL;
    bool rollup = in->asked.rollup.len > 0, full = false;
    if (conf->retention == RI_RETAIN_INTEREST && !ri_retention_wanted(stream, in->subject))
        return RILL_OK; /* it takes a number, and no room */
    if (conf->max_msgs_per_subject > 0) {
        if (!(p = retention_plan_of(plan, in))) return ri_jserror_no_memory(e);
        full = p->count >= (uint64_t)conf->max_msgs_per_subject;
    }
    if (full && conf->discard_new_per_subject && !rollup)
        return retention_refuse(e, "messages per subject");
    plan->bytes += retention_bytes(in);
    if (full)
        plan->bytes -= retention_plan_replace(in, p);
    else
        plan->count++;
    if (p) p->count = rollup ? 1 : p->count + !full;
    return retention_fits(conf, plan->count, plan->bytes, e);
}

int ri_retention_admit(const ri_ingest *in, ri_js_error *e)
{
    const ri_stream_conf *conf = &in->stream->conf;
    int rc = ri_room_admit(in, e);
    if (rc < 0 || conf->discard != RI_DISCARD_NEW) return rc;
    if (in->plan) return retention_admit_planned(in->plan, in, e);
    if (conf->discard_new_per_subject && in->asked.rollup.len == 0) {
        ri_subject_info info;
        if (ri_track_subject(in->stream->track, in->subject, &info) >= 0 &&
            info.count >= (uint64_t)conf->max_msgs_per_subject)
            return retention_refuse(e, "messages per subject");
    }
    if (conf->max_msgs <= 0 && conf->max_bytes <= 0) return RILL_OK;
    ri_track_info info;
    ri_track_counts(in->stream->track, &info);
    uint64_t replaced_bytes;
    bool replaces = retention_replaces(in, &replaced_bytes);
    return retention_fits(conf, info.count + !replaces,
                          info.bytes + retention_bytes(in) - replaced_bytes, e);
}

/* These remove at least RETENTION_LEAST of those that are over, and more while the budget lasts:
 * 1 if there are still some. What is lost to damage is passed over; RILL_E*: it is to be tried
 * again. */
static int retention_trim_subject(ri_stream *stream, ri_str subject)
{
    const ri_budget *budget = &stream->js->router->budget;
    uint64_t max = (uint64_t)stream->conf.max_msgs_per_subject;
    ri_subject_info info;
    for (int i = 0; ri_track_subject(stream->track, subject, &info) >= 0 && info.count > max; i++) {
        if (i >= RETENTION_LEAST && !ri_budget_left(budget)) return 1;
        int rc = ri_retention_remove(stream, info.first_seq, false);
        if (rc < 0) return ri_js_is_lost(rc) ? 0 : rc;
    }
    return 0;
}

static int retention_trim(ri_stream *stream)
{
    const ri_stream_conf *conf = &stream->conf;
    ri_budget *budget = &stream->js->router->budget;
    for (int i = 0;; i++) {
        ri_track_info info;
        ri_track_counts(stream->track, &info);
        bool over = (conf->max_msgs > 0 && info.count > (uint64_t)conf->max_msgs) ||
                    (conf->max_bytes > 0 && info.bytes > (uint64_t)conf->max_bytes);
        if (!over) return 0;
        if (i >= RETENTION_LEAST && !ri_budget_left(budget)) return 1;
        int rc = ri_retention_purge(stream, info.first_seq + 1);
        if (rc < 0) return ri_js_is_lost(rc) ? 0 : rc;
        ri_budget_spend(budget, retention_units(stream));
    }
}

static void retention_try_again(ri_stream *stream)
{
    ri_js_arm(stream, ri_ns_add(stream->js->mono_ns, RETENTION_AGAIN_NS));
}

/* The rest of what is over its limits goes in the next steps, or is tried again in a while. */
static void retention_enforce_later(ri_stream *stream, int rc)
{
    stream->enforcing = true;
    if (rc < 0)
        retention_try_again(stream);
    else
        ri_js_busy(stream);
}

void ri_retention_stored(ri_stream *stream, ri_str subject)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    const ri_stream_conf *conf = &stream->conf;
    int rc = conf->max_msgs_per_subject > 0 ? retention_trim_subject(stream, subject) : 0;
    if (rc) retention_enforce_later(stream, rc);
    bool trims = conf->discard == RI_DISCARD_OLD && (conf->max_msgs > 0 || conf->max_bytes > 0);
    if (trims && (rc = retention_trim(stream)) != 0) retention_enforce_later(stream, rc);
    if (conf->max_age > 0 && (!ri_timer_armed(&stream->timer) ||
                              stream->timer.due_ns > ri_ns_add(stream->js->mono_ns, conf->max_age)))
        ri_js_arm(stream, ri_js_mono_of(stream->js, ri_retention_next_ns(stream)));
}

typedef struct retention_over { /* a subject with too many messages */
    uint64_t max;
    ri_buffer *out; /* its name, copied: the index is being walked */
} retention_over;

static int retention_find_over(void *arg, const ri_subject_info *info)
{
    retention_over *over = arg;
    if (info->count <= over->max) return 0;
    ri_buffer_reset(over->out);
    ri_buffer_put_str(over->out, info->subject);
    return RETENTION_OVER;
}

/* Trim the subjects with too many, from stream->enforce_next on: 1 if there may be more;
 * RILL_E*. */
static int retention_trim_subjects(ri_stream *stream)
{
    const ri_stream_conf *conf = &stream->conf;
    retention_over over = {(uint64_t)conf->max_msgs_per_subject, &stream->js->subject};
    ri_subject_place place = {&stream->js->router->budget, stream->enforce_next};
    int rc;
    while ((rc = ri_track_some_subjects(stream->track, RI_STR_NONE, false, &place,
                                        retention_find_over, &over)) == RETENTION_OVER &&
           !over.out->failed && !place.next.failed) {
        ri_str subject = ri_buffer_str(over.out);
        rc = retention_trim_subject(stream, subject);
        ri_buffer_reset(&place.next);
        ri_buffer_put_str(&place.next, subject);
        if (rc == 0) ri_buffer_put(&place.next, "", 1); /* behind it */
        if (rc == 0 && !ri_budget_left(place.budget)) rc = 1;
        if (rc) break;
    }
    if (over.out->failed || place.next.failed) rc = RILL_ENOMEM;
    if (rc == 0 || place.next.failed) ri_buffer_reset(&place.next); /* begin anew, if need be */
    stream->enforce_next = place.next;
    return rc;
}

static int retention_enforce_some(ri_stream *stream)
{
    const ri_stream_conf *conf = &stream->conf;
    /* A limit that refuses keeps what is there: nothing comes in until there is room. */
    int rc = conf->max_msgs_per_subject > 0 && !conf->discard_new_per_subject
                 ? retention_trim_subjects(stream) : 0;
    return rc == 0 && conf->discard == RI_DISCARD_OLD ? retention_trim(stream) : rc;
}

void ri_retention_enforce(ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_buffer_reset(&stream->enforce_next);
    stream->enforcing = false;
    int rc = retention_enforce_some(stream);
    if (rc) retention_enforce_later(stream, rc);
    ri_retention_due(stream);
    ri_js_arm(stream, ri_js_mono_of(stream->js, ri_retention_next_ns(stream)));
}

/* ---- Interest and work queues ---- */

bool ri_retention_wanted(const ri_stream *stream, ri_str subject)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    if (stream->nunfiltered || ri_fence_doubts(stream)) return true;
    for (size_t i = 0; i < stream->nconsumers; i++)
        if (ri_consumer_wants(stream->list[i], subject)) return true;
    return !ri_list_empty(&stream->followers) && ri_mirror_wants(stream, subject, UINT64_MAX);
}

static bool retention_holds(const ri_stream *stream, const ri_consumer *but, uint64_t seq,
                            ri_str subject)
{
    for (size_t i = 0; i < stream->nconsumers; i++)
        if (stream->list[i] != but && ri_consumer_holds(stream->list[i], seq, subject)) return true;
    return !ri_list_empty(&stream->followers) && ri_mirror_wants(stream, subject, seq);
}

bool ri_retention_held(ri_stream *stream, const ri_consumer *but, uint64_t seq)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_record record = {0};
    if (ri_fence_doubts(stream)) return true;
    bool named = !ri_list_empty(&stream->followers);
    for (size_t i = 0; i < stream->nconsumers && !named; i++)
        named = stream->list[i] != but && stream->list[i]->filter.nsubjects;
    if (named && ri_cursor_get(&stream->cursor, seq, &record) < 0) return true;
    return retention_holds(stream, but, seq, record.subject);
}

int ri_retention_acked(ri_stream *stream, ri_consumer *c, uint64_t seq)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    switch (stream->conf.retention) {
    case RI_RETAIN_LIMITS: return RILL_OK;
    case RI_RETAIN_INTEREST:
        if (ri_retention_held(stream, c, seq)) return RILL_OK;
        break;
    case RI_RETAIN_WORKQUEUE: break;
    }
    int rc = ri_track_remove(stream->track, seq, false);
    if (rc >= 0) ri_ids_gone(stream, seq, seq);
    ri_budget_spend(&stream->js->router->budget, retention_units(stream));
    ri_stream_touch(stream);
    return rc < 0 && !ri_js_is_lost(rc) ? rc : RILL_OK;
}

/* ---- Interest that has ended: a consumer is gone, or has other filters ---- */

void ri_retention_review(ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    if (stream->conf.retention != RI_RETAIN_INTEREST || stream->closing) return;
    stream->review_seq = 1;
    stream->review_to = stream->last_seq;
    ri_js_busy(stream);
}

/* All from here on are held by a consumer of every subject that has not been given them. */
static uint64_t retention_held_from(const ri_stream *stream)
{
    uint64_t from = UINT64_MAX;
    for (size_t i = 0; stream->nunfiltered && i < stream->nconsumers; i++)
        if (stream->list[i]->filter.nsubjects == 0) from = RI_MIN(from, stream->list[i]->next_seq);
    return from;
}

static int retention_review_one(ri_stream *stream, int rc, const ri_record *record)
{
    if (rc > 0 && !retention_holds(stream, NULL, record->seq, record->subject)) {
        rc = ri_retention_remove(stream, record->seq, false);
        if (rc < 0 && !ri_js_is_lost(rc)) return rc;
    }
    stream->review_seq = record->seq + 1;
    return RILL_OK;
}

/* 1: the budget is used up; 0: all that can be seen was looked at; RILL_E*: to be tried again. */
static int retention_review_some(ri_stream *stream)
{
    ri_budget *budget = &stream->js->router->budget;
    uint64_t end = RI_MIN(stream->review_to, retention_held_from(stream) - 1);
    ri_record record;
    int rc;
    while ((rc = ri_cursor_next(&stream->cursor, stream->review_seq, NULL, &record)) != 0) {
        if (rc < 0 && !ri_js_is_lost(rc)) return rc;
        if (record.seq > end) break;
        if ((rc = retention_review_one(stream, rc, &record)) < 0) return rc;
        if (!ri_budget_spend(budget, 1 + stream->nconsumers)) return 1;
    }
    ri_track_info info;
    ri_track_counts(stream->track, &info);
    if (rc != 0 || info.visible_seq >= end) stream->review_to = 0; /* else: behind its commit */
    return 0;
}

/* While there may be somebody who is not known, nothing goes. */
static void retention_review_step(ri_stream *stream)
{
    if (!stream->review_to || ri_fence_doubts(stream)) return;
    int rc = retention_review_some(stream);
    if (rc > 0) ri_js_busy(stream);
    if (rc < 0) retention_try_again(stream);
}

void ri_retention_step(ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    if (stream->closing) return;
    if (stream->enforcing) {
        stream->enforcing = false;
        int rc = retention_enforce_some(stream);
        if (rc) retention_enforce_later(stream, rc);
    }
    retention_review_step(stream);
    ri_catalog_put_work(stream, stream->enforcing || stream->review_to);
}

void ri_retention_review_noted(ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_retention_review(stream);
    if (stream->review_to) ri_catalog_put_work(stream, true);
}

void ri_retention_resume(ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    stream->enforcing = true;
    ri_retention_review(stream);
    ri_js_busy(stream);
}

/* ---- Time ---- */

/* The last of its subject ran out of time: a message without body says so. */
static void retention_mark(ri_stream *stream, const ri_record *gone)
{
    ri_js *js = stream->js;
    ri_subject_info info;
    int64_t ttl_ns = stream->conf.subject_delete_marker_ttl;
    if (ttl_ns <= 0 || gone->flags & RI_RECORD_MARKER) return;
    if (ri_track_subject(stream->track, gone->subject, &info) >= 0 && info.count > 1) return;
    ri_str operation;
    if (ri_headers_find(gone->headers, RI_STR("KV-Operation"), &operation) &&
        ri_str_is(operation, "PURGE"))
        return;
    char duration[RI_DURATION_MAX];
    size_t len = ri_duration_write(duration, ttl_ns);
    ri_buffer_reset(&js->scratch);
    ri_buffer_put_str(&js->scratch, gone->subject);
    ri_buffer_reset(&js->record);
    ri_buffer_printf(&js->record, RI_HEADERS_FIRST "\r\nNats-Marker-Reason: MaxAge\r\n"
                     "Nats-TTL: %.*s\r\nNats-Rollup: sub\r\n\r\n", (int)len, duration);
    if (js->scratch.failed || js->record.failed) return;
    ri_ingest in = {.stream = stream, .subject = ri_buffer_str(&js->scratch),
                    .headers = ri_buffer_str(&js->record), .time_ns = js->wall_ns,
                    .internal = true};
    ri_ingest_read(in.headers, &in.asked);
    ri_ingest_append(&in, NULL);
}

static void retention_expire(ri_stream *stream, const ri_record *record)
{
    uint64_t seq = record->seq;
    retention_mark(stream, record);
    ri_retention_remove(stream, seq, false); /* the marker's rollup may have done it */
}

/* Times of a stream never go back: while the wall clock is behind the last of them, records are
 * stored with that time, *lifted*. They are as old as the monotonic clock says, whatever their
 * times; all before them are older. Stretches of them are divided by a part of max_age. What is
 * known of them ends with the process: then their times count. */
enum { RETENTION_LIFTS = 20, RETENTION_PARTS = 16 };

typedef struct retention_lift {
    uint64_t seq_first, seq; /* of the stretch: the first and the last */
    int64_t begun_ns, until_ns; /* monotonic: when its records came */
} retention_lift;

struct ri_js_lifts {
    size_t first, n;    /* a ring, the oldest first */
    retention_lift items[RETENTION_LIFTS];
};

static retention_lift *retention_lift_at(ri_js_lifts *lifts, size_t i)
{
    return &lifts->items[(lifts->first + i) % RETENTION_LIFTS];
}

void ri_retention_lifted(ri_stream *stream, uint64_t seq)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    const ri_js *js = stream->js;
    int64_t now = js->mono_ns, max_age = stream->conf.max_age;
    if (max_age <= 0) return;
    if (!stream->lifts) stream->lifts = ri_new(js->host, ri_js_lifts);
    ri_js_lifts *lifts = stream->lifts;
    if (!lifts) return; /* they go when their times say so */
    retention_lift *last = lifts->n ? retention_lift_at(lifts, lifts->n - 1) : NULL;
    bool old = last && ri_ns_sub(now, last->begun_ns) > max_age / RETENTION_PARTS;
    if (!last || (old && lifts->n < RETENTION_LIFTS)) {
        last = retention_lift_at(lifts, lifts->n++);
        last->begun_ns = now;
        last->seq_first = seq;
    }
    last->seq = seq;
    last->until_ns = now;
    ri_js_arm(stream, ri_ns_add(retention_lift_at(lifts, 0)->until_ns, max_age));
}

/* Producers of Kafka date their records, and copy old ones. A Kafka removes these when it looks
 * the next time, and so does a stream that takes them: those that come until then go together. */
void ri_retention_came(ri_stream *stream, uint64_t seq, int64_t time_ns)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    const ri_js *js = stream->js;
    int64_t max_age = stream->conf.max_age;
    if (max_age <= 0 || stream->late_seq || ri_ns_add(time_ns, max_age) > js->wall_ns) return;
    stream->late_seq = seq;
    stream->late_until_ns = ri_ns_add(js->mono_ns, RETENTION_LATE_NS);
    ri_js_arm(stream, stream->late_until_ns);
}

void ri_retention_fini(ri_stream *stream)
{
    const ri_host *host = stream->js->host;
    ri_free(host, stream->lifts, sizeof *stream->lifts);
    ri_agenda_fini(&stream->ttls);
    ri_agenda_fini(&stream->lifted_ttls);
    ri_agenda_fini(&stream->schedules);
}

/* The first that is young enough; 0: all are. */
static uint64_t retention_keep_from(ri_stream *stream)
{
    const ri_js *js = stream->js;
    int64_t max_age = stream->conf.max_age, before_ns = ri_ns_sub(js->wall_ns, max_age);
    ri_track_info info;
    ri_track_status(stream->track, &info);
    if (info.count == 0) return 0;
    uint64_t keep = 0;
    if (info.first_time_ns <= before_ns)
        keep = ri_track_seq_at(stream->track, ri_ns_add(before_ns, 1));
    for (ri_js_lifts *lifts = stream->lifts; lifts && lifts->n; lifts->n--) {
        const retention_lift *lift = retention_lift_at(lifts, 0);
        if (ri_ns_add(lift->until_ns, max_age) > js->mono_ns || lift->seq > info.visible_seq) {
            keep = RI_MIN(keep, lift->seq_first);
            break;
        }
        keep = RI_MAX(keep, lift->seq + 1);
        lifts->first = (lifts->first + 1) % RETENTION_LIFTS;
    }
    if (stream->late_seq && js->mono_ns >= stream->late_until_ns) stream->late_seq = 0;
    if (stream->late_seq) keep = RI_MIN(keep, stream->late_seq);
    return RI_MIN(keep, info.visible_seq + 1);
}

/* Record by record, where some may stay or leave something behind. True: the budget is used up. */
static bool retention_age_each(ri_stream *stream, uint64_t keep)
{
    ri_budget *budget = &stream->js->router->budget;
    ri_record record;
    int rc;
    while ((rc = ri_cursor_next(&stream->cursor, stream->age_seq, NULL, &record)) != 0) {
        if ((rc < 0 && !ri_js_is_lost(rc)) || record.seq >= keep) break;
        stream->age_seq = record.seq + 1;
        if (rc > 0 && !(record.flags & RI_RECORD_NEVER)) retention_expire(stream, &record);
        if (!ri_budget_spend(budget, 1)) return true;
    }
    stream->age_seq = 0;
    return false;
}

/* True: the budget is used up, and there may be more. */
static bool retention_age(ri_stream *stream)
{
    const ri_stream_conf *conf = &stream->conf;
    if (conf->max_age <= 0) return false;
    uint64_t keep = retention_keep_from(stream);
    keep = RI_MAX(keep, stream->age_keep);
    stream->age_keep = 0;
    if (keep <= 1) return false;
    bool more = conf->allow_msg_ttl || conf->subject_delete_marker_ttl > 0
                    ? retention_age_each(stream, keep)
                    : ri_retention_purge_some(stream, keep) == 1;
    if (more) stream->age_keep = keep;
    return more;
}

bool ri_retention_get_due(ri_stream *stream, ri_js_agenda *agenda, const ri_js_expiry *due,
                          ri_record *record)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    int rc = ri_cursor_get(&stream->open_cursor, due->seq, record);
    if (rc == RILL_ENOMEM || rc == RILL_EIO) /* its place in the agenda is free again: no failure */
        ri_agenda_put(agenda, ri_ns_add(stream->js->wall_ns, RETENTION_AGAIN_NS), due->seq);
    return rc >= 0;
}

void ri_retention_due(ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_js_expiry due;
    ri_record record;
    ri_budget *budget = &stream->js->router->budget;
    bool left = true;
    while (left && ri_agenda_due(&stream->ttls, stream->js->wall_ns, &due)) {
        if (ri_retention_get_due(stream, &stream->ttls, &due, &record))
            retention_expire(stream, &record);
        left = ri_budget_spend(budget, 1);
    }
    while (left && ri_agenda_due(&stream->lifted_ttls, stream->js->mono_ns, &due)) {
        if (ri_cursor_get(&stream->open_cursor, due.seq, &record) >= 0)
            retention_expire(stream, &record);
        left = ri_budget_spend(budget, 1);
    }
    stream->aging = retention_age(stream);
    if (stream->ttls.len == 0 && stream->ttls.cap > RETENTION_KEPT) ri_agenda_fini(&stream->ttls);
    ri_room_stream(stream); /* those that were due may have been many */
}

int64_t ri_retention_next_ns(const ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    const ri_js *js = stream->js;
    int64_t next = stream->ttls.len ? stream->ttls.items[0].due_ns : INT64_MAX;
    if (stream->lifted_ttls.len)
        next = RI_MIN(next, ri_js_wall_of(js, stream->lifted_ttls.items[0].due_ns));
    if (stream->conf.max_age <= 0) return next;
    if (stream->lifts && stream->lifts->n) {
        int64_t until_ns = retention_lift_at(stream->lifts, 0)->until_ns;
        next = RI_MIN(next, ri_js_wall_of(js, ri_ns_add(until_ns, stream->conf.max_age)));
    }
    ri_track_info info;
    ri_track_status(stream->track, &info);
    if (info.count == 0) return next;
    int64_t age_ns = ri_ns_add(info.first_time_ns, stream->conf.max_age);
    if (stream->late_seq && info.first_seq >= stream->late_seq)
        age_ns = ri_js_wall_of(js, stream->late_until_ns);
    else if (stream->aging)
        age_ns = js->wall_ns;
    else if (age_ns <= js->wall_ns)
        age_ns = js->wall_ns + RI_SEC; /* some stay */
    return RI_MIN(next, age_ns);
}
