/* SPDX-License-Identifier: Apache-2.0 */
/* What the requests that this door serves share, and their steps, each in the file that is
 * named. */
#ifndef RI_KAFKA_SERVE_H
#define RI_KAFKA_SERVE_H

#include "base/error.h"
#include "engine/groups/groups.h"
#include "front/broker/durable.h"
#include "front/kafka/kafka_catalog.h"
#include "front/kafka/kafka_configs.h"
#include "front/kafka/kafka_errors.h"
#include "front/kafka/kafka_session.h"

enum { /* who asks may do all that there is: bits of Kafka's operations */
    RI_KAFKA_OPS_TOPIC = 3576,
    RI_KAFKA_OPS_GROUP = 3400,
    RI_KAFKA_OPS_CLUSTER = 8096,
};

/* ---- kafka_serve.c ---- */

/* The streams, which are there while a step runs. */
ri_js *ri_kafka_serve_js(const ri_kafka_request *r);
/* A new list of `n` blank structs; false: the session ends, and the step returns false. */
#define RI_KAFKA_SERVE_LIST(r, list, type, n) \
    (((list)->len = (uint32_t)(n)), \
     ((list)->items = ri_kafka_request_items((r), ri_kafka_##type##_type(), (n))) != NULL)
/* A copy in the request's memory: names of topics may go before the answer is written. A span whose
 * pointer is NULL stays so. */
bool ri_kafka_serve_copy(ri_kafka_request *r, ri_str s, ri_str *out);
/* A sentence of the answer, copied, of what ri_err() said last. */
bool ri_kafka_serve_why(ri_kafka_request *r, ri_str *out);
/* The error, whose sentence ri_err_text() is from now on. */
ri_kafka_error ri_kafka_serve_error(ri_kafka_error error, const char *sentence);
/* Where this session's clients find the broker. */
ri_str ri_kafka_serve_host(const ri_kafka_session *s);
int32_t ri_kafka_serve_port(const ri_kafka_session *s);
ri_str ri_kafka_serve_cluster(ri_kafka_request *r);
/* Where the records of topics are kept. */
ri_str ri_kafka_serve_dir(const ri_durable *durable);
/* Who asks: the name that the client gives itself, and where it is. */
ri_str ri_kafka_serve_client(const ri_kafka_request *r);
ri_str ri_kafka_serve_client_host(ri_kafka_request *r);
/* The coordinator of groups, which is opened when it is first asked for; NULL: it cannot be, which
 * is logged (kafka_groups.c). */
ri_groups *ri_kafka_serve_groups(const ri_kafka_request *r);
/* The groups, which know this door's topics from now on; NULL: they cannot be had, which is
 * logged. */
ri_groups *ri_kafka_groups_of(ri_kafka_server *server);
void ri_kafka_groups_part(ri_kafka_server *server); /* the door goes: it asks it nothing more */
/* Is that epoch the leader's? 0, or a code; -1 is not asked. */
ri_kafka_error ri_kafka_serve_epoch(int32_t epoch);

/* Waits for what is in the open commit now. */
typedef struct ri_kafka_commit {
    ri_js_waiter waiter;
    ri_kafka_request *r;
    bool waits;
    int rc;                /* of the commit, once it does not wait any more */
} ri_kafka_commit;
/* The catalogue's commit, if something was `made`, which is cleared then. True: it is to be waited
 * for. */
bool ri_kafka_serve_stores(ri_kafka_request *r, ri_kafka_commit *commit, bool *made);
void ri_kafka_serve_forget(ri_kafka_commit *commit);
/* The commit is over: if the disk has failed, rows of an answer that were well are not. */
#define RI_KAFKA_SERVE_STORED(commit, list)                                         \
    do {                                                                            \
        for (uint32_t i_ = 0; i_ < (list)->len && (commit)->rc < 0; i_++)           \
            if (!(list)->items[i_].error_code)                                      \
                (list)->items[i_].error_code = RI_KAFKA_E_STORAGE;                  \
    } while (0)

/* ---- kafka_making.c: inside the gate, on the loop's thread ---- */

/* A topic that shall be. `name` and `settings`, which are known and checked, are lent. */
typedef struct ri_kafka_wanted {
    ri_str name;
    int32_t from, partitions;  /* those from the first of these on are made */
    const ri_kafka_value *settings; /* of a new one; more of one are as its first */
    size_t nsettings;
    ri_kafka_error error;      /* why it is not made */
    ri_str why;                /* a sentence, in the request's memory */
} ri_kafka_wanted;

typedef struct ri_kafka_making {
    ri_list link;              /* server->making; once its client has gone, server->left */
    bool left;                 /* it has */
    ri_kafka_server *server;
    size_t bytes;              /* of it all */
    ri_str name;
    ri_kafka_uuid id;          /* of a topic that gets more */
    int32_t from, partitions;
    int32_t at;                /* the lowest that is made; `partitions`: none is */
    ri_kafka_error error;      /* why it is not made; those of its partitions that were go again */
    ri_failure why;
    size_t nsettings;
    ri_kafka_value settings[]; /* then all texts */
} ri_kafka_making;

/* Nothing is made yet. An error, whose sentence is ri_err_text(): no room, it is being made
 * already, or a stream that is there would be one more. */
ri_kafka_error ri_kafka_making_begin(ri_kafka_server *server, const ri_kafka_wanted *wanted,
                                     ri_kafka_making **out);
/* A slice of the turn's budget. True: there is more to do in a later one. What is made is part of
 * the open commit. */
bool ri_kafka_making_some(ri_kafka_making *m);
/* It is done, or not wanted; NULL is nothing. */
void ri_kafka_making_end(ri_kafka_making *m);
/* Whoever wanted it has gone: the door brings it to its end. NULL is nothing. */
void ri_kafka_making_leave(ri_kafka_making *m);

/* ---- The steps ---- */
bool ri_kafka_serve_versions(ri_kafka_request *r);
bool ri_kafka_metadata_step(ri_kafka_request *r);
void ri_kafka_metadata_drop(ri_kafka_request *r);
bool ri_kafka_cluster_step(ri_kafka_request *r); /* kafka_metadata.c */
bool ri_kafka_create_step(ri_kafka_request *r);
bool ri_kafka_create_more_step(ri_kafka_request *r); /* CreatePartitions */
void ri_kafka_create_drop(ri_kafka_request *r);
bool ri_kafka_delete_step(ri_kafka_request *r);
void ri_kafka_delete_drop(ri_kafka_request *r);
bool ri_kafka_produce_step(ri_kafka_request *r);
void ri_kafka_produce_drop(ri_kafka_request *r);
bool ri_kafka_producer_id_step(ri_kafka_request *r); /* kafka_produce.c */
bool ri_kafka_fetch_step(ri_kafka_request *r);
void ri_kafka_fetch_drop(ri_kafka_request *r);
bool ri_kafka_offsets_list_step(ri_kafka_request *r);
bool ri_kafka_offsets_epoch_step(ri_kafka_request *r);
bool ri_kafka_offsets_delete_step(ri_kafka_request *r);
void ri_kafka_offsets_drop(ri_kafka_request *r);
/* kafka_members.c */
bool ri_kafka_members_join_step(ri_kafka_request *r);
bool ri_kafka_members_sync_step(ri_kafka_request *r);
bool ri_kafka_members_beat_step(ri_kafka_request *r);
bool ri_kafka_members_leave_step(ri_kafka_request *r);
void ri_kafka_members_join_drop(ri_kafka_request *r);
void ri_kafka_members_drop(ri_kafka_request *r);
/* kafka_commits.c, kafka_positions.c: OffsetCommit, OffsetDelete; OffsetFetch */
bool ri_kafka_commits_step(ri_kafka_request *r);
void ri_kafka_commits_drop(ri_kafka_request *r);
bool ri_kafka_commits_erase_step(ri_kafka_request *r);
void ri_kafka_commits_erase_drop(ri_kafka_request *r);
bool ri_kafka_positions_step(ri_kafka_request *r);
void ri_kafka_positions_drop(ri_kafka_request *r);
/* kafka_groups.c */
bool ri_kafka_groups_find_step(ri_kafka_request *r); /* FindCoordinator */
bool ri_kafka_groups_describe_step(ri_kafka_request *r);
bool ri_kafka_groups_list_step(ri_kafka_request *r);
void ri_kafka_groups_list_drop(ri_kafka_request *r);
bool ri_kafka_groups_delete_step(ri_kafka_request *r);
void ri_kafka_groups_delete_drop(ri_kafka_request *r);
/* kafka_settings.c: DescribeConfigs, ListConfigResources; kafka_alter.c: AlterConfigs,
 * IncrementalAlterConfigs */
bool ri_kafka_settings_step(ri_kafka_request *r);
bool ri_kafka_settings_list_step(ri_kafka_request *r);
bool ri_kafka_alter_step(ri_kafka_request *r);
void ri_kafka_alter_drop(ri_kafka_request *r);
/* kafka_admin.c: what tools ask of a cluster, answered for one node */
bool ri_kafka_admin_dirs_step(ri_kafka_request *r);      /* DescribeLogDirs */
bool ri_kafka_admin_move_step(ri_kafka_request *r);      /* AlterReplicaLogDirs */
bool ri_kafka_admin_quorum_step(ri_kafka_request *r);    /* DescribeQuorum */
bool ri_kafka_admin_topics_step(ri_kafka_request *r);    /* DescribeTopicPartitions */
bool ri_kafka_admin_elect_step(ri_kafka_request *r);     /* ElectLeaders */
bool ri_kafka_admin_reassign_step(ri_kafka_request *r);  /* AlterPartitionReassignments */
bool ri_kafka_admin_moving_step(ri_kafka_request *r);    /* ListPartitionReassignments */
bool ri_kafka_admin_quotas_step(ri_kafka_request *r);    /* DescribeClientQuotas */
bool ri_kafka_admin_scram_step(ri_kafka_request *r);     /* DescribeUserScramCredentials */
bool ri_kafka_admin_producers_step(ri_kafka_request *r); /* DescribeProducers */
bool ri_kafka_admin_transactions_step(ri_kafka_request *r); /* ListTransactions */
bool ri_kafka_admin_acls_step(ri_kafka_request *r);      /* DescribeAcls */
bool ri_kafka_admin_allow_step(ri_kafka_request *r);     /* CreateAcls */
bool ri_kafka_admin_disallow_step(ri_kafka_request *r);  /* DeleteAcls */
bool ri_kafka_admin_sasl_step(ri_kafka_request *r);      /* SaslHandshake */
bool ri_kafka_admin_authenticate_step(ri_kafka_request *r); /* SaslAuthenticate */
/* kafka_modern.c: the protocol of KIP-848 */
bool ri_kafka_modern_pulse_step(ri_kafka_request *r);
void ri_kafka_modern_pulse_drop(ri_kafka_request *r);
bool ri_kafka_modern_describe_step(ri_kafka_request *r);

#endif
