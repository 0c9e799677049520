/* SPDX-License-Identifier: Apache-2.0 */
#include "support/texts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/number.h"
#include "base/rfc3339.h"
#include "codec/jetstream/cron.h"
#include "codec/jetstream/duration.h"
#include "codec/jetstream/jshot.h"
#include "codec/jetstream/objmeta.h"
#include "codec/archive/s2_frame.h"
#include "codec/origin.h"
#include "codec/subject/subject.h"
#include "codec/subject/transform.h"
#include "codec/nats/url.h"
#include "codec/jetstream/zone.h"
#include "support/guard.h"
#include "support/naive_json.h"

#define LAW(holds) text_law((holds), #holds, __LINE__)

static void text_law(bool holds, const char *what, int line)
{
    if (holds) return;
    fprintf(stderr, "texts.c:%d: broken: %s\n", line, what);
    abort();
}

static bool text_number(const ri_host *host, ri_str s)
{
    (void)host;
    char out[RI_NUMBER_MAX];
    uint64_t n, again;
    int64_t i;
    bool signs = ri_number_read_i64(s, &i);
    if (!ri_number_read(s, &n)) return signs;
    ri_str written = {out, ri_number_write(out, n)};
    LAW(ri_number_read(written, &again) && again == n);
    LAW(signs == (n <= INT64_MAX) && (!signs || (uint64_t)i == n));
    return true;
}

static bool text_duration(const ri_host *host, ri_str s)
{
    (void)host;
    char out[RI_DURATION_MAX];
    int64_t ns, again;
    if (!ri_duration_read(s, &ns)) return false;
    if (ns < 0) return true; /* the writer is for those of headers */
    LAW(ri_duration_read((ri_str){out, ri_duration_write(out, ns)}, &again) && again == ns);
    return true;
}

static bool text_rfc3339(const ri_host *host, ri_str s)
{
    (void)host;
    char out[RI_RFC3339_MAX];
    int64_t ns, again;
    if (!ri_rfc3339_read(s, &ns)) return false;
    if (ns == INT64_MAX) return true; /* later than what fits */
    LAW(ri_rfc3339_read((ri_str){out, ri_rfc3339_write(out, ns)}, &again) && again == ns);
    return true;
}

static bool text_cron(const ri_host *host, ri_str s)
{
    (void)host;
    ri_cron cron;
    int64_t after = INT64_C(1800000000123456789);
    if (!ri_cron_read(s, &cron)) return false;
    int64_t next = ri_cron_next(&cron, after);
    if (next == INT64_MAX) return true;
    LAW(next > after && next % INT64_C(1000000000) == 0);
    LAW(ri_cron_next(&cron, next - 1) == next);
    return true;
}

static bool text_origin(const ri_host *host, ri_str s)
{
    (void)host;
    char out[4 + RI_ORIGIN_MAX] = "n/S/";
    ri_origin origin, again;
    if (!ri_origin_read(s, RI_STR("n/S/"), &origin)) return false;
    char *end = ri_origin_write(out + 4, &origin);
    LAW(end <= out + sizeof out);
    LAW(ri_origin_read((ri_str){out, (size_t)(end - out)}, RI_STR("n/S/"), &again));
    LAW(ri_origin_compare(&origin, &again) == 0);
    again.seq ^= 1;
    LAW(ri_origin_compare(&origin, &again) == -ri_origin_compare(&again, &origin));
    return true;
}

/* A file without changes, and this rule. */
static ri_str text_zone_file(ri_str rule, char *out, size_t cap)
{
    char head[44] = "TZif2", type[6] = {0};
    size_t at = 0;
    head[39] = head[43] = 1; /* one type, one letter */
    if (2 * (sizeof head + sizeof type + 1) + rule.len + 2 > cap) return RI_STR_NONE;
    for (int block = 0; block < 2; block++) {
        memcpy(out + at, head, sizeof head);
        memcpy(out + at + sizeof head, type, sizeof type);
        out[at + sizeof head + sizeof type] = 0;
        at += sizeof head + sizeof type + 1;
    }
    out[at++] = '\n';
    if (rule.len) memcpy(out + at, rule.ptr, rule.len);
    out[at + rule.len] = '\n';
    return (ri_str){out, at + rule.len + 1};
}

/* Each offset holds up to the next change, from the first to the last year that may come. */
static bool text_zone(const ri_host *host, ri_str s)
{
    (void)host;
    char made[2304];
    ri_zone zone;
    ri_cron cron;
    if (!ri_str_starts(s, RI_STR("TZif"))) s = text_zone_file(s, made, sizeof made);
    if (ri_zone_read((ri_str){guard_copy(s.ptr, s.len), s.len}, &zone) < 0) return false;
    int64_t until, other, at = -6000000000;
    for (int i = 0; i < 50 && at < 9000000000; i++, at = i % 7 ? until : until + 1000000000) {
        int32_t offset = ri_zone_at(&zone, at, &until);
        LAW(until > at && offset >= -26 * 3600 && offset <= 26 * 3600);
        if (until > 9000000000) break;
        LAW(ri_zone_at(&zone, until - 1, &other) == offset && other == until);
    }
    LAW(ri_cron_read(RI_STR("0 30 2 * * *"), &cron));
    int64_t next = ri_cron_next_in(&cron, &zone, INT64_C(1800000000000000000));
    int32_t offset = next == INT64_MAX ? 0 : ri_zone_at(&zone, next / INT64_C(1000000000), &until);
    LAW(next == INT64_MAX || (next / INT64_C(1000000000) + offset) % 86400 == 2 * 3600 + 30 * 60);
    return true;
}

static bool text_base64(const ri_host *host, ri_str s, bool url)
{
    int (*read)(ri_str, char *, size_t *) = url ? ri_base64_read_url : ri_base64_read;
    size_t len = 0, n = 0;
    char *bytes = malloc(ri_base64_size(s));
    LAW(bytes != NULL);
    bool taken = read(s, bytes, &len) >= 0;
    LAW(!taken || len <= ri_base64_size(s));
    if (taken) {
        ri_buffer text;
        ri_buffer_init(&text, host);
        if (url) ri_base64_put_url(&text, (ri_str){bytes, len});
        else ri_base64_put(&text, (ri_str){bytes, len});
        char *again = malloc(ri_base64_size(ri_buffer_str(&text)));
        LAW(again && read(ri_buffer_str(&text), again, &n) >= 0);
        LAW(n == len && (!n || memcmp(again, bytes, n) == 0));
        free(again);
        ri_buffer_fini(&text);
    }
    free(bytes);
    return taken;
}

static void text_json_string(const ri_host *host, ri_str s)
{
    ri_buffer out;
    ri_json again;
    ri_buffer_init(&out, host);
    ri_json_put_string(&out, s);
    LAW(ri_json_parse(&again, ri_buffer_str(&out)) >= 0);
    LAW(ri_json_is(again, s));
    ri_buffer_fini(&out);
}

/* All strings in it; how many values there are. */
static size_t text_json_visit(const ri_host *host, ri_json value)
{
    size_t n = 1;
    ri_arena arena;
    ri_str s;
    ri_json name, item, rest = ri_json_first(value);
    ri_arena_init(&arena, host);
    LAW(ri_json_literal(value).len > 0);
    if (ri_json_kind_of(value) == RI_JSON_STRING) {
        LAW(ri_json_text(value, &arena, &s) == RILL_OK && ri_json_is(value, s));
        text_json_string(host, s);
    }
    if (ri_json_kind_of(value) == RI_JSON_OBJECT)
        while (ri_json_member(&rest, &name, &item))
            n += text_json_visit(host, name) + text_json_visit(host, item);
    else
        while (ri_json_item(&rest, &item)) n += text_json_visit(host, item);
    ri_arena_fini(&arena);
    return n;
}

static bool text_json(const ri_host *host, ri_str s)
{
    ri_json root;
    bool taken = ri_json_parse(&root, s) == RILL_OK;
    LAW(taken == naive_is_json(s.ptr, s.len, RI_JSON_DEPTH_MAX));
    if (taken) LAW(text_json_visit(host, root) <= s.len);
    return taken;
}

static bool text_url(const ri_host *host, ri_str s)
{
    ri_url url;
    char *text = malloc(s.len + 1);
    LAW(text != NULL);
    if (s.len) memcpy(text, s.ptr, s.len);
    text[s.len] = 0;
    const char *guarded = guard_copy(text, strlen(text) + 1);
    free(text);
    if (ri_url_parse(&url, host, guarded) < 0) return false;
    LAW(url.path.len == 0 || (url.path.ptr[url.path.len] == 0 && url.npeers == 0));
    for (uint32_t i = 0; i < url.npeers; i++) {
        const ri_url_peer *p = &url.peers[i];
        LAW(p->host.ptr[p->host.len] == 0 && (!p->token.len || !p->user.len));
    }
    ri_url_fini(&url);
    return true;
}

/* source | destination | subject, parted by blanks */
static bool text_transform(const ri_host *host, ri_str s)
{
    ri_str src, dest, subject = s;
    if (!ri_str_cut(&subject, ' ', &src) || !ri_str_cut(&subject, ' ', &dest)) return false;
    src.ptr = guard_copy(src.ptr, src.len);
    dest.ptr = guard_copy(dest.ptr, dest.len);
    ri_transform *t;
    if (ri_transform_new(host, src, dest, &t) < 0) return false;
    if (ri_subject_is_literal(subject)) {
        ri_buffer out;
        ri_buffer_init(&out, host);
        int taken = ri_transform_apply(t, subject, 12345, &out);
        LAW(taken == (src.len == 0 || ri_subject_match(src, subject)));
        LAW(taken || !out.len);
        ri_buffer_fini(&out);
    }
    ri_transform_free(t);
    return true;
}

static bool text_ack(const ri_host *host, ri_str s)
{
    ri_js_ack ack, again;
    (void)host;
    if (!ri_jshot_ack_read(s, &ack)) return false;
    if (ack.time_ns < 0 || !ack.stream.len || !ack.consumer.len) return true; /* forged */
    char *out = malloc(ack.stream.len + ack.consumer.len + RI_JS_ACK_MAX);
    LAW(out != NULL);
    size_t len = ri_jshot_ack_write(&ack, out);
    LAW(len <= ack.stream.len + ack.consumer.len + RI_JS_ACK_MAX);
    LAW(ri_jshot_ack_read((ri_str){out, len}, &again));
    LAW(ri_str_eq(ack.stream, again.stream) && ri_str_eq(ack.consumer, again.consumer));
    LAW(ack.deliveries == again.deliveries && ack.stream_seq == again.stream_seq);
    LAW(ack.consumer_seq == again.consumer_seq && ack.pending == again.pending);
    LAW(ack.time_ns == again.time_ns);
    free(out);
    return true;
}

static bool text_objmeta(const ri_host *host, ri_str s)
{
    static ri_objmeta meta, again;
    if (ri_objmeta_read(&meta, s) < 0) return false;
    if (!meta.info.name[0]) return true; /* the writer has a name */
    ri_buffer out;
    ri_buffer_init(&out, host);
    ri_objmeta_write(&out, &meta, RI_STR("B"));
    LAW(ri_objmeta_read(&again, ri_buffer_str(&out)) >= 0);
    LAW(strcmp(meta.info.name, again.info.name) == 0 && strcmp(meta.nuid, again.nuid) == 0);
    LAW(meta.info.bytes == again.info.bytes && meta.info.chunks == again.info.chunks);
    LAW(meta.info.deleted == again.info.deleted && meta.has_digest == again.has_digest);
    LAW(memcmp(meta.info.sha256, again.info.sha256, sizeof meta.info.sha256) == 0);
    ri_buffer_fini(&out);
    return true;
}

static bool text_s2(const ri_host *host, ri_str s)
{
    ri_buffer plain, out, back;
    ri_buffer_init(&plain, host);
    ri_buffer_init(&out, host);
    ri_buffer_init(&back, host);
    int64_t n = ri_s2_frame_read(s, &plain);
    LAW(n <= (int64_t)s.len);
    LAW(n > 0 || ri_buffer_size(&plain) == 0);
    LAW(ri_buffer_size(&plain) <= RI_S2_FRAME_MAX);
    if (n > 0 && ri_buffer_size(&plain) > 0 && ri_buffer_size(&plain) <= 65536) {
        ri_s2_frame_put(&out, ri_buffer_str(&plain));
        LAW(ri_s2_frame_read(ri_buffer_str(&out), &back) == (int64_t)out.len);
        LAW(ri_str_eq(ri_buffer_str(&plain), ri_buffer_str(&back)));
    }
    ri_buffer_fini(&plain);
    ri_buffer_fini(&out);
    ri_buffer_fini(&back);
    return n > 0;
}

static bool text_subject(const ri_host *host, ri_str s)
{
    (void)host;
    bool filter = ri_subject_is_filter(s), literal = ri_subject_is_literal(s);
    LAW(filter || !literal);
    LAW(filter || ri_subject_check_filter(s) < 0); /* the check is the stricter one */
    LAW(literal || ri_subject_check_literal(s) < 0);
    if (!filter) return false;
    LAW(literal == !ri_subject_has_wildcard(s));
    LAW(ri_subject_covers(s, s) && ri_subject_overlaps(s, s));
    LAW(!literal || ri_subject_match(s, s));
    LAW(ri_subject_count(s) >= 1 && ri_subject_covers(RI_STR(">"), s));
    return true;
}

bool text_taken(text_kind kind, const ri_host *host, const char *text, size_t len)
{
    ri_str s = {guard_copy(text, len), len};
    switch (kind) {
    case TEXT_NUMBER: return text_number(host, s);
    case TEXT_DURATION: return text_duration(host, s);
    case TEXT_RFC3339: return text_rfc3339(host, s);
    case TEXT_CRON: return text_cron(host, s);
    case TEXT_BASE64: return text_base64(host, s, false);
    case TEXT_BASE64_URL: return text_base64(host, s, true);
    case TEXT_JSON: return text_json(host, s);
    case TEXT_URL: return text_url(host, s);
    case TEXT_TRANSFORM: return text_transform(host, s);
    case TEXT_ACK: return text_ack(host, s);
    case TEXT_OBJMETA: return text_objmeta(host, s);
    case TEXT_S2: return text_s2(host, s);
    case TEXT_SUBJECT: return text_subject(host, s);
    case TEXT_ORIGIN: return text_origin(host, s);
    case TEXT_ZONE: return text_zone(host, s);
    case TEXT_KINDS: break;
    }
    return false;
}
