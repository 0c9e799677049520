/* SPDX-License-Identifier: Apache-2.0 */
#include "front/peer_nats/nats_peer.h"

#include "front/peer_nats/nats_ask.h"
#include "net/host_wire.h"

#include <poll.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/deadline.h"
#include "base/error.h"
#include "base/saturate.h"

static uint32_t peer_caps(const rill_bus *bus)
{
    const ri_nats_peer *peer = ri_nats_peer_of((rill_bus *)(uintptr_t)bus);
    ri_broker_enter(bus->broker);
    bool jetstream = peer->jetstream;
    ri_broker_leave(bus->broker);
    return RILL_CAN_REQUEST |
           (jetstream ? RILL_CAN_STREAM | RILL_CAN_KV | RILL_CAN_OBJECTS : 0u);
}

int ri_nats_peer_needs(const ri_nats_peer *peer, uint32_t major, uint32_t minor, const char *what)
{
    const uint32_t *is = peer->version;
    if (is[0] > major || (is[0] == major && is[1] >= minor)) return RILL_OK;
    if (!is[0] && !is[1])
        return ri_err(RILL_ENOTSUP, "%s need nats-server %u.%u; which %s is, is not known", what,
                      major, minor, peer->server);
    return ri_err(RILL_ENOTSUP, "%s need nats-server %u.%u; this one is %s", what, major, minor,
                  peer->version_text);
}

static bool peer_up(const rill_bus *bus)
{
    const ri_nats_peer *peer = ri_container_of(bus, const ri_nats_peer, bus);
    return peer->state == RI_NATS_UP;
}

static bool peer_rewinds(const rill_bus *bus)
{
    const ri_nats_peer *peer = ri_container_of(bus, const ri_nats_peer, bus);
    return ri_nats_peer_needs(peer, 2, 14, "seeks") == RILL_OK;
}

/* ---- Events ---- */

/* Too many wait: of failures the newest is dropped, and of states all but the newest. */
static bool peer_event_fits(ri_nats_peer *peer, const ri_nats_news *news)
{
    if (peer->nevents < RI_NATS_EVENTS_MAX) return true;
    ri_nats_event *last = peer->last_event;
    if (news->kind == RILL_EV_ERROR) return false;
    if (last->kind == RILL_EV_ERROR) return true;
    last->kind = news->kind;
    last->what.code = news->code;
    snprintf(last->what.text, sizeof last->what.text, "%s", ri_err_text());
    memcpy(last->server, peer->server, sizeof last->server);
    return false;
}

void ri_nats_peer_report(ri_nats_peer *peer, const ri_nats_news *news)
{
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    if (!ri_bus_hears(&peer->bus) || !peer_event_fits(peer, news)) return;
    size_t len = RI_MIN(news->subject.len, (size_t)RILL_SUBJECT_MAX);
    ri_nats_event *event = ri_calloc(&peer->bus.host, sizeof *event + len + 1);
    if (!event) return;
    event->kind = news->kind;
    event->sid = news->sid;
    event->what.code = news->code;
    snprintf(event->what.text, sizeof event->what.text, "%s", ri_err_text());
    memcpy(event->server, peer->server, sizeof event->server);
    if (len) memcpy(event->subject, news->subject.ptr, len);
    if (!peer->events) peer->events_end = &peer->events;
    *peer->events_end = event;
    peer->events_end = &event->next;
    peer->last_event = event;
    peer->nevents++;
    ri_bus_trouble(&peer->bus);
}

static ri_nats_event *peer_event_pop(ri_nats_peer *peer)
{
    ri_nats_event *event = peer->events;
    if (!event) return NULL;
    RI_ASSERT(peer->nevents > 0);
    peer->events = event->next;
    peer->nevents--;
    return event;
}

static void peer_event_free(ri_nats_peer *peer, ri_nats_event *event)
{
    if (event) ri_free(&peer->bus.host, event, sizeof *event + strlen(event->subject) + 1);
}

/* The subscription of the program that has, or had, this number; NULL: it is closed. */
static rill_sub *peer_sub(ri_nats_peer *peer, uint64_t sid)
{
    ri_list_each (link, &peer->bus.subs) {
        rill_sub *sub = ri_container_of(link, rill_sub, link);
        if (sid && sub->core.fanned == sid) return sub;
    }
    return NULL;
}

static bool peer_event(rill_bus *bus, rill_event *ev, ri_failure *detail)
{
    ri_nats_peer *peer = ri_nats_peer_of(bus);
    ri_nats_event *event = peer_event_pop(peer);
    peer_event_free(peer, peer->shown);
    peer->shown = event;
    if (!event) return false;
    ev->kind = event->kind;
    ev->sub = peer_sub(peer, event->sid);
    *detail = event->what;
    ev->server = event->server;
    ev->subject = event->subject[0] ? event->subject : NULL;
    return true;
}

/* ---- RILL_DRIVE_HOST: whoever waits is the loop's thread ---- */

static void peer_turn(rill_bus *bus)
{
    ri_nats_peer *peer = ri_nats_peer_of(bus);
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    if (!peer->hub || peer->turning || peer->gone) return;
    peer->turning = true;
    ri_broker_leave(bus->broker);
    ri_loop *loop = ri_hub_loop(peer->hub);
    ri_loop_turn(loop);
    ri_broker_enter(bus->broker);
    /* A thread that sleeps has to hear of what came while this one waited for the gate. */
    if ((bus->watched || peer->driven) && !ri_loop_rest(loop)) ri_park_signal(&bus->park);
    peer->turning = false;
    if (!peer->turn_awaited) return;
    peer->turn_awaited = false;
    ri_park_signal(&bus->park);
}

static int64_t peer_due_ns(rill_bus *bus)
{
    ri_nats_peer *peer = ri_nats_peer_of(bus);
    if (!peer->hub || peer->turning || peer->gone) return -1;
    return ri_loop_due_ns(ri_hub_loop(peer->hub));
}

static void peer_sleep_driving(ri_nats_peer *peer, uint32_t seen, int64_t timeout_ns)
{
    rill_bus *bus = &peer->bus;
    ri_loop *loop = ri_hub_loop(peer->hub);
    if (!bus->watched) ri_park_calm(&bus->park);
    if (!ri_loop_rest(loop) || ri_park_count(&bus->park) != seen) return;
    int64_t ms = timeout_ns < 0 ? -1 : RI_MIN(ri_ns_add(timeout_ns, RI_MS - 1) / RI_MS, INT32_MAX);
    struct pollfd fd = {.fd = ri_loop_outer_fd(loop), .events = POLLIN};
    poll(&fd, 1, (int)ms);
}

/* Inside the gate: somebody looks at the park's descriptor, or nobody but who has rill_fd(). */
static void peer_drives(ri_nats_peer *peer, bool drives)
{
    peer->driven = drives;
    ri_park_look(&peer->bus.park, drives || peer->bus.watched);
}

/* One sleeps on the descriptor, and the others until he wakes. */
static void peer_sleep(rill_bus *bus, uint32_t seen, int64_t timeout_ns)
{
    ri_nats_peer *peer = ri_nats_peer_of(bus);
    ri_broker_enter(bus->broker);
    bool drives = !peer->driven && !peer->turning;
    if (drives) peer_drives(peer, true);
    else peer->followers++;
    if (peer->turning) peer->turn_awaited = true;
    ri_broker_leave(bus->broker);
    if (drives) peer_sleep_driving(peer, seen, timeout_ns);
    else ri_park_wait(&bus->park, seen, timeout_ns);
    ri_broker_enter(bus->broker);
    if (drives) peer_drives(peer, false);
    else peer->followers--;
    if (drives && peer->followers) ri_park_signal(&bus->park);
    ri_broker_leave(bus->broker);
}

/* Wakes make it readable from now on, and so does one that came before. */
static int peer_fd(rill_bus *bus)
{
    ri_loop *loop = ri_hub_loop(ri_nats_peer_of(bus)->hub);
    ri_park_look(&bus->park, true);
    if (!ri_loop_rest(loop)) ri_park_signal(&bus->park);
    return ri_loop_outer_fd(loop);
}

/* The descriptor of the loop, which is readable when the handle's park is signalled, too. */
static int peer_watch_park(ri_nats_peer *peer)
{
    ri_loop *loop = ri_hub_loop(peer->hub);
    int outer = ri_loop_outer_fd(loop);
    int park = outer < 0 ? outer : ri_park_fd(&peer->bus.park);
    if (park < 0) return ri_err_os(RILL_EIO, -park, "open the descriptor of a bus");
    ri_loop_watched(loop, park, EV_READ);
    ri_park_look(&peer->bus.park, false);
    return RILL_OK;
}

/* ---- Its life ---- */

static void peer_shut(rill_bus *bus)
{
    ri_nats_peer *peer = ri_nats_peer_of(bus);
    RI_ASSERT(ri_nats_peer_is_entered(peer));
    if (!peer->begun) return;
    peer->closing = true;
    if (peer->hub) ri_nats_peer_call(peer);
    ri_park_signal(&peer->room);
}

/* Somebody else may be the loop's thread. */
static void peer_let_go_driving(ri_nats_peer *peer)
{
    rill_bus *bus = &peer->bus;
    RI_ASSERT(bus->drive == RILL_DRIVE_HOST && peer->hub);
    for (bool over = false; !over;) {
        ri_broker_enter(bus->broker);
        peer_turn(bus);
        over = peer->gone && !peer->turning;
        peer->turn_awaited = peer->turn_awaited || peer->turning;
        uint32_t seen = ri_park_count(&bus->park);
        bool wait = peer->turning;
        ri_broker_leave(bus->broker);
        if (wait) ri_park_wait(&bus->park, seen, -1);
    }
}

static void peer_let_go(rill_bus *bus)
{
    ri_nats_peer *peer = ri_nats_peer_of(bus);
    if (!peer->begun || !peer->hub) return;
    if (bus->drive == RILL_DRIVE_HOST) peer_let_go_driving(peer);
    else ri_hub_await_left(peer->hub, &peer->guest);
}

static void peer_free_text(rill_bus *bus, char *text)
{
    if (text) ri_free(&bus->host, text, strlen(text) + 1);
}

static void peer_fini(rill_bus *bus)
{
    ri_nats_peer *peer = ri_nats_peer_of(bus);
    if (!peer->begun) return;
    if (peer->hub) ri_hub_await_left(peer->hub, &peer->guest);
    ri_hub_close(peer->hub);
    for (ri_nats_event *event; (event = peer_event_pop(peer));) peer_event_free(peer, event);
    peer_event_free(peer, peer->shown);
    ri_free(&bus->host, peer->sentence, sizeof *peer->sentence);
    ri_nats_send_fini(peer);
    ri_nats_subs_fini(peer);
    ri_nats_pool_fini(&peer->pool);
    ri_nats_keys_fini(peer);
    ri_nats_pull_fini(peer);
    ri_nats_calls_fini(peer);
    ri_tls_conf_unref(peer->conf.tls);
    peer_free_text(bus, peer->conf.name);
    peer_free_text(bus, peer->conf.api);
}

static int64_t peer_ms(int64_t ms, int64_t standard)
{
    return ri_ns_of_ms(ms ? ms : standard);
}

static int peer_configure(ri_nats_peer *peer, const ri_url *url, const rill_opts *opts)
{
    ri_nats_conf *conf = &peer->conf;
    if (opts->domain && (strlen(opts->domain) > 255 || strpbrk(opts->domain, " \t\r\n.*>")))
        return ri_err(RILL_EINVAL, "\"%.40s\" is no domain", opts->domain);
    if (opts->max_inflight > RI_NATS_APPENDS_MAX)
        return ri_err(RILL_EINVAL, "max_inflight is %u; at most %d messages may be under way",
                      opts->max_inflight, RI_NATS_APPENDS_MAX);
    int rc = ri_nats_pool_init(&peer->pool, &peer->bus.host, url, opts->fixed_servers);
    if (rc == RILL_OK) rc = ri_nats_keys_init(peer, url, opts);
    if (rc == RILL_OK) rc = ri_nats_link_tls_configure(peer, url, opts);
    if (rc < 0) return rc;
    peer->pool.first_ns = peer_ms(opts->redial_min_ms, 100);
    peer->pool.most_ns = RI_MAX(peer_ms(opts->redial_max_ms, 8000), peer->pool.first_ns);
    conf->connect_ns = peer_ms(opts->connect_timeout_ms, 2000);
    conf->ping_ns = peer_ms(opts->ping_interval_ms, 120000);
    conf->ping_max = opts->ping_max ? opts->ping_max : 2;
    conf->send_bytes = opts->send_buffer_bytes ? opts->send_buffer_bytes : 8 << 20;
    conf->max_redials = opts->max_redials;
    conf->no_redial = opts->no_redial;
    conf->no_echo = opts->no_echo;
    conf->ws_compress = opts->ws_compress;
    conf->max_inflight = opts->max_inflight ? opts->max_inflight : 4096;
    char api[RI_NATS_API_MAX];
    snprintf(api, sizeof api, opts->domain ? "$JS.%s.API." : "$JS%s.API.",
             opts->domain ? opts->domain : "");
    conf->api = ri_strdup(&peer->bus.host, api, strlen(api));
    if (opts->name) conf->name = ri_strdup(&peer->bus.host, opts->name, strlen(opts->name));
    return conf->api && (conf->name || !opts->name) ? RILL_OK : RILL_ENOMEM;
}

/* rill_opts.dial as a dialler. What it gives is closed, whatever it answers. */
static int peer_dial(void *arg, const char *host, uint16_t port, ri_wire **wire)
{
    ri_nats_peer *peer = arg;
    char address[RI_NATS_SERVER_MAX];
    rill_wire *given = NULL;
    if (peer->pool.is_unix) snprintf(address, sizeof address, "%s", host);
    else if (strchr(host, ':')) snprintf(address, sizeof address, "[%s]:%u", host, port);
    else snprintf(address, sizeof address, "%s:%u", host, port);
    ri_host_wire_enter();
    int rc = peer->dial_program(&given, address, peer->bus.arg);
    ri_host_wire_leave();
    int taken = given || rc >= 0 ? ri_host_wire_take(given, wire) : rc;
    if (rc >= 0) return taken < 0 ? ri_err_wrap(taken, "dial() of %s", address) : RILL_OK;
    if (taken >= 0) (*wire)->ops->close(*wire);
    return ri_err(RILL_ECONN, "dial() of %s: %s", address, ri_err_name(rc));
}

/* Everything but the first connection. */
static int peer_begin(ri_nats_peer *peer, const ri_url *url, const rill_opts *opts,
                      const ri_nats_dialler *dialler)
{
    bool own = opts->drive == RILL_DRIVE_HOST;
    ri_nats_subs_init(peer);
    ri_nats_send_init(peer);
    ri_nats_link_init(peer);
    peer->dialler = dialler;
    if (opts->dial) {
        peer->own = (ri_nats_dialler){peer_dial, peer};
        peer->dial_program = opts->dial;
        peer->dialler = &peer->own;
    }
    peer->begun = true;
    int rc = peer_configure(peer, url, opts);
    if (rc < 0) return rc;
    if ((rc = ri_hub_open(&peer->hub, opts->host, own)) < 0) return rc;
    if (own) rc = peer_watch_park(peer);
    if (rc < 0) return rc;
    ri_broker_enter(peer->bus.broker);
    ri_nats_peer_call(peer);
    ri_broker_leave(peer->bus.broker);
    return RILL_OK;
}

/* Outside the gate: until the first round over all servers has ended. */
static int peer_await_first(ri_nats_peer *peer)
{
    ri_broker_enter(peer->bus.broker);
    ri_bus_await(&peer->bus, &peer->settled, -1);
    int rc = ri_failure_restore(peer->first);
    peer->first = NULL;
    ri_broker_leave(peer->bus.broker);
    return rc;
}

int ri_nats_peer_open(rill_bus **out, const ri_url *url, const rill_opts *opts,
                      const ri_nats_dialler *dialler)
{
    rill_bus *bus;
    int rc = ri_bus_open_alone(&bus, &ri_nats_peer_ops, 0, opts);
    if (rc < 0) return rc;
    ri_nats_peer *peer = ri_nats_peer_of(bus);
    ri_failure first = {.code = RILL_OK};
    if (!opts->no_wait) peer->first = &first;
    rc = peer_begin(peer, url, opts, dialler);
    if (rc == RILL_OK && !opts->no_wait) rc = peer_await_first(peer);
    if (rc < 0) return ri_bus_give_up(bus, rc);
    *out = bus;
    return RILL_OK;
}

static int peer_open(rill_bus **bus, const ri_url *url, const rill_opts *opts)
{
    return ri_nats_peer_open(bus, url, opts, NULL);
}

const ri_peer_ops ri_nats_peer_ops = {
    .bytes = sizeof(ri_nats_peer),
    .late = true,
    .dials = true,
    .ids = true,
    .refuses = true,
    .schemes = 1u << RI_URL_NATS | 1u << RI_URL_TLS | 1u << RI_URL_UNIX | 1u << RI_URL_WS |
               1u << RI_URL_WSS,
    .open = peer_open,
    .caps = peer_caps,
    .shut = peer_shut,
    .let_go = peer_let_go,
    .fini = peer_fini,
    .flush = ri_nats_send_flush,
    .turn = peer_turn,
    .due_ns = peer_due_ns,
    .event = peer_event,
    .up = peer_up,
    .sleep = peer_sleep,
    .fd = peer_fd,
    .publish = ri_nats_send_publish, .publish_more = ri_nats_send_more,
    .subscribe = ri_nats_subs_subscribe,
    .unsubscribe = ri_nats_subs_unsubscribe,
    .finish = ri_nats_subs_finish,
    .enter_append = ri_nats_append_enter,
    .append = ri_nats_append,
    .give_up = ri_nats_append_give_up,
    .takes = ri_nats_stream_takes,
    .append_batch = ri_nats_append_batch,
    .ask = ri_nats_ask,
    .rewinds = peer_rewinds,
    .more = ri_nats_pull_more,
    .enough = ri_nats_pull_enough,
    .hand_out = ri_nats_pull_hand_out,
    .settle = ri_nats_pull_settle,
    .leave = ri_nats_pull_leave,
};
