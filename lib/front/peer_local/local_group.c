/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of a stream: how a consumer is configured from the options of a program, who may join one
 * that is there, and what anybody may know of it without being a member.
 *
 * To join is not to change. An option that is not given takes what is there; one that is given
 * otherwise is refused by its name. rill_group_ensure() is the one call that changes a group. */
#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/subject/subject.h"
#include "engine/streams/fence.h"
#include "front/peer_local/local_durable.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    GROUP_UNACKED = 1000,
    GROUP_ACK_WAIT_MS = 30000,
    GROUP_LAG_MSGS = 1000,   /* whose bytes are looked at one by one */
    GROUP_IDLE_S = 300,      /* a consumer of one's own outlives a reader that died so long */
};

#define GROUP_DEAD RI_STR("rill.dead_letters")

/* ---- Configuration ---- */

static int group_filters(const char *text, ri_strs *filters, ri_str *items)
{
    ri_str rest = ri_str_of(text), word;
    *filters = (ri_strs){items, 0};
    while (ri_str_word(&rest, &word)) {
        int rc = ri_subject_check_filter(word);
        if (rc < 0) return ri_err_wrap(rc, "filter");
        if (filters->len == RI_LOCAL_FILTERS_MAX)
            return ri_err(RILL_EINVAL, "more than %d filters", RI_LOCAL_FILTERS_MAX);
        items[filters->len++] = word;
    }
    return RILL_OK;
}

static ri_deliver_policy group_from(rill_from from)
{
    switch (from) {
    case RILL_FROM_FIRST: return RI_DELIVER_ALL;
    case RILL_FROM_LAST: return RI_DELIVER_LAST;
    case RILL_FROM_LAST_PER_SUBJECT: return RI_DELIVER_LAST_PER_SUBJECT;
    case RILL_FROM_NEW: return RI_DELIVER_NEW;
    case RILL_FROM_SEQ: return RI_DELIVER_BY_START_SEQUENCE;
    case RILL_FROM_TIME: return RI_DELIVER_BY_START_TIME;
    }
    return RI_DELIVER_ALL;
}

static void group_acks(ri_consumer_conf *conf, const rill_sub_opts *opts, bool tail)
{
    bool none = tail || opts->ack == RILL_ACK_NONE;
    bool upto = opts->ack == RILL_ACK_UPTO;
    conf->ack_policy = none ? RI_ACK_NONE : upto ? RI_ACK_ALL : RI_ACK_EXPLICIT;
    conf->max_deliver = opts->max_deliveries ? (int64_t)opts->max_deliveries : -1;
    if (none) return;
    conf->ack_wait = ri_ns_of_ms(opts->ack_wait_ms ? opts->ack_wait_ms : GROUP_ACK_WAIT_MS);
    conf->max_ack_pending = opts->max_unacked ? opts->max_unacked : GROUP_UNACKED;
}

static void group_start(ri_consumer_conf *conf, const rill_sub_opts *opts)
{
    bool all = conf->filter_subject.len == 0 && conf->filter_subjects.len == 0;
    conf->deliver_policy = group_from(opts->from);
    if (opts->from == RILL_FROM_LAST_PER_SUBJECT && all) conf->filter_subject = RI_STR(">");
    /* No sequence is greater than the limit, beyond which the recorded text is not read again. */
    if (opts->from == RILL_FROM_SEQ)
        conf->opt_start_seq = RI_MIN(opts->from_seq, RI_LIMIT_SEQUENCE);
    conf->opt_start_time = opts->from == RILL_FROM_TIME ? opts->from_time_ns : 0;
}

static int group_check(const rill_sub_opts *opts)
{
    if (opts->inactive_ms < 0)
        return ri_err(RILL_EINVAL, "inactive_ms is %" PRIi64, opts->inactive_ms);
    if (opts->nbackoff > RI_LOCAL_BACKOFF_MAX)
        return ri_err(RILL_EINVAL, "nbackoff is %zu; at most %d", opts->nbackoff,
                      RI_LOCAL_BACKOFF_MAX);
    return RILL_OK;
}

int ri_local_group_plan(ri_local_group_draft *draft, const rill_sub_opts *opts, bool tail)
{
    ri_consumer_conf *conf = &draft->request.conf;
    *draft = (ri_local_group_draft){.opts = opts, .tail = tail};
    ri_strs filters = {draft->filters, 0};
    int rc = group_check(opts);
    if (rc == RILL_OK && opts->filter) rc = group_filters(opts->filter, &filters, draft->filters);
    if (rc < 0) return rc;
    for (size_t i = 0; i < opts->nbackoff; i++)
        draft->backoff[i] = ri_ns_of_ms(opts->backoff_ms[i]);
    conf->backoff = (ri_int64s){draft->backoff, (uint32_t)opts->nbackoff};
    if (filters.len == 1) conf->filter_subject = filters.items[0];
    if (filters.len > 1) conf->filter_subjects = filters;
    group_start(conf, opts);
    group_acks(conf, opts, tail);
    if (opts->group) conf->durable_name = conf->name = ri_str_of(opts->group);
    conf->inactive_threshold = opts->inactive_ms ? ri_ns_of_ms(opts->inactive_ms)
                               : opts->group     ? 0 : GROUP_IDLE_S * RI_SEC;
    conf->headers_only = opts->headers_only;
    conf->replay_policy = opts->original_speed ? RI_REPLAY_ORIGINAL : RI_REPLAY_INSTANT;
    if (opts->dead_letters) {
        draft->dead = (ri_js_pair){GROUP_DEAD, ri_str_of(opts->dead_letters)};
        conf->metadata = (ri_js_map){&draft->dead, 1};
    }
    return RILL_OK;
}

/* ---- Joining ---- */

static ri_str group_dead_letters(const ri_consumer_conf *conf)
{
    const ri_js_pair *items = conf->metadata.items;
    for (uint32_t i = 0; i < conf->metadata.len; i++)
        if (ri_str_eq(items[i].key, GROUP_DEAD)) return items[i].value;
    return RI_STR_NONE;
}

/* Of a group that is made or changed: can its dead letters go where they are meant to? */
static int group_check_dead(ri_stream *stream, const ri_local_group_draft *draft)
{
    ri_str name = group_dead_letters(&draft->request.conf);
    if (!name.len) return RILL_OK;
    ri_stream *dead = ri_js_stream(ri_stream_js(stream), name);
    if (!dead) return ri_err(RILL_ENOENT, "dead_letters: no stream %.*s", RI_ARG(name));
    if (dead == stream)
        return ri_err(RILL_EINVAL, "dead_letters: %.*s is the stream that is read", RI_ARG(name));
    return RILL_OK;
}

static bool group_same_filters(const ri_consumer_conf *a, const ri_consumer_conf *b)
{
    const ri_str *x = a->filter_subjects.len ? a->filter_subjects.items : &a->filter_subject;
    const ri_str *y = b->filter_subjects.len ? b->filter_subjects.items : &b->filter_subject;
    uint32_t n = RI_MAX(a->filter_subjects.len, 1);
    if (n != RI_MAX(b->filter_subjects.len, 1)) return false;
    for (uint32_t i = 0; i < n; i++)
        if (!ri_str_eq(x[i], y[i])) return false;
    return true;
}

static bool group_same_backoff(const ri_int64s *a, const ri_int64s *b)
{
    return a->len == b->len && memcmp(a->items, b->items, a->len * sizeof *a->items) == 0;
}

/* A group that is there was begun somewhere: is that where this one would be? */
static bool group_same_start(const ri_consumer_conf *a, const ri_consumer_conf *b)
{
    return a->deliver_policy == b->deliver_policy && a->opt_start_seq == b->opt_start_seq &&
           a->opt_start_time == b->opt_start_time;
}

/* The first option that was given and is not so; NULL: there is none. */
static const char *group_conflict(const ri_local_group_draft *draft, const ri_consumer_conf *is)
{
    const rill_sub_opts *given = draft->opts;
    const ri_consumer_conf *want = &draft->request.conf;
    if (given->filter && !group_same_filters(want, is)) return "filter";
    if (given->from && !group_same_start(want, is)) return "from";
    if (given->ack && want->ack_policy != is->ack_policy) return "ack";
    if (given->ack_wait_ms && want->ack_wait != is->ack_wait) return "ack_wait_ms";
    if (given->max_deliveries && want->max_deliver != is->max_deliver) return "max_deliveries";
    if (given->max_unacked && want->max_ack_pending != is->max_ack_pending) return "max_unacked";
    if (given->nbackoff && !group_same_backoff(&want->backoff, &is->backoff)) return "backoff_ms";
    if (given->dead_letters && !ri_str_eq(draft->dead.value, group_dead_letters(is)))
        return "dead_letters";
    if (given->headers_only && !is->headers_only) return "headers_only";
    if (given->original_speed && want->replay_policy != is->replay_policy) return "original_speed";
    if (given->inactive_ms && want->inactive_threshold != is->inactive_threshold)
        return "inactive_ms";
    return NULL;
}

static ri_consumer *group_there(ri_stream *stream, const ri_local_group_draft *draft)
{
    ri_str name = draft->request.conf.name;
    return name.len ? ri_stream_consumer(stream, name) : NULL;
}

int ri_local_group_join(ri_stream *stream, ri_local_group_draft *draft, ri_consumer **consumer)
{
    ri_js_error e = {0};
    *consumer = group_there(stream, draft);
    int rc = *consumer ? RILL_OK : group_check_dead(stream, draft);
    if (rc < 0) return rc;
    if (!*consumer)
        return ri_local_js_error(&e, ri_consumer_create(stream, &draft->request, consumer, &e));
    const char *option = group_conflict(draft, ri_consumer_conf_of(*consumer));
    if (!option) return RILL_OK;
    *consumer = NULL;
    return ri_err(RILL_EEXIST, "the group %s has another %s%s", draft->opts->group, option,
                  strcmp(option, "ack") == 0    ? ", which cannot change"
                  : strcmp(option, "from") == 0 ? "; rill_seek() goes elsewhere"
                                                : "; rill_group_ensure() can change it");
}

/* ---- Changing ---- */

typedef struct group_change {
    ri_local_group_draft draft;
    bool created; /* out */
} group_change;

/* Where it began stays, whatever is said of that. */
static int group_ensure(ri_stream *stream, void *arg, ri_js_error *e)
{
    group_change *change = arg;
    ri_consumer_conf *conf = &change->draft.request.conf;
    ri_consumer *there = group_there(stream, &change->draft);
    change->created = !there;
    if (there) {
        const ri_consumer_conf *was = ri_consumer_conf_of(there);
        conf->deliver_policy = was->deliver_policy;
        conf->opt_start_seq = was->opt_start_seq;
        conf->opt_start_time = was->opt_start_time;
    }
    int rc = group_check_dead(stream, &change->draft);
    if (rc < 0) return rc;
    rc = ri_consumer_create(stream, &change->draft.request, &there, e);
    return rc == RILL_EINVAL && !change->created ? RILL_EEXIST : rc;
}

int ri_local_group_ensure(rill_bus *bus, const char *stream, const char *group,
                          const rill_sub_opts *opts)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    group_change change;
    rill_sub_opts own = *opts;
    own.group = group;
    int rc = ri_local_group_plan(&change.draft, &own, false);
    if (rc == RILL_OK) rc = ri_local_stream_do(bus, stream, group_ensure, &change);
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

int ri_local_group_delete(rill_bus *bus, const char *stream, const char *group)
{
    return ri_local_stream_do(bus, stream, group_delete, (void *)(uintptr_t)group);
}

typedef struct group_seek_args {
    const char *group;
    const rill_at *at;
} group_seek_args;

static int group_seek(ri_stream *stream, void *arg, ri_js_error *e)
{
    (void)e;
    const group_seek_args *a = arg;
    ri_consumer *consumer;
    int rc = group_find(stream, a->group, &consumer);
    if (rc == RILL_OK) ri_consumer_seek(consumer, ri_local_stream_seq_at(stream, a->at));
    return rc;
}

int ri_local_group_seek(rill_bus *bus, const char *stream, const char *group, const rill_at *at)
{
    rill_at own = *at;
    group_seek_args args = {group, &own};
    int rc = ri_local_stream_find_last(bus, stream, &own);
    return rc < 0 ? rc : ri_local_stream_do(bus, stream, group_seek, &args);
}

typedef struct group_pause_args {
    const char *group;
    int64_t until_ns;
} group_pause_args;

static int group_pause(ri_stream *stream, void *arg, ri_js_error *e)
{
    (void)e;
    const group_pause_args *a = arg;
    ri_consumer *consumer;
    int rc = group_find(stream, a->group, &consumer);
    return rc < 0 ? rc : ri_consumer_pause(consumer, a->until_ns);
}

int ri_local_group_pause(rill_bus *bus, const char *stream, const char *group, int64_t until_ns)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    group_pause_args args = {group, until_ns};
    return ri_local_stream_do(bus, stream, group_pause, &args);
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

void ri_local_group_fill(ri_consumer *consumer, int64_t now_wall_ns, rill_group_info *out)
{
    group_lag lag = {.from = group_fill(consumer, out)};
    ri_cursor_init(&lag.cursor, ri_stream_track(ri_consumer_stream(consumer)));
    group_lag_some(&lag, ri_consumer_conf_of(consumer), now_wall_ns, out);
    ri_cursor_fini(&lag.cursor);
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

int ri_local_group_status(rill_bus *bus, const char *stream, const char *group,
                          rill_group_info *out)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    group_look look = {.group = group, .now_ns = ri_wall_ns(&bus->host), .out = out,
                       .budget = &bus->broker->router.budget};
    int rc = ri_local_stream_see(bus, stream, group_status, &look);
    ri_cursor_fini(&look.lag.cursor);
    return rc;
}

typedef struct group_names {
    ri_buffer names;
    size_t last;     /* where the last one begins */
    ri_budget *budget;
} group_names;

/* How many of the names, which are in order, are not behind the last that was told. */
static size_t group_told(ri_consumer *const *consumers, size_t n, ri_str last)
{
    size_t low = 0;
    while (low < n) {
        size_t mid = low + (n - low) / 2;
        if (ri_str_cmp(ri_consumer_name(consumers[mid]), last) <= 0) low = mid + 1;
        else n = mid;
    }
    return low;
}

static int group_put_names(ri_stream *stream, void *arg, ri_js_error *e)
{
    (void)e;
    group_names *g = arg;
    ri_buffer *names = &g->names;
    size_t n = 0, i = 0;
    ri_consumer *const *consumers = ri_stream_consumers(stream, &n);
    if (ri_buffer_size(names)) i = group_told(consumers, n, ri_str_of(names->ptr + g->last));
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

int ri_local_group_each(rill_bus *bus, const char *stream, rill_name_fn fn, void *arg)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    group_names g = {.budget = &bus->broker->router.budget};
    ri_buffer_init(&g.names, &bus->host);
    int rc = ri_local_stream_see(bus, stream, group_put_names, &g);
    if (rc < 0) ri_buffer_fini(&g.names);
    return rc < 0 ? rc : ri_local_names_each(&g.names, fn, arg);
}
