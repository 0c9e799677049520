/* SPDX-License-Identifier: Apache-2.0 */
#include "support/far.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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

static pipe_end *far_end(far *f)
{
    if (f->ndials == 0) die("nothing was dialled");
    return &f->pipes[f->ndials - 1].end[1];
}

/* ---- A server by a script ---- */

static far *far_followed; /* there is one at a time */

/* The name in $JS.API.CONSUMER.CREATE.<stream>.<name>...; empty: there is none. */
static ri_str far_name(ri_str subject)
{
    ri_str token = RI_STR_NONE;
    for (int i = 0; i < 6; i++)
        if (!ri_str_cut(&subject, '.', &token)) return RI_STR_NONE;
    return token;
}

/* `answer` with its names filled in. */
static size_t far_fill(char *body, size_t room, ri_str answer, ri_str name)
{
    size_t len = 0;
    for (size_t i = 0; i < answer.len; i++) {
        if (len + name.len + 1 >= room) die("that answer is too long");
        if (answer.ptr[i] != '%' || i + 1 == answer.len || answer.ptr[i + 1] != 'n') {
            body[len++] = answer.ptr[i];
            continue;
        }
        memcpy(body + len, name.ptr, name.len);
        len += name.len;
        i++;
    }
    body[len] = 0;
    return len;
}

static void far_reply_one(far *f, const ri_message *request, ri_str answer)
{
    char body[4096], line[256];
    size_t len = far_fill(body, sizeof body, answer, far_name(request->subject));
    const char *rest = strncmp(body, "NATS/1.0", 8) == 0 ? strstr(body, "\r\n\r\n") : NULL;
    int n = rest ? snprintf(line, sizeof line, "HMSG %.*s %u %zu %zu\r\n", RI_ARG(request->reply),
                            f->answer_sid, (size_t)(rest + 4 - body), len)
                 : snprintf(line, sizeof line, "MSG %.*s %u %zu\r\n", RI_ARG(request->reply),
                            f->answer_sid, len);
    pipe_put(far_end(f), line, (size_t)n);
    pipe_put(far_end(f), body, len);
    pipe_put(far_end(f), "\r\n", 2);
}

static void far_reply(far *f, const ri_message *request, const char *answers)
{
    ri_str rest = ri_str_of(answers), one;
    if (!request->reply.len) return;
    while (ri_str_cut(&rest, FAR_THEN[0], &one)) {
        if (ri_str_is(one, FAR_CUT)) {
            far_end(f)->wire.ops->close(&far_end(f)->wire);
            return;
        }
        if (ri_str_starts(one, RI_STR("-ERR "))) pipe_put(far_end(f), one.ptr, one.len);
        else far_reply_one(f, request, one);
    }
}

static void far_obey(far *f, const ri_nats_op *op)
{
    ri_str subject = op->m.subject;
    if (op->kind == RI_NATS_PING && f->serves) pipe_put(far_end(f), "PONG\r\n", 6);
    if (op->kind == RI_NATS_SUB && subject.ptr[subject.len - 1] == '*')
        f->answer_sid = (unsigned)strtoul(op->sid.ptr, NULL, 10);
    if (op->kind != RI_NATS_PUB && op->kind != RI_NATS_HPUB) return;
    for (const far_row *row = f->serves; row && row->subject; row++) {
        if (!ri_str_starts(subject, ri_str_of(row->subject))) continue;
        if (++f->answered == f->changes_at) f->serves = f->changed;
        far_reply(f, &op->m, row->answer);
        return;
    }
    if (!f->script || !f->script->subject) return;
    if (!ri_str_starts(subject, ri_str_of(f->script->subject))) return;
    const char *answer = f->script->answer;
    f->script++;
    far_reply(f, &op->m, answer);
}

/* Whatever has been written is heard, and what is asked for is answered. */
static void far_listen(far *f)
{
    ri_nats parser;
    ri_nats_op op;
    size_t room = sizeof f->heard - 1 - f->nheard;
    f->nheard += pipe_get(far_end(f), f->heard + f->nheard, room);
    ri_nats_init(&parser, RI_NATS_FROM_CLIENT);
    for (int used; f->judged < f->nheard; f->judged += (size_t)used) {
        used = ri_nats_parse(&parser, f->heard + f->judged, f->heard + f->nheard, &op);
        if (used < 0) die("that is no operation: %s", f->heard + f->judged);
        if (used == 0 || far_end(f)->closed) return;
        far_obey(f, &op);
    }
}

static ssize_t far_writev(ri_wire *wire, const struct iovec *iov, int n)
{
    far *f = far_followed;
    ssize_t rc = f->pipe_writev(wire, iov, n);
    if (rc > 0 && (f->script || f->serves)) far_listen(f);
    return rc;
}

void far_follow(far *f, const far_row *script)
{
    f->script = script;
}

void far_serve(far *f, const far_row *rows, const char *info)
{
    f->serves = rows;
    f->info = info;
    if (f->ndials) pipe_put(far_end(f), info, strlen(info));
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
    f->nheard = f->judged = 0;
    f->pipe_writev = p->end[0].wire.ops->writev;
    f->ops = *p->end[0].wire.ops;
    f->ops.writev = far_writev;
    p->end[0].wire.ops = &f->ops;
    *wire = &p->end[0].wire;
    if (f->serves) pipe_put(far_end(f), f->info, strlen(f->info));
    return RILL_OK;
}

static void far_on_event(rill_bus *bus, const rill_event *ev, void *arg)
{
    static const char *const kinds[] = {[RILL_EV_UP] = "UP", [RILL_EV_DOWN] = "DOWN",
                                        [RILL_EV_ERROR] = "ERROR", [RILL_EV_SLOW] = "SLOW",
                                        [RILL_EV_CLOSED] = "CLOSED"};
    (void)bus;
    far *f = arg;
    if (ev->sub) f->concerned = ev->sub;
    if (ev->err && ev->detail) snprintf(f->why, sizeof f->why, "%s", ev->detail);
    far_note(arg, "%s%s%s%s%s\n", kinds[ev->kind], ev->err ? " " : "",
             ev->err ? ri_err_name(ev->err) : "", ev->subject ? " " : "",
             ev->subject ? ev->subject : "");
}

int far_open(far *f, const char *text, const rill_opts *opts)
{
    static const rill_opts defaults = {.size = sizeof defaults};
    ri_url url;
    f->dialler = (ri_nats_dialler){far_dial, f};
    far_followed = f;
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
    size_t got;
    far_turn(f);
    while ((got = pipe_get(far_end(f), f->heard + f->nheard, sizeof f->heard - 1 - f->nheard))) {
        f->nheard += got;
        far_turn(f);
    }
    f->heard[f->nheard] = 0;
    f->nheard = f->judged = 0;
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

ri_nats_peer *far_peer(const far *f)
{
    return ri_nats_peer_of(f->bus);
}

void far_on_stored(int err, const rill_receipt *receipt, void *arg)
{
    far_ended *ended = arg;
    ended->err = err;
    ended->seq = receipt->seq;
    snprintf(ended->text, sizeof ended->text, "%s", err < 0 ? ri_err_text() : "");
}

const char *far_replied(far *f, const char *line)
{
    static char reply[80];
    const char *at = strstr(far_hear(f), line);
    if (!at || sscanf(at + strlen(line), "%79s", reply) != 1) die("no line begins with %s", line);
    return reply;
}

void far_acknowledge(far *f, const char *reply, int seq)
{
    char line[256], json[64];
    int len = snprintf(json, sizeof json, "{\"stream\":\"S\",\"seq\":%d}", seq);
    snprintf(line, sizeof line, "MSG %s %llu %d\r\n%s\r\n", reply,
             (unsigned long long)far_peer(f)->calls.inbox.fanned, len, json);
    far_say(f, line);
}
