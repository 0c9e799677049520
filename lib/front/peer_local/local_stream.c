/* SPDX-License-Identifier: Apache-2.0 */
/* Streams from a program: made, looked at, read and trimmed by direct calls of the engine. */
#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/jetstream/duration.h"
#include "codec/subject/subject.h"
#include "engine/streams/apart.h"
#include "engine/streams/fence.h"
#include "front/peer_local/local_durable.h"

enum {
    STREAM_SUBJECTS_MAX = 256,
    STREAM_TOMBSTONE_MS = 86400000, /* as Kafka's delete.retention.ms */
};

int ri_local_stream_find(ri_durable *durable, const char *name, ri_stream **stream)
{
    *stream = ri_js_stream(ri_durable_js(durable), ri_str_of(name));
    if (*stream || ri_fence_why(ri_durable_js(durable), ri_str_of(name), NULL))
        return *stream ? RILL_OK : RILL_ECORRUPT;
    return ri_err(RILL_ENOENT, "there is no stream %s", name);
}

static int64_t stream_limit(uint64_t n)
{
    return n == 0 || n > INT64_MAX ? -1 : (int64_t)n;
}

typedef struct stream_draft { /* what a configuration points to */
    ri_js_stream_request request;
    ri_apart apart;       /* its subjects, and those of all others */
    ri_str subjects[STREAM_SUBJECTS_MAX];
    ri_js_transform transform;
    ri_js_republish republish;
    ri_js_source origins[RI_LOCAL_SOURCES_MAX];
    ri_js_transform renames[RI_LOCAL_SOURCES_MAX];
    ri_js_pair asked[2];  /* metadata */
    char tombstone[RI_DURATION_MAX];
} stream_draft;

static void stream_draft_limits(ri_stream_conf *conf, const rill_stream_opts *opts)
{
    conf->max_consumers = opts->max_groups ? (int64_t)opts->max_groups : -1;
    conf->max_msgs = stream_limit(opts->max_msgs);
    conf->max_bytes = stream_limit(opts->max_bytes);
    conf->max_msgs_per_subject = stream_limit(opts->max_msgs_per_subject);
    conf->max_age = ri_ns_of_ms(opts->max_age_ms);
    conf->max_msg_size = opts->max_msg_bytes ? (int32_t)RI_MIN(opts->max_msg_bytes, INT32_MAX) : -1;
    conf->duplicate_window = ri_ns_of_ms(opts->dedupe_window_ms);
    conf->first_seq = opts->first_seq;
}

static void stream_conf(ri_stream_conf *conf, const char *name, const rill_stream_opts *opts,
                        ri_durable *durable)
{
    *conf = (ri_stream_conf){
        .name = ri_str_of(name),
        .description = ri_str_of(opts->description),
        .retention = opts->keep == RILL_KEEP_WORK ? RI_RETAIN_WORKQUEUE
                     : opts->keep == RILL_KEEP_INTEREST ? RI_RETAIN_INTEREST : RI_RETAIN_LIMITS,
        .discard = opts->reject_when_full ? RI_DISCARD_NEW : RI_DISCARD_OLD,
        .discard_new_per_subject = opts->reject_per_subject,
        .storage = opts->in_memory ||
        !ri_durable_has_disk(durable) ? RI_STORE_MEMORY : RI_STORE_FILE,
        .num_replicas = 1,
        .allow_direct = true,
        .allow_rollup_hdrs = !opts->deny_purge,
        .deny_delete = opts->deny_erase,
        .deny_purge = opts->deny_purge,
        .allow_msg_ttl = opts->allow_ttl,
        .subject_delete_marker_ttl = ri_ns_of_ms(opts->marker_ttl_ms),
        .allow_msg_schedules = opts->allow_schedules,
    };
    stream_draft_limits(conf, opts);
}

static int stream_draft_source(const rill_source *from, ri_js_source *to, ri_js_transform *rename)
{
    if (!from->stream) return ri_err(RILL_EINVAL, "a source without the name of its stream");
    /* No sequence is greater than the limit, beyond which the recorded text is not read again. */
    *to = (ri_js_source){.name = ri_str_of(from->stream),
                         .opt_start_seq = RI_MIN(from->from_seq, RI_LIMIT_SEQUENCE),
                         .opt_start_time = from->from_time_ns};
    ri_str filter = ri_str_of(from->filter);
    if (!from->to) {
        to->filter_subject = filter;
        return RILL_OK;
    }
    *rename = (ri_js_transform){filter.len ? filter : RI_STR(">"), ri_str_of(from->to)};
    to->subject_transforms = (ri_js_transforms){rename, 1};
    return RILL_OK;
}

static int stream_draft_sources(stream_draft *draft, const rill_stream_opts *opts)
{
    ri_stream_conf *conf = &draft->request.conf;
    if (opts->mirror) {
        conf->mirror = &draft->origins[0];
        return stream_draft_source(opts->mirror, &draft->origins[0], &draft->renames[0]);
    }
    RI_ASSERT(opts->nsources <= RI_LOCAL_SOURCES_MAX);
    for (size_t i = 0; i < opts->nsources; i++) {
        int rc = stream_draft_source(opts->sources[i], &draft->origins[i], &draft->renames[i]);
        if (rc < 0) return rc;
    }
    conf->sources = (ri_js_sources){draft->origins, (uint32_t)opts->nsources};
    return RILL_OK;
}

static void stream_draft_renames(stream_draft *draft, const rill_stream_opts *opts)
{
    ri_stream_conf *conf = &draft->request.conf;
    draft->transform = (ri_js_transform){ri_str_of(opts->transform_from),
                                         ri_str_of(opts->transform_to)};
    if (draft->transform.dest.len) conf->subject_transform = &draft->transform;
    draft->republish = (ri_js_republish){ri_str_of(opts->republish_from),
                                         ri_str_of(opts->republish_to), opts->republish_headers};
    if (draft->republish.dest.len) conf->republish = &draft->republish;
}

/* NATS clients see it, and may ask for it, as metadata. */
static void stream_draft_metadata(stream_draft *draft, const rill_stream_opts *opts)
{
    ri_js_map *metadata = &draft->request.conf.metadata;
    *metadata = (ri_js_map){draft->asked, 0};
    if (opts->dedupe_strictly)
        draft->asked[metadata->len++] = (ri_js_pair){RI_STR("rill.dedupe_full"), RI_STR("refuse")};
    if (!opts->compact) return;
    int64_t ms = opts->tombstone_ms ? opts->tombstone_ms : STREAM_TOMBSTONE_MS;
    size_t len = ri_duration_write(draft->tombstone, ri_ns_of_ms(ms));
    draft->asked[metadata->len++] = (ri_js_pair){RI_STR("rill.compact"), {draft->tombstone, len}};
}

/* Words parted by blanks. */
static int stream_words(const char *text, ri_str *items, uint32_t *len)
{
    ri_str rest = ri_str_of(text), word;
    for (*len = 0; ri_str_word(&rest, &word); items[(*len)++] = word)
        if (*len == STREAM_SUBJECTS_MAX)
            return ri_err(RILL_EINVAL, "more than %d subjects", STREAM_SUBJECTS_MAX);
    return RILL_OK;
}

static int stream_make(rill_bus *bus, ri_durable *durable, const ri_js_stream_request *request)
{
    ri_js_error e = {0};
    ri_stream *stream = ri_js_stream(ri_durable_js(durable), request->conf.name);
    bool fresh = !stream;
    int rc = fresh ? ri_stream_create(ri_durable_js(durable), request, &stream, &e)
                   : ri_stream_update(stream, request, &e);
    ri_budget_close(&bus->broker->router.budget);
    if (rc < 0) {
        rc = ri_local_js_error(&e, rc);
        return !fresh && rc == RILL_EINVAL ? RILL_EEXIST : rc;
    }
    rc = ri_local_durable_wait(durable, ri_stream_log(stream));
    return rc < 0 ? rc : fresh;
}

/* Turn by turn, what the stream is to take is compared with what all others take; what cannot be
 * compared is told by stream_make(), which asks once more. Inside the gate when this is done, but
 * not after RILL_ECLOSED: then there is no *durable. */
static int stream_compare(rill_bus *bus, ri_durable **durable, stream_draft *draft)
{
    const ri_stream_conf *conf = &draft->request.conf;
    ri_apart_init(&draft->apart, ri_durable_js(*durable), conf->name, &conf->subjects);
    ri_budget_open(&bus->broker->router.budget);
    while (ri_apart_some(ri_durable_js(*durable), &draft->apart) == 1) {
        int rc = ri_local_durable_pass(bus, durable);
        if (rc < 0) {
            *durable = NULL;
            return rc;
        }
    }
    draft->request.apart = &draft->apart;
    return RILL_OK;
}

static int stream_draft_all(stream_draft *draft, const char *name, const rill_stream_opts *opts,
                            ri_durable *durable, uint32_t subjects)
{
    stream_conf(&draft->request.conf, name, opts, durable);
    draft->request.conf.subjects = (ri_strs){draft->subjects, subjects};
    stream_draft_renames(draft, opts);
    stream_draft_metadata(draft, opts);
    return stream_draft_sources(draft, opts);
}

int ri_local_stream_ensure(rill_bus *bus, const char *name, const rill_stream_opts *opts)
{
    static const rill_stream_opts defaults = {.size = sizeof defaults};
    if (!opts) opts = &defaults;
    stream_draft draft;
    ri_durable *durable;
    uint32_t n = 0;
    draft.request = (ri_js_stream_request){0};
    int rc = opts->subjects ? stream_words(opts->subjects, draft.subjects, &n) : RILL_OK;
    if (rc == RILL_OK) rc = ri_local_durable_enter(bus, &durable);
    if (rc < 0) return rc;
    rc = stream_draft_all(&draft, name, opts, durable, n);
    if (rc == RILL_OK) {
        rc = stream_compare(bus, &durable, &draft);
        if (rc == RILL_OK) rc = stream_make(bus, durable, &draft.request);
        ri_apart_fini(&draft.apart);
    }
    if (durable) ri_broker_leave(bus->broker);
    return rc;
}

/* Turn by turn, until it is done; then this is still inside, unless it is RILL_ECLOSED. */
static int stream_turns(rill_bus *bus, ri_durable **durable, const char *name,
                        ri_local_change change, void *arg, ri_log **log)
{
    ri_stream *stream;
    ri_js_error e = {0};
    int rc;
    ri_budget_open(&bus->broker->router.budget);
    for (;;) {
        if ((rc = ri_local_stream_find(*durable, name, &stream)) < 0) break;
        *log = ri_stream_log(stream);
        rc = change(stream, arg, &e);
        if (rc < 0) rc = ri_local_js_error(&e, rc);
        if (rc != 1) break;
        if ((rc = ri_local_durable_pass(bus, durable)) < 0) {
            *durable = NULL;
            return rc;
        }
    }
    ri_budget_close(&bus->broker->router.budget);
    return rc;
}

int ri_local_stream_do(rill_bus *bus, const char *name, ri_local_change change, void *arg)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_durable *durable;
    ri_log *log;
    int rc = ri_local_durable_enter(bus, &durable);
    if (rc < 0) return rc;
    rc = stream_turns(bus, &durable, name, change, arg, &log);
    if (rc == RILL_OK) rc = ri_local_durable_wait(durable, log);
    if (durable) ri_broker_leave(bus->broker);
    return rc;
}

int ri_local_stream_see(rill_bus *bus, const char *name, ri_local_change look, void *arg)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_durable *durable;
    ri_log *log;
    int rc = ri_local_durable_enter(bus, &durable);
    if (rc < 0) return rc;
    rc = stream_turns(bus, &durable, name, look, arg, &log);
    if (!durable) return rc;
    ri_durable_touched(durable);
    ri_broker_leave(bus->broker);
    return rc;
}

/* One that is not served. */
static int stream_delete_fenced(rill_bus *bus, const char *name)
{
    ri_durable *durable;
    ri_js_error e = {0};
    int rc = ri_local_durable_enter(bus, &durable);
    if (rc < 0) return rc;
    rc = ri_fence_delete(ri_durable_js(durable), ri_str_of(name), &e);
    if (rc == RILL_ENOENT)
        rc = ri_err(rc, "there is no stream %s", name);
    else
        rc = rc < 0 ? ri_local_js_error(&e, rc) : ri_local_durable_wait(durable, NULL);
    ri_broker_leave(bus->broker);
    return rc;
}

static int stream_delete(ri_stream *stream, void *arg, ri_js_error *e)
{
    uint64_t *id = arg;
    if (!*id) *id = ri_stream_id(stream);
    if (*id != ri_stream_id(stream))
        return ri_err(RILL_ENOENT, "the stream was deleted, and made again, by somebody else");
    return ri_stream_delete_some(stream, e);
}

int ri_local_stream_delete(rill_bus *bus, const char *name)
{
    uint64_t id = 0;
    int rc = ri_local_stream_do(bus, name, stream_delete, &id);
    return rc == RILL_ECORRUPT && !id ? stream_delete_fenced(bus, name) : rc;
}

typedef struct stream_purge_args {
    ri_str filter;
    uint64_t before_seq, keep;
    ri_stream_purging purging;
    uint64_t stream_id; /* 0: not begun */
} stream_purge_args;

static int stream_purge(ri_stream *stream, void *arg, ri_js_error *e)
{
    stream_purge_args *a = arg;
    if (!a->stream_id) {
        a->stream_id = ri_stream_id(stream);
        int rc = ri_stream_purge_begin(stream, a->filter, a->before_seq, a->keep, &a->purging, e);
        if (rc < 0) return rc;
    }
    if (a->stream_id != ri_stream_id(stream))
        return ri_err(RILL_ENOENT, "the stream was deleted while it was purged");
    return ri_stream_purge_some(stream, &a->purging, e);
}

int ri_local_stream_purge(rill_bus *bus, const char *name, const rill_purge_opts *opts,
                          uint64_t *purged)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    stream_purge_args args = {.filter = ri_str_of(opts->filter), .before_seq = opts->before_seq,
                              .keep = opts->keep_msgs};
    int rc = ri_local_stream_do(bus, name, stream_purge, &args);
    if (rc == RILL_OK && purged) *purged = args.purging.purged;
    ri_stream_purge_end(&args.purging);
    return rc;
}

void ri_local_stream_drop(rill_bus *bus, const char *name, ri_str filter)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    stream_purge_args args = {.filter = filter};
    ri_local_stream_see(bus, name, stream_purge, &args);
    ri_stream_purge_end(&args.purging);
}

static int stream_erase(ri_stream *stream, void *arg, ri_js_error *e)
{
    return ri_stream_erase(stream, *(const uint64_t *)arg, true, e);
}

int ri_local_stream_erase(rill_bus *bus, const char *name, uint64_t seq)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    return ri_local_stream_do(bus, name, stream_erase, &seq);
}

void ri_local_stream_fill(ri_stream *stream, rill_stream_info *out)
{
    ri_stream_info info = {0};
    ri_stream_info_of(stream, &info);
    *out = (rill_stream_info){
        .size = sizeof *out,
        .msgs = info.state.messages,
        .bytes = info.state.bytes,
        .first_seq = info.state.first_seq,
        .last_seq = info.state.last_seq,
        .first_time_ns = info.state.first_ts,
        .last_time_ns = info.state.last_ts,
        .subjects = info.state.num_subjects,
        .groups = (uint32_t)info.state.consumer_count,
        .ids_forgotten = ri_stream_ids_forgotten(stream),
    };
}

int ri_local_stream_status(rill_bus *bus, const char *name, rill_stream_info *out)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_durable *durable;
    ri_stream *stream;
    int rc = ri_local_durable_enter(bus, &durable);
    if (rc < 0) return rc;
    rc = ri_local_stream_find(durable, name, &stream);
    if (rc == RILL_OK) ri_local_stream_fill(stream, out);
    ri_broker_leave(bus->broker);
    return rc;
}

/* How many of the names, which are in order, are not behind the last that was told. */
static size_t stream_told(ri_stream *const *streams, size_t n, ri_str last)
{
    size_t low = 0;
    while (low < n) {
        size_t mid = low + (n - low) / 2;
        if (ri_str_cmp(ri_stream_conf_of(streams[mid])->name, last) <= 0) low = mid + 1;
        else n = mid;
    }
    return low;
}

/* As many as the budget allows: 1 if there are more, which are behind *last in `names`. */
static int stream_put_names(ri_durable *durable, ri_budget *budget, ri_buffer *names, size_t *last)
{
    size_t n = 0, i = 0;
    ri_stream *const *streams = ri_js_streams(ri_durable_js(durable), &n);
    if (ri_buffer_size(names)) i = stream_told(streams, n, ri_str_of(names->ptr + *last));
    for (bool left = true; i < n && left; i++) {
        *last = ri_buffer_size(names);
        ri_buffer_put_str(names, ri_stream_conf_of(streams[i])->name);
        ri_buffer_put(names, "", 1);
        left = ri_budget_spend(budget, 1) && !names->failed;
    }
    return i < n && !names->failed;
}

int ri_local_names_each(ri_buffer *names, rill_name_fn fn, void *arg)
{
    int rc = names->failed ? RILL_ENOMEM : RILL_OK;
    for (ri_str rest = ri_buffer_str(names); rc == RILL_OK && rest.len;
         rest = ri_str_from(rest, strlen(rest.ptr) + 1))
        if (fn(rest.ptr, arg)) break;
    ri_buffer_fini(names);
    return rc;
}

int ri_local_stream_each(rill_bus *bus, rill_name_fn fn, void *arg)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_durable *durable;
    ri_buffer names;
    ri_budget *budget = &bus->broker->router.budget;
    size_t last = 0;
    int rc = ri_local_durable_enter(bus, &durable);
    if (rc < 0) return rc;
    ri_buffer_init(&names, &bus->host);
    ri_budget_open(budget);
    while (rc >= 0 && stream_put_names(durable, budget, &names, &last))
        rc = ri_local_durable_pass(bus, &durable);
    if (rc < 0) {
        ri_buffer_fini(&names);
        return rc;
    }
    ri_budget_close(budget);
    ri_broker_leave(bus->broker);
    return ri_local_names_each(&names, fn, arg);
}

/* ---- Searching ---- */

static void stream_search_begin(ri_stream *stream, ri_local_search *s)
{
    if (s->stream_id == ri_stream_id(stream)) return;
    ri_local_search_end(s); /* of one that has gone meanwhile */
    s->stream_id = ri_stream_id(stream);
    if (s->last) ri_stream_search_last(stream, &s->search, s->filter);
    else ri_stream_search_next(stream, &s->search, s->filter,
                               s->time_ns ? ri_stream_seq_at(stream, s->time_ns) : 1);
}

typedef struct stream_search_args {
    rill_bus *bus;
    ri_local_search *search;
    rill_msg **m;
} stream_search_args;

static int stream_search(ri_stream *stream, void *arg, ri_js_error *e)
{
    (void)e;
    const stream_search_args *a = arg;
    ri_record record;
    stream_search_begin(stream, a->search);
    int rc = ri_stream_search_some(stream, &a->search->search, &record);
    if (rc != RILL_OK) return rc;
    a->search->search.from = record.seq + 1;
    return ri_bus_msg_stored(a->bus, ri_stream_conf_of(stream)->name, &record, a->m);
}

int ri_local_search_one(rill_bus *bus, ri_local_search *s, rill_msg **m)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    stream_search_args args = {bus, s, m};
    return ri_local_stream_see(bus, s->stream, stream_search, &args);
}

void ri_local_search_end(ri_local_search *s)
{
    if (s->stream_id) ri_stream_search_end(&s->search);
    s->stream_id = 0;
}

static int stream_search_last(rill_bus *bus, const char *name, const char *subject, rill_msg **m)
{
    ri_local_search search = {.stream = name, .filter = ri_str_of(subject), .last = true};
    int rc = ri_local_search_one(bus, &search, m);
    ri_local_search_end(&search);
    return rc;
}

int ri_local_stream_get(rill_bus *bus, const char *name, uint64_t seq, const char *subject,
                        rill_msg **m)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_durable *durable;
    ri_stream *stream;
    ri_record record;
    if (subject && ri_subject_has_wildcard(ri_str_of(subject)))
        return stream_search_last(bus, name, subject, m);
    int rc = ri_local_durable_enter(bus, &durable);
    if (rc < 0) return rc;
    rc = ri_local_stream_find(durable, name, &stream);
    if (rc == RILL_OK && subject && !ri_track_is_indexed(ri_stream_track(stream))) {
        ri_broker_leave(bus->broker);
        return stream_search_last(bus, name, subject, m);
    }
    if (rc == RILL_OK)
        rc = subject ? ri_stream_get_last(stream, ri_str_of(subject), &record)
                     : ri_stream_get(stream, seq, &record);
    if (rc == RILL_OK)
        rc = ri_bus_msg_stored(bus, ri_stream_conf_of(stream)->name, &record, m);
    else if (rc == RILL_ENOENT && stream)
        ri_err(rc, "there is no such message in %s", name);
    ri_broker_leave(bus->broker);
    return rc;
}

int ri_local_stream_at(rill_bus *bus, const char *name, const rill_at *at, rill_msg **m)
{
    bool last = at->from == RILL_FROM_LAST;
    if (at->from == RILL_FROM_SEQ) return ri_local_stream_get(bus, name, at->seq, NULL, m);
    if (last && at->filter) return ri_local_stream_get(bus, name, 0, at->filter, m);
    ri_local_search search = {.stream = name, .filter = ri_str_of(at->filter), .last = last,
                              .time_ns = at->time_ns};
    int rc = ri_local_search_one(bus, &search, m);
    ri_local_search_end(&search);
    return rc;
}

uint64_t ri_local_stream_seq_at(ri_stream *stream, const rill_at *at)
{
    ri_stream_info info = {0};
    if (at->from == RILL_FROM_SEQ) return at->seq;
    if (at->from == RILL_FROM_FIRST) return 1;
    if (at->from == RILL_FROM_TIME) return ri_stream_seq_at(stream, at->time_ns);
    RI_ASSERT(at->from == RILL_FROM_NEW);
    ri_stream_info_of(stream, &info);
    return info.state.last_seq + 1;
}

int ri_local_stream_find_last(rill_bus *bus, const char *name, rill_at *at)
{
    rill_msg *m;
    if (at->from != RILL_FROM_LAST) return RILL_OK;
    int rc = ri_local_stream_at(bus, name, at, &m);
    if (rc < 0 && rc != RILL_ENOENT) return rc;
    at->from = RILL_FROM_SEQ; /* a stream that is not there is found out later */
    at->seq = rc == RILL_OK ? m->seq : 1;
    if (rc == RILL_OK) ri_bus_msg_unref(m);
    return RILL_OK;
}
