/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets of keys and values. */
#include "api.h"

static rill_kv *open_bucket(rill_bus *bus, const rill_bucket_opts *opts)
{
    rill_kv *kv = NULL;
    OK(rill_kv_open(bus, &kv, "config", opts));
    return kv;
}

/* Only if the key is at that revision. */
#define AT(rev) RILL_OPTS(rill_kv_opts, .expect = &(const uint64_t){rev})

START_TEST(values_have_revisions)
{
    rill_bus *bus = api_open("mem:");
    rill_kv *kv = open_bucket(bus, NULL);
    rill_msg *m;
    uint64_t rev;
    FAILS(rill_kv_get(kv, "a.b", &m), RILL_ENOENT);
    OK(rill_kv_put(kv, "a.b", "1", 1, NULL, &rev));
    ck_assert_uint_eq(rev, 1);
    OK(rill_kv_get(kv, "a.b", &m));
    TEXT_IS(m->data, "1");
    TEXT_IS(m->key, "a.b");
    ck_assert_uint_eq(m->seq, 1);
    rill_msg_unref(m);
    OK(rill_kv_put(kv, "a.b", "2", 1, AT(1), &rev));
    ck_assert_uint_eq(rev, 2);
    FAILS(rill_kv_put(kv, "a.b", "3", 1, AT(1), &rev), RILL_ECONFLICT);
    ck_assert_uint_eq(rev, 0);
    FAILS(rill_kv_put(kv, "a.b", "3", 1, AT(0), &rev), RILL_ECONFLICT);
    OK(rill_kv_put(kv, "new", "1", 1, AT(0), NULL));
    FAILS(rill_kv_purge(kv, "new", AT(2)), RILL_ECONFLICT);
    OK(rill_kv_purge(kv, "new", AT(3)));
    FAILS(rill_kv_create(kv, "a.b", "3", 1, NULL, NULL), RILL_EEXIST);
    FAILS(rill_kv_create(kv, "other", "3", 1, AT(0), NULL), RILL_EINVAL);
    const rill_kv_opts *later = RILL_OPTS(rill_kv_opts, .reserved = 1);
    FAILS(rill_kv_put(kv, "a.b", "3", 1, later, NULL), RILL_EINVAL);
    FAILS(rill_kv_delete(kv, "a.b", AT(1)), RILL_ECONFLICT);
    OK(rill_kv_delete(kv, "a.b", AT(2)));
    FAILS(rill_kv_get(kv, "a.b", &m), RILL_ENOENT);
    OK(rill_kv_create(kv, "a.b", "again", 5, NULL, &rev));
    ck_assert_uint_eq(rev, 6);
    OK(rill_kv_get(kv, "a.b", &m));
    TEXT_IS(m->data, "again");
    rill_msg_unref(m);
    rill_kv_close(kv);
    OK(rill_close(bus, 20000));
}
END_TEST

static int collect(const char *name, void *arg)
{
    strcat(arg, name);
    strcat(arg, " ");
    return 0;
}

static int collect_history(const rill_msg *m, void *arg)
{
    char *text = arg;
    sprintf(text + strlen(text), "%.*s%s ", RILL_ARG(m->data),
            m->flags & RILL_MSG_DELETED ? "-" : "");
    return 0;
}

START_TEST(keys_are_listed_and_their_history_told)
{
    rill_bus *bus = api_open("mem:");
    rill_kv *kv = open_bucket(bus, RILL_OPTS(rill_bucket_opts, .history = 3));
    char text[100] = "";
    for (int i = 0; i < 5; i++) {
        char value[8];
        snprintf(value, sizeof value, "%d", i);
        OK(rill_kv_put(kv, "eu.one", value, 1, NULL, NULL));
    }
    OK(rill_kv_put(kv, "eu.two", "x", 1, NULL, NULL));
    OK(rill_kv_put(kv, "us.one", "x", 1, NULL, NULL));
    OK(rill_kv_each(kv, NULL, collect, text));
    ck_assert_str_eq(text, "eu.one eu.two us.one ");
    OK(rill_kv_delete(kv, "eu.two", NULL));
    text[0] = 0;
    OK(rill_kv_each(kv, "eu.*", collect, text));
    ck_assert_str_eq(text, "eu.one ");
    text[0] = 0;
    OK(rill_kv_history(kv, "eu.one", collect_history, text));
    ck_assert_str_eq(text, "2 3 4 ");
    text[0] = 0;
    OK(rill_kv_history(kv, "eu.two", collect_history, text));
    ck_assert_str_eq(text, "x - ");
    OK(rill_kv_purge(kv, "eu.two", NULL));
    text[0] = 0;
    OK(rill_kv_history(kv, "eu.two", collect_history, text));
    ck_assert_str_eq(text, "- ");
    FAILS(rill_kv_history(kv, "never", collect_history, text), RILL_ENOENT);
    rill_kv_close(kv);
    OK(rill_close(bus, 20000));
}
END_TEST

static void expect(rill_sub *sub, const char *key, const char *value, uint32_t flags)
{
    const rill_msg *m;
    OK(rill_next(sub, &m, 20000));
    TEXT_IS(m->key, key);
    TEXT_IS(m->data, value);
    ck_assert_uint_eq(m->flags, flags);
}

START_TEST(a_watch_tells_what_is_there_and_what_changes)
{
    rill_bus *bus = api_open("mem:");
    rill_kv *kv = open_bucket(bus, NULL);
    rill_sub *sub, *empty, *changes;
    const rill_msg *m;
    OK(rill_kv_watch(kv, &empty, NULL));
    expect(empty, "", "", RILL_MSG_CAUGHT_UP);
    OK(rill_kv_put(kv, "a", "1", 1, NULL, NULL));
    expect(empty, "a", "1", 0);
    OK(rill_kv_put(kv, "b", "2", 1, NULL, NULL));
    OK(rill_kv_put(kv, "a", "3", 1, NULL, NULL));
    OK(rill_kv_watch(kv, &sub, NULL));
    OK(rill_kv_watch(kv, &changes, RILL_OPTS(rill_sub_opts, .filter = "b", .from = RILL_FROM_NEW)));
    expect(changes, "", "", RILL_MSG_CAUGHT_UP);
    expect(sub, "b", "2", 0);
    expect(sub, "a", "3", RILL_MSG_CAUGHT_UP);
    OK(rill_kv_delete(kv, "b", NULL));
    expect(sub, "b", "", RILL_MSG_DELETED);
    expect(changes, "b", "", RILL_MSG_DELETED);
    FAILS(rill_next(changes, &m, 10), RILL_ETIMEDOUT);
    rill_sub_close(sub);
    rill_sub_close(empty);
    rill_sub_close(changes);
    rill_kv_close(kv);
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(a_key_may_die_by_itself)
{
    rill_bus *bus = api_open("mem:");
    rill_kv *kv = open_bucket(bus, RILL_OPTS(rill_bucket_opts, .key_ttl = true));
    rill_msg *m = NULL;
    const rill_kv_opts *shortly = RILL_OPTS(rill_kv_opts, .ttl_ms = 1000);
    const rill_kv_opts *at_once = RILL_OPTS(rill_kv_opts, .ttl_ms = 10);
    FAILS(rill_kv_create(kv, "k", "v", 1, at_once, NULL), RILL_EINVAL);
    int64_t made_ms = api_now_ms();
    OK(rill_kv_create(kv, "k", "v", 1, shortly, NULL));
    OK(rill_kv_put(kv, "put", "v", 1, shortly, NULL));
    OK(rill_kv_put(kv, "stays", "v", 1, NULL, NULL));
    int rc = rill_kv_get(kv, "k", &m);
    if (api_now_ms() - made_ms < 1000) OK(rc);
    rill_msg_unref(m);
    m = NULL;
    EVENTUALLY((rill_msg_unref(m), m = NULL, rc = rill_kv_get(kv, "k", &m)) == RILL_ENOENT);
    EVENTUALLY((rill_msg_unref(m), m = NULL, rc = rill_kv_get(kv, "put", &m)) == RILL_ENOENT);
    /* So does the mark that a key is gone. */
    char marks[64] = "";
    OK(rill_kv_put(kv, "purged", "v", 1, NULL, NULL));
    made_ms = api_now_ms();
    OK(rill_kv_purge(kv, "purged", shortly));
    rc = rill_kv_history(kv, "purged", collect_history, marks);
    if (api_now_ms() - made_ms < 1000) ck_assert_str_eq(marks, "- ");
    EVENTUALLY((marks[0] = 0, rill_kv_history(kv, "purged", collect_history, marks)) ==
               RILL_ENOENT);
    ck_assert_str_eq(marks, "");
    OK(rill_kv_get(kv, "stays", &m));
    rill_msg_unref(m);
    rill_kv_close(kv);
    OK(rill_kv_open(bus, &kv, "plain", NULL));
    FAILS(rill_kv_put(kv, "k", "v", 1, shortly, NULL), RILL_EINVAL);
    rill_kv_close(kv);
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(names_are_checked)
{
    static const char *const bad[] = {"", ".a", "a.", "a..b", "a b", "a*", "a.>", "\xc3\xa4"};
    rill_bus *bus = api_open("mem:");
    rill_kv *kv, *none;
    FAILS(rill_kv_open(bus, &none, "a.b", NULL), RILL_EINVAL);
    ck_assert_ptr_null(none);
    FAILS(rill_kv_open(bus, &none, "absent", RILL_OPTS(rill_bucket_opts, .must_exist = true)),
          RILL_ENOENT);
    FAILS(rill_kv_open(bus, &none, "b", RILL_OPTS(rill_bucket_opts, .history = 65)), RILL_EINVAL);
    kv = open_bucket(bus, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        FAILS(rill_kv_put(kv, bad[i], "", 0, NULL, NULL), RILL_EINVAL);
    FAILS(rill_kv_put(NULL, "a", "", 0, NULL, NULL), RILL_EINVAL);
    OK(rill_close(bus, 20000));
    FAILS(rill_kv_put(kv, "a", "", 0, NULL, NULL), RILL_ECLOSED);
    rill_kv_close(kv);
    rill_kv_close(NULL);
}
END_TEST

static void ends_in_0(rill_str text, const char *as)
{
    ck_assert_str_eq(text.ptr, as);
    ck_assert_uint_eq(text.len, strlen(as));
}

/* As C texts, in whatever way a message came: lent, kept or asked for. */
START_TEST(texts_of_a_message_end_in_0)
{
    rill_bus *bus = api_open("mem:");
    rill_kv *kv = open_bucket(bus, NULL);
    rill_sub *sub, *watch;
    const rill_msg *m;
    rill_msg *kept;
    OK(rill_subscribe(bus, &sub, "a", NULL));
    OK(rill_publish(bus, "a", "data", 4,
                    RILL_OPTS(rill_post, .reply = "r.s", .nheaders = 1,
                              .headers = &(rill_header){RILL_STR("H"), RILL_STR("v")})));
    OK(rill_next(sub, &m, 20000));
    ends_in_0(m->subject, "a");
    ends_in_0(m->reply, "r.s");
    ends_in_0(m->data, "data");
    ends_in_0(m->key, "");
    ck_assert_ptr_nonnull(m->stream.ptr);
    OK(rill_kv_watch(kv, &watch, NULL));
    OK(rill_next(watch, &m, 20000)); /* says that there is no key */
    OK(rill_kv_put(kv, "k.l", "value", 5, NULL, NULL));
    OK(rill_next(watch, &m, 20000));
    ck_assert_ptr_nonnull(kept = rill_msg_ref(m));
    for (int i = 0; i < 2; i++, m = kept) {
        ends_in_0(m->subject, "$KV.config.k.l");
        ends_in_0(m->key, "k.l");
        ends_in_0(m->data, "value");
        ends_in_0(m->reply, "");
    }
    rill_msg_unref(kept);
    OK(rill_kv_get(kv, "k.l", &kept));
    ends_in_0(kept->key, "k.l");
    ends_in_0(kept->data, "value");
    rill_msg_unref(kept);
    rill_sub_close(watch);
    rill_sub_close(sub);
    rill_kv_close(kv);
    OK(rill_close(bus, 20000));
}
END_TEST

SUITE_MAIN("kv", values_have_revisions, keys_are_listed_and_their_history_told,
           a_watch_tells_what_is_there_and_what_changes, a_key_may_die_by_itself,
           names_are_checked, texts_of_a_message_end_in_0)
