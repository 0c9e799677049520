/* SPDX-License-Identifier: Apache-2.0 */
/* ConsumerGroupHeartbeat, ConsumerGroupDescribe: the protocol of KIP-848, whose members are given
 * partitions by the coordinator, one heartbeat after the other. */
#include "base/assert.h"
#include "base/saturate.h"
#include "front/kafka/kafka_serve.h"

/* ---- ConsumerGroupHeartbeat ---- */

typedef struct kafka_modern_pulse {
    ri_group_pulse pulse;
    ri_kafka_request *r;
} kafka_modern_pulse;

/* What the member is given. False: the session ends. */
static bool kafka_modern_assigned(ri_kafka_request *r, const ri_group_pulse *pulse,
                                  ri_kafka_consumer_group_heartbeat_answer *answer)
{
    answer->assignment = ri_kafka_request_items(
        r, ri_kafka_consumer_group_heartbeat_answer_assignment_type(), 1);
    if (!answer->assignment ||
        !RI_KAFKA_SERVE_LIST(r, &answer->assignment->topic_partitions,
                             consumer_group_heartbeat_answer_topic_partition, pulse->nassigned))
        return false;
    for (size_t i = 0; i < pulse->nassigned; i++) {
        const ri_group_topic_partitions *in = &pulse->assigned[i];
        ri_kafka_consumer_group_heartbeat_answer_topic_partition *out =
            &answer->assignment->topic_partitions.items[i];
        memcpy(out->topic_id.bytes, in->topic_id, sizeof out->topic_id.bytes);
        out->partitions.items = (int32_t *)(uintptr_t)in->partitions; /* they are only written */
        out->partitions.len = (uint32_t)in->n;
    }
    return true;
}

static void kafka_modern_pulsed(ri_group_call *call)
{
    const ri_group_pulse *pulse = ri_container_of(call, ri_group_pulse, call);
    ri_kafka_request *r = ri_container_of(pulse, kafka_modern_pulse, pulse)->r;
    RI_ASSERT(ri_kafka_request_is_begun(r));
    ri_kafka_consumer_group_heartbeat_answer answer;
    ri_kafka_blank(ri_kafka_consumer_group_heartbeat_answer_type(), &answer);
    answer.error_code = (int16_t)call->error;
    if (pulse->message) answer.error_message = ri_str_of(pulse->message);
    answer.member_id = pulse->given_member;
    answer.member_epoch = pulse->given_epoch;
    answer.heartbeat_interval_ms = pulse->interval_ms;
    if (pulse->gives_assignment && !kafka_modern_assigned(r, pulse, &answer)) return;
    ri_kafka_request_answer(r, &answer);
}

static bool kafka_modern_owned(ri_kafka_request *r, ri_group_pulse *pulse)
{
    const ri_kafka_consumer_group_heartbeat_request *q = r->body;
    size_t n = q->topic_partitions.len;
    ri_group_topic_partitions *owned = ri_kafka_request_alloc(
        r, ri_size_mul(n + 1, sizeof *owned));
    if (!owned) return false;
    for (size_t i = 0; i < n; i++) {
        const ri_kafka_consumer_group_heartbeat_request_topic_partition *in =
            &q->topic_partitions.items[i];
        owned[i] = (ri_group_topic_partitions){in->topic_id.bytes, in->partitions.items,
                                               in->partitions.len};
    }
    pulse->owned = owned;
    pulse->nowned = n;
    pulse->says_owned = q->topic_partitions.items != NULL;
    ri_budget_spend(&r->session->server->broker->router.budget, n / 16);
    return true;
}

bool ri_kafka_modern_pulse_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body && !r->work);
    const ri_kafka_consumer_group_heartbeat_request *q = r->body;
    kafka_modern_pulse *p = ri_kafka_request_alloc(r, sizeof *p);
    ri_groups *groups = ri_kafka_serve_groups(r);
    if (!p) return false;
    p->r = r;
    p->pulse = (ri_group_pulse){
        .call.done = kafka_modern_pulsed, .group = q->group_id, .member = q->member_id,
        .instance = q->instance_id, .rack = q->rack_id, .client_id = ri_kafka_serve_client(r),
        .client_host = ri_kafka_serve_client_host(r), .assignor = q->server_assignor,
        .regex = q->subscribed_topic_regex, .topics = q->subscribed_topic_names.items,
        .ntopics = q->subscribed_topic_names.len,
        .says_topics = q->subscribed_topic_names.items != NULL, .epoch = q->member_epoch,
        .rebalance_ms = q->rebalance_timeout_ms, .makes_id = r->head.version >= 1};
    if (!kafka_modern_owned(r, &p->pulse) || r->session->end) return false;
    r->work = &p->pulse.call;
    if (groups) {
        ri_groups_pulse(groups, &p->pulse);
    } else {
        p->pulse.call.error = RI_GROUP_NOT_AVAILABLE;
        kafka_modern_pulsed(&p->pulse.call);
    }
    return false;
}

void ri_kafka_modern_pulse_drop(ri_kafka_request *r)
{
    if (r->work) ri_groups_forget(r->work);
}

/* ---- ConsumerGroupDescribe ---- */

typedef struct kafka_modern_describe {
    ri_kafka_consumer_group_describe_answer answer;
    uint32_t next;
} kafka_modern_describe;

typedef ri_kafka_consumer_group_describe_answer_topic_partition kafka_modern_topic;

/* How many topics it has partitions of; those of one stand together. */
static uint32_t kafka_modern_count(ri_groups *groups, const ri_group_modern_member *member,
                                   bool target)
{
    ri_group_part part = {.at = 0};
    uint32_t n = 0;
    uint8_t last[RI_GROUP_TOPIC_ID];
    while (ri_groups_next_part(groups, member, target, &part)) {
        if (n == 0 || memcmp(last, part.topic.id, sizeof last) != 0) n++;
        memcpy(last, part.topic.id, sizeof last);
    }
    return n;
}

/* How many partitions stand behind `from` that are of the same topic; the first is one. */
static uint32_t kafka_modern_same(ri_groups *groups, const ri_group_modern_member *member,
                                  bool target, const ri_group_part *from)
{
    RI_ASSERT(from->at > 0);
    ri_group_part part = *from;
    uint32_t n = 1;
    while (ri_groups_next_part(groups, member, target, &part) &&
           memcmp(part.topic.id, from->topic.id, sizeof part.topic.id) == 0)
        n++;
    return n;
}

static bool kafka_modern_parts(ri_kafka_request *r, ri_groups *groups,
                               const ri_group_modern_member *member, bool target,
                               ri_kafka_consumer_group_describe_answer_assignment *out)
{
    ri_group_part part = {.at = 0};
    uint32_t n = kafka_modern_count(groups, member, target), all = 0;
    if (!RI_KAFKA_SERVE_LIST(r, &out->topic_partitions,
                             consumer_group_describe_answer_topic_partition, n))
        return false;
    for (uint32_t i = 0; i < n && ri_groups_next_part(groups, member, target, &part); i++) {
        kafka_modern_topic *topic = &out->topic_partitions.items[i];
        uint32_t same = kafka_modern_same(groups, member, target, &part);
        memcpy(topic->topic_id.bytes, part.topic.id, sizeof topic->topic_id.bytes);
        topic->partitions.items = ri_kafka_request_alloc(
            r, ri_size_mul(same, sizeof *topic->partitions.items));
        if (!topic->partitions.items ||
            !ri_kafka_serve_copy(r, part.topic.name, &topic->topic_name))
            return false;
        topic->partitions.items[topic->partitions.len++] = part.partition;
        while (topic->partitions.len < same &&
               ri_groups_next_part(groups, member, target, &part))
            topic->partitions.items[topic->partitions.len++] = part.partition;
        all += same;
    }
    ri_budget_spend(&r->session->server->broker->router.budget, all / 4);
    return true;
}

static bool kafka_modern_member(ri_kafka_request *r, ri_groups *groups,
                                const ri_group_modern_member *m,
                                ri_kafka_consumer_group_describe_answer_member *out)
{
    enum { CLASSIC = 0, CONSUMER = 1 };
    out->member_epoch = m->epoch;
    out->member_type = m->classic ? CLASSIC : CONSUMER;
    out->subscribed_topic_names.items = ri_kafka_request_alloc(
        r, ri_size_mul(m->ntopics + 1, sizeof(ri_str)));
    if (!out->subscribed_topic_names.items) return false;
    out->subscribed_topic_names.len = (uint32_t)m->ntopics;
    for (uint32_t i = 0; i < m->ntopics; i++)
        if (!ri_kafka_serve_copy(r, ri_groups_subscribed(m, i),
                                 &out->subscribed_topic_names.items[i]))
            return false;
    return ri_kafka_serve_copy(r, m->member, &out->member_id) &&
           ri_kafka_serve_copy(r, m->instance, &out->instance_id) &&
           ri_kafka_serve_copy(r, m->rack, &out->rack_id) &&
           ri_kafka_serve_copy(r, m->client_id, &out->client_id) &&
           ri_kafka_serve_copy(r, m->client_host, &out->client_host) &&
           ri_kafka_serve_copy(r, m->regex, &out->subscribed_topic_regex) &&
           kafka_modern_parts(r, groups, m, false, &out->assignment) &&
           kafka_modern_parts(r, groups, m, true, &out->target_assignment);
}

static bool kafka_modern_members(ri_kafka_request *r, ri_groups *groups, const ri_group *group,
                                 ri_kafka_consumer_group_describe_answer_group *out)
{
    ri_group_place place = {0};
    ri_group_modern_member member;
    uint32_t n = 0;
    while (ri_groups_next_modern(group, &place, &member)) n++;
    if (!RI_KAFKA_SERVE_LIST(r, &out->members, consumer_group_describe_answer_member, n))
        return false;
    place = (ri_group_place){0};
    for (uint32_t i = 0; i < n && ri_groups_next_modern(group, &place, &member); i++)
        if (!kafka_modern_member(r, groups, &member, &out->members.items[i])) return false;
    ri_budget_spend(&r->session->server->broker->router.budget, 4 * n);
    return true;
}

static bool kafka_modern_describe_one(ri_kafka_request *r, ri_groups *groups, ri_str name,
                                      ri_kafka_consumer_group_describe_answer_group *out)
{
    const ri_kafka_consumer_group_describe_request *q = r->body;
    ri_group_modern_info info = {.name = name};
    ri_group_info classic;
    ri_group_error error = groups ? ri_groups_describe_modern(groups, name, &info)
                                  : RI_GROUP_NOT_AVAILABLE;
    out->group_id = name;
    out->group_state = out->assignor_name = RI_STR("");
    out->error_code = (int16_t)error;
    if (error == RI_GROUP_NOT_FOUND)
        out->error_message = ri_groups_describe(groups, name, &classic) == RI_GROUP_NONE
                                 ? RI_STR("the group is a classic one")
                                 : RI_STR("there is no such group");
    if (error) return true;
    if (q->include_auth_ops) out->auth_ops = RI_KAFKA_OPS_GROUP;
    out->group_epoch = info.epoch;
    out->assignment_epoch = info.assignment_epoch;
    return ri_kafka_serve_copy(r, info.state, &out->group_state) &&
           ri_kafka_serve_copy(r, info.assignor, &out->assignor_name) &&
           kafka_modern_members(r, groups, info.group, out);
}

bool ri_kafka_modern_describe_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body);
    const ri_kafka_consumer_group_describe_request *q = r->body;
    ri_budget *budget = &r->session->server->broker->router.budget;
    kafka_modern_describe *d = r->work;
    ri_groups *groups = ri_kafka_serve_groups(r);
    if (!d) {
        if (!(d = r->work = ri_kafka_request_alloc(r, sizeof *d))) return false;
        if (!RI_KAFKA_SERVE_LIST(r, &d->answer.groups, consumer_group_describe_answer_group,
                                 q->group_ids.len))
            return false;
    }
    while (d->next < q->group_ids.len) {
        uint32_t i = d->next++;
        ri_kafka_consumer_group_describe_answer_group *out = &d->answer.groups.items[i];
        if (!kafka_modern_describe_one(r, groups, q->group_ids.items[i], out)) return false;
        if (!ri_budget_spend(budget, 1)) return ri_kafka_request_claim(r, 0);
    }
    ri_kafka_request_answer_kept(r, &d->answer);
    return false;
}
