/* SPDX-License-Identifier: Apache-2.0 */
/* $JS.API in accounts that have no streams, at a broker where others have: each question that an
 * account with streams would answer is answered that JetStream is not enabled for this one. So a
 * client knows at once what is missing, as it does with nats-server.
 *
 *     account B  --$JS.API.>--> absent_deliver(): a note of who asks -> step: the answer, in B
 *     account C  --$JS.API.>--/
 *
 * The API of $G hears in all of them, by one party that has a subscription in each. Notes are
 * answered in the order of their coming, by the next step; of more than ABSENT_ASKS at a time the
 * later ones have no responder. */
#include "base/assert.h"
#include "front/broker/broker.h"
#include "front/jetstream/js_request.h"

enum {
    ABSENT_ASKS = 1024, /* questions that wait for a step */
    ABSENT_UNITS = 10,  /* of an answer */
};

typedef struct absent_place {
    ri_list link;         /* api->absent_places */
    ri_subscription sub;
} absent_place;

typedef struct absent_ask {
    ri_list link;         /* api->absent_asks */
    ri_account *account;  /* where it was asked, and is answered: a reference */
    size_t bytes;         /* of it all; charged as work */
    ri_str subject, reply;
    char texts[];
} absent_ask;

static void absent_ask_free(ri_jetstream_api *api, absent_ask *ask)
{
    RI_ASSERT(api->nabsent_asks > 0);
    ri_list_remove(&ask->link);
    api->nabsent_asks--;
    api->service.held--;
    ri_memory_refund(&api->opts.router->memory, RI_MEMORY_WORK, ask->bytes);
    ri_account_unref(ask->account);
    ri_free(&api->host, ask, ask->bytes);
}

static bool absent_note(ri_jetstream_api *api, ri_account *account, const ri_message *m)
{
    size_t bytes = sizeof(absent_ask) + m->subject.len + m->reply.len;
    absent_ask *ask = api->nabsent_asks < ABSENT_ASKS ? ri_calloc(&api->host, bytes) : NULL;
    if (!ask) return false;
    ask->bytes = bytes;
    ask->account = ri_account_ref(account);
    ask->subject = (ri_str){ask->texts, m->subject.len};
    ask->reply = (ri_str){ask->texts + m->subject.len, m->reply.len};
    memcpy(ask->texts, m->subject.ptr, m->subject.len);
    memcpy(ask->texts + m->subject.len, m->reply.ptr, m->reply.len);
    ri_list_push(&api->absent_asks, &ask->link);
    ri_memory_charge(&api->opts.router->memory, RI_MEMORY_WORK, bytes);
    api->nabsent_asks++;
    api->service.held++;
    return true;
}

/* To ask a stream itself, as for messages, has no responder. */
static bool absent_deliver(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    ri_jetstream_api *api = ri_container_of(party, ri_jetstream_api, absent);
    RI_ASSERT(sub->account && ri_js_api_is_sound(api));
    if (!ri_js_request_refusal(api, d->m->subject, NULL)) return false;
    return !d->m->reply.len || absent_note(api, sub->account, d->m);
}

const ri_party_ops ri_js_absent_ops = {.deliver = absent_deliver};

void ri_js_absent_step(ri_jetstream_api *api)
{
    ri_budget *budget = &api->opts.router->budget;
    bool left = true;
    while (left && !ri_list_empty(&api->absent_asks)) {
        absent_ask *ask = ri_container_of(api->absent_asks.next, absent_ask, link);
        ri_buffer out;
        ri_buffer_init(&out, &api->host);
        ri_js_request_refusal(api, ask->subject, &out);
        ri_message m = {.subject = ask->reply, .data = ri_buffer_str(&out)};
        ri_party_enter(&api->absent, ask->account);
        if (!out.failed && out.len) ri_router_publish(&api->absent, &(ri_publish){.m = &m});
        left = ri_budget_spend(budget, ABSENT_UNITS + out.len / RI_JS_TEXT_BYTES);
        ri_buffer_fini(&out);
        absent_ask_free(api, ask);
    }
    ri_party_enter(&api->absent, &api->opts.router->global);
}

bool ri_js_absent_waiting(const ri_jetstream_api *api)
{
    return !ri_list_empty(&api->absent_asks);
}

/* ---- Where it is heard ---- */

static void absent_place_free(ri_jetstream_api *api, absent_place *place)
{
    ri_router_unsubscribe(&place->sub);
    ri_list_remove(&place->link);
    ri_delete(&api->host, place);
}

static int absent_place_new(ri_jetstream_api *api, ri_account *account)
{
    absent_place *place = ri_new(&api->host, absent_place);
    if (!place) return RILL_ENOMEM;
    place->sub.entry.subject = RI_STR("$JS.API.>");
    ri_list_push(&api->absent_places, &place->link);
    ri_party_enter(&api->absent, account);
    int rc = ri_router_subscribe(&api->absent, &place->sub);
    if (rc < 0) absent_place_free(api, place);
    return rc;
}

void ri_js_absent_close(ri_jetstream_api *api)
{
    while (!ri_list_empty(&api->absent_places))
        absent_place_free(api, ri_container_of(api->absent_places.next, absent_place, link));
    while (!ri_list_empty(&api->absent_asks))
        absent_ask_free(api, ri_container_of(api->absent_asks.next, absent_ask, link));
}

void ri_js_absent_move(ri_jetstream_api *api)
{
    const ri_broker *broker = api->opts.broker;
    const ri_accounts *accounts = broker ? broker->conf.accounts : NULL;
    if (api->opts.account != &api->opts.router->global || !api->js) return;
    ri_js_absent_close(api);
    for (size_t i = 0; i < ri_accounts_count(accounts); i++) {
        ri_account *account = ri_accounts_at(accounts, i);
        if (ri_account_has_streams(account) || absent_place_new(api, account) >= 0) continue;
        ri_host_log(&api->host, RILL_ERROR, "account %s: %s", account->name, ri_err_text());
    }
    ri_party_enter(&api->absent, &api->opts.router->global);
}
