/* SPDX-License-Identifier: Apache-2.0 */
/* Logins that the program decides on (rill_broker_opts.on_login), for a door of any protocol. A
 * door has one desk. Whoever shows himself there becomes a ri_login, which the program is shown and
 * answers, from any thread, whenever it wants:
 *
 *     door, outside the gate            the program                        door
 *     ri_login_new() --> on_login() --> ri_login_answer() --> wake() --> ri_login_next()
 *                                            |
 *                                            +-- the asker has gone meanwhile: freed
 *
 * Who owns it. The program, from on_login() until it has answered; then the desk, which gives it to
 * the door. A door whose asker goes, or which closes itself, forgets it: what the program still has
 * stays as it is until it answers. So nothing here depends on the broker, which may be gone by then
 * but for its host. The lock of a desk is held for a few instructions, inside the gate or not; its
 * owner never waits under it. */
#ifndef RI_LOGIN_H
#define RI_LOGIN_H

#include "base/alloc.h"
#include "base/list.h"
#include "engine/access/access.h"
#include "rill.h"

enum { RI_LOGINS_OPEN = 1024 }; /* at a desk without an answer; others wait for their turn */

typedef struct ri_login_desk ri_login_desk;

typedef struct ri_login {
    rill_login facts;      /* first: what the program is shown; texts are in `texts` */
    uint32_t magic;
    size_t bytes;          /* of it all */
    ri_login_desk *desk;   /* a reference */
    ri_list link;          /* desk->answered */
    void *asker;           /* of the door; NULL: has gone */
    bool answered;
    ri_access *access;     /* a reference: the one user that it is; NULL: refused */
    char why[128];         /* it was refused; may be empty */
    char texts[];
} ri_login;

/* `wake`, on any thread: ri_login_next() has one. */
int ri_login_desk_new(const ri_host *host, void (*wake)(void *arg), void *arg,
                      ri_login_desk **out);
/* All askers have gone. There is no `wake` any more when it returns. NULL is nothing. */
void ri_login_desk_close(ri_login_desk *desk);
bool ri_login_desk_is_full(ri_login_desk *desk);

/* A copy of the facts, for the program. */
int ri_login_new(ri_login_desk *desk, const rill_login *facts, void *asker, ri_login **out);
/* The asker goes. */
void ri_login_forget(ri_login *login);
/* One that is answered, whose asker is still there; NULL: none. Then ri_login_free(). */
ri_login *ri_login_next(ri_login_desk *desk);
void ri_login_free(ri_login *login);

/* The program's answer. RILL_EINVAL: `as` is no user that can be, or it is answered already. */
int ri_login_answer(ri_login *login, const rill_user *as, const char *why);

#endif
