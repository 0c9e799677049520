/* SPDX-License-Identifier: Apache-2.0 */
/* Groups as they look from outside, by an instance that has the group's name and is no member. The
 * requests that librdkafka has for administrators are not used for their positions: those of 2.0
 * crash when a coordinator is not there yet. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "front/peer_kafka/kafka_ask.h"

enum { KAFKA_GROUPS_MAX = 10000 }; /* of a cluster that are looked at for those of a topic */
#define KAFKA_EARLY_NS (50 * RI_MS) /* before a coordinator is asked again that is being found */

/* ---- Positions ---- */

static int kafka_visit(const ri_kafka_call *call, const char *group, rd_kafka_t **rk)
{
    ri_kafka_setting name = {"group.id", group};
    ri_kafka_peer *peer = call->peer;
    if (!peer->up) return ri_err(RILL_ECONN, "no broker of %s is to be had", peer->brokers);
    return ri_kafka_conf_new(peer, RI_KAFKA_READS, &name, 1, NULL, rk);
}

static void kafka_visit_end(const ri_kafka_call *call, rd_kafka_t *rk)
{
    call->peer->lib.destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

int ri_kafka_outside_positions(const ri_kafka_call *call, const char *group,
                               rd_kafka_topic_partition_list_t *list)
{
    const ri_kafka_lib *lib = &call->peer->lib;
    rd_kafka_t *rk;
    rd_kafka_resp_err_t err;
    int rc = kafka_visit(call, group, &rk);
    if (rc < 0) return rc;
    do {
        err = lib->committed(rk, list, ri_kafka_ask_left_ms(call));
        for (int i = 0; i < list->cnt && !err; i++) err = list->elems[i].err;
    } while (ri_kafka_ask_is_early(err) &&
             (rc = ri_kafka_ask_pause(call, KAFKA_EARLY_NS, "find a group")) == RILL_OK);
    kafka_visit_end(call, rk);
    if (rc < 0) return rc;
    return err ? ri_kafka_lib_err(lib, err, "ask for the place of the group %s", group) : RILL_OK;
}

/* How the commit ended; RD_KAFKA_RESP_ERR__TIMED_OUT: it may be done all the same. */
static rd_kafka_resp_err_t kafka_commit_once(const ri_kafka_call *call, rd_kafka_t *rk,
                                             const rd_kafka_topic_partition_list_t *list)
{
    const ri_kafka_lib *lib = &call->peer->lib;
    rd_kafka_queue_t *queue = lib->queue_new(rk);
    if (!queue) return RD_KAFKA_RESP_ERR__FAIL;
    rd_kafka_resp_err_t err = lib->commit_queue(rk, list, queue, NULL, NULL);
    rd_kafka_event_t *event = err ? NULL : lib->queue_poll(queue, ri_kafka_ask_left_ms(call));
    if (!err) err = event ? lib->event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    const rd_kafka_topic_partition_list_t *done = event ? lib->event_topic_partition_list(event)
                                                        : NULL;
    for (int i = 0; done && i < done->cnt && !err; i++) err = done->elems[i].err;
    if (event) lib->event_destroy(event);
    lib->queue_destroy(queue);
    return err;
}

static int kafka_set_err(const ri_kafka_call *call, rd_kafka_resp_err_t err, const char *group)
{
    if (!err) return RILL_OK;
    int code = ri_kafka_lib_code(err);
    if (code == RILL_EFENCED || code == RILL_EBUSY)
        return ri_err(RILL_EBUSY, "the group %s has members: its place is set when it has none, or "
                      "by rill_seek() of a member that reads all of the topic", group);
    if (code == RILL_ETIMEDOUT)
        return ri_err(RILL_EUNSURE, "set the place of the group %s: there was no answer in time",
                      group);
    return ri_kafka_lib_err(&call->peer->lib, err, "set the place of the group %s", group);
}

int ri_kafka_outside_set(const ri_kafka_call *call, const char *group,
                         const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_t *rk;
    rd_kafka_resp_err_t err;
    int rc = kafka_visit(call, group, &rk);
    if (rc < 0) return rc;
    do {
        err = kafka_commit_once(call, rk, list);
    } while (ri_kafka_ask_is_early(err) &&
             (rc = ri_kafka_ask_pause(call, KAFKA_EARLY_NS, "find a group")) == RILL_OK);
    kafka_visit_end(call, rk);
    return rc < 0 ? rc : kafka_set_err(call, err, group);
}

static bool kafka_has_place(const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++)
        if (list->elems[i].offset >= 0) return true;
    return false;
}

/* A position beyond the end of a partition must not be stored: Kafka sends a member that goes on
 * from there to the beginning. */
static int kafka_begin_at(const ri_kafka_call *call, const char *stream, const char *group,
                          const rill_at *at, rd_kafka_topic_partition_list_t *list)
{
    ri_kafka_ends ends;
    int rc = ri_kafka_place_all_ends(call, stream, list->cnt, &ends);
    if (rc < 0) return rc;
    rc = ri_kafka_place_find(call, stream, at, &ends, list);
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = ri_kafka_place_within(&ends, i, list->elems[i].offset);
    ri_kafka_place_ends_fini(call->peer, &ends);
    return rc < 0 ? rc : ri_kafka_outside_set(call, group, list);
}

int ri_kafka_outside_begin(const ri_kafka_call *call, const char *stream, const char *group,
                           int32_t n, const rill_at *at)
{
    rd_kafka_topic_partition_list_t *list = ri_kafka_place_list(call->peer, stream, n);
    if (!list) return RILL_ENOMEM;
    int rc = ri_kafka_outside_positions(call, group, list);
    bool is_new = rc == RILL_OK && !kafka_has_place(list);
    if (is_new) rc = kafka_begin_at(call, stream, group, at, list);
    call->peer->lib.topic_partition_list_destroy(list);
    return rc < 0 ? rc : is_new;
}

/* ---- Groups ---- */

/* It is there when it has answered; and there is such a group in the topic. */
static int kafka_find_coordinator(const ri_kafka_call *call, const ri_ask *ask, int32_t n)
{
    rd_kafka_topic_partition_list_t *list = ri_kafka_place_list(call->peer, ask->stream, n);
    if (!list) return RILL_ENOMEM;
    int rc = ri_kafka_outside_positions(call, ask->group, list);
    bool there = rc == RILL_OK && kafka_has_place(list);
    call->peer->lib.topic_partition_list_destroy(list);
    if (rc < 0 || there) return rc;
    return ri_err(RILL_ENOENT, "there is no group %s that reads %s", ask->group, ask->stream);
}

int ri_kafka_outside_delete(const ri_kafka_call *call, const ri_ask *ask)
{
    const ri_kafka_lib *lib = &call->peer->lib;
    ri_kafka_admin admin;
    size_t n = 0;
    int32_t partitions;
    int rc = ri_kafka_place_count(call, ask->stream, &partitions);
    if (rc == RILL_OK) rc = kafka_find_coordinator(call, ask, partitions);
    if (rc < 0) return rc;
    rd_kafka_DeleteGroup_t *group = lib->DeleteGroup_new(ask->group);
    if (!group) return ri_err_nomem(0);
    rc = ri_kafka_ask_begin(&admin, call, RD_KAFKA_ADMIN_OP_DELETEGROUPS);
    if (rc == RILL_OK) {
        lib->DeleteGroups(call->peer->rk, &group, 1, admin.options, admin.queue);
        rc = ri_kafka_ask_await(&admin, "delete a group");
        const rd_kafka_group_result_t **results =
            rc == RILL_OK ? lib->DeleteGroups_result_groups(
                                lib->event_DeleteGroups_result(admin.event), &n) : NULL;
        if (rc == RILL_OK) rc = ri_kafka_ask_group_result(&admin, results, n, "delete a group");
        ri_kafka_ask_end(&admin);
    }
    lib->DeleteGroup_destroy(group);
    if (rc == RILL_ENOENT) return ri_err(rc, "there is no group %s", ask->group);
    return rc;
}

/* What the readers of this handle know of themselves: where they are, and what is not settled. */
static bool kafka_status_own(const ri_kafka_call *call, const ri_ask *ask,
                             rd_kafka_topic_partition_list_t *list)
{
    ri_kafka_peer *peer = call->peer;
    bool found = false;
    const ri_kafka_reader *before = NULL;
    ri_broker_enter(peer->bus.broker);
    for (ri_kafka_reader *reader;
         (reader = ri_kafka_read_named(peer, ask->stream, ask->group, before)); before = reader) {
        found = true;
        ask->out.group->unacked_msgs += reader->unsettled;
        for (int i = 0; i < list->cnt; i++) {
            const ri_kafka_place *place = ri_kafka_read_place(reader, list->elems[i].partition);
            bool known = place && (place->next > 0 || !reader->member);
            if (known) list->elems[i].offset = place->next;
        }
    }
    ri_broker_leave(peer->bus.broker);
    return found;
}

static int kafka_status_lag(const ri_kafka_call *call, const char *stream, rill_group_info *out,
                            const rd_kafka_topic_partition_list_t *list)
{
    ri_kafka_ends ends;
    int behind = -1;
    int rc = ri_kafka_place_all_ends(call, stream, list->cnt, &ends);
    if (rc < 0) return rc;
    for (int i = 0; i < list->cnt; i++) {
        int64_t at = ri_kafka_place_within(&ends, i, list->elems[i].offset);
        int64_t high = ends.high->elems[i].offset;
        if (high > at && behind < 0) behind = i;
        out->lag_msgs += (uint64_t)(high - at);
    }
    ri_kafka_place_ends_fini(call->peer, &ends);
    rill_msg *m;
    if (behind < 0 || ri_kafka_place_get(call, stream, list->elems[behind].partition,
                                         list->elems[behind].offset, &m) < 0) return RILL_OK;
    out->lag_ns = RI_MAX(ri_ns_sub(ri_wall_ns(&call->peer->bus.host), m->time_ns), 0);
    ri_bus_msg_unref(m);
    return RILL_OK;
}

int ri_kafka_outside_status(const ri_kafka_call *call, const ri_ask *ask)
{
    int32_t n;
    rill_group_info *out = ask->out.group;
    RI_ASSERT(out && ask->group);
    int rc = ri_kafka_place_count(call, ask->stream, &n);
    if (rc < 0) return rc;
    rd_kafka_topic_partition_list_t *list = ri_kafka_place_list(call->peer, ask->stream, n);
    if (!list) return RILL_ENOMEM;
    bool alone = ask->group[0] == '~';
    if (!alone) rc = ri_kafka_outside_positions(call, ask->group, list);
    bool placed = rc == RILL_OK && kafka_has_place(list);
    if (placed && list->elems[0].offset > 0)
        out->settled_seq = out->delivered_seq = (uint64_t)list->elems[0].offset;
    bool own = kafka_status_own(call, ask, list);
    if (rc == RILL_OK && !placed && !own)
        rc = ri_err(RILL_ENOENT, "there is no group %s that reads %s", ask->group, ask->stream);
    if (rc == RILL_OK) rc = kafka_status_lag(call, ask->stream, out, list);
    call->peer->lib.topic_partition_list_destroy(list);
    return rc;
}

static int kafka_compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Those that have a place in the topic, of all that the cluster has. */
static int kafka_names_fill(const ri_kafka_call *call, const ri_ask *ask, int32_t n,
                            const char **names, size_t count)
{
    int rc = RILL_OK;
    qsort(names, count, sizeof *names, kafka_compare_names);
    for (size_t i = 0; i < count && rc == RILL_OK; i++) {
        rd_kafka_topic_partition_list_t *list = ri_kafka_place_list(call->peer, ask->stream, n);
        if (!list) return RILL_ENOMEM;
        rc = ri_kafka_outside_positions(call, names[i], list);
        if (rc == RILL_OK && kafka_has_place(list))
            ri_buffer_put(ask->out.names, names[i], strlen(names[i]) + 1);
        call->peer->lib.topic_partition_list_destroy(list);
    }
    return rc;
}

static int kafka_names_some(const ri_kafka_call *call, const ri_ask *ask, int32_t n,
                            const rd_kafka_ConsumerGroupListing_t **found, size_t count)
{
    if (count > KAFKA_GROUPS_MAX)
        return ri_err(RILL_ENOTSUP, "the cluster has %zu groups, more than %d", count,
                      KAFKA_GROUPS_MAX);
    size_t size = ri_size_mul(count, sizeof(char *));
    const char **names = ri_alloc(&call->peer->bus.host, size);
    if (count && !names) return RILL_ENOMEM;
    for (size_t i = 0; i < count; i++)
        names[i] = call->peer->lib.ConsumerGroupListing_group_id(found[i]);
    int rc = count ? kafka_names_fill(call, ask, n, names, count) : RILL_OK;
    ri_free(&call->peer->bus.host, names, size);
    return rc;
}

int ri_kafka_outside_names(const ri_kafka_call *call, const ri_ask *ask)
{
    const ri_kafka_lib *lib = &call->peer->lib;
    ri_kafka_admin admin;
    int32_t n;
    size_t count = 0;
    RI_ASSERT(ri_buffer_is_sound(ask->out.names));
    int rc = ri_kafka_place_count(call, ask->stream, &n);
    if (rc == RILL_OK)
        rc = ri_kafka_ask_begin(&admin, call, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS);
    if (rc < 0) return rc;
    lib->ListConsumerGroups(call->peer->rk, admin.options, admin.queue);
    rc = ri_kafka_ask_await(&admin, "list the groups");
    const rd_kafka_ConsumerGroupListing_t **found =
        rc == RILL_OK ? lib->ListConsumerGroups_result_valid(
                            lib->event_ListConsumerGroups_result(admin.event), &count) : NULL;
    if (rc == RILL_OK) rc = kafka_names_some(call, ask, n, found, count);
    ri_kafka_ask_end(&admin);
    return rc;
}
