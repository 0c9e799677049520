/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/streams/apart.h"

#include "base/assert.h"
#include "base/error.h"
#include "codec/subject/subject.h"
#include "engine/streams/js_state.h"

enum {
    APART_FEW = 8,     /* subjects that are compared one by one with all there are */
    APART_PAIRS = 8,   /* that are compared in a unit */
    APART_LOOKED = 2048, /* receivers of a plain subject that are looked at in one stay */
    APART_BATCH = 512, /* subjects of others that are compared with many at a time, at least */
};

void ri_apart_init(ri_apart *c, ri_js *js, ri_str name, const ri_strs *mine)
{
    *c = (ri_apart){.name = name, .mine = *mine};
    if (!mine->len) c->mine = (ri_strs){&c->name, 1};
    ri_overlap_init(&c->own, js->host);
    ri_overlap_init(&c->others, js->host);
    ri_buffer_init(&c->after, js->host);
}

void ri_apart_fini(ri_apart *c)
{
    ri_overlap_fini(&c->own);
    ri_overlap_fini(&c->others);
    ri_buffer_fini(&c->after);
}

/* What is asked was not checked yet: who makes the stream refuses what is no filter. */
static int apart_put(ri_js *js, ri_overlap *overlap, const ri_strs *subjects)
{
    int rc = RILL_OK;
    for (uint32_t i = 0; i < subjects->len && rc >= 0; i++)
        if (ri_subject_is_filter(subjects->items[i]))
            rc = ri_overlap_add(overlap, subjects->items[i]);
    ri_budget_spend(&js->router->budget, subjects->len);
    return rc;
}

/* What was put together is compared, and forgotten: it may be gone in the next slice. */
static int apart_flush(ri_js *js, ri_apart *c)
{
    if (!c->others.n) return RILL_OK;
    int rc = ri_overlap_between(&c->own, &c->others);
    ri_budget_spend(&js->router->budget, c->own.n + c->others.n);
    ri_overlap_fini(&c->others);
    c->found = rc > 0;
    return RI_MIN(rc, 0);
}

static int apart_compare(ri_js *js, ri_apart *c, const ri_strs *other)
{
    if (c->mine.len > APART_FEW) {
        int rc = apart_put(js, &c->others, other);
        return rc < 0 || c->others.n < RI_MAX(c->own.n, APART_BATCH) ? rc : apart_flush(js, c);
    }
    ri_budget_spend(&js->router->budget, c->mine.len * (uint64_t)other->len / APART_PAIRS);
    for (uint32_t k = 0; k < c->mine.len && !c->found; k++)
        for (uint32_t n = 0; n < other->len && !c->found; n++)
            c->found = ri_subject_overlaps(c->mine.items[k], other->items[n]);
    return RILL_OK;
}

/* The streams of this pass behind the place: 1, if the budget ends before them. */
static int apart_pass(ri_js *js, ri_apart *c)
{
    size_t n, i = 0;
    int rc = RILL_OK;
    ri_stream *const *streams = ri_js_streams_after(js, ri_buffer_str(&c->after), &n);
    for (bool left = true; i < n && rc >= 0 && !c->found && (left || c->whole); i++) {
        const ri_stream *stream = streams[i];
        if (stream->version > c->seen && stream->version <= c->upto &&
            !ri_str_eq(stream->conf.name, c->name))
            rc = apart_compare(js, c, &stream->conf.subjects);
        left = ri_budget_spend(&js->router->budget, 1);
    }
    if (rc >= 0 && !c->found) rc = apart_flush(js, c);
    if (rc < 0 || c->found || i == n) return rc;
    ri_buffer_reset(&c->after);
    ri_buffer_put_str(&c->after, streams[i - 1]->conf.name);
    return c->after.failed ? RILL_ENOMEM : 1;
}

/* ---- Few plain subjects: who takes them is known where messages go ---- */

static bool apart_is_plain(const ri_strs *subjects)
{
    bool plain = subjects->len <= APART_FEW;
    for (uint32_t i = 0; i < subjects->len && plain; i++)
        plain = ri_subject_is_literal(subjects->items[i]);
    return plain;
}

/* A stream that is fenced has its own check, and one that is going has left its name. */
static bool apart_is_other(ri_js *js, const ri_apart *c, const ri_party *party)
{
    if (!party->ops->stores) return false;
    const ri_stream *stream = ri_container_of(party, ri_stream, party);
    return !ri_str_eq(stream->conf.name, c->name) && ri_js_stream(js, stream->conf.name) == stream;
}

/* 1: it is known now; 0: so many others hear one of them that to look at each would be a stay of
 * its own. */
static int apart_look_up(ri_js *js, ri_apart *c)
{
    for (uint32_t i = 0; i < c->mine.len && !c->found; i++) {
        const ri_match *match = ri_match_cache_get(&js->account->cache, &js->account->interest,
                                                   c->mine.items[i]);
        if (!match) return RILL_ENOMEM;
        if (match->nplain > APART_LOOKED) return 0;
        for (uint32_t k = 0; k < match->nplain && !c->found; k++)
            c->found = apart_is_other(js, c, ri_container_of(match->plain[k], ri_subscription,
                                                             entry)->party);
        ri_budget_spend(&js->router->budget, 1 + match->nplain / APART_PAIRS);
    }
    return 1;
}

int ri_apart_some(ri_js *js, ri_apart *c)
{
    RI_ASSERT(ri_js_is_sound(js));
    int known = !c->begun && apart_is_plain(&c->mine) ? apart_look_up(js, c) : 0;
    if (known != 0) return RI_MIN(known, RILL_OK);
    int rc = c->begun || c->mine.len <= APART_FEW ? RILL_OK : apart_put(js, &c->own, &c->mine);
    c->begun = rc >= 0;
    while (rc >= 0 && !c->found) {
        if (!ri_buffer_size(&c->after)) {
            c->seen = c->upto;
            c->upto = js->versions;
            if (c->seen == c->upto) return RILL_OK;
        }
        if ((rc = apart_pass(js, c)) != 0) return rc;
        ri_buffer_reset(&c->after);
    }
    return rc;
}
