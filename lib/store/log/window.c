/* SPDX-License-Identifier: Apache-2.0 */
/* What a read costs besides the copy out of the page cache is the checksum: a short record's
 * takes three cycles for each of its words, one after another. Three records side by side take
 * no longer than one, so entries are gathered ahead and summed by threes.
 *
 *   close together   one read of up to 256 KiB; those that it holds are gathered
 *   far apart        a small read each; or, when that has been done often (cache.c), copied out
 *                    of the mapped file, all of them prefetched first */
#include "store/log/window.h"

#include "base/assert.h"
#include "base/crc32c.h"

enum {
    WINDOW_FILL_MIN = 512, WINDOW_FILL_MAX = 262144, WINDOW_COPY_MAX = 65536,
    WINDOW_LINE = 64, /* the system copies aligned bytes to aligned places faster */
};

void ri_window_init(ri_window *w)
{
    w->fill = w->pick = WINDOW_FILL_MIN;
    w->batch = 1;
}

void ri_window_fini(ri_window *w, const ri_host *host)
{
    ri_free(host, w->memory, w->cap);
    w->memory = NULL;
}

/* Nothing is in the window, and there is room for `len` bytes. */
static int window_room(ri_log *log, ri_window *w, uint32_t len)
{
    RI_ASSERT(len > 0);
    w->segment = 0;
    w->nahead = 0;
    int rc = ri_array_reserve(&log->host, &w->memory, &w->cap, len + WINDOW_LINE, 1);
    if (rc == 0) w->bytes = (char *)RI_ALIGN((uintptr_t)w->memory, (uintptr_t)WINDOW_LINE);
    return rc;
}

/* The bytes of [from, from + len) that stand in the window already move to its front if there is
 * room for all behind them. Returns how many: the first of an entry, which said how long it is. */
static uint32_t window_keep(ri_window *w, const log_segment *s, uint32_t from, uint32_t len)
{
    if (w->segment != s->number || from < w->from || from >= w->to) return 0;
    size_t room = w->cap - (size_t)(w->bytes - w->memory);
    uint32_t had = w->to - from;
    if (had >= len || len > room) return 0;
    memmove(w->bytes, w->bytes + (from - w->from), had);
    w->nahead = 0;
    return had;
}

/* Make [position, position + need) of the segment stand in the window. */
static int window_fill(ri_log *log, ri_window *w, log_segment *s, uint32_t position, uint32_t need)
{
    RI_ASSERT(need > 0);
    bool near = w->segment == s->number && position >= w->from &&
                position <= (uint64_t)w->to + w->fill;
    w->fill = near ? RI_MIN(w->fill * 2, (uint32_t)WINDOW_FILL_MAX) : WINDOW_FILL_MIN;
    if (w->segment && s->number == w->segment + 1 && position < w->fill)
        w->fill = WINDOW_FILL_MAX; /* reading on into the next segment */
    uint32_t from = position & ~(WINDOW_LINE - 1u);
    uint32_t len = RI_MIN(RI_MAX(need + (position - from), w->fill), s->size - from);
    uint32_t had = window_keep(w, s, from, len);
    int rc = had ? RILL_OK : window_room(log, w, len);
    w->segment = 0;
    if (rc == 0) rc = ri_space_read(log, s, w->bytes + had, len - had, from + had);
    if (rc < 0) return rc;
    w->segment = s->number;
    w->from = from;
    w->to = from + len;
    return RILL_OK;
}

/* The entry's bytes, if all of them are in the window. */
static const char *window_find(const ri_window *w, const log_segment *s, uint32_t position,
                               uint32_t *need)
{
    RI_ASSERT(w->from <= w->to);
    *need = RI_SEGMENT_RECORD;
    if (w->segment != s->number || position < w->from) return NULL;
    if ((uint64_t)position + RI_SEGMENT_ENTRY > w->to) return NULL;
    const char *in = w->bytes + (position - w->from);
    *need = ri_segment_u32(in + 4);
    return *need <= w->to - position ? in : NULL;
}

/* The same, read if it is not there. */
static int window_bring(ri_log *log, ri_window *w, log_segment *s, uint32_t position,
                        const char **out)
{
    uint32_t need;
    if (position >= s->size) return ri_err(RILL_ECORRUPT, "no entry");
    while ((*out = window_find(w, s, position, &need)) == NULL) {
        if (need > s->size - position) return ri_err(RILL_ECORRUPT, "no entry");
        int rc = window_fill(log, w, s, position, need);
        if (rc < 0) return rc;
        if (w->to - position < RI_SEGMENT_ENTRY) return ri_err(RILL_ECORRUPT, "no entry");
    }
    return RILL_OK;
}

int ri_window_entry(ri_log *log, ri_window *w, log_segment *s, uint32_t position,
                    ri_segment_entry *e)
{
    RI_ASSERT(ri_log_is_sound(log));
    RI_ASSERT(s->number != 0);
    const char *in;
    int rc = window_bring(log, w, s, position, &in);
    return rc < 0 ? rc : ri_segment_get_entry(in, w->to - position, s->seed, e);
}

/* ---- Ahead ---- */

/* How many of the n entries, from the first on, have the checksum that they say. */
static uint32_t window_check(const ri_window_place *places, uint32_t n, uint32_t seed)
{
    RI_ASSERT(n <= RI_WINDOW_AHEAD);
    uint32_t i = 0;
    for (; i + 3 <= n; i += 3) {
        const void *data[3];
        size_t len[3];
        uint32_t sums[3];
        for (int k = 0; k < 3; k++) {
            data[k] = places[i + k].bytes + 4;
            len[k] = ri_segment_u32(data[k]) - 4;
        }
        ri_crc32c_three(seed, data, len, sums);
        for (int k = 0; k < 3; k++)
            if (ri_unlikely(sums[k] != ri_segment_u32(places[i + k].bytes))) return i + (uint32_t)k;
    }
    for (; i < n; i++) {
        const char *in = places[i].bytes;
        if (ri_crc32c(seed, in + 4, ri_segment_u32(in + 4) - 4) != ri_segment_u32(in)) return i;
    }
    return n;
}

static bool window_length_ok(uint32_t length)
{
    return length >= RI_SEGMENT_SUBJECT && length <= INT32_MAX;
}

static int window_gather_near(ri_log *log, ri_window *w, log_segment *s, uint32_t *n)
{
    RI_ASSERT(*n > 0 && *n <= RI_WINDOW_AHEAD);
    uint32_t need, got = 1;
    const char *in;
    int rc = window_bring(log, w, s, w->ahead[0].position, &in);
    if (rc < 0) return rc;
    w->ahead[0].bytes = in;
    for (; got < *n && (in = window_find(w, s, w->ahead[got].position, &need)) != NULL; got++)
        w->ahead[got].bytes = in;
    *n = got;
    return RILL_OK;
}

typedef struct window_source {
    ri_log *log;
    log_segment *segment;
    const char *map; /* of the whole file; NULL: it is to be read ... */
    uint32_t pick;   /* ... so many bytes at first */
} window_source;

/* Copy the entry at `position` to `to`. Returns its length; 0: there is none, or it has more than
 * `room` bytes; or why it cannot be read. */
static int64_t window_copy(const window_source *from, uint32_t position, char *to, uint32_t room)
{
    RI_ASSERT(from->segment);
    log_segment *s = from->segment;
    uint32_t left = s->size - RI_MIN(position, s->size);
    if (left < RI_SEGMENT_ENTRY || room < RI_SEGMENT_ENTRY) return 0;
    uint32_t got = from->map ? left : RI_MIN(RI_MIN(left, room), from->pick);
    int rc = from->map ? RILL_OK : ri_space_read(from->log, s, to, got, position);
    if (rc < 0) return rc;
    const char *in = from->map ? from->map + position : to;
    uint32_t length = ri_segment_u32(in + 4);
    if (!window_length_ok(length) || length > left || length > room) return 0;
    if (from->map) memcpy(to, in, length);
    else if (length > got)
        rc = ri_space_read(from->log, s, to + got, length - got, position + got);
    return rc < 0 ? rc : (int64_t)length;
}

static void window_prefetch(const ri_window *w, const log_segment *s, const char *map, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const char *in = map + RI_MIN(w->ahead[i].position, s->size - 1);
        for (int line = 0; line < 192; line += 64) __builtin_prefetch(in + line);
    }
}

static int window_gather_far(ri_log *log, ri_window *w, log_segment *s, uint32_t *n)
{
    RI_ASSERT(*n > 0 && *n <= RI_WINDOW_AHEAD);
    int rc = window_room(log, w, WINDOW_COPY_MAX); /* no stretch of the file is there any more */
    if (rc < 0) return rc;
    window_source from = {log, s, ri_cache_map(log, s, *n), w->pick};
    if (from.map) window_prefetch(w, s, from.map, *n);
    uint32_t used = 0, got = 0;
    for (; got < *n && used < WINDOW_COPY_MAX; got++) {
        char *to = w->bytes + used;
        int64_t length = window_copy(&from, w->ahead[got].position, to, WINDOW_COPY_MAX - used);
        if (length <= 0) break;
        w->ahead[got].bytes = to;
        used += (uint32_t)RI_ALIGN((uint32_t)length, 8);
        from.pick = w->pick = (uint32_t)RI_ALIGN((uint32_t)length, WINDOW_LINE);
    }
    if (got == 0) return window_gather_near(log, w, s, n); /* long, or that says what is wrong */
    *n = got;
    return RILL_OK;
}

int ri_window_gather(ri_log *log, ri_window *w, log_segment *s, uint32_t n, bool sparse)
{
    RI_ASSERT(ri_log_is_sound(log));
    RI_ASSERT(n > 0 && n <= RI_WINDOW_AHEAD);
    w->nahead = w->next = 0;
    int rc = sparse ? window_gather_far(log, w, s, &n) : window_gather_near(log, w, s, &n);
    if (rc < 0) return rc;
    uint32_t good = 0;
    while (good < n && window_length_ok(ri_segment_u32(w->ahead[good].bytes + 4))) good++;
    w->nahead = window_check(w->ahead, good, s->seed);
    return w->nahead ? RILL_OK : ri_err(RILL_ECORRUPT, "an entry fails its checksum");
}
