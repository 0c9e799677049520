/* SPDX-License-Identifier: Apache-2.0 */
/* The last sequence on all subjects that a filter matches, which a publish may expect.
 *
 *     the newest records     one of a few matches: that is it. What everybody writes to is here
 *     remembered filters     what came since the filter was asked for last, and is that one still
 *                            there? Who writes under a filter asks for it again and again
 *     the index              all subjects that the filter matches; the answer is remembered
 *
 * A literal subject is one look into the index. */
#include "base/assert.h"
#include "base/error.h"
#include "codec/subject/subject.h"
#include "engine/streams/js_state.h"

enum {
    EXPECTED_NEWEST = 32,   /* records that are looked at first */
    EXPECTED_FOLLOW = 4096, /* records that may have come since a filter was asked for */
    EXPECTED_KEPT = 8,      /* filters that a stream remembers */
};

struct ri_expected { /* a filter that was asked for */
    char *filter;     /* owned; NULL: a free place */
    size_t len;
    uint64_t last_seq; /* the last that matches up to ... */
    uint64_t upto_seq; /* ... this one; 0: none */
    uint64_t used;     /* when it was asked for, counted in questions */
};

void ri_expected_fini(ri_stream *stream)
{
    const ri_host *host = stream->js->host;
    for (size_t i = 0; stream->expected && i < EXPECTED_KEPT; i++)
        ri_free(host, stream->expected[i].filter, stream->expected[i].len);
    ri_free(host, stream->expected,
            stream->expected ? EXPECTED_KEPT * sizeof *stream->expected : 0);
    stream->expected = NULL;
}

static void expected_spend(ri_stream *stream, uint64_t units)
{
    ri_budget_spend(&stream->js->router->budget, units);
}

/* Among the newest records: true if they say it. */
static bool expected_newest(ri_stream *stream, ri_str filter, uint64_t *last)
{
    ri_record record;
    uint64_t from = UINT64_MAX;
    for (int i = 0; i < EXPECTED_NEWEST; i++) {
        int rc = ri_cursor_prev(&stream->open_cursor, from, NULL, &record);
        if (rc < 0) return false;
        bool matches = rc > 0 && ri_subject_match(filter, record.subject);
        *last = matches ? record.seq : 0;
        if (rc == 0 || matches || record.seq == 1) return true; /* 0: there are no more */
        from = record.seq - 1;
    }
    expected_spend(stream, EXPECTED_NEWEST);
    return false;
}

static struct ri_expected *expected_find(ri_stream *stream, ri_str filter)
{
    for (size_t i = 0; stream->expected && i < EXPECTED_KEPT; i++) {
        struct ri_expected *kept = &stream->expected[i];
        if (kept->filter && ri_str_eq((ri_str){kept->filter, kept->len}, filter)) return kept;
    }
    return NULL;
}

/* What came since; false if that is too much, or what was the last is gone. */
static bool expected_follow(ri_stream *stream, struct ri_expected *kept)
{
    ri_record record;
    ri_track_info info;
    ri_str filter = {kept->filter, kept->len};
    ri_track_counts(stream->track, &info);
    if (info.last_seq - kept->upto_seq > EXPECTED_FOLLOW) return false;
    while (kept->upto_seq < info.last_seq) {
        int rc = ri_cursor_next(&stream->open_cursor, kept->upto_seq + 1, NULL, &record);
        if (rc < 0) return false;
        kept->upto_seq = rc ? record.seq : info.last_seq;
        if (rc && ri_subject_match(filter, record.subject)) kept->last_seq = record.seq;
        expected_spend(stream, 1);
    }
    return kept->last_seq == 0 ||
           ri_cursor_get(&stream->open_cursor, kept->last_seq, &record) >= 0;
}

/* In the place that was not used for longest. Without memory it is looked up again the next
 * time. */
static void expected_keep(ri_stream *stream, ri_str filter, uint64_t last_seq)
{
    const ri_host *host = stream->js->host;
    ri_track_info info;
    if (!stream->expected)
        stream->expected = ri_calloc(host, EXPECTED_KEPT * sizeof *stream->expected);
    struct ri_expected *kept = stream->expected;
    if (!kept) return;
    for (size_t i = 1; i < EXPECTED_KEPT; i++)
        if (stream->expected[i].used < kept->used) kept = &stream->expected[i];
    char *copy = ri_alloc(host, filter.len);
    if (!copy) return;
    memcpy(copy, filter.ptr, filter.len);
    ri_free(host, kept->filter, kept->len);
    ri_track_counts(stream->track, &info);
    *kept = (struct ri_expected){copy, filter.len, last_seq, info.last_seq,
                                 ++stream->expected_asked};
}

uint64_t ri_expected_last(ri_stream *stream, ri_str subject)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    uint64_t last = 0, visited = 0;
    ri_subject_info info;
    if (!ri_subject_has_wildcard(subject))
        return ri_track_subject(stream->track, subject, &info) < 0 ? 0 : info.last_seq;
    if (expected_newest(stream, subject, &last)) return last;
    struct ri_expected *kept = expected_find(stream, subject);
    if (kept) kept->used = ++stream->expected_asked;
    if (kept && expected_follow(stream, kept)) return kept->last_seq;
    last = ri_track_last_of(stream->track, subject, &visited);
    expected_spend(stream, visited);
    if (!kept) {
        expected_keep(stream, subject, last);
        return last;
    }
    ri_track_info all;
    ri_track_counts(stream->track, &all);
    kept->last_seq = last;
    kept->upto_seq = all.last_seq;
    return last;
}
