/* SPDX-License-Identifier: Apache-2.0 */
/* What a producer has sent in a record batch is spread to the live subscribers of its subjects, as
 * what is published on them is: each record as a message of its own, once it is committed, in the
 * order of the batches. A batch that nobody listens for when it comes is not looked at again.
 *
 *     append  ->  somebody listens?  ->  committed  ->  record by record, in slices of the turn
 *
 * A reader of the stream gets all that it has; a live subscriber gets what it can take. So does
 * this: of batches that wait SPREAD_MAX are kept, the others count as dropped. */
#include "base/assert.h"
#include "base/error.h"
#include "codec/subject/subject.h"
#include "engine/streams/js_state.h"

enum {
    SPREAD_MAX = 4096,    /* batches of one stream */
    SPREAD_UNITS = 3,     /* of the turn, for a record that is read and published */
};

typedef struct spread {
    ri_list link;         /* in stream->spreads, by their numbers */
    uint64_t first, last;
    bool begun;           /* `search` is */
    ri_stream_search search;
} spread;

static bool spread_is_heard(const ri_match *match)
{
    if (match->ngroups > 0) return true; /* no stream is a member of one */
    for (uint32_t i = 0; i < match->nplain; i++)
        if (!ri_container_of(match->plain[i], ri_subscription, entry)->party->ops->stores)
            return true;
    return false;
}

/* Where keys are part of the subject each record has another: they are asked for one by one. */
static bool spread_is_wanted(const ri_stream *stream)
{
    ri_account *account = stream->js->account;
    RI_ASSERT(stream->conf.subjects.len > 0);
    ri_str subject = stream->conf.subjects.items[0];
    if (stream->conf.subjects.len > 1 || !ri_subject_is_literal(subject)) return true;
    const ri_match *match = ri_match_cache_get(&account->cache, &account->interest, subject);
    return match && spread_is_heard(match);
}

void ri_spread_add(ri_stream *stream, uint64_t first, uint64_t last)
{
    RI_ASSERT(ri_js_stream_is_sound(stream) && first <= last);
    if (!spread_is_wanted(stream)) return;
    spread *s = stream->nspreads < SPREAD_MAX ? ri_new(stream->js->host, spread) : NULL;
    if (!s) {
        stream->js->router->dropped_msgs += last - first + 1;
        return;
    }
    s->first = first;
    s->last = last;
    ri_list_push(&stream->spreads, &s->link);
    stream->nspreads++;
}

static void spread_free(ri_stream *stream, spread *s)
{
    ri_list_remove(&s->link);
    stream->nspreads--;
    if (s->begun) ri_stream_search_end(&s->search);
    ri_delete(stream->js->host, s);
}

/* The next record of a batch. True: there are more. */
static bool spread_one(ri_stream *stream, spread *s)
{
    ri_record record;
    int rc = ri_stream_search_some(stream, &s->search, &record);
    if (rc == 1) return true;
    if (rc < 0) stream->js->router->dropped_msgs += s->last - s->search.from + 1;
    if (rc < 0 || record.seq > s->last) return false;
    ri_message m = {.subject = record.subject, .headers = record.headers, .data = record.data};
    ri_router_publish(&stream->party, &(ri_publish){.m = &m, .route = record.subject,
                                                    .stored = true});
    s->search.from = record.seq + 1;
    return record.seq < s->last;
}

void ri_spread_step(ri_stream *stream)
{
    ri_budget *budget = &stream->js->router->budget;
    ri_track_info info;
    if (ri_likely(ri_list_empty(&stream->spreads))) return;
    ri_track_counts(stream->track, &info);
    bool left = true;
    while (left && !ri_list_empty(&stream->spreads)) {
        spread *s = ri_container_of(stream->spreads.next, spread, link);
        if (s->first > info.visible_seq) return; /* its commit is not done */
        if (!s->begun) ri_stream_search_next(stream, &s->search, RI_STR_NONE, s->first);
        s->begun = true;
        if (!spread_one(stream, s)) spread_free(stream, s);
        left = ri_budget_spend(budget, SPREAD_UNITS) && !ri_router_has_backlog(stream->js->router);
    }
    if (!ri_list_empty(&stream->spreads)) ri_js_busy(stream);
}

void ri_spread_fini(ri_stream *stream)
{
    RI_ASSERT(stream);
    while (stream->spreads.next && !ri_list_empty(&stream->spreads))
        spread_free(stream, ri_container_of(stream->spreads.next, spread, link));
    RI_ASSERT(stream->nspreads == 0);
}
