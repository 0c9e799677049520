/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind the question mark of a request, by the dice or by words of such: each value is
 * what another way of looking finds, none is longer than its room, and what passes for a number or
 * a truth is read as one. The first byte says whether the input is words, the second how much room
 * a value has. */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "front/pages/page_query.h"
#include "support/fuzz.h"

enum { TEXT_MAX = 4096, NUMBER_MAX = 64 };

static const char *const words[] = {
    "limit", "subs", "acc", "offset", "=", "=", "=", "&", "&", "1", "0", "true", "detail", "%",
    "%24", "%00", "%2", "%zz", "%3D", "%26", "+", "-", "18446744073709551615",
    "9223372036854775808", "$G", "\xc3\xa9", ">", "*"};

/* The first pair with that name, found backwards: the last one found is the first of them. */
static bool find(ri_str query, const char *name, ri_str *value)
{
    size_t len = strlen(name);
    bool found = false;
    for (size_t end = query.len, i = query.len + 1; i-- > 0;) {
        if (i > 0 && query.ptr[i - 1] != '&') continue;
        ri_str pair = {query.ptr + i, end - i};
        end = i ? i - 1 : 0;
        if (pair.len <= len || memcmp(pair.ptr, name, len) != 0 || pair.ptr[len] != '=') continue;
        *value = (ri_str){pair.ptr + len + 1, pair.len - len - 1};
        found = true;
    }
    return found;
}

static void check(ri_str query, const char *name, size_t room)
{
    ri_str raw = RI_STR_NONE;
    char *value = malloc(room);
    fuzz_require(value != NULL, "memory");
    bool has = ri_page_query_get(query, name, value, room);
    size_t len = strlen(value);
    fuzz_require(has == find(query, name, &raw), "another pair is found");
    fuzz_require(has || len == 0, "what is absent has a value");
    fuzz_require(len < room && (!has || len <= raw.len), "a value is longer than it can be");
    bool plain = has && !memchr(raw.ptr, '%', raw.len) && !memchr(raw.ptr, '+', raw.len) &&
                 !memchr(raw.ptr, 0, raw.len);
    if (plain)
        fuzz_require(len == (raw.len < room ? raw.len : room - 1) &&
                     memcmp(value, raw.ptr, len) == 0, "a plain value is changed");
    free(value);
}

static ri_host host;

static void check_kinds(ri_str query)
{
    ri_buffer said;
    if (!host.alloc) ri_host_init(&host, NULL);
    ri_buffer_init(&said, &host);
    if (ri_page_query_check(query, "subs", "offset", "limit", &said)) {
        char value[NUMBER_MAX];
        bool has = ri_page_query_get(query, "limit", value, sizeof value) && value[0];
        fuzz_require(ri_buffer_size(&said) == 0, "something is said of what is good");
        fuzz_require(!has ||
                     ri_page_query_number(query, "limit", 7) == strtoull(value, NULL, 10),
                     "a number is read as another");
    } else {
        fuzz_require(ri_buffer_size(&said) > 0, "nothing is said of what is bad");
    }
    ri_buffer_fini(&said);
}

int fuzz_one(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"limit", "subs", "acc", "a"};
    if (size < 2) return 0;
    char *text = malloc(TEXT_MAX);
    fuzz_require(text != NULL, "memory");
    size_t len = size - 2 < TEXT_MAX ? size - 2 : TEXT_MAX;
    if (data[0] & 1)
        len = fuzz_words(text, TEXT_MAX, words, sizeof words / sizeof words[0], data + 2, size - 2);
    else memcpy(text, data + 2, len);
    char *exact = malloc(len + !len); /* not a byte more than it has */
    fuzz_require(exact != NULL, "memory");
    memcpy(exact, text, len);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        check((ri_str){exact, len}, names[i], 1 + data[1] % 64);
    check_kinds((ri_str){exact, len});
    free(exact);
    free(text);
    return 0;
}
