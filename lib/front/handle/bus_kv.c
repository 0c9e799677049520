/* SPDX-License-Identifier: Apache-2.0 */
/* Key-value from a program: a stream laid out as NATS clients lay out theirs.
 *
 *     bucket B            stream KV_B, subjects $KV.B.>, the last `history` of each subject kept
 *     key a.b             subject $KV.B.a.b; its revision is the stream sequence
 *     deleted, purged     an empty message with KV-Operation: DEL, or PURGE and Nats-Rollup: sub
 *     "is at revision n"  Nats-Expected-Last-Subject-Sequence: n
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/saturate.h"
#include "codec/nats/headers.h"
#include "codec/subject/subject.h"
#include "front/handle/peer.h"

enum { KV_HISTORY_MAX = 64 };

struct rill_kv {
    ri_bus_bucket b;
};
static const ri_bus_bucket_kind kv_kind = {.stream = "KV_", .prefix = "$KV."};

rill_bus *ri_bus_kv_bus(const rill_kv *kv)
{
    return kv && kv->b.kind == &kv_kind ? kv->b.bus : NULL;
}

static int kv_check_key(const char *key)
{
    size_t len = strlen(key);
    bool ok = len > 0 && key[0] != '.' && key[len - 1] != '.';
    for (size_t i = 0; ok && i < len; i++)
        ok = ri_bus_bucket_may_have(key[i]) || key[i] == '/' || key[i] == '=' ||
             (key[i] == '.' && key[i + 1] != '.');
    return ok ? RILL_OK : ri_err(RILL_EINVAL, "\"%s\" is no key", key);
}

static int kv_check_filter(ri_str filter)
{
    int rc = ri_subject_check_filter(filter);
    return rc < 0 ? ri_err(rc, "\"%.*s\" is no filter of keys", RI_ARG(filter)) : RILL_OK;
}

/* The subject of a key, or of a filter of keys. */
static int kv_subject(const rill_kv *kv, const char *key, char out[RILL_SUBJECT_MAX + 1])
{
    int len = snprintf(out, RILL_SUBJECT_MAX + 1, "%s%s", kv->b.prefix, key);
    if (len > RILL_SUBJECT_MAX) return ri_err(RILL_EINVAL, "the key has %zu bytes", strlen(key));
    return RILL_OK;
}

/* Where a key begins in its subject. */
static uint32_t kv_key_at(const rill_kv *kv)
{
    return (uint32_t)strlen(kv->b.prefix);
}

/* ---- Open ---- */

static int kv_ensure(rill_kv *kv, const rill_bucket_opts *opts)
{
    char filter[sizeof kv->b.prefix + 1];
    snprintf(filter, sizeof filter, "%s>", kv->b.prefix);
    ri_str subject = ri_str_of(filter);
    ri_stream_conf conf = ri_bus_bucket_conf(kv->b.stream, opts);
    conf.subjects = (ri_strs){&subject, 1};
    conf.max_msgs_per_subject = opts->history ? (int64_t)opts->history : 1;
    conf.deny_delete = true;
    conf.allow_msg_ttl = opts->key_ttl;
    return ri_bus_bucket_open(kv->b.bus, &conf, opts);
}

int ri_bus_kv_open(rill_bus *bus, rill_kv **out, const char *bucket, const rill_bucket_opts *opts)
{
    ri_bus_bucket *b;
    if (opts->history > KV_HISTORY_MAX)
        return ri_err(RILL_EINVAL, "history is %u; at most %d", opts->history, KV_HISTORY_MAX);
    int rc = ri_bus_bucket_new(bus, &kv_kind, bucket, &b);
    if (rc < 0) return rc;
    rill_kv *kv = ri_container_of(b, rill_kv, b);
    if ((rc = kv_ensure(kv, opts)) < 0) {
        ri_bus_bucket_free(b);
        return rc;
    }
    *out = kv;
    return RILL_OK;
}

void ri_bus_kv_close(rill_kv *kv)
{
    ri_bus_bucket_free(&kv->b);
}

/* ---- Write ---- */

static int kv_headers(ri_buffer *headers, ri_kv_op op, uint64_t expect, uint32_t ttl_ms)
{
    char text[24];
    int rc = RILL_OK;
    if (op == RI_KV_DELETE) rc = ri_headers_add(headers, RI_STR("KV-Operation"), RI_STR("DEL"));
    if (op == RI_KV_PURGE) rc = ri_headers_add(headers, RI_STR("KV-Operation"), RI_STR("PURGE"));
    if (op == RI_KV_PURGE && rc == RILL_OK)
        rc = ri_headers_add(headers, RI_STR("Nats-Rollup"), RI_STR("sub"));
    if (expect != RI_KV_ANY && rc == RILL_OK) {
        int len = snprintf(text, sizeof text, "%" PRIu64, expect);
        rc = ri_headers_add(headers, RI_STR("Nats-Expected-Last-Subject-Sequence"),
                            (ri_str){text, (size_t)len});
    }
    if (ttl_ms && rc == RILL_OK) {
        int len = snprintf(text, sizeof text, "%" PRIu32 "ms", ttl_ms);
        rc = ri_headers_add(headers, RI_STR("Nats-TTL"), (ri_str){text, (size_t)len});
    }
    return rc;
}

static int kv_append(rill_kv *kv, ri_kv_op op, ri_message *m, uint64_t expect, uint32_t ttl_ms,
                     uint64_t *rev)
{
    ri_buffer headers;
    rill_receipt receipt = {0};
    ri_buffer_init(&headers, &kv->b.bus->host);
    int rc = kv_headers(&headers, op, expect, ttl_ms);
    m->headers = ri_buffer_str(&headers);
    if (rc == RILL_OK) rc = ri_bus_append(kv->b.bus, m, NULL, &receipt,
                                           ri_peer_answer_ns(kv->b.bus));
    ri_buffer_fini(&headers);
    if (rc == RILL_OK && rev) *rev = receipt.seq;
    return ri_bus_bucket_gone(&kv->b, rc);
}

/* A key that was deleted may be created: then its last revision is what is expected. */
static int kv_create_again(rill_kv *kv, ri_message *m, uint32_t ttl_ms, uint64_t *rev)
{
    rill_msg *was;
    int rc = ri_bus_stream_last(kv->b.bus, kv->b.stream, m->subject.ptr, &was);
    if (rc < 0 && rc != RILL_ENOENT) return rc;
    uint64_t last = rc == RILL_OK ? was->seq : 0;
    bool free = rc == RILL_OK && ri_bus_msg_is_deletion(ri_bus_msg_of(was)->headers);
    if (rc == RILL_OK) ri_bus_msg_unref(was);
    if (!free)
        return ri_err(RILL_EEXIST, "the key %.*s is there",
                      RI_ARG(ri_str_from(m->subject, kv_key_at(kv))));
    return kv_append(kv, RI_KV_CREATE, m, last, ttl_ms, rev);
}

int ri_bus_kv_write(rill_kv *kv, ri_kv_op op, const char *key, ri_str data, uint64_t expect,
                      uint32_t ttl_ms, uint64_t *rev)
{
    char subject[RILL_SUBJECT_MAX + 1];
    int rc = kv_check_key(key);
    if (rc == RILL_OK) rc = kv_subject(kv, key, subject);
    if (rc < 0) return rc;
    ri_message m = {.subject = ri_str_of(subject), .data = data};
    rc = kv_append(kv, op, &m, expect, ttl_ms, rev);
    if (op == RI_KV_CREATE && rc == RILL_ECONFLICT) rc = kv_create_again(kv, &m, ttl_ms, rev);
    return rc;
}

/* ---- Read ---- */

int ri_bus_kv_get(rill_kv *kv, const char *key, rill_msg **m)
{
    char subject[RILL_SUBJECT_MAX + 1];
    int rc = kv_check_key(key);
    if (rc == RILL_OK) rc = kv_subject(kv, key, subject);
    if (rc == RILL_OK) rc = ri_bus_stream_last(kv->b.bus, kv->b.stream, subject, m);
    if (rc < 0) return rc == RILL_ENOENT ? ri_err(rc, "there is no key %s", key) : rc;
    ri_bus_msg_view_key(ri_bus_msg_of(*m), kv_key_at(kv));
    if (!((*m)->flags & RILL_MSG_DELETED)) return RILL_OK;
    ri_bus_msg_unref(*m);
    *m = NULL;
    return ri_err(RILL_ENOENT, "the key %s is deleted", key);
}

int ri_bus_kv_each(rill_kv *kv, const char *filter, rill_name_fn fn, void *arg)
{
    char subject[RILL_SUBJECT_MAX + 1];
    int rc = kv_check_filter(ri_str_of(filter ? filter : ">"));
    if (rc == RILL_OK) rc = kv_subject(kv, filter ? filter : ">", subject);
    if (rc < 0) return rc;
    ri_ask ask = {.kind = RI_ASK_KEYS, .stream = kv->b.stream, .subject = ri_str_of(subject)};
    return ri_bus_names(kv->b.bus, &ask, kv_key_at(kv), fn, arg);
}

int ri_bus_kv_history(rill_kv *kv, const char *key, int (*fn)(const rill_msg *m, void *arg),
                        void *arg)
{
    char subject[RILL_SUBJECT_MAX + 1];
    int rc = kv_check_key(key);
    if (rc == RILL_OK) rc = kv_subject(kv, key, subject);
    if (rc < 0) return rc;
    uint64_t seq = 1;
    bool any = false, stop = false;
    for (rill_msg *m; !stop && (rc = ri_bus_stream_next(kv->b.bus, kv->b.stream, ri_str_of(subject),
                                                        &seq, &m)) == RILL_OK;) {
        ri_bus_msg_view_key(ri_bus_msg_of(m), kv_key_at(kv));
        m->flags &= ~(uint32_t)RILL_MSG_CAUGHT_UP;
        any = true;
        stop = fn(m, arg) != 0;
        ri_bus_msg_unref(m);
    }
    if (rc != RILL_ENOENT) return rc;
    return any ? RILL_OK : ri_err(RILL_ENOENT, "there is no key %s", key);
}

int ri_bus_kv_watch(rill_kv *kv, rill_sub **sub, const rill_sub_opts *opts)
{
    static const rill_sub_opts defaults = {.size = sizeof defaults};
    rill_sub_opts own = opts ? *opts : defaults;
    if (own.from == RILL_FROM_FIRST && !own.group) own.from = RILL_FROM_LAST_PER_SUBJECT;
    if (own.from == RILL_FROM_SEQ || own.from == RILL_FROM_TIME || own.from == RILL_FROM_LAST ||
        own.group)
        return ri_err(RILL_EINVAL,
                      "a watch has no group, and begins with what is there, or with NEW");
    char filters[4 * RILL_SUBJECT_MAX];
    size_t used = 0;
    ri_str rest = ri_str_of(own.filter ? own.filter : ">"), word;
    while (ri_str_word(&rest, &word)) {
        int rc = kv_check_filter(word);
        if (rc < 0) return rc;
        int n = snprintf(filters + used, sizeof filters - used, "%s%.*s ", kv->b.prefix,
                         RI_ARG(word));
        if (n < 0 || (size_t)n >= sizeof filters - used)
            return ri_err(RILL_EINVAL, "the filter is too long");
        used += (size_t)n;
    }
    own.filter = filters;
    return ri_bus_consume(kv->b.bus, sub, kv->b.stream, &own, RI_BUS_WATCH,
                            kv_key_at(kv));
}
