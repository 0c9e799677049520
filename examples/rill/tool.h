/* SPDX-License-Identifier: Apache-2.0 */
/* One run of the tool: what was asked, the bus that it is asked of, and what goes out. */
#ifndef RILL_TOOL_TOOL_H
#define RILL_TOOL_TOOL_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "args.h"
#include "out.h"
#include "rill.h"

/* How it ends; `rill help exit-codes` says so, and `check` has codes of its own. */
enum {
    TOOL_OK = 0,
    TOOL_FAILED = 1,       /* in a way that has no code of its own */
    TOOL_USAGE = 2,        /* the command line, or a value in it, is wrong */
    TOOL_NOT_FOUND = 3,    /* no such stream, group, bucket, key, object or message */
    TOOL_CONFLICT = 4,     /* it is there already, or somebody else has changed it */
    TOOL_UNREACHABLE = 5,  /* no connection, or it was lost */
    TOOL_REFUSED = 6,      /* wrong credentials, or no right */
    TOOL_TIMEOUT = 7,      /* the time ran out, or nobody answers */
    TOOL_DAMAGED = 8,      /* what is stored is not what was written */
    TOOL_FULL = 9,         /* a limit or the disk is full, or a message too large */
    TOOL_UNSURE = 10,      /* the connection was lost behind a change: look whether it was made */
    TOOL_INTERRUPTED = 130,
    TOOL_PIPE = 141,       /* who read standard output has gone; nothing is said */
};

enum { CHECK_OK, CHECK_WARNING, CHECK_CRITICAL, CHECK_UNKNOWN };

enum {
    TOOL_SLICE_MS = 100,     /* how long a loop waits at most before it looks for signals */
    TOOL_TIMEOUT_MS = 5000,  /* --timeout */
    TOOL_LATER_MAX = 65536,  /* bytes that are held for stderr */
    TOOL_CLOSE_MS = 2000,    /* how long what was sent may take to leave at the end */
};

typedef struct tool {
    args args;
    out out;
    rill_bus *bus;          /* of link_open(); closed at the end */
    char *url;              /* of it, without what is secret; ours */
    char *context;          /* the file of its context; args points into it; ours */
    bool refusal_ends;      /* what may not be published is how it ends, not a note */
    bool held;              /* a screen is shown: what is said on stderr waits in `later` */
    text later;
} tool;

/* ---- Options, by what the table makes of them ---- */

static inline bool tool_has(const tool *t, opt_id id)
{
    return t->args.text[id] != NULL;
}

static inline const char *tool_text(const tool *t, opt_id id)
{
    return t->args.text[id];
}

static inline uint64_t tool_number(const tool *t, opt_id id, uint64_t otherwise)
{
    return t->args.text[id] ? t->args.number[id] : otherwise;
}

/* The i-th word behind the command; NULL if it was left out. */
static inline const char *tool_word(const tool *t, size_t i)
{
    return i < t->args.nwords ? t->args.words[i] : NULL;
}

int tool_timeout_ms(const tool *t);

/* ---- Endings ---- */

/* Which exit code stands for that RILL_E*. */
int tool_code(int err);
/* Say on stderr what went wrong with `what`, by rill_errmsg() and with a hint where there is one;
 * returns the exit code. Call it before any other call of rill. */
int tool_failed(tool *t, int err, const char *what);
/* Another failure; the text may hold bytes of strangers. Returns `code`. */
__attribute__((format(printf, 3, 4))) int tool_error(tool *t, int code, const char *format, ...);
/* A line on stderr beside what goes on. */
__attribute__((format(printf, 2, 3))) void tool_note(tool *t, const char *format, ...);
/* The screen has gone: say what was held. */
void tool_release(tool *t);
/* May what cannot be undone be done? --force says so, or somebody at the terminal. */
bool tool_sure(tool *t, const char *format, const char *name);

/* ---- Signals (stop.c) ---- */

/* From now on INT, TERM and HUP set stop_asked() if a loop looks for it, and else end the process
 * at once, with 130. What was registered by stop_remove() is removed then. */
void stop_install(void);
/* A loop begins, or is over, that calls stop_asked() every TOOL_SLICE_MS. */
void stop_loop(bool begins);
bool stop_asked(void);
/* A file that is half written, or NULL. Kept, not copied. */
void stop_remove(const char *path);
/* Bytes for a terminal when the process ends at once; NULL: none. Kept, not copied. */
void stop_restore(int fd, const char *bytes);

/* How the terminal of stdin is left then; NULL: as it is. Kept, not copied. */
struct termios;
void stop_termios(const struct termios *saved);

/* ---- The bus (link.c) ---- */

/* Open what --url, --context, RILL_URL or the selected context name; on failure it has been said,
 * and the exit code is returned. */
int link_open(tool *t);
/* The same for another place, by a URL or the name of a context. */
int link_open_at(tool *t, rill_bus **bus, const char *where);
/* Is that a NATS server? */
bool link_is_server(const tool *t);
/* One more bus to where link_open() has been. */
int link_open_again(tool *t, rill_bus **bus);
/* The same without a thread, where link_can_drive(): its one user polls it, and what waits to be
 * sent fits into a processor's cache. */
int link_open_driven(tool *t, rill_bus **bus);
bool link_can_drive(const tool *t);
/* How long the peer takes to answer that something has arrived; an error of rill_flush(). */
int link_round_trip(tool *t, int64_t *ns);
void link_close(tool *t);
/* Why was the connection lost, or what did the server refuse? Asked when something has ended: it
 * waits a moment for the reason. NULL: there is none; else *err says which kind that is. */
const char *link_lost(int *err);
/* The next message: RILL_OK, or RILL_ETIMEDOUT after `wait_ms` (< 0: never), RILL_ECANCELED when a
 * signal came, or an error of rill_next(). */
int link_next(rill_sub *sub, const rill_msg **m, int64_t wait_ms);
/* How a loop over messages ended, said if it was an error. */
int link_ended(tool *t, int err, const char *what);

/* ---- Contexts (context.c) ---- */

/* Fill options that were not given from the context of that name; NULL: from the selected one, if
 * there is one. *room is what they point into: yours to free. False: it has been said. */
bool context_load(tool *t, args *into, const char *name, char **room);
/* The URL without user, password and token; yours to free. */
char *context_plain_url(const char *url);

int64_t tool_now_ns(void);   /* never goes back */
int64_t tool_wall_ns(void);

#endif
