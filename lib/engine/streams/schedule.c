/* SPDX-License-Identifier: Apache-2.0 */
/* Schedules: a stored message that makes others come, at a time or again and again.
 *
 *     Nats-Schedule: @at <RFC 3339> | @every <duration> | @hourly .. |
 *                    second minute hour day month weekday
 *     Nats-Schedule-Target: where to        Nats-Schedule-Source: whose last body, else its own
 *
 *     Nats-Schedule-Time-Zone: whose clocks the fields are of, else UTC
 *
 * One schedule a subject: the newer replaces the older, and whatever else is published there
 * cancels it. What it makes is stored under the
 * target with Nats-Scheduler and Nats-Schedule-Next (a time, or "purge": that was the last). */
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/number.h"
#include "base/rfc3339.h"
#include "codec/jetstream/cron.h"
#include "codec/jetstream/duration.h"
#include "codec/nats/headers.h"
#include "codec/subject/subject.h"
#include "engine/streams/js_state.h"

enum { SCHEDULE_UNITS = 20 }; /* of the turn, for one that is due, beside what it stores */

static ri_str schedule_header(ri_str headers, const char *name)
{
    ri_str value = RI_STR_NONE;
    ri_headers_find(headers, ri_str_of(name), &value);
    return value;
}

typedef struct schedule_zone { /* in js->zones; there are no more than the database has */
    ri_list link;
    ri_buffer file;
    ri_zone zone;      /* points into it */
    size_t name_len;
    char name[RI_ZONE_NAME_MAX];
} schedule_zone;

static void schedule_zone_free(ri_js *js, schedule_zone *z)
{
    ri_list_remove(&z->link);
    ri_buffer_fini(&z->file);
    ri_delete(js->host, z);
}

void ri_schedule_fini(ri_js *js)
{
    ri_list_each (link, &js->zones)
        schedule_zone_free(js, ri_container_of(link, schedule_zone, link));
}

static int schedule_zone_load(ri_js *js, ri_str name, const ri_zone **zone)
{
    if (!js->opts.zone || !ri_zone_is_name(name))
        return ri_err(RILL_ENOENT, "there is no time zone %.*s", RI_ARG(name));
    schedule_zone *z = ri_new(js->host, schedule_zone);
    if (!z) return RILL_ENOMEM;
    ri_buffer_init(&z->file, js->host);
    ri_list_push(&js->zones, &z->link);
    memcpy(z->name, name.ptr, z->name_len = name.len);
    int rc = js->opts.zone(name, &z->file);
    ri_str file = ri_buffer_str(&z->file);
    if (z->file.failed) rc = RILL_ENOMEM;
    if (rc == RILL_OK && file.len) rc = ri_zone_read(file, &z->zone);
    *zone = &z->zone;
    if (rc < 0) schedule_zone_free(js, z);
    return rc;
}

static int schedule_zone_of(ri_js *js, ri_str name, const ri_zone **zone)
{
    static const ri_zone utc;
    *zone = &utc;
    if (name.len == 0 || ri_str_is(name, "UTC")) return RILL_OK;
    ri_list_each (link, &js->zones) {
        const schedule_zone *z = ri_container_of(link, schedule_zone, link);
        *zone = &z->zone;
        if (ri_str_eq(name, (ri_str){z->name, z->name_len})) return RILL_OK;
    }
    return schedule_zone_load(js, name, zone);
}

typedef struct schedule_plan {
    ri_str pattern;
    const ri_zone *zone;
} schedule_plan;

static int schedule_plan_of(ri_js *js, ri_str headers, ri_str pattern, schedule_plan *plan)
{
    plan->pattern = pattern;
    ri_str zone = schedule_header(headers, "Nats-Schedule-Time-Zone");
    return schedule_zone_of(js, zone, &plan->zone);
}

/* When it is due after `after_ns`; INT64_MAX: never again. False: no such pattern. */
static bool schedule_next(const schedule_plan *plan, int64_t made_ns, int64_t after_ns,
                          int64_t *next_ns)
{
    ri_str pattern = plan->pattern;
    int64_t ns;
    if (ri_str_starts(pattern, RI_STR("@at "))) {
        if (!ri_rfc3339_read(ri_str_from(pattern, 4), &ns)) return false;
        *next_ns = ns > after_ns || after_ns <= made_ns ? ns : INT64_MAX;
        return true;
    }
    if (ri_str_starts(pattern, RI_STR("@every "))) {
        if (!ri_duration_read(ri_str_from(pattern, 7), &ns) || ns < RI_SEC) return false;
        if (after_ns < made_ns) { /* the clock was set back since: the same turns, before it */
            int64_t before = (ri_ns_sub(made_ns, after_ns) - 1) / ns;
            *next_ns = ri_ns_sub(made_ns, ri_ns_mul(ns, before));
            return true;
        }
        int64_t turns = ri_ns_sub(after_ns, made_ns) / ns;
        *next_ns = ri_ns_add(made_ns, ri_ns_mul(ns, turns + 1));
        return true;
    }
    ri_cron cron;
    if (!ri_cron_read(pattern, &cron)) return false;
    *next_ns = ri_cron_next_in(&cron, plan->zone, after_ns);
    return true;
}

static bool schedule_covered(const ri_stream *stream, ri_str subject)
{
    for (uint32_t i = 0; i < stream->conf.subjects.len; i++)
        if (ri_subject_match(stream->conf.subjects.items[i], subject)) return true;
    return false;
}

static int schedule_bad(ri_js_error *e, int err_code)
{
    return ri_jserror_set(e, err_code, NULL);
}

/* Where it goes, and where it takes its body from. */
static int schedule_check_ways(const ri_ingest *in, ri_js_error *e)
{
    ri_str target = schedule_header(in->headers, "Nats-Schedule-Target");
    ri_str source = schedule_header(in->headers, "Nats-Schedule-Source");
    if (!ri_subject_is_literal(target) || ri_str_eq(target, in->subject) ||
        !schedule_covered(in->stream, target))
        return schedule_bad(e, RI_JS_MESSAGE_SCHEDULES_TARGET_INVALID);
    if (source.len && (!ri_subject_is_literal(source) || ri_str_eq(source, in->subject) ||
                       ri_str_eq(source, target) || !schedule_covered(in->stream, source)))
        return schedule_bad(e, RI_JS_MESSAGE_SCHEDULES_SOURCE_INVALID);
    return RILL_OK;
}

static int schedule_check_ttl(const ri_ingest *in, ri_js_error *e)
{
    ri_str ttl = schedule_header(in->headers, "Nats-Schedule-TTL");
    if (!ttl.len) return RILL_OK;
    ri_asked of;
    char block[128];
    int len = snprintf(block, sizeof block, RI_HEADERS_FIRST "\r\nNats-TTL: %.*s\r\n\r\n",
                       (int)RI_MIN(ttl.len, 64), ttl.ptr);
    ri_ingest_read((ri_str){block, (size_t)len}, &of);
    if (of.bad_ttl) return schedule_bad(e, RI_JS_MESSAGE_SCHEDULES_TTL_INVALID);
    if (!in->stream->conf.allow_msg_ttl) return schedule_bad(e, RI_JS_MESSAGE_TTL_DISABLED);
    return RILL_OK;
}

static int schedule_check_plan(const ri_ingest *in, ri_js_error *e)
{
    const ri_asked *asked = &in->asked;
    ri_str zone = schedule_header(in->headers, "Nats-Schedule-Time-Zone");
    bool cron = !ri_str_starts(asked->schedule, RI_STR("@at ")) &&
                !ri_str_starts(asked->schedule, RI_STR("@every "));
    if (zone.len && !cron)
        return schedule_bad(e, RI_JS_MESSAGE_SCHEDULES_PATTERN_INVALID);
    schedule_plan plan;
    int rc = schedule_plan_of(in->stream->js, in->headers, asked->schedule, &plan);
    if (rc == RILL_ENOMEM) return ri_jserror_no_memory(e);
    if (rc < 0) return schedule_bad(e, RI_JS_MESSAGE_SCHEDULES_TIME_ZONE_INVALID);
    int64_t next_ns;
    if (!schedule_next(&plan, in->time_ns, in->time_ns, &next_ns) ||
        (cron && next_ns == INT64_MAX)) /* the 30th of February */
        return schedule_bad(e, RI_JS_MESSAGE_SCHEDULES_PATTERN_INVALID);
    return RILL_OK;
}

static int schedule_check_own(const ri_ingest *in, ri_js_error *e)
{
    int rc;
    if (!in->asked.has_schedule) return RILL_OK;
    if (!in->stream->conf.allow_msg_schedules)
        return schedule_bad(e, RI_JS_MESSAGE_SCHEDULES_DISABLED);
    if ((rc = schedule_check_plan(in, e)) < 0) return rc;
    if ((rc = schedule_check_ttl(in, e)) < 0) return rc;
    if ((rc = schedule_check_ways(in, e)) < 0) return rc;
    ri_str rollup = schedule_header(in->headers, "Nats-Schedule-Rollup");
    if ((rollup.len && !ri_str_is(rollup, "sub")) ||
        (in->asked.rollup.len && !ri_str_is(in->asked.rollup, "sub")))
        return schedule_bad(e, RI_JS_MESSAGE_SCHEDULES_ROLLUP_INVALID);
    return RILL_OK;
}

/* A client may name a schedule only to end it, and only what is one, or what is not there. */
static int schedule_check_end(const ri_ingest *in, ri_js_error *e)
{
    ri_str named = in->asked.scheduler;
    ri_record record;
    ri_subject_info info;
    if (in->asked.schedule_next.len == 0 && named.len == 0) return RILL_OK;
    if (!ri_str_is(in->asked.schedule_next, "purge") || !ri_subject_is_literal(named) ||
        ri_str_eq(named, in->subject))
        return schedule_bad(e, RI_JS_MESSAGE_SCHEDULES_SCHEDULER_INVALID);
    if (!in->stream->conf.allow_msg_schedules)
        return schedule_bad(e, RI_JS_MESSAGE_SCHEDULES_DISABLED);
    if (ri_track_subject(in->stream->track, named, &info) >= 0 &&
        ri_cursor_get(&in->stream->open_cursor, info.last_seq, &record) >= 0 &&
        !(record.flags & RI_RECORD_SCHEDULE))
        return schedule_bad(e, RI_JS_MESSAGE_SCHEDULES_SCHEDULER_INVALID);
    return RILL_OK;
}

int ri_schedule_check(ri_ingest *in, ri_js_error *e)
{
    int rc = schedule_check_own(in, e);
    return rc < 0 || in->internal ? rc : schedule_check_end(in, e);
}

/* A client's message that names a schedule and says purge: the schedule ends. */
void ri_schedule_stored(ri_ingest *in)
{
    ri_subject_info info;
    if (in->internal || !ri_str_is(in->asked.schedule_next, "purge")) return;
    while (ri_track_subject(in->stream->track, in->asked.scheduler, &info) >= 0)
        if (ri_retention_remove(in->stream, info.first_seq, false) < 0) break;
}

int ri_schedule_put(ri_stream *stream, ri_str headers, uint64_t seq, int64_t time_ns)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_asked asked;
    schedule_plan plan;
    int64_t next_ns;
    ri_ingest_read(headers, &asked);
    int rc = schedule_plan_of(stream->js, headers, asked.schedule, &plan);
    if (rc < 0) return rc == RILL_ENOMEM ? rc : RILL_OK;
    if (!schedule_next(&plan, time_ns, stream->js->wall_ns, &next_ns))
        return RILL_OK;
    /* One that was due while the broker was down is due now. */
    if (next_ns == INT64_MAX) schedule_next(&plan, time_ns, time_ns, &next_ns);
    rc = ri_agenda_put(&stream->schedules, next_ns, seq);
    if (rc >= 0) ri_js_arm(stream, ri_js_mono_of(stream->js, next_ns));
    return rc;
}

void ri_schedule_again(ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_js_agenda old = stream->schedules;
    ri_record record;
    stream->schedules = (ri_js_agenda){.host = old.host};
    for (size_t i = 0; i < old.len; i++) {
        const ri_js_expiry *item = &old.items[i];
        int rc = ri_cursor_get(&stream->open_cursor, item->seq, &record);
        if (rc == RILL_ENOENT) continue;
        if (rc >= 0) rc = ri_schedule_put(stream, record.headers, item->seq, record.time_ns);
        if (rc < 0) ri_agenda_put(&stream->schedules, item->due_ns, item->seq);
    }
    ri_agenda_fini(&old);
}

/* ---- What comes of it ---- */

/* As the clocks of the zone show it. */
static void schedule_put_time(const ri_zone *zone, int64_t ns, ri_buffer *out)
{
    char time[RI_RFC3339_MAX];
    int64_t until_s;
    int32_t offset_s = ri_zone_at(zone, ns / RI_SEC, &until_s);
    int minutes = (offset_s < 0 ? -offset_s : offset_s) / 60;
    size_t len = ri_rfc3339_write(time, ri_ns_of_s(ns / RI_SEC + offset_s));
    ri_buffer_put(out, time, minutes ? len - 1 : len); /* with Z, or without */
    if (minutes)
        ri_buffer_printf(out, "%c%02d:%02d", offset_s < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

/* `headers` are those of the schedule, or of its source; what the schedule asks for is in
 * `asked`. */
static void schedule_headers(ri_str headers, ri_str asked, ri_str scheduler, const ri_zone *zone,
                             int64_t next_ns, ri_buffer *out)
{
    static const char *const dropped[] = {"Nats-Schedule", "Nats-Expected-", "Nats-Msg-Id",
                                          "Nats-TTL", "Nats-Rollup"};
    ri_str rest = headers, ttl = schedule_header(asked, "Nats-Schedule-TTL");
    ri_str rollup = schedule_header(asked, "Nats-Schedule-Rollup");
    rill_header header;
    ri_buffer_reset(out);
    ri_buffer_puts(out, RI_HEADERS_FIRST "\r\n");
    while (ri_headers_next(&rest, &header)) {
        bool drop = false;
        for (size_t i = 0; i < RI_LEN(dropped); i++)
            drop = drop || ri_str_starts(header.name, ri_str_of(dropped[i]));
        if (!drop)
            ri_buffer_printf(out, "%.*s: %.*s\r\n", RI_ARG(header.name), RI_ARG(header.value));
    }
    ri_buffer_printf(out, "Nats-Scheduler: %.*s\r\nNats-Schedule-Next: ", RI_ARG(scheduler));
    if (next_ns == INT64_MAX)
        ri_buffer_puts(out, "purge");
    else
        schedule_put_time(zone, next_ns, out);
    ri_buffer_puts(out, "\r\n");
    if (ttl.len) ri_buffer_printf(out, "Nats-TTL: %.*s\r\n", RI_ARG(ttl));
    if (rollup.len) ri_buffer_printf(out, "Nats-Rollup: %.*s\r\n", RI_ARG(rollup));
    ri_buffer_puts(out, "\r\n");
}

/* Store what the schedule `record` makes. */
static void schedule_fire(ri_stream *stream, const ri_record *record, const ri_zone *zone,
                          int64_t next_ns)
{
    ri_js *js = stream->js;
    ri_buffer_reset(&js->record); /* another is read, and one is appended */
    ri_buffer_put_str(&js->record, record->headers);
    ri_buffer_put_str(&js->record, record->subject);
    ri_buffer_put_str(&js->record, record->data);
    if (js->record.failed) return;
    ri_str whole = ri_buffer_str(&js->record), asked = {whole.ptr, record->headers.len};
    ri_str scheduler = {whole.ptr + asked.len, record->subject.len};
    ri_str target = schedule_header(asked, "Nats-Schedule-Target");
    ri_str source = schedule_header(asked, "Nats-Schedule-Source");
    ri_record from = {.headers = asked, .data = ri_str_from(whole, asked.len + scheduler.len)};
    ri_record other;
    if (source.len && ri_stream_get_last(stream, source, &other) >= 0) from = other;
    schedule_headers(from.headers, asked, scheduler, zone, next_ns, &js->headers);
    ri_buffer_reset(&js->scratch);
    ri_buffer_put_str(&js->scratch, target);
    ri_buffer_put_str(&js->scratch, from.data);
    if (js->scratch.failed || js->headers.failed) return;
    ri_str kept = ri_buffer_str(&js->scratch);
    ri_ingest in = {.stream = stream, .subject = {kept.ptr, target.len}, .internal = true,
                    .headers = ri_buffer_str(&js->headers),
                    .data = ri_str_from(kept, target.len), .time_ns = js->wall_ns};
    ri_ingest_read(in.headers, &in.asked);
    ri_js_error e;
    if (ri_retention_admit(&in, &e) >= 0) ri_ingest_append(&in, &e);
}

void ri_schedule_due(ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_js *js = stream->js;
    ri_js_expiry due;
    ri_record record;
    ri_asked asked;
    schedule_plan plan;
    bool left = true;
    for (; left && ri_agenda_due(&stream->schedules, js->wall_ns, &due);
         left = ri_budget_spend(&js->router->budget, SCHEDULE_UNITS)) {
        if (!ri_retention_get_due(stream, &stream->schedules, &due, &record)) continue;
        ri_subject_info info;
        if (ri_track_subject(stream->track, record.subject, &info) >= 0 && info.last_seq != due.seq)
            continue; /* cancelled */
        int64_t made_ns = record.time_ns, next_ns = INT64_MAX;
        ri_ingest_read(record.headers, &asked);
        int rc = schedule_plan_of(js, record.headers, asked.schedule, &plan);
        RI_ASSERT(rc == RILL_OK); /* its zone was loaded when it was put here */
        if (!ri_str_starts(asked.schedule, RI_STR("@at ")))
            schedule_next(&plan, made_ns, js->wall_ns, &next_ns);
        schedule_fire(stream, &record, plan.zone, next_ns);
        if (next_ns == INT64_MAX)
            ri_retention_remove(stream, due.seq, false);
        else
            ri_agenda_put(&stream->schedules, RI_MAX(next_ns, ri_ns_add(js->wall_ns, 1)), due.seq);
    }
}

int64_t ri_schedule_next_ns(const ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    return stream->schedules.len ? stream->schedules.items[0].due_ns : INT64_MAX;
}
