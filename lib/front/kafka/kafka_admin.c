/* SPDX-License-Identifier: Apache-2.0 */
/* What tools ask of a cluster, answered for the one node that there is: each partition has one
 * replica, which leads it and never moves, in one directory; nobody has a quota, credentials or a
 * list of what he may do. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "codec/limits.h"
#include "front/kafka/kafka_serve.h"

/* Where a request is among the topics that it names, or among all. */
typedef struct kafka_admin {
    union {
        ri_kafka_describe_log_dirs_answer dirs;
        ri_kafka_describe_topic_partitions_answer topics;
        ri_kafka_elect_leaders_answer elect;
        ri_kafka_alter_partition_reassignments_answer moved;
        ri_kafka_alter_replica_log_dirs_answer placed;
        ri_kafka_describe_producers_answer makers;
    } answer;
    uint32_t next;           /* of those that are named */
    uint32_t dir;            /* AlterReplicaLogDirs: under which directory these are */
    uint32_t partition;      /* DescribeProducers: of that topic */
    ri_str after, from;      /* of all: the stream of the last one, and of the cursor's topic */
    size_t cap;              /* of the topics in the answer */
    int32_t left;            /* partitions that may still be listed */
    ri_str *names;           /* DescribeTopicPartitions: in their order, each once */
    uint32_t nnames;
} kafka_admin;

enum { KAFKA_ADMIN_UNITS = 5 }; /* of the turn, for a topic beside its partitions */

static kafka_admin *kafka_admin_begin(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body);
    if (!r->work) r->work = ri_kafka_request_alloc(r, sizeof(kafka_admin));
    return r->work;
}

/* False: the turn is over. */
static bool kafka_admin_spend(const ri_kafka_request *r, uint64_t units)
{
    return ri_budget_spend(&r->session->server->broker->router.budget, units);
}

/* A topic has no more partitions than that: whoever names more names some of them again and again.
 * False: the session ends. */
static bool kafka_admin_may_name(ri_kafka_request *r, ri_str topic, uint32_t partitions)
{
    if (partitions <= RI_LIMIT_KAFKA_PARTITIONS) return true;
    ri_err(RILL_ETOOBIG, "%u partitions of topic %.*s are named: a topic has no more than %d",
           partitions, RI_ARG(topic), RI_LIMIT_KAFKA_PARTITIONS);
    ri_kafka_request_refuse(r);
    return false;
}

/* The next of all topics; its name is the request's. False: there is none, or the session ends. */
static bool kafka_admin_walk(ri_kafka_request *r, ri_kafka_topic *topic, ri_str *name)
{
    kafka_admin *a = r->work;
    RI_ASSERT(a && topic && name);
    return ri_kafka_catalog_next(ri_kafka_serve_js(r), a->after, topic) &&
           ri_kafka_serve_copy(r, topic->name, name) &&
           ri_kafka_serve_copy(r, ri_stream_conf_of(topic->stream)->name, &a->after);
}

static int32_t kafka_admin_count(const ri_kafka_request *r, const ri_kafka_topic *topic)
{
    return ri_kafka_catalog_count(r->session->server->catalog, ri_kafka_serve_js(r), topic);
}

static size_t kafka_admin_streams(const ri_kafka_request *r)
{
    return ri_js_nstreams(ri_kafka_serve_js(r));
}

/* ---- DescribeLogDirs ---- */

static void kafka_admin_size(ri_kafka_request *r, const ri_kafka_topic *topic, int32_t index,
                             ri_kafka_describe_log_dirs_answer_topic *out)
{
    ri_stream *stream = ri_kafka_catalog_partition(ri_kafka_serve_js(r), topic, index);
    ri_track_info info;
    RI_ASSERT(out->partitions.items);
    if (!stream) return;
    ri_track_counts(ri_stream_track(stream), &info);
    ri_kafka_describe_log_dirs_answer_partition *p = &out->partitions.items[out->partitions.len++];
    p->partition_index = index;
    p->partition_size = (int64_t)info.bytes;
}

static bool kafka_admin_all_sizes(ri_kafka_request *r, const ri_kafka_topic *topic,
                                  ri_kafka_describe_log_dirs_answer_topic *out)
{
    int32_t n = kafka_admin_count(r, topic);
    if (!RI_KAFKA_SERVE_LIST(r, &out->partitions, describe_log_dirs_answer_partition, n))
        return false;
    out->partitions.len = 0;
    for (int32_t i = 0; i < n; i++) kafka_admin_size(r, topic, i, out);
    kafka_admin_spend(r, KAFKA_ADMIN_UNITS + 2 * (uint64_t)n);
    return true;
}

/* What is not there is not listed. */
static bool kafka_admin_some_sizes(ri_kafka_request *r,
                                   const ri_kafka_describe_log_dirs_request_topic *in,
                                   ri_kafka_describe_log_dirs_answer_topic *out)
{
    ri_kafka_topic topic;
    bool there = ri_kafka_catalog_find(ri_kafka_serve_js(r), in->topic, &topic);
    uint32_t n = there ? in->partitions.len : 0;
    out->name = in->topic;
    if (!kafka_admin_may_name(r, in->topic, in->partitions.len) ||
        !RI_KAFKA_SERVE_LIST(r, &out->partitions, describe_log_dirs_answer_partition, n))
        return false;
    out->partitions.len = 0;
    for (uint32_t i = 0; i < n; i++) kafka_admin_size(r, &topic, in->partitions.items[i], out);
    kafka_admin_spend(r, KAFKA_ADMIN_UNITS + 2 * (uint64_t)n);
    return true;
}

/* False: all are listed, or the session ends. */
static bool kafka_admin_dirs_next(ri_kafka_request *r)
{
    const ri_kafka_describe_log_dirs_request *q = r->body;
    kafka_admin *a = r->work;
    ri_kafka_describe_log_dirs_answer_result *dir = a->answer.dirs.results.items;
    ri_kafka_topic topic;
    if (dir->topics.len == a->cap) return false;
    ri_kafka_describe_log_dirs_answer_topic *out = &dir->topics.items[dir->topics.len];
    if (!q->topics.items) {
        if (!kafka_admin_walk(r, &topic, &out->name)) return false;
        dir->topics.len++;
        return kafka_admin_all_sizes(r, &topic, out);
    }
    if (!kafka_admin_some_sizes(r, &q->topics.items[a->next++], out)) return false;
    dir->topics.len++;
    return a->next < q->topics.len;
}

static bool kafka_admin_dirs_begin(ri_kafka_request *r)
{
    const ri_kafka_describe_log_dirs_request *q = r->body;
    kafka_admin *a = kafka_admin_begin(r);
    if (!a) return false;
    a->cap = q->topics.items ? q->topics.len : kafka_admin_streams(r);
    if (!RI_KAFKA_SERVE_LIST(r, &a->answer.dirs.results, describe_log_dirs_answer_result, 1))
        return false;
    ri_kafka_describe_log_dirs_answer_result *dir = a->answer.dirs.results.items;
    ri_str where = ri_kafka_serve_dir(r->session->server->broker->durable);
    if (!ri_kafka_serve_copy(r, where, &dir->log_dir) ||
        !RI_KAFKA_SERVE_LIST(r, &dir->topics, describe_log_dirs_answer_topic, a->cap))
        return false;
    dir->topics.len = 0;
    return true;
}

bool ri_kafka_admin_dirs_step(ri_kafka_request *r)
{
    if (!r->work && !kafka_admin_dirs_begin(r)) return false;
    kafka_admin *a = r->work;
    while (kafka_admin_dirs_next(r))
        if (!kafka_admin_spend(r, 1)) return ri_kafka_request_claim(r, 0);
    if (!r->session->end) ri_kafka_request_answer_kept(r, &a->answer.dirs);
    return false;
}

/* ---- AlterReplicaLogDirs: into the one directory, where all are, or not at all ---- */

static ri_kafka_error kafka_admin_place_one(ri_kafka_request *r, bool here,
                                            const ri_kafka_topic *topic, int32_t index)
{
    if (!here) return RI_KAFKA_E_NO_LOG_DIR;
    bool there = topic && ri_kafka_catalog_partition(ri_kafka_serve_js(r), topic, index);
    return there ? RI_KAFKA_E_NONE : RI_KAFKA_E_UNKNOWN_TOPIC;
}

static bool kafka_admin_place(ri_kafka_request *r, bool here,
                              const ri_kafka_alter_replica_log_dirs_request_topic *in,
                              ri_kafka_alter_replica_log_dirs_answer_result *out)
{
    ri_kafka_topic topic;
    bool there = ri_kafka_catalog_find(ri_kafka_serve_js(r), in->name, &topic);
    out->topic_name = in->name;
    if (!kafka_admin_may_name(r, in->name, in->partitions.len) ||
        !RI_KAFKA_SERVE_LIST(r, &out->partitions, alter_replica_log_dirs_answer_partition,
                             in->partitions.len))
        return false;
    for (uint32_t i = 0; i < in->partitions.len; i++) {
        int32_t index = in->partitions.items[i];
        out->partitions.items[i].partition_index = index;
        out->partitions.items[i].error_code =
            (int16_t)kafka_admin_place_one(r, here, there ? &topic : NULL, index);
    }
    kafka_admin_spend(r, KAFKA_ADMIN_UNITS + 2 * (uint64_t)in->partitions.len);
    return true;
}

/* False: all are answered, or the session ends. */
static bool kafka_admin_place_next(ri_kafka_request *r)
{
    const ri_kafka_alter_replica_log_dirs_request *q = r->body;
    kafka_admin *a = r->work;
    RI_ASSERT(a->answer.placed.results.len <= a->cap);
    while (a->dir < q->dirs.len && a->next == q->dirs.items[a->dir].topics.len) {
        a->dir++;
        a->next = 0;
        if (!kafka_admin_spend(r, 1)) return true;
    }
    if (a->dir == q->dirs.len) return false;
    const ri_kafka_alter_replica_log_dirs_request_dir *dir = &q->dirs.items[a->dir];
    bool here = ri_str_eq(dir->path, ri_kafka_serve_dir(r->session->server->broker->durable));
    return kafka_admin_place(r, here, &dir->topics.items[a->next++],
                             &a->answer.placed.results.items[a->answer.placed.results.len++]);
}

bool ri_kafka_admin_move_step(ri_kafka_request *r)
{
    const ri_kafka_alter_replica_log_dirs_request *q = r->body;
    if (!r->work) {
        kafka_admin *a = kafka_admin_begin(r);
        if (!a) return false;
        for (uint32_t i = 0; i < q->dirs.len; i++) a->cap += q->dirs.items[i].topics.len;
        if (!RI_KAFKA_SERVE_LIST(r, &a->answer.placed.results,
                                 alter_replica_log_dirs_answer_result, a->cap))
            return false;
        a->answer.placed.results.len = 0;
        if (!kafka_admin_spend(r, q->dirs.len)) return ri_kafka_request_claim(r, 0);
    }
    kafka_admin *a = r->work;
    while (kafka_admin_place_next(r))
        if (!kafka_admin_spend(r, 1)) return ri_kafka_request_claim(r, 0);
    if (!r->session->end) ri_kafka_request_answer_kept(r, &a->answer.placed);
    return false;
}

/* ---- DescribeQuorum: the one node votes for itself ---- */

/* Kafka's metadata are a log, whose end is how much has happened: here the changes of topics and
 * streams are counted. */
static bool kafka_admin_voter(ri_kafka_request *r, ri_kafka_describe_quorum_answer_partition *p)
{
    const ri_broker *broker = r->session->server->broker;
    if (!RI_KAFKA_SERVE_LIST(r, &p->current_voters, describe_quorum_answer_replica, 1) ||
        !RI_KAFKA_SERVE_LIST(r, &p->observers, describe_quorum_answer_replica, 0))
        return false;
    int64_t now_ms = ri_wall_ns(&broker->host) / RI_MS;
    p->leader_id = RI_KAFKA_NODE;
    p->leader_epoch = RI_KAFKA_EPOCH;
    p->high_watermark = (int64_t)ri_js_changes(ri_kafka_serve_js(r));
    p->current_voters.items[0].replica_id = RI_KAFKA_NODE;
    p->current_voters.items[0].log_end_offset = p->high_watermark;
    p->current_voters.items[0].last_fetch_timestamp = now_ms;
    p->current_voters.items[0].last_caught_up_timestamp = now_ms;
    return true;
}

/* Is it the one partition that a quorum has, and nothing else? */
static bool kafka_admin_is_quorum(const ri_kafka_describe_quorum_request *q)
{
    return q->topics.len == 1 && q->topics.items[0].partitions.len == 1 &&
           ri_str_is(q->topics.items[0].topic_name, "__cluster_metadata") &&
           q->topics.items[0].partitions.items[0].partition_index == 0;
}

static bool kafka_admin_quorum_topic(ri_kafka_request *r, bool there,
                                     const ri_kafka_describe_quorum_request_topic *in,
                                     ri_kafka_describe_quorum_answer_topic *out)
{
    out->topic_name = in->topic_name;
    if (!kafka_admin_may_name(r, in->topic_name, in->partitions.len) ||
        !RI_KAFKA_SERVE_LIST(r, &out->partitions, describe_quorum_answer_partition,
                             in->partitions.len))
        return false;
    for (uint32_t i = 0; i < in->partitions.len; i++) {
        ri_kafka_describe_quorum_answer_partition *p = &out->partitions.items[i];
        p->partition_index = in->partitions.items[i].partition_index;
        if (!there) p->error_code = RI_KAFKA_E_UNKNOWN_TOPIC;
        else if (!kafka_admin_voter(r, p)) return false;
    }
    kafka_admin_spend(r, KAFKA_ADMIN_UNITS + (uint64_t)in->partitions.len);
    return true;
}

/* The controller is this broker, and is reached where this client reached it. */
static bool kafka_admin_controller(ri_kafka_request *r, ri_kafka_describe_quorum_answer *answer)
{
    if (!RI_KAFKA_SERVE_LIST(r, &answer->nodes, describe_quorum_answer_node, 1)) return false;
    ri_kafka_describe_quorum_answer_node *node = answer->nodes.items;
    node->node_id = RI_KAFKA_NODE;
    if (!RI_KAFKA_SERVE_LIST(r, &node->listeners, describe_quorum_answer_listener, 1)) return false;
    node->listeners.items[0].name = RI_STR("KAFKA");
    node->listeners.items[0].port = (uint16_t)ri_kafka_serve_port(r->session);
    return ri_kafka_serve_copy(r, ri_kafka_serve_host(r->session), &node->listeners.items[0].host);
}

bool ri_kafka_admin_quorum_step(ri_kafka_request *r)
{
    const ri_kafka_describe_quorum_request *q = r->body;
    ri_kafka_describe_quorum_answer *answer = ri_kafka_request_alloc(r, sizeof *answer);
    RI_ASSERT(ri_kafka_request_is_begun(r) && q);
    if (!answer) return false;
    ri_kafka_blank(ri_kafka_describe_quorum_answer_type(), answer);
    bool there = kafka_admin_is_quorum(q);
    if (!RI_KAFKA_SERVE_LIST(r, &answer->topics, describe_quorum_answer_topic, q->topics.len) ||
        (there && !kafka_admin_controller(r, answer)))
        return false;
    for (uint32_t i = 0; i < q->topics.len; i++)
        if (!kafka_admin_quorum_topic(r, there, &q->topics.items[i], &answer->topics.items[i]))
            return false;
    ri_kafka_request_answer_kept(r, answer);
    return false;
}

/* ---- DescribeTopicPartitions ---- */

enum { KAFKA_ADMIN_PAGE = 2000 }; /* partitions of an answer: max.request.partition.size.limit */

static int kafka_admin_by_name(const void *a, const void *b)
{
    return ri_str_cmp(*(const ri_str *)a, *(const ri_str *)b);
}

/* All topics come by the names of their streams, whose order is another than that of topics with
 * dots. False: the session ends. */
static bool kafka_admin_find_place(ri_kafka_request *r)
{
    const ri_kafka_describe_topic_partitions_request *q = r->body;
    kafka_admin *a = r->work;
    ri_buffer name;
    if (!q->cursor || !ri_kafka_catalog_name_ok(q->cursor->topic_name)) return true;
    ri_buffer_init(&name, r->arena.host);
    ri_kafka_catalog_put_stream(q->cursor->topic_name, 0, &name);
    bool room = ri_kafka_serve_copy(r, ri_buffer_str(&name), &a->from);
    ri_buffer_fini(&name);
    return room;
}

static bool kafka_admin_topics_begin(ri_kafka_request *r)
{
    const ri_kafka_describe_topic_partitions_request *q = r->body;
    kafka_admin *a = kafka_admin_begin(r);
    uint32_t n = q->topics.len;
    if (!a || !(a->names = ri_kafka_request_alloc(r, ((size_t)n + 1) * sizeof *a->names)))
        return false;
    for (uint32_t i = 0; i < n; i++) a->names[i] = q->topics.items[i].name;
    qsort(a->names, n, sizeof *a->names, kafka_admin_by_name);
    for (uint32_t i = 0; i < n; i++)
        if ((a->nnames == 0 || !ri_str_eq(a->names[i], a->names[a->nnames - 1])) &&
            (!q->cursor || ri_str_cmp(a->names[i], q->cursor->topic_name) >= 0))
            a->names[a->nnames++] = a->names[i];
    int32_t left = q->response_partition_limit;
    a->left = left < 1 || left > KAFKA_ADMIN_PAGE ? KAFKA_ADMIN_PAGE : left;
    a->cap = n ? a->nnames : kafka_admin_streams(r);
    kafka_admin_spend(r, n);
    if (!RI_KAFKA_SERVE_LIST(r, &a->answer.topics.topics, describe_topic_partitions_answer_topic,
                             a->cap))
        return false;
    a->answer.topics.topics.len = 0;
    return kafka_admin_find_place(r);
}

/* The next page begins there. */
static bool kafka_admin_cut(ri_kafka_request *r, ri_str topic, int32_t partition)
{
    kafka_admin *a = r->work;
    ri_kafka_describe_topic_partitions_cursor *cursor =
        ri_kafka_request_alloc(r, sizeof *cursor);
    if (cursor) *cursor = (ri_kafka_describe_topic_partitions_cursor){topic, partition};
    a->answer.topics.next_cursor = cursor;
    return false;
}

static bool kafka_admin_partitions(ri_kafka_request *r, const ri_kafka_topic *topic, int32_t from,
                                   ri_kafka_describe_topic_partitions_answer_topic *out)
{
    kafka_admin *a = r->work;
    int32_t all = kafka_admin_count(r, topic);
    int32_t n = RI_MIN(all - RI_MIN(from, all), a->left);
    RI_ASSERT(from >= 0 && n >= 0);
    int32_t *node = ri_kafka_request_alloc(r, sizeof *node); /* of each the only replica */
    if (!node || !RI_KAFKA_SERVE_LIST(r, &out->partitions,
                                      describe_topic_partitions_answer_partition, n))
        return false;
    *node = RI_KAFKA_NODE;
    out->topic_id = ri_kafka_catalog_id(topic);
    out->topic_auth_ops = RI_KAFKA_OPS_TOPIC;
    for (int32_t i = 0; i < n; i++) {
        ri_kafka_describe_topic_partitions_answer_partition *p = &out->partitions.items[i];
        p->partition_index = from + i;
        p->leader_id = RI_KAFKA_NODE;
        p->leader_epoch = RI_KAFKA_EPOCH;
        p->replica_nodes.items = p->isr_nodes.items = node;
        p->replica_nodes.len = p->isr_nodes.len = 1;
        p->eligible_leader_replicas.items = p->last_known_elr.items = node; /* none, not null */
    }
    a->left -= n;
    kafka_admin_spend(r, KAFKA_ADMIN_UNITS + (uint64_t)n / 4);
    return from + n < all ? kafka_admin_cut(r, out->name, from + n) : true;
}

/* False: the page is full, or all are listed, or the session ends. */
static bool kafka_admin_topics_next(ri_kafka_request *r)
{
    const ri_kafka_describe_topic_partitions_request *q = r->body;
    kafka_admin *a = r->work;
    ri_kafka_topic topic;
    ri_str name;
    bool there = true;
    if (a->answer.topics.topics.len == a->cap) return false;
    if (q->topics.len == 0) {
        if (!kafka_admin_walk(r, &topic, &name)) return false;
    } else {
        name = a->names[a->next++];
        there = ri_kafka_catalog_find(ri_kafka_serve_js(r), name, &topic);
    }
    if (q->topics.len == 0 && ri_str_cmp(a->after, a->from) < 0) return true;
    if (a->left == 0) return kafka_admin_cut(r, name, 0);
    ri_kafka_describe_topic_partitions_answer_topic *out =
        &a->answer.topics.topics.items[a->answer.topics.topics.len++];
    out->name = name;
    bool resumed = q->cursor && ri_str_eq(name, q->cursor->topic_name);
    if (there)
        return kafka_admin_partitions(r, &topic, resumed ? q->cursor->partition_index : 0, out);
    out->error_code = ri_kafka_catalog_name_ok(name) ? RI_KAFKA_E_UNKNOWN_TOPIC
                                                     : RI_KAFKA_E_INVALID_TOPIC;
    return true;
}

bool ri_kafka_admin_topics_step(ri_kafka_request *r)
{
    const ri_kafka_describe_topic_partitions_request *q = r->body;
    RI_ASSERT(q);
    if (q->cursor && q->cursor->partition_index < 0) {
        ri_err(RILL_EINVAL, "a cursor with partition %d", q->cursor->partition_index);
        ri_kafka_session_refuse(r->session, "a cursor whose partition is below 0");
        ri_kafka_request_silent(r);
        return false;
    }
    if (!r->work && !kafka_admin_topics_begin(r)) return false;
    kafka_admin *a = r->work;
    while (kafka_admin_topics_next(r))
        if (!kafka_admin_spend(r, 1)) return ri_kafka_request_claim(r, 0);
    if (!r->session->end) ri_kafka_request_answer_kept(r, &a->answer.topics);
    return false;
}

/* ---- ElectLeaders: who leads is elected for ever ---- */

static bool kafka_admin_elected(ri_kafka_request *r, const ri_kafka_elect_leaders_request_topic *in,
                                ri_kafka_elect_leaders_answer_topic *out)
{
    ri_kafka_topic topic;
    ri_js *js = ri_kafka_serve_js(r);
    bool there = ri_kafka_catalog_find(js, in->topic, &topic);
    out->topic = in->topic;
    if (!kafka_admin_may_name(r, in->topic, in->partitions.len) ||
        !RI_KAFKA_SERVE_LIST(r, &out->partitions, elect_leaders_answer_partition,
                             in->partitions.len))
        return false;
    for (uint32_t i = 0; i < in->partitions.len; i++) {
        ri_kafka_elect_leaders_answer_partition *p = &out->partitions.items[i];
        p->partition_id = in->partitions.items[i];
        bool led = there && ri_kafka_catalog_partition(js, &topic, p->partition_id);
        p->error_code = led ? RI_KAFKA_E_ELECTION_NOT_NEEDED : RI_KAFKA_E_UNKNOWN_TOPIC;
        p->error_message = led ? RI_STR("the only replica leads it")
                               : RI_STR("there is no such partition");
    }
    kafka_admin_spend(r, KAFKA_ADMIN_UNITS + 2 * (uint64_t)in->partitions.len);
    return true;
}

static bool kafka_admin_elect_next(ri_kafka_request *r)
{
    const ri_kafka_elect_leaders_request *q = r->body;
    kafka_admin *a = r->work;
    ri_kafka_topic topic;
    if (a->answer.elect.topics.len == a->cap) return false;
    ri_kafka_elect_leaders_answer_topic *out =
        &a->answer.elect.topics.items[a->answer.elect.topics.len];
    if (q->topics.items ? !kafka_admin_elected(r, &q->topics.items[a->next++], out)
                        : !kafka_admin_walk(r, &topic, &out->topic))
        return false;
    a->answer.elect.topics.len++;
    return true;
}

bool ri_kafka_admin_elect_step(ri_kafka_request *r)
{
    const ri_kafka_elect_leaders_request *q = r->body;
    if (!r->work) {
        kafka_admin *a = kafka_admin_begin(r);
        if (!a) return false;
        a->cap = q->topics.items ? q->topics.len : kafka_admin_streams(r);
        if (!RI_KAFKA_SERVE_LIST(r, &a->answer.elect.topics, elect_leaders_answer_topic, a->cap))
            return false;
        a->answer.elect.topics.len = 0;
    }
    kafka_admin *a = r->work;
    while (kafka_admin_elect_next(r))
        if (!kafka_admin_spend(r, 1)) return ri_kafka_request_claim(r, 0);
    if (!r->session->end) ri_kafka_request_answer_kept(r, &a->answer.elect);
    return false;
}

/* ---- Reassignments: to where it is already, or not at all ---- */

static void kafka_admin_reassign(bool there,
                                 const ri_kafka_alter_partition_reassignments_request_partition *in,
                                 ri_kafka_alter_partition_reassignments_answer_partition *out)
{
    RI_ASSERT(in && out);
    bool stays = in->replicas.len == 1 && in->replicas.items[0] == RI_KAFKA_NODE;
    out->partition_index = in->partition_index;
    if (!there) {
        out->error_code = RI_KAFKA_E_UNKNOWN_TOPIC;
        out->error_message = RI_STR("there is no such partition");
    } else if (!in->replicas.items) {
        out->error_code = RI_KAFKA_E_NOT_REASSIGNING;
        out->error_message = RI_STR("it is on no way to anywhere");
    } else if (!stays) {
        out->error_code = RI_KAFKA_E_INVALID_ASSIGNMENT;
        out->error_message = RI_STR("there is one broker, " RI_KAFKA_NODE_TEXT ", and so one "
                                    "replica");
    }
}

static bool kafka_admin_reassign_next(ri_kafka_request *r)
{
    const ri_kafka_alter_partition_reassignments_request *q = r->body;
    kafka_admin *a = r->work;
    if (a->next == q->topics.len) return false;
    const ri_kafka_alter_partition_reassignments_request_topic *in = &q->topics.items[a->next];
    ri_kafka_alter_partition_reassignments_answer_response *out =
        &a->answer.moved.responses.items[a->next++];
    ri_kafka_topic topic;
    ri_js *js = ri_kafka_serve_js(r);
    bool there = ri_kafka_catalog_find(js, in->name, &topic);
    out->name = in->name;
    if (!kafka_admin_may_name(r, in->name, in->partitions.len) ||
        !RI_KAFKA_SERVE_LIST(r, &out->partitions, alter_partition_reassignments_answer_partition,
                             in->partitions.len))
        return false;
    for (uint32_t i = 0; i < in->partitions.len; i++) {
        int32_t index = in->partitions.items[i].partition_index;
        kafka_admin_reassign(there && ri_kafka_catalog_partition(js, &topic, index),
                             &in->partitions.items[i], &out->partitions.items[i]);
    }
    kafka_admin_spend(r, KAFKA_ADMIN_UNITS + 2 * (uint64_t)in->partitions.len);
    return true;
}

bool ri_kafka_admin_reassign_step(ri_kafka_request *r)
{
    const ri_kafka_alter_partition_reassignments_request *q = r->body;
    if (!r->work) {
        kafka_admin *a = kafka_admin_begin(r);
        if (!a) return false;
        ri_kafka_blank(ri_kafka_alter_partition_reassignments_answer_type(), &a->answer.moved);
        a->answer.moved.allow_replication_factor_change = q->allow_replication_factor_change;
        a->answer.moved.error_message = RI_STR("");
        if (!RI_KAFKA_SERVE_LIST(r, &a->answer.moved.responses,
                                 alter_partition_reassignments_answer_response, q->topics.len))
            return false;
    }
    kafka_admin *a = r->work;
    while (kafka_admin_reassign_next(r))
        if (!kafka_admin_spend(r, 1)) return ri_kafka_request_claim(r, 0);
    if (!r->session->end) ri_kafka_request_answer_kept(r, &a->answer.moved);
    return false;
}

bool ri_kafka_admin_moving_step(ri_kafka_request *r)
{
    ri_kafka_list_partition_reassignments_answer answer;
    RI_ASSERT(ri_kafka_request_is_begun(r));
    ri_kafka_blank(ri_kafka_list_partition_reassignments_answer_type(), &answer);
    ri_kafka_request_answer(r, &answer);
    return false;
}

/* ---- DescribeProducers ---- */

/* Those that spoke last: each has sent something, and none has a transaction. */
static bool kafka_admin_makers_of(ri_kafka_request *r, ri_stream *stream,
                                  ri_kafka_describe_producers_answer_partition *out)
{
    ri_track *track = ri_stream_track(stream);
    int n = ri_track_producers(track, NULL, RI_LIMIT_KAFKA_PRODUCERS);
    if (n < 0) out->error_code = RI_KAFKA_E_STORAGE;
    if (n < 0) return true;
    ri_producers_one *all = ri_kafka_request_alloc(r, (size_t)n * sizeof *all + 1);
    if (!all || !RI_KAFKA_SERVE_LIST(r, &out->active_producers,
                                     describe_producers_answer_producer, n))
        return false;
    n = ri_track_producers(track, all, (uint32_t)n);
    for (int i = 0; i < n; i++)
        out->active_producers.items[i] = (ri_kafka_describe_producers_answer_producer){
            all[i].id, all[i].epoch, all[i].last_sequence, all[i].time_ns / RI_MS,
            all[i].coordinator_epoch, all[i].first_offset};
    kafka_admin_spend(r, (uint64_t)n);
    return true;
}

/* The next partition of all. False: there are no more, or the session ends. */
static bool kafka_admin_makers_next(ri_kafka_request *r)
{
    const ri_kafka_describe_producers_request *q = r->body;
    kafka_admin *a = r->work;
    ri_kafka_topic topic;
    if (a->next == q->topics.len) return false;
    const ri_kafka_describe_producers_request_topic *in = &q->topics.items[a->next];
    ri_kafka_describe_producers_answer_topic *out = &a->answer.makers.topics.items[a->next];
    if (a->partition == 0) {
        out->name = in->name;
        if (!kafka_admin_may_name(r, in->name, in->partition_indexes.len) ||
            !RI_KAFKA_SERVE_LIST(r, &out->partitions, describe_producers_answer_partition,
                                 in->partition_indexes.len))
            return false;
    }
    kafka_admin_spend(r, KAFKA_ADMIN_UNITS);
    if (a->partition < in->partition_indexes.len) {
        ri_kafka_describe_producers_answer_partition *p = &out->partitions.items[a->partition];
        p->partition_index = in->partition_indexes.items[a->partition++];
        ri_js *js = ri_kafka_serve_js(r);
        ri_stream *stream = ri_kafka_catalog_find(js, in->name, &topic)
                                ? ri_kafka_catalog_partition(js, &topic, p->partition_index)
                                : NULL;
        if (!stream) p->error_code = RI_KAFKA_E_UNKNOWN_TOPIC;
        else if (!kafka_admin_makers_of(r, stream, p)) return false;
    }
    if (a->partition == in->partition_indexes.len) {
        a->next++;
        a->partition = 0;
    }
    return true;
}

bool ri_kafka_admin_producers_step(ri_kafka_request *r)
{
    const ri_kafka_describe_producers_request *q = r->body;
    if (!r->work && (!kafka_admin_begin(r) ||
                     !RI_KAFKA_SERVE_LIST(r, &((kafka_admin *)r->work)->answer.makers.topics,
                                          describe_producers_answer_topic, q->topics.len)))
        return false;
    while (kafka_admin_makers_next(r))
        if (!kafka_admin_spend(r, 1)) return ri_kafka_request_claim(r, 0);
    if (!r->session->end)
        ri_kafka_request_answer_kept(r, &((kafka_admin *)r->work)->answer.makers);
    return false;
}

/* ---- What nobody has ---- */

static bool kafka_admin_is_state(ri_str name)
{
    ri_str states = RI_STR("Empty Ongoing PrepareCommit PrepareAbort CompleteCommit CompleteAbort "
                           "Dead PrepareEpochFence"), state;
    while (ri_str_word(&states, &state))
        if (ri_str_eq(state, name)) return true;
    return false;
}

/* There are no transactions: the names of states that there could be are known all the same. */
bool ri_kafka_admin_transactions_step(ri_kafka_request *r)
{
    const ri_kafka_list_transactions_request *q = r->body;
    ri_kafka_list_transactions_answer *answer = ri_kafka_request_alloc(r, sizeof *answer);
    RI_ASSERT(ri_kafka_request_is_begun(r) && q);
    if (!answer) return false;
    ri_kafka_blank(ri_kafka_list_transactions_answer_type(), answer);
    ri_str *unknown = ri_kafka_request_alloc(r, (size_t)q->state_filters.len * sizeof(ri_str) + 1);
    if (!unknown ||
        !RI_KAFKA_SERVE_LIST(r, &answer->transaction_states, list_transactions_answer_state, 0))
        return false;
    answer->unknown_state_filters.items = unknown;
    for (uint32_t i = 0; i < q->state_filters.len; i++)
        if (!kafka_admin_is_state(q->state_filters.items[i]))
            unknown[answer->unknown_state_filters.len++] = q->state_filters.items[i];
    kafka_admin_spend(r, q->state_filters.len);
    ri_kafka_request_answer_kept(r, answer);
    return false;
}

bool ri_kafka_admin_quotas_step(ri_kafka_request *r)
{
    ri_kafka_describe_client_quotas_answer answer;
    RI_ASSERT(ri_kafka_request_is_begun(r));
    ri_kafka_blank(ri_kafka_describe_client_quotas_answer_type(), &answer);
    answer.error_message = RI_STR("");
    if (RI_KAFKA_SERVE_LIST(r, &answer.entries, describe_client_quotas_answer_entry, 0))
        ri_kafka_request_answer(r, &answer);
    return false;
}

bool ri_kafka_admin_scram_step(ri_kafka_request *r)
{
    const ri_kafka_describe_user_scram_credentials_request *q = r->body;
    ri_kafka_describe_user_scram_credentials_answer *answer =
        ri_kafka_request_alloc(r, sizeof *answer);
    RI_ASSERT(ri_kafka_request_is_begun(r) && q);
    if (!answer) return false;
    ri_kafka_blank(ri_kafka_describe_user_scram_credentials_answer_type(), answer);
    if (!RI_KAFKA_SERVE_LIST(r, &answer->results, describe_user_scram_credentials_answer_result,
                             q->users.len))
        return false;
    for (uint32_t i = 0; i < q->users.len; i++) {
        answer->results.items[i].user = q->users.items[i].name;
        answer->results.items[i].error_code = RI_KAFKA_E_UNKNOWN_USER;
        answer->results.items[i].error_message = RI_STR("there is no such user");
    }
    ri_kafka_request_answer_kept(r, answer);
    return false;
}

/* Everybody may do all: as a Kafka that asks nobody who may do what, this door says so, once for
 * each rule that was named. Tools look for these words. */
#define KAFKA_ADMIN_NO_RULES RI_STR("No Authorizer is configured.")

bool ri_kafka_admin_acls_step(ri_kafka_request *r)
{
    ri_kafka_describe_acls_answer answer;
    RI_ASSERT(ri_kafka_request_is_begun(r));
    ri_kafka_blank(ri_kafka_describe_acls_answer_type(), &answer);
    answer.error_code = RI_KAFKA_E_NO_SECURITY;
    answer.error_message = RI_STR("No Authorizer is configured on the broker");
    ri_kafka_request_answer(r, &answer);
    return false;
}

/* False: there are too many, and the session ends. */
static bool kafka_admin_may_rule(ri_kafka_request *r, uint32_t n)
{
    kafka_admin_spend(r, n / 8);
    if (n <= RI_LIMIT_KAFKA_RULES) return true;
    ri_err(RILL_ETOOBIG, "%u rules are named: a request has no more than %d", n,
           RI_LIMIT_KAFKA_RULES);
    ri_kafka_request_refuse(r);
    return false;
}

bool ri_kafka_admin_allow_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body);
    const ri_kafka_create_acls_request *q = r->body;
    if (!kafka_admin_may_rule(r, q->creations.len)) return false;
    ri_kafka_create_acls_answer *answer = ri_kafka_request_alloc(r, sizeof *answer);
    if (!answer || !RI_KAFKA_SERVE_LIST(r, &answer->results, create_acls_answer_result,
                                        q->creations.len))
        return false;
    for (uint32_t i = 0; i < q->creations.len; i++) {
        answer->results.items[i].error_code = RI_KAFKA_E_NO_SECURITY;
        answer->results.items[i].error_message = KAFKA_ADMIN_NO_RULES;
    }
    ri_kafka_request_answer_kept(r, answer);
    return false;
}

bool ri_kafka_admin_disallow_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body);
    const ri_kafka_delete_acls_request *q = r->body;
    if (!kafka_admin_may_rule(r, q->filters.len)) return false;
    ri_kafka_delete_acls_answer *answer = ri_kafka_request_alloc(r, sizeof *answer);
    if (!answer || !RI_KAFKA_SERVE_LIST(r, &answer->filter_results, delete_acls_answer_result,
                                        q->filters.len))
        return false;
    for (uint32_t i = 0; i < q->filters.len; i++) {
        answer->filter_results.items[i].error_code = RI_KAFKA_E_NO_SECURITY;
        answer->filter_results.items[i].error_message = KAFKA_ADMIN_NO_RULES;
    }
    ri_kafka_request_answer_kept(r, answer);
    return false;
}

/* Nobody logs in here. As a Kafka whose listener has no logins, this door says that it is not the
 * time for one, so that the client's own log names its configuration. */
bool ri_kafka_admin_sasl_step(ri_kafka_request *r)
{
    ri_kafka_sasl_handshake_answer answer;
    RI_ASSERT(ri_kafka_request_is_begun(r));
    ri_kafka_blank(ri_kafka_sasl_handshake_answer_type(), &answer);
    answer.error_code = RI_KAFKA_E_SASL_STATE;
    ri_kafka_request_answer(r, &answer);
    return false;
}

bool ri_kafka_admin_authenticate_step(ri_kafka_request *r)
{
    ri_kafka_sasl_authenticate_answer answer;
    RI_ASSERT(ri_kafka_request_is_begun(r));
    ri_kafka_blank(ri_kafka_sasl_authenticate_answer_type(), &answer);
    answer.error_code = RI_KAFKA_E_SASL_STATE;
    answer.error_message = RI_STR("nobody logs in here");
    answer.auth_bytes = RI_STR("");
    ri_kafka_request_answer(r, &answer);
    return false;
}
