/* SPDX-License-Identifier: Apache-2.0 */
/* The JWTs of accounts in a directory, as nats-server keeps them: DIR/KEY.jwt, one each. All are in
 * memory, in the order of their keys; the directory is read when it is opened, and whoever changes
 * a file meanwhile says so by a reload.
 *
 * A file is written as another one, synced and renamed: at any moment there is the old JWT or the
 * new one. One that is taken away stays as KEY.jwt.deleted, or goes for good. Where the directory
 * itself cannot be synced behind that, the change has failed, and the file is put back as it was.
 *
 * What does not begin as a key of an account is passed over, and so is a file whose JWT is none, is
 * of another account, or was signed by nobody who may: the log names it. */
#ifndef RILLD_JWT_DIR_H
#define RILLD_JWT_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    JWT_DIR_KEY = 56,                 /* letters of a key */
    JWT_DIR_JWT_MAX = 1 << 20,        /* bytes of one, ... */
    JWT_DIR_BYTES_MAX = 256 << 20,    /* ... and of all */
    JWT_DIR_MAX = 4096,               /* accounts */
    JWT_DIR_ERROR = 256,
    JWT_DIR_HASH = 32,
};

typedef struct jwt_dir_entry {
    char key[JWT_DIR_KEY + 1];
    char *text;                       /* ours */
    size_t len;
    int64_t issued_s, expires_s;      /* 0: not said */
    bool is_signed;                   /* by whom it names */
    bool is_fresh;                    /* it is in no file yet */
} jwt_dir_entry;

typedef struct jwt_dir {
    char *path;                       /* ours; NULL: in memory alone */
    size_t limit;                     /* accounts, at most */
    jwt_dir_entry **entries;          /* ours, by key */
    size_t n, cap;
    size_t bytes;                     /* of all texts */
} jwt_dir;

/* What a JWT says of itself: false leaves a sentence in `error`. */
typedef bool (*jwt_dir_check)(void *arg, jwt_dir_entry *entry, char error[JWT_DIR_ERROR]);

/* The directory, which is empty if it is not there: nothing is made or written. False leaves a
 * sentence in `error`. jwt_dir_free() it either way. */
bool jwt_dir_open(jwt_dir *dir, const char *path, size_t limit, jwt_dir_check check, void *arg,
                  char error[JWT_DIR_ERROR]);
/* Makes the directory if it is not there, and writes what is_fresh. */
bool jwt_dir_keep(jwt_dir *dir, char error[JWT_DIR_ERROR]);
void jwt_dir_free(jwt_dir *dir);
const jwt_dir_entry *jwt_dir_find(const jwt_dir *dir, const char *key); /* NULL: it is not there */

/* An entry of that text, with neither key nor times; NULL: out of memory. */
jwt_dir_entry *jwt_dir_entry_new(const char *text, size_t len);
void jwt_dir_entry_free(jwt_dir_entry *entry);

/* A change is taken into memory, and then kept in the directory or taken back:
 *
 *     jwt_dir_swap(key, entry, &before)     `entry` NULL: it is taken away; `before` NULL: it is
 *                                           new
 *     jwt_dir_write() or jwt_dir_remove()   ... or jwt_dir_swap(key, before, &entry)
 *
 * False leaves a sentence: there are too many, or no memory. A swap back always has room. `before`
 * is what the file had, and has if it could not be changed. */
bool jwt_dir_swap(jwt_dir *dir, const char *key, jwt_dir_entry *entry, jwt_dir_entry **before,
                  char error[JWT_DIR_ERROR]);
bool jwt_dir_write(const jwt_dir *dir, const jwt_dir_entry *entry, const jwt_dir_entry *before,
                   char error[JWT_DIR_ERROR]);
/* The JWTs of `n` accounts, one of each, share a sync of the directory: all of them are kept, or
 * none. */
bool jwt_dir_write_all(const jwt_dir *dir, jwt_dir_entry *const *entries,
                       jwt_dir_entry *const *befores, size_t n, char error[JWT_DIR_ERROR]);
bool jwt_dir_remove(const jwt_dir *dir, const jwt_dir_entry *before, bool for_good,
                    char error[JWT_DIR_ERROR]);

/* By which servers see that they have the same ones. */
void jwt_dir_hash(const jwt_dir *dir, uint8_t out[JWT_DIR_HASH]);

#endif
