/* SPDX-License-Identifier: Apache-2.0 */
/* The form of entries, both ways, and what the forms have in common. */
#include "codec/archive/archive.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/number.h"
#include "codec/archive/archive_private.h"
#include "codec/jetstream/jsapi.h"
#include "codec/limits.h"

enum { ARCHIVE_UNKNOWN, ARCHIVE_ENTRIES, ARCHIVE_TAR };
enum { ARCHIVE_STATE, ARCHIVE_CONSUMERS, ARCHIVE_MESSAGES };
enum { ARCHIVE_VARINTS = 5, ARCHIVE_VARINT_MAX = 10 };

#define ARCHIVE_CONSUMER_PREFIX "consumers/"

/* ---- Common ---- */

int ri_archive_damaged(const char *what)
{
    RI_ASSERT(what && what[0]);
    return ri_err(RILL_EPROTO, "the archive is damaged: %s", what);
}

uint64_t ri_archive_little(const char *p, size_t bytes)
{
    RI_ASSERT(bytes > 0 && bytes <= 8);
    uint64_t n = 0;
    for (size_t i = bytes; i-- > 0;) n = n << 8 | (unsigned char)p[i];
    return n;
}

uint64_t ri_archive_varint(archive_cursor *c)
{
    RI_ASSERT(c->at <= c->end);
    uint64_t n = 0;
    for (unsigned i = 0; i < ARCHIVE_VARINT_MAX && c->at < c->end; i++) {
        unsigned char byte = (unsigned char)*c->at++;
        if (i == ARCHIVE_VARINT_MAX - 1 && byte > 1) break;
        n |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (!(byte & 0x80)) return n;
    }
    c->bad = true;
    return 0;
}

int64_t ri_archive_zigzag(archive_cursor *c)
{
    uint64_t n = ri_archive_varint(c);
    return (int64_t)(n >> 1 ^ (0 - (n & 1)));
}

void ri_archive_init(ri_archive *a, const ri_host *host, ri_str stream)
{
    *a = (ri_archive){.host = host, .stream = stream, .renamed = UINT64_MAX,
                      .max_data = RI_LIMIT_PAYLOAD_MAX};
    ri_buffer_init(&a->path, host);
    ri_buffer_init(&a->config, host);
    ri_buffer_init(&a->consumer, host);
}

void ri_archive_fini(ri_archive *a)
{
    if (!a->host) return;
    ri_buffer_fini(&a->path);
    ri_buffer_fini(&a->config);
    ri_buffer_fini(&a->consumer);
}

/* ---- Entries: reading ---- */

typedef struct archive_entry {
    ri_str name, body;
    uint64_t headers, seq;
    int64_t time_ns;
} archive_entry;

/* What an entry may be at most, by where it stands. */
static int archive_check_sizes(const ri_archive *a, uint64_t name, uint64_t headers, uint64_t data)
{
    RI_ASSERT(a->phase >= ARCHIVE_STATE && a->phase <= ARCHIVE_MESSAGES);
    uint64_t most = a->phase == ARCHIVE_MESSAGES    ? a->max_data
                    : a->phase == ARCHIVE_CONSUMERS ? RI_LIMIT_ARCHIVE_CONSUMER
                                                    : RI_LIMIT_ARCHIVE_META;
    if (name > RI_LIMIT_CONTROL_LINE)
        return ri_err(RILL_EPROTO, "the archive has a subject of %" PRIu64 " bytes", name);
    if (headers > RI_LIMIT_HEADER_BYTES)
        return ri_err(RILL_EPROTO, "the archive has headers of %" PRIu64 " bytes", headers);
    if (data > most)
        return ri_err(RILL_EPROTO, "the archive has an entry of %" PRIu64 " bytes", data);
    return RILL_OK;
}

/* The entry at the front: its bytes, or 0 for more. */
static int64_t archive_read(const ri_archive *a, ri_str in, archive_entry *e)
{
    RI_ASSERT(a->phase != RI_ARCHIVE_OVER);
    archive_cursor c = ri_archive_cursor(in);
    uint64_t name = ri_archive_varint(&c);
    e->time_ns = ri_archive_zigzag(&c);
    e->seq = ri_archive_varint(&c);
    e->headers = ri_archive_varint(&c);
    uint64_t data = ri_archive_varint(&c);
    if (c.bad && in.len < ARCHIVE_VARINTS * ARCHIVE_VARINT_MAX) return 0;
    if (c.bad) return ri_archive_damaged("an entry's head");
    int rc = archive_check_sizes(a, name, e->headers, data);
    if (rc < 0) return rc;
    uint64_t body = e->headers + data;
    if ((uint64_t)(c.end - c.at) < name + body) return 0;
    e->name = (ri_str){c.at, name};
    e->body = (ri_str){c.at + name, body};
    return c.at + name + body - in.ptr;
}

static int archive_take_state(ri_archive *a, const archive_entry *e, ri_archive_item *item)
{
    RI_ASSERT(a->phase == ARCHIVE_STATE);
    ri_arena arena;
    ri_stream_state state;
    if (!ri_str_is(e->name, "state.json")) return ri_archive_damaged("it begins with no state");
    ri_arena_init(&arena, a->host);
    int rc = ri_jsapi_decode(&ri_jsapi_stream_state, e->body, false, &arena, &state);
    ri_arena_fini(&arena);
    if (rc < 0) return rc;
    a->consumers = state.consumer_count;
    a->last_seq = state.last_seq;
    a->last_ns = RI_MAX(state.last_ts, 0);
    a->phase = a->consumers ? ARCHIVE_CONSUMERS : ARCHIVE_MESSAGES;
    *item = (ri_archive_item){.kind = RI_ARCHIVE_FIRST, .seq = state.first_seq};
    return 1;
}

static int archive_take_consumer(ri_archive *a, const archive_entry *e, ri_archive_item *item)
{
    RI_ASSERT(a->consumers > 0);
    ri_str prefix = RI_STR(ARCHIVE_CONSUMER_PREFIX);
    if (!ri_str_starts(e->name, prefix) || e->headers)
        return ri_archive_damaged("it has fewer consumers than it says");
    *item = (ri_archive_item){.kind = RI_ARCHIVE_CONSUMER,
                              .name = ri_str_from(e->name, prefix.len)};
    int rc = ri_archive_split(e->body, item);
    if (rc < 0) return rc;
    if (--a->consumers == 0) a->phase = ARCHIVE_MESSAGES;
    return 1;
}

static int archive_take_message(ri_archive *a, const archive_entry *e, ri_archive_item *item)
{
    RI_ASSERT(a->phase == ARCHIVE_MESSAGES);
    if (e->seq == 0) {
        if (e->time_ns || e->body.len) return ri_archive_damaged("a message without a sequence");
        *item = (ri_archive_item){.kind = RI_ARCHIVE_END, .seq = a->last_seq,
                                  .time_ns = a->last_ns};
        return 1;
    }
    *item = (ri_archive_item){.kind = RI_ARCHIVE_MESSAGE, .seq = e->seq, .time_ns = e->time_ns,
                              .name = e->name, .headers = {e->body.ptr, e->headers},
                              .data = ri_str_from(e->body, e->headers)};
    return 1;
}

static int archive_entries_next(ri_archive *a, ri_buffer *in, ri_archive_item *item)
{
    RI_ASSERT(a->form == ARCHIVE_ENTRIES);
    archive_entry e;
    if (a->phase == RI_ARCHIVE_OVER)
        return ri_buffer_size(in) ? ri_archive_damaged("something follows its end") : 0;
    int64_t n = ri_buffer_size(in) ? archive_read(a, ri_buffer_str(in), &e) : 0;
    if (n <= 0) return (int)n;
    a->lent = (uint64_t)n;
    if (a->phase == ARCHIVE_STATE) return archive_take_state(a, &e, item);
    if (a->phase == ARCHIVE_CONSUMERS) return archive_take_consumer(a, &e, item);
    return archive_take_message(a, &e, item);
}

/* ---- Either form ---- */

int ri_archive_next(ri_archive *a, ri_buffer *in, bool last, ri_archive_item *item)
{
    RI_ASSERT(a->lent <= ri_buffer_size(in));
    RI_ASSERT(a->form >= ARCHIVE_UNKNOWN && a->form <= ARCHIVE_TAR);
    const size_t magic = sizeof RI_ARCHIVE_MAGIC - 1;
    ri_buffer_eat(in, a->lent);
    a->lent = 0;
    if (a->form == ARCHIVE_UNKNOWN && ri_buffer_size(in) >= magic) {
        bool entries = ri_str_starts(ri_buffer_str(in), RI_STR(RI_ARCHIVE_MAGIC));
        a->form = entries ? ARCHIVE_ENTRIES : ARCHIVE_TAR;
        if (entries) ri_buffer_eat(in, magic);
    }
    int rc = a->form == ARCHIVE_ENTRIES ? archive_entries_next(a, in, item)
             : a->form == ARCHIVE_TAR   ? ri_archive_tar_next(a, in, item)
                                        : 0;
    if (rc == 1 && item->kind == RI_ARCHIVE_END) a->phase = RI_ARCHIVE_OVER;
    bool cut = rc == 0 && last && a->phase != RI_ARCHIVE_OVER;
    return cut ? ri_err(RILL_EPROTO, "unexpected EOF") : rc;
}

/* ---- Entries: writing ---- */

static void archive_put_varint(ri_buffer *out, uint64_t n)
{
    char bytes[ARCHIVE_VARINT_MAX];
    size_t len = 0;
    for (; n >= 0x80; n >>= 7) bytes[len++] = (char)(n | 0x80);
    bytes[len++] = (char)n;
    RI_ASSERT(len <= ARCHIVE_VARINT_MAX);
    ri_buffer_put(out, bytes, len);
}

static void archive_put(ri_buffer *out, ri_str prefix, const ri_archive_item *e)
{
    RI_ASSERT(e->name.len + prefix.len <= RI_LIMIT_CONTROL_LINE);
    archive_put_varint(out, prefix.len + e->name.len);
    archive_put_varint(out, (uint64_t)e->time_ns << 1 ^ (e->time_ns < 0 ? UINT64_MAX : 0));
    archive_put_varint(out, e->seq);
    archive_put_varint(out, e->headers.len);
    archive_put_varint(out, e->data.len);
    ri_buffer_put_str(out, prefix);
    ri_buffer_put_str(out, e->name);
    ri_buffer_put_str(out, e->headers);
    ri_buffer_put_str(out, e->data);
}

void ri_archive_put_begin(ri_buffer *out, ri_str state_json, int64_t now_ns)
{
    RI_ASSERT(ri_buffer_size(out) == 0 || ri_buffer_is_sound(out));
    ri_buffer_puts(out, RI_ARCHIVE_MAGIC);
    archive_put(out, RI_STR("state.json"),
                &(ri_archive_item){.data = state_json, .time_ns = now_ns});
}

void ri_archive_put_message(ri_buffer *out, const ri_archive_item *message)
{
    archive_put(out, RI_STR_NONE, message);
}

void ri_archive_put_consumer(ri_buffer *out, ri_str name, ri_str json, int64_t now_ns)
{
    archive_put(out, RI_STR(ARCHIVE_CONSUMER_PREFIX),
                &(ri_archive_item){.name = name, .data = json, .time_ns = now_ns});
}

void ri_archive_put_end(ri_buffer *out)
{
    archive_put(out, RI_STR_NONE, &(ri_archive_item){.kind = RI_ARCHIVE_END});
}
