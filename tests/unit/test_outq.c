/* SPDX-License-Identifier: Apache-2.0 */
/* Out-queues against a plain string: random pieces in, random amounts out. */
#include <string.h>

#include "base/error.h"
#include "net/outq.h"
#include "support/fault.h"
#include "support/rng.h"
#include "support/suite.h"

enum { MODEL_MAX = 4 * 1024 * 1024 };

typedef struct model {
    fault f;
    ri_outq_pool pool;
    ri_packet_pool *packets;
    ri_outq out, sending;
    char *want;          /* all bytes ever put in */
    size_t put, written; /* of these */
} model;

static void model_init(model *m)
{
    *m = (model){0};
    fault_init(&m->f);
    ri_outq_pool_init(&m->pool, &m->f.host, NULL);
    m->packets = ri_packet_pool_open(&m->f.host);
    m->want = malloc(MODEL_MAX);
}

static void model_fini(model *m)
{
    ri_outq_fini(&m->out, &m->pool);
    ri_outq_fini(&m->sending, &m->pool);
    ri_outq_pool_fini(&m->pool);
    ri_packet_pool_close(m->packets);
    fault_fini(&m->f);
    free(m->want);
}

static void model_put(model *m, rng *r, size_t len)
{
    char *bytes = m->want + m->put;
    ck_assert_uint_le(m->put + len, MODEL_MAX);
    for (size_t i = 0; i < len; i++) bytes[i] = (char)rng_next(r);
    ck_assert(ri_outq_put(&m->out, &m->pool, bytes, len));
    m->put += len;
}

static void model_put_packet(model *m, rng *r, size_t len)
{
    char *bytes = m->want + m->put;
    ck_assert_uint_le(m->put + len, MODEL_MAX);
    for (size_t i = 0; i < len; i++) bytes[i] = (char)rng_next(r);
    ri_message msg = {.subject = RI_STR("s"), .data = {bytes, len}};
    ri_packet *packet = ri_packet_new(m->packets, &msg, 0);
    ck_assert_ptr_nonnull(packet);
    ck_assert(ri_outq_put_packet(&m->out, &m->pool, packet, ri_packet_data(packet)));
    m->put += len;
}

static void model_put_buffer(model *m, rng *r, size_t len)
{
    char *bytes = m->want + m->put;
    ri_buffer buffer;
    ck_assert_uint_le(m->put + len, MODEL_MAX);
    for (size_t i = 0; i < len; i++) bytes[i] = (char)rng_next(r);
    ri_buffer_init(&buffer, m->pool.host);
    ri_buffer_put(&buffer, "eaten", 5);
    ri_buffer_put(&buffer, bytes, len);
    ri_buffer_eat(&buffer, 5);
    ck_assert(ri_outq_put_buffer(&m->out, &m->pool, &buffer));
    ck_assert_ptr_null(buffer.ptr);
    m->put += len;
}

/* As a socket would: up to `len` bytes of the next pieces, checked against the model. */
static void model_write(model *m, size_t len, int pieces)
{
    struct iovec iov[16];
    int n = ri_outq_iov(&m->sending, iov, pieces);
    size_t done = 0;
    for (int i = 0; i < n && done < len; i++) {
        size_t part = RI_MIN(iov[i].iov_len, len - done);
        ck_assert_mem_eq(iov[i].iov_base, m->want + m->written + done, part);
        done += part;
    }
    ri_outq_written(&m->sending, done);
    m->written += done;
}

static void model_step(model *m, rng *r)
{
    static const size_t sizes[] = {1, 30, 500, 1100, 5000, 70000};
    size_t len = 1 + rng_below(r, sizes[rng_below(r, RI_LEN(sizes))]);
    switch (rng_below(r, 9)) {
    case 8:
        model_put_buffer(m, r, len);
        break;
    case 0:
        model_put_packet(m, r, len);
        break;
    case 1:
    case 2:
        ri_outq_settle(&m->sending, &m->pool);
        if (m->sending.bytes == 0) ri_outq_take(&m->sending, &m->out, &m->pool);
        break;
    case 3:
    case 4:
        model_write(m, rng_below(r, 100000), 1 + (int)rng_below(r, 16));
        break;
    default:
        model_put(m, r, len % 3000);
    }
    ck_assert_uint_eq(m->put - m->written, m->out.bytes + m->sending.bytes);
}

START_TEST(against_a_string)
{
    rng r;
    rng_init(&r, rng_seed(11));
    for (int round = 0; round < 20; round++) {
        model m;
        model_init(&m);
        while (m.put < MODEL_MAX - 80000) model_step(&m, &r);
        if (round % 2) { /* write all that is there; else drop it */
            while (m.written < m.put) {
                model_write(&m, SIZE_MAX, 16);
                ri_outq_settle(&m.sending, &m.pool);
                if (m.sending.bytes == 0) ri_outq_take(&m.sending, &m.out, &m.pool);
            }
            ri_outq_settle(&m.sending, &m.pool);
            ck_assert_ptr_null(m.sending.more_pieces);
        }
        model_fini(&m);
    }
}
END_TEST

/* A queue that now and then has a line in it takes a small chunk, a busy one a big one. */
START_TEST(sizes)
{
    model m;
    rng r;
    rng_init(&r, 1);
    model_init(&m);
    size_t before = m.f.supply.bytes;
    model_put(&m, &r, 10);
    ck_assert_uint_le(m.f.supply.bytes - before, 1024);
    for (int i = 0; i < 100; i++) model_put(&m, &r, 1000);
    ri_outq_take(&m.sending, &m.out, &m.pool);
    ck_assert_uint_eq(m.out.hint, m.sending.bytes);
    model_write(&m, SIZE_MAX, 16);
    ri_outq_settle(&m.sending, &m.pool);
    char *room = ri_outq_room(&m.out, &m.pool, 1);
    ck_assert_int_gt(m.out.end - room, 60000);
    model_fini(&m);
}
END_TEST

static int body_faults(fault *f, void *arg)
{
    (void)arg;
    ri_outq_pool pool;
    ri_outq_pool_init(&pool, &f->host, NULL);
    ri_packet_pool *packets = ri_packet_pool_open(&f->host);
    ri_outq q = {0};
    char data[2000] = {0};
    bool ok = packets != NULL;
    for (int i = 0; i < 20 && ok; i++) {
        size_t before = q.bytes;
        ok = ri_outq_put(&q, &pool, data, sizeof data);
        ck_assert_uint_eq(q.bytes, before + (ok ? sizeof data : 0));
        ri_message msg = {.subject = RI_STR("s"), .data = {data, sizeof data}};
        ri_packet *packet = ok ? ri_packet_new(packets, &msg, 0) : NULL;
        ok = packet && ri_outq_put_packet(&q, &pool, packet, ri_packet_data(packet));
        ri_buffer buffer;
        ri_buffer_init(&buffer, &f->host);
        ri_buffer_put(&buffer, data, sizeof data);
        ok = ok && !buffer.failed && ri_outq_put_buffer(&q, &pool, &buffer);
        ck_assert(ok == (buffer.ptr == NULL) || buffer.failed);
        ri_buffer_fini(&buffer);
    }
    ri_outq_fini(&q, &pool);
    ri_outq_pool_fini(&pool);
    if (packets) ri_packet_pool_close(packets);
    return ok ? RILL_OK : RILL_ENOMEM;
}

START_TEST(faults)
{
    ck_assert_uint_gt(fault_each(body_faults, NULL), 5);
}
END_TEST

/* What nobody has read goes in slices, however much it is, and all of its memory comes back. */
START_TEST(dropped_in_slices)
{
    enum { PIECES = 3000, SLACK = RI_BUDGET_SLICE };
    model m;
    rng r;
    ri_memory memory;
    ri_budget budget;
    uint64_t slices = 0;
    model_init(&m);
    rng_init(&r, 5);
    ri_memory_init(&memory);
    m.pool.memory = &memory;
    for (int i = 0; i < PIECES; i++) {
        size_t len = (size_t)rng_below(&r, 2000);
        if (m.put > MODEL_MAX - 2000) m.put = 0;
        if (i % 3) model_put(&m, &r, len);
        else model_put_packet(&m, &r, len);
    }
    ri_outq_take(&m.sending, &m.out, &m.pool);
    ri_outq_written(&m.sending, 12345); /* some of it, and not to a piece's end */
    model_put(&m, &r, 100);
    ri_budget_init(&budget);
    for (bool all = false; !all; slices++) {
        size_t before = m.sending.bytes + m.out.bytes;
        ri_budget_open(&budget);
        all = ri_outq_drop_some(&m.sending, &m.pool, &budget) &&
              ri_outq_drop_some(&m.out, &m.pool, &budget);
        ri_budget_close(&budget);
        ck_assert(all || m.sending.bytes + m.out.bytes < before);
    }
    ck_assert_uint_gt(slices, 1);
    ck_assert_uint_le(budget.longest, RI_BUDGET_TURN + SLACK);
    ck_assert_uint_eq(m.sending.bytes + m.out.bytes, 0);
    ri_outq_pool_fini(&m.pool);
    ck_assert_uint_eq(ri_memory_used(&memory, RI_MEMORY_OUTPUT), 0);
    model_fini(&m);
}
END_TEST

/* A buffer's memory is one piece, and goes with the queue. */
START_TEST(dropped_whole)
{
    model m;
    ri_buffer buffer;
    ri_budget budget;
    model_init(&m);
    ri_budget_init(&budget);
    ri_budget_open(&budget);
    ri_buffer_init(&buffer, &m.f.host);
    for (int i = 0; i < 1 << 16; i++)
        ri_buffer_put_str(&buffer, RI_STR("a line of some 30 bytes, again"));
    ck_assert(ri_outq_put_buffer(&m.out, &m.pool, &buffer));
    ck_assert(ri_outq_drop_some(&m.out, &m.pool, &budget));
    ri_budget_close(&budget);
    ck_assert_uint_eq(budget.longest, RI_BUDGET_SLICE);
    ck_assert(ri_outq_drop_some(&m.out, &m.pool, &budget)); /* there is nothing */
    model_fini(&m);
}
END_TEST

static ri_buffer buffer_of(model *m, size_t size)
{
    ri_buffer buffer;
    ri_buffer_init(&buffer, &m->f.host);
    memset(ri_buffer_room(&buffer, size), 'x', size);
    ri_buffer_added(&buffer, size);
    return buffer;
}

/* Memory of buffers that are out is lent to others that need about as much. */
START_TEST(kept)
{
    enum { LARGE = 1024 * 1024 };
    model m;
    ri_memory memory;
    model_init(&m);
    ri_memory_init(&memory);
    m.pool.memory = &memory;
    ri_buffer buffer = buffer_of(&m, LARGE), next;
    const char *lies = buffer.ptr;
    ck_assert(ri_outq_put_buffer(&m.out, &m.pool, &buffer));
    ri_outq_take(&m.sending, &m.out, &m.pool);
    ri_outq_written(&m.sending, LARGE);
    uint64_t used = ri_memory_used(&memory, RI_MEMORY_OUTPUT);
    ri_outq_settle(&m.sending, &m.pool);
    ck_assert_uint_eq(m.pool.nkept, 1);
    ck_assert_uint_eq(m.pool.kept_bytes, LARGE);
    ck_assert_uint_le(ri_memory_used(&memory, RI_MEMORY_OUTPUT), used);
    ck_assert_uint_ge(ri_memory_used(&memory, RI_MEMORY_OUTPUT), LARGE);
    ri_buffer_init(&next, &m.f.host);
    ri_outq_pool_lend(&m.pool, LARGE + 1, &next); /* too small for that */
    ck_assert_ptr_null(next.ptr);
    ri_outq_pool_lend(&m.pool, LARGE / 4, &next); /* and much too large for this */
    ck_assert_ptr_null(next.ptr);
    ri_outq_pool_lend(&m.pool, LARGE, &next);
    ck_assert_ptr_eq(next.ptr, lies);
    ck_assert_uint_eq(ri_buffer_size(&next), 0);
    ck_assert_uint_eq(m.pool.nkept, 0);
    ri_outq_pool_keep(&m.pool, &next);
    ck_assert_ptr_null(next.ptr);
    ck_assert_uint_eq(ri_outq_pool_give_back(&m.pool), LARGE);
    ck_assert_uint_eq(ri_outq_pool_give_back(&m.pool), 0);
    ri_outq_pool_fini(&m.pool);
    ck_assert_uint_eq(ri_memory_used(&memory, RI_MEMORY_OUTPUT), 0);
    model_fini(&m);
}
END_TEST

/* So many of them, of so many bytes, and of a part of the budget. */
START_TEST(kept_bounds)
{
    enum { LARGE = 1024 * 1024 };
    model m;
    ri_memory memory;
    model_init(&m);
    ri_memory_init(&memory);
    for (int i = 0; i < RI_OUTQ_BUFFERS + 2; i++) {
        ri_buffer one = buffer_of(&m, LARGE);
        ri_outq_pool_keep(&m.pool, &one);
        ck_assert_ptr_null(one.ptr);
    }
    ck_assert_uint_eq(m.pool.nkept, RI_OUTQ_BUFFERS);
    ri_outq_pool_give_back(&m.pool);
    ri_buffer small = buffer_of(&m, 1000), whole = buffer_of(&m, 32 * LARGE);
    size_t cap = whole.cap;
    ck_assert_uint_le(cap, RI_OUTQ_BUFFER_BYTES);
    ri_outq_pool_keep(&m.pool, &small);
    ck_assert_uint_eq(m.pool.nkept, 0);
    ri_outq_pool_keep(&m.pool, &whole);
    ck_assert_uint_eq(m.pool.kept_bytes, cap);
    ri_buffer more = buffer_of(&m, LARGE);
    ri_outq_pool_keep(&m.pool, &more);
    ck_assert_uint_eq(m.pool.nkept, 1);
    ri_outq_pool_give_back(&m.pool);
    ri_memory_set_limit(&memory, 8 * LARGE); /* of which output has 3 */
    m.pool.memory = &memory;
    ri_buffer crowded = buffer_of(&m, LARGE);
    ri_outq_pool_keep(&m.pool, &crowded);
    ck_assert_uint_eq(m.pool.nkept, 0);
    model_fini(&m);
}
END_TEST

SUITE_MAIN("outq", against_a_string, sizes, faults, dropped_in_slices, dropped_whole, kept,
           kept_bounds)
