/* SPDX-License-Identifier: Apache-2.0 */
/* $SYS.REQ.SERVER.PING.VARZ and its like: what front/pages makes, for who asks with JSON.
 *
 *     {"limit":5,"sort":"subs"}   the filters: is this server meant?
 *        |
 *     limit=5&sort=subs           as over HTTP
 *        |  begin, steps
 *     {"server":{...},"data":{the page}} */
#include <stdio.h>

#include "base/assert.h"
#include "codec/limits.h"
#include "front/broker/broker.h"
#include "front/jetstream/js_request.h"
#include "front/pages/page.h"

enum { JS_PAGES_READS = 40 }; /* how often a request is gone through, for its filters and options */

typedef struct js_pages_work {
    ri_page page;
    ri_str verb;
} js_pages_work;

static const struct {
    const char *verb;
    const ri_page_kind *kind;
} js_pages_verbs[] = {
    {"PING", &ri_page_statsz},      {"STATSZ", &ri_page_statsz},     {"VARZ", &ri_page_varz},
    {"EXPVARZ", &ri_page_expvarz},  {"JSZ", &ri_page_jsz},           {"CONNZ", &ri_page_connz},
    {"SUBSZ", &ri_page_subsz},      {"LEAFZ", &ri_page_leafz},       {"INFO", &ri_page_accountz},
    {"ACCOUNTZ", &ri_page_accountz}, {"STATZ", &ri_page_accstatz},   {"ROUTEZ", &ri_page_routez},
    {"GATEWAYZ", &ri_page_gatewayz}, {"HEALTHZ", &ri_page_healthz},  {"RAFTZ", &ri_page_raftz},
    {"IPQUEUESZ", &ri_page_ipqueuesz}, {"PROFILEZ", &ri_page_profilez},
};

/* What an option is called in JSON, and over HTTP where that is another name. */
static const char js_pages_options[] =
    "sort auth subscriptions=subs offset limit cid user acc account=acc account filter_subject "
    "test accounts streams consumer consumer=consumers config leader_only=leader-only raft "
    "stream details all js-enabled js-enabled-only js-server-only js-meta-only "
    "include_unused=unused name";

/* ---- Options ---- */

static void js_pages_put_coded(ri_buffer *out, ri_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (plain) ri_buffer_put(out, &c, 1);
        else ri_buffer_printf(out, "%%%02X", (unsigned char)c);
    }
}

static void js_pages_put(ri_js_request *r, ri_buffer *query, ri_str name, ri_json value)
{
    ri_str text = ri_json_literal(value);
    ri_json_kind kind = ri_json_kind_of(value);
    if (kind < RI_JSON_BOOL || kind > RI_JSON_STRING) return;
    if (kind == RI_JSON_STRING && ri_json_string(value, &r->arena, &text) < 0) return;
    ri_buffer_printf(query, "%.*s=", RI_ARG(name));
    js_pages_put_coded(query, text);
    ri_buffer_puts(query, "&");
}

static void js_pages_put_options(ri_js_request *r, ri_buffer *query, ri_json root)
{
    ri_str rest = ri_str_of(js_pages_options), option, name;
    char json[32];
    while (ri_str_cut(&rest, ' ', &option)) {
        ri_str_cut(&option, '=', &name);
        snprintf(json, sizeof json, "%.*s", RI_ARG(name));
        js_pages_put(r, query, option.len ? option : name, ri_json_get(root, json));
    }
}

static void js_pages_put_names(ri_js_request *r, ri_buffer *query, ri_json names)
{
    ri_json rest = ri_json_first(names), name;
    ri_str text;
    ri_buffer_puts(query, "accs=");
    while (ri_json_item(&rest, &name)) {
        if (ri_json_string(name, &r->arena, &text) < 0) continue;
        js_pages_put_coded(query, text);
        js_pages_put_coded(query, RI_STR("\n"));
    }
    ri_buffer_puts(query, "&");
}

/* Of several options with one name the first counts: what is asked for one account is its own. */
static void js_pages_put_query(ri_js_request *r, ri_json root, ri_str account, ri_buffer *query)
{
    static const char *const states[] = {"open", "closed", "any"};
    ri_json accounts = ri_json_get(root, "accounts");
    int64_t state = ri_json_integer(ri_json_get(root, "state"));
    if (account.len) ri_buffer_puts(query, "acc=");
    if (account.len) js_pages_put_coded(query, account);
    if (account.len) ri_buffer_puts(query, "&");
    if (state > 0 && state < (int64_t)RI_LEN(states))
        ri_buffer_printf(query, "state=%s&", states[state]);
    if (ri_json_bool(ri_json_get(root, "subscriptions_detail")))
        ri_buffer_puts(query, "subs=detail&");
    if (ri_json_kind_of(accounts) == RI_JSON_ARRAY) js_pages_put_names(r, query, accounts);
    js_pages_put_options(r, query, root);
}

/* Does `text` have what is asked for in it, or is it that? Nothing may be asked for. */
static bool js_pages_has(ri_js_request *r, ri_json wanted, bool exact, ri_str text)
{
    ri_str part;
    if (ri_json_kind_of(wanted) != RI_JSON_STRING) return true;
    if (ri_json_string(wanted, &r->arena, &part) < 0) return false;
    if (exact || part.len == 0) return part.len == 0 || ri_str_eq(part, text);
    for (size_t i = 0; i + part.len <= text.len; i++)
        if (memcmp(text.ptr + i, part.ptr, part.len) == 0) return true;
    return false;
}

/* Has this server each of the tags that are asked for? */
static bool js_pages_has_tags(ri_js_request *r, ri_json tags)
{
    const ri_broker *broker = r->api->opts.broker;
    ri_json rest = ri_json_first(tags), tag;
    ri_str text;
    if (ri_json_kind_of(tags) != RI_JSON_ARRAY) return true;
    while (ri_json_item(&rest, &tag))
        if (ri_json_string(tag, &r->arena, &text) < 0 ||
            !ri_labels_has(broker ? broker->conf.labels : NULL, text))
            return false;
    return true;
}

/* There are no clusters here. */
static bool js_pages_is_meant(ri_js_request *r, ri_json root)
{
    const ri_jetstream_api_opts *opts = &r->api->opts;
    bool exact = ri_json_bool(ri_json_get(root, "exact_match"));
    ri_str host = ri_str_of(opts->house->host(opts->broker));
    ri_str domain = ri_str_of(opts->domain ? opts->domain : "");
    ri_json tags = ri_json_get(root, "tags");
    ri_str name = ri_str_of(opts->server_name);
    return js_pages_has(r, ri_json_get(root, "server_name"), exact, name) &&
           js_pages_has(r, ri_json_get(root, "host"), exact, host) &&
           js_pages_has(r, ri_json_get(root, "cluster"), exact, RI_STR_NONE) &&
           js_pages_has(r, ri_json_get(root, "domain"), true, domain) &&
           js_pages_has_tags(r, tags);
}

bool ri_js_pages_read(ri_js_request *r, ri_json *root)
{
    bool fits = r->body.len <= RI_LIMIT_SYSTEM_BODY;
    if (fits)
        ri_budget_spend(ri_js_request_budget(r),
                        JS_PAGES_READS * r->body.len / RI_JS_TEXT_BYTES);
    bool good = fits && ri_json_parse(root, r->body) >= 0 &&
                ri_json_kind_of(*root) == RI_JSON_OBJECT;
    _Static_assert(RI_LIMIT_SYSTEM_BODY == 4096, "the sentence says how many bytes");
    if (!good)
        ri_js_system_fail(r, 400, false, fits ? RI_STR("invalid JSON")
                                              : RI_STR("the request has more than 4096 bytes"));
    return good && js_pages_is_meant(r, *root);
}

/* ---- The answer ---- */

static void js_pages_say(ri_js_request *r, js_pages_work *w)
{
    ri_buffer out;
    ri_str body = ri_buffer_str(&w->page.body);
    bool short_one = ri_str_is(w->verb, "STATSZ") || ri_str_is(w->verb, "PING");
    ri_js_system_begin(r, &out);
    ri_buffer_puts(&out, short_one ? ",\"statsz\":" : ",\"data\":");
    ri_buffer_put_str(&out, body);
    out.failed = out.failed || w->page.body.failed;
    ri_js_system_end(r, &out);
}

static bool js_pages_step(ri_js_request *r)
{
    js_pages_work *w = r->work;
    ri_page *page = &w->page;
    bool more = ri_page_step(page);
    more = ri_page_between(page, ri_js_request_budget(r)) || more;
    if (page->body.failed) return false; /* who asks hears nothing, and asks again */
    if (more) return true;
    ri_page_finish(page);
    if (page->misread) ri_js_system_fail(r, 400, false, ri_buffer_str(&page->body));
    else if (page->said) ri_js_system_fail(r, 500, true, ri_buffer_str(&page->body));
    else if (!page->silent) js_pages_say(r, w);
    return false;
}

static void js_pages_drop(ri_js_request *r)
{
    ri_page_fini(&((js_pages_work *)r->work)->page);
}

static void js_pages_begin(ri_js_request *r, const ri_page_kind *kind, ri_str verb, bool inner,
                        ri_str query)
{
    static const ri_js_route route = {.silent = true, .reads = true};
    js_pages_work *w = ri_arena_alloc(&r->arena, sizeof *w);
    if (!w) return;
    *w = (js_pages_work){.page = {.system = true, .inner = inner}, .verb = verb};
    r->route = &route;
    r->work = w;
    r->drop = js_pages_drop;
    ri_page_begin(&w->page, kind, r->api->opts.broker, query);
    ri_js_request_go_on(r, js_pages_step);
}

static const ri_page_kind *js_pages_kind(ri_str verb)
{
    for (size_t i = 0; i < RI_LEN(js_pages_verbs); i++)
        if (ri_str_is(verb, js_pages_verbs[i].verb)) return js_pages_verbs[i].kind;
    return NULL;
}

void ri_js_pages_answer(ri_js_request *r, ri_str verb, ri_str account, bool inner)
{
    const ri_page_kind *kind = js_pages_kind(verb);
    ri_json root = {0};
    ri_buffer query;
    RI_ASSERT(kind);
    if (r->body.len && !ri_js_pages_read(r, &root)) return;
    ri_buffer_init(&query, &r->api->host);
    if (inner && ri_str_is(verb, "SUBSZ")) ri_buffer_puts(&query, "subs=1&");
    js_pages_put_query(r, root, account, &query);
    bool whole = ri_str_is(verb, "JSZ") || ri_str_is(verb, "INFO");
    if (!query.failed) js_pages_begin(r, kind, verb, inner && whole, ri_buffer_str(&query));
    ri_buffer_fini(&query);
}
