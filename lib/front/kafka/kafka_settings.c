/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeConfigs and ListConfigResources: what is set, of topics, of this broker and of groups.
 *
 * What a topic has says kafka_configs.h. A broker shows where it listens, what it does for topics
 * whose maker does not say, and the defaults of all topics under the names that brokers have for
 * them; nothing of that is changed while it runs. */
#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "codec/limits.h"
#include "front/broker/durable.h"
#include "front/kafka/kafka_configs.h"
#include "front/kafka/kafka_serve.h"

typedef struct kafka_settings {
    ri_kafka_describe_configs_answer answer;
    uint32_t next;                           /* of the resources */
    /* That is described now: */
    const ri_kafka_describe_configs_request_resource *of;
    ri_kafka_describe_configs_answer_result *out;
    size_t cap;                              /* of its settings */
} kafka_settings;

typedef struct kafka_setting { /* one of the answer */
    const char *name;
    ri_str value;
    int source, kind;
    bool fixed;              /* it is not changed while the broker runs */
} kafka_setting;

enum {
    KAFKA_SETTINGS_SYNONYMS = 2,
    KAFKA_SETTINGS_UNITS = 4, /* of the turn, for what has settings, ... */
    KAFKA_SETTINGS_EACH = 8,  /* ... and for one of these */
    KAFKA_SETTINGS_KEYS = 2 * RI_LIMIT_KAFKA_SETTINGS, /* that may be asked for, of a resource */
};

/* ---- One setting ---- */

static bool kafka_settings_is_asked(const kafka_settings *d, const char *name)
{
    if (!d->of->configuration_keys.items) return true;
    for (uint32_t i = 0; i < d->of->configuration_keys.len; i++)
        if (ri_str_is(d->of->configuration_keys.items[i], name)) return true;
    return false;
}

/* NULL: it is not asked for, or the session ends. */
static ri_kafka_describe_configs_answer_config *kafka_settings_put(ri_kafka_request *r,
                                                                   const kafka_setting *setting)
{
    kafka_settings *d = r->work;
    ri_budget *budget = &r->session->server->broker->router.budget;
    ri_budget_spend(budget, KAFKA_SETTINGS_EACH + (uint64_t)d->of->configuration_keys.len / 8);
    if (!kafka_settings_is_asked(d, setting->name)) return NULL;
    RI_ASSERT(d->out->configs.len < d->cap);
    ri_kafka_describe_configs_answer_config *c = &d->out->configs.items[d->out->configs.len];
    ri_str value = setting->value;
    value.len = RI_MIN(value.len, (size_t)INT16_MAX); /* versions before 4 can say no more */
    if (!ri_kafka_serve_copy(r, value, &c->value)) return NULL;
    d->out->configs.len++;
    c->name = ri_str_of(setting->name);
    c->read_only = setting->fixed;
    c->config_source = (int8_t)setting->source;
    c->config_type = (int8_t)setting->kind;
    return c;
}

static bool kafka_settings_room(ri_kafka_request *r, size_t n)
{
    kafka_settings *d = r->work;
    d->cap = n;
    if (!RI_KAFKA_SERVE_LIST(r, &d->out->configs, describe_configs_answer_config, n)) return false;
    d->out->configs.len = 0;
    return true;
}

/* ---- A topic's ---- */

/* What the value would be without its topic's, too. */
static void kafka_settings_synonyms(ri_kafka_request *r, const ri_kafka_config *config,
                                    ri_kafka_describe_configs_answer_config *c)
{
    const ri_kafka_describe_configs_request *q = r->body;
    uint32_t n = 0;
    RI_ASSERT(config && c);
    if (!q->include_synonyms) return;
    ri_kafka_describe_configs_answer_synonym *items = ri_kafka_request_items(
        r, ri_kafka_describe_configs_answer_synonym_type(), KAFKA_SETTINGS_SYNONYMS);
    if (!items) return;
    if (c->config_source == RI_KAFKA_CONFIG_TOPIC)
        items[n++] = (ri_kafka_describe_configs_answer_synonym){c->name, c->value,
                                                                RI_KAFKA_CONFIG_TOPIC};
    if (config->synonym)
        items[n++] = (ri_kafka_describe_configs_answer_synonym){
            ri_str_of(config->synonym), ri_str_of(config->value), RI_KAFKA_CONFIG_DEFAULT};
    c->synonyms.items = items;
    c->synonyms.len = n;
}

static ri_kafka_error kafka_settings_topic(ri_kafka_request *r)
{
    kafka_settings *d = r->work;
    ri_kafka_topic topic;
    ri_buffer text;
    size_t n = 0;
    if (!ri_kafka_catalog_name_ok(d->of->resource_name))
        return ri_kafka_serve_error(RI_KAFKA_E_INVALID_TOPIC, "that is no name of a topic");
    if (!ri_kafka_catalog_find(ri_kafka_serve_js(r), d->of->resource_name, &topic))
        return ri_kafka_serve_error(RI_KAFKA_E_UNKNOWN_TOPIC, "there is no such topic");
    while (ri_kafka_config_at(n)) n++;
    if (!kafka_settings_room(r, n)) return RI_KAFKA_E_NONE;
    const ri_stream_conf *conf = ri_stream_conf_of(topic.stream);
    ri_buffer_init(&text, r->arena.host);
    for (size_t i = 0; i < n; i++) {
        const ri_kafka_config *config = ri_kafka_config_at(i);
        kafka_setting setting = {.name = config->name, .kind = config->kind};
        setting.source = ri_kafka_configs_get(conf, config, &text, &setting.value);
        ri_kafka_describe_configs_answer_config *c = kafka_settings_put(r, &setting);
        if (c) kafka_settings_synonyms(r, config, c);
    }
    ri_buffer_fini(&text);
    return RI_KAFKA_E_NONE;
}

/* ---- This broker's ---- */

static const struct {
    const char *name, *value;
    ri_kafka_config_kind kind;
} kafka_settings_broker[] = { /* that are so for every broker */
    {"auto.leader.rebalance.enable", "false", RI_KAFKA_CONFIG_BOOL},
    {"default.replication.factor", "1", RI_KAFKA_CONFIG_INT},
    {"delete.topic.enable", "true", RI_KAFKA_CONFIG_BOOL},
    {"log.retention.hours", "168", RI_KAFKA_CONFIG_INT},
    {"max.incremental.fetch.session.cache.slots", "0", RI_KAFKA_CONFIG_INT},
    {"offsets.topic.replication.factor", "1", RI_KAFKA_CONFIG_INT},
    {"process.roles", "broker,controller", RI_KAFKA_CONFIG_LIST},
    {"transaction.state.log.replication.factor", "1", RI_KAFKA_CONFIG_INT},
};
enum { KAFKA_SETTINGS_OWN = 24 }; /* more than the numbers and words that are put below */

static void kafka_settings_put_text(ri_kafka_request *r, const char *name, ri_str value, int kind)
{
    const kafka_setting setting = {name, value, RI_KAFKA_CONFIG_BROKER, kind, true};
    kafka_settings_put(r, &setting);
}

static void kafka_settings_put_number(ri_kafka_request *r, const char *name, int64_t value,
                                      int source)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%" PRId64, value);
    bool is_long = strcmp(name, "offsets.retention.check.interval.ms") == 0; /* to Kafka */
    const kafka_setting setting = {name, {text, (size_t)n}, source,
                                   is_long ? RI_KAFKA_CONFIG_LONG : RI_KAFKA_CONFIG_INT, true};
    kafka_settings_put(r, &setting);
}

static void kafka_settings_put_place(ri_kafka_request *r)
{
    const ri_kafka_session *s = r->session;
    const ri_durable *durable = s->server->broker->durable;
    ri_buffer text;
    ri_buffer_init(&text, r->arena.host);
    ri_buffer_printf(&text, "PLAINTEXT://%.*s:%d", RI_ARG(ri_kafka_serve_host(s)),
                     ri_kafka_serve_port(s));
    if (!text.failed)
        kafka_settings_put_text(r, "advertised.listeners", ri_buffer_str(&text),
                                RI_KAFKA_CONFIG_LIST);
    ri_buffer_reset(&text);
    ri_buffer_printf(&text, "PLAINTEXT://%s:%d", s->host, s->at->listener->port);
    if (!text.failed)
        kafka_settings_put_text(r, "listeners", ri_buffer_str(&text), RI_KAFKA_CONFIG_LIST);
    ri_buffer_fini(&text);
    kafka_settings_put_text(r, "auto.create.topics.enable",
                            s->at->auto_create ? RI_STR("true") : RI_STR("false"),
                            RI_KAFKA_CONFIG_BOOL);
    kafka_settings_put_text(r, "log.dirs", ri_kafka_serve_dir(durable), RI_KAFKA_CONFIG_LIST);
    kafka_settings_put_number(r, "broker.id", RI_KAFKA_NODE, RI_KAFKA_CONFIG_BROKER);
    kafka_settings_put_number(r, "node.id", RI_KAFKA_NODE, RI_KAFKA_CONFIG_BROKER);
    kafka_settings_put_number(r, "num.partitions", s->at->partitions, RI_KAFKA_CONFIG_BROKER);
    kafka_settings_put_number(r, "fetch.max.bytes", RI_LIMIT_KAFKA_FETCH, RI_KAFKA_CONFIG_DEFAULT);
    kafka_settings_put_number(r, "socket.request.max.bytes", RI_LIMIT_KAFKA_FRAME,
                              RI_KAFKA_CONFIG_DEFAULT);
}

static int kafka_settings_source(bool given) /* in the broker's configuration */
{
    return given ? RI_KAFKA_CONFIG_BROKER : RI_KAFKA_CONFIG_DEFAULT;
}

static void kafka_settings_put_groups(ri_kafka_request *r)
{
    ri_groups *groups = ri_kafka_serve_groups(r);
    enum { MINUTE_MS = 60000 };
    if (!groups) return;
    const ri_groups_conf *conf = ri_groups_conf_of(groups);
    ri_groups_conf none;
    ri_groups_conf_init(&none);
    const struct {
        const char *name;
        int64_t value, otherwise;
    } numbers[] = {
        {"group.consumer.assignment.interval.ms", conf->assign_ms, none.assign_ms},
        {"group.consumer.heartbeat.interval.ms", conf->modern_interval_ms, none.modern_interval_ms},
        {"group.consumer.max.size", conf->modern_max_size, none.modern_max_size},
        {"group.consumer.session.timeout.ms", conf->modern_session_ms, none.modern_session_ms},
        {"group.initial.rebalance.delay.ms", conf->initial_delay_ms, none.initial_delay_ms},
        {"group.max.session.timeout.ms", conf->max_session_ms, none.max_session_ms},
        {"group.max.size", conf->max_size, none.max_size},
        {"group.min.session.timeout.ms", conf->min_session_ms, none.min_session_ms},
        {"offset.metadata.max.bytes", conf->offset_metadata_bytes, none.offset_metadata_bytes},
        {"offsets.retention.check.interval.ms", conf->sweep_ms, none.sweep_ms},
        {"offsets.retention.minutes", conf->retention_ms / MINUTE_MS,
         none.retention_ms / MINUTE_MS},
    };
    for (size_t i = 0; i < RI_LEN(numbers); i++)
        kafka_settings_put_number(r, numbers[i].name, numbers[i].value,
                                  kafka_settings_source(numbers[i].value != numbers[i].otherwise));
    const kafka_setting policy = {"group.consumer.migration.policy",
                                  ri_str_of(ri_groups_migration_name(conf->migration)),
                                  kafka_settings_source(conf->migration != none.migration),
                                  RI_KAFKA_CONFIG_STRING, true};
    kafka_settings_put(r, &policy);
}

static ri_kafka_error kafka_settings_of_broker(ri_kafka_request *r)
{
    const kafka_settings *d = r->work;
    size_t n = 0;
    /* What all brokers of the cluster would have in common: nobody can set that here. */
    if (d->of->resource_name.len == 0)
        return kafka_settings_room(r, 0) ? RI_KAFKA_E_NONE : RI_KAFKA_E_STORAGE;
    if (!ri_str_is(d->of->resource_name, RI_KAFKA_NODE_TEXT)) {
        ri_err(RILL_EINVAL, "Unexpected broker id, expected " RI_KAFKA_NODE_TEXT
               " or empty string, but received %.*s", RI_ARG(d->of->resource_name));
        return RI_KAFKA_E_INVALID_REQUEST;
    }
    while (ri_kafka_config_at(n)) n++;
    if (!kafka_settings_room(r, n + RI_LEN(kafka_settings_broker) + KAFKA_SETTINGS_OWN))
        return RI_KAFKA_E_NONE;
    kafka_settings_put_place(r);
    kafka_settings_put_groups(r);
    for (size_t i = 0; i < RI_LEN(kafka_settings_broker); i++) {
        const kafka_setting setting = {kafka_settings_broker[i].name,
                                       ri_str_of(kafka_settings_broker[i].value),
                                       RI_KAFKA_CONFIG_DEFAULT, kafka_settings_broker[i].kind,
                                       true};
        kafka_settings_put(r, &setting);
    }
    for (size_t i = 0; i < n; i++) {
        const ri_kafka_config *config = ri_kafka_config_at(i);
        const kafka_setting setting = {config->synonym, ri_str_of(config->value),
                                       RI_KAFKA_CONFIG_DEFAULT, config->kind, true};
        if (config->synonym) kafka_settings_put(r, &setting);
    }
    return RI_KAFKA_E_NONE;
}

/* ---- A group's: those of all groups ---- */

static ri_kafka_error kafka_settings_group(ri_kafka_request *r)
{
    const kafka_settings *d = r->work;
    ri_groups *groups = ri_kafka_serve_groups(r);
    enum { OF_A_GROUP = 2 };
    if (d->of->resource_name.len == 0)
        return ri_kafka_serve_error(RI_KAFKA_E_INVALID_REQUEST, "a group has a name");
    if (!groups) return ri_kafka_serve_error(RI_KAFKA_E_STORAGE, "groups cannot be read");
    if (!kafka_settings_room(r, OF_A_GROUP)) return RI_KAFKA_E_NONE;
    const ri_groups_conf *conf = ri_groups_conf_of(groups);
    kafka_settings_put_number(r, "consumer.heartbeat.interval.ms", conf->modern_interval_ms,
                              RI_KAFKA_CONFIG_DEFAULT);
    kafka_settings_put_number(r, "consumer.session.timeout.ms", conf->modern_session_ms,
                              RI_KAFKA_CONFIG_DEFAULT);
    return RI_KAFKA_E_NONE;
}

/* ---- DescribeConfigs ---- */

static ri_kafka_error kafka_settings_describe(ri_kafka_request *r)
{
    const kafka_settings *d = r->work;
    switch (d->of->resource_type) {
    case RI_KAFKA_RESOURCE_TOPIC: return kafka_settings_topic(r);
    case RI_KAFKA_RESOURCE_BROKER: return kafka_settings_of_broker(r);
    case RI_KAFKA_RESOURCE_GROUP: return kafka_settings_group(r);
    default: break;
    }
    ri_err(RILL_EINVAL, "settings of kind %d are none that this broker has: topics (2), brokers "
           "(4) and groups (32) have some", d->of->resource_type);
    return RI_KAFKA_E_INVALID_REQUEST;
}

/* Each of its settings is looked for among all that are asked for. */
static bool kafka_settings_may_ask(ri_kafka_request *r, ri_str name, uint32_t keys)
{
    if (keys <= KAFKA_SETTINGS_KEYS) return true;
    ri_err(RILL_ETOOBIG, "%u settings of %.*s are asked for: nothing has more than %d", keys,
           RI_ARG(name), KAFKA_SETTINGS_KEYS);
    ri_kafka_request_refuse(r);
    return false;
}

static bool kafka_settings_next(ri_kafka_request *r)
{
    const ri_kafka_describe_configs_request *q = r->body;
    kafka_settings *d = r->work;
    RI_ASSERT(d->next < q->resources.len);
    d->of = &q->resources.items[d->next];
    d->out = &d->answer.results.items[d->next++];
    ri_budget_spend(&r->session->server->broker->router.budget, KAFKA_SETTINGS_UNITS);
    d->out->resource_type = d->of->resource_type;
    d->out->resource_name = d->of->resource_name;
    d->out->error_message = RI_STR("");
    if (!kafka_settings_may_ask(r, d->of->resource_name, d->of->configuration_keys.len))
        return false;
    d->out->error_code = (int16_t)kafka_settings_describe(r);
    return d->out->error_code ? ri_kafka_serve_why(r, &d->out->error_message) : !r->session->end;
}

bool ri_kafka_settings_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body);
    const ri_kafka_describe_configs_request *q = r->body;
    kafka_settings *d = r->work;
    if (!d) {
        if (!(d = r->work = ri_kafka_request_alloc(r, sizeof *d))) return false;
        if (!RI_KAFKA_SERVE_LIST(r, &d->answer.results, describe_configs_answer_result,
                                 q->resources.len))
            return false;
    }
    while (d->next < q->resources.len) {
        if (!kafka_settings_next(r)) return false;
        if (!ri_budget_left(&r->session->server->broker->router.budget))
            return ri_kafka_request_claim(r, 0);
    }
    ri_kafka_request_answer_kept(r, &d->answer);
    return false;
}

/* ---- ListConfigResources ---- */

static bool kafka_settings_wants(const ri_kafka_request *r, int8_t type)
{
    const ri_kafka_list_config_resources_request *q = r->body;
    if (r->head.version == 0) return false; /* it asks for metrics' subscriptions: there are none */
    for (uint32_t i = 0; i < q->resource_types.len; i++)
        if (q->resource_types.items[i] == type) return true;
    return q->resource_types.len == 0;
}

typedef struct kafka_resources {
    ri_kafka_list_config_resources_answer answer;
    ri_str after;            /* the stream of the last topic */
    size_t cap;
    bool topics;             /* these are asked for */
} kafka_resources;

static bool kafka_resources_begin(ri_kafka_request *r)
{
    kafka_resources *l = ri_kafka_request_alloc(r, sizeof *l);
    size_t n = 0;
    if (!l) return false;
    l->topics = kafka_settings_wants(r, RI_KAFKA_RESOURCE_TOPIC);
    if (l->topics) n = ri_js_nstreams(ri_kafka_serve_js(r));
    l->cap = n + 1;
    if (!RI_KAFKA_SERVE_LIST(r, &l->answer.resources, list_config_resources_answer_resource,
                             l->cap))
        return false;
    l->answer.resources.len = 0;
    if (kafka_settings_wants(r, RI_KAFKA_RESOURCE_BROKER))
        l->answer.resources.items[l->answer.resources.len++] =
            (ri_kafka_list_config_resources_answer_resource){RI_STR(RI_KAFKA_NODE_TEXT),
                                                             RI_KAFKA_RESOURCE_BROKER};
    r->work = l;
    return true;
}

bool ri_kafka_settings_list_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body);
    const ri_budget *budget = &r->session->server->broker->router.budget;
    ri_kafka_topic topic;
    if (!r->work && !kafka_resources_begin(r)) return false;
    kafka_resources *l = r->work;
    while (l->topics && l->answer.resources.len < l->cap &&
           ri_kafka_catalog_next(ri_kafka_serve_js(r), l->after, &topic)) {
        ri_kafka_list_config_resources_answer_resource *out =
            &l->answer.resources.items[l->answer.resources.len++];
        out->resource_type = RI_KAFKA_RESOURCE_TOPIC;
        if (!ri_kafka_serve_copy(r, topic.name, &out->resource_name) ||
            !ri_kafka_serve_copy(r, ri_stream_conf_of(topic.stream)->name, &l->after))
            return false;
        if (!ri_budget_left(budget)) return ri_kafka_request_claim(r, 0);
    }
    ri_kafka_request_answer_kept(r, &l->answer);
    return false;
}
