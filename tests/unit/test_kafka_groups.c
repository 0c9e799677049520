/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of consumers at the Kafka door: what the coordinator says becomes answers in every
 * version, who waits is answered by what others do, and what is committed is there after a
 * restart. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "codec/limits.h"
#include "front/broker/durable.h"
#include "front/kafka/kafka_errors.h"
#include "front/kafka/kafka_session.h"
#include "support/kclient.h"
#include "support/scratch.h"
#include "support/suite.h"

enum { WAIT_MS = 20000, DELAY_MS = 20 };

static rill_broker *broker;
static int port;
static kclient c;

/* A group that is new waits for its first members for as long as DELAY_MS. */
static void start(const char *dir)
{
    char config[64];
    snprintf(config, sizeof config, "group.initial.rebalance.delay.ms=%d", DELAY_MS);
    ck_assert_ok(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .kafka_config = config)));
    ri_broker *b = (ri_broker *)(void *)broker;
    ck_assert_ok(ri_broker_need_durable(b, dir ? &(ri_durable_opts){.dir = dir} : NULL));
    port = rill_broker_listen(broker, "kafka://127.0.0.1:0", NULL);
    ck_assert_msg(port > 0, "%s", ri_err_text());
    kclient_open(&c, port);
}

static void stop(void)
{
    kclient_close(&c);
    ck_assert_ok(rill_broker_close(broker, WAIT_MS));
}

static void setup(void)
{
    start(NULL);
}

/* ---- The coordinator ---- */

START_TEST(test_find)
{
    KCLIENT_BLANK(find_coordinator_request, q);
    q.key = RI_STR("g");
    ri_kafka_find_coordinator_answer *a = kclient_ask(&c, RI_KAFKA_FIND_COORDINATOR, 0, &q);
    ck_assert_int_eq(a->error_code, 0);
    ck_assert_int_eq(a->node_id, 1);
    ck_assert_int_eq(a->port, port);
    ck_assert_span(a->host, "127.0.0.1");
    ri_str keys[] = {RI_STR("g"), RI_STR("h")};
    q.coordinator_keys.items = keys;
    q.coordinator_keys.len = 2;
    a = kclient_ask(&c, RI_KAFKA_FIND_COORDINATOR, 6, &q);
    ck_assert_uint_eq(a->coordinators.len, 2);
    ck_assert_span(a->coordinators.items[1].key, "h");
    ck_assert_int_eq(a->coordinators.items[1].port, port);
    q.key_type = 1;
    a = kclient_ask(&c, RI_KAFKA_FIND_COORDINATOR, 4, &q);
    ck_assert_int_eq(a->coordinators.items[0].error_code, RI_KAFKA_E_TXN_ID_DENIED);
    ck_assert_int_eq(a->coordinators.items[0].node_id, -1);
    q.key_type = 2;
    a = kclient_ask(&c, RI_KAFKA_FIND_COORDINATOR, 3, &q);
    ck_assert_int_eq(a->error_code, RI_KAFKA_E_INVALID_REQUEST);
}
END_TEST

/* Every version of all that is served answers a request without content. */
START_TEST(test_every_version)
{
    const ri_kafka_served *kind;
    for (size_t i = 0; (kind = ri_kafka_served_at(i)) != NULL; i++) {
        const ri_kafka_api *api = ri_kafka_api_of(kind->key);
        for (int16_t v = kind->first; v <= kind->last; v++) {
            void *q = ri_kafka_items(api->request(), &c.arena, 1);
            ck_assert_ptr_nonnull(q);
            if (kind->key == RI_KAFKA_PRODUCE) ((ri_kafka_produce_request *)q)->acks = 1;
            ck_assert_ptr_nonnull(kclient_ask(&c, kind->key, v, q));
        }
    }
}
END_TEST

/* ---- Members ---- */

static ri_kafka_join_group_request *join(const char *group, ri_str member)
{
    static ri_kafka_join_group_request q;
    static ri_kafka_join_group_request_protocol range;
    ri_kafka_blank(ri_kafka_join_group_request_type(), &q);
    range = (ri_kafka_join_group_request_protocol){.name = RI_STR("range"),
                                                   .metadata = RI_STR("m")};
    q.group_id = ri_str_of(group);
    q.session_timeout_ms = 60000;
    q.rebalance_timeout_ms = 60000;
    q.member_id = member;
    q.protocol_type = RI_STR("consumer");
    KCLIENT_ONE(q.protocols, &range);
    return &q;
}

/* A member's id, by being asked to come again with it. */
static ri_str member_of(kclient *client, const char *group)
{
    ri_kafka_join_group_answer *a = kclient_ask(client, RI_KAFKA_JOIN_GROUP, 4,
                                                join(group, RI_STR("")));
    ck_assert_int_eq(a->error_code, RI_GROUP_MEMBER_ID_REQUIRED);
    return a->member_id;
}

static int beat(kclient *client, const char *group, ri_str member, int32_t generation)
{
    KCLIENT_BLANK(heartbeat_request, q);
    q.group_id = ri_str_of(group);
    q.member_id = member;
    q.generation_id = generation;
    return ((ri_kafka_heartbeat_answer *)kclient_ask(client, RI_KAFKA_HEARTBEAT, 4, &q))
        ->error_code;
}

static ri_kafka_sync_group_request *sync_of(const char *group, ri_str member, int32_t generation)
{
    static ri_kafka_sync_group_request q;
    ri_kafka_blank(ri_kafka_sync_group_request_type(), &q);
    q.group_id = ri_str_of(group);
    q.member_id = member;
    q.generation_id = generation;
    q.protocol_type = RI_STR("consumer");
    q.protocol_name = RI_STR("range");
    return &q;
}

static ri_str alone(const char *group)
{
    ri_str id = member_of(&c, group);
    ri_kafka_join_group_answer *a = kclient_ask(&c, RI_KAFKA_JOIN_GROUP, 5, join(group, id));
    ck_assert_int_eq(a->error_code, 0);
    ri_kafka_sync_group_request *s = sync_of(group, id, a->generation_id);
    ri_kafka_sync_group_request_assignment to = {id, RI_STR("all")};
    KCLIENT_ONE(s->assignments, &to);
    ri_kafka_sync_group_answer *given = kclient_ask(&c, RI_KAFKA_SYNC_GROUP, 5, s);
    ck_assert_int_eq(given->error_code, 0);
    ck_assert_span(given->assignment, "all");
    return id;
}

/* Two join, and wait for each other; the leader says who reads what; one leaves. */
START_TEST(test_members)
{
    kclient d;
    kclient_open(&d, port);
    ri_str one = member_of(&c, "g"), two = member_of(&d, "g");
    ck_assert(ri_str_starts(one, RI_STR("test-")));
    ri_broker_enter((ri_broker *)(void *)broker); /* it hears of both within DELAY_MS */
    kclient_send(&c, RI_KAFKA_JOIN_GROUP, 9, join("g", one));
    kclient_send(&d, RI_KAFKA_JOIN_GROUP, 6, join("g", two));
    ri_broker_leave((ri_broker *)(void *)broker);
    ri_kafka_join_group_answer *a = kclient_read(&c, RI_KAFKA_JOIN_GROUP, 9);
    ri_kafka_join_group_answer *b = kclient_read(&d, RI_KAFKA_JOIN_GROUP, 6);
    ck_assert_int_eq(a->error_code, 0);
    ck_assert_int_eq(b->error_code, 0);
    ck_assert_int_eq(a->generation_id, 1);
    ck_assert_span(a->protocol_type, "consumer");
    ck_assert_span(b->protocol_name, "range");
    ck_assert(ri_str_eq(a->leader, b->leader));
    bool first = ri_str_eq(a->leader, one);
    ck_assert_uint_eq((first ? a : b)->members.len, 2);
    ck_assert_uint_eq((first ? b : a)->members.len, 0);
    ck_assert_span((first ? a : b)->members.items[1].metadata, "m");
    kclient *leader = first ? &c : &d, *other = first ? &d : &c;
    ri_str leads = first ? one : two, follows = first ? two : one, frame;
    kclient_send(other, RI_KAFKA_SYNC_GROUP, 5, sync_of("g", follows, 1));
    ck_assert(!kclient_frame(other, 50, &frame)); /* until the leader has said it */
    ri_kafka_sync_group_request *q = sync_of("g", leads, 1);
    ri_kafka_sync_group_request_assignment to[] = {{leads, RI_STR("L")}, {follows, RI_STR("F")}};
    q->assignments.items = to;
    q->assignments.len = 2;
    ri_kafka_sync_group_answer *s = kclient_ask(leader, RI_KAFKA_SYNC_GROUP, 3, q);
    ck_assert_span(s->assignment, "L");
    s = kclient_read(other, RI_KAFKA_SYNC_GROUP, 5);
    ck_assert_span(s->assignment, "F");
    ck_assert_span(s->protocol_name, "range");
    ck_assert_int_eq(beat(&c, "g", one, 1), 0);
    ck_assert_int_eq(beat(&c, "g", one, 2), RI_GROUP_ILLEGAL_GENERATION);
    KCLIENT_BLANK(leave_group_request, l);
    l.group_id = RI_STR("g");
    l.member_id = one;
    ri_kafka_leave_group_answer *left = kclient_ask(&c, RI_KAFKA_LEAVE_GROUP, 2, &l);
    ck_assert_int_eq(left->error_code, 0);
    ck_assert_int_eq(beat(&d, "g", two, 1), RI_GROUP_REBALANCING);
    ri_kafka_leave_group_request_member gone[] = {{.member_id = one}, {.member_id = two}};
    l.members.items = gone;
    l.members.len = 2;
    left = kclient_ask(&c, RI_KAFKA_LEAVE_GROUP, 5, &l);
    ck_assert_int_eq(left->members.items[0].error_code, RI_GROUP_UNKNOWN_MEMBER);
    ck_assert_int_eq(left->members.items[1].error_code, 0);
    kclient_close(&d);
}
END_TEST

START_TEST(test_refused)
{
    ri_kafka_join_group_request *q = join("g", RI_STR("stranger"));
    ri_kafka_join_group_answer *a = kclient_ask(&c, RI_KAFKA_JOIN_GROUP, 4, q);
    ck_assert_int_eq(a->error_code, RI_GROUP_UNKNOWN_MEMBER);
    ck_assert_span(a->protocol_name, "");
    static ri_kafka_join_group_request_protocol many[1000];
    for (int i = 0; i < 1000; i++) many[i].name = many[i].metadata = RI_STR("x");
    q = join("g", RI_STR(""));
    q->protocols.items = many;
    q->protocols.len = 1000;
    a = kclient_ask(&c, RI_KAFKA_JOIN_GROUP, 9, q);
    ck_assert_int_ne(a->error_code, 0);
    ck_assert_int_ne(a->error_code, RI_GROUP_MEMBER_ID_REQUIRED);
    static ri_kafka_leave_group_request_member all[RI_LIMIT_GROUP_MEMBERS + 1];
    for (size_t i = 0; i < RI_LEN(all); i++) all[i].member_id = RI_STR("x");
    KCLIENT_BLANK(leave_group_request, l);
    l.group_id = RI_STR("g");
    l.members.items = all;
    l.members.len = RI_LEN(all);
    ri_kafka_leave_group_answer *left = kclient_ask(&c, RI_KAFKA_LEAVE_GROUP, 4, &l);
    ck_assert_int_eq(left->error_code, RI_GROUP_INVALID_REQUEST);
    ck_assert_uint_eq(left->members.len, 0);
    ri_kafka_sync_group_request *s = sync_of("", RI_STR("x"), 1); /* a group without a name */
    ri_kafka_sync_group_answer *given = kclient_ask(&c, RI_KAFKA_SYNC_GROUP, 5, s);
    ck_assert_int_eq(given->error_code, RI_GROUP_INVALID_ID);
    s->protocol_name = RI_STR_NONE; /* nor a protocol, which is said first */
    given = kclient_ask(&c, RI_KAFKA_SYNC_GROUP, 5, s);
    ck_assert_int_eq(given->error_code, RI_GROUP_INCONSISTENT_PROTOCOL);
    given = kclient_ask(&c, RI_KAFKA_SYNC_GROUP, 4, s); /* none could be said there */
    ck_assert_int_eq(given->error_code, RI_GROUP_INVALID_ID);
}
END_TEST

/* Who waits may go, and the broker may close over those who wait. */
START_TEST(test_gone)
{
    kclient d;
    kclient_open(&d, port);
    ri_str stays = alone("g"), other = member_of(&d, "g");
    kclient_send(&d, RI_KAFKA_JOIN_GROUP, 4, join("g", other)); /* waits for the first */
    ri_str frame;
    ck_assert(!kclient_frame(&d, 50, &frame));
    kclient_close(&d);
    ck_assert_int_eq(beat(&c, "g", stays, 1), RI_GROUP_REBALANCING);
    kclient_open(&d, port);
    other = member_of(&d, "g");
    kclient_send(&d, RI_KAFKA_JOIN_GROUP, 4, join("g", other));
    ck_assert(!kclient_frame(&d, 50, &frame));
    ck_assert_ok(rill_broker_close(broker, WAIT_MS));
    ck_assert(kclient_ended(&d));
    kclient_close(&d);
    kclient_close(&c);
    start(NULL);
}
END_TEST

/* ---- Offsets ---- */

static ri_kafka_offset_commit_request_partition commit_part;
static ri_kafka_offset_commit_request_topic commit_topic;

static ri_kafka_offset_commit_request *commit_of(const char *group, const char *topic,
                                                 int32_t partition, int64_t offset)
{
    static ri_kafka_offset_commit_request q;
    ri_kafka_blank(ri_kafka_offset_commit_request_type(), &q);
    ri_kafka_blank(ri_kafka_offset_commit_request_topic_type(), &commit_topic);
    ri_kafka_blank(ri_kafka_offset_commit_request_partition_type(), &commit_part);
    commit_part.partition_index = partition;
    commit_part.committed_offset = offset;
    commit_part.committed_metadata = RI_STR("note");
    commit_topic.name = ri_str_of(topic);
    KCLIENT_ONE(commit_topic.partitions, &commit_part);
    q.group_id = ri_str_of(group);
    KCLIENT_ONE(q.topics, &commit_topic);
    return &q;
}

static int committed(int16_t version, const ri_kafka_offset_commit_request *q)
{
    ri_kafka_offset_commit_answer *a = kclient_ask(&c, RI_KAFKA_OFFSET_COMMIT, version, q);
    ck_assert_uint_eq(a->topics.len, 1);
    return a->topics.items[0].partitions.items[0].error_code;
}

static int64_t position(const char *group, const char *topic, int32_t partition)
{
    KCLIENT_BLANK(offset_fetch_request, q);
    KCLIENT_BLANK(offset_fetch_request_topic, t);
    t.name = ri_str_of(topic);
    KCLIENT_ONE(t.partition_indexes, &partition);
    q.group_id = ri_str_of(group);
    KCLIENT_ONE(q.topics, &t);
    ri_kafka_offset_fetch_answer *a = kclient_ask(&c, RI_KAFKA_OFFSET_FETCH, 7, &q);
    ck_assert_int_eq(a->error_code, 0);
    return a->topics.items[0].partitions.items[0].committed_offset;
}

static ri_kafka_uuid id_of(const char *topic)
{
    ri_kafka_metadata_answer *m = kclient_ask(&c, RI_KAFKA_METADATA, 12, kclient_metadata(topic));
    return m->topics.items[0].topic_id;
}

START_TEST(test_commits)
{
    kclient_created(&c, "t", 2);
    ck_assert_int_eq(position("g", "t", 0), -1); /* of a group that is not there */
    ck_assert_int_eq(committed(2, commit_of("g", "t", 0, 5)), 0);
    ck_assert_int_eq(committed(9, commit_of("g", "t", 1, 6)), 0);
    ck_assert_int_eq(committed(8, commit_of("g", "t", 2, 5)), RI_KAFKA_E_UNKNOWN_TOPIC);
    ck_assert_int_eq(committed(8, commit_of("g", "no", 0, 5)), RI_KAFKA_E_UNKNOWN_TOPIC);
    ri_kafka_offset_commit_request *q = commit_of("g", "t", 0, 7);
    ck_assert_int_eq(committed(10, q), RI_KAFKA_E_UNKNOWN_TOPIC_ID);
    commit_topic.topic_id = id_of("t");
    ck_assert_int_eq(committed(10, q), 0);
    q->generation_id_or_member_epoch = 3;
    q->member_id = RI_STR("who");
    ck_assert_int_eq(committed(8, q), RI_GROUP_UNKNOWN_MEMBER);
    q->group_id = RI_STR("new");
    ck_assert_int_eq(committed(9, q), RI_GROUP_NOT_FOUND);
    static char text[5000];
    memset(text, 'x', sizeof text);
    q = commit_of("g", "t", 1, 8);
    commit_part.committed_metadata = (ri_str){text, sizeof text};
    ck_assert_int_eq(committed(8, q), RI_GROUP_METADATA_TOO_LARGE);
    ck_assert_int_eq(position("g", "t", 0), 7);
    ck_assert_int_eq(position("g", "t", 1), 6);
    ck_assert_int_eq(position("g", "no", 1), -1);
}
END_TEST

START_TEST(test_positions)
{
    kclient_created(&c, "t", 2);
    kclient_created(&c, "u", 1);
    committed(8, commit_of("g", "t", 0, 5));
    committed(8, commit_of("g", "u", 0, 6));
    committed(8, commit_of("h", "t", 1, 7));
    KCLIENT_BLANK(offset_fetch_request, q);
    q.group_id = RI_STR("g");
    q.topics.items = NULL; /* all of them */
    ri_kafka_offset_fetch_answer *a = kclient_ask(&c, RI_KAFKA_OFFSET_FETCH, 5, &q);
    ck_assert_uint_eq(a->topics.len, 2);
    const ri_kafka_offset_fetch_answer_partition *p = &a->topics.items[0].partitions.items[0];
    ck_assert_span(p->metadata, "note");
    ck_assert_int_ge(p->committed_offset, 5);
    ri_kafka_offset_fetch_request_group groups[2];
    KCLIENT_BLANK(offset_fetch_request_group_topic, named);
    int32_t parts[] = {0, 1, 9};
    named.name = RI_STR("t");
    named.partition_indexes.items = parts;
    named.partition_indexes.len = 3;
    for (int i = 0; i < 2; i++)
        ri_kafka_blank(ri_kafka_offset_fetch_request_group_type(), &groups[i]);
    groups[0].group_id = RI_STR("g");
    groups[0].topics.items = NULL;
    groups[1].group_id = RI_STR("h");
    KCLIENT_ONE(groups[1].topics, &named);
    q.groups.items = groups;
    q.groups.len = 2;
    a = kclient_ask(&c, RI_KAFKA_OFFSET_FETCH, 8, &q);
    ck_assert_uint_eq(a->groups.len, 2);
    ck_assert_uint_eq(a->groups.items[0].topics.len, 2);
    ck_assert_span(a->groups.items[1].group_id, "h");
    p = a->groups.items[1].topics.items[0].partitions.items;
    ck_assert_int_eq(p[0].committed_offset, -1);
    ck_assert_int_eq(p[1].committed_offset, 7);
    ck_assert_int_eq(p[2].committed_offset, -1);
    ck_assert_span(p[2].metadata, "");
    groups[1].member_id = RI_STR("who");
    groups[1].member_epoch = 3;
    a = kclient_ask(&c, RI_KAFKA_OFFSET_FETCH, 9, &q);
    ck_assert_int_eq(a->groups.items[1].error_code, 0); /* a classic group is open to all */
    groups[1].member_id = RI_STR_NONE;
    groups[1].member_epoch = -1;
    a = kclient_ask(&c, RI_KAFKA_OFFSET_FETCH, 10, &q); /* an id that is none's */
    ck_assert_int_eq(a->groups.items[1].topics.items[0].partitions.items[1].error_code,
                     RI_KAFKA_E_UNKNOWN_TOPIC_ID);
    named.topic_id = id_of("t");
    a = kclient_ask(&c, RI_KAFKA_OFFSET_FETCH, 10, &q);
    ck_assert_int_eq(a->groups.items[1].topics.items[0].partitions.items[1].committed_offset, 7);
    ck_assert_uint_eq(a->groups.items[0].topics.len, 2);
    q.group_id = RI_STR("");
    KCLIENT_BLANK(offset_fetch_request_topic, t);
    t.name = RI_STR("t");
    t.partition_indexes.items = parts;
    t.partition_indexes.len = 3;
    KCLIENT_ONE(q.topics, &t);
    a = kclient_ask(&c, RI_KAFKA_OFFSET_FETCH, 1, &q);
    ck_assert_uint_eq(a->topics.items[0].partitions.len, 3);
}
END_TEST

/* More than a turn can do, of one request. */
START_TEST(test_long_commits)
{
    enum { MANY = 1200, TIMES = 20 };
    kclient_created(&c, "t", MANY);
    ri_kafka_offset_commit_request *q = commit_of("g", "t", 0, 5);
    static ri_kafka_offset_commit_request_topic topics[TIMES];
    static ri_kafka_offset_commit_request_partition parts[MANY];
    for (int i = 0; i < MANY; i++) {
        parts[i] = commit_part;
        parts[i].partition_index = i;
        parts[i].committed_offset = i;
    }
    for (int i = 0; i < TIMES; i++) {
        topics[i] = commit_topic;
        topics[i].partitions.items = parts;
        topics[i].partitions.len = MANY;
    }
    q->topics.items = topics;
    q->topics.len = TIMES;
    ri_kafka_offset_commit_answer *a = kclient_ask(&c, RI_KAFKA_OFFSET_COMMIT, 8, q);
    for (int i = 0; i < TIMES; i++) {
        ck_assert_uint_eq(a->topics.items[i].partitions.len, MANY);
        ck_assert_int_eq(a->topics.items[i].partitions.items[MANY - 1].error_code, 0);
    }
    KCLIENT_BLANK(offset_fetch_request, f);
    f.group_id = RI_STR("g");
    f.topics.items = NULL;
    ri_kafka_offset_fetch_answer *all = kclient_ask(&c, RI_KAFKA_OFFSET_FETCH, 7, &f);
    ck_assert_uint_eq(all->topics.len, 1);
    ck_assert_uint_eq(all->topics.items[0].partitions.len, MANY);
    kclient_send(&c, RI_KAFKA_OFFSET_COMMIT, 8, q); /* it may go in the middle of it */
    kclient_close(&c);
    kclient_open(&c, port);
    ck_assert_int_eq(position("g", "t", MANY - 1), MANY - 1);
}
END_TEST

START_TEST(test_deleted)
{
    kclient_created(&c, "t", 1);
    kclient_created(&c, "u", 1);
    committed(8, commit_of("g", "t", 0, 5));
    committed(8, commit_of("g", "u", 0, 6));
    KCLIENT_BLANK(offset_delete_request, q);
    ri_kafka_offset_delete_request_partition parts[] = {{0}, {1}};
    ri_kafka_offset_delete_request_topic topics[] = {{.name = RI_STR("t")}, {.name = RI_STR("no")}};
    for (int i = 0; i < 2; i++) {
        topics[i].partitions.items = parts;
        topics[i].partitions.len = 2;
    }
    q.group_id = RI_STR("g");
    q.topics.items = topics;
    q.topics.len = 2;
    ri_kafka_offset_delete_answer *a = kclient_ask(&c, RI_KAFKA_OFFSET_DELETE, 0, &q);
    ck_assert_int_eq(a->error_code, 0);
    ck_assert_int_eq(a->topics.items[0].partitions.items[0].error_code, 0);
    ck_assert_int_eq(a->topics.items[0].partitions.items[1].error_code, RI_KAFKA_E_UNKNOWN_TOPIC);
    ck_assert_int_eq(a->topics.items[1].partitions.items[0].error_code, RI_KAFKA_E_UNKNOWN_TOPIC);
    ck_assert_int_eq(position("g", "t", 0), -1);
    ck_assert_int_eq(position("g", "u", 0), 6);
    q.group_id = RI_STR("none");
    a = kclient_ask(&c, RI_KAFKA_OFFSET_DELETE, 0, &q);
    ck_assert_int_eq(a->error_code, RI_GROUP_NOT_FOUND);
    kclient_ask(&c, RI_KAFKA_DELETE_TOPICS, 4, kclient_delete("u"));
    kclient_created(&c, "u", 1);
    ck_assert_int_eq(position("g", "u", 0), -1); /* it was another topic's */
}
END_TEST

/* ---- Which groups there are ---- */

static ri_kafka_list_groups_answer *list(const char *state, const char *type)
{
    KCLIENT_BLANK(list_groups_request, q);
    ri_str states[] = {ri_str_of(state ? state : "")}, types[] = {ri_str_of(type ? type : "")};
    if (state) KCLIENT_ONE(q.states_filter, states);
    if (type) KCLIENT_ONE(q.types_filter, types);
    return kclient_ask(&c, RI_KAFKA_LIST_GROUPS, 5, &q);
}

START_TEST(test_groups)
{
    kclient_created(&c, "t", 1);
    committed(8, commit_of("simple", "t", 0, 5));
    ri_str member = alone("g");
    ck_assert_uint_eq(list(NULL, NULL)->groups.len, 2);
    ri_kafka_list_groups_answer *l = list("stable", "Classic");
    ck_assert_uint_eq(l->groups.len, 1);
    ck_assert_span(l->groups.items[0].group_id, "g");
    ck_assert_span(l->groups.items[0].group_state, "Stable");
    ck_assert_span(l->groups.items[0].group_type, "classic");
    ck_assert_uint_eq(list(NULL, "consumer")->groups.len, 0);
    KCLIENT_BLANK(describe_groups_request, q);
    ri_str names[] = {RI_STR("g"), RI_STR("none"), RI_STR("simple")};
    q.groups.items = names;
    q.groups.len = 3;
    q.include_auth_ops = true;
    ri_kafka_describe_groups_answer *a = kclient_ask(&c, RI_KAFKA_DESCRIBE_GROUPS, 5, &q);
    ck_assert_span(a->groups.items[0].group_state, "Stable");
    ck_assert_span(a->groups.items[0].protocol_data, "range");
    ck_assert_uint_eq(a->groups.items[0].members.len, 1);
    ck_assert(ri_str_eq(a->groups.items[0].members.items[0].member_id, member));
    ck_assert_span(a->groups.items[0].members.items[0].client_host, "/127.0.0.1");
    ck_assert_span(a->groups.items[0].members.items[0].member_assignment, "all");
    ck_assert_int_gt(a->groups.items[0].auth_ops, 0);
    ck_assert_int_eq(a->groups.items[1].error_code, 0);
    ck_assert_span(a->groups.items[1].group_state, "Dead");
    ck_assert_span(a->groups.items[2].group_state, "Empty");
    a = kclient_ask(&c, RI_KAFKA_DESCRIBE_GROUPS, 6, &q);
    ck_assert_int_eq(a->groups.items[1].error_code, RI_GROUP_NOT_FOUND);
    KCLIENT_BLANK(delete_groups_request, d);
    d.group_names.items = names;
    d.group_names.len = 3;
    ri_kafka_delete_groups_answer *gone = kclient_ask(&c, RI_KAFKA_DELETE_GROUPS, 2, &d);
    ck_assert_int_eq(gone->results.items[0].error_code, RI_GROUP_NON_EMPTY);
    ck_assert_int_eq(gone->results.items[1].error_code, RI_GROUP_NOT_FOUND);
    ck_assert_int_eq(gone->results.items[2].error_code, 0);
    ck_assert_uint_eq(list(NULL, NULL)->groups.len, 1);
    static ri_str states[1000];
    for (int i = 0; i < 1000; i++) states[i] = RI_STR("x");
    KCLIENT_BLANK(list_groups_request, many);
    many.states_filter.items = states;
    many.states_filter.len = 1000;
    ri_kafka_list_groups_answer *refused = kclient_ask(&c, RI_KAFKA_LIST_GROUPS, 5, &many);
    ck_assert_int_eq(refused->error_code, RI_KAFKA_E_INVALID_REQUEST);
}
END_TEST

/* ---- The protocol of KIP-848 ---- */

static ri_kafka_consumer_group_heartbeat_answer *pulse(ri_str member, int32_t epoch, bool joins)
{
    static ri_str topic;
    topic = RI_STR("t");
    KCLIENT_BLANK(consumer_group_heartbeat_request, q);
    q.group_id = RI_STR("g");
    q.member_id = member;
    q.member_epoch = epoch;
    q.subscribed_topic_names.items = NULL;
    q.topic_partitions.items = NULL;
    if (joins) {
        static ri_kafka_consumer_group_heartbeat_request_topic_partition none;
        q.rebalance_timeout_ms = 60000;
        KCLIENT_ONE(q.subscribed_topic_names, &topic);
        q.topic_partitions.items = &none;
    }
    return kclient_ask(&c, RI_KAFKA_CONSUMER_GROUP_HEARTBEAT, 1, &q);
}

START_TEST(test_modern)
{
    kclient_created(&c, "t", 3);
    ri_str id = RI_STR("11111111-2222-3333-4444-555555555555");
    ri_kafka_consumer_group_heartbeat_answer *a = pulse(id, 0, true);
    ck_assert_int_eq(a->error_code, 0);
    ck_assert(ri_str_eq(a->member_id, id));
    int32_t epoch = a->member_epoch;
    for (int i = 0; i < 200 && (!a->assignment || !a->assignment->topic_partitions.len); i++) {
        a = pulse(id, epoch, true);
        ck_assert_int_eq(a->error_code, 0);
        epoch = a->member_epoch;
    }
    ck_assert_ptr_nonnull(a->assignment);
    ck_assert_uint_eq(a->assignment->topic_partitions.len, 1);
    ri_kafka_uuid t = id_of("t");
    ck_assert_mem_eq(a->assignment->topic_partitions.items[0].topic_id.bytes, t.bytes, 16);
    ck_assert_uint_eq(a->assignment->topic_partitions.items[0].partitions.len, 3);
    KCLIENT_BLANK(consumer_group_describe_request, q);
    ri_str names[] = {RI_STR("g"), RI_STR("none")};
    q.group_ids.items = names;
    q.group_ids.len = 2;
    ri_kafka_consumer_group_describe_answer *d =
        kclient_ask(&c, RI_KAFKA_CONSUMER_GROUP_DESCRIBE, 1, &q);
    const ri_kafka_consumer_group_describe_answer_member *m = d->groups.items[0].members.items;
    ck_assert_uint_eq(d->groups.items[0].members.len, 1);
    ck_assert_span(m->subscribed_topic_names.items[0], "t");
    ck_assert_int_eq(m->member_type, 1);
    ck_assert_uint_eq(m->target_assignment.topic_partitions.len, 1);
    ck_assert_span(m->target_assignment.topic_partitions.items[0].topic_name, "t");
    ck_assert_uint_eq(m->target_assignment.topic_partitions.items[0].partitions.len, 3);
    ck_assert_int_eq(m->target_assignment.topic_partitions.items[0].partitions.items[2], 2);
    ck_assert_int_eq(d->groups.items[1].error_code, RI_GROUP_NOT_FOUND);
    ck_assert_uint_eq(list(NULL, "consumer")->groups.len, 1);
    KCLIENT_BLANK(offset_fetch_request, f);
    KCLIENT_BLANK(offset_fetch_request_group, g);
    g.group_id = RI_STR("g");
    g.member_id = id;
    g.member_epoch = epoch + 9;
    g.topics.items = NULL;
    KCLIENT_ONE(f.groups, &g);
    ri_kafka_offset_fetch_answer *found = kclient_ask(&c, RI_KAFKA_OFFSET_FETCH, 9, &f);
    ck_assert_int_eq(found->groups.items[0].error_code, RI_GROUP_STALE_EPOCH);
    g.member_id = RI_STR("who");
    found = kclient_ask(&c, RI_KAFKA_OFFSET_FETCH, 9, &f);
    ck_assert_int_eq(found->groups.items[0].error_code, RI_GROUP_UNKNOWN_MEMBER);
    a = pulse(id, -1, false);
    ck_assert_int_eq(a->error_code, 0);
    ck_assert_int_eq(a->member_epoch, -1);
    a = pulse(id, 1, false);
    ck_assert_int_eq(a->error_code, RI_GROUP_UNKNOWN_MEMBER);
}
END_TEST

/* ---- A restart ---- */

START_TEST(test_restart)
{
    char dir[SCRATCH_LEN];
    stop();
    scratch_make(dir);
    start(dir);
    kclient_created(&c, "t", 1);
    committed(8, commit_of("simple", "t", 0, 42));
    ri_str member = alone("g");
    char id[128];
    snprintf(id, sizeof id, "%.*s", RI_ARG(member));
    stop();
    start(dir);
    ck_assert_int_eq(position("simple", "t", 0), 42);
    ck_assert_int_eq(beat(&c, "g", ri_str_of(id), 1), 0); /* it has a session to come back */
    stop();
    scratch_remove(dir);
    start(NULL);
}
END_TEST

int main(void)
{
    const suite_row rows[] = {SUITE_WITH(
        setup, stop, test_find, test_every_version, test_members, test_refused, test_gone,
        test_commits, test_positions, test_long_commits, test_deleted, test_groups, test_modern,
        test_restart)};
    return suite_run("kafka_groups", rows, RI_LEN(rows), CK_FORK_GETENV);
}
