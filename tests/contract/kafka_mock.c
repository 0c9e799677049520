/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_mock: the cluster that librdkafka has for tests, in a process of its own: three brokers
 * with the topics T, of one partition, and W, of three. It prints its URL, and ends with the thread
 * that has started it. */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

static void die(const char *why)
{
    fprintf(stderr, "kafka_mock: %s\n", why);
    exit(1);
}

int main(void)
{
    char why[256];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", why, sizeof why);
    rd_kafka_conf_set(conf, "bootstrap.servers", "127.0.0.1:1", why, sizeof why);
    rd_kafka_t *owner = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!owner) die(why);
    rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(owner, 3);
    if (!cluster) die("no cluster");
    if (rd_kafka_mock_topic_create(cluster, "T", 1, 1)) die("no topic T");
    if (rd_kafka_mock_topic_create(cluster, "W", 3, 1)) die("no topic W");
    printf("kafka://%s\n", rd_kafka_mock_cluster_bootstraps(cluster));
    fflush(stdout);
    for (;;) pause();
}
