/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of JavaScript's: taken apart, made, and thrown. */
#include "binding.h"
#include <stdarg.h>
#include <stdio.h>

/* ---- Made ---- */

napi_value nd_undefined(nd_env *e)
{
    napi_value v = NULL;
    napi_get_undefined(e->env, &v);
    return v;
}

napi_value nd_number(nd_env *e, double n)
{
    napi_value v = NULL;
    napi_create_double(e->env, n, &v);
    return v;
}

napi_value nd_string(nd_env *e, const char *text)
{
    napi_value v = NULL;
    napi_create_string_utf8(e->env, text, NAPI_AUTO_LENGTH, &v);
    return v;
}

/* ---- Thrown ---- */

napi_value nd_error(nd_env *e, int err, const char *sentence)
{
    napi_value ctor, args[2] = {nd_number(e, err), nd_string(e, sentence)}, made = NULL;
    if (e->error && napi_get_reference_value(e->env, e->error, &ctor) == napi_ok)
        napi_new_instance(e->env, ctor, 2, args, &made);
    return made ? made : args[1];
}

napi_value nd_throw(nd_env *e, int err)
{
    napi_throw(e->env, nd_error(e, err, rill_errmsg()));
    return NULL;
}

static napi_value throw_as(nd_env *e, const char *form, va_list args,
                           napi_status (*throws)(napi_env, const char *, const char *))
{
    char text[300];
    vsnprintf(text, sizeof text, form, args);
    throws(e->env, "ERR_INVALID_ARG_VALUE", text);
    return NULL;
}

napi_value nd_throw_type(nd_env *e, const char *form, ...)
{
    va_list args;
    va_start(args, form);
    throw_as(e, form, args, napi_throw_type_error);
    va_end(args);
    return NULL;
}

napi_value nd_throw_range(nd_env *e, const char *form, ...)
{
    va_list args;
    va_start(args, form);
    throw_as(e, form, args, napi_throw_range_error);
    va_end(args);
    return NULL;
}

void nd_uncaught(nd_env *e)
{
    bool pending = false;
    napi_value thrown;
    napi_is_exception_pending(e->env, &pending);
    if (!pending) return;
    if (napi_get_and_clear_last_exception(e->env, &thrown) == napi_ok)
        napi_fatal_exception(e->env, thrown);
}

/* ---- Taken apart ---- */

bool nd_is_nothing(nd_env *e, napi_value v)
{
    napi_valuetype type;
    return !v || napi_typeof(e->env, v, &type) != napi_ok || type == napi_undefined ||
           type == napi_null;
}

/* A scratch of at least so much, of the environment, until the next one is asked for. */
static char *scratch(nd_env *e, size_t size)
{
    if (size > e->scratch_cap) {
        char *more = realloc(e->scratch, size * 2);
        if (!more) return NULL;
        e->scratch = more;
        e->scratch_cap = size * 2;
    }
    return e->scratch;
}

#define SCRATCH_MAX (256 << 10) /* bytes; a longer text has room of its own */

static bool text_data(nd_env *e, napi_value v, nd_data *d)
{
    size_t len = 0;
    napi_get_value_string_utf8(e->env, v, NULL, 0, &len);
    char *room = len < SCRATCH_MAX ? scratch(e, len + 1) : (d->own = malloc(len + 1));
    if (!room) {
        napi_throw(e->env, nd_error(e, RILL_ENOMEM, "out of memory"));
        return false;
    }
    napi_get_value_string_utf8(e->env, v, room, len + 1, &d->len);
    d->ptr = room;
    return true;
}

static bool view_data(nd_env *e, napi_value v, nd_data *d)
{
    static const uint8_t sizes[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
    bool is = false;
    void *ptr = NULL;
    size_t len = 0, offset;
    napi_value of;
    napi_typedarray_type type;
    if (napi_is_typedarray(e->env, v, &is) == napi_ok && is) {
        napi_get_typedarray_info(e->env, v, &type, &len, &ptr, &of, &offset);
        len *= (size_t)type < sizeof sizes ? sizes[type] : 1;
    } else if (napi_is_dataview(e->env, v, &is) == napi_ok && is) {
        napi_get_dataview_info(e->env, v, &len, &ptr, &of, &offset);
    } else if (napi_is_arraybuffer(e->env, v, &is) == napi_ok && is) {
        napi_get_arraybuffer_info(e->env, v, &ptr, &len);
    }
    d->ptr = ptr ? ptr : "";
    d->len = ptr ? len : 0;
    return is;
}

bool nd_data_get(nd_env *e, napi_value v, nd_data *d)
{
    napi_valuetype type;
    *d = (nd_data){.ptr = ""};
    if (!v || napi_typeof(e->env, v, &type) != napi_ok) return true;
    if (type == napi_undefined || type == napi_null) return true;
    if (type == napi_string) return text_data(e, v, d);
    if (type == napi_object && view_data(e, v, d)) return true;
    nd_throw_type(e, "data is a string, a Buffer, a typed array or an ArrayBuffer");
    return false;
}

void nd_data_free(nd_data *d)
{
    free(d->own);
    d->own = NULL;
}

/* A text has NULL for its bytes, and their number. */
static bool list_look(nd_env *e, napi_value v, rill_str *out)
{
    napi_valuetype type;
    nd_data d = {.ptr = ""};
    *out = (rill_str){"", 0};
    if (!v || napi_typeof(e->env, v, &type) != napi_ok) return true;
    if (type == napi_undefined || type == napi_null) return true;
    if (type == napi_string) {
        out->ptr = NULL;
        return napi_get_value_string_utf8(e->env, v, NULL, 0, &out->len) == napi_ok;
    }
    if (type != napi_object || !view_data(e, v, &d)) return false;
    *out = (rill_str){d.ptr, d.len};
    return true;
}

/* The texts among them, one behind the other. */
static bool list_texts(nd_env *e, const napi_value *items, nd_list *l)
{
    size_t total = 1; /* a 0 is written behind each, and over it the next one */
    for (size_t i = 0; i < l->n; i++)
        if (!l->data[i].ptr) total += l->data[i].len;
    char *at = l->texts = malloc(total);
    if (!at) return false;
    for (size_t i = 0; i < l->n; i++) {
        rill_str *one = &l->data[i];
        if (one->ptr) continue;
        napi_get_value_string_utf8(e->env, items[i], at, one->len + 1, &one->len);
        one->ptr = at;
        at += one->len;
    }
    return true;
}

/* Getters of a list run while its elements are fetched, and might take the memory of an element
 * that was looked at. So all are fetched before the first is. */
static bool list_take(nd_env *e, napi_value from, napi_value *items, nd_list *l)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (napi_get_element(e->env, from, i, &items[i]) != napi_ok) return false;
    for (uint32_t i = 0; i < l->n; i++) {
        if (list_look(e, items[i], &l->data[i])) continue;
        nd_throw_type(e, "list[%u]: data is a string, a Buffer, a typed array or an ArrayBuffer",
                      (unsigned)i);
        return false;
    }
    if (list_texts(e, items, l)) return true;
    napi_throw(e->env, nd_error(e, RILL_ENOMEM, "out of memory"));
    return false;
}

bool nd_list_get(nd_env *e, napi_value v, nd_list *l)
{
    uint32_t n = 0;
    bool is = false;
    *l = (nd_list){0};
    if (napi_is_array(e->env, v, &is) != napi_ok || !is) {
        nd_throw_type(e, "an array of data is wanted");
        return false;
    }
    napi_get_array_length(e->env, v, &n);
    l->n = n;
    napi_value *items = calloc((size_t)n + 1, sizeof(napi_value));
    l->data = calloc((size_t)n + 1, sizeof *l->data);
    bool room = items && l->data;
    if (!room) napi_throw(e->env, nd_error(e, RILL_ENOMEM, "out of memory"));
    bool took = room && list_take(e, v, items, l);
    free(items);
    return took;
}

void nd_list_free(nd_list *l)
{
    free(l->data);
    free(l->texts);
}

char *nd_text_get(nd_env *e, napi_value v, const char *what, nd_arena *a)
{
    size_t len = 0;
    if (!v || napi_get_value_string_utf8(e->env, v, NULL, 0, &len) != napi_ok) {
        nd_throw_type(e, "%s: a string is wanted", what);
        return NULL;
    }
    char *text = nd_arena_take(a, len + 1);
    if (!text) {
        napi_throw(e->env, nd_error(e, RILL_ENOMEM, "out of memory"));
        return NULL;
    }
    napi_get_value_string_utf8(e->env, v, text, len + 1, &len);
    if (memchr(text, 0, len)) {
        nd_throw_type(e, "%s: a string with a NUL within is none for rill", what);
        return NULL;
    }
    return text;
}

bool nd_text_may(nd_env *e, napi_value v, const char *what, nd_arena *a, char **text)
{
    *text = NULL;
    return nd_is_nothing(e, v) || (*text = nd_text_get(e, v, what, a)) != NULL;
}

bool nd_subject_get(nd_env *e, napi_value v, char out[ND_SUBJECT_ROOM])
{
    size_t len;
    if (!v || napi_get_value_string_utf8(e->env, v, out, ND_SUBJECT_ROOM, &len) != napi_ok) {
        nd_throw_type(e, "subject: a string is wanted");
        return false;
    }
    if (memchr(out, 0, len)) {
        napi_throw(e->env, nd_error(e, RILL_EINVAL, "a subject has no NUL within"));
        return false;
    }
    return true; /* what was cut is longer than RILL_SUBJECT_MAX still, and refused for that */
}

bool nd_int_get(nd_env *e, napi_value v, const char *what, int64_t min, int64_t max, int64_t *out)
{
    napi_valuetype type = napi_undefined;
    double n;
    bool lossless = true;
    if (v) napi_typeof(e->env, v, &type);
    if (type == napi_bigint) {
        napi_get_value_bigint_int64(e->env, v, out, &lossless);
        if (lossless && *out >= min && *out <= max) return true;
    } else if (type == napi_number) {
        napi_get_value_double(e->env, v, &n);
        if (n >= -9.2e18 && n <= 9.2e18 && n == (double)(int64_t)n) {
            *out = (int64_t)n;
            if (*out >= min && *out <= max) return true;
        }
    } else {
        nd_throw_type(e, "%s: a number is wanted", what);
        return false;
    }
    nd_throw_range(e, "%s is out of range", what);
    return false;
}
