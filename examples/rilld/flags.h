/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines in Go's syntax: -name, --name, -name=value, -name value. A switch takes no
 * value unless after "=". Flags end at the first word that is none, or after "--". */
#ifndef RILLD_FLAGS_H
#define RILLD_FLAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum flag_kind {
    FLAG_SWITCH,  /* bool */
    FLAG_INT,     /* int */
    FLAG_SIZE,    /* uint64_t; below zero: as large as can be */
    FLAG_TEXT,    /* const char *, into argv */
} flag_kind;

typedef struct flag_spec {
    const char *names;  /* "p port": without dashes, with blanks between */
    flag_kind kind;
    size_t offset;      /* of its field in the struct that is filled */
} flag_spec;

enum { FLAGS_ERROR_BYTES = 256 };

/* Fill `into` from the flags given. Returns the index of the first word that is no flag (argc
 * if there is none), or -1 with a sentence, as Go's flag package puts it. */
int flags_parse(const flag_spec *flags, size_t nflags, void *into, int argc, char **argv,
                char error[FLAGS_ERROR_BYTES]);

#endif
