/* SPDX-License-Identifier: Apache-2.0 */
#include "net/ws_shown.h"

#include "base/assert.h"
#include "base/error.h"

int ri_ws_shown_new(ri_ws_shown **out, const ri_host *host, ri_memory *memory, const char *names,
                    ri_str head)
{
    ri_str found[RI_WS_COOKIES];
    size_t len = 0, at = 0;
    RI_ASSERT(!*out);
    if (!names) return RILL_OK;
    ri_ws_cookie_find(names, head, found);
    for (size_t i = 0; i < RI_WS_COOKIES; i++) len += found[i].len;
    if (len == 0) return RILL_OK;
    if (len > RI_WS_SHOWN_MAX)
        return ri_err(RILL_EPROTO, "websocket handshake error: cookies have more than %d bytes",
                      RI_WS_SHOWN_MAX);
    size_t size = sizeof(ri_ws_shown) + len;
    if (!ri_memory_take(memory, RI_MEMORY_INPUT, size))
        return ri_err(RILL_ENOMEM, "the memory budget has no room for WebSocket's cookies");
    ri_ws_shown *shown = ri_alloc(host, size);
    if (!shown) {
        ri_memory_refund(memory, RI_MEMORY_INPUT, size);
        return RILL_ENOMEM;
    }
    shown->size = size;
    for (size_t i = 0; i < RI_WS_COOKIES; i++) {
        shown->cookies[i] = (ri_str){shown->bytes + at, found[i].len};
        if (found[i].len) memcpy(shown->bytes + at, found[i].ptr, found[i].len);
        at += found[i].len;
    }
    *out = shown;
    return RILL_OK;
}

void ri_ws_shown_free(ri_ws_shown *shown, const ri_host *host, ri_memory *memory)
{
    if (!shown) return;
    size_t size = shown->size;
    RI_ASSERT(size > sizeof *shown);
    explicit_bzero(shown, size);
    ri_memory_refund(memory, RI_MEMORY_INPUT, size);
    ri_free(host, shown, size);
}
