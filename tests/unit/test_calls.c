/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that are begun and items that are reaped, in one thread: each allocation fails once, and
 * nothing is lost of what says that it will come. */
#include <stdio.h>

#include "base/error.h"
#include "rill.h"
#include "support/fault.h"
#include "support/suite.h"

enum { CALLS = 6, TURNS_MAX = 1000 };

typedef struct desk {
    rill_bus *bus;
    rill_kv *kv;
    rill_sub *sub;
    int begun, over, msgs, errors;
} desk;

static void desk_take(desk *d, const rill_item *item)
{
    if (item->kind == RILL_ITEM_MSG) d->msgs++;
    if (item->kind != RILL_ITEM_DONE) return;
    d->over++;
    if (item->err < 0) d->errors = item->err;
    if (item->err < 0 && !item->detail) d->errors = RILL_EBUG;
    rill_sub_close(item->sub);
}

static void desk_done(const rill_item *item, void *arg)
{
    desk_take(arg, item);
}

static int desk_start(desk *d, rill_done_fn done)
{
    const rill_call calls[CALLS] = {
        {.verb = RILL_DO_KV_PUT, .kv = d->kv, .name = "k", .data = "v", .len = 1},
        {.verb = RILL_DO_KV_GET, .kv = d->kv, .name = "k"},
        {.verb = RILL_DO_KV_EACH, .kv = d->kv},
        {.verb = RILL_DO_STREAM_DESCRIBE},
        {.verb = RILL_DO_SUBSCRIBE, .name = "x",
         .sub_opts = RILL_OPTS(rill_sub_opts, .group = "g")},
        {.verb = RILL_DO_APPEND, .name = "S", .data = "a", .len = 1,
         .post = RILL_OPTS(rill_post, .nheaders = 1,
                           .headers = &(rill_header){RILL_STR("a"), RILL_STR("b")})},
    };
    int rc = RILL_OK;
    for (int i = 0; i < CALLS && rc == RILL_OK; i++) {
        rill_call call = calls[i];
        call.size = sizeof call;
        rc = rill_start(d->bus, &call, done, d);
        d->begun += rc == RILL_OK;
    }
    return rc;
}

static int desk_reap(desk *d, fault *f)
{
    rill_reaped *reaped;
    int rc = rill_reap(d->bus, &reaped, 3, 0);
    for (size_t i = 0; reaped && i < reaped->n; i++) desk_take(d, reaped->items[i]);
    rill_reaped_free(reaped);
    f->now_ns += RI_MS;
    return rc == RILL_EAGAIN || rc > 0 ? RILL_OK : rc;
}

/* Until all that was begun is over, whatever fails meanwhile. */
static int desk_turn(desk *d, fault *f, bool reap)
{
    int rc = RILL_OK;
    for (int i = 0; d->over < d->begun && i < TURNS_MAX; i++) {
        int one = reap ? desk_reap(d, f) : rill_poll(d->bus, 0);
        if (one < 0) rc = one;
        f->now_ns += RI_MS;
    }
    ck_assert_int_eq(d->over, d->begun);
    return rc;
}

static int desk_run(fault *f, bool reap)
{
    desk d = {0};
    int rc = rill_open(&d.bus, "mem:", RILL_OPTS(rill_opts, .host = &f->hooks, .reap = reap,
                                                 .drive = RILL_DRIVE_HOST));
    if (rc == RILL_OK) rc = rill_kv_open(d.bus, &d.kv, "B", NULL);
    if (rc == RILL_OK) rc = rill_stream_ensure(d.bus, "S", NULL) < 0 ? RILL_ENOMEM : RILL_OK;
    if (rc == RILL_OK && reap) rc = rill_subscribe(d.bus, &d.sub, "S", NULL);
    if (rc == RILL_OK) rc = desk_start(&d, reap ? NULL : desk_done);
    int turned = d.bus ? desk_turn(&d, f, reap) : RILL_OK;
    if (rc == RILL_OK) rc = turned;
    if (rc == RILL_OK) rc = d.errors;
    rill_sub_close(d.sub);
    rill_kv_close(d.kv);
    if (d.bus) rill_close(d.bus, 0);
    return rc;
}

static int body_done(fault *f, void *arg)
{
    (void)arg;
    return desk_run(f, false);
}

static int body_reaped(fault *f, void *arg)
{
    (void)arg;
    return desk_run(f, true);
}

START_TEST(each_that_is_begun_ends)
{
    ck_assert_uint_ge(fault_each(body_done, NULL), 20);
}
END_TEST

START_TEST(each_item_comes)
{
    ck_assert_uint_ge(fault_each(body_reaped, NULL), 20);
}
END_TEST

SUITE_MAIN("calls", each_that_is_begun_ends, each_item_comes)
