/* SPDX-License-Identifier: Apache-2.0 */
/* What rill.h has for streams, over the peer's table. Each call here is of the kind that waits; of
 * appends there is one that does not, too. */
#include "micro/micro.h"

#include "codec/subject/subject.h"

#ifdef RI_MICRO_STORED

static int micro_stored_enter(rill_bus *bus)
{
    int rc = ri_micro_bus_enter(bus);
    if (rc < 0) return rc;
    if (bus->peer->append) return RILL_OK;
    return ri_micro_bus_leave(bus, ri_err(RILL_ENOTSUP, "%s has no streams", bus->peer->scheme));
}

/* The name of a stream or group: what a subject may have as one token. */
static int micro_stored_name(const rill_bus *bus, const char *what, ri_str name)
{
    if (name.len == 0 || name.len > bus->max_subject_bytes)
        return ri_err(RILL_EINVAL, "a %s's name has 1 to %lu bytes", what,
                      (unsigned long)bus->max_subject_bytes);
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (c <= ' ' || c == 0x7f || strchr(".*>/\\\"", c))
            return ri_err(RILL_EINVAL, "a %s's name may not have the byte 0x%02x", what, c);
    }
    return RILL_OK;
}

/* ---- Appends ---- */

ri_micro_call *ri_micro_stored_begin(rill_bus *bus, const char *subject, const void *data,
                                     size_t len, const rill_post *post, int timeout_ms, int *rc)
{
    RI_CHECK(bus, RI_MICRO_MAGIC);
    if (post && post->reply) {
        *rc = ri_err(RILL_EINVAL, "an append has a reply subject of its own");
        return NULL;
    }
    if ((*rc = ri_micro_send_out(bus, subject, data, len, post)) < 0) return NULL;
    ri_micro_call *call = ri_micro_call_new(bus, RI_MICRO_CALL_APPEND, timeout_ms);
    if (!call) {
        *rc = RILL_EAGAIN;
        return NULL;
    }
    call->subject_hash = ri_micro_call_hash(bus->out.subject);
    call->waited = true; /* until it is known that it began */
    *rc = bus->peer->append(bus, &bus->out, call);
    if (*rc >= 0) return call;
    ri_micro_call_free(bus, call);
    return NULL;
}

int rill_append(rill_bus *bus, const char *subject, const void *data, size_t len,
                const rill_post *post, rill_receipt *out, int timeout_ms)
{
    int rc = micro_stored_enter(bus);
    if (rc < 0) return rc;
    ri_micro_call *call = ri_micro_stored_begin(bus, subject, data, len, post, timeout_ms, &rc);
    if (call) rc = ri_micro_call_wait(bus, call, NULL, out);
    return ri_micro_bus_leave(bus, rc);
}

int ri_micro_stored_async(rill_bus *bus, const char *subject, ri_str data, const rill_post *post,
                          ri_str lines, rill_stored_fn done, void *arg)
{
    int rc = micro_stored_enter(bus);
    if (rc < 0) return rc;
    bus->out.lines = lines;
    ri_micro_call *call = ri_micro_stored_begin(bus, subject, data.ptr, data.len, post, -1, &rc);
    bus->out.lines = RI_STR_NONE;
    if (call) {
        call->waited = false;
        call->done.stored = done;
        call->arg = arg;
    }
    return ri_micro_bus_leave(bus, rc);
}

int rill_append_async(rill_bus *bus, const char *subject, const void *data, size_t len,
                      const rill_post *post, rill_stored_fn done, void *arg)
{
    return ri_micro_stored_async(bus, subject, (ri_str){data, len}, post, RI_STR_NONE, done, arg);
}

/* ---- Streams ---- */

int rill_stream_ensure(rill_bus *bus, const char *stream, const rill_stream_opts *opts)
{
    static const rill_stream_opts none;
    if (!opts) opts = &none;
    int rc = micro_stored_enter(bus);
    if (rc < 0) return rc;
    ri_str name = ri_str_of(stream);
    rc = micro_stored_name(bus, "stream", name);
    if (rc >= 0 && (opts->mirror || opts->nsources || opts->transform_from ||
                    opts->republish_from ||
                    opts->partitions > 1 || opts->compact))
        rc = ri_err(RILL_ENOTSUP,
                    "this build makes streams without copies, transforms, partitions");
    ri_micro_call *call = NULL;
    if (rc >= 0 && !(call = ri_micro_call_new(bus, RI_MICRO_CALL_ASK, (int)bus->call_timeout_ms)))
        rc = RILL_EAGAIN;
    if (call) {
        call->waited = true;
        rc = bus->peer->ensure(bus, name, opts->subjects ? ri_str_of(opts->subjects) : name, opts,
                               false, call);
        if (rc < 0) ri_micro_call_free(bus, call);
        else rc = ri_micro_call_wait(bus, call, NULL, NULL);
    }
    return ri_micro_bus_leave(bus, rc);
}

/* ---- Readers ---- */

static int micro_stored_check(rill_bus *bus, const ri_micro_ask *ask)
{
    const rill_sub_opts *opts = ask->opts;
    int rc = micro_stored_name(bus, "stream", ask->stream);
    if (rc >= 0 && ask->group.len > 0) rc = micro_stored_name(bus, "group", ask->group);
    if (rc >= 0 && ask->filter.len > 0) rc = ri_subject_check_filter(ask->filter);
    if (rc < 0) return rc;
    if (ask->filter.len > bus->max_subject_bytes)
        return ri_err(RILL_ETOOBIG, "the filter has more than max_subject_bytes");
    if (opts->from == RILL_FROM_TIME || opts->nbackoff || opts->dead_letters ||
        opts->original_speed || opts->no_headers)
        return ri_err(RILL_ENOTSUP, "this build reads not by time nor without headers, and has "
                      "no dead letters");
    if (ask->ordered && (ask->group.len > 0 || opts->ack_wait_ms || opts->max_deliveries))
        return ri_err(RILL_EINVAL, "who reads without acks has no group and no options of acks");
    return RILL_OK;
}

/* Begin to read: *sub, if there is one, and its call, or NULL with *rc. */
RI_APART static ri_micro_call *micro_stored_ask(rill_bus *bus, const ri_micro_ask *ask,
                                                rill_sub **sub, int *rc)
{
    RI_CHECK(bus, RI_MICRO_MAGIC);
    *sub = NULL;
    if ((*rc = micro_stored_check(bus, ask)) < 0) return NULL;
    *rc = RILL_EFULL;
    rill_sub *fresh = ri_micro_sub_new(bus, RI_STR_NONE, RI_STR_NONE, ask->opts);
    if (!fresh) return NULL;
    *rc = RILL_EAGAIN;
    ri_micro_call *call = ri_micro_call_new(bus, RI_MICRO_CALL_ASK, (int)bus->call_timeout_ms);
    if (!call) return NULL; /* `fresh` is FREE still */
    *sub = fresh;
    call->waited = true;
    call->about = fresh->sid;
    fresh->state = RI_MICRO_SUB_OPEN;
    if ((*rc = bus->peer->consume(bus, fresh, ask, call)) >= 0) return call;
    ri_micro_call_free(bus, call);
    return NULL;
}

static int micro_stored_begun(rill_bus *bus, rill_sub *sub, ri_micro_call *call, int rc,
                              rill_sub **out)
{
    if (call) rc = ri_micro_call_wait(bus, call, NULL, NULL);
    if (rc >= 0) *out = sub;
    else if (sub) ri_micro_sub_close(sub);
    return rc;
}

/* A stream, or of a bucket the keys that match `watch`. */
RI_APART static ri_micro_call *micro_stored_read(rill_bus *bus, ri_str stream, ri_str watch,
                                                 const rill_sub_opts *opts, bool ordered,
                                                 rill_sub **sub, int *rc)
{
    ri_micro_ask ask = {.stream = stream, .filter = ri_str_of(opts->filter),
                        .group = ri_str_of(opts->group), .opts = opts, .ordered = ordered,
                        .from = opts->from};
    if (watch.len > 0) {
        ask.watch = true;
        ask.filter = watch;
        ask.group = RI_STR_NONE;
        if (opts->from == RILL_FROM_FIRST) ask.from = RILL_FROM_LAST_PER_SUBJECT;
    }
    return micro_stored_ask(bus, &ask, sub, rc);
}

static int micro_stored_open(rill_bus *bus, rill_sub **sub, const char *stream,
                             const rill_sub_opts *opts, bool ordered)
{
    static const rill_sub_opts none;
    if (!sub) return ri_err(RILL_EINVAL, "no place for the subscription was given");
    *sub = NULL;
    if (!opts) opts = &none;
    int rc = micro_stored_enter(bus);
    if (rc < 0) return rc;
    rill_sub *fresh;
    ri_micro_call *call = micro_stored_read(bus, ri_str_of(stream), RI_STR_NONE, opts, ordered,
                                            &fresh, &rc);
    return ri_micro_bus_leave(bus, micro_stored_begun(bus, fresh, call, rc, sub));
}

int rill_consume(rill_bus *bus, rill_sub **sub, const char *stream, const rill_sub_opts *opts)
{
    return micro_stored_open(bus, sub, stream, opts, false);
}

int rill_tail(rill_bus *bus, rill_sub **sub, const char *stream, const rill_sub_opts *opts)
{
    return micro_stored_open(bus, sub, stream, opts, true);
}

int ri_micro_stored_watch(rill_bus *bus, rill_sub **sub, ri_str stream, ri_str filter,
                          const rill_sub_opts *opts)
{
    RI_ASSERT(stream.len > 0 && filter.len > 0);
    int rc;
    rill_sub *fresh;
    ri_micro_call *call = micro_stored_read(bus, stream, filter, opts, true, &fresh, &rc);
    return micro_stored_begun(bus, fresh, call, rc, sub);
}

/* ---- Settling ---- */

static int micro_stored_settle(const rill_msg *m, ri_micro_settle how, uint32_t delay_ms)
{
    if (!m) return ri_err(RILL_EINVAL, "the message is NULL");
    ri_micro_msg *msg = (ri_micro_msg *)(uintptr_t)m;
    int rc = ri_micro_bus_enter(msg->bus);
    if (rc < 0) return rc;
    if (msg->ack.len == 0) rc = ri_err(RILL_EINVAL, "the message is not one of rill_consume()");
    else if (msg->settled) rc = ri_err(RILL_ENOENT, "the message was settled before");
    else rc = msg->bus->peer->settle(msg->bus, msg, how, delay_ms);
    if (rc >= 0 && how != RI_MICRO_WORKING) msg->settled = true;
    return ri_micro_bus_leave(msg->bus, rc);
}

int rill_ack(const rill_msg *m)
{
    return micro_stored_settle(m, RI_MICRO_ACK, 0);
}

int rill_nak(const rill_msg *m, uint32_t delay_ms)
{
    return micro_stored_settle(m, RI_MICRO_NAK, delay_ms);
}

int rill_term(const rill_msg *m)
{
    return micro_stored_settle(m, RI_MICRO_TERM, 0);
}

int rill_working(const rill_msg *m)
{
    return micro_stored_settle(m, RI_MICRO_WORKING, 0);
}

#endif
