/* SPDX-License-Identifier: Apache-2.0 */
/* JoinGroup, SyncGroup, Heartbeat, LeaveGroup: what members of classic groups ask. The coordinator
 * is engine/groups; here requests become its calls, and what it says becomes answers. Who asks to
 * join waits there for the others, and the connection for the answer, as Kafka's does. */
#include "base/assert.h"
#include "codec/limits.h"
#include "front/kafka/kafka_serve.h"

/* ---- JoinGroup ---- */

typedef struct kafka_members_join {
    ri_group_join join;
    ri_kafka_request *r;
} kafka_members_join;

/* The leader is given all members. */
static bool kafka_members_list(ri_kafka_request *r, const ri_group *group,
                               ri_kafka_join_group_answer *answer)
{
    ri_group_place place = {0};
    ri_group_member_info info;
    uint32_t n = 0;
    while (group && ri_groups_next_member(group, &place, &info)) n++;
    if (!RI_KAFKA_SERVE_LIST(r, &answer->members, join_group_answer_member, n)) return false;
    place = (ri_group_place){0};
    for (uint32_t i = 0; i < n && ri_groups_next_member(group, &place, &info); i++)
        answer->members.items[i] = (ri_kafka_join_group_answer_member){
            .member_id = info.member, .group_instance_id = info.instance,
            .metadata = info.metadata};
    ri_budget_spend(&r->session->server->broker->router.budget, n);
    return true;
}

static void kafka_members_joined(ri_group_call *call)
{
    const ri_group_join *join = ri_container_of(call, ri_group_join, call);
    ri_kafka_request *r = ri_container_of(join, kafka_members_join, join)->r;
    RI_ASSERT(ri_kafka_request_is_begun(r));
    ri_kafka_join_group_answer answer;
    ri_kafka_blank(ri_kafka_join_group_answer_type(), &answer);
    answer.error_code = (int16_t)call->error;
    answer.generation_id = join->generation;
    answer.protocol_type = join->given_type;
    answer.protocol_name = join->given_protocol;
    if (!answer.protocol_name.ptr && r->head.version < 7) answer.protocol_name = RI_STR("");
    answer.leader = join->leader;
    answer.skip_assignment = join->skip;
    answer.member_id = join->given_member;
    if (kafka_members_list(r, join->members, &answer)) ri_kafka_request_answer(r, &answer);
}

static bool kafka_members_protocols(ri_kafka_request *r, ri_group_join *join)
{
    const ri_kafka_join_group_request *q = r->body;
    /* One more than there may be is refused as more are. */
    size_t n = RI_MIN(q->protocols.len, (uint32_t)RI_LIMIT_GROUP_PROTOCOLS + 1);
    ri_group_protocol *protocols = ri_kafka_request_alloc(r, (n + 1) * sizeof *protocols);
    if (!protocols) return false;
    for (size_t i = 0; i < n; i++)
        protocols[i] = (ri_group_protocol){q->protocols.items[i].name,
                                           q->protocols.items[i].metadata};
    join->protocols = protocols;
    join->nprotocols = n;
    return true;
}

bool ri_kafka_members_join_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body && !r->work);
    const ri_kafka_join_group_request *q = r->body;
    kafka_members_join *j = ri_kafka_request_alloc(r, sizeof *j);
    ri_groups *groups = ri_kafka_serve_groups(r);
    if (!j) return false;
    j->r = r;
    j->join = (ri_group_join){
        .call.done = kafka_members_joined, .group = q->group_id, .member = q->member_id,
        .instance = q->group_instance_id, .client_id = ri_kafka_serve_client(r),
        .client_host = ri_kafka_serve_client_host(r), .protocol_type = q->protocol_type,
        .session_ms = q->session_timeout_ms,
        .rebalance_ms = r->head.version ? q->rebalance_timeout_ms : q->session_timeout_ms,
        .asks_for_id = r->head.version >= 4, .skips_assignment = r->head.version >= 9,
        .generation = -1};
    if (!kafka_members_protocols(r, &j->join) || r->session->end) return false;
    r->work = &j->join.call;
    if (groups) {
        ri_groups_join(groups, &j->join);
    } else {
        j->join.call.error = RI_GROUP_NOT_AVAILABLE;
        kafka_members_joined(&j->join.call);
    }
    return false;
}

void ri_kafka_members_join_drop(ri_kafka_request *r)
{
    ri_group_call *call = r->work;
    if (!call || !call->slot) return; /* it is answered */
    RI_ASSERT(r->session->server->groups);
    ri_groups_join_gone(r->session->server->groups, ri_container_of(call, ri_group_join, call));
}

void ri_kafka_members_drop(ri_kafka_request *r)
{
    if (r->work) ri_groups_forget(r->work);
}

/* ---- SyncGroup ---- */

typedef struct kafka_members_sync {
    ri_group_sync sync;
    ri_kafka_request *r;
} kafka_members_sync;

static void kafka_members_synced(ri_group_call *call)
{
    const ri_group_sync *sync = ri_container_of(call, ri_group_sync, call);
    ri_kafka_request *r = ri_container_of(sync, kafka_members_sync, sync)->r;
    RI_ASSERT(ri_kafka_request_is_begun(r));
    ri_kafka_sync_group_answer answer;
    ri_kafka_blank(ri_kafka_sync_group_answer_type(), &answer);
    answer.error_code = (int16_t)call->error;
    answer.protocol_type = sync->given_type;
    answer.protocol_name = sync->given_protocol;
    answer.assignment = sync->assignment.ptr ? sync->assignment : RI_STR("");
    ri_kafka_request_answer(r, &answer);
}

static bool kafka_members_assignments(ri_kafka_request *r, ri_group_sync *sync)
{
    const ri_kafka_sync_group_request *q = r->body;
    size_t n = RI_MIN(q->assignments.len, (uint32_t)RI_LIMIT_GROUP_MEMBERS + 1);
    ri_group_assignment *to = ri_kafka_request_alloc(r, (n + 1) * sizeof *to);
    if (!to) return false;
    for (size_t i = 0; i < n; i++)
        to[i] = (ri_group_assignment){q->assignments.items[i].member_id,
                                      q->assignments.items[i].assignment};
    sync->assignments = to;
    sync->nassignments = n;
    return true;
}

bool ri_kafka_members_sync_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body && !r->work);
    const ri_kafka_sync_group_request *q = r->body;
    kafka_members_sync *s = ri_kafka_request_alloc(r, sizeof *s);
    ri_groups *groups = ri_kafka_serve_groups(r);
    if (!s) return false;
    s->r = r;
    s->sync = (ri_group_sync){
        .call.done = kafka_members_synced, .group = q->group_id, .member = q->member_id,
        .instance = q->group_instance_id, .protocol_type = q->protocol_type,
        .protocol = q->protocol_name, .generation = q->generation_id};
    if (!kafka_members_assignments(r, &s->sync)) return false;
    r->work = &s->sync.call;
    /* Who may say what the group agreed upon has to, before it is looked for. */
    bool unnamed = r->head.version >= 5 && (!q->protocol_type.ptr || !q->protocol_name.ptr);
    if (groups && !unnamed) {
        ri_groups_sync(groups, &s->sync);
    } else {
        s->sync.call.error = unnamed ? RI_GROUP_INCONSISTENT_PROTOCOL : RI_GROUP_NOT_AVAILABLE;
        kafka_members_synced(&s->sync.call);
    }
    return false;
}

/* ---- Heartbeat ---- */

bool ri_kafka_members_beat_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body);
    const ri_kafka_heartbeat_request *q = r->body;
    ri_kafka_heartbeat_answer answer;
    ri_groups *groups = ri_kafka_serve_groups(r);
    const ri_group_beat beat = {.group = q->group_id, .member = q->member_id,
                                .instance = q->group_instance_id, .generation = q->generation_id};
    ri_kafka_blank(ri_kafka_heartbeat_answer_type(), &answer);
    answer.error_code = (int16_t)(groups ? ri_groups_heartbeat(groups, &beat)
                                         : RI_GROUP_NOT_AVAILABLE);
    ri_kafka_request_answer(r, &answer);
    return false;
}

/* ---- LeaveGroup ---- */

typedef struct kafka_members_leave {
    ri_group_leave leave;
    ri_kafka_request *r;
} kafka_members_leave;

static void kafka_members_left(ri_group_call *call)
{
    const ri_group_leave *leave = ri_container_of(call, ri_group_leave, call);
    ri_kafka_request *r = ri_container_of(leave, kafka_members_leave, leave)->r;
    RI_ASSERT(ri_kafka_request_is_begun(r));
    ri_kafka_leave_group_answer answer;
    ri_kafka_blank(ri_kafka_leave_group_answer_type(), &answer);
    answer.error_code = (int16_t)call->error;
    size_t n = call->error ? 0 : leave->nleavers;
    if (!RI_KAFKA_SERVE_LIST(r, &answer.members, leave_group_answer_member, n)) return;
    for (size_t i = 0; i < n; i++)
        answer.members.items[i] = (ri_kafka_leave_group_answer_member){
            .member_id = leave->leavers[i].member, .group_instance_id = leave->leavers[i].instance,
            .error_code = (int16_t)leave->leavers[i].error};
    if (r->head.version < 3 && n == 1) answer.error_code = answer.members.items[0].error_code;
    ri_kafka_request_answer(r, &answer);
}

/* Versions before 3 name one, the others a list. */
static bool kafka_members_leavers(ri_kafka_request *r, ri_group_leave *leave)
{
    const ri_kafka_leave_group_request *q = r->body;
    bool one = r->head.version < 3;
    size_t n = one ? 1 : RI_MIN(q->members.len, (uint32_t)RI_LIMIT_GROUP_MEMBERS + 1);
    leave->leavers = ri_kafka_request_alloc(r, (n + 1) * sizeof *leave->leavers);
    if (!leave->leavers) return false;
    leave->nleavers = n;
    if (one) leave->leavers[0].member = q->member_id;
    for (size_t i = 0; !one && i < n; i++) {
        leave->leavers[i].member = q->members.items[i].member_id;
        leave->leavers[i].instance = q->members.items[i].group_instance_id;
    }
    return true;
}

static bool kafka_members_leave_begin(ri_kafka_request *r)
{
    const ri_kafka_leave_group_request *q = r->body;
    kafka_members_leave *l = ri_kafka_request_alloc(r, sizeof *l);
    if (!l) return false;
    l->r = r;
    l->leave = (ri_group_leave){.call.done = kafka_members_left, .group = q->group_id};
    if (!kafka_members_leavers(r, &l->leave)) return false;
    r->work = &l->leave.call;
    return true;
}

bool ri_kafka_members_leave_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body);
    ri_groups *groups = ri_kafka_serve_groups(r);
    if (!r->work && !kafka_members_leave_begin(r)) return false;
    ri_group_call *call = r->work;
    if (groups)
        return ri_groups_leave(groups, ri_container_of(call, ri_group_leave, call)) &&
               ri_kafka_request_claim(r, 0);
    call->error = RI_GROUP_NOT_AVAILABLE;
    kafka_members_left(call);
    return false;
}
