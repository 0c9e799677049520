/* SPDX-License-Identifier: Apache-2.0 */
/* Which requests are served, in which versions: these are announced, and no others. */
#include "front/kafka/kafka_serve.h"

#include "base/assert.h"
#include "base/base64.h"
#include "base/error.h"
#include "base/hash.h"
#include "front/broker/durable.h"

enum { SERVE_PADDING = 2 }; /* "==" behind an id in base64 */

static const ri_kafka_served serve_kinds[] = { /* by their keys */
    /* Clients that see no version 0 of it do not compress. */
    {RI_KAFKA_PRODUCE, 3, 13, 0, true, ri_kafka_produce_step, ri_kafka_produce_drop},
    {RI_KAFKA_FETCH, 4, 18, 4, false, ri_kafka_fetch_step, ri_kafka_fetch_drop},
    {RI_KAFKA_LIST_OFFSETS, 1, 11, 1, false, ri_kafka_offsets_list_step, NULL},
    {RI_KAFKA_METADATA, 0, 13, 0, false, ri_kafka_metadata_step, ri_kafka_metadata_drop},
    {RI_KAFKA_OFFSET_COMMIT, 2, 10, 2, false, ri_kafka_commits_step, ri_kafka_commits_drop},
    {RI_KAFKA_OFFSET_FETCH, 1, 10, 1, false, ri_kafka_positions_step, ri_kafka_positions_drop},
    {RI_KAFKA_FIND_COORDINATOR, 0, 6, 0, false, ri_kafka_groups_find_step, NULL},
    {RI_KAFKA_JOIN_GROUP, 0, 9, 0, false, ri_kafka_members_join_step, ri_kafka_members_join_drop},
    {RI_KAFKA_HEARTBEAT, 0, 4, 0, false, ri_kafka_members_beat_step, NULL},
    {RI_KAFKA_LEAVE_GROUP, 0, 5, 0, false, ri_kafka_members_leave_step, ri_kafka_members_drop},
    {RI_KAFKA_SYNC_GROUP, 0, 5, 0, false, ri_kafka_members_sync_step, ri_kafka_members_drop},
    {RI_KAFKA_DESCRIBE_GROUPS, 0, 6, 0, false, ri_kafka_groups_describe_step, NULL},
    {RI_KAFKA_LIST_GROUPS, 0, 5, 0, false, ri_kafka_groups_list_step, ri_kafka_groups_list_drop},
    {RI_KAFKA_SASL_HANDSHAKE, 0, 1, 0, false, ri_kafka_admin_sasl_step, NULL},
    {RI_KAFKA_API_VERSIONS, 0, 5, 0, false, ri_kafka_serve_versions, NULL},
    {RI_KAFKA_CREATE_TOPICS, 2, 7, 2, false, ri_kafka_create_step, ri_kafka_create_drop},
    {RI_KAFKA_DELETE_TOPICS, 1, 6, 1, false, ri_kafka_delete_step, ri_kafka_delete_drop},
    {RI_KAFKA_DELETE_RECORDS, 0, 2, 0, false, ri_kafka_offsets_delete_step, ri_kafka_offsets_drop},
    {RI_KAFKA_INIT_PRODUCER_ID, 0, 5, 0, false, ri_kafka_producer_id_step, NULL},
    {RI_KAFKA_OFFSET_FOR_LEADER_EPOCH, 2, 4, 2, false, ri_kafka_offsets_epoch_step, NULL},
    {RI_KAFKA_DESCRIBE_ACLS, 1, 3, 1, false, ri_kafka_admin_acls_step, NULL},
    {RI_KAFKA_CREATE_ACLS, 1, 3, 1, false, ri_kafka_admin_allow_step, NULL},
    {RI_KAFKA_DELETE_ACLS, 1, 3, 1, false, ri_kafka_admin_disallow_step, NULL},
    {RI_KAFKA_DESCRIBE_CONFIGS, 1, 4, 1, false, ri_kafka_settings_step, NULL},
    {RI_KAFKA_ALTER_CONFIGS, 0, 2, 0, false, ri_kafka_alter_step, ri_kafka_alter_drop},
    {RI_KAFKA_ALTER_REPLICA_LOG_DIRS, 1, 2, 1, false, ri_kafka_admin_move_step, NULL},
    {RI_KAFKA_DESCRIBE_LOG_DIRS, 1, 5, 1, false, ri_kafka_admin_dirs_step, NULL},
    {RI_KAFKA_SASL_AUTHENTICATE, 0, 2, 0, false, ri_kafka_admin_authenticate_step, NULL},
    {RI_KAFKA_CREATE_PARTITIONS, 0, 3, 0, false, ri_kafka_create_more_step, ri_kafka_create_drop},
    {RI_KAFKA_DELETE_GROUPS, 0, 3, 0, false, ri_kafka_groups_delete_step,
     ri_kafka_groups_delete_drop},
    {RI_KAFKA_ELECT_LEADERS, 0, 2, 0, false, ri_kafka_admin_elect_step, NULL},
    {RI_KAFKA_INCREMENTAL_ALTER_CONFIGS, 0, 1, 0, false, ri_kafka_alter_step, ri_kafka_alter_drop},
    {RI_KAFKA_ALTER_PARTITION_REASSIGNMENTS, 0, 1, 0, false, ri_kafka_admin_reassign_step, NULL},
    {RI_KAFKA_LIST_PARTITION_REASSIGNMENTS, 0, 0, 0, false, ri_kafka_admin_moving_step, NULL},
    {RI_KAFKA_OFFSET_DELETE, 0, 0, 0, false, ri_kafka_commits_erase_step,
     ri_kafka_commits_erase_drop},
    {RI_KAFKA_DESCRIBE_CLIENT_QUOTAS, 0, 1, 0, false, ri_kafka_admin_quotas_step, NULL},
    {RI_KAFKA_DESCRIBE_USER_SCRAM_CREDENTIALS, 0, 0, 0, false, ri_kafka_admin_scram_step, NULL},
    {RI_KAFKA_DESCRIBE_QUORUM, 0, 2, 0, false, ri_kafka_admin_quorum_step, NULL},
    {RI_KAFKA_DESCRIBE_CLUSTER, 0, 2, 0, false, ri_kafka_cluster_step, NULL},
    {RI_KAFKA_DESCRIBE_PRODUCERS, 0, 0, 0, false, ri_kafka_admin_producers_step, NULL},
    {RI_KAFKA_LIST_TRANSACTIONS, 0, 2, 0, false, ri_kafka_admin_transactions_step, NULL},
    {RI_KAFKA_CONSUMER_GROUP_HEARTBEAT, 0, 1, 0, false, ri_kafka_modern_pulse_step,
     ri_kafka_modern_pulse_drop},
    {RI_KAFKA_CONSUMER_GROUP_DESCRIBE, 0, 1, 0, false, ri_kafka_modern_describe_step, NULL},
    {RI_KAFKA_LIST_CONFIG_RESOURCES, 0, 1, 0, false, ri_kafka_settings_list_step, NULL},
    {RI_KAFKA_DESCRIBE_TOPIC_PARTITIONS, 0, 0, 0, false, ri_kafka_admin_topics_step, NULL},
};

const ri_kafka_served *ri_kafka_served_at(size_t i)
{
    return i < RI_LEN(serve_kinds) ? &serve_kinds[i] : NULL;
}

const ri_kafka_served *ri_kafka_served_of(int16_t key)
{
    for (size_t i = 0; i < RI_LEN(serve_kinds); i++)
        if (serve_kinds[i].key == key) return &serve_kinds[i];
    return NULL;
}

/* ---- What they share ---- */

ri_js *ri_kafka_serve_js(const ri_kafka_request *r)
{
    ri_durable *durable = r->session->server->broker->durable;
    RI_ASSERT(durable);
    return ri_durable_js(durable);
}

bool ri_kafka_serve_copy(ri_kafka_request *r, ri_str s, ri_str *out)
{
    RI_ASSERT(r);
    *out = s;
    if (!s.ptr) return true;
    out->ptr = ri_kafka_request_copy(r, s);
    return out->ptr != NULL;
}

bool ri_kafka_serve_why(ri_kafka_request *r, ri_str *out)
{
    return ri_kafka_serve_copy(r, ri_str_of(ri_err_text()), out);
}

ri_kafka_error ri_kafka_serve_error(ri_kafka_error error, const char *sentence)
{
    RI_ASSERT(error != RI_KAFKA_E_NONE && sentence);
    ri_err(RILL_EINVAL, "%s", sentence);
    return error;
}

ri_str ri_kafka_serve_host(const ri_kafka_session *s)
{
    const ri_listener *l = s->at->listener;
    return ri_str_of(l->advertise ? l->advertise : s->host);
}

int32_t ri_kafka_serve_port(const ri_kafka_session *s)
{
    const ri_listener *l = s->at->listener;
    return l->advertise && l->advertise_port ? l->advertise_port : l->port;
}

ri_str ri_kafka_serve_client(const ri_kafka_request *r)
{
    return r->head.client_id.ptr ? r->head.client_id : RI_STR("");
}

/* As Kafka says it: behind a slash, without the port. */
ri_str ri_kafka_serve_client_host(ri_kafka_request *r)
{
    const char *peer = r->session->peer, *colon = strrchr(peer, ':');
    size_t len = colon ? (size_t)(colon - peer) : strlen(peer);
    bool bracket = len >= 2 && peer[0] == '[' && peer[len - 1] == ']';
    char *text = ri_kafka_request_alloc(r, len + 1);
    if (!text) return RI_STR("");
    text[0] = '/';
    memcpy(text + 1, peer + bracket, len - 2 * bracket);
    return (ri_str){text, 1 + len - 2 * bracket};
}

/* Of the store, so that it stays; without one on disk, of this process. */
ri_str ri_kafka_serve_cluster(ri_kafka_request *r)
{
    const ri_broker *broker = r->session->server->broker;
    uint64_t of[2] = {ri_durable_id(broker->durable), 0};
    if (of[0] == 0) of[0] = ri_hash_plain(broker->keys.id, sizeof broker->keys.id);
    of[1] = ri_hash_plain(of, sizeof of);
    ri_buffer text;
    ri_buffer_init(&text, &broker->host);
    ri_base64_put_url(&text, (ri_str){(const char *)of, sizeof of});
    ri_str id = RI_STR_NONE;
    ri_str padded = ri_buffer_str(&text);
    padded.len -= RI_MIN(padded.len, (size_t)SERVE_PADDING);
    ri_kafka_serve_copy(r, padded, &id);
    ri_buffer_fini(&text);
    return id;
}

ri_str ri_kafka_serve_dir(const ri_durable *durable)
{
    const char *dir = ri_durable_dir(durable);
    return dir ? ri_str_of(dir) : RI_STR("memory");
}

ri_kafka_error ri_kafka_serve_epoch(int32_t epoch)
{
    if (epoch < 0 || epoch == RI_KAFKA_EPOCH) return RI_KAFKA_E_NONE;
    return epoch < RI_KAFKA_EPOCH ? RI_KAFKA_E_FENCED_EPOCH : RI_KAFKA_E_UNKNOWN_EPOCH;
}

/* ---- Commits ---- */

static void serve_committed(ri_js_waiter *waiter, int rc)
{
    ri_kafka_commit *commit = ri_container_of(waiter, ri_kafka_commit, waiter);
    commit->waits = false;
    commit->rc = rc;
    ri_kafka_request_ready(commit->r);
}

static void serve_commit(ri_kafka_request *r, ri_kafka_commit *commit)
{
    RI_ASSERT(!commit->waits);
    commit->waiter.done = serve_committed;
    commit->r = r;
    commit->waits = true;
    r->session->server->stored = true;
    ri_js_wait(ri_kafka_serve_js(r), NULL, &commit->waiter); /* the log of the catalogue */
}

bool ri_kafka_serve_stores(ri_kafka_request *r, ri_kafka_commit *commit, bool *made)
{
    RI_ASSERT(!(*made && commit->waits));
    if (*made) serve_commit(r, commit);
    *made = false;
    return commit->waits;
}

void ri_kafka_serve_forget(ri_kafka_commit *commit)
{
    ri_list_remove(&commit->waiter.link);
    commit->waits = false;
}

/* ---- ApiVersions ---- */

static bool serve_is_word(ri_str s)
{
    bool end = true;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        end = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!end && (i == 0 || (c != '-' && c != '.'))) return false;
    }
    return s.len && end;
}

static void serve_note_software(ri_kafka_session *s, const ri_kafka_api_versions_request *q)
{
    enum { WORD_MAX = 64 };
    const ri_host *host = &s->server->broker->host;
    char text[2 * WORD_MAX + 2];
    int n = snprintf(text, sizeof text, "%.*s %.*s",
                     (int)RI_MIN(q->client_software_name.len, (size_t)WORD_MAX),
                     q->client_software_name.ptr,
                     (int)RI_MIN(q->client_software_version.len, (size_t)WORD_MAX),
                     q->client_software_version.ptr);
    if (s->client) ri_free(host, s->client, strlen(s->client) + 1);
    s->client = ri_strdup(host, text, (size_t)n); /* without is well, too */
}

static ri_kafka_error serve_check_versions(ri_kafka_request *r)
{
    const ri_kafka_api_versions_request *q = r->body;
    if (!q) return RI_KAFKA_E_UNSUPPORTED_VERSION;
    if (r->head.version < 3) return RI_KAFKA_E_NONE;
    if (!serve_is_word(q->client_software_name) || !serve_is_word(q->client_software_version))
        return RI_KAFKA_E_INVALID_REQUEST;
    serve_note_software(r->session, q);
    if (!q->cluster_id.ptr) return RI_KAFKA_E_NONE;
    bool here = ri_str_eq(q->cluster_id, ri_kafka_serve_cluster(r)) &&
                (q->node_id == -1 || q->node_id == RI_KAFKA_NODE);
    return here ? RI_KAFKA_E_NONE : RI_KAFKA_E_REBOOTSTRAP;
}

bool ri_kafka_serve_versions(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r));
    ri_kafka_api_versions_answer answer;
    ri_kafka_error error = serve_check_versions(r);
    bool one = error == RI_KAFKA_E_UNSUPPORTED_VERSION;
    size_t n = error == RI_KAFKA_E_NONE ? RI_LEN(serve_kinds) : one;
    const ri_kafka_served *kinds = one ? r->kind : serve_kinds;
    ri_kafka_blank(ri_kafka_api_versions_answer_type(), &answer);
    answer.error_code = (int16_t)error;
    if (!RI_KAFKA_SERVE_LIST(r, &answer.api_keys, api_versions_answer_api_key, n)) return false;
    for (size_t i = 0; i < n; i++)
        answer.api_keys.items[i] = (ri_kafka_api_versions_answer_api_key){
            kinds[i].key, kinds[i].announced, kinds[i].last};
    ri_kafka_request_answer(r, &answer);
    return false;
}
