/* SPDX-License-Identifier: Apache-2.0 */
/* Times that come again: six fields (second minute hour day month weekday), each *, a number, a
 * range a-b, a step /n, or a list of these; or @hourly, @daily, @midnight, @weekly, @monthly,
 * @yearly, @annually. */
#ifndef RI_CRON_H
#define RI_CRON_H

#include "base/defs.h"
#include "base/str.h"
#include "codec/jetstream/zone.h"

typedef struct ri_cron {
    uint64_t second, minute, hour, day, month, weekday; /* bit n: n is one of them */
    bool any_day, any_weekday; /* written as *: then only the other one counts */
} ri_cron;

bool ri_cron_read(ri_str s, ri_cron *cron);
/* The first such time after `after_ns`, in UTC; INT64_MAX: none within eight years. */
int64_t ri_cron_next(const ri_cron *cron, int64_t after_ns);
/* The same by the clocks of a zone: what they skip never comes, what they show twice comes
 * twice. */
int64_t ri_cron_next_in(const ri_cron *cron, const ri_zone *zone, int64_t after_ns);

#endif
