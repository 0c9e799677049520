/* SPDX-License-Identifier: Apache-2.0 */
/* What a match must be, found by looking at every subscription, and a random population of
 * subscriptions that come and go. For the tests and the fuzzer of the interest. */
#ifndef RI_TEST_NAIVE_MATCH_H
#define RI_TEST_NAIVE_MATCH_H

#include <stdbool.h>
#include <stdio.h>

#include "codec/subject/subject.h"
#include "engine/live/match_cache.h"

enum { NAIVE_SUBS = 200, NAIVE_TOKENS = 5, NAIVE_TEXT = 64 };

typedef struct naive {
    ri_interest *interest;
    ri_interest_entry entries[NAIVE_SUBS];
    char subjects[NAIVE_SUBS][NAIVE_TEXT]; /* exactly the bytes; the rest is of other turns */
    char queues[NAIVE_SUBS][8];
} naive;

/* Where the next choice comes from: a number below n. */
typedef uint32_t (*naive_choose)(void *arg, uint32_t n);

static inline size_t naive_subject(char out[NAIVE_TEXT], bool filter, naive_choose choose,
                                   void *arg)
{
    static const char *words[] = {"a", "b", "cc", "ddd", "*", "a*", ">x", "", "e"};
    uint32_t count = 1 + choose(arg, NAIVE_TOKENS);
    size_t len = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t word = choose(arg, 24);
        const char *text = words[word < RI_LEN(words) ? word : word % 4];
        if (filter && i + 1 == count && choose(arg, 4) == 0) text = ">";
        if (filter && *text == 0) text = "b";
        len += (size_t)snprintf(out + len, NAIVE_TEXT - len, "%s%s", i ? "." : "", text);
    }
    return len;
}

/* Subscription `i` comes if it is away, and goes if it is there. Returns the code of the add. */
static inline int naive_toggle(naive *n, uint32_t i, naive_choose choose, void *arg)
{
    ri_interest_entry *entry = &n->entries[i];
    if (ri_interest_is_in(entry)) {
        ri_interest_remove(n->interest, entry);
        return 0;
    }
    entry->subject = (ri_str){n->subjects[i], naive_subject(n->subjects[i], true, choose, arg)};
    uint32_t queue = choose(arg, 20); /* half are plain */
    snprintf(n->queues[i], sizeof n->queues[i], "%.*s%u", queue < 10 ? 1 : 0, "q", queue);
    entry->queue = queue < 10 ? ri_str_of(n->queues[i]) : RI_STR_NONE;
    return ri_interest_add(n->interest, entry);
}

static inline bool naive_holds(ri_interest_entry *const *list, uint32_t len,
                               const ri_interest_entry *e)
{
    uint32_t times = 0;
    for (uint32_t i = 0; i < len; i++) times += list[i] == e;
    return times == 1;
}

static inline const ri_match_group *naive_group(const ri_match *match, ri_str queue)
{
    for (uint32_t i = 0; i < match->ngroups; i++)
        if (ri_str_eq(match->groups[i].queue, queue)) return &match->groups[i];
    return NULL;
}

/* NULL if `match` is exactly who wants `subject`, else what is wrong. */
static inline const char *naive_check(const naive *n, const ri_match *match, ri_str subject)
{
    bool empty = subject.len == 0;
    ri_str rest = subject, token;
    while (ri_subject_token(&rest, &token)) empty = empty || token.len == 0;
    uint32_t plain = 0, queued = 0, members = 0;
    for (size_t i = 0; i < NAIVE_SUBS; i++) {
        const ri_interest_entry *e = &n->entries[i];
        if (empty || !ri_interest_is_in(e) || !ri_subject_match(e->subject, subject)) continue;
        if (e->queue.len == 0) {
            plain++;
            if (!naive_holds(match->plain, match->nplain, e)) return "a plain one is missing";
        } else {
            queued++;
            const ri_match_group *group = naive_group(match, e->queue);
            if (!group || !naive_holds(group->members, group->n, e)) return "a member is missing";
        }
    }
    for (uint32_t g = 0; g < match->ngroups; g++) {
        members += match->groups[g].n;
        if (match->groups[g].n == 0) return "an empty group";
        if (naive_group(match, match->groups[g].queue) != &match->groups[g]) return "a name twice";
    }
    if (plain != match->nplain || queued != members) return "somebody too many";
    if ((plain + queued > 0) != ri_interest_any(n->interest, subject)) return "any() differs";
    return NULL;
}

#endif
