/* SPDX-License-Identifier: Apache-2.0 */
/* A consumer: a place in a stream, and what was delivered before it and is not settled.
 *
 * A message, as one consumer sees it:
 *
 *                      delivered                       acked, terminated (ack.c)
 *     +---------+ (a request or a subscriber) +---------+ ------------------> settled
 *     | waiting | --------------------------> | pending |
 *     +---------+                             +---------+ <--------------------+
 *       seq >= next_seq                         |     ^  WPI: clock starts anew |
 *       (or in picks)               ack wait    |     |                         |
 *       and the filter matches      ran out, or |     | delivered again         |
 *                                   NAK         v     |                         |
 *                                             +-----------+                     |
 *                                             | due again |   max_deliver       |
 *                                             +-----------+ ------------> dead (dead.c)
 *
 *     true at any time:  every message below next_seq that the filter matches, that is in the
 *     stream and not in picks, is settled, dead, pending or due again;
 *     ack floor = the one before the first pending; the last delivered if none is.
 *
 * A consumer, as the scheduler of jetstream.c sees it:
 *
 *     READY     has somebody to deliver to, and perhaps something: stepped in turn
 *     HUNGRY    has somebody, but nothing: woken when its stream has more
 *     ASLEEP    the same with filters: woken when its stream has what matches (wake.c)
 *     UNBOUND   push: nobody has subscribed; looked at when the interest changes
 *     NO        nobody asks, or it is full, or paused: woken by a request, an ack, a timer
 *
 * Nothing is done for a consumer that is not READY: 100 000 idle ones cost their memory only. */
#include "engine/streams/consumer.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/number.h"
#include "codec/subject/overlap.h"
#include "codec/subject/subject.h"
#include "engine/streams/fence.h"
#include "engine/streams/js_state.h"
#include "engine/streams/outset.h"
#include "engine/streams/view.h"

enum {
    CONSUMER_WITHIN_MAX = 64, /* filters up to which each is looked at */
    CONSUMER_GONE_LEAST = 64, /* of those that are gone from the stream, at a time */
    CONSUMER_GONE_UNITS = 2,  /* for each */
    CONSUMER_DELETE_UNITS = 20, /* for each */
    CONSUMER_FILTER_UNITS = 4, /* to compare, to copy and to compile one */
};
#define CONSUMER_IDLE_NS (10 * RI_MS) /* one that is in use is not looked at more often */

/* ---- Making and freeing ---- */

/* The filters that conf names, compiled. Those that place wildcards in too many ways, which no
 * request may, can stand in a store. */
static int consumer_compile(ri_consumer *c)
{
    ri_cursor_fini(&c->cursor); /* what was selected was by the old ones */
    ri_ahead_count_anew(c);
    c->cursor.compiled = NULL;
    ri_filters_fini(&c->compiled);
    if (c->filter.nsubjects == 0) return RILL_OK;
    int rc = ri_filters_compile(&c->compiled, c->stream->js->host, c->filter.subjects,
                                c->filter.nsubjects);
    if (rc == RILL_OK) c->cursor.compiled = &c->compiled;
    return rc == RILL_EFULL ? RILL_OK : rc;
}

/* What follows from conf: filters without those that match everything, groups, sampling. */
static int consumer_derive(ri_consumer *c)
{
    const ri_consumer_conf *conf = &c->conf;
    c->filter = (ri_filter){0};
    if (conf->filter_subject.len && !ri_str_is(conf->filter_subject, ">"))
        c->filter = (ri_filter){&c->conf.filter_subject, 1};
    else if (conf->filter_subjects.len && !ri_str_is(conf->filter_subjects.items[0], ">"))
        c->filter = (ri_filter){conf->filter_subjects.items, conf->filter_subjects.len};
    int rc = consumer_compile(c);
    if (rc < 0) return rc;
    ri_str percent = conf->sample_freq;
    uint64_t sample = 0;
    if (percent.len && percent.ptr[percent.len - 1] == '%') percent.len--;
    c->sample = ri_number_read(percent, &sample) ? (uint32_t)RI_MIN(sample, 100) : 0;
    if (c->groups || conf->priority_groups.len == 0) return RILL_OK;
    uint32_t n = conf->priority_groups.len;
    const ri_host *host = c->stream->js->host;
    c->groups = ri_calloc(host, ri_size_mul(n, sizeof *c->groups));
    c->group_states = ri_calloc(host, ri_size_mul(n, sizeof *c->group_states));
    if (!c->groups || !c->group_states) {
        ri_free(host, c->groups, n * sizeof *c->groups);
        ri_free(host, c->group_states, n * sizeof *c->group_states);
        c->groups = NULL;
        c->group_states = NULL;
        return RILL_ENOMEM;
    }
    c->ngroups = n;
    for (uint32_t i = 0; i < c->ngroups; i++) c->groups[i].name = conf->priority_groups.items[i];
    return RILL_OK;
}

static void consumer_init(ri_consumer *c, ri_stream *stream, uint64_t id)
{
    const ri_host *host = stream->js->host;
    c->magic = RI_CONSUMER_MAGIC;
    c->stream = stream;
    c->id = id;
    c->created_ns = stream->js->wall_ns;
    c->busy_mono_ns = stream->js->mono_ns;
    c->next_seq = 1;
    ri_arena_init(&c->arena, host);
    ri_cursor_init(&c->cursor, stream->track);
    c->cursor.budget = &stream->js->router->budget;
    ri_pending_init(c);
    ri_list_init(&c->ready_link);
    ri_list_init(&c->active_link);
    ri_list_init(&c->unsaved_link);
    ri_buffer_init(&c->unsaved, host);
}

int ri_consumer_new(ri_stream *stream, const ri_consumer_conf *conf, ri_str name, uint64_t id,
                    ri_consumer **out)
{
    ri_consumer *c = ri_new(stream->js->host, ri_consumer);
    if (!c) return RILL_ENOMEM;
    consumer_init(c, stream, id);
    int rc;
    char *copy = ri_arena_copy(&c->arena, name.ptr, name.len);
    if ((rc = copy ? RILL_OK : RILL_ENOMEM) < 0) goto fail;
    c->name = (ri_str){copy, name.len};
    if ((rc = ri_jsapi_copy_consumer_conf(&c->conf, conf, &c->arena)) < 0) goto fail;
    if ((rc = consumer_derive(c)) < 0) goto fail;
    if (conf->deliver_subject.len && (rc = ri_push_init(c)) < 0) goto fail;
    c->kept = stream->store->states != NULL && !conf->mem_storage;
    c->whole = true;
    *out = c;
    return RILL_OK;
fail:
    ri_consumer_free(c);
    return rc;
}

void ri_consumer_free(ri_consumer *c)
{
    RI_CHECK(c, RI_CONSUMER_MAGIC);
    ri_js *js = c->stream->js;
    const ri_host *host = js->host;
    ri_stream_remove_consumer(c->stream, c);
    ri_js_park(c, RI_PARKED_NO);
    ri_wake_forget(c);
    ri_list_remove(&c->active_link);
    ri_list_remove(&c->unsaved_link);
    ri_heap_cancel(&js->consumer_timers, &c->timer);
    ri_pending_clear(c);
    ri_pull_fini(c);
    ri_push_fini(c);
    ri_cursor_fini(&c->cursor);
    ri_ahead_count_anew(c);
    ri_filters_fini(&c->compiled);
    ri_free(host, c->groups, c->ngroups * sizeof *c->groups);
    ri_free(host, c->group_states, c->ngroups * sizeof *c->group_states);
    ri_free(host, c->picks, c->npicks * sizeof *c->picks);
    ri_free(host, c->saved, c->saved_cap * sizeof *c->saved);
    ri_buffer_fini(&c->unsaved);
    ri_arena_fini(&c->arena);
    ri_room_leave(js, &c->held);
    c->magic = 0;
    ri_delete(host, c);
}

/* ---- Its first place ---- */

static int consumer_by_seq(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The first message of these subjects; 0: it is not looked for, since that would be long. */
static uint64_t consumer_first_seq(const ri_consumer *c)
{
    uint64_t first = UINT64_MAX;
    ri_subject_info info;
    if (c->filter.nsubjects > CONSUMER_WITHIN_MAX) return 0;
    for (size_t i = 0; i < c->filter.nsubjects; i++) {
        if (!ri_subject_is_literal(c->filter.subjects[i])) return 0;
        if (ri_track_subject(c->stream->track, c->filter.subjects[i], &info) >= 0)
            first = RI_MIN(first, info.first_seq);
    }
    return first == UINT64_MAX ? 0 : first;
}

/* `outset`: what was found out of where it begins. */
static int consumer_start(ri_consumer *c, ri_outset *outset)
{
    ri_track_info info;
    ri_track_counts(c->stream->track, &info);
    uint64_t first = info.count ? info.first_seq : c->stream->last_seq + 1;
    uint64_t next = c->stream->last_seq + 1;
    int rc = RILL_OK;
    switch (c->conf.deliver_policy) {
    case RI_DELIVER_ALL: next = first; break;
    case RI_DELIVER_LAST: /* the first, as nats-server says it, when there is none */
        next = RI_MAX(outset->last, first);
        break;
    case RI_DELIVER_NEW: break;
    case RI_DELIVER_BY_START_SEQUENCE: next = RI_MAX(c->conf.opt_start_seq, first); break;
    case RI_DELIVER_BY_START_TIME:
        next = RI_MAX(ri_stream_seq_at(c->stream, c->conf.opt_start_time), first);
        next = RI_MAX(next, consumer_first_seq(c));
        break;
    case RI_DELIVER_LAST_PER_SUBJECT:
        next = outset->upto + 1;
        rc = ri_outset_take(outset, &c->picks, &c->npicks);
        break;
    }
    c->next_seq = next;
    c->delivered_stream = c->floor_stream = (c->npicks ? c->picks[0] : next) - 1;
    return rc;
}

/* The same, and what was not looked for before is now, in one go. */
static int consumer_set_out(ri_consumer *c, ri_outset *known)
{
    ri_outset own;
    if (known || !ri_outset_is_long(&c->conf)) return consumer_start(c, known);
    ri_outset_init(&own, c->stream->js->host, &c->conf, NULL);
    int rc = ri_outset_some(&own, c->stream);
    if (rc == RILL_OK) rc = consumer_start(c, &own);
    ri_outset_fini(&own);
    return rc;
}

/* It stands where it starts, or where it was: let it run. */
void ri_consumer_started(ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    if (c->conf.inactive_threshold > 0)
        ri_js_arm_consumer(c, ri_ns_add(c->stream->js->mono_ns, c->conf.inactive_threshold));
    ri_js_ready(c);
}

/* ---- Create ---- */

enum { CONSUMER_FEW = 8 }; /* filters that are compared one by one with all there are */

/* Does one of `n` filters overlap with one of a consumer's? */
static bool consumer_overlaps(const ri_consumer *c, const ri_str *filters, size_t n)
{
    for (size_t a = 0; a < n; a++)
        for (size_t b = 0; b < c->filter.nsubjects; b++)
            if (ri_subject_overlaps(filters[a], c->filter.subjects[b])) return true;
    return false;
}

/* The same of many filters and all consumers: 1, 0, or why nobody knows. */
static int consumer_overlaps_many(const ri_stream *stream, const ri_consumer *but,
                                  const ri_str *filters, size_t n)
{
    ri_overlap own, others;
    int rc = RILL_OK;
    ri_overlap_init(&own, stream->js->host);
    ri_overlap_init(&others, stream->js->host);
    for (size_t i = 0; i < n && rc >= 0; i++) rc = ri_overlap_add(&own, filters[i]);
    for (size_t i = 0; i < stream->nconsumers && rc >= 0; i++) {
        const ri_filter *other = &stream->list[i]->filter;
        if (stream->list[i] == but || stream->list[i]->observer) continue;
        for (size_t k = 0; k < other->nsubjects && rc >= 0; k++)
            rc = ri_overlap_add(&others, other->subjects[k]);
    }
    if (rc >= 0) rc = ri_overlap_between(&own, &others);
    ri_overlap_fini(&own);
    ri_overlap_fini(&others);
    return rc;
}

/* Nobody knows what it wants. */
static bool consumer_is_offline(const ri_consumer *c, ri_js_error *e)
{
    return c->offline.len && ri_fence_why_consumer(c->stream, c->name, e);
}

/* Each job of a work queue is of one consumer; `but` is the one that is changed, or NULL. */
static int consumer_check_queue(const ri_stream *stream, const ri_consumer *but,
                                const ri_consumer_conf *conf, ri_js_error *e)
{
    if (stream->conf.retention != RI_RETAIN_WORKQUEUE) return RILL_OK;
    const ri_str *mine = conf->filter_subjects.len ? conf->filter_subjects.items
                                                   : &conf->filter_subject;
    size_t n = conf->filter_subjects.len ? conf->filter_subjects.len : conf->filter_subject.len > 0;
    bool many = n > CONSUMER_FEW;
    for (size_t i = 0; i < stream->nconsumers; i++) {
        const ri_consumer *other = stream->list[i];
        if (other == but || other->observer) continue;
        if (consumer_is_offline(other, e)) return RILL_ECORRUPT;
        if (n == 0 || other->filter.nsubjects == 0)
            return ri_jserror_set(e, n == 0 ? RI_JS_CONSUMER_WQ_MULTIPLE_UNFILTERED
                                            : RI_JS_CONSUMER_WQ_CONSUMER_NOT_UNIQUE, NULL);
        if (!many && consumer_overlaps(other, mine, n))
            return ri_jserror_set(e, RI_JS_CONSUMER_WQ_CONSUMER_NOT_UNIQUE, NULL);
    }
    int rc = many ? consumer_overlaps_many(stream, but, mine, n) : 0;
    if (rc < 0) return ri_jserror_of(e, RI_JS_CONSUMER_CREATE, rc);
    return rc ? ri_jserror_set(e, RI_JS_CONSUMER_WQ_CONSUMER_NOT_UNIQUE, NULL) : RILL_OK;
}

/* One that only looks is of a reader of this process and ends with it: the catalogue would make it
 * one that takes. */
static int consumer_keep(ri_consumer *c, bool observer)
{
    c->observer = observer;
    if (observer) c->kept = false;
    return observer ? RILL_OK : ri_catalog_put_consumer(c);
}

static int consumer_open(ri_stream *stream, const ri_js_consumer_request *request,
                         const ri_consumer_conf *conf, ri_str name, ri_consumer **out,
                         ri_js_error *e)
{
    ri_js *js = stream->js;
    bool observer = request->observer;
    int64_t max = stream->conf.max_consumers;
    bool full = (max > 0 && stream->nconsumers >= (size_t)max) ||
                (js->limits.max_consumers >= 0 &&
                 js->nconsumers >= (size_t)js->limits.max_consumers);
    if (full && !conf->direct) return ri_jserror_set(e, RI_JS_MAXIMUM_CONSUMERS_LIMIT, NULL);
    int rc = ri_room_check(js, "another consumer", e);
    if (rc == RILL_OK && !observer) rc = consumer_check_queue(stream, NULL, conf, e);
    if (rc < 0) return rc;
    ri_consumer *c;
    rc = ri_consumer_new(stream, conf, name, js->next_consumer, &c);
    if (rc < 0) return ri_jserror_of(e, RI_JS_CONSUMER_CREATE, rc);
    js->next_consumer++;
    if ((rc = consumer_set_out(c, request->outset)) < 0 ||
        (rc = ri_stream_add_consumer(stream, c)) < 0 || (rc = consumer_keep(c, observer)) < 0) {
        ri_consumer_free(c);
        return ri_jserror_of(e, RI_JS_CONSUMER_CREATE, rc);
    }
    ri_state_reset(c);
    ri_consumer_started(c);
    *out = c;
    return RILL_OK;
}

/* May the deliver subject change now? Not while somebody listens on the old one. */
static int consumer_check_subject(const ri_consumer *c, const ri_consumer_conf *conf,
                                  ri_js_error *e)
{
    if (!ri_consumer_is_push(c)) return RILL_OK;
    if (ri_str_eq(c->conf.deliver_subject, conf->deliver_subject)) return RILL_OK;
    if (!ri_push_bound(c)) return RILL_OK;
    return ri_jserror_set(e, RI_JS_CONSUMER_NAME_EXIST, NULL);
}

static int consumer_reconfigure(ri_consumer *c, const ri_consumer_conf *conf, ri_js_error *e)
{
    ri_stream *stream = c->stream;
    ri_arena arena;
    ri_arena_init(&arena, stream->js->host);
    ri_consumer_conf copy;
    char *name = ri_arena_copy(&arena, c->name.ptr, c->name.len);
    int rc = name ? ri_jsapi_copy_consumer_conf(&copy, conf, &arena) : RILL_ENOMEM;
    if (rc < 0) ri_jserror_of(e, RI_JS_CONSUMER_CREATE, rc);
    if (rc >= 0 && arena.bytes > c->arena.bytes)
        rc = ri_room_check(stream->js, "more in a consumer's configuration", e);
    if (rc < 0) {
        ri_arena_fini(&arena);
        return rc;
    }
    copy.pause_until = c->conf.pause_until;
    ri_wake_forget(c);
    if (c->filter.nsubjects == 0) stream->nunfiltered--;
    ri_free(stream->js->host, c->groups, c->ngroups * sizeof *c->groups);
    ri_free(stream->js->host, c->group_states, c->ngroups * sizeof *c->group_states);
    c->groups = NULL;
    c->group_states = NULL;
    c->ngroups = 0;
    ri_arena_fini(&c->arena);
    c->arena = arena;
    c->conf = copy;
    c->name = (ri_str){name, c->name.len};
    if ((rc = consumer_derive(c)) < 0) ri_jserror_of(e, RI_JS_CONSUMER_CREATE, rc);
    ri_room_consumer(c);
    if (c->filter.nsubjects == 0) stream->nunfiltered++;
    if (c->conf.inactive_threshold > 0) ri_consumer_started(c);
    ri_js_ready(c);
    return rc;
}

static int consumer_update(ri_consumer *c, ri_consumer_conf *conf, ri_js_error *e)
{
    conf->pause_until = c->conf.pause_until;
    int rc = ri_jsconf_consumer_update(&c->conf, conf, e);
    if (rc < 0) return rc;
    if ((rc = consumer_check_subject(c, conf, e)) < 0) return rc;
    if ((rc = consumer_check_queue(c->stream, c, conf, e)) < 0) return rc;
    if (ri_jsapi_equal_consumer_conf(&c->conf, conf)) return RILL_OK;
    if ((rc = consumer_reconfigure(c, conf, e)) < 0) return rc;
    if ((rc = ri_catalog_put_consumer(c)) < 0) return ri_jserror_of(e, RI_JS_CONSUMER_CREATE, rc);
    ri_retention_review(c->stream);
    ri_retention_step(c->stream);
    return RILL_OK;
}

static void consumer_notify_pause(ri_consumer *c)
{
    ri_js *js = c->stream->js;
    c->paused = c->conf.pause_until > js->wall_ns;
    ri_js_notify(js, &(ri_js_event){.kind = RI_JS_CONSUMER_PAUSED, .consumer = c->name,
                                    .stream = c->stream->conf.name,
                                    .time_ns = c->conf.pause_until});
}

static void consumer_notify_created(ri_consumer *c)
{
    ri_js *js = c->stream->js;
    ri_js_notify(js, &(ri_js_event){.kind = RI_JS_CONSUMER_CREATED, .consumer = c->name,
                                    .stream = c->stream->conf.name});
    if (c->conf.pause_until > js->wall_ns) consumer_notify_pause(c);
}

static int consumer_create(ri_stream *stream, const ri_js_consumer_request *request,
                           ri_consumer_conf *conf, ri_consumer **out, ri_js_error *e)
{
    char made[RI_NUID_LEN];
    ri_str name = conf->durable_name.len ? conf->durable_name : conf->name;
    if (name.len == 0) {
        ri_nuid_next(&stream->js->nuid, made);
        name = (ri_str){made + RI_NUID_LEN - 8, 8};
    }
    ri_consumer *there = ri_stream_consumer(stream, name);
    if (!there) {
        if (ri_fence_why_consumer(stream, name, e)) return RILL_ECORRUPT;
        if (request->action == RI_ACTION_UPDATE)
            return ri_jserror_set(e, RI_JS_CONSUMER_DOES_NOT_EXIST, NULL);
        int rc = consumer_open(stream, request, conf, name, out, e);
        if (rc >= 0)
            consumer_notify_created(*out);
        return rc;
    }
    *out = there;
    if (request->action != RI_ACTION_CREATE) return consumer_update(there, conf, e);
    conf->pause_until = there->conf.pause_until;
    /* An ephemeral one that was given its threshold is another than was asked for (nats-server). */
    if (!conf->durable_name.len && !request->conf.inactive_threshold &&
        !stream->conf.limit_inactive_threshold)
        return ri_jserror_set(e, RI_JS_CONSUMER_ALREADY_EXISTS, NULL);
    if (ri_jsapi_equal_consumer_conf(&there->conf, conf)) return RILL_OK;
    return ri_jserror_set(e, RI_JS_CONSUMER_ALREADY_EXISTS, NULL);
}

int ri_consumer_create(ri_stream *stream, const ri_js_consumer_request *request,
                       ri_consumer **out, ri_js_error *e)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    *out = NULL;
    ri_js *js = stream->js;
    if (stream->closing) return ri_jserror_set(e, RI_JS_STREAM_NOT_FOUND, NULL);
    if (js->account->callout && ri_str_is(request->conf.deliver_subject, RI_ACCOUNT_ASKED))
        return ri_jserror_set(e, RI_JS_CONSUMER_INVALID_DELIVER_SUBJECT, NULL);
    ri_arena arena;
    ri_arena_init(&arena, js->host);
    ri_consumer_conf conf;
    int64_t pending = js->opts.max_ack_pending > 0 ? js->opts.max_ack_pending
                                                   : js->limits.max_ack_pending;
    ri_js_limits limits = {.max_ack_pending = pending, .max_batch = js->opts.max_batch,
                           .max_subjects = js->opts.max_subjects,
                           .observer = request->observer};
    int rc;
    ri_budget_spend(&js->router->budget,
                    CONSUMER_FILTER_UNITS * (uint64_t)request->conf.filter_subjects.len);
    if ((rc = ri_jsapi_copy_consumer_conf(&conf, &request->conf, &arena)) >= 0 &&
        (rc = ri_jsconf_consumer(&conf, &stream->conf, &limits, request->pedantic, &arena, e)) >= 0)
        rc = consumer_create(stream, request, &conf, out, e);
    ri_arena_fini(&arena);
    if (rc < 0) *out = NULL;
    return rc;
}

int ri_consumer_delete(ri_consumer *c)
{
    ri_stream *stream = c->stream;
    ri_js *js = stream->js;
    ri_pull_end_all(c, "409 Consumer Deleted", false);
    ri_js_notify(js, &(ri_js_event){.kind = RI_JS_CONSUMER_DELETED, .stream = stream->conf.name,
                                    .consumer = c->name});
    ri_state_forget(c);
    ri_catalog_drop(js, stream->store, &c->catalog_seq);
    ri_consumer_free(c);
    ri_retention_review(stream);
    ri_retention_step(stream);
    return RILL_OK;
}

int ri_consumer_delete_some(ri_stream *stream)
{
    bool left = true;
    while (stream->nconsumers > 0) {
        if (!left) return 1;
        ri_consumer_delete(stream->list[stream->nconsumers - 1]);
        left = ri_budget_spend(&stream->js->router->budget, CONSUMER_DELETE_UNITS);
    }
    return RILL_OK;
}

/* ---- Asking ---- */

const ri_consumer_conf *ri_consumer_conf_of(const ri_consumer *c)
{
    return &c->conf;
}

ri_stream *ri_consumer_stream(const ri_consumer *c)
{
    return c->stream;
}

ri_str ri_consumer_name(const ri_consumer *c)
{
    return c->name;
}

bool ri_consumer_is_offline(const ri_consumer *c)
{
    return c->offline.len > 0;
}

bool ri_consumer_wants(const ri_consumer *c, ri_str subject)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    if (c->filter.nsubjects == 0) return true;
    if (c->cursor.compiled) return ri_filters_match(&c->compiled, subject);
    for (size_t i = 0; i < c->filter.nsubjects; i++)
        if (ri_subject_match(c->filter.subjects[i], subject)) return true;
    return false;
}

bool ri_consumer_holds(const ri_consumer *c, uint64_t seq, ri_str subject)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    if (!ri_consumer_wants(c, subject)) return false;
    if (seq >= c->next_seq || ri_pending_find(c, seq)) return true;
    return c->pick < c->npicks && bsearch(&seq, c->picks + c->pick, c->npicks - c->pick,
                                          sizeof *c->picks, consumer_by_seq) != NULL;
}

void ri_consumer_info_of(ri_consumer *c, ri_consumer_info *out)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_js *js = c->stream->js;
    ri_pending_floor(c);
    ri_pull_sweep(c);
    *out = (ri_consumer_info){
        .stream_name = c->stream->conf.name, .name = c->name, .created = c->created_ns,
        .config = &c->conf,
        .delivered = {c->delivered_consumer, c->delivered_stream, c->delivered_ns},
        .ack_floor = {c->floor_consumer, c->floor_stream, c->acked_ns},
        .num_ack_pending = ri_consumer_npending(c), .num_redelivered = c->nredelivered,
        .num_waiting = c->npulls, .num_pending = ri_ahead_of(c),
        .push_bound = ri_consumer_is_push(c) && ri_push_bound(c), .ts = js->wall_ns};
    if (c->conf.pause_until > js->wall_ns) {
        out->paused = true;
        out->pause_remaining = ri_ns_sub(c->conf.pause_until, js->wall_ns);
    }
    out->priority_groups = ri_pull_groups(c);
}

/* ---- Changes from outside ---- */

int ri_consumer_pause(ri_consumer *c, int64_t until_wall_ns)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_js *js = c->stream->js;
    c->conf.pause_until = RI_MAX(until_wall_ns, 0);
    if (until_wall_ns > js->wall_ns)
        ri_js_arm_consumer(c, ri_js_mono_of(js, c->conf.pause_until));
    else
        ri_js_ready(c);
    consumer_notify_pause(c);
    return ri_catalog_put_consumer(c);
}

static int consumer_check_reset(const ri_consumer *c, uint64_t seq, ri_js_error *e)
{
    switch (c->conf.deliver_policy) {
    case RI_DELIVER_BY_START_SEQUENCE:
        if (seq >= c->conf.opt_start_seq) return RILL_OK;
        return ri_jserror_set(e, RI_JS_CONSUMER_INVALID_RESET, "below start seq");
    case RI_DELIVER_BY_START_TIME:
        if (seq >= ri_stream_seq_at(c->stream, c->conf.opt_start_time)) return RILL_OK;
        return ri_jserror_set(e, RI_JS_CONSUMER_INVALID_RESET, "below start time");
    case RI_DELIVER_ALL: return RILL_OK;
    case RI_DELIVER_LAST:
    case RI_DELIVER_NEW:
    case RI_DELIVER_LAST_PER_SUBJECT: break;
    }
    return ri_jserror_set(e, RI_JS_CONSUMER_INVALID_RESET,
                          "delivery policy not allowed to reset to a sequence");
}

void ri_consumer_seek(ri_consumer *c, uint64_t next_seq)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_pending_clear(c);
    ri_free(c->stream->js->host, c->picks, c->npicks * sizeof *c->picks);
    c->picks = NULL;
    c->npicks = c->pick = 0;
    ri_room_consumer(c);
    c->next_seq = next_seq;
    c->delivered_stream = c->floor_stream = next_seq - 1;
    c->delivered_consumer = c->floor_consumer = 0;
    c->delivered_ns = c->acked_ns = 0;
    ri_ahead_count_anew(c);
    c->replay_ns = c->paced_ns = 0;
    ri_state_reset(c);
    ri_js_ready(c);
}

int ri_consumer_reset(ri_consumer *c, uint64_t seq, uint64_t *reset_seq, ri_js_error *e)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    int rc;
    if (seq && (rc = consumer_check_reset(c, seq, e)) < 0) return rc;
    ri_pending_floor(c);
    ri_consumer_seek(c, seq ? seq : c->floor_stream + 1);
    *reset_seq = c->next_seq;
    return RILL_OK;
}

/* ---- What happens to its stream ---- */

void ri_consumer_removed(ri_stream *stream, uint64_t seq)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_list_each (link, &stream->active) {
        ri_consumer *c = ri_container_of(link, ri_consumer, active_link);
        ri_pending *p = seq < c->next_seq ? ri_pending_find(c, seq) : NULL;
        if (p) ri_ack_settle(c, p, RI_FATE_REMOVED, RI_STR_NONE);
        if (c->counting.on && seq >= c->next_seq && seq < c->counting.from)
            ri_ahead_count_anew(c);
        if (!c->counted_to || seq < c->next_seq || seq > c->counted_to || !c->ahead) continue;
        if (c->filter.nsubjects)
            ri_ahead_count_anew(c); /* it may have matched: when asked */
        else
            c->ahead--;
    }
}

bool ri_consumer_drop_gone(ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_budget *budget = &c->stream->js->router->budget;
    for (int n = 0; !ri_list_empty(&c->order); n++) {
        ri_pending *p = ri_container_of(c->order.next, ri_pending, order_link);
        if (p->stream_seq > c->gone_to) break;
        if (n >= CONSUMER_GONE_LEAST && !ri_budget_left(budget)) return false;
        ri_ack_settle(c, p, RI_FATE_REMOVED, RI_STR_NONE);
        ri_budget_spend(budget, CONSUMER_GONE_UNITS);
    }
    c->gone_to = 0;
    return true;
}

/* Very many that were delivered are dropped in its turns. */
static void consumer_purged(ri_consumer *c, uint64_t before)
{
    c->gone_to = RI_MAX(c->gone_to, RI_MAX(before, 1u) - 1);
    if (!ri_consumer_drop_gone(c)) ri_js_ready(c);
    while (c->pick < c->npicks && c->picks[c->pick] < before) c->pick++;
    if (c->next_seq < before) ri_ahead_count_anew(c);
}

void ri_consumer_purged(ri_stream *stream, uint64_t before)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_list_each (link, &stream->active)
        consumer_purged(ri_container_of(link, ri_consumer, active_link), before);
}

/* There is nothing for it before that: it stands there. */
static void consumer_pass(ri_consumer *c, uint64_t before)
{
    consumer_purged(c, before);
    if (c->next_seq >= before) return;
    c->next_seq = before;
    c->delivered_stream = RI_MAX(c->delivered_stream, before - 1);
    ri_pending_floor(c);
    ri_state_reset(c);
}

void ri_consumer_purged_all(ri_stream *stream, uint64_t before)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    for (size_t i = 0; i < stream->nconsumers; i++) consumer_pass(stream->list[i], before);
}

/* Does it want only what was purged? One with very many filters is not looked at so closely. */
static bool consumer_is_within(const ri_consumer *c, ri_str purged)
{
    if (c->filter.nsubjects == 0 || c->filter.nsubjects > CONSUMER_WITHIN_MAX) return false;
    for (size_t i = 0; i < c->filter.nsubjects; i++)
        if (!ri_subject_covers(purged, c->filter.subjects[i])) return false;
    return true;
}

bool ri_consumer_any_within(const ri_stream *stream, ri_str subject)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    for (size_t i = 0; i < stream->nconsumers; i++)
        if (consumer_is_within(stream->list[i], subject)) return true;
    return false;
}

void ri_consumer_purged_subject(ri_stream *stream, ri_str subject, uint64_t left)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_track_info info;
    ri_track_counts(stream->track, &info);
    uint64_t first = info.count ? info.first_seq : stream->last_seq + 1;
    for (size_t i = 0; i < stream->nconsumers; i++) {
        ri_consumer *c = stream->list[i];
        consumer_pass(c, consumer_is_within(c, subject) ? RI_MAX(left, first) : first);
    }
}

/* ---- Time ---- */

/* Somebody listens, or waits for messages, or works on one and has time left for its ack. */
static bool consumer_is_used(ri_consumer *c)
{
    if (ri_consumer_is_push(c)) return ri_push_bound(c);
    return ri_pull_any(c) || ri_consumer_npending(c) > c->nagain;
}

/* Nobody has used it for its inactive_threshold. */
static bool consumer_is_idle(ri_consumer *c)
{
    ri_js *js = c->stream->js;
    int64_t threshold = c->conf.inactive_threshold;
    if (threshold <= 0) return false;
    if (consumer_is_used(c)) {
        c->busy_mono_ns = js->mono_ns;
        threshold = RI_MAX(threshold, CONSUMER_IDLE_NS);
    }
    if (ri_ns_sub(js->mono_ns, c->busy_mono_ns) >= threshold) return true;
    ri_js_arm_consumer(c, ri_ns_add(c->busy_mono_ns, threshold));
    return false;
}

void ri_consumer_due(ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_js *js = c->stream->js;
    if (c->paced_ns == RI_CONSUMER_HELD) return; /* armed anew when it is let go */
    ri_pending_due(c);
    ri_pull_due(c);
    ri_push_due(c);
    if (consumer_is_idle(c)) {
        ri_consumer_delete(c);
        return;
    }
    if (c->conf.pause_until > js->wall_ns)
        ri_js_arm_consumer(c, ri_js_mono_of(js, c->conf.pause_until));
    else if (c->paused)
        consumer_notify_pause(c);
    if (c->paced_ns > js->mono_ns)
        ri_js_arm_consumer(c, c->paced_ns);
    else if (c->parked == RI_PARKED_NO)
        ri_js_ready(c);
    ri_js_arm_consumer(c, ri_pending_next_ns(c));
    ri_js_arm_consumer(c, ri_pull_next_ns(c));
    ri_js_arm_consumer(c, ri_push_next_ns(c));
}
