/* SPDX-License-Identifier: Apache-2.0
 *
 * A broker behind TLS and a password. The handle believes nobody but the certificate that it was
 * given, so that it tells nobody else its password. The key below is public: make your own. Prints
 *
 *     a stranger: refused
 *     ada: 21 degrees
 */
#include <stdio.h>
#include <stdlib.h>

#include "rill.h"

static const char certificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBXjCCAQSgAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwIBcNMjAwMTAxMDAwMDAw\n"
    "WhgPMjA3NjAxMDEwMDAwMDBaMBQxEjAQBgNVBAMMCWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA\n"
    "BIh409ejxn1Y6CYTdE/RkSROmBGCX9cK16OTO9g8sA6iQxfBdrJ3jgzWQ3JLyD0nog3Ubkz9fQoP5r+kSEkHC3yj\n"
    "RTBDMBQGA1UdEQQNMAuCCWxvY2FsaG9zdDAMBgNVHRMEBTADAQH/MB0GA1UdDgQWBBR6h9/7FZJRiKGggo7TWBqM\n"
    "jJKuwzAKBggqhkjOPQQDAgNIADBFAiEAuCsM5/h+Le4RXK1jNuZhNh0Im6btQIWXlbtTEFDXThsCIBdZm9lLdRov\n"
    "UESTIt9Ik9i1UqCelc+ABgYlEejU142j\n"
    "-----END CERTIFICATE-----\n";
static const char key[] =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "MHcCAQEEIOPyw837pXDsMoiAw2AXbcd/GnM1gLzPKxwSDQ22Yab4oAoGCCqGSM49AwEHoUQDQgAEiHjT16PGfVjo\n"
    "JhN0T9GRJE6YEYJf1wrXo5M72DywDqJDF8F2sneODNZDckvIPSeiDdRuTP19Cg/mv6RISQcLfA==\n"
    "-----END EC PRIVATE KEY-----\n";

static int check(int rc)
{
    if (rc >= 0) return rc;
    fprintf(stderr, "%s\n", rill_errmsg());
    exit(1);
}

int main(void)
{
    rill_broker *broker;
    rill_bus *bus;
    rill_sub *sub;
    const rill_msg *m;
    char url[80];
    const rill_tls server = {.size = sizeof server, .cert_pem = certificate, .key_pem = key};
    const rill_tls client = {.size = sizeof client, .ca_pem = certificate};
    const rill_opts opts = {.size = sizeof opts, .tls = &client, .no_redial = true};
    const rill_listen_opts how = {.size = sizeof how, .tls = &server};
    check(rill_broker_open(&broker,
                           RILL_OPTS(rill_broker_opts, .user = "ada", .password = "engine")));
    int port = check(rill_broker_listen(broker, "nats://localhost:0", &how));
    snprintf(url, sizeof url, "tls://ada:guess@localhost:%d", port);
    if (rill_open(&bus, url, &opts) == RILL_EAUTH) puts("a stranger: refused");
    snprintf(url, sizeof url, "tls://ada:engine@localhost:%d", port);
    check(rill_open(&bus, url, &opts));
    check(rill_subscribe(bus, &sub, "sensors.>", NULL));
    check(rill_publish(bus, "sensors.kitchen", "21 degrees", 10, NULL));
    check(rill_next(sub, &m, 5000));
    printf("ada: %.*s\n", RILL_ARG(m->data));
    rill_sub_close(sub);
    return rill_close(bus, 1000) < 0 || rill_broker_close(broker, 1000) < 0;
}
