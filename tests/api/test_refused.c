/* SPDX-License-Identifier: Apache-2.0 */
/* What every durable call and every call of a broker says to a NULL where none may be, and to a
 * handle whose broker is gone: the code, a sentence of its own, and nothing in what it should have
 * filled. The live calls are in test_args.c and test_close.c. */
#include "api.h"
#include "idle.h"

/* The code, and a sentence that is not an older one's. */
#define REFUSED(call, want)                                                             \
    do {                                                                                \
        FAILS(rill_open(&(rill_bus *){NULL}, "older:", NULL), RILL_EINVAL);             \
        FAILS(call, want);                                                              \
        ck_assert_msg(*rill_errmsg() && !strstr(rill_errmsg(), "older:"), "%s: \"%s\"", \
                      #call, rill_errmsg());                                            \
    } while (0)
#define INVALID(call) REFUSED(call, RILL_EINVAL)
#define CLOSED(call) REFUSED(call, RILL_ECLOSED)

static void not_stored(int err, const rill_receipt *receipt, void *arg)
{
    (void)err, (void)receipt, (void)arg;
    ck_abort_msg("a refused append was told");
}

#define BAD ((void *)1) /* what must not be there afterwards */

START_TEST(nulls_in_appends)
{
    rill_bus *bus = api_open("mem:");
    rill_batch *batch = BAD;
    rill_receipt receipt = {.size = sizeof receipt, .seq = 7};
    rill_stream_info info = {.size = sizeof info};
    OK(rill_stream_ensure(bus, "S", NULL));
    INVALID(rill_append(NULL, "S", "", 0, NULL, &receipt, 0));
    INVALID(rill_append(bus, NULL, "", 0, NULL, &receipt, 0));
    INVALID(rill_append(bus, "S", NULL, 1, NULL, &receipt, 0));
    ck_assert_uint_eq(receipt.seq, 0);
    INVALID(rill_append(bus, "S", "", 0, NULL, &(rill_receipt){0}, 5000));
    OK(rill_stream_status(bus, "S", &info));
    ck_assert_uint_eq(info.msgs, 0); /* a receipt of no size was seen before it was stored */
    INVALID(rill_append_async(NULL, "S", "", 0, NULL, not_stored, NULL));
    INVALID(rill_append_async(bus, NULL, "", 0, NULL, not_stored, NULL));
    INVALID(rill_append_async(bus, "S", "", 0, NULL, NULL, NULL));
    INVALID(rill_batch_begin(NULL, &batch, NULL));
    ck_assert_ptr_null(batch);
    INVALID(rill_batch_begin(bus, NULL, NULL));
    INVALID(rill_batch_begin(bus, &batch, RILL_OPTS(rill_batch_opts, .sync = RILL_SYNC_LAZY)));
    INVALID(rill_batch_begin(bus, &batch, RILL_OPTS(rill_batch_opts, .reserved = 1)));
    INVALID(rill_batch_add(NULL, "S", "", 0, NULL));
    INVALID(rill_batch_commit(NULL, NULL, 0));
    OK(rill_batch_begin(bus, &batch, NULL));
    INVALID(rill_batch_commit(batch, &(rill_receipt){0}, 0)); /* it was not sent */
    OK(rill_batch_add(batch, "S", "", 0, NULL));
    rill_batch_close(batch);
    rill_batch_close(NULL);
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(nulls_in_streams)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *sub = BAD;
    rill_msg *m = BAD;
    rill_stream_info info = {.size = sizeof info};
    OK(rill_stream_ensure(bus, "S", NULL));
    INVALID(rill_consume(NULL, &sub, "S", NULL));
    ck_assert_ptr_null(sub);
    INVALID(rill_consume(bus, NULL, "S", NULL));
    INVALID(rill_consume(bus, &sub, NULL, NULL));
    INVALID(rill_tail(NULL, &sub, "S", NULL));
    INVALID(rill_tail(bus, NULL, "S", NULL));
    INVALID(rill_tail(bus, &sub, NULL, NULL));
    INVALID(rill_seek(NULL, RILL_AT(1)));
    INVALID(rill_seek(NULL, RILL_AT_TIME(1)));
    INVALID(rill_sub_status(NULL, &(rill_sub_info){.size = sizeof(rill_sub_info)}));
    INVALID(rill_ack(NULL));
    INVALID(rill_nak(NULL, 0));
    INVALID(rill_term(NULL));
    INVALID(rill_working(NULL));
    INVALID(rill_stream_ensure(NULL, "S", NULL));
    INVALID(rill_stream_ensure(bus, NULL, NULL));
    INVALID(rill_stream_delete(NULL, "S"));
    INVALID(rill_stream_delete(bus, NULL));
    info.msgs = 7;
    INVALID(rill_stream_status(NULL, "S", &info));
    ck_assert_uint_eq(info.msgs, 0);
    INVALID(rill_stream_status(bus, NULL, &info));
    INVALID(rill_stream_status(bus, "S", NULL));
    INVALID(rill_stream_each(NULL, idle_name, NULL));
    INVALID(rill_stream_each(bus, NULL, NULL));
    INVALID(rill_stream_purge(NULL, "S", NULL, NULL));
    INVALID(rill_stream_purge(bus, NULL, NULL, NULL));
    INVALID(rill_stream_get(NULL, "S", RILL_AT(1), &m));
    ck_assert_ptr_null(m);
    INVALID(rill_stream_get(bus, NULL, RILL_AT(1), &m));
    INVALID(rill_stream_get(bus, "S", RILL_AT(1), NULL));
    INVALID(rill_stream_get(NULL, "S", RILL_AT_LAST("S"), &m));
    INVALID(rill_stream_get(bus, NULL, RILL_AT_LAST("S"), &m));
    INVALID(rill_stream_get(bus, "S", RILL_AT_LAST("S"), NULL));
    INVALID(rill_stream_erase(NULL, "S", RILL_AT(1)));
    INVALID(rill_stream_erase(bus, NULL, RILL_AT(1)));
    INVALID(rill_group_pause(NULL, "S", "g", 1));
    INVALID(rill_group_pause(bus, NULL, "g", 1));
    INVALID(rill_group_pause(bus, "S", NULL, 1));
    INVALID(rill_group_delete(NULL, "S", "g"));
    INVALID(rill_group_delete(bus, NULL, "g"));
    INVALID(rill_group_delete(bus, "S", NULL));
    INVALID(rill_store_check(NULL, NULL, NULL));
    INVALID(rill_store_snapshot(NULL, "x"));
    INVALID(rill_store_snapshot(bus, NULL));
    INVALID(rill_store_salvage(NULL, "x", NULL, NULL, NULL));
    INVALID(rill_store_salvage("x", "", NULL, NULL, NULL));
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(nulls_in_buckets)
{
    rill_bus *bus = api_open("mem:");
    rill_kv *kv = BAD;
    rill_objs *objs = BAD;
    rill_sub *sub = BAD;
    rill_msg *m = BAD;
    rill_obj_info *info = calloc(1, sizeof *info);
    info->size = sizeof *info;
    INVALID(rill_kv_open(NULL, &kv, "b", NULL));
    ck_assert_ptr_null(kv);
    INVALID(rill_kv_open(bus, NULL, "b", NULL));
    INVALID(rill_kv_open(bus, &kv, NULL, NULL));
    OK(rill_kv_open(bus, &kv, "b", NULL));
    INVALID(rill_kv_put(NULL, "k", "", 0, NULL, NULL));
    INVALID(rill_kv_put(kv, NULL, "", 0, NULL, NULL));
    INVALID(rill_kv_put(kv, "k", NULL, 1, NULL, NULL));
    INVALID(rill_kv_create(NULL, "k", "", 0, NULL, NULL));
    INVALID(rill_kv_create(kv, NULL, "", 0, NULL, NULL));
    INVALID(rill_kv_get(NULL, "k", &m));
    ck_assert_ptr_null(m);
    INVALID(rill_kv_get(kv, NULL, &m));
    INVALID(rill_kv_get(kv, "k", NULL));
    INVALID(rill_kv_delete(NULL, "k", NULL));
    INVALID(rill_kv_delete(kv, NULL, NULL));
    INVALID(rill_kv_purge(NULL, "k", NULL));
    INVALID(rill_kv_purge(kv, NULL, NULL));
    INVALID(rill_kv_each(NULL, NULL, idle_name, NULL));
    INVALID(rill_kv_each(kv, NULL, NULL, NULL));
    INVALID(rill_kv_history(NULL, "k", idle_msg, NULL));
    INVALID(rill_kv_history(kv, NULL, idle_msg, NULL));
    INVALID(rill_kv_history(kv, "k", NULL, NULL));
    INVALID(rill_kv_watch(NULL, &sub, NULL));
    ck_assert_ptr_null(sub);
    INVALID(rill_kv_watch(kv, NULL, NULL));
    INVALID(rill_objs_open(NULL, &objs, "b", NULL));
    ck_assert_ptr_null(objs);
    INVALID(rill_objs_open(bus, NULL, "b", NULL));
    INVALID(rill_objs_open(bus, &objs, NULL, NULL));
    OK(rill_objs_open(bus, &objs, "b", NULL));
    INVALID(rill_objs_seal(NULL));
    INVALID(rill_obj_put(NULL, "o", idle_source, NULL));
    INVALID(rill_obj_put(objs, NULL, idle_source, NULL));
    INVALID(rill_obj_put(objs, "o", NULL, NULL));
    INVALID(rill_obj_get(NULL, "o", idle_sink, NULL));
    INVALID(rill_obj_get(objs, NULL, idle_sink, NULL));
    INVALID(rill_obj_get(objs, "o", NULL, NULL));
    INVALID(rill_obj_status(NULL, "o", info));
    INVALID(rill_obj_status(objs, NULL, info));
    INVALID(rill_obj_status(objs, "o", NULL));
    INVALID(rill_obj_delete(NULL, "o"));
    INVALID(rill_obj_delete(objs, NULL));
    INVALID(rill_obj_link(NULL, "l", objs, "o"));
    INVALID(rill_obj_link(objs, NULL, objs, "o"));
    INVALID(rill_obj_link(objs, "l", NULL, "o"));
    INVALID(rill_obj_each(NULL, idle_name, NULL));
    INVALID(rill_obj_each(objs, NULL, NULL));
    INVALID(rill_obj_watch(NULL, &sub, NULL));
    INVALID(rill_obj_watch(objs, NULL, NULL));
    INVALID(rill_obj_told(NULL, info));
    rill_kv_close(NULL);
    rill_objs_close(NULL);
    rill_kv_close(kv);
    rill_objs_close(objs);
    OK(rill_close(bus, 20000));
    free(info);
}
END_TEST

START_TEST(nulls_in_brokers)
{
    rill_broker *broker;
    rill_bus *bus = BAD;
    rill_stats stats = {.size = sizeof stats};
    const rill_mapping *mapping = RILL_OPTS(rill_mapping, .from = "a"), *none = NULL;
    const rill_mapping *shorter = &(rill_mapping){.size = sizeof *shorter - 1, .from = "a"};
    INVALID(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .nmappings = 1,
                                                .mappings = &none)));
    INVALID(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .nmappings = 1,
                                                .mappings = &shorter)));
    INVALID(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .nmappings = 1)));
    INVALID(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .nmappings = 1,
                                                .mappings = &mapping)));
    OK(rill_broker_open(&broker, NULL));
    INVALID(rill_broker_listen(broker, NULL, NULL));
    INVALID(rill_broker_bus(NULL, &bus, NULL));
    ck_assert_ptr_null(bus);
    INVALID(rill_broker_bus(broker, NULL, NULL));
    INVALID(rill_broker_reload(NULL, NULL));
    INVALID(rill_broker_lame_duck(NULL, 0, 0));
    INVALID(rill_broker_stats(NULL, &stats));
    INVALID(rill_broker_stats(broker, NULL));
    INVALID(rill_broker_about(NULL, &(rill_broker_info){.size = sizeof(rill_broker_info)}));
    INVALID(rill_broker_about(broker, NULL));
    OK(rill_broker_close(NULL, 0));
    OK(rill_broker_close(broker, 20000));
}
END_TEST

static void see_buckets_closed(rill_bus *bus, rill_kv *kv, rill_objs *objs)
{
    rill_sub *sub;
    rill_msg *m;
    CLOSED(rill_kv_open(bus, &(rill_kv *){NULL}, "b", NULL));
    CLOSED(rill_kv_put(kv, "k", "", 0, NULL, NULL));
    CLOSED(rill_kv_create(kv, "k", "", 0, NULL, NULL));
    CLOSED(rill_kv_get(kv, "k", &m));
    CLOSED(rill_kv_delete(kv, "k", NULL));
    CLOSED(rill_kv_purge(kv, "k", NULL));
    CLOSED(rill_kv_each(kv, NULL, idle_name, NULL));
    CLOSED(rill_kv_history(kv, "k", idle_msg, NULL));
    CLOSED(rill_kv_watch(kv, &sub, NULL));
    CLOSED(rill_objs_open(bus, &(rill_objs *){NULL}, "b", NULL));
    CLOSED(rill_objs_seal(objs));
    CLOSED(rill_obj_put(objs, "o", idle_source, NULL));
    CLOSED(rill_obj_get(objs, "o", idle_sink, NULL));
    CLOSED(rill_obj_delete(objs, "o"));
    CLOSED(rill_obj_link(objs, "l", objs, "o"));
    CLOSED(rill_obj_each(objs, idle_name, NULL));
    CLOSED(rill_obj_watch(objs, &sub, NULL));
}

/* Every handle there is outlives the broker. */
START_TEST(the_broker_is_gone)
{
    rill_broker *broker;
    rill_bus *bus;
    rill_sub *group, *tail, *watch, *sub;
    rill_kv *kv;
    rill_objs *objs;
    rill_batch *batch, *other;
    rill_msg *kept, *m;
    const rill_msg *lent;
    rill_stream_info info = {.size = sizeof info};
    OK(rill_broker_open(&broker, NULL));
    OK(rill_broker_bus(broker, &bus, NULL));
    OK(rill_stream_ensure(bus, "S", NULL));
    OK(rill_append(bus, "S", "x", 1, NULL, NULL, 20000));
    OK(rill_consume(bus, &group, "S", RILL_OPTS(rill_sub_opts, .group = "g")));
    OK(rill_next(group, &lent, 20000));
    kept = rill_msg_ref(lent);
    OK(rill_tail(bus, &tail, "S", NULL));
    OK(rill_kv_open(bus, &kv, "b", NULL));
    OK(rill_kv_watch(kv, &watch, NULL));
    OK(rill_objs_open(bus, &objs, "b", NULL));
    OK(rill_batch_begin(bus, &batch, NULL));
    OK(rill_broker_close(broker, 20000));
    CLOSED(rill_append(bus, "S", "", 0, NULL, NULL, -1));
    CLOSED(rill_append_async(bus, "S", "", 0, NULL, not_stored, NULL));
    CLOSED(rill_batch_begin(bus, &other, NULL));
    CLOSED(rill_batch_commit(batch, NULL, -1));
    CLOSED(rill_consume(bus, &sub, "S", NULL));
    CLOSED(rill_tail(bus, &sub, "S", NULL));
    CLOSED(rill_seek(group, RILL_AT(1)));
    CLOSED(rill_seek(group, RILL_AT_TIME(1)));
    CLOSED(rill_ack(kept));
    CLOSED(rill_nak(kept, 0));
    CLOSED(rill_term(kept));
    CLOSED(rill_working(kept));
    CLOSED(rill_next(group, &lent, -1));
    CLOSED(rill_stream_ensure(bus, "S", NULL));
    CLOSED(rill_stream_delete(bus, "S"));
    CLOSED(rill_stream_status(bus, "S", &info));
    CLOSED(rill_stream_each(bus, idle_name, NULL));
    CLOSED(rill_stream_describe(bus, "S", idle_stream, NULL));
    CLOSED(rill_stream_describe(bus, NULL, idle_stream, NULL));
    CLOSED(rill_group_seek(bus, "S", "g", NULL));
    CLOSED(rill_stream_purge(bus, "S", NULL, NULL));
    CLOSED(rill_stream_get(bus, "S", RILL_AT(1), &m));
    CLOSED(rill_stream_get(bus, "S", RILL_AT_LAST("S"), &m));
    CLOSED(rill_stream_erase(bus, "S", RILL_AT(1)));
    CLOSED(rill_group_pause(bus, "S", "g", 1));
    CLOSED(rill_group_delete(bus, "S", "g"));
    CLOSED(rill_store_check(bus, NULL, NULL));
    CLOSED(rill_store_snapshot(bus, "x"));
    see_buckets_closed(bus, kv, objs);
    rill_msg_unref(kept);
    rill_sub_close(group);
    rill_sub_close(tail);
    rill_sub_close(watch);
    rill_kv_close(kv);
    rill_objs_close(objs);
    rill_batch_close(batch);
    OK(rill_close(bus, 20000));
}
END_TEST

SUITE_MAIN("refused", nulls_in_appends, nulls_in_streams, nulls_in_buckets, nulls_in_brokers,
           the_broker_is_gone)
