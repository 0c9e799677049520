/* SPDX-License-Identifier: Apache-2.0 */
/* In place of ws_http.c where http_parser was not there when rill was built: the one question that
 * is asked has this answer, and none of the others is asked then. */
#include "codec/web/ws_http.h"

#include "base/assert.h"
#include "base/error.h"

int ri_ws_http_there(void)
{
    return ri_err(RILL_ENOTSUP, "this rill was built without WebSocket: libhttp-parser-dev was "
                  "missing, or -Dwebsocket=disabled was given");
}

size_t ri_ws_http_head(ri_str bytes, size_t sought)
{
    RI_ASSERT(!bytes.len && !sought);
    (void)bytes;
    (void)sought;
    return 0;
}

int ri_ws_http_read_request(ri_str head, ri_ws_request *request, int *status)
{
    (void)head;
    *request = (ri_ws_request){.deflates = false};
    *status = 501;
    return ri_ws_http_there();
}

int ri_ws_http_read_answer(ri_str head, const char *key, bool *deflates)
{
    (void)head;
    (void)key;
    *deflates = false;
    return ri_ws_http_there();
}

void ri_ws_http_key(const unsigned char bytes[16], char out[RI_WS_HTTP_KEY + 1])
{
    (void)bytes;
    out[0] = 0;
}

void ri_ws_http_write_request(ri_buffer *out, const char *host, const char *path, const char *key,
                              bool deflates)
{
    (void)host;
    (void)path;
    (void)key;
    (void)deflates;
    out->failed = true;
}

void ri_ws_http_write_answer(ri_buffer *out, ri_str key, bool deflates)
{
    (void)key;
    (void)deflates;
    out->failed = true;
}

void ri_ws_http_write_refusal(ri_buffer *out, int status)
{
    (void)status;
    out->failed = true;
}
