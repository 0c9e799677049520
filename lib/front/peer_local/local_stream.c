/* SPDX-License-Identifier: Apache-2.0 */
/* What a handle asks of the streams at hand: direct calls of the engine, turn by turn. */
#include "base/error.h"
#include "base/saturate.h"
#include "codec/subject/subject.h"
#include "engine/streams/apart.h"
#include "engine/streams/fence.h"
#include "engine/streams/purge.h"
#include "front/peer_local/local_parts.h"
#include "store/index/subject_index.h"

enum { STREAM_LOOK_UNITS = 4 }; /* of the turn: whether a key is deleted */

int ri_local_stream_find(rill_bus *bus, const char *name, ri_stream **stream)
{
    ri_durable *durable = bus->broker->durable;
    *stream = ri_js_stream(ri_durable_js(durable), ri_str_of(name));
    if (*stream || ri_fence_why(ri_durable_js(durable), ri_str_of(name), NULL))
        return *stream ? RILL_OK : RILL_ECORRUPT;
    return ri_err(RILL_ENOENT, "there is no stream %s", name);
}

/* Turn by turn, until it is done. */
static int stream_turns(rill_bus *bus, const char *name, ri_local_change change, void *arg,
                        ri_log **log)
{
    ri_stream *stream;
    ri_js_error e = {0};
    int rc;
    ri_budget_open(&bus->broker->router.budget);
    for (;;) {
        if ((rc = ri_local_stream_find(bus, name, &stream)) < 0) break;
        *log = ri_stream_log(stream);
        rc = change(stream, arg, &e);
        if (rc < 0) rc = ri_bus_js_error(&e, rc);
        if (rc != 1) break;
        if ((rc = ri_local_pass(bus)) < 0) return rc;
    }
    ri_budget_close(&bus->broker->router.budget);
    return rc;
}

int ri_local_stream_do(rill_bus *bus, const char *name, ri_local_change change, void *arg)
{
    ri_log *log;
    int rc = stream_turns(bus, name, change, arg, &log);
    return rc == RILL_OK ? ri_local_durable_wait(bus->broker->durable, log) : rc;
}

int ri_local_stream_see(rill_bus *bus, const char *name, ri_local_change look, void *arg)
{
    ri_log *log;
    int rc = stream_turns(bus, name, look, arg, &log);
    if (bus->broker->durable) ri_durable_touched(bus->broker->durable);
    return rc;
}

/* ---- Made and changed ---- */

static int stream_create(rill_bus *bus, ri_js_stream_request *request)
{
    ri_js_error e = {0};
    ri_stream *stream;
    ri_durable *durable = bus->broker->durable;
    int rc = ri_stream_create(ri_durable_js(durable), request, &stream, &e);
    if (request->apart) ri_budget_close(&bus->broker->router.budget);
    return rc < 0 ? ri_bus_js_error(&e, rc)
                  : ri_local_durable_wait(durable, ri_stream_log(stream));
}

static int stream_change(rill_bus *bus, ri_stream *stream, const ri_js_stream_request *request)
{
    ri_js_error e = {0};
    int rc = ri_stream_update(stream, request, &e);
    if (request->apart) ri_budget_close(&bus->broker->router.budget);
    return rc < 0 ? ri_bus_js_error(&e, rc)
                  : ri_local_durable_wait(bus->broker->durable, ri_stream_log(stream));
}

static ri_js_stream_request stream_request(const rill_bus *bus, const ri_stream_conf *conf)
{
    ri_js_stream_request request = {.conf = *conf};
    if (!ri_durable_has_disk(bus->broker->durable)) request.conf.storage = RI_STORE_MEMORY;
    return request;
}

int ri_local_stream_make(rill_bus *bus, ri_ask *ask)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    ri_stream *stream;
    int rc = ri_local_stream_find(bus, ask->stream, &stream);
    if (rc == RILL_OK && ri_stream_is_closing(stream))
        return ri_err(ask->conf ? RILL_EEXIST : RILL_ENOENT, "stream %s is being deleted",
                      ask->stream);
    if (rc != RILL_ENOENT || !ask->conf) return rc;
    ri_js_stream_request request = stream_request(bus, ask->conf);
    return stream_create(bus, &request);
}

/* Turn by turn, what the stream is to take is compared with what all others take; what cannot be
 * compared is refused when it is made, which asks once more. */
static int stream_compare(rill_bus *bus, ri_js_stream_request *request, ri_apart *apart)
{
    const ri_stream_conf *conf = &request->conf;
    ri_apart_init(apart, ri_durable_js(bus->broker->durable), conf->name, &conf->subjects);
    ri_budget_open(&bus->broker->router.budget);
    while (ri_apart_some(ri_durable_js(bus->broker->durable), apart) == 1) {
        int rc = ri_local_pass(bus);
        if (rc < 0) return rc;
    }
    request->apart = apart;
    return RILL_OK;
}

static int stream_ensure(rill_bus *bus, ri_js_stream_request *request)
{
    ri_stream *stream = ri_js_stream(ri_durable_js(bus->broker->durable), request->conf.name);
    int rc = stream ? stream_change(bus, stream, request) : stream_create(bus, request);
    if (rc < 0) return stream && rc == RILL_EINVAL ? RILL_EEXIST : rc;
    return !stream;
}

int ri_local_stream_ensure(rill_bus *bus, ri_ask *ask)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    ri_apart apart;
    ri_js_stream_request request = stream_request(bus, ask->conf);
    int rc = stream_compare(bus, &request, &apart);
    /* Somebody may have made the stream since: to change it is another right. */
    if (rc == RILL_OK && ri_local_is_guarded(bus)) rc = ri_local_guard_ask(bus, ask);
    if (rc == RILL_OK) rc = stream_ensure(bus, &request);
    ri_apart_fini(&apart);
    return rc;
}

int ri_local_stream_seal(rill_bus *bus, ri_ask *ask)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    ri_stream *stream;
    int rc = ri_local_stream_find(bus, ask->stream, &stream);
    if (rc < 0) return rc;
    ri_js_stream_request request = {.conf = *ri_stream_conf_of(stream)};
    request.conf.sealed = true;
    return stream_change(bus, stream, &request);
}

/* One that is not served. */
static int stream_delete_fenced(rill_bus *bus, const char *name)
{
    ri_js_error e = {0};
    ri_durable *durable = bus->broker->durable;
    int rc = ri_fence_delete(ri_durable_js(durable), ri_str_of(name), &e);
    if (rc == RILL_ENOENT) return ri_err(rc, "there is no stream %s", name);
    return rc < 0 ? ri_bus_js_error(&e, rc) : ri_local_durable_wait(durable, NULL);
}

static int stream_delete(ri_stream *stream, void *arg, ri_js_error *e)
{
    uint64_t *id = arg;
    if (!*id) *id = ri_stream_id(stream);
    if (*id != ri_stream_id(stream))
        return ri_err(RILL_ENOENT, "the stream was deleted, and made again, by somebody else");
    return ri_stream_delete_some(stream, e);
}

int ri_local_stream_delete(rill_bus *bus, ri_ask *ask)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    uint64_t id = 0;
    int rc = ri_local_stream_do(bus, ask->stream, stream_delete, &id);
    return rc == RILL_ECORRUPT && !id ? stream_delete_fenced(bus, ask->stream) : rc;
}

typedef struct stream_purge_args {
    ri_str filter;
    uint64_t before_seq, keep;
    ri_purging purging;
    uint64_t stream_id; /* 0: not begun */
} stream_purge_args;

static int stream_purge(ri_stream *stream, void *arg, ri_js_error *e)
{
    stream_purge_args *a = arg;
    if (!a->stream_id) {
        a->stream_id = ri_stream_id(stream);
        int rc = ri_purge_begin(stream, a->filter, a->before_seq, a->keep, &a->purging, e);
        if (rc < 0) return rc;
    }
    if (a->stream_id != ri_stream_id(stream))
        return ri_err(RILL_ENOENT, "the stream was deleted while it was purged");
    return ri_purge_some(stream, &a->purging, e);
}

int ri_local_stream_purge(rill_bus *bus, ri_ask *ask)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    stream_purge_args args = {.filter = ask->subject, .before_seq = ask->seq,
                              .keep = ask->keep};
    int rc = ri_local_stream_do(bus, ask->stream, stream_purge, &args);
    if (rc == RILL_OK) *ask->out.count = args.purging.purged;
    ri_purge_end(&args.purging);
    return rc;
}

int ri_local_stream_drop(rill_bus *bus, ri_ask *ask)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    stream_purge_args args = {.filter = ask->subject};
    int rc = ri_local_stream_see(bus, ask->stream, stream_purge, &args);
    ri_purge_end(&args.purging);
    return rc;
}

static int stream_erase(ri_stream *stream, void *arg, ri_js_error *e)
{
    return ri_stream_erase(stream, *(const uint64_t *)arg, true, e);
}

int ri_local_stream_erase(rill_bus *bus, ri_ask *ask)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    return ri_local_stream_do(bus, ask->stream, stream_erase, &ask->seq);
}

int ri_local_stream_settled(rill_bus *bus, ri_ask *ask)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    ri_stream *stream;
    int rc = ri_local_stream_find(bus, ask->stream, &stream);
    return rc < 0 ? rc : ri_local_durable_wait(bus->broker->durable, ri_stream_log(stream));
}

/* ---- Looked at ---- */

static void stream_fill(ri_stream *stream, rill_stream_info *out)
{
    ri_stream_info info = {0};
    ri_stream_info_of(stream, &info);
    out->msgs = info.state.messages;
    out->bytes = info.state.bytes;
    out->first_seq = info.state.first_seq;
    out->last_seq = info.state.last_seq;
    out->first_time_ns = info.state.first_ts;
    out->last_time_ns = info.state.last_ts;
    out->subjects = info.state.num_subjects;
    out->groups = (uint32_t)info.state.consumer_count;
    out->ids_forgotten = ri_stream_ids_forgotten(stream);
}

int ri_local_stream_status(rill_bus *bus, ri_ask *ask)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    ri_stream *stream;
    int rc = ri_local_stream_find(bus, ask->stream, &stream);
    if (rc < 0) return rc;
    stream_fill(stream, ask->out.stream);
    ri_local_parts_fill(bus, ask->stream, ask->out.stream);
    return RILL_OK;
}

int ri_local_stream_describe(rill_bus *bus, ri_ask *ask)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    ri_stream *stream;
    rill_stream_info info = {.size = sizeof info};
    int rc = ri_local_stream_find(bus, ask->stream, &stream);
    if (rc < 0) return rc;
    stream_fill(stream, &info);
    ri_local_parts_fill(bus, ask->stream, &info);
    return ask->take(ask->arg, ri_stream_conf_of(stream), &info);
}

typedef struct stream_names {
    ri_buffer *names;
    char last[RI_ASK_NAME_MAX]; /* the one that was looked at last */
} stream_names;

/* As many as the budget allows, without the partitions that are no stream to a program: 1 if there
 * are more. */
static int stream_put_names(ri_durable *durable, ri_budget *budget, stream_names *to)
{
    size_t n, i = 0;
    ri_js *js = ri_durable_js(durable);
    ri_stream *const *streams = ri_js_streams_after(js, ri_str_of(to->last), &n);
    for (bool left = true; i < n && left; i++) {
        ri_str name = ri_stream_conf_of(streams[i])->name;
        RI_ASSERT(name.len < sizeof to->last);
        memcpy(to->last, name.ptr, name.len);
        to->last[name.len] = 0;
        left = ri_budget_spend(budget, 1) && !to->names->failed;
        if (ri_local_parts_is_part(js, streams[i])) continue;
        ri_buffer_put(to->names, to->last, name.len + 1);
    }
    return i < n && !to->names->failed;
}

int ri_local_stream_names(rill_bus *bus, ri_ask *ask)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    ri_budget *budget = &bus->broker->router.budget;
    stream_names to = {.names = ask->out.names};
    int rc = RILL_OK;
    ri_budget_open(budget);
    while (stream_put_names(bus->broker->durable, budget, &to))
        if ((rc = ri_local_pass(bus)) < 0) return rc;
    ri_budget_close(budget);
    return rc;
}

typedef struct stream_listing {
    ri_stream *stream;
    ri_ask *ask;
    ri_subject_place place;
} stream_listing;

static bool stream_is_deleted(ri_stream *stream, ri_str subject)
{
    ri_record record;
    return ri_stream_get_last(stream, subject, &record) == RILL_OK &&
           ri_bus_msg_is_deletion(record.headers);
}

static int stream_list_one(void *arg, const ri_subject_info *info)
{
    stream_listing *l = arg;
    bool keys = l->ask->kind == RI_ASK_KEYS;
    ri_buffer *names = l->ask->out.names;
    ri_budget_spend(l->place.budget, keys ? STREAM_LOOK_UNITS : 1);
    if (keys && stream_is_deleted(l->stream, info->subject)) return 0;
    ri_ask_put_name(names, info->subject);
    return names->failed;
}

static int stream_list(ri_stream *stream, void *arg, ri_js_error *e)
{
    (void)e;
    stream_listing *l = arg;
    l->stream = stream;
    int rc = ri_track_some_subjects(ri_stream_track(stream), l->ask->subject, false, &l->place,
                                    stream_list_one, l);
    return l->ask->out.names->failed ? RILL_ENOMEM : rc;
}

int ri_local_stream_subjects(rill_bus *bus, ri_ask *ask)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    stream_listing l = {.ask = ask, .place.budget = &bus->broker->router.budget};
    ri_buffer_init(&l.place.next, &bus->host);
    int rc = ri_local_stream_see(bus, ask->stream, stream_list, &l);
    ri_buffer_fini(&l.place.next);
    return rc;
}

/* ---- Searched ---- */

typedef struct stream_search_args {
    rill_bus *bus;
    ri_ask *ask;
    ri_stream_search search;
    uint64_t stream_id; /* that it searches; 0: not begun */
} stream_search_args;

static void stream_search_end(stream_search_args *a)
{
    if (a->stream_id) ri_stream_search_end(&a->search);
    a->stream_id = 0;
}

static uint64_t stream_search_from(ri_stream *stream, const stream_search_args *a)
{
    if (a->ask->time_ns) return ri_stream_seq_at(stream, a->ask->time_ns);
    return RI_MAX(a->ask->seq, 1);
}

static void stream_search_begin(ri_stream *stream, stream_search_args *a)
{
    if (a->stream_id == ri_stream_id(stream)) return;
    stream_search_end(a); /* of one that has gone meanwhile */
    a->stream_id = ri_stream_id(stream);
    if (a->ask->kind == RI_ASK_LAST) ri_stream_search_last(stream, &a->search, a->ask->subject);
    else ri_stream_search_next(stream, &a->search, a->ask->subject, stream_search_from(stream, a));
}

static int stream_search(ri_stream *stream, void *arg, ri_js_error *e)
{
    (void)e;
    stream_search_args *a = arg;
    ri_record record;
    stream_search_begin(stream, a);
    int rc = ri_stream_search_some(stream, &a->search, &record);
    if (rc != RILL_OK) return rc;
    return ri_bus_msg_stored(a->bus, ri_stream_conf_of(stream)->name, &record, a->ask->out.msg);
}

int ri_local_stream_next(rill_bus *bus, ri_ask *ask)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    stream_search_args args = {.bus = bus, .ask = ask};
    int rc = ri_local_stream_see(bus, ask->stream, stream_search, &args);
    stream_search_end(&args);
    return rc;
}

int ri_local_stream_get(rill_bus *bus, ri_ask *ask)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    ri_stream *stream;
    ri_record record;
    int rc = ri_local_stream_find(bus, ask->stream, &stream);
    if (rc < 0) return rc;
    if (ask->kind == RI_ASK_LAST &&
        (ask->subject.len == 0 || ri_subject_has_wildcard(ask->subject) ||
         !ri_track_is_indexed(ri_stream_track(stream)))) return ri_local_stream_next(bus, ask);
    rc = ask->kind == RI_ASK_LAST ? ri_stream_get_last(stream, ask->subject, &record)
                                  : ri_stream_get(stream, ask->seq, &record);
    if (rc == RILL_ENOENT) return ri_err(rc, "there is no such message in %s", ask->stream);
    return rc < 0 ? rc : ri_bus_msg_stored(bus, ri_stream_conf_of(stream)->name, &record,
                                           ask->out.msg);
}
