/* SPDX-License-Identifier: Apache-2.0 */
/* What is refused is said in the words of rill.h: by the names of its options, and of groups and
 * keys. A program that has never seen NATS can follow it. */
#include "kinds.h"

/* What JetStream calls what rill.h calls otherwise. */
static const char *const foreign[] = {
    "consumer", "retention", "discard", "workqueue", "no-ack", "rollup", "roll-up", "max age",
    "duplicates window", "ack policy", "deliver policy", "replay policy", "delivery policy",
    "max deliver", "max ack pending", "stream configuration", "wrong last", "atomic publish",
    "per-message", "storage type", "not permitted", "maximum messages", "maximum bytes",
};

static void see_words(const char *call, int rc, int want, const char *says)
{
    const char *why = rill_errmsg();
    ck_assert_msg(rc == want, "%s is %s, not %s: %s", call, rill_errname(rc), rill_errname(want),
                  rc < 0 ? why : "");
    ck_assert_msg(strstr(why, says), "%s: \"%s\" is not in: %s", call, says, why);
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        ck_assert_msg(!strstr(why, foreign[i]), "%s: \"%s\" is in: %s", call, foreign[i], why);
}
#define SAYS(call, want, says) see_words(#call, (call), (want), (says))
#define ENSURE(want, says, ...)                                                        \
    see_words(#__VA_ARGS__, rill_stream_ensure(bus, "NEW", RILL_OPTS(rill_stream_opts, \
              __VA_ARGS__)), want, says)

START_TEST(streams)
{
    rill_bus *bus = begin_kind(_i);
    static char longer[300], text[5000];
    memset(longer, 'x', sizeof longer - 1);
    memset(text, 'x', sizeof text - 1);
    OK(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "a.>")));
    SAYS(rill_stream_ensure(bus, "a.b", NULL), RILL_EINVAL, "no blanks, dots, slashes");
    SAYS(rill_stream_ensure(bus, longer, NULL), RILL_EINVAL, "name is longer than 255");
    SAYS(rill_stream_status(bus, "X", &(rill_stream_info){.size = sizeof(rill_stream_info)}),
         RILL_ENOENT, "no stream X");
    ENSURE(RILL_EEXIST, "another stream takes one of the subjects", .subjects = "a.b");
    ENSURE(RILL_EINVAL, "subjects: subject \"b..c\" has an empty token", .subjects = "a.b b..c");
    ENSURE(RILL_EINVAL, "overlaps with", .subjects = "b.* b.c");
    ENSURE(RILL_EINVAL, "subjects: >", .subjects = ">");
    ENSURE(RILL_EINVAL, "JetStream API", .subjects = "$JS.API.X");
    ENSURE(RILL_EINVAL, "$SYS.>", .subjects = "$SYS.X");
    ENSURE(RILL_EINVAL, "description is longer than 4096", .description = text);
    ENSURE(RILL_EINVAL, "max_age_ms is less than 100", .max_age_ms = 99);
    ENSURE(RILL_EINVAL, "dedupe_window_ms is more than max_age_ms", .max_age_ms = 1000,
           .dedupe_window_ms = 2000);
    ENSURE(RILL_EINVAL, "dedupe_window_ms is less than 100", .dedupe_window_ms = 99);
    ENSURE(RILL_EINVAL, "goes with reject_when_full", .reject_per_subject = true);
    ENSURE(RILL_EINVAL, "goes with max_msgs_per_subject", .reject_per_subject = true,
           .reject_when_full = true);
    ENSURE(RILL_EINVAL, "marker_ttl_ms is less than 1000", .marker_ttl_ms = 999);
    ENSURE(RILL_EINVAL, "allow_schedules", .allow_schedules = true, .reject_when_full = true);
    ENSURE(RILL_EINVAL, "republish_to leads back", .subjects = "n.>", .republish_to = "n.x");
    ENSURE(RILL_EINVAL, "republish_from and republish_to do not go together: from ",
           .subjects = "n.>", .republish_from = "n.*", .republish_to = "m.>");
    ENSURE(RILL_EINVAL, "transform_to: ", .subjects = "n.>", .transform_from = "n.*",
           .transform_to = "m.$2");
    ENSURE(RILL_EINVAL, "transform_from: ", .subjects = "n.>", .transform_from = "n..x",
           .transform_to = "m");
    ENSURE(RILL_EINVAL, "first_seq is not for a mirror", .first_seq = 2,
           .mirror = RILL_OPTS(rill_source, .stream = "S"));
    ENSURE(RILL_EINVAL, "subjects are not for a mirror", .subjects = "n",
           .mirror = RILL_OPTS(rill_source, .stream = "S"));
    ENSURE(RILL_EINVAL, "mirror: no stream can have that name",
           .mirror = RILL_OPTS(rill_source, .stream = "a.b"));
    ENSURE(RILL_EINVAL, "leads back to the stream itself",
           .mirror = RILL_OPTS(rill_source, .stream = "NEW"));
    ENSURE(RILL_EINVAL, "sources: two are the same", .nsources = 2,
           .sources = (const rill_source *const[]){RILL_OPTS(rill_source, .stream = "S"),
                                                   RILL_OPTS(rill_source, .stream = "S")});
    ENSURE(RILL_EINVAL, "first_seq is too great", .first_seq = UINT64_MAX);
    end_kind(bus);
}
END_TEST

START_TEST(what_cannot_change)
{
    rill_bus *bus = begin_kind(_i);
    OK(rill_stream_ensure(bus, "NEW", RILL_OPTS(rill_stream_opts, .deny_erase = true,
                                                .deny_purge = true, .allow_ttl = true)));
    ENSURE(RILL_EEXIST, "keep cannot change", .keep = RILL_KEEP_WORK);
    ENSURE(RILL_EEXIST, "deny_erase cannot be taken back", .deny_purge = true);
    ENSURE(RILL_EEXIST, "deny_purge cannot be taken back", .deny_erase = true);
    ENSURE(RILL_EEXIST, "allow_ttl cannot be taken back", .deny_erase = true, .deny_purge = true);
    if (_i > 0)
        ENSURE(RILL_EEXIST, "in_memory cannot change", .in_memory = true);
    append(bus, "NEW", "x");
    SAYS(rill_stream_erase(bus, "NEW", RILL_AT(1)), RILL_EINVAL, "the stream has deny_erase");
    SAYS(rill_stream_purge(bus, "NEW", NULL, NULL), RILL_EINVAL, "the stream has deny_purge");
    OK(rill_stream_ensure(bus, "S", NULL));
    SAYS(rill_stream_erase(bus, "S", RILL_AT(7)), RILL_ENOENT, "no message number 7");
    end_kind(bus);
}
END_TEST

static int consume(rill_bus *bus, const char *stream, const rill_sub_opts *opts)
{
    rill_sub *sub;
    return rill_consume(bus, &sub, stream, opts);
}
#define CONSUME(want, says, stream, ...)                                                    \
    see_words(#__VA_ARGS__, consume(bus, stream, RILL_OPTS(rill_sub_opts, __VA_ARGS__)), want, \
              says)

START_TEST(groups)
{
    static const uint32_t pauses[] = {100, 200};
    rill_bus *bus = begin_kind(_i);
    OK(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "s.>",
                                              .max_groups = 1)));
    OK(rill_stream_ensure(bus, "JOBS", RILL_OPTS(rill_stream_opts, .keep = RILL_KEEP_WORK,
                                                 .subjects = "jobs.>")));
    CONSUME(RILL_EINVAL, "a group's name has no blanks", "S", .group = "a.b");
    CONSUME(RILL_EINVAL, "from_seq is 0", "S", .group = "g", .from = RILL_FROM_SEQ);
    CONSUME(RILL_EINVAL, "from_time_ns is 0", "S", .group = "g", .from = RILL_FROM_TIME);
    CONSUME(RILL_EINVAL, "filter: two of them overlap", "S", .group = "g", .filter = "s.* s.a");
    CONSUME(RILL_EINVAL, "max_deliveries is less than nbackoff", "S", .group = "g",
            .max_deliveries = 1, .backoff_ms = pauses, .nbackoff = 2);
    CONSUME(RILL_EINVAL, "EACH or AUTO", "JOBS", .group = "g", .ack = RILL_ACK_UPTO);
    CONSUME(RILL_EINVAL, "EACH or AUTO", "JOBS", .group = "g", .ack = RILL_ACK_NONE);
    CONSUME(RILL_EINVAL, "begins with FIRST", "JOBS", .group = "g", .from = RILL_FROM_NEW);
    OK(rill_group_ensure(bus, "S", "only", NULL));
    CONSUME(RILL_EFULL, "as many groups as there may be", "S", .group = "more");
    OK(rill_group_ensure(bus, "JOBS", "g", RILL_OPTS(rill_sub_opts, .filter = "jobs.a")));
    CONSUME(RILL_EINVAL, "without a filter, would take its jobs", "JOBS", .group = "all");
    CONSUME(RILL_EINVAL, "another group of the RILL_KEEP_WORK stream takes some", "JOBS",
            .group = "h", .filter = "jobs.*");
    SAYS(rill_group_ensure(bus, "S", "only", RILL_OPTS(rill_sub_opts, .ack = RILL_ACK_UPTO)),
         RILL_EEXIST, "ack cannot change");
    SAYS(rill_group_ensure(bus, "S", "only", RILL_OPTS(rill_sub_opts, .original_speed = true)),
         RILL_EEXIST, "original_speed cannot change");
    SAYS(rill_group_delete(bus, "S", "gone"), RILL_ENOENT, "no group gone");
    end_kind(bus);
}
END_TEST

#define APPEND(want, says, subject, ...)                                                     \
    see_words(#__VA_ARGS__, rill_append(bus, subject, "12345678", 8,                         \
              RILL_OPTS(rill_post, __VA_ARGS__), NULL, 10000), want, says)

START_TEST(messages)
{
    static const uint64_t seven = 7;
    rill_bus *bus = begin_kind(_i);
    OK(rill_stream_ensure(bus, "S", RILL_OPTS(rill_stream_opts, .subjects = "s.>")));
    OK(rill_stream_ensure(bus, "FULL", RILL_OPTS(rill_stream_opts, .max_msgs = 1,
                                                 .max_msg_bytes = 100, .reject_when_full = true)));
    OK(rill_stream_ensure(bus, "TIMES", RILL_OPTS(rill_stream_opts, .subjects = "t.>",
                                                  .allow_schedules = true, .allow_ttl = true)));
    append(bus, "FULL", "x");
    APPEND(RILL_EFULL, "the stream has max_msgs", "FULL", .reply = NULL);
    APPEND(RILL_ECONFLICT, "not the one that was expected, but 0", "s.a",
           .expect_last_seq = &seven);
    APPEND(RILL_EINVAL, "ttl_ms: the stream has no allow_ttl", "s.a", .ttl_ms = 5000);
    APPEND(RILL_EINVAL, "schedule: the stream has no allow_schedules", "s.a",
           .deliver_to = "s.b", .schedule = "@hourly");
    APPEND(RILL_EINVAL, "schedule: that is no time", "t.a", .deliver_to = "t.b",
           .schedule = "soon");
    APPEND(RILL_EINVAL, "deliver_to: ", "t.a", .deliver_to = "s.b", .schedule = "@hourly");
    APPEND(RILL_EINVAL, "schedule_zone: ", "t.a", .deliver_to = "t.b", .schedule = "@hourly",
           .schedule_zone = "Nowhere/There");
    OK(rill_stream_purge(bus, "FULL", NULL, NULL));
    static char large[200];
    SAYS(rill_append(bus, "FULL", large, sizeof large, NULL, NULL, 10000), RILL_ETOOBIG,
         "larger than max_msg_bytes of the stream");
    rill_batch *batch;
    OK(rill_batch_begin(bus, &batch, NULL));
    OK(rill_batch_add(batch, "s.a", "x", 1, RILL_OPTS(rill_post, .msg_id = "1")));
    OK(rill_batch_add(batch, "s.a", "x", 1, RILL_OPTS(rill_post, .msg_id = "1")));
    SAYS(rill_batch_commit(batch, NULL, 10000), RILL_EEXIST, "a msg_id of the batch");
    rill_batch_close(batch);
    end_kind(bus);
}
END_TEST

static int no_name(const char *name, void *arg)
{
    (void)name;
    (void)arg;
    return 0;
}

START_TEST(keys)
{
    static const uint64_t seven = 7;
    rill_bus *bus = begin_kind(_i);
    rill_kv *kv, *none;
    rill_sub *watch;
    rill_msg *m;
    OK(rill_kv_open(bus, &kv, "B", NULL));
    OK(rill_kv_put(kv, "a", "1", 1, NULL, NULL));
    SAYS(rill_kv_put(kv, "a", "2", 1, RILL_OPTS(rill_kv_opts, .expect = &seven), NULL),
         RILL_ECONFLICT, "the key's revision, is not the one that was expected, but 1");
    SAYS(rill_kv_create(kv, "a", "2", 1, NULL, NULL), RILL_EEXIST, "the key a is there");
    SAYS(rill_kv_put(kv, "a", "2", 1, RILL_OPTS(rill_kv_opts, .ttl_ms = 5000), NULL), RILL_EINVAL,
         "the bucket no key_ttl");
    SAYS(rill_kv_get(kv, "b", &m), RILL_ENOENT, "no key b");
    SAYS(rill_kv_get(kv, "a b", &m), RILL_EINVAL, "\"a b\" is no key");
    SAYS(rill_kv_each(kv, "a..b", no_name, NULL), RILL_EINVAL, "\"a..b\" is no filter of keys");
    SAYS(rill_kv_watch(kv, &watch, RILL_OPTS(rill_sub_opts, .filter = "a >.b")), RILL_EINVAL,
         "\">.b\" is no filter of keys");
    SAYS(rill_kv_open(bus, &none, "C", RILL_OPTS(rill_bucket_opts, .ttl_ms = 99)), RILL_EINVAL,
         "ttl_ms");
    rill_kv_close(kv);
    OK(rill_kv_open(bus, &kv, "GONE", NULL));
    OK(rill_stream_delete(bus, "KV_GONE"));
    SAYS(rill_kv_put(kv, "a", "2", 1, NULL, NULL), RILL_ENOENT, "the bucket GONE was deleted");
    SAYS(rill_kv_delete(kv, "a", NULL), RILL_ENOENT, "the bucket GONE was deleted");
    SAYS(rill_kv_create(kv, "a", "2", 1, NULL, NULL), RILL_ENOENT, "the bucket GONE was deleted");
    SAYS(rill_kv_get(kv, "a", &m), RILL_ENOENT, "no key a");
    SAYS(rill_kv_each(kv, NULL, no_name, NULL), RILL_ENOENT, "KV_GONE");
    SAYS(rill_kv_watch(kv, &watch, NULL), RILL_ENOENT, "KV_GONE");
    rill_kv_close(kv);
    end_kind(bus);
}
END_TEST

static int64_t some_bytes(void *buf, size_t cap, void *arg)
{
    int *left = arg;
    memset(buf, 'x', cap);
    return (*left)-- > 0 ? (int64_t)cap : 0;
}

static int no_bytes(const void *buf, size_t len, void *arg)
{
    (void)buf;
    (void)len;
    (void)arg;
    return RILL_OK;
}

START_TEST(objects)
{
    rill_bus *bus = begin_kind(_i);
    rill_objs *objs;
    rill_sub *watch;
    int pieces = 3;
    rill_obj_info info = {.size = sizeof info};
    OK(rill_objs_open(bus, &objs, "O", NULL));
    SAYS(rill_obj_get(objs, "a", no_bytes, NULL), RILL_ENOENT, "no object a in O");
    SAYS(rill_obj_link(objs, "b", objs, "a"), RILL_ENOENT, "no object a in O");
    OK(rill_obj_put(objs, "a", some_bytes, &pieces));
    OK(rill_objs_seal(objs));
    SAYS(rill_obj_delete(objs, "a"), RILL_EINVAL, "it is sealed");
    OK(rill_stream_delete(bus, "OBJ_O"));
    pieces = 3;
    SAYS(rill_obj_put(objs, "a", some_bytes, &pieces), RILL_ENOENT, "O");
    SAYS(rill_obj_status(objs, "a", &info), RILL_ENOENT, "no object a in O");
    SAYS(rill_obj_each(objs, no_name, NULL), RILL_ENOENT, "OBJ_O");
    SAYS(rill_obj_watch(objs, &watch, NULL), RILL_ENOENT, "OBJ_O");
    rill_objs_close(objs);
    end_kind(bus);
}
END_TEST

/* What rill_event.detail says of a publish that a stream does not store, too. */
static void on_event(rill_bus *bus, const rill_event *ev, void *arg)
{
    (void)bus;
    if (ev->kind == RILL_EV_ERROR) snprintf(arg, 300, "%d %s", ev->err, ev->detail);
}

START_TEST(events)
{
    char heard[300] = "";
    rill_bus *bus;
    OK(rill_open(&bus, "mem:", RILL_OPTS(rill_opts, .drive = RILL_DRIVE_HOST,
                                         .on_event = on_event, .arg = heard)));
    OK(rill_stream_ensure(bus, "FULL", RILL_OPTS(rill_stream_opts, .max_msgs = 1,
                                                 .reject_when_full = true)));
    append(bus, "FULL", "x");
    api_send(bus, "FULL", "y");
    while (!*heard) OK(rill_poll(bus, 10000));
    char want[300];
    snprintf(want, sizeof want, "%d stream FULL does not store a message on FULL: the stream has "
             "max_msgs, and rejects what is more", RILL_EFULL);
    ck_assert_str_eq(heard, want);
    OK(rill_close(bus, 20000));
}
END_TEST

SUITE_MAIN_ROWS("words", EACH_KIND(streams, what_cannot_change, groups, messages, keys,
                                   objects),
                SUITE_ONCE(events))
