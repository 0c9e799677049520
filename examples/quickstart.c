/* SPDX-License-Identifier: Apache-2.0
 *
 * The main job in one program: a broker inside this process, a NATS listener on it, and messages
 * both ways between this program and a NATS client, which here is a bare socket. Prints
 *
 *     The NATS client sent: hello over the socket
 *     The program sent: hello from inside
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rill.h"

#define OK(call) if ((call) < 0) { fprintf(stderr, "%s\n", rill_errmsg()); exit(1); }

/* Read from the client's socket until `word` has come. */
static void await(int fd, const char *word)
{
    char text[4096] = "";
    for (size_t len = 0; strstr(text, word) == NULL; text[len] = 0) {
        ssize_t n = read(fd, text + len, sizeof text - 1 - len);
        if (n <= 0) exit(1);
        len += (size_t)n;
    }
}

int main(void)
{
    rill_broker *broker;
    rill_bus *bus;
    rill_sub *sub;
    const rill_msg *m;
    OK(rill_broker_open(&broker, NULL));
    int port = rill_broker_listen(broker, "nats://127.0.0.1:0", NULL);
    OK(port);
    OK(rill_broker_bus(broker, &bus, NULL));
    OK(rill_subscribe(bus, &sub, "to.program", NULL));

    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(client, (struct sockaddr *)&addr, sizeof addr) < 0) return 1;
    dprintf(client, "CONNECT {\"verbose\":false}\r\nSUB to.client 1\r\nPING\r\n");
    await(client, "PONG");
    dprintf(client, "PUB to.program 21\r\nhello over the socket\r\n");
    OK(rill_next(sub, &m, 2000));
    printf("The NATS client sent: %.*s\n", RILL_ARG(m->data));
    OK(rill_publish(bus, "to.client", "hello from inside", 17, NULL));
    await(client, "MSG to.client 1 17\r\nhello from inside\r\n");
    printf("The program sent: hello from inside\n");
    close(client);
    rill_sub_close(sub);
    return rill_close(bus, 1000) | rill_broker_close(broker, 1000);
}
