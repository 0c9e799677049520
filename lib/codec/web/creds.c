/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/web/creds.h"

#include "base/assert.h"
#include "base/error.h"

static bool creds_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next line without the blanks around it. */
static bool creds_line(ri_str *rest, ri_str *line)
{
    if (!ri_str_cut(rest, '\n', line)) return false;
    while (line->len && creds_is_blank(line->ptr[0])) *line = ri_str_from(*line, 1);
    while (line->len && creds_is_blank(line->ptr[line->len - 1])) line->len--;
    return true;
}

/* "-----BEGIN words-----" with any number of dashes from three on. */
static bool creds_is_fence(ri_str line, const char *words)
{
    size_t dashes = 0, n = strlen(words);
    while (dashes < line.len && line.ptr[dashes] == '-') dashes++;
    line = ri_str_from(line, dashes);
    if (dashes < 3 || line.len < n + 3 || memcmp(line.ptr, words, n) != 0) return false;
    for (size_t i = n; i < line.len; i++)
        if (line.ptr[i] != '-') return false;
    return true;
}

/* Base64 as URLs have it, with dots, or base32. */
static bool creds_is_word(ri_str line)
{
    for (size_t i = 0; i < line.len; i++) {
        char c = line.ptr[i];
        bool digit = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!digit && c != '-' && c != '_' && c != '.' && c != '=') return false;
    }
    return line.len > 0;
}

/* The one line between two fences; empty: there is no such block. */
static ri_str creds_block(ri_str text, const char *begin, const char *end)
{
    ri_str line, word = RI_STR_NONE;
    bool inside = false;
    while (creds_line(&text, &line)) {
        if (!inside) inside = creds_is_fence(line, begin);
        else if (creds_is_fence(line, end)) return word;
        else if (line.len && (word.len || !creds_is_word(line))) return RI_STR_NONE;
        else if (line.len) word = line;
    }
    return RI_STR_NONE;
}

int ri_creds_read(ri_str text, ri_creds *creds)
{
    RI_ASSERT(text.ptr || text.len == 0);
    if (text.len > RI_CREDS_MAX)
        return ri_err(RILL_EINVAL, "it has more than %d bytes", RI_CREDS_MAX);
    creds->jwt = creds_block(text, "BEGIN NATS USER JWT", "END NATS USER JWT");
    creds->seed = creds_block(text, "BEGIN USER NKEY SEED", "END USER NKEY SEED");
    if (!creds->jwt.len) return ri_err(RILL_EINVAL, "it has no block NATS USER JWT of one line");
    if (!creds->seed.len) return ri_err(RILL_EINVAL, "it has no block USER NKEY SEED of one line");
    return RILL_OK;
}
