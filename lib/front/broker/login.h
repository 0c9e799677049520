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
 * owner never waits under it.
 *
 * Places. The program is asked about a bounded number at a time, and a host that keeps it busy with
 * many may not keep others out. Who waits for a place sits in the row of its host
 * (front/broker/peer_host.h), and hosts take turns:
 *
 *     desk->row --> 10.0.0.7 --> 10.0.0.9 --> ...      hosts of which somebody waits
 *                     |             |
 *                  [seat]...     [seat]...             in the order of their coming
 *
 * No host has more places than are left for the others: the first may have half of all, and for one
 * of whom nobody has been asked yet there is one until all are taken. A place is free again when
 * there is an answer, or when its asker leaves. What the program has got of askers who have left,
 * and what it has of all others, is bounded by the same rule and a second number: who comes and
 * leaves at once does not make it hold more and more. */
#ifndef RI_LOGIN_H
#define RI_LOGIN_H

#include "base/alloc.h"
#include "base/list.h"
#include "engine/access/access.h"
#include "rill.h"

enum {
    RI_LOGINS_OPEN = 1024, /* places: without an answer, while somebody waits for it */
    RI_LOGINS_HELD = 2048, /* without an answer at all */
};

typedef struct ri_login_desk ri_login_desk;
typedef struct ri_login_host ri_login_host;

typedef struct ri_login_seat { /* of one who waits for a place; zeroed: he does not */
    ri_list link;
    ri_login_host *host;       /* in whose row he is; NULL: in none */
} ri_login_seat;

typedef struct ri_login {
    rill_login facts;      /* first: what the program is shown; texts are in `texts` */
    uint32_t magic;
    size_t bytes;          /* of it all */
    ri_login_desk *desk;   /* a reference */
    ri_login_host *host;   /* that he is of, while this is held */
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

/* `peer`, "HOST:PORT", waits for a place. */
int ri_login_seat_take(ri_login_desk *desk, const char *peer, ri_login_seat *seat);
void ri_login_seat_leave(ri_login_desk *desk, ri_login_seat *seat); /* also of one who has none */
/* Whose turn it is, out of his row; NULL: nobody's. `all`: whoever waits, also without a place. */
ri_login_seat *ri_login_seat_next(ri_login_desk *desk, bool all);

/* A copy of the facts, for the program, of one whose turn it was. */
int ri_login_new(ri_login_desk *desk, const rill_login *facts, void *asker, ri_login **out);
/* The asker goes, and leaves his place. */
void ri_login_forget(ri_login *login);
/* One that is answered, whose asker is still there; NULL: none. Then ri_login_free(). */
ri_login *ri_login_next(ri_login_desk *desk);
void ri_login_free(ri_login *login);

/* The program's answer. RILL_EINVAL: `as` is no user that can be, or it is answered already. */
int ri_login_answer(ri_login *login, const rill_user *as, const char *why);

#endif
