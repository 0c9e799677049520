/* SPDX-License-Identifier: Apache-2.0 */
/* What was found damaged. Each damage is reported once, and known from then on, so that a check
 * reports what opening has reported. While a log is opened they are kept: reading may have to begin
 * anew, and what they belong to has no name before all is read. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "store/log/log_private.h"

static void damage_put_path(const ri_log *log, uint32_t slot, char *out, size_t cap)
{
    out[0] = 0;
    if (slot != RI_LOG_NO_SLOT)
        snprintf(out, cap, "%s/%08x.seg", log->dir ? log->dir : "memory", slot);
}

static void damage_report(ri_log *log, const log_known *known)
{
    char path[RI_ERROR_TEXT_MAX];
    damage_put_path(log, known->slot, path, sizeof path);
    ri_damage damage = known->damage;
    damage.file = path[0] ? path : NULL;
    damage.log = log->opening ? NULL : log;
    if (log->opts.damage) log->opts.damage(log->opts.arg, &damage);
    else ri_host_log(&log->host, RILL_ERROR, "%s", damage.sentence);
}

/* Whoever gets a report may read the log, and so meet more. */
static void damage_report_new(ri_log *log)
{
    RI_ASSERT(log->nreported <= log->nknown);
    if (log->reporting) return;
    log->reporting = true;
    while (log->nreported < log->nknown) damage_report(log, &log->known[log->nreported++]);
    log->reporting = false;
}

static bool damage_is_same(const log_known *a, const log_known *b)
{
    return a->slot == b->slot && a->damage.position == b->damage.position &&
           a->damage.track == b->damage.track && a->damage.first_seq == b->damage.first_seq &&
           (a->slot != RI_LOG_NO_SLOT || strcmp(a->damage.sentence, b->damage.sentence) == 0);
}

static void damage_drop(ri_log *log, log_known *known)
{
    RI_ASSERT(known->slot == RI_LOG_NO_SLOT || log->nknown > 0);
    ri_free(&log->host, known->text, known->text ? strlen(known->text) + 1 : 0);
    *known = (log_known){0};
}

static bool damage_add(ri_log *log, log_known *known)
{
    RI_ASSERT(log->nknown <= log->cap_known);
    for (uint32_t i = 0; i < log->nknown; i++)
        if (damage_is_same(&log->known[i], known)) return false;
    log->stats.damages++;
    bool keep = log->nknown < RI_LOG_KNOWN_MAX &&
                ri_array_reserve(&log->host, &log->known, &log->cap_known, log->nknown + 1,
                                 sizeof *log->known) == 0;
    const char *text = known->damage.sentence;
    if (keep && (known->text = ri_strdup(&log->host, text, strlen(text))) != NULL) {
        known->damage.sentence = known->text;
        log->known[log->nknown++] = *known;
        if (!log->opening) damage_report_new(log);
    } else if (!log->reporting) {
        damage_report(log, known); /* not kept: it would be lost */
    }
    return true;
}

bool ri_log_damage_at(ri_log *log, const log_segment *s, const ri_damage *at, const char *fmt, ...)
{
    RI_ASSERT(ri_log_is_sound(log));
    char sentence[RI_ERROR_TEXT_MAX];
    damage_put_path(log, s ? s->slot : RI_LOG_NO_SLOT, sentence, sizeof sentence - 2);
    size_t used = strlen(sentence);
    if (used) used += (size_t)snprintf(sentence + used, sizeof sentence - used, ": ");
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(sentence + used, sizeof sentence - used, fmt, ap);
    va_end(ap);
    log_known known = {.damage = *at, .slot = s ? s->slot : RI_LOG_NO_SLOT};
    known.damage.sentence = sentence;
    return damage_add(log, &known);
}

/* A record that is purged is not lost. */
static bool damage_is_over(const ri_log *log, const log_known *known)
{
    const ri_damage *d = &known->damage;
    if (!d->record) return false;
    ri_track *track = ri_map_get(&((ri_log *)log)->tracks_by_id, ri_hash_u64(d->track), &d->track);
    return d->track && (!track || d->last_seq < track->floor);
}

uint32_t ri_log_each_damage(ri_log *log, uint32_t from, ri_damage_fn fn, void *arg)
{
    RI_ASSERT(ri_log_is_sound(log));
    char path[RI_ERROR_TEXT_MAX];
    for (uint32_t i = from; i < log->nknown; i++) {
        if (damage_is_over(log, &log->known[i])) continue;
        ri_damage damage = log->known[i].damage;
        damage.log = log;
        damage_put_path(log, log->known[i].slot, path, sizeof path);
        damage.file = path[0] ? path : NULL;
        fn(arg, &damage);
    }
    return log->nknown;
}

bool ri_damage_covers(const ri_log *log, const log_segment *s, uint32_t from)
{
    RI_ASSERT(ri_log_is_sound(log));
    for (uint32_t i = 0; i < log->nknown; i++) {
        const ri_damage *d = &log->known[i].damage;
        bool within = d->position <= from && from < d->end && !d->record;
        if (log->known[i].slot == s->slot && (within || d->position == from)) return true;
    }
    return false;
}

bool ri_damage_in(const ri_log *log, const log_segment *s)
{
    RI_ASSERT(ri_log_is_sound(log));
    RI_ASSERT(log->nknown <= log->cap_known);
    for (uint32_t i = 0; i < log->nknown; i++)
        if (log->known[i].slot == s->slot) return true;
    return false;
}

bool ri_track_lost(const ri_track *track, uint64_t seq)
{
    RI_ASSERT(ri_log_track_is_sound(track));
    const ri_log *log = track->log;
    if (seq < track->floor) return false;
    for (uint32_t i = 0; i < log->nknown; i++) {
        const ri_damage *d = &log->known[i].damage;
        if (d->track == track->id && d->first_seq && seq >= d->first_seq && seq <= d->last_seq)
            return true;
    }
    return false;
}

void ri_damage_opened(ri_log *log, int rc)
{
    uint32_t kept = 0;
    log->opening = rc < 0;
    for (uint32_t i = 0; i < log->nknown; i++) {
        bool over = rc == 0 && damage_is_over(log, &log->known[i]); /* purged further on */
        if (over) damage_drop(log, &log->known[i]);
        else log->known[kept++] = log->known[i];
    }
    log->stats.damages -= log->nknown - kept;
    log->nknown = kept;
    damage_report_new(log);
}

void ri_damage_forget(ri_log *log, uint32_t slot)
{
    RI_ASSERT(ri_log_is_sound(log));
    uint32_t kept = 0;
    for (uint32_t i = 0; i < log->nknown; i++) {
        if (log->known[i].slot == slot) damage_drop(log, &log->known[i]);
        else log->known[kept++] = log->known[i];
    }
    log->nknown = log->nreported = kept;
}

void ri_damage_free(ri_log *log)
{
    for (uint32_t i = 0; i < log->nknown; i++) damage_drop(log, &log->known[i]);
    ri_free(&log->host, log->known, log->cap_known * sizeof *log->known);
}
