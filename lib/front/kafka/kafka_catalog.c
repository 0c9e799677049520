/* SPDX-License-Identifier: Apache-2.0 */
#include "front/kafka/kafka_catalog.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "codec/subject/subject.h"
#include "codec/topic.h"

enum {
    KAFKA_CATALOG_SLOTS = 1024, /* topics that are found by their id without a search */
    KAFKA_CATALOG_COUNTED = 5,        /* units of the turn, for a partition that is counted */
    KAFKA_CATALOG_STREAM = RI_KAFKA_NAME_MAX + 16, /* bytes of a partition's stream, with its 0 */
};

typedef struct kafka_catalog_counted {
    ri_kafka_uuid id;
    int32_t partitions;
    uint64_t changes;  /* ri_js_changes() when they were counted; 0: never */
} kafka_catalog_counted;

struct ri_kafka_catalog {
    const ri_host *host;
    char *names[KAFKA_CATALOG_SLOTS]; /* of streams, by ids that were asked for; owned, or NULL */
    kafka_catalog_counted counted[KAFKA_CATALOG_SLOTS]; /* by ids, too */
};

int ri_kafka_catalog_open(ri_kafka_catalog **out, const ri_host *host)
{
    ri_kafka_catalog *catalog = ri_new(host, ri_kafka_catalog);
    *out = catalog;
    if (!catalog) return RILL_ENOMEM;
    catalog->host = host;
    return RILL_OK;
}

static void kafka_catalog_forget(ri_kafka_catalog *catalog, size_t slot)
{
    char *name = catalog->names[slot];
    if (name) ri_free(catalog->host, name, strlen(name) + 1);
    catalog->names[slot] = NULL;
}

void ri_kafka_catalog_close(ri_kafka_catalog *catalog)
{
    if (!catalog) return;
    for (size_t i = 0; i < KAFKA_CATALOG_SLOTS; i++) kafka_catalog_forget(catalog, i);
    ri_delete(catalog->host, catalog);
}

/* ---- Names ---- */

static bool kafka_catalog_is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '.' || c == '_' || c == '-';
}

bool ri_kafka_catalog_name_ok(ri_str topic)
{
    if (topic.len == 0 || topic.len > RI_KAFKA_NAME_MAX) return false;
    if (ri_str_is(topic, ".") || ri_str_is(topic, "..")) return false;
    for (size_t i = 0; i < topic.len; i++)
        if (!kafka_catalog_is_letter(topic.ptr[i])) return false;
    return true;
}

static size_t kafka_catalog_name(ri_str topic, int32_t index, char out[KAFKA_CATALOG_STREAM])
{
    RI_ASSERT(topic.len <= RI_KAFKA_NAME_MAX && index >= 0);
    for (size_t i = 0; i < topic.len; i++) out[i] = topic.ptr[i] == '.' ? '_' : topic.ptr[i];
    out[topic.len] = 0;
    if (index == 0) return topic.len;
    return topic.len + (size_t)snprintf(out + topic.len, KAFKA_CATALOG_STREAM - topic.len, "~%d",
                                        index);
}

void ri_kafka_catalog_put_stream(ri_str topic, int32_t index, ri_buffer *out)
{
    char name[KAFKA_CATALOG_STREAM];
    ri_buffer_put(out, name, kafka_catalog_name(topic, index, name));
}

void ri_kafka_catalog_put_subject(ri_str topic, int32_t index, ri_buffer *out)
{
    if (ri_subject_is_literal(topic)) ri_buffer_put_str(out, topic);
    else ri_kafka_catalog_put_stream(topic, 0, out);
    if (index) ri_buffer_printf(out, ".~%d", index);
}

/* ---- Finding ---- */

bool ri_kafka_catalog_topic_of(ri_stream *stream, ri_kafka_topic *out)
{
    const ri_stream_conf *conf = ri_stream_conf_of(stream);
    *out = (ri_kafka_topic){conf->name, stream};
    for (uint32_t i = 0; i < conf->metadata.len; i++)
        if (ri_str_is(conf->metadata.items[i].key, "rill.topic"))
            out->name = conf->metadata.items[i].value;
    if (ri_stream_is_closing(stream) || !ri_kafka_catalog_name_ok(out->name)) return false;
    char name[KAFKA_CATALOG_STREAM];
    size_t len = kafka_catalog_name(out->name, 0, name);
    return ri_str_eq(conf->name, (ri_str){name, len}); /* else the metadata are of another */
}

bool ri_kafka_catalog_find(ri_js *js, ri_str topic, ri_kafka_topic *out)
{
    char name[KAFKA_CATALOG_STREAM];
    if (!ri_kafka_catalog_name_ok(topic)) return false;
    size_t len = kafka_catalog_name(topic, 0, name);
    ri_stream *stream = ri_js_stream(js, (ri_str){name, len});
    return stream && ri_kafka_catalog_topic_of(stream, out) && ri_str_eq(out->name, topic);
}

bool ri_kafka_catalog_next(ri_js *js, ri_str after, ri_kafka_topic *out)
{
    size_t n;
    ri_stream *const *streams = ri_js_streams_after(js, after, &n);
    for (size_t i = 0; i < n; i++) {
        ri_budget_spend(&ri_js_router(js)->budget, 1);
        if (ri_kafka_catalog_topic_of(streams[i], out)) return true;
    }
    return false;
}

bool ri_kafka_catalog_is_partition(ri_stream *stream, int32_t index)
{
    const ri_stream_conf *conf = ri_stream_conf_of(stream);
    ri_str name = conf->name;
    RI_ASSERT(index > 0);
    return !ri_stream_is_closing(stream) && conf->subjects.len == 1 &&
           ri_topic_of(&name, conf->subjects.items[0]) == (uint32_t)index;
}

ri_stream *ri_kafka_catalog_partition(ri_js *js, const ri_kafka_topic *topic, int32_t index)
{
    char name[KAFKA_CATALOG_STREAM];
    RI_ASSERT(topic->stream);
    if (index <= 0) return index < 0 ? NULL : topic->stream;
    size_t len = kafka_catalog_name(topic->name, index, name);
    ri_stream *stream = ri_js_stream(js, (ri_str){name, len});
    return stream && ri_kafka_catalog_is_partition(stream, index) ? stream : NULL;
}

int32_t ri_kafka_catalog_partitions(ri_js *js, const ri_kafka_topic *topic)
{
    int32_t n = 1;
    while (ri_kafka_catalog_partition(js, topic, n)) n++;
    return n;
}

/* ---- Ids ---- */

static void kafka_catalog_put64(unsigned char *out, uint64_t v)
{
    for (int i = 0; i < 8; i++) out[i] = (unsigned char)(v >> 8 * (7 - i));
}

ri_kafka_uuid ri_kafka_catalog_id(const ri_kafka_topic *topic)
{
    ri_kafka_uuid id;
    uint64_t of[2] = {(uint64_t)ri_stream_created_ns(topic->stream), ri_stream_id(topic->stream)};
    /* As text it does not begin with `-`, which tools would take for an option. */
    kafka_catalog_put64(id.bytes, ri_hash_plain(of, sizeof of) >> 1);
    kafka_catalog_put64(id.bytes + 8, of[1]);
    return id;
}

static bool kafka_catalog_has(ri_stream *stream, const ri_kafka_uuid *id, ri_kafka_topic *out)
{
    unsigned char half[8];
    if (!stream) return false;
    kafka_catalog_put64(half, ri_stream_id(stream)); /* first what costs least: most are others */
    if (memcmp(half, id->bytes + 8, sizeof half) != 0) return false;
    if (!ri_kafka_catalog_topic_of(stream, out)) return false;
    ri_kafka_uuid of = ri_kafka_catalog_id(out);
    return memcmp(&of, id, sizeof of) == 0;
}

bool ri_kafka_catalog_find_id(ri_kafka_catalog *catalog, ri_js *js, const ri_kafka_uuid *id,
                              ri_kafka_topic *out)
{
    RI_ASSERT(catalog);
    size_t n, slot = ri_hash_bytes(id, sizeof *id) % KAFKA_CATALOG_SLOTS;
    if (ri_kafka_catalog_is_none(id)) return false;
    const char *known = catalog->names[slot];
    if (known && kafka_catalog_has(ri_js_stream(js, ri_str_of(known)), id, out)) return true;
    ri_stream *const *streams = ri_js_streams(js, &n);
    for (size_t i = 0; i < n; i++) {
        ri_budget_spend(&ri_js_router(js)->budget, i % 16 == 0);
        if (!kafka_catalog_has(streams[i], id, out)) continue;
        ri_str name = ri_stream_conf_of(streams[i])->name;
        kafka_catalog_forget(catalog, slot);
        catalog->names[slot] = ri_strdup(catalog->host, name.ptr, name.len); /* NULL is well, too */
        return true;
    }
    return false;
}

int32_t ri_kafka_catalog_count(ri_kafka_catalog *catalog, ri_js *js, const ri_kafka_topic *topic)
{
    ri_kafka_uuid id = ri_kafka_catalog_id(topic);
    uint64_t changes = ri_js_changes(js);
    RI_ASSERT(changes != 0);
    kafka_catalog_counted *known =
        &catalog->counted[ri_hash_bytes(&id, sizeof id) % KAFKA_CATALOG_SLOTS];
    if (known->changes == changes && memcmp(&known->id, &id, sizeof id) == 0)
        return known->partitions;
    *known = (kafka_catalog_counted){id, ri_kafka_catalog_partitions(js, topic), changes};
    ri_budget_spend(&ri_js_router(js)->budget, KAFKA_CATALOG_COUNTED * (uint64_t)known->partitions);
    return known->partitions;
}
