/* SPDX-License-Identifier: Apache-2.0 */
/* Files under a log: one directory, a LOCK, and segment files of one size named by slot.
 *
 *              +--------+  ri_space_take()   +--------+   roll    +--------+
 *    create -->| spare  |------------------->| active |---------->| sealed |
 *              +--------+                    +--------+           +--------+
 *                  ^       wiped: header overwritten, synced          | emptied by the cleaner,
 *                  +--------------------------------------------------+ copies are on disk
 *
 * A wiped file is reused under the next number, so that overwriting, which syncs faster than
 * growing, is the usual case. One that a snapshot links to is unlinked instead. The wipe is
 * synced before anything forgets that the file's dead records are dead. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "store/log_private.h"

enum { SPACE_STEP = 1 << 20, SPACE_PATH = 4096 };

int ri_space_path(const ri_log *log, uint32_t slot, char *out, size_t cap)
{
    int n = snprintf(out, cap, "%s/%08x.seg", log->dir, slot);
    return n < 0 || (size_t)n >= cap ? ri_err(RILL_EINVAL, "the path %s is too long", log->dir)
                                     : RILL_OK;
}

static int space_code(int os_rc)
{
    return os_rc == -ENOSPC || os_rc == -EDQUOT || os_rc == -EFBIG ? RILL_EFULL : RILL_EIO;
}

int ri_space_open(ri_log *log)
{
    const ri_os *os = log->os;
    log->lock_fd = -1;
    if (log->read_only) return RILL_OK;
    int rc = os->mkdir(os->arg, log->dir, 0700);
    if (rc < 0 && rc != -EROFS) return ri_err_os(space_code(rc), -rc, "mkdir %s", log->dir);
    char path[SPACE_PATH];
    int n = snprintf(path, sizeof path, "%s/LOCK", log->dir);
    if (n < 0 || (size_t)n >= sizeof path) return ri_err(RILL_EINVAL, "the path is too long");
    int fd = os->open(os->arg, path, O_RDWR | O_CREAT, 0600);
    if (fd == -EROFS) {
        log->read_only = true;
        return RILL_OK;
    }
    if (fd < 0) return ri_err_os(space_code(fd), -fd, "open %s", path);
    if ((rc = os->lock(os->arg, fd)) < 0) {
        os->close(os->arg, fd);
        if (rc == -EWOULDBLOCK)
            return ri_err(RILL_EBUSY, "%s is open already, here or in another process", log->dir);
        return ri_err_os(RILL_EIO, -rc, "lock %s", path);
    }
    log->lock_fd = fd;
    return RILL_OK;
}

void ri_space_close(ri_log *log)
{
    if (log->growing) {
        char path[SPACE_PATH];
        log_segment *s = log->growing;
        if (s->fd >= 0) log->os->close(log->os->arg, s->fd);
        s->fd = -1;
        if (ri_space_path(log, s->slot, path, sizeof path) == 0)
            log->os->unlink(log->os->arg, path);
        ri_space_free_segment(log, s);
        log->growing = NULL;
    }
    if (log->lock_fd >= 0) {
        log->os->unlock(log->os->arg, log->lock_fd);
        log->os->close(log->os->arg, log->lock_fd);
    }
    log->lock_fd = -1;
}

log_segment *ri_space_segment(ri_log *log)
{
    log_segment *s = ri_new(&log->host, log_segment);
    if (s) s->fd = -1;
    return s;
}

void ri_space_drop_image(ri_log *log, log_segment *s)
{
    if (!s->image) return;
    log->image_bytes -= s->size;
    if (!log->image_spare && s->size == log->segment_bytes) {
        log->image_spare = s->image;
        log->image_bytes += s->size;
    } else {
        ri_free(&log->host, s->image, s->size);
    }
    s->image = NULL;
}

void ri_space_free_segment(ri_log *log, log_segment *s)
{
    const ri_host *host = &log->host;
    if (s->fd >= 0 && log->os) log->os->close(log->os->arg, s->fd);
    ri_space_drop_image(log, s);
    ri_cache_unmap(log, s);
    ri_cache_drop_names(log, s);
    ri_free(host, s->touched, s->cap_touched * sizeof *s->touched);
    ri_free(host, s->removals, s->cap_removals * sizeof *s->removals);
    ri_free(host, s->subjects, s->cap_subjects * sizeof *s->subjects);
    ri_free(host, s->tail, s->tail_bytes);
    ri_delete(host, s);
}

/* Close the file that was not used for the longest time, if many are open. */
static void space_close_old(ri_log *log)
{
    log_segment *oldest = NULL;
    uint32_t open = 0;
    for (uint32_t i = 0; i < log->nsegments; i++) {
        log_segment *s = log->segments[i];
        if (s->fd < 0) continue;
        open++;
        if (s->pins || s == log->active) continue;
        if (!oldest || s->used_at < oldest->used_at) oldest = s;
    }
    if (open < RI_LOG_FILES_MAX || !oldest) return;
    log->os->close(log->os->arg, oldest->fd);
    oldest->fd = -1;
}

int ri_space_fd(ri_log *log, log_segment *s)
{
    s->used_at = ++log->ticks;
    if (s->fd >= 0) return s->fd;
    char path[SPACE_PATH];
    int rc = ri_space_path(log, s->slot, path, sizeof path);
    if (rc < 0) return rc;
    space_close_old(log);
    int fd = log->os->open(log->os->arg, path, log->read_only ? O_RDONLY : O_RDWR, 0);
    if (fd == -EROFS || fd == -EACCES) fd = log->os->open(log->os->arg, path, O_RDONLY, 0);
    if (fd < 0) return ri_err_os(RILL_EIO, -fd, "open %s", path);
    s->fd = fd;
    return fd;
}

int ri_space_read(ri_log *log, log_segment *s, void *buf, uint32_t len, uint32_t position)
{
    if ((uint64_t)position + len > s->size)
        return ri_err(RILL_ECORRUPT, "%s/%08x.seg: position %u is beyond the file", log->dir,
                      s->slot, position);
    if (s->image) {
        memcpy(buf, s->image + position, len);
        return RILL_OK;
    }
    return ri_space_read_file(log, s, buf, len, position);
}

int ri_space_read_file(ri_log *log, log_segment *s, void *buf, uint32_t len, uint32_t position)
{
    int fd = ri_space_fd(log, s);
    if (fd < 0) return fd;
    for (uint32_t done = 0; done < len;) {
        ssize_t n = log->os->pread(log->os->arg, fd, (char *)buf + done, len - done,
                                   (uint64_t)position + done);
        if (n < 0)
            return ri_err_os(RILL_EIO, (int)-n, "read %s/%08x.seg at %u", log->dir, s->slot,
                             position + done);
        if (n == 0)
            return ri_err(RILL_ECORRUPT, "%s/%08x.seg ends at %u", log->dir, s->slot,
                          position + done);
        done += (uint32_t)n;
    }
    return RILL_OK;
}

char *ri_space_image(ri_log *log, uint32_t size)
{
    if (log->image_spare && size == log->segment_bytes) {
        char *image = log->image_spare;
        log->image_spare = NULL;
        return image;
    }
    char *image = ri_alloc(&log->host, size);
    if (image) log->image_bytes += size;
    return image;
}

int ri_space_write_all(const ri_os *os, int fd, const char *bytes, size_t len, uint64_t position)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = os->pwrite(os->arg, fd, bytes + done, len - done, position + done);
        if (n < 0) return (int)n;
        if (n == 0) return -EIO;
        done += (size_t)n;
    }
    return 0;
}

/* Begin a file under a new slot; nothing of it is durable. Returns fd or negative errno. */
static int space_create(ri_log *log, log_segment *s)
{
    char path[SPACE_PATH];
    if (ri_space_path(log, s->slot, path, sizeof path) < 0) return -ENAMETOOLONG;
    int fd = log->os->open(log->os->arg, path, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0) return fd;
    s->fd = fd;
    s->fresh = true;
    return fd;
}

static void space_uncreate(ri_log *log, log_segment *s)
{
    char path[SPACE_PATH];
    if (s->fd < 0) return;
    log->os->close(log->os->arg, s->fd);
    s->fd = -1;
    if (ri_space_path(log, s->slot, path, sizeof path) == 0) log->os->unlink(log->os->arg, path);
}

static int space_take_memory(ri_log *log, uint32_t size, log_segment **out)
{
    uint64_t budget = log->opts.budget_bytes;
    /* One segment is kept for the cleaner. */
    uint64_t kept = log->reserve ? 0 : log->segment_bytes;
    if (budget && log->image_bytes + size + kept > budget)
        return ri_err(RILL_EFULL, "the memory log holds %" PRIu64 " of its %" PRIu64
                      " bytes: budget_bytes", log->image_bytes, budget);
    log_segment *s = ri_space_segment(log);
    if (!s) return RILL_ENOMEM;
    s->image = ri_space_image(log, size);
    if (!s->image) {
        ri_space_free_segment(log, s);
        return RILL_ENOMEM;
    }
    s->size = size;
    *out = s;
    return RILL_OK;
}

/* Room for `to` bytes of the file. Zeros make later syncs cheap, which do not come where nothing
 * is synced before it is acknowledged. */
static int space_extend(ri_log *log, log_segment *s, uint64_t to)
{
    const ri_os *os = log->os;
    if (log->opts.level != RI_LEVEL_SYNCED) return os->reserve(os->arg, s->fd, to);
    return os->allocate(os->arg, s->fd, to);
}

int ri_space_take(ri_log *log, uint32_t size, log_segment **out)
{
    if (!log->os) return space_take_memory(log, size, out);
    char *image = ri_space_image(log, log->segment_bytes);
    if (!image) return RILL_ENOMEM;
    log_segment *s = NULL;
    int rc = 0;
    if (log->nspares) {
        s = log->spares[--log->nspares];
        rc = ri_space_fd(log, s);
    } else if ((s = ri_space_segment(log)) != NULL) {
        s->slot = log->next_slot++;
        s->size = log->segment_bytes;
        s->ground = !log->active || log->active->damaged;
        int os_rc = space_create(log, s);
        if (os_rc >= 0) os_rc = space_extend(log, s, s->size);
        if (os_rc < 0) {
            space_uncreate(log, s);
            rc = ri_err_os(space_code(os_rc), -os_rc, "reserve %u bytes in %s", s->size, log->dir);
        }
    } else {
        rc = RILL_ENOMEM;
    }
    if (rc >= 0) {
        s->image = image;
        *out = s;
        return RILL_OK;
    }
    if (s && s->fd >= 0) log->spares[log->nspares++] = s;
    else if (s) ri_space_free_segment(log, s);
    log->image_bytes -= log->segment_bytes;
    ri_free(&log->host, image, log->segment_bytes);
    return rc;
}

/* ---- The job's side: no owner's state is changed but the job's own ---- */

static int space_fail(ri_log *log, log_job *job, int os_rc, const char *what, const log_segment *s)
{
    int code = space_code(os_rc);
    ri_err_os(code, -os_rc, "%s %s/%08x.seg", what, log->dir, s->slot);
    snprintf(job->sentence, sizeof job->sentence, "%s", ri_err_text());
    return code;
}

static int space_put(ri_log *log, log_job *job, log_segment *s, const char *bytes, uint32_t len,
                     uint32_t position)
{
    int rc = ri_space_write_all(log->os, s->fd, bytes, len, position);
    if (rc < 0) {
        char what[64];
        snprintf(what, sizeof what, "write %u bytes at %u of", len, position);
        return space_fail(log, job, rc, what, s);
    }
    job->written_bytes += len;
    return RILL_OK;
}

static int space_sync(ri_log *log, log_job *job, log_segment *s)
{
    int rc = log->os->fdatasync(log->os->arg, s->fd);
    /* What is synced to a file without a name is gone when the file is closed. */
    if (rc >= 0 && log->os->links(log->os->arg, s->fd) == 0) rc = -ENOENT;
    if (rc >= 0 && s->fresh && (rc = log->os->fsync_dir(log->os->arg, log->dir)) >= 0)
        s->fresh = false;
    job->syncs++;
    if (rc >= 0) return RILL_OK;
    job->sync_failed = true;
    space_fail(log, job, rc, "sync", s);
    return RILL_EIO;
}

static int space_put_spare(ri_log *log, log_segment *s)
{
    char bytes[RI_SEGMENT_HEAD];
    ri_segment_put_spare(bytes, log->id, s->size);
    return ri_space_write_all(log->os, s->fd, bytes, sizeof bytes, 0);
}

/* A segment begins. Where no trailer of the one before it will say that it was whole, its file is
 * a durable spare first: once for a log, and behind a damaged segment. */
static int space_begin(ri_log *log, log_job *job, log_segment *s)
{
    int rc = RILL_OK;
    if (s->ground && s->fresh) {
        rc = space_put_spare(log, s);
        if (rc < 0) return space_fail(log, job, rc, "write the head of", s);
        if ((rc = space_sync(log, job, s)) < 0) return rc;
    }
    s->ground = false;
    rc = space_put(log, job, s, s->image, RI_SEGMENT_HEAD, s->size - RI_SEGMENT_TAIL);
    if (rc == 0) s->uncopied = false;
    return rc;
}

static int space_write(ri_log *log, log_job *job, log_write *w)
{
    log_segment *s = w->segment;
    int rc = w->sync_first ? space_sync(log, job, s) : RILL_OK;
    if (rc == 0 && (w->from == 0 || s->uncopied)) rc = space_begin(log, job, s);
    if (rc == 0) rc = space_put(log, job, s, s->image + w->from, w->to - w->from, w->from);
    if (rc < 0) return rc;
    if (!job->sync && w->to - s->hastened >= SPACE_STEP) { /* or the sync of the full one is long */
        log->os->hasten(log->os->arg, s->fd, s->hastened, w->to - s->hastened);
        s->hastened = w->to;
    }
    /* The next segment may be written only when the commits of this one are safe for ever. */
    return w->sync_after ? space_sync(log, job, s) : RILL_OK;
}

/* Footer, sync, trailer, sync: a trailer says that the footer is whole, and only a segment with
 * one may be cleaned, or have those behind it cleaned away. A damaged one gets none: of it nothing
 * may be left behind the end of its commits (recover.c). */
static int space_seal(ri_log *log, log_job *job, log_segment *s)
{
    uint32_t body = s->tail_bytes - RI_SEGMENT_TRAILER;
    int rc = space_put(log, job, s, s->tail, body, s->size - s->tail_bytes);
    if (rc < 0 || (rc = space_sync(log, job, s)) < 0) return rc;
    rc = space_put(log, job, s, s->tail + body, RI_SEGMENT_TRAILER, s->size - RI_SEGMENT_TRAILER);
    return rc < 0 ? rc : space_sync(log, job, s);
}

/* Only when the removal is safe, and the disk says so, may the bytes go: a commit with erased
 * records would else look torn. */
static int space_mark(ri_log *log, log_job *job)
{
    log_segment *s = job->mark;
    int rc = space_put(log, job, s, s->image + job->mark_at, RI_SEGMENT_COMMIT, job->mark_at);
    return rc < 0 ? rc : space_sync(log, job, s);
}

static int space_erase(ri_log *log, log_job *job, uint32_t i)
{
    log_erase *e = &job->erases[i];
    int rc = space_put(log, job, e->segment, e->bytes, e->length, e->position);
    return rc < 0 ? rc : space_sync(log, job, e->segment);
}

/* What tells which segment a file is, at its beginning and its end, goes: the file is a spare. */
static int space_wipe_file(ri_log *log, log_job *job, log_segment *s)
{
    char bytes[RI_SEGMENT_HEAD + RI_SEGMENT_COMMIT] = {0};
    int rc = space_put(log, job, s, bytes, RI_SEGMENT_TAIL, s->size - RI_SEGMENT_TAIL);
    ri_segment_put_spare(bytes, log->id, s->size);
    if (rc == 0) rc = space_put(log, job, s, bytes, sizeof bytes, 0);
    return rc < 0 ? rc : space_sync(log, job, s);
}

/* Make the file a spare, or remove it. */
static int space_wipe(ri_log *log, log_job *job, log_segment *s)
{
    const ri_os *os = log->os;
    char path[SPACE_PATH];
    int rc = os->links(os->arg, s->fd);
    if (rc < 0) return space_fail(log, job, rc, "stat", s);
    if (rc > 1 || job->room_spares == 0) {
        if (ri_space_path(log, s->slot, path, sizeof path) < 0) return RILL_EINVAL;
        if ((rc = os->unlink(os->arg, path)) < 0) return space_fail(log, job, rc, "unlink", s);
        if ((rc = os->fsync_dir(os->arg, log->dir)) < 0) {
            job->sync_failed = true;
            return space_fail(log, job, rc, "sync the directory of", s);
        }
        s->linked = s->wiped = true;
        return RILL_OK;
    }
    if ((rc = space_wipe_file(log, job, s)) < 0) return rc;
    job->room_spares--;
    s->wiped = true;
    return RILL_OK;
}

/* Work on the next spare: a megabyte of zeros at a time, so that no commit waits long for it. */
static void space_grow(ri_log *log, log_job *job)
{
    const ri_os *os = log->os;
    log_segment *s = job->spare;
    int rc = s->fd >= 0 ? 0 : space_create(log, s);
    int64_t size = rc < 0 ? rc : os->size(os->arg, s->fd);
    if (size >= 0) {
        uint64_t step = log->opts.level == RI_LEVEL_SYNCED ? SPACE_STEP : s->size;
        uint64_t to = RI_MIN((uint64_t)size + step, s->size);
        rc = space_extend(log, s, to);
        if (rc >= 0 && size == 0) rc = space_put_spare(log, s);
        if (rc >= 0) os->hasten(os->arg, s->fd, (uint64_t)size, to - (uint64_t)size);
        if (rc >= 0 && to == s->size) {
            rc = os->fdatasync(os->arg, s->fd);
            if (rc >= 0) rc = os->fsync_dir(os->arg, log->dir);
            if (rc >= 0) s->fresh = false;
        }
    } else {
        rc = (int)size;
    }
    job->spare_rc = rc;
    if (rc < 0) space_uncreate(log, s);
}

int ri_space_job_io(ri_log *log, log_job *job)
{
    int rc = RILL_OK;
    uint32_t i = 0;
    for (; i < job->nwipes && job->wipes[i]->leftover && rc >= 0; i++)
        rc = space_wipe(log, job, job->wipes[i]);
    for (uint32_t n = 0; n < job->nwrites && rc >= 0; n++)
        rc = space_write(log, job, &job->writes[n]);
    const log_write *last = job->nwrites ? &job->writes[job->nwrites - 1] : NULL;
    log_segment *unsynced = !last ? job->active : last->sync_after ? NULL : last->segment;
    if (rc >= 0 && job->sync && unsynced) rc = space_sync(log, job, unsynced);
    if (rc >= 0 && job->mark) rc = space_mark(log, job);
    for (uint32_t n = 0; n < job->nerases && rc >= 0; n++) rc = space_erase(log, job, n);
    for (uint32_t n = 0; n < job->nseals && rc >= 0; n++) rc = space_seal(log, job, job->seals[n]);
    if (rc >= 0 && job->nseals) ri_note_write(log, &job->note, false);
    for (; i < job->nwipes && rc >= 0; i++) rc = space_wipe(log, job, job->wipes[i]);
    if (rc >= 0 && job->spare) space_grow(log, job);
    return rc;
}

/* ---- The owner's side ---- */

bool ri_space_job_wants(ri_log *log)
{
    if (!log->os || log->nspares || !log->active) return false;
    if (log->growing) return true;
    if (log->active->end < log->active->size / 4) return false;
    if (ri_log_array(&log->host, &log->spares, &log->cap_spares,
                     log->nspares + RI_LOG_SPARES_MAX + 1, sizeof *log->spares) < 0)
        return false;
    log_segment *s = ri_space_segment(log);
    if (!s) return false;
    s->slot = log->next_slot++;
    s->size = log->segment_bytes;
    log->growing = s;
    return true;
}

static void space_forget(ri_log *log, log_segment *gone)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < log->nsegments; i++)
        if (log->segments[i] != gone) log->segments[kept++] = log->segments[i];
    log->nsegments = kept;
}

/* A wiped segment becomes a spare with nothing but its file. */
static void space_recycle(ri_log *log, log_segment *s)
{
    log_segment *spare = NULL;
    space_forget(log, s);
    ri_damage_forget(log, s->slot);
    log->nleft -= s->left;
    if (log->stale && !ri_log_segment_at(log, log->stale)) log->stale = 0;
    if (log->os && !s->linked &&
        ri_log_array(&log->host, &log->spares, &log->cap_spares, log->nspares + 1,
                     sizeof *log->spares) == 0 &&
        (spare = ri_space_segment(log)) != NULL) {
        spare->slot = s->slot;
        spare->fd = s->fd;
        spare->size = s->size;
        s->fd = -1;
        log->spares[log->nspares++] = spare;
    }
    ri_space_free_segment(log, s);
    log->stats.cleaned++;
}

void ri_space_job_end(ri_log *log, log_job *job)
{
    for (uint32_t i = 0; i < job->nwipes; i++) {
        job->wipes[i]->pins--;
        if (job->wipes[i]->wiped) space_recycle(log, job->wipes[i]);
    }
    job->nwipes = 0;
    if (!job->spare) return;
    int64_t size = job->spare_rc < 0 ? 0 : log->os->size(log->os->arg, job->spare->fd);
    if (job->spare_rc < 0) {
        ri_space_free_segment(log, job->spare);
        log->growing = NULL;
    } else if (size >= (int64_t)job->spare->size) {
        log->spares[log->nspares++] = job->spare;
        log->growing = NULL;
    }
    job->spare = NULL;
}
