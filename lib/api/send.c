/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>

#include "api/args.h"
#include "front/handle/bus_stored.h"
#include "front/handle/peer.h"

/* How safe a message must be whose safety is its own. */
static int send_safety(const ri_safety **safety, rill_sync sync)
{
    static const ri_safety synced = RI_SAFETY_SYNCED, written = RI_SAFETY_WRITTEN,
                          memory = RI_SAFETY_MEMORY;
    switch (sync) {
    case RILL_SYNC_DEFAULT: *safety = NULL; return RILL_OK;
    case RILL_SYNC_ALWAYS: *safety = &synced; return RILL_OK;
    case RILL_SYNC_NEVER: *safety = &written; return RILL_OK;
    case RILL_SYNC_MEMORY: *safety = &memory; return RILL_OK;
    case RILL_SYNC_LAZY: break; /* no: its interval is the store's, not a message's */
    }
    return ri_err(RILL_EINVAL, "sync is %d", (int)sync);
}

static int send_no_safety(const ri_bus_draft *draft)
{
    return draft->safety ? ri_err(RILL_EINVAL, "post->sync is for an append") : RILL_OK;
}

/* Check a send's arguments and write its message; fini the draft whatever is returned. */
static int send_draft(ri_bus_draft *draft, rill_bus *bus, const char *subject, ri_str data,
                      const rill_post *post)
{
    rill_post own;
    *draft = (ri_bus_draft){0};
    int rc = ri_args_bus(bus);
    if (rc < 0) return rc;
    if (!subject) return ri_err(RILL_EINVAL, "the subject is NULL");
    if ((rc = ri_args_data(data.ptr, data.len)) < 0) return rc;
    if (post && (rc = ri_args_opts(&own, sizeof own, post, "rill_post")) < 0) return rc;
    rc = ri_bus_draft_init(draft, bus, subject, post ? &own : NULL);
    draft->m.data = data;
    return rc == RILL_OK && post ? send_safety(&draft->safety, own.sync) : rc;
}

/* The plain case: nothing to write, nothing to free. */
static int send_plain(ri_message *m, rill_bus *bus, const char *subject, ri_str data)
{
    int rc = ri_args_bus(bus);
    if (rc < 0) return rc;
    if (!subject) return ri_err(RILL_EINVAL, "the subject is NULL");
    if ((rc = ri_args_data(data.ptr, data.len)) < 0) return rc;
    *m = (ri_message){.subject = ri_str_of(subject), .data = data};
    return RILL_OK;
}

static int send_publish_plain(rill_bus *bus, const char *subject, ri_str data)
{
    ri_message m;
    int rc = RILL_OK;
    if (ri_likely(ri_args_bus_is_good(bus) && subject && (data.ptr || !data.len)))
        m = (ri_message){.subject = ri_str_of(subject), .data = data};
    else rc = send_plain(&m, bus, subject, data);
    if (ri_likely(rc == RILL_OK)) rc = bus->ops->publish(bus, &m);
    return rc < 0 ? rc : RILL_OK;
}

int rill_publish(rill_bus *bus, const char *subject, const void *data, size_t len,
                 const rill_post *post)
{
    if (ri_likely(!post)) return send_publish_plain(bus, subject, (ri_str){data, len});
    ri_bus_draft draft;
    int rc = send_draft(&draft, bus, subject, (ri_str){data, len}, post);
    if (ri_likely(rc == RILL_OK)) rc = send_no_safety(&draft);
    if (ri_likely(rc == RILL_OK)) rc = bus->ops->publish(bus, &draft.m);
    ri_bus_draft_fini(&draft);
    return rc < 0 ? rc : RILL_OK;
}

int rill_publish_many(rill_bus *bus, const char *subject, const rill_str *data, size_t n)
{
    size_t done = 0;
    int rc = ri_args_bus(bus);
    if (rc < 0) return rc;
    if (!data && n > 0) return ri_err(RILL_EINVAL, "data is NULL, of %zu messages", n);
    n = RI_MIN(n, (size_t)INT_MAX);
    while (done < n) {
        rc = send_publish_plain(bus, subject, (ri_str){data[done].ptr, data[done].len});
        if (rc < 0) return done ? (int)done : rc;
        done++;
        if (bus->ops->publish_more && done < n)
            done += bus->ops->publish_more(bus, ri_str_of(subject), data + done, n - done);
    }
    return (int)done;
}

/* What is to be stored: the receipt comes back directly, not to a reply subject. */
static int send_stored(ri_bus_draft *draft, rill_bus *bus, const char *subject, ri_str data,
                       const rill_post *post)
{
    int rc = send_draft(draft, bus, subject, data, post);
    if (rc == RILL_OK && draft->m.reply.len)
        return ri_err(RILL_EINVAL, "post->reply: an append has its receipt");
    if (rc < 0 || draft->m.headers.len == 0 || !bus->ops->route) return rc;
    return bus->ops->route(bus, &draft->m, &draft->routed);
}

int rill_append(rill_bus *bus, const char *subject, const void *data, size_t len,
                const rill_post *post, rill_receipt *out, int timeout_ms)
{
    ri_bus_draft draft;
    rill_receipt own = {.size = sizeof own};
    int rc = out ? ri_args_out(&own, sizeof own, out, "rill_receipt") : RILL_OK;
    if (rc < 0) return rc; /* now, rather than when the message is stored */
    rc = send_stored(&draft, bus, subject, (ri_str){data, len}, post);
    if (rc == RILL_OK)
        rc = ri_bus_append(bus, &draft.m, draft.safety, &own, ri_timeout_ns(timeout_ms));
    ri_bus_draft_fini(&draft);
    if (rc < 0 || !out) return rc;
    return ri_args_out(&own, sizeof own, out, "rill_receipt");
}

/* May a call be begun whose end these hear? */
static int send_is_heard(const rill_bus *bus, const ri_bus_done *done)
{
    int rc = ri_args_bus(bus);
    if (rc == RILL_OK && done->kind == RI_BUS_DONE_ITEM && !bus->reap)
        return ri_err(RILL_EINVAL, "done is NULL, and there is no reap");
    return rc;
}

int ri_send_append(rill_bus *bus, const char *subject, ri_str data, const rill_post *post,
                   const ri_bus_done *done)
{
    ri_bus_draft draft;
    int rc = send_is_heard(bus, done);
    if (rc < 0) return rc;
    if (ri_likely(!post)) {
        ri_message m;
        rc = send_plain(&m, bus, subject, data);
        return rc < 0 ? rc : ri_bus_append_async(bus, &m, NULL, done);
    }
    rc = send_stored(&draft, bus, subject, data, post);
    if (rc == RILL_OK) rc = ri_bus_append_async(bus, &draft.m, draft.safety, done);
    ri_bus_draft_fini(&draft);
    return rc;
}

int rill_append_async(rill_bus *bus, const char *subject, const void *data, size_t len,
                      const rill_post *post, rill_stored_fn done, void *arg)
{
    ri_bus_done own = {.stored = done, .arg = arg};
    if (done) own.kind = RI_BUS_DONE_STORED;
    return ri_send_append(bus, subject, (ri_str){data, len}, post, &own);
}

int rill_batch_begin(rill_bus *bus, rill_batch **batch, const rill_batch_opts *opts)
{
    rill_batch_opts own;
    const ri_safety *safety = NULL;
    if (!batch) return ri_err(RILL_EINVAL, "batch is NULL");
    *batch = NULL;
    int rc = ri_args_bus(bus);
    if (rc < 0 || (rc = RI_ARGS_OPTS(&own, opts, "rill_batch_opts")) < 0) return rc;
    rc = send_safety(&safety, own.sync);
    return rc < 0 ? rc : ri_bus_batch_begin(bus, batch, safety);
}

static int send_batch(const rill_batch *batch, rill_bus **bus)
{
    *bus = ri_bus_batch_bus(batch);
    return *bus ? ri_args_process((*bus)->stamp) : ri_err(RILL_EINVAL, "that is no open batch");
}

int rill_batch_add(rill_batch *batch, const char *subject, const void *data, size_t len,
                   const rill_post *post)
{
    rill_bus *bus;
    ri_bus_draft draft;
    int rc = send_batch(batch, &bus);
    if (rc < 0) return rc;
    rc = send_stored(&draft, bus, subject, (ri_str){data, len}, post);
    if (rc == RILL_OK) rc = send_no_safety(&draft);
    if (rc == RILL_OK) rc = ri_bus_batch_add(batch, &draft.m);
    ri_bus_draft_fini(&draft);
    return rc;
}

int rill_batch_commit(rill_batch *batch, rill_receipt *last, int timeout_ms)
{
    rill_bus *bus;
    rill_receipt own = {.size = sizeof own};
    int rc = send_batch(batch, &bus);
    if (rc < 0) return rc;
    if (last && (rc = ri_args_out(&own, sizeof own, last, "rill_receipt")) < 0) return rc;
    rc = ri_bus_batch_commit(batch, &own, ri_timeout_ns(timeout_ms));
    if (rc < 0 || !last) return rc;
    return ri_args_out(&own, sizeof own, last, "rill_receipt");
}

void rill_batch_close(rill_batch *batch)
{
    if (ri_args_may_close(ri_bus_batch_bus(batch))) ri_bus_batch_close(batch);
}

static int send_request(ri_bus_draft *draft, rill_bus *bus, const char *subject, ri_str data,
                        const rill_post *post)
{
    int rc = send_draft(draft, bus, subject, data, post);
    if (rc == RILL_OK && draft->m.reply.len)
        return ri_err(RILL_EINVAL, "post->reply: a request makes its own");
    return rc == RILL_OK ? send_no_safety(draft) : rc;
}

int rill_request(rill_bus *bus, const char *subject, const void *data, size_t len,
                 const rill_post *post, rill_msg **reply, int timeout_ms)
{
    ri_bus_draft draft;
    if (!reply) return ri_err(RILL_EINVAL, "reply is NULL");
    *reply = NULL;
    int rc = send_request(&draft, bus, subject, (ri_str){data, len}, post);
    if (rc == RILL_OK) rc = ri_bus_request_wait(bus, &draft.m, reply, ri_timeout_ns(timeout_ms));
    ri_bus_draft_fini(&draft);
    return rc;
}

int ri_send_request(rill_bus *bus, const char *subject, ri_str data, const rill_post *post,
                    int timeout_ms, const ri_bus_done *done)
{
    ri_bus_draft draft;
    int rc = send_is_heard(bus, done);
    if (rc < 0) return rc;
    rc = send_request(&draft, bus, subject, data, post);
    if (rc == RILL_OK)
        rc = ri_bus_request_async(bus, &draft.m, ri_timeout_ns(timeout_ms), done);
    ri_bus_draft_fini(&draft);
    return rc;
}

int rill_request_async(rill_bus *bus, const char *subject, const void *data, size_t len,
                       const rill_post *post, int timeout_ms, rill_reply_fn done, void *arg)
{
    ri_bus_done own = {.reply = done, .arg = arg};
    if (done) own.kind = RI_BUS_DONE_REPLY;
    return ri_send_request(bus, subject, (ri_str){data, len}, post, timeout_ms, &own);
}

int rill_reply(const rill_msg *request, const void *data, size_t len, const rill_post *post)
{
    if (!request) return ri_err(RILL_EINVAL, "the request is NULL");
    if (request->reply.len == 0) return ri_err(RILL_EINVAL, "the message wants no answer");
    return rill_publish(ri_bus_msg_of(request)->bus, request->reply.ptr, data, len, post);
}

int rill_inbox(rill_bus *bus, char *out, size_t cap)
{
    char inbox[RILL_INBOX_LEN];
    if (!out) return ri_err(RILL_EINVAL, "out is NULL");
    if (cap) out[0] = 0;
    int rc = ri_args_bus(bus);
    if (rc < 0) return rc;
    ri_bus_request_inbox(bus, inbox);
    size_t len = strlen(inbox);
    if (len >= cap)
        return ri_err(RILL_ETOOBIG, "an inbox is %zu bytes and a 0, and cap is %zu", len, cap);
    memcpy(out, inbox, len + 1);
    return (int)len;
}
