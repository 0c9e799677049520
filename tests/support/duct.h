/* SPDX-License-Identifier: Apache-2.0 */
/* A byte stream in memory, as a program might have one: two ends, each of which becomes a wire. No
 * descriptor and no thread; the ends may be used by different threads. What rill must bear from a
 * program's wire is asked for by the fields below. */
#ifndef RI_TEST_DUCT_H
#define RI_TEST_DUCT_H

#include <check.h>
#include <pthread.h>

#include "rill.h"

enum { DUCT_ROOM = 4096 };

typedef struct duct_end duct_end;
struct duct_end {
    struct duct *duct;
    rill_wire *wire;       /* while its close() has not come */
    char ring[DUCT_ROOM];  /* what the other end has written and this one not read */
    size_t at, len;
    size_t step;           /* bytes that one call moves at most; 0: all */
    size_t cut, passed;    /* no read goes across byte `cut` of all that come here; bytes so far */
    bool over;             /* the other end is closed: nothing follows in `ring` */
    bool mute;             /* it never calls rill_wire_ready() */
    int closes;            /* calls of close() */
    int reads, writes;     /* calls of these */
    int64_t odd_read, odd_write; /* not 0: the answer to the next call */
    void (*within)(duct_end *end); /* called in each read() */
    void *arg;             /* of the test's */
};

typedef struct duct {
    pthread_mutex_t lock;
    duct_end end[2];
} duct_pair;

static inline duct_end *duct_other(duct_end *end)
{
    return &end->duct->end[end == end->duct->end];
}

/* Under the lock: the other end has something to read, or room. */
static inline void duct_tell(duct_end *end)
{
    if (end->wire && !end->mute) rill_wire_ready(end->wire);
}

static inline size_t duct_most(const duct_end *end, size_t len)
{
    return end->step && len > end->step ? end->step : len;
}

static inline int64_t duct_read(void *arg, void *buf, size_t len)
{
    duct_end *end = arg;
    pthread_mutex_lock(&end->duct->lock);
    void (*within)(duct_end *) = end->within;
    pthread_mutex_unlock(&end->duct->lock);
    if (within) within(end);
    pthread_mutex_lock(&end->duct->lock);
    int64_t rc = end->odd_read;
    end->odd_read = 0;
    end->reads++;
    if (rc == 0 && end->len == 0 && !end->over) rc = RILL_EAGAIN;
    if (rc == 0) {
        len = duct_most(end, len < end->len ? len : end->len);
        if (end->passed < end->cut && end->passed + len > end->cut) len = end->cut - end->passed;
        end->passed += len;
        for (size_t i = 0; i < len; i++) ((char *)buf)[i] = end->ring[(end->at + i) % DUCT_ROOM];
        end->at = (end->at + len) % DUCT_ROOM;
        end->len -= len;
        rc = (int64_t)len;
        duct_tell(duct_other(end));
    }
    pthread_mutex_unlock(&end->duct->lock);
    return rc;
}

static inline int64_t duct_write(void *arg, const void *buf, size_t len)
{
    duct_end *end = arg, *to = duct_other(end);
    pthread_mutex_lock(&end->duct->lock);
    int64_t rc = end->odd_write;
    end->odd_write = 0;
    end->writes++;
    if (rc == 0 && end->over) rc = RILL_ECONN;
    if (rc == 0 && to->len == DUCT_ROOM) rc = RILL_EAGAIN;
    if (rc == 0) {
        size_t room = DUCT_ROOM - to->len;
        len = duct_most(end, len < room ? len : room);
        for (size_t i = 0; i < len; i++)
            to->ring[(to->at + to->len + i) % DUCT_ROOM] = ((const char *)buf)[i];
        to->len += len;
        rc = (int64_t)len;
        duct_tell(to);
    }
    pthread_mutex_unlock(&end->duct->lock);
    return rc;
}

static inline void duct_close(void *arg)
{
    duct_end *end = arg;
    pthread_mutex_lock(&end->duct->lock);
    end->closes++;
    end->wire = NULL;
    duct_other(end)->over = true;
    duct_tell(duct_other(end));
    pthread_mutex_unlock(&end->duct->lock);
}

static const rill_wire_ops duct_ops = {sizeof duct_ops, duct_read, duct_write, duct_close, NULL};

static inline void duct_init(duct_pair *p)
{
    *p = (duct_pair){.lock = PTHREAD_MUTEX_INITIALIZER};
    p->end[0].duct = p->end[1].duct = p;
}

static inline rill_wire *duct_wire(duct_end *end, const rill_host *host)
{
    rill_wire *wire;
    ck_assert_int_eq(rill_wire_new(&wire, &duct_ops, end, host), RILL_OK);
    pthread_mutex_lock(&end->duct->lock);
    end->wire = wire;
    pthread_mutex_unlock(&end->duct->lock);
    return wire;
}

static inline bool duct_is_closed(duct_end *end)
{
    pthread_mutex_lock(&end->duct->lock);
    bool closed = end->closes > 0;
    pthread_mutex_unlock(&end->duct->lock);
    return closed;
}

#endif
