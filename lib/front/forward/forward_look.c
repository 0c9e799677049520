/* SPDX-License-Identifier: Apache-2.0 */
/* A look at what the target got last: which messages of the source does it have already? See "Once"
 * in forward.h. It runs on the dispatcher of `to`: the writer asks, and a callback reads. */
#include "front/forward/forward.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/nats/headers.h"

enum {
    LOOK_ASKS = 16,        /* partitions that are asked for their ends in one go */
    LOOK_FARTHER = 8,      /* times as far back in the next round */
    LOOK_ENOUGH = 2 * RI_FORWARD_WINDOW_MAX, /* messages of ours */
};
#define LOOK_FIRST_NS (500 * RI_MS)   /* back in the first round */
#define LOOK_PATIENCE_NS (5 * RI_SEC) /* that nothing comes before it is given up */
#define LOOK_AGAIN_NS (50 * RI_MS)    /* while appends of an earlier forward have no answer */

/* ---- What is found ---- */

static int look_add(rill_forward *f, const ri_origin *origin)
{
    if (f->nknown == RI_FORWARD_KNOWN_MAX)
        return ri_err(RILL_EFULL, "%s has more than %d messages that may be unsettled in %s",
                      f->into, RI_FORWARD_KNOWN_MAX, f->stream);
    int rc = ri_array_reserve_long(&f->to->host, &f->known, &f->cap_known, f->nknown + 1,
                                   sizeof *f->known);
    if (rc == RILL_OK) f->known[f->nknown++] = *origin;
    return rc;
}

static bool look_is_through(const ri_forward_look *look)
{
    for (uint32_t i = 0; i < look->nparts; i++)
        if (look->parts[i].at < look->parts[i].end) return false;
    return true;
}

static int64_t look_since_ns(const ri_forward_look *look)
{
    return RI_MAX(ri_ns_sub(look->newest_ns, look->back_ns), look->bound_ns);
}

/* A message of the target's. */
static int look_read(rill_forward *f, const rill_msg *m)
{
    ri_forward_look *look = &f->look;
    ri_origin origin;
    ri_str text;
    if (m->partition >= look->nparts) return RILL_OK; /* made since the look began */
    look->read++;
    look->parts[m->partition].at = RI_MAX(look->parts[m->partition].at, m->seq);
    if (!ri_headers_find(ri_bus_msg_of(m)->headers, f->header, &text)) return RILL_OK;
    if (!ri_origin_read(text, f->names, &origin)) return RILL_OK;
    look->own++;
    bool settled = look->floor && origin.partition == 0 && origin.seq <= look->floor;
    return settled ? RILL_OK : look_add(f, &origin);
}

static void look_take(rill_sub *sub, const rill_msg *m, void *arg)
{
    rill_forward *f = arg;
    if (sub != f->look.sub) return;
    int rc = look_read(f, m);
    if (rc < 0) {
        ri_bus_sub_stop(sub);
        ri_forward_fail(f, rc);
    } else if (look_is_through(&f->look)) {
        ri_forward_call(&f->writer, f->to, 0);
    }
}

static int look_compare(const void *a, const void *b)
{
    return ri_origin_compare(a, b);
}

bool ri_forward_look_knows(const rill_forward *f, const ri_origin *origin)
{
    return f->nknown && bsearch(origin, f->known, f->nknown, sizeof *f->known, look_compare);
}

void ri_forward_look_forget(rill_forward *f)
{
    ri_free(&f->to->host, f->known, f->cap_known * sizeof *f->known);
    f->known = NULL;
    f->nknown = f->cap_known = 0;
}

/* ---- A round ---- */

static void look_close_sub(ri_forward_look *look)
{
    rill_sub *sub = look->sub;
    look->sub = NULL;
    if (sub) ri_bus_sub_close(sub, -1);
}

void ri_forward_look_end(rill_forward *f)
{
    ri_forward_look *look = &f->look;
    look_close_sub(look);
    ri_free(&f->to->host, look->parts, look->nparts * sizeof *look->parts);
    look->parts = NULL;
    look->nparts = look->asked = 0;
    look->begun = false;
}

/* RILL_ENOTSUP: the peer lets nobody look. */
static int look_open_sub(rill_forward *f, bool headers_only)
{
    int64_t since_ns = look_since_ns(&f->look);
    rill_sub_opts opts = {.size = sizeof opts, .on_msg = look_take, .arg = f,
                          .headers_only = headers_only, .from = RILL_FROM_FIRST};
    if (since_ns > 0) {
        opts.from = RILL_FROM_TIME;
        opts.from_time_ns = since_ns;
    }
    return ri_bus_consume(f->to, &f->look.sub, f->into, &opts, RI_BUS_TAIL, 0);
}

static void look_found(rill_forward *f)
{
    RI_ASSERT(f->nknown <= f->cap_known);
    if (f->nknown) qsort(f->known, f->nknown, sizeof *f->known, look_compare);
    ri_forward_look_end(f);
    ri_forward_go(f, RI_FORWARD_OPEN);
}

/* From `look->back_ns` before the newest on; what ended before then is through at once. */
static void look_round(rill_forward *f)
{
    ri_forward_look *look = &f->look;
    RI_ASSERT(look->begun && look->asked == look->nparts && look->back_ns > 0);
    int64_t since_ns = look_since_ns(look);
    look_close_sub(look);
    look->read = look->own = 0;
    f->nknown = 0;
    for (uint32_t i = 0; i < look->nparts; i++)
        look->parts[i].at = look->parts[i].end_ns < since_ns ? look->parts[i].end : 0;
    look->seen = 0;
    int rc = look_open_sub(f, !look->whole);
    if (rc == RILL_ENOTSUP && !look->whole) {
        look->whole = true;
        rc = look_open_sub(f, false);
    }
    if (rc == RILL_ENOTSUP && f->to->ops->ids) look_found(f); /* ids are all there is */
    else if (rc < 0) ri_forward_fail(f, ri_err_wrap(rc, "%s", f->into));
    else ri_forward_call(&f->writer, f->to, LOOK_PATIENCE_NS);
}

static bool look_is_enough(const ri_forward_look *look)
{
    int64_t since_ns = look_since_ns(look);
    return look->own >= LOOK_ENOUGH || since_ns <= look->bound_ns || since_ns <= 0;
}

/* The callback has called, or nothing has come for a while. */
static void look_go_on(rill_forward *f)
{
    ri_forward_look *look = &f->look;
    if (!look_is_through(look)) {
        bool stalls = look->read == look->seen;
        look->seen = look->read;
        if (stalls)
            ri_forward_fail(f, ri_err(RILL_ETIMEDOUT, "%s does not show what it has", f->into));
        else
            ri_forward_call(&f->writer, f->to, LOOK_PATIENCE_NS);
    } else if (look_is_enough(look)) {
        look_found(f);
    } else {
        look->back_ns = ri_ns_mul(look->back_ns, LOOK_FARTHER);
        look_round(f);
    }
}

/* ---- The target's ends ---- */

static int look_begin(rill_forward *f)
{
    ri_forward_look *look = &f->look;
    rill_stream_info info = {.size = sizeof info};
    int rc = ri_bus_stream_status(f->to, f->into, &info);
    if (rc < 0) return rc;
    uint32_t n = RI_MAX(info.partitions, 1);
    look->parts = ri_calloc(&f->to->host, ri_size_mul(n, sizeof *look->parts));
    if (!look->parts) return RILL_ENOMEM;
    look->nparts = n;
    look->asked = 0;
    look->newest_ns = INT64_MIN;
    look->back_ns = LOOK_FIRST_NS;
    look->begun = true;
    return RILL_OK;
}

static int look_ask_end(rill_forward *f, uint32_t partition)
{
    ri_forward_look *look = &f->look;
    RI_ASSERT(partition < look->nparts);
    ri_forward_part *part = &look->parts[partition];
    rill_msg *m;
    rill_at at = {.size = sizeof at, .from = RILL_FROM_LAST, .partition = partition};
    int rc = ri_bus_stream_at(f->to, f->into, &at, &m);
    if (rc == RILL_ENOENT) return RILL_OK; /* it is empty */
    if (rc < 0) return rc;
    part->end = m->seq;
    part->end_ns = m->time_ns;
    look->newest_ns = RI_MAX(look->newest_ns, m->time_ns);
    ri_bus_msg_unref(m);
    return RILL_OK;
}

/* Some at a time: others have callbacks, too. */
static int look_ask_ends(rill_forward *f)
{
    ri_forward_look *look = &f->look;
    for (int n = 0; n < LOOK_ASKS && look->asked < look->nparts; n++) {
        int rc = look_ask_end(f, look->asked);
        if (rc < 0) return rc;
        look->asked++;
    }
    return RILL_OK;
}

static bool look_must_wait(rill_forward *f)
{
    ri_broker_enter(f->to->broker);
    bool strays = !ri_list_empty(&f->to->strays) && !f->to->ops->ids;
    ri_broker_leave(f->to->broker);
    return strays;
}

static int look_prepare(rill_forward *f)
{
    int rc = ri_forward_check_up(f->to, "target");
    if (rc == RILL_OK && !f->look.begun) rc = look_begin(f);
    return rc == RILL_OK ? look_ask_ends(f) : rc;
}

void ri_forward_look_run(rill_forward *f)
{
    ri_forward_look *look = &f->look;
    RI_ASSERT(ri_forward_is_sound(f) && look->asked <= look->nparts);
    if (look->sub) {
        look_go_on(f);
        return;
    }
    if (look_must_wait(f)) {
        ri_forward_call(&f->writer, f->to, LOOK_AGAIN_NS);
        return;
    }
    int rc = look_prepare(f);
    if (rc < 0) ri_forward_fail(f, ri_err_wrap(rc, "%s", f->into));
    else if (look->asked < look->nparts) ri_forward_call(&f->writer, f->to, 0);
    else if (look->newest_ns == INT64_MIN || look->newest_ns < look->bound_ns) look_found(f);
    else look_round(f);
}
