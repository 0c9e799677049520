/* SPDX-License-Identifier: Apache-2.0 */
/* lwIP on a host that has no interface to spare: an interface that has nothing but itself, and what
 * listens there for `server`, "ADDRESS:PORT" of this machine, and carries all to it. So each byte
 * goes through lwIP's TCP twice, and no right to a device is needed. A board has its driver. */
#ifndef LWIP_NET_H
#define LWIP_NET_H

const char *lwip_net_start(const char *server); /* the URL under which lwIP reaches it */

#endif
