/* SPDX-License-Identifier: Apache-2.0 */
/* The form of a tar: a file is a head of 512 bytes and its bytes, filled up to a multiple of that;
 * a head of zeros is the end. Extended heads (pax) give the next file its path or size.
 *
 * A block of messages (msgs/N.blk) is a row of records, little-endian:
 *
 *      0  length     u32   of all of it; bit 31: there are headers
 *      4  sequence   u64   bit 63: it is erased; bit 62: a tombstone, of the message of that number
 *     12  time       i64   ns
 *     20  subject    u16   bytes of it
 *     22  subject | header length u32, headers | data
 *         HighwayHash-64 of 4 to 20, subject, headers, data, under SHA-256 of "STREAM-N" */
#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/number.h"
#include "base/sha256.h"
#include "codec/archive/archive_private.h"
#include "codec/jetstream/jsapi.h"
#include "codec/limits.h"

enum {
    TAR_BLOCK = 512,
    TAR_SIZE = 124, TAR_SIZE_LEN = 12,
    TAR_SUM = 148, TAR_SUM_LEN = 8,
    TAR_KIND = 156,
    TAR_MAGIC = 257,
    TAR_PREFIX = 345, TAR_PREFIX_LEN = 155,
    TAR_NAME_LEN = 100,
    TAR_PAX_MAX = 64 * 1024,
    TAR_RECORD = 22, TAR_HASH = 8,
    TAR_STEPS = 256, /* in one call */
};

/* Phases, until RI_ARCHIVE_OVER. */
enum { TAR_HEAD, TAR_BODY, TAR_PAD };
/* What a file is. */
enum { TAR_PASSED, TAR_PAX, TAR_META, TAR_META_SUM, TAR_CONSUMER_STATE, TAR_BLOCK_OF_MESSAGES,
       TAR_INDEX, TAR_ERROR };

/* ---- Common ---- */

ri_str ri_archive_window(const ri_archive *a, const ri_buffer *in)
{
    ri_str s = ri_buffer_str(in);
    s.len = (size_t)RI_MIN((uint64_t)s.len, a->left);
    return s;
}

void ri_archive_eat(ri_archive *a, ri_buffer *in, uint64_t bytes)
{
    RI_ASSERT(bytes <= a->left && bytes <= ri_buffer_size(in));
    ri_buffer_eat(in, (size_t)bytes);
    a->left -= bytes;
}

void ri_archive_key(ri_highway *h, ri_str stream, const char *rest, ri_str name)
{
    ri_sha256 sha;
    uint8_t key[RI_SHA256_LEN];
    ri_sha256_init(&sha);
    ri_sha256_add(&sha, stream);
    ri_sha256_add(&sha, ri_str_of(rest));
    ri_sha256_add(&sha, name);
    ri_sha256_end(&sha, key);
    ri_highway_init(h, key);
}

/* ---- Heads ---- */

static uint64_t tar_octal(const char *p, size_t len)
{
    RI_ASSERT(len > 0 && len <= TAR_SIZE_LEN);
    uint64_t n = 0;
    size_t i = 0;
    while (i < len && p[i] == ' ') i++;
    for (; i < len && p[i] >= '0' && p[i] <= '7'; i++) {
        if (n >> 60) return UINT64_MAX;
        n = n << 3 | (uint64_t)(p[i] - '0');
    }
    return n;
}

/* Octal, or, where bit 7 of the first byte is set, big-endian. */
static uint64_t tar_size(const char *head)
{
    const unsigned char *p = (const unsigned char *)head + TAR_SIZE;
    if (!(p[0] & 0x80)) return tar_octal(head + TAR_SIZE, TAR_SIZE_LEN);
    uint64_t n = 0;
    for (int i = 0; i < TAR_SIZE_LEN; i++) {
        unsigned char byte = i ? p[i] : p[0] & 0x7f;
        if (n >> 55) return UINT64_MAX;
        n = n << 8 | byte;
    }
    return n;
}

static bool tar_sum_is_right(const char *head)
{
    uint64_t sum = 0;
    for (int i = 0; i < TAR_BLOCK; i++) {
        bool own = i >= TAR_SUM && i < TAR_SUM + TAR_SUM_LEN;
        sum += own ? ' ' : (unsigned char)head[i];
    }
    return sum == tar_octal(head + TAR_SUM, TAR_SUM_LEN);
}

static void tar_path(ri_archive *a, const char *head)
{
    if (a->has_path) return;
    ri_buffer_reset(&a->path);
    size_t prefix = strnlen(head + TAR_PREFIX, TAR_PREFIX_LEN);
    if (prefix && memcmp(head + TAR_MAGIC, "ustar", 5) == 0) {
        ri_buffer_put(&a->path, head + TAR_PREFIX, prefix);
        ri_buffer_puts(&a->path, "/");
    }
    ri_buffer_put(&a->path, head, strnlen(head, TAR_NAME_LEN));
}

/* "obs/NAME/meta.inf": the part between; false: the path is none of these. */
static bool tar_between(ri_str path, const char *front, const char *back, ri_str *name)
{
    RI_ASSERT(front && back);
    ri_str f = ri_str_of(front), b = ri_str_of(back);
    if (!ri_str_starts(path, f) || path.len <= f.len + b.len) return false;
    if (memcmp(path.ptr + path.len - b.len, b.ptr, b.len) != 0) return false;
    *name = (ri_str){path.ptr + f.len, path.len - f.len - b.len};
    return memchr(name->ptr, '/', name->len) == NULL;
}

/* Every archive of nats-server has the checksum behind the file: one without it was cut. */
static int tar_unsummed(void)
{
    return ri_archive_damaged("a meta.inf without meta.sum");
}

static int tar_name_consumer(ri_archive *a, ri_str name, int file)
{
    RI_ASSERT(file == TAR_META || file == TAR_META_SUM || file == TAR_CONSUMER_STATE);
    if (file == TAR_META && a->pending) return ri_archive_damaged("a consumer without o.dat");
    if (file == TAR_META && a->unsummed) return tar_unsummed();
    if (file == TAR_META) {
        ri_buffer_reset(&a->consumer);
        ri_buffer_put_str(&a->consumer, name);
        ri_buffer_reset(&a->config);
    } else if (!ri_str_eq(ri_buffer_str(&a->consumer), name)) {
        return ri_archive_damaged("files of a consumer in disorder");
    }
    return file;
}

/* What the file is, made ready for; or RILL_EPROTO. */
static int tar_classify(ri_archive *a)
{
    ri_str path = ri_buffer_str(&a->path), name = RI_STR_NONE;
    if (ri_str_is(path, "meta.inf")) return tar_name_consumer(a, name, TAR_META);
    if (ri_str_is(path, "meta.sum")) return tar_name_consumer(a, name, TAR_META_SUM);
    if (ri_str_is(path, "errors.txt")) return TAR_ERROR;
    if (tar_between(path, "obs/", "/meta.inf", &name)) return tar_name_consumer(a, name, TAR_META);
    if (tar_between(path, "obs/", "/meta.sum", &name))
        return tar_name_consumer(a, name, TAR_META_SUM);
    if (tar_between(path, "obs/", "/o.dat", &name))
        return tar_name_consumer(a, name, TAR_CONSUMER_STATE);
    if (tar_between(path, "msgs/", ".blk", &name)) {
        ri_archive_key(&a->key, a->stream, "-", name);
        return TAR_BLOCK_OF_MESSAGES;
    }
    if (ri_str_is(path, "msgs/index.db")) return TAR_INDEX;
    if (tar_between(path, "msgs/", ".key", &name) || ri_str_is(path, "meta.key"))
        return ri_err(RILL_EPROTO, "the archive is encrypted, and its key is not known here");
    return TAR_PASSED;
}

static uint64_t tar_most(int file)
{
    RI_ASSERT(file >= TAR_PASSED && file <= TAR_ERROR);
    switch (file) {
    case TAR_PAX: return TAR_PAX_MAX;
    case TAR_META: case TAR_ERROR: case TAR_META_SUM: return RI_LIMIT_ARCHIVE_META;
    case TAR_CONSUMER_STATE: return RI_LIMIT_ARCHIVE_CONSUMER;
    default: return INT64_MAX;
    }
}

static int tar_open(ri_archive *a, const char *head)
{
    RI_ASSERT(a->phase == TAR_HEAD && a->left == 0);
    char kind = head[TAR_KIND];
    if (!tar_sum_is_right(head)) return ri_archive_damaged("it is neither of nats-server's forms");
    bool pax = kind == 'x' || kind == 'g';
    if (!pax && kind != '0' && kind != 0)
        return ri_err(RILL_EPROTO, "the archive has a file of an unexpected kind");
    a->left = tar_size(head);
    if (!pax && a->renamed != UINT64_MAX) a->left = a->renamed;
    if (!pax) {
        tar_path(a, head);
        if (a->path.failed) return RILL_ENOMEM;
        a->has_path = false;
        a->renamed = UINT64_MAX;
    }
    a->file = pax ? TAR_PAX : tar_classify(a);
    if (a->file < 0) return a->file;
    if (a->consumer.failed) return RILL_ENOMEM;
    if (a->left > tar_most(a->file))
        return ri_err(RILL_EPROTO, "the archive has a file of %" PRIu64 " bytes", a->left);
    a->pad = (TAR_BLOCK - a->left % TAR_BLOCK) % TAR_BLOCK;
    a->phase = TAR_BODY;
    if (a->file == TAR_INDEX) ri_archive_index_begin(a);
    return RILL_OK;
}

static bool tar_is_zero(const char *head)
{
    for (int i = 0; i < TAR_BLOCK; i++)
        if (head[i]) return false;
    return true;
}

static int tar_end(ri_archive *a, ri_archive_item *item)
{
    RI_ASSERT(a->phase == TAR_HEAD);
    if (!a->checked) return ri_archive_damaged("it has no meta.inf");
    if (a->pending) return ri_archive_damaged("a consumer without o.dat");
    if (a->unsummed) return tar_unsummed();
    *item = (ri_archive_item){.kind = RI_ARCHIVE_END, .seq = a->last_seq,
                              .time_ns = a->last_ns};
    return 1;
}

/* 1 with an item, 0 for more, or 2: a file is open. */
static int tar_head(ri_archive *a, ri_buffer *in, ri_archive_item *item)
{
    RI_ASSERT(a->phase == TAR_HEAD && a->lent == 0);
    if (ri_buffer_size(in) < TAR_BLOCK) return 0;
    ri_str head = ri_buffer_str(in);
    if (tar_is_zero(head.ptr)) {
        ri_buffer_eat(in, TAR_BLOCK);
        return tar_end(a, item);
    }
    int rc = tar_open(a, head.ptr);
    if (rc < 0) return rc;
    ri_buffer_eat(in, TAR_BLOCK);
    return 2;
}

/* ---- Files that are taken as a whole ---- */

/* "27 path=obs/c/meta.inf\n" .. */
static int tar_take_pax(ri_archive *a, ri_str text)
{
    RI_ASSERT(text.len <= TAR_PAX_MAX);
    while (text.len) {
        ri_str line = text, len_text, value;
        uint64_t len;
        if (!ri_str_cut(&line, ' ', &len_text) || !ri_number_read(len_text, &len) ||
            len > text.len || len < len_text.len + 2 || text.ptr[len - 1] != '\n')
            return ri_archive_damaged("an extended header");
        value = (ri_str){line.ptr, (size_t)len - len_text.len - 2};
        text = ri_str_from(text, (size_t)len);
        ri_str key;
        if (!ri_str_cut(&value, '=', &key)) return ri_archive_damaged("an extended header");
        if (ri_str_is(key, "path")) {
            ri_buffer_reset(&a->path);
            ri_buffer_put_str(&a->path, value);
            a->has_path = true;
        } else if (ri_str_is(key, "size") && !ri_number_read(value, &a->renamed)) {
            return ri_archive_damaged("an extended header");
        }
    }
    return a->path.failed ? RILL_ENOMEM : RILL_OK;
}

/* The stream's configuration must be of that name: the checksums are made with it. */
static int tar_take_meta(ri_archive *a, ri_str json)
{
    RI_ASSERT(json.len <= RI_LIMIT_ARCHIVE_META);
    ri_buffer_reset(&a->config);
    ri_buffer_put_str(&a->config, json);
    if (a->config.failed) return RILL_ENOMEM;
    a->unsummed = true;
    if (ri_buffer_size(&a->consumer)) {
        a->pending = true;
        return RILL_OK;
    }
    ri_arena arena;
    ri_stream_conf conf;
    ri_arena_init(&arena, a->host);
    int rc = ri_jsapi_decode(&ri_jsapi_stream_conf, json, false, &arena, &conf);
    if (rc >= 0 && !ri_str_eq(conf.name, a->stream))
        rc = ri_err(RILL_EPROTO, "stream names do not match");
    ri_arena_fini(&arena);
    a->checked = rc >= 0;
    return rc;
}

static int tar_check_meta(ri_archive *a, ri_str sum)
{
    char hex[17];
    ri_highway h;
    bool own = ri_buffer_size(&a->consumer) > 0;
    ri_archive_key(&h, a->stream, own ? "/" : "", ri_buffer_str(&a->consumer));
    ri_highway_add(&h, ri_buffer_str(&a->config));
    uint64_t hash = ri_highway_end(&h), swapped = 0;
    for (int i = 0; i < 8; i++) swapped = swapped << 8 | (hash >> (8 * i) & 0xff);
    snprintf(hex, sizeof hex, "%016" PRIx64, swapped);
    if (!ri_str_is(sum, hex)) return ri_archive_damaged("the checksum of a meta.inf");
    a->unsummed = false;
    return RILL_OK;
}

static int tar_take_state(ri_archive *a, ri_str state, ri_archive_item *item)
{
    if (!a->pending) return ri_archive_damaged("files of a consumer in disorder");
    if (a->unsummed) return tar_unsummed();
    a->pending = false;
    *item = (ri_archive_item){.kind = RI_ARCHIVE_CONSUMER, .name = ri_buffer_str(&a->consumer),
                              .config = ri_buffer_str(&a->config), .state = state};
    return 1;
}

/* The file at hand, once all of it is there; it is eaten by the next call. */
static int tar_whole(ri_archive *a, ri_buffer *in, ri_archive_item *item)
{
    RI_ASSERT(a->lent == 0 && a->phase == TAR_BODY);
    ri_str all = ri_archive_window(a, in);
    if (all.len < a->left) return 0;
    a->lent = a->left;
    a->left = 0;
    switch (a->file) {
    case TAR_PAX: return tar_take_pax(a, all);
    case TAR_META: return tar_take_meta(a, all);
    case TAR_META_SUM: return tar_check_meta(a, all);
    case TAR_CONSUMER_STATE: return tar_take_state(a, all, item);
    default:
        return ri_err(RILL_EPROTO, "the archive was given up: %.*s",
                      (int)RI_MIN(all.len, 200), all.ptr);
    }
}

/* ---- Blocks of messages ---- */

typedef struct tar_record {
    uint64_t len, seq;
    int64_t time_ns;
    ri_str subject, headers, data;
    uint64_t hash;
} tar_record;

/* The parts of a record that is there as a whole; false: they do not fit into it. */
static bool tar_parts(ri_str s, bool has_headers, tar_record *r)
{
    RI_ASSERT(s.len >= TAR_RECORD + TAR_HASH);
    size_t subject = (size_t)ri_archive_little(s.ptr + 20, 2);
    ri_str rest = {s.ptr + TAR_RECORD, s.len - TAR_RECORD - TAR_HASH};
    if (subject > rest.len) return false;
    r->subject = (ri_str){rest.ptr, subject};
    rest = ri_str_from(rest, subject);
    r->headers = RI_STR_NONE;
    if (has_headers) {
        if (rest.len < 4) return false;
        size_t len = (size_t)ri_archive_little(rest.ptr, 4);
        rest = ri_str_from(rest, 4);
        if (len > rest.len) return false;
        r->headers = (ri_str){rest.ptr, len};
        rest = ri_str_from(rest, len);
    }
    r->data = rest;
    r->hash = ri_archive_little(s.ptr + s.len - TAR_HASH, 8);
    return true;
}

static bool tar_hash_is_right(const ri_archive *a, const char *head, const tar_record *r)
{
    ri_highway h = a->key;
    ri_highway_add(&h, (ri_str){head + 4, 16});
    ri_highway_add(&h, r->subject);
    ri_highway_add(&h, r->headers);
    ri_highway_add(&h, r->data);
    return ri_highway_end(&h) == r->hash;
}

/* The record at the front: 1, 0 for more. */
static int tar_read_record(const ri_archive *a, ri_str in, tar_record *r)
{
    const uint32_t with_headers = UINT32_C(1) << 31;
    const uint64_t most = TAR_RECORD + UINT16_MAX + 4 + RI_LIMIT_HEADER_BYTES + TAR_HASH +
                          a->max_data;
    if (in.len >= 4 && memcmp(in.ptr, "cmp", 3) == 0 && (unsigned char)in.ptr[3] < 8)
        return ri_err(RILL_EPROTO, "the archive has a compressed block, as no backup has");
    if (in.len < TAR_RECORD)
        return in.len == a->left ? ri_archive_damaged("a block is cut short") : 0;
    uint32_t len = (uint32_t)ri_archive_little(in.ptr, 4);
    r->len = len & ~with_headers;
    if (r->len < TAR_RECORD + TAR_HASH || r->len > a->left)
        return ri_archive_damaged("the length of a record");
    if (r->len > most)
        return ri_err(RILL_EPROTO, "the archive has a message of %" PRIu64 " bytes", r->len);
    if (in.len < r->len) return 0;
    r->seq = ri_archive_little(in.ptr + 4, 8);
    r->time_ns = (int64_t)ri_archive_little(in.ptr + 12, 8);
    if (!tar_parts((ri_str){in.ptr, (size_t)r->len}, len & with_headers, r))
        return ri_archive_damaged("a record");
    if (!tar_hash_is_right(a, in.ptr, r)) return ri_archive_damaged("the checksum of a record");
    return 1;
}

/* 1 with an item; 2: it says nothing new. */
static int tar_take_record(ri_archive *a, const tar_record *r, ri_archive_item *item)
{
    RI_ASSERT(r->len >= TAR_RECORD + TAR_HASH);
    const uint64_t erased = UINT64_C(1) << 63, tombstone = UINT64_C(1) << 62;
    uint64_t seq = r->seq & ~(erased | tombstone);
    bool gone = r->seq & (erased | tombstone);
    if (seq == 0 || (!gone && seq <= a->last_seq)) return 2;
    a->last_seq = RI_MAX(a->last_seq, seq);
    if (gone)
        *item = (ri_archive_item){.kind = RI_ARCHIVE_GONE, .seq = seq, .last = seq};
    else
        *item = (ri_archive_item){.kind = RI_ARCHIVE_MESSAGE, .seq = seq, .time_ns = r->time_ns,
                                  .name = r->subject, .headers = r->headers, .data = r->data};
    return 1;
}

static int tar_messages(ri_archive *a, ri_buffer *in, ri_archive_item *item)
{
    tar_record r = {0};
    int rc = tar_read_record(a, ri_archive_window(a, in), &r);
    if (rc <= 0) return rc;
    RI_ASSERT(r.len <= a->left);
    a->left -= r.len;
    a->lent = r.len;
    return tar_take_record(a, &r, item);
}

/* ---- The walk ---- */

/* Bytes that nobody looks at: 2, or 0 for more. */
static int tar_pass(ri_buffer *in, uint64_t *bytes)
{
    uint64_t n = RI_MIN(*bytes, (uint64_t)ri_buffer_size(in));
    ri_buffer_eat(in, (size_t)n);
    *bytes -= n;
    return *bytes ? 0 : 2;
}

static int tar_body(ri_archive *a, ri_buffer *in, ri_archive_item *item)
{
    RI_ASSERT(a->phase == TAR_BODY);
    if (a->left == 0 && a->file == TAR_INDEX && !ri_archive_index_over(a))
        return ri_archive_damaged("its index is cut short");
    if (a->left == 0 && a->file != TAR_CONSUMER_STATE && a->file != TAR_ERROR) {
        a->phase = TAR_PAD;
        return 2;
    }
    if (a->file == TAR_PASSED) return tar_pass(in, &a->left);
    if (a->file == TAR_BLOCK_OF_MESSAGES) return tar_messages(a, in, item);
    if (a->file == TAR_INDEX) return ri_archive_index_next(a, in, item);
    bool there = ri_archive_window(a, in).len >= a->left;
    int rc = tar_whole(a, in, item);
    if (rc < 0 || !there) return rc;
    a->phase = TAR_PAD;
    return rc == 1 ? 1 : 2;
}

/* Behind the end there are zeros only. */
static int tar_trailer(ri_buffer *in)
{
    ri_str rest = ri_buffer_str(in);
    for (size_t i = 0; i < rest.len; i++)
        if (rest.ptr[i]) return ri_archive_damaged("something follows its end");
    ri_buffer_eat(in, rest.len);
    return 0;
}

int ri_archive_tar_next(ri_archive *a, ri_buffer *in, ri_archive_item *item)
{
    int rc = 2, steps = 0;
    *item = (ri_archive_item){.kind = RI_ARCHIVE_NOTHING};
    for (; rc == 2 && steps < TAR_STEPS; steps++) {
        ri_buffer_eat(in, (size_t)a->lent);
        a->lent = 0;
        switch (a->phase) {
        case TAR_HEAD: rc = tar_head(a, in, item); break;
        case TAR_BODY: rc = tar_body(a, in, item); break;
        case TAR_PAD:
            rc = tar_pass(in, &a->pad);
            if (rc == 2) a->phase = TAR_HEAD;
            break;
        default: return tar_trailer(in);
        }
    }
    return rc == 2 ? 1 : rc;
}
