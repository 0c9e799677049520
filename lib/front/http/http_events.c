/* SPDX-License-Identifier: Apache-2.0 */
/* /events: what moves in a broker, each second, for the page, as server-sent events.
 *
 *     GET /events --> a head, "retry", the first event --> the session listens
 *                                                              |
 *     timer of the door, each second: one text for all --------+--> who has read what came before
 *                                                              +--> who has not: nothing; the
 *                                                                   RI_LIMIT_HTTP_MISSED-th time in
 *                                                                   a row he goes
 *
 * The text is made once, of what is at hand: the counts of the broker and of its doors, by the
 * names that /metrics has for them. So a listener costs a copy of some 600 bytes a second, and a
 * broker to which nobody listens nothing. There are RI_LIMIT_HTTP_LISTENERS at most; one more is
 * answered with 503, which a page takes as a sign to ask for /metrics instead. */
#include "base/assert.h"
#include "base/json.h"
#include "base/saturate.h"
#include "codec/limits.h"
#include "front/http/http_session.h"

enum { HTTP_EVENTS_EVERY_MS = 1000, HTTP_EVENTS_RETRY_MS = 3000 };

#define HTTP_EVENTS_SESSION(item) ri_container_of(item, ri_http_session, listen_link)

static void events_put_doors(const ri_broker *broker, ri_page_json *j)
{
    ri_page_json_open(j, "doors", '{');
    ri_list_each (link, &broker->doors) {
        const ri_door *door = ri_container_of(link, ri_door, link);
        rill_stats stats = {.size = sizeof stats};
        door->ops->stats(door, &stats);
        ri_page_json_uint(j, door->ops->schemes[0], stats.conns);
    }
    ri_page_json_close(j, '}');
}

/* On one line, which an event's data has to be: nothing is indented, and strings have no line
 * ends. Inside the gate. */
static void events_put(const ri_http_server *server, ri_buffer *out)
{
    const ri_broker *broker = server->broker;
    rill_stats s = {.size = sizeof s};
    ri_page_json j = {.out = out, .flat = true};
    ri_broker_counts_inside(broker, &s);
    const struct { const char *key; uint64_t value; } rows[] = {
        {"rill_received_messages_total", s.in_msgs}, {"rill_received_bytes_total", s.in_bytes},
        {"rill_sent_messages_total", s.out_msgs}, {"rill_sent_bytes_total", s.out_bytes},
        {"rill_dropped_messages_total", s.dropped_msgs},
        {"rill_slow_connections_total", s.slow_conns},
        {"rill_memory_bytes", s.memory_bytes}, {"rill_memory_limit_bytes", s.memory_max_bytes},
        {"rill_memory_refusals_total", s.memory_refusals}};
    ri_buffer_puts(out, "data: ");
    ri_page_json_open(&j, NULL, '{');
    ri_page_json_text(&j, "name", broker->name);
    ri_page_json_text(&j, "version", broker->version);
    ri_page_json_open(&j, "plain", '{');
    for (size_t i = 0; i < RI_LEN(rows); i++) ri_page_json_uint(&j, rows[i].key, rows[i].value);
    ri_page_json_close(&j, '}');
    events_put_doors(broker, &j);
    ri_page_json_close(&j, '}');
    ri_buffer_puts(out, "\n\n");
}

/* Inside the gate: the newest for who has read the ones before. */
static void events_send(ri_http_server *server, ri_str text)
{
    ri_list_each (item, &server->listeners) {
        ri_http_session *s = HTTP_EVENTS_SESSION(item);
        RI_ASSERT(s->listening && s->busy);
        if (s->end) continue;
        s->missed = s->conn.pending ? s->missed + 1 : 0;
        if (s->missed == 0) {
            ri_http_session_push(s, text);
        } else if (s->missed == RI_LIMIT_HTTP_MISSED) {
            server->slow++;
            ri_http_session_end(s, RI_HTTP_END_BROKEN);
        }
    }
}

static void events_arm(ri_http_server *server)
{
    int64_t due_ns = ri_ns_add(ri_loop_now(&server->loop), HTTP_EVENTS_EVERY_MS * RI_MS);
    if (ri_list_empty(&server->listeners) || server->closing) return;
    if (ri_loop_timer_set(&server->loop, &server->event_timer, due_ns) == RILL_OK) return;
    ri_list_each (item, &server->listeners) /* they come again */
        ri_http_session_end(HTTP_EVENTS_SESSION(item), RI_HTTP_END_MEMORY);
}

static void events_on_due(ri_loop_timer *timer)
{
    ri_http_server *server = ri_container_of(timer, ri_http_server, event_timer);
    ri_buffer text;
    ri_buffer_init(&text, &server->broker->host);
    ri_http_server_enter(server);
    events_put(server, &text);
    if (!text.failed) events_send(server, ri_buffer_str(&text)); /* else there is a next time */
    events_arm(server);
    ri_http_server_leave(server);
    ri_buffer_fini(&text);
}

void ri_http_events_init(ri_http_server *server)
{
    ri_list_init(&server->listeners);
    server->event_timer.fn = events_on_due;
}

void ri_http_events_join(ri_http_session *s)
{
    ri_http_server *server = s->server;
    RI_ASSERT(s->busy && !s->listening);
    bool first = ri_list_empty(&server->listeners);
    s->listening = true;
    server->nlisteners++;
    ri_list_push(&server->listeners, &s->listen_link);
    ri_http_server_enter(server);
    if (first) events_arm(server);
    ri_http_server_leave(server);
}

void ri_http_events_leave(ri_http_session *s)
{
    if (!s->listening) return;
    RI_ASSERT(s->server->nlisteners > 0);
    s->server->nlisteners--;
    s->listening = false;
    ri_list_remove(&s->listen_link);
}

static void events_begin(ri_http_answer *a, const ri_http_request *request)
{
    (void)request;
    if (a->server->nlisteners >= RI_LIMIT_HTTP_LISTENERS) {
        ri_http_answer_say(a, 503, "%d listen already\n", RI_LIMIT_HTTP_LISTENERS);
        return;
    }
    a->type = "text/event-stream";
    a->stream = true;
    ri_buffer_printf(&a->body, "retry: %d\n\n", HTTP_EVENTS_RETRY_MS);
    ri_http_server_enter(a->server);
    events_put(a->server, &a->body);
    ri_http_server_leave(a->server);
}

const ri_http_route ri_http_events_route = {.path = "/events", .begin = events_begin,
                                              .join = ri_http_events_join};
