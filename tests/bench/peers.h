/* SPDX-License-Identifier: Apache-2.0 */
/* What clients of a NATS server are compared by: each program implements the works below with its
 * own library, and peers.c does the rest: it makes the other side of a work, which is a process of
 * its own on a raw socket, so that the processor time of this one is the client's alone, and prints
 * the figures.
 *
 *     peers_rill|peers_natsc WORK URL COUNT
 *
 *     publish       messages of 128 B, and a flush
 *     receive       as many, which another process publishes
 *     request       one at a time; another process answers
 *     js_publish    into a new stream in memory, PEERS_WINDOW of them not acknowledged
 *     js_fetch      out of it, PEERS_FETCH at a time, without acks
 *     js_consume    out of it, each acknowledged
 *     idle          COUNT connections that do nothing
 *     version       of the library; URL and COUNT are not needed
 *
 * over Kafka, where URL is kafka://HOST:PORT#TOPIC, of peers_rill and peers_kafka:
 *
 *     kafka_append  messages of 128 B into the topic, with a callback each
 *     kafka_tail    as many out of it, from the first on
 *
 * kafka_append_few, the same with a window of PEERS_FEW; of peers_kafka alone, by batches and by
 * callbacks: kafka_append_batches, kafka_append_batches_few, kafka_tail_called; of peers_rill
 * alone, by a handle that has threads: kafka_append_threads, kafka_tail_threads
 *
 * of peers_natsc alone, the same by callbacks:
 *
 *     receive_called, js_consume_called
 *
 * and of peers_rill alone, whose URL may be mem:NAME for these:
 *
 *     own_live      a thread publishes what another reads
 *     own_request   one at a time, which a callback answers
 *     own_append    into a new stream in memory, PEERS_WINDOW of them not acknowledged */
#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H

#include "wire.h"

enum {
    PEERS_SIZE = 128,
    PEERS_WINDOW = 4096,
    PEERS_FETCH = 1000,
    PEERS_UNACKED = 10000,   /* messages of a consumer that are not acknowledged */
    PEERS_FEW = 3000,        /* records not delivered yet, which a processor's cache holds */
    PEERS_WAIT_MS = 20000,   /* a server that is silent for so long has failed */
};

#define PEERS_SUBJECT "bench"
#define PEERS_ECHO "bench.echo"
#define PEERS_STREAM "BENCH"

typedef struct peers_work {
    const char *name;
    void (*run)(const char *url, long count);
} peers_work;

/* Of the program: the last one has no name. */
extern const peers_work peers_works[];
const char *peers_version(void);

extern char peers_data[PEERS_SIZE];

/* What kafka://HOST:PORT#TOPIC names. */
typedef struct peers_place {
    char broker[128], topic[64]; /* HOST:PORT, and TOPIC */
} peers_place;
peers_place peers_place_of(const char *url);

/* The measured part begins, and has ended behind `count` of something. */
void peers_begin(void);
void peers_end(long count);

/* In front of the first handle. Another process publishes `count` messages once it may ... */
void peers_source(const char *url, long count);
/* ... and is never far ahead of what has come: to be called with 0 when messages may come, and with
 * how many came so far whenever some did. */
void peers_came(long count);
/* Another process answers requests; it has subscribed. */
void peers_echo(const char *url);

/* Of this process: anonymous memory in KiB, and threads. */
typedef struct peers_size {
    long kib, threads;
} peers_size;
peers_size peers_measure(void);
/* What it was before the first connection, behind it, and behind `count` more. */
void peers_report_idle(const peers_size sizes[3], long count);

#endif
