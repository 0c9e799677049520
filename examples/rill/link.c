/* SPDX-License-Identifier: Apache-2.0 */
/* The way to a broker: which URL, who we are, and what becomes of a connection that is lost. A
 * command line is asked once, so a lost connection is its end, and what was said when it was lost
 * is the reason that the user sees; --redial goes on in place of that. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "text.h"
#include "tool.h"

enum {
    LINK_SEED_BYTES = 256,
    LINK_CONNECT_MS = 2000,
    LINK_DRIVEN_BYTES = 1 << 20, /* that may wait to be sent */
    LINK_EVENT_S = 1,       /* how long the reason of an end may come behind it */
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char why[1024];
    int err;
} link_state = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

const char *link_lost(int *err)
{
    static char copy[sizeof link_state.why];
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += LINK_EVENT_S;
    pthread_mutex_lock(&link_state.lock);
    /* The reader of a subscription may hear of its end before the event that says why. */
    while (link_state.err == 0 && pthread_cond_timedwait(&link_state.changed, &link_state.lock,
                                                         &end) == 0)
        continue;
    int found = link_state.err;
    memcpy(copy, link_state.why, sizeof copy);
    pthread_mutex_unlock(&link_state.lock);
    if (found == 0) return NULL;
    *err = found;
    return copy;
}

/* The first reason is the one that counts. */
static void link_lose(int err, const char *detail)
{
    pthread_mutex_lock(&link_state.lock);
    if (link_state.err == 0) {
        link_state.err = err;
        snprintf(link_state.why, sizeof link_state.why, "%s", detail);
        pthread_cond_broadcast(&link_state.changed);
    }
    pthread_mutex_unlock(&link_state.lock);
}

/* On rill's thread. */
static void link_event(rill_bus *bus, const rill_event *ev, void *arg)
{
    tool *t = arg;
    const char *detail = ev->detail ? ev->detail : "";
    char why[1024];
    (void)bus;
    snprintf(why, sizeof why, "the connection%s%s is lost: %s", ev->server ? " to " : "",
             ev->server ? ev->server : "", detail);
    if (ev->kind == RILL_EV_DOWN) {
        if (tool_has(t, OPT_REDIAL)) tool_note(t, "%s; it is dialled again", why);
        else link_lose(RILL_ECONN, why);
    } else if (ev->kind == RILL_EV_SLOW) {
        tool_note(t, "%llu messages were dropped, since they were not read fast enough",
                  (unsigned long long)ev->count);
    } else if (ev->kind == RILL_EV_ERROR) {
        if (ev->err == RILL_EAUTH && (ev->sub || t->refusal_ends)) link_lose(ev->err, detail);
        else tool_note(t, "%s", detail);
    }
}

/* ---- Who we are ---- */

/* The seed in a file; comments and the frame that `nsc` puts around it are passed over. */
static bool link_seed(tool *t, const char *path, char seed[LINK_SEED_BYTES])
{
    FILE *file = fopen(path, "r");
    bool found = false;
    if (!file) return tool_error(t, TOOL_USAGE, "--nkey %s: %s", path, strerror(errno)), false;
    while (!found && fgets(seed, LINK_SEED_BYTES, file)) {
        seed[strcspn(seed, "\r\n \t")] = 0;
        found = seed[0] == 'S' && seed[1] == 'U';
    }
    fclose(file);
    if (!found) tool_error(t, TOOL_USAGE, "--nkey %s: no seed of a user (SU...) is in it", path);
    return found;
}

/* ---- Opening ---- */

static const rill_tls *link_tls(const args *a, rill_tls *tls)
{
    *tls = (rill_tls){.size = sizeof *tls, .ca_file = a->text[OPT_TLS_CA],
                      .cert_file = a->text[OPT_TLS_CERT], .key_file = a->text[OPT_TLS_KEY],
                      .server_name = a->text[OPT_TLS_NAME],
                      .insecure = a->text[OPT_TLS_INSECURE] != NULL,
                      .handshake_first = a->text[OPT_TLS_FIRST] != NULL};
    bool wanted = tls->ca_file || tls->cert_file || tls->key_file || tls->server_name ||
                  tls->insecure || tls->handshake_first;
    return wanted ? tls : NULL;
}

static bool link_is_remote(const char *url)
{
    return strncmp(url, "nats:", 5) == 0 || strncmp(url, "tls:", 4) == 0 ||
           strncmp(url, "ws:", 3) == 0 || strncmp(url, "wss:", 4) == 0 ||
           strncmp(url, "unix:", 5) == 0;
}

bool link_is_server(const tool *t)
{
    return link_is_remote(t->url);
}

/* `driven`: it has no thread, and is the caller's to poll. */
static int link_dial(tool *t, const args *a, rill_bus **bus, bool redial, bool driven)
{
    char seed[LINK_SEED_BYTES] = "";
    const char *from = a->text[OPT_URL] ? a->text[OPT_URL] : "nats://127.0.0.1:4222";
    const char *user = a->text[OPT_USER], *password = a->text[OPT_PASSWORD];
    bool remote = link_is_remote(from);
    rill_tls tls;
#ifdef RILL_STATIC /* what is one static file crashes where it loads a library */
    if (strncmp(from, "kafka", 5) == 0)
        return tool_error(t, TOOL_USAGE, "kafka:// is for a rill with shared libraries; this is "
                          "one static file, which cannot load librdkafka");
#endif
    if (a->text[OPT_NKEY] && !link_seed(t, a->text[OPT_NKEY], seed)) return TOOL_USAGE;
    if (user && !password) password = getenv("RILL_PASSWORD");
    const rill_opts opts = {
        .size = sizeof opts, .on_event = link_event, .arg = t, .name = remote ? "rill" : NULL,
        .domain = remote ? a->text[OPT_DOMAIN] : NULL, .no_redial = remote && !redial,
        .connect_timeout_ms = LINK_CONNECT_MS, .call_timeout_ms = (uint32_t)tool_timeout_ms(t),
        .tls = remote ? link_tls(a, &tls) : NULL, .creds_file = a->text[OPT_CREDS],
        .nkey_seed = seed[0] ? seed : NULL, .ws_compress = a->text[OPT_WS_COMPRESS] != NULL,
        .user = user, .password = password,
        .drive = driven ? RILL_DRIVE_HOST : RILL_DRIVE_THREAD,
        .send_buffer_bytes = driven ? LINK_DRIVEN_BYTES : 0};
    int err = rill_open(bus, from, &opts);
    memset(seed, 0, sizeof seed);
    if (err >= 0) return TOOL_OK;
    char *plain = context_plain_url(from);
    err = tool_failed(t, err, plain ? plain : "open");
    free(plain);
    return err;
}

/* --url over --context over RILL_URL over what is selected. */
static bool link_where(tool *t, args *a, char **room)
{
    const char *url = getenv("RILL_URL"), *context = a->text[OPT_CONTEXT];
    if (a->text[OPT_URL] && !context) return true;
    if (!context && url && url[0]) return args_set(a, "url", url);
    return context_load(t, a, context, room);
}

int link_open(tool *t)
{
    if (!link_where(t, &t->args, &t->context)) return TOOL_USAGE;
    const char *url = tool_text(t, OPT_URL);
    t->url = context_plain_url(url ? url : "nats://127.0.0.1:4222");
    return link_dial(t, &t->args, &t->bus, tool_has(t, OPT_REDIAL), false);
}

int link_open_again(tool *t, rill_bus **bus)
{
    return link_dial(t, &t->args, bus, tool_has(t, OPT_REDIAL), false);
}

int link_open_driven(tool *t, rill_bus **bus)
{
    return link_dial(t, &t->args, bus, tool_has(t, OPT_REDIAL), true);
}

bool link_can_drive(const tool *t)
{
    const char *url = tool_text(t, OPT_URL);
    return !url || strncmp(url, "nats://", 7) == 0 || strncmp(url, "tls://", 6) == 0;
}

int link_open_at(tool *t, rill_bus **bus, const char *where)
{
    args at = {0};
    char *room = NULL;
    bool found = true;
    if (strchr(where, ':')) at.text[OPT_URL] = where;
    else found = context_load(t, &at, where, &room);
    int code = found ? link_dial(t, &at, bus, true, false) : TOOL_USAGE;
    free(room);
    return code;
}

int link_round_trip(tool *t, int64_t *ns)
{
    char inbox[RILL_INBOX_LEN];
    int64_t before = tool_now_ns();
    /* Without something to arrive a flush has nothing to wait for. Kafka has no inboxes: there it
     * is the flush alone. */
    if (rill_caps(t->bus) & RILL_CAN_REQUEST && rill_inbox(t->bus, inbox, sizeof inbox) >= 0)
        rill_publish(t->bus, inbox, "", 0, NULL);
    int err = rill_flush(t->bus, tool_timeout_ms(t));
    *ns = tool_now_ns() - before;
    return err;
}

void link_close(tool *t)
{
    rill_close(t->bus, stop_asked() ? 0 : TOOL_CLOSE_MS);
    t->bus = NULL;
    free(t->url);
    free(t->context);
    t->url = t->context = NULL;
}

/* ---- Messages ---- */

int link_next(rill_sub *sub, const rill_msg **m, int64_t wait_ms)
{
    int64_t end_ns = wait_ms < 0 ? INT64_MAX : tool_now_ns() + wait_ms * 1000000;
    stop_loop(true);
    for (;;) {
        if (stop_asked()) return RILL_ECANCELED;
        int64_t left_ms = (end_ns - tool_now_ns()) / 1000000;
        int slice = left_ms > TOOL_SLICE_MS ? TOOL_SLICE_MS : left_ms > 0 ? (int)left_ms : 0;
        int err = rill_next(sub, m, slice);
        if (err != RILL_ETIMEDOUT && err != RILL_EAGAIN) return err;
        if (left_ms <= 0) return RILL_ETIMEDOUT;
    }
}

int link_ended(tool *t, int err, const char *what)
{
    int why = 0;
    if (err >= 0) return TOOL_OK;
    if (err == RILL_ECANCELED) return TOOL_INTERRUPTED;
    if (err == RILL_ETIMEDOUT && tool_has(t, OPT_WAIT))
        return tool_error(t, TOOL_TIMEOUT, "%s: nothing came within %s", what,
                          tool_text(t, OPT_WAIT));
    if (err == RILL_ECLOSED && !link_lost(&why))
        return tool_error(t, TOOL_NOT_FOUND, "%s: it was deleted meanwhile", what);
    return tool_failed(t, err, what);
}
