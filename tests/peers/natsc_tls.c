/* SPDX-License-Identifier: Apache-2.0 */
/* natsc_tls DIR HOW...: libnats over TLS, with the certificates of DIR. HOW is
 *
 *     wanted    TLS is wanted                by_info  the server's INFO wants it
 *     known     with a certificate
 *     stranger  believing somebody else      hosted   wanting another host */
#include "natsc.h"

enum { BIG = 300000, MANY = 5000 };

static natsStatus tls_connect(natsConnection **conn, const char *dir, const char *how)
{
    char ca[300], cert[300], key[300];
    natsOptions *opts;
    bool known = strcmp(how, "known") == 0;
    snprintf(ca, sizeof ca, "%s/%s.pem", dir, strcmp(how, "stranger") == 0 ? "stranger" : "ca");
    snprintf(cert, sizeof cert, "%s/client.pem", dir);
    snprintf(key, sizeof key, "%s/client.key", dir);
    OK(natsOptions_Create(&opts));
    OK(natsOptions_SetURL(opts, natsc_url()));
    OK(natsOptions_SetAllowReconnect(opts, false));
    if (strcmp(how, "by_info") != 0) OK(natsOptions_SetSecure(opts, true));
    OK(natsOptions_LoadCATrustedCertificates(opts, ca));
    if (known) OK(natsOptions_LoadCertificatesChain(opts, cert, key));
    OK(natsOptions_SetExpectedHostname(opts, strcmp(how, "hosted") == 0 ? "other.example"
                                                                        : "localhost"));
    natsStatus status = natsConnection_Connect(conn, opts);
    natsOptions_Destroy(opts);
    return status;
}

/* Many small messages and a large one go around. */
static void tls_use(natsConnection *conn)
{
    static char big[BIG];
    natsSubscription *sub;
    memset(big, 'x', sizeof big);
    OK(natsConnection_SubscribeSync(&sub, conn, "tls.>"));
    for (int i = 0; i < MANY; i++) OK(natsConnection_Publish(conn, "tls.small", &i, sizeof i));
    OK(natsConnection_Publish(conn, "tls.big", big, sizeof big));
    for (int i = 0; i < MANY; i++) {
        natsMsg *msg = natsc_next(sub);
        HOLDS(natsMsg_GetDataLength(msg) == sizeof i &&
              memcmp(natsMsg_GetData(msg), &i, sizeof i) == 0);
        natsMsg_Destroy(msg);
    }
    natsMsg *msg = natsc_next(sub);
    HOLDS(natsMsg_GetDataLength(msg) == BIG && memcmp(natsMsg_GetData(msg), big, BIG) == 0);
    natsMsg_Destroy(msg);
    natsSubscription_Destroy(sub);
}

int main(int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        natsConnection *conn = NULL;
        natsStatus status = tls_connect(&conn, argv[1], argv[i]);
        if (status == NATS_OK) tls_use(conn);
        printf("%s: %s\n", argv[i], status == NATS_OK ? "served" : "refused");
        natsConnection_Destroy(conn);
    }
    nats_Close();
    return 0;
}
