/* SPDX-License-Identifier: Apache-2.0 */
/* One log, two views.
 *
 *     Kafka record                        message
 *     offset                              sequence = offset + 1
 *     timestamp ms                        time in ns; back it is cut to ms
 *     value                               data
 *     value null                          data empty, KV-Operation: DEL (and back, PURGE, too)
 *     key "k" of a topic "a.b.>"          subject a.b.k
 *         with other bytes, or empty      a.b.=<base64url>
 *         null                            a.b.==
 *         that would be a long token      a.b.=~<hash>, Kafka-Key: k
 *     key "k" of a topic "a.b"            subject a.b, Kafka-Key: k; null: without that
 *     header n: v                         n: v
 *         a value that is no text         Kafka-Next: base64, then n: <base64>
 *         a null value                    Kafka-Next: null, then n:
 *         a name that is none here        Kafka-Next: name ..., then <base64url>: v
 *     no subject of the topic             key null, header Nats-Subject: <subject>
 *
 * A token is its key itself if it has no byte but those of printable ASCII without . * >
 * and does not begin with `=`. A name is none here if it is no header's of NATS, or begins with
 * Nats- or Kafka-: those mean something. Headers that would make too long a block are left out,
 * which Kafka-Omitted counts. */
#include "codec/kafka/kafka_message.h"

#include "base/assert.h"
#include "base/base64.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/saturate.h"
#include "codec/limits.h"
#include "codec/nats/headers.h"
#include "codec/subject/subject.h"

enum { MESSAGE_TOKEN_MAX = 255 }; /* bytes of a token that is a key */

int ri_kafka_names_of(ri_str filter, ri_kafka_names *out)
{
    char last = filter.len ? filter.ptr[filter.len - 1] : 0;
    bool keyed = last == '>' || last == '*';
    bool alone = keyed && (filter.len == 1 || filter.ptr[filter.len - 2] == '.');
    *out = (ri_kafka_names){filter, alone};
    if (alone) out->prefix.len -= RI_MIN(filter.len, (size_t)2);
    if (filter.len && !ri_subject_has_wildcard(out->prefix)) return RILL_OK;
    return ri_err(RILL_EINVAL, "%.*s does not say what the subjects of record batches are: a "
                  "wildcard may only be its last token", RI_ARG(filter));
}

/* ---- From Kafka ---- */

static bool message_is_token(ri_str key)
{
    if (key.len == 0 || key.len > MESSAGE_TOKEN_MAX || key.ptr[0] == '=') return false;
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        if (c <= ' ' || c > '~' || c == '.' || c == '*' || c == '>') return false;
    }
    return true;
}

static bool message_is_hashed(ri_str key)
{
    return key.len > MESSAGE_TOKEN_MAX / 4 * 3 - 3 && !message_is_token(key);
}

void ri_kafka_message_subject(const ri_kafka_names *names, ri_str key, ri_buffer *text)
{
    ri_buffer_put_str(text, names->prefix);
    if (!names->keyed) return;
    if (names->prefix.len) ri_buffer_puts(text, ".");
    if (message_is_token(key)) {
        ri_buffer_put_str(text, key);
    } else if (!key.ptr) {
        ri_buffer_puts(text, "==");
    } else if (message_is_hashed(key)) {
        ri_buffer_printf(text, "=~%016llx", (unsigned long long)ri_hash_plain(key.ptr, key.len));
    } else {
        ri_buffer_puts(text, "=");
        ri_base64_put_url(text, key);
    }
}

static bool message_is_text(ri_str value)
{
    if (value.len && (value.ptr[0] == ' ' || value.ptr[0] == '\t')) return false;
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] == '\r' || value.ptr[i] == '\n' || value.ptr[i] == 0) return false;
    return true;
}

static bool message_is_name(ri_str name)
{
    if (name.len == 0 || ri_str_starts(name, RI_STR("Nats-")) ||
        ri_str_starts(name, RI_STR("Kafka-")))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.ptr[i] <= ' ' || name.ptr[i] == ':' || name.ptr[i] == 0x7f)
            return false;
    return true;
}

/* `ours`: the name is one that the rules above give. */
static void message_put_header(ri_buffer *out, ri_str name, ri_str value, bool ours)
{
    bool named = ours || message_is_name(name), is_text = message_is_text(value) && value.ptr;
    if (!named || !is_text)
        ri_buffer_printf(out, "Kafka-Next:%s%s\r\n", named ? "" : " name",
                         is_text ? "" : value.ptr ? " base64" : " null");
    if (named) ri_buffer_put_str(out, name);
    else if (name.len) ri_base64_put_url(out, name);
    else ri_buffer_puts(out, "="); /* a line without a name is none */
    ri_buffer_puts(out, ": ");
    if (is_text) ri_buffer_put_str(out, value);
    else ri_base64_put(out, value);
    ri_buffer_puts(out, "\r\n");
}

static bool message_names_key(const ri_kafka_names *names, ri_str key)
{
    return !key.ptr || (names->keyed && !message_is_hashed(key));
}

static void message_put_headers(const ri_kafka_names *names, const ri_kafka_record *r, bool all,
                                ri_buffer *out)
{
    ri_str rest = r->headers, name, value;
    ri_buffer_puts(out, RI_HEADERS_FIRST "\r\n");
    if (!message_names_key(names, r->key) && (all || r->key.len <= RI_LIMIT_HEADER_BYTES / 2))
        message_put_header(out, RI_STR("Kafka-Key"), r->key, true);
    if (!r->value.ptr) ri_buffer_puts(out, "KV-Operation: DEL\r\n");
    while (all && ri_kafka_headers_next(&rest, &name, &value) == 1)
        message_put_header(out, name, value, false);
    if (!all)
        ri_buffer_printf(out, "Kafka-Omitted: %d headers of %zu bytes\r\n", r->nheaders,
                         r->headers.len);
    ri_buffer_puts(out, "\r\n");
}

int ri_kafka_message_read(const ri_kafka_names *names, const ri_kafka_record *r, ri_buffer *text,
                          ri_kafka_message *out)
{
    ri_buffer_reset(text);
    ri_kafka_message_subject(names, r->key, text);
    size_t subject_len = text->len;
    if (!message_names_key(names, r->key) || !r->value.ptr || r->nheaders) {
        bool all = r->headers.len + r->key.len <= RI_LIMIT_HEADER_BYTES;
        message_put_headers(names, r, all, text);
        if (all && text->len - subject_len > RI_LIMIT_HEADER_BYTES) {
            text->len = subject_len;
            message_put_headers(names, r, false, text);
        }
    }
    if (text->failed) return RILL_ENOMEM;
    *out = (ri_kafka_message){.data = r->value,
                              .time_ns = r->timestamp_ms > 0 ? ri_ns_of_ms(r->timestamp_ms) : 0};
    out->subject = (ri_str){text->ptr, subject_len};
    if (text->len > subject_len)
        out->headers = (ri_str){text->ptr + subject_len, text->len - subject_len};
    if (!out->data.ptr) out->data = RI_STR("");
    return RILL_OK;
}

/* ---- To Kafka ---- */

/* Behind what `text` has: the bytes that these characters say. */
static int message_decode(ri_str coded, int (*read)(ri_str, char *, size_t *), ri_buffer *text,
                          ri_str *out)
{
    size_t len = 0;
    char *room = ri_buffer_room(text, ri_base64_size(coded));
    if (!room) return RILL_ENOMEM;
    int rc = read(coded, room, &len);
    if (rc < 0) return rc;
    *out = (ri_str){room, len};
    ri_buffer_added(text, len);
    return RILL_OK;
}

/* The token behind the prefix; false: this is no subject of the topic. */
static bool message_token(const ri_kafka_names *names, ri_str subject, ri_str *token)
{
    *token = RI_STR_NONE;
    if (!names->keyed) return ri_str_eq(subject, names->prefix);
    if (!ri_str_starts(subject, names->prefix)) return false;
    *token = ri_str_from(subject, names->prefix.len);
    if (names->prefix.len && (token->len == 0 || token->ptr[0] != '.')) return false;
    if (names->prefix.len) *token = ri_str_from(*token, 1);
    return token->len && !memchr(token->ptr, '.', token->len);
}

static int message_key(ri_str token, ri_buffer *text, ri_str *key)
{
    *key = RI_STR_NONE;
    if (token.len == 0 || ri_str_is(token, "==") || ri_str_starts(token, RI_STR("=~")))
        return RILL_OK;
    *key = token;
    if (token.ptr[0] != '=') return RILL_OK;
    if (token.len == 1) {
        *key = RI_STR("");
        return RILL_OK;
    }
    return message_decode(ri_str_from(token, 1), ri_base64_read_url, text, key);
}

/* Bytes at most of what is put there, decoded and again as Kafka's headers: so `text` never
 * moves. */
static size_t message_room(const ri_kafka_message *m)
{
    return 5 * (m->headers.len + m->subject.len) + 128;
}

typedef struct message_next { /* what is said of the next header */
    bool name, base64, null;
} message_next;

static bool message_says(ri_str words, const char *word)
{
    ri_str one;
    while (words.len && ri_str_cut(&words, ' ', &one))
        if (ri_str_is(one, word)) return true;
    return false;
}

static int message_one(const rill_header *h, const message_next *next, ri_buffer *text,
                       ri_buffer *wire, ri_kafka_record *out)
{
    ri_str name = h->name, value = h->value;
    int rc = RILL_OK;
    if (!value.ptr) value = RI_STR("");
    if (next->name && ri_str_is(name, "=")) name = RI_STR("");
    else if (next->name) rc = message_decode(name, ri_base64_read_url, text, &name);
    if (rc >= 0 && next->base64) rc = message_decode(value, ri_base64_read, text, &value);
    if (rc < 0) return rc;
    if (next->null) value = RI_STR_NONE;
    if (!next->name && ri_str_is(name, "Kafka-Key")) {
        out->key = value;
        return RILL_OK;
    }
    ri_kafka_headers_put(wire, name, value);
    out->nheaders++;
    return wire->failed ? RILL_ENOMEM : RILL_OK;
}

static int message_headers(const ri_kafka_message *m, ri_buffer *text, ri_buffer *wire,
                           ri_kafka_record *out)
{
    ri_str rest = m->headers;
    rill_header h;
    message_next next = {0};
    while (ri_headers_next(&rest, &h)) {
        if (ri_str_is(h.name, "Kafka-Next")) {
            next = (message_next){message_says(h.value, "name"), message_says(h.value, "base64"),
                                  message_says(h.value, "null")};
            continue;
        }
        bool operation = !next.name && m->data.len == 0 && ri_str_is(h.name, "KV-Operation");
        bool gone = operation && ri_str_is(h.value, "DEL");
        if (gone || (operation && ri_str_is(h.value, "PURGE"))) out->value = RI_STR_NONE;
        int rc = gone ? RILL_OK : message_one(&h, &next, text, wire, out);
        if (rc < 0) return rc;
        next = (message_next){0};
    }
    return RILL_OK;
}

int ri_kafka_message_write(const ri_kafka_names *names, const ri_kafka_message *m, ri_buffer *text,
                           ri_kafka_record *out)
{
    ri_str token;
    ri_buffer wire;
    ri_buffer_reset(text);
    ri_buffer_init(&wire, text->host);
    const char *room = ri_buffer_room(text, message_room(m));
    if (!room) return RILL_ENOMEM;
    out->timestamp_ms = m->time_ns / RI_MS;
    out->value = m->data.ptr ? m->data : RI_STR("");
    out->key = RI_STR_NONE;
    out->nheaders = 0;
    bool ours = message_token(names, m->subject, &token);
    int rc = ours ? message_key(token, text, &out->key) : RILL_OK;
    if (!ours) {
        ri_kafka_headers_put(&wire, RI_STR("Nats-Subject"), m->subject);
        out->nheaders++;
    }
    if (rc >= 0) rc = message_headers(m, text, &wire, out);
    if (rc >= 0) {
        ri_str headers = ri_buffer_str(&wire);
        size_t at = text->len;
        ri_buffer_put_str(text, headers);
        out->headers = (ri_str){text->ptr + at, headers.len};
        RI_ASSERT(room == text->ptr); /* it has not moved */
    }
    ri_buffer_fini(&wire);
    return rc;
}
