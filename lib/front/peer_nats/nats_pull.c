/* SPDX-License-Identifier: Apache-2.0 */
/* Reading streams behind a server. The handle says how many messages it wants (more), and is asked
 * for no more than that: a reader has requests for so many under way, and makes another when a
 * message, or a status, has used one up.
 *
 *     more(n)        n - outstanding is asked for: {"batch":k,"expires":30 s,"idle_heartbeat":5 s};
 *                    with acks not for longer than the read waits that wants it, so that nothing
 *                    comes for a reader who has gone to do something else; in PULL_REQUESTS of
 *                    what the consumer's limits allow for one, at most
 *     message        outstanding - 1
 *     408, 409       what is left of that request is not outstanding; if it is wanted still, it is
 *                    asked for again, or, if nothing has come and the request had time left,
 *                    PULL_PAUSE_NS later
 *     100            the server lives, and has nothing
 *     503            nobody listens: is the consumer there? then again, PULL_PAUSE_NS later, else
 *                    the reader ends; an ordered one makes another
 *     silence        for PULL_SILENCE_NS, or the connection is lost: nothing is outstanding any
 *                    more; what is wanted is asked for again
 *
 * So a request that is lost anywhere delays its messages and loses none. What comes twice since a
 * request was believed lost, and was not, is more than was wanted by one request at most.
 *
 * While a request lies in `out`, its reader makes no other: what is wanted meanwhile is asked for
 * by one when that one has left. So a server that ends requests and reads none makes nobody hold
 * more than one for each reader.
 *
 * A reader without acks is ordered: its messages are numbered 1, 2, 3 ... by its consumer. One that
 * is not the next, or comes from another consumer, shows that some were lost on the way, or that
 * the server has forgotten the consumer. Then a new one is made under another name, which begins
 * behind the last message that came, and its messages come to another inbox: what the old one sends
 * finds nobody. So it is after
 * each connection that was lost while something was outstanding, when the server says that it has
 * sent more than came, and when a message found no room in the reader's queue: then as soon as the
 * reader wants more. The program sees each message once, and in order.
 *
 * A group that seeks another place: what is on its way to its readers here was meant for the old
 * one. They are held: they do not listen any more, and when the server has answered they listen at
 * an inbox that nobody knew before, and what lies in their queues is dropped. */
#include "base/assert.h"
#include "base/error.h"
#include "base/number.h"
#include "base/saturate.h"
#include "codec/jetstream/duration.h"
#include "codec/jetstream/js_answers.h"
#include "codec/jetstream/jshot.h"
#include "front/peer_nats/nats_ask.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    PULL_REST = 64,    /* bytes of a subject beside its names */
    PULL_NAK = 40,     /* of a nak with its time */
    PULL_REQUESTS = 8, /* under way at once, of one reader */
};
#define PULL_EXPIRES_NS (30 * RI_SEC)
#define PULL_BEAT_NS (5 * RI_SEC)
#define PULL_PAUSE_NS (250 * RI_MS) /* before what a server could not do is asked for again */
#define PULL_LEAST_NS (10 * RI_MS) /* a request lasts so long, or it ended before its time */
#define PULL_POLL_NS RI_SEC /* so long a request lasts of a reader who does not wait at all */
#define PULL_SILENCE_NS (2 * PULL_BEAT_NS + PULL_BEAT_NS / 2)

typedef enum nats_pull_state {
    PULL_WELL,
    PULL_ASKS,  /* whether its consumer is there */
    PULL_HEALS, /* makes a new one */
    PULL_SEEKS, /* the same, for a call that waits */
    PULL_HELD,  /* its group seeks another place */
} nats_pull_state;

struct ri_nats_reader {
    ri_list link;            /* in peer->reading */
    uint32_t number;         /* joined.reader; 0: its subscription was closed while it seeks */
    rill_sub *sub;           /* NULL: not claimed yet, or closed */
    ri_arena arena;          /* of conf and stream */
    ri_consumer_conf conf;   /* what its consumer is, or is to be again */
    char *stream;
    char name[RI_ASK_NAME_MAX]; /* of its consumer now */
    bool ordered, own;
    bool wants;              /* the handle waits for messages */
    uint32_t outstanding;
    uint32_t unread;         /* with acks: of those that came, not handed out */
    uint32_t most;           /* that one request may want ... */
    int64_t longest_ns;      /* ... for how long ... */
    int64_t most_bytes;      /* ... and of how many bytes; 0: of any number */
    bool large;              /* the next message has more bytes, and comes alone */
    bool asked;              /* something was asked for, ... */
    int64_t asked_ns;        /* ... the last of it then, ... */
    uint64_t asked_takes;    /* ... when peer->takes was that; equal: it has not left */
    bool came;               /* something has come since */
    int64_t heard_ns;        /* when something came for it last, or it asked */
    int64_t again_ns;        /* not before then it asks again */
    bool torn;               /* an ordered one has lost a message */
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
    if (reader->state != PULL_ASKS && reader->state != PULL_HEALS) return;
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

/* What one request may want, as the consumer is configured. */
static void nats_pull_limit(ri_nats_reader *reader)
{
    const ri_consumer_conf *conf = &reader->conf;
    reader->most = UINT32_MAX;
    if (conf->max_batch > 0) reader->most = (uint32_t)RI_MIN(conf->max_batch, UINT32_MAX);
    reader->longest_ns = PULL_EXPIRES_NS;
    if (conf->max_expires > 0) reader->longest_ns = RI_MIN(conf->max_expires, PULL_EXPIRES_NS);
    reader->most_bytes = RI_MAX(conf->max_bytes, 0);
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
    nats_pull_limit(reader);
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

/* The reader of a subscription, which is claimed by the first who asks. NULL: it has left, and what
 * was on its way to the subscription still comes. */
static ri_nats_reader *nats_pull_of(rill_sub *sub)
{
    ri_bus_consumer *c = sub->consumer;
    if (c->of_peer) return c->of_peer;
    ri_nats_reader *reader = nats_pull_find(ri_nats_peer_of(sub->bus), c->reader);
    if (!reader) return NULL;
    RI_ASSERT(!reader->sub);
    reader->sub = sub;
    c->of_peer = reader;
    return reader;
}

/* ---- Asking ---- */

/* How long a request may last. */
static int64_t nats_pull_patience_ns(const ri_nats_reader *reader)
{
    const ri_bus_consumer *c = reader->sub->consumer;
    if (!c->acks || c->patience_ns < 0) return reader->longest_ns;
    return RI_MIN(c->patience_ns ? c->patience_ns : PULL_POLL_NS, reader->longest_ns);
}

/* A request for `n` messages, whose answers come to the subscription's inbox. */
static int nats_pull_request(ri_nats_reader *reader, uint32_t n)
{
    ri_nats_peer *peer = reader->peer;
    ri_js_pull_request body = {.batch = n, .expires = nats_pull_patience_ns(reader)};
    if (!reader->large) body.max_bytes = reader->most_bytes;
    if (body.expires >= 2 * PULL_BEAT_NS) body.idle_heartbeat = PULL_BEAT_NS;
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
    reader->heard_ns = reader->asked_ns = ri_mono_ns(&peer->bus.host);
    reader->asked_takes = peer->takes;
    reader->asked = true;
    reader->came = false;
    peer->watches = true;
    return RILL_OK;
}

static bool nats_pull_is_over(const ri_nats_reader *reader)
{
    return !reader->sub || reader->sub->ended || reader->sub->finishing;
}

/* Its last request has not left, or too much waits to be sent: it asks when that has gone. */
static bool nats_pull_is_held(const ri_nats_reader *reader)
{
    const ri_nats_peer *peer = reader->peer;
    if (reader->asked && reader->asked_takes == peer->takes) return true;
    return ri_nats_send_has_spare(peer) < 0;
}

/* As many as are wanted and not outstanding. While there is no connection, and while it is mended,
 * that is done when it is over. */
static int nats_pull_ask(ri_nats_reader *reader)
{
    if (nats_pull_is_over(reader) || !reader->wants) return RILL_OK;
    if (reader->peer->state != RI_NATS_UP || reader->state != PULL_WELL) return RILL_OK;
    if (reader->again_ns) return RILL_OK; /* the watch comes back to it */
    uint32_t most = reader->large ? 1 : reader->most;
    uint64_t wanted = RI_MIN(reader->sub->consumer->asked, ri_u64_mul(most, PULL_REQUESTS));
    if (reader->outstanding >= wanted) return RILL_OK;
    if (nats_pull_is_held(reader)) {
        reader->peer->holds_pulls = true;
        return RILL_OK;
    }
    while (reader->outstanding < wanted) {
        int rc = nats_pull_request(reader, (uint32_t)RI_MIN(wanted - reader->outstanding, most));
        if (rc < 0) return rc;
    }
    return RILL_OK;
}

void ri_nats_pull_again(ri_nats_peer *peer)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    peer->holds_pulls = false;
    ri_list_each (link, &peer->reading)
        nats_pull_ask(ri_container_of(link, ri_nats_reader, link));
}

int ri_nats_pull_more(rill_sub *sub, uint32_t n)
{
    RI_ASSERT(ri_broker_is_entered(sub->bus->broker));
    ri_nats_reader *reader = nats_pull_of(sub);
    if (!reader) return RILL_OK;
    reader->wants = true;
    if (reader->torn && reader->state == PULL_WELL) ri_nats_pull_heal(reader);
    sub->consumer->asked += n; /* the caller counts them when this returns */
    int rc = nats_pull_ask(reader);
    sub->consumer->asked -= n;
    return rc;
}

/* What is outstanding comes all the same: requests cannot be taken back. */
void ri_nats_pull_enough(rill_sub *sub)
{
    RI_ASSERT(ri_broker_is_entered(sub->bus->broker));
    ri_nats_reader *reader = nats_pull_of(sub);
    if (reader) reader->wants = false;
}

/* How long the server waits for the ack of a delivery. */
static int64_t nats_pull_ack_wait_ns(const ri_nats_reader *reader, uint64_t deliveries)
{
    const ri_int64s *backoff = &reader->conf.backoff;
    if (!backoff->len) return reader->conf.ack_wait;
    return backoff->items[RI_MIN(RI_MAX(deliveries, 1u), backoff->len) - 1];
}

/* What is of use if it finds room. */
static void nats_pull_say(ri_nats_peer *peer, const ri_message *m)
{
    if (ri_nats_send_has_spare(peer) == RILL_OK) ri_nats_send_message(peer, m);
}

bool ri_nats_pull_hand_out(rill_sub *sub, const ri_packet *m)
{
    RI_ASSERT(ri_broker_is_entered(sub->bus->broker));
    ri_js_ack ack = {.deliveries = 1};
    ri_nats_reader *reader = nats_pull_of(sub);
    if (!reader || !ri_str_starts(ri_packet_reply(m), RI_STR("$JS.ACK."))) return true;
    ri_message working = {.subject = ri_packet_reply(m), .data = RI_STR("+WPI")};
    int64_t lay_ns = ri_ns_sub(ri_coarse_ns(&sub->bus->host), m->time_ns);
    if (reader->conf.backoff.len && !ri_jshot_ack_read(ri_packet_reply(m), &ack)) return true;
    int64_t wait_ns = nats_pull_ack_wait_ns(reader, ack.deliveries);
    if (reader->unread) reader->unread--;
    if (wait_ns <= 0 || lay_ns < wait_ns / 4) return true;
    if (lay_ns >= wait_ns) return false; /* somebody else has it, or will have */
    nats_pull_say(reader->peer, &working); /* without room its time goes on */
    return true;
}

/* The reader that a delivery came to; NULL: it has gone. */
static ri_nats_reader *nats_pull_settler(ri_nats_peer *peer, const ri_js_ack *ack)
{
    ri_list_each (link, &peer->reading) {
        ri_nats_reader *reader = ri_container_of(link, ri_nats_reader, link);
        if (ri_str_is(ack->consumer, reader->name) && ri_str_is(ack->stream, reader->stream))
            return reader;
    }
    return NULL;
}

/* What goes to the server for `how`: a nak that says no time means at once there, and here the
 * pause of the group. RILL_EINVAL: the reader takes no acks. */
static int nats_pull_settle_how(const ri_nats_reader *reader, const ri_js_ack *ack, ri_str *how,
                           char room[PULL_NAK])
{
    if (!reader) return RILL_OK;
    if (reader->conf.ack_policy == RI_ACK_NONE)
        return ri_err(RILL_EINVAL, "the message came without acknowledgement");
    if (!reader->conf.backoff.len || !ri_str_is(*how, "-NAK")) return RILL_OK;
    int len = snprintf(room, PULL_NAK, "-NAK {\"delay\":%" PRIi64 "}",
                       nats_pull_ack_wait_ns(reader, ack->deliveries));
    *how = (ri_str){room, (size_t)len};
    return RILL_OK;
}

/* Of a message that the program has, its stream stands in the ack, and the consumer behind it: that
 * is not read anew, since it is done for each message. A forward keeps the ack alone. */
static bool nats_pull_ack_of(const ri_bus_msg *msg, ri_js_ack *ack)
{
    if (!msg->m.stream.len) return ri_jshot_ack_read(msg->ack, ack);
    *ack = (ri_js_ack){.stream = msg->m.stream, .deliveries = msg->m.deliveries};
    size_t before = (size_t)(ack->stream.ptr - msg->ack.ptr) + ack->stream.len + 1;
    RI_ASSERT(ack->stream.ptr > msg->ack.ptr && msg->ack.len > before);
    ri_str rest = ri_str_from(msg->ack, before);
    return ri_str_cut(&rest, '.', &ack->consumer);
}

int ri_nats_pull_settle(rill_bus *bus, const ri_bus_msg *msgs, size_t n, ri_str how)
{
    ri_nats_peer *peer = ri_nats_peer_of(bus);
    RI_ASSERT(ri_nats_peer_is_entered(peer) && n > 0);
    ri_js_ack ack;
    ri_nats_reader *reader = NULL;
    char room[PULL_NAK];
    int rc = ri_nats_send_has_spare(peer);
    for (size_t i = 0; i < n && rc == RILL_OK; i++) {
        if (!nats_pull_ack_of(&msgs[i], &ack)) continue;
        if (i == 0) reader = nats_pull_settler(peer, &ack);
        ri_message m = {.subject = msgs[i].ack, .data = how};
        rc = nats_pull_settle_how(reader, &ack, &m.data, room);
        if (rc == RILL_OK) rc = ri_nats_send_message(peer, &m);
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
    nats_pull_say(peer, &m); /* without room its time ends it */
}

/* A consumer of one reader goes with it. */
static void nats_pull_go(ri_nats_reader *reader)
{
    if (reader->own && !reader->peer->closing) nats_pull_delete(reader, reader->name);
    nats_pull_free(reader);
}

/* The call that seeks has its request of the reader, and lets it go when it is over. */
void ri_nats_pull_leave(rill_sub *sub)
{
    RI_ASSERT(ri_broker_is_entered(sub->bus->broker));
    ri_nats_reader *reader = nats_pull_of(sub);
    if (!reader) return;
    sub->consumer->of_peer = NULL;
    reader->sub = NULL;
    reader->number = 0;
    if (reader->state != PULL_SEEKS) nats_pull_go(reader);
}

/* ---- Its consumer is gone, or may be ---- */

static void nats_pull_end(ri_nats_reader *reader)
{
    ri_bus_sub_end_later(reader->sub);
}

/* A server that cannot do it now is not asked at once again. */
static void nats_pull_later(ri_nats_reader *reader)
{
    RI_ASSERT(reader->state != PULL_HELD);
    reader->again_ns = ri_ns_add(ri_mono_ns(&reader->peer->bus.host), PULL_PAUSE_NS);
    reader->peer->watches = reader->peer->hurries = true;
    ri_nats_peer_call(reader->peer);
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
    RI_ASSERT(reader->state == PULL_ASKS || reader->state == PULL_HEALS);
    reader->state = PULL_WELL;
    int rc = ri_nats_api_taken(&reader->api, q, &ri_jsapi_consumer_reply, &reply);
    bool gone = reader->api.err_code == RI_JS_CONSUMER_NOT_FOUND ||
                reader->api.err_code == RI_JS_STREAM_NOT_FOUND;
    ri_nats_api_end(&reader->api);
    if (gone) {
        nats_pull_end(reader);
    } else if (rc == RILL_OK) {
        nats_pull_mended(reader);
    } else {
        reader->torn = reader->ordered;
        nats_pull_later(reader);
    }
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
    reader->state = PULL_WELL;
    reader->torn = reader->torn || state == PULL_HEALS;
    nats_pull_later(reader);
}

static void nats_pull_look(ri_nats_reader *reader)
{
    if (reader->state != PULL_WELL) return;
    nats_pull_question(reader, PULL_ASKS, &(ri_nats_api_request){
        .verb = "CONSUMER.INFO", .stream = reader->stream, .name = reader->name, .reads = true});
}

/* What was sent to the old inbox is nobody's any more. */
static int nats_pull_listen_anew(ri_nats_reader *reader)
{
    RI_ASSERT(reader->sub && reader->outstanding == 0);
    rill_sub *sub = reader->sub;
    ri_nats_subs_unsubscribe(sub->bus, &sub->core);
    ri_nuid_next(&sub->bus->nuid, sub->consumer->inbox + 7);
    return ri_nats_subs_subscribe(sub->bus, &sub->core);
}

/* From now on the reader listens to another consumer, which is to begin there (0: as the first
 * did), and to nothing that the old one sends. *request makes that consumer. */
static int nats_pull_anew(ri_nats_reader *reader, uint64_t seq, ri_js_consumer_request *body,
                          ri_nats_api_request *request)
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
    reader->torn = false;
    *body = (ri_js_consumer_request){.stream_name = ri_str_of(reader->stream),
                                     .conf = reader->conf, .action = RI_ACTION_CREATE};
    *request = (ri_nats_api_request){
        .verb = "CONSUMER.CREATE", .stream = reader->stream, .name = reader->name, .reads = true,
        .filter = reader->conf.filter_subject, .type = &ri_jsapi_consumer_request,
        .body = body};
    return nats_pull_listen_anew(reader);
}

void ri_nats_pull_heal(ri_nats_reader *reader)
{
    RI_ASSERT(reader->ordered && reader->sub);
    ri_js_consumer_request body;
    ri_nats_api_request request;
    if (reader->state == PULL_HEALS || reader->state == PULL_SEEKS || nats_pull_is_over(reader))
        return;
    uint64_t seq = reader->stream_seq ? reader->stream_seq + 1 : 0;
    if (nats_pull_anew(reader, seq, &body, &request) == RILL_OK) {
        nats_pull_question(reader, PULL_HEALS, &request);
    } else {
        reader->torn = true;
        nats_pull_later(reader);
    }
}

bool ri_nats_pull_is_own(rill_sub *sub)
{
    const ri_nats_reader *reader = nats_pull_of(sub);
    return reader && reader->own;
}

/* To the place and the consumer that it had before a seek that failed. What has come meanwhile was
 * passed over: an ordered reader gets it again. */
static void nats_pull_back(ri_nats_reader *reader, const ri_nats_reader *was)
{
    RI_ASSERT(reader->state == PULL_WELL);
    memcpy(reader->name, was->name, sizeof reader->name);
    reader->conf = was->conf;
    reader->conf.name = ri_str_of(reader->name);
    reader->consumer_seq = was->consumer_seq;
    reader->torn = reader->ordered;
    bool listens = ri_nats_subs_find(reader->peer, reader->sub->core.fanned) != NULL;
    if (!listens && nats_pull_listen_anew(reader) < 0) ri_bus_sub_end(reader->sub);
    else nats_pull_later(reader);
}

/* Its subscription was closed while it was seeking, whatever came of that. */
static int nats_pull_was_closed(ri_nats_reader *reader, const char *before)
{
    if (!reader->peer->closing) nats_pull_delete(reader, before);
    nats_pull_go(reader);
    return ri_err(RILL_ECLOSED, "the subscription was closed");
}

int ri_nats_pull_seek(ri_nats_api *api, rill_sub *sub, const rill_at *at, uint64_t seq)
{
    ri_nats_reader *reader = nats_pull_of(sub);
    if (!reader) return ri_err(RILL_ECLOSED, "the subscription has stopped");
    ri_js_consumer_request body;
    ri_nats_api_request request;
    ri_js_consumer_reply reply;
    const ri_nats_reader was = *reader;
    ri_nats_group_begin_at(&reader->conf, at, RI_MAX(seq, 1));
    int rc = nats_pull_anew(reader, 0, &body, &request);
    request.answer_type = &ri_jsapi_consumer_reply;
    request.answer = &reply;
    reader->state = PULL_SEEKS;
    if (rc == RILL_OK) rc = ri_nats_api_ask(api, &request);
    reader->state = PULL_WELL;
    if (!reader->sub) return nats_pull_was_closed(reader, was.name);
    if (rc < 0) {
        nats_pull_back(reader, &was);
        return rc;
    }
    ri_bus_consume_skip(sub); /* what comes from now on is the new one's */
    reader->unread = 0;
    reader->stream_seq = 0; /* until one has come it begins where it was sent */
    nats_pull_delete(reader, was.name);
    return nats_pull_ask(reader);
}

/* ---- A group seeks another place ---- */

static bool nats_pull_is_of(const ri_nats_reader *reader, const char *stream, const char *group)
{
    return reader->sub && strcmp(reader->stream, stream) == 0 && strcmp(reader->name, group) == 0;
}

void ri_nats_pull_hold(ri_nats_peer *peer, const char *stream, const char *group)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer) && stream && group);
    ri_list_each (link, &peer->reading) {
        ri_nats_reader *reader = ri_container_of(link, ri_nats_reader, link);
        if (!nats_pull_is_of(reader, stream, group) || nats_pull_is_over(reader)) continue;
        nats_pull_forget(reader);
        reader->state = PULL_HELD;
        reader->outstanding = 0;
        ri_nats_subs_unsubscribe(&peer->bus, &reader->sub->core);
    }
}

void ri_nats_pull_go_on(ri_nats_peer *peer, const char *stream, const char *group, bool elsewhere)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer) && stream && group);
    ri_list_each (link, &peer->reading) {
        ri_nats_reader *reader = ri_container_of(link, ri_nats_reader, link);
        if (!nats_pull_is_of(reader, stream, group) || reader->state != PULL_HELD) continue;
        reader->state = PULL_WELL;
        if (nats_pull_is_over(reader)) continue;
        if (nats_pull_listen_anew(reader) < 0) {
            ri_bus_sub_end(reader->sub);
            continue;
        }
        if (elsewhere) ri_bus_consume_skip(reader->sub);
        if (elsewhere) reader->unread = 0, reader->consumer_seq = 0;
        if (nats_pull_ask(reader) < 0) nats_pull_later(reader);
    }
}

/* Those that came when it was behind `delivered` are the last ones in the queue. */
static uint64_t nats_pull_unread(const ri_nats_reader *reader, uint64_t delivered)
{
    uint64_t later = ri_u64_sub(reader->consumer_seq, delivered);
    return ri_u64_sub(reader->unread, later);
}

uint64_t ri_nats_pull_unread(ri_nats_peer *peer, const char *stream, const char *group,
                             uint64_t delivered)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    uint64_t unread = 0;
    ri_list_each (link, &peer->reading) {
        const ri_nats_reader *reader = ri_container_of(link, ri_nats_reader, link);
        if (nats_pull_is_of(reader, stream, group)) unread += nats_pull_unread(reader, delivered);
    }
    return unread;
}

const char *ri_nats_pull_name(ri_nats_peer *peer, const char *stream, const char *group)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    ri_list_each (link, &peer->reading) {
        const ri_nats_reader *reader = ri_container_of(link, ri_nats_reader, link);
        if (reader->sub && reader->ordered && strcmp(reader->stream, stream) == 0 &&
            strcmp(reader->sub->consumer->name, group) == 0) return reader->name;
    }
    return group;
}

/* ---- What comes ---- */

/* How many of a request are not coming any more: what its last words say, or all. */
static uint32_t nats_pull_left(const ri_nats_reader *reader, const ri_js_status *status)
{
    if (!status->counts) return reader->outstanding;
    return (uint32_t)RI_MIN(status->pending_msgs, reader->outstanding);
}

/* What stands behind "of" in a refusal: the limit that was exceeded. */
static ri_str nats_pull_limit_of(const ri_js_status *status, const char *exceeded)
{
    ri_str prefix = ri_str_of(exceeded);
    return ri_str_starts(status->text, prefix) ? ri_str_from(status->text, prefix.len)
                                               : RI_STR_NONE;
}

/* A limit that the consumer's configuration did not have when it was read: it is obeyed from now
 * on, and halved where the server's word for it says nothing. */
static bool nats_pull_learn(ri_nats_reader *reader, const ri_js_status *status)
{
    uint64_t n;
    int64_t ns;
    ri_str batch = nats_pull_limit_of(status, "Exceeded MaxRequestBatch of ");
    ri_str expires = nats_pull_limit_of(status, "Exceeded MaxRequestExpires of ");
    ri_str bytes = nats_pull_limit_of(status, "Exceeded MaxRequestMaxBytes of ");
    if (batch.len) {
        bool news = ri_number_read(batch, &n) && n > 0 && n < reader->most;
        reader->most = news ? (uint32_t)n
                            : RI_MAX(RI_MIN(reader->most, reader->outstanding) / 2, 1u);
    } else if (expires.len) {
        bool news = ri_duration_read(expires, &ns) && ns > 0 && ns < reader->longest_ns;
        reader->longest_ns = news ? ns : RI_MAX(reader->longest_ns / 2, RI_MS);
    } else if (bytes.len && ri_number_read(bytes, &n) && n > 0 && !reader->large) {
        reader->most_bytes = (int64_t)RI_MIN(n, (uint64_t)INT64_MAX);
    } else {
        return false;
    }
    return true;
}

static void nats_pull_refused(ri_nats_reader *reader, const ri_js_status *status)
{
    if (status->code == 409 && nats_pull_learn(reader, status)) {
        reader->outstanding = 0;
        nats_pull_later(reader); /* at once, each refusal would bring several requests more */
        return;
    }
    ri_err(RILL_EPROTO, "%s refuses a request for messages of %s: %d %.*s", reader->peer->server,
           reader->stream, status->code, (int)RI_MIN(status->text.len, 100), status->text.ptr);
    ri_nats_peer_report(reader->peer, &(ri_nats_news){.kind = RILL_EV_ERROR, .code = RILL_EPROTO,
                                                      .sid = reader->sub->core.fanned});
    nats_pull_end(reader);
}

/* A request has ended. If it has brought nothing, and had time left, the server ends them at once:
 * it is not asked at once again. */
static void nats_pull_ended(ri_nats_reader *reader, const ri_js_status *status)
{
    int64_t lasted_ns = ri_ns_sub(ri_mono_ns(&reader->peer->bus.host), reader->asked_ns);
    int64_t time_ns = RI_MIN(RI_MAX(nats_pull_patience_ns(reader) / 2, PULL_LEAST_NS),
                             PULL_PAUSE_NS);
    bool too_large = ri_str_starts(status->text, RI_STR("Message Size Exceeds MaxBytes"));
    reader->outstanding -= nats_pull_left(reader, status);
    if (too_large && !reader->came && reader->most_bytes) reader->large = true;
    else if (!reader->came && lasted_ns < time_ns) nats_pull_later(reader);
    nats_pull_ask(reader);
}

/* It has nothing; has it sent more than came? */
static void nats_pull_beat(ri_nats_reader *reader, const ri_js_status *status)
{
    bool lost = reader->ordered && reader->state == PULL_WELL && status->places &&
                status->last_consumer > reader->consumer_seq;
    if (lost) ri_nats_pull_heal(reader);
}

/* Nobody listens for its requests. The consumer of an ordered reader may be gone with its server,
 * which nobody would say; and another one is as good. */
static void nats_pull_doubt(ri_nats_reader *reader)
{
    if (!reader->ordered) {
        nats_pull_look(reader);
        return;
    }
    if (reader->state != PULL_WELL) return;
    reader->torn = true;
    nats_pull_later(reader);
}

static void nats_pull_status(ri_nats_reader *reader, const ri_js_status *status)
{
    switch (status->kind) {
    case RI_JS_STATUS_STALLED: return;
    case RI_JS_STATUS_BEAT: nats_pull_beat(reader, status); return;
    case RI_JS_STATUS_END:
    case RI_JS_STATUS_NOTHING:
    case RI_JS_STATUS_OVER:
        nats_pull_ended(reader, status);
        return;
    case RI_JS_STATUS_MOVED:
        reader->outstanding -= nats_pull_left(reader, status);
        nats_pull_later(reader);
        return;
    case RI_JS_STATUS_GONE: /* it may have been made anew, to begin elsewhere */
        if (reader->ordered) ri_nats_pull_heal(reader);
        else nats_pull_look(reader);
        return;
    case RI_JS_STATUS_NOBODY: nats_pull_doubt(reader); return;
    case RI_JS_STATUS_TOO_MANY:
    case RI_JS_STATUS_REFUSED: nats_pull_refused(reader, status); return;
    }
}

/* Is it of the consumer that a reader of its own listens to, and, of an ordered one, the next
 * message? If one is missing the reader is mended. */
static bool nats_pull_is_next(ri_nats_reader *reader, const ri_message *m)
{
    ri_js_ack ack;
    if (!ri_jshot_ack_read(m->reply, &ack)) return false;
    if (!ri_str_is(ack.consumer, reader->name) || reader->state == PULL_HEALS ||
        reader->state == PULL_SEEKS || reader->torn) return false;
    if (!reader->ordered) return true;
    if (ack.consumer_seq != reader->consumer_seq + 1) {
        ri_nats_pull_heal(reader);
        return false;
    }
    reader->consumer_seq++;
    reader->stream_seq = ack.stream_seq;
    return true;
}

/* One more lies in the queue. */
static void nats_pull_count(ri_nats_reader *reader, const ri_message *m)
{
    ri_js_ack ack;
    if (!ri_jshot_ack_read(m->reply, &ack)) return;
    reader->unread++;
    reader->consumer_seq = RI_MAX(reader->consumer_seq, ack.consumer_seq);
}

/* What was too much for the requests that may be under way is asked for when they have brought half
 * of theirs. */
static void nats_pull_ask_rest(ri_nats_reader *reader)
{
    uint64_t most = ri_u64_mul(reader->most, PULL_REQUESTS);
    if (most < reader->sub->consumer->asked && reader->outstanding <= most / 2)
        nats_pull_ask(reader);
}

bool ri_nats_pull_take(ri_nats_peer *peer, ri_subscription *core, const ri_message *m)
{
    rill_sub *sub = ri_container_of(core, rill_sub, core);
    RI_ASSERT(ri_bus_sub_is_sound(sub) && ri_nats_peer_is_entered(peer));
    ri_js_status status;
    if (!sub->consumer) return true;
    ri_nats_reader *reader = nats_pull_of(sub);
    if (!reader) return m->reply.len > 0; /* what has none is about its requests */
    reader->heard_ns = peer->taken_ns;
    if (m->headers.len && !m->reply.len && ri_js_answers_status(m->headers, &status)) {
        nats_pull_status(reader, &status);
        return false;
    }
    if (reader->outstanding) reader->outstanding--;
    reader->came = true;
    reader->large = false;
    nats_pull_ask_rest(reader);
    if (reader->own && !nats_pull_is_next(reader, m)) return false;
    if (sub->consumer->acks) nats_pull_count(reader, m);
    return true;
}

void ri_nats_pull_dropped(ri_nats_peer *peer, ri_subscription *core, const ri_message *m)
{
    rill_sub *sub = ri_container_of(core, rill_sub, core);
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    if (!sub->consumer || sub->ended || !m->reply.len) return;
    ri_nats_reader *reader = nats_pull_of(sub);
    if (!reader) return; /* it comes again when its time is up */
    ri_message nak = {.subject = m->reply, .data = RI_STR("-NAK")};
    if (reader->unread) reader->unread--;
    if (!reader->ordered) {
        if (sub->consumer->acks) nats_pull_say(peer, &nak);
        return;
    }
    reader->torn = true;
    reader->stream_seq--; /* it comes again, and so do those behind it */
}

/* ---- Silence ---- */

/* The connection is lost: nothing is outstanding, and what was sent may not have come. */
void ri_nats_pull_lost(ri_nats_peer *peer)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    ri_list_each (link, &peer->reading) {
        ri_nats_reader *reader = ri_container_of(link, ri_nats_reader, link);
        reader->torn = reader->torn || (reader->ordered && reader->outstanding);
        reader->outstanding = 0;
        reader->asked = false;
        reader->again_ns = 0;
    }
}

void ri_nats_pull_up(ri_nats_peer *peer)
{
    RI_ASSERT(peer->state == RI_NATS_UP);
    ri_list_each (link, &peer->reading) {
        ri_nats_reader *reader = ri_container_of(link, ri_nats_reader, link);
        if (reader->torn && !nats_pull_is_over(reader) && reader->state == PULL_WELL)
            ri_nats_pull_heal(reader);
        else nats_pull_ask(reader);
    }
}

static bool nats_pull_is_silent(const ri_nats_reader *reader, int64_t now_ns)
{
    return ri_ns_sub(now_ns, reader->heard_ns) > PULL_SILENCE_NS;
}

/* One that waits: has something become of what it has asked for? */
static void nats_pull_look_after(ri_nats_reader *reader, int64_t now_ns)
{
    bool again = reader->again_ns != 0;
    if (reader->again_ns > now_ns) return;
    reader->again_ns = 0;
    if (reader->torn && reader->state == PULL_WELL) {
        ri_nats_pull_heal(reader);
        return;
    }
    if (reader->state == PULL_WELL && (again || !reader->outstanding)) {
        nats_pull_ask(reader); /* there was no memory, or the mending failed */
        return;
    }
    if (!nats_pull_is_silent(reader, now_ns)) return;
    nats_pull_forget(reader);
    if (reader->ordered) ri_nats_pull_heal(reader);
    else nats_pull_look(reader);
}

int64_t ri_nats_pull_watch(ri_nats_peer *peer, int64_t now_ns)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    bool some = false;
    int64_t next_ns = PULL_BEAT_NS;
    peer->hurries = false;
    ri_list_each (link, &peer->reading) {
        ri_nats_reader *reader = ri_container_of(link, ri_nats_reader, link);
        if (nats_pull_is_over(reader) || !reader->wants || !reader->sub->consumer->asked) continue;
        some = true;
        if (peer->state == RI_NATS_UP) nats_pull_look_after(reader, now_ns);
        if (reader->again_ns) next_ns = RI_MIN(next_ns, PULL_PAUSE_NS);
    }
    peer->watches = some;
    return some ? next_ns : -1;
}
