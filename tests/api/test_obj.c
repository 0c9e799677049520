/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets of objects. */
#include "api.h"
#include "support/scratch.h"

enum { PIECE = 128 * 1024 };

typedef struct bytes {
    size_t len, at;       /* of what; how much is read or compared */
    size_t step;          /* a source gives at most so much at a time; 0: what is asked for */
    size_t fail_at;       /* gives up there; 0: never */
    unsigned seed;
    void (*halfway)(void *arg); /* called once, at len / 2 */
    void *arg;
} bytes;

static char byte_at(const bytes *b, size_t i)
{
    return (char)((i * 2654435761u + b->seed) >> 13);
}

static void bytes_pass(bytes *b, size_t n)
{
    size_t half = b->len / 2;
    bool passed = b->at <= half && b->at + n > half;
    b->at += n;
    if (passed && b->halfway) b->halfway(b->arg);
}

static int64_t source(void *buf, size_t cap, void *arg)
{
    bytes *b = arg;
    size_t n = b->len - b->at;
    if (n > cap) n = cap;
    if (b->step && n > b->step) n = b->step;
    if (b->fail_at && b->at + n > b->fail_at) return RILL_EIO;
    for (size_t i = 0; i < n; i++) ((char *)buf)[i] = byte_at(b, b->at + i);
    bytes_pass(b, n);
    return (int64_t)n;
}

static int sink(const void *buf, size_t len, void *arg)
{
    bytes *b = arg;
    ck_assert_uint_le(b->at + len, b->len);
    for (size_t i = 0; i < len; i++)
        if (((const char *)buf)[i] != byte_at(b, b->at + i))
            ck_abort_msg("byte %zu is wrong", b->at + i);
    if (b->fail_at && b->at + len > b->fail_at) return RILL_EAGAIN;
    bytes_pass(b, len);
    return 0;
}

static rill_objs *open_bucket(rill_bus *bus)
{
    rill_objs *objs = NULL;
    OK(rill_objs_open(bus, &objs, "files", NULL));
    return objs;
}

static void put(rill_objs *objs, const char *name, size_t len, unsigned seed)
{
    bytes b = {.len = len, .seed = seed};
    OK(rill_obj_put(objs, name, source, &b));
    ck_assert_uint_eq(b.at, len);
}

static void is_there(rill_objs *objs, const char *name, size_t len, unsigned seed)
{
    bytes b = {.len = len, .seed = seed};
    OK(rill_obj_get(objs, name, sink, &b));
    ck_assert_uint_eq(b.at, len);
}

/* Messages in the bucket: a piece each, and one an object. */
static void has_msgs(rill_bus *bus, uint64_t want)
{
    rill_stream_info info = {.size = sizeof info};
    OK(rill_stream_status(bus, "OBJ_files", &info));
    ck_assert_uint_eq(info.msgs, want);
}

static rill_bus *open_dir(char dir[SCRATCH_LEN])
{
    char url[80];
    scratch_make(dir);
    snprintf(url, sizeof url, "file:%s", dir);
    return api_open(url);
}

START_TEST(objects_of_every_length_come_back)
{
    static const size_t lens[] = {0,         1,         100,           PIECE - 1, PIECE,
                                  PIECE + 1, 8 * PIECE, 20 * PIECE + 7};
    char dir[SCRATCH_LEN];
    rill_bus *bus = open_dir(dir);
    rill_objs *objs = open_bucket(bus);
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        char name[32];
        snprintf(name, sizeof name, "a/%zu > * \xc3\xa4", lens[i]);
        bytes b = {.len = lens[i], .seed = (unsigned)i, .step = i % 2 ? 777 : 0};
        OK(rill_obj_put(objs, name, source, &b));
        is_there(objs, name, lens[i], (unsigned)i);
        rill_obj_info info = {.size = sizeof info};
        OK(rill_obj_status(objs, name, &info));
        ck_assert_uint_eq(info.bytes, lens[i]);
        ck_assert_uint_eq(info.chunks, (lens[i] + PIECE - 1) / PIECE);
        ck_assert_str_eq(info.name, name);
        ck_assert(!info.deleted && !info.link_bucket[0] && info.time_ns > 0 && info.seq > 0);
    }
    rill_objs_close(objs);
    OK(rill_close(bus, 20000));
    char url[80];
    snprintf(url, sizeof url, "file:%s", dir);
    bus = api_open(url);
    OK(rill_objs_open(bus, &objs, "files", RILL_OPTS(rill_bucket_opts, .must_exist = true)));
    is_there(objs, "a/131073 > * \xc3\xa4", PIECE + 1, 5);
    rill_objs_close(objs);
    OK(rill_close(bus, 20000));
    scratch_remove(dir);
}
END_TEST

static int64_t abc(void *buf, size_t cap, void *arg)
{
    if (cap < 3 || *(int *)arg) return 0;
    *(int *)arg = 1;
    memcpy(buf, "abc", 3);
    return 3;
}

static int append_text(const void *buf, size_t len, void *arg)
{
    strncat(arg, buf, len);
    return 0;
}

START_TEST(it_lies_as_nats_clients_lay_it)
{
    rill_bus *bus = api_open("mem:");
    rill_objs *objs = open_bucket(bus);
    rill_msg *meta, *piece;
    char want[512], subject[100];
    int given = 0;
    OK(rill_obj_put(objs, "a.txt", abc, &given));
    OK(rill_stream_get(bus, "OBJ_files", RILL_AT_LAST("$O.files.M.YS50eHQ="), &meta));
    OK(rill_stream_get(bus, "OBJ_files", RILL_AT(1), &piece));
    TEXT_IS(piece->data, "abc");
    ck_assert(strncmp(piece->subject.ptr, "$O.files.C.", 11) == 0 && piece->subject.len == 33);
    snprintf(want, sizeof want,
             "{\"name\":\"a.txt\",\"options\":{\"max_chunk_size\":131072},\"bucket\":\"files\","
             "\"nuid\":\"%.22s\",\"size\":3,\"mtime\":\"0001-01-01T00:00:00Z\",\"chunks\":1,"
             "\"digest\":\"SHA-256=ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0=\"}",
             piece->subject.ptr + 11);
    TEXT_IS(meta->data, want);
    rill_str rollup;
    ck_assert_int_eq(rill_header_get(meta, "Nats-Rollup", &rollup), 1);
    TEXT_IS(rollup, "sub");
    rill_msg_unref(meta);
    /* What another client wrote, its digest without padding, in two pieces of its own size. */
    OK(rill_append(bus, "$O.files.C.x1", "ab", 2, NULL, NULL, 20000));
    OK(rill_append(bus, "$O.files.C.x1", "c", 1, NULL, NULL, 20000));
    snprintf(want, sizeof want,
             "{\"name\":\"b\",\"bucket\":\"files\",\"nuid\":\"x1\",\"size\":3,\"chunks\":2,"
             "\"description\":\"<d>\","
             "\"digest\":\"SHA-256=ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0\"}");
    OK(rill_append(bus, "$O.files.M.Yg==", want, strlen(want), NULL, NULL, 20000));
    char got[8] = "";
    snprintf(subject, sizeof subject, "%.*s", RILL_ARG(piece->subject));
    rill_msg_unref(piece);
    OK(rill_obj_get(objs, "b", append_text, got));
    ck_assert_str_eq(got, "abc");
    OK(rill_obj_delete(objs, "a.txt"));
    FAILS(rill_stream_get(bus, "OBJ_files", RILL_AT_LAST(subject), &piece), RILL_ENOENT);
    rill_objs_close(objs);
    OK(rill_close(bus, 20000));
}
END_TEST

static void see_old(void *arg)
{
    rill_objs *objs = arg;
    is_there(objs, "x", 3 * PIECE, 1);
}

static void see_replaced(void *arg)
{
    put(arg, "x", 4 * PIECE, 3);
}

START_TEST(a_replacement_is_atomic)
{
    rill_bus *bus = api_open("mem:");
    rill_objs *objs = open_bucket(bus);
    put(objs, "x", 3 * PIECE, 1);
    has_msgs(bus, 4);
    bytes b = {.len = 10 * PIECE, .seed = 2, .halfway = see_old, .arg = objs};
    OK(rill_obj_put(objs, "x", source, &b));
    is_there(objs, "x", 10 * PIECE, 2);
    has_msgs(bus, 11);
    /* A source that gives up, and one that breaks the contract, leave the old and no piece. */
    bytes bad = {.len = 30 * PIECE, .fail_at = 20 * PIECE};
    FAILS(rill_obj_put(objs, "x", source, &bad), RILL_EIO);
    ck_assert_ptr_nonnull(strstr(rill_errmsg(), "the source gave up"));
    bytes early = {.len = 3 * PIECE, .fail_at = 2 * PIECE + 9};
    FAILS(rill_obj_put(objs, "new", source, &early), RILL_EIO);
    has_msgs(bus, 11);
    is_there(objs, "x", 10 * PIECE, 2);
    /* Replaced while it is read: the reader is told. A sink may give up. */
    bytes r = {.len = 10 * PIECE, .seed = 2, .halfway = see_replaced, .arg = objs};
    FAILS(rill_obj_get(objs, "x", sink, &r), RILL_ECONFLICT);
    is_there(objs, "x", 4 * PIECE, 3);
    bytes s = {.len = 4 * PIECE, .seed = 3, .fail_at = PIECE + 1};
    FAILS(rill_obj_get(objs, "x", sink, &s), RILL_EAGAIN);
    has_msgs(bus, 5);
    rill_objs_close(objs);
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(a_put_that_fails_on_disk_leaves_nothing)
{
    char dir[SCRATCH_LEN];
    rill_bus *bus = open_dir(dir);
    rill_objs *objs;
    OK(rill_objs_open(bus, &objs, "files", RILL_OPTS(rill_bucket_opts, .max_bytes = 6 * PIECE)));
    put(objs, "x", 2 * PIECE, 1);
    bytes early = {.len = 3 * PIECE, .fail_at = 2 * PIECE + 9};
    FAILS(rill_obj_put(objs, "x", source, &early), RILL_EIO);
    has_msgs(bus, 3);
    bytes big = {.len = 5 * PIECE};
    FAILS(rill_obj_put(objs, "x", source, &big), RILL_EFULL);
    has_msgs(bus, 3);
    is_there(objs, "x", 2 * PIECE, 1);
    put(objs, "y", 2 * PIECE, 2);
    is_there(objs, "y", 2 * PIECE, 2);
    rill_objs_close(objs);
    OK(rill_close(bus, 20000));
    scratch_remove(dir);
}
END_TEST

typedef struct putter {
    rill_objs *objs;
    unsigned seed;
    int rounds;
} putter;

static void *put_often(void *arg)
{
    putter *p = arg;
    for (int i = 0; i < p->rounds; i++) {
        bytes b = {.len = 2 * PIECE + p->seed, .seed = p->seed};
        int rc = rill_obj_put(p->objs, "shared", source, &b);
        if (rc < 0) return (void *)(uintptr_t)rill_strerror(rc);
    }
    return NULL;
}

static int nothing(const void *buf, size_t len, void *arg)
{
    (void)buf;
    *(size_t *)arg += len;
    return 0;
}

START_TEST(many_writers_leave_one_object_and_no_piece_more)
{
    enum { WRITERS = 4 };
    char dir[SCRATCH_LEN];
    rill_bus *bus = open_dir(dir);
    rill_objs *objs = open_bucket(bus);
    putter putters[WRITERS];
    pthread_t threads[WRITERS];
    put(objs, "shared", 2 * PIECE, 0);
    for (unsigned i = 0; i < WRITERS; i++) {
        putters[i] = (putter){objs, i + 1, 25};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, put_often, &putters[i]), 0);
    }
    for (int i = 0; i < 100; i++) { /* a whole one, or word that it went away; never a mixture */
        size_t len = 0;
        int rc = rill_obj_get(objs, "shared", nothing, &len);
        ck_assert_msg(rc == RILL_OK || rc == RILL_ECONFLICT, "%s", rill_errmsg());
        if (rc == RILL_OK) ck_assert_uint_ge(len, 2 * PIECE);
    }
    for (int i = 0; i < WRITERS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        ck_assert_msg(!failed, "%s", (const char *)failed);
    }
    rill_obj_info info = {.size = sizeof info};
    OK(rill_obj_status(objs, "shared", &info));
    is_there(objs, "shared", info.bytes, (unsigned)(info.bytes - 2 * PIECE));
    has_msgs(bus, 1 + info.chunks);
    rill_objs_close(objs);
    OK(rill_close(bus, 20000));
    scratch_remove(dir);
}
END_TEST

static int count_names(const char *name, void *arg)
{
    size_t *sum = arg;
    *sum += strlen(name);
    return 0;
}

START_TEST(objects_are_deleted_and_listed)
{
    rill_bus *bus = api_open("mem:");
    rill_objs *objs = open_bucket(bus);
    bytes b = {0};
    rill_obj_info info = {.size = sizeof info};
    FAILS(rill_obj_get(objs, "x", sink, &b), RILL_ENOENT);
    FAILS(rill_obj_delete(objs, "x"), RILL_ENOENT);
    put(objs, "x", 3 * PIECE, 1);
    put(objs, "four", 4, 1);
    put(objs, "seventy", 0, 1);
    size_t sum = 0;
    OK(rill_obj_each(objs, count_names, &sum));
    ck_assert_uint_eq(sum, 12);
    OK(rill_obj_delete(objs, "x"));
    has_msgs(bus, 4);
    FAILS(rill_obj_delete(objs, "x"), RILL_ENOENT);
    FAILS(rill_obj_get(objs, "x", sink, &b), RILL_ENOENT);
    FAILS(rill_obj_status(objs, "x", &info), RILL_ENOENT);
    sum = 0;
    OK(rill_obj_each(objs, count_names, &sum));
    ck_assert_uint_eq(sum, 11);
    put(objs, "x", 5, 2);
    is_there(objs, "x", 5, 2);
    rill_objs_close(objs);
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(links_lead_to_objects)
{
    rill_bus *bus = api_open("mem:");
    rill_objs *objs = open_bucket(bus), *others;
    OK(rill_objs_open(bus, &others, "others", NULL));
    rill_obj_info info = {.size = sizeof info};
    bytes b = {0};
    put(objs, "x", 9, 1);
    put(others, "y", 7, 2);
    FAILS(rill_obj_link(objs, "l", others, "absent"), RILL_ENOENT);
    FAILS(rill_obj_link(objs, "x", others, "y"), RILL_EEXIST);
    OK(rill_obj_link(objs, "l", objs, "x"));
    is_there(objs, "l", 9, 1);
    OK(rill_obj_link(objs, "l", others, "y")); /* a link may be replaced */
    is_there(objs, "l", 7, 2);
    OK(rill_obj_status(objs, "l", &info));
    ck_assert_str_eq(info.link_bucket, "others");
    ck_assert_str_eq(info.link_name, "y");
    FAILS(rill_obj_link(others, "again", objs, "l"), RILL_EINVAL);
    OK(rill_obj_link(objs, "all", others, NULL));
    FAILS(rill_obj_get(objs, "all", sink, &b), RILL_EINVAL);
    put(others, "y", 8, 3);
    is_there(objs, "l", 8, 3);
    /* A ring, which can be made since an object may become a link later. */
    OK(rill_obj_delete(others, "y"));
    FAILS(rill_obj_get(objs, "l", sink, &b), RILL_ENOENT);
    const char *back = "{\"name\":\"y\",\"bucket\":\"others\",\"nuid\":\"n\",\"options\":"
                       "{\"link\":{\"bucket\":\"files\",\"name\":\"l\"}}}";
    OK(rill_append(bus, "$O.others.M.eQ==", back, strlen(back), NULL, NULL, 20000));
    FAILS(rill_obj_get(objs, "l", sink, &b), RILL_EINVAL);
    rill_objs_close(objs);
    rill_objs_close(others);
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(damage_is_told)
{
    static const char *const metas[] = {
        "{\"nuid\":\"n1\",\"size\":4,\"chunks\":1}", /* length */
        "{\"nuid\":\"n1\",\"size\":3,\"chunks\":2}", /* a piece is missing */
        ("{\"nuid\":\"n1\",\"size\":3,\"chunks\":1,"
         "\"digest\":\"SHA-256=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}"),
        "{\"nuid\":\"n1\",\"size\":3,\"chunks\":1,\"digest\":\"SHA-256=AAAA\"}",
        "{\"nuid\":\"n1\",\"size\":3,\"chunks\":1,\"digest\":\"MD5=AAAA\"}",
        "{\"nuid\":\">\",\"size\":3,\"chunks\":1}",
        "{\"nuid\":\"a.b\",\"size\":3,\"chunks\":1}",
        "{\"size\":3,\"chunks\":1}",
        "{\"nuid\":\"n1\",\"size\":-3,\"chunks\":1}",
        "{\"nuid\":\"n1\",\"size\":3,\"chunks\":4294967296}",
        "{\"nuid\":",
        "[1]",
        "",
    };
    rill_bus *bus = api_open("mem:");
    rill_objs *objs = open_bucket(bus);
    OK(rill_append(bus, "$O.files.C.n1", "abc", 3, NULL, NULL, 20000));
    for (size_t i = 0; i < sizeof metas / sizeof *metas; i++) {
        size_t len = 0;
        OK(rill_append(bus, "$O.files.M.eA==", metas[i], strlen(metas[i]), NULL, NULL, 20000));
        int rc = rill_obj_get(objs, "x", nothing, &len);
        ck_assert_msg(rc == RILL_ECORRUPT, "%s: %s", metas[i], rill_errname(rc));
    }
    put(objs, "y", 5, 1);
    put(objs, "x", 6, 2); /* and can be put right; nobody else's piece is purged */
    is_there(objs, "x", 6, 2);
    is_there(objs, "y", 5, 1);
    rill_objs_close(objs);
    OK(rill_close(bus, 20000));
}
END_TEST

static void told(rill_sub *sub, const char *name, uint64_t len, bool deleted, uint32_t flags)
{
    const rill_msg *m;
    rill_obj_info info = {.size = sizeof info};
    OK(rill_next(sub, &m, 20000));
    OK(rill_obj_told(m, &info));
    ck_assert_str_eq(info.name, name);
    ck_assert_uint_eq(info.bytes, len);
    ck_assert_uint_eq(info.seq, m->seq);
    ck_assert(info.deleted == deleted && m->flags == flags);
}

START_TEST(a_watch_tells_of_changes)
{
    rill_bus *bus = api_open("mem:");
    rill_objs *objs = open_bucket(bus);
    rill_sub *empty, *sub, *changes, *none;
    rill_obj_info info = {.size = sizeof info};
    const rill_msg *m;
    OK(rill_obj_watch(objs, &empty, NULL));
    OK(rill_next(empty, &m, 20000));
    ck_assert_uint_eq(m->flags, RILL_MSG_CAUGHT_UP);
    FAILS(rill_obj_told(m, &info), RILL_EINVAL);
    put(objs, "a", 3 * PIECE, 1);
    told(empty, "a", 3 * PIECE, false, 0);
    put(objs, "b", 2, 1);
    OK(rill_obj_watch(objs, &sub, NULL));
    OK(rill_obj_watch(objs, &changes, RILL_OPTS(rill_sub_opts, .from = RILL_FROM_NEW)));
    FAILS(rill_obj_watch(objs, &none, RILL_OPTS(rill_sub_opts, .group = "g")), RILL_EINVAL);
    told(sub, "a", 3 * PIECE, false, 0);
    told(sub, "b", 2, false, RILL_MSG_CAUGHT_UP);
    OK(rill_next(changes, &m, 20000));
    OK(rill_obj_delete(objs, "a"));
    told(sub, "a", 0, true, 0);
    told(changes, "a", 0, true, 0);
    rill_sub_close(sub);
    rill_sub_close(empty);
    rill_sub_close(changes);
    rill_objs_close(objs);
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(sealed_means_no_change)
{
    rill_bus *bus = api_open("mem:");
    rill_objs *objs = open_bucket(bus);
    bytes b = {.len = 3};
    put(objs, "x", PIECE + 3, 1);
    OK(rill_objs_seal(objs));
    ck_assert_int_lt(rill_obj_put(objs, "x", source, &b), 0);
    ck_assert_int_lt(rill_obj_delete(objs, "x"), 0);
    is_there(objs, "x", PIECE + 3, 1);
    rill_objs_close(objs);
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(arguments_are_checked)
{
    char name[RILL_OBJ_NAME_MAX + 2];
    rill_bus *bus = api_open("mem:");
    rill_objs *objs = open_bucket(bus), *none;
    bytes b = {0};
    FAILS(rill_objs_open(bus, &none, "a.b", NULL), RILL_EINVAL);
    FAILS(rill_objs_open(bus, &none, "", NULL), RILL_EINVAL);
    FAILS(rill_objs_open(bus, &none, "a", RILL_OPTS(rill_bucket_opts, .history = 2)), RILL_EINVAL);
    FAILS(rill_objs_open(bus, &none, "absent", RILL_OPTS(rill_bucket_opts, .must_exist = true)),
          RILL_ENOENT);
    ck_assert_ptr_null(none);
    FAILS(rill_obj_put(objs, "", source, &b), RILL_EINVAL);
    FAILS(rill_obj_put(objs, "\xff", source, &b), RILL_EINVAL);
    FAILS(rill_obj_put(objs, NULL, source, &b), RILL_EINVAL);
    FAILS(rill_obj_put(objs, "x", NULL, NULL), RILL_EINVAL);
    FAILS(rill_obj_put(NULL, "x", source, &b), RILL_EINVAL);
    memset(name, 'n', sizeof name);
    name[RILL_OBJ_NAME_MAX + 1] = 0;
    FAILS(rill_obj_put(objs, name, source, &b), RILL_EINVAL);
    name[RILL_OBJ_NAME_MAX] = 0;
    put(objs, name, 3, 1);
    is_there(objs, name, 3, 1);
    ck_assert(rill_caps(bus) & RILL_CAN_OBJECTS);
    OK(rill_stream_delete(bus, "OBJ_files"));
    FAILS(rill_obj_put(objs, "x", source, &b), RILL_ENOENT);
    OK(rill_close(bus, 20000));
    FAILS(rill_obj_put(objs, "x", source, &b), RILL_ECLOSED);
    rill_objs_close(objs);
    rill_objs_close(NULL);
}
END_TEST

SUITE_MAIN("obj", objects_of_every_length_come_back, it_lies_as_nats_clients_lay_it,
           a_replacement_is_atomic, a_put_that_fails_on_disk_leaves_nothing,
           many_writers_leave_one_object_and_no_piece_more, objects_are_deleted_and_listed,
           links_lead_to_objects, damage_is_told, a_watch_tells_of_changes, sealed_means_no_change,
           arguments_are_checked)
