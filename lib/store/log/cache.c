/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept in memory of sealed segments, and what goes when it is too much.
 *
 *     runs    slots, subject ids and sets: in a ring, the hand at its head. One that was used
 *             since the hand last came by is let off once and goes to the end.
 *     names   of a segment, and its footer's directory: those not used for the longest time go
 *     maps    of whole files, for reads that pick few records: likewise, but their bytes are the
 *             system's page cache, so they count against a bound of their own. To map a page
 *             costs half of what one read does, and a read out of a map next to nothing. So a file
 *             is mapped when the reads that picked from it are a third of its pages: who goes
 *             through it once does without, who comes back for as much again has a map.
 *
 * A run that nobody has read while its segment was filled goes as soon as the segment's footer is
 * written: who only appends needs no memory for what is behind.
 *
 * All of it stands in the files. What does not (a run of which a slot has died since the footer
 * was written, or whose segment has none) is not counted and stays. Runs are let go by
 * ri_cache_trim() alone, which is called where no pointer into one is held: at the beginning of
 * public calls, and between two runs of a long one. A record that was handed out has its subject
 * among the names, so these go by ri_cache_trim_all(), where such records end: at a commit.
 *
 * A mapped file that loses its end, or whose disk fails, kills the process that touches it with
 * SIGBUS, where a read would return an error. So a map is asked for only when the file is as long
 * as it should be, all its pages are brought in at once by a call that reports errors, and bytes
 * are copied out as soon as they are looked at. What is left is a page that was evicted, read
 * again and failed meanwhile; ri_log_opts.no_maps is for those who fear that more than a slower
 * filtered read. LOCK keeps other logs out of the directory; other programs have no business
 * there. */
#include "base/assert.h"
#include "store/log/log_private.h"

enum { CACHE_PICKED = 3 * 4096 }; /* bytes of a file for each read before it is mapped */

void ri_cache_note(ri_log *log, log_run *run)
{
    RI_ASSERT(ri_log_is_sound(log));
    RI_ASSERT(ri_log_run_is_sound(run));
    uint32_t bytes = 0;
    if (run->slots && run->stored_at && !run->dirty && run->segment->stored) {
        bytes = run->cap * (uint32_t)sizeof *run->slots * (run->subjects ? 2 : 1);
        bytes += run->sets_bytes;
        if (!ri_list_linked(&run->cached)) ri_list_push(&log->cached, &run->cached);
    } else {
        ri_list_remove(&run->cached);
    }
    log->cached_bytes += bytes;
    log->cached_bytes -= run->cached_bytes;
    run->cached_bytes = bytes;
    run->used = true;
}

static void cache_unload(ri_log *log, log_run *run)
{
    RI_ASSERT(log->cached_bytes >= run->cached_bytes);
    uint32_t bytes = run->cap * (uint32_t)sizeof *run->slots;
    RI_ASSERT(run->stored_at && !run->dirty && run->segment->stored);
    ri_free(&log->host, run->slots, bytes);
    ri_free(&log->host, run->subjects, run->subjects ? bytes : 0);
    ri_free(&log->host, run->sets, run->sets_bytes);
    run->slots = run->subjects = NULL;
    run->sets = NULL;
    run->sets_bytes = run->cap = 0;
    ri_cache_note(log, run);
}

void ri_cache_sealed(ri_log *log, log_run *run)
{
    RI_ASSERT(run->segment->stored);
    bool used = run->used;
    ri_cache_note(log, run);
    if (!used && run->cached_bytes) cache_unload(log, run);
}

void ri_cache_drop_names(ri_log *log, log_segment *s)
{
    RI_ASSERT(ri_log_is_sound(log));
    RI_ASSERT(s->stored || !s->foot || log->opening);
    log->names_bytes -= (s->names ? s->names_bytes : 0) + (s->foot ? s->foot_bytes : 0);
    ri_free(&log->host, s->names, s->names_bytes);
    ri_free(&log->host, s->foot, s->foot_bytes);
    s->names = s->foot = NULL;
}

void ri_cache_unmap(ri_log *log, log_segment *s)
{
    RI_ASSERT(ri_log_is_sound(log));
    if (!s->map) return;
    RI_ASSERT(log->map_bytes >= s->size);
    log->os->unmap(log->os->arg, s->map, s->size);
    log->map_bytes -= s->size;
    s->map = NULL;
}

/* The segment with a map, or with names, that was not used for the longest time. */
static log_segment *cache_oldest(const ri_log *log, bool map)
{
    log_segment *oldest = NULL;
    for (uint32_t i = 0; i < log->nsegments; i++) {
        log_segment *s = log->segments[i];
        if (map ? !s->map : !s->stored || (!s->names && !s->foot)) continue;
        if (!oldest || s->used_at < oldest->used_at) oldest = s;
    }
    return oldest;
}

void ri_cache_trim(ri_log *log)
{
    while (ri_unlikely(log->cached_bytes > log->cache_most)) {
        ri_list *it = ri_list_pop(&log->cached);
        log_run *run = ri_container_of(it, log_run, cached);
        if (!run->used) cache_unload(log, run);
        else ri_list_push(&log->cached, it);
        run->used = false;
    }
}

void ri_cache_trim_all(ri_log *log)
{
    ri_cache_trim(log);
    log_segment *s;
    while (ri_unlikely(log->names_bytes > log->cache_most / 4) &&
           (s = cache_oldest(log, false)) != NULL)
        ri_cache_drop_names(log, s);
}

const char *ri_cache_map(ri_log *log, log_segment *s, uint32_t n)
{
    RI_ASSERT(ri_log_is_sound(log));
    RI_ASSERT(n > 0 && s != log->active);
    s->used_at = ++log->ticks;
    if (s->map) return s->map;
    if (!log->os->map || log->opts.no_maps || !s->stored || s->map_failed) return NULL;
    if (s->picked < s->size / CACHE_PICKED) {
        s->picked += n;
        return NULL;
    }
    int fd = ri_space_fd(log, s);
    if (fd < 0) return NULL;
    while (log->map_bytes && log->map_bytes + s->size > RI_LOG_MAPS_MAX)
        ri_cache_unmap(log, cache_oldest(log, true));
    s->map = log->os->map(log->os->arg, fd, s->size);
    s->map_failed = !s->map;
    if (s->map) log->map_bytes += s->size;
    return s->map;
}
