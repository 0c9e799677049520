/* SPDX-License-Identifier: Apache-2.0 */
/* The small readers of texts, each with the laws that hold for whatever it takes: what is read is
 * written, and read again as the same. Inputs lie against a page that may not be touched. */
#ifndef RI_TEST_TEXTS_H
#define RI_TEST_TEXTS_H

#include "base/alloc.h"
#include "base/str.h"

typedef enum text_kind {
    TEXT_NUMBER, TEXT_DURATION, TEXT_RFC3339, TEXT_CRON, TEXT_BASE64, TEXT_BASE64_URL, TEXT_JSON,
    TEXT_URL, TEXT_TRANSFORM, TEXT_ACK, TEXT_OBJMETA, TEXT_S2, TEXT_SUBJECT,
    TEXT_ORIGIN, /* behind "n/S/" */
    TEXT_ZONE, /* a file; what does not begin as one is the rule of one */
    TEXT_KINDS
} text_kind;

/* Does the reader take it? Ends the program if a law is broken. */
bool text_taken(text_kind kind, const ri_host *host, const char *text, size_t len);

#endif
