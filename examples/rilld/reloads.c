/* SPDX-License-Identifier: Apache-2.0 */
#include "reloads.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "log.h"

enum {
    RELOADS_BODY = 4096, /* bytes of the options of a request, as of others in $SYS.REQ */
    RELOADS_NAME = 256,
};

/* ---- Answers ---- */

static void reloads_put_text(ri_buffer *out, const char *name, const char *text)
{
    ri_buffer_printf(out, "\"%s\":", name);
    ri_json_put_string(out, ri_str_of(text ? text : ""));
}

void reloads_put_server(rill_broker *broker, bool jetstream, uint64_t seq, ri_buffer *out)
{
    char time[RI_RFC3339_MAX];
    ri_host host;
    rill_broker_info info = {.size = sizeof info};
    ri_host_init(&host, NULL);
    int len = (int)ri_rfc3339_write(time, ri_wall_ns(&host));
    rill_broker_about(broker, &info);
    ri_buffer_puts(out, "\"server\":{");
    reloads_put_text(out, "name", info.name);
    ri_buffer_puts(out, ",\"host\":\"\",");
    reloads_put_text(out, "id", info.id);
    ri_buffer_puts(out, ",");
    reloads_put_text(out, "ver", info.version);
    ri_buffer_printf(out, ",\"jetstream\":%s,\"flags\":%d,\"seq\":%llu,\"time\":\"%.*s\"}",
                     jetstream ? "true" : "false", jetstream, (unsigned long long)seq, len, time);
}

static void reloads_say(reloads *self, const rill_msg *m, int code, const char *error)
{
    ri_buffer out;
    ri_host host;
    ri_host_init(&host, NULL);
    ri_buffer_init(&out, &host);
    ri_buffer_puts(&out, "{");
    reloads_put_server(self->broker, self->jetstream, ++self->answers, &out);
    if (error[0]) {
        ri_buffer_printf(&out, ",\"error\":{\"code\":%d,", code);
        reloads_put_text(&out, "description", error);
        ri_buffer_puts(&out, "}");
    }
    ri_buffer_puts(&out, "}");
    ri_str text = ri_buffer_str(&out);
    if (!out.failed && rill_reply(m, text.ptr, text.len, NULL) < 0)
        log_line(RILL_ERROR, "reload: %s", rill_errmsg());
    ri_buffer_fini(&out);
}

/* ---- Requests ---- */

/* A request may name a server, by a part of its name unless it says otherwise; or a cluster or
 * tags, of which there are none here. */
static bool reloads_is_meant(reloads *self, ri_json root)
{
    char name[RELOADS_NAME];
    ri_json wanted = ri_json_get(root, "server_name"), cluster = ri_json_get(root, "cluster");
    rill_broker_info info = {.size = sizeof info};
    rill_broker_about(self->broker, &info);
    if (ri_json_kind_of(cluster) == RI_JSON_STRING && ri_json_copy(cluster, name, sizeof name))
        return false;
    if (ri_json_len(ri_json_get(root, "tags")) > 0) return false;
    if (!info.name || !ri_json_copy(wanted, name, sizeof name)) return true;
    bool exact = ri_json_bool(ri_json_get(root, "exact_match"));
    return exact ? strcmp(info.name, name) == 0 : strstr(info.name, name) != NULL;
}

static void reloads_on_msg(rill_sub *sub, const rill_msg *m, void *arg)
{
    reloads *self = arg;
    ri_json root;
    (void)sub;
    if (!m->reply.len) return; /* as of all that is asked for in $SYS.REQ nothing is done */
    bool good = m->data.len <= RELOADS_BODY &&
                (!m->data.len || ri_json_parse(&root, (ri_str){m->data.ptr, m->data.len}) >= 0);
    if (good && m->data.len) good = ri_json_kind_of(root) == RI_JSON_OBJECT;
    if (!good) reloads_say(self, m, 400, "invalid JSON");
    else if (m->data.len && !reloads_is_meant(self, root)) return;
    else if (self->nasked < RELOADS_MAX) self->asked[self->nasked++] = rill_msg_ref(m);
}

bool reloads_turn(reloads *self)
{
    if (self->bus && rill_poll(self->bus, 0) < 0)
        log_line(RILL_ERROR, "reload: %s", rill_errmsg());
    return self->nasked > 0;
}

void reloads_answer(reloads *self, const char *error)
{
    for (int i = 0; i < self->nasked; i++) {
        reloads_say(self, self->asked[i], 500, error);
        rill_msg_unref((rill_msg *)(uintptr_t)self->asked[i]);
    }
    self->nasked = 0;
}

int reloads_fd(reloads *self)
{
    return self->bus ? rill_fd(self->bus) : -1;
}

int reloads_wait_ms(reloads *self)
{
    return self->bus ? rill_wait_ms(self->bus) : -1;
}

/* ---- Life ---- */

void reloads_stop(reloads *self)
{
    rill_sub_close(self->sub);
    if (self->bus) rill_close(self->bus, 0);
    self->sub = NULL;
    self->bus = NULL;
}

/* A bus in that account; NULL: there is none of that name. */
static rill_bus *reloads_open(rill_broker *broker, const char *account)
{
    const rill_user who = {.size = sizeof who, .user = "reload", .account = account};
    rill_bus *bus = NULL;
    int rc = rill_broker_bus(broker, &bus, RILL_OPTS(rill_opts, .identity = &who,
                                                     .drive = RILL_DRIVE_HOST));
    return rc == RILL_OK ? bus : NULL;
}

/* A bus whose account is there as before goes on: what was asked meanwhile waits in it. */
void reloads_start(reloads *self, rill_broker *broker, const char *account, bool jetstream)
{
    const rill_sub_opts opts = {.size = sizeof opts, .on_msg = reloads_on_msg, .arg = self,
                                .pending_msgs = RELOADS_MAX};
    rill_broker_info info = {.size = sizeof info};
    rill_bus *bus = reloads_open(broker, account);
    bool same = bus && self->bus && strcmp(account, self->account) == 0;
    char subject[128];
    self->broker = broker;
    self->jetstream = jetstream;
    if (same) {
        rill_close(bus, 0);
        return;
    }
    reloads_stop(self);
    snprintf(self->account, sizeof self->account, "%s", account);
    self->bus = bus;
    rill_broker_about(broker, &info);
    snprintf(subject, sizeof subject, "$SYS.REQ.SERVER.%s.RELOAD", info.id);
    if (bus && rill_subscribe(bus, &self->sub, subject, &opts) < 0)
        log_line(RILL_ERROR, "reload: %s", rill_errmsg());
}
