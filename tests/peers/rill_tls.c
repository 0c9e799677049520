/* SPDX-License-Identifier: Apache-2.0 */
/* rill_tls DIR HOW...: handles of rill over TLS to the server that NATS_URL names, which need not
 * be one of rill's, with the certificates of DIR. HOW is
 *
 *     wanted    tls://, believing ca.pem        known    with client.pem
 *     by_info   nats://, by the system's list   first    TLS before INFO
 *     stranger  believing somebody else         hosted   wanting another host */
#include <rill.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BIG = 300000, MANY = 5000, WAIT_MS = 20000 };

static void ok(int rc, int line)
{
    if (rc >= 0) return;
    printf("line %d: %s\n", line, rill_errmsg());
    exit(1);
}
#define OK(call) ok((call), __LINE__)

static int tls_open(rill_bus **bus, const char *dir, const char *how)
{
    char ca[300], cert[300], key[300], url[100];
    const char *at = getenv("NATS_URL");
    const char *port = at ? strrchr(at, ':') : ":4222";
    bool system = strcmp(how, "by_info") == 0, known = strcmp(how, "known") == 0;
    snprintf(ca, sizeof ca, "%s/%s.pem", dir, strcmp(how, "stranger") == 0 ? "stranger" : "ca");
    snprintf(cert, sizeof cert, "%s/client.pem", dir);
    snprintf(key, sizeof key, "%s/client.key", dir);
    snprintf(url, sizeof url, "%s://localhost%s", system ? "nats" : "tls", port);
    if (system) setenv("SSL_CERT_FILE", ca, 1);
    const rill_tls tls = {
        .size = sizeof tls, .ca_file = ca, .cert_file = known ? cert : NULL,
        .key_file = known ? key : NULL, .handshake_first = strcmp(how, "first") == 0,
        .server_name = strcmp(how, "hosted") == 0 ? "other.example" : NULL};
    return rill_open(bus, url, RILL_OPTS(rill_opts, .tls = system ? NULL : &tls,
                                         .no_redial = true));
}

static void tls_use(rill_bus *bus)
{
    static char big[BIG];
    rill_sub *sub;
    const rill_msg *m;
    memset(big, 'x', sizeof big);
    OK(rill_subscribe(bus, &sub, "tls.>", NULL));
    for (int i = 0; i < MANY; i++) OK(rill_publish(bus, "tls.small", &i, sizeof i, NULL));
    OK(rill_publish(bus, "tls.big", big, sizeof big, NULL));
    for (int i = 0; i <= MANY; i++) {
        OK(rill_next(sub, &m, WAIT_MS));
        const void *want = i < MANY ? (const void *)&i : big;
        size_t len = i < MANY ? sizeof i : sizeof big;
        if (m->data.len == len && memcmp(m->data.ptr, want, len) == 0) continue;
        printf("message %d is another\n", i);
        exit(1);
    }
    rill_sub_close(sub);
}

int main(int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        rill_bus *bus;
        int rc = tls_open(&bus, argv[1], argv[i]);
        if (rc >= 0) tls_use(bus);
        printf("%s: %s\n", argv[i], rc >= 0 ? "served" : rill_errname(rc));
        rill_close(bus, WAIT_MS);
    }
    return 0;
}
