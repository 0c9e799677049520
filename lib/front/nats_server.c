/* SPDX-License-Identifier: Apache-2.0 */
/* Replaced whole by the NATS door: until then a broker has no listener, and says so. */
#include "front/nats_server.h"

#include "base/error.h"

int ri_nats_server_new(ri_nats_server **server, ri_broker *broker)
{
    (void)broker;
    *server = NULL;
    return ri_err(RILL_ENOTSUP, "this build has no listener");
}

int ri_nats_server_listen(ri_nats_server *s, const char *url)
{
    (void)s;
    return ri_err(RILL_ENOTSUP, "this build cannot listen on %s", url);
}

void ri_nats_server_wake(ri_nats_server *s)
{
    (void)s;
}

int ri_nats_server_flush(ri_nats_server *s, int timeout_ms)
{
    (void)s;
    (void)timeout_ms;
    return RILL_OK;
}

int ri_nats_server_lame_duck(ri_nats_server *s, uint32_t grace_ms, uint32_t duration_ms)
{
    (void)s;
    (void)grace_ms;
    (void)duration_ms;
    return RILL_ENOTSUP;
}

void ri_nats_server_reload(ri_nats_server *s)
{
    (void)s;
}

void ri_nats_server_stats(ri_nats_server *s, rill_stats *add)
{
    (void)s;
    (void)add;
}

int ri_nats_server_close(ri_nats_server *s, int timeout_ms)
{
    (void)s;
    (void)timeout_ms;
    return RILL_OK;
}
