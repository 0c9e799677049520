/* SPDX-License-Identifier: Apache-2.0 */
/* /metrics: what a monitoring system reads again and again, as OpenMetrics text for who asks for
 * that type, else as Prometheus' own, which is older. They differ in the names of counters on their
 * TYPE lines and in the last line.
 *
 * All samples of a family stand together, while streams and consumers are walked once, in slices of
 * the turn: so each family of theirs has a buffer of its own, and the buffers follow each other in
 * the end. The place of the walk is the name that was looked at last, so that streams and consumers
 * may come and go meanwhile.
 *
 *     broker   -> body
 *     stream   -> {account,stream} ---------> one buffer a family \
 *       consumer -> {account,stream,consumer} -> one buffer a family > body
 *     group    -> {account,group} ----------> one buffer a family /
 *       what it has committed -> {account,group,topic,partition}  /
 *
 * Groups are those of a door that has some, and come last. Names of theirs may be long, and they
 * may commit for very many partitions, so there is a bound to their samples: the rest is left out,
 * and a sample says so.
 *
 * What is known only by reading messages is not asked for, since 10 000 consumers would read 10 000
 * messages: the lag in bytes and in seconds is worked out from the stream's mean message and from
 * the times of its first and last one. The help text says so. Where the time of the first is not at
 * hand there is no lag in seconds.
 *
 * Accounts are counted, and rooms are walked, in slices too. The broker's own samples stand in
 * front and are made last, when the sums over accounts and rooms are complete. */
#include "base/assert.h"
#include "base/json_text.h"
#include "base/number.h"
#include "base/saturate.h"
#include "codec/limits.h"
#include "engine/groups/groups.h"
#include "engine/streams/consumer.h"
#include "engine/streams/fetch.h"
#include "front/broker/durable.h"
#include "front/broker/rooms.h"
#include "front/http/http_answer.h"

#include <stdio.h>

enum {
    METRICS_UNITS = 12,     /* of the turn, for a stream or a consumer: ten samples are copied */
    METRICS_SEGMENTS = 32,  /* so many segments of a log that are looked at are a unit */
    METRICS_NAMES = 64,     /* so many bytes of labels are a unit: each sample copies them */
    METRICS_GROUPS = 16 * 1024 * 1024, /* bytes of the samples of groups, about, at most */
    METRICS_LAST = 64,      /* bytes of the last line, and more */
    METRICS_VALUE = RI_NUMBER_MAX + 8, /* bytes of a value with its decimals and the line's end */
};

typedef struct metrics_family {
    const char *name, *type, *help;
    const char *sample; /* the name as its samples have it */
    size_t sample_len;
} metrics_family;

#define METRICS_GAUGES(name, help) {name, "gauge", help, name, sizeof name - 1}
#define METRICS_COUNTERS(name, help) \
    {name, "counter", help, name "_total", sizeof name "_total" - 1}

/* ---- Families of streams, consumers and groups ---- */

typedef enum metrics_of {
    STREAM_MESSAGES,
    STREAM_BYTES,
    STREAM_FIRST,
    STREAM_LAST,
    STREAM_SUBJECTS,
    STREAM_DELETED,
    STREAM_CONSUMERS,
    STREAM_TIME,
    CONSUMER_LAG,
    CONSUMER_LAG_BYTES,
    CONSUMER_LAG_SECONDS,
    CONSUMER_UNACKED,
    CONSUMER_REDELIVERED,
    CONSUMER_WAITING,
    CONSUMER_DELIVERED,
    CONSUMER_PAUSED,
    CONSUMER_DEAD,
    GROUP_MEMBERS,
    GROUP_STATE,
    GROUP_LAG,
    GROUP_LAG_BYTES,
    GROUP_LAG_SECONDS,
    METRICS_FAMILIES,
} metrics_of;

static const metrics_family metrics_families[METRICS_FAMILIES] = {
    [STREAM_MESSAGES] = METRICS_GAUGES("rill_stream_messages", "Messages in the stream."),
    [STREAM_BYTES] = METRICS_GAUGES("rill_stream_size_bytes", "Size of these messages as stored."),
    [STREAM_FIRST] = METRICS_GAUGES("rill_stream_first_sequence", "Number of the first message."),
    [STREAM_LAST] = METRICS_GAUGES("rill_stream_last_sequence", "Number of the last message."),
    [STREAM_SUBJECTS] = METRICS_GAUGES("rill_stream_subjects", "Different subjects in the stream."),
    [STREAM_DELETED] = METRICS_GAUGES(
        "rill_stream_deleted_messages",
        "Numbers between the first and the last that have no message."),
    [STREAM_CONSUMERS] = METRICS_GAUGES("rill_stream_consumers", "Consumers of the stream."),
    [STREAM_TIME] = METRICS_GAUGES(
        "rill_stream_last_timestamp_seconds",
        "When the last message was stored, since 1970; 0 if there was none."),
    [CONSUMER_LAG] = METRICS_GAUGES(
        "rill_consumer_lag_messages",
        "Messages that were not yet delivered to the consumer."),
    [CONSUMER_LAG_BYTES] = METRICS_GAUGES(
        "rill_consumer_lag_bytes",
        "Their size, by the mean message of the stream (an estimate)."),
    [CONSUMER_LAG_SECONDS] = METRICS_GAUGES(
        "rill_consumer_lag_seconds",
        "Age of the oldest message that is not settled, by its place between the first "
        "and the last of the stream (an estimate). It is left out while the time of the "
        "first would have to be read."),
    [CONSUMER_UNACKED] = METRICS_GAUGES(
        "rill_consumer_unacked_messages",
        "Messages that were delivered and not acknowledged."),
    [CONSUMER_REDELIVERED] = METRICS_GAUGES(
        "rill_consumer_redelivered_messages",
        "Of these, delivered more than once."),
    [CONSUMER_WAITING] = METRICS_GAUGES(
        "rill_consumer_waiting_pulls",
        "Pull requests that wait for messages."),
    [CONSUMER_DELIVERED] = METRICS_COUNTERS(
        "rill_consumer_deliveries",
        "Deliveries, with those that were made again."),
    [CONSUMER_PAUSED] = METRICS_GAUGES(
        "rill_consumer_paused",
        "1 if the consumer is paused, else 0."),
    [CONSUMER_DEAD] = METRICS_COUNTERS(
        "rill_consumer_dead_letters",
        "Messages that were given up on and moved, of consumers with a stream for these."),
    [GROUP_MEMBERS] = METRICS_GAUGES("rill_group_members", "Members of the group of consumers."),
    [GROUP_STATE] = METRICS_GAUGES("rill_group_state", "1, with the state that the group is in."),
    [GROUP_LAG] = METRICS_GAUGES(
        "rill_group_lag_messages",
        "Records of the partition behind the offset that the group has committed."),
    [GROUP_LAG_BYTES] = METRICS_GAUGES(
        "rill_group_lag_bytes",
        "Their size, by the mean record of the partition (an estimate)."),
    [GROUP_LAG_SECONDS] = METRICS_GAUGES(
        "rill_group_lag_seconds",
        "Age of the first of them, by its place between the first and the last of the "
        "partition (an estimate)."),
};

/* What of a stream its consumers' lag, or that of groups, is worked out from. */
typedef struct metrics_stream {
    uint64_t first_seq, last_seq, messages, bytes;
    int64_t first_ns, last_ns;
} metrics_stream;

typedef struct metrics_work {
    bool open;              /* OpenMetrics */
    bool begun;
    struct ri_durable *house; /* the broker's when the walk began; NULL: it had none */
    struct ri_durable *room; /* whose streams are walked; it stays as long as the house is the
                                broker's; NULL: the first is next */
    bool in_room;           /* not all of its streams are walked */
    size_t account;         /* that is counted next */
    rill_stats sums;        /* over accounts and rooms */
    ri_durable_writes writes; /* over rooms */
    bool in_stream;         /* the consumers of the stream named last are walked */
    ri_buffer stream, consumer; /* the names that were looked at last; empty: none */
    ri_buffer labels;       /* of the sample at hand */
    size_t stream_labels;   /* bytes of these that are the stream's, or the group's */
    bool grouped;           /* the walk of groups is over, or there are none */
    bool in_group;          /* what the last one has committed is walked */
    bool groups_cut;        /* some of it is left out */
    ri_groups *groups;      /* that are walked, as long as the walk is on */
    ri_groups_walk walk;
    metrics_stream at;
    int64_t now_ns;         /* wall clock, of this slice */
    size_t *sizes;          /* of these buffers the last time, so that they need not grow */
    ri_buffer out[METRICS_FAMILIES];
} metrics_work;

_Static_assert((int)METRICS_FAMILIES <= (int)RI_HTTP_FAMILIES, "a size for each");

/* ---- Text ---- */

/* A value of a label: what is no UTF-8 becomes U+FFFD. */
static void metrics_put_value(ri_buffer *out, ri_str value)
{
    for (size_t i = 0; i < value.len;) {
        const unsigned char *p = (const unsigned char *)value.ptr + i;
        size_t n = ri_json_text_utf8_len(p, value.len - i);
        if (n == 0) ri_buffer_puts(out, "\xef\xbf\xbd");
        else if (*p == '\n') ri_buffer_puts(out, "\\n");
        else if (*p == '"' || *p == '\\') ri_buffer_printf(out, "\\%c", *p);
        else ri_buffer_put(out, p, n);
        i += n ? n : 1;
    }
}

static void metrics_put_u64(ri_buffer *out, uint64_t n)
{
    char *room = ri_buffer_room(out, RI_NUMBER_MAX);
    if (room) ri_buffer_added(out, ri_number_write(room, n));
}

static void metrics_put_head(ri_buffer *out, bool open, const metrics_family *family)
{
    bool total = strcmp(family->type, "counter") == 0 && !open;
    ri_buffer_printf(out, "# HELP %s%s %s\n# TYPE %s%s %s\n", family->name, total ? "_total" : "",
                     family->help, family->name, total ? "_total" : "", family->type);
}

/* The beginning of a sample, up to its value. */
static void metrics_put_name(ri_buffer *out, const metrics_family *family)
{
    ri_buffer_put(out, family->sample, family->sample_len);
}

/* There are a dozen samples for each thing, so each is written at once, with one look for room:
 * name and labels, and where its value is to stand. NULL: there is no memory. */
static char *metrics_begin(metrics_work *w, metrics_of of)
{
    ri_buffer *out = &w->out[of];
    const metrics_family *family = &metrics_families[of];
    ri_str labels = ri_buffer_str(&w->labels);
    if (ri_unlikely(ri_buffer_size(out) == 0)) {
        ri_buffer_room(out, w->sizes[of] + METRICS_LAST);
        metrics_put_head(out, w->open, family);
    }
    char *at = ri_buffer_room(out, family->sample_len + labels.len + METRICS_VALUE);
    if (!at || w->labels.failed) return NULL;
    memcpy(at, family->sample, family->sample_len);
    memcpy(at + family->sample_len, labels.ptr, labels.len);
    return at + family->sample_len + labels.len;
}

static void metrics_end(metrics_work *w, metrics_of of, char *at)
{
    ri_buffer *out = &w->out[of];
    *at++ = '\n';
    ri_buffer_added(out, (size_t)(at - (out->ptr + out->len)));
}

static void metrics_put(metrics_work *w, metrics_of of, uint64_t value)
{
    char *at = metrics_begin(w, of);
    if (!at) return;
    at += ri_number_write(at, value);
    metrics_end(w, of, at);
}

/* Milliseconds are what a scrape can make use of. */
static void metrics_put_seconds(metrics_work *w, metrics_of of, int64_t ns)
{
    uint64_t ms = (uint64_t)RI_MAX(ns, 0) / RI_MS;
    char *at = metrics_begin(w, of);
    if (!at) return;
    at += ri_number_write(at, ms / 1000);
    *at++ = '.';
    for (uint64_t unit = 100; unit; unit /= 10) *at++ = (char)('0' + ms / unit % 10);
    metrics_end(w, of, at);
}

/* ---- Streams and consumers ---- */

static void metrics_label_stream(metrics_work *w, const char *account, ri_str stream)
{
    ri_buffer_reset(&w->labels);
    ri_buffer_puts(&w->labels, "{account=\"");
    metrics_put_value(&w->labels, ri_str_of(account));
    ri_buffer_puts(&w->labels, "\",stream=\"");
    metrics_put_value(&w->labels, stream);
    ri_buffer_puts(&w->labels, "\"");
    w->stream_labels = ri_buffer_size(&w->labels);
    ri_buffer_puts(&w->labels, "} ");
}

static void metrics_label_consumer(metrics_work *w, ri_str consumer)
{
    ri_buffer_cut(&w->labels, w->stream_labels);
    ri_buffer_puts(&w->labels, ",consumer=\"");
    metrics_put_value(&w->labels, consumer);
    ri_buffer_puts(&w->labels, "\"} ");
}

static void metrics_look_at(metrics_work *w, const ri_stream_state *state)
{
    w->at = (metrics_stream){state->first_seq, state->last_seq, state->messages, state->bytes,
                             state->first_ts, state->last_ts};
}

static void metrics_stream_put(metrics_work *w, const char *account, ri_stream *stream)
{
    ri_stream_state of_now;
    ri_str name = ri_stream_conf_of(stream)->name;
    ri_stream_state_at_hand(stream, &of_now);
    const ri_stream_state *state = &of_now;
    metrics_look_at(w, state);
    ri_buffer_reset(&w->stream);
    ri_buffer_put_str(&w->stream, name);
    metrics_label_stream(w, account, name);
    metrics_put(w, STREAM_MESSAGES, state->messages);
    metrics_put(w, STREAM_BYTES, state->bytes);
    metrics_put(w, STREAM_FIRST, state->first_seq);
    metrics_put(w, STREAM_LAST, state->last_seq);
    metrics_put(w, STREAM_SUBJECTS, state->num_subjects);
    metrics_put(w, STREAM_DELETED, state->num_deleted);
    metrics_put(w, STREAM_CONSUMERS, state->consumer_count);
    metrics_put_seconds(w, STREAM_TIME, state->last_ts);
}

/* One message, or none, is the last: that one's time is always known. */
static bool metrics_has_age(const metrics_stream *s)
{
    return s->messages == 0 || s->last_seq <= s->first_seq || s->first_ns != 0;
}

/* The age of the first message behind `floor`, as if the stream had grown evenly. */
static int64_t metrics_age_ns(const metrics_stream *s, uint64_t floor, int64_t now_ns)
{
    uint64_t seq = RI_MIN(RI_MAX(floor + 1, s->first_seq), s->last_seq);
    if (s->messages == 0 || s->last_seq <= s->first_seq) return ri_ns_sub(now_ns, s->last_ns);
    double part = (double)(seq - s->first_seq) / (double)(s->last_seq - s->first_seq);
    double ahead_ns = part * (double)ri_ns_sub(s->last_ns, s->first_ns);
    int64_t whole_ns = ahead_ns < 0x1p62 ? (int64_t)ahead_ns : INT64_MAX;
    return ri_ns_sub(ri_ns_sub(now_ns, s->first_ns), whole_ns);
}

static void metrics_put_sizes(metrics_work *w, metrics_of of, uint64_t messages)
{
    double mean = w->at.messages ? (double)w->at.bytes / (double)w->at.messages : 0;
    metrics_put(w, of, (uint64_t)((double)messages * mean));
}

static void metrics_put_age(metrics_work *w, metrics_of of, bool behind, uint64_t floor)
{
    if (!behind) metrics_put_seconds(w, of, 0);
    else if (metrics_has_age(&w->at))
        metrics_put_seconds(w, of, metrics_age_ns(&w->at, floor, w->now_ns));
}

static void metrics_consumer_put(metrics_work *w, ri_consumer *consumer)
{
    ri_consumer_info info;
    ri_consumer_info_of(consumer, &info);
    bool behind = info.num_pending || info.num_ack_pending;
    metrics_label_consumer(w, info.name);
    metrics_put(w, CONSUMER_LAG, info.num_pending);
    metrics_put_sizes(w, CONSUMER_LAG_BYTES, info.num_pending);
    metrics_put_age(w, CONSUMER_LAG_SECONDS, behind, info.ack_floor.stream_seq);
    metrics_put(w, CONSUMER_UNACKED, info.num_ack_pending);
    metrics_put(w, CONSUMER_REDELIVERED, info.num_redelivered);
    metrics_put(w, CONSUMER_WAITING, info.num_waiting);
    metrics_put(w, CONSUMER_DELIVERED, info.delivered.consumer_seq);
    metrics_put(w, CONSUMER_PAUSED, info.paused);
    uint64_t dead;
    if (ri_dead_count(consumer, &dead)) metrics_put(w, CONSUMER_DEAD, dead);
}

/* ---- Groups ---- */

static void metrics_group_put(metrics_work *w, const ri_group_info *info)
{
    ri_buffer *labels = &w->labels;
    ri_buffer_reset(labels);
    ri_buffer_puts(labels, "{account=\"");
    metrics_put_value(labels, ri_str_of(ri_rooms_account(w->house)));
    ri_buffer_puts(labels, "\",group=\"");
    metrics_put_value(labels, info->name);
    w->stream_labels = ri_buffer_size(labels);
    ri_buffer_puts(labels, "\"} ");
    metrics_put(w, GROUP_MEMBERS, info->nmembers);
    ri_buffer_cut(labels, w->stream_labels);
    ri_buffer_printf(labels, "\",type=\"%.*s\",state=\"%.*s\"} ", RI_ARG(info->type),
                     RI_ARG(info->state));
    metrics_put(w, GROUP_STATE, 1);
}

/* As Kafka's tools count: from what was committed to the end, also where records are gone. One that
 * is no offset says nothing. */
static void metrics_offset_put(metrics_work *w, const ri_group_offset *at)
{
    ri_stream_state state;
    ri_fetch_ends ends;
    ri_stream *stream = at->offset < 0 ? NULL : ri_groups_partition(w->groups, at);
    if (!stream) return;
    ri_fetch_ends_of(stream, &ends);
    ri_stream_state_at_hand(stream, &state);
    metrics_look_at(w, &state);
    uint64_t lag = (uint64_t)RI_MAX(ends.end - at->offset, 0);
    ri_buffer_cut(&w->labels, w->stream_labels);
    ri_buffer_puts(&w->labels, "\",topic=\"");
    metrics_put_value(&w->labels, at->topic);
    ri_buffer_printf(&w->labels, "\",partition=\"%d\"} ", at->partition);
    metrics_put(w, GROUP_LAG, lag);
    metrics_put_sizes(w, GROUP_LAG_BYTES, RI_MIN(lag, state.messages));
    metrics_put_age(w, GROUP_LAG_SECONDS, lag > 0, (uint64_t)at->offset);
}

static void metrics_groups_begin(metrics_work *w, ri_broker *broker)
{
    ri_list_each (link, &broker->doors) {
        ri_door *door = ri_container_of(link, ri_door, link);
        if (!w->groups && door->ops->groups) w->groups = door->ops->groups(door);
    }
    w->grouped = !w->groups;
    if (w->groups) ri_groups_walk_begin(w->groups, &w->walk);
}

static bool metrics_groups_are_long(const metrics_work *w)
{
    size_t bytes = 0;
    for (int i = GROUP_MEMBERS; i <= GROUP_LAG_SECONDS; i++) bytes += ri_buffer_size(&w->out[i]);
    return bytes >= METRICS_GROUPS;
}

/* The next group, or what the last one has committed next: as ri_groups_walk_next(). */
static int metrics_groups_next(metrics_work *w)
{
    ri_group_info info;
    ri_group_offset offset;
    int rc = w->in_group ? ri_groups_walk_offset(w->groups, &w->walk, &offset) : 0;
    if (rc == 1) metrics_offset_put(w, &offset);
    if (rc != 0) return rc;
    w->in_group = false;
    if ((rc = ri_groups_walk_next(w->groups, &w->walk, &info)) != 1) return rc;
    metrics_group_put(w, &info);
    w->in_group = true;
    return 1;
}

/* True where all of it is done, false where the turn is over; as below. */
static bool metrics_groups(metrics_work *w, ri_broker *broker, ri_budget *budget)
{
    int rc = 1;
    if (!w->grouped && !w->groups) metrics_groups_begin(w, broker);
    if (w->grouped) return true;
    while (!(w->groups_cut = metrics_groups_are_long(w)) && (rc = metrics_groups_next(w)) == 1)
        if (!ri_budget_spend(budget, METRICS_UNITS + ri_buffer_size(&w->labels) / METRICS_NAMES))
            return false;
    if (rc == RI_CURSOR_CUT) return false;
    ri_groups_walk_end(&w->walk);
    w->grouped = true;
    return true;
}

/* ---- The walk: true where all of it is done, false where the turn is over ---- */

static bool metrics_consumers(metrics_work *w, ri_stream *stream, ri_budget *budget)
{
    size_t n;
    ri_consumer *const *all = ri_js_consumers_after(stream, ri_buffer_str(&w->consumer), &n);
    for (size_t i = 0; i < n; i++) {
        if (!ri_ahead_count_on(all[i])) return false;
        if (!ri_consumer_is_offline(all[i])) metrics_consumer_put(w, all[i]);
        ri_buffer_reset(&w->consumer);
        ri_buffer_put_str(&w->consumer, ri_consumer_name(all[i]));
        if (!ri_budget_spend(budget, METRICS_UNITS) && i + 1 < n) return false;
    }
    return true;
}

static bool metrics_stream_on(metrics_work *w, ri_stream *stream, ri_budget *budget)
{
    if (stream && !metrics_consumers(w, stream, budget)) return false;
    w->in_stream = false;
    ri_buffer_reset(&w->consumer);
    return true;
}

static bool metrics_room(metrics_work *w, ri_js *js, const char *account, ri_budget *budget)
{
    size_t n;
    if (w->in_stream &&
        !metrics_stream_on(w, ri_js_stream(js, ri_buffer_str(&w->stream)), budget))
        return false;
    ri_stream *const *all = ri_js_streams_after(js, ri_buffer_str(&w->stream), &n);
    for (size_t i = 0; i < n; i++) {
        metrics_stream_put(w, account, all[i]);
        w->in_stream = true;
        ri_budget_spend(budget, METRICS_UNITS);
        if (!metrics_stream_on(w, all[i], budget)) return false;
        if (!ri_budget_left(budget) && i + 1 < n) return false;
    }
    return true;
}

static bool metrics_failed(const metrics_work *w)
{
    bool failed = w->stream.failed || w->consumer.failed || w->labels.failed;
    for (int i = 0; i < METRICS_FAMILIES; i++) failed = failed || w->out[i].failed;
    return failed;
}

/* ---- The broker ---- */

static void metrics_broker_put(ri_http_answer *a, const metrics_family *family, uint64_t value)
{
    metrics_put_head(&a->body, a->open_metrics, family);
    metrics_put_name(&a->body, family);
    ri_buffer_puts(&a->body, " ");
    metrics_put_u64(&a->body, value);
    ri_buffer_puts(&a->body, "\n");
}

#define METRICS_COUNTER(name, value, help) \
    metrics_broker_put(a, &(const metrics_family)METRICS_COUNTERS(name, help), value)
#define METRICS_GAUGE(name, value, help) \
    metrics_broker_put(a, &(const metrics_family)METRICS_GAUGES(name, help), value)

/* ---- Histograms ---- */

/* The bounds of base/histogram.h, as exact as a reader takes them. */
static const char *const metrics_bounds[RI_HISTOGRAM_BOUNDS + 1] = {
    "9.5367431640625e-07", "1.9073486328125e-06", "3.814697265625e-06", "7.62939453125e-06",
    "1.52587890625e-05", "3.0517578125e-05", "6.103515625e-05", "0.0001220703125",
    "0.000244140625", "0.00048828125", "0.0009765625", "0.001953125", "0.00390625", "0.0078125",
    "0.015625", "0.03125", "0.0625", "0.125", "0.25", "0.5", "1.0", "2.0", "4.0", "8.0", "16.0",
    "+Inf"};

/* Of one door, or of the store where that is NULL. */
static void metrics_put_histogram(ri_buffer *out, const char *name, const char *door,
                                  const ri_histogram *h)
{
    uint64_t n = 0;
    for (int i = 0; i <= RI_HISTOGRAM_BOUNDS; i++) {
        n += h->counts[i];
        ri_buffer_printf(out, "%s_bucket{%s%s%sle=\"%s\"} %llu\n", name, door ? "door=\"" : "",
                         door ? door : "", door ? "\"," : "", metrics_bounds[i],
                         (unsigned long long)n);
    }
    const struct { const char *what; uint64_t whole, nano; } rows[] = {
        {"sum", h->sum_ns / 1000000000, h->sum_ns % 1000000000}, {"count", n, 0}};
    for (size_t i = 0; i < RI_LEN(rows); i++) {
        ri_buffer_printf(out, door ? "%s_%s{door=\"%s\"} %llu" : "%s_%s%s %llu", name, rows[i].what,
                         door ? door : "", (unsigned long long)rows[i].whole);
        if (i == 0) ri_buffer_printf(out, ".%09llu", (unsigned long long)rows[i].nano);
        ri_buffer_put(out, "\n", 1);
    }
}

static bool metrics_has_any(const ri_histogram *h)
{
    for (int i = 0; i <= RI_HISTOGRAM_BOUNDS; i++)
        if (h->counts[i]) return true;
    return false;
}

/* Those that have none are left out: the HTTP door is only looked through. */
static void metrics_latency(ri_http_answer *a)
{
    static const metrics_family families[] = {
        {"rill_publish_seconds", "histogram",
         "Of a sample, how long a door took from reading messages until they had found all of "
         "their receivers; at Kafka's, until a produce was answered.", NULL, 0},
        {"rill_delivery_seconds", "histogram",
         "Of a sample, how long from reading messages until what came of them was written to "
         "receivers; at Kafka's, from a fetch, or what it waited for, to its answer.", NULL, 0}};
    for (size_t i = 0; i < RI_LEN(families); i++) {
        metrics_put_head(&a->body, a->open_metrics, &families[i]);
        ri_list_each (link, &a->server->broker->doors) {
            const ri_door *door = ri_container_of(link, ri_door, link);
            const ri_histogram *of = i ? &door->delivery : &door->publish;
            if (metrics_has_any(of))
                metrics_put_histogram(&a->body, families[i].name, door->ops->schemes[0], of);
        }
    }
}

static void metrics_commits(ri_http_answer *a, const ri_durable_writes *writes)
{
    static const metrics_family family = {
        "rill_commit_seconds", "histogram",
        "How long commits of the store took: to be written and, where that is asked for, synced.",
        NULL, 0};
    metrics_put_head(&a->body, a->open_metrics, &family);
    metrics_put_histogram(&a->body, family.name, NULL, &writes->took);
}

/* ---- Counts ---- */

static void metrics_traffic(ri_http_answer *a, const rill_stats *s)
{
    METRICS_COUNTER("rill_received_messages", s->in_msgs, "Messages that clients have published.");
    METRICS_COUNTER("rill_received_bytes", s->in_bytes, "Their bytes.");
    METRICS_COUNTER("rill_sent_messages", s->out_msgs, "Messages delivered, one a receiver.");
    METRICS_COUNTER("rill_sent_bytes", s->out_bytes, "Their bytes.");
    METRICS_COUNTER("rill_dropped_messages", s->dropped_msgs,
                    "Messages not delivered to receivers that were too slow.");
    METRICS_GAUGE("rill_subscriptions", s->subs, "Subscriptions.");
    METRICS_COUNTER("rill_slow_connections", s->slow_conns,
                    "Connections closed since they were too slow.");
    METRICS_COUNTER("rill_stale_connections", s->stale_conns,
                    "Connections closed since they answered no ping.");
    METRICS_COUNTER("rill_stalled_connections", s->stalled_conns,
                    "How often one was not read since its receivers were slow.");
    METRICS_COUNTER("rill_logins_failed", s->logins_failed, "Logins that were wrong.");
    METRICS_COUNTER("rill_logins_refused", s->logins_refused,
                    "Logins not looked at: too many from their address were wrong.");
    METRICS_GAUGE("rill_waiting_output_bytes",
                  ri_router_output_bytes(&a->server->broker->router),
                  "What waits to be written to receivers.");
}

static void metrics_work_of_broker(ri_http_answer *a, const rill_stats *s)
{
    METRICS_COUNTER("rill_turns", s->turns, "Turns of work for clients.");
    METRICS_COUNTER("rill_turns_cut", s->turns_cut, "Turns that left something to the next.");
    METRICS_GAUGE("rill_turn_longest_units", s->turn_units_max,
                  "Work of the longest turn, in units of about 100 ns.");
    METRICS_GAUGE("rill_memory_bytes", s->memory_bytes, "Memory that peers make the broker hold.");
    METRICS_GAUGE("rill_memory_limit_bytes", s->memory_max_bytes, "The most that this may be.");
    METRICS_COUNTER("rill_memory_refusals", s->memory_refusals,
                    "How often somebody was cut or refused for memory.");
}

/* With three decimals; 0 while nothing was appended. */
static void metrics_amplification(ri_http_answer *a, const rill_stats *s)
{
    const metrics_family family = METRICS_GAUGES(
        "rill_store_write_amplification", "Bytes written to the disk by bytes given to the store.");
    uint64_t appended = s->store_appended_bytes;
    double by = appended ? (double)s->store_written_bytes / (double)appended : 0;
    uint64_t milli = by < 1e12 ? (uint64_t)(by * 1000 + 0.5) : UINT64_MAX;
    metrics_put_head(&a->body, a->open_metrics, &family);
    ri_buffer_printf(&a->body, "%s %llu.%03u\n", family.name, (unsigned long long)(milli / 1000),
                     (unsigned)(milli % 1000)); /* %f has a comma in some locales */
}

static void metrics_store(ri_http_answer *a, const rill_stats *s, const ri_durable_writes *writes)
{
    METRICS_COUNTER("rill_store_commits", writes->commits, "Commits, of all that came meanwhile.");
    METRICS_COUNTER("rill_store_syncs", writes->syncs, "Syncs of files of the store.");
    METRICS_GAUGE("rill_store_bytes", s->store_bytes, "Live messages and states in the store.");
    METRICS_GAUGE("rill_store_file_bytes", s->store_file_bytes, "Size of the files with them.");
    METRICS_COUNTER("rill_store_appended_bytes", s->store_appended_bytes, "Given to the store.");
    METRICS_COUNTER("rill_store_moved_bytes", s->store_moved_bytes,
                    "Written again to give space back.");
    METRICS_COUNTER("rill_store_written_bytes", s->store_written_bytes,
                    "Written in all; by what was appended, the write amplification.");
    METRICS_COUNTER("rill_store_damages", s->store_damages, "Different damages found.");
    metrics_amplification(a, s);
    metrics_commits(a, writes);
}

static uint64_t metrics_of_door(const rill_stats *stats, int which)
{
    return which == 0 ? stats->conns : which == 1 ? stats->conns_total : stats->slow_conns;
}

static void metrics_doors(ri_http_answer *a)
{
    static const metrics_family families[] = {
        METRICS_GAUGES("rill_door_connections", "Connections that are open."),
        METRICS_COUNTERS("rill_door_accepted_connections",
                         "Connections since the broker was opened."),
        METRICS_COUNTERS("rill_door_slow_connections", "Connections closed for being too slow."),
    };
    for (int which = 0; which < (int)RI_LEN(families); which++) {
        metrics_put_head(&a->body, a->open_metrics, &families[which]);
        ri_list_each (link, &a->server->broker->doors) {
            const ri_door *door = ri_container_of(link, ri_door, link);
            rill_stats stats = {.size = sizeof stats};
            door->ops->stats(door, &stats);
            metrics_put_name(&a->body, &families[which]);
            ri_buffer_printf(&a->body, "{door=\"%s\"} %llu\n", door->ops->schemes[0],
                             (unsigned long long)metrics_of_door(&stats, which));
        }
    }
}

/* Who publishes waits for no longer than that for somebody who looks at the broker. */
static void metrics_slice(ri_http_answer *a, uint64_t ns)
{
    const metrics_family family = METRICS_GAUGES(
        "rill_http_slice_longest_seconds",
        "Processor time for which messages have waited for who looks at them, at most.");
    metrics_put_head(&a->body, a->open_metrics, &family);
    ri_buffer_printf(&a->body, "%s %llu.%09llu\n", family.name,
                     (unsigned long long)(ns / 1000000000), (unsigned long long)(ns % 1000000000));
}

static void metrics_door(ri_http_answer *a)
{
    const ri_http_server *server = a->server;
    METRICS_GAUGE("rill_http_visitors", server->nsessions, "Connections of the HTTP door.");
    METRICS_COUNTER("rill_http_visits", server->visits, "Connections that it has had.");
    METRICS_COUNTER("rill_http_requests", server->requests, "Requests that it has answered.");
    METRICS_COUNTER("rill_http_refused_requests", server->refused,
                    "Of these, answered with a status of 400 or above.");
    METRICS_COUNTER("rill_http_slow_visitors", server->slow, "Visitors who did not read.");
    metrics_slice(a, (uint64_t)server->slice_longest_ns);
}

static void metrics_build(ri_http_answer *a)
{
    const ri_broker *broker = a->server->broker;
    ri_buffer *out = &a->body;
    ri_buffer_printf(out, "# HELP rill_build%s The broker.\n# TYPE rill_build%s %s\n",
                     a->open_metrics ? "" : "_info", a->open_metrics ? "" : "_info",
                     a->open_metrics ? "info" : "gauge");
    ri_buffer_puts(out, "rill_build_info{name=\"");
    metrics_put_value(out, ri_str_of(broker->name));
    ri_buffer_puts(out, "\",version=\"");
    metrics_put_value(out, ri_str_of(broker->version));
    ri_buffer_printf(out, "\",id=\"%s\"} 1\n", broker->keys.id);
}

static void metrics_broker(ri_http_answer *a)
{
    rill_stats stats = {.size = sizeof stats};
    const metrics_work *w = a->work;
    ri_broker *broker = a->server->broker;
    ri_broker_counts_inside(broker, &stats);
    stats.subs = w->sums.subs;
    metrics_build(a);
    metrics_traffic(a, &stats);
    metrics_doors(a);
    metrics_latency(a);
    metrics_work_of_broker(a, &stats);
    metrics_door(a);
    if (w->groups)
        METRICS_GAUGE("rill_groups_left_out", w->groups_cut,
                      "1 while groups of consumers have more samples than are shown, else 0.");
    if (!w->house) return;
    METRICS_GAUGE("rill_store_failing", ri_durable_is_failing(w->house),
                  "1 while the store does not take what is committed, or could not be opened "
                  "for an account, else 0.");
    if (ri_durable_has_disk(w->house)) metrics_store(a, &w->sums, &w->writes);
}

/* ---- The route ---- */

static void metrics_begin_answer(ri_http_answer *a, const ri_http_request *request)
{
    const ri_host *host = a->body.host;
    metrics_work *w = ri_http_answer_work(a, sizeof *w);
    (void)request;
    a->type = a->open_metrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                              : "text/plain; version=0.0.4; charset=utf-8";
    if (!w) return;
    w->open = a->open_metrics;
    w->sizes = a->server->family_sizes;
    ri_buffer *buffers[] = {&w->stream, &w->consumer, &w->labels};
    for (size_t i = 0; i < RI_LEN(buffers); i++) ri_buffer_init(buffers[i], host);
    for (int i = 0; i < METRICS_FAMILIES; i++) ri_buffer_init(&w->out[i], host);
}

static bool metrics_accounts(metrics_work *w, const ri_broker *broker, ri_budget *budget)
{
    const ri_account *account;
    while ((account = ri_broker_account_at(broker, w->account)) != NULL) {
        w->account++;
        w->sums.subs += ri_interest_count(&account->interest);
        if (!ri_budget_spend(budget, 1)) return false;
    }
    return true;
}

static bool metrics_rooms(metrics_work *w, ri_budget *budget)
{
    while (w->in_room || ri_rooms_after(w->house, w->room)) {
        if (!w->in_room) {
            w->room = ri_rooms_after(w->house, w->room);
            w->in_room = true;
            uint64_t segments = ri_durable_stats_alone(w->room, &w->sums, &w->writes);
            ri_budget_spend(budget, METRICS_UNITS + segments / METRICS_SEGMENTS);
        }
        const char *account = ri_rooms_account(w->room);
        if (!metrics_room(w, ri_durable_js(w->room), account, budget)) return false;
        w->in_room = false;
        ri_buffer_reset(&w->stream);
        if (!ri_budget_left(budget)) return false;
    }
    return true;
}

/* All of it stands in the body once more before it goes. */
static bool metrics_charge(ri_http_answer *a)
{
    const metrics_work *w = a->work;
    uint64_t bytes = 0;
    for (int i = 0; i < METRICS_FAMILIES; i++) bytes += 2 * (uint64_t)w->out[i].cap;
    return ri_http_answer_charge(a, bytes);
}

static bool metrics_step(ri_http_answer *a)
{
    metrics_work *w = a->work;
    ri_broker *broker = a->server->broker;
    ri_budget *budget = &broker->router.budget;
    RI_ASSERT(ri_broker_is_entered(broker));
    if (!w) return false;
    if (!w->begun) w->house = broker->durable_opening ? NULL : ri_durable_streams(broker);
    w->begun = true;
    w->now_ns = ri_wall_ns(&broker->host);
    if (w->house && w->house != broker->durable) { /* what is not walked yet is gone */
        ri_groups_walk_end(&w->walk);
        a->body.failed = true;
        a->why = "the store was closed while this page was made\n";
        return false;
    }
    if (!metrics_accounts(w, broker, budget)) return true;
    bool done = !w->house || (metrics_rooms(w, budget) && metrics_groups(w, broker, budget));
    if (metrics_failed(w) || !metrics_charge(a)) a->body.failed = true;
    else if (done) metrics_broker(a);
    return !done;
}

static void metrics_between(ri_http_answer *a)
{
    metrics_work *w = a->work;
    for (int i = 0; w && i < METRICS_FAMILIES; i++) ri_http_answer_grow(&w->out[i]);
}

static void metrics_finish(ri_http_answer *a)
{
    metrics_work *w = a->work;
    size_t more = METRICS_LAST;
    if (w && w->open) ri_buffer_puts(&w->out[METRICS_FAMILIES - 1], "# EOF\n");
    if (!w || metrics_failed(w)) {
        a->body.failed = true;
        return;
    }
    for (int i = 0; i < METRICS_FAMILIES; i++)
        more += w->sizes[i] = ri_buffer_size(&w->out[i]);
    if (more > RI_LIMIT_HTTP_PACKED) { /* too much to be copied, which is for gzip */
        a->more = w->out;
        a->nmore = METRICS_FAMILIES;
        return;
    }
    if (!ri_buffer_room(&a->body, more)) return;
    for (int i = 0; i < METRICS_FAMILIES; i++) {
        ri_buffer_put_str(&a->body, ri_buffer_str(&w->out[i]));
        ri_buffer_fini(&w->out[i]);
    }
}

static void metrics_leave(ri_http_answer *a)
{
    metrics_work *w = a->work;
    ri_groups_walk_end(&w->walk);
}

static void metrics_drop(ri_http_answer *a)
{
    metrics_work *w = a->work;
    ri_buffer_fini(&w->stream);
    ri_buffer_fini(&w->consumer);
    ri_buffer_fini(&w->labels);
    for (int i = 0; i < METRICS_FAMILIES; i++) ri_buffer_fini(&w->out[i]);
}

const ri_http_route ri_http_metrics_route = {
    .path = "/metrics", .begin = metrics_begin_answer, .step = metrics_step,
    .between = metrics_between, .finish = metrics_finish, .leave = metrics_leave,
    .drop = metrics_drop};
