/* SPDX-License-Identifier: Apache-2.0 */
/* Which host a peer counts as, where hosts take turns or have a share each: the address without its
 * port. Of IPv6 it is the first half, since whoever has one address there is, as a rule, given all
 * of its /64, and could come from another one each time:
 *
 *     10.0.0.7:51234          10.0.0.7
 *     [::ffff:10.0.0.7]:1     10.0.0.7
 *     [2001:db8:1:2::3]:4     2001:db8:1:2::/64
 *     @, or any other name    itself                */
#ifndef RI_PEER_HOST_H
#define RI_PEER_HOST_H

enum { RI_PEER_HOST_MAX = 64 };

/* A peer's name as a listener gives it (net/listen.h); what is longer than there is room is cut. */
void ri_peer_host(const char *peer, char out[RI_PEER_HOST_MAX]);
/* The address as it is, without port and brackets. */
void ri_peer_address(const char *peer, char out[RI_PEER_HOST_MAX]);

#endif
