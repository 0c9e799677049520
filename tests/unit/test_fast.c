/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "support/streams.h"

START_TEST(test_fast_batch)
{
    world *w = open_world();
    ri_stream *s = stream(w, "\"allow_batched\":true");
    world_listen(w, "in", "in.>");
    world_publish(w, "s.a", "in.B.2.fail.1.0.$FI", "", "1");
    world_publish(w, "s.a", "in.B.2.fail.2.1.$FI", "", "2");
    world_publish(w, "s.a", "in.B.2.fail.3.1.$FI", "", "3");
    world_publish(w, "s.a", "in.B.2.fail.4.3.$FI", "", "");
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: in.B.2.fail.1.0.$FI {\"type\":\"ack\",\"seq\":0,\"msgs\":2}\n"
                  "[     0] in: in.B.2.fail.2.1.$FI {\"type\":\"ack\",\"seq\":2,\"msgs\":2}\n"
                  "[     0] in: in.B.2.fail.4.3.$FI {\"stream\":\"S\",\"seq\":3,\"batch\":\"B\","
                  "\"count\":3}\n");
    ck_assert_uint_eq(state_of(s).messages, 3);
    world_publish(w, "s.a", "in.C.0.ok.1.0.$FI", "", "1");
    world_publish(w, "s.a", "in.C.0.ok.3.1.$FI", "", "3");
    world_publish(w, "s.a", "in.C.0.ok.3.4.$FI", "", "");
    world_publish(w, "s.a", "in.C.0.ok.4.2.$FI", "", "4");
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: in.C.0.ok.1.0.$FI {\"type\":\"ack\",\"seq\":0,\"msgs\":10}\n"
                  "[     0] in: in.C.0.ok.3.1.$FI {\"type\":\"gap\",\"last_seq\":2,\"seq\":3}\n"
                  "[     0] in: in.C.0.ok.3.4.$FI {\"type\":\"ack\",\"seq\":0,\"msgs\":10}\n"
                  "[     0] in: in.C.0.ok.4.2.$FI {\"stream\":\"S\",\"seq\":6,\"batch\":\"C\","
                  "\"count\":4}\n");
    world_publish(w, "s.a", "in.D.0.ok.2.1.$FI", "", "");
    world_publish(w, "s.a", "in.D.0.ok.0.1.$FI", "", "");
    world_publish(w, "s.a", "in.E.0.ok.1.0.$FI", "", "");
    world_publish(w, "s.a", "in.E.0.ok.2.2.$FI", "Nats-Expected-Stream: T\r\n", "");
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: in.D.0.ok.2.1.$FI " ERR(400, 10208, "batch publish ID unknown") "\n"
                  "[     0] in: in.D.0.ok.0.1.$FI "
                  ERR(400, 10206, "batch publish pattern is invalid") "\n"
                  "[     0] in: in.E.0.ok.1.0.$FI {\"type\":\"ack\",\"seq\":0,\"msgs\":10}\n"
                  "[     0] in: in.E.0.ok.2.2.$FI {\"type\":\"err\",\"seq\":2,\"error\":"
                  "{\"code\":400,\"err_code\":10060,\"description\":\"expected stream does not "
                  "match\"}}\n"
                  "[     0] in: in.E.0.ok.2.2.$FI {\"stream\":\"S\",\"seq\":7,\"batch\":\"E\","
                  "\"count\":1}\n");
    world_fini(w);
}
END_TEST

/* Where a fast batch ends with a failure, what came before is told of. */
START_TEST(test_fast_batch_fails)
{
#define NOT_T "Nats-Expected-Stream: T\r\n"
#define NOT_T_ERROR \
    "{\"code\":400,\"err_code\":10060,\"description\":\"expected stream does not match\"}"
    world *w = open_world();
    stream(w, "\"allow_batched\":true");
    world_listen(w, "in", "in.>");
    world_publish(w, "s.a", "in.A.2.fail.1.2.$FI", "", "1"); /* the first commits */
    world_publish(w, "s.a", "in.B.2.fail.1.0.$FI", NOT_T, "1"); /* the first is refused */
    world_publish(w, "s.a", "in.B.2.fail.2.1.$FI", "", "2");
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: in.B.2.fail.1.0.$FI {\"type\":\"ack\",\"seq\":0,\"msgs\":2}\n"
                  "[     0] in: in.B.2.fail.1.0.$FI "
                  ERR(400, 10060, "expected stream does not match") "\n"
                  "[     0] in: in.B.2.fail.2.1.$FI "
                  ERR(400, 10208, "batch publish ID unknown") "\n"
                  "[     0] in: in.A.2.fail.1.2.$FI {\"stream\":\"S\",\"seq\":1,"
                  "\"batch\":\"A\",\"count\":1}\n");
    world_publish(w, "s.a", "in.C.9.fail.1.0.$FI", "", "1"); /* a later one is */
    world_publish(w, "s.a", "in.C.9.fail.2.1.$FI", NOT_T, "2");
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: in.C.9.fail.1.0.$FI {\"type\":\"ack\",\"seq\":0,\"msgs\":9}\n"
                  "[     0] in: in.C.9.fail.2.1.$FI {\"type\":\"err\","
                  "\"seq\":2,\"error\":" NOT_T_ERROR "}\n"
                  "[     0] in: in.C.9.fail.2.1.$FI {\"stream\":\"S\",\"seq\":2,"
                  "\"batch\":\"C\",\"count\":1}\n");
    world_publish(w, "s.a", "in.D.2.ok.1.0.$FI", "", "1"); /* a ping beyond what came */
    world_publish(w, "s.a", "in.D.2.ok.2.1.$FI", "", "2");
    world_publish(w, "s.a", "in.D.2.ok.3.4.$FI", "", "");
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: in.D.2.ok.1.0.$FI {\"type\":\"ack\",\"seq\":0,\"msgs\":2}\n"
                  "[     0] in: in.D.2.ok.3.4.$FI {\"type\":\"gap\",\"last_seq\":3,\"seq\":4}\n"
                  "[     0] in: in.D.2.ok.2.1.$FI {\"type\":\"ack\",\"seq\":2,\"msgs\":2}\n"
                  "[     0] in: in.D.2.ok.3.4.$FI {\"type\":\"ack\",\"seq\":2,\"msgs\":2}\n");
    world_publish(w, "s.a", "in.E.9.fail.1.0.$FI", "", "1"); /* one is missing */
    world_publish(w, "s.a", "in.E.9.fail.3.1.$FI", "", "3");
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: in.E.9.fail.1.0.$FI {\"type\":\"ack\",\"seq\":0,\"msgs\":9}\n"
                  "[     0] in: in.E.9.fail.3.1.$FI {\"type\":\"gap\",\"last_seq\":2,\"seq\":3}\n"
                  "[     0] in: in.E.9.fail.3.1.$FI {\"stream\":\"S\",\"seq\":5,"
                  "\"batch\":\"E\",\"count\":1}\n");
    world_fini(w);
}
END_TEST

/* Those that are open are of the broker's memory for work. */
START_TEST(test_memory)
{
    world *w = open_world();
    ri_claim other;
    char reply[64];
    stream(w, "\"allow_batched\":true");
    ri_memory_set_limit(&w->router.memory, 8 * 16 * 1024);
    world_listen(w, "in", "in.>");
    for (int i = 0; i < 200; i++) {
        snprintf(reply, sizeof reply, "in.%d.9.ok.1.0.$FI", i);
        world_publish(w, "s.a", reply, "", "1");
    }
    world_turn(w);
    ck_assert_ptr_nonnull(memmem(w->told.ptr, w->told.len, "\"err_code\":10211", 16));
    ck_assert_uint_le(ri_memory_used(&w->router.memory, RI_MEMORY_WORK), 16 * 1024);
    ri_buffer_reset(&w->told);
    ri_claim_init(&other, NULL);
    ck_assert(ri_claim_grow(&w->router.work, &other, 1000)); /* for one who has less they go */
    world_publish(w, "s.a", "in.7.9.ok.2.1.$FI", "", "2");
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: in.7.9.ok.2.1.$FI "
 ERR(400, 10208, "batch publish ID unknown") "\n");
    world_publish(w, "s.a", "in.A.9.ok.1.0.$FI", "", "1");
    world_turn(w);
    WORLD_TOLD(w, "[     0] in: in.A.9.ok.1.0.$FI {\"type\":\"ack\",\"seq\":0,\"msgs\":9}\n");
    ri_claim_end(&w->router.work, &other);
    world_fini(w);
}
END_TEST

SUITE_MAIN("fast", test_fast_batch, test_fast_batch_fails, test_memory)
