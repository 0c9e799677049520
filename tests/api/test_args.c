/* SPDX-License-Identifier: Apache-2.0 */
/* What a careless program may hand in: a clear error, and nothing has changed. */
#include "api.h"

static void noop(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    (void)m;
    (void)arg;
}

static void no_reply(int err, const rill_msg *reply, void *arg)
{
    (void)err;
    (void)reply;
    (void)arg;
    ck_abort_msg("a refused request was told");
}

START_TEST(nulls_are_refused)
{
    rill_bus *bus = api_open("mem:"), *none = (rill_bus *)1;
    rill_sub *sub = (rill_sub *)1;
    const rill_msg *m = (const rill_msg *)1;
    rill_msg *reply = (rill_msg *)1;
    rill_str value;
    FAILS(rill_open(NULL, "mem:", NULL), RILL_EINVAL);
    FAILS(rill_open(&none, NULL, NULL), RILL_EINVAL);
    FAILS(rill_publish(NULL, "a", "", 0, NULL), RILL_EINVAL);
    FAILS(rill_publish(bus, NULL, "", 0, NULL), RILL_EINVAL);
    FAILS(rill_publish(bus, "a", NULL, 1, NULL), RILL_EINVAL);
    FAILS(rill_subscribe(NULL, &sub, "a", NULL), RILL_EINVAL);
    ck_assert_ptr_null(sub);
    FAILS(rill_subscribe(bus, NULL, "a", NULL), RILL_EINVAL);
    FAILS(rill_subscribe(bus, &sub, NULL, NULL), RILL_EINVAL);
    FAILS(rill_next(NULL, &m, 0), RILL_EINVAL);
    ck_assert_ptr_null(m);
    FAILS(rill_read(NULL, &m, 1, 0), RILL_EINVAL);
    FAILS(rill_request(bus, "a", "", 0, NULL, NULL, 0), RILL_EINVAL);
    FAILS(rill_request(NULL, "a", "", 0, NULL, &reply, 0), RILL_EINVAL);
    ck_assert_ptr_null(reply);
    FAILS(rill_request_async(bus, "a", "", 0, NULL, 0, NULL, NULL), RILL_EINVAL);
    FAILS(rill_reply(NULL, "", 0, NULL), RILL_EINVAL);
    FAILS(rill_header_get(NULL, "a", &value), RILL_EINVAL);
    FAILS(rill_flush(NULL, 0), RILL_EINVAL);
    FAILS(rill_bus_stats(NULL, NULL), RILL_EINVAL);
    FAILS(rill_bus_stats(bus, NULL), RILL_EINVAL);
    FAILS(rill_sub_stop(NULL), RILL_EINVAL);
    FAILS(rill_sub_fd(NULL), RILL_EINVAL);
    FAILS(rill_broker_listen(NULL, "nats://127.0.0.1:0", NULL), RILL_EINVAL);
    FAILS(rill_broker_open(NULL, NULL), RILL_EINVAL);
    ck_assert_uint_eq(rill_caps(NULL), 0);
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(a_url_is_refused_by_name)
{
    static const char *const bad[] = {"", "mem", "memory:", "http://localhost", ":", "mem x"};
    rill_bus *bus;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bus = (rill_bus *)1;
        FAILS(rill_open(&bus, bad[i], NULL), RILL_EINVAL);
        ck_assert_ptr_null(bus);
        ck_assert_uint_gt(strlen(rill_errmsg()), 10);
    }
}
END_TEST

START_TEST(subjects_are_checked)
{
    static const char *const no_literal[] = {"", ".", "a.", ".a", "a..b", "a b", "a\tb", "a\r\nb",
                                             "*",
                                             "a.*", ">", "a.>", "a\x01"};
    static const char *const no_filter[] = {"", ".", "a.", "a..b", "a b", ">.a", "a.>.b"};
    rill_bus *bus = api_open("mem:");
    rill_sub *sub, *all;
    const rill_msg *m;
    char longest[RILL_SUBJECT_MAX + 2];
    OK(rill_subscribe(bus, &all, ">", NULL));
    for (size_t i = 0; i < sizeof no_literal / sizeof *no_literal; i++)
        FAILS(rill_publish(bus, no_literal[i], "", 0, NULL), RILL_EINVAL);
    for (size_t i = 0; i < sizeof no_filter / sizeof *no_filter; i++)
        FAILS(rill_subscribe(bus, &sub, no_filter[i], NULL), RILL_EINVAL);
    memset(longest, 'a', sizeof longest);
    longest[RILL_SUBJECT_MAX + 1] = 0;
    FAILS(rill_publish(bus, longest, "", 0, NULL), RILL_EINVAL);
    FAILS(rill_next(all, &m, 0), RILL_EAGAIN);
    longest[RILL_SUBJECT_MAX] = 0;
    OK(rill_publish(bus, longest, "", 0, NULL));
    OK(rill_publish(bus, "a*b.c>", "", 0, NULL)); /* no whole token: a literal */
    FAILS(rill_publish(bus, "a", "", 0, RILL_OPTS(rill_post, .reply = "b c")), RILL_EINVAL);
    FAILS(rill_subscribe(bus, &sub, "a", RILL_OPTS(rill_sub_opts, .group = "")), RILL_EINVAL);
    FAILS(rill_subscribe(bus, &sub, "a", RILL_OPTS(rill_sub_opts, .group = "b c")), RILL_EINVAL);
    rill_sub_close(all);
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(headers_are_checked)
{
    static const rill_header bad[] = {
        {RILL_STR(""), RILL_STR("x")},      {RILL_STR("a:b"), RILL_STR("x")},
        {RILL_STR("a"), RILL_STR("x\r\ny")}, {RILL_STR("a\n"), RILL_STR("x")},
    };
    rill_bus *bus = api_open("mem:");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        FAILS(rill_publish(bus, "a", "", 0,
                           RILL_OPTS(rill_post, .headers = &bad[i], .nheaders = 1)),
              RILL_EINVAL);
    FAILS(rill_publish(bus, "a", "", 0, RILL_OPTS(rill_post, .nheaders = 1)), RILL_EINVAL);
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(sizes_are_checked)
{
    rill_broker *broker;
    rill_bus *bus;
    char big[101] = {0};
    OK(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .max_msg_bytes = 100)));
    OK(rill_broker_bus(broker, &bus, NULL));
    OK(rill_publish(bus, "a", big, 100, NULL));
    FAILS(rill_publish(bus, "a", big, 101, NULL), RILL_ETOOBIG);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "100"));
    OK(rill_close(bus, 20000));
    OK(rill_broker_close(broker, 20000));
    FAILS(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .max_msg_bytes = 1u << 30)),
          RILL_EINVAL);
    FAILS(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .user = "u")), RILL_EINVAL);
    FAILS(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .reserved = true)), RILL_EINVAL);
    ck_assert_ptr_null(broker);
}
END_TEST

static void not_for(int rc, const char *option)
{
    FAILS(rc, RILL_EINVAL);
    ck_assert_msg(strstr(rill_errmsg(), option), "%s is not in: %s", option, rill_errmsg());
}

/* What a call would pass over is refused by name. */
static void see_what_is_passed_over(rill_bus *bus)
{
    rill_sub *sub;
    not_for(rill_subscribe(bus, &sub, "a", RILL_OPTS(rill_sub_opts, .filter = "b")), "filter");
    not_for(rill_subscribe(bus, &sub, "a", RILL_OPTS(rill_sub_opts, .from = RILL_FROM_NEW)),
            "from");
    not_for(rill_subscribe(bus, &sub, "a", RILL_OPTS(rill_sub_opts, .headers_only = true)),
            "headers_only");
    not_for(rill_subscribe(bus, &sub, "a", RILL_OPTS(rill_sub_opts, .no_headers = true)),
            "no_headers");
    not_for(rill_tail(bus, &sub, "KV_B", RILL_OPTS(rill_sub_opts, .headers_only = true,
                                                   .no_headers = true)), "no_headers");
    not_for(rill_subscribe(bus, &sub, "a", RILL_OPTS(rill_sub_opts, .ack = RILL_ACK_AUTO)), "ack");
    not_for(rill_tail(bus, &sub, "KV_B", RILL_OPTS(rill_sub_opts, .ack_wait_ms = 1)),
            "ack_wait_ms");
    not_for(rill_tail(bus, &sub, "KV_B", RILL_OPTS(rill_sub_opts, .dead_letters = "D")),
            "dead_letters");
    not_for(rill_tail(bus, &sub, "KV_B", RILL_OPTS(rill_sub_opts, .group = "g")), "group");
    not_for(rill_consume(bus, &sub, "KV_B", RILL_OPTS(rill_sub_opts, .from_seq = 2)),
            "RILL_FROM_SEQ");
    not_for(rill_consume(bus, &sub, "KV_B", RILL_OPTS(rill_sub_opts, .from_time_ns = 2)),
            "RILL_FROM_TIME");
}

START_TEST(options_carry_their_size)
{
    struct {
        rill_sub_opts opts;
        uint64_t from_a_later_version;
    } later = {.opts = {.size = sizeof later}};
    rill_bus *bus = api_open("mem:");
    rill_sub *sub;
    FAILS(rill_subscribe(bus, &sub, "a", &(rill_sub_opts){0}), RILL_EINVAL);
    OK(rill_subscribe(bus, &sub, "a", &later.opts));
    rill_sub_close(sub);
    later.from_a_later_version = 1;
    FAILS(rill_subscribe(bus, &sub, "a", &later.opts), RILL_EINVAL);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "rill_sub_opts"));
    FAILS(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .reserved = {[4] = true})),
          RILL_EINVAL);
    /* An older program's struct ends earlier: what it cannot know is the default. */
    rill_sub_opts older = {.size = offsetof(rill_sub_opts, when_full), .when_full = (rill_full)77};
    OK(rill_subscribe(bus, &sub, "a", &older));
    rill_sub_close(sub);
    rill_stats stats = {.size = 2 * sizeof(uint64_t) + sizeof(size_t), .out_msgs = 99};
    OK(rill_bus_stats(bus, &stats));
    ck_assert_uint_eq(stats.out_msgs, 99);
    FAILS(rill_subscribe(bus, &sub, "a", RILL_OPTS(rill_sub_opts, .when_full = (rill_full)9)),
          RILL_EINVAL);
    FAILS(rill_subscribe(bus, &sub, "a", RILL_OPTS(rill_sub_opts, .on_publisher = true)),
          RILL_EINVAL);
    rill_kv *kv;
    FAILS(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .replicas = 3)), RILL_ENOTSUP);
    FAILS(rill_kv_open(bus, &kv, "B", RILL_OPTS(rill_bucket_opts, .reserved = true)), RILL_EINVAL);
    FAILS(rill_kv_open(bus, &kv, "B", RILL_OPTS(rill_bucket_opts, .replicas = 3)), RILL_ENOTSUP);
    OK(rill_kv_open(bus, &kv, "B", NULL));
    see_what_is_passed_over(bus);
    FAILS(rill_kv_watch(kv, &sub, RILL_OPTS(rill_sub_opts, .ack = 9)), RILL_EINVAL);
    rill_kv_close(kv);
    OK(rill_close(bus, 20000));
    FAILS(rill_open(&bus, "mem:", RILL_OPTS(rill_opts, .drive = (rill_drive)5)), RILL_EINVAL);
}
END_TEST

START_TEST(a_request_makes_its_own_reply_subject)
{
    rill_bus *bus = api_open("mem:");
    rill_sub *sub;
    rill_msg *reply;
    OK(rill_subscribe(bus, &sub, "q", RILL_OPTS(rill_sub_opts, .on_msg = noop)));
    FAILS(rill_request(bus, "q", "", 0, RILL_OPTS(rill_post, .reply = "me"), &reply, 100),
          RILL_EINVAL);
    FAILS(rill_request_async(bus, "q", "", 0, RILL_OPTS(rill_post, .reply = "me"), 100, no_reply,
                             NULL),
          RILL_EINVAL);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(how_safe_is_for_an_append_to_say)
{
    rill_bus *bus = api_open("mem:");
    rill_msg *reply;
    OK(rill_stream_ensure(bus, "S", NULL));
    OK(rill_append(bus, "S", "", 0, RILL_OPTS(rill_post, .sync = RILL_SYNC_NEVER), NULL, 20000));
    FAILS(rill_append(bus, "S", "", 0, RILL_OPTS(rill_post, .sync = 9), NULL, 1000),
          RILL_EINVAL);
    const rill_post *never = RILL_OPTS(rill_post, .sync = RILL_SYNC_NEVER);
    FAILS(rill_publish(bus, "S", "", 0, never), RILL_EINVAL);
    FAILS(rill_request(bus, "S", "", 0, never, &reply, 100), RILL_EINVAL);
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(error_codes_have_names)
{
    ck_assert_str_eq(rill_errname(RILL_ETIMEDOUT), "ETIMEDOUT");
    ck_assert_str_eq(rill_errname(0), "OK");
    ck_assert_str_eq(rill_errname(-99), "EUNKNOWN");
    ck_assert_str_eq(rill_strerror(RILL_ENOMEM), "out of memory");
    ck_assert_uint_eq(rill_version(), RILL_VERSION);
}
END_TEST

SUITE_MAIN("args", nulls_are_refused, a_url_is_refused_by_name, subjects_are_checked,
           headers_are_checked, sizes_are_checked, options_carry_their_size,
           a_request_makes_its_own_reply_subject, how_safe_is_for_an_append_to_say,
           error_codes_have_names)
