/* SPDX-License-Identifier: Apache-2.0 */
/* TLS 1.2 by a key that both sides share, over the wire of a program, by mbedTLS: an option of the
 * profile (-DRI_MICRO_TLS), which wants mbedTLS's headers and library, 2.28 or 3.
 *
 * What this keeps is in the arena. mbedTLS itself asks for memory, some 40 KB unless it was built
 * for smaller records, whenever a connection begins: give it a pool of its own, by its
 * mbedtls_memory_buffer_alloc_init() or mbedtls_platform_set_calloc_free(), where the C library has
 * none. Its randomness is rill_host.entropy, which has to be good then. */
#ifndef RI_MICRO_TLS_H
#define RI_MICRO_TLS_H

#include "micro/micro.h"

typedef struct ri_micro_tls ri_micro_tls;

/* Room from the arena, which may be too little: then *tls is NULL. RILL_EINVAL, RILL_ENOTSUP: what
 * was asked for. */
int ri_micro_tls_lay(rill_bus *bus, const rill_tls *asked, ri_micro_tls **tls);
bool ri_micro_tls_is_first(const ri_micro_tls *tls); /* TLS comes before INFO */
/* A connection begins. The functions are those of the wire from here on; the first of them that is
 * called goes through the handshake. RILL_EAUTH: the other side has another key, or name of it. */
int ri_micro_tls_begin(ri_micro_tls *tls, rill_wire *wire);
int64_t ri_micro_tls_read(ri_micro_tls *tls, void *buf, size_t len);
/* After RILL_EAGAIN the next call begins with the same bytes. */
int64_t ri_micro_tls_write(ri_micro_tls *tls, const void *buf, size_t len);
bool ri_micro_tls_has(const ri_micro_tls *tls); /* bytes to read, whatever the wire has */
void ri_micro_tls_end(ri_micro_tls *tls);   /* of a connection; nothing if there is none */
void ri_micro_tls_close(ri_micro_tls *tls); /* of the handle */

#endif
