/* SPDX-License-Identifier: Apache-2.0 */
/* The bus of this process and its streams: the engine is called directly, inside the gate, and
 * whoever waits for a commit makes it on its own thread if nobody else is at it. */
#ifndef RI_LOCAL_DURABLE_H
#define RI_LOCAL_DURABLE_H

#include "engine/streams/consumer.h"
#include "front/broker/durable.h"
#include "front/handle/bus.h"

/* Enter the gate with the durable half there (RILL_ECLOSED ...); only then it must be left. */
int ri_local_durable_enter(rill_bus *bus, ri_durable **durable);
/* Inside the gate, a turn of which is over for this call: others get it before this returns, with a
 * new turn begun. RILL_ECLOSED: this is not inside any more. */
int ri_local_durable_pass(rill_bus *bus, ri_durable **durable);
/* Inside the gate, and after the wait still: what was just changed is committed. `log` NULL: the
 * catalogue's. */
int ri_local_durable_wait(ri_durable *durable, ri_log *log);
/* Inside the gate: all that was published or settled before is committed. */
int ri_local_durable_flush(rill_bus *bus, int64_t timeout_ns);
/* The code of ours for an error of JetStream's, with its text as the sentence: `rc`, with which it
 * came, or, if that is 0, the nearest to the error's own. */
int ri_local_js_error(const ri_js_error *e, int rc);

/* ---- local_append.c ---- */
/* `safety`: that the message needs; NULL: that of the log. */
int ri_local_append(rill_bus *bus, const ri_message *m, const ri_safety *safety, rill_receipt *out,
                    int64_t timeout_ns);
/* Its commit ended with `rc`: kept with the thread's sentence, unless it failed before. */
void ri_local_append_over(ri_js_append *append, int rc);
int ri_local_append_async(rill_bus *bus, const ri_message *m, const ri_safety *safety,
                          rill_stored_fn done, void *arg);

/* ---- bus_batch.c ---- */
/* `safety` as ri_local_append()'s, static. */
int ri_bus_batch_begin(rill_bus *bus, rill_batch **batch, const ri_safety *safety);
rill_bus *ri_bus_batch_bus(const rill_batch *batch); /* NULL if that is no open batch */
int ri_bus_batch_add(rill_batch *batch, const ri_message *m);
int ri_bus_batch_commit(rill_batch *batch, rill_receipt *last, int64_t timeout_ns);
void ri_bus_batch_close(rill_batch *batch);

/* ---- local_stream.c ---- */
enum { RI_LOCAL_SOURCES_MAX = 64 };
int ri_local_stream_ensure(rill_bus *bus, const char *name, const rill_stream_opts *opts);
int ri_local_stream_delete(rill_bus *bus, const char *name);
int ri_local_stream_status(rill_bus *bus, const char *name, rill_stream_info *out);
/* Inside the gate. */
void ri_local_stream_fill(ri_stream *stream, rill_stream_info *out);
int ri_local_stream_each(rill_bus *bus, rill_name_fn fn, void *arg);
int ri_local_stream_purge(rill_bus *bus, const char *name, const rill_purge_opts *opts,
                          uint64_t *purged);
/* Purges without waiting for a commit, and without telling of a failure. */
void ri_local_stream_drop(rill_bus *bus, const char *name, ri_str filter);
/* A search for messages by subject, in slices, one after the other. The first three are set before
 * it begins; RILL_ENOENT behind the last. */
typedef struct ri_local_search {
    const char *stream;
    ri_str filter;
    bool last;             /* the last one; else the first, and then the next ones */
    int64_t time_ns;       /* the first of that time; 0: of all */
    ri_stream_search search;
    uint64_t stream_id;    /* that it searches; 0: not begun */
} ri_local_search;
int ri_local_search_one(rill_bus *bus, ri_local_search *s, rill_msg **m);
void ri_local_search_end(ri_local_search *s);
/* By number, or, with a subject, the last one on it. */
int ri_local_stream_get(rill_bus *bus, const char *name, uint64_t seq, const char *subject,
                        rill_msg **m);
/* By its place: RILL_FROM_SEQ is that one. */
int ri_local_stream_at(rill_bus *bus, const char *name, const rill_at *at, rill_msg **m);
/* Outside the gate: RILL_FROM_LAST becomes the number of that message. */
int ri_local_stream_find_last(rill_bus *bus, const char *name, rill_at *at);
/* Inside the gate: where a reader goes on that is sent there, which is not RILL_FROM_LAST. */
uint64_t ri_local_stream_seq_at(ri_stream *stream, const rill_at *at);
int ri_local_stream_erase(rill_bus *bus, const char *name, uint64_t seq);
/* Inside the gate: RILL_ENOENT with a sentence. */
int ri_local_stream_find(ri_durable *durable, const char *name, ri_stream **stream);

/* A change of a stream that is there, called inside the gate; committed when this returns. It is
 * called again, in another turn, as long as it returns 1. */
typedef int (*ri_local_change)(ri_stream *stream, void *arg, ri_js_error *e);
int ri_local_stream_do(rill_bus *bus, const char *name, ri_local_change change, void *arg);
/* The same without waiting for a commit. */
int ri_local_stream_see(rill_bus *bus, const char *name, ri_local_change look, void *arg);
/* Outside the gate: names, each with its 0, as they were inside. Frees `names`. */
int ri_local_names_each(ri_buffer *names, rill_name_fn fn, void *arg);

/* ---- local_describe.c ---- */
/* As rill_stream_describe(). */
int ri_local_describe(rill_bus *bus, const char *name, rill_stream_fn fn, void *arg);

/* ---- local_group.c ---- */
enum { RI_LOCAL_FILTERS_MAX = 64, RI_LOCAL_BACKOFF_MAX = 64 };
typedef struct ri_local_group_draft { /* what a consumer is to be */
    ri_js_consumer_request request;
    const rill_sub_opts *opts;    /* that it is made from */
    bool tail;                    /* it is to be without acks */
    ri_str filters[RI_LOCAL_FILTERS_MAX];
    int64_t backoff[RI_LOCAL_BACKOFF_MAX];
    ri_js_pair dead;
} ri_local_group_draft;
/* `tail`: without acks. `opts` is lent as long as the draft. RILL_EINVAL. */
int ri_local_group_plan(ri_local_group_draft *draft, const rill_sub_opts *opts, bool tail);
/* Inside the gate: the consumer of that name as it is, or a new one. RILL_EEXIST names the first
 * option that was given and is otherwise there. */
int ri_local_group_join(ri_stream *stream, ri_local_group_draft *draft, ri_consumer **consumer);
/* Inside the gate. */
void ri_local_group_fill(ri_consumer *consumer, int64_t now_wall_ns, rill_group_info *out);
int ri_local_group_ensure(rill_bus *bus, const char *stream, const char *group,
                          const rill_sub_opts *opts);
int ri_local_group_status(rill_bus *bus, const char *stream, const char *group,
                          rill_group_info *out);
int ri_local_group_each(rill_bus *bus, const char *stream, rill_name_fn fn, void *arg);
int ri_local_group_delete(rill_bus *bus, const char *stream, const char *group);
int ri_local_group_seek(rill_bus *bus, const char *stream, const char *group, const rill_at *at);
int ri_local_group_pause(rill_bus *bus, const char *stream, const char *group, int64_t until_ns);

/* ---- bus_consume.c ---- */
typedef enum ri_bus_kind {
    RI_BUS_CONSUME,  /* with acks */
    RI_BUS_TAIL,     /* without */
    RI_BUS_WATCH,    /* the same, of a bucket */
} ri_bus_kind;
/* key_at: where in a subject a bucket's key begins; else 0. */
int ri_bus_consume(rill_bus *bus, rill_sub **sub, const char *stream, const rill_sub_opts *opts,
                     ri_bus_kind kind, uint32_t key_at);
/* Inside the gate: a message of a consumer's came for `sub`. False if it was a status line, which
 * is dealt with here. */
bool ri_bus_consume_take(rill_sub *sub, const ri_message *m);
/* Inside the gate: there was no room for it. It stays in the stream, and that request is over. */
void ri_bus_consume_refused(rill_sub *sub);
/* Outside the gate, by the reader: ask for more if it is time to. It wants `want` now; 0: it has
 * what it wanted, and may find more when it comes again. */
void ri_bus_consume_more(rill_sub *sub, size_t want);
/* By the reader: it had nothing to do since then; monotonic. */
void ri_bus_consume_idle(rill_sub *sub, int64_t since_ns);
/* By whoever runs its callback: it begins, or rests. */
void ri_bus_consume_runs(rill_sub *sub, bool runs);
/* Outside the gate, by the reader: may the program have this message? */
bool ri_bus_consume_hand_out(rill_sub *sub, const ri_packet *packet);
/* Outside the gate, by the reader: it has waited long enough for what it asked for. */
void ri_bus_consume_give_up(rill_sub *sub);
void ri_bus_consume_close(rill_sub *sub);  /* inside the gate */
void ri_bus_consume_free(rill_sub *sub);
void ri_bus_consume_status(rill_sub *sub, rill_sub_info *out); /* inside the gate */
int ri_bus_consume_settle_one(const rill_msg *m, ri_str how);
/* Outside the gate: ack what a read lent, but for what has been settled (RILL_ACK_AUTO). */
void ri_bus_consume_settle(rill_sub *sub, const ri_bus_msg *views, size_t n);
int ri_bus_consume_seek(rill_sub *sub, const rill_at *at);

/* ---- local_ask.c ---- */
/* Ask the JetStream API of the broker; the answer is the caller's. RILL_ENOTSUP without one. */
int ri_local_ask(rill_bus *bus, const char *subject, ri_str body, rill_msg **answer,
                 int64_t timeout_ns);

/* ---- local_care.c: outside the gate ---- */
int ri_local_care_check(rill_bus *bus, rill_care_fn fn, void *arg);
int ri_local_care_snapshot(rill_bus *bus, const char *dir);
int ri_local_care_salvage(const char *from, const char *to, const ri_host *host, rill_care_fn fn,
                          void *arg);

/* ---- bus_kv.c ---- */
int ri_bus_kv_open(rill_bus *bus, rill_kv **kv, const char *bucket, const rill_bucket_opts *opts);
void ri_bus_kv_close(rill_kv *kv);
rill_bus *ri_bus_kv_bus(const rill_kv *kv); /* NULL if that is no open bucket */
#define RI_KV_ANY UINT64_MAX /* whatever the revision */
typedef enum ri_kv_op { RI_KV_PUT, RI_KV_CREATE, RI_KV_DELETE, RI_KV_PURGE } ri_kv_op;
int ri_bus_kv_write(rill_kv *kv, ri_kv_op op, const char *key, ri_str data, uint64_t expect,
                      uint32_t ttl_ms, uint64_t *rev);
int ri_bus_kv_get(rill_kv *kv, const char *key, rill_msg **m);
int ri_bus_kv_each(rill_kv *kv, const char *filter, rill_name_fn fn, void *arg);
int ri_bus_kv_history(rill_kv *kv, const char *key, rill_revision_fn fn, void *arg);
int ri_bus_kv_watch(rill_kv *kv, rill_sub **sub, const rill_sub_opts *opts);

/* ---- bus_obj.c ---- */
int ri_bus_obj_open(rill_bus *bus, rill_objs **objs, const char *bucket,
                      const rill_bucket_opts *opts);
void ri_bus_obj_close(rill_objs *objs);
rill_bus *ri_bus_obj_bus(const rill_objs *objs); /* NULL if that is no open bucket */
int ri_bus_obj_seal(rill_objs *objs);
int ri_bus_obj_put(rill_objs *objs, const char *name, rill_source_fn source, void *arg);
int ri_bus_obj_get(rill_objs *objs, const char *name, rill_sink_fn sink, void *arg);
int ri_bus_obj_status(rill_objs *objs, const char *name, rill_obj_info *out);
int ri_bus_obj_delete(rill_objs *objs, const char *name);
int ri_bus_obj_link(rill_objs *objs, const char *name, rill_objs *to, const char *target);
int ri_bus_obj_each(rill_objs *objs, rill_name_fn fn, void *arg);
int ri_bus_obj_watch(rill_objs *objs, rill_sub **sub, const rill_sub_opts *opts);
int ri_bus_obj_told(const rill_msg *m, rill_obj_info *out);

#endif
