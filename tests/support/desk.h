/* SPDX-License-Identifier: Apache-2.0 */
/* A world with the JetStream API at work in it: requests go to $JS.API, whole answers come back.
 *
 *     desk_ask(&d, "STREAM.NAMES", "");
 *     DESK_TOLD(&d, "[     0] in: in {\"type\":...}\n");
 *
 * Advisories leave as they do in a broker. */
#ifndef RI_TEST_DESK_H
#define RI_TEST_DESK_H

#include "front/jetstream/jetstream_api.h"
#include "support/world.h"

typedef struct desk {
    world w;
    ri_jetstream_api *api;
} desk;

/* `f` NULL: the world's own host. After a failure, too, desk_fini() is due. */
int desk_init(desk *d, fault *f, const char *domain);
void desk_fini(desk *d, fault *f);
/* Publish a request with the reply subject "in", and turn. */
void desk_ask(desk *d, const char *path, const char *body);
/* Step the api once, in a turn of its own. */
void desk_slice(desk *d);
/* Step api and engine, and commit, until nothing is left to do. */
void desk_turn(desk *d);
/* Move both clocks, stopping at each timer of either. */
void desk_wait(desk *d, int64_t ms);

#define DESK_TOLD(d, want) WORLD_TOLD(&(d)->w, want)
void desk_forget(desk *d); /* what was told */

#endif
