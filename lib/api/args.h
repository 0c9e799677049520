/* SPDX-License-Identifier: Apache-2.0 */
/* What every public call does with its arguments before anything else. */
#ifndef RI_ARGS_H
#define RI_ARGS_H

#include "base/error.h"
#include "base/process.h"
#include "front/handle/bus.h"
#include "net/host_wire.h"

/* ---- send.c: what rill_append_async(), rill_request_async() and rill_start() share ---- */
int ri_send_append(rill_bus *bus, const char *subject, ri_str data, const rill_post *post,
                   const ri_bus_done *done);
int ri_send_request(rill_bus *bus, const char *subject, ri_str data, const rill_post *post,
                    int timeout_ms, const ri_bus_done *done);

/* ---- args.c ---- */
/* A handle of ours: RILL_EINVAL for NULL, or for something that is none (or is freed). */
int ri_args_bus(const rill_bus *bus);        /* RILL_ECLOSED, too */
int ri_args_bus_to_the_end(const rill_bus *bus); /* one that is closed has still something */
/* The same as a look, where a sentence is wanted only if it is false. */
static inline bool ri_args_bus_is_good(const rill_bus *bus)
{
    return ri_likely(bus && bus->magic == RI_BUS_MAGIC &&
                     !atomic_load_explicit(&bus->closed, memory_order_relaxed) &&
                     !ri_host_wire_depth && ri_process_is(bus->stamp));
}
/* RILL_EDEADLK within a function of a wire, and as the next one. */
int ri_args_process(uint32_t stamp);
int ri_args_fork(uint32_t stamp);            /* RILL_ECLOSED in a forked child */
/* May a handle of this bus (NULL: none) be closed: is it one, of this process? */
bool ri_args_may_close(const rill_bus *bus);
int ri_args_sub(const rill_sub *sub);
int ri_args_data(const void *data, size_t len);

/* An option struct of the caller's size, laid over the library's own: fields that the caller does
 * not know are zero; RILL_EINVAL if fields that we do not know are not. `own_size` is of *own. */
int ri_args_opts(void *own, size_t own_size, const void *given, const char *type);
/* Bytes that a newer header may have given a meaning. RILL_EINVAL if they are not 0. */
int ri_args_reserved(const void *bytes, size_t n, const char *type);
/* ri_args_opts() and ri_args_reserved(), of a struct with a field `reserved`. */
#define RI_ARGS_OPTS(own, given, type)                                          \
    (ri_args_opts(own, sizeof *(own), given, type) < 0                          \
         ? RILL_EINVAL                                                          \
         : ri_args_reserved(&(own)->reserved, sizeof (own)->reserved, type))
/* Of an option *tls, if it is not NULL: the same, and from then on it is `own`. */
int ri_args_tls(rill_tls *own, const rill_tls **tls);
int ri_args_user_reserved(const rill_user *user);
/* As RI_ARGS_OPTS(), and the ranges of fields. */
int ri_args_bus_opts(rill_opts *own, const rill_opts *opts); /* as ri_args_opts(), and ranges */
int ri_args_sub_opts(rill_sub_opts *own, const rill_sub_opts *opts);
int ri_args_bucket_opts(rill_bucket_opts *own, const rill_bucket_opts *opts);
/* What rill_subscribe(), and rill_tail(), would pass over is refused by name. */
int ri_args_live(const rill_sub_opts *own);
int ri_args_tail(const rill_sub_opts *own);
int ri_args_seek(rill_at *own, const rill_at *at); /* the place that a reader seeks */
/* A place: of these kinds (a bit each), 0 of the rest. */
int ri_args_at(rill_at *own, const rill_at *at, uint32_t kinds);
/* The elements of an array of pointers, each of them at least as large as the library's own. */
int ri_args_rows(const void *const *rows, size_t n, size_t own_size, const char *type);
/* Copy a filled struct out into one of the caller's size, which stands in its first field. A call
 * that may fail does so with an empty one first: then a size that is none fails before anything is
 * done, and what a failed call leaves behind is zero. */
int ri_args_out(const void *own, size_t own_size, void *given, const char *type);

#endif
