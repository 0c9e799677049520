/* SPDX-License-Identifier: Apache-2.0 */
#include "micro/micro_nats.h"

#include "micro/micro_scan.h"

#ifdef RI_MICRO_NATS

/* ---- Messages ---- */

/* Bytes of the operation at the front of `s`,
    which has been written here: the last word of its line
 * is the size of what follows. */
static size_t micro_nats_out_size(const char *s, size_t len)
{
    const char *lf = memchr(s, '\n', len), *at = lf - 1; /* at the CR */
    RI_ASSERT(lf && lf > s && *at == '\r');
    size_t size = 0, unit = 1;
    for (at--; *at != ' '; at--, unit *= 10) size += unit * (size_t)(*at - '0');
    RI_ASSERT(at > s && (size_t)(lf - s) + 1 + size + 2 <= len);
    return (size_t)(lf - s) + 1 + size + 2;
}

/* Take the operations off the front of `out` that the wire has had as a whole. */
static void micro_nats_out_drop(ri_micro_nats *n)
{
    RI_ASSERT(n->out_sent <= n->out_len && n->out_goal <= n->out_len);
    size_t at = 0;
    while (at < n->out_sent) {
        size_t size = micro_nats_out_size(n->out + at, n->out_len - at);
        if (at + size > n->out_sent) break;
        at += size;
    }
    memmove(n->out, n->out + at, n->out_len - at);
    n->out_base += at;
    n->out_len -= at;
    n->out_sent -= at;
    n->out_goal = n->out_goal > at ? n->out_goal - at : 0;
}

static size_t micro_nats_out_room(const ri_micro_nats *n)
{
    return n->out_cap - n->out_len;
}

static bool micro_nats_out_make_room(ri_micro_nats *n, size_t need)
{
    if (micro_nats_out_room(n) >= need) return true;
    micro_nats_out_drop(n);
    if (micro_nats_out_room(n) >= need || n->state != MICRO_NATS_UP || n->bus->turning)
        return micro_nats_out_room(n) >= need;
    /* An error is met in the next turn. */
    if (ri_micro_nats_out_write(n) > 0) micro_nats_out_drop(n);
    return micro_nats_out_room(n) >= need;
}

int ri_micro_nats_out_put(ri_micro_nats *n, const ri_micro_out *msg, ri_micro_call *call)
{
    RI_CHECK(n->bus, RI_MICRO_MAGIC);
    RI_ASSERT(msg->subject.len > 0);
    size_t bytes = msg->header_bytes + msg->data.len;
    if (n->max_payload > 0 && bytes > n->max_payload)
        return ri_err(RILL_ETOOBIG, "a message of %zu bytes is larger than the server takes",
                      bytes);
    if (msg->header_bytes > 0 && !n->headers)
        return ri_err(RILL_ENOTSUP, "the server takes no headers");
    size_t line_room = RI_NATS_PUB_ROOM(msg->subject.len, msg->reply.len);
    if (!micro_nats_out_make_room(n, line_room + bytes + 2))
        return ri_err(RILL_EAGAIN, "send_buffer_bytes are full");
    char *at = ri_nats_put_pub(n->out + n->out_len, msg->subject, msg->reply, msg->header_bytes,
                               msg->data.len);
    if (msg->header_bytes > 0) at = ri_micro_send_headers(at, msg);
    at = ri_str_put(ri_micro_copy(at, msg->data), RI_NATS_CRLF);
    n->out_len = (size_t)(at - n->out);
    RI_ASSERT(n->out_len <= n->out_cap);
    if (call) call->sent_at = n->out_base + n->out_len;
    return RILL_OK;
}

/* ---- Control ---- */

static bool micro_nats_out_ctl_room(const ri_micro_nats *n, size_t need)
{
    return n->ctl_cap - n->ctl_len >= need;
}

static void micro_nats_out_ctl(ri_micro_nats *n, ri_str line)
{
    RI_ASSERT(micro_nats_out_ctl_room(n, line.len));
    n->ctl_len = (size_t)(ri_str_put(n->ctl + n->ctl_len, line) - n->ctl);
}

/* SUB or UNSUB, if there is room; false: later. */
static bool micro_nats_out_interest(ri_micro_nats *n, rill_sub *sub)
{
    if (sub->in_callback && sub->state == RI_MICRO_SUB_ENDING) return true; /* ... behind that */
    bool open = sub->state == RI_MICRO_SUB_OPEN;
    char *at = n->ctl + n->ctl_len;
    if (open && !sub->sent) {
        ri_str queue = sub->reader ? RI_STR_NONE : sub->group;
        if (!micro_nats_out_ctl_room(n, RI_NATS_SUB_ROOM(sub->subject.len, queue.len)))
            return false;
        n->ctl_len = (size_t)(ri_nats_put_sub(at, sub->subject, queue, sub->sid) - n->ctl);
        sub->sent = true;
    } else if (!open && sub->state != RI_MICRO_SUB_FREE) {
        if (!micro_nats_out_ctl_room(n, RI_NATS_UNSUB_ROOM)) return false;
        if (sub->sent) n->ctl_len = (size_t)(ri_nats_put_unsub(at, sub->sid, 0) - n->ctl);
        sub->sent = false;
        if (sub->state == RI_MICRO_SUB_ENDING) ri_micro_sub_free(sub);
    }
    return true;
}

static void micro_nats_out_subs(ri_micro_nats *n)
{
    rill_bus *bus = n->bus;
    if (n->inbox_wanted && !n->inbox_sent) {
        if (!micro_nats_out_ctl_room(n, RI_NATS_SUB_ROOM(RI_MICRO_INBOX_LEN + 1, 0))) return;
        char subject[RI_MICRO_INBOX_LEN + 1];
        memcpy(subject, bus->inbox, RI_MICRO_INBOX_LEN);
        subject[RI_MICRO_INBOX_LEN] = '*';
        char *end = ri_nats_put_sub(n->ctl + n->ctl_len, (ri_str){subject, sizeof subject},
                                    RI_STR_NONE, 1);
        n->ctl_len = (size_t)(end - n->ctl);
        n->inbox_sent = true;
    }
    if (!n->subs_due) return;
    for (uint32_t i = 0; i < bus->subs_end; i++)
        if (!micro_nats_out_interest(n, &bus->subs[i])) return;
    n->subs_due = 0;
}

/* What this connection owes the server, as far as `ctl` has room. */
static void micro_nats_out_refill(ri_micro_nats *n)
{
    RI_ASSERT(n->ctl_sent <= n->ctl_len && n->ctl_len <= n->ctl_cap);
    if (n->ctl_sent > 0 || n->state == MICRO_NATS_HELLO) return;
    for (; n->pongs_owed > 0 && micro_nats_out_ctl_room(n, RI_NATS_PONG_LINE.len); n->pongs_owed--)
        micro_nats_out_ctl(n, RI_NATS_PONG_LINE);
    if (n->state != MICRO_NATS_UP) return;
    micro_nats_out_subs(n);
    if (n->ping_owed && n->out_sent == n->out_len &&
        micro_nats_out_ctl_room(n, RI_NATS_PING_LINE.len)) {
        micro_nats_out_ctl(n, RI_NATS_PING_LINE);
        n->ping_owed = false;
        n->pings_sent++;
    }
}

static char *micro_nats_out_field(char *at, const char *name, ri_str value)
{
    if (value.len == 0) return at;
    at = ri_str_put(at, RI_STR(",\""));
    at = ri_str_put(at, ri_str_of(name));
    at = ri_str_put(at, RI_STR("\":\""));
    at = ri_micro_scan_quote(at, value);
    *at++ = '"';
    return at;
}

void ri_micro_nats_out_connect(ri_micro_nats *n)
{
    RI_ASSERT(n->ctl_len == 0 && n->state == MICRO_NATS_LOGIN);
    const ri_url_peer *peer = &n->url.peers[n->server];
    char *at = ri_str_put(n->ctl, RI_STR("CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":"
                                         "\"c\",\"version\":\"0.1.0\",\"protocol\":1"));
    at = ri_str_put(at, n->headers ? RI_STR(",\"headers\":true,\"no_responders\":true")
                                   : RI_STR_NONE);
    if (n->bus->no_echo) at = ri_str_put(at, RI_STR(",\"echo\":false"));
    at = micro_nats_out_field(at, "name", n->name);
    at = micro_nats_out_field(at, "user", peer->user);
    at = micro_nats_out_field(at, "pass", peer->password);
    at = micro_nats_out_field(at, "auth_token", peer->token);
    at = ri_str_put(at, RI_STR("}\r\nPING\r\n"));
    n->ctl_len = (size_t)(at - n->ctl);
    n->pings_sent++;
    RI_ASSERT(n->ctl_len <= n->ctl_cap);
}

/* ---- To the wire ---- */

/* One write: how many bytes, 0 if there are none or the wire takes none. */
static int64_t micro_nats_out_some(ri_micro_nats *n)
{
    RI_ASSERT(n->wire && n->out_sent <= n->out_goal && n->out_goal <= n->out_len);
    bool edge = n->out_sent == n->out_goal;
    if (edge) micro_nats_out_refill(n);
    if (n->ctl_len > n->ctl_sent && (edge || n->ctl_sent > 0)) {
        int64_t wrote = ri_micro_nats_write(n, n->ctl + n->ctl_sent, n->ctl_len - n->ctl_sent);
        if (wrote < 0) return wrote;
        n->ctl_sent += (size_t)wrote;
        if (n->ctl_sent == n->ctl_len) n->ctl_sent = n->ctl_len = 0;
        return wrote;
    }
    if (n->state != MICRO_NATS_UP || n->out_sent == n->out_len) return 0;
    if (edge) n->out_goal = n->out_len;
    int64_t wrote = ri_micro_nats_write(n, n->out + n->out_sent, n->out_goal - n->out_sent);
    if (wrote < 0) return wrote;
    n->out_sent += (size_t)wrote;
    if (n->out_sent == n->out_len) {
        n->out_base += n->out_len;
        n->out_len = n->out_sent = n->out_goal = 0;
    }
    return wrote;
}

int64_t ri_micro_nats_out_write(ri_micro_nats *n)
{
    enum { WRITES = 64 };
    int64_t sum = 0;
    for (int i = 0; i < WRITES; i++) {
        int64_t wrote = micro_nats_out_some(n);
        if (wrote == 0 || wrote == RILL_EAGAIN) break;
        if (wrote < 0) return wrote;
        sum += wrote;
    }
    return sum;
}

bool ri_micro_nats_out_pending(const ri_micro_nats *n)
{
    if (!n->wire) return false;
    if (n->ctl_len > 0 || n->pongs_owed > 0) return true;
    return n->state == MICRO_NATS_UP && (n->out_len > n->out_sent || n->ping_owed || n->subs_due ||
                                         (n->inbox_wanted && !n->inbox_sent));
}

void ri_micro_nats_out_again(ri_micro_nats *n)
{
    RI_ASSERT(!n->wire);
    rill_bus *bus = n->bus;
    micro_nats_out_drop(n);
    n->out_sent = n->out_goal = 0;
    n->ctl_len = n->ctl_sent = 0;
    n->pongs_owed = n->pings_out = 0;
    n->pings_sent = n->pongs_seen = 0;
    n->inbox_sent = n->ping_owed = false;
    if (n->flush_open) n->ping_owed = true; /* on the next connection */
    n->flush_ping = 2; /* behind that of the login */
    for (uint32_t i = 0; i < bus->subs_end; i++) {
        rill_sub *sub = &bus->subs[i];
        sub->sent = false;
        if (sub->state == RI_MICRO_SUB_ENDING && !sub->in_callback) ri_micro_sub_free(sub);
    }
    n->subs_due = 1;
}

#endif
