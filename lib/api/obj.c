/* SPDX-License-Identifier: Apache-2.0 */
#include "api/args.h"
#include "front/handle/peer.h"

int rill_objs_open(rill_bus *bus, rill_objs **objs, const char *bucket,
                   const rill_bucket_opts *opts)
{
    rill_bucket_opts own;
    if (!objs) return ri_err(RILL_EINVAL, "objs is NULL");
    *objs = NULL;
    int rc = ri_args_bus(bus);
    if (rc < 0) return rc;
    if (!bucket) return ri_err(RILL_EINVAL, "the bucket is NULL");
    if ((rc = ri_args_bucket_opts(&own, opts)) < 0) return rc;
    if (own.history || own.key_ttl)
        return ri_err(RILL_EINVAL, "history and key_ttl are of key-value buckets");
    return ri_bus_obj_open(bus, objs, bucket, &own);
}

void rill_objs_close(rill_objs *objs)
{
    if (ri_args_may_close(ri_bus_obj_bus(objs))) ri_bus_obj_close(objs);
}

static int obj_args(const rill_objs *objs, const char *name)
{
    rill_bus *bus = ri_bus_obj_bus(objs);
    if (!bus) return ri_err(RILL_EINVAL, "that is no open bucket");
    int rc = ri_args_bus(bus);
    if (rc == RILL_OK && !name) rc = ri_err(RILL_EINVAL, "the name is NULL");
    return rc;
}

int rill_objs_seal(rill_objs *objs)
{
    int rc = obj_args(objs, "");
    return rc < 0 ? rc : ri_bus_obj_seal(objs);
}

int rill_obj_put(rill_objs *objs, const char *name, rill_source_fn source, void *arg)
{
    int rc = obj_args(objs, name);
    if (rc == RILL_OK && !source) rc = ri_err(RILL_EINVAL, "source is NULL");
    return rc < 0 ? rc : ri_bus_obj_put(objs, name, source, arg);
}

int rill_obj_get(rill_objs *objs, const char *name, rill_sink_fn sink, void *arg)
{
    int rc = obj_args(objs, name);
    if (rc == RILL_OK && !sink) rc = ri_err(RILL_EINVAL, "sink is NULL");
    return rc < 0 ? rc : ri_bus_obj_get(objs, name, sink, arg);
}

int rill_obj_status(rill_objs *objs, const char *name, rill_obj_info *out)
{
    rill_obj_info own = {.size = sizeof own};
    int rc = ri_args_out(&own, sizeof own, out, "rill_obj_info");
    if (rc == RILL_OK) rc = obj_args(objs, name);
    if (rc == RILL_OK) rc = ri_bus_obj_status(objs, name, &own);
    return rc < 0 ? rc : ri_args_out(&own, sizeof own, out, "rill_obj_info");
}

int rill_obj_delete(rill_objs *objs, const char *name)
{
    int rc = obj_args(objs, name);
    return rc < 0 ? rc : ri_bus_obj_delete(objs, name);
}

int rill_obj_link(rill_objs *objs, const char *name, rill_objs *to, const char *target)
{
    int rc = obj_args(objs, name);
    if (rc == RILL_OK) rc = obj_args(to, "");
    if (rc == RILL_OK && ri_bus_obj_bus(to)->broker != ri_bus_obj_bus(objs)->broker)
        rc = ri_err(RILL_EINVAL, "the buckets are of different brokers");
    return rc < 0 ? rc : ri_bus_obj_link(objs, name, to, target);
}

int rill_obj_each(rill_objs *objs, rill_name_fn fn, void *arg)
{
    int rc = obj_args(objs, "");
    if (rc == RILL_OK && !fn) rc = ri_err(RILL_EINVAL, "fn is NULL");
    return rc < 0 ? rc : ri_bus_obj_each(objs, fn, arg);
}

int rill_obj_watch(rill_objs *objs, rill_sub **sub, const rill_sub_opts *opts)
{
    rill_sub_opts own;
    if (!sub) return ri_err(RILL_EINVAL, "sub is NULL");
    *sub = NULL;
    int rc = obj_args(objs, "");
    if (rc == RILL_OK) rc = ri_args_sub_opts(&own, opts);
    return rc < 0 ? rc : ri_bus_obj_watch(objs, sub, &own);
}

int rill_obj_told(const rill_msg *m, rill_obj_info *out)
{
    rill_obj_info own = {.size = sizeof own};
    int rc = ri_args_out(&own, sizeof own, out, "rill_obj_info");
    if (rc == RILL_OK && !m) rc = ri_err(RILL_EINVAL, "m is NULL");
    if (rc == RILL_OK) rc = ri_bus_obj_info(m, &own);
    return rc < 0 ? rc : ri_args_out(&own, sizeof own, out, "rill_obj_info");
}
