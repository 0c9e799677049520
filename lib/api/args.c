/* SPDX-License-Identifier: Apache-2.0 */
#include "api/args.h"

#include <string.h>

#include "front/broker/durable.h"

enum { ARGS_TTL_MIN_MS = 100 }; /* of all values of a bucket */

int ri_args_fork(uint32_t stamp)
{
    if (ri_likely(ri_process_is(stamp))) return RILL_OK;
    return ri_err(RILL_ECLOSED, "the handle is of the process that this one was forked from");
}

int ri_args_process(uint32_t stamp)
{
    if (ri_likely(!ri_host_wire_depth)) return ri_args_fork(stamp);
    return ri_err(RILL_EDEADLK, "a function of a wire, or a dial(), may not call that");
}

int ri_args_bus_to_the_end(const rill_bus *bus)
{
    if (!bus) return ri_err(RILL_EINVAL, "the bus is NULL");
    if (bus->magic != RI_BUS_MAGIC) return ri_err(RILL_EINVAL, "that is no open bus");
    return ri_args_process(bus->stamp);
}

int ri_args_bus(const rill_bus *bus)
{
    if (!bus) return ri_err(RILL_EINVAL, "the bus is NULL");
    if (bus->magic != RI_BUS_MAGIC) return ri_err(RILL_EINVAL, "that is no open bus");
    if (atomic_load_explicit(&bus->closed, memory_order_relaxed))
        return ri_err(RILL_ECLOSED, "the bus is closed");
    return ri_args_process(bus->stamp);
}

bool ri_args_may_close(const rill_bus *bus)
{
    return bus && ri_process_is(bus->stamp);
}

int ri_args_sub(const rill_sub *sub)
{
    if (!sub) return ri_err(RILL_EINVAL, "the subscription is NULL");
    if (sub->magic != RI_SUB_MAGIC) return ri_err(RILL_EINVAL, "that is no open subscription");
    return ri_args_process(sub->bus->stamp);
}

int ri_args_data(const void *data, size_t len)
{
    if (!data && len) return ri_err(RILL_EINVAL, "data is NULL, but len is %zu", len);
    return RILL_OK;
}

static size_t args_size(const void *given)
{
    size_t size;
    memcpy(&size, given, sizeof size);
    return size;
}

int ri_args_reserved(const void *bytes, size_t n, const char *type)
{
    for (const char *at = bytes, *end = at + n; at < end; at++)
        if (*at)
            return ri_err(RILL_EINVAL, "%s has options that this version does not know", type);
    return RILL_OK;
}

int ri_args_opts(void *own, size_t own_size, const void *given, const char *type)
{
    memset(own, 0, own_size);
    if (!given) return RILL_OK;
    size_t size = args_size(given);
    if (size < sizeof size)
        return ri_err(RILL_EINVAL, "%s.size is %zu: use RILL_OPTS()", type, size);
    memcpy(own, given, size < own_size ? size : own_size);
    return size > own_size
               ? ri_args_reserved((const char *)given + own_size, size - own_size, type)
               : RILL_OK;
}

int ri_args_tls(rill_tls *own, const rill_tls **tls)
{
    *own = (rill_tls){0};
    if (!*tls) return RILL_OK;
    int rc = RI_ARGS_OPTS(own, *tls, "rill_tls");
    *tls = own;
    return rc;
}

int ri_args_rows(const void *const *rows, size_t n, size_t own_size, const char *type)
{
    int rc = n && !rows ? ri_err(RILL_EINVAL, "%zu times %s, at NULL", n, type) : RILL_OK;
    for (size_t i = 0; rc == RILL_OK && i < n; i++) {
        size_t size = rows[i] ? args_size(rows[i]) : 0;
        if (size < own_size)
            return ri_err(RILL_EINVAL, "%s %zu: its size is %zu: use RILL_OPTS()", type, i, size);
        rc = ri_args_reserved((const char *)rows[i] + own_size, size - own_size, type);
    }
    return rc;
}

int ri_args_out(const void *own, size_t own_size, void *given, const char *type)
{
    if (!given) return ri_err(RILL_EINVAL, "%s is NULL", type);
    size_t size = args_size(given);
    if (size < sizeof size)
        return ri_err(RILL_EINVAL, "%s.size is %zu: set it to sizeof(%s)", type, size, type);
    size_t head = sizeof size;
    memcpy((char *)given + head, (const char *)own + head,
           (size < own_size ? size : own_size) - head);
    if (size > own_size) memset((char *)given + own_size, 0, size - own_size);
    return RILL_OK;
}

int ri_args_sub_opts(rill_sub_opts *own, const rill_sub_opts *opts)
{
    int rc = ri_args_opts(own, sizeof *own, opts, "rill_sub_opts");
    if (rc < 0) return rc;
    if ((unsigned)own->when_full > RILL_FULL_DISCONNECT)
        return ri_err(RILL_EINVAL, "when_full is %d", (int)own->when_full);
    if (own->on_publisher && !own->on_msg)
        return ri_err(RILL_EINVAL, "on_publisher needs an on_msg to run");
    if ((unsigned)own->from > RILL_FROM_TIME)
        return ri_err(RILL_EINVAL, "from is %d", (int)own->from);
    if (own->from_seq && own->from != RILL_FROM_SEQ)
        return ri_err(RILL_EINVAL, "from_seq without from = RILL_FROM_SEQ");
    if (own->from_time_ns && own->from != RILL_FROM_TIME)
        return ri_err(RILL_EINVAL, "from_time_ns without from = RILL_FROM_TIME");
    if ((unsigned)own->ack > RILL_ACK_AUTO) return ri_err(RILL_EINVAL, "ack is %d", (int)own->ack);
    if (own->inactive_ms < 0) return ri_err(RILL_EINVAL, "inactive_ms is negative");
    if (own->nbackoff && !own->backoff_ms) return ri_err(RILL_EINVAL, "backoff_ms is NULL");
    return RILL_OK;
}

int ri_args_bucket_opts(rill_bucket_opts *own, const rill_bucket_opts *opts)
{
    int rc = RI_ARGS_OPTS(own, opts, "rill_bucket_opts");
    if (rc == RILL_OK && own->ttl_ms && own->ttl_ms < ARGS_TTL_MIN_MS)
        return ri_err(RILL_EINVAL, "ttl_ms is less than %d", ARGS_TTL_MIN_MS);
    return rc;
}

int ri_args_at(rill_at *own, const rill_at *at, uint32_t kinds)
{
    int rc = ri_args_opts(own, sizeof *own, at, "rill_at");
    if (rc < 0) return rc;
    if ((uint32_t)own->from > RILL_FROM_TIME || !(kinds & 1u << own->from))
        return ri_err(RILL_EINVAL, "from is %d: that is no place for this call", (int)own->from);
    if (!own->seq != (own->from != RILL_FROM_SEQ))
        return ri_err(RILL_EINVAL, own->seq ? "seq without from = RILL_FROM_SEQ"
                                            : "seq is 0: numbers start at 1");
    if (own->time_ns && own->from != RILL_FROM_TIME)
        return ri_err(RILL_EINVAL, "time_ns without from = RILL_FROM_TIME");
    return RILL_OK;
}

int ri_args_seek(rill_at *own, const rill_at *at)
{
    int rc = ri_args_at(own, at, ~(1u << RILL_FROM_LAST_PER_SUBJECT));
    return rc == RILL_OK && own->filter ? ri_err(RILL_EINVAL, "filter: a reader has its own") : rc;
}

/* The first option that is not for this call; NULL: there is none. */
static const char *args_not_for_tail(const rill_sub_opts *own)
{
    return own->ack ? "ack" : own->ack_wait_ms ? "ack_wait_ms"
           : own->max_deliveries ? "max_deliveries" : own->max_unacked ? "max_unacked"
           : own->nbackoff ? "backoff_ms" : own->dead_letters ? "dead_letters" : NULL;
}

static const char *args_not_for_live(const rill_sub_opts *own)
{
    return own->filter ? "filter" : own->from ? "from" : own->headers_only ? "headers_only"
           : own->no_headers ? "no_headers"
           : own->original_speed ? "original_speed" : own->inactive_ms ? "inactive_ms"
           : args_not_for_tail(own);
}

int ri_args_live(const rill_sub_opts *own)
{
    const char *option = args_not_for_live(own);
    return option ? ri_err(RILL_EINVAL, "%s is not for live messages", option) : RILL_OK;
}

int ri_args_tail(const rill_sub_opts *own)
{
    const char *option = own->group ? "group" : args_not_for_tail(own);
    return option ? ri_err(RILL_EINVAL, "%s is not for rill_tail(), which has no acks", option)
                  : RILL_OK;
}

int ri_args_user_reserved(const rill_user *user)
{
    int rc = ri_args_reserved(user->reserved, sizeof user->reserved, "rill_user");
    if (rc < 0) return rc;
    return ri_args_reserved(&user->reserved2, sizeof user->reserved2, "rill_user");
}

int ri_args_bus_opts(rill_opts *own, const rill_opts *opts)
{
    int rc = ri_args_opts(own, sizeof *own, opts, "rill_opts");
    if (rc < 0) return rc;
    if (own->drive != RILL_DRIVE_THREAD && own->drive != RILL_DRIVE_HOST)
        return ri_err(RILL_EINVAL, "drive is %d", (int)own->drive);
    ri_durable_opts durable;
    return ri_durable_set_sync(&durable, own->sync, own->sync_interval_ms);
}
