/* SPDX-License-Identifier: Apache-2.0 */
/* Files under a log: one directory, a LOCK, and segment files named by slot.
 *
 *              +--------+  ri_space_take()   +--------+   roll    +--------+
 *    create -->| spare  |------------------->| active |---------->| sealed |
 *              +--------+                    +--------+           +--------+
 *                  ^       wiped: header overwritten, synced          | emptied by the cleaner,
 *                  +--------------------------------------------------+ copies are on disk
 *
 * Files are as large as the log's segments shall be, or, where the disk has little room left, of a
 * quarter of that: so there are always several, of which one may be emptied. Such a small one is
 * removed when it is empty, which makes room for a larger one.
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
#include "store/log/log_private.h"

enum {
    SPACE_STEP = 1 << 20,
    SPACE_FIRST = 1 << 16,
    SPACE_PATH = 4096,
    SPACE_NOISE = 0xa5,
    SPACE_ODD = 64, /* bytes that keep a size from being one of whole huge pages */
};

int ri_space_path(const ri_log *log, uint32_t slot, char *out, size_t cap)
{
    RI_ASSERT(out && cap > 0);
    int n = snprintf(out, cap, "%s/%08x.seg", log->dir, slot);
    return n < 0 || (size_t)n >= cap ? ri_err(RILL_EINVAL, "the path %s is too long", log->dir)
                                     : RILL_OK;
}

static int space_code(int os_rc)
{
    RI_ASSERT(os_rc < 0);
    return os_rc == -ENOSPC || os_rc == -EDQUOT || os_rc == -EFBIG ? RILL_EFULL : RILL_EIO;
}

/* Take the lock; the descriptor is the log's from then on. */
static int space_lock(ri_log *log, int fd, const char *path)
{
    const ri_os *os = log->os;
    int rc = os->lock(os->arg, fd);
    if (rc < 0) {
        os->close(os->arg, fd);
        if (rc == -EWOULDBLOCK)
            return ri_err(RILL_EBUSY, "%s is open already, here or in another process", log->dir);
        return ri_err_os(RILL_EIO, -rc, "lock %s", path);
    }
    log->lock_fd = fd;
    return RILL_OK;
}

/* Files that somebody writes meanwhile would look damaged. Where no LOCK is to be had, nobody has
 * the log open. */
static int space_open_to_read(ri_log *log)
{
    char path[SPACE_PATH];
    int n = snprintf(path, sizeof path, "%s/LOCK", log->dir);
    if (n < 0 || (size_t)n >= sizeof path) return ri_err(RILL_EINVAL, "the path is too long");
    int fd = log->os->open(log->os->arg, path, O_RDONLY, 0);
    return fd < 0 ? RILL_OK : space_lock(log, fd, path);
}

int ri_space_open(ri_log *log)
{
    const ri_os *os = log->os;
    log->lock_fd = -1;
    if (log->read_only) return space_open_to_read(log);
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
    rc = space_lock(log, fd, path);
    if (rc == RILL_OK) ri_space_keep(log);
    return rc;
}

/* ---- Descriptors ---- */

/* A process may run out of descriptors. The log then closes what it does not need at the moment,
 * and it has one for its owner and one for the job that it opened ahead, to give up. */
void ri_space_keep(ri_log *log)
{
    for (size_t i = 0; i < RI_LEN(log->kept_fds); i++) {
        if (ri_likely(log->kept_fds[i] >= 0)) continue;
        int fd = log->os->open(log->os->arg, log->dir, O_RDONLY, 0);
        log->kept_fds[i] = fd < 0 ? -1 : fd;
    }
}

static bool space_is_short(int os_rc)
{
    return os_rc == -EMFILE || os_rc == -ENFILE;
}

static bool space_give_up(ri_log *log, size_t who)
{
    RI_ASSERT(who < RI_LEN(log->kept_fds));
    if (log->kept_fds[who] < 0) return false;
    log->os->close(log->os->arg, log->kept_fds[who]);
    log->kept_fds[who] = -1;
    return true;
}

/* Close the file that was not used for the longest time, if so many are open. */
static bool space_close_old(ri_log *log, uint32_t most)
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
    if (open < most || !oldest) return false;
    log->os->close(log->os->arg, oldest->fd);
    oldest->fd = -1;
    return true;
}

/* By the owner. */
static int space_open(ri_log *log, const char *path, int flags)
{
    int fd;
    do fd = log->os->open(log->os->arg, path, flags, 0600);
    while (space_is_short(fd) &&
           (space_close_old(log, 0) || space_give_up(log, RI_LOG_KEPT_OWNER)));
    return fd;
}

/* By the job. The descriptor that it took is kept again at once. */
static int space_sync_dir(ri_log *log)
{
    const ri_os *os = log->os;
    int rc = os->fsync_dir(os->arg, log->dir);
    if (!space_is_short(rc) || !space_give_up(log, RI_LOG_KEPT_JOB)) return rc;
    rc = os->fsync_dir(os->arg, log->dir);
    int fd = os->open(os->arg, log->dir, O_RDONLY, 0);
    log->kept_fds[RI_LOG_KEPT_JOB] = fd < 0 ? -1 : fd;
    return rc;
}

static void space_uncreate(ri_log *log, log_segment *s)
{
    char path[SPACE_PATH];
    if (s->fd < 0) return;
    log->os->close(log->os->arg, s->fd);
    s->fd = -1;
    if (ri_space_path(log, s->slot, path, sizeof path) == 0) log->os->unlink(log->os->arg, path);
}

/* The spare that is being made takes the room that is needed now. */
static bool space_abandon(ri_log *log)
{
    log_segment *s = log->growing;
    if (!s || log->job.busy) return false;
    space_uncreate(log, s);
    ri_space_free_segment(log, s);
    log->growing = NULL;
    return true;
}

void ri_space_close(ri_log *log)
{
    for (size_t i = 0; i < RI_LEN(log->kept_fds); i++) space_give_up(log, i);
    space_abandon(log);
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

/* The allocator takes huge pages for what has the size of some of them. */
static size_t space_image_bytes(uint32_t size, bool small_pages)
{
    return (size_t)size + (small_pages ? SPACE_ODD : 0);
}

void ri_space_drop_image(ri_log *log, log_segment *s)
{
    if (!s->image) return;
    RI_ASSERT(log->image_bytes >= s->size);
    log->image_bytes -= s->size;
    if (!log->image_spare && s->size == log->segment_bytes && !s->image_is_small) {
        log->image_spare = s->image;
        log->image_bytes += s->size;
    } else {
        ri_free(&log->host, s->image, space_image_bytes(s->size, s->image_is_small));
    }
    s->image = NULL;
}

void ri_space_free_segment(ri_log *log, log_segment *s)
{
    RI_ASSERT(s->pins == 0);
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

int ri_space_fd(ri_log *log, log_segment *s)
{
    RI_ASSERT(log->os);
    s->used_at = ++log->ticks;
    if (s->fd >= 0) return s->fd;
    char path[SPACE_PATH];
    int rc = ri_space_path(log, s->slot, path, sizeof path);
    if (rc < 0) return rc;
    space_close_old(log, RI_LOG_FILES_MAX);
    int fd = space_open(log, path, log->read_only ? O_RDONLY : O_RDWR);
    if (fd == -EROFS || fd == -EACCES) fd = space_open(log, path, O_RDONLY);
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

bool ri_space_is_unreadable(ssize_t os_rc)
{
    return os_rc == -EIO || os_rc == -ENODATA || os_rc == -EILSEQ || os_rc == -EBADMSG;
}

ssize_t ri_space_read_block(const ri_os *os, int fd, char *buf, uint32_t len, uint32_t at,
                            int *os_rc)
{
    RI_ASSERT(len > 0 && fd >= 0);
    uint32_t n = RI_MIN(len, RI_SPACE_BLOCK - at % RI_SPACE_BLOCK);
    ssize_t got = os->pread(os->arg, fd, buf, n, at);
    *os_rc = ri_space_is_unreadable(got) ? (int)got : 0;
    if (*os_rc == 0) return got;
    memset(buf, SPACE_NOISE, n);
    return n;
}

static ssize_t space_read_around(ri_log *log, log_segment *s, char *buf, uint32_t len, uint32_t at)
{
    int os_rc;
    uint32_t from = at - at % RI_SPACE_BLOCK, end = from + RI_SPACE_BLOCK;
    ssize_t n = ri_space_read_block(log->os, s->fd, buf, len, at, &os_rc);
    if (os_rc < 0 && log->nknown < RI_LOG_KNOWN_MAX)
        ri_log_damage_at(log, s, &(ri_damage){.position = from, .end = end},
                         "bytes %u to %u cannot be read: %s", from, end - 1, strerror(-os_rc));
    return n;
}

/* `around`: a block that cannot be read is damage, and no failure. */
static int space_read(ri_log *log, log_segment *s, void *buf, uint32_t len, uint32_t position,
                      bool around, uint32_t *got)
{
    *got = 0;
    int fd = ri_space_fd(log, s);
    if (fd < 0) return fd;
    while (*got < len) {
        uint32_t at = position + *got;
        char *to = (char *)buf + *got;
        ssize_t n = log->os->pread(log->os->arg, fd, to, len - *got, at);
        if (around && ri_space_is_unreadable(n))
            n = space_read_around(log, s, to, len - *got, at);
        if (n < 0)
            return ri_err_os(RILL_EIO, (int)-n, "read %s/%08x.seg at %u%s", log->dir, s->slot, at,
                             log->opening ? " (a salvage reads around it)" : "");
        if (n == 0) break;
        *got += (uint32_t)n;
    }
    return RILL_OK;
}

static int space_read_all(ri_log *log, log_segment *s, void *buf, uint32_t len, uint32_t position,
                          bool around)
{
    uint32_t got;
    int rc = space_read(log, s, buf, len, position, around, &got);
    if (rc < 0 || got == len) return rc;
    return ri_err(RILL_ECORRUPT, "%s/%08x.seg ends at %u", log->dir, s->slot, position + got);
}

int ri_space_read_some(ri_log *log, log_segment *s, void *buf, uint32_t len, uint32_t position,
                       uint32_t *got)
{
    return space_read(log, s, buf, len, position, log->read_only, got);
}

int ri_space_read_file(ri_log *log, log_segment *s, void *buf, uint32_t len, uint32_t position)
{
    return space_read_all(log, s, buf, len, position, log->read_only);
}

int ri_space_read_around(ri_log *log, log_segment *s, void *buf, uint32_t len, uint32_t position)
{
    return space_read_all(log, s, buf, len, position, true);
}

bool ri_space_image(ri_log *log, log_segment *s)
{
    RI_ASSERT(s->size > 0 && !s->image);
    s->image_is_small = false;
    if (log->image_spare && s->size == log->segment_bytes) {
        s->image = log->image_spare;
        log->image_spare = NULL;
        return true;
    }
    /* A batch that goes on in another segment puts nothing but heads into it, inside the gate: the
     * kernel must not clear there all that lies between them. Nor all of the first one, of a log
     * that holds little. */
    s->image_is_small = log->image_bytes == 0 || (log->parts > 0 && log->fills.n > 0);
    s->image = ri_alloc(&log->host, space_image_bytes(s->size, s->image_is_small));
    if (s->image) log->image_bytes += s->size;
    return s->image != NULL;
}

int ri_space_write_all(const ri_os *os, int fd, const char *bytes, size_t len, uint64_t position)
{
    RI_ASSERT(fd >= 0 && bytes);
    for (size_t done = 0; done < len;) {
        ssize_t n = os->pwrite(os->arg, fd, bytes + done, len - done, position + done);
        if (n < 0) return (int)n;
        if (n == 0) return -EIO;
        done += (size_t)n;
    }
    return 0;
}

/* Begin a file under a new slot; nothing of it is durable. Returns fd or negative errno. */
static int space_create(ri_log *log, log_segment *s, bool by_owner)
{
    char path[SPACE_PATH];
    int flags = O_RDWR | O_CREAT | O_EXCL;
    if (ri_space_path(log, s->slot, path, sizeof path) < 0) return -ENAMETOOLONG;
    int fd = by_owner ? space_open(log, path, flags)
                      : log->os->open(log->os->arg, path, flags, 0600);
    if (fd < 0) return fd;
    s->fd = fd;
    s->fresh = true;
    return fd;
}

static int space_take_memory(ri_log *log, uint32_t least, log_segment **out)
{
    uint32_t size = RI_MAX(log->segment_bytes, (uint32_t)RI_ALIGN(least, 4096));
    uint64_t budget = log->opts.budget_bytes;
    /* One segment is kept for the cleaner. */
    uint64_t kept = log->reserve ? 0 : log->segment_bytes;
    if (budget && log->image_bytes + size + kept > budget)
        return ri_err(RILL_EFULL, "the memory log holds %" PRIu64 " of its %" PRIu64
                      " bytes: budget_bytes", log->image_bytes, budget);
    log_segment *s = ri_space_segment(log);
    if (!s) return RILL_ENOMEM;
    s->size = size;
    if (!ri_space_image(log, s)) {
        ri_space_free_segment(log, s);
        return RILL_ENOMEM;
    }
    *out = s;
    return RILL_OK;
}

/* Room for `to` bytes of a spare. Zeros make later syncs cheap, which do not come where nothing
 * is synced before it is acknowledged. */
static int space_extend(ri_log *log, log_segment *s, uint64_t to)
{
    RI_ASSERT(s->fd >= 0);
    const ri_os *os = log->os;
    if (log->opts.safety != RI_SAFETY_SYNCED) return os->reserve(os->arg, s->fd, to);
    return os->allocate(os->arg, s->fd, to);
}

static int64_t space_room(const ri_log *log)
{
    const ri_os *os = log->os;
    int64_t room = os->room ? os->room(os->arg, log->dir) : -ENOSYS;
    return room < 0 ? INT64_MAX : room; /* it is not known */
}

/* The next smaller size of a file that needs `least` bytes; the same if there is none. */
static uint32_t space_smaller(uint32_t size, uint32_t least)
{
    RI_ASSERT(size > 0);
    uint32_t half = size / 2 & ~4095u;
    return half >= least ? half : RI_MIN(size, (uint32_t)RI_ALIGN(least, 4096));
}

/* How large a new file shall be that needs `least` bytes, and may have `most`. */
static uint32_t space_fit(const ri_log *log, uint32_t least, uint32_t most)
{
    int64_t room = space_room(log);
    uint32_t size = most, smaller;
    while (size > room / 4 && (smaller = space_smaller(size, least)) < size) size = smaller;
    return size;
}

static bool space_is_full(int os_rc)
{
    return os_rc == -ENOSPC || os_rc == -EDQUOT;
}

/* The owner waits for it: it has its room, and the job writes the zeros (space_lay). */
static int space_make(ri_log *log, log_segment *s)
{
    int rc = space_create(log, s, true);
    if (rc >= 0) rc = log->os->reserve(log->os->arg, s->fd, s->size);
    if (rc < 0) space_uncreate(log, s);
    s->bare = rc >= 0 && log->opts.safety == RI_SAFETY_SYNCED;
    return rc;
}

/* A new file: where there is no room for it, a quarter of it. */
static int space_take_new(ri_log *log, uint32_t least, log_segment **out)
{
    log_segment *s = ri_space_segment(log);
    if (!s) return RILL_ENOMEM;
    s->slot = log->next_slot++;
    s->ground = !log->active || log->active->damaged;
    s->size = space_fit(log, least, RI_MAX(log->fit_bytes, (uint32_t)RI_ALIGN(least, 4096)));
    int os_rc = space_make(log, s);
    while (space_is_full(os_rc)) {
        uint32_t smaller = space_smaller(space_smaller(s->size, least), least);
        if (smaller == s->size && !space_abandon(log)) break;
        log->fit_bytes = RI_MIN(log->fit_bytes, smaller);
        s->size = smaller;
        os_rc = space_make(log, s);
    }
    *out = s;
    if (os_rc >= 0) return RILL_OK;
    return ri_err_os(space_code(os_rc), -os_rc, "reserve %u bytes in %s", s->size, log->dir);
}

/* A spare that is large enough, or NULL. */
static log_segment *space_take_spare(ri_log *log, uint32_t least)
{
    for (uint32_t i = log->nspares; i-- > 0;) {
        log_segment *s = log->spares[i];
        if (s->size < least) continue;
        log->spares[i] = log->spares[--log->nspares];
        return s;
    }
    return NULL;
}

static void space_put_back(ri_log *log, log_segment *s)
{
    RI_ASSERT(log->nspares < log->cap_spares || s->fd < 0 || s->fresh);
    if (s->fd >= 0 && !s->fresh) {
        log->spares[log->nspares++] = s;
        return;
    }
    space_uncreate(log, s);
    ri_space_free_segment(log, s);
}

int ri_space_take(ri_log *log, uint32_t least, log_segment **out)
{
    RI_ASSERT(least > 0);
    if (!log->os) return space_take_memory(log, least, out);
    least = RI_MIN(RI_MAX(least, (uint32_t)RI_LOG_SEGMENT_LEAST), log->segment_bytes);
    log_segment *s = space_take_spare(log, least);
    int rc = s ? ri_space_fd(log, s) : space_take_new(log, least, &s);
    if (rc >= 0 && !ri_space_image(log, s)) rc = RILL_ENOMEM;
    if (rc >= 0) *out = s;
    else if (s) space_put_back(log, s);
    return RI_MIN(rc, 0);
}

/* ---- The job's side: no owner's state is changed but the job's own ---- */

static int space_fail(const ri_log *log, int os_rc, const char *what, const log_segment *s)
{
    RI_ASSERT(os_rc < 0);
    return ri_err_os(space_code(os_rc), -os_rc, "%s %s/%08x.seg", what, log->dir, s->slot);
}

static int space_put(ri_log *log, log_job *job, log_segment *s, const char *bytes, uint32_t len,
                     uint32_t position)
{
    RI_ASSERT((uint64_t)position + len <= s->size);
    int rc = ri_space_write_all(log->os, s->fd, bytes, len, position);
    if (rc < 0) {
        char what[64];
        snprintf(what, sizeof what, "write %u bytes at %u of", len, position);
        return space_fail(log, rc, what, s);
    }
    job->written_bytes += len;
    return RILL_OK;
}

static int space_sync(ri_log *log, log_job *job, log_segment *s)
{
    RI_ASSERT(s->fd >= 0);
    int rc = log->os->fdatasync(log->os->arg, s->fd);
    /* What is synced to a file without a name is gone when the file is closed. */
    if (rc >= 0 && log->os->links(log->os->arg, s->fd) == 0) rc = -ENOENT;
    if (rc >= 0 && s->fresh && (rc = space_sync_dir(log)) >= 0) s->fresh = false;
    job->syncs++;
    if (rc >= 0) return RILL_OK;
    job->sync_failed = !space_is_short(rc); /* for want of a descriptor: it is tried again */
    space_fail(log, rc, "sync", s);
    return RILL_EIO;
}

static int space_put_spare(ri_log *log, log_segment *s)
{
    char bytes[RI_SEGMENT_HEAD];
    ri_segment_put_spare(bytes, log->id, s->size);
    return ri_space_write_all(log->os, s->fd, bytes, sizeof bytes, 0);
}

/* How far ahead of `to` zeros are written: a log that holds little begins with little of them. */
static uint32_t space_stride(uint32_t to)
{
    return to < SPACE_STEP / 4 ? RI_MAX(4 * to, (uint32_t)SPACE_FIRST) : SPACE_STEP;
}

/* A file without zeros gets them a step ahead of what is written, so that the syncs of the next
 * commits are cheap. */
static int space_lay(const ri_log *log, log_segment *s, uint32_t to)
{
    RI_ASSERT(to <= s->size);
    uint32_t step = space_stride(to);
    if (!s->bare || (uint64_t)to + step / 2 <= s->laid) return RILL_OK;
    uint64_t from = RI_MAX(to, s->laid);
    s->laid = (uint32_t)RI_MIN((uint64_t)to + step, s->size - RI_SEGMENT_TAIL);
    int rc = from < s->laid ? log->os->zero(log->os->arg, s->fd, from, s->laid) : 0;
    return rc < 0 ? space_fail(log, rc, "write zeros to", s) : RILL_OK;
}

/* Where no trailer of the one before it will say that a segment was whole, its file is a durable
 * spare first: once for a log, and behind a damaged segment. The sync of a new file, which takes
 * long, is also that of the zeros for its first commits and of the place of the copy: behind it
 * syncs are cheap. */
static int space_found(ri_log *log, log_job *job, log_segment *s)
{
    const char tail[RI_SEGMENT_TAIL] = {0};
    uint32_t tail_at = s->size - RI_SEGMENT_TAIL;
    int rc = space_put_spare(log, s);
    if (rc < 0) return space_fail(log, rc, "write the head of", s);
    rc = space_lay(log, s, RI_SEGMENT_HEAD);
    if (rc == 0 && s->bare) rc = space_put(log, job, s, tail, RI_SEGMENT_TAIL, tail_at);
    return rc < 0 ? rc : space_sync(log, job, s);
}

/* A segment begins. */
static int space_begin(ri_log *log, log_job *job, log_segment *s)
{
    int rc = ri_log_is_unfounded(s) ? space_found(log, job, s) : RILL_OK;
    if (rc < 0) return rc;
    s->ground = false;
    return space_put(log, job, s, s->image, RI_SEGMENT_HEAD, s->size - RI_SEGMENT_TAIL);
}

static int space_write(ri_log *log, log_job *job, log_write *w)
{
    RI_ASSERT(w->from <= w->to && w->to <= w->segment->size);
    log_segment *s = w->segment;
    int rc = w->sync_first ? space_sync(log, job, s) : RILL_OK;
    if (rc == 0 && (w->from == 0 || s->uncopied)) rc = space_begin(log, job, s);
    if (rc == 0) rc = space_lay(log, s, w->to);
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
    RI_ASSERT(s->tail && s->tail_bytes > RI_SEGMENT_TRAILER);
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
    RI_ASSERT(job->mark && job->mark->image);
    log_segment *s = job->mark;
    int rc = space_put(log, job, s, s->image + job->mark_at, RI_SEGMENT_COMMIT, job->mark_at);
    return rc < 0 ? rc : space_sync(log, job, s);
}

static int space_erase(ri_log *log, log_job *job, uint32_t i)
{
    RI_ASSERT(i < job->nerases);
    log_erase *e = &job->erases[i];
    int rc = space_put(log, job, e->segment, e->bytes, e->length, e->position);
    return rc < 0 ? rc : space_sync(log, job, e->segment);
}

/* What says which segment a file is, at its beginning and its end, goes: the file is a spare. */
static int space_wipe_file(ri_log *log, log_job *job, log_segment *s)
{
    RI_ASSERT(s->size >= RI_SEGMENT_TAIL);
    char bytes[RI_SEGMENT_HEAD + RI_SEGMENT_COMMIT] = {0};
    int rc = space_put(log, job, s, bytes, RI_SEGMENT_TAIL, s->size - RI_SEGMENT_TAIL);
    ri_segment_put_spare(bytes, log->id, s->size);
    if (rc == 0) rc = space_put(log, job, s, bytes, sizeof bytes, 0);
    return rc < 0 ? rc : space_sync(log, job, s);
}

/* Make the file a spare, or remove it; spares are of the size that segments have. */
static int space_wipe(ri_log *log, log_job *job, log_segment *s)
{
    const ri_os *os = log->os;
    char path[SPACE_PATH];
    int rc = os->links(os->arg, s->fd);
    if (rc < 0) return space_fail(log, rc, "stat", s);
    bool unlinked = rc == 0; /* but the directory could not be synced */
    if (rc != 1 || job->room_spares == 0 || s->size != log->segment_bytes) {
        if (ri_space_path(log, s->slot, path, sizeof path) < 0) return RILL_EINVAL;
        rc = unlinked ? 0 : os->unlink(os->arg, path);
        if (rc < 0) return space_fail(log, rc, "unlink", s);
        if ((rc = space_sync_dir(log)) < 0) {
            job->sync_failed = !space_is_short(rc);
            return space_fail(log, rc, "sync the directory of", s);
        }
        s->linked = s->wiped = true;
        return RILL_OK;
    }
    if ((rc = space_wipe_file(log, job, s)) < 0) return rc;
    job->room_spares--;
    s->wiped = true;
    return RILL_OK;
}

static int space_begin_spare(ri_log *log, log_segment *s)
{
    uint32_t least = RI_MIN((uint32_t)RI_LOG_SEGMENT_LEAST, log->segment_bytes);
    s->size = space_fit(log, least, s->size);
    return s->size > space_room(log) ? -ENOSPC : space_create(log, s, false);
}

/* Work on the next spare: a megabyte of zeros at a time, so that no commit waits long for it. */
static void space_grow(ri_log *log, log_job *job)
{
    const ri_os *os = log->os;
    log_segment *s = job->spare;
    int rc = s->fd >= 0 ? 0 : space_begin_spare(log, s);
    int64_t size = rc < 0 ? rc : os->size(os->arg, s->fd);
    if (size >= 0) {
        uint64_t step = log->opts.safety == RI_SAFETY_SYNCED ? SPACE_STEP : s->size;
        uint64_t to = RI_MIN((uint64_t)size + step, s->size);
        rc = space_extend(log, s, to);
        if (rc >= 0 && size == 0) rc = space_put_spare(log, s);
        if (rc >= 0) os->hasten(os->arg, s->fd, (uint64_t)size, to - (uint64_t)size);
        if (rc >= 0 && to == s->size) {
            rc = os->fdatasync(os->arg, s->fd);
            if (rc >= 0) rc = space_sync_dir(log);
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
    if (job->founds) return space_found(log, job, job->active);
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
    if (ri_array_reserve(&log->host, &log->spares, &log->cap_spares,
                         log->nspares + RI_LOG_SPARES_MAX + 1, sizeof *log->spares) < 0)
        return false;
    log_segment *s = ri_space_segment(log);
    if (!s) return false;
    s->slot = log->next_slot++;
    s->size = log->fit_bytes;
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
    RI_ASSERT(s->wiped && s->pins == 0);
    log_segment *spare = NULL;
    space_forget(log, s);
    ri_damage_forget(log, s->slot);
    log->nleft -= s->left;
    if (log->stale && !ri_log_segment_at(log, log->stale)) log->stale = 0;
    if (log->os && !s->linked &&
        ri_array_reserve(&log->host, &log->spares, &log->cap_spares, log->nspares + 1,
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
    if (space_is_full(job->spare_rc)) {
        uint32_t least = RI_MIN((uint32_t)RI_LOG_SEGMENT_LEAST, log->segment_bytes);
        log->fit_bytes = space_smaller(log->fit_bytes, least);
    }
    if (job->spare_rc < 0) {
        ri_space_free_segment(log, job->spare);
        log->growing = NULL;
    } else if (size >= (int64_t)job->spare->size) {
        log->spares[log->nspares++] = job->spare;
        log->growing = NULL;
        log->fit_bytes = RI_MIN(log->fit_bytes * 2, log->segment_bytes);
    }
    job->spare = NULL;
}
