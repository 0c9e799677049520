/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of streams. Their order is nats-server's, since a request that breaks two is answered
 * with the first. */
#include "codec/jetstream/jsconf.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "codec/jetstream/duration.h"
#include "codec/jetstream/jsconf_parts.h"
#include "codec/limits.h"
#include "codec/subject/overlap.h"
#include "codec/subject/subject.h"

enum {
    JSCONF_DUPLICATES_SEC = 120, /* default duplicate window */
    JSCONF_REPLICAS_MAX = 5,
};

bool ri_jsconf_name_ok(ri_str name)
{
    if (!name.len) return false;
    for (size_t i = 0; i < name.len; i++)
        if (!name.ptr[i] || strchr(" \t\r\n\f.*>\\/", name.ptr[i])) return false;
    return true;
}

static int jsconf_bad(ri_js_error *e, const char *text)
{
    RI_ASSERT(text && text[0]);
    return ri_jserror_set(e, RI_JS_STREAM_INVALID_CONFIG, "%s", text);
}

static int jsconf_names(const ri_stream_conf *conf, ri_js_error *e)
{
    if (!ri_jsconf_name_ok(conf->name))
        return jsconf_bad(e, "stream name is required and can not contain '.', '*', '>', '\\', "
                             "'/'");
    if (conf->name.len > JSCONF_NAME_MAX)
        return ri_jserror_set(e, RI_JS_STREAM_INVALID_CONFIG,
                              "stream name is too long, maximum allowed is %d", JSCONF_NAME_MAX);
    if (conf->description.len > JSCONF_DESCRIPTION_MAX)
        return ri_jserror_set(e, RI_JS_STREAM_INVALID_CONFIG,
                              "stream description is too long, maximum allowed is %d",
                              JSCONF_DESCRIPTION_MAX);
    if (ri_jsconf_metadata_len(&conf->metadata) > JSCONF_METADATA_MAX)
        return ri_jserror_set(e, RI_JS_STREAM_INVALID_CONFIG,
                              "stream metadata exceeds maximum size of %d bytes",
                              JSCONF_METADATA_MAX);
    return RILL_OK;
}

/* Limits of which 0 and everything below -1 mean none. */
static int jsconf_no_limit(ri_stream_conf *conf, bool pedantic, ri_js_error *e)
{
    int64_t max_msg_size = conf->max_msg_size;
    struct {
        const char *name;
        int64_t *value;
    } fields[] = {{"max_msgs", &conf->max_msgs},
                  {"max_msgs_per_subject", &conf->max_msgs_per_subject},
                  {"max_bytes", &conf->max_bytes},
                  {"max_msg_size", &max_msg_size},
                  {"max_consumers", &conf->max_consumers}};
    for (size_t i = 0; i < RI_LEN(fields); i++) {
        if (pedantic && *fields[i].value < -1)
            return ri_jserror_set(e, RI_JS_PEDANTIC, "%s must be set to -1", fields[i].name);
        if (*fields[i].value == 0 || *fields[i].value < -1) *fields[i].value = -1;
    }
    conf->max_msg_size = (int32_t)max_msg_size;
    return RILL_OK;
}

static int jsconf_replicas(ri_stream_conf *conf, ri_js_error *e)
{
    if (conf->num_replicas == 0) conf->num_replicas = 1;
    if (conf->num_replicas > JSCONF_REPLICAS_MAX)
        return ri_jserror_set(e, RI_JS_STREAM_INVALID_CONFIG, "maximum replicas is %d",
                              JSCONF_REPLICAS_MAX);
    if (conf->num_replicas < 0)
        return ri_jserror_set(e, RI_JS_REPLICAS_COUNT_CANNOT_BE_NEGATIVE, NULL);
    return RILL_OK;
}

static int jsconf_ages(ri_stream_conf *conf, const ri_js_limits *limits, bool pedantic,
                       ri_js_error *e)
{
    RI_ASSERT(limits);
    if (conf->max_age < 0) return jsconf_bad(e, "max age can not be negative");
    if (conf->max_age && conf->max_age < 100 * RI_MS)
        return jsconf_bad(e, "max age needs to be >= 100ms");
    if (!conf->duplicate_window && !conf->mirror && !conf->sources.len) {
        int64_t window = JSCONF_DUPLICATES_SEC * RI_SEC;
        if (limits->duplicate_window > 0 && window > limits->duplicate_window) {
            if (pedantic)
                return ri_jserror_set(e, RI_JS_PEDANTIC,
                                      "duplicate window limits are higher than current limits");
            window = limits->duplicate_window;
        }
        if (conf->max_age && conf->max_age < window) {
            if (pedantic)
                return ri_jserror_set(e, RI_JS_PEDANTIC,
                                      "duplicate window cannot be bigger than max age");
            window = conf->max_age;
        }
        conf->duplicate_window = window;
    }
    if (conf->duplicate_window < 0)
        return jsconf_bad(e, "duplicates window can not be negative");
    if (conf->max_age && conf->duplicate_window > conf->max_age)
        return jsconf_bad(e, "duplicates window can not be larger then max age");
    if (limits->duplicate_window > 0 && conf->duplicate_window > limits->duplicate_window) {
        char text[40];
        ri_jsconf_duration(limits->duplicate_window, text, sizeof text);
        return ri_jserror_set(e, RI_JS_STREAM_INVALID_CONFIG,
                              "duplicates window can not be larger then server limit of %s", text);
    }
    if (conf->duplicate_window && conf->duplicate_window < 100 * RI_MS)
        return jsconf_bad(e, "duplicates window needs to be >= 100ms");
    return RILL_OK;
}

static int jsconf_counter(const ri_stream_conf *conf, ri_js_error *e)
{
    if (!conf->allow_msg_counter) return RILL_OK;
    if (conf->discard == RI_DISCARD_NEW)
        return jsconf_bad(e, "counter stream cannot use discard new");
    if (conf->allow_msg_ttl) return jsconf_bad(e, "counter stream cannot use message TTLs");
    if (conf->allow_msg_schedules)
        return jsconf_bad(e, "counter stream cannot use message schedules");
    if (conf->retention != RI_RETAIN_LIMITS)
        return jsconf_bad(e, "counter stream can only use limits retention");
    return RILL_OK;
}

static int jsconf_discard_new_per(const ri_stream_conf *conf, ri_js_error *e)
{
    if (!conf->discard_new_per_subject) return RILL_OK;
    if (conf->discard != RI_DISCARD_NEW)
        return jsconf_bad(e, "discard new per subject requires discard new policy to be set");
    if (conf->max_msgs_per_subject <= 0)
        return jsconf_bad(e, "discard new per subject requires max msgs per subject > 0");
    return RILL_OK;
}

static int jsconf_markers(ri_stream_conf *conf, bool pedantic, ri_js_error *e)
{
    if (conf->subject_delete_marker_ttl < 0)
        return jsconf_bad(e, "subject delete marker TTL must not be negative");
    if (!conf->subject_delete_marker_ttl) return RILL_OK;
    if (conf->subject_delete_marker_ttl < RI_SEC)
        return jsconf_bad(e, "subject delete marker TTL must be at least 1 second");
    if (!conf->allow_msg_ttl && pedantic)
        return jsconf_bad(e, "subject delete marker cannot be set if message TTLs are disabled");
    conf->allow_msg_ttl = true;
    if (!conf->allow_rollup_hdrs) {
        if (pedantic)
            return jsconf_bad(e, "subject delete marker cannot be set if roll-ups are disabled");
        conf->allow_rollup_hdrs = true;
        conf->deny_purge = false;
    }
    return RILL_OK;
}

static int jsconf_schedules(ri_stream_conf *conf, bool pedantic, ri_js_error *e)
{
    if (!conf->allow_msg_schedules) return RILL_OK;
    if (conf->discard == RI_DISCARD_NEW)
        return jsconf_bad(e, "message scheduling cannot use discard new");
    if (!conf->allow_rollup_hdrs) {
        if (pedantic)
            return jsconf_bad(e, "message scheduling cannot be set if roll-ups are disabled");
        conf->allow_rollup_hdrs = true;
        conf->deny_purge = false;
    }
    return RILL_OK;
}

static int jsconf_persist(const ri_stream_conf *conf, ri_js_error *e)
{
    if (conf->persist_mode != RI_PERSIST_ASYNC) return RILL_OK;
    if (conf->storage != RI_STORE_FILE)
        return jsconf_bad(e, "async persist mode is only supported on file storage");
    if (conf->num_replicas > 1)
        return jsconf_bad(e, "async persist mode is not supported on replicated streams");
    if (conf->allow_atomic)
        return jsconf_bad(e, "async persist mode is not supported with atomic batch publish");
    return RILL_OK;
}

/* A subject that streams may only take when they do not answer publishes. */
static int jsconf_reserved(const ri_stream_conf *conf, ri_str subject, ri_js_error *e)
{
    static const char *const api[] = {"$JS.>", "$JSC.>", "$NRG.>"};
    if (conf->no_ack) return RILL_OK;
    for (size_t i = 0; i < RI_LEN(api); i++)
        if (ri_subject_overlaps(subject, ri_str_of(api[i])) &&
            !ri_subject_covers(RI_STR("$JS.EVENT.>"), subject))
            return jsconf_bad(e, "subjects that overlap with jetstream api require no-ack to be "
                                 "true");
    if (ri_subject_overlaps(subject, RI_STR("$SYS.>")) &&
        !ri_subject_covers(RI_STR("$SYS.ACCOUNT.>"), subject))
        return jsconf_bad(e, "subjects that overlap with system api require no-ack to be true");
    return RILL_OK;
}

static int jsconf_subject(const ri_stream_conf *conf, uint32_t i, ri_js_error *e)
{
    RI_ASSERT(i < conf->subjects.len);
    ri_str subject = conf->subjects.items[i];
    if (!ri_subject_is_filter(subject)) return jsconf_bad(e, "invalid subject");
    if (ri_str_is(subject, ">")) {
        if (!conf->no_ack)
            return jsconf_bad(e, "capturing all subjects requires no-ack to be true");
        if (conf->num_replicas != 1)
            return jsconf_bad(e, "capturing all subjects requires replicas of 1");
    }
    return jsconf_reserved(conf, subject, e);
}

/* The subject that has this number among those that are valid. */
static ri_str jsconf_valid(const ri_strs *subjects, uint32_t number)
{
    uint32_t i = 0;
    while (!ri_subject_is_filter(subjects->items[i]) || number-- > 0) i++;
    return subjects->items[i];
}

/* Does one of the first `n` subjects, which are fine, overlap with one behind it? */
static int jsconf_overlap(const ri_strs *subjects, uint32_t n, const ri_host *host, ri_js_error *e)
{
    RI_ASSERT(n <= subjects->len);
    if (subjects->len < 2) return RILL_OK;
    ri_overlap overlap;
    uint32_t pair[2];
    int rc = RILL_OK;
    ri_overlap_init(&overlap, host);
    for (uint32_t i = 0; i < subjects->len && rc >= 0; i++)
        if (i < n || ri_subject_is_filter(subjects->items[i]))
            rc = ri_overlap_add(&overlap, subjects->items[i]);
    if (rc >= 0) rc = ri_overlap_within(&overlap, pair);
    ri_overlap_fini(&overlap);
    if (rc < 0) return ri_jserror_of(e, RI_JS_STREAM_INVALID_CONFIG, rc);
    if (rc == 0 || pair[0] >= n) return RILL_OK;
    ri_str other = jsconf_valid(subjects, pair[1]);
    return ri_jserror_set(e, RI_JS_STREAM_INVALID_CONFIG, "subject \"%.*s\" overlaps with \"%.*s\"",
                          RI_ARG(subjects->items[pair[0]]), RI_ARG(other));
}

static int jsconf_subjects(ri_stream_conf *conf, uint32_t most, ri_arena *arena, ri_js_error *e)
{
    most = most ? most : RI_LIMIT_JS_NAMED_MAX;
    if (!conf->subjects.len && !conf->mirror && !conf->sources.len) {
        ri_str *own = ri_arena_alloc(arena, sizeof *own);
        if (!own) return RILL_ENOMEM;
        *own = conf->name;
        conf->subjects = (ri_strs){own, 1};
        return RILL_OK;
    }
    if (conf->subjects.len && conf->mirror)
        return ri_jserror_set(e, RI_JS_MIRROR_WITH_SUBJECTS, NULL);
    if (conf->subjects.len > most)
        return ri_jserror_set(e, RI_JS_STREAM_INVALID_CONFIG, "a stream takes at most %u subjects",
                              most);
    int wrong = RILL_OK;
    uint32_t fine = 0;
    ri_js_error first = {0};
    while (fine < conf->subjects.len && (wrong = jsconf_subject(conf, fine, &first)) >= 0) fine++;
    int rc = jsconf_overlap(&conf->subjects, fine, arena->host, e);
    if (rc < 0 || wrong >= 0) return rc;
    if (e) *e = first;
    return ri_err(wrong, "%s", first.text);
}

static int jsconf_bytes(const ri_stream_conf *conf, const ri_js_limits *limits, ri_js_error *e)
{
    int64_t most = conf->storage == RI_STORE_FILE ? limits->max_stream_bytes_file
                                                  : limits->max_stream_bytes_memory;
    if (limits->max_bytes_required && conf->max_bytes <= 0)
        return ri_jserror_set(e, RI_JS_STREAM_MAX_BYTES_REQUIRED, NULL);
    if (most > 0 && conf->max_bytes > most)
        return ri_jserror_set(e, RI_JS_STREAM_MAX_STREAM_BYTES_EXCEEDED, NULL);
    return RILL_OK;
}

static int jsconf_transform(const ri_stream_conf *conf, ri_js_error *e)
{
    const ri_js_transform *t = conf->subject_transform;
    if (!t) return RILL_OK;
    if (t->src.len && !ri_subject_is_filter(t->src))
        return ri_jserror_set(e, RI_JS_STREAM_TRANSFORM_INVALID_SOURCE, "invalid subject %.*s",
                              RI_ARG(t->src));
    char why[160];
    if (!ri_jsconf_mapping_ok(t->src, t->dest, why, sizeof why))
        return ri_jserror_set(e, RI_JS_STREAM_TRANSFORM_INVALID_DESTINATION, "%s", why);
    return RILL_OK;
}

static int jsconf_republish(ri_stream_conf *conf, bool pedantic, ri_arena *arena, ri_js_error *e)
{
    if (!conf->republish) return RILL_OK;
    ri_js_republish *r = ri_arena_alloc(arena, sizeof *r); /* not into the caller's */
    if (!r) return RILL_ENOMEM;
    *r = *conf->republish;
    conf->republish = r;
    if (!r->src.len) {
        if (pedantic) return ri_jserror_set(e, RI_JS_PEDANTIC, "republish source can not be empty");
        r->src = RI_STR(">");
    }
    const ri_js_transform *t = conf->subject_transform;
    if (ri_str_is(r->dest, ">") && ri_str_is(r->src, ">") && t && conf->subjects.len == 1 &&
        ri_str_eq(t->src, conf->subjects.items[0])) {
        if (pedantic)
            return ri_jserror_set(e, RI_JS_PEDANTIC,
                                  "implicit republish based on subject transform");
        r->src = r->dest = t->dest;
    }
    for (uint32_t i = 0; i < conf->subjects.len; i++)
        if (ri_subject_is_filter(r->dest) && ri_subject_overlaps(r->dest, conf->subjects.items[i]))
            return jsconf_bad(e, "stream configuration for republish destination forms a cycle");
    char why[160];
    if (!ri_subject_is_filter(r->src) || !ri_jsconf_mapping_ok(r->src, r->dest, why, sizeof why))
        return ri_jserror_set(e, RI_JS_STREAM_INVALID_CONFIG,
                              "stream configuration for republish with transform from '%.*s' to "
                              "'%.*s' not valid", RI_ARG(r->src), RI_ARG(r->dest));
    return RILL_OK;
}

static int jsconf_placement(ri_stream_conf *conf, ri_js_error *e)
{
    const ri_js_placement *p = conf->placement;
    if (p && !p->cluster.len && !p->tags.len && !p->preferred.len) conf->placement = NULL;
    if (p && p->preferred.len)
        return jsconf_bad(e, "preferred server not permitted in placement");
    return RILL_OK;
}

int ri_jsconf_stream_level(const ri_stream_conf *conf)
{
    if (conf->allow_batched) return 4;
    if (conf->allow_msg_counter || conf->allow_atomic || conf->allow_msg_schedules ||
        conf->persist_mode == RI_PERSIST_ASYNC)
        return 2;
    return conf->allow_msg_ttl || conf->subject_delete_marker_ttl > 0;
}

int ri_jsconf_compact(const ri_stream_conf *conf, int64_t *tombstone_ns)
{
    for (uint32_t i = 0; i < conf->metadata.len; i++) {
        const ri_js_pair *pair = &conf->metadata.items[i];
        if (!ri_str_is(pair->key, "rill.compact")) continue;
        return ri_duration_read(pair->value, tombstone_ns) && *tombstone_ns >= 0 ? 1 : RILL_EINVAL;
    }
    return 0;
}

static bool jsconf_thousandths(ri_str text, uint32_t *out)
{
    uint32_t n = 0;
    for (size_t i = 0; i < text.len && i < 5; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') return false;
        n = n * 10 + (uint32_t)(text.ptr[i] - '0');
    }
    *out = n;
    return text.len > 0 && text.len < 5 && n <= 1000;
}

int ri_jsconf_compact_when(const ri_stream_conf *conf, uint32_t *dirty, int64_t *lag_ns)
{
    *dirty = 500;
    *lag_ns = INT64_MAX;
    for (uint32_t i = 0; i < conf->metadata.len; i++) {
        const ri_js_pair *pair = &conf->metadata.items[i];
        bool ok = true;
        if (ri_str_is(pair->key, "rill.compact_dirty"))
            ok = jsconf_thousandths(pair->value, dirty);
        else if (ri_str_is(pair->key, "rill.compact_lag"))
            ok = ri_duration_read(pair->value, lag_ns) && *lag_ns >= 0;
        if (!ok) return RILL_EINVAL;
    }
    return RILL_OK;
}

int ri_jsconf_batches(const ri_stream_conf *conf)
{
    for (uint32_t i = 0; i < conf->metadata.len; i++) {
        const ri_js_pair *pair = &conf->metadata.items[i];
        if (!ri_str_is(pair->key, "rill.batches")) continue;
        if (ri_str_is(pair->value, "on")) return 1;
        return ri_str_is(pair->value, "off") ? 0 : RILL_EINVAL;
    }
    return 0;
}

int ri_jsconf_dedupe_strict(const ri_stream_conf *conf)
{
    for (uint32_t i = 0; i < conf->metadata.len; i++) {
        const ri_js_pair *pair = &conf->metadata.items[i];
        if (!ri_str_is(pair->key, "rill.dedupe_full")) continue;
        if (ri_str_is(pair->value, "refuse")) return 1;
        return ri_str_is(pair->value, "forget") ? 0 : RILL_EINVAL;
    }
    return 0;
}

/* Records in batches are not in the index of subjects, and stay until their batch goes. */
static int jsconf_batches(const ri_stream_conf *conf, ri_js_error *e)
{
    int rc = ri_jsconf_batches(conf);
    if (rc < 0) return jsconf_bad(e, "rill.batches in the metadata is neither on nor off");
    if (rc == 0) return RILL_OK;
    if (conf->retention != RI_RETAIN_LIMITS)
        return jsconf_bad(e, "only a stream with limits retention takes record batches");
    if (conf->mirror || conf->sources.len || conf->subjects.len == 0)
        return jsconf_bad(e, "a stream that takes record batches has subjects, and copies none");
    if (conf->max_msgs_per_subject > 0 || conf->allow_rollup_hdrs || conf->allow_msg_counter ||
        conf->allow_msg_schedules || conf->subject_delete_marker_ttl > 0 || conf->republish)
        return jsconf_bad(e, "a stream that takes record batches has no limit for each subject, "
                             "roll-ups, counters, schedules, delete markers or republishing");
    return RILL_OK;
}

static int jsconf_dedupe(const ri_stream_conf *conf, ri_js_error *e)
{
    if (ri_jsconf_dedupe_strict(conf) >= 0) return RILL_OK;
    return jsconf_bad(e, "rill.dedupe_full in the metadata is neither refuse nor forget");
}

static int jsconf_first_seq(const ri_stream_conf *conf, ri_js_error *e)
{
    if (conf->first_seq <= RI_LIMIT_SEQUENCE) return RILL_OK;
    return jsconf_bad(e, "first sequence is too great");
}

static int jsconf_compact(const ri_stream_conf *conf, ri_js_error *e)
{
    int64_t tombstone_ns, lag_ns;
    uint32_t dirty;
    int rc = ri_jsconf_compact(conf, &tombstone_ns);
    if (rc < 0) return jsconf_bad(e, "rill.compact in the metadata is no duration");
    if (ri_jsconf_compact_when(conf, &dirty, &lag_ns) < 0)
        return jsconf_bad(e, "rill.compact_dirty in the metadata is not 0 to 1000, or "
                             "rill.compact_lag no duration");
    if (rc == 1 && conf->retention != RI_RETAIN_LIMITS)
        return jsconf_bad(e, "only a stream with limits retention can be compacted");
    return RILL_OK;
}

int ri_jsconf_stream(ri_stream_conf *conf, const ri_js_limits *limits, bool pedantic,
                     ri_arena *arena, ri_js_error *e)
{
    RI_ASSERT(conf && arena);
    static const ri_js_limits none;
    if (!limits) limits = &none;
    int rc;
    if ((rc = jsconf_names(conf, e)) < 0 || (rc = jsconf_replicas(conf, e)) < 0 ||
        (rc = jsconf_no_limit(conf, pedantic, e)) < 0 ||
        (rc = jsconf_ages(conf, limits, pedantic, e)) < 0)
        return rc;
    if (conf->deny_purge && conf->allow_rollup_hdrs)
        return jsconf_bad(e, "roll-ups require the purge permission");
    if ((rc = jsconf_counter(conf, e)) < 0 || (rc = jsconf_discard_new_per(conf, e)) < 0 ||
        (rc = jsconf_markers(conf, pedantic, e)) < 0 ||
        (rc = jsconf_schedules(conf, pedantic, e)) < 0 || (rc = jsconf_persist(conf, e)) < 0 ||
        (rc = ri_jsconf_mirror(conf, arena->host, e)) < 0 ||
        (rc = ri_jsconf_sources(conf, arena->host, e)) < 0 ||
        (rc = jsconf_subjects(conf, limits->max_subjects, arena, e)) < 0 ||
        (rc = jsconf_bytes(conf, limits, e)) < 0 ||
        (rc = jsconf_transform(conf, e)) < 0 ||
        (rc = jsconf_republish(conf, pedantic, arena, e)) < 0 ||
        (rc = jsconf_placement(conf, e)) < 0 || (rc = jsconf_compact(conf, e)) < 0 ||
        (rc = jsconf_dedupe(conf, e)) < 0 || (rc = jsconf_batches(conf, e)) < 0 ||
        (rc = jsconf_first_seq(conf, e)) < 0)
        return rc;
    if (conf->num_replicas > 1) return ri_jserror_set(e, RI_JS_STREAM_REPLICAS_NOT_SUPPORTED, NULL);
    return ri_jsconf_level(&conf->metadata, ri_jsconf_stream_level(conf), arena);
}

static bool jsconf_same_source(const ri_js_source *a, const ri_js_source *b)
{
    if (!a || !b) return a == b;
    return ri_jsapi_equal(&ri_jsapi_source, a, b);
}

int ri_jsconf_stream_update(const ri_stream_conf *old, const ri_stream_conf *conf, bool pedantic,
                            ri_js_error *e)
{
    RI_ASSERT(old != conf);
    (void)pedantic;
    if (!ri_str_eq(old->name, conf->name))
        return jsconf_bad(e, "stream configuration name must match original");
    if (old->storage != conf->storage)
        return jsconf_bad(e, "stream configuration update can not change storage type");
    if (old->retention != conf->retention &&
        (old->retention == RI_RETAIN_WORKQUEUE || conf->retention == RI_RETAIN_WORKQUEUE))
        return jsconf_bad(e, "stream configuration update can not change retention policy to/from "
                             "workqueue");
    if (old->sealed && !conf->sealed)
        return jsconf_bad(e, "stream configuration update can not unseal a sealed stream");
    if (old->deny_delete && !conf->deny_delete)
        return jsconf_bad(e, "stream configuration update can not cancel deny message deletes");
    if (old->deny_purge && !conf->deny_purge)
        return jsconf_bad(e, "stream configuration update can not cancel deny purge");
    if (conf->mirror && !jsconf_same_source(old->mirror, conf->mirror))
        return ri_jserror_set(e, RI_JS_STREAM_MIRROR_NOT_UPDATABLE, NULL);
    if (old->allow_msg_ttl && !conf->allow_msg_ttl)
        return jsconf_bad(e, "message TTL status can not be disabled");
    if (old->allow_msg_counter != conf->allow_msg_counter)
        return jsconf_bad(e, "stream configuration update can not change message counter setting");
    if (old->allow_msg_schedules && !conf->allow_msg_schedules)
        return jsconf_bad(e, "message schedules can not be disabled");
    if (ri_jsconf_batches(old) != ri_jsconf_batches(conf))
        return jsconf_bad(e, "whether a stream takes record batches can not be changed");
    if (old->persist_mode != conf->persist_mode)
        return jsconf_bad(e, "stream configuration update can not change persist mode");
    return RILL_OK;
}

void ri_jsconf_seal(ri_stream_conf *conf)
{
    if (!conf->sealed) return;
    conf->max_age = 0;
    conf->discard = RI_DISCARD_NEW;
    conf->deny_delete = conf->deny_purge = true;
    conf->allow_rollup_hdrs = false;
}
