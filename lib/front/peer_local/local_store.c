/* SPDX-License-Identifier: Apache-2.0 */
/* Care of a store from a program: what takes long is done in slices, or outside the gate, so that
 * the broker goes on; whoever asked gets reports outside the gate. */
#include <stdio.h>

#include "base/assert.h"
#include "base/array.h"
#include "base/error.h"
#include "front/peer_local/local.h"

enum { STORE_STREAM_MAX = 256 };

typedef struct store_found { /* a damage, kept until the gate is left */
    ri_damage damage;
    char sentence[RI_ERROR_TEXT_MAX], file[RI_ERROR_TEXT_MAX], stream[STORE_STREAM_MAX];
} store_found;

typedef struct store_care {
    const ri_host *host;
    ri_js *js;           /* NULL: nobody knows what the tracks are called */
    rill_care_fn fn;     /* may be NULL */
    void *arg;
    store_found *found;   /* in this slice */
    uint32_t nfound, cap_found;
    bool lost;           /* there was no memory to keep one */
    bool given_up;       /* fn has said so */
    rill_care care;      /* so far */
} store_care;

static void store_report(store_care *c, const rill_damage *damage)
{
    rill_care found = c->care;
    found.damage = damage;
    if (c->fn && !c->given_up) c->given_up = c->fn(&found, c->arg) != 0;
}

static void store_report_damage(store_care *c, const ri_damage *damage, const char *stream)
{
    if (stream && !*stream) stream = NULL;
    rill_damage found = {.sentence = damage->sentence, .file = damage->file, .stream = stream,
                         .position = damage->position, .first_seq = damage->first_seq,
                         .last_seq = damage->last_seq};
    c->care.damages++;
    store_report(c, &found);
}

/* ---- Checking ---- */

/* Inside the gate, where nobody is called back. */
static void store_keep(void *arg, const ri_damage *damage)
{
    store_care *c = arg;
    if (ri_array_reserve(c->host, &c->found, &c->cap_found, (size_t)c->nfound + 1,
                         sizeof *c->found) < 0) {
        c->lost = true;
        return;
    }
    store_found *found = &c->found[c->nfound++];
    found->damage = *damage;
    ri_durable_word_damage(c->js, damage, found->sentence, sizeof found->sentence);
    snprintf(found->file, sizeof found->file, "%s", damage->file ? damage->file : "");
    ri_stream *stream = ri_js_stream_on(c->js, damage->track);
    ri_str name = stream ? ri_stream_conf_of(stream)->name : RI_STR_NONE;
    snprintf(found->stream, sizeof found->stream, "%.*s", RI_ARG(name));
}

static void store_report_found(store_care *c)
{
    for (uint32_t i = 0; i < c->nfound; i++) {
        store_found *found = &c->found[i];
        found->damage.sentence = found->sentence;
        found->damage.file = found->file[0] ? found->file : NULL;
        store_report_damage(c, &found->damage, found->stream);
    }
    c->nfound = 0;
}

/* One slice; 1 if there is more. */
static int store_slice(store_care *c, rill_bus *bus, ri_scrub *scrub)
{
    ri_durable *durable;
    int rc = ri_local_durable_enter(bus, &durable);
    if (rc < 0) return rc;
    c->js = ri_durable_js(durable);
    rc = ri_durable_has_disk(durable) ? ri_durable_check(durable, scrub)
                                      : ri_err(RILL_ENOTSUP, "there is no store on disk to check");
    ri_broker_leave(bus->broker);
    if (rc >= 0 && c->lost) rc = RILL_ENOMEM;
    return rc;
}

int ri_local_store_check(rill_bus *bus, rill_care_fn fn, void *arg)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    store_care c = {.host = &bus->host, .fn = fn, .arg = arg, .care.size = sizeof c.care};
    ri_scrub scrub = {.damage = store_keep, .arg = &c};
    int rc = ri_local_guard_store(bus);
    if (rc < 0) return rc;
    do {
        rc = store_slice(&c, bus, &scrub);
        c.care.done_bytes = scrub.done_bytes;
        c.care.total_bytes = scrub.total_bytes;
        store_report_found(&c);
        if (rc >= 0) store_report(&c, NULL);
    } while (rc > 0 && !c.given_up);
    ri_free(&bus->host, c.found, c.cap_found * sizeof *c.found);
    return rc < 0 ? rc : (int)RI_MIN(c.care.damages, (uint64_t)INT32_MAX);
}

/* ---- Copying ---- */

int ri_local_store_snapshot(rill_bus *bus, const char *dir)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_durable *durable;
    int rc = ri_local_guard_store(bus);
    if (rc == RILL_OK) rc = ri_local_durable_enter(bus, &durable);
    if (rc < 0) return rc;
    rc = ri_durable_snapshot(durable, dir);
    ri_broker_leave(bus->broker);
    return rc;
}

static void store_lost(void *arg, const ri_damage *damage)
{
    static const char of_stream[] = "stream ";
    char sentence[RI_ERROR_TEXT_MAX], name[RI_ERROR_TEXT_MAX] = "";
    ri_damage found = *damage;
    bool known = damage->log && damage->track &&
                 ri_js_name_track(damage->log, damage->track, name, sizeof name);
    bool stream = known && strncmp(name, of_stream, sizeof of_stream - 1) == 0;
    ri_durable_word_damage(NULL, damage, sentence, sizeof sentence);
    found.sentence = sentence;
    store_report_damage(arg, &found, stream ? name + sizeof of_stream - 1 : NULL);
}

static int store_progress(void *arg, uint64_t done, uint64_t total)
{
    store_care *c = arg;
    c->care.done_bytes = done;
    c->care.total_bytes = total;
    store_report(c, NULL);
    return c->given_up;
}

int ri_local_store_salvage(const char *from, const char *to, const ri_host *host, rill_care_fn fn,
                          void *arg)
{
    store_care c = {.host = host, .fn = fn, .arg = arg, .care.size = sizeof c.care};
    ri_log_opts opts = {.host = host, .os = ri_os_posix(), .dir = from, .damage = store_lost,
                        .progress = store_progress, .arg = &c};
    uint64_t records;
    int rc = ri_log_salvage(&opts, to, &records);
    return rc < 0 ? rc : (int)RI_MIN(c.care.damages, (uint64_t)INT32_MAX);
}
