/* SPDX-License-Identifier: Apache-2.0 */
#include "front/broker/peer_host.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/assert.h"
#include "base/defs.h"

static void peer_host_of_six(struct in6_addr *six, char out[RI_PEER_HOST_MAX])
{
    if (IN6_IS_ADDR_V4MAPPED(six)) {
        inet_ntop(AF_INET, &six->s6_addr[12], out, RI_PEER_HOST_MAX);
        return;
    }
    memset(six->s6_addr + 8, 0, 8);
    inet_ntop(AF_INET6, six, out, RI_PEER_HOST_MAX);
    RI_ASSERT(strlen(out) + sizeof "/64" <= RI_PEER_HOST_MAX);
    strcat(out, "/64");
}

void ri_peer_address(const char *peer, char out[RI_PEER_HOST_MAX])
{
    RI_ASSERT(peer && out);
    const char *colon = strrchr(peer, ':');
    size_t len = colon ? (size_t)(colon - peer) : strlen(peer);
    if (len > 2 && peer[0] == '[' && peer[len - 1] == ']') {
        peer++;
        len -= 2;
    }
    len = RI_MIN(len, RI_PEER_HOST_MAX - 1);
    memcpy(out, peer, len);
    out[len] = 0;
}

void ri_peer_host(const char *peer, char out[RI_PEER_HOST_MAX])
{
    struct in6_addr six;
    ri_peer_address(peer, out);
    if (inet_pton(AF_INET6, out, &six) == 1) peer_host_of_six(&six, out);
}
