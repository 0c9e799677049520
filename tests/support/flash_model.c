/* SPDX-License-Identifier: Apache-2.0 */
#include "support/flash_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FMODEL_RECORD = 128, FMODEL_DATA = 24, FMODEL_LOG_ID = 0x5eed1e5 };

static void fmodel_must(const fmodel *m, bool holds, const char *what)
{
    if (holds) return;
    fprintf(stderr, "step %llu: %s: %s\n", (unsigned long long)m->steps, what, ri_err_text());
    abort();
}

void fmodel_init(fmodel *m, uint32_t blocks, uint32_t block_bytes, uint32_t program_bytes,
                 uint64_t seed)
{
    memset(m, 0, sizeof *m);
    nor_init(&m->flash, blocks, block_bytes, program_bytes, seed);
    m->flash.drifts = true;
    rng_init(&m->dice, seed);
    uint32_t record = program_bytes > FMODEL_RECORD ? program_bytes : FMODEL_RECORD;
    m->conf = (ri_flash_conf){.dev = &m->flash.dev, .log_id = FMODEL_LOG_ID, .max_record = record,
                              .max_keys = FMODEL_KEYS, .max_streams = 3, .max_groups = 2};
    m->bytes = ri_flash_need(&m->conf);
    fmodel_must(m, m->bytes > 0, "the options are valid");
    m->memory = malloc(m->bytes);
}

void fmodel_fini(fmodel *m)
{
    nor_fini(&m->flash);
    free(m->memory);
}

static int fmodel_open(fmodel *m)
{
    uint32_t record = m->conf.max_record;
    ri_flash_limits work = {RI_FLASH_WORK | RI_FLASH_REJECT, FMODEL_WORK, FMODEL_WORK * record};
    ri_flash_limits log = {0, FMODEL_LOG, FMODEL_LOG * record};
    ri_flash_limits kv = {RI_FLASH_BUCKET, FMODEL_KEYS, FMODEL_KEYS * record};
    m->work = ri_flash_stream_ensure(m->f, RI_STR("work"), &work);
    if (m->work >= 0) m->log = ri_flash_stream_ensure(m->f, RI_STR("log"), &log);
    if (m->work >= 0 && m->log >= 0) m->kv = ri_flash_stream_ensure(m->f, RI_STR("kv"), &kv);
    if (m->work < 0 || m->log < 0 || m->kv < 0) return -1;
    m->g = ri_flash_group_ensure(m->f, (uint32_t)m->work, RI_STR("g"));
    if (m->g >= 0) m->r = ri_flash_group_ensure(m->f, (uint32_t)m->log, RI_STR("r"));
    return m->g < 0 || m->r < 0 ? -1 : 0;
}

int fmodel_mount(fmodel *m)
{
    memset(m->memory, 0xa5, m->bytes);
    int rc = ri_flash_mount(&m->f, &m->conf, m->memory, m->bytes);
    return rc < 0 ? rc : fmodel_open(m);
}

int fmodel_format(fmodel *m)
{
    int rc = ri_flash_format(&m->conf, m->memory, m->bytes);
    return rc < 0 ? rc : fmodel_mount(m);
}

/* ---- What there is ---- */

static size_t fmodel_text(char out[FMODEL_DATA * 2], uint32_t fill)
{
    size_t len = fill % (FMODEL_DATA * 2 - 4);
    memset(out, (int)(fill % 5 ? 'a' + fill % 26 : 0xff), len);
    memcpy(out + len, &fill, 4);
    return len + 4;
}

static ri_flash_msg fmodel_msg(char data[FMODEL_DATA * 2], const char *subject, uint32_t fill)
{
    size_t len = fmodel_text(data, fill);
    return (ri_flash_msg){.subject = ri_str_of(subject), .data = {data, len},
                          .headers = fill % 3 == 0 ? RI_STR("h: 1\r\n") : RI_STR_NONE,
                          .time_ns = fill};
}

static void fmodel_is(const fmodel *m, const ri_flash_msg *got, const char *subject, uint32_t fill)
{
    char data[FMODEL_DATA * 2];
    ri_flash_msg want = fmodel_msg(data, subject, fill);
    fmodel_must(m, ri_str_eq(got->subject, want.subject) && ri_str_eq(got->data, want.data) &&
                ri_str_eq(got->headers, want.headers) && got->time_ns == want.time_ns,
                "a message is as it was stored");
}

static bool fmodel_has(const uint32_t *list, uint32_t n, uint32_t seq)
{
    for (uint32_t i = 0; i < n; i++)
        if (list[i] == seq) return true;
    return false;
}

/* What the store holds is read as numbers and fills. */
static void fmodel_read_stream(fmodel *m, int stream, const char *subject, uint32_t *seqs,
                               uint32_t *fills, uint32_t *n, uint32_t max)
{
    char buf[512];
    ri_flash_msg msg;
    uint32_t seq = 0;
    int rc;
    for (*n = 0; (rc = ri_flash_next(m->f, (uint32_t)stream, seq, buf, sizeof buf, &msg)) == 0;) {
        fmodel_must(m, *n < max && msg.seq > (*n ? seqs[*n - 1] : 0), "in order, and no more");
        fmodel_is(m, &msg, subject, (uint32_t)msg.time_ns);
        seqs[*n] = msg.seq;
        fills[(*n)++] = (uint32_t)msg.time_ns;
        seq = msg.seq + 1;
    }
    fmodel_must(m, rc == RILL_ENOENT, "a stream ends");
    ri_flash_stream_info info;
    ri_flash_stream_about(m->f, (uint32_t)stream, &info);
    fmodel_must(m, info.msgs == *n && (*n == 0 || info.first_seq == seqs[0]), "it is counted");
    fmodel_must(m, info.bytes <= info.limits.max_bytes, "no more bytes than it may have");
}

static uint32_t fmodel_last(const fmodel *m, int stream)
{
    ri_flash_stream_info info;
    return ri_flash_stream_about(m->f, (uint32_t)stream, &info) == 0 ? info.last_seq : 0;
}

static void fmodel_read(fmodel *m, fmodel_state *s)
{
    char buf[512], key[8];
    ri_flash_msg msg;
    memset(s, 0, sizeof *s);
    fmodel_read_stream(m, m->work, "w", s->work, s->work_fill, &s->nwork, FMODEL_WORK);
    fmodel_read_stream(m, m->log, "log.x", s->log, s->log_fill, &s->nlog, FMODEL_LOG);
    for (uint32_t i = 0; i < FMODEL_KEYS; i++) {
        snprintf(key, sizeof key, "key%u", i);
        int rc = ri_flash_get(m->f, (uint32_t)m->kv, ri_str_of(key), buf, sizeof buf, &msg);
        fmodel_must(m, rc == 0 || rc == RILL_ENOENT, "a key is there, or not");
        if (rc == 0) fmodel_is(m, &msg, key, (uint32_t)msg.time_ns);
        s->key[i] = rc == 0 ? msg.seq : 0;
        s->key_fill[i] = rc == 0 ? (uint32_t)msg.time_ns : 0;
    }
    s->work_last = fmodel_last(m, m->work);
    s->log_last = fmodel_last(m, m->log);
    s->kv_last = fmodel_last(m, m->kv);
}

/* What the group is given now is what lives and is not acknowledged. */
static void fmodel_check_group(fmodel *m, int group, const uint32_t *live, uint32_t nlive,
                               const uint32_t *acked, uint32_t nacked)
{
    char buf[512];
    ri_flash_msg msg;
    m->now_ns += RI_SEC;
    for (uint32_t i = 0; i < nlive; i++) {
        if (fmodel_has(acked, nacked, live[i])) continue;
        int rc = ri_flash_group_next(m->f, (uint32_t)group, m->now_ns, 10, buf, sizeof buf, &msg);
        fmodel_must(m, rc == 0 && msg.seq == live[i], "a group is given what it has not settled");
    }
    int rc = ri_flash_group_next(m->f, (uint32_t)group, m->now_ns, 10, buf, sizeof buf, &msg);
    fmodel_must(m, rc == RILL_EAGAIN, "and nothing else");
}

static bool fmodel_same(const fmodel_state *a, const fmodel_state *b)
{
    fmodel_state x = *a, y = *b;
    x.nacked = y.nacked = 0;
    memset(x.log_acked, 0, sizeof x.log_acked);
    memset(y.log_acked, 0, sizeof y.log_acked);
    return memcmp(&x, &y, sizeof x) == 0;
}

static bool fmodel_group_agrees(fmodel *m, const fmodel_state *s)
{
    ri_flash_group_info info;
    uint32_t waiting = 0;
    ri_flash_group_about(m->f, (uint32_t)m->r, &info);
    for (uint32_t i = 0; i < s->nlog; i++)
        waiting += !fmodel_has(s->log_acked, s->nacked, s->log[i]);
    return info.waiting + info.out == waiting;
}

/* For whoever looks for the fault. */
static void fmodel_show(const char *who, const fmodel_state *s)
{
    fprintf(stderr, "%s: work to %u:", who, s->work_last);
    for (uint32_t i = 0; i < s->nwork; i++) fprintf(stderr, " %u", s->work[i]);
    fprintf(stderr, "; log to %u:", s->log_last);
    for (uint32_t i = 0; i < s->nlog; i++) fprintf(stderr, " %u", s->log[i]);
    fprintf(stderr, ", settled");
    for (uint32_t i = 0; i < s->nacked; i++) fprintf(stderr, " %u", s->log_acked[i]);
    fprintf(stderr, "; keys to %u:", s->kv_last);
    for (uint32_t i = 0; i < FMODEL_KEYS; i++) fprintf(stderr, " %u", s->key[i]);
    fprintf(stderr, "\n");
}

void fmodel_check(fmodel *m)
{
    fmodel_state s;
    fmodel_read(m, &s);
    bool is = fmodel_same(&s, &m->now) && fmodel_group_agrees(m, &m->now);
    if (!is && fmodel_same(&s, &m->maybe) && fmodel_group_agrees(m, &m->maybe)) {
        m->now = m->maybe;
        is = true;
    }
    if (!is) {
        fmodel_show("is", &s);
        fmodel_show("was", &m->now);
        fmodel_show("or", &m->maybe);
    }
    fmodel_must(m, is, "all that was acknowledged is there, and nothing else");
    m->maybe = m->now;
    fmodel_check_group(m, m->g, m->now.work, m->now.nwork, NULL, 0);
    fmodel_check_group(m, m->r, m->now.log, m->now.nlog, m->now.log_acked, m->now.nacked);
}

/* ---- Steps ---- */

static void fmodel_drop(uint32_t *list, uint32_t *fills, uint32_t *n, uint32_t i)
{
    memmove(list + i, list + i + 1, (*n - i - 1) * sizeof *list);
    if (fills) memmove(fills + i, fills + i + 1, (*n - i - 1) * sizeof *fills);
    (*n)--;
    list[*n] = 0;
    if (fills) fills[*n] = 0;
}

/* Acknowledgements of what is gone are of no more interest. */
static void fmodel_prune(fmodel_state *s)
{
    for (uint32_t i = s->nacked; i-- > 0;)
        if (!fmodel_has(s->log, s->nlog, s->log_acked[i]))
            fmodel_drop(s->log_acked, NULL, &s->nacked, i);
}

static int fmodel_append_work(fmodel *m, uint32_t fill)
{
    char data[FMODEL_DATA * 2];
    ri_flash_msg msg = fmodel_msg(data, "w", fill);
    fmodel_state *s = &m->maybe;
    uint32_t seq = 0;
    ri_flash_stream_info info;
    ri_flash_stream_about(m->f, (uint32_t)m->work, &info);
    uint32_t need = (uint32_t)RI_ALIGN(32 + msg.subject.len + msg.headers.len + msg.data.len,
                             RI_MAX(m->flash.dev.program_bytes, 4u));
    /* What is settled out of order takes its room until what is before it is. */
    bool full = s->nwork == FMODEL_WORK ||
                (s->nwork > 0 && info.bytes + need > info.limits.max_bytes);
    fmodel_must(m, info.bytes <= (s->work_last + 1 - info.first_seq) * m->conf.max_record, "bytes");
    if (!full) s->work[s->nwork] = ++s->work_last, s->work_fill[s->nwork++] = fill;
    int rc = ri_flash_append(m->f, (uint32_t)m->work, &msg, &seq);
    fmodel_must(m, (rc == RILL_EFULL) == full, "full is told, when it is");
    fmodel_must(m, rc < 0 || seq == s->work_last, "numbers go on");
    return full ? 0 : rc;
}

static int fmodel_append_log(fmodel *m, uint32_t fill)
{
    char data[FMODEL_DATA * 2];
    ri_flash_msg msg = fmodel_msg(data, "log.x", fill);
    fmodel_state *s = &m->maybe;
    if (s->nlog == FMODEL_LOG) fmodel_drop(s->log, s->log_fill, &s->nlog, 0);
    s->log[s->nlog] = ++s->log_last;
    s->log_fill[s->nlog++] = fill;
    fmodel_prune(s);
    return ri_flash_append(m->f, (uint32_t)m->log, &msg, NULL);
}

static int fmodel_put(fmodel *m, uint32_t fill)
{
    char data[FMODEL_DATA * 2], key[8];
    uint32_t i = fill % FMODEL_KEYS, was = m->maybe.key[i];
    snprintf(key, sizeof key, "key%u", i);
    m->maybe.key[i] = ++m->maybe.kv_last;
    if (fill % 5 == 4 && was) {
        m->maybe.key[i] = m->maybe.key_fill[i] = 0;
        ri_flash_msg gone = {.subject = ri_str_of(key), .time_ns = fill};
        return ri_flash_delete(m->f, (uint32_t)m->kv, &gone, was);
    }
    m->maybe.key_fill[i] = fill;
    ri_flash_msg msg = fmodel_msg(data, key, fill);
    return ri_flash_put(m->f, (uint32_t)m->kv, &msg, fill % 2 ? was : RI_FLASH_ANY, NULL);
}

static int fmodel_ack_work(fmodel *m, uint32_t fill)
{
    fmodel_state *s = &m->maybe;
    if (s->nwork == 0) return 0;
    uint32_t i = fill % s->nwork, seq = s->work[i];
    if (fill % 7 == 0) { /* all up to it */
        for (uint32_t k = 0; k <= i; k++) fmodel_drop(s->work, s->work_fill, &s->nwork, 0);
        return ri_flash_group_ack_all(m->f, (uint32_t)m->g, seq);
    }
    fmodel_drop(s->work, s->work_fill, &s->nwork, i);
    return ri_flash_group_ack(m->f, (uint32_t)m->g, seq);
}

static int fmodel_ack_log(fmodel *m, uint32_t fill)
{
    fmodel_state *s = &m->maybe;
    if (s->nlog == 0) return 0;
    uint32_t seq = s->log[fill % s->nlog];
    if (!fmodel_has(s->log_acked, s->nacked, seq)) s->log_acked[s->nacked++] = seq;
    return ri_flash_group_ack(m->f, (uint32_t)m->r, seq);
}

static int fmodel_purge(fmodel *m, uint32_t fill)
{
    fmodel_state *s = &m->maybe;
    if (s->nlog == 0) return 0;
    uint32_t first = s->log[fill % s->nlog];
    while (s->nlog > 0 && s->log[0] < first) fmodel_drop(s->log, s->log_fill, &s->nlog, 0);
    fmodel_prune(s);
    return ri_flash_stream_purge(m->f, (uint32_t)m->log, first);
}

int fmodel_step(fmodel *m)
{
    uint32_t fill = (uint32_t)rng_below(&m->dice, 100000), what = (uint32_t)rng_below(&m->dice, 20);
    m->steps++;
    m->maybe = m->now;
    int rc = what < 5    ? fmodel_append_work(m, fill)
             : what < 10 ? fmodel_append_log(m, fill)
             : what < 14 ? fmodel_put(m, fill)
             : what < 17 ? fmodel_ack_work(m, fill)
             : what < 19 ? fmodel_ack_log(m, fill)
                         : fmodel_purge(m, fill);
    if (rc < 0) {
        fmodel_must(m, rc == RILL_EIO, "only a loss of power fails");
        return rc;
    }
    m->now = m->maybe;
    return 0;
}
