/* SPDX-License-Identifier: Apache-2.0 */
/* Operator mode, as a program configures it: JWTs in memory, and handles that log in by a file of
 * credentials. The JWTs are those of NATS' own library (golden/jwt.h). */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "golden/jwt.h"
#include "listening.h"
#include "support/mint.h"
#include "support/scratch.h"

enum { WAIT_MS = 20000, RELOADS = 20 };

static const char *const operators[] = {MINT_SIGNER};
static const char *const accounts[] = {golden_account};
static char dir[SCRATCH_LEN], creds[SCRATCH_LEN + 16];

static rill_broker_opts with(size_t naccounts)
{
    return (rill_broker_opts){.size = sizeof(rill_broker_opts), .operators = operators,
                              .noperators = 1, .account_jwts = accounts,
                              .naccount_jwts = naccounts};
}

static void write_creds(const char *jwt, const char *seed)
{
    scratch_make(dir);
    snprintf(creds, sizeof creds, "%s/ann.creds", dir);
    FILE *file = fopen(creds, "w");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n"
            "-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n", jwt, seed);
    ck_assert_int_eq(fclose(file), 0);
}

static int come(rill_bus **bus, const char *by)
{
    char url[64];
    snprintf(url, sizeof url, "nats://127.0.0.1:%d", port);
    return rill_open(bus, url, RILL_OPTS(rill_opts, .creds_file = by, .redial_min_ms = 1,
                                         .redial_max_ms = 5));
}

START_TEST(who_is_signed_comes_in)
{
    const rill_broker_opts opts = with(1);
    rill_bus *bus, *none;
    rill_sub *sub;
    const rill_msg *m;
    start(&opts);
    write_creds(golden_user, MINT_USER_SEED);
    OK(come(&bus, creds));
    OK(rill_subscribe(bus, &sub, "a.x", NULL));
    OK(rill_publish(bus, "a.x", "hi", 2, NULL));
    OK(rill_next(sub, &m, WAIT_MS));
    ck_assert_int_eq(rill_request(bus, "b", "", 0, NULL, &(rill_msg *){NULL}, WAIT_MS),
                     RILL_EAUTH); /* "ann" may publish to a.> alone */
    ck_assert_int_eq(come(&none, NULL), RILL_EAUTH);
    scratch_remove(dir);
    write_creds(golden_user, MINT_OTHER_SEED);
    ck_assert_int_eq(come(&none, creds), RILL_EAUTH);
    scratch_remove(dir);
    rill_sub_close(sub);
    OK(rill_close(bus, WAIT_MS));
    OK(rill_broker_close(broker, WAIT_MS));
}
END_TEST

static int refused(const rill_broker_opts *opts, const char *why)
{
    rill_broker *none;
    int rc = rill_broker_open(&none, opts);
    ck_assert_msg(rc < 0 && strstr(rill_errmsg(), why), "%d: %s", rc, rill_errmsg());
    return rc;
}

START_TEST(what_cannot_be_is_named)
{
    static const char *const texts[] = {golden_user, NULL};
    rill_broker_opts opts = with(1);
    opts.user = opts.password = "p";
    ck_assert_int_eq(refused(&opts, "do not allow users"), RILL_EINVAL);
    opts = with(1);
    opts.noperators = 0;
    ck_assert_int_eq(refused(&opts, "need an operator"), RILL_EINVAL);
    opts = with(1);
    opts.account_jwts = texts;
    ck_assert_int_eq(refused(&opts, "of type \"user\""), RILL_EINVAL);
    opts.account_jwts = texts + 1;
    ck_assert_int_eq(refused(&opts, "account_jwts: the one at 0 is NULL"), RILL_EINVAL);
    opts.account_jwts = NULL;
    ck_assert_int_eq(refused(&opts, "account_jwts is NULL"), RILL_EINVAL);
    opts = with(1);
    opts.noperators = 65;
    ck_assert_int_eq(refused(&opts, "65 operators; at most 64"), RILL_ETOOBIG);
    opts = with(1);
    opts.system_account = MINT_SYSTEM;
    ck_assert_int_eq(refused(&opts, "no JWT of " MINT_SYSTEM), RILL_EINVAL);
    opts = with(1);
    opts.operators = texts;
    ck_assert_int_eq(refused(&opts, "operator: "), RILL_EINVAL);
}
END_TEST

static atomic_bool over;

/* Whoever is refused twice has ended, and comes anew. */
static void *publish_on(void *arg)
{
    rill_bus *bus = NULL;
    (void)arg;
    while (!atomic_load(&over)) {
        if (!bus && come(&bus, creds) < 0) continue;
        int rc = rill_publish(bus, "a.x", "hi", 2, NULL);
        ck_assert_msg(rc == RILL_OK || rc == RILL_EAGAIN || rc == RILL_ECLOSED, "%d: %s", rc,
                      rill_errmsg());
        if (rc == RILL_ECLOSED) {
            rill_close(bus, WAIT_MS);
            bus = NULL;
        }
        usleep(50);
    }
    if (bus) rill_close(bus, WAIT_MS);
    return NULL;
}

/* A user of golden_account until the year 2100, by tests/support/mint.py. */
static const char lasting_user[] =
    "eyJ0eXAiOiAiSldUIiwgImFsZyI6ICJlZDI1NTE5LW5rZXkifQ.eyJpYXQiOiAxMDAwLCAianRpIjogIngiL"
    "CAiaXNzIjogIkFEV1VTS0dHRkRJNEZSWEs1RUJUUkVDWlNWUVNTV0pISEpPR0g2SldHM0FVTUZGTVE0MzVEN"
    "khEIiwgInN1YiI6ICJVQ0ZJT1g3N0QyWllJVUtYUExHVlY3WEVBVkNXSzJHNVBTRTZCRUVHSElDVlBQRDI2U"
    "1BSTzVCMyIsICJleHAiOiA0MTAyNDQ0ODAwLCAibmF0cyI6IHsidHlwZSI6ICJ1c2VyIiwgInZlcnNpb24iO"
    "iAyLCAic3VicyI6IC0xLCAiZGF0YSI6IC0xLCAicGF5bG9hZCI6IC0xfX0.Fr3MygwRiA-_Td-QO7nrA0mL8"
    "m2bBWYR47JjyXCtY_M4z1xnxjeLK-ShlOGh_4i_ernJ9kiYZjtK3YUFpzc5CQ";

static void reload_under_load(const char *jwt, const rill_broker_opts *now_and_then)
{
    const rill_broker_opts there = with(1);
    rill_bus *bus;
    pthread_t thread;
    start(&there);
    write_creds(jwt, MINT_USER_SEED);
    atomic_store(&over, false);
    ck_assert_int_eq(pthread_create(&thread, NULL, publish_on, NULL), 0);
    for (int i = 0; i < RELOADS; i++) {
        OK(rill_broker_reload(broker, i % 4 == 1 ? now_and_then : &there));
        usleep(2000);
    }
    OK(rill_broker_reload(broker, &there));
    atomic_store(&over, true);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    OK(come(&bus, creds));
    OK(rill_flush(bus, WAIT_MS));
    OK(rill_close(bus, WAIT_MS));
    scratch_remove(dir);
    OK(rill_broker_close(broker, WAIT_MS));
}

/* His account goes and comes while he publishes. */
START_TEST(an_account_comes_and_goes_under_load)
{
    const rill_broker_opts gone = with(0);
    reload_under_load(golden_user, &gone);
}
END_TEST

/* There are no operators any more, and then some again; his time would be over one day. */
START_TEST(operators_come_and_go_under_load)
{
    const rill_broker_opts none = {.size = sizeof none};
    reload_under_load(lasting_user, &none);
}
END_TEST

SUITE_MAIN("operators", who_is_signed_comes_in, what_cannot_be_is_named,
           an_account_comes_and_goes_under_load, operators_come_and_go_under_load)
