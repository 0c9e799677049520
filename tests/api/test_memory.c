/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation fails once: the call says so, everything else goes on, nothing is lost. */
#include "api.h"
#include "support/supply.h"

/* A session of every live call; any of them may run out of memory, then the rest is skipped. */
static int session(const rill_host *hooks)
{
    rill_bus *bus = NULL;
    rill_sub *sub = NULL, *echo = NULL;
    const rill_msg *msgs[4];
    rill_msg *kept = NULL;
    const rill_header header = {RILL_STR("k"), RILL_STR("v")};
    int rc = rill_open(&bus, "mem:faulty",
                       RILL_OPTS(rill_opts, .host = hooks, .drive = RILL_DRIVE_HOST));
    if (rc == RILL_OK)
        rc = rill_subscribe(bus, &sub, "a.>", RILL_OPTS(rill_sub_opts, .group = "g"));
    if (rc == RILL_OK) rc = rill_subscribe(bus, &echo, "a.*", NULL);
    for (int i = 0; i < 3 && rc == RILL_OK; i++)
        rc = rill_publish(bus, "a.b", "12345", 5,
                          RILL_OPTS(rill_post, .headers = &header, .nheaders = 1));
    if (rc == RILL_OK) rc = rill_read(sub, msgs, 4, 0);
    if (rc > 0) {
        TEXT_IS(msgs[0]->data, "12345");
        kept = rill_msg_ref(msgs[0]);
        rc = kept ? RILL_OK : RILL_ENOMEM;
    }
    if (rc == RILL_OK) rc = rill_request(bus, "nobody", "", 0, NULL, &(rill_msg *){NULL}, 0);
    if (rc == RILL_ENOREPLY) rc = rill_request(bus, "a.b", "", 0, NULL, &(rill_msg *){NULL}, 0);
    if (rc == RILL_ETIMEDOUT) rc = RILL_OK;
    rill_msg_unref(kept);
    rill_sub_close(sub);
    rill_sub_close(echo);
    rill_close(bus, 1000);
    return rc;
}

START_TEST(each_allocation_fails_once)
{
    size_t n = 0;
    for (;;) {
        supply h;
        supply_init(&h);
        h.fail_at = ++n;
        const rill_host hooks = supply_hooks(&h);
        int rc = session(&hooks);
        supply_fini(&h);
        if (!h.failed) {
            OK(rc);
            break;
        }
        /* The call says so, or one of two receivers missed a message, or a cache did without. */
        ck_assert_msg(rc == RILL_OK || rc == RILL_ENOMEM || rc == RILL_EAGAIN, "%zu: %s", n,
                      rill_errname(rc));
    }
    ck_assert_uint_gt(n, 16);
}
END_TEST

START_TEST(steady_traffic_does_not_allocate)
{
    supply h;
    supply_init(&h);
    const rill_host hooks = supply_hooks(&h);
    rill_bus *bus;
    rill_sub *sub;
    const rill_msg *m;
    OK(rill_open(&bus, "mem:", RILL_OPTS(rill_opts, .host = &hooks)));
    OK(rill_subscribe(bus, &sub, "a", NULL));
    for (int i = 0; i < 5000; i++) {
        api_send(bus, "a", "0123456789");
        OK(rill_next(sub, &m, 0));
    }
    size_t before = h.calls;
    for (int i = 0; i < 50000; i++) {
        api_send(bus, "a", "0123456789");
        OK(rill_next(sub, &m, 0));
    }
    ck_assert_uint_eq(h.calls, before);
    rill_sub_close(sub);
    OK(rill_close(bus, 20000));
    supply_fini(&h);
}
END_TEST

SUITE_MAIN("memory", each_allocation_fails_once, steady_traffic_does_not_allocate)
