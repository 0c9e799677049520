/* SPDX-License-Identifier: Apache-2.0 */
/* $SYS.REQ: who am I, which server is this, and what it says of itself; and what it is to do.
 *
 *     $SYS.REQ.USER.INFO
 *     $SYS.REQ.SERVER.PING.IDZ|JSZ|CONNZ     $SYS.REQ.SERVER.<id>.IDZ|JSZ|CONNZ
 *     $SYS.REQ.ACCOUNT.PING.CONNZ|STATZ
 *
 * In nats-server what is of a server is for the system account, the rest for everybody about the
 * own account. So it is here where accounts are configured. Where $G is alone each of its clients
 * may ask for all: JSZ gives nobody what $JS.API does not. The system account also has what
 * system_verbs[] says, of the server and, as $SYS.REQ.ACCOUNT.NAME.VERB, of any account.
 *
 * Answers are {"server":{...},"data":{...}}; the data is the monitoring page of that name, which
 * js_pages.c has made. */
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "front/broker/broker.h"
#include "front/broker/system_event.h"
#include "front/jetstream/js_request.h"

/* What may be asked in an account with streams. */
static const struct {
    const char *subject; /* %s: the id of the server */
    bool server;         /* of all of it: of the system's account, where there are accounts */
} system_rows[] = {
    {"$SYS.REQ.USER.INFO", false},          {"$SYS.REQ.SERVER.PING.IDZ", true},
    {"$SYS.REQ.SERVER.PING.JSZ", true},     {"$SYS.REQ.SERVER.%s.IDZ", true},
    {"$SYS.REQ.SERVER.%s.JSZ", true},       {"$SYS.REQ.SERVER.PING.CONNZ", false},
    {"$SYS.REQ.SERVER.%s.CONNZ", true},     {"$SYS.REQ.ACCOUNT.PING.CONNZ", false},
    {"$SYS.REQ.ACCOUNT.PING.STATZ", false},
};
_Static_assert(RI_LEN(system_rows) == RI_JS_SYSTEM_SUBS, "one subscription each");

/* Where the system's account is heard ... */
static const char *const system_places[] = {
    "$SYS.REQ.USER.INFO", "$SYS.REQ.SERVER.PING", "$SYS.REQ.SERVER.PING.*",
    "$SYS.REQ.SERVER.%s.*", "$SYS.REQ.ACCOUNT.*.*",
};
_Static_assert(RI_LEN(system_places) == RI_JS_SYSTEM_THERE, "one subscription each");

/* ... and what it may ask of the server, and of an account. An act is asked of that server alone,
 * and by nobody else. */
static const struct {
    const char *verb;
    bool server, account, act;
} system_verbs[] = {
    {"PING", true, false, false},     {"STATSZ", true, false, false}, {"IDZ", true, false, false},
    {"VARZ", true, false, false},     {"EXPVARZ", true, false, false},
    {"JSZ", true, true, false},       {"CONNZ", true, true, false},   {"SUBSZ", true, true, false},
    {"LEAFZ", true, true, false},     {"INFO", false, true, false},   {"STATZ", false, true, false},
    {"ROUTEZ", true, false, false},   {"HEALTHZ", true, false, false},
    {"GATEWAYZ", true, false, false},
    {"ACCOUNTZ", true, false, false}, {"IPQUEUESZ", true, false, false},
    {"RAFTZ", true, false, false},    {"PROFILEZ", true, false, false},
    {"KICK", true, false, true},      {"LDM", true, false, true},
    {"RELOAD", true, false, true},
};

static bool system_is_act(ri_str verb)
{
    for (size_t i = 0; i < RI_LEN(system_verbs); i++)
        if (ri_str_is(verb, system_verbs[i].verb)) return system_verbs[i].act;
    return false;
}

static bool system_is_known(ri_str subject)
{
    ri_str rest = subject, kind = subject, name = subject, verb = subject;
    for (int i = 0; ri_str_cut(&rest, '.', &verb); i++) {
        if (i == 2) kind = verb;
        if (i == 3) name = verb;
    }
    if (ri_str_is(kind, "USER")) return true;
    for (size_t i = 0; i < RI_LEN(system_verbs); i++) {
        if (!ri_str_is(verb, system_verbs[i].verb)) continue;
        if (ri_str_is(kind, "ACCOUNT")) return system_verbs[i].account;
        return system_verbs[i].server && !(system_verbs[i].act && ri_str_is(name, "PING"));
    }
    return false;
}

static const ri_accounts *system_accounts(const ri_jetstream_api *api)
{
    const ri_broker *broker = api->opts.broker;
    return broker ? broker->conf.accounts : NULL;
}

static void system_string(ri_buffer *out, const char *name, ri_str value)
{
    ri_buffer_printf(out, "\"%s\":", name);
    ri_json_put_string(out, value);
}

static void system_names(const ri_jetstream_api *api, ri_buffer *out)
{
    const ri_js_house *house = api->opts.house;
    const char *host = house ? house->host(api->opts.broker) : "";
    system_string(out, "name", ri_str_of(api->opts.server_name));
    ri_buffer_puts(out, ",");
    system_string(out, "host", ri_str_of(host));
    ri_buffer_puts(out, ",");
    system_string(out, "id", ri_str_of(api->opts.server_id));
}

/* Of an API that has no broker requests are counted. */
static uint64_t system_number(const ri_jetstream_api *api)
{
    return api->opts.broker ? ri_system_event_number(api->opts.broker) : api->stats.total;
}

void ri_js_system_server(ri_js_request *r, ri_buffer *out)
{
    const ri_jetstream_api_opts *opts = &r->api->opts;
    const ri_broker *broker = opts->broker;
    char text[RI_RFC3339_MAX];
    ri_buffer_puts(out, "\"server\":{");
    system_names(r->api, out);
    if (opts->domain) {
        ri_buffer_puts(out, ",");
        system_string(out, "domain", ri_str_of(opts->domain));
    }
    ri_buffer_puts(out, ",");
    system_string(out, "ver", ri_str_of(opts->version));
    if (broker) ri_labels_put(broker->conf.labels, out);
    ri_buffer_printf(out, ",\"jetstream\":%s,\"flags\":%d,\"seq\":%llu,\"time\":\"%.*s\"}",
                     r->js ? "true" : "false", r->js ? 1 : 0,
                     (unsigned long long)system_number(r->api),
                     (int)ri_rfc3339_write(text, r->api->wall_ns), text);
}

/* ---- Requests ---- */

/* The name by which the asker has logged in is among what others may know of it. */
static void system_put_name(ri_js_request *r, ri_buffer *out)
{
    const ri_party *party = r->asker ? r->asker->party : NULL;
    ri_buffer facts;
    ri_json root;
    ri_str name = RI_STR_NONE;
    ri_buffer_init(&facts, &r->api->host);
    ri_buffer_puts(&facts, "{");
    if (party && party->ops->facts) party->ops->facts(party, &facts);
    ri_buffer_puts(&facts, "\"\":0}");
    if (ri_json_parse(&root, ri_buffer_str(&facts)) >= 0)
        ri_json_string(ri_json_get(root, "user"), &r->arena, &name);
    system_string(out, "user", name);
    ri_buffer_fini(&facts);
}

static void system_put_user(ri_js_request *r, ri_buffer *out)
{
    ri_str account = ri_str_of(ri_js_request_account(r)->name);
    ri_buffer_puts(out, "{");
    system_put_name(r, out);
    ri_buffer_puts(out, ",");
    system_string(out, "account", account);
    ri_buffer_puts(out, ",");
    system_string(out, "account_name", account);
    ri_buffer_puts(out, "}");
}

/* Is it in an account that is the system's? */
static bool system_is_there(const ri_jetstream_api *api)
{
    return ri_list_linked(&api->system_there[0].link);
}

void ri_js_system_begin(ri_js_request *r, ri_buffer *out)
{
    ri_buffer_init(out, &r->api->host);
    ri_buffer_puts(out, "{");
    ri_js_system_server(r, out);
}

void ri_js_system_end(ri_js_request *r, ri_buffer *out)
{
    ri_str none = {NULL, 0};
    ri_buffer_puts(out, "}");
    ri_jetstream_api *api = r->api;
    ri_message m = {.subject = r->reply, .data = ri_buffer_str(out)};
    ri_budget_spend(ri_js_request_budget(r), m.data.len / RI_JS_TEXT_BYTES);
    if (out->failed || !m.subject.len) {}
    else if (r->there) ri_router_publish(&api->system, &(ri_publish){.m = &m});
    else ri_js_request_publish(api, r->reply, none, none, m.data);
    ri_buffer_fini(out);
}

void ri_js_system_fail(ri_js_request *r, int code, bool page, ri_str text)
{
    ri_buffer out;
    ri_js_system_begin(r, &out);
    ri_buffer_printf(&out, ",%s\"error\":{\"code\":%d,\"description\":",
                     page ? "\"data\":null," : "", code);
    ri_json_put_string(&out, text);
    ri_buffer_puts(&out, "}");
    ri_js_system_end(r, &out);
}

static void system_say_id(ri_js_request *r)
{
    ri_buffer out;
    ri_buffer_init(&out, &r->api->host);
    ri_buffer_puts(&out, "{");
    system_names(r->api, &out);
    ri_js_system_end(r, &out);
}

static void system_say_user(ri_js_request *r)
{
    ri_buffer out;
    ri_js_system_begin(r, &out);
    ri_buffer_puts(&out, ",\"data\":");
    system_put_user(r, &out);
    ri_js_system_end(r, &out);
}

/* Of whom it is asked; empty: of all, or of nobody. Who is not in the system's account asks about
 * the own one. */
static ri_str system_of(const ri_js_request *r, bool of_account, ri_str name)
{
    ri_str own = ri_str_of(ri_js_request_account(r)->name);
    if (!system_accounts(r->api)) return RI_STR_NONE;
    if (!r->there) return own;
    return of_account && !ri_str_is(name, "PING") ? name : RI_STR_NONE;
}

bool ri_js_system_request(ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    if (!ri_str_starts(r->subject, RI_STR("$SYS.REQ."))) return false;
    ri_str rest = r->subject, verb = r->subject, name = RI_STR_NONE;
    for (int i = 0; ri_str_cut(&rest, '.', &verb); i++)
        if (i == 3) name = verb;
    const ri_js_house *house = r->api->opts.house;
    bool of_account = ri_str_starts(r->subject, RI_STR("$SYS.REQ.ACCOUNT."));
    ri_str account = system_of(r, of_account, name);
    if (ri_str_is(verb, "IDZ")) system_say_id(r);
    else if (ri_str_starts(r->subject, RI_STR("$SYS.REQ.USER."))) system_say_user(r);
    else if (system_is_act(verb)) house->act(r, verb);
    else if (house) house->page(r, verb, account, of_account && account.len > 0);
    return true;
}

/* ---- Where it is heard ---- */

bool ri_js_system_hears(const ri_jetstream_api *api, const ri_subscription *sub)
{
    const ri_subscription *here = api->system_subs;
    bool is_here = sub >= here && sub < here + RI_JS_SYSTEM_SUBS;
    const ri_accounts *accounts = system_accounts(api);
    if (!is_here || !accounts) return true;
    /* The house hears in the system's account, whether or not it has streams of its own. */
    if (api->opts.account == ri_accounts_system(accounts)) return false;
    return !system_rows[sub - here].server;
}

static bool system_deliver(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    ri_jetstream_api *api = ri_container_of(party, ri_jetstream_api, system);
    (void)sub;
    return system_is_known(d->m->subject) && ri_js_row_put(api, d, true);
}

const ri_party_ops ri_js_system_ops = {.deliver = system_deliver};

/* `format` with the id of the server, if it has a place for it. */
static ri_str system_subject(const ri_jetstream_api *api, const char *format, char room[static 128])
{
    const char *hole = strchr(format, '%');
    int n = hole ? snprintf(room, 128, "%.*s%s%s", (int)(hole - format), format,
                            api->opts.server_id, hole + 2)
                 : snprintf(room, 128, "%s", format);
    RI_ASSERT(n > 0 && n < 128);
    return (ri_str){room, (size_t)n};
}

void ri_js_system_move(ri_jetstream_api *api)
{
    RI_ASSERT(ri_js_api_is_sound(api));
    bool global = api->opts.account == &api->system.router->global; /* else: its own alone */
    ri_account *account = global ? ri_accounts_system(system_accounts(api)) : NULL;
    if (account && account == api->system.account && system_is_there(api)) return;
    for (size_t i = 0; i < RI_JS_SYSTEM_THERE; i++) ri_router_unsubscribe(&api->system_there[i]);
    ri_party_enter(&api->system, account ? account : &api->system.router->global);
    for (size_t i = 0; account && i < RI_JS_SYSTEM_THERE; i++) {
        ri_subscription *sub = &api->system_there[i];
        *sub = (ri_subscription){.entry.subject = system_subject(api, system_places[i],
                                                                 api->there_subjects[i])};
        if (ri_router_subscribe(&api->system, sub) < 0)
            ri_host_log(&api->host, RILL_ERROR, "account %s: %s", account->name, ri_err_text());
    }
}

int ri_js_system_start(ri_jetstream_api *api)
{
    RI_ASSERT(ri_js_api_is_sound(api));
    for (size_t i = 0; i < RI_JS_SYSTEM_SUBS; i++) {
        api->system_subs[i].entry.subject = system_subject(api, system_rows[i].subject,
                                                           api->system_subjects[i]);
        int rc = ri_router_subscribe(&api->party, &api->system_subs[i]);
        if (rc < 0) return rc;
    }
    ri_js_system_move(api);
    return RILL_OK;
}
