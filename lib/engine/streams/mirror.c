/* SPDX-License-Identifier: Apache-2.0 */
/* Mirrors and sources within one broker: a stream that copies what others have committed.
 *
 *     origin stream --committed--> followers are busy --step--> as many records as the turn's
 *                                                               budget allows, origin by origin
 *
 *     mirror   the same sequence numbers and times; gaps stay gaps; goes on behind its last one
 *     source   new numbers; Nats-Stream-Source: <stream> <seq> <filter> <dest> <subject> <identity>
 *              says where each came from; its place says where to go on (place.c)
 *
 * A stream with sources that has no place at all was restored from an archive without them: its
 * messages are looked through once, from the last one back, for what their headers say.
 *
 * What an origin has lost to damage cannot be copied: when its numbers are passed, RI_JS_UNREADABLE
 * says which.
 *
 * An origin that is not there (yet, or in another domain) is waited for. What is taken from a work
 * queue is gone there, in the same commit; a stream kept for interest keeps what its followers
 * have not copied yet. */
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/number.h"
#include "codec/nats/headers.h"
#include "codec/subject/subject.h"
#include "engine/streams/js_state.h"
#include "engine/streams/view.h"

enum {
    MIRROR_UNITS = 8,         /* of a record that is read and put together anew */
};

struct ri_js_origin {
    ri_list link;            /* in target->origins */
    ri_list follower_link;   /* in from->followers, or in js->awaiting */
    ri_stream *target;
    ri_stream *from;         /* NULL: not there */
    const ri_js_source *conf;/* in the target's configuration */
    bool mirror;             /* else a source */
    ri_str filters[1];       /* of conf.filter_subject */
    ri_str *transformed;     /* sources of the transforms; NULL: none */
    ri_transform **transforms;
    uint32_t ntransforms;
    ri_filter filter;
    ri_buffer label;         /* of a source: "<filters> <destinations>", as headers name it */
    ri_place place;          /* of a source */
    bool sought;             /* what the headers of its copies say is being looked for */
    ri_cursor cursor;
    uint64_t next_seq;       /* of the origin, to be copied next; 0: not known */
    int64_t active_ns;       /* monotonic: when it was last heard of; -1: never */
    ri_js_error error;       /* it was looked for, and is not there; code 0: it is */
};

static void mirror_free(ri_js_origin *o)
{
    const ri_host *host = o->target->js->host;
    if (o->from) ri_cursor_fini(&o->cursor);
    ri_place_fini(&o->place);
    ri_buffer_fini(&o->label);
    if (o->target->origin_turn == &o->link) o->target->origin_turn = NULL;
    ri_list_remove(&o->link);
    ri_list_remove(&o->follower_link);
    for (uint32_t i = 0; i < o->ntransforms; i++) ri_transform_free(o->transforms[i]);
    ri_free(host, o->transforms, o->ntransforms * sizeof *o->transforms);
    ri_free(host, o->transformed, o->ntransforms * sizeof *o->transformed);
    ri_delete(host, o);
}

static int mirror_set_filters(ri_js_origin *o)
{
    const ri_host *host = o->target->js->host;
    const ri_js_transforms *all = &o->conf->subject_transforms;
    if (o->conf->filter_subject.len && !ri_str_is(o->conf->filter_subject, ">")) {
        o->filters[0] = o->conf->filter_subject;
        o->filter = (ri_filter){o->filters, 1};
    }
    if (all->len == 0) return RILL_OK;
    o->transforms = ri_calloc(host, ri_size_mul(all->len, sizeof *o->transforms));
    o->transformed = ri_calloc(host, ri_size_mul(all->len, sizeof *o->transformed));
    if (!o->transforms || !o->transformed) {
        ri_free(host, o->transforms, all->len * sizeof *o->transforms);
        ri_free(host, o->transformed, all->len * sizeof *o->transformed);
        o->transforms = NULL;
        o->transformed = NULL;
        return RILL_ENOMEM;
    }
    o->ntransforms = all->len;
    bool everything = false;
    for (uint32_t i = 0; i < all->len; i++) {
        ri_str src = all->items[i].src.len ? all->items[i].src : RI_STR(">");
        o->transformed[i] = src;
        everything = everything || ri_str_is(src, ">");
        if (all->items[i].dest.len == 0) continue; /* a filter only */
        int rc = ri_transform_new(host, src, all->items[i].dest, &o->transforms[i]);
        if (rc < 0) return rc;
    }
    if (!everything) o->filter = (ri_filter){o->transformed, all->len};
    return RILL_OK;
}

/* How headers and places name a source: several transforms are parted by form feeds. */
static int mirror_set_label(ri_js_origin *o)
{
    const ri_js_transforms *all = &o->conf->subject_transforms;
    ri_buffer *label = &o->label;
    if (all->len == 0) {
        ri_buffer_put_str(label, o->filter.nsubjects ? o->filters[0] : RI_STR(">"));
        ri_buffer_puts(label, " >");
    }
    for (uint32_t i = 0; i < all->len; i++) {
        if (i) ri_buffer_puts(label, "\f");
        ri_buffer_put_str(label, o->transformed[i]);
    }
    for (uint32_t i = 0; i < all->len; i++) {
        ri_buffer_puts(label, i ? "\f" : " ");
        ri_buffer_put_str(label, all->items[i].dest.len ? all->items[i].dest : RI_STR(">"));
    }
    return label->failed ? ri_err_nomem(0) : RILL_OK;
}

/* ---- Where to go on ---- */

/* Differs in a stream and an earlier one of that name, whose numbers mean nothing any more. It is
 * stored: the same stream has the same for ever. */
static void mirror_identity(const ri_stream *stream, char out[RI_PLACE_IDENTITY])
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    uint64_t hash = ri_hash_plain(stream->conf.name.ptr, stream->conf.name.len) ^
                    ri_hash_u64((uint64_t)stream->created_ns);
    for (int i = 0; i < RI_PLACE_IDENTITY; i++, hash /= 62) out[i] = digits[hash % 62];
}

/* A stream that was restored has another identity and the same messages: what was copied last is
 * there, or was deleted. */
static bool mirror_is_restored(const ri_js_origin *o)
{
    const ri_place *place = &o->place;
    ri_record record;
    if (!o->from->restored || place->seq > o->from->last_seq) return false;
    return ri_cursor_get(&o->from->open_cursor, place->seq, &record) < 0 || !place->time_ns ||
           record.time_ns == place->time_ns;
}

/* Copied up to here, in the numbers of the origin that is there. */
static uint64_t mirror_resume(ri_js_origin *o)
{
    ri_place *place = &o->place;
    if (o->mirror) return o->target->last_seq;
    char text[RI_PLACE_IDENTITY];
    mirror_identity(o->from, text);
    ri_str identity = {text, sizeof text};
    bool other = place->identity_len &&
                 !ri_str_eq((ri_str){place->identity, place->identity_len}, identity);
    bool same = !other || mirror_is_restored(o);
    if (other && place->seq) ri_place_move(place, same ? place->seq : 0, same ? place->time_ns : 0);
    ri_place_identify(place, identity);
    return place->seq;
}

/* Each of them may have something, or have it soon. */
static void mirror_round(ri_stream *stream)
{
    stream->origins_left = stream->conf.sources.len + (stream->conf.mirror != NULL);
}

static void mirror_go_on(ri_js_origin *o)
{
    ri_stream *from = o->from;
    uint64_t done = o->next_seq ? o->next_seq - 1 : mirror_resume(o);
    o->next_seq = done + 1;
    if (done == 0 && o->conf->opt_start_seq) o->next_seq = o->conf->opt_start_seq;
    if (done == 0 && o->conf->opt_start_time)
        o->next_seq = ri_stream_seq_at(from, o->conf->opt_start_time);
    /* An origin that has lost its newest goes on behind those that it has. */
    if (!o->mirror && done > from->last_seq) o->next_seq = from->last_seq + 1;
    mirror_round(o->target);
    ri_js_busy(o->target);
}

static void mirror_connect(ri_js_origin *o)
{
    ri_js *js = o->target->js;
    if (o->conf->external) return; /* elsewhere: nobody here can read it */
    ri_stream *from = ri_js_stream(js, o->conf->name);
    if (!from || from == o->target || from->closing || from->restoring) return;
    o->from = from;
    ri_cursor_init(&o->cursor, from->track);
    o->cursor.budget = &o->target->js->router->budget;
    ri_list_remove(&o->follower_link);
    ri_list_push(&from->followers, &o->follower_link);
    if (!o->sought) mirror_go_on(o);
}

/* ---- What headers say of places ---- */

/* The source that a message came from, of those that are sought; NULL: another. */
static ri_js_origin *mirror_sought_of(ri_stream *stream, ri_str headers, uint64_t *seq,
                                      ri_str *identity)
{
    ri_str value, tokens[6] = {{0}}; /* stream, number, filter, destination, subject, identity */
    size_t n = 0;
    if (!ri_headers_find(headers, RI_STR("Nats-Stream-Source"), &value)) return NULL;
    while (n < RI_LEN(tokens) && ri_str_cut(&value, ' ', &tokens[n])) n++;
    if (n < 2 || !ri_number_read(tokens[1], seq)) return NULL;
    *identity = tokens[5].len == RI_PLACE_IDENTITY ? tokens[5] : RI_STR_NONE;
    ri_list_each (link, &stream->origins) {
        ri_js_origin *o = ri_container_of(link, ri_js_origin, link);
        if (!o->sought || !ri_str_eq(tokens[0], o->conf->name)) continue;
        ri_str label = ri_buffer_str(&o->label), filter;
        ri_str_cut(&label, ' ', &filter);
        bool same = n < 4 || (ri_str_eq(tokens[2], filter) && ri_str_eq(tokens[3], label));
        if (same) return o;
    }
    return NULL;
}

/* All that is to be found was found: from here on the places say it. */
static void mirror_seek_end(ri_stream *stream)
{
    stream->seek_seq = 0;
    ri_list_each (link, &stream->origins) {
        ri_js_origin *o = ri_container_of(link, ri_js_origin, link);
        if (!o->sought) continue;
        o->sought = false;
        ri_place_move(&o->place, o->place.seq, o->place.time_ns);
        if (o->from) mirror_go_on(o);
    }
}

/* Look at as many messages as the budget allows, towards the first; each may be of any source. */
static void mirror_seek(ri_stream *stream)
{
    ri_record record;
    ri_budget *budget = &stream->js->router->budget;
    uint32_t left = 0;
    ri_list_each (link, &stream->origins)
        left += ri_container_of(link, ri_js_origin, link)->sought;
    bool more = true;
    for (; more && left > 0 && stream->seek_seq > 0; more = ri_budget_spend(budget, left)) {
        int rc = ri_cursor_prev(&stream->open_cursor, stream->seek_seq, NULL, &record);
        if (rc == 0) left = 0;
        if (rc == 0 || (rc < 0 && !ri_js_is_lost(rc))) break;
        stream->seek_seq = record.seq - 1;
        if (rc < 0 || !(record.flags & RI_RECORD_SOURCED)) continue;
        uint64_t seq;
        ri_str identity;
        ri_js_origin *o = mirror_sought_of(stream, record.headers, &seq, &identity);
        if (!o) continue;
        o->sought = false;
        left--;
        ri_place_identify(&o->place, identity);
        ri_place_move(&o->place, seq, 0);
        if (o->from) mirror_go_on(o);
    }
    if (left == 0 || stream->seek_seq == 0) mirror_seek_end(stream);
}

/* ---- Rings ---- */

typedef struct mirror_walk { /* along the streams that a new configuration copies from */
    ri_js *js;
    const ri_stream_conf *root;
    uint64_t mark;          /* of a stream whose turn will come; one more: it was looked at */
    ri_stream **queue;
    size_t at, len;
} mirror_walk;

/* Was it looked at before, and so can be reached on two ways? Else its turn comes. */
static bool mirror_walk_knows(mirror_walk *w, ri_str name)
{
    if (ri_str_eq(name, w->root->name)) return true;
    ri_stream *next = ri_js_stream(w->js, name);
    if (!next || next->walk >= w->mark) return next && next->walk > w->mark;
    next->walk = w->mark;
    w->queue[w->len++] = next;
    return false;
}

/* May the filter have something of these subjects? */
static bool mirror_filter_overlaps(const ri_strs *subjects, ri_str filter)
{
    if (filter.len == 0) return true;
    for (uint32_t i = 0; i < subjects->len; i++)
        if (ri_subject_overlaps(subjects->items[i], filter)) return true;
    return false;
}

static bool mirror_walk_finds(mirror_walk *w, const ri_stream_conf *conf)
{
    for (uint32_t i = 0; i < conf->sources.len; i++) {
        const ri_js_source *source = &conf->sources.items[i];
        if (!source->external && mirror_walk_knows(w, source->name) &&
            mirror_filter_overlaps(&conf->subjects, source->filter_subject))
            return true;
    }
    return conf->mirror && !conf->mirror->external && mirror_walk_knows(w, conf->mirror->name);
}

int ri_mirror_check_ring(ri_js *js, const ri_stream_conf *conf, ri_js_error *e)
{
    RI_ASSERT(ri_js_is_sound(js));
    if (!conf->mirror && conf->sources.len == 0) return RILL_OK;
    size_t size = (js->nstreams + 1) * sizeof(ri_stream *);
    mirror_walk w = {.js = js, .root = conf, .mark = js->walks += 2,
                     .queue = ri_alloc(js->host, size)};
    if (!w.queue) return ri_jserror_no_memory(e);
    bool found = mirror_walk_finds(&w, conf);
    while (!found && w.at < w.len) {
        ri_stream *next = w.queue[w.at++];
        next->walk = w.mark + 1;
        found = mirror_walk_finds(&w, &next->conf);
    }
    ri_free(js->host, w.queue, size);
    return found ? ri_jserror_set(e, RI_JS_STREAM_INVALID_CONFIG, "detected cycle") : RILL_OK;
}

/* ---- Coming and going ---- */

/* The place of the same source before an update. */
static bool mirror_take_place(ri_js_origin *o, ri_list *old, ri_str key)
{
    ri_list_each (link, old) {
        ri_js_origin *before = ri_container_of(link, ri_js_origin, link);
        if (before->mirror || !ri_str_eq((ri_str){before->place.key, before->place.key_len}, key))
            continue;
        o->place = before->place;
        o->sought = before->sought;
        if (before->from && !before->sought) o->next_seq = before->next_seq;
        ri_list_init(&o->place.moved_link);
        if (ri_list_linked(&before->place.moved_link))
            ri_place_move(&o->place, o->place.seq, o->place.time_ns);
        ri_list_remove(&before->place.moved_link);
        before->place = (ri_place){0};
        mirror_free(before);
        return true;
    }
    return false;
}

/* `places`: the stream has places of others. */
static int mirror_find_place(ri_js_origin *o, ri_list *old, bool places)
{
    ri_stream *target = o->target;
    ri_buffer *key = &target->js->scratch;
    int rc;
    if ((rc = mirror_set_label(o)) < 0) return rc;
    ri_buffer_reset(key);
    ri_buffer_printf(key, "%.*s ", RI_ARG(o->conf->name));
    ri_buffer_put_str(key, ri_buffer_str(&o->label));
    if (key->failed) return ri_err_nomem(0);
    if (mirror_take_place(o, old, ri_buffer_str(key))) return RILL_OK;
    rc = ri_place_init(&o->place, target, ri_buffer_str(key));
    if (rc < 0 || rc == 1) return RI_MIN(rc, 0);
    o->sought = (!places || rc == RI_PLACE_LOST) && target->last_seq > 0; /* copies name it */
    if (o->sought)
        target->seek_seq = target->last_seq;
    else
        ri_place_move(&o->place, 0, 0);
    return RILL_OK;
}

static int mirror_add(ri_stream *stream, const ri_js_source *conf, bool mirror, ri_list *old,
                      bool places)
{
    ri_js_origin *o = ri_new(stream->js->host, ri_js_origin);
    if (!o) return RILL_ENOMEM;
    o->target = stream;
    o->conf = conf;
    o->mirror = mirror;
    o->active_ns = -1;
    ri_list_push(&stream->js->awaiting, &o->follower_link);
    ri_buffer_init(&o->label, stream->js->host);
    ri_list_push(&stream->origins, &o->link);
    int rc = mirror_set_filters(o);
    if (rc >= 0 && !mirror) rc = mirror_find_place(o, old, places);
    if (rc < 0) {
        mirror_free(o);
        return rc;
    }
    mirror_connect(o);
    return RILL_OK;
}

/* Those that `old` has go on as they are; all of `old` is freed. */
static int mirror_attach(ri_stream *stream, ri_list *old)
{
    bool places = stream->conf.sources.len && (!ri_list_empty(old) || ri_places_any(stream));
    int rc = stream->conf.mirror ? mirror_add(stream, stream->conf.mirror, true, old, places)
                                 : RILL_OK;
    if (stream->conf.mirror || stream->conf.sources.len) ri_js_busy(stream);
    for (uint32_t i = 0; i < stream->conf.sources.len && rc >= 0; i++)
        rc = mirror_add(stream, &stream->conf.sources.items[i], false, old, places);
    ri_list_each (link, old) mirror_free(ri_container_of(link, ri_js_origin, link));
    return rc;
}

int ri_mirror_attach(ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_list none;
    ri_list_init(&none);
    return mirror_attach(stream, &none);
}

void ri_mirror_part(ri_stream *stream, ri_list *old)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_list_init(old);
    ri_list_splice(old, &stream->origins);
    ri_list_each (link, old) ri_place_save(&ri_container_of(link, ri_js_origin, link)->place);
}

int ri_mirror_attach_again(ri_stream *stream, ri_list *old)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    return mirror_attach(stream, old);
}

static void mirror_lose(ri_js_origin *o)
{
    ri_cursor_fini(&o->cursor);
    ri_list_remove(&o->follower_link);
    ri_list_push(&o->target->js->awaiting, &o->follower_link);
    o->from = NULL;
    o->next_seq = 0;
}

void ri_mirror_detach(ri_stream *stream)
{
    if (!stream->origins.next) return;
    ri_list_each (link, &stream->origins) mirror_free(ri_container_of(link, ri_js_origin, link));
    ri_list_each (link, &stream->followers)
        mirror_lose(ri_container_of(link, ri_js_origin, follower_link));
}

void ri_mirror_review_origins(ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_list_each (link, &stream->origins) {
        ri_stream *from = ri_container_of(link, ri_js_origin, link)->from;
        if (from && from != stream) ri_retention_review_noted(from);
    }
}

void ri_mirror_stream_went(ri_js *js, ri_stream *stream)
{
    RI_ASSERT(ri_js_is_sound(js));
    (void)js;
    ri_list_each (link, &stream->followers)
        mirror_lose(ri_container_of(link, ri_js_origin, follower_link));
}

void ri_mirror_stream_came(ri_js *js, ri_stream *stream)
{
    RI_ASSERT(ri_js_is_sound(js));
    ri_list_each (link, &js->awaiting) {
        ri_js_origin *o = ri_container_of(link, ri_js_origin, follower_link);
        RI_ASSERT(!o->from);
        if (ri_str_eq(o->conf->name, stream->conf.name)) mirror_connect(o);
    }
}

/* ---- Copying ---- */

/* The headers as the copy has them, in js->headers. */
static bool mirror_headers(const ri_js_origin *o, const ri_record *record, ri_buffer *out)
{
    static const char *const dropped[] = {"Nats-Expected-", "Nats-Batch-", "Nats-Stream-Source"};
    ri_str rest = record->headers;
    rill_header header;
    ri_buffer_reset(out);
    ri_buffer_puts(out, RI_HEADERS_FIRST "\r\n");
    bool any = false;
    while (ri_headers_next(&rest, &header)) {
        bool drop = false;
        for (size_t i = 0; i < RI_LEN(dropped) - o->mirror; i++)
            drop = drop || ri_str_starts(header.name, ri_str_of(dropped[i]));
        if (drop) continue;
        ri_buffer_printf(out, "%.*s: %.*s\r\n", RI_ARG(header.name), RI_ARG(header.value));
        any = true;
    }
    if (!o->mirror) {
        ri_buffer_printf(out, "Nats-Stream-Source: %.*s %llu ", RI_ARG(o->conf->name),
                         (unsigned long long)record->seq);
        ri_buffer_put_str(out, ri_buffer_str(&o->label));
        ri_buffer_printf(out, " %.*s %.*s\r\n", RI_ARG(record->subject),
                         (int)o->place.identity_len, o->place.identity);
        any = true;
    }
    if (any)
        ri_buffer_puts(out, "\r\n");
    else
        ri_buffer_reset(out);
    return !out->failed;
}

static bool mirror_subject(const ri_js_origin *o, ri_str subject, ri_buffer *out)
{
    ri_buffer_reset(out);
    bool done = false;
    for (uint32_t i = 0; i < o->ntransforms && !done; i++) {
        if (o->transforms[i])
            done = ri_transform_apply(o->transforms[i], subject, o->next_seq, out) > 0;
        else if (ri_subject_match(o->transformed[i], subject))
            break;
    }
    const ri_transform *own = o->target->transform;
    if (!done && !(own && ri_transform_apply(own, subject, o->next_seq, out) > 0))
        ri_buffer_put_str(out, subject);
    return !out->failed;
}

/* RILL_OK, also for one that the target does not take; below 0: try again later. */
static int mirror_copy(ri_js_origin *o, const ri_record *record)
{
    ri_stream *target = o->target;
    ri_js *js = target->js;
    if (!mirror_headers(o, record, &js->headers) ||
        !mirror_subject(o, record->subject, &js->subject))
        return RILL_ENOMEM;
    ri_buffer_reset(&js->scratch); /* the append may move what the record points to */
    ri_buffer_put_str(&js->scratch, record->data);
    if (js->scratch.failed) return RILL_ENOMEM;
    ri_ingest in = {.stream = target, .subject = ri_buffer_str(&js->subject),
                    .headers = js->headers.len ? ri_buffer_str(&js->headers) : RI_STR_NONE,
                    .data = ri_buffer_str(&js->scratch), .internal = true,
                    .time_ns = o->mirror ? record->time_ns : js->wall_ns,
                    .keep_seq = o->mirror, .seq = record->seq,
                    .flags = o->mirror ? 0 : RI_RECORD_SOURCED};
    if (o->mirror && record->seq <= target->last_seq) return RILL_OK;
    ri_ingest_read(in.headers, &in.asked);
    ri_js_error e;
    if (!o->mirror && in.asked.has_msg_id && target->conf.duplicate_window > 0 &&
        ri_dedupe_find(&target->dedupe, in.asked.msg_id, in.time_ns, &in.seq))
        return RILL_OK; /* it came on another way */
    if ((o->mirror ? ri_room_admit(&in, &e) : ri_retention_admit(&in, &e)) < 0) return RILL_EFULL;
    if (!o->mirror && in.asked.has_incr && target->conf.allow_msg_counter &&
        ri_counter_apply(&in, &e) < 0)
        /* no total: not taken */
        return e.err_code == RI_JS_INSUFFICIENT_RESOURCES ? RILL_ENOMEM : RILL_OK;
    return ri_ingest_append(&in, &e);
}

/* Its origin keeps it for others only. */
static void mirror_consume(ri_js_origin *o, uint64_t seq)
{
    ri_stream *from = o->from;
    switch (from->conf.retention) {
    case RI_RETAIN_LIMITS: return;
    case RI_RETAIN_INTEREST:
        if (ri_retention_held(from, NULL, seq)) return;
        break;
    case RI_RETAIN_WORKQUEUE: break;
    }
    ri_retention_remove(from, seq, false);
}

static bool mirror_matches(const ri_js_origin *o, ri_str subject)
{
    bool all = o->filter.nsubjects == 0;
    for (size_t i = 0; i < o->filter.nsubjects && !all; i++)
        all = ri_subject_match(o->filter.subjects[i], subject);
    return all;
}

bool ri_mirror_wants(const ri_stream *origin, ri_str subject, uint64_t seq)
{
    RI_ASSERT(ri_js_stream_is_sound(origin));
    ri_list_each (link, &origin->followers) {
        const ri_js_origin *o = ri_container_of(link, ri_js_origin, follower_link);
        if (o->next_seq <= seq && mirror_matches(o, subject)) return true;
    }
    return false;
}

typedef struct mirror_passing { /* what an origin has of these numbers was copied, all of it */
    ri_js_origin *origin;
    uint64_t first, last;
} mirror_passing;

static void mirror_hear_damage(void *arg, const ri_damage *damage)
{
    const mirror_passing *p = arg;
    ri_stream *target = p->origin->target;
    uint64_t first = RI_MAX(p->first, damage->first_seq), last = RI_MIN(p->last, damage->last_seq);
    if (damage->track != p->origin->from->track_id || damage->whole || first > last) return;
    char sentence[RI_ERROR_TEXT_MAX];
    snprintf(sentence, sizeof sentence,
             "stream %.*s cannot copy messages %llu to %llu of the stream %.*s, which are lost to "
             "damage of the store", RI_ARG(target->conf.name), (unsigned long long)first,
             (unsigned long long)last, RI_ARG(p->origin->from->conf.name));
    ri_host_log(target->js->host, RILL_ERROR, "%s", sentence);
    ri_js_notify(target->js, &(ri_js_event){.kind = RI_JS_UNREADABLE, .code = RILL_ECORRUPT,
                                            .stream = target->conf.name,
                                            .reason = ri_str_of(sentence)});
}

/* All numbers below `next` are done with; those that are lost are reported, once. */
static void mirror_pass(ri_js_origin *o, uint64_t next)
{
    if (next > o->next_seq) {
        mirror_passing p = {o, o->next_seq, next - 1};
        uint32_t known = ri_log_each_damage(o->from->store->log, 0, mirror_hear_damage, &p);
        ri_budget_spend(&o->target->js->router->budget, known);
    }
    o->next_seq = next;
}

/* False: the budget is used up, and there may be more. */
static bool mirror_run(ri_js_origin *o)
{
    ri_js *js = o->target->js;
    ri_record record;
    if (o->place.late && ri_place_save(&o->place) < 0) {
        ri_js_arm(o->target, js->mono_ns + RI_SEC); /* its copies would come again after a crash */
        return true;
    }
    do {
        int rc = ri_cursor_next(&o->cursor, o->next_seq, &o->filter, &record);
        if (rc == RI_CURSOR_CUT) {
            mirror_pass(o, record.seq);
            return false;
        }
        if (ri_js_is_lost(rc)) {
            mirror_pass(o, record.seq + 1); /* what is damaged there cannot be copied */
            continue;
        }
        if (rc < 0) {
            ri_js_arm(o->target, js->mono_ns + RI_SEC); /* no memory, or the disk does not answer */
            return true;
        }
        if (rc == 0) {
            ri_track_info info;
            ri_track_counts(o->from->track, &info);
            mirror_pass(o, RI_MAX(o->next_seq, info.visible_seq + 1));
            return true;
        }
        uint64_t seq = record.seq;
        int64_t time_ns = record.time_ns;
        o->active_ns = js->mono_ns;
        if (mirror_copy(o, &record) < 0) {
            ri_js_arm(o->target, js->mono_ns + RI_SEC); /* full, for a while */
            return true;
        }
        mirror_pass(o, seq);
        o->next_seq = seq + 1;
        if (!o->mirror) ri_place_move(&o->place, seq, time_ns);
        mirror_consume(o, seq);
    } while (ri_budget_spend(&js->router->budget, MIRROR_UNITS));
    return false;
}

/* The origin behind this one; behind the last the first. */
static ri_list *mirror_after(ri_stream *stream, ri_list *link)
{
    return link->next == &stream->origins ? stream->origins.next : link->next;
}

/* Round and round; the next step goes on behind the origin that used up the budget of this one. All
 * rest when each had a turn that left nothing, in whatever steps: there may be more origins than a
 * budget has units. */
void ri_mirror_step(ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    if (ri_list_empty(&stream->origins)) return;
    ri_budget *budget = &stream->js->router->budget;
    ri_list *at = stream->origin_turn ? stream->origin_turn : stream->origins.next;
    if (stream->seek_seq) mirror_seek(stream);
    if (!stream->origins_left) mirror_round(stream);
    for (bool left = true; left && stream->origins_left;) {
        ri_js_origin *o = ri_container_of(at, ri_js_origin, link);
        at = mirror_after(stream, at);
        if (!o->from || o->sought || mirror_run(o)) {
            stream->origins_left--;
            left = ri_budget_spend(budget, 1);
        } else {
            mirror_round(stream);
            left = false;
        }
        o->error.code = 0;
        if (!o->from && !o->conf->external) ri_jserror_set(&o->error, RI_JS_STREAM_NOT_FOUND, NULL);
    }
    stream->origin_turn = at;
    if (stream->origins_left || stream->seek_seq) ri_js_busy(stream);
}

void ri_mirror_due(ri_stream *stream)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    if (ri_list_empty(&stream->origins)) return;
    mirror_round(stream);
    ri_js_busy(stream);
}

void ri_mirror_origin_grew(ri_stream *origin)
{
    RI_ASSERT(ri_js_stream_is_sound(origin));
    ri_list_each (link, &origin->followers) {
        ri_stream *target = ri_container_of(link, ri_js_origin, follower_link)->target;
        mirror_round(target);
        ri_js_busy(target);
    }
}

/* ---- What infos say of origins ---- */

static uint64_t mirror_lag(ri_js_origin *o)
{
    ri_cursor cursor;
    ri_cursor_init(&cursor, o->from->track);
    cursor.budget = o->cursor.budget;
    /* Of record batches those on all subjects are counted, since the others would have to be
     * read. */
    uint64_t n = ri_cursor_count(&cursor, o->next_seq, ri_view_last(o->from, UINT64_MAX),
                                 o->from->view ? NULL : &o->filter);
    ri_cursor_fini(&cursor);
    return n;
}

static ri_js_source_info mirror_info_one(ri_js_origin *o)
{
    ri_js_source_info info = {.name = o->conf->name, .external = o->conf->external, .active = -1,
                              .filter_subject = o->conf->filter_subject,
                              .subject_transforms = o->conf->subject_transforms};
    if (o->active_ns >= 0) info.active = ri_ns_sub(o->target->js->mono_ns, o->active_ns);
    if (o->error.code && !o->from) info.error = &o->error;
    if (!o->mirror) info.seq = o->place.seq;
    if (o->from) info.lag = mirror_lag(o);
    return info;
}

void ri_mirror_info(ri_stream *stream, ri_stream_info *out)
{
    RI_ASSERT(ri_js_stream_is_sound(stream));
    ri_buffer *room = &stream->origins_text;
    uint32_t n = 0;
    ri_buffer_reset(room);
    ri_list_each (link, &stream->origins) {
        ri_js_source_info info = mirror_info_one(ri_container_of(link, ri_js_origin, link));
        ri_buffer_put(room, &info, sizeof info);
        n++;
    }
    if (n == 0 || room->failed) return;
    ri_js_source_info *items = (ri_js_source_info *)(void *)(room->ptr + room->head);
    if (stream->conf.mirror)
        out->mirror = items;
    else
        out->sources = (ri_js_source_infos){items, n};
}
