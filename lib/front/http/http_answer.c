/* SPDX-License-Identifier: Apache-2.0 */
#include "front/http/http_answer.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "codec/kafka/gzip.h"
#include "codec/limits.h"
#include "front/http/http_base.h"
#include "front/http/http_session.h"

enum {
    HTTP_ANSWER_PACKED_LEAST = 512, /* bytes that are worth it */
    HTTP_ANSWER_OWN_MAX = 256 * 1024 * 1024, /* of a program's own page */
    HTTP_ANSWER_TYPE_MAX = 200,
    HTTP_ANSWER_STEP = 160 * 1024, /* bytes that a step puts into one buffer, but for long names */
    HTTP_ANSWER_SENTENCE = 1200, /* bytes of what is wrong, which may name a subject */
};

/* ---- Short ones ---- */

static void http_answer_absent(ri_http_answer *a, const ri_http_request *request)
{
    (void)request;
    a->status = 404;
    a->type = "text/plain; charset=utf-8";
    ri_buffer_puts(&a->body, "404 page not found\n");
}

/* ---- The program's own ---- */

/* Of the words that a header may be made of, and no longer than it has to be. */
static bool http_answer_is_type(const char *type)
{
    size_t len = type ? strlen(type) : 0;
    bool good = len > 0 && len <= HTTP_ANSWER_TYPE_MAX;
    for (size_t i = 0; i < len && good; i++) good = type[i] >= ' ' && type[i] <= '~';
    return good;
}

static void http_answer_take(ri_http_answer *a, const rill_page *page)
{
    bool good = http_answer_is_type(page->type) && page->len <= HTTP_ANSWER_OWN_MAX &&
                page->status >= 200 && page->status <= 599 && (page->data || page->len == 0);
    a->own = good ? ri_strdup(a->body.host, page->type, strlen(page->type)) : NULL;
    a->body.failed = !a->own;
    if (a->own) a->type = a->own;
    if (a->own) a->status = page->status;
    if (a->own && page->len) ri_buffer_put(&a->body, page->data, page->len);
    if (page->done) page->done(page->data);
}

/* Path and query in `text`, each with its 0. */
static bool http_answer_ask(ri_http_answer *a, rill_page_fn on_page, void *arg, ri_buffer *text,
                            const ri_http_request *request)
{
    ri_buffer_put_str(text, request->path);
    ri_buffer_put(text, "", 1);
    ri_buffer_put_str(text, request->query);
    ri_buffer_put(text, "", 1);
    a->body.failed = text->failed;
    if (text->failed) return true;
    rill_page page = {.size = sizeof page, .path = text->ptr,
                      .query = text->ptr + request->path.len + 1, .status = 200,
                      .type = "text/plain; charset=utf-8"};
    if (!on_page(&page, arg)) return false;
    http_answer_take(a, &page);
    return true;
}

/* Is it a page of the program's? Outside the gate. */
static bool http_answer_own(ri_http_answer *a, const ri_http_listener *at,
                            const ri_http_request *request)
{
    ri_buffer text;
    ri_http_server_enter(a->server);
    rill_page_fn on_page = at->on_page;
    void *arg = at->on_page_arg;
    ri_http_server_leave(a->server);
    if (!on_page) return false;
    ri_buffer_init(&text, a->body.host);
    bool own = http_answer_ask(a, on_page, arg, &text, request);
    ri_buffer_fini(&text);
    return own;
}

/* ---- Which of them it is ---- */

static const ri_http_route http_answer_none = {.begin = http_answer_absent};
static const ri_http_route *const http_answer_routes[] = {
    &ri_http_page_route, &ri_http_metrics_route, &ri_http_varz_route, &ri_http_connz_route,
    &ri_http_subsz_route, &ri_http_jsz_route, &ri_http_healthz_route, &ri_http_accountz_route,
    &ri_http_accstatz_route, &ri_http_routez_route, &ri_http_gatewayz_route, &ri_http_leafz_route,
    &ri_http_ipqueuesz_route, &ri_http_expvarz_route, &ri_http_raftz_route,
    &ri_http_events_route, &ri_http_follow_route, &ri_http_who_route, &ri_http_login_route};
_Static_assert(RI_LEN(http_answer_routes) <= RI_HTTP_ROUTES, "a counter for each");

/* Its place; none: RI_LEN(http_answer_routes). */
static size_t http_answer_place(ri_str path)
{
    for (size_t i = 0; i < RI_LEN(http_answer_routes); i++) {
        const ri_http_route *route = http_answer_routes[i];
        if (ri_str_is(path, route->path) || (route->alias && ri_str_is(path, route->alias)))
            return i;
    }
    return RI_LEN(http_answer_routes);
}

/* Names in the page are beside its own path, which therefore ends with '/'. */
static void http_answer_lead(ri_http_answer *a, const ri_http_request *request)
{
    (void)request;
    a->status = 307;
    a->location = a->session->at->base;
}

static const ri_http_route http_answer_leads = {.begin = http_answer_lead};

static const ri_http_route *http_answer_find(ri_http_server *server, const char *base, ri_str path)
{
    path = ri_http_base_below(base, path);
    size_t i = http_answer_place(path);
    if (path.ptr && path.len == 0) return &http_answer_leads;
    if (i == RI_LEN(http_answer_routes)) return &http_answer_none;
    server->asked[i]++;
    return http_answer_routes[i];
}

bool ri_http_answer_asks(const ri_http_listener *at, ri_str path)
{
    size_t i = http_answer_place(ri_http_base_below(at->base, path));
    return i < RI_LEN(http_answer_routes) &&
           (http_answer_routes[i]->guarded || http_answer_routes[i]->asks);
}

/* What is guarded, and not for him, is refused. */
static bool http_answer_may(ri_http_answer *a, const ri_http_request *request,
                            ri_http_verdict verdict)
{
    if (request->foreign) {
        ri_http_answer_say(a, 403, "a page of another place may not ask for that\n");
    } else if (verdict == RI_HTTP_LOGIN_NONE) {
        ri_http_server_enter(a->server);
        const char *why = ri_http_login_why_not(a->server);
        ri_http_server_leave(a->server);
        ri_http_answer_say(a, 403, "%s\n", why ? why : "that has changed just now");
    } else if (verdict == RI_HTTP_LOGIN_LATER) { /* and it could not be begun */
        ri_http_answer_say(a, 503, "too many log in just now: ask again\n");
    } else if (verdict == RI_HTTP_LOGIN_HELD) {
        ri_http_answer_say(a, 429, "too many logins from your address were wrong: ask later\n");
    } else if (verdict != RI_HTTP_LOGIN_YES) {
        ri_http_answer_say(a, 401, "a user and his password, or a token, are wanted\n");
    }
    return !a->said;
}

void ri_http_answer_asked(const ri_http_server *server, ri_page_json *j)
{
    for (size_t i = 0; i < RI_LEN(http_answer_routes); i++)
        if (server->asked[i])
            ri_page_json_uint(j, http_answer_routes[i]->path, server->asked[i]);
}

void ri_http_answer_begin(ri_http_answer *a, ri_http_session *session,
                          const ri_http_request *request, ri_http_verdict verdict)
{
    const ri_http_listener *at = session->at;
    ri_http_server *server = at->server;
    RI_ASSERT(!a->route && request->path.len > 0);
    a->server = server;
    a->session = session;
    a->status = 200;
    a->type = "text/plain; charset=utf-8";
    a->open_metrics = request->open_metrics;
    ri_buffer_init(&a->body, &server->broker->host);
    a->route = &http_answer_none;
    if (http_answer_own(a, at, request)) return;
    const ri_http_route *route = http_answer_find(server, at->base, request->path);
    if (!ri_page_query_check(request->query, route->bools, route->ints, route->uints, &a->body)) {
        a->status = 400;
        return;
    }
    a->route = route;
    if (!route->guarded || http_answer_may(a, request, verdict)) route->begin(a, request);
}

void ri_http_answer_refuse(ri_http_answer *a, ri_http_server *server, int status)
{
    RI_ASSERT(!a->route && status >= 400);
    a->server = server;
    a->status = status;
    a->type = "text/plain; charset=utf-8";
    ri_buffer_init(&a->body, &server->broker->host);
    a->route = &http_answer_none;
    ri_buffer_printf(&a->body, "%s\n", ri_err_text());
}

/* ---- For routes ---- */

void *ri_http_answer_work(ri_http_answer *a, size_t size)
{
    RI_ASSERT(!a->work && size > 0);
    a->work = ri_calloc(a->body.host, size);
    a->work_size = size;
    a->body.failed = !a->work;
    return a->work;
}

bool ri_http_answer_charge(ri_http_answer *a, uint64_t bytes)
{
    ri_memory *memory = &a->server->broker->router.memory;
    uint64_t all = bytes + a->body.cap;
    if (a->body.failed) return false;
    if (all <= a->charged) return true;
    if (ri_memory_take(memory, RI_MEMORY_WORK, all - a->charged)) {
        a->charged = all;
        return true;
    }
    ri_memory_refused(memory);
    a->body.failed = true;
    return false;
}

void ri_http_answer_grow(ri_buffer *buffer)
{
    if (buffer->len > HTTP_ANSWER_STEP) ri_buffer_room(buffer, HTTP_ANSWER_STEP);
}

void ri_http_answer_say(ri_http_answer *a, int status, const char *format, ...)
{
    char text[HTTP_ANSWER_SENTENCE];
    RI_ASSERT(status >= 400);
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ri_buffer_reset(&a->body);
    ri_buffer_puts(&a->body, text);
    a->status = status;
    a->said = true;
    a->type = "text/plain; charset=utf-8";
}

void ri_http_answer_json(ri_http_answer *a, ri_page_json *j, bool bare)
{
    const ri_broker *broker = a->server->broker;
    a->type = "application/json";
    *j = (ri_page_json){.out = &a->body};
    ri_page_json_open(j, NULL, '{');
    if (bare) return;
    ri_page_json_text(j, "server_id", broker->keys.id);
    ri_page_json_time(j, "now", ri_wall_ns(&broker->host));
}

/* ---- What all have ---- */

static void http_answer_pack(ri_http_answer *a)
{
    ri_buffer packed;
    ri_buffer_init(&packed, a->body.host);
    bool well = ri_gzip_pack(ri_buffer_str(&a->body), &packed) == RILL_OK && !packed.failed;
    if (well && ri_buffer_size(&packed) < ri_buffer_size(&a->body)) {
        ri_buffer_fini(&a->body);
        a->body = packed;
        a->packed = true;
        return;
    }
    ri_buffer_fini(&packed); /* it goes as it is */
}

void ri_http_answer_finish(ri_http_answer *a, bool gzips)
{
    if (a->route->finish && !a->said) a->route->finish(a);
    size_t size = ri_buffer_size(&a->body);
    if (a->body.failed) {
        ri_buffer_fini(&a->body);
        ri_buffer_init(&a->body, &a->server->broker->host);
        a->policy = NULL;
        a->nmore = 0;
        a->stream = false;
        a->status = 503;
        a->packed = false;
        a->type = "text/plain; charset=utf-8";
        ri_buffer_puts(&a->body, a->why ? a->why : "there is no memory for this page\n");
        return;
    }
    if (gzips && !a->packed && !a->nmore && size >= HTTP_ANSWER_PACKED_LEAST &&
        size <= RI_LIMIT_HTTP_PACKED)
        http_answer_pack(a);
}

size_t ri_http_answer_size(const ri_http_answer *a)
{
    size_t size = ri_buffer_size(&a->body);
    for (size_t i = 0; i < a->nmore; i++) size += ri_buffer_size(&a->more[i]);
    return size;
}

static const char *http_answer_reason(int status)
{
    switch (status) {
    case 200: return "OK";
    case 303: return "See Other";
    case 307: return "Temporary Redirect";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 413: return "Content Too Large";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 505: return "HTTP Version Not Supported";
    case 503: return "Service Unavailable";
    default: return status < 400 ? "OK" : "Error";
    }
}

void ri_http_answer_head(const ri_http_answer *a, bool keeps, bool keep_said, size_t len,
                         ri_buffer *out)
{
    RI_ASSERT(a->route && a->type);
    ri_buffer_printf(out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n", a->status,
                     http_answer_reason(a->status), a->type);
    if (!a->stream) ri_buffer_printf(out, "Content-Length: %zu\r\n", len);
    if (a->packed) ri_buffer_puts(out, "Content-Encoding: gzip\r\n");
    if (a->status == 401)
        ri_buffer_puts(out, "WWW-Authenticate: Basic realm=\"rill\", charset=\"UTF-8\"\r\n");
    if (a->status == 429) ri_buffer_puts(out, "Retry-After: 1\r\n");
    if (a->location) ri_buffer_printf(out, "Location: %s\r\n", a->location);
    if (a->status == 405) ri_buffer_puts(out, "Allow: GET, HEAD\r\n");
    ri_buffer_puts(out, "Vary: Accept, Accept-Encoding\r\nCache-Control: no-store\r\n"
                   "X-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n"
                   "Referrer-Policy: no-referrer\r\nCross-Origin-Resource-Policy: same-origin\r\n");
    ri_buffer_printf(out, "Content-Security-Policy: %s\r\n",
                     a->policy ? a->policy : "default-src 'none'; frame-ancestors 'none'");
    if (!keeps) ri_buffer_puts(out, "Connection: close\r\n");
    else if (keep_said) ri_buffer_puts(out, "Connection: keep-alive\r\n");
    ri_buffer_puts(out, "\r\n");
}

void ri_http_answer_fini(ri_http_answer *a)
{
    if (!a->route) return;
    if (a->route->drop && a->work) a->route->drop(a);
    if (a->work) ri_free(a->body.host, a->work, a->work_size);
    if (a->charged)
        ri_memory_refund(&a->server->broker->router.memory, RI_MEMORY_WORK, a->charged);
    if (a->own) ri_free(a->body.host, a->own, strlen(a->own) + 1);
    ri_buffer_fini(&a->body);
    *a = (ri_http_answer){.route = NULL};
}
