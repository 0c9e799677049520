/* SPDX-License-Identifier: Apache-2.0 */
/* FindCoordinator, DescribeGroups, ListGroups, DeleteGroups: which groups there are, and that this
 * broker looks after them. And what the coordinator asks of the broker: which topics there are. */
#include "base/assert.h"
#include "base/error.h"
#include "front/broker/durable.h"
#include "front/kafka/kafka_serve.h"

enum {
    KAFKA_GROUPS_FILTERS_MAX = 32, /* states, or types, that a list can be asked for */
};

/* ---- What the coordinator asks ---- */

static ri_js *kafka_groups_js(const ri_kafka_server *server)
{
    return ri_durable_js(server->broker->durable);
}

static bool kafka_groups_topic(const ri_kafka_server *server, const ri_kafka_topic *topic,
                               ri_groups_topic *out)
{
    ri_kafka_uuid id = ri_kafka_catalog_id(topic);
    out->name = topic->name;
    memcpy(out->id, id.bytes, sizeof out->id);
    out->partitions = ri_kafka_catalog_count(server->catalog, kafka_groups_js(server), topic);
    return true;
}

static bool kafka_groups_by_name(void *arg, ri_str name, ri_groups_topic *out)
{
    const ri_kafka_server *server = arg;
    ri_kafka_topic topic;
    return ri_kafka_catalog_find(kafka_groups_js(server), name, &topic) &&
           kafka_groups_topic(server, &topic, out);
}

static bool kafka_groups_by_id(void *arg, const uint8_t *id, ri_groups_topic *out)
{
    const ri_kafka_server *server = arg;
    ri_kafka_topic topic;
    ri_kafka_uuid of;
    memcpy(of.bytes, id, sizeof of.bytes);
    return ri_kafka_catalog_find_id(server->catalog, kafka_groups_js(server), &of, &topic) &&
           kafka_groups_topic(server, &topic, out);
}

static uint64_t kafka_groups_version(void *arg)
{
    return ri_js_changes(kafka_groups_js(arg));
}

static ri_stream *kafka_groups_partition(void *arg, const ri_group_offset *at)
{
    ri_js *js = kafka_groups_js(arg);
    ri_kafka_topic topic;
    ri_kafka_uuid was;
    if (!ri_kafka_catalog_find(js, at->topic, &topic)) return NULL;
    memcpy(was.bytes, at->topic_id, sizeof was.bytes);
    ri_kafka_uuid id = ri_kafka_catalog_id(&topic);
    bool same = ri_kafka_catalog_is_none(&was) || memcmp(&was, &id, sizeof id) == 0;
    return same ? ri_kafka_catalog_partition(js, &topic, at->partition) : NULL;
}

ri_groups *ri_kafka_groups_of(ri_kafka_server *server)
{
    static const ri_groups_topics topics = {kafka_groups_by_name, kafka_groups_by_id,
                                            kafka_groups_version, kafka_groups_partition};
    ri_groups *groups;
    RI_ASSERT(server->broker->durable);
    const ri_groups_conf *conf = &server->broker->conf.groups;
    if (ri_durable_groups(server->broker->durable, conf, &groups) < 0) {
        ri_host_log(&server->broker->host, RILL_ERROR, "groups: %s", ri_err_text());
        return NULL;
    }
    ri_groups_set_topics(groups, &topics, server); /* whoever asked before, and has gone since */
    server->groups = groups;
    return groups;
}

ri_groups *ri_kafka_serve_groups(const ri_kafka_request *r)
{
    ri_kafka_server *server = r->session->server;
    ri_groups *groups = ri_kafka_groups_of(server);
    if (groups) server->stored = true; /* it is a step of the streams' that goes on with it */
    return groups;
}

void ri_kafka_groups_part(ri_kafka_server *server)
{
    if (server->groups && server->broker->durable) ri_groups_drop_topics(server->groups, server);
    server->groups = NULL;
}

/* ---- FindCoordinator ---- */

/* Whoever wants transactions shall not look for their coordinator for ever: as one that he may not
 * use is what clients give up for, and show the sentence of. */
static ri_kafka_error kafka_groups_coordinator(const ri_kafka_request *r, ri_str *why)
{
    enum { GROUP = 0, TRANSACTION = 1 };
    const ri_kafka_find_coordinator_request *q = r->body;
    *why = RI_STR("");
    if (q->key_type == GROUP) return RI_KAFKA_E_NONE;
    if (q->key_type == TRANSACTION) {
        *why = RI_STR("this broker has no transactions: a producer may be idempotent, without a "
                      "transactional.id");
        return RI_KAFKA_E_TXN_ID_DENIED;
    }
    *why = RI_STR("a coordinator is of a group");
    return RI_KAFKA_E_INVALID_REQUEST;
}

bool ri_kafka_groups_find_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body);
    const ri_kafka_find_coordinator_request *q = r->body;
    ri_kafka_find_coordinator_answer *answer = ri_kafka_request_alloc(r, sizeof *answer);
    ri_str why, host = RI_STR("");
    ri_kafka_error error = kafka_groups_coordinator(r, &why);
    if (!answer || (!error && !ri_kafka_serve_copy(r, ri_kafka_serve_host(r->session), &host)))
        return false;
    int32_t port = error ? -1 : ri_kafka_serve_port(r->session);
    int32_t node = error ? -1 : RI_KAFKA_NODE;
    ri_kafka_blank(ri_kafka_find_coordinator_answer_type(), answer);
    answer->error_code = (int16_t)error;
    answer->error_message = why;
    answer->node_id = node;
    answer->host = host;
    answer->port = port;
    if (!RI_KAFKA_SERVE_LIST(r, &answer->coordinators, find_coordinator_answer_coordinator,
                             q->coordinator_keys.len))
        return false;
    for (uint32_t i = 0; i < q->coordinator_keys.len; i++)
        answer->coordinators.items[i] = (ri_kafka_find_coordinator_answer_coordinator){
            .key = q->coordinator_keys.items[i], .node_id = node, .host = host, .port = port,
            .error_code = (int16_t)error, .error_message = why};
    ri_budget_spend(&r->session->server->broker->router.budget, q->coordinator_keys.len / 16);
    ri_kafka_request_answer_kept(r, answer);
    return false;
}

/* ---- DescribeGroups ---- */

typedef struct kafka_groups_describe {
    ri_kafka_describe_groups_answer answer;
    uint32_t next;
} kafka_groups_describe;

/* What the coordinator lends is copied: the answer is written later. Which metadata counts is open
 * until the group is stable. */
static bool kafka_groups_member(ri_kafka_request *r, const ri_group_member_info *info, bool stable,
                                ri_kafka_describe_groups_answer_member *out)
{
    const ri_str bytes = RI_STR("");
    return ri_kafka_serve_copy(r, info->member, &out->member_id) &&
           ri_kafka_serve_copy(r, info->instance, &out->group_instance_id) &&
           ri_kafka_serve_copy(r, info->client_id, &out->client_id) &&
           ri_kafka_serve_copy(r, info->client_host, &out->client_host) &&
           ri_kafka_serve_copy(r, stable && info->metadata.ptr ? info->metadata : bytes,
                               &out->member_metadata) &&
           ri_kafka_serve_copy(r, info->assignment.ptr ? info->assignment : bytes,
                               &out->member_assignment);
}

static bool kafka_groups_members(ri_kafka_request *r, const ri_group *group, bool stable,
                                 ri_kafka_describe_groups_answer_group *out)
{
    ri_group_place place = {0};
    ri_group_member_info info;
    uint32_t n = 0;
    size_t bytes = 0;
    while (ri_groups_next_member(group, &place, &info)) n++;
    if (!RI_KAFKA_SERVE_LIST(r, &out->members, describe_groups_answer_member, n)) return false;
    place = (ri_group_place){0};
    for (uint32_t i = 0; i < n && ri_groups_next_member(group, &place, &info); i++) {
        bytes += info.metadata.len + info.assignment.len;
        if (!kafka_groups_member(r, &info, stable, &out->members.items[i])) return false;
    }
    ri_budget_spend(&r->session->server->broker->router.budget, n + ri_budget_bytes(bytes));
    return true;
}

static bool kafka_groups_describe_one(ri_kafka_request *r, ri_groups *groups, ri_str name,
                                      ri_kafka_describe_groups_answer_group *out)
{
    const ri_kafka_describe_groups_request *q = r->body;
    ri_group_info info = {.name = name};
    ri_group_error error = groups ? ri_groups_describe(groups, name, &info)
                                  : RI_GROUP_NOT_AVAILABLE;
    out->group_id = name;
    out->group_state = out->protocol_type = out->protocol_data = RI_STR("");
    if (q->include_auth_ops) out->auth_ops = RI_KAFKA_OPS_GROUP;
    /* Versions before 6 have a state for a group that is not there. */
    if (error == RI_GROUP_NOT_FOUND && r->head.version < 6) error = RI_GROUP_NONE;
    out->error_code = (int16_t)error;
    if (error == RI_GROUP_NOT_FOUND) out->error_message = RI_STR("there is no such group");
    if (error && error != RI_GROUP_NOT_FOUND) return true;
    bool stable = ri_str_is(info.state, "Stable");
    return ri_kafka_serve_copy(r, info.state, &out->group_state) &&
           ri_kafka_serve_copy(r, info.protocol_type, &out->protocol_type) &&
           ri_kafka_serve_copy(r, info.protocol, &out->protocol_data) &&
           (!info.group || kafka_groups_members(r, info.group, stable, out));
}

bool ri_kafka_groups_describe_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body);
    const ri_kafka_describe_groups_request *q = r->body;
    ri_budget *budget = &r->session->server->broker->router.budget;
    kafka_groups_describe *d = r->work;
    ri_groups *groups = ri_kafka_serve_groups(r);
    if (!d) {
        if (!(d = r->work = ri_kafka_request_alloc(r, sizeof *d))) return false;
        if (!RI_KAFKA_SERVE_LIST(r, &d->answer.groups, describe_groups_answer_group,
                                 q->groups.len))
            return false;
    }
    while (d->next < q->groups.len) {
        uint32_t i = d->next++;
        if (!kafka_groups_describe_one(r, groups, q->groups.items[i], &d->answer.groups.items[i]))
            return false;
        if (!ri_budget_spend(budget, 1)) return ri_kafka_request_claim(r, 0);
    }
    ri_kafka_request_answer_kept(r, &d->answer);
    return false;
}

/* ---- ListGroups ---- */

typedef struct kafka_groups_list {
    ri_kafka_list_groups_answer answer;
    uint32_t cap;            /* of the answer's groups */
    ri_groups_walk walk;
    bool walks;
} kafka_groups_list;

static bool kafka_groups_list_begin(ri_kafka_request *r)
{
    const ri_kafka_list_groups_request *q = r->body;
    kafka_groups_list *l = ri_kafka_request_alloc(r, sizeof *l);
    ri_groups *groups = ri_kafka_serve_groups(r);
    if (!l) return false;
    r->work = l;
    l->walk = (ri_groups_walk){.states = q->states_filter.items, .nstates = q->states_filter.len,
                               .types = q->types_filter.items, .ntypes = q->types_filter.len};
    if (!groups) l->answer.error_code = RI_KAFKA_E_COORDINATOR_NOT_AVAILABLE;
    else if (RI_MAX(l->walk.nstates, l->walk.ntypes) > KAFKA_GROUPS_FILTERS_MAX)
        l->answer.error_code = RI_KAFKA_E_INVALID_REQUEST;
    else l->walks = true;
    if (l->walks) ri_groups_walk_begin(groups, &l->walk);
    return true;
}

static bool kafka_groups_list_add(ri_kafka_request *r, const ri_group_info *info)
{
    enum { FIRST = 16 };
    kafka_groups_list *l = r->work;
    RI_ASSERT(l->walks && l->answer.groups.len <= l->cap);
    if (l->answer.groups.len == l->cap) {
        uint32_t cap = l->cap ? 2 * l->cap : FIRST;
        ri_kafka_list_groups_answer_group *grown =
            ri_kafka_request_items(r, ri_kafka_list_groups_answer_group_type(), cap);
        if (!grown) return false;
        if (l->cap) memcpy(grown, l->answer.groups.items, l->cap * sizeof *grown);
        l->answer.groups.items = grown;
        l->cap = cap;
    }
    ri_kafka_list_groups_answer_group *out = &l->answer.groups.items[l->answer.groups.len++];
    return ri_kafka_serve_copy(r, info->name, &out->group_id) &&
           ri_kafka_serve_copy(r, info->protocol_type, &out->protocol_type) &&
           ri_kafka_serve_copy(r, info->state, &out->group_state) &&
           ri_kafka_serve_copy(r, info->type, &out->group_type);
}

bool ri_kafka_groups_list_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body);
    ri_budget *budget = &r->session->server->broker->router.budget;
    if (!r->work && !kafka_groups_list_begin(r)) return false;
    kafka_groups_list *l = r->work;
    ri_groups *groups = ri_kafka_serve_groups(r);
    ri_group_info info;
    while (l->walks) {
        int rc = ri_groups_walk_next(groups, &l->walk, &info);
        if (rc == 0) break;
        if (rc == 1 && !kafka_groups_list_add(r, &info)) return false;
        if (rc != 1 || !ri_budget_spend(budget, 1)) return ri_kafka_request_claim(r, 0);
    }
    ri_kafka_groups_list_drop(r);
    ri_kafka_request_answer_kept(r, &l->answer);
    return false;
}

void ri_kafka_groups_list_drop(ri_kafka_request *r)
{
    kafka_groups_list *l = r->work;
    if (l && l->walks) ri_groups_walk_end(&l->walk);
    if (l) l->walks = false;
}

/* ---- DeleteGroups ---- */

typedef struct kafka_groups_delete kafka_groups_delete;

typedef struct kafka_groups_deletion { /* of one of them */
    ri_group_delete request;
    kafka_groups_delete *of;
} kafka_groups_deletion;

struct kafka_groups_delete {
    ri_kafka_request *r;
    ri_kafka_delete_groups_answer answer;
    kafka_groups_deletion *each;
    uint32_t next, waiting;
};

static void kafka_groups_deleted(ri_group_call *call)
{
    ri_group_delete *request = ri_container_of(call, ri_group_delete, call);
    kafka_groups_deletion *one = ri_container_of(request, kafka_groups_deletion, request);
    kafka_groups_delete *d = one->of;
    RI_ASSERT(d->waiting > 0);
    ri_kafka_delete_groups_answer_result *out = &d->answer.results.items[one - d->each];
    out->error_code = (int16_t)call->error;
    if (call->error == RI_GROUP_NOT_FOUND) out->error_message = RI_STR("there is no such group");
    if (call->error == RI_GROUP_NON_EMPTY) out->error_message = RI_STR("the group has members");
    if (--d->waiting == 0) ri_kafka_request_ready(d->r);
}

static bool kafka_groups_delete_begin(ri_kafka_request *r)
{
    const ri_kafka_delete_groups_request *q = r->body;
    kafka_groups_delete *d = ri_kafka_request_alloc(r, sizeof *d);
    if (!d) return false;
    d->r = r;
    d->each = ri_kafka_request_alloc(r, ((size_t)q->group_names.len + 1) * sizeof *d->each);
    if (!d->each || !RI_KAFKA_SERVE_LIST(r, &d->answer.results, delete_groups_answer_result,
                                         q->group_names.len))
        return false;
    r->work = d;
    return true;
}

bool ri_kafka_groups_delete_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body);
    const ri_kafka_delete_groups_request *q = r->body;
    ri_budget *budget = &r->session->server->broker->router.budget;
    ri_groups *groups = ri_kafka_serve_groups(r);
    if (!r->work && !kafka_groups_delete_begin(r)) return false;
    kafka_groups_delete *d = r->work;
    while (d->next < q->group_names.len) {
        kafka_groups_deletion *one = &d->each[d->next];
        d->answer.results.items[d->next].group_id = q->group_names.items[d->next];
        one->of = d;
        one->request = (ri_group_delete){.call.done = kafka_groups_deleted,
                                         .call.error = RI_GROUP_NOT_AVAILABLE,
                                         .group = q->group_names.items[d->next]};
        d->next++;
        d->waiting++;
        if (groups) ri_groups_delete(groups, &one->request);
        else kafka_groups_deleted(&one->request.call);
        if (!ri_budget_spend(budget, 1)) return ri_kafka_request_claim(r, 0);
    }
    if (d->waiting == 0) ri_kafka_request_answer_kept(r, &d->answer);
    return false;
}

void ri_kafka_groups_delete_drop(ri_kafka_request *r)
{
    kafka_groups_delete *d = r->work;
    for (uint32_t i = 0; d && i < d->next; i++) ri_groups_forget(&d->each[i].request.call);
}
