/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/list.h"
#include "base/str.h"
#include "support/suite.h"

typedef struct item {
    char name;
    ri_list link;
} item;

static char text[32];

static const char *names(ri_list *head) /* forward, checked backward */
{
    size_t n = 0;
    ri_list_each(at, head) text[n++] = ri_container_of(at, item, link)->name;
    text[n] = 0;
    for (ri_list *at = head->prev; at != head; at = at->prev) {
        ck_assert_int_eq(text[--n], ri_container_of(at, item, link)->name);
    }
    ck_assert_uint_eq(n, 0);
    return text;
}

START_TEST(test_order)
{
    item a = {.name = 'a'}, b = {.name = 'b'}, c = {.name = 'c'};
    ri_list head, other;
    ri_list_init(&head);
    ri_list_init(&other);
    ck_assert(ri_list_empty(&head));
    ck_assert_ptr_null(ri_list_pop(&head));
    ck_assert(!ri_list_linked(&a.link)); /* zeroed is in no list */
    ri_list_remove(&a.link);             /* and may be removed */
    ri_list_push(&head, &a.link);
    ri_list_push(&head, &b.link);
    ri_list_push(&head, &c.link);
    ck_assert_str_eq(names(&head), "abc");
    ck_assert(ri_list_linked(&b.link));
    ri_list_remove(&b.link);
    ri_list_remove(&b.link);
    ck_assert(!ri_list_linked(&b.link));
    ck_assert_str_eq(names(&head), "ac");
    ri_list_push(&other, &b.link);
    ri_list_splice(&other, &head);
    ck_assert(ri_list_empty(&head));
    ck_assert_str_eq(names(&other), "bac");
    ri_list_splice(&other, &head); /* of nothing */
    ck_assert_str_eq(names(&other), "bac");
    ri_list_splice(&head, &other); /* to an empty one */
    ck_assert_str_eq(names(&head), "bac");
    ck_assert_ptr_eq(ri_list_pop(&head), &b.link);
    ck_assert_str_eq(names(&head), "ac");
}
END_TEST

START_TEST(test_remove_within_loop)
{
    item items[6];
    ri_list head;
    ri_list_init(&head);
    for (int i = 0; i < 6; i++) {
        items[i].name = (char)('0' + i);
        ri_list_push(&head, &items[i].link);
    }
    ri_list_each(at, &head) {
        if (ri_container_of(at, item, link)->name % 2) ri_list_remove(at);
    }
    ck_assert_str_eq(names(&head), "024");
    ri_list_each(at, &head) ri_list_remove(at);
    ck_assert(ri_list_empty(&head));
}
END_TEST

SUITE_MAIN("list", test_order, test_remove_within_loop)
