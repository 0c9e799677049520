/* SPDX-License-Identifier: Apache-2.0 */
/* The interest and its caches against a look at every subscription. The input is the choices:
 * who comes or goes, with which subject and queue, and what is published between. */
#include <stdlib.h>

#include "base/hash.h"
#include "support/fuzz.h"
#include "support/naive_match.h"

typedef struct source {
    const uint8_t *data;
    size_t size, at;
} source;

static uint32_t choose(void *arg, uint32_t n)
{
    source *s = arg;
    return s->at < s->size ? s->data[s->at++] % n : 0;
}

int fuzz_one(const uint8_t *data, size_t size)
{
    static naive n;
    ri_host host;
    ri_interest interest;
    ri_match_cache caches[2];
    ri_host_init(&host, NULL);
    ri_interest_init(&interest, &host);
    ri_match_cache_init(&caches[0], &host, 0, 0);
    ri_match_cache_init(&caches[1], &host, 4, 0);
    caches[1].patience = 0;
    n = (naive){.interest = &interest};
    for (source s = {data, size, 0}; s.at < s.size;) {
        char text[NAIVE_TEXT];
        uint32_t what = choose(&s, 4);
        if (what < 2) fuzz_require(naive_toggle(&n, choose(&s, NAIVE_SUBS), choose, &s) == 0,
                                   "add");
        ri_str subject = {text, naive_subject(text, false, choose, &s)};
        ri_match_cache_fetch(&caches[what & 1], &interest, ri_hash(subject));
        ri_match_cache_fetch_more(&caches[what & 1], &interest, ri_hash(subject));
        const ri_match *match = ri_match_cache_get(&caches[what & 1], &interest, subject);
        fuzz_require(match != NULL, "memory");
        const char *wrong = naive_check(&n, match, subject);
        fuzz_require(!wrong, wrong ? wrong : "");
    }
    for (size_t i = 0; i < NAIVE_SUBS; i++) ri_interest_remove(&interest, &n.entries[i]);
    fuzz_require(interest.count == 0 && !interest.root && interest.edges.len == 0, "not pruned");
    for (size_t i = 0; i < 2; i++) ri_match_cache_fini(&caches[i]);
    ri_interest_fini(&interest);
    return 0;
}
