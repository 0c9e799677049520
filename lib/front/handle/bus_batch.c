/* SPDX-License-Identifier: Apache-2.0 */
/* Batches of a program: messages are put together outside the gate, and go into one commit. */
#include "base/deadline.h"
#include "base/error.h"
#include "front/handle/bus_stored.h"
#include "front/handle/peer.h"

#define BUS_BATCH_MAGIC 0xba7c0001u

struct rill_batch {
    uint32_t magic;
    rill_bus *bus;         /* a reference is held */
    ri_js_batch messages;
    ri_js_append append;   /* of the commit; guarded by the gate, as is what follows */
    ri_failure why;        /* its room */
    bool sent, over;       /* the commit was asked for; it has ended */
};

int ri_bus_batch_begin(rill_bus *bus, rill_batch **out, const ri_safety *safety)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    rill_batch *batch = ri_new(&bus->host, rill_batch);
    if (!batch) return RILL_ENOMEM;
    batch->magic = BUS_BATCH_MAGIC;
    batch->bus = bus;
    batch->append.safety = safety;
    batch->append.why = &batch->why;
    ri_js_batch_init(&batch->messages, &bus->host);
    ri_bus_ref(bus);
    *out = batch;
    return RILL_OK;
}

rill_bus *ri_bus_batch_bus(const rill_batch *batch)
{
    return batch && batch->magic == BUS_BATCH_MAGIC ? batch->bus : NULL;
}

int ri_bus_batch_add(rill_batch *batch, const ri_message *m)
{
    if (batch->messages.count == RI_JS_BATCH_MAX)
        return ri_err(RILL_EFULL, "a batch holds %d messages at most", RI_JS_BATCH_MAX);
    ri_broker_enter(batch->bus->broker);
    int rc = batch->sent ? ri_err(RILL_EINVAL, "the batch has been sent")
                         : ri_bus_check(batch->bus, m);
    ri_broker_leave(batch->bus->broker);
    return rc < 0 ? rc : ri_js_batch_put(&batch->messages, m);
}

void ri_bus_batch_close(rill_batch *batch)
{
    rill_bus *bus = batch->bus;
    batch->magic = 0;
    ri_broker_enter(bus->broker);
    if (batch->sent && !batch->over) ri_list_remove(&batch->append.waiter.link);
    ri_broker_leave(bus->broker);
    ri_js_batch_fini(&batch->messages);
    ri_delete(&bus->host, batch);
    ri_bus_unref(bus);
}

static void bus_batch_done(ri_js_waiter *waiter, int rc)
{
    rill_batch *batch = ri_container_of(waiter, rill_batch, append.waiter);
    ri_bus_append_over(&batch->append, rc);
    batch->over = true;
    if (batch->bus->ops->late) ri_bus_notify(batch->bus);
}

/* Inside the gate. A batch that is refused is over. */
static void bus_batch_send(rill_batch *batch)
{
    rill_bus *bus = batch->bus;
    batch->sent = true;
    batch->append.waiter.done = bus_batch_done;
    ri_list_init(&batch->append.waiter.link);
    int rc = bus->ops->append_batch(bus, &batch->messages, &batch->append);
    if (rc >= 0) return;
    ri_bus_append_over(&batch->append, rc);
    batch->over = true;
}

static int bus_batch_result(const rill_batch *batch, rill_receipt *last)
{
    if (batch->append.err_code == RI_JS_STREAM_NOT_FOUND)
        return ri_err(RILL_ENOREPLY, "no stream takes the subject of one of the messages");
    *last = (rill_receipt){.size = sizeof *last, .seq = batch->append.seq,
                            .partition = batch->append.partition};
    int rc = ri_js_append_failure(&batch->append);
    return batch->append.err_code ? ri_bus_words_say(rc) : rc;
}

static int bus_batch_once(rill_batch *batch, rill_receipt *last, int64_t timeout_ns)
{
    int rc = ri_bus_enter_append(batch->bus);
    if (rc < 0) return rc;
    if (!batch->sent) bus_batch_send(batch);
    if (ri_bus_await(batch->bus, &batch->over, timeout_ns))
        rc = bus_batch_result(batch, last);
    else if (atomic_load(&batch->bus->closed))
        rc = ri_err(RILL_ECLOSED, "the bus was closed before the batch was stored");
    else
        rc = ri_err(RILL_ETIMEDOUT, "the batch is not committed yet");
    ri_broker_leave(batch->bus->broker);
    return rc;
}

/* Nobody took the first message or the last, so no part of the batch is stored: it may be sent
 * again when its stream has a leader. A peer that keeps the messages leaves none here to send. */
static int bus_batch_again(rill_batch *batch, int64_t until, bool *awaits)
{
    size_t count = batch->messages.count;
    if (count == 0) return RILL_ENOREPLY;
    const ri_str ends[] = {ri_js_batch_at(&batch->messages, 0).subject,
                           ri_js_batch_at(&batch->messages, count - 1).subject};
    size_t n = ri_str_eq(ends[0], ends[1]) ? 1 : 2;
    int rc = ri_bus_append_again(batch->bus, ends, n, until, awaits);
    if (rc < 0) return rc;
    ri_broker_enter(batch->bus->broker);
    batch->append = (ri_js_append){.safety = batch->append.safety, .why = &batch->why};
    batch->sent = batch->over = false;
    ri_broker_leave(batch->bus->broker);
    return RILL_OK;
}

int ri_bus_batch_commit(rill_batch *batch, rill_receipt *last, int64_t timeout_ns)
{
    int64_t until = ri_deadline_in(&batch->bus->host, timeout_ns);
    bool awaits = false;
    int rc = bus_batch_once(batch, last, timeout_ns);
    while (rc == RILL_ENOREPLY && (rc = bus_batch_again(batch, until, &awaits)) == RILL_OK)
        rc = bus_batch_once(batch, last, ri_deadline_left_ns(&batch->bus->host, until));
    return rc;
}
