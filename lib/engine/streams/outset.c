/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/streams/outset.h"

#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"
#include "codec/subject/subject.h"
#include "engine/streams/js_state.h"

enum { OUTSET_SORTED = 2 }; /* put into their place in a unit */

bool ri_outset_is_long(const ri_consumer_conf *conf)
{
    if (conf->deliver_policy != RI_DELIVER_LAST &&
        conf->deliver_policy != RI_DELIVER_LAST_PER_SUBJECT)
        return false;
    bool sound = !conf->filter_subject.len || ri_subject_is_filter(conf->filter_subject);
    for (uint32_t i = 0; sound && i < conf->filter_subjects.len; i++)
        sound = ri_subject_is_filter(conf->filter_subjects.items[i]);
    return sound; /* what is wrong with it is said when it is made */
}

void ri_outset_init(ri_outset *o, const ri_host *host, const ri_consumer_conf *conf,
                    ri_budget *budget)
{
    *o = (ri_outset){.host = host, .policy = conf->deliver_policy, .budget = budget,
                     .place = {.budget = budget}};
    ri_buffer_init(&o->place.next, host);
    if (conf->filter_subjects.len)
        o->filter = (ri_filter){conf->filter_subjects.items, conf->filter_subjects.len};
    else if (conf->filter_subject.len)
        o->filter = (ri_filter){&conf->filter_subject, 1};
}

void ri_outset_fini(ri_outset *o)
{
    ri_filters_fini(&o->compiled);
    if (o->begun && o->policy == RI_DELIVER_LAST) ri_cursor_fini(&o->cursor);
    ri_buffer_fini(&o->place.next);
    ri_free(o->host, o->seqs, o->cap * sizeof *o->seqs);
    o->seqs = NULL;
    o->n = o->cap = 0;
}

static int outset_begin(ri_outset *o, ri_stream *stream)
{
    ri_track_info info;
    ri_track_counts(stream->track, &info);
    o->upto = info.visible_seq;
    o->from = UINT64_MAX;
    if (o->policy == RI_DELIVER_LAST) {
        ri_cursor_init(&o->cursor, stream->track);
        o->cursor.budget = o->budget;
        int rc = o->filter.nsubjects ? ri_filters_compile(&o->compiled, o->host, o->filter.subjects,
                                                          o->filter.nsubjects) : RILL_OK;
        if (rc == RILL_OK && o->filter.nsubjects) o->cursor.compiled = &o->compiled;
        if (rc < 0 && rc != RILL_EFULL) {
            ri_cursor_fini(&o->cursor);
            return rc;
        }
    }
    o->begun = true;
    return RILL_OK;
}

/* ---- The last of all ---- */

/* What cannot be read is as if there were none. */
static int outset_last(ri_outset *o)
{
    ri_record record;
    int rc = ri_cursor_prev(&o->cursor, o->from, &o->filter, &record);
    if (rc == RI_CURSOR_CUT) o->from = record.seq;
    if (rc == 1) o->last = record.seq;
    return rc == RI_CURSOR_CUT;
}

/* ---- The last of each subject: a heap with the greatest on top ---- */

static int outset_push(void *arg, const ri_subject_info *info)
{
    ri_outset *o = arg;
    uint64_t seq = info->last_seq;
    if (seq > o->upto) return 0; /* comes as a new one */
    int rc = ri_array_reserve_long(o->host, &o->seqs, &o->cap, o->n + 1, sizeof *o->seqs);
    if (rc < 0) return rc;
    size_t i = o->n++;
    for (; i > 0 && o->seqs[(i - 1) / 2] < seq; i = (i - 1) / 2)
        o->seqs[i] = o->seqs[(i - 1) / 2];
    o->seqs[i] = seq;
    return 0;
}

static int outset_walk(ri_outset *o, ri_stream *stream)
{
    size_t n = RI_MAX(o->filter.nsubjects, 1);
    for (; o->at < n; o->at++) {
        ri_str filter = o->filter.nsubjects ? o->filter.subjects[o->at] : RI_STR_NONE;
        int rc = o->budget ? ri_track_some_subjects(stream->track, filter, true, &o->place,
                                                    outset_push, o)
                           : ri_track_each_subject(stream->track, filter, outset_push, o);
        if (rc != 0) return rc;
        ri_buffer_reset(&o->place.next);
        if (o->budget && !ri_budget_spend(o->budget, 1) && o->at + 1 < n) {
            o->at++;
            return 1;
        }
    }
    o->heaped = o->n;
    return RILL_OK;
}

/* The greatest goes behind the heap, which begins before it then. */
static void outset_pop(ri_outset *o)
{
    size_t last = --o->heaped, i = 0;
    uint64_t seq = o->seqs[last];
    o->seqs[last] = o->seqs[0];
    for (size_t child; (child = 2 * i + 1) < last; i = child) {
        if (child + 1 < last && o->seqs[child + 1] > o->seqs[child]) child++;
        if (o->seqs[child] <= seq) break;
        o->seqs[i] = o->seqs[child];
    }
    o->seqs[i] = seq;
}

static int outset_sort(ri_outset *o)
{
    while (o->heaped > 1) {
        outset_pop(o);
        if (o->budget && o->heaped % OUTSET_SORTED == 0 && !ri_budget_spend(o->budget, 1))
            return o->heaped > 1;
    }
    return RILL_OK;
}

int ri_outset_some(ri_outset *o, ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    int rc = o->begun ? RILL_OK : outset_begin(o, stream);
    if (rc < 0) return rc;
    if (o->policy == RI_DELIVER_LAST) return outset_last(o);
    if (!o->sorting && (rc = outset_walk(o, stream)) != RILL_OK) return rc;
    o->sorting = true;
    return outset_sort(o);
}

int ri_outset_take(ri_outset *o, uint64_t **seqs, uint32_t *n)
{
    RI_ASSERT(o->heaped <= 1 && !*seqs);
    size_t room = o->cap * sizeof **seqs;
    uint64_t *fit = o->n ? ri_realloc(o->host, o->seqs, room, o->n * sizeof *fit) : NULL;
    if (!fit && o->n) return RILL_ENOMEM;
    if (!fit) ri_free(o->host, o->seqs, room);
    *seqs = fit;
    *n = (uint32_t)o->n;
    o->seqs = NULL;
    o->n = o->cap = 0;
    return RILL_OK;
}
