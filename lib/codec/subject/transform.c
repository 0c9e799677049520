/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/subject/transform.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/number.h"
#include "codec/subject/subject.h"

typedef enum transform_kind {
    TRANSFORM_TEXT,        /* the token as it stands */
    TRANSFORM_REST,        /* > */
    TRANSFORM_WILDCARD,
    TRANSFORM_PARTITION,
    TRANSFORM_RANDOM,
    TRANSFORM_SPLIT,
    TRANSFORM_SPLIT_FROM_LEFT,
    TRANSFORM_SPLIT_FROM_RIGHT,
    TRANSFORM_SLICE_FROM_LEFT,
    TRANSFORM_SLICE_FROM_RIGHT,
    TRANSFORM_LEFT,
    TRANSFORM_RIGHT,
} transform_kind;

enum { TRANSFORM_PARTITION_MAX = 8 }; /* wildcards that one partition looks at */

typedef struct transform_token {
    transform_kind kind;
    ri_str text;             /* TEXT: the token; SPLIT: the separator */
    uint32_t n;              /* buckets, position, size */
    uint32_t nwild;
    uint8_t wild[TRANSFORM_PARTITION_MAX]; /* wildcards of the source, from 1 */
} transform_token;

struct ri_transform {
    const ri_host *host;
    size_t size;             /* of this block */
    ri_str src, dest;        /* copies, in `bytes` */
    uint32_t ntokens;
    transform_token tokens[];
};

typedef struct transform_name {
    const char *name;
    transform_kind kind;
    uint8_t args;            /* that it takes: wildcard first, but for PARTITION and RANDOM */
} transform_name;

static const transform_name transform_names[] = {
    {"wildcard", TRANSFORM_WILDCARD, 1},
    {"partition", TRANSFORM_PARTITION, 0},
    {"random", TRANSFORM_RANDOM, 1},
    {"split", TRANSFORM_SPLIT, 2},
    {"splitfromleft", TRANSFORM_SPLIT_FROM_LEFT, 2},
    {"splitfromright", TRANSFORM_SPLIT_FROM_RIGHT, 2},
    {"slicefromleft", TRANSFORM_SLICE_FROM_LEFT, 2},
    {"slicefromright", TRANSFORM_SLICE_FROM_RIGHT, 2},
    {"left", TRANSFORM_LEFT, 2},
    {"right", TRANSFORM_RIGHT, 2},
};

static ri_str transform_trim(ri_str s)
{
    while (s.len && s.ptr[0] == ' ') s = ri_str_from(s, 1);
    while (s.len && s.ptr[s.len - 1] == ' ') s.len--;
    return s;
}

static bool transform_number(ri_str s, uint64_t max, uint32_t *out)
{
    uint64_t n;
    if (!ri_number_read(transform_trim(s), &n) || n > max) return false;
    RI_ASSERT(max <= UINT32_MAX);
    *out = (uint32_t)n;
    return true;
}

static bool transform_wild(ri_str s, uint32_t nwild, transform_token *token)
{
    RI_ASSERT(token->nwild <= TRANSFORM_PARTITION_MAX);
    uint32_t n;
    if (!transform_number(s, nwild, &n) || n == 0 || n > UINT8_MAX) return false;
    if (token->nwild == TRANSFORM_PARTITION_MAX) return false;
    token->wild[token->nwild++] = (uint8_t)n;
    return true;
}

/* What stands between the parentheses. */
static bool transform_args(const transform_name *row, ri_str args, uint32_t nwild,
                           transform_token *token)
{
    RI_ASSERT(row->name && token->kind <= TRANSFORM_RIGHT);
    ri_str arg;
    bool first = true;
    if (row->kind == TRANSFORM_RANDOM)
        return transform_number(args, INT32_MAX, &token->n) && token->n > 0;
    if (row->kind == TRANSFORM_PARTITION) {
        for (; ri_str_cut(&args, ',', &arg); first = false)
            if (first ? !transform_number(arg, INT32_MAX, &token->n) || token->n == 0
                      : !transform_wild(arg, nwild, token))
                return false;
        return !first;
    }
    if (!ri_str_cut(&args, ',', &arg) || !transform_wild(arg, nwild, token)) return false;
    if (row->args == 1) return args.len == 0;
    if (row->kind == TRANSFORM_SPLIT) {
        token->text = transform_trim(args);
        return token->text.len > 0 && !memchr(token->text.ptr, '.', token->text.len) &&
               !memchr(token->text.ptr, ' ', token->text.len);
    }
    return transform_number(args, UINT32_MAX - 1, &token->n);
}

static int transform_function(ri_str body, uint32_t nwild, transform_token *token)
{
    ri_str inner = transform_trim(body), name;
    if (!ri_str_cut(&inner, '(', &name) || inner.len == 0 || inner.ptr[inner.len - 1] != ')')
        return ri_err(RILL_EINVAL, "{{%.*s}} is no function", RI_ARG(body));
    inner.len--;
    name = transform_trim(name);
    for (size_t i = 0; i < RI_LEN(transform_names); i++) {
        if (!ri_str_eq_nocase(name, ri_str_of(transform_names[i].name))) continue;
        token->kind = transform_names[i].kind;
        if (transform_args(&transform_names[i], inner, nwild, token)) return RILL_OK;
        return ri_err(RILL_EINVAL, "arguments of {{%.*s}}", RI_ARG(body));
    }
    return ri_err(RILL_EINVAL, "unknown function {{%.*s}}", RI_ARG(body));
}

static int transform_parse(ri_str text, uint32_t nwild, transform_token *token)
{
    *token = (transform_token){.kind = TRANSFORM_TEXT, .text = text};
    if (ri_str_is(text, ">")) {
        token->kind = TRANSFORM_REST;
    } else if (text.len > 1 && text.ptr[0] == '$') {
        uint32_t n;
        if (!transform_number(ri_str_from(text, 1), UINT32_MAX - 1, &n)) return RILL_OK;
        token->kind = TRANSFORM_WILDCARD;
        if (!transform_wild(ri_str_from(text, 1), nwild, token))
            return ri_err(RILL_EINVAL, "%.*s names no wildcard of the source", RI_ARG(text));
    } else if (ri_str_starts(text, RI_STR("{{")) && text.len >= 4 &&
               memcmp(text.ptr + text.len - 2, "}}", 2) == 0) {
        return transform_function((ri_str){text.ptr + 2, text.len - 4}, nwild, token);
    } else if (ri_str_is(text, "*")) {
        return ri_err(RILL_EINVAL, "a destination has no *; say $n or {{wildcard(n)}}");
    }
    return RILL_OK;
}

static uint32_t transform_wildcards(ri_str src, bool *rest)
{
    uint32_t n = 0;
    ri_str token;
    *rest = false;
    while (ri_subject_token(&src, &token)) {
        if (ri_str_is(token, "*")) n++;
        *rest = ri_str_is(token, ">");
    }
    return n;
}

/* The next token of a destination: dots within {{ }} do not part it. */
static bool transform_next(ri_str *rest, ri_str *token)
{
    if (rest->ptr == NULL) return false;
    size_t i = 0;
    RI_ASSERT(rest->ptr);
    for (bool inside = false; i < rest->len && (inside || rest->ptr[i] != '.'); i++) {
        if (ri_str_starts(ri_str_from(*rest, i), RI_STR("{{"))) inside = true;
        if (ri_str_starts(ri_str_from(*rest, i), RI_STR("}}"))) inside = false;
    }
    *token = (ri_str){rest->ptr, i};
    *rest = i < rest->len ? ri_str_from(*rest, i + 1) : RI_STR_NONE;
    return true;
}

static int transform_build(ri_transform *t)
{
    bool src_rest, dest_rest = false;
    uint32_t nwild = transform_wildcards(t->src, &src_rest);
    ri_str rest = t->dest, token;
    while (transform_next(&rest, &token)) {
        if (token.len == 0) return ri_err(RILL_EINVAL, "an empty token in the destination");
        int rc = transform_parse(token, nwild, &t->tokens[t->ntokens]);
        if (rc < 0) return rc;
        dest_rest = t->tokens[t->ntokens++].kind == TRANSFORM_REST;
        if (dest_rest && rest.ptr) return ri_err(RILL_EINVAL, "> stands only at the end");
    }
    if (src_rest != dest_rest)
        return ri_err(RILL_EINVAL, "source and destination must both end in >, or neither");
    return RILL_OK;
}

int ri_transform_new(const ri_host *host, ri_str src, ri_str dest, ri_transform **out)
{
    RI_ASSERT(host);
    *out = NULL;
    if (src.len == 0) src = RI_STR(">");
    if (!ri_subject_is_filter(src)) return ri_err(RILL_EINVAL, "invalid subject %.*s", RI_ARG(src));
    if (dest.len == 0) return ri_err(RILL_EINVAL, "an empty destination");
    size_t ntokens = 1;
    for (size_t i = 0; i < dest.len; i++) ntokens += dest.ptr[i] == '.';
    if (ntokens > RI_TRANSFORM_TOKENS_MAX || ri_subject_count(src) > RI_TRANSFORM_TOKENS_MAX)
        return ri_err(RILL_ETOOBIG, "a transform of more than %d tokens", RI_TRANSFORM_TOKENS_MAX);
    size_t size = sizeof **out + ntokens * sizeof(transform_token) + src.len + dest.len;
    ri_transform *t = ri_calloc(host, size);
    if (!t) return RILL_ENOMEM;
    char *bytes = (char *)(t->tokens + ntokens);
    memcpy(bytes, src.ptr, src.len);
    memcpy(bytes + src.len, dest.ptr, dest.len);
    t->host = host;
    t->size = size;
    t->src = (ri_str){bytes, src.len};
    t->dest = (ri_str){bytes + src.len, dest.len};
    int rc = transform_build(t);
    if (rc < 0) {
        ri_transform_free(t);
        return rc;
    }
    *out = t;
    return RILL_OK;
}

void ri_transform_free(ri_transform *t)
{
    RI_ASSERT(!t || t->size >= sizeof *t);
    if (t) ri_free(t->host, t, t->size);
}

/* ---- Applying ---- */

typedef struct transform_input {
    ri_str subject;
    ri_str wild[RI_TRANSFORM_TOKENS_MAX + 1]; /* what each * matched, from 1 */
    ri_str rest;                              /* what > matched */
} transform_input;

static void transform_take(const ri_transform *t, ri_str subject, transform_input *in)
{
    ri_str src = t->src, rest = subject, want, token;
    uint32_t n = 0;
    in->subject = subject;
    in->rest = RI_STR_NONE;
    while (ri_subject_token(&src, &want)) {
        if (ri_str_is(want, ">")) {
            in->rest = rest;
            return;
        }
        if (!ri_subject_token(&rest, &token)) return;
        if (ri_str_is(want, "*")) in->wild[++n] = token;
    }
}

static uint32_t transform_fnv(uint32_t hash, ri_str s)
{
    for (size_t i = 0; i < s.len; i++) hash = (hash ^ (unsigned char)s.ptr[i]) * 16777619u;
    return hash;
}

static void transform_put_number(ri_buffer *out, uint64_t n)
{
    char digits[RI_NUMBER_MAX];
    ri_buffer_put(out, digits, ri_number_write(digits, n));
}

static void transform_put_partition(const transform_token *token, const transform_input *in,
                                    ri_buffer *out)
{
    RI_ASSERT(token->n > 0 && token->nwild <= TRANSFORM_PARTITION_MAX);
    uint32_t hash = 2166136261u;
    if (token->nwild == 0) hash = transform_fnv(hash, in->subject);
    for (uint32_t i = 0; i < token->nwild; i++)
        hash = transform_fnv(hash, in->wild[token->wild[i]]);
    transform_put_number(out, hash % token->n);
}

/* Two parts with a dot between; an empty one leaves no token behind. */
static void transform_put_parts(ri_buffer *out, ri_str whole, size_t at)
{
    if (at == 0 || at >= whole.len) {
        ri_buffer_put_str(out, whole);
        return;
    }
    ri_buffer_put(out, whole.ptr, at);
    ri_buffer_put(out, ".", 1);
    ri_buffer_put_str(out, ri_str_from(whole, at));
}

static void transform_put_split(ri_buffer *out, ri_str whole, ri_str separator)
{
    RI_ASSERT(separator.len > 0);
    bool first = true;
    size_t start = 0;
    for (size_t i = 0; i <= whole.len; i++) {
        bool end = i == whole.len || ri_str_starts(ri_str_from(whole, i), separator);
        if (!end) continue;
        if (i > start) {
            if (!first) ri_buffer_put(out, ".", 1);
            ri_buffer_put(out, whole.ptr + start, i - start);
            first = false;
        }
        if (i < whole.len) i += separator.len - 1;
        start = i + 1;
    }
}

static void transform_put_slices(ri_buffer *out, ri_str whole, size_t size, bool from_right)
{
    if (size == 0 || size >= whole.len) {
        ri_buffer_put_str(out, whole);
        return;
    }
    size_t first = from_right ? whole.len % size : size;
    if (first == 0) first = size;
    for (size_t at = 0, n = first; at < whole.len; at += n, n = RI_MIN(size, whole.len - at)) {
        if (at) ri_buffer_put(out, ".", 1);
        ri_buffer_put(out, whole.ptr + at, n);
    }
}

static void transform_put(const transform_token *token, const transform_input *in, uint64_t random,
                          ri_buffer *out)
{
    RI_ASSERT(token->nwild <= TRANSFORM_PARTITION_MAX);
    ri_str whole = token->nwild ? in->wild[token->wild[0]] : RI_STR_NONE;
    size_t n = RI_MIN(token->n, whole.len);
    switch (token->kind) {
    case TRANSFORM_TEXT: ri_buffer_put_str(out, token->text); break;
    case TRANSFORM_REST: ri_buffer_put_str(out, in->rest); break;
    case TRANSFORM_WILDCARD: ri_buffer_put_str(out, whole); break;
    case TRANSFORM_PARTITION: transform_put_partition(token, in, out); break;
    case TRANSFORM_RANDOM: transform_put_number(out, (random >> 16) % token->n); break;
    case TRANSFORM_SPLIT: transform_put_split(out, whole, token->text); break;
    case TRANSFORM_SPLIT_FROM_LEFT: transform_put_parts(out, whole, token->n); break;
    case TRANSFORM_SPLIT_FROM_RIGHT:
        transform_put_parts(out, whole, token->n < whole.len ? whole.len - token->n : 0);
        break;
    case TRANSFORM_SLICE_FROM_LEFT: transform_put_slices(out, whole, token->n, false); break;
    case TRANSFORM_SLICE_FROM_RIGHT: transform_put_slices(out, whole, token->n, true); break;
    case TRANSFORM_LEFT: ri_buffer_put(out, whole.ptr, n ? n : whole.len); break;
    case TRANSFORM_RIGHT:
        ri_buffer_put_str(out, n ? ri_str_from(whole, whole.len - n) : whole);
        break;
    }
}

int ri_transform_apply(const ri_transform *t, ri_str subject, uint64_t random, ri_buffer *out)
{
    RI_ASSERT(t->ntokens > 0 && ri_buffer_is_sound(out));
    if (!ri_subject_match(t->src, subject)) return 0;
    transform_input in;
    transform_take(t, subject, &in);
    for (uint32_t i = 0; i < t->ntokens; i++) {
        if (i) ri_buffer_put(out, ".", 1);
        transform_put(&t->tokens[i], &in, random * 0x9e3779b97f4a7c15ULL, out);
    }
    return 1;
}
