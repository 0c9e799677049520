/* SPDX-License-Identifier: Apache-2.0
 *
 * What Go cannot say to rill.h in one crossing: a call with the sentence of its failure, which
 * belongs to a thread, while a goroutine may go on on another one; many messages at a time; and
 * callbacks, whose `arg` is a cgo.Handle. */
#ifndef RILLGO_SHIM_H
#define RILLGO_SHIM_H

#include <rill.h>
#include <stdlib.h>

typedef struct rillgo_end { /* of a call */
    int64_t rc;
    char *why; /* the sentence, to be freed, if rc is an error */
} rillgo_end;

/* `text` begins with the subject and a 0. */
rillgo_end rillgo_publish(rill_bus *bus, const char *text, const void *data, size_t len,
                          const rill_post *post);
/* The same, where Go is not called back: neither of a bus that moves its own bytes, nor of a broker
 * without a thread, whose doors a publish may turn. */
rillgo_end rillgo_publish_quick(rill_bus *bus, const char *text, const void *data, size_t len);
/* `n` messages that lie one behind the other. rc: how many went, `why` if that was not all, with
 * the code in *err. */
rillgo_end rillgo_publish_all(rill_bus *bus, const char *subject, const char *data,
                              const uint32_t *lens, size_t n, const rill_post *post, int *err);
/* Records, one behind the other: two lengths of 32 bits, of the subject with its 0 and of the data,
 * and those. `why`, with the code in `err`, is of the one at `done`, up to which they went. */
typedef struct rillgo_run {
    size_t done; /* bytes */
    char *why;
    int err;
} rillgo_run;
rillgo_run rillgo_publish_records(rill_bus *bus, const char *records, size_t len);
rillgo_end rillgo_batch_add(rill_batch *batch, const char *subject, const void *data, size_t len,
                            const rill_post *post);
rillgo_end rillgo_batch_add_all(rill_batch *batch, const char *subject, const char *data,
                                const uint32_t *lens, size_t n, const rill_post *post, int *err);
/* rill_read(), and with `keep` each message is a reference of its own. RILL_EAGAIN and
 * RILL_ETIMEDOUT come without a sentence. */
rillgo_end rillgo_read(rill_sub *sub, const rill_msg **msgs, size_t max, int timeout_ms, bool keep);
/* Settle a message; what ends it gives the reference back, if it is one and that went well. */
enum { RILLGO_ACK, RILLGO_NAK, RILLGO_TERM, RILLGO_WORKING };
rillgo_end rillgo_settle(rill_msg *m, int how, uint32_t delay_ms, bool kept);

rillgo_end rillgo_open(rill_bus **bus, const char *url, rill_opts *opts, bool events, bool dial,
                       uintptr_t arg);
rillgo_end rillgo_broker_bus(rill_broker *broker, rill_bus **bus, rill_opts *opts, bool events,
                             uintptr_t arg);
rillgo_end rillgo_start(rill_bus *bus, const rill_call *call, uintptr_t arg);
rillgo_end rillgo_append_async(rill_bus *bus, const char *subject, const void *data, size_t len,
                               const rill_post *post, uintptr_t arg);
rillgo_end rillgo_request_async(rill_bus *bus, const char *subject, const void *data, size_t len,
                                const rill_post *post, uintptr_t arg);
int rillgo_cancel(rill_bus *bus, uintptr_t arg);
rillgo_end rillgo_obj_put(rill_objs *objs, const char *name, uintptr_t arg);
rillgo_end rillgo_obj_get(rill_objs *objs, const char *name, uintptr_t arg);
rillgo_end rillgo_store_check(rill_bus *bus, uintptr_t arg);
rillgo_end rillgo_store_salvage(const char *from, const char *to, uintptr_t arg);
rillgo_end rillgo_broker_open(rill_broker **broker, rill_broker_opts *opts, uintptr_t login);
rillgo_end rillgo_broker_reload(rill_broker *broker, rill_broker_opts *opts, uintptr_t login);
rillgo_end rillgo_broker_conns(rill_broker *broker, const rill_conns_opts *opts, uintptr_t arg);
rillgo_end rillgo_broker_subs(rill_broker *broker, const rill_conn_subs_opts *opts, uintptr_t arg,
                              uint64_t *total);
rillgo_end rillgo_wire_new(rill_wire **wire, int fd, uintptr_t arg);

#endif
