/* SPDX-License-Identifier: Apache-2.0 */
/* Header blocks: any bytes are walked safely; what was built or edited says what it was told.
 * The first byte says how the others are taken: as a block, or as steps that edit one. */
#include <stdlib.h>
#include <string.h>

#include "codec/nats/headers.h"
#include "codec/limits.h"
#include "support/fuzz.h"

static void walk(const char *bytes, size_t size)
{
    char *block = malloc(size ? size : 1);
    fuzz_require(block != NULL, "memory");
    memcpy(block, bytes, size);
    ri_str s = {block, size}, rest = s, value, description;
    rill_header header;
    bool whole = ri_headers_check(s) == RILL_OK;
    size_t n = 0;
    while (ri_headers_next(&rest, &header)) {
        n++;
        fuzz_require(header.name.len > 0 && header.name.ptr >= block, "a header outside");
        fuzz_require(header.value.ptr + header.value.len <= block + size, "a value outside");
        if (!whole) continue;
        fuzz_require(ri_headers_find(s, header.name, &value), "a walked header is not found");
    }
    fuzz_require(n == ri_headers_count(s), "walks differ");
    int status = ri_headers_status(s, &description);
    fuzz_require(status >= 0 && status <= 999, "a status of more than three digits");
    free(block);
}

static void edit(const uint8_t *data, size_t size)
{
    static const ri_str names[] = {{"A", 1}, {"Bb", 2}, {"A", 0}, {"Nats-Msg-Id", 11}, {"A:", 2}};
    static ri_host host;
    if (!host.alloc) ri_host_init(&host, NULL);
    ri_buffer b;
    ri_buffer_init(&b, &host);
    for (size_t at = 0; at + 2 < size;) {
        ri_str name = names[data[at] % RI_LEN(names)], found;
        size_t len = RI_MIN((size_t)data[at + 2] % 40, size - at - 3);
        ri_str value = {(const char *)data + at + 3, len};
        uint32_t before = ri_headers_count(ri_buffer_str(&b));
        int rc = 0;
        switch (data[at + 1] % 3) {
        case 0:
            rc = ri_headers_add(&b, name, value);
            fuzz_require(ri_headers_count(ri_buffer_str(&b)) == before + (rc == 0), "added wrong");
            break;
        case 1:
            rc = ri_headers_replace(&b, name, value);
            if (rc < 0) break;
            while (value.len && *value.ptr == ' ') value = ri_str_from(value, 1);
            fuzz_require(ri_headers_find(ri_buffer_str(&b), name, &found) &&
                         ri_str_eq(found, value),
                         "what was set is not there");
            break;
        case 2:
            rc = ri_headers_cut(&b, name);
            fuzz_require(before == ri_headers_count(ri_buffer_str(&b)) + (uint32_t)rc, "cut wrong");
            fuzz_require(!ri_headers_find(ri_buffer_str(&b), name, &found), "cut and still there");
            break;
        }
        fuzz_require(rc >= 0 || rc == RILL_EINVAL || rc == RILL_ETOOBIG, "an unknown failure");
        if (ri_buffer_size(&b))
            fuzz_require(ri_headers_check(ri_buffer_str(&b)) == RILL_OK, "the edit tore the block");
        at += 3 + len;
    }
    ri_buffer_fini(&b);
}

/* Choices of a grammar: random bytes alone never begin with NATS/1.0. */
static void grammar(const uint8_t *data, size_t size)
{
    static const char *words[] = {"NATS/1.0", "\r\n", "\r\n", " ", "503", "A", ":", "Bb: c\r\n",
                                  "x", "\r", "\n", "\r\n\r\n", "A: b\r\n", " No Messages"};
    static char block[1 << 16];
    size_t len = 0;
    if (size > 0 && data[0] & 1) {
        memcpy(block, RI_HEADERS_FIRST, sizeof RI_HEADERS_FIRST - 1);
        len = sizeof RI_HEADERS_FIRST - 1;
    }
    if (size > 0)
        len += fuzz_words(block + len, sizeof block - len, words, RI_LEN(words), data + 1,
                          size - 1);
    walk(block, len);
}

int fuzz_one(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    switch (data[0] % 3) {
    case 0: walk((const char *)data + 1, size - 1); break;
    case 1: edit(data + 1, size - 1); break;
    case 2: grammar(data + 1, size - 1); break;
    }
    return 0;
}
