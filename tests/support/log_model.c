/* SPDX-License-Identifier: Apache-2.0 */
#include "support/log_model.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/alloc.h"
#include "codec/kafka/kafka_batch.h"
#include "codec/subject/subject.h"

enum { MODEL_DATA_MAX = 6000 };

static const char *const model_names[MODEL_SUBJECTS] = {
    "a", "a.b", "a.c", "a.b.c.d.e.f.g.h", "orders.eu.7", "orders.us.7",
    "orders.a-rather-long-token-to-make-names-matter.12345678901234567890",
};
static const char *const model_filters[] = {"a.>", "orders.*.7", "a", ">", "none.*"};

ri_str model_subject(uint32_t i)
{
    return ri_str_of(model_names[i]);
}

const ri_track_opts *model_opts(unsigned track)
{
    static const ri_track_opts opts[MODEL_TRACKS] = {
        {.subjects = true}, {.subjects = true}, {.single_tail = true}, {.batches = true},
        {.batches = true},
    };
    return &opts[track];
}

void model_free(model *m)
{
    for (unsigned i = 0; i < MODEL_TRACKS; i++) free(m->tracks[i].records);
    *m = (model){0};
}

void model_copy(model *to, const model *from)
{
    model_free(to);
    *to = *from;
    for (unsigned i = 0; i < MODEL_TRACKS; i++) {
        size_t bytes = from->tracks[i].n * sizeof(model_record);
        to->tracks[i].records = malloc(bytes + 1);
        if (!to->tracks[i].records) abort();
        if (bytes) memcpy(to->tracks[i].records, from->tracks[i].records, bytes);
    }
}

static void model_fill(char *out, uint64_t seed, size_t len)
{
    rng r;
    rng_init(&r, seed);
    for (size_t i = 0; i < len; i++) out[i] = (char)rng_next(&r);
}

typedef struct model_item { /* a record of a batch */
    char key[8], value[64];
    size_t len;
    bool tombstone;
} model_item;

static void model_make_item(const model_record *rec, uint32_t i, model_item *item)
{
    rng r;
    rng_init(&r, rec->seed + i);
    snprintf(item->key, sizeof item->key, "k%u", (unsigned)rng_below(&r, MODEL_KEYS));
    item->len = rng_below(&r, sizeof item->value);
    for (size_t n = 0; n < item->len; n++) item->value[n] = (char)rng_next(&r);
    item->tombstone = rng_below(&r, 5) == 0;
}

/* Which key it has; its place in model_track.newest. */
static unsigned model_key(const model_record *rec, bool *tombstone)
{
    model_item item;
    if (!rec->of) {
        *tombstone = rec->len < 20;
        return rec->subject;
    }
    model_make_item(rec, rec->batch, &item);
    *tombstone = item.tombstone;
    return MODEL_SUBJECTS + (unsigned)strtoul(item.key + 1, NULL, 10);
}

static void model_push(model_track *t, const model_record *rec)
{
    t->records = realloc(t->records, (t->n + 1) * sizeof *t->records);
    if (!t->records) abort();
    bool tombstone;
    t->records[t->n++] = *rec;
    t->last_seq = rec->seq;
    t->newest[model_key(rec, &tombstone)] = rec->seq;
}

/* The bytes of a batch, as it is read: its records follow from the seed, too. */
static ri_str model_batch_bytes(const model_record *rec, int64_t base_offset)
{
    static ri_buffer out;
    static ri_host host;
    if (!out.host) {
        ri_host_init(&host, NULL);
        ri_buffer_init(&out, &host);
    }
    ri_buffer_reset(&out);
    ri_kafka_batch head = {.base_offset = base_offset, .max_timestamp_ms = -1,
                           .producer_id = rec->producer, .producer_epoch = rec->epoch,
                           .base_sequence = rec->sequence};
    ri_kafka_builder b;
    ri_kafka_builder_begin(&b, &out, &head);
    for (uint32_t i = 0; i < rec->of; i++) {
        model_item item;
        model_make_item(rec, i, &item);
        if (ri_kafka_builder_add(&b, &(ri_kafka_record){
                .offset = base_offset + i, .key = ri_str_of(item.key),
                .value = {item.tombstone ? NULL : item.value, item.tombstone ? 0 : item.len}}) < 0)
            abort();
    }
    if (ri_kafka_builder_end(&b) < 0) abort();
    return ri_buffer_str(&out);
}

static void model_to_record(const model_record *rec, char *bytes, ri_record *out)
{
    model_fill(bytes, rec->seed, rec->len + rec->headers);
    *out = (ri_record){
        .seq = rec->seq, .time_ns = rec->time_ns, .flags = rec->flags,
        .subject = model_subject(rec->subject), .headers = {bytes + rec->len, rec->headers},
        .data = {bytes, rec->len},
    };
}

typedef struct model_loan {
    ri_lender lender;
    char bytes[MODEL_DATA_MAX * 2];
} model_loan;

static void model_returned(ri_lender *lender)
{
    model_loan *loan = ri_container_of(lender, model_loan, lender);
    memset(loan->bytes, 0xdd, sizeof loan->bytes); /* nobody looks at them any more */
    free(loan);
}

/* A part of the records is lent. */
static int model_put(ri_track *track, const model_record *rec, ri_record *out)
{
    if (rec->seed % 4 || !(out->headers.len + out->data.len)) return ri_track_append(track, out);
    model_loan *loan = calloc(1, sizeof *loan);
    if (!loan) abort();
    loan->lender.done = model_returned;
    if (out->headers.len) memcpy(loan->bytes, out->headers.ptr, out->headers.len);
    if (out->data.len) memcpy(loan->bytes + out->headers.len, out->data.ptr, out->data.len);
    out->headers.ptr = loan->bytes;
    out->data.ptr = loan->bytes + out->headers.len;
    ri_lent lent = {.lender = &loan->lender};
    ri_lent_sum(&lent, out->headers, out->data);
    int rc = ri_track_append_lent(track, out, &lent);
    if (loan->lender.records == 0) free(loan);
    return rc;
}

static int model_append(model *m, ri_track *track, unsigned i, rng *r)
{
    static char bytes[MODEL_DATA_MAX * 2];
    model_track *t = &m->tracks[i];
    model_record rec = {
        .seed = rng_next(r), .subject = (uint32_t)rng_below(r, MODEL_SUBJECTS),
        .len = (uint32_t)rng_below(r, rng_below(r, 20) ? 200 : MODEL_DATA_MAX),
        .headers = rng_below(r, 4) ? 0 : (uint32_t)rng_below(r, 60),
        .time_ns = m->now_ns += (int64_t)rng_below(r, 3), .flags = (uint32_t)rng_below(r, 1000),
    };
    rec.seq = rng_below(r, 12) ||
        m->gapless ? 0 : t->last_seq + 1 + rng_below(r, rng_below(r, 3) ? 5 : 300);
    ri_record out;
    model_to_record(&rec, bytes, &out);
    int rc = model_put(track, &rec, &out);
    if (rc < 0) return rc;
    uint64_t want = rec.seq ? rec.seq : t->last_seq + 1;
    if (out.seq != want) abort();
    rec.seq = want;
    if (model_opts(i)->single_tail) t->n = 0;
    model_push(t, &rec);
    return 0;
}

/* Send it; `want`: what the log should say. */
static int model_send(ri_track *track, const model_record *rec, int want, uint64_t want_seq)
{
    ri_batch_receipt receipt;
    int rc = ri_track_append_batch(track, model_batch_bytes(rec, 0), &receipt);
    if (rc == RILL_EFULL || rc == RILL_EIO || rc == RILL_ENOMEM) return rc;
    if (rc != want || (rc >= 0 && receipt.first_seq != want_seq)) {
        fprintf(stderr, "producer %d epoch %d sequence %d: %d, first %llu: %s\n", rec->producer,
                rec->epoch, rec->sequence, rc, (unsigned long long)receipt.first_seq,
                ri_err_text());
        abort();
    }
    return rc;
}

static int model_store(model_track *t, ri_track *track, model_record rec)
{
    rec.len = (uint32_t)model_batch_bytes(&rec, 0).len;
    rec.seq = t->last_seq + 1;
    int rc = model_send(track, &rec, 0, rec.seq);
    if (rc < 0) return rc;
    model_producer *p = rec.producer >= 0 ? &t->producers[rec.producer] : NULL;
    if (p) {
        if (rec.epoch > p->epoch) p->nbatches = 0;
        if (p->nbatches == RI_LEN(p->batches))
            memmove(p->batches, p->batches + 1, --p->nbatches * sizeof rec);
        p->batches[p->nbatches++] = rec;
        p->epoch = rec.epoch;
        p->next = rec.sequence + (int32_t)rec.of;
    }
    for (; rec.batch < rec.of; rec.batch++, rec.seq++) model_push(t, &rec);
    return 0;
}

static int model_batch(model *m, ri_track *track, unsigned i, rng *r)
{
    model_track *t = &m->tracks[i];
    model_record rec = {.seed = rng_next(r), .of = 1 + (uint32_t)rng_below(r, 9), .producer = -1,
                        .epoch = -1, .sequence = -1};
    if (i != MODEL_TRACKS - 1) return model_store(t, track, rec);
    rec.producer = (int8_t)rng_below(r, MODEL_PRODUCERS);
    model_producer *p = &t->producers[rec.producer];
    rec.epoch = p->epoch;
    rec.sequence = p->next;
    int rc = 0;
    if (p->nbatches && rng_below(r, 3) == 0) {
        const model_record *old = &p->batches[rng_below(r, p->nbatches)];
        return RI_MIN(model_send(track, old, 1, old->seq), 0);
    }
    if (p->nbatches && rng_below(r, 6) == 0) {
        rec.sequence += 1 + (int32_t)rng_below(r, 5);
        rc = model_send(track, &rec, RILL_ECONFLICT, 0);
        return rc == RILL_ECONFLICT ? 0 : rc;
    }
    if (p->epoch > 0 && rng_below(r, 6) == 0) {
        rec.epoch--;
        rc = model_send(track, &rec, RILL_EFENCED, 0);
        return rc == RILL_EFENCED ? 0 : rc;
    }
    if (p->nbatches && rng_below(r, 10) == 0) {
        rec.epoch++;
        rec.sequence = 0;
    }
    return model_store(t, track, rec);
}

static void model_cut(model_track *t, size_t from, size_t n)
{
    if (n)
        memmove(t->records + from, t->records + from + n, (t->n - from - n) * sizeof *t->records);
    t->n -= n;
}

static int model_remove(model *m, ri_track *track, unsigned i, rng *r)
{
    model_track *t = &m->tracks[i];
    if (t->n == 0) {
        int rc = ri_track_remove(track, t->last_seq, false);
        return rc == RILL_ENOENT ? 0 : rc;
    }
    size_t at = rng_below(r, t->n);
    if (rng_below(r, 3)) at = at * at / t->n; /* mostly old ones */
    int rc = ri_track_remove(track, t->records[at].seq, rng_below(r, 4) == 0);
    if (rc == 0) model_cut(t, at, 1);
    return rc;
}

static int model_purge(model *m, ri_track *track, unsigned i, rng *r)
{
    model_track *t = &m->tracks[i];
    uint64_t before = 1 + rng_below(r, t->last_seq + 2);
    int rc = ri_track_purge(track, before);
    if (rc < 0) return rc;
    size_t n = 0;
    while (n < t->n && t->records[n].seq < before) n++;
    model_cut(t, 0, n);
    return 0;
}

/* ---- Compaction ---- */

static bool model_is_tombstone(void *arg, const ri_record *record)
{
    (void)arg;
    return record->data.len < 20;
}

static void model_removed(void *arg, uint64_t seq)
{
    model_track *t = arg;
    bool tombstone;
    size_t at = 0;
    while (at < t->n && t->records[at].seq != seq) at++;
    if (at == t->n) abort();
    if (t->newest[model_key(&t->records[at], &tombstone)] == seq && !tombstone) {
        fprintf(stderr, "the last record of a key was removed: %" PRIu64 "\n", seq);
        abort();
    }
    model_cut(t, at, 1);
}

static const unsigned model_compacted[] = {1, 3};

int model_compact(model *m, ri_log *log, int64_t now_ns)
{
    for (size_t i = 0; i < RI_LEN(model_compacted); i++) {
        unsigned which = model_compacted[i];
        ri_track *track;
        ri_compact_rule rule = {.tombstone_ns = MODEL_TOMBSTONE_NS, .removed = model_removed,
                                .is_tombstone = model_is_tombstone, .arg = &m->tracks[which]};
        int rc = ri_log_track(log, which + 1, model_opts(which), &track);
        if (rc == 0) rc = ri_track_compact(track, &rule);
        if (rc < 0) return rc;
    }
    return ri_log_compact(log, now_ns);
}

bool model_is_compact(const model *m)
{
    for (size_t i = 0; i < RI_LEN(model_compacted); i++) {
        const model_track *t = &m->tracks[model_compacted[i]];
        bool tombstone;
        for (size_t at = 0; at < t->n; at++)
            if (t->newest[model_key(&t->records[at], &tombstone)] > t->records[at].seq)
                return false;
    }
    return true;
}

int model_change(model *m, ri_log *log, rng *r)
{
    unsigned i = (unsigned)rng_below(r, MODEL_TRACKS);
    ri_track *track;
    int rc = ri_log_track(log, i + 1, model_opts(i), &track);
    if (rc < 0) return rc;
    uint64_t dice = rng_below(r, 100);
    if (m->growing && dice >= 60 && rng_below(r, 4)) dice = 0;
    if (dice < 60) {
        bool batch = i >= 3 && rng_below(r, 3) == 0;
        return batch ? model_batch(m, track, i, r) : model_append(m, track, i, r);
    }
    if (dice < 93) {
        for (uint64_t n = rng_below(r, 6); rc == 0 && n; n--) rc = model_remove(m, track, i, r);
        return rc;
    }
    if (dice < 97) return model_purge(m, track, i, r);
    if (dice < 99) {
        uint64_t seq = m->tracks[i].last_seq + rng_below(r, m->gapless ? 2 : 90);
        if ((rc = ri_track_skip_to(track, seq)) < 0) return rc;
        if (seq > m->tracks[i].last_seq + 1) m->tracks[i].last_seq = seq - 1;
        return 0;
    }
    if ((rc = ri_track_drop(track)) < 0) return rc;
    free(m->tracks[i].records);
    m->tracks[i] = (model_track){0};
    return 0;
}

/* ---- Comparing ---- */

#define model_fail(...) return snprintf(why, cap, __VA_ARGS__), 1

static uint64_t model_bytes(const model_record *rec)
{
    if (rec->of) return rec->len / rec->of;
    ri_record r = {.subject = model_subject(rec->subject), .headers = {NULL, rec->headers},
                   .data = {NULL, rec->len}};
    return ri_record_bytes(&r, false);
}

/* In the batch, of which the cleaner may have left a part, it stands as it was sent. */
static int model_compare_item(const model_record *rec, ri_str bytes)
{
    model_item item;
    ri_kafka_batch b;
    ri_kafka_records it;
    ri_kafka_record r;
    if (ri_kafka_batch_parse(bytes, bytes.len, &b) <= 0 || ri_kafka_batch_verify(&b) < 0) return 1;
    int64_t offset = (int64_t)rec->seq - 1, first = offset - rec->batch;
    if (b.producer_id != rec->producer || b.producer_epoch != rec->epoch) return 1;
    if (rec->producer >= 0 && b.base_sequence != rec->sequence + (b.base_offset - first)) return 1;
    model_make_item(rec, rec->batch, &item);
    ri_kafka_records_init(&it, &b, b.records);
    while (ri_kafka_records_next(&it, &r) == 1)
        if (r.offset == offset)
            return r.timestamp_ms || !ri_str_is(r.key, item.key) ||
                   !r.value.ptr != item.tombstone ||
                   (!item.tombstone && !ri_str_eq(r.value, (ri_str){item.value, item.len}));
    return 1;
}

static int model_compare_record(const model_record *rec, const ri_record *got, char *why,
                                size_t cap)
{
    static char bytes[MODEL_DATA_MAX * 2];
    if (got->seq != rec->seq) model_fail("sequence %" PRIu64 " not %" PRIu64, got->seq, rec->seq);
    if (rec->of) {
        if (got->flags != RI_RECORD_BATCH || model_compare_item(rec, got->data))
            model_fail("batch at %" PRIu64 " differs", rec->seq);
        return 0;
    }
    ri_record want;
    model_to_record(rec, bytes, &want);
    if (!ri_str_eq(got->data, want.data) || !ri_str_eq(got->headers, want.headers) ||
        !ri_str_eq(got->subject, want.subject) || got->time_ns != want.time_ns ||
        got->flags != want.flags)
        model_fail("record %" PRIu64 " differs", rec->seq);
    return 0;
}

static bool model_matches(const model_record *rec, const char *filter)
{
    if (strcmp(filter, ">") == 0) return true;
    return !rec->of && ri_subject_match(ri_str_of(filter), model_subject(rec->subject));
}

static int model_compare_walk(const model_track *t, ri_track *track, const char *text, char *why,
                              size_t cap)
{
    ri_str subject = ri_str_of(text);
    ri_filter filter = {&subject, text ? 1 : 0};
    ri_cursor c;
    ri_record got;
    ri_cursor_init(&c, track);
    uint64_t from = 0, n = 0;
    int rc = 0, bad = 0;
    for (size_t i = 0; i < t->n && !bad; i++) {
        if (text && !model_matches(&t->records[i], text)) continue;
        if ((rc = ri_cursor_next(&c, from, &filter, &got)) != 1) break;
        bad = model_compare_record(&t->records[i], &got, why, cap);
        from = got.seq + 1;
        n++;
    }
    if (!bad && rc >= 0 && n && rc != 1) rc = -1000;
    if (!bad && rc == 1) rc = ri_cursor_next(&c, from, &filter, &got);
    if (!bad && rc)
        bad = 1, snprintf(why, cap, "next after %" PRIu64 " (%s): %d %s", from, text, rc,
                          ri_err_text());
    from = UINT64_MAX;
    for (size_t i = t->n; i > 0 && !bad; i--) {
        if (text && !model_matches(&t->records[i - 1], text)) continue;
        rc = ri_cursor_prev(&c, from, &filter, &got);
        if (rc != 1) bad = 1, snprintf(why, cap, "prev of %" PRIu64 ": %d", from, rc);
        else bad = model_compare_record(&t->records[i - 1], &got, why, cap);
        from = got.seq - 1;
    }
    uint64_t count = ri_track_count(track, 0, &filter);
    if (!bad && count != n) bad = 1, snprintf(why, cap, "count (%s) %" PRIu64 " not %" PRIu64, text,
                                              count, n);
    ri_cursor_fini(&c);
    return bad;
}

static int model_compare_subjects(const model_track *t, ri_track *track, uint64_t *distinct,
                                  char *why, size_t cap)
{
    for (uint32_t s = 0; s < MODEL_SUBJECTS; s++) {
        uint64_t first = 0, last = 0, n = 0;
        for (size_t i = 0; i < t->n; i++) {
            if (t->records[i].subject != s) continue;
            if (n++ == 0) first = t->records[i].seq;
            last = t->records[i].seq;
        }
        *distinct += n > 0;
        ri_subject_info info;
        int rc = ri_track_subject(track, model_subject(s), &info);
        if (n == 0 && rc != RILL_ENOENT) model_fail("subject %u is there", s);
        if (n && (rc != 0 || info.first_seq != first || info.last_seq != last || info.count != n))
            model_fail("subject %u: %" PRIu64 "..%" PRIu64 " x %" PRIu64 ", not %" PRIu64 "..%"
                       PRIu64
                       " x %" PRIu64, s, info.first_seq, info.last_seq, info.count, first, last, n);
    }
    return 0;
}

static int model_compare_status(const model_track *t, ri_track *track, uint64_t distinct,
                                char *why, size_t cap)
{
    ri_track_info info;
    ri_track_status(track, &info);
    bool packed = false; /* what the cleaner has moved is shorter */
    for (size_t i = 0; i < t->n; i++) packed = packed || t->records[i].of;
    uint64_t bytes = 0, first = t->n ? t->records[0].seq : t->last_seq + 1;
    for (size_t i = 0; i < t->n; i++) bytes += model_bytes(&t->records[i]);
    if (info.last_seq != t->last_seq || info.first_seq != first || info.count != t->n ||
        (info.bytes != bytes && !packed) || info.subjects != distinct)
        model_fail("%" PRIu64 "..%" PRIu64 " count %" PRIu64 " bytes %" PRIu64 " subjects %" PRIu64
                   ", not %" PRIu64 "..%" PRIu64 " %zu %" PRIu64 " %" PRIu64, info.first_seq,
                   info.last_seq, info.count, info.bytes, info.subjects, first, t->last_seq, t->n,
                   bytes, distinct);
    if (t->n) {
        const model_record *mid = &t->records[t->n / 2];
        size_t at = 0;
        while (t->records[at].time_ns < mid->time_ns) at++;
        uint64_t seq = ri_track_seq_at(track, mid->time_ns);
        if (seq != t->records[at].seq)
            model_fail("at time %" PRId64 " stands %" PRIu64 ", not %" PRIu64, mid->time_ns, seq,
                       t->records[at].seq);
    }
    return 0;
}

static int model_compare_producers(const model_track *t, ri_track *track, char *why, size_t cap)
{
    for (int i = 0; i < MODEL_PRODUCERS; i++) {
        const model_producer *p = &t->producers[i];
        int16_t epoch = -1;
        int32_t last = -1;
        int rc = ri_track_producer(track, i, &epoch, &last);
        if (rc < 0) model_fail("producer %d: %s", i, ri_err_text());
        if (rc != (p->nbatches > 0) || (rc && (epoch != p->epoch || last != p->next - 1)))
            model_fail("producer %d: epoch %d sequence %d, not %d %d", i, epoch, last, p->epoch,
                       p->next - 1);
    }
    return 0;
}

static int model_compare_track(const model_track *t, ri_track *track, unsigned i, char *why,
                               size_t cap)
{
    uint64_t distinct = 0;
    if (model_opts(i)->subjects && model_compare_subjects(t, track, &distinct, why, cap)) return 1;
    if (model_compare_status(t, track, distinct, why, cap)) return 1;
    if (i == MODEL_TRACKS - 1 && model_compare_producers(t, track, why, cap)) return 1;
    if (model_compare_walk(t, track, NULL, why, cap)) return 1;
    for (size_t n = 0; n < RI_LEN(model_filters); n++)
        if (i != 2 && model_compare_walk(t, track, model_filters[n], why, cap)) return 1;
    return 0;
}

int model_compare(const model *m, ri_log *log, char *why, size_t cap)
{
    for (unsigned i = 0; i < MODEL_TRACKS; i++) {
        const model_track *t = &m->tracks[i];
        ri_track *track;
        char inner[256] = "";
        int rc = ri_log_track(log, i + 1, model_opts(i), &track);
        if (rc < 0) {
            if (t->last_seq == 0) continue;
            model_fail("track %u: %s", i + 1, ri_err_text());
        }
        if (model_compare_track(t, track, i, inner, sizeof inner))
            model_fail("track %u: %s", i + 1, inner);
    }
    return 0;
}

/* ---- How far a damaged log differs ---- */

static void model_differ_track(const model_track *t, ri_track *track, model_diff *out)
{
    char why[300];
    ri_cursor c;
    ri_record got;
    ri_track_info info;
    size_t at = 0;
    int rc;
    ri_track_status(track, &info);
    if (info.last_seq < t->last_seq) out->short_by += t->last_seq - info.last_seq;
    ri_cursor_init(&c, track);
    for (uint64_t from = 0; (rc = ri_cursor_next(&c, from, NULL, &got)) == 1 || rc == RILL_ECORRUPT;
         from = got.seq + 1) {
        for (; at < t->n && t->records[at].seq < got.seq; at++) out->lost++;
        bool known = at < t->n && t->records[at].seq == got.seq;
        if (rc == RILL_ECORRUPT) continue;
        if (!known) out->revived++;
        else if (model_compare_record(&t->records[at], &got, why, sizeof why)) out->changed++;
        at += known;
    }
    out->lost += t->n - at;
    ri_cursor_fini(&c);
}

void model_differ(const model *m, ri_log *log, model_diff *out)
{
    *out = (model_diff){0};
    for (unsigned i = 0; i < MODEL_TRACKS; i++) {
        const model_track *t = &m->tracks[i];
        ri_track *track;
        if (ri_log_track(log, i + 1, model_opts(i), &track) == 0) {
            model_differ_track(t, track, out);
            continue;
        }
        out->lost += t->n;
        out->short_by += t->last_seq;
    }
}
