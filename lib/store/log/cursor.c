/* SPDX-License-Identifier: Apache-2.0 */
/* Reading. What stands in an image is handed out from there, the rest through a window (window.c)
 * that reads ahead. With a filter the cursor keeps the selection of one run: a bit for each record
 * whose subject matches, put together from the run's sets, so that the rest is neither read nor
 * visited. Which names of the segment match is found out in pieces if the cursor has a budget. */
#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "codec/subject/subject.h"
#include "store/log/window.h"

enum {
    CURSOR_SPARSE_COUNT = 32,   /* selected records of a run that are worth a map */
    CURSOR_SPARSE_BYTES = 1024, /* between two of them */
    CURSOR_FEW = 64,            /* records that are looked at one by one, without a selection */
    CURSOR_NAMES = 8,           /* names are looked for one by one, if so many times fewer */
    CURSOR_PIECE = 64,          /* names that are compared before the budget is asked */
    CURSOR_PIECE_UNITS = 32,    /* of these, for each filter; of any number of compiled ones
                                   twice */
    CURSOR_UNIT_SLOTS = 64,     /* slots that are looked at by their subject's number in a unit */
    CURSOR_UNIT_SETS = 16,      /* slots of which sets are made in a unit */
    CURSOR_UNIT_COUNTED = 8,    /* records that are counted in a unit */
    CURSOR_UNIT_WALKED = 2,     /* branches of the index */
    CURSOR_READ_UNITS = 1,      /* a record that is read for its subject, or not seen */
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
    uint64_t run_segment, run_first; /* differ in another run at the same address */
    ri_select select;
    bool sparse;            /* its records lie far apart */
    uint64_t naming;        /* segment whose names were compared with the filter; 0: none */
    uint32_t named;         /* so many of them, from the first on */
    uint32_t nids;          /* so many matched */
    bool *want;             /* by subject id */
    uint32_t cap_want;
    uint32_t *ids;          /* those wanted */
    uint32_t cap_ids;
    ri_buffer text;         /* what a view has put together of the last record */
} cursor_mem;

/* Instead of RILL_OK of a read: nobody sees the record. */
enum { CURSOR_HIDDEN = 1 };

/* Instead of a slot: the search is cut. */
#define CURSOR_SLOT_CUT ((int64_t)UINT32_MAX + 1)

/* False: used up. */
static bool cursor_spend(const ri_cursor *c, uint64_t units)
{
    if (c->budget) return ri_budget_spend(c->budget, units);
    if (c->counts) ri_budget_spend(c->counts, units);
    return true;
}

void ri_cursor_init(ri_cursor *c, ri_track *track)
{
    RI_ASSERT(track);
    *c = (ri_cursor){.track = track};
}

void ri_cursor_fini(ri_cursor *c)
{
    cursor_mem *mem = c->mem;
    if (c->held) c->held->release(c->held);
    c->held = NULL;
    if (!mem) return;
    const ri_host *host = mem->select.host;
    ri_window_fini(&mem->window, host);
    ri_free(host, mem->filter, mem->filter_cap);
    ri_free(host, mem->want, mem->cap_want * sizeof *mem->want);
    ri_free(host, mem->ids, mem->cap_ids * sizeof *mem->ids);
    ri_select_fini(&mem->select);
    ri_buffer_fini(&mem->text);
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
    ri_buffer_init(&mem->text, c->track->log->opts.host);
    c->mem = mem;
    return mem;
}

static inline bool cursor_views(const ri_cursor *c)
{
    return ri_unlikely(c->track->view != NULL) && !c->raw;
}

/* The record out->seq of a batch, or of one that is at hand (NULL). RILL_OK, CURSOR_HIDDEN,
 * RI_VIEW_AWAY, RI_CURSOR_CUT, RILL_E*. */
static int cursor_view(ri_cursor *c, const ri_str *batch, ri_record *out)
{
    const ri_track_view *view = c->track->view;
    cursor_mem *mem = cursor_mem_of(c);
    ri_held *held = NULL;
    if (!mem) return RILL_ENOMEM;
    int rc = view->read(view->arg, batch, c->budget, &mem->text, out, &held);
    if (held) {
        if (c->held) c->held->release(c->held);
        c->held = held;
    }
    if (rc == RI_VIEW_RECORD) return RILL_OK;
    return rc == RI_VIEW_HIDDEN ? CURSOR_HIDDEN : rc;
}

/* The record out->seq, which this entry should hold. */
static int cursor_record(ri_cursor *c, log_segment *s, const ri_segment_entry *e,
                         ri_record *out)
{
    RI_ASSERT(s && e->length > 0);
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
    if (e->kind == RI_SEGMENT_KIND_BATCH && cursor_views(c)) return cursor_view(c, &e->data, out);
    if (e->kind == RI_SEGMENT_KIND_BATCH) {
        out->flags = RI_RECORD_BATCH;
        out->time_ns = ri_track_batch_time(e->data);
    }
    return RILL_OK;
}

/* RILL_OK, CURSOR_HIDDEN, RI_CURSOR_CUT, RILL_E*. */
static int cursor_read(ri_cursor *c, const log_run *run, uint32_t slot, ri_record *out)
{
    RI_ASSERT(run->slots && slot < run->span && run->slots[slot]);
    log_segment *s = run->segment;
    uint32_t position = run->slots[slot];
    ri_segment_entry e;
    *out = (ri_record){.seq = run->first_seq + slot};
    int rc = cursor_views(c) ? cursor_view(c, NULL, out) : RI_VIEW_AWAY;
    if (rc != RI_VIEW_AWAY) return rc;
    if (s->image) {
        rc = ri_segment_read_entry(s->image + position, s->size - position, &e);
        if (rc == 0 && ri_unlikely(ri_fills_any(c->track->log)))
            ri_fills_show(c->track->log, s, position, &e);
    } else {
        cursor_mem *mem = cursor_mem_of(c);
        if (!mem) return RILL_ENOMEM;
        mem->window.nahead = 0;
        rc = ri_window_entry(c->track->log, &mem->window, s, position, &e);
    }
    if (rc == 0) rc = cursor_record(c, s, &e, out);
    bool unread = ri_unlikely(rc == RILL_ECORRUPT || rc == RILL_EIO);
    return unread ? ri_scrub_met(c->track, s, position, out->seq, rc) : rc;
}

static uint64_t cursor_end(const ri_cursor *c)
{
    RI_ASSERT(c->track->visible_seq <= c->track->last_seq || c->open);
    return c->open ? c->track->last_seq : c->track->visible_seq;
}

int ri_cursor_get(ri_cursor *c, uint64_t seq, ri_record *out)
{
    RI_ASSERT(ri_log_track_is_sound(c->track));
    uint32_t slot;
    ri_cache_trim(c->track->log);
    log_run *run = seq <= cursor_end(c) ? ri_run_find(c->track, seq, &slot) : NULL;
    if (run) {
        int rc = ri_run_load(c->track, run);
        if (rc < 0) return rc;
        rc = run->slots[slot] ? cursor_read(c, run, slot, out) : CURSOR_HIDDEN;
        if (rc != CURSOR_HIDDEN) return rc;
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
    mem->naming = 0;
    mem->identity = c->compiled ? c->compiled->identity : 0;
    mem->filter_len = 0;
    if (c->compiled) return RILL_OK;
    size_t need = 0;
    for (size_t i = 0; i < filter->nsubjects; i++) need += 8 + filter->subjects[i].len;
    int rc = ri_array_reserve(&log->host, &mem->filter, &mem->filter_cap, (uint32_t)need, 1);
    if (rc < 0) return rc;
    for (size_t i = 0; i < filter->nsubjects; i++) {
        ri_str f = filter->subjects[i];
        ri_segment_set64(mem->filter + mem->filter_len, f.len);
        memcpy(mem->filter + mem->filter_len + 8, f.ptr, f.len);
        mem->filter_len += (uint32_t)(8 + f.len);
    }
    return RILL_OK;
}

/* Ids of a few literal subjects of the open segment, which has a table of its names: how many, or
 * -1 if it is better to look at all names. */
static int64_t cursor_find_names(const ri_cursor *c, cursor_mem *mem, const log_segment *s,
                                 const ri_filter *filter, uint32_t n)
{
    RI_ASSERT(s->number != 0);
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

/* What comparing a piece of the names costs. */
static uint64_t cursor_piece_units(const ri_cursor *c, const ri_filter *filter)
{
    return CURSOR_PIECE_UNITS * (c->compiled ? 2 : (uint64_t)filter->nsubjects);
}

/* Which subjects of the run's segment match: 1, 0 if the search is cut before all are compared, or
 * a code. A segment that is written to has more of them when it is asked for again. */
static int cursor_match_names(const ri_cursor *c, cursor_mem *mem, log_segment *s,
                              const ri_filter *filter, uint32_t n)
{
    ri_log *log = c->track->log;
    int rc = ri_array_reserve(&log->host, &mem->want, &mem->cap_want, n + 1, sizeof *mem->want);
    if (rc == 0)
        rc = ri_array_reserve(&log->host, &mem->ids, &mem->cap_ids, n + 1, sizeof *mem->ids);
    if (rc < 0) return rc;
    if (mem->naming != s->number || mem->named > n) mem->named = mem->nids = 0;
    mem->naming = s->number;
    int64_t found = mem->named ? -1 : cursor_find_names(c, mem, s, filter, n);
    if (found >= 0) {
        mem->naming = 0; /* those that come are to be found anew */
        mem->nids = (uint32_t)found;
        return 1;
    }
    while (mem->named < n) {
        ri_str name;
        uint32_t id = mem->named++;
        mem->want[id] = ri_names_get(log, s, id, &name) == 0 && cursor_matches(c, filter, name);
        if (mem->want[id]) mem->ids[mem->nids++] = id;
        if (mem->named % CURSOR_PIECE == 0 && mem->named < n &&
            !cursor_spend(c, cursor_piece_units(c, filter)))
            return 0;
    }
    return 1;
}

static bool cursor_is_selected(const cursor_mem *mem, const log_run *run)
{
    return mem->run == run && mem->run_segment == run->segment->number &&
           mem->run_first == run->first_seq && mem->select.records == run->span;
}

/* Those of the run on subjects that were found to match. */
static int cursor_select_records(ri_cursor *c, log_run *run, uint32_t nnames)
{
    RI_ASSERT(c->mem && ri_log_run_is_sound(run));
    cursor_mem *mem = c->mem;
    bool had_sets = run->sets != NULL;
    int rc = ri_run_sets(c->track, run, nnames);
    if (rc < 0) return rc;
    cursor_spend(c, run->span / (run->sets && !had_sets ? CURSOR_UNIT_SETS : CURSOR_UNIT_SLOTS));
    ri_sets sets;
    if (run->sets && ri_sets_view(&sets, (ri_str){run->sets, run->sets_bytes}) == 0)
        return ri_select_from(&mem->select, &sets, mem->ids, mem->nids);
    if ((rc = ri_run_subjects(c->track, run)) < 0) return rc;
    return ri_select_scan(&mem->select, run->subjects, run->span, mem->want, nnames);
}

/* Select the run's records that match: 1, 0 if the search is cut before they are, or a code. */
static int cursor_select(ri_cursor *c, log_run *run, const ri_filter *filter)
{
    RI_ASSERT(ri_log_run_is_sound(run) && run->indexed);
    ri_log *log = c->track->log;
    cursor_mem *mem = cursor_mem_of(c);
    if (!mem) return RILL_ENOMEM;
    int rc = cursor_same_filter(c, mem, filter);
    if (rc < 0) return rc;
    if (cursor_is_selected(mem, run)) return 1;
    mem->run = NULL;
    /* Without the names nobody can say what matches: that is reported, not passed over. */
    if (!run->segment->names) cursor_spend(c, ri_budget_bytes(run->segment->names_len));
    if ((rc = ri_names_load(log, run->segment)) < 0) return rc;
    uint32_t n = ri_names_count(log, run->segment);
    if ((rc = cursor_match_names(c, mem, run->segment, filter, n)) <= 0) return rc;
    if ((rc = cursor_select_records(c, run, n)) < 0) return rc;
    uint64_t each = run->room / RI_MAX(run->live, 1u);
    mem->sparse = mem->select.count >= CURSOR_SPARSE_COUNT &&
                  each * run->span / mem->select.count >= CURSOR_SPARSE_BYTES;
    mem->run = run;
    mem->run_segment = run->segment->number;
    mem->run_first = run->first_seq;
    return 1;
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
    RI_ASSERT(slot < run->span && run->slots);
    ri_str name;
    if (run->slots[slot] == 0) return 0;
    int rc = ri_names_get(c->track->log, run->segment, run->subjects[slot], &name);
    return rc < 0 ? rc : cursor_matches(c, filter, name);
}

/* The slots of a run, from one on, that a call asks for. */
typedef struct cursor_reach {
    log_run *run;
    uint32_t slot;  /* where it begins; where it is cut: where it goes on */
    uint32_t end;   /* the last one in question, upwards */
    bool looked;    /* they were looked at one by one: nothing is selected */
} cursor_reach;

/* First slot from reach->slot on that is live and matches, run->span if none; CURSOR_SLOT_CUT, or a
 * negative code. A track without subject ids is asked record by record, by the caller. */
static int64_t cursor_slot_up(ri_cursor *c, cursor_reach *reach, const ri_filter *filter)
{
    RI_ASSERT(reach->slot <= reach->run->span);
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
        for (; reach->looked && slot <= stop; slot++) {
            if ((rc = cursor_slot_matches(c, run, slot, filter)) != 0)
                return rc < 0 ? (int64_t)rc : slot;
            if ((slot + 1) % CURSOR_PIECE || cursor_spend(c, cursor_piece_units(c, filter)))
                continue;
            reach->slot = slot + 1;
            return CURSOR_SLOT_CUT;
        }
        if (few && reach->looked) return run->span;
        reach->looked = false;
        cursor_spend(c, CURSOR_PIECE_UNITS);
    }
    if ((rc = cursor_select(c, run, filter)) <= 0) return rc < 0 ? rc : CURSOR_SLOT_CUT;
    const ri_select *select = &((cursor_mem *)c->mem)->select;
    for (;; slot++) {
        slot = ri_select_next(select, slot);
        if (slot >= run->span || run->slots[slot]) return RI_MIN(slot, run->span);
    }
}

static int64_t cursor_slot_down(ri_cursor *c, log_run *run, uint32_t slot, const ri_filter *filter)
{
    RI_ASSERT(slot < run->span);
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
        cursor_spend(c, CURSOR_PIECE_UNITS);
    }
    if ((rc = cursor_select(c, run, filter)) <= 0) return rc < 0 ? rc : CURSOR_SLOT_CUT;
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
    RI_ASSERT(slot < run->span);
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

/* What was chosen by subject ids is what was asked for; else the subject is looked at. */
static bool cursor_takes(const ri_cursor *c, const log_run *run, const ri_filter *filter,
                         const ri_record *r)
{
    return !filter || run->indexed || cursor_matches(c, filter, r->subject);
}

static uint32_t cursor_end_slot(const log_run *run, uint64_t last)
{
    RI_ASSERT(last >= run->first_seq);
    return (uint32_t)RI_MIN((uint64_t)run->last, last - run->first_seq);
}

/* The first live record of the run that matches, from the slot on: 1, 0 if there is none, or
 * cut. */
static int cursor_next_in(ri_cursor *c, log_run *run, uint32_t slot, const ri_filter *filter,
                          uint64_t last, ri_record *out)
{
    RI_ASSERT(ri_log_run_is_sound(run));
    cursor_reach reach = {.run = run, .end = cursor_end_slot(run, last)};
    for (slot = RI_MAX(slot, run->head); slot <= run->last; slot++) {
        reach.slot = slot;
        int64_t found = cursor_slot_up(c, &reach, filter);
        if (found < 0) return (int)found;
        if (found == CURSOR_SLOT_CUT) {
            out->seq = run->first_seq + reach.slot;
            return RI_CURSOR_CUT;
        }
        slot = (uint32_t)found;
        if (slot >= run->span || run->first_seq + slot > last) return 0;
        bool ahead = !run->segment->image && !cursor_views(c);
        if (ahead && (!filter || (run->indexed && !reach.looked)) &&
            cursor_gather(c, run, slot, filter, last) == 0 &&
            cursor_ahead(c, run->first_seq + slot, filter, out))
            return 1;
        int rc = cursor_read(c, run, slot, out);
        if (rc < 0 || rc == RI_CURSOR_CUT) return rc;
        if (rc == RILL_OK && cursor_takes(c, run, filter, out)) return 1;
        if (!cursor_spend(c, CURSOR_READ_UNITS)) {
            out->seq = run->first_seq + slot + 1;
            return RI_CURSOR_CUT;
        }
    }
    return 0;
}

/* Of one subject, the record at an end that the index knows: 1, or 0: it has to be searched for. */
static int cursor_known(ri_cursor *c, uint64_t seq, const ri_filter *filter, ri_record *out)
{
    uint32_t slot;
    ri_cache_trim(c->track->log);
    log_run *run = seq && seq <= cursor_end(c) ? ri_run_find(c->track, seq, &slot) : NULL;
    if (!run || ri_run_load(c->track, run) < 0 || !run->slots[slot]) return 0;
    return cursor_read(c, run, slot, out) == 0 && cursor_matches(c, filter, out->subject);
}

/* A search by a filter goes on behind a run in which there is nothing, if the budget allows. */
static bool cursor_passes(const ri_cursor *c, const ri_filter *filter)
{
    return !filter || cursor_spend(c, 1);
}

int ri_cursor_next(ri_cursor *c, uint64_t from, const ri_filter *filter, ri_record *out)
{
    RI_ASSERT(ri_log_track_is_sound(c->track));
    ri_track *track = c->track;
    uint64_t first, last;
    if (cursor_ahead(c, from, filter, out)) return 1;
    *out = (ri_record){.seq = from};
    if (cursor_all(c, filter)) filter = NULL;
    if (!cursor_bounds(track, filter, &first, &last)) return 0;
    if (from <= first && cursor_known(c, first, filter, out)) return 1;
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
        out->seq = run->first_seq + run->span;
        if (!cursor_passes(c, filter)) return RI_CURSOR_CUT;
    }
    return 0;
}

int ri_cursor_prev(ri_cursor *c, uint64_t from, const ri_filter *filter, ri_record *out)
{
    RI_ASSERT(ri_log_track_is_sound(c->track));
    ri_track *track = c->track;
    uint64_t first, last;
    *out = (ri_record){.seq = from};
    if (cursor_all(c, filter)) filter = NULL;
    if (!cursor_bounds(track, filter, &first, &last)) return 0;
    if (from >= last && cursor_known(c, last, filter, out)) return 1;
    from = RI_MIN(RI_MIN(from, last), cursor_end(c));
    if (from < first) return 0;
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
            out->seq = run->first_seq + (uint64_t)slot;
            slot = cursor_slot_down(c, run, (uint32_t)slot, filter);
            if (slot < 0) return (int)slot;
            if (slot == CURSOR_SLOT_CUT) return RI_CURSOR_CUT;
            if (slot >= (int64_t)run->span) break;
            rc = cursor_read(c, run, (uint32_t)slot, out);
            if (rc < 0 || rc == RI_CURSOR_CUT) return rc;
            if (rc == RILL_OK && cursor_takes(c, run, filter, out)) return 1;
            out->seq--;
            if (out->seq && !cursor_spend(c, CURSOR_READ_UNITS)) return RI_CURSOR_CUT;
        }
        out->seq = run->first_seq - 1;
        if (at > 0 && out->seq && !cursor_passes(c, filter)) return RI_CURSOR_CUT;
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

/* Those of a run from *from on: 0, or 1: it is cut at *from. */
static int cursor_count_run(ri_cursor *c, log_run *run, uint64_t *from, uint64_t to,
                            const ri_filter *filter, uint64_t *n)
{
    bool whole = *from <= run->first_seq + run->head && to >= run->first_seq + run->last;
    if (!filter && whole) {
        *n += run->live;
        return 0;
    }
    ri_cache_trim(c->track->log);
    if (ri_run_load(c->track, run) < 0) return 0;
    cursor_reach reach = {.run = run, .end = cursor_end_slot(run, to)};
    reach.slot = *from > run->first_seq ? (uint32_t)(*from - run->first_seq) : 0;
    for (; reach.slot < run->span; reach.slot++) {
        int64_t found = cursor_slot_up(c, &reach, filter);
        *from = run->first_seq + reach.slot;
        if (found == CURSOR_SLOT_CUT) return 1;
        if (found < 0 || found >= run->span) return 0;
        reach.slot = (uint32_t)found;
        *from = run->first_seq + reach.slot;
        if (*from > to) return 0;
        if (filter && !run->indexed) {
            ri_record r;
            int rc = cursor_read(c, run, reach.slot, &r);
            if (rc == RI_CURSOR_CUT) return 1;
            bool left = cursor_spend(c, CURSOR_READ_UNITS);
            bool counts = rc == RILL_OK && cursor_matches(c, filter, r.subject);
            *n += counts;
            if (!left) {
                ++*from;
                return 1;
            }
            continue;
        }
        if (++*n % CURSOR_UNIT_COUNTED == 0 && !cursor_spend(c, 1)) {
            ++*from;
            return 1;
        }
    }
    return 0;
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

/* All that match, or, if `budget` is not NULL, none: false, if it ends before them. */
static bool cursor_walk(ri_subject_index *index, ri_str filter, ri_subject_index_fn fn, void *arg,
                        ri_budget *budget)
{
    if (!budget) return ri_subject_index_each(index, filter, fn, arg) == 0;
    ri_subject_place place = {.budget = budget};
    ri_buffer_init(&place.next, index->slab.host);
    int rc = ri_subject_index_some(index, filter, &place, fn, arg);
    ri_buffer_fini(&place.next);
    return rc == 0;
}

/* Of filters of which no two match the same: each by itself, the literal ones in one look. */
static bool cursor_count_apart(const ri_track *track, const ri_filter *filter, ri_budget *budget,
                               uint64_t *n)
{
    RI_ASSERT(filter->nsubjects > 0);
    ri_subject_entry e;
    for (size_t i = 0; i < filter->nsubjects; i++) {
        ri_str f = filter->subjects[i];
        if (!ri_subject_has_wildcard(f)) {
            if (ri_subject_index_find(track->index, f, &e) == 0) *n += e.count;
        } else if (!cursor_walk(track->index, f, cursor_count_sum, n, budget)) {
            return false;
        }
        if (budget && !ri_budget_spend(budget, 1) && i + 1 < filter->nsubjects) return false;
    }
    return true;
}

/* All that the track has, by its index, if that knows: true. */
static bool cursor_count_index(const ri_cursor *c, const ri_filter *filter, ri_budget *budget,
                               uint64_t *n)
{
    ri_track *track = c->track;
    *n = 0;
    if (filter->nsubjects == 1) return cursor_count_apart(track, filter, budget, n);
    if (!c->compiled) return false;
    if (c->compiled->apart && filter->nsubjects < track->index->len / CURSOR_NAMES)
        return cursor_count_apart(track, filter, budget, n);
    cursor_tally tally = {c->compiled, 0};
    if (!cursor_walk(track->index, RI_STR_NONE, cursor_tally_subject, &tally, budget)) return false;
    *n = tally.n;
    return true;
}

int ri_cursor_count_some(ri_cursor *c, uint64_t *from, uint64_t to, const ri_filter *filter,
                         uint64_t *n)
{
    RI_ASSERT(ri_log_track_is_sound(c->track));
    ri_track *track = c->track;
    if (cursor_all(c, filter)) filter = NULL;
    to = RI_MIN(to, track->visible_seq);
    for (uint32_t at = ri_run_after(track, *from); at < track->nruns; at++) {
        log_run *run = track->runs[at];
        if (run->first_seq > to) break;
        if (cursor_count_run(c, run, from, to, filter, n)) return 1;
        *from = run->first_seq + run->span;
        if (!cursor_spend(c, 1)) return 1;
    }
    return 0;
}

static bool cursor_count_all(const ri_cursor *c, const ri_filter *filter, uint64_t *n)
{
    ri_track *track = c->track;
    uint64_t before = track->index->walked;
    bool counted = cursor_count_index(c, filter, NULL, n);
    cursor_spend(c, (track->index->walked - before) / CURSOR_UNIT_WALKED);
    return counted;
}

/* Is what is asked for all that the index counts? */
static bool cursor_is_whole(const ri_cursor *c, uint64_t from, uint64_t to)
{
    const ri_track *track = c->track;
    return track->index && RI_MIN(to, track->visible_seq) == track->last_seq &&
           from <= ri_track_first(track);
}

bool ri_cursor_count_quickly(ri_cursor *c, uint64_t from, uint64_t to, const ri_filter *filter,
                             uint64_t *n)
{
    RI_ASSERT(ri_log_track_is_sound(c->track));
    RI_ASSERT(c->budget);
    return !cursor_all(c, filter) && cursor_is_whole(c, from, to) &&
           cursor_count_index(c, filter, c->budget, n);
}

uint64_t ri_cursor_count(ri_cursor *c, uint64_t from, uint64_t to, const ri_filter *filter)
{
    RI_ASSERT(ri_log_track_is_sound(c->track));
    uint64_t n = 0;
    if (cursor_all(c, filter)) filter = NULL;
    if (filter && cursor_is_whole(c, from, to) && cursor_count_all(c, filter, &n)) return n;
    n = 0;
    while (ri_cursor_count_some(c, &from, to, filter, &n)) {}
    return n;
}

uint64_t ri_track_count(ri_track *track, uint64_t from, const ri_filter *filter)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    ri_cursor c;
    ri_cursor_init(&c, track);
    uint64_t n = ri_cursor_count(&c, from, UINT64_MAX, filter);
    ri_cursor_fini(&c);
    return n;
}
