/* SPDX-License-Identifier: Apache-2.0 */
/* Directories as a whole. */
#ifndef RILL_TOOL_TREE_H
#define RILL_TOOL_TREE_H

#include <stdbool.h>
#include <stdint.h>

/* The bytes of all files below. */
uint64_t tree_bytes(const char *dir);
/* Delete it, with all below. */
void tree_remove(const char *dir);
/* Is nothing there, or an empty directory? */
bool tree_is_free(const char *dir);
/* Make the new name last, and what it names. */
bool tree_rename(const char *from, const char *to);

#endif
