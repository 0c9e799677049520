/* SPDX-License-Identifier: Apache-2.0 */
/* Load for JetStream on loopback, from one thread and one raw socket:
 *
 *     loadgen_js publish  PORT PID SIZE COUNT WINDOW  stored and acknowledged, WINDOW in flight
 *     loadgen_js pull     PORT PID SIZE COUNT BATCH   read back, no acks
 *     loadgen_js consume  PORT PID SIZE COUNT BATCH   read back, each acknowledged
 *     loadgen_js filtered PORT PID SIZE COUNT BATCH   read back one subject of a hundred
 *     loadgen_js kv-put   PORT PID SIZE COUNT         put over a thousand keys, one at a time
 *     loadgen_js kv-get   PORT PID SIZE COUNT         get them, likewise
 *     loadgen_js many     PORT PID STREAMS CONSUMERS  make so many, and keep them
 *     loadgen_js fill     PORT PID SIZE COUNT WINDOW  publish to the stream B, which is kept
 *     loadgen_js drain    PORT PID SIZE COUNT BATCH   pull, from a stream B that has so many
 *
 * As client libraries do, it has one subscription for all replies, _INBOX.<id>.*, and each request
 * or publish has a reply subject of its own. Each mode but `many` and `fill` leaves the server as
 * it was. What was sent is compared with what the server says it has; a difference ends the
 * program. Prints one line of key=value a measurement. */
#include "wire.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BLOCK_BYTES (256 * 1024)
#define INPUT_BYTES (1024 * 1024)
#define SUBJECTS 100 /* of the filtered stream */
#define INBOX "_INBOX.q3ZnXw0kLh7Vb2cR9sYtMe." /* sid 1 */
#define DIGITS 8     /* of the number that makes a reply subject of it */

typedef struct js_load {
    wire_conn conn;
    pid_t pid;
    size_t size;
    uint64_t count;
    uint64_t window; /* or batch */
    char *input;     /* received, not yet read; INPUT_BYTES */
    size_t input_len;
    char *acks;      /* to be sent; as long as the input, twice */
    size_t acks_len;
    uint64_t replies; /* reply subjects used */
} js_load;

static void js_report(const char *what, uint64_t count, int64_t start_ns, int64_t cpu_ns, pid_t pid)
{
    double wall_s = (double)(wire_now_ns() - start_ns) / 1e9;
    printf("%s count=%llu wall_s=%.4f per_s=%.0f cpu_ns=%.1f\n", what, (unsigned long long)count,
           wall_s, (double)count / wall_s, (double)(wire_cpu_ns(pid) - cpu_ns) / (double)count);
}

/* Send one request in one write. Returns its reply subject with a blank behind it. */
static const char *js_send(js_load *load, const char *subject, const char *body)
{
    static char reply[sizeof INBOX + DIGITS + 1];
    snprintf(reply, sizeof reply, INBOX "%0*llu ", DIGITS,
             (unsigned long long)(load->replies++ % 100000000));
    wire_sendf(&load->conn, "PUB %s %s%zu\r\n%s\r\n", subject, reply, strlen(body), body);
    return reply;
}

/* Ask and take the answer's payload, lent until the next call. */
static const char *js_ask(js_load *load, const char *subject, const char *body)
{
    static char answer[1 << 20];
    const char *reply = js_send(load, subject, body), *line;
    size_t reply_len = strlen(reply);
    while (strncmp(line = wire_line(&load->conn), "MSG ", 4) != 0 ||
           strncmp(line + 4, reply, reply_len) != 0)
        if (strncmp(line, "HMSG", 4) == 0) wire_die("nobody answers %s", subject);
    size_t len = strtoull(strrchr(line, ' ') + 1, NULL, 10);
    if (len >= sizeof answer) wire_die("the answer to %s is too long", subject);
    wire_take(&load->conn, answer, len);
    wire_take(&load->conn, NULL, 2);
    answer[len] = 0;
    return answer;
}

static const char *js_api(js_load *load, const char *subject, const char *body)
{
    char full[256];
    snprintf(full, sizeof full, "$JS.API.%s", subject);
    const char *answer = js_ask(load, full, body);
    if (strstr(answer, "\"error\":") != NULL) wire_die("%s: %s", subject, answer);
    return answer;
}

/* The number that follows "name": in an answer. */
static uint64_t js_number(const char *answer, const char *name)
{
    char key[64];
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(answer, key);
    if (at == NULL) wire_die("no %s in %s", name, answer);
    return strtoull(at + strlen(key), NULL, 10);
}

static void js_stream(js_load *load)
{
    js_api(load, "STREAM.CREATE.B",
           "{\"name\":\"B\",\"subjects\":[\"js.>\"],\"storage\":\"file\",\"retention\":\"limits\","
           "\"max_msgs\":-1,\"max_bytes\":-1,\"max_age\":0,\"discard\":\"old\","
           "\"num_replicas\":1}");
}

static void js_delete(js_load *load)
{
    js_api(load, "STREAM.DELETE.B", "");
}

/* ---- Publishing with a window ---- */

typedef struct js_frames {
    char *data;      /* `msgs` frames on subjects js.00, js.01, ... of equal length */
    size_t msgs, msg_len;
    size_t digits_at; /* where in each its reply subject's number stands */
} js_frames;

static js_frames js_prepare(size_t size)
{
    js_frames frames = {0};
    char head[128];
    frames.digits_at = sizeof "PUB js.00 " INBOX - 1;
    for (size_t i = 0; i < frames.msgs || i == 0; i++) {
        int head_len = snprintf(head, sizeof head, "PUB js.%02d " INBOX "%0*d %zu\r\n",
                                (int)(i % SUBJECTS), DIGITS, 0, size);
        if (i == 0) {
            frames.msg_len = (size_t)head_len + size + 2;
            frames.msgs = (BLOCK_BYTES / frames.msg_len / SUBJECTS + 1) * SUBJECTS;
            frames.data = wire_alloc(frames.msgs * frames.msg_len);
        }
        char *p = frames.data + i * frames.msg_len;
        memcpy(p, head, (size_t)head_len);
        memset(p + head_len, 'x', size);
        memcpy(p + frames.msg_len - 2, "\r\n", 2);
    }
    return frames;
}

/* New reply subjects for a block that has been sent. */
static void js_renumber(js_load *load, const js_frames *frames)
{
    for (size_t i = 0; i < frames->msgs; i++) {
        char *digits = frames->data + i * frames->msg_len + frames->digits_at;
        uint64_t n = load->replies++;
        for (int k = DIGITS - 1; k >= 0; k--, n /= 10)
            digits[k] = (char)('0' + n % 10);
    }
}

/* Acknowledgements among what is received: two lines each, and a server's PING one. */
static uint64_t js_count_acks(js_load *load, ssize_t len)
{
    uint64_t acks = 0;
    size_t end = load->input_len + (size_t)len;
    char *at = load->input, *stop = load->input + end, *line_end;
    while ((line_end = memchr(at, '\n', (size_t)(stop - at))) != NULL) {
        if (*at == '{') {
            if (memmem(at, (size_t)(line_end - at), "\"error\"", 7) != NULL)
                wire_die("refused: %.*s", (int)(line_end - at), at);
            acks++;
        } else if (*at == 'H' || *at == '-') {
            wire_die("the server said %.*s", (int)(line_end - at), at);
        }
        at = line_end + 1;
    }
    load->input_len = (size_t)(stop - at);
    memmove(load->input, at, load->input_len);
    return acks;
}

/* Publish `count` of the frames, never more than `window` unacknowledged. */
static void js_publish(js_load *load, const js_frames *frames, uint64_t count, uint64_t window)
{
    uint64_t sent_bytes = 0, acked = 0;
    size_t block_len = frames->msgs * frames->msg_len;
    load->input_len = 0;
    while (acked < count) {
        uint64_t limit = acked + window < count ? acked + window : count;
        uint64_t left = limit * frames->msg_len - sent_bytes;
        struct pollfd poller = {.fd = load->conn.fd, .events = POLLIN};
        if (left > 0) poller.events |= POLLOUT;
        if (poll(&poller, 1, 30000) <= 0) wire_die("no acknowledgement for 30 s");
        if (poller.revents & POLLOUT) {
            size_t at = sent_bytes % block_len;
            if (at == 0) js_renumber(load, frames);
            size_t len = left < block_len - at ? left : block_len - at;
            ssize_t n = send(load->conn.fd, frames->data + at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n < 0 && errno != EAGAIN) wire_die("send: %s", strerror(errno));
            if (n > 0) sent_bytes += (uint64_t)n;
        }
        if (poller.revents & ~POLLOUT) {
            ssize_t n = recv(load->conn.fd, load->input + load->input_len,
                             INPUT_BYTES - load->input_len, MSG_DONTWAIT);
            if (n == 0 || (n < 0 && errno != EAGAIN)) wire_die("the server closed the connection");
            if (n > 0) acked += js_count_acks(load, n);
        }
    }
}

static void js_expect_messages(js_load *load, uint64_t count)
{
    uint64_t has = js_number(js_api(load, "STREAM.INFO.B", ""), "messages");
    if (has != count) wire_die("the stream holds %llu of %llu messages", (unsigned long long)has,
                               (unsigned long long)count);
}

static void js_run_publish(js_load *load, int keep)
{
    js_frames frames = js_prepare(load->size);
    js_stream(load);
    int64_t cpu = wire_cpu_ns(load->pid), start = wire_now_ns();
    js_publish(load, &frames, load->count, load->window);
    js_report("publish", load->count, start, cpu, load->pid);
    js_expect_messages(load, load->count);
    if (!keep) js_delete(load);
    free(frames.data);
}

/* ---- Reading back ---- */

/* Take one whole message of a pull: its reply subject is acknowledged if asked for. Returns the
 * bytes used, 0 for more; *got says whether it was a message of the stream. */
static size_t js_take(js_load *load, const char *at, size_t len, int with_acks, int *got)
{
    const char *end = memchr(at, '\n', len);
    if (end == NULL) return 0;
    *got = 0;
    size_t line_len = (size_t)(end + 1 - at);
    if (*at == 'P' || *at == '+') return line_len;
    if (*at == '-') wire_die("the server said %.*s", (int)line_len, at);
    const char *digits = end - 1, *word;
    while (digits[-1] != ' ')
        digits--;
    size_t total = line_len + strtoull(digits, NULL, 10) + 2;
    if (len < total) return 0;
    if (*at == 'H') return total; /* a status: the request has run out */
    *got = 1;
    if (!with_acks) return total;
    word = digits - 1; /* MSG subject sid reply bytes */
    while (word[-1] != ' ')
        word--;
    size_t reply_len = (size_t)(digits - 1 - word);
    char *out = load->acks + load->acks_len;
    memcpy(out, "PUB ", 4);
    memcpy(out + 4, word, reply_len);
    memcpy(out + 4 + reply_len, " 0\r\n\r\n", 6);
    load->acks_len += reply_len + 10;
    return total;
}

static void js_request(js_load *load)
{
    char body[128];
    int len = snprintf(body, sizeof body, "{\"batch\":%llu,\"expires\":20000000000}",
                       (unsigned long long)load->window);
    wire_sendf(&load->conn, "PUB $JS.API.CONSUMER.MSG.NEXT.B.C d %d\r\n%s\r\n", len, body);
}

/* Read `count` messages, with two requests under way. */
static void js_read(js_load *load, uint64_t count, int with_acks)
{
    uint64_t got_count = 0, asked = 2;
    load->input_len = 0;
    js_request(load);
    js_request(load);
    while (got_count < count) {
        struct pollfd poller = {.fd = load->conn.fd, .events = POLLIN};
        if (poll(&poller, 1, 30000) <= 0)
            wire_die("silent after %llu messages", (unsigned long long)got_count);
        ssize_t n = recv(load->conn.fd, load->input + load->input_len,
                         INPUT_BYTES - load->input_len, 0);
        if (n <= 0) wire_die("the server closed the connection");
        load->input_len += (size_t)n;
        size_t at = 0, used;
        int got;
        while ((used = js_take(load, load->input + at, load->input_len - at, with_acks,
                               &got)) > 0) {
            at += used;
            got_count += (uint64_t)got;
        }
        load->input_len -= at;
        memmove(load->input, load->input + at, load->input_len);
        if (load->acks_len > 0) wire_send(&load->conn, load->acks, load->acks_len);
        load->acks_len = 0;
        for (; asked < got_count / load->window + 2; asked++)
            js_request(load);
    }
}

static void js_run_read(js_load *load, const char *mode)
{
    int filtered = strcmp(mode, "filtered") == 0, with_acks = strcmp(mode, "consume") == 0;
    js_frames frames = js_prepare(load->size);
    uint64_t count = load->count / SUBJECTS * SUBJECTS;
    if (strcmp(mode, "drain") != 0) {
        js_stream(load);
        js_publish(load, &frames, count, 4096);
    }
    js_expect_messages(load, count);
    char body[512];
    snprintf(body, sizeof body,
             "{\"stream_name\":\"B\",\"config\":{\"durable_name\":\"C\",\"name\":\"C\","
             "\"deliver_policy\":\"all\",\"ack_policy\":\"%s\",\"replay_policy\":\"instant\","
             "\"max_ack_pending\":%s,\"max_waiting\":512%s}}",
             with_acks ? "explicit" : "none", with_acks ? "20000" : "0",
             filtered ? ",\"filter_subject\":\"js.07\"" : "");
    js_api(load, "CONSUMER.DURABLE.CREATE.B.C", body);
    wire_sendf(&load->conn, "SUB d 2\r\n");
    uint64_t due = filtered ? count / SUBJECTS : count;
    int64_t cpu = wire_cpu_ns(load->pid), start = wire_now_ns();
    js_read(load, due, with_acks);
    if (with_acks) { /* the work is done when the server knows */
        wire_sendf(&load->conn, "UNSUB 2\r\n");
        while (js_number(js_api(load, "CONSUMER.INFO.B.C", ""), "num_ack_pending") > 0)
            if (wire_now_ns() - start > INT64_C(120000000000)) wire_die("acks were lost");
    }
    js_report(mode, due, start, cpu, load->pid);
    wire_sendf(&load->conn, "UNSUB 2\r\n");
    wire_sync(&load->conn);
    js_delete(load);
    free(frames.data);
}

/* ---- The others ---- */

#define KEYS 1000

static void js_kv_put(js_load *load, uint64_t count)
{
    char subject[64], *value = wire_alloc(load->size + 1);
    memset(value, 'x', load->size);
    value[load->size] = 0;
    for (uint64_t i = 0; i < count; i++) {
        snprintf(subject, sizeof subject, "$KV.K.key%llu", (unsigned long long)(i % KEYS));
        if (strstr(js_ask(load, subject, value), "\"seq\"") == NULL) wire_die("a put failed");
    }
    free(value);
}

static void js_kv_get(js_load *load, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        char subject[64];
        snprintf(subject, sizeof subject, "$JS.API.DIRECT.GET.KV_K.$KV.K.key%llu",
                 (unsigned long long)(i % KEYS));
        const char *reply = js_send(load, subject, ""), *line;
        size_t reply_len = strlen(reply);
        while (strncmp(line = wire_line(&load->conn), "HMSG ", 5) != 0 ||
               strncmp(line + 5, reply, reply_len) != 0)
            continue; /* HMSG reply 1 header-bytes total */
        const char *total = strrchr(line, ' '), *headers = total - 1;
        while (headers[-1] != ' ')
            headers--;
        size_t all = strtoull(total, NULL, 10);
        if (all - strtoull(headers, NULL, 10) != load->size) wire_die("a get is not whole");
        wire_take(&load->conn, NULL, all + 2);
    }
}

static void js_run_kv(js_load *load, const char *mode)
{
    js_api(load, "STREAM.CREATE.KV_K",
           "{\"name\":\"KV_K\",\"subjects\":[\"$KV.K.>\"],\"storage\":\"file\","
           "\"allow_direct\":true,"
           "\"max_msgs_per_subject\":1,\"discard\":\"new\",\"allow_rollup_hdrs\":true,"
           "\"deny_delete\":true,\"max_msgs\":-1,\"max_bytes\":-1,\"num_replicas\":1}");
    js_kv_put(load, KEYS);
    int64_t cpu = wire_cpu_ns(load->pid), start = wire_now_ns();
    if (strcmp(mode, "kv-put") == 0)
        js_kv_put(load, load->count);
    else
        js_kv_get(load, load->count);
    js_report(mode, load->count, start, cpu, load->pid);
    js_api(load, "STREAM.DELETE.KV_K", "");
}

/* size is the number of streams, count that of consumers, spread evenly. */
static void js_run_many(js_load *load)
{
    char subject[128], body[512];
    uint64_t each = load->count / load->size;
    int64_t cpu = wire_cpu_ns(load->pid), start = wire_now_ns();
    for (uint64_t i = 0; i < load->size; i++) {
        unsigned long long n = i;
        snprintf(subject, sizeof subject, "STREAM.CREATE.M%llu", n);
        snprintf(body, sizeof body, "{\"name\":\"M%llu\",\"subjects\":[\"many.%llu.>\"],"
                 "\"storage\":\"file\",\"max_msgs\":-1,\"max_bytes\":-1,\"num_replicas\":1}", n, n);
        js_api(load, subject, body);
        for (uint64_t k = 0; k < each; k++) {
            unsigned long long c = k;
            snprintf(subject, sizeof subject, "CONSUMER.DURABLE.CREATE.M%llu.C%llu", n, c);
            snprintf(body, sizeof body, "{\"stream_name\":\"M%llu\",\"config\":{\"durable_name\":"
                     "\"C%llu\",\"deliver_policy\":\"all\",\"ack_policy\":\"explicit\","
                     "\"replay_policy\":\"instant\"}}", n, c);
            js_api(load, subject, body);
        }
    }
    js_report("many", load->size * (1 + each), start, cpu, load->pid);
}

int main(int argc, char **argv)
{
    if (argc < 6)
        wire_die("usage: loadgen_js publish|pull|consume|filtered|kv-put|kv-get|many|fill|"
                 "drain PORT PID SIZE COUNT [WINDOW]");
    js_load load = {.pid = (pid_t)atoi(argv[3]), .size = strtoull(argv[4], NULL, 10),
                    .count = strtoull(argv[5], NULL, 10),
                    .window = argc > 6 ? strtoull(argv[6], NULL, 10) : 1};
    if (load.size == 0 || load.count == 0 || load.window == 0) wire_die("zero is no amount");
    load.input = wire_alloc(INPUT_BYTES);
    load.acks = wire_alloc(2 * INPUT_BYTES);
    wire_open(&load.conn, atoi(argv[2]));
    wire_sendf(&load.conn, "SUB " INBOX "* 1\r\n");
    wire_sync(&load.conn);
    const char *mode = argv[1];
    if (strcmp(mode, "publish") == 0 || strcmp(mode, "fill") == 0)
        js_run_publish(&load, strcmp(mode, "fill") == 0);
    else if (strcmp(mode, "kv-put") == 0 || strcmp(mode, "kv-get") == 0)
        js_run_kv(&load, mode);
    else if (strcmp(mode, "many") == 0)
        js_run_many(&load);
    else if (strcmp(mode, "pull") == 0 || strcmp(mode, "consume") == 0 ||
             strcmp(mode, "filtered") == 0 || strcmp(mode, "drain") == 0)
        js_run_read(&load, mode);
    else
        wire_die("no mode %s", mode);
    free(load.input);
    free(load.acks);
    return 0;
}
