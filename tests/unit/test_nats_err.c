/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "codec/nats/nats_err.h"
#include "support/guard.h"
#include "support/suite.h"

static const struct {
    const char *text;
    int code;
    ri_nats_err_verdict verdict;
    const char *subject;
    bool subscription;
} cases[] = {
    {"Permissions Violation for Publish to \"a.b\"", RILL_EAUTH, RI_NATS_ERR_STAYS, "a.b", false},
    {"Permissions Violation for Subscription to \"a.>\" using queue \"q\"", RILL_EAUTH,
     RI_NATS_ERR_STAYS, "a.>", true},
    {"permissions violation for subscription to \"x\"", RILL_EAUTH, RI_NATS_ERR_STAYS, "x", true},
    {"Permissions Violation for Publish to \"a", RILL_EAUTH, RI_NATS_ERR_STAYS, "", false},
    {"Permissions Violation for Publish to \"", RILL_EAUTH, RI_NATS_ERR_STAYS, "", false},
    {"Authorization Violation", RILL_EAUTH, RI_NATS_ERR_LOGIN, "", false},
    {"authorization violation - User", RILL_EAUTH, RI_NATS_ERR_LOGIN, "", false},
    {"User Authentication Expired", RILL_EAUTH, RI_NATS_ERR_LOGIN, "", false},
    {"Authentication Timeout", RILL_EAUTH, RI_NATS_ERR_ENDS, "", false},
    {"maximum connections exceeded", RILL_ECONN, RI_NATS_ERR_ENDS, "", false},
    {"maximum subscriptions exceeded", RILL_EFULL, RI_NATS_ERR_STAYS, "", false},
    {"Maximum Payload Violation", RILL_ETOOBIG, RI_NATS_ERR_ENDS, "", false},
    {"Stale Connection", RILL_ECONN, RI_NATS_ERR_ENDS, "", false},
    {"Stale Connectio", RILL_EPROTO, RI_NATS_ERR_STAYS, "", false},
    {"attempted to connect to route port", RILL_EPROTO, RI_NATS_ERR_ENDS, "", false},
    {"something new", RILL_EPROTO, RI_NATS_ERR_STAYS, "", false},
    {"", RILL_EPROTO, RI_NATS_ERR_STAYS, "", false},
};

START_TEST(verdicts)
{
    for (size_t i = 0; i < RI_LEN(cases); i++) {
        ri_nats_err err;
        size_t len = strlen(cases[i].text);
        ri_nats_err_read((ri_str){guard_copy(cases[i].text, len), len}, &err);
        ck_assert_int_eq(err.code, cases[i].code);
        ck_assert_int_eq(err.verdict, cases[i].verdict);
        ck_assert_span(err.subject, cases[i].subject);
        ck_assert_int_eq(err.subscription, cases[i].subscription);
    }
    guard_free();
}
END_TEST

static const struct { const char *text, *subject, *queue, *sid; } refused[] = {
    {"\"a.>\" using queue \"q\"", "a.>", "q", ""},
    {"\"a\" (sid \"12\")", "a", "", "12"},
    {"\"a\"", "a", "", ""},
    {"\"a\", too many tokens", "a", "", ""},
    {"\"a\" using queue \"q", "a", "", ""},
    {"\"a\" using queue", "a", "", ""},
    {"\"a\" (sid \"", "a", "", ""},
    {"\"a", "", "", ""},
};

/* Which subscription is meant, however the text is cut. */
START_TEST(subscriptions)
{
    for (size_t i = 0; i < RI_LEN(refused); i++) {
        ri_nats_err err;
        char text[120];
        size_t len = (size_t)snprintf(text, sizeof text, "Permissions Violation for Subscription "
                                      "to %s", refused[i].text);
        ri_nats_err_read((ri_str){guard_copy(text, len), len}, &err);
        ck_assert(err.subscription);
        ck_assert_span(err.subject, refused[i].subject);
        ck_assert_span(err.queue, refused[i].queue);
        ck_assert_span(err.sid, refused[i].sid);
        for (size_t cut = 0; cut < len; cut++)
            ri_nats_err_read((ri_str){guard_copy(text, cut), cut}, &err);
    }
    guard_free();
}
END_TEST

SUITE_MAIN("nats_err", verdicts, subscriptions)
