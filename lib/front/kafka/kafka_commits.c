/* SPDX-License-Identifier: Apache-2.0 */
/* OffsetCommit, OffsetDelete: how far groups have come, in slices of the turn's budget. That a
 * topic and a partition are there is looked at here, all else by the coordinator. It is answered
 * once it is on disk. */
#include "front/kafka/kafka_commits.h"

#include "base/assert.h"

void ri_kafka_commits_find(ri_kafka_request *r, ri_kafka_at *at, ri_str name,
                           const ri_kafka_uuid *id)
{
    ri_js *js = ri_kafka_serve_js(r);
    at->found = id ? ri_kafka_catalog_find_id(r->session->server->catalog, js, id, &at->of)
                   : ri_kafka_catalog_find(js, name, &at->of);
}

bool ri_kafka_commits_next(ri_kafka_request *r, ri_kafka_at *at, uint32_t partitions)
{
    if (at->partition >= partitions) {
        at->topic++;
        at->partition = 0;
    }
    return !ri_budget_spend(&r->session->server->broker->router.budget, 1);
}

void ri_kafka_commits_set_topic(const ri_kafka_at *at, ri_group_offset *offset)
{
    RI_ASSERT(at->found);
    ri_kafka_uuid id = ri_kafka_catalog_id(&at->of);
    offset->topic = at->of.name;
    memcpy(offset->topic_id, id.bytes, sizeof offset->topic_id);
}

/* ---- OffsetCommit ---- */

typedef struct kafka_commits {
    ri_group_commit commit;
    ri_kafka_request *r;
    ri_kafka_offset_commit_answer answer;
    ri_kafka_at at;
    ri_group_error error;  /* of all of it */
    bool begun;            /* in the coordinator: the end is owed to it */
    bool checking;         /* all are checked before the first is put */
    bool dropped;
} kafka_commits;

static ri_kafka_error kafka_commits_unknown(const ri_kafka_request *r)
{
    return r->head.version >= 10 ? RI_KAFKA_E_UNKNOWN_TOPIC_ID : RI_KAFKA_E_UNKNOWN_TOPIC;
}

static void kafka_commits_answer(kafka_commits *c, ri_group_error error)
{
    for (uint32_t i = 0; error && i < c->answer.topics.len; i++) {
        ri_kafka_offset_commit_answer_topic *topic = &c->answer.topics.items[i];
        for (uint32_t k = 0; k < topic->partitions.len; k++)
            if (!topic->partitions.items[k].error_code)
                topic->partitions.items[k].error_code = (int16_t)error;
    }
    ri_kafka_request_answer_kept(c->r, &c->answer);
}

static void kafka_commits_done(ri_group_call *call)
{
    ri_group_commit *commit = ri_container_of(call, ri_group_commit, call);
    kafka_commits *c = ri_container_of(commit, kafka_commits, commit);
    RI_ASSERT(!c->begun);
    if (!c->dropped) kafka_commits_answer(c, call->error);
}

static bool kafka_commits_begin(ri_kafka_request *r)
{
    const ri_kafka_offset_commit_request *q = r->body;
    kafka_commits *c = ri_kafka_request_alloc(r, sizeof *c);
    ri_groups *groups = ri_kafka_serve_groups(r);
    if (!c) return false;
    if (!RI_KAFKA_SERVE_LIST(r, &c->answer.topics, offset_commit_answer_topic, q->topics.len))
        return false;
    r->work = c;
    c->r = r;
    c->commit = (ri_group_commit){
        .call.done = kafka_commits_done, .group = q->group_id, .instance = q->group_instance_id,
        .member = q->member_id, .generation = q->generation_id_or_member_epoch,
        .retention_ms = q->retention_time_ms, .knows_epochs = r->head.version >= 9};
    c->error = groups ? ri_groups_commit_begin(groups, &c->commit) : RI_GROUP_NOT_AVAILABLE;
    c->begun = c->error == RI_GROUP_NONE;
    c->checking = c->begun && c->commit.checks;
    return true;
}

/* One of what is committed: it is checked, or put. */
static ri_kafka_error kafka_commits_one(ri_kafka_request *r,
                                        const ri_kafka_offset_commit_request_partition *in)
{
    kafka_commits *c = r->work;
    RI_ASSERT(c->begun || c->error); /* a commit that was not begun puts nothing */
    ri_group_offset offset = {.partition = in->partition_index,
                              .leader_epoch = in->committed_leader_epoch,
                              .offset = in->committed_offset, .metadata = in->committed_metadata};
    if (!c->at.found) return kafka_commits_unknown(r);
    if (!ri_kafka_catalog_partition(ri_kafka_serve_js(r), &c->at.of, in->partition_index))
        return RI_KAFKA_E_UNKNOWN_TOPIC;
    ri_kafka_commits_set_topic(&c->at, &offset);
    if (!offset.metadata.ptr) offset.metadata = RI_STR("");
    if (c->checking) {
        c->error = ri_groups_commit_check(&c->commit, &offset);
        return RI_KAFKA_E_NONE;
    }
    return (ri_kafka_error)(c->error ? c->error : ri_groups_commit_put(&c->commit, &offset));
}

static void kafka_commits_enter(ri_kafka_request *r)
{
    const ri_kafka_offset_commit_request *q = r->body;
    kafka_commits *c = r->work;
    const ri_kafka_offset_commit_request_topic *in = &q->topics.items[c->at.topic];
    ri_kafka_commits_find(r, &c->at, in->name, r->head.version >= 10 ? &in->topic_id : NULL);
}

/* A slice of a pass over all. False: it is over, or the session ends. */
static bool kafka_commits_pass(ri_kafka_request *r)
{
    const ri_kafka_offset_commit_request *q = r->body;
    kafka_commits *c = r->work;
    if (c->at.partition > 0) kafka_commits_enter(r); /* in a later turn it may have gone */
    while (c->at.topic < q->topics.len && !(c->checking && c->error)) {
        const ri_kafka_offset_commit_request_topic *in = &q->topics.items[c->at.topic];
        ri_kafka_offset_commit_answer_topic *out = &c->answer.topics.items[c->at.topic];
        if (c->at.partition == 0) {
            kafka_commits_enter(r);
            out->name = in->name;
            out->topic_id = in->topic_id;
            if (!c->checking && !RI_KAFKA_SERVE_LIST(r, &out->partitions,
                                                     offset_commit_answer_partition,
                                                     in->partitions.len))
                return false;
        }
        if (c->at.partition < in->partitions.len) {
            const ri_kafka_offset_commit_request_partition *p =
                &in->partitions.items[c->at.partition];
            ri_kafka_error error = kafka_commits_one(r, p);
            ri_kafka_offset_commit_answer_partition a = {.partition_index = p->partition_index,
                                                         .error_code = (int16_t)error};
            if (!c->checking) out->partitions.items[c->at.partition] = a;
            c->at.partition++;
        }
        if (ri_kafka_commits_next(r, &c->at, in->partitions.len)) return true;
    }
    return false;
}

bool ri_kafka_commits_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body);
    if (!r->work && !kafka_commits_begin(r)) return false;
    kafka_commits *c = r->work;
    for (;;) {
        if (kafka_commits_pass(r)) return ri_kafka_request_claim(r, 0);
        if (r->session->end) return false;
        if (!c->checking) break;
        c->checking = false;
        c->at = (ri_kafka_at){0};
    }
    if (!c->begun) {
        kafka_commits_answer(c, c->error);
        return false;
    }
    c->begun = false;
    ri_groups_commit_end(&c->commit);
    return false;
}

void ri_kafka_commits_drop(ri_kafka_request *r)
{
    kafka_commits *c = r->work;
    if (!c) return;
    c->dropped = true;
    bool begun = c->begun;
    c->begun = false;
    if (begun) ri_groups_commit_end(&c->commit);
    ri_groups_forget(&c->commit.call);
}

/* ---- OffsetDelete ---- */

typedef struct kafka_commits_erase {
    ri_group_erase erase;
    ri_kafka_request *r;
    ri_kafka_offset_delete_answer answer;
    ri_kafka_at at;
    ri_group_error error; /* of the topic that is looked at */
    bool begun, dropped;
} kafka_commits_erase;

static void kafka_commits_erased(ri_group_call *call)
{
    ri_group_erase *erase = ri_container_of(call, ri_group_erase, call);
    kafka_commits_erase *e = ri_container_of(erase, kafka_commits_erase, erase);
    RI_ASSERT(!e->begun);
    if (e->dropped) return;
    e->answer.error_code = (int16_t)call->error;
    if (call->error) e->answer.topics.len = 0;
    ri_kafka_request_answer_kept(e->r, &e->answer);
}

static bool kafka_commits_erase_begin(ri_kafka_request *r)
{
    const ri_kafka_offset_delete_request *q = r->body;
    kafka_commits_erase *e = ri_kafka_request_alloc(r, sizeof *e);
    ri_groups *groups = ri_kafka_serve_groups(r);
    if (!e) return false;
    ri_kafka_blank(ri_kafka_offset_delete_answer_type(), &e->answer);
    r->work = e;
    e->r = r;
    e->erase = (ri_group_erase){.call.done = kafka_commits_erased, .group = q->group_id};
    ri_group_error error = groups ? ri_groups_erase_begin(groups, &e->erase)
                                  : RI_GROUP_NOT_AVAILABLE;
    e->begun = error == RI_GROUP_NONE;
    e->answer.error_code = (int16_t)error;
    return !e->begun || RI_KAFKA_SERVE_LIST(r, &e->answer.topics, offset_delete_answer_topic,
                                            q->topics.len);
}

static ri_kafka_error kafka_commits_erase_one(ri_kafka_request *r, int32_t partition)
{
    kafka_commits_erase *e = r->work;
    if (!e->at.found ||
        !ri_kafka_catalog_partition(ri_kafka_serve_js(r), &e->at.of, partition))
        return RI_KAFKA_E_UNKNOWN_TOPIC;
    if (e->error) return (ri_kafka_error)e->error;
    return (ri_kafka_error)ri_groups_erase_put(&e->erase, e->at.of.name, partition);
}

static void kafka_commits_erase_enter(ri_kafka_request *r)
{
    const ri_kafka_offset_delete_request *q = r->body;
    kafka_commits_erase *e = r->work;
    ri_kafka_commits_find(r, &e->at, q->topics.items[e->at.topic].name, NULL);
    if (e->at.found) e->error = ri_groups_erase_topic(&e->erase, e->at.of.name);
}

/* True: the turn is over, and there is more to do. */
static bool kafka_commits_erase_some(ri_kafka_request *r)
{
    const ri_kafka_offset_delete_request *q = r->body;
    kafka_commits_erase *e = r->work;
    if (e->at.partition > 0) kafka_commits_erase_enter(r);
    while (e->at.topic < q->topics.len) {
        const ri_kafka_offset_delete_request_topic *in = &q->topics.items[e->at.topic];
        ri_kafka_offset_delete_answer_topic *out = &e->answer.topics.items[e->at.topic];
        if (e->at.partition == 0) {
            kafka_commits_erase_enter(r);
            out->name = in->name;
            if (!RI_KAFKA_SERVE_LIST(r, &out->partitions, offset_delete_answer_partition,
                                     in->partitions.len))
                return false;
        }
        if (e->at.partition < in->partitions.len) {
            int32_t index = in->partitions.items[e->at.partition].partition_index;
            out->partitions.items[e->at.partition++] = (ri_kafka_offset_delete_answer_partition){
                .partition_index = index,
                .error_code = (int16_t)kafka_commits_erase_one(r, index)};
        }
        if (ri_kafka_commits_next(r, &e->at, in->partitions.len)) return true;
    }
    return false;
}

bool ri_kafka_commits_erase_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body);
    if (!r->work && !kafka_commits_erase_begin(r)) return false;
    kafka_commits_erase *e = r->work;
    if (e->begun && kafka_commits_erase_some(r)) return ri_kafka_request_claim(r, 0);
    if (r->session->end) return false;
    if (!e->begun) {
        ri_kafka_request_answer_kept(r, &e->answer);
        return false;
    }
    e->begun = false;
    ri_groups_erase_end(&e->erase);
    return false;
}

void ri_kafka_commits_erase_drop(ri_kafka_request *r)
{
    kafka_commits_erase *e = r->work;
    if (!e) return;
    e->dropped = true;
    bool begun = e->begun;
    e->begun = false;
    if (begun) ri_groups_erase_end(&e->erase);
    ri_groups_forget(&e->erase.call);
}
