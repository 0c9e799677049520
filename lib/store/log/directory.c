/* SPDX-License-Identifier: Apache-2.0 */
/* Which files are there, which segments they are, and in what order: their first bytes say, or
 * where these are damaged, what else says it.
 *
 *     a segment's header     a segment; given up since (holes.c): a spare
 *     a spare's header       a spare
 *     none of the two        1. a bit is flipped   2. the copy before the trailer   3. the trailer
 *                            or the first commit, if the log's id is known: a damaged segment
 *                            4. all zeros: never used   5. else nobody knows: left as it is
 *
 * A file is written to as a segment before it is synced for the first time, so a power loss may
 * leave one without header, or too short: then nothing says that it was ever whole, not the
 * trailer of the segment before it, nor a commit in it, nor the note. All else is damage.
 *
 * In version 1 a spare had nothing but zeros for a header. Such are taken for spares as long as
 * all segments are of that version; who opens the log to write removes them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "store/log/log_private.h"
#include "store/log/seek.h"

enum { DIRECTORY_PATH = 4096 };

typedef struct directory {
    ri_log *log;
    uint32_t *max_epoch;    /* seen in any header */
    uint64_t *total_bytes;  /* of all segments */
    uint32_t *again;        /* slots of files that are neither segment nor spare at first sight */
    uint32_t nagain, cap_again;
    bool second;            /* these are looked at */
    bool removed;           /* a name was taken out of the directory */
    uint32_t version;       /* the newest of any segment */
    uint32_t unknown;       /* files of which nobody knows what they are */
    int rc;                 /* of the walk */
} directory;

static bool directory_is_zero(const char *p, size_t len)
{
    while (len && *p == 0) p++, len--;
    return len == 0;
}

/* ---- What a file is, whose first bytes do not say it ---- */

/* The bytes of the whole file, of which *len are there; to be freed with that length. */
static char *directory_load(ri_log *log, log_segment *s, uint32_t *len)
{
    int fd = ri_space_fd(log, s);
    int64_t size = fd < 0 ? 0 : log->os->size(log->os->arg, fd);
    *len = (uint32_t)RI_MIN(RI_MAX(size, 0), INT32_MAX);
    char *bytes = *len ? ri_alloc(&log->host, *len) : NULL;
    uint32_t was = s->size;
    s->size = *len;
    if (bytes && ri_space_read(log, s, bytes, *len, 0) < 0) {
        ri_free(&log->host, bytes, *len);
        bytes = NULL;
    }
    s->size = was;
    return bytes;
}

/* One flipped bit is found by trying. */
static bool directory_mend(const ri_log *log, const char *bytes, ri_segment_head *head)
{
    RI_ASSERT(log && head);
    char copy[RI_SEGMENT_HEAD];
    memcpy(copy, bytes, sizeof copy);
    for (unsigned bit = 0; bit < RI_SEGMENT_HEAD * 8; bit++) {
        copy[bit / 8] = (char)(copy[bit / 8] ^ 1 << bit % 8);
        if (ri_segment_get_head(copy, head) == 0 && (!log->id || head->log_id == log->id))
            return true;
        copy[bit / 8] = (char)(copy[bit / 8] ^ 1 << bit % 8);
    }
    return false;
}

/* What the commit header behind the lost one, and the trailer, say. */
static bool directory_by_parts(const ri_log *log, const char *bytes, uint32_t len,
                               ri_segment_head *head)
{
    ri_segment_commit c;
    ri_segment_trailer t;
    uint64_t number = ri_segment_u64(bytes + RI_SEGMENT_HEAD + 8);
    bool sealed = ri_segment_get_trailer(bytes + len - RI_SEGMENT_TRAILER, log->id, &t) == 0;
    bool begun = ri_segment_get_commit(bytes + RI_SEGMENT_HEAD, ri_segment_seed(log->id, number),
                                       &c) == 0;
    if (!log->id || (!sealed && !begun)) return false;
    bool old = sealed && (uint64_t)t.position + t.head_bytes + RI_SEGMENT_TRAILER == len;
    *head = (ri_segment_head){.version = old ? 1 : RI_SEGMENT_VERSION, .log_id = log->id,
                              .number = sealed ? t.number : number, .prev = RI_SEGMENT_UNNAMED,
                              .size = len, .first_commit = 1};
    if (!begun || number != head->number) return true;
    head->first_commit = c.number;
    head->chain = c.prev;
    head->epoch = c.epoch;
    return true;
}

static bool directory_identify(const ri_log *log, const char *bytes, uint32_t len,
                               ri_segment_head *head)
{
    RI_ASSERT(bytes || len == 0);
    if (len < RI_LOG_SEGMENT_MIN) return len >= RI_SEGMENT_HEAD && directory_mend(log, bytes, head);
    if (directory_mend(log, bytes, head)) return true;
    if (ri_segment_get_head(bytes + len - RI_SEGMENT_TAIL, head) == 0 && head->size == len &&
        (!log->id || head->log_id == log->id))
        return true;
    return directory_by_parts(log, bytes, len, head);
}

/* Does a commit in here say that one of this segment was durable? */
static bool directory_claims(ri_log *log, char *bytes, uint32_t len, uint64_t number,
                             uint64_t first_commit)
{
    ri_seek seek;
    ri_seek_init(&seek, &log->host, bytes, len, ri_segment_seed(log->id, number));
    bool claims = ri_seek_marks(&seek, number) < 0 || ri_seek_claim(&seek, 0, first_commit, 0);
    ri_seek_fini(&seek);
    return claims;
}

static const log_segment *directory_before(const ri_log *log, uint64_t number)
{
    const log_segment *best = NULL;
    for (uint32_t i = 0; i < log->nsegments; i++) {
        const log_segment *s = log->segments[i];
        if (s->number < number && (!best || s->number > best->number)) best = s;
    }
    return best;
}

static bool directory_is_newest(const ri_log *log, uint64_t number)
{
    for (uint32_t i = 0; i < log->nsegments; i++)
        if (log->segments[i]->number > number) return false;
    return true;
}

bool ri_directory_was_synced(ri_log *log, const log_segment *s, char *bytes, uint32_t len)
{
    log_segment *before = (log_segment *)directory_before(log, s->number);
    char trailer[RI_SEGMENT_TRAILER];
    ri_segment_trailer t;
    if (log->note.log_id == log->id && log->note.number >= s->number) return true;
    if (before && ri_space_read(log, before, trailer, sizeof trailer,
                                before->size - RI_SEGMENT_TRAILER) == 0 &&
        ri_segment_get_trailer(trailer, log->id, &t) == 0)
        return true;
    return bytes && directory_claims(log, bytes, len, s->number, s->first_commit);
}

/* The same, or as the spare that it was before. */
static bool directory_was_whole(ri_log *log, const log_segment *s, char *bytes, uint32_t len)
{
    const log_segment *before = directory_before(log, s->number);
    return (s->version > 1 && (!before || before->damaged)) ||
           ri_directory_was_synced(log, s, bytes, len);
}

/* Does anything say that a segment follows on the newest that is there? */
static bool directory_goes_on(ri_log *log)
{
    const log_segment *newest = directory_before(log, RI_SEGMENT_UNNAMED);
    log_segment next = {.number = newest ? newest->number + 1 : 1, .version = RI_SEGMENT_VERSION};
    return directory_was_whole(log, &next, NULL, 0);
}

/* ---- Spares ---- */

static int directory_take_spare(ri_log *log, log_segment *s)
{
    RI_ASSERT(s->number == 0);
    int rc = ri_array_reserve(&log->host, &log->spares, &log->cap_spares,
                              log->nspares + RI_LOG_SPARES_MAX + 1, sizeof *log->spares);
    if (rc < 0) ri_space_free_segment(log, s);
    else log->spares[log->nspares++] = s;
    return rc;
}

static int directory_remove(directory *d, log_segment *s)
{
    char path[DIRECTORY_PATH];
    ri_log *log = d->log;
    if (!log->read_only && ri_space_path(log, s->slot, path, sizeof path) == 0) {
        log->os->unlink(log->os->arg, path);
        d->removed = true;
    }
    ri_space_free_segment(log, s);
    return RILL_OK;
}

/* Spares beyond what is kept, or of another size, go: once the directory has been read. */
static void directory_trim_spares(directory *d)
{
    ri_log *log = d->log;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < log->nspares; i++) {
        log_segment *s = log->spares[i];
        bool keep = s->size == log->segment_bytes && kept < RI_LOG_SPARES_MAX;
        if (keep && (s->version == 0 || log->read_only)) log->spares[kept++] = s;
        else directory_remove(d, s);
    }
    log->nspares = kept;
}

/* ---- Segments ---- */

static int directory_add(directory *d, log_segment *s, const ri_segment_head *head)
{
    RI_ASSERT(s->number == 0 || s->slot < UINT32_MAX);
    ri_log *log = d->log;
    if (head->size > INT32_MAX || head->size < RI_LOG_SEGMENT_MIN) {
        ri_log_damage_at(log, s, &(ri_damage){0}, "a size of %" PRIu64 ": left out", head->size);
        d->unknown++;
        ri_space_free_segment(log, s);
        return RILL_OK;
    }
    int64_t size = log->os->size(log->os->arg, s->fd);
    log->id = head->log_id;
    s->version = head->version;
    s->number = head->number;
    s->prev = s->head_prev = head->prev;
    s->size = (uint32_t)head->size;
    s->there = (uint32_t)RI_MIN(RI_MAX(size, 0), INT32_MAX);
    s->seed = ri_segment_seed(log->id, s->number);
    s->first_commit = head->first_commit;
    s->first_chain = head->chain;
    d->version = RI_MAX(d->version, head->version);
    *d->max_epoch = RI_MAX(*d->max_epoch, head->epoch);
    int rc = ri_array_reserve(&log->host, &log->segments, &log->cap_segments, log->nsegments + 1,
                              sizeof *log->segments);
    if (rc < 0) ri_space_free_segment(log, s);
    else log->segments[log->nsegments++] = s;
    return rc;
}

/* A file with a whole header of a segment. */
static int directory_segment(directory *d, log_segment *s, const ri_segment_head *head)
{
    ri_log *log = d->log;
    if (log->id && head->log_id != log->id) {
        ri_log_damage_at(log, s, &(ri_damage){0}, "it belongs to another log: left out");
        ri_space_free_segment(log, s);
        return RILL_OK;
    }
    if (ri_holes_given_up(log, head->number)) return directory_remove(d, s);
    return directory_add(d, s, head);
}

/* The file is neither segment nor spare at first sight; its bytes are read. */
static int directory_odd(directory *d, log_segment *s, char *bytes, uint32_t len)
{
    RI_ASSERT(bytes || len == 0);
    ri_log *log = d->log;
    ri_segment_head head;
    bool zero = directory_is_zero(bytes, RI_MIN(len, (uint32_t)RI_SEGMENT_HEAD));
    bool blank = zero && directory_is_zero(bytes, len), old = d->version < 2 && log->nsegments;
    if (blank && !old) return directory_remove(d, s);
    bool known = directory_identify(log, bytes, len, &head);
    bool newest = known && directory_is_newest(log, head.number);
    bool begun = len > RI_SEGMENT_TAIL &&
                 ri_segment_u32(bytes + RI_SEGMENT_HEAD) == RI_SEGMENT_COMMIT_MAGIC;
    if (zero && old && (blank || (begun && !newest))) {
        s->version = 1;
        return directory_take_spare(log, s);
    }
    if (known && zero && newest) {
        s->number = head.number;
        s->version = head.version;
        s->first_commit = head.first_commit;
        if (!directory_was_whole(log, s, bytes, len)) return directory_remove(d, s);
    }
    /* Nothing says which one it is, and nothing that one more was ever synced. */
    if (!known && zero && !directory_goes_on(log)) return directory_remove(d, s);
    if (known && ri_holes_given_up(log, head.number)) known = false;
    ri_log_damage_at(log, s, &(ri_damage){.end = RI_SEGMENT_HEAD},
                     known ? "the header of segment %" PRIu64 " is damaged: read by what is left"
                           : "the header is neither a segment's nor a spare's: left out",
                     known ? head.number : 0);
    s->damaged = true;
    if (known) return directory_add(d, s, &head);
    d->unknown++;
    ri_space_free_segment(log, s);
    return RILL_OK;
}

static int directory_again(directory *d, uint32_t slot)
{
    ri_log *log = d->log;
    int rc = ri_array_reserve(&log->host, &d->again, &d->cap_again, d->nagain + 1,
                              sizeof *d->again);
    if (rc == 0) d->again[d->nagain++] = slot;
    return rc;
}

static int directory_file(directory *d, uint32_t slot)
{
    ri_log *log = d->log;
    log_segment *s = ri_space_segment(log);
    if (!s) return RILL_ENOMEM;
    s->slot = slot;
    s->size = UINT32_MAX;
    int fd = ri_space_fd(log, s);
    int64_t size = fd < 0 ? fd : log->os->size(log->os->arg, fd);
    char bytes[RI_SEGMENT_HEAD] = {0};
    ri_segment_head head;
    int rc = fd < 0 ? fd : size < 0 ? ri_err_os(RILL_EIO, (int)-size, "size of %08x.seg", slot) : 0;
    if (rc == 0 && size >= (int64_t)sizeof bytes)
        rc = ri_space_read(log, s, bytes, sizeof bytes, 0);
    s->size = (uint32_t)RI_MIN(RI_MAX(size, 0), INT32_MAX);
    if (rc == 0 && ri_segment_is_spare(bytes)) return directory_take_spare(log, s);
    if (rc == 0) rc = ri_segment_get_head(bytes, &head);
    if (rc == RILL_OK) return directory_segment(d, s, &head);
    if (rc == RILL_ENOTSUP) ri_err_wrap(rc, "%s/%08x.seg", log->dir, slot);
    if (rc == RILL_ECORRUPT && d->second) {
        uint32_t len = 0;
        char *all = size ? directory_load(log, s, &len) : bytes;
        rc = all ? directory_odd(d, s, all, len) : RILL_ENOMEM;
        if (all && all != bytes) ri_free(&log->host, all, len);
        return rc;
    }
    ri_space_free_segment(log, s);
    return rc == RILL_ECORRUPT ? directory_again(d, slot) : rc;
}

static int directory_name(void *arg, const char *name)
{
    directory *d = arg;
    ri_log *log = d->log;
    unsigned slot;
    char tail;
    if (strlen(name) != 12 || sscanf(name, "%8x.se%c", &slot, &tail) != 2 || tail != 'g')
        return 0;
    log->next_slot = RI_MAX(log->next_slot, slot + 1);
    d->rc = directory_file(d, slot);
    return d->rc;
}

/* ---- Order ---- */

static int directory_order(const void *a, const void *b)
{
    const log_segment *x = *(log_segment *const *)a, *y = *(log_segment *const *)b;
    if (x->number != y->number) return x->number < y->number ? -1 : 1;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

/* How far a file goes, of two that say to be one segment. */
static uint64_t directory_reach(ri_log *log, log_segment *s)
{
    uint32_t len;
    ri_segment_trailer t;
    uint64_t reach = 0;
    char *bytes = directory_load(log, s, &len);
    ri_seek seek;
    ri_seek_init(&seek, &log->host, bytes, len, s->seed);
    if (bytes && ri_seek_marks(&seek, s->number) == 0)
        for (uint32_t i = 0; i < seek.nmarks; i++) reach = RI_MAX(reach, seek.marks[i].number * 4);
    ri_seek_fini(&seek);
    if (bytes && len >= s->size &&
        ri_segment_get_trailer(bytes + s->size - RI_SEGMENT_TRAILER, log->id, &t) == 0)
        reach += 2;
    ri_free(&log->host, bytes, bytes ? len : 0);
    return reach + !s->damaged;
}

/* Put the segments in order; of two with one number, the better counts. */
static void directory_sort(directory *d)
{
    RI_ASSERT(d->log->nsegments <= d->log->cap_segments);
    ri_log *log = d->log;
    uint32_t kept = 0;
    if (log->nsegments)
        qsort(log->segments, log->nsegments, sizeof *log->segments, directory_order);
    for (uint32_t i = 0; i < log->nsegments; i++) {
        log_segment *s = log->segments[i], *twin = kept ? log->segments[kept - 1] : NULL;
        if (!twin || twin->number != s->number) {
            log->segments[kept++] = s;
            continue;
        }
        bool better = directory_reach(log, s) > directory_reach(log, twin);
        if (better) log->segments[kept - 1] = s;
        if (better) s = twin;
        ri_log_damage_at(log, s, &(ri_damage){0},
                         "segment %" PRIu64 " is there twice: left out", s->number);
        ri_space_free_segment(log, s);
    }
    log->nsegments = kept;
}

/* A segment takes no more bytes than its file has, whatever its header says; but the newest is
 * made whole again where a power loss has taken the end of a file that was being made. */
static void directory_cut(directory *d)
{
    ri_log *log = d->log;
    for (uint32_t i = 0; i < log->nsegments; i++) {
        log_segment *s = log->segments[i];
        uint32_t len = 0;
        bool last = i + 1 == log->nsegments;
        uint32_t most = last ? RI_MAX(s->there, log->segment_bytes) : s->there;
        if (s->there < s->size) {
            char *bytes = last ? directory_load(log, s, &len) : NULL;
            if (!last || directory_was_whole(log, s, bytes, len)) {
                ri_log_damage_at(log, s, &(ri_damage){.position = s->there, .end = s->size},
                                 "the file ends at %u, not at %u as its header says: what may have "
                                 "followed is lost", s->there, s->size);
                s->missing = s->size - s->there;
                s->damaged = true; /* it is only read: what it says of its size cannot be kept */
            }
            ri_free(&log->host, bytes, bytes ? len : 0);
        }
        s->size = RI_MIN(s->size, most);
        *d->total_bytes += s->size;
    }
}

/* What was stored when segments were larger has to be moved, and stored again, as it is. */
static void directory_raise(ri_log *log)
{
    for (uint32_t i = 0; i < log->nsegments; i++) {
        const log_segment *s = log->segments[i];
        if (s->there >= s->size && s->size > log->segment_bytes)
            log->segment_bytes = log->fit_bytes = s->size & ~4095u;
    }
}

static int directory_none(const directory *d, uint64_t id)
{
    ri_log *log = d->log;
    log->id = id;
    if (!d->unknown && !log->note.number) return RILL_OK;
    return ri_err(RILL_ECORRUPT, "%s: no segment of the log is there that can be read (%u damaged),"
                  " though there were some. Put its files back, or a copy; or move the"
                  " directory away, to begin anew with numbers that begin anew, too", log->dir,
                  d->unknown);
}

int ri_directory_read(ri_log *log, uint32_t *max_epoch, uint64_t *total_bytes)
{
    directory d = {.log = log, .max_epoch = max_epoch, .total_bytes = total_bytes};
    uint64_t id = log->id;
    log->id = 0;
    int os_rc = log->os->list(log->os->arg, log->dir, directory_name, &d);
    int rc = d.rc;
    if (rc == 0 && os_rc < 0)
        rc = ri_err_os(os_rc == -ENOENT ? RILL_ENOENT : RILL_EIO, -os_rc, "list %s", log->dir);
    if (rc == 0 && !log->id && log->note.number) log->id = log->note.log_id;
    d.second = true;
    for (uint32_t i = 0; rc == 0 && i < d.nagain; i++) rc = directory_file(&d, d.again[i]);
    ri_free(&log->host, d.again, d.cap_again * sizeof *d.again);
    directory_sort(&d);
    directory_cut(&d);
    directory_raise(log);
    if (rc == 0) directory_trim_spares(&d);
    if (rc == 0 && log->nsegments == 0) rc = directory_none(&d, id);
    if (d.removed) log->os->fsync_dir(log->os->arg, log->dir);
    return rc;
}
