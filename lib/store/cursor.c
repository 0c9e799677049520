/* SPDX-License-Identifier: Apache-2.0 */
/* Reading. What stands in an image is handed out from there, the rest through a window (window.c)
 * that reads ahead. With a filter the cursor keeps the selection of one run: a bit for each record
 * whose subject matches, put together from the run's sets, so that the rest is neither read nor
 * visited. */
#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "codec/subject.h"
#include "store/window.h"

enum {
    CURSOR_SPARSE_COUNT = 32,   /* selected records of a run that are worth a map */
    CURSOR_SPARSE_BYTES = 1024, /* between two of them */
    CURSOR_FEW = 64,            /* records that are looked at one by one, without a selection */
    CURSOR_NAMES = 8,           /* names are looked for one by one, if so many times fewer */
};

typedef struct cursor_mem {
    ri_window window;
    uint64_t changes;       /* of the track, when the window looked ahead */
    uint64_t after;         /* the window's next record is the first that matches behind this one */
    log_segment *home;      /* of what is ahead */
    bool filtered;          /* what is ahead was chosen by `filter` */
    char *filter;           /* the filter that was selected by: length and bytes of each */
    uint32_t filter_len, filter_cap;
    uint64_t identity;      /* of the compiled filter that was selected by; 0: not of one */
    const log_run *run;     /* that `select` is of */
    uint64_t run_segment, run_first; /* tell it from another run at the same address */
    ri_select select;
    bool sparse;            /* its records lie far apart */
    bool *want;             /* by subject id */
    uint32_t cap_want;
    uint32_t *ids;          /* those wanted */
    uint32_t cap_ids;
} cursor_mem;

void ri_cursor_init(ri_cursor *c, ri_track *track)
{
    *c = (ri_cursor){.track = track};
}

void ri_cursor_fini(ri_cursor *c)
{
    cursor_mem *mem = c->mem;
    if (!mem) return;
    const ri_host *host = mem->select.host;
    ri_window_fini(&mem->window, host);
    ri_free(host, mem->filter, mem->filter_cap);
    ri_free(host, mem->want, mem->cap_want * sizeof *mem->want);
    ri_free(host, mem->ids, mem->cap_ids * sizeof *mem->ids);
    ri_select_fini(&mem->select);
    ri_delete(host, mem);
    c->mem = NULL;
}

static cursor_mem *cursor_mem_of(ri_cursor *c)
{
    if (c->mem) return c->mem;
    cursor_mem *mem = ri_new(&c->track->log->host, cursor_mem);
    if (!mem) return NULL;
    /* The caller's host outlives the log, and so a cursor that is freed after it. */
    ri_select_init(&mem->select, c->track->log->opts.host);
    ri_window_init(&mem->window);
    c->mem = mem;
    return mem;
}

static int cursor_damaged(const ri_cursor *c, const log_segment *s, uint32_t position, uint64_t seq)
{
    return ri_err_wrap(RILL_ECORRUPT, "%s/%08x.seg at %u, sequence %" PRIu64,
                       c->track->log->dir ? c->track->log->dir : "memory", s->slot, position, seq);
}

/* The record out->seq, which this entry should hold. */
static int cursor_record(const ri_cursor *c, log_segment *s, const ri_segment_entry *e,
                         ri_record *out)
{
    if (e->track != c->track->number || out->seq < e->seq || out->seq > e->last)
        return ri_err(RILL_ECORRUPT, "another entry stands there");
    if (e->kind == RI_SEGMENT_KIND_RECORD) {
        int rc = ri_names_get(c->track->log, s, e->subject, &out->subject);
        if (rc < 0) return rc;
    }
    out->time_ns = e->time_ns;
    out->headers = e->headers;
    out->data = e->data;
    out->flags = e->flags;
    if (e->kind == RI_SEGMENT_KIND_BATCH) {
        out->flags = RI_RECORD_BATCH;
        out->time_ns = ri_track_batch_time(e->data);
    }
    return RILL_OK;
}

static int cursor_read(ri_cursor *c, const log_run *run, uint32_t slot, ri_record *out)
{
    log_segment *s = run->segment;
    uint32_t position = run->slots[slot];
    ri_segment_entry e;
    *out = (ri_record){.seq = run->first_seq + slot};
    int rc;
    if (s->image) {
        rc = ri_segment_read_entry(s->image + position, s->size - position, &e);
    } else {
        cursor_mem *mem = cursor_mem_of(c);
        if (!mem) return RILL_ENOMEM;
        mem->window.nahead = 0;
        rc = ri_window_entry(c->track->log, &mem->window, s, position, &e);
    }
    if (rc == 0) rc = cursor_record(c, s, &e, out);
    return ri_unlikely(rc == RILL_ECORRUPT) ? cursor_damaged(c, s, position, out->seq) : rc;
}

static uint64_t cursor_end(const ri_cursor *c)
{
    return c->open ? c->track->last_seq : c->track->visible_seq;
}

int ri_cursor_get(ri_cursor *c, uint64_t seq, ri_record *out)
{
    uint32_t slot;
    ri_cache_trim(c->track->log);
    log_run *run = seq <= cursor_end(c) ? ri_run_find(c->track, seq, &slot) : NULL;
    if (run) {
        int rc = ri_run_load(c->track, run);
        if (rc < 0) return rc;
        if (run->slots[slot]) return cursor_read(c, run, slot, out);
    }
    *out = (ri_record){.seq = seq};
    return ri_err(RILL_ENOENT, "no record with sequence %" PRIu64, seq);
}

/* ---- Filters ---- */

static bool cursor_matches(const ri_cursor *c, const ri_filter *filter, ri_str subject)
{
    if (c->compiled) return ri_filters_match(c->compiled, subject);
    for (size_t i = 0; i < filter->nsubjects; i++)
        if (ri_subject_match(filter->subjects[i], subject)) return true;
    return false;
}

static bool cursor_all(const ri_cursor *c, const ri_filter *filter)
{
    if (!filter || filter->nsubjects == 0) return true;
    if (c->compiled) return c->compiled->all;
    for (size_t i = 0; i < filter->nsubjects; i++)
        if (ri_str_is(filter->subjects[i], ">")) return true;
    return false;
}

static bool cursor_is_filter(const ri_cursor *c, const cursor_mem *mem, const ri_filter *filter)
{
    if (c->compiled) return mem->identity == c->compiled->identity;
    size_t at = 0;
    for (size_t i = 0; i < filter->nsubjects; i++) {
        ri_str f = filter->subjects[i];
        if (at + 8 + f.len > mem->filter_len || ri_segment_u64(mem->filter + at) != f.len ||
            memcmp(mem->filter + at + 8, f.ptr, f.len) != 0)
            return false;
        at += 8 + f.len;
    }
    return at == mem->filter_len && mem->identity == 0;
}

/* Remember the filter; a selection by another one is forgotten. */
static int cursor_same_filter(const ri_cursor *c, cursor_mem *mem, const ri_filter *filter)
{
    if (cursor_is_filter(c, mem, filter)) return RILL_OK;
    ri_log *log = c->track->log;
    mem->run = NULL;
    mem->identity = c->compiled ? c->compiled->identity : 0;
    mem->filter_len = 0;
    if (c->compiled) return RILL_OK;
    size_t need = 0;
    for (size_t i = 0; i < filter->nsubjects; i++) need += 8 + filter->subjects[i].len;
    int rc = ri_log_array(&log->host, &mem->filter, &mem->filter_cap, (uint32_t)need, 1);
    if (rc < 0) return rc;
    for (size_t i = 0; i < filter->nsubjects; i++) {
        ri_str f = filter->subjects[i];
        ri_segment_set64(mem->filter + mem->filter_len, f.len);
        memcpy(mem->filter + mem->filter_len + 8, f.ptr, f.len);
        mem->filter_len += (uint32_t)(8 + f.len);
    }
    return RILL_OK;
}

static uint32_t cursor_nsubjects(ri_log *log, log_segment *s)
{
    if (s->image) return s->nsubjects;
    return ri_names_load(log, s) == 0 && s->names ? ri_segment_u32(s->names) : 0;
}

/* Ids of a few literal subjects of the open segment, which has a table of its names: how many, or
 * -1 if it is better to look at all names. */
static int64_t cursor_find_names(const ri_cursor *c, cursor_mem *mem, const log_segment *s,
                                 const ri_filter *filter, uint32_t n)
{
    ri_log *log = c->track->log;
    if (s != log->active || filter->nsubjects > n / CURSOR_NAMES) return -1;
    for (size_t i = 0; i < filter->nsubjects; i++)
        if (ri_subject_has_wildcard(filter->subjects[i])) return -1;
    uint32_t matching = 0;
    memset(mem->want, 0, n * sizeof *mem->want);
    for (size_t i = 0; i < filter->nsubjects; i++) {
        ri_str f = filter->subjects[i];
        const log_name *name = ri_names_find(log, f, (uint32_t)ri_hash(f));
        if (!name || name->id1 > n || mem->want[name->id1 - 1]) continue;
        mem->want[name->id1 - 1] = true;
        mem->ids[matching++] = name->id1 - 1;
    }
    return matching;
}

/* Which subjects of the run's segment match: how many, or a code. */
static int64_t cursor_match_names(const ri_cursor *c, cursor_mem *mem, log_segment *s,
                                  const ri_filter *filter, uint32_t n)
{
    ri_log *log = c->track->log;
    int rc = ri_log_array(&log->host, &mem->want, &mem->cap_want, n + 1, sizeof *mem->want);
    if (rc == 0)
        rc = ri_log_array(&log->host, &mem->ids, &mem->cap_ids, n + 1, sizeof *mem->ids);
    if (rc < 0) return rc;
    int64_t found = cursor_find_names(c, mem, s, filter, n);
    if (found >= 0) return found;
    uint32_t matching = 0;
    for (uint32_t id = 0; id < n; id++) {
        ri_str name;
        mem->want[id] = ri_names_get(log, s, id, &name) == 0 && cursor_matches(c, filter, name);
        if (mem->want[id]) mem->ids[matching++] = id;
    }
    return matching;
}

static bool cursor_is_selected(const cursor_mem *mem, const log_run *run)
{
    return mem->run == run && mem->run_segment == run->segment->number &&
           mem->run_first == run->first_seq && mem->select.records == run->span;
}

/* Select the run's records that match. */
static int cursor_select(ri_cursor *c, log_run *run, const ri_filter *filter)
{
    ri_log *log = c->track->log;
    cursor_mem *mem = cursor_mem_of(c);
    if (!mem) return RILL_ENOMEM;
    int rc = cursor_same_filter(c, mem, filter);
    if (rc < 0) return rc;
    if (cursor_is_selected(mem, run)) return RILL_OK;
    mem->run = NULL;
    /* Without the names nobody can say what matches: that is told, not passed over. */
    if ((rc = ri_names_load(log, run->segment)) < 0) return rc;
    uint32_t n = cursor_nsubjects(log, run->segment);
    int64_t matching = cursor_match_names(c, mem, run->segment, filter, n);
    if (matching < 0) return (int)matching;
    if ((rc = ri_run_sets(c->track, run, n)) < 0) return rc;
    ri_sets sets;
    if (run->sets && ri_sets_view(&sets, (ri_str){run->sets, run->sets_bytes}) == 0) {
        rc = ri_select_from(&mem->select, &sets, mem->ids, (size_t)matching);
    } else {
        if ((rc = ri_run_subjects(c->track, run)) < 0) return rc;
        rc = ri_select_scan(&mem->select, run->subjects, run->span, mem->want, n);
    }
    if (rc < 0) return rc;
    uint64_t each = run->room / RI_MAX(run->live, 1u);
    mem->sparse = mem->select.count >= CURSOR_SPARSE_COUNT &&
                  each * run->span / mem->select.count >= CURSOR_SPARSE_BYTES;
    mem->run = run;
    mem->run_segment = run->segment->number;
    mem->run_first = run->first_seq;
    return RILL_OK;
}

/* Are so few records in question that looking at the subject of each is less work than selecting
 * them? What a reader that has caught up finds is always so: it costs what is new, and nothing
 * that is stored. */
static bool cursor_is_few(ri_cursor *c, const log_run *run, uint32_t records,
                          const ri_filter *filter)
{
    const cursor_mem *mem = c->mem;
    if (mem && cursor_is_filter(c, mem, filter) && cursor_is_selected(mem, run)) return false;
    if (run->sets) return false;
    return records <= CURSOR_FEW ||
           (run->segment->image && records <= run->segment->nsubjects / 2);
}

/* Does the record in the slot match? 1, 0, or a code. The run's subjects are loaded. */
static int cursor_slot_matches(ri_cursor *c, const log_run *run, uint32_t slot,
                               const ri_filter *filter)
{
    ri_str name;
    if (run->slots[slot] == 0) return 0;
    int rc = ri_names_get(c->track->log, run->segment, run->subjects[slot], &name);
    return rc < 0 ? rc : cursor_matches(c, filter, name);
}

/* The slots of a run, from one on, that a call asks for. */
typedef struct cursor_reach {
    log_run *run;
    uint32_t slot;  /* where it begins */
    uint32_t end;   /* the last one in question, upwards */
    bool looked;    /* they were looked at one by one: nothing is selected */
} cursor_reach;

/* First slot from reach->slot on that is live and matches, run->span if none; or a negative code.
 * A track without subject ids is asked record by record, by the caller. */
static int64_t cursor_slot_up(ri_cursor *c, cursor_reach *reach, const ri_filter *filter)
{
    log_run *run = reach->run;
    uint32_t slot = reach->slot;
    reach->looked = false;
    if (!filter || !run->indexed) {
        while (slot <= run->last && run->slots[slot] == 0) slot++;
        return slot <= run->last ? slot : run->span;
    }
    int rc;
    if (slot > reach->end) return run->span;
    uint32_t left = reach->end - slot + 1;
    bool few = cursor_is_few(c, run, left, filter);
    if (few || (run->segment->image && cursor_is_few(c, run, 0, filter))) {
        if ((rc = ri_run_subjects(c->track, run)) < 0) return rc;
        reach->looked = run->subjects != NULL;
        /* More likely than not it is near. */
        uint32_t stop = few ? reach->end : slot + CURSOR_FEW - 1;
        for (; reach->looked && slot <= stop; slot++)
            if ((rc = cursor_slot_matches(c, run, slot, filter)) != 0)
                return rc < 0 ? (int64_t)rc : slot;
        if (few && reach->looked) return run->span;
        reach->looked = false;
    }
    if ((rc = cursor_select(c, run, filter)) < 0) return rc;
    const ri_select *select = &((cursor_mem *)c->mem)->select;
    for (;; slot++) {
        slot = ri_select_next(select, slot);
        if (slot >= run->span || run->slots[slot]) return RI_MIN(slot, run->span);
    }
}

static int64_t cursor_slot_down(ri_cursor *c, log_run *run, uint32_t slot, const ri_filter *filter)
{
    if (!filter || !run->indexed) {
        for (;; slot--) {
            if (run->slots[slot]) return slot;
            if (slot <= run->head) return run->span;
        }
    }
    int rc;
    if (cursor_is_few(c, run, 0, filter)) { /* the newest are what is mostly asked for */
        if ((rc = ri_run_subjects(c->track, run)) < 0) return rc;
        for (uint32_t i = 0; run->subjects && i < CURSOR_FEW; i++, slot--) {
            if ((rc = cursor_slot_matches(c, run, slot, filter)) != 0)
                return rc < 0 ? (int64_t)rc : slot;
            if (slot <= run->head) return run->span;
        }
    }
    if ((rc = cursor_select(c, run, filter)) < 0) return rc;
    const ri_select *select = &((cursor_mem *)c->mem)->select;
    for (;; slot--) {
        slot = ri_select_prev(select, slot);
        if (slot >= run->span || run->slots[slot]) return RI_MIN(slot, run->span);
        if (slot == 0) return run->span;
    }
}

/* Of an indexed track and one literal subject, the ends are known: 0 if it has no record. */
static bool cursor_bounds(const ri_track *track, const ri_filter *filter, uint64_t *first,
                          uint64_t *last)
{
    *first = 0;
    *last = UINT64_MAX;
    if (!filter || !track->index || filter->nsubjects != 1) return true;
    if (ri_subject_has_wildcard(filter->subjects[0])) return true;
    ri_subject_entry e;
    if (ri_subject_index_find(track->index, filter->subjects[0], &e) < 0) return false;
    *first = e.first_seq;
    *last = e.last_seq;
    return true;
}

/* A record's entry that was found whole, taken apart without detours: this is what most reads of
 * a log consist of. False for all else. */
static inline bool cursor_plain(const ri_cursor *c, const log_segment *s, const char *in,
                                ri_record *out)
{
    uint32_t length = ri_segment_u32(in + 4), kind = ri_segment_u32(in + 8), at = RI_SEGMENT_RECORD;
    if ((kind & 255) != RI_SEGMENT_KIND_RECORD || length < at) return false;
    if (ri_segment_u32(in + 12) != c->track->number || ri_segment_u64(in + 16) != out->seq)
        return false;
    if (!ri_names_quick(s, ri_segment_u32(in + 32), &out->subject)) return false;
    out->headers = RI_STR_NONE;
    if (kind >> 8 & RI_SEGMENT_BIT_HEADERS) {
        uint32_t len = length < at + 4 ? UINT32_MAX : ri_segment_u32(in + at);
        if (len > length - at - 4) return false;
        out->headers = (ri_str){in + at + 4, len};
        at += 4 + len;
    }
    out->time_ns = (int64_t)ri_segment_u64(in + 24);
    out->flags = ri_segment_u32(in + 36);
    out->data = (ri_str){in + at, length - at};
    return true;
}

/* The next record, if it is ahead and nothing has changed that could make it another one. */
static bool cursor_ahead(ri_cursor *c, uint64_t from, const ri_filter *filter, ri_record *out)
{
    cursor_mem *mem = c->mem;
    if (!mem || mem->window.next >= mem->window.nahead || mem->changes != c->track->changes)
        return false;
    const ri_window_place *place = &mem->window.ahead[mem->window.next];
    if (from <= mem->after || from > place->seq) return false;
    bool filtered = filter && filter->nsubjects && !(!mem->filtered && cursor_all(c, filter));
    if (filtered != mem->filtered || (filtered && !cursor_is_filter(c, mem, filter))) return false;
    out->seq = place->seq;
    if (ri_unlikely(!cursor_plain(c, mem->home, place->bytes, out))) {
        ri_segment_entry e;
        *out = (ri_record){.seq = place->seq};
        if (ri_segment_read_entry(place->bytes, ri_segment_u32(place->bytes + 4), &e) < 0 ||
            cursor_record(c, mem->home, &e, out) < 0)
            return false; /* read again by itself, it says what is wrong */
    }
    mem->window.next++;
    mem->after = place->seq;
    return true;
}

/* What is to be looked at ahead: records from the slot on, up to sequence `last`. Of selected ones
 * the slots are far apart, too, so all are asked for before the first is looked at. */
static uint32_t cursor_choose(cursor_mem *mem, const log_run *run, uint32_t slot, bool selected,
                              uint64_t last)
{
    ri_window *w = &mem->window;
    uint32_t n = 0, wanted = 0, slots[RI_WINDOW_AHEAD];
    uint32_t end = (uint32_t)RI_MIN((uint64_t)run->last, last - run->first_seq) + 1;
    if (!selected) {
        for (; n < w->batch && slot < end; slot++)
            if (ri_likely(run->slots[slot]))
                w->ahead[n++] = (ri_window_place){run->first_seq + slot, run->slots[slot], NULL};
        return n;
    }
    for (; wanted < w->batch && (slot = ri_select_next(&mem->select, slot)) < end; slot++) {
        __builtin_prefetch(&run->slots[slot]);
        slots[wanted++] = slot;
    }
    for (uint32_t i = 0; i < wanted; i++) {
        uint32_t position = run->slots[slots[i]];
        if (position)
            w->ahead[n++] = (ri_window_place){run->first_seq + slots[i], position, NULL};
    }
    return n;
}

/* Look ahead from the slot on, which is wanted, up to sequence `last`; what is there is handed out
 * by cursor_ahead(). The more often all of it was wanted, the farther. */
static int cursor_gather(ri_cursor *c, log_run *run, uint32_t slot, const ri_filter *filter,
                         uint64_t last)
{
    cursor_mem *mem = cursor_mem_of(c);
    if (!mem) return RILL_ENOMEM;
    ri_window *w = &mem->window;
    w->batch = w->next < w->nahead ? 1 : RI_MIN(w->batch * 2, (uint32_t)RI_WINDOW_AHEAD);
    w->nahead = 0;
    uint32_t n = cursor_choose(mem, run, slot, filter != NULL, last);
    RI_ASSERT(n > 0);
    int rc = ri_names_load(c->track->log, run->segment);
    if (rc < 0) return rc;
    mem->changes = c->track->changes;
    mem->after = w->ahead[0].seq - 1;
    mem->home = run->segment;
    mem->filtered = filter != NULL;
    return ri_window_gather(c->track->log, w, run->segment, n, filter && mem->sparse);
}

static uint32_t cursor_end_slot(const log_run *run, uint64_t last)
{
    return (uint32_t)RI_MIN((uint64_t)run->last, last - run->first_seq);
}

/* The first live record of the run that matches, from the slot on: 1, or 0 if there is none. */
static int cursor_next_in(ri_cursor *c, log_run *run, uint32_t slot, const ri_filter *filter,
                          uint64_t last, ri_record *out)
{
    cursor_reach reach = {.run = run, .end = cursor_end_slot(run, last)};
    for (slot = RI_MAX(slot, run->head); slot <= run->last; slot++) {
        reach.slot = slot;
        int64_t found = cursor_slot_up(c, &reach, filter);
        if (found < 0) return (int)found;
        slot = (uint32_t)found;
        if (slot >= run->span || run->first_seq + slot > last) return 0;
        if (!run->segment->image && (!filter || (run->indexed && !reach.looked)) &&
            cursor_gather(c, run, slot, filter, last) == 0 &&
            cursor_ahead(c, run->first_seq + slot, filter, out))
            return 1;
        int rc = cursor_read(c, run, slot, out);
        if (rc < 0) return rc;
        if (!filter || run->indexed || cursor_matches(c, filter, out->subject)) return 1;
    }
    return 0;
}

int ri_cursor_next(ri_cursor *c, uint64_t from, const ri_filter *filter, ri_record *out)
{
    ri_track *track = c->track;
    uint64_t first, last;
    if (cursor_ahead(c, from, filter, out)) return 1;
    *out = (ri_record){.seq = from};
    if (cursor_all(c, filter)) filter = NULL;
    if (!cursor_bounds(track, filter, &first, &last)) return 0;
    from = RI_MAX(from, first);
    last = RI_MIN(last, cursor_end(c));
    for (uint32_t at = ri_run_after(track, from); at < track->nruns && from <= last; at++) {
        log_run *run = track->runs[at];
        if (run->first_seq > last) return 0;
        ri_cache_trim(track->log);
        int rc = ri_run_load(track, run);
        if (rc < 0) return rc;
        uint32_t slot = from > run->first_seq ? (uint32_t)(from - run->first_seq) : 0;
        if ((rc = cursor_next_in(c, run, slot, filter, last, out)) != 0) return rc;
    }
    return 0;
}

int ri_cursor_prev(ri_cursor *c, uint64_t from, const ri_filter *filter, ri_record *out)
{
    ri_track *track = c->track;
    uint64_t first, last;
    *out = (ri_record){.seq = from};
    if (cursor_all(c, filter)) filter = NULL;
    if (!cursor_bounds(track, filter, &first, &last)) return 0;
    from = RI_MIN(RI_MIN(from, last), cursor_end(c));
    uint32_t at = ri_run_after(track, from);
    if (at < track->nruns && track->runs[at]->first_seq <= from) at++;
    while (at-- > 0) {
        log_run *run = track->runs[at];
        ri_cache_trim(track->log);
        int rc = ri_run_load(track, run);
        if (rc < 0) return rc;
        if (run->first_seq + run->last < first) return 0;
        uint64_t top = run->first_seq + run->last;
        int64_t slot = (int64_t)(RI_MIN(from, top) - run->first_seq);
        for (; slot >= (int64_t)run->head; slot--) {
            slot = cursor_slot_down(c, run, (uint32_t)slot, filter);
            if (slot < 0) return (int)slot;
            if (slot >= (int64_t)run->span) break;
            if ((rc = cursor_read(c, run, (uint32_t)slot, out)) < 0) return rc;
            if (!filter || run->indexed || cursor_matches(c, filter, out->subject)) return 1;
        }
    }
    return 0;
}

/* ---- Counting ---- */

static int cursor_count_sum(void *arg, ri_str subject, const ri_subject_entry *entry)
{
    (void)subject;
    *(uint64_t *)arg += entry->count;
    return 0;
}

static uint64_t cursor_count_run(ri_cursor *c, log_run *run, uint64_t from, uint64_t to,
                                 const ri_filter *filter)
{
    uint64_t n = 0;
    bool whole = from <= run->first_seq + run->head && to >= run->first_seq + run->last;
    if (!filter && whole) return run->live;
    ri_cache_trim(c->track->log);
    if (ri_run_load(c->track, run) < 0) return 0;
    cursor_reach reach = {.run = run, .end = cursor_end_slot(run, to)};
    reach.slot = from > run->first_seq ? (uint32_t)(from - run->first_seq) : 0;
    for (; reach.slot < run->span; reach.slot++) {
        int64_t found = cursor_slot_up(c, &reach, filter);
        if (found < 0 || found >= run->span) break;
        reach.slot = (uint32_t)found;
        if (run->first_seq + reach.slot > to) break;
        if (filter && !run->indexed) {
            ri_record r;
            if (cursor_read(c, run, reach.slot, &r) < 0 || !cursor_matches(c, filter, r.subject))
                continue;
        }
        n++;
    }
    return n;
}

/* Subjects of an index that match one of several filters. */
typedef struct cursor_tally {
    const ri_filters *set;
    uint64_t n;
} cursor_tally;

static int cursor_tally_subject(void *arg, ri_str subject, const ri_subject_entry *entry)
{
    cursor_tally *tally = arg;
    if (ri_filters_match(tally->set, subject)) tally->n += entry->count;
    return 0;
}

/* Of filters of which no two match the same: each by itself, the literal ones in one look. */
static bool cursor_count_apart(const ri_track *track, const ri_filter *filter, uint64_t *n)
{
    ri_subject_entry e;
    for (size_t i = 0; i < filter->nsubjects; i++) {
        ri_str f = filter->subjects[i];
        if (!ri_subject_has_wildcard(f)) {
            if (ri_subject_index_find(track->index, f, &e) == 0) *n += e.count;
        } else if (ri_subject_index_each(track->index, f, cursor_count_sum, n) != 0) {
            return false;
        }
    }
    return true;
}

/* All that the track has, by its index, if that can tell: true. */
static bool cursor_count_all(const ri_cursor *c, const ri_filter *filter, uint64_t *n)
{
    ri_track *track = c->track;
    *n = 0;
    if (!track->index) return false;
    if (filter->nsubjects == 1) return cursor_count_apart(track, filter, n);
    if (!c->compiled) return false;
    if (c->compiled->apart && filter->nsubjects < track->index->len / CURSOR_NAMES)
        return cursor_count_apart(track, filter, n);
    cursor_tally tally = {c->compiled, 0};
    if (ri_subject_index_each(track->index, RI_STR_NONE, cursor_tally_subject, &tally))
        return false;
    *n = tally.n;
    return true;
}

uint64_t ri_cursor_count(ri_cursor *c, uint64_t from, uint64_t to, const ri_filter *filter)
{
    ri_track *track = c->track;
    uint64_t n = 0;
    if (cursor_all(c, filter)) filter = NULL;
    to = RI_MIN(to, track->visible_seq);
    bool settled = to == track->last_seq;
    if (filter && settled && from <= ri_track_first(track) && cursor_count_all(c, filter, &n))
        return n;
    n = 0;
    for (uint32_t at = ri_run_after(track, from); at < track->nruns; at++) {
        if (track->runs[at]->first_seq > to) break;
        n += cursor_count_run(c, track->runs[at], from, to, filter);
    }
    return n;
}

uint64_t ri_track_count(ri_track *track, uint64_t from, const ri_filter *filter)
{
    ri_cursor c;
    ri_cursor_init(&c, track);
    uint64_t n = ri_cursor_count(&c, from, UINT64_MAX, filter);
    ri_cursor_fini(&c);
    return n;
}

/* ---- Time ---- */

static int64_t cursor_time(ri_track *track, const log_run *run, uint32_t slot)
{
    ri_segment_entry e;
    if (ri_track_peek(track->log, run->segment, run->slots[slot], &e) < 0) return INT64_MIN;
    return e.kind == RI_SEGMENT_KIND_BATCH ? ri_track_batch_time(e.data) : e.time_ns;
}

static uint32_t cursor_live_up(const log_run *run, uint32_t slot)
{
    while (slot <= run->last && run->slots[slot] == 0) slot++;
    return slot;
}

/* First slot at or after the time; run->span if none. */
static uint32_t cursor_slot_at(ri_track *track, const log_run *run, int64_t time_ns)
{
    uint32_t low = run->head, high = run->last + 1;
    if (run->mixed) {
        for (; low < high; low++)
            if (run->slots[low] && cursor_time(track, run, low) >= time_ns) return low;
        return run->span;
    }
    while (low < high) { /* the answer is in [low, high] */
        uint32_t mid = cursor_live_up(run, low + (high - low) / 2);
        if (mid >= high) { /* nothing lives in the upper half */
            high = low + (high - low) / 2;
            continue;
        }
        if (cursor_time(track, run, mid) < time_ns) low = mid + 1;
        else if (high == mid) break;
        else high = mid;
    }
    low = cursor_live_up(run, low);
    return low <= run->last ? low : run->span;
}

uint64_t ri_track_seq_at(ri_track *track, int64_t time_ns)
{
    for (uint32_t at = 0; at < track->nruns; at++) {
        log_run *run = track->runs[at];
        if (run->max_time_ns < time_ns) continue;
        if (run->min_time_ns >= time_ns) return run->first_seq + run->head;
        ri_cache_trim(track->log);
        if (ri_run_load(track, run) < 0) continue;
        uint32_t slot = cursor_slot_at(track, run, time_ns);
        if (slot < run->span) return run->first_seq + slot;
    }
    return track->last_seq + 1;
}

/* ---- Subjects ---- */

/* Id of a subject in a run's segment. */
static uint32_t cursor_subject_id(ri_log *log, log_segment *s, ri_str subject)
{
    if (s == log->active) {
        log_name *name = ri_names_find(log, subject, (uint32_t)ri_hash(subject));
        return name ? name->id1 - 1 : RI_SEGMENT_NO_SUBJECT;
    }
    uint32_t n = cursor_nsubjects(log, s);
    for (uint32_t id = 0; id < n; id++) {
        ri_str name;
        if (ri_names_get(log, s, id, &name) == 0 && ri_str_eq(name, subject)) return id;
    }
    return RI_SEGMENT_NO_SUBJECT;
}

/* First live record of the subject at or after seq, 0 if none. */
static uint64_t cursor_look_up(ri_track *track, ri_str subject, uint64_t seq)
{
    for (uint32_t at = ri_run_after(track, seq); at < track->nruns; at++) {
        log_run *run = track->runs[at];
        ri_cache_trim(track->log);
        if (ri_run_subjects(track, run) < 0) continue;
        uint32_t id = cursor_subject_id(track->log, run->segment, subject);
        if (id == RI_SEGMENT_NO_SUBJECT) continue;
        uint32_t slot = seq > run->first_seq ? (uint32_t)(seq - run->first_seq) : 0;
        for (slot = RI_MAX(slot, run->head); slot <= run->last; slot++)
            if (run->subjects[slot] == id && run->slots[slot]) return run->first_seq + slot;
    }
    return 0;
}

static uint64_t cursor_look_down(ri_track *track, ri_str subject, uint64_t seq)
{
    uint32_t at = ri_run_after(track, seq);
    if (at < track->nruns && track->runs[at]->first_seq <= seq) at++;
    while (at-- > 0) {
        log_run *run = track->runs[at];
        ri_cache_trim(track->log);
        if (ri_run_subjects(track, run) < 0) continue;
        uint32_t id = cursor_subject_id(track->log, run->segment, subject);
        if (id == RI_SEGMENT_NO_SUBJECT) continue;
        int64_t slot = (int64_t)(RI_MIN(seq, run->first_seq + run->last) - run->first_seq);
        for (; slot >= (int64_t)run->head; slot--)
            if (run->subjects[slot] == id && run->slots[slot])
                return run->first_seq + (uint64_t)slot;
    }
    return 0;
}

static void cursor_settle(ri_track *track, ri_str subject, ri_subject_entry *e)
{
    uint64_t seq;
    if (!e->first_known && (seq = cursor_look_up(track, subject, e->first_seq)) != 0)
        e->first_seq = seq;
    if (!e->last_known && (seq = cursor_look_down(track, subject, e->last_seq)) != 0)
        e->last_seq = seq;
}

int ri_track_subject(ri_track *track, ri_str subject, ri_subject_info *out)
{
    ri_subject_entry e;
    int rc = track->index ? ri_subject_index_find(track->index, subject, &e) : RILL_ENOENT;
    if (rc < 0) {
        *out = (ri_subject_info){.subject = subject};
        return rc;
    }
    if (!e.first_known || !e.last_known) {
        cursor_settle(track, subject, &e);
        ri_subject_index_settle(track->index, subject, e.first_seq, e.last_seq);
    }
    *out = (ri_subject_info){subject, e.first_seq, e.last_seq, e.count};
    return RILL_OK;
}

typedef struct cursor_each {
    ri_track *track;
    bool ends;
    int (*fn)(void *arg, const ri_subject_info *info);
    void *arg;
} cursor_each;

static int cursor_each_subject(void *arg, ri_str subject, const ri_subject_entry *entry)
{
    cursor_each *each = arg;
    ri_subject_entry e = *entry;
    if (each->ends) cursor_settle(each->track, subject, &e);
    ri_subject_info info = {subject, e.first_seq, e.last_seq, e.count};
    return each->fn(each->arg, &info);
}

int ri_track_each_subject(ri_track *track, ri_str filter,
                          int (*fn)(void *arg, const ri_subject_info *info), void *arg)
{
    if (!track->index) return RILL_OK;
    cursor_each each = {track, true, fn, arg};
    return ri_subject_index_each(track->index, filter, cursor_each_subject, &each);
}

typedef struct cursor_latest {
    ri_track *track;
    uint64_t seq;
} cursor_latest;

/* Of what cannot be later than what was found nothing is looked up. */
static int cursor_later(void *arg, ri_str subject, const ri_subject_entry *entry)
{
    cursor_latest *latest = arg;
    if (entry->last_seq <= latest->seq) return 0;
    ri_subject_entry e = *entry;
    e.first_known = true; /* nobody asks for that */
    cursor_settle(latest->track, subject, &e);
    latest->seq = RI_MAX(latest->seq, e.last_seq);
    return 0;
}

uint64_t ri_track_last_of(ri_track *track, ri_str filter, uint64_t *visited)
{
    cursor_latest latest = {.track = track};
    *visited = 0;
    if (!track->index) return 0;
    uint64_t before = track->index->walked;
    ri_subject_index_each(track->index, filter, cursor_later, &latest);
    *visited = track->index->walked - before;
    return latest.seq;
}

int ri_track_some_subjects(ri_track *track, ri_str filter, bool ends, ri_subject_place *place,
                           int (*fn)(void *arg, const ri_subject_info *info), void *arg)
{
    if (!track->index) return RILL_OK;
    cursor_each each = {track, ends, fn, arg};
    return ri_subject_index_some(track->index, filter, place, cursor_each_subject, &each);
}
