/* SPDX-License-Identifier: Apache-2.0 */
/* The assertions of the library catch what they are there for: each row breaks a promise in a child
 * process, which must be ended by the assertion. Where they are compiled out (b_ndebug) nothing is
 * broken, since nothing would notice. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/chain.h"
#include "base/claim.h"
#include "base/error.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/nuid.h"
#include "codec/nats/nats.h"
#include "codec/subject/filters.h"
#include "codec/subject/shapes.h"
#include "engine/live/router.h"
#include "engine/streams/js_state.h"
#include "front/broker/broker.h"
#include "net/outq.h"
#include "store/index/subject_index.h"
#include "store/log/log_private.h"
#include "store/log/seek.h"
#include "store/memory/dedupe.h"
#include "store/memory/producers.h"
#include "support/suite.h"

static ri_host host;

static bool same(const void *item, const void *key)
{
    return item == key;
}

/* ---- base ---- */

static void buffer_eats_what_is_not_there(void)
{
    ri_buffer b;
    ri_buffer_init(&b, &host);
    ri_buffer_puts(&b, "abc");
    ri_buffer_eat(&b, 4);
}

static void buffer_ends_before_it_begins(void)
{
    ri_buffer b;
    ri_buffer_init(&b, &host);
    ri_buffer_puts(&b, "abc");
    b.head = b.len + 1;
    ri_buffer_put(&b, "d", 1);
}

static void heap_timer_of_another_heap(void)
{
    ri_heap one, other;
    ri_timer timer = {0}, own = {0};
    ri_heap_init(&one, &host);
    ri_heap_init(&other, &host);
    ri_heap_set(&one, &timer, 1);
    ri_heap_set(&other, &own, 2);
    ri_heap_cancel(&other, &timer);
}

static void heap_with_a_place_that_is_wrong(void)
{
    ri_heap heap;
    ri_timer timer = {0};
    ri_heap_init(&heap, &host);
    ri_heap_set(&heap, &timer, 1);
    timer.place = 2;
    ri_heap_due(&heap, 1);
}

static void map_that_is_too_full(void)
{
    ri_map map;
    int item;
    ri_map_init(&map, &host, same);
    ri_map_put(&map, 1, &item);
    map.len = map.cap;
    ri_map_get(&map, 1, &item);
}

static void map_of_nothing(void)
{
    ri_map map;
    ri_map_init(&map, &host, same);
    ri_map_put(&map, 1, NULL);
}

static void chain_of_nothing(void)
{
    ri_chain chain;
    ri_chain_init(&chain, &host);
    ri_chain_push(&chain, NULL);
}

static void claim_gives_more_than_it_has(void)
{
    ri_memory memory;
    ri_ledger ledger;
    ri_claim claim;
    ri_memory_init(&memory);
    ri_ledger_init(&ledger, &memory, RI_MEMORY_WORK);
    ri_claim_init(&claim, NULL);
    ri_claim_add(&ledger, &claim, 10);
    ri_claim_shrink(&ledger, &claim, 11);
}

static void memory_is_refunded_twice(void)
{
    ri_memory memory;
    ri_memory_init(&memory);
    ri_memory_charge(&memory, RI_MEMORY_INPUT, 5);
    ri_memory_refund(&memory, RI_MEMORY_INPUT, 5);
    ri_memory_refund(&memory, RI_MEMORY_INPUT, 5);
}

static void error_that_is_none(void)
{
    ri_err(RILL_OK, "all is well");
}

static void free_of_a_size_that_is_not_told(void)
{
    ri_free(&host, ri_alloc(&host, 8), 0);
}

static void nuid_with_a_pool_that_is_too_long(void)
{
    ri_nuid nuid;
    ri_nuid_init(&nuid, &host);
    nuid.left = RI_NUID_POOL + 1;
    ri_nuid_number(&nuid);
}

/* ---- codec ---- */

static void nats_bytes_that_end_before_they_begin(void)
{
    const char *text = "PING\r\n";
    ri_nats parser;
    ri_nats_op op;
    ri_nats_init(&parser, RI_NATS_FROM_CLIENT);
    ri_nats_parse(&parser, text + 6, text, &op);
}

static void nats_error_of_two_lines(void)
{
    char out[64];
    ri_nats_put_err(out, RI_STR("one\ntwo"));
}

static void filters_without_subjects(void)
{
    ri_filters filters;
    ri_filters_compile(&filters, &host, NULL, 2);
}

static void shapes_forget_what_was_not_added(void)
{
    ri_shapes shapes;
    ri_shapes_init(&shapes, &host);
    shapes.deep = RI_LIMIT_SHAPES + 1;
    ri_shapes_remove(&shapes, RI_STR("a.*.b.*.c.*.d.*.e.*.f.*.>"));
}

/* ---- store ---- */

static void index_changes_within_a_walk(void)
{
    ri_subject_index index;
    ri_subject_index_init(&index, &host);
    ri_subject_index_add(&index, RI_STR("a"), 1);
    index.walking = 1;
    ri_subject_index_remove(&index, RI_STR("a"), 1);
}

static void seek_beyond_the_segment(void)
{
    char bytes[256] = {0};
    ri_seek seek;
    ri_segment_entry e;
    ri_seek_init(&seek, &host, bytes, sizeof bytes, 1);
    ri_seek_entry(&seek, 0, sizeof bytes + 8, &e);
}

static ri_track *track_of_one(ri_log **log)
{
    ri_log_opts opts = {.host = &host};
    ri_track *track = NULL;
    ri_record record = {.time_ns = 1, .data = RI_STR("x")};
    ri_log_open(log, &opts);
    ri_log_track(*log, 1, &(ri_track_opts){0}, &track);
    ri_track_append(track, &record);
    ri_log_commit(*log);
    return track;
}

static void track_counts_what_no_run_has(void)
{
    ri_log *log;
    ri_track *track = track_of_one(&log);
    track->nruns = 0;
    ri_track_purge(track, 1);
}

static void log_has_more_segments_than_room(void)
{
    ri_log *log;
    ri_track *track = track_of_one(&log);
    log->nsegments = log->cap_segments + 1;
    ri_track_remove(track, 1, false);
}

static void dedupe_of_no_sequence(void)
{
    ri_dedupe dedupe;
    ri_dedupe_opts opts = {.window_ns = RI_SEC};
    ri_dedupe_init(&dedupe, &host, &opts);
    ri_dedupe_add(&dedupe, RI_STR("id"), 0, 1);
}

static void producer_with_a_batch_of_nothing(void)
{
    ri_producers producers;
    ri_producers_opts opts = {0};
    ri_producers_init(&producers, &host, &opts);
    ri_producers_add(&producers, &(ri_producers_batch){.producer_id = 1}, 0, 1);
}

/* ---- engine ---- */

static void stream_of_another_kind(void)
{
    ri_stream stream = {.magic = RI_CONSUMER_MAGIC};
    ri_stream_step(&stream);
}

static void consumer_with_more_again_than_pending(void)
{
    ri_stream stream = {.magic = RI_STREAM_MAGIC};
    ri_consumer consumer = {.magic = RI_CONSUMER_MAGIC, .stream = &stream, .nagain = 1};
    ri_js_ready(&consumer);
}

static void consumer_that_is_parked_nowhere(void)
{
    ri_stream stream = {.magic = RI_STREAM_MAGIC};
    ri_consumer consumer = {.magic = RI_CONSUMER_MAGIC, .stream = &stream,
                            .parked = RI_PARKED_READY};
    ri_list_init(&consumer.ready_link);
    ri_js_park(&consumer, RI_PARKED_NO);
}

static void publish_without_a_subject(void)
{
    ri_router router;
    ri_party party;
    static const ri_party_ops ops;
    ri_router_init(&router, &host);
    ri_party_init(&party, &router, &ops);
}

/* ---- net, front ---- */

static void outq_has_written_more_than_it_had(void)
{
    ri_outq q = {0};
    ri_outq_written(&q, 1);
}

static void broker_that_nobody_has_entered(void)
{
    ri_broker *broker;
    rill_stats stats;
    rill_broker_opts opts = {.size = sizeof opts, .name = "assert"};
    if (ri_broker_new(&broker, &opts) == RILL_OK) ri_broker_stats_inside(broker, &stats);
}

static void broker_that_is_none(void)
{
    static ri_broker broker;
    rill_stats stats;
    ri_broker_stats(&broker, &stats);
}

static const struct {
    const char *name;
    void (*violate)(void);
} promises[] = {
#define ROW(name) {#name, name}
    ROW(buffer_eats_what_is_not_there),
    ROW(buffer_ends_before_it_begins),
    ROW(heap_timer_of_another_heap),
    ROW(heap_with_a_place_that_is_wrong),
    ROW(map_that_is_too_full),
    ROW(map_of_nothing),
    ROW(chain_of_nothing),
    ROW(claim_gives_more_than_it_has),
    ROW(memory_is_refunded_twice),
    ROW(error_that_is_none),
    ROW(free_of_a_size_that_is_not_told),
    ROW(nuid_with_a_pool_that_is_too_long),
    ROW(nats_bytes_that_end_before_they_begin),
    ROW(nats_error_of_two_lines),
    ROW(filters_without_subjects),
    ROW(shapes_forget_what_was_not_added),
    ROW(index_changes_within_a_walk),
    ROW(seek_beyond_the_segment),
    ROW(track_counts_what_no_run_has),
    ROW(log_has_more_segments_than_room),
    ROW(dedupe_of_no_sequence),
    ROW(producer_with_a_batch_of_nothing),
    ROW(stream_of_another_kind),
    ROW(consumer_with_more_again_than_pending),
    ROW(consumer_that_is_parked_nowhere),
    ROW(publish_without_a_subject),
    ROW(outq_has_written_more_than_it_had),
    ROW(broker_that_nobody_has_entered),
    ROW(broker_that_is_none),
#undef ROW
};

START_TEST(test_a_broken_promise_ends_the_program)
{
#ifndef NDEBUG
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr)) _exit(1);
        signal(SIGABRT, SIG_DFL);
        ri_host_init(&host, NULL);
        promises[_i].violate();
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
                  "%s: no assertion caught it (status %d)", promises[_i].name, status);
#endif
}
END_TEST

SUITE_MAIN_ROWS("assert", SUITE_EACH(RI_LEN(promises), test_a_broken_promise_ends_the_program))
