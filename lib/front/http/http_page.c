/* SPDX-License-Identifier: Apache-2.0 */
/* The page at "/": one file without anything from elsewhere, kept as gzip, in which it is a third
 * of its size, and unpacked for who does not take that. It shows what /metrics says, and writes
 * every name as text, so that none is taken for markup; its policy lets no other script run. */
#include "base/assert.h"
#include "codec/kafka/unpack.h"
#include "front/http/http_answer.h"
#include "front/http/http_page_bytes.h"

enum { HTTP_PAGE_MAX = 256 * 1024, HTTP_PAGE_GZIP = 1 };

static void http_page_begin(ri_http_answer *a, const ri_http_request *request)
{
    const ri_str packed = {(const char *)http_page_bytes, sizeof http_page_bytes};
    RI_ASSERT(ri_buffer_size(&a->body) == 0);
    a->type = "text/html; charset=utf-8";
    a->policy = RI_HTTP_PAGE_POLICY;
    a->packed = request->gzips;
    if (a->packed) ri_buffer_put_str(&a->body, packed);
    else if (ri_unpack_all(HTTP_PAGE_GZIP, packed, HTTP_PAGE_MAX, &a->body) < 0)
        a->body.failed = true;
}

const ri_http_route ri_http_page_route = {.path = "/", .begin = http_page_begin};
