/* SPDX-License-Identifier: Apache-2.0 */
/* Who reads a topic: alone, from a place of its own, or as a member of a group, whose place the
 * cluster keeps; and groups as they look from outside. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/deadline.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/subject/subject.h"
#include "front/peer_kafka/kafka_ask.h"

enum { KAFKA_GROUPS_MAX = 10000 }; /* of a cluster that are looked at for those of a topic */

/* ---- What a reader may ask for ---- */

static const char *kafka_not_kept(const rill_sub_opts *opts)
{
    if (opts->ack_wait_ms) return "ack_wait_ms: a message comes again when its member has left";
    if (opts->max_deliveries) return "max_deliveries: Kafka counts no deliveries";
    if (opts->nbackoff) return "backoff_ms: Kafka puts no message off";
    if (opts->dead_letters) return "dead_letters: Kafka counts no deliveries";
    if (opts->inactive_ms) return "inactive_ms: a group's place ends by the cluster's "
                                  "offsets.retention.minutes";
    if (opts->headers_only) return "headers_only: Kafka sends records whole";
    return opts->original_speed ? "original_speed" : NULL;
}

static int kafka_may_join(const ri_ask *ask)
{
    const ri_consumer_conf *conf = &ask->draft->request.conf;
    const char *not_kept = kafka_not_kept(ask->draft->opts);
    ri_str topic = ri_str_of(ask->stream), filter = conf->filter_subject;
    if (not_kept)
        return ri_err(RILL_ENOTSUP, "Kafka has no such option for a reader: %s", not_kept);
    bool all = filter.len == 0 && conf->filter_subjects.len == 0;
    if (filter.len) all = ri_subject_match(filter, topic);
    for (uint32_t i = 0; i < conf->filter_subjects.len; i++)
        all = all || ri_subject_match(conf->filter_subjects.items[i], topic);
    if (all) return RILL_OK;
    return ri_err(RILL_ENOTSUP, "filter: the subject of a topic is its name, %s", ask->stream);
}

static rill_at kafka_wanted_place(const rill_sub_opts *opts)
{
    return (rill_at){.from = opts->from, .seq = opts->from_seq, .time_ns = opts->from_time_ns};
}

/* ---- Positions of a group, from outside ----
 *
 * By an instance that has the group's name and is no member. The requests that librdkafka has for
 * administrators are not used: those of 2.0 crash when a coordinator is not there yet. */

static int kafka_visit(ri_kafka_peer *peer, const char *group, rd_kafka_t **rk)
{
    ri_kafka_setting name = {"group.id", group};
    if (!peer->up) return ri_err(RILL_ECONN, "no broker of %s is to be had", peer->brokers);
    return ri_kafka_conf_new(peer, RI_KAFKA_READS, &name, 1, NULL, rk);
}

/* In each partition, as `list` comes back; RD_KAFKA_OFFSET_INVALID: none. */
static int kafka_positions(ri_kafka_peer *peer, const char *group,
                           rd_kafka_topic_partition_list_t *list)
{
    const ri_kafka_lib *lib = &peer->lib;
    rd_kafka_t *rk;
    int rc = kafka_visit(peer, group, &rk);
    if (rc < 0) return rc;
    rd_kafka_resp_err_t err = lib->committed(rk, list, ri_kafka_peer_answer_ms(peer));
    for (int i = 0; i < list->cnt && !err; i++) err = list->elems[i].err;
    lib->destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return err ? ri_kafka_lib_err(lib, err, "ask for the place of the group %s", group) : RILL_OK;
}

/* RILL_EBUSY: the group has members. */
static int kafka_positions_set(ri_kafka_peer *peer, const char *group,
                               const rd_kafka_topic_partition_list_t *list)
{
    const ri_kafka_lib *lib = &peer->lib;
    rd_kafka_t *rk;
    int rc = kafka_visit(peer, group, &rk);
    if (rc < 0) return rc;
    rd_kafka_resp_err_t err = lib->commit(rk, list, 0);
    lib->destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    if (err) rc = ri_kafka_lib_err(lib, err, "set the place of the group %s", group);
    if (rc != RILL_EFENCED && rc != RILL_EBUSY) return rc;
    return ri_err(RILL_EBUSY, "the group %s has members: its place is set when it has none, or by "
                  "rill_seek() of a member that reads all of the topic", group);
}

static rd_kafka_topic_partition_list_t *kafka_list(ri_kafka_peer *peer, const char *stream,
                                                   int32_t n)
{
    rd_kafka_topic_partition_list_t *list = peer->lib.topic_partition_list_new(n);
    for (int32_t i = 0; list && i < n; i++)
        peer->lib.topic_partition_list_add(list, stream, i)->offset = RD_KAFKA_OFFSET_INVALID;
    if (!list) ri_err_nomem(0);
    return list;
}

static int kafka_find_all(ri_kafka_peer *peer, const char *stream, const rill_at *at,
                          rd_kafka_topic_partition_list_t *list)
{
    int rc = RILL_OK;
    for (int i = 0; i < list->cnt && rc == RILL_OK; i++)
        rc = ri_kafka_place_find(peer, stream, list->elems[i].partition, at,
                                 &list->elems[i].offset);
    return rc;
}

/* A position beyond the end of a partition must not be stored: Kafka sends a member that goes on
 * from there to the beginning. */
static int kafka_clamp_all(ri_kafka_peer *peer, const char *stream,
                           rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        int64_t low, high;
        int rc = ri_kafka_place_ends(peer, stream, list->elems[i].partition, &low, &high);
        if (rc < 0) return rc;
        list->elems[i].offset = RI_MIN(RI_MAX(list->elems[i].offset, low), high);
    }
    return RILL_OK;
}

static bool kafka_has_place(const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++)
        if (list->elems[i].offset >= 0) return true;
    return false;
}

/* A group that is nowhere in the topic begins there: 1; 0: it has a place. */
static int kafka_place_new_group(ri_kafka_peer *peer, const char *stream, const char *group,
                                 int32_t n, const rill_at *at)
{
    rd_kafka_topic_partition_list_t *list = kafka_list(peer, stream, n);
    if (!list) return RILL_ENOMEM;
    int rc = kafka_positions(peer, group, list);
    bool is_new = rc == RILL_OK && !kafka_has_place(list);
    if (is_new) rc = kafka_find_all(peer, stream, at, list);
    if (is_new && rc == RILL_OK) rc = kafka_clamp_all(peer, stream, list);
    if (is_new && rc == RILL_OK) rc = kafka_positions_set(peer, group, list);
    peer->lib.topic_partition_list_destroy(list);
    return rc < 0 ? rc : is_new;
}

/* ---- Joining ---- */

static int kafka_start_alone(ri_kafka_reader *reader, int32_t n, const rill_at *at,
                             uint64_t *pending)
{
    ri_kafka_peer *peer = reader->peer;
    const ri_kafka_lib *lib = &peer->lib;
    RI_ASSERT(!reader->member && reader->nplaces == 0);
    reader->topic = lib->topic_new(reader->rk, reader->stream, NULL);
    reader->queue = lib->queue_new(reader->rk);
    if (!reader->topic || !reader->queue) return ri_err_nomem(0);
    lib->queue_cb_event_enable(reader->queue, ri_kafka_peer_ready, peer);
    for (int32_t i = 0; i < n; i++) {
        int64_t low, high, offset;
        ri_kafka_place *place = ri_kafka_read_place_add(reader, i);
        int rc = place ? ri_kafka_place_find(peer, reader->stream, i, at, &offset) : RILL_ENOMEM;
        if (rc == RILL_OK) rc = ri_kafka_place_ends(peer, reader->stream, i, &low, &high);
        if (rc < 0) return rc;
        place->next = offset;
        offset = RI_MIN(RI_MAX(offset, low), high); /* what is before `next` is passed over */
        place->seen = offset;
        *pending += (uint64_t)(high - offset);
        if (lib->consume_start_queue(reader->topic, i, offset, reader->queue))
            return ri_kafka_lib_err(lib, lib->last_error(), "read %s", reader->stream);
    }
    return RILL_OK;
}

static int kafka_start_member(ri_kafka_reader *reader)
{
    ri_kafka_peer *peer = reader->peer;
    const ri_kafka_lib *lib = &peer->lib;
    RI_ASSERT(reader->member && reader->name[0]);
    reader->queue = lib->queue_get_consumer(reader->rk);
    reader->commit_queue = lib->queue_new(reader->rk);
    rd_kafka_topic_partition_list_t *list = lib->topic_partition_list_new(1);
    if (!reader->queue || !reader->commit_queue || !list) return ri_err_nomem(0);
    lib->queue_cb_event_enable(reader->queue, ri_kafka_peer_ready, peer);
    lib->queue_cb_event_enable(reader->commit_queue, ri_kafka_peer_ready, peer);
    lib->topic_partition_list_add(list, reader->stream, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t err = lib->subscribe(reader->rk, list);
    lib->topic_partition_list_destroy(list);
    return err ? ri_kafka_lib_err(lib, err, "join the group %s", reader->name) : RILL_OK;
}

static int kafka_start_reader(ri_kafka_reader *reader, const ri_ask *ask, int32_t n,
                              uint64_t *pending)
{
    ri_kafka_peer *peer = reader->peer;
    const rill_sub_opts *opts = ask->draft->opts;
    rill_at at = kafka_wanted_place(opts);
    if (!opts->group) {
        int rc = ri_kafka_conf_new(peer, RI_KAFKA_READS, NULL, 0, reader, &reader->rk);
        return rc < 0 ? rc : kafka_start_alone(reader, n, &at, pending);
    }
    ri_kafka_setting group = {"group.id", opts->group};
    snprintf(reader->name, sizeof reader->name, "%s", opts->group);
    int rc = opts->from == RILL_FROM_FIRST
                 ? RILL_OK : kafka_place_new_group(peer, ask->stream, opts->group, n, &at);
    if (rc >= 0) rc = ri_kafka_conf_new(peer, RI_KAFKA_COMMITS, &group, 1, reader, &reader->rk);
    return rc < 0 ? rc : kafka_start_member(reader);
}

/* Inside the gate, which it leaves: nobody turns for one more reader. */
static int kafka_join_late(ri_kafka_reader *reader)
{
    ri_broker_leave(reader->peer->bus.broker);
    ri_kafka_read_free(reader);
    return ri_err(RILL_ECLOSED, "the bus is closed");
}

int ri_kafka_join(ri_kafka_peer *peer, const ri_ask *ask)
{
    const ri_consumer_conf *conf = &ask->draft->request.conf;
    int32_t n;
    uint64_t pending = 0;
    RI_ASSERT(ask->out.joined && ask->draft->opts);
    int rc = kafka_may_join(ask);
    if (rc == RILL_OK) rc = ri_kafka_place_count(peer, ask->stream, &n);
    if (rc < 0) return rc;
    ri_kafka_reader *reader = ri_kafka_read_new(peer, ask->stream);
    if (!reader) return RILL_ENOMEM;
    reader->member = ask->draft->opts->group != NULL;
    reader->acks = !ask->draft->tail && conf->ack_policy != RI_ACK_NONE;
    reader->upto = conf->ack_policy == RI_ACK_ALL;
    reader->unsettled_max = (uint32_t)RI_MIN(RI_MAX(conf->max_ack_pending, 1), UINT32_MAX);
    rc = kafka_start_reader(reader, ask, n, &pending);
    if (rc < 0) {
        ri_failure failure; /* the sentence outlives what follows */
        ri_failure_keep(&failure, rc);
        ri_kafka_read_free(reader);
        return ri_failure_restore(&failure);
    }
    ri_broker_enter(peer->bus.broker);
    if (peer->closing) return kafka_join_late(reader);
    ri_kafka_read_add(reader);
    *ask->out.joined = (ri_ask_joined){.acks = reader->acks,
                                       .exact = reader->member && !reader->acks,
                                       .max_unacked = conf->max_ack_pending,
                                       .window = RI_KAFKA_WINDOW, .pending = pending,
                                       .reader = reader->number};
    memcpy(ask->out.joined->name, reader->name, sizeof reader->name);
    ri_broker_leave(peer->bus.broker);
    ri_kafka_peer_call(peer);
    return RILL_OK;
}

/* ---- Seeking ---- */

/* Outside the gate: nothing is delivered, and nothing is being taken, until kafka_seek_end(). */
static ri_kafka_reader *kafka_seek_begin(ri_kafka_peer *peer, const ri_ask *ask)
{
    ri_broker_enter(peer->bus.broker);
    ri_kafka_reader *reader = ri_kafka_read_find(peer, ask->sub->consumer->reader);
    bool busy = reader && (reader->seeking || reader->leaving);
    if (reader && !busy) reader->seeking = true;
    ri_broker_leave(peer->bus.broker);
    if (!reader || busy) {
        ri_err(busy ? RILL_EBUSY : RILL_ECLOSED, busy ? "the reader seeks" : "the reader is gone");
        return NULL;
    }
    while (reader->taking) {
        uint32_t seen = ri_park_count(&peer->work);
        if (reader->taking) ri_park_wait(&peer->work, seen, RI_MS);
    }
    return reader;
}

static void kafka_seek_end(ri_kafka_reader *reader, const rd_kafka_topic_partition_list_t *list,
                           rill_sub *sub)
{
    ri_kafka_peer *peer = reader->peer;
    RI_ASSERT(reader->seeking && !reader->taking);
    ri_broker_enter(peer->bus.broker);
    for (int i = 0; list && i < list->cnt; i++) {
        ri_kafka_place *place = ri_kafka_read_place(reader, list->elems[i].partition);
        if (!place) continue;
        ri_kafka_group_place_moved(reader, place, list->elems[i].offset);
    }
    if (list) reader->epoch++;
    if (list && !reader->leaving) ri_bus_consume_skip(sub); /* else the reader is being closed */
    reader->seeking = false;
    ri_broker_leave(peer->bus.broker);
    ri_kafka_peer_call(peer);
}

/* The reader goes on at `offset`, and passes over all before `wish`, which may be beyond the end of
 * the partition. */
static void kafka_seek_wish(ri_kafka_reader *reader, int32_t partition, int64_t offset,
                            int64_t wish)
{
    ri_broker_enter(reader->peer->bus.broker);
    ri_kafka_place *place = ri_kafka_read_place(reader, partition);
    if (place) place->next = wish;
    if (place) place->seen = offset;
    ri_broker_leave(reader->peer->bus.broker);
}

/* The offsets that are beyond the end of their partitions become those ends: for librdkafka, and as
 * positions of the group. */
static int kafka_seek_to(ri_kafka_reader *reader, rd_kafka_topic_partition_list_t *list)
{
    const ri_kafka_lib *lib = &reader->peer->lib;
    int ms = ri_kafka_peer_answer_ms(reader->peer);
    for (int i = 0; i < list->cnt; i++) {
        int64_t low, high;
        int32_t partition = list->elems[i].partition;
        int rc = ri_kafka_place_ends(reader->peer, reader->stream, partition, &low, &high);
        if (rc < 0) return rc;
        int64_t offset = RI_MIN(RI_MAX(list->elems[i].offset, low), high);
        rd_kafka_topic_t *topic = reader->topic ? reader->topic
                                                : lib->topic_new(reader->rk, reader->stream, NULL);
        rd_kafka_resp_err_t err = topic ? lib->seek(topic, partition, offset, ms)
                                        : RD_KAFKA_RESP_ERR__FAIL;
        if (topic && !reader->topic) lib->topic_destroy(topic);
        if (err) return ri_kafka_lib_err(lib, err, "seek in %s", reader->stream);
        kafka_seek_wish(reader, partition, offset, list->elems[i].offset);
        list->elems[i].offset = offset;
    }
    return RILL_OK;
}

/* The partitions that the call is about: of a number that one, else all. */
static rd_kafka_topic_partition_list_t *kafka_seek_list(ri_kafka_peer *peer, const ri_ask *ask,
                                                        int32_t n)
{
    if (ask->at->from != RILL_FROM_SEQ) return kafka_list(peer, ask->stream, n);
    rd_kafka_topic_partition_list_t *list = peer->lib.topic_partition_list_new(1);
    if (list) peer->lib.topic_partition_list_add(list, ask->stream, (int32_t)ask->at->partition);
    if (!list) ri_err_nomem(0);
    return list;
}

static int kafka_seek_reader(ri_kafka_peer *peer, const ri_ask *ask,
                             rd_kafka_topic_partition_list_t *list)
{
    ri_kafka_reader *reader = kafka_seek_begin(peer, ask);
    if (!reader) return RILL_ECLOSED;
    int rc = RILL_OK;
    ri_broker_enter(peer->bus.broker);
    for (int i = 0; i < list->cnt && rc == RILL_OK; i++)
        if (!ri_kafka_read_place(reader, list->elems[i].partition))
            rc = ri_err(RILL_EBUSY, "partition %d of %s is another member's, or nobody's yet",
                        list->elems[i].partition, ask->stream);
    ri_broker_leave(peer->bus.broker);
    if (rc == RILL_OK) rc = kafka_seek_to(reader, list);
    kafka_seek_end(reader, rc == RILL_OK ? list : NULL, ask->sub);
    return rc;
}

int ri_kafka_join_seek(ri_kafka_peer *peer, const ri_ask *ask)
{
    int32_t n;
    RI_ASSERT(ask->at);
    int rc = ri_kafka_place_count(peer, ask->stream, &n);
    if (rc < 0) return rc;
    if (ask->at->partition >= (uint32_t)n)
        return ri_err(RILL_ENOENT, "%s has %d partitions", ask->stream, n);
    rd_kafka_topic_partition_list_t *list = kafka_seek_list(peer, ask, n);
    if (!list) return RILL_ENOMEM;
    rc = kafka_find_all(peer, ask->stream, ask->at, list);
    if (rc == RILL_OK && !ask->sub) rc = kafka_clamp_all(peer, ask->stream, list);
    if (rc == RILL_OK)
        rc = ask->sub ? kafka_seek_reader(peer, ask, list)
                      : kafka_positions_set(peer, ask->group, list);
    peer->lib.topic_partition_list_destroy(list);
    return rc;
}

/* ---- Groups from outside ---- */

int ri_kafka_join_ensure(ri_kafka_peer *peer, const ri_ask *ask)
{
    int32_t n;
    rill_at at = kafka_wanted_place(ask->draft->opts);
    int rc = kafka_may_join(ask);
    if (rc == RILL_OK) rc = ri_kafka_place_count(peer, ask->stream, &n);
    return rc < 0 ? rc : kafka_place_new_group(peer, ask->stream, ask->draft->opts->group, n, &at);
}

/* It is there when it has answered; and there is such a group in the topic. */
static int kafka_find_coordinator(ri_kafka_peer *peer, const ri_ask *ask, int32_t n)
{
    rd_kafka_topic_partition_list_t *list = kafka_list(peer, ask->stream, n);
    if (!list) return RILL_ENOMEM;
    int rc = kafka_positions(peer, ask->group, list);
    bool there = rc == RILL_OK && kafka_has_place(list);
    peer->lib.topic_partition_list_destroy(list);
    if (rc < 0 || there) return rc;
    return ri_err(RILL_ENOENT, "there is no group %s that reads %s", ask->group, ask->stream);
}

int ri_kafka_join_delete(ri_kafka_peer *peer, const ri_ask *ask)
{
    const ri_kafka_lib *lib = &peer->lib;
    ri_kafka_admin admin;
    size_t n = 0;
    int32_t partitions;
    int rc = ri_kafka_place_count(peer, ask->stream, &partitions);
    if (rc == RILL_OK) rc = kafka_find_coordinator(peer, ask, partitions);
    if (rc < 0) return rc;
    rd_kafka_DeleteGroup_t *group = lib->DeleteGroup_new(ask->group);
    if (!group) return ri_err_nomem(0);
    rc = ri_kafka_ask_begin(&admin, peer, RD_KAFKA_ADMIN_OP_DELETEGROUPS);
    if (rc == RILL_OK) {
        lib->DeleteGroups(peer->rk, &group, 1, admin.options, admin.queue);
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
static bool kafka_status_own(ri_kafka_peer *peer, const ri_ask *ask,
                             rd_kafka_topic_partition_list_t *list)
{
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

static int kafka_status_lag(ri_kafka_peer *peer, const char *stream, rill_group_info *out,
                            const rd_kafka_topic_partition_list_t *list)
{
    int rc = RILL_OK, behind = -1;
    for (int i = 0; i < list->cnt && rc == RILL_OK; i++) {
        int64_t low, high, at = list->elems[i].offset;
        rc = ri_kafka_place_ends(peer, stream, list->elems[i].partition, &low, &high);
        if (rc < 0) return rc;
        at = RI_MIN(RI_MAX(at, low), high);
        if (high > at && behind < 0) behind = i;
        out->lag_msgs += (uint64_t)(high - at);
    }
    rill_msg *m;
    if (behind < 0 || ri_kafka_place_get(peer, stream, list->elems[behind].partition,
                                         list->elems[behind].offset, &m) < 0) return RILL_OK;
    out->lag_ns = RI_MAX(ri_ns_sub(ri_wall_ns(&peer->bus.host), m->time_ns), 0);
    ri_bus_msg_unref(m);
    return RILL_OK;
}

int ri_kafka_join_status(ri_kafka_peer *peer, const ri_ask *ask)
{
    int32_t n;
    rill_group_info *out = ask->out.group;
    RI_ASSERT(out && ask->group);
    int rc = ri_kafka_place_count(peer, ask->stream, &n);
    if (rc < 0) return rc;
    rd_kafka_topic_partition_list_t *list = kafka_list(peer, ask->stream, n);
    if (!list) return RILL_ENOMEM;
    bool alone = ask->group[0] == '~';
    if (!alone) rc = kafka_positions(peer, ask->group, list);
    bool placed = rc == RILL_OK && kafka_has_place(list);
    if (placed && list->elems[0].offset > 0)
        out->settled_seq = out->delivered_seq = (uint64_t)list->elems[0].offset;
    bool own = kafka_status_own(peer, ask, list);
    if (rc == RILL_OK && !placed && !own)
        rc = ri_err(RILL_ENOENT, "there is no group %s that reads %s", ask->group, ask->stream);
    if (rc == RILL_OK) rc = kafka_status_lag(peer, ask->stream, out, list);
    peer->lib.topic_partition_list_destroy(list);
    return rc;
}

static int kafka_compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Those that have a place in the topic, of all that the cluster has. */
static int kafka_names_fill(ri_kafka_peer *peer, const ri_ask *ask, int32_t n,
                            const char **names, size_t count)
{
    int rc = RILL_OK;
    qsort(names, count, sizeof *names, kafka_compare_names);
    for (size_t i = 0; i < count && rc == RILL_OK; i++) {
        rd_kafka_topic_partition_list_t *list = kafka_list(peer, ask->stream, n);
        if (!list) return RILL_ENOMEM;
        rc = kafka_positions(peer, names[i], list);
        if (rc == RILL_OK && kafka_has_place(list))
            ri_buffer_put(ask->out.names, names[i], strlen(names[i]) + 1);
        peer->lib.topic_partition_list_destroy(list);
    }
    return rc;
}

static int kafka_names_some(ri_kafka_peer *peer, const ri_ask *ask, int32_t n,
                            const rd_kafka_ConsumerGroupListing_t **found, size_t count)
{
    if (count > KAFKA_GROUPS_MAX)
        return ri_err(RILL_ENOTSUP, "the cluster has %zu groups, more than %d", count,
                      KAFKA_GROUPS_MAX);
    size_t size = ri_size_mul(count, sizeof(char *));
    const char **names = ri_alloc(&peer->bus.host, size);
    if (count && !names) return RILL_ENOMEM;
    for (size_t i = 0; i < count; i++)
        names[i] = peer->lib.ConsumerGroupListing_group_id(found[i]);
    int rc = count ? kafka_names_fill(peer, ask, n, names, count) : RILL_OK;
    ri_free(&peer->bus.host, names, size);
    return rc;
}

int ri_kafka_join_names(ri_kafka_peer *peer, const ri_ask *ask)
{
    const ri_kafka_lib *lib = &peer->lib;
    ri_kafka_admin admin;
    int32_t n;
    size_t count = 0;
    RI_ASSERT(ri_buffer_is_sound(ask->out.names));
    int rc = ri_kafka_place_count(peer, ask->stream, &n);
    if (rc == RILL_OK)
        rc = ri_kafka_ask_begin(&admin, peer, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS);
    if (rc < 0) return rc;
    lib->ListConsumerGroups(peer->rk, admin.options, admin.queue);
    rc = ri_kafka_ask_await(&admin, "list the groups");
    const rd_kafka_ConsumerGroupListing_t **found =
        rc == RILL_OK ? lib->ListConsumerGroups_result_valid(
                            lib->event_ListConsumerGroups_result(admin.event), &count) : NULL;
    if (rc == RILL_OK) rc = kafka_names_some(peer, ask, n, found, count);
    ri_kafka_ask_end(&admin);
    return rc;
}
