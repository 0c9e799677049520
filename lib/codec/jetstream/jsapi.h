/* SPDX-License-Identifier: Apache-2.0 */
/* The JetStream API as structs: what its requests and replies say, without a JSON byte.
 *
 *     JSON text --ri_jsapi_decode(&ri_jsapi_stream_conf, ...)--> struct ri_stream_conf
 *     JSON text <--ri_jsapi_encode(&ri_jsapi_stream_conf, ...)-- (one table, both directions)
 *
 * Each struct has one table, a row for each field, in nats-server's order. The same table copies
 * a struct into an arena, and compares two. All that a decoded or copied struct points to lives
 * in the arena that was given, and dies with it.
 *
 * Absence: empty strings, lists of 0, numbers 0, pointers NULL. Durations are ns. Times are ns
 * since 1970, wall clock; 0 is "not given" (written as year 1, as nats-server does, where a
 * field is never left out); a time that was given as year 1 is RI_JS_TIME_ZERO.
 *
 * The defaults and rules of configurations are in codec/jetstream/jsconf.h, the errors in
 * codec/jetstream/jserror.h, the hot texts (publish ack, ack subject, pull request) in
 * codec/jetstream/jshot.h. */
#ifndef RI_JSAPI_H
#define RI_JSAPI_H

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/str.h"
#include "codec/jetstream/jserror.h"

#define RI_JS_API_LEVEL 5          /* what we announce and accept (Nats-Required-Api-Level) */
#define RI_JS_TIME_ZERO INT64_MIN  /* the year 1, given as such */

typedef struct ri_strs { /* a list of strings */
    ri_str *items;
    uint32_t len;
} ri_strs;

typedef struct ri_int64s {
    int64_t *items;
    uint32_t len;
} ri_int64s;

typedef struct ri_js_pair { /* of a map of strings; kept sorted by key */
    ri_str key, value;
} ri_js_pair;

typedef struct ri_js_map {
    ri_js_pair *items;
    uint32_t len;
} ri_js_map;

typedef struct ri_js_count { /* a subject and how many messages it has */
    ri_str subject;
    uint64_t count;
} ri_js_count;

typedef struct ri_js_counts {
    ri_js_count *items;
    uint32_t len;
    ri_str json; /* instead of items, as it is sent: "subject":count,... of `len` of them */
} ri_js_counts;

/* ---- Configuration of a stream ---- */

typedef enum ri_retention {
    RI_RETAIN_LIMITS, RI_RETAIN_INTEREST, RI_RETAIN_WORKQUEUE,
} ri_retention;
typedef enum ri_discard { RI_DISCARD_OLD, RI_DISCARD_NEW } ri_discard;
typedef enum ri_storage { RI_STORE_FILE, RI_STORE_MEMORY } ri_storage;
typedef enum ri_compression { RI_COMPRESS_NONE, RI_COMPRESS_S2 } ri_compression;
typedef enum ri_persist { RI_PERSIST_DEFAULT, RI_PERSIST_ASYNC } ri_persist;

typedef struct ri_js_transform {
    ri_str src, dest;
} ri_js_transform;

typedef struct ri_js_transforms {
    ri_js_transform *items;
    uint32_t len;
} ri_js_transforms;

typedef struct ri_js_republish {
    ri_str src;          /* empty: everything */
    ri_str dest;
    bool headers_only;
} ri_js_republish;

typedef struct ri_js_placement {
    ri_str cluster;
    ri_strs tags;
    ri_str preferred;    /* of stepdown requests only */
} ri_js_placement;

typedef struct ri_js_external { /* a stream in another domain or account */
    ri_str api;          /* prefix in place of $JS.API */
    ri_str deliver;      /* prefix of delivery subjects */
} ri_js_external;

typedef struct ri_js_source_consumer { /* a durable consumer at the origin */
    ri_str name;
    ri_str deliver_subject;
} ri_js_source_consumer;

typedef struct ri_js_source { /* a mirror's or source's origin */
    ri_str name;
    uint64_t opt_start_seq;
    int64_t opt_start_time;
    ri_str filter_subject;
    ri_js_transforms subject_transforms;
    ri_js_external *external;        /* NULL: here */
    ri_js_source_consumer *consumer; /* NULL: an ephemeral one */
} ri_js_source;

typedef struct ri_js_sources {
    ri_js_source *items;
    uint32_t len;
} ri_js_sources;

typedef struct ri_stream_conf {
    ri_str name;
    ri_str description;
    ri_strs subjects;
    ri_retention retention;
    int64_t max_consumers;         /* -1 after defaults: no limit; so the next four */
    int64_t max_msgs;
    int64_t max_bytes;
    int64_t max_age;               /* ns; 0: no limit */
    int64_t max_msgs_per_subject;
    int32_t max_msg_size;          /* headers and data, bytes; -1: no limit */
    ri_discard discard;
    ri_storage storage;
    int64_t num_replicas;
    bool no_ack;
    int64_t duplicate_window;      /* ns */
    ri_js_placement *placement;    /* NULL: none */
    ri_js_source *mirror;          /* NULL: none */
    ri_js_sources sources;
    ri_compression compression;
    uint64_t first_seq;
    ri_js_transform *subject_transform; /* NULL: none */
    ri_js_republish *republish;         /* NULL: none */
    bool allow_direct;
    bool mirror_direct;
    bool discard_new_per_subject;
    bool sealed;
    bool deny_delete;
    bool deny_purge;
    bool allow_rollup_hdrs;
    int64_t limit_inactive_threshold; /* consumer_limits.inactive_threshold, ns */
    int64_t limit_max_ack_pending;    /* consumer_limits.max_ack_pending */
    bool allow_msg_ttl;
    int64_t subject_delete_marker_ttl; /* ns */
    bool allow_msg_counter;
    bool allow_atomic;
    bool allow_msg_schedules;
    ri_persist persist_mode;
    bool allow_batched;
    ri_js_map metadata;
} ri_stream_conf;

typedef struct ri_js_stream_request { /* STREAM.CREATE and STREAM.UPDATE */
    ri_stream_conf conf;
    bool pedantic;
    struct ri_apart *apart;        /* not on the wire: its subjects, compared already; NULL */
} ri_js_stream_request;

/* ---- Configuration of a consumer ---- */

typedef enum ri_deliver_policy {
    RI_DELIVER_ALL, RI_DELIVER_LAST, RI_DELIVER_NEW, RI_DELIVER_BY_START_SEQUENCE,
    RI_DELIVER_BY_START_TIME, RI_DELIVER_LAST_PER_SUBJECT,
} ri_deliver_policy;
typedef enum ri_ack_policy {
    RI_ACK_NONE, RI_ACK_ALL, RI_ACK_EXPLICIT, RI_ACK_FLOW_CONTROL,
} ri_ack_policy;
typedef enum ri_replay_policy { RI_REPLAY_INSTANT, RI_REPLAY_ORIGINAL } ri_replay_policy;
typedef enum ri_priority_policy {
    RI_PRIORITY_NONE, RI_PRIORITY_OVERFLOW, RI_PRIORITY_PINNED_CLIENT, RI_PRIORITY_PRIORITIZED,
} ri_priority_policy;

typedef struct ri_consumer_conf {
    ri_str durable_name;           /* empty: ephemeral */
    ri_str name;
    ri_str description;
    ri_deliver_policy deliver_policy;
    uint64_t opt_start_seq;
    int64_t opt_start_time;
    ri_ack_policy ack_policy;
    int64_t ack_wait;              /* ns */
    int64_t max_deliver;           /* -1 after defaults: no limit */
    ri_int64s backoff;             /* ns each */
    ri_str filter_subject;
    ri_strs filter_subjects;
    ri_replay_policy replay_policy;
    uint64_t rate_limit_bps;       /* bits per second; 0: none */
    ri_str sample_freq;            /* "30" or "30%" */
    int64_t max_waiting;
    int64_t max_ack_pending;       /* -1: no limit */
    bool flow_control;
    bool headers_only;
    int64_t max_batch;             /* of a pull request; 0: no limit, so the next two */
    int64_t max_expires;           /* ns */
    int64_t max_bytes;
    ri_str deliver_subject;        /* not empty: a push consumer */
    ri_str deliver_group;
    int64_t idle_heartbeat;        /* ns; 0: none */
    int64_t inactive_threshold;    /* ns */
    int64_t num_replicas;          /* 0: as the stream */
    bool mem_storage;
    bool direct;                   /* internal, of mirrors and sources */
    bool sourcing;
    ri_js_map metadata;
    int64_t pause_until;           /* time; 0: not paused */
    ri_strs priority_groups;
    ri_priority_policy priority_policy;
    int64_t priority_timeout;      /* ns that a pin lasts without a request */
} ri_consumer_conf;

typedef enum ri_js_action { RI_ACTION_ANY, RI_ACTION_CREATE, RI_ACTION_UPDATE } ri_js_action;

typedef struct ri_js_consumer_request { /* CONSUMER.CREATE, CONSUMER.DURABLE.CREATE */
    ri_str stream_name;
    ri_consumer_conf conf;
    ri_js_action action;
    bool pedantic;
    bool observer;                 /* not on the wire: a reader of this process that only looks */
    struct ri_outset *outset;      /* not on the wire: where it begins, found already; NULL */
} ri_js_consumer_request;

/* ---- What infos say of streams and consumers ---- */

typedef struct ri_js_lost {
    ri_int64s msgs;                /* sequences */
    uint64_t bytes;
} ri_js_lost;

typedef struct ri_stream_state {
    uint64_t messages;
    uint64_t bytes;
    uint64_t first_seq;
    int64_t first_ts;
    uint64_t last_seq;
    int64_t last_ts;
    uint64_t num_subjects;
    ri_js_counts subjects;         /* when asked for */
    uint64_t num_deleted;          /* gaps between first_seq and last_seq */
    ri_int64s deleted;             /* when asked for */
    ri_js_lost *lost;              /* NULL: nothing */
    uint64_t consumer_count;
} ri_stream_state;

typedef struct ri_js_replica { /* of a cluster; we have none, but clients read them */
    ri_str name;
    bool current;
    bool offline;
    int64_t active;                /* ns since it was heard of */
    uint64_t lag;
    ri_str peer;
} ri_js_replica;

typedef struct ri_js_replicas {
    ri_js_replica *items;
    uint32_t len;
} ri_js_replicas;

typedef struct ri_js_cluster {
    ri_str name;
    ri_str raft_group;
    ri_str leader;
    int64_t leader_since;
    bool system_account;
    ri_str traffic_account;
    ri_js_replicas replicas;
} ri_js_cluster;

typedef struct ri_js_source_info { /* how a mirror or source gets on */
    ri_str name;
    ri_js_external *external;
    uint64_t lag;
    uint64_t seq;                  /* of the origin, that was copied last; 0: none */
    int64_t active;                /* ns since the origin was heard of; -1: never */
    ri_js_error *error;            /* NULL: none */
    ri_str filter_subject;
    ri_js_transforms subject_transforms;
} ri_js_source_info;

typedef struct ri_js_source_infos {
    ri_js_source_info *items;
    uint32_t len;
} ri_js_source_infos;

typedef struct ri_js_alternate {
    ri_str name, domain, cluster;
} ri_js_alternate;

typedef struct ri_js_alternates {
    ri_js_alternate *items;
    uint32_t len;
} ri_js_alternates;

typedef struct ri_stream_info {
    const ri_stream_conf *config;  /* lent by the stream */
    int64_t created;
    ri_stream_state state;
    ri_str domain;
    ri_js_cluster *cluster;        /* NULL, or the server's name as leader */
    ri_js_source_info *mirror;     /* NULL: is none */
    ri_js_source_infos sources;
    ri_js_alternates alternates;
    int64_t ts;                    /* when this was taken */
} ri_stream_info;

typedef struct ri_js_position { /* of a consumer, in both countings */
    uint64_t consumer_seq;
    uint64_t stream_seq;
    int64_t last_active;
} ri_js_position;

typedef struct ri_js_group_state {
    ri_str group;
    ri_str pinned_client_id;
    int64_t pinned_ts;
} ri_js_group_state;

typedef struct ri_js_group_states {
    ri_js_group_state *items;
    uint32_t len;
} ri_js_group_states;

typedef struct ri_consumer_info {
    ri_str stream_name;
    ri_str name;
    int64_t created;
    const ri_consumer_conf *config; /* lent by the consumer */
    ri_js_position delivered;
    ri_js_position ack_floor;
    uint64_t num_ack_pending;
    uint64_t num_redelivered;
    uint64_t num_waiting;
    uint64_t num_pending;
    ri_js_cluster *cluster;
    bool push_bound;
    bool paused;
    int64_t pause_remaining;       /* ns */
    int64_t ts;                    /* when this was taken */
    ri_js_group_states priority_groups;
} ri_consumer_info;

/* ---- Requests ---- */

typedef struct ri_js_list_request { /* {STREAM,CONSUMER}.{NAMES,LIST} */
    int64_t offset;
    ri_str subject;                /* streams only */
} ri_js_list_request;

typedef struct ri_js_stream_info_request {
    int64_t offset;
    bool deleted_details;
    ri_str subjects_filter;
} ri_js_stream_info_request;

typedef struct ri_js_purge_request {
    uint64_t seq;                  /* all below it */
    ri_str filter;
    uint64_t keep;                 /* as many of the newest stay */
} ri_js_purge_request;

typedef struct ri_js_msg_delete_request {
    uint64_t seq;
    bool no_erase;
} ri_js_msg_delete_request;

typedef struct ri_js_msg_get_request { /* STREAM.MSG.GET and DIRECT.GET */
    uint64_t seq;
    ri_str last_by_subj;
    ri_str next_by_subj;
    int64_t batch;
    int64_t max_bytes;
    int64_t start_time;
    ri_strs multi_last;
    uint64_t up_to_seq;
    int64_t up_to_time;
    bool no_hdr;
} ri_js_msg_get_request;

typedef struct ri_js_pull_request { /* CONSUMER.MSG.NEXT */
    int64_t expires;               /* ns */
    int64_t batch;                 /* 0 is 1 */
    int64_t max_bytes;             /* 0: no limit */
    bool no_wait;
    int64_t idle_heartbeat;        /* ns; 0: none */
    ri_str group;
    int64_t min_pending;
    int64_t min_ack_pending;
    ri_str id;                     /* of the pin */
    int64_t priority;              /* 0 to 9 */
    bool plain;                    /* it was no JSON: a number, or nothing; it names no group */
} ri_js_pull_request;

typedef struct ri_js_pause_request {
    int64_t pause_until;           /* 0: resume */
} ri_js_pause_request;

typedef struct ri_js_reset_request {
    uint64_t seq;                  /* 0: to the ack floor */
} ri_js_reset_request;

typedef struct ri_js_unpin_request {
    ri_str group;
} ri_js_unpin_request;

typedef struct ri_js_stepdown_request {
    ri_js_placement *placement;
} ri_js_stepdown_request;

typedef struct ri_js_peer_request { /* STREAM.PEER.REMOVE */
    ri_str peer;
} ri_js_peer_request;

typedef struct ri_js_snapshot_request {
    ri_str deliver_subject;
    bool no_consumers;
    int64_t chunk_size;            /* bytes; 0: the default */
    int64_t window_size;           /* bytes; 0: the default */
    bool jsck;                     /* check the messages first */
} ri_js_snapshot_request;

typedef struct ri_js_restore_request {
    ri_stream_conf config;
    ri_stream_state state;
} ri_js_restore_request;

/* ---- Replies: the type, the error or nothing, then what belongs to the request. Members that
 * are pointers are left out when NULL, as they are beside an error. ---- */

typedef struct ri_js_head {
    ri_str type;                   /* io.nats.jetstream.api.v1.<name> */
    ri_js_error *error;
} ri_js_head;

typedef struct ri_js_paged {
    int64_t total, offset, limit;
} ri_js_paged;

typedef struct ri_js_ok_reply { /* {success}; also replies of a head alone */
    ri_js_head head;
    bool success;
} ri_js_ok_reply;

typedef struct ri_js_stream_reply { /* create and update */
    ri_js_head head;
    ri_stream_info *info;
    bool did_create;
} ri_js_stream_reply;

typedef struct ri_js_stream_info_reply {
    ri_js_head head;
    ri_js_paged paged;
    ri_stream_info *info;
} ri_js_stream_info_reply;

typedef struct ri_js_stream_names_reply {
    ri_js_head head;
    ri_js_paged paged;
    ri_strs streams;               /* null when empty */
} ri_js_stream_names_reply;

typedef struct ri_js_stream_list_reply {
    ri_js_head head;
    ri_js_paged paged;
    ri_js_map offline;             /* those that are not served, and why */
    struct { ri_stream_info *items; uint32_t len; } streams;
    ri_strs missing;
} ri_js_stream_list_reply;

typedef struct ri_js_consumer_reply { /* create and info */
    ri_js_head head;
    ri_consumer_info *info;
} ri_js_consumer_reply;

typedef struct ri_js_reset_reply {
    ri_js_head head;
    ri_consumer_info *info;
    uint64_t reset_seq;
} ri_js_reset_reply;

typedef struct ri_js_consumer_names_reply {
    ri_js_head head;
    ri_js_paged paged;
    ri_strs consumers;
} ri_js_consumer_names_reply;

typedef struct ri_js_consumer_list_reply {
    ri_js_head head;
    ri_js_paged paged;
    ri_js_map offline;
    struct { ri_consumer_info *items; uint32_t len; } consumers;
    ri_strs missing;
} ri_js_consumer_list_reply;

typedef struct ri_js_purge_reply {
    ri_js_head head;
    bool success;
    uint64_t purged;
} ri_js_purge_reply;

typedef struct ri_js_stored { /* a message as MSG.GET answers it; hdrs and data go as base64 */
    ri_str subject;
    uint64_t seq;
    ri_str hdrs;
    ri_str data;
    int64_t time;
} ri_js_stored;

typedef struct ri_js_msg_get_reply {
    ri_js_head head;
    ri_js_stored *message;
} ri_js_msg_get_reply;

typedef struct ri_js_pause_reply {
    ri_js_head head;
    bool paused;
    int64_t pause_until;
    int64_t pause_remaining;       /* ns */
} ri_js_pause_reply;

typedef struct ri_js_snapshot_reply {
    ri_js_head head;
    const ri_stream_conf *config;
    ri_stream_state *state;
} ri_js_snapshot_reply;

typedef struct ri_js_restore_reply {
    ri_js_head head;
    ri_str deliver_subject;
} ri_js_restore_reply;

typedef struct ri_js_account_limits { /* -1: none */
    int64_t max_memory, max_storage;
    int64_t max_streams, max_consumers;
    int64_t max_ack_pending;
    int64_t memory_max_stream_bytes, storage_max_stream_bytes;
    bool max_bytes_required;
} ri_js_account_limits;

typedef struct ri_js_api_stats {
    int64_t level;                 /* RI_JS_API_LEVEL */
    uint64_t total, errors;
    uint64_t inflight;
} ri_js_api_stats;

typedef struct ri_js_account { /* what an account uses, and may use */
    uint64_t memory, storage;      /* bytes */
    uint64_t reserved_memory, reserved_storage;
    uint64_t streams, consumers;
    ri_js_account_limits limits;
    ri_str domain;
    ri_js_api_stats api;
} ri_js_account;

typedef struct ri_js_account_reply {
    ri_js_head head;
    ri_js_account *account;
} ri_js_account_reply;

/* ---- Tables and what they do ---- */

typedef struct ri_jsapi_type ri_jsapi_type;

extern const ri_jsapi_type ri_jsapi_stream_conf, ri_jsapi_consumer_conf, ri_jsapi_source,
    ri_jsapi_stream_core, /* of a ri_stream_conf: subjects, mirror, sources */
    ri_jsapi_stream_state, ri_jsapi_stream_info, ri_jsapi_consumer_info,
    /* requests */
    ri_jsapi_stream_request, ri_jsapi_consumer_request, ri_jsapi_stream_names_request,
    ri_jsapi_stream_list_request,
    ri_jsapi_consumer_list_request, ri_jsapi_stream_info_request, ri_jsapi_purge_request,
    ri_jsapi_msg_delete_request, ri_jsapi_msg_get_request, ri_jsapi_pull_request,
    ri_jsapi_pause_request, ri_jsapi_reset_request, ri_jsapi_unpin_request,
    ri_jsapi_stepdown_request, ri_jsapi_peer_request, ri_jsapi_snapshot_request,
    ri_jsapi_restore_request,
    /* replies */
    ri_jsapi_ok_reply, ri_jsapi_stream_reply, ri_jsapi_stream_info_reply,
    ri_jsapi_stream_names_reply, ri_jsapi_stream_list_reply, ri_jsapi_consumer_reply,
    ri_jsapi_reset_reply, ri_jsapi_consumer_names_reply, ri_jsapi_consumer_list_reply,
    ri_jsapi_purge_reply, ri_jsapi_msg_get_reply, ri_jsapi_pause_reply, ri_jsapi_snapshot_reply,
    ri_jsapi_restore_reply, ri_jsapi_account, ri_jsapi_account_reply;

size_t ri_jsapi_size(const ri_jsapi_type *type); /* of its struct */
/* JSON to struct; `out` is zeroed first, what it points to is in `arena`. RILL_EPROTO with a
 * sentence in nats-server's words when it is no JSON, or a field has the wrong type, or is
 * unknown (if `strict`); RILL_ENOMEM. */
int ri_jsapi_decode(const ri_jsapi_type *type, ri_str json, bool strict, ri_arena *arena,
                    void *out);
/* The same of what a server has answered, which may be newer than we are: fields that we do not
 * know are passed over, as are words where one of a few is expected, and numbers that do not fit
 * are the nearest that do. */
int ri_jsapi_decode_answer(const ri_jsapi_type *type, ri_str json, ri_arena *arena, void *out);
/* Struct to JSON, appended to `out`; a failed allocation shows in out->failed. */
void ri_jsapi_encode(const ri_jsapi_type *type, const void *in, ri_buffer *out);
/* A deep copy. RILL_ENOMEM. */
int ri_jsapi_copy(const ri_jsapi_type *type, const void *in, ri_arena *arena, void *out);
/* Field by field; metadata whose key starts with "_nats." does not count. */
bool ri_jsapi_equal(const ri_jsapi_type *type, const void *a, const void *b);

static inline int ri_jsapi_copy_stream_conf(ri_stream_conf *out, const ri_stream_conf *in,
                                            ri_arena *arena)
{
    return ri_jsapi_copy(&ri_jsapi_stream_conf, in, arena, out);
}

static inline int ri_jsapi_copy_consumer_conf(ri_consumer_conf *out, const ri_consumer_conf *in,
                                              ri_arena *arena)
{
    return ri_jsapi_copy(&ri_jsapi_consumer_conf, in, arena, out);
}

static inline bool ri_jsapi_equal_stream_conf(const ri_stream_conf *a, const ri_stream_conf *b)
{
    return ri_jsapi_equal(&ri_jsapi_stream_conf, a, b);
}

static inline bool ri_jsapi_equal_consumer_conf(const ri_consumer_conf *a,
                                                const ri_consumer_conf *b)
{
    return ri_jsapi_equal(&ri_jsapi_consumer_conf, a, b);
}

#endif
