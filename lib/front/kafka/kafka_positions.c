/* SPDX-License-Identifier: Apache-2.0 */
/* OffsetFetch: what groups have committed, one group after the other, in slices of the turn's
 * budget. Versions before 8 ask of one group. A group's part of the answer is read into the
 * request's memory, and holds once the coordinator says that all of it is on disk. */
#include "base/assert.h"
#include "front/kafka/kafka_commits.h"

typedef struct kafka_positions {
    ri_group_fetch fetch;
    ri_kafka_request *r;
    ri_kafka_offset_fetch_answer answer;
    uint32_t ngroups, next;    /* of the groups */
    ri_kafka_offset_fetch_answer_group *out; /* of that which is read now; NULL: none is */
    uint32_t topics_cap, partitions_cap; /* of its topics; of the last one's partitions */
    ri_kafka_at at;
    bool begun;                /* in the coordinator: the end is owed to it */
    ri_group_error failed;     /* before version 2: of each of the partitions */
    bool waits;                /* for the end */
    bool dropped;
} kafka_positions;

/* What is asked of a group, whatever the version. */
typedef struct kafka_positions_asked {
    ri_str group, member;
    int32_t epoch;
    bool all;
    uint32_t ntopics;
} kafka_positions_asked;

static kafka_positions_asked kafka_positions_asked_of(const ri_kafka_request *r, uint32_t i)
{
    const ri_kafka_offset_fetch_request *q = r->body;
    if (r->head.version < 8)
        return (kafka_positions_asked){.group = q->group_id, .epoch = -1,
                                       .all = !q->topics.items, .ntopics = q->topics.len};
    const ri_kafka_offset_fetch_request_group *g = &q->groups.items[i];
    return (kafka_positions_asked){.group = g->group_id, .member = g->member_id,
                                   .epoch = g->member_epoch, .all = !g->topics.items,
                                   .ntopics = g->topics.len};
}

/* And of one of its topics. */
typedef struct kafka_positions_topic {
    ri_str name;
    ri_kafka_uuid id;
    const int32_t *partitions;
    uint32_t n;
} kafka_positions_topic;

static kafka_positions_topic kafka_positions_topic_of(const ri_kafka_request *r, uint32_t group,
                                                      uint32_t i)
{
    const ri_kafka_offset_fetch_request *q = r->body;
    if (r->head.version < 8) {
        const ri_kafka_offset_fetch_request_topic *t = &q->topics.items[i];
        return (kafka_positions_topic){.name = t->name, .partitions = t->partition_indexes.items,
                                       .n = t->partition_indexes.len};
    }
    const ri_kafka_offset_fetch_request_group_topic *t = &q->groups.items[group].topics.items[i];
    return (kafka_positions_topic){.name = t->name, .id = t->topic_id,
                                   .partitions = t->partition_indexes.items,
                                   .n = t->partition_indexes.len};
}

/* ---- What is read ---- */

/* Room for one more in a list that grows; NULL: the session ends. */
static void *kafka_positions_grow(ri_kafka_request *r, const ri_kafka_type *type, void *items,
                                  size_t size, uint32_t len, uint32_t *cap)
{
    enum { FIRST = 16 };
    RI_ASSERT(len <= *cap);
    if (len < *cap) return items;
    uint32_t more = *cap ? 2 * *cap : FIRST;
    void *grown = ri_kafka_request_items(r, type, more);
    if (!grown) return NULL;
    if (len) memcpy(grown, items, len * size);
    *cap = more;
    return grown;
}

static bool kafka_positions_add_topic(kafka_positions *f, ri_str name, const ri_kafka_uuid *id)
{
    ri_kafka_offset_fetch_answer_group *out = f->out;
    ri_kafka_offset_fetch_answer_group_topic *items =
        kafka_positions_grow(f->r, ri_kafka_offset_fetch_answer_group_topic_type(),
                             out->topics.items, sizeof *items, out->topics.len, &f->topics_cap);
    if (!items) return false;
    ri_kafka_offset_fetch_answer_group_topic *topic = &items[out->topics.len++];
    out->topics.items = items;
    f->partitions_cap = 0;
    topic->topic_id = *id;
    return ri_kafka_serve_copy(f->r, name, &topic->name);
}

/* To the last topic. */
static bool kafka_positions_add(kafka_positions *f, const ri_group_offset *offset,
                                ri_kafka_error error)
{
    RI_ASSERT(f->out->topics.len > 0);
    ri_kafka_offset_fetch_answer_group_topic *topic =
        &f->out->topics.items[f->out->topics.len - 1];
    ri_kafka_offset_fetch_answer_partition *items =
        kafka_positions_grow(f->r, ri_kafka_offset_fetch_answer_partition_type(),
                             topic->partitions.items, sizeof *items, topic->partitions.len,
                             &f->partitions_cap);
    if (!items) return false;
    ri_kafka_offset_fetch_answer_partition *p = &items[topic->partitions.len++];
    topic->partitions.items = items;
    p->partition_index = offset->partition;
    p->committed_offset = offset->offset;
    p->committed_leader_epoch = offset->leader_epoch;
    p->error_code = (int16_t)error;
    return ri_kafka_serve_copy(f->r, offset->metadata.ptr ? offset->metadata : RI_STR(""),
                               &p->metadata);
}

/* ---- A group ---- */

static void kafka_positions_enter(ri_kafka_request *r, const kafka_positions_topic *topic)
{
    kafka_positions *f = r->work;
    ri_kafka_commits_find(r, &f->at, topic->name, r->head.version >= 10 ? &topic->id : NULL);
}

static bool kafka_positions_one(ri_kafka_request *r, const kafka_positions_topic *topic)
{
    kafka_positions *f = r->work;
    ri_group_offset offset = {.topic = topic->name, .partition = topic->partitions[f->at.partition],
                              .leader_epoch = -1, .offset = -1};
    f->at.partition++;
    if (f->failed) return kafka_positions_add(f, &offset, (ri_kafka_error)f->failed);
    if (r->head.version >= 10 && !f->at.found)
        return kafka_positions_add(f, &offset, RI_KAFKA_E_UNKNOWN_TOPIC_ID);
    if (f->at.found) ri_kafka_commits_set_topic(&f->at, &offset);
    ri_groups_fetch_get(&f->fetch, &offset);
    return kafka_positions_add(f, &offset, RI_KAFKA_E_NONE);
}

/* The partitions that are named. 1: the turn is over. */
static int kafka_positions_named(ri_kafka_request *r, const kafka_positions_asked *asked)
{
    kafka_positions *f = r->work;
    bool again = f->at.partition > 0; /* in a later turn the topic may have gone */
    while (f->at.topic < asked->ntopics) {
        const kafka_positions_topic topic = kafka_positions_topic_of(r, f->next, f->at.topic);
        if (f->at.partition == 0 || again) kafka_positions_enter(r, &topic);
        if (f->at.partition == 0 && !kafka_positions_add_topic(f, topic.name, &topic.id))
            return RILL_ENOMEM;
        again = false;
        if (f->at.partition < topic.n && !kafka_positions_one(r, &topic)) return RILL_ENOMEM;
        if (ri_kafka_commits_next(r, &f->at, topic.n)) return 1;
    }
    return 0;
}

/* Is it of the topic that stands last? */
static bool kafka_positions_is_last(const kafka_positions *f, ri_str topic)
{
    const ri_kafka_offset_fetch_answer_group *out = f->out;
    return out->topics.len && ri_str_eq(out->topics.items[out->topics.len - 1].name, topic);
}

/* All that the group has committed. Who names topics by ids is not shown those that are no more. */
static int kafka_positions_all(ri_kafka_request *r)
{
    kafka_positions *f = r->work;
    ri_group_offset offset;
    int rc;
    while ((rc = ri_groups_fetch_next(&f->fetch, &offset)) == 1) {
        ri_kafka_uuid id = {{0}};
        ri_kafka_commits_find(r, &f->at, offset.topic, NULL);
        if (f->at.found) id = ri_kafka_catalog_id(&f->at.of);
        if (r->head.version >= 10 && !f->at.found) continue;
        if (!kafka_positions_is_last(f, offset.topic) &&
            !kafka_positions_add_topic(f, offset.topic, &id))
            return RILL_ENOMEM;
        if (!kafka_positions_add(f, &offset, RI_KAFKA_E_NONE)) return RILL_ENOMEM;
    }
    return rc == 0 ? 0 : 1;
}

static void kafka_positions_over(kafka_positions *f, ri_group_error error)
{
    f->out->error_code = (int16_t)error;
    if (error) f->out->topics.len = 0;
    f->out = NULL;
    f->waits = false;
    f->next++;
}

static void kafka_positions_done(ri_group_call *call)
{
    ri_group_fetch *fetch = ri_container_of(call, ri_group_fetch, call);
    kafka_positions *f = ri_container_of(fetch, kafka_positions, fetch);
    RI_ASSERT(f->dropped || (f->waits && f->out));
    if (f->dropped) return;
    kafka_positions_over(f, call->error);
    ri_kafka_request_ready(f->r);
}

static void kafka_positions_begin_group(ri_kafka_request *r, const kafka_positions_asked *asked)
{
    kafka_positions *f = r->work;
    ri_groups *groups = ri_kafka_serve_groups(r);
    f->out = &f->answer.groups.items[f->next];
    f->out->group_id = asked->group;
    f->topics_cap = 0;
    f->at = (ri_kafka_at){0};
    f->fetch = (ri_group_fetch){.call.done = kafka_positions_done, .group = asked->group,
                                .member = asked->member, .epoch = asked->epoch};
    ri_group_error error = groups ? ri_groups_fetch_begin(groups, &f->fetch)
                                  : RI_GROUP_NOT_AVAILABLE;
    f->begun = error == RI_GROUP_NONE;
    if (r->head.version < 2) f->failed = error;
    else if (!f->begun) kafka_positions_over(f, error);
}

/* ---- The request ---- */

static bool kafka_positions_begin(ri_kafka_request *r)
{
    const ri_kafka_offset_fetch_request *q = r->body;
    kafka_positions *f = ri_kafka_request_alloc(r, sizeof *f);
    uint32_t n = r->head.version < 8 ? 1 : q->groups.len;
    if (!f) return false;
    ri_kafka_blank(ri_kafka_offset_fetch_answer_type(), &f->answer);
    if (!RI_KAFKA_SERVE_LIST(r, &f->answer.groups, offset_fetch_answer_group, n)) return false;
    r->work = f;
    f->r = r;
    f->ngroups = n;
    return true;
}

static void kafka_positions_answer(ri_kafka_request *r)
{
    kafka_positions *f = r->work;
    ri_kafka_offset_fetch_answer *answer = &f->answer;
    if (r->head.version < 8) {
        const ri_kafka_offset_fetch_answer_group *group = &answer->groups.items[0];
        answer->error_code = group->error_code;
        uint32_t n = group->topics.len;
        if (!RI_KAFKA_SERVE_LIST(r, &answer->topics, offset_fetch_answer_topic, n)) return;
        for (uint32_t i = 0; i < n; i++) {
            answer->topics.items[i].name = group->topics.items[i].name;
            answer->topics.items[i].partitions.items = group->topics.items[i].partitions.items;
            answer->topics.items[i].partitions.len = group->topics.items[i].partitions.len;
        }
    }
    ri_kafka_request_answer_kept(r, answer);
}

/* Of the group that is read. 1: the turn is over. */
static int kafka_positions_some(ri_kafka_request *r)
{
    kafka_positions *f = r->work;
    RI_ASSERT(f->next < f->ngroups && !f->waits);
    const kafka_positions_asked asked = kafka_positions_asked_of(r, f->next);
    if (!f->out) kafka_positions_begin_group(r, &asked);
    if (!f->begun && !f->failed) return 0;
    int rc = asked.all ? kafka_positions_all(r) : kafka_positions_named(r, &asked);
    if (rc != 0) return rc;
    if (f->failed) {
        kafka_positions_over(f, RI_GROUP_NONE);
        return 0;
    }
    f->begun = false;
    f->waits = true;
    ri_groups_fetch_end(&f->fetch);
    return 0;
}

bool ri_kafka_positions_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body);
    ri_budget *budget = &r->session->server->broker->router.budget;
    if (!r->work && !kafka_positions_begin(r)) return false;
    kafka_positions *f = r->work;
    while (f->next < f->ngroups && !f->waits) {
        int rc = kafka_positions_some(r);
        if (rc < 0) return false;
        if (rc == 1 || !ri_budget_spend(budget, 1)) return ri_kafka_request_claim(r, 0);
    }
    if (!f->waits) kafka_positions_answer(r);
    return false;
}

void ri_kafka_positions_drop(ri_kafka_request *r)
{
    kafka_positions *f = r->work;
    if (!f) return;
    f->dropped = true;
    if (f->begun) ri_groups_fetch_end(&f->fetch);
    ri_groups_forget(&f->fetch.call);
}
