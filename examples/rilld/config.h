/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration language of nats-server, read into a tree.
 *
 *     key: value        key = value        key value        key { ... }
 *     "key": value,     # a comment        // another       include "other.conf"
 *
 * An entry ends at a line's end, `;` or `,`. A value is one of
 *
 *     true false on off yes no        12  -3  64k (x1000)  1MB 1mib (x1024)  1.5
 *     bare_word  'raw'  "with \n \t \r \" \\ \x41"         2006-01-02T15:04:05Z
 *     [ a, b ]   { key: value }       ( a block of text up to a line that holds only )
 *     $NAME      the value of the key NAME seen before in this or an enclosing block,
 *                else of the environment, read as a value
 *
 * JSON is a case of it. Keys compare without case; the last of equal keys counts. */
#ifndef RILLD_CONFIG_H
#define RILLD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CONFIG_FILE_MAX_BYTES = 16 << 20,  /* a larger file is refused */
    CONFIG_DEPTH_MAX = 64,             /* blocks within blocks */
    CONFIG_INCLUDE_MAX = 10,           /* files within files, variables within variables */
    CONFIG_ERROR_BYTES = 512,
};

typedef enum config_type {
    CONFIG_MAP,
    CONFIG_ARRAY,
    CONFIG_STRING,
    CONFIG_INT,
    CONFIG_FLOAT,
    CONFIG_BOOL,
    CONFIG_TIME,
} config_type;

typedef struct config_node {
    config_type type;
    const char *key;            /* NULL in an array */
    const char *file;           /* where the entry stands */
    int line;
    int column;                 /* of its key, in bytes from 1 */
    bool open;                  /* its end has not been read yet: no $NAME may mean it */
    bool used;                  /* some option was read from it, or some $NAME */
    const char *text;           /* STRING, TIME: the value, ending in a 0 */
    int64_t number;             /* INT, BOOL */
    double real;                /* FLOAT */
    struct config_node *first;  /* MAP, ARRAY: entries in the order they stand in the file */
    struct config_node *last;
    struct config_node *next;   /* the sibling after this one */
} config_node;

typedef struct config_tree {
    config_node *root;       /* a MAP */
    struct config_chunk *chunks;  /* all memory of the tree */
    char error[CONFIG_ERROR_BYTES];  /* a sentence with file:line when a load failed */
} config_tree;

/* Read the file and what it includes; false leaves a sentence in config->error. Either way
 * config_free() it; freeing a zeroed one is legal. */
bool config_load(config_tree *config, const char *path);
/* The same from memory; `name` stands for the file in messages. */
bool config_parse(config_tree *config, const char *name, const char *text, size_t len);
void config_free(config_tree *config);

/* The entry of that key, or NULL. Marks nothing as used. */
config_node *config_find(const config_node *map, const char *key);
const char *config_type_name(config_type type);
/* "1h30m", "2.5s", "100ms" to nanoseconds; false if it is no duration. */
bool config_duration_ns(const char *text, int64_t *ns);

#endif
