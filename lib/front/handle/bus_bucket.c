/* SPDX-License-Identifier: Apache-2.0 */
/* What buckets of keys and of objects have in common: the handle, and a stream that is made as NATS
 * clients make theirs. */
#include <stdio.h>

#include "base/saturate.h"
#include "front/handle/ask.h"

/* ---- The handle ---- */

static bool bucket_is_name(const char *name)
{
    size_t len = strlen(name);
    bool ok = len > 0 && len <= RI_BUS_BUCKET_MAX;
    for (size_t i = 0; ok && i < len; i++) ok = ri_bus_bucket_may_have(name[i]);
    return ok;
}

int ri_bus_bucket_set(ri_bus_bucket *b, const char *name)
{
    if (!bucket_is_name(name))
        return ri_err(RILL_EINVAL, "\"%.255s\" is no name for a bucket", name);
    snprintf(b->stream, sizeof b->stream, "%s%s", b->kind->stream, name);
    snprintf(b->prefix, sizeof b->prefix, "%s%s.", b->kind->prefix, name);
    return RILL_OK;
}

const char *ri_bus_bucket_name(const ri_bus_bucket *b)
{
    return b->stream + strlen(b->kind->stream);
}

int ri_bus_bucket_new(rill_bus *bus, const ri_bus_bucket_kind *kind, const char *name,
                      ri_bus_bucket **out)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_bus_bucket *b = ri_new(&bus->host, ri_bus_bucket);
    if (!b) return RILL_ENOMEM;
    b->kind = kind;
    int rc = ri_bus_bucket_set(b, name);
    if (rc < 0) {
        ri_delete(&bus->host, b);
        return rc;
    }
    b->bus = bus;
    ri_bus_ref(bus);
    *out = b;
    return RILL_OK;
}

void ri_bus_bucket_free(ri_bus_bucket *b)
{
    rill_bus *bus = b->bus;
    b->kind = NULL;
    ri_delete(&bus->host, b);
    ri_bus_unref(bus);
}

int ri_bus_bucket_gone(const ri_bus_bucket *b, int rc)
{
    if (rc != RILL_ENOREPLY) return rc;
    return ri_err(RILL_ENOENT, "the bucket %s was deleted", ri_bus_bucket_name(b));
}

/* ---- Its stream ---- */

ri_stream_conf ri_bus_bucket_conf(const char *stream, const rill_bucket_opts *opts)
{
    int64_t window = 120 * RI_SEC, ttl = ri_ns_of_ms(opts->ttl_ms);
    return (ri_stream_conf){
        .name = ri_str_of(stream),
        .max_consumers = -1,
        .max_msgs = -1,
        .max_bytes = opts->max_bytes ? (int64_t)RI_MIN(opts->max_bytes, (uint64_t)INT64_MAX) : -1,
        .max_age = ttl,
        .max_msgs_per_subject = -1,
        .max_msg_size = -1,
        .discard = RI_DISCARD_NEW,
        .storage = opts->in_memory ? RI_STORE_MEMORY : RI_STORE_FILE,
        .num_replicas = opts->replicas ? (int64_t)RI_MIN(opts->replicas, UINT8_MAX) : 1,
        .duplicate_window = ttl > 0 && ttl < window ? ttl : window,
        .allow_rollup_hdrs = true,
        .allow_direct = true,
    };
}

int ri_bus_bucket_open(rill_bus *bus, const ri_stream_conf *conf, const rill_bucket_opts *opts)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_ask ask = {.kind = RI_ASK_STREAM_MAKE, .stream = conf->name.ptr,
                  .conf = opts->must_exist ? NULL : conf};
    return ri_ask_run(bus, &ask);
}
