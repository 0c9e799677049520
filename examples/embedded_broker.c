/* SPDX-License-Identifier: Apache-2.0
 *
 * A program that is a NATS server: others connect to its port, it talks to them over a bus
 * that touches no socket. The other here is a bare socket that speaks the protocol. Prints
 *
 *     over TCP came: 21 degrees
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rill.h"

static int check(int rc)
{
    if (rc >= 0) return rc;
    fprintf(stderr, "%s\n", rill_errmsg());
    exit(1);
}

static int publish_over_tcp(int port)
{
    static const char lines[] = "CONNECT {\"verbose\":false}\r\n"
                                "PUB sensors.kitchen 10\r\n21 degrees\r\n";
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) return -1;
    return write(fd, lines, strlen(lines)) == (ssize_t)strlen(lines) ? fd : -1;
}

int main(void)
{
    rill_broker *broker;
    rill_bus *bus;
    rill_sub *sub;
    const rill_msg *m;
    check(rill_broker_open(&broker, NULL));
    int port = check(rill_broker_listen(broker, "nats://127.0.0.1:0", NULL));
    check(rill_broker_bus(broker, &bus, NULL));
    check(rill_subscribe(bus, &sub, "sensors.>", NULL));

    int fd = publish_over_tcp(port);
    check(rill_next(sub, &m, 5000));
    printf("over TCP came: %.*s\n", RILL_ARG(m->data));

    close(fd);
    rill_sub_close(sub);
    check(rill_close(bus, 1000));
    return rill_broker_close(broker, 1000) < 0;
}
