/* SPDX-License-Identifier: Apache-2.0 */
/* AlterConfigs and IncrementalAlterConfigs: the settings of topics.
 *
 *     what it has  ->  with what is asked  ->  checked  ->  partition by partition, in slices
 *
 * The former request begins with none, the latter with those that the topic has. A topic whose
 * settings are refused stays as it is. The first partition is changed first, and says what the
 * topic has: a crash between two slices leaves others behind it, which the next change mends. */
#include "base/assert.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/limits.h"
#include "front/kafka/kafka_configs.h"
#include "front/kafka/kafka_serve.h"

enum { KAFKA_ALTER_SET, KAFKA_ALTER_DELETE, KAFKA_ALTER_APPEND, KAFKA_ALTER_SUBTRACT };
enum {
    KAFKA_ALTER_UNITS = 50, /* of the turn, for a stream that is changed, ... */
    KAFKA_ALTER_LOOK = 400, /* ... for looking at all that a topic has, ... */
    KAFKA_ALTER_CHANGE = 10, /* ... and for one change of it */
    KAFKA_ALTER_WORDS = 16, /* that are compared in a unit */
};

typedef struct kafka_alter_change {
    ri_str name, value;
    int op;
} kafka_alter_change;

typedef struct kafka_alter_work {
    ri_kafka_alter_configs_answer_response *out; /* one for each resource, of this answer: */
    ri_kafka_incremental_alter_configs_answer some;
    ri_kafka_alter_configs_answer all;
    ri_kafka_commit commit;
    bool made;                  /* a partition was changed: the commit is waited for */
    uint32_t next;              /* of the resources */
    bool making;                /* a topic's partitions are changed now: of this topic ... */
    ri_str name;
    ri_kafka_uuid id;
    ri_kafka_value *settings;   /* that it shall have */
    size_t nsettings;
    int32_t at;                 /* the partition that is next */
} kafka_alter_work;

/* ---- The two requests ---- */

static bool kafka_alter_is_incremental(const ri_kafka_request *r)
{
    return r->head.key == RI_KAFKA_INCREMENTAL_ALTER_CONFIGS;
}

static uint32_t kafka_alter_resources(const ri_kafka_request *r)
{
    const ri_kafka_incremental_alter_configs_request *some = r->body;
    const ri_kafka_alter_configs_request *all = r->body;
    return kafka_alter_is_incremental(r) ? some->resources.len : all->resources.len;
}

static bool kafka_alter_only_checks(const ri_kafka_request *r)
{
    const ri_kafka_incremental_alter_configs_request *some = r->body;
    const ri_kafka_alter_configs_request *all = r->body;
    return kafka_alter_is_incremental(r) ? some->validate_only : all->validate_only;
}

static ri_str kafka_alter_resource(const ri_kafka_request *r, uint32_t i, int8_t *type)
{
    const ri_kafka_incremental_alter_configs_request *some = r->body;
    const ri_kafka_alter_configs_request *all = r->body;
    bool incremental = kafka_alter_is_incremental(r);
    *type = incremental ? some->resources.items[i].resource_type
                        : all->resources.items[i].resource_type;
    return incremental ? some->resources.items[i].resource_name
                       : all->resources.items[i].resource_name;
}

static uint32_t kafka_alter_changes(const ri_kafka_request *r, uint32_t i)
{
    const ri_kafka_incremental_alter_configs_request *some = r->body;
    const ri_kafka_alter_configs_request *all = r->body;
    return kafka_alter_is_incremental(r) ? some->resources.items[i].configs.len
                                         : all->resources.items[i].configs.len;
}

static kafka_alter_change kafka_alter_change_at(const ri_kafka_request *r, uint32_t i, uint32_t k)
{
    if (kafka_alter_is_incremental(r)) {
        const ri_kafka_incremental_alter_configs_request *q = r->body;
        const ri_kafka_incremental_alter_configs_request_config *c =
            &q->resources.items[i].configs.items[k];
        return (kafka_alter_change){c->name, c->value, c->config_operation};
    }
    const ri_kafka_alter_configs_request *q = r->body;
    const ri_kafka_alter_configs_request_config *c = &q->resources.items[i].configs.items[k];
    return (kafka_alter_change){c->name, c->value, KAFKA_ALTER_SET};
}

/* ---- What a topic shall have ---- */

/* The settings that the stream has, in the request's memory. */
static bool kafka_alter_begin_with(ri_kafka_request *r, const ri_stream_conf *conf)
{
    kafka_alter_work *a = r->work;
    const ri_kafka_config *config;
    ri_buffer text;
    bool room = true;
    ri_buffer_init(&text, r->arena.host);
    for (size_t i = 0; (config = ri_kafka_config_at(i)) != NULL && room; i++) {
        ri_kafka_value *own = &a->settings[a->nsettings];
        if (ri_kafka_configs_get(conf, config, &text, &own->value) != RI_KAFKA_CONFIG_TOPIC)
            continue;
        own->name = ri_str_of(config->name);
        room = ri_kafka_serve_copy(r, own->value, &own->value);
        a->nsettings += room;
    }
    ri_buffer_fini(&text);
    return room;
}

static ri_kafka_value *kafka_alter_find(const kafka_alter_work *a, ri_str name)
{
    for (size_t i = 0; i < a->nsettings; i++)
        if (ri_str_eq(a->settings[i].name, name)) return &a->settings[i];
    return NULL;
}

/* A list with more words, or with fewer. */
static ri_kafka_error kafka_alter_list(ri_kafka_request *r, ri_str was,
                                       const kafka_alter_change *change, ri_str *out)
{
    ri_buffer text;
    ri_str rest = was, word;
    bool append = change->op == KAFKA_ALTER_APPEND;
    uint32_t had = ri_kafka_config_words(was), more = ri_kafka_config_words(change->value);
    if (RI_MAX(had, more) > RI_LIMIT_KAFKA_WORDS) {
        ri_err(RILL_EINVAL, "a list of %u words: no setting has more than %d", RI_MAX(had, more),
               RI_LIMIT_KAFKA_WORDS);
        return RI_KAFKA_E_INVALID_CONFIG;
    }
    /* Each is looked for among the others. */
    ri_budget_spend(&r->session->server->broker->router.budget,
                    (uint64_t)(had + more) * (had + more) / KAFKA_ALTER_WORDS);
    ri_buffer_init(&text, r->arena.host);
    while (rest.len && ri_str_cut(&rest, ',', &word))
        if (append || !ri_kafka_config_has_word(change->value, word))
            ri_buffer_printf(&text, "%s%.*s", text.len ? "," : "", RI_ARG(word));
    rest = change->value;
    while (append && rest.len && ri_str_cut(&rest, ',', &word))
        if (!ri_kafka_config_has_word(ri_buffer_str(&text), word))
            ri_buffer_printf(&text, "%s%.*s", text.len ? "," : "", RI_ARG(word));
    bool room = !text.failed &&
                ri_kafka_serve_copy(r, text.len ? ri_buffer_str(&text) : RI_STR(""), out);
    ri_buffer_fini(&text);
    return room ? RI_KAFKA_E_NONE : RI_KAFKA_E_STORAGE;
}

static ri_kafka_error kafka_alter_value(ri_kafka_request *r, const ri_kafka_config *config,
                                        const kafka_alter_change *change, ri_str *out)
{
    const kafka_alter_work *a = r->work;
    const ri_kafka_value *own = kafka_alter_find(a, change->name);
    if (change->op < KAFKA_ALTER_SET || change->op > KAFKA_ALTER_SUBTRACT) {
        ri_err(RILL_EINVAL, "%d is no operation", change->op);
        return RI_KAFKA_E_INVALID_REQUEST;
    }
    if (change->op == KAFKA_ALTER_DELETE) return RI_KAFKA_E_NONE;
    if (!change->value.ptr) {
        ri_err(RILL_EINVAL, "Null value not supported for : %.*s", RI_ARG(change->name));
        return RI_KAFKA_E_INVALID_REQUEST;
    }
    *out = change->value;
    if (change->op == KAFKA_ALTER_SET) return RI_KAFKA_E_NONE;
    if (config->kind == RI_KAFKA_CONFIG_LIST)
        return kafka_alter_list(r, own ? own->value : ri_str_of(config->value), change, out);
    ri_err(RILL_EINVAL, "Can't %s to key %s because its type is not LIST.",
           change->op == KAFKA_ALTER_APPEND ? "APPEND" : "SUBTRACT", config->name);
    return RI_KAFKA_E_INVALID_CONFIG;
}

/* One change of the settings. */
static ri_kafka_error kafka_alter_put(ri_kafka_request *r, const kafka_alter_change *change)
{
    kafka_alter_work *a = r->work;
    RI_ASSERT(a->settings);
    const ri_kafka_config *config = ri_kafka_config_of(change->name);
    ri_str value = RI_STR_NONE;
    if (!config) {
        ri_err(RILL_EINVAL, "Unknown topic config name: %.*s", RI_ARG(change->name));
        return RI_KAFKA_E_INVALID_CONFIG;
    }
    ri_kafka_error error = kafka_alter_value(r, config, change, &value);
    if (error != RI_KAFKA_E_NONE) return error;
    ri_kafka_value *own = kafka_alter_find(a, change->name);
    if (change->op == KAFKA_ALTER_DELETE) {
        if (own) *own = a->settings[--a->nsettings];
        return RI_KAFKA_E_NONE;
    }
    if (ri_kafka_config_check(config, value) < 0) return RI_KAFKA_E_INVALID_CONFIG;
    if (!own) own = &a->settings[a->nsettings++];
    *own = (ri_kafka_value){ri_str_of(config->name), value};
    return RI_KAFKA_E_NONE;
}

static bool kafka_alter_has_twins(const ri_kafka_request *r, uint32_t i)
{
    uint32_t n = kafka_alter_changes(r, i);
    for (uint32_t k = 0; k < n; k++)
        for (uint32_t m = 0; m < k; m++)
            if (ri_str_eq(kafka_alter_change_at(r, i, k).name,
                          kafka_alter_change_at(r, i, m).name))
                return true;
    return false;
}

static ri_kafka_error kafka_alter_settings(ri_kafka_request *r, uint32_t i,
                                           const ri_stream_conf *conf)
{
    kafka_alter_work *a = r->work;
    size_t rows = 0;
    if (kafka_alter_changes(r, i) > RI_LIMIT_KAFKA_SETTINGS)
        return ri_kafka_serve_error(RI_KAFKA_E_INVALID_CONFIG, "more settings than there are");
    if (kafka_alter_has_twins(r, i))
        return ri_kafka_serve_error(RI_KAFKA_E_INVALID_REQUEST, "a setting stands there twice");
    while (ri_kafka_config_at(rows)) rows++;
    a->nsettings = 0;
    if (!a->settings) a->settings = ri_kafka_request_alloc(r, (rows + 1) * sizeof *a->settings);
    if (!a->settings) return RI_KAFKA_E_STORAGE;
    if (kafka_alter_is_incremental(r) && !kafka_alter_begin_with(r, conf))
        return RI_KAFKA_E_STORAGE;
    for (uint32_t k = 0; k < kafka_alter_changes(r, i); k++) {
        kafka_alter_change change = kafka_alter_change_at(r, i, k);
        ri_kafka_error error = kafka_alter_put(r, &change);
        if (error != RI_KAFKA_E_NONE) return error;
    }
    RI_ASSERT(a->nsettings <= rows);
    return RI_KAFKA_E_NONE;
}

/* Nothing of a broker is set while it runs: so there is nothing to be deleted, as tools do that
 * have moved partitions with a limit, or without. */
static bool kafka_alter_only_deletes(const ri_kafka_request *r, uint32_t i)
{
    uint32_t n = kafka_alter_changes(r, i);
    bool deletes = kafka_alter_is_incremental(r) && n > 0;
    for (uint32_t k = 0; k < n && deletes; k++)
        deletes = kafka_alter_change_at(r, i, k).op == KAFKA_ALTER_DELETE;
    return deletes;
}

static ri_kafka_error kafka_alter_check(ri_kafka_request *r, uint32_t i)
{
    kafka_alter_work *a = r->work;
    ri_kafka_topic topic;
    int8_t type;
    ri_str name = kafka_alter_resource(r, i, &type);
    ri_budget_spend(&r->session->server->broker->router.budget,
                    ri_u64_mul(kafka_alter_changes(r, i), KAFKA_ALTER_CHANGE));
    bool ours = name.len == 0 || ri_str_is(name, RI_KAFKA_NODE_TEXT);
    if (type == RI_KAFKA_RESOURCE_BROKER && ours && kafka_alter_only_deletes(r, i))
        return RI_KAFKA_E_NONE;
    if (type != RI_KAFKA_RESOURCE_TOPIC)
        return ri_kafka_serve_error(RI_KAFKA_E_INVALID_REQUEST, "Cannot update these configs "
                                    "dynamically: only topics are changed while the broker runs");
    if (!ri_kafka_catalog_name_ok(name))
        return ri_kafka_serve_error(RI_KAFKA_E_INVALID_TOPIC, "that is no name of a topic");
    if (!ri_kafka_catalog_find(ri_kafka_serve_js(r), name, &topic)) {
        ri_err(RILL_ENOENT, "The topic '%.*s' does not exist.", RI_ARG(name));
        return RI_KAFKA_E_UNKNOWN_TOPIC;
    }
    a->name = name;
    a->id = ri_kafka_catalog_id(&topic);
    a->at = 0;
    ri_budget_spend(&r->session->server->broker->router.budget, KAFKA_ALTER_LOOK);
    return kafka_alter_settings(r, i, ri_stream_conf_of(topic.stream));
}

/* ---- Partition by partition ---- */

static ri_kafka_error kafka_alter_stream(const kafka_alter_work *a, ri_stream *stream)
{
    ri_js *js = ri_stream_js(stream);
    RI_ASSERT(a->settings || a->nsettings == 0);
    ri_js_stream_request request = {.conf = *ri_stream_conf_of(stream)};
    ri_js_error e = {0};
    ri_arena arena;
    ri_arena_init(&arena, ri_js_router(js)->host);
    int rc = ri_kafka_configs_replace(a->settings, a->nsettings, &arena, &request.conf);
    if (rc == RILL_OK) rc = ri_stream_update(stream, &request, &e);
    ri_budget_spend(&ri_js_router(js)->budget, KAFKA_ALTER_UNITS);
    ri_arena_fini(&arena);
    if (rc == RILL_OK) return RI_KAFKA_E_NONE;
    return rc == RILL_ENOMEM || rc == RILL_EIO || rc == RILL_EFULL ? RI_KAFKA_E_STORAGE
                                                                   : RI_KAFKA_E_INVALID_CONFIG;
}

/* The next partition. True: there are more. */
static bool kafka_alter_some(ri_kafka_request *r)
{
    kafka_alter_work *a = r->work;
    RI_ASSERT(a->making && a->next > 0);
    ri_kafka_alter_configs_answer_response *out = &a->out[a->next - 1];
    ri_kafka_topic topic;
    ri_js *js = ri_kafka_serve_js(r);
    ri_kafka_uuid id = {{0}};
    bool there = ri_kafka_catalog_find(js, a->name, &topic);
    if (there) id = ri_kafka_catalog_id(&topic);
    if (!there || memcmp(&id, &a->id, sizeof id) != 0) {
        out->error_code = RI_KAFKA_E_UNKNOWN_TOPIC;
        out->error_message = RI_STR("the topic was deleted meanwhile");
        return false;
    }
    ri_stream *stream = ri_kafka_catalog_partition(js, &topic, a->at);
    if (!stream) return false; /* that was the last */
    out->error_code = (int16_t)kafka_alter_stream(a, stream);
    if (out->error_code) {
        ri_kafka_serve_why(r, &out->error_message);
        return false;
    }
    a->at++;
    a->made = true;
    return true;
}

static void kafka_alter_next(ri_kafka_request *r)
{
    kafka_alter_work *a = r->work;
    RI_ASSERT(!a->making && a->next < kafka_alter_resources(r));
    uint32_t i = a->next++;
    ri_kafka_alter_configs_answer_response *out = &a->out[i];
    out->resource_name = kafka_alter_resource(r, i, &out->resource_type);
    out->error_code = (int16_t)kafka_alter_check(r, i);
    if (out->error_code) ri_kafka_serve_why(r, &out->error_message);
    a->making = !out->error_code && !kafka_alter_only_checks(r) &&
                out->resource_type == RI_KAFKA_RESOURCE_TOPIC;
}

/* ---- The step ---- */

static bool kafka_alter_begin(ri_kafka_request *r)
{
    kafka_alter_work *a = ri_kafka_request_alloc(r, sizeof *a);
    if (!a) return false;
    a->out = ri_kafka_request_items(r, ri_kafka_alter_configs_answer_response_type(),
                                    kafka_alter_resources(r));
    r->work = a->out ? a : NULL;
    return a->out != NULL;
}

static void kafka_alter_answer(ri_kafka_request *r)
{
    kafka_alter_work *a = r->work;
    uint32_t n = kafka_alter_resources(r);
    RI_ASSERT(a->next == n && !a->making);
    for (uint32_t i = 0; i < n && a->commit.rc < 0; i++)
        if (!a->out[i].error_code) a->out[i].error_code = RI_KAFKA_E_STORAGE;
    a->some.responses.items = a->all.responses.items = a->out;
    a->some.responses.len = a->all.responses.len = n;
    if (kafka_alter_is_incremental(r)) ri_kafka_request_answer_kept(r, &a->some);
    else ri_kafka_request_answer_kept(r, &a->all);
}

bool ri_kafka_alter_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body);
    ri_budget *budget = &r->session->server->broker->router.budget;
    if (!r->work && !kafka_alter_begin(r)) return false;
    kafka_alter_work *a = r->work;
    while (a->making || a->next < kafka_alter_resources(r)) {
        ri_budget_spend(budget, 1);
        if (a->making) a->making = kafka_alter_some(r);
        else kafka_alter_next(r);
        if (r->session->end) return false;
        if (!ri_budget_left(budget)) return ri_kafka_request_claim(r, 0);
    }
    if (!ri_kafka_serve_stores(r, &a->commit, &a->made))
        kafka_alter_answer(r);
    return false;
}

void ri_kafka_alter_drop(ri_kafka_request *r)
{
    kafka_alter_work *a = r->work;
    if (a) ri_kafka_serve_forget(&a->commit);
}
