/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of mirrors and sources, subject mappings, and what streams and consumers share. */
#include "codec/jetstream/jsconf_parts.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/number.h"
#include "codec/limits.h"
#include "codec/subject/overlap.h"
#include "codec/subject/subject.h"

size_t ri_jsconf_metadata_len(const ri_js_map *metadata)
{
    size_t n = 0;
    for (uint32_t i = 0; i < metadata->len; i++)
        n += metadata->items[i].key.len + metadata->items[i].value.len;
    return n;
}

int ri_jsconf_level(ri_js_map *metadata, int level, ri_arena *arena)
{
    ri_js_pair own = {RI_STR("_nats.req.level"), {ri_arena_copy(arena, &(char){0}, 1), 1}};
    ri_js_pair *pairs = ri_arena_alloc(arena, ri_size_mul(metadata->len + 1, sizeof *pairs));
    if (!pairs || !own.value.ptr) return RILL_ENOMEM;
    RI_ASSERT(level >= 0 && level <= 9);
    *(char *)(uintptr_t)own.value.ptr = (char)('0' + level);
    uint32_t n = 0;
    bool placed = false;
    for (uint32_t i = 0; i < metadata->len; i++) {
        ri_str key = metadata->items[i].key;
        if (ri_str_is(key, "_nats.ver") || ri_str_is(key, "_nats.level") || ri_str_eq(key, own.key))
            continue;
        if (!placed && ri_str_cmp(own.key, key) < 0) {
            pairs[n++] = own;
            placed = true;
        }
        pairs[n++] = metadata->items[i];
    }
    if (!placed) pairs[n++] = own;
    *metadata = (ri_js_map){pairs, n};
    return RILL_OK;
}

static size_t jsconf_fraction(char *out, size_t size, uint64_t whole, uint64_t part, int digits,
                              const char *unit)
{
    RI_ASSERT(digits >= 0 && digits <= 9 && size > 0);
    int n = part ? snprintf(out, size, "%llu.%0*llu", (unsigned long long)whole, digits,
                            (unsigned long long)part)
                 : snprintf(out, size, "%llu", (unsigned long long)whole);
    RI_ASSERT(n > 0 && (size_t)n < size);
    while (part && out[n - 1] == '0') n--;
    return (size_t)n + (size_t)snprintf(out + n, size - (size_t)n, "%s", unit);
}

void ri_jsconf_duration(int64_t ns, char *out, size_t out_size)
{
    RI_ASSERT(out_size > 0);
    char text[64];
    size_t n = 0;
    if (ns < 0) text[n++] = '-';
    uint64_t u = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    if (u == 0) {
        snprintf(out, out_size, "0s");
        return;
    }
    if (u < 1000)
        jsconf_fraction(text + n, sizeof text - n, u, 0, 0, "ns");
    else if (u < 1000000)
        jsconf_fraction(text + n, sizeof text - n, u / 1000, u % 1000, 3, "\xc2\xb5s");
    else if (u < 1000000000)
        jsconf_fraction(text + n, sizeof text - n, u / 1000000, u % 1000000, 6, "ms");
    else {
        uint64_t sec = u / 1000000000;
        if (sec >= 3600)
            n += (size_t)snprintf(text + n, sizeof text - n, "%lluh",
                                  (unsigned long long)sec / 3600);
        if (sec >= 60)
            n += (size_t)snprintf(text + n, sizeof text - n, "%llum",
                                  (unsigned long long)sec / 60 % 60);
        jsconf_fraction(text + n, sizeof text - n, sec % 60, u % 1000000000, 9, "s");
    }
    snprintf(out, out_size, "%s", text);
}

/* ---- Mappings ---- */

static const char jsconf_invalid[] = "invalid mapping destination";

/* A token {{name(args)}}: its name (without regard to case) and arguments. */
static bool jsconf_function(ri_str token, ri_str *name, ri_str *args)
{
    if (token.len <= 4 || memcmp(token.ptr, "{{", 2) != 0 ||
        memcmp(token.ptr + token.len - 2, "}}", 2) != 0)
        return false;
    ri_str inner = {token.ptr + 2, token.len - 4};
    while (inner.len && inner.ptr[0] == ' ') inner = ri_str_from(inner, 1);
    while (inner.len && inner.ptr[inner.len - 1] == ' ') inner.len--;
    const char *open = inner.len ? memchr(inner.ptr, '(', inner.len) : NULL;
    if (!open || inner.ptr[inner.len - 1] != ')') {
        *name = *args = (ri_str){inner.ptr, 0};
        return true;
    }
    *name = (ri_str){inner.ptr, (size_t)(open - inner.ptr)};
    *args = (ri_str){open + 1, inner.len - name->len - 2};
    return true;
}

/* How many numbers of a function's arguments are wildcards' places: the first, or all (-1). */
static bool jsconf_known(ri_str name, bool *all, bool *none)
{
    static const char *const first[] = {"wildcard", "splitfromleft", "splitfromright",
                                        "slicefromleft", "slicefromright", "split", "left",
                                        "right"};
    *all = ri_str_eq_nocase(name, RI_STR("partition"));
    *none = ri_str_eq_nocase(name, RI_STR("random"));
    if (*all || *none) return true;
    for (size_t i = 0; i < RI_LEN(first); i++)
        if (ri_str_eq_nocase(name, ri_str_of(first[i]))) return true;
    return false;
}

static ri_str jsconf_trim(ri_str s)
{
    while (s.len && s.ptr[0] == ' ') s = ri_str_from(s, 1);
    while (s.len && s.ptr[s.len - 1] == ' ') s.len--;
    return s;
}

/* Are the places that a token names among the source's `wildcards`? */
static bool jsconf_places_ok(ri_str token, uint64_t wildcards, char *why, size_t why_size)
{
    RI_ASSERT(why_size > 0);
    ri_str name, args, part;
    uint64_t n;
    bool all, none;
    if (jsconf_function(token, &name, &args)) {
        if (!jsconf_known(name, &all, &none)) {
            snprintf(why, why_size, "%s: unknown function in %.*s", jsconf_invalid, RI_ARG(token));
            return false;
        }
        if (none) return true;
        for (size_t i = 0; ri_str_cut(&args, ',', &part); i++) {
            if (all ? i == 0 : i > 0) continue;
            if (!ri_number_read(jsconf_trim(part), &n) || n == 0) {
                snprintf(why, why_size,
                         "%s: function argument is invalid or in the wrong format in %.*s",
                         jsconf_invalid, RI_ARG(token));
                return false;
            }
            if (n > wildcards) goto range;
        }
        return true;
    }
    if (token.len < 2 || token.ptr[0] != '$' || !ri_number_read(ri_str_from(token, 1), &n))
        return true;
    if (n >= 1 && n <= wildcards) return true;
range:
    snprintf(why, why_size, "%s: wildcard index out of range in %.*s%s", jsconf_invalid,
             RI_ARG(token), "");
    if (wildcards)
        snprintf(why, why_size, "%s: wildcard index out of range in %.*s: [%llu]", jsconf_invalid,
                 RI_ARG(token), (unsigned long long)n);
    return false;
}

bool ri_jsconf_mapping_ok(ri_str src, ri_str dest, char *why, size_t why_size)
{
    if (!dest.len) return true;
    if (!src.len) src = RI_STR(">");
    uint64_t wildcards = 0;
    bool open_src = false, open_dest = false;
    ri_str rest = src, token;
    while (ri_subject_token(&rest, &token)) {
        wildcards += ri_str_is(token, "*");
        open_src = ri_str_is(token, ">");
    }
    for (rest = dest; ri_subject_token(&rest, &token);) {
        if (!token.len || open_dest) {
            snprintf(why, why_size, "%s: invalid transform%s%.*s", jsconf_invalid,
                     token.len ? " in " : "", RI_ARG(token));
            return false;
        }
        open_dest = ri_str_is(token, ">");
        if (ri_str_is(token, "*")) goto bad;
        if (!jsconf_places_ok(token, wildcards, why, why_size)) return false;
    }
    if (ri_subject_is_filter(src) && open_src == open_dest) return true;
bad:
    snprintf(why, why_size, "invalid subject");
    return false;
}

/* ---- Mirrors and sources ---- */

static bool jsconf_consumer_ok(const ri_js_source *s)
{
    return !s->consumer ||
           (ri_jsconf_name_ok(s->consumer->name) &&
            ri_subject_is_literal(s->consumer->deliver_subject) && !s->opt_start_seq &&
            !s->opt_start_time && !s->filter_subject.len);
}

/* Codes of what can be wrong with the transforms of a source, or of a mirror. */
typedef struct jsconf_transform_codes {
    ri_js_code filter, dest, overlap;
} jsconf_transform_codes;

static int jsconf_transforms_overlap(const ri_js_source *s, ri_js_code code, const ri_host *host,
                                     ri_js_error *e)
{
    RI_ASSERT(host && code != 0);
    if (s->subject_transforms.len < 2) return RILL_OK;
    ri_overlap overlap;
    uint32_t pair[2];
    int rc = RILL_OK;
    bool all = false; /* one takes every subject */
    ri_overlap_init(&overlap, host);
    for (uint32_t i = 0; i < s->subject_transforms.len && rc >= 0; i++) {
        ri_str src = s->subject_transforms.items[i].src;
        all = all || src.len == 0;
        if (src.len) rc = ri_overlap_add(&overlap, src);
    }
    if (rc >= 0) rc = all ? 1 : ri_overlap_within(&overlap, pair);
    ri_overlap_fini(&overlap);
    if (rc < 0) return ri_jserror_of(e, RI_JS_STREAM_INVALID_CONFIG, rc);
    return rc ? ri_jserror_set(e, code, NULL) : RILL_OK;
}

static int jsconf_transforms(const ri_js_source *s, const jsconf_transform_codes *codes,
                             const ri_host *host, ri_js_error *e)
{
    char why[160];
    if (s->subject_transforms.len > RI_LIMIT_JS_TRANSFORMS)
        return ri_jserror_set(e, RI_JS_STREAM_INVALID_CONFIG,
                              "a source has at most %d subject transforms", RI_LIMIT_JS_TRANSFORMS);
    for (uint32_t i = 0; i < s->subject_transforms.len; i++) {
        const ri_js_transform *t = &s->subject_transforms.items[i];
        if (t->src.len && !ri_subject_is_filter(t->src))
            return ri_jserror_set(e, codes->filter, "invalid subject %.*s", RI_ARG(t->src));
        if (!ri_jsconf_mapping_ok(t->src, t->dest, why, sizeof why))
            return ri_jserror_set(e, codes->dest, "%s", why);
    }
    return jsconf_transforms_overlap(s, codes->overlap, host, e);
}

static int jsconf_external(const ri_js_source *s, ri_js_error *e)
{
    const ri_js_external *x = s->external;
    if (!x) return RILL_OK;
    if (x->deliver.len && !ri_subject_is_literal(x->deliver))
        return ri_jserror_set(e, RI_JS_STREAM_INVALID_EXTERNAL_DELIVERY_SUBJ, "%.*s",
                              RI_ARG(x->deliver));
    if (x->api.len && !ri_subject_is_literal(x->api))
        return ri_jserror_set(e, RI_JS_STREAM_INVALID_CONFIG,
                              "stream external api prefix \"%.*s\" must be a valid subject without "
                              "wildcards", RI_ARG(x->api));
    if (ri_str_is(x->api, "$JS.API"))
        return ri_jserror_set(e, RI_JS_STREAM_EXTERNAL_API_OVERLAP, "%.*s\n$JS.API",
                              RI_ARG(x->api));
    return RILL_OK;
}

int ri_jsconf_mirror(const ri_stream_conf *conf, const ri_host *host, ri_js_error *e)
{
    static const jsconf_transform_codes codes = {RI_JS_MIRROR_INVALID_SUBJECT_FILTER,
                                                 RI_JS_MIRROR_INVALID_TRANSFORM_DESTINATION,
                                                 RI_JS_MIRROR_OVERLAPPING_SUBJECT_FILTERS};
    const ri_js_source *m = conf->mirror;
    if (!m) return RILL_OK;
    const struct {
        bool wrong;
        ri_js_code code;
    } rules[] = {
        {conf->first_seq > 0, RI_JS_MIRROR_WITH_FIRST_SEQ},
        {conf->subjects.len > 0, RI_JS_MIRROR_WITH_SUBJECTS},
        {conf->sources.len > 0, RI_JS_MIRROR_WITH_SOURCES},
        {conf->allow_msg_counter, RI_JS_MIRROR_WITH_COUNTERS},
        {conf->allow_atomic, RI_JS_MIRROR_WITH_ATOMIC_PUBLISH},
        {conf->allow_batched, RI_JS_MIRROR_WITH_BATCH_PUBLISH},
        {conf->allow_msg_schedules, RI_JS_MIRROR_WITH_MSG_SCHEDULES},
        {!jsconf_consumer_ok(m), RI_JS_MIRROR_DURABLE_CONSUMER_CFG_INVALID},
        {m->filter_subject.len && m->subject_transforms.len,
         RI_JS_MIRROR_MULTIPLE_FILTERS_NOT_ALLOWED},
    };
    for (size_t i = 0; i < RI_LEN(rules); i++)
        if (rules[i].wrong) return ri_jserror_set(e, rules[i].code, NULL);
    if (conf->subject_delete_marker_ttl > 0)
        return ri_jserror_set(e, RI_JS_STREAM_INVALID_CONFIG,
                              "subject delete markers forbidden on mirrors");
    int rc = jsconf_transforms(m, &codes, host, e);
    if (rc < 0) return rc;
    if (!m->external && !ri_jsconf_name_ok(m->name))
        return ri_jserror_set(e, RI_JS_MIRROR_INVALID_STREAM_NAME, NULL);
    return jsconf_external(m, e);
}

static bool jsconf_same_origin(const ri_js_source *a, const ri_js_source *b)
{
    ri_str none = {NULL, 0};
    return ri_str_eq(a->name, b->name) &&
           ri_str_eq(a->external ? a->external->api : none, b->external ? b->external->api : none);
}

static bool jsconf_same_index(const ri_js_source *a, const ri_js_source *b)
{
    if (!jsconf_same_origin(a, b) || !ri_str_eq(a->filter_subject, b->filter_subject) ||
        a->subject_transforms.len != b->subject_transforms.len)
        return false;
    for (uint32_t i = 0; i < a->subject_transforms.len; i++) {
        const ri_js_transform *x = &a->subject_transforms.items[i];
        const ri_js_transform *y = &b->subject_transforms.items[i];
        if (!ri_str_eq(x->src, y->src) || !ri_str_eq(x->dest, y->dest)) return false;
    }
    return true;
}

/* What was named by the sources before. */
typedef struct jsconf_seen {
    ri_map indexes;   /* sources, by what makes two the same */
    ri_map consumers; /* sources, by origin and consumer */
    const ri_host *host;
} jsconf_seen;

static uint64_t jsconf_mix(uint64_t hash, ri_str s)
{
    return ri_hash_u64(hash * 3 + (s.len ? ri_hash(s) : 1));
}

static uint64_t jsconf_hash_origin(const ri_js_source *s)
{
    return jsconf_mix(jsconf_mix(0, s->name), s->external ? s->external->api : RI_STR_NONE);
}

static uint64_t jsconf_hash_index(const ri_js_source *s)
{
    uint64_t hash = jsconf_mix(jsconf_hash_origin(s), s->filter_subject);
    for (uint32_t i = 0; i < s->subject_transforms.len; i++) {
        hash = jsconf_mix(hash, s->subject_transforms.items[i].src);
        hash = jsconf_mix(hash, s->subject_transforms.items[i].dest);
    }
    return hash;
}

static bool jsconf_seen_index(const void *item, const void *key)
{
    return jsconf_same_index(item, key);
}

static bool jsconf_seen_consumer(const void *item, const void *key)
{
    const ri_js_source *a = item, *b = key;
    return jsconf_same_origin(a, b) && ri_str_eq(a->consumer->name, b->consumer->name);
}

/* 1 if it was seen before; from now on it was. */
static int jsconf_see(ri_map *map, uint64_t hash, const ri_js_source *s)
{
    if (ri_map_get(map, hash, s)) return 1;
    return ri_map_put(map, hash, (void *)(uintptr_t)s);
}

static int jsconf_source(const ri_js_source *s, jsconf_seen *seen, ri_js_error *e)
{
    static const jsconf_transform_codes codes = {RI_JS_SOURCE_INVALID_SUBJECT_FILTER,
                                                 RI_JS_SOURCE_INVALID_TRANSFORM_DESTINATION,
                                                 RI_JS_SOURCE_OVERLAPPING_SUBJECT_FILTERS};
    if (!ri_jsconf_name_ok(s->name))
        return ri_jserror_set(e, RI_JS_SOURCE_INVALID_STREAM_NAME, NULL);
    int rc = jsconf_see(&seen->indexes, jsconf_hash_index(s), s);
    if (rc < 0) return ri_jserror_no_memory(e);
    if (rc) return ri_jserror_set(e, RI_JS_SOURCE_DUPLICATE_DETECTED, NULL);
    if (s->filter_subject.len && s->subject_transforms.len)
        return ri_jserror_set(e, RI_JS_SOURCE_MULTIPLE_FILTERS_NOT_ALLOWED, NULL);
    if ((rc = jsconf_transforms(s, &codes, seen->host, e)) < 0) return rc;
    if (!jsconf_consumer_ok(s))
        return ri_jserror_set(e, RI_JS_SOURCE_DURABLE_CONSUMER_CFG_INVALID, NULL);
    if (!s->consumer) return RILL_OK;
    uint64_t hash = jsconf_mix(jsconf_hash_origin(s), s->consumer->name);
    if ((rc = jsconf_see(&seen->consumers, hash, s)) < 0) return ri_jserror_no_memory(e);
    return rc ? ri_jserror_set(e, RI_JS_SOURCE_DURABLE_CONSUMER_DUPLICATE_DETECTED, NULL) : RILL_OK;
}

/* Does a stream source from itself what it takes? 1, 0, or why nobody knows. */
static int jsconf_feeds(const ri_stream_conf *conf, const ri_host *host)
{
    ri_overlap own, subjects;
    int rc = RILL_OK;
    ri_overlap_init(&own, host);
    ri_overlap_init(&subjects, host);
    for (uint32_t i = 0; i < conf->sources.len && rc == 0; i++) {
        const ri_js_source *s = &conf->sources.items[i];
        if (s->external || !ri_str_eq(s->name, conf->name)) continue;
        if (!s->filter_subject.len) rc = 1;
        else if (ri_subject_is_filter(s->filter_subject))
            rc = ri_overlap_add(&own, s->filter_subject);
    }
    for (uint32_t i = 0; own.n && i < conf->subjects.len && rc == 0; i++)
        if (ri_subject_is_filter(conf->subjects.items[i]))
            rc = ri_overlap_add(&subjects, conf->subjects.items[i]);
    if (rc == 0 && own.n) rc = ri_overlap_between(&own, &subjects);
    ri_overlap_fini(&own);
    ri_overlap_fini(&subjects);
    return rc;
}

/* A stream that feeds on itself: of cycles, what one configuration shows. */
static int jsconf_own_source(const ri_stream_conf *conf, const ri_host *host, ri_js_error *e)
{
    bool mirror = conf->mirror && !conf->mirror->external &&
                  ri_str_eq(conf->mirror->name, conf->name);
    int rc = mirror ? 1 : jsconf_feeds(conf, host);
    if (rc < 0) return ri_jserror_of(e, RI_JS_STREAM_INVALID_CONFIG, rc);
    return rc ? ri_jserror_set(e, RI_JS_STREAM_INVALID_CONFIG, "detected cycle") : RILL_OK;
}

int ri_jsconf_sources(const ri_stream_conf *conf, const ri_host *host, ri_js_error *e)
{
    if (conf->sources.len && conf->allow_msg_schedules)
        return ri_jserror_set(e, RI_JS_SOURCE_WITH_MSG_SCHEDULES, NULL);
    if (conf->sources.len > RI_LIMIT_JS_SOURCES)
        return ri_jserror_set(e, RI_JS_STREAM_INVALID_CONFIG, "a stream has at most %d sources",
                              RI_LIMIT_JS_SOURCES);
    jsconf_seen seen = {.host = host};
    ri_map_init(&seen.indexes, host, jsconf_seen_index);
    ri_map_init(&seen.consumers, host, jsconf_seen_consumer);
    int rc = RILL_OK;
    for (uint32_t i = 0; rc >= 0 && i < conf->sources.len; i++)
        rc = jsconf_source(&conf->sources.items[i], &seen, e);
    ri_map_fini(&seen.indexes);
    ri_map_fini(&seen.consumers);
    for (uint32_t i = 0; rc >= 0 && i < conf->sources.len; i++)
        rc = jsconf_external(&conf->sources.items[i], e);
    return rc < 0 ? rc : jsconf_own_source(conf, host, e);
}
