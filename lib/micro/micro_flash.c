/* SPDX-License-Identifier: Apache-2.0 */
/* The peer that is a store on flash:
 * "flash:NAME?streams=4&groups=4&ids=16&keys=32&record=512&format".
 *
 * The numbers say what room the store has; streams, groups and ids are fixed when it is formatted,
 * keys and record (bytes that one message takes on flash, 32 of its own among them) may change.
 * reserve=BLOCKS stays free of data. format makes a store if there is none, format=always in any
 * case. Without it a flash that holds no store is RILL_ENOENT.
 *
 * A stream is kept under its name and subjects, "NAME SUBJECT ...", which have 47 bytes together. A
 * bucket is the stream KV_NAME, as everywhere; its keys are whole subjects, and what is deleted is
 * gone, but for who watches: flash_bucket.c keeps what he has not read yet. Each call is done when
 * it returns: what was acknowledged is on flash. */
#include "micro/micro_flash.h"

#include "codec/nats/headers.h"
#include "codec/subject/subject.h"

#ifdef RI_MICRO_FLASH

enum { MICRO_FLASH_WAIT_MS = 30000 };

typedef struct ri_micro_flash_reader {
    rill_sub *sub;            /* NULL: free */
    uint32_t stream, group;   /* group RI_MICRO_FLASH_NONE: it reads in order, without acks */
    uint32_t seq;             /* then: what it reads next */
    uint32_t wanted, ack_wait_ms;
    bool no_ack, upto;
    bool watch, caught_up;
    uint32_t lost;            /* the last deletion that was lost before it began to watch */
    ri_str filter;            /* in `text`; empty: all */
    char *text;               /* room of max_subject_bytes + 1 */
} micro_flash_reader;

/* By the number of a group its byte here is what `ri_micro_msg.ack` points to; with the one behind
 * it, 2 bytes, an ack is for all before it, too. */
static const char micro_flash_acks[RI_FLASH_GROUPS + 1] = "0123456789abcdef";

/* ---- The URL ---- */

/* What the URL says. */
typedef struct micro_flash_conf {
    ri_flash_conf conf;
    bool format_missing, format_always;
} micro_flash_conf;

static int micro_flash_option(micro_flash_conf *m, ri_str name, ri_str value)
{
    uint64_t n = 0;
    if (ri_str_is(name, "format") && (value.len == 0 || ri_str_is(value, "always"))) {
        m->format_missing = true;
        m->format_always = value.len > 0;
        return RILL_OK;
    }
    if (!ri_number_read(value, &n) || n > UINT16_MAX)
        return ri_err(RILL_EINVAL, "%.*s in the URL of a flash is no number", RI_ARG(name));
    uint8_t few = (uint8_t)RI_MIN(n, (uint64_t)UINT8_MAX);
    if (ri_str_is(name, "streams")) m->conf.max_streams = few;
    else if (ri_str_is(name, "groups")) m->conf.max_groups = few;
    else if (ri_str_is(name, "ids")) m->conf.max_ids = (uint16_t)n;
    else if (ri_str_is(name, "keys")) m->conf.max_keys = (uint16_t)n;
    else if (ri_str_is(name, "record")) m->conf.max_record = (uint32_t)n;
    else if (ri_str_is(name, "reserve")) m->conf.reserve = (uint16_t)n;
    else return ri_err(RILL_EINVAL, "the URL of a flash has no %.*s", RI_ARG(name));
    return RILL_OK;
}

static int micro_flash_url(micro_flash_conf *m, const char *url)
{
    ri_str rest = ri_str_of(url), part, name;
    m->conf.max_streams = m->conf.max_groups = 4;
    m->conf.max_ids = 16;
    m->conf.max_keys = 32;
    m->conf.max_record = 512;
    if (!ri_str_cut(&rest, '?', &part)) return RILL_OK;
    while (rest.len > 0 && ri_str_cut(&rest, '&', &part)) {
        ri_str value = part;
        ri_str_cut(&value, '=', &name);
        int rc = micro_flash_option(m, name, name.len == part.len ? RI_STR_NONE : value);
        if (rc < 0) return rc;
    }
    return RILL_OK;
}

/* ---- Opening ---- */

static int micro_flash_lay(rill_bus *bus, const char *url, const rill_opts *opts)
{
    rill_flash dev = {.size = 0};
    micro_flash_conf now = {.conf.dev = &dev};
    if (!opts->flash) return ri_err(RILL_EINVAL, "rill_opts.flash is missing");
    memcpy(&dev, opts->flash, RI_MIN(opts->flash->size, sizeof dev));
    int rc = micro_flash_url(&now, url);
    if (rc < 0) return rc;
    size_t bytes = ri_flash_need(&now.conf);
    if (bytes == 0) return RILL_EINVAL;
    if (now.conf.max_record > bus->max_msg_bytes)
        return ri_err(RILL_EINVAL, "record in the URL is more than max_msg_bytes");
    ri_micro_flash *m = ri_micro_bus_carve(bus, sizeof *m);
    void *memory = ri_micro_bus_carve(bus, bytes);
    char *buf = ri_micro_bus_carve(bus, now.conf.max_record);
    char *sent = ri_micro_bus_carve(bus, now.conf.max_record);
    micro_flash_reader *readers = ri_micro_bus_carve(bus, ri_size_mul(bus->max_readers,
                                                                      sizeof *readers));
    char *texts = ri_micro_bus_carve(bus, ri_size_mul(bus->max_readers,
                                                      (size_t)bus->max_subject_bytes + 1));
    if (!texts) return RILL_OK; /* the arena is too small, which the bus says */
    memset(m, 0, sizeof *m);
    m->dev = dev;
    m->conf = now.conf;
    m->conf.dev = &m->dev;
    m->format_missing = now.format_missing;
    m->format_always = now.format_always;
    m->memory = memory;
    m->memory_bytes = bytes;
    m->buf = buf;
    m->sent = sent;
    m->readers = readers;
    for (uint32_t i = 0; i < bus->max_readers; i++)
        m->readers[i] = (micro_flash_reader){.text = texts + i * (bus->max_subject_bytes + 1)};
    bus->state = m;
    return RILL_OK;
}

static int micro_flash_format(rill_bus *bus, ri_micro_flash *m)
{
    bus->host.entropy(bus->host.arg, &m->conf.log_id, sizeof m->conf.log_id);
    int rc = ri_flash_format(&m->conf, m->memory, m->memory_bytes);
    return rc < 0 ? rc : ri_flash_mount(&m->f, &m->conf, m->memory, m->memory_bytes);
}

static int micro_flash_open(rill_bus *bus, const rill_opts *opts)
{
    (void)opts;
    ri_micro_flash *m = bus->state;
    RI_ASSERT(m && m->conf.dev == &m->dev);
    int rc = RILL_ENOENT;
    if (!m->format_always) rc = ri_flash_mount(&m->f, &m->conf, m->memory, m->memory_bytes);
    if (rc == RILL_ENOENT && m->format_missing) rc = micro_flash_format(bus, m);
    if (rc == RILL_OK) ri_micro_bus_went(bus, true, 0);
    return rc;
}

static void micro_flash_close(rill_bus *bus)
{
    ri_micro_forward_end(bus);
}

RI_APART static void micro_flash_stats(rill_bus *bus)
{
    ri_flash_stats stats;
    ri_flash_stats_of(((ri_micro_flash *)bus->state)->f, &stats);
    bus->stats.store_appended_bytes = stats.asked_bytes;
    bus->stats.store_written_bytes = stats.programmed_bytes;
    bus->stats.store_damages = (uint64_t)stats.damaged + stats.lost_blocks;
}

/* ---- Names ---- */

ri_str ri_micro_flash_name(const ri_flash *f, uint32_t stream)
{
    ri_flash_stream_info info;
    ri_str name = RI_STR_NONE;
    if (ri_flash_stream_about(f, stream, &info) == RILL_OK) ri_str_cut(&info.name, ' ', &name);
    return name;
}

int ri_micro_flash_stream(const ri_flash *f, ri_str name)
{
    for (uint32_t i = 0; i < RI_FLASH_STREAMS; i++)
        if (name.len > 0 && ri_str_eq(ri_micro_flash_name(f, i), name)) return (int)i;
    return ri_err(RILL_ENOENT, "no stream %.*s on flash", RI_ARG(name));
}

/* The stream that takes the subject. */
RI_APART static int micro_flash_taker(const ri_flash *f, ri_str subject, bool *bucket)
{
    ri_flash_stream_info info;
    for (uint32_t i = 0; i < RI_FLASH_STREAMS; i++) {
        if (ri_flash_stream_about(f, i, &info) < 0) continue;
        ri_str rest = info.name, word;
        ri_str_cut(&rest, ' ', &word);
        while (ri_str_word(&rest, &word)) {
            if (!ri_subject_match(word, subject)) continue;
            *bucket = info.limits.flags & RI_FLASH_BUCKET;
            return (int)i;
        }
    }
    return ri_err(RILL_ENOREPLY, "no stream on flash takes %.*s", RI_ARG(subject));
}

/* ---- Streams ---- */

static int micro_flash_limits(const rill_stream_opts *opts, bool bucket, ri_flash_limits *out)
{
    if (opts->in_memory || opts->max_age_ms || opts->allow_ttl || opts->allow_schedules ||
        opts->max_msgs_per_subject > (bucket ? 1 : 0) || opts->keep == RILL_KEEP_INTEREST ||
        opts->dedupe_window_ms)
        return ri_err(RILL_ENOTSUP, "a stream on flash has no ages, no limits by subject, knows a "
                      "number of ids, and is kept by limits or as work; a bucket has a history of "
                      "1");
    *out = (ri_flash_limits){
        .flags = (bucket ? RI_FLASH_BUCKET : 0) |
                 (opts->keep == RILL_KEEP_WORK ? RI_FLASH_WORK : 0) |
                 (opts->reject_when_full && !bucket ? RI_FLASH_REJECT : 0),
        .max_msgs = (uint32_t)RI_MIN(opts->max_msgs, (uint64_t)UINT32_MAX),
        .max_bytes = (uint32_t)RI_MIN(opts->max_bytes, (uint64_t)UINT32_MAX),
    };
    return RILL_OK;
}

static int micro_flash_ensure(rill_bus *bus, ri_str stream, ri_str subjects,
                              const rill_stream_opts *opts, bool must_exist, ri_micro_call *call)
{
    ri_micro_flash *m = bus->state;
    ri_flash_limits limits;
    char title[RI_FLASH_TITLE];
    int rc = micro_flash_limits(opts, ri_str_starts(subjects, RI_STR("$KV.")), &limits);
    int there = ri_micro_flash_stream(m->f, stream);
    size_t len = stream.len + 1 + subjects.len;
    if (rc == RILL_OK && must_exist) {
        rc = RI_MIN(there, 0);
    } else if (rc == RILL_OK && len > sizeof title) {
        rc = ri_err(RILL_ETOOBIG, "the name and subjects of a stream on flash have %d bytes",
                    RI_FLASH_TITLE);
    } else if (rc == RILL_OK) {
        memcpy(title, stream.ptr, stream.len);
        title[stream.len] = ' ';
        memcpy(title + stream.len + 1, subjects.ptr, subjects.len);
        if (there >= 0 && ri_flash_stream_find(m->f, (ri_str){title, len}) < 0)
            rc = ri_err(RILL_EEXIST, "%.*s is on flash with other subjects", RI_ARG(stream));
        else rc = RI_MIN(ri_flash_stream_ensure(m->f, (ri_str){title, len}, &limits), 0);
    }
    if (rc >= 0) ri_micro_call_end(bus, call, rc, NULL);
    return rc;
}

/* ---- Appends ---- */

/* What a post asks of the store. Of its headers those that are stored stay in `out`. */
RI_APART static int micro_flash_asked(ri_micro_out *out, bool bucket, uint32_t *expect,
                                      bool *deletes, ri_str *id)
{
    *expect = RI_FLASH_ANY;
    *deletes = false;
    *id = RI_STR_NONE;
    for (size_t i = 0; i < out->nextras; i++) {
        ri_str name = out->extras[i].name;
        uint64_t n = 0;
        if (!bucket && ri_str_is(name, "Nats-Msg-Id")) { /* it is stored, too, for who reads it */
            *id = out->extras[i].value;
            continue;
        }
        if (!bucket || !ri_str_is(name, "Nats-Expected-Last-Subject-Sequence") ||
            !ri_number_read(out->extras[i].value, &n))
            return ri_err(RILL_ENOTSUP, "a store on flash does not know %.*s", RI_ARG(name));
        *expect = (uint32_t)RI_MIN(n, (uint64_t)RI_FLASH_ANY - 1);
    }
    for (size_t i = 0; bucket && i < out->nheaders; i++)
        *deletes |= ri_str_is(out->headers[i].name, "KV-Operation");
    if (bucket) out->nextras = out->nheaders = out->header_bytes = 0;
    return RILL_OK;
}

static int micro_flash_store(ri_micro_flash *m, uint32_t stream, bool bucket, ri_micro_out *out,
                             int64_t now_ns, uint32_t *seq)
{
    uint32_t expect;
    bool deletes;
    ri_str id;
    int rc = micro_flash_asked(out, bucket, &expect, &deletes, &id);
    if (rc < 0) return rc;
    if (out->header_bytes > m->conf.max_record)
        return ri_err(RILL_ETOOBIG, "the headers are more than a record on flash");
    if (out->header_bytes > 0) ri_micro_send_headers(m->buf, out);
    ri_flash_msg msg = {.subject = out->subject, .headers = {m->buf, out->header_bytes},
                        .data = out->data, .id = id, .time_ns = now_ns};
    if (!bucket) return ri_flash_append(m->f, stream, &msg, seq);
    if (!deletes) return ri_flash_put(m->f, stream, &msg, expect, seq);
    rc = ri_flash_delete(m->f, stream, &msg, expect);
    return rc == RILL_ENOENT && expect == RI_FLASH_ANY ? RILL_OK : rc; /* it is gone already */
}

static int64_t micro_flash_time(const rill_bus *bus)
{
    return bus->host.wall_ns ? bus->host.wall_ns(bus->host.arg) : ri_micro_bus_now(bus);
}

static int micro_flash_append(rill_bus *bus, ri_micro_out *out, ri_micro_call *call)
{
    ri_micro_flash *m = bus->state;
    uint32_t seq = 0;
    bool bucket = false;
    RI_ASSERT(call->kind == RI_MICRO_CALL_APPEND && !call->over);
    int rc = micro_flash_taker(m->f, out->subject, &bucket);
    if (rc >= 0) rc = micro_flash_store(m, (uint32_t)rc, bucket, out, micro_flash_time(bus), &seq);
    if (rc < 0) return rc;
    micro_flash_stats(bus);
    m->due_now = true;
    call->receipt.seq = seq;
    call->receipt.duplicate = rc == 1;
    ri_micro_call_end(bus, call, RILL_OK, NULL);
    return RILL_OK;
}

static int micro_flash_publish(rill_bus *bus, const ri_micro_out *out, ri_micro_call *call)
{
    (void)bus;
    (void)out;
    (void)call;
    return ri_err(RILL_ENOTSUP, "a store on flash has no live subjects: rill_append()");
}

static ri_micro_msg *micro_flash_slot(rill_bus *bus, uint32_t stream, const ri_flash_msg *found)
{
    ri_micro_flash *m = bus->state;
    ri_micro_msg *msg = ri_micro_msg_new(bus);
    if (!msg) return NULL;
    bool fits = ri_micro_msg_fill(msg, found->subject, RI_STR_NONE, found->headers, found->data);
    RI_ASSERT(fits); /* max_record is no more than max_msg_bytes */
    (void)fits;
    msg->m.seq = found->seq;
    msg->m.time_ns = found->time_ns;
    msg->m.deliveries = found->tries;
    msg->m.stream = ri_micro_flash_name(m->f, stream);
    return msg;
}

static int micro_flash_get(rill_bus *bus, ri_str stream, ri_str subject, ri_micro_call *call)
{
    ri_micro_flash *m = bus->state;
    ri_flash_msg found;
    RI_ASSERT(call->kind == RI_MICRO_CALL_REQUEST && !call->over);
    int rc = ri_micro_flash_stream(m->f, stream), bucket = rc;
    if (rc >= 0)
        rc = ri_flash_get(m->f, (uint32_t)bucket, subject, m->buf, m->conf.max_record, &found);
    if (rc < 0) return rc;
    ri_micro_msg *msg = micro_flash_slot(bus, (uint32_t)bucket, &found);
    if (!msg) return ri_err(RILL_EAGAIN, "all messages are held");
    ri_micro_call_end(bus, call, RILL_OK, msg);
    ri_micro_msg_drop(msg);
    return RILL_OK;
}

/* ---- Readers ---- */

static int micro_flash_reads(ri_micro_flash *m, micro_flash_reader *r, const ri_micro_ask *ask)
{
    ri_flash_stream_info info;
    int rc = ri_micro_flash_stream(m->f, ask->stream);
    if (rc < 0) return rc;
    r->stream = (uint32_t)rc;
    ri_flash_stream_about(m->f, r->stream, &info);
    if (!ask->watch && (info.limits.flags & RI_FLASH_BUCKET))
        return ri_err(RILL_ENOTSUP, "a bucket on flash is watched, and not read");
    r->watch = ask->watch;
    r->seq = ask->from == RILL_FROM_SEQ
                 ? (uint32_t)RI_MIN(ask->opts->from_seq, (uint64_t)UINT32_MAX) : 0;
    if (ask->from == RILL_FROM_NEW) r->seq = info.last_seq + 1;
    if (ask->from == RILL_FROM_LAST) r->seq = info.last_seq;
    if (ask->opts->headers_only || (ask->from == RILL_FROM_LAST_PER_SUBJECT && !ask->watch) ||
        (ask->from == RILL_FROM_LAST && ask->filter.len > 0))
        return ri_err(RILL_ENOTSUP, "a stream on flash is read whole: no last of a subject or "
                      "filter, no headers alone");
    if (ask->ordered) return RILL_OK;
    if (ask->group.len == 0 || ask->filter.len > 0 || ask->from || ask->opts->max_deliveries)
        return ri_err(RILL_ENOTSUP, "who consumes from flash has a group, which reads all from the "
                      "first on, without an end of deliveries");
    rc = ri_flash_group_ensure(m->f, r->stream, ask->group);
    r->group = rc < 0 ? RI_MICRO_FLASH_NONE : (uint32_t)rc;
    return RI_MIN(rc, 0);
}

/* Deletions are kept from the first on that a watch has not read. The last that was lost. */
static uint32_t micro_flash_watched(const rill_bus *bus, uint32_t stream)
{
    ri_micro_flash *m = bus->state;
    uint32_t from = 0;
    for (uint32_t i = 0; i < bus->max_readers; i++) {
        const micro_flash_reader *r = &m->readers[i];
        if (!r->sub || !r->watch || r->stream != stream || r->sub->state != RI_MICRO_SUB_OPEN)
            continue;
        uint32_t next = RI_MAX(r->seq, 1u);
        from = from ? RI_MIN(from, next) : next;
    }
    return ri_flash_watch(m->f, stream, from);
}

static int micro_flash_consume(rill_bus *bus, rill_sub *sub, const ri_micro_ask *ask,
                               ri_micro_call *call)
{
    ri_micro_flash *m = bus->state;
    micro_flash_reader *r = m->readers, *end = r + bus->max_readers;
    while (r < end && r->sub) r++;
    if (r == end)
        return ri_err(RILL_EFULL, "all %lu readers are in use", (unsigned long)bus->max_readers);
    char *text = r->text;
    *r = (micro_flash_reader){.text = text, .group = RI_MICRO_FLASH_NONE,
                              .filter = {text, ask->filter.len},
                              .ack_wait_ms = ask->opts->ack_wait_ms,
                              .no_ack = ask->opts->ack == RILL_ACK_NONE,
                              .upto = ask->opts->ack == RILL_ACK_UPTO};
    if (ask->filter.len > 0) memcpy(text, ask->filter.ptr, ask->filter.len);
    if (r->ack_wait_ms == 0) r->ack_wait_ms = MICRO_FLASH_WAIT_MS;
    int rc = micro_flash_reads(m, r, ask);
    if (rc < 0) return rc;
    r->sub = sub;
    sub->reader = r;
    if (r->watch) r->lost = micro_flash_watched(bus, r->stream);
    m->due_now = true;
    ri_micro_call_end(bus, call, RILL_OK, NULL);
    return RILL_OK;
}

static void micro_flash_forget(rill_bus *bus, rill_sub *sub)
{
    micro_flash_reader *r = sub->reader;
    RI_ASSERT(r->sub == sub);
    r->sub = NULL;
    if (r->watch) micro_flash_watched(bus, r->stream);
}

static void micro_flash_want(rill_bus *bus, rill_sub *sub, uint32_t msgs, int64_t until_ns)
{
    (void)bus;
    (void)until_ns;
    ((micro_flash_reader *)sub->reader)->wanted = msgs;
}

static bool micro_flash_wants(const rill_bus *bus, const micro_flash_reader *r)
{
    if (!r->sub || r->sub->state != RI_MICRO_SUB_OPEN || r->sub->first) return false;
    return (r->sub->on_msg || r->wanted > 0) && bus->slots_free > 0 &&
           ri_micro_sub_has_room(r->sub, 0);
}

/* The next message for this reader. RILL_EAGAIN: none now. */
RI_APART static int micro_flash_next(rill_bus *bus, micro_flash_reader *r, ri_flash_msg *found)
{
    ri_micro_flash *m = bus->state;
    if (r->group != RI_MICRO_FLASH_NONE)
        return ri_flash_group_next(m->f, r->group, ri_micro_bus_now(bus), r->ack_wait_ms, m->buf,
                                   m->conf.max_record, found);
    for (;;) {
        int rc = ri_flash_next(m->f, r->stream, r->seq, m->buf, m->conf.max_record, found);
        if (rc < 0) return rc == RILL_ENOENT ? RILL_EAGAIN : rc;
        r->seq = found->seq + 1;
        if (r->filter.len == 0 || ri_subject_match(r->filter, found->subject)) return RILL_OK;
    }
}

/* What a watch says of a message, when the next one may be looked at. */
static void micro_flash_key(rill_bus *bus, micro_flash_reader *r, ri_micro_msg *msg, bool deleted)
{
    ri_flash_msg next;
    uint32_t seq = r->seq;
    RI_ASSERT(r->watch && ri_str_starts(msg->m.stream, RI_STR("KV_")));
    msg->m.key = ri_str_from(msg->m.subject, sizeof "$KV." - 1 + msg->m.stream.len - 3 + 1);
    if (deleted) msg->m.flags |= RILL_MSG_DELETED;
    if (r->caught_up || micro_flash_next(bus, r, &next) != RILL_EAGAIN) {
        r->seq = seq;
        return;
    }
    r->caught_up = true;
    msg->m.flags |= RILL_MSG_CAUGHT_UP;
}

/* There was nothing at all when it began. */
static bool micro_flash_mark(rill_bus *bus, micro_flash_reader *r)
{
    const ri_str none = RI_STR_NONE;
    ri_micro_msg *mark = ri_micro_msg_new(bus);
    RI_ASSERT(mark);
    ri_micro_msg_fill(mark, none, none, none, none);
    mark->m.flags = RILL_MSG_CAUGHT_UP;
    r->caught_up = true;
    if (r->wanted > 0) r->wanted--;
    ri_micro_sub_take(r->sub, mark, true);
    ri_micro_msg_drop(mark);
    return true;
}

/* RILL_EFULL: a watch has lost a deletion that made room for another key. */
static int micro_flash_lost(const rill_bus *bus, const micro_flash_reader *r)
{
    uint32_t lost = r->watch ? micro_flash_watched(bus, r->stream) : 0;
    if (lost <= r->lost || lost < r->seq) return RILL_OK;
    return ri_err(RILL_EFULL, "a watch has not read a deletion before its entry of keys= in the "
                  "URL was needed");
}

/* True: one message more has been handed on. */
RI_APART static bool micro_flash_deliver(rill_bus *bus, micro_flash_reader *r)
{
    ri_flash_msg found;
    rill_sub *sub = r->sub;
    RI_ASSERT(sub && sub->reader == r && bus->slots_free > 0);
    int rc = micro_flash_lost(bus, r);
    if (rc == RILL_OK) rc = micro_flash_next(bus, r, &found);
    if (rc == RILL_EAGAIN && r->watch && !r->caught_up) return micro_flash_mark(bus, r);
    if (rc < 0) {
        if (rc != RILL_EAGAIN) { /* the stream has gone, or the flash fails */
            ri_micro_bus_error(bus, rc);
            ri_micro_sub_stop(sub);
        }
        return false;
    }
    ri_micro_msg *msg = micro_flash_slot(bus, r->stream, &found);
    RI_ASSERT(msg);
    msg->reader = sub->sid;
    if (r->group != RI_MICRO_FLASH_NONE && r->no_ack)
        (void)ri_flash_group_ack(((ri_micro_flash *)bus->state)->f, r->group, found.seq);
    else if (r->group != RI_MICRO_FLASH_NONE)
        msg->ack = (ri_str){&micro_flash_acks[r->group], r->upto ? 2 : 1};
    if (r->watch) micro_flash_key(bus, r, msg, found.deleted);
    if (r->wanted > 0) r->wanted--;
    ri_micro_sub_take(sub, msg, true);
    ri_micro_msg_drop(msg);
    return true;
}

static int micro_flash_settle(rill_bus *bus, ri_micro_msg *msg, ri_micro_settle how,
                              uint32_t delay_ms)
{
    ri_micro_flash *m = bus->state;
    uint32_t group = (uint32_t)(msg->ack.ptr - micro_flash_acks), seq = (uint32_t)msg->m.seq;
    RI_ASSERT(group < RI_FLASH_GROUPS);
    m->due_now = true;
    if (how == RI_MICRO_ACK && msg->ack.len == 2) return ri_flash_group_ack_all(m->f, group, seq);
    if (how == RI_MICRO_ACK || how == RI_MICRO_TERM) return ri_flash_group_ack(m->f, group, seq);
    if (how == RI_MICRO_WORKING) delay_ms = MICRO_FLASH_WAIT_MS;
    return ri_flash_group_nak(m->f, group, seq, ri_micro_bus_now(bus), delay_ms);
}

/* ---- Turns ---- */

static int micro_flash_turn(rill_bus *bus)
{
    ri_micro_flash *m = bus->state;
    m->due_now = false; /* a callback may set it */
    int moved = ri_micro_forward_turn(bus);
    for (uint32_t i = 0; i < bus->max_readers; i++) {
        micro_flash_reader *r = &m->readers[i];
        if (micro_flash_wants(bus, r)) moved += micro_flash_deliver(bus, r);
    }
    micro_flash_stats(bus);
    m->due_now |= moved > 0;
    return moved;
}

static int64_t micro_flash_due(rill_bus *bus)
{
    ri_micro_flash *m = bus->state;
    if (m->due_now) return 0;
    int64_t due = ri_micro_forward_due(bus), now = ri_micro_bus_now(bus);
    for (uint32_t i = 0; i < bus->max_readers; i++) {
        const micro_flash_reader *r = &m->readers[i];
        if (!micro_flash_wants(bus, r) || r->group == RI_MICRO_FLASH_NONE) continue;
        uint32_t wait_ms = ri_flash_group_due(m->f, r->group, now);
        if (wait_ms != UINT32_MAX) due = RI_MIN(due, ri_ns_add(now, ri_ns_of_ms(wait_ms)));
    }
    return due;
}

static bool micro_flash_flushed(rill_bus *bus, bool begin)
{
    (void)bus;
    (void)begin;
    return true;
}

static void micro_flash_listen(rill_bus *bus, rill_sub *sub)
{
    ri_micro_bus_error(bus, ri_err(RILL_ENOTSUP, "a store on flash has no live subjects: "
                                                 "rill_consume(), rill_tail()"));
    ri_micro_sub_stop(sub);
}

static void micro_flash_unlisten(rill_bus *bus, rill_sub *sub)
{
    (void)bus;
    if (sub->state == RI_MICRO_SUB_ENDING) ri_micro_sub_free(sub);
}

const ri_micro_peer ri_micro_flash_peer = {
    .scheme = "flash:", .caps = RILL_CAN_STREAM | RILL_CAN_KV, .at_once = true,
    .lay = micro_flash_lay, .open = micro_flash_open, .close = micro_flash_close,
    .turn = micro_flash_turn, .due = micro_flash_due, .flushed = micro_flash_flushed,
    .publish = micro_flash_publish, .listen = micro_flash_listen, .unlisten = micro_flash_unlisten,
    .append = micro_flash_append, .get = micro_flash_get, .ensure = micro_flash_ensure,
    .consume = micro_flash_consume, .want = micro_flash_want, .forget = micro_flash_forget,
    .settle = micro_flash_settle,
};

#endif
