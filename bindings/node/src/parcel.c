/* SPDX-License-Identifier: Apache-2.0
 *
 * A parcel is a value that a thread of rill's has put together for JavaScript, which makes it a
 * value of its own later: a letter says what follows. */
#include "binding.h"

void nd_parcel_init(nd_parcel *p)
{
    p->p = p->room;
    p->len = 0;
    p->cap = sizeof p->room;
    p->failed = false;
}

static void put(nd_parcel *p, const void *ptr, size_t len)
{
    if (p->failed) return;
    if (p->len + len > p->cap) {
        size_t cap = (p->len + len) * 2;
        char *more = p->p == p->room ? malloc(cap) : realloc(p->p, cap);
        if (!more) {
            p->failed = true;
            return;
        }
        if (p->p == p->room) memcpy(more, p->room, p->len);
        p->p = more;
        p->cap = cap;
    }
    if (len) memcpy(p->p + p->len, ptr, len);
    p->len += len;
}

static void put_word(nd_parcel *p, char letter, const void *word)
{
    char bytes[9] = {letter};
    memcpy(bytes + 1, word, 8);
    put(p, bytes, 9);
}

void nd_put_null(nd_parcel *p) { put(p, "n", 1); }
void nd_put_bool(nd_parcel *p, bool v) { put(p, v ? "t" : "f", 1); }
void nd_put_num(nd_parcel *p, double v) { put_word(p, 'd', &v); }
void nd_put_big(nd_parcel *p, int64_t v) { put_word(p, 'q', &v); }
void nd_put_object(nd_parcel *p) { put(p, "o", 1); }
void nd_put_array(nd_parcel *p) { put(p, "a", 1); }
void nd_put_end(nd_parcel *p) { put(p, "e", 1); }
void nd_put_key(nd_parcel *p, const char *key) { put_word(p, 'k', &key); }

void nd_put_u64(nd_parcel *p, uint64_t v)
{
    if (v <= (1ull << 53)) nd_put_num(p, (double)v);
    else put_word(p, 'u', &v);
}

static void put_sized(nd_parcel *p, char letter, const void *ptr, size_t len)
{
    uint64_t n = len;
    put_word(p, letter, &n);
    put(p, ptr, len);
}

void nd_put_str(nd_parcel *p, const char *ptr, size_t len) { put_sized(p, 's', ptr, len); }
void nd_put_bytes(nd_parcel *p, const void *ptr, size_t len) { put_sized(p, 'b', ptr, len); }

void nd_put_text(nd_parcel *p, const char *text)
{
    if (text) nd_put_str(p, text, strlen(text));
    else nd_put_null(p);
}

void nd_put_msg(nd_parcel *p, const rill_msg *m)
{
    rill_msg *own = m ? rill_msg_ref(m) : NULL;
    if (m && !own) p->failed = true;
    if (!own) {
        nd_put_null(p);
        return;
    }
    put_word(p, 'm', &own);
    if (p->failed) rill_msg_unref(own);
}

static uint64_t word_at(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

void nd_parcel_free(nd_parcel *p)
{
    for (size_t at = 0; at < p->len;) {
        char letter = p->p[at++];
        if (strchr("dqukmsb", letter) && letter) {
            uint64_t word = word_at(p->p + at);
            at += 8;
            if (letter == 'm') rill_msg_unref((rill_msg *)(uintptr_t)word);
            if (letter == 's' || letter == 'b') at += word;
        }
    }
    if (p->p != p->room) free(p->p);
    nd_parcel_init(p);
}

/* A message that was told is the slab's: NULL is left in the parcel. */
static napi_value open_msg(nd_env *e, char *at)
{
    rill_msg *m = (rill_msg *)(uintptr_t)word_at(at);
    napi_value made = nd_msg_tell(e, m, true);
    memset(at, 0, 8);
    rill_msg_unref(m);
    return made;
}

static napi_value open_word(nd_env *e, char letter, char *at)
{
    napi_value v = NULL;
    double number;
    uint64_t word = word_at(at);
    switch (letter) {
    case 'd':
        memcpy(&number, at, 8);
        napi_create_double(e->env, number, &v);
        break;
    case 'q': napi_create_bigint_int64(e->env, (int64_t)word, &v); break;
    case 'u': napi_create_bigint_uint64(e->env, word, &v); break;
    case 's': napi_create_string_utf8(e->env, at + 8, word, &v); break;
    case 'b': napi_create_buffer_copy(e->env, word, at + 8, NULL, &v); break;
    case 'm': v = open_msg(e, at); break;
    default: break;
    }
    return v;
}

static napi_value open_one(nd_env *e, nd_parcel *p, size_t *at)
{
    napi_value v = NULL, one;
    char letter = p->p[(*at)++];
    if (letter == 'n') napi_get_null(e->env, &v);
    if (letter == 't' || letter == 'f') napi_get_boolean(e->env, letter == 't', &v);
    if (letter == 'o') {
        if (napi_create_object(e->env, &v) != napi_ok) return NULL;
        while (p->p[*at] != 'e') {
            const char *key = (const char *)(uintptr_t)word_at(p->p + *at + 1);
            *at += 9;
            if (!(one = open_one(e, p, at))) return NULL;
            napi_set_named_property(e->env, v, key, one);
        }
        (*at)++;
    }
    if (letter == 'a') {
        if (napi_create_array(e->env, &v) != napi_ok) return NULL;
        for (uint32_t i = 0; p->p[*at] != 'e'; i++) {
            if (!(one = open_one(e, p, at))) return NULL;
            napi_set_element(e->env, v, i, one);
        }
        (*at)++;
    }
    if (!v) {
        v = open_word(e, letter, p->p + *at);
        if (letter == 's' || letter == 'b') *at += word_at(p->p + *at);
        *at += 8;
    }
    return v;
}

napi_value nd_parcel_open(nd_env *e, nd_parcel *p)
{
    size_t at = 0;
    if (p->failed) {
        napi_throw(e->env, nd_error(e, RILL_ENOMEM, "out of memory"));
        return NULL;
    }
    return p->len ? open_one(e, p, &at) : nd_undefined(e);
}
