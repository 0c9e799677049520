/* SPDX-License-Identifier: Apache-2.0 */
/* Tests that see what a user sees: only rill.h. OK(call) stops the test with rill's sentence. */
#ifndef RI_TEST_API_H
#define RI_TEST_API_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rill.h"
#include "support/main.h"

#define FAILS(call, want)                                                               \
    do {                                                                                \
        int rc_ = (call);                                                               \
        ck_assert_msg(rc_ == (want), "%s is %s, not %s: %s", #call, rill_errname(rc_),  \
                      rill_errname(want), rc_ < 0 ? rill_errmsg() : "");                \
    } while (0)
#define OK(call)                                                                        \
    do {                                                                                \
        int rc_ = (call);                                                               \
        ck_assert_msg(rc_ >= 0, "%s: %s: %s", #call, rill_errname(rc_), rill_errmsg()); \
    } while (0)
#define TEXT_IS(span, text)                                                             \
    ck_assert_msg((span).len == strlen(text) && memcmp((span).ptr, (text), (span).len) == 0, \
                  "%s is \"%.*s\", not \"%s\"", #span, RILL_ARG(span), (text))
/* Wait for a condition that another thread makes true, at most 50 s. */
#define EVENTUALLY(condition)                                                           \
    do {                                                                                \
        int64_t until_ = api_now_ms() + 50000;                                          \
        while (!(condition) && api_now_ms() < until_)                                   \
            nanosleep(&(struct timespec){0, 200000}, NULL);                             \
        ck_assert_msg(condition, "%s did not come true in 50 s", #condition);           \
    } while (0)

static inline int64_t api_now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* tests/contract runs programs of these over servers: with RILL_TEST_URL, what a test opens in this
 * process is there instead. Each test begins without streams. */
static inline const char *api_far_url(void)
{
    return getenv("RILL_TEST_URL");
}

/* What a look tells. In this process the first look is right. A server elsewhere acknowledges a
 * message before all its books have it: there the look is taken again, at most 50 s. */
#define TELLS(look, condition)                                                          \
    do {                                                                                \
        int64_t until_ = api_now_ms() + 50000;                                          \
        OK(look);                                                                       \
        while (api_far_url() && !(condition) && api_now_ms() < until_) {                \
            nanosleep(&(struct timespec){0, 200000}, NULL);                             \
            OK(look);                                                                   \
        }                                                                               \
        ck_assert_msg(condition, "%s tells otherwise than %s", #look, #condition);      \
    } while (0)

/* RILL_TEST_MOCK: a program that is a cluster for this test alone, prints its URL and ends with us.
 * It has the topics T and W; none can be made or deleted. */
static inline const char *api_far_mock(void)
{
    return api_far_url() ? getenv("RILL_TEST_MOCK") : NULL;
}

static inline int api_far_serve(rill_bus **bus, const rill_opts *opts)
{
    static FILE *mock;
    static char url[256];
    rill_opts own = {.size = sizeof own};
    if (!mock) mock = popen(api_far_mock(), "r");
    ck_assert_msg(mock && (*url || fscanf(mock, "%255s", url) == 1), "%s has no URL",
                  api_far_mock());
    if (opts && opts->size != sizeof own) return rill_open(bus, url, opts);
    if (opts) own = *opts;
    /* It answers a fetch when its time is up and no sooner, and gives what a member had to the next
     * one when a session could have ended. */
    if (!own.kafka_config) own.kafka_config = "fetch.wait.max.ms=10\nsession.timeout.ms=4000";
    return rill_open(bus, url, &own);
}

static inline int api_far_delete(const char *stream, void *bus)
{
    OK(rill_stream_delete(bus, stream));
    return 0;
}

static inline void api_far_empty(const char *url)
{
    static bool emptied;
    rill_bus *bus;
    if (emptied) return;
    emptied = true; /* the process of this test */
    OK(rill_open(&bus, url, NULL));
    OK(rill_stream_each(bus, api_far_delete, bus));
    OK(rill_close(bus, 20000));
}

/* Where a test does not say how long it waits for a server, it is longer than a busy machine
 * takes. */
static inline int api_patient_open(rill_bus **bus, const char *url, const rill_opts *opts)
{
    rill_opts own = {.size = sizeof own};
    if (!url || strstr(url, "//") == NULL || (opts && opts->size != sizeof own))
        return rill_open(bus, url, opts);
    if (opts) own = *opts;
    if (getenv("RILL_TEST_COMPRESS")) own.ws_compress = true;
    if (!own.connect_timeout_ms) own.connect_timeout_ms = 20000;
    if (!own.call_timeout_ms) own.call_timeout_ms = 20000;
    return rill_open(bus, url, &own);
}

static inline int api_rill_open(rill_bus **bus, const char *url, const rill_opts *opts)
{
    const char *far = api_far_url();
    bool here = url && (strncmp(url, "mem:", 4) == 0 || strncmp(url, "file:", 5) == 0);
    if (!far || !here) return api_patient_open(bus, url, opts);
    if (api_far_mock()) return api_far_serve(bus, opts);
    api_far_empty(far);
    return api_patient_open(bus, far, opts);
}
#define rill_open api_rill_open

/* A server has a message when its receivers do not yet; a flush waits until those of this bus have
 * what was published on it. */
static inline int api_rill_publish(rill_bus *bus, const char *subject, const void *data, size_t len,
                                   const rill_post *post)
{
    int rc = rill_publish(bus, subject, data, len, post);
    if (rc >= 0 && api_far_url()) rill_flush(bus, 20000);
    return rc;
}
#define rill_publish api_rill_publish

/* RILL_TEST_REPLICAS: streams and buckets that do not say it are on so many servers. */
static inline unsigned api_far_replicas(void)
{
    const char *text = api_far_url() ? getenv("RILL_TEST_REPLICAS") : NULL;
    return text ? (unsigned)atoi(text) : 0;
}

static inline int api_rill_stream_ensure(rill_bus *bus, const char *stream,
                                         const rill_stream_opts *opts)
{
    rill_stream_opts own = {.size = sizeof own};
    if (opts && opts->size == sizeof own) own = *opts;
    if (api_far_mock() && stream && strlen(stream) == 1 && strchr("TW", *stream))
        return rill_stream_status(bus, stream, &(rill_stream_info){.size =
                                  sizeof(rill_stream_info)});
    bool plain = api_far_replicas() && !own.replicas && (!opts || opts->size == sizeof own);
    own.replicas = (uint8_t)api_far_replicas();
    int rc = plain ? rill_stream_ensure(bus, stream, &own) : RILL_ENOTSUP;
    return rc == RILL_ENOTSUP ? rill_stream_ensure(bus, stream, opts) : rc; /* it is not far */
}
#define rill_stream_ensure api_rill_stream_ensure

static inline int api_rill_kv_open(rill_bus *bus, rill_kv **kv, const char *bucket,
                                   const rill_bucket_opts *opts)
{
    rill_bucket_opts own = {.size = sizeof own};
    if (opts && opts->size == sizeof own) own = *opts;
    bool plain = api_far_replicas() && !own.replicas && (!opts || opts->size == sizeof own);
    own.replicas = api_far_replicas();
    int rc = plain ? rill_kv_open(bus, kv, bucket, &own) : RILL_ENOTSUP;
    return rc == RILL_ENOTSUP ? rill_kv_open(bus, kv, bucket, opts) : rc;
}
#define rill_kv_open api_rill_kv_open

static inline rill_bus *api_open(const char *url)
{
    rill_bus *bus = NULL;
    OK(rill_open(&bus, url, NULL));
    return bus;
}

static inline void api_send(rill_bus *bus, const char *subject, const char *text)
{
    OK(rill_publish(bus, subject, text, strlen(text), NULL));
}

#endif
