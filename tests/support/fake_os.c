/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fake_os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/rng.h"

enum { FAKE_SECTOR = 512, FAKE_ATOM = 64 };

typedef struct fake_write {
    uint64_t pos;
    size_t len;
    unsigned char *bytes;
} fake_write;

typedef struct fake_inode {
    bool used;
    unsigned char *data, *disk; /* as seen; as synced */
    size_t len, cap, disk_len;
    fake_write *writes;         /* not synced, in order */
    size_t nwrites;
    int locks;
} fake_inode;

typedef struct fake_name {
    char path[256];
    size_t inode;
} fake_name;

typedef struct fake_fd {
    bool used;
    size_t inode;
    bool locked;
} fake_fd;

typedef struct fake_change {
    bool add;
    fake_name name;
} fake_change;

static void *fake_grow(void *p, size_t n, size_t size)
{
    p = realloc(p, (n ? n : 1) * size);
    if (!p) abort();
    return p;
}

static int fake_change_call(fake_os *f, bool sync)
{
    if (f->off) return -EIO;
    f->calls++;
    if (sync) f->syncs++;
    size_t n = f->fail_syncs_only ? f->syncs : f->calls;
    if (f->fail_syncs_only && !sync) return 0;
    if (f->fail_at && (n == f->fail_at || (f->fail_ever && n > f->fail_at))) {
        if (f->power_at_fail) f->off = true;
        return f->power_at_fail ? -EIO : -f->fail_errno;
    }
    return f->read_only ? -EROFS : 0;
}

static fake_name *fake_find(fake_name *names, size_t n, const char *path)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i].path, path) == 0) return &names[i];
    return NULL;
}

static void fake_put(fake_name **names, size_t *n, const fake_name *name)
{
    fake_name *old = fake_find(*names, *n, name->path);
    if (old) {
        *old = *name;
        return;
    }
    *names = fake_grow(*names, *n + 1, sizeof **names);
    (*names)[(*n)++] = *name;
}

static void fake_take(fake_name *names, size_t *n, const char *path)
{
    fake_name *old = fake_find(names, *n, path);
    if (old) *old = names[--*n];
}

static void fake_change_name(fake_os *f, bool add, const char *path, size_t inode)
{
    fake_change c = {.add = add, .name = {.inode = inode}};
    snprintf(c.name.path, sizeof c.name.path, "%s", path);
    if (add) fake_put(&f->names, &f->nnames, &c.name);
    else fake_take(f->names, &f->nnames, path);
    f->changes = fake_grow(f->changes, f->nchanges + 1, sizeof *f->changes);
    f->changes[f->nchanges++] = c;
}

static size_t fake_new_inode(fake_os *f)
{
    f->inodes = fake_grow(f->inodes, f->ninodes + 1, sizeof *f->inodes);
    f->inodes[f->ninodes] = (fake_inode){.used = true};
    return f->ninodes++;
}

static int fake_open(void *arg, const char *path, int flags, mode_t mode)
{
    fake_os *f = arg;
    (void)mode;
    if (f->off) return -EIO;
    fake_name *name = fake_find(f->names, f->nnames, path);
    if (name && (flags & O_EXCL)) return -EEXIST;
    if (!name) {
        if (!(flags & O_CREAT)) return -ENOENT;
        int rc = fake_change_call(f, false);
        if (rc < 0) return rc;
        fake_change_name(f, true, path, fake_new_inode(f));
        name = fake_find(f->names, f->nnames, path);
    } else if (f->read_only && (flags & O_ACCMODE) != O_RDONLY) {
        return -EROFS;
    }
    size_t fd = 0;
    while (fd < f->nfds && f->fds[fd].used) fd++;
    if (fd == f->nfds) f->fds = fake_grow(f->fds, ++f->nfds, sizeof *f->fds);
    f->fds[fd] = (fake_fd){.used = true, .inode = name->inode};
    return (int)fd + 100;
}

static fake_inode *fake_at(fake_os *f, int fd)
{
    return &f->inodes[f->fds[fd - 100].inode];
}

static int fake_close(void *arg, int fd)
{
    fake_os *f = arg;
    if (f->fds[fd - 100].locked) fake_at(f, fd)->locks--;
    f->fds[fd - 100].used = false;
    return 0;
}

static ssize_t fake_pread(void *arg, int fd, void *buf, size_t len, uint64_t pos)
{
    fake_os *f = arg;
    if (f->off) return -EIO;
    fake_inode *inode = fake_at(f, fd);
    if (pos >= inode->len) return 0;
    len = len < inode->len - pos ? len : (size_t)(inode->len - pos);
    const fake_name *bad = f->bad_path ? fake_find(f->names, f->nnames, f->bad_path) : NULL;
    if (bad && &f->inodes[bad->inode] == inode && pos < f->bad_to && pos + len > f->bad_from) {
        if (pos >= f->bad_from) return -EIO;
        len = (size_t)(f->bad_from - pos);
    }
    if (f->short_seed && len > 1) {
        rng r = {f->short_seed};
        if (rng_below(&r, 4) == 0) len = 1 + rng_below(&r, len);
        f->short_seed = r.state;
    }
    memcpy(buf, inode->data + pos, len);
    return (ssize_t)len;
}

uint64_t fake_os_used(const fake_os *f)
{
    uint64_t used = 0;
    for (size_t i = 0; i < f->ninodes; i++) {
        bool named = false;
        for (size_t n = 0; n < f->nnames; n++) named = named || f->names[n].inode == i;
        if (named) used += f->inodes[i].len;
    }
    return used;
}

/* What lies between a far write and the old end is memory that nobody has touched. */
static void fake_lengthen(unsigned char **data, size_t *len, size_t to)
{
    unsigned char *grown = calloc(1, to);
    if (!grown) abort();
    if (*len) memcpy(grown, *data, *len);
    free(*data);
    *data = grown;
    *len = to;
}

static void fake_store(unsigned char **data, size_t *len, const void *buf, size_t n, uint64_t pos)
{
    enum { FAR = 1 << 20 };
    if (pos + n > *len + FAR) fake_lengthen(data, len, (size_t)(pos + n));
    if (pos + n > *len) {
        *data = fake_grow(*data, (size_t)(pos + n), 1);
        memset(*data + *len, 0, (size_t)(pos + n - *len));
        *len = (size_t)(pos + n);
    }
    memcpy(*data + pos, buf, n);
}

static ssize_t fake_write_raw(fake_os *f, int fd, const void *buf, size_t len, uint64_t pos)
{
    fake_inode *inode = fake_at(f, fd);
    if (f->capacity && pos + len > inode->len &&
        fake_os_used(f) + (pos + len - inode->len) > f->capacity)
        return -ENOSPC;
    fake_store(&inode->data, &inode->len, buf, len, pos);
    inode->writes = fake_grow(inode->writes, inode->nwrites + 1, sizeof *inode->writes);
    fake_write *w = &inode->writes[inode->nwrites++];
    *w = (fake_write){pos, len, fake_grow(NULL, len, 1)};
    memcpy(w->bytes, buf, len);
    return (ssize_t)len;
}

static ssize_t fake_pwrite(void *arg, int fd, const void *buf, size_t len, uint64_t pos)
{
    fake_os *f = arg;
    bool was_off = f->off;
    int rc = fake_change_call(f, false);
    /* When the power goes within a write, part of it may have reached the disk. */
    if (rc < 0 && f->off && !was_off) fake_write_raw(f, fd, buf, len, pos);
    if (rc < 0) return rc;
    if (f->short_seed && len > 1) {
        rng r = {f->short_seed};
        uint64_t to = (pos + 1 + rng_below(&r, len)) / FAKE_SECTOR * FAKE_SECTOR;
        if (to > pos && rng_below(&r, 4) == 0) len = (size_t)(to - pos);
        f->short_seed = r.state;
    }
    return fake_write_raw(f, fd, buf, len, pos);
}

static void fake_forget_writes(fake_inode *inode)
{
    for (size_t i = 0; i < inode->nwrites; i++) free(inode->writes[i].bytes);
    inode->nwrites = 0;
}

static int fake_fdatasync(void *arg, int fd)
{
    fake_os *f = arg;
    int rc = fake_change_call(f, true);
    if (rc < 0) return rc;
    fake_inode *inode = fake_at(f, fd);
    for (size_t i = 0; i < inode->nwrites; i++) {
        fake_write *w = &inode->writes[i];
        if (w->pos < inode->len)
            fake_store(&inode->disk, &inode->disk_len, w->bytes, w->len, w->pos);
    }
    fake_forget_writes(inode);
    return 0;
}

static int fake_fsync_dir(void *arg, const char *path)
{
    fake_os *f = arg;
    (void)path;
    int rc = fake_change_call(f, true);
    if (rc < 0) return rc;
    f->durable = fake_grow(f->durable, f->nnames, sizeof *f->durable);
    if (f->nnames) memcpy(f->durable, f->names, f->nnames * sizeof *f->names);
    f->ndurable = f->nnames;
    f->nchanges = 0;
    return 0;
}

static int64_t fake_size(void *arg, int fd)
{
    fake_os *f = arg;
    return f->off ? -EIO : (int64_t)fake_at(f, fd)->len;
}

static int64_t fake_room(void *arg, const char *path)
{
    fake_os *f = arg;
    (void)path;
    if (f->off || f->capacity == 0) return f->off ? -EIO : INT64_MAX;
    uint64_t used = fake_os_used(f);
    return used < f->capacity ? (int64_t)(f->capacity - used) : 0;
}

static int fake_zero(void *arg, int fd, uint64_t pos, uint64_t end)
{
    fake_os *f = arg;
    int rc = fake_change_call(f, false);
    if (rc < 0 || end <= pos) return rc;
    void *zeros = calloc(1, (size_t)(end - pos));
    if (!zeros) abort();
    ssize_t n = fake_write_raw(f, fd, zeros, (size_t)(end - pos), pos);
    f->zeroed += end - pos;
    free(zeros);
    return n < 0 ? (int)n : 0;
}

static int fake_allocate(void *arg, int fd, uint64_t len)
{
    return fake_zero(arg, fd, fake_at(arg, fd)->len, len);
}

static int fake_reserve(void *arg, int fd, uint64_t len)
{
    fake_os *f = arg;
    uint64_t zeroed = f->zeroed;
    int rc = fake_allocate(arg, fd, len);
    f->zeroed = zeroed;
    return rc;
}

static void fake_hasten(void *arg, int fd, uint64_t pos, uint64_t len)
{
    (void)arg, (void)fd, (void)pos, (void)len; /* what it would write may be lost all the same */
}

static int fake_truncate(void *arg, int fd, uint64_t len)
{
    fake_os *f = arg;
    int rc = fake_change_call(f, false);
    if (rc < 0) return rc;
    fake_inode *inode = fake_at(f, fd);
    if (len < inode->len) inode->len = (size_t)len;
    else fake_store(&inode->data, &inode->len, "", 0, len);
    return 0;
}

/* Names know no directories: each that begins so. */
static int fake_rename_dir(fake_os *f, const char *from, const char *to)
{
    size_t len = strlen(from), renamed = 0;
    for (size_t i = 0; i < f->nnames;) {
        fake_name old = f->names[i++];
        fake_name fresh = {.inode = old.inode};
        if (strncmp(old.path, from, len) != 0 || old.path[len] != '/') continue;
        int n = snprintf(fresh.path, sizeof fresh.path, "%s%s", to, old.path + len);
        if (n < 0 || (size_t)n >= sizeof fresh.path) return -ENAMETOOLONG;
        fake_change_name(f, true, fresh.path, fresh.inode);
        fake_change_name(f, false, old.path, old.inode);
        renamed++;
        i = 0; /* the row has changed */
    }
    return renamed ? 0 : -ENOENT;
}

static int fake_rename(void *arg, const char *from, const char *to)
{
    fake_os *f = arg;
    int rc = fake_change_call(f, false);
    if (rc < 0) return rc;
    fake_name *name = fake_find(f->names, f->nnames, from);
    if (!name) return fake_rename_dir(f, from, to);
    size_t inode = name->inode;
    fake_change_name(f, true, to, inode);
    fake_change_name(f, false, from, inode);
    return 0;
}

static int fake_unlink(void *arg, const char *path)
{
    fake_os *f = arg;
    int rc = fake_change_call(f, false);
    if (rc < 0) return rc;
    if (!fake_find(f->names, f->nnames, path)) return -ENOENT;
    fake_change_name(f, false, path, 0);
    return 0;
}

static int fake_link(void *arg, const char *from, const char *to)
{
    fake_os *f = arg;
    int rc = fake_change_call(f, false);
    if (rc < 0) return rc;
    fake_name *name = fake_find(f->names, f->nnames, from);
    if (!name) return -ENOENT;
    if (fake_find(f->names, f->nnames, to)) return -EEXIST;
    fake_change_name(f, true, to, name->inode);
    return 0;
}

static int fake_links(void *arg, int fd)
{
    fake_os *f = arg;
    int n = 0;
    for (size_t i = 0; i < f->nnames; i++) n += f->names[i].inode == f->fds[fd - 100].inode;
    return f->off ? -EIO : n;
}

static int fake_mkdir(void *arg, const char *path, mode_t mode)
{
    fake_os *f = arg;
    (void)path;
    (void)mode;
    return f->off ? -EIO : 0;
}

static int fake_list(void *arg, const char *path, int (*fn)(void *fn_arg, const char *name),
                     void *fn_arg)
{
    fake_os *f = arg;
    size_t len = strlen(path), n = f->nnames;
    fake_name *names = fake_grow(NULL, n, sizeof *names); /* fn may change the directory */
    if (n) memcpy(names, f->names, n * sizeof *names);
    int rc = f->off ? -EIO : 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        if (strncmp(names[i].path, path, len) == 0 && names[i].path[len] == '/')
            rc = fn(fn_arg, names[i].path + len + 1);
    free(names);
    return rc;
}

static int fake_lock(void *arg, int fd)
{
    fake_os *f = arg;
    if (f->off) return -EIO;
    if (fake_at(f, fd)->locks) return -EWOULDBLOCK;
    fake_at(f, fd)->locks++;
    f->fds[fd - 100].locked = true;
    return 0;
}

static int fake_unlock(void *arg, int fd)
{
    fake_os *f = arg;
    if (f->fds[fd - 100].locked) fake_at(f, fd)->locks--;
    f->fds[fd - 100].locked = false;
    return 0;
}

/* A copy: what is read behind its end, or after it was given back, is seen by the sanitizers. */
static char *fake_map(void *arg, int fd, size_t len)
{
    fake_os *f = arg;
    const fake_inode *inode = fake_at(f, fd);
    if (f->off || f->fail_maps || inode->len < len) return NULL;
    char *p = fake_grow(NULL, len, 1);
    memcpy(p, inode->data, len);
    f->maps++;
    return p;
}

static void fake_unmap(void *arg, char *p, size_t len)
{
    fake_os *f = arg;
    (void)len;
    free(p);
    f->maps--;
}

void fake_os_init(fake_os *f)
{
    *f = (fake_os){.os = {
        .arg = f, .open = fake_open, .close = fake_close, .pread = fake_pread,
        .pwrite = fake_pwrite, .fdatasync = fake_fdatasync, .fsync_dir = fake_fsync_dir,
        .allocate = fake_allocate, .zero = fake_zero, .reserve = fake_reserve,
        .hasten = fake_hasten,
        .truncate = fake_truncate, .size = fake_size, .room = fake_room,
        .rename = fake_rename, .unlink = fake_unlink, .link = fake_link, .links = fake_links,
        .mkdir = fake_mkdir, .list = fake_list,
        .lock = fake_lock, .unlock = fake_unlock,
        .map = fake_map, .unmap = fake_unmap,
    }};
}

void fake_os_fini(fake_os *f)
{
    if (f->maps) abort(); /* one was not given back */
    for (size_t i = 0; i < f->ninodes; i++) {
        fake_forget_writes(&f->inodes[i]);
        free(f->inodes[i].writes);
        free(f->inodes[i].data);
        free(f->inodes[i].disk);
    }
    free(f->inodes);
    free(f->names);
    free(f->durable);
    free(f->fds);
    free(f->changes);
    *f = (fake_os){0};
}

/* Some sectors of the write reach the disk, one of them perhaps in part. */
static void fake_tear(fake_inode *inode, const fake_write *w, rng *r)
{
    for (size_t at = 0; at < w->len;) {
        size_t to = (size_t)((w->pos + at) / FAKE_SECTOR + 1) * FAKE_SECTOR - (size_t)w->pos;
        size_t n = (to < w->len ? to : w->len) - at;
        uint64_t dice = rng_below(r, 16);
        size_t part = (size_t)((w->pos + at + rng_below(r, n + 1)) / FAKE_ATOM * FAKE_ATOM);
        part = part > w->pos + at ? part - (size_t)(w->pos + at) : 0;
        if (dice == 0) fake_store(&inode->disk, &inode->disk_len, w->bytes + at, part, w->pos + at);
        else if (dice < 9) fake_store(&inode->disk, &inode->disk_len, w->bytes + at, n,
                                      w->pos + at);
        at += n;
    }
}

static void fake_lose(fake_inode *inode, fake_os_loss loss, rng *r)
{
    for (size_t i = 0; i < inode->nwrites; i++) {
        const fake_write *w = &inode->writes[i];
        uint64_t dice = loss == FAKE_OS_RANDOM ? rng_below(r, 3) : 0;
        if (loss == FAKE_OS_KEEP || (loss == FAKE_OS_RANDOM && dice == 0))
            fake_store(&inode->disk, &inode->disk_len, w->bytes, w->len, w->pos);
        else if (loss == FAKE_OS_RANDOM && dice == 1)
            fake_tear(inode, w, r);
    }
    fake_forget_writes(inode);
    inode->data = fake_grow(inode->data, inode->disk_len, 1);
    if (inode->disk_len) memcpy(inode->data, inode->disk, inode->disk_len);
    inode->len = inode->disk_len;
    inode->locks = 0;
}

void fake_os_crash(fake_os *f, fake_os_loss loss, uint64_t seed)
{
    rng r;
    rng_init(&r, seed);
    for (size_t i = 0; i < f->ninodes; i++) fake_lose(&f->inodes[i], loss, &r);
    size_t kept = loss == FAKE_OS_KEEP ? f->nchanges : 0;
    if (loss == FAKE_OS_RANDOM && f->nchanges) kept = rng_below(&r, f->nchanges + 1);
    for (size_t i = 0; i < kept; i++) {
        fake_change *c = &f->changes[i];
        if (c->add) fake_put(&f->durable, &f->ndurable, &c->name);
        else fake_take(f->durable, &f->ndurable, c->name.path);
    }
    f->names = fake_grow(f->names, f->ndurable, sizeof *f->names);
    if (f->ndurable) memcpy(f->names, f->durable, f->ndurable * sizeof *f->names);
    f->nnames = f->ndurable;
    f->nchanges = 0;
    for (size_t i = 0; i < f->nfds; i++) f->fds[i].used = false;
    f->off = f->power_at_fail = f->fail_ever = false;
    f->fail_at = 0;
}

void fake_os_kill(fake_os *f)
{
    for (size_t i = 0; i < f->ninodes; i++) f->inodes[i].locks = 0;
    for (size_t i = 0; i < f->nfds; i++) f->fds[i].used = false;
    f->off = f->power_at_fail = f->fail_ever = false;
    f->fail_at = 0;
}

unsigned char *fake_os_bytes(fake_os *f, const char *path, size_t *len)
{
    fake_name *name = fake_find(f->names, f->nnames, path);
    if (!name) return NULL;
    *len = f->inodes[name->inode].len;
    return f->inodes[name->inode].data;
}

const char *fake_os_name(const fake_os *f, size_t i)
{
    return i < f->nnames ? f->names[i].path : NULL;
}
