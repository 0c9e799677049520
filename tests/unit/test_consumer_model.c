/* SPDX-License-Identifier: Apache-2.0 */
/* Random histories of one pull consumer, played to the engine and to a model of arrays and loops.
 *
 *     the consumer   ack policy none, all or explicit; a filter; max_deliver; max_ack_pending;
 *                    ack_wait or backoff; each priority policy with one group
 *     happens        publishes and erasures; requests (with an end in time, no_wait, priority,
 *                    minima, a pin's id, right or wrong); acks of each kind: once, twice, late, of
 *                    what was never delivered, of another consumer's; pauses; time; restarts from
 *                    what is recorded, in some histories behind nearly every step
 *
 * The model writes down what it would deliver and to whom, with delivery count, both sequences and
 * what is left, and the status that ends a request; after each operation the texts and the books
 * are compared. RILL_SEED chooses other histories, RILL_SHOW tells what happens. */
#include <stdio.h>

#include "base/error.h"
#include "engine/streams/consumer.h"
#include "support/rng.h"
#include "support/suite.h"
#include "support/world.h"

enum { MODEL_MAX = 400, OPERATIONS = 300, HISTORIES = 120, PULLS_MAX = 40, BACKOFF_MAX = 3 };

typedef enum model_state { WAITING, PENDING, AGAIN, DONE } model_state;

typedef struct model_message {
    model_state state;
    bool gone;              /* not in the stream any more */
    bool matches;
    uint32_t deliveries;
    uint64_t consumer_seq;  /* of the first delivery */
    int64_t due_ns, sent_ns;
    int64_t delayed_ns;     /* a NAK's time, as it is recorded; 0: none since the last delivery */
    uint64_t again_at;      /* order in which it became due */
} model_message;

typedef struct model_request {
    unsigned inbox;         /* 1 to 3 */
    int64_t left;
    int64_t expires_ns;     /* INT64_MAX: never */
    int64_t min_pending, min_ack_pending, priority;
    bool no_wait;
    uint64_t pin;           /* the id it names; 0: none, or a wrong one */
} model_request;

typedef struct model {
    world *w;
    ri_consumer *c;
    rng random;
    model_message messages[MODEL_MAX + 1];
    uint64_t n;             /* messages published */
    uint64_t next;          /* first that was not looked at */
    uint64_t delivered_stream, delivered_consumer;
    model_request pulls[PULLS_MAX]; /* in the order in which they are served */
    size_t npulls;
    uint64_t turn;          /* counts what becomes due */
    int64_t wait_ns[BACKOFF_MAX]; /* after so many deliveries, and the last one on */
    size_t nwaits;
    uint32_t max_deliver, max_pending;
    uint64_t restarts;      /* percent of operations */
    ri_ack_policy acks;
    ri_priority_policy priority;
    bool filtered;
    int64_t paused_ns;      /* until then */
    uint64_t pin, pins;     /* the id that has the pin, 0: nobody; ids given so far */
    int64_t pin_due_ns;
    int64_t threshold_ns;   /* inactive_threshold; 0: none */
    int64_t used_ns;        /* when it was last of use to anybody */
    bool over;              /* nobody used it for so long */
    ri_buffer want;
    uint64_t jitter;        /* no two things are due at one moment by chance */
} model;

static void model_used(model *m)
{
    m->used_ns = m->w->mono_ns;
}

#define MODEL_PIN_NS (900 * RI_MS)

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

/* Its ack's clock starts now. */
static void model_clock(model *m, model_message *x)
{
    size_t i = RI_MIN(x->deliveries, m->nwaits) - 1;
    x->sent_ns = m->w->mono_ns;
    x->due_ns = x->sent_ns + m->wait_ns[i];
    x->delayed_ns = 0;
}

static void model_send(model *m, uint64_t seq, unsigned inbox)
{
    model_message *x = &m->messages[seq];
    x->deliveries++;
    x->state = m->acks == RI_ACK_NONE ? DONE : PENDING;
    model_clock(m, x);
    m->delivered_consumer++;
    ri_buffer_printf(&m->want, "[%6lld] in%u: s.%c <ACK(%u/%llu/%llu/%llu)>%s\n",
                     (long long)(m->w->mono_ns / RI_MS), inbox, 'a' + (int)(seq % 2),
                     x->deliveries, (unsigned long long)seq,
                     (unsigned long long)m->delivered_consumer, (unsigned long long)model_ahead(m),
                     m->priority == RI_PRIORITY_PINNED_CLIENT ? " {Nats-Pin-Id: ID}" : "");
}

static void model_status(model *m, unsigned inbox, const char *status)
{
    ri_buffer_printf(&m->want, "[%6lld] in%u: in.%u {%s}\n", (long long)(m->w->mono_ns / RI_MS),
                     inbox, inbox, status);
}

/* ---- Requests ---- */

static void model_pull_take(model *m, size_t at)
{
    model_used(m);
    m->npulls--;
    memmove(&m->pulls[at], &m->pulls[at + 1], (m->npulls - at) * sizeof m->pulls[0]);
}

static void model_pull_put(model *m, const model_request *pull)
{
    size_t at = m->npulls;
    while (m->priority == RI_PRIORITY_PRIORITIZED && at > 0 &&
           m->pulls[at - 1].priority > pull->priority)
        at--;
    memmove(&m->pulls[at + 1], &m->pulls[at], (m->npulls - at) * sizeof m->pulls[0]);
    m->pulls[at] = *pull;
    m->npulls++;
}

static bool model_overflows(const model *m, const model_request *pull)
{
    uint64_t there = model_ahead(m) + model_count(m, AGAIN);
    uint64_t pending = model_count(m, PENDING) + model_count(m, AGAIN);
    if (!pull->min_pending && !pull->min_ack_pending) return true;
    return (pull->min_pending && there >= (uint64_t)pull->min_pending) ||
           (pull->min_ack_pending && pending >= (uint64_t)pull->min_ack_pending);
}

/* The first that may have a message; NULL. Those before it that name a pin of old are over. */
static model_request *model_pull_first(model *m)
{
    for (size_t i = 0; i < m->npulls; i++) {
        model_request *pull = &m->pulls[i];
        if (pull->pin && pull->pin != m->pin) {
            model_status(m, pull->inbox, "423 Nats-Wrong-Pin-Id");
            model_pull_take(m, i--);
            continue;
        }
        if (m->priority == RI_PRIORITY_OVERFLOW && !model_overflows(m, pull)) continue;
        if (m->priority == RI_PRIORITY_PINNED_CLIENT && !m->pin) {
            m->pin = pull->pin = ++m->pins;
            m->pin_due_ns = m->w->mono_ns + MODEL_PIN_NS;
        }
        if (m->priority != RI_PRIORITY_PINNED_CLIENT || pull->pin == m->pin) return pull;
    }
    return NULL;
}

static void model_pull_served(model *m, model_request *pull)
{
    size_t at = (size_t)(pull - m->pulls);
    model_request turn = *pull;
    turn.left--;
    pull->left--;
    if (turn.left && m->priority == RI_PRIORITY_PRIORITIZED) return;
    model_pull_take(m, at);
    if (turn.left) model_pull_put(m, &turn);
}

static void model_pulls_end(model *m, bool no_wait)
{
    for (size_t i = 0; i < m->npulls;) {
        model_request *pull = &m->pulls[i];
        char status[96] = "404 No Messages";
        if (no_wait ? !pull->no_wait : pull->expires_ns > m->w->mono_ns) {
            i++;
            continue;
        }
        if (!no_wait)
            snprintf(status, sizeof status, "408 Request Timeout, Nats-Pending-Messages: %lld, "
                     "Nats-Pending-Bytes: 0", (long long)pull->left);
        model_status(m, pull->inbox, status);
        model_pull_take(m, i);
    }
}

/* ---- Deliveries ---- */

static uint64_t model_first_again(const model *m)
{
    uint64_t best = 0;
    for (uint64_t i = 1; i <= m->n; i++)
        if (m->messages[i].state == AGAIN &&
            (!best || m->messages[i].again_at < m->messages[best].again_at))
            best = i;
    return best;
}

/* The next message; 0: there is none, or, held, none may be had. */
static uint64_t model_choose(model *m, bool *held)
{
    uint64_t again = model_first_again(m);
    *held = false;
    if (again) return again;
    if (m->acks != RI_ACK_NONE &&
        model_count(m, PENDING) + model_count(m, AGAIN) >= m->max_pending) {
        *held = true;
        return 0;
    }
    while (m->next <= m->n && (!m->messages[m->next].matches || m->messages[m->next].gone))
        m->next++;
    if (m->next > m->n) return 0;
    m->messages[m->next].consumer_seq = m->delivered_consumer + 1;
    m->delivered_stream = m->next;
    return m->next++;
}

/* Deliver all that may be delivered now. */
static void model_run(model *m)
{
    model_request *pull;
    if (m->paused_ns > m->w->mono_ns) return;
    while ((pull = model_pull_first(m)) != NULL) {
        bool held;
        uint64_t seq = model_choose(m, &held);
        if (!seq) {
            if (!held) model_pulls_end(m, true);
            return;
        }
        unsigned inbox = pull->inbox;
        model_send(m, seq, inbox);
        model_pull_served(m, pull);
    }
}

static void model_expire(model *m, uint64_t seq)
{
    model_message *x = &m->messages[seq];
    x->state = x->deliveries >= m->max_deliver ? DONE : AGAIN;
    x->again_at = ++m->turn;
    model_used(m);
}

static uint64_t model_first_due(const model *m)
{
    uint64_t best = 0;
    for (uint64_t i = 1; i <= m->n; i++) {
        const model_message *x = &m->messages[i];
        if (x->state == PENDING && (!best || x->due_ns < m->messages[best].due_ns)) best = i;
    }
    return best;
}

/* When it ends for want of use; INT64_MAX. */
static int64_t model_idle_ns(const model *m)
{
    bool used = m->npulls > 0 || model_count(m, PENDING) > 0;
    return used || !m->threshold_ns ? INT64_MAX : m->used_ns + m->threshold_ns;
}

/* When something happens by itself; INT64_MAX. */
static int64_t model_next_ns(const model *m)
{
    uint64_t seq = model_first_due(m);
    int64_t next = RI_MIN(seq ? m->messages[seq].due_ns : INT64_MAX, model_idle_ns(m));
    if (m->paused_ns > m->w->mono_ns) next = RI_MIN(next, m->paused_ns);
    if (m->pin) next = RI_MIN(next, m->pin_due_ns);
    for (size_t i = 0; i < m->npulls; i++) next = RI_MIN(next, m->pulls[i].expires_ns);
    return next;
}

/* Time passes; what comes due is delivered at its moment. */
static void model_wait(model *m, int64_t ms)
{
    world *w = m->w;
    int64_t start = w->mono_ns, end = start + ms * RI_MS;
    for (int64_t next; (next = model_next_ns(m)) <= end;) {
        w->mono_ns = RI_MAX(next, start); /* all below reads it */
        for (uint64_t seq = 1; seq <= m->n; seq++)
            if (m->messages[seq].state == PENDING && m->messages[seq].due_ns <= w->mono_ns)
                model_expire(m, seq);
        model_pulls_end(m, false);
        if (m->pin && m->pin_due_ns <= w->mono_ns) m->pin = 0;
        if ((m->over = model_idle_ns(m) <= w->mono_ns)) break;
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

/* A request that has an end now: why; NULL: it waits. */
static const char *model_pull_ends(const model *m, const model_request *pull, bool wrong)
{
    uint64_t there = model_ahead(m) + model_count(m, AGAIN), wanted = 0;
    if (wrong && m->pin) return "423 Nats-Pin-Id mismatch";
    if (!pull->no_wait) return NULL;
    if (m->paused_ns > m->w->mono_ns) return "404 No Messages";
    if (!there) return "404 No Messages";
    if (m->priority == RI_PRIORITY_OVERFLOW && !model_overflows(m, pull)) return "404 No Messages";
    for (size_t i = 0; i < m->npulls; i++) wanted += (uint64_t)m->pulls[i].left;
    return there < wanted ? "408 Requests Pending" : NULL;
}

static void model_pull(model *m)
{
    if (m->npulls == PULLS_MAX) return;
    model_request pull = {.inbox = 1 + (unsigned)rng_below(&m->random, 3), .expires_ns = INT64_MAX,
                       .left = 1 + (int64_t)rng_below(&m->random, 5)};
    char json[256], inbox[8], id[64] = "";
    int64_t expires_ns = 0;
    bool wrong = false;
    switch (m->priority) {
    case RI_PRIORITY_NONE: break;
    case RI_PRIORITY_PRIORITIZED: pull.priority = (int64_t)rng_below(&m->random, 4); break;
    case RI_PRIORITY_OVERFLOW:
        pull.min_pending = (int64_t)rng_below(&m->random, 4);
        pull.min_ack_pending = (int64_t)rng_below(&m->random, 4);
        break;
    case RI_PRIORITY_PINNED_CLIENT:
        wrong = rng_below(&m->random, 8) == 0;
        pull.pin = wrong || rng_below(&m->random, 2) ? 0 : m->pin;
    }
    if (rng_below(&m->random, 3) == 0)
        pull.no_wait = true;
    else if (rng_below(&m->random, 2))
        expires_ns = 400 * RI_MS + (int64_t)(m->jitter += 1000);
    if (expires_ns) pull.expires_ns = m->w->mono_ns + expires_ns;
    ri_consumer_info info;
    ri_consumer_info_of(m->c, &info);
    if (pull.pin) {
        snprintf(id, sizeof id, ",\"id\":\"%.*s\"",
                 RI_ARG(info.priority_groups.items[0].pinned_client_id));
    } else if (wrong) {
        snprintf(id, sizeof id, ",\"id\":\"forged\"");
        pull.pin = UINT64_MAX;
    }
    snprintf(json, sizeof json, "{\"batch\":%d,\"expires\":%lld,\"no_wait\":%s,\"priority\":%d,"
             "\"min_pending\":%d,\"min_ack_pending\":%d%s%s}", (int)pull.left,
             (long long)expires_ns, pull.no_wait ? "true" : "false", (int)pull.priority,
             (int)pull.min_pending, (int)pull.min_ack_pending,
             m->priority == RI_PRIORITY_NONE ? "" : ",\"group\":\"g\"", id);
    if (getenv("RILL_SHOW")) fprintf(stderr, "       pull %u %s\n", pull.inbox, json);
    const char *ends = model_pull_ends(m, &pull, wrong);
    model_used(m);
    if (ends)
        model_status(m, pull.inbox, ends);
    else
        model_pull_put(m, &pull);
    if (!ends && pull.pin && pull.pin == m->pin) m->pin_due_ns = m->w->mono_ns + MODEL_PIN_NS;
    snprintf(inbox, sizeof inbox, "in.%u", pull.inbox);
    ck_assert_ok(world_pull(m->w, m->c, inbox, json));
}

static void model_settle(model *m, uint64_t seq)
{
    uint64_t first = m->acks == RI_ACK_ALL ? 1 : seq;
    if (seq >= m->next) return; /* it was never delivered */
    for (uint64_t i = first; i <= seq; i++) {
        model_message *x = &m->messages[i];
        if (x->state == PENDING || x->state == AGAIN) x->state = DONE;
    }
    model_used(m);
}

/* The reply is an inbox, for +NXT. */
static void model_ack_as(model *m, uint64_t seq, char *payload, size_t size, const char **reply)
{
    model_message *x = &m->messages[RI_MIN(seq, MODEL_MAX)];
    bool there = x->state == PENDING || x->state == AGAIN;
    uint64_t kind = rng_below(&m->random, 8);
    if (kind < 4) model_used(m); /* the others count if the message was delivered once */
    switch (kind) {
    case 0:
        snprintf(payload, size, "-NAK");
        if (there) x->delayed_ns = m->w->mono_ns;
        if (x->state == PENDING) model_expire(m, seq);
        break;
    case 1:
        m->jitter += 1000;
        x->delayed_ns = 0;
        snprintf(payload, size, "-NAK {\"delay\":%llu}",
                 (unsigned long long)(700 * RI_MS + m->jitter));
        if (!there) break;
        x->state = PENDING;
        x->due_ns = x->delayed_ns = m->w->mono_ns + 700 * RI_MS + (int64_t)m->jitter;
        break;
    case 2:
        snprintf(payload, size, "+WPI");
        if (x->state == PENDING) model_clock(m, x);
        break;
    case 3:
        snprintf(payload, size, "+TERM");
        if (there) x->state = DONE;
        break;
    case 4:
        model_settle(m, seq);
        if (m->priority != RI_PRIORITY_NONE || m->npulls == PULLS_MAX) break;
        snprintf(payload, size, "+NXT 2");
        *reply = "in.1";
        if (seq < m->next)
            model_pull_put(m, &(model_request){.inbox = 1, .left = 2, .expires_ns = INT64_MAX});
        break;
    default:
        model_settle(m, seq);
    }
}

static void model_ack(model *m)
{
    char subject[128], payload[64] = "";
    const char *reply = "", *consumer = "c";
    uint64_t seq = 1 + rng_below(&m->random, m->n + 3); /* some are not there, some not delivered */
    if (seq > m->delivered_stream && seq < m->next)
        return; /* passed over: whether it counts as delivered depends on when it was looked at */
    if (rng_below(&m->random, 10) == 0)
        consumer = "other";
    else if (m->acks != RI_ACK_NONE)
        model_ack_as(m, seq, payload, sizeof payload, &reply);
    snprintf(subject, sizeof subject, "$JS.ACK.S.%s.1.%llu.1.0.0", consumer,
             (unsigned long long)seq);
    if (getenv("RILL_SHOW")) fprintf(stderr, "       %s %s\n", subject, payload);
    world_publish(m->w, subject, reply, "", payload);
}

static void model_pause(model *m)
{
    int64_t ms = (int64_t)rng_below(&m->random, 3) * 300; /* 0: goes on */
    m->jitter += 1000;
    m->paused_ns = ms ? m->w->mono_ns + ms * RI_MS + (int64_t)m->jitter : 0;
    ck_assert_ok(ri_consumer_pause(m->c, ms ? m->w->wall_ns + ms * RI_MS + (int64_t)m->jitter : 0));
}

static void model_erase(model *m)
{
    if (!m->n) return;
    uint64_t seq = 1 + rng_below(&m->random, m->n);
    model_message *x = &m->messages[seq];
    int rc = ri_stream_erase(ri_consumer_stream(m->c), seq, false, NULL);
    ck_assert_int_eq(rc < 0, x->gone);
    if (x->state == PENDING || x->state == AGAIN) model_used(m);
    x->gone = true;
    if (x->state == PENDING || x->state == AGAIN) x->state = DONE;
}

/* The engine is closed and opened again: requests and pins are gone, clocks run on from the last
 * delivery. */
static void model_restart(model *m)
{
    ck_assert_ok(world_restart(m->w));
    m->c = ri_stream_consumer(ri_js_stream(m->w->js, RI_STR("S")), RI_STR("c"));
    ck_assert_ptr_nonnull(m->c);
    if (getenv("RILL_SHOW")) fprintf(stderr, "       restart\n");
    m->npulls = 0;
    m->pin = 0;
    model_used(m);
    for (uint64_t i = 1; i <= m->n; i++) { /* what is overdue comes due at once, in order */
        model_message *x = &m->messages[i];
        if (x->state != PENDING && x->state != AGAIN) continue;
        x->state = PENDING;
        x->due_ns = x->delayed_ns ? x->delayed_ns
                                  : x->sent_ns + m->wait_ns[RI_MIN(x->deliveries, m->nwaits) - 1];
        if (x->due_ns <= m->w->mono_ns) model_expire(m, i);
    }
}

static void model_compare_told(model *m)
{
    ri_buffer_put(&m->want, "", 1);
    if (getenv("RILL_SHOW")) fprintf(stderr, "%s", m->want.ptr);
    world_told(m->w, m->want.ptr, __FILE__, __LINE__);
    ri_buffer_reset(&m->want);
}

static void model_compare(model *m)
{
    ri_consumer_info info;
    model_compare_told(m);
    ri_stream *stream = ri_js_stream(m->w->js, RI_STR("S"));
    ck_assert_int_eq(ri_stream_consumer(stream, RI_STR("c")) == NULL, m->over);
    if (m->over) return;
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
    ck_assert_uint_eq(info.num_ack_pending, model_count(m, PENDING) + model_count(m, AGAIN));
    ck_assert_uint_eq(info.num_pending, model_ahead(m));
    ck_assert_uint_eq(info.num_redelivered, redelivered);
    ck_assert_uint_eq(info.delivered.consumer_seq, m->delivered_consumer);
    ck_assert_uint_eq(info.delivered.stream_seq, m->delivered_stream);
    ck_assert_uint_eq(info.ack_floor.stream_seq, floor_stream);
    ck_assert_uint_eq(info.ack_floor.consumer_seq, floor_consumer);
    ck_assert_uint_eq(info.num_waiting, m->npulls);
    ck_assert_int_eq(info.paused, m->paused_ns > m->w->mono_ns);
    if (m->priority == RI_PRIORITY_PINNED_CLIENT)
        ck_assert_int_eq(info.priority_groups.items[0].pinned_client_id.len > 0, m->pin != 0);
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
    } else if (dice < 87) {
        model_pause(m);
    } else {
        m->jitter += 1000;
        m->w->mono_ns += 1; /* no two deliveries are due at one moment by chance */
        m->w->wall_ns += 1;
        model_wait(m, 10 + (int64_t)rng_below(&m->random, 40) * 10);
    }
    world_turn(m->w);
    if (!m->over) model_run(m);
    model_compare(m);
    if (m->over) return;
    if (rng_below(&m->random, 100) >= m->restarts) return;
    model_restart(m);
    world_turn(m->w);
    model_run(m);
    model_compare(m);
}

/* What kind of a consumer it is, as JSON. */
static void model_choose_conf(model *m, char *json, size_t size)
{
    static const char *const acks[] = {[RI_ACK_NONE] = "none", [RI_ACK_ALL] = "all",
                                       [RI_ACK_EXPLICIT] = "explicit"};
    static const char *const priorities[] = {
        [RI_PRIORITY_OVERFLOW] = "overflow", [RI_PRIORITY_PRIORITIZED] = "prioritized",
        [RI_PRIORITY_PINNED_CLIENT] = "pinned_client"};
    static const ri_priority_policy policies[] = {
        RI_PRIORITY_NONE, RI_PRIORITY_NONE, RI_PRIORITY_OVERFLOW, RI_PRIORITY_PRIORITIZED,
        RI_PRIORITY_PINNED_CLIENT};
    static const ri_ack_policy kinds[] = {RI_ACK_EXPLICIT, RI_ACK_EXPLICIT, RI_ACK_ALL,
                                          RI_ACK_NONE};
    m->filtered = rng_below(&m->random, 2);
    m->acks = kinds[rng_below(&m->random, RI_LEN(kinds))];
    m->priority = policies[rng_below(&m->random, RI_LEN(policies))];
    m->max_pending = (uint32_t)(1 + rng_below(&m->random, 12));
    m->restarts = rng_below(&m->random, 4) ? 2 : 60;
    bool backs_off = m->acks != RI_ACK_NONE && rng_below(&m->random, 2);
    m->nwaits = backs_off ? BACKOFF_MAX : 1;
    for (size_t i = 0; i < m->nwaits; i++)
        m->wait_ns[i] = backs_off ? (int64_t)(200 + 370 * i) * RI_MS + (int64_t)i * 7 : 500 * RI_MS;
    m->max_deliver = (uint32_t)((backs_off ? BACKOFF_MAX + 1 : 1) + rng_below(&m->random, 4));
    int n = snprintf(json, size, "{\"durable_name\":\"c\",\"ack_policy\":\"%s\",\"max_deliver\":%u",
                     acks[m->acks], m->max_deliver);
    if (m->filtered) n += snprintf(json + n, size - (size_t)n, ",\"filter_subject\":\"s.a\"");
    if (m->acks != RI_ACK_NONE)
        n += snprintf(json + n, size - (size_t)n, ",\"max_ack_pending\":%u,\"ack_wait\":%lld",
                      m->max_pending, (long long)m->wait_ns[0]);
    if (backs_off)
        n += snprintf(json + n, size - (size_t)n, ",\"backoff\":[%lld,%lld,%lld]",
                      (long long)m->wait_ns[0], (long long)m->wait_ns[1], (long long)m->wait_ns[2]);
    m->threshold_ns = rng_below(&m->random, 4) ? 0
        : (300 + (int64_t)rng_below(&m->random, 900)) * RI_MS;
    if (m->threshold_ns)
        n += snprintf(json + n, size - (size_t)n, ",\"inactive_threshold\":%lld",
                      (long long)m->threshold_ns);
    if (m->priority != RI_PRIORITY_NONE)
        n += snprintf(json + n, size - (size_t)n, ",\"priority_policy\":\"%s\","
                      "\"priority_groups\":[\"g\"]", priorities[m->priority]);
    if (m->priority == RI_PRIORITY_PINNED_CLIENT)
        n += snprintf(json + n, size - (size_t)n, ",\"priority_timeout\":%lld",
                      (long long)MODEL_PIN_NS);
    snprintf(json + n, size - (size_t)n, "}");
}

static void model_history(uint64_t seed)
{
    static world w;
    static model m;
    char json[512];
    ri_js_error e;
    memset(&m, 0, sizeof m);
    ck_assert_ok(world_init(&w, NULL));
    world_wait(&w, 10); /* 0 stands for no time */
    m.w = &w;
    m.next = 1;
    rng_init(&m.random, seed);
    model_choose_conf(&m, json, sizeof json);
    if (getenv("RILL_SHOW"))
        fprintf(stderr, "history %llu: %s\n", (unsigned long long)seed, json);
    ri_buffer_init(&m.want, &w.f->host);
    world_listen(&w, "in1", "in.1");
    world_listen(&w, "in2", "in.2");
    world_listen(&w, "in3", "in.3");
    ck_assert_ok(world_stream(&w, "{\"name\":\"S\",\"subjects\":[\"s.*\"]}", NULL, NULL));
    ck_assert_msg(world_consumer(&w, "S", json, &m.c, &e) == RILL_OK, "%s: %s", json, e.text);
    model_used(&m);
    for (int i = 0; i < OPERATIONS && !m.over; i++) model_operation(&m);
    ri_buffer_fini(&m.want);
    world_fini(&w);
}

START_TEST(test_histories)
{
    uint64_t seed = rng_seed(1);
    for (uint64_t i = 0; i < HISTORIES; i++) model_history(seed + i);
}
END_TEST

SUITE_MAIN("consumer_model", test_histories)
