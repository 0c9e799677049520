/* SPDX-License-Identifier: Apache-2.0 */
/* Time zones, from the files of the tz database (TZif, RFC 8536): when the offset from UTC changes,
 * and, behind the last change that the file lists, the rule by which it goes on, which is the TZ
 * text of POSIX (CET-1CEST,M3.5.0,M10.5.0/3). Leap seconds are passed over. */
#ifndef RI_ZONE_H
#define RI_ZONE_H

#include "base/defs.h"
#include "base/str.h"

enum { RI_ZONE_NAME_MAX = 64, RI_ZONE_FILE_MAX = 65536 }; /* bytes */

typedef struct ri_zone_day {  /* a day of each year, and when on it */
    char form;                /* 'M': month, week, weekday; 'J': 1 to 365; '0': 0 to 365 */
    int32_t month, week, day; /* the last is the weekday, or the day of the year */
    int32_t at_s;             /* seconds from midnight, local time; may lie on another day */
} ri_zone_day;

typedef struct ri_zone { /* zeroed: UTC */
    ri_str times;        /* of the changes: 8 bytes each; into the file, as the next two are */
    ri_str kinds;        /* what each changes to: an index of types */
    ri_str types;        /* 6 bytes each, the offset first */
    bool ruled, shifts;  /* there is a rule; it knows summer time */
    int32_t std_s, summer_s; /* its offsets, east of UTC */
    ri_zone_day begins, ends; /* its summer time */
} ri_zone;

/* A name as the database has them, Area/Place: nothing that could leave its directory. */
bool ri_zone_is_name(ri_str name);
/* `file` is kept alive by the caller. RILL_EPROTO: it is no such file. */
int ri_zone_read(ri_str file, ri_zone *zone);
/* Seconds east of UTC at a time of UTC (within years 1 to 9999), and up to when that holds. */
int32_t ri_zone_at(const ri_zone *zone, int64_t utc_s, int64_t *until_s);

#endif
