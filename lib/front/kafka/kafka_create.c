/* SPDX-License-Identifier: Apache-2.0 */
/* CreateTopics, CreatePartitions. Names are checked first, then numbers, then settings. */
#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/map.h"
#include "codec/limits.h"
#include "front/broker/durable.h"
#include "front/kafka/kafka_configs.h"
#include "front/kafka/kafka_serve.h"

/* ---- CreateTopics ---- */

typedef struct kafka_create_work {
    ri_kafka_create_topics_answer answer;
    ri_kafka_create_partitions_answer more; /* the other request's */
    ri_kafka_commit commit;
    uint32_t next;
    unsigned char *twins;    /* of names that stand there twice */
    ri_kafka_wanted wanted;  /* that is looked at now */
    ri_kafka_making *making; /* of it; NULL: it is not made */
    bool made;
} kafka_create_work;

static void kafka_create_fail(ri_kafka_request *r, ri_kafka_wanted *wanted, ri_kafka_error error)
{
    RI_ASSERT(error != RI_KAFKA_E_NONE);
    wanted->error = error;
    ri_kafka_serve_why(r, &wanted->why);
}

static ri_kafka_error kafka_create_check_name(const ri_kafka_request *r, ri_str name)
{
    ri_js *js = ri_kafka_serve_js(r);
    ri_kafka_topic topic;
    ri_buffer text;
    if (!ri_kafka_catalog_name_ok(name))
        return ri_kafka_serve_error(RI_KAFKA_E_INVALID_TOPIC,
                                    "a topic's name has 1 to 249 letters, "
                                    "digits, '.', '_' and '-', and is neither '.' nor '..'");
    if (ri_kafka_catalog_find(js, name, &topic))
        return ri_kafka_serve_error(RI_KAFKA_E_TOPIC_EXISTS, "that topic is there already");
    ri_buffer_init(&text, ri_js_router(js)->host);
    ri_kafka_catalog_put_stream(name, 0, &text);
    ri_stream *other = text.failed ? NULL : ri_js_stream(js, ri_buffer_str(&text));
    ri_buffer_fini(&text);
    if (!other) return RI_KAFKA_E_NONE;
    return ri_kafka_serve_error(RI_KAFKA_E_INVALID_TOPIC,
                                "there is a topic whose name differs from "
                                "that in '.' and '_' alone");
}

/* How many partitions it shall have; replicas are this broker's alone. */
static ri_kafka_error kafka_create_check_numbers(const ri_kafka_request *r,
                                                 const ri_kafka_create_topics_request_topic *t,
                                                 int32_t *partitions)
{
    *partitions = t->num_partitions;
    if (t->assignments.len) {
        if (t->num_partitions != -1 || t->replication_factor != -1)
            return ri_kafka_serve_error(RI_KAFKA_E_INVALID_REQUEST, "with assignments neither "
                                        "partitions nor a replication factor are said");
        for (uint32_t i = 0; i < t->assignments.len; i++) {
            const ri_kafka_create_topics_request_assignment *a = &t->assignments.items[i];
            if (a->partition_index != (int32_t)i || a->broker_ids.len != 1 ||
                a->broker_ids.items[0] != RI_KAFKA_NODE)
                return ri_kafka_serve_error(RI_KAFKA_E_INVALID_ASSIGNMENT, "each partition, from 0 "
                                            "on, is assigned to broker 1, the only one");
        }
        *partitions = (int32_t)RI_MIN(t->assignments.len, (uint32_t)INT32_MAX);
    } else if (*partitions == -1) {
        *partitions = r->session->at->partitions;
    }
    if (*partitions < 1)
        return ri_kafka_serve_error(RI_KAFKA_E_INVALID_PARTITIONS, "a topic has at least one "
                                    "partition");
    if (*partitions > RI_LIMIT_KAFKA_PARTITIONS) {
        ri_err(RILL_ETOOBIG, "a topic has at most %d partitions", RI_LIMIT_KAFKA_PARTITIONS);
        return RI_KAFKA_E_INVALID_PARTITIONS;
    }
    if (t->replication_factor == 1 || t->replication_factor == -1) return RI_KAFKA_E_NONE;
    return ri_kafka_serve_error(RI_KAFKA_E_INVALID_REPLICATION, "there is one broker, and so one "
                                "replica");
}

static ri_kafka_error kafka_create_check_settings(ri_kafka_request *r,
                                                  const ri_kafka_create_topics_request_topic *t,
                                                  ri_kafka_wanted *wanted)
{
    ri_kafka_value *settings;
    size_t n = t->configs.len;
    if (n > RI_LIMIT_KAFKA_SETTINGS)
        return ri_kafka_serve_error(RI_KAFKA_E_INVALID_CONFIG, "more settings than there are");
    if (!(settings = ri_kafka_request_alloc(r, (n + 1) * sizeof *settings)))
        return RI_KAFKA_E_STORAGE;
    wanted->settings = settings;
    for (uint32_t i = 0; i < n; i++) {
        const ri_kafka_create_topics_request_config *c = &t->configs.items[i];
        const ri_kafka_config *config = ri_kafka_config_of(c->name);
        if (!config) {
            ri_err(RILL_EINVAL, "topics have no setting %.*s", RI_ARG(c->name));
            return RI_KAFKA_E_INVALID_CONFIG;
        }
        if (!c->value.ptr) continue; /* null: the default */
        if (ri_kafka_config_check(config, c->value) < 0) return RI_KAFKA_E_INVALID_CONFIG;
        settings[wanted->nsettings++] = (ri_kafka_value){c->name, c->value};
    }
    return RI_KAFKA_E_NONE;
}

static bool kafka_create_same(const void *item, const void *key)
{
    return ri_str_eq(((const ri_kafka_create_topics_request_topic *)item)->name,
                     *(const ri_str *)key);
}

/* Which names stand there twice: they are refused, once. */
enum { KAFKA_CREATE_FIRST = 1, KAFKA_CREATE_LATER = 2 };

static bool kafka_create_find_twins(ri_kafka_request *r, kafka_create_work *c)
{
    const ri_kafka_create_topics_request *q = r->body;
    ri_map names;
    bool room = true;
    if (!(c->twins = ri_kafka_request_alloc(r, (size_t)q->topics.len + 1))) return false;
    ri_map_init(&names, r->arena.host, kafka_create_same);
    for (uint32_t i = 0; i < q->topics.len && room; i++) {
        ri_kafka_create_topics_request_topic *t = &q->topics.items[i];
        const ri_kafka_create_topics_request_topic *other =
            ri_map_get(&names, ri_hash(t->name), &t->name);
        if (other) {
            c->twins[i] = KAFKA_CREATE_LATER;
            c->twins[other - q->topics.items] = KAFKA_CREATE_FIRST;
        } else {
            room = ri_map_put(&names, ri_hash(t->name), t) == RILL_OK;
        }
    }
    ri_map_fini(&names);
    ri_budget_spend(&r->session->server->broker->router.budget, q->topics.len);
    if (!room) ri_kafka_session_end(r->session, RI_KAFKA_END_MEMORY);
    return room;
}

static ri_kafka_error kafka_create_check(ri_kafka_request *r,
                                         const ri_kafka_create_topics_request_topic *t,
                                         ri_kafka_wanted *wanted)
{
    ri_kafka_error error = kafka_create_check_name(r, t->name);
    if (error == RI_KAFKA_E_NONE) error = kafka_create_check_numbers(r, t, &wanted->partitions);
    if (error == RI_KAFKA_E_NONE) error = kafka_create_check_settings(r, t, wanted);
    return error;
}

/* The answer lists all settings, with those that were given. */
static bool kafka_create_list(ri_kafka_request *r, const ri_kafka_wanted *wanted,
                              ri_kafka_create_topics_answer_topic *out)
{
    size_t n = 0;
    while (ri_kafka_config_at(n)) n++;
    if (!RI_KAFKA_SERVE_LIST(r, &out->configs, create_topics_answer_config, n)) return false;
    for (size_t i = 0; i < n; i++) {
        const ri_kafka_config *config = ri_kafka_config_at(i);
        ri_kafka_create_topics_answer_config *c = &out->configs.items[i];
        c->name = ri_str_of(config->name);
        c->value = ri_str_of(config->value);
        c->config_source = RI_KAFKA_CONFIG_DEFAULT;
        for (size_t k = 0; k < wanted->nsettings; k++) {
            if (!ri_str_eq(wanted->settings[k].name, c->name)) continue;
            c->value = wanted->settings[k].value;
            c->config_source = RI_KAFKA_CONFIG_TOPIC;
        }
    }
    return true;
}

/* The topic that was looked at last is checked, or made, or why it is not is known. */
static void kafka_create_finish(ri_kafka_request *r, kafka_create_work *c)
{
    const ri_kafka_create_topics_request *q = r->body;
    ri_kafka_create_topics_answer_topic *out = &c->answer.topics.items[c->answer.topics.len - 1];
    ri_kafka_topic topic;
    out->error_code = (int16_t)c->wanted.error;
    out->error_message = c->wanted.why;
    if (out->error_code) {
        out->configs.items = ri_kafka_request_items(r, ri_kafka_create_topics_answer_config_type(),
                                                    0);
        return;
    }
    out->num_partitions = c->wanted.partitions;
    out->replication_factor = 1;
    if (q->validate_only) /* the id that it might have had */
        r->arena.host->entropy(r->arena.host->arg, &out->topic_id, sizeof out->topic_id);
    else if (ri_kafka_catalog_find(ri_kafka_serve_js(r), out->name, &topic))
        out->topic_id = ri_kafka_catalog_id(&topic);
    kafka_create_list(r, &c->wanted, out);
}

/* The next one is looked at. */
static void kafka_create_next(ri_kafka_request *r, kafka_create_work *c)
{
    const ri_kafka_create_topics_request *q = r->body;
    uint32_t i = c->next++;
    if (c->twins[i] == KAFKA_CREATE_LATER) return;
    c->answer.topics.items[c->answer.topics.len++].name = q->topics.items[i].name;
    c->wanted = (ri_kafka_wanted){.name = q->topics.items[i].name};
    ri_kafka_error error = c->twins[i]
        ? ri_kafka_serve_error(RI_KAFKA_E_INVALID_REQUEST, "that topic stands there twice")
          : kafka_create_check(r, &q->topics.items[i], &c->wanted);
    if (error == RI_KAFKA_E_NONE && !q->validate_only)
        error = ri_kafka_making_begin(r->session->server, &c->wanted, &c->making);
    if (error != RI_KAFKA_E_NONE) kafka_create_fail(r, &c->wanted, error);
    if (!c->making) kafka_create_finish(r, c);
}

/* A slice of the one that is made. True: the turn is over. */
static bool kafka_create_go_on(ri_kafka_request *r, kafka_create_work *c)
{
    if (ri_kafka_making_some(c->making)) return true;
    if (c->making->error) {
        ri_failure_restore(&c->making->why);
        kafka_create_fail(r, &c->wanted, c->making->error);
    }
    ri_kafka_making_end(c->making);
    c->making = NULL;
    c->made = true;
    return false;
}

bool ri_kafka_create_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body);
    const ri_kafka_create_topics_request *q = r->body;
    ri_budget *budget = &r->session->server->broker->router.budget;
    kafka_create_work *c = r->work;
    if (!c) {
        if (!(c = r->work = ri_kafka_request_alloc(r, sizeof *c))) return false;
        if (!RI_KAFKA_SERVE_LIST(r, &c->answer.topics, create_topics_answer_topic, q->topics.len) ||
            !kafka_create_find_twins(r, c))
            return false;
        c->answer.topics.len = 0;
    }
    while (c->making || c->next < q->topics.len) {
        ri_budget_spend(budget, 1);
        if (!c->making) kafka_create_next(r, c);
        else if (!kafka_create_go_on(r, c)) kafka_create_finish(r, c);
        if (r->session->end) return false;
        if (!ri_budget_left(budget)) return ri_kafka_request_claim(r, 0);
    }
    if (ri_kafka_serve_stores(r, &c->commit, &c->made)) return false;
    RI_KAFKA_SERVE_STORED(&c->commit, &c->answer.topics);
    ri_kafka_request_answer_kept(r, &c->answer);
    return false;
}

void ri_kafka_create_drop(ri_kafka_request *r)
{
    kafka_create_work *c = r->work;
    if (!c) return;
    ri_kafka_serve_forget(&c->commit);
    ri_kafka_making_leave(c->making);
    c->making = NULL;
}

/* ---- CreatePartitions ---- */

/* The next topic that shall have more: is that well? */
static ri_kafka_error kafka_create_more(ri_kafka_request *r, kafka_create_work *c,
                                        const ri_kafka_create_partitions_request_topic *t)
{
    const ri_kafka_create_partitions_request *q = r->body;
    ri_js *js = ri_kafka_serve_js(r);
    ri_kafka_topic topic;
    if (!ri_kafka_catalog_find(js, t->name, &topic))
        return ri_kafka_serve_error(RI_KAFKA_E_UNKNOWN_TOPIC, "there is no such topic");
    int32_t have = ri_kafka_catalog_partitions(js, &topic);
    if (t->count <= have || t->count > RI_LIMIT_KAFKA_PARTITIONS) {
        ri_err(RILL_EINVAL, "the topic has %d partitions, and may have up to %d: not %d", have,
               RI_LIMIT_KAFKA_PARTITIONS, t->count);
        return RI_KAFKA_E_INVALID_PARTITIONS;
    }
    if (t->assignments.items && (int64_t)t->assignments.len != (int64_t)t->count - have)
        return ri_kafka_serve_error(RI_KAFKA_E_INVALID_ASSIGNMENT, "one assignment for each new "
                                    "partition");
    const ri_stream_conf *conf = ri_stream_conf_of(topic.stream);
    if (conf->mirror || conf->sources.len || conf->subject_transform)
        return ri_kafka_serve_error(RI_KAFKA_E_INVALID_PARTITIONS, "a mirror, or a stream with "
                                    "sources or a transform, has one partition");
    c->wanted = (ri_kafka_wanted){.name = t->name, .from = have, .partitions = t->count};
    if (q->validate_only) return RI_KAFKA_E_NONE;
    return ri_kafka_making_begin(r->session->server, &c->wanted, &c->making);
}

static void kafka_create_more_next(ri_kafka_request *r, kafka_create_work *c)
{
    const ri_kafka_create_partitions_request *q = r->body;
    const ri_kafka_create_partitions_request_topic *t = &q->topics.items[c->next];
    ri_kafka_create_partitions_answer_result *out = &c->more.results.items[c->next++];
    out->name = t->name;
    out->error_code = (int16_t)kafka_create_more(r, c, t);
    if (out->error_code) ri_kafka_serve_why(r, &out->error_message);
}

bool ri_kafka_create_more_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body);
    const ri_kafka_create_partitions_request *q = r->body;
    ri_budget *budget = &r->session->server->broker->router.budget;
    kafka_create_work *c = r->work;
    if (!c) {
        if (!(c = r->work = ri_kafka_request_alloc(r, sizeof *c))) return false;
        if (!RI_KAFKA_SERVE_LIST(r, &c->more.results, create_partitions_answer_result,
                                 q->topics.len))
            return false;
    }
    while (c->making || c->next < q->topics.len) {
        ri_budget_spend(budget, 1);
        if (!c->making) {
            kafka_create_more_next(r, c);
        } else if (!kafka_create_go_on(r, c)) {
            c->more.results.items[c->next - 1].error_code = (int16_t)c->wanted.error;
            c->more.results.items[c->next - 1].error_message = c->wanted.why;
        }
        if (r->session->end) return false;
        if (!ri_budget_left(budget)) return ri_kafka_request_claim(r, 0);
    }
    if (ri_kafka_serve_stores(r, &c->commit, &c->made)) return false;
    RI_KAFKA_SERVE_STORED(&c->commit, &c->more.results);
    ri_kafka_request_answer_kept(r, &c->more);
    return false;
}
