/* SPDX-License-Identifier: Apache-2.0 */
/* Damages by the dice to the store of a broker at work, between its end and its next start:
 *
 *     damage_streams [--count N] [--from SEED] [-v]     N damages, some to each store
 *
 * A log, a work queue, a stream by interest, one whose messages have times to live, a copy and a
 * mirror of the log, with consumers that have settled some of what they got. After each opening:
 *
 *     what was acknowledged, and does not lie in the damage, is there, and is delivered to who has
 *     not settled it; if its stream's record lies there, nobody can make another in its place
 *     what was settled is not delivered again, nor copied again, unless the damage is of the tracks
 *     that tell of it
 *     no number is given twice, and whatever is missing is told
 *     all of that still holds, with what was added, when it is opened once more */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "codec/jetstream/jshot.h"
#include "engine/streams/fence.h"
#include "engine/streams/js_state.h"
#include "support/fake_os.h"
#include "support/main.h"
#include "support/rng.h"
#include "support/world.h"

enum { SEGMENT = 16384, EACH = 20, MESSAGES = 160, FILES = 64, STEPS = 120,
       ENTRY = 512, COMMIT = 8192 }; /* bytes of these, at most */
enum { LOG, WORK, INT, TTL, ORIGINS, COPY = ORIGINS, MIRROR, STREAMS };
enum { READERS = 7 };

static const char *const stream_names[STREAMS] = {"LOG", "WORK", "INT", "TTL", "COPY", "MIRROR"};
static const char *const stream_confs[STREAMS] = {
    "\"subjects\":[\"LOG.*\"]",
    "\"subjects\":[\"WORK.*\"],\"retention\":\"workqueue\"",
    "\"subjects\":[\"INT.*\"],\"retention\":\"interest\"",
    "\"subjects\":[\"TTL.*\"],\"allow_msg_ttl\":true",
    "\"sources\":[{\"name\":\"LOG\"}]", "\"mirror\":{\"name\":\"LOG\"}",
};
static const struct reader { int stream, subject; const char *name, *conf; } readers[READERS] = {
    {LOG, -1, "d", ""}, {WORK, -1, "w", ""}, {INT, 0, "a", ",\"filter_subject\":\"INT.0\""},
    {INT, -1, "b", ""}, {TTL, -1, "t", ""}, {COPY, -1, "c", ""},
    {LOG, 1, "g", ",\"filter_subject\":\"LOG.1\",\"priority_groups\":[\"G\"],"
                  "\"priority_policy\":\"overflow\""},
};

typedef struct message { /* as its publisher knows it */
    uint64_t seq;                   /* its PubAck told; 0: none came */
    bool short_lived, near;         /* near: it lies in the damage, some copy of it */
    bool gone[STREAMS];             /* it was not there when that was opened */
    bool tried[READERS], settled[READERS]; /* its ack was sent; was confirmed */
    unsigned delivered[READERS];    /* since the last opening */
} message;

typedef struct history {
    message all[ORIGINS][MESSAGES];
    int n[ORIGINS];
} history;

typedef struct image { /* all files */
    struct { char path[64]; unsigned char *bytes; size_t len; } files[FILES];
    size_t n;
} image;

typedef struct opening { /* what was told */
    uint64_t damages, unreadable;
    bool states, places;            /* records of these may be lost */
    bool mirror;                    /* numbers of it may have been left out, at this damage */
    bool copies;                    /* and of COPY and MIRROR */
} opening;

typedef struct tally { uint64_t done, refused, told, silent, fenced, missing, again; } tally;

static struct {
    fake_os disk;
    world w;
    ri_host host;
    ri_party ear;
    ri_subscription subs[3];
    history *h;
    opening told;
    ri_buffer acks;                 /* reader, stream, message, ack subject; a line each */
    bool judging;
    bool closed;                    /* in order, before the damage */
    uint64_t seed, damage;
    char what[160];
    bool verbose;
} now;

#define NEED(holds, ...)                                                                          \
    do {                                                                                          \
        if (holds) break;                                                                         \
        fprintf(stderr, "seed %" PRIu64 ", damage %" PRIu64 " (%s): ", now.seed, now.damage,      \
                now.what);                                                                        \
        fprintf(stderr, __VA_ARGS__);                                                             \
        fputc('\n', stderr);                                                                      \
        exit(EXIT_FAILURE);                                                                       \
    } while (0)

/* ---- What clients hear ---- */

static void hear_delivery(ri_delivery *d, unsigned reader)
{
    char text[64], name[8];
    int i, which = -1;
    snprintf(text, sizeof text, "%.*s", (int)RI_MIN(d->m->data.len, 60), d->m->data.ptr);
    NEED(sscanf(text, "%7[A-Z]#%d#", name, &i) == 2, "%s is delivered, and nobody sent it", text);
    for (int s = 0; s < ORIGINS; s++)
        if (strcmp(stream_names[s], name) == 0) which = s;
    NEED(which >= 0 && i < now.h->n[which], "%s is delivered, and nobody sent it", text);
    message *m = &now.h->all[which][i];
    m->delivered[reader]++;
    /* The newest that a store tells may go without trace, if it was not closed. */
    bool may = !now.judging || !m->settled[reader] || now.told.states || !now.closed;
    NEED(may, "%s is delivered to %s, which has settled it", text, readers[reader].name);
    ri_buffer_printf(&now.acks, "%u %d %d %.*s\n", reader, which, i, RI_ARG(d->m->reply));
}

static bool hear(ri_party *party, ri_subscription *sub, ri_delivery *d)
{
    (void)party;
    char text[128];
    unsigned reader;
    int which, i;
    ri_js_puback ack;
    ri_js_ack acked;
    ri_js_error e = {0};
    snprintf(text, sizeof text, "%.*s", (int)RI_MIN(d->m->subject.len, 120), d->m->subject.ptr);
    if (sub == &now.subs[0] && sscanf(text, "stored.%d.%d", &which, &i) == 2) {
        bool ok = ri_jshot_puback_read(d->m->data, &ack, &e) >= 0 && !e.code;
        if (ok) now.h->all[which][i].seq = ack.seq;
    } else if (sub == &now.subs[1] && sscanf(text, "settled.%u.%d.%d", &reader, &which, &i) == 3) {
        now.h->all[which][i].settled[reader] = true;
    } else if (ri_jshot_ack_read(d->m->reply, &acked)) {
        for (reader = 0; reader < READERS; reader++)
            if (ri_str_is(acked.consumer, readers[reader].name)) hear_delivery(d, reader);
    }
    return true;
}

static const ri_party_ops ear_ops = {.deliver = hear};

static void hear_event(void *arg, const ri_js_event *event)
{
    (void)arg;
    bool of_states = ri_str_starts(event->reason, RI_STR("a state")) ||
                     ri_str_starts(event->reason, RI_STR("the state"));
    if (event->kind == RI_JS_UNREADABLE) now.told.unreadable++;
    now.told.states = now.told.states || (event->kind == RI_JS_UNREADABLE && of_states);
    if (event->kind == RI_JS_UNREADABLE && now.verbose)
        printf("   %.*s\n", RI_ARG(event->reason));
}

/* A subject stands in its segment once: who loses it loses messages that lie elsewhere in there. */
static void hear_nameless(const ri_damage *damage)
{
    uint64_t s = damage->track - RI_JS_TRACK_FIRST;
    now.told.copies = now.told.copies || s == COPY || s == MIRROR;
    for (int i = 0; s < ORIGINS && i < now.h->n[s]; i++) {
        message *m = &now.h->all[s][i];
        m->near = m->near || (m->seq >= damage->first_seq && m->seq <= damage->last_seq);
    }
}

static void hear_damage(void *arg, const ri_damage *damage)
{
    (void)arg;
    now.told.damages++;
    if (damage->whole) return;
    if (strstr(damage->sentence, "has lost its subject")) hear_nameless(damage);
    bool any = !damage->track;
    now.told.states = now.told.states || any || damage->track == RI_JS_TRACK_STATES;
    now.told.places = now.told.places || any || damage->track == RI_JS_TRACK_PLACES;
    now.told.mirror = true;
    if (now.verbose) printf("   track %d: %s\n", (int)damage->track, damage->sentence);
}

/* ---- A broker over the disk ---- */

static void clients_come(int64_t mono_ns)
{
    static const char *const subjects[] = {"stored.>", "settled.>", "in.*"};
    NEED(world_init(&now.w, NULL) >= 0, "world: %s", ri_err_text());
    ri_party_init(&now.ear, &now.w.router, &ear_ops);
    for (size_t i = 0; i < RI_LEN(now.subs); i++) {
        now.subs[i] = (ri_subscription){.entry.subject = ri_str_of(subjects[i])};
        NEED(ri_router_subscribe(&now.ear, &now.subs[i]) >= 0, "subscribe: %s", ri_err_text());
    }
    world_down(&now.w);
    now.w.also = hear_event;
    now.w.wall_ns += mono_ns;
    now.w.mono_ns = mono_ns;
}

static void clients_go(void)
{
    ri_party_fini(&now.ear);
    world_fini(&now.w);
}

static int broker_open(void)
{
    ri_log *log;
    ri_log_opts opts = {.host = &now.host, .os = &now.disk.os, .dir = "/log",
                        .segment_bytes = SEGMENT, .damage = hear_damage};
    now.told = (opening){.mirror = now.told.mirror};
    ri_buffer_init(&now.acks, &now.host);
    int rc = ri_log_open(&log, &opts);
    if (rc < 0) return rc;
    rc = world_up(&now.w, log);
    NEED(rc >= 0, "the engine does not open: %d %s", rc, ri_err_text());
    return RILL_OK;
}

static void broker_close(bool orderly)
{
    world_turn(&now.w);
    ri_buffer_fini(&now.acks);
    ri_js_prepare(now.w.js, now.w.log);
    int rc = ri_log_commit(now.w.log);
    NEED(rc >= 0, "commit: %s", ri_err_text());
    ri_js_committed(now.w.js, now.w.log, rc, now.w.wall_ns, now.w.mono_ns);
    now.disk.off = !orderly;
    world_down(&now.w);
    now.disk.off = false;
}

static ri_stream *stream_of(int i)
{
    return ri_js_stream(now.w.js, ri_str_of(stream_names[i]));
}

static ri_consumer *reader_of(int i)
{
    ri_stream *stream = stream_of(readers[i].stream);
    return stream ? ri_stream_consumer(stream, ri_str_of(readers[i].name)) : NULL;
}

/* ---- Work ---- */

static void make_all(void)
{
    char json[400];
    for (int i = 0; i < STREAMS; i++) {
        snprintf(json, sizeof json, "{\"name\":\"%s\",%s}", stream_names[i], stream_confs[i]);
        NEED(world_stream(&now.w, json, NULL, NULL) >= 0, "%s: %s", json, ri_err_text());
    }
    for (int i = 0; i < READERS; i++) {
        snprintf(json, sizeof json, "{\"durable_name\":\"%s\",\"ack_policy\":\"explicit\","
                 "\"ack_wait\":1000000000%s}", readers[i].name, readers[i].conf);
        NEED(world_consumer(&now.w, stream_names[readers[i].stream], json, NULL, NULL) >= 0,
             "%s: %s", json, ri_err_text());
    }
}

static int subject_of(int i)
{
    return i % 3;
}

static void publish(int which, rng *r)
{
    history *h = now.h;
    char subject[32], reply[32], headers[96], data[300];
    if (h->n[which] == MESSAGES) return;
    int i = h->n[which]++, len;
    message *m = &h->all[which][i];
    *m = (message){.short_lived = which == TTL && rng_below(r, 3) == 0};
    snprintf(subject, sizeof subject, "%s.%d", stream_names[which], subject_of(i));
    snprintf(reply, sizeof reply, "stored.%d.%d", which, i);
    const char *ttl = which != TTL ? "" : m->short_lived ? "Nats-TTL: 2s\r\n" : "Nats-TTL: 1h\r\n";
    snprintf(headers, sizeof headers, "Nats-Msg-Id: %d\r\n%s", i, ttl);
    len = snprintf(data, sizeof data, "%s#%d#", stream_names[which], i);
    for (int end = len + 20 + (int)rng_below(r, 150); len < end; len++)
        data[len] = (char)('a' + rng_below(r, 26));
    data[len] = 0;
    world_publish(&now.w, subject, reply, headers, data);
}

static void ack_some(rng *r, uint64_t percent)
{
    ri_buffer was = now.acks;
    ri_buffer_init(&now.acks, &now.host);
    ri_str rest = ri_buffer_str(&was), line;
    while (rest.len && ri_str_cut(&rest, '\n', &line)) {
        unsigned reader;
        int which, i;
        char text[256], subject[200], reply[64];
        snprintf(text, sizeof text, "%.*s", RI_ARG(line));
        if (sscanf(text, "%u %d %d %199s", &reader, &which, &i, subject) != 4) continue;
        if (rng_below(r, 100) >= percent) continue;
        snprintf(reply, sizeof reply, "settled.%u.%d.%d", reader, which, i);
        now.h->all[which][i].tried[reader] = true;
        world_publish(&now.w, subject, reply, "", "+ACK");
    }
    ri_buffer_fini(&was);
}

/* Everybody takes up to `batch`. */
static void pull_all(int batch)
{
    char inbox[16], json[64];
    for (int i = 0; i < READERS; i++) {
        ri_consumer *c = reader_of(i);
        if (!c) continue;
        snprintf(inbox, sizeof inbox, "in.%d", i);
        snprintf(json, sizeof json, "{\"batch\":%d,\"no_wait\":true%s}", batch,
                 strchr(readers[i].conf, 'G') ? ",\"group\":\"G\"" : "");
        NEED(world_pull(&now.w, c, inbox, json) >= 0, "pull: %s", ri_err_text());
    }
    world_turn(&now.w);
}

static void store_build(rng *r)
{
    clients_come(0);
    NEED(broker_open() == 0, "open: %s", ri_err_text());
    make_all();
    for (int i = 0; i < STEPS; i++) {
        for (int k = 0; k < 4; k++) publish((int)rng_below(r, ORIGINS), r);
        world_turn(&now.w);
        if (i % 3 == 0) pull_all(1 + (int)rng_below(r, 8));
        if (i % 4 == 0) ack_some(r, 70);
        world_turn(&now.w);
        if (i % 5 == 0) NEED(ri_log_clean(now.w.log) >= 0, "clean: %s", ri_err_text());
        world_wait(&now.w, 70);
    }
    now.closed = rng_below(r, 2);
    NEED(!now.told.damages && !now.told.unreadable, "a damage in a good store");
    broker_close(now.closed);
    clients_go();
}

/* ---- Damages ---- */

static void image_take(image *im)
{
    const char *name;
    for (im->n = 0; im->n < FILES && (name = fake_os_name(&now.disk, im->n)) != NULL; im->n++) {
        const unsigned char *bytes = fake_os_bytes(&now.disk, name, &im->files[im->n].len);
        snprintf(im->files[im->n].path, sizeof im->files[0].path, "%s", name);
        im->files[im->n].bytes = malloc(im->files[im->n].len + 1);
        NEED(im->files[im->n].bytes, "out of memory");
        memcpy(im->files[im->n].bytes, bytes, im->files[im->n].len);
    }
}

static void image_free(image *im)
{
    for (size_t i = 0; i < im->n; i++) free(im->files[i].bytes);
}

static void image_put(const image *im)
{
    fake_os_init(&now.disk);
    for (size_t i = 0; i < im->n; i++) {
        int fd = now.disk.os.open(&now.disk, im->files[i].path, O_RDWR | O_CREAT, 0600);
        NEED(fd >= 0, "open %s", im->files[i].path);
        now.disk.os.pwrite(&now.disk, fd, im->files[i].bytes, im->files[i].len, 0);
        now.disk.os.close(&now.disk, fd);
    }
}

/* Which messages have a copy in these bytes, or beside them? */
static void mark_near(const unsigned char *bytes, size_t at, size_t end)
{
    char text[32];
    for (int s = 0; s < ORIGINS; s++)
        for (int i = 0; i < now.h->n[s]; i++) {
            snprintf(text, sizeof text, "%s#%d#", stream_names[s], i);
            now.h->all[s][i].near = memmem(bytes + at, end - at, text, strlen(text)) != NULL;
        }
}

static void hurt(const image *im, rng *r)
{
    enum { BIT, BYTE, ZERO_64, ZERO_512, ZERO_4096, NOISE, CUT, GONE, HURTS };
    static const size_t sizes[HURTS] = {1, 1, 64, 512, 4096, 512, 0, 0};
    static const char *const names[HURTS] = {"a bit", "a byte", "64 zeros", "512 zeros",
                                             "4096 zeros", "noise", "cut", "gone"};
    size_t which, kind = rng_below(r, HURTS), len;
    do which = rng_below(r, im->n); while (!im->files[which].len);
    unsigned char *bytes = fake_os_bytes(&now.disk, im->files[which].path, &len);
    size_t at = rng_below(r, len / RI_MAX(sizes[kind], 1) + 1) * RI_MAX(sizes[kind], 1);
    at = RI_MIN(at, len - 1);
    size_t end = sizes[kind] ? RI_MIN(at + sizes[kind], len) : len;
    if (kind == GONE) at = 0;
    snprintf(now.what, sizeof now.what, "%s at %zu of %s", names[kind], at, im->files[which].path);
    /* Of a commit whose beginning or end is lost nothing counts, if it may be the last one. */
    size_t before = kind == CUT || !now.closed ? COMMIT : ENTRY;
    size_t behind = now.closed ? ENTRY : COMMIT;
    mark_near(im->files[which].bytes, at > before ? at - before : 0, RI_MIN(end + behind, len));
    if (kind == CUT) {
        int fd = now.disk.os.open(&now.disk, im->files[which].path, O_RDWR, 0600);
        now.disk.os.truncate(&now.disk, fd, at);
        now.disk.os.close(&now.disk, fd);
        return;
    }
    if (kind == GONE) {
        now.disk.os.unlink(&now.disk, im->files[which].path);
        return;
    }
    for (size_t i = at; i < end; i++) {
        if (kind == BIT) bytes[i] ^= (unsigned char)(1u << rng_below(r, 8));
        else if (kind == BYTE) bytes[i] ^= (unsigned char)(1 + rng_below(r, 255));
        else bytes[i] = kind == NOISE ? (unsigned char)rng_next(r) : 0;
    }
}

/* ---- Judgement ---- */

static bool is_told(void)
{
    return now.told.damages || now.told.unreadable;
}

static bool wants(int reader, int which, int i)
{
    int of = readers[reader].stream == COPY ? LOG : readers[reader].stream;
    return of == which && (readers[reader].subject < 0 || readers[reader].subject == subject_of(i));
}

/* Has everybody whom it was kept for in this stream sent an ack, or has it run out? What copies
 * have was said in LOG. */
static bool may_be_gone(int at, int i)
{
    const message *m = &now.h->all[at < ORIGINS ? at : LOG][i];
    bool all = at == WORK || at == INT;
    for (int k = 0; k < READERS && all; k++)
        all = readers[k].stream != at || !wants(k, at, i) || m->tried[k];
    return all || m->short_lived;
}

/* What the stream has, as it stands in the payloads: how often each. */
static void look(ri_stream *stream, int which, unsigned *seen)
{
    ri_record record;
    char text[64], name[8];
    int i, rc;
    ri_cursor cursor;
    memset(seen, 0, MESSAGES * sizeof *seen);
    ri_cursor_init(&cursor, ri_stream_track(stream));
    for (uint64_t seq = 1; (rc = ri_cursor_next(&cursor, seq, NULL, &record)) != 0;
         seq = record.seq + 1) {
        NEED(rc >= 0 || ri_js_is_lost(rc), "read: %s", ri_err_text());
        if (rc < 0) now.told.damages++; /* who reads it hears of it */
        if (rc < 0) continue;
        snprintf(text, sizeof text, "%.*s", (int)RI_MIN(record.data.len, 60), record.data.ptr);
        bool ok = sscanf(text, "%7[A-Z]#%d#", name, &i) == 2 && i < now.h->n[which] &&
                  strcmp(name, stream_names[which]) == 0;
        NEED(ok, "%s has %s", stream_names[which], text);
        seen[i]++;
    }
    ri_cursor_fini(&cursor);
}

static uint64_t check_kept(int at)
{
    unsigned seen[MESSAGES];
    int which = at < ORIGINS ? at : LOG;
    uint64_t missing = 0;
    look(stream_of(at), which, seen);
    for (int i = 0; i < now.h->n[which]; i++) {
        message *m = &now.h->all[which][i];
        NEED(seen[i] <= 1 || (at == COPY && now.told.places), "%s has message %d twice",
             stream_names[at], i);
        if (!m->seq || seen[i] || m->gone[at] || may_be_gone(at, i)) continue;
        missing++;
        m->gone[at] = true;
        /* Numbers that a mirror may have used go by, and with them the messages of its origin. */
        if ((at == MIRROR && now.told.mirror) || (at >= ORIGINS && now.told.copies)) continue;
        NEED(m->near, "%s has lost message %d, which lies elsewhere", stream_names[at], i);
        NEED(is_told() || !now.closed, "%s has lost message %d in silence", stream_names[at], i);
    }
    return missing;
}

/* One that is not served is told, and its name and subjects are not free if it is known of. */
static void check_absent(int at, tally *t)
{
    char json[400];
    ri_js_error e = {0};
    NEED(is_told() || !now.closed, "%s is gone in silence", stream_names[at]);
    snprintf(json, sizeof json, "{\"name\":\"%s\",%s}", stream_names[at], stream_confs[at]);
    bool named = ri_fence_why(now.w.js, ri_str_of(stream_names[at]), &e);
    int rc = at < ORIGINS || named ? world_stream(&now.w, json, NULL, &e) : 0;
    NEED(!named || rc == RILL_ECORRUPT, "%s is made anew", stream_names[at]);
    t->fenced += rc == RILL_ECORRUPT;
}

static void forget_deliveries(void)
{
    for (int s = 0; s < ORIGINS; s++)
        for (int i = 0; i < now.h->n[s]; i++)
            memset(now.h->all[s][i].delivered, 0, sizeof now.h->all[s][i].delivered);
}

static void check_delivered(void)
{
    forget_deliveries();
    now.judging = true;
    for (int i = 0; i < 3; i++) {
        pull_all(1000);
        world_wait(&now.w, 1100);
    }
    now.judging = false;
    for (int k = 0; k < READERS; k++) {
        if (!reader_of(k)) {
            NEED(is_told() || !now.closed, "reader %s is gone in silence", readers[k].name);
            continue;
        }
        for (int s = 0; s < ORIGINS; s++)
            for (int i = 0; i < now.h->n[s]; i++) {
                const message *m = &now.h->all[s][i];
                bool due = wants(k, s, i) && m->seq && !m->near && !m->tried[k] && !m->short_lived;
                NEED(!due || m->delivered[k], "%s message %d is not delivered to %s",
                     stream_names[s], i, readers[k].name);
            }
    }
}

/* Some messages more: their numbers are new. */
static void check_numbers(rng *r)
{
    for (int s = 0; s < ORIGINS; s++) {
        uint64_t last = 0;
        if (!stream_of(s)) continue;
        for (int i = 0; i < now.h->n[s]; i++) last = RI_MAX(last, now.h->all[s][i].seq);
        int from = now.h->n[s];
        for (int i = 0; i < 5; i++) publish(s, r);
        world_turn(&now.w);
        for (int i = from; i < now.h->n[s]; i++) {
            const message *m = &now.h->all[s][i];
            NEED(m->seq > last || (m->seq && !is_told() && !now.closed),
                 "%s gives number %" PRIu64 ", it was at %" PRIu64, stream_names[s], m->seq, last);
        }
    }
}

static void judge(tally *t, rng *r)
{
    int rc = broker_open();
    t->done++;
    if (rc < 0) {
        NEED(rc == RILL_ECORRUPT, "open: %d %s", rc, ri_err_text());
        t->refused++;
        return;
    }
    t->told += is_told();
    world_turn(&now.w);
    uint64_t missing = 0;
    for (int s = 0; s < STREAMS; s++)
        if (stream_of(s)) missing += check_kept(s);
        else check_absent(s, t);
    t->missing += missing;
    t->silent += missing && !is_told();
    check_delivered();
    ack_some(r, 50);
    check_numbers(r);
    bool served[STREAMS];
    for (int s = 0; s < STREAMS; s++) served[s] = stream_of(s);
    broker_close(true);
    now.closed = true;
    NEED(broker_open() == 0, "open again: %s", ri_err_text());
    for (int s = 0; s < STREAMS; s++) {
        NEED(!served[s] || stream_of(s), "%s is gone after another opening", stream_names[s]);
        if (served[s]) check_kept(s);
    }
    check_delivered();
    broker_close(true);
}

/* ---- */

static uint64_t count = 300, from = 1;

static void store_run(uint64_t seed, uint64_t *left, tally *t)
{
    static history built, after;
    static image im;
    rng r, each;
    rng_init(&r, seed);
    now.seed = seed;
    now.damage = 0;
    snprintf(now.what, sizeof now.what, "none yet");
    built = (history){0};
    now.h = &built;
    fake_os_init(&now.disk);
    store_build(&r);
    image_take(&im);
    fake_os_fini(&now.disk);
    bool closed = now.closed;
    for (now.damage = 0; now.damage < EACH && *left; now.damage++, --*left) {
        after = built;
        now.h = &after;
        now.closed = closed;
        rng_init(&each, seed * 1000 + now.damage);
        image_put(&im);
        hurt(&im, &each);
        now.told.mirror = false;
        if (now.verbose) printf("%s\n", now.what);
        clients_come(STEPS * 70 * RI_MS);
        judge(t, &each);
        clients_go();
        fake_os_fini(&now.disk);
    }
    image_free(&im);
}

static void entropy(void *arg, void *out, size_t len)
{
    (void)arg;
    memset(out, 0x5a, len); /* the log's id: the same each run */
}

START_TEST(test_damages)
{
    tally t = {0};
    ri_host_init(&now.host, NULL);
    now.host.entropy = entropy;
    for (uint64_t seed = from, left = count; left; seed++) store_run(seed, &left, &t);
    printf("%" PRIu64 " damages: %" PRIu64 " told, %" PRIu64 " refused; %" PRIu64
           " messages lost, of %" PRIu64 " stores in silence; %" PRIu64 " streams fenced\n",
           t.done, t.told, t.refused, t.missing, t.silent, t.fenced);
}
END_TEST

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        uint64_t *to = strcmp(argv[i], "--count") == 0 ? &count
                       : strcmp(argv[i], "--from") == 0 ? &from : NULL;
        if (strcmp(argv[i], "-v") == 0) now.verbose = true;
        else if (to && i + 1 < argc) *to = strtoull(argv[++i], NULL, 0);
        else return 2;
    }
    const suite_row rows[] = {SUITE_ONCE(test_damages)};
    return suite_run("damage_streams", rows, 1, CK_NOFORK);
}
