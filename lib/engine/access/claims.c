/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/access/claims.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/error.h"
#include "codec/limits.h"
#include "codec/subject/subject.h"
#include "codec/web/nkey.h"

enum { CLAIMS_FULL = 100 }; /* per cent */

static int claims_refuse(const char *field, const char *why)
{
    return ri_err(RILL_EINVAL, "\"%s\" of that JWT %s", field, why);
}

static int claims_flag(ri_json object, const char *name, bool *out)
{
    ri_json value = ri_json_get(object, name);
    *out = ri_json_bool(value);
    if (ri_json_kind_of(value) == RI_JSON_NULL || ri_json_kind_of(value) == RI_JSON_BOOL)
        return RILL_OK;
    return claims_refuse(name, "is neither true nor false");
}

/* Absent: `otherwise`. */
static int claims_number(ri_json object, const char *name, int64_t otherwise, int64_t *out)
{
    ri_json value = ri_json_get(object, name);
    ri_json_kind kind = ri_json_kind_of(value);
    *out = kind == RI_JSON_NULL ? otherwise : ri_json_integer(value);
    if (kind == RI_JSON_NULL || (kind == RI_JSON_INTEGER && *out >= -1)) return RILL_OK;
    return claims_refuse(name, "is no number from -1 on");
}

static int claims_string(ri_json object, const char *name, ri_arena *arena, ri_str *out)
{
    ri_json value = ri_json_get(object, name);
    *out = RI_STR("");
    if (ri_json_kind_of(value) == RI_JSON_NULL) return RILL_OK;
    if (ri_json_kind_of(value) != RI_JSON_STRING) return claims_refuse(name, "is no text");
    return ri_jwt_string(value, arena, out);
}

static int claims_object(ri_json object, const char *name, ri_json *out)
{
    *out = ri_json_get(object, name);
    ri_json_kind kind = ri_json_kind_of(*out);
    if (kind == RI_JSON_NULL || kind == RI_JSON_OBJECT) return RILL_OK;
    return claims_refuse(name, "is no object");
}

/* Room for the items of an array, or members of an object, of which there may be `max`. */
static int claims_room(ri_json value, const char *name, size_t max, size_t size, ri_arena *arena,
                       void *out)
{
    size_t n = ri_json_len(value);
    if (n > max) return ri_err(RILL_ETOOBIG, "\"%s\" of that JWT has %zu items; at most %zu", name,
                               n, max);
    void *room = ri_arena_alloc(arena, ri_size_mul(n ? n : 1, size));
    if (!room) return RILL_ENOMEM;
    memset(room, 0, ri_size_mul(n ? n : 1, size));
    *(void **)out = room;
    return RILL_OK;
}

static int claims_texts(ri_json object, const char *name, size_t max, ri_arena *arena,
                        ri_claims_texts *out)
{
    ri_json value = ri_json_get(object, name), item;
    *out = (ri_claims_texts){0};
    if (ri_json_kind_of(value) == RI_JSON_NULL) return RILL_OK;
    if (ri_json_kind_of(value) != RI_JSON_ARRAY) return claims_refuse(name, "is no array");
    int rc = claims_room(value, name, max, sizeof *out->at, arena, &out->at);
    if (rc < 0) return rc;
    for (ri_json rest = ri_json_first(value); ri_json_item(&rest, &item);) {
        ri_str text;
        if (ri_json_kind_of(item) != RI_JSON_STRING) return claims_refuse(name, "has no texts");
        if ((rc = ri_jwt_string(item, arena, &text)) < 0) return rc;
        out->at[out->n++] = text.ptr;
    }
    return RILL_OK;
}

/* ---- Rights ---- */

static int claims_side(ri_json object, const char *name, ri_arena *arena, ri_claims_texts *allow,
                       ri_claims_texts *deny)
{
    ri_json side;
    int rc = claims_object(object, name, &side);
    if (rc == RILL_OK) rc = claims_texts(side, "allow", RI_LIMIT_RULES, arena, allow);
    return rc < 0 ? rc : claims_texts(side, "deny", RI_LIMIT_RULES, arena, deny);
}

static int claims_answers(ri_json object, ri_claims_rights *out)
{
    ri_json answers, ttl;
    int rc = claims_object(object, "resp", &answers);
    if (rc < 0) return rc;
    out->answers = ri_json_kind_of(answers) == RI_JSON_OBJECT;
    if ((rc = claims_number(answers, "max", 0, &out->answers_max)) < 0) return rc;
    ttl = ri_json_get(answers, "ttl");
    out->answers_ns = ri_json_integer(ttl);
    if (ri_json_kind_of(ttl) == RI_JSON_NULL || ri_json_kind_of(ttl) == RI_JSON_INTEGER)
        return RILL_OK;
    return claims_refuse("ttl", "is no number of nanoseconds");
}

static int claims_permissions(ri_json object, ri_arena *arena, ri_claims_rights *out)
{
    int rc = claims_side(object, "pub", arena, &out->publish_allow, &out->publish_deny);
    if (rc == RILL_OK)
        rc = claims_side(object, "sub", arena, &out->subscribe_allow, &out->subscribe_deny);
    if (rc == RILL_OK) rc = claims_answers(object, out);
    out->any = out->publish_allow.n || out->publish_deny.n || out->subscribe_allow.n ||
               out->subscribe_deny.n || out->answers;
    return rc;
}

/* "10.0.0.0/8,192.168.0.0/16", as version 1 had it, is not taken for a network. */
static int claims_where_and_when(ri_json object, ri_arena *arena, ri_claims_rights *out)
{
    int rc = claims_texts(object, "allowed_connection_types", RI_LIMIT_JWT_ITEMS, arena,
                          &out->types);
    if (rc == RILL_OK) rc = claims_texts(object, "src", RI_LIMIT_JWT_ITEMS, arena, &out->networks);
    if (rc == RILL_OK) rc = claims_string(object, "times_location", arena, &out->place);
    out->times = ri_json_get(object, "times");
    bool none = ri_json_kind_of(out->times) == RI_JSON_NULL;
    if (rc < 0 || none) return rc;
    if (ri_json_kind_of(out->times) != RI_JSON_ARRAY) return claims_refuse("times", "is no array");
    return ri_json_len(out->times) > RI_LIMIT_JWT_ITEMS ? claims_refuse("times", "has too many")
                                                        : RILL_OK;
}

/* What a scoped key says for those whom it signs, or a user's own claims. */
static int claims_rights(ri_json object, ri_arena *arena, ri_claims_rights *out, bool *proxy)
{
    int64_t data;
    *out = (ri_claims_rights){0};
    int rc = claims_permissions(object, arena, out);
    if (rc == RILL_OK) rc = claims_where_and_when(object, arena, out);
    if (rc == RILL_OK) rc = claims_flag(object, "bearer_token", &out->bearer);
    if (rc == RILL_OK) rc = claims_flag(object, "proxy_required", proxy);
    if (rc == RILL_OK) rc = claims_number(object, "subs", 0, &out->subs);
    if (rc == RILL_OK) rc = claims_number(object, "payload", 0, &out->payload);
    if (rc == RILL_OK) rc = claims_number(object, "data", 0, &data);
    if (rc < 0) return rc;
    out->any = out->any || out->types.n || out->networks.n || ri_json_len(out->times) ||
               out->place.len || out->bearer || *proxy || out->subs || out->payload || data;
    return RILL_OK;
}

/* ---- The operator ---- */

static int claims_is_of(const ri_jwt *jwt, const char *type, char issuer, char subject)
{
    if (!ri_str_is(jwt->type, type))
        return ri_err(RILL_EINVAL, "that JWT is of type \"%.32s\", and not of \"%s\"",
                      jwt->type.ptr, type);
    if (ri_nkey_kind(jwt->issuer) != issuer || ri_nkey_kind(jwt->subject) != subject)
        return ri_err(RILL_EINVAL, "that JWT of type \"%s\" is not about a key %c, by a key %c",
                      type, subject, issuer);
    return RILL_OK;
}

static int claims_check_keys(const ri_claims_texts *keys, const char *name, char kind)
{
    for (size_t i = 0; i < keys->n; i++)
        if (ri_nkey_kind(ri_str_of(keys->at[i])) != kind)
            return claims_refuse(name, "has what is no key of that kind");
    return RILL_OK;
}

int ri_claims_read_operator(ri_claims_operator *out, const ri_jwt *jwt, ri_arena *arena)
{
    RI_ASSERT(jwt->issuer.len);
    *out = (ri_claims_operator){.key = jwt->subject};
    int rc = claims_is_of(jwt, "operator", 'O', 'O');
    if (rc == RILL_OK)
        rc = claims_texts(jwt->nats, "signing_keys", RI_LIMIT_OPERATORS, arena, &out->signers);
    if (rc == RILL_OK) rc = claims_check_keys(&out->signers, "signing_keys", 'O');
    if (rc == RILL_OK)
        rc = claims_string(jwt->nats, "system_account", arena, &out->system_account);
    if (rc == RILL_OK) rc = claims_flag(jwt->nats, "strict_signing_key_usage", &out->strict);
    if (rc < 0) return rc;
    if (out->system_account.len && ri_nkey_kind(out->system_account) != 'A')
        return claims_refuse("system_account", "is no public key of an account");
    return RILL_OK;
}

/* ---- An account ---- */

static int64_t claims_or_none(int64_t limit)
{
    return limit ? limit : -1;
}

static int claims_streams(ri_json limits, ri_js_account_limits *out)
{
    int rc = claims_number(limits, "mem_storage", 0, &out->max_memory);
    if (rc == RILL_OK) rc = claims_number(limits, "disk_storage", 0, &out->max_storage);
    if (rc == RILL_OK) rc = claims_number(limits, "streams", 0, &out->max_streams);
    if (rc == RILL_OK) rc = claims_number(limits, "consumer", 0, &out->max_consumers);
    if (rc == RILL_OK) rc = claims_number(limits, "max_ack_pending", 0, &out->max_ack_pending);
    if (rc == RILL_OK)
        rc = claims_number(limits, "mem_max_stream_bytes", 0, &out->memory_max_stream_bytes);
    if (rc == RILL_OK)
        rc = claims_number(limits, "disk_max_stream_bytes", 0, &out->storage_max_stream_bytes);
    if (rc == RILL_OK) rc = claims_flag(limits, "max_bytes_required", &out->max_bytes_required);
    out->max_streams = claims_or_none(out->max_streams);
    out->max_consumers = claims_or_none(out->max_consumers);
    out->max_ack_pending = claims_or_none(out->max_ack_pending);
    out->memory_max_stream_bytes = claims_or_none(out->memory_max_stream_bytes);
    out->storage_max_stream_bytes = claims_or_none(out->storage_max_stream_bytes);
    return rc;
}

/* A broker that is one server has streams of one replica: of tiers, R1 is meant. */
static int claims_limits(ri_claims_account *out, ri_json nats)
{
    ri_json limits, tiers, tier;
    int rc = claims_object(nats, "limits", &limits);
    if (rc == RILL_OK) rc = claims_number(limits, "conn", 0, &out->conns);
    if (rc == RILL_OK) rc = claims_number(limits, "subs", 0, &out->subs);
    if (rc == RILL_OK) rc = claims_number(limits, "payload", 0, &out->payload);
    if (rc == RILL_OK) rc = claims_flag(limits, "disallow_bearer", &out->no_bearer);
    if (rc == RILL_OK) rc = claims_object(limits, "tiered_limits", &tiers);
    if (rc == RILL_OK) rc = claims_object(tiers, "R1", &tier);
    if (rc < 0) return rc;
    bool tiered = ri_json_len(tiers) > 0;
    rc = claims_streams(tiered ? tier : limits, &out->streams);
    out->jetstream = out->streams.max_memory != 0 || out->streams.max_storage != 0;
    return rc;
}

static int claims_scope(ri_json object, ri_arena *arena, ri_claims_signer *out)
{
    ri_str kind, key;
    ri_json template;
    bool proxy;
    int rc = claims_string(object, "kind", arena, &kind);
    if (rc == RILL_OK) rc = claims_string(object, "key", arena, &key);
    if (rc == RILL_OK) rc = claims_object(object, "template", &template);
    if (rc < 0) return rc;
    if (!ri_str_is(kind, "user_scope"))
        return ri_err(RILL_EINVAL, "unknown signing key scope \"%.64s\"", kind.ptr);
    ri_claims_rights *rights = ri_arena_alloc(arena, sizeof *rights);
    if (!rights) return RILL_ENOMEM;
    rc = claims_rights(template, arena, rights, &proxy);
    *out = (ri_claims_signer){key.ptr, rights};
    return rc < 0 || !proxy ? rc : claims_refuse("proxy_required", "is not supported");
}

static int claims_signers(ri_claims_account *out, ri_json nats, ri_arena *arena)
{
    ri_json keys = ri_json_get(nats, "signing_keys"), item;
    ri_str key;
    int rc = RILL_OK;
    if (ri_json_kind_of(keys) == RI_JSON_NULL) return RILL_OK;
    if (ri_json_kind_of(keys) != RI_JSON_ARRAY) return claims_refuse("signing_keys", "is no array");
    rc = claims_room(keys, "signing_keys", RI_LIMIT_JWT_KEYS, sizeof *out->signers, arena,
                     &out->signers);
    for (ri_json rest = ri_json_first(keys); rc == RILL_OK && ri_json_item(&rest, &item);) {
        ri_claims_signer *signer = &out->signers[out->nsigners++];
        if (ri_json_kind_of(item) == RI_JSON_OBJECT) {
            rc = claims_scope(item, arena, signer);
        } else {
            rc = ri_jwt_string(item, arena, &key);
            *signer = (ri_claims_signer){key.ptr, NULL};
        }
        if (rc == RILL_OK && ri_nkey_kind(ri_str_of(signer->key)) != 'A')
            rc = claims_refuse("signing_keys", "has what is no key of an account");
    }
    return rc;
}

static int claims_by_key(const void *a, const void *b)
{
    const ri_claims_revoked *left = a, *right = b;
    return strcmp(left->key, right->key);
}

static int claims_revocations(ri_json object, ri_arena *arena, ri_claims_revoked **revoked,
                              size_t *nrevoked)
{
    ri_json all, name, value;
    ri_str key;
    size_t n = 0;
    int rc = claims_object(object, "revocations", &all);
    if (rc == RILL_OK)
        rc = claims_room(all, "revocations", RI_LIMIT_JWT_REVOCATIONS, sizeof **revoked, arena,
                         revoked);
    ri_json rest = ri_json_first(all);
    while (rc == RILL_OK && ri_json_member(&rest, &name, &value)) {
        if (ri_json_kind_of(value) != RI_JSON_INTEGER)
            return claims_refuse("revocations", "has what is no time");
        if ((rc = ri_jwt_string(name, arena, &key)) == RILL_OK)
            (*revoked)[n++] = (ri_claims_revoked){key.ptr, ri_json_integer(value)};
    }
    if (n) qsort(*revoked, n, sizeof **revoked, claims_by_key);
    *nrevoked = n;
    return rc;
}

/* Where a share is for a cluster, it is not for this server, which is in none. */
static int claims_mapping(ri_claims_account *out, ri_json to, ri_str from, ri_arena *arena)
{
    ri_str subject, cluster;
    int64_t weight;
    int rc = claims_string(to, "subject", arena, &subject);
    if (rc == RILL_OK) rc = claims_string(to, "cluster", arena, &cluster);
    if (rc == RILL_OK) rc = claims_number(to, "weight", 0, &weight);
    if (rc < 0 || cluster.len) return rc;
    if (weight < 0 || weight > CLAIMS_FULL) return claims_refuse("weight", "is above 100");
    out->mappings[out->nmappings++] =
        (rill_mapping){.size = sizeof(rill_mapping), .from = from.ptr, .to = subject.ptr,
                       .percent = (uint32_t)weight};
    return RILL_OK;
}

static int claims_mappings(ri_claims_account *out, ri_json nats, ri_arena *arena)
{
    ri_json all, name, list, to;
    ri_str from;
    size_t n = 0;
    int rc = claims_object(nats, "mappings", &all);
    if (rc < 0) return rc;
    for (ri_json rest = ri_json_first(all); ri_json_member(&rest, &name, &list);)
        n += ri_json_len(list);
    if (n > RI_LIMIT_MAPPINGS) return claims_refuse("mappings", "are more than 1024");
    if (n) out->mappings = ri_arena_alloc(arena, ri_size_mul(n, sizeof *out->mappings));
    if (n && !out->mappings) return RILL_ENOMEM;
    for (ri_json rest = ri_json_first(all); ri_json_member(&rest, &name, &list);) {
        if ((rc = ri_jwt_string(name, arena, &from)) < 0) return rc;
        if (ri_json_kind_of(list) != RI_JSON_ARRAY) return claims_refuse("mappings", "is no array");
        for (ri_json at = ri_json_first(list); rc == RILL_OK && ri_json_item(&at, &to);)
            rc = claims_mapping(out, to, from, arena);
        if (rc < 0) return rc;
    }
    RI_ASSERT(out->nmappings <= n);
    return RILL_OK;
}

/* ---- What others may have, and what it has of others ---- */

static int claims_kind(ri_json object, ri_arena *arena, bool *service)
{
    ri_str kind;
    int rc = claims_string(object, "type", arena, &kind);
    if (rc < 0) return rc;
    *service = ri_str_is(kind, "service");
    if (*service || ri_str_is(kind, "stream")) return RILL_OK;
    return claims_refuse("type", "is neither stream nor service");
}

static int claims_answers_of(rill_export *row, ri_json object, ri_arena *arena)
{
    ri_str type;
    int64_t threshold_ns;
    int rc = claims_string(object, "response_type", arena, &type);
    if (rc == RILL_OK) rc = claims_number(object, "response_threshold", 0, &threshold_ns);
    if (rc < 0 || !row->service) return rc;
    if (ri_str_is(type, "Stream")) row->answers = RILL_ANSWERS_STREAM;
    else if (ri_str_is(type, "Chunked")) row->answers = RILL_ANSWERS_CHUNKED;
    else if (type.len && !ri_str_is(type, "Singleton"))
        return claims_refuse("response_type", "is none of Singleton, Stream and Chunked");
    if (threshold_ns > 0)
        row->answer_ms = (uint32_t)RI_MIN(RI_MAX(threshold_ns / RI_MS, 1), (int64_t)UINT32_MAX);
    return RILL_OK;
}

/* "sampling" is a number of percent, 0 where headers alone ask for it. Samples that nobody could
 * hear are not made: for them no account is refused, and no broker that has it. */
static int claims_latency(rill_export *row, ri_str subject, ri_json object, ri_arena *arena)
{
    ri_str results;
    ri_json latency = ri_json_get(object, "service_latency"), sampling;
    if (ri_json_kind_of(latency) == RI_JSON_NULL || !row->service) return RILL_OK;
    if (ri_json_kind_of(latency) != RI_JSON_OBJECT)
        return claims_refuse("service_latency", "is no object");
    int rc = claims_string(latency, "results", arena, &results);
    if (rc < 0) return rc;
    sampling = ri_json_get(latency, "sampling");
    int64_t percent = ri_json_integer(sampling);
    if (ri_json_is(sampling, RI_STR("headers"))) percent = 0;
    else if (percent < 0 || percent > 100) return claims_refuse("sampling", "is not 0 to 100");
    if (!results.len) return claims_refuse("results", "is no subject");
    if (row->answers != RILL_ANSWERS_ONE || !ri_subject_is_literal(results) ||
        !ri_subject_is_filter(subject) || ri_subject_overlaps(subject, results))
        return RILL_OK;
    row->latency_subject = results.ptr;
    row->latency_percent = (uint32_t)percent;
    return RILL_OK;
}

static int claims_export(ri_claims_export *out, ri_json object, ri_arena *arena)
{
    ri_str subject;
    int64_t token;
    out->row.size = sizeof out->row;
    int rc = claims_string(object, "subject", arena, &subject);
    if (rc == RILL_OK) rc = claims_kind(object, arena, &out->row.service);
    if (rc == RILL_OK) rc = claims_flag(object, "token_req", &out->by_token);
    if (rc == RILL_OK) rc = claims_number(object, "account_token_position", 0, &token);
    if (rc == RILL_OK) rc = claims_answers_of(&out->row, object, arena);
    if (rc == RILL_OK) rc = claims_latency(&out->row, subject, object, arena);
    if (rc == RILL_OK) rc = claims_revocations(object, arena, &out->revoked, &out->nrevoked);
    if (rc < 0) return rc;
    out->row.subject = subject.ptr;
    out->row.account_token = (uint32_t)RI_MIN(RI_MAX(token, 0), (int64_t)UINT32_MAX);
    return RILL_OK;
}

/* "to" is what was there before "local_subject": of a stream a prefix, of a service the subject at
 * the exporter, "subject" being that of the importer. */
static int claims_import_to(rill_import *row, ri_str subject, ri_str to, ri_str local,
                            ri_arena *arena)
{
    row->subject = subject.ptr;
    if (local.len) row->to = local.ptr;
    if (local.len || !to.len) return RILL_OK;
    if (row->service) {
        if (memchr(to.ptr, '$', to.len))
            return claims_refuse("to", "has the place of a *, which local_subject says here");
        row->subject = to.ptr;
        row->to = subject.ptr;
        return RILL_OK;
    }
    char *text = ri_arena_alloc(arena, to.len + 1 + subject.len + 1);
    if (!text) return RILL_ENOMEM;
    memcpy(text, to.ptr, to.len);
    text[to.len] = '.';
    memcpy(text + to.len + 1, subject.ptr, subject.len + 1);
    row->to = text;
    return RILL_OK;
}

static int claims_import(ri_claims_import *out, ri_json object, ri_arena *arena)
{
    ri_str subject, account, to, local;
    out->row.size = sizeof out->row;
    int rc = claims_string(object, "subject", arena, &subject);
    if (rc == RILL_OK) rc = claims_string(object, "account", arena, &account);
    if (rc == RILL_OK) rc = claims_string(object, "to", arena, &to);
    if (rc == RILL_OK) rc = claims_string(object, "local_subject", arena, &local);
    if (rc == RILL_OK) rc = claims_string(object, "token", arena, &out->token);
    if (rc == RILL_OK) rc = claims_kind(object, arena, &out->row.service);
    if (rc == RILL_OK) rc = claims_flag(object, "share", &out->row.share);
    if (rc < 0) return rc;
    out->row.account = account.ptr;
    return claims_import_to(&out->row, subject, to, local, arena);
}

/* An array of objects. */
static int claims_objects(ri_json nats, const char *name, size_t size, ri_arena *arena, void *out,
                          size_t *n)
{
    ri_json list = ri_json_get(nats, name), item;
    if (ri_json_kind_of(list) == RI_JSON_NULL) return RILL_OK;
    if (ri_json_kind_of(list) != RI_JSON_ARRAY) return claims_refuse(name, "is no array");
    for (ri_json rest = ri_json_first(list); ri_json_item(&rest, &item); (*n)++)
        if (ri_json_kind_of(item) != RI_JSON_OBJECT) return claims_refuse(name, "has no objects");
    return claims_room(list, name, RI_LIMIT_EXPORTS, size, arena, out);
}

static int claims_trade(ri_claims_account *out, ri_json nats, ri_arena *arena)
{
    ri_json item, rest;
    size_t at = 0;
    int rc = claims_objects(nats, "exports", sizeof *out->exports, arena, &out->exports,
                            &out->nexports);
    rest = ri_json_first(ri_json_get(nats, "exports"));
    while (rc == RILL_OK && at < out->nexports && ri_json_item(&rest, &item))
        rc = claims_export(&out->exports[at++], item, arena);
    if (rc == RILL_OK)
        rc = claims_objects(nats, "imports", sizeof *out->imports, arena, &out->imports,
                            &out->nimports);
    rest = ri_json_first(ri_json_get(nats, "imports"));
    for (at = 0; rc == RILL_OK && at < out->nimports && ri_json_item(&rest, &item);)
        rc = claims_import(&out->imports[at++], item, arena);
    return rc;
}

/* ---- The account ---- */

static int claims_keys(const ri_claims_texts *keys, const char *name, char kind)
{
    for (size_t i = 0; i < keys->n; i++)
        if (ri_nkey_kind(ri_str_of(keys->at[i])) != kind &&
            (kind != 'A' || strcmp(keys->at[i], "*") != 0))
            return claims_refuse(name, "has what is no such key");
    return RILL_OK;
}

/* "authorization": somebody who is asked in this account decides who its users are. */
static int claims_callout(ri_claims_account *out, ri_json nats, ri_arena *arena)
{
    ri_json object;
    ri_claims_callout *callout = &out->callout;
    int rc = claims_object(nats, "authorization", &object);
    if (rc == RILL_OK)
        rc = claims_texts(object, "auth_users", RI_LIMIT_JWT_ITEMS, arena, &callout->users);
    if (rc == RILL_OK)
        rc = claims_texts(object, "allowed_accounts", RI_LIMIT_JWT_ITEMS, arena,
                          &callout->accounts);
    if (rc == RILL_OK) rc = claims_string(object, "xkey", arena, &callout->xkey);
    if (rc == RILL_OK) rc = claims_keys(&callout->users, "auth_users", 'U');
    if (rc == RILL_OK) rc = claims_keys(&callout->accounts, "allowed_accounts", 'A');
    if (rc < 0) return rc;
    callout->issuer = callout->account = out->key;
    if (callout->xkey.len && ri_nkey_kind(callout->xkey) != 'X')
        return claims_refuse("xkey", "is no public xkey");
    if (callout->accounts.n && !callout->users.n)
        return claims_refuse("authorization", "has allowed_accounts, and no auth_users");
    return RILL_OK;
}

static int claims_others(ri_claims_account *out, ri_json nats, ri_arena *arena)
{
    ri_json rights;
    int rc = claims_object(nats, "default_permissions", &rights);
    if (rc == RILL_OK) rc = claims_permissions(rights, arena, &out->defaults);
    if (rc == RILL_OK) rc = claims_texts(nats, "tags", RI_LIMIT_JWT_ITEMS, arena, &out->tags);
    if (rc == RILL_OK) rc = claims_callout(out, nats, arena);
    return rc < 0 ? rc : claims_trade(out, nats, arena);
}

int ri_claims_read_account(ri_claims_account *out, const ri_jwt *jwt, ri_arena *arena)
{
    RI_ASSERT(jwt->issuer.len);
    *out = (ri_claims_account){.key = jwt->subject, .name = jwt->name, .issuer = jwt->issuer,
                               .issued_s = jwt->issued_s, .expires_s = jwt->expires_s,
                               .not_before_s = jwt->not_before_s};
    int rc = claims_is_of(jwt, "account", 'O', 'A');
    if (rc == RILL_OK) rc = claims_limits(out, jwt->nats);
    if (rc == RILL_OK) rc = claims_signers(out, jwt->nats, arena);
    if (rc == RILL_OK) rc = claims_revocations(jwt->nats, arena, &out->revoked, &out->nrevoked);
    if (rc == RILL_OK) rc = claims_mappings(out, jwt->nats, arena);
    return rc < 0 ? rc : claims_others(out, jwt->nats, arena);
}

bool ri_claims_is_exempt(const ri_claims_callout *callout, ri_str name)
{
    RI_ASSERT(callout->account.len);
    for (size_t i = 0; i < callout->users.n; i++)
        if (ri_str_is(name, callout->users.at[i])) return true;
    return false;
}

const ri_claims_signer *ri_claims_signer_of(const ri_claims_account *account, ri_str key)
{
    static const ri_claims_signer own = {"", NULL};
    if (ri_str_eq(account->key, key)) return &own;
    for (size_t i = 0; i < account->nsigners; i++)
        if (ri_str_is(key, account->signers[i].key)) return &account->signers[i];
    return NULL;
}

static bool claims_is_revoked_as(const ri_claims_revoked *revoked, size_t n, const char *key,
                                 int64_t issued_s)
{
    const ri_claims_revoked wanted = {.key = key}, *found = NULL;
    if (n) found = bsearch(&wanted, revoked, n, sizeof wanted, claims_by_key);
    return found && found->until_s >= issued_s;
}

static bool claims_is_in(const ri_claims_revoked *revoked, size_t n, ri_str key, int64_t issued_s)
{
    RI_ASSERT(key.len);
    return claims_is_revoked_as(revoked, n, key.ptr, issued_s) ||
           claims_is_revoked_as(revoked, n, "*", issued_s);
}

bool ri_claims_is_revoked(const ri_claims_account *account, ri_str key, int64_t issued_s)
{
    return claims_is_in(account->revoked, account->nrevoked, key, issued_s);
}

bool ri_claims_is_active(const ri_claims_import *import, const ri_claims_export *of,
                         ri_str importer, int64_t now_s)
{
    RI_ASSERT(of->by_token && import->row.service == of->row.service);
    return import->is_active && import->not_before_s <= now_s &&
           (import->expires_s == 0 || import->expires_s > now_s) &&
           !claims_is_in(of->revoked, of->nrevoked, importer, import->issued_s);
}

/* ---- A user ---- */

int ri_claims_read_user(ri_claims_user *out, const ri_jwt *jwt, ri_arena *arena)
{
    RI_ASSERT(jwt->issuer.len);
    *out = (ri_claims_user){.key = jwt->subject, .name = jwt->name, .issuer = jwt->issuer,
                            .issued_s = jwt->issued_s, .expires_s = jwt->expires_s,
                            .not_before_s = jwt->not_before_s, .audience = jwt->audience};
    int rc = claims_is_of(jwt, "user", 'A', 'U');
    if (rc == RILL_OK) rc = claims_rights(jwt->nats, arena, &out->rights, &out->proxy);
    if (rc == RILL_OK) rc = claims_texts(jwt->nats, "tags", RI_LIMIT_JWT_ITEMS, arena, &out->tags);
    if (rc == RILL_OK)
        rc = claims_string(jwt->nats, "issuer_account", arena, &out->issuer_account);
    if (rc < 0) return rc;
    if (out->issuer_account.len && ri_nkey_kind(out->issuer_account) != 'A')
        return claims_refuse("issuer_account", "is no public key of an account");
    return RILL_OK;
}
