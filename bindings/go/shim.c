/* SPDX-License-Identifier: Apache-2.0 */
#include "shim.h"

#include <string.h>

#include "_cgo_export.h"

static rillgo_end said(int64_t rc)
{
    return (rillgo_end){rc, rc < 0 ? strdup(rill_errmsg()) : NULL};
}

rillgo_end rillgo_publish(rill_bus *bus, const char *text, const void *data, size_t len,
                          const rill_post *post)
{
    return said(rill_publish(bus, text, data, len, post));
}

rillgo_end rillgo_publish_quick(rill_bus *bus, const char *text, const void *data, size_t len)
{
    return said(rill_publish(bus, text, data, len, NULL));
}

enum { RUN = 64 }; /* messages that rill has at a time; their rows lie on the stack */

/* The same without a post. */
static rillgo_end publish_many(rill_bus *bus, const char *subject, const char *data,
                               const uint32_t *lens, size_t n, int *err)
{
    rill_str run[RUN];
    for (size_t done = 0; done < n;) {
        size_t k = 0;
        for (const char *at = data; k < RUN && done + k < n; at += run[k++].len)
            run[k] = (rill_str){at, lens[done + k]};
        int went = *err = rill_publish_many(bus, subject, run, k);
        if (went < 0) return (rillgo_end){(int64_t)done, said(-1).why};
        data = run[went - 1].ptr + run[went - 1].len;
        done += (size_t)went;
    }
    return (rillgo_end){(int64_t)n, NULL};
}

rillgo_end rillgo_publish_all(rill_bus *bus, const char *subject, const char *data,
                              const uint32_t *lens, size_t n, const rill_post *post, int *err)
{
    if (!post) return publish_many(bus, subject, data, lens, n, err);
    for (size_t i = 0; i < n; data += lens[i++]) {
        if ((*err = rill_publish(bus, subject, data, lens[i], post)) < 0)
            return (rillgo_end){(int64_t)i, said(-1).why};
    }
    return (rillgo_end){(int64_t)n, NULL};
}

/* What lies at `at`: the subject is the return value. */
static const char *record_at(const char *at, uint32_t lens[2], rill_str *data)
{
    memcpy(lens, at, 2 * sizeof *lens);
    const char *subject = at + 2 * sizeof *lens;
    *data = (rill_str){subject + lens[0], lens[1]};
    return subject;
}

/* Up to RUN records on the subject of the one at `at`. The number. */
static size_t records_on_one(const char *at, const char *end, const char **subject, rill_str *run)
{
    uint32_t first[2], lens[2];
    *subject = record_at(at, first, run);
    size_t n = 1;
    for (; n < RUN && (at = run[n - 1].ptr + run[n - 1].len) < end; n++) {
        const char *other = record_at(at, lens, run + n);
        if (lens[0] != first[0] || memcmp(other, *subject, lens[0]) != 0) break;
    }
    return n;
}

rillgo_run rillgo_publish_records(rill_bus *bus, const char *records, size_t len)
{
    rill_str run[RUN];
    const char *at = records, *end = records + len, *subject;
    while (at < end) {
        size_t n = records_on_one(at, end, &subject, run);
        int rc = rill_publish_many(bus, subject, run, n);
        if (rc < 0) return (rillgo_run){(size_t)(at - records), said(rc).why, rc};
        at = run[rc - 1].ptr + run[rc - 1].len;
    }
    return (rillgo_run){len, NULL, 0};
}

rillgo_end rillgo_batch_add(rill_batch *batch, const char *subject, const void *data, size_t len,
                            const rill_post *post)
{
    return said(rill_batch_add(batch, subject, data, len, post));
}

rillgo_end rillgo_batch_add_all(rill_batch *batch, const char *subject, const char *data,
                                const uint32_t *lens, size_t n, const rill_post *post, int *err)
{
    for (size_t i = 0; i < n; data += lens[i++]) {
        if ((*err = rill_batch_add(batch, subject, data, lens[i], post)) < 0)
            return (rillgo_end){(int64_t)i, said(-1).why};
    }
    return (rillgo_end){(int64_t)n, NULL};
}

rillgo_end rillgo_read(rill_sub *sub, const rill_msg **msgs, size_t max, int timeout_ms, bool keep)
{
    int rc = rill_read(sub, msgs, max, timeout_ms);
    if (rc == RILL_EAGAIN || rc == RILL_ETIMEDOUT) return (rillgo_end){rc, NULL};
    for (int i = 0; keep && i < rc; i++) msgs[i] = rill_msg_ref(msgs[i]);
    return said(rc);
}

rillgo_end rillgo_settle(rill_msg *m, int how, uint32_t delay_ms, bool kept)
{
    int rc = how == RILLGO_ACK    ? rill_ack(m)
             : how == RILLGO_NAK  ? rill_nak(m, delay_ms)
             : how == RILLGO_TERM ? rill_term(m)
                                  : rill_working(m);
    rillgo_end end = said(rc);
    if (rc >= 0 && kept && how != RILLGO_WORKING) rill_msg_unref(m);
    return end;
}

/* ---- Callbacks ---- */

static void on_event(rill_bus *bus, const rill_event *ev, void *arg)
{
    (void)bus;
    rillgoEvent((rill_event *)ev, (uintptr_t)arg);
}

static int on_dial(rill_wire **wire, const char *address, void *arg)
{
    return rillgoDial(wire, (char *)address, (uintptr_t)arg);
}

rillgo_end rillgo_open(rill_bus **bus, const char *url, rill_opts *opts, bool events, bool dial,
                       uintptr_t arg)
{
    opts->arg = (void *)arg;
    if (events) opts->on_event = on_event;
    if (dial) opts->dial = on_dial;
    return said(rill_open(bus, url, opts));
}

rillgo_end rillgo_broker_bus(rill_broker *broker, rill_bus **bus, rill_opts *opts, bool events,
                             uintptr_t arg)
{
    opts->arg = (void *)arg;
    if (events) opts->on_event = on_event;
    return said(rill_broker_bus(broker, bus, opts));
}

static void on_done(const rill_item *item, void *arg)
{
    rillgoDone((rill_item *)item, (uintptr_t)arg);
}

rillgo_end rillgo_start(rill_bus *bus, const rill_call *call, uintptr_t arg)
{
    return said(rill_start(bus, call, on_done, (void *)arg));
}

/* An append and a request have forms that need no stack of their own; what they bring becomes the
 * item that their verbs have. */
static void done_by_form(int err, rill_item item, void *arg)
{
    item.kind = RILL_ITEM_DONE;
    item.err = err;
    item.detail = err < 0 ? rill_errmsg() : NULL;
    rillgoDone(&item, (uintptr_t)arg);
}

static void on_stored(int err, const rill_receipt *receipt, void *arg)
{
    done_by_form(err, (rill_item){.receipt = receipt}, arg);
}

static void on_reply(int err, const rill_msg *reply, void *arg)
{
    done_by_form(err, (rill_item){.msg = reply}, arg);
}

rillgo_end rillgo_append_async(rill_bus *bus, const char *subject, const void *data, size_t len,
                               const rill_post *post, uintptr_t arg)
{
    return said(rill_append_async(bus, subject, data, len, post, on_stored, (void *)arg));
}

rillgo_end rillgo_request_async(rill_bus *bus, const char *subject, const void *data, size_t len,
                                const rill_post *post, uintptr_t arg)
{
    return said(rill_request_async(bus, subject, data, len, post, -1, on_reply, (void *)arg));
}

int rillgo_cancel(rill_bus *bus, uintptr_t arg)
{
    return rill_cancel(bus, (void *)arg);
}

static int64_t object_source(void *buf, size_t cap, void *arg)
{
    return rillgoSource(buf, cap, (uintptr_t)arg);
}

static int object_sink(const void *buf, size_t len, void *arg)
{
    return rillgoSink((void *)buf, len, (uintptr_t)arg);
}

rillgo_end rillgo_obj_put(rill_objs *objs, const char *name, uintptr_t arg)
{
    return said(rill_obj_put(objs, name, object_source, (void *)arg));
}

rillgo_end rillgo_obj_get(rill_objs *objs, const char *name, uintptr_t arg)
{
    return said(rill_obj_get(objs, name, object_sink, (void *)arg));
}

static int on_care(const rill_care *care, void *arg)
{
    return rillgoCare((rill_care *)care, (uintptr_t)arg);
}

rillgo_end rillgo_store_check(rill_bus *bus, uintptr_t arg)
{
    return said(rill_store_check(bus, on_care, (void *)arg));
}

rillgo_end rillgo_store_salvage(const char *from, const char *to, uintptr_t arg)
{
    return said(rill_store_salvage(from, to, NULL, on_care, (void *)arg));
}

/* ---- Brokers ---- */

static void on_login(const rill_login *login, void *arg)
{
    rillgoLogin((rill_login *)login, (uintptr_t)arg);
}

static void ask_who_comes(rill_broker_opts *opts, uintptr_t login)
{
    if (!login) return;
    opts->on_login = on_login;
    opts->on_login_arg = (void *)login;
}

rillgo_end rillgo_broker_open(rill_broker **broker, rill_broker_opts *opts, uintptr_t login)
{
    ask_who_comes(opts, login);
    return said(rill_broker_open(broker, opts));
}

rillgo_end rillgo_broker_reload(rill_broker *broker, rill_broker_opts *opts, uintptr_t login)
{
    ask_who_comes(opts, login);
    return said(rill_broker_reload(broker, opts));
}

static int on_conn(const rill_conn_info *conn, void *arg)
{
    return rillgoConn((rill_conn_info *)conn, (uintptr_t)arg);
}

rillgo_end rillgo_broker_conns(rill_broker *broker, const rill_conns_opts *opts, uintptr_t arg)
{
    return said(rill_broker_conns(broker, opts, on_conn, (void *)arg));
}

static int on_conn_sub(const rill_conn_sub *sub, void *arg)
{
    return rillgoConnSub((rill_conn_sub *)sub, (uintptr_t)arg);
}

rillgo_end rillgo_broker_subs(rill_broker *broker, const rill_conn_subs_opts *opts, uintptr_t arg,
                              uint64_t *total)
{
    return said(rill_broker_subs(broker, opts, on_conn_sub, (void *)arg, total));
}

/* ---- Wires ---- */

static int64_t wire_read(void *arg, void *buf, size_t len)
{
    return rillgoWireRead((uintptr_t)arg, buf, len);
}

static int64_t wire_write(void *arg, const void *buf, size_t len)
{
    return rillgoWireWrite((uintptr_t)arg, (void *)buf, len);
}

static void wire_close(void *arg)
{
    rillgoWireClose((uintptr_t)arg);
}

static int wire_fd(void *arg)
{
    return rillgoWireFd((uintptr_t)arg);
}

rillgo_end rillgo_wire_new(rill_wire **wire, int fd, uintptr_t arg)
{
    rill_wire_ops ops = {.size = sizeof ops, .read = wire_read, .write = wire_write,
                         .close = wire_close, .fd = fd >= 0 ? wire_fd : NULL};
    return said(rill_wire_new(wire, &ops, (void *)arg, NULL));
}
