/* SPDX-License-Identifier: Apache-2.0 */
/* /connz: connections that are open, or have gone, in the order that is asked for.
 *
 *     COLLECT   in the gate, slices     a row for each that is meant: its id, what it is sorted by
 *     sort      outside                 all rows; those of the page are left, by their ids
 *     SHOW      in the gate, slices     a piece of JSON for each of these, as it is then
 *     finish    outside                 the pieces, in the order of the sort
 *
 * Those that are open, in the order of their ids, are met in it: there are no rows, and a piece is
 * made of each that the walk meets on the page. As long as nothing is off the page COLLECT makes
 * the pieces, too, and SHOW has nothing to do.
 *
 * So nothing of a connection is kept but what is shown of it. One that goes in between is left out,
 * or stands among those that have gone the next time. */
#include <stdlib.h>
#include <strings.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/limits.h"
#include "front/broker/departed.h"
#include "front/http/http_answer.h"
#include "front/http/http_conn.h"

enum {
    HTTP_CONNZ_LIMIT = 1024,    /* connections on a page that names no limit */
    HTTP_CONNZ_UNITS = 8,       /* of the turn, for one that is shown, ... */
    HTTP_CONNZ_TEXT_BYTES = 64, /* ... and one for so many bytes of it */
    HTTP_CONNZ_NAME = 256,
};

typedef enum connz_by {
    CONNZ_CID, CONNZ_START, CONNZ_SUBS, CONNZ_PENDING, CONNZ_MSGS_TO, CONNZ_MSGS_FROM,
    CONNZ_BYTES_TO, CONNZ_BYTES_FROM, CONNZ_LAST, CONNZ_IDLE, CONNZ_UPTIME, CONNZ_STOP,
    CONNZ_REASON, CONNZ_RTT,
    CONNZ_ORDERS,
} connz_by;

static const char *const connz_orders[CONNZ_ORDERS] = {
    "cid", "start", "subs", "pending", "msgs_to", "msgs_from", "bytes_to", "bytes_from", "last",
    "idle", "uptime", "stop", "reason", "rtt"};

typedef struct connz_row {
    uint64_t id;
    uint64_t number;         /* among the departed; 0: it is open */
    int64_t key;             /* least first */
    const char *reason;      /* the same, of texts; NULL: none */
    size_t place, size;      /* its piece in `pieces`; size 0: it has gone */
    uint32_t turn;           /* on the page */
} connz_row;

typedef struct connz_work {
    connz_by by;
    bool open, closed;       /* which are meant ... */
    uint64_t cid;            /* ... that one alone; 0: all */
    char user[HTTP_CONNZ_NAME], account[HTTP_CONNZ_NAME]; /* of these; empty: of all */
    char filter[RI_HTTP_QUERY_VALUE];  /* that have subscribed to some of it; empty: all */
    uint64_t offset, limit;
    ri_http_conn_show show;
    ri_http_answer *answer;
    ri_broker_conns_query walk;
    bool direct;             /* there are no rows */
    bool eager;              /* each that was met is on the page, and has its piece */
    bool plain;              /* all that are open are meant: off the page their ids do */
    bool walked;             /* all that are open, ... */
    bool collected, sorted;  /* ... and all that are meant */
    uint64_t number;         /* of the departed that is looked at next */
    ri_buffer rows, pieces;
    uint64_t total;          /* rows, before those of the page were taken */
    size_t nrows, done;      /* of the page; direct: pieces */
    ri_http_json json;       /* of a piece */
} connz_work;

/* ---- COLLECT ---- */

static int64_t connz_most(uint64_t n) /* the most first */
{
    return -(int64_t)RI_MIN(n, (uint64_t)INT64_MAX);
}

static int64_t connz_key(connz_by by, const ri_broker_conn *conn, int64_t stop_ns)
{
    const rill_conn_info *info = &conn->info;
    switch (by) {
    case CONNZ_SUBS: return connz_most(info->subs);
    case CONNZ_PENDING: return connz_most(info->pending_bytes);
    case CONNZ_MSGS_TO: return connz_most(info->out_msgs);
    case CONNZ_MSGS_FROM: return connz_most(info->in_msgs);
    case CONNZ_BYTES_TO: return connz_most(info->out_bytes);
    case CONNZ_BYTES_FROM: return connz_most(info->in_bytes);
    case CONNZ_LAST: return ri_ns_sub(0, info->active_ns);
    case CONNZ_IDLE: return info->active_ns;
    case CONNZ_START:
    case CONNZ_UPTIME: return info->start_ns;
    case CONNZ_STOP: return ri_ns_sub(0, stop_ns);
    case CONNZ_RTT: return ri_ns_sub(0, conn->rtt_ns);
    case CONNZ_CID:
    case CONNZ_REASON:
    case CONNZ_ORDERS: break;
    }
    return 0;
}

static ri_str connz_account(const ri_broker_conn *conn)
{
    return conn->account.len ? conn->account : ri_str_of(RI_ACCOUNT_GLOBAL);
}

static void connz_ignore(void *arg, const ri_broker_sub *sub)
{
    (void)arg;
    (void)sub;
}

/* Has it subscribed to something of what is asked for? */
static bool connz_hears(connz_work *w, uint64_t id)
{
    const rill_conn_subs_opts opts = {.size = sizeof opts, .conn = id};
    ri_broker_subs_query query = {.opts = &opts, .max = 1, .put = connz_ignore,
                                  .overlaps = ri_str_of(w->filter)};
    return ri_broker_subs_of(w->answer->server->broker, &query) && query.total > 0;
}

static bool connz_means(connz_work *w, const ri_broker_conn *conn, bool open)
{
    if (w->cid && conn->info.id != w->cid) return false;
    if (w->account[0] && !ri_str_is(connz_account(conn), w->account)) return false;
    if (w->user[0] && !ri_str_is(conn->user, w->user)) return false;
    return !w->filter[0] || (open && connz_hears(w, conn->info.id));
}

static void connz_put_piece(connz_work *w, const ri_broker_conn *conn, const ri_departed_one *gone,
                            bool follows)
{
    RI_ASSERT(conn->info.id);
    w->json = (ri_http_json){.out = &w->pieces, .depth = 2, .follows = follows};
    ri_http_conn_put(&w->show, conn, gone, &w->json);
}

static uint64_t connz_units(size_t bytes)
{
    return HTTP_CONNZ_UNITS + bytes / HTTP_CONNZ_TEXT_BYTES;
}

/* Is the one that is met next not on the page? Then it is but counted. */
static bool connz_is_off(const connz_work *w)
{
    return w->plain && (w->total < w->offset || w->total - w->offset >= w->limit);
}

static void connz_meet(connz_work *w, const ri_broker_conn *conn)
{
    uint64_t turn = w->total++;
    size_t before = w->pieces.len;
    RI_ASSERT(w->direct);
    if (turn >= w->offset && turn - w->offset < w->limit) {
        connz_put_piece(w, conn, NULL, w->nrows++ > 0);
        ri_budget_spend(w->walk.budget, connz_units(w->pieces.len - before));
    }
    w->walk.ids = connz_is_off(w);
}

/* As long as all of them are on the page each has its piece at once, so that it is met but once. */
static void connz_put_row(connz_work *w, const ri_broker_conn *conn, const ri_departed_one *gone,
                          connz_row row)
{
    RI_ASSERT(!w->direct && row.id == conn->info.id);
    if (w->eager && w->total < w->limit) {
        row.place = w->pieces.len;
        connz_put_piece(w, conn, gone, false);
        row.size = w->pieces.len - row.place;
        ri_budget_spend(w->walk.budget, connz_units(row.size));
    } else if (w->eager) {
        ri_buffer_reset(&w->pieces);
        w->eager = false;
        w->walk.ids = w->plain;
    }
    ri_buffer_put(&w->rows, &row, sizeof row);
    w->total++;
}

static void connz_collect(connz_work *w, const ri_broker_conn *conn, const ri_departed_one *gone,
                          uint64_t number)
{
    RI_ASSERT(conn->info.id && !w->sorted);
    if (!connz_means(w, conn, !gone)) return;
    if (w->direct) {
        connz_meet(w, conn);
        return;
    }
    connz_put_row(w, conn, gone, (connz_row){
        .id = conn->info.id, .number = number,
        .reason = gone && w->by == CONNZ_REASON ? gone->reason : NULL,
        .key = connz_key(w->by, conn, gone ? gone->stop_ns : 0)});
}

static void connz_collect_open(void *arg, const ri_broker_conn *conn)
{
    connz_collect(arg, conn, NULL, 0);
}

static bool connz_collect_all(connz_work *w, ri_broker *broker, ri_budget *budget)
{
    if (w->open && !w->walked && ri_broker_list_conns(broker, &w->walk)) return false;
    w->walked = true;
    const ri_departed *gone = broker->departed;
    if (!w->closed || !gone) return true;
    w->number = RI_MAX(w->number, gone->first);
    for (bool left = true; w->number < gone->next; w->number++) {
        if (!left) return false;
        const ri_departed_one *one = ri_departed_at(gone, w->number);
        connz_collect(w, &one->conn, one, w->number);
        left = ri_budget_spend(budget, 1);
    }
    return true;
}

/* ---- The sort ---- */

static connz_row *connz_rows(const connz_work *w)
{
    return (connz_row *)(void *)ri_buffer_str(&w->rows).ptr;
}

static int connz_compare_ids(const void *a, const void *b)
{
    const connz_row *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int connz_compare(const void *a, const void *b)
{
    const connz_row *x = a, *y = b;
    int reasons = x->reason && y->reason ? strcmp(x->reason, y->reason) : 0;
    if (reasons) return reasons;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return connz_compare_ids(a, b);
}

/* Outside the gate, when all are collected. */
static void connz_between(ri_http_answer *a)
{
    connz_work *w = a->work;
    if (w) ri_http_answer_grow(&w->rows);
    if (w) ri_http_answer_grow(&w->pieces);
    if (!w || !w->collected || w->direct || w->sorted || a->body.failed || w->rows.failed) return;
    connz_row *rows = connz_rows(w);
    size_t n = (size_t)w->total, first = (size_t)RI_MIN(w->offset, w->total);
    if (n > 1) qsort(rows, n, sizeof *rows, connz_compare);
    w->nrows = (size_t)RI_MIN(w->limit, w->total - first);
    if (w->nrows && first) memmove(rows, rows + first, w->nrows * sizeof *rows);
    for (size_t i = 0; i < w->nrows && !w->eager; i++) {
        rows[i].turn = (uint32_t)i;
        rows[i].size = 0;
    }
    if (w->eager) w->done = w->nrows;
    else if (w->nrows > 1) qsort(rows, w->nrows, sizeof *rows, connz_compare_ids);
    w->sorted = true;
    RI_ASSERT(w->nrows <= w->total);
}

/* ---- SHOW ---- */

static void connz_show_one(connz_work *w, const ri_broker_conn *conn, const ri_departed_one *gone)
{
    RI_ASSERT(w->sorted && w->done < w->nrows);
    connz_row *row = &connz_rows(w)[w->done];
    if (conn->info.id != row->id) return;
    row->place = w->pieces.len;
    connz_put_piece(w, conn, gone, false);
    row->size = w->pieces.len - row->place;
}

static void connz_show_open(void *arg, const ri_broker_conn *conn)
{
    connz_show_one(arg, conn, NULL);
}

static bool connz_show_all(connz_work *w, ri_broker *broker, ri_budget *budget)
{
    while (w->done < w->nrows) {
        const connz_row *row = &connz_rows(w)[w->done];
        size_t before = w->pieces.len;
        const ri_departed_one *gone = row->number ? ri_departed_at(broker->departed, row->number)
                                                  : NULL;
        ri_broker_conns_query one = {.after = row->id - 1, .max = 1, .put = connz_show_open,
                                     .arg = w, .budget = budget};
        if (!row->number) ri_broker_list_conns(broker, &one);
        else if (gone) connz_show_one(w, &gone->conn, gone);
        w->done++;
        if (!ri_budget_spend(budget, connz_units(w->pieces.len - before))) break;
    }
    return w->done == w->nrows;
}

/* ---- The route ---- */

static bool connz_step(ri_http_answer *a)
{
    connz_work *w = a->work;
    ri_broker *broker = a->server->broker;
    RI_ASSERT(ri_broker_is_entered(broker));
    if (!w) return false;
    w->show.now_ns = ri_wall_ns(&broker->host);
    bool done = w->sorted && connz_show_all(w, broker, &broker->router.budget);
    if (!w->collected) w->collected = connz_collect_all(w, broker, &broker->router.budget);
    done = done || (w->direct && w->collected);
    a->body.failed = a->body.failed || w->rows.failed || w->pieces.failed;
    /* The pieces stand in the body once more before it goes. */
    return ri_http_answer_charge(a, w->rows.cap + 2 * (uint64_t)w->pieces.cap) && !done;
}

/* What is short enough for gzip is copied together. */
static void connz_put_met(ri_http_answer *a, connz_work *w, ri_http_json *j)
{
    RI_ASSERT(w->direct && w->collected);
    j->follows = w->nrows > 0;
    if (w->pieces.len <= RI_LIMIT_HTTP_PACKED) {
        if (w->nrows) ri_buffer_put_str(&a->body, ri_buffer_str(&w->pieces));
        return;
    }
    j->out = &w->pieces;
    a->more = &w->pieces;
    a->nmore = 1;
}

static int connz_compare_turns(const void *a, const void *b)
{
    const connz_row *x = a, *y = b;
    return x->turn < y->turn ? -1 : x->turn > y->turn;
}

static void connz_put_pieces(ri_http_answer *a, const connz_work *w, ri_http_json *j)
{
    connz_row *rows = connz_rows(w);
    RI_ASSERT(w->done == w->nrows);
    if (w->nrows > 1 && !w->eager) qsort(rows, w->nrows, sizeof *rows, connz_compare_turns);
    if (!ri_buffer_room(&a->body, w->pieces.len + w->nrows + 1)) return;
    for (size_t i = 0; i < w->nrows; i++) {
        if (!rows[i].size) continue;
        if (j->follows) ri_buffer_put(&a->body, ",", 1);
        ri_buffer_put(&a->body, w->pieces.ptr + rows[i].place, rows[i].size);
        j->follows = true;
    }
}

static void connz_finish(ri_http_answer *a)
{
    connz_work *w = a->work;
    ri_http_json j;
    uint64_t shown = w && w->direct ? w->nrows : 0;
    if (!w || a->body.failed || !(w->sorted || w->direct)) return;
    for (size_t i = 0; i < w->nrows && !w->direct; i++) shown += connz_rows(w)[i].size > 0;
    ri_http_answer_json(a, &j, false);
    ri_http_json_uint(&j, "num_connections", shown);
    ri_http_json_uint(&j, "total", w->total);
    ri_http_json_uint(&j, "offset", w->offset);
    ri_http_json_uint(&j, "limit", w->limit);
    ri_http_json_open(&j, "connections", '[');
    if (w->direct) connz_put_met(a, w, &j);
    else connz_put_pieces(a, w, &j);
    ri_http_json_close(&j, ']');
    ri_http_json_close(&j, '}');
    a->body.failed = a->body.failed || w->pieces.failed;
}

static void connz_drop(ri_http_answer *a)
{
    connz_work *w = a->work;
    ri_buffer_fini(&w->rows);
    ri_buffer_fini(&w->pieces);
}

/* False: that is no such option, which is answered. */
static bool connz_read_order(ri_http_answer *a, connz_work *w, ri_str query)
{
    char sort[32], state[16];
    if (!ri_http_query_get(query, "sort", sort, sizeof sort) || !sort[0]) sort[0] = 0;
    ri_http_query_get(query, "state", state, sizeof state);
    while (w->by < CONNZ_ORDERS && sort[0] && strcmp(sort, connz_orders[w->by]) != 0) w->by++;
    bool any = strcasecmp(state, "any") == 0 || strcasecmp(state, "all") == 0;
    w->closed = any || strcasecmp(state, "closed") == 0;
    w->open = any || !state[0] || strcasecmp(state, "open") == 0;
    bool of_closed = w->by == CONNZ_STOP || w->by == CONNZ_REASON;
    if (w->by == CONNZ_ORDERS) ri_http_answer_say(a, 400, "invalid sorting option: %s", sort);
    else if (!w->open && !w->closed)
        ri_http_answer_say(a, 400, "Error decoding state for %s", state);
    else if (of_closed && w->open)
        ri_http_answer_say(a, 400, "sort by %s only valid on closed connections", sort);
    return a->status == 200;
}

static void connz_begin(ri_http_answer *a, const ri_http_request *request)
{
    ri_str query = request->query;
    char subs[8];
    connz_work *w = ri_http_answer_work(a, sizeof *w);
    if (!w) return;
    ri_buffer_init(&w->rows, a->body.host);
    ri_buffer_init(&w->pieces, a->body.host);
    w->answer = a;
    w->walk = (ri_broker_conns_query){.max = UINT64_MAX, .put = connz_collect_open, .arg = w,
                                      .budget = &a->server->broker->router.budget};
    if (!connz_read_order(a, w, query)) return;
    ri_http_query_get(query, "user", w->user, sizeof w->user);
    ri_http_query_get(query, "acc", w->account, sizeof w->account);
    ri_http_query_get(query, "filter_subject", w->filter, sizeof w->filter);
    ri_http_query_get(query, "subs", subs, sizeof subs);
    w->cid = ri_http_query_number(query, "cid", 0);
    w->offset = ri_http_query_number(query, "offset", 0);
    w->limit = ri_http_query_number(query, "limit", 0);
    if (!w->limit) w->limit = HTTP_CONNZ_LIMIT;
    if (w->cid) w->limit = w->walk.max = 1;
    if (w->cid) w->walk.after = w->cid - 1;
    w->show = (ri_http_conn_show){
        .broker = a->server->broker, .auth = ri_http_query_bool(query, "auth") || w->user[0],
        .detail = strcasecmp(subs, "detail") == 0,
        .subs_offset = ri_http_query_number(query, "subs_offset", 0)};
    w->show.subs = w->show.detail || ri_http_query_bool(query, "subs");
    w->direct = w->by == CONNZ_CID && !w->closed;
    w->plain = w->by == CONNZ_CID && !w->user[0] && !w->account[0] && !w->filter[0];
    w->eager = !w->direct && !w->offset;
    w->walk.ids = w->direct ? connz_is_off(w) : w->plain && !w->eager;
}

const ri_http_route ri_http_connz_route = {
    .path = "/connz", .bools = "auth subs", .ints = "offset limit subs_offset", .uints = "cid",
    .begin = connz_begin, .step = connz_step, .between = connz_between, .finish = connz_finish,
    .drop = connz_drop};
