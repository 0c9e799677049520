/* SPDX-License-Identifier: Apache-2.0 */
/* Store and forward: a stream on flash is carried to a stream of another bus. A message is read for
 * the group that the forward is named by, sent with an id that it keeps for ever, and acknowledged
 * on flash when the other side has acknowledged it; so a stream of work is freed of it then, and
 * not before. After a loss of power, or of the connection, it is sent again under the same id,
 * which the other side has already or not.
 *
 *   flash ---- group_next ----> flight ---- rill_append_async ----> the other bus
 *         <------- ack --------        <---- its acknowledgement --
 *
 * It is turned by rill_poll() of the bus on flash; what comes back runs in that of the other. */
#include "micro/micro_flash.h"

#include "codec/nats/headers.h"

#if defined(RI_MICRO_FLASH) && defined(RI_MICRO_STORED)

static ri_flash *micro_forward_store(const rill_forward *fwd)
{
    RI_ASSERT(fwd->from && fwd->from->magic == RI_MICRO_MAGIC);
    return ((ri_micro_flash *)fwd->from->state)->f;
}

/* ---- Sending ---- */

static void micro_forward_fails(rill_forward *fwd, uint32_t seq, int err)
{
    int64_t now = ri_micro_bus_now(fwd->from);
    (void)ri_flash_group_nak(micro_forward_store(fwd), fwd->group, seq, now, 0);
    fwd->failures++;
    fwd->err = err;
    fwd->pause_ms = RI_MIN(RI_MAX(fwd->pause_ms * 2, fwd->retry_min_ms), fwd->retry_max_ms);
    fwd->pause_until_ns = ri_ns_add(now, ri_ns_of_ms(fwd->pause_ms));
}

/* The other side has it, or not. Runs in a callback of the other bus. */
static void micro_forward_done(int err, const rill_receipt *receipt, void *arg)
{
    ri_micro_flight *flight = arg;
    rill_forward *fwd = flight->forward;
    uint32_t seq = flight->seq;
    if (!fwd->from || ri_micro_bus_enter(fwd->from) < 0) return; /* it is being closed */
    RI_ASSERT(fwd->under_way > 0 && seq > 0);
    fwd->under_way--;
    flight->seq = 0;
    ((ri_micro_flash *)fwd->from->state)->due_now = true;
    if (err >= 0) err = ri_flash_group_ack(micro_forward_store(fwd), fwd->group, seq);
    if (err < 0) {
        micro_forward_fails(fwd, seq, err);
    } else {
        fwd->pause_ms = 0;
        fwd->msgs++;
        fwd->known_msgs += receipt->duplicate;
    }
    ri_micro_bus_leave(fwd->from, RILL_OK);
}

static size_t micro_forward_part(char *out, size_t at, ri_str s)
{
    size_t n = RI_MIN(s.len, (size_t)RI_MICRO_FORWARD_ID - 1 - at);
    memcpy(out + at, s.ptr, n);
    out[at + n] = 0;
    return at + n;
}

/* NAME/STREAM/0/NUMBER/TIME, as every forward of rill has it. */
RI_APART static void micro_forward_id(const rill_forward *fwd, const ri_flash_msg *msg,
                             char out[RI_MICRO_FORWARD_ID])
{
    char digits[RI_NUMBER_MAX];
    size_t at = micro_forward_part(out, 0, ri_str_of(fwd->text));
    at = micro_forward_part(out, at, RI_STR("/"));
    at = micro_forward_part(out, at, ri_micro_flash_name(micro_forward_store(fwd), fwd->stream));
    at = micro_forward_part(out, at, RI_STR("/0/"));
    at = micro_forward_part(out, at, (ri_str){digits, ri_number_write(digits, msg->seq)});
    at = micro_forward_part(out, at, RI_STR("/"));
    micro_forward_part(out, at, (ri_str){digits, ri_number_write(digits, (uint64_t)msg->time_ns)});
}

/* The lines of headers that are sent, moved to the front of the block, which is in m->sent: all,
 * but for those by which its publisher asked the source for something. */
RI_APART static ri_str micro_forward_lines(ri_str block)
{
    rill_header header;
    char *front = (char *)(uintptr_t)block.ptr, *at = front;
    while (ri_headers_next(&block, &header)) {
        size_t len = (size_t)(block.ptr - header.name.ptr);
        RI_ASSERT(header.name.ptr >= at);
        if (ri_str_starts(header.name, RI_STR("Nats-"))) continue;
        memmove(at, header.name.ptr, len);
        at += len;
    }
    return (ri_str){front, (size_t)(at - front)};
}

static int micro_forward_send(rill_forward *fwd, ri_micro_flight *flight, const ri_flash_msg *msg)
{
    ri_micro_flash *m = fwd->from->state;
    RI_ASSERT(msg->subject.len < sizeof m->subject && flight->seq == 0);
    memcpy(m->subject, msg->subject.ptr, msg->subject.len);
    m->subject[msg->subject.len] = 0;
    micro_forward_id(fwd, msg, m->id);
    m->expected = (rill_header){RI_STR("Nats-Expected-Stream"), fwd->into};
    m->post = (rill_post){.size = sizeof m->post, .headers = &m->expected, .nheaders = 1,
                          .msg_id = m->id};
    *flight = (ri_micro_flight){fwd, msg->seq};
    fwd->under_way++;
    /* The other bus has its own lock, and may be turned by another task. */
    bool nested = fwd->from->in_callback;
    fwd->sending = true;
    if (!nested) ri_micro_bus_callback(fwd->from, true);
    int rc = ri_micro_stored_async(fwd->to, m->subject, msg->data, &m->post,
                                   micro_forward_lines(msg->headers), micro_forward_done, flight);
    if (!nested) ri_micro_bus_callback(fwd->from, false);
    fwd->sending = false;
    if (rc >= 0) return rc;
    fwd->under_way--;
    flight->seq = 0;
    return rc;
}

static int micro_forward_step(rill_bus *bus, rill_forward *fwd)
{
    ri_micro_flash *m = bus->state;
    ri_flash_msg msg = {.seq = 0};
    int64_t now = ri_micro_bus_now(bus);
    ri_micro_flight *flight = fwd->flights;
    if (!fwd->from || fwd->under_way >= fwd->window || now < fwd->pause_until_ns ||
        bus->in_callback)
        return 0;
    while (flight->seq) flight++;
    RI_ASSERT(flight < fwd->flights + RI_MICRO_FLIGHTS);
    int rc = ri_flash_group_next(m->f, fwd->group, now, INT32_MAX, m->sent, m->conf.max_record,
                                 &msg);
    if (rc == RILL_EAGAIN) return 0;
    if (rc == RILL_OK) {
        fwd->bytes += msg.subject.len + msg.headers.len + msg.data.len;
        rc = micro_forward_send(fwd, flight, &msg);
    }
    if (rc < 0) micro_forward_fails(fwd, msg.seq, rc);
    return rc >= 0;
}

int ri_micro_forward_turn(rill_bus *bus)
{
    ri_micro_flash *m = bus->state;
    int moved = 0;
    for (int i = 0; i < RI_MICRO_FORWARDS; i++) moved += micro_forward_step(bus, &m->forwards[i]);
    return moved;
}

int64_t ri_micro_forward_due(rill_bus *bus)
{
    ri_micro_flash *m = bus->state;
    int64_t due = INT64_MAX, now = ri_micro_bus_now(bus);
    for (int i = 0; i < RI_MICRO_FORWARDS; i++)
        if (m->forwards[i].from && m->forwards[i].pause_until_ns > now)
            due = RI_MIN(due, m->forwards[i].pause_until_ns);
    return due;
}

/* What is under way to the other bus ends there without being heard here: a flight is used again,
 * and its memory is the program's once the bus is closed. */
static void micro_forward_let_go(rill_forward *fwd)
{
    rill_bus *to = fwd->to;
    if (fwd->under_way > 0 && ri_micro_bus_enter(to) >= 0) {
        for (uint32_t i = 0; i < to->max_calls; i++) {
            ri_micro_call *call = &to->calls[i];
            if (call->kind != RI_MICRO_CALL_APPEND || call->done.stored != micro_forward_done)
                continue;
            if (((const ri_micro_flight *)call->arg)->forward == fwd) call->done.stored = NULL;
        }
        ri_micro_bus_leave(to, RILL_OK);
    }
    fwd->under_way = 0;
    fwd->from = NULL;
}

/* Two buses may have one lock. */
void ri_micro_forward_end(rill_bus *bus)
{
    RI_CHECK(bus, RI_MICRO_MAGIC);
    ri_micro_flash *m = bus->state;
    ri_micro_bus_leave(bus, RILL_OK);
    for (int i = 0; i < RI_MICRO_FORWARDS; i++)
        if (m->forwards[i].from) micro_forward_let_go(&m->forwards[i]);
    ri_micro_bus_enter(bus);
}

/* ---- rill.h ---- */

static int micro_forward_check(const rill_bus *from, const rill_bus *to, const char *into,
                               const rill_forward_opts *opts)
{
    if (!opts || !opts->name || !*opts->name || strlen(opts->name) > RI_FLASH_NAME)
        return ri_err(RILL_EINVAL, "a forward has a name, of %d bytes at most", RI_FLASH_NAME);
    if (!into || !*into || strlen(into) > RI_FLASH_TITLE)
        return ri_err(RILL_EINVAL, "the name of the stream at the target is missing, or too long");
    if (from->peer != &ri_micro_flash_peer || !to || to == from || !to->peer->append)
        return ri_err(RILL_ENOTSUP, "this build forwards from flash: to a bus that has streams");
    if (opts->filter || opts->map_from || opts->map_to || opts->dead_letters || opts->from)
        return ri_err(RILL_ENOTSUP, "this build forwards all of a stream, as it is");
    return RILL_OK;
}

static int micro_forward_open(rill_forward *fwd, rill_bus *from, const char *stream, rill_bus *to,
                              const char *into, const rill_forward_opts *opts)
{
    ri_micro_flash *m = from->state;
    int rc = ri_micro_flash_stream(m->f, ri_str_of(stream));
    if (rc < 0) return rc;
    int group = ri_flash_group_ensure(m->f, (uint32_t)rc, ri_str_of(opts->name));
    if (group < 0) return group;
    for (int i = 0; i < RI_MICRO_FORWARDS; i++)
        if (m->forwards[i].from && m->forwards[i].group == (uint32_t)group)
            return ri_err(RILL_EBUSY, "%s is forwarded by that name already", stream);
    *fwd = (rill_forward){
        .to = to, .stream = (uint32_t)rc, .group = (uint32_t)group,
        .window = opts->window ? RI_MIN(opts->window, (uint32_t)RI_MICRO_FLIGHTS) : 1,
        .retry_min_ms = opts->retry_min_ms ? opts->retry_min_ms : 100,
        .retry_max_ms = opts->retry_max_ms ? opts->retry_max_ms : 8000,
    };
    size_t len = strlen(opts->name) + 1;
    memcpy(fwd->text, opts->name, len);
    memcpy(fwd->text + len, into, strlen(into) + 1);
    fwd->into = (ri_str){fwd->text + len, strlen(into)};
    fwd->from = from;
    m->due_now = true;
    return RILL_OK;
}

int rill_forward_open(rill_forward **forward, rill_bus *from, const char *stream, rill_bus *to,
                      const char *into, const rill_forward_opts *opts)
{
    if (!forward) return ri_err(RILL_EINVAL, "no place for the forward was given");
    *forward = NULL;
    int rc = ri_micro_bus_enter(from);
    if (rc < 0) return rc;
    rc = micro_forward_check(from, to, into, opts);
    if (rc >= 0) {
        rill_forward *fwd = ((ri_micro_flash *)from->state)->forwards;
        rill_forward *end = fwd + RI_MICRO_FORWARDS;
        while (fwd < end && (fwd->from || fwd->under_way > 0)) fwd++;
        if (fwd == end) rc = ri_err(RILL_EFULL, "this build has %d forwards", RI_MICRO_FORWARDS);
        else rc = micro_forward_open(fwd, from, stream, to, into, opts);
        if (rc >= 0) *forward = fwd;
    }
    return ri_micro_bus_leave(from, rc);
}

int rill_forward_status(rill_forward *forward, rill_forward_info *out)
{
    if (!forward || !out || out->size < sizeof(size_t))
        return ri_err(RILL_EINVAL, "no forward, or no place for its state");
    rill_forward_info info = {.size = out->size};
    rill_bus *bus = forward->from;
    if (!bus || ri_micro_bus_enter(bus) < 0) {
        info.closed = true;
    } else {
        ri_flash_group_info group;
        info.msgs = forward->msgs;
        info.bytes = forward->bytes;
        info.known_msgs = forward->known_msgs;
        info.failures = forward->failures;
        info.err = forward->err;
        info.under_way = forward->under_way;
        info.up = forward->pause_ms == 0;
        if (ri_flash_group_about(micro_forward_store(forward), forward->group, &group) == RILL_OK) {
            info.lag_known = true;
            info.lag_msgs = (uint64_t)group.waiting + group.out;
        }
        ri_str why = ri_str_of(info.err < 0 ? ri_err_class(info.err) : "");
        memcpy(info.why, why.ptr, RI_MIN(why.len, sizeof info.why - 1));
        ri_micro_bus_leave(bus, RILL_OK);
    }
    memcpy(out, &info, RI_MIN(out->size, sizeof info));
    return RILL_OK;
}

static bool micro_forward_landed(void *arg)
{
    return ((const rill_forward *)arg)->under_way == 0;
}

static bool micro_forward_rests(void *arg)
{
    return !((const rill_forward *)arg)->sending;
}

int rill_forward_close(rill_forward *forward, int timeout_ms)
{
    if (!forward || !forward->from) return RILL_OK;
    rill_bus *to = forward->to;
    int rc = ri_micro_bus_enter(to);
    forward->window = 0;
    if (rc >= 0) {
        if (ri_micro_bus_calls_back(to) || ri_micro_bus_calls_back(forward->from))
            return ri_micro_bus_leave(to, ri_err(RILL_EDEADLK, "a callback cannot wait for it"));
        rc = ri_micro_bus_wait(to, micro_forward_landed, forward,
                               ri_micro_bus_until(to, timeout_ms));
        ri_micro_bus_leave(to, RILL_OK);
    }
    rill_bus *from = forward->from;
    if (from && ri_micro_bus_enter(from) >= 0) { /* another task may be sending */
        if (forward->sending)
            (void)ri_micro_bus_wait(from, micro_forward_rests, forward, INT64_MAX);
        ri_micro_bus_leave(from, RILL_OK);
    }
    micro_forward_let_go(forward);
    return rc;
}

#endif
