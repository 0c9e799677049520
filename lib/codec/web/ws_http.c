/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/web/ws_http.h"

#include <http_parser.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/error.h"
#include "base/sha1.h"

enum { HTTP_WORD_MAX = 64, HTTP_KEY_BYTES = 16 };

typedef enum http_field {
    HTTP_HOST,
    HTTP_UPGRADE,
    HTTP_CONNECTION_,
    HTTP_KEY,
    HTTP_ACCEPT,
    HTTP_VERSION,
    HTTP_ORIGIN,
    HTTP_OLD_ORIGIN,
    HTTP_EXTENSIONS,
    HTTP_FORWARDED,
    HTTP_FIELDS,
} http_field;

static const char *const http_names[HTTP_FIELDS] = {
    [HTTP_HOST] = "Host", [HTTP_UPGRADE] = "Upgrade", [HTTP_CONNECTION_] = "Connection",
    [HTTP_KEY] = "Sec-WebSocket-Key", [HTTP_ACCEPT] = "Sec-WebSocket-Accept",
    [HTTP_VERSION] = "Sec-WebSocket-Version", [HTTP_ORIGIN] = "Origin",
    [HTTP_OLD_ORIGIN] = "Sec-WebSocket-Origin", [HTTP_EXTENSIONS] = "Sec-WebSocket-Extensions",
    [HTTP_FORWARDED] = "X-Forwarded-For",
};

/* What a head holds. Of a field that comes twice the first value counts, but for lists. */
typedef struct http_head {
    ri_str name, value;        /* of the line under way */
    ri_str fields[HTTP_FIELDS];
    bool upgrades, connects, is_13, deflates; /* some line lists that word */
    bool extends_again;        /* a second line has extensions */
    bool whole;                /* its end was found */
    bool broken;               /* a line is continued by the next, as nobody does any more */
} http_head;

/* ---- The parser's calls ---- */

static ri_str http_trim(ri_str text)
{
    while (text.len && strchr(" \t", text.ptr[0])) text = ri_str_from(text, 1);
    while (text.len && strchr(" \t", text.ptr[text.len - 1])) text.len--;
    return text;
}

/* Does the list have the word, whatever stands behind a ; in its part? */
static bool http_lists(ri_str list, const char *word)
{
    ri_str part, first;
    while (ri_str_cut(&list, ',', &part)) {
        if (!ri_str_cut(&part, ';', &first)) continue;
        if (ri_str_eq_nocase(http_trim(first), ri_str_of(word))) return true;
    }
    return false;
}

static void http_end_line(http_head *h)
{
    for (int i = 0; i < HTTP_FIELDS && h->name.len; i++) {
        if (!ri_str_eq_nocase(h->name, ri_str_of(http_names[i]))) continue;
        h->extends_again |= i == HTTP_EXTENSIONS && h->fields[i].ptr;
        if (!h->fields[i].ptr) h->fields[i] = h->value;
        h->upgrades |= i == HTTP_UPGRADE && http_lists(h->value, "websocket");
        h->connects |= i == HTTP_CONNECTION_ && http_lists(h->value, "Upgrade");
        h->is_13 |= i == HTTP_VERSION && http_lists(h->value, "13");
        h->deflates |= i == HTTP_EXTENSIONS && http_lists(h->value, "permessage-deflate");
    }
    h->name = h->value = RI_STR_NONE;
}

/* The parser may hand a part over in pieces, which stand side by side. */
static void http_add(http_head *h, ri_str *part, const char *at, size_t len)
{
    if (part->len && part->ptr + part->len != at) h->broken = true;
    if (!part->len) part->ptr = at;
    part->len += len;
}

static int http_on_field(http_parser *parser, const char *at, size_t len)
{
    http_head *h = parser->data;
    if (h->value.ptr) http_end_line(h);
    http_add(h, &h->name, at, len);
    return 0;
}

static int http_on_value(http_parser *parser, const char *at, size_t len)
{
    http_head *h = parser->data;
    if (!h->value.ptr) h->value.ptr = at;
    http_add(h, &h->value, at, len);
    return 0;
}

static int http_on_end(http_parser *parser)
{
    http_head *h = parser->data;
    http_end_line(h);
    h->whole = true;
    return 2; /* neither a body nor another head behind this one */
}

/* NULL, or what is wrong with it. */
static const char *http_parse(http_parser *parser, enum http_parser_type type, ri_str text,
                              http_head *h)
{
    http_parser_settings calls;
    http_parser_settings_init(&calls);
    calls.on_header_field = http_on_field;
    calls.on_header_value = http_on_value;
    calls.on_headers_complete = http_on_end;
    *h = (http_head){.broken = false};
    http_parser_init(parser, type);
    parser->data = h;
    size_t used = http_parser_execute(parser, &calls, text.ptr, text.len);
    enum http_errno err = HTTP_PARSER_ERRNO(parser);
    if (err != HPE_OK) return http_errno_description(err);
    if (!h->whole) return "it has no first line";
    /* The parser also takes bare LFs for the ends of lines, and so for the end of the head. */
    if (used != text.len) return "an empty line stands within the head";
    return h->broken ? "a header is continued on the next line" : NULL;
}

/* ---- Both ways ---- */

int ri_ws_http_there(void)
{
    return RILL_OK;
}

size_t ri_ws_http_head(ri_str bytes, size_t sought)
{
    static const char end[] = "\r\n\r\n";
    size_t from = sought > 3 ? sought - 3 : 0;
    RI_ASSERT(from <= bytes.len);
    const char *at = memmem(bytes.ptr + from, bytes.len - from, end, sizeof end - 1);
    return at ? (size_t)(at - bytes.ptr) + sizeof end - 1 : 0;
}

void ri_ws_http_key(const unsigned char bytes[16], char out[RI_WS_HTTP_KEY + 1])
{
    size_t len = ri_base64_write((ri_str){(const char *)bytes, HTTP_KEY_BYTES}, out);
    RI_ASSERT(len == RI_WS_HTTP_KEY);
    (void)len;
}

static void http_accept(ri_str key, char out[RI_WS_HTTP_ACCEPT + 1])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455, 1.3 */
    char text[HTTP_WORD_MAX + sizeof guid];
    unsigned char sum[RI_SHA1_SIZE];
    RI_ASSERT(key.len <= HTTP_WORD_MAX);
    memcpy(text, key.ptr, key.len);
    memcpy(text + key.len, guid, sizeof guid - 1);
    ri_sha1((ri_str){text, key.len + sizeof guid - 1}, sum);
    size_t len = ri_base64_write((ri_str){(const char *)sum, sizeof sum}, out);
    RI_ASSERT(len == RI_WS_HTTP_ACCEPT);
    (void)len;
}

/* ---- Requests ---- */

static int http_refuse(int *status, int code, const char *why)
{
    *status = code;
    return ri_err(RILL_EPROTO, "websocket handshake error: %s", why);
}

static bool http_is_key(ri_str key)
{
    char bytes[RI_WS_HTTP_KEY];
    size_t len;
    if (key.len != RI_WS_HTTP_KEY) return false;
    return ri_base64_read(key, bytes, &len) == RILL_OK && len == HTTP_KEY_BYTES;
}

int ri_ws_http_read_request(ri_str text, ri_ws_request *out, int *status)
{
    RI_ASSERT(text.len <= RI_WS_HTTP_MAX && status);
    http_parser parser;
    http_head h;
    const char *wrong = http_parse(&parser, HTTP_REQUEST, text, &h);
    if (wrong) return http_refuse(status, 400, wrong);
    if (parser.http_major != 1 || parser.http_minor < 1)
        return http_refuse(status, 505, "the request is not of HTTP/1.1");
    if (parser.method != HTTP_GET) return http_refuse(status, 405, "request method must be GET");
    if (!h.fields[HTTP_HOST].len)
        return http_refuse(status, 400, "'Host' missing in request");
    if (!h.upgrades) return http_refuse(status, 400, "invalid value for header 'Upgrade'");
    if (!h.connects) return http_refuse(status, 400, "invalid value for header 'Connection'");
    if (!h.fields[HTTP_KEY].len) return http_refuse(status, 400, "key missing");
    if (!http_is_key(h.fields[HTTP_KEY]))
        return http_refuse(status, 400, "invalid websocket key");
    if (!h.is_13) return http_refuse(status, 400, "invalid version");
    ri_str origin = h.fields[HTTP_ORIGIN];
    *out = (ri_ws_request){.key = h.fields[HTTP_KEY], .host = h.fields[HTTP_HOST],
                           .origin = origin.len ? origin : h.fields[HTTP_OLD_ORIGIN],
                           .forwarded = h.fields[HTTP_FORWARDED], .deflates = h.deflates};
    return RILL_OK;
}

/* The end of a head, in front of which either side speaks of compression in the same words. */
static void http_end(ri_buffer *out, bool deflates)
{
    if (deflates)
        ri_buffer_puts(out, "Sec-WebSocket-Extensions: permessage-deflate; "
                       "server_no_context_takeover; client_no_context_takeover\r\n");
    ri_buffer_puts(out, "\r\n");
}

void ri_ws_http_write_answer(ri_buffer *out, ri_str key, bool deflates)
{
    char accept[RI_WS_HTTP_ACCEPT + 1];
    http_accept(key, accept);
    ri_buffer_printf(out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n", accept);
    http_end(out, deflates);
}

void ri_ws_http_write_refusal(ri_buffer *out, int status)
{
    const char *text = http_status_str((enum http_status)status);
    ri_buffer_printf(out, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
                     "Sec-Websocket-Version: 13\r\nX-Content-Type-Options: nosniff\r\n"
                     "Content-Length: %zu\r\nConnection: close\r\n\r\n%s\n", status, text,
                     strlen(text) + 1, text);
}

/* ---- Answers ---- */

void ri_ws_http_write_request(ri_buffer *out, const char *host, const char *path, const char *key,
                              bool deflates)
{
    RI_ASSERT(path[0] == '/' && strlen(key) == RI_WS_HTTP_KEY);
    ri_buffer_printf(out, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
                     "Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
                     "Sec-WebSocket-Version: 13\r\n", path, host, key);
    http_end(out, deflates);
}

/* Is it permessage-deflate alone, each message of the server's for itself? How large a window it
 * has does not matter, and what it lets us do we need not. */
static bool http_agrees(ri_str extension)
{
    ri_str part, name;
    bool resets = false;
    for (int i = 0; ri_str_cut(&extension, ';', &part); i++) {
        if (!ri_str_cut(&part, '=', &name)) return false;
        name = http_trim(name);
        bool is_reset = ri_str_eq_nocase(name, RI_STR("server_no_context_takeover"));
        bool known = is_reset || ri_str_eq_nocase(name, RI_STR("client_no_context_takeover")) ||
                     ri_str_eq_nocase(name, RI_STR("server_max_window_bits"));
        if (i == 0) known = ri_str_eq_nocase(name, RI_STR("permessage-deflate"));
        if (!known) return false;
        resets |= i > 0 && is_reset;
    }
    return resets;
}

int ri_ws_http_read_answer(ri_str text, const char *key, bool *deflates)
{
    RI_ASSERT(text.len <= RI_WS_HTTP_MAX && strlen(key) == RI_WS_HTTP_KEY);
    char accept[RI_WS_HTTP_ACCEPT + 1];
    http_parser parser;
    http_head h;
    const char *wrong = http_parse(&parser, HTTP_RESPONSE, text, &h);
    if (wrong) return ri_err(RILL_EPROTO, "the answer to the upgrade is no HTTP: %s", wrong);
    if (parser.status_code != HTTP_STATUS_SWITCHING_PROTOCOLS)
        return ri_err(RILL_EPROTO, "the upgrade to WebSocket was answered with %u %s",
                      parser.status_code,
                      http_status_str((enum http_status)parser.status_code));
    if (!h.upgrades || !h.connects)
        return ri_err(RILL_EPROTO, "the answer to the upgrade is not one to WebSocket");
    http_accept(ri_str_of(key), accept);
    if (!ri_str_is(h.fields[HTTP_ACCEPT], accept))
        return ri_err(RILL_EPROTO, "the answer to the upgrade is to another key");
    ri_str extension = h.fields[HTTP_EXTENSIONS];
    if (h.extends_again || (extension.len && !(*deflates && http_agrees(extension))))
        return ri_err(RILL_EPROTO, "the answer to the upgrade has extensions that nobody wanted");
    *deflates = extension.len > 0;
    return RILL_OK;
}
