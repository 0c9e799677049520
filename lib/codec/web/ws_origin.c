/* SPDX-License-Identifier: Apache-2.0 */
/* An origin is SCHEME://HOST or SCHEME://HOST:PORT, and two are the same if all three are, where a
 * port that is not said is the scheme's. */
#include "base/assert.h"
#include "base/error.h"
#include "codec/web/ws_http.h"

typedef struct ws_origin_place {
    ri_str host, port;
} ws_origin_place;

typedef struct ws_origin {
    bool secure;
    ws_origin_place place;
} ws_origin;

/* HOST, HOST:PORT or [HOST]:PORT. */
static ws_origin_place ws_origin_place_of(ri_str text, bool secure)
{
    const char *colon = NULL;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == ':') colon = text.ptr + i;
    if (colon && memchr(colon, ']', text.len - (size_t)(colon - text.ptr))) colon = NULL;
    if (!colon) return (ws_origin_place){text, secure ? RI_STR("443") : RI_STR("80")};
    size_t len = (size_t)(colon - text.ptr);
    return (ws_origin_place){{text.ptr, len}, ri_str_from(text, len + 1)};
}

static bool ws_origin_same_place(ws_origin_place a, ws_origin_place b)
{
    return ri_str_eq_nocase(a.host, b.host) && ri_str_eq(a.port, b.port);
}

static bool ws_origin_read(ri_str text, ws_origin *out)
{
    static const ri_str schemes[] = {RI_STR("http://"), RI_STR("https://")};
    for (size_t i = 0; i < RI_LEN(schemes); i++) {
        ri_str scheme = schemes[i];
        if (text.len <= scheme.len || !ri_str_eq_nocase((ri_str){text.ptr, scheme.len}, scheme))
            continue;
        ri_str rest = ri_str_from(text, scheme.len);
        out->secure = i == 1;
        out->place = ws_origin_place_of(rest, out->secure);
        return out->place.host.len && out->place.port.len && !memchr(rest.ptr, '/', rest.len);
    }
    return false;
}

/* The next entry; false: there is none. */
static bool ws_origin_next(ri_str *list, ri_str *entry)
{
    while (list->len && strchr(", \t", list->ptr[0])) *list = ri_str_from(*list, 1);
    size_t len = 0;
    while (len < list->len && !strchr(", \t", list->ptr[len])) len++;
    *entry = (ri_str){list->ptr, len};
    *list = ri_str_from(*list, len);
    return len > 0;
}

static bool ws_origin_is_listed(const char *allowed, const ws_origin *from)
{
    ri_str list = ri_str_of(allowed), entry;
    while (ws_origin_next(&list, &entry)) {
        ws_origin one;
        if (ws_origin_read(entry, &one) && one.secure == from->secure &&
            ws_origin_same_place(one.place, from->place))
            return true;
    }
    return false;
}

int ri_ws_origin_check(const char *allowed, bool same, const ri_ws_request *request, bool secure)
{
    static const char refused[] = "websocket handshake error: origin not allowed: ";
    bool listed = allowed && allowed[0];
    ws_origin from;
    RI_ASSERT(request->host.len > 0);
    if ((!same && !listed) || !request->origin.len) return RILL_OK;
    if (!ws_origin_read(request->origin, &from))
        return ri_err(RILL_EAUTH, "%sit is no http:// or https:// of a host", refused);
    if (same && (from.secure != secure ||
                 !ws_origin_same_place(from.place, ws_origin_place_of(request->host, secure))))
        return ri_err(RILL_EAUTH, "%snot same origin", refused);
    if (listed && !ws_origin_is_listed(allowed, &from))
        return ri_err(RILL_EAUTH, "%snot in the allowed list", refused);
    return RILL_OK;
}

int ri_ws_origin_validate(const char *allowed)
{
    ri_str list = ri_str_of(allowed), entry;
    ws_origin one;
    while (ws_origin_next(&list, &entry))
        if (!ws_origin_read(entry, &one))
            return ri_err(RILL_EINVAL, "\"%.*s\" is no origin, such as https://example.com",
                          (int)RI_MIN(entry.len, 128), entry.ptr);
    return RILL_OK;
}
