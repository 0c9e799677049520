/* SPDX-License-Identifier: Apache-2.0 */
#include "front/kafka/kafka_configs.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/jetstream/jsconf.h"
#include "codec/limits.h"
#include "front/kafka/kafka_catalog.h"

#define KAFKA_CONFIGS_LONGEST "9223372036854775807"
#define KAFKA_CONFIGS_PREFIX "kafka."
enum {
    KAFKA_CONFIGS_AGE_MIN_MS = 100,   /* the least age that a stream can have */
    KAFKA_CONFIGS_AFTER_MS = 3600000, /* message.timestamp.after.max.ms, by default */
};

#define KAFKA_CONFIGS_TEXT(name, value, synonym, words) \
    {name, value, synonym, RI_KAFKA_CONFIG_STRING, 0, 0, words}
#define KAFKA_CONFIGS_LIST(name, value, synonym, words) \
    {name, value, synonym, RI_KAFKA_CONFIG_LIST, 0, 0, words}
#define KAFKA_CONFIGS_BOOL(name, value, synonym) \
    {name, value, synonym, RI_KAFKA_CONFIG_BOOL, 0, 0, "true,false"}
#define KAFKA_CONFIGS_INT(name, value, synonym, min, max) \
    {name, value, synonym, RI_KAFKA_CONFIG_INT, min, max, NULL}
#define KAFKA_CONFIGS_LONG(name, value, synonym, min) \
    {name, value, synonym, RI_KAFKA_CONFIG_LONG, min, INT64_MAX, NULL}

static const ri_kafka_config kafka_configs_rows[] = { /* by name */
    KAFKA_CONFIGS_LIST("cleanup.policy", "delete", "log.cleanup.policy", "compact,delete"),
    KAFKA_CONFIGS_INT("compression.gzip.level", "-1", "compression.gzip.level", -1, 9),
    KAFKA_CONFIGS_INT("compression.lz4.level", "9", "compression.lz4.level", 1, 17),
    KAFKA_CONFIGS_TEXT("compression.type", "producer",
                       "compression.type", "uncompressed,zstd,lz4,snappy,gzip,producer"),
    KAFKA_CONFIGS_INT("compression.zstd.level", "3", "compression.zstd.level", -131072, 22),
    KAFKA_CONFIGS_LONG("delete.retention.ms", "86400000", "log.cleaner.delete.retention.ms", 0),
    KAFKA_CONFIGS_BOOL("errors.deadletterqueue.group.enable", "false", NULL),
    KAFKA_CONFIGS_LONG("file.delete.delay.ms", "60000", "log.segment.delete.delay.ms", 0),
    KAFKA_CONFIGS_LONG("flush.messages", KAFKA_CONFIGS_LONGEST, "log.flush.interval.messages", 1),
    KAFKA_CONFIGS_LONG("flush.ms", KAFKA_CONFIGS_LONGEST, NULL, 0),
    KAFKA_CONFIGS_LIST("follower.replication.throttled.replicas", "", NULL, NULL),
    KAFKA_CONFIGS_INT("index.interval.bytes", "4096", "log.index.interval.bytes", 0, INT32_MAX),
    KAFKA_CONFIGS_LIST("leader.replication.throttled.replicas", "", NULL, NULL),
    KAFKA_CONFIGS_LONG("local.retention.bytes", "-2", "log.local.retention.bytes", -2),
    KAFKA_CONFIGS_LONG("local.retention.ms", "-2", "log.local.retention.ms", -2),
    KAFKA_CONFIGS_LONG("max.compaction.lag.ms", KAFKA_CONFIGS_LONGEST,
                       "log.cleaner.max.compaction.lag.ms", 1),
    KAFKA_CONFIGS_INT("max.decompressed.message.bytes", "2147483639",
                      "max.decompressed.message.bytes", 1, INT32_MAX),
    KAFKA_CONFIGS_INT("max.message.bytes", "1048588", "message.max.bytes", 0, INT32_MAX),
    KAFKA_CONFIGS_LONG("message.timestamp.after.max.ms", "3600000",
                       "log.message.timestamp.after.max.ms", 0),
    KAFKA_CONFIGS_LONG("message.timestamp.before.max.ms", KAFKA_CONFIGS_LONGEST,
                       "log.message.timestamp.before.max.ms", 0),
    KAFKA_CONFIGS_TEXT("message.timestamp.type", "CreateTime",
                       "log.message.timestamp.type", "CreateTime,LogAppendTime"),
    {"min.cleanable.dirty.ratio", "0.5", "log.cleaner.min.cleanable.ratio", RI_KAFKA_CONFIG_DOUBLE,
     0, 1, NULL},
    KAFKA_CONFIGS_LONG("min.compaction.lag.ms", "0", "log.cleaner.min.compaction.lag.ms", 0),
    KAFKA_CONFIGS_INT("min.insync.replicas", "1", "min.insync.replicas", 1, INT32_MAX),
    KAFKA_CONFIGS_BOOL("preallocate", "false", "log.preallocate"),
    KAFKA_CONFIGS_LONG("remote.copy.lag.bytes", "-1", "log.remote.copy.lag.bytes", -1),
    KAFKA_CONFIGS_LONG("remote.copy.lag.ms", "0", "log.remote.copy.lag.ms", -1),
    KAFKA_CONFIGS_BOOL("remote.log.copy.disable", "false", NULL),
    KAFKA_CONFIGS_BOOL("remote.log.delete.on.disable", "false", NULL),
    KAFKA_CONFIGS_BOOL("remote.storage.enable", "false", NULL),
    KAFKA_CONFIGS_LONG("retention.bytes", "-1", "log.retention.bytes", INT64_MIN),
    KAFKA_CONFIGS_LONG("retention.ms", "604800000", NULL, -1),
    KAFKA_CONFIGS_INT("segment.bytes", "1073741824", "log.segment.bytes", 1048576, INT32_MAX),
    KAFKA_CONFIGS_INT("segment.index.bytes", "10485760", "log.index.size.max.bytes", 4, INT32_MAX),
    KAFKA_CONFIGS_LONG("segment.jitter.ms", "0", NULL, 0),
    KAFKA_CONFIGS_LONG("segment.ms", "604800000", NULL, 1),
    KAFKA_CONFIGS_BOOL("unclean.leader.election.enable", "false", "unclean.leader.election.enable"),
};

const ri_kafka_config *ri_kafka_config_at(size_t i)
{
    return i < RI_LEN(kafka_configs_rows) ? &kafka_configs_rows[i] : NULL;
}

const ri_kafka_config *ri_kafka_config_of(ri_str name)
{
    for (size_t i = 0; i < RI_LEN(kafka_configs_rows); i++)
        if (ri_str_is(name, kafka_configs_rows[i].name)) return &kafka_configs_rows[i];
    return NULL;
}

/* ---- Values ---- */

static bool kafka_configs_number(ri_str text, int64_t *out)
{
    uint64_t n = 0;
    bool negative = text.len && text.ptr[0] == '-';
    ri_str digits = ri_str_from(text, negative);
    if (digits.len == 0 || digits.len > 19) return false;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9') return false;
        n = n * 10 + (uint64_t)(digits.ptr[i] - '0');
    }
    if (n > (uint64_t)INT64_MAX + negative) return false;
    *out = negative ? (int64_t)(0 - n) : (int64_t)n;
    return true;
}

bool ri_kafka_config_has_word(ri_str words, ri_str word)
{
    ri_str one;
    while (ri_str_cut(&words, ',', &one))
        if (ri_str_eq(one, word)) return true;
    return false;
}

uint32_t ri_kafka_config_words(ri_str words)
{
    uint32_t n = words.len > 0;
    for (size_t i = 0; i < words.len; i++) n += words.ptr[i] == ',';
    return n;
}

static int kafka_configs_check_words(const ri_kafka_config *config, ri_str value)
{
    ri_str rest = value, word;
    bool list = config->kind == RI_KAFKA_CONFIG_LIST;
    if (!config->words) return RILL_OK;
    while (list ? ri_str_cut(&rest, ',', &word) : (word = rest).ptr != NULL) {
        if (!ri_kafka_config_has_word(ri_str_of(config->words), word))
            return ri_err(RILL_EINVAL, "%s may be %s, not %.*s", config->name, config->words,
                          RI_ARG(word));
        if (!list) break;
    }
    return RILL_OK;
}

static int kafka_configs_check_ratio(const ri_kafka_config *config, ri_str value)
{
    char text[32], *end;
    size_t n = RI_MIN(value.len, sizeof text - 1);
    if (n) memcpy(text, value.ptr, n);
    text[n] = 0;
    double ratio = strtod(text, &end);
    if (value.len && n == value.len && *end == 0 && ratio >= (double)config->min &&
        ratio <= (double)config->max)
        return RILL_OK;
    return ri_err(RILL_EINVAL, "%s is a number from 0 to 1, not %.*s", config->name,
                  RI_ARG(value));
}

int ri_kafka_config_check(const ri_kafka_config *config, ri_str value)
{
    int64_t number;
    RI_ASSERT(config && config->name);
    if (value.len > INT16_MAX)
        return ri_err(RILL_EINVAL, "%s of %zu bytes: a setting has no more than %d", config->name,
                      value.len, INT16_MAX);
    if (config->kind == RI_KAFKA_CONFIG_LIST &&
        ri_kafka_config_words(value) > RI_LIMIT_KAFKA_WORDS)
        return ri_err(RILL_EINVAL, "%s of more than %d words", config->name, RI_LIMIT_KAFKA_WORDS);
    switch (config->kind) {
    case RI_KAFKA_CONFIG_BOOL:
    case RI_KAFKA_CONFIG_STRING:
    case RI_KAFKA_CONFIG_LIST: return kafka_configs_check_words(config, value);
    case RI_KAFKA_CONFIG_DOUBLE: return kafka_configs_check_ratio(config, value);
    case RI_KAFKA_CONFIG_INT:
    case RI_KAFKA_CONFIG_LONG: break;
    }
    if (!kafka_configs_number(value, &number))
        return ri_err(RILL_EINVAL, "%s is a whole number, not %.*s", config->name, RI_ARG(value));
    if (number >= config->min && number <= config->max) return RILL_OK;
    return ri_err(RILL_EINVAL, "%s may be %lld to %lld, not %lld", config->name,
                  (long long)config->min, (long long)config->max, (long long)number);
}

/* ---- A stream's ---- */

static bool kafka_configs_value(const ri_stream_conf *conf, const char *name, ri_str *value)
{
    ri_str prefix = RI_STR(KAFKA_CONFIGS_PREFIX);
    for (uint32_t i = 0; i < conf->metadata.len; i++) {
        const ri_js_pair *pair = &conf->metadata.items[i];
        if (!ri_str_starts(pair->key, prefix)) continue;
        if (!ri_str_is(ri_str_from(pair->key, prefix.len), name)) continue;
        *value = pair->value;
        return true;
    }
    return false;
}

/* What settings make a stream do. */
typedef struct kafka_configs_effect {
    int64_t max_age, max_bytes;
    int32_t max_msg_size;
    bool compact;
    int64_t tombstone_ms;
} kafka_configs_effect;

/* Where the value of a setting is looked up; what is not there is the default. */
typedef struct kafka_configs_source {
    const ri_stream_conf *conf;     /* as it is stored there; or NULL: */
    const ri_kafka_value *settings; /* the last of a name counts */
    size_t n;
} kafka_configs_source;

static ri_str kafka_configs_wanted(const kafka_configs_source *from, const char *name)
{
    ri_str value;
    if (from->conf && kafka_configs_value(from->conf, name, &value)) return value;
    for (size_t i = from->n; i-- > 0;)
        if (ri_str_is(from->settings[i].name, name)) return from->settings[i].value;
    return ri_str_of(ri_kafka_config_of(ri_str_of(name))->value);
}

static int64_t kafka_configs_wanted_number(const kafka_configs_source *from, const char *name)
{
    int64_t number = 0;
    kafka_configs_number(kafka_configs_wanted(from, name), &number);
    return number;
}

static kafka_configs_effect kafka_configs_follow(const kafka_configs_source *from)
{
    ri_str policy = kafka_configs_wanted(from, "cleanup.policy");
    int64_t age_ms = kafka_configs_wanted_number(from, "retention.ms");
    int64_t bytes = kafka_configs_wanted_number(from, "retention.bytes");
    int64_t largest = kafka_configs_wanted_number(from, "max.message.bytes");
    int64_t tombstone_ms = kafka_configs_wanted_number(from, "delete.retention.ms");
    bool ages = ri_kafka_config_has_word(policy, RI_STR("delete"));
    return (kafka_configs_effect){
        .max_age = ages && age_ms >= 0
                       ? ri_ns_of_ms(RI_MAX(age_ms, (int64_t)KAFKA_CONFIGS_AGE_MIN_MS)) : 0,
        .max_bytes = ages && bytes >= 0 ? RI_MAX(bytes, 1) : -1,
        .max_msg_size = largest == RI_LIMIT_KAFKA_BATCH ? -1 : (int32_t)RI_MAX(largest, 1),
        .compact = ri_kafka_config_has_word(policy, RI_STR("compact")),
        .tombstone_ms = RI_MIN(tombstone_ms, INT64_MAX / RI_MS)};
}

/* What a stream does that its settings do not say; false: it does what they say. */
static bool kafka_configs_shown(const ri_stream_conf *conf, const char *name, ri_buffer *text)
{
    int64_t tombstone_ns = 0;
    bool compact = ri_jsconf_compact(conf, &tombstone_ns) == 1;
    int64_t bytes = conf->max_bytes > 0 ? conf->max_bytes : -1;
    int32_t largest = conf->max_msg_size > 0 ? conf->max_msg_size : -1;
    kafka_configs_effect said = kafka_configs_follow(&(kafka_configs_source){.conf = conf});
    ri_buffer_reset(text);
    if (strcmp(name, "retention.ms") == 0 && conf->max_age != said.max_age)
        ri_buffer_printf(text, "%lld", conf->max_age ? (long long)(conf->max_age / RI_MS) : -1LL);
    else if (strcmp(name, "retention.bytes") == 0 && bytes != said.max_bytes)
        ri_buffer_printf(text, "%lld", (long long)bytes);
    else if (strcmp(name, "max.message.bytes") == 0 && largest != said.max_msg_size)
        ri_buffer_printf(text, "%d", largest > 0 ? largest : RI_LIMIT_KAFKA_BATCH);
    else if (strcmp(name, "cleanup.policy") == 0 && compact != said.compact)
        ri_buffer_puts(text, !compact ? "delete" : conf->max_age ? "compact,delete" : "compact");
    else if (strcmp(name, "delete.retention.ms") == 0 && compact &&
             tombstone_ns / RI_MS != said.tombstone_ms)
        ri_buffer_printf(text, "%lld", (long long)(tombstone_ns / RI_MS));
    else if (strcmp(name, "message.timestamp.type") == 0 && ri_jsconf_batches(conf) != 1)
        ri_buffer_puts(text, "LogAppendTime");
    return text->len > 0;
}

int ri_kafka_configs_get(const ri_stream_conf *conf, const ri_kafka_config *config,
                         ri_buffer *text, ri_str *value)
{
    RI_ASSERT(conf && config && text);
    if (kafka_configs_shown(conf, config->name, text)) {
        *value = ri_buffer_str(text);
        return RI_KAFKA_CONFIG_TOPIC;
    }
    if (kafka_configs_value(conf, config->name, value)) return RI_KAFKA_CONFIG_TOPIC;
    *value = ri_str_of(config->value);
    return RI_KAFKA_CONFIG_DEFAULT;
}

/* One pass over what is set: each produced batch asks. */
ri_kafka_times ri_kafka_configs_times(const ri_stream_conf *conf)
{
    RI_ASSERT(conf);
    ri_str prefix = RI_STR(KAFKA_CONFIGS_PREFIX "message.timestamp.");
    ri_kafka_times times = {.before_ms = INT64_MAX, .after_ms = KAFKA_CONFIGS_AFTER_MS};
    for (uint32_t i = 0; i < conf->metadata.len; i++) {
        const ri_js_pair *pair = &conf->metadata.items[i];
        if (!ri_str_starts(pair->key, prefix)) continue;
        ri_str name = ri_str_from(pair->key, prefix.len);
        if (ri_str_is(name, "type")) times.stamps = ri_str_is(pair->value, "LogAppendTime");
        else if (ri_str_is(name, "before.max.ms"))
            kafka_configs_number(pair->value, &times.before_ms);
        else if (ri_str_is(name, "after.max.ms"))
            kafka_configs_number(pair->value, &times.after_ms);
    }
    return times;
}

/* ---- Setting them ---- */

static int kafka_configs_by_key(const void *a, const void *b)
{
    return ri_str_cmp(((const ri_js_pair *)a)->key, ((const ri_js_pair *)b)->key);
}

static int kafka_configs_put(ri_stream_conf *conf, ri_arena *arena, const char *prefix, ri_str key,
                             ri_str value)
{
    size_t n = strlen(prefix);
    char *text = ri_arena_alloc(arena, ri_size_add(n, key.len));
    char *copy = ri_arena_copy(arena, value.ptr, value.len);
    if (!text || !copy) return RILL_ENOMEM;
    memcpy(text, prefix, n);
    if (key.len) memcpy(text + n, key.ptr, key.len);
    conf->metadata.items[conf->metadata.len++] = (ri_js_pair){{text, n + key.len},
                                                              {copy, value.len}};
    return RILL_OK;
}

/* "Nms": how long tombstones stay, and when a round begins, where that is asked for. */
static int kafka_configs_put_compact(const kafka_configs_source *from, int64_t tombstone_ms,
                                     ri_arena *arena, ri_stream_conf *conf)
{
    char text[32];
    int len = snprintf(text, sizeof text, "%lldms", (long long)tombstone_ms);
    int rc = kafka_configs_put(conf, arena, "rill.", RI_STR("compact"),
                               (ri_str){text, (size_t)len});
    int64_t lag_ms = kafka_configs_wanted_number(from, "max.compaction.lag.ms");
    if (rc == RILL_OK && lag_ms < INT64_MAX / RI_MS) {
        len = snprintf(text, sizeof text, "%lldms", (long long)lag_ms);
        rc = kafka_configs_put(conf, arena, "rill.", RI_STR("compact_lag"),
                               (ri_str){text, (size_t)len});
    }
    ri_str ratio = kafka_configs_wanted(from, "min.cleanable.dirty.ratio");
    if (rc != RILL_OK || ri_str_is(ratio, "0.5") || ratio.len >= sizeof text) return rc;
    memcpy(text, ratio.ptr, ratio.len); /* it was checked: there is a number from 0 to 1 */
    text[ratio.len] = 0;
    len = snprintf(text, sizeof text, "%d", (int)(strtod(text, NULL) * 1000 + 0.999));
    return kafka_configs_put(conf, arena, "rill.", RI_STR("compact_dirty"),
                             (ri_str){text, (size_t)len});
}

/* Settings, each once, and what follows from them. */
static int kafka_configs_put_all(const ri_kafka_value *settings, size_t n, ri_arena *arena,
                                 ri_stream_conf *conf)
{
    int rc = RILL_OK;
    kafka_configs_source from = {.settings = settings, .n = n};
    kafka_configs_effect does = kafka_configs_follow(&from);
    conf->max_age = does.max_age;
    conf->max_bytes = does.max_bytes;
    conf->max_msg_size = does.max_msg_size;
    if (does.compact) rc = kafka_configs_put_compact(&from, does.tombstone_ms, arena, conf);
    for (size_t i = 0; i < n && rc == RILL_OK; i++) {
        bool again = false;
        for (size_t k = i + 1; k < n; k++)
            again = again || ri_str_eq(settings[k].name, settings[i].name);
        if (!again)
            rc = kafka_configs_put(conf, arena, KAFKA_CONFIGS_PREFIX, settings[i].name,
                                   settings[i].value);
    }
    if (conf->metadata.len)
        qsort(conf->metadata.items, conf->metadata.len, sizeof *conf->metadata.items,
              kafka_configs_by_key);
    return rc;
}

/* Room for the pairs that are there, `n` settings and what they bring with them; none is in it. */
static bool kafka_configs_make_room(ri_arena *arena, size_t n, ri_stream_conf *conf)
{
    enum { OURS = 5 }; /* rill.batches, rill.compact and two of its kind, rill.topic */
    size_t cap = ri_size_add(ri_size_add(n, conf->metadata.len), OURS);
    conf->metadata.len = 0;
    conf->metadata.items = ri_arena_alloc(arena, ri_size_mul(cap, sizeof *conf->metadata.items));
    return conf->metadata.items != NULL;
}

int ri_kafka_configs_apply(const ri_kafka_value *settings, size_t n, ri_str topic,
                           ri_arena *arena, ri_stream_conf *conf)
{
    RI_ASSERT(ri_kafka_catalog_name_ok(topic));
    conf->metadata.len = 0;
    if (!kafka_configs_make_room(arena, n, conf)) return RILL_ENOMEM;
    int rc = kafka_configs_put(conf, arena, "rill.", RI_STR("batches"), RI_STR("on"));
    if (rc == RILL_OK && memchr(topic.ptr, '.', topic.len))
        rc = kafka_configs_put(conf, arena, "rill.", RI_STR("topic"), topic);
    return rc == RILL_OK ? kafka_configs_put_all(settings, n, arena, conf) : rc;
}

int ri_kafka_configs_replace(const ri_kafka_value *settings, size_t n, ri_arena *arena,
                             ri_stream_conf *conf)
{
    ri_js_map was = conf->metadata;
    int64_t age = conf->max_age;
    RI_ASSERT(was.len == 0 || was.items);
    if (!kafka_configs_make_room(arena, n, conf)) return RILL_ENOMEM;
    for (uint32_t i = 0; i < was.len; i++) {
        ri_str key = was.items[i].key;
        if (ri_str_starts(key, RI_STR("rill.compact"))) continue;
        if (ri_str_starts(key, RI_STR(KAFKA_CONFIGS_PREFIX)) &&
            ri_kafka_config_of(ri_str_from(key, sizeof KAFKA_CONFIGS_PREFIX - 1)))
            continue;
        conf->metadata.items[conf->metadata.len++] = was.items[i];
    }
    int rc = kafka_configs_put_all(settings, n, arena, conf);
    /* Ids are kept no longer than messages; a window that was shortened for that, or must be, is
     * what it is by default. */
    bool shortened = age && conf->duplicate_window == age;
    if (shortened || (conf->max_age && conf->duplicate_window > conf->max_age))
        conf->duplicate_window = 0;
    return rc;
}
