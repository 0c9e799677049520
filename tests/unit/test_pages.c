/* SPDX-License-Identifier: Apache-2.0 */
/* Pages that $SYS.REQ asks for, in slices of a few units: each is that of one piece, within its
 * bounds; and the search for one connection. */
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "codec/limits.h"
#include "front/broker/act.h"
#include "front/nats/nats_server.h"
#include "front/pages/page.h"
#include "support/line_door.h"
#include "support/peer.h"
#include "support/suite.h"

enum { WAIT_MS = 20000, LINES = 60, PART = 100, SLACK = 1200 };

static const ri_door_ops *const kinds[] = {&ri_nats_door, &line_door, NULL};
static const rill_listen_opts plain = {.size = sizeof plain};

typedef struct house {
    rill_broker *broker;
    ri_broker *inside; /* the same one */
    int port;
} house;

static house house_open(const rill_broker_opts *opts)
{
    house h;
    ck_assert_ok(rill_broker_open(&h.broker, opts));
    h.inside = (ri_broker *)(void *)h.broker;
    h.port = ri_broker_listen(h.inside, kinds, "nats://127.0.0.1:0", &plain);
    ck_assert_msg(h.port > 0, "%s", ri_err_text());
    ck_assert_ok(ri_broker_listen(h.inside, kinds, "mem:", &plain));
    return h;
}

/* One stay in the gate: true if there is more. */
static bool slice(const house *h, ri_page *page, bool sliced)
{
    ri_budget *budget = &h->inside->router.budget;
    ri_broker_enter(h->inside);
    ri_budget_open_part(budget, sliced ? PART : RI_BUDGET_TURN);
    int64_t before = budget->left;
    bool more = ri_page_step(page);
    if (sliced) more = ri_page_between(page, budget) || more;
    ck_assert_int_le(before - budget->left, PART + SLACK + RI_BUDGET_TURN * !sliced);
    ri_budget_close(budget);
    ri_broker_leave(h->inside);
    if (!sliced) ri_page_between(page, NULL);
    return more;
}

/* What is left of a page: so many slices. */
static int make_rest(const house *h, ri_page *page, bool sliced)
{
    int slices = 1;
    for (; slice(h, page, sliced); slices++) continue;
    ri_page_finish(page);
    ck_assert(!page->body.failed);
    return slices;
}

/* The page as $SYS.REQ has it, and how many slices it took; `sliced` false: as HTTP sorts it. */
static int make(const house *h, const ri_page_kind *kind, const char *query, bool sliced,
                ri_page *page)
{
    *page = (ri_page){.system = true};
    ri_page_begin(page, kind, h->inside, ri_str_of(query));
    return make_rest(h, page, sliced);
}

static void drop(const house *h, ri_page *page)
{
    ri_broker_enter(h->inside);
    ri_page_fini(page);
    ri_broker_leave(h->inside);
}

/* The numbers that stand behind this, in their order. */
static size_t numbers(const ri_page *page, const char *key, uint64_t out[static 2 * LINES])
{
    ri_str text = ri_buffer_str(&page->body);
    size_t n = 0, len = strlen(key);
    for (size_t i = 0; i + len < text.len && n < 2 * LINES; i++)
        if (memcmp(text.ptr + i, key, len) == 0) out[n++] = strtoull(text.ptr + i + len, NULL, 10);
    return n;
}

static bool has(const ri_page *page, const char *part)
{
    ri_str text = ri_buffer_str(&page->body);
    return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

/* The heap of a sort in slices has the order of one in a piece, on each page. */
START_TEST(sorted)
{
    static const char *const queries[] = {
        "sort=subs", "sort=subs&limit=7", "sort=subs&offset=13&limit=9", "sort=uptime&limit=3",
        "sort=subs&offset=999", "sort=idle&offset=1"};
    house h = house_open(NULL);
    ri_door *lines = line_door_of(h.inside);
    char say[32];
    for (int i = 0; i < LINES; i++) {
        line_conn *line = line_dial(lines);
        for (int k = 0; k < i * 7 % 11; k++) {
            snprintf(say, sizeof say, "SUB s.%d", k);
            line_say(line, say);
        }
    }
    for (size_t i = 0; i < RI_LEN(queries); i++) {
        uint64_t ids[2][2 * LINES];
        ri_page pages[2];
        int slices = make(&h, &ri_page_connz, queries[i], true, &pages[0]);
        make(&h, &ri_page_connz, queries[i], false, &pages[1]);
        ck_assert_int_gt(slices, 2 * LINES / PART);
        size_t n = numbers(&pages[0], "{\"cid\":", ids[0]);
        ck_assert_uint_eq(n, numbers(&pages[1], "{\"cid\":", ids[1]));
        ck_assert_mem_eq(ids[0], ids[1], n * sizeof ids[0][0]);
        ck_assert_msg(has(&pages[0], "\"total\":60,"), "%.400s", pages[0].body.ptr);
        for (int k = 0; k < 2; k++) drop(&h, &pages[k]);
    }
    ck_assert_ok(rill_broker_close(h.broker, WAIT_MS));
}
END_TEST

/* One that has to be looked for is found in slices, and ended, or not. */
START_TEST(acted)
{
    house h = house_open(NULL);
    ri_budget *budget = &h.inside->router.budget;
    peer p, other;
    for (int i = 0; i < LINES; i++) line_dial(line_door_of(h.inside));
    peer_open(&p, h.port);
    peer_open(&other, h.port);
    const struct { uint64_t id; ri_act_kind kind; ri_acted acted; } rows[] = {
        {LINES / 2, RI_ACT_KICK, RI_ACTED_CANNOT},          /* its door cannot */
        {LINES + 1, RI_ACT_LAME_DUCK, RI_ACTED_YES},
        {LINES + 1, RI_ACT_KICK, RI_ACTED_YES},
        {LINES + 1, RI_ACT_KICK, RI_ACTED_NOBODY},
        {LINES + 9, RI_ACT_KICK, RI_ACTED_NOBODY}, {0, RI_ACT_KICK, RI_ACTED_NOBODY},
        {UINT64_MAX, RI_ACT_LAME_DUCK, RI_ACTED_NOBODY}};
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        ri_act act = {.id = rows[i].id, .kind = rows[i].kind};
        int slices = 0;
        for (bool more = true; more; slices++) {
            ri_broker_enter(h.inside);
            ri_budget_open_part(budget, 7);
            more = ri_act_some(&act, h.inside, budget);
            ck_assert_int_ge(budget->left, 0);
            ri_budget_close(budget);
            ri_broker_leave(h.inside);
        }
        ck_assert_msg(act.acted == rows[i].acted, "row %zu: %d", i, (int)act.acted);
        if (rows[i].id > LINES / 2) ck_assert_int_gt(slices, LINES / 2 / 8);
    }
    ck_assert(peer_hear(&p, "\"ldm\":true") && peer_hear(&p, "\r\n"));
    peer_expect_end(&p);
    peer_sync(&other);
    close(p.fd);
    close(other.fd);
    ck_assert_ok(rill_broker_close(h.broker, WAIT_MS));
}
END_TEST

/* All streams and consumers, in slices; a stream that goes meanwhile ends. */
START_TEST(streams)
{
    enum { STREAMS = 3, GROUPS = 30 };
    const rill_broker_opts opts = {.size = sizeof opts, .jetstream = true};
    house h = house_open(&opts);
    rill_bus *bus;
    char name[16], group[16];
    ck_assert_ok(rill_broker_bus(h.broker, &bus, NULL));
    for (int i = 0; i < STREAMS; i++) {
        snprintf(name, sizeof name, "S%d", i);
        const rill_stream_opts conf = {.size = sizeof conf, .in_memory = true};
        ck_assert_int_ge(rill_stream_ensure(bus, name, &conf), 0);
        for (int k = 0; k < GROUPS; k++) {
            snprintf(group, sizeof group, "g%d", k);
            ck_assert_int_ge(rill_group_ensure(bus, name, group, NULL), 0);
        }
    }
    for (int gone = 0; gone < 2; gone++) {
        ri_page page;
        int slices = make(&h, &ri_page_jsz, "consumers=1", true, &page);
        ck_assert_int_gt(slices, STREAMS * GROUPS / 20);
        ck_assert(has(&page, "\"name\":\"g29\""));
        ck_assert(has(&page, gone ? "\"consumers\":60," : "\"consumers\":90,"));
        ck_assert(has(&page, "\"name\":\"S1\"") == !gone);
        drop(&h, &page);
        if (!gone) ck_assert_ok(rill_stream_delete(bus, "S1"));
    }
    ri_page page;
    make(&h, &ri_page_jsz, "streams=1&acc=$G", true, &page);
    ck_assert(has(&page, "\"account_details\":[{\"name\":\"$G\""));
    drop(&h, &page);
    ck_assert_ok(rill_close(bus, WAIT_MS));
    ck_assert_ok(rill_broker_close(h.broker, WAIT_MS));
}
END_TEST

static void ask(rill_bus *bus, const char *verb, const char *body, const char *wanted)
{
    char subject[64];
    rill_msg *answer;
    snprintf(subject, sizeof subject, "$SYS.REQ.%s", verb);
    ck_assert_ok(rill_request(bus, subject, body, strlen(body), NULL, &answer, WAIT_MS));
    ck_assert_msg(memmem(answer->data.ptr, answer->data.len, wanted, strlen(wanted)), "%s: %.*s",
                  wanted, (int)answer->data.len, (const char *)answer->data.ptr);
    rill_msg_unref(answer);
}

/* JSON of many members, of which the last is limit. */
static void fill(char *body, size_t len)
{
    static const char end[] = "\"limit\":77}", more[] = "\"a\":1,";
    size_t at = 1;
    memset(body, ' ', len);
    body[0] = '{';
    for (; at + sizeof more + sizeof end < len; at += sizeof more - 1)
        memcpy(body + at, more, sizeof more - 1);
    memcpy(body + len - (sizeof end - 1), end, sizeof end);
}

/* A request is gone through for each option: its length is bounded, and what that takes counts. */
START_TEST(long_requests)
{
    const rill_broker_opts opts = {.size = sizeof opts, .jetstream = true};
    house h = house_open(&opts);
    ri_budget *budget = &h.inside->router.budget;
    static char body[256 * 1024];
    rill_bus *bus;
    ck_assert_ok(rill_broker_bus(h.broker, &bus, NULL));
    fill(body, RI_LIMIT_SYSTEM_BODY);
    budget->longest = 0;
    ask(bus, "SERVER.PING.CONNZ", body, "\"limit\":77,");
    ck_assert_uint_le(budget->longest, RI_BUDGET_TURN);
    ck_assert_uint_gt(budget->longest, RI_LIMIT_SYSTEM_BODY); /* not of its length alone */
    for (size_t len = RI_LIMIT_SYSTEM_BODY + 1; len < sizeof body; len *= 2) {
        fill(body, len);
        ask(bus, "SERVER.PING.CONNZ", body, "\"code\":400,\"description\":\"the request has more");
    }
    ck_assert_ok(rill_close(bus, WAIT_MS));
    ck_assert_ok(rill_broker_close(h.broker, WAIT_MS));
}
END_TEST

enum { SUBS = 3000 };

static void subscribe(peer *p, int first, int end)
{
    char say[64];
    for (int i = first; i < end; i++) {
        snprintf(say, sizeof say, "SUB x.%d.y %d\r\n", i, i + 1);
        peer_send(p, say);
    }
    peer_sync(p);
}

/* Three that hear of late.a, of which the second has subscribed to very much more, and two that
 * have subscribed to nothing. */
static void many_open(house *h, peer peers[static 3])
{
    *h = house_open(NULL);
    ri_door *lines = line_door_of(h->inside);
    for (int i = 0; i < 3; i++) {
        peer_open(&peers[i], h->port);
        if (i == 1) subscribe(&peers[i], 0, SUBS);
        peer_send(&peers[i], "SUB late.> late\r\n");
        peer_sync(&peers[i]);
        if (i < 2) line_dial(lines);
    }
}

static void many_close(house *h, peer peers[static 3])
{
    for (int i = 0; i < 3; i++) close(peers[i].fd);
    ck_assert_ok(rill_broker_close(h->broker, WAIT_MS));
}

/* The subscriptions of one connection are compared in many slices; none is met twice. */
START_TEST(compared)
{
    static const struct {
        const ri_page_kind *kind;
        const char *query, *wanted;
    } rows[] = {
        {&ri_page_connz, "filter_subject=late.a", "\"num_connections\":3,\"total\":3,"},
        {&ri_page_connz, "filter_subject=late.a&sort=subs", "\"num_connections\":3,\"total\":3,"},
        {&ri_page_connz, "filter_subject=late.a&limit=1", "\"num_connections\":1,\"total\":3,"},
        {&ri_page_connz, "filter_subject=none", "\"num_connections\":0,\"total\":0,"},
        {&ri_page_connz, "filter_subject=none&acc=$G", "\"num_connections\":0,\"total\":0,"},
        {&ri_page_connz, "filter_subject=x.7.*", "\"num_connections\":1,\"total\":1,"},
        {&ri_page_subsz, "test=late.a", "\"total\":3,"},
        {&ri_page_subsz, "test=x.7.y&subs=1", "\"total\":1,"},
        {&ri_page_subsz, "test=none", "\"total\":0,"},
    };
    house h;
    static peer peers[3];
    many_open(&h, peers);
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        ri_page page;
        int slices = make(&h, rows[i].kind, rows[i].query, true, &page);
        ck_assert_msg(has(&page, rows[i].wanted), "row %zu: %.400s", i, page.body.ptr);
        bool whole = rows[i].kind == &ri_page_subsz || has(&page, "\"total\":0,");
        ck_assert_int_gt(slices, whole ? SUBS / PART : 0); /* else: until the first is met */
        drop(&h, &page);
    }
    many_close(&h, peers);
}
END_TEST

static uint64_t subs_of(const house *h)
{
    rill_stats stats = {.size = sizeof stats};
    ck_assert_ok(rill_broker_stats(h->broker, &stats));
    return stats.subs;
}

/* Meanwhile they become many more, or none, or the connection goes: the rest is met once. */
START_TEST(compared_meanwhile)
{
    enum { MORE, NONE, GONE, CASES };
    const ri_page_kind *const kinds_of[] = {&ri_page_connz, &ri_page_subsz};
    for (int i = 0; i < 2 * CASES; i++) {
        house h;
        static peer peers[3];
        char say[64];
        ri_page page = {.system = true};
        many_open(&h, peers);
        ri_page_begin(&page, kinds_of[i % 2], h.inside,
                      ri_str_of(i % 2 ? "test=late.a" : "filter_subject=late.>"));
        for (int k = 0; k < 5 && slice(&h, &page, true); k++) continue; /* or all were met */
        if (i / 2 == MORE) subscribe(&peers[1], SUBS, 4 * SUBS);
        for (int k = 0; k < SUBS && i / 2 == NONE; k++) {
            snprintf(say, sizeof say, "UNSUB %d\r\n", k + 1);
            peer_send(&peers[1], say);
        }
        if (i / 2 == NONE) peer_send(&peers[1], "UNSUB late\r\n");
        if (i / 2 == NONE) peer_sync(&peers[1]);
        if (i / 2 == GONE) shutdown(peers[1].fd, SHUT_RDWR);
        while (i / 2 == GONE && subs_of(&h) == SUBS + 3) usleep(1000); /* until some have */
        make_rest(&h, &page, true);
        uint64_t total[2 * LINES];
        ck_assert_uint_ge(numbers(&page, "\"total\":", total), 1);
        ck_assert_uint_ge(total[0], i / 2 == MORE ? 3 : 2);
        ck_assert_uint_le(total[0], i / 2 == MORE && i % 2 ? 4 : 3);
        drop(&h, &page);
        many_close(&h, peers);
    }
}
END_TEST

/* What is none of its kind, a sentence in place of a page, and one that is full. */
START_TEST(refused)
{
    house h = house_open(NULL);
    ri_page page;
    make(&h, &ri_page_connz, "limit=a", true, &page);
    ck_assert(page.misread && page.said && page.status == 400);
    drop(&h, &page);
    make(&h, &ri_page_connz, "sort=none", true, &page);
    ck_assert(page.said && !page.misread && has(&page, "invalid sorting option: none"));
    ck_assert(!ri_page_is_full(&page, RI_LIMIT_JS_JSZ - 1));
    ck_assert(ri_page_is_full(&page, RI_LIMIT_JS_JSZ));
    drop(&h, &page);
    make(&h, &ri_page_accstatz, "accs=none%0A", true, &page);
    ck_assert(!page.said);
    drop(&h, &page);
    ck_assert_ok(rill_broker_close(h.broker, WAIT_MS));
}
END_TEST

SUITE_MAIN("pages", sorted, acted, streams, long_requests, compared, compared_meanwhile,
           refused)
