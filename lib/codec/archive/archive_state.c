/* SPDX-License-Identifier: Apache-2.0 */
/* The state of a consumer in an archive.
 *
 *   entries   {"config": {..},
 *              "state": {"delivered": {"consumer_seq": n, "stream_seq": n}, "ack_floor": {..},
 *                        "pending": {"STREAM SEQ": {"Sequence": n, "Timestamp": ns}, ..},
 *                        "redelivered": {"STREAM SEQ": deliveries - 1, ..}},
 *              "rill": {"created": ns, "delivered": ns, "acked": ns, "next": n, "picks": [n, ..]}}
 *
 *   tar       16 02 | ack floor, consumer and stream | delivered, consumer and stream
 *             pending: how many; if any, a time in seconds, then each: stream - floor, consumer -
 *             floor, that time - its own
 *             redelivered: how many; each: stream - floor, deliveries - 1
 *             All are varints, times zigzag. 16 01 knows no consumer sequences of pending ones,
 *             has delivered as the distance to the floor, and adds times.
 *
 * The JSON may be long: it is walked member by member, in place, and never becomes a tree. "rill"
 * is passed over by nats-server and its tools. */
#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/number.h"
#include "base/saturate.h"
#include "codec/archive/archive_private.h"

enum { STATE_NONE, STATE_JSON, STATE_PENDING, STATE_AGAIN, STATE_PENDING_OLD };
enum { STATE_MAGIC = 22, STATE_DEPTH = 64 };

static int state_bad(void)
{
    return ri_archive_damaged("the state of a consumer");
}

/* ---- Walking JSON ---- */

static bool state_json_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static ri_str state_json_trim(ri_str s)
{
    while (s.len && state_json_blank(*s.ptr)) s = ri_str_from(s, 1);
    return s;
}

/* Bytes of the string at the front, quotes and all; 0: there is none. */
static size_t state_json_string(ri_str s)
{
    if (!s.len || *s.ptr != '"') return 0;
    for (size_t i = 1; i < s.len; i++) {
        if (s.ptr[i] == '\\') i++;
        else if (s.ptr[i] == '"') return i + 1;
    }
    return 0;
}

/* Bytes of the value at the front; 0: there is none. */
static size_t state_json_value(ri_str s)
{
    int depth = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '"') {
            size_t n = state_json_string(ri_str_from(s, i));
            if (n == 0) return 0;
            i += n - 1;
            if (depth == 0) return i + 1;
        } else if (c == '{' || c == '[') {
            if (++depth > STATE_DEPTH) return 0;
        } else if (c == '}' || c == ']') {
            if (depth == 0) return i; /* a number or a word before it */
            if (--depth == 0) return i + 1;
        } else if (depth == 0 && (c == ',' || c == ':' || state_json_blank(c))) {
            return i;
        }
    }
    return depth ? 0 : s.len;
}

/* What stands between the brackets of an object or array; false: it is none. */
static bool state_json_open(ri_str value, char bracket, ri_str *inside)
{
    RI_ASSERT(bracket == '{' || bracket == '[');
    if (value.len < 2 || value.ptr[0] != bracket) return false;
    *inside = (ri_str){value.ptr + 1, value.len - 2};
    return true;
}

/* The next value of *rest, and the comma behind it: 1, 0 at the end, RILL_EPROTO. */
static int state_json_next(ri_str *rest, ri_str *value)
{
    ri_str s = state_json_trim(*rest);
    if (!s.len) return 0;
    size_t n = state_json_value(s);
    if (n == 0) return state_bad();
    *value = (ri_str){s.ptr, n};
    s = state_json_trim(ri_str_from(s, n));
    if (s.len && *s.ptr != ',') return state_bad();
    *rest = ri_str_from(s, 1);
    return 1;
}

/* The same of a member. Names are taken as they stand, without their quotes. */
static int state_json_member(ri_str *rest, ri_str *name, ri_str *value)
{
    ri_str s = state_json_trim(*rest);
    if (!s.len) return 0;
    size_t n = state_json_string(s);
    if (n == 0) return state_bad();
    *name = (ri_str){s.ptr + 1, n - 2};
    s = state_json_trim(ri_str_from(s, n));
    if (!s.len || *s.ptr != ':') return state_bad();
    s = ri_str_from(s, 1);
    int rc = state_json_next(&s, value);
    *rest = s;
    return rc == 0 ? state_bad() : rc;
}

typedef struct state_json_field {
    const char *name;
    ri_str value; /* empty: it is not there */
} state_json_field;

/* The fields of an object that are asked for; of several with one name the last. */
static int state_json_fields(ri_str object, state_json_field *fields, size_t n)
{
    RI_ASSERT(n > 0 && fields[0].name);
    ri_str rest, name, value;
    if (!state_json_open(object, '{', &rest)) return state_bad();
    int rc;
    while ((rc = state_json_member(&rest, &name, &value)) > 0)
        for (size_t i = 0; i < n; i++)
            if (ri_str_is(name, fields[i].name)) fields[i].value = value;
    return rc;
}

/* A number that must be there. */
static bool state_json_number(ri_str text, uint64_t *n)
{
    return ri_number_read(text, n);
}

/* ---- JSON: reading ---- */

int ri_archive_split(ri_str json, ri_archive_item *item)
{
    state_json_field fields[] = {{"config", RI_STR_NONE}, {"state", RI_STR_NONE},
                                 {"rill", RI_STR_NONE}};
    ri_str whole = state_json_trim(json);
    whole.len = state_json_value(whole);
    int rc = state_json_fields(whole, fields, RI_LEN(fields));
    if (rc < 0) return rc;
    if (!fields[0].value.len || *fields[0].value.ptr != '{')
        return ri_archive_damaged("a consumer without configuration");
    if (!fields[1].value.len || *fields[1].value.ptr != '{')
        return ri_archive_damaged("a consumer without state");
    item->config = fields[0].value;
    item->state = fields[1].value;
    item->more = fields[2].value;
    return RILL_OK;
}

static int state_pair(ri_str object, uint64_t *consumer, uint64_t *stream)
{
    state_json_field fields[] = {{"consumer_seq", RI_STR_NONE}, {"stream_seq", RI_STR_NONE}};
    int rc = state_json_fields(object, fields, RI_LEN(fields));
    if (rc < 0) return rc;
    bool good = state_json_number(fields[0].value, consumer) &&
                state_json_number(fields[1].value, stream);
    return good ? RILL_OK : state_bad();
}

static int state_open_json(ri_archive_state *s, ri_str state)
{
    RI_ASSERT(s->form == STATE_NONE);
    state_json_field fields[] = {{"delivered", RI_STR_NONE}, {"ack_floor", RI_STR_NONE},
                           {"pending", RI_STR_NONE}, {"redelivered", RI_STR_NONE}};
    ri_archive_place *place = &s->place;
    s->form = STATE_JSON;
    int rc = state_json_fields(state, fields, RI_LEN(fields));
    if (rc < 0) return rc;
    rc = state_pair(fields[0].value, &place->delivered_consumer, &place->delivered_stream);
    if (rc < 0) return rc;
    rc = state_pair(fields[1].value, &place->floor_consumer, &place->floor_stream);
    if (rc < 0) return rc;
    if (fields[2].value.len && !ri_str_is(fields[2].value, "null") &&
        !state_json_open(fields[2].value, '{', &s->pending))
        return state_bad();
    if (fields[3].value.len && !ri_str_is(fields[3].value, "null") &&
        !state_json_open(fields[3].value, '{', &s->again))
        return state_bad();
    return 1;
}

static int state_next_json(ri_archive_state *s, ri_archive_pending *out)
{
    RI_ASSERT(s->form == STATE_JSON);
    ri_str name, value;
    int rc = state_json_member(&s->pending, &name, &value);
    *out = (ri_archive_pending){.deliveries = 1};
    if (rc < 0) return rc;
    if (rc > 0) {
        state_json_field fields[] = {{"Sequence", RI_STR_NONE}, {"Timestamp", RI_STR_NONE}};
        rc = state_json_fields(value, fields, RI_LEN(fields));
        if (rc < 0) return rc;
        bool good = state_json_number(name, &out->stream_seq) &&
                    state_json_number(fields[0].value, &out->consumer_seq) &&
                    ri_number_read_i64(fields[1].value, &out->sent_ns);
        return good ? 1 : state_bad();
    }
    if ((rc = state_json_member(&s->again, &name, &value)) <= 0) return rc;
    out->again = true;
    uint64_t times;
    if (!state_json_number(name, &out->stream_seq) || !state_json_number(value, &times))
        return state_bad();
    out->deliveries = ri_u64_add(times, 1);
    return 1;
}

/* ---- Binary: reading ---- */

static int state_open_binary(ri_archive_state *s, ri_str state)
{
    RI_ASSERT(state.len > 0 && s->form == STATE_NONE);
    unsigned char version = state.len > 1 ? (unsigned char)state.ptr[1] : 0;
    if ((unsigned char)state.ptr[0] != STATE_MAGIC || (version != 1 && version != 2))
        return ri_err(RILL_EPROTO, "the archive has a consumer's state of an unknown version");
    archive_cursor c = ri_archive_cursor(ri_str_from(state, 2));
    ri_archive_place *place = &s->place;
    place->floor_consumer = ri_archive_varint(&c);
    place->floor_stream = ri_archive_varint(&c);
    place->delivered_consumer = ri_archive_varint(&c);
    place->delivered_stream = ri_archive_varint(&c);
    s->left = ri_archive_varint(&c);
    if (s->left) s->base_s = ri_archive_zigzag(&c);
    if (c.bad) return state_bad();
    if (version == 1) {
        place->delivered_consumer = ri_u64_add(place->delivered_consumer,
                                               ri_u64_sub(place->floor_consumer, 1));
        place->delivered_stream = ri_u64_add(place->delivered_stream,
                                             ri_u64_sub(place->floor_stream, 1));
    }
    s->form = version == 1 ? STATE_PENDING_OLD : STATE_PENDING;
    s->pending = (ri_str){c.at, (size_t)(c.end - c.at)};
    return 1;
}

static int64_t state_time(const ri_archive_state *s, int64_t distance_s)
{
    RI_ASSERT(s->form == STATE_PENDING || s->form == STATE_PENDING_OLD);
    bool old = s->form == STATE_PENDING_OLD;
    return ri_ns_of_s(old ? ri_ns_add(s->base_s, distance_s) : ri_ns_sub(s->base_s, distance_s));
}

static int state_next_binary(ri_archive_state *s, ri_archive_pending *out)
{
    RI_ASSERT(s->form == STATE_PENDING || s->form == STATE_AGAIN || s->form == STATE_PENDING_OLD);
    archive_cursor c = ri_archive_cursor(s->pending);
    *out = (ri_archive_pending){.deliveries = 1};
    if (s->left == 0 && s->form != STATE_AGAIN) {
        s->left = ri_archive_varint(&c);
        s->form = STATE_AGAIN;
    }
    if (s->left > 0) {
        s->left--;
        out->stream_seq = ri_u64_add(ri_archive_varint(&c), s->place.floor_stream);
        if (s->form == STATE_AGAIN) {
            uint64_t times = ri_archive_varint(&c);
            out->again = true;
            out->deliveries = ri_u64_add(times, 1);
        } else {
            if (s->form == STATE_PENDING)
                out->consumer_seq = ri_u64_add(ri_archive_varint(&c), s->place.floor_consumer);
            out->sent_ns = state_time(s, ri_archive_zigzag(&c));
        }
    } else if (!c.bad) {
        return 0;
    }
    if (c.bad) return state_bad();
    s->pending = (ri_str){c.at, (size_t)(c.end - c.at)};
    return 1;
}

/* ---- Either form ---- */

int ri_archive_state_open(ri_archive_state *s, ri_str state)
{
    *s = (ri_archive_state){.form = STATE_NONE};
    if (state.len == 0) return 0;
    return *state.ptr == '{' ? state_open_json(s, state) : state_open_binary(s, state);
}

int ri_archive_state_next(ri_archive_state *s, ri_archive_pending *out)
{
    RI_ASSERT(s->form >= STATE_NONE && s->form <= STATE_PENDING_OLD);
    if (s->form == STATE_NONE) return 0;
    return s->form == STATE_JSON ? state_next_json(s, out) : state_next_binary(s, out);
}

int ri_archive_more_read(ri_str json, ri_archive_more *out)
{
    state_json_field fields[] = {{"created", RI_STR_NONE}, {"delivered", RI_STR_NONE},
                           {"acked", RI_STR_NONE}, {"next", RI_STR_NONE}, {"picks", RI_STR_NONE}};
    *out = (ri_archive_more){0};
    if (!json.len) return RILL_OK;
    int rc = state_json_fields(json, fields, RI_LEN(fields));
    if (rc < 0) return rc;
    return ri_number_read_i64(fields[0].value, &out->created_ns) &&
                   ri_number_read_i64(fields[1].value, &out->delivered_ns) &&
                   ri_number_read_i64(fields[2].value, &out->acked_ns) &&
                   state_json_number(fields[3].value, &out->next_seq) &&
                   state_json_open(fields[4].value, '[', &out->picks) ? RILL_OK : state_bad();
}

int ri_archive_more_pick(ri_archive_more *more, uint64_t *seq)
{
    ri_str value;
    int rc = state_json_next(&more->picks, &value);
    return rc <= 0 ? rc : state_json_number(value, seq) ? 1 : state_bad();
}

/* ---- Writing ---- */

enum { WRITE_BEGUN, WRITE_PENDING, WRITE_AGAIN, WRITE_MORE, WRITE_PICKS };

void ri_archive_state_begin(ri_archive_writer *w, ri_buffer *out, ri_str config,
                            const ri_archive_place *place)
{
    *w = (ri_archive_writer){.out = out, .part = WRITE_BEGUN};
    ri_buffer_puts(out, "{\"config\":");
    ri_buffer_put_str(out, config);
    ri_buffer_printf(out, ",\"state\":{\"delivered\":{\"consumer_seq\":%" PRIu64 ",\"stream_seq\":%"
                     PRIu64 "},\"ack_floor\":{\"consumer_seq\":%" PRIu64 ",\"stream_seq\":%" PRIu64
                     "}", place->delivered_consumer, place->delivered_stream,
                     place->floor_consumer, place->floor_stream);
}

void ri_archive_state_put(ri_archive_writer *w, const ri_archive_pending *p)
{
    int part = p->again ? WRITE_AGAIN : WRITE_PENDING;
    const char *before = part == w->part ? "," : !p->again        ? ",\"pending\":{"
                         : w->part == WRITE_PENDING ? "},\"redelivered\":{" : ",\"redelivered\":{";
    w->part = part;
    ri_buffer_puts(w->out, before);
    if (p->again)
        ri_buffer_printf(w->out, "\"%" PRIu64 "\":%" PRIu64, p->stream_seq, p->deliveries - 1);
    else
        ri_buffer_printf(w->out, "\"%" PRIu64 "\":{\"Sequence\":%" PRIu64 ",\"Timestamp\":%" PRId64
                         "}", p->stream_seq, p->consumer_seq, p->sent_ns);
}

void ri_archive_state_more(ri_archive_writer *w, const ri_archive_more *more)
{
    RI_ASSERT(w->part <= WRITE_AGAIN);
    ri_buffer_printf(w->out, "%s},\"rill\":{\"created\":%" PRId64 ",\"delivered\":%" PRId64
                     ",\"acked\":%" PRId64 ",\"next\":%" PRIu64 ",\"picks\":[",
                     w->part == WRITE_BEGUN ? "" : "}", more->created_ns, more->delivered_ns,
                     more->acked_ns, more->next_seq);
    w->part = WRITE_MORE;
}

void ri_archive_state_pick(ri_archive_writer *w, uint64_t seq)
{
    RI_ASSERT(w->part == WRITE_MORE || w->part == WRITE_PICKS);
    ri_buffer_printf(w->out, "%s%" PRIu64, w->part == WRITE_PICKS ? "," : "", seq);
    w->part = WRITE_PICKS;
}

void ri_archive_state_end(ri_archive_writer *w)
{
    RI_ASSERT(w->part == WRITE_MORE || w->part == WRITE_PICKS);
    ri_buffer_puts(w->out, "]}}");
}
