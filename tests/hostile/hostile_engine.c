/* SPDX-License-Identifier: Apache-2.0 */
/* A hostile client of the JetStream API, in virtual time: streams, consumers, messages, acks and
 * all else that a request can say, by the dice (dice.h), with restarts and leaps of the clocks in
 * between. Behind each step must hold
 *
 *     - nothing has crashed, and at the end of a history no memory is left (fault.h);
 *     - no turn is longer than RI_BUDGET_LONG times its limit in units;
 *     - a bystander's request is answered within BYSTANDER_TURNS turns, however much is asked.
 *
 * What is answered to the hostile one is not looked at: other tests do that. */
#include "base/error.h"
#include "hostile/dice.h"
#include "hostile/machine.h"
#include "support/desk.h"
#include "support/main.h"

enum {
    BYSTANDER_TURNS = 500,
    REST_TURNS = 20,       /* behind each step; what is not done then goes on beside the next */
    LEAP_TURNS = 200,
    FLOOD = 5000,
    HOSTILE_MADE = DICE_STREAMS * (1 + DICE_CONSUMERS),
};

typedef struct hostile {
    desk desk;
    rng random;
    world_ear *bystander, *ears[4];
    ri_buffer subject, body, headers;
    uint64_t step;
    const machine_args *args;
    bool failed;
} hostile;

static void hostile_fail(hostile *h, const char *what, uint64_t number)
{
    fprintf(stderr, "step %" PRIu64 ": %s: %" PRIu64 "\n", h->step, what, number);
    h->failed = true;
}

static void hostile_show(hostile *h, const char *what)
{
    if (!h->args->show) return;
    fprintf(stderr, "%" PRIu64 " %s %.*s {%.*s} %.*s\n", h->step, what,
            RI_ARG(ri_buffer_str(&h->subject)), RI_ARG(ri_buffer_str(&h->headers)),
            RI_ARG(ri_buffer_str(&h->body)));
}

/* ---- The world's turns, as a broker takes them ---- */

static bool hostile_waits(hostile *h)
{
    world *w = &h->desk.w;
    return ri_jetstream_api_waiting(h->desk.api) || ri_js_waiting(w->js) || ri_log_dirty(w->log);
}

static void hostile_turn(hostile *h)
{
    world *w = &h->desk.w;
    ri_budget *budget = &w->router.budget;
    w->router.time_ns = w->wall_ns;
    ri_budget_open(budget);
    do {
        ri_jetstream_api_step(h->desk.api, w->wall_ns, w->mono_ns);
        ri_js_step(w->js, w->wall_ns, w->mono_ns);
    } while ((ri_jetstream_api_waiting(h->desk.api) || ri_js_waiting(w->js)) &&
             ri_budget_left(budget));
    ri_budget_close(budget);
    if (ri_log_dirty(w->log)) {
        ri_js_prepare(w->js, w->log);
        int rc = ri_log_commit(w->log);
        ri_budget_open(budget);
        ri_js_committed(w->js, w->log, rc, w->wall_ns, w->mono_ns);
        ri_budget_close(budget);
    }
}

static void hostile_rest(hostile *h, int turns)
{
    while (turns-- > 0 && hostile_waits(h)) hostile_turn(h);
}

/* ---- What is done ---- */

static bool hostile_is_word(ri_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (strchr(" \t\r\n", s.ptr[i])) return false; /* 0, too: lines of a wire have none here */
    return s.len > 0 && s.len < 4000;
}

static void hostile_publish(hostile *h, const char *reply)
{
    world *w = &h->desk.w;
    ri_buffer block;
    ri_buffer_init(&block, h->subject.host);
    if (ri_buffer_size(&h->headers) > 0) {
        ri_buffer_puts(&block, "NATS/1.0\r\n");
        ri_buffer_put_str(&block, ri_buffer_str(&h->headers));
        ri_buffer_puts(&block, "\r\n");
    }
    w->router.time_ns = w->wall_ns;
    ri_message m = {.subject = ri_buffer_str(&h->subject), .reply = ri_str_of(reply),
                    .headers = ri_buffer_str(&block), .data = ri_buffer_str(&h->body)};
    /* What the parser of operations takes for one word. */
    if (hostile_is_word(m.subject)) ri_router_publish(&w->from, &(ri_publish){.m = &m});
    ri_buffer_fini(&block);
}

static void hostile_ask(hostile *h)
{
    static const char *const replies[] = {"in.1", "in.1", "in.2", "nobody", ""};
    ri_buffer_puts(&h->subject, "$JS.API.");
    dice_request(&h->random, &h->subject, &h->body);
    hostile_show(h, "ask");
    hostile_publish(h, replies[rng_below(&h->random, RI_LEN(replies))]);
}

/* Many at once, before a turn serves any of them. */
static void hostile_crowd(hostile *h)
{
    for (uint64_t n = rng_below(&h->random, 400); n > 0; n--) {
        ri_buffer_reset(&h->subject);
        ri_buffer_reset(&h->body);
        hostile_ask(h);
    }
}

/* So much that nothing that looks at all of it fits a turn. */
static void hostile_flood(hostile *h)
{
    unsigned stream = (unsigned)rng_below(&h->random, DICE_STREAMS);
    bool same = dice_chance(&h->random, 30);
    hostile_show(h, "flood");
    for (unsigned n = 0; n < FLOOD; n++) {
        ri_buffer_reset(&h->subject);
        ri_buffer_printf(&h->subject, "s%u.f.%u", stream, same ? 0 : n);
        hostile_publish(h, "");
    }
}

/* The first requests make what the later ones are about. */
static void hostile_make(hostile *h)
{
    unsigned n = (unsigned)h->step;
    ri_buffer_puts(&h->subject, "$JS.API.");
    if (n < DICE_STREAMS) {
        dice_make_stream(&h->random, n, &h->subject, &h->body);
    } else {
        n -= DICE_STREAMS;
        dice_make_consumer(&h->random, n % DICE_STREAMS, n / DICE_STREAMS, &h->subject, &h->body);
    }
    hostile_show(h, "make");
    hostile_publish(h, "in.0");
}

static void hostile_send(hostile *h)
{
    for (uint64_t n = 1 + rng_below(&h->random, 8); n > 0; n--) {
        ri_buffer_reset(&h->subject);
        ri_buffer_reset(&h->headers);
        ri_buffer_reset(&h->body);
        dice_subject(&h->random, &h->subject, false);
        if (dice_chance(&h->random, 30)) dice_headers(&h->random, &h->headers);
        dice_payload(&h->random, &h->body);
        hostile_show(h, "send");
        hostile_publish(h, dice_chance(&h->random, 70) ? "in.3" : "");
    }
}

static void hostile_settle(hostile *h)
{
    world_ear *ear = h->ears[rng_below(&h->random, RI_LEN(h->ears))];
    const char *flow = ear->last_flow, *last = ear->last_ack;
    if (*flow && dice_chance(&h->random, 20)) ri_buffer_puts(&h->subject, flow);
    else dice_ack(&h->random, dice_chance(&h->random, 85) ? last : "", &h->subject, &h->body);
    hostile_show(h, "settle");
    hostile_publish(h, dice_chance(&h->random, 50) ? "in.3" : "");
}

/* Time passes, to the next timers or beyond them. */
static void hostile_wait(hostile *h)
{
    static const int64_t leaps_ms[] = {1, 100, 1000, 5000, 60000, 3600000, 86400000};
    world *w = &h->desk.w;
    int64_t end = w->mono_ns + leaps_ms[rng_below(&h->random, RI_LEN(leaps_ms))] * RI_MS;
    bool leap = dice_chance(&h->random, 30);
    hostile_show(h, leap ? "leap" : "wait");
    for (int turns = 0; w->mono_ns < end; turns++) {
        int64_t due = RI_MIN(ri_jetstream_api_next_due_ns(h->desk.api),
                             ri_js_next_due_ns(w->js));
        int64_t to = leap || turns >= LEAP_TURNS ? end : RI_MIN(RI_MAX(due, w->mono_ns), end);
        w->wall_ns += to - w->mono_ns;
        w->mono_ns = w->f->now_ns = to;
        hostile_turn(h);
    }
}

static bool hostile_api_open(hostile *h)
{
    world *w = &h->desk.w;
    ri_jetstream_api_opts opts = {.host = &w->f->host, .router = &w->router,
                                  .server_name = "desk", .server_id = "ID", .version = "2.12.0"};
    return ri_jetstream_api_open(&h->desk.api, &opts) == RILL_OK;
}

/* All that is written is read again. */
static void hostile_restart(hostile *h)
{
    world *w = &h->desk.w;
    hostile_show(h, "restart");
    ri_jetstream_api_close(h->desk.api);
    h->desk.api = NULL;
    w->also = NULL;
    if (!hostile_api_open(h)) {
        hostile_fail(h, "the API is not opened", 0);
        return;
    }
    w->also_arg = h->desk.api;
    w->also = ri_jetstream_api_event;
    int rc = world_restart(w);
    if (rc < 0) {
        fprintf(stderr, "%s\n", ri_err_text());
        hostile_fail(h, "what was accepted is not read again", (uint64_t)-rc);
        return;
    }
    ri_jetstream_api_start(h->desk.api, w->js);
}

/* A delivery that comes and goes: interest is part of what consumers look at. */
static void hostile_listen(hostile *h)
{
    size_t i = 1 + rng_below(&h->random, RI_LEN(h->ears) - 1);
    char subject[8] = "d.0";
    subject[2] = (char)('0' + i - 1);
    world_deafen(&h->desk.w, h->ears[i]);
    bool queue = dice_chance(&h->random, 30);
    h->ears[i] = world_listen_in(&h->desk.w, "ear", subject, queue ? "g" : "");
    h->ears[i]->quiet = true;
    hostile_show(h, "listen");
}

/* ---- What must hold ---- */

static void hostile_check(hostile *h)
{
    world *w = &h->desk.w;
    uint64_t got = h->bystander->got;
    int turns = 0;
    world_publish(w, "$JS.API.STREAM.INFO.NONE", "by", "", "");
    while (h->bystander->got == got && turns++ < BYSTANDER_TURNS) hostile_turn(h);
    if (h->bystander->got == got) hostile_fail(h, "turns without an answer", (uint64_t)turns);
    hostile_rest(h, REST_TURNS);
    if (h->args->show) fprintf(stderr, "%.*s", RI_ARG(ri_buffer_str(&w->told)));
    ri_buffer_reset(&w->told);
    uint64_t longest = w->router.budget.longest;
    machine_note_turn(longest);
    if (longest > (uint64_t)RI_BUDGET_LONG * RI_BUDGET_TURN)
        hostile_fail(h, "units in a turn", longest);
}

static void hostile_step(hostile *h)
{
    uint64_t kind = rng_below(&h->random, 100);
    machine_watch();
    ri_buffer_reset(&h->subject);
    ri_buffer_reset(&h->body);
    ri_buffer_reset(&h->headers);
    if (h->step < HOSTILE_MADE) hostile_make(h);
    else if (kind == 0) hostile_crowd(h);
    else if (kind == 1) hostile_flood(h);
    else if (kind < 42) hostile_ask(h);
    else if (kind < 77) hostile_send(h);
    else if (kind < 87) hostile_settle(h);
    else if (kind < 95) hostile_wait(h);
    else if (kind < 98) hostile_listen(h);
    else hostile_restart(h);
    if (!h->failed) hostile_check(h);
}

static bool hostile_open(hostile *h)
{
    static const char *const subjects[] = {"in.>", "d.0", "d.1", "d.2"};
    if (desk_init(&h->desk, NULL, NULL) < 0) return false;
    h->bystander = world_listen(&h->desk.w, "by", "by");
    h->bystander->quiet = true;
    for (size_t i = 0; i < RI_LEN(h->ears); i++) {
        h->ears[i] = world_listen(&h->desk.w, "ear", subjects[i]);
        h->ears[i]->quiet = !h->args->show;
    }
    const ri_host *host = &h->desk.w.f->host;
    ri_buffer_init(&h->subject, host);
    ri_buffer_init(&h->body, host);
    ri_buffer_init(&h->headers, host);
    return true;
}

static bool hostile_history(const machine_args *args, uint64_t seed)
{
    static hostile h;
    h = (hostile){.args = args};
    rng_init(&h.random, seed);
    if (!hostile_open(&h)) {
        fprintf(stderr, "%s\n", ri_err_text());
        return false;
    }
    for (; h.step < args->steps && !h.failed; h.step++) hostile_step(&h);
    if (h.failed) return false; /* as it is, for a debugger */
    ri_buffer_fini(&h.subject);
    ri_buffer_fini(&h.body);
    ri_buffer_fini(&h.headers);
    desk_fini(&h.desk, NULL);
    return true;
}

static machine_args hostile_args;
static int hostile_exit;

/* The world asserts, which works within a test only. */
START_TEST(test_histories)
{
    hostile_exit = machine_run(&hostile_args, hostile_history);
}
END_TEST

int main(int argc, char **argv)
{
    hostile_args = machine_arguments(argc, argv, 300);
    const suite_row row = SUITE_ONCE(test_histories);
    return suite_run("hostile_engine", &row, 1, CK_NOFORK) ? EXIT_FAILURE : hostile_exit;
}
