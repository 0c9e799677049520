/* SPDX-License-Identifier: Apache-2.0 */
/* A copy of a running log. Sealed segments never change (but for erased records), so a second
 * name is enough; a file with two names is never reused. The rest is copied. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/error.h"
#include "store/log_private.h"

enum { SNAPSHOT_PATH = 4096, SNAPSHOT_PIECE = 1 << 18 };

static int snapshot_failed(int os_rc, const char *what, const char *path)
{
    if (os_rc == -EEXIST) return ri_err(RILL_EEXIST, "%s is there already", path);
    int code = os_rc == -ENOSPC || os_rc == -EDQUOT ? RILL_EFULL : RILL_EIO;
    return ri_err_os(code, -os_rc, "%s %s", what, path);
}

/* The segment as far as it is written; what follows is empty. */
static int snapshot_bytes(ri_log *log, log_segment *s, int fd, const char *path)
{
    char *piece = ri_alloc(&log->host, SNAPSHOT_PIECE);
    if (!piece) return RILL_ENOMEM;
    uint32_t end = s->damaged ? s->size : s->written;
    int rc = RILL_OK;
    for (uint32_t at = 0; rc == 0 && at < end;) {
        uint32_t n = RI_MIN((uint32_t)SNAPSHOT_PIECE, end - at);
        rc = ri_space_read(log, s, piece, n, at);
        int os_rc = rc < 0 ? 0 : ri_space_write_all(log->os, fd, piece, n, at);
        if (os_rc < 0) rc = snapshot_failed(os_rc, "write", path);
        at += n;
    }
    ri_free(&log->host, piece, SNAPSHOT_PIECE);
    if (rc < 0) return rc;
    int os_rc = log->os->allocate(log->os->arg, fd, s->size);
    if (os_rc >= 0) os_rc = log->os->fdatasync(log->os->arg, fd);
    return os_rc < 0 ? snapshot_failed(os_rc, "write", path) : RILL_OK;
}

static int snapshot_copy(ri_log *log, log_segment *s, const char *path)
{
    int fd = log->os->open(log->os->arg, path, O_RDWR | O_CREAT | O_EXCL, 0666);
    if (fd < 0) return snapshot_failed(fd, "create", path);
    int rc = snapshot_bytes(log, s, fd, path);
    log->os->close(log->os->arg, fd);
    return rc;
}

static int snapshot_segment(ri_log *log, log_segment *s, const char *dir)
{
    char from[SNAPSHOT_PATH], to[SNAPSHOT_PATH];
    int rc = ri_space_path(log, s->slot, from, sizeof from);
    int n = snprintf(to, sizeof to, "%s/%08x.seg", dir, s->slot);
    if (rc < 0 || n < 0 || (size_t)n >= sizeof to) return ri_err(RILL_EINVAL, "path too long");
    if (!s->sealed || !s->stored || s->damaged) return snapshot_copy(log, s, to);
    int os_rc = log->os->link(log->os->arg, from, to);
    if (os_rc == -EXDEV || os_rc == -EPERM || os_rc == -ENOTSUP) {
        uint32_t written = s->written; /* another file system: all of it, the footer, too */
        s->written = s->size;
        rc = snapshot_copy(log, s, to);
        s->written = written;
        return rc;
    }
    return os_rc < 0 ? snapshot_failed(os_rc, "link", to) : RILL_OK;
}

int ri_log_snapshot(ri_log *log, const char *dir)
{
    if (!log->os) return ri_err(RILL_ENOTSUP, "a log in memory has no snapshots");
    if (log->job.busy) return ri_err(RILL_EBUSY, "a commit of this log is under way");
    int rc = RILL_OK;
    if (!log->read_only && ri_log_dirty(log)) {
        ri_log_need(log, RI_LEVEL_SYNCED);
        rc = ri_log_commit(log);
    }
    if (rc < 0) return rc;
    int os_rc = log->os->mkdir(log->os->arg, dir, 0777);
    if (os_rc < 0) return snapshot_failed(os_rc, "mkdir", dir);
    for (uint32_t i = 0; rc == 0 && i < log->nsegments; i++)
        if (!log->segments[i]->leftover) rc = snapshot_segment(log, log->segments[i], dir);
    if (rc < 0) return rc;
    os_rc = log->os->fsync_dir(log->os->arg, dir);
    return os_rc < 0 ? snapshot_failed(os_rc, "sync", dir) : RILL_OK;
}
