/* SPDX-License-Identifier: Apache-2.0 */
/* Messages: how they are made of words of the command line, and shown. */
#ifndef RILL_TOOL_MESSAGE_H
#define RILL_TOOL_MESSAGE_H

#include "text.h"
#include "tool.h"

enum { MESSAGE_DATA_MAX = 64 << 20 };  /* bytes that are read for one message */

typedef struct message_post {
    rill_post post;
    rill_header headers[ARGS_LIST_MAX];
    uint64_t expect;
} message_post;

/* The data that a word of the command line stands for: "-" is standard input, NULL is none. False:
 * it has been said. */
bool message_data(tool *t, const char *word, text *data);
/* --header, --reply, --id, --expect-last and --ttl; lent. False: it has been said. */
bool message_options(tool *t, message_post *post);
/* A block of lines for people, the data alone with --raw, an object in JSON. `count` > 0 stands in
 * front, for people. False: nobody reads standard output any more. */
bool message_show(tool *t, const rill_msg *m, uint64_t count);

#endif
