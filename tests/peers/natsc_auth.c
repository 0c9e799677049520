/* SPDX-License-Identifier: Apache-2.0 */
/* natsc_auth LABEL CREDENTIALS...: connect with each ("user:password", "token" or "-" for none)
 * and print what became of it. */
#include "natsc.h"

int main(int argc, char **argv)
{
    const char *port = strrchr(natsc_url(), ':');
    HOLDS(port != NULL);
    for (int i = 1; i < argc; i++) {
        char url[256];
        if (strcmp(argv[i], "-") == 0)
            snprintf(url, sizeof url, "nats://127.0.0.1%s", port);
        else
            snprintf(url, sizeof url, "nats://%s@127.0.0.1%s", argv[i], port);
        natsConnection *conn = NULL;
        natsStatus status = natsConnection_ConnectTo(&conn, url);
        if (status == NATS_OK) status = natsConnection_FlushTimeout(conn, NATSC_WAIT_MS);
        printf("auth: %s: %s\n", argv[i], natsStatus_GetText(status));
        natsConnection_Destroy(conn);
    }
    nats_Close();
    return 0;
}
