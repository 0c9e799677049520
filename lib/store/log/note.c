/* SPDX-License-Identifier: Apache-2.0 */
/* The note in LOCK: how far the log had come. It never goes back, so one that is old is true,
 * and one that is missing only says less. It is written behind the sync of what it names: when
 * a segment is sealed, unsynced, and when the log is closed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "store/log/log_private.h"

enum { NOTE_PATH = 4096 };

void ri_note_read(ri_log *log)
{
    RI_ASSERT(log->os && log->dir);
    const ri_os *os = log->os;
    char path[NOTE_PATH], bytes[RI_SEGMENT_NOTE];
    int n = snprintf(path, sizeof path, "%s/LOCK", log->dir);
    log->note = (ri_segment_note){0};
    if (n < 0 || (size_t)n >= sizeof path) return;
    bool own = log->lock_fd < 0;
    int fd = own ? os->open(os->arg, path, O_RDONLY, 0) : log->lock_fd;
    if (fd < 0) return;
    uint32_t done = 0;
    while (done < sizeof bytes) {
        ssize_t got = os->pread(os->arg, fd, bytes + done, sizeof bytes - done, done);
        if (got <= 0) break;
        done += (uint32_t)got;
    }
    if (done < sizeof bytes || ri_segment_get_note(bytes, &log->note) < 0)
        log->note = (ri_segment_note){0};
    if (own) os->close(os->arg, fd);
}

void ri_note_write(const ri_log *log, const ri_segment_note *note, bool sync)
{
    char bytes[RI_SEGMENT_NOTE];
    if (log->lock_fd < 0 || log->read_only || !note->number) return;
    ri_segment_put_note(bytes, note);
    if (ri_space_write_all(log->os, log->lock_fd, bytes, sizeof bytes, 0) == 0 && sync)
        log->os->fdatasync(log->os->arg, log->lock_fd);
}

/* A process may have been killed between what it wrote and the sync of that. What was found is
 * believed, so it is made durable: names, and footers that no later commit speaks for. Segments
 * without a footer are synced before anything is written behind them. */
int ri_note_settle(ri_log *log, uint64_t claimed)
{
    RI_ASSERT(claimed < log->next_commit || log->nsegments == 0 || log->read_only);
    if (log->read_only || !log->nsegments) return RILL_OK;
    int rc = log->os->fsync_dir(log->os->arg, log->dir);
    for (uint32_t i = log->nsegments; rc >= 0 && i-- > 0;) {
        log_segment *s = log->segments[i];
        if (!s->stored) continue;
        if (s->last_commit < claimed) break; /* one behind it was durable: that job was done */
        if ((rc = ri_space_fd(log, s)) < 0) return rc;
        rc = log->os->fdatasync(log->os->arg, rc);
    }
    return rc < 0 ? ri_err_os(RILL_EIO, -rc, "sync %s", log->dir) : RILL_OK;
}
