/* SPDX-License-Identifier: Apache-2.0 */
/* The small readers of texts; the first byte chooses which, and whether the rest are bytes or
 * choices of a grammar. */
#include <string.h>

#include "support/fuzz.h"
#include "support/guard.h"
#include "support/texts.h"

static size_t grammar(char *text, size_t cap, const uint8_t *data, size_t size)
{
    static const char *const words[] = {
        "0", "1", "9", "59", "2027", "18446744073709551615", "-", "+", ".", ":", "T", "Z", "*", "/",
        ",", " ", "h", "ms", "1.5", "2027-01-15T08:00:00", "@every ", "@daily", "{{", "}}", "(",
        ")", "wildcard", "partition", "split", "$1", ">", "a", "b", "nats://", "file:", "@",
        "[::1]", "%41", "$JS.ACK.", "S.c.1.2.3.4.5", "{", "}", "\"", "name", "nuid", "size",
        "digest",
        "SHA-256=", "AAAA", "==", "=", "_", "\\u0000", "\xc3\xa9", "\xff\x06\x00", "\x01", "null",
        "{\"name\":\"n\",\"nuid\":\"x\"", "CET-1", "CEST", ",M3.5.0", ",M10.5.0", "<+03>",
        ",J60", "n/S/", "0/1/2", "/26:30", "\"options\":{\"link\":{\"bucket\":\"B\"}}",
    };
    return fuzz_words(text, cap, words, sizeof words / sizeof *words, data, size);
}

int fuzz_one(const uint8_t *data, size_t size)
{
    static ri_host host;
    char text[2048];
    if (!host.alloc) ri_host_init(&host, NULL);
    if (size < 2) return 0;
    text_kind kind = (text_kind)(data[0] % TEXT_KINDS);
    if (data[1] & 1)
        text_taken(kind, &host, text, grammar(text, sizeof text, data + 2, size - 2));
    else
        text_taken(kind, &host, (const char *)data + 2, size - 2);
    return 0;
}
