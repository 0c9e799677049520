/* SPDX-License-Identifier: Apache-2.0 */
/* The words of rill.h in the place of JetStream's, and nothing else changed. What calls of programs
 * come to say is in tests/api/test_words.c. */
#include <string.h>

#include "base/error.h"
#include "codec/jetstream/jserror.h"
#include "front/handle/bus.h"
#include "support/suite.h"

START_TEST(test_sentences)
{
    static const struct { const char *was, *is; } cases[] = {
        {"maximum bytes exceeded", "the stream has max_bytes, and rejects what is more"},
        {"stream S does not store a message on a: maximum messages per subject exceeded",
         "stream S does not store a message on a: the subject has max_msgs_per_subject, and the "
         "stream rejects what is more"},
        {"wrong last sequence: 7",
         "the last number, or the key's revision, is not the one that was expected, but 7"},
        {"wrong last sequence", "a message of the batch expects what one before it has changed"},
        {"sequence 12 not found", "the stream has no message number 12"},
        {"the state of the consumer c cannot be read: x",
         "the state of the group c cannot be read: x"},
        {"change to limits violates consumers: a, b",
         "the new limits do not suit these groups: a, b"},
        {"insufficient resources: no room for another consumer: half of memory_bytes is taken",
         "there is no room for another group: half of memory_bytes is taken"},
        {"insufficient resources: no room for another subject: half",
         "there is no room for another subject: half"},
        {"insufficient resources", "there is no room for it in the broker's memory or store"},
        /* What is none of them stays: */
        {"", ""}, {": ", ": "}, {"a: : b", "a: : b"},
        {"write: the disk is full: x", "write: the disk is full: x"},
        {"stream not found, maybe", "stream not found, maybe"},
        {"1.seg: sequence 7, at 64: it is cut", "1.seg: sequence 7, at 64: it is cut"},
    };
    for (size_t i = 0; i < RI_LEN(cases); i++) {
        ri_err(RILL_EFULL, "%s", cases[i].was);
        ck_assert_int_eq(ri_bus_words_say(RILL_EFULL), RILL_EFULL);
        ck_assert_str_eq(ri_err_text(), cases[i].is);
    }
}
END_TEST

/* A sentence as long as can be kept is cut, not run over. */
START_TEST(test_long)
{
    char longest[RI_ERROR_TEXT_MAX + 10];
    memset(longest, 'x', sizeof longest);
    memcpy(longest, "subjects: maximum bytes exceeded", 32);
    longest[sizeof longest - 1] = 0;
    ri_err(RILL_EFULL, "%s", longest);
    ri_bus_words_say(RILL_EFULL);
    ck_assert_str_eq(ri_err_text(), "subjects: the stream has max_bytes, and rejects what is more");
    ri_err(RILL_EINVAL, "change to limits violates consumers: %s", longest);
    ri_bus_words_say(RILL_EINVAL);
    ck_assert_uint_eq(strlen(ri_err_text()), RI_ERROR_TEXT_MAX - 1);
    ck_assert_int_eq(strncmp(ri_err_text(), "the new limits do not suit these groups: su", 43), 0);
}
END_TEST

START_TEST(test_codes)
{
    ri_js_error e = {0};
    ck_assert_int_eq(ri_bus_js_error(&e, 1), 1); /* no error at all */
    ck_assert_int_eq(ri_bus_js_error(&e, RILL_EIO), RILL_EIO);
    ri_jserror_set(&e, RI_JS_STREAM_SUBJECT_OVERLAP, NULL);
    ck_assert_int_eq(ri_bus_js_error(&e, RILL_EINVAL), RILL_EEXIST);
    ck_assert_str_eq(ri_err_text(), "another stream takes one of the subjects");
    ri_jserror_set(&e, RI_JS_STREAM_WRONG_LAST_SEQUENCE, "3");
    ck_assert_int_eq(ri_bus_js_error(&e, 0), RILL_ECONFLICT); /* its own class */
    e = (ri_js_error){.code = 400, .err_code = 99999, .text = "of a later server"};
    ck_assert_int_eq(ri_bus_js_error(&e, 0), RILL_EINVAL);
    ck_assert_str_eq(ri_err_text(), "of a later server");
}
END_TEST

SUITE_MAIN("bus_words", test_sentences, test_long, test_codes)
