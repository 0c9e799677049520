/* SPDX-License-Identifier: Apache-2.0 */
/* CONNECT and INFO from a stranger: taken or refused, never worse; what was taken is the same
 * again after it was written and read. */
#include "codec/nats/nats_json.h"
#include "support/fuzz.h"

static ri_host host;

static void connect_one(ri_str json)
{
    ri_arena arena;
    ri_buffer first, second;
    ri_nats_connect c, again;
    ri_arena_init(&arena, &host);
    ri_buffer_init(&first, &host);
    ri_buffer_init(&second, &host);
    ri_nats_connect_init(&c);
    ri_nats_connect_init(&again);
    int rc = ri_nats_connect_read(&c, json, &arena);
    fuzz_require(rc == RILL_OK || rc == RILL_EPROTO, "an unknown failure");
    ri_nats_connect_write(&c, &first);
    rc = ri_nats_connect_read(&again, ri_buffer_str(&first), &arena);
    fuzz_require(rc == RILL_OK, "what we write cannot be read");
    ri_nats_connect_write(&again, &second);
    fuzz_require(ri_str_eq(ri_buffer_str(&first), ri_buffer_str(&second)), "CONNECT changes");
    ri_buffer_fini(&second);
    ri_buffer_fini(&first);
    ri_arena_fini(&arena);
}

static void info_one(ri_str json)
{
    ri_arena arena;
    ri_buffer first, second;
    ri_nats_info info, again;
    ri_arena_init(&arena, &host);
    ri_buffer_init(&first, &host);
    ri_buffer_init(&second, &host);
    ri_nats_info_init(&info);
    ri_nats_info_init(&again);
    int rc = ri_nats_info_read(&info, json, &arena);
    fuzz_require(rc == RILL_OK || rc == RILL_EPROTO, "an unknown failure");
    ri_nats_info_write(&info, &first);
    rc = ri_nats_info_read(&again, ri_buffer_str(&first), &arena);
    fuzz_require(rc == RILL_OK, "what we write cannot be read");
    ri_nats_info_write(&again, &second);
    fuzz_require(ri_str_eq(ri_buffer_str(&first), ri_buffer_str(&second)), "INFO changes");
    ri_buffer_fini(&second);
    ri_buffer_fini(&first);
    ri_arena_fini(&arena);
}

/* Choices of a grammar: random bytes are no JSON. */
static size_t grammar(const uint8_t *data, size_t size, char *out, size_t room)
{
    static const char *words[] = {
        "{", "}", "\"", ":", ",", "[", "]", "true", "false", "null", "1", "-7", "\"verbose\":true,",
        "\"user\":\"", "\"name\":\"x\",", "\"connect_urls\":[\"a\"]", "\\u003e", "\\n", "\xc3\xa9",
        "<",
        "\"protocol\":1", "{\"user\":\"a\"}", "\"port\":", "99999999999999999999", "1.5",
        "\"ECHO\":false",
    };
    return fuzz_words(out, room, words, RI_LEN(words), data, size);
}

int fuzz_one(const uint8_t *data, size_t size)
{
    static char text[1 << 16];
    if (!host.alloc) ri_host_init(&host, NULL);
    if (size == 0) return 0;
    ri_str json = {(const char *)data + 1, size - 1};
    if (data[0] & 1) json = (ri_str){text, grammar(data + 1, size - 1, text, sizeof text)};
    if (data[0] & 2) connect_one(json);
    else info_one(json);
    return 0;
}
