/* SPDX-License-Identifier: Apache-2.0 */
/* Care of stores on disk: backup, restore, salvage and scrub. What is made is made as DIR.part and
 * renamed when it is whole, so that under its own name it is complete or absent. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "archive.h"
#include "bar.h"
#include "run.h"
#include "stream.h"
#include "tool.h"
#include "tree.h"

static bool care_part(tool *t, const char *dir, char part[PATH_MAX])
{
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/') len--;
    if (len + sizeof ".part" > PATH_MAX) {
        tool_error(t, TOOL_USAGE, "%s: the path is too long", dir);
        return false;
    }
    snprintf(part, PATH_MAX, "%.*s.part", (int)len, dir);
    return true;
}

/* ---- backup ---- */

typedef struct care_backup {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool over;
    int err;
    char detail[1024];
} care_backup;

static void care_backup_done(const rill_item *item, void *arg)
{
    care_backup *backup = arg;
    pthread_mutex_lock(&backup->lock);
    backup->over = true;
    backup->err = item->err;
    snprintf(backup->detail, sizeof backup->detail, "%s", item->detail ? item->detail : "");
    pthread_cond_signal(&backup->ended);
    pthread_mutex_unlock(&backup->lock);
}

/* Until it has ended: how much is there is seen from beside. */
static void care_backup_wait(tool *t, care_backup *backup, bar *b, const char *part)
{
    bool cancelled = false;
    pthread_mutex_lock(&backup->lock);
    while (!backup->over) {
        struct timespec end;
        clock_gettime(CLOCK_REALTIME, &end);
        end.tv_nsec += TOOL_SLICE_MS * 1000000L;
        if (end.tv_nsec >= 1000000000) end.tv_sec++, end.tv_nsec -= 1000000000;
        pthread_cond_timedwait(&backup->ended, &backup->lock, &end);
        if (backup->over) break;
        pthread_mutex_unlock(&backup->lock);
        bar_move(b, tree_bytes(part));
        if (stop_asked() && !cancelled) {
            rill_cancel(t->bus, backup);
            cancelled = true;
        }
        pthread_mutex_lock(&backup->lock);
    }
    pthread_mutex_unlock(&backup->lock);
}

static int care_made(tool *t, const char *did, const char *dir, uint64_t bytes)
{
    text size = {0}, shown = {0};
    out_begin(&t->out, OUT_LINE);
    out_row(&t->out);
    out_text(&t->out, "directory", dir);
    out_size(&t->out, "bytes", bytes);
    out_row_end(&t->out);
    text_add_size(&size, bytes);
    text_add_shown(&shown, dir, strlen(dir), false);
    out_say(&t->out, "%s %s, %s", did, shown.ptr, size.ptr);
    text_free(&size);
    text_free(&shown);
    return TOOL_OK;
}

int run_backup(tool *t)
{
    static care_backup backup = {.lock = PTHREAD_MUTEX_INITIALIZER,
                                 .ended = PTHREAD_COND_INITIALIZER};
    const char *dir = tool_word(t, 0);
    char part[PATH_MAX];
    rill_stats stats = {.size = sizeof stats};
    bar b;
    if (!care_part(t, dir, part)) return TOOL_USAGE;
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    if (link_is_server(t)) return archive_backup(t, dir);
    if (tool_has(t, OPT_STREAM))
        return tool_error(t, TOOL_USAGE, "--stream is for a server; of a store all is copied");
    rill_bus_stats(t->bus, &stats);
    stop_loop(true);
    bar_begin(&b, t, "backup", stats.store_file_bytes);
    int err = rill_start(t->bus, RILL_OPTS(rill_call, .verb = RILL_DO_STORE_SNAPSHOT, .name = dir,
                                           .timeout_ms = -1), care_backup_done, &backup);
    if (err < 0) return tool_failed(t, err, dir);
    care_backup_wait(t, &backup, &b, part);
    bar_end(&b, backup.err >= 0);
    if (backup.err == RILL_ECANCELED) return TOOL_INTERRUPTED;
    if (backup.err == RILL_ENOTSUP)
        return tool_error(t, TOOL_USAGE, "a store on disk (--url file:DIR) or streams of a NATS "
                          "server can be backed up, and %s is neither", t->url);
    if (backup.err < 0)
        return tool_error(t, tool_code(backup.err), "%s: %s", dir, backup.detail);
    return care_made(t, "backed up to", dir, tree_bytes(dir));
}

/* ---- Damages ---- */

typedef struct care_run {
    tool *t;
    bar bar;
} care_run;

static void care_damage(tool *t, const rill_damage *damage)
{
    out *o = &t->out;
    text shown = {0};
    out_begin(o, OUT_LINE);
    out_row(o);
    if (o->json) {
        out_text(o, "damage", damage->sentence);
        if (damage->file) out_text(o, "file", damage->file);
        out_count(o, "position", damage->position);
        if (damage->stream) out_text(o, "stream", damage->stream);
        if (damage->first_seq) out_count(o, "first_seq", damage->first_seq);
        if (damage->last_seq) out_count(o, "last_seq", damage->last_seq);
    }
    out_row_end(o);
    text_add_shown(&shown, damage->sentence, strlen(damage->sentence), false);
    out_say(o, "%s%s%s", out_on(o->colour, OUT_RED), shown.ptr, out_off(o->colour));
    text_free(&shown);
}

static int care_step(const rill_care *care, void *arg)
{
    care_run *run = arg;
    if (care->damage) {
        bar_break(&run->bar);
        care_damage(run->t, care->damage);
    } else {
        run->bar.total = care->total_bytes;
        bar_move(&run->bar, care->done_bytes);
    }
    return stop_asked();
}

static int care_count(tool *t, const char *dir, int damages)
{
    out_begin(&t->out, OUT_LINE);
    out_row(&t->out);
    out_text(&t->out, "store", dir);
    out_count(&t->out, "damages", (uint64_t)damages);
    out_row_end(&t->out);
    out_say(&t->out, "%d damage%s", damages, damages == 1 ? "" : "s");
    return damages > 0 ? TOOL_DAMAGED : TOOL_OK;
}

int run_scrub(tool *t)
{
    const char *dir = tool_word(t, 0);
    care_run run = {.t = t};
    int code = dir ? TOOL_OK : link_open(t);
    if (code != TOOL_OK) return code;
    stop_loop(true);
    bar_begin(&run.bar, t, "reading", 0);
    int damages = dir ? rill_store_salvage(dir, NULL, NULL, care_step, &run) :
                        rill_store_check(t->bus, care_step, &run);
    bar_end(&run.bar, damages >= 0);
    if (stop_asked()) return TOOL_INTERRUPTED;
    if (damages < 0) return tool_failed(t, damages, dir ? dir : t->url);
    return care_count(t, dir ? dir : t->url, damages);
}

/* ---- Copies ---- */

/* A checked copy of the store `from`, whole under its name or absent. `strictly`: one that has
 * damages is not made. */
static int care_copy(tool *t, const char *from, const char *to, bool strictly, int *damages)
{
    char part[PATH_MAX];
    care_run run = {.t = t};
    if (!care_part(t, to, part)) return TOOL_USAGE;
    if (!tree_is_free(to) || !tree_is_free(part))
        return tool_error(t, TOOL_CONFLICT, "%s: something is there, or in %s", to, part);
    if (mkdir(part, 0700) < 0 && errno != EEXIST)
        return tool_error(t, TOOL_FAILED, "%s: %s", part, strerror(errno));
    stop_loop(true);
    bar_begin(&run.bar, t, "copying", 0);
    *damages = rill_store_salvage(from, part, NULL, care_step, &run);
    bar_end(&run.bar, *damages >= 0);
    int code = stop_asked() ? TOOL_INTERRUPTED :
               *damages < 0 ? tool_failed(t, *damages, from) : TOOL_OK;
    if (code == TOOL_OK && strictly && *damages > 0)
        code = tool_error(t, TOOL_DAMAGED, "%s is damaged, and nothing was restored; 'rill "
                          "salvage' saves what is whole", from);
    if (code == TOOL_OK && !tree_rename(part, to))
        code = tool_error(t, TOOL_FAILED, "%s: %s", to, strerror(errno));
    if (code != TOOL_OK) tree_remove(part);
    return code;
}

int run_salvage(tool *t)
{
    int damages = 0;
    int code = care_copy(t, tool_word(t, 0), tool_word(t, 1), false, &damages);
    return code == TOOL_OK ? care_count(t, tool_word(t, 1), damages) : code;
}

int run_restore(tool *t)
{
    const char *from = tool_word(t, 0), *to = tool_word(t, 1);
    int damages = 0;
    int code = to ? care_copy(t, from, to, true, &damages) : link_open(t);
    if (!to && code == TOOL_OK)
        return link_is_server(t) ? archive_restore(t, from) :
               tool_error(t, TOOL_USAGE, "where to? Of a store, name the directory of the new one");
    return code == TOOL_OK ? care_made(t, "restored to", to, tree_bytes(to)) : code;
}
