/* SPDX-License-Identifier: Apache-2.0 */
#include "hostile/dice.h"

#include <string.h>

#include "codec/jetstream/jsapi_table.h"

#define DICE_PICK(r, list) (list)[rng_below((r), RI_LEN(list))]

static const char *const dice_limits[] = {
    "0", "-1", "-2", "127", "128", "255", "256", "32767", "65535", "65536", "2147483647",
    "2147483648", "-2147483648", "4294967295", "4294967296", "9007199254740991",
    "9007199254740993", "9223372036854775", "9223372036854775806", "9223372036854775807",
    "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
    "18446744073709551614", "18446744073709551615", "18446744073709551616", "1e3", "0.5",
    "1e400", "-0", "99999999999999999999999999",
};
static const char *const dice_not_numbers[] = {"\"5\"", "null", "true", "[]", "{}", "\"\"", "[1"};
static const char *const dice_durations[] = {
    "1", "1000000", "100000000", "1000000000", "2000000000", "60000000000", "3600000000000",
};

static void dice_small(rng *r, ri_buffer *out)
{
    ri_buffer_printf(out, "%u", (unsigned)rng_below(r, dice_chance(r, 90) ? 12 : 5000));
}

void dice_integer(rng *r, ri_buffer *out)
{
    uint64_t kind = rng_below(r, 10);
    if (kind < 6) dice_small(r, out);
    else if (kind < 9) ri_buffer_puts(out, DICE_PICK(r, dice_durations));
    else ri_buffer_puts(out, DICE_PICK(r, dice_limits));
}

void dice_number(rng *r, ri_buffer *out)
{
    if (dice_chance(r, 2)) ri_buffer_puts(out, DICE_PICK(r, dice_not_numbers));
    else dice_integer(r, out);
}

/* ---- Names, subjects and times ---- */

static void dice_odd_name(rng *r, ri_buffer *out)
{
    static const char *const odd[] = {
        "", ".", "a.b", "a b", "*", ">", "a/b", "..", "\\", "\"", "\xc3\xa9", "\xff\xfe", "\r\n",
        "\t", "\x7f", "\x01", "$JS", "S0 ", "s0", "{}", "%s%n", "_INBOX", "a\r\nPUB x 0\r\n",
    };
    if (dice_chance(r, 90)) {
        ri_buffer_puts(out, DICE_PICK(r, odd));
        return;
    }
    static const size_t lengths[] = {31, 32, 33, 254, 255, 256, 257, 4000};
    for (size_t n = DICE_PICK(r, lengths); n > 0; n--) ri_buffer_puts(out, "n");
}

void dice_stream(rng *r, ri_buffer *out)
{
    if (dice_chance(r, 4)) dice_odd_name(r, out);
    else ri_buffer_printf(out, "S%u", (unsigned)rng_below(r, DICE_STREAMS));
}

void dice_consumer(rng *r, ri_buffer *out)
{
    if (dice_chance(r, 4)) dice_odd_name(r, out);
    else ri_buffer_printf(out, "c%u", (unsigned)rng_below(r, DICE_CONSUMERS));
}

static void dice_odd_subject(rng *r, ri_buffer *out)
{
    static const char *const odd[] = {
        "", ".", "..", "a..b", ".a", "a.", "a b", "$JS.API.>", "$JS.API.INFO", "$SYS.>", "$KV.b.k",
        "$O.b.C.x", "_INBOX.x", ">.a", "a.>.b", "a*", "*a", "a.*b", "\xff", "\r\n", "s0.\x01",
        "$JS.ACK.>", "$JS.FC.S0.c0.x", "d.0", "in", "by", "$1", "{{wildcard(1)}}",
        "s1.{{partition(3,1)}}", "s2.{{wildcard(1)}}", "s0.{{left(1,18446744073709551615)}}",
        "x.{{splitfromleft(1,9999999999)}}", "{{slice(1,0)}}", "{{partition(0)}}",
    };
    if (dice_chance(r, 95)) {
        ri_buffer_puts(out, DICE_PICK(r, odd));
        return;
    }
    for (uint64_t n = rng_below(r, 600); n > 0; n--) ri_buffer_puts(out, "t.");
    ri_buffer_puts(out, "t");
}

void dice_subject(rng *r, ri_buffer *out, bool wild)
{
    static const char *const plain[] = {"a", "b", "c", "d"};
    static const char *const wilder[] = {"a", "b", "*", "*"};
    if (dice_chance(r, 5)) {
        dice_odd_subject(r, out);
        return;
    }
    ri_buffer_printf(out, "s%u", (unsigned)rng_below(r, DICE_STREAMS));
    for (uint64_t n = 1 + rng_below(r, 3); n > 0; n--)
        ri_buffer_printf(out, ".%s", wild ? DICE_PICK(r, wilder) : DICE_PICK(r, plain));
    if (wild && dice_chance(r, 30)) ri_buffer_puts(out, ".>");
}

void dice_time(rng *r, ri_buffer *out)
{
    static const char *const times[] = {
        "2027-01-15T08:00:00Z", "2027-01-15T08:00:01Z", "2027-01-15T08:01:00.5Z",
        "2027-01-15T09:00:00+01:00", "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "2262-04-11T23:47:16Z",
        "2262-04-11T23:47:17Z", "1677-09-21T00:12:43Z", "2027-02-30T00:00:00Z", "", "now",
        "2027-01-15T08:00:00", "2027-01-15T24:00:60Z", "-2027-01-15T08:00:00Z",
    };
    ri_buffer_puts(out, DICE_PICK(r, times));
}

/* ---- Bodies ---- */

static void dice_put_string(ri_buffer *out, ri_str s)
{
    ri_buffer_puts(out, "\"");
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c < ' ' || c == '"' || c == '\\') ri_buffer_printf(out, "\\u%04x", c);
        else ri_buffer_put(out, &c, 1);
    }
    ri_buffer_puts(out, "\"");
}

static bool dice_has(const char *name, const char *word)
{
    return strstr(name, word) != NULL;
}

/* What a field of text is of is told by its name. */
static void dice_text(rng *r, const char *name, ri_buffer *out)
{
    ri_buffer text;
    ri_buffer_init(&text, out->host);
    if (strcmp(name, "deliver_subject") == 0 && dice_chance(r, 60))
        ri_buffer_printf(&text, "d.%u", (unsigned)rng_below(r, 3));
    else if (dice_has(name, "subj") || dice_has(name, "filter") || !strcmp(name, "src") ||
             !strcmp(name, "dest") || dice_has(name, "deliver"))
        dice_subject(r, &text, !dice_has(name, "deliver"));
    else if (strcmp(name, "sample_freq") == 0) dice_integer(r, &text);
    else if (dice_has(name, "group")) ri_buffer_puts(&text, dice_chance(r, 80) ? "g" : "h");
    else if (dice_has(name, "name") && !dice_has(name, "durable")) dice_stream(r, &text);
    else if (dice_has(name, "durable")) dice_consumer(r, &text);
    else dice_odd_name(r, &text);
    dice_put_string(out, ri_buffer_str(&text));
    ri_buffer_fini(&text);
}

static void dice_object(rng *r, const ri_jsapi_type *type, unsigned percent, ri_buffer *out);

static void dice_list(rng *r, const jsapi_row *row, unsigned percent, ri_buffer *out)
{
    ri_buffer_puts(out, "[");
    uint64_t n = rng_below(r, dice_chance(r, 95) ? 4 : 40);
    for (uint64_t i = 0; i < n; i++) {
        if (i > 0) ri_buffer_puts(out, ",");
        if (row->kind == JSAPI_LIST) dice_object(r, row->of.type, RI_MAX(percent, 40), out);
        else if (row->kind == JSAPI_INTS) dice_number(r, out);
        else dice_text(r, row->name, out);
    }
    ri_buffer_puts(out, "]");
}

static void dice_map(rng *r, ri_buffer *out)
{
    static const char *const keys[] = {"k", "_nats.req.level", "_nats.x", ""};
    ri_buffer_printf(out, "{\"%s\":", DICE_PICK(r, keys));
    dice_text(r, "metadata", out);
    ri_buffer_puts(out, "}");
}

static void dice_quoted_time(rng *r, ri_buffer *out)
{
    ri_buffer_puts(out, "\"");
    dice_time(r, out);
    ri_buffer_puts(out, "\"");
}

static void dice_value(rng *r, const jsapi_row *row, unsigned percent, ri_buffer *out)
{
    if (dice_chance(r, 1)) {
        ri_buffer_puts(out, DICE_PICK(r, dice_not_numbers));
        return;
    }
    switch (row->kind) {
    case JSAPI_BOOL: ri_buffer_puts(out, dice_chance(r, 50) ? "true" : "false"); break;
    case JSAPI_INT: case JSAPI_INT32: case JSAPI_UINT: dice_number(r, out); break;
    case JSAPI_TIME: dice_quoted_time(r, out); break;
    case JSAPI_ENUM:
        ri_buffer_printf(out, "\"%s\"", row->of.names->names[rng_below(r, row->of.names->len)]);
        break;
    case JSAPI_STRS: case JSAPI_INTS: case JSAPI_LIST: dice_list(r, row, percent, out); break;
    case JSAPI_MAP: case JSAPI_COUNTS: dice_map(r, out); break;
    case JSAPI_OBJECT: case JSAPI_GROUP: case JSAPI_POINTER:
        dice_object(r, row->of.type, RI_MAX(percent, 30), out);
        break;
    default: dice_text(r, row->name, out); break;
    }
}

/* Each row of the table with this chance. */
static void dice_rows(rng *r, const ri_jsapi_type *type, unsigned percent, ri_buffer *out)
{
    for (unsigned i = 0; i < type->nrows; i++) {
        const jsapi_row *row = &type->rows[i];
        if (row->kind == JSAPI_EMBED || row->kind == JSAPI_EMBED_PTR) {
            dice_rows(r, row->of.type, percent, out);
            continue;
        }
        if (!dice_chance(r, percent)) continue;
        ri_str before = ri_buffer_str(out);
        if (before.len && before.ptr[before.len - 1] != '{') ri_buffer_puts(out, ",");
        ri_buffer_printf(out, "\"%s\":", row->name);
        dice_value(r, row, percent, out);
    }
}

static void dice_object(rng *r, const ri_jsapi_type *type, unsigned percent, ri_buffer *out)
{
    ri_buffer_puts(out, "{");
    dice_rows(r, type, percent, out);
    ri_buffer_puts(out, "}");
}

/* ---- Requests ---- */

typedef struct dice_verb {
    const char *name;
    unsigned names;            /* in its subject: of a stream; of it and a consumer */
    const ri_jsapi_type *type; /* of its body; NULL: none */
    unsigned weight;
} dice_verb;

static const dice_verb dice_verbs[] = {
    {"STREAM.CREATE", 1, &ri_jsapi_stream_request, 14},
    {"STREAM.UPDATE", 1, &ri_jsapi_stream_request, 8},
    {"CONSUMER.CREATE", 2, &ri_jsapi_consumer_request, 16},
    {"CONSUMER.DURABLE.CREATE", 2, &ri_jsapi_consumer_request, 2},
    {"CONSUMER.MSG.NEXT", 2, &ri_jsapi_pull_request, 20},
    {"STREAM.DELETE", 1, NULL, 1},
    {"CONSUMER.DELETE", 2, NULL, 1},
    {"STREAM.PURGE", 1, &ri_jsapi_purge_request, 3},
    {"STREAM.MSG.DELETE", 1, &ri_jsapi_msg_delete_request, 5},
    {"STREAM.MSG.GET", 1, &ri_jsapi_msg_get_request, 5},
    {"DIRECT.GET", 1, &ri_jsapi_msg_get_request, 5},
    {"STREAM.INFO", 1, &ri_jsapi_stream_info_request, 5},
    {"CONSUMER.INFO", 2, NULL, 4},
    {"CONSUMER.PAUSE", 2, &ri_jsapi_pause_request, 3},
    {"CONSUMER.RESET", 2, &ri_jsapi_reset_request, 3},
    {"CONSUMER.UNPIN", 2, &ri_jsapi_unpin_request, 2},
    {"CONSUMER.NAMES", 1, &ri_jsapi_consumer_list_request, 1},
    {"CONSUMER.LIST", 1, &ri_jsapi_consumer_list_request, 2},
    {"STREAM.NAMES", 0, &ri_jsapi_stream_names_request, 1},
    {"STREAM.LIST", 0, &ri_jsapi_stream_list_request, 2},
    {"STREAM.SNAPSHOT", 1, &ri_jsapi_snapshot_request, 2},
    {"STREAM.RESTORE", 1, &ri_jsapi_restore_request, 2},
    {"STREAM.LEADER.STEPDOWN", 1, &ri_jsapi_stepdown_request, 1},
    {"CONSUMER.LEADER.STEPDOWN", 2, &ri_jsapi_stepdown_request, 1},
    {"STREAM.PEER.REMOVE", 1, &ri_jsapi_peer_request, 1},
    {"INFO", 0, NULL, 1},
};

static const dice_verb *dice_pick_verb(rng *r)
{
    unsigned all = 0;
    for (size_t i = 0; i < RI_LEN(dice_verbs); i++) all += dice_verbs[i].weight;
    uint64_t at = rng_below(r, all);
    const dice_verb *verb = dice_verbs;
    for (; at >= verb->weight; verb++) at -= verb->weight;
    return verb;
}

/* A stream that most likely can be made: its own name and subjects, and a few fields. */
static void dice_stream_body(rng *r, ri_str name, unsigned percent, ri_buffer *out)
{
    ri_buffer_puts(out, "{\"name\":");
    dice_put_string(out, name);
    if (name.len == 2 && dice_chance(r, 90)) {
        ri_buffer_printf(out, ",\"subjects\":[\"s%c.>\"]", name.ptr[1]);
        if (dice_chance(r, 50)) ri_buffer_puts(out, ",\"storage\":\"memory\"");
        if (dice_chance(r, 50)) ri_buffer_puts(out, ",\"allow_direct\":true");
        if (dice_chance(r, 40)) ri_buffer_puts(out, ",\"allow_atomic\":true");
        if (dice_chance(r, 40)) ri_buffer_puts(out, ",\"allow_batched\":true");
        if (dice_chance(r, 40)) ri_buffer_puts(out, ",\"allow_msg_ttl\":true");
        if (dice_chance(r, 30)) ri_buffer_puts(out, ",\"allow_msg_schedules\":true");
        if (dice_chance(r, 8)) ri_buffer_puts(out, ",\"allow_msg_counter\":true");
    }
    dice_rows(r, &ri_jsapi_stream_request, percent, out);
    ri_buffer_puts(out, "}");
}

static void dice_consumer_body(rng *r, ri_str stream, ri_str name, unsigned percent, ri_buffer *out)
{
    ri_buffer_puts(out, "{\"stream_name\":");
    dice_put_string(out, stream);
    ri_buffer_puts(out, ",\"config\":{\"name\":");
    dice_put_string(out, name);
    if (dice_chance(r, 60)) {
        ri_buffer_puts(out, ",\"durable_name\":");
        dice_put_string(out, name);
    }
    if (dice_chance(r, 60)) ri_buffer_puts(out, ",\"ack_policy\":\"explicit\"");
    if (dice_chance(r, 30))
        ri_buffer_printf(out, ",\"deliver_subject\":\"d.%u\"", (unsigned)rng_below(r, 3));
    dice_rows(r, &ri_jsapi_consumer_conf, percent, out);
    ri_buffer_puts(out, "}}");
}

/* Now and then bytes of a body are others, or it ends early. */
static void dice_spoil(rng *r, ri_buffer *body)
{
    size_t len = ri_buffer_size(body);
    if (len == 0 || !dice_chance(r, 4)) return;
    ri_str text = ri_buffer_str(body);
    ri_buffer copy;
    ri_buffer_init(&copy, body->host);
    ri_buffer_put(&copy, text.ptr, dice_chance(r, 50) ? rng_below(r, len) : len);
    for (int n = 3; n > 0 && ri_buffer_size(&copy) > 0; n--) {
        char *bytes = (char *)ri_buffer_str(&copy).ptr;
        bytes[rng_below(r, ri_buffer_size(&copy))] = (char)rng_next(r);
    }
    ri_buffer_reset(body);
    ri_buffer_put_str(body, ri_buffer_str(&copy));
    ri_buffer_fini(&copy);
}

void dice_request(rng *r, ri_buffer *subject, ri_buffer *body)
{
    static const unsigned percents[] = {0, 0, 0, 2, 2, 4, 4, 10, 30, 70};
    const dice_verb *verb = dice_pick_verb(r);
    unsigned percent = DICE_PICK(r, percents);
    ri_buffer stream, consumer;
    ri_buffer_init(&stream, subject->host);
    ri_buffer_init(&consumer, subject->host);
    dice_stream(r, &stream);
    dice_consumer(r, &consumer);
    ri_buffer_puts(subject, verb->name);
    if (verb->names > 0) ri_buffer_printf(subject, ".%.*s", RI_ARG(ri_buffer_str(&stream)));
    if (verb->names > 1) ri_buffer_printf(subject, ".%.*s", RI_ARG(ri_buffer_str(&consumer)));
    if (verb->type == &ri_jsapi_stream_request)
        dice_stream_body(r, ri_buffer_str(&stream), percent, body);
    else if (verb->type == &ri_jsapi_consumer_request)
        dice_consumer_body(r, ri_buffer_str(&stream), ri_buffer_str(&consumer), percent, body);
    else if (verb->type != NULL && dice_chance(r, 90))
        dice_object(r, verb->type, RI_MAX(percent, 25), body);
    dice_spoil(r, body);
    ri_buffer_fini(&stream);
    ri_buffer_fini(&consumer);
}

void dice_make_stream(rng *r, unsigned n, ri_buffer *subject, ri_buffer *body)
{
    char name[] = "S0";
    name[1] = (char)('0' + n);
    ri_buffer_printf(subject, "STREAM.CREATE.%s", name);
    dice_stream_body(r, ri_str_of(name), dice_chance(r, 50) ? 0 : 2, body);
}

void dice_make_consumer(rng *r, unsigned stream, unsigned n, ri_buffer *subject, ri_buffer *body)
{
    char of[] = "S0", name[] = "c0";
    of[1] = (char)('0' + stream);
    name[1] = (char)('0' + n);
    ri_buffer_printf(subject, "CONSUMER.CREATE.%s.%s", of, name);
    dice_consumer_body(r, ri_str_of(of), ri_str_of(name), dice_chance(r, 50) ? 0 : 4, body);
}

/* ---- Messages ---- */

static const char *const dice_header_numbers[] = {
    "Nats-Expected-Last-Sequence", "Nats-Expected-Last-Subject-Sequence", "Nats-TTL",
    "Nats-Incr", "Nats-Batch-Sequence", "Nats-Schedule-TTL", "Nats-Required-Api-Level",
    "Nats-Msg-Size",
};
static const char *const dice_header_texts[] = {
    "Nats-Expected-Stream: S0", "Nats-Expected-Last-Msg-Id: m", "Nats-Msg-Id: m", "Nats-Msg-Id: n",
    "Nats-Rollup: sub", "Nats-Rollup: all", "Nats-Batch-Id: b", "Nats-Batch-Commit: 1",
    "Nats-Batch-Commit: eob", "Nats-TTL: never", "Nats-TTL: 1s", "Nats-TTL: 2562047h47m17s",
    "Nats-Schedule: @every 1s", "Nats-Schedule: @at 2027-01-15T08:00:05Z",
    "Nats-Schedule: @every 2562047h", "Nats-Schedule: @every 0s", "Nats-Schedule: 0 30 2 30 2 *",
    "Nats-Schedule: * * * * * *", "Nats-Schedule: @at 9999-12-31T23:59:59Z",
    "Nats-Schedule-Target: s0.t", "Nats-Schedule-Target: s1.t", "Nats-Schedule-Source: s0.a",
    "Nats-Schedule-Rollup: sub", "Nats-Schedule-Time-Zone: Test/Half", "Nats-Schedule-Next: purge",
    "Nats-Scheduler: s0.a", "Nats-Stream-Source: S0 1 > > s0.a", "Nats-Incr: +99999999999999999999",
    "Nats-Incr: -1", "Nats-Counter-Sources: {}", "Nats-Trace-Dest: in", "Nats-Trace-Only: true",
    "Nats-Marker-Reason: MaxAge", "X: y", ": ", "no colon", "X:\x01", " folded: 1",
};

void dice_headers(rng *r, ri_buffer *out)
{
    for (uint64_t n = rng_below(r, 5); n > 0; n--) {
        if (dice_chance(r, 40)) {
            ri_buffer_printf(out, "%s: ", DICE_PICK(r, dice_header_numbers));
            dice_integer(r, out);
        } else {
            ri_buffer_puts(out, DICE_PICK(r, dice_header_texts));
        }
        ri_buffer_puts(out, "\r\n");
    }
    if (dice_chance(r, 5)) {
        ri_buffer_puts(out, "Nats-Expected-Last-Subject-Sequence-Subject: ");
        dice_subject(r, out, true);
        ri_buffer_puts(out, "\r\n");
    }
}

void dice_payload(rng *r, ri_buffer *out)
{
    uint64_t n = rng_below(r, dice_chance(r, 97) ? 30 : 20000);
    if (dice_chance(r, 10)) {
        dice_number(r, out);
        return;
    }
    while (n-- > 0) ri_buffer_puts(out, "x");
}

/* Of the tokens of an ack subject some are others. */
static void dice_ack_subject(rng *r, const char *last, ri_buffer *out)
{
    ri_str rest = ri_str_of(last);
    bool spoil = dice_chance(r, 30);
    for (int at = 0; rest.len > 0; at++) {
        const char *dot = memchr(rest.ptr, '.', rest.len);
        size_t len = dot ? (size_t)(dot - rest.ptr) : rest.len;
        if (at > 0) ri_buffer_puts(out, ".");
        if (spoil && at > 3 && dice_chance(r, 30)) dice_integer(r, out);
        else ri_buffer_put(out, rest.ptr, len);
        rest = ri_str_from(rest, dot ? len + 1 : len);
    }
}

void dice_ack(rng *r, const char *last, ri_buffer *subject, ri_buffer *body)
{
    static const char *const words[] = {
        "", "", "+ACK", "-NAK", "+WPI", "+TERM", "+TERM why", "+NXT", "+NXT 5", "-NAK {\"delay\":",
        "+NXT {\"batch\":", "+NXT{\"expires\":", "-ERR", "+",
    };
    if (*last) {
        dice_ack_subject(r, last, subject);
    } else {
        ri_buffer_printf(subject, "$JS.ACK.S%u.c%u.", (unsigned)rng_below(r, DICE_STREAMS),
                         (unsigned)rng_below(r, DICE_CONSUMERS));
        for (int i = 0; i < 5; i++) {
            if (i > 0) ri_buffer_puts(subject, ".");
            dice_integer(r, subject);
        }
    }
    const char *word = DICE_PICK(r, words);
    ri_buffer_puts(body, word);
    if (*word && word[strlen(word) - 1] == ':') {
        dice_number(r, body);
        ri_buffer_puts(body, "}");
    }
}
