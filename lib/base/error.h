/* SPDX-License-Identifier: Apache-2.0 */
/* Errors are made once, where they happen, by `return ri_err(RILL_EIO, "pwrite %s", name)`,
 * which keeps the sentence for this thread; callers hand the code up untouched. */
#ifndef RI_ERROR_H
#define RI_ERROR_H

#include "base/defs.h"
#include "rill.h"

#define RI_ERROR_TEXT_MAX 512 /* bytes kept of a sentence, with its 0 */

/* Remember the sentence for the calling thread and return `code`, which is negative. */
int ri_err(int code, const char *fmt, ...) RI_PRINTF(2, 3);
/* The same, ending with ": " and the text of `os_errno`. */
int ri_err_os(int code, int os_errno, const char *fmt, ...) RI_PRINTF(3, 4);
/* Put "what: " in front of the sentence that is there; returns `code`. */
int ri_err_wrap(int code, const char *fmt, ...) RI_PRINTF(2, 3);
/* RILL_ENOMEM with a sentence: every failed allocation ends here. */
int ri_err_nomem(size_t bytes);
/* The calling thread's sentence; never NULL. */
const char *ri_err_text(void) RI_APART;

/* A failure as a value, for what crosses the gate, or from one thread to another, or has to outlive
 * calls that make sentences of their own. */
typedef struct ri_failure {
    int code;                     /* 0: there is none */
    char text[RI_ERROR_TEXT_MAX]; /* unset while code is 0 */
} ri_failure;
/* Keep `code` and the calling thread's sentence; no failure if it is not negative. Returns it. */
int ri_failure_keep(ri_failure *failure, int code) RI_APART;
/* Make the kept sentence the calling thread's again; returns the kept code. */
int ri_failure_restore(const ri_failure *failure) RI_APART;

const char *ri_err_name(int code);
const char *ri_err_class(int code); /* the general text of the code */

#endif
