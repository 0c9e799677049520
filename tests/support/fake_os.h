/* SPDX-License-Identifier: Apache-2.0 */
/* A disk in memory behind ri_os that can lose power and fail.
 *
 * What a write changes is with the "system" at once and on the "platter" after a sync of the
 * file; a name is there at once and durable after a sync of the directory. fake_os_crash() says
 * what became of all that was not synced: kept, dropped, or, by a seed, each 512-byte sector of
 * each write for itself, in any order, a sector even in part (64 aligned bytes stay together); of
 * the names a first part.
 *
 * Calls that change something are counted; the one numbered fail_at fails with fail_errno, once
 * or for ever, or the power goes there: that call and all after it do nothing and fail. */
#ifndef RI_TEST_FAKE_OS_H
#define RI_TEST_FAKE_OS_H

#include "base/os.h"

typedef enum fake_os_loss { FAKE_OS_KEEP, FAKE_OS_DROP, FAKE_OS_RANDOM } fake_os_loss;

typedef struct fake_os {
    ri_os os;              /* give &f.os to the log */
    struct fake_inode *inodes;
    struct fake_name *names;      /* as the system sees them */
    struct fake_name *durable;    /* as they are after a crash */
    struct fake_fd *fds;
    size_t nnames, ndurable, nfds;
    size_t ninodes;
    struct fake_change *changes;  /* of names, not yet synced */
    size_t nchanges;
    size_t calls;          /* that changed something */
    size_t fail_at;        /* 0: none; counted from 1 */
    int fail_errno;
    bool fail_ever;        /* all later ones fail, too */
    bool power_at_fail;    /* the power goes at fail_at */
    bool off;              /* no power */
    bool fail_syncs_only;  /* fail_at counts syncs */
    size_t syncs;
    uint64_t capacity;     /* bytes of all files; 0: no bound */
    uint64_t zeroed;       /* bytes of zeros that were written, not reserved */
    bool read_only;        /* every change fails with EROFS */
    size_t maps;           /* that are out */
    bool fail_maps;        /* files cannot be mapped */
    const char *bad_path;  /* of this file the bytes from bad_from to bad_to cannot be read */
    uint64_t bad_from, bad_to;
    uint64_t short_seed;   /* not 0: writes and reads are cut short now and then */
} fake_os;

void fake_os_init(fake_os *f);
void fake_os_fini(fake_os *f);
void fake_os_crash(fake_os *f, fake_os_loss loss, uint64_t seed); /* and power is back */
/* The process is gone, and another may come: what it wrote is with the system, and no safer. */
void fake_os_kill(fake_os *f);
uint64_t fake_os_used(const fake_os *f); /* bytes of all files */
/* The file's bytes as the system sees them, to look at and to damage; NULL if there is none. */
unsigned char *fake_os_bytes(fake_os *f, const char *path, size_t *len);
const char *fake_os_name(const fake_os *f, size_t i); /* NULL behind the last */

#endif
