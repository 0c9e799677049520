/* SPDX-License-Identifier: Apache-2.0 */
/* The source's end of a forward: its group, and what comes from there. All of it runs on the
 * dispatcher of `from`, one thing at a time. */
#include "front/forward/forward.h"

#include <inttypes.h>

#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/jetstream/jshot.h"

enum { READ_PARTITIONS_MAX = 100000 }; /* of a source; more is no source of ours */
#define READ_AGAIN_NS (5 * RI_MS)  /* what found no room is tried again, at the latest */

/* ---- What comes ---- */

/* The place where the last number of that partition in this run stands; NULL: out of memory. */
static uint64_t *read_last(rill_forward *f, uint32_t partition)
{
    if (partition >= READ_PARTITIONS_MAX) {
        ri_err(RILL_EPROTO, "%s has a message of partition %u", f->stream, partition);
        return NULL;
    }
    uint32_t was = f->nlast;
    if (partition >= was &&
        ri_array_reserve(&f->to->host, &f->last, &f->nlast, partition + 1, sizeof *f->last) < 0)
        return NULL;
    if (f->nlast > was) memset(f->last + was, 0, (f->nlast - was) * sizeof *f->last);
    return &f->last[partition];
}

static void read_hold(rill_forward *f, bool held)
{
    RI_ASSERT(ri_forward_is_sound(f));
    ri_broker_enter(f->from->broker);
    if (f->sub) ri_bus_sub_hold(f->sub, held);
    ri_broker_leave(f->from->broker);
}

/* The peer has no room: this message goes first, when it has. */
static void read_stuck(rill_forward *f, const rill_msg *m)
{
    RI_ASSERT(!f->stuck);
    f->stuck = ri_bus_msg_ref(m);
    if (!f->stuck) {
        ri_forward_fail(f, RILL_ENOMEM);
        return;
    }
    read_hold(f, true);
    ri_forward_call(&f->reader, f->from, READ_AGAIN_NS);
}

/* Too much is under way: it goes on when the writer says so. */
static bool read_is_full(rill_forward *f)
{
    ri_broker_enter(f->to->broker);
    f->held = f->sent_bytes >= RI_FORWARD_BYTES;
    bool full = f->held;
    ri_broker_leave(f->to->broker);
    return full;
}

static void read_send(rill_forward *f, const rill_msg *m)
{
    int rc = ri_forward_send(f, m);
    if (rc == RILL_EAGAIN || rc == RILL_ENOMEM) read_stuck(f, m);
    else if (rc < 0) ri_forward_fail(f, rc);
    else if (read_is_full(f)) read_hold(f, true);
}

/* A number that is not above the last: what is under way has come again, since its ack_wait is
 * over. What is not was put off by the source, and comes out of order. */
static void read_again(rill_forward *f, const rill_msg *m)
{
    ri_origin origin = {.seq = m->seq, .time_ns = RI_MAX(m->time_ns, 0),
                        .partition = m->partition};
    if (ri_forward_send_has(f, &origin)) return;
    ri_forward_fail(f, ri_err(RILL_EAGAIN, "message %" PRIu64 " of %s came late: it is read again "
                              "in order", m->seq, f->stream));
}

/* Deliveries between the last one and this, `missing` of them, did not come to us. Those that the
 * handle has passed over, since they lay there for too long, come again in order, and are owed from
 * now on. False: one is lost. */
static bool read_owes(rill_forward *f, uint64_t missing)
{
    ri_bus_consumer *c = f->sub->consumer;
    RI_ASSERT(c && missing > 0);
    if (missing != c->passed) return false;
    if (f->owed == 0) f->owed_first = c->passed_first;
    f->owed_first = RI_MIN(f->owed_first, c->passed_first);
    f->owed_last = RI_MAX(f->owed ? f->owed_last : 0, c->passed_last);
    f->owed += missing;
    c->passed = 0;
    return true;
}

/* Is a message missing before this one? Then it comes later, and this one is ahead of it. */
static bool read_has_gap(rill_forward *f, const rill_msg *m)
{
    ri_js_ack ack;
    if (!ri_jshot_ack_read(ri_bus_msg_of(m)->ack, &ack)) return false; /* they come by number */
    uint64_t before = f->delivery;
    uint64_t missing = before ? ack.consumer_seq - before - 1 : f->sub->consumer->passed;
    f->delivery = ack.consumer_seq;
    if (missing && !read_owes(f, missing)) return true;
    if (f->owed == 0) return false;
    if (m->seq > (missing ? f->owed_first : f->owed_last)) return true;
    f->owed--;
    return false;
}

static void read_take(rill_sub *sub, const rill_msg *m, void *arg)
{
    rill_forward *f = arg;
    if (sub != f->sub || !f->reading || f->stuck) return; /* it is not settled: it comes again */
    if (m->seq == 0) return; /* no peer delivers this: a message of a stream has a number */
    uint64_t *last = read_last(f, m->partition);
    if (!last) {
        ri_forward_fail(f, RILL_ENOMEM);
        return;
    }
    if (read_has_gap(f, m)) {
        ri_forward_fail(f, ri_err(RILL_EAGAIN, "a message of %s before %" PRIu64 " is missing: it "
                                  "is read again in order", f->stream, m->seq));
        return;
    }
    if (m->seq <= *last) {
        read_again(f, m);
        return;
    }
    *last = m->seq;
    if (++f->taken > RI_FORWARD_WINDOW_MAX) ri_forward_look_forget(f); /* no more can be known */
    read_send(f, m);
}

/* ---- Join ---- */

/* Has the group given out what is not settled? What lies in the queue of a reader counts as not
 * handed out, and is given out all the same. */
static bool read_is_out(const rill_group_info *info)
{
    return info->unacked_msgs || info->delivered_seq > info->settled_seq;
}

/* What the group has out came to somebody who reads no more: it is to come again before what is
 * new. 1: it does not yet; the job comes again. */
static int read_rewind(rill_forward *f, rill_group_info *info)
{
    rill_bus *from = f->from;
    if (!read_is_out(info) || !from->ops->rewinds) return RILL_OK;
    ri_broker_enter(from->broker);
    bool rewinds = from->ops->rewinds(from);
    ri_broker_leave(from->broker);
    if (rewinds) {
        uint64_t settled_seq = info->settled_seq;
        *info = (rill_group_info){.size = sizeof *info};
        rill_at at = {.size = sizeof at, .from = RILL_FROM_SEQ, .seq = settled_seq + 1};
        int rc = ri_bus_group_seek(from, f->stream, f->name, &at);
        return rc < 0 ? rc : ri_bus_group_status(from, f->stream, f->name, info);
    }
    int64_t wait_ns = ri_ns_add(ri_ns_of_ms(RI_FORWARD_ACK_WAIT_MS), RI_SEC);
    int64_t left_ns = ri_ns_sub(ri_ns_add(f->rested_ns, wait_ns), ri_mono_ns(&from->host));
    if (left_ns <= 0) return RILL_OK;
    ri_forward_call(&f->reader, from, left_ns);
    return 1;
}

/* From where on, and since when, something may be in doubt. */
static int read_bound_doubt(rill_forward *f, const rill_group_info *info)
{
    rill_stream_info stream = {.size = sizeof stream};
    int rc = f->from->ops->partitions ? ri_bus_stream_status(f->from, f->stream, &stream) : RILL_OK;
    if (rc < 0) return rc;
    int64_t first_ns = ri_ns_sub(ri_wall_ns(&f->from->host), info->lag_ns);
    f->look.floor = stream.partitions > 1 ? 0 : info->settled_seq;
    /* Of several partitions the lag is that of one; of what was not rewound it is not the first. */
    bool bounded = stream.partitions <= 1 && !read_is_out(info) && info->lag_ns;
    f->look.bound_ns = bounded ? ri_ns_sub(first_ns, RI_FORWARD_CLOCKS_NS) : INT64_MIN;
    return RILL_OK;
}

/* 1: later. */
static int read_join(rill_forward *f, bool *doubt)
{
    rill_group_info info = {.size = sizeof info};
    int rc = ri_forward_check_up(f->from, "source");
    if (rc < 0) return rc;
    int made = ri_bus_group_ensure(f->from, f->stream, f->name, &f->group);
    if (made < 0) return made;
    rc = ri_bus_group_status(f->from, f->stream, f->name, &info);
    if (rc == RILL_OK) rc = read_rewind(f, &info);
    *doubt = !made && (info.lag_msgs || read_is_out(&info));
    return rc == RILL_OK && *doubt ? read_bound_doubt(f, &info) : rc;
}

static void read_begin(rill_forward *f)
{
    bool doubt = false;
    int rc = read_join(f, &doubt);
    if (rc < 0) ri_forward_fail(f, ri_err_wrap(rc, "%s", f->stream));
    else if (rc == RILL_OK) ri_forward_go(f, doubt ? RI_FORWARD_LOOK : RI_FORWARD_OPEN);
}

/* ---- Open, and the end of a run ---- */

/* Each partition of a store here is a consumer, and counts its deliveries by itself. */
static void read_refuse_parts(rill_forward *f, uint32_t parts)
{
    rill_sub *sub = f->sub;
    RI_ASSERT(sub && !f->reading);
    f->sub = NULL;
    ri_bus_sub_close(sub, -1);
    ri_forward_fail(f, ri_err(RILL_ENOTSUP, "%s has %u partitions, and a forward from a store here "
                              "reads a stream of one", f->stream, parts));
}

static void read_open(rill_forward *f)
{
    RI_ASSERT(!f->sub && !f->stuck && !f->reading);
    rill_sub_opts opts = f->group;
    opts.on_msg = read_take;
    opts.arg = f;
    for (uint32_t i = 0; i < f->nlast; i++) f->last[i] = 0;
    f->taken = f->delivery = f->owed = 0;
    int rc = ri_bus_consume(f->from, &f->sub, f->stream, &opts, RI_BUS_CONSUME, 0);
    if (rc < 0) {
        ri_forward_fail(f, ri_err_wrap(rc, "%s", f->stream));
        return;
    }
    if (f->sub->consumer && f->sub->consumer->parts > 1) {
        read_refuse_parts(f, f->sub->consumer->parts);
        return;
    }
    ri_broker_enter(f->from->broker);
    f->sub->owner = &f->reader;
    if (f->sub->ended) ri_bus_job_call(&f->reader);
    ri_broker_leave(f->from->broker);
    ri_broker_enter(f->to->broker);
    f->reading = true;
    f->held = false;
    ri_broker_leave(f->to->broker);
    ri_forward_go(f, RI_FORWARD_FLOW);
}

static bool read_has_ended(rill_forward *f)
{
    ri_broker_enter(f->from->broker);
    bool ended = f->sub->ended;
    ri_broker_leave(f->from->broker);
    return ended;
}

/* There may be room again, or the subscription has ended. */
static void read_go_on(rill_forward *f)
{
    if (read_has_ended(f)) {
        ri_forward_fail(f, ri_err(RILL_ECLOSED, "%s: its group was deleted, or the stream was",
                                  f->stream));
        return;
    }
    RI_ASSERT(f->sub->owner == &f->reader);
    rill_msg *m = f->stuck;
    f->stuck = NULL;
    if (m) read_send(f, m);
    if (m) ri_bus_msg_unref(m);
    if (!f->stuck && !read_is_full(f)) read_hold(f, false);
}

static void read_leave(rill_forward *f)
{
    rill_sub *sub = f->sub;
    ri_broker_enter(f->to->broker);
    f->reading = false;
    ri_broker_leave(f->to->broker);
    f->sub = NULL;
    if (sub) {
        ri_broker_enter(f->from->broker);
        sub->owner = NULL;
        ri_broker_leave(f->from->broker);
        ri_bus_sub_close(sub, -1);
        f->rested_ns = ri_mono_ns(&f->from->host);
    }
    if (f->stuck) ri_bus_msg_unref(f->stuck);
    f->stuck = NULL;
    ri_forward_look_forget(f);
    ri_forward_call(&f->writer, f->to, 0); /* of what is under way it sees the end */
}

void ri_forward_read_run(ri_bus_job *job)
{
    rill_forward *f = ri_container_of(job, rill_forward, reader);
    RI_ASSERT(ri_forward_is_sound(f));
    switch (ri_forward_phase_of(f)) {
    case RI_FORWARD_REST:
        ri_forward_go(f, RI_FORWARD_JOIN);
        break;
    case RI_FORWARD_JOIN: read_begin(f); break;
    case RI_FORWARD_OPEN: read_open(f); break;
    case RI_FORWARD_FLOW: read_go_on(f); break;
    case RI_FORWARD_DRAIN: read_leave(f); break;
    case RI_FORWARD_LOOK:
    case RI_FORWARD_ENDED: break;
    }
}

void ri_forward_read_fini(rill_forward *f)
{
    RI_ASSERT(!f->reader.bus);
    if (f->sub) ri_bus_sub_close(f->sub, -1);
    if (f->stuck) ri_bus_msg_unref(f->stuck);
    ri_free(&f->to->host, f->last, f->nlast * sizeof *f->last);
    ri_buffer_fini(&f->block);
    ri_buffer_fini(&f->subject);
}
