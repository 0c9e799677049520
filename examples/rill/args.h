/* SPDX-License-Identifier: Apache-2.0 */
/* The command line. One table (commands.c) has every command with its arguments and options; this
 * reads argv by it, help.c prints it, and the completions of shells and the manual page are made
 * from it. Options may stand before, between and behind the words of a command; "--" ends them. */
#ifndef RILL_TOOL_ARGS_H
#define RILL_TOOL_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ARGS_ERROR_BYTES = 512,
    ARGS_LIST_MAX = 256,  /* values of options that may be given several times */
};

typedef enum opt_kind {
    OPT_SWITCH,
    OPT_TEXT,
    OPT_LIST,    /* a text that may be given again and again */
    OPT_NUMBER,
    OPT_SIZE,    /* bytes: 4096, 64KiB, 10MB */
    OPT_SPAN,    /* ms: 500ms, 5s, 2m, 1h, 7d */
    OPT_MOMENT,  /* ns since 1970: 2026-01-02T15:04:05Z, or a span ago */
    OPT_CHOICE,  /* one of the words of `arg`, which are parted by |; its place among them */
} opt_kind;

typedef enum opt_id {
    OPT_NONE,
    OPT_URL, OPT_CONTEXT, OPT_CREDS, OPT_USER, OPT_PASSWORD, OPT_NKEY, OPT_TLS_CA, OPT_TLS_CERT,
    OPT_TLS_KEY, OPT_TLS_NAME, OPT_TLS_INSECURE, OPT_TLS_FIRST, OPT_WS_COMPRESS, OPT_DOMAIN,
    OPT_TIMEOUT, OPT_JSON, OPT_COLOUR, OPT_REDIAL, OPT_HELP, OPT_VERSION,
    OPT_HEADER, OPT_REPLY, OPT_COUNT, OPT_APPEND, OPT_MSG_ID, OPT_EXPECT, OPT_TTL, OPT_LINES,
    OPT_QUEUE, OPT_RAW, OPT_REPLIES, OPT_COMMAND, OPT_WAIT, OPT_LISTEN, OPT_DIR, OPT_NAME,
    OPT_FORCE, OPT_FILTER, OPT_SUBJECT, OPT_DESCRIPTION, OPT_MAX_MSGS, OPT_MAX_BYTES,
    OPT_MAX_PER_SUBJECT, OPT_MAX_AGE, OPT_MAX_MSG, OPT_MAX_GROUPS, OPT_KEEP, OPT_DEDUPE,
    OPT_MEMORY, OPT_REJECT, OPT_ALLOW_TTL, OPT_COMPACT, OPT_REPLICAS, OPT_PARTITIONS, OPT_BEFORE,
    OPT_KEEP_LAST, OPT_FIRST, OPT_LAST, OPT_NEW, OPT_SEQ, OPT_TIME, OPT_FROM, OPT_END, OPT_EMPTY,
    OPT_OVER, OPT_IDLE, OPT_NO_GROUPS, OPT_ACK, OPT_ACK_WAIT, OPT_MAX_DELIVERIES, OPT_MAX_UNACKED,
    OPT_DEAD_LETTERS, OPT_INACTIVE, OPT_NO_ACK, OPT_HISTORY, OPT_KEY_TTL, OPT_REVISION,
    OPT_OUTPUT, OPT_CHANGES, OPT_BYTES, OPT_CLIENTS, OPT_ONCE, OPT_INTERVAL, OPT_WARN, OPT_CRIT,
    OPT_STREAM, OPT_INTO, OPT_MAP, OPT_UNTIL_EMPTY, OPT_SECRETS, OPT_SELECT, OPT_WINDOW,
    OPT_OTHERS, OPT_AGE, OPT_MONITOR,
    OPTS_END
} opt_id;

typedef struct opt {
    opt_id id;
    char letter;       /* 0: none */
    opt_kind kind;
    const char *name;  /* "count" */
    const char *arg;   /* "N"; NULL for a switch */
    const char *help;
} opt;

struct tool;
typedef struct command_row {
    const char *name;   /* "stream add" */
    const char *words;  /* "STREAM [SUBJECT...]" */
    const char *brief;  /* a line without a full stop */
    const char *more;   /* sentences, and examples behind "Examples:"; NULL: none */
    const opt *opts;    /* up to OPT_NONE; NULL: none */
    int (*run)(struct tool *tool);
} command_row;

typedef struct args {
    const command_row *command;        /* NULL: none was named */
    const char *group;             /* "stream" of "rill stream --help"; else NULL */
    const char *text[OPTS_END];  /* as it was given; NULL: it was not */
    uint64_t number[OPTS_END];   /* of kinds from OPT_NUMBER on */
    struct {
        opt_id id;
        const char *value;
    } list[ARGS_LIST_MAX];
    size_t nlist;
    const char **words;            /* behind the command's name; ours */
    size_t nwords;
    char error[ARGS_ERROR_BYTES];
} args;

/* False leaves a sentence, that says what to do, in error. args_free() it either way. Strings of
 * argv are used, not copied. */
bool args_parse(args *a, int argc, char **argv);
void args_free(args *a);
/* The value of a global option from elsewhere than argv, where that has none. False, with a
 * sentence, if there is no such option, or the value is not right for it. `value` is used, not
 * copied. */
bool args_set(args *a, const char *name, const char *value);
/* Where a command takes values outside of options. */
bool args_number(const char *value, uint64_t *number);
bool args_span(const char *value, uint64_t *ms);

#endif
