/* SPDX-License-Identifier: Apache-2.0 */
/* What is under way of a forward: a message becomes one of the target's, its append is awaited, and
 * what was stored is settled at the source, in the source's order. */
#include "front/forward/forward.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/nats/headers.h"

enum { SEND_SETTLE = 32 }; /* that are settled in one stay */

/* ---- A message for the target ---- */

/* What a publisher has asked a stream for does not hold for the next one, and where a message came
 * from at the one before is no news. */
static bool send_drops(ri_str name)
{
    if (ri_str_is(name, RI_ORIGIN_HEADER)) return true;
    return ri_str_starts(name, RI_STR("Nats-")) && !ri_str_is(name, "Nats-Marker-Reason");
}

/* Headers of the source's, but those; and where it comes from. A message without a key has its
 * subject for one, at a peer whose streams have one subject each. */
static int send_headers(rill_forward *f, const rill_msg *m, ri_str origin)
{
    ri_buffer *block = &f->block;
    ri_str rest = ri_bus_msg_of(m)->headers;
    rill_header h;
    const char *key = f->to->ops->key;
    bool keyed = !key || ri_str_is(m->subject, f->into);
    int rc = RILL_OK;
    ri_buffer_reset(block);
    while (rc == RILL_OK && rest.len && ri_headers_next(&rest, &h)) {
        keyed = keyed || ri_str_is(h.name, key);
        if (!send_drops(h.name)) rc = ri_headers_add(block, h.name, h.value);
    }
    if (rc == RILL_OK && !keyed) rc = ri_headers_add(block, ri_str_of(key), m->subject);
    return rc == RILL_OK ? ri_headers_add(block, f->header, origin) : rc;
}

static int send_subject(rill_forward *f, const rill_msg *m, ri_str *subject)
{
    *subject = f->to->ops->key ? ri_str_of(f->into) : m->subject;
    if (!f->map) return RILL_OK;
    ri_buffer_reset(&f->subject);
    f->dice = f->dice * UINT64_C(6364136223846793005) + 1442695040888963407;
    if (ri_transform_apply(f->map, m->subject, f->dice, &f->subject) == 0) return RILL_OK;
    *subject = ri_buffer_str(&f->subject);
    return f->subject.failed ? RILL_ENOMEM : RILL_OK;
}

static int send_make(rill_forward *f, const rill_msg *m, const ri_origin *origin, ri_message *out)
{
    char text[2 * RI_ASK_NAME_MAX + RI_ORIGIN_MAX + 2];
    RI_ASSERT(f->names.len + RI_ORIGIN_MAX <= sizeof text);
    char *end = ri_origin_write(ri_str_put(text, f->names), origin);
    int rc = send_headers(f, m, (ri_str){text, (size_t)(end - text)});
    *out = (ri_message){.data = m->data, .headers = ri_buffer_str(&f->block)};
    return rc == RILL_OK ? send_subject(f, m, &out->subject) : rc;
}

/* ---- Under way: inside the gate of `to` ---- */

/* The target will never take it. */
static bool send_is_final(int code)
{
    return code == RILL_ETOOBIG || code == RILL_EINVAL || code == RILL_ENOTSUP;
}

static int send_code(const ri_js_append *append)
{
    return append->err_code == RI_JS_STREAM_NOT_FOUND ? RILL_ENOREPLY : append->code;
}

static void send_over(ri_forward_sent *s)
{
    rill_forward *f = s->forward;
    RI_ASSERT(ri_broker_is_entered(f->to->broker) && ri_list_linked(&s->link));
    int code = send_code(&s->stray.append);
    bool dead = send_is_final(code) && f->group.dead_letters;
    s->fate = !code ? RI_FORWARD_STORED : dead ? RI_FORWARD_DEAD : RI_FORWARD_FAILED;
    if (s->fate == RI_FORWARD_FAILED && !f->failing) {
        ri_failure_keep(&f->why, ri_bus_append_result(&s->stray.append, NULL));
        f->failing = true;
    }
    if (s->fate == RI_FORWARD_FAILED || f->sent.next == &s->link) ri_bus_job_call(&f->writer);
}

static void send_done(ri_js_waiter *waiter, int rc)
{
    ri_forward_sent *s = ri_container_of(waiter, ri_forward_sent, stray.append.waiter);
    RI_ASSERT(s->fate == RI_FORWARD_SENT);
    ri_bus_append_over(&s->stray.append, rc);
    send_over(s);
}

/* Inside the gate. */
static ri_forward_sent *send_new(rill_forward *f)
{
    ri_list *link = ri_list_pop(&f->spare);
    ri_forward_sent *s = link ? ri_container_of(link, ri_forward_sent, link)
                              : ri_new(&f->to->host, ri_forward_sent);
    if (!s) return NULL;
    if (!link) ri_buffer_init(&s->ack, &f->to->host);
    ri_bus_stray_init(&s->stray, f->to, sizeof *s, send_done);
    ri_list_init(&s->link);
    s->forward = f;
    s->fate = RI_FORWARD_SENT;
    return s;
}

static void send_free(rill_forward *f, ri_forward_sent *s)
{
    ri_buffer_fini(&s->ack);
    ri_delete(&f->to->host, s);
}

static void send_push(rill_forward *f, ri_forward_sent *s)
{
    ri_list_push(&f->sent, &s->link);
    f->sent_bytes += s->bytes;
    if (f->nsent++ == 0 && f->to->ops->ids) /* its answer may never come */
        ri_bus_job_call_in(&f->writer, f->to->answer_ns);
}

static void send_remove(rill_forward *f, ri_forward_sent *s)
{
    RI_ASSERT(f->nsent > 0 && f->sent_bytes >= s->bytes);
    ri_list_remove(&s->link);
    f->nsent--;
    f->sent_bytes -= s->bytes;
}

/* ---- Sending: by the reader ---- */

/* Inside the gate. */
static int send_append(rill_forward *f, ri_forward_sent *s, const ri_message *m,
                       ri_bus_inline *frame)
{
    RI_ASSERT(ri_broker_is_entered(f->to->broker) && !ri_list_linked(&s->link));
    int rc = ri_bus_check(f->to, m);
    if (rc < 0) return rc;
    ri_publish p = {.m = m, .append = &s->stray.append, .frame = frame, .once = true};
    send_push(f, s);
    rc = f->to->ops->append(f->to, &p, false);
    if (rc >= 0 || ri_list_linked(&s->stray.append.waiter.link)) return RILL_OK;
    send_remove(f, s);
    return rc;
}

/* Inside the gate: what can be said of the message at once. */
static int send_refused(rill_forward *f, ri_forward_sent *s, int rc)
{
    if (rc == RILL_OK) return RILL_OK;
    if (!send_is_final(rc) || !f->group.dead_letters) {
        ri_list_push(&f->spare, &s->link);
        return rc;
    }
    ri_js_append_fail(&s->stray.append, rc);
    send_push(f, s);
    send_over(s);
    return RILL_OK;
}

/* Inside the gate. */
static int send_prepare(rill_forward *f, const rill_msg *m, const ri_origin *origin,
                        ri_forward_sent **out)
{
    RI_ASSERT(ri_broker_is_entered(f->to->broker) && origin->seq > 0);
    ri_forward_sent *s = send_new(f);
    if (!s) return RILL_ENOMEM;
    s->origin = *origin;
    s->sent_ns = ri_mono_ns(&f->to->host);
    s->bytes = m->subject.len + m->data.len + ri_bus_msg_of(m)->headers.len;
    ri_buffer_reset(&s->ack);
    ri_buffer_put_str(&s->ack, ri_bus_msg_of(m)->ack);
    *out = s;
    if (!s->ack.failed) return RILL_OK;
    ri_list_push(&f->spare, &s->link);
    return RILL_ENOMEM;
}

static int send_known(rill_forward *f, const rill_msg *m, const ri_origin *origin)
{
    ri_forward_sent *s;
    ri_broker_enter(f->to->broker);
    int rc = send_prepare(f, m, origin, &s);
    if (rc == RILL_OK) {
        s->fate = RI_FORWARD_KNOWN;
        send_push(f, s);
        if (f->sent.next == &s->link) ri_bus_job_call(&f->writer);
    }
    ri_broker_leave(f->to->broker);
    return rc;
}

int ri_forward_send(rill_forward *f, const rill_msg *m)
{
    RI_ASSERT(ri_forward_is_sound(f));
    ri_message message;
    ri_forward_sent *s;
    ri_origin origin = {.seq = m->seq, .time_ns = RI_MAX(m->time_ns, 0),
                        .partition = m->partition};
    if (ri_forward_look_knows(f, &origin)) return send_known(f, m, &origin);
    int rc = send_make(f, m, &origin, &message);
    ri_bus_inline frame = {.m = &message};
    if (rc == RILL_OK) rc = ri_bus_enter_append(f->to);
    if (rc < 0) return rc;
    rc = f->failing ? 1 : send_prepare(f, m, &origin, &s);
    if (rc == RILL_OK) rc = send_refused(f, s, send_append(f, s, &message, &frame));
    ri_broker_leave(f->to->broker);
    if (frame.first) ri_bus_inline_run(f->to->broker, &frame);
    return rc;
}

bool ri_forward_send_has(rill_forward *f, const ri_origin *origin)
{
    bool has = false;
    ri_broker_enter(f->to->broker);
    ri_list_each (link, &f->sent) {
        const ri_forward_sent *s = ri_container_of(link, ri_forward_sent, link);
        has = has || ri_origin_compare(&s->origin, origin) == 0;
    }
    ri_broker_leave(f->to->broker);
    return has;
}

/* ---- The writer ---- */

/* Inside the gate: those at the front that are over, up to SEND_SETTLE, leave. What is behind one
 * that was not stored is not settled, whatever became of it: it comes again, and is found. */
static size_t send_take_over(rill_forward *f, ri_forward_sent *over[SEND_SETTLE])
{
    size_t n = 0;
    while (n < SEND_SETTLE && !ri_list_empty(&f->sent)) {
        ri_forward_sent *s = ri_container_of(f->sent.next, ri_forward_sent, link);
        if (s->fate == RI_FORWARD_SENT) break;
        f->broken = f->broken || s->fate == RI_FORWARD_FAILED;
        send_remove(f, s);
        if (f->broken) ri_list_push(&f->spare, &s->link);
        else over[n++] = s;
    }
    return n;
}

/* Outside the gates. What cannot be settled comes again, and is found. */
static void send_settle(rill_forward *f, ri_forward_sent *const *over, size_t n)
{
    ri_bus_msg views[SEND_SETTLE];
    RI_ASSERT(n <= SEND_SETTLE);
    if (n == 0 || ri_bus_enter(f->from) < 0) return;
    for (size_t end, i = 0; i < n; i = end) {
        bool dead = over[i]->fate == RI_FORWARD_DEAD;
        for (end = i; end < n && (over[end]->fate == RI_FORWARD_DEAD) == dead; end++)
            views[end] = (ri_bus_msg){.bus = f->from, .ack = ri_buffer_str(&over[end]->ack)};
        f->from->ops->settle(f->from, views + i, end - i, dead ? RI_STR("+TERM") : RI_STR_NONE);
    }
    ri_broker_leave(f->from->broker);
}

/* Inside the gate. */
static void send_count(rill_forward *f, ri_forward_sent *const *over, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ri_forward_sent *s = over[i];
        RI_ASSERT(s->fate == RI_FORWARD_STORED || s->fate == RI_FORWARD_KNOWN ||
                  s->fate == RI_FORWARD_DEAD);
        bool repeated = s->fate == RI_FORWARD_KNOWN || s->stray.append.duplicate;
        if (s->fate == RI_FORWARD_DEAD) f->info.dead_msgs++;
        else if (repeated) f->info.known_msgs++;
        else f->info.msgs++;
        if (s->fate == RI_FORWARD_STORED && !repeated) f->info.bytes += s->bytes;
        ri_list_push(&f->spare, &s->link);
    }
    if (n) f->pause_ns = 0;
}

/* Inside the gate: an answer that never comes. A peer with ids may be sent a message again. */
static void send_give_up(rill_forward *f)
{
    if (!f->to->ops->ids) return;
    ri_list_each (link, &f->sent) {
        ri_forward_sent *s = ri_container_of(link, ri_forward_sent, link);
        if (s->fate != RI_FORWARD_SENT) continue;
        ri_bus_stray_give_up(&s->stray);
        ri_js_append_fail(&s->stray.append,
                          ri_err(RILL_ETIMEDOUT, "a message was not acknowledged in time"));
        send_over(s);
    }
}

/* Inside the gate: is the oldest late? Else the writer comes again when it will be. */
static bool send_is_late(rill_forward *f)
{
    if (ri_list_empty(&f->sent) || !f->to->ops->ids) return false;
    int64_t since_ns = ri_container_of(f->sent.next, ri_forward_sent, link)->sent_ns;
    if (f->phase == RI_FORWARD_DRAIN) since_ns = RI_MAX(since_ns, f->drain_ns);
    int64_t left_ns = ri_ns_sub(ri_ns_add(since_ns, f->to->answer_ns), ri_mono_ns(&f->to->host));
    if (left_ns <= 0) return true;
    ri_bus_job_call_in(&f->writer, left_ns);
    return false;
}

static void send_look_after(rill_forward *f)
{
    ri_broker_enter(f->to->broker);
    if (send_is_late(f)) send_give_up(f);
    bool fails = f->failing && f->phase == RI_FORWARD_FLOW;
    int rc = fails ? ri_failure_restore(&f->why) : RILL_OK;
    bool resumes = f->held && f->sent_bytes < RI_FORWARD_BYTES / 2;
    if (resumes) f->held = false;
    ri_broker_leave(f->to->broker);
    if (fails) ri_forward_fail(f, rc);
    else if (resumes) ri_forward_call(&f->reader, f->from, 0);
}

void ri_forward_send_run(ri_bus_job *job)
{
    rill_forward *f = ri_container_of(job, rill_forward, writer);
    RI_ASSERT(ri_forward_is_sound(f));
    ri_forward_sent *over[SEND_SETTLE];
    if (ri_forward_phase_of(f) == RI_FORWARD_LOOK) {
        ri_forward_look_run(f);
        return;
    }
    ri_forward_look_end(f); /* of one that a failure has cut short */
    size_t n;
    do {
        ri_broker_enter(f->to->broker);
        n = send_take_over(f, over);
        ri_broker_leave(f->to->broker);
        send_settle(f, over, n);
        ri_broker_enter(f->to->broker);
        send_count(f, over, n);
        ri_broker_leave(f->to->broker);
    } while (n == SEND_SETTLE);
    send_look_after(f);
    ri_forward_drained(f);
}

void ri_forward_send_fini(rill_forward *f)
{
    RI_ASSERT(!f->writer.bus);
    ri_broker_enter(f->to->broker);
    for (ri_list *link; (link = ri_list_pop(&f->sent)) != NULL;) {
        ri_forward_sent *s = ri_container_of(link, ri_forward_sent, link);
        bool waits = ri_list_linked(&s->stray.append.waiter.link);
        bool stays = waits && !f->to->ops->ids;
        if (waits && !stays) ri_bus_stray_give_up(&s->stray);
        ri_buffer_fini(&s->ack);
        if (stays) ri_bus_stray_leave(&s->stray);
        else ri_delete(&f->to->host, s);
    }
    for (ri_list *link; (link = ri_list_pop(&f->spare)) != NULL;)
        send_free(f, ri_container_of(link, ri_forward_sent, link));
    ri_broker_leave(f->to->broker);
}
