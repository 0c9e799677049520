/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_text.h"

#include <stdbool.h>
#include <stdio.h>

#include "base/assert.h"

size_t ri_json_text_utf8_len(const unsigned char *s, size_t len)
{
    RI_ASSERT(len > 0);
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (n == 0 || n > len || s[0] > 0xf4) return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool surrogate = s[0] == 0xed && s[1] >= 0xa0;
    bool beyond = s[0] == 0xf4 && s[1] >= 0x90;
    return overlong || surrogate || beyond ? 0 : n;
}

/* U+2028 and U+2029 end a line of JavaScript. */
static bool json_text_ends_line(const unsigned char *u)
{
    return u[0] == 0xe2 && u[1] == 0x80 && (u[2] & 0xfe) == 0xa8;
}

static bool json_text_stands(unsigned char c)
{
    return c >= ' ' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

size_t ri_json_text_plain(const char *s, size_t len)
{
    const unsigned char *u = (const unsigned char *)s;
    size_t i = 0;
    while (i < len) {
        size_t n = ri_json_text_utf8_len(u + i, len - i);
        if (n == 0 || (n == 1 && !json_text_stands(u[i])) || (n == 3 && json_text_ends_line(u + i)))
            break;
        i += n;
    }
    return i;
}

size_t ri_json_text_escape(const char *s, size_t len, char out[RI_JSON_TEXT_ESCAPE])
{
    static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    const unsigned char *u = (const unsigned char *)s;
    size_t n = ri_json_text_utf8_len(u, len);
    RI_ASSERT(ri_json_text_plain(s, len) == 0);
    for (size_t i = 0; n == 1 && i + 1 < sizeof letters; i += 2)
        if (s[0] == letters[i]) {
            snprintf(out, RI_JSON_TEXT_ESCAPE, "\\%c", letters[i + 1]);
            return 1;
        }
    if (n == 0) snprintf(out, RI_JSON_TEXT_ESCAPE, "\\ufffd");
    else if (n == 3) snprintf(out, RI_JSON_TEXT_ESCAPE, "\\u202%d", u[2] & 0xf);
    else snprintf(out, RI_JSON_TEXT_ESCAPE, "\\u%04x", u[0]);
    return n ? n : 1;
}
