/* SPDX-License-Identifier: Apache-2.0 */
/* JSON from a stranger: taken exactly if a second reader takes it, which goes by the book; then
 * all its values are read, and its strings written and read again as the same. */
#include <string.h>

#include "support/fuzz.h"
#include "support/texts.h"

/* Choices of a grammar: random bytes alone are no JSON. */
static size_t grammar(char *text, size_t cap, const uint8_t *data, size_t size)
{
    static const char *const words[] = {
        "{", "}", "[", "]", ":", ",", "\"", "\\", "\\u", "d83d", "de00", "\\ud83d\\ude00", "0041",
        "\"a\"", "\"a\":", "{\"b\":", "[[", "]]", "{}", "[]", "0", "-", "1", "9223372036854775807",
        ".", "e", "E+", "true", "false", "null", "nul", " ", "\n", "\t", "\xc3\xa9", "\xe2\x82",
        "\xac", "\xf0\x9f\x98\x80", "\xed\xa0\x80", "\xff", "\x01", "\\n", "\\x", "[[[[[[[[",
        "]]]]]]]]", "{\"c\":{\"c\":", "}}",
    };
    return fuzz_words(text, cap, words, sizeof words / sizeof *words, data, size);
}

int fuzz_one(const uint8_t *data, size_t size)
{
    static ri_host host;
    char text[2048];
    if (!host.alloc) ri_host_init(&host, NULL);
    if (size < 1) return 0;
    if (data[0] & 1)
        text_taken(TEXT_JSON, &host, text, grammar(text, sizeof text, data + 1, size - 1));
    else
        text_taken(TEXT_JSON, &host, (const char *)data + 1, size - 1);
    return 0;
}
