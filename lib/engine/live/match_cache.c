/* SPDX-License-Identifier: Apache-2.0 */
/* An answer is one block: the match, the arrays that it points to, and the subject.
 *
 *     slots  [hash|answer] [ - ] [hash|answer] ...           walked from the home slot
 *                 |
 *                 v
 *     answer { hash, key, generation, changes, used, match }
 *            | plain: entry* entry* ... | groups: {queue, members, n, turn} ...
 *            | members: entry* entry* ... | subject bytes |
 *
 * It is right if nothing at all has changed since it was last looked at (`changes`, one compare),
 * or if the generations of its subject have not moved. When the cache is full the hand goes
 * round: an answer that was used since the hand was there last is spared once.
 *
 * Many subjects are asked for once and never again, so an answer is remembered when it is wanted
 * for the second time. The marks know what was wanted of late, two bytes a subject, and grow if
 * nearly all that they see is new. Until then an answer is made in one block that is used again
 * and again or, if it is nobody or one plain subscription, in no block at all. While the interest
 * has no wildcards such an answer costs no more to find than to remember, and never is.
 *
 * STEMS. The reply of each request, the ack of each message, what is published under "orders.>":
 * their subjects never come twice, and yet all get one answer, since no filter looks behind the
 * first tokens. Such an answer is remembered once, as a stem, when so many subjects of the kind
 * have been new that it is likely that more will be:
 *
 *     _INBOX.x7Q.*     _INBOX.x7Q.81  _INBOX.x7Q.82  ...   stem "_INBOX.x7Q." with 1 token more
 *     $JS.ACK.>        $JS.ACK.S.C.1.7.7.0.0         ...   stem "$JS.ACK." with 7 more
 *
 * The interest says how far its filters look (ri_interest_reach). A stem of two tokens or more
 * has a generation like any subject; a shorter one is right as long as no subscription with a
 * wildcard came or went. One without, that has a subject of the stem's, is looked for each time.
 * Stems stand in a table by the hash of their first two tokens (of the first, if that is all they
 * have), one a slot: the newer takes the place of the older. */
#include "engine/live/match_cache.h"

#include "base/array.h"
#include "base/assert.h"
#include "base/hash.h"
#include "codec/limits.h"

enum {
    MATCH_CACHE_FIRST = 32,  /* slots */
    MATCH_CACHE_RINGS = 64,  /* places found, at first */
    MATCH_CACHE_SHARE = 8,   /* an answer above 1/8 of the bytes allowed is not remembered */
    MATCH_CACHE_LINEAR = 8,  /* so many groups are found by looking at each */
    MATCH_CACHE_STEMS = 128, /* slots */
    MATCH_CACHE_PATIENCE = 256,
    MATCH_CACHE_MARKS = 256,           /* marks at first ... */
    MATCH_CACHE_MARKS_MAX = 64 * 1024, /* ... and at most */
    MATCH_CACHE_SAMPLE = 4096, /* slots looked at for a sample; who stands where is by chance */
    MATCH_CACHE_NEAR = 1024, /* answers up to which all that is needed is in the CPU's cache */
};

typedef struct ri_match_answer match_answer;

struct ri_match_answer {
    uint64_t hash;        /* of the subject */
    uint64_t generation;  /* of the key, when it was made */
    uint64_t changes;     /* of the interest, when it was last found right; a stem's: of its
                             filters */
    ri_interest_key key;
    bool used;            /* since the hand was here */
    uint32_t tokens;      /* behind a stem; 0: the answer of one subject */
    uint32_t place;       /* a stem's: where literal subjects of it are counted */
    ri_str subject;       /* in this block; a stem's: with its last dot */
    size_t size;          /* of this block */
    ri_match match;
};

static const ri_match match_cache_nobody;

struct ri_match_cache_stem { /* a slot */
    uint64_t mark;        /* of the kind of subjects that it is about: see match_cache_kind */
    uint32_t news;        /* how often a subject of it was new */
    match_answer *answer; /* NULL: not yet */
};

struct ri_match_cache_slot {
    uint64_t hash;
    match_answer *answer; /* NULL: empty */
};

void ri_match_cache_init(ri_match_cache *cache, const ri_host *host, size_t max_entries,
                         size_t max_bytes)
{
    *cache = (ri_match_cache){.host = host};
    cache->max_entries = max_entries ? max_entries : RI_LIMIT_CACHE_ENTRIES;
    cache->max_bytes = max_bytes ? max_bytes : RI_LIMIT_CACHE_BYTES;
    cache->patience = MATCH_CACHE_PATIENCE;
    cache->single_changes = UINT64_MAX;
}

static void match_cache_free(ri_match_cache *cache, match_answer *answer)
{
    if (cache->last == answer) cache->last = NULL;
    if (cache->stem == answer) cache->stem = NULL;
    if (answer) ri_free(cache->host, answer, answer->size);
}

static void match_cache_free_loose(ri_match_cache *cache)
{
    if (cache->last == cache->loose) cache->last = NULL;
    ri_free(cache->host, cache->loose, cache->loose_cap);
    cache->loose = NULL;
    cache->loose_cap = 0;
}

void ri_match_cache_clear(ri_match_cache *cache)
{
    RI_ASSERT(cache->len <= cache->cap);
    for (size_t i = 0; i < cache->cap; i++) match_cache_free(cache, cache->slots[i].answer);
    match_cache_free_loose(cache);
    for (size_t i = 0; cache->stems && i < MATCH_CACHE_STEMS; i++)
        match_cache_free(cache, cache->stems[i].answer);
    ri_free(cache->host, cache->stems, MATCH_CACHE_STEMS * sizeof *cache->stems);
    ri_free(cache->host, cache->slots, cache->cap * sizeof *cache->slots);
    ri_free(cache->host, cache->rings, cache->rings_cap * sizeof *cache->rings);
    ri_free(cache->host, cache->marks, cache->marks_cap * sizeof *cache->marks);
    cache->slots = NULL;
    cache->rings = NULL;
    cache->marks = NULL;
    cache->stems = NULL;
    cache->single_changes = UINT64_MAX;
    cache->interest = NULL;
    cache->cap = cache->len = cache->bytes = cache->hand = cache->rings_cap = 0;
    cache->marks_cap = cache->marks_news = 0;
}

void ri_match_cache_fini(ri_match_cache *cache)
{
    if (!cache->host) return;
    ri_match_cache_clear(cache);
    *cache = (ri_match_cache){.host = NULL};
}

/* ---- Making an answer ---- */

typedef struct match_find {
    ri_match_cache *cache;
    size_t nrings;
    size_t nplain, nqueued;
    bool failed; /* out of memory */
} match_find;

static bool match_cache_rings_grow(ri_match_cache *cache)
{
    return ri_array_reserve_long(cache->host, &cache->rings, &cache->rings_cap,
                                 RI_MAX(cache->rings_cap + 1, (size_t)MATCH_CACHE_RINGS),
                                 sizeof(ri_interest_entry *)) == RILL_OK;
}

static bool match_cache_found(void *arg, ri_interest_entry *ring)
{
    match_find *find = arg;
    ri_match_cache *cache = find->cache;
    find->failed = find->nrings == cache->rings_cap && !match_cache_rings_grow(cache);
    if (find->failed) return false;
    cache->rings[find->nrings++] = ring;
    ri_interest_entry *entry = ring;
    do {
        if (entry->queue.len) find->nqueued++;
        else find->nplain++;
        entry = entry->next;
    } while (entry != ring);
    return true;
}

/* The queued entries, sorted out: `names` holds the distinct ones in the order of their coming,
 * `of[i]` the number of the i-th entry's, `index` finds a name when there are many. */
typedef struct match_queues {
    size_t nqueued;
    uint32_t nnames;
    uint32_t *of;
    struct match_name {
        ri_str queue;
        uint32_t n; /* entries */
    } *names;
    uint32_t *index; /* number + 1, by hash; 0: empty */
    size_t index_cap;
} match_queues;

static size_t match_queues_index_cap(size_t nqueued)
{
    size_t cap = 16;
    while (cap < nqueued * 2) cap *= 2;
    return cap;
}

static int match_queues_init(match_queues *q, const ri_host *host, size_t nqueued)
{
    *q = (match_queues){.nqueued = nqueued};
    if (nqueued == 0) return RILL_OK;
    q->of = ri_alloc(host, ri_size_mul(nqueued, sizeof *q->of));
    q->names = ri_alloc(host, ri_size_mul(nqueued, sizeof *q->names));
    bool ok = q->of && q->names;
    if (ok && nqueued > MATCH_CACHE_LINEAR) {
        q->index_cap = match_queues_index_cap(nqueued);
        q->index = ri_calloc(host, q->index_cap * sizeof *q->index);
        ok = q->index != NULL;
    }
    return ok ? RILL_OK : RILL_ENOMEM;
}

static void match_queues_fini(match_queues *q, const ri_host *host)
{
    ri_free(host, q->of, q->nqueued * sizeof *q->of);
    ri_free(host, q->names, q->nqueued * sizeof *q->names);
    ri_free(host, q->index, q->index_cap * sizeof *q->index);
}

/* The number of this name, a new one if it has not been seen. */
static uint32_t match_queues_number(match_queues *q, ri_str queue)
{
    size_t mask = q->index_cap - 1, at = 0;
    if (q->index) {
        for (at = ri_hash(queue) & mask; q->index[at]; at = (at + 1) & mask)
            if (ri_str_eq(q->names[q->index[at] - 1].queue, queue)) return q->index[at] - 1;
        q->index[at] = q->nnames + 1;
    } else {
        for (uint32_t i = 0; i < q->nnames; i++)
            if (ri_str_eq(q->names[i].queue, queue)) return i;
    }
    q->names[q->nnames] = (struct match_name){queue, 0};
    return q->nnames++;
}

static void match_queues_sort(match_queues *q, const match_find *find)
{
    size_t i = 0;
    for (size_t r = 0; r < find->nrings; r++) {
        ri_interest_entry *ring = find->cache->rings[r], *entry = ring;
        do {
            if (entry->queue.len) {
                q->of[i] = match_queues_number(q, entry->queue);
                q->names[q->of[i++]].n++;
            }
            entry = entry->next;
        } while (entry != ring);
    }
    RI_ASSERT(i == q->nqueued);
}

/* Lay out the block's arrays and fill them. */
static void match_cache_fill(match_answer *answer, const match_find *find, const match_queues *q)
{
    ri_match *match = &answer->match;
    match->plain = (ri_interest_entry **)(void *)(answer + 1);
    match->groups = (ri_match_group *)(void *)(match->plain + find->nplain);
    match->nplain = (uint32_t)find->nplain;
    match->ngroups = q->nnames;
    ri_interest_entry **members = (ri_interest_entry **)(void *)(match->groups + q->nnames);
    ri_interest_entry **place = members;
    for (uint32_t g = 0; g < q->nnames; g++) {
        match->groups[g] = (ri_match_group){.queue = q->names[g].queue, .members = place};
        place += q->names[g].n;
    }
    size_t nplain = 0, nqueued = 0;
    for (size_t r = 0; r < find->nrings; r++) {
        ri_interest_entry *ring = find->cache->rings[r], *entry = ring;
        do {
            if (entry->queue.len) {
                ri_match_group *group = &match->groups[q->of[nqueued++]];
                group->members[group->n++] = entry;
            } else {
                match->plain[nplain++] = entry;
            }
            entry = entry->next;
        } while (entry != ring);
    }
    RI_ASSERT(nplain == find->nplain && nqueued == find->nqueued);
    answer->subject.ptr = (char *)(members + find->nqueued);
}

/* ---- The table of answers ---- */

static inline uint64_t match_cache_spread(const ri_match_cache *cache, uint64_t hash)
{
    return (hash ^ cache->seed) * 0x9e3779b97f4a7c15ULL;
}

/* The slot where the search begins. */
static inline size_t match_cache_home(const ri_match_cache *cache, uint64_t hash)
{
    return (match_cache_spread(cache, hash) >> 32) & (cache->cap - 1);
}

static inline size_t match_cache_slot(const ri_match_cache *cache, ri_str subject, uint64_t hash)
{
    RI_ASSERT(cache->cap > 0 && (cache->cap & (cache->cap - 1)) == 0);
    size_t mask = cache->cap - 1, i = match_cache_home(cache, hash);
    for (; cache->slots[i].answer; i = (i + 1) & mask)
        if (cache->slots[i].hash == hash &&
            ri_str_same(cache->slots[i].answer->subject, subject))
            break;
    return i;
}

/* Take the answer at `i` out of the table; later ones of its run move up. */
static void match_cache_take(ri_match_cache *cache, size_t i)
{
    RI_ASSERT(cache->len > 0 && i < cache->cap);
    size_t mask = cache->cap - 1;
    match_answer *answer = cache->slots[i].answer;
    cache->bytes -= answer->size;
    cache->len--;
    for (size_t next = (i + 1) & mask; cache->slots[next].answer; next = (next + 1) & mask) {
        size_t home = match_cache_home(cache, cache->slots[next].hash);
        if (((next - home) & mask) < ((next - i) & mask)) continue;
        cache->slots[i] = cache->slots[next];
        i = next;
    }
    cache->slots[i].answer = NULL;
    match_cache_free(cache, answer);
}

/* Forget one answer that has not been used of late. */
static void match_cache_evict(ri_match_cache *cache)
{
    RI_ASSERT(cache->len > 0);
    for (;; cache->hand++) {
        size_t i = cache->hand & (cache->cap - 1);
        match_answer *answer = cache->slots[i].answer;
        if (!answer) continue;
        if (!answer->used) {
            match_cache_take(cache, i); /* another may have moved here: the hand stays */
            return;
        }
        answer->used = false;
    }
}

static bool match_cache_grow(ri_match_cache *cache)
{
    size_t cap = cache->cap ? cache->cap * 2 : MATCH_CACHE_FIRST;
    RI_ASSERT(cache->len <= cache->cap);
    struct ri_match_cache_slot *slots = ri_calloc(cache->host, cap * sizeof *slots);
    if (!slots) return false;
    struct ri_match_cache_slot *old = cache->slots;
    size_t old_cap = cache->cap;
    cache->slots = slots;
    cache->cap = cap;
    for (size_t i = 0; i < old_cap; i++) {
        if (!old[i].answer) continue;
        size_t at = match_cache_home(cache, old[i].hash);
        while (slots[at].answer) at = (at + 1) & (cap - 1);
        slots[at] = old[i];
    }
    ri_free(cache->host, old, old_cap * sizeof *old);
    return true;
}

/* Was a subject of this hash asked for of late? From now on it was. */
static bool match_cache_mark(ri_match_cache *cache, uint64_t hash)
{
    if (cache->marks_news >= cache->marks_cap * 2 && cache->marks_cap < MATCH_CACHE_MARKS_MAX) {
        size_t cap = cache->marks_cap ? cache->marks_cap * 4 : MATCH_CACHE_MARKS;
        uint16_t *marks = ri_calloc(cache->host, cap * sizeof *marks);
        if (marks) {
            ri_free(cache->host, cache->marks, cache->marks_cap * sizeof *marks);
            cache->marks = marks;
            cache->marks_cap = cap;
        }
        cache->marks_news = 0;
    }
    if (!cache->marks) return false;
    uint64_t spread = match_cache_spread(cache, hash);
    uint16_t *mark = &cache->marks[(spread >> 32) & (cache->marks_cap - 1)];
    uint16_t own = (uint16_t)(spread >> 16) | 1;
    if (*mark == own) return true;
    *mark = own;
    cache->marks_news++;
    return false;
}

/* Room in the table for one more answer of this size; false if it is not to be remembered. */
static bool match_cache_room(ri_match_cache *cache, size_t size)
{
    if (size > cache->max_bytes / MATCH_CACHE_SHARE) return false;
    while (cache->len > 0 &&
           (cache->len >= cache->max_entries || cache->bytes + size > cache->max_bytes))
        match_cache_evict(cache);
    return (cache->len + 1) * 2 <= cache->cap || match_cache_grow(cache);
}

static void match_cache_keep(ri_match_cache *cache, match_answer *answer)
{
    RI_ASSERT(cache->len < cache->cap);
    size_t i = match_cache_slot(cache, answer->subject, answer->hash);
    RI_ASSERT(!cache->slots[i].answer);
    cache->slots[i] = (struct ri_match_cache_slot){answer->hash, answer};
    cache->len++;
    cache->bytes += answer->size;
}

/* ---- Stems ---- */

/* How many tokens these are; 0 if one of them is empty. */
static uint32_t match_cache_tokens(ri_str s)
{
    uint32_t n = 1;
    bool empty = false, dot = true; /* as if one stood before */
    for (size_t i = 0; i < s.len; i++) {
        bool was = dot;
        dot = s.ptr[i] == '.';
        empty |= dot & was;
        n += dot;
    }
    return empty || dot ? 0 : n;
}

/* The first `n` tokens with the dot behind the last; empty if there are not so many dots. */
static ri_str match_cache_first(ri_str subject, size_t n)
{
    size_t len = 0;
    while (n > 0 && len < subject.len) n -= subject.ptr[len++] == '.';
    return (ri_str){subject.ptr, n == 0 ? len : 0};
}

/* Where a stem stands that has so many tokens. */
static struct ri_match_cache_stem *match_cache_stem_at(const ri_match_cache *cache, ri_str subject,
                                                       size_t tokens)
{
    ri_str first = match_cache_first(subject, RI_MIN(tokens, (size_t)2));
    return &cache->stems[ri_hash_u64(ri_hash(first) ^ cache->seed) & (MATCH_CACHE_STEMS - 1)];
}

static inline bool match_cache_covers(const match_answer *stem, ri_str subject)
{
    size_t len = stem->subject.len;
    return subject.len > len && ri_str_same(stem->subject, (ri_str){subject.ptr, len}) &&
           match_cache_tokens(ri_str_from(subject, len)) == stem->tokens;
}

static inline bool match_cache_stem_right(match_answer *stem, const ri_interest *interest)
{
    if (ri_likely(stem->changes == interest->filter_changes)) return true;
    if (stem->key.one == stem->key.two) return false; /* it has one token */
    if (stem->generation != ri_interest_generation(interest, &stem->key)) return false;
    stem->changes = interest->filter_changes;
    return true;
}

static match_answer *match_cache_stem_find(const ri_match_cache *cache, ri_str subject)
{
    for (size_t tokens = 2; cache->stems && tokens > 0; tokens--) {
        match_answer *stem = match_cache_stem_at(cache, subject, tokens)->answer;
        if (stem && match_cache_covers(stem, subject)) return stem;
    }
    return NULL;
}

static void match_cache_stem_drop(ri_match_cache *cache, struct ri_match_cache_stem *stem)
{
    if (!stem->answer) return;
    cache->bytes -= stem->answer->size;
    match_cache_free(cache, stem->answer);
    stem->answer = NULL;
}

/* The slot for this kind of subjects, if it is time for a stem; else NULL. */
static struct ri_match_cache_stem *match_cache_kind(ri_match_cache *cache, ri_str stem,
                                                    uint32_t tokens, size_t reach)
{
    if (!cache->stems &&
        !(cache->stems = ri_calloc(cache->host, MATCH_CACHE_STEMS * sizeof *cache->stems)))
        return NULL;
    struct ri_match_cache_stem *slot = match_cache_stem_at(cache, stem, reach);
    uint64_t mark = ri_hash(stem) + tokens;
    bool stale = slot->answer && reach == 1; /* they change too often */
    match_cache_stem_drop(cache, slot);
    if (slot->mark != mark || stale) slot->news = 0;
    slot->mark = mark;
    return slot->news++ < cache->patience ? NULL : slot;
}

/* Where this subject's stem is to stand, if its filters look no further than at `reach` tokens and
 * it is time for one; else NULL. */
static struct ri_match_cache_stem *match_cache_stem_due(ri_match_cache *cache, ri_str subject,
                                                        uint64_t hash, size_t reach)
{
    ri_str stem = match_cache_first(subject, reach);
    uint32_t tokens = stem.len ? match_cache_tokens(ri_str_from(subject, stem.len)) : 0;
    if (tokens == 0 || ri_interest_has_literal(cache->interest, subject, hash)) return NULL;
    return match_cache_kind(cache, stem, tokens, reach);
}

static bool match_cache_stem_fits(const ri_match_cache *cache, size_t size)
{
    return size <= cache->max_bytes / MATCH_CACHE_STEMS / 2;
}

/* The answer of one subject becomes that of all of its stem's. */
static void match_cache_keep_stem(ri_match_cache *cache, struct ri_match_cache_stem *slot,
                                  match_answer *answer, size_t reach)
{
    ri_str stem = match_cache_first(answer->subject, reach);
    answer->tokens = match_cache_tokens(ri_str_from(answer->subject, stem.len));
    answer->subject.len = stem.len;
    answer->changes = cache->interest->filter_changes;
    answer->key.full = answer->key.two; /* of no literal */
    if (reach == 1) answer->key.two = answer->key.one;
    answer->generation = ri_interest_generation(cache->interest, &answer->key);
    ri_str first = match_cache_first(stem, RI_MIN(reach, (size_t)2));
    answer->place = ri_interest_literal_place((ri_str){stem.ptr, first.len - 1});
    cache->bytes += answer->size;
    cache->stem = slot->answer = answer;
}

/* ---- An answer that is not there ---- */

/* A block for an answer that is not remembered. */
static match_answer *match_cache_loosen(ri_match_cache *cache, size_t size)
{
    if (size > cache->loose_cap || cache->loose_cap > cache->max_bytes / MATCH_CACHE_SHARE) {
        match_cache_free_loose(cache);
        cache->loose = ri_alloc(cache->host, size);
        cache->loose_cap = cache->loose ? size : 0;
    }
    return cache->loose;
}

/* How an answer is to be kept: as a stem there, in the table, or not. */
typedef struct match_wish {
    struct ri_match_cache_stem *stem; /* or NULL */
    size_t reach;
    bool again; /* it is asked for again */
} match_wish;

static match_answer *match_cache_make(ri_match_cache *cache, const match_find *find,
                                      ri_str subject, uint64_t hash, const match_wish *wish)
{
    match_answer *answer = NULL;
    match_queues queues;
    bool stem = false, keep = false;
    if (match_queues_init(&queues, cache->host, find->nqueued) == RILL_OK) {
        match_queues_sort(&queues, find);
        size_t size = sizeof *answer + (find->nplain +
                                        find->nqueued) * sizeof(ri_interest_entry *) +
                      queues.nnames * sizeof(ri_match_group) + subject.len;
        stem = wish->stem && match_cache_stem_fits(cache, size);
        keep = !stem && wish->again && match_cache_room(cache, size);
        answer = stem || keep ? ri_alloc(cache->host, size) : match_cache_loosen(cache, size);
        if (answer) {
            *answer = (match_answer){.hash = hash, .size = size, .subject.len = subject.len};
            match_cache_fill(answer, find, &queues);
            if (subject.len) memcpy((char *)answer->subject.ptr, subject.ptr, subject.len);
        }
    }
    match_queues_fini(&queues, cache->host);
    if (!answer) return NULL;
    ri_interest_key_init(&answer->key, subject, hash);
    answer->generation = ri_interest_generation(cache->interest, &answer->key);
    answer->changes = cache->interest->changes;
    if (stem) {
        match_cache_keep_stem(cache, wish->stem, answer, wish->reach);
        return answer;
    }
    if (keep) match_cache_keep(cache, answer);
    return cache->last = answer;
}

/* Nobody, or one plain entry. One that is the subject itself is known at once if it is asked
 * for again before anything changes. */
static const ri_match *match_cache_few(ri_match_cache *cache, const match_find *find)
{
    if (find->nplain == 0) return &match_cache_nobody;
    cache->one = cache->rings[0];
    cache->single = (ri_match){.plain = &cache->one, .nplain = 1};
    cache->single_changes = cache->one->node ? UINT64_MAX : cache->interest->changes;
    return &cache->single;
}

static const ri_match *match_cache_miss(ri_match_cache *cache, ri_str subject, uint64_t hash)
{
    match_find find = {.cache = cache};
    ri_interest_search search = {subject, hash, match_cache_found, &find, 0, 0};
    cache->misses++;
    ri_interest_find(cache->interest, &search);
    cache->visited += search.visited;
    if (find.failed) return NULL;
    bool few = find.nqueued == 0 && find.nplain <= 1;
    if (few && ri_interest_is_flat(cache->interest)) return match_cache_few(cache, &find);
    match_wish wish = {.stem = match_cache_stem_due(cache, subject, hash, search.reach),
                       .reach = search.reach, .again = match_cache_mark(cache, hash)};
    if (few && !wish.stem && !wish.again) return match_cache_few(cache, &find);
    match_answer *answer = match_cache_make(cache, &find, subject, hash, &wish);
    return answer ? &answer->match : NULL;
}

/* ---- Asking ---- */

static void match_cache_adopt(ri_match_cache *cache, const ri_interest *interest)
{
    ri_match_cache_clear(cache);
    cache->interest = interest;
    cache->seed = interest->seed;
}

/* The answer of a stem that covers the subject, unless somebody listens to this very one. */
static inline const ri_match *match_cache_by_stem(ri_match_cache *cache, match_answer *stem,
                                                  ri_str subject)
{
    const ri_interest *interest = cache->interest;
    if (!match_cache_stem_right(stem, interest)) return NULL;
    if (ri_unlikely(interest->literals_at[stem->place]) &&
        ri_interest_has_literal(interest, subject, ri_hash(subject)))
        return NULL;
    cache->stem = stem;
    cache->hits++;
    return &stem->match;
}

/* The one that is remembered in slot `i`, if it is still right; else it is forgotten. */
static const ri_match *match_cache_recall(ri_match_cache *cache, size_t i)
{
    RI_ASSERT(i < cache->cap);
    const ri_interest *interest = cache->interest;
    match_answer *answer = cache->slots[i].answer;
    if (answer->changes != interest->changes) {
        if (answer->generation != ri_interest_generation(interest, &answer->key)) {
            match_cache_take(cache, i);
            return NULL;
        }
        answer->changes = interest->changes;
    }
    answer->used = true;
    cache->last = answer;
    cache->hits++;
    return &answer->match;
}

/* Mostly one subject is published again and again, or many of one kind: an answer that can be
 * given without a look into a table; NULL if there is none. */
static inline const ri_match *match_cache_quick(ri_match_cache *cache, const ri_interest *interest,
                                                ri_str subject)
{
    if (interest->count == 0) return &match_cache_nobody;
    if (ri_unlikely(cache->interest != interest)) match_cache_adopt(cache, interest);
    const ri_match *match = NULL;
    if (cache->last && cache->last->changes == interest->changes &&
        ri_str_same(cache->last->subject, subject))
        match = &cache->last->match;
    else if (cache->single_changes == interest->changes &&
             ri_str_same(cache->one->subject, subject))
        match = &cache->single;
    cache->hits += match != NULL;
    if (!match && cache->stem && match_cache_covers(cache->stem, subject))
        match = match_cache_by_stem(cache, cache->stem, subject);
    return match;
}

static const ri_match *match_cache_search(ri_match_cache *cache, ri_str subject, uint64_t hash)
{
    const ri_match *match = NULL;
    match_answer *stem;
    if (cache->len > 0) {
        size_t i = match_cache_slot(cache, subject, hash);
        if (cache->slots[i].answer) match = match_cache_recall(cache, i);
    }
    if (!match && (stem = match_cache_stem_find(cache, subject)) != NULL)
        match = match_cache_by_stem(cache, stem, subject);
    return match ? match : match_cache_miss(cache, subject, hash);
}

const ri_match *ri_match_cache_get(ri_match_cache *cache, const ri_interest *interest,
                                   ri_str subject)
{
    const ri_match *match = match_cache_quick(cache, interest, subject);
    return match ? match : match_cache_search(cache, subject, ri_hash(subject));
}

const ri_match *ri_match_cache_find(ri_match_cache *cache, const ri_interest *interest,
                                    ri_str subject, uint64_t hash)
{
    const ri_match *match = match_cache_quick(cache, interest, subject);
    return match ? match : match_cache_search(cache, subject, hash);
}

static void match_cache_count(ri_match_cache_sample *sample, const match_answer *answer)
{
    if (!answer) return;
    uint64_t receivers = answer->match.nplain;
    for (uint32_t g = 0; g < answer->match.ngroups; g++) receivers += answer->match.groups[g].n;
    sample->seen++;
    sample->receivers += receivers;
    sample->receivers_max = RI_MAX(sample->receivers_max, receivers);
}

void ri_match_cache_sample_of(const ri_match_cache *cache, ri_match_cache_sample *out)
{
    *out = (ri_match_cache_sample){.answers = cache->len};
    for (size_t i = 0; i < RI_MIN(cache->cap, (size_t)MATCH_CACHE_SAMPLE); i++)
        match_cache_count(out, cache->slots[i].answer);
    for (size_t i = 0; cache->stems && i < MATCH_CACHE_STEMS; i++) {
        out->answers += cache->stems[i].answer != NULL;
        match_cache_count(out, cache->stems[i].answer);
    }
}

void ri_match_cache_fetch(const ri_match_cache *cache, const ri_interest *interest, uint64_t hash)
{
    if (cache->len > 0) __builtin_prefetch(&cache->slots[match_cache_home(cache, hash)]);
    ri_interest_fetch(interest, hash);
}

void ri_match_cache_fetch_more(const ri_match_cache *cache, const ri_interest *interest,
                               uint64_t hash)
{
    if (cache->len > MATCH_CACHE_NEAR) {
        const struct ri_match_cache_slot *slot = &cache->slots[match_cache_home(cache, hash)];
        const char *answer = slot->hash == hash ? (const char *)slot->answer : NULL;
        if (answer) __builtin_prefetch(answer);
        if (answer) __builtin_prefetch(answer + RI_CACHE_LINE);
        if (answer) return;
    }
    ri_interest_fetch_more(interest, hash);
}
