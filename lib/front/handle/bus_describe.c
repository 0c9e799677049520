/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration of a stream, read back as a program would write it. It is copied inside the
 * gate, in two passes over it, of which the first measures, and shown outside. */
#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/jetstream/jsconf.h"
#include "front/handle/ask.h"

typedef struct describe {
    rill_bus *bus;
    char *base;           /* sources, pointers to them, texts; NULL: they are measured */
    size_t size, len;     /* of base; of the texts so far */
    rill_source *sources; /* in base, the mirror first */
    const rill_source **rows;
    char *texts;
    rill_stream_opts opts;
    rill_stream_info info;
} describe;

static size_t describe_rows(const ri_stream_conf *conf)
{
    return conf->sources.len + (conf->mirror ? 1 : 0);
}

/* Of texts that stand one behind the other; NULL while they are measured. */
static char *describe_room(describe *d, size_t len)
{
    char *at = d->base ? d->texts + d->len : NULL;
    d->len += len;
    return at;
}

/* An empty text is NULL, as is an option that is left out. */
static const char *describe_text(describe *d, ri_str text)
{
    if (text.len == 0) return NULL;
    char *at = describe_room(d, text.len + 1);
    if (!at) return NULL;
    memcpy(at, text.ptr, text.len);
    at[text.len] = 0;
    return at;
}

/* The words, with blanks between them. */
static const char *describe_words(describe *d, ri_strs words)
{
    size_t len = 0;
    for (uint32_t i = 0; i < words.len; i++) len += words.items[i].len + 1;
    char *at = len ? describe_room(d, len) : NULL, *to = at;
    if (!at) return NULL;
    for (uint32_t i = 0; i < words.len; i++) {
        memcpy(to, words.items[i].ptr, words.items[i].len);
        to += words.items[i].len;
        *to++ = i + 1 < words.len ? ' ' : 0;
    }
    return at;
}

static uint64_t describe_limit(int64_t n)
{
    return n < 0 ? 0 : (uint64_t)n;
}

static uint32_t describe_ms(int64_t ns)
{
    return (uint32_t)RI_MIN(ns / RI_MS, (int64_t)UINT32_MAX);
}

static void describe_source(describe *d, const ri_js_source *from, rill_source *to)
{
    ri_str filter = from->filter_subject, renamed = RI_STR_NONE;
    if (from->subject_transforms.len) {
        filter = from->subject_transforms.items[0].src;
        renamed = from->subject_transforms.items[0].dest;
    }
    rill_source source = {.size = sizeof source, .stream = describe_text(d, from->name),
                          .filter = describe_text(d, filter), .to = describe_text(d, renamed),
                          .from_seq = from->opt_start_seq, .from_time_ns = from->opt_start_time};
    if (d->base) *to = source;
}

static void describe_origins(describe *d, const ri_stream_conf *conf)
{
    size_t n = 0;
    if (conf->mirror) {
        describe_source(d, conf->mirror, d->sources);
        d->opts.mirror = d->sources;
        n++;
    }
    for (uint32_t i = 0; i < conf->sources.len; i++) {
        describe_source(d, &conf->sources.items[i], d->base ? &d->sources[n + i] : NULL);
        if (d->base) d->rows[i] = &d->sources[n + i];
    }
    if (conf->sources.len) d->opts.sources = d->rows;
    d->opts.nsources = conf->sources.len;
}

static void describe_limits(rill_stream_opts *opts, const ri_stream_conf *conf)
{
    opts->max_msgs = describe_limit(conf->max_msgs);
    opts->max_bytes = describe_limit(conf->max_bytes);
    opts->max_msgs_per_subject = describe_limit(conf->max_msgs_per_subject);
    opts->max_age_ms = conf->max_age / RI_MS;
    opts->max_msg_bytes = (uint32_t)describe_limit(conf->max_msg_size);
    opts->max_groups = (uint32_t)RI_MIN(describe_limit(conf->max_consumers), (uint64_t)UINT32_MAX);
    opts->dedupe_window_ms = describe_ms(conf->duplicate_window);
    opts->marker_ttl_ms = conf->subject_delete_marker_ttl / RI_MS;
}

static rill_keep describe_keep(ri_retention retention)
{
    return retention == RI_RETAIN_WORKQUEUE  ? RILL_KEEP_WORK
           : retention == RI_RETAIN_INTEREST ? RILL_KEEP_INTEREST : RILL_KEEP_LIMITS;
}

static void describe_conf(describe *d, const ri_stream_conf *conf)
{
    int64_t tombstone_ns = 0;
    d->len = 0;
    d->opts = (rill_stream_opts){
        .size = sizeof d->opts,
        .subjects = describe_words(d, conf->subjects),
        .description = describe_text(d, conf->description),
        .keep = describe_keep(conf->retention),
        .first_seq = conf->first_seq,
        .in_memory = conf->storage == RI_STORE_MEMORY,
        .reject_when_full = conf->discard == RI_DISCARD_NEW,
        .reject_per_subject = conf->discard_new_per_subject,
        .deny_erase = conf->deny_delete,
        .deny_purge = conf->deny_purge,
        .allow_ttl = conf->allow_msg_ttl,
        .allow_schedules = conf->allow_msg_schedules,
        .compact = ri_jsconf_compact(conf, &tombstone_ns) == 1,
        .dedupe_strictly = ri_jsconf_dedupe_strict(conf) == 1,
        .replicas = (uint8_t)(conf->num_replicas > 1 ? RI_MIN(conf->num_replicas, UINT8_MAX) : 0),
    };
    if (d->opts.compact) d->opts.tombstone_ms = tombstone_ns / RI_MS;
    describe_limits(&d->opts, conf);
    describe_origins(d, conf);
    if (conf->subject_transform) {
        d->opts.transform_from = describe_text(d, conf->subject_transform->src);
        d->opts.transform_to = describe_text(d, conf->subject_transform->dest);
    }
    if (!conf->republish) return;
    d->opts.republish_from = describe_text(d, conf->republish->src);
    d->opts.republish_to = describe_text(d, conf->republish->dest);
    d->opts.republish_headers = conf->republish->headers_only;
}

/* Inside the gate. */
static int describe_copy(void *arg, const ri_stream_conf *conf, const rill_stream_info *info)
{
    describe *d = arg;
    size_t n = describe_rows(conf), head = n * (sizeof *d->sources + sizeof *d->rows);
    describe_conf(d, conf);
    size_t measured = d->len;
    ri_budget_spend(&d->bus->broker->router.budget, ri_budget_bytes(measured) + n);
    d->size = head + measured;
    if (d->size && !(d->base = ri_alloc(&d->bus->host, d->size))) return RILL_ENOMEM;
    d->sources = (rill_source *)(void *)d->base;
    d->rows = (const rill_source **)(void *)(d->base + n * sizeof *d->sources);
    d->texts = d->base + head;
    describe_conf(d, conf);
    RI_ASSERT(d->len == measured);
    d->info = *info;
    d->info.partitions = RI_MAX(info->partitions, 1);
    d->opts.partitions = info->partitions > 1 ? info->partitions : 0;
    return RILL_OK;
}

/* 1 if `fn` wants no more. */
static int describe_one(rill_bus *bus, const char *name, rill_stream_fn fn, void *arg)
{
    describe d = {.bus = bus};
    ri_ask ask = {.kind = RI_ASK_STREAM_DESCRIBE, .stream = name, .take = describe_copy,
                  .arg = &d};
    int rc = ri_ask_run(bus, &ask);
    rill_stream_desc desc = {.name = name, .opts = &d.opts, .info = &d.info};
    if (rc == RILL_OK) rc = fn(&desc, arg) != 0;
    ri_free(&bus->host, d.base, d.size);
    return rc;
}

typedef struct describe_all {
    rill_bus *bus;
    rill_stream_fn fn;
    void *arg;
    int rc;
} describe_all;

static int describe_next(const char *name, void *arg)
{
    describe_all *all = arg;
    all->rc = describe_one(all->bus, name, all->fn, all->arg);
    if (all->rc == RILL_ENOENT) all->rc = RILL_OK; /* the stream has gone meanwhile */
    return all->rc != RILL_OK;
}

int ri_bus_describe(rill_bus *bus, const char *name, rill_stream_fn fn, void *arg)
{
    describe_all all = {bus, fn, arg, RILL_OK};
    int rc = name ? describe_one(bus, name, fn, arg)
                  : ri_bus_stream_each(bus, describe_next, &all);
    if (rc == RILL_OK) rc = all.rc;
    return RI_MIN(rc, RILL_OK);
}
