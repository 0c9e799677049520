/* SPDX-License-Identifier: Apache-2.0 */
/* The durable half of a broker: its logs, the engine's streams over them, a service beside them
 * (service.h), the groups of Kafka's consumers as soon as a door has asked for them, and the turns
 * that commit.
 *
 *     loop thread, or a caller's ---- inside the gate ------------------------------------
 *       publishes, requests, acks -> open commit      (memory only)
 *       ri_durable_turn():
 *           steps until nothing waits
 *           somebody commits already?  then it takes this along when it is through
 *           begin                                                   enter again: end,
 *             \____ leave the gate: one write, one sync _____________/  acks leave
 *
 * So all that arrives during a sync is the next commit: group commit without a timer. Whoever
 * waits for a receipt commits on its own thread, without a hop; what nobody waits for is left to
 * the driver (driver.h), which is woken when there is something. */
#ifndef RI_DURABLE_H
#define RI_DURABLE_H

#include "base/error.h"
#include "base/histogram.h"
#include "engine/groups/groups.h"
#include "engine/streams/js.h"
#include "front/broker/broker.h"
#include "front/broker/service.h"

typedef struct ri_durable ri_durable;

typedef struct ri_durable_opts {
    const char *dir;          /* NULL: memory only */
    ri_safety safety;
    uint32_t sync_interval_ms; /* 0: what was written is synced when the safety says so only */
    uint64_t segment_bytes;   /* 0: the log's default */
    const char *domain;       /* NULL: none */
    uint64_t max_memory_bytes, max_file_bytes; /* 0: no limit */
    int64_t duplicate_window_ns, max_ack_pending, max_batch; /* as in ri_js_opts */
    uint32_t max_subjects;    /* the same */
    const ri_service_ops *service; /* hosted beside the streams; NULL: none */
    bool attends;             /* the service answers the system's account, and nobody has streams
                               * of it: JetStream is off */
    bool hosted;              /* no thread: the buses' hosts drive */
} ri_durable_opts;

/* Outside the gate. Recovers what is in `dir`. RILL_EBUSY, RILL_EIO, RILL_ECORRUPT ... */
int ri_durable_open(ri_durable **durable, ri_broker *broker, const ri_durable_opts *opts);
/* Outside the gate, when nobody else uses it any more: commits what is open, frees. */
void ri_durable_close(ri_durable *durable);

ri_js *ri_durable_js(ri_durable *durable);
ri_service *ri_durable_service(ri_durable *durable); /* of the streams; NULL: none */
/* Inside the gate: the broker has other accounts now. */
void ri_durable_accounts(ri_durable *durable);
/* Inside the gate: somebody has asked for streams, and may have some from now on. */
void ri_durable_want(ri_durable *durable);
/* Inside the gate: the broker's durable half, but NULL while it only attends to the system's
 * account. */
ri_durable *ri_durable_streams(const ri_broker *broker);
/* What it was opened with; the texts have gone. */
const ri_durable_opts *ri_durable_opts_of(const ri_durable *durable);
/* Inside the gate: the groups, which are read from the disk when somebody asks for the first time,
 * with this configuration (NULL: Kafka's defaults). They are stepped with the streams until the
 * durable half is closed. */
int ri_durable_groups(ri_durable *durable, const ri_groups_conf *conf, ri_groups **groups);
bool ri_durable_has_disk(const ri_durable *durable);
/* Inside the gate: the last commit failed, or that of one of its rooms, or one of those could
 * not be opened. */
bool ri_durable_is_failing(const ri_durable *durable);
const char *ri_durable_dir(const ri_durable *durable); /* NULL: it has no disk */
uint64_t ri_durable_id(const ri_durable *durable); /* of the store, for ever; 0: it has no disk */
/* The domain of the streams (NULL: none). */
const char *ri_durable_domain(const ri_durable *durable);

/* Level and interval that these stand for; RILL_EINVAL. */
int ri_durable_set_sync(ri_durable_opts *opts, rill_sync sync, uint32_t interval_ms);

/* Inside the gate: what is asked from now on comes now, however long ago the last step was. */
void ri_durable_clock(ri_durable *durable);
/* Inside the gate: is there anything to be done in a turn? */
bool ri_durable_waits(const ri_durable *durable);
/* Inside the gate, which it leaves and enters again while it writes. Steps, then one commit at
 * most; if more has come meanwhile, the driver is woken. */
void ri_durable_turn(ri_durable *durable);
/* As ri_durable_turn(), by the loop of a door, which looks itself whether more has come, and writes
 * to its own connections when its turn ends. A commit that would keep the loop long is written by
 * the driver's thread; the loop waits for that one when much has come in behind it. The durable
 * half may be closed when this returns. */
void ri_durable_loop_turn(ri_durable *durable, const ri_door *door);
/* By the thread of the driver, inside the gate, which it leaves: writes the commit that a loop has
 * begun. */
void ri_durable_write_handed(ri_durable *durable);
/* Inside the gate: is there something to commit, and may it be tried now? */
bool ri_durable_is_dirty(const ri_durable *durable);
/* Inside the gate, which it leaves and enters again: until *over, which some waiter's `done` sets,
 * or the time is up (false). Takes turns itself: whoever waits commits, the first for all. */
bool ri_durable_wait(ri_durable *durable, const bool *over, int64_t timeout_ns);
/* Inside the gate: the driver shall take a turn soon. */
void ri_durable_nudge(ri_durable *durable);
/* Inside the gate: something was asked of the engine. The driver is woken if that made work for a
 * turn, or a timer that is due before the driver wakes. */
void ri_durable_touched(ri_durable *durable);
/* Inside the gate, by the driver: nanoseconds until a turn is due; -1: never, by itself. */
int64_t ri_durable_due_ns(ri_durable *durable);
/* Failures that no call waits for, since the store was opened: damage, a commit that fails. The
 * buses get each; of many at a time the last RI_DURABLE_TROUBLES. */
enum { RI_DURABLE_TROUBLES = 32 };
/* Inside the gate: the next after the first *given, of which it becomes one more; false: none. */
bool ri_durable_next_trouble(const ri_durable *durable, uint64_t *given, ri_failure *out);

/* The damage in a sentence that says whose it is; `js` NULL: none runs on its log. */
void ri_durable_word_damage(ri_js *js, const ri_damage *damage, char *out, size_t cap);
/* Inside the gate: check a slice of the files; see ri_log_scrub(). 0 without a disk. */
int ri_durable_check(ri_durable *durable, ri_scrub *scrub);
/* Inside the gate, which it leaves and enters again: commit, and copy the store to `dir`. */
int ri_durable_snapshot(ri_durable *durable, const char *dir);
/* Inside the gate: who waits for messages asks elsewhere. */
void ri_durable_shutdown(ri_durable *durable);
void ri_durable_stats(const ri_durable *durable, rill_stats *out); /* inside the gate */
typedef struct ri_durable_writes { /* of its files, since it was opened */
    uint64_t commits, syncs;
    ri_histogram took; /* by each commit, from its beginning until it was over */
} ri_durable_writes;
/* Without its rooms; how many segments were looked at. `writes`, to which is added as well, may be
 * NULL. */
uint64_t ri_durable_stats_alone(const ri_durable *durable, rill_stats *out,
                                ri_durable_writes *writes);

#endif
