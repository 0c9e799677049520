/* SPDX-License-Identifier: Apache-2.0 */
/* What is published on a stream's subjects on its way into the stream.
 *
 *     deliver op --> batch? --> staged (batch.c)
 *         |
 *         +--> check: sealed, counter, expectations, schedule, window of ids, rollup, sizes, limits
 *         +--> append to the open commit; ids, times to live, rollup, limits
 *         +--> the PubAck is put together and leaves with that commit
 *
 * Nothing is published in here, and the interest stays as it is: we are within a publish. The
 * order of the checks is nats-server's, since a message that fails two of them is answered with the
 * first. */
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/number.h"
#include "codec/jetstream/duration.h"
#include "codec/nats/headers.h"
#include "codec/limits.h"
#include "codec/subject/subject.h"
#include "engine/streams/js_state.h"
#include "engine/streams/purge.h"
#include "engine/streams/view.h"

enum { INGEST_UNITS = 6 }; /* of the turn, for a message that is stored */

/* ---- Headers ---- */

typedef struct ingest_name {
    const char *name; /* behind "Nats-" */
    size_t len;
    size_t span;      /* offset in ri_asked of the value */
    size_t flag;      /* and of "it was there"; 0: none */
} ingest_name;

#define INGEST_NAME(text, span, flag) \
    {(text), sizeof(text) - 1, offsetof(ri_asked, span), offsetof(ri_asked, flag)}

static const ingest_name ingest_names[] = {
    INGEST_NAME("Msg-Id", msg_id, has_msg_id),
    INGEST_NAME("Expected-Stream", expected_stream, any),
    INGEST_NAME("Expected-Last-Sequence", expected_seq_text, any),
    INGEST_NAME("Expected-Last-Subject-Sequence", expected_subject_seq_text, any),
    INGEST_NAME("Expected-Last-Subject-Sequence-Subject", expected_subject, has_expected_subject),
    INGEST_NAME("Expected-Last-Msg-Id", expected_msg_id, has_expected_msg_id),
    INGEST_NAME("TTL", ttl, has_ttl),
    INGEST_NAME("Rollup", rollup, any),
    INGEST_NAME("Incr", incr, has_incr),
    INGEST_NAME("Schedule", schedule, has_schedule),
    INGEST_NAME("Schedule-Next", schedule_next, any),
    INGEST_NAME("Scheduler", scheduler, any),
    INGEST_NAME("Batch-Id", batch_id, has_batch),
    INGEST_NAME("Batch-Sequence", batch_seq, any),
    INGEST_NAME("Batch-Commit", batch_commit, any),
    INGEST_NAME("Stream-Source", source, has_source),
    INGEST_NAME("Marker-Reason", marker, has_marker),
};

static void ingest_read_one(const rill_header *header, ri_asked *asked)
{
    ri_str name = ri_str_from(header->name, 5);
    for (size_t i = 0; i < RI_LEN(ingest_names); i++) {
        const ingest_name *row = &ingest_names[i];
        if (row->len != name.len || memcmp(row->name, name.ptr, name.len) != 0) continue;
        ri_str *span = (ri_str *)(void *)((char *)asked + row->span);
        bool *flag = (bool *)((char *)asked + row->flag);
        if (span->ptr) return; /* the first one counts */
        *span = header->value;
        *flag = asked->any = true;
        return;
    }
}

void ri_ingest_shift(ri_asked *asked, uintptr_t by)
{
    for (size_t i = 0; i < RI_LEN(ingest_names); i++) {
        ri_str *span = (ri_str *)(void *)((char *)asked + ingest_names[i].span);
        if (span->ptr) span->ptr = (const char *)((uintptr_t)span->ptr + by);
    }
}

/* Seconds, a Go duration of at least one, or "never" (-1). */
static bool ingest_ttl(ri_str text, int64_t *ns)
{
    uint64_t seconds;
    if (ri_str_is(text, "never")) {
        *ns = -1;
        return true;
    }
    if (ri_number_read(text, &seconds)) {
        if (seconds == 0 || seconds > INT64_MAX / RI_SEC) return false;
        *ns = ri_ns_of_s((int64_t)seconds);
        return true;
    }
    return ri_duration_read(text, ns) && *ns >= RI_SEC;
}

/* What is no number is no sequence that was ever assigned, but still an expectation. */
static bool ingest_expected(ri_str text, uint64_t *seq)
{
    if (text.len && !ri_number_read(text, seq)) *seq = UINT64_MAX;
    return text.len > 0;
}

void ri_ingest_read(ri_str headers, ri_asked *asked)
{
    memset(asked, 0, sizeof *asked);
    rill_header header;
    while (ri_headers_next(&headers, &header))
        if (ri_str_starts(header.name, RI_STR("Nats-"))) ingest_read_one(&header, asked);
    if (!asked->any) return;
    asked->has_msg_id = asked->msg_id.len > 0;
    asked->has_expected_seq = ingest_expected(asked->expected_seq_text, &asked->expected_seq);
    asked->has_expected_subject_seq =
        ingest_expected(asked->expected_subject_seq_text, &asked->expected_subject_seq);
    asked->bad_ttl = asked->has_ttl && !ingest_ttl(asked->ttl, &asked->ttl_ns);
}

/* A block whose first line has a status keeps its keys only. */
static int ingest_strip_status(ri_ingest *in)
{
    static const char plain[] = "NATS/1.0\r\n";
    if (in->headers.len == 0 || ri_str_starts(in->headers, RI_STR(plain))) return RILL_OK;
    const char *eol = memchr(in->headers.ptr, '\n', in->headers.len);
    if (!eol) return RILL_OK;
    ri_str rest = ri_str_from(in->headers, (size_t)(eol - in->headers.ptr) + 1);
    ri_buffer *out = &in->stream->js->headers;
    ri_buffer_reset(out);
    if (rest.len > 2) {
        ri_buffer_puts(out, plain);
        ri_buffer_put_str(out, rest);
    }
    if (out->failed) return RILL_ENOMEM;
    in->headers = out->len ? ri_buffer_str(out) : RI_STR_NONE;
    return RILL_OK;
}

/* ---- Checks ---- */

static int ingest_check_ttl(const ri_ingest *in, ri_js_error *e)
{
    const ri_asked *asked = &in->asked;
    if (!asked->has_ttl) return RILL_OK;
    if (asked->bad_ttl) return ri_jserror_set(e, RI_JS_MESSAGE_TTL_INVALID, NULL);
    if (asked->ttl_ns != 0 && !in->stream->conf.allow_msg_ttl)
        return ri_jserror_set(e, RI_JS_MESSAGE_TTL_DISABLED, NULL);
    return RILL_OK;
}

static int ingest_check_expected(const ri_ingest *in, ri_js_error *e)
{
    const ri_asked *asked = &in->asked;
    ri_stream *stream = in->stream;
    if (asked->has_expected_subject_seq && stream->view)
        return ri_jserror_set(e, RI_JS_STREAM_EXPECTED_LAST_SEQ_PER_SUBJECT_INVALID, NULL);
    if (asked->has_expected_subject_seq) {
        ri_str subject = asked->has_expected_subject ? asked->expected_subject : in->subject;
        uint64_t last = ri_expected_last(stream, subject);
        if (last != asked->expected_subject_seq)
            return ri_jserror_set(e, RI_JS_STREAM_WRONG_LAST_SEQUENCE, "%llu",
                                  (unsigned long long)last);
    } else if (asked->has_expected_subject) {
        return ri_jserror_set(e, RI_JS_STREAM_EXPECTED_LAST_SEQ_PER_SUBJECT_INVALID, NULL);
    }
    if (asked->has_expected_seq && asked->expected_seq != stream->last_seq)
        return ri_jserror_set(e, RI_JS_STREAM_WRONG_LAST_SEQUENCE, "%llu",
                              (unsigned long long)stream->last_seq);
    return RILL_OK;
}

static int ingest_check_rollup(const ri_ingest *in, ri_js_error *e)
{
    ri_str rollup = in->asked.rollup;
    if (rollup.len == 0) return RILL_OK;
    if (!in->stream->conf.allow_rollup_hdrs || in->stream->conf.deny_purge)
        return ri_jserror_set(e, RI_JS_STREAM_ROLLUP_FAILED, "rollup not permitted");
    if (ri_str_is(rollup, "sub") || ri_str_is(rollup, "all")) return RILL_OK;
    return ri_jserror_set(e, RI_JS_STREAM_ROLLUP_FAILED, "rollup value invalid: \"%.*s\"",
                          RI_ARG(rollup));
}

/* RILL_OK with in->duplicate when the id is known. */
static int ingest_check_ids(ri_ingest *in, ri_js_error *e)
{
    const ri_asked *asked = &in->asked;
    ri_stream *stream = in->stream;
    if (asked->has_msg_id && stream->conf.duplicate_window > 0 &&
        ri_dedupe_find(&stream->dedupe, asked->msg_id, in->time_ns, &in->seq)) {
        in->duplicate = true;
        return RILL_OK;
    }
    ri_str last = {stream->last_id, stream->last_id_len};
    if (asked->has_expected_msg_id && asked->expected_msg_id.len &&
        !ri_str_eq(asked->expected_msg_id, last))
        return ri_jserror_set(e, RI_JS_STREAM_WRONG_LAST_MSG_ID, "%.*s", RI_ARG(last));
    return RILL_OK;
}

int ri_ingest_check(ri_ingest *in, ri_js_error *e)
{
    ri_stream *stream = in->stream;
    const ri_stream_conf *conf = &stream->conf;
    const ri_asked *asked = &in->asked;
    int rc;
    if (conf->sealed) return ri_jserror_set(e, RI_JS_STREAM_SEALED, NULL);
    if (asked->any || conf->allow_msg_counter) {
        if ((rc = ri_counter_check(in, e)) < 0) return rc;
        if (asked->expected_stream.len && !ri_str_eq(asked->expected_stream, conf->name))
            return ri_jserror_set(e, RI_JS_STREAM_NOT_MATCH, NULL);
        if ((rc = ingest_check_ttl(in, e)) < 0) return rc;
        if ((rc = ingest_check_expected(in, e)) < 0) return rc;
        if ((rc = ri_schedule_check(in, e)) < 0) return rc;
        if (asked->has_source && !in->internal)
            return ri_jserror_set(e, RI_JS_MESSAGE_SOURCE_HDR_NOT_ALLOWED, NULL);
        if ((rc = ingest_check_ids(in, e)) < 0 || in->duplicate) return rc;
        if ((rc = ingest_check_rollup(in, e)) < 0) return rc;
    }
    if (conf->max_msg_size >= 0 && in->headers.len + in->data.len > (size_t)conf->max_msg_size)
        return ri_jserror_set(e, RI_JS_STREAM_MESSAGE_EXCEEDS_MAXIMUM, NULL);
    if (in->headers.len > RI_LIMIT_HEADER_BYTES)
        return ri_jserror_set(e, RI_JS_STREAM_HEADER_EXCEEDS_MAXIMUM, NULL);
    return ri_retention_admit(in, e);
}

/* ---- Storing ---- */

void ri_ingest_set_last_id(ri_stream *stream, ri_str id)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    const ri_host *host = stream->js->host;
    if (stream->last_id && stream->last_id_len == id.len) {
        if (id.len) memcpy(stream->last_id, id.ptr, id.len);
        return;
    }
    if (stream->last_id) ri_free(host, stream->last_id, stream->last_id_len + 1);
    stream->last_id = id.len ? ri_strdup(host, id.ptr, id.len) : NULL;
    stream->last_id_len = stream->last_id ? id.len : 0;
}

/* What else is known of a message that has been stored as in->seq. */
static void ingest_note(ri_ingest *in)
{
    ri_stream *stream = in->stream;
    const ri_asked *asked = &in->asked;
    if (stream->last_id || asked->has_msg_id) ri_ingest_set_last_id(stream, asked->msg_id);
    if (in->flags & RI_RECORD_TTL) {
        int64_t due_ns = ri_ns_add(in->time_ns, asked->ttl_ns);
        int64_t mono_ns = in->lifted ? ri_ns_add(stream->js->mono_ns, asked->ttl_ns)
                                     : ri_js_mono_of(stream->js, due_ns);
        if (in->lifted) /* its time is not when it came */
            ri_agenda_put(&stream->lifted_ttls, mono_ns, in->seq);
        else
            ri_agenda_put(&stream->ttls, due_ns, in->seq);
        ri_js_arm(stream, mono_ns);
    }
    if (in->flags & RI_RECORD_SCHEDULE)
        ri_schedule_put(stream, in->headers, in->seq, in->time_ns);
    if (in->flags & (RI_RECORD_TTL | RI_RECORD_SCHEDULE)) ri_room_stream(stream);
    if (asked->scheduler.len) ri_schedule_stored(in);
}

/* Older messages give way to one with Nats-Rollup. */
static void ingest_rollup(ri_ingest *in)
{
    ri_stream *stream = in->stream;
    if (ri_str_is(in->asked.rollup, "all")) {
        ri_retention_purge(stream, in->seq);
        return;
    }
    if (!ri_subject_is_literal(in->subject)) { /* published to a filter: all that it matches */
        uint64_t purged;
        ri_js_error ignored = {0};
        ri_purge_whole(stream, in->subject, in->seq, 0, &purged, &ignored);
        return;
    }
    ri_subject_info info;
    while (ri_track_subject(stream->track, in->subject, &info) >= 0 && info.first_seq < in->seq)
        if (ri_retention_remove(stream, info.first_seq, false) < 0) break;
}

/* A time to live below that of the markers would end before the marker of a message before it: it
 * is as long as theirs. */
static int ingest_raise_ttl(ri_ingest *in)
{
    const ri_stream_conf *conf = &in->stream->conf;
    int64_t marker_s = conf->subject_delete_marker_ttl / RI_SEC;
    ri_buffer *out = &in->stream->js->lived;
    char text[24];
    if (!in->asked.has_ttl || in->asked.ttl_ns <= 0 || conf->max_msgs_per_subject == 1)
        return RILL_OK;
    if (in->asked.ttl_ns / RI_SEC >= marker_s) return RILL_OK;
    int len = snprintf(text, sizeof text, "%lld", (long long)marker_s);
    ri_buffer_reset(out);
    ri_buffer_put_str(out, in->headers);
    int rc = out->failed ? RILL_ENOMEM
                         : ri_headers_replace(out, RI_STR("Nats-TTL"), (ri_str){text, (size_t)len});
    if (rc < 0) return rc;
    in->headers = ri_buffer_str(out);
    ri_ingest_read(in->headers, &in->asked);
    return RILL_OK;
}

/* What the stream does with it: a copy brings headers that another stream allows. */
static void ingest_flags(ri_ingest *in)
{
    const ri_asked *asked = &in->asked;
    const ri_stream_conf *conf = &in->stream->conf;
    if (!asked->any) return;
    if (asked->has_ttl && (conf->allow_msg_ttl || conf->subject_delete_marker_ttl > 0)) {
        if (asked->ttl_ns > 0) in->flags |= RI_RECORD_TTL;
        if (asked->ttl_ns < 0) in->flags |= RI_RECORD_NEVER;
    }
    if (asked->has_marker) in->flags |= RI_RECORD_MARKER;
    if (asked->has_schedule && conf->allow_msg_schedules) in->flags |= RI_RECORD_SCHEDULE;
}

/* A schedule is stored with Nats-Rollup, which it is: a copy of the stream keeps one, too. */
static ri_str ingest_headers(const ri_ingest *in)
{
    if (!in->asked.has_schedule || in->asked.rollup.len || in->headers.len < 2) return in->headers;
    ri_buffer *out = &in->stream->js->answer;
    ri_buffer_reset(out);
    ri_buffer_put(out, in->headers.ptr, in->headers.len - 2); /* less the last CRLF */
    ri_buffer_puts(out, "Nats-Rollup: sub\r\n\r\n");
    return out->failed ? in->headers : ri_buffer_str(out);
}

static int ingest_failed(ri_ingest *in, ri_js_error *e, int rc)
{
    if (in->append) ri_js_append_fail(in->append, rc); /* as the store says it */
    if (rc == RILL_ENOMEM) return ri_jserror_no_memory(e);
    if (rc == RILL_EFULL) return ri_jserror_set(e, RI_JS_INSUFFICIENT_RESOURCES, NULL);
    return ri_jserror_of(e, RI_JS_STREAM_STORE_FAILED, rc);
}

/* Before it is stored: a message whose id cannot be remembered is refused. */
static int ingest_remember(ri_ingest *in, ri_js_error *e)
{
    ri_stream *stream = in->stream;
    ri_dedupe *dedupe = &stream->dedupe;
    if (!in->asked.has_msg_id || stream->conf.duplicate_window <= 0) return RILL_OK;
    uint64_t forgotten = dedupe->forgotten;
    ri_dedupe_expire(dedupe, in->time_ns);
    int rc = ri_ids_make_room(stream, in->asked.msg_id);
    if (ri_likely(rc == RILL_OK))
        rc = ri_dedupe_add(dedupe, in->asked.msg_id, in->keep_seq ? in->seq : stream->last_seq + 1,
                           in->time_ns);
    ri_ids_count(stream);
    if (dedupe->forgotten != forgotten) ri_js_busy(stream); /* it reports that */
    if (rc == RILL_ENOMEM) return ingest_failed(in, e, rc);
    if (rc < 0)
        return ri_jserror_set(e, RI_JS_STREAM_STORE_FAILED, "maximum message ids exceeded: %s",
                              ri_err_text());
    return RILL_OK;
}

int ri_ingest_append(ri_ingest *in, ri_js_error *e)
{
    ri_stream *stream = in->stream;
    int rc = stream->conf.subject_delete_marker_ttl > 0 ? ingest_raise_ttl(in) : RILL_OK;
    if (rc < 0) return ingest_failed(in, e, rc);
    if ((rc = ingest_remember(in, e)) < 0) return rc;
    ingest_flags(in);
    in->lifted = in->time_ns < stream->last_time_ns;
    if (ri_unlikely(in->lifted)) in->time_ns = stream->last_time_ns;
    if (stream->conf.retention == RI_RETAIN_INTEREST && !ri_retention_wanted(stream, in->subject)) {
        if (!in->keep_seq) in->seq = stream->last_seq + 1;
        stream->last_seq = in->seq; /* nobody will read it, but it has its number and time */
        stream->last_time_ns = in->time_ns;
        ri_track_skip_to(stream->track, stream->last_seq + 1);
        ingest_note(in);
        ri_ids_gone(stream, in->seq, in->seq);
        return RILL_OK;
    }
    uint64_t before = stream->republish ? ri_expected_last(stream, in->subject) : 0;
    ri_record record = {.time_ns = in->time_ns, .subject = in->subject,
                        .headers = ingest_headers(in), .data = in->data, .flags = in->flags};
    if (in->keep_seq) record.seq = in->seq;
    bool lent = ri_unlikely(in->lent != NULL);
    rc = lent ? ri_track_append_lent(stream->track, &record, in->lent)
              : ri_track_append(stream->track, &record);
    if (rc < 0) {
        if (in->asked.has_msg_id) ri_dedupe_forget(&stream->dedupe, in->asked.msg_id);
        return ingest_failed(in, e, rc);
    }
    ri_budget_spend(&stream->js->router->budget,
                    INGEST_UNITS + (lent ? 0 : ri_budget_bytes(in->headers.len + in->data.len)));
    RI_ASSERT(record.seq > stream->last_seq);
    in->seq = stream->last_seq = record.seq;
    stream->last_time_ns = record.time_ns;
    ri_stream_touch(stream);
    ingest_note(in);
    if (in->asked.rollup.len && stream->conf.allow_rollup_hdrs) ingest_rollup(in);
    if (in->flags & RI_RECORD_SCHEDULE) ingest_rollup(in); /* one schedule a subject */
    ri_retention_stored(stream, in->subject);
    if (ri_unlikely(in->lifted)) ri_retention_lifted(stream, in->seq);
    if (stream->republish) ri_echo_add(stream, in, before);
    return RILL_OK;
}

int ri_ingest_store(ri_ingest *in, ri_js_error *e)
{
    int rc = ri_ingest_check(in, e);
    if (rc < 0 || in->duplicate) return rc;
    if (in->asked.has_incr && (rc = ri_counter_apply(in, e)) < 0) return rc;
    return ri_ingest_append(in, e);
}

/* ---- Answering ---- */

static void ingest_answer_native(ri_ingest *in, int rc, const ri_js_error *e)
{
    ri_js *js = in->stream->js;
    ri_js_append *a = in->append;
    a->taken = true;
    a->stream = in->stream;
    if (rc < 0) {
        ri_js_append_refuse(a, rc, e);
        ri_list_push(&js->now_waiters, &a->waiter.link);
        return;
    }
    a->seq = in->seq;
    a->duplicate = in->duplicate;
    if (in->stream->conf.persist_mode == RI_PERSIST_ASYNC)
        ri_list_push(&js->now_waiters, &a->waiter.link);
    else
        ri_js_wait(js, in->stream->store->log, &a->waiter);
}

static bool ingest_make_head(ri_js *js, const ri_stream *stream)
{
    js->ack_stream = NULL;
    ri_buffer_reset(&js->ack_head);
    ri_jshot_puback_head(stream->conf.name, ri_str_of(js->opts.domain), &js->ack_head);
    if (js->ack_head.failed) return false;
    js->ack_stream = stream;
    return true;
}

/* An ack that holds no more than the sequence is written straight into the outbox. */
static void ingest_ack(const ri_ingest *in, ri_str reply, ri_js_store *store)
{
    ri_js *js = in->stream->js;
    if (js->ack_stream != in->stream && !ingest_make_head(js, in->stream)) return;
    ri_str head = ri_buffer_str(&js->ack_head);
    ri_js_draft draft;
    if (!ri_js_answer_begin(js, store, reply, head.len + RI_JS_PUBACK_MAX, &draft)) return;
    ri_js_answer_end(&draft, ri_jshot_puback_put(head, in->seq, draft.body));
}

void ri_ingest_answer(ri_ingest *in, ri_str reply, const ri_js_error *e, ri_str batch,
                      uint64_t count)
{
    ri_stream *stream = in->stream;
    ri_js *js = stream->js;
    if (reply.len == 0 || stream->conf.no_ack) return;
    bool at_once = e->code || stream->conf.persist_mode == RI_PERSIST_ASYNC;
    ri_js_store *store = at_once ? NULL : stream->store;
    if (ri_likely(!e->code && !in->duplicate && !in->val.len && !batch.len)) {
        ingest_ack(in, reply, store);
        return;
    }
    ri_buffer_reset(&js->answer);
    if (e->code) {
        ri_jshot_puback_error(e, stream->conf.name, &js->answer);
    } else {
        ri_js_puback ack = {.stream = stream->conf.name, .seq = in->seq,
                            .domain = ri_str_of(js->opts.domain), .duplicate = in->duplicate,
                            .val = in->val, .batch = batch, .count = count};
        ri_jshot_puback(&ack, &js->answer);
    }
    if (js->answer.failed) return;
    ri_js_answer(js, store, reply, ri_buffer_str(&js->answer));
}

int ri_ingest_prepare(ri_ingest *in, const ri_message *m)
{
    ri_stream *stream = in->stream;
    ri_js *js = stream->js;
    in->subject = m->subject;
    in->headers = m->headers;
    in->data = m->data;
    if (stream->transform) {
        ri_buffer_reset(&js->subject);
        if (ri_transform_apply(stream->transform, m->subject, stream->last_seq, &js->subject) > 0)
            in->subject = ri_buffer_str(&js->subject);
        if (js->subject.failed) return RILL_ENOMEM;
    }
    if (m->headers.len) {
        int rc = ingest_strip_status(in);
        if (rc < 0) return rc;
        bool known = in->known && in->headers.ptr == m->headers.ptr;
        if (!known) ri_ingest_read(in->headers, &in->asked);
    }
    return RILL_OK;
}

static void ingest_report_probe(const ri_ingest *in, ri_probe *probe, const ri_js_error *e)
{
    const ri_stream *stream = in->stream;
    bool wanted = stream->conf.retention != RI_RETAIN_INTEREST ||
                  ri_retention_wanted(in->stream, in->subject);
    ri_str error = in->duplicate ? RI_STR("msgid is duplicate") : RI_STR_NONE;
    if (e->code) error = ri_str_of(e->text);
    probe->stored(probe, stream->conf.name, in->subject, !wanted, error);
}

/* A message that is only traced is not stored: it is answered if it would not have been. */
static bool ingest_probe(ri_ingest *in, const ri_delivery *d, ri_js_error *e)
{
    if (!e->code) ri_ingest_check(in, e);
    ingest_report_probe(in, d->p->probe, e);
    if (e->code || in->duplicate) ri_ingest_answer(in, d->m->reply, e, RI_STR_NONE, 0);
    return true;
}

/* It, and what goes because of it, is as safe as its publisher wants it to be. */
static int ingest_store(ri_ingest *in, ri_js_error *e)
{
    ri_log *log = in->stream->store->log;
    const ri_safety *safety = in->append ? in->append->safety : NULL;
    if (ri_likely(!safety || log != in->stream->js->files.log)) return ri_ingest_store(in, e);
    ri_log_ease(log, *safety);
    int rc = ri_ingest_store(in, e);
    ri_log_ease(log, ri_log_safety(log));
    return rc;
}

/* Nobody waits for an answer: its publisher gets a report why it is not stored. */
static void ingest_report_refused(const ri_ingest *in, ri_failure *refused, int rc)
{
    if (refused->code) return; /* another stream was first */
    ri_err_wrap(rc, "stream %.*s does not store a message on %.*s",
                RI_ARG(in->stream->conf.name), RI_ARG(in->subject));
    ri_failure_keep(refused, rc);
}

static bool ingest_deliver(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    (void)sub;
    ri_stream *stream = ri_container_of(party, ri_stream, party);
    RI_CHECK(stream, RI_STREAM_MAGIC);
    const ri_publish *p = d->p;
    if (stream->closing || p->stored || ri_account_is_stopped(stream->js->account)) return false;
    ri_js_catch_up(stream->js, d->time_ns);
    ri_account_stir(stream->js->account);
    ri_ingest in;
    memset(&in, 0, sizeof in);
    in.stream = stream;
    in.time_ns = d->time_ns;
    if (p->append && !p->append->taken) in.append = p->append;
    ri_js_error e;
    e.code = 0;
    int rc = ri_ingest_prepare(&in, d->m);
    if (rc < 0) rc = ingest_failed(&in, &e, rc);
    if (ri_unlikely(p->probe != NULL) && p->probe->only) return ingest_probe(&in, d, &e);
    if (rc >= 0 && in.asked.has_batch && !in.append) {
        ri_batch_take(&in, d->m->reply);
        return true;
    }
    if (rc >= 0 && !in.append && ri_unlikely(ri_fast_is(d->m->reply))) {
        ri_fast_take(&in, d->m->reply);
        return true;
    }
    if (rc >= 0) rc = ingest_store(&in, &e);
    if (ri_unlikely(p->probe != NULL)) ingest_report_probe(&in, p->probe, &e);
    if (in.append)
        ingest_answer_native(&in, rc, &e);
    else
        ri_ingest_answer(&in, d->m->reply, &e, RI_STR_NONE, 0);
    if (ri_unlikely(rc < 0) && p->refused && d->m->reply.len == 0)
        ingest_report_refused(&in, p->refused, rc);
    return true;
}

const ri_party_ops ri_ingest_ops = {.deliver = ingest_deliver, .stores = true};

/* ---- Reopening ---- */

/* The ids of messages that are there and of those that are gone, in order. */
static int ingest_reopen_window(ri_stream *stream, ri_ids *ids)
{
    ri_record record;
    ri_asked asked;
    int rc;
    uint64_t from = ri_track_seq_at(
        stream->track, ri_ns_sub(stream->js->wall_ns, stream->conf.duplicate_window));
    for (; (rc = ri_cursor_next(&stream->cursor, from, NULL, &record)) != 0;
         from = record.seq + 1) {
        if (rc < 0 && !ri_js_is_lost(rc)) return rc;
        if (rc > 0 && record.flags & RI_RECORD_BATCH) record.seq = ri_view_batch_end(&record);
        if (rc < 0 || record.headers.len == 0) continue;
        ri_ingest_read(record.headers, &asked);
        if (!asked.has_msg_id) continue;
        uint64_t seq, at = record.seq;
        if ((rc = ri_ids_take(stream, ids, at)) < 0) return rc;
        if (ri_dedupe_find(&stream->dedupe, asked.msg_id, record.time_ns, &seq)) continue;
        rc = ri_dedupe_add(&stream->dedupe, asked.msg_id, record.seq, record.time_ns);
        if (rc == RILL_ENOMEM) return rc;
    }
    return ri_ids_take(stream, ids, UINT64_MAX);
}

static int ingest_reopen_ids(ri_stream *stream)
{
    ri_record record;
    ri_asked asked;
    int rc;
    if (stream->last_seq && ri_cursor_get(&stream->cursor, stream->last_seq, &record) >= 0 &&
        record.headers.len) {
        ri_ingest_read(record.headers, &asked);
        ri_ingest_set_last_id(stream, asked.msg_id);
    }
    if (stream->conf.duplicate_window <= 0) return RILL_OK;
    ri_ids ids;
    rc = ri_ids_load(stream, &ids);
    if (rc == 0) rc = ingest_reopen_window(stream, &ids);
    ri_ids_free(&ids);
    return rc;
}

static int ingest_reopen_all(ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    int rc = ingest_reopen_ids(stream);
    if (stream->last_time_ns > stream->js->wall_ns) ri_retention_lifted(stream, stream->last_seq);
    if (rc < 0 || !(stream->conf.allow_msg_ttl || stream->conf.allow_msg_schedules)) return rc;
    ri_record record;
    for (uint64_t from = 1; (rc = ri_cursor_next(&stream->cursor, from, NULL, &record)) != 0;) {
        if (rc < 0 && !ri_js_is_lost(rc)) break;
        bool batch = rc > 0 && record.flags & RI_RECORD_BATCH;
        from = (batch ? ri_view_batch_end(&record) : record.seq) + 1;
        ri_asked asked;
        if (rc < 0 || batch || !(record.flags & (RI_RECORD_TTL | RI_RECORD_SCHEDULE))) continue;
        ri_ingest_read(record.headers, &asked);
        if (record.flags & RI_RECORD_TTL)
            rc = ri_agenda_put(&stream->ttls, ri_ns_add(record.time_ns, asked.ttl_ns), record.seq);
        if (rc >= 0 && record.flags & RI_RECORD_SCHEDULE)
            rc = ri_schedule_put(stream, record.headers, record.seq, record.time_ns);
        if (rc < 0) break;
    }
    return RI_MIN(rc, 0);
}

/* What stands in batches has no ids, and no times of its own: these are passed as wholes. */
int ri_ingest_reopen(ri_stream *stream)
{
    stream->cursor.raw = true;
    int rc = ingest_reopen_all(stream);
    ri_cursor_fini(&stream->cursor);
    stream->cursor.raw = false;
    return rc;
}
