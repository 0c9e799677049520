/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation fails once: the call says so, everything else goes on, nothing is lost. */
#include "api.h"

typedef struct heap {
    rill_host hooks;
    pthread_mutex_t lock; /* the hooks are called from any thread */
    long countdown;       /* the allocation that fails; 0: none */
    long blocks, bytes;
    bool hit;
} heap;

static void *heap_alloc(void *arg, void *p, size_t old_size, size_t new_size)
{
    heap *h = arg;
    void *result = NULL;
    pthread_mutex_lock(&h->lock);
    if (new_size == 0) {
        h->blocks--;
        h->bytes -= (long)old_size;
        free(p);
    } else if (h->countdown > 0 && --h->countdown == 0) {
        h->hit = true;
    } else if ((result = realloc(p, new_size))) {
        h->blocks += p == NULL;
        h->bytes += (long)new_size - (long)old_size;
    }
    pthread_mutex_unlock(&h->lock);
    return result;
}

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
    if (rc == RILL_OK) rc = rill_subscribe(bus, &sub, "a.>", RILL_OPTS(rill_sub_opts, .group = "g"));
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
    heap h = {.hooks = {.size = sizeof(rill_host), .arg = &h, .alloc = heap_alloc}};
    pthread_mutex_init(&h.lock, NULL);
    long faults = 0;
    for (long n = 1;; n++, faults++) {
        h.countdown = n;
        h.hit = false;
        int rc = session(&h.hooks);
        ck_assert_int_eq(h.blocks, 0);
        ck_assert_int_eq(h.bytes, 0);
        if (!h.hit) {
            OK(rc);
            break;
        }
        /* The call says so, or one of two receivers missed a message, or a cache did without. */
        ck_assert_msg(rc == RILL_OK || rc == RILL_ENOMEM || rc == RILL_EAGAIN, "%ld: %s", n,
                      rill_errname(rc));
    }
    ck_assert_int_gt(faults, 15);
}
END_TEST

START_TEST(steady_traffic_does_not_allocate)
{
    heap h = {.hooks = {.size = sizeof(rill_host), .arg = &h, .alloc = heap_alloc}};
    pthread_mutex_init(&h.lock, NULL);
    rill_bus *bus;
    rill_sub *sub;
    const rill_msg *m;
    OK(rill_open(&bus, "mem:", RILL_OPTS(rill_opts, .host = &h.hooks)));
    OK(rill_subscribe(bus, &sub, "a", NULL));
    for (int i = 0; i < 5000; i++) {
        api_send(bus, "a", "0123456789");
        OK(rill_next(sub, &m, 0));
    }
    h.countdown = 1; /* the next one fails */
    for (int i = 0; i < 50000; i++) {
        api_send(bus, "a", "0123456789");
        OK(rill_next(sub, &m, 0));
    }
    ck_assert(!h.hit);
    h.countdown = 0;
    rill_sub_close(sub);
    OK(rill_close(bus, 1000));
    ck_assert_int_eq(h.blocks, 0);
}
END_TEST

SUITE_MAIN("memory", each_allocation_fails_once, steady_traffic_does_not_allocate)
