/* SPDX-License-Identifier: Apache-2.0 */
/* What /varz and /jsz have in common. Inside the gate; `house` is not NULL; `dir`: with where its
 * store is. */
#ifndef RI_PAGE_VARZ_H
#define RI_PAGE_VARZ_H

#include "front/pages/page_json.h"

struct ri_broker;
struct ri_durable;

typedef struct ri_page_js_sums {
    uint64_t memory, storage, reserved_memory, reserved_storage;
    uint64_t accounts, total, errors;
    bool on;                 /* JetStream is */
} ri_page_js_sums;
/* Is that account one with JetStream? $G is where no account is configured; and where it has
 * streams of before, which are not passed over. */
bool ri_page_js_counts(const struct ri_broker *broker, struct ri_durable *room);
void ri_page_js_add(ri_page_js_sums *sums, const struct ri_broker *broker, struct ri_durable *room);
void ri_page_js_put_sums(const ri_page_js_sums *sums, bool account, ri_page_json *j);
void ri_page_js_put_config(struct ri_durable *house, bool dir, ri_page_json *j);
void ri_page_js_put_limits(struct ri_durable *house, ri_page_json *j);

#endif
