/* SPDX-License-Identifier: Apache-2.0 */
/* Topics from a program: made, changed, looked at, emptied. The configuration of a stream is
 * JetStream's struct here as everywhere; what a topic has of it is a row below, and all else that
 * it asks for is RILL_ENOTSUP. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/deadline.h"
#include "base/error.h"
#include "base/number.h"
#include "base/saturate.h"
#include "codec/jetstream/duration.h"
#include "codec/jetstream/jsconf.h"
#include "front/peer_kafka/kafka_ask.h"

/* ---- What a topic is to be ---- */

enum { KAFKA_CLEANUP, KAFKA_AGE, KAFKA_BYTES, KAFKA_MESSAGE, KAFKA_TOMBSTONE, KAFKA_KEYS };
static const char *const kafka_keys[KAFKA_KEYS] = {
    [KAFKA_CLEANUP] = "cleanup.policy", [KAFKA_AGE] = "retention.ms",
    [KAFKA_BYTES] = "retention.bytes", [KAFKA_MESSAGE] = "max.message.bytes",
    [KAFKA_TOMBSTONE] = "delete.retention.ms",
};

typedef struct kafka_wanted {
    char value[KAFKA_KEYS][32];
    bool compact, limits; /* are asked for */
} kafka_wanted;

static bool kafka_is_own_subject(const ri_stream_conf *conf)
{
    return conf->subjects.len == 0 ||
           (conf->subjects.len == 1 && ri_str_eq(conf->subjects.items[0], conf->name));
}

/* The first option that no topic has, and why; NULL: there is none. */
static const char *kafka_not_had(const ri_stream_conf *conf)
{
    if (!kafka_is_own_subject(conf)) return "subjects: that of a topic is its name, and its "
                                            "messages have keys (the header Kafka-Key)";
    if (conf->description.len) return "description";
    if (conf->retention != RI_RETAIN_LIMITS) return "keep: a topic is kept by limits";
    if (conf->max_msgs > 0) return "max_msgs: max_bytes and max_age_ms are what a topic has";
    if (conf->max_msgs_per_subject > 0)
        return "max_msgs_per_subject: compact keeps the last of each key";
    if (conf->max_consumers > 0) return "max_groups";
    if (conf->duplicate_window) return "dedupe_window_ms: Kafka keeps no window of ids";
    if (conf->first_seq > 1) return "first_seq";
    if (conf->storage == RI_STORE_MEMORY) return "in_memory";
    if (conf->discard == RI_DISCARD_NEW) return "reject_when_full: a topic drops the oldest";
    if (conf->deny_delete) return "deny_erase";
    if (conf->deny_purge) return "deny_purge";
    if (conf->allow_msg_ttl || conf->subject_delete_marker_ttl)
        return "allow_ttl and marker_ttl_ms: the records of a topic have one age, max_age_ms";
    if (conf->allow_msg_schedules) return "allow_schedules";
    if (conf->mirror || conf->sources.len) return "mirror and sources";
    if (conf->subject_transform || conf->republish) return "transform_to and republish_to";
    return ri_jsconf_dedupe_strict(conf) ? "dedupe_strictly" : NULL;
}

static void kafka_want_number(kafka_wanted *w, int key, int64_t n)
{
    snprintf(w->value[key], sizeof w->value[key], "%" PRIi64, n);
}

static const char *const kafka_policies[] = {"delete", "compact", "compact,delete"};
enum { KAFKA_DELETES = 1, KAFKA_COMPACTS = 2 }; /* sums of these name a policy */

/* What is asked for; what an option leaves out is empty, as the topic, or the broker, has it. */
static int kafka_want(const ri_stream_conf *conf, kafka_wanted *w)
{
    int64_t tombstone_ns = 0;
    const char *not_had = kafka_not_had(conf);
    memset(w, 0, sizeof *w);
    if (not_had) return ri_err(RILL_ENOTSUP, "Kafka has no such option for a topic: %s", not_had);
    w->compact = ri_jsconf_compact(conf, &tombstone_ns) == 1;
    w->limits = conf->max_age > 0 || conf->max_bytes > 0;
    if (conf->max_age > 0) kafka_want_number(w, KAFKA_AGE, conf->max_age / RI_MS);
    if (conf->max_bytes > 0) kafka_want_number(w, KAFKA_BYTES, conf->max_bytes);
    if (conf->max_msg_size > 0) kafka_want_number(w, KAFKA_MESSAGE, conf->max_msg_size);
    if (w->compact) kafka_want_number(w, KAFKA_TOMBSTONE, tombstone_ns / RI_MS);
    return RILL_OK;
}

static void kafka_want_policy(kafka_wanted *w, int policy)
{
    RI_ASSERT(policy > 0 && policy <= KAFKA_DELETES + KAFKA_COMPACTS);
    snprintf(w->value[KAFKA_CLEANUP], sizeof w->value[0], "%s", kafka_policies[policy - 1]);
}

/* Of a topic that is new: without limits it keeps all, whatever the cluster's defaults are. */
static void kafka_want_new(kafka_wanted *w)
{
    if (!w->value[KAFKA_AGE][0]) kafka_want_number(w, KAFKA_AGE, -1);
    if (!w->value[KAFKA_BYTES][0]) kafka_want_number(w, KAFKA_BYTES, -1);
    kafka_want_policy(w, !w->compact ? KAFKA_DELETES
                         : w->limits ? KAFKA_COMPACTS + KAFKA_DELETES : KAFKA_COMPACTS);
}

/* ---- Make ---- */

/* RILL_EEXIST: it is there, maybe otherwise. */
static int kafka_create(const ri_kafka_call *call, const ri_ask *ask, int replicas,
                        const kafka_wanted *w)
{
    const ri_kafka_lib *lib = &call->peer->lib;
    ri_kafka_admin admin;
    char why[256];
    rd_kafka_NewTopic_t *topic = lib->NewTopic_new(ask->stream, (int)RI_MAX(ask->partitions, 1),
                                                  replicas, why, sizeof why);
    if (!topic) return ri_err(RILL_EINVAL, "%s", why);
    for (int i = 0; i < KAFKA_KEYS; i++)
        if (w->value[i][0]) lib->NewTopic_set_config(topic, kafka_keys[i], w->value[i]);
    int rc = ri_kafka_ask_begin(&admin, call, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    if (rc == RILL_OK) {
        size_t n = 0;
        lib->CreateTopics(call->peer->rk, &topic, 1, admin.options, admin.queue);
        rc = ri_kafka_ask_await(&admin, "make a topic");
        const rd_kafka_topic_result_t **results =
            rc == RILL_OK ? lib->CreateTopics_result_topics(
                                lib->event_CreateTopics_result(admin.event), &n) : NULL;
        if (rc == RILL_OK) rc = ri_kafka_ask_topic_result(&admin, results, n, "make a topic");
        ri_kafka_ask_end(&admin);
    }
    lib->NewTopic_destroy(topic);
    return rc;
}

/* Until its partitions have leaders, or, `there` false, until it is gone. */
static int kafka_settled(const ri_kafka_call *call, const char *stream, bool there)
{
    ri_kafka_ends ends;
    for (;;) {
        int32_t n = 0;
        int rc = ri_kafka_place_count(call, stream, &n);
        if (!there && rc == RILL_ENOENT) return RILL_OK;
        if (there && rc == RILL_OK) rc = ri_kafka_place_all_ends(call, stream, n, &ends);
        if (there && rc == RILL_OK) {
            ri_kafka_place_ends_fini(call->peer, &ends);
            return RILL_OK;
        }
        rc = ri_kafka_ask_pause(call, 20 * RI_MS, "wait until the cluster knows of the change");
        if (rc < 0) return rc;
    }
}

/* ---- The configuration that is there ---- */

typedef struct kafka_configs { /* lent by the answer */
    ri_kafka_admin admin;
    const rd_kafka_ConfigEntry_t **rows;
    size_t n;
} kafka_configs;

static int kafka_configs_begin(kafka_configs *c, const ri_kafka_call *call,
                               rd_kafka_ResourceType_t kind, const char *name)
{
    const ri_kafka_lib *lib = &call->peer->lib;
    size_t n = 0;
    *c = (kafka_configs){.rows = NULL};
    rd_kafka_ConfigResource_t *one = lib->ConfigResource_new(kind, name);
    if (!one) return ri_err_nomem(0);
    int rc = ri_kafka_ask_begin(&c->admin, call, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    if (rc == RILL_OK) {
        lib->DescribeConfigs(call->peer->rk, &one, 1, c->admin.options, c->admin.queue);
        rc = ri_kafka_ask_await(&c->admin, "ask for a configuration");
    }
    lib->ConfigResource_destroy(one);
    if (rc < 0) return rc;
    const rd_kafka_ConfigResource_t **found = lib->DescribeConfigs_result_resources(
        lib->event_DescribeConfigs_result(c->admin.event), &n);
    if (n != 1) return ri_err(RILL_EPROTO, "%zu configurations of one name", n);
    rd_kafka_resp_err_t err = lib->ConfigResource_error(found[0]);
    if (err) return ri_kafka_lib_err(lib, err, "ask for the configuration of %s", name);
    c->rows = lib->ConfigResource_configs(found[0], &c->n);
    return RILL_OK;
}

static void kafka_configs_end(kafka_configs *c)
{
    if (c->admin.call) ri_kafka_ask_end(&c->admin);
}

static const char *kafka_configs_find(const kafka_configs *c, const char *key)
{
    const ri_kafka_lib *lib = &c->admin.call->peer->lib;
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(lib->ConfigEntry_name(c->rows[i]), key) == 0)
            return lib->ConfigEntry_value(c->rows[i]);
    return NULL;
}

int ri_kafka_topic_transacts(const ri_kafka_call *call)
{
    const ri_kafka_lib *lib = &call->peer->lib;
    const struct rd_kafka_metadata *metadata;
    kafka_configs configs;
    char id[16];
    rd_kafka_resp_err_t err = lib->metadata(call->peer->rk, 0, NULL, &metadata,
                                            ri_kafka_ask_left_ms(call));
    if (err) return ri_kafka_lib_err(lib, err, "ask for the brokers");
    snprintf(id, sizeof id, "%d", metadata->broker_cnt > 0 ? (int)metadata->brokers[0].id : 0);
    lib->metadata_destroy(metadata);
    int rc = kafka_configs_begin(&configs, call, RD_KAFKA_RESOURCE_BROKER, id);
    if (rc == RILL_OK && configs.n > 0)
        rc = kafka_configs_find(&configs, "transaction.max.timeout.ms") != NULL;
    else if (rc == RILL_OK) rc = ri_err(RILL_EAUTH, "the broker shows no configuration");
    kafka_configs_end(&configs);
    return rc;
}

static int64_t kafka_number(const char *text, int64_t otherwise)
{
    char *end;
    int64_t n = text ? strtoll(text, &end, 10) : 0;
    return text && end != text && !*end ? n : otherwise;
}

/* ---- Change ---- */

/* Of a topic that is there others may have their part: what is not asked for stays, and so does the
 * part of its policy that it has. One that deletes nothing, as it has no limits, may be compacted
 * alone. */
static void kafka_want_change(kafka_wanted *w, const kafka_configs *c)
{
    const char *is = kafka_configs_find(c, "cleanup.policy");
    bool limited = kafka_number(kafka_configs_find(c, "retention.ms"), -1) > 0 ||
                   kafka_number(kafka_configs_find(c, "retention.bytes"), -1) > 0 || w->limits;
    bool deletes = !is || strstr(is, "delete") || w->limits;
    bool compacts = (is && strstr(is, "compact")) || w->compact;
    if (w->compact && !limited) deletes = false;
    if (deletes || compacts)
        kafka_want_policy(w, (deletes ? KAFKA_DELETES : 0) + (compacts ? KAFKA_COMPACTS : 0));
}

static bool kafka_is_so(const kafka_configs *c, const kafka_wanted *w)
{
    for (int i = 0; i < KAFKA_KEYS; i++) {
        const char *is = kafka_configs_find(c, kafka_keys[i]);
        if (w->value[i][0] && (!is || strcmp(is, w->value[i]) != 0)) return false;
    }
    return true;
}

/* Is it one that is set anew? */
static bool kafka_is_wanted(const kafka_wanted *w, const char *name)
{
    for (int i = 0; i < KAFKA_KEYS; i++)
        if (w->value[i][0] && strcmp(name, kafka_keys[i]) == 0) return true;
    return false;
}

/* AlterConfigs replaces all: what the topic has beside that is said again. */
static void kafka_alter_fill(const kafka_configs *c, const kafka_wanted *w,
                             rd_kafka_ConfigResource_t *topic)
{
    const ri_kafka_lib *lib = &c->admin.call->peer->lib;
    for (size_t i = 0; i < c->n; i++) {
        const char *name = lib->ConfigEntry_name(c->rows[i]);
        const char *value = lib->ConfigEntry_value(c->rows[i]);
        bool its_own = lib->ConfigEntry_source(c->rows[i]) ==
                       RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG;
        if (its_own && value && !kafka_is_wanted(w, name))
            lib->ConfigResource_set_config(topic, name, value);
    }
    for (int i = 0; i < KAFKA_KEYS; i++)
        if (w->value[i][0]) lib->ConfigResource_set_config(topic, kafka_keys[i], w->value[i]);
}

static int kafka_alter(const ri_kafka_call *call, const char *stream, const kafka_configs *c,
                       const kafka_wanted *w)
{
    const ri_kafka_lib *lib = &call->peer->lib;
    ri_kafka_admin admin;
    size_t n = 0;
    rd_kafka_ConfigResource_t *topic = lib->ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, stream);
    if (!topic) return ri_err_nomem(0);
    kafka_alter_fill(c, w, topic);
    int rc = ri_kafka_ask_begin(&admin, call, RD_KAFKA_ADMIN_OP_ALTERCONFIGS);
    if (rc == RILL_OK) {
        lib->AlterConfigs(call->peer->rk, &topic, 1, admin.options, admin.queue);
        rc = ri_kafka_ask_await(&admin, "change a topic");
        const rd_kafka_ConfigResource_t **results =
            rc == RILL_OK ? lib->AlterConfigs_result_resources(
                                lib->event_AlterConfigs_result(admin.event), &n) : NULL;
        rd_kafka_resp_err_t err = n == 1 ? lib->ConfigResource_error(results[0]) : 0;
        if (err) rc = ri_kafka_lib_err(lib, err, "change the topic %s", stream);
        ri_kafka_ask_end(&admin);
    }
    lib->ConfigResource_destroy(topic);
    return rc;
}

/* It gets partitions beside those that it has. */
static int kafka_add(const ri_kafka_call *call, const ri_ask *ask)
{
    const ri_kafka_lib *lib = &call->peer->lib;
    ri_kafka_admin admin;
    char why[256];
    size_t n = 0;
    rd_kafka_NewPartitions_t *more = lib->NewPartitions_new(ask->stream, ask->partitions, why,
                                                            sizeof why);
    if (!more) return ri_err(RILL_EINVAL, "%s", why);
    int rc = ri_kafka_ask_begin(&admin, call, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS);
    if (rc == RILL_OK) {
        lib->CreatePartitions(call->peer->rk, &more, 1, admin.options, admin.queue);
        rc = ri_kafka_ask_await(&admin, "add partitions");
        const rd_kafka_topic_result_t **results =
            rc == RILL_OK ? lib->CreatePartitions_result_topics(
                                lib->event_CreatePartitions_result(admin.event), &n) : NULL;
        if (rc == RILL_OK) rc = ri_kafka_ask_topic_result(&admin, results, n, "add partitions");
        ri_kafka_ask_end(&admin);
    }
    lib->NewPartitions_destroy(more);
    return rc;
}

/* Until the cluster says of a topic that it has as many as it was given. */
static int kafka_spread_settled(const ri_kafka_call *call, const ri_ask *ask)
{
    int32_t n = 0;
    int rc = ri_kafka_place_count(call, ask->stream, &n);
    while (rc == RILL_OK && (uint32_t)n < ask->partitions) {
        rc = ri_kafka_ask_pause(call, 20 * RI_MS, "wait until the cluster knows of the change");
        if (rc == RILL_OK) rc = ri_kafka_place_count(call, ask->stream, &n);
    }
    return rc < 0 ? rc : kafka_settled(call, ask->stream, true);
}

static int kafka_spread(const ri_kafka_call *call, const ri_ask *ask)
{
    int32_t have;
    int rc = ri_kafka_place_count(call, ask->stream, &have);
    if (rc < 0 || ask->partitions == (uint32_t)have) return rc;
    if (ask->partitions < (uint32_t)have)
        return ri_err(RILL_EEXIST, "%s has %d partitions, and cannot have fewer", ask->stream,
                      have);
    rc = kafka_add(call, ask);
    return rc < 0 ? rc : kafka_spread_settled(call, ask);
}

int ri_kafka_topic_ensure(const ri_kafka_call *call, const ri_ask *ask)
{
    kafka_wanted w;
    kafka_configs c;
    RI_ASSERT(ask->conf);
    int rc = kafka_want(ask->conf, &w);
    int64_t replicas = ask->conf->num_replicas ? RI_MIN(ask->conf->num_replicas, UINT8_MAX)
                                               : -1; /* as the cluster has it */
    kafka_wanted first = w;
    kafka_want_new(&first);
    if (rc == RILL_OK && ask->partitions > RI_KAFKA_PARTITIONS_MAX)
        rc = ri_err(RILL_EINVAL, "partitions is %u; at most %d", ask->partitions,
                    RI_KAFKA_PARTITIONS_MAX);
    if (rc == RILL_OK) rc = kafka_create(call, ask, (int)replicas, &first);
    if (rc == RILL_OK) rc = kafka_settled(call, ask->stream, true);
    if (rc != RILL_EEXIST) return rc == RILL_OK ? 1 : rc;
    rc = kafka_configs_begin(&c, call, RD_KAFKA_RESOURCE_TOPIC, ask->stream);
    if (rc == RILL_OK) kafka_want_change(&w, &c);
    if (rc == RILL_OK && !kafka_is_so(&c, &w)) rc = kafka_alter(call, ask->stream, &c, &w);
    kafka_configs_end(&c);
    return rc == RILL_OK && ask->partitions ? kafka_spread(call, ask) : rc;
}

/* ---- Delete ---- */

int ri_kafka_topic_delete(const ri_kafka_call *call, const ri_ask *ask)
{
    const ri_kafka_lib *lib = &call->peer->lib;
    ri_kafka_admin admin;
    size_t n = 0;
    RI_ASSERT(ask->stream);
    rd_kafka_DeleteTopic_t *topic = lib->DeleteTopic_new(ask->stream);
    if (!topic) return ri_err_nomem(0);
    int rc = ri_kafka_ask_begin(&admin, call, RD_KAFKA_ADMIN_OP_DELETETOPICS);
    if (rc == RILL_OK) {
        lib->DeleteTopics(call->peer->rk, &topic, 1, admin.options, admin.queue);
        rc = ri_kafka_ask_await(&admin, "delete a topic");
        const rd_kafka_topic_result_t **results =
            rc == RILL_OK ? lib->DeleteTopics_result_topics(
                                lib->event_DeleteTopics_result(admin.event), &n) : NULL;
        if (rc == RILL_OK) rc = ri_kafka_ask_topic_result(&admin, results, n, "delete a topic");
        ri_kafka_ask_end(&admin);
    }
    lib->DeleteTopic_destroy(topic);
    if (rc == RILL_ENOENT) return ri_err(rc, "there is no topic %s", ask->stream);
    return rc < 0 ? rc : kafka_settled(call, ask->stream, false);
}

/* ---- Look ---- */

/* `msgs` counts offsets: those that compaction has emptied, and the ends of transactions, too. */
int ri_kafka_topic_status(const ri_kafka_call *call, const char *stream, rill_stream_info *out)
{
    ri_kafka_ends ends;
    int32_t n;
    int64_t least = INT64_MAX, most = 0;
    int rc = ri_kafka_place_count(call, stream, &n);
    if (rc == RILL_OK) rc = ri_kafka_place_all_ends(call, stream, n, &ends);
    if (rc < 0) return rc;
    for (int32_t i = 0; i < n; i++) {
        int64_t low = ends.low->elems[i].offset, high = ends.high->elems[i].offset;
        out->msgs += (uint64_t)(high - low);
        least = RI_MIN(least, low);
        most = RI_MAX(most, high);
    }
    ri_kafka_place_ends_fini(call->peer, &ends);
    out->first_seq = (uint64_t)least + 1;
    out->last_seq = (uint64_t)most;
    out->subjects = out->msgs > 0;
    out->partitions = (uint32_t)n;
    return RILL_OK;
}

int ri_kafka_topic_describe(const ri_kafka_call *call, const ri_ask *ask)
{
    kafka_configs c;
    rill_stream_info info = {.size = sizeof info};
    char tombstone[RI_DURATION_MAX];
    ri_js_pair compact = {RI_STR("rill.compact"), {tombstone, 0}};
    ri_str name = ri_str_of(ask->stream);
    RI_ASSERT(ask->take);
    int rc = ri_kafka_topic_status(call, ask->stream, &info);
    if (rc < 0) return rc;
    rc = kafka_configs_begin(&c, call, RD_KAFKA_RESOURCE_TOPIC, ask->stream);
    if (rc == RILL_OK) {
        const char *policy = kafka_configs_find(&c, "cleanup.policy");
        int64_t age_ms = kafka_number(kafka_configs_find(&c, "retention.ms"), -1);
        int64_t keep_ms = kafka_number(kafka_configs_find(&c, "delete.retention.ms"), 0);
        int64_t size = kafka_number(kafka_configs_find(&c, "max.message.bytes"), -1);
        ri_stream_conf conf = {
            .name = name, .subjects = {&name, 1}, .num_replicas = 1, .max_consumers = -1,
            .max_msgs = -1, .max_msgs_per_subject = -1,
            .max_bytes = kafka_number(kafka_configs_find(&c, "retention.bytes"), -1),
            .max_age = age_ms > 0 ? ri_ns_of_ms(age_ms) : 0,
            .max_msg_size = size > INT32_MAX ? -1 : (int32_t)size,
        };
        compact.value.len = ri_duration_write(tombstone, ri_ns_of_ms(keep_ms));
        if (policy && strstr(policy, "compact")) conf.metadata = (ri_js_map){&compact, 1};
        ri_broker_enter(call->peer->bus.broker);
        rc = ask->take(ask->arg, &conf, &info);
        ri_broker_leave(call->peer->bus.broker);
    }
    kafka_configs_end(&c);
    return rc;
}

static int kafka_compare(const void *a, const void *b)
{
    const struct rd_kafka_metadata_topic *x = a, *y = b;
    return strcmp(x->topic, y->topic);
}

/* Without those that Kafka keeps for itself. */
int ri_kafka_topic_names(const ri_kafka_call *call, const ri_ask *ask)
{
    const struct rd_kafka_metadata *metadata;
    ri_buffer *names = ask->out.names;
    RI_ASSERT(ri_buffer_is_sound(names));
    rd_kafka_resp_err_t err = call->peer->lib.metadata(call->peer->rk, 1, NULL, &metadata,
                                                       ri_kafka_ask_left_ms(call));
    if (err) return ri_kafka_lib_err(&call->peer->lib, err, "list the topics");
    qsort(metadata->topics, (size_t)metadata->topic_cnt, sizeof *metadata->topics, kafka_compare);
    for (int i = 0; i < metadata->topic_cnt; i++) {
        const char *name = metadata->topics[i].topic;
        if (strcmp(name, "__consumer_offsets") && strcmp(name, "__transaction_state") &&
            strcmp(name, "__share_group_state"))
            ri_buffer_put(names, name, strlen(name) + 1);
    }
    call->peer->lib.metadata_destroy(metadata);
    return names->failed ? RILL_ENOMEM : RILL_OK;
}

/* ---- Purge ---- */

/* Below which offset a partition is emptied. */
static int64_t kafka_purge_below(const ri_ask *ask, int64_t low, int64_t high)
{
    int64_t below = high;
    if (ask->seq) below = (int64_t)RI_MIN(ask->seq - 1, (uint64_t)high);
    if (ask->keep) below = high - (int64_t)RI_MIN(ask->keep, (uint64_t)(high - low));
    return RI_MAX(below, low);
}

static int kafka_purge(const ri_kafka_call *call, const char *stream,
                       const rd_kafka_topic_partition_list_t *below)
{
    const ri_kafka_lib *lib = &call->peer->lib;
    ri_kafka_admin admin;
    rd_kafka_DeleteRecords_t *records = lib->DeleteRecords_new(below);
    if (!records) return ri_err_nomem(0);
    int rc = ri_kafka_ask_begin(&admin, call, RD_KAFKA_ADMIN_OP_DELETERECORDS);
    if (rc == RILL_OK) {
        lib->DeleteRecords(call->peer->rk, &records, 1, admin.options, admin.queue);
        rc = ri_kafka_ask_await(&admin, "purge a topic");
        const rd_kafka_topic_partition_list_t *done =
            rc == RILL_OK ? lib->DeleteRecords_result_offsets(
                                lib->event_DeleteRecords_result(admin.event)) : NULL;
        for (int i = 0; done && i < done->cnt && rc == RILL_OK; i++)
            if (done->elems[i].err)
                rc = ri_kafka_lib_err(lib, done->elems[i].err, "purge the topic %s", stream);
        ri_kafka_ask_end(&admin);
    }
    lib->DeleteRecords_destroy(records);
    return rc;
}

int ri_kafka_topic_purge(const ri_kafka_call *call, const ri_ask *ask)
{
    ri_kafka_ends ends;
    int32_t n;
    uint64_t count = 0;
    RI_ASSERT(ask->out.count && !(ask->seq && ask->keep));
    if (ask->subject.len && !ri_str_is(ask->subject, ask->stream))
        return ri_err(RILL_ENOTSUP, "filter: Kafka removes all below a number");
    int rc = ri_kafka_place_count(call, ask->stream, &n);
    if (rc < 0) return rc;
    if (n > 1 && (ask->seq || ask->keep))
        return ri_err(RILL_ENOTSUP, "before_seq and keep_msgs: %s has %d partitions", ask->stream,
                      n);
    rc = ri_kafka_place_all_ends(call, ask->stream, n, &ends);
    if (rc < 0) return rc;
    for (int32_t i = 0; i < n; i++) {
        int64_t low = ends.low->elems[i].offset, *high = &ends.high->elems[i].offset;
        *high = kafka_purge_below(ask, low, *high);
        count += (uint64_t)(*high - low);
    }
    rc = kafka_purge(call, ask->stream, ends.high);
    ri_kafka_place_ends_fini(call->peer, &ends);
    if (rc == RILL_OK) *ask->out.count = count;
    return rc;
}
