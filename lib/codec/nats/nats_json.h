/* SPDX-License-Identifier: Apache-2.0 */
/* INFO and CONNECT: structs to JSON and back, by one table of fields each.
 *
 * Names are read without regard to case and unknown ones passed over, as nats-server does. What
 * is read is copied into the caller's arena, each string with a 0 behind it. */
#ifndef RI_NATS_JSON_H
#define RI_NATS_JSON_H

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/str.h"

typedef struct ri_str_list {
    ri_str *items;
    uint32_t len;
} ri_str_list;

/* Strings empty, numbers 0 and booleans false are absent, but where a comment says "always". */
typedef struct ri_nats_info {
    ri_str server_id;     /* always */
    ri_str server_name;   /* always */
    ri_str version;       /* always */
    int64_t proto;        /* always; 1 */
    ri_str git_commit;
    ri_str go;            /* always; what the server was built with */
    ri_str host;          /* always */
    int64_t port;         /* always */
    bool headers;         /* always */
    bool auth_required;
    bool tls_required;
    bool tls_verify;
    bool tls_available;
    int64_t max_payload;  /* always */
    bool jetstream;
    ri_str ip;
    uint64_t client_id;
    ri_str client_ip;
    ri_str nonce;
    ri_str cluster;
    bool cluster_dynamic;
    ri_str domain;
    ri_str_list connect_urls;
    ri_str_list ws_connect_urls;
    bool ldm;             /* lame duck: go elsewhere */
    ri_str compression;
    bool connect_info;    /* this INFO answers a CONNECT */
    ri_str remote_account;
    bool acc_is_sys;
    int64_t api_lvl;
    ri_str xkey;
} ri_nats_info;

typedef struct ri_nats_connect {
    bool verbose;         /* true when absent */
    bool pedantic;        /* true when absent */
    bool tls_required;
    ri_str nkey;
    ri_str jwt;
    ri_str sig;
    ri_str auth_token;
    ri_str user;
    ri_str pass;
    ri_str name;
    ri_str lang;
    ri_str version;
    int64_t protocol;
    ri_str account;
    bool new_account;
    bool echo;            /* true when absent */
    bool headers;
    bool no_responders;
    ri_str remote_account;
    ri_str proxy_sig;
} ri_nats_connect;

void ri_nats_info_init(ri_nats_info *info);          /* proto 1, all else zero */
void ri_nats_connect_init(ri_nats_connect *connect); /* the defaults when absent */

/* Append the object; the buffer's `failed` says if memory was short. */
void ri_nats_info_write(const ri_nats_info *info, ri_buffer *out);
void ri_nats_connect_write(const ri_nats_connect *connect, ri_buffer *out);
/* Fields that the text lacks keep what they were. RILL_EPROTO (no JSON object, or a field of
 * another type), RILL_ENOMEM; both leave the struct as it was. */
int ri_nats_info_read(ri_nats_info *info, ri_str json, ri_arena *arena);
int ri_nats_connect_read(ri_nats_connect *connect, ri_str json, ri_arena *arena);

#endif
