/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/subject/mapping.h"

#include "base/assert.h"
#include "base/error.h"
#include "codec/subject/filters.h"
#include "codec/limits.h"
#include "codec/subject/subject.h"
#include "codec/subject/transform.h"

enum { MAPPING_STEPS = 8 }; /* sources compared for one unit of a turn */

typedef struct mapping_row {
    ri_transform *transform; /* owned */
    uint32_t percent;
} mapping_row;

typedef struct mapping_source {
    ri_str subject;          /* in `bytes` */
    uint32_t first, n;       /* its rows */
    uint32_t percent;        /* of all of them */
    bool itself;             /* one of them goes to the subject itself */
} mapping_source;

struct ri_mappings {
    const ri_host *host;
    size_t size;
    ri_str *subjects;        /* of the sources, for the filters */
    mapping_source *sources; /* literal ones first */
    mapping_row *rows;
    size_t nsources, nrows;
    ri_filters filters;      /* does any source match? */
    /* subjects, sources, rows and bytes follow */
};

void ri_mappings_free(ri_mappings *m)
{
    if (!m) return;
    for (size_t i = 0; i < m->nrows; i++) ri_transform_free(m->rows[i].transform);
    ri_filters_fini(&m->filters);
    ri_free(m->host, m, m->size);
}

static bool mapping_same(const rill_mapping *a, const rill_mapping *b)
{
    return strcmp(a->from, b->from) == 0;
}

/* One row of the source that is being made. */
static int mapping_row_add(ri_mappings *m, mapping_source *source, const rill_mapping *row)
{
    RI_ASSERT(source->percent <= 100);
    ri_str to = ri_str_of(row->to);
    uint32_t percent = row->percent ? row->percent : 100;
    if (!row->to || percent > 100 - source->percent)
        return ri_err(RILL_EINVAL, "mapping %.100s: %s", row->from,
                      row->to ? "total weight needs to be <= 100" : "no destination");
    int rc = ri_transform_new(m->host, source->subject, to, &m->rows[m->nrows].transform);
    if (rc < 0) return rc;
    m->rows[m->nrows++].percent = percent;
    source->percent += percent;
    source->itself = source->itself || ri_str_eq(source->subject, to);
    source->n++;
    return RILL_OK;
}

/* All rows of the source that stands at `at`. */
static int mapping_source_add(ri_mappings *m, const rill_mapping *const *rows, size_t n,
                              size_t at, char **bytes)
{
    RI_ASSERT(at < n);
    mapping_source *source = &m->sources[m->nsources];
    size_t len = strlen(rows[at]->from);
    memcpy(*bytes, rows[at]->from, len);
    *source = (mapping_source){.subject = {*bytes, len}, .first = (uint32_t)m->nrows};
    m->subjects[m->nsources++] = source->subject;
    *bytes += len;
    int rc = RILL_OK;
    for (size_t i = at; rc == RILL_OK && i < n; i++)
        if (mapping_same(rows[at], rows[i])) rc = mapping_row_add(m, source, rows[i]);
    return rc;
}

static int mapping_fill(ri_mappings *m, const rill_mapping *const *rows, size_t n, char *bytes)
{
    int rc = RILL_OK;
    for (int wild = 0; wild < 2; wild++)
        for (size_t i = 0; rc == RILL_OK && i < n; i++) {
            bool again = ri_subject_has_wildcard(ri_str_of(rows[i]->from)) != (wild == 1);
            for (size_t k = 0; k < i && !again; k++) again = mapping_same(rows[k], rows[i]);
            if (!again) rc = mapping_source_add(m, rows, n, i, &bytes);
        }
    if (rc == RILL_OK) rc = ri_filters_compile(&m->filters, m->host, m->subjects, m->nsources);
    return rc;
}

int ri_mappings_new(const ri_host *host, const rill_mapping *const *rows, size_t n,
                    ri_mappings **out)
{
    RI_ASSERT(rows || n == 0);
    *out = NULL;
    if (n == 0) return RILL_OK;
    if (n > RI_LIMIT_MAPPINGS)
        return ri_err(RILL_ETOOBIG, "%zu mappings; at most %d", n, RI_LIMIT_MAPPINGS);
    size_t each = sizeof(ri_str) + sizeof(mapping_source) + sizeof(mapping_row), len = 0;
    for (size_t i = 0; i < n; i++) {
        if (!rows[i]->from || !ri_subject_is_filter(ri_str_of(rows[i]->from)))
            return ri_err(RILL_EINVAL, "mapping %zu: invalid subject %.100s", i,
                          rows[i]->from ? rows[i]->from : "");
        len += strlen(rows[i]->from);
    }
    size_t size = sizeof **out + n * each + len;
    ri_mappings *m = ri_calloc(host, size);
    if (!m) return RILL_ENOMEM;
    m->host = host;
    m->size = size;
    m->subjects = (ri_str *)(m + 1);
    m->sources = (mapping_source *)(m->subjects + n);
    m->rows = (mapping_row *)(m->sources + n);
    int rc = mapping_fill(m, rows, n, (char *)(m->rows + n));
    if (rc == RILL_OK) *out = m;
    else ri_mappings_free(m);
    return rc;
}

static ri_mapped mapping_choose(const ri_mappings *m, const mapping_source *source, ri_str subject,
                                uint64_t random, ri_buffer *out)
{
    RI_ASSERT(source->n > 0 && source->percent <= 100);
    RI_ASSERT(source->first + source->n <= m->nrows);
    uint32_t dice = (uint32_t)((random >> 32) % 100);
    for (uint32_t i = 0; i < source->n; i++) {
        const mapping_row *row = &m->rows[source->first + i];
        if (dice >= row->percent) {
            dice -= row->percent;
            continue;
        }
        ri_transform_apply(row->transform, subject, random, out);
        bool good = !out->failed && out->len <= RI_LIMIT_CONTROL_LINE_MAX &&
                    ri_subject_is_literal(ri_buffer_str(out));
        return good ? RI_MAPPED_TO : RI_MAPPED_NOWHERE;
    }
    return source->itself ? RI_MAPPED_NOWHERE : RI_MAPPED_NOT;
}

ri_mapped ri_mappings_apply(const ri_mappings *m, ri_str subject, uint64_t random, ri_buffer *out,
                            uint32_t *units)
{
    RI_ASSERT(m->nsources > 0);
    *units = 0;
    if (!ri_subject_is_literal(subject) || !ri_filters_match(&m->filters, subject))
        return RI_MAPPED_NOT;
    for (size_t i = 0; i < m->nsources; i++) {
        if (!ri_subject_match(m->sources[i].subject, subject)) continue;
        *units = (uint32_t)(i / MAPPING_STEPS) + 1;
        return mapping_choose(m, &m->sources[i], subject, random, out);
    }
    return RI_MAPPED_NOT;
}
