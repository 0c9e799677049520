/* SPDX-License-Identifier: Apache-2.0
 *
 * What the monitoring port shows, as text: one function a page. `query` is what stands behind
 * the question mark, "" if nothing does.
 */
#ifndef RILLD_PAGES_H
#define RILLD_PAGES_H

#include "doc.h"
#include "monitor.h"

void pages_varz(const monitor *from, doc_text *out);
/* False: the query asks for what cannot be, and `out` says so in plain text. */
bool pages_connz(const monitor *from, const char *query, doc_text *out);
void pages_subsz(const monitor *from, doc_text *out);
void pages_jsz(const monitor *from, doc_text *out);
void pages_root(const monitor *from, doc_text *out);

#endif
