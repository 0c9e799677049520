/* SPDX-License-Identifier: Apache-2.0 */
#include "api/args.h"
#include "front/handle/peer.h"

int rill_kv_open(rill_bus *bus, rill_kv **kv, const char *bucket, const rill_bucket_opts *opts)
{
    rill_bucket_opts own;
    if (!kv) return ri_err(RILL_EINVAL, "kv is NULL");
    *kv = NULL;
    int rc = ri_args_bus(bus);
    if (rc < 0) return rc;
    if (!bucket) return ri_err(RILL_EINVAL, "the bucket is NULL");
    if ((rc = ri_args_bucket_opts(&own, opts)) < 0) return rc;
    return ri_bus_kv_open(bus, kv, bucket, &own);
}

void rill_kv_close(rill_kv *kv)
{
    if (ri_args_may_close(ri_bus_kv_bus(kv))) ri_bus_kv_close(kv);
}

static int kv_args(const rill_kv *kv, const char *key)
{
    rill_bus *bus = ri_bus_kv_bus(kv);
    if (!bus) return ri_err(RILL_EINVAL, "that is no open bucket");
    int rc = ri_args_bus(bus);
    if (rc == RILL_OK && !key) rc = ri_err(RILL_EINVAL, "the key is NULL");
    return rc;
}

/* What all changes of a key do. */
static int kv_write(rill_kv *kv, ri_kv_op op, const char *key, ri_str data,
                    const rill_kv_opts *opts, uint64_t *rev)
{
    rill_kv_opts own;
    if (rev) *rev = 0;
    int rc = kv_args(kv, key);
    if (rc == RILL_OK) rc = ri_args_data(data.ptr, data.len);
    if (rc == RILL_OK) rc = RI_ARGS_OPTS(&own, opts, "rill_kv_opts");
    if (rc < 0) return rc;
    if (own.ttl_ms && own.ttl_ms < 1000)
        return ri_err(RILL_EINVAL, "ttl_ms is %u; at least 1000", own.ttl_ms);
    if (op == RI_KV_CREATE && own.expect)
        return ri_err(RILL_EINVAL, "expect: a key that is created has no revision");
    uint64_t expect = op == RI_KV_CREATE ? 0 : own.expect ? *own.expect : RI_KV_ANY;
    return ri_bus_kv_write(kv, op, key, data, expect, own.ttl_ms, rev);
}

int rill_kv_put(rill_kv *kv, const char *key, const void *data, size_t len,
                const rill_kv_opts *opts, uint64_t *rev)
{
    return kv_write(kv, RI_KV_PUT, key, (ri_str){data, len}, opts, rev);
}

int rill_kv_create(rill_kv *kv, const char *key, const void *data, size_t len,
                   const rill_kv_opts *opts, uint64_t *rev)
{
    return kv_write(kv, RI_KV_CREATE, key, (ri_str){data, len}, opts, rev);
}

int rill_kv_get(rill_kv *kv, const char *key, rill_msg **m)
{
    if (!m) return ri_err(RILL_EINVAL, "m is NULL");
    *m = NULL;
    int rc = kv_args(kv, key);
    return rc < 0 ? rc : ri_bus_kv_get(kv, key, m);
}

int rill_kv_delete(rill_kv *kv, const char *key, const rill_kv_opts *opts)
{
    return kv_write(kv, RI_KV_DELETE, key, RI_STR_NONE, opts, NULL);
}

int rill_kv_purge(rill_kv *kv, const char *key, const rill_kv_opts *opts)
{
    return kv_write(kv, RI_KV_PURGE, key, RI_STR_NONE, opts, NULL);
}

int rill_kv_each(rill_kv *kv, const char *filter, rill_name_fn fn, void *arg)
{
    int rc = kv_args(kv, "");
    if (rc == RILL_OK && !fn) rc = ri_err(RILL_EINVAL, "fn is NULL");
    return rc < 0 ? rc : ri_bus_kv_each(kv, filter, fn, arg);
}

int rill_kv_history(rill_kv *kv, const char *key, rill_revision_fn fn, void *arg)
{
    int rc = kv_args(kv, key);
    if (rc == RILL_OK && !fn) rc = ri_err(RILL_EINVAL, "fn is NULL");
    return rc < 0 ? rc : ri_bus_kv_history(kv, key, fn, arg);
}

int rill_kv_watch(rill_kv *kv, rill_sub **sub, const rill_sub_opts *opts)
{
    rill_sub_opts own;
    if (!sub) return ri_err(RILL_EINVAL, "sub is NULL");
    *sub = NULL;
    int rc = kv_args(kv, "");
    if (rc == RILL_OK) rc = ri_args_sub_opts(&own, opts);
    return rc < 0 ? rc : ri_bus_kv_watch(kv, sub, &own);
}
