/* SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Close what was written to; false with errno if any of it failed. */
static bool files_finish(FILE *file)
{
    bool good = ferror(file) == 0;
    return fclose(file) == 0 && good;
}

bool files_write_pid(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file) {
        if (fd >= 0) close(fd);
        return false;
    }
    fprintf(file, "%d", (int)getpid());
    return files_finish(file);
}

bool files_make_dirs(const char *path)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len >= sizeof part) {
        errno = ENAMETOOLONG;
        return false;
    }
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != 0) continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (mkdir(part, 0700) < 0 && errno != EEXIST) return false;
    }
    return true;
}

uint64_t files_room_bytes(const char *dir)
{
    struct statvfs disk;
    if (statvfs(dir, &disk) < 0) return 0;
    uint64_t room = (uint64_t)disk.f_bavail * disk.f_frsize;
    DIR *files = opendir(dir);
    if (!files) return room;
    for (struct dirent *entry; (entry = readdir(files)) != NULL;) {
        struct stat found;
        if (fstatat(dirfd(files), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(found.st_mode))
            room += (uint64_t)found.st_blocks * 512;
    }
    closedir(files);
    return room;
}

uint64_t files_memory_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    uint64_t bytes = pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : 0;
    FILE *file = fopen("/sys/fs/cgroup/memory.max", "r");
    unsigned long long most = 0;
    if (file && fscanf(file, "%llu", &most) == 1 && most < bytes) bytes = most;
    if (file) fclose(file);
    return bytes;
}

/* Does this host stand for every address? */
static bool files_any_host(const char *host)
{
    return *host == 0 || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

static void files_put_url(FILE *file, const files_port *at, const char *host, int *count)
{
    const char *format = strchr(host, ':') != NULL ? "%s\"%s://[%s]:%d\"" : "%s\"%s://%s:%d\"";
    fprintf(file, format, *count > 0 ? "," : "", at->scheme, host, at->port);
    (*count)++;
}

/* The addresses of this machine; those of IPv6 only if the host listens to them, too. */
static void files_put_all(FILE *file, const files_port *listener, int *count)
{
    struct ifaddrs *all;
    if (getifaddrs(&all) < 0) return;
    for (const struct ifaddrs *at = all; at; at = at->ifa_next) {
        if (!at->ifa_addr) continue;
        int family = at->ifa_addr->sa_family;
        bool wanted = family == AF_INET ||
                      (family == AF_INET6 && strcmp(listener->host, "::") == 0);
        if (!wanted) continue;
        socklen_t len = family == AF_INET ? sizeof(struct sockaddr_in)
                                          : sizeof(struct sockaddr_in6);
        char text[NI_MAXHOST];
        if (getnameinfo(at->ifa_addr, len, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0)
            continue;
        text[strcspn(text, "%")] = 0; /* the zone of a link-local address */
        files_put_url(file, listener, text, count);
    }
    freeifaddrs(all);
}

static void files_put_listener(FILE *file, const files_port *at, bool first)
{
    int count = 0;
    bool any = files_any_host(at->host);
    fprintf(file, "%s\"%s\":[", first ? "" : ",", at->kind);
    if (any) files_put_all(file, at, &count);
    if (count == 0) files_put_url(file, at, any ? "127.0.0.1" : at->host, &count);
    fprintf(file, "]");
}

/* false with ENAMETOOLONG */
static bool files_ports_path(char out[PATH_MAX], const char *dir, const char *program,
                             const char *suffix)
{
    int len = snprintf(out, PATH_MAX, "%s/%s_%d.ports%s", dir, program, (int)getpid(), suffix);
    if (len > 0 && len < PATH_MAX) return true;
    errno = ENAMETOOLONG;
    return false;
}

bool files_write_ports(const char *dir, const char *program, const files_port *ports,
                       size_t nports)
{
    char path[PATH_MAX], draft[PATH_MAX];
    if (!files_ports_path(path, dir, program, "") ||
        !files_ports_path(draft, dir, program, ".tmp"))
        return false;
    FILE *file = fopen(draft, "w");
    if (!file) return false;
    bool first = true;
    fprintf(file, "{");
    for (size_t i = 0; i < nports; i++) {
        if (ports[i].port == 0) continue;
        files_put_listener(file, &ports[i], first);
        first = false;
    }
    fprintf(file, "}");
    if (files_finish(file) && rename(draft, path) == 0) return true;
    int saved = errno;
    unlink(draft);
    errno = saved;
    return false;
}

void files_remove_ports(const char *dir, const char *program)
{
    char path[PATH_MAX];
    if (files_ports_path(path, dir, program, "")) unlink(path);
}
