/* SPDX-License-Identifier: Apache-2.0 */
/* A broker is killed (SIGKILL) at random moments under a client of Kafka's, which lives on:
 *
 *     kill_kafka RILLD [ROUNDS [SEED]]
 *
 * An idempotent producer writes numbers to a topic of four partitions, and a group commits how far
 * it has come, while another thread kills rilld and starts it again on the same directory and port.
 * Whenever the broker is back, the group stands where it was told to stand, or where the commit
 * that had no answer would have put it. At the end each number was acknowledged, and is there once,
 * in the order of its partition. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/die.h"
#include "support/rng.h"
#include "support/scratch.h"

enum { PARTITIONS = 4, WAIT_MS = 60000, LIFE_US = 300000 };
#define TOPIC "numbers"
#define GROUP "readers"

static char dir[SCRATCH_LEN];
static int port;
static const char *rilld;
static atomic_int rounds_left;
static uint64_t seed;
static atomic_uint_least64_t acknowledged;

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void pause_us(unsigned us)
{
    nanosleep(&(struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000}, NULL);
}

/* ---- The broker ---- */

static struct sockaddr_in place(int at)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)at),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* One that nobody is given who does not ask for it, so that the broker finds it free whenever it
 * comes again, whatever other tests do meanwhile. */
static int free_port(void)
{
    for (unsigned i = (unsigned)getpid() * 7;; i++) {
        int at = 10000 + (int)(i % 22000);
        struct sockaddr_in addr = place(at);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) die("no socket: %s", strerror(errno));
        int rc = bind(fd, (struct sockaddr *)&addr, sizeof addr);
        close(fd);
        if (rc == 0) return at;
        if (errno != EADDRINUSE && errno != EACCES) die("no port: %s", strerror(errno));
    }
}

static void write_config(void)
{
    char path[SCRATCH_LEN + 16];
    snprintf(path, sizeof path, "%s/rilld.conf", dir);
    FILE *file = fopen(path, "w");
    if (!file) die("%s: %s", path, strerror(errno));
    fprintf(file,
            "port: -1\nhost: \"127.0.0.1\"\nlog_file: \"%s/log\"\n"
            "jetstream { store_dir: \"%s/store\" }\n"
            "kafka { listen: \"127.0.0.1:%d\", default_partitions: %d }\n",
            dir, dir, port, PARTITIONS);
    if (fclose(file) != 0) die("%s: %s", path, strerror(errno));
}

static bool broker_answers(void)
{
    struct sockaddr_in at = place(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool there = fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
    if (fd >= 0) close(fd);
    return there;
}

static pid_t broker_start(void)
{
    char config[SCRATCH_LEN + 16];
    snprintf(config, sizeof config, "%s/rilld.conf", dir);
    pid_t pid = fork();
    if (pid < 0) die("fork: %s", strerror(errno));
    if (pid == 0) {
        execl(rilld, rilld, "-c", config, (char *)NULL);
        _exit(127);
    }
    for (int64_t until = now_ms() + WAIT_MS; !broker_answers(); pause_us(1000))
        if (now_ms() > until || waitpid(pid, NULL, WNOHANG) != 0) die("rilld did not start");
    return pid;
}

static void broker_kill(pid_t pid)
{
    int status;
    if (kill(pid, SIGKILL) < 0 || waitpid(pid, &status, 0) != pid)
        die("rilld could not be killed: %s", strerror(errno));
    if (!WIFSIGNALED(status)) die("rilld ended by itself, with status %d", status);
}

static void *killer(void *arg)
{
    pid_t *pid = arg;
    rng r;
    rng_init(&r, seed);
    for (; atomic_load(&rounds_left) > 0; atomic_fetch_sub(&rounds_left, 1)) {
        pause_us((unsigned)rng_below(&r, LIFE_US));
        broker_kill(*pid);
        *pid = broker_start();
    }
    return NULL;
}

/* ---- The client ---- */

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *arg)
{
    (void)rk, (void)arg;
    if (m->err) die("a record was given up: %s", rd_kafka_err2str(m->err));
    atomic_fetch_add(&acknowledged, 1);
}

static rd_kafka_t *client_new(rd_kafka_type_t type, const char *const (*words)[2])
{
    char why[256], brokers[32];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    snprintf(brokers, sizeof brokers, "127.0.0.1:%d", port);
    const char *const all[][2] = {{"bootstrap.servers", brokers},
                                  {"reconnect.backoff.ms", "5"},
                                  {"reconnect.backoff.max.ms", "20"},
                                  {"log_level", "0"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (rd_kafka_conf_set(conf, all[i][0], all[i][1], why, sizeof why)) die("%s", why);
    for (; (*words)[0]; words++)
        if (rd_kafka_conf_set(conf, (*words)[0], (*words)[1], why, sizeof why)) die("%s", why);
    if (type == RD_KAFKA_PRODUCER) rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
    if (!rk) die("%s", why);
    return rk;
}

static rd_kafka_t *producer_new(void)
{
    const char *const words[][2] = {{"enable.idempotence", "true"}, {"linger.ms", "1"},
                                    {"batch.num.messages", "20"}, {"retry.backoff.ms", "5"},
                                    {NULL, NULL}};
    return client_new(RD_KAFKA_PRODUCER, words);
}

static void send_number(rd_kafka_t *producer, uint64_t n)
{
    rd_kafka_resp_err_t err;
    while ((err = rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(TOPIC),
                                    RD_KAFKA_V_PARTITION((int32_t)(n % PARTITIONS)),
                                    RD_KAFKA_V_VALUE(&n, sizeof n),
                                    RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                    RD_KAFKA_V_END)) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        rd_kafka_poll(producer, 10);
    if (err) die("a record was refused: %s", rd_kafka_err2str(err));
}

typedef struct sender {
    rd_kafka_t *producer;
    uint64_t n; /* numbers below it were sent */
} sender;

static void *send_on(void *arg)
{
    sender *s = arg;
    while (atomic_load(&rounds_left) > 0) {
        for (int i = 0; i < 50; i++) send_number(s->producer, s->n++);
        rd_kafka_poll(s->producer, 1);
    }
    return NULL;
}

/* ---- The group ---- */

typedef struct standing {
    int64_t told;   /* acknowledged */
    int64_t tried;  /* without an answer; it may have come about */
} standing;

static void commit(rd_kafka_t *reader, standing *s)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    int64_t next = s->tried + 1;
    s->tried = next;
    rd_kafka_topic_partition_list_add(list, TOPIC, 0)->offset = next;
    if (rd_kafka_commit(reader, list, false) == RD_KAFKA_RESP_ERR_NO_ERROR && !list->elems[0].err)
        s->told = next;
    rd_kafka_topic_partition_list_destroy(list);
}

/* One broker after another is asked until one lives long enough to answer. */
static void look(rd_kafka_t *reader, const standing *s)
{
    int64_t until = now_ms() + WAIT_MS, at = -1;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, TOPIC, 0);
    for (bool answered = false; !answered;) {
        answered = rd_kafka_committed(reader, list, 1000) == RD_KAFKA_RESP_ERR_NO_ERROR &&
                   !list->elems[0].err;
        at = list->elems[0].offset;
        if (now_ms() > until) die("seed %" PRIu64 ": nobody says where the group is", seed);
    }
    rd_kafka_topic_partition_list_destroy(list);
    if (at < 0) at = 0;
    if (at < s->told || at > s->tried)
        die("seed %" PRIu64 ": the group is at %" PRId64 ", told %" PRId64 ", tried %" PRId64, seed,
            at, s->told, s->tried);
}

/* ---- What is there at the end ---- */

static uint64_t read_partition(rd_kafka_t *reader, int32_t partition, uint64_t n)
{
    uint64_t want = (uint64_t)partition, got = 0;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, TOPIC, partition)->offset = 0;
    if (rd_kafka_assign(reader, list)) die("partition %d cannot be read", (int)partition);
    rd_kafka_topic_partition_list_destroy(list);
    for (bool ended = false; !ended;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(reader, WAIT_MS);
        if (!m) die("partition %d ends nowhere", (int)partition);
        ended = m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (!m->err) {
            uint64_t number;
            if (m->len != sizeof number) die("a record of %zu bytes", m->len);
            memcpy(&number, m->payload, sizeof number);
            if (number != want)
                die("seed %" PRIu64 ": partition %d has %" PRIu64 ", not %" PRIu64, seed,
                    (int)partition, number, want);
            want += PARTITIONS;
            got++;
        }
        rd_kafka_message_destroy(m);
    }
    if (want < n)
        die("seed %" PRIu64 ": partition %d ends before %" PRIu64, seed, (int)partition, n);
    return got;
}

static uint64_t read_all(uint64_t n)
{
    const char *const words[][2] = {{"group.id", "audit"},
                                    {"enable.auto.commit", "false"},
                                    {"enable.partition.eof", "true"},
                                    {NULL, NULL}};
    rd_kafka_t *reader = client_new(RD_KAFKA_CONSUMER, words);
    uint64_t got = 0;
    for (int32_t p = 0; p < PARTITIONS; p++) got += read_partition(reader, p, n);
    rd_kafka_consumer_close(reader);
    rd_kafka_destroy(reader);
    return got;
}

int main(int argc, char **argv)
{
    if (argc < 2) die("usage: kill_kafka RILLD [ROUNDS [SEED]]");
    rilld = argv[1];
    int rounds = argc > 2 ? atoi(argv[2]) : 20;
    seed = argc > 3 ? strtoull(argv[3], NULL, 10) : (uint64_t)time(NULL);
    atomic_init(&rounds_left, rounds);
    scratch_make(dir);
    port = free_port();
    write_config();
    pid_t pid = broker_start();
    const char *const words[][2] = {{"group.id", GROUP}, {"enable.auto.commit", "false"},
                                    {NULL, NULL}};
    rd_kafka_t *producer = producer_new(), *reader = client_new(RD_KAFKA_CONSUMER, words);
    standing s = {0};
    sender sent = {.producer = producer};
    pthread_t kills, sends;
    while (sent.n < PARTITIONS) send_number(producer, sent.n++); /* which makes the topic */
    if (rd_kafka_flush(producer, WAIT_MS)) die("the first records have no answer");
    if (pthread_create(&kills, NULL, killer, &pid) || pthread_create(&sends, NULL, send_on, &sent))
        die("no thread");
    while (atomic_load(&rounds_left) > 0) {
        commit(reader, &s);
        look(reader, &s);
    }
    pthread_join(kills, NULL);
    pthread_join(sends, NULL);
    uint64_t n = sent.n;
    if (rd_kafka_flush(producer, WAIT_MS)) die("seed %" PRIu64 ": records have no answer", seed);
    look(reader, &s);
    rd_kafka_consumer_close(reader);
    rd_kafka_destroy(reader);
    rd_kafka_destroy(producer);
    uint64_t got = read_all(n);
    if (got != n || atomic_load(&acknowledged) != n)
        die("seed %" PRIu64 ": %" PRIu64 " sent, %" PRIu64 " acknowledged, %" PRIu64 " there", seed,
            n, (uint64_t)atomic_load(&acknowledged), got);
    broker_kill(pid);
    printf("%d kills: %" PRIu64 " records there once, %" PRId64 " commits acknowledged of %" PRId64
           "\n", rounds, n, s.told, s.tried);
    scratch_remove(dir);
    return EXIT_SUCCESS;
}
