/* SPDX-License-Identifier: Apache-2.0 */
/* A call goes from FREE to its kind, is over once, and is FREE again when whoever waits has seen
 * it, or its function has run. An answer that comes later finds another number, or none. */
#include "micro/micro.h"

uint32_t ri_micro_call_hash(ri_str subject)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < subject.len; i++)
        hash = (hash ^ (unsigned char)subject.ptr[i]) * 16777619u;
    return hash;
}

ri_micro_call *ri_micro_call_new(rill_bus *bus, ri_micro_call_kind kind, int timeout_ms)
{
    RI_CHECK(bus, RI_MICRO_MAGIC);
    RI_ASSERT(kind != RI_MICRO_CALL_FREE);
    for (uint32_t tried = 0; tried < bus->max_calls; tried++) {
        uint32_t number = bus->next_call++;
        ri_micro_call *call = &bus->calls[number % bus->max_calls];
        if (call->kind != RI_MICRO_CALL_FREE) continue;
        *call = (ri_micro_call){.kind = kind, .number = number,
                                .due_ns = ri_micro_bus_until(bus, timeout_ms),
                                .sent_at = UINT64_MAX};
        bus->calls_open++;
        return call;
    }
    ri_err(RILL_EAGAIN, "all %lu calls are under way", (unsigned long)bus->max_calls);
    return NULL;
}

void ri_micro_call_free(rill_bus *bus, ri_micro_call *call)
{
    RI_ASSERT(bus->calls_open > 0);
    bus->calls_open--;
    RI_ASSERT(call->kind != RI_MICRO_CALL_FREE);
    if (call->answer) ri_micro_msg_drop(call->answer);
    *call = (ri_micro_call){.kind = RI_MICRO_CALL_FREE};
}

ri_micro_call *ri_micro_call_of(rill_bus *bus, ri_str subject)
{
    RI_CHECK(bus, RI_MICRO_MAGIC);
    uint64_t number;
    if (subject.len <= RI_MICRO_INBOX_LEN || memcmp(subject.ptr, bus->inbox,
                                                    RI_MICRO_INBOX_LEN) != 0)
        return NULL;
    if (!ri_number_read(ri_str_from(subject, RI_MICRO_INBOX_LEN), &number) || number > UINT32_MAX)
        return NULL;
    ri_micro_call *call = &bus->calls[number % bus->max_calls];
    return call->kind != RI_MICRO_CALL_FREE && !call->over && call->number == number ? call : NULL;
}

ri_str ri_micro_call_inbox(rill_bus *bus, const ri_micro_call *call)
{
    RI_ASSERT(call->kind != RI_MICRO_CALL_FREE && !call->over);
    char *out = bus->reply;
    memcpy(out, bus->inbox, RI_MICRO_INBOX_LEN);
    size_t len = RI_MICRO_INBOX_LEN + ri_number_write(out + RI_MICRO_INBOX_LEN, call->number);
    out[len] = 0;
    return (ri_str){out, len};
}

/* Run its function, outside of callbacks, and free it. */
static void micro_call_run(rill_bus *bus, ri_micro_call *call)
{
    RI_ASSERT(call->over && !call->waited && !bus->in_callback);
    const rill_receipt receipt = call->receipt;
    ri_micro_msg *answer = call->answer;
    rill_reply_fn reply = call->kind == RI_MICRO_CALL_REQUEST ? call->done.reply : NULL;
    rill_stored_fn stored = call->kind == RI_MICRO_CALL_APPEND ? call->done.stored : NULL;
    void *arg = call->arg;
    int err = call->err;
    call->answer = NULL; /* it is ours */
    ri_micro_call_free(bus, call);
    if (reply || stored) {
        ri_micro_bus_callback(bus, true);
        if (reply) reply(err, err < 0 ? NULL : &answer->m, arg);
        else stored(err, err < 0 ? NULL : &receipt, arg);
        ri_micro_bus_callback(bus, false);
    }
    if (answer) ri_micro_msg_drop(answer);
}

/* The sentence of `err` was the last one made. */
void ri_micro_call_end(rill_bus *bus, ri_micro_call *call, int err, ri_micro_msg *answer)
{
    RI_ASSERT(call->kind != RI_MICRO_CALL_FREE && !call->over);
    if (call->kind == RI_MICRO_CALL_ASK && call->verdict) err = call->verdict(bus, call, err);
    call->over = true;
    call->err = err;
    if (answer && err >= 0 && call->kind == RI_MICRO_CALL_REQUEST) {
        answer->refs++;
        call->answer = answer;
    }
    if (call->kind == RI_MICRO_CALL_ASK && !call->waited) ri_micro_call_free(bus, call);
}

void ri_micro_call_answer(rill_bus *bus, ri_micro_call *call, int err, ri_micro_msg *answer)
{
    bool run = call->kind != RI_MICRO_CALL_ASK && !call->waited && bus->turning &&
               !bus->in_callback;
    ri_micro_call_end(bus, call, err, answer);
    if (run) micro_call_run(bus, call);
}

void ri_micro_call_dispatch(rill_bus *bus)
{
    RI_ASSERT(!bus->in_callback);
    for (uint32_t i = 0; bus->calls_open > 0 && i < bus->max_calls; i++) {
        ri_micro_call *call = &bus->calls[i];
        if (call->kind == RI_MICRO_CALL_FREE || !call->over || call->waited) continue;
        if (call->err < 0) ri_err(call->err, "%s", ri_err_class(call->err));
        micro_call_run(bus, call);
    }
}

void ri_micro_call_expire(rill_bus *bus)
{
    int64_t now = 0;
    for (uint32_t i = 0; bus->calls_open > 0 && i < bus->max_calls; i++) {
        ri_micro_call *call = &bus->calls[i];
        if (call->kind == RI_MICRO_CALL_FREE || call->over || call->due_ns == INT64_MAX) continue;
        if (now == 0) now = ri_micro_bus_now(bus);
        if (now < call->due_ns) continue;
        ri_micro_call_end(bus, call, ri_err(RILL_ETIMEDOUT, "no answer came in time"), NULL);
    }
}

int64_t ri_micro_call_due(const rill_bus *bus)
{
    int64_t due = INT64_MAX;
    for (uint32_t i = 0; bus->calls_open > 0 && i < bus->max_calls; i++) {
        const ri_micro_call *call = &bus->calls[i];
        if (call->kind == RI_MICRO_CALL_FREE) continue;
        /* Who waits for it has it in a moment; its function runs behind the callback. */
        if (call->over && (call->waited || bus->in_callback)) continue;
        due = RI_MIN(due, call->over ? 0 : call->due_ns);
    }
    return due;
}

static bool micro_call_over(void *arg)
{
    return ((const ri_micro_call *)arg)->over;
}

int ri_micro_call_wait(rill_bus *bus, ri_micro_call *call, ri_micro_msg **answer,
                       rill_receipt *receipt)
{
    RI_ASSERT(call->waited && (call->over || !bus->peer->at_once));
    int rc = call->over ? RILL_OK
                        : ri_micro_bus_wait(bus, micro_call_over, call, call->due_ns);
    if (call->over) rc = call->err;
    if (rc >= 0 && answer) {
        *answer = call->answer;
        call->answer = NULL;
    }
    if (rc >= 0 && receipt) {
        size_t size = RI_MIN(receipt->size, sizeof call->receipt);
        size_t theirs = receipt->size;
        memcpy(receipt, &call->receipt, size);
        receipt->size = theirs;
    }
    ri_micro_call_free(bus, call);
    return rc;
}
