/* SPDX-License-Identifier: Apache-2.0
 *
 * A broker for the clients of NATS and of Kafka: what one publishes the other has, since a topic is
 * a stream. With two ports behind its name it serves until its input ends; examples/exchange.sh
 * does so, and talks to it with kcat and over a bare socket. Prints
 *
 *     clients of NATS and of Kafka are served
 */
#include <stdio.h>

#include "rill.h"

int main(int argc, char **argv)
{
    rill_broker *broker;
    char nats[64], kafka[64];
    snprintf(nats, sizeof nats, "nats://127.0.0.1:%s", argc > 2 ? argv[1] : "0");
    snprintf(kafka, sizeof kafka, "kafka://127.0.0.1:%s", argc > 2 ? argv[2] : "0");
    if (rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .jetstream = true)) < 0 ||
        rill_broker_listen(broker, nats, NULL) < 0 || rill_broker_listen(broker, kafka, NULL) < 0) {
        fprintf(stderr, "%s\n", rill_errmsg());
        return 1;
    }
    puts("clients of NATS and of Kafka are served");
    fflush(stdout);
    if (argc > 2) getchar();
    return rill_broker_close(broker, 1000) < 0;
}
