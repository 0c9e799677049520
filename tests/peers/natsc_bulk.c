/* SPDX-License-Identifier: Apache-2.0 */
/* The big and the many through libnats: messages up to the limit and above, thousands of
 * subscriptions, hundreds of connections, and a reader that never reads, which the server must
 * drop without harm to anybody else. */
#include "natsc.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static void bulk_large(natsConnection *conn)
{
    static const int sizes[] = {1, 4095, 4096, 4097, 65536, 300000, 1048576};
    char *data = malloc(1048577);
    HOLDS(data != NULL);
    for (int i = 0; i < 1048577; i++)
        data[i] = (char)('a' + i * 7 % 26);
    natsSubscription *sub;
    OK(natsConnection_SubscribeSync(&sub, conn, "large"));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        OK(natsConnection_Publish(conn, "large", data, sizes[i]));
        natsMsg *msg = natsc_next(sub);
        HOLDS(natsMsg_GetDataLength(msg) == sizes[i]);
        HOLDS(memcmp(natsMsg_GetData(msg), data, (size_t)sizes[i]) == 0);
        printf("large: %d bytes whole\n", sizes[i]);
        natsMsg_Destroy(msg);
    }
    printf("large: limit %lld, one byte above it: %s\n",
           (long long)natsConnection_GetMaxPayload(conn),
           natsStatus_GetText(natsConnection_Publish(conn, "large", data, 1048577)));
    natsSubscription_Destroy(sub);
    free(data);
}

static void bulk_many_subs(natsConnection *conn)
{
    enum { SUBS = 5000 };
    static natsSubscription *subs[SUBS];
    char subject[32];
    for (int i = 0; i < SUBS; i++) {
        snprintf(subject, sizeof subject, "many.%d.%s", i, i % 2 ? "*" : "x");
        OK(natsConnection_SubscribeSync(&subs[i], conn, subject));
    }
    for (int i = 0; i < SUBS; i++) {
        snprintf(subject, sizeof subject, "many.%d.x", i);
        OK(natsConnection_PublishString(conn, subject, "x"));
    }
    int got = 0;
    for (int i = 0; i < SUBS; i++) {
        int waiting = natsc_waiting(conn, subs[i]);
        HOLDS(waiting == 1);
        got += waiting;
        natsSubscription_Destroy(subs[i]);
    }
    printf("many: %d subscriptions got %d\n", SUBS, got);
}

static void bulk_many_conns(natsConnection *conn)
{
    enum { CONNS = 200 };
    static natsConnection *conns[CONNS];
    static natsSubscription *subs[CONNS];
    for (int i = 0; i < CONNS; i++) {
        conns[i] = natsc_connect();
        OK(natsConnection_SubscribeSync(&subs[i], conns[i], "all"));
        OK(natsConnection_FlushTimeout(conns[i], NATSC_WAIT_MS));
    }
    for (int i = 0; i < 10; i++)
        OK(natsConnection_PublishString(conn, "all", "x"));
    OK(natsConnection_FlushTimeout(conn, NATSC_WAIT_MS));
    int got = 0;
    for (int i = 0; i < CONNS; i++) {
        for (int k = 0; k < 10; k++, got++)
            natsMsg_Destroy(natsc_next(subs[i]));
        natsSubscription_Destroy(subs[i]);
        natsConnection_Destroy(conns[i]);
    }
    printf("many: %d connections got %d\n", CONNS, got);
}

/* A connection that subscribes and never reads. */
static int bulk_deaf(void)
{
    const char *port = strrchr(natsc_url(), ':');
    HOLDS(port != NULL);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port + 1))};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){65536}, sizeof(int));
    HOLDS(fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof addr) == 0);
    static const char hello[] = "CONNECT {\"verbose\":false}\r\nSUB flood 1\r\nPING\r\n";
    HOLDS(write(fd, hello, sizeof hello - 1) == sizeof hello - 1);
    char text[8192];
    size_t len = 0;
    while (len < 4 || memcmp(text + len - 6, "PONG\r\n", 6) != 0) {
        ssize_t n = read(fd, text + len, sizeof text - len);
        HOLDS(n > 0);
        len += (size_t)n;
    }
    return fd;
}

static void bulk_slow_consumer(natsConnection *conn)
{
    enum { SIZE = 65536, MESSAGES = 3000 };
    natsSubscription *sub;
    char *data = calloc(1, SIZE);
    HOLDS(data != NULL);
    int deaf = bulk_deaf();
    OK(natsConnection_SubscribeSync(&sub, conn, "flood"));
    int got = 0;
    for (int i = 0; i < MESSAGES; i++) {
        OK(natsConnection_Publish(conn, "flood", data, SIZE));
        if (i % 100 == 99)
            for (int k = 0; k < 100; k++, got++)
                natsMsg_Destroy(natsc_next(sub));
    }
    printf("slow: the reader that reads got %d\n", got);
    size_t bytes = 0;
    ssize_t n;
    while ((n = read(deaf, data, SIZE)) > 0)
        bytes += (size_t)n;
    HOLDS(bytes < (size_t)SIZE * MESSAGES);
    printf("slow: the deaf one was closed before it had all\n");
    close(deaf);
    natsSubscription_Destroy(sub);
    free(data);
}

int main(void)
{
    natsConnection *conn = natsc_connect();
    bulk_large(conn);
    bulk_many_subs(conn);
    bulk_many_conns(conn);
    bulk_slow_consumer(conn);
    natsConnection_Destroy(conn);
    nats_Close();
    return 0;
}
