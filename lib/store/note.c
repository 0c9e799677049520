/* SPDX-License-Identifier: Apache-2.0 */
/* The note in LOCK: how far the log had come. It never goes back, so one that is old is true,
 * and one that is missing only says less. It is written behind the sync of what it names: when
 * a segment is sealed, unsynced, and when the log is closed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "store/log_private.h"

enum { NOTE_PATH = 4096 };

void ri_note_read(ri_log *log)
{
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
    if (log->lock_fd < 0 || !note->number) return;
    ri_segment_put_note(bytes, note);
    if (ri_space_write_all(log->os, log->lock_fd, bytes, sizeof bytes, 0) == 0 && sync)
        log->os->fdatasync(log->os->arg, log->lock_fd);
}
