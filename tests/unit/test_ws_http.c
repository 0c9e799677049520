/* SPDX-License-Identifier: Apache-2.0 */
/* The request by which HTTP becomes WebSocket, its answers, and whose pages may ask. */
#include <stdio.h>

#include "base/error.h"
#include "codec/web/ws_cookie.h"
#include "codec/web/ws_http.h"
#include "support/fault.h"
#include "support/guard.h"
#include "support/suite.h"

/* RFC 6455, 1.3 */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define UP "Upgrade: websocket\r\nConnection: Upgrade\r\n"

static int read_text(const char *text, ri_ws_request *request, int *status)
{
    size_t len = strlen(text);
    ri_str head = {guard_copy(text, len), len};
    *status = 0;
    ck_assert_uint_eq(ri_ws_http_head(head, 0), len);
    for (size_t cut = 0; cut < len; cut++) ck_quick(!ri_ws_http_head((ri_str){head.ptr, cut}, 0));
    for (size_t cut = 0; cut < len; cut++) ck_quick(ri_ws_http_head(head, cut) == len);
    return ri_ws_http_read_request(head, request, status);
}

START_TEST(requests)
{
    ri_ws_request r;
    int status;
    ck_assert_ok(read_text("GET /any?x=1 HTTP/1.1\r\nhost: h:8080\r\nUPGRADE: WebSocket\r\n"
                           "Connection: keep-alive, upgrade\r\nSec-WebSocket-Key: " KEY "\r\n"
                           "Origin: https://a\r\nX-Forwarded-For: 1.2.3.4\r\n"
                           "Sec-WebSocket-Extensions: foo, permessage-deflate; "
                           "client_max_window_bits\r\n"
                           "Sec-WebSocket-Version: 13\r\n\r\n", &r, &status));
    ck_assert_span(r.key, KEY);
    ck_assert_span(r.host, "h:8080");
    ck_assert_span(r.origin, "https://a");
    ck_assert_span(r.forwarded, "1.2.3.4");
    ck_assert(r.deflates);
    ck_assert_ok(read_text("GET / HTTP/1.1\r\nHost: h\r\n" UP "Sec-WebSocket-Key: " KEY "\r\n"
                           "Sec-WebSocket-Version: 13\r\n\r\n", &r, &status));
    ck_assert(!r.deflates && r.origin.len == 0);
    guard_free();
}
END_TEST

START_TEST(refusals)
{
#define GOOD "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Version: 13\r\n\r\n"
    static const struct {
        const char *text, *why;
        int status;
    } rows[] = {
        {"POST / HTTP/1.1\r\nHost: h\r\n" UP GOOD, "request method must be GET", 405},
        {"GET / HTTP/1.0\r\nHost: h\r\n" UP GOOD, "the request is not of HTTP/1.1", 505},
        {"GET / HTTP/1.1\r\n" UP GOOD, "'Host' missing in request", 400},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n" GOOD,
         "invalid value for header 'Upgrade'", 400},
        {"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n" GOOD,
         "invalid value for header 'Upgrade'", 400},
        {"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n" GOOD,
         "invalid value for header 'Connection'", 400},
        {"GET / HTTP/1.1\r\nHost: h\r\n" UP "Sec-WebSocket-Version: 13\r\n\r\n", "key missing",
         400},
        {"GET / HTTP/1.1\r\nHost: h\r\n" UP "Sec-WebSocket-Key: dGhl\r\n"
         "Sec-WebSocket-Version: 13\r\n\r\n", "invalid websocket key", 400},
        {"GET / HTTP/1.1\r\nHost: h\r\n" UP "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!==\r\n"
         "Sec-WebSocket-Version: 13\r\n\r\n", "invalid websocket key", 400},
        {"GET / HTTP/1.1\r\nHost: h\r\n" UP "Sec-WebSocket-Key: " KEY "\r\n"
         "Sec-WebSocket-Version: 8\r\n\r\n", "invalid version", 400},
        {"GET / HTTP/1.1\r\nHost: h\r\n" UP "Sec-WebSocket-Key: " KEY "\r\n\r\n",
         "invalid version", 400},
        {"GET / HTTP/1.1\r\nHost: h\r\nB@d: x\r\n" UP GOOD, "invalid character in header",
         400},
        {"GET / HTTP/1.1\r\nHost: h\r\n" UP "Sec-WebSocket-Key: " KEY "\r\n"
         "Sec-WebSocket-Version: 13\n\nSUB a 1\r\nPING\r\n\r\n",
         "an empty line stands within the head", 400},
        {"GET / HTTP/1.1\r\nHost: h\r\nOrigin: http://a\n\nGET / HTTP/1.1\r\n" UP GOOD,
         "an empty line stands within the head", 400},
        {"CONNECT {\"verbose\":false}\r\nPING\r\n\r\n", NULL, 400},
        {"\x16\x03\x01 tls?\r\n\r\n", NULL, 400},
        {"\r\n\r\n", NULL, 400},
    };
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        ri_ws_request r;
        int status;
        char want[128];
        ck_assert_rc(read_text(rows[i].text, &r, &status), RILL_EPROTO);
        ck_assert_msg(status == rows[i].status, "%zu: %d", i, status);
        snprintf(want, sizeof want, "websocket handshake error: %s", rows[i].why);
        if (rows[i].why) ck_assert_str_eq(ri_err_text(), want);
    }
    guard_free();
}
END_TEST

static int read_answer(const char *text, bool *deflates)
{
    size_t len = strlen(text);
    return ri_ws_http_read_answer((ri_str){guard_copy(text, len), len}, KEY, deflates);
}

START_TEST(answers)
{
#define SWITCH "HTTP/1.1 101 Switching Protocols\r\n"
    bool deflates = false;
    ck_assert_ok(read_answer(SWITCH UP "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n", &deflates));
    static const char *const bad[] = {
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
        SWITCH UP "\r\n",
        SWITCH UP "Sec-WebSocket-Accept: " KEY "\r\n\r\n",
        SWITCH "Upgrade: websocket\r\nSec-WebSocket-Accept: " ACCEPT "\r\n\r\n",
        SWITCH UP "Sec-WebSocket-Accept: " ACCEPT
               "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
        "INFO {\"server_id\":\"x\"}\r\n\r\n",
        SWITCH UP "Sec-WebSocket-Accept: " ACCEPT "\n\nINFO {}\r\n\r\n",
    };
    for (size_t i = 0; i < RI_LEN(bad); i++)
        ck_assert_rc(read_answer(bad[i], &deflates), RILL_EPROTO);
    guard_free();
}
END_TEST

/* Who has offered to compress hears whether the other does, and takes nothing else for an
 * answer. */
START_TEST(extensions)
{
#define EXTENDS SWITCH UP "Sec-WebSocket-Accept: " ACCEPT "\r\nSec-WebSocket-Extensions: "
    static const struct {
        const char *says;
        int rc;
    } rows[] = {
        {"permessage-deflate; server_no_context_takeover; client_no_context_takeover", RILL_OK},
        {"Permessage-Deflate;SERVER_no_context_takeover", RILL_OK},
        {"permessage-deflate ; server_max_window_bits=9;\tserver_no_context_takeover ", RILL_OK},
        {"permessage-deflate", RILL_EPROTO}, /* it keeps what it knows of the message before */
        {"permessage-deflate; client_no_context_takeover", RILL_EPROTO},
        {"permessage-deflate; server_no_context_takeover; client_max_window_bits=9", RILL_EPROTO},
        {"permessage-deflate; server_no_context_takeover, x", RILL_EPROTO},
        {"permessage-deflate; server_no_context_takeover\r\nSec-WebSocket-Extensions: x",
         RILL_EPROTO},
        {"server_no_context_takeover; permessage-deflate", RILL_EPROTO},
        {"server_no_context_takeover", RILL_EPROTO},
        {"x-webkit-deflate-frame", RILL_EPROTO},
        {"permessage-deflate; server_no_context_takeover;", RILL_EPROTO},
        {";", RILL_EPROTO},
    };
    char text[512];
    bool deflates = true;
    ck_assert_ok(read_answer(SWITCH UP "Sec-WebSocket-Accept: " ACCEPT "\r\n\r\n", &deflates));
    ck_assert(!deflates); /* it does not */
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        snprintf(text, sizeof text, EXTENDS "%s\r\n\r\n", rows[i].says);
        deflates = true;
        ck_assert_rc(read_answer(text, &deflates), rows[i].rc);
        ck_assert(rows[i].rc < 0 || deflates);
        deflates = false; /* nobody has offered it */
        ck_assert_rc(read_answer(text, &deflates), RILL_EPROTO);
    }
    guard_free();
}
END_TEST

/* What is written is what is read; each allocation may fail. */
static int body_written(fault *f, void *arg)
{
    (void)arg;
    static const unsigned char sample[] = "the sample nonce";
    ri_buffer b, answer;
    ri_ws_request r;
    char key[RI_WS_HTTP_KEY + 1];
    int status, rc = RILL_ENOMEM;
    bool deflates = true;
    ri_ws_http_key(sample, key);
    ck_assert_str_eq(key, KEY);
    ri_buffer_init(&b, &f->host);
    ri_buffer_init(&answer, &f->host);
    ri_ws_http_write_request(&b, "h:1", "/p", key, true);
    if (!b.failed) {
        ck_assert_ok(ri_ws_http_read_request(ri_buffer_str(&b), &r, &status));
        ck_assert(r.deflates);
        ri_ws_http_write_answer(&answer, r.key, r.deflates);
    }
    if (!b.failed && !answer.failed) {
        ck_assert_ok(rc = ri_ws_http_read_answer(ri_buffer_str(&answer), key, &deflates));
        ck_assert(deflates);
    }
    ri_buffer_fini(&b);
    ri_buffer_fini(&answer);
    return rc;
}

START_TEST(written)
{
    ck_assert_uint_ge(fault_each(body_written, NULL), 2);
    ri_host host;
    ri_buffer b;
    ri_host_init(&host, NULL);
    ri_buffer_init(&b, &host);
    ri_ws_http_write_refusal(&b, 403);
    ck_assert(ri_str_starts(ri_buffer_str(&b), RI_STR("HTTP/1.1 403 Forbidden\r\n")));
    ck_assert(ri_ws_http_head(ri_buffer_str(&b), 0) + strlen("Forbidden\n") ==
              ri_buffer_size(&b));
    ri_buffer_fini(&b);
}
END_TEST

START_TEST(origins)
{
    static const char list[] = "https://a.example, http://b:81\thttps://[::1]:9";
    static const struct {
        const char *allowed;
        bool same, secure;
        const char *host, *origin;
        bool good;
    } rows[] = {
        {NULL, false, false, "h", "https://evil", true},
        {"", false, false, "h", "null", true},
        {list, false, false, "h", "", true},
        {list, false, false, "h", "https://a.example", true},
        {list, false, false, "h", "https://A.EXAMPLE:443", true},
        {list, false, false, "h", "http://a.example", false},
        {list, false, false, "h", "https://a.example:444", false},
        {list, false, false, "h", "https://a.example.evil", false},
        {list, false, false, "h", "http://b:81", true},
        {list, false, false, "h", "http://b", false},
        {list, false, false, "h", "https://[::1]:9", true},
        {list, false, false, "h", "null", false},
        {list, false, false, "h", "file://", false},
        {NULL, true, false, "h:8080", "http://h:8080", true},
        {NULL, true, false, "h:8080", "http://h", false},
        {NULL, true, false, "h:8080", "https://h:8080", false},
        {NULL, true, true, "h", "https://h:443", true},
        {NULL, true, false, "h", "http://H", true},
        {list, true, true, "h", "https://h", false},
        {list, true, true, "a.example", "https://a.example", true},
    };
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        const ri_ws_request r = {.host = ri_str_of(rows[i].host),
                                 .origin = ri_str_of(rows[i].origin)};
        int rc = ri_ws_origin_check(rows[i].allowed, rows[i].same, &r, rows[i].secure);
        ck_assert_msg(rc == (rows[i].good ? RILL_OK : RILL_EAUTH), "row %zu: %d", i, rc);
    }
    ck_assert_ok(ri_ws_origin_validate(list));
    ck_assert_ok(ri_ws_origin_validate(""));
    ck_assert_rc(ri_ws_origin_validate("https://a, b.example"), RILL_EINVAL);
    ck_assert_rc(ri_ws_origin_validate("https://a/path"), RILL_EINVAL);
    ck_assert_rc(ri_ws_origin_validate("https://"), RILL_EINVAL);
}
END_TEST

/* The names are ours, the head anybody's. */
START_TEST(cookies)
{
    static const char *const wrong[] = {"user", "user=", "=a", "name=a", "user=a;b", "user=a b",
                                        "user=a,", "user=a,pass", "USER=a", "", "jwt=\x7f", ","};
    static const struct {
        const char *head, *user, *token, *jwt;
    } rows[] = {
        {"", "", "", ""},
        {"GET / HTTP/1.1\r\nCookie: u=a; t=b; j=c.d==\r\n\r\n", "a", "b", "c.d=="},
        {"G\r\ncOOKIE:u=a;u=b ;\tt = \"x y\" \r\n", "b", "x y", ""},
        {"G\r\nCookie: u=a\r\nCookie: t=b\r\nCookie: u=c", "c", "b", ""},
        {"G\r\nCookie: ; =; u; U=a; uu=b; t=\"; j=\"\"\r\n", "", "\"", ""},
        {"G\r\nX-Cookie: u=a\r\n Cookie: u=b\r\nCookie : u=c\r\nCookie\r\n", "", "", ""},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_msg(ri_ws_cookie_validate(wrong[i]) == RILL_EINVAL, "%s", wrong[i]);
        ck_assert_ptr_nonnull(strstr(ri_err_text(), "does not say which cookie"));
    }
    ck_assert_ok(ri_ws_cookie_validate("jwt=j"));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ri_str found[RI_WS_COOKIES];
        size_t len = strlen(rows[i].head);
        ri_ws_cookie_find("user=u, token=t,jwt=j", (ri_str){guard_copy(rows[i].head, len), len},
                          found);
        ck_assert_span(found[RI_WS_COOKIE_USER], rows[i].user);
        ck_assert_span(found[RI_WS_COOKIE_TOKEN], rows[i].token);
        ck_assert_span(found[RI_WS_COOKIE_JWT], rows[i].jwt);
        ck_assert_uint_eq(found[RI_WS_COOKIE_PASS].len, 0);
    }
    guard_free();
}
END_TEST

SUITE_MAIN("ws_http", cookies, requests, refusals, answers, extensions, written, origins)
