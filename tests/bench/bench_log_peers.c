/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_log_peers.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef BENCH_SQLITE
#include <sqlite3.h>
#endif
#ifdef BENCH_LMDB
#include <lmdb.h>
#endif

enum { PEER_TRANSACTION = 1000, PEER_START_MS = 5000 };

#if defined BENCH_SQLITE || defined BENCH_LMDB
static char peer_data[BENCH_RECORD];
#endif

static double peer_none(const char *name, const char *why)
{
    static bool told[3];
    int which = name[0] == 'r' ? 0 : name[0] == 'S' ? 1 : 2;
    if (!told[which]) printf("no %s: %s\n", name, why);
    told[which] = true;
    return 0;
}

/* ---- redis: RESP over its unix socket ---- */

static pid_t peer_redis_start(const char *dir)
{
    pid_t pid = fork();
    if (pid != 0) return pid;
    if (chdir(dir) < 0) _exit(1);
    int null = open("/dev/null", O_RDWR);
    dup2(null, 1);
    dup2(null, 2);
    execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", "redis.sock",
           "--appendonly", "yes", "--appendfsync", "always", "--save", "", (char *)NULL);
    _exit(127);
}

static int peer_redis_connect(const char *dir, pid_t pid)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int len = snprintf(to.sun_path, sizeof to.sun_path, "%s/redis.sock", dir);
    if (len >= (int)sizeof to.sun_path) return -1;
    double until = bench_now() + PEER_START_MS * 1e6;
    while (bench_now() < until && waitpid(pid, NULL, WNOHANG) == 0) {
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        char answer[256]; /* an error while it loads what the round before left */
        if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
            send(fd, "PING\r\n", 6, MSG_NOSIGNAL) == 6 &&
            recv(fd, answer, sizeof answer, 0) > 0 && answer[0] == '+')
            return fd;
        if (fd >= 0) close(fd);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return -1;
}

/* Send BENCH_TURN commands and take as many answers, each one line. */
static bool peer_redis_turn(int fd, const char *batch, size_t size)
{
    char answers[65536];
    size_t sent = 0, lines = 0;
    while (lines < BENCH_TURN) {
        struct pollfd ready = {.fd = fd, .events = sent < size ? POLLIN | POLLOUT : POLLIN};
        if (poll(&ready, 1, -1) < 0) return false;
        if (sent < size) {
            ssize_t n = send(fd, batch + sent, size - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (n < 0 && errno != EAGAIN) return false;
            if (n > 0) sent += (size_t)n;
        }
        ssize_t n = recv(fd, answers, sizeof answers, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN)) return false;
        for (ssize_t i = 0; i < n; i++) lines += answers[i] == '\n';
        if (n > 0 && answers[0] == '-') return false;
    }
    return true;
}

double bench_redis(const char *dir, uint64_t n)
{
    static char batch[BENCH_TURN * 192];
    size_t size = 0;
    for (int i = 0; i < BENCH_TURN; i++) {
        size += (size_t)sprintf(batch + size, "*3\r\n$5\r\nRPUSH\r\n$3\r\nlog\r\n$128\r\n");
        memset(batch + size, 'x', BENCH_RECORD);
        memcpy(batch + size + BENCH_RECORD, "\r\n", 2);
        size += BENCH_RECORD + 2;
    }
    pid_t pid = peer_redis_start(dir);
    if (pid < 0) return peer_none("redis", "fork failed");
    int fd = peer_redis_connect(dir, pid);
    bool good = fd >= 0;
    double start = bench_now();
    uint64_t done = 0;
    for (; good && done < n; done += BENCH_TURN) good = peer_redis_turn(fd, batch, size);
    double took = bench_now() - start;
    if (fd >= 0) close(fd);
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    return good ? took / (double)done : peer_none("redis", "redis-server did not start or answer");
}

/* ---- SQLite ---- */

double bench_sqlite(const char *dir, uint64_t n)
{
#ifdef BENCH_SQLITE
    char name[4200];
    snprintf(name, sizeof name, "%s/peer.sqlite", dir);
    sqlite3 *db = NULL;
    sqlite3_stmt *insert = NULL;
    bool good = sqlite3_open(name, &db) == SQLITE_OK &&
                sqlite3_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                             "CREATE TABLE IF NOT EXISTS log(seq INTEGER PRIMARY KEY, data BLOB)",
                             NULL, NULL, NULL) == SQLITE_OK &&
                sqlite3_prepare_v2(db, "INSERT INTO log(data) VALUES(?)", -1, &insert, NULL) ==
                    SQLITE_OK;
    double start = bench_now();
    for (uint64_t i = 0; good && i < n; i++) {
        if (i % PEER_TRANSACTION == 0) good = !sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
        sqlite3_bind_blob(insert, 1, peer_data, sizeof peer_data, SQLITE_STATIC);
        good = good && sqlite3_step(insert) == SQLITE_DONE && sqlite3_reset(insert) == SQLITE_OK;
        if (good && (i % PEER_TRANSACTION == PEER_TRANSACTION - 1 || i == n - 1))
            good = !sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    }
    double took = bench_now() - start;
    sqlite3_finalize(insert);
    sqlite3_close(db);
    return good ? took / (double)n : peer_none("SQLite", "it failed");
#else
    (void)dir;
    (void)n;
    return peer_none("SQLite", "built without libsqlite3-dev");
#endif
}

/* ---- LMDB ---- */

#ifdef BENCH_LMDB
static bool peer_lmdb_put(MDB_env *env, uint64_t first, uint64_t n)
{
    MDB_txn *txn;
    MDB_dbi dbi;
    if (mdb_txn_begin(env, NULL, 0, &txn)) return false;
    bool good = mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &dbi) == 0;
    for (uint64_t seq = first; good && seq < first + n; seq++) {
        MDB_val key = {sizeof seq, &seq}, value = {sizeof peer_data, peer_data};
        good = mdb_put(txn, dbi, &key, &value, MDB_APPEND) == 0;
    }
    if (good) return mdb_txn_commit(txn) == 0;
    mdb_txn_abort(txn);
    return false;
}
#endif

double bench_lmdb(const char *dir, uint64_t n)
{
#ifdef BENCH_LMDB
    char name[4200];
    snprintf(name, sizeof name, "%s/peer.lmdb", dir);
    unlink(name);
    MDB_env *env = NULL;
    bool good = mdb_env_create(&env) == 0 && mdb_env_set_mapsize(env, (size_t)1 << 32) == 0 &&
                mdb_env_open(env, name, MDB_NOSUBDIR, 0666) == 0;
    double start = bench_now();
    for (uint64_t i = 0; good && i < n; i += PEER_TRANSACTION)
        good = peer_lmdb_put(env, i + 1, n - i < PEER_TRANSACTION ? n - i : PEER_TRANSACTION);
    double took = bench_now() - start;
    if (env) mdb_env_close(env);
    return good ? took / (double)n : peer_none("LMDB", "it failed");
#else
    (void)dir;
    (void)n;
    return peer_none("LMDB", "built without liblmdb-dev");
#endif
}

/* ---- The page cache ---- */

double bench_page_cache(const char *dir)
{
    static char buffer[262144], name[4300];
    uint64_t bytes = 0;
    double start = bench_now();
    for (unsigned slot = 0;; slot++) {
        snprintf(name, sizeof name, "%s/%08x.seg", dir, slot);
        int fd = open(name, O_RDONLY);
        if (fd < 0) break;
        ssize_t n;
        for (off_t at = 0; (n = pread(fd, buffer, sizeof buffer, at)) > 0; at += n)
            bytes += (uint64_t)n;
        close(fd);
    }
    return bytes ? (bench_now() - start) / (double)bytes : 0;
}
