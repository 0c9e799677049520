/* SPDX-License-Identifier: Apache-2.0 */
/* A wire in memory with both ends in this process: no descriptor, no thread, and what a socket does
 * only by chance happens when the test says so.
 *
 *     pipe_pair p;
 *     pipe_init(&p);
 *     ri_conn_init(&conn, &loop, &p.end[0].wire, &ops);
 *     p.flow[1].cut = 7;                       the bytes for end 0 are read in two parts
 *     pipe_put(&p.end[1], "SUB a 1\r\n", 9);
 *     ri_loop_turn(&loop);
 *
 * flow[i] is what end i sends. An end that is attached to a loop has readiness from the loop's row
 * alone, and is used on its thread; the other end may be the test's, which moves bytes by the calls
 * below. */
#ifndef RI_TEST_PIPE_H
#define RI_TEST_PIPE_H

#include "net/wire.h"

typedef struct pipe_flow {
    char *bytes;      /* [at, len) are on their way */
    size_t at, len, cap;
    size_t room;      /* the most that may be on their way: more is refused as by a full socket */
    size_t step;      /* the most that one call moves */
    size_t cut;       /* byte of the whole stream that no read goes across; 0: none */
    size_t passed;    /* bytes read so far */
    unsigned refuse;  /* so many calls find that nothing goes, though the end was told otherwise */
    int broken;       /* errno of each call from now on; 0: none */
    bool ended;       /* the writer has shut or closed */
} pipe_flow;

typedef struct pipe_end {
    ri_wire wire;
    ri_loop_soon soon;
    struct pipe_pair *pair;
    unsigned watched;
    bool shut, closed;
    int told;         /* times that its owner was told */
} pipe_end;

typedef struct pipe_pair {
    pipe_end end[2];
    pipe_flow flow[2];
} pipe_pair;

void pipe_init(pipe_pair *p);
void pipe_fini(pipe_pair *p); /* both ends closed, or used by nobody any more */
/* From an end that the test has; the bytes that went, at most `len`. */
size_t pipe_put(pipe_end *end, const char *bytes, size_t len);
size_t pipe_get(pipe_end *end, char *bytes, size_t len);
void pipe_break(pipe_pair *p, int i, int err); /* flow[i]: its errno from now on */

#endif
