/* SPDX-License-Identifier: Apache-2.0 */
/* Streams from a program: what its options say becomes a configuration in JetStream's words, and
 * the peer is asked. */
#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/jetstream/duration.h"
#include "codec/subject/subject.h"
#include "front/handle/ask.h"
#include "front/handle/bus_stored.h"
#include "front/handle/peer.h"

enum {
    STREAM_SUBJECTS_MAX = 256,
    STREAM_TOMBSTONE_MS = 86400000, /* a day, as Kafka's delete.retention.ms */
};

static int64_t stream_limit(uint64_t n)
{
    return n == 0 || n > INT64_MAX ? -1 : (int64_t)n;
}

typedef struct stream_draft { /* what a configuration points to */
    ri_stream_conf conf;
    ri_str subjects[STREAM_SUBJECTS_MAX];
    ri_js_transform transform;
    ri_js_republish republish;
    ri_js_source origins[RI_BUS_SOURCES_MAX];
    ri_js_transform renames[RI_BUS_SOURCES_MAX];
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

static void stream_conf(ri_stream_conf *conf, const char *name, const rill_stream_opts *opts)
{
    *conf = (ri_stream_conf){
        .name = ri_str_of(name),
        .description = ri_str_of(opts->description),
        .retention = opts->keep == RILL_KEEP_WORK ? RI_RETAIN_WORKQUEUE
                     : opts->keep == RILL_KEEP_INTEREST ? RI_RETAIN_INTEREST : RI_RETAIN_LIMITS,
        .discard = opts->reject_when_full ? RI_DISCARD_NEW : RI_DISCARD_OLD,
        .discard_new_per_subject = opts->reject_per_subject,
        .storage = opts->in_memory ? RI_STORE_MEMORY : RI_STORE_FILE,
        .num_replicas = opts->replicas, /* 0: as the peer has it */
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
    ri_stream_conf *conf = &draft->conf;
    if (opts->mirror) {
        conf->mirror = &draft->origins[0];
        return stream_draft_source(opts->mirror, &draft->origins[0], &draft->renames[0]);
    }
    RI_ASSERT(opts->nsources <= RI_BUS_SOURCES_MAX);
    for (size_t i = 0; i < opts->nsources; i++) {
        int rc = stream_draft_source(opts->sources[i], &draft->origins[i], &draft->renames[i]);
        if (rc < 0) return rc;
    }
    conf->sources = (ri_js_sources){draft->origins, (uint32_t)opts->nsources};
    return RILL_OK;
}

static void stream_draft_renames(stream_draft *draft, const rill_stream_opts *opts)
{
    ri_stream_conf *conf = &draft->conf;
    draft->transform = (ri_js_transform){ri_str_of(opts->transform_from),
                                         ri_str_of(opts->transform_to)};
    if (draft->transform.dest.len) conf->subject_transform = &draft->transform;
    draft->republish = (ri_js_republish){ri_str_of(opts->republish_from),
                                         ri_str_of(opts->republish_to), opts->republish_headers};
    if (draft->republish.dest.len) conf->republish = &draft->republish;
}

/* What NATS clients see, and may ask for, as metadata. */
static void stream_draft_metadata(stream_draft *draft, const rill_stream_opts *opts)
{
    ri_js_map *metadata = &draft->conf.metadata;
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
    for (*len = 0; ri_str_word(&rest, &word); items[(*len)++] = word) {
        if (*len == STREAM_SUBJECTS_MAX)
            return ri_err(RILL_EINVAL, "more than %d subjects", STREAM_SUBJECTS_MAX);
        int rc = ri_subject_check_filter(word);
        if (rc < 0) return ri_err_wrap(rc, "subjects");
    }
    return RILL_OK;
}

int ri_bus_stream_ensure(rill_bus *bus, const char *name, const rill_stream_opts *opts)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    stream_draft draft;
    uint32_t n = 0;
    if (opts->partitions > 1 && !bus->ops->partitions)
        return ri_err(RILL_ENOTSUP, "partitions is %u: a stream of JetStream has one, and its "
                      "subjects are what parts it", opts->partitions);
    int rc = opts->subjects ? stream_words(opts->subjects, draft.subjects, &n) : RILL_OK;
    if (rc < 0) return rc;
    stream_conf(&draft.conf, name, opts);
    draft.conf.subjects = (ri_strs){draft.subjects, n};
    stream_draft_renames(&draft, opts);
    stream_draft_metadata(&draft, opts);
    rc = stream_draft_sources(&draft, opts);
    if (rc < 0) return rc;
    ri_ask ask = {.kind = RI_ASK_STREAM_ENSURE, .stream = name, .conf = &draft.conf,
                  .partitions = opts->partitions};
    return ri_ask_run(bus, &ask);
}

int ri_bus_stream_delete(rill_bus *bus, const char *name)
{
    ri_ask ask = {.kind = RI_ASK_STREAM_DELETE, .stream = name};
    return ri_ask_run(bus, &ask);
}

int ri_bus_stream_status(rill_bus *bus, const char *name, rill_stream_info *out)
{
    ri_ask ask = {.kind = RI_ASK_STREAM_STATUS, .stream = name, .out.stream = out};
    int rc = ri_ask_run(bus, &ask);
    out->partitions = RI_MAX(out->partitions, 1);
    return rc;
}

int ri_bus_stream_purge(rill_bus *bus, const char *name, const rill_purge_opts *opts,
                        uint64_t *purged)
{
    uint64_t count = 0;
    ri_ask ask = {.kind = RI_ASK_STREAM_PURGE, .stream = name,
                  .subject = ri_str_of(opts->filter), .seq = opts->before_seq,
                  .keep = opts->keep_msgs, .out.count = &count};
    int rc = ri_ask_run(bus, &ask);
    if (rc == RILL_OK && purged) *purged = count;
    return rc;
}

/* Has the peer streams of more than one? */
static int stream_check_partition(const rill_bus *bus, const rill_at *at)
{
    if (at->partition == 0 || bus->ops->partitions) return RILL_OK;
    return ri_err(RILL_ENOTSUP, "partition is %u: a stream has one, which is 0", at->partition);
}

int ri_bus_stream_erase(rill_bus *bus, const char *name, const rill_at *at)
{
    ri_ask ask = {.kind = RI_ASK_STREAM_ERASE, .stream = name, .seq = at->seq,
                  .partition = at->partition};
    int rc = stream_check_partition(bus, at);
    return rc < 0 ? rc : ri_ask_run(bus, &ask);
}

int ri_bus_stream_at(rill_bus *bus, const char *name, const rill_at *at, rill_msg **m)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_ask ask = {.kind = RI_ASK_NEXT, .stream = name, .seq = at->seq, .time_ns = at->time_ns,
                  .partition = at->partition, .subject = ri_str_of(at->filter), .out.msg = m};
    int rc = stream_check_partition(bus, at);
    if (rc < 0) return rc;
    if (at->from == RILL_FROM_SEQ) ask.kind = RI_ASK_GET;
    if (at->from == RILL_FROM_LAST) ask.kind = RI_ASK_LAST;
    return ri_ask_run(bus, &ask);
}

int ri_bus_stream_last(rill_bus *bus, const char *name, const char *subject, rill_msg **m)
{
    return ri_bus_stream_at(bus, name, &(rill_at){.from = RILL_FROM_LAST, .filter = subject}, m);
}

/* RILL_FROM_LAST becomes the number of that message. */
static int stream_find_last(rill_bus *bus, const char *name, rill_at *at)
{
    rill_msg *m;
    if (at->from != RILL_FROM_LAST) return RILL_OK;
    int rc = ri_bus_stream_at(bus, name, at, &m);
    if (rc < 0 && rc != RILL_ENOENT) return rc;
    at->from = RILL_FROM_SEQ; /* that there is no such stream is found out later */
    at->seq = rc == RILL_OK ? m->seq : 1;
    if (rc == RILL_OK) ri_bus_msg_unref(m);
    return RILL_OK;
}

int ri_bus_stream_seek(rill_bus *bus, const char *name, const char *group, rill_sub *sub,
                       const rill_at *at)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    rill_at own = *at;
    ri_ask ask = {.kind = RI_ASK_SEEK, .stream = name, .group = group, .sub = sub, .at = &own,
                  .last = at->from == RILL_FROM_LAST};
    int rc = stream_check_partition(bus, at);
    if (rc == RILL_OK) rc = stream_find_last(bus, name, &own);
    return rc < 0 ? rc : ri_ask_run(bus, &ask);
}

int ri_bus_stream_next(rill_bus *bus, const char *name, ri_str filter, uint64_t *seq, rill_msg **m)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_ask ask = {.kind = RI_ASK_NEXT, .stream = name, .seq = *seq, .subject = filter,
                  .out.msg = m};
    int rc = ri_ask_run(bus, &ask);
    if (rc == RILL_OK) *seq = (*m)->seq + 1;
    return rc;
}

int ri_bus_names(rill_bus *bus, ri_ask *ask, size_t skip, rill_name_fn fn, void *arg)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_buffer names;
    ri_buffer_init(&names, &bus->host);
    ask->out.names = &names;
    int rc = ri_ask_run(bus, ask);
    if (rc >= 0) rc = names.failed ? RILL_ENOMEM : RILL_OK;
    for (ri_str rest = ri_buffer_str(&names); rc == RILL_OK && rest.len;) {
        size_t len = strlen(rest.ptr); /* a server may send a shorter one than was asked for */
        if (len >= skip && fn(rest.ptr + skip, arg)) break;
        rest = ri_str_from(rest, len + 1);
    }
    ri_buffer_fini(&names);
    return rc;
}

int ri_bus_stream_each(rill_bus *bus, rill_name_fn fn, void *arg)
{
    ri_ask ask = {.kind = RI_ASK_STREAM_NAMES};
    return ri_bus_names(bus, &ask, 0, fn, arg);
}
