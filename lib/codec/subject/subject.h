/* SPDX-License-Identifier: Apache-2.0 */
/* Subjects: tokens parted by dots. In a filter a token `*` stands for any one token and a last
 * token `>` for one or more; elsewhere in a token these bytes mean nothing.
 *
 *     filter      orders.*.>          matches orders.eu.7 and orders.eu.7.x, not orders.eu
 *     literal     orders.e*.7         `e*` is no wildcard
 *     invalid     orders..7  .a  a.   and anything with space, tab, CR, LF or FF */
#ifndef RI_SUBJECT_H
#define RI_SUBJECT_H

#include "base/defs.h"
#include "base/str.h"

/* As the wire wants it: no empty token, no blank; `>` only last in a filter; no wildcard token
 * in a literal. */
bool ri_subject_is_filter(ri_str s);
bool ri_subject_is_literal(ri_str s);
/* As a publish on the wire may have it, and so a stored message, whatever its tokens are and its
 * bytes: no token is empty, and there is no blank. */
bool ri_subject_is_sound(ri_str s);
/* Some token is `*` or `>`. For any bytes. */
bool ri_subject_has_wildcard(ri_str s);
/* As a program of ours must write it: RILL_EINVAL with a sentence for what is said above, for
 * control characters, and for more than RILL_SUBJECT_MAX bytes. */
int ri_subject_check_literal(ri_str s);
int ri_subject_check_filter(ri_str s);
/* A queue group's name: one token-like word, not empty, without blanks. */
bool ri_subject_is_queue(ri_str s);
int ri_subject_check_queue(ri_str s);

/* The next token of *rest, which starts as the subject; false when none is left. An empty token
 * is handed out like any other, so "a." has two. */
static inline bool ri_subject_token(ri_str *rest, ri_str *token)
{
    return ri_str_cut(rest, '.', token);
}
size_t ri_subject_count(ri_str s); /* tokens */

/* Does `filter` match the published `subject`? Both valid; a wildcard in `subject` is a token
 * like any other, matched by wildcards only. */
bool ri_subject_match(ri_str filter, ri_str subject);
/* Is every subject that `inner` matches matched by `outer`, too? Both filters, valid. */
bool ri_subject_covers(ri_str outer, ri_str inner);
/* Is there a subject that both match? */
bool ri_subject_overlaps(ri_str a, ri_str b);

#endif
