/* SPDX-License-Identifier: Apache-2.0 */
#include "api/args.h"
#include "front/handle/bus_stored.h"

static int stream_args(const rill_bus *bus, const char *stream)
{
    int rc = ri_args_bus(bus);
    if (rc == RILL_OK && !stream) rc = ri_err(RILL_EINVAL, "the stream is NULL");
    return rc;
}

static int stream_sources(const rill_stream_opts *own)
{
    if (own->nsources > RI_BUS_SOURCES_MAX)
        return ri_err(RILL_EINVAL, "%zu sources; at most %d", own->nsources, RI_BUS_SOURCES_MAX);
    const void *const *rows = own->mirror ? (const void *const *)&own->mirror
                                          : (const void *const *)own->sources;
    return ri_args_rows(rows, own->mirror ? 1 : own->nsources, sizeof(rill_source), "rill_source");
}

int rill_stream_ensure(rill_bus *bus, const char *stream, const rill_stream_opts *opts)
{
    rill_stream_opts own;
    int rc = stream_args(bus, stream);
    if (rc == RILL_OK) rc = RI_ARGS_OPTS(&own, opts, "rill_stream_opts");
    if (rc < 0) return rc;
    if ((unsigned)own.keep > RILL_KEEP_WORK)
        return ri_err(RILL_EINVAL, "keep is %d", (int)own.keep);
    if (own.max_age_ms < 0) return ri_err(RILL_EINVAL, "max_age_ms is negative");
    if (own.marker_ttl_ms < 0) return ri_err(RILL_EINVAL, "marker_ttl_ms is negative");
    if (own.tombstone_ms < 0) return ri_err(RILL_EINVAL, "tombstone_ms is negative");
    if (own.tombstone_ms && !own.compact)
        return ri_err(RILL_EINVAL, "tombstone_ms without compact");
    if (own.compact && own.keep != RILL_KEEP_LIMITS)
        return ri_err(RILL_EINVAL, "compact with a keep other than LIMITS");
    if (own.nsources && own.mirror) return ri_err(RILL_EINVAL, "both a mirror and sources");
    if ((rc = stream_sources(&own)) < 0) return rc;
    if (!own.transform_from != !own.transform_to || (own.republish_from && !own.republish_to))
        return ri_err(RILL_EINVAL, "a subject that is to be changed, but not to which");
    return ri_bus_stream_ensure(bus, stream, &own);
}

int rill_stream_delete(rill_bus *bus, const char *stream)
{
    int rc = stream_args(bus, stream);
    return rc < 0 ? rc : ri_bus_stream_delete(bus, stream);
}

int rill_stream_status(rill_bus *bus, const char *stream, rill_stream_info *out)
{
    rill_stream_info own = {.size = sizeof own};
    int rc = ri_args_out(&own, sizeof own, out, "rill_stream_info");
    if (rc == RILL_OK) rc = stream_args(bus, stream);
    if (rc == RILL_OK) rc = ri_bus_stream_status(bus, stream, &own);
    return rc < 0 ? rc : ri_args_out(&own, sizeof own, out, "rill_stream_info");
}

int rill_stream_each(rill_bus *bus, rill_name_fn fn, void *arg)
{
    int rc = ri_args_bus(bus);
    if (rc == RILL_OK && !fn) rc = ri_err(RILL_EINVAL, "fn is NULL");
    return rc < 0 ? rc : ri_bus_stream_each(bus, fn, arg);
}

int rill_stream_describe(rill_bus *bus, const char *stream, rill_stream_fn fn, void *arg)
{
    int rc = ri_args_bus(bus);
    if (rc == RILL_OK && !fn) rc = ri_err(RILL_EINVAL, "fn is NULL");
    return rc < 0 ? rc : ri_bus_describe(bus, stream, fn, arg);
}

int rill_stream_purge(rill_bus *bus, const char *stream, const rill_purge_opts *opts,
                      uint64_t *purged)
{
    rill_purge_opts own;
    if (purged) *purged = 0;
    int rc = stream_args(bus, stream);
    if (rc == RILL_OK) rc = ri_args_opts(&own, sizeof own, opts, "rill_purge_opts");
    if (rc == RILL_OK && own.before_seq && own.keep_msgs)
        rc = ri_err(RILL_EINVAL, "both before_seq and keep_msgs");
    return rc < 0 ? rc : ri_bus_stream_purge(bus, stream, &own, purged);
}

int rill_stream_get(rill_bus *bus, const char *stream, const rill_at *at, rill_msg **m)
{
    static const uint32_t kinds = 1u << RILL_FROM_FIRST | 1u << RILL_FROM_LAST |
                                  1u << RILL_FROM_SEQ | 1u << RILL_FROM_TIME;
    rill_at own;
    if (!m) return ri_err(RILL_EINVAL, "m is NULL");
    *m = NULL;
    int rc = stream_args(bus, stream);
    if (rc == RILL_OK) rc = ri_args_at(&own, at, kinds);
    if (rc == RILL_OK && own.filter && own.seq)
        rc = ri_err(RILL_EINVAL, "both a filter and the number of the message");
    return rc < 0 ? rc : ri_bus_stream_at(bus, stream, &own, m);
}

int rill_stream_erase(rill_bus *bus, const char *stream, const rill_at *at)
{
    rill_at own;
    int rc = stream_args(bus, stream);
    if (rc == RILL_OK) rc = ri_args_at(&own, at, 1u << RILL_FROM_SEQ);
    if (rc == RILL_OK && own.filter) rc = ri_err(RILL_EINVAL, "filter: the number says it all");
    return rc < 0 ? rc : ri_bus_stream_erase(bus, stream, &own);
}
