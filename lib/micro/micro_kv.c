/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets: the stream KV_<bucket>, a subject for each key, "$KV.<bucket>.<key>", and the headers
 * by which NATS clients mark deletions. */
#include "micro/micro.h"

#include "codec/nats/headers.h"
#include "codec/subject/subject.h"

#ifdef RI_MICRO_STORED

struct rill_kv {
    rill_bus *bus; /* NULL: it is free */
    uint32_t len;  /* of the stream's name, "KV_<bucket>", which stands behind this with a 0 */
};

size_t ri_micro_kv_bytes(const rill_bus *bus)
{
    return RI_ALIGN(sizeof(rill_kv) + bus->max_subject_bytes + 1, 8);
}

static ri_str micro_kv_stream(rill_kv *kv)
{
    return (ri_str){(char *)(kv + 1), kv->len};
}

static ri_str micro_kv_bucket(rill_kv *kv)
{
    return ri_str_from(micro_kv_stream(kv), 3);
}

/* The subject of a key is put together in bus->text. It is copied by the peer before anything else
 * is done: behind a call that waits it is to be made anew. `filter`: wildcards are allowed. */
static int micro_kv_subject(rill_kv *kv, ri_str key, bool filter, ri_str *subject)
{
    char *text = kv->bus->text;
    ri_str bucket = micro_kv_bucket(kv);
    *subject = RI_STR_NONE;
    for (size_t i = 0; i < key.len; i++) {
        unsigned char c = (unsigned char)key.ptr[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     (c != 0 && strchr("-_/=.", c));
        if (!plain && !(filter && (c == '*' || c == '>')))
            return ri_err(RILL_EINVAL, "a key may not have the byte 0x%02x", c);
    }
    if (sizeof "$KV.." + bucket.len + key.len > RI_MICRO_TEXT)
        return ri_err(RILL_ETOOBIG, "the key is too long");
    char *at = ri_str_put(text, RI_STR("$KV."));
    at = ri_str_put(at, bucket);
    *at++ = '.';
    at = ri_micro_copy(at, key);
    *at = 0;
    *subject = (ri_str){text, (size_t)(at - text)};
    return ri_subject_check_filter(*subject);
}

/* ---- Opening ---- */

static int micro_kv_check_name(rill_bus *bus, ri_str bucket)
{
    if (bucket.len == 0 || bucket.len + 3 > bus->max_subject_bytes)
        return ri_err(RILL_EINVAL, "a bucket's name has 1 to %lu bytes",
                      (unsigned long)bus->max_subject_bytes - 3);
    for (size_t i = 0; i < bucket.len; i++) {
        char c = bucket.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
              c == '-' || c == '_'))
            return ri_err(RILL_EINVAL, "a bucket's name has letters, digits, - and _");
    }
    return RILL_OK;
}

static rill_kv *micro_kv_free_one(rill_bus *bus)
{
    for (uint32_t i = 0; i < bus->max_buckets; i++) {
        rill_kv *kv = (rill_kv *)(void *)((char *)bus->buckets + i * ri_micro_kv_bytes(bus));
        if (!kv->bus) return kv;
    }
    ri_err(RILL_EFULL, "all %lu buckets are in use", (unsigned long)bus->max_buckets);
    return NULL;
}

/* Ask for it: the call, or NULL with *rc. */
RI_APART static ri_micro_call *micro_kv_ensure(rill_kv *kv, const rill_bucket_opts *opts, int *rc)
{
    rill_bus *bus = kv->bus;
    ri_str subjects;
    rill_stream_opts conf = {.size = sizeof conf, .in_memory = opts->in_memory,
                             .max_msgs_per_subject = opts->history ? opts->history : 1,
                             .max_age_ms = opts->ttl_ms, .max_bytes = opts->max_bytes,
                             .allow_ttl = opts->key_ttl, .reject_when_full = true};
    if ((*rc = micro_kv_subject(kv, RI_STR(">"), true, &subjects)) < 0) return NULL;
    ri_micro_call *call = ri_micro_call_new(bus, RI_MICRO_CALL_ASK, (int)bus->call_timeout_ms);
    if (!call) *rc = RILL_EAGAIN;
    if (!call) return NULL;
    call->waited = true;
    *rc = bus->peer->ensure(bus, micro_kv_stream(kv), subjects, &conf, opts->must_exist, call);
    if (*rc >= 0) return call;
    ri_micro_call_free(bus, call);
    return NULL;
}

static int micro_kv_open(rill_bus *bus, rill_kv **out, ri_str bucket, const rill_bucket_opts *opts)
{
    int rc = micro_kv_check_name(bus, bucket);
    if (rc < 0) return rc;
    if (opts->history > 64 || opts->replicas > 1)
        return ri_err(RILL_EINVAL, "a bucket has a history of 64 at most, and no replicas here");
    rill_kv *kv = micro_kv_free_one(bus);
    if (!kv) return RILL_EFULL;
    kv->bus = bus; /* it is taken while the peer is asked */
    kv->len = (uint32_t)bucket.len + 3;
    char *end = ri_micro_copy(ri_str_put((char *)(kv + 1), RI_STR("KV_")), bucket);
    *end = 0;
    ri_micro_call *call = micro_kv_ensure(kv, opts, &rc);
    if (call) rc = ri_micro_call_wait(bus, call, NULL, NULL);
    if (rc == RILL_EEXIST) rc = RILL_OK;
    if (rc < 0) kv->bus = NULL;
    else *out = kv;
    return rc;
}

int rill_kv_open(rill_bus *bus, rill_kv **kv, const char *bucket, const rill_bucket_opts *opts)
{
    static const rill_bucket_opts none;
    if (!kv) return ri_err(RILL_EINVAL, "no place for the bucket was given");
    *kv = NULL;
    int rc = ri_micro_bus_enter(bus);
    if (rc < 0) return rc;
    if (!bus->peer->ensure) rc = ri_err(RILL_ENOTSUP, "%s has no buckets", bus->peer->scheme);
    else rc = micro_kv_open(bus, kv, ri_str_of(bucket), opts ? opts : &none);
    return ri_micro_bus_leave(bus, rc);
}

void rill_kv_close(rill_kv *kv)
{
    if (!kv || !kv->bus) return;
    rill_bus *bus = kv->bus;
    if (ri_micro_bus_enter(bus) < 0) return;
    kv->bus = NULL;
    ri_micro_bus_leave(bus, RILL_OK);
}

static int micro_kv_enter(rill_kv *kv, const char *key)
{
    if (!kv || !key || !*key) return ri_err(RILL_EINVAL, "the bucket or the key is missing");
    return kv->bus ? ri_micro_bus_enter(kv->bus) : ri_err(RILL_ECLOSED, "the bucket is closed");
}

/* ---- Reading ---- */

static bool micro_kv_deleted(ri_str headers)
{
    ri_str value;
    if (ri_headers_find(headers, RI_STR("KV-Operation"), &value)) return true;
    return ri_headers_find(headers, RI_STR("Nats-Marker-Reason"), &value);
}

/* What was got, as a message of the key: the answer has the subject of a question. */
RI_APART static int micro_kv_dress(rill_kv *kv, ri_str key, ri_micro_msg *got, ri_micro_msg **out)
{
    ri_str name, value;
    int rc = micro_kv_subject(kv, key, false, &name);
    if (rc < 0) return rc;
    ri_micro_msg *msg = ri_micro_msg_new(kv->bus);
    if (!msg || !ri_micro_msg_fill(msg, name, RI_STR_NONE, got->headers, got->m.data)) {
        if (msg) ri_micro_msg_drop(msg);
        return ri_err(RILL_EFULL, "there is no room for the value and its key");
    }
    msg->m.key = ri_str_from(msg->m.subject, name.len - key.len);
    msg->m.seq = got->m.seq;
    if (ri_headers_find(got->headers, RI_STR("Nats-Sequence"), &value))
        ri_number_read(value, &msg->m.seq);
    if (micro_kv_deleted(got->headers)) msg->m.flags = RILL_MSG_DELETED;
    *out = msg;
    return RILL_OK;
}

/* The last message of a key, a deletion, too: a slot that the caller drops. */
static int micro_kv_last(rill_kv *kv, ri_str key, ri_micro_msg **out)
{
    RI_CHECK(kv->bus, RI_MICRO_MAGIC);
    rill_bus *bus = kv->bus;
    ri_str subject;
    ri_micro_msg *got = NULL;
    int rc = micro_kv_subject(kv, key, false, &subject);
    if (rc < 0) return rc;
    ri_micro_call *call = ri_micro_call_new(bus, RI_MICRO_CALL_REQUEST, (int)bus->call_timeout_ms);
    if (!call) return RILL_EAGAIN;
    call->waited = true;
    rc = bus->peer->get(bus, micro_kv_stream(kv), subject, call);
    if (rc < 0) ri_micro_call_free(bus, call);
    else rc = ri_micro_call_wait(bus, call, &got, NULL);
    if (rc < 0) return rc;
    rc = micro_kv_dress(kv, key, got, out);
    ri_micro_msg_drop(got);
    return rc;
}

int rill_kv_get(rill_kv *kv, const char *key, rill_msg **m)
{
    if (!m) return ri_err(RILL_EINVAL, "no place for the value was given");
    *m = NULL;
    int rc = micro_kv_enter(kv, key);
    if (rc < 0) return rc;
    rill_bus *bus = kv->bus;
    ri_micro_msg *msg = NULL;
    rc = micro_kv_last(kv, ri_str_of(key), &msg);
    if (rc >= 0 && (msg->m.flags & RILL_MSG_DELETED)) {
        ri_micro_msg_drop(msg);
        rc = ri_err(RILL_ENOENT, "the key is deleted");
    }
    if (rc >= 0) *m = &msg->m;
    return ri_micro_bus_leave(bus, rc);
}

int rill_kv_watch(rill_kv *kv, rill_sub **sub, const rill_sub_opts *opts)
{
    static const rill_sub_opts none;
    if (!sub) return ri_err(RILL_EINVAL, "no place for the subscription was given");
    *sub = NULL;
    if (!opts) opts = &none;
    const char *keys = opts->filter ? opts->filter : ">";
    int rc = micro_kv_enter(kv, keys);
    if (rc < 0) return rc;
    rill_bus *bus = kv->bus;
    ri_str filter;
    rc = micro_kv_subject(kv, ri_str_of(keys), true, &filter);
    if (rc >= 0) rc = ri_micro_stored_watch(bus, sub, micro_kv_stream(kv), filter, opts);
    return ri_micro_bus_leave(bus, rc);
}

/* ---- Writing ---- */

/* What is written. */
typedef struct micro_kv_change {
    ri_str key, data;
    const uint64_t *expect;
    uint32_t ttl_ms;
    const rill_header *marks;
    size_t nmarks;
} micro_kv_change;

static micro_kv_change micro_kv_change_of(ri_str key, ri_str data, const rill_kv_opts *opts)
{
    return (micro_kv_change){.key = key, .data = data, .expect = opts ? opts->expect : NULL,
                             .ttl_ms = opts ? opts->ttl_ms : 0};
}

/* Its call, or NULL with *rc. */
RI_APART static ri_micro_call *micro_kv_begin(rill_kv *kv, const micro_kv_change *c, int *rc)
{
    RI_CHECK(kv->bus, RI_MICRO_MAGIC);
    ri_str subject;
    if ((*rc = micro_kv_subject(kv, c->key, false, &subject)) < 0) return NULL;
    rill_post post = {.size = sizeof post, .headers = c->marks, .nheaders = c->nmarks,
                      .ttl_ms = c->ttl_ms, .expect_last_seq = c->expect,
                      .expect_subject = c->expect ? subject.ptr : NULL};
    /* Without leaving the lock: the subject stands where that of any other key is put, too. */
    return ri_micro_stored_begin(kv->bus, subject.ptr, c->data.ptr, c->data.len, &post,
                                 (int)kv->bus->call_timeout_ms, rc);
}

static int micro_kv_write(rill_kv *kv, const micro_kv_change *c, uint64_t *rev)
{
    int rc;
    rill_receipt receipt = {.size = sizeof receipt};
    ri_micro_call *call = micro_kv_begin(kv, c, &rc);
    if (call) rc = ri_micro_call_wait(kv->bus, call, NULL, &receipt);
    if (rc == RILL_ENOREPLY) rc = ri_err(RILL_ENOENT, "the bucket is gone");
    if (rc >= 0 && rev) *rev = receipt.seq;
    return rc;
}

int rill_kv_put(rill_kv *kv, const char *key, const void *data, size_t len,
                const rill_kv_opts *opts, uint64_t *rev)
{
    if (rev) *rev = 0;
    int rc = micro_kv_enter(kv, key);
    if (rc < 0) return rc;
    rill_bus *bus = kv->bus;
    micro_kv_change change = micro_kv_change_of(ri_str_of(key), (ri_str){data, len}, opts);
    rc = micro_kv_write(kv, &change, rev);
    return ri_micro_bus_leave(bus, rc);
}

static int micro_kv_create(rill_kv *kv, micro_kv_change *c, uint64_t *rev)
{
    uint64_t expect = 0;
    if (c->expect) return ri_err(RILL_EINVAL, "rill_kv_create() expects nothing");
    c->expect = &expect;
    int rc = micro_kv_write(kv, c, rev);
    if (rc != RILL_ECONFLICT) return rc;
    ri_micro_msg *last = NULL;
    if ((rc = micro_kv_last(kv, c->key, &last)) < 0) return rc;
    bool deleted = last->m.flags & RILL_MSG_DELETED;
    expect = last->m.seq;
    ri_micro_msg_drop(last);
    if (!deleted) return ri_err(RILL_EEXIST, "the key is there");
    return micro_kv_write(kv, c, rev);
}

int rill_kv_create(rill_kv *kv, const char *key, const void *data, size_t len,
                   const rill_kv_opts *opts, uint64_t *rev)
{
    if (rev) *rev = 0;
    int rc = micro_kv_enter(kv, key);
    if (rc < 0) return rc;
    rill_bus *bus = kv->bus;
    micro_kv_change change = micro_kv_change_of(ri_str_of(key), (ri_str){data, len}, opts);
    return ri_micro_bus_leave(bus, micro_kv_create(kv, &change, rev));
}

static int micro_kv_mark(rill_kv *kv, const char *key, const rill_kv_opts *opts,
                         const rill_header *marks, size_t nmarks)
{
    int rc = micro_kv_enter(kv, key);
    if (rc < 0) return rc;
    rill_bus *bus = kv->bus;
    micro_kv_change change = micro_kv_change_of(ri_str_of(key), RI_STR(""), opts);
    change.marks = marks;
    change.nmarks = nmarks;
    return ri_micro_bus_leave(bus, micro_kv_write(kv, &change, NULL));
}

int rill_kv_delete(rill_kv *kv, const char *key, const rill_kv_opts *opts)
{
    static const rill_header mark = {{"KV-Operation", 12}, {"DEL", 3}};
    return micro_kv_mark(kv, key, opts, &mark, 1);
}

int rill_kv_purge(rill_kv *kv, const char *key, const rill_kv_opts *opts)
{
    static const rill_header marks[] = {{{"KV-Operation", 12}, {"PURGE", 5}},
                                        {{"Nats-Rollup", 11}, {"sub", 3}}};
    return micro_kv_mark(kv, key, opts, marks, 2);
}

#endif
