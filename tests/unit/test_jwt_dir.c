/* SPDX-License-Identifier: Apache-2.0 */
/* JWTs of accounts in a directory (examples/rilld/jwt_dir.c), and a disk that cannot sync it: what
 * has failed is not there, for this process and for the next one. */
#include "rilld/jwt_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/main.h"
#include "support/scratch.h"

static bool dirs_fail;
static unsigned calls, die_at, fail_at; /* 0: never */
static bool unsynced;   /* something was written and is not synced: a name for it is a fault */
static bool unnamed;    /* a name was given and is not synced */
static unsigned syncs;

/* The process ends there, or the call fails. */
static bool call_fails(void)
{
    calls++;
    if (calls == die_at) _exit(0);
    if (calls == fail_at) errno = EIO;
    return calls == fail_at;
}

/* In place of those of the C library. */
int fsync(int fd)
{
    struct stat st;
    bool of_dir = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
    syncs++;
    if (dirs_fail && of_dir) {
        errno = EIO;
        return -1;
    }
    if (call_fails()) return -1;
    if (of_dir) unnamed = false;
    else unsynced = false;
    return (int)syscall(SYS_fsync, fd);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    struct stat st;
    bool of_file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    if (of_file && call_fails()) return -1;
    unsynced = unsynced || of_file;
    return (ssize_t)syscall(SYS_write, fd, bytes, len);
}

int rename(const char *from, const char *to)
{
    if (call_fails()) return -1;
    ck_assert(!unsynced);
    unnamed = true;
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

static const char key[] = "ADWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435D6HD";

static jwt_dir_entry *made(const char *text)
{
    jwt_dir_entry *entry = jwt_dir_entry_new(text, strlen(text));
    ck_assert_ptr_nonnull(entry);
    snprintf(entry->key, sizeof entry->key, "%s", key);
    return entry;
}

static bool check(void *arg, jwt_dir_entry *entry, char error[JWT_DIR_ERROR])
{
    (void)arg;
    (void)error;
    snprintf(entry->key, sizeof entry->key, "%s", key);
    return true;
}

/* What the file has, in `out`; false: there is none. */
static bool has(const char *dir, char out[64])
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s.jwt", dir, key);
    FILE *file = fopen(path, "r");
    if (!file) return false;
    out[fread(out, 1, 63, file)] = 0;
    fclose(file);
    return true;
}

START_TEST(test_what_is_not_synced_is_not_there)
{
    char error[JWT_DIR_ERROR], text[64];
    char place[SCRATCH_LEN];
    scratch_make(place);
    jwt_dir dir;
    ck_assert(jwt_dir_open(&dir, place, 16, check, NULL, error));
    jwt_dir_entry *first = made("first"), *second = made("second");
    dirs_fail = true;
    ck_assert(!jwt_dir_write(&dir, first, NULL, error));
    ck_assert_ptr_nonnull(strstr(error, "cannot sync the directory of"));
    ck_assert(!has(place, text));
    dirs_fail = false;
    ck_assert(jwt_dir_write(&dir, first, NULL, error));
    dirs_fail = true;
    ck_assert(!jwt_dir_write(&dir, second, first, error));
    ck_assert(has(place, text));
    ck_assert_str_eq(text, "first");
    for (int for_good = 0; for_good < 2; for_good++) {
        ck_assert(!jwt_dir_remove(&dir, first, for_good, error));
        ck_assert(has(place, text));
        ck_assert_str_eq(text, "first");
    }
    dirs_fail = false;
    ck_assert(jwt_dir_write(&dir, second, first, error));
    ck_assert(has(place, text));
    ck_assert_str_eq(text, "second");
    ck_assert(jwt_dir_remove(&dir, second, true, error));
    ck_assert(!has(place, text));
    jwt_dir_entry_free(first);
    jwt_dir_entry_free(second);
    jwt_dir_free(&dir);
    scratch_remove(place);
}
END_TEST

START_TEST(test_nothing_is_written_before)
{
    char error[JWT_DIR_ERROR], text[64], path[512];
    jwt_dir_entry *before;
    char place[SCRATCH_LEN];
    scratch_make(place);
    snprintf(path, sizeof path, "%s/jwt", place);
    jwt_dir dir;
    ck_assert(jwt_dir_open(&dir, path, 16, check, NULL, error));
    ck_assert_int_eq(access(path, F_OK), -1);
    jwt_dir_entry *entry = made("first");
    entry->is_fresh = true;
    ck_assert(jwt_dir_swap(&dir, key, entry, &before, error));
    ck_assert_ptr_null(before);
    ck_assert(jwt_dir_keep(&dir, error));
    ck_assert(has(path, text));
    ck_assert_str_eq(text, "first");
    jwt_dir_free(&dir);
    ck_assert(jwt_dir_open(&dir, path, 16, check, NULL, error)); /* as the next process does */
    ck_assert_uint_eq(dir.n, 1);
    ck_assert(!dir.entries[0]->is_fresh);
    jwt_dir_free(&dir);
    scratch_remove(place);
}
END_TEST

/* ---- Several at once ---- */

enum { TOGETHER = 5, ROUNDS = 3 };

static const char *const keys[TOGETHER] = {
    "ADWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435D6HA",
    "ADWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435D6HB",
    "ADWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435D6HC",
    "ADWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435D6HD",
    "ADWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435D6HE"};

/* What the file of that account has: a number of a round; 0: there is none. */
static int round_of(const char *dir, const char *of)
{
    char path[512], text[64] = "";
    snprintf(path, sizeof path, "%s/%s.jwt", dir, of);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    ck_assert_uint_eq(strlen(text), 8); /* all of it */
    ck_assert_int_eq(strncmp(text, "round ", 6), 0);
    return (int)strtol(text + 6, NULL, 10);
}

/* The rounds one after the other, up to one that fails. After each that is done `said` has its
 * number. */
static void write_rounds(const char *place, int said)
{
    char error[JWT_DIR_ERROR], text[64];
    jwt_dir dir = {.path = (char *)(uintptr_t)place};
    jwt_dir_entry *entries[ROUNDS + 1][TOGETHER] = {{NULL}};
    bool good = true;
    for (int n = 1; n <= ROUNDS && good; n++) {
        snprintf(text, sizeof text, "round %02d", n);
        for (int i = 0; i < TOGETHER; i++) {
            entries[n][i] = made(text);
            snprintf(entries[n][i]->key, sizeof entries[n][i]->key, "%s", keys[i]);
        }
        good = jwt_dir_write_all(&dir, entries[n], entries[n - 1], TOGETHER, error);
        ck_assert(!good || !unnamed);
        if (good) ck_assert_int_eq(syscall(SYS_write, said, "+", 1), 1);
    }
    for (int n = 1; n <= ROUNDS; n++)
        for (int i = 0; i < TOGETHER; i++) jwt_dir_entry_free(entries[n][i]);
}

static int rounds_said(int fd)
{
    char bytes[ROUNDS + 1];
    ssize_t n = read(fd, bytes, sizeof bytes);
    ck_assert_int_ge(n, 0);
    return (int)n;
}

/* The process ends before each of its calls: what was said to be kept is there, and of nothing is
 * there a half. */
START_TEST(test_an_end_at_each_call)
{
    int done = 0;
    for (unsigned at = 1; done < ROUNDS; at++) {
        char place[SCRATCH_LEN];
        int said[2], status;
        scratch_make(place);
        ck_assert_int_eq(pipe(said), 0);
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            die_at = at;
            write_rounds(place, said[1]);
            _exit(0);
        }
        close(said[1]);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        done = rounds_said(said[0]);
        close(said[0]);
        for (int i = 0; i < TOGETHER; i++) {
            int there = round_of(place, keys[i]);
            ck_assert(there == done || there == done + 1);
        }
        scratch_remove(place);
    }
}
END_TEST

/* Each call fails: all are as they were before. */
START_TEST(test_all_or_none)
{
    int done = 0;
    for (unsigned at = 1; done < ROUNDS; at++) {
        char place[SCRATCH_LEN];
        int said[2];
        scratch_make(place);
        ck_assert_int_eq(pipe(said), 0);
        calls = 0;
        fail_at = at;
        unsynced = false;
        write_rounds(place, said[1]);
        fail_at = 0;
        close(said[1]);
        done = rounds_said(said[0]);
        close(said[0]);
        for (int i = 0; i < TOGETHER; i++) ck_assert_int_eq(round_of(place, keys[i]), done);
        scratch_remove(place);
    }
}
END_TEST

START_TEST(test_they_share_a_sync)
{
    char place[SCRATCH_LEN];
    int said[2];
    scratch_make(place);
    ck_assert_int_eq(pipe(said), 0);
    syncs = 0;
    write_rounds(place, said[1]);
    close(said[1]);
    ck_assert_int_eq(rounds_said(said[0]), ROUNDS);
    ck_assert_uint_eq(syncs, (TOGETHER + 1) * ROUNDS); /* that of the directory */
    close(said[0]);
    scratch_remove(place);
}
END_TEST

SUITE_MAIN("jwt_dir", test_what_is_not_synced_is_not_there, test_nothing_is_written_before,
           test_an_end_at_each_call, test_all_or_none, test_they_share_a_sync)
