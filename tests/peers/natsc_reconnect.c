/* SPDX-License-Identifier: Apache-2.0 */
/* natsc_reconnect SERVER: a client's server is killed and started again on the same port; the
 * client comes back by itself, with its subscriptions and what it published meanwhile. */
#include "natsc.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_int downs, ups;

static void reconnect_down(natsConnection *conn, void *arg)
{
    (void)conn;
    (void)arg;
    downs++;
}

static void reconnect_up(natsConnection *conn, void *arg)
{
    (void)conn;
    (void)arg;
    ups++;
}

static void reconnect_await(const atomic_int *count, int least)
{
    for (int i = 0; *count < least; i++) {
        HOLDS(i < 6000);
        nats_Sleep(10);
    }
}

/* One that nobody is given who does not ask for it: the server comes back there. */
static int reconnect_port(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (unsigned i = (unsigned)getpid() * 7;; i++) {
        int port = 10000 + (int)(i % 22000);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        addr.sin_port = htons((uint16_t)port);
        int rc = fd < 0 ? 0 : bind(fd, (struct sockaddr *)&addr, sizeof addr);
        HOLDS(fd >= 0 && close(fd) == 0);
        if (rc == 0) return port;
    }
}

static pid_t reconnect_start(const char *server, int port)
{
    char text[16];
    snprintf(text, sizeof text, "%d", port);
    pid_t pid = fork();
    HOLDS(pid >= 0);
    if (pid == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL) _exit(126);
        execl(server, server, "-a", "127.0.0.1", "-p", text, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static void reconnect_kill(pid_t pid, int signal_number)
{
    HOLDS(kill(pid, signal_number) == 0);
    HOLDS(waitpid(pid, NULL, 0) == pid);
}

int main(int argc, char **argv)
{
    HOLDS(argc == 2);
    int port = reconnect_port();
    pid_t pid = reconnect_start(argv[1], port);
    char url[64];
    snprintf(url, sizeof url, "nats://127.0.0.1:%d", port);
    natsOptions *opts;
    natsConnection *conn;
    natsSubscription *sub;
    OK(natsOptions_Create(&opts));
    OK(natsOptions_SetURL(opts, url));
    OK(natsOptions_SetRetryOnFailedConnect(opts, true, NULL, NULL));
    OK(natsOptions_SetMaxReconnect(opts, 10000));
    OK(natsOptions_SetReconnectWait(opts, 20));
    OK(natsOptions_SetTimeout(opts, NATSC_WAIT_MS));
    OK(natsOptions_SetDisconnectedCB(opts, reconnect_down, NULL));
    OK(natsOptions_SetReconnectedCB(opts, reconnect_up, NULL));
    natsStatus status = natsConnection_Connect(&conn, opts);
    HOLDS(status == NATS_OK || status == NATS_NOT_YET_CONNECTED);
    OK(natsConnection_SubscribeSync(&sub, conn, "back"));
    for (int i = 0; natsConnection_Status(conn) != NATS_CONN_STATUS_CONNECTED; i++) {
        HOLDS(i < 6000);
        nats_Sleep(10);
    }
    OK(natsConnection_FlushTimeout(conn, NATSC_WAIT_MS));
    static const int signals[] = {SIGTERM, SIGKILL, SIGINT};
    for (int round = 0; round < 3; round++) {
        int up = ups, down = downs;
        reconnect_kill(pid, signals[round]);
        reconnect_await(&downs, down + 1);
        OK(natsConnection_PublishString(conn, "back", "kept"));
        pid = reconnect_start(argv[1], port);
        reconnect_await(&ups, up + 1);
        natsMsg *msg = natsc_next(sub);
        printf("reconnect %d: %s\n", round, natsMsg_GetData(msg));
        natsMsg_Destroy(msg);
    }
    natsSubscription_Destroy(sub);
    natsConnection_Destroy(conn);
    natsOptions_Destroy(opts);
    nats_Close();
    reconnect_kill(pid, SIGTERM);
    return 0;
}
