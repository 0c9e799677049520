/* SPDX-License-Identifier: Apache-2.0 */
/* The subject index against a naive table. The input is a program of small steps over few names,
 * made so that they share beginnings, end within one another and spread over all bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/index/subject_index.h"
#include "store/index/subject_walk.h"
#include "support/fuzz.h"
#include "support/match.h"

#define NAMES 512
#define NAME_MAX 700
#define SEQS 4096 /* records of one run at most */

struct row {
    char name[NAME_MAX];
    size_t len;
    uint64_t live[SEQS]; /* sequences of the live records, in order */
    size_t nlive;
    ri_subject_hint hint;
};

static struct row *rows;
static size_t nrows;
static ri_subject_index idx;
static uint64_t last_seq;

static int row_cmp(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    return ri_str_cmp((ri_str){x->name, x->len}, (ri_str){y->name, y->len});
}

/* A name of a number: tokens from a small alphabet, some long, some with rare bytes. */
static size_t name_make(char *out, unsigned n)
{
    static const char *words[] = {"a", "b", "orders", "order", "o", "eu", "eu2", "x"};
    size_t len = 0;
    for (unsigned depth = 0; depth < 1 + n % 3; depth++) {
        if (depth) out[len++] = '.';
        const char *word = words[(n >> (depth * 2)) % RI_LEN(words)];
        memcpy(out + len, word, strlen(word));
        len += strlen(word);
    }
    if (n % 5 == 0) out[len++] = (char)(1 + (n * 7) % 254);
    if (n % 31 == 0) {
        memset(out + len, 'l', 300 + n % 290);
        len += 300 + n % 290;
        out[len++] = (char)('0' + n % 10);
    }
    for (size_t i = 0; i < len; i++) {
        if (out[i] == '*' || out[i] == '>' || out[i] == ' ') out[i] = '_';
    }
    return len;
}

static void check_row(const struct row *row)
{
    ri_subject_entry e;
    int rc = ri_subject_index_find(&idx, (ri_str){row->name, row->len}, &e);
    fuzz_require((rc == RILL_OK) == (row->nlive > 0), "presence");
    if (rc < 0) return;
    uint64_t first = row->live[0], last = row->live[row->nlive - 1];
    fuzz_require(e.count == row->nlive, "count");
    fuzz_require(e.first_known ? e.first_seq == first : e.first_seq <= first, "first");
    fuzz_require(e.last_known ? e.last_seq == last : e.last_seq >= last, "last");
}

static void step_append(struct row *row, uint8_t jump, bool hinted)
{
    if (row->nlive == SEQS) return;
    last_seq += 1 + (jump & 0x80 ? (uint64_t)jump << (jump & 31) : 0);
    if (last_seq > UINT64_MAX / 4) last_seq = UINT64_MAX / 4 + row->nlive;
    for (size_t i = 0; i < nrows; i++) { /* the log's sequences rise over all subjects */
        struct row *other = &rows[i];
        if (other->nlive && other->live[other->nlive - 1] >= last_seq) {
            last_seq = other->live[other->nlive - 1] + 1;
        }
    }
    ri_str name = {row->name, row->len};
    int rc = hinted ? ri_subject_index_add_hinted(&idx, name, last_seq, &row->hint)
                    : ri_subject_index_add(&idx, name, last_seq);
    fuzz_require(rc == RILL_OK || rc == RILL_EINVAL, "add");
    /* Refused only below a bound that is not exact, or the last. */
    if (rc == RILL_OK) row->live[row->nlive++] = last_seq;
    else fuzz_require(row->nlive > 0, "add of a new subject");
}

static void step_remove(struct row *row, uint8_t which)
{
    if (!row->nlive) {
        fuzz_require(ri_subject_index_remove(&idx, (ri_str){row->name, row->len}, 1) ==
                     RILL_ENOENT, "remove of none");
        return;
    }
    size_t i = which == 0 ? 0 : which == 1 ? row->nlive - 1 : which % row->nlive;
    ri_str name = {row->name, row->len};
    fuzz_require(ri_subject_index_remove(&idx, name, row->live[i]) == RILL_OK, "remove");
    memmove(row->live + i, row->live + i + 1, (row->nlive - i - 1) * sizeof *row->live);
    row->nlive--;
}

static void step_settle(struct row *row)
{
    if (!row->nlive) return;
    ri_str name = {row->name, row->len};
    int rc = ri_subject_index_settle(&idx, name, row->live[0], row->live[row->nlive - 1]);
    fuzz_require(rc == RILL_OK, "settle");
    ri_subject_entry e;
    fuzz_require(ri_subject_index_find(&idx, name, &e) == RILL_OK, "find");
    fuzz_require(e.first_known && e.last_known, "settled");
}

struct seen {
    size_t row;
    ri_str filter;
    size_t stop;
};

static int seen_next(void *arg, ri_str subject, const ri_subject_entry *e)
{
    struct seen *s = arg;
    while (s->row < nrows && (rows[s->row].nlive == 0 ||
           (s->filter.len && !match_subject(s->filter, (ri_str){rows[s->row].name,
                                                              rows[s->row].len})))) {
        s->row++;
    }
    fuzz_require(s->row < nrows, "a subject too many");
    fuzz_require(ri_str_eq(subject, (ri_str){rows[s->row].name, rows[s->row].len}), "order");
    fuzz_require(e->count == rows[s->row].nlive, "count within a walk");
    s->row++;
    return s->stop && --s->stop == 0 ? 7 : 0;
}

static void check_filter(ri_str filter)
{
    struct seen s = {0, filter, 0};
    fuzz_require(ri_subject_index_each(&idx, filter, seen_next, &s) == 0, "each");
    for (; s.row < nrows; s.row++) {
        ri_str name = {rows[s.row].name, rows[s.row].len};
        fuzz_require(rows[s.row].nlive == 0 || (filter.len && !match_subject(filter, name)),
                     "a subject is missing");
    }
}

/* A name with some of its tokens made wild. */
static void step_filter(const struct row *row, uint8_t how)
{
    static char text[NAME_MAX + 2];
    size_t len = 0;
    ri_str rest = {row->name, row->len}, token;
    for (unsigned i = 0; ri_str_cut(&rest, '.', &token); i++) {
        if (len) text[len++] = '.';
        if (how & (1u << i)) {
            text[len++] = '*';
        } else if (how & (8u << i)) {
            text[len++] = '>';
            break;
        } else {
            memcpy(text + len, token.ptr, token.len);
            len += token.len;
        }
    }
    check_filter((ri_str){text, len});
}

static void check_all(void)
{
    const char *broken = ri_subject_walk_verify(&idx);
    fuzz_require(broken == NULL, broken);
    size_t distinct = 0;
    for (size_t i = 0; i < nrows; i++) {
        check_row(&rows[i]);
        distinct += rows[i].nlive > 0;
    }
    fuzz_require(distinct == idx.len, "number of subjects");
    check_filter(RI_STR_NONE);
}

int fuzz_one(const uint8_t *data, size_t size)
{
    if (!rows) rows = calloc(NAMES, sizeof *rows);
    if (!rows) abort();
    nrows = 0;
    for (unsigned n = 0; n < NAMES; n++) {
        struct row *row = &rows[nrows];
        row->len = name_make(row->name, n);
        row->nlive = 0;
        row->hint = (ri_subject_hint){0};
        size_t twin = 0;
        while (twin < nrows && row_cmp(&rows[twin], row) != 0) twin++;
        nrows += twin == nrows;
    }
    qsort(rows, nrows, sizeof *rows, row_cmp);
    last_seq = 0;
    ri_host host;
    ri_host_init(&host, NULL);
    ri_subject_index_init(&idx, &host);
    for (size_t at = 0; at + 3 <= size; at += 3) {
        struct row *row = &rows[(data[at] | (data[at + 1] & 1) << 8) % nrows];
        switch (data[at + 1] >> 1 & 7) {
        case 0: case 1: case 2: case 3:
            step_append(row, data[at + 2], (data[at + 1] >> 1 & 7) != 3);
            break;
        case 4: case 5:
            step_remove(row, data[at + 2]);
            break;
        case 6:
            step_settle(row);
            break;
        default:
            step_filter(row, data[at + 2]);
        }
        check_row(row);
        if (at % 300 == 0) check_all();
    }
    check_all();
    for (size_t i = 0; i < nrows; i++) { /* and empty it again */
        if (rows[i].nlive == 0) continue;
        rows[i].nlive = 0;
        ri_str name = {rows[i].name, rows[i].len};
        fuzz_require(ri_subject_index_drop(&idx, name) == RILL_OK, "drop");
    }
    check_all();
    fuzz_require(idx.slab.bytes == 0, "memory of an empty index");
    ri_subject_index_fini(&idx);
    return 0;
}
