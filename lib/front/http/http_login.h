/* SPDX-License-Identifier: Apache-2.0 */
/* Who a visitor is, for what is not for everybody. He says it with each request, and the broker
 * looks at it by what it knows of clients:
 *
 *     Basic     a user and his password
 *     Bearer    the broker's token
 *     either    in operator mode, with any user: the JWT of a bearer, who signs nothing
 *
 * What a connection has said last is remembered, with its verdict, as long as the configuration
 * stands and he may stay. A worker compares hashes and judges JWTs, one at a time:
 *
 *     head --> ri_http_login_look() --+-- YES, NO, NONE: the answer is begun
 *                                     +-- LATER: the head is kept --> worker --> read again
 *                                     +-- HELD: front/broker/failed_login.h. As many may be with
 *                                         the worker already as there are visitors
 *
 * A broker that asks a program or a service has no passwords, and visitors cannot log in. */
#ifndef RI_HTTP_LOGIN_H
#define RI_HTTP_LOGIN_H

#include "base/buffer.h"
#include "base/sha256.h"
#include "codec/web/http_read.h"
#include "engine/access/access.h"
#include "engine/live/account.h"
#include "net/worker.h"

struct ri_http_server;
struct ri_http_session;

typedef enum ri_http_verdict {
    RI_HTTP_LOGIN_NO,    /* he has said nothing, or what is wrong */
    RI_HTTP_LOGIN_YES,
    RI_HTTP_LOGIN_LATER, /* the worker has it */
    RI_HTTP_LOGIN_HELD,  /* it is not looked at: too many of his host were wrong */
    RI_HTTP_LOGIN_NONE,  /* nobody can log in: ri_http_login_why_not() */
} ri_http_verdict;

typedef struct ri_http_login {  /* zeroed: nothing was said. All is the loop's thread's */
    bool known, right;       /* there is a verdict on `digest`: this one, ... */
    uint32_t epoch;          /* ... by the configuration with that number, ... */
    int64_t until_s;         /* ... up to that second of Unix; INT64_MAX: for ever */
    uint8_t digest[RI_SHA256_LEN];
    ri_access *access;       /* a reference; NULL: there are no users ... */
    ri_access_user *who;     /* of it; NULL: ... and whoever has the password may do all */
    struct http_check *check; /* that is under way for him; NULL: none */
    ri_buffer head;          /* of the request that waits for it */
} ri_http_login;

/* ---- On the loop's thread ---- */

void ri_http_login_init(ri_http_login *login, const ri_host *host);
/* Inside the gate, or when its thread is over. */
void ri_http_login_fini(ri_http_login *login);
/* Inside the gate. After LATER ri_http_login_begin() follows outside of it. */
ri_http_verdict ri_http_login_look(struct ri_http_session *s, const ri_http_request *request);
/* His head is kept, and the worker compares. False: there is no memory, or no thread. */
bool ri_http_login_begin(struct ri_http_session *s, ri_str head);
/* Outside the gate: a session that has its verdict, to read its login.head again; NULL: none. */
struct ri_http_session *ri_http_login_next(struct ri_http_server *server);
/* Inside the gate, when the worker has stopped. */
void ri_http_login_forget_all(struct ri_http_server *server);
/* Inside the gate: a sentence for the verdict NONE; NULL: it is another. */
const char *ri_http_login_why_not(const struct ri_http_server *server);
/* Inside the gate: of one with the verdict YES; NULL: there is no such account. */
ri_account *ri_http_login_account(const struct ri_http_session *s);

#endif
