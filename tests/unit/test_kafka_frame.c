/* SPDX-License-Identifier: Apache-2.0 */
/* The golden frames are what clients sent to Apache Kafka 4.4, and what it answered. If
 * KAFKA_FRAMES in the environment names more files of that kind, separated by colons, these alone
 * are looked at. */
#include <stdio.h>

#include "base/error.h"
#include "codec/kafka/kafka_frame.h"
#include "codec/kafka/kafka_table.h"
#include "codec/limits.h"
#include "support/fault.h"
#include "support/frames.h"
#include "support/guard.h"
#include "support/suite.h"

static ri_host host;

/* ---- Reading and writing, for the tests ---- */

typedef struct body { /* of a frame */
    const ri_kafka_api *api;
    const ri_kafka_type *type;
    int16_t version;
    ri_str bytes;
} body;

/* False: the table has no such API. */
static bool body_of(const frame_seen *seen, body *b)
{
    *b = (body){.api = ri_kafka_api_of(seen->key), .version = seen->version, .bytes = seen->bytes};
    if (!b->api || !ri_kafka_api_has(b->api, b->version)) return false;
    b->type = seen->is_answer ? b->api->answer() : b->api->request();
    if (seen->is_answer) {
        ck_assert_ok(frame_answer_body(b->api, b->version, &b->bytes));
        return true;
    }
    ri_kafka_head head;
    ck_assert_ok(ri_kafka_frame_head(&b->bytes, &head));
    ck_assert_ptr_eq(head.api, b->api);
    ck_assert_int_eq(head.version, b->version);
    return true;
}

static int64_t slice; /* items of a body that are read at a time; 0: all */
static const int64_t slices[] = {0, 1, 2, 5};

static int body_read_slices(const body *b, ri_str *rest, ri_arena *arena, void *out)
{
    ri_kafka_reading reading;
    int rc = 1;
    ri_kafka_frame_begin(&reading, b->api, b->type, b->version, *rest, arena, out);
    for (size_t n = 0; rc == 1; n++) {
        ck_quick(n <= b->bytes.len); /* an item is a byte at least */
        rc = ri_kafka_frame_read_some(&reading, slice);
    }
    if (rc == RILL_OK) *rest = ri_str_from(*rest, (size_t)(reading.p - reading.start));
    return rc;
}

static int body_read(const body *b, ri_str *rest, ri_arena *arena, void **out)
{
    *rest = b->bytes;
    *out = ri_arena_alloc(arena, b->type->size);
    if (!*out) return RILL_ENOMEM;
    return slice ? body_read_slices(b, rest, arena, *out)
                 : ri_kafka_frame_read(b->api, b->type, b->version, rest, arena, *out);
}

/* What is read is all of it, and is written as it was. `left`: bytes that may be behind it, which
 * are counted; NULL: none may. */
static int body_again(const ri_host *memory, const body *b, size_t *left)
{
    ri_arena arena;
    ri_buffer out;
    ri_str rest = RI_STR_NONE;
    void *in;
    ri_arena_init(&arena, memory);
    ri_buffer_init(&out, memory);
    int rc = body_read(b, &rest, &arena, &in);
    if (rc == RILL_OK) {
        if (left) *left += rest.len;
        else if (rest.len)
            ck_abort_msg("%s v%d: %zu bytes are left", b->api->word, b->version, rest.len);
        rc = ri_kafka_frame_write(&(ri_kafka_writer){.out = &out}, b->api, b->type, b->version, in);
    }
    ri_str whole = {b->bytes.ptr, b->bytes.len - rest.len};
    if (rc == RILL_OK && !ri_str_eq(ri_buffer_str(&out), whole))
        ck_abort_msg("%s v%d, %s: written as other bytes, %zu for %zu", b->api->word, b->version,
                     b->type->name, out.len, b->bytes.len);
    ri_buffer_fini(&out);
    ri_arena_fini(&arena);
    return rc;
}

/* ---- The golden frames ---- */

typedef struct tally {
    size_t requests, answers, unknown, bytes, left;
} tally;

static void each_frame(const char *path, void (*fn)(const body *b, tally *t), tally *t)
{
    frame_file file;
    frame_seen seen;
    frame_file_open(&file, path);
    while (frame_file_next(&file, &seen)) {
        body b;
        if (!body_of(&seen, &b)) {
            t->unknown++;
            continue;
        }
        fn(&b, t);
        t->requests += !seen.is_answer;
        t->answers += seen.is_answer;
        t->bytes += seen.bytes.len;
    }
    frame_file_close(&file);
}

static void golden(void (*fn)(const body *b, tally *t), tally *t)
{
    *t = (tally){0};
    each_frame(GOLDEN_DIR "/kafka/apis.frames", fn, t);
}

static void again(const body *b, tally *t)
{
    (void)t;
    ck_assert_ok(body_again(&host, b, NULL));
}

/* librdkafka 2.16 asks Metadata v13 for all topics with three bytes too many. */
static void nearly_again(const body *b, tally *t)
{
    ck_assert_ok(body_again(&host, b, &t->left));
}

START_TEST(test_golden)
{
    tally t;
    slice = slices[_i];
    golden(again, &t);
    ck_assert_uint_eq(t.unknown, 0);
    ck_assert_uint_eq(t.requests, t.answers);
    ck_assert_uint_ge(t.requests, 200);
}
END_TEST

START_TEST(test_more_frames)
{
    tally t = {0};
    const char *names = getenv("KAFKA_FRAMES");
    char path[512];
    ri_str rest = ri_str_of(names), name;
    while (ri_str_cut(&rest, ':', &name)) {
        ck_assert_uint_lt(name.len, sizeof path);
        snprintf(path, sizeof path, "%.*s", RI_ARG(name));
        each_frame(path, nearly_again, &t);
    }
    ck_assert_uint_gt(t.requests, 0);
    printf("%zu requests, %zu answers, %zu bytes, %zu behind them; %zu of other APIs\n",
           t.requests, t.answers, t.bytes, t.left, t.unknown);
}
END_TEST

/* However few bytes less there are, it is refused, and no byte behind them is read. */
static void cut_short(const body *b, tally *t)
{
    (void)t;
    for (size_t n = 0; n < b->bytes.len; n += n / 500 + 1) {
        body part = *b;
        ri_arena arena;
        ri_str rest;
        void *out;
        part.bytes = (ri_str){guard_copy(b->bytes.ptr, n), n};
        ri_arena_init(&arena, &host);
        int rc = body_read(&part, &rest, &arena, &out);
        ck_quick(rc == RILL_EPROTO);
        ck_quick(rest.ptr == part.bytes.ptr && rest.len == n);
        ri_arena_fini(&arena);
    }
}

START_TEST(test_truncated)
{
    tally t;
    slice = slices[_i];
    golden(cut_short, &t);
    guard_free();
}
END_TEST

static void head_cut_short(const frame_seen *seen)
{
    ri_str whole = seen->bytes;
    ri_kafka_head head;
    ck_assert_ok(ri_kafka_frame_head(&whole, &head));
    size_t len = seen->bytes.len - whole.len;
    for (size_t n = 0; n < len; n++) {
        ri_str part = {guard_copy(seen->bytes.ptr, n), n};
        ck_quick(ri_kafka_frame_head(&part, &head) == RILL_EPROTO);
        ck_quick(part.len == n);
    }
}

START_TEST(test_truncated_heads)
{
    frame_file file;
    frame_seen seen;
    frame_file_open(&file, GOLDEN_DIR "/kafka/apis.frames");
    while (frame_file_next(&file, &seen))
        if (!seen.is_answer) head_cut_short(&seen);
    frame_file_close(&file);
    guard_free();
}
END_TEST

/* A byte is another one: it is refused, or what was read is written and read again. */
static void mangled(const body *b, tally *t)
{
    (void)t;
    static const unsigned char masks[] = {0x01, 0x80, 0xff};
    for (size_t n = 0; n < b->bytes.len; n += b->bytes.len / 200 + 1) {
        body other = *b;
        char *bytes = guard_copy(b->bytes.ptr, b->bytes.len);
        bytes[n] ^= (char)masks[n % sizeof masks];
        other.bytes.ptr = bytes;
        ri_arena arena;
        ri_buffer out;
        ri_str rest;
        void *in;
        ri_arena_init(&arena, &host);
        ri_buffer_init(&out, &host);
        int rc = body_read(&other, &rest, &arena, &in);
        ck_quick(rc == RILL_OK || rc == RILL_EPROTO);
        if (rc == RILL_OK) {
            rc = ri_kafka_frame_write(&(ri_kafka_writer){.out = &out}, b->api, b->type, b->version,
                                      in);
            other.bytes = ri_buffer_str(&out);
            ck_quick(rc == RILL_OK && body_again(&host, &other, NULL) == RILL_OK);
        }
        ri_buffer_fini(&out);
        ri_arena_fini(&arena);
    }
}

START_TEST(test_mangled)
{
    tally t;
    slice = slices[_i];
    golden(mangled, &t);
    guard_free();
}
END_TEST

static int one_again(fault *f, void *arg)
{
    return body_again(&f->host, arg, NULL);
}

static void without_memory(const body *b, tally *t)
{
    (void)t;
    body copy = *b;
    ck_assert_uint_ge(fault_each(one_again, &copy), 1);
}

START_TEST(test_without_memory)
{
    tally t;
    slice = slices[_i];
    golden(without_memory, &t);
}
END_TEST

/* ---- Bounds ---- */

static int read_fetch(ri_str bytes, int16_t version, size_t *allocated)
{
    ri_arena arena;
    ri_kafka_fetch_request request;
    ri_arena_init(&arena, &host);
    const ri_kafka_api *api = ri_kafka_api_of(RI_KAFKA_FETCH);
    int rc = ri_kafka_frame_read(api, api->request(), version, &bytes, &arena, &request);
    *allocated = arena.bytes;
    ri_arena_fini(&arena);
    return rc;
}

/* A count that the bytes cannot hold costs nothing. */
START_TEST(test_lying_count)
{
    static const char before[] = "\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01"
                                 "\x00";
    char bytes[sizeof before - 1 + 4 + 1000] = {0};
    size_t allocated;
    memcpy(bytes, before, sizeof before - 1);
    for (uint32_t n = 100; n <= 0x7fffffff - 1000000; n += 1000000) {
        for (size_t i = 0; i < 4; i++) bytes[sizeof before - 1 + i] = (char)(n >> 8 * (3 - i));
        int rc = read_fetch((ri_str){bytes, sizeof bytes}, 4, &allocated);
        ck_quick(rc == (n == 100 ? RILL_OK : RILL_EPROTO));
        ck_quick(n == 100 || allocated == 0);
    }
    ck_assert_ptr_nonnull(strstr(ri_err_text(), "Fetch v4: topics: a length beyond the end"));
}
END_TEST

/* Empty texts are one byte there and sixteen here. */
START_TEST(test_too_many_items)
{
    const ri_kafka_api *api = ri_kafka_api_of(RI_KAFKA_DELETE_GROUPS);
    size_t most = RI_LIMIT_KAFKA_LISTS / sizeof(ri_str);
    for (size_t n = most; n <= most + 1; n++) {
        char *bytes = calloc(1, n + 6);
        size_t at = 0;
        for (size_t v = n + 1; at == 0 || v > 0; v >>= 7)
            bytes[at++] = (char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        memset(bytes + at, 1, n);
        ri_str in = {bytes, at + n + 1};
        ri_kafka_delete_groups_request request;
        ri_arena arena;
        ri_arena_init(&arena, &host);
        ck_assert_rc(ri_kafka_frame_read(api, api->request(), 2, &in, &arena, &request),
                     n > most ? RILL_ETOOBIG : RILL_OK);
        ri_arena_fini(&arena);
        free(bytes);
    }
    ck_assert_str_eq(ri_err_text(), "DeleteGroups v2: group_names: more items than are taken at "
                                    "byte 4");
}
END_TEST

/* ---- Single rules ---- */

static ri_str written(ri_buffer *out, int16_t key, int16_t version, const void *answer)
{
    const ri_kafka_api *api = ri_kafka_api_of(key);
    ri_buffer_reset(out);
    ck_assert_ok(ri_kafka_frame_answer(&(ri_kafka_writer){.out = out}, api, version, 7, answer));
    return ri_buffer_str(out);
}

#define ck_assert_bytes(s, literal) \
    ck_assert(ri_str_eq((s), (ri_str){(literal), sizeof(literal) - 1}))

START_TEST(test_heads_of_answers)
{
    ri_buffer out;
    ri_buffer_init(&out, &host);
    ri_kafka_heartbeat_answer beat = {.throttle_time_ms = 1, .error_code = 27};
    ck_assert_bytes(written(&out, RI_KAFKA_HEARTBEAT, 0, &beat),
                    "\0\0\0\x06\0\0\0\x07\0\x1b");
    ck_assert_bytes(written(&out, RI_KAFKA_HEARTBEAT, 3, &beat),
                    "\0\0\0\x0a\0\0\0\x07\0\0\0\x01\0\x1b");
    ck_assert_bytes(written(&out, RI_KAFKA_HEARTBEAT, 4, &beat),
                    "\0\0\0\x0c\0\0\0\x07\0\0\0\0\x01\0\x1b\0");
    /* ... but never a tagged section for who asks for the versions. */
    ri_kafka_api_versions_answer versions;
    ri_kafka_blank(ri_kafka_api_versions_answer_type(), &versions);
    ck_assert_bytes(written(&out, RI_KAFKA_API_VERSIONS, 3, &versions),
                    "\0\0\0\x0c\0\0\0\x07\0\0\x01\0\0\0\0\0");
    ri_buffer_fini(&out);
}
END_TEST

START_TEST(test_tags)
{
    ri_buffer out;
    ri_buffer_init(&out, &host);
    ri_kafka_api_versions_answer versions;
    ri_kafka_blank(ri_kafka_api_versions_answer_type(), &versions);
    ck_assert_int_eq(versions.finalized_features_epoch, -1);
    versions.finalized_features_epoch = 1;
    ri_kafka_api_versions_answer_supported_feature feature = {RI_STR("f"), 0, 2};
    versions.supported_features.items = &feature;
    versions.supported_features.len = 1;
    ck_assert_bytes(written(&out, RI_KAFKA_API_VERSIONS, 3, &versions),
                    "\0\0\0\x20\0\0\0\x07\0\0\x01\0\0\0\0\x02"
                    "\0\x08\x02\x02" "f\0\0\0\x02\0" "\x01\x08\0\0\0\0\0\0\0\x01");
    /* A number that nobody knows is passed; one that is known has its size. */
    const ri_kafka_api *api = ri_kafka_api_of(RI_KAFKA_API_VERSIONS);
    static const char more[] = "\0\0\x01\0\0\0\0\x02\x01\x08\0\0\0\0\0\0\0\x09\x63\x02xy";
    static const char wrong[] = "\0\0\x01\0\0\0\0\x01\x01\x09\0\0\0\0\0\0\0\x09\0";
    ri_arena arena;
    ri_arena_init(&arena, &host);
    ri_str in = {more, sizeof more - 1};
    ck_assert_ok(ri_kafka_frame_read(api, api->answer(), 3, &in, &arena, &versions));
    ck_assert_int_eq(versions.finalized_features_epoch, 9);
    ck_assert_uint_eq(in.len, 0);
    in = (ri_str){wrong, sizeof wrong - 1};
    ck_assert_rc(ri_kafka_frame_read(api, api->answer(), 3, &in, &arena, &versions), RILL_EPROTO);
    ck_assert_str_eq(ri_err_text(), "ApiVersions v3: finalized_features_epoch: a tagged field of "
                                    "another size at byte 18");
    /* One of a later version is refused, as Kafka does. */
    ri_kafka_fetch_request fetch;
    static const char later[] = "\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                "\x01\x01\x01\x01\x01\x0d\0\0\0\x01\0\0\0\0\0\0\0\x02\0";
    api = ri_kafka_api_of(RI_KAFKA_FETCH);
    in = (ri_str){later, sizeof later - 1};
    ck_assert_rc(ri_kafka_frame_read(api, api->request(), 12, &in, &arena, &fetch), RILL_EPROTO);
    ck_assert_ptr_nonnull(strstr(ri_err_text(),
                                 "replica_state: a tagged field of another version"));
    ri_arena_fini(&arena);
    ri_buffer_fini(&out);
}
END_TEST

/* A request of topics, whose names are empty, each with so many tagged fields that nobody knows. */
static ri_str tagged(char *bytes, int topics, size_t each)
{
    char *at = bytes;
    *at++ = (char)(topics + 1);
    for (int i = 0; i < topics; i++) {
        *at++ = 1;
        *at++ = (char)((each & 0x7f) | 0x80);
        *at++ = (char)(each >> 7);
        for (size_t k = 0; k < each; k++, at += 2) memcpy(at, "\x7f\0", 2);
    }
    memcpy(at, "\0\0\0\0", 4);
    return (ri_str){bytes, (size_t)(at - bytes) + 4};
}

/* They are some, each is of the slice at hand, and too many in a row are refused: in a request, and
 * in the header of one. */
START_TEST(test_many_tags)
{
    enum { TOPICS = 8, SLICE = 3 * RI_LIMIT_KAFKA_TAGS };
    static char bytes[TOPICS * (2 * RI_LIMIT_KAFKA_TAGS + 8) + 16];
    const ri_kafka_api *api = ri_kafka_api_of(RI_KAFKA_METADATA);
    ri_kafka_metadata_request request;
    ri_kafka_reading reading;
    ri_arena arena;
    int rc, pieces = 1;
    ri_arena_init(&arena, &host);
    ri_str in = tagged(bytes, TOPICS, RI_LIMIT_KAFKA_TAGS);
    ri_kafka_frame_begin(&reading, api, api->request(), 9, in, &arena, &request);
    while ((rc = ri_kafka_frame_read_some(&reading, SLICE)) == 1) pieces++;
    ck_assert_ok(rc);
    ck_assert_uint_eq(request.topics.len, TOPICS);
    ck_assert_int_ge(pieces, TOPICS / 3);
    in = tagged(bytes, 1, RI_LIMIT_KAFKA_TAGS + 1);
    ck_assert_rc(ri_kafka_frame_read(api, api->request(), 9, &in, &arena, &request), RILL_EPROTO);
    ck_assert_ptr_nonnull(strstr(ri_err_text(), "too many tagged fields"));
    ri_arena_fini(&arena);
    static const char head[] = "\0\x03\0\x09\0\0\0\x01\xff\xff\x81\x80\x01";
    in = (ri_str){head, sizeof head - 1};
    ck_assert_rc(ri_kafka_frame_head(&in, &(ri_kafka_head){0}), RILL_EPROTO);
}
END_TEST

static int read_metadata(ri_str in, int16_t version, ri_kafka_metadata_request *out,
                         ri_arena *arena)
{
    const ri_kafka_api *api = ri_kafka_api_of(RI_KAFKA_METADATA);
    return ri_kafka_frame_read(api, api->request(), version, &in, arena, out);
}

START_TEST(test_nulls)
{
    ri_kafka_metadata_request request;
    ri_arena arena;
    ri_arena_init(&arena, &host);
    ck_assert_ok(read_metadata(RI_STR("\xff\xff\xff\xff"), 1, &request, &arena));
    ck_assert_ptr_null(request.topics.items);
    ck_assert(request.allow_auto_topic_creation);
    ck_assert_ok(read_metadata(RI_STR("\0\0\0\0"), 1, &request, &arena));
    ck_assert_ptr_nonnull(request.topics.items);
    ck_assert_uint_eq(request.topics.len, 0);
    ck_assert_rc(read_metadata(RI_STR("\xff\xff\xff\xff"), 0, &request, &arena), RILL_EPROTO);
    ck_assert_str_eq(ri_err_text(), "Metadata v0: topics: null where there is none at byte 4");
    ck_assert_rc(read_metadata(RI_STR("\xff\xff\xff\xfe"), 1, &request, &arena), RILL_EPROTO);
    ck_assert_rc(read_metadata(RI_STR("\0\0\0\x01\xff\xff"), 1, &request, &arena), RILL_EPROTO);
    ri_arena_fini(&arena);
}
END_TEST

START_TEST(test_unknown_heads)
{
    ri_kafka_head head;
    ri_str frame = RI_STR("\x03\xe8\0\x02\0\0\0\x05\0\x02me????");
    ck_assert_rc(ri_kafka_frame_head(&frame, &head), RILL_ENOTSUP);
    ck_assert_str_eq(ri_err_text(), "no API has the key 1000");
    ck_assert_int_eq(head.correlation_id, 5);
    ck_assert_span(head.client_id, "me");
    frame = RI_STR("\0\x12\0\x63\0\0\0\x05\xff\xff????");
    ck_assert_rc(ri_kafka_frame_head(&frame, &head), RILL_ENOTSUP);
    ck_assert_str_eq(ri_err_text(), "ApiVersions v99 is none of v0 to v5");
    ck_assert_ptr_eq(head.api, ri_kafka_api_of(RI_KAFKA_API_VERSIONS));
    ck_assert_ptr_null(head.client_id.ptr);
    frame = RI_STR("\0\x12\0\0\0\0\0\x05\xff\xfe");
    ck_assert_rc(ri_kafka_frame_head(&frame, &head), RILL_EPROTO);
    ck_assert_str_eq(ri_err_text(), "request header v0: client id: a negative length at byte 10");
}
END_TEST

/* Records are left where they lie, and the size counts them. */
START_TEST(test_splices)
{
    const ri_kafka_api *api = ri_kafka_api_of(RI_KAFKA_FETCH);
    ri_buffer out, whole, splices;
    ri_kafka_fetch_answer answer;
    ri_kafka_fetch_answer_topic topic;
    ri_kafka_fetch_answer_partition partitions[2];
    ri_buffer_init(&out, &host);
    ri_buffer_init(&whole, &host);
    ri_buffer_init(&splices, &host);
    ri_kafka_blank(api->answer(), &answer);
    ri_kafka_blank(ri_kafka_fetch_answer_topic_type(), &topic);
    for (int i = 0; i < 2; i++) {
        ri_kafka_blank(ri_kafka_fetch_answer_partition_type(), &partitions[i]);
        partitions[i].partition_index = i;
        partitions[i].records = i ? RI_STR("the second records") : RI_STR("the first");
    }
    topic.partitions.items = partitions;
    topic.partitions.len = 2;
    answer.topics.items = &topic;
    answer.topics.len = 1;
    ri_buffer_puts(&out, "before"); /* another answer, say */
    ck_assert_ok(ri_kafka_frame_answer(&(ri_kafka_writer){&out, &splices}, api, 16, 7, &answer));
    ck_assert_ok(ri_kafka_frame_answer(&(ri_kafka_writer){&whole, NULL}, api, 16, 7, &answer));
    ck_assert_uint_eq(splices.len, 2 * sizeof(ri_kafka_splice));
    const ri_kafka_splice *s = (const ri_kafka_splice *)(void *)splices.ptr;
    ri_buffer put;
    ri_buffer_init(&put, &host);
    ri_buffer_put(&put, out.ptr + 6, s[0].at - 6);
    ri_buffer_put_str(&put, s[0].bytes);
    ri_buffer_put(&put, out.ptr + s[0].at, s[1].at - s[0].at);
    ri_buffer_put_str(&put, s[1].bytes);
    ri_buffer_put(&put, out.ptr + s[1].at, out.len - s[1].at);
    ck_assert(ri_str_eq(ri_buffer_str(&put), ri_buffer_str(&whole)));
    ri_buffer_fini(&put);
    ri_buffer_fini(&out);
    ri_buffer_fini(&whole);
    ri_buffer_fini(&splices);
}
END_TEST

START_TEST(test_too_long)
{
    const ri_kafka_api *api = ri_kafka_api_of(RI_KAFKA_DELETE_GROUPS);
    static char name[INT16_MAX + 1];
    ri_kafka_delete_groups_answer_result result = {.group_id = {name, sizeof name}};
    ri_kafka_delete_groups_answer answer = {.results = {&result, 1}};
    ri_buffer out;
    ri_buffer_init(&out, &host);
    ri_buffer_puts(&out, "before");
    const ri_kafka_writer w = {.out = &out};
    ck_assert_rc(ri_kafka_frame_answer(&w, api, 2, 7, &answer), RILL_ETOOBIG);
    ck_assert_str_eq(ri_err_text(), "DeleteGroups v2: group_id of 32768");
    ck_assert_span(ri_buffer_str(&out), "before");
    result.group_id.len--;
    ck_assert_ok(ri_kafka_frame_answer(&w, api, 2, 7, &answer));
    ri_buffer_fini(&out);
}
END_TEST

/* ---- The table itself ---- */

static void check_type(const ri_kafka_api *api, const ri_kafka_type *type)
{
    int tag = 0;
    for (uint16_t i = 0; i < type->nrows; i++) {
        const ri_kafka_row *row = &type->rows[i];
        ck_assert_msg(row->from <= api->last && (!row->end || row->end > api->first),
                      "%s.%s stands in no version", type->name, row->name);
        ck_assert_msg(row->end == 0 || row->end > row->from, "%s.%s", type->name, row->name);
        ck_assert_msg(row->tag == 0 || row->tag > tag, "%s.%s: tags rise", type->name, row->name);
        ck_assert_msg(row->tag == 0 || row->from >= api->flexible, "%s.%s: its tag has no section",
                      type->name, row->name);
        if (row->tag) tag = row->tag;
        if (row->type) check_type(api, row->type());
    }
}

START_TEST(test_table)
{
    const ri_kafka_api *api;
    int16_t before = -1;
    for (size_t i = 0; (api = ri_kafka_api_at(i)) != NULL; i++) {
        ck_assert_int_gt(api->key, before);
        before = api->key;
        ck_assert_ptr_eq(ri_kafka_api_of(api->key), api);
        ck_assert_int_le(api->first, api->last);
        check_type(api, api->request());
        check_type(api, api->answer());
    }
    ck_assert_ptr_null(ri_kafka_api_of(-1));
    ck_assert_ptr_null(ri_kafka_api_of(4)); /* which no client sends */
    ck_assert_ptr_null(ri_kafka_api_of(1000));
}
END_TEST

int main(void)
{
    ri_host_init(&host, NULL);
    const suite_row more[] = {SUITE_ONCE(test_more_frames)};
    const suite_row rows[] = {
        {.times = RI_LEN(slices), SUITE_LIST(test_golden, test_truncated, test_mangled,
                                             test_without_memory)},
        SUITE_ONCE(test_truncated_heads, test_lying_count, test_too_many_items,
                   test_heads_of_answers, test_tags, test_many_tags, test_nulls,
                   test_unknown_heads, test_splices, test_too_long, test_table)};
    if (getenv("KAFKA_FRAMES")) return suite_run("kafka_frame", more, 1, CK_NOFORK);
    return suite_run("kafka_frame", rows, RI_LEN(rows), CK_FORK_GETENV);
}
