/* SPDX-License-Identifier: Apache-2.0 */
#include "micro/micro_nats.h"

#include "codec/limits.h"
#include "codec/nats/headers.h"
#include "codec/nats/nats_err.h"
#include "micro/micro_scan.h"

#ifdef RI_MICRO_NATS

enum { MICRO_NATS_INBOX_SID = 1, MICRO_NATS_PONGS = 4 };

/* ---- Messages ---- */

/* "HMSG" with a status and nobody's data: what the server itself says. */
static int micro_nats_in_status(ri_str headers)
{
    ri_str description;
    return headers.len ? ri_headers_status(headers, &description) : 0;
}

static void micro_nats_in_too_big(ri_micro_nats *n, ri_str subject)
{
    ri_micro_bus_error(n->bus, ri_err(RILL_ETOOBIG,
                                      "a message on \"%.*s\" is larger than max_msg_bytes",
                                      (int)RI_MIN(subject.len, (size_t)40), subject.ptr));
}

static ri_micro_msg *micro_nats_in_slot(ri_micro_nats *n, const ri_message *m, int *err)
{
    ri_micro_msg *msg = ri_micro_msg_new(n->bus);
    *err = RILL_EFULL;
    if (!msg) return NULL;
    *err = RILL_ETOOBIG;
    if (ri_micro_msg_fill(msg, m->subject, m->reply, m->headers, m->data)) return msg;
    ri_micro_msg_drop(msg);
    return NULL;
}

static void micro_nats_in_answer(ri_micro_nats *n, const ri_message *m, bool cut)
{
    rill_bus *bus = n->bus;
    ri_micro_call *call = ri_micro_call_of(bus, m->subject);
    if (!call) return; /* it was given up */
    if (micro_nats_in_status(m->headers) == 503) {
        int rc = call->kind == RI_MICRO_CALL_ASK
                     ? ri_err(RILL_ENOTSUP, "the server has no JetStream for this account")
                     : ri_err(RILL_ENOREPLY, "nobody listens on that subject");
        ri_micro_call_answer(bus, call, rc, NULL);
        return;
    }
#ifdef RI_MICRO_JETSTREAM
    if (call->kind != RI_MICRO_CALL_REQUEST) {
        ri_micro_js_answer(bus, call, m->headers, m->data, cut);
        return;
    }
    int status = call->verdict ? micro_nats_in_status(m->headers) : 0;
    if (status >= 400) {
        int rc = status == 404 ? ri_err(RILL_ENOENT, "there is no such message")
                               : ri_err(RILL_EPROTO, "the server has answered %d", status);
        ri_micro_call_answer(bus, call, rc, NULL);
        return;
    }
#endif
    int err = RILL_ETOOBIG;
    ri_micro_msg *msg = cut ? NULL : micro_nats_in_slot(n, m, &err);
    if (!msg) ri_err(err, err == RILL_ETOOBIG ? "the answer is larger than max_msg_bytes"
                                              : "all messages are held");
    ri_micro_call_answer(bus, call, msg ? RILL_OK : err, msg);
    if (msg) ri_micro_msg_drop(msg);
}

static void micro_nats_in_message(ri_micro_nats *n, const ri_message *m, ri_str sid)
{
    RI_ASSERT(m->subject.len > 0 && sid.len > 0);
    uint64_t number;
    int err;
    if (!ri_number_read(sid, &number)) return;
    if (number == MICRO_NATS_INBOX_SID) {
        micro_nats_in_answer(n, m, false);
        return;
    }
    rill_sub *sub = ri_micro_sub_of(n->bus, number);
    if (!sub) return; /* it has ended */
    ri_micro_msg *msg = micro_nats_in_slot(n, m, &err);
    if (!msg && err == RILL_ETOOBIG) {
        micro_nats_in_too_big(n, m->subject);
#ifdef RI_MICRO_JETSTREAM
    } else if (!msg && sub->reader) {
        ri_micro_js_missed(sub, m->reply); /* it comes again */
#endif
    } else if (!msg) {
        sub->dropped++;
        n->bus->stats.dropped_msgs++;
        n->bus->ev_slow = true;
    }
    if (!msg) return;
#ifdef RI_MICRO_JETSTREAM
    if (sub->reader) ri_micro_js_take(sub, msg);
    else
#endif
    ri_micro_sub_take(sub, msg, true);
    ri_micro_msg_drop(msg);
}

/* ---- What the server says of itself ---- */

RI_COLD static int micro_nats_in_info(ri_micro_nats *n, ri_str json)
{
    ri_micro_scan_number(json, "max_payload", &n->max_payload);
    if (n->state != MICRO_NATS_HELLO) return RILL_OK;
    n->headers = ri_micro_scan_is_true(json, "headers");
    bool wants = ri_micro_scan_is_true(json, "tls_required");
    if (n->tls && !n->tls_on) {
        if (!wants && !ri_micro_scan_is_true(json, "tls_available"))
            return ri_err(RILL_ENOTSUP, "the server offers no TLS");
        n->tls_due = true;
    } else if (wants && !n->tls_on) {
        return ri_err(RILL_ENOTSUP, "the server wants TLS, which rill_opts.tls, or the wire by "
                      "itself, has to do");
    }
    n->state = MICRO_NATS_LOGIN;
    ri_micro_nats_out_connect(n);
    return RILL_OK;
}

/* The call that was refused; or it was a subscription, or nobody knows: NULL. */
static ri_micro_call *micro_nats_in_refused(ri_micro_nats *n, const ri_nats_err *err)
{
    rill_bus *bus = n->bus;
    uint64_t sid;
    uint32_t hash = err->subject.len ? ri_micro_call_hash(err->subject) : 0;
    for (uint32_t i = 0; i < bus->max_calls && !err->subscription; i++) {
        ri_micro_call *call = &bus->calls[i];
        if (call->kind == RI_MICRO_CALL_FREE || call->over || call->subject_hash != hash) continue;
        return call;
    }
    rill_sub *sub = NULL;
    if (err->subscription && ri_number_read(err->sid, &sid)) sub = ri_micro_sub_of(bus, sid);
    for (uint32_t i = 0; i < bus->subs_end && err->subscription && !sub; i++)
        if (bus->subs[i].sent && ri_str_eq(bus->subs[i].subject, err->subject)) sub = &bus->subs[i];
    if (sub) ri_micro_sub_stop(sub);
    ri_micro_bus_error(bus, err->code);
    return NULL;
}

/* What was said, whether the connection ends by it, and the call that does. */
RI_COLD static int micro_nats_in_said(ri_micro_nats *n, ri_str text, bool *ends,
                                      ri_micro_call **call)
{
    ri_nats_err err;
    ri_nats_err_read(text, &err);
    int rc = ri_err(err.code, "the server says: %.*s", (int)RI_MIN(text.len, (size_t)80), text.ptr);
    *ends = n->state != MICRO_NATS_UP || err.verdict != RI_NATS_ERR_STAYS;
    *call = *ends ? NULL : micro_nats_in_refused(n, &err);
    return rc;
}

/* The error by which the connection ends, or RILL_OK. */
RI_COLD static int micro_nats_in_err(ri_micro_nats *n, ri_str text)
{
    bool ends;
    ri_micro_call *call;
    int rc = micro_nats_in_said(n, text, &ends, &call);
    if (call) ri_micro_call_answer(n->bus, call, rc, NULL);
    return ends ? rc : RILL_OK;
}

static int micro_nats_in_obey(ri_micro_nats *n, const ri_nats_op *op)
{
    switch (op->kind) {
    case RI_NATS_MSG:
    case RI_NATS_HMSG: micro_nats_in_message(n, &op->m, op->sid); break;
    case RI_NATS_PING: n->pongs_owed = RI_MIN(n->pongs_owed + 1, (uint32_t)MICRO_NATS_PONGS); break;
    case RI_NATS_PONG:
        n->pongs_seen++;
        n->pings_out = 0;
        if (n->state == MICRO_NATS_LOGIN) ri_micro_nats_up(n);
        break;
    case RI_NATS_INFO: return micro_nats_in_info(n, op->text);
    case RI_NATS_ERR: return micro_nats_in_err(n, op->text);
    case RI_NATS_OK:
    case RI_NATS_PUB:
    case RI_NATS_HPUB:
    case RI_NATS_SUB:
    case RI_NATS_UNSUB:
    case RI_NATS_CONNECT: break;
    }
    return RILL_OK;
}

/* ---- What is too large ---- */

/* Its line, as far as that is looked at: the number of whom it is for, its subject, and which part
 * of `data` are headers; 0: it is no message's. */
RI_APART static uint64_t micro_nats_in_cut_line(ri_str line, ri_str data, ri_message *m)
{
    ri_str verb, sid, words[4] = {{NULL, 0}};
    ri_str_word(&line, &verb);
    ri_str_word(&line, &m->subject);
    ri_str_word(&line, &sid);
    size_t count = 0;
    while (count < RI_LEN(words) && ri_str_word(&line, &words[count])) count++;
    uint64_t number, header_len = 0;
    if (verb.len == 4 && count >= 2) ri_number_read(words[count - 2], &header_len);
    if (!ri_number_read(sid, &number)) return 0;
    m->headers = (ri_str){data.ptr, (size_t)RI_MIN(header_len, (uint64_t)data.len)};
    m->data = ri_str_from(data, m->headers.len);
    return number;
}

/* A message whose line is here, and not all of its data: who waits for it learns so. */
static void micro_nats_in_cut(ri_micro_nats *n, ri_str line, ri_str data)
{
    ri_message m = {.reply = RI_STR_NONE};
    uint64_t number = micro_nats_in_cut_line(line, data, &m);
    if (number == MICRO_NATS_INBOX_SID) micro_nats_in_answer(n, &m, true);
    else if (number != 0) micro_nats_in_too_big(n, m.subject);
}

/* Pass over what is skipped, from the front of the input. */
static void micro_nats_in_pass(ri_micro_nats *n)
{
    RI_ASSERT(n->in_at <= n->in_len);
    while (n->in_at < n->in_len && n->skip != RI_MICRO_NATS_SKIP_NONE) {
        if (n->skip == RI_MICRO_NATS_SKIP_BYTES) {
            size_t have = n->in_len - n->in_at;
            size_t pass = n->skip_bytes < have ? (size_t)n->skip_bytes : have;
            n->in_at += pass;
            n->skip_bytes -= pass;
            if (n->skip_bytes == 0) n->skip = RI_MICRO_NATS_SKIP_NONE;
            continue;
        }
        char c = n->in[n->in_at++];
        bool digit = c >= '0' && c <= '9';
        if (digit && !n->skip_digits) n->skip_bytes = 0;
        if (digit && n->skip_bytes < UINT32_MAX)
            n->skip_bytes = n->skip_bytes * 10 + (uint64_t)(c - '0');
        if (c != '\r') n->skip_digits = digit;
        if (c != '\n') continue;
        bool message = n->skip == RI_MICRO_NATS_SKIP_LINE;
        n->skip_bytes += 2;
        n->skip = message ? RI_MICRO_NATS_SKIP_BYTES : RI_MICRO_NATS_SKIP_NONE;
        if (message) micro_nats_in_too_big(n, RI_STR("?"));
    }
}

/* The buffer is full, and has no whole operation. */
RI_COLD static int micro_nats_in_skip(ri_micro_nats *n)
{
    RI_ASSERT(n->in_at == 0 && n->in_len == n->in_cap);
    const char *lf = memchr(n->in, '\n', n->in_len);
    size_t need = n->parser.need, len = n->in_len;
    int rc = RILL_OK;
    ri_nats_init(&n->parser, RI_NATS_FROM_SERVER);
    n->in_len = n->in_at = 0;
    n->skip_digits = false;
    if (lf) {
        RI_ASSERT(need > len);
        n->skip = RI_MICRO_NATS_SKIP_BYTES;
        n->skip_bytes = need - len;
        size_t line = (size_t)(lf - n->in);
        if (line > 0 && n->in[line - 1] == '\r') n->in[line - 1] = ' ';
        micro_nats_in_cut(n, (ri_str){n->in, line}, (ri_str){lf + 1, len - line - 1});
        return RILL_OK;
    }
    bool info = (n->in[0] | 0x20) == 'i', message = (n->in[0] | 0x20) == 'm' ||
        (n->in[0] | 0x20) == 'h';
    n->skip = message ? RI_MICRO_NATS_SKIP_LINE : RI_MICRO_NATS_SKIP_WORDS;
    n->skip_bytes = 0;
    if (info) rc = micro_nats_in_info(n, (ri_str){n->in + 5, len - 5});
    /* A word may be torn: its digits that are here count. */
    n->in_len = len;
    n->in_at = len - RI_LIMIT_SIZE_DIGITS - 1;
    micro_nats_in_pass(n);
    n->in_len = n->in_at = 0;
    return rc;
}

/* ---- A turn ---- */

/* Obey what is here whole. How much was done, or an error. */
RI_APART static int micro_nats_in_parse(ri_micro_nats *n)
{
    int done = 0;
    rill_wire *wire = n->wire;
    while (n->wire == wire) { /* a callback may have waited, and lost it */
        micro_nats_in_pass(n);
        if (n->in_at == n->in_len) break;
        ri_nats_op op;
        int used = ri_nats_parse(&n->parser, n->in + n->in_at, n->in + n->in_len, &op);
        if (used < 0) return ri_err(RILL_EPROTO, "the server does not speak NATS");
        if (used == 0) break;
        n->in_at += (size_t)used; /* before it is obeyed: a callback may wait, and turn this */
        int rc = micro_nats_in_obey(n, &op);
        if (rc < 0) return rc;
        done++;
    }
    return done;
}

/* INFO has been read to its end: what comes now is TLS. */
RI_COLD static int micro_nats_in_tls(ri_micro_nats *n)
{
    if (n->in_at < n->in_len)
        return ri_err(RILL_EPROTO, "the server has said more than INFO before TLS");
    return ri_micro_nats_tls(n);
}

int ri_micro_nats_in_turn(ri_micro_nats *n)
{
    RI_CHECK(n->bus, RI_MICRO_MAGIC);
    RI_ASSERT(n->in_at <= n->in_len && n->in_len <= n->in_cap);
    enum { READS = 16 };
    int done = 0;
    for (int i = 0; i < READS && n->wire; i++) {
        if (n->in_at > 0) {
            memmove(n->in, n->in + n->in_at, n->in_len - n->in_at);
            n->in_len -= n->in_at;
            n->in_at = 0;
        }
        if (n->in_len == n->in_cap) {
            int rc = micro_nats_in_skip(n);
            if (rc < 0) return rc;
            continue; /* a callback may have waited, and read, or lost the connection */
        }
        int64_t got = ri_micro_nats_read(n, n->in + n->in_len, n->in_cap - n->in_len);
        if (got == RILL_EAGAIN) break;
        if (got < 0) return (int)got;
        n->in_len += (size_t)got;
        int rc = micro_nats_in_parse(n);
        if (rc >= 0 && n->tls_due && n->skip == RI_MICRO_NATS_SKIP_NONE) rc = micro_nats_in_tls(n);
        if (rc < 0) return rc;
        done += rc + 1;
    }
    return done;
}

#endif
