/* SPDX-License-Identifier: Apache-2.0 */
/* A topic, or more partitions of one, that is being made: stream by stream, in slices of the turns
 * of whoever wants it.
 *
 *     CreateTopics, CreatePartitions, Metadata      the door
 *     begin --> some, some, some --> end
 *                     |
 *                     +-- the client has gone --> leave --> step, step, step
 *                     |
 *                     +-- the broker closes --> finish, finish
 *
 * All of its partitions come to be, or none. They are made from the last one down, so that nobody
 * sees any of them, and nobody can write to them, before the lowest is there: a topic is found by
 * its partition 0, and its partitions are counted from there on. If one cannot be made those above
 * it go again. What a power cut has left of them is the same as what is asked for when the client
 * asks again, and so is taken. It owns what it knows of the topic, so that it comes to its end
 * without its client, too. */
#include "base/assert.h"
#include "base/error.h"
#include "codec/limits.h"
#include "codec/subject/subject.h"
#include "codec/topic.h"
#include "front/broker/durable.h"
#include "front/kafka/kafka_configs.h"
#include "front/kafka/kafka_serve.h"

enum { KAFKA_MAKING_UNITS = 50 }; /* of the turn, for a stream that is made */

/* ---- One stream ---- */

static ri_js *kafka_making_js(const ri_kafka_making *m)
{
    RI_ASSERT(m->server->broker->durable);
    return ri_durable_js(m->server->broker->durable);
}

static bool kafka_making_find(const ri_kafka_making *m, ri_kafka_topic *out)
{
    return ri_kafka_catalog_find(kafka_making_js(m), m->name, out);
}

/* The stream of that name, whatever it takes; NULL: there is none, or no memory. */
static ri_stream *kafka_making_stream(const ri_kafka_making *m, int32_t index)
{
    ri_buffer name;
    ri_buffer_init(&name, &m->server->broker->host);
    ri_kafka_catalog_put_stream(m->name, index, &name);
    ri_stream *stream = name.failed ? NULL : ri_js_stream(kafka_making_js(m),
                                                          ri_buffer_str(&name));
    ri_buffer_fini(&name);
    return stream;
}

/* Partition 0 may take another subject than the topic's name, if a program has made it: then the
 * others take theirs below that one. */
static void kafka_making_put_subject(const ri_kafka_making *m, int32_t index, ri_strs first,
                                     ri_buffer *out)
{
    if (first.len == 1 && ri_subject_is_literal(first.items[0]))
        ri_topic_put(first.items[0], RI_TOPIC_SUBJECT, (uint32_t)index, out);
    else
        ri_kafka_catalog_put_subject(m->name, index, out);
}

static int kafka_making_names(const ri_kafka_making *m, int32_t index, ri_arena *arena,
                              ri_stream_conf *conf)
{
    ri_buffer text;
    ri_buffer_init(&text, arena->host);
    ri_kafka_catalog_put_stream(m->name, index, &text);
    size_t len = text.len;
    kafka_making_put_subject(m, index, conf->subjects, &text);
    char *names = text.failed ? NULL : ri_arena_copy(arena, text.ptr, text.len);
    ri_str *subject = ri_arena_alloc(arena, sizeof *subject);
    if (names && subject) {
        conf->name = (ri_str){names, len};
        *subject = (ri_str){names + len, text.len - len};
        conf->subjects = (ri_strs){subject, 1};
    }
    ri_buffer_fini(&text);
    return names && subject ? RILL_OK : RILL_ENOMEM;
}

/* A new topic is as its settings say; more partitions of one are as its first, in all but the name
 * and the subject. */
static int kafka_making_conf(const ri_kafka_making *m, int32_t index, ri_arena *arena,
                             ri_stream_conf *conf)
{
    ri_kafka_topic topic;
    if (m->from > 0) {
        if (!kafka_making_find(m, &topic)) return ri_err(RILL_ENOENT, "the topic is not there");
        *conf = *ri_stream_conf_of(topic.stream);
        conf->first_seq = 0;
        return kafka_making_names(m, index, arena, conf);
    }
    conf->storage = ri_durable_has_disk(m->server->broker->durable) ? RI_STORE_FILE
                                                                    : RI_STORE_MEMORY;
    conf->num_replicas = 1;
    int rc = kafka_making_names(m, index, arena, conf);
    return rc < 0 ? rc
                  : ri_kafka_configs_apply(m->settings, m->nsettings, m->name, arena, conf);
}

/* What the engine says of a stream that it does not make, as Kafka's code. */
static ri_kafka_error kafka_making_refused(int rc, const ri_js_error *e)
{
    if (rc == RILL_ENOMEM || rc == RILL_EIO || rc == RILL_EFULL) return RI_KAFKA_E_STORAGE;
    if (e->err_code == RI_JS_STREAM_NAME_EXIST) return RI_KAFKA_E_TOPIC_EXISTS;
    if (e->err_code == RI_JS_STREAM_SUBJECT_OVERLAP) return RI_KAFKA_E_INVALID_TOPIC;
    return RI_KAFKA_E_POLICY;
}

static ri_kafka_error kafka_making_one(const ri_kafka_making *m, int32_t index)
{
    ri_js_stream_request request = {0};
    ri_stream *stream;
    ri_js_error e = {0};
    ri_arena arena;
    ri_arena_init(&arena, &m->server->broker->host);
    int rc = kafka_making_conf(m, index, &arena, &request.conf);
    if (rc == RILL_OK) rc = ri_stream_create(kafka_making_js(m), &request, &stream, &e);
    ri_arena_fini(&arena);
    return rc == RILL_OK ? RI_KAFKA_E_NONE : kafka_making_refused(rc, &e);
}

/* The lowest that was made goes again: one below it cannot be. */
static void kafka_making_undo(ri_kafka_making *m)
{
    RI_ASSERT(m->error && m->at < m->partitions);
    ri_stream *stream = kafka_making_stream(m, m->at++);
    if (stream) ri_stream_delete(stream, NULL);
}

/* ---- All of them ---- */

/* Those that are seen are another's, who has made what was missing below them meanwhile: they may
 * have records, and stay. */
static void kafka_making_spare(ri_kafka_making *m)
{
    ri_kafka_topic topic;
    if (m->at == 0 || !kafka_making_stream(m, m->at - 1) || !kafka_making_find(m, &topic)) return;
    int32_t seen = ri_kafka_catalog_count(m->server->catalog, kafka_making_js(m), &topic);
    m->at = RI_MAX(m->at, RI_MIN(seen, m->partitions));
}

static void kafka_making_fail(ri_kafka_making *m, ri_kafka_error error)
{
    RI_ASSERT(error != RI_KAFKA_E_NONE);
    m->error = error;
    ri_failure_keep(&m->why, RILL_EINVAL);
    kafka_making_spare(m);
}

/* Is the topic what it was in the turn before? */
static void kafka_making_look(ri_kafka_making *m)
{
    ri_kafka_topic topic;
    bool found = kafka_making_find(m, &topic);
    if (m->from == 0 && found) {
        ri_err(RILL_EEXIST, "that topic was made by another meanwhile");
        kafka_making_fail(m, RI_KAFKA_E_TOPIC_EXISTS);
    }
    if (m->from == 0) return;
    ri_kafka_uuid id = {0};
    if (found) id = ri_kafka_catalog_id(&topic);
    if (memcmp(&id, &m->id, sizeof id) == 0) return;
    ri_err(RILL_ENOENT, "the topic was deleted meanwhile");
    kafka_making_fail(m, RI_KAFKA_E_UNKNOWN_TOPIC);
}

static bool kafka_making_is_over(const ri_kafka_making *m)
{
    return m->at == (m->error ? m->partitions : m->from);
}

bool ri_kafka_making_some(ri_kafka_making *m)
{
    RI_ASSERT(m->from >= 0 && m->from <= m->at && m->at <= m->partitions);
    ri_budget *budget = &m->server->broker->router.budget;
    if (m->error) kafka_making_spare(m);
    else if (!kafka_making_is_over(m)) kafka_making_look(m);
    while (!kafka_making_is_over(m)) {
        ri_kafka_error error = RI_KAFKA_E_NONE;
        if (m->error) kafka_making_undo(m);
        else error = kafka_making_one(m, m->at - 1);
        if (error != RI_KAFKA_E_NONE) kafka_making_fail(m, error);
        else if (!m->error) m->at--;
        if (!ri_budget_spend(budget, KAFKA_MAKING_UNITS)) break;
    }
    return !kafka_making_is_over(m);
}

/* ---- Begin and end ---- */

static char *kafka_making_copy(char *to, ri_str from, ri_str *out)
{
    if (from.len) memcpy(to, from.ptr, from.len);
    *out = (ri_str){to, from.len};
    return to + from.len;
}

static bool kafka_making_has(const ri_list *list, ri_str name)
{
    ri_list_each (item, list)
        if (ri_str_eq(ri_container_of(item, ri_kafka_making, link)->name, name)) return true;
    return false;
}

static ri_kafka_error kafka_making_may_begin(const ri_kafka_server *server,
                                             const ri_kafka_wanted *wanted)
{
    if (server->finishing) {
        ri_err(RILL_ECLOSED, "the broker closes");
        return RI_KAFKA_E_STORAGE;
    }
    if (server->nleft >= RI_LIMIT_KAFKA_LEFT) {
        ri_err(RILL_EFULL, "%u topics are still being made for clients that have left: no more are "
               "begun", server->nleft);
        return RI_KAFKA_E_STORAGE;
    }
    if (!kafka_making_has(&server->making, wanted->name) &&
        !kafka_making_has(&server->left, wanted->name))
        return RI_KAFKA_E_NONE;
    ri_err(RILL_EBUSY, "partitions of that topic are being made already");
    return wanted->from ? RI_KAFKA_E_INVALID_PARTITIONS : RI_KAFKA_E_TOPIC_EXISTS;
}

/* Would a stream that is there count as one more partition than are wanted? */
static ri_kafka_error kafka_making_check_end(const ri_kafka_making *m)
{
    ri_stream *stream = kafka_making_stream(m, m->partitions);
    if (!stream || !ri_kafka_catalog_is_partition(stream, m->partitions)) return RI_KAFKA_E_NONE;
    ri_err(RILL_EEXIST, "with %d partitions it would have stream %.*s, which is there, as one more",
           m->partitions, RI_ARG(ri_stream_conf_of(stream)->name));
    return RI_KAFKA_E_INVALID_PARTITIONS;
}

static size_t kafka_making_bytes(const ri_kafka_wanted *wanted)
{
    size_t bytes = sizeof(ri_kafka_making) + wanted->nsettings * sizeof *wanted->settings +
                   wanted->name.len;
    for (size_t i = 0; i < wanted->nsettings; i++)
        bytes += wanted->settings[i].name.len + wanted->settings[i].value.len;
    return bytes;
}

/* It counts as work of the broker from now on; NULL: there is no room. */
static ri_kafka_making *kafka_making_new(ri_kafka_server *server, size_t bytes)
{
    ri_memory *memory = &server->broker->router.memory;
    if (!ri_memory_take(memory, RI_MEMORY_WORK, bytes)) {
        ri_memory_refused(memory);
        ri_err(RILL_ENOMEM, "the broker's memory has no room for a topic that is to be made");
        return NULL;
    }
    ri_kafka_making *m = ri_calloc(&server->broker->host, bytes);
    if (!m) {
        ri_memory_refund(memory, RI_MEMORY_WORK, bytes);
        return NULL;
    }
    ri_list_push(&server->making, &m->link);
    m->server = server;
    m->bytes = bytes;
    return m;
}

static void kafka_making_fill(ri_kafka_making *m, const ri_kafka_wanted *wanted)
{
    ri_kafka_topic topic;
    m->from = wanted->from;
    m->at = m->partitions = wanted->partitions;
    m->nsettings = wanted->nsettings;
    char *text = kafka_making_copy((char *)(m->settings + m->nsettings), wanted->name, &m->name);
    for (size_t i = 0; i < m->nsettings; i++) {
        text = kafka_making_copy(text, wanted->settings[i].name, &m->settings[i].name);
        text = kafka_making_copy(text, wanted->settings[i].value, &m->settings[i].value);
    }
    if (m->from > 0 && kafka_making_find(m, &topic)) m->id = ri_kafka_catalog_id(&topic);
}

ri_kafka_error ri_kafka_making_begin(ri_kafka_server *server, const ri_kafka_wanted *wanted,
                                     ri_kafka_making **out)
{
    RI_ASSERT(wanted->from < wanted->partitions);
    *out = NULL;
    ri_kafka_error error = kafka_making_may_begin(server, wanted);
    if (error != RI_KAFKA_E_NONE) return error;
    ri_kafka_making *m = kafka_making_new(server, kafka_making_bytes(wanted));
    if (!m) return RI_KAFKA_E_STORAGE;
    kafka_making_fill(m, wanted);
    error = kafka_making_check_end(m);
    if (error == RI_KAFKA_E_NONE) *out = m;
    else ri_kafka_making_end(m);
    return error;
}

void ri_kafka_making_end(ri_kafka_making *m)
{
    if (!m) return;
    ri_kafka_server *server = m->server;
    ri_list_remove(&m->link);
    if (m->left) {
        RI_ASSERT(server->nleft > 0);
        server->nleft--;
    }
    ri_memory_refund(&server->broker->router.memory, RI_MEMORY_WORK, m->bytes);
    ri_free(&server->broker->host, m, m->bytes);
}

void ri_kafka_making_leave(ri_kafka_making *m)
{
    if (!m) return;
    ri_kafka_server *server = m->server;
    if (m->at == m->partitions) { /* there is nothing of it */
        ri_kafka_making_end(m);
        return;
    }
    m->left = true;
    ri_list_remove(&m->link);
    ri_list_push(&server->left, &m->link);
    server->nleft++;
    server->broker->output_waits |= server->door.bit;
}

/* A turn of its own, at most a slice. True: there is more. */
static bool kafka_making_turn(ri_kafka_making *m)
{
    ri_broker *broker = m->server->broker;
    ri_budget_open(&broker->router.budget);
    ri_budget_slice(&broker->router.budget, RI_BUDGET_SLICE);
    ri_durable_clock(broker->durable);
    bool more = ri_kafka_making_some(m);
    ri_budget_close(&broker->router.budget);
    return more;
}

void ri_kafka_making_step(ri_kafka_server *server)
{
    if (ri_likely(ri_list_empty(&server->left))) return;
    ri_kafka_making *m = ri_container_of(server->left.next, ri_kafka_making, link);
    ri_broker *broker = server->broker;
    if (broker->durable) {
        server->stored = true;
        if (kafka_making_turn(m)) return;
    }
    if (m->error)
        ri_host_log(&broker->host, RILL_ERROR, "topic %.*s, whose client has left, is not made: %s",
                    RI_ARG(m->name), m->why.text);
    else if (m->at > m->from)
        ri_host_log(&broker->host, RILL_ERROR, "topic %.*s has not got its %d partitions: the "
                    "broker was closed", RI_ARG(m->name), m->partitions);
    ri_kafka_making_end(m);
}

bool ri_kafka_making_finish(ri_kafka_server *server)
{
    server->finishing = true;
    ri_list *lists[] = {&server->left, &server->making};
    for (size_t i = 0; i < RI_LEN(lists); i++)
        ri_list_each (item, lists[i])
            if (kafka_making_turn(ri_container_of(item, ri_kafka_making, link))) return true;
    return false;
}
