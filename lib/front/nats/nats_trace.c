/* SPDX-License-Identifier: Apache-2.0 */
/* What goes in and out at a session, as lines for the host's log in nats-server's words:
 *
 *     127.0.0.1:5000 - cid:5 - "v1.2:go:name" - "$G/user:me" - <<- [PUB foo 5]
 *
 * Texts of clients are quoted as Go does it, so that none of them can end a line. */
#include <stdlib.h>
#include <strings.h>

#include "base/json_text.h"
#include "front/nats/nats_session.h"

enum { TRACE_UNITS = 20 }; /* of the turn's budget, a line: it is written at once */

/* One character of one byte. */
static void trace_put_char(ri_buffer *out, unsigned char c)
{
    static const char letters[] = "\"\\\a\b\f\n\r\t\v", escapes[] = "\"\\abfnrtv";
    const char *found = c ? strchr(letters, c) : NULL;
    if (found) ri_buffer_printf(out, "\\%c", escapes[found - letters]);
    else if (c < ' ' || c >= 0x7f) ri_buffer_printf(out, "\\x%02x", c);
    else ri_buffer_put(out, &c, 1);
}

static void trace_put_quoted(ri_buffer *out, ri_str s)
{
    const unsigned char *u = (const unsigned char *)s.ptr;
    for (size_t i = 0; i < s.len;) {
        size_t n = ri_json_text_utf8_len(u + i, s.len - i);
        if (n > 1) ri_buffer_put(out, s.ptr + i, n);
        else trace_put_char(out, u[i]);
        i += n ? n : 1;
    }
}

static void trace_put_label(const ri_nats_session *s, ri_buffer *out)
{
    ri_buffer_printf(out, "%s - cid:%llu", s->peer, (unsigned long long)s->cid);
    if (s->name) {
        ri_buffer_puts(out, " - \"");
        trace_put_quoted(out, ri_str_of(s->name));
        ri_buffer_puts(out, "\"");
    }
    if (!s->connected || (!s->login.user && !s->login.token)) return;
    ri_buffer_puts(out, s->login.user ? " - \"$G/user:" : " - \"$G/token");
    if (s->login.user) trace_put_quoted(out, ri_str_of(s->login.user));
    ri_buffer_puts(out, "\"");
}

static void trace_begin(const ri_nats_session *s, ri_buffer *line)
{
    ri_buffer_init(line, &s->server->broker->host);
    trace_put_label(s, line);
    ri_buffer_puts(line, " - ");
}

/* A line that memory does not suffice for is not said. */
static void trace_end(ri_buffer *line, rill_level level)
{
    ri_buffer_put(line, "", 1);
    if (!line->failed) line->host->log(line->host->arg, level, line->ptr);
    ri_buffer_fini(line);
}

/* Inside the gate: a line of what a client does, which is work of his turn. */
static void trace_end_in_turn(const ri_nats_session *s, ri_buffer *line, rill_level level)
{
    ri_budget_spend(&s->server->broker->router.budget,
                    TRACE_UNITS + ri_budget_bytes(ri_buffer_size(line)));
    trace_end(line, level);
}

void ri_nats_trace_say(const ri_nats_session *s, rill_level level, const char *what,
                       const char *why)
{
    ri_buffer line;
    trace_begin(s, &line);
    ri_buffer_puts(&line, what);
    ri_buffer_puts(&line, why);
    trace_end(&line, level);
}

/* ---- In ---- */

/* The value of a member whose name begins at `p`, if that is a string of `json`; else empty. */
static ri_str trace_secret(ri_str json, size_t at)
{
    static const char *const names[] = {"\"pass\"", "\"auth_token\"", "\"sig\"", "\"nkey\"",
                                        "\"jwt\""};
    for (size_t i = 0; i < RI_LEN(names); i++) {
        size_t len = strlen(names[i]);
        if (json.len - at < len || strncasecmp(json.ptr + at, names[i], len) != 0) continue;
        const char *p = json.ptr + at + len, *end = json.ptr + json.len;
        while (p < end && (*p == ' ' || *p == '\t')) p++;
        if (p == end || *p++ != ':') continue;
        while (p < end && (*p == ' ' || *p == '\t')) p++;
        if (p == end || *p++ != '"') continue;
        const char *value = p;
        while (p < end && *p != '"') p += *p == '\\' && p + 1 < end ? 2 : 1;
        return (ri_str){value, (size_t)(p - value)};
    }
    return RI_STR_NONE;
}

static void trace_put_login(ri_buffer *out, ri_str json)
{
    size_t from = 0;
    for (size_t at = 0; at < json.len; at++) {
        if (json.ptr[at] != '"') continue;
        ri_str secret = trace_secret(json, at);
        if (!secret.ptr) continue;
        ri_buffer_put(out, json.ptr + from, (size_t)(secret.ptr - json.ptr) - from);
        ri_buffer_puts(out, "[REDACTED]");
        from = (size_t)(secret.ptr - json.ptr) + secret.len;
        at = from;
    }
    if (from < json.len) ri_buffer_put(out, json.ptr + from, json.len - from);
}

static void trace_body(const ri_nats_session *s, const char *arrow, ri_str headers, ri_str data)
{
    uint32_t max = s->server->broker->conf.trace_data_bytes;
    size_t left = max ? max : SIZE_MAX;
    bool cut = headers.len + data.len > left;
    headers.len = RI_MIN(headers.len, left);
    data.len = RI_MIN(data.len, left - headers.len);
    ri_buffer line;
    trace_begin(s, &line);
    ri_buffer_printf(&line, "%s MSG_PAYLOAD: [\"", arrow);
    trace_put_quoted(&line, headers);
    trace_put_quoted(&line, data);
    ri_buffer_puts(&line, cut ? "...\"]" : "\"]");
    trace_end_in_turn(s, &line, RILL_TRACE);
}

void ri_nats_trace_in(const ri_nats_session *s, const ri_nats_op *op, const char *bytes)
{
    static const char *const names[] = {
        [RI_NATS_PUB] = "PUB", [RI_NATS_HPUB] = "HPUB", [RI_NATS_SUB] = "SUB",
        [RI_NATS_UNSUB] = "UNSUB", [RI_NATS_CONNECT] = "CONNECT", [RI_NATS_PING] = "PING",
        [RI_NATS_PONG] = "PONG", [RI_NATS_INFO] = "INFO", [RI_NATS_OK] = "OK",
        [RI_NATS_ERR] = "-ERR", [RI_NATS_MSG] = "MSG", [RI_NATS_HMSG] = "HMSG"};
    size_t len = strcspn(bytes, "\n"); /* a whole operation has one */
    ri_str args = {bytes, len};
    while (args.len && !strchr(" \t", args.ptr[0])) args.ptr++, args.len--;
    while (args.len && strchr(" \t", args.ptr[0])) args.ptr++, args.len--;
    if (args.len && args.ptr[args.len - 1] == '\r') args.len--;
    ri_buffer line;
    trace_begin(s, &line);
    ri_buffer_printf(&line, "<<- [%s%s", names[op->kind], args.len ? " " : "");
    if (op->kind == RI_NATS_CONNECT) trace_put_login(&line, args);
    else ri_buffer_put(&line, args.ptr, args.len);
    ri_buffer_puts(&line, "]");
    trace_end_in_turn(s, &line, RILL_TRACE);
    if (op->kind == RI_NATS_PUB && op->m.data.len) trace_body(s, "<<-", RI_STR_NONE, op->m.data);
    if (op->kind == RI_NATS_HPUB) trace_body(s, "<<-", op->m.headers, op->m.data);
}

/* ---- Out ---- */

void ri_nats_trace_raw(const ri_nats_session *s, ri_str bytes)
{
    if (ri_str_starts(bytes, RI_STR("INFO "))) return; /* nats-server does not say it either */
    ri_buffer line;
    trace_begin(s, &line);
    ri_buffer_puts(&line, "->> [");
    ri_str text = {bytes.ptr, bytes.len - 2};
    if (text.ptr[0] == '+') text.ptr++, text.len--;
    if (ri_str_starts(text, RI_STR("-ERR '"))) {
        ri_buffer_puts(&line, "-ERR ");
        text = (ri_str){text.ptr + 6, text.len - 7};
    }
    ri_buffer_put_str(&line, text);
    ri_buffer_puts(&line, "]");
    trace_end(&line, RILL_TRACE);
}

void ri_nats_trace_msg(const ri_nats_session *s, const ri_message *m, const ri_subscription *sub)
{
    ri_str sid = ri_container_of(sub, ri_nats_sub, sub)->sid;
    size_t header_len = s->headers ? m->headers.len : 0;
    ri_buffer line;
    if (sub->max && sub->delivered + 1 == sub->max) {
        trace_begin(s, &line);
        ri_buffer_printf(&line, "Auto-unsubscribe limit of %llu reached for sid '%.*s'",
                         (unsigned long long)sub->max, RI_ARG(sid));
        trace_end_in_turn(s, &line, RILL_DEBUG);
    }
    trace_begin(s, &line);
    ri_buffer_printf(&line, "->> [%s %.*s %.*s ", header_len ? "HMSG" : "MSG", RI_ARG(m->subject),
                     RI_ARG(sid));
    if (m->reply.len) ri_buffer_printf(&line, "%.*s ", RI_ARG(m->reply));
    if (header_len) ri_buffer_printf(&line, "%zu ", header_len);
    ri_buffer_printf(&line, "%zu]", header_len + m->data.len);
    trace_end_in_turn(s, &line, RILL_TRACE);
    if (header_len + m->data.len == 0) return;
    trace_body(s, "->>", header_len ? m->headers : RI_STR_NONE, m->data);
}

void ri_nats_trace_gone(const ri_nats_session *s, ri_str sid)
{
    ri_buffer line;
    trace_begin(s, &line);
    ri_buffer_printf(&line, "<-> [DELSUB %.*s]", RI_ARG(sid));
    trace_end_in_turn(s, &line, RILL_TRACE);
}
