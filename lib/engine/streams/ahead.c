/* SPDX-License-Identifier: Apache-2.0 */
/* How many messages are ahead of a consumer: that match, and are not delivered yet. Each delivery
 * says it, so it is counted once, and then up and down:
 *
 *     next_seq          counted_to          visible
 *        |-- c->ahead of --|-- to be added ----|
 *
 * Without filters the runs of the log say it. With filters it may take long the first time, and is
 * done in slices, ri_ahead_count_on(): whoever wants to say it goes on in a later turn. */
#include "base/assert.h"
#include "engine/streams/js_state.h"
#include "engine/streams/view.h"

enum { AHEAD_SLICES = 1000 }; /* that counting takes at most; then it is done in one go */

/* With a cursor of its own: what the consumer's has read is on its way out. */
static uint64_t ahead_count(const ri_consumer *c, uint64_t from, uint64_t to)
{
    ri_cursor cursor;
    ri_cursor_init(&cursor, c->stream->track);
    cursor.compiled = c->cursor.compiled;
    cursor.budget = c->cursor.budget;
    uint64_t n = ri_cursor_count(&cursor, from, to, &c->filter);
    ri_cursor_fini(&cursor);
    return n;
}

/* In a stream of record batches messages are read to be counted by a filter, which is done in
 * slices; of what is not counted yet all may match. */
static bool ahead_is_slow(const ri_consumer *c)
{
    return c->stream->view && c->filter.nsubjects > 0;
}

static uint64_t ahead_uncounted(const ri_consumer *c)
{
    return c->counted_to ? RI_MAX(c->counted_to + 1, c->next_seq) : c->next_seq;
}

static uint64_t ahead_most(const ri_consumer *c, uint64_t to)
{
    ri_cursor cursor;
    ri_cursor_init(&cursor, c->stream->track);
    uint64_t n = ri_cursor_count(&cursor, ahead_uncounted(c), to, NULL);
    ri_cursor_fini(&cursor);
    return n;
}

static void ahead_end(ri_consumer *c)
{
    if (c->counting.on) ri_cursor_fini(&c->counting.cursor);
    c->counting.on = false;
}

void ri_ahead_count_anew(ri_consumer *c)
{
    c->counted_to = 0;
    ahead_end(c);
}

static void ahead_begin(ri_consumer *c, uint64_t visible_seq)
{
    ri_counting *counting = &c->counting;
    counting->on = true;
    counting->from = ahead_uncounted(c);
    counting->to = visible_seq;
    counting->n = 0;
    ri_cursor_init(&counting->cursor, c->stream->track);
    counting->cursor.compiled = c->cursor.compiled;
    counting->cursor.budget = c->cursor.budget;
    if (!ri_list_linked(&c->active_link)) ri_list_push(&c->stream->active, &c->active_link);
}

/* A slice; false: there is more. */
static bool ahead_some(ri_consumer *c, uint64_t visible_seq)
{
    ri_counting *counting = &c->counting;
    bool begins = !counting->on, more = false;
    uint64_t n;
    if (begins) ahead_begin(c, visible_seq);
    if (begins && ri_cursor_count_quickly(&counting->cursor, counting->from, visible_seq,
                                          &c->filter, &n))
        counting->n = n;
    else
        more = ri_cursor_count_some(&counting->cursor, &counting->from, visible_seq, &c->filter,
                                    &counting->n);
    if (more && counting->from <= counting->to) return false;
    c->ahead = counting->n + (c->counted_to ? c->ahead : 0);
    c->counted_to = more ? counting->from - 1 : visible_seq;
    ahead_end(c);
    return true;
}

/* What is removed meanwhile may have been counted, so that counting begins anew: after so many
 * slices it is done in one go. */
bool ri_ahead_count_on(ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_track_info info;
    ri_counting *counting = &c->counting;
    bool sliced = c->stream->view || (!counting->once && counting->slices < AHEAD_SLICES);
    if (c->filter.nsubjects == 0 || !sliced || c->parked == RI_PARKED_ASLEEP) return true;
    ri_track_counts(c->stream->track, &info);
    counting->slices++;
    bool known = c->counted_to >= info.visible_seq;
    if (known) ahead_end(c);
    counting->once = known || ahead_some(c, info.visible_seq);
    return counting->once;
}

void ri_ahead_passed(ri_consumer *c, uint64_t seq)
{
    ri_cursor cursor;
    if (!c->filter.nsubjects && c->counted_to) {
        ri_cursor_init(&cursor, c->stream->track);
        uint64_t hidden = ri_cursor_count(&cursor, c->next_seq,
                                          RI_MIN(seq - 1, c->counted_to), NULL);
        ri_cursor_fini(&cursor);
        c->ahead -= RI_MIN(c->ahead, hidden);
    }
    c->next_seq = seq;
}

uint64_t ri_ahead_of(ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    ri_track_info info;
    ri_track_counts(c->stream->track, &info);
    if (c->parked == RI_PARKED_ASLEEP && c->stream->heard_seq >= info.visible_seq) {
        c->counted_to = info.visible_seq; /* what matches would have woken it */
        c->ahead = 0;
    }
    if (ri_unlikely(c->stream->view != NULL)) {
        info.visible_seq = ri_view_last(c->stream, info.visible_seq); /* hidden ones do not count */
        if (ahead_is_slow(c) && c->counted_to < info.visible_seq)
            return (c->counted_to ? c->ahead : 0) + ahead_most(c, info.visible_seq);
    }
    if (info.visible_seq > c->counted_to) {
        uint64_t from = c->counted_to ? RI_MAX(c->counted_to + 1, c->next_seq) : c->next_seq;
        uint64_t more = ahead_count(c, from, info.visible_seq);
        c->ahead = c->counted_to ? c->ahead + more : more;
        c->counted_to = info.visible_seq;
        if (!ri_list_linked(&c->active_link)) ri_list_push(&c->stream->active, &c->active_link);
    }
    return (c->counted_to ? c->ahead : 0) + c->npicks - c->pick;
}
