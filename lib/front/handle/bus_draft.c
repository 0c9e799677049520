/* SPDX-License-Identifier: Apache-2.0 */
/* Drafts of messages: what a program says of a message becomes its headers, in the words that every
 * publisher of JetStream uses. */
#include "base/error.h"
#include "base/number.h"
#include "base/rfc3339.h"
#include "codec/nats/headers.h"
#include "codec/subject/subject.h"
#include "front/handle/bus.h"

int ri_bus_check_size(rill_bus *bus, const ri_message *m)
{
    if (atomic_load(&bus->closed)) return ri_err(RILL_ECLOSED, "the bus is closed");
    return ri_err(RILL_ETOOBIG, "%zu bytes are more than max_msg_bytes, %u",
                  m->data.len + m->headers.len, bus->broker->conf.max_msg_bytes);
}

int ri_bus_check_subject(rill_bus *bus, ri_str subject)
{
    int rc = ri_subject_check_literal(subject);
    if (rc == RILL_OK && subject.len <= sizeof bus->checked) {
        memcpy(bus->checked, subject.ptr, subject.len);
        bus->checked_len = subject.len;
    }
    return rc;
}

static int draft_number(ri_buffer *mem, const char *name, uint64_t number, const char *unit)
{
    char text[RI_NUMBER_MAX + 4];
    size_t len = ri_number_write(text, number);
    for (; *unit; unit++) text[len++] = *unit;
    return ri_headers_add(mem, ri_str_of(name), (ri_str){text, len});
}

static int draft_expected(ri_bus_draft *draft, const rill_post *post)
{
    ri_str subject = ri_str_of(post->expect_subject);
    int rc = draft_number(&draft->mem, subject.len ? "Nats-Expected-Last-Subject-Sequence"
                                                         : "Nats-Expected-Last-Sequence",
                                *post->expect_last_seq, "");
    if (rc < 0 || subject.len == 0 || ri_str_eq(subject, draft->m.subject)) return rc;
    return ri_headers_add(&draft->mem, RI_STR("Nats-Expected-Last-Subject-Sequence-Subject"),
                          subject);
}

static bool draft_is_scheduled(const rill_post *post)
{
    return post->deliver_to || post->deliver_at_ns || post->schedule || post->schedule_zone;
}

static int draft_schedule(ri_bus_draft *draft, const rill_post *post)
{
    char at[4 + RI_RFC3339_MAX] = "@at ";
    ri_str when = ri_str_of(post->schedule);
    if (!post->deliver_to || !post->deliver_at_ns == !post->schedule)
        return ri_err(RILL_EINVAL, "deliver_to goes with one of deliver_at_ns and schedule");
    if (post->schedule_zone && !post->schedule)
        return ri_err(RILL_EINVAL, "schedule_zone goes with schedule");
    if (post->deliver_at_ns) when = (ri_str){at, 4 + ri_rfc3339_write(at + 4, post->deliver_at_ns)};
    int rc = ri_headers_add(&draft->mem, RI_STR("Nats-Schedule"), when);
    if (rc == RILL_OK && post->schedule_zone)
        rc = ri_headers_add(&draft->mem, RI_STR("Nats-Schedule-Time-Zone"),
                            ri_str_of(post->schedule_zone));
    if (rc < 0) return rc;
    return ri_headers_add(&draft->mem, RI_STR("Nats-Schedule-Target"), ri_str_of(post->deliver_to));
}

static int draft_ttl(ri_bus_draft *draft, const rill_post *post)
{
    /* What a schedule makes lives so long; the schedule itself until it is done. */
    const char *name = post->deliver_to ? "Nats-Schedule-TTL" : "Nats-TTL";
    if (post->ttl_ms == RILL_TTL_NEVER)
        return ri_headers_add(&draft->mem, ri_str_of(name), RI_STR("never"));
    if (post->ttl_ms < 1000)
        return ri_err(RILL_EINVAL, "ttl_ms is %u, less than 1000", post->ttl_ms);
    return draft_number(&draft->mem, name, post->ttl_ms, "ms");
}

/* What a stream is to look at goes as the headers that every publisher of JetStream uses. */
static int draft_durable(ri_bus_draft *draft, const rill_post *post)
{
    ri_buffer *mem = &draft->mem;
    int rc = RILL_OK;
    for (size_t i = 0; i < post->nheaders && rc == RILL_OK; i++)
        rc = ri_headers_add(mem, post->headers[i].name, post->headers[i].value);
    if (rc == RILL_OK && post->msg_id)
        rc = ri_headers_add(mem, RI_STR("Nats-Msg-Id"), ri_str_of(post->msg_id));
    if (rc == RILL_OK && post->expect_last_seq) rc = draft_expected(draft, post);
    if (rc == RILL_OK && post->ttl_ms) rc = draft_ttl(draft, post);
    if (rc == RILL_OK && draft_is_scheduled(post)) rc = draft_schedule(draft, post);
    draft->m.headers = ri_buffer_str(mem);
    return rc;
}

static bool draft_is_durable(const rill_post *post)
{
    return post->msg_id || post->expect_last_seq || post->ttl_ms || draft_is_scheduled(post);
}

int ri_bus_draft_init(ri_bus_draft *draft, rill_bus *bus, const char *subject,
                        const rill_post *post)
{
    draft->m = (ri_message){.subject = ri_str_of(subject)};
    ri_buffer_init(&draft->mem, &bus->host);
    ri_buffer_init(&draft->routed, &bus->host);
    if (!post) return RILL_OK;
    if (post->reply) {
        draft->m.reply = ri_str_of(post->reply);
        int rc = ri_subject_check_literal(draft->m.reply);
        if (rc < 0) return ri_err_wrap(rc, "reply");
    }
    if (post->nheaders && !post->headers)
        return ri_err(RILL_EINVAL, "nheaders is %zu, but headers is NULL", post->nheaders);
    if (draft_is_durable(post)) return draft_durable(draft, post);
    if (post->nheaders == 0) return RILL_OK;
    int size = ri_headers_size(post->headers, post->nheaders);
    if (size < 0) return size;
    char *block = ri_buffer_room(&draft->mem, (size_t)size);
    if (!block) return RILL_ENOMEM;
    ri_headers_write(block, post->headers, post->nheaders);
    draft->m.headers = (ri_str){block, (size_t)size};
    return RILL_OK;
}

void ri_bus_draft_fini(ri_bus_draft *draft)
{
    ri_buffer_fini(&draft->mem);
    ri_buffer_fini(&draft->routed);
}
