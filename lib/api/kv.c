/* SPDX-License-Identifier: Apache-2.0 */
#include "api/args.h"
#include "front/peer_local/local_durable.h"

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

int rill_kv_put(rill_kv *kv, const char *key, const void *data, size_t len, uint64_t expect,
                uint64_t *rev)
{
    if (rev) *rev = 0;
    int rc = kv_args(kv, key);
    if (rc == RILL_OK) rc = ri_args_data(data, len);
    return rc < 0 ? rc : ri_bus_kv_write(kv, RI_KV_PUT, key, (ri_str){data, len}, expect, 0, rev);
}

int rill_kv_create(rill_kv *kv, const char *key, const void *data, size_t len, uint32_t ttl_ms,
                   uint64_t *rev)
{
    if (rev) *rev = 0;
    int rc = kv_args(kv, key);
    if (rc == RILL_OK) rc = ri_args_data(data, len);
    if (rc == RILL_OK && ttl_ms && ttl_ms < 1000)
        rc = ri_err(RILL_EINVAL, "ttl_ms is %u; at least 1000", ttl_ms);
    return rc < 0 ? rc : ri_bus_kv_write(kv, RI_KV_CREATE, key, (ri_str){data, len}, 0, ttl_ms,
                                           rev);
}

int rill_kv_get(rill_kv *kv, const char *key, rill_msg **m)
{
    if (!m) return ri_err(RILL_EINVAL, "m is NULL");
    *m = NULL;
    int rc = kv_args(kv, key);
    return rc < 0 ? rc : ri_bus_kv_get(kv, key, m);
}

int rill_kv_delete(rill_kv *kv, const char *key, uint64_t expect)
{
    int rc = kv_args(kv, key);
    return rc < 0 ? rc : ri_bus_kv_write(kv, RI_KV_DELETE, key, RI_STR_NONE, expect, 0, NULL);
}

int rill_kv_purge(rill_kv *kv, const char *key)
{
    int rc = kv_args(kv, key);
    return rc < 0 ? rc : ri_bus_kv_write(kv, RI_KV_PURGE, key, RI_STR_NONE, RILL_ANY, 0, NULL);
}

int rill_kv_each(rill_kv *kv, const char *filter, rill_name_fn fn, void *arg)
{
    int rc = kv_args(kv, "");
    if (rc == RILL_OK && !fn) rc = ri_err(RILL_EINVAL, "fn is NULL");
    return rc < 0 ? rc : ri_bus_kv_each(kv, filter, fn, arg);
}

int rill_kv_history(rill_kv *kv, const char *key, int (*fn)(const rill_msg *m, void *arg),
                    void *arg)
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
