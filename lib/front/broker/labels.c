/* SPDX-License-Identifier: Apache-2.0 */
#include "front/broker/labels.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/json.h"
#include "codec/limits.h"

static bool labels_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static char labels_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 32) : c;
}

static ri_str labels_trim(ri_str text)
{
    while (text.len && labels_blank(text.ptr[0])) text = (ri_str){text.ptr + 1, text.len - 1};
    while (text.len && labels_blank(text.ptr[text.len - 1])) text.len--;
    return text;
}

bool ri_labels_has(const ri_labels *labels, ri_str tag)
{
    tag = labels_trim(tag);
    for (size_t i = 0; labels && i < labels->ntags; i++) {
        ri_str known = labels->tags[i];
        size_t same = 0;
        while (same < tag.len && same < known.len && labels_lower(tag.ptr[same]) == known.ptr[same])
            same++;
        if (same == tag.len && same == known.len) return true;
    }
    return false;
}

/* NULL: out of memory. */
static char *labels_copy(ri_labels *labels, ri_str text)
{
    char *own = ri_arena_alloc(&labels->arena, text.len + 1);
    if (own && text.len) memcpy(own, text.ptr, text.len);
    return own;
}

static int labels_add_tag(ri_labels *labels, ri_str tag)
{
    tag = labels_trim(tag);
    if (!tag.len || ri_labels_has(labels, tag)) return RILL_OK;
    char *own = labels_copy(labels, tag);
    if (!own) return RILL_ENOMEM;
    for (size_t i = 0; i < tag.len; i++) own[i] = labels_lower(own[i]);
    labels->tags[labels->ntags++] = (ri_str){own, tag.len};
    return RILL_OK;
}

static int labels_add_pair(ri_labels *labels, ri_str text)
{
    const char *sign = memchr(text.ptr, '=', text.len);
    if (!sign || sign == text.ptr)
        return ri_err(RILL_EINVAL, "server_metadata: \"%.*s\" is not NAME=VALUE",
                      (int)RI_MIN(text.len, (size_t)100), text.ptr);
    char *own = labels_copy(labels, text);
    if (!own) return RILL_ENOMEM;
    size_t len = (size_t)(sign - text.ptr);
    ri_label pair = {{own, len}, {own + len + 1, text.len - len - 1}};
    for (size_t i = 0; i < labels->nmetadata; i++)
        if (ri_str_eq(labels->metadata[i].name, pair.name))
            return ri_err(RILL_EINVAL, "server_metadata: \"%.*s\" is there twice",
                          (int)RI_MIN(len, (size_t)100), own);
    labels->metadata[labels->nmetadata++] = pair;
    return RILL_OK;
}

/* They are in each answer: there is a bound. */
static int labels_check(const char *what, const char *const *texts, size_t n)
{
    size_t bytes = 0;
    if (n > RI_LIMIT_LABELS)
        return ri_err(RILL_ETOOBIG, "%s: there are %zu; at most %d", what, n, RI_LIMIT_LABELS);
    for (size_t i = 0; i < n; i++) {
        if (!texts[i]) return ri_err(RILL_EINVAL, "%s: the one at %zu is NULL", what, i);
        bytes += strlen(texts[i]);
    }
    if (bytes > RI_LIMIT_LABELS_BYTES)
        return ri_err(RILL_ETOOBIG, "%s: %zu bytes; at most %d", what, bytes,
                      RI_LIMIT_LABELS_BYTES);
    return RILL_OK;
}

static int labels_fill(ri_labels *labels, const rill_broker_opts *o)
{
    int rc = RILL_OK;
    RI_ASSERT(o->nserver_tags <= RI_LIMIT_LABELS && o->nserver_metadata <= RI_LIMIT_LABELS);
    labels->tags = ri_arena_alloc(&labels->arena, RI_LIMIT_LABELS * sizeof *labels->tags);
    labels->metadata = ri_arena_alloc(&labels->arena, RI_LIMIT_LABELS * sizeof *labels->metadata);
    if (!labels->tags || !labels->metadata) return RILL_ENOMEM;
    for (size_t i = 0; rc == RILL_OK && i < o->nserver_tags; i++)
        rc = labels_add_tag(labels, ri_str_of(o->server_tags[i]));
    for (size_t i = 0; rc == RILL_OK && i < o->nserver_metadata; i++)
        rc = labels_add_pair(labels, ri_str_of(o->server_metadata[i]));
    return rc;
}

int ri_labels_new(ri_labels **labels, const ri_host *host, const rill_broker_opts *opts)
{
    RI_ASSERT(!*labels);
    int rc = labels_check("server_tags", opts->server_tags, opts->nserver_tags);
    if (rc == RILL_OK)
        rc = labels_check("server_metadata", opts->server_metadata, opts->nserver_metadata);
    if (rc < 0 || (!opts->nserver_tags && !opts->nserver_metadata)) return rc;
    ri_labels *made = ri_new(host, ri_labels);
    if (!made) return RILL_ENOMEM;
    ri_arena_init(&made->arena, host);
    rc = labels_fill(made, opts);
    if (rc < 0) ri_labels_free(made, host);
    else *labels = made;
    return rc;
}

void ri_labels_free(ri_labels *labels, const ri_host *host)
{
    if (!labels) return;
    ri_arena_fini(&labels->arena);
    ri_delete(host, labels);
}

void ri_labels_put(const ri_labels *labels, ri_buffer *out)
{
    if (!labels) return;
    for (size_t i = 0; i < labels->ntags; i++) {
        ri_buffer_puts(out, i ? "," : ",\"tags\":[");
        ri_json_put_string(out, labels->tags[i]);
    }
    if (labels->ntags) ri_buffer_puts(out, "]");
    for (size_t i = 0; i < labels->nmetadata; i++) {
        ri_buffer_puts(out, i ? "," : ",\"metadata\":{");
        ri_json_put_string(out, labels->metadata[i].name);
        ri_buffer_puts(out, ":");
        ri_json_put_string(out, labels->metadata[i].value);
    }
    if (labels->nmetadata) ri_buffer_puts(out, "}");
}
