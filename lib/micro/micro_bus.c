/* SPDX-License-Identifier: Apache-2.0 */
#include "micro/micro.h"

/* The peers of this build. */
static const ri_micro_peer *const micro_bus_peers[] = {
#ifdef RI_MICRO_MEM
    &ri_micro_mem_peer,
#endif
#ifdef RI_MICRO_NATS
    &ri_micro_nats_peer,
#endif
#ifdef RI_MICRO_FLASH
    &ri_micro_flash_peer,
#endif
};

/* ---- Time, locks, callbacks ---- */

int64_t ri_micro_bus_now(const rill_bus *bus)
{
    return bus->host.mono_ns(bus->host.arg);
}

int64_t ri_micro_bus_until(const rill_bus *bus, int timeout_ms)
{
    return timeout_ms < 0 ? INT64_MAX : ri_ns_add(ri_micro_bus_now(bus), ri_ns_of_ms(timeout_ms));
}

static void micro_bus_lock(const rill_bus *bus, bool enter)
{
    if (bus->host.lock) bus->host.lock(bus->host.arg, enter);
}

int ri_micro_bus_enter(rill_bus *bus)
{
    if (!bus) return ri_err(RILL_EINVAL, "the bus is NULL");
    if (bus->magic != RI_MICRO_MAGIC) return ri_err(RILL_ECLOSED, "the bus is closed");
    micro_bus_lock(bus, true);
    if (bus->magic == RI_MICRO_MAGIC) return RILL_OK;
    micro_bus_lock(bus, false); /* another task has closed it meanwhile */
    return ri_err(RILL_ECLOSED, "the bus is closed");
}

int ri_micro_bus_leave(rill_bus *bus, int rc)
{
    micro_bus_lock(bus, false);
    return rc;
}

void ri_micro_bus_callback(rill_bus *bus, bool begins)
{
    if (!begins) micro_bus_lock(bus, true);
    RI_ASSERT(bus->in_callback != begins);
    if (begins) {
        bus->ran++;
        bus->turning_below = bus->turning;
        if (bus->host.task) bus->callback_task = bus->host.task(bus->host.arg);
    }
    bus->turning = begins ? false : bus->turning_below; /* a callback that waits turns the peer */
    bus->in_callback = begins;
    if (begins) micro_bus_lock(bus, false);
}

bool ri_micro_bus_calls_back(const rill_bus *bus)
{
    if (!bus->in_callback || !bus->host.task) return bus->in_callback;
    return bus->host.task(bus->host.arg) == bus->callback_task;
}

/* ---- Events ---- */

static void micro_bus_raise(rill_bus *bus, const rill_event *ev)
{
    RI_ASSERT(!bus->in_callback);
    if (!bus->on_event) return;
    ri_micro_bus_callback(bus, true);
    bus->on_event(bus, ev, bus->arg);
    ri_micro_bus_callback(bus, false);
}

void ri_micro_bus_went(rill_bus *bus, bool up, int err)
{
    if (up) {
        bus->ev_up = true;
        return;
    }
    bus->ev_up = false;
    bus->ev_down = true;
    bus->ev_down_err = err;
}

void ri_micro_bus_error(rill_bus *bus, int err)
{
    RI_ASSERT(err < 0);
    bus->ev_error = err;
    bus->ev_errors++;
    const char *text = ri_err_text();
    size_t len = 0;
    while (len < sizeof bus->ev_detail - 1 && text[len]) len++;
    memcpy(bus->ev_detail, text, len);
    bus->ev_detail[len] = 0;
}

static void micro_bus_slow(rill_bus *bus, rill_sub *sub)
{
    uint64_t count = sub->dropped - sub->dropped_raised;
    if (count == 0 || sub->state == RI_MICRO_SUB_ENDING) return;
    sub->dropped_raised = sub->dropped;
    micro_bus_raise(bus, &(rill_event){.kind = RILL_EV_SLOW, .sub = sub, .count = count,
                                       .err = RILL_EFULL,
                                       .detail = "a subscription had no room for messages"});
}

RI_APART static void micro_bus_events(rill_bus *bus)
{
    if (bus->ev_down) {
        bus->ev_down = false;
        micro_bus_raise(bus, &(rill_event){.kind = RILL_EV_DOWN, .err = bus->ev_down_err,
                                           .detail = ri_err_class(bus->ev_down_err)});
    }
    if (bus->ev_up) {
        bus->ev_up = false;
        micro_bus_raise(bus, &(rill_event){.kind = RILL_EV_UP, .detail = "connected"});
    }
    if (bus->ev_errors > 0) {
        rill_event ev = {.kind = RILL_EV_ERROR, .err = bus->ev_error, .count = bus->ev_errors,
                         .detail = bus->ev_detail};
        bus->ev_errors = 0;
        micro_bus_raise(bus, &ev);
    }
    for (uint32_t i = 0; bus->ev_slow && i < bus->subs_end; i++)
        if (bus->subs[i].state != RI_MICRO_SUB_FREE) micro_bus_slow(bus, &bus->subs[i]);
    bus->ev_slow = false;
}

/* ---- Turns and waits ---- */

int ri_micro_bus_turn(rill_bus *bus)
{
    RI_ASSERT(bus->magic == RI_MICRO_MAGIC);
    uint32_t ran = bus->ran;
    int moved = 0;
    if (!bus->turning) { /* else a function of the wire has called */
        bus->turning = true;
        moved = bus->peer->turn(bus);
        bus->turning = false;
    }
    ri_micro_call_expire(bus);
    if (!bus->in_callback) {
        ri_micro_sub_dispatch(bus);
        ri_micro_call_dispatch(bus);
        micro_bus_events(bus);
    }
    return moved + (int)(bus->ran - ran);
}

static bool micro_bus_has_work(const rill_bus *bus)
{
    if (bus->in_callback) return false;
    for (uint32_t i = 0; i < bus->subs_end; i++)
        if (bus->subs[i].first && bus->subs[i].on_msg) return true;
    return bus->ev_up || bus->ev_down || bus->ev_slow || bus->ev_errors > 0;
}

static int64_t micro_bus_due(rill_bus *bus)
{
    if (micro_bus_has_work(bus)) return 0;
    int64_t due = bus->peer->due(bus), call = ri_micro_call_due(bus);
    return RI_MIN(due, call);
}

static void micro_bus_idle(rill_bus *bus, int64_t ns)
{
    bus->idling++;
    micro_bus_lock(bus, false);
    if (bus->host.idle) bus->host.idle(bus->host.arg, ns);
    micro_bus_lock(bus, true);
    RI_ASSERT(bus->idling > 0);
    bus->idling--;
}

int ri_micro_bus_wait(rill_bus *bus, bool (*done)(void *arg), void *arg, int64_t until_ns)
{
    RI_CHECK(bus, RI_MICRO_MAGIC);
    for (;;) {
        int moved = ri_micro_bus_turn(bus);
        if (done(arg)) return RILL_OK;
        if (bus->closed) return ri_err(RILL_ECLOSED, "the connection was given up");
        int64_t now = ri_micro_bus_now(bus);
        if (now >= until_ns) return ri_err(RILL_ETIMEDOUT, "the time allowed ran out");
        if (moved > 0) continue;
        int64_t due = RI_MIN(until_ns, micro_bus_due(bus));
        if (bus->in_callback && !ri_micro_bus_calls_back(bus))
            due = ri_ns_add(now, RI_MS); /* let it go on; nobody says when it ends */
        if (due > now) micro_bus_idle(bus, due == INT64_MAX ? -1 : due - now);
    }
}

/* ---- Opening and closing ---- */

void *ri_micro_bus_carve(rill_bus *bus, size_t bytes)
{
    RI_ASSERT(bus->arena_used % 8 == 0);
    const size_t most = SIZE_MAX & ~(size_t)7; /* what saturates is more than any arena has */
    size_t from = bus->arena_used;
    bus->arena_used = bytes > most - from ? most : from + RI_ALIGN(bytes, 8);
    return bus->arena_used <= bus->arena_bytes ? bus->arena + from : NULL;
}

/* base asks its host, whose memory is the arena: it is given once and never taken back. */
static void *micro_bus_alloc(void *arg, void *p, size_t old_size, size_t new_size)
{
    (void)old_size;
    return p || new_size == 0 ? NULL : ri_micro_bus_carve(arg, new_size);
}

static void micro_bus_entropy(void *arg, void *out, size_t len)
{
    const rill_bus *bus = arg;
    bus->host.entropy(bus->host.arg, out, len);
}

static int micro_bus_check(const rill_opts *opts)
{
    if (!opts || !opts->memory) return ri_err(RILL_EINVAL, "rill_opts.memory is missing");
    const rill_memory *memory = opts->memory;
    if (!memory->arena || (uintptr_t)memory->arena % 8 != 0)
        return ri_err(RILL_EINVAL, "the arena must be aligned to 8");
    if (!opts->host || !opts->host->mono_ns || !opts->host->entropy)
        return ri_err(RILL_EINVAL, "the host needs the functions mono_ns and entropy");
    if (opts->drive != RILL_DRIVE_HOST)
        return ri_err(RILL_EINVAL, "this build has no threads: rill_opts.drive is RILL_DRIVE_HOST");
#ifndef RI_MICRO_TLS
    if (opts->tls) return ri_err(RILL_ENOTSUP, "this build has no TLS but that of your own wire");
#endif
    if (opts->user || opts->password || opts->token || opts->on_creds)
        return ri_err(RILL_ENOTSUP, "this build logs in by what its URL says");
    if (opts->memory->max_msg_bytes > UINT16_MAX || opts->memory->max_subject_bytes > 1024)
        return ri_err(RILL_EINVAL, "max_msg_bytes is at most 65535, max_subject_bytes 1024");
    return RILL_OK;
}

static uint32_t micro_bus_or(uint32_t given, uint32_t otherwise)
{
    return given ? given : otherwise;
}

/* `given` may have been built with an older header: what is behind its end is 0. */
static void micro_bus_copy(void *to, size_t size, const void *given, size_t given_size)
{
    memset(to, 0, size);
    memcpy(to, given, RI_MIN(size, given_size));
}

static void micro_bus_options(rill_bus *bus, const rill_opts *opts)
{
    rill_memory memory;
    micro_bus_copy(&memory, sizeof memory, opts->memory, opts->memory->size);
    micro_bus_copy(&bus->host, sizeof bus->host, opts->host, opts->host->size);
    bus->max_subs = micro_bus_or(memory.max_subs, 16);
    bus->max_pending = micro_bus_or(memory.max_pending, 32);
    bus->max_calls = micro_bus_or(memory.max_calls, 8);
    bus->max_msg_bytes = micro_bus_or(memory.max_msg_bytes, 1024);
    bus->max_subject_bytes = RI_MAX(micro_bus_or(memory.max_subject_bytes, 64),
                                    (uint32_t)RI_MICRO_NAMES);
    bus->max_readers = micro_bus_or(memory.max_readers, 4);
    bus->max_buckets = micro_bus_or(memory.max_buckets, 2);
    bus->alloc_host = (ri_host){.arg = bus, .alloc = micro_bus_alloc, .entropy = micro_bus_entropy};
    bus->on_event = opts->on_event;
    bus->arg = opts->arg;
    bus->on_ready = opts->on_ready;
    bus->call_timeout_ms = micro_bus_or(opts->call_timeout_ms, 5000);
    bus->no_echo = opts->no_echo;
}

/* What ri_micro_bus_carve() gave for the tables. */
typedef struct micro_bus_rooms {
    ri_micro_entry *entries;
    ri_micro_msg *slots;
    char *texts, *rooms;
} micro_bus_rooms;

enum { MICRO_BUS_TEXTS = 4 }; /* 0s within a slot's room */

static void micro_bus_lay(rill_bus *bus, micro_bus_rooms *r)
{
    size_t slots = (size_t)bus->max_pending + 1;
    bus->subs = ri_micro_bus_carve(bus, ri_size_mul(bus->max_subs, sizeof *bus->subs));
    r->entries = ri_micro_bus_carve(bus, ri_size_mul(bus->max_pending, sizeof *r->entries));
    bus->calls = ri_micro_bus_carve(bus, ri_size_mul(bus->max_calls, sizeof *bus->calls));
    r->slots = ri_micro_bus_carve(bus, ri_size_mul(slots, sizeof *r->slots));
    r->texts = ri_micro_bus_carve(bus, ri_size_mul(bus->max_subs, bus->max_subject_bytes + 2));
    r->rooms = ri_micro_bus_carve(bus, ri_size_mul(slots, bus->max_msg_bytes + MICRO_BUS_TEXTS));
}

static void micro_bus_fill(rill_bus *bus, const micro_bus_rooms *r)
{
    RI_ASSERT(bus->arena_used <= bus->arena_bytes);
    memset(bus->subs, 0, bus->max_subs * sizeof *bus->subs);
    memset(bus->calls, 0, bus->max_calls * sizeof *bus->calls);
    for (uint32_t i = 0; i < bus->max_subs; i++) {
        bus->subs[i].bus = bus;
        bus->subs[i].text = r->texts + (size_t)i * (bus->max_subject_bytes + 2);
    }
    for (uint32_t i = 0; i < bus->max_pending; i++) {
        r->entries[i] = (ri_micro_entry){.next = bus->entries};
        bus->entries = &r->entries[i];
    }
    bus->entries_free = bus->max_pending;
    for (uint32_t i = 0; i <= bus->max_pending; i++) {
        r->slots[i] = (ri_micro_msg){.next = bus->slots, .bus = bus};
        r->slots[i].room = r->rooms + (size_t)i * (bus->max_msg_bytes + MICRO_BUS_TEXTS);
        bus->slots = &r->slots[i];
    }
    bus->slots_free = bus->max_pending + 1;
    memcpy(bus->inbox, "_INBOX.", 7);
    ri_nuid_init(&bus->nuid, &bus->alloc_host);
    ri_nuid_next(&bus->nuid, bus->inbox + 7);
    bus->inbox[RI_MICRO_INBOX_LEN - 1] = '.';
}

static const ri_micro_peer *micro_bus_peer(const char *url)
{
    for (size_t i = 0; i < RI_LEN(micro_bus_peers); i++)
        if (strncmp(url, micro_bus_peers[i]->scheme, strlen(micro_bus_peers[i]->scheme)) == 0)
            return micro_bus_peers[i];
    return NULL;
}

static int micro_bus_lay_all(rill_bus *bus, const char *url, const rill_opts *opts)
{
    micro_bus_rooms rooms;
    micro_bus_lay(bus, &rooms);
#ifdef RI_MICRO_STORED
    bus->text = ri_micro_bus_carve(bus, RI_MICRO_TEXT);
    bus->buckets = ri_micro_bus_carve(bus, ri_size_mul(bus->max_buckets, ri_micro_kv_bytes(bus)));
#endif
    int rc = bus->peer->lay(bus, url, opts);
    if (bus->arena_used > bus->arena_bytes)
        return ri_err(RILL_ENOMEM, "the arena has %zu bytes, and %zu more are needed",
                      bus->arena_bytes, bus->arena_used - bus->arena_bytes);
    if (rc < 0) return rc;
    micro_bus_fill(bus, &rooms);
#ifdef RI_MICRO_STORED
    memset((void *)bus->buckets, 0, bus->max_buckets * ri_micro_kv_bytes(bus));
#endif
    bus->magic = RI_MICRO_MAGIC;
    return bus->peer->open(bus, opts);
}

/* All of an opening but its waits, whose frames are smaller without what this has. */
RI_APART static int micro_bus_open(rill_bus **out, const char *url, const rill_opts *given)
{
    rill_opts opts;
    if (given) micro_bus_copy(&opts, sizeof opts, given, given->size);
    int rc = micro_bus_check(given ? &opts : NULL);
    if (rc < 0) return rc;
    const ri_micro_peer *peer = url ? micro_bus_peer(url) : NULL;
    if (!peer) return ri_err(RILL_EINVAL, "this build has no peer for the URL %s", url ? url : "");
    rill_bus *bus = opts.memory->arena;
    if (opts.memory->arena_bytes < sizeof *bus)
        return ri_err(RILL_ENOMEM, "the arena has %zu bytes, and at least %zu more are needed",
                      opts.memory->arena_bytes, sizeof *bus - opts.memory->arena_bytes);
    *bus = (rill_bus){.arena = opts.memory->arena, .arena_bytes = opts.memory->arena_bytes,
                      .arena_used = RI_ALIGN(sizeof *bus, 8), .peer = peer};
    micro_bus_options(bus, &opts);
    micro_bus_lock(bus, true);
    rc = micro_bus_lay_all(bus, url, &opts);
    if (rc >= 0) *out = bus;
    else bus->magic = 0;
    micro_bus_lock(bus, false);
    return rc;
}

int rill_open(rill_bus **out, const char *url, const rill_opts *given)
{
    if (!out) return ri_err(RILL_EINVAL, "no place for the bus was given");
    *out = NULL;
    rill_bus *bus;
    int rc = micro_bus_open(&bus, url, given);
    if (rc < 0) return rc;
    micro_bus_lock(bus, true); /* what waits, or calls back, leaves it */
    if (bus->peer->arrive) rc = bus->peer->arrive(bus);
    if (rc >= 0) *out = bus;
    else bus->peer->close(bus); /* what it has of others' memory */
    if (rc < 0) bus->magic = 0;
    micro_bus_lock(bus, false);
    return rc;
}

static bool micro_bus_flushed(void *arg)
{
    rill_bus *bus = arg;
    return bus->peer->flushed(bus, false);
}

static bool micro_bus_no_appends(void *arg)
{
    const rill_bus *bus = arg;
    for (uint32_t i = 0; i < bus->max_calls; i++)
        if (bus->calls[i].kind == RI_MICRO_CALL_APPEND && !bus->calls[i].over) return false;
    return micro_bus_flushed(arg);
}

int rill_close(rill_bus *bus, int timeout_ms)
{
    if (!bus) return RILL_OK;
    int rc = ri_micro_bus_enter(bus);
    if (rc < 0) return rc;
    if (ri_micro_bus_calls_back(bus))
        return ri_micro_bus_leave(bus, ri_err(RILL_EDEADLK, "a callback cannot close its bus"));
    if (!bus->closed && !bus->peer->flushed(bus, true))
        rc = ri_micro_bus_wait(bus, micro_bus_no_appends, bus, ri_micro_bus_until(bus, timeout_ms));
    if (rc == RILL_ECLOSED) rc = RILL_OK;
    bus->closed = true;
    while (bus->in_callback || bus->idling > 0) micro_bus_idle(bus, RI_MS); /* other tasks */
    for (uint32_t i = 0; i < bus->max_calls; i++)
        if (bus->calls[i].kind != RI_MICRO_CALL_FREE && !bus->calls[i].over)
            ri_micro_call_end(bus, &bus->calls[i], RILL_ECLOSED, NULL);
    ri_micro_call_dispatch(bus);
    bus->peer->close(bus);
    micro_bus_raise(bus, &(rill_event){.kind = RILL_EV_CLOSED, .detail = "closed"});
    bus->magic = 0;
    return ri_micro_bus_leave(bus, rc);
}

/* ---- What a program's loop calls ---- */

int rill_flush(rill_bus *bus, int timeout_ms)
{
    int rc = ri_micro_bus_enter(bus);
    if (rc < 0) return rc;
    if (ri_micro_bus_calls_back(bus)) rc = ri_err(RILL_EDEADLK, "a callback cannot flush its bus");
    else if (!bus->peer->flushed(bus, true))
        rc = ri_micro_bus_wait(bus, micro_bus_no_appends, bus, ri_micro_bus_until(bus, timeout_ms));
    return ri_micro_bus_leave(bus, rc);
}

typedef struct micro_bus_polled {
    const rill_bus *bus;
    uint32_t ran;
} micro_bus_polled;

static bool micro_bus_has_run(void *arg)
{
    const micro_bus_polled *polled = arg;
    return polled->bus->ran != polled->ran;
}

int rill_poll(rill_bus *bus, int timeout_ms)
{
    int rc = ri_micro_bus_enter(bus);
    if (rc < 0) return rc;
    if (ri_micro_bus_calls_back(bus))
        return ri_micro_bus_leave(bus, ri_err(RILL_EDEADLK, "a callback cannot poll its bus"));
    micro_bus_polled polled = {bus, bus->ran};
    if (timeout_ms == 0) ri_micro_bus_turn(bus);
    else
        rc = ri_micro_bus_wait(bus, micro_bus_has_run, &polled, ri_micro_bus_until(bus,
                                                                                   timeout_ms));
    if (rc == RILL_ETIMEDOUT) rc = RILL_OK;
    return ri_micro_bus_leave(bus, rc < 0 ? rc : (int)(bus->ran - polled.ran));
}

int rill_wait_ms(rill_bus *bus)
{
    int rc = ri_micro_bus_enter(bus);
    if (rc < 0) return rc;
    int64_t due = micro_bus_due(bus), now = ri_micro_bus_now(bus);
    int64_t left = due <= now ? 0 : ri_ns_add(due - now, RI_MS - 1) / RI_MS;
    return ri_micro_bus_leave(bus, due == INT64_MAX ? -1 : (int)RI_MIN(left, (int64_t)INT32_MAX));
}

uint32_t rill_caps(const rill_bus *bus)
{
    return bus && bus->magic == RI_MICRO_MAGIC ? bus->peer->caps : 0;
}

int rill_bus_stats(rill_bus *bus, rill_stats *out)
{
    int rc = ri_micro_bus_enter(bus);
    if (rc < 0) return rc;
    if (!out || out->size < sizeof out->size)
        return ri_micro_bus_leave(bus, ri_err(RILL_EINVAL, "rill_stats.size is not set"));
    size_t size = RI_MIN(out->size, sizeof bus->stats);
    rill_stats stats = bus->stats;
    stats.memory_bytes = bus->arena_used;
    stats.memory_max_bytes = bus->arena_bytes;
    for (uint32_t i = 0; i < bus->subs_end; i++)
        stats.subs += bus->subs[i].state == RI_MICRO_SUB_OPEN;
    stats.size = out->size;
    memcpy(out, &stats, size);
    return ri_micro_bus_leave(bus, RILL_OK);
}
