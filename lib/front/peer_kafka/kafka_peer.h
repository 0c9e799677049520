/* SPDX-License-Identifier: Apache-2.0 */
/* The peer that is a Kafka cluster: kafka://HOST:PORT,HOST:PORT... and kafkas:// (TLS), over
 * librdkafka.
 *
 * THE ROOM
 *
 *     kafka.h       what a build shows of it; kafka_absent.c: of a build that has none
 *     kafka_lib.c   librdkafka, loaded when it is first asked for; its errors in our words
 *     kafka_conf.c  the URL and the options as librdkafka's configuration
 *     kafka_peer.c  the table of functions, open and close, who turns it, events
 *     kafka_send.c  what goes out: records, reports of their delivery, flush
 *     kafka_txn.c   batches, as transactions
 *     kafka_read.c  readers of topics: what comes, and in which order
 *     kafka_group.c readers that share a topic: members, settled positions
 *     kafka_ask.c   questions, and the time they have; kafka_topic.c: topics; kafka_place.c: places
 *                   in them; kafka_join.c: readers that begin, and seek; kafka_outside.c: groups
 *
 *     program's threads                     librdkafka's threads
 *       |  publish, append (gate)             main, one a broker: sockets, retries, batches
 *       v                                       |
 *     rd_kafka_produce() ---> its queue ------->|--- Produce, Fetch, OffsetCommit --> brokers
 *                                               v
 *     dispatcher <-- packets, receipts -- turn <-- its queues: reports, records, rebalances
 *                     (gate)               who turns: a thread of ours, or rill_poll()
 *
 * WHAT IS WHAT
 *
 *     stream                   topic, of one partition unless more are asked for
 *     subject                  the topic's name: a topic has that one subject. Its messages are
 *                              distinguished by their keys, as everywhere in Kafka
 *     key                      the header Kafka-Key; of what comes, rill_msg.key as well. A record
 *                              looks as codec/kafka/kafka_message.c draws it, which is how a
 *                              broker of ours shows it, too
 *     number (seq)             offset + 1, in its partition; rill_msg.partition says which
 *     message without value    a deletion: KV-Operation: DEL, RILL_MSG_DELETED
 *     time_ns                  the record's timestamp
 *     receipt                  partition, and seq = offset + 1
 *     batch                    transaction; who reads sees committed ones (isolation.level)
 *     group                    consumer group. Its place is a position in each partition, below
 *                              which all is settled
 *     tail                     reading partitions without a group; nothing is stored of it
 *     limits: max_age_ms, max_bytes (a partition), max_msg_bytes, compact with tombstone_ms
 *
 * A user who has a subject per customer, as NATS users do, uses keys here. A topic for each subject
 * would be the other way, and a cluster carries thousands of topics, not millions; and a rule that
 * cuts "orders.eu" into topic and key would be at odds with topics that are called so.
 *
 * WHAT CANNOT BE PROMISED is RILL_ENOTSUP with a sentence: requests, replies and live
 * subscriptions, since Kafka keeps all that it is given; rill_nak() and rill_term(), since the
 * place of a group is one number; msg_id and expect_last_seq, since a broker compares nothing
 * before it stores; a time to live and schedules of single messages; rill_stream_erase(); limits by
 * number or subject, mirrors, sources. Buckets of keys and of objects, too: rill_kv_get() would
 * read the whole of a topic, and nothing could refuse the second of two writers of one revision.
 *
 * THREADS. librdkafka has its own: for each of its instances one, and one for each broker. A handle
 * is one instance that produces, and one more once it has made a batch; each reader is one more,
 * since a group's membership belongs to an instance, and a tail that shared one with others would
 * wait for their queues. They hold nothing of ours: what they have for us lies in queues, and
 * queue_ready() is called when one ceases to be empty. That signals the park `work`, or, under
 * RILL_DRIVE_HOST, that of the handle, and nothing else. So all of ours is run by who turns: with
 * RILL_DRIVE_THREAD a thread of this handle, with RILL_DRIVE_HOST whoever is in rill_poll() or
 * waits. One turns at a time (`turning`). A turn is outside the gate, enters it for each report of
 * a batch and for each batch of records once, and ends when all queues were found empty, or nobody
 * wants what is in them: a queue that is left with something in it would not call again.
 *
 * Questions (ask()) have one deadline each, whatever they ask for one after the other: a
 * ri_kafka_call. A change that was sent and not answered by then is RILL_EUNSURE, and so is a
 * record of which librdkafka says that it may be stored. Questions leave the gate, and ask on
 * the thread of their caller: half of the calls of
 * librdkafka that they need cannot be made otherwise. `asking` counts them, and nobody frees the
 * handle before it is 0. Under RILL_DRIVE_HOST no callback runs while such a question is out: it
 * ends within call_timeout_ms.
 *
 * THE CONNECTION is librdkafka's. UP is the first answer of any broker, behind an opening or
 * behind DOWN, which is when no broker is to be had, or none has answered for RI_KAFKA_DOWN_NS
 * since a connection was lost. Until then, and while it is down, metadata is asked for every
 * RI_KAFKA_PROBE_NS, so that both come though the program does nothing. What was produced and not
 * delivered waits in librdkafka, up to message.timeout.ms (5 minutes), and is sent when a broker is
 * there. It is sent idempotently (enable.idempotence): retries neither double nor reorder.
 *
 * WHAT GOES OUT. Plain records (no key, no headers, no more than KAFKA_STAGED_ONE bytes) that
 * nobody waits for stand on the stage until there are RI_KAFKA_STAGED of them, another topic or any
 * other record comes, or half a millisecond has passed (RILL_DRIVE_HOST: until the next turn); then
 * librdkafka gets them in one go, which costs it two looks at the clock and one lock for all of
 * them. Such a stage goes to one partition, which ri_kafka_send_partition() would pick, too: each
 * in turn gets some of them. How many a topic has is what librdkafka says to that function, to
 * which one stage of KAFKA_ASKED is left.
 *
 * Each append is a ri_kafka_sent, which librdkafka carries as the message's opaque pointer and
 * hands back with the report. Its list holds the append's waiter, as long as somebody waits. A
 * publish has none; its failure is a RILL_EV_ERROR. The receipts of one answer of a broker are
 * handed over together, when librdkafka has let go of the records and so has room: who waits for
 * one to try again finds some. The window is librdkafka's queue, 50000 messages and 64 MiB. A
 * publish that finds the queue full waits as long as send_timeout_ms says, and rill_append() up to
 * call_timeout_ms; then they are RILL_EAGAIN. rill_append_async() is RILL_EAGAIN at once.
 *
 * WHAT COMES. A reader asks for no more than the handle wants (`credit`); the rest lies in
 * librdkafka's queues. Half of the reader's pending_bytes is theirs, in equal shares of its
 * partitions (queued.max.messages.kbytes, fetch.message.max.bytes, queued.min.messages), and half
 * is the queue's of the handle; what is compressed may be larger when it is unpacked, and one
 * record comes however large it is. A record from before what was read last is of a partition that
 * began anew: it is read from there, and the program hears of it. Records that were taken out
 * of them and find no room wait in `held`, and go first. A
 * record's place travels as the message's reply subject, a
 * ri_kafka_mark, which is never shown: ri_kafka_read_view() makes stream, seq and the rest of it.
 *
 * Who reads alone, without acks, a callback or rill_reap(), is not delivered to: the thread that is
 * in rill_read() takes the records out of librdkafka's queue itself (`pulled`), and copies them to
 * where it lends them, by reads of 256 KiB; see front/handle/bus_pull.c. Who turns only wakes it:
 *
 *     librdkafka's queue --> held --> sub->consumer->loan      one thread, two stays in the gate,
 *         |  ceases to be empty                                for each rill_read()
 *         `--> a turn: ri_bus_pull_ready(), if it sleeps
 *
 * `taking` keeps those who seek, and who ends the reader, from what that thread is at. 27 % of what
 * a record costs, fetching it included, is that librdkafka allocates a buffer to say that it has no
 * headers, which rill_msg.nheaders wants to know, and 10 % is ours. It is not asked for a reader
 * with no_headers.
 *
 *     JOIN            more()                        leave()
 *      |  topic is     |  credit                     |  sub is gone: nothing is delivered
 *      v  there        v                             v
 *     reader --- sub unknown --- sub claimed --- leaving: positions are committed, the member
 *                                                  leaves, the instance is destroyed, by a turn
 *
 * A GROUP. Each partition that a member has is a ri_kafka_place with a row of what was delivered:
 *
 *     offset     17  18  19  21  22        `floor` = the first that is not settled: 18
 *     settled     x   .   x   .   .        18 is acked: floor 21, and that is committed
 *
 * Acks come in any order; the position moves when the first is settled, so what is committed never
 * passes what is not. One commit is under way at a time; what is settled meanwhile is the next, and
 * one that fails is made again after a pause. Without acks a message is settled when its reader has
 * taken it out of the queue. When the handle is closed its members leave, though the program keeps
 * messages or readers of it: by the thread that turns, or, under RILL_DRIVE_HOST, by one for that.
 * max_unacked bounds the row: then nothing is delivered until something is settled. There is no
 * ack_wait: a message comes again when its member leaves or loses the partition, and not before. A
 * message of a partition that went to another member is RILL_EFENCED when it is settled. Records of
 * partitions come by queues of their own, and rebalances by another: a rebalance never waits behind
 * messages that nobody wants yet, and the member is not put out of the group
 * (max.poll.interval.ms) however long the program takes: the queue of rebalances is polled all
 * the time.
 *
 * FORKS. In a child all handles of the parent answer RILL_ECLOSED before anything in here is
 * called: librdkafka has no threads there. */
#ifndef RI_KAFKA_PEER_H
#define RI_KAFKA_PEER_H

#include "base/buffer.h"
#include "front/peer_kafka/kafka.h"
#include "front/peer_kafka/kafka_lib.h"
#include "net/worker.h"

enum {
    RI_KAFKA_TAKE = 256,             /* records that are taken, or reports, in one stay */
    RI_KAFKA_WINDOW = 4096,          /* messages that a tail may have asked for */
    RI_KAFKA_TOPICS = 64,            /* handles of topics that are kept for the next record */
    RI_KAFKA_STAGED = 256,           /* records that librdkafka is given in one go ... */
    RI_KAFKA_STAGED_BYTES = 1 << 16, /* ... and their bytes */
    RI_KAFKA_EVENTS_MAX = 32,        /* that wait to be handed out: of more the newest are lost */
    RI_KAFKA_TOPIC_MAX = 249,        /* bytes of a topic's name */
    RI_KAFKA_PARTITIONS_MAX = 10000, /* of a topic that is read or asked about */
};
#define RI_KAFKA_STAGED_NS (RI_MS / 2) /* how long one that was put on the stage may wait there */
#define RI_KAFKA_PROBE_NS (1 * RI_SEC)
#define RI_KAFKA_DOWN_NS (2 * RI_SEC)  /* that no broker answers before it counts as down */
#define RI_KAFKA_LEAVE_NS (2 * RI_SEC) /* that a member of a group may take to leave it */
/* Before a position is sent again whose commit has failed; each pause is twice the last one. */
#define RI_KAFKA_AGAIN_MIN_NS (100 * RI_MS)
#define RI_KAFKA_AGAIN_MAX_NS (5 * RI_SEC)

typedef struct ri_kafka_event {
    struct ri_kafka_event *next;
    rill_event_kind kind;
    ri_failure what; /* its text is there without a code, too */
} ri_kafka_event;

typedef struct ri_kafka_sent { /* an append whose report is to come */
    ri_list calls;             /* its waiter's link; empty: nobody waits */
    ri_js_append *append;
    uint64_t number;           /* of the record */
} ri_kafka_sent;

/* Records of one topic that librdkafka was not given yet, in their order: see "What goes out". */
typedef struct ri_kafka_staging {
    rd_kafka_topic_t *topic;   /* lent by peer->topics; NULL: there never was one */
    ri_str name;               /* of the topic */
    rd_kafka_message_t records[RI_KAFKA_STAGED];
    uint32_t first, n;         /* of the records: those before `first` were given away */
    size_t used;               /* of `bytes` */
    char bytes[RI_KAFKA_STAGED_BYTES];
} ri_kafka_staging;

typedef struct ri_kafka_flush { /* who waits for what was sent and settled before */
    ri_list link;              /* in peer->flushes */
    uint64_t last;             /* number of the last record that it waits for ... */
    uint64_t left;             /* ... of which so many have no report yet */
    uint64_t settles;          /* peer->settles then */
    bool over;
} ri_kafka_flush;

typedef struct ri_kafka_peer {
    rill_bus bus;
    /* Set when it is opened, and not changed. */
    ri_kafka_lib lib;
    char *brokers;            /* "HOST:PORT,HOST:PORT"; owned, as are all texts here */
    char *user, *password;    /* NULL: none */
    char *config;             /* lines of "key=value"; NULL: none */
    char *name;               /* client.id */
    int64_t connect_ns;       /* that the first connection may take */
    uint32_t max_inflight;    /* records that wait for their delivery; 0: kafka_conf.c's number */
    uint64_t window;          /* the same, as all settings together have it */
    uint64_t send_kbytes;     /* of these; 0: the same */
    bool picks;               /* partitions of records without a key: else librdkafka does */
    bool tls;
    rd_kafka_t *rk;           /* that produces, and asks; NULL: opening has failed before */
    rd_kafka_queue_t *queue;  /* its reports and errors */
    rd_kafka_queue_t *others; /* errors and logs of all instances that read */
    pthread_t thread;         /* who turns: of RILL_DRIVE_THREAD, or of a handle that is closed
                                 while members of it are in groups */
    bool has_thread;          /* changed within the gate */
    ri_park work;             /* where it sleeps */
    char txn_id[5 + RI_NUID_LEN + 1]; /* its transactional.id */
    ri_worker txns;           /* makes its batches */
    bool begun;               /* the park and the lists are there */
    _Atomic bool ready;       /* a queue has something since the last turn began */

    /* Who turns. */
    ri_failure why;           /* the last of what befell connections; not being let in stays */
    bool all_down;            /* no broker was to be had, once */
    bool tried;               /* a connection has failed since this was set to false */
    bool suspect;             /* a connection was lost since a broker answered last */
    int64_t suspect_ns;       /* since when */
    int64_t probe_ns;         /* when a broker is asked next */

    rd_kafka_t *txn;          /* the thread beside: produces batches; NULL: there was none yet */
    bool txn_none;            /* the same: the cluster has no transactions */

    /* Guarded by the gate. */
    ri_buffer text, wire, mark; /* of the record at hand */
    bool turning;
    bool closing;
    bool was_up;
    _Atomic bool up;          /* changed within the gate */
    uint32_t asking;          /* questions that are out */
    uint64_t sent;            /* records that librdkafka was given, which are numbered */
    uint64_t unsent;          /* those without a report */
    uint64_t settles;         /* how often a position of a member has moved */
    ri_list flushes;          /* ri_kafka_flush.link */
    uint32_t room_wanted;     /* producers that wait for room */
    rd_kafka_topic_t *topics[RI_KAFKA_TOPICS]; /* by the hash of the name; NULL: none */
    /* By the same hash, how many partitions a topic has, below the upper half of the hash, which
     * says whose number it is; 0: not known. Written by whoever librdkafka asks on. */
    _Atomic uint64_t partitions[RI_KAFKA_TOPICS];
    _Atomic uint32_t gifts;   /* that librdkafka was given: records, or stages of them */
    ri_kafka_staging *stage;
    bool stage_watched;       /* who turns looks at it by himself, soon */
    ri_list spare;            /* ri_kafka_sent.calls */
    uint32_t nspare;
    ri_list readers;          /* ri_kafka_reader.link */
    uint32_t nreaders;        /* numbers given to readers */
    rd_kafka_t *getter;       /* reads single records, if nobody does so now; NULL: none */
    ri_kafka_event *events, **events_end; /* to be handed out; `end` NULL: there was none yet */
    uint32_t nevents;
} ri_kafka_peer;

static inline ri_kafka_peer *ri_kafka_peer_of(rill_bus *bus)
{
    return ri_container_of(bus, ri_kafka_peer, bus);
}

static inline bool ri_kafka_peer_is_entered(const ri_kafka_peer *peer)
{
    return ri_broker_is_entered(peer->bus.broker);
}

/* ---- kafka_peer.c ---- */
/* Inside the gate: an event for the program; `code` 0: with the thread's sentence, and no error. */
void ri_kafka_peer_event(ri_kafka_peer *peer, rill_event_kind kind, int code);
/* A broker has answered, or none is to be had; with the thread's sentence. Outside the gate. */
void ri_kafka_peer_up(ri_kafka_peer *peer, bool up);
/* Any thread, within the gate or not: there is something to turn. */
void ri_kafka_peer_call(ri_kafka_peer *peer);
/* What librdkafka calls when a queue ceases to be empty; `arg` is the peer. */
void ri_kafka_peer_ready(rd_kafka_t *rk, void *arg);

/* ---- kafka_conf.c ---- */
typedef enum ri_kafka_role {
    RI_KAFKA_PRODUCES,
    RI_KAFKA_TRANSACTS, /* it produces batches */
    RI_KAFKA_READS,
    RI_KAFKA_COMMITS,   /* as a member of a group */
} ri_kafka_role;
typedef struct ri_kafka_setting {
    const char *key, *value;
} ri_kafka_setting;
/* The URL and the options, copied. RILL_EINVAL. */
int ri_kafka_conf_init(ri_kafka_peer *peer, const ri_url *url, const rill_opts *opts);
void ri_kafka_conf_fini(ri_kafka_peer *peer);
/* An instance of librdkafka with the `n` settings beside the peer's; that of a reader (NULL: of
 * none) holds no more of each partition than the reader's share. */
struct ri_kafka_reader;
int ri_kafka_conf_new(ri_kafka_peer *peer, ri_kafka_role role, const ri_kafka_setting *settings,
                      size_t n, struct ri_kafka_reader *reader, rd_kafka_t **rk);

/* ---- kafka_send.c ---- */
int ri_kafka_send_publish(rill_bus *bus, const ri_message *m);
int ri_kafka_send_enter(rill_bus *bus);
int ri_kafka_send_append(rill_bus *bus, const ri_publish *p, bool awaited);
int ri_kafka_send_flush(rill_bus *bus, int timeout_ms, bool stored);
/* Inside the gate: what is on the stage goes to librdkafka, as far as that has room. */
void ri_kafka_send_staged(ri_kafka_peer *peer);
/* The partition of a record, on any thread, as librdkafka asks for it; `opaque` is the peer. */
int32_t ri_kafka_send_partition(const rd_kafka_topic_t *topic, const void *key, size_t key_len,
                                int32_t n, void *opaque, void *sent);
/* The same, by who turns: how long until he is to look again; -1: when he is called. */
int64_t ri_kafka_send_due_ns(const ri_kafka_peer *peer);
/* Inside the gate: something was committed, or is not to be any more, that a flush may wait for. */
void ri_kafka_send_rest(ri_kafka_peer *peer);
/* By who turns, outside the gate: reports of that event, which is destroyed. */
void ri_kafka_send_reports(ri_kafka_peer *peer, rd_kafka_event_t *event);
void ri_kafka_send_fini(ri_kafka_peer *peer);
/* Any thread: to the topic of the message, by that instance; RILL_ENOTSUP for what a record cannot
 * carry. */
int ri_kafka_send_record(ri_kafka_peer *peer, rd_kafka_t *rk, rd_kafka_topic_t *topic,
                         const ri_message *m, void *opaque);

/* ---- kafka_txn.c ---- */
int ri_kafka_txn_batch(rill_bus *bus, ri_js_batch *batch, ri_js_append *append);
void ri_kafka_txn_init(ri_kafka_peer *peer);
/* The handle is closed, and nobody has a batch of it. */
void ri_kafka_txn_fini(ri_kafka_peer *peer);
/* Of an instance for batches: who hears what became of its records. */
void ri_kafka_txn_conf(ri_kafka_peer *peer, rd_kafka_conf_t *conf);

#endif
