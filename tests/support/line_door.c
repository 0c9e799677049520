/* SPDX-License-Identifier: Apache-2.0 */
#include "support/line_door.h"

#include <stdio.h>

#include "base/buffer.h"
#include "base/error.h"
#include "net/loop.h"

enum { LINE_WAIT_MS = 20000 };

typedef struct line_sub {
    ri_subscription core;
    ri_list link; /* in conn->subs */
    char subject[64];
} line_sub;

typedef struct line_server {
    ri_door door;
    ri_broker *broker;
    ri_loop loop;
    ri_park written; /* signalled when a turn of the loop has ended */
    ri_list conns;
    line_door_counts counts;
    int64_t end_ns;
    ri_loop_timer end_timer; /* until then */
    bool ending, left;
} line_server;

struct line_conn {
    ri_party party;
    line_server *server;
    ri_list link; /* in server->conns */
    uint64_t id;
    ri_list subs;
    ri_buffer queued; /* output, counted as such */
    ri_buffer heard;
    bool held;
    bool ended;       /* asked to; the loop takes it off the router ... */
    bool over;        /* ... and has done so */
};

#define LINE_SERVER(pointer) ri_container_of(pointer, line_server, door)
#define LINE_CONN(item) ri_container_of(item, line_conn, link)

/* ---- Connections: inside the gate ---- */

static uint64_t line_pending(const line_conn *conn)
{
    return ri_buffer_size(&conn->queued);
}

static void line_queue(line_conn *conn, const char *verb, const ri_message *m)
{
    size_t before = ri_buffer_size(&conn->queued);
    ri_buffer_printf(&conn->queued, "%s %.*s %.*s\n", verb, RI_ARG(m->subject), RI_ARG(m->data));
    ri_memory_charge(&conn->server->broker->router.memory, RI_MEMORY_OUTPUT,
                     ri_buffer_size(&conn->queued) - before);
    conn->server->broker->output_waits |= conn->server->door.bit;
}

static void line_drop(line_conn *conn)
{
    ri_memory_refund(&conn->server->broker->router.memory, RI_MEMORY_OUTPUT, line_pending(conn));
    ri_buffer_reset(&conn->queued);
}

static bool line_deliver(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    (void)sub;
    line_conn *conn = ri_container_of(party, line_conn, party);
    ri_broker *broker = conn->server->broker;
    if (!ri_broker_has_room(broker)) ri_broker_shed(broker);
    if (conn->ended || line_pending(conn) + d->m->data.len > broker->pending_cap) return false;
    line_queue(conn, "MSG", d->m);
    return true;
}

static void line_sub_ended(ri_party *party, ri_subscription *sub)
{
    (void)party;
    (void)sub;
}

static const ri_party_ops line_ops = {.deliver = line_deliver, .ended = line_sub_ended};

static void line_end(line_conn *conn)
{
    conn->ended = true;
    conn->server->broker->output_waits |= conn->server->door.bit;
}

/* What its peer takes is written; a connection that was asked to end is off the router then. */
static void line_write(line_conn *conn)
{
    if (!conn->held || conn->ended) {
        if (!conn->held)
            ri_buffer_put(&conn->heard, ri_buffer_str(&conn->queued).ptr, line_pending(conn));
        line_drop(conn);
    }
    if (!conn->ended || conn->over) return;
    ri_party_fini(&conn->party);
    ri_buffer_puts(&conn->heard, "BYE\n");
    conn->over = true;
}

line_conn *line_dial(ri_door *door)
{
    line_server *server = LINE_SERVER(door);
    ri_broker *broker = server->broker;
    line_conn *conn = ri_new(&broker->host, line_conn);
    RI_ASSERT(conn);
    conn->server = server;
    ri_list_init(&conn->subs);
    ri_buffer_init(&conn->queued, &broker->host);
    ri_buffer_init(&conn->heard, &broker->host);
    ri_broker_enter(broker);
    conn->id = ++broker->next_conn_id;
    ri_party_init(&conn->party, &broker->router, &line_ops);
    ri_list_push(&server->conns, &conn->link);
    ri_broker_leave(broker);
    return conn;
}

static void line_subscribe(line_conn *conn, const char *subject)
{
    line_sub *sub = ri_new(&conn->server->broker->host, line_sub);
    RI_ASSERT(sub);
    snprintf(sub->subject, sizeof sub->subject, "%s", subject);
    sub->core.entry.subject = ri_str_of(sub->subject);
    ri_list_push(&conn->subs, &sub->link);
    int rc = ri_router_subscribe(&conn->party, &sub->core);
    RI_ASSERT(rc >= 0);
    (void)rc;
}

void line_say(line_conn *conn, const char *line)
{
    char subject[64];
    int at = 0;
    ri_broker *broker = conn->server->broker;
    ri_broker_enter(broker);
    if (sscanf(line, "SUB %63s", subject) == 1) line_subscribe(conn, subject);
    if (sscanf(line, "PUB %63s %n", subject, &at) == 1) {
        ri_message m = {.subject = ri_str_of(subject), .data = ri_str_of(line + at)};
        ri_router_publish(&conn->party, &(ri_publish){.m = &m});
    }
    ri_broker_leave(broker);
}

void line_hold(line_conn *conn, bool held)
{
    ri_broker_enter(conn->server->broker);
    conn->held = held;
    ri_broker_leave(conn->server->broker);
    ri_loop_wake(&conn->server->loop);
}

bool line_hears(line_conn *conn, const char *text)
{
    line_server *server = conn->server;
    for (bool slept = true;;) {
        ri_broker_enter(server->broker);
        ri_buffer_put(&conn->heard, "", 1);
        bool there = strstr(ri_buffer_str(&conn->heard).ptr, text) != NULL;
        conn->heard.len--;
        uint32_t seen = ri_park_count(&server->written);
        ri_broker_leave(server->broker);
        if (there || !slept) return there;
        slept = ri_park_wait(&server->written, seen, LINE_WAIT_MS * RI_MS);
    }
}

/* ---- The loop ---- */

static bool line_is_written(const line_server *server)
{
    ri_list_each (item, &server->conns)
        if (line_pending(LINE_CONN(item)) > 0) return false;
    return true;
}

static void line_on_end_due(ri_loop_timer *timer)
{
    (void)timer; /* the turn that follows looks at the time */
}

/* All is written, or the time is up; else the loop comes again. */
static void line_finish(line_server *server)
{
    bool late = ri_mono_ns(&server->broker->host) >= server->end_ns;
    server->left = !line_is_written(server);
    if (server->left && !late) {
        if (server->end_ns != INT64_MAX)
            ri_loop_timer_set(&server->loop, &server->end_timer, server->end_ns);
        return;
    }
    ri_list_each (item, &server->conns) {
        line_end(LINE_CONN(item));
        line_write(LINE_CONN(item));
    }
    ri_loop_stop(&server->loop);
}

static void line_on_turn(void *arg)
{
    line_server *server = arg;
    ri_broker *broker = server->broker;
    ri_broker_enter(broker);
    ri_list_each (item, &server->conns) line_write(LINE_CONN(item));
    ri_broker_relieve(broker);
    if (broker->drain_waiters > 0) ri_park_signal(&broker->drained);
    if (server->ending) line_finish(server);
    broker->output_waits &= ~server->door.bit;
    ri_broker_leave(broker);
    ri_park_signal(&server->written);
}

/* ---- The table ---- */

static int line_open(ri_door **door, ri_broker *broker)
{
    line_server *server = ri_new(&broker->host, line_server);
    if (!server) return RILL_ENOMEM;
    server->door.ops = &line_door;
    server->broker = broker;
    ri_list_init(&server->conns);
    ri_park_init(&server->written);
    server->end_timer.fn = line_on_end_due;
    int rc = ri_loop_init(&server->loop, &broker->host, line_on_turn, server);
    if (rc == RILL_OK) rc = ri_loop_start(&server->loop);
    RI_ASSERT(rc == RILL_OK);
    *door = &server->door;
    return RILL_OK;
}

static int line_listen(ri_door *door, const char *url, const rill_listen_opts *opts)
{
    (void)opts;
    (void)door;
    return url[strlen("mem:")] ? ri_err(RILL_EINVAL, "this door is at mem: itself") : 0;
}

static void line_wake(ri_door *door)
{
    LINE_SERVER(door)->counts.wakes++;
    ri_loop_wake(&LINE_SERVER(door)->loop);
}

static int line_flush(ri_door *door, int64_t due_ns)
{
    line_server *server = LINE_SERVER(door);
    const ri_host *host = &server->broker->host;
    for (;;) {
        ri_broker_enter(server->broker);
        bool written = line_is_written(server);
        uint32_t seen = ri_park_count(&server->written);
        ri_broker_leave(server->broker);
        if (written) return RILL_OK;
        int64_t left_ns = due_ns == INT64_MAX ? -1 : due_ns - ri_mono_ns(host);
        if (due_ns != INT64_MAX && left_ns <= 0) return ri_err(RILL_ETIMEDOUT, "a line waits");
        ri_park_wait(&server->written, seen, left_ns);
    }
}

static void line_reload(ri_door *door)
{
    LINE_SERVER(door)->counts.reloads++;
}

static void line_lame_duck(ri_door *door, uint32_t grace_ms, uint32_t duration_ms)
{
    (void)grace_ms;
    (void)duration_ms;
    LINE_SERVER(door)->counts.lame_ducks++;
}

static void line_stats(const ri_door *door, rill_stats *add)
{
    ri_list_each (item, &LINE_SERVER(door)->conns) {
        add->conns += !LINE_CONN(item)->ended;
        add->conns_total++;
    }
}

static uint64_t line_next_conn(const ri_door *door, const void **at)
{
    const ri_list *conns = &LINE_SERVER(door)->conns;
    const ri_list *item = *at ? *at : conns;
    while ((item = item->next) != conns && LINE_CONN(item)->ended) continue;
    *at = item;
    return item == conns ? 0 : LINE_CONN(item)->id;
}

static void line_seek_conn(const ri_door *door, uint64_t id, const void **at)
{
    const ri_list *conns = &LINE_SERVER(door)->conns;
    for (const ri_list *item = conns->next; item != conns && LINE_CONN(item)->id <= id;
         item = item->next)
        *at = item;
}

static void line_describe_conn(const ri_door *door, const void *at, ri_broker_conn *out)
{
    (void)door;
    const ri_list *item = at;
    out->info = (rill_conn_info){.id = LINE_CONN(item)->id,
                                 .pending_bytes = line_pending(LINE_CONN(item))};
    out->peer = RI_STR("line");
}

static void line_list_subs(const ri_door *door, const void *at, ri_broker_subs_query *query)
{
    (void)door;
    const ri_list *item = at;
    ri_list_each (link, &LINE_CONN(item)->subs) {
        const line_sub *sub = ri_container_of(link, line_sub, link);
        if (!ri_broker_subs_want(query)) continue;
        const ri_broker_sub told = {
            .info = {.conn = LINE_CONN(item)->id, .msgs = sub->core.delivered},
            .subject = ri_str_of(sub->subject)};
        query->put(query->arg, &told);
    }
}

static uint64_t line_greediest(const ri_door *door)
{
    uint64_t most = 0;
    ri_list_each (item, &LINE_SERVER(door)->conns)
        if (!LINE_CONN(item)->ended) most = RI_MAX(most, line_pending(LINE_CONN(item)));
    return most;
}

static uint64_t line_shed(ri_door *door, uint64_t cap, uint64_t bytes)
{
    uint64_t gone = 0;
    ri_list_each (item, &LINE_SERVER(door)->conns) {
        line_conn *conn = LINE_CONN(item);
        if (gone >= bytes || (!conn->ended && line_pending(conn) <= cap)) continue;
        gone += line_pending(conn);
        LINE_SERVER(door)->counts.sheds += !conn->ended;
        line_end(conn);
    }
    return gone;
}

static bool line_crowded(const ri_door *door)
{
    (void)door;
    return false;
}

static void line_end_door(ri_door *door, int64_t due_ns)
{
    LINE_SERVER(door)->ending = true;
    LINE_SERVER(door)->end_ns = due_ns;
    ri_loop_wake(&LINE_SERVER(door)->loop);
}

static void line_free(line_conn *conn)
{
    const ri_host *host = &conn->server->broker->host;
    ri_list_each (link, &conn->subs) ri_delete(host, ri_container_of(link, line_sub, link));
    ri_buffer_fini(&conn->queued);
    ri_buffer_fini(&conn->heard);
    ri_delete(host, conn);
}

static int line_close(ri_door *door)
{
    line_server *server = LINE_SERVER(door);
    ri_broker *broker = server->broker;
    ri_loop_join(&server->loop);
    ri_broker_enter(broker);
    ri_list_remove(&door->link);
    ri_list_each (item, &server->conns) line_free(LINE_CONN(item));
    bool left = server->left;
    ri_loop_fini(&server->loop);
    ri_park_fini(&server->written);
    ri_delete(&broker->host, server);
    ri_broker_leave(broker);
    return left ? ri_err(RILL_ETIMEDOUT, "lines were left") : RILL_OK;
}

const ri_door_ops line_door = {
    .schemes = (const char *const[]){"mem", NULL},
    .open = line_open,
    .listen = line_listen,
    .wake = line_wake,
    .flush = line_flush,
    .reload = line_reload,
    .lame_duck = line_lame_duck,
    .stats = line_stats,
    .next_conn = line_next_conn,
    .seek_conn = line_seek_conn,
    .describe_conn = line_describe_conn,
    .list_subs = line_list_subs,
    .greediest = line_greediest,
    .shed = line_shed,
    .crowded = line_crowded,
    .end = line_end_door,
    .close = line_close,
};

ri_door *line_door_of(ri_broker *broker)
{
    ri_door *found = NULL;
    ri_broker_enter(broker);
    ri_list_each (link, &broker->doors) {
        ri_door *door = ri_container_of(link, ri_door, link);
        if (door->ops == &line_door) found = door;
    }
    ri_broker_leave(broker);
    return found;
}

line_door_counts line_door_counts_of(ri_door *door)
{
    line_server *server = LINE_SERVER(door);
    ri_broker_enter(server->broker);
    line_door_counts counts = server->counts;
    ri_broker_leave(server->broker);
    return counts;
}
