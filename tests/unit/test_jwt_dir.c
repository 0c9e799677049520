/* SPDX-License-Identifier: Apache-2.0 */
/* JWTs of accounts in a directory (examples/rilld/jwt_dir.c), and a disk that cannot sync it: what
 * has failed is not there, for this process and for the next one. */
#include "rilld/jwt_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/main.h"
#include "support/scratch.h"

static bool dirs_fail;

/* In place of that of the C library. */
int fsync(int fd)
{
    struct stat st;
    if (dirs_fail && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
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

SUITE_MAIN("jwt_dir", test_what_is_not_synced_is_not_there, test_nothing_is_written_before)
