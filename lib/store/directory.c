/* SPDX-License-Identifier: Apache-2.0 */
/* Which files are there, which segments they are, and in what order: the headers alone are read.
 *
 * A segment takes no more bytes than its file has, whatever its header says; only the last one
 * may be shorter than it says without harm, since a power loss may have taken the end of a file
 * that was being made; who opens the log to write makes it whole (recover.c). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "store/log_private.h"

typedef struct directory {
    ri_log *log;
    uint32_t *max_epoch;    /* seen in any header */
    uint64_t *total_bytes;  /* of all segments */
    uint32_t *again;        /* slots of files with a damaged header */
    uint32_t nagain, cap_again;
    int rc;                 /* of the walk */
} directory;

static bool directory_is_spare(const char *head)
{
    int zeros = 0;
    for (int i = 0; i < RI_SEGMENT_HEAD; i++) zeros += head[i] == 0;
    return zeros >= RI_SEGMENT_HEAD - 8;
}

/* The segment header is damaged. One flipped bit is found by trying; else the header of the first
 * commit says the number, if another segment has told the id of the log. */
static int directory_identify(ri_log *log, log_segment *s, const char *bytes, ri_segment_head *head)
{
    char copy[RI_SEGMENT_HEAD];
    memcpy(copy, bytes, sizeof copy);
    for (unsigned bit = 0; bit < RI_SEGMENT_HEAD * 8; bit++) {
        copy[bit / 8] = (char)(copy[bit / 8] ^ 1 << bit % 8);
        if (ri_segment_get_head(copy, head) == 0 && (!log->id || head->log_id == log->id)) return 0;
        copy[bit / 8] = (char)(copy[bit / 8] ^ 1 << bit % 8);
    }
    ri_segment_commit c;
    uint64_t number = ri_segment_u64(bytes + RI_SEGMENT_HEAD + 8);
    uint32_t seed = ri_segment_seed(log->id, number);
    if (!log->id || ri_segment_get_commit(bytes + RI_SEGMENT_HEAD, seed, &c) < 0) return -1;
    *head = (ri_segment_head){.log_id = log->id, .number = number, .size = s->size,
                              .first_commit = c.number, .chain = c.prev, .epoch = c.epoch};
    return 0;
}

static int directory_take_spare(ri_log *log, log_segment *s)
{
    int rc = ri_log_array(&log->host, &log->spares, &log->cap_spares,
                          log->nspares + RI_LOG_SPARES_MAX + 1, sizeof *log->spares);
    if (rc < 0) ri_space_free_segment(log, s);
    else log->spares[log->nspares++] = s;
    return rc;
}

/* Spares beyond what is kept, or of another size, go: once the directory has been read. */
static void directory_trim_spares(ri_log *log)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < log->nspares; i++) {
        log_segment *s = log->spares[i];
        if (s->size == log->segment_bytes && kept < RI_LOG_SPARES_MAX) {
            log->spares[kept++] = s;
            continue;
        }
        char path[4096];
        if (!log->read_only && ri_space_path(log, s->slot, path, sizeof path) == 0)
            log->os->unlink(log->os->arg, path);
        ri_space_free_segment(log, s);
    }
    log->nspares = kept;
}

static int directory_order(const void *a, const void *b)
{
    const log_segment *x = *(log_segment *const *)a, *y = *(log_segment *const *)b;
    if (x->number != y->number) return x->number < y->number ? -1 : 1;
    if (x->damaged != y->damaged) return x->damaged ? 1 : -1;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

static void directory_cut(ri_log *log, log_segment *s, bool last)
{
    uint32_t most = last ? RI_MAX(s->there, log->segment_bytes) : s->there;
    if (s->size <= most) return;
    ri_log_damage_at(log, s, &(ri_damage){.position = s->there},
                     "the file ends at %u, not at %u as its header says", s->there, s->size);
    s->size = most;
    s->damaged = true; /* it is only read: what it says of its size cannot be kept */
}

/* Put the segments in order; of two with one number, the better counts. */
static void directory_sort(directory *d)
{
    ri_log *log = d->log;
    uint32_t kept = 0;
    if (log->nsegments) qsort(log->segments, log->nsegments, sizeof *log->segments, directory_order);
    for (uint32_t i = 0; i < log->nsegments; i++) {
        log_segment *s = log->segments[i];
        if (kept && log->segments[kept - 1]->number == s->number) {
            ri_log_damage_at(log, s, &(ri_damage){0},
                             "segment %" PRIu64 " is there twice: left out", s->number);
            ri_space_free_segment(log, s);
            continue;
        }
        log->segments[kept++] = s;
    }
    log->nsegments = kept;
    for (uint32_t i = 0; i < kept; i++) {
        directory_cut(log, log->segments[i], i + 1 == kept);
        *d->total_bytes += log->segments[i]->size;
    }
}

static int directory_add(ri_log *log, log_segment *s)
{
    int rc = ri_log_array(&log->host, &log->segments, &log->cap_segments, log->nsegments + 1,
                          sizeof *log->segments);
    if (rc < 0) ri_space_free_segment(log, s);
    else log->segments[log->nsegments++] = s;
    return rc;
}

/* Look at one file. Those whose header is damaged wait for a second round, when the id of the
 * log is known: RILL_EAGAIN. */
static int directory_file(directory *d, uint32_t slot, bool second)
{
    ri_log *log = d->log;
    log_segment *s = ri_space_segment(log);
    if (!s) return RILL_ENOMEM;
    s->slot = slot;
    s->size = UINT32_MAX;
    int fd = ri_space_fd(log, s);
    int64_t size = fd < 0 ? fd : log->os->size(log->os->arg, fd);
    char bytes[RI_SEGMENT_HEAD + RI_SEGMENT_COMMIT] = {0};
    ri_segment_head head;
    int rc = fd < 0 ? fd : size < 0 ? ri_err_os(RILL_EIO, (int)-size, "size of %08x.seg", slot) : 0;
    if (rc == 0 && size >= (int64_t)sizeof bytes) rc = ri_space_read(log, s, bytes, sizeof bytes, 0);
    s->size = (uint32_t)RI_MIN(size, INT32_MAX);
    if (rc == 0 && directory_is_spare(bytes)) return directory_take_spare(log, s);
    if (rc == 0) rc = ri_segment_get_head(bytes, &head);
    if (rc == RILL_ENOTSUP) ri_err_wrap(rc, "%s/%08x.seg", log->dir, slot);
    if (rc == RILL_ECORRUPT) {
        rc = second && directory_identify(log, s, bytes, &head) == 0 ? RILL_OK : RILL_EAGAIN;
        if (second)
            ri_log_damage_at(log, s, &(ri_damage){0}, "the segment header is damaged%s",
                             rc ? ", and nothing tells which segment it is: left out" : "");
        s->damaged = true;
    } else if (rc == 0 && log->id && head.log_id != log->id) {
        ri_log_damage_at(log, s, &(ri_damage){0}, "it belongs to another log: left out");
        rc = RILL_EAGAIN;
    }
    if (rc == 0 && (head.size > INT32_MAX || head.size < RI_LOG_SEGMENT_MIN))
        rc = ri_err(RILL_ECORRUPT, "%s/%08x.seg: a size of %" PRIu64, log->dir, slot, head.size);
    if (rc < 0) {
        ri_space_free_segment(log, s);
        return rc;
    }
    log->id = head.log_id;
    s->number = head.number;
    s->size = (uint32_t)head.size;
    s->there = (uint32_t)RI_MIN(size, INT32_MAX);
    s->seed = ri_segment_seed(log->id, s->number);
    s->first_commit = head.first_commit;
    s->first_chain = head.chain;
    *d->max_epoch = RI_MAX(*d->max_epoch, head.epoch);
    return directory_add(log, s);
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
    int rc = directory_file(d, slot, false);
    if (rc == RILL_EAGAIN) {
        rc = ri_log_array(&log->host, &d->again, &d->cap_again, d->nagain + 1, sizeof *d->again);
        if (rc == 0) d->again[d->nagain++] = slot;
    }
    d->rc = rc;
    return rc;
}

int ri_directory_read(ri_log *log, uint32_t *max_epoch, uint64_t *total_bytes)
{
    directory d = {.log = log, .max_epoch = max_epoch, .total_bytes = total_bytes};
    uint64_t id = log->id;
    log->id = 0;
    int os_rc = log->os->list(log->os->arg, log->dir, directory_name, &d);
    int rc = d.rc;
    if (rc == 0 && os_rc < 0) rc = ri_err_os(os_rc == -ENOENT ? RILL_ENOENT : RILL_EIO, -os_rc, "list %s",
                                            log->dir);
    for (uint32_t i = 0; rc == 0 && i < d.nagain; i++) {
        rc = directory_file(&d, d.again[i], true);
        if (rc == RILL_EAGAIN) rc = RILL_OK;
    }
    ri_free(&log->host, d.again, d.cap_again * sizeof *d.again);
    if (rc == 0) directory_trim_spares(log);
    directory_sort(&d);
    if (log->nsegments == 0) log->id = id;
    return rc;
}
