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
#include "front/pages/page.h"
#include "front/pages/page_conn.h"

enum {
    CONNZ_LIMIT = 1024,    /* connections on a page that names no limit */
    CONNZ_UNITS = 8,       /* of the turn, for one that is shown, ... */
    CONNZ_TEXT_BYTES = 64, /* ... and one for so many bytes of it */
    CONNZ_NAME = 256,
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
    char user[CONNZ_NAME], account[CONNZ_NAME]; /* of these; empty: of all */
    char filter[RI_PAGE_QUERY_VALUE];  /* that have subscribed to some of it; empty: all */
    uint64_t offset, limit;
    uint64_t asked;          /* the connection whose subscriptions are compared with it ... */
    size_t asked_at;         /* ... from here on */
    ri_page_conn_show show;
    ri_page *page;
    ri_broker_conns_query walk;
    bool direct;             /* there are no rows */
    bool eager;              /* each that was met is on the page, and has its piece */
    bool plain;              /* all that are open are meant: off the page their ids do */
    bool walked;             /* all that are open, ... */
    bool collected, sorted;  /* ... and all that are meant */
    bool sifts;              /* the sort is done in slices: */
    size_t heads, sifted;    /* rows that are not in the heap yet, or any more */
    uint64_t number;         /* of the departed that is looked at next */
    ri_buffer rows, pieces;
    uint64_t total;          /* rows, before those of the page were taken */
    size_t nrows, done;      /* of the page; direct: pieces */
    ri_page_json json;       /* of a piece */
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

/* Has it subscribed to something of what is asked for? If the turn ends before that is known, the
 * walk meets it again. */
static bool connz_hears(connz_work *w, uint64_t id)
{
    const rill_conn_subs_opts opts = {.size = sizeof opts, .conn = id};
    ri_broker_subs_query query = {.opts = &opts, .max = 1, .put = connz_ignore,
                                  .budget = w->walk.budget, .overlaps = ri_str_of(w->filter),
                                  .at = w->asked == id ? w->asked_at : 0};
    bool there = ri_broker_subs_of(w->page->broker, &query);
    w->asked = id;
    w->asked_at = query.at;
    RI_ASSERT(!query.more || w->walk.budget); /* a walk that is not cut meets each once */
    w->walk.again = query.more;
    return there && query.total > 0;
}

static bool connz_means(connz_work *w, const ri_broker_conn *conn, bool open)
{
    if (w->cid && conn->info.id != w->cid) return false;
    if (w->account[0] && !ri_str_is(connz_account(conn), w->account)) return false;
    if (w->user[0] && !ri_str_is(conn->given, w->user)) return false;
    return !w->filter[0] || (open && connz_hears(w, conn->info.id));
}

static void connz_put_piece(connz_work *w, const ri_broker_conn *conn, const ri_departed_one *gone,
                            bool follows)
{
    RI_ASSERT(conn->info.id);
    w->json = (ri_page_json){.out = &w->pieces, .depth = 2, .follows = follows,
                             .flat = w->page->system, .tight = w->page->system};
    ri_page_conn_put(&w->show, conn, gone, &w->json);
}

static uint64_t connz_units(size_t bytes)
{
    return CONNZ_UNITS + bytes / CONNZ_TEXT_BYTES;
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
    bool full = ri_page_is_full(w->page, before);
    if (turn >= w->offset && turn - w->offset < w->limit && !full) {
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
    if (w->eager && w->total < w->limit && !ri_page_is_full(w->page, w->pieces.len)) {
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

/* Inside the gate a heap is made of the rows and taken apart, a turn at a time: what follows
 * `sifted` is in order. */
static void connz_sift(connz_row *rows, size_t at, size_t n)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && connz_compare(&rows[child], &rows[child + 1]) < 0) child++;
        if (connz_compare(&rows[at], &rows[child]) >= 0) return;
        connz_row row = rows[at];
        rows[at] = rows[child];
        rows[child] = row;
    }
}

/* False: the turn is over before the sort is. */
static bool connz_sort_some(connz_work *w, connz_row *rows, size_t n, ri_budget *budget)
{
    if (!w->sifts) {
        w->sifts = true;
        w->heads = n / 2;
        w->sifted = n;
    }
    while (w->heads > 0) {
        connz_sift(rows, --w->heads, n);
        if (!ri_budget_spend(budget, CONNZ_UNITS)) return false;
    }
    while (w->sifted > 1) {
        connz_row row = rows[--w->sifted];
        rows[w->sifted] = rows[0];
        rows[0] = row;
        connz_sift(rows, 0, w->sifted);
        if (!ri_budget_spend(budget, CONNZ_UNITS)) return false;
    }
    return true;
}

/* All are collected: those of the page are taken, in the order of their ids, as they are met. */
static void connz_take_page(connz_work *w, connz_row *rows)
{
    size_t first = (size_t)RI_MIN(w->offset, w->total);
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

static bool connz_between(ri_page *page, ri_budget *budget)
{
    connz_work *w = page->work;
    if (w && !budget) ri_page_grow(&w->rows);
    if (w && !budget) ri_page_grow(&w->pieces);
    if (!w || !w->collected || w->direct || w->sorted || page->body.failed || w->rows.failed)
        return false;
    connz_row *rows = connz_rows(w);
    size_t n = (size_t)w->total;
    if (budget && !connz_sort_some(w, rows, n, budget)) return true;
    if (!budget && n > 1) qsort(rows, n, sizeof *rows, connz_compare);
    connz_take_page(w, rows);
    return false;
}

/* ---- SHOW ---- */

static void connz_show_one(connz_work *w, const ri_broker_conn *conn, const ri_departed_one *gone)
{
    RI_ASSERT(w->sorted && w->done < w->nrows);
    connz_row *row = &connz_rows(w)[w->done];
    if (conn->info.id != row->id || ri_page_is_full(w->page, w->pieces.len)) return;
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

static bool connz_step(ri_page *page)
{
    connz_work *w = page->work;
    ri_broker *broker = page->broker;
    RI_ASSERT(ri_broker_is_entered(broker));
    if (!w) return false;
    w->show.now_ns = ri_wall_ns(&broker->host);
    bool done = w->sorted && connz_show_all(w, broker, &broker->router.budget);
    if (!w->collected) w->collected = connz_collect_all(w, broker, &broker->router.budget);
    done = done || (w->direct && w->collected);
    page->body.failed = page->body.failed || w->rows.failed || w->pieces.failed;
    /* The pieces stand in the body once more before it goes. */
    return ri_page_charge(page, w->rows.cap + 2 * (uint64_t)w->pieces.cap) && !done;
}

/* What is short enough for gzip is copied together. */
static void connz_put_met(ri_page *page, connz_work *w, ri_page_json *j)
{
    RI_ASSERT(w->direct && w->collected);
    j->follows = w->nrows > 0;
    if (w->pieces.len <= RI_LIMIT_HTTP_PACKED || page->system) {
        if (w->nrows) ri_buffer_put_str(&page->body, ri_buffer_str(&w->pieces));
        return;
    }
    j->out = &w->pieces;
    page->more = &w->pieces;
    page->nmore = 1;
}

static int connz_compare_turns(const void *a, const void *b)
{
    const connz_row *x = a, *y = b;
    return x->turn < y->turn ? -1 : x->turn > y->turn;
}

static void connz_put_pieces(ri_page *page, const connz_work *w, ri_page_json *j)
{
    connz_row *rows = connz_rows(w);
    RI_ASSERT(w->done == w->nrows);
    if (w->nrows > 1 && !w->eager) qsort(rows, w->nrows, sizeof *rows, connz_compare_turns);
    if (!ri_buffer_room(&page->body, w->pieces.len + w->nrows + 1)) return;
    for (size_t i = 0; i < w->nrows; i++) {
        if (!rows[i].size) continue;
        if (j->follows) ri_buffer_put(&page->body, ",", 1);
        ri_buffer_put(&page->body, w->pieces.ptr + rows[i].place, rows[i].size);
        j->follows = true;
    }
}

static void connz_finish(ri_page *page)
{
    connz_work *w = page->work;
    ri_page_json j;
    uint64_t shown = w && w->direct ? w->nrows : 0;
    if (!w || page->body.failed || !(w->sorted || w->direct)) return;
    for (size_t i = 0; i < w->nrows && !w->direct; i++) shown += connz_rows(w)[i].size > 0;
    ri_page_json_begin(page, &j, false);
    ri_page_json_uint(&j, "num_connections", shown);
    ri_page_json_uint(&j, "total", w->total);
    ri_page_json_uint(&j, "offset", w->offset);
    ri_page_json_uint(&j, "limit", w->limit);
    ri_page_json_open(&j, "connections", '[');
    if (w->direct) connz_put_met(page, w, &j);
    else connz_put_pieces(page, w, &j);
    ri_page_json_close(&j, ']');
    ri_page_json_close(&j, '}');
    page->body.failed = page->body.failed || w->pieces.failed;
}

static void connz_drop(ri_page *page)
{
    connz_work *w = page->work;
    ri_buffer_fini(&w->rows);
    ri_buffer_fini(&w->pieces);
}

/* False: that is no such option, which is answered. */
static bool connz_read_order(ri_page *page, connz_work *w, ri_str query)
{
    char sort[32], state[16];
    if (!ri_page_query_get(query, "sort", sort, sizeof sort) || !sort[0]) sort[0] = 0;
    ri_page_query_get(query, "state", state, sizeof state);
    while (w->by < CONNZ_ORDERS && sort[0] && strcmp(sort, connz_orders[w->by]) != 0) w->by++;
    bool any = strcasecmp(state, "any") == 0 || strcasecmp(state, "all") == 0;
    w->closed = any || strcasecmp(state, "closed") == 0;
    w->open = any || !state[0] || strcasecmp(state, "open") == 0;
    bool of_closed = w->by == CONNZ_STOP || w->by == CONNZ_REASON;
    if (w->by == CONNZ_ORDERS) ri_page_say(page, 400, "invalid sorting option: %s", sort);
    else if (!w->open && !w->closed)
        ri_page_say(page, 400, "Error decoding state for %s", state);
    else if (of_closed && w->open)
        ri_page_say(page, 400, "sort by %s only valid on closed connections", sort);
    return page->status == 200;
}

static void connz_begin(ri_page *page, ri_str query)
{
    char subs[8];
    connz_work *w = ri_page_work(page, sizeof *w);
    if (!w) return;
    ri_buffer_init(&w->rows, page->body.host);
    ri_buffer_init(&w->pieces, page->body.host);
    w->page = page;
    w->walk = (ri_broker_conns_query){.max = UINT64_MAX, .put = connz_collect_open, .arg = w,
                                      .budget = &page->broker->router.budget};
    if (!connz_read_order(page, w, query)) return;
    ri_page_query_get(query, "user", w->user, sizeof w->user);
    ri_page_query_get(query, "acc", w->account, sizeof w->account);
    ri_page_query_get(query, "filter_subject", w->filter, sizeof w->filter);
    ri_page_query_get(query, "subs", subs, sizeof subs);
    w->cid = ri_page_query_number(query, "cid", 0);
    w->offset = ri_page_query_number(query, "offset", 0);
    w->limit = ri_page_query_number(query, "limit", 0);
    if (!w->limit) w->limit = CONNZ_LIMIT;
    if (page->system) w->limit = RI_MIN(w->limit, (uint64_t)RI_LIMIT_SYSTEM_PAGE);
    if (w->cid) w->limit = w->walk.max = 1;
    if (w->cid) w->walk.after = w->cid - 1;
    w->show = (ri_page_conn_show){
        .broker = page->broker, .auth = ri_page_query_bool(query, "auth") || w->user[0],
        .detail = strcasecmp(subs, "detail") == 0,
        .subs_offset = ri_page_query_number(query, "subs_offset", 0)};
    w->show.subs = w->show.detail || ri_page_query_bool(query, "subs");
    w->direct = w->by == CONNZ_CID && !w->closed;
    w->plain = w->by == CONNZ_CID && !w->user[0] && !w->account[0] && !w->filter[0];
    w->eager = !w->direct && !w->offset;
    w->walk.ids = w->direct ? connz_is_off(w) : w->plain && !w->eager;
}

const ri_page_kind ri_page_connz = {
    .bools = "auth subs", .ints = "offset limit subs_offset", .uints = "cid",
    .begin = connz_begin, .step = connz_step, .between = connz_between, .finish = connz_finish,
    .drop = connz_drop};
