/* SPDX-License-Identifier: Apache-2.0 */
/* Adapter to http_parser: a request of HTTP/1.x for something that is only looked at.
 *
 *     GET /connz?subs=1 HTTP/1.1      a path and a query, as they came: nothing is decoded
 *     Host: HOST:PORT                 HTTP/1.1 wants exactly one
 *     Connection: keep-alive          "close" and "keep-alive" are heard
 *     Accept-Encoding: gzip           heard, unless its weight is 0
 *     Accept: application/openmetrics-text; version=1.0.0
 *     Authorization: Basic ...        at most one
 *     Sec-Fetch-Site: same-origin     whose page asks, where a browser says so
 *
 * A head is parsed when all of it is there, so that its parts are spans of it. A request has no
 * body: one that announces any is refused, and its connection ends, since where the next request
 * begins could be read in two ways then. For the same reason a header that is continued on the
 * next line, one with a blank in its name or a control character, a second Host or Content-Length,
 * and a bare LF are refused. */
#ifndef RI_HTTP_READ_H
#define RI_HTTP_READ_H

#include "base/str.h"

enum {
    RI_HTTP_HEAD_MAX = 8 * 1024, /* bytes of a head, with the empty line */
    RI_HTTP_FIELDS_MAX = 64,     /* header fields in it */
};

typedef struct ri_http_request {
    ri_str path, query;  /* the path begins with a /; the query is what stands behind the ? */
    bool only_head;      /* HEAD: the answer's body is not wanted */
    bool keep;           /* another request may follow on this connection */
    bool keep_said;      /* the client asked for that, which is no matter of course in HTTP/1.0 */
    bool gzips;          /* the client takes gzip */
    bool open_metrics;   /* the client names the type of OpenMetrics */
    ri_str login;        /* Authorization, as it came; empty: there is none */
    bool foreign;        /* a browser says that a page of somebody else wants it */
} ri_http_request;

/* RILL_ENOTSUP, with the sentence, in a build without http_parser. */
int ri_http_read_there(void);
/* The length of the head at the beginning of `bytes`, with the empty line behind it; 0: its end has
 * not come; the first `sought` bytes hold no end. Empty lines in front of a request are no part of
 * it: *skip says how many bytes they are. */
size_t ri_http_read_head(ri_str bytes, size_t sought, size_t *skip);
/* RILL_EPROTO: the request is refused for what the sentence says, with *status. */
int ri_http_read(ri_str head, ri_http_request *request, int *status);

#endif
