/* SPDX-License-Identifier: Apache-2.0 */
/* Random histories of one consumer, played to the engine and to a model of arrays and loops. The
 * model writes down what it would deliver, with delivery count, both sequences and what is left;
 * after each operation the texts and the books are compared. RILL_SEED chooses other histories. */
#include <stdio.h>

#include "base/error.h"
#include "engine/consumer.h"
#include "support/rng.h"
#include "support/suite.h"
#include "support/world.h"

enum { MODEL_MAX = 400, OPERATIONS = 300, HISTORIES = 60 };

typedef enum model_state { WAITING, PENDING, AGAIN, DONE } model_state;

typedef struct model_message {
    model_state state;
    bool gone;              /* not in the stream any more */
    bool matches;
    uint32_t deliveries;
    uint64_t consumer_seq;  /* of the first delivery */
    int64_t due_ns, sent_ns;
    int64_t delayed_ns;     /* a NAK's time, as it is recorded; 0: none since the last delivery */
    uint64_t again_at;      /* order in which it became due, or its clock was started */
} model_message;

typedef struct model {
    world *w;
    ri_consumer *c;
    rng random;
    model_message messages[MODEL_MAX + 1];
    uint64_t n;             /* messages published */
    uint64_t next;          /* first that was not looked at */
    uint64_t delivered_stream, delivered_consumer;
    uint64_t credit;        /* messages asked for */
    uint64_t turn;          /* counts what becomes due */
    int64_t wait_ns;
    uint32_t max_deliver, max_pending;
    bool filtered;
    ri_buffer want;
    uint64_t jitter;
} model;

static uint64_t model_count(const model *m, model_state state)
{
    uint64_t count = 0;
    for (uint64_t i = 1; i <= m->n; i++) count += m->messages[i].state == state;
    return count;
}

static uint64_t model_ahead(const model *m)
{
    uint64_t count = 0;
    for (uint64_t i = m->next; i <= m->n; i++)
        count += m->messages[i].matches && !m->messages[i].gone;
    return count;
}

static void model_send(model *m, uint64_t seq)
{
    model_message *x = &m->messages[seq];
    x->deliveries++;
    x->state = PENDING;
    x->sent_ns = m->w->mono_ns;
    x->due_ns = m->w->mono_ns + m->wait_ns;
    x->delayed_ns = 0;
    x->again_at = ++m->turn;
    m->delivered_consumer++;
    m->credit--;
    ri_buffer_printf(&m->want, "[%6lld] in: s.%c <ACK(%u/%llu/%llu/%llu)>\n",
                     (long long)(m->w->mono_ns / RI_MS), 'a' + (int)(seq % 2),
                     x->deliveries, (unsigned long long)seq,
                     (unsigned long long)m->delivered_consumer, (unsigned long long)model_ahead(m));
}

static uint64_t model_first_again(const model *m)
{
    uint64_t best = 0;
    for (uint64_t i = 1; i <= m->n; i++)
        if (m->messages[i].state == AGAIN &&
            (!best || m->messages[i].again_at < m->messages[best].again_at))
            best = i;
    return best;
}

/* Deliver all that may be delivered now. */
static void model_run(model *m)
{
    while (m->credit) {
        uint64_t again = model_first_again(m);
        if (again) {
            model_send(m, again);
            continue;
        }
        if (model_count(m, PENDING) + model_count(m, AGAIN) >= m->max_pending) return;
        while (m->next <= m->n && (!m->messages[m->next].matches || m->messages[m->next].gone))
            m->next++;
        if (m->next > m->n) return;
        uint64_t seq = m->next++;
        m->messages[seq].consumer_seq = m->delivered_consumer + 1;
        m->delivered_stream = seq;
        model_send(m, seq);
    }
}

static void model_expire(model *m, uint64_t seq)
{
    model_message *x = &m->messages[seq];
    x->state = x->deliveries >= m->max_deliver ? DONE : AGAIN;
    x->again_at = ++m->turn;
}

static uint64_t model_first_due(const model *m)
{
    uint64_t best = 0;
    for (uint64_t i = 1; i <= m->n; i++) {
        const model_message *x = &m->messages[i];
        if (x->state == PENDING && (!best || x->due_ns < m->messages[best].due_ns ||
                                    (x->due_ns == m->messages[best].due_ns &&
                                     x->again_at < m->messages[best].again_at)))
            best = i;
    }
    return best;
}

/* Time passes; what comes due is delivered at its moment. */
static void model_wait(model *m, int64_t ms)
{
    world *w = m->w;
    int64_t start = w->mono_ns, end = start + ms * RI_MS;
    for (;;) {
        uint64_t seq = model_first_due(m);
        if (!seq || m->messages[seq].due_ns > end) break;
        int64_t at = RI_MAX(m->messages[seq].due_ns, start);
        while ((seq = model_first_due(m)) != 0 && m->messages[seq].due_ns <= at)
            model_expire(m, seq);
        w->mono_ns = at; /* model_send reads it */
        model_run(m);
    }
    w->mono_ns = start;
    world_wait(w, ms);
}

static void model_publish(model *m)
{
    if (m->n == MODEL_MAX) return;
    m->n++;
    m->messages[m->n].matches = !m->filtered || m->n % 2 == 0;
    world_publish(m->w, m->n % 2 ? "s.b" : "s.a", "", "", "");
}

static void model_pull(model *m)
{
    uint64_t batch = 1 + rng_below(&m->random, 5);
    ri_consumer_info info;
    char number[8];
    ri_consumer_info_of(m->c, &info);
    if (info.num_waiting > 100) return;
    snprintf(number, sizeof number, "%u", (unsigned)batch);
    ck_assert_ok(world_pull(m->w, m->c, "in.1", number));
    m->credit += batch;
}

static void model_ack(model *m)
{
    if (!m->n) return;
    uint64_t seq = 1 + rng_below(&m->random, m->n);
    model_message *x = &m->messages[seq];
    bool there = x->state == PENDING || x->state == AGAIN;
    char subject[128], payload[64] = "";
    snprintf(subject, sizeof subject, "$JS.ACK.S.c.1.%llu.1.0.0", (unsigned long long)seq);
    switch (rng_below(&m->random, 6)) {
    case 0:
        snprintf(payload, sizeof payload, "-NAK");
        if (there) x->delayed_ns = m->w->mono_ns;
        if (x->state == PENDING) model_expire(m, seq);
        break;
    case 1:
        m->jitter += 1000;
        x->delayed_ns = 0;
        snprintf(payload, sizeof payload, "-NAK {\"delay\":%llu}",
                 (unsigned long long)(700 * RI_MS + m->jitter));
        if (!there) break;
        x->state = PENDING;
        x->due_ns = x->delayed_ns = m->w->mono_ns + 700 * RI_MS + (int64_t)m->jitter;
        break;
    case 2:
        snprintf(payload, sizeof payload, "+WPI");
        if (x->state != PENDING) break;
        x->sent_ns = m->w->mono_ns;
        x->due_ns = x->sent_ns + m->wait_ns;
        x->delayed_ns = 0;
        x->again_at = ++m->turn;
        break;
    case 3:
        snprintf(payload, sizeof payload, "+TERM");
        if (there) x->state = DONE;
        break;
    default:
        if (there) x->state = DONE;
    }
    if (getenv("RILL_SHOW")) fprintf(stderr, "       ack %llu %s\n", (unsigned long long)seq, payload);
    world_publish(m->w, subject, "", "", payload);
}

static void model_erase(model *m)
{
    if (!m->n) return;
    uint64_t seq = 1 + rng_below(&m->random, m->n);
    model_message *x = &m->messages[seq];
    int rc = ri_stream_erase(ri_consumer_stream(m->c), seq, false, NULL);
    ck_assert_int_eq(rc < 0, x->gone);
    x->gone = true;
    if (x->state == PENDING || x->state == AGAIN) x->state = DONE;
}

/* The engine is closed and opened again: requests are gone, clocks run on from the last delivery. */
static void model_restart(model *m)
{
    ck_assert_ok(world_restart(m->w));
    m->c = ri_stream_consumer(ri_js_stream(m->w->js, RI_STR("S")), RI_STR("c"));
    ck_assert_ptr_nonnull(m->c);
    m->credit = 0;
    for (uint64_t i = 1; i <= m->n; i++) { /* what is overdue comes due at once, in order */
        model_message *x = &m->messages[i];
        if (x->state != PENDING && x->state != AGAIN) continue;
        x->state = PENDING;
        x->due_ns = x->delayed_ns ? x->delayed_ns : x->sent_ns + m->wait_ns;
        if (x->due_ns <= m->w->mono_ns) model_expire(m, i);
    }
    for (uint64_t i = 1; i <= m->n; i++)
        if (m->messages[i].state == PENDING) m->messages[i].again_at = ++m->turn;
}

static void model_compare(model *m)
{
    ri_consumer_info info;
    ri_consumer_info_of(m->c, &info);
    uint64_t floor_stream = m->delivered_stream, floor_consumer = m->delivered_consumer;
    uint64_t redelivered = 0;
    for (uint64_t i = m->n; i > 0; i--) {
        const model_message *x = &m->messages[i];
        if (x->state != PENDING && x->state != AGAIN) continue;
        floor_stream = i - 1;
        floor_consumer = x->consumer_seq - 1;
        redelivered += x->deliveries > 1;
    }
    ri_buffer_put(&m->want, "", 1);
    if (getenv("RILL_SHOW")) fprintf(stderr, "%s", m->want.ptr);
    world_told(m->w, m->want.ptr, __FILE__, __LINE__);
    ri_buffer_reset(&m->want);
    ck_assert_uint_eq(info.num_ack_pending, model_count(m, PENDING) + model_count(m, AGAIN));
    ck_assert_uint_eq(info.num_pending, model_ahead(m));
    ck_assert_uint_eq(info.num_redelivered, redelivered);
    ck_assert_uint_eq(info.delivered.consumer_seq, m->delivered_consumer);
    ck_assert_uint_eq(info.delivered.stream_seq, m->delivered_stream);
    ck_assert_uint_eq(info.ack_floor.stream_seq, floor_stream);
    ck_assert_uint_eq(info.ack_floor.consumer_seq, floor_consumer);
}

static void model_operation(model *m)
{
    uint64_t dice = rng_below(&m->random, 100);
    if (getenv("RILL_SHOW"))
        fprintf(stderr, "%6lld operation %llu\n", (long long)(m->w->mono_ns / RI_MS),
                (unsigned long long)dice);
    if (dice < 30) {
        model_publish(m);
    } else if (dice < 45) {
        model_pull(m);
    } else if (dice < 80) {
        model_ack(m);
    } else if (dice < 84) {
        model_erase(m);
    } else if (dice < 86) {
        model_restart(m);
    } else {
        m->jitter += 1000;
        model_wait(m, (int64_t)rng_below(&m->random, 40) * 10);
        m->w->mono_ns += (int64_t)1; /* no two deliveries are due at one moment by chance */
        m->w->wall_ns += 1;
    }
    world_turn(m->w);
    model_run(m);
    model_compare(m);
}

static void model_history(uint64_t seed)
{
    static world w;
    static model m;
    memset(&m, 0, sizeof m);
    ck_assert_ok(world_init(&w, NULL));
    m.w = &w;
    m.next = 1;
    rng_init(&m.random, seed);
    m.filtered = rng_below(&m.random, 2);
    m.max_deliver = (uint32_t)(1 + rng_below(&m.random, 4));
    m.max_pending = (uint32_t)(1 + rng_below(&m.random, 12));
    m.wait_ns = 500 * RI_MS;
    ri_buffer_init(&m.want, &w.f->host);
    world_listen(&w, "in", "in.1");
    ck_assert_ok(world_stream(&w, "{\"name\":\"S\",\"subjects\":[\"s.*\"]}", NULL, NULL));
    char json[256];
    snprintf(json, sizeof json, "{\"durable_name\":\"c\",\"ack_policy\":\"explicit\",%s"
             "\"max_deliver\":%u,\"max_ack_pending\":%u,\"ack_wait\":%lld}",
             m.filtered ? "\"filter_subject\":\"s.a\"," : "", m.max_deliver, m.max_pending,
             (long long)m.wait_ns);
    ck_assert_ok(world_consumer(&w, "S", json, &m.c, NULL));
    for (int i = 0; i < OPERATIONS; i++) model_operation(&m);
    ri_buffer_fini(&m.want);
    world_fini(&w);
}

START_TEST(test_histories)
{
    uint64_t seed = rng_seed(1);
    for (uint64_t i = 0; i < HISTORIES; i++) {
        if (getenv("RILL_SHOW")) fprintf(stderr, "history %llu\n", (unsigned long long)(seed + i));
        model_history(seed + i);
    }
}
END_TEST

SUITE_MAIN("consumer_model", test_histories)
