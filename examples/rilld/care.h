/* SPDX-License-Identifier: Apache-2.0 */
/* Care of a store that nobody has open, from a command line. Each damage is a line on stdout, and
 * the last line there says how many there were. How far it is goes to stderr, where a problem is
 * told, too.
 *
 * A directory may be a store, or what `-sd` names, which holds one in "jetstream". */
#ifndef RILLD_CARE_H
#define RILLD_CARE_H

enum {
    CARE_WHOLE = 0,
    CARE_FAILED = 1,   /* there is no store, it is open, or the disk refuses */
    CARE_DAMAGED = 3,  /* it was looked at, or copied, and is not whole */
};

/* Look at all bytes of it, and change none. Returns what the process ends with. */
int care_check(const char *program, const char *dir);
/* The same, and copy what is whole to a new store. `to` is laid out as `from` is. */
int care_salvage(const char *program, const char *from, const char *to);

#endif
