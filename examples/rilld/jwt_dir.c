/* SPDX-License-Identifier: Apache-2.0 */
#include "jwt_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sha256.h"
#include "codec/web/nkey.h"
#include "files.h"
#include "log.h"

static const char dir_suffix[] = ".jwt";

static bool dir_fail(char error[JWT_DIR_ERROR], const char *what, const char *name)
{
    snprintf(error, JWT_DIR_ERROR, "%s %.100s: %s", what, name, strerror(errno));
    return false;
}

/* ---- In memory ---- */

jwt_dir_entry *jwt_dir_entry_new(const char *text, size_t len)
{
    jwt_dir_entry *entry = calloc(1, sizeof *entry);
    if (entry) entry->text = malloc(len + 1);
    if (!entry || !entry->text) {
        free(entry);
        return NULL;
    }
    memcpy(entry->text, text, len);
    entry->text[len] = 0;
    entry->len = len;
    return entry;
}

void jwt_dir_entry_free(jwt_dir_entry *entry)
{
    if (!entry) return;
    free(entry->text);
    free(entry);
}

/* Where it is, or would be. */
static size_t dir_place(const jwt_dir *dir, const char *key)
{
    size_t from = 0, to = dir->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (strcmp(dir->entries[middle]->key, key) < 0) from = middle + 1;
        else to = middle;
    }
    return from;
}

static bool dir_is_at(const jwt_dir *dir, size_t place, const char *key)
{
    return place < dir->n && strcmp(dir->entries[place]->key, key) == 0;
}

const jwt_dir_entry *jwt_dir_find(const jwt_dir *dir, const char *key)
{
    size_t place = dir_place(dir, key);
    return dir_is_at(dir, place, key) ? dir->entries[place] : NULL;
}

static bool dir_grow(jwt_dir *dir)
{
    if (dir->n < dir->cap) return true;
    size_t cap = dir->cap ? 2 * dir->cap : 16;
    jwt_dir_entry **entries = realloc(dir->entries, cap * sizeof *entries);
    if (!entries) return false;
    dir->entries = entries;
    dir->cap = cap;
    return true;
}

static bool dir_has_room(jwt_dir *dir, const jwt_dir_entry *entry, const jwt_dir_entry *before,
                         char error[JWT_DIR_ERROR])
{
    size_t bytes = dir->bytes - (before ? before->len : 0);
    if (!before && dir->n >= dir->limit)
        snprintf(error, JWT_DIR_ERROR, "jwt store is full: it has %zu accounts", dir->n);
    else if (entry->len > JWT_DIR_BYTES_MAX - bytes)
        snprintf(error, JWT_DIR_ERROR, "jwt store is full: it has %zu bytes", dir->bytes);
    else if (!dir_grow(dir))
        snprintf(error, JWT_DIR_ERROR, "out of memory");
    else return true;
    return false;
}

static void dir_insert(jwt_dir *dir, size_t place, jwt_dir_entry *entry)
{
    jwt_dir_entry **at = dir->entries + place;
    memmove(at + 1, at, (dir->n - place) * sizeof *at);
    *at = entry;
    dir->n++;
}

static void dir_take_out(jwt_dir *dir, size_t place)
{
    jwt_dir_entry **at = dir->entries + place;
    dir->n--;
    memmove(at, at + 1, (dir->n - place) * sizeof *at);
}

bool jwt_dir_swap(jwt_dir *dir, const char *key, jwt_dir_entry *entry, jwt_dir_entry **before,
                  char error[JWT_DIR_ERROR])
{
    size_t place = dir_place(dir, key);
    jwt_dir_entry *there = dir_is_at(dir, place, key) ? dir->entries[place] : NULL;
    if (entry && !dir_has_room(dir, entry, there, error)) return false;
    if (there && entry) dir->entries[place] = entry;
    else if (there) dir_take_out(dir, place);
    else if (entry) dir_insert(dir, place, entry);
    dir->bytes += (entry ? entry->len : 0);
    dir->bytes -= (there ? there->len : 0);
    *before = there;
    return true;
}

/* The sum, bit by bit, of the sums of all. */
void jwt_dir_hash(const jwt_dir *dir, uint8_t out[JWT_DIR_HASH])
{
    memset(out, 0, JWT_DIR_HASH);
    for (size_t i = 0; i < dir->n; i++) {
        uint8_t one[RI_SHA256_LEN];
        ri_sha256 sha;
        ri_sha256_init(&sha);
        ri_sha256_add(&sha, (ri_str){dir->entries[i]->text, dir->entries[i]->len});
        ri_sha256_end(&sha, one);
        for (size_t k = 0; k < JWT_DIR_HASH; k++) out[k] ^= one[k];
    }
}

/* ---- On the disk ---- */

/* DIR/KEY.jwt and what follows: a key is 56 letters and digits, and nothing else becomes a name. */
static bool dir_name(const jwt_dir *dir, const char *key, const char *more, char out[PATH_MAX])
{
    int len = snprintf(out, PATH_MAX, "%s/%s%s%s", dir->path, key, dir_suffix, more);
    if (len > 0 && len < PATH_MAX) return true;
    errno = ENAMETOOLONG;
    return false;
}

static bool dir_sync(const jwt_dir *dir)
{
    int fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return false;
    bool good = fsync(fd) == 0;
    int saved = errno;
    close(fd);
    errno = saved;
    return good;
}

static bool dir_put(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t put = write(fd, text, len);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        text += put;
        len -= (size_t)put;
    }
    return fsync(fd) == 0;
}

static bool dir_put_file(const char *path, const jwt_dir_entry *entry)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return false;
    bool good = dir_put(fd, entry->text, entry->len);
    int saved = errno;
    if (close(fd) < 0 && good) return false;
    errno = saved;
    return good;
}

static bool dir_put_entry(const char *path, const char *fresh, const jwt_dir_entry *entry)
{
    if (dir_put_file(fresh, entry) && rename(fresh, path) == 0) return true;
    int saved = errno;
    unlink(fresh);
    errno = saved;
    return false;
}

/* A change that may not outlive a power cut counts for nothing: the file is as it was before, for
 * who starts anew and for who asks. */
static void dir_put_back(const char *path, const char *fresh, const jwt_dir_entry *before)
{
    bool good = before ? dir_put_entry(path, fresh, before) : unlink(path) == 0 || errno == ENOENT;
    if (!good) log_line(RILL_ERROR, "resolver: cannot put back %s: %s", path, strerror(errno));
}

bool jwt_dir_write(const jwt_dir *dir, const jwt_dir_entry *entry, const jwt_dir_entry *before,
                   char error[JWT_DIR_ERROR])
{
    char path[PATH_MAX], fresh[PATH_MAX];
    if (!dir->path) return true;
    if (!dir_name(dir, entry->key, "", path) || !dir_name(dir, entry->key, ".new", fresh))
        return dir_fail(error, "cannot write the JWT of", entry->key);
    if (!dir_put_entry(path, fresh, entry)) return dir_fail(error, "cannot write", path);
    if (dir_sync(dir)) return true;
    dir_fail(error, "cannot sync the directory of", path);
    dir_put_back(path, fresh, before);
    return false;
}

/* Each file has a sync of its own: syncfs() would be one for all of them, and wait for whatever
 * others have written to that file system. */
static bool dir_put_all(const jwt_dir *dir, jwt_dir_entry *const *entries, size_t n,
                        char error[JWT_DIR_ERROR])
{
    char fresh[PATH_MAX];
    for (size_t i = 0; i < n; i++)
        if (!dir_name(dir, entries[i]->key, ".new", fresh) || !dir_put_file(fresh, entries[i]))
            return dir_fail(error, "cannot write the JWT of", entries[i]->key);
    return true;
}

/* How many have their names. */
static size_t dir_rename_all(const jwt_dir *dir, jwt_dir_entry *const *entries, size_t n)
{
    char path[PATH_MAX], fresh[PATH_MAX];
    size_t done = 0;
    while (done < n && dir_name(dir, entries[done]->key, "", path) &&
           dir_name(dir, entries[done]->key, ".new", fresh) && rename(fresh, path) == 0)
        done++;
    return done;
}

/* The first `named` of them are as they were before, and of the others nothing is left. */
static void dir_put_back_all(const jwt_dir *dir, jwt_dir_entry *const *entries,
                             jwt_dir_entry *const *befores, size_t n, size_t named)
{
    char path[PATH_MAX], fresh[PATH_MAX];
    for (size_t i = 0; i < n; i++) {
        if (!dir_name(dir, entries[i]->key, "", path) ||
            !dir_name(dir, entries[i]->key, ".new", fresh))
            continue;
        if (i < named) dir_put_back(path, fresh, befores[i]);
        else unlink(fresh);
    }
}

bool jwt_dir_write_all(const jwt_dir *dir, jwt_dir_entry *const *entries,
                       jwt_dir_entry *const *befores, size_t n, char error[JWT_DIR_ERROR])
{
    if (!dir->path || n == 0) return true;
    if (n == 1) return jwt_dir_write(dir, entries[0], befores[0], error);
    size_t named = 0;
    bool good = dir_put_all(dir, entries, n, error);
    if (good && (named = dir_rename_all(dir, entries, n)) < n)
        good = dir_fail(error, "cannot write the JWT of", entries[named]->key);
    if (good && !dir_sync(dir)) good = dir_fail(error, "cannot sync the directory", dir->path);
    if (!good) dir_put_back_all(dir, entries, befores, n, named);
    return good;
}

bool jwt_dir_remove(const jwt_dir *dir, const jwt_dir_entry *before, bool for_good,
                    char error[JWT_DIR_ERROR])
{
    char path[PATH_MAX], kept[PATH_MAX], fresh[PATH_MAX];
    if (!dir->path) return true;
    if (!dir_name(dir, before->key, "", path) || !dir_name(dir, before->key, ".deleted", kept) ||
        !dir_name(dir, before->key, ".new", fresh))
        return dir_fail(error, "cannot delete the JWT of", before->key);
    int rc = for_good ? unlink(path) : rename(path, kept);
    if (rc < 0 && errno != ENOENT) return dir_fail(error, "cannot delete", path);
    if (dir_sync(dir)) return true;
    dir_fail(error, "cannot sync the directory of", path);
    dir_put_back(path, fresh, before);
    return false;
}

bool jwt_dir_keep(jwt_dir *dir, char error[JWT_DIR_ERROR])
{
    if (!dir->path) return true;
    if (!files_make_dirs(dir->path))
        return dir_fail(error, "cannot make the directory", dir->path);
    for (size_t i = 0; i < dir->n; i++) {
        jwt_dir_entry *entry = dir->entries[i];
        if (entry->is_fresh && !jwt_dir_write(dir, entry, entry, error)) return false;
        entry->is_fresh = false;
    }
    return true;
}

/* ---- Reading it ---- */

static jwt_dir_entry *dir_read(int fd)
{
    char *text = malloc(JWT_DIR_JWT_MAX + 1);
    size_t len = 0;
    ssize_t got = text ? 1 : -1;
    while (got > 0 && len <= JWT_DIR_JWT_MAX) {
        got = read(fd, text + len, JWT_DIR_JWT_MAX + 1 - len);
        if (got > 0) len += (size_t)got;
        else if (got < 0 && errno == EINTR) got = 1;
    }
    if (len > JWT_DIR_JWT_MAX) errno = EFBIG;
    jwt_dir_entry *entry = got < 0 || len > JWT_DIR_JWT_MAX ? NULL : jwt_dir_entry_new(text, len);
    free(text);
    return entry;
}

/* The file of that name becomes an entry. */
static bool dir_load(jwt_dir *dir, DIR *files, const char *name, jwt_dir_check check, void *arg,
                     char error[JWT_DIR_ERROR])
{
    jwt_dir_entry *before = NULL;
    int fd = openat(dirfd(files), name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    jwt_dir_entry *entry = fd < 0 ? NULL : dir_read(fd);
    bool good = entry || dir_fail(error, "cannot read", name);
    if (fd >= 0) close(fd);
    good = good && check(arg, entry, error);
    if (good && strncmp(entry->key, name, JWT_DIR_KEY) != 0) {
        snprintf(error, JWT_DIR_ERROR, "it is that of %s", entry->key);
        good = false;
    }
    good = good && jwt_dir_swap(dir, entry->key, entry, &before, error);
    if (!good) jwt_dir_entry_free(entry);
    return good;
}

static bool dir_is_jwt(const char *name)
{
    return strlen(name) == JWT_DIR_KEY + strlen(dir_suffix) &&
           strcmp(name + JWT_DIR_KEY, dir_suffix) == 0 &&
           ri_nkey_kind((ri_str){name, JWT_DIR_KEY}) == 'A';
}

static void dir_load_all(jwt_dir *dir, DIR *files, jwt_dir_check check, void *arg)
{
    char error[JWT_DIR_ERROR];
    for (struct dirent *at; (at = readdir(files)) != NULL;)
        if (dir_is_jwt(at->d_name) && !dir_load(dir, files, at->d_name, check, arg, error))
            log_line(RILL_ERROR, "resolver: %s is passed over: %s", at->d_name, error);
}

bool jwt_dir_open(jwt_dir *dir, const char *path, size_t limit, jwt_dir_check check, void *arg,
                  char error[JWT_DIR_ERROR])
{
    *dir = (jwt_dir){.limit = limit};
    if (!path) return true;
    if (!(dir->path = strdup(path))) return dir_fail(error, "cannot open", path);
    DIR *files = opendir(path);
    if (!files && errno == ENOENT) return true;
    if (!files) return dir_fail(error, "cannot read the directory", path);
    dir_load_all(dir, files, check, arg);
    closedir(files);
    return true;
}

void jwt_dir_free(jwt_dir *dir)
{
    for (size_t i = 0; i < dir->n; i++) jwt_dir_entry_free(dir->entries[i]);
    free(dir->entries);
    free(dir->path);
    *dir = (jwt_dir){0};
}
