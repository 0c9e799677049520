/* SPDX-License-Identifier: Apache-2.0 */
/* WHERE A SUBSCRIPTION STANDS
 *
 * A subject without wildcards has one place in the whole: a hash table from the full subject to
 * the ring of its entries. It costs no memory besides the slot, and is found in one probe however
 * deep the subject is. The others stand in a trie by tokens:
 *
 *     a.b  a.b  a.c          literals:  "a.b" -> [1]<->[2]    "a.c" -> [3]
 *     a.*.x  a.>  *.b  a.*  >
 *                            (root)  rests: [8]
 *                            /    \
 *                          a        *  ------ star of the root
 *          rests:[5] ones:[7] \       \
 *                              *       b  ends: [6]
 *                               \
 *                                x  ends: [4]
 *
 * A node knows its `*` child by a pointer; all its other children are in one table of the whole
 * trie, `edges`, from (node, token) to child, so that a node with a million children is like one
 * with two. A filter whose last token is `>` or `*` stands in `rests` or `ones` of the node before
 * (an inbox, _INBOX.<id>.*, needs one node of its own); any other in `ends` of its last token's
 * node. A node that holds nothing and leads nowhere is taken out at once.
 *
 * Matching walks down by the published tokens; at each node it takes `rests` (a token is left),
 * `ones` if that is the last, then the `*` child by recursion, then the literal child by
 * iteration. The depth is bounded by RI_LIMIT_FILTER_TOKENS. A published token `*` finds only
 * wildcards, for the edges never hold one; a subject with an empty token finds nothing.
 *
 * The nodes that a walk visits at one depth differ in where their way took a `*`: of two that took
 * it at the same places, the other tokens would be the subject's, so they are one. Hence no walk
 * visits more nodes than there are shapes (codec/subject/shapes.h), which are bounded; and a
 * subject of n tokens none below its own depth, so no more than 2^(n+1). Whatever strangers
 * subscribe to, a publish costs its receivers and that bound.
 *
 * GENERATIONS
 *
 * A remembered answer is right as long as no entry that could match its subject came or went.
 * Each change adds one to one counter, and each subject depends on four:
 *
 *     the change                      counter         subjects that depend on it
 *     literal       a.b.c             full("a.b.c")   a.b.c
 *     two literals  a.b.*  a.b.>      two("a.b")      those that begin with a.b
 *     one literal   a.*    a.>        one("a")        those that begin with a
 *     none          *.b    >          all             all of them
 *
 * Counters only grow (one that goes round carries into `all`), so an equal sum of the four means
 * that none has moved. The counters of one kind are shared by hash: a collision costs a needless
 * match and nothing else. The inboxes of a client, _INBOX.<id>.*, move one of `two` only. */
#include "engine/live/interest.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "codec/limits.h"
#include "codec/subject/subject.h"

enum { INTEREST_NUMBERS = RI_INTEREST_COUNTERS + RI_INTEREST_LITERALS };

struct ri_interest_node {
    ri_interest_node *parent;
    ri_interest_node *star;           /* child for a `*` that is not the last token */
    ri_interest_entry *ends;          /* ring of the filters that end here */
    ri_interest_entry *ones, *rests;  /* of those that go on with a last `*`; with `>` */
    uint64_t hash;                    /* of the path from the root; key of the edge to here */
    uint32_t children;                /* literal ones */
    uint32_t len;                     /* of the token */
    char token[];
};

typedef struct interest_edge { /* a key of ri_interest.edges */
    const ri_interest_node *parent;
    ri_str token;
} interest_edge;

static bool interest_same_edge(const void *item, const void *key)
{
    const ri_interest_node *node = item;
    const interest_edge *edge = key;
    return node->parent == edge->parent && ri_str_eq((ri_str){node->token, node->len}, edge->token);
}

static bool interest_same_literal(const void *item, const void *key)
{
    const ri_interest_entry *entry = item;
    return ri_str_eq(entry->subject, *(const ri_str *)key);
}

static uint64_t interest_literal_hash(const ri_interest *interest, uint64_t hash)
{
    return ri_hash_u64(hash ^ interest->seed);
}

/* The root's hash is the seed. */
static uint64_t interest_edge_hash(const ri_interest_node *parent, uint64_t token_hash)
{
    return ri_hash_u64(parent->hash * 3 + token_hash);
}

void ri_interest_init(ri_interest *interest, const ri_host *host)
{
    *interest = (ri_interest){.host = host};
    host->entropy(host->arg, &interest->seed, sizeof interest->seed);
    ri_map_init(&interest->literals, host, interest_same_literal);
    ri_map_init(&interest->edges, host, interest_same_edge);
    ri_shapes_init(&interest->shapes, host);
}

/* For the first entry: where nobody is, nothing is remembered, and a start need not fill 55 KiB. */
static int interest_make_numbers(ri_interest *interest)
{
    if (interest->counters || interest->bare) return RILL_OK;
    interest->counters = ri_calloc(interest->host, INTEREST_NUMBERS * sizeof *interest->counters);
    if (!interest->counters) return RILL_ENOMEM;
    interest->literals_at = interest->counters + RI_INTEREST_COUNTERS;
    return RILL_OK;
}

static size_t interest_node_size(uint32_t token_len)
{
    return sizeof(ri_interest_node) + token_len;
}

static void interest_node_free(ri_interest *interest, ri_interest_node *node)
{
    ri_free(interest->host, node, interest_node_size(node->len));
}

/* Frees `node` and its chain of stars; the literal children free themselves. */
static void interest_free_stars(ri_interest *interest, ri_interest_node *node)
{
    while (node) {
        ri_interest_node *star = node->star;
        interest_node_free(interest, node);
        node = star;
    }
}

void ri_interest_fini(ri_interest *interest)
{
    RI_ASSERT(interest->count == 0 || interest->counters);
    if (!interest->host) return;
    ri_map_each(node, &interest->edges) interest_free_stars(interest, node);
    interest_free_stars(interest, interest->root);
    ri_map_fini(&interest->edges);
    ri_map_fini(&interest->literals);
    ri_shapes_fini(&interest->shapes);
    ri_free(interest->host, interest->counters, INTEREST_NUMBERS * sizeof *interest->counters);
    *interest = (ri_interest){.host = NULL};
}

/* ---- Generations ---- */

/* Where the counters of a first token, of the first two, and of a full subject stand. */
static uint32_t interest_one(uint64_t hash)
{
    return (uint32_t)(hash >> 32) & (RI_INTEREST_ONE - 1);
}

static uint32_t interest_two(uint64_t first, uint64_t second)
{
    uint32_t place = (uint32_t)(ri_hash_u64(first * 3 + second) >> 32) & (RI_INTEREST_TWO - 1);
    return RI_INTEREST_ONE + place;
}

static uint32_t interest_full(uint64_t hash)
{
    return RI_INTEREST_ONE + RI_INTEREST_TWO + ((uint32_t)(hash >> 32) & (RI_INTEREST_FULL - 1));
}

/* Move the counter on which all subjects depend that this filter can match. */
static void interest_change(ri_interest *interest, const ri_interest_entry *entry)
{
    ri_str rest = entry->subject, first, second;
    uint32_t place;
    interest->changes++;
    if (entry->node) interest->filter_changes++;
    if (interest->bare) return;
    if (!entry->node) {
        place = interest_full(entry->hash);
    } else if (ri_subject_token(&rest, &first) && !ri_subject_has_wildcard(first)) {
        bool two = ri_subject_token(&rest, &second) && !ri_subject_has_wildcard(second);
        uint64_t hash = ri_hash(first);
        place = two ? interest_two(hash, ri_hash(second)) : interest_one(hash);
    } else {
        interest->all++;
        return;
    }
    if (++interest->counters[place] == 0) interest->all += (uint64_t)UINT32_MAX + 1;
}

void ri_interest_key_init(ri_interest_key *key, ri_str subject, uint64_t hash)
{
    key->one = key->two = key->full = interest_full(hash);
    ri_str rest = subject, first, second;
    if (!ri_subject_token(&rest, &first)) return;
    uint64_t first_hash = ri_hash(first);
    key->one = interest_one(first_hash);
    if (ri_subject_token(&rest, &second)) key->two = interest_two(first_hash, ri_hash(second));
}

/* ---- Rings ---- */

static void interest_ring_push(ri_interest_entry **head, ri_interest_entry *entry)
{
    RI_ASSERT(!entry->next && !entry->prev);
    if (!*head) {
        *head = entry->next = entry->prev = entry;
        return;
    }
    entry->next = *head;
    entry->prev = (*head)->prev;
    entry->prev->next = entry;
    entry->next->prev = entry;
}

static void interest_ring_take(ri_interest_entry **head, ri_interest_entry *entry)
{
    RI_ASSERT(*head && entry->next->prev == entry && entry->prev->next == entry);
    RI_ASSERT(entry->next && *head);
    if (*head == entry) *head = entry->next == entry ? NULL : entry->next;
    entry->prev->next = entry->next;
    entry->next->prev = entry->prev;
    entry->next = entry->prev = NULL;
}

/* ---- The trie ---- */

static ri_interest_node *interest_node_new(ri_interest *interest, ri_interest_node *parent,
                                           ri_str token, uint64_t hash)
{
    ri_interest_node *node = ri_alloc(interest->host, interest_node_size((uint32_t)token.len));
    if (!node) return NULL;
    *node = (ri_interest_node){.parent = parent, .hash = hash, .len = (uint32_t)token.len};
    if (token.len) memcpy(node->token, token.ptr, token.len);
    return node;
}

static bool interest_is_star(ri_str token)
{
    return token.len == 1 && token.ptr[0] == '*';
}

static bool interest_is_rest(ri_str token)
{
    return token.len == 1 && token.ptr[0] == '>';
}

/* The child for `token`, made if it is not there. */
static ri_interest_node *interest_child(ri_interest *interest, ri_interest_node *parent,
                                        ri_str token)
{
    uint64_t hash = interest_edge_hash(parent, ri_hash(token));
    if (interest_is_star(token)) {
        if (!parent->star) parent->star = interest_node_new(interest, parent, token, hash);
        return parent->star;
    }
    interest_edge edge = {parent, token};
    ri_interest_node *node = ri_map_get(&interest->edges, hash, &edge);
    if (node) return node;
    node = interest_node_new(interest, parent, token, hash);
    if (!node) return NULL;
    if (ri_map_put(&interest->edges, hash, node) < 0) {
        interest_node_free(interest, node);
        return NULL;
    }
    parent->children++;
    return node;
}

/* Take out `node` and the nodes above it as long as they hold nothing and lead nowhere. */
static void interest_prune(ri_interest *interest, ri_interest_node *node)
{
    RI_ASSERT(node && interest->root);
    while (node && !node->ends && !node->ones && !node->rests && !node->star &&
           node->children == 0) {
        ri_interest_node *parent = node->parent;
        if (!parent) {
            RI_ASSERT(node == interest->root && interest->edges.len == 0);
            interest->root = NULL;
        } else if (parent->star == node) {
            parent->star = NULL;
        } else {
            interest_edge edge = {parent, {node->token, node->len}};
            void *taken = ri_map_take(&interest->edges, node->hash, &edge);
            RI_ASSERT(taken == node);
            (void)taken;
            parent->children--;
        }
        interest_node_free(interest, node);
        node = parent;
    }
}

/* Where a filter's last token puts it, at the node before it if it is a wildcard. */
static ri_interest_entry **interest_ring_of(ri_interest_node *node, ri_str filter)
{
    size_t len = filter.len;
    char last = len == 1 || filter.ptr[len - 2] == '.' ? filter.ptr[len - 1] : 0;
    if (last == '>') return &node->rests;
    return last == '*' ? &node->ones : &node->ends;
}

static int interest_add_filter(ri_interest *interest, ri_interest_entry *entry)
{
    RI_ASSERT(!ri_interest_is_in(entry));
    int rc = ri_shapes_add(&interest->shapes, entry->subject);
    if (rc < 0) return rc;
    if (!interest->root)
        interest->root = interest_node_new(interest, NULL, RI_STR_NONE, interest->seed);
    ri_interest_node *node = interest->root;
    ri_str rest = entry->subject, token;
    while (node && ri_subject_token(&rest, &token)) {
        bool last = rest.ptr == NULL; /* as ri_str_cut() leaves it */
        if (interest_is_rest(token) || (last && interest_is_star(token))) break;
        ri_interest_node *child = interest_child(interest, node, token);
        if (!child) interest_prune(interest, node);
        node = child;
    }
    if (!node) {
        ri_shapes_remove(&interest->shapes, entry->subject);
        return RILL_ENOMEM;
    }
    entry->node = node;
    interest_ring_push(interest_ring_of(node, entry->subject), entry);
    return RILL_OK;
}

/* The first `n` tokens, without the dot behind them; all if there are not more. */
static ri_str interest_first(ri_str subject, int n)
{
    RI_ASSERT(n > 0);
    const char *end = subject.ptr + subject.len, *at = subject.ptr;
    for (; at < end; at++)
        if (*at == '.' && --n == 0) break;
    return (ri_str){subject.ptr, (size_t)(at - subject.ptr)};
}

uint32_t ri_interest_literal_place(ri_str tokens)
{
    return (uint32_t)(ri_hash(tokens) >> 32) & (RI_INTEREST_LITERALS - 1);
}

/* One more or one less, at the places of its first token and of its first two. */
static void interest_count_literal(ri_interest *interest, ri_str subject, uint32_t step)
{
    if (interest->bare) return;
    interest->literals_at[ri_interest_literal_place(interest_first(subject, 1))] += step;
    interest->literals_at[ri_interest_literal_place(interest_first(subject, 2))] += step;
}

static int interest_add_literal(ri_interest *interest, ri_interest_entry *entry)
{
    RI_ASSERT(!ri_interest_is_in(entry) && !entry->node);
    entry->node = NULL;
    entry->hash = ri_hash(entry->subject);
    uint64_t hash = interest_literal_hash(interest, entry->hash);
    ri_interest_entry *head = ri_map_get(&interest->literals, hash, &entry->subject);
    if (!head && ri_map_put(&interest->literals, hash, entry) < 0) return RILL_ENOMEM;
    if (!head) interest_count_literal(interest, entry->subject, 1);
    interest_ring_push(&head, entry);
    return RILL_OK;
}

int ri_interest_add(ri_interest *interest, ri_interest_entry *entry)
{
    RI_ASSERT(!ri_interest_is_in(entry));
    bool literal = !ri_subject_has_wildcard(entry->subject);
    if (!ri_subject_is_filter(entry->subject))
        return ri_err(RILL_EINVAL, "\"%.*s\" is no valid subject", RI_ARG(entry->subject));
    if (!literal && ri_subject_count(entry->subject) > RI_LIMIT_FILTER_TOKENS)
        return ri_err(RILL_EINVAL, "a subject with wildcards may have %d tokens",
                      RI_LIMIT_FILTER_TOKENS);
    int rc = interest_make_numbers(interest);
    if (rc < 0) return rc;
    rc = literal ? interest_add_literal(interest, entry) : interest_add_filter(interest, entry);
    if (rc < 0) return rc;
    interest->count++;
    interest_change(interest, entry);
    return RILL_OK;
}

/* The table holds the head of the ring: another entry must take its place. */
static void interest_remove_literal(ri_interest *interest, ri_interest_entry *entry)
{
    uint64_t hash = interest_literal_hash(interest, entry->hash);
    ri_interest_entry *head = ri_map_get(&interest->literals, hash, &entry->subject);
    RI_ASSERT(head);
    if (head != entry) {
        interest_ring_take(&head, entry);
        return;
    }
    ri_map_take(&interest->literals, hash, &entry->subject);
    interest_ring_take(&head, entry);
    if (!head) {
        interest_count_literal(interest, entry->subject, (uint32_t)-1);
        return;
    }
    int rc = ri_map_put(&interest->literals, hash, head);
    RI_ASSERT(rc == RILL_OK); /* a slot has just become free */
    (void)rc;
}

void ri_interest_remove(ri_interest *interest, ri_interest_entry *entry)
{
    if (!ri_interest_is_in(entry)) return;
    RI_ASSERT(interest->count > 0);
    interest->count--;
    interest_change(interest, entry);
    if (!entry->node) {
        interest_remove_literal(interest, entry);
        return;
    }
    ri_interest_node *node = entry->node;
    entry->node = NULL;
    ri_shapes_remove(&interest->shapes, entry->subject);
    interest_ring_take(interest_ring_of(node, entry->subject), entry);
    interest_prune(interest, node);
}

/* ---- Matching ---- */

typedef struct interest_path {
    const ri_interest *interest;
    ri_interest_visit visit;
    void *arg;
    size_t len;  /* tokens of the subject */
    size_t reach; /* that were, or would have been, compared with an edge's */
    size_t visited; /* nodes */
    size_t hashed; /* of the tokens */
    ri_str tokens[RI_LIMIT_FILTER_TOKENS]; /* no filter looks at more */
    uint64_t hashes[RI_LIMIT_FILTER_TOKENS];
} interest_path;

/* False if a token is empty. */
static bool interest_split(interest_path *path, ri_str subject)
{
    path->len = path->reach = path->hashed = path->visited = 0;
    if (subject.len == 0) return false;
    const char *start = subject.ptr, *end = subject.ptr + subject.len;
    for (const char *at = start;; at++) {
        if (at < end && *at != '.') continue;
        if (at == start) return false;
        if (path->len < RI_LIMIT_FILTER_TOKENS)
            path->tokens[path->len] = (ri_str){start, (size_t)(at - start)};
        path->len++;
        if (at == end) return true;
        start = at + 1;
    }
}

static bool interest_show(interest_path *path, ri_interest_entry *ring)
{
    return !ring || path->visit(path->arg, ring);
}

/* Each token is hashed once, however many nodes look for it. */
static uint64_t interest_hash(interest_path *path, size_t at)
{
    for (; path->hashed <= at; path->hashed++)
        path->hashes[path->hashed] = ri_hash(path->tokens[path->hashed]);
    return path->hashes[at];
}

static bool interest_down(interest_path *path, const ri_interest_node *node, size_t at)
{
    for (;; at++) {
        path->visited++;
        if (at == path->len) return interest_show(path, node->ends);
        if (!interest_show(path, node->rests)) return false;
        if (at + 1 == path->len && !interest_show(path, node->ones)) return false;
        if (node->star && !interest_down(path, node->star, at + 1)) return false;
        if (node->children == 0) return true;
        RI_ASSERT(at < RI_LIMIT_FILTER_TOKENS);
        path->reach = RI_MAX(path->reach, at + 1);
        interest_edge edge = {node, path->tokens[at]};
        uint64_t hash = interest_edge_hash(node, interest_hash(path, at));
        node = ri_map_get(&path->interest->edges, hash, &edge);
        if (!node) return true;
    }
}

bool ri_interest_find(const ri_interest *interest, ri_interest_search *search)
{
    RI_ASSERT(search->visit);
    uint64_t hash = interest_literal_hash(interest, search->hash);
    ri_interest_entry *ring = ri_map_get(&interest->literals, hash, &search->subject);
    search->reach = search->visited = 0;
    if (ring && !search->visit(search->arg, ring)) return false;
    if (!interest->root) return true;
    interest_path path; /* the tokens are written by the split, as many as there are */
    path.interest = interest;
    path.visit = search->visit;
    path.arg = search->arg;
    bool whole = !interest_split(&path, search->subject) ||
                 interest_down(&path, interest->root, 0);
    search->reach = path.reach;
    search->visited = path.visited;
    return whole;
}

bool ri_interest_walk(const ri_interest *interest, ri_str subject, uint64_t hash,
                      ri_interest_visit visit, void *arg)
{
    return ri_interest_find(interest, &(ri_interest_search){subject, hash, visit, arg, 0, 0});
}

bool ri_interest_has_literal(const ri_interest *interest, ri_str subject, uint64_t hash)
{
    return ri_map_get(&interest->literals, interest_literal_hash(interest, hash), &subject) != NULL;
}

enum {
    INTEREST_ENTRY_LINES = 3, /* cache lines of a subscription that a delivery reads */
    INTEREST_NEAR = 4096,     /* literals up to which all that is needed is in the cache anyway */
};

void ri_interest_fetch(const ri_interest *interest, uint64_t hash)
{
    ri_map_fetch(&interest->literals, interest_literal_hash(interest, hash));
}

void ri_interest_fetch_more(const ri_interest *interest, uint64_t hash)
{
    if (interest->literals.len < INTEREST_NEAR) return;
    const char *entry = ri_map_peek(&interest->literals, interest_literal_hash(interest, hash));
    if (!entry) return;
    for (int i = 0; i < INTEREST_ENTRY_LINES; i++) __builtin_prefetch(entry + i * RI_CACHE_LINE);
}

static bool interest_stop(void *arg, ri_interest_entry *ring)
{
    (void)arg;
    (void)ring;
    return false;
}

/* A node, and those that it leads to by stars: the others are in the table of edges. */
static bool interest_each_at(const ri_interest_node *node, ri_interest_visit visit, void *arg)
{
    for (; node; node = node->star) {
        if (node->ends && !visit(arg, node->ends)) return false;
        if (node->ones && !visit(arg, node->ones)) return false;
        if (node->rests && !visit(arg, node->rests)) return false;
    }
    return true;
}

void ri_interest_each(const ri_interest *interest, ri_interest_visit visit, void *arg)
{
    ri_map_each (literal, &interest->literals)
        if (!visit(arg, literal)) return;
    if (!interest_each_at(interest->root, visit, arg)) return;
    ri_map_each (node, &interest->edges)
        if (!interest_each_at(node, visit, arg)) return;
}

bool ri_interest_any(const ri_interest *interest, ri_str subject)
{
    RI_ASSERT(subject.ptr || subject.len == 0);
    return !ri_interest_walk(interest, subject, ri_hash(subject), interest_stop, NULL);
}
