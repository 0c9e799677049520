/* SPDX-License-Identifier: Apache-2.0 */
#include "lwip_net.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lwip/api.h>
#include <lwip/tcpip.h>

enum { PORT = 4222 };

/* A connection of lwIP's, and the socket that it is carried to. */
typedef struct pair {
    struct netconn *conn;
    int fd;
} pair;

static char server_host[64], server_port[8];

/* ---- Carrying ---- */

static void pump_out(void *arg)
{
    pair *p = arg;
    struct netbuf *buf;
    while (netconn_recv(p->conn, &buf) == ERR_OK) {
        do {
            void *data;
            u16_t len;
            netbuf_data(buf, &data, &len);
            for (u16_t done = 0; done < len;) {
                ssize_t n = send(p->fd, (char *)data + done, len - done, MSG_NOSIGNAL);
                if (n <= 0) break;
                done = (u16_t)(done + n);
            }
        } while (netbuf_next(buf) >= 0);
        netbuf_delete(buf);
    }
    shutdown(p->fd, SHUT_RDWR); /* ends the other one */
}

static void pump_in(void *arg)
{
    pair *p = arg;
    char data[4096];
    ssize_t n;
    while ((n = recv(p->fd, data, sizeof data, 0)) > 0)
        if (netconn_write(p->conn, data, (size_t)n, NETCONN_COPY) != ERR_OK) break;
    netconn_shutdown(p->conn, 1, 1);
}

static int dial(void)
{
    struct addrinfo *found = NULL, want = {.ai_socktype = SOCK_STREAM};
    if (getaddrinfo(server_host, server_port, &want, &found) != 0) return -1;
    int fd = socket(found->ai_family, SOCK_STREAM, 0);
    int rc = connect(fd, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    if (rc == 0) return fd;
    close(fd);
    return -1;
}

static void relay(void *arg)
{
    static pair pairs[8]; /* of as many connections as a short program makes */
    struct netconn *listener = arg;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        pair *p = &pairs[i];
        if (netconn_accept(listener, &p->conn) != ERR_OK) return;
        p->fd = dial();
        if (p->fd < 0) {
            netconn_close(p->conn);
            continue;
        }
        sys_thread_new("out", pump_out, p, 0, 0);
        sys_thread_new("in", pump_in, p, 0, 0);
    }
}

/* ---- lwIP ---- */

static err_t loop_output(struct netif *netif, struct pbuf *p, const ip4_addr_t *to)
{
    (void)to;
    return netif_loop_output(netif, p);
}

static err_t loop_init(struct netif *netif)
{
    netif->name[0] = netif->name[1] = 'l';
    netif->mtu = 1500;
    netif->output = loop_output;
    return ERR_OK;
}

static void started(void *arg)
{
    static struct netif netif;
    ip4_addr_t address, mask, gateway;
    IP4_ADDR(&address, 10, 0, 0, 1);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    IP4_ADDR(&gateway, 10, 0, 0, 1);
    netif_add(&netif, &address, &mask, &gateway, NULL, loop_init, tcpip_input);
    netif_set_default(&netif);
    netif_set_link_up(&netif);
    netif_set_up(&netif);
    sys_sem_signal(arg);
}

const char *lwip_net_start(const char *server)
{
    const char *colon = strrchr(server, ':');
    if (!colon || (size_t)(colon - server) >= sizeof server_host) exit(2);
    memcpy(server_host, server, (size_t)(colon - server));
    snprintf(server_port, sizeof server_port, "%s", colon + 1);
    sys_sem_t up;
    sys_sem_new(&up, 0);
    tcpip_init(started, &up);
    sys_arch_sem_wait(&up, 0);
    struct netconn *listener = netconn_new(NETCONN_TCP);
    if (!listener || netconn_bind(listener, IP_ADDR_ANY, PORT) != ERR_OK ||
        netconn_listen(listener) != ERR_OK)
        exit(2);
    sys_thread_new("relay", relay, listener, 0, 0);
    return "nats://10.0.0.1:4222";
}
