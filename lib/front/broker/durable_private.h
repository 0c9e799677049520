/* SPDX-License-Identifier: Apache-2.0 */
/* The insides of the durable half, for durable.c and rooms.c. */
#ifndef RI_DURABLE_PRIVATE_H
#define RI_DURABLE_PRIVATE_H

#include "base/heap.h"
#include "base/histogram.h"
#include "front/broker/durable.h"
#include "front/broker/rooms.h"

struct ri_durable {
    ri_broker *broker;
    ri_durable_opts opts;
    bool wanted;               /* streams of it have been asked for */
    ri_account *account;       /* whose streams these are; a reference, but to $G */
    ri_durable *house;         /* the one of $G, of whose rooms this is one; NULL: it is that */
    ri_rooms rooms;            /* of the house */
    ri_list room_link;         /* in house->rooms.all */
    ri_timer timer;            /* of a room: house->rooms.timers */
    char *dir, *domain;        /* owned copies; NULL: none */
    ri_log *file_log;          /* NULL: memory only */
    ri_log *memory_log;
    ri_js *js;
    ri_service *service;       /* NULL: none */
    ri_groups *groups;         /* NULL until a door has asked for them */
    /* Guarded by the gate. */
    bool committing;           /* some thread is outside the gate with a commit, or is about to */
    ri_commit job;             /* that one, while it is a driver's */
    bool job_handed;           /* a loop has begun it, and the driver's thread writes it */
    uint64_t job_left_bytes;   /* of what had come before it, not in it */
    bool job_syncs;            /* it syncs all that was only written before */
    int64_t job_begun_ns;      /* monotonic */
    ri_histogram commits;      /* how long each took, from its beginning until it was over */
    int64_t write_ns;          /* how long writing a commit takes: of the last ones, about */
    bool closing;
    bool failing;              /* the last commit failed: it is tried again now and then */
    uint32_t rooms_failing;    /* of the house: so many rooms are */
    int64_t retry_ns;          /* ... not before this; monotonic */
    int64_t ask_due_ns;        /* monotonic: not before this do readers in broker->asking ask
                                  anew */
    int64_t sync_due_ns;       /* monotonic: when what was written must be synced; 0: it is */
    bool unclean;              /* something was committed since the cleaner last found nothing */
    uint32_t turns;            /* since the cleaner's last slice */
    uint32_t waiting;          /* calls of ri_durable_wait(); of these ... */
    uint32_t aside;            /* ... in tasks, which take no turns */
    uint32_t copying;          /* calls that copy it, and are outside the gate */
    ri_failure *troubles; /* RI_DURABLE_TROUBLES, in turn; NULL until the first */
    uint64_t ntroubles;        /* ever */
    int64_t opening_ns, opening_logged_ns; /* monotonic: since when, and last logged when */
    int64_t driver_due_ns;       /* monotonic: the next timer that the driver has heard of */
    ri_park turned;            /* signalled when a commit has ended: where those sleep */
    ri_park park;              /* where whoever closes sleeps */
};

/* ---- durable.c, of one account alone: inside the gate ---- */
int ri_durable_open_account(ri_durable **out, ri_broker *broker, ri_account *account,
                            ri_durable *house, const ri_durable_opts *opts); /* outside of it */
void ri_durable_step(ri_durable *durable);
void ri_durable_commit(ri_durable *durable); /* leaves the gate and enters it again */
bool ri_durable_waits_alone(const ri_durable *durable);
int64_t ri_durable_next_due_ns(const ri_durable *durable);
int ri_durable_copy_alone(ri_durable *durable, const char *dir);

#endif
