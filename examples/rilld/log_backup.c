/* SPDX-License-Identifier: Apache-2.0 */
#include "log_backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

void log_backup_name(const char *path, bool utc, char *out, size_t size)
{
    char when[LOG_BACKUP_BYTES / 2];
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    if (utc) gmtime_r(&now.tv_sec, &parts);
    else localtime_r(&now.tv_sec, &parts);
    strftime(when, sizeof when, "%Y.%m.%d.%H.%M.%S", &parts);
    snprintf(out, size, "%s.%s.%09ld", path, when, now.tv_nsec);
}

static const char *log_backup_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Of whom log_backup_is_one(), which scandir() calls, is asked. */
static const char *log_backup_of;

static int log_backup_is_one(const struct dirent *entry)
{
    static const char shape[] = ".dddd.dd.dd.dd.dd.dd.ddddddddd";
    size_t len = strlen(log_backup_of);
    const char *rest = entry->d_name + len;
    if (entry->d_type != DT_REG && entry->d_type != DT_UNKNOWN) return 0;
    if (strncmp(entry->d_name, log_backup_of, len) != 0 || strlen(rest) != sizeof shape - 1)
        return 0;
    for (size_t i = 0; i < sizeof shape - 1; i++)
        if (shape[i] == 'd' ? rest[i] < '0' || rest[i] > '9' : rest[i] != '.') return 0;
    return 1;
}

static bool log_backup_delete(int dir, const char *name)
{
    struct stat file;
    if (fstatat(dir, name, &file, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(file.st_mode)) return true;
    if (unlinkat(dir, name, 0) < 0) {
        log_line(RILL_ERROR, "Unable to remove backup log file \"%s\" (%s), will attempt next "
                 "rotation", name, strerror(errno));
        return false;
    }
    log_line(RILL_INFO, "Purged log file \"%s\"", name);
    return true;
}

void log_backup_purge(const char *path, uint32_t keep)
{
    char folder[PATH_MAX] = ".";
    struct dirent **found = NULL;
    size_t len = (size_t)(log_backup_base(path) - path);
    if (len > 0 && len < sizeof folder) snprintf(folder, sizeof folder, "%.*s", (int)len, path);
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    log_backup_of = log_backup_base(path);
    int count = dir < 0 ? -1 : scandir(folder, &found, log_backup_is_one, alphasort);
    if (count < 0)
        log_line(RILL_ERROR, "Unable to read directory \"%s\" for log purge (%s), will attempt "
                 "next rotation", folder, strerror(errno));
    bool good = true;
    for (int i = 0; i < count; i++) { /* the oldest comes first */
        if (good && (uint32_t)(count - i) > keep) good = log_backup_delete(dir, found[i]->d_name);
        free(found[i]);
    }
    free(found);
    if (dir >= 0) close(dir);
}
