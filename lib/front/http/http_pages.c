/* SPDX-License-Identifier: Apache-2.0 */
/* The pages of nats-server's monitoring port, which front/pages makes. */
#include "base/assert.h"
#include "front/http/http_answer.h"

static void pages_asked(const void *arg, ri_page_json *j)
{
    ri_http_answer_asked(arg, j);
}

static void pages_begin(ri_http_answer *a, const ri_http_request *request)
{
    ri_page *page = ri_http_answer_work(a, sizeof *page);
    RI_ASSERT(a->route->page);
    if (!page) return;
    page->asked = pages_asked;
    page->asked_arg = a->server;
    ri_page_begin(page, a->route->page, a->server->broker, request->query);
}

static bool pages_step(ri_http_answer *a)
{
    return a->work && ri_page_step(a->work);
}

static void pages_between(ri_http_answer *a)
{
    if (a->work) ri_page_between(a->work, NULL);
}

/* The answer has the body from now on; what follows it stays where it is. */
static void pages_finish(ri_http_answer *a)
{
    ri_page *page = a->work;
    if (!page) return;
    ri_page_finish(page);
    ri_buffer_fini(&a->body);
    a->body = page->body;
    ri_buffer_init(&page->body, &a->server->broker->host);
    a->status = page->status;
    a->type = page->type;
    a->why = page->why;
    a->more = page->more;
    a->nmore = page->nmore;
}

static void pages_drop(ri_http_answer *a)
{
    ri_page_fini(a->work);
}

#define PAGES_ROUTE(name, other)                                                               \
    const ri_http_route ri_http_##name##_route = {                                             \
        .path = "/" #name, .alias = other, .page = &ri_page_##name, .begin = pages_begin,      \
        .step = pages_step, .between = pages_between, .finish = pages_finish,                  \
        .drop = pages_drop}

PAGES_ROUTE(varz, NULL);
PAGES_ROUTE(connz, NULL);
PAGES_ROUTE(subsz, "/subscriptionsz");
PAGES_ROUTE(jsz, NULL);
PAGES_ROUTE(healthz, NULL);
PAGES_ROUTE(accountz, NULL);
PAGES_ROUTE(accstatz, NULL);
PAGES_ROUTE(routez, NULL);
PAGES_ROUTE(gatewayz, NULL);
PAGES_ROUTE(leafz, NULL);
PAGES_ROUTE(ipqueuesz, NULL);
PAGES_ROUTE(expvarz, "/debug/vars");
PAGES_ROUTE(raftz, NULL);
