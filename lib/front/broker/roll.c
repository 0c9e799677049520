/* SPDX-License-Identifier: Apache-2.0 */
#include "front/broker/roll.h"

#include <limits.h>

#include "base/buffer.h"
#include "base/error.h"

enum {
    ROLL_CONNS = 256, /* are copied in one stay inside the gate */
    ROLL_SUBS = 1024, /* are listed if nothing is said */
};

/* Rows one behind the other: a public struct, and its texts, each with its 0. */
typedef struct roll {
    ri_buffer bytes;
    uint64_t last;    /* id of the last connection */
} roll;

/* What a peer says may hold a 0, and ends there. */
static void roll_put_text(roll *r, ri_str text)
{
    if (text.len) ri_buffer_put(&r->bytes, text.ptr, strnlen(text.ptr, text.len));
    ri_buffer_put(&r->bytes, "", 1);
}

static const char *roll_text(const char **at)
{
    const char *text = *at;
    *at += strlen(text) + 1;
    return text;
}

/* ---- Connections ---- */

static void roll_put_conn(void *arg, const ri_broker_conn *conn)
{
    roll *r = arg;
    ri_buffer_put(&r->bytes, &conn->info, sizeof conn->info);
    const ri_str texts[] = {conn->peer, conn->user, conn->name, conn->lang, conn->version,
                            conn->tls_version, conn->tls_cipher, conn->account};
    for (size_t i = 0; i < RI_LEN(texts); i++) roll_put_text(r, texts[i]);
    r->last = conn->info.id;
}

/* The struct of the row at *at, which its texts follow. */
static void roll_take(const char **at, void *row, size_t size)
{
    memcpy(row, *at, size);
    *at += size;
}

/* How many rows were listed; *ended if fn wants no more. */
static int roll_give_conns(const roll *r, rill_conn_fn fn, void *arg, bool *ended)
{
    ri_str all = ri_buffer_str(&r->bytes);
    const char *at = all.ptr, *end = at + all.len;
    int n = 0;
    while (at < end && !*ended) {
        rill_conn_info info;
        roll_take(&at, &info, sizeof info);
        info.peer = roll_text(&at);
        info.user = roll_text(&at);
        info.name = roll_text(&at);
        info.lang = roll_text(&at);
        info.version = roll_text(&at);
        info.tls_version = roll_text(&at);
        info.tls_cipher = roll_text(&at);
        info.account = roll_text(&at);
        *ended = fn(&info, arg) != 0;
        n++;
    }
    return n;
}

int ri_roll_conns(ri_broker *b, uint64_t after, rill_conn_fn fn, void *arg)
{
    roll r = {.last = after};
    int listed = 0, n = ROLL_CONNS;
    bool ended = false;
    ri_buffer_init(&r.bytes, &b->host);
    while (n == ROLL_CONNS && !ended && listed <= INT_MAX - ROLL_CONNS) {
        ri_buffer_reset(&r.bytes);
        ri_broker_conns_query query = {.after = r.last, .max = ROLL_CONNS, .put = roll_put_conn,
                                       .arg = &r};
        ri_broker_enter(b);
        ri_broker_list_conns(b, &query);
        ri_broker_leave(b);
        if (r.bytes.failed) break;
        n = roll_give_conns(&r, fn, arg, &ended);
        listed += n;
    }
    bool failed = r.bytes.failed;
    ri_buffer_fini(&r.bytes);
    return failed ? ri_err(RILL_ENOMEM, "no memory for connections") : listed;
}

/* ---- Subscriptions ---- */

static void roll_put_sub(void *arg, const ri_broker_sub *sub)
{
    roll *r = arg;
    ri_buffer_put(&r->bytes, &sub->info, sizeof sub->info);
    roll_put_text(r, sub->subject);
    roll_put_text(r, sub->queue);
    roll_put_text(r, sub->sid);
}

static int roll_give_subs(const roll *r, rill_conn_sub_fn fn, void *arg)
{
    ri_str all = ri_buffer_str(&r->bytes);
    const char *at = all.ptr, *end = at + all.len;
    int n = 0;
    for (bool ended = false; at < end && !ended; n++) {
        rill_conn_sub info;
        roll_take(&at, &info, sizeof info);
        info.subject = roll_text(&at);
        info.queue = roll_text(&at);
        info.sid = roll_text(&at);
        ended = fn(&info, arg) != 0;
    }
    return n;
}

int ri_roll_subs(ri_broker *b, const rill_conn_subs_opts *opts, rill_conn_sub_fn fn, void *arg,
                 uint64_t *total)
{
    roll r = {0};
    ri_buffer_init(&r.bytes, &b->host);
    ri_broker_subs_query query = {.opts = opts, .put = roll_put_sub, .arg = &r,
                                  .max = RI_MIN(opts->max ? opts->max : ROLL_SUBS,
                                                (uint64_t)INT_MAX)};
    ri_broker_subs(b, &query);
    int rc = r.bytes.failed ? ri_err(RILL_ENOMEM, "no memory for subscriptions") : RILL_OK;
    if (rc == RILL_OK) *total = query.total;
    if (rc == RILL_OK) rc = roll_give_subs(&r, fn, arg);
    ri_buffer_fini(&r.bytes);
    return rc;
}
