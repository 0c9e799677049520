/* SPDX-License-Identifier: Apache-2.0 */
#include "micro/micro_nats.h"

#include "micro/micro_scan.h"

#ifdef RI_MICRO_NATS

enum {
    MICRO_NATS_LINE = 48,   /* what a message's line has beside subject and reply */
    MICRO_NATS_INFO = 768,  /* bytes of an INFO that are looked at, at least */
    MICRO_NATS_CONNECT = 176, /* bytes of CONNECT and PING without what a program says */
};

/* ---- The arena ---- */

static size_t micro_nats_login_bytes(const ri_url *url, ri_str name)
{
    size_t most = 0;
    for (uint32_t i = 0; i < url->npeers; i++) {
        const ri_url_peer *peer = &url->peers[i];
        size_t bytes = ri_micro_scan_quoted(peer->user) + ri_micro_scan_quoted(peer->password) +
                       ri_micro_scan_quoted(peer->token);
        most = RI_MAX(most, bytes);
    }
    size_t fields = 4 * sizeof ",\"auth_token\":\"\"";
    return MICRO_NATS_CONNECT + most + ri_micro_scan_quoted(name) + fields;
}

static size_t micro_nats_address_bytes(const ri_url *url)
{
    size_t most = 0;
    for (uint32_t i = 0; i < url->npeers; i++) most = RI_MAX(most, url->peers[i].host.len);
    return most + sizeof "[]:65535";
}

static int micro_nats_lay(rill_bus *bus, const char *text, const rill_opts *opts)
{
    ri_url url;
    if (!opts->dial) return ri_err(RILL_EINVAL, "nats:// needs rill_opts.dial");
    int rc = ri_url_parse(&url, &bus->alloc_host, text);
    if (rc < 0) return rc;
    ri_str name = ri_str_of(opts->name);
    size_t ctl = micro_nats_login_bytes(&url, name);
    ctl = RI_MAX(ctl, RI_NATS_SUB_ROOM(bus->max_subject_bytes + RI_MICRO_INBOX_LEN, 0));
    size_t message = bus->max_msg_bytes + MICRO_NATS_LINE;
    size_t out = opts->send_buffer_bytes ? (size_t)RI_MIN(opts->send_buffer_bytes,
                                                          (uint64_t)INT32_MAX)
                                         : 2 * message;
    ri_micro_nats *n = ri_micro_bus_carve(bus, sizeof *n);
    size_t in_cap = RI_MAX(message, (size_t)MICRO_NATS_INFO), out_cap = RI_MAX(out, message);
    char *in = ri_micro_bus_carve(bus, in_cap);
    char *out_room = ri_micro_bus_carve(bus, out_cap), *ctl_room = ri_micro_bus_carve(bus, ctl);
    char *address = ri_micro_bus_carve(bus, micro_nats_address_bytes(&url));
    char *kept = ri_micro_bus_carve(bus, name.len + 1);
    void *readers = NULL;
    char *texts = NULL;
#ifdef RI_MICRO_JETSTREAM
    ri_micro_js_lay(bus, &readers, &texts);
#endif
    if (bus->arena_used > bus->arena_bytes) return ri_err_nomem(bus->arena_used);
    if (name.len > 0) memcpy(kept, name.ptr, name.len);
    *n = (ri_micro_nats){.bus = bus, .url = url, .in = in, .in_cap = in_cap, .out = out_room,
                         .out_cap = out_cap, .ctl = ctl_room, .ctl_cap = ctl, .address = address,
                         .name = {kept, name.len}, .dial = opts->dial, .readers = readers,
                         .texts = texts};
    bus->state = n;
#ifdef RI_MICRO_TLS
    if (opts->tls) rc = ri_micro_tls_lay(bus, opts->tls, &n->tls);
#endif
    return rc;
}

/* ---- The wire, or TLS over it ---- */

int ri_micro_nats_tls(ri_micro_nats *n)
{
    RI_ASSERT(n->wire && !n->tls_on);
    n->tls_due = false;
#ifdef RI_MICRO_TLS
    int rc = ri_micro_tls_begin(n->tls, n->wire);
    n->tls_on = rc >= 0;
    return rc;
#else
    return RILL_OK;
#endif
}

int64_t ri_micro_nats_read(ri_micro_nats *n, void *buf, size_t len)
{
#ifdef RI_MICRO_TLS
    if (n->tls_on) return ri_micro_tls_read(n->tls, buf, len);
#endif
    return ri_micro_wire_read(n->wire, buf, len);
}

int64_t ri_micro_nats_write(ri_micro_nats *n, const void *buf, size_t len)
{
#ifdef RI_MICRO_TLS
    if (n->tls_due) return RILL_EAGAIN;
    if (n->tls_on) return ri_micro_tls_write(n->tls, buf, len);
#endif
    return ri_micro_wire_write(n->wire, buf, len);
}

static void micro_nats_hang_up(ri_micro_nats *n)
{
    rill_wire *wire = n->wire;
#ifdef RI_MICRO_TLS
    if (n->tls_on) ri_micro_tls_end(n->tls);
#endif
    n->tls_on = n->tls_due = false;
    n->wire = NULL;
    if (wire) ri_micro_wire_end(wire);
}

/* ---- Connections ---- */

static void micro_nats_pause(ri_micro_nats *n)
{
    RI_ASSERT(n->pause_ms > 0 && n->pause_ms <= n->pause_max_ms);
    uint8_t dice;
    n->bus->host.entropy(n->bus->host.arg, &dice, 1);
    int64_t pause = ri_ns_of_ms(n->pause_ms) / 100 * (80 + dice % 41);
    n->due_ns = ri_ns_add(ri_micro_bus_now(n->bus), pause);
    n->pause_ms = RI_MIN(n->pause_ms > UINT32_MAX / 2 ? UINT32_MAX : n->pause_ms * 2,
                         n->pause_max_ms);
}

/* Calls whose question is with a server that will not answer. A request may be answered over the
 * next connection, too: its inbox stays. */
static void micro_nats_unsure(ri_micro_nats *n)
{
    RI_ASSERT(n->out_sent == 0);
    rill_bus *bus = n->bus;
    uint64_t sent = n->out_base; /* a callback may send more */
    for (uint32_t i = 0; i < bus->max_calls; i++) {
        ri_micro_call *call = &bus->calls[i];
        bool asked = call->kind == RI_MICRO_CALL_APPEND || call->kind == RI_MICRO_CALL_ASK;
        if (!asked || call->over || call->sent_at > sent) continue;
        ri_micro_call_answer(bus, call, ri_err(RILL_EUNSURE, "the connection was lost before the "
                                               "answer"), NULL);
    }
}

/* All servers of the URL have failed. */
static void micro_nats_round(ri_micro_nats *n)
{
    RI_ASSERT(n->tried == n->url.npeers);
    n->tried = 0;
    n->rounds++;
    if (n->waits_up || n->no_redial || (n->max_rounds > 0 && n->rounds >= n->max_rounds))
        n->bus->closed = true;
    micro_nats_pause(n);
}

/* This connection, or the attempt at one, is over; the sentence of `err` was just made. */
static void micro_nats_lost(ri_micro_nats *n, int err)
{
    rill_bus *bus = n->bus;
    RI_ASSERT(err < 0);
    bool was_up = n->state == MICRO_NATS_UP;
    ri_micro_bus_error(bus, err); /* keeps the sentence */
    bus->ev_errors = 0;
    n->state = MICRO_NATS_DOWN;
    n->last_err = err;
    micro_nats_hang_up(n);
    n->in_len = n->in_at = 0;
    n->skip = RI_MICRO_NATS_SKIP_NONE;
    ri_nats_init(&n->parser, RI_NATS_FROM_SERVER);
    ri_micro_nats_out_again(n);
    if (was_up) ri_micro_bus_went(bus, false, err);
    n->server = (n->server + 1) % n->url.npeers;
    n->due_ns = 0; /* the next server at once */
    if (++n->tried == n->url.npeers) micro_nats_round(n);
    micro_nats_unsure(n); /* last: a callback may wait, and so connect anew */
}

void ri_micro_nats_up(ri_micro_nats *n)
{
    RI_ASSERT(n->state == MICRO_NATS_LOGIN);
    n->state = MICRO_NATS_UP;
    n->tried = n->rounds = 0;
    n->pause_ms = n->pause_min_ms;
    n->due_ns = ri_ns_add(ri_micro_bus_now(n->bus), ri_ns_of_ms(n->ping_ms));
    ri_micro_bus_went(n->bus, true, 0);
#ifdef RI_MICRO_JETSTREAM
    ri_micro_js_up(n->bus);
#endif
}

/* HOST:PORT, an IPv6 address in []. */
static const char *micro_nats_address(ri_micro_nats *n)
{
    const ri_url_peer *peer = &n->url.peers[n->server];
    bool six = memchr(peer->host.ptr, ':', peer->host.len) != NULL;
    char *at = n->address;
    if (six) *at++ = '[';
    at = ri_str_put(at, peer->host);
    if (six) *at++ = ']';
    *at++ = ':';
    at += ri_number_write(at, peer->port);
    *at = 0;
    return n->address;
}

static void micro_nats_dial(ri_micro_nats *n)
{
    RI_ASSERT(n->state == MICRO_NATS_DOWN && !n->wire);
    rill_wire *wire = NULL;
    int rc = n->dial(&wire, micro_nats_address(n), n->bus->arg);
    if (rc >= 0) rc = ri_micro_wire_take(wire);
    else ri_err(rc, "%s: %s", n->address, ri_err_class(rc));
    if (rc < 0) {
        micro_nats_lost(n, rc);
        return;
    }
    n->wire = wire;
    n->state = MICRO_NATS_HELLO;
    n->due_ns = ri_ns_add(ri_micro_bus_now(n->bus), ri_ns_of_ms(n->connect_ms));
#ifdef RI_MICRO_TLS
    if (n->tls && ri_micro_tls_is_first(n->tls) && (rc = ri_micro_nats_tls(n)) < 0)
        micro_nats_lost(n, rc);
#endif
}

/* What the clock asks for; an error: the connection is lost. */
static int micro_nats_clock(ri_micro_nats *n)
{
    int64_t now = ri_micro_bus_now(n->bus);
    if (now < n->due_ns) return RILL_OK;
    switch (n->state) {
    case MICRO_NATS_DOWN: micro_nats_dial(n); break;
    case MICRO_NATS_HELLO:
    case MICRO_NATS_LOGIN: return ri_err(RILL_ETIMEDOUT, "%s does not answer in time", n->address);
    case MICRO_NATS_UP:
        if (n->pings_out >= n->ping_max)
            return ri_err(RILL_ETIMEDOUT, "%s answers no PING", n->address);
        n->pings_out++;
        n->ping_owed = true;
        n->due_ns = ri_ns_add(now, ri_ns_of_ms(n->ping_ms));
    }
    return RILL_OK;
}

static int micro_nats_turn(rill_bus *bus)
{
    RI_CHECK(bus, RI_MICRO_MAGIC);
    RI_ASSERT(bus->turning);
    ri_micro_nats *n = bus->state;
    if (bus->closed) return 0;
    int rc = micro_nats_clock(n), done = 0;
    if (rc >= 0 && n->wire && (rc = ri_micro_nats_in_turn(n)) > 0) done = rc;
#ifdef RI_MICRO_JETSTREAM
    if (rc >= 0 && n->state == MICRO_NATS_UP) ri_micro_js_turn(bus);
#endif
    if (rc >= 0 && n->wire) {
        int64_t wrote = ri_micro_nats_out_write(n);
        rc = (int)RI_MIN(wrote, (int64_t)INT32_MAX);
        if (wrote > 0) done++;
    }
    if (rc < 0) micro_nats_lost(n, rc);
    return done;
}

static int64_t micro_nats_due(rill_bus *bus)
{
    ri_micro_nats *n = bus->state;
    if (bus->closed) return INT64_MAX;
    int64_t due = n->due_ns;
#ifdef RI_MICRO_JETSTREAM
    if (n->state == MICRO_NATS_UP) due = RI_MIN(due, ri_micro_js_due(bus));
#endif
#ifdef RI_MICRO_TLS
    if (n->tls_on && ri_micro_tls_has(n->tls)) return 0;
#endif
    /* The wire takes no more at the moment: nothing says when it does. */
    if (ri_micro_nats_out_pending(n)) due = RI_MIN(due, ri_ns_add(ri_micro_bus_now(bus), RI_MS));
    return due;
}

static bool micro_nats_flushed(rill_bus *bus, bool begin)
{
    ri_micro_nats *n = bus->state;
    if (begin) {
        n->flush_open = true;
        n->ping_owed = true;
        n->flush_ping = n->state == MICRO_NATS_UP ? n->pings_sent + 1 : 2;
        return false;
    }
    bool done = n->state == MICRO_NATS_UP && n->pongs_seen >= n->flush_ping && n->out_len == 0;
    if (done) n->flush_open = false;
    return done;
}

/* ---- The handle ---- */

static bool micro_nats_is_up(void *arg)
{
    const ri_micro_nats *n = arg;
    return n->state == MICRO_NATS_UP;
}

static int micro_nats_open(rill_bus *bus, const rill_opts *opts)
{
    ri_micro_nats *n = bus->state;
    n->connect_ms = opts->connect_timeout_ms ? opts->connect_timeout_ms : 2000;
    n->pause_min_ms = n->pause_ms = opts->redial_min_ms ? opts->redial_min_ms : 100;
    n->pause_max_ms = opts->redial_max_ms ? opts->redial_max_ms : 8000;
    n->ping_ms = opts->ping_interval_ms ? opts->ping_interval_ms : 120000;
    n->ping_max = opts->ping_max ? opts->ping_max : 2;
    n->max_rounds = opts->max_redials;
    n->no_redial = opts->no_redial;
    n->headers = true; /* until a server says otherwise */
    ri_nats_init(&n->parser, RI_NATS_FROM_SERVER);
    if (!opts->fixed_servers && n->url.npeers > 1) {
        uint8_t dice;
        bus->host.entropy(bus->host.arg, &dice, 1);
        n->server = dice % n->url.npeers;
    }
#ifdef RI_MICRO_JETSTREAM
    ri_micro_js_open(bus, n->texts);
#endif
    n->subs_due = 1;
    n->waits_up = !opts->no_wait;
    return RILL_OK;
}

static int micro_nats_arrive(rill_bus *bus)
{
    ri_micro_nats *n = bus->state;
    if (!n->waits_up) return RILL_OK;
    int rc = ri_micro_bus_wait(bus, micro_nats_is_up, n, INT64_MAX);
    n->waits_up = false;
    if (rc >= 0) return RILL_OK;
    return ri_err(n->last_err < 0 ? n->last_err : rc, "%s", bus->ev_detail);
}

static void micro_nats_close(rill_bus *bus)
{
    ri_micro_nats *n = bus->state;
    micro_nats_hang_up(n);
    n->state = MICRO_NATS_DOWN;
#ifdef RI_MICRO_TLS
    if (n->tls) ri_micro_tls_close(n->tls);
    n->tls = NULL;
#endif
}

static int micro_nats_publish(rill_bus *bus, const ri_micro_out *out, ri_micro_call *call)
{
    ri_micro_nats *n = bus->state;
    if (call) n->inbox_wanted = true;
    return ri_micro_nats_out_put(n, out, call);
}

static void micro_nats_listen(rill_bus *bus, rill_sub *sub)
{
    RI_ASSERT(sub->state == RI_MICRO_SUB_OPEN && !sub->sent);
    (void)sub;
    ((ri_micro_nats *)bus->state)->subs_due = 1;
}

static void micro_nats_unlisten(rill_bus *bus, rill_sub *sub)
{
    RI_ASSERT(sub->state == RI_MICRO_SUB_ENDING || sub->state == RI_MICRO_SUB_STOPPED);
    ri_micro_nats *n = bus->state;
    if (sub->state == RI_MICRO_SUB_ENDING && !sub->sent) ri_micro_sub_free(sub);
    else n->subs_due = 1;
}

const ri_micro_peer ri_micro_nats_peer = {
    .scheme = "nats://", .lay = micro_nats_lay, .open = micro_nats_open,
    .arrive = micro_nats_arrive, .close = micro_nats_close, .turn = micro_nats_turn,
    .due = micro_nats_due, .flushed = micro_nats_flushed,
    .publish = micro_nats_publish, .listen = micro_nats_listen, .unlisten = micro_nats_unlisten,
#ifdef RI_MICRO_JETSTREAM
    .caps = RILL_CAN_REQUEST | RILL_CAN_STREAM | RILL_CAN_KV, .append = ri_micro_js_append,
    .get = ri_micro_js_get, .ensure = ri_micro_js_ensure, .consume = ri_micro_js_consume,
    .want = ri_micro_js_want, .forget = ri_micro_js_forget, .settle = ri_micro_js_settle,
#else
    .caps = RILL_CAN_REQUEST,
#endif
};

#endif
