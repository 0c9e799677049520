/* SPDX-License-Identifier: Apache-2.0 */
/* An intrusive, circular, doubly linked list. The head is a ri_list, too; an element that is in
 * no list points to itself, so that removing it twice is harmless. */
#ifndef RI_LIST_H
#define RI_LIST_H

#include "base/defs.h"

typedef struct ri_list {
    struct ri_list *next, *prev;
} ri_list;

static inline void ri_list_init(ri_list *l)
{
    l->next = l->prev = l;
}

static inline bool ri_list_empty(const ri_list *head)
{
    return head->next == head;
}

static inline bool ri_list_linked(const ri_list *item)
{
    return item->next && item->next != item;
}

static inline void ri_list_push(ri_list *head, ri_list *item) /* at the end */
{
    item->prev = head->prev;
    item->next = head;
    head->prev->next = item;
    head->prev = item;
}

static inline void ri_list_remove(ri_list *item)
{
    if (!item->next) return;
    item->prev->next = item->next;
    item->next->prev = item->prev;
    ri_list_init(item);
}

static inline ri_list *ri_list_pop(ri_list *head) /* the first, or NULL */
{
    if (ri_list_empty(head)) return NULL;
    ri_list *item = head->next;
    ri_list_remove(item);
    return item;
}

/* All of `from` to the end of `to`; leaves `from` empty. */
static inline void ri_list_splice(ri_list *to, ri_list *from)
{
    if (ri_list_empty(from)) return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    ri_list_init(from);
}

/* The loop's element may be removed within the loop. */
#define ri_list_each(it, head) \
    for (ri_list *it = (head)->next, *it##_next = it->next; it != (head); \
         it = it##_next, it##_next = it->next)

#endif
