/* SPDX-License-Identifier: Apache-2.0 */
#include "support/taker.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "support/suite.h"

static bool taker_deliver(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    (void)sub;
    taker *t = ri_container_of(party, taker, party);
    if (d->m->headers.len) {
        snprintf(t->status, sizeof t->status, "%.*s", RI_ARG(d->m->headers));
        return true;
    }
    ri_buffer_put_str(&t->bytes, d->m->data);
    t->chunks++;
    snprintf(t->ack, sizeof t->ack, "%.*s", RI_ARG(d->m->reply));
    if (t->acks && d->m->reply.len) ri_buffer_printf(&t->w->acks, "%s\n", t->ack);
    return true;
}

static void taker_ended(ri_party *party, ri_subscription *sub)
{
    (void)party, (void)sub;
}

static const ri_party_ops taker_ops = {.deliver = taker_deliver, .ended = taker_ended};

int taker_init(taker *t, desk *d, const char *subject)
{
    *t = (taker){.w = &d->w};
    ri_buffer_init(&t->bytes, &d->w.f->host);
    ri_party_init(&t->party, &d->w.router, &taker_ops);
    t->sub.entry.subject = ri_str_of(subject);
    return ri_router_subscribe(&t->party, &t->sub);
}

void taker_fini(taker *t)
{
    ri_party_fini(&t->party);
    ri_buffer_fini(&t->bytes);
}

desk *desk_new(void)
{
    static desk d;
    ck_assert_ok(desk_init(&d, NULL, NULL));
    ck_assert_ptr_nonnull(world_listen(&d.w, "in", "in"));
    return &d;
}

void fill(desk *d)
{
    desk_ask(d, "STREAM.CREATE.S", CONF);
    world_publish(&d->w, "s.a", "", "", "one");
    world_publish(&d->w, "s.b", "", "K: v\r\n", "two");
    world_publish(&d->w, "s.a", "", "", "three");
    world_publish(&d->w, "s.c", "", "", "");
    world_publish(&d->w, "s.a", "", "", "five");
    desk_turn(d);
    desk_ask(d, "STREAM.MSG.DELETE.S", "{\"seq\":3}");
    desk_ask(d, "CONSUMER.CREATE.S.c", "{\"stream_name\":\"S\",\"config\":{\"durable_name\":\"c\","
                                       "\"ack_policy\":\"explicit\"}}");
    world_publish(&d->w, "$JS.API.CONSUMER.MSG.NEXT.S.c", "in", "", "2");
    desk_turn(d);
    world_publish(&d->w, "$JS.ACK.S.c.1.1.1.0.0", "", "", "");
    desk_turn(d);
    desk_forget(d);
}

int archive(taker *t, desk *d, const char *request)
{
    int rc = taker_init(t, d, "chunks.1");
    if (rc < 0) return rc;
    t->acks = true;
    desk_ask(d, "STREAM.SNAPSHOT.S", request);
    return RILL_OK;
}

bool restore_begin(desk *d, const char *body, char to[200])
{
    desk_forget(d);
    desk_ask(d, "STREAM.RESTORE.S", body);
    char text[2048];
    snprintf(text, sizeof text, "%.*s", RI_ARG(ri_buffer_str(&d->w.told)));
    const char *found = strstr(text, "\"deliver_subject\":\"");
    if (!found || sscanf(found, "\"deliver_subject\":\"%199[^\"]", to) != 1) return false;
    desk_forget(d);
    return true;
}

void restore_send(desk *d, const char *to, ri_str chunk)
{
    ri_message m = {.subject = ri_str_of(to), .reply = RI_STR("in"), .data = chunk};
    ri_router_publish(&d->w.from, &(ri_publish){.m = &m});
    desk_turn(d);
}

void restore_all(desk *d, ri_str bytes)
{
    char to[200];
    ck_assert(restore_begin(d, RESTORE, to));
    restore_send(d, to, bytes);
    restore_send(d, to, RI_STR_NONE);
}

void look(desk *d, char out[8192])
{
    desk_forget(d);
    desk_ask(d, "STREAM.INFO.S", "{\"deleted_details\":true,\"subjects_filter\":\">\"}");
    for (int i = 1; i <= 5; i++) {
        char body[32];
        snprintf(body, sizeof body, "{\"seq\":%d}", i);
        desk_ask(d, "STREAM.MSG.GET.S", body);
    }
    snprintf(out, 8192, "%.*s", RI_ARG(ri_buffer_str(&d->w.told)));
    desk_forget(d);
}
