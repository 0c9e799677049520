/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>

#include "micro/micro.h"

#include "codec/nats/headers.h"
#include "codec/nats/headers_private.h"
#include "codec/subject/subject.h"

/* ---- What is sent ---- */

static void micro_send_extra(ri_micro_out *out, ri_str name, ri_str value)
{
    RI_ASSERT(out->nextras < RI_MICRO_EXTRAS);
    out->extras[out->nextras++] = (rill_header){name, value};
}

static ri_str micro_send_digits(char digits[RI_NUMBER_MAX], uint64_t n)
{
    RI_ASSERT(digits);
    return (ri_str){digits, ri_number_write(digits, n)};
}

static int micro_send_post(ri_micro_out *out, const rill_post *post)
{
    if (post->deliver_to || post->schedule || post->deliver_at_ns || post->sync)
        return ri_err(RILL_ENOTSUP, "this build has no schedules and no levels of safety");
    if (post->reply) {
        int rc = ri_subject_check_literal(out->reply = ri_str_of(post->reply));
        if (rc < 0) return rc;
    }
    out->headers = post->headers;
    out->nheaders = post->headers ? post->nheaders : 0;
    if (post->msg_id) micro_send_extra(out, RI_STR("Nats-Msg-Id"), ri_str_of(post->msg_id));
    if (post->expect_last_seq)
        micro_send_extra(out, post->expect_subject ? RI_STR("Nats-Expected-Last-Subject-Sequence")
                                                   : RI_STR("Nats-Expected-Last-Sequence"),
                         micro_send_digits(out->digits[0], *post->expect_last_seq));
    if (post->expect_subject && !ri_str_eq(ri_str_of(post->expect_subject), out->subject))
        micro_send_extra(out, RI_STR("Nats-Expected-Last-Subject-Sequence-Subject"),
                         ri_str_of(post->expect_subject));
    uint64_t seconds = ((uint64_t)post->ttl_ms + 999) / 1000;
    if (post->ttl_ms)
        micro_send_extra(out, RI_STR("Nats-TTL"), post->ttl_ms == RILL_TTL_NEVER ? RI_STR("never")
                             : micro_send_digits(out->digits[1], seconds));
    return RILL_OK;
}

static int micro_send_header_bytes(ri_micro_out *out)
{
    RI_ASSERT(out->lines.len == 0 || out->nheaders > 0);
    if (out->nheaders + out->nextras == 0) return RILL_OK;
    int own = ri_headers_size(out->headers, out->nheaders);
    int extras = own < 0 ? own : ri_headers_size(out->extras, out->nextras);
    if (extras < 0) return extras;
    size_t twice = out->nheaders > 0 && out->nextras > 0 ? sizeof RI_HEADERS_EMPTY - 1 : 0;
    out->header_bytes = (size_t)own + (size_t)extras - twice + out->lines.len;
    return RILL_OK;
}

char *ri_micro_send_headers(char *at, const ri_micro_out *out)
{
    RI_ASSERT(out->nextras <= RI_MICRO_EXTRAS);
    if (out->nheaders == 0) return ri_headers_write(at, out->extras, out->nextras);
    at = ri_headers_write(at, out->headers, out->nheaders);
    if (out->nextras + out->lines.len == 0) return at;
    at -= 2; /* over the block's last CRLF */
    for (size_t i = 0; i < out->nextras; i++)
        at = ri_headers_write_line(at, out->extras[i].name, out->extras[i].value);
    return ri_headers_copy(ri_headers_copy(at, out->lines), RI_STR("\r\n"));
}

size_t ri_micro_send_bytes(const ri_micro_out *out)
{
    return ri_size_add(out->subject.len + out->reply.len, ri_size_add(out->header_bytes,
                                                                      out->data.len));
}

int ri_micro_send_out(rill_bus *bus, const char *subject, const void *data, size_t len,
                      const rill_post *post)
{
    RI_CHECK(bus, RI_MICRO_MAGIC);
    ri_micro_out *out = &bus->out;
    if (!subject || (!data && len > 0))
        return ri_err(RILL_EINVAL, "the subject or the data is NULL");
    out->subject = ri_str_of(subject);
    out->reply = RI_STR_NONE;
    out->data = (ri_str){data ? data : "", len};
    out->headers = NULL;
    out->nheaders = out->nextras = out->header_bytes = 0;
    int rc = ri_subject_check_literal(out->subject);
    if (rc >= 0 && post) rc = micro_send_post(out, post);
    if (rc >= 0) rc = micro_send_header_bytes(out);
    if (rc < 0) return rc;
    if (ri_micro_send_bytes(out) > bus->max_msg_bytes)
        return ri_err(RILL_ETOOBIG, "a message of %zu bytes is larger than max_msg_bytes, %lu",
                      ri_micro_send_bytes(out), (unsigned long)bus->max_msg_bytes);
    if (bus->closed) return ri_err(RILL_ECLOSED, "the connection was given up");
    return RILL_OK;
}

/* ---- rill.h ---- */

int rill_publish(rill_bus *bus, const char *subject, const void *data, size_t len,
                 const rill_post *post)
{
    int rc = ri_micro_bus_enter(bus);
    if (rc < 0) return rc;
    rc = ri_micro_send_out(bus, subject, data, len, post);
    if (rc >= 0) rc = bus->peer->publish(bus, &bus->out, NULL);
    if (rc >= 0) {
        bus->stats.in_msgs++;
        bus->stats.in_bytes += len;
    }
    return ri_micro_bus_leave(bus, rc);
}

int rill_publish_many(rill_bus *bus, const char *subject, const rill_str *data, size_t n)
{
    size_t done = 0;
    if (!data && n > 0) return ri_err(RILL_EINVAL, "the data is NULL");
    n = RI_MIN(n, (size_t)INT_MAX);
    for (; done < n; done++) {
        int rc = rill_publish(bus, subject, data[done].ptr, data[done].len, NULL);
        if (rc < 0) return done ? (int)done : rc;
    }
    return (int)done;
}

int rill_reply(const rill_msg *request, const void *data, size_t len, const rill_post *post)
{
    if (!request || request->reply.len == 0)
        return ri_err(RILL_EINVAL, "no answer is wanted for that message");
    return rill_publish(((const ri_micro_msg *)request)->bus, request->reply.ptr, data, len, post);
}

/* Begin a request: its call, or NULL with *rc. */
static ri_micro_call *micro_send_request(rill_bus *bus, const char *subject, const void *data,
                                         size_t len, const rill_post *post, int timeout_ms, int *rc)
{
    if (post && post->reply) {
        *rc = ri_err(RILL_EINVAL, "a request has a reply subject of its own");
        return NULL;
    }
    if ((*rc = ri_micro_send_out(bus, subject, data, len, post)) < 0) return NULL;
    ri_micro_call *call = ri_micro_call_new(bus, RI_MICRO_CALL_REQUEST, timeout_ms);
    if (!call) {
        *rc = RILL_EAGAIN;
        return NULL;
    }
    bus->out.reply = ri_micro_call_inbox(bus, call);
    call->subject_hash = ri_micro_call_hash(bus->out.subject);
    call->waited = true; /* until it is known that it began */
    *rc = bus->peer->publish(bus, &bus->out, call);
    if (*rc >= 0) return call;
    ri_micro_call_free(bus, call);
    return NULL;
}

int rill_request(rill_bus *bus, const char *subject, const void *data, size_t len,
                 const rill_post *post, rill_msg **reply, int timeout_ms)
{
    if (!reply) return ri_err(RILL_EINVAL, "no place for the reply was given");
    *reply = NULL;
    int rc = ri_micro_bus_enter(bus);
    if (rc < 0) return rc;
    if (ri_micro_bus_calls_back(bus))
        return ri_micro_bus_leave(bus, ri_err(RILL_EDEADLK,
                                              "a callback cannot wait for a request"));
    ri_micro_call *call = micro_send_request(bus, subject, data, len, post, timeout_ms, &rc);
    ri_micro_msg *answer = NULL;
    if (call) rc = ri_micro_call_wait(bus, call, &answer, NULL);
    if (rc >= 0) *reply = &answer->m;
    return ri_micro_bus_leave(bus, rc);
}

int rill_request_async(rill_bus *bus, const char *subject, const void *data, size_t len,
                       const rill_post *post, int timeout_ms, rill_reply_fn done, void *arg)
{
    int rc = ri_micro_bus_enter(bus);
    if (rc < 0) return rc;
    ri_micro_call *call = micro_send_request(bus, subject, data, len, post, timeout_ms, &rc);
    if (call) {
        call->waited = false;
        call->done.reply = done;
        call->arg = arg;
    }
    return ri_micro_bus_leave(bus, rc);
}

int rill_inbox(rill_bus *bus, char *out, size_t cap)
{
    int rc = ri_micro_bus_enter(bus);
    if (rc < 0) return rc;
    enum { LEN = 7 + RI_NUID_LEN };
    if (!out) rc = ri_err(RILL_EINVAL, "no place for the inbox was given");
    else if (cap < LEN + 1) rc = ri_err(RILL_ETOOBIG, "an inbox has %d bytes and a 0", LEN);
    if (rc < 0) return ri_micro_bus_leave(bus, rc);
    memcpy(out, "_INBOX.", 7);
    ri_nuid_next(&bus->nuid, out + 7);
    out[LEN] = 0;
    return ri_micro_bus_leave(bus, LEN);
}
