/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/kafka/kafka_table.h"
#include "codec/limits.h"
#include "front/broker/durable.h"
#include "front/kafka/kafka_session.h"

enum {
    KAFKA_REQUEST_UNCLAIMED = 64 * 1024, /* bytes that it may take before it claims them */
    KAFKA_REQUEST_LARGE = 64 * 1024,     /* an answer of more is written outside the gate */
    KAFKA_REQUEST_CODED = 64 * 1024,     /* a frame of more is decoded in its turn, ... */
    KAFKA_REQUEST_ITEMS = 8192,          /* ... so many items of its lists at a time */
};

static ri_kafka_server *kafka_request_server(const ri_kafka_request *r)
{
    return r->session->server;
}

/* ---- Reading ---- */

/* The header is read, and what is behind it is ready to be, if anybody serves it. */
static int kafka_request_open(ri_kafka_request *r, ri_kafka_reading *reading)
{
    ri_str rest = r->frame;
    int rc = ri_kafka_frame_head(&rest, &r->head);
    /* Who asks for the versions with one that is too new is answered which there are. */
    if (rc == RILL_ENOTSUP && r->head.key == RI_KAFKA_API_VERSIONS) rc = RILL_OK;
    else if (rc < 0) return rc;
    r->kind = ri_kafka_served_of(r->head.key);
    bool has = r->kind && r->head.version >= r->kind->first && r->head.version <= r->kind->last;
    if (!has && r->head.key == RI_KAFKA_API_VERSIONS) return RILL_OK;
    if (!has)
        return ri_err(RILL_ENOTSUP, "%s v%d is not served", r->head.api->word, r->head.version);
    const ri_kafka_type *type = r->head.api->request();
    if (!(r->body = ri_kafka_items(type, &r->arena, 1))) return RILL_ENOMEM;
    ri_kafka_frame_begin(reading, r->head.api, type, r->head.version, rest, &r->arena, r->body);
    return RILL_OK;
}

/* A slice. 1: there is more. */
static int kafka_request_decode_some(ri_kafka_request *r, ri_kafka_reading *reading, int64_t items)
{
    int rc = r->body ? ri_kafka_frame_read_some(reading, items) : RILL_OK;
    r->decoded = r->arena.bytes;
    return rc;
}

static int kafka_request_decode(ri_kafka_request *r)
{
    ri_kafka_reading reading;
    int rc = kafka_request_open(r, &reading);
    return rc < 0 ? rc : kafka_request_decode_some(r, &reading, INT64_MAX);
}

/* The buffer that it came in is its own from now on, if it came in one alone. */
static bool kafka_request_take(ri_kafka_request *r)
{
    RI_ASSERT(!r->owned);
    if (!r->session->conn.whole) return false;
    r->owned = r->frame.len + RI_KAFKA_FRAME_SIZE;
    ri_conn_take_whole(&r->session->conn, r->owned);
    return true;
}

static int kafka_request_copy(ri_kafka_request *r)
{
    char *copy = ri_arena_copy(&r->arena, r->frame.ptr, r->frame.len);
    if (!copy) return RILL_ENOMEM;
    r->frame.ptr = copy;
    return RILL_OK;
}

int ri_kafka_request_keep(ri_kafka_request *r)
{
    RI_ASSERT(r->stage != RI_KAFKA_DONE && !r->coded);
    if (r->body && kafka_request_take(r)) return RILL_OK; /* what was decoded points there still */
    int rc = kafka_request_copy(r);
    return rc < 0 ? rc : kafka_request_decode(r);
}

static int kafka_request_put_off(ri_kafka_request *r, const ri_kafka_reading *reading)
{
    r->coded = true;
    r->lent = false;
    if (!r->body) return RILL_OK;
    if (!(r->reading = ri_arena_alloc(&r->arena, sizeof *reading))) return RILL_ENOMEM;
    *r->reading = *reading;
    return RILL_OK;
}

/* It is long, and done apart: only what it is is looked at now. */
static int kafka_request_read_later(ri_kafka_request *r)
{
    ri_kafka_reading reading;
    int rc = kafka_request_take(r) ? RILL_OK : kafka_request_copy(r);
    if (rc == RILL_OK) rc = kafka_request_open(r, &reading);
    return rc < 0 ? rc : kafka_request_put_off(r, &reading);
}

/* It is begun together with others, so that it is short as a rule, or has short lists: what is left
 * of one that has others is decoded in its turn. */
static int kafka_request_read_on(ri_kafka_request *r)
{
    ri_kafka_reading reading;
    bool alone = r->session->conn.whole;
    int rc = kafka_request_open(r, &reading);
    if (rc < 0) return rc;
    rc = kafka_request_decode_some(r, &reading, alone ? KAFKA_REQUEST_ITEMS : INT64_MAX);
    if (rc != 1) return rc;
    RI_ASSERT(alone);
    return kafka_request_take(r) ? kafka_request_put_off(r, &reading) : RILL_EPROTO;
}

int ri_kafka_request_decode(ri_kafka_request *r)
{
    RI_ASSERT(r->coded && r->stage == RI_KAFKA_READ);
    int rc = kafka_request_decode_some(r, r->reading, KAFKA_REQUEST_ITEMS);
    r->coded = rc == 1;
    return rc;
}

static void kafka_request_on_due(ri_loop_timer *timer)
{
    ri_kafka_request *r = ri_container_of(timer, ri_kafka_request, timer);
    ri_kafka_server *server = kafka_request_server(r);
    ri_kafka_server_enter(server);
    r->late = true;
    ri_kafka_request_ready(r);
    ri_kafka_server_leave(server);
    ri_loop_wake(&server->loop);
}

int ri_kafka_request_read(ri_kafka_session *s, ri_str frame, ri_kafka_request **out)
{
    RI_ASSERT(frame.len > 0);
    const ri_host *host = &s->server->broker->host;
    ri_kafka_request *r = ri_new(host, ri_kafka_request);
    if (!(*out = r)) return RILL_ENOMEM;
    r->session = s;
    r->frame = frame;
    r->timer.fn = kafka_request_on_due;
    ri_arena_init(&r->arena, host);
    ri_buffer_init(&r->answer, host);
    ri_buffer_init(&r->splices, host);
    int16_t key = frame.len < 2 ? -1 : (int16_t)((unsigned char)frame.ptr[0] << 8 |
                                                 (unsigned char)frame.ptr[1]);
    /* One that may wait outlives the bytes that it came in. */
    const ri_kafka_served *kind = ri_kafka_served_of(key);
    r->lent = !kind || kind->together;
    int rc = r->lent                           ? kafka_request_read_on(r)
             : frame.len > KAFKA_REQUEST_CODED ? kafka_request_read_later(r)
                                               : ri_kafka_request_keep(r);
    if (rc == RILL_OK) return rc;
    ri_kafka_request_free(r);
    *out = NULL;
    return rc;
}

/* ---- Its memory ---- */

void ri_kafka_request_refuse(ri_kafka_request *r)
{
    RI_ASSERT(r->stage != RI_KAFKA_DONE);
    const ri_kafka_session *s = r->session;
    ri_host_log(&s->server->broker->host, RILL_ERROR, "%s - cid:%llu - %s v%d: %s", s->peer,
                (unsigned long long)s->cid, r->head.api->word, r->head.version, ri_err_text());
    ri_kafka_session_end(r->session, RI_KAFKA_END_REFUSED);
}

/* May it take so many bytes more? False: the session ends. */
static bool kafka_request_may_take(ri_kafka_request *r, uint64_t size)
{
    uint64_t taken = r->arena.bytes - r->decoded;
    RI_ASSERT(r->arena.bytes >= r->decoded);
    ri_budget_spend(&kafka_request_server(r)->broker->router.budget, ri_budget_bytes(size));
    if (size > RI_LIMIT_KAFKA_ANSWER || taken > RI_LIMIT_KAFKA_ANSWER - size) {
        ri_err(RILL_ETOOBIG, "to answer it takes more than %d bytes of memory: ask for less at a "
               "time", RI_LIMIT_KAFKA_ANSWER);
        ri_kafka_request_refuse(r);
        return false;
    }
    uint64_t bytes = sizeof *r + r->owned + r->arena.bytes + r->beside + size;
    if (bytes < r->claimed + KAFKA_REQUEST_UNCLAIMED) return true;
    return ri_kafka_request_claim(r, r->beside + size);
}

/* What was taken, or NULL, which ends the session. */
static void *kafka_request_taken(ri_kafka_request *r, void *p)
{
    if (!p) ri_kafka_session_end(r->session, RI_KAFKA_END_MEMORY);
    return p;
}

void *ri_kafka_request_alloc(ri_kafka_request *r, size_t size)
{
    if (!kafka_request_may_take(r, size)) return NULL;
    void *p = kafka_request_taken(r, ri_arena_alloc(&r->arena, size));
    if (p) memset(p, 0, size);
    return p;
}

void *ri_kafka_request_items(ri_kafka_request *r, const ri_kafka_type *type, size_t n)
{
    if (!kafka_request_may_take(r, ri_size_mul(n, type->size))) return NULL;
    return kafka_request_taken(r, ri_kafka_items(type, &r->arena, n));
}

char *ri_kafka_request_copy(ri_kafka_request *r, ri_str bytes)
{
    if (!kafka_request_may_take(r, bytes.len)) return NULL;
    return kafka_request_taken(r, ri_arena_copy(&r->arena, bytes.ptr, bytes.len));
}

bool ri_kafka_request_claim(ri_kafka_request *r, uint64_t more)
{
    RI_ASSERT(r->stage != RI_KAFKA_DONE);
    ri_kafka_session *s = r->session;
    ri_ledger *work = &s->server->broker->router.work;
    uint64_t bytes = sizeof *r + r->owned + r->arena.bytes + more;
    if (s->end) return false;
    r->beside = more;
    if (bytes > r->claimed && !ri_claim_grow(work, &s->claim, bytes - r->claimed)) {
        ri_kafka_session_end(s, RI_KAFKA_END_MEMORY);
        return false;
    }
    if (bytes < r->claimed) ri_claim_shrink(work, &s->claim, r->claimed - bytes);
    r->claimed = bytes;
    return true;
}

void ri_kafka_request_free(ri_kafka_request *r)
{
    RI_ASSERT(r);
    const ri_host *host = r->arena.host;
    RI_ASSERT(!ri_list_linked(&r->busy_link) && !ri_list_linked(&r->link));
    ri_arena_fini(&r->arena);
    ri_buffer_fini(&r->answer);
    ri_buffer_fini(&r->splices);
    if (r->owned) ri_free(host, (char *)r->frame.ptr - RI_KAFKA_FRAME_SIZE, r->owned);
    ri_delete(host, r);
}

/* ---- Its way ---- */

void ri_kafka_request_sampled(ri_kafka_request *r, ri_histogram *of)
{
    RI_ASSERT(ri_kafka_request_is_begun(r));
    if (ri_likely(!r->sample_ns)) return;
    ri_histogram_add(of, ri_ns_sub(ri_mono_ns(r->arena.host), r->sample_ns));
    r->sample_ns = 0;
}


void ri_kafka_request_begin(ri_kafka_request *r)
{
    RI_ASSERT(r->stage == RI_KAFKA_READ);
    r->stage = RI_KAFKA_BEGUN;
    r->session->napart += !r->kind->together;
    bool samples = ri_histogram_samples(&kafka_request_server(r)->sample_left);
    r->sample_ns = ri_unlikely(samples) ? ri_mono_ns(r->arena.host) : 0;
    if (ri_kafka_request_claim(r, 0)) ri_kafka_request_go_on(r);
}

void ri_kafka_request_go_on(ri_kafka_request *r)
{
    RI_ASSERT(r->stage == RI_KAFKA_BEGUN);
    ri_durable *durable = kafka_request_server(r)->broker->durable;
    if (!durable) ri_kafka_session_end(r->session, RI_KAFKA_END_SHUTDOWN);
    if (r->session->end) return;
    ri_durable_clock(durable);
    ri_kafka_session *s = r->session;
    bool went_on = r->goes_on;
    r->goes_on = r->kind->step(r);
    if (r->goes_on) ri_kafka_request_ready(r);
    else if (went_on) ri_kafka_session_drained(s); /* the next one may have waited for it */
}

void ri_kafka_request_ready(ri_kafka_request *r)
{
    RI_ASSERT(r);
    ri_kafka_server *server = kafka_request_server(r);
    if (r->stage != RI_KAFKA_BEGUN || r->session->end) return;
    if (!ri_list_linked(&r->busy_link))
        ri_list_push(r->goes_on ? &server->slow : &server->busy, &r->busy_link);
    server->broker->output_waits |= server->door.bit;
}

int ri_kafka_request_until(ri_kafka_request *r, int64_t due_ns)
{
    RI_ASSERT(ri_kafka_request_is_begun(r));
    return ri_loop_timer_set(&kafka_request_server(r)->loop, &r->timer, due_ns);
}

static void kafka_request_done(ri_kafka_request *r)
{
    RI_ASSERT(r->stage == RI_KAFKA_BEGUN);
    r->stage = RI_KAFKA_DONE;
    r->session->napart -= !r->kind->together;
    ri_list_remove(&r->busy_link);
    ri_kafka_session_emit(r->session);
}

void ri_kafka_request_silent(ri_kafka_request *r)
{
    r->silent = true;
    kafka_request_done(r);
}

/* The answer as a frame: a code. A version that is not known is answered as the first one. */
static int kafka_request_frame(ri_kafka_request *r, const void *answer)
{
    RI_ASSERT(r->answer.len == 0 && answer);
    const ri_kafka_head *head = &r->head;
    ri_kafka_writer writer = {.out = &r->answer, .splices = r->records ? &r->splices : NULL};
    return ri_kafka_frame_answer(&writer, head->api, r->body ? head->version : 0,
                                 head->correlation_id, answer);
}

static void kafka_request_answered(ri_kafka_request *r, int rc)
{
    if (rc < 0) ri_kafka_session_refuse(r->session, "an answer that cannot be written");
    r->silent = rc < 0;
    kafka_request_done(r);
    r->records = NULL; /* they are the step's again */
}

void ri_kafka_request_answer(ri_kafka_request *r, const void *answer)
{
    RI_ASSERT(ri_kafka_request_is_begun(r));
    int rc = kafka_request_frame(r, answer);
    ri_budget_spend(&kafka_request_server(r)->broker->router.budget,
                    ri_budget_bytes(r->answer.len));
    kafka_request_answered(r, rc);
}

/* ---- A large answer ---- */

void ri_kafka_request_answer_kept(ri_kafka_request *r, const void *answer)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && answer && !r->kept);
    ri_kafka_server *server = kafka_request_server(r);
    if (r->arena.bytes - r->decoded < KAFKA_REQUEST_LARGE) {
        ri_kafka_request_answer(r, answer);
        return;
    }
    r->stage = RI_KAFKA_WRITTEN;
    r->kept = answer;
    ri_list_remove(&r->busy_link);
    ri_list_push(&server->written_apart, &r->busy_link);
    server->broker->output_waits |= server->door.bit;
}

void ri_kafka_request_answer_records(ri_kafka_request *r, const void *answer,
                                     ri_buffer *const *records)
{
    /* The request is the first of its session's requests: its records go out at once. */
    RI_ASSERT(!r->kind->together && r->session->requests.next == &r->link && records);
    r->records = records;
    ri_kafka_request_answer_kept(r, answer);
}

void ri_kafka_request_write(ri_kafka_request *r)
{
    RI_ASSERT(r->stage == RI_KAFKA_WRITTEN && r->kept);
    ri_kafka_server *server = kafka_request_server(r);
    int rc = kafka_request_frame(r, r->kept);
    ri_kafka_server_enter(server);
    r->stage = RI_KAFKA_BEGUN;
    kafka_request_answered(r, rc);
    if (r->kind->drop) r->kind->drop(r);
    ri_kafka_server_leave(server);
}

void ri_kafka_request_drop(ri_kafka_request *r)
{
    RI_ASSERT(r);
    ri_kafka_server *server = kafka_request_server(r);
    if (r->stage == RI_KAFKA_BEGUN || r->stage == RI_KAFKA_WRITTEN) {
        if (r->kind->drop) r->kind->drop(r);
        r->session->napart -= !r->kind->together;
    }
    r->stage = RI_KAFKA_DONE;
    ri_loop_timer_cancel(&server->loop, &r->timer);
    ri_claim_shrink(&server->broker->router.work, &r->session->claim, r->claimed);
    r->claimed = 0;
    ri_list_remove(&r->busy_link);
    ri_list_remove(&r->link);
}
