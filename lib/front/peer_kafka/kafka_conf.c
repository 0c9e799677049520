/* SPDX-License-Identifier: Apache-2.0 */
/* What librdkafka is configured with: rill's own settings, then those of rill_opts.kafka_config,
 * which may not change what this peer is built on, then those of the instance at hand. */
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/number.h"
#include "base/saturate.h"
#include "front/handle/bus_login.h"
#include "front/peer_kafka/kafka_read.h"

enum {
    KAFKA_CONNECT_MS = 5000,
    KAFKA_KBYTES_MAX = 2097151, /* librdkafka's own */
    KAFKA_FETCH_BYTES = 1 << 20, /* of a partition, in one answer */
    KAFKA_SHARE_MAX = 1 << 30,
    KAFKA_RECORD_BYTES = 512,   /* what a record takes beside its own, about */
    KAFKA_QUEUED_MAX = 100000,  /* librdkafka's own */
};

#define KAFKA_LOOKS_AGAIN 0x02020000 /* the librdkafka that has fetch.queue.backoff.ms */
#define KAFKA_PARTITIONER "murmur2_random"

/* Those that a program does not set. */
static const char *const kafka_conf_ours[] = {
    "bootstrap.servers", "metadata.broker.list", "group.id", "transactional.id",
    "enable.auto.commit", "auto.commit.enable", "enable.auto.offset.store", "auto.offset.reset",
    "enable.partition.eof", "enabled_events", "error_cb", "log_cb", "opaque", "log.queue",
    "enable.idempotence", "delivery.report.only.error", "group.protocol",
    "partition.assignment.strategy",
};

static const ri_kafka_setting kafka_conf_all[] = {
    {"log.connection.close", "false"},
    {"topic.metadata.propagation.max.ms", "1000"}, /* a topic that is not there is soon known so */
    {"allow.auto.create.topics", "false"},         /* nor made by a word that is written wrong */
    {"reconnect.backoff.max.ms", "2000"},
};

static const ri_kafka_setting kafka_conf_producer[] = {
    {"enable.idempotence", "true"},
    {"linger.ms", "0.5"},
    {"queue.buffering.max.messages", "50000"},
    {"queue.buffering.max.kbytes", "65536"},
    {"message.max.bytes", "1048588"},
    {"sticky.partitioning.linger.ms", "0"},        /* kafka_send.c picks them */
    {"partitioner", KAFKA_PARTITIONER},            /* by key as Java's clients do it */
};

static const ri_kafka_setting kafka_conf_reader[] = {
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"auto.offset.reset", "earliest"},
    {"max.poll.interval.ms", "86400000"}, /* rill polls for a program that takes its time */
    {"fetch.wait.max.ms", "500"},
    {"isolation.level", "read_committed"}, /* a batch that failed is not read */
};

/* ---- What the program has said ---- */

static char *kafka_conf_copy(ri_kafka_peer *peer, ri_str text)
{
    return ri_strdup(&peer->bus.host, text.ptr, text.len);
}

static int kafka_conf_brokers(ri_kafka_peer *peer, const ri_url *url)
{
    ri_buffer list;
    ri_buffer_init(&list, &peer->bus.host);
    for (uint32_t i = 0; i < url->npeers; i++) {
        const ri_url_peer *at = &url->peers[i];
        bool v6 = memchr(at->host.ptr, ':', at->host.len) != NULL;
        ri_buffer_printf(&list, "%s%s%.*s%s:%u", i ? "," : "", v6 ? "[" : "", RI_ARG(at->host),
                         v6 ? "]" : "", at->port);
    }
    if (!list.failed) peer->brokers = kafka_conf_copy(peer, ri_buffer_str(&list));
    ri_buffer_fini(&list);
    return peer->brokers ? RILL_OK : RILL_ENOMEM;
}

/* That of rill_opts, or of the first broker in the URL that has some. */
static int kafka_conf_login(ri_kafka_peer *peer, const ri_url *url, const rill_opts *opts)
{
    int rc = ri_bus_login_check_opts(opts, url);
    if (rc == RILL_OK && opts->token)
        rc = ri_err(RILL_EINVAL, "Kafka has no tokens: it takes a user and a password");
    if (rc < 0) return rc;
    if (opts->user) {
        peer->user = kafka_conf_copy(peer, ri_str_of(opts->user));
        peer->password = kafka_conf_copy(peer, ri_str_of(opts->password ? opts->password : ""));
        return peer->user && peer->password ? RILL_OK : RILL_ENOMEM;
    }
    for (uint32_t i = 0; i < url->npeers && !peer->user; i++) {
        const ri_url_peer *at = &url->peers[i];
        if (at->token.len)
            return ri_err(RILL_EINVAL, "Kafka has no tokens: USER:PASSWORD@ comes before a host");
        if (!at->user.len) continue;
        peer->user = kafka_conf_copy(peer, at->user);
        peer->password = kafka_conf_copy(peer, at->password);
        if (!peer->user || !peer->password) return RILL_ENOMEM;
    }
    return RILL_OK;
}

int ri_kafka_conf_init(ri_kafka_peer *peer, const ri_url *url, const rill_opts *opts)
{
    RI_ASSERT(url->npeers > 0);
    peer->tls = url->scheme == RI_URL_KAFKAS;
    peer->connect_ns = ri_ns_of_ms(opts->connect_timeout_ms ? opts->connect_timeout_ms
                                                            : KAFKA_CONNECT_MS);
    peer->max_inflight = opts->max_inflight;
    peer->send_kbytes = opts->send_buffer_bytes / 1024 + (opts->send_buffer_bytes % 1024 > 0);
    int rc = kafka_conf_brokers(peer, url);
    if (rc == RILL_OK) rc = kafka_conf_login(peer, url, opts);
    peer->name = kafka_conf_copy(peer, opts->name ? ri_str_of(opts->name) : RI_STR("rill"));
    if (rc == RILL_OK && !peer->name) rc = RILL_ENOMEM;
    if (rc < 0 || !opts->kafka_config) return rc;
    peer->config = kafka_conf_copy(peer, ri_str_of(opts->kafka_config));
    return peer->config ? RILL_OK : RILL_ENOMEM;
}

static void kafka_conf_free(ri_kafka_peer *peer, char *text)
{
    if (text) ri_free(&peer->bus.host, text, strlen(text) + 1);
}

static void kafka_conf_wipe(ri_kafka_peer *peer, char *text)
{
    size_t size = text ? strlen(text) + 1 : 0;
    if (!text) return;
    explicit_bzero(text, size);
    ri_free(&peer->bus.host, text, size);
}

void ri_kafka_conf_fini(ri_kafka_peer *peer)
{
    kafka_conf_free(peer, peer->brokers);
    kafka_conf_wipe(peer, peer->user);
    kafka_conf_wipe(peer, peer->password);
    kafka_conf_free(peer, peer->config);
    kafka_conf_free(peer, peer->name);
}

/* ---- An instance ---- */

static int kafka_conf_set(ri_kafka_peer *peer, rd_kafka_conf_t *conf, const char *key,
                          const char *value)
{
    char why[256];
    if (peer->lib.conf_set(conf, key, value, why, sizeof why) == RD_KAFKA_CONF_OK) return RILL_OK;
    return ri_err(RILL_EINVAL, "kafka_config: %s", why);
}

static int kafka_conf_set_all(ri_kafka_peer *peer, rd_kafka_conf_t *conf,
                              const ri_kafka_setting *settings, size_t n)
{
    int rc = RILL_OK;
    for (size_t i = 0; i < n && rc == RILL_OK; i++)
        rc = kafka_conf_set(peer, conf, settings[i].key, settings[i].value);
    return rc;
}

/* Without blanks around it. */
static ri_str kafka_conf_trim(ri_str s)
{
    while (s.len && (unsigned char)s.ptr[0] <= ' ') s = ri_str_from(s, 1);
    while (s.len && (unsigned char)s.ptr[s.len - 1] <= ' ') s.len--;
    return s;
}

/* What is for producers alone is no fault of a reader's, and the other way. */
static int kafka_conf_line(ri_kafka_peer *peer, rd_kafka_conf_t *conf, ri_str line)
{
    char key[128], value[4096], why[256];
    ri_str name;
    line = kafka_conf_trim(line);
    if (line.len == 0 || line.ptr[0] == '#') return RILL_OK;
    if (!memchr(line.ptr, '=', line.len) || !ri_str_cut(&line, '=', &name))
        return ri_err(RILL_EINVAL, "kafka_config: \"%.*s\" has no =", (int)RI_MIN(line.len, 80),
                      line.ptr);
    name = kafka_conf_trim(name);
    line = kafka_conf_trim(line);
    if (name.len >= sizeof key || line.len >= sizeof value)
        return ri_err(RILL_EINVAL, "kafka_config: the line of %.*s is too long",
                      (int)RI_MIN(name.len, 80), name.ptr);
    snprintf(key, sizeof key, "%.*s", RI_ARG(name));
    snprintf(value, sizeof value, "%.*s", RI_ARG(line));
    for (size_t i = 0; i < RI_LEN(kafka_conf_ours); i++)
        if (strcmp(key, kafka_conf_ours[i]) == 0)
            return ri_err(RILL_EINVAL, "kafka_config: %s is for rill to set", key);
    if (peer->lib.conf_set(conf, key, value, why, sizeof why) == RD_KAFKA_CONF_OK) return RILL_OK;
    return ri_err(RILL_EINVAL, "kafka_config: %s", why);
}

static int kafka_conf_lines(ri_kafka_peer *peer, rd_kafka_conf_t *conf)
{
    ri_str rest = ri_str_of(peer->config), line;
    int rc = RILL_OK;
    while (rc == RILL_OK && rest.len && ri_str_cut(&rest, '\n', &line))
        rc = kafka_conf_line(peer, conf, line);
    return rc;
}

static int kafka_conf_security(ri_kafka_peer *peer, rd_kafka_conf_t *conf)
{
    int rc = kafka_conf_set(peer, conf, "security.protocol",
                            peer->user ? peer->tls ? "sasl_ssl" : "sasl_plaintext"
                                       : peer->tls ? "ssl" : "plaintext");
    if (rc < 0 || !peer->user) return rc;
    const ri_kafka_setting login[] = {{"sasl.mechanisms", "PLAIN"}, {"sasl.username", peer->user},
                                      {"sasl.password", peer->password}};
    return kafka_conf_set_all(peer, conf, login, RI_LEN(login));
}

/* The bounds of what waits to be delivered. */
static int kafka_conf_bounds(ri_kafka_peer *peer, rd_kafka_conf_t *conf)
{
    char text[RI_NUMBER_MAX + 1];
    int rc = RILL_OK;
    text[ri_number_write(text, peer->max_inflight)] = 0;
    if (peer->max_inflight)
        rc = kafka_conf_set(peer, conf, "queue.buffering.max.messages", text);
    text[ri_number_write(text, RI_MIN(peer->send_kbytes, KAFKA_KBYTES_MAX))] = 0;
    if (peer->send_kbytes && rc == RILL_OK)
        rc = kafka_conf_set(peer, conf, "queue.buffering.max.kbytes", text);
    return rc;
}

static int kafka_conf_number(ri_kafka_peer *peer, rd_kafka_conf_t *conf, const char *key,
                             uint64_t n)
{
    char text[RI_NUMBER_MAX + 1];
    text[ri_number_write(text, n)] = 0;
    return kafka_conf_set(peer, conf, key, text);
}

/* What librdkafka holds of each partition: half of its share is asked for at once, and no more is
 * when the other half is there. A record in its queues takes KAFKA_RECORD_BYTES beside its own, by
 * which those of no length are bounded, too. One record comes in any case, however large. */
static int kafka_conf_share(ri_kafka_peer *peer, rd_kafka_conf_t *conf, uint64_t share)
{
    uint64_t half = RI_MIN(RI_MAX(share / 2, 1), KAFKA_SHARE_MAX);
    bool looks = peer->lib.version() >= KAFKA_LOOKS_AGAIN;
    int rc = looks ? kafka_conf_set(peer, conf, "fetch.queue.backoff.ms", "5") : RILL_OK;
    if (rc == RILL_OK)
        rc = kafka_conf_number(peer, conf, "queued.max.messages.kbytes", RI_MAX(half / 1024, 1));
    if (rc == RILL_OK)
        rc = kafka_conf_number(peer, conf, "fetch.message.max.bytes",
                               RI_MIN(half, KAFKA_FETCH_BYTES));
    if (rc < 0) return rc;
    return kafka_conf_number(peer, conf, "queued.min.messages",
                             RI_MIN(RI_MAX(half / KAFKA_RECORD_BYTES, 1), KAFKA_QUEUED_MAX));
}

static int kafka_conf_fill(ri_kafka_peer *peer, rd_kafka_conf_t *conf, ri_kafka_role role,
                           const ri_kafka_reader *reader)
{
    const ri_kafka_setting brokers = {"bootstrap.servers", peer->brokers};
    const ri_kafka_setting log[] = {{"log.queue", "true"}, {"log_level", "4"}};
    bool produces = role == RI_KAFKA_PRODUCES || role == RI_KAFKA_TRANSACTS;
    int rc = kafka_conf_set_all(peer, conf, &brokers, 1);
    if (rc == RILL_OK) rc = kafka_conf_set_all(peer, conf, log, RI_LEN(log));
    if (rc == RILL_OK)
        rc = kafka_conf_set_all(peer, conf, kafka_conf_all, RI_LEN(kafka_conf_all));
    if (rc == RILL_OK && produces)
        rc = kafka_conf_set_all(peer, conf, kafka_conf_producer, RI_LEN(kafka_conf_producer));
    if (rc == RILL_OK && produces) rc = kafka_conf_bounds(peer, conf);
    if (rc == RILL_OK) rc = kafka_conf_set(peer, conf, "client.id", peer->name);
    if (rc == RILL_OK && !produces)
        rc = kafka_conf_set_all(peer, conf, kafka_conf_reader, RI_LEN(kafka_conf_reader));
    if (rc == RILL_OK && !produces)
        rc = kafka_conf_share(peer, conf, reader ? reader->share : KAFKA_FETCH_BYTES);
    if (rc == RILL_OK) rc = kafka_conf_security(peer, conf);
    return rc == RILL_OK && peer->config ? kafka_conf_lines(peer, conf) : rc;
}

/* What an instance that reads has to say of itself comes by peer->others: errors and lines of a
 * log, and nothing that anybody waits for. For librdkafka empties a queue by which an instance
 * spoke when that instance is destroyed, whoever else speaks by it. */
static void kafka_conf_forward(ri_kafka_peer *peer, rd_kafka_t *rk)
{
    rd_kafka_queue_t *main_queue = peer->lib.queue_get_main(rk);
    if (!main_queue) return;
    peer->lib.queue_forward(main_queue, peer->others);
    peer->lib.queue_destroy(main_queue);
}

static uint64_t kafka_conf_get_number(const ri_kafka_lib *lib, const rd_kafka_conf_t *conf,
                                      const char *key)
{
    char text[32];
    size_t size = sizeof text;
    uint64_t n;
    if (lib->conf_get(conf, key, text, &size)) return 0;
    return ri_number_read(ri_str_of(text), &n) ? n : 0;
}

/* What all settings together have made of the producer: its window, and who picks partitions for
 * records without a key, which is the program's affair if it has said anything of that. */
static void kafka_conf_learn(ri_kafka_peer *peer, rd_kafka_conf_t *conf)
{
    const ri_kafka_lib *lib = &peer->lib;
    char text[64], stays[32];
    size_t size = sizeof text, stays_size = sizeof stays;
    peer->window = kafka_conf_get_number(lib, conf, "queue.buffering.max.messages");
    if (peer->window == 0) peer->window = UINT64_MAX;
    rd_kafka_topic_conf_t *topics = lib->conf_get_default_topic_conf(conf);
    peer->picks = topics && !lib->conf_get(conf, "partitioner", text, &size) &&
                  strcmp(text, KAFKA_PARTITIONER) == 0 &&
                  !lib->conf_get(conf, "sticky.partitioning.linger.ms", stays, &stays_size) &&
                  strcmp(stays, "0") == 0;
    if (!peer->picks) return;
    lib->topic_conf_set_partitioner_cb(topics, ri_kafka_send_partition);
    lib->topic_conf_set_opaque(topics, peer);
}

/* When a queue of a reader counts as full, for a librdkafka that has to be woken then. */
static void kafka_conf_learn_full(ri_kafka_peer *peer, const rd_kafka_conf_t *conf,
                                  ri_kafka_reader *reader)
{
    const ri_kafka_lib *lib = &peer->lib;
    if (lib->version() >= KAFKA_LOOKS_AGAIN) return;
    reader->full_msgs = kafka_conf_get_number(lib, conf, "queued.min.messages");
    reader->full_bytes = kafka_conf_get_number(lib, conf, "queued.max.messages.kbytes") * 1024;
}

/* By which events an instance speaks, and what its settings have come to. The one for batches is
 * polled by who makes one, and by nobody else. */
static void kafka_conf_hear(ri_kafka_peer *peer, rd_kafka_conf_t *conf, ri_kafka_role role,
                            ri_kafka_reader *reader)
{
    int events = RD_KAFKA_EVENT_LOG;
    if (role == RI_KAFKA_PRODUCES) {
        kafka_conf_learn(peer, conf);
        events |= RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR;
    } else if (role == RI_KAFKA_TRANSACTS) {
        ri_kafka_txn_conf(peer, conf);
    } else {
        if (reader) kafka_conf_learn_full(peer, conf, reader);
        events |= RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_OFFSET_COMMIT;
    }
    peer->lib.conf_set_events(conf, events);
}

int ri_kafka_conf_new(ri_kafka_peer *peer, ri_kafka_role role, const ri_kafka_setting *settings,
                      size_t n, ri_kafka_reader *reader, rd_kafka_t **rk)
{
    const ri_kafka_lib *lib = &peer->lib;
    rd_kafka_conf_t *conf = lib->conf_new();
    char why[256];
    RI_ASSERT(peer->brokers && peer->name && (role != RI_KAFKA_COMMITS || reader));
    if (!conf) return ri_err_nomem(0);
    int rc = kafka_conf_fill(peer, conf, role, reader);
    if (rc == RILL_OK) rc = kafka_conf_set_all(peer, conf, settings, n);
    if (rc < 0) {
        lib->conf_destroy(conf);
        return rc;
    }
    lib->conf_set_opaque(conf, reader);
    kafka_conf_hear(peer, conf, role, reader);
    if (role == RI_KAFKA_COMMITS) lib->conf_set_rebalance_cb(conf, ri_kafka_group_rebalance);
    bool produces = role == RI_KAFKA_PRODUCES || role == RI_KAFKA_TRANSACTS;
    *rk = lib->new(produces ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (!*rk) {
        lib->conf_destroy(conf);
        return ri_err(RILL_EINVAL, "kafka_config: %s", why);
    }
    lib->set_log_queue(*rk, role == RI_KAFKA_PRODUCES ? peer->queue : peer->others);
    if (!produces) kafka_conf_forward(peer, *rk);
    return RILL_OK;
}
