/* SPDX-License-Identifier: Apache-2.0 */
/* The hot texts of JetStream: publish acks, ack subjects, pull requests. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "codec/jetstream/jshot.h"
#include "support/guard.h"
#include "support/rng.h"
#include "support/suite.h"

static ri_str guarded(const char *text)
{
    size_t len = strlen(text);
    return (ri_str){guard_copy(text, len), len};
}

START_TEST(test_puback)
{
    static const struct {
        ri_js_puback ack;
        const char *text;
    } cases[] = {
        {{.stream = RI_STR("S"), .seq = 1}, "{\"stream\":\"S\",\"seq\":1}"},
        {{.stream = RI_STR("S"), .seq = UINT64_MAX, .domain = RI_STR("D"), .duplicate = true},
         "{\"stream\":\"S\",\"domain\":\"D\",\"seq\":18446744073709551615,\"duplicate\": true}"},
        {{.stream = RI_STR("S"), .seq = 7, .val = RI_STR("-12")},
         "{\"stream\":\"S\",\"seq\":7,\"val\":\"-12\"}"},
        {{.stream = RI_STR("S"), .seq = 9, .batch = RI_STR("b"), .count = 3},
         "{\"stream\":\"S\",\"seq\":9,\"batch\":\"b\",\"count\":3}"},
    };
    ri_host host;
    ri_host_init(&host, NULL);
    for (size_t i = 0; i < RI_LEN(cases); i++) {
        ri_buffer out;
        ri_buffer_init(&out, &host);
        ri_jshot_puback(&cases[i].ack, &out);
        ck_assert_span(ri_buffer_str(&out), cases[i].text);
        ri_js_puback back;
        ri_js_error e;
        ck_assert_ok(ri_jshot_puback_read(guarded(cases[i].text), &back, &e));
        ck_assert_int_eq(e.code, 0);
        ck_assert(ri_str_eq(back.stream, cases[i].ack.stream) && back.seq == cases[i].ack.seq);
        ck_assert(ri_str_eq(back.val, cases[i].ack.val) && back.count == cases[i].ack.count);
        ck_assert(back.duplicate == cases[i].ack.duplicate &&
                  ri_str_eq(back.domain, cases[i].ack.domain));
        for (size_t n = 0; n < strlen(cases[i].text); n++) {
            ri_str cut = {guard_copy(cases[i].text, n), n};
            ck_assert_rc(ri_jshot_puback_read(cut, &back, &e), RILL_EPROTO);
        }
        ri_buffer_fini(&out);
    }
    guard_free();
}
END_TEST

/* The two halves make what the whole makes. */
START_TEST(test_puback_head)
{
    static const uint64_t seqs[] = {0, 1, 9, 10, 12345, UINT64_MAX};
    static const ri_str domains[] = {{NULL, 0}, {"D\"", 2}};
    ri_host host;
    ri_host_init(&host, NULL);
    for (size_t d = 0; d < RI_LEN(domains); d++) {
        ri_buffer head, whole;
        ri_buffer_init(&head, &host);
        ri_buffer_init(&whole, &host);
        ri_jshot_puback_head(RI_STR("a \"name\""), domains[d], &head);
        for (size_t i = 0; i < RI_LEN(seqs); i++) {
            ri_js_puback ack = {.stream = RI_STR("a \"name\""), .domain = domains[d],
                                .seq = seqs[i]};
            ri_buffer_reset(&whole);
            ri_jshot_puback(&ack, &whole);
            char room[80] = "";
            ck_assert_uint_le(head.len + RI_JS_PUBACK_MAX, sizeof room);
            char *out = guard_copy(room, head.len + RI_JS_PUBACK_MAX);
            size_t len = ri_jshot_puback_put(ri_buffer_str(&head), seqs[i], out);
            ck_assert(ri_str_eq((ri_str){out, len}, ri_buffer_str(&whole)));
        }
        ri_buffer_fini(&head);
        ri_buffer_fini(&whole);
    }
    guard_free();
}
END_TEST

START_TEST(test_puback_error)
{
    ri_host host;
    ri_host_init(&host, NULL);
    ri_js_error e, back;
    ri_js_puback ack;
    ri_buffer out;
    ri_buffer_init(&out, &host);
    ri_jserror_set(&e, RI_JS_STREAM_WRONG_LAST_SEQUENCE, "%d", 5);
    ri_jshot_puback_error(&e, RI_STR("S"), &out);
    ck_assert_span(ri_buffer_str(&out),
                   "{\"error\":{\"code\":400,\"err_code\":10071,\"description\":\"wrong last "
                   "sequence: 5\"},\"stream\":\"S\",\"seq\":0}");
    ck_assert_ok(ri_jshot_puback_read(ri_buffer_str(&out), &ack, &back));
    ck_assert_int_eq(back.err_code, 10071);
    ck_assert_str_eq(back.text, "wrong last sequence: 5");
    ck_assert_ok(ri_jshot_puback_read(RI_STR("{\"error\":{\"code\":500,\"err_code\":10049,"
                                             "\"description\":\"a \\\"b\\\"\"}}"), &ack, &back));
    ck_assert_str_eq(back.text, "a \"b\"");
    ck_assert_ok(ri_jshot_puback_read(guarded("{\"stream\":\"S\xc3\xbc\",\"seq\":7,"
                                              "\"duplicate\":true}"), &ack, &back));
    ck_assert_int_eq(back.code, 0);
    ck_assert_span(ack.stream, "S\xc3\xbc");
    ck_assert_uint_eq(ack.seq, 7);
    ck_assert(ack.duplicate);
    ck_assert_ok(ri_jshot_puback_read(guarded("{\"stream\":\"a \\\"b\",\"seq\":8}"), &ack,
                                      &back));
    ck_assert_uint_eq(ack.stream.len, 0);
    ck_assert_uint_eq(ack.seq, 8);
    ri_buffer_fini(&out);
    static const char *const wrong[] = {"", "x", "{}", "[]", "{\"seq\":1}", "{\"stream\":\"S\"} x",
                                        "{\"stream\":5}", "{\"stream\":\"S\",\"seq\":-1}",
                                        "{\"stream\":\"\xc3\xbc\"}",
                                        "{\"stream\":\"\xc3\xbc\",\"seq\":-1}",
                                        "{\"stream\":\"\xc3\",\"seq\":1}"};
    for (size_t i = 0; i < RI_LEN(wrong); i++)
        ck_assert_rc(ri_jshot_puback_read(guarded(wrong[i]), &ack, &back), RILL_EPROTO);
    guard_free();
}
END_TEST

START_TEST(test_ack_subject)
{
    ri_js_ack ack = {.stream = RI_STR("ORDERS"), .consumer = RI_STR("w@1"), .deliveries = 2,
                     .stream_seq = UINT64_MAX, .consumer_seq = 7,
                     .time_ns = INT64_MAX, .pending = 0}, back;
    char out[6 + 3 + RI_JS_ACK_MAX];
    ri_str subject = {out, ri_jshot_ack_write(&ack, out)};
    ck_assert_span(subject, "$JS.ACK.ORDERS.w@1.2.18446744073709551615.7.9223372036854775807.0");
    ck_assert(ri_jshot_ack_read(subject, &back));
    ck_assert(ri_str_eq(back.stream, ack.stream) && ri_str_eq(back.consumer, ack.consumer));
    ck_assert(back.deliveries == 2 && back.stream_seq == UINT64_MAX && back.consumer_seq == 7);
    ck_assert(back.time_ns == INT64_MAX && back.pending == 0);
    ck_assert(ri_jshot_ack_read(guarded("$JS.ACK._.hash.S.C.1.2.3.4.5"), &back));
    ck_assert(back.domain.len == 0 && ri_str_is(back.account_hash, "hash") && back.pending == 5);
    ck_assert(ri_jshot_ack_read(guarded("$JS.ACK.d.hash.S.C.1.2.3.4.5.more.and"), &back));
    ck_assert(ri_str_is(back.domain, "d") && ri_str_is(back.consumer, "C"));
    static const char *const wrong[] = {
        "", "$JS.ACK.", "$JS.ACK.S.C.1.2.3.4", "$JS.ACK.S.C.1.2.3.4.5.6", "$JS.ACK.S.C.1.x.3.4.5",
        "$JS.ACK.S..1.2.3.4.5", "$JS.AC.S.C.1.2.3.4.5", "$JS.ACK.S.C.1.2.3.4.99999999999999999999",
        "$JS.ACK.S.C.-1.2.3.4.5"};
    for (size_t i = 0; i < RI_LEN(wrong); i++)
        ck_assert_msg(!ri_jshot_ack_read(guarded(wrong[i]), &back), "%s", wrong[i]);
    guard_free();
}
END_TEST

/* The time, which is read by eight digits, and what stands behind it. */
START_TEST(test_ack_time)
{
    static const char digits[] = "9876543210123456789", others[] = "/: x\xb0\xff";
    const size_t before = strlen("$JS.ACK.S.C.1.2.3.");
    ri_js_ack ack;
    int64_t time_ns = 0;
    for (size_t len = 1; len < sizeof digits; len++) {
        char text[64];
        snprintf(text, sizeof text, "$JS.ACK.S.C.1.2.3.%.*s.5", (int)len, digits);
        bool fits = len < 19; /* that one is above INT64_MAX */
        if (fits) time_ns = time_ns * 10 + (digits[len - 1] - '0');
        ck_assert(ri_jshot_ack_read(guarded(text), &ack) == fits);
        if (fits) ck_assert(ack.time_ns == time_ns && ack.pending == 5);
        for (size_t at = before; at < before + len; at++)
            for (size_t i = 0; i < sizeof others - 1; i++) {
                char good = text[at];
                text[at] = others[i];
                ck_assert(!ri_jshot_ack_read(guarded(text), &ack));
                text[at] = good;
            }
        guard_free();
    }
}
END_TEST

START_TEST(test_pull)
{
    ri_js_pull_request p;
    ck_assert_ok(ri_jshot_pull_read(guarded(""), &p));
    ck_assert_int_eq(p.batch, 1);
    ck_assert_ok(ri_jshot_pull_read(guarded("12"), &p));
    ck_assert_int_eq(p.batch, 12);
    ck_assert_ok(ri_jshot_pull_read(guarded("{}"), &p));
    ck_assert_int_eq(p.batch, 1);
    ck_assert_ok(ri_jshot_pull_read(guarded(" { \"batch\" : 5 , \"expires\":29999999999,\r\n"
                                            "\"no_wait\":true,\"idle_heartbeat\":1,"
                                            "\"max_bytes\":2,\"group\":\"g\",\"id\":\"i\","
                                            "\"min_pending\":3,\"min_ack_pending\":4,"
                                            "\"priority\":9 } "), &p));
    ck_assert(p.batch == 5 && p.expires == 29999999999 && p.no_wait && p.idle_heartbeat == 1);
    ck_assert(p.max_bytes == 2 && ri_str_is(p.group, "g") && ri_str_is(p.id, "i"));
    ck_assert(p.min_pending == 3 && p.min_ack_pending == 4 && p.priority == 9);
    static const char *const hard[] = {
        "x", "-1", "{\"zz\":1}", "{\"batch\":\"1\"}", "{\"batch\":1.5}", "{\"batch\":1e3}",
        "{\"batch\":01}", "{\"group\":\"\\u0041\"}", "{\"batch\":1", "{\"batch\":1,}", "{,}",
        "{\"no_wait\":1}", "{\"batch\":1}x", "{\"Batch\":1}", "{\"batch\":99999999999999999999}"};
    for (size_t i = 0; i < RI_LEN(hard); i++) {
        ck_assert_msg(ri_jshot_pull_read(guarded(hard[i]), &p) == RILL_EAGAIN, "%s", hard[i]);
        ck_assert(!p.batch && !p.group.ptr);
    }
    guard_free();
}
END_TEST

/* What the scanner takes, the full decoder reads alike. */
START_TEST(test_pull_random)
{
    static const char *const pieces[] = {"{", "}", "\"batch\"", ":", ",", "1", "-7", "\"expires\"",
                                         "\"no_wait\"", "true", "\"group\"", "\"g\"", " ", "0",
                                         "\"id\"", "\"\"", "null", "\"priority\""};
    ri_host host;
    ri_host_init(&host, NULL);
    rng random;
    rng_init(&random, rng_seed(7));
    size_t taken = 0;
    for (int run = 0; run < 60000; run++) {
        char text[200] = "{";
        for (uint64_t n = rng_below(&random, 10); n; n--)
            strcat(text, pieces[rng_below(&random, RI_LEN(pieces))]);
        if (rng_below(&random, 2)) strcat(text, "}");
        ri_js_pull_request fast, full;
        if (ri_jshot_pull_read(guarded(text), &fast) != RILL_OK) continue;
        taken++;
        ri_arena arena;
        ri_arena_init(&arena, &host);
        ck_assert_msg(ri_jsapi_decode(&ri_jsapi_pull_request, ri_str_of(text), true, &arena,
                                      &full) == RILL_OK, "%s: %s", text, ri_err_text());
        if (!full.batch) full.batch = 1;
        ck_assert_msg(ri_jsapi_equal(&ri_jsapi_pull_request, &fast, &full), "%s", text);
        ri_arena_fini(&arena);
    }
    ck_assert_uint_gt(taken, 100);
    guard_free();
}
END_TEST

SUITE_MAIN("jshot", test_puback, test_puback_head, test_puback_error, test_ack_subject,
           test_ack_time, test_pull, test_pull_random)
