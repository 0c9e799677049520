/* SPDX-License-Identifier: Apache-2.0 */
/* Reading streams behind a server. The handle says how many messages it wants (more), and is asked
 * for no more than that: a reader has requests for so many under way, and makes another when a
 * message, or a status, has used one up.
 *
 *     more(n)        n - outstanding is asked for: {"batch":k,"expires":30 s,"idle_heartbeat":5 s}
 *     message        outstanding - 1
 *     408, 409       what is left of that request is not outstanding; if it is wanted still, it is
 *                    asked for again
 *     100            the server lives, and has nothing
 *     503            nobody listens: is the consumer there? then again, else the reader ends
 *     silence        for PULL_SILENCE_NS, or the connection is lost: nothing is outstanding any
 *                    more; what is wanted is asked for again
 *
 * So a request that is lost anywhere delays its messages and loses none. What comes twice since a
 * request was believed lost, and was not, is more than was wanted by one request at most.
 *
 * A reader without acks is ordered: its messages are numbered 1, 2, 3 ... by its consumer. One that
 * is not the next, or comes from another consumer, shows that some were lost on the way, or that
 * the server has forgotten the consumer. Then a new one is made under another name, which begins
 * behind the last message that came, and all that the old one sends is passed over. The program
 * sees each message once, and in order. */
#include "base/assert.h"
#include "base/error.h"
#include "base/number.h"
#include "base/saturate.h"
#include "codec/jetstream/jshot.h"
#include "codec/nats/headers.h"
#include "front/peer_nats/nats_ask.h"

#include <stdio.h>

enum { PULL_REST = 64 }; /* bytes of a subject beside its names */
#define PULL_EXPIRES_NS (30 * RI_SEC)
#define PULL_BEAT_NS (5 * RI_SEC)
#define PULL_SILENCE_NS (2 * PULL_BEAT_NS + PULL_BEAT_NS / 2)

typedef enum nats_pull_state {
    PULL_WELL,
    PULL_ASKS,  /* whether its consumer is there */
    PULL_HEALS, /* makes a new one */
    PULL_SEEKS, /* the same, for a call that waits */
} nats_pull_state;

struct ri_nats_reader {
    ri_list link;            /* in peer->reading */
    uint32_t number;         /* joined.reader */
    rill_sub *sub;           /* NULL: not claimed yet */
    ri_arena arena;          /* of conf and stream */
    ri_consumer_conf conf;   /* what its consumer is, or is to be again */
    char *stream;
    char name[RI_ASK_NAME_MAX]; /* of its consumer now */
    bool ordered, own;
    bool wants;              /* the handle waits for messages */
    uint32_t outstanding;
    uint32_t most;           /* that one request may want */
    int64_t heard_ns;        /* when something came for it last, or it asked */
    uint64_t consumer_seq, stream_seq; /* of the last message that came */
    nats_pull_state state;
    ri_nats_question question; /* of ASKS and HEALS */
    ri_nats_api api;         /* the same */
    ri_nats_peer *peer;
};

/* ---- Life ---- */

/* Whatever it has asked about its consumer: it is not asked any more. */
static void nats_pull_forget(ri_nats_reader *reader)
{
    if (reader->state == PULL_WELL || reader->state == PULL_SEEKS) return;
    ri_nats_calls_forget(reader->peer, &reader->question);
    ri_nats_api_end(&reader->api);
    reader->state = PULL_WELL;
}

static void nats_pull_free(ri_nats_reader *reader)
{
    ri_nats_peer *peer = reader->peer;
    nats_pull_forget(reader);
    ri_list_remove(&reader->link);
    ri_arena_fini(&reader->arena);
    ri_delete(&peer->bus.host, reader);
}

int ri_nats_pull_new(ri_nats_peer *peer, const char *stream, const ri_consumer_info *info, bool own,
                     uint32_t *number)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer) && info->config);
    ri_nats_reader *reader = ri_new(&peer->bus.host, ri_nats_reader);
    if (!reader) return RILL_ENOMEM;
    reader->peer = peer;
    ri_list_push(&peer->reading, &reader->link);
    ri_arena_init(&reader->arena, &peer->bus.host);
    reader->stream = ri_arena_copy(&reader->arena, stream, strlen(stream));
    int rc = reader->stream ? ri_jsapi_copy_consumer_conf(&reader->conf, info->config,
                                                          &reader->arena) : RILL_ENOMEM;
    if (rc < 0) {
        nats_pull_free(reader);
        return rc;
    }
    snprintf(reader->name, sizeof reader->name, "%.*s", RI_ARG(info->name));
    reader->own = own;
    reader->ordered = own && info->config->ack_policy == RI_ACK_NONE;
    reader->most = UINT32_MAX;
    reader->number = *number = ++peer->readers;
    return RILL_OK;
}

void ri_nats_pull_fini(ri_nats_peer *peer)
{
    ri_list_each (link, &peer->reading) nats_pull_free(ri_container_of(link, ri_nats_reader, link));
}

static ri_nats_reader *nats_pull_find(ri_nats_peer *peer, uint32_t number)
{
    ri_list_each (link, &peer->reading) {
        ri_nats_reader *reader = ri_container_of(link, ri_nats_reader, link);
        if (reader->number == number) return reader;
    }
    return NULL;
}

/* The reader of a subscription, which is claimed by the first who asks. */
static ri_nats_reader *nats_pull_of(rill_sub *sub)
{
    ri_bus_consumer *c = sub->consumer;
    if (c->of_peer) return c->of_peer;
    ri_nats_reader *reader = nats_pull_find(ri_nats_peer_of(sub->bus), c->reader);
    RI_ASSERT(reader && !reader->sub);
    reader->sub = sub;
    c->of_peer = reader;
    return reader;
}

/* ---- Asking ---- */

/* A request for `n` messages, whose answers come to the subscription's inbox. */
static int nats_pull_request(ri_nats_reader *reader, uint32_t n)
{
    ri_nats_peer *peer = reader->peer;
    ri_js_pull_request body = {.batch = n, .expires = PULL_EXPIRES_NS,
                               .idle_heartbeat = PULL_BEAT_NS};
    char subject[RI_NATS_API_MAX + 2 * RI_ASK_NAME_MAX + PULL_REST];
    int len = snprintf(subject, sizeof subject, "%sCONSUMER.MSG.NEXT.%s.%s", peer->conf.api,
                       reader->stream, reader->name);
    RI_ASSERT(n > 0 && len > 0 && (size_t)len < sizeof subject);
    ri_buffer json;
    ri_buffer_init(&json, &peer->bus.host);
    ri_jsapi_encode(&ri_jsapi_pull_request, &body, &json);
    ri_message m = {.subject = {subject, (size_t)len}, .data = ri_buffer_str(&json),
                    .reply = ri_str_of(reader->sub->consumer->inbox)};
    int rc = json.failed ? RILL_ENOMEM : ri_nats_send_message(peer, &m);
    ri_buffer_fini(&json);
    if (rc < 0) return rc;
    reader->outstanding += n;
    reader->heard_ns = ri_mono_ns(&peer->bus.host);
    peer->watches = true;
    return RILL_OK;
}

/* As many as are wanted and not outstanding. While there is no connection, and while it is mended,
 * that is done when it is over. */
static int nats_pull_ask(ri_nats_reader *reader)
{
    if (!reader->sub || reader->sub->ended || !reader->wants) return RILL_OK;
    if (reader->peer->state != RI_NATS_UP || reader->state != PULL_WELL) return RILL_OK;
    uint32_t wanted = reader->sub->consumer->asked;
    while (reader->outstanding < wanted) {
        int rc = nats_pull_request(reader, RI_MIN(wanted - reader->outstanding, reader->most));
        if (rc < 0) return rc;
    }
    return RILL_OK;
}

int ri_nats_pull_more(rill_sub *sub, uint32_t n)
{
    RI_ASSERT(ri_broker_is_entered(sub->bus->broker));
    ri_nats_reader *reader = nats_pull_of(sub);
    reader->wants = true;
    sub->consumer->asked += n; /* the caller counts them when this returns */
    int rc = nats_pull_ask(reader);
    sub->consumer->asked -= n;
    return rc;
}

/* What is outstanding comes all the same: requests cannot be taken back. */
void ri_nats_pull_enough(rill_sub *sub)
{
    RI_ASSERT(ri_broker_is_entered(sub->bus->broker));
    nats_pull_of(sub)->wants = false;
}

int ri_nats_pull_settle(rill_bus *bus, const ri_bus_msg *msgs, size_t n, ri_str how)
{
    ri_nats_peer *peer = ri_nats_peer_of(bus);
    RI_ASSERT(ri_nats_peer_is_entered(peer) && n > 0);
    int rc = RILL_OK;
    for (size_t i = 0; i < n && rc == RILL_OK; i++) {
        ri_message m = {.subject = msgs[i].ack, .data = how};
        if (m.subject.len) rc = ri_nats_send_message(peer, &m);
    }
    return rc;
}

/* Nobody waits for the answer. */
static void nats_pull_delete(ri_nats_reader *reader, const char *name)
{
    ri_nats_peer *peer = reader->peer;
    char subject[RI_NATS_API_MAX + 2 * RI_ASK_NAME_MAX + PULL_REST];
    int len = snprintf(subject, sizeof subject, "%sCONSUMER.DELETE.%s.%s", peer->conf.api,
                       reader->stream, name);
    ri_message m = {.subject = {subject, (size_t)len}, .reply = ri_nats_calls_nowhere(peer)};
    ri_nats_send_message(peer, &m);
}

/* A consumer of one reader goes with it. */
void ri_nats_pull_leave(rill_sub *sub)
{
    RI_ASSERT(ri_broker_is_entered(sub->bus->broker));
    ri_nats_reader *reader = nats_pull_of(sub);
    if (reader->own && !reader->peer->closing) nats_pull_delete(reader, reader->name);
    sub->consumer->of_peer = NULL;
    nats_pull_free(reader);
}

/* ---- Its consumer is gone, or may be ---- */

static void nats_pull_end(ri_nats_reader *reader)
{
    ri_bus_sub_end_later(reader->sub);
}

static void nats_pull_mended(ri_nats_reader *reader)
{
    reader->state = PULL_WELL;
    reader->outstanding = 0;
    nats_pull_ask(reader); /* what finds no memory is asked for when it is found silent */
}

/* The answer to `question` has come, or the connection was lost: it is asked again then. */
static void nats_pull_answered(ri_nats_question *q)
{
    ri_nats_reader *reader = ri_container_of(q, ri_nats_reader, question);
    ri_js_consumer_reply reply;
    reader->state = PULL_WELL;
    int rc = ri_nats_api_taken(&reader->api, q, &ri_jsapi_consumer_reply, &reply);
    bool gone = reader->api.err_code == RI_JS_CONSUMER_NOT_FOUND;
    bool stream_gone = reader->api.err_code == RI_JS_STREAM_NOT_FOUND;
    ri_nats_api_end(&reader->api);
    if (stream_gone || (gone && !reader->ordered)) nats_pull_end(reader);
    else if (gone) ri_nats_pull_heal(reader);
    if (reader->state == PULL_WELL && rc == RILL_OK) nats_pull_mended(reader);
}

static void nats_pull_question(ri_nats_reader *reader, nats_pull_state state,
                          const ri_nats_api_request *request)
{
    reader->state = state;
    reader->outstanding = 0;
    reader->heard_ns = ri_mono_ns(&reader->peer->bus.host);
    ri_nats_api_begin(&reader->api, &reader->peer->bus, PULL_EXPIRES_NS);
    reader->question = (ri_nats_question){.done = nats_pull_answered};
    if (ri_nats_api_put(&reader->api, request, &reader->question) >= 0) return;
    ri_nats_api_end(&reader->api);
    reader->state = PULL_WELL; /* it is found silent later, and tries again */
}

static void nats_pull_look(ri_nats_reader *reader)
{
    if (reader->state != PULL_WELL) return;
    nats_pull_question(reader, PULL_ASKS, &(ri_nats_api_request){
        .verb = "CONSUMER.INFO", .stream = reader->stream, .name = reader->name, .reads = true});
}

/* From now on the reader listens to another consumer, which is to begin there (0: as the first
 * did), and passes over what the old one sends. What makes that consumer. */
static ri_nats_api_request nats_pull_anew(ri_nats_reader *reader, uint64_t seq,
                                     ri_js_consumer_request *body)
{
    nats_pull_forget(reader);
    if (seq) {
        reader->conf.deliver_policy = RI_DELIVER_BY_START_SEQUENCE;
        reader->conf.opt_start_seq = seq;
        reader->conf.opt_start_time = 0;
    }
    ri_nuid_next(&reader->peer->bus.nuid, reader->name);
    reader->name[RI_NUID_LEN] = 0;
    reader->conf.name = ri_str_of(reader->name);
    reader->outstanding = 0;
    reader->consumer_seq = 0;
    *body = (ri_js_consumer_request){.stream_name = ri_str_of(reader->stream),
                                     .conf = reader->conf, .action = RI_ACTION_CREATE};
    return (ri_nats_api_request){
        .verb = "CONSUMER.CREATE", .stream = reader->stream, .name = reader->name, .reads = true,
        .filter = reader->conf.filter_subject, .type = &ri_jsapi_consumer_request,
        .body = body};
}

void ri_nats_pull_heal(ri_nats_reader *reader)
{
    RI_ASSERT(reader->ordered && reader->sub);
    ri_js_consumer_request body;
    if (reader->state == PULL_HEALS || reader->state == PULL_SEEKS) return;
    uint64_t seq = reader->stream_seq ? reader->stream_seq + 1 : 0;
    ri_nats_api_request request = nats_pull_anew(reader, seq, &body);
    nats_pull_question(reader, PULL_HEALS, &request);
}

bool ri_nats_pull_is_own(rill_sub *sub)
{
    return nats_pull_of(sub)->own;
}

int ri_nats_pull_seek(ri_nats_api *api, rill_sub *sub, uint64_t seq)
{
    ri_nats_reader *reader = nats_pull_of(sub);
    ri_js_consumer_request body;
    ri_js_consumer_reply reply;
    char old[RI_ASK_NAME_MAX];
    snprintf(old, sizeof old, "%s", reader->name);
    ri_nats_api_request request = nats_pull_anew(reader, RI_MAX(seq, 1), &body);
    ri_bus_consume_skip(sub); /* what comes from now on is the new one's */
    request.answer_type = &ri_jsapi_consumer_reply;
    request.answer = &reply;
    reader->state = PULL_SEEKS;
    int rc = ri_nats_api_ask(api, &request);
    reader->state = PULL_WELL;
    if (rc < 0) return rc;
    reader->stream_seq = RI_MAX(seq, 1) - 1;
    nats_pull_delete(reader, old);
    return nats_pull_ask(reader);
}

/* ---- What comes ---- */

/* How many of a request are not coming any more: what its last words say, or all. */
static uint32_t nats_pull_left(const ri_nats_reader *reader, ri_str headers)
{
    ri_str text;
    uint64_t n;
    if (!ri_headers_find(headers, RI_STR("Nats-Pending-Messages"), &text) ||
        !ri_number_read(text, &n)) return reader->outstanding;
    return (uint32_t)RI_MIN(n, reader->outstanding);
}

static bool nats_pull_says(ri_str description, const char *begins)
{
    size_t len = strlen(begins);
    return description.len >= len &&
           ri_str_eq_nocase((ri_str){description.ptr, len}, (ri_str){begins, len});
}

static void nats_pull_refused(ri_nats_reader *reader, int status, ri_str description)
{
    ri_err(RILL_EPROTO, "%s refuses a request for messages of %s: %d %.*s", reader->peer->server,
           reader->stream, status, (int)RI_MIN(description.len, 100), description.ptr);
    ri_nats_peer_report(reader->peer, RILL_EV_ERROR, RILL_EPROTO, RI_STR_NONE);
    nats_pull_end(reader);
}

/* A request is over before all of it came. */
static void nats_pull_status(ri_nats_reader *reader, const ri_message *m, int status,
                        ri_str description)
{
    if (status == 503) {
        nats_pull_look(reader);
    } else if (status == 409 && nats_pull_says(description, "Consumer Deleted")) {
        if (reader->ordered) ri_nats_pull_heal(reader);
        else nats_pull_look(reader); /* it may have been made anew, to begin elsewhere */
    } else if (status == 409 && nats_pull_says(description, "Exceeded MaxRequestBatch")) {
        reader->most = RI_MAX(RI_MIN(reader->most, reader->outstanding) / 2, 1u);
        reader->outstanding = 0;
        nats_pull_ask(reader);
    } else if (status == 404 || status == 408 || status == 409) {
        reader->outstanding -= nats_pull_left(reader, m->headers);
        nats_pull_ask(reader);
    } else {
        nats_pull_refused(reader, status, description);
    }
}

/* Is it of the consumer that a reader of its own listens to, and, of an ordered one, the next
 * message? If one is missing the reader is mended. */
static bool nats_pull_is_next(ri_nats_reader *reader, const ri_message *m)
{
    ri_js_ack ack;
    if (!ri_jshot_ack_read(m->reply, &ack)) return false;
    if (!ri_str_is(ack.consumer, reader->name) || reader->state == PULL_HEALS ||
        reader->state == PULL_SEEKS) return false;
    if (!reader->ordered) return true;
    if (ack.consumer_seq != reader->consumer_seq + 1) {
        ri_nats_pull_heal(reader);
        return false;
    }
    reader->consumer_seq++;
    reader->stream_seq = ack.stream_seq;
    return true;
}

bool ri_nats_pull_take(ri_nats_peer *peer, ri_subscription *core, const ri_message *m)
{
    rill_sub *sub = ri_container_of(core, rill_sub, core);
    RI_ASSERT(ri_bus_sub_is_sound(sub) && ri_nats_peer_is_entered(peer));
    ri_str description;
    if (!sub->consumer) return true;
    ri_nats_reader *reader = nats_pull_of(sub);
    reader->heard_ns = ri_mono_ns(&peer->bus.host);
    int status = m->headers.len && !m->reply.len ? ri_headers_status(m->headers, &description) : 0;
    if (status == 100) return false;
    if (status) {
        nats_pull_status(reader, m, status, description);
        return false;
    }
    if (reader->outstanding) reader->outstanding--;
    return !reader->own || nats_pull_is_next(reader, m);
}

/* ---- Silence ---- */

/* The connection is lost: nothing is outstanding. */
void ri_nats_pull_lost(ri_nats_peer *peer)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    ri_list_each (link, &peer->reading)
        ri_container_of(link, ri_nats_reader, link)->outstanding = 0;
}

void ri_nats_pull_up(ri_nats_peer *peer)
{
    RI_ASSERT(peer->state == RI_NATS_UP);
    ri_list_each (link, &peer->reading) nats_pull_ask(ri_container_of(link, ri_nats_reader, link));
}

static bool nats_pull_is_silent(const ri_nats_reader *reader, int64_t now_ns)
{
    return ri_ns_sub(now_ns, reader->heard_ns) > PULL_SILENCE_NS;
}

/* One that waits: has something become of what it has asked for? */
static void nats_pull_look_after(ri_nats_reader *reader, int64_t now_ns)
{
    bool heals = reader->state == PULL_HEALS;
    if (reader->state == PULL_WELL && !reader->outstanding) {
        nats_pull_ask(reader); /* there was no memory, or the mending failed */
        return;
    }
    if (!nats_pull_is_silent(reader, now_ns)) return;
    nats_pull_forget(reader);
    if (heals) ri_nats_pull_heal(reader);
    else nats_pull_look(reader);
}

int64_t ri_nats_pull_watch(ri_nats_peer *peer, int64_t now_ns)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    bool some = false;
    ri_list_each (link, &peer->reading) {
        ri_nats_reader *reader = ri_container_of(link, ri_nats_reader, link);
        if (!reader->sub || !reader->wants || !reader->sub->consumer->asked) continue;
        some = true;
        if (peer->state == RI_NATS_UP) nats_pull_look_after(reader, now_ns);
    }
    peer->watches = some;
    return some ? PULL_BEAT_NS : -1;
}
