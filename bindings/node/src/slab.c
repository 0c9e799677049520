/* SPDX-License-Identifier: Apache-2.0
 *
 * A slab holds messages that came together: a word with how many they are, a row of words for each,
 * and behind the rows their bytes. lib/message.js has the same layout, and reads a field when it is
 * asked for.
 *
 * Bytes are copied. JavaScript has no buffers that can only be read, and rill lends one message to
 * all of its receivers: who wrote into his would write into theirs. A message of SLAB_OWN bytes and
 * more has a buffer of its own, so that a small one that is kept does not keep it. */
#include "binding.h"

enum { SLAB_OWN = 16 << 10 };

typedef struct row {
    uint32_t data_at, data_len; /* data_at 0: a buffer of its own */
    uint32_t subject_at, subject_len, reply_len;   /* one behind the other */
    uint32_t headers_at, nheaders; /* pairs of lengths, then texts */
    uint32_t key_at, key_len, stream_len;          /* likewise */
    uint32_t deliveries, flags, partition, reserved;
    uint64_t seq, pending;
    int64_t time_ns;
} row;
_Static_assert(sizeof(row) == 80, "lib/message.js counts in rows of 20 words");

typedef struct kept { /* messages to be settled, or to be told about */
    size_t n;
    rill_msg *msgs[];
} kept;

static size_t headers_size(const rill_msg *m)
{
    size_t size = 0;
    for (uint32_t i = 0; i < m->nheaders; i++) {
        rill_header h = rill_header_at(m, i);
        size += 8 + h.name.len + h.value.len;
    }
    return size ? size + 4 : 0;
}

static size_t size_of(const rill_msg *m)
{
    size_t data = m->data.len < SLAB_OWN ? m->data.len : 0;
    return m->subject.len + m->reply.len + m->key.len + m->stream.len + data +
           (m->nheaders ? headers_size(m) : 0);
}

static char *put(char *at, rill_str s)
{
    memcpy(at, s.ptr, s.len);
    return at + s.len;
}

static char *put_headers(char *base, char *at, const rill_msg *m, row *r)
{
    at += -(at - base) & 3;
    r->headers_at = (uint32_t)(at - base);
    r->nheaders = m->nheaders;
    char *text = at + 8 * (size_t)m->nheaders;
    for (uint32_t i = 0; i < m->nheaders; i++) {
        rill_header h = rill_header_at(m, i);
        uint32_t lens[2] = {(uint32_t)h.name.len, (uint32_t)h.value.len};
        memcpy(at + 8 * (size_t)i, lens, sizeof lens);
        text = put(put(text, h.name), h.value);
    }
    return text;
}

/* A subject like the one before is not written again: lib/ makes one string of both. */
static char *put_subject(char *base, char *at, const rill_msg *m, const rill_msg *before,
                         const row *last, row *r)
{
    r->subject_len = (uint32_t)m->subject.len;
    r->reply_len = (uint32_t)m->reply.len;
    if (before && !m->reply.len && !before->reply.len && m->subject.len == before->subject.len &&
        !memcmp(m->subject.ptr, before->subject.ptr, m->subject.len)) {
        r->subject_at = last->subject_at;
        return at;
    }
    r->subject_at = (uint32_t)(at - base);
    return put(put(at, m->subject), m->reply);
}

static char *put_row(char *base, char *at, const rill_msg *m, const rill_msg *before, row *r)
{
    *r = (row){.data_len = (uint32_t)m->data.len, .deliveries = m->deliveries, .flags = m->flags,
               .partition = m->partition, .seq = m->seq, .pending = m->pending,
               .time_ns = m->time_ns};
    at = put_subject(base, at, m, before, r - 1, r);
    if (m->nheaders) at = put_headers(base, at, m, r);
    if (m->key.len || m->stream.len) {
        r->key_at = (uint32_t)(at - base);
        r->key_len = (uint32_t)m->key.len;
        r->stream_len = (uint32_t)m->stream.len;
        at = put(put(at, m->key), m->stream);
    }
    if (m->data.len < SLAB_OWN) {
        r->data_at = (uint32_t)(at - base);
        at = put(at, m->data);
    }
    return at;
}

static void kept_finalize(napi_env env, void *data, void *hint)
{
    (void)env, (void)hint;
    kept *k = data;
    for (size_t i = 0; i < k->n; i++) rill_msg_unref(k->msgs[i]);
    free(k);
}

static napi_value kept_tell(nd_env *e, const rill_msg *const *msgs, size_t n)
{
    napi_value v = NULL;
    kept *k = calloc(1, sizeof *k + n * sizeof *k->msgs);
    if (!k) return NULL;
    k->n = n;
    for (size_t i = 0; i < n; i++) k->msgs[i] = rill_msg_ref(msgs[i]);
    if (napi_create_external(e->env, k, kept_finalize, NULL, &v) != napi_ok)
        kept_finalize(e->env, k, NULL);
    return v;
}

static napi_value own_buffers(nd_env *e, const rill_msg *const *msgs, size_t n)
{
    napi_value list = NULL, buffer;
    for (size_t i = 0; i < n; i++) {
        if (msgs[i]->data.len < SLAB_OWN) continue;
        if (!list && napi_create_array_with_length(e->env, n, &list) != napi_ok) return NULL;
        if (napi_create_buffer_copy(e->env, msgs[i]->data.len, msgs[i]->data.ptr, NULL, &buffer) ==
            napi_ok) napi_set_element(e->env, list, (uint32_t)i, buffer);
    }
    return list;
}

/* The slab; or, where there is more, an array of the slab, what is kept, and buffers. */
napi_value nd_slab_make(nd_env *e, const rill_msg *const *msgs, size_t n, bool keep)
{
    size_t size = 8 + n * sizeof(row);
    bool large = false;
    for (size_t i = 0; i < n; i++) {
        size += size_of(msgs[i]);
        large = large || msgs[i]->data.len >= SLAB_OWN;
    }
    napi_value slab, all, one;
    char *base;
    size = (size + 7) & ~(size_t)7;
    if (napi_create_arraybuffer(e->env, size, (void **)&base, &slab) != napi_ok) {
        bool pending = false;
        napi_is_exception_pending(e->env, &pending);
        if (!pending) napi_throw(e->env, nd_error(e, RILL_ENOMEM, "out of memory"));
        return NULL;
    }
    *(uint32_t *)base = (uint32_t)n;
    row *rows = (row *)(base + 8);
    char *at = base + 8 + n * sizeof(row);
    for (size_t i = 0; i < n; i++)
        at = put_row(base, at, msgs[i], i ? msgs[i - 1] : NULL, &rows[i]);
    if (!keep && !large) return slab;
    if (napi_create_array_with_length(e->env, 3, &all) != napi_ok) return NULL;
    napi_set_element(e->env, all, 0, slab);
    if (keep && (one = kept_tell(e, msgs, n))) napi_set_element(e->env, all, 1, one);
    if (large && (one = own_buffers(e, msgs, n))) napi_set_element(e->env, all, 2, one);
    return all;
}

napi_value nd_msg_tell(nd_env *e, const rill_msg *m, bool keep)
{
    napi_value fn, made = NULL, slab = nd_slab_make(e, &m, 1, keep);
    if (!slab || napi_get_reference_value(e->env, e->message, &fn) != napi_ok) return NULL;
    napi_call_function(e->env, nd_undefined(e), fn, 1, &slab, &made);
    return made;
}

/* ---- What is done with one that is kept ---- */

static const rill_msg *kept_get(nd_env *e, napi_value v, napi_value index)
{
    kept *k = NULL;
    int64_t i;
    if (nd_is_nothing(e, v) || napi_get_value_external(e->env, v, (void **)&k) != napi_ok) {
        napi_throw(e->env, nd_error(e, RILL_EINVAL, "this message is of no rill_consume()"));
        return NULL;
    }
    if (!nd_int_get(e, index, "a message", 0, (int64_t)k->n - 1, &i)) return NULL;
    if (!k->msgs[i]) napi_throw(e->env, nd_error(e, RILL_ENOMEM, "out of memory"));
    return k->msgs[i];
}

/* settle(kept, index, how, delayMs) */
static napi_value slab_settle(napi_env env, napi_callback_info info)
{
    ND_ARGS(4);
    int64_t how, delay = 0;
    const rill_msg *m = argc < 3 ? NULL : kept_get(e, argv[0], argv[1]);
    if (!m || !nd_int_get(e, argv[2], "how", 0, 3, &how)) return NULL;
    if (how == 1 && argc > 3 && !nd_is_nothing(e, argv[3]) &&
        !nd_int_get(e, argv[3], "delayMs", 0, UINT32_MAX, &delay)) return NULL;
    int rc = how == 0   ? rill_ack(m)
             : how == 1 ? rill_nak(m, (uint32_t)delay)
             : how == 2 ? rill_term(m)
                        : rill_working(m);
    return rc < 0 ? nd_throw(e, rc) : NULL;
}

/* objTold(kept, index): what a message of a watch is about, or null */
static napi_value slab_told(napi_env env, napi_callback_info info)
{
    ND_ARGS(2);
    rill_obj_info about = {.size = sizeof about};
    const rill_msg *m = argc < 2 ? NULL : kept_get(e, argv[0], argv[1]);
    if (!m) return NULL;
    if (rill_obj_told(m, &about) < 0) return nd_throw(e, RILL_EINVAL);
    return nd_record_tell(e, &nd_obj_info, &about);
}

void nd_slab_init(nd_env *e, napi_value exports)
{
    nd_define(e, exports, "settle", slab_settle);
    nd_define(e, exports, "objTold", slab_told);
}
