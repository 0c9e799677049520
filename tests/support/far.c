/* SPDX-License-Identifier: Apache-2.0 */
#include "support/far.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"
#include "support/die.h"

enum { FAR_TURNS_MAX = 10000, FAR_STILL = 4 };

static void far_note(far *f, const char *fmt, ...) RI_PRINTF(2, 3);
static void far_note(far *f, const char *fmt, ...)
{
    size_t len = strlen(f->notes);
    va_list args;
    va_start(args, fmt);
    vsnprintf(f->notes + len, sizeof f->notes - len, fmt, args);
    va_end(args);
}

static int far_dial(void *arg, const char *host, uint16_t port, ri_wire **wire)
{
    far *f = arg;
    far_note(f, "dial %s:%u\n", host, port);
    if (f->refuse && f->refuse--) return ri_err(RILL_ECONN, "%s is not there", host);
    if (f->ndials == FAR_DIALS_MAX) die("more than %d dials", FAR_DIALS_MAX);
    pipe_pair *p = &f->pipes[f->ndials++];
    pipe_init(p);
    if (f->room) p->flow[0].room = f->room;
    *wire = &p->end[0].wire;
    return RILL_OK;
}

static void far_on_event(rill_bus *bus, const rill_event *ev, void *arg)
{
    static const char *const kinds[] = {[RILL_EV_UP] = "UP", [RILL_EV_DOWN] = "DOWN",
                                        [RILL_EV_ERROR] = "ERROR", [RILL_EV_SLOW] = "SLOW",
                                        [RILL_EV_CLOSED] = "CLOSED"};
    (void)bus;
    far_note(arg, "%s%s%s%s%s\n", kinds[ev->kind], ev->err ? " " : "",
             ev->err ? ri_err_name(ev->err) : "", ev->subject ? " " : "",
             ev->subject ? ev->subject : "");
}

int far_open(far *f, const char *text, const rill_opts *opts)
{
    static const rill_opts defaults = {.size = sizeof defaults};
    ri_url url;
    f->dialler = (ri_nats_dialler){far_dial, f};
    rill_opts own = opts ? *opts : defaults;
    own.host = &f->fault.hooks;
    own.drive = RILL_DRIVE_HOST;
    own.no_wait = true;
    own.on_event = far_on_event;
    own.arg = f;
    int rc = ri_url_parse(&url, &f->fault.host, text);
    if (rc < 0) return rc;
    rc = ri_nats_peer_open(&f->bus, &url, &own, &f->dialler);
    ri_url_fini(&url);
    if (rc == RILL_OK) far_turn(f); /* it dials */
    return rc;
}

void far_close(far *f)
{
    rill_close(f->bus, 0);
    f->bus = NULL;
    for (int i = 0; i < f->ndials; i++) pipe_fini(&f->pipes[i]);
}

void far_turn(far *f)
{
    int still = 0;
    for (int i = 0; still < FAR_STILL; i++) {
        int ran = rill_poll(f->bus, 0);
        if (ran < 0) return; /* it is closed */
        still = ran == 0 && rill_wait_ms(f->bus) != 0 ? still + 1 : 0;
        if (i == FAR_TURNS_MAX) die("a handle is busy without end");
    }
}

void far_pass(far *f, int64_t ns)
{
    f->fault.now_ns += ns;
    far_turn(f);
}

static pipe_end *far_end(far *f)
{
    if (f->ndials == 0) die("nothing was dialled");
    return &f->pipes[f->ndials - 1].end[1];
}

void far_say_bytes(far *f, const char *bytes, size_t len)
{
    const pipe_pair *p = &f->pipes[f->ndials - 1];
    for (size_t at = 0; at < len && !p->end[0].closed; far_turn(f))
        at += pipe_put(far_end(f), bytes + at, len - at);
    far_turn(f);
}

void far_say(far *f, const char *text)
{
    far_say_bytes(f, text, strlen(text));
}

void far_cut(far *f)
{
    pipe_end *end = far_end(f);
    if (!end->closed) end->wire.ops->close(&end->wire);
    far_turn(f);
}

const char *far_hear(far *f)
{
    size_t len = 0, got;
    far_turn(f);
    while ((got = pipe_get(far_end(f), f->heard + len, sizeof f->heard - 1 - len))) {
        len += got;
        far_turn(f);
    }
    f->heard[len] = 0;
    return f->heard;
}

void far_greet_with(far *f, const char *more)
{
    far_turn(f);
    far_say(f, FAR_INFO);
    far_say(f, more);
    far_say(f, "} \r\n");
    const char *login = far_hear(f);
    if (strncmp(login, "CONNECT {", 9) != 0 || !strstr(login, "\r\nPING\r\n"))
        die("that is no login: %s", login);
    far_say(f, "PONG\r\n");
}

void far_greet(far *f)
{
    far_greet_with(f, "");
}

const char *far_notes(far *f)
{
    if (f->bus) far_turn(f);
    memcpy(f->told, f->notes, sizeof f->told);
    f->notes[0] = 0;
    return f->told;
}
