/* SPDX-License-Identifier: Apache-2.0 */
/* A narrative in virtual time: the power goes between the write of a commit and its sync. Nobody
 * was told that what it held is stored, or done, and so it may be gone: the message that was not
 * confirmed, the ack that was not. What was confirmed before is as it was. */
#include <errno.h>

#include "base/error.h"
#include "support/fake_os.h"
#include "support/suite.h"
#include "support/world.h"

static ri_log *open_log(fake_os *disk, world *w)
{
    ri_log *log;
    ri_log_opts opts = {.host = &w->own.host, .os = &disk->os, .dir = "/data",
                        .segment_bytes = 1 << 20};
    ck_assert_ok(ri_log_open(&log, &opts));
    return log;
}

static ri_consumer *crew(world *w)
{
    return ri_stream_consumer(ri_js_stream(w->js, RI_STR("ORDERS")), RI_STR("crew"));
}

START_TEST(test_power_cut)
{
    static world w;
    fake_os disk;
    fake_os_init(&disk);
    fault_init(&w.own);
    ck_assert_ok(world_init_with(&w, &w.own, open_log(&disk, &w)));
    world_listen(&w, "shop", "ok.*");
    world_listen(&w, "worker", "in");
    ck_assert_ok(world_stream(&w, "{\"name\":\"ORDERS\",\"subjects\":[\"orders\"],"
                                  "\"retention\":\"workqueue\"}", NULL, NULL));
    ck_assert_ok(world_consumer(&w, "ORDERS", "{\"durable_name\":\"crew\","
                                              "\"ack_policy\":\"explicit\","
                                              "\"ack_wait\":10000000000}", NULL, NULL));
    for (const char *n = "123"; *n; n++)
        world_publish(&w, "orders", "ok.1", "", (char[2]){*n});
    world_pull(&w, crew(&w), "in", "3");
    world_turn(&w);
    world_publish(&w, "$JS.ACK.ORDERS.crew.1.1.1.0.0", "ok.done", "", "+ACK");
    world_turn(&w);
    WORLD_TOLD(&w, "[     0] shop: ok.1 {\"stream\":\"ORDERS\",\"seq\":1}\n"
                   "[     0] shop: ok.1 {\"stream\":\"ORDERS\",\"seq\":2}\n"
                   "[     0] shop: ok.1 {\"stream\":\"ORDERS\",\"seq\":3}\n"
                   "[     0] worker: orders <ACK(1/1/1/2)> 1\n"
                   "[     0] worker: orders <ACK(1/2/2/1)> 2\n"
                   "[     0] worker: orders <ACK(1/3/3/0)> 3\n"
                   "[     0] shop: ok.done\n");

    /* An order and an ack are written, and the sync is cut off. */
    disk.fail_syncs_only = true;
    disk.fail_at = disk.syncs + 1;
    disk.fail_errno = EIO;
    disk.power_at_fail = true;
    world_publish(&w, "orders", "ok.4", "", "4");
    world_publish(&w, "$JS.ACK.ORDERS.crew.1.2.2.0.0", "ok.done", "", "+ACK");
    ri_js_step(w.js, w.wall_ns, w.mono_ns);
    ri_js_prepare(w.js, w.log);
    int rc = ri_log_commit(w.log);
    ck_assert_rc(rc, RILL_EIO);
    ri_js_committed(w.js, w.log, rc, w.wall_ns, w.mono_ns);
    WORLD_TOLD(&w, "[     0] shop: ok.4 {\"error\":{\"code\":503,\"err_code\":10077,"
                   "\"description\":\"a read, write or sync failed\"},\"stream\":\"ORDERS\","
                   "\"seq\":0}\n");

    /* It is back: nothing of that commit was synced. */
    world_down(&w);
    disk.fail_at = 0;
    fake_os_crash(&disk, FAKE_OS_DROP, 1);
    ck_assert_ok(world_up(&w, open_log(&disk, &w)));
    world_pull(&w, crew(&w), "in", "{\"batch\":9,\"expires\":20000000000}");
    world_wait(&w, 10000);
    WORLD_TOLD(&w, "[ 10000] worker: orders <ACK(2/2/4/0)> 2\n"
                   "[ 10000] worker: orders <ACK(2/3/5/0)> 3\n");

    /* The shop sends its order again. */
    world_publish(&w, "orders", "ok.4", "", "4");
    world_turn(&w);
    WORLD_TOLD(&w, "[ 10000] shop: ok.4 {\"stream\":\"ORDERS\",\"seq\":4}\n"
                   "[ 10000] worker: orders <ACK(1/4/6/0)> 4\n");
    world_fini(&w);
    fake_os_fini(&disk);
}
END_TEST

SUITE_MAIN("power_cut", test_power_cut)
