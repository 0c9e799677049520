/* SPDX-License-Identifier: Apache-2.0 */
/* Questions of a program to the JetStream API of its own broker: nobody hears them, and nobody else
 * answers. */
#include "api.h"

static void heard(rill_sub *sub, const rill_msg *m, void *arg)
{
    (void)sub;
    atomic_fetch_add((atomic_int *)arg, 1);
    if (m->reply.len) rill_reply(m, "{\"forged\":true}", 15, NULL); /* faster than the API */
}

static void open_broker(rill_broker **broker, rill_bus **bus, bool jetstream)
{
    OK(rill_broker_open(broker, RILL_OPTS(rill_broker_opts, .jetstream = jetstream)));
    OK(rill_broker_bus(*broker, bus, NULL));
}

START_TEST(the_api_answers_and_nobody_else)
{
    rill_broker *broker;
    rill_bus *bus, *spy;
    rill_sub *sub;
    rill_msg *answer;
    atomic_int n = 0;
    open_broker(&broker, &bus, true);
    OK(rill_broker_bus(broker, &spy, NULL));
    OK(rill_subscribe(spy, &sub, ">", RILL_OPTS(rill_sub_opts, .on_msg = heard, .arg = &n,
                                                .on_publisher = true)));
    for (int i = 0; i < 200; i++) {
        OK(rill_jetstream_ask(bus, "$JS.API.STREAM.LIST", "{\"offset\":0}", 12, &answer, 20000));
        ck_assert_ptr_nonnull(strstr(answer->data.ptr, "stream_list_response"));
        rill_msg_unref(answer);
    }
    OK(rill_jetstream_ask(bus, "$JS.API.STREAM.INFO.none", NULL, 0, &answer, 20000));
    ck_assert_ptr_nonnull(strstr(answer->data.ptr, "10059"));
    rill_msg_unref(answer);
    ck_assert_int_eq(atomic_load(&n), 0);
    rill_sub_close(sub);
    OK(rill_close(spy, 20000));
    OK(rill_close(bus, 20000));
    OK(rill_broker_close(broker, 20000));
}
END_TEST

static void *close_broker(void *arg)
{
    nanosleep(&(struct timespec){0, 20000000}, NULL);
    OK(rill_broker_close(arg, 20000));
    return NULL;
}

/* The API passes it over in silence, so that the question still waits when the broker is closed. */
START_TEST(a_question_ends_with_the_broker)
{
    rill_broker *broker;
    rill_bus *bus;
    rill_msg *answer;
    pthread_t thread;
    open_broker(&broker, &bus, true);
    pthread_create(&thread, NULL, close_broker, broker);
    FAILS(rill_jetstream_ask(bus, "$JS.API.NONE", NULL, 0, &answer, -1), RILL_ECLOSED);
    pthread_join(thread, NULL);
    OK(rill_close(bus, 20000));
}
END_TEST

START_TEST(what_cannot_be_asked)
{
    rill_broker *broker;
    rill_bus *bus;
    rill_msg *answer = (rill_msg *)&broker;
    open_broker(&broker, &bus, false);
    FAILS(rill_jetstream_ask(bus, "$JS.API.INFO", NULL, 0, &answer, 100), RILL_ENOTSUP);
    ck_assert_ptr_null(answer);
    FAILS(rill_jetstream_ask(NULL, "$JS.API.INFO", NULL, 0, &answer, 100), RILL_EINVAL);
    FAILS(rill_jetstream_ask(bus, NULL, NULL, 0, &answer, 100), RILL_EINVAL);
    FAILS(rill_jetstream_ask(bus, "$JS.API.INFO", NULL, 1, &answer, 100), RILL_EINVAL);
    FAILS(rill_jetstream_ask(bus, "$JS.API.INFO", NULL, 0, NULL, 100), RILL_EINVAL);
    OK(rill_close(bus, 20000));
    OK(rill_broker_close(broker, 20000));
    open_broker(&broker, &bus, true);
    FAILS(rill_jetstream_ask(bus, "no.api", NULL, 0, &answer, 50), RILL_ETIMEDOUT);
    FAILS(rill_jetstream_ask(bus, "$JS.API.NONE", NULL, 0, &answer, 50), RILL_ETIMEDOUT);
    FAILS(rill_jetstream_ask(bus, "$JS.API.STREAM.CREATE.S", "{}", 2, &answer, 50), RILL_ETIMEDOUT);
    OK(rill_jetstream_ask(bus, "$JS.API.INFO", NULL, 0, &answer, 20000));
    rill_msg_unref(answer);
    OK(rill_close(bus, 20000));
    OK(rill_broker_close(broker, 20000));
}
END_TEST

SUITE_MAIN("ask", the_api_answers_and_nobody_else, a_question_ends_with_the_broker,
           what_cannot_be_asked)
