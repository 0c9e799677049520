/* SPDX-License-Identifier: Apache-2.0 */
/* Others that keep records of 128 bytes on disk, for bench_log: each returns the nanoseconds of a
 * record that is durable, or 0 and one line that says why there is none. */
#ifndef BENCH_LOG_PEERS_H
#define BENCH_LOG_PEERS_H

#include <stdint.h>

enum { BENCH_TURN = 4096, BENCH_RECORD = 128, BENCH_ROUNDS = 5 };

double bench_now(void);
double bench_redis(const char *dir, uint64_t n);  /* every append synced, BENCH_TURN in flight */
double bench_sqlite(const char *dir, uint64_t n); /* WAL, synchronous FULL, 1000 a transaction */
double bench_lmdb(const char *dir, uint64_t n);   /* 1000 a transaction */
double bench_page_cache(const char *dir);         /* a byte: pread of all segments there */

#endif
