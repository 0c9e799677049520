/* SPDX-License-Identifier: Apache-2.0 */
/* JetStream as its client sees it. A reader pulls: it asks its consumer for as many messages as it
 * will hand out, and no more, so that none waits here while its ack_wait runs.
 *
 *     MAKING  --answer-->  IDLE  --somebody reads-->  PULLING  --the last one, or a status--> IDLE
 *        ^                                                                                     |
 *        +----------- connected anew, or a gap in what comes in order --------------------------+
 *
 * A consumer with a name is made by action "create", which changes none that is there. One that
 * reads in order has no acks: when a connection is lost it is made anew behind what has been
 * handed out. */
#include "micro/micro_nats.h"

#include "codec/nats/headers.h"
#include "micro/micro_scan.h"

#ifdef RI_MICRO_JETSTREAM

enum {
    MICRO_JS_PULL_MS = 5000,         /* a pull lasts so long at most, and .. */
    MICRO_JS_PULL_LEAST_MS = 200,    /* ... so long at least */
    MICRO_JS_PAUSE_MS = 500,         /* behind a refusal */
};

typedef enum micro_js_state { MICRO_JS_FREE, MICRO_JS_MAKING, MICRO_JS_IDLE, MICRO_JS_PULLING }
    micro_js_state;

typedef struct micro_js_reader {
    micro_js_state state;
    rill_sub *sub;
    bool group, ordered, watch, caught_up, headers_only, strict, asked;
    rill_from from;
    rill_ack_mode ack;
    uint32_t ack_wait_ms, max_deliveries, max_unacked;
    int64_t inactive_ms;
    uint64_t from_seq;         /* of FROM_SEQ; of who reads in order: the next */
    uint32_t batch;            /* who has a callback: how many it asks for */
    uint32_t wanted, coming;   /* by a read; by the pull under way */
    int64_t wanted_until_ns, due_ns; /* PULLING: when it is over; else not before that */
    uint32_t making;           /* the number of the call that makes it */
    ri_str stream, filter, consumer;
    char *text;
} micro_js_reader;

/* The peer's readers stand behind its struct. */
static micro_js_reader *micro_js_readers(rill_bus *bus)
{
    return ((ri_micro_nats *)bus->state)->readers;
}

static size_t micro_js_text_bytes(const rill_bus *bus)
{
    return 3 * ((size_t)bus->max_subject_bytes + 1);
}

void ri_micro_js_lay(rill_bus *bus, void **readers, char **texts)
{
    *readers = ri_micro_bus_carve(bus, ri_size_mul(bus->max_readers, sizeof(micro_js_reader)));
    *texts = ri_micro_bus_carve(bus, ri_size_mul(bus->max_readers, micro_js_text_bytes(bus)));
}

void ri_micro_js_open(rill_bus *bus, char *texts)
{
    micro_js_reader *readers = micro_js_readers(bus);
    for (uint32_t i = 0; i < bus->max_readers; i++)
        readers[i] = (micro_js_reader){.text = texts + i * micro_js_text_bytes(bus)};
}

/* ---- Texts ---- */

typedef struct micro_js_text {
    char *at, *end;
    bool full;
} micro_js_text;

static void micro_js_put(micro_js_text *t, const char *text)
{
    ri_str s = ri_str_of(text);
    t->full |= s.len > (size_t)(t->end - t->at);
    if (!t->full) t->at = ri_str_put(t->at, s);
}

static void micro_js_span(micro_js_text *t, ri_str s)
{
    t->full |= s.len > (size_t)(t->end - t->at);
    if (!t->full && s.len > 0) t->at = ri_str_put(t->at, s);
}

static void micro_js_quote(micro_js_text *t, const char *before, ri_str s, const char *behind)
{
    micro_js_put(t, before);
    t->full |= ri_micro_scan_quoted(s) > (size_t)(t->end - t->at);
    if (!t->full) t->at = ri_micro_scan_quote(t->at, s);
    micro_js_put(t, behind);
}

static void micro_js_number(micro_js_text *t, const char *before, uint64_t n)
{
    micro_js_put(t, before);
    t->full |= RI_NUMBER_MAX > t->end - t->at;
    if (!t->full) t->at += ri_number_write(t->at, n);
}

static void micro_js_ms(micro_js_text *t, const char *before, int64_t ms)
{
    if (ms > 0) micro_js_number(t, before, (uint64_t)ri_ns_of_ms(ms));
}

/* ---- Questions ---- */

/* A question is put together in the arena,
    and copied into the output before anything else is done. */
static void micro_js_begin(rill_bus *bus, micro_js_text *subject, micro_js_text *body)
{
    ri_micro_nats *n = bus->state;
    *subject = (micro_js_text){n->js_subject, n->js_subject + sizeof n->js_subject, false};
    *body = (micro_js_text){n->js_body, n->js_body + sizeof n->js_body, false};
}

static void micro_js_out(ri_micro_out *out, ri_str subject, ri_str data)
{
    out->subject = subject;
    out->reply = RI_STR_NONE;
    out->data = data;
    out->headers = NULL;
    out->nheaders = out->nextras = out->header_bytes = 0;
}

/* Send `body` to `subject`; the answer goes to `call`, or to `reply` without one. */
static int micro_js_send(rill_bus *bus, const micro_js_text *subject, const micro_js_text *body,
                         ri_str reply, ri_micro_call *call)
{
    ri_micro_nats *n = bus->state;
    if (subject->full || body->full)
        return ri_err(RILL_ETOOBIG, "names of a question are too long");
    ri_micro_out *out = &bus->out;
    micro_js_out(out, (ri_str){n->js_subject, (size_t)(subject->at - n->js_subject)},
                 (ri_str){n->js_body, (size_t)(body->at - n->js_body)});
    out->reply = reply;
    if (call) {
        n->inbox_wanted = true;
        out->reply = ri_micro_call_inbox(bus, call);
        call->subject_hash = ri_micro_call_hash(out->subject);
    }
    return ri_micro_nats_out_put(n, out, call);
}

typedef struct micro_js_code {
    uint16_t js;
    int8_t code;
} micro_js_code;

/* What errors of the API are here; else by their kind. */
static const micro_js_code micro_js_codes[] = {
    {10059, RILL_ENOENT},    {10014, RILL_ENOENT},    {10037, RILL_ENOENT},
    {10058, RILL_EEXIST},    {10148, RILL_EEXIST},    {10013, RILL_EEXIST},
    {10105, RILL_EEXIST},    {10065, RILL_EEXIST},    {10071, RILL_ECONFLICT},
    {10164, RILL_ECONFLICT}, {10070, RILL_ECONFLICT}, {10060, RILL_ECONFLICT},
    {10077, RILL_EFULL},     {10047, RILL_EFULL},     {10023, RILL_EFULL},
    {10026, RILL_EFULL},     {10027, RILL_EFULL},     {10002, RILL_EFULL},
    {10054, RILL_ETOOBIG},   {10053, RILL_ETOOBIG},   {10039, RILL_ENOTSUP},
    {10076, RILL_ENOTSUP},
};

/* The error that an answer has, as one of ours with its sentence; RILL_OK: none. */
static int micro_js_error(ri_str answer)
{
    ri_str error, description;
    uint64_t js = 0, code = 0;
    if (!ri_micro_scan_find(answer, "error", &error)) return RILL_OK;
    ri_micro_scan_number(error, "err_code", &js);
    ri_micro_scan_number(error, "code", &code);
    ri_micro_scan_find(error, "description", &description);
    int rc = code == 404 ? RILL_ENOENT : code == 503 ? RILL_EAGAIN : code >= 500 ? RILL_EIO
        : RILL_EINVAL;
    for (size_t i = 0; i < RI_LEN(micro_js_codes); i++)
        if (micro_js_codes[i].js == js) rc = micro_js_codes[i].code;
    return ri_err(rc, "%.*s (%lu)", (int)RI_MIN(description.len, (size_t)80),
                  description.len ? description.ptr : "", (unsigned long)js);
}

static int micro_js_receipt(ri_micro_call *call, ri_str answer)
{
    int rc = micro_js_error(answer);
    if (rc < 0) return rc;
    if (!ri_micro_scan_number(answer, "seq", &call->receipt.seq))
        return ri_err(RILL_EPROTO, "the answer is not that of a stream");
    call->receipt.duplicate = ri_micro_scan_is_true(answer, "duplicate");
    return RILL_OK;
}

void ri_micro_js_answer(rill_bus *bus, ri_micro_call *call, ri_str headers, ri_str data, bool cut)
{
    RI_ASSERT(call->kind != RI_MICRO_CALL_REQUEST);
    (void)headers;
    int rc = call->kind == RI_MICRO_CALL_APPEND ? micro_js_receipt(call, data)
        : micro_js_error(data);
    (void)cut; /* an error comes first, and is short */
    ri_micro_call_answer(bus, call, rc, NULL);
}

int ri_micro_js_append(rill_bus *bus, ri_micro_out *out, ri_micro_call *call)
{
    RI_ASSERT(call->kind == RI_MICRO_CALL_APPEND);
    ri_micro_nats *n = bus->state;
    n->inbox_wanted = true;
    out->reply = ri_micro_call_inbox(bus, call);
    int rc = ri_micro_nats_out_put(n, out, call);
    out->reply = RI_STR_NONE;
    return rc;
}

static int micro_js_is_message(rill_bus *bus, ri_micro_call *call, int rc)
{
    (void)bus;
    (void)call;
    return rc;
}

int ri_micro_js_get(rill_bus *bus, ri_str stream, ri_str subject, ri_micro_call *call)
{
    RI_ASSERT(call->kind == RI_MICRO_CALL_REQUEST);
    micro_js_text t, body;
    micro_js_begin(bus, &t, &body);
    micro_js_put(&t, "$JS.API.DIRECT.GET.");
    micro_js_span(&t, stream);
    micro_js_put(&t, ".");
    micro_js_span(&t, subject);
    call->verdict = micro_js_is_message; /* a status is an error */
    return micro_js_send(bus, &t, &body, RI_STR_NONE, call);
}

/* ---- Streams ---- */

/* Words of `subjects` as a JSON list. */
static void micro_js_subjects(micro_js_text *t, ri_str subjects)
{
    ri_str word;
    const char *before = "\"";
    micro_js_put(t, ",\"subjects\":[");
    while (ri_str_word(&subjects, &word)) {
        micro_js_quote(t, before, word, "\"");
        before = ",\"";
    }
    micro_js_put(t, "]");
}

static void micro_js_conf(micro_js_text *t, ri_str stream, ri_str subjects,
                          const rill_stream_opts *opts)
{
    static const char *const keeps[] = {"limits", "interest", "workqueue"};
    bool bucket = ri_str_starts(stream, RI_STR("KV_"));
    micro_js_quote(t, "{\"name\":\"", stream, "\"");
    micro_js_subjects(t, subjects);
    micro_js_quote(t, ",\"retention\":\"", ri_str_of(keeps[opts->keep]), "\"");
    micro_js_put(t, opts->in_memory ? ",\"storage\":\"memory\"" : ",\"storage\":\"file\"");
    micro_js_put(t, opts->reject_when_full ? ",\"discard\":\"new\"" : ",\"discard\":\"old\"");
    if (opts->max_msgs) micro_js_number(t, ",\"max_msgs\":", opts->max_msgs);
    if (opts->max_bytes) micro_js_number(t, ",\"max_bytes\":", opts->max_bytes);
    if (opts->max_msgs_per_subject)
        micro_js_number(t, ",\"max_msgs_per_subject\":", opts->max_msgs_per_subject);
    micro_js_ms(t, ",\"max_age\":", opts->max_age_ms);
    if (opts->max_msg_bytes) micro_js_number(t, ",\"max_msg_size\":", opts->max_msg_bytes);
    int64_t window = opts->dedupe_window_ms;
    if (window == 0 && opts->max_age_ms > 0) window = RI_MIN(opts->max_age_ms, (int64_t)120000);
    micro_js_ms(t, ",\"duplicate_window\":", window);
    if (bucket) micro_js_put(t, ",\"allow_rollup_hdrs\":true,\"deny_delete\":true");
    if (opts->allow_ttl) micro_js_put(t, ",\"allow_msg_ttl\":true");
    micro_js_put(t, ",\"allow_direct\":true,\"num_replicas\":1}");
}

int ri_micro_js_ensure(rill_bus *bus, ri_str stream, ri_str subjects, const rill_stream_opts *opts,
                       bool must_exist, ri_micro_call *call)
{
    micro_js_text t, body;
    micro_js_begin(bus, &t, &body);
    if (opts->keep < RILL_KEEP_LIMITS || opts->keep > RILL_KEEP_WORK)
        return ri_err(RILL_EINVAL, "rill_stream_opts.keep has no such value");
    micro_js_put(&t, must_exist ? "$JS.API.STREAM.INFO." : "$JS.API.STREAM.CREATE.");
    micro_js_span(&t, stream);
    if (!must_exist) micro_js_conf(&body, stream, subjects, opts);
    return micro_js_send(bus, &t, &body, RI_STR_NONE, call);
}

/* ---- Consumers ---- */

static const char *micro_js_policy(const micro_js_reader *r)
{
    switch (r->from) {
    case RILL_FROM_LAST: return "last";
    case RILL_FROM_LAST_PER_SUBJECT: return "last_per_subject";
    case RILL_FROM_NEW: return "new";
    case RILL_FROM_SEQ: return "by_start_sequence";
    case RILL_FROM_FIRST: return "all";
    default: return "all"; /* micro_stored.c has refused it */
    }
}

static const char *micro_js_acks(const micro_js_reader *r)
{
    if (r->ordered || r->ack == RILL_ACK_NONE) return "none";
    return r->ack == RILL_ACK_UPTO ? "all" : "explicit";
}

static void micro_js_consumer(micro_js_text *t, const micro_js_reader *r)
{
    RI_ASSERT(r->stream.len > 0 && r->consumer.len > 0);
    micro_js_quote(t, "{\"stream_name\":\"", r->stream, "\",\"action\":\"create\",\"config\":{");
    micro_js_quote(t, r->group ? "\"durable_name\":\"" : "\"name\":\"", r->consumer, "\"");
    micro_js_quote(t, ",\"deliver_policy\":\"", ri_str_of(micro_js_policy(r)), "\"");
    if (r->from == RILL_FROM_SEQ)
        micro_js_number(t, ",\"opt_start_seq\":", RI_MAX(r->from_seq, 1u));
    micro_js_quote(t, ",\"ack_policy\":\"", ri_str_of(micro_js_acks(r)), "\"");
    micro_js_ms(t, ",\"ack_wait\":", r->ack_wait_ms);
    if (r->max_deliveries) micro_js_number(t, ",\"max_deliver\":", r->max_deliveries);
    if (r->max_unacked) micro_js_number(t, ",\"max_ack_pending\":", r->max_unacked);
    if (r->filter.len > 0) micro_js_quote(t, ",\"filter_subject\":\"", r->filter, "\"");
    if (r->headers_only) micro_js_put(t, ",\"headers_only\":true");
    if (!r->group) micro_js_put(t, ",\"mem_storage\":true");
    int64_t inactive = r->inactive_ms > 0 || r->group ? r->inactive_ms : 300000;
    micro_js_ms(t, ",\"inactive_threshold\":", inactive);
    micro_js_put(t, ",\"replay_policy\":\"instant\",\"num_replicas\":0}}");
}

static micro_js_reader *micro_js_of(rill_bus *bus, uint32_t sid)
{
    rill_sub *sub = ri_micro_sub_of(bus, sid);
    return sub ? sub->reader : NULL;
}

/* The answer to the making of a reader. */
static int micro_js_made(rill_bus *bus, ri_micro_call *call, int rc)
{
    micro_js_reader *r = micro_js_of(bus, call->about);
    if (!r || r->state != MICRO_JS_MAKING) return rc; /* it was closed meanwhile */
    if (rc == RILL_EEXIST && r->group && !r->strict) rc = RILL_OK; /* it is as the group has it */
    bool later = !call->waited && (rc == RILL_EAGAIN || rc == RILL_ETIMEDOUT ||
                                   rc == RILL_EUNSURE ||
                                   rc == RILL_ENOTSUP);
    if (rc >= 0) r->state = MICRO_JS_IDLE;
    r->making = 0;
    r->due_ns = later ? ri_ns_add(ri_micro_bus_now(bus), ri_ns_of_ms(MICRO_JS_PAUSE_MS)) : 0;
    if (rc < 0 && !call->waited && !later) { /* it cannot go on */
        ri_micro_bus_error(bus, rc);
        ri_micro_sub_stop(r->sub);
    }
    return rc;
}

/* A name that nobody has: who reads in order has a new one each time. */
static void micro_js_new_name(rill_bus *bus, micro_js_reader *r)
{
    char *name = r->text + 2 * ((size_t)bus->max_subject_bytes + 1);
    ri_nuid_next(&bus->nuid, name);
    r->consumer = (ri_str){name, RI_NUID_LEN};
}

static int micro_js_make(rill_bus *bus, micro_js_reader *r, ri_micro_call *call)
{
    RI_ASSERT(r->sub && r->making == 0);
    micro_js_text t, body;
    micro_js_begin(bus, &t, &body);
    if (r->ordered) micro_js_new_name(bus, r);
    micro_js_put(&t, "$JS.API.CONSUMER.CREATE.");
    micro_js_span(&t, r->stream);
    micro_js_put(&t, ".");
    micro_js_span(&t, r->consumer);
    if (r->filter.len > 0) {
        micro_js_put(&t, ".");
        micro_js_span(&t, r->filter);
    }
    micro_js_consumer(&body, r);
    call->about = r->sub->sid;
    call->verdict = micro_js_made;
    r->state = MICRO_JS_MAKING;
    r->coming = 0;
    int rc = micro_js_send(bus, &t, &body, RI_STR_NONE, call);
    if (rc >= 0) r->making = call->number + 1;
    return rc;
}

static ri_str micro_js_keep(micro_js_reader *r, size_t place, ri_str s)
{
    RI_ASSERT(s.ptr || s.len == 0);
    char *at = r->text + place;
    if (s.len > 0) memcpy(at, s.ptr, s.len);
    at[s.len] = 0;
    return (ri_str){at, s.len};
}

static void micro_js_options(micro_js_reader *r, const ri_micro_ask *ask, const rill_bus *bus)
{
    const rill_sub_opts *opts = ask->opts;
    r->group = ask->group.len > 0;
    r->ordered = ask->ordered;
    r->watch = ask->watch;
    r->from = ask->from;
    r->from_seq = ask->from == RILL_FROM_SEQ ? opts->from_seq : 0;
    r->ack = opts->ack;
    r->ack_wait_ms = opts->ack_wait_ms;
    r->max_deliveries = opts->max_deliveries;
    r->max_unacked = opts->max_unacked;
    r->headers_only = opts->headers_only;
    r->inactive_ms = opts->inactive_ms;
    r->strict = opts->from || opts->ack == RILL_ACK_UPTO || opts->ack == RILL_ACK_NONE ||
                opts->ack_wait_ms || opts->max_deliveries || opts->max_unacked ||
                    ask->filter.len > 0;
    r->batch = opts->pending_msgs ? RI_MIN(opts->pending_msgs, bus->max_pending) : 1;
}

/* The inbox of a reader: "_INBOX.<22 letters>R.<sid>", which that of calls does not match. */
static void micro_js_inbox(rill_bus *bus, rill_sub *sub)
{
    char *at = sub->text;
    memcpy(at, bus->inbox, RI_MICRO_INBOX_LEN - 1);
    memcpy(at + RI_MICRO_INBOX_LEN - 1, "R.", 2);
    size_t len = RI_MICRO_INBOX_LEN + 1;
    len += ri_number_write(at + len, sub->sid);
    at[len] = 0;
    sub->subject = (ri_str){at, len};
    RI_ASSERT(len <= bus->max_subject_bytes);
}

int ri_micro_js_consume(rill_bus *bus, rill_sub *sub, const ri_micro_ask *ask, ri_micro_call *call)
{
    micro_js_reader *r = micro_js_readers(bus);
    uint32_t i = 0;
    while (i < bus->max_readers && r[i].state != MICRO_JS_FREE) i++;
    if (i == bus->max_readers)
        return ri_err(RILL_EFULL, "all %lu readers are in use", (unsigned long)bus->max_readers);
    r = &r[i];
    *r = (micro_js_reader){.sub = sub, .text = r->text};
    size_t room = (size_t)bus->max_subject_bytes + 1;
    micro_js_options(r, ask, bus);
    r->stream = micro_js_keep(r, 0, ask->stream);
    r->filter = micro_js_keep(r, room, ask->filter);
    if (r->group) r->consumer = micro_js_keep(r, 2 * room, ask->group);
    else micro_js_new_name(bus, r);
    sub->reader = r;
    micro_js_inbox(bus, sub);
    bus->peer->listen(bus, sub);
    return micro_js_make(bus, r, call);
}

void ri_micro_js_forget(rill_bus *bus, rill_sub *sub)
{
    (void)bus;
    micro_js_reader *r = sub->reader;
    RI_ASSERT(r->sub == sub);
    r->state = MICRO_JS_FREE;
    r->sub = NULL;
}

/* ---- Pulls ---- */

void ri_micro_js_want(rill_bus *bus, rill_sub *sub, uint32_t msgs, int64_t until_ns)
{
    RI_ASSERT(sub->reader && msgs > 0);
    micro_js_reader *r = sub->reader;
    (void)bus;
    r->wanted = msgs;
    r->wanted_until_ns = until_ns;
}

static uint32_t micro_js_wanted(const micro_js_reader *r)
{
    if (r->sub->state != RI_MICRO_SUB_OPEN || r->sub->first) return 0;
    return RI_MIN(r->sub->on_msg ? r->batch : r->wanted, r->sub->bus->entries_free);
}

static void micro_js_pull(rill_bus *bus, micro_js_reader *r, uint32_t msgs)
{
    RI_ASSERT(r->state == MICRO_JS_IDLE && msgs > 0 && msgs <= bus->max_pending);
    micro_js_text t, body;
    micro_js_begin(bus, &t, &body);
    int64_t now = ri_micro_bus_now(bus), most = ri_ns_of_ms(MICRO_JS_PULL_MS);
    int64_t left = r->sub->on_msg ? most : ri_ns_sub(r->wanted_until_ns, now);
    left = RI_MAX(RI_MIN(left, most), ri_ns_of_ms(MICRO_JS_PULL_LEAST_MS));
    micro_js_put(&t, "$JS.API.CONSUMER.MSG.NEXT.");
    micro_js_span(&t, r->stream);
    micro_js_put(&t, ".");
    micro_js_span(&t, r->consumer);
    micro_js_number(&body, "{\"batch\":", msgs);
    /* A watch asks once what is there: none is news, too. */
    if (r->watch && !r->asked) micro_js_put(&body, ",\"no_wait\":true}");
    else micro_js_number(&body, ",\"expires\":", (uint64_t)left);
    if (!r->watch || r->asked) micro_js_put(&body, "}");
    if (micro_js_send(bus, &t, &body, r->sub->subject, NULL) < 0) return; /* later */
    if (now >= r->wanted_until_ns) r->wanted = 0; /* nobody waits any more: the next read asks */
    r->asked = true;
    r->state = MICRO_JS_PULLING;
    r->coming = msgs;
    r->due_ns = ri_ns_add(now, ri_ns_add(left, RI_SEC)); /* then it was lost */
}

void ri_micro_js_turn(rill_bus *bus)
{
    int64_t now = ri_micro_bus_now(bus);
    micro_js_reader *readers = micro_js_readers(bus);
    for (uint32_t i = 0; i < bus->max_readers; i++) {
        micro_js_reader *r = &readers[i];
        if (r->state == MICRO_JS_FREE || r->sub->state != RI_MICRO_SUB_OPEN) continue;
        if (r->state == MICRO_JS_PULLING && now >= r->due_ns) r->state = MICRO_JS_IDLE;
        if (r->state == MICRO_JS_MAKING && r->making == 0 && now >= r->due_ns) {
            ri_micro_call *call = ri_micro_call_new(bus, RI_MICRO_CALL_ASK,
                                                    (int)bus->call_timeout_ms);
            if (call && micro_js_make(bus, r, call) < 0) ri_micro_call_free(bus, call);
        }
        uint32_t msgs = r->state == MICRO_JS_IDLE && now >= r->due_ns ? micro_js_wanted(r) : 0;
        if (msgs > 0) micro_js_pull(bus, r, msgs);
    }
}

int64_t ri_micro_js_due(rill_bus *bus)
{
    int64_t due = INT64_MAX;
    const micro_js_reader *readers = micro_js_readers(bus);
    for (uint32_t i = 0; i < bus->max_readers; i++) {
        const micro_js_reader *r = &readers[i];
        if (r->state == MICRO_JS_FREE || r->sub->state != RI_MICRO_SUB_OPEN) continue;
        bool acts = r->state == MICRO_JS_PULLING || (r->state == MICRO_JS_MAKING &&
                                                     r->making == 0) ||
                    (r->state == MICRO_JS_IDLE && micro_js_wanted(r) > 0);
        if (acts) due = RI_MIN(due, r->due_ns);
    }
    return due;
}

void ri_micro_js_up(rill_bus *bus)
{
    micro_js_reader *readers = micro_js_readers(bus);
    for (uint32_t i = 0; i < bus->max_readers; i++) {
        micro_js_reader *r = &readers[i];
        if (r->state == MICRO_JS_FREE || r->making != 0) continue; /* what makes it is under way */
        if (r->state == MICRO_JS_PULLING) r->state = MICRO_JS_IDLE;
        if (!r->group) r->state = MICRO_JS_MAKING;
        r->coming = 0;
        r->due_ns = 0;
    }
}

/* ---- What comes ---- */

/* "$JS.ACK.STREAM.CONSUMER.deliveries.seq.delivered.time.pending", or with a domain and an account
 * before the stream, and maybe a word behind. */
RI_APART static bool micro_js_place(ri_micro_msg *msg, ri_str ack)
{
    enum { WORDS = 12 };
    ri_str words[WORDS], rest = ack;
    size_t n = 0;
    while (n < WORDS && ri_str_cut(&rest, '.', &words[n])) n++;
    if (n < 9 || !ri_str_is(words[0], "$JS") || !ri_str_is(words[1], "ACK")) return false;
    size_t at = n == 9 ? 2 : 4;
    uint64_t deliveries, time;
    if (n < at + 7 || !ri_number_read(words[at + 2], &deliveries) ||
        !ri_number_read(words[at + 3], &msg->m.seq) || !ri_number_read(words[at + 5], &time) ||
        !ri_number_read(words[at + 6], &msg->m.pending))
        return false;
    msg->m.stream = words[at];
    msg->m.deliveries = (uint32_t)RI_MIN(deliveries, (uint64_t)UINT32_MAX);
    msg->m.time_ns = ri_ns_of_u64(time);
    return true;
}

/* What the server says of a pull. True: a watch has caught up, and nothing says so. */
RI_APART static bool micro_js_status(micro_js_reader *r, const ri_micro_msg *msg)
{
    RI_ASSERT(r->sub);
    rill_bus *bus = msg->bus;
    ri_str description;
    int status = ri_headers_status(msg->headers, &description);
    if (status == 0 || status == 100) return false;
    if (r->state == MICRO_JS_MAKING) return false; /* it is of a pull of before */
    bool empty = r->watch && !r->caught_up && status == 404;
    bool deleted = status == 409 && ri_str_starts(description, RI_STR("Consumer Deleted"));
    r->state = MICRO_JS_IDLE;
    r->coming = 0;
    /* Of a reader with a callback that is refused the next pull is not sent at once. */
    r->due_ns = status == 408 || status == 404
                    ? 0 : ri_ns_add(ri_micro_bus_now(bus), ri_ns_of_ms(MICRO_JS_PAUSE_MS));
    if (deleted && !r->ordered) {
        ri_micro_bus_error(bus, ri_err(RILL_ENOENT, "the group was deleted"));
        ri_micro_sub_stop(r->sub);
    } else if (deleted) {
        r->state = MICRO_JS_MAKING;
    }
    return empty;
}

static void micro_js_mark(micro_js_reader *r)
{
    if (!ri_micro_sub_has_room(r->sub, 0)) return;
    r->caught_up = true;
    const ri_str none = RI_STR_NONE;
    ri_micro_msg *mark = ri_micro_msg_new(r->sub->bus);
    if (!mark) return;
    ri_micro_msg_fill(mark, none, none, none, none);
    mark->m.flags = RILL_MSG_CAUGHT_UP;
    ri_micro_sub_take(r->sub, mark, true);
    ri_micro_msg_drop(mark);
}

static void micro_js_key(micro_js_reader *r, ri_micro_msg *msg)
{
    RI_ASSERT(ri_str_starts(r->stream, RI_STR("KV_")));
    ri_str value, bucket = ri_str_from(r->stream, 3);
    size_t skip = sizeof "$KV." - 1 + bucket.len + 1;
    msg->m.key = ri_str_from(msg->m.subject, skip);
    if (ri_headers_find(msg->headers, RI_STR("KV-Operation"), &value) ||
        ri_headers_find(msg->headers, RI_STR("Nats-Marker-Reason"), &value))
        msg->m.flags |= RILL_MSG_DELETED;
    if (r->caught_up || msg->m.pending > 0) return;
    r->caught_up = true;
    msg->m.flags |= RILL_MSG_CAUGHT_UP;
}

/* Who reads in order begins again with `seq`. */
static void micro_js_rewind(micro_js_reader *r, uint64_t seq)
{
    RI_ASSERT(r->ordered && r->making == 0);
    r->state = MICRO_JS_MAKING;
    r->from = RILL_FROM_SEQ;
    r->from_seq = seq;
    r->coming = 0;
    r->due_ns = ri_ns_add(ri_micro_bus_now(r->sub->bus), ri_ns_of_ms(MICRO_JS_PULL_LEAST_MS));
}

/* There is no room for it: who reads in order begins again with it, others get it again. */
static void micro_js_refuse(micro_js_reader *r, ri_micro_msg *msg)
{
    if (r->ordered) micro_js_rewind(r, msg->m.seq);
    else ri_micro_js_settle(msg->bus, msg, RI_MICRO_NAK, MICRO_JS_PAUSE_MS);
}

void ri_micro_js_missed(rill_sub *sub, ri_str reply)
{
    micro_js_reader *r = sub->reader;
    ri_micro_msg missed = {.refs = 0};
    RI_ASSERT(r && r->sub == sub);
    if (!r->ordered || r->state == MICRO_JS_MAKING || !micro_js_place(&missed, reply)) return;
    if (missed.m.seq >= r->from_seq) micro_js_rewind(r, missed.m.seq);
}

void ri_micro_js_take(rill_sub *sub, ri_micro_msg *msg)
{
    RI_ASSERT(sub->reader && ((micro_js_reader *)sub->reader)->sub == sub);
    micro_js_reader *r = sub->reader;
    ri_str reply = msg->m.reply;
    if (ri_str_eq(msg->m.subject, sub->subject)) {
        if (micro_js_status(r, msg)) micro_js_mark(r);
        return;
    }
    if (!micro_js_place(msg, reply)) return;
    if (r->coming > 0 && --r->coming == 0 && r->state == MICRO_JS_PULLING) {
        r->state = MICRO_JS_IDLE;
        r->due_ns = 0;
        r->wanted = 0;
    }
    /* It had it, or will have it again. */
    if (r->ordered && (r->state == MICRO_JS_MAKING || msg->m.seq < r->from_seq)) return;
    msg->reader = sub->sid;
    msg->ack = r->ordered || r->ack == RILL_ACK_NONE ? RI_STR_NONE : reply;
    msg->m.reply = RI_STR("");
    size_t bytes = msg->m.subject.len + msg->headers.len + msg->m.data.len;
    bool at_once = sub->on_msg && !sub->first && !sub->bus->in_callback;
    if (!at_once && !ri_micro_sub_has_room(sub, bytes)) {
        micro_js_refuse(r, msg);
        return;
    }
    if (r->ordered) {
        r->from = RILL_FROM_SEQ; /* from here on, if it is made anew */
        r->from_seq = msg->m.seq + 1;
        if (r->watch) micro_js_key(r, msg);
    }
    ri_micro_sub_take(sub, msg, true);
}

int ri_micro_js_settle(rill_bus *bus, ri_micro_msg *msg, ri_micro_settle how, uint32_t delay_ms)
{
    RI_ASSERT(msg->ack.len > 0);
    static const char *const words[] = {"+ACK", "-NAK", "+TERM", "+WPI"};
    char text[48];
    micro_js_text t = {text, text + sizeof text, false};
    micro_js_put(&t, words[how]);
    if (how == RI_MICRO_NAK && delay_ms > 0) {
        micro_js_number(&t, " {\"delay\":", (uint64_t)ri_ns_of_ms(delay_ms));
        micro_js_put(&t, "}");
    }
    ri_micro_nats *n = bus->state;
    micro_js_out(&bus->out, msg->ack, (ri_str){text, (size_t)(t.at - text)});
    return ri_micro_nats_out_put(n, &bus->out, NULL);
}

#endif
