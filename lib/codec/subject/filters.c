/* SPDX-License-Identifier: Apache-2.0 */
/* The tree is that of engine/live/interest.c without those who listen: a filter whose last token is
 * `*` or `>` is a mark at the node before it. Nodes are numbered, their children by words are in
 * one table of the whole tree. So few filters that comparing them is faster are not compiled. */
#include "codec/subject/filters.h"

#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "codec/limits.h"
#include "codec/subject/shapes.h"
#include "codec/subject/subject.h"

enum {
    FILTERS_FEW = 3,   /* that are compared one by one */
    FILTERS_FIRST = 16,
};

struct ri_filters_node {
    uint32_t star;     /* child for a `*` that is not the last token; 0: none */
    uint32_t children; /* by words */
    bool ends, ones, rests; /* a filter ends here; goes on with a last `*`; with `>` */
};

struct ri_filters_edge {
    uint64_t hash;
    ri_str token;
    uint32_t parent, child; /* child 0: empty */
};

void ri_filters_fini(ri_filters *f)
{
    RI_ASSERT(!f->host || f->nnodes <= f->cap_nodes);
    if (f->host) {
        ri_free(f->host, f->literals, f->cap_literals * sizeof *f->literals);
        ri_free(f->host, f->nodes, f->cap_nodes * sizeof *f->nodes);
        ri_free(f->host, f->edges, f->cap_edges * sizeof *f->edges);
    }
    *f = (ri_filters){.host = NULL};
}

uint64_t ri_filters_bytes(const ri_filters *f)
{
    return f->cap_literals * sizeof *f->literals + f->cap_nodes * sizeof *f->nodes +
           f->cap_edges * sizeof *f->edges;
}

/* ---- Literal subjects ---- */

#define FILTERS_NUMBER UINT32_MAX /* the half of a slot that has the number + 1 */

static size_t filters_literal(const ri_filters *f, ri_str subject, uint64_t hash)
{
    RI_ASSERT(f->cap_literals > f->nliterals && (f->cap_literals & (f->cap_literals - 1)) == 0);
    size_t mask = f->cap_literals - 1, i = hash & mask;
    for (; f->literals[i]; i = (i + 1) & mask)
        if ((f->literals[i] ^ hash) >> 32 == 0 &&
            ri_str_eq(f->subjects[(f->literals[i] & FILTERS_NUMBER) - 1], subject))
            break;
    return i;
}

/* Room for `more` of them. */
static int filters_reserve_literals(ri_filters *f, size_t more)
{
    RI_ASSERT(!f->literals);
    size_t cap = FILTERS_FIRST;
    while (cap < more * 2) cap *= 2;
    f->literals = ri_calloc(f->host, cap * sizeof *f->literals);
    if (!f->literals) return RILL_ENOMEM;
    f->cap_literals = cap;
    return RILL_OK;
}

static void filters_add_literal(ri_filters *f, size_t number)
{
    RI_ASSERT(number < f->nsubjects);
    uint64_t hash = ri_hash(f->subjects[number]);
    size_t i = filters_literal(f, f->subjects[number], hash);
    if (f->literals[i]) return; /* it is there twice */
    f->literals[i] = (hash & ~(uint64_t)FILTERS_NUMBER) | (number + 1);
    f->nliterals++;
}

/* ---- The tree ---- */

static uint64_t filters_edge_hash(uint32_t parent, uint64_t token_hash)
{
    return ri_hash_u64(token_hash + (uint64_t)parent * 0x9e3779b97f4a7c15u);
}

static uint32_t filters_edge(const ri_filters *f, uint32_t parent, ri_str token, uint64_t hash)
{
    RI_ASSERT(f->cap_edges > 0 && (f->cap_edges & (f->cap_edges - 1)) == 0);
    uint32_t mask = f->cap_edges - 1, i = (uint32_t)hash & mask;
    for (; f->edges[i].child; i = (i + 1) & mask) {
        const struct ri_filters_edge *edge = &f->edges[i];
        if (edge->hash == hash && edge->parent == parent && ri_str_eq(edge->token, token)) break;
    }
    RI_ASSERT(i < f->cap_edges);
    return i;
}

static int filters_reserve_edge(ri_filters *f)
{
    RI_ASSERT(f->nedges <= f->cap_edges);
    if ((f->nedges + 1) * 2 <= f->cap_edges) return RILL_OK;
    struct ri_filters_edge *old = f->edges;
    uint32_t old_cap = f->cap_edges, cap = old_cap ? old_cap * 2 : FILTERS_FIRST;
    struct ri_filters_edge *edges = ri_calloc(f->host, cap * sizeof *edges);
    if (!edges) return RILL_ENOMEM;
    f->edges = edges;
    f->cap_edges = cap;
    for (uint32_t i = 0; i < old_cap; i++) {
        if (!old[i].child) continue;
        uint32_t at = (uint32_t)old[i].hash & (cap - 1);
        while (edges[at].child) at = (at + 1) & (cap - 1);
        edges[at] = old[i];
    }
    ri_free(f->host, old, old_cap * sizeof *old);
    return RILL_OK;
}

static int filters_reserve_node(ri_filters *f)
{
    return ri_array_reserve(f->host, &f->nodes, &f->cap_nodes, (size_t)f->nnodes + 1,
                            sizeof *f->nodes);
}

static uint32_t filters_new_node(ri_filters *f)
{
    RI_ASSERT(f->nnodes < f->cap_nodes);
    f->nodes[f->nnodes] = (struct ri_filters_node){0};
    return f->nnodes++;
}

static bool filters_is(ri_str token, char c)
{
    return token.len == 1 && token.ptr[0] == c;
}

/* The child for a token, made if it is not there. RILL_ENOMEM. */
static int filters_child(ri_filters *f, uint32_t parent, ri_str token, uint32_t *child)
{
    RI_ASSERT(parent < f->nnodes || f->nnodes == 0);
    int rc;
    if ((rc = filters_reserve_node(f)) < 0 || (rc = filters_reserve_edge(f)) < 0) return rc;
    if (filters_is(token, '*')) {
        if (!f->nodes[parent].star) {
            uint32_t made = filters_new_node(f);
            f->nodes[parent].star = made;
        }
        *child = f->nodes[parent].star;
        return RILL_OK;
    }
    uint64_t hash = filters_edge_hash(parent, ri_hash(token));
    struct ri_filters_edge *edge = &f->edges[filters_edge(f, parent, token, hash)];
    if (!edge->child) {
        *edge = (struct ri_filters_edge){hash, token, parent, filters_new_node(f)};
        f->nodes[parent].children++;
        f->nedges++;
    }
    *child = edge->child;
    return RILL_OK;
}

static int filters_add_wild(ri_filters *f, ri_str filter)
{
    uint32_t at = 0;
    ri_str token;
    while (ri_subject_token(&filter, &token)) {
        bool last = filter.ptr == NULL; /* as ri_str_cut() leaves it */
        struct ri_filters_node *node = &f->nodes[at];
        if (filters_is(token, '>')) {
            node->rests = true;
            return RILL_OK;
        }
        if (last && filters_is(token, '*')) {
            node->ones = true;
            return RILL_OK;
        }
        int rc = filters_child(f, at, token, &at);
        if (rc < 0) return rc;
    }
    f->nodes[at].ends = true;
    return RILL_OK;
}

/* ---- Compiling ---- */

/* A filter with wildcards: are they at its end, and where those of the others are? */
static bool filters_is_apart(ri_filters *f, ri_str filter)
{
    uint32_t words = 0, stars = 0, rest = 0;
    ri_str token;
    while (ri_subject_token(&filter, &token)) {
        bool star = filters_is(token, '*');
        rest = filters_is(token, '>');
        if (!star && !rest && stars) return false;
        words += !star && !rest;
        stars += star;
    }
    uint32_t shape = 1 + (words * (RI_LIMIT_FILTER_TOKENS + 1) + stars) * 2 + rest;
    if (!f->shape) f->shape = shape;
    return words > 0 && f->shape == shape;
}

static int filters_add(ri_filters *f, size_t number, ri_shapes *shapes)
{
    RI_ASSERT(number < f->nsubjects);
    ri_str subject = f->subjects[number];
    if (!ri_subject_has_wildcard(subject)) {
        filters_add_literal(f, number);
        return RILL_OK;
    }
    if (ri_subject_count(subject) > RI_LIMIT_FILTER_TOKENS)
        return ri_err(RILL_EFULL, "a subject with wildcards may have %d tokens",
                      RI_LIMIT_FILTER_TOKENS);
    f->apart = f->apart && filters_is_apart(f, subject);
    int rc = ri_shapes_add(shapes, subject);
    if (rc >= 0 && f->nnodes == 0 && (rc = filters_reserve_node(f)) >= 0) filters_new_node(f);
    return rc < 0 ? rc : filters_add_wild(f, subject);
}

int ri_filters_compile(ri_filters *f, const ri_host *host, const ri_str *subjects, size_t n)
{
    RI_ASSERT(subjects || n == 0);
    *f = (ri_filters){.host = host, .subjects = subjects, .nsubjects = n,
                      .apart = n > FILTERS_FEW};
    host->entropy(host->arg, &f->identity, sizeof f->identity);
    if (n >= FILTERS_NUMBER) return ri_err(RILL_EFULL, "%zu filters", n);
    for (size_t i = 0; i < n; i++) f->all = f->all || ri_str_is(subjects[i], ">");
    ri_shapes shapes;
    ri_shapes_init(&shapes, host);
    int rc = n > FILTERS_FEW ? filters_reserve_literals(f, n) : RILL_OK;
    for (size_t i = 0; i < n && rc >= 0 && n > FILTERS_FEW; i++) rc = filters_add(f, i, &shapes);
    ri_shapes_fini(&shapes);
    if (rc < 0) ri_filters_fini(f);
    return rc;
}

/* ---- Matching ---- */

typedef struct filters_path {
    const ri_filters *f;
    uint32_t len;    /* tokens of the subject, of which so many stand in the arrays */
    uint32_t hashed; /* of them */
    ri_str tokens[RI_LIMIT_FILTER_TOKENS]; /* no filter looks at more */
    uint64_t hashes[RI_LIMIT_FILTER_TOKENS];
} filters_path;

static void filters_split(filters_path *path, ri_str subject)
{
    ri_str token;
    path->len = path->hashed = 0;
    for (; ri_subject_token(&subject, &token); path->len++)
        if (path->len < RI_LIMIT_FILTER_TOKENS) path->tokens[path->len] = token;
}

static uint64_t filters_hash(filters_path *path, uint32_t at)
{
    RI_ASSERT(at < path->len && at < RI_LIMIT_FILTER_TOKENS);
    for (; path->hashed <= at; path->hashed++)
        path->hashes[path->hashed] = ri_hash(path->tokens[path->hashed]);
    return path->hashes[at];
}

static bool filters_down(filters_path *path, uint32_t node_at, uint32_t at)
{
    const ri_filters *f = path->f;
    for (;; at++) {
        const struct ri_filters_node *node = &f->nodes[node_at];
        RI_ASSERT(node_at < f->nnodes && at <= path->len);
        if (at == path->len) return node->ends;
        if (node->rests || (node->ones && at + 1 == path->len)) return true;
        if (node->star && filters_down(path, node->star, at + 1)) return true;
        if (node->children == 0) return false;
        RI_ASSERT(at < RI_LIMIT_FILTER_TOKENS);
        uint64_t hash = filters_edge_hash(node_at, filters_hash(path, at));
        node_at = f->edges[filters_edge(f, node_at, path->tokens[at], hash)].child;
        if (!node_at) return false;
    }
}

static bool filters_compare(const ri_filters *f, ri_str subject)
{
    RI_ASSERT(f->nsubjects <= FILTERS_FEW || !f->literals);
    for (size_t i = 0; i < f->nsubjects; i++)
        if (ri_subject_match(f->subjects[i], subject)) return true;
    return false;
}

bool ri_filters_match(const ri_filters *f, ri_str subject)
{
    RI_ASSERT(f->host || f->nsubjects == 0);
    if (!f->literals) return filters_compare(f, subject);
    if (f->nliterals && f->literals[filters_literal(f, subject, ri_hash(subject))]) return true;
    if (f->nnodes == 0) return false;
    filters_path path; /* only as many tokens as there are, are written */
    path.f = f;
    filters_split(&path, subject);
    return path.len > 0 && filters_down(&path, 0, 0);
}
