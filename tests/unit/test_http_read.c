/* SPDX-License-Identifier: Apache-2.0 */
/* What a request of HTTP is to the door: what it is for, and what is refused with which status. */
#include "codec/web/http_read.h"

#include <stdio.h>

#include "base/error.h"
#include "support/guard.h"
#include "support/suite.h"

/* However much of it has come, the end of the head is found when it is there, and not before. */
static int read_text(const char *text, ri_http_request *request, int *status)
{
    size_t len = strlen(text), skip;
    ri_str head = {guard_copy(text, len), len};
    size_t found = ri_http_read_head(head, 0, &skip);
    ck_assert_uint_eq(found + skip, len);
    for (size_t cut = 0; cut < len; cut++) {
        size_t before;
        ck_quick(!ri_http_read_head((ri_str){head.ptr, cut}, 0, &before));
        ck_quick(ri_http_read_head(head, cut, &before) == found && before == skip);
    }
    return ri_http_read(ri_str_from(head, skip), request, status);
}

START_TEST(requests)
{
    ri_http_request r;
    int status;
    ck_assert_ok(read_text("GET /connz?subs=1&x=%24 HTTP/1.1\r\nHost: h\r\n\r\n", &r, &status));
    ck_assert_span(r.path, "/connz");
    ck_assert_span(r.query, "subs=1&x=%24");
    ck_assert(r.keep && !r.keep_said && !r.only_head && !r.gzips && !r.open_metrics);
    ck_assert_ok(read_text("\r\n\r\nHEAD http://h:1/a/b HTTP/1.1\r\nhost:\t h \r\n"
                           "Connection: foo, Close\r\nAccept-Encoding: br;q=1, gzip ; q=0.5\r\n"
                           "Accept: text/plain;q=0.5,application/openmetrics-text; "
                           "version=1.0.0\r\n\r\n", &r, &status));
    ck_assert_span(r.path, "/a/b");
    ck_assert_uint_eq(r.query.len, 0);
    ck_assert(!r.keep && r.only_head && r.gzips && r.open_metrics);
    ck_assert_ok(read_text("GET / HTTP/1.0\r\n\r\n", &r, &status));
    ck_assert(!r.keep && !r.keep_said);
    ck_assert_ok(read_text("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", &r, &status));
    ck_assert(r.keep && r.keep_said);
    ck_assert_ok(read_text("GET /? HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip;q=0.0\r\n"
                           "Content-Length: 0\r\nAccept: application/openmetrics-text;q=0\r\n\r\n",
                           &r, &status));
    ck_assert(!r.gzips && !r.open_metrics && r.keep && !r.login.len && !r.foreign);
    ck_assert_ok(read_text("GET / HTTP/1.1\r\nHost: h\r\nauthorization:  Basic YTpi \r\n"
                           "Sec-Fetch-Site: same-origin\r\n\r\n", &r, &status));
    ck_assert_span(r.login, "Basic YTpi");
    ck_assert(!r.foreign);
    ck_assert_ok(read_text("GET / HTTP/1.1\r\nHost: h\r\nSec-Fetch-Site: none\r\n\r\n", &r,
                           &status));
    ck_assert(!r.foreign);
    ck_assert_ok(read_text("GET / HTTP/1.1\r\nHost: h\r\nSec-Fetch-Site: same-site\r\n"
                           "Sec-Fetch-Site: same-origin\r\n\r\n", &r, &status));
    ck_assert(r.foreign);
    guard_free();
}
END_TEST

START_TEST(refusals)
{
    static const struct {
        const char *text, *why;
        int status;
    } rows[] = {
        {"POST /varz HTTP/1.1\r\nHost: h\r\n\r\n", "only GET and HEAD are answered here", 405},
        {"GET / HTTP/1.1\r\n\r\n", "the request has no Host", 400},
        {"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: a\r\nAuthorization: a\r\n\r\n",
         "the request has two logins", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "the request has two hosts", 400},
        {"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n", "a request has no body here",
         413},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n", "a request has no body here",
         413},
        {"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
         "a request has no body here", 413},
        {"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", NULL, 0},
        {"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
         NULL, 0},
        {"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n",
         "a header is continued on the next line", 400},
        {"GET / HTTP/1.1\r\nHost: h\r\nX : a\r\n\r\n", NULL, 400},
        {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", NULL, 0},
        {"GET * HTTP/1.1\r\nHost: h\r\n\r\n", NULL, 400},
        {"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", NULL, 405},
        {"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", NULL, 405},
        {"GET http://u:p@h/ HTTP/1.1\r\nHost: h\r\n\r\n", "the request names no path", 400},
        {"GET /\n\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n", NULL, 400},
        {"GET / HTTP/1.1\r\nHost: h\n\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
         "a line ends with a bare LF", 400},
        {"GET / HTTP/1.1\nHost: h\r\n\r\n", "a line ends with a bare LF", 400},
        {"GET / HTTP/1.1\r\nHost:\r\n h\r\n\r\n", "a header is continued on the next line", 400},
        {"GET / HTTP/1.1\r\nHost: h\r\nX: \x01\r\n\r\n", NULL, 400},
        {"PUB a 1\r\nx\r\n\r\n", NULL, 400},
        {"\x16\x03\x01 tls?\r\n\r\n", NULL, 400},
    };
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        ri_http_request r;
        int status;
        ck_assert_rc(read_text(rows[i].text, &r, &status), RILL_EPROTO);
        ck_assert_msg(rows[i].status ? status == rows[i].status : status >= 400, "%zu: %d", i,
                      status);
        if (rows[i].why) ck_assert_str_eq(ri_err_text(), rows[i].why);
    }
    guard_free();
}
END_TEST

/* So many fields, and not one more. */
START_TEST(fields)
{
    char text[RI_HTTP_HEAD_MAX];
    ri_http_request r;
    int status;
    for (int n = RI_HTTP_FIELDS_MAX; n <= RI_HTTP_FIELDS_MAX + 1; n++) {
        size_t len = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: h\r\n");
        for (int i = 1; i < n; i++) len += (size_t)sprintf(text + len, "X-%d: y\r\n", i);
        sprintf(text + len, "\r\n");
        int rc = read_text(text, &r, &status);
        ck_assert_int_eq(rc, n > RI_HTTP_FIELDS_MAX ? RILL_EPROTO : RILL_OK);
        ck_assert_int_eq(status, n > RI_HTTP_FIELDS_MAX ? 431 : 200);
    }
    guard_free();
}
END_TEST

/* Each byte of a good request in turn is any other one: it is read or refused, and its parts lie
 * within it. */
START_TEST(bytes)
{
    static const char good[] = "GET /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n";
    char text[sizeof good];
    for (size_t at = 0; at < sizeof good - 1; at++)
        for (int byte = 0; byte < 256; byte++) {
            ri_http_request r;
            int status;
            memcpy(text, good, sizeof good);
            text[at] = (char)byte;
            const char *copy = guard_copy(text, sizeof good - 1);
            int rc = ri_http_read((ri_str){copy, sizeof good - 1}, &r, &status);
            ck_quick(rc == RILL_OK ? status == 200 : rc == RILL_EPROTO && status >= 400);
            if (rc == RILL_OK)
                ck_quick(r.path.ptr >= copy && r.path.ptr + r.path.len <= copy + sizeof good - 1 &&
                         r.path.len > 0 && r.path.ptr[0] == '/');
        }
    guard_free();
}
END_TEST

SUITE_MAIN("http_read", requests, refusals, fields, bytes)
