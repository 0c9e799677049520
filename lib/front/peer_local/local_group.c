/* SPDX-License-Identifier: Apache-2.0 */
/* What a handle asks of the groups at hand. */
#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "engine/streams/fence.h"
#include "engine/streams/outset.h"
#include "front/peer_local/local_parts.h"

#include <stdio.h>

enum { GROUP_LAG_MSGS = 1000 }; /* whose bytes are looked at one by one */

/* ---- Joining ---- */

/* Of a group that is made or changed: can its dead letters go where they are meant to? */
static int group_check_dead(ri_stream *stream, const ri_bus_group_draft *draft)
{
    ri_str name = ri_bus_group_dead_letters(&draft->request.conf);
    if (!name.len) return RILL_OK;
    ri_stream *dead = ri_js_stream(ri_stream_js(stream), name);
    if (!dead) return ri_err(RILL_ENOENT, "dead_letters: no stream %.*s", RI_ARG(name));
    if (dead == stream || ri_local_parts_is_of(stream, name))
        return ri_err(RILL_EINVAL, "dead_letters: %.*s is the stream that is read", RI_ARG(name));
    return RILL_OK;
}

static ri_consumer *group_there(ri_stream *stream, const ri_bus_group_draft *draft)
{
    ri_str name = draft->request.conf.name;
    return name.len ? ri_stream_consumer(stream, name) : NULL;
}

/* Where one that is made begins is found in slices. */
typedef struct group_making {
    ri_bus_group_draft *draft;
    ri_outset outset;
    bool finding, found;
    ri_ask_joined *joined; /* out, of who joins; it has a name when the group is there */
} group_making;

static void group_begin(rill_bus *bus, group_making *m)
{
    const ri_consumer_conf *conf = &m->draft->request.conf;
    m->finding = ri_outset_is_long(conf);
    ri_budget *budget = &bus->broker->router.budget;
    if (m->finding) ri_outset_init(&m->outset, &bus->broker->host, conf, budget);
}

static void group_end(group_making *m)
{
    m->draft->request.outset = NULL;
    if (m->finding) ri_outset_fini(&m->outset);
}

/* 1: it is to be called again. */
static int group_create(ri_stream *stream, group_making *m, ri_consumer **consumer, ri_js_error *e)
{
    ri_js_consumer_request *request = &m->draft->request;
    int rc = m->finding && !m->found ? ri_outset_some(&m->outset, stream) : RILL_OK;
    if (rc != RILL_OK) return rc;
    m->found = true;
    if (m->finding) request->outset = &m->outset;
    return ri_consumer_create(stream, request, consumer, e);
}

static void group_describe(ri_consumer *consumer, ri_ask_joined *joined)
{
    ri_consumer_info info = {0};
    ri_consumer_info_of(consumer, &info);
    const ri_consumer_conf *conf = ri_consumer_conf_of(consumer);
    joined->acks = conf->ack_policy != RI_ACK_NONE;
    joined->counted = conf->max_deliver > 0;
    joined->max_unacked = conf->max_ack_pending;
    joined->pending = info.num_pending;
    joined->reader = ri_js_reader(ri_stream_js(ri_consumer_stream(consumer)));
}

static int group_join_anew(ri_stream *stream, group_making *m, ri_consumer **consumer,
                           ri_js_error *e)
{
    ri_bus_group_draft *draft = m->draft;
    *consumer = group_there(stream, draft);
    if (*consumer) return ri_bus_group_may_join(draft, ri_consumer_conf_of(*consumer));
    int rc = group_check_dead(stream, draft);
    draft->request.observer = draft->tail &&
                              ri_stream_conf_of(stream)->retention == RI_RETAIN_WORKQUEUE;
    return rc == RILL_OK ? group_create(stream, m, consumer, e) : rc;
}

static int group_join(ri_stream *stream, void *arg, ri_js_error *e)
{
    group_making *m = arg;
    ri_ask_joined *joined = m->joined;
    ri_consumer *consumer;
    int rc = RILL_OK;
    if (*joined->name) consumer = ri_stream_consumer(stream, ri_str_of(joined->name));
    else rc = group_join_anew(stream, m, &consumer, e);
    if (rc != RILL_OK) return rc;
    if (!consumer) return ri_err(RILL_ECLOSED, "the group was deleted meanwhile");
    ri_str name = ri_consumer_name(consumer);
    RI_ASSERT(name.len < sizeof joined->name);
    snprintf(joined->name, sizeof joined->name, "%.*s", RI_ARG(name));
    if (!ri_ahead_count_on(consumer)) return 1;
    group_describe(consumer, joined);
    return RILL_OK;
}

int ri_local_group_join(rill_bus *bus, ri_ask *ask)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    group_making m = {.draft = ask->draft, .joined = ask->out.joined};
    *m.joined = (ri_ask_joined){.name = ""};
    group_begin(bus, &m);
    int rc = ri_local_stream_do(bus, ask->stream, group_join, &m);
    group_end(&m);
    return rc;
}

/* ---- Changing ---- */

typedef struct group_change {
    group_making making;
    bool created; /* out */
} group_change;

/* Where it began stays, whatever is said of that. */
static int group_ensure(ri_stream *stream, void *arg, ri_js_error *e)
{
    group_change *change = arg;
    ri_bus_group_draft *draft = change->making.draft;
    ri_consumer_conf *conf = &draft->request.conf;
    ri_consumer *there = group_there(stream, draft);
    change->created = !there;
    if (there) {
        const ri_consumer_conf *was = ri_consumer_conf_of(there);
        conf->deliver_policy = was->deliver_policy;
        conf->opt_start_seq = was->opt_start_seq;
        conf->opt_start_time = was->opt_start_time;
    }
    int rc = group_check_dead(stream, draft);
    if (rc < 0) return rc;
    rc = there ? ri_consumer_create(stream, &draft->request, &there, e)
               : group_create(stream, &change->making, &there, e);
    return rc == RILL_EINVAL && !change->created ? RILL_EEXIST : rc;
}

int ri_local_group_ensure(rill_bus *bus, ri_ask *ask)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    group_change change = {.making.draft = ask->draft};
    group_begin(bus, &change.making);
    int rc = ri_local_stream_do(bus, ask->stream, group_ensure, &change);
    group_end(&change.making);
    return rc < 0 ? rc : change.created;
}

static int group_find(ri_stream *stream, const char *group, ri_consumer **consumer)
{
    *consumer = ri_stream_consumer(stream, ri_str_of(group));
    if (*consumer || ri_fence_why_consumer(stream, ri_str_of(group), NULL))
        return *consumer ? RILL_OK : RILL_ECORRUPT;
    return ri_err(RILL_ENOENT, "there is no group %s", group);
}

static int group_delete(ri_stream *stream, void *arg, ri_js_error *e)
{
    ri_consumer *consumer;
    int rc = group_find(stream, arg, &consumer);
    if (rc == RILL_ECORRUPT) return ri_fence_delete_consumer(stream, ri_str_of(arg), e);
    return rc < 0 ? rc : ri_consumer_delete(consumer);
}

int ri_local_group_delete(rill_bus *bus, ri_ask *ask)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    return ri_local_stream_do(bus, ask->stream, group_delete, (void *)(uintptr_t)ask->group);
}

static uint64_t group_seq_at(ri_stream *stream, const rill_at *at)
{
    ri_stream_info info = {0};
    if (at->from == RILL_FROM_SEQ) return at->seq;
    if (at->from == RILL_FROM_FIRST) return 1;
    if (at->from == RILL_FROM_TIME) return ri_stream_seq_at(stream, at->time_ns);
    RI_ASSERT(at->from == RILL_FROM_NEW);
    ri_stream_info_of(stream, &info);
    return info.state.last_seq + 1;
}

typedef struct group_seeking {
    rill_bus *bus;
    const ri_ask *ask;
} group_seeking;

/* The messages of other partitions, which the queue of a reader without acks has, would be lost. */
static int group_seek_check(ri_consumer *consumer, const ri_ask *ask, uint32_t n)
{
    const rill_at *at = ask->at;
    bool one = at->from == RILL_FROM_SEQ;
    if (ask->last && n > 1)
        return ri_err(RILL_ENOTSUP, "a seek to the last message: %s has %u partitions, each with a "
                      "last one", ask->stream, n);
    if (one && at->partition >= n)
        return ri_err(RILL_EINVAL, "partition is %u, and there are %u", at->partition, n);
    if (!one || n == 1 || ri_consumer_conf_of(consumer)->ack_policy != RI_ACK_NONE) return RILL_OK;
    return ri_err(RILL_ENOTSUP, "a seek to a number is in one of the %u partitions, and who reads "
                  "without acks reads all of them", n);
}

/* All partitions in one stay: nothing of one comes between. */
static int group_seek(ri_stream *stream, void *arg, ri_js_error *e)
{
    (void)e;
    const group_seeking *seeking = arg;
    const ri_ask *ask = seeking->ask;
    ri_consumer *consumer;
    uint32_t n = ri_local_parts_count(seeking->bus, ask->stream);
    int rc = group_find(stream, ask->group, &consumer);
    if (rc == RILL_OK) rc = group_seek_check(consumer, ask, n);
    for (uint32_t i = 1; i < n && rc == RILL_OK; i++)
        rc = ri_local_parts_guard(seeking->bus, ask, i);
    if (rc < 0) return rc;
    for (uint32_t i = 0; i < n; i++) {
        if (ask->at->from == RILL_FROM_SEQ && i != ask->at->partition) continue;
        ri_stream *part = ri_local_parts_stream(seeking->bus, ask->stream, i);
        consumer = part ? ri_stream_consumer(part, ri_str_of(ask->group)) : NULL;
        if (consumer) ri_consumer_seek(consumer, group_seq_at(part, ask->at));
    }
    if (ask->sub) ri_bus_consume_skip(ask->sub);
    return RILL_OK;
}

int ri_local_group_seek(rill_bus *bus, ri_ask *ask)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    group_seeking seeking = {bus, ask};
    int rc = ri_local_stream_do(bus, ask->stream, group_seek, &seeking);
    if (rc != RILL_ENOENT || !ask->sub) return rc;
    return ri_err(RILL_ECLOSED, "the stream or the group is gone");
}

static int group_pause(ri_stream *stream, void *arg, ri_js_error *e)
{
    (void)e;
    const ri_ask *ask = arg;
    ri_consumer *consumer;
    int rc = group_find(stream, ask->group, &consumer);
    return rc < 0 ? rc : ri_consumer_pause(consumer, ask->time_ns);
}

int ri_local_group_pause(rill_bus *bus, ri_ask *ask)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    return ri_local_stream_do(bus, ask->stream, group_pause, ask);
}

/* ---- Looking ---- */

typedef struct group_lag { /* how much of what it is behind was looked at */
    ri_cursor cursor;
    uint64_t from, n, bytes;
} group_lag;

/* How many bytes it is behind, and the age of the first message of these. 1: the budget of the
 * cursor, if it has one, is used up, and there is more to be looked at. */
static int group_lag_some(group_lag *lag, const ri_consumer_conf *conf, int64_t now_ns,
                          rill_group_info *out)
{
    ri_filter filter = {conf->filter_subjects.items, conf->filter_subjects.len};
    if (conf->filter_subject.len) filter = (ri_filter){&conf->filter_subject, 1};
    ri_record record;
    while (lag->n < RI_MIN(out->lag_msgs, GROUP_LAG_MSGS)) {
        int rc = ri_cursor_next(&lag->cursor, lag->from, &filter, &record);
        lag->from = rc == RI_CURSOR_CUT ? record.seq : record.seq + 1;
        if (rc == RI_CURSOR_CUT) return 1;
        if (rc <= 0) break;
        lag->bytes += ri_record_bytes(&record, ri_track_counts_as_memory(lag->cursor.track));
        if (lag->n++ == 0) out->lag_ns = RI_MAX(ri_ns_sub(now_ns, record.time_ns), 0);
    }
    bool some = lag->n && lag->n < out->lag_msgs;
    out->lag_bytes = some ? lag->bytes / lag->n * out->lag_msgs : lag->bytes;
    return 0;
}

/* All but that; returns the first message that it is behind. */
static uint64_t group_fill(ri_consumer *consumer, rill_group_info *out)
{
    ri_consumer_info info = {0};
    ri_consumer_info_of(consumer, &info);
    uint64_t first, unread = ri_consumer_unread(consumer, &first);
    RI_ASSERT(unread <= info.num_ack_pending);
    out->unacked_msgs = info.num_ack_pending - unread;
    out->lag_msgs = info.num_pending + unread;
    out->redelivered_msgs = info.num_redelivered;
    out->delivered_seq = info.delivered.stream_seq;
    out->settled_seq = info.ack_floor.stream_seq;
    out->active_ns = RI_MAX(info.delivered.last_active, info.ack_floor.last_active);
    out->paused_until_ns = info.paused ? info.config->pause_until : 0;
    out->waiting = (uint32_t)RI_MIN(info.num_waiting, UINT32_MAX);
    return first ? first : info.delivered.stream_seq + 1;
}

typedef struct group_look {
    const char *group;
    int64_t now_ns;
    rill_group_info *out;
    ri_budget *budget;
    group_lag lag;
} group_look;

static int group_status(ri_stream *stream, void *arg, ri_js_error *e)
{
    (void)e;
    group_look *look = arg;
    ri_consumer *consumer;
    int rc = group_find(stream, look->group, &consumer);
    if (rc < 0) return rc;
    if (!ri_ahead_count_on(consumer)) return 1;
    uint64_t first = group_fill(consumer, look->out);
    if (look->lag.from < first) { /* it has gone on */
        look->lag.from = first;
        look->lag.n = look->lag.bytes = 0;
    }
    if (!look->lag.cursor.track) {
        ri_cursor_init(&look->lag.cursor, ri_stream_track(stream));
        look->lag.cursor.budget = look->budget;
    }
    return group_lag_some(&look->lag, ri_consumer_conf_of(consumer), look->now_ns, look->out);
}

int ri_local_group_status(rill_bus *bus, ri_ask *ask)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    group_look look = {.group = ask->group, .now_ns = ri_wall_ns(&bus->host),
                       .out = ask->out.group, .budget = &bus->broker->router.budget};
    int rc = ri_local_stream_see(bus, ask->stream, group_status, &look);
    ri_cursor_fini(&look.lag.cursor);
    return rc;
}

typedef struct group_names {
    ri_buffer *names;
    size_t last;     /* where the last one begins */
    ri_budget *budget;
} group_names;

static int group_put_names(ri_stream *stream, void *arg, ri_js_error *e)
{
    (void)e;
    group_names *g = arg;
    ri_buffer *names = g->names;
    size_t n, i = 0;
    ri_str after = ri_str_of(ri_buffer_size(names) ? names->ptr + g->last : NULL);
    ri_consumer *const *consumers = ri_js_consumers_after(stream, after, &n);
    for (bool left = true; i < n && left; i++) {
        bool own = ri_consumer_conf_of(consumers[i])->durable_name.len == 0; /* a reader's */
        left = ri_budget_spend(g->budget, 1) || own;
        if (own) continue;
        g->last = ri_buffer_size(names);
        ri_buffer_put_str(names, ri_consumer_name(consumers[i]));
        ri_buffer_put(names, "", 1);
    }
    return names->failed ? RILL_ENOMEM : i < n;
}

int ri_local_group_names(rill_bus *bus, ri_ask *ask)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    group_names g = {.names = ask->out.names, .budget = &bus->broker->router.budget};
    return ri_local_stream_see(bus, ask->stream, group_put_names, &g);
}
