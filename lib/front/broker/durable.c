/* SPDX-License-Identifier: Apache-2.0 */
#include "front/broker/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/deadline.h"
#include "base/error.h"
#include "base/saturate.h"
#include "codec/jetstream/zone.h"
#include "engine/streams/stream.h"
#include "front/broker/durable_private.h"
#include "front/broker/member.h"
#include "net/task.h"

ri_js *ri_durable_js(ri_durable *d)
{
    RI_ASSERT(d->js);
    return d->js;
}

ri_service *ri_durable_service(ri_durable *d)
{
    return d->opts.attends ? NULL : d->service;
}

void ri_durable_accounts(ri_durable *d)
{
    RI_ASSERT(ri_broker_is_entered(d->broker));
    if (d->service && d->service->ops->accounts) d->service->ops->accounts(d->service);
}

void ri_durable_want(ri_durable *d)
{
    RI_ASSERT(ri_broker_is_entered(d->broker));
    d->wanted = true;
}

ri_durable *ri_durable_streams(const ri_broker *broker)
{
    ri_durable *d = broker->durable;
    RI_ASSERT(ri_broker_is_entered(broker));
    bool idle = d && d->opts.attends && !d->wanted && ri_js_nstreams(d->js) == 0;
    return idle ? NULL : d;
}

int ri_durable_groups(ri_durable *d, const ri_groups_conf *conf, ri_groups **groups)
{
    RI_ASSERT(ri_broker_is_entered(d->broker));
    const ri_host *host = &d->broker->host;
    ri_groups_opts opts = {.host = host, .js = d->js, .log = d->file_log, .conf = conf};
    int rc = d->groups ? RILL_OK
                       : ri_groups_open(&d->groups, &opts, ri_wall_ns(host), ri_mono_ns(host));
    *groups = d->groups;
    return rc;
}

const char *ri_durable_dir(const ri_durable *d)
{
    return d->dir;
}

bool ri_durable_is_failing(const ri_durable *durable)
{
    RI_ASSERT(durable);
    return durable->failing || durable->rooms_failing > 0;
}

const ri_durable_opts *ri_durable_opts_of(const ri_durable *d)
{
    return &d->opts;
}

bool ri_durable_has_disk(const ri_durable *d)
{
    return d->file_log != NULL;
}

uint64_t ri_durable_id(const ri_durable *d)
{
    return d->file_log ? ri_log_id(d->file_log) : 0;
}

const char *ri_durable_domain(const ri_durable *d)
{
    return d->domain;
}

/* ---- Failures that no call waits for ---- */

bool ri_durable_next_trouble(const ri_durable *d, uint64_t *given, ri_failure *out)
{
    RI_ASSERT(*given <= d->ntroubles);
    if (*given == d->ntroubles) return false;
    if (d->ntroubles - *given > RI_DURABLE_TROUBLES) *given = d->ntroubles - RI_DURABLE_TROUBLES;
    *out = d->troubles[(*given)++ % RI_DURABLE_TROUBLES];
    return true;
}

/* Inside the gate, or while it is being opened. */
static void durable_trouble(ri_durable *d, int err, const char *sentence)
{
    if (d->house) d = d->house;
    const ri_host *host = &d->broker->host;
    size_t size = RI_DURABLE_TROUBLES * sizeof *d->troubles;
    if (!d->troubles && !(d->troubles = ri_alloc(host, size))) return; /* it is in the host's log */
    ri_failure *trouble = &d->troubles[d->ntroubles++ % RI_DURABLE_TROUBLES];
    trouble->code = err;
    snprintf(trouble->text, sizeof trouble->text, "%s", sentence);
    if (!d->js) return; /* those who open it hear of it when it is open */
    ri_list_each (link, &d->broker->members) {
        ri_member *member = ri_container_of(link, ri_member, link);
        member->ops->trouble(member);
    }
}

void ri_durable_word_damage(ri_js *js, const ri_damage *damage, char *out, size_t cap)
{
    char name[RI_ERROR_TEXT_MAX] = "";
    bool opening = !js && damage->log; /* else the log may not be read in the midst of its work */
    ri_stream *stream = js && damage->track ? ri_js_stream_on(js, damage->track) : NULL;
    ri_str known = stream ? ri_stream_conf_of(stream)->name : RI_STR_NONE;
    if (stream) snprintf(name, sizeof name, "stream %.*s", RI_ARG(known));
    else if (opening && damage->track)
        ri_js_name_track(damage->log, damage->track, name, sizeof name);
    snprintf(out, cap, "%s%s%s", name, *name ? ": " : "", damage->sentence);
}

static void durable_damage(void *arg, const ri_damage *damage)
{
    ri_durable *d = arg;
    char sentence[RI_ERROR_TEXT_MAX];
    ri_durable_word_damage(d->js, damage, sentence, sizeof sentence);
    ri_host_log(&d->broker->host, RILL_ERROR, "%s", sentence);
    durable_trouble(d, RILL_ECORRUPT, sentence);
}

static void durable_forgotten(ri_durable *d, const ri_js_event *event)
{
    char sentence[256];
    snprintf(sentence, sizeof sentence,
             "stream %.*s: the window of duplicates is full: %llu of the "
             "oldest message ids were forgotten before their time", RI_ARG(event->stream),
             (unsigned long long)event->count);
    ri_host_log(&d->broker->host, RILL_WARN, "%s", sentence);
    durable_trouble(d, RILL_EFULL, sentence);
}

/* To peers as advisories; what the programs in this process should know are events of theirs. */
static void durable_event(void *arg, const ri_js_event *event)
{
    ri_durable *d = arg;
    char sentence[RI_ERROR_TEXT_MAX];
    ri_service *service = ri_durable_service(d);
    if (service) service->ops->event(service, event);
    if (event->kind == RI_JS_IDS_FORGOTTEN) durable_forgotten(d, event);
    if (event->kind != RI_JS_DEAD_LETTER_STUCK && event->kind != RI_JS_UNREADABLE) return;
    snprintf(sentence, sizeof sentence, "%.*s", RI_ARG(event->reason));
    durable_trouble(d, event->code, sentence);
}

/* ---- Turns: inside the gate ---- */

enum {
    DURABLE_RETRY_MS = 100,  /* between two tries of a commit that a full disk refuses */
    DURABLE_ASK_MS = 50,     /* between two requests of a reader's for which there is no memory */
    DURABLE_CLEAN_TURNS = 16, /* busy turns for each slice of cleaning */
    DURABLE_LAST_TURNS = 100, /* of a close */
    DURABLE_HEAVY = 2 << 20, /* bytes of a commit that a loop leaves to the thread */
    DURABLE_AHEAD = 1 << 20, /* bytes that it lets come in behind that one */
};
#define DURABLE_LONG_NS (2 * RI_MS) /* commits that take so long to write are left to it as well */

/* Is what was written to be synced now? It is, of course, when this is closed. */
static bool durable_sync_is_due(const ri_durable *d)
{
    return d->sync_due_ns && (d->closing || ri_mono_ns(&d->broker->host) >= d->sync_due_ns);
}

bool ri_durable_is_dirty(const ri_durable *d)
{
    if (!d->file_log || d->committing) return false;
    if (!ri_log_dirty(d->file_log) && !durable_sync_is_due(d)) return false;
    return !d->failing || ri_mono_ns(&d->broker->host) >= d->retry_ns;
}

static bool durable_is_unclean(const ri_durable *d)
{
    return d->unclean && !d->committing && !d->failing;
}

static bool durable_has_steps(const ri_durable *d)
{
    return ri_js_waiting(d->js) || (d->service && ri_service_waiting(d->service)) ||
           (d->groups && ri_groups_waiting(d->groups));
}

bool ri_durable_waits_alone(const ri_durable *d)
{
    return ri_durable_is_dirty(d) || durable_is_unclean(d) || durable_has_steps(d);
}

bool ri_durable_waits(const ri_durable *d)
{
    return ri_durable_waits_alone(d) || ri_rooms_wait(&d->rooms);
}

/* Wall clock: when something may be removed without anything being published. */
static int64_t durable_compact_due_ns(const ri_durable *d)
{
    int64_t due_ns = ri_log_compact_due_ns(d->memory_log);
    return d->file_log ? RI_MIN(due_ns, ri_log_compact_due_ns(d->file_log)) : due_ns;
}

/* First what is dead goes, then more is found that may die. */
static int durable_clean_log(ri_durable *d, ri_log *log)
{
    int more = ri_log_clean(log);
    return more == 0 ? ri_log_compact(log, ri_wall_ns(&d->broker->host)) : more;
}

/* A slice of giving space back: now and then while there is work, and when there is none. What
 * it copies is part of the open commit. */
static void durable_clean(ri_durable *d)
{
    if (!durable_is_unclean(d)) return;
    if (ri_durable_is_dirty(d) && ++d->turns < DURABLE_CLEAN_TURNS) return;
    d->turns = 0;
    int more = d->file_log ? durable_clean_log(d, d->file_log) : 0;
    int more_memory = durable_clean_log(d, d->memory_log);
    d->unclean = more == 1 || more_memory == 1;
}

/* Members whose requests found no memory ask anew. */
static void durable_ask(ri_durable *d, int64_t mono_ns)
{
    if (ri_likely(ri_list_empty(&d->broker->asking)) || mono_ns < d->ask_due_ns) return;
    d->ask_due_ns = mono_ns + DURABLE_ASK_MS * RI_MS;
    ri_list due;
    ri_list_init(&due);
    ri_list_splice(&due, &d->broker->asking);
    for (ri_list *link; (link = ri_list_pop(&due)) != NULL;) {
        ri_member *member = ri_container_of(link, ri_member, ask_link);
        member->ops->ask_again(member);
    }
}

void ri_durable_clock(ri_durable *d)
{
    const ri_host *host = &d->broker->host;
    d->broker->router.time_ns = ri_wall_ns(host);
    ri_js_clock(d->js, d->broker->router.time_ns, ri_mono_ns(host));
    if (d->groups) ri_groups_clock(d->groups, d->broker->router.time_ns, ri_mono_ns(host));
}

/* As many steps as the budget of a turn allows; what is left then, ri_durable_waits() says. */
void ri_durable_step(ri_durable *d)
{
    const ri_host *host = &d->broker->host;
    int64_t wall_ns = ri_wall_ns(host), mono_ns = ri_mono_ns(host);
    ri_budget *budget = &d->broker->router.budget;
    if (d->house) ri_budget_open_part(budget, RI_ROOM_UNITS);
    else ri_budget_open(budget);
    d->broker->router.time_ns = wall_ns;
    if (!d->house) durable_ask(d, mono_ns);
    if (ri_js_waiting(d->js)) d->unclean = true; /* the memory log is committed by its step */
    if (durable_compact_due_ns(d) <= wall_ns) d->unclean = true;
    do {
        if (d->service) d->service->ops->step(d->service, wall_ns, mono_ns);
        if (d->groups) ri_groups_step(d->groups, wall_ns, mono_ns);
        ri_js_step(d->js, wall_ns, mono_ns);
    } while (durable_has_steps(d) && ri_budget_left(budget));
    durable_clean(d);
    ri_budget_close(budget);
}

static void durable_note_commit(ri_durable *d, int rc)
{
    if (rc < 0 && !d->failing) {
        ri_failure failure;
        ri_failure_keep(&failure, rc);
        ri_host_log(&d->broker->host, RILL_ERROR, "what is published cannot be stored: %s",
                    failure.text);
        durable_trouble(d, rc, failure.text);
        ri_failure_restore(&failure); /* for those who wait */
    }
    if (rc >= 0 && d->failing)
        ri_host_log(&d->broker->host, RILL_INFO, "what is published is stored again");
    if (d->house && rc < 0) d->house->rooms_failing += !d->failing;
    if (d->house && rc >= 0) d->house->rooms_failing -= d->failing;
    d->failing = rc < 0;
    d->retry_ns = rc < 0 ? ri_mono_ns(&d->broker->host) + DURABLE_RETRY_MS * RI_MS : 0;
    d->unclean = true;
}

/* The first commit that is only written says when all have to be synced. */
static void durable_note_sync(ri_durable *d, bool synced, int64_t begun_ns)
{
    if (synced) d->sync_due_ns = 0;
    else if (d->opts.sync_interval_ms && !d->sync_due_ns)
        d->sync_due_ns = ri_ns_add(begun_ns, ri_ns_of_ms(d->opts.sync_interval_ms));
}

/* What was written outside the gate is over: whoever waits for that goes on. */
static void durable_signal(ri_durable *d)
{
    if (d->waiting) ri_park_signal(&d->turned);
    if (d->closing) ri_park_signal(&d->park);
}

/* A commit is over, well or not. */
static void durable_committed(ri_durable *d, int rc)
{
    ri_broker *broker = d->broker;
    durable_note_commit(d, rc);
    broker->router.time_ns = ri_wall_ns(&broker->host);
    ri_budget_open(&broker->router.budget);
    ri_js_committed(d->js, d->file_log, rc, broker->router.time_ns, ri_mono_ns(&broker->host));
    ri_budget_close(&broker->router.budget);
    durable_signal(d);
}

/* False: nothing is to be written, or it cannot be. */
static bool durable_commit_begin(ri_durable *d)
{
    RI_ASSERT(!d->committing);
    d->job_syncs = durable_sync_is_due(d);
    ri_js_prepare(d->js, d->file_log);
    if (d->job_syncs) ri_log_need(d->file_log, RI_SAFETY_SYNCED);
    int rc = ri_log_commit_begin(d->file_log, &d->job);
    d->job_begun_ns = ri_mono_ns(&d->broker->host);
    d->committing = rc == RILL_OK;
    if (!d->committing) durable_committed(d, rc);
    return d->committing;
}

/* Leaves the gate to write what has begun. */
static void durable_write(ri_durable *d)
{
    RI_ASSERT(d->committing);
    ri_broker_leave(d->broker);
    ri_log_commit_io(&d->job);
    ri_broker_enter(d->broker);
    d->committing = false;
}

static void durable_commit_write(ri_durable *d)
{
    durable_write(d);
    int64_t took_ns = ri_ns_sub(ri_mono_ns(&d->broker->host), d->job_begun_ns);
    d->write_ns = ri_ns_add(d->write_ns / 4 * 3, took_ns / 4);
    ri_histogram_add(&d->commits, took_ns);
    int rc = ri_log_commit_end(d->file_log, &d->job);
    if (rc == RILL_OK) durable_note_sync(d, d->job_syncs, d->job_begun_ns);
    durable_committed(d, rc);
}

/* The first file of a store that begins is made durable outside the gate, before the first commit
 * is begun. If that fails the commit tries it again, and says why. False: the store is being closed
 * by now, and its close makes the last commit. */
static bool durable_found(ri_durable *d)
{
    RI_ASSERT(!d->committing);
    if (ri_likely(!ri_log_found_begin(d->file_log, &d->job))) return true;
    d->committing = true;
    durable_write(d);
    ri_log_commit_end(d->file_log, &d->job);
    durable_signal(d);
    return !d->closing;
}

void ri_durable_commit(ri_durable *d)
{
    if (durable_found(d) && durable_commit_begin(d)) durable_commit_write(d);
}

void ri_durable_write_handed(ri_durable *d)
{
    RI_ASSERT(d->job_handed);
    durable_commit_write(d);
    d->job_handed = false;
    if (!d->closing) ri_durable_nudge(d);
}

/* ---- Care ---- */

int ri_durable_check(ri_durable *d, ri_scrub *scrub)
{
    return d->file_log ? ri_log_scrub(d->file_log, scrub) : 0;
}

/* Is there anything that a reopened store would not know of? */
static bool durable_is_behind(ri_durable *d)
{
    return ri_log_dirty(d->file_log) || ri_js_unsaved(d->js, d->file_log);
}

/* The commit of another thread is under way: wait until it has ended, or something else did. */
static void durable_wait_commit(ri_durable *d)
{
    RI_ASSERT(d->committing);
    d->waiting++;
    uint32_t seen = ri_park_count(&d->turned);
    ri_broker_leave(d->broker);
    ri_park_wait(&d->turned, seen, -1);
    ri_broker_enter(d->broker);
    if (--d->waiting == 0 && d->closing) ri_park_signal(&d->park);
}

/* A commit without leaving the gate, so that nothing is open or under way behind it. */
static int durable_commit_all(ri_durable *d)
{
    while (d->committing) durable_wait_commit(d);
    if (d->closing) return ri_err(RILL_ECLOSED, "the store was closed");
    ri_durable_step(d);
    ri_js_note_lasts(d->js, d->file_log);
    if (!durable_is_behind(d) && !ri_log_lags(d->file_log)) return RILL_OK;
    ri_js_prepare(d->js, d->file_log);
    ri_log_need(d->file_log, RI_SAFETY_SYNCED);
    int rc = ri_log_commit(d->file_log);
    durable_note_commit(d, rc);
    ri_budget_open(&d->broker->router.budget);
    ri_js_committed(d->js, d->file_log, rc, ri_wall_ns(&d->broker->host),
                    ri_mono_ns(&d->broker->host));
    ri_budget_close(&d->broker->router.budget);
    return rc;
}

int ri_durable_copy_alone(ri_durable *d, const char *dir)
{
    ri_snapshot snapshot;
    if (!d->file_log) return ri_err(RILL_ENOTSUP, "there is no store on disk to copy");
    d->copying++; /* a close waits */
    int rc = durable_commit_all(d);
    if (rc == RILL_OK) rc = ri_log_snapshot_begin(d->file_log, &snapshot, dir);
    if (rc == RILL_OK) {
        ri_broker_leave(d->broker);
        ri_log_snapshot_io(&snapshot);
        ri_broker_enter(d->broker);
        rc = ri_log_snapshot_end(&snapshot);
        d->unclean = true;
    }
    d->copying--;
    if (d->closing) ri_park_signal(&d->park);
    return rc;
}

int ri_durable_snapshot(ri_durable *d, const char *dir)
{
    bool rooms = !ri_list_empty(&d->rooms.all);
    int rc = ri_durable_copy_alone(d, dir);
    return rc < 0 || !rooms ? rc : ri_rooms_copy(d, dir);
}

void ri_durable_shutdown(ri_durable *d)
{
    RI_ASSERT(ri_broker_is_entered(d->broker));
    ri_js_shutdown(d->js);
    ri_rooms_shutdown(&d->rooms);
}

uint64_t ri_durable_stats_alone(const ri_durable *d, rill_stats *out, ri_durable_writes *writes)
{
    RI_ASSERT(ri_broker_is_entered(d->broker));
    ri_log_stats log;
    if (!d->file_log) return 0;
    ri_log_status(d->file_log, &log);
    out->store_bytes += log.live_bytes;
    out->store_file_bytes += log.used_bytes;
    out->store_appended_bytes += log.appended_bytes;
    out->store_moved_bytes += log.copied_bytes;
    out->store_written_bytes += log.written_bytes;
    out->store_damages += log.damages;
    if (!writes) return log.segments;
    writes->commits += log.commits;
    writes->syncs += log.syncs;
    ri_histogram_join(&writes->took, &d->commits);
    return log.segments;
}

void ri_durable_stats(const ri_durable *d, rill_stats *out)
{
    RI_ASSERT(!d->house);
    ri_durable_stats_alone(d, out, NULL);
    ri_rooms_stats(&d->rooms, out);
}

/* Would those who wait for the loop's other work wait long for this commit? */
static bool durable_is_heavy(const ri_durable *d)
{
    return d->write_ns >= DURABLE_LONG_NS || ri_log_open_bytes(d->file_log) >= DURABLE_HEAVY;
}

/* What comes in while the thread writes has a bound, at which the loop waits as if it wrote that
 * itself; so who publishes is never faster than the disk. What a long batch has left for the next
 * commit had come before. */
static bool durable_is_ahead(const ri_durable *d)
{
    return d->job_handed && !d->closing &&
           ri_log_open_bytes(d->file_log) >= d->job_left_bytes + DURABLE_AHEAD;
}

static void durable_hand_commit(ri_durable *d)
{
    d->job_handed = durable_commit_begin(d);
    if (!d->job_handed) return;
    d->job_left_bytes = ri_log_open_bytes(d->file_log);
    ri_driver_hand_commit(d->broker);
}

void ri_durable_loop_turn(ri_durable *d, const ri_door *door)
{
    while (durable_is_ahead(d)) durable_wait_commit(d);
    if (d->closing) return;
    ri_durable_step(d); /* which commits what is in memory alone */
    if (ri_durable_is_dirty(d)) {
        if (durable_is_heavy(d) && ri_driver_has_thread(d->broker)) {
            durable_hand_commit(d);
            ri_rooms_turn(d);
            return;
        }
        d->broker->output_waits &= ~door->bit; /* or the leaving would wake its loop */
        ri_durable_commit(d);
        ri_durable_step(d);
    }
    ri_rooms_turn(d);
    if (d->aside) ri_park_signal(&d->turned);
}

int64_t ri_durable_next_due_ns(const ri_durable *d)
{
    int64_t due_ns = ri_js_next_due_ns(d->js), compact_ns = durable_compact_due_ns(d);
    if (compact_ns != INT64_MAX)
        due_ns = RI_MIN(due_ns, ri_ns_add(ri_mono_ns(&d->broker->host),
            RI_MAX(ri_ns_sub(compact_ns, ri_wall_ns(&d->broker->host)), 0)));
    if (!d->house) due_ns = RI_MIN(due_ns, ri_rooms_due_ns(&d->rooms));
    if (!d->house && !ri_list_empty(&d->broker->asking)) due_ns = RI_MIN(due_ns, d->ask_due_ns);
    if (d->failing) due_ns = RI_MIN(due_ns, d->retry_ns);
    else if (d->sync_due_ns && !d->committing) due_ns = RI_MIN(due_ns, d->sync_due_ns);
    if (d->groups) due_ns = RI_MIN(due_ns, ri_groups_next_due_ns(d->groups));
    return d->service ? RI_MIN(due_ns, ri_service_due_ns(d->service)) : due_ns;
}

/* A timer was set, on a caller's thread, that is due before the driver means to wake. */
static void durable_notify_driver(ri_durable *d)
{
    int64_t due_ns = ri_durable_next_due_ns(d);
    if (due_ns >= d->driver_due_ns) return;
    d->driver_due_ns = due_ns;
    ri_durable_nudge(d);
}

void ri_durable_touched(ri_durable *d)
{
    if (ri_durable_waits(d))
        ri_durable_nudge(d);
    else
        durable_notify_driver(d);
}

void ri_durable_turn(ri_durable *d)
{
    RI_ASSERT(ri_broker_is_sound(d->broker));
    ri_durable_step(d);
    if (ri_durable_is_dirty(d)) {
        ri_durable_commit(d);
        ri_durable_step(d);
    }
    ri_rooms_turn(d);
    if (ri_durable_waits(d) && d->waiting == d->aside) ri_durable_nudge(d);
    if (d->aside) ri_park_signal(&d->turned);
    durable_notify_driver(d);
}

/* How long one who waits may sleep: a commit that failed is tried again by a driver, or, when
 * those who wait are all there is, by them. */
static int64_t durable_nap_ns(const ri_durable *d, int64_t left_ns)
{
    if (d->broker->driver->ops->alone || !d->failing || !ri_log_dirty(d->file_log)) return left_ns;
    int64_t nap_ns = RI_MAX(ri_ns_sub(d->retry_ns, ri_mono_ns(&d->broker->host)), 0);
    return left_ns < 0 ? nap_ns : RI_MIN(nap_ns, left_ns);
}

/* Inside the gate, which others get before the next turn. */
static void durable_pass(ri_durable *d)
{
    ri_broker_leave(d->broker);
    ri_gate_pass(&d->broker->gate);
    ri_broker_enter(d->broker);
}

static bool durable_await(ri_durable *d, const bool *over, int64_t timeout_ns)
{
    const ri_host *host = &d->broker->host;
    int64_t until_ns = ri_deadline_in(host, timeout_ns);
    bool aside = ri_task_yields(); /* its thread has other work: the driver makes the commit */
    while (!*over) {
        bool turn = !aside && ri_durable_waits(d);
        if (turn) ri_durable_turn(d);
        if (aside && ri_durable_waits(d)) ri_durable_nudge(d);
        if (*over) break;
        uint32_t seen = ri_park_count(&d->turned);
        int64_t left_ns = ri_deadline_left_ns(host, until_ns);
        if (left_ns == 0) return false;
        if (turn) {
            durable_pass(d);
            continue;
        }
        left_ns = durable_nap_ns(d, left_ns);
        ri_broker_leave(d->broker);
        ri_park_wait(&d->turned, seen, left_ns);
        ri_broker_enter(d->broker);
    }
    return true;
}

bool ri_durable_wait(ri_durable *d, const bool *over, int64_t timeout_ns)
{
    RI_ASSERT(over);
    bool aside = ri_task_yields();
    d->waiting++;
    d->aside += aside;
    bool done = durable_await(d, over, timeout_ns);
    d->aside -= aside;
    /* Who waited took the turns up to now, and may leave space to be given back, or what the
     * cleaner has copied to be committed; when it is being closed the engine may be gone. */
    if (!d->closing && ri_durable_waits(d)) ri_durable_nudge(d);
    if (--d->waiting == 0 && d->closing) ri_park_signal(&d->park);
    return done;
}

int64_t ri_durable_due_ns(ri_durable *d)
{
    int64_t due_ns = d->driver_due_ns = ri_durable_next_due_ns(d);
    if (ri_durable_waits(d) || durable_is_ahead(d)) return 0;
    return ri_deadline_left_ns(&d->broker->host, due_ns);
}

void ri_durable_nudge(ri_durable *d)
{
    ri_driver *driver = d->broker->driver;
    driver->ops->wake(driver);
}

/* ---- Open and close ---- */

/* An opening that takes long is logged each second. */
static int durable_progress(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
    ri_durable *d = arg;
    int64_t now_ns = ri_mono_ns(&d->broker->host);
    if (now_ns - d->opening_logged_ns < RI_SEC) return 0;
    d->opening_logged_ns = now_ns;
    ri_host_log(&d->broker->host, RILL_INFO, "opening %s: %llu of %llu MiB are read", d->dir,
                (unsigned long long)(done_bytes >> 20), (unsigned long long)(total_bytes >> 20));
    return 0;
}

static void durable_log_opened(ri_durable *d)
{
    int64_t took_ns = ri_mono_ns(&d->broker->host) - d->opening_ns;
    if (took_ns < RI_SEC) return;
    ri_host_log(&d->broker->host, RILL_INFO, "opening %s took %lld ms", d->dir,
                (long long)(took_ns / RI_MS));
}

static void durable_report_read_only(ri_durable *d)
{
    char sentence[RI_ERROR_TEXT_MAX];
    snprintf(sentence, sizeof sentence,
             "%s is on a file system that cannot be written: its streams "
             "are only read", d->dir);
    ri_host_log(&d->broker->host, RILL_WARN, "%s", sentence);
    durable_trouble(d, RILL_EIO, sentence);
}

/* A segment holds the largest message that may come, with what stands around it; a sixteenth of it
 * is kept for removals. */
static uint64_t durable_segment_bytes(const ri_durable *d)
{
    enum { SEGMENT = 8 << 20, AROUND = 256 << 10 }; /* the log's default */
    if (d->opts.segment_bytes) return d->opts.segment_bytes;
    uint64_t need = ((uint64_t)d->broker->conf.max_msg_bytes + AROUND) / 15 * 16;
    return RI_MAX(need, (uint64_t)SEGMENT);
}

/* Those of all rooms together have no more than the house, but for the least that is of use. */
static uint64_t durable_room_cache_bytes(const ri_durable *d, uint64_t most)
{
    enum { LEAST = 64 << 10 };
    size_t rooms = ri_accounts_count(d->broker->conf.accounts);
    return RI_MAX(most / RI_MAX(rooms, (size_t)RI_ROOM_CACHES), (uint64_t)LEAST);
}

/* What is kept of sealed segments is not in the broker's budget, and small beside it. */
static uint64_t durable_cache_bytes(const ri_durable *d)
{
    enum { CACHE = 64 << 20 }; /* the log's default */
    uint64_t most = RI_MIN(d->broker->conf.memory_bytes / 8, (uint64_t)CACHE);
    return d->house ? durable_room_cache_bytes(d, most) : most;
}

static int durable_open_logs(ri_durable *d)
{
    ri_log_opts opts = {
        .memory = &d->broker->router.memory, .cache_bytes = durable_cache_bytes(d),
        .host = &d->broker->host, .budget_bytes = d->opts.max_memory_bytes,
        .safety = RI_SAFETY_MEMORY, .counts_as_memory = true,
        .damage = durable_damage, .arg = d,
    };
    int rc = ri_log_open(&d->memory_log, &opts);
    if (rc < 0 || !d->dir) return rc;
    opts.os = ri_os_posix();
    opts.counts_as_memory = false;
    opts.dir = d->dir;
    opts.safety = d->opts.safety;
    opts.segment_bytes = durable_segment_bytes(d);
    opts.budget_bytes = d->opts.max_file_bytes;
    opts.progress = durable_progress;
    d->opening_ns = d->opening_logged_ns = ri_mono_ns(&d->broker->host);
    rc = ri_log_open(&d->file_log, &opts);
    if (rc == RILL_OK) durable_log_opened(d);
    if (rc == RILL_OK && ri_log_is_read_only(d->file_log)) durable_report_read_only(d);
    return rc;
}

static int durable_open_service(ri_durable *d)
{
    ri_service_opts opts = {
        .broker = d->broker, .account = d->account, .domain = d->domain,
        .attends = d->opts.attends};
    return d->opts.service->open(&d->service, &opts);
}

#define DURABLE_ZONES "/usr/share/zoneinfo/"

/* How the engine gets at a time zone: the system's tz database. */
static int durable_zone(ri_str name, ri_buffer *file)
{
    const ri_os *os = ri_os_posix();
    char path[sizeof DURABLE_ZONES + RI_ZONE_NAME_MAX];
    bool local = ri_str_is(name, "Local");
    snprintf(path, sizeof path, "%s%.*s", DURABLE_ZONES, RI_ARG(name));
    int fd = os->open(os->arg, local ? "/etc/localtime" : path, O_RDONLY | O_CLOEXEC, 0);
    if (fd == -ENOENT && local) return RILL_OK; /* which is UTC */
    if (fd < 0) return ri_err(RILL_ENOENT, "open %s: %s", path, strerror(-fd));
    int64_t len = os->size(os->arg, fd);
    char *room = len > 0 && len <= RI_ZONE_FILE_MAX ? ri_buffer_room(file, (size_t)len) : NULL;
    ssize_t n = room ? os->pread(os->arg, fd, room, (size_t)len, 0) : -EFBIG;
    os->close(os->arg, fd);
    if (n < 0) return ri_err(RILL_EIO, "read %s: %s", path, strerror((int)-n));
    ri_buffer_added(file, (size_t)n);
    return RILL_OK;
}

static int durable_open_engine(ri_durable *d)
{
    ri_broker *b = d->broker;
    ri_js_opts opts = {
        .duplicate_window_ns = d->opts.duplicate_window_ns,
        .max_ack_pending = d->opts.max_ack_pending, .max_batch = d->opts.max_batch,
        .max_file_bytes = d->opts.max_file_bytes, .max_memory_bytes = d->opts.max_memory_bytes,
        .max_subjects = d->opts.max_subjects,
        .host = &b->host, .router = &b->router, .account = d->account,
        .limits = &d->account->streams, .file_log = d->file_log,
        .memory_log = d->memory_log, .domain = d->domain,
        .event = durable_event, .arg = d, .zone = durable_zone,
    };
    ri_broker_enter(b);
    int rc = d->opts.service ? durable_open_service(d) : RILL_OK;
    if (rc == RILL_OK) rc = ri_js_open(&d->js, &opts, ri_wall_ns(&b->host), ri_mono_ns(&b->host));
    ri_js *shown = d->opts.attends ? NULL : d->js;
    if (rc == RILL_OK && d->service) rc = d->service->ops->start(d->service, shown);
    ri_broker_leave(b);
    return rc;
}

int ri_durable_set_sync(ri_durable_opts *opts, rill_sync sync, uint32_t interval_ms)
{
    RI_ASSERT(opts);
    enum { INTERVAL_MS = 100, INTERVAL_MAX_MS = 24 * 60 * 60 * 1000 };
    static const ri_safety levels[] = {
        [RILL_SYNC_DEFAULT] = RI_SAFETY_SYNCED, [RILL_SYNC_ALWAYS] = RI_SAFETY_SYNCED,
        [RILL_SYNC_LAZY] = RI_SAFETY_WRITTEN, [RILL_SYNC_NEVER] = RI_SAFETY_WRITTEN,
        [RILL_SYNC_MEMORY] = RI_SAFETY_MEMORY,
    };
    if ((size_t)sync >= RI_LEN(levels))
        return ri_err(RILL_EINVAL, "sync is %d", (int)sync);
    if (interval_ms > INTERVAL_MAX_MS)
        return ri_err(RILL_EINVAL, "sync_interval_ms is %u; at most a day", interval_ms);
    opts->safety = levels[sync];
    opts->sync_interval_ms = 0;
    if (sync == RILL_SYNC_LAZY) opts->sync_interval_ms = interval_ms ? interval_ms : INTERVAL_MS;
    return RILL_OK;
}

static int durable_copy_text(const ri_host *host, char **to, const char *from)
{
    if (from && !(*to = ri_strdup(host, from, strlen(from)))) return RILL_ENOMEM;
    return RILL_OK;
}

int ri_durable_open_account(ri_durable **out, ri_broker *broker, ri_account *account,
                            ri_durable *house, const ri_durable_opts *opts)
{
    ri_durable *d = ri_new(&broker->host, ri_durable);
    if (!d) return RILL_ENOMEM;
    d->broker = broker;
    d->opts = *opts;
    d->house = house;
    d->driver_due_ns = INT64_MAX;
    ri_broker_enter(broker);
    d->account = ri_account_ref(account);
    ri_broker_leave(broker);
    ri_rooms_init(&d->rooms, &broker->host);
    ri_list_init(&d->room_link);
    ri_park_init(&d->park);
    ri_park_init(&d->turned);
    int rc;
    if ((rc = durable_copy_text(&broker->host, &d->dir, opts->dir)) < 0 ||
        (rc = durable_copy_text(&broker->host, &d->domain, opts->domain)) < 0 ||
        (rc = durable_open_logs(d)) < 0 || (rc = durable_open_engine(d)) < 0) {
        ri_durable_close(d);
        return rc;
    }
    *out = d;
    return RILL_OK;
}

int ri_durable_open(ri_durable **out, ri_broker *broker, const ri_durable_opts *opts)
{
    int rc = ri_durable_open_account(out, broker, &broker->router.global, NULL, opts);
    if (rc == RILL_OK && opts->service && !opts->attends) rc = ri_rooms_open(*out);
    if (rc == RILL_OK) return rc;
    ri_failure why;
    ri_failure_keep(&why, rc);
    ri_durable_close(*out);
    *out = NULL;
    return ri_failure_restore(&why);
}

static void durable_sleep(ri_durable *d)
{
    uint32_t seen = ri_park_count(&d->park);
    ri_broker_leave(d->broker);
    ri_park_wait(&d->park, seen, -1);
    ri_broker_enter(d->broker);
}

/* The last commit: what was published and not waited for shall not be lost. What was asked before
 * is done, but streams that feed each other never come to rest. */
static void durable_finish(ri_durable *d)
{
    while (d->committing) durable_sleep(d);
    if (!d->js) return;
    ri_durable_step(d);
    for (int i = 1; i < DURABLE_LAST_TURNS && durable_has_steps(d); i++) ri_durable_step(d);
    if (!d->file_log) return;
    ri_js_note_lasts(d->js, d->file_log);
    if (!durable_is_behind(d) && !d->sync_due_ns) return;
    if (durable_commit_begin(d)) durable_commit_write(d); /* it makes the first file, too */
}

static void durable_free_text(const ri_host *host, char *text)
{
    if (text) ri_free(host, text, strlen(text) + 1);
}

void ri_durable_close(ri_durable *d)
{
    if (!d) return;
    ri_broker *broker = d->broker;
    ri_broker_enter(broker);
    d->closing = true;
    ri_rooms_close(d); /* each opens the gate: nothing does behind the last commit */
    durable_finish(d);
    if (d->service) d->service->ops->close(d->service);
    ri_groups_close(d->groups);
    if (d->js) ri_js_close(d->js);
    ri_park_signal(&d->turned);
    while (d->waiting || d->copying) durable_sleep(d);
    ri_broker_leave(broker);
    if (d->file_log) ri_log_close(d->file_log);
    if (d->memory_log) ri_log_close(d->memory_log);
    ri_rooms_fini(&d->rooms);
    ri_broker_enter(broker);
    ri_account_unref(d->account);
    ri_broker_leave(broker);
    ri_park_fini(&d->park);
    ri_park_fini(&d->turned);
    ri_free(&broker->host, d->troubles, RI_DURABLE_TROUBLES * sizeof *d->troubles);
    durable_free_text(&broker->host, d->dir);
    durable_free_text(&broker->host, d->domain);
    ri_delete(&broker->host, d);
}
