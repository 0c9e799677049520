/* SPDX-License-Identifier: Apache-2.0 */
/* Metadata and DescribeCluster: which topics there are, and that their leader is this broker. */
#include "base/assert.h"
#include "base/error.h"
#include "front/kafka/kafka_serve.h"

enum { KAFKA_METADATA_UNITS = 5 }; /* of the turn, for a topic beside its partitions */

typedef struct kafka_metadata {
    ri_kafka_metadata_answer answer;
    ri_kafka_commit commit;  /* of topics that it made */
    uint32_t next;           /* of those that were asked for */
    uint32_t cap;            /* of the answer's topics */
    ri_str after;            /* of all: the stream of the last that is listed */
    ri_kafka_making *making; /* a topic that is made now; NULL: none is */
    bool made;
    bool over;               /* all are looked at */
} kafka_metadata;

/* ---- One topic ---- */

static bool kafka_metadata_partitions(ri_kafka_request *r, const ri_kafka_topic *topic,
                                      ri_kafka_metadata_answer_topic *out)
{
    ri_js *js = ri_kafka_serve_js(r);
    int32_t n = ri_kafka_catalog_count(r->session->server->catalog, js, topic);
    ri_budget_spend(&ri_js_router(js)->budget, KAFKA_METADATA_UNITS + (uint64_t)n / 4);
    int32_t *node = ri_kafka_request_alloc(r, sizeof *node); /* of each the only replica */
    if (!node || !RI_KAFKA_SERVE_LIST(r, &out->partitions, metadata_answer_partition, n))
        return false;
    *node = RI_KAFKA_NODE;
    for (int32_t i = 0; i < n; i++) {
        ri_kafka_metadata_answer_partition *p = &out->partitions.items[i];
        p->partition_index = i;
        p->leader_id = RI_KAFKA_NODE;
        p->leader_epoch = RI_KAFKA_EPOCH;
        p->replica_nodes.items = p->isr_nodes.items = node;
        p->replica_nodes.len = p->isr_nodes.len = 1;
    }
    return true;
}

static bool kafka_metadata_put(ri_kafka_request *r, const ri_kafka_topic *topic,
                               ri_kafka_metadata_answer_topic *out)
{
    const ri_kafka_metadata_request *q = r->body;
    out->topic_id = ri_kafka_catalog_id(topic);
    if (q->include_topic_auth_ops) out->topic_auth_ops = RI_KAFKA_OPS_TOPIC;
    return ri_kafka_serve_copy(r, topic->name, &out->name) &&
           kafka_metadata_partitions(r, topic, out);
}

/* Nobody has made it: it is made, if it may be. */
static ri_kafka_error kafka_metadata_may_make(const ri_kafka_request *r, ri_str name)
{
    const ri_kafka_metadata_request *q = r->body;
    if (!ri_kafka_catalog_name_ok(name)) return RI_KAFKA_E_INVALID_TOPIC;
    if (!q->allow_auto_topic_creation || !r->session->at->auto_create)
        return RI_KAFKA_E_UNKNOWN_TOPIC;
    return RI_KAFKA_E_NONE;
}

/* A slice of that. */
static void kafka_metadata_make(ri_kafka_request *r, ri_kafka_metadata_answer_topic *out)
{
    kafka_metadata *m = r->work;
    ri_kafka_topic topic;
    if (ri_kafka_making_some(m->making)) return;
    m->made = true;
    bool found = ri_kafka_catalog_find(ri_kafka_serve_js(r), m->making->name, &topic);
    if (!found && m->making->error)
        ri_host_log(&r->session->server->broker->host, RILL_ERROR,
                    "topic %.*s, which a client asks for, cannot be made: %s",
                    RI_ARG(m->making->name), m->making->why.text);
    if (found) kafka_metadata_put(r, &topic, out); /* another may have made it meanwhile */
    else out->error_code = (int16_t)(m->making->error ? m->making->error
                                                      : RI_KAFKA_E_UNKNOWN_TOPIC);
    ri_kafka_making_end(m->making);
    m->making = NULL;
}

static bool kafka_metadata_asked(ri_kafka_request *r, const ri_kafka_metadata_request_topic *asked,
                                 ri_kafka_metadata_answer_topic *out)
{
    kafka_metadata *m = r->work;
    ri_kafka_topic topic;
    ri_js *js = ri_kafka_serve_js(r);
    /* Who names an id may say an empty name beside it, as Kafka's admin client does. */
    bool by_id = !asked->name.ptr || !ri_kafka_catalog_is_none(&asked->topic_id);
    ri_kafka_error error = RI_KAFKA_E_NONE;
    ri_budget_spend(&ri_js_router(js)->budget, 1);
    if (by_id) {
        ri_kafka_catalog *catalog = r->session->server->catalog;
        if (!ri_kafka_catalog_find_id(catalog, js, &asked->topic_id, &topic))
            error = RI_KAFKA_E_UNKNOWN_TOPIC_ID;
    } else if (!ri_kafka_catalog_find(js, asked->name, &topic)) {
        const ri_kafka_wanted wanted = {.name = asked->name,
                                        .partitions = r->session->at->partitions};
        error = kafka_metadata_may_make(r, asked->name);
        if (error == RI_KAFKA_E_NONE)
            error = ri_kafka_making_begin(r->session->server, &wanted, &m->making);
        if (error == RI_KAFKA_E_TOPIC_EXISTS) error = RI_KAFKA_E_UNKNOWN_TOPIC; /* not yet */
    }
    if (error == RI_KAFKA_E_NONE && !m->making) return kafka_metadata_put(r, &topic, out);
    out->error_code = (int16_t)error;
    out->topic_id = asked->topic_id;
    return by_id || ri_kafka_serve_copy(r, asked->name, &out->name);
}

/* ---- All of them ---- */

static bool kafka_metadata_begin(ri_kafka_request *r)
{
    const ri_kafka_metadata_request *q = r->body;
    kafka_metadata *m = r->work = ri_kafka_request_alloc(r, sizeof *m);
    size_t n = q->topics.len;
    if (!m) return false;
    /* Version 0 has no null: an empty list asks for all. */
    bool all = !q->topics.items || (r->head.version == 0 && n == 0);
    if (all) n = ri_js_nstreams(ri_kafka_serve_js(r));
    ri_kafka_blank(ri_kafka_metadata_answer_type(), &m->answer);
    m->cap = (uint32_t)n;
    m->next = all ? UINT32_MAX : 0;
    if (!RI_KAFKA_SERVE_LIST(r, &m->answer.topics, metadata_answer_topic, n)) return false;
    m->answer.topics.len = 0;
    return true;
}

/* The next of them. False: there is none. */
static bool kafka_metadata_next(ri_kafka_request *r)
{
    const ri_kafka_metadata_request *q = r->body;
    kafka_metadata *m = r->work;
    ri_kafka_topic topic;
    if (m->making) {
        kafka_metadata_make(r, &m->answer.topics.items[m->answer.topics.len - 1]);
        return true;
    }
    if (m->answer.topics.len == m->cap) return false;
    ri_kafka_metadata_answer_topic *out = &m->answer.topics.items[m->answer.topics.len];
    if (m->next != UINT32_MAX) {
        if (m->next == q->topics.len) return false;
        m->answer.topics.len++;
        return kafka_metadata_asked(r, &q->topics.items[m->next++], out);
    }
    if (!ri_kafka_catalog_next(ri_kafka_serve_js(r), m->after, &topic)) return false;
    m->answer.topics.len++;
    return ri_kafka_serve_copy(r, ri_stream_conf_of(topic.stream)->name, &m->after) &&
           kafka_metadata_put(r, &topic, out);
}

static void kafka_metadata_answer(ri_kafka_request *r)
{
    const ri_kafka_metadata_request *q = r->body;
    ri_kafka_metadata_answer *answer = &((kafka_metadata *)r->work)->answer;
    answer->cluster_id = ri_kafka_serve_cluster(r);
    answer->controller_id = RI_KAFKA_NODE;
    if (q->include_cluster_auth_ops) answer->cluster_auth_ops = RI_KAFKA_OPS_CLUSTER;
    if (!RI_KAFKA_SERVE_LIST(r, &answer->brokers, metadata_answer_broker, 1)) return;
    answer->brokers.items[0] = (ri_kafka_metadata_answer_broker){
        .node_id = RI_KAFKA_NODE, .port = ri_kafka_serve_port(r->session)};
    if (ri_kafka_serve_copy(r, ri_kafka_serve_host(r->session), &answer->brokers.items[0].host))
        ri_kafka_request_answer_kept(r, answer);
}

bool ri_kafka_metadata_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body);
    const ri_budget *budget = &r->session->server->broker->router.budget;
    kafka_metadata *m = r->work;
    if (!m && !kafka_metadata_begin(r)) return false;
    m = r->work;
    while (!m->over) {
        m->over = !kafka_metadata_next(r);
        if (r->session->end) return false;
        if (!m->over && !ri_budget_left(budget)) return ri_kafka_request_claim(r, 0);
    }
    if (ri_kafka_serve_stores(r, &m->commit, &m->made)) return false;
    RI_KAFKA_SERVE_STORED(&m->commit, &m->answer.topics); /* who asks again hears of each */
    kafka_metadata_answer(r);
    return false;
}

void ri_kafka_metadata_drop(ri_kafka_request *r)
{
    kafka_metadata *m = r->work;
    if (!m) return;
    ri_kafka_serve_forget(&m->commit);
    ri_kafka_making_leave(m->making);
    m->making = NULL;
}

/* ---- DescribeCluster ---- */

bool ri_kafka_cluster_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body);
    enum { BROKERS = 1, CONTROLLERS = 2 };
    const ri_kafka_describe_cluster_request *q = r->body;
    ri_kafka_describe_cluster_answer answer;
    ri_kafka_blank(ri_kafka_describe_cluster_answer_type(), &answer);
    if (q->endpoint_type != BROKERS) {
        answer.error_code = q->endpoint_type == CONTROLLERS ? RI_KAFKA_E_ENDPOINT_MISMATCH
                                                            : RI_KAFKA_E_ENDPOINT_UNSUPPORTED;
        answer.error_message = RI_STR("this is an endpoint of brokers");
        ri_kafka_request_answer(r, &answer);
        return false;
    }
    answer.cluster_id = ri_kafka_serve_cluster(r);
    answer.controller_id = RI_KAFKA_NODE;
    if (q->include_cluster_auth_ops) answer.cluster_auth_ops = RI_KAFKA_OPS_CLUSTER;
    if (!RI_KAFKA_SERVE_LIST(r, &answer.brokers, describe_cluster_answer_broker, 1)) return false;
    answer.brokers.items[0] = (ri_kafka_describe_cluster_answer_broker){
        .broker_id = RI_KAFKA_NODE, .host = ri_kafka_serve_host(r->session),
        .port = ri_kafka_serve_port(r->session)};
    ri_kafka_request_answer(r, &answer);
    return false;
}
