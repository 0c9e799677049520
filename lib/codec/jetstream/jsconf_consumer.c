/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults and rules of consumers, in nats-server's order. */
#include "base/assert.h"
#include "base/number.h"
#include "codec/jetstream/jsconf_parts.h"
#include "codec/limits.h"
#include "codec/subject/overlap.h"
#include "codec/subject/shapes.h"
#include "codec/subject/subject.h"

enum {
    JSCONF_MAX_WAITING = 512,       /* pull requests that may wait */
    JSCONF_MAX_ACK_PENDING = 1000,
    JSCONF_ACK_WAIT_SEC = 30,
    JSCONF_PIN_SEC = 120,
    JSCONF_INACTIVE_SEC = 5,        /* that a consumer without durable name outlives its users */
    JSCONF_GROUP_NAME_MAX = 16,
};

static int jsconf_fail(ri_js_error *e, ri_js_code code)
{
    RI_ASSERT(code != 0);
    return ri_jserror_set(e, code, NULL);
}

/* Fields that count from 0, and two where -1 means no limit. */
static int jsconf_consumer_signs(ri_consumer_conf *conf, bool pedantic, ri_js_error *e)
{
    struct {
        const char *name;
        int64_t *value;
        bool endless; /* -1 is no limit; else negative is 0 */
    } fields[] = {
        {"max_deliver", &conf->max_deliver, true},
        {"max_waiting", &conf->max_waiting, false},
        {"max_ack_pending", &conf->max_ack_pending, true},
        {"max_batch", &conf->max_batch, false},
        {"max_expires", &conf->max_expires, false},
        {"max_bytes", &conf->max_bytes, false},
        {"idle_heartbeat", &conf->idle_heartbeat, false},
        {"inactive_threshold", &conf->inactive_threshold, false},
        {"priority_timeout", &conf->priority_timeout, false},
    };
    for (size_t i = 0; i < RI_LEN(fields); i++) {
        if (*fields[i].value >= (fields[i].endless ? -1 : 0)) continue;
        if (pedantic)
            return ri_jserror_set(e, RI_JS_PEDANTIC,
                                  fields[i].endless ? "%s must be set to -1"
                                                    : "%s must not be negative", fields[i].name);
        *fields[i].value = fields[i].endless ? -1 : 0;
    }
    if (conf->max_deliver == 0) conf->max_deliver = -1;
    return RILL_OK;
}

static int jsconf_consumer_inherit(ri_consumer_conf *conf, const ri_stream_conf *stream,
                                   bool pedantic, ri_js_error *e)
{
    if (conf->backoff.len) {
        if (pedantic && conf->ack_wait != conf->backoff.items[0])
            return ri_jserror_set(e, RI_JS_PEDANTIC,
                                  "first backoff value has to equal batch AckWait");
        conf->ack_wait = conf->backoff.items[0];
    }
    if (!conf->max_ack_pending) {
        if (pedantic && stream->limit_max_ack_pending > 0)
            return ri_jserror_set(e, RI_JS_PEDANTIC, "max_ack_pending must be set if it's "
                                                     "configured in stream limits");
        conf->max_ack_pending = stream->limit_max_ack_pending;
    }
    if (!conf->inactive_threshold) {
        if (pedantic && stream->limit_inactive_threshold > 0)
            return ri_jserror_set(e, RI_JS_PEDANTIC, "inactive_threshold must be set if it's "
                                                     "configured in stream limits");
        conf->inactive_threshold = stream->limit_inactive_threshold;
    }
    return RILL_OK;
}

static int jsconf_consumer_defaults(ri_consumer_conf *conf, const ri_stream_conf *stream,
                                    const ri_js_limits *limits, bool pedantic, ri_js_error *e)
{
    int rc = jsconf_consumer_signs(conf, pedantic, e);
    if (rc < 0) return rc;
    if (!conf->deliver_subject.len && !conf->max_waiting) conf->max_waiting = JSCONF_MAX_WAITING;
    conf->max_waiting = RI_MIN(conf->max_waiting, RI_LIMIT_JS_WAITING); /* infos say so, too */
    bool acked = conf->ack_policy == RI_ACK_EXPLICIT || conf->ack_policy == RI_ACK_ALL;
    if (!conf->ack_wait && acked) conf->ack_wait = JSCONF_ACK_WAIT_SEC * RI_SEC;
    rc = jsconf_consumer_inherit(conf, stream, pedantic, e);
    if (rc < 0) return rc;
    if (!conf->max_ack_pending && conf->ack_policy != RI_ACK_NONE) {
        conf->max_ack_pending = JSCONF_MAX_ACK_PENDING;
        if (limits->max_ack_pending > 0 && limits->max_ack_pending < JSCONF_MAX_ACK_PENDING)
            conf->max_ack_pending = limits->max_ack_pending;
    }
    if (!conf->deliver_subject.len && !conf->max_batch && limits->max_batch > 0)
        conf->max_batch = limits->max_batch;
    if (conf->priority_policy == RI_PRIORITY_PINNED_CLIENT && !conf->priority_timeout)
        conf->priority_timeout = JSCONF_PIN_SEC * RI_SEC;
    if (conf->ack_policy == RI_ACK_FLOW_CONTROL && !pedantic) {
        conf->flow_control = true;
        conf->idle_heartbeat = RI_SEC;
    }
    return RILL_OK;
}

static int jsconf_consumer_names(const ri_consumer_conf *conf, const ri_stream_conf *stream,
                                 ri_js_error *e)
{
    if (conf->name.len && !ri_jsconf_name_ok(conf->name))
        return ri_jserror_set(e, RI_JS_STREAM_INVALID_CONFIG,
                              "consumer name can not contain '.', '*', '>', '\\', '/'");
    if (conf->durable_name.len && !ri_jsconf_name_ok(conf->durable_name))
        return ri_jserror_set(e, RI_JS_STREAM_INVALID_CONFIG,
                              "consumer durable name can not contain '.', '*', '>', '\\', '/'");
    if (conf->num_replicas > stream->num_replicas)
        return jsconf_fail(e, RI_JS_CONSUMER_REPLICAS_EXCEEDS_STREAM);
    if (conf->num_replicas < 0) return jsconf_fail(e, RI_JS_REPLICAS_COUNT_CANNOT_BE_NEGATIVE);
    if (stream->retention != RI_RETAIN_LIMITS && conf->num_replicas &&
        conf->num_replicas != stream->num_replicas)
        return jsconf_fail(e, RI_JS_CONSUMER_REPLICAS_SHOULD_MATCH_STREAM);
    return RILL_OK;
}

static int jsconf_consumer_acks(const ri_consumer_conf *conf, ri_js_error *e)
{
    if (conf->backoff.len > RI_LIMIT_JS_BACKOFF)
        return ri_jserror_set(e, RI_JS_STREAM_INVALID_CONFIG, "a backoff has at most %d steps",
                              RI_LIMIT_JS_BACKOFF);
    for (uint32_t i = 0; i < conf->backoff.len; i++)
        if (conf->backoff.items[i] < 0) return jsconf_fail(e, RI_JS_CONSUMER_BACK_OFF_NEGATIVE);
    if (conf->ack_wait < 0) return jsconf_fail(e, RI_JS_CONSUMER_ACK_WAIT_NEGATIVE);
    if (conf->ack_policy == RI_ACK_FLOW_CONTROL) {
        if (!conf->deliver_subject.len) return jsconf_fail(e, RI_JS_CONSUMER_ACK_FC_REQUIRES_PUSH);
        if (!conf->flow_control) return jsconf_fail(e, RI_JS_CONSUMER_ACK_FC_REQUIRES_FC);
        if (conf->idle_heartbeat != RI_SEC)
            return ri_jserror_set(e, RI_JS_STREAM_INVALID_CONFIG,
                                  "flow control ack policy heartbeat needs to be 1s");
        if (conf->max_ack_pending <= 0)
            return jsconf_fail(e, RI_JS_CONSUMER_ACK_FC_REQUIRES_MAX_ACK_PENDING);
        if (conf->ack_wait || conf->backoff.len)
            return jsconf_fail(e, RI_JS_CONSUMER_ACK_FC_REQUIRES_NO_ACK_WAIT);
        if (conf->max_deliver > 0)
            return jsconf_fail(e, RI_JS_CONSUMER_ACK_FC_REQUIRES_NO_MAX_DELIVER);
    }
    if (conf->backoff.len && conf->max_deliver != -1 &&
        (int64_t)conf->backoff.len > conf->max_deliver)
        return jsconf_fail(e, RI_JS_CONSUMER_MAX_DELIVER_BACKOFF);
    if (conf->description.len > JSCONF_DESCRIPTION_MAX)
        return ri_jserror_set(e, RI_JS_CONSUMER_DESCRIPTION_TOO_LONG, "%d",
                              JSCONF_DESCRIPTION_MAX);
    return RILL_OK;
}

static int jsconf_consumer_push(const ri_consumer_conf *conf, const ri_stream_conf *stream,
                                ri_js_error *e)
{
    if (ri_subject_has_wildcard(conf->deliver_subject))
        return jsconf_fail(e, RI_JS_CONSUMER_DELIVER_TO_WILDCARDS);
    if (!ri_subject_is_literal(conf->deliver_subject))
        return jsconf_fail(e, RI_JS_CONSUMER_INVALID_DELIVER_SUBJECT);
    for (uint32_t i = 0; i < stream->subjects.len; i++)
        if (ri_subject_match(stream->subjects.items[i], conf->deliver_subject))
            return jsconf_fail(e, RI_JS_CONSUMER_DELIVER_CYCLE);
    if (conf->max_waiting) return jsconf_fail(e, RI_JS_CONSUMER_PUSH_MAX_WAITING);
    if (conf->max_ack_pending > 0 && conf->ack_policy == RI_ACK_NONE)
        return jsconf_fail(e, RI_JS_CONSUMER_MAX_PENDING_ACK_POLICY_REQUIRED);
    if (conf->idle_heartbeat && conf->idle_heartbeat < 100 * RI_MS)
        return jsconf_fail(e, RI_JS_CONSUMER_SMALL_HEARTBEAT);
    return RILL_OK;
}

static int jsconf_consumer_pull(const ri_consumer_conf *conf, const ri_stream_conf *stream,
                                const ri_js_limits *limits, ri_js_error *e)
{
    RI_ASSERT(conf->deliver_subject.len == 0);
    if (conf->ack_policy == RI_ACK_NONE && stream->retention == RI_RETAIN_WORKQUEUE &&
        !limits->observer)
        return jsconf_fail(e, RI_JS_CONSUMER_PULL_REQUIRES_ACK);
    if (conf->rate_limit_bps) return jsconf_fail(e, RI_JS_CONSUMER_PULL_WITH_RATE_LIMIT);
    if (conf->idle_heartbeat) return jsconf_fail(e, RI_JS_CONSUMER_HB_REQUIRES_PUSH);
    if (conf->flow_control) return jsconf_fail(e, RI_JS_CONSUMER_FC_REQUIRES_PUSH);
    if (conf->max_expires && conf->max_expires < RI_MS)
        return jsconf_fail(e, RI_JS_CONSUMER_MAX_REQUEST_EXPIRES_TOO_SMALL);
    return RILL_OK;
}

static int jsconf_consumer_limits(const ri_consumer_conf *conf, const ri_stream_conf *stream,
                                  const ri_js_limits *limits, ri_js_error *e)
{
    int64_t most[] = {limits->max_ack_pending, stream->limit_max_ack_pending};
    for (size_t i = 0; i < RI_LEN(most); i++)
        if (most[i] > 0 && conf->max_ack_pending > most[i])
            return ri_jserror_set(e, RI_JS_CONSUMER_MAX_PENDING_ACK_EXCESS, "%lld",
                                  (long long)most[i]);
    if (limits->max_batch > 0 && conf->max_batch > limits->max_batch)
        return ri_jserror_set(e, RI_JS_CONSUMER_MAX_REQUEST_BATCH_EXCEEDED, "%lld",
                              (long long)limits->max_batch);
    if (stream->limit_inactive_threshold > 0 &&
        conf->inactive_threshold > stream->limit_inactive_threshold) {
        char text[40];
        ri_jsconf_duration(stream->limit_inactive_threshold, text, sizeof text);
        return ri_jserror_set(e, RI_JS_CONSUMER_INACTIVE_THRESHOLD_EXCESS, "%s", text);
    }
    if (conf->direct && !conf->deliver_subject.len)
        return jsconf_fail(e, RI_JS_CONSUMER_DIRECT_REQUIRES_PUSH);
    if (conf->direct && conf->durable_name.len)
        return jsconf_fail(e, RI_JS_CONSUMER_DIRECT_REQUIRES_EPHEMERAL);
    return RILL_OK;
}

/* Is one of the first `n` filters, which are valid, covered by another, or are there too many kinds
 * of them? */
static int jsconf_consumer_overlap(const ri_strs *filters, uint32_t n, const ri_host *host,
                                   ri_js_error *e)
{
    RI_ASSERT(n <= filters->len);
    if (n < 2) return RILL_OK;
    ri_overlap overlap;
    ri_shapes shapes;
    uint32_t covered;
    int rc = RILL_OK;
    ri_overlap_init(&overlap, host);
    ri_shapes_init(&shapes, host);
    for (uint32_t i = 0; i < n && rc >= 0; i++) {
        rc = ri_overlap_add(&overlap, filters->items[i]);
        if (rc >= 0 && ri_subject_has_wildcard(filters->items[i]))
            rc = ri_shapes_add(&shapes, filters->items[i]);
    }
    if (rc >= 0) rc = ri_overlap_covered(&overlap, &covered);
    ri_overlap_fini(&overlap);
    ri_shapes_fini(&shapes);
    if (rc < 0) return ri_jserror_of(e, RI_JS_STREAM_INVALID_CONFIG, rc);
    return rc ? jsconf_fail(e, RI_JS_CONSUMER_OVERLAPPING_SUBJECT_FILTERS) : RILL_OK;
}

static bool jsconf_filter_ok(ri_str filter)
{
    return ri_subject_is_filter(filter) && (!ri_subject_has_wildcard(filter) ||
                                            ri_subject_count(filter) <= RI_LIMIT_FILTER_TOKENS);
}

static int jsconf_consumer_filters(const ri_consumer_conf *conf, uint32_t most,
                                   const ri_host *host, ri_js_error *e)
{
    most = most ? most : RI_LIMIT_JS_NAMED_MAX;
    const ri_strs *filters = &conf->filter_subjects;
    if (conf->filter_subject.len && filters->len)
        return jsconf_fail(e, RI_JS_CONSUMER_DUPLICATE_FILTER_SUBJECTS);
    if (conf->filter_subject.len && !jsconf_filter_ok(conf->filter_subject))
        return ri_jserror_set(e, RI_JS_STREAM_INVALID_CONFIG, "invalid subject");
    if (filters->len > most)
        return ri_jserror_set(e, RI_JS_STREAM_INVALID_CONFIG, "a consumer has at most %u filters",
                              most);
    for (uint32_t i = 0; i < filters->len; i++)
        if (!filters->items[i].len) return jsconf_fail(e, RI_JS_CONSUMER_EMPTY_FILTER);
    uint32_t fine = 0;
    while (fine < filters->len && jsconf_filter_ok(filters->items[fine])) fine++;
    int rc = jsconf_consumer_overlap(filters, fine, host, e);
    if (rc < 0 || fine == filters->len) return rc;
    return ri_jserror_set(e, RI_JS_STREAM_INVALID_CONFIG, "invalid subject");
}

static int jsconf_consumer_start(const ri_consumer_conf *conf, ri_js_error *e)
{
    static const char *const words[] = {
        [RI_DELIVER_ALL] = "all", [RI_DELIVER_LAST] = "last", [RI_DELIVER_NEW] = "new",
        [RI_DELIVER_BY_START_SEQUENCE] = "by start sequence",
        [RI_DELIVER_BY_START_TIME] = "by start time",
        [RI_DELIVER_LAST_PER_SUBJECT] = "last per subject",
    };
    static const char also[] = "consumer delivery policy is deliver %s, but optional start %s is "
                               "also set";
    static const char not_set[] = "consumer delivery policy is deliver %s, but optional %s is not "
                                  "set";
    const char *word = words[conf->deliver_policy];
    bool by_seq = conf->deliver_policy == RI_DELIVER_BY_START_SEQUENCE;
    bool by_time = conf->deliver_policy == RI_DELIVER_BY_START_TIME;
    if (by_seq && !conf->opt_start_seq)
        return ri_jserror_set(e, RI_JS_CONSUMER_INVALID_POLICY, not_set, word, "start sequence");
    if (by_time && !conf->opt_start_time)
        return ri_jserror_set(e, RI_JS_CONSUMER_INVALID_POLICY, not_set, word, "start time");
    if (!by_seq && conf->opt_start_seq)
        return ri_jserror_set(e, RI_JS_CONSUMER_INVALID_POLICY, also, word,
                              by_time ? "start sequence" : "sequence");
    if (!by_time && conf->opt_start_time)
        return ri_jserror_set(e, RI_JS_CONSUMER_INVALID_POLICY, also, word, "time");
    if (conf->deliver_policy == RI_DELIVER_LAST_PER_SUBJECT && !conf->filter_subject.len &&
        !conf->filter_subjects.len)
        return ri_jserror_set(e, RI_JS_CONSUMER_INVALID_POLICY, not_set, word, "filter subject");
    return RILL_OK;
}

/* Which message is a subject's last, or the last of a few, is known by the index of subjects. */
static int jsconf_consumer_batches(const ri_consumer_conf *conf, const ri_stream_conf *stream,
                                   ri_js_error *e)
{
    bool filtered = conf->filter_subject.len || conf->filter_subjects.len;
    bool asks = conf->deliver_policy == RI_DELIVER_LAST_PER_SUBJECT ||
                (conf->deliver_policy == RI_DELIVER_LAST && filtered);
    if (!asks || ri_jsconf_batches(stream) <= 0) return RILL_OK;
    return ri_jserror_set(e, RI_JS_CONSUMER_CREATE, "a stream that takes record batches does not "
                          "know the last message of each subject");
}

static int jsconf_consumer_rest(const ri_consumer_conf *conf, ri_js_error *e)
{
    ri_str freq = conf->sample_freq;
    if (freq.len && freq.ptr[freq.len - 1] == '%') freq.len--;
    int64_t n;
    if (conf->sample_freq.len && !ri_number_read_i64(freq, &n))
        return ri_jserror_set(e, RI_JS_CONSUMER_INVALID_SAMPLING,
                              "strconv.Atoi: parsing \"%.*s\": invalid syntax", RI_ARG(freq));
    if (conf->sample_freq.len && n < 0)
        return ri_jserror_set(e, RI_JS_CONSUMER_INVALID_SAMPLING, "%s", "<nil>");
    if (conf->flow_control && !conf->idle_heartbeat)
        return jsconf_fail(e, RI_JS_CONSUMER_WITH_FLOW_CONTROL_NEEDS_HEARTBEATS);
    if (conf->durable_name.len && conf->name.len && !ri_str_eq(conf->durable_name, conf->name))
        return jsconf_fail(e, RI_JS_CONSUMER_CREATE_DURABLE_AND_NAME_MISMATCH);
    if (ri_jsconf_metadata_len(&conf->metadata) > JSCONF_METADATA_MAX)
        return ri_jserror_set(e, RI_JS_CONSUMER_METADATA_LENGTH, "%dKB",
                              JSCONF_METADATA_MAX / 1024);
    return RILL_OK;
}

bool ri_jsconf_group_ok(ri_str name)
{
    if (name.len > JSCONF_GROUP_NAME_MAX) return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && !strchr("/_=-", c)) return false;
        if (!c) return false;
    }
    return true;
}

static int jsconf_consumer_groups(const ri_consumer_conf *conf, ri_js_error *e)
{
    const ri_strs *groups = &conf->priority_groups;
    if (conf->priority_policy == RI_PRIORITY_NONE) {
        if (groups->len) return jsconf_fail(e, RI_JS_CONSUMER_PRIORITY_GROUP_WITH_POLICY_NONE);
        if (conf->priority_timeout > 0)
            return jsconf_fail(e, RI_JS_CONSUMER_PINNED_TTL_WITHOUT_PRIORITY_POLICY_NONE);
        return RILL_OK;
    }
    if (conf->deliver_subject.len)
        return jsconf_fail(e, RI_JS_CONSUMER_PUSH_WITH_PRIORITY_GROUP);
    if (!groups->len) return jsconf_fail(e, RI_JS_CONSUMER_PRIORITY_POLICY_WITHOUT_GROUP);
    if (groups->len > RI_LIMIT_JS_GROUPS)
        return ri_jserror_set(e, RI_JS_STREAM_INVALID_CONFIG,
                              "a consumer has at most %d priority groups", RI_LIMIT_JS_GROUPS);
    for (uint32_t i = 0; i < groups->len; i++) {
        if (!groups->items[i].len) return jsconf_fail(e, RI_JS_CONSUMER_EMPTY_GROUP_NAME);
        if (!ri_jsconf_group_ok(groups->items[i]))
            return jsconf_fail(e, RI_JS_CONSUMER_INVALID_GROUP_NAME);
    }
    return RILL_OK;
}

int ri_jsconf_consumer_level(const ri_consumer_conf *conf)
{
    if (conf->ack_policy == RI_ACK_FLOW_CONTROL) return 4;
    return (conf->pause_until && conf->pause_until != RI_JS_TIME_ZERO) ||
           conf->priority_policy != RI_PRIORITY_NONE || conf->priority_timeout ||
           conf->priority_groups.len;
}

/* What follows from a stream that keeps a message until one consumer has it. */
static int jsconf_consumer_workqueue(const ri_consumer_conf *conf, const ri_stream_conf *stream,
                                     const ri_js_limits *limits, ri_js_error *e)
{
    if (limits->observer) return RILL_OK; /* it takes nothing out of the queue */
    if (stream->retention != RI_RETAIN_WORKQUEUE || conf->direct || conf->sourcing) return RILL_OK;
    if (conf->ack_policy != RI_ACK_EXPLICIT && conf->ack_policy != RI_ACK_FLOW_CONTROL)
        return jsconf_fail(e, RI_JS_CONSUMER_WQ_REQUIRES_EXPLICIT_ACK);
    if (conf->deliver_policy != RI_DELIVER_ALL)
        return jsconf_fail(e, RI_JS_CONSUMER_WQ_CONSUMER_NOT_DELIVER_ALL);
    return RILL_OK;
}

int ri_jsconf_consumer(ri_consumer_conf *conf, const ri_stream_conf *stream,
                       const ri_js_limits *limits, bool pedantic, ri_arena *arena, ri_js_error *e)
{
    RI_ASSERT(stream && arena);
    static const ri_js_limits none;
    if (!limits) limits = &none;
    int rc;
    if ((rc = jsconf_consumer_defaults(conf, stream, limits, pedantic, e)) < 0 ||
        (rc = jsconf_consumer_names(conf, stream, e)) < 0 ||
        (rc = jsconf_consumer_acks(conf, e)) < 0)
        return rc;
    rc = conf->deliver_subject.len ? jsconf_consumer_push(conf, stream, e)
                                   : jsconf_consumer_pull(conf, stream, limits, e);
    if (rc < 0 || (rc = jsconf_consumer_limits(conf, stream, limits, e)) < 0 ||
        (rc = jsconf_consumer_filters(conf, limits->max_subjects, arena->host, e)) < 0 ||
        (rc = jsconf_consumer_start(conf, e)) < 0 ||
        (rc = jsconf_consumer_batches(conf, stream, e)) < 0 ||
        (rc = jsconf_consumer_rest(conf, e)) < 0 || (rc = jsconf_consumer_groups(conf, e)) < 0 ||
        (rc = jsconf_consumer_workqueue(conf, stream, limits, e)) < 0)
        return rc;
    if (RI_MAX(conf->durable_name.len, conf->name.len) > JSCONF_NAME_MAX)
        return ri_jserror_set(e, RI_JS_CONSUMER_NAME_TOO_LONG, "%d", JSCONF_NAME_MAX);
    if (!conf->durable_name.len && !conf->inactive_threshold)
        conf->inactive_threshold = JSCONF_INACTIVE_SEC * RI_SEC;
    return ri_jsconf_level(&conf->metadata, ri_jsconf_consumer_level(conf), arena);
}

int ri_jsconf_consumer_update(const ri_consumer_conf *old, const ri_consumer_conf *conf,
                              ri_js_error *e)
{
    RI_ASSERT(old != conf);
    const struct {
        bool wrong;
        const char *text;
    } rules[] = {
        {old->deliver_policy != conf->deliver_policy, "deliver policy can not be updated"},
        {old->mem_storage != conf->mem_storage, "storage type can not be updated"},
        {old->direct != conf->direct, "direct can not be updated"},
        {old->sourcing != conf->sourcing, "sourcing can not be updated"},
        {old->opt_start_seq != conf->opt_start_seq, "start sequence can not be updated"},
        {old->opt_start_time != conf->opt_start_time, "start time can not be updated"},
        {old->ack_policy != conf->ack_policy, "ack policy can not be updated"},
        {old->replay_policy != conf->replay_policy, "replay policy can not be updated"},
        {old->idle_heartbeat != conf->idle_heartbeat, "heart beats can not be updated"},
        {old->flow_control != conf->flow_control, "flow control can not be updated"},
        {!old->deliver_subject.len && conf->deliver_subject.len,
         "can not update pull consumer to push based"},
        {old->deliver_subject.len && !conf->deliver_subject.len,
         "can not update push consumer to pull based"},
        {old->max_waiting != conf->max_waiting, "max waiting can not be updated"},
    };
    for (size_t i = 0; i < RI_LEN(rules); i++)
        if (rules[i].wrong)
            return ri_jserror_set(e, RI_JS_CONSUMER_CREATE, "%s", rules[i].text);
    return RILL_OK;
}
