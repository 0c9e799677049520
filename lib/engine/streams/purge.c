/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/streams/purge.h"

#include "base/assert.h"
#include "codec/limits.h"
#include "codec/subject/subject.h"
#include "engine/streams/carry.h"
#include "engine/streams/js_state.h"
#include "engine/streams/view.h"

int ri_purge_begin(ri_stream *stream, ri_str filter, uint64_t seq, uint64_t keep,
                          ri_purging *p, ri_js_error *e)
{
    if (ri_str_is(filter, ">")) filter = RI_STR_NONE;
    *p = (ri_purging){.filter = filter, .before = seq ? seq : stream->last_seq + 1,
                             .from = 1, .keep = keep, .most = UINT64_MAX};
    ri_cursor_init(&p->cursor, stream->track);
    p->cursor.budget = &stream->js->router->budget;
    if (stream->conf.sealed) return ri_jserror_set(e, RI_JS_STREAM_SEALED, NULL);
    if (stream->conf.deny_purge)
        return ri_jserror_set(e, RI_JS_STREAM_PURGE_FAILED, "stream purge not permitted");
    if (seq > RI_LIMIT_SEQUENCE)
        return ri_jserror_set(e, RI_JS_STREAM_PURGE_FAILED, "sequence %llu is above %llu",
                              (unsigned long long)seq, (unsigned long long)RI_LIMIT_SEQUENCE);
    p->all = filter.len == 0 && keep == 0;
    if (p->all) return RILL_OK;
    p->before = RI_MIN(p->before, stream->last_seq + 1);
    p->counting = keep > 0;
    if (p->counting) p->most = 0;
    return RILL_OK;
}

/* How many there are; the index knows it of one subject. 1 if there is more to be counted. */
static int purge_count(ri_stream *stream, ri_purging *p)
{
    ri_filter filter = {&p->filter, p->filter.len ? 1 : 0};
    ri_subject_info info;
    if (p->filter.len && !ri_subject_has_wildcard(p->filter) && !stream->view)
        p->most = ri_track_subject_bounds(stream->track, p->filter, &info) < 0 ? 0 : info.count;
    else if (ri_cursor_count_some(&p->cursor, &p->from, p->before - 1, &filter, &p->most))
        return 1;
    p->counting = false;
    p->most = p->most > p->keep ? p->most - p->keep : 0;
    p->from = 1;
    return RILL_OK;
}

/* The records that the filter matches, one by one. */
static int purge_each(ri_stream *stream, ri_purging *p)
{
    ri_filter filter = {&p->filter, p->filter.len ? 1 : 0};
    ri_record record;
    while (p->purged < p->most) {
        int rc = ri_cursor_next(&p->cursor, p->from, &filter, &record);
        if (rc == RI_CURSOR_CUT) {
            p->from = record.seq;
            return 1;
        }
        if (rc == 0 || (rc < 0 && !ri_js_is_lost(rc))) return rc;
        if (record.seq >= p->before) return RILL_OK;
        p->from = record.seq + 1;
        if (rc < 0) continue; /* damaged: it stays, and is not counted */
        if ((rc = ri_retention_remove(stream, record.seq, false)) < 0) return rc;
        p->purged++;
        if (!ri_budget_left(&stream->js->router->budget)) return 1;
    }
    return RILL_OK;
}

static int purge_all(ri_stream *stream, ri_purging *p)
{
    ri_track_info info, after;
    ri_track_counts(stream->track, &info);
    int rc = ri_retention_purge_some(stream, p->before);
    ri_track_counts(stream->track, &after);
    p->purged += info.count - after.count;
    if (rc == 1) return rc;
    if (rc == RILL_OK) rc = ri_carry_skip(stream, p->before - 1); /* the next has this number */
    stream->purged = true;
    if (rc == RILL_OK) ri_consumer_purged_all(stream, p->before);
    return rc;
}

/* The first message on the subject that was kept, or the first that is not committed yet: *left.
 * 1 if the search goes on in another slice. */
static int purge_find_kept(ri_stream *stream, ri_purging *p, uint64_t *left)
{
    ri_filter filter = {&p->filter, 1};
    ri_track_info info;
    ri_record record;
    int rc = ri_cursor_next(&p->cursor, p->from, &filter, &record);
    if (rc == RI_CURSOR_CUT) {
        p->from = record.seq;
        return 1;
    }
    ri_track_counts(stream->track, &info);
    *left = rc == 0 ? info.visible_seq + 1 : rc > 0 ? record.seq : p->from; /* damaged: kept */
    return RILL_OK;
}

/* Consumers stand where there is something left for them. 1 if that is to be found yet. */
static int purge_pass(ri_stream *stream, ri_purging *p)
{
    ri_track_info info;
    ri_track_counts(stream->track, &info);
    uint64_t first = info.count ? info.first_seq : stream->last_seq + 1, left = first;
    if (!p->filter.len || !ri_consumer_any_within(stream, p->filter)) {
        ri_consumer_purged_all(stream, first);
        return RILL_OK;
    }
    if (!p->passing) p->from = 1;
    p->passing = true;
    /* In a stream of batches a search may be long: there they go on from the first message. */
    int rc = stream->view ? RILL_OK : purge_find_kept(stream, p, &left);
    if (rc == RILL_OK) ri_consumer_purged_subject(stream, p->filter, RI_MAX(left, first));
    return rc;
}

static int purge_slice(ri_stream *stream, ri_purging *p)
{
    int rc = p->counting ? purge_count(stream, p) : RILL_OK;
    if (p->all) return purge_all(stream, p);
    if (rc == RILL_OK && !p->passing) rc = purge_each(stream, p);
    return rc == RILL_OK ? purge_pass(stream, p) : rc;
}

int ri_purge_some(ri_stream *stream, ri_purging *p, ri_js_error *e)
{
    int rc = purge_slice(stream, p);
    return rc < 0 ? ri_jserror_of(e, RI_JS_STREAM_PURGE_FAILED, rc) : rc;
}

void ri_purge_end(ri_purging *p)
{
    ri_cursor_fini(&p->cursor);
}

int ri_purge_whole(ri_stream *stream, ri_str filter, uint64_t seq, uint64_t keep,
                    uint64_t *purged, ri_js_error *e)
{
    ri_purging p;
    int rc = ri_purge_begin(stream, filter, seq, keep, &p, e);
    if (rc >= 0)
        do rc = ri_purge_some(stream, &p, e);
        while (rc == 1);
    *purged = p.purged;
    ri_purge_end(&p);
    return rc;
}
