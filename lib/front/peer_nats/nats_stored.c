/* SPDX-License-Identifier: Apache-2.0 */
/* Stored messages, one by one or the last of many subjects. A stream that allows it is asked
 * directly: the answer is the message, and four headers say what it was. Else nobody listens there,
 * and the API is asked, which answers in JSON. */
#include "base/assert.h"
#include "base/error.h"
#include "codec/jetstream/js_answers.h"
#include "codec/subject/subject.h"
#include "front/peer_nats/nats_ask.h"

enum { STORED_MANY = 500 }; /* subjects that one request names */

static int stored_no_message(const ri_ask *ask)
{
    return ri_err(RILL_ENOENT, "there is no such message in %s", ask->stream);
}

/* What a message that came directly was in its stream; `mem` holds the headers that are its own. */
static int stored_read(const ri_message *m, ri_buffer *mem, ri_record *record)
{
    ri_js_found found;
    if (!ri_js_answers_message(m->headers, &found) || !ri_subject_is_sound(found.subject))
        return ri_err(RILL_EPROTO, "a stored message came without what says where it was");
    ri_buffer_reset(mem);
    if (found.headers.len) {
        ri_buffer_put_str(mem, found.headers);
        ri_buffer_puts(mem, "\r\n");
    }
    if (mem->failed) return RILL_ENOMEM;
    *record = (ri_record){.data = m->data, .subject = found.subject, .seq = found.seq,
                          .time_ns = found.time_ns, .headers = ri_buffer_str(mem)};
    return RILL_OK;
}

static int stored_from_packet(ri_nats_api *api, ri_ask *ask, ri_packet *packet)
{
    ri_message m = {.headers = ri_packet_headers(packet), .data = ri_packet_data(packet)};
    ri_record record;
    ri_buffer mem;
    ri_buffer_init(&mem, &api->peer->bus.host);
    int rc = stored_read(&m, &mem, &record);
    if (rc == RILL_OK)
        rc = ri_bus_msg_stored(&api->peer->bus, ri_str_of(ask->stream), &record, ask->out.msg);
    ri_buffer_fini(&mem);
    return rc;
}

/* What is asked for, in the fields of both ways. */
static void stored_request(const ri_ask *ask, ri_js_msg_get_request *body)
{
    ri_str filter = ask->subject.len ? ask->subject : RI_STR(">");
    *body = (ri_js_msg_get_request){0};
    if (ask->kind == RI_ASK_GET) {
        body->seq = ask->seq;
    } else if (ask->kind == RI_ASK_LAST) {
        body->last_by_subj = filter;
    } else {
        body->next_by_subj = filter;
        if (ask->time_ns) body->start_time = ask->time_ns;
        else body->seq = RI_MAX(ask->seq, 1);
    }
}

/* RILL_ENOREPLY: that stream does not answer directly, or is none. */
static int stored_get_direct(ri_nats_api *api, ri_ask *ask, const ri_js_msg_get_request *body)
{
    ri_buffer json;
    ri_packet *packet = NULL;
    int status = 0;
    ri_str subject = ri_nats_api_subject(api, &(ri_nats_api_request){.verb = "DIRECT.GET",
                                                                     .stream = ask->stream});
    if (!subject.len) return RILL_ENOMEM;
    ri_buffer_init(&json, &api->peer->bus.host);
    ri_jsapi_encode(&ri_jsapi_msg_get_request, body, &json);
    int rc = json.failed ? RILL_ENOMEM
                         : ri_nats_api_raw(api, subject, ri_buffer_str(&json), true, &packet,
                                           &status);
    ri_buffer_fini(&json);
    if (rc < 0) return rc;
    if (status == 404) rc = stored_no_message(ask);
    else if (status) rc = ri_err(RILL_EPROTO, "%s answers a direct get with status %d",
                                 api->peer->server, status);
    else rc = stored_from_packet(api, ask, packet);
    ri_packet_unref(packet);
    return rc;
}

static int stored_get_json(ri_nats_api *api, ri_ask *ask, const ri_js_msg_get_request *body)
{
    ri_js_msg_get_reply reply;
    int rc = ri_nats_api_ask(api, &(ri_nats_api_request){
        .verb = "STREAM.MSG.GET", .stream = ask->stream, .reads = true, .body = body,
        .type = &ri_jsapi_msg_get_request, .answer_type = &ri_jsapi_msg_get_reply,
        .answer = &reply});
    if (api->err_code == RI_JS_STREAM_NOT_FOUND)
        return ri_err(RILL_ENOENT, "there is no stream %s", ask->stream);
    if (api->err_code == RI_JS_NO_MESSAGE_FOUND) return stored_no_message(ask);
    if (rc < 0) return rc;
    const ri_js_stored *stored = reply.message;
    if (!stored || !ri_subject_is_sound(stored->subject))
        return ri_err(RILL_EPROTO, "%s answers with no message", api->peer->server);
    ri_record record = {.seq = stored->seq, .time_ns = stored->time, .subject = stored->subject,
                        .headers = stored->hdrs, .data = stored->data};
    return ri_bus_msg_stored(&api->peer->bus, ri_str_of(ask->stream), &record, ask->out.msg);
}

static int stored_get(ri_nats_api *api, ri_ask *ask)
{
    ri_js_msg_get_request body;
    stored_request(ask, &body);
    if (body.start_time) {
        int rc = ri_nats_peer_needs(api->peer, 2, 11, "messages by time");
        if (rc < 0) return rc;
    }
    /* An older server says nothing at all where it has no such stream. */
    int rc = ri_nats_peer_needs(api->peer, 2, 11, "direct gets") == RILL_OK
                 ? stored_get_direct(api, ask, &body) : RILL_ENOREPLY;
    return rc == RILL_ENOREPLY ? stored_get_json(api, ask, &body) : rc;
}

/* nats-server finds no last message of all subjects when the one that was last has been removed:
 * then its number is the last one that is not among those removed. */
static int stored_get_last(ri_nats_api *api, ri_ask *ask)
{
    RI_ASSERT(ask->kind == RI_ASK_LAST);
    const ri_stream_info *info;
    int rc = ri_nats_stream_deleted(api, ask->stream, &info);
    if (rc < 0) return rc;
    const ri_int64s *deleted = &info->state.deleted;
    uint64_t seq = info->state.last_seq;
    for (uint32_t i = deleted->len; i > 0 && (uint64_t)deleted->items[i - 1] == seq; i--) seq--;
    if (!info->state.messages || !seq) return stored_no_message(ask);
    ri_ask get = *ask;
    get.kind = RI_ASK_GET;
    get.seq = seq;
    return stored_get(api, &get);
}

int ri_nats_stored_get(ri_nats_api *api, ri_ask *ask)
{
    bool last = ask->kind == RI_ASK_LAST && (!ask->subject.len || ri_str_is(ask->subject, ">"));
    int rc = stored_get(api, ask);
    return rc == RILL_ENOENT && last ? stored_get_last(api, ask) : rc;
}

int ri_nats_stored_seq_at(ri_nats_api *api, const char *stream, int64_t time_ns, uint64_t *seq)
{
    rill_msg *m;
    const ri_stream_info *info;
    ri_ask ask = {.kind = RI_ASK_NEXT, .stream = stream, .time_ns = time_ns, .out.msg = &m};
    int rc = ri_nats_stored_get(api, &ask);
    if (rc == RILL_OK) {
        *seq = m->seq;
        ri_bus_msg_unref(m);
    } else if (rc == RILL_ENOENT && (rc = ri_nats_stream_info(api, stream, &info)) == RILL_OK) {
        *seq = info->state.last_seq + 1;
    }
    return rc;
}

/* ---- Keys: subjects whose last message is no deletion ---- */

typedef struct stored_keys {
    ri_nats_api *api;
    ri_ask *ask;
    ri_buffer subjects;   /* all of them, each with its 0 */
    ri_buffer mem;
    size_t before;        /* bytes of names when the answer at hand began */
} stored_keys;

static int stored_put_key(const ri_ask *ask, ri_str subject)
{
    ri_ask_put_name(ask->out.names, subject);
    return ask->out.names->failed ? RILL_ENOMEM : RILL_OK;
}

static int stored_take_key(ri_nats_question *q, const ri_message *m)
{
    stored_keys *keys = q->arg;
    ri_record record;
    int rc = stored_read(m, &keys->mem, &record);
    if (rc < 0 || ri_bus_msg_is_deletion(record.headers)) return rc;
    return stored_put_key(keys->ask, record.subject);
}

/* What came of an answer that was lost is forgotten. */
static void stored_begin_keys(ri_nats_question *q)
{
    stored_keys *keys = q->arg;
    ri_buffer_cut(keys->ask->out.names, keys->before);
}

/* The last messages of these, in one answer of many messages. */
static int stored_ask_many(stored_keys *keys, ri_str *names, uint32_t n)
{
    ri_nats_api *api = keys->api;
    ri_js_msg_get_request body = {.multi_last = {names, n}};
    ri_buffer json;
    ri_str subject = ri_nats_api_subject(api, &(ri_nats_api_request){.verb = "DIRECT.GET",
                                                                     .stream = keys->ask->stream});
    if (!subject.len) return RILL_ENOMEM;
    ri_buffer_init(&json, &api->peer->bus.host);
    ri_jsapi_encode(&ri_jsapi_msg_get_request, &body, &json);
    keys->before = ri_buffer_str(keys->ask->out.names).len;
    ri_nats_question q = {.subject = subject, .body = ri_buffer_str(&json), .many = true,
                          .reads = true, .take = stored_take_key, .begin = stored_begin_keys,
                          .arg = keys};
    int rc = json.failed ? RILL_ENOMEM : ri_nats_calls_ask(api->peer, &q, api->until_ns);
    ri_buffer_fini(&json);
    if (rc == RILL_OK && q.status != 204 && q.status != 404)
        rc = ri_err(RILL_EPROTO, "%s answers a direct get with status %d", api->peer->server,
                    q.status);
    return rc;
}

static int stored_ask_one(stored_keys *keys, ri_str name)
{
    rill_msg *m;
    ri_ask ask = {.kind = RI_ASK_LAST, .stream = keys->ask->stream, .subject = name,
                  .out.msg = &m};
    int rc = ri_nats_stored_get(keys->api, &ask);
    if (rc < 0) return rc == RILL_ENOENT ? RILL_OK : rc; /* it has gone meanwhile */
    bool deleted = ri_bus_msg_is_deletion(ri_bus_msg_of(m)->headers);
    ri_bus_msg_unref(m);
    return deleted ? RILL_OK : stored_put_key(keys->ask, name);
}

/* Some names off the front of *rest. */
static int stored_look(stored_keys *keys, ri_str *rest, bool many)
{
    ri_str names[STORED_MANY];
    uint32_t n = 0;
    while (rest->len && n < (many ? STORED_MANY : 1)) {
        names[n] = ri_str_of(rest->ptr);
        *rest = ri_str_from(*rest, names[n++].len + 1);
    }
    return many ? stored_ask_many(keys, names, n) : stored_ask_one(keys, names[0]);
}

int ri_nats_stored_keys(ri_nats_api *api, ri_ask *ask)
{
    stored_keys keys = {.api = api, .ask = ask};
    ri_buffer_init(&keys.subjects, &api->peer->bus.host);
    ri_buffer_init(&keys.mem, &api->peer->bus.host);
    ri_ask all = *ask;
    all.out.names = &keys.subjects;
    int rc = ri_nats_stream_subjects(api, &all);
    bool many = ri_nats_peer_needs(api->peer, 2, 11, "keys at once") == RILL_OK;
    ri_str rest = ri_buffer_str(&keys.subjects);
    while (rc == RILL_OK && rest.len) {
        rc = stored_look(&keys, &rest, many);
        if (rc == RILL_ENOREPLY && many) { /* no direct gets of that stream */
            many = false;
            ri_buffer_reset(ask->out.names);
            rest = ri_buffer_str(&keys.subjects);
            rc = RILL_OK;
        }
    }
    ri_buffer_fini(&keys.mem);
    ri_buffer_fini(&keys.subjects);
    return rc;
}
