/* SPDX-License-Identifier: Apache-2.0 */
/* What a handle does with what its peer stores: batches, readers of streams, buckets, objects. */
#ifndef RI_BUS_STORED_H
#define RI_BUS_STORED_H

#include "front/handle/bus.h"

enum { RI_BUS_SOURCES_MAX = 64 }; /* of a stream */

/* ---- bus_batch.c ---- */
/* `safety` as of ri_bus_append(); it must outlive the batch. */
int ri_bus_batch_begin(rill_bus *bus, rill_batch **batch, const ri_safety *safety);
rill_bus *ri_bus_batch_bus(const rill_batch *batch); /* NULL if that is no open batch */
int ri_bus_batch_add(rill_batch *batch, const ri_message *m);
int ri_bus_batch_commit(rill_batch *batch, rill_receipt *last, int64_t timeout_ns);
void ri_bus_batch_close(rill_batch *batch);

/* ---- bus_stream.c ---- */
int ri_bus_stream_ensure(rill_bus *bus, const char *name, const rill_stream_opts *opts);
int ri_bus_stream_delete(rill_bus *bus, const char *name);
int ri_bus_stream_status(rill_bus *bus, const char *name, rill_stream_info *out);
int ri_bus_stream_each(rill_bus *bus, rill_name_fn fn, void *arg);
int ri_bus_stream_purge(rill_bus *bus, const char *name, const rill_purge_opts *opts,
                        uint64_t *purged);
int ri_bus_stream_erase(rill_bus *bus, const char *name, const rill_at *at);
/* The message at a place; with RILL_FROM_SEQ that number or none. */
int ri_bus_stream_at(rill_bus *bus, const char *name, const rill_at *at, rill_msg **m);
int ri_bus_stream_last(rill_bus *bus, const char *name, const char *subject, rill_msg **m);
/* A reader goes on at that place. `sub` NULL: of a group that is read elsewhere. */
int ri_bus_stream_seek(rill_bus *bus, const char *name, const char *group, rill_sub *sub,
                       const rill_at *at);
/* The first from *seq on that the filter matches; *seq is behind it then. RILL_ENOENT: no more. */
int ri_bus_stream_next(rill_bus *bus, const char *name, ri_str filter, uint64_t *seq,
                       rill_msg **m);
/* Outside the gate: `fn` for each name that `ask` brings, without its first `skip` bytes. */
struct ri_ask;
int ri_bus_names(rill_bus *bus, struct ri_ask *ask, size_t skip, rill_name_fn fn, void *arg);

/* ---- bus_describe.c ---- */
/* As rill_stream_describe(). */
int ri_bus_describe(rill_bus *bus, const char *name, rill_stream_fn fn, void *arg);

/* ---- bus_group.c ---- */
enum { RI_BUS_FILTERS_MAX = 64, RI_BUS_BACKOFF_MAX = 64 };
typedef struct ri_bus_group_draft { /* what a consumer is to be */
    ri_js_consumer_request request;
    const rill_sub_opts *opts;    /* what it is made from */
    bool tail;                    /* the consumer is to be without acks */
    ri_str filters[RI_BUS_FILTERS_MAX];
    int64_t backoff[RI_BUS_BACKOFF_MAX];
    ri_js_pair dead;
} ri_bus_group_draft;
/* `tail`: without acks. `opts` is lent as long as the draft. RILL_EINVAL. */
int ri_bus_group_plan(ri_bus_group_draft *draft, const rill_sub_opts *opts, bool tail);
/* May a reader with this draft join a group that is configured so? RILL_EEXIST names the first
 * option that was given and is otherwise there. */
int ri_bus_group_may_join(const ri_bus_group_draft *draft, const ri_consumer_conf *is);
ri_str ri_bus_group_dead_letters(const ri_consumer_conf *conf); /* empty: none */
int ri_bus_group_ensure(rill_bus *bus, const char *stream, const char *group,
                        const rill_sub_opts *opts);
int ri_bus_group_status(rill_bus *bus, const char *stream, const char *group,
                        rill_group_info *out);
int ri_bus_group_each(rill_bus *bus, const char *stream, rill_name_fn fn, void *arg);
int ri_bus_group_delete(rill_bus *bus, const char *stream, const char *group);
int ri_bus_group_seek(rill_bus *bus, const char *stream, const char *group, const rill_at *at);
int ri_bus_group_pause(rill_bus *bus, const char *stream, const char *group, int64_t until_ns);

/* ---- bus_consume.c ---- */
struct ri_bus_consumer {
    char inbox[RILL_INBOX_LEN]; /* the subject that messages come to */
    char *stream, *name;        /* owned */
    size_t size;                /* of this allocation */
    uint32_t window;            /* messages asked for at once, at most */
    uint32_t asked;             /* messages asked for and not delivered yet; guarded by the gate */
    uint32_t wanted;            /* ... and what the last request was to bring it to */
    uint32_t reader;            /* the reader's number for the engine */
    uint32_t parts;             /* partitions that are read, 1 at least */
    bool acks;                  /* messages are held until they are handed out */
    bool counted;               /* deliveries are limited: nothing is fetched ahead */
    bool pulled;                /* its messages stay with the peer; see bus_pull.c */
    ri_buffer loan;             /* ... and the bytes of those that the last read has lent */
    /* The reader's, as in `sub`: */
    uint32_t ahead;             /* so many messages may wait here; with acks */
    uint64_t mark_msgs;         /* sub->taken_msgs when its speed was last measured ... */
    int64_t mark_ns;            /* ... which was then; monotonic; 0: never */
    int64_t idle_ns;            /* time since mark_ns without a message */
    int64_t rest_ns;            /* since when no callback of it runs; 0: one does */
    int64_t wait_ns;            /* of the read at hand; < 0: for ever, or a callback runs it */
    int64_t patience_ns;        /* the same of the one that asked last; guarded by the gate */
    uint32_t passed;            /* deliveries passed over since somebody took this number */
    uint64_t passed_first, passed_last; /* ... the lowest and highest of their messages */
    rill_sub *sub;              /* the reader that this belongs to */
    ri_list asking;             /* in bus->asking */
    bool own;                   /* no group: it ends with the reader */
    void *of_peer;              /* what the peer keeps for it, until leave(); NULL: nothing */
};

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
/* By the reader: it had nothing to do since `since_ns`; monotonic. */
void ri_bus_consume_idle(rill_sub *sub, int64_t since_ns);
/* By whoever runs the reader's callback: the callbacks begin, or rest. */
void ri_bus_consume_runs(rill_sub *sub, bool runs);
/* Outside the gate, by the reader, who took so many `before` these: how many of them may the
 * program have? They stand first then, in their order. */
uint32_t ri_bus_consume_hand_out(rill_sub *sub, ri_packet **packets, uint32_t n, uint64_t before);
/* Outside the gate, by the reader: it no longer waits for what it asked for. */
void ri_bus_consume_give_up(rill_sub *sub);
void ri_bus_consume_close(rill_sub *sub);  /* inside the gate */
void ri_bus_consume_free(rill_sub *sub);
void ri_bus_consume_status(rill_sub *sub, rill_sub_info *out); /* outside the gate */
int ri_bus_consume_settle_one(const rill_msg *m, ri_str how);
/* Outside the gate: ack what a read lent, but for what has been settled (RILL_ACK_AUTO). */
void ri_bus_consume_settle(rill_sub *sub, const ri_bus_msg *views, size_t n);
/* Inside the gate: what waits in its queue is dropped unread. */
void ri_bus_consume_skip(rill_sub *sub);
int ri_bus_consume_seek(rill_sub *sub, const rill_at *at);

/* ---- bus_bucket.c ---- */
enum { RI_BUS_BUCKET_MAX = 200 }; /* bytes of a bucket's name */
typedef struct ri_bus_bucket_kind { /* one for keys, one for objects */
    const char *stream, *prefix;  /* what stands before a name in those of a bucket */
} ri_bus_bucket_kind;
typedef struct ri_bus_bucket { /* a rill_kv or rill_objs is one and nothing else */
    const ri_bus_bucket_kind *kind;     /* NULL: it was closed */
    rill_bus *bus;                      /* a reference is held */
    char stream[RI_BUS_BUCKET_MAX + 8]; /* KV_<name>, OBJ_<name> */
    char prefix[RI_BUS_BUCKET_MAX + 8]; /* of its subjects: $KV.<name>., $O.<name>. */
} ri_bus_bucket;
/* The names say of which bucket it is, and nobody has asked whether there is one. */
int ri_bus_bucket_new(rill_bus *bus, const ri_bus_bucket_kind *kind, const char *name,
                      ri_bus_bucket **b);
void ri_bus_bucket_free(ri_bus_bucket *b);
int ri_bus_bucket_set(ri_bus_bucket *b, const char *name); /* of another bucket, from now on */
const char *ri_bus_bucket_name(const ri_bus_bucket *b);
/* Of an append to its subjects that ended with `rc`: no stream takes them when it was deleted. */
int ri_bus_bucket_gone(const ri_bus_bucket *b, int rc);
static inline bool ri_bus_bucket_may_have(char c) /* in its name */
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '-';
}
ri_stream_conf ri_bus_bucket_conf(const char *stream, const rill_bucket_opts *opts);
/* Its stream is there, or is made unless it must be there. */
int ri_bus_bucket_open(rill_bus *bus, const ri_stream_conf *conf, const rill_bucket_opts *opts);

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
int ri_bus_obj_info(const rill_msg *m, rill_obj_info *out);

#endif
