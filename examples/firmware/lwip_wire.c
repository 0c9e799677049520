/* SPDX-License-Identifier: Apache-2.0 */
/* lwIP calls back on its own thread, or, with NO_SYS, wherever the program turns it; rill asks this
 * wire where it is polled. Both hold lwIP's lock. What has come waits in a chain of lwIP's own
 * buffers, whose window closes when rill does not read. */
#include "lwip_wire.h"

#include <stdlib.h>
#include <string.h>

#include <lwip/tcp.h>
#include <lwip/tcpip.h>

static struct {
    struct tcp_pcb *pcb; /* NULL: it has gone */
    struct pbuf *in;
    bool up, over;       /* connected; nothing more will come */
    rill_wire *wire;
} line;

#if !NO_SYS
static sys_sem_t woken;

void lwip_idle(void *arg, int64_t ns)
{
    (void)arg;
    if (!sys_sem_valid(&woken)) return;
    int64_t ms = ns < 0 || ns > INT64_C(1000000000) ? 1000 : (ns + 999999) / 1000000;
    if (ms > 0) sys_arch_sem_wait(&woken, (u32_t)ms);
}
#endif

static void line_ready(void)
{
    rill_wire_ready(line.wire);
#if !NO_SYS
    sys_sem_signal(&woken);
#endif
}

/* ---- lwIP says ---- */

static err_t line_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
    (void)arg;
    (void)pcb;
    line.up = err == ERR_OK;
    line_ready();
    return ERR_OK;
}

static err_t line_received(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    (void)arg;
    (void)pcb;
    (void)err;
    if (!p) line.over = true;
    else if (line.in) pbuf_cat(line.in, p);
    else line.in = p;
    line_ready();
    return ERR_OK;
}

static err_t line_sent(void *arg, struct tcp_pcb *pcb, u16_t len)
{
    (void)arg;
    (void)pcb;
    (void)len;
    line_ready();
    return ERR_OK;
}

static void line_lost(void *arg, err_t err)
{
    (void)arg;
    (void)err;
    line.pcb = NULL; /* lwIP has freed it */
    line_ready();
}

/* ---- rill asks ---- */

static int64_t line_read(void *arg, void *buf, size_t len)
{
    int64_t rc = RILL_EAGAIN;
    (void)arg;
    LOCK_TCPIP_CORE();
    if (line.in) {
        u16_t n = pbuf_copy_partial(line.in, buf, (u16_t)(len < 0xffff ? len : 0xffff), 0);
        line.in = pbuf_free_header(line.in, n);
        if (line.pcb) tcp_recved(line.pcb, n);
        rc = n;
    } else if (line.over || !line.pcb) {
        rc = line.over ? 0 : RILL_ECONN;
    }
    UNLOCK_TCPIP_CORE();
    return rc;
}

static int64_t line_write(void *arg, const void *buf, size_t len)
{
    int64_t rc = RILL_EAGAIN;
    (void)arg;
    LOCK_TCPIP_CORE();
    size_t room = line.pcb && line.up ? tcp_sndbuf(line.pcb) : 0;
    u16_t n = (u16_t)(len < room ? len : room < 0xffff ? room : 0xffff);
    if (!line.pcb) rc = RILL_ECONN;
    else if (n > 0 && tcp_write(line.pcb, buf, n, TCP_WRITE_FLAG_COPY) == ERR_OK) rc = n;
    if (rc > 0) tcp_output(line.pcb);
    UNLOCK_TCPIP_CORE();
    return rc;
}

static void line_close(void *arg)
{
    (void)arg;
    LOCK_TCPIP_CORE();
    if (line.in) pbuf_free(line.in);
    if (line.pcb) {
        tcp_recv(line.pcb, NULL);
        tcp_sent(line.pcb, NULL);
        tcp_err(line.pcb, NULL);
        if (tcp_close(line.pcb) != ERR_OK) tcp_abort(line.pcb);
    }
    memset(&line, 0, sizeof line);
    UNLOCK_TCPIP_CORE();
}

static int line_begin(const ip_addr_t *address, u16_t port)
{
    line.pcb = tcp_new();
    if (!line.pcb) return RILL_ENOMEM;
    tcp_recv(line.pcb, line_received);
    tcp_sent(line.pcb, line_sent);
    tcp_err(line.pcb, line_lost);
    if (tcp_connect(line.pcb, address, port, line_connected) == ERR_OK) return RILL_OK;
    tcp_abort(line.pcb); /* which calls line_lost() */
    return RILL_ECONN;
}

int lwip_dial(rill_wire **wire, const char *address, void *arg)
{
    static const rill_wire_ops ops = {sizeof ops, line_read, line_write, line_close, NULL};
    char host[40] = {0};
    const char *colon = strrchr(address, ':');
    ip_addr_t ip;
    (void)arg;
    if (!colon || (size_t)(colon - address) >= sizeof host) return RILL_EINVAL;
    memcpy(host, address, (size_t)(colon - address));
    if (!ipaddr_aton(host, &ip)) return RILL_EINVAL;
#if !NO_SYS
    if (!sys_sem_valid(&woken) && sys_sem_new(&woken, 0) != ERR_OK) return RILL_ENOMEM;
#endif
    int rc = rill_wire_new(wire, &ops, NULL, NULL);
    if (rc < 0) return rc;
    LOCK_TCPIP_CORE();
    line.wire = *wire;
    rc = line_begin(&ip, (u16_t)atoi(colon + 1));
    UNLOCK_TCPIP_CORE();
    if (rc < 0) rill_wire_close(*wire);
    return rc;
}
