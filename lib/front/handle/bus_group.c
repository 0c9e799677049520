/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of a stream: how a consumer is configured from the options of a program, and who may join
 * one that is there.
 *
 * To join is not to change. An option that is not given takes what is there; one that is given
 * otherwise is refused by its name. rill_group_ensure() is the one call that changes a group. */
#include "base/error.h"
#include "base/saturate.h"
#include "codec/subject/subject.h"
#include "front/handle/ask.h"
#include "front/handle/bus_stored.h"

#include <inttypes.h>

enum {
    GROUP_UNACKED = 1000,
    GROUP_ACK_WAIT_MS = 30000,
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
        if (filters->len == RI_BUS_FILTERS_MAX)
            return ri_err(RILL_EINVAL, "more than %d filters", RI_BUS_FILTERS_MAX);
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
    if (opts->headers_only && opts->no_headers)
        return ri_err(RILL_EINVAL, "headers_only and no_headers leave nothing to be read");
    if (opts->nbackoff > RI_BUS_BACKOFF_MAX)
        return ri_err(RILL_EINVAL, "nbackoff is %zu; at most %d", opts->nbackoff,
                      RI_BUS_BACKOFF_MAX);
    return RILL_OK;
}

int ri_bus_group_plan(ri_bus_group_draft *draft, const rill_sub_opts *opts, bool tail)
{
    ri_consumer_conf *conf = &draft->request.conf;
    *draft = (ri_bus_group_draft){.opts = opts, .tail = tail};
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

ri_str ri_bus_group_dead_letters(const ri_consumer_conf *conf)
{
    const ri_js_pair *items = conf->metadata.items;
    for (uint32_t i = 0; i < conf->metadata.len; i++)
        if (ri_str_eq(items[i].key, GROUP_DEAD)) return items[i].value;
    return RI_STR_NONE;
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

/* Does the group that is there begin where the draft would? */
static bool group_same_start(const ri_consumer_conf *a, const ri_consumer_conf *b)
{
    return a->deliver_policy == b->deliver_policy && a->opt_start_seq == b->opt_start_seq &&
           a->opt_start_time == b->opt_start_time;
}

/* The first option that was given and that the group has otherwise; NULL: there is none. */
static const char *group_conflict(const ri_bus_group_draft *draft, const ri_consumer_conf *is)
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
    if (given->dead_letters && !ri_str_eq(draft->dead.value, ri_bus_group_dead_letters(is)))
        return "dead_letters";
    if (given->headers_only && !is->headers_only) return "headers_only";
    if (given->original_speed && want->replay_policy != is->replay_policy) return "original_speed";
    if (given->inactive_ms && want->inactive_threshold != is->inactive_threshold)
        return "inactive_ms";
    return NULL;
}

int ri_bus_group_may_join(const ri_bus_group_draft *draft, const ri_consumer_conf *is)
{
    const char *option = group_conflict(draft, is);
    if (!option) return RILL_OK;
    return ri_err(RILL_EEXIST, "the group %s has another %s%s", draft->opts->group, option,
                  strcmp(option, "ack") == 0    ? ", which cannot change"
                  : strcmp(option, "from") == 0 ? "; rill_seek() goes elsewhere"
                                                : "; rill_group_ensure() can change it");
}

/* ---- Asking ---- */

int ri_bus_group_ensure(rill_bus *bus, const char *stream, const char *group,
                        const rill_sub_opts *opts)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_bus_group_draft draft;
    rill_sub_opts own = *opts;
    own.group = group;
    int rc = ri_bus_group_plan(&draft, &own, false);
    ri_ask ask = {.kind = RI_ASK_GROUP_ENSURE, .stream = stream, .draft = &draft};
    return rc < 0 ? rc : ri_ask_run(bus, &ask);
}

int ri_bus_group_status(rill_bus *bus, const char *stream, const char *group,
                        rill_group_info *out)
{
    ri_ask ask = {.kind = RI_ASK_GROUP_STATUS, .stream = stream, .group = group, .out.group = out};
    return ri_ask_run(bus, &ask);
}

int ri_bus_group_delete(rill_bus *bus, const char *stream, const char *group)
{
    ri_ask ask = {.kind = RI_ASK_GROUP_DELETE, .stream = stream, .group = group};
    return ri_ask_run(bus, &ask);
}

int ri_bus_group_seek(rill_bus *bus, const char *stream, const char *group, const rill_at *at)
{
    return ri_bus_stream_seek(bus, stream, group, NULL, at);
}

int ri_bus_group_pause(rill_bus *bus, const char *stream, const char *group, int64_t until_ns)
{
    ri_ask ask = {.kind = RI_ASK_GROUP_PAUSE, .stream = stream, .group = group,
                  .time_ns = until_ns};
    return ri_ask_run(bus, &ask);
}

int ri_bus_group_each(rill_bus *bus, const char *stream, rill_name_fn fn, void *arg)
{
    ri_ask ask = {.kind = RI_ASK_GROUP_NAMES, .stream = stream};
    return ri_bus_names(bus, &ask, 0, fn, arg);
}
