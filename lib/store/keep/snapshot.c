/* SPDX-License-Identifier: Apache-2.0 */
/* A copy of a running log.
 *
 *     begin   sealed segments never change (but for erased records): a second name is enough, and
 *             a file with two names is never reused. Where no link can lead, and of segments that
 *             still grow, what is committed is copied.
 *     io      the copying. `held` keeps the owner from wiping and erasing meanwhile.
 *     end     all is there and synced: DIR.part becomes DIR.
 *
 * A directory that holds a part of a log would pass for a log that ends early; so there is none
 * before it is whole. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "store/log/log_private.h"

enum { SNAPSHOT_PATH = 4096, SNAPSHOT_PIECE = 1 << 18 };

typedef struct log_copy {
    uint32_t slot;   /* names both files */
    bool linked;     /* nothing is to be copied */
    uint32_t bytes;  /* that are copied; what follows stays empty */
    uint32_t size;   /* of the file */
    bool twice;      /* the header stands at its end, too */
    uint32_t unread, unread_at; /* blocks that cannot be read, the first of them or where it
                                   failed */
} log_copy;

static int snapshot_failed(int os_rc, const char *what, const char *path)
{
    RI_ASSERT(os_rc < 0);
    if (os_rc == -EEXIST) return ri_err(RILL_EEXIST, "%s is there already", path);
    int code = os_rc == -ENOSPC || os_rc == -EDQUOT || os_rc == -EFBIG ? RILL_EFULL : RILL_EIO;
    return ri_err_os(code, -os_rc, "%s %s", what, path);
}

static int snapshot_path(const char *dir, uint32_t slot, char *out)
{
    int n = snprintf(out, SNAPSHOT_PATH, "%s/%08x.seg", dir, slot);
    return n < 0 || n >= SNAPSHOT_PATH ? ri_err(RILL_EINVAL, "the path %s is too long", dir)
                                       : RILL_OK;
}

static int snapshot_any_name(void *arg, const char *name)
{
    (void)arg, (void)name;
    return 1;
}

static int snapshot_must_be_empty(const ri_os *os, const char *dir)
{
    int rc = os->list(os->arg, dir, snapshot_any_name, NULL);
    if (rc > 0) return ri_err(RILL_EEXIST, "%s is there already", dir);
    return rc < 0 && rc != -ENOENT ? snapshot_failed(rc, "list", dir) : RILL_OK;
}

/* ---- Begin ---- */

/* Another name for the segment's file; 1 if it has to be copied. */
static int snapshot_link(ri_snapshot *snapshot, const log_segment *s)
{
    RI_ASSERT(s->fd >= -1 && s->size > 0);
    char from[SNAPSHOT_PATH], to[SNAPSHOT_PATH];
    const ri_os *os = snapshot->log->os;
    if (!s->sealed || !s->stored || s->damaged) return 1;
    int rc = snapshot_path(snapshot->log->dir, s->slot, from);
    if (rc == 0) rc = snapshot_path(snapshot->part, s->slot, to);
    if (rc < 0) return rc;
    int os_rc = os->link(os->arg, from, to);
    if (os_rc == -EXDEV || os_rc == -EPERM || os_rc == -ENOTSUP || os_rc == -EMLINK) return 1;
    return os_rc < 0 ? snapshot_failed(os_rc, "link", to) : RILL_OK;
}

static int snapshot_add(ri_snapshot *snapshot, const log_segment *s)
{
    ri_log *log = snapshot->log;
    RI_ASSERT(snapshot->ncopies <= snapshot->cap_copies);
    int rc = ri_array_reserve(&log->host, &snapshot->copies, &snapshot->cap_copies,
                              snapshot->ncopies + 1, sizeof *snapshot->copies);
    if (rc < 0 || (rc = snapshot_link(snapshot, s)) < 0) return rc;
    /* A file that was cut short stays so. */
    uint32_t size = RI_MIN(s->missing ? s->there : s->size, s->size);
    snapshot->copies[snapshot->ncopies++] = (log_copy){
        .slot = s->slot, .linked = rc == 0, .size = size, .twice = s->version > 1,
        .bytes = s->damaged || s->stored ? size : s->written};
    return RILL_OK;
}

static int snapshot_names(ri_snapshot *snapshot, const char *dir)
{
    const ri_host *host = &snapshot->log->host;
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/') len--;
    snapshot->dir = ri_strdup(host, dir, len);
    if (!snapshot->dir) return RILL_ENOMEM;
    snapshot->part = ri_alloc(host, len + sizeof ".part");
    if (!snapshot->part) return RILL_ENOMEM;
    memcpy(snapshot->part, snapshot->dir, len);
    memcpy(snapshot->part + len, ".part", sizeof ".part");
    return RILL_OK;
}

static void snapshot_fini(ri_snapshot *snapshot)
{
    RI_ASSERT(snapshot->ncopies <= snapshot->cap_copies);
    ri_log *log = snapshot->log;
    ri_free(&log->host, snapshot->copies, snapshot->cap_copies * sizeof *snapshot->copies);
    if (snapshot->part) ri_free(&log->host, snapshot->part, strlen(snapshot->part) + 1);
    if (snapshot->dir) ri_free(&log->host, snapshot->dir, strlen(snapshot->dir) + 1);
    *snapshot = (ri_snapshot){0};
}

/* Take away what was made. The empty directory stays, and is used the next time. */
static void snapshot_unlink(ri_snapshot *snapshot)
{
    char path[SNAPSHOT_PATH];
    const ri_os *os = snapshot->log->os;
    for (uint32_t i = 0; i < snapshot->ncopies; i++)
        if (snapshot_path(snapshot->part, snapshot->copies[i].slot, path) == 0)
            os->unlink(os->arg, path);
}

int ri_log_snapshot_begin(ri_log *log, ri_snapshot *snapshot, const char *dir)
{
    RI_ASSERT(ri_log_is_sound(log));
    *snapshot = (ri_snapshot){.log = log};
    if (!log->os) return ri_err(RILL_ENOTSUP, "a log in memory has no snapshots");
    if (log->job.busy) return ri_err(RILL_EBUSY, "a commit of this log is under way");
    int rc = snapshot_names(snapshot, dir);
    if (rc == 0) rc = snapshot_must_be_empty(log->os, snapshot->dir);
    if (rc == 0) rc = snapshot_must_be_empty(log->os, snapshot->part);
    int os_rc = rc == 0 ? log->os->mkdir(log->os->arg, snapshot->part, 0700) : 0;
    if (os_rc < 0) rc = snapshot_failed(os_rc, "mkdir", snapshot->part);
    if (rc < 0) {
        snapshot_fini(snapshot);
        return rc;
    }
    for (uint32_t i = 0; rc == 0 && i < log->nsegments; i++)
        if (!log->segments[i]->leftover) rc = snapshot_add(snapshot, log->segments[i]);
    if (rc < 0) {
        snapshot_unlink(snapshot);
        snapshot_fini(snapshot);
        return rc;
    }
    log->held++;
    return RILL_OK;
}

/* ---- Copying ---- */

/* What cannot be read is damage of the copy, too, if the log is damaged and only read; else the
 * snapshot fails. */
static ssize_t snapshot_read(const ri_log *log, log_copy *copy, int from, char *piece,
                             uint32_t want, uint32_t at)
{
    int os_rc;
    ssize_t n = log->os->pread(log->os->arg, from, piece, want, at);
    if (!ri_space_is_unreadable(n)) return n;
    if (copy->unread == 0) copy->unread_at = at;
    if (!log->read_only) {
        copy->unread = 1;
        return n;
    }
    n = ri_space_read_block(log->os, from, piece, want, at, &os_rc);
    if (os_rc < 0) copy->unread++;
    return n;
}

static int snapshot_bytes(const ri_log *log, log_copy *copy, int from, int to, char *piece)
{
    const ri_os *os = log->os;
    for (uint32_t at = 0; at < copy->bytes;) {
        uint32_t want = RI_MIN((uint32_t)SNAPSHOT_PIECE, copy->bytes - at);
        ssize_t n = snapshot_read(log, copy, from, piece, want, at);
        if (n <= 0) return n < 0 ? (int)n : -EIO;
        int rc = ri_space_write_all(os, to, piece, (size_t)n, at);
        if (rc < 0) return rc;
        at += (uint32_t)n;
    }
    int rc = os->allocate(os->arg, to, copy->size);
    if (rc >= 0 && copy->bytes < copy->size && copy->twice) {
        for (uint32_t at = 0; rc >= 0 && at < RI_SEGMENT_HEAD; at += (uint32_t)rc) {
            rc = (int)snapshot_read(log, copy, from, piece + at, RI_SEGMENT_HEAD - at, at);
            if (rc == 0) rc = -EIO;
        }
        if (rc >= 0)
            rc = ri_space_write_all(os, to, piece, RI_SEGMENT_HEAD, copy->size - RI_SEGMENT_TAIL);
    }
    return rc < 0 ? rc : os->fdatasync(os->arg, to);
}

static int snapshot_copy(const ri_snapshot *snapshot, log_copy *copy, char *piece)
{
    char in[SNAPSHOT_PATH], out[SNAPSHOT_PATH];
    const ri_os *os = snapshot->log->os;
    int rc = snapshot_path(snapshot->log->dir, copy->slot, in);
    if (rc == 0) rc = snapshot_path(snapshot->part, copy->slot, out);
    if (rc < 0) return rc;
    int from = os->open(os->arg, in, O_RDONLY, 0);
    if (from < 0) return snapshot_failed(from, "open", in);
    int to = os->open(os->arg, out, O_RDWR | O_CREAT | O_EXCL, 0600);
    int os_rc = to < 0 ? to : snapshot_bytes(snapshot->log, copy, from, to, piece);
    if (to >= 0) os->close(os->arg, to);
    os->close(os->arg, from);
    if (ri_space_is_unreadable(os_rc) && copy->unread)
        return ri_err_os(RILL_EIO, -os_rc, "read %s at %u", in, copy->unread_at);
    return os_rc < 0 ? snapshot_failed(os_rc, "copy to", out) : RILL_OK;
}

static int snapshot_publish(const ri_snapshot *snapshot)
{
    const ri_os *os = snapshot->log->os;
    int rc = os->fsync_dir(os->arg, snapshot->part);
    if (rc < 0) return snapshot_failed(rc, "sync", snapshot->part);
    if ((rc = os->rename(os->arg, snapshot->part, snapshot->dir)) < 0)
        return snapshot_failed(rc, "rename to", snapshot->dir);
    const char *slash = strrchr(snapshot->dir, '/');
    char parent[SNAPSHOT_PATH] = ".";
    size_t len = slash ? RI_MAX((size_t)(slash - snapshot->dir), (size_t)1) : 0;
    if (len >= sizeof parent) return ri_err(RILL_EINVAL, "the path %s is too long", snapshot->dir);
    if (len) snprintf(parent, sizeof parent, "%.*s", (int)len, snapshot->dir);
    rc = os->fsync_dir(os->arg, parent);
    return rc < 0 ? snapshot_failed(rc, "sync", parent) : RILL_OK;
}

int ri_log_snapshot_io(ri_snapshot *snapshot)
{
    char *piece = ri_alloc(&snapshot->log->host, SNAPSHOT_PIECE);
    int rc = piece ? RILL_OK : RILL_ENOMEM;
    for (uint32_t i = 0; rc == 0 && i < snapshot->ncopies; i++)
        if (!snapshot->copies[i].linked) rc = snapshot_copy(snapshot, &snapshot->copies[i], piece);
    if (piece) ri_free(&snapshot->log->host, piece, SNAPSHOT_PIECE);
    if (rc == 0) rc = snapshot_publish(snapshot);
    if (rc < 0) snapshot_unlink(snapshot);
    return snapshot->rc = rc;
}

static void snapshot_report_unread(ri_log *log, const log_copy *copy)
{
    ri_damage damage = {.position = copy->unread_at - copy->unread_at % RI_SPACE_BLOCK};
    for (uint32_t i = 0; copy->unread && i < log->nsegments; i++)
        if (log->segments[i]->slot == copy->slot)
            ri_log_damage_at(log, log->segments[i], &damage,
                             "%u blocks from %" PRIu64 " on cannot be read: noise was copied",
                             copy->unread, damage.position);
}

int ri_log_snapshot_end(ri_snapshot *snapshot)
{
    RI_ASSERT(snapshot->log->held > 0);
    ri_log *log = snapshot->log;
    int rc = snapshot->rc;
    for (uint32_t i = 0; rc == 0 && i < snapshot->ncopies; i++)
        snapshot_report_unread(log, &snapshot->copies[i]);
    RI_ASSERT(log->held > 0);
    log->held--;
    for (uint32_t i = 0; i < log->nsegments; i++)
        if (log->segments[i]->emptied_at) log->touched = true; /* they may go now */
    snapshot_fini(snapshot);
    return rc;
}

int ri_log_snapshot(ri_log *log, const char *dir)
{
    RI_ASSERT(ri_log_is_sound(log));
    ri_snapshot snapshot;
    int rc = RILL_OK;
    if (!log->read_only && (ri_log_dirty(log) || ri_log_lags(log))) {
        ri_log_need(log, RI_SAFETY_SYNCED);
        rc = ri_log_commit(log);
    }
    if (rc < 0 || (rc = ri_log_snapshot_begin(log, &snapshot, dir)) < 0) return rc;
    ri_log_snapshot_io(&snapshot);
    return ri_log_snapshot_end(&snapshot);
}
