/* SPDX-License-Identifier: Apache-2.0 */
#include "support/world.h"

#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/nuid.h"
#include "codec/nats/headers.h"
#include "codec/jetstream/jshot.h"

#define WORLD_EPOCH_NS (1800000000 * RI_SEC)

static void world_put_subject(ri_buffer *out, ri_str subject)
{
    ri_js_ack ack;
    if (!ri_jshot_ack_read(subject, &ack)) {
        ri_buffer_put_str(out, subject);
        return;
    }
    ri_buffer_printf(out, "ACK(%llu/%llu/%llu/%llu)", (unsigned long long)ack.deliveries,
                     (unsigned long long)ack.stream_seq, (unsigned long long)ack.consumer_seq,
                     (unsigned long long)ack.pending);
}

static void world_put_headers(ri_buffer *out, ri_str headers)
{
    ri_str rest = headers, description;
    rill_header header;
    int status = ri_headers_status(headers, &description);
    ri_buffer_puts(out, " {");
    if (status) ri_buffer_printf(out, "%d %.*s", status, RI_ARG(description));
    for (bool first = !status; ri_headers_next(&rest, &header); first = false)
        ri_buffer_printf(out, "%s%.*s: %.*s", first ? "" : ", ", RI_ARG(header.name),
                         RI_ARG(header.value));
    ri_buffer_puts(out, "}");
}

static void world_write(world *w, const char *who, const ri_message *m)
{
    ri_buffer *out = &w->told;
    ri_buffer_printf(out, "[%6lld] %s: ", (long long)(w->mono_ns / RI_MS), who);
    world_put_subject(out, m->subject);
    if (m->reply.len) {
        ri_buffer_puts(out, " <");
        world_put_subject(out, m->reply);
        ri_buffer_puts(out, ">");
    }
    if (m->headers.len) world_put_headers(out, m->headers);
    if (m->data.len > 10000)
        ri_buffer_printf(out, " %zu bytes", m->data.len);
    else if (m->data.len)
        ri_buffer_printf(out, " %.*s", RI_ARG(m->data));
    ri_buffer_puts(out, "\n");
}

static bool world_deliver(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    (void)sub;
    world_ear *ear = ri_container_of(party, world_ear, party);
    ri_js_ack ack;
    if (!ear->quiet) world_write(ear->w, ear->who, d->m);
    ear->got++;
    if (d->m->reply.len && ri_jshot_ack_read(d->m->reply, &ack)) {
        ear->last_seq = ack.stream_seq;
        snprintf(ear->last_ack, sizeof ear->last_ack, "%.*s", RI_ARG(d->m->reply));
        if (ear->auto_ack) ri_buffer_printf(&ear->w->acks, "%.*s\n", RI_ARG(d->m->reply));
    }
    if (ri_str_starts(d->m->reply, RI_STR("$JS.FC.")))
        snprintf(ear->last_flow, sizeof ear->last_flow, "%.*s", RI_ARG(d->m->reply));
    return true;
}

static void world_ended(ri_party *party, ri_subscription *sub)
{
    (void)party, (void)sub;
}

static const ri_party_ops world_ops = {.deliver = world_deliver, .ended = world_ended};

static void world_event(void *arg, const ri_js_event *e)
{
    static const char *const names[] = {
        "stream created", "stream updated", "stream deleted", "consumer created",
        "consumer deleted", "consumer paused", "pinned", "unpinned", "max deliveries", "naked",
        "terminated", "ack sampled", "batch abandoned", "ids forgotten",
        "dead letter stuck"};
    world *w = arg;
    if (w->also) w->also(w->also_arg, e);
    if (!w->events) return;
    ri_buffer_printf(&w->told, "[%6lld] event: %s %.*s", (long long)(w->mono_ns / RI_MS),
                     names[e->kind], RI_ARG(e->stream));
    if (e->consumer.len) ri_buffer_printf(&w->told, " > %.*s", RI_ARG(e->consumer));
    if (e->stream_seq)
        ri_buffer_printf(&w->told, " seq %llu x%llu", (unsigned long long)e->stream_seq,
                         (unsigned long long)e->deliveries);
    if (e->reason.len) ri_buffer_printf(&w->told, " (%.*s)", RI_ARG(e->reason));
    ri_buffer_puts(&w->told, "\n");
}

/* One zone is known: half past five hours east of UTC. */
static int world_zone(ri_str name, ri_buffer *file)
{
    char block[51] = "TZif2"; /* a head, one type, one letter */
    block[39] = block[43] = 1;
    if (!ri_str_is(name, "Test/Half")) return ri_err(RILL_ENOENT, "no zone %.*s", RI_ARG(name));
    ri_buffer_put(file, block, sizeof block);
    ri_buffer_put(file, block, sizeof block);
    ri_buffer_puts(file, "\n<+0530>-5:30\n");
    return RILL_OK;
}

static int world_open(world *w)
{
    ri_js_opts opts = {.host = &w->f->host, .router = &w->router, .file_log = w->log,
                       .memory_log = w->memory, .event = world_event, .arg = w,
                       .zone = world_zone};
    return ri_js_open(&w->js, &opts, w->wall_ns, w->mono_ns);
}

int world_init_with(world *w, fault *f, ri_log *log)
{
    *w = (world){.f = f, .own = w->own};
    w->wall_ns = WORLD_EPOCH_NS;
    w->log = log;
    ri_buffer_init(&w->told, &w->f->host);
    ri_buffer_init(&w->acks, &w->f->host);
    ri_log_opts opts = {.host = &w->f->host, .segment_bytes = 1 << 20,
                        .memory = &w->router.memory};
    int rc;
    if ((rc = ri_router_init(&w->router, &w->f->host)) < 0) return rc;
    if (!log && (rc = ri_log_open(&w->log, &opts)) < 0) return rc;
    opts.counts_as_memory = true;
    if ((rc = ri_log_open(&w->memory, &opts)) < 0) return rc;
    w->router.time_ns = w->wall_ns;
    ri_party_init(&w->from, &w->router, &world_ops);
    return world_open(w);
}

int world_init(world *w, ri_log *log)
{
    fault_init(&w->own);
    return world_init_with(w, &w->own, log);
}

void world_fini_with(world *w)
{
    while (w->nears) world_deafen(w, w->ears[w->nears - 1]);
    ri_js_close(w->js);
    ri_party_fini(&w->from);
    if (w->memory) ri_log_close(w->memory);
    if (w->log) ri_log_close(w->log);
    ri_router_fini(&w->router);
    ri_buffer_fini(&w->told);
    ri_buffer_fini(&w->acks);
}

void world_fini(world *w)
{
    if (w->router.budget.longest > RI_BUDGET_LONG * RI_BUDGET_TURN)
        ck_abort_msg("a turn of %llu units", (unsigned long long)w->router.budget.longest);
    world_fini_with(w);
    fault_fini(w->f);
}

int world_restart(world *w)
{
    ri_js_prepare(w->js, w->log);
    int rc = ri_log_commit(w->log);
    ri_js_committed(w->js, w->log, rc, w->wall_ns, w->mono_ns);
    ri_js_close(w->js);
    w->js = NULL;
    return world_open(w);
}

void world_down(world *w)
{
    ri_js_close(w->js);
    ri_log_close(w->log);
    ri_log_close(w->memory);
    w->js = NULL;
    w->log = w->memory = NULL;
}

int world_up(world *w, ri_log *log)
{
    ri_log_opts opts = {.host = &w->f->host, .segment_bytes = 1 << 20, .counts_as_memory = true,
                        .memory = &w->router.memory};
    w->log = log;
    int rc = ri_log_open(&w->memory, &opts);
    return rc < 0 ? rc : world_open(w);
}

world_ear *world_listen_in(world *w, const char *who, const char *subject, const char *queue)
{
    world_ear *ear = calloc(1, sizeof *ear);
    if (!ear) return NULL;
    ck_assert_uint_lt(w->nears, WORLD_EARS);
    ear->w = w;
    snprintf(ear->who, sizeof ear->who, "%s", who);
    snprintf(ear->subject, sizeof ear->subject, "%s", subject);
    ri_party_init(&ear->party, &w->router, &world_ops);
    ear->sub.entry.queue = ri_str_of(queue); /* the test keeps it */
    ear->sub.entry.subject = ri_str_of(ear->subject);
    if (ri_router_subscribe(&ear->party, &ear->sub) < 0) {
        free(ear);
        return NULL;
    }
    w->ears[w->nears++] = ear;
    return ear;
}

world_ear *world_listen(world *w, const char *who, const char *subject)
{
    return world_listen_in(w, who, subject, "");
}

void world_deafen(world *w, world_ear *ear)
{
    size_t i = 0;
    while (w->ears[i] != ear) i++;
    w->ears[i] = w->ears[--w->nears];
    ri_party_fini(&ear->party);
    free(ear);
}

int world_publish(world *w, const char *subject, const char *reply, const char *headers,
                  const char *data)
{
    char block[2048] = "";
    w->router.time_ns = w->wall_ns;
    if (*headers) snprintf(block, sizeof block, "NATS/1.0\r\n%s\r\n", headers);
    ri_message m = {.subject = ri_str_of(subject), .reply = ri_str_of(reply),
                    .headers = ri_str_of(block), .data = ri_str_of(data)};
    return ri_router_publish(&w->from, &(ri_publish){.m = &m, .probe = w->probe});
}

/* What those with auto_ack have noted; a delivery may not publish. */
static void world_send_acks(world *w)
{
    ri_str rest = ri_buffer_str(&w->acks), subject;
    while (rest.len && ri_str_cut(&rest, '\n', &subject)) {
        ri_message m = {.subject = subject};
        ri_router_publish(&w->from, &(ri_publish){.m = &m});
    }
    ri_buffer_reset(&w->acks);
}

static void world_step(world *w)
{
    ri_budget_open(&w->router.budget);
    ri_js_step(w->js, w->wall_ns, w->mono_ns);
    ri_budget_close(&w->router.budget);
}

static void world_commit(world *w)
{
    ri_js_prepare(w->js, w->log);
    int rc = ri_log_commit(w->log);
    ri_budget_open(&w->router.budget);
    ri_js_committed(w->js, w->log, rc, w->wall_ns, w->mono_ns);
    ri_budget_close(&w->router.budget);
}

void world_turn(world *w)
{
    w->router.time_ns = w->wall_ns;
    for (int turns = 0; ri_js_waiting(w->js) || ri_log_dirty(w->log) || w->acks.len; turns++) {
        if (turns >= 100000) ck_abort_msg("the engine never comes to rest");
        world_send_acks(w);
        world_step(w);
        if (ri_log_dirty(w->log)) world_commit(w);
    }
}

void world_one_turn(world *w)
{
    ri_budget_open(&w->router.budget);
    do ri_js_step(w->js, w->wall_ns, w->mono_ns);
    while (ri_js_waiting(w->js) && ri_budget_left(&w->router.budget));
    ri_budget_close(&w->router.budget);
}

void world_move(world *w, int64_t mono_ns)
{
    w->wall_ns += mono_ns - w->mono_ns;
    w->mono_ns = mono_ns;
    w->f->now_ns = mono_ns;
    w->router.time_ns = w->wall_ns;
    world_step(w);
}

void world_wait(world *w, int64_t ms)
{
    int64_t end = w->mono_ns + ms * RI_MS;
    world_turn(w);
    while (w->mono_ns < end) {
        world_move(w, RI_MIN(RI_MAX(ri_js_next_due_ns(w->js), w->mono_ns), end));
        world_turn(w);
    }
}

static int world_decode(world *w, const ri_jsapi_type *type, const char *json, ri_arena *arena,
                        void *out)
{
    ri_arena_init(arena, &w->f->host);
    return ri_jsapi_decode(type, ri_str_of(json), true, arena, out);
}

int world_stream(world *w, const char *json, ri_stream **out, ri_js_error *e)
{
    ri_arena arena;
    ri_js_stream_request request;
    ri_stream *stream = NULL;
    ri_js_error error = {0};
    int rc = world_decode(w, &ri_jsapi_stream_request, json, &arena, &request);
    if (rc >= 0) rc = ri_stream_create(w->js, &request, &stream, &error);
    ri_arena_fini(&arena);
    if (out) *out = stream;
    if (e) *e = error;
    if (rc >= 0) world_turn(w);
    return rc;
}

int world_consumer(world *w, const char *stream, const char *json, ri_consumer **out,
                   ri_js_error *e)
{
    ri_arena arena;
    ri_js_consumer_request request;
    memset(&request, 0, sizeof request);
    ri_consumer *c = NULL;
    ri_js_error error = {0};
    int rc = world_decode(w, &ri_jsapi_consumer_conf, json, &arena, &request.conf);
    ri_stream *of = ri_js_stream(w->js, ri_str_of(stream));
    ck_assert(of != NULL);
    if (rc >= 0) rc = ri_consumer_create(of, &request, &c, &error);
    ri_arena_fini(&arena);
    if (out) *out = c;
    if (e) *e = error;
    if (rc >= 0) world_turn(w);
    return rc;
}

int world_pull(world *w, ri_consumer *c, const char *inbox, const char *json)
{
    ri_js_pull_request request;
    (void)w;
    int rc = ri_jshot_pull_read(ri_str_of(json), &request);
    return rc < 0 ? rc : ri_consumer_pull(c, ri_str_of(inbox), &request);
}

static size_t world_word(ri_str s)
{
    size_t n = 0;
    while (n < s.len && isalnum((unsigned char)s.ptr[n])) n++;
    return n;
}

void world_told(world *w, const char *want, const char *file, int line)
{
    ri_buffer masked;
    ri_buffer_init(&masked, &w->f->host);
    for (ri_str rest = ri_buffer_str(&w->told); rest.len;) {
        size_t n = world_word(rest);
        ri_str word = {rest.ptr, n ? n : 1};
        bool flow = ri_str_starts(rest, RI_STR("$JS.FC."));
        if (flow) word.len = strcspn(rest.ptr, " >,}\n");
        if (n == RI_NUID_LEN || flow)
            ri_buffer_puts(&masked, flow ? "FC" : "ID");
        else
            ri_buffer_put_str(&masked, word);
        rest = ri_str_from(rest, word.len);
    }
    ri_str got = ri_buffer_str(&masked);
    if (!ri_str_is(got, want))
        ck_abort_msg("%s:%d\n-- told:\n%.*s-- not:\n%s", file, line, RI_ARG(got), want);
    ri_buffer_fini(&masked);
    ri_buffer_reset(&w->told);
}
