/* SPDX-License-Identifier: Apache-2.0 */
/* /follow: messages for a person who looks, as server-sent events. Whoever asks has logged in
 * (http_login.h), and sees what he might read over NATS: a follower is a party at the router, in
 * the account of its user and with his permissions.
 *
 *     /follow?subject=orders.>                    live: a subscription, if he may subscribe to it
 *     /follow?stream=ORDERS&subject=orders.eu.>   what is stored, from the first on, then what
 *         &last=1 | &seq=7 | &since=2026-01-01T.. comes: a consumer of its own, in memory, that it
 *                                                 asks the JetStream API for; so he has to be let
 *                                                 publish to $JS.API.CONSUMER.CREATE.ORDERS...
 *                                                 and $JS.API.CONSUMER.MSG.NEXT.ORDERS...
 *
 *     data: {"subject":..,"time":..,"seq":7,"pending":0,"size":5,"headers":..,"data":"..."}
 *     event: end            and a sentence, where it goes no further
 *
 * What is live, and more than RI_LIMIT_HTTP_FOLLOWED a second, or than he reads, is left out and
 * counted: "missed" of the next one. What is stored is asked for by a few at a time, the next when
 * he has read these. Who reads nothing for the time of a write goes, as all visitors do. After a
 * reload of who may come in all followers go; they come again, and log in by that. */
#include "base/assert.h"
#include "base/error.h"
#include "base/json.h"
#include "base/nuid.h"
#include "base/number.h"
#include "base/saturate.h"
#include "codec/limits.h"
#include "codec/subject/subject.h"
#include "front/broker/durable.h"
#include "front/http/http_session.h"

#include <stdio.h>

enum {
    FOLLOW_BATCH = 32,         /* messages of a stream that are asked for at a time */
    FOLLOW_LEFT = 64 * 1024,   /* bytes of these that may still wait when the next are asked for */
    FOLLOW_RETRY_MS = 3000,
    FOLLOW_NAME = 256,         /* of a stream */
    FOLLOW_IDLE_S = 30,        /* its consumer goes so long behind it */
    FOLLOW_ID = 5 + RI_NUID_LEN + 1, /* "http-" and letters */
};

typedef struct ri_http_follow {
    ri_party party;
    ri_subscription sub;     /* to the subject, or to where answers come */
    ri_http_session *s;
    ri_access *access;       /* a reference, or NULL */
    ri_access_user *who;     /* of it; NULL: he may do all */
    uint32_t epoch;          /* of the configuration that said so ... */
    int64_t until_s;         /* ... up to that second of Unix */
    bool open;               /* the head of the answer is queued: events may follow */
    bool watch;              /* each message is to be asked about */
    bool last;               /* replay: the last of each subject */
    bool wants;              /* replay: the next messages are to be asked for */
    uint32_t coming;         /* replay: so many are still to come */
    uint64_t seq;            /* replay: from there on; 0: it is not said */
    uint64_t missed;
    int64_t second_ns;       /* wall clock: since then ... */
    uint32_t heard;          /* ... so many came */
    char id[FOLLOW_ID];
    char stream[FOLLOW_NAME], since[64]; /* empty: not said; no stream: it is live */
    char filter[RI_PAGE_QUERY_VALUE];
    char inbox[40 + FOLLOW_ID];
    ri_buffer text;          /* the event that is made */
} ri_http_follow;

#define FOLLOW_OF(of_party) ri_container_of(of_party, ri_http_follow, party)

/* ---- Events: inside the gate, any thread ---- */

static void follow_queue(ri_http_follow *f)
{
    ri_str text = ri_buffer_str(&f->text);
    if (f->text.failed) f->missed++;
    else ri_http_session_hand(f->s, text);
    ri_budget_spend(&f->party.router->budget, ri_budget_bytes(text.len));
    ri_buffer_reset(&f->text);
}

/* It goes no further. */
static void follow_end(ri_http_follow *f, ri_str why)
{
    if (f->s->end) return;
    ri_buffer_reset(&f->text);
    ri_buffer_puts(&f->text, "event: end\ndata: ");
    ri_json_put_string(&f->text, why);
    ri_buffer_puts(&f->text, "\n\n");
    follow_queue(f);
    ri_http_session_end(f->s, RI_HTTP_END_DONE);
}

/* Of "$JS.ACK...": the number in the stream, the time and how many follow, from the back. */
static bool follow_read_reply(ri_str reply, uint64_t *seq, int64_t *time_ns, uint64_t *pending)
{
    uint64_t numbers[4] = {0}; /* pending, time, of the consumer, of the stream */
    if (!ri_str_starts(reply, RI_STR("$JS.ACK."))) return false;
    for (int i = 0; i < 4; i++) {
        const char *dot = memrchr(reply.ptr, '.', reply.len);
        if (!dot) return false;
        ri_str token = ri_str_from(reply, (size_t)(dot - reply.ptr) + 1);
        if (!ri_number_read(token, &numbers[i])) return false;
        reply.len = (size_t)(dot - reply.ptr);
    }
    *pending = numbers[0];
    *time_ns = ri_ns_of_u64(numbers[1]);
    *seq = numbers[3];
    return true;
}

static void follow_put_text(ri_page_json *j, const char *key, ri_str text, bool *cut)
{
    *cut = *cut || text.len > RI_LIMIT_HTTP_FOLLOW_DATA;
    text.len = RI_MIN(text.len, (size_t)RI_LIMIT_HTTP_FOLLOW_DATA);
    if (text.len) ri_page_json_string(j, key, text);
}

static void follow_show(ri_http_follow *f, const ri_message *m)
{
    ri_page_json j = {.out = &f->text, .flat = true};
    uint64_t seq, pending;
    int64_t time_ns = f->party.router->time_ns;
    bool cut = false, stored = follow_read_reply(m->reply, &seq, &time_ns, &pending);
    ri_buffer_reset(&f->text);
    ri_buffer_puts(&f->text, "data: ");
    ri_page_json_open(&j, NULL, '{');
    ri_page_json_string(&j, "subject", m->subject);
    ri_page_json_time(&j, "time", time_ns);
    if (stored) ri_page_json_uint(&j, "seq", seq);
    if (stored) ri_page_json_uint(&j, "pending", pending);
    if (!stored && m->reply.len) ri_page_json_string(&j, "reply", m->reply);
    ri_page_json_uint(&j, "size", m->data.len);
    follow_put_text(&j, "headers", m->headers, &cut);
    follow_put_text(&j, "data", m->data, &cut);
    if (cut) ri_page_json_bool(&j, "cut", true);
    if (f->missed) ri_page_json_uint(&j, "missed", f->missed);
    ri_page_json_close(&j, '}');
    ri_buffer_puts(&f->text, "\n\n");
    if (!f->text.failed) f->missed = 0;
    follow_queue(f);
}

/* There is room for one more, of him and of the broker, and it is not too many in a second. */
static bool follow_may_hear(ri_http_follow *f)
{
    int64_t now_ns = f->party.router->time_ns, since_ns = ri_ns_sub(now_ns, f->second_ns);
    if (since_ns >= RI_SEC || since_ns < 0) {
        f->second_ns = now_ns;
        f->heard = 0;
    }
    return f->heard < RI_LIMIT_HTTP_FOLLOWED &&
           f->s->conn.pending < RI_LIMIT_HTTP_FOLLOW_BYTES &&
           ri_broker_has_room(f->s->server->broker);
}

static void follow_live(ri_http_follow *f, const ri_message *m, ri_str route)
{
    ri_str subject = route.len ? route : m->subject;
    if (f->watch && !ri_access_may_get(f->who, subject, RI_STR_NONE)) return;
    if (!follow_may_hear(f)) {
        f->missed++;
        return;
    }
    f->heard++;
    follow_show(f, m);
}

/* What the API says to the request for a consumer. */
static void follow_made(ri_http_follow *f, ri_str answer)
{
    ri_json root;
    char why[200];
    if (ri_json_parse(&root, answer) < 0) {
        follow_end(f, RI_STR("the JetStream API's answer is no JSON"));
        return;
    }
    ri_json error = ri_json_get(root, "error");
    f->wants = !error.at;
    if (error.at)
        follow_end(f, (ri_str){why, ri_json_copy(ri_json_get(error, "description"), why,
                                                 sizeof why)});
    else
        ri_http_session_touch(f->s);
}

/* A message, or a word in place of those that were asked for. */
static void follow_stored(ri_http_follow *f, const ri_message *m)
{
    bool word = ri_str_starts(m->headers, RI_STR("NATS/1.0 ")) && m->headers.len > 9 &&
                !ri_str_starts(m->reply, RI_STR("$JS.ACK."));
    if (word && m->headers.ptr[9] == '1') return; /* a heartbeat */
    if (word && !ri_str_starts(m->headers, RI_STR("NATS/1.0 408"))) {
        const char *end = memchr(m->headers.ptr, '\r', m->headers.len);
        size_t len = end ? (size_t)(end - m->headers.ptr) : m->headers.len;
        follow_end(f, ri_str_from((ri_str){m->headers.ptr, len}, 9));
        return;
    }
    if (!word) follow_show(f, m);
    if (f->coming > 0 && !word) f->coming--;
    if (word) f->coming = 0;
    f->wants = f->coming == 0;
    if (f->wants) ri_http_session_touch(f->s);
}

static bool follow_deliver(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    ri_http_follow *f = FOLLOW_OF(party);
    ri_str route = d->p->route, to = route.len ? route : d->m->subject;
    (void)sub;
    if (!f->open || f->s->end) return true;
    if (f->epoch != f->s->server->broker->conf.login_epoch) {
        ri_http_session_end(f->s, RI_HTTP_END_DONE);
        return true;
    }
    if (party->router->time_ns / RI_SEC >= f->until_s) {
        follow_end(f, RI_STR("the time of that user is over"));
        return true;
    }
    if (!f->stream[0]) follow_live(f, d->m, route);
    else if (to.len && to.ptr[to.len - 1] == 'c') follow_made(f, d->m->data);
    else follow_stored(f, d->m);
    return true;
}

static void follow_on_nobody(ri_party *party, const ri_message *m)
{
    (void)m;
    follow_end(FOLLOW_OF(party), RI_STR("nobody answers for the JetStream API"));
}

static void follow_on_ended(ri_party *party, ri_subscription *sub)
{
    (void)party;
    (void)sub; /* it has no maximum */
}

static const ri_party_ops follow_ops = {
    .deliver = follow_deliver, .ended = follow_on_ended, .no_responders = follow_on_nobody};

/* ---- Asking the JetStream API: inside the gate, on the loop's thread ---- */

/* Where it asks, with a 0 behind it: as newer clients write it, with the filter in it, so that
 * permissions may say of which subjects. */
static void follow_put_create(const ri_http_follow *f, ri_buffer *out)
{
    ri_buffer_printf(out, "$JS.API.CONSUMER.CREATE.%s.%s", f->stream, f->id);
    if (f->filter[0]) ri_buffer_printf(out, ".%s", f->filter);
}

static void follow_put_next(const ri_http_follow *f, ri_buffer *out)
{
    ri_buffer_printf(out, "$JS.API.CONSUMER.MSG.NEXT.%s.%s", f->stream, f->id);
}

static void follow_put_config(const ri_http_follow *f, ri_buffer *out)
{
    ri_page_json j = {.out = out, .flat = true};
    ri_page_json_open(&j, NULL, '{');
    ri_page_json_text(&j, "stream_name", f->stream);
    ri_page_json_open(&j, "config", '{');
    ri_page_json_text(&j, "name", f->id);
    ri_page_json_text(&j, "description", "a page that looks");
    ri_page_json_text(&j, "ack_policy", "none");
    ri_page_json_text(&j, "deliver_policy", f->last       ? "last_per_subject"
                                            : f->seq      ? "by_start_sequence"
                                            : f->since[0] ? "by_start_time"
                                                          : "all");
    if (f->seq && !f->last) ri_page_json_uint(&j, "opt_start_seq", f->seq);
    if (f->since[0] && !f->seq && !f->last) ri_page_json_text(&j, "opt_start_time", f->since);
    if (f->filter[0]) ri_page_json_text(&j, "filter_subject", f->filter);
    ri_page_json_uint(&j, "inactive_threshold", (uint64_t)(FOLLOW_IDLE_S * RI_SEC));
    ri_page_json_bool(&j, "mem_storage", true);
    ri_page_json_close(&j, '}');
    ri_page_json_text(&j, "action", "create");
    ri_page_json_close(&j, '}');
}

/* `what` is the last letter of where the answer comes. */
static void follow_ask(ri_http_follow *f, char what, const ri_buffer *subject, ri_str body)
{
    ri_broker *broker = f->s->server->broker;
    char reply[sizeof f->inbox];
    RI_ASSERT(ri_broker_is_entered(broker));
    snprintf(reply, sizeof reply, "%.*s%c", (int)strlen(f->inbox) - 1, f->inbox, what);
    ri_message m = {.subject = ri_buffer_str(subject), .reply = ri_str_of(reply), .data = body};
    ri_publish p = {.m = &m};
    if (subject->failed || ri_router_publish(&f->party, &p) == RILL_ENOMEM)
        ri_http_session_end(f->s, RI_HTTP_END_MEMORY);
    if (broker->durable) ri_durable_touched(broker->durable);
}

void ri_http_follow_go_on(ri_http_session *s)
{
    ri_http_follow *f = s->follow;
    char body[40];
    if (!f || !f->wants || s->end || s->conn.pending > FOLLOW_LEFT) return;
    ri_buffer subject;
    ri_buffer_init(&subject, &s->server->broker->host);
    follow_put_next(f, &subject);
    f->wants = false;
    f->coming = FOLLOW_BATCH;
    int n = snprintf(body, sizeof body, "{\"batch\":%d}", FOLLOW_BATCH);
    follow_ask(f, 'm', &subject, (ri_str){body, (size_t)n});
    ri_buffer_fini(&subject);
}

void ri_http_follow_join(ri_http_session *s)
{
    ri_http_follow *f = s->follow;
    RI_ASSERT(f && s->busy);
    ri_http_server_enter(s->server);
    f->open = true;
    if (f->stream[0] && !s->end) {
        ri_buffer subject, config;
        ri_buffer_init(&subject, &s->server->broker->host);
        ri_buffer_init(&config, &s->server->broker->host);
        follow_put_create(f, &subject);
        follow_put_config(f, &config);
        if (config.failed) ri_http_session_end(s, RI_HTTP_END_MEMORY);
        else follow_ask(f, 'c', &subject, ri_buffer_str(&config));
        ri_buffer_fini(&subject);
        ri_buffer_fini(&config);
    }
    ri_http_server_leave(s->server);
}

/* Its consumer goes at once, if he may ask for that; else when it has been idle. */
static void follow_delete(ri_http_follow *f)
{
    ri_broker *broker = f->s->server->broker;
    ri_buffer subject;
    ri_buffer_init(&subject, &broker->host);
    ri_buffer_printf(&subject, "$JS.API.CONSUMER.DELETE.%s.%s", f->stream, f->id);
    ri_message m = {.subject = ri_buffer_str(&subject)};
    ri_publish p = {.m = &m};
    if (!subject.failed &&
        (!f->who || ri_access_may_publish(f->who, &broker->verdicts, m.subject))) {
        ri_router_publish(&f->party, &p); /* if it fails that one goes later */
        if (broker->durable) ri_durable_touched(broker->durable);
    }
    ri_buffer_fini(&subject);
}

void ri_http_follow_drop(ri_http_session *s)
{
    ri_http_follow *f = s->follow;
    if (!f) return;
    RI_ASSERT(s->server->nfollowers > 0);
    if (f->stream[0] && f->open) follow_delete(f);
    f->open = false;
    s->server->nfollowers--;
    s->follow = NULL;
    ri_party_fini(&f->party);
    ri_access_unref(f->access);
    ri_buffer_fini(&f->text);
    ri_delete(&s->server->broker->host, f);
}

bool ri_http_follow_is_old(const ri_http_session *s)
{
    return s->follow && s->follow->epoch != s->server->broker->conf.login_epoch;
}

/* ---- Who may: inside the gate ---- */

/* Of a stream, both requests, and to hear where the answers come. 200, or 403, or 503. */
static int follow_may_ask(ri_http_follow *f)
{
    ri_broker *broker = f->s->server->broker;
    bool watch, hears = !f->who || ri_access_may_subscribe(f->who, ri_str_of(f->inbox),
                                                           RI_STR_NONE, &watch);
    int status = hears ? 200 : 403;
    void (*const puts[])(const ri_http_follow *, ri_buffer *) = {follow_put_create,
                                                                 follow_put_next};
    for (size_t i = 0; f->who && i < RI_LEN(puts) && status == 200; i++) {
        ri_buffer subject;
        ri_buffer_init(&subject, &broker->host);
        puts[i](f, &subject);
        if (subject.failed) status = 503;
        else if (!ri_access_may_publish(f->who, &broker->verdicts, ri_buffer_str(&subject)))
            status = 403;
        ri_buffer_fini(&subject);
    }
    return status;
}

static int follow_may(ri_http_follow *f)
{
    if (f->stream[0]) return follow_may_ask(f);
    bool may = !f->who ||
               ri_access_may_subscribe(f->who, ri_str_of(f->filter), RI_STR_NONE, &f->watch);
    return may ? 200 : 403;
}

/* 200: it stands at the router; else the status, and why. */
static int follow_place(ri_http_follow *f, const char **why)
{
    ri_broker *broker = f->s->server->broker;
    bool old = f->s->login.epoch != broker->conf.login_epoch; /* a reload came in between */
    ri_account *account = old ? NULL : ri_http_login_account(f->s);
    int status = account ? follow_may(f) : 403;
    *why = !account ? "there is no such account\n" : "that user may not read this\n";
    if (status == 503) *why = "there is no memory for that\n";
    if (status != 200) return status;
    ri_party_enter(&f->party, account);
    f->sub.entry.subject = ri_str_of(f->stream[0] ? f->inbox : f->filter);
    f->sub.party = &f->party;
    f->epoch = broker->conf.login_epoch;
    *why = "there is no room for one more subscription\n";
    return ri_router_subscribe(&f->party, &f->sub) < 0 ? 503 : 200;
}

/* ---- The route ---- */

static ri_http_follow *follow_new(ri_http_session *s, ri_str query)
{
    ri_broker *broker = s->server->broker;
    ri_nuid nuid;
    ri_http_follow *f = ri_new(&broker->host, ri_http_follow);
    if (!f) return NULL;
    f->s = s;
    ri_buffer_init(&f->text, &broker->host);
    ri_nuid_init(&nuid, &broker->host);
    memcpy(f->id, "http-", 5);
    ri_nuid_next(&nuid, f->id + 5);
    snprintf(f->inbox, sizeof f->inbox, "_INBOX.%s.*", f->id);
    ri_page_query_get(query, "subject", f->filter, sizeof f->filter);
    ri_page_query_get(query, "stream", f->stream, sizeof f->stream);
    ri_page_query_get(query, "since", f->since, sizeof f->since);
    f->last = ri_page_query_bool(query, "last");
    f->seq = ri_page_query_number(query, "seq", 0);
    if (f->last && !f->filter[0]) memcpy(f->filter, ">", 2); /* the last needs to know of what */
    return f;
}

/* What is no filter, or no name of a stream, is said. */
static const char *follow_is_wrong(const ri_http_follow *f)
{
    ri_str stream = ri_str_of(f->stream), filter = ri_str_of(f->filter);
    bool named = stream.len == 0 || (ri_subject_is_literal(stream) &&
                                     !memchr(stream.ptr, '.', stream.len) &&
                                     !ri_subject_has_wildcard(stream));
    if (!stream.len && !filter.len) return "a subject or a stream is to be named\n";
    if (filter.len && ri_subject_check_filter(filter) < 0) return "that is no subject\n";
    return named ? NULL : "that is no name of a stream\n";
}

/* Inside the gate. */
static void follow_admit(ri_http_answer *a, ri_http_follow *f)
{
    ri_http_session *s = f->s;
    ri_party_init(&f->party, &s->server->broker->router, &follow_ops);
    s->follow = f;
    s->server->nfollowers++;
    f->access = ri_access_ref(s->login.access);
    f->who = s->login.who;
    f->until_s = s->login.until_s;
    const char *why;
    int status = follow_place(f, &why);
    if (status == 200) return;
    ri_http_follow_drop(s);
    ri_http_answer_say(a, status, "%s", why);
}

static void follow_begin(ri_http_answer *a, const ri_http_request *request)
{
    ri_http_session *s = a->session;
    RI_ASSERT(s && !s->follow && s->login.right);
    if (s->server->nfollowers >= RI_LIMIT_HTTP_FOLLOWERS) {
        ri_http_answer_say(a, 503, "%d follow already\n", RI_LIMIT_HTTP_FOLLOWERS);
        return;
    }
    ri_http_follow *f = follow_new(s, request->query);
    const char *why = f ? follow_is_wrong(f) : NULL;
    a->body.failed = !f;
    if (why || request->only_head) {
        if (why) ri_http_answer_say(a, 400, "%s", why);
        ri_buffer_fini(&f->text);
        ri_delete(a->body.host, f);
    }
    if (!f || why) return;
    a->type = "text/event-stream";
    a->stream = true;
    ri_buffer_printf(&a->body, "retry: %d\n\n", FOLLOW_RETRY_MS);
    if (request->only_head) return;
    ri_http_server_enter(a->server);
    follow_admit(a, f);
    ri_http_server_leave(a->server);
    if (!s->follow) a->stream = false;
}

const ri_http_route ri_http_follow_route = {
    .path = "/follow", .bools = "last", .uints = "seq", .guarded = true, .begin = follow_begin,
    .join = ri_http_follow_join};
