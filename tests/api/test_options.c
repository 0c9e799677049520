/* SPDX-License-Identifier: Apache-2.0 */
/* What a stream and a post can be asked for beyond the usual: own times to live, schedules, copies
 * of other streams, other subjects, what is denied. */
#include "kinds.h"

static rill_stream_info status(rill_bus *bus, const char *stream)
{
    rill_stream_info info = {.size = sizeof info};
    OK(rill_stream_status(bus, stream, &info));
    return info;
}

static void text_at_is(rill_bus *bus, const char *stream, uint64_t seq, const char *subject,
                       const char *text)
{
    rill_msg *m = NULL; /* had once, when it is committed */
    EVENTUALLY(m || rill_stream_get(bus, stream, RILL_AT(seq), &m) == RILL_OK);
    TEXT_IS(m->subject, subject);
    TEXT_IS(m->data, text);
    rill_msg_unref(m);
}

static int append_with(rill_bus *bus, const char *subject, const char *text, const rill_post *post)
{
    return rill_append(bus, subject, text, strlen(text), post, NULL, 10000);
}

START_TEST(a_message_has_a_time_to_live_of_its_own)
{
    rill_bus *bus = begin_kind(_i);
    rill_sub *sub;
    const rill_msg *m;
    rill_str reason;
    OK(rill_stream_ensure(bus, "S",
                          RILL_OPTS(rill_stream_opts, .subjects = "s.*", .allow_ttl = true,
                                    .max_age_ms = 3000, .marker_ttl_ms = 60000)));
    OK(rill_stream_ensure(bus, "PLAIN", NULL));
    OK(append_with(bus, "s.short", "x", RILL_OPTS(rill_post, .ttl_ms = 2000)));
    OK(append_with(bus, "s.never", "x", RILL_OPTS(rill_post, .ttl_ms = RILL_TTL_NEVER)));
    OK(append_with(bus, "s.usual", "x", NULL));
    FAILS(append_with(bus, "s.short", "x", RILL_OPTS(rill_post, .ttl_ms = 999)), RILL_EINVAL);
    FAILS(append_with(bus, "PLAIN", "x", RILL_OPTS(rill_post, .ttl_ms = 1000)), RILL_EINVAL);
    FAILS(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "s.*")),
          RILL_EEXIST);
    bus = reopen_kind(bus, _i);
    OK(rill_tail(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .from = RILL_FROM_SEQ, .from_seq = 4)));
    for (uint64_t seq = 4; seq <= 5; seq++) { /* what was there is gone, and a marker tells of it */
        OK(rill_next(sub, &m, 20000));
        ck_assert_uint_eq(m->seq, seq);
        TEXT_IS(m->subject, seq == 4 ? "s.short" : "s.usual");
        ck_assert_uint_eq(m->data.len, 0);
        ck_assert_int_eq(rill_header_get(m, "Nats-Marker-Reason", &reason), 1);
        TEXT_IS(reason, "MaxAge");
    }
    rill_sub_close(sub);
    text_at_is(bus, "S", 2, "s.never", "x");
    end_kind(bus);
}
END_TEST

START_TEST(a_message_can_wait_for_its_time)
{
    rill_bus *bus = begin_kind(_i);
    rill_sub *sub;
    const rill_msg *m;
    OK(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "later.> now.>",
                                              .allow_schedules = true, .allow_ttl = true)));
    append(bus, "now.first", "x");
    rill_msg *first;
    OK(rill_stream_get(bus, "S", RILL_AT_LAST("now.first"), &first));
    int64_t now = first->time_ns;
    rill_msg_unref(first);
    FAILS(append_with(bus, "later.1", "x", RILL_OPTS(rill_post, .deliver_to = "now.1")),
          RILL_EINVAL);
    FAILS(append_with(bus, "later.1", "x", RILL_OPTS(rill_post, .deliver_at_ns = now)),
          RILL_EINVAL);
    FAILS(append_with(bus, "later.1", "x",
                      RILL_OPTS(rill_post, .deliver_to = "now.1", .schedule = "@daily",
                                 .deliver_at_ns = now)), RILL_EINVAL);
    FAILS(append_with(bus, "later.1", "x",
                      RILL_OPTS(rill_post, .deliver_to = "now.1", .schedule = "soon")),
          RILL_EINVAL);
    FAILS(append_with(bus, "later.1", "x",
                      RILL_OPTS(rill_post, .deliver_to = "else", .deliver_at_ns = now)),
          RILL_EINVAL);
    FAILS(append_with(bus, "later.1", "x",
                      RILL_OPTS(rill_post, .deliver_to = "now.1", .schedule = "@daily",
                                 .schedule_zone = "Mars/Base")), RILL_EINVAL);
    FAILS(append_with(bus, "later.1", "x",
                      RILL_OPTS(rill_post, .deliver_to = "now.1", .deliver_at_ns = now,
                                 .schedule_zone = "Local")), RILL_EINVAL);
    OK(append_with(bus, "later.4", "midnight",
                   RILL_OPTS(rill_post, .deliver_to = "now.4", .schedule = "@yearly",
                              .schedule_zone = "Local")));
    OK(append_with(bus, "later.1", "wrong", RILL_OPTS(rill_post, .deliver_to = "now.1",
                                                       .deliver_at_ns = now + 900000000)));
    OK(append_with(bus, "later.1", "right",
                   RILL_OPTS(rill_post, .deliver_to = "now.1", .ttl_ms = 60000,
                              .deliver_at_ns = now + 1000000000)));
    OK(append_with(bus, "later.2", "never", RILL_OPTS(rill_post, .deliver_to = "now.2",
                                                       .deliver_at_ns = now + 1100000000)));
    OK(append_with(bus, "later.3", "tick",
                   RILL_OPTS(rill_post, .deliver_to = "now.3", .schedule = "@every 1s")));
    OK(rill_stream_purge(bus, "S", RILL_OPTS(rill_purge_opts, .filter = "later.2"), NULL));
    bus = reopen_kind(bus, _i);
    OK(rill_tail(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .filter = "now.>", .from_seq = 2,
                                           .from = RILL_FROM_SEQ)));
    int once = 0;
    for (int ticks = 0; ticks < 2;) {
        OK(rill_next(sub, &m, 20000));
        if (m->subject.ptr[4] == '3') {
            TEXT_IS(m->data, "tick");
            ticks++;
            continue;
        }
        rill_str value;
        TEXT_IS(m->subject, "now.1");
        TEXT_IS(m->data, "right");
        ck_assert_int_ge(m->time_ns, now + 1000000000);
        ck_assert_int_eq(rill_header_get(m, "Nats-TTL", &value), 1);
        TEXT_IS(value, "60000ms");
        once++;
    }
    ck_assert_int_eq(once, 1);
    OK(rill_stream_purge(bus, "S", RILL_OPTS(rill_purge_opts, .filter = "later.3"), NULL));
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

START_TEST(a_stream_copies_others)
{
    rill_bus *bus = begin_kind(_i);
    const rill_source *mirror = RILL_OPTS(rill_source, .stream = "ORDERS");
    const rill_source *const sources[] = {
        RILL_OPTS(rill_source, .stream = "ORDERS", .filter = "orders.eu.*",
                  .to = "all.{{wildcard(1)}}"),
        RILL_OPTS(rill_source, .stream = "LATER", .from_seq = 2),
    };
    OK(rill_stream_ensure(bus, "ORDERS",
                          RILL_OPTS(rill_stream_opts, .subjects = "orders.>", .first_seq = 100)));
    OK(rill_stream_ensure(bus, "COPY", RILL_OPTS(rill_stream_opts, .mirror = mirror)));
    OK(rill_stream_ensure(bus, "ALL",
                          RILL_OPTS(rill_stream_opts, .sources = sources, .nsources = 2)));
    ck_assert_uint_eq(append(bus, "orders.us.1", "one"), 100);
    append(bus, "orders.eu.2", "two");
    EVENTUALLY(status(bus, "COPY").last_seq == 101);
    EVENTUALLY(status(bus, "ALL").last_seq == 1);
    OK(rill_flush(bus, 20000));
    text_at_is(bus, "COPY", 100, "orders.us.1", "one");
    text_at_is(bus, "ALL", 1, "all.2", "two");
    bus = reopen_kind(bus, _i);
    OK(rill_stream_ensure(bus, "LATER", RILL_OPTS(rill_stream_opts, .subjects = "later")));
    append(bus, "later", "not this");
    append(bus, "later", "but this");
    append(bus, "orders.eu.3", "three");
    EVENTUALLY(status(bus, "COPY").last_seq == 102);
    EVENTUALLY(status(bus, "ALL").last_seq == 3);
    OK(rill_flush(bus, 20000));
    rill_msg *m = NULL;
    EVENTUALLY(m || rill_stream_get(bus, "ALL", RILL_AT_LAST("later"), &m) == RILL_OK);
    TEXT_IS(m->data, "but this");
    rill_msg_unref(m);
    FAILS(append_with(bus, "COPY", "x", NULL), RILL_ENOREPLY);
    FAILS(rill_stream_ensure(bus, "BOTH",
                             RILL_OPTS(rill_stream_opts, .mirror = mirror, .subjects = "x")),
          RILL_EINVAL);
    FAILS(rill_stream_ensure(bus, "BOTH",
                             RILL_OPTS(rill_stream_opts, .mirror = mirror, .sources = sources,
                                       .nsources = 1)), RILL_EINVAL);
    const rill_source *bad[] = {NULL, &(rill_source){0}, RILL_OPTS(rill_source, .filter = "x")};
    for (size_t i = 0; i < 3; i++)
        FAILS(rill_stream_ensure(bus, "SELF", RILL_OPTS(rill_stream_opts, .sources = &bad[i],
                                                        .nsources = 1)),
              RILL_EINVAL);
    FAILS(rill_stream_ensure(bus, "SELF", RILL_OPTS(rill_stream_opts, .mirror = bad[1])),
          RILL_EINVAL);
    FAILS(rill_stream_ensure(bus, "SELF", RILL_OPTS(rill_stream_opts, .nsources = 1)), RILL_EINVAL);
    FAILS(rill_stream_ensure(bus, "SELF", RILL_OPTS(rill_stream_opts, .nsources = 65)),
          RILL_EINVAL);
    end_kind(bus);
}
END_TEST

START_TEST(subjects_are_changed_and_messages_published_anew)
{
    rill_bus *bus = begin_kind(_i);
    rill_sub *sub;
    const rill_msg *m;
    rill_str value;
    OK(rill_stream_ensure(bus, "S",
                          RILL_OPTS(rill_stream_opts, .subjects = "in.*", .transform_from = "in.*",
                          .transform_to = "stored.$1", .republish_from = "stored.>",
                          .republish_to = "out.>",
                          .republish_headers = true, .description = "a test")));
    OK(rill_subscribe(bus, &sub, "out.>", NULL));
    append(bus, "in.1", "one");
    OK(rill_next(sub, &m, 20000));
    TEXT_IS(m->subject, "out.1");
    ck_assert_uint_eq(m->data.len, 0);
    ck_assert_int_eq(rill_header_get(m, "Nats-Sequence", &value), 1);
    TEXT_IS(value, "1");
    text_at_is(bus, "S", 1, "stored.1", "one");
    FAILS(rill_stream_ensure(bus, "T", RILL_OPTS(rill_stream_opts, .transform_from = "a")),
          RILL_EINVAL);
    FAILS(rill_stream_ensure(bus, "T", RILL_OPTS(rill_stream_opts, .republish_from = "a")),
          RILL_EINVAL);
    FAILS(rill_stream_ensure(bus, "T", RILL_OPTS(rill_stream_opts, .republish_to = "T")),
          RILL_EINVAL);
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

START_TEST(what_is_denied_stays_denied)
{
    rill_bus *bus = begin_kind(_i);
    rill_sub *sub;
    const rill_stream_opts *opts = RILL_OPTS(rill_stream_opts, .subjects = "s.*",
                                             .deny_erase = true,
        .deny_purge = true, .reject_when_full = true, .reject_per_subject = true,
        .max_msgs_per_subject = 1, .max_groups = 1);
    OK(rill_stream_ensure(bus, "S", opts));
    append(bus, "s.1", "one");
    bus = reopen_kind(bus, _i);
    FAILS(append_with(bus, "s.1", "two", NULL), RILL_EFULL);
    append(bus, "s.2", "two");
    FAILS(rill_stream_erase(bus, "S", RILL_AT(1)), RILL_EINVAL);
    FAILS(rill_stream_purge(bus, "S", NULL, NULL), RILL_EINVAL);
    FAILS(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "s.*")),
          RILL_EEXIST);
    ck_assert_int_eq(rill_stream_ensure(bus, "S", opts), 0);
    OK(rill_consume(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .group = "one")));
    rill_sub_close(sub);
    FAILS(rill_consume(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .group = "two")), RILL_EFULL);
    end_kind(bus);
}
END_TEST

START_TEST(readers_have_options)
{
    rill_bus *bus = begin_kind(1);
    rill_sub *sub;
    const rill_msg *m;
    rill_str value;
    OK(rill_stream_ensure(bus, "S", NULL));
    append(bus, "S", "four");
    nanosleep(&(struct timespec){0, 60000000}, NULL);
    append(bus, "S", "five");
    OK(rill_tail(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .headers_only = true)));
    OK(rill_next(sub, &m, 20000));
    ck_assert_uint_eq(m->data.len, 0);
    ck_assert_int_eq(rill_header_get(m, "Nats-Msg-Size", &value), 1);
    TEXT_IS(value, "4");
    rill_sub_close(sub);
    int64_t from = api_now_ms();
    OK(rill_consume(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .original_speed = true)));
    OK(rill_next(sub, &m, 20000));
    OK(rill_next(sub, &m, 20000));
    ck_assert_int_ge(api_now_ms() - from, 30);
    rill_sub_close(sub);
    /* What it may have been given keeps it alive for its ack wait. */
    OK(rill_consume(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .group = "g", .inactive_ms = 100,
                                              .ack_wait_ms = 1000)));
    ck_assert_uint_eq(status(bus, "S").groups, 1);
    rill_sub_close(sub);
    EVENTUALLY(status(bus, "S").groups == 0);
    FAILS(rill_consume(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .inactive_ms = -1)), RILL_EINVAL);
    end_kind(bus);
}
END_TEST

/* Of a broker with JetStream, and of one without. */
START_TEST(streams_are_promised_no_more_than_there_may_be)
{
    rill_broker *broker;
    rill_bus *bus;
    OK(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .jetstream = _i == 0,
                                           .max_stream_memory_bytes = 1 << 20)));
    OK(rill_broker_bus(broker, &bus, NULL));
    rill_stream_opts opts = {.size = sizeof opts, .in_memory = true, .max_bytes = 2 << 20};
    FAILS(rill_stream_ensure(bus, "S", &opts), RILL_EFULL);
    opts.max_bytes = 600 << 10;
    ck_assert_int_eq(rill_stream_ensure(bus, "S", &opts), 1);
    FAILS(rill_stream_ensure(bus, "T", &opts), RILL_EFULL);
    opts.max_bytes = 400 << 10;
    ck_assert_int_eq(rill_stream_ensure(bus, "T", &opts), 1);
    OK(rill_close(bus, 20000));
    OK(rill_broker_close(broker, 20000));
}
END_TEST

static void same_text(const char *a, const char *b)
{
    ck_assert_msg(!a == !b && (!a || strcmp(a, b) == 0), "%s is not %s", a ? a : "NULL",
                  b ? b : "NULL");
}

static void same_source(const rill_source *a, const rill_source *b)
{
    same_text(a->stream, b->stream);
    same_text(a->filter, b->filter);
    same_text(a->to, b->to);
    ck_assert_uint_eq(a->from_seq, b->from_seq);
    ck_assert_int_eq(a->from_time_ns, b->from_time_ns);
}

typedef struct reading {
    rill_bus *bus;
    const rill_stream_opts *want;
    int told;
    char names[64];
} reading;

#define SAME(field) ck_assert_msg(is->field == want->field, #field " differs")

/* What is read back is what was asked for, and asks for no change. */
static int read_back(const rill_stream_desc *desc, void *arg)
{
    reading *r = arg;
    const rill_stream_opts *is = desc->opts, *want = r->want;
    same_text(is->subjects, want->subjects);
    same_text(is->description, want->description);
    same_text(is->transform_from, want->transform_from);
    same_text(is->transform_to, want->transform_to);
    same_text(is->republish_from, want->republish_from);
    same_text(is->republish_to, want->republish_to);
    SAME(max_msgs), SAME(max_bytes), SAME(max_msgs_per_subject), SAME(max_age_ms);
    SAME(max_msg_bytes), SAME(max_groups), SAME(keep), SAME(dedupe_window_ms), SAME(first_seq);
    SAME(reject_when_full), SAME(reject_per_subject), SAME(deny_erase), SAME(deny_purge);
    SAME(allow_ttl), SAME(allow_schedules), SAME(republish_headers), SAME(compact);
    SAME(dedupe_strictly), SAME(marker_ttl_ms), SAME(tombstone_ms), SAME(nsources);
    ck_assert_int_eq(!is->mirror, !want->mirror);
    if (is->mirror) same_source(is->mirror, want->mirror);
    for (size_t i = 0; i < is->nsources; i++) same_source(is->sources[i], want->sources[i]);
    ck_assert_uint_eq(desc->info->first_seq, status(r->bus, desc->name).first_seq);
    ck_assert_int_eq(rill_stream_ensure(r->bus, desc->name, desc->opts), 0);
    r->told++;
    return 0;
}

START_TEST(a_configuration_is_read_back)
{
    const rill_source *mirror = RILL_OPTS(rill_source, .stream = "A", .filter = "a.x",
                                          .from_time_ns = 1000000000);
    const rill_source *const sources[] = {
        RILL_OPTS(rill_source, .stream = "A", .filter = "a.*", .to = "new.{{wildcard(1)}}"),
        RILL_OPTS(rill_source, .stream = "B", .from_seq = 2),
    };
    const rill_stream_opts all[] = {
        {.subjects = "a.> b", .description = "what it is", .max_msgs = 1000, .max_bytes = 1 << 20,
         .max_msgs_per_subject = 9, .max_age_ms = 3600000, .max_msg_bytes = 1000, .max_groups = 7,
         .keep = RILL_KEEP_INTEREST, .dedupe_window_ms = 5000, .first_seq = 10,
         .reject_when_full = true, .reject_per_subject = true, .deny_erase = true,
         .allow_ttl = true, .dedupe_strictly = true, .marker_ttl_ms = 60000},
        {.subjects = "c.*", .compact = true, .tombstone_ms = 90000, .transform_from = "c.*",
         .transform_to = "d.{{wildcard(1)}}", .republish_from = "d.>", .republish_to = "e.>",
         .republish_headers = true, .dedupe_window_ms = 120000, .first_seq = 1},
        {.mirror = mirror, .dedupe_window_ms = 120000},
        {.subjects = "f", .sources = sources, .nsources = 2, .keep = RILL_KEEP_WORK,
         .deny_purge = true, .dedupe_window_ms = 120000, .first_seq = 1},
        {.subjects = "g", .allow_schedules = true, .dedupe_window_ms = 120000, .first_seq = 1},
    };
    static const char *const names[] = {"A", "C", "MIRROR", "SOURCES", "LATER"};
    rill_bus *bus = begin_kind(_i);
    for (int turn = 0; turn < 2; turn++) {
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            rill_stream_opts opts = all[i];
            opts.size = sizeof opts;
            int rc = rill_stream_ensure(bus, names[i], &opts);
            FAILS(rc, !turn);
            reading r = {.bus = bus, .want = &opts};
            OK(rill_stream_describe(bus, names[i], read_back, &r));
            ck_assert_int_eq(r.told, 1);
        }
        bus = reopen_kind(bus, _i);
    }
    end_kind(bus);
}
END_TEST

static int name_two(const rill_stream_desc *desc, void *arg)
{
    reading *r = arg;
    sprintf(r->names + strlen(r->names), "%s:%s:%d ", desc->name, desc->opts->subjects,
            (int)desc->info->msgs);
    if (strcmp(desc->name, "A") == 0) OK(rill_stream_delete(r->bus, "B")); /* it may call rill */
    return strcmp(desc->name, "C") == 0;
}

START_TEST(all_streams_are_described)
{
    static const char *const names[] = {"D", "B", "A", "C"};
    rill_bus *bus = begin_kind(_i);
    reading r = {.bus = bus};
    OK(rill_stream_describe(bus, NULL, name_two, &r));
    for (int i = 0; i < 4; i++) OK(rill_stream_ensure(bus, names[i], NULL));
    append(bus, "C", "x");
    OK(rill_stream_describe(bus, NULL, name_two, &r));
    ck_assert_str_eq(r.names, "A:A:0 C:C:1 ");
    FAILS(rill_stream_describe(bus, "NONE", name_two, &r), RILL_ENOENT);
    FAILS(rill_stream_describe(bus, "A", NULL, NULL), RILL_EINVAL);
    FAILS(rill_stream_describe(NULL, "A", name_two, &r), RILL_EINVAL);
    end_kind(bus);
}
END_TEST

static void take_bare(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    ck_assert_uint_eq(m->nheaders, 0);
    TEXT_IS(m->data, "x");
    ++*(atomic_int *)arg;
}

/* It comes without headers to who asks for that, in a tail, a group and a callback; it has them for
 * all others. */
START_TEST(messages_come_without_headers)
{
    rill_bus *bus = begin_kind(_i);
    const rill_header trace = {RILL_STR("trace"), RILL_STR("7")};
    const rill_msg *m;
    rill_str value;
    rill_sub *sub;
    atomic_int called = 0;
    OK(rill_stream_ensure(bus, "S", NULL));
    OK(append_with(bus, "S", "x", RILL_OPTS(rill_post, .headers = &trace, .nheaders = 1)));
    for (int grouped = 0; grouped < 2; grouped++) {
        if (grouped)
            OK(rill_consume(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .group = "g",
                                                      .no_headers = true)));
        else OK(rill_tail(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .no_headers = true)));
        OK(rill_next(sub, &m, 20000));
        rill_msg *kept = rill_msg_ref(m);
        for (int i = 0; i < 2; i++, m = kept) {
            ck_assert_uint_eq(m->nheaders, 0);
            ck_assert_int_eq(rill_header_get(m, "trace", &value), 0);
            ck_assert_uint_eq(m->seq, 1);
            TEXT_IS(m->data, "x");
        }
        if (grouped) OK(rill_ack(kept));
        rill_msg_unref(kept);
        rill_sub_close(sub);
    }
    OK(rill_tail(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .no_headers = true, .on_msg = take_bare,
                                           .arg = (void *)&called)));
    while (called == 0 && kind_drives(_i)) OK(rill_poll(bus, 20000));
    EVENTUALLY(called == 1);
    rill_sub_close(sub);
    OK(rill_tail(bus, &sub, "S", NULL));
    OK(rill_next(sub, &m, 20000));
    ck_assert_int_eq(rill_header_get(m, "trace", &value), 1);
    rill_sub_close(sub);
    end_kind(bus);
}
END_TEST

START_TEST(a_watch_needs_headers)
{
    rill_bus *bus = begin_kind(_i);
    const rill_msg *m;
    rill_sub *sub;
    rill_kv *kv;
    OK(rill_kv_open(bus, &kv, "B", NULL));
    OK(rill_kv_delete(kv, "k", NULL));
    OK(rill_kv_watch(kv, &sub, RILL_OPTS(rill_sub_opts, .no_headers = true)));
    OK(rill_next(sub, &m, 20000));
    ck_assert_uint_ne(m->flags & RILL_MSG_DELETED, 0);
    ck_assert_uint_eq(m->nheaders, 1);
    rill_sub_close(sub);
    rill_kv_close(kv);
    end_kind(bus);
}
END_TEST

SUITE_MAIN_ROWS("options",
    SUITE_ONCE(readers_have_options),
    SUITE_EACH(2, streams_are_promised_no_more_than_there_may_be),
    EACH_KIND(a_message_has_a_time_to_live_of_its_own, a_message_can_wait_for_its_time,
              a_stream_copies_others, subjects_are_changed_and_messages_published_anew,
              what_is_denied_stays_denied, a_configuration_is_read_back,
              all_streams_are_described, messages_come_without_headers, a_watch_needs_headers))
