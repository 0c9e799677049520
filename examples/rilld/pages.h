/* SPDX-License-Identifier: Apache-2.0 */
/* What the monitoring port shows, as text. `query` is what stands behind the question mark, "" if
 * nothing does. A page returns the status of HTTP: 200, or another when the query asks for what
 * cannot be, and then `out` says so.
 *
 * nats-server has more to tell: what belongs to Go, to a cluster or to its system account is
 * absent here. */
#ifndef RILLD_PAGES_H
#define RILLD_PAGES_H

#include "doc.h"
#include "monitor.h"

/* Which page is that, or -1? */
int pages_find(const char *path);
bool pages_is_long(int page); /* it asks the engine much */
const char *pages_path(int page); /* NULL: there are no more */
int pages_show(int page, const monitor *from, const char *query, doc_text *out);

/* ---- For the pages themselves ---- */
int64_t pages_now_ns(void);
uint64_t pages_or(uint64_t value, uint64_t when_zero);
void pages_put_id(const monitor *from, doc_text *out);
/* A sentence in place of the page; returns `status`. */
int pages_refuse(int status, doc_text *out, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The value of `name` in "a=1&b=%2A", cut to fit and a 0 behind it; false if it is absent. */
bool query_get(const char *query, const char *name, char *value, size_t size);
bool query_bool(const char *query, const char *name);
uint64_t query_number(const char *query, const char *name, uint64_t absent);

/* ---- jspages.c ---- */
int pages_jsz(const monitor *from, const char *query, doc_text *out);
int pages_healthz(const monitor *from, const char *query, doc_text *out);
/* What /jsz and /varz have in common. */
void pages_put_js_config(const monitor *from, doc_text *out);
void pages_put_js_limits(const monitor *from, doc_text *out);
void pages_put_js_stats(const monitor *from, bool account, doc_text *out);

#endif
