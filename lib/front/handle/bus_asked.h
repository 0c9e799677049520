/* SPDX-License-Identifier: Apache-2.0 */
/* What was asked of a server, by the subject that it was published on. A server that does not
 * permit a publish answers nothing to its reply subject; it says later which subject it has
 * refused, once for each publish, in the order in which they came:
 *
 *     PUB s _INBOX.x.3 ...        -ERR 'Permissions Violation for Publish to "s"'
 *
 *     rows    [ | | | ]           one for each of the low bits of the subject's hash, oldest first
 *                |
 *               asked - asked - asked
 *
 * So the oldest that was asked on that subject is over with that sentence. Were a permission taken
 * away while something that was permitted is not answered yet, the sentence would end that one in
 * place of the one behind it. A subject stands here as its keyed hash. A look goes no farther than
 * RI_BUS_ASKED_LOOK_MAX: what lies behind so many others of its row is over by its time. */
#ifndef RI_BUS_ASKED_H
#define RI_BUS_ASKED_H

#include "base/alloc.h"
#include "base/list.h"
#include "base/str.h"

struct rill_bus;

enum {
    RI_BUS_ASKED_ROWS = 256,
    RI_BUS_ASKED_LOOK_MAX = 1024, /* of a row that are looked at for one refusal */
};

typedef struct ri_bus_asked {
    ri_list link;         /* in its row; zeroed: in none */
    uint64_t subject;
    /* Inside the gate: it is over with `code` and the thread's sentence, and out of its row. False:
     * it has not left yet, so that it is not meant. */
    bool (*refused)(struct rill_bus *bus, struct ri_bus_asked *asked, int code);
} ri_bus_asked;

typedef struct ri_bus_asked_table {
    ri_list *rows;        /* NULL: nothing was asked yet */
} ri_bus_asked_table;

/* All inside the gate. Out of memory it is in no row, and is over by its time. */
void ri_bus_asked_add(ri_bus_asked_table *table, const ri_host *host, ri_bus_asked *asked,
                      ri_str subject);
/* It is answered, or given up; harmless if it is in no row. */
static inline void ri_bus_asked_over(ri_bus_asked *asked)
{
    ri_list_remove(&asked->link);
}
/* The peer has refused what was published on `subject`, for the reason that the thread has. False:
 * nobody waits for an answer to that. */
bool ri_bus_asked_refuse(struct rill_bus *bus, ri_str subject, int code);
void ri_bus_asked_fini(ri_bus_asked_table *table, const ri_host *host);

#endif
