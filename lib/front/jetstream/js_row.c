/* SPDX-License-Identifier: Apache-2.0 */
/* Who has asked the JetStream API, and whose turn it is: deficit round robin.
 *
 *     rows   [asker A: r7 r8 r9] -> [asker B: r1] -> [asker C: r4 r5]
 *               |                        each turn of a row adds ROW_QUANTUM units to its credit,
 *               |                        and what its requests take is drawn from that; a step that
 *               |                        was longer than the credit is paid for by later turns
 *               +-- r7 is handled: all of it, or as much as the credit allows; then the row stands
 *                   behind the others, and goes on with r7 when it comes first again
 *
 * All rows together have half of the turn. A row without requests has no credit, and is kept for
 * the next asker.
 *
 * What an asker's requests hold is one claim to the broker's memory for work (base/claim.h): those
 * that wait, and the one at hand with what it has put together so far. When it is cut, those that
 * wait lose their bodies and are answered that there was no memory (ROW_CUT), and the one at hand
 * ends likewise if it only reads; the row takes no more until it is empty. */
#include "base/assert.h"
#include "base/error.h"
#include "codec/limits.h"
#include "front/jetstream/js_request.h"

enum {
    ROW_QUANTUM = RI_BUDGET_SLICE, /* units of one row's turn */
    ROW_TURN = RI_BUDGET_TURN / 2, /* units of all */
    ROW_UNITS = 10,                /* of a request, beside what it asks for */
    ROW_SPARE = 64,                /* rows that are kept */
    ROW_FIRST = 8,                 /* places of a row at first */
};

#define ROW_CUT "NATS/1.0 503\r\n\r\n" /* headers of one that was cut while it waited */

/* ---- Rows ---- */

static uint64_t row_bytes(const ri_packet *packet)
{
    return sizeof *packet + packet->size;
}

static void row_forget(ri_jetstream_api *api, ri_packet *packet)
{
    api->opts.router->asked_bytes -= row_bytes(packet);
    ri_packet_unref(packet);
}

/* It may be within a publish: nothing is answered yet. */
static void row_cut(ri_claim *claim)
{
    ri_js_row *row = ri_container_of(claim, ri_js_row, claim);
    ri_packet_pool *pool = row->request.api->party.router->pool;
    for (uint32_t i = 0; i < row->len; i++) {
        ri_packet **at = &row->ring[(row->head + i) & (row->cap - 1)];
        ri_message m = {.subject = ri_packet_subject(*at), .reply = ri_packet_reply(*at),
                        .headers = RI_STR(ROW_CUT)};
        ri_packet *rest = ri_packet_new(pool, &m, (*at)->time_ns);
        if (!rest) continue;
        row_forget(row->request.api, *at);
        *at = rest;
        row->request.api->opts.router->asked_bytes += row_bytes(rest);
    }
}

static ri_js_row *row_new(ri_jetstream_api *api)
{
    ri_list *spare = ri_list_pop(&api->spare_rows);
    if (spare) {
        api->nspare_rows--;
        return ri_container_of(spare, ri_js_row, link);
    }
    ri_js_row *row = ri_new(&api->host, ri_js_row);
    if (!row) return NULL;
    ri_list_init(&row->link);
    ri_claim_init(&row->claim, row_cut);
    row->request.api = api;
    return row;
}

static void row_delete(ri_jetstream_api *api, ri_js_row *row)
{
    ri_free(&api->host, row->ring, row->cap * sizeof *row->ring);
    ri_delete(&api->host, row);
}

/* The asker does not have it any more. */
static void row_leave(ri_js_row *row)
{
    ri_js_row *before = row->asker->row;
    if (before == row) {
        row->asker->row = row->beside;
    } else {
        while (before->beside != row) before = before->beside;
        before->beside = row->beside;
    }
    row->beside = NULL;
}

/* It has no requests: it is nobody's. */
static void row_release(ri_jetstream_api *api, ri_js_row *row)
{
    RI_ASSERT(row->len == 0 && !row->busy);
    row_leave(row);
    ri_asker_unref(row->asker);
    row->asker = NULL;
    row->credit = 0;
    ri_claim_end(&api->opts.router->work, &row->claim);
    ri_list_remove(&row->link);
    if (api->nspare_rows == ROW_SPARE) {
        row_delete(api, row);
        return;
    }
    api->nspare_rows++;
    ri_list_push(&api->spare_rows, &row->link);
}

/* The asker's at this API. It has as many as there are accounts that it has asked in and that have
 * not answered yet: two, as a rule at most. */
static ri_js_row *row_find(const ri_jetstream_api *api, const ri_party *from, bool there)
{
    ri_js_row *row = from->asker ? from->asker->row : NULL;
    while (row && (row->request.api != api || row->there != there)) row = row->beside;
    return row;
}

static ri_js_row *row_of(ri_jetstream_api *api, ri_party *from, bool there)
{
    ri_js_row *row = row_find(api, from, there);
    if (row || !(row = row_new(api))) return row;
    row->asker = ri_party_asker(from);
    if (!row->asker) {
        row_delete(api, row);
        return NULL;
    }
    row->there = there;
    row->beside = row->asker->row;
    row->asker->row = row;
    ri_list_push(&api->rows, &row->link);
    return row;
}

static bool row_grow(ri_jetstream_api *api, ri_js_row *row)
{
    uint32_t cap = row->cap ? row->cap * 2 : ROW_FIRST;
    ri_packet **grown = ri_alloc(&api->host, cap * sizeof *grown);
    if (!grown) return false;
    for (uint32_t i = 0; i < row->len; i++)
        grown[i] = row->ring[(row->head + i) & (row->cap - 1)];
    ri_free(&api->host, row->ring, row->cap * sizeof *grown);
    row->ring = grown;
    row->cap = cap;
    row->head = 0;
    return true;
}

static bool row_push(ri_jetstream_api *api, ri_js_row *row, ri_delivery *d)
{
    if (row->len == row->cap && !row_grow(api, row)) return false;
    ri_packet *packet = ri_delivery_packet(d);
    if (!packet) return false;
    api->opts.router->asked_bytes += row_bytes(packet);
    row->ring[(row->head + row->len++) & (row->cap - 1)] = packet;
    row->asker->waiting++;
    api->nwaiting++;
    api->service.held++;
    return true;
}

/* Is there room for it, in number and in memory? */
static bool row_take(ri_jetstream_api *api, ri_js_row *row, ri_delivery *d)
{
    const ri_message *m = d->m;
    ri_ledger *work = &api->opts.router->work;
    uint64_t bytes = sizeof(ri_packet) + m->subject.len + m->reply.len + m->headers.len +
                     m->data.len + 3;
    if (row->len >= RI_LIMIT_JS_API_ROW) return false;
    if (!ri_claim_grow(work, &row->claim, bytes)) return false;
    if (row_push(api, row, d)) return true;
    ri_claim_shrink(work, &row->claim, bytes);
    return false;
}

bool ri_js_row_put(ri_jetstream_api *api, ri_delivery *d, bool there)
{
    RI_ASSERT(ri_js_api_is_sound(api));
    ri_account_stir(api->party.account);
    ri_js_row *row = api->nwaiting < RI_LIMIT_JS_API_QUEUE ? row_of(api, d->from, there)
                                                         : NULL;
    bool taken = row && row_take(api, row, d);
    if (!taken && !d->no_memory) api->stats.dropped++;
    if (row && row->len == 0 && !row->busy) row_release(api, row);
    return taken;
}

/* ---- Requests ---- */

ri_budget *ri_js_request_budget(const ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    return &r->api->party.router->budget;
}

ri_account *ri_js_request_account(const ri_js_request *r)
{
    return r->there ? r->api->system.account : r->api->party.account;
}

bool ri_js_request_is_unheard(const ri_js_request *r)
{
    if (r->asker && !r->asker->party) return true;
    if (ri_js_ask_is_own(r)) return !ri_js_ask_waits(r);
    return !r->reply.len || !ri_interest_any(&ri_js_request_account(r)->interest, r->reply);
}

void ri_js_request_go_on(ri_js_request *r, ri_js_step_fn step)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    r->step = step;
    ri_stream *stream = r->stream.len ? ri_js_stream(r->js, r->stream) : NULL;
    r->stream_id = stream ? ri_stream_id(stream) : 0;
}

ri_stream *ri_js_request_again(ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    ri_stream *stream = ri_js_stream(r->js, r->stream);
    if (stream && ri_stream_id(stream) == r->stream_id) return stream;
    ri_js_request_fail_with(r, RI_JS_STREAM_NOT_FOUND);
    return NULL;
}

static void row_begin(ri_jetstream_api *api, ri_js_row *row)
{
    ri_packet *packet = row->ring[row->head];
    row->head = (row->head + 1) & (row->cap - 1);
    row->len--;
    row->packet = packet;
    row->busy = true;
    row->request = (ri_js_request){
        .api = api,
        .js = api->js,
        .asker = row->asker,
        .there = row->there,
        .subject = ri_packet_subject(packet),
        .reply = ri_packet_reply(packet),
        .headers = ri_packet_headers(packet),
        .body = ri_packet_data(packet),
    };
    ri_arena_init(&row->request.arena, &api->host);
    ri_budget_spend(&api->party.router->budget,
                    ROW_UNITS + ri_budget_bytes(RI_MIN(row->request.body.len, RI_LIMIT_JS_BODY)));
    ri_js_request_handle(&row->request);
}

/* What the request at hand holds by now; false: it may not. */
static bool row_charge(ri_jetstream_api *api, ri_js_row *row)
{
    ri_ledger *work = &api->opts.router->work;
    uint64_t has = row->request.arena.bytes + row->request.held;
    uint64_t more = has > row->charged ? has - row->charged : 0;
    if (more == 0) return !row->claim.cut;
    if (!ri_claim_grow(work, &row->claim, more)) return false;
    row->charged = has;
    return true;
}

static void row_end(ri_jetstream_api *api, ri_js_row *row)
{
    ri_js_request *r = &row->request;
    if (r->drop) r->drop(r);
    ri_arena_fini(&r->arena);
    ri_claim_shrink(&api->opts.router->work, &row->claim,
                    row->charged + row_bytes(row->packet));
    row->charged = 0;
    row_forget(api, row->packet);
    row->packet = NULL;
    row->busy = false;
    row->asker->waiting--;
    api->nwaiting--;
    api->service.held--;
}

/* What was published to very many goes first. */
static bool row_may_go_on(const ri_jetstream_api *api)
{
    const ri_router *router = api->party.router;
    return ri_budget_left(&router->budget) && !ri_router_has_backlog(router);
}

/* Go on with the request at hand, at least one step; true: it is over. */
static bool row_go_on(ri_jetstream_api *api, ri_js_row *row, bool later)
{
    ri_js_request *r = &row->request;
    if (later && r->route && r->route->reads && ri_js_request_is_unheard(r)) return true;
    while (r->step) {
        if (!r->step(r)) return true;
        if (!row_charge(api, row) && (!r->route || r->route->reads)) {
            ri_js_request_cut(r);
            return true;
        }
        if (!row_may_go_on(r->api)) return false;
    }
    return true;
}

static void row_serve(ri_jetstream_api *api, ri_js_row *row)
{
    bool later = row->busy;
    do {
        if (!row->busy) row_begin(api, row);
        if (!row_go_on(api, row, later)) return;
        row_end(api, row);
        later = false;
    } while (row->len > 0 && row_may_go_on(api));
}

void ri_js_row_serve(ri_jetstream_api *api)
{
    RI_ASSERT(ri_js_api_is_sound(api));
    ri_budget *budget = &api->party.router->budget;
    int64_t end = RI_MAX(budget->left - ROW_TURN, 0);
    RI_ASSERT(!ri_list_empty(&api->rows));
    do {
        ri_js_row *row = ri_container_of(api->rows.next, ri_js_row, link);
        ri_list_remove(&row->link);
        ri_list_push(&api->rows, &row->link);
        row->credit = RI_MIN(row->credit + ROW_QUANTUM, ROW_QUANTUM); /* no saving up */
        if (row->credit <= 0) {
            ri_budget_spend(budget, 1);
            continue;
        }
        int64_t before = budget->left;
        ri_budget_slice(budget, row->credit);
        row_serve(api, row);
        row->credit -= before - budget->left;
        if (row->len == 0 && !row->busy) row_release(api, row);
    } while (!ri_list_empty(&api->rows) && budget->left > end &&
             !ri_router_has_backlog(api->party.router));
    ri_budget_whole(budget);
}

void ri_js_row_close_all(ri_jetstream_api *api)
{
    while (!ri_list_empty(&api->rows)) {
        ri_js_row *row = ri_container_of(api->rows.next, ri_js_row, link);
        if (row->busy) row_end(api, row);
        for (; row->len; row->len--) {
            row_forget(api, row->ring[row->head]);
            row->head = (row->head + 1) & (row->cap - 1);
            row->asker->waiting--;
            api->nwaiting--;
            api->service.held--;
        }
        row_release(api, row);
    }
    for (ri_list *link; (link = ri_list_pop(&api->spare_rows)) != NULL;)
        row_delete(api, ri_container_of(link, ri_js_row, link));
}
