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
 * All of its partitions come to be, or none: if one cannot be made those before it go again. It
 * owns what it knows of the topic, so that it comes to its end without its client, too. */
#include "base/assert.h"
#include "base/error.h"
#include "codec/limits.h"
#include "front/broker/durable.h"
#include "front/kafka/kafka_configs.h"
#include "front/kafka/kafka_serve.h"

enum { KAFKA_MAKING_UNITS = 50 }; /* of the turn, for a stream that is made */

/* ---- One stream ---- */

static int kafka_making_names(const ri_kafka_making *m, int32_t index, ri_arena *arena,
                              ri_stream_conf *conf)
{
    ri_buffer text;
    ri_buffer_init(&text, arena->host);
    ri_kafka_catalog_put_stream(m->name, index, &text);
    size_t len = text.len;
    ri_kafka_catalog_put_subject(m->name, index, &text);
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

/* What the engine says of a stream that it does not make, as Kafka's code. */
static ri_kafka_error kafka_making_refused(int rc, const ri_js_error *e)
{
    if (rc == RILL_ENOMEM || rc == RILL_EIO || rc == RILL_EFULL) return RI_KAFKA_E_STORAGE;
    if (e->err_code == RI_JS_STREAM_NAME_EXIST) return RI_KAFKA_E_TOPIC_EXISTS;
    if (e->err_code == RI_JS_STREAM_SUBJECT_OVERLAP) return RI_KAFKA_E_INVALID_TOPIC;
    return RI_KAFKA_E_POLICY;
}

static ri_js *kafka_making_js(const ri_kafka_making *m)
{
    RI_ASSERT(m->server->broker->durable);
    return ri_durable_js(m->server->broker->durable);
}

static ri_kafka_error kafka_making_one(const ri_kafka_making *m, int32_t index)
{
    const ri_broker *broker = m->server->broker;
    ri_js_stream_request request = {0};
    ri_stream_conf *conf = &request.conf;
    ri_stream *stream;
    ri_js_error e = {0};
    ri_arena arena;
    ri_arena_init(&arena, &broker->host);
    conf->storage = ri_durable_has_disk(broker->durable) ? RI_STORE_FILE : RI_STORE_MEMORY;
    conf->num_replicas = 1;
    int rc = kafka_making_names(m, index, &arena, conf);
    if (rc == RILL_OK)
        rc = ri_kafka_configs_apply(m->settings, m->nsettings, m->name, &arena, conf);
    if (rc == RILL_OK) rc = ri_stream_create(kafka_making_js(m), &request, &stream, &e);
    ri_arena_fini(&arena);
    return rc == RILL_OK ? RI_KAFKA_E_NONE : kafka_making_refused(rc, &e);
}

/* The last one that was made for the others, which cannot be, goes again. */
static void kafka_making_undo(ri_kafka_making *m)
{
    ri_js *js = kafka_making_js(m);
    ri_buffer name;
    RI_ASSERT(m->at > m->from);
    ri_buffer_init(&name, &m->server->broker->host);
    ri_kafka_catalog_put_stream(m->name, --m->at, &name);
    ri_stream *stream = name.failed ? NULL : ri_js_stream(js, ri_buffer_str(&name));
    ri_buffer_fini(&name);
    if (stream) ri_stream_delete(stream, NULL);
}

/* ---- All of them ---- */

/* Is it still the topic that it was? One of that name may have been made anew. */
static bool kafka_making_is_there(const ri_kafka_making *m, bool *another)
{
    ri_kafka_topic topic;
    bool found = ri_kafka_catalog_find(kafka_making_js(m), m->name, &topic);
    ri_kafka_uuid id = {0};
    if (found) id = ri_kafka_catalog_id(&topic);
    *another = found && memcmp(&id, &m->id, sizeof id) != 0;
    return found && !*another;
}

static void kafka_making_note(ri_kafka_making *m)
{
    ri_kafka_topic topic;
    if (ri_kafka_catalog_find(kafka_making_js(m), m->name, &topic))
        m->id = ri_kafka_catalog_id(&topic);
}

static void kafka_making_fail(ri_kafka_making *m, ri_kafka_error error)
{
    RI_ASSERT(error != RI_KAFKA_E_NONE);
    m->error = error;
    ri_failure_keep(&m->why, RILL_EINVAL);
}

bool ri_kafka_making_some(ri_kafka_making *m)
{
    RI_ASSERT(m->from >= 0 && m->from < m->partitions && m->at >= m->from);
    ri_budget *budget = &m->server->broker->router.budget;
    bool another = false;
    if (m->at > 0 && !kafka_making_is_there(m, &another) && !m->error) {
        ri_err(RILL_ENOENT, "the topic was deleted meanwhile");
        kafka_making_fail(m, RI_KAFKA_E_UNKNOWN_TOPIC);
    }
    if (another) m->at = m->from; /* its partitions went with it */
    while (m->at != (m->error ? m->from : m->partitions)) {
        if (!ri_budget_left(budget)) return true;
        ri_kafka_error error = RI_KAFKA_E_NONE;
        if (m->error) kafka_making_undo(m);
        else error = kafka_making_one(m, m->at);
        if (error != RI_KAFKA_E_NONE) kafka_making_fail(m, error);
        else if (!m->error && m->at++ == 0) kafka_making_note(m);
        ri_budget_spend(budget, KAFKA_MAKING_UNITS);
    }
    return false;
}

/* ---- Begin and end ---- */

static char *kafka_making_copy(char *to, ri_str from, ri_str *out)
{
    if (from.len) memcpy(to, from.ptr, from.len);
    *out = (ri_str){to, from.len};
    return to + from.len;
}

ri_kafka_error ri_kafka_making_begin(ri_kafka_server *server, const ri_kafka_wanted *wanted,
                                     ri_kafka_making **out)
{
    RI_ASSERT(wanted->from < wanted->partitions);
    *out = NULL;
    if (server->finishing) {
        ri_err(RILL_ECLOSED, "the broker closes");
        return RI_KAFKA_E_STORAGE;
    }
    if (server->nleft >= RI_LIMIT_KAFKA_LEFT) {
        ri_err(RILL_EFULL, "%u topics are still being made for clients that have left: no more are "
               "begun", server->nleft);
        return RI_KAFKA_E_STORAGE;
    }
    size_t bytes = sizeof **out + wanted->nsettings * sizeof *wanted->settings + wanted->name.len;
    for (size_t i = 0; i < wanted->nsettings; i++)
        bytes += wanted->settings[i].name.len + wanted->settings[i].value.len;
    ri_kafka_making *m = ri_calloc(&server->broker->host, bytes);
    if (!(*out = m)) return RI_KAFKA_E_STORAGE;
    ri_list_push(&server->making, &m->link);
    m->server = server;
    m->bytes = bytes;
    m->from = m->at = wanted->from;
    m->partitions = wanted->partitions;
    m->nsettings = wanted->nsettings;
    char *text = kafka_making_copy((char *)(m->settings + m->nsettings), wanted->name, &m->name);
    for (size_t i = 0; i < m->nsettings; i++) {
        text = kafka_making_copy(text, wanted->settings[i].name, &m->settings[i].name);
        text = kafka_making_copy(text, wanted->settings[i].value, &m->settings[i].value);
    }
    if (m->from > 0) kafka_making_note(m);
    return RI_KAFKA_E_NONE;
}

void ri_kafka_making_end(ri_kafka_making *m)
{
    if (!m) return;
    ri_kafka_server *server = m->server;
    ri_list_remove(&m->link);
    if (m->left) {
        RI_ASSERT(server->nleft > 0);
        server->nleft--;
        ri_memory_refund(&server->broker->router.memory, RI_MEMORY_WORK, m->bytes);
    }
    ri_free(&server->broker->host, m, m->bytes);
}

void ri_kafka_making_leave(ri_kafka_making *m)
{
    if (!m) return;
    ri_kafka_server *server = m->server;
    if (m->at == m->from) { /* there is nothing of it */
        ri_kafka_making_end(m);
        return;
    }
    m->left = true;
    ri_list_remove(&m->link);
    ri_list_push(&server->left, &m->link);
    server->nleft++;
    ri_memory_charge(&server->broker->router.memory, RI_MEMORY_WORK, m->bytes);
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
    else if (m->at < m->partitions)
        ri_host_log(&broker->host, RILL_ERROR, "topic %.*s has %d of its %d partitions: the broker "
                    "was closed", RI_ARG(m->name), m->at, m->partitions);
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
