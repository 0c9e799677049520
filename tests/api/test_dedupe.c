/* SPDX-License-Identifier: Apache-2.0 */
/* A window of duplicates that is full: the stream has chosen whether it refuses or forgets, and
 * neither is done in silence. */
#include "api.h"

enum { WINDOW = 1000000 }; /* ids, as rill.h says */

typedef struct news {
    int full, others;
} news;

static void on_event(rill_bus *bus, const rill_event *ev, void *arg)
{
    news *n = arg;
    (void)bus;
    if (ev->kind != RILL_EV_ERROR) return;
    bool named = ev->err == RILL_EFULL && strstr(ev->detail, "stream A: the window of duplicates");
    ++*(named ? &n->full : &n->others);
}

static void number(char id[24], int n)
{
    snprintf(id, 24, "%d", n);
}

static int append(rill_bus *bus, const char *stream, int n, rill_receipt *receipt)
{
    char id[24];
    number(id, n);
    *receipt = (rill_receipt){.size = sizeof *receipt};
    return rill_append(bus, stream, "x", 1, RILL_OPTS(rill_post, .msg_id = id), receipt, 20000);
}

/* Ids 0 to WINDOW - 1 are in the windows of both. */
static void fill(rill_bus *bus)
{
    char id[24];
    for (int n = 0; n < WINDOW; n++) {
        number(id, n);
        OK(rill_publish(bus, "both", "x", 1, RILL_OPTS(rill_post, .msg_id = id)));
    }
    OK(rill_flush(bus, 60000));
}

START_TEST(full_window)
{
    static news told;
    rill_bus *bus;
    rill_receipt receipt;
    rill_stream_info info = {.size = sizeof info};
    OK(rill_open(&bus, "mem:", RILL_OPTS(rill_opts, .on_event = on_event, .arg = &told,
                                                 .drive = RILL_DRIVE_HOST)));
    OK(rill_stream_ensure(bus, "A",
                          RILL_OPTS(rill_stream_opts, .subjects = "A both", .max_msgs = 10)));
    fill(bus);
    OK(append(bus, "A", 0, &receipt));
    ck_assert(receipt.duplicate);
    ck_assert_uint_eq(receipt.seq, 1);
    OK(rill_stream_status(bus, "A", &info));
    ck_assert_uint_eq(info.ids_forgotten, 0);
    ck_assert_int_eq(told.full, 0);
    OK(append(bus, "A", WINDOW, &receipt)); /* the oldest are forgotten for it */
    ck_assert(!receipt.duplicate);
    ck_assert_uint_eq(receipt.seq, WINDOW + 1);
    OK(append(bus, "A", WINDOW - 1, &receipt));
    ck_assert(receipt.duplicate);
    while (told.full == 0) OK(rill_poll(bus, 1000));
    OK(rill_stream_status(bus, "A", &info));
    ck_assert_uint_ge(info.ids_forgotten, 1);
    ck_assert_uint_le(info.ids_forgotten, 1000);
    OK(append(bus, "A", 0, &receipt));
    ck_assert(!receipt.duplicate);

    OK(rill_stream_delete(bus, "A"));
    OK(rill_stream_ensure(bus, "B",
                          RILL_OPTS(rill_stream_opts, .subjects = "B both", .max_msgs = 10,
                                    .dedupe_strictly = true)));
    fill(bus);
    FAILS(append(bus, "B", WINDOW, &receipt), RILL_EFULL);
    OK(rill_append(bus, "B", "x", 1, NULL, NULL, 20000)); /* it has no id */
    for (int n = 0; n < WINDOW; n += WINDOW / 100) {
        OK(append(bus, "B", n, &receipt));
        ck_assert(receipt.duplicate);
    }
    OK(rill_stream_status(bus, "B", &info));
    ck_assert_uint_eq(info.ids_forgotten, 0);
    ck_assert_uint_eq(info.last_seq, WINDOW + 1);
    OK(rill_close(bus, 20000));
    ck_assert_int_eq(told.full, 1);
    ck_assert_int_eq(told.others, 0);
}
END_TEST

SUITE_MAIN("dedupe", full_window)
