/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/web/http_read.h"

#include <http_parser.h>

#include "base/assert.h"
#include "base/error.h"

typedef enum read_field {
    READ_HOST,
    READ_CONNECTION,
    READ_LENGTH,
    READ_CODINGS,
    READ_ENCODING,
    READ_ACCEPT,
    READ_LOGIN,
    READ_SITE,
    READ_FIELDS,
} read_field;

static const char *const read_names[READ_FIELDS] = {
    [READ_HOST] = "Host", [READ_CONNECTION] = "Connection", [READ_LENGTH] = "Content-Length",
    [READ_CODINGS] = "Transfer-Encoding", [READ_ENCODING] = "Accept-Encoding",
    [READ_ACCEPT] = "Accept", [READ_LOGIN] = "Authorization", [READ_SITE] = "Sec-Fetch-Site",
};

/* What is known of a head while it is parsed. */
typedef struct read_head {
    ri_str url, name, value;       /* of the first line; of the field under way */
    uint32_t fields;
    uint32_t count[READ_FIELDS];   /* how often each came */
    bool closes, keeps, gzips, open_metrics;
    ri_str login;
    bool foreign;
    bool has_body;
    bool whole;                    /* its end was found */
    bool broken;                   /* a field is continued by the next line */
    bool odd;                      /* a field has a byte that may not be there */
    bool crowded;                  /* it has more than RI_HTTP_FIELDS_MAX fields */
} read_head;

/* ---- Lists ---- */

static ri_str read_trim(ri_str s)
{
    while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) s = ri_str_from(s, 1);
    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t')) s.len--;
    return s;
}

/* Is the weight of what stands before these parameters 0? "q=0", "q=0.0" and so on. */
static bool read_is_refused(ri_str parameters)
{
    ri_str one;
    while (ri_str_cut(&parameters, ';', &one)) {
        one = read_trim(one);
        if (one.len < 3 || (one.ptr[0] | 32) != 'q' || one.ptr[1] != '=') continue;
        bool zero = true;
        for (size_t i = 2; i < one.len; i++)
            zero = zero && (one.ptr[i] == '0' || one.ptr[i] == '.');
        return zero;
    }
    return false;
}

/* Does the list, which has commas in between, name the word with a weight that is not 0? */
static bool read_lists(ri_str list, const char *word)
{
    ri_str part, first;
    while (ri_str_cut(&list, ',', &part)) {
        if (!ri_str_cut(&part, ';', &first)) continue;
        if (ri_str_eq_nocase(read_trim(first), ri_str_of(word))) return !read_is_refused(part);
    }
    return false;
}

/* ---- The parser's calls ---- */

/* What the parser lets pass, and others may read in another way. */
static bool read_is_odd(ri_str name, ri_str value)
{
    bool odd = memchr(name.ptr, ' ', name.len) != NULL;
    for (size_t i = 0; i < value.len; i++)
        odd = odd || ((unsigned char)value.ptr[i] < ' ' && value.ptr[i] != '\t');
    return odd;
}

static void read_end_field(read_head *h)
{
    if (!h->name.len) return;
    h->crowded |= ++h->fields > RI_HTTP_FIELDS_MAX;
    ri_str value = read_trim(h->value);
    h->odd |= read_is_odd(h->name, value);
    for (int i = 0; i < READ_FIELDS; i++)
        h->count[i] += ri_str_eq_nocase(h->name, ri_str_of(read_names[i]));
    if (ri_str_eq_nocase(h->name, ri_str_of(read_names[READ_CONNECTION]))) {
        h->closes |= read_lists(value, "close");
        h->keeps |= read_lists(value, "keep-alive");
    }
    if (ri_str_eq_nocase(h->name, ri_str_of(read_names[READ_LENGTH])))
        h->has_body |= !ri_str_is(value, "0");
    if (ri_str_eq_nocase(h->name, ri_str_of(read_names[READ_ENCODING])))
        h->gzips |= read_lists(value, "gzip");
    if (ri_str_eq_nocase(h->name, ri_str_of(read_names[READ_ACCEPT])))
        h->open_metrics |= read_lists(value, "application/openmetrics-text");
    if (ri_str_eq_nocase(h->name, ri_str_of(read_names[READ_LOGIN]))) h->login = value;
    if (ri_str_eq_nocase(h->name, ri_str_of(read_names[READ_SITE])))
        h->foreign |= !ri_str_is(value, "same-origin") && !ri_str_is(value, "none");
    h->name = h->value = RI_STR_NONE;
}

/* The parser may hand a part over in pieces, which stand side by side. */
static void read_add(read_head *h, ri_str *part, const char *at, size_t len)
{
    if (part->len && part->ptr + part->len != at) h->broken = true;
    if (!part->len) part->ptr = at;
    part->len += len;
}

static int read_on_url(http_parser *parser, const char *at, size_t len)
{
    read_head *h = parser->data;
    read_add(h, &h->url, at, len);
    return 0;
}

static int read_on_field(http_parser *parser, const char *at, size_t len)
{
    read_head *h = parser->data;
    if (h->value.ptr) read_end_field(h);
    read_add(h, &h->name, at, len);
    return 0;
}

static int read_on_value(http_parser *parser, const char *at, size_t len)
{
    read_head *h = parser->data;
    if (!h->value.ptr) h->value.ptr = at;
    read_add(h, &h->value, at, len);
    return 0;
}

static int read_on_end(http_parser *parser)
{
    read_head *h = parser->data;
    read_end_field(h);
    h->whole = true;
    return 2; /* neither a body nor another head behind this one */
}

/* ---- One request ---- */

int ri_http_read_there(void)
{
    return RILL_OK;
}

size_t ri_http_read_head(ri_str bytes, size_t sought, size_t *skip)
{
    static const char end[] = "\r\n\r\n";
    size_t blank = 0;
    RI_ASSERT(sought <= bytes.len);
    while (bytes.len - blank >= 2 && bytes.ptr[blank] == '\r' && bytes.ptr[blank + 1] == '\n')
        blank += 2;
    *skip = blank;
    size_t from = sought > blank + 3 ? sought - 3 : blank;
    if (bytes.len - from < sizeof end - 1) return 0;
    const char *at = memmem(bytes.ptr + from, bytes.len - from, end, sizeof end - 1);
    return at ? (size_t)(at - bytes.ptr) + sizeof end - 1 - blank : 0;
}

static int read_refuse(int *status, int code, const char *why)
{
    RI_ASSERT(code >= 400 && why);
    *status = code;
    return ri_err(RILL_EPROTO, "%s", why);
}

/* The path and the query of "/PATH?QUERY" or "http://HOST/PATH?QUERY". */
static bool read_split_url(ri_str url, ri_http_request *request)
{
    struct http_parser_url parts;
    http_parser_url_init(&parts);
    if (http_parser_parse_url(url.ptr, url.len, 0, &parts) != 0) return false;
    if (!(parts.field_set & 1 << UF_PATH) || parts.field_set & 1 << UF_USERINFO) return false;
    request->path = (ri_str){url.ptr + parts.field_data[UF_PATH].off,
                             parts.field_data[UF_PATH].len};
    if (parts.field_set & 1 << UF_QUERY)
        request->query = (ri_str){url.ptr + parts.field_data[UF_QUERY].off,
                                  parts.field_data[UF_QUERY].len};
    return request->path.len > 0 && request->path.ptr[0] == '/';
}

static int read_judge(const http_parser *parser, const read_head *h, ri_http_request *request,
                      int *status)
{
    bool modern = parser->http_major == 1 && parser->http_minor >= 1;
    if (parser->http_major != 1) return read_refuse(status, 505, "only HTTP/1.x is spoken here");
    if (h->crowded) return read_refuse(status, 431, "the request has too many header fields");
    if (h->broken) return read_refuse(status, 400, "a header is continued on the next line");
    if (h->odd) return read_refuse(status, 400, "a header has a byte that may not be there");
    if (h->count[READ_HOST] > 1) return read_refuse(status, 400, "the request has two hosts");
    if (h->count[READ_LOGIN] > 1)
        return read_refuse(status, 400, "the request has two logins");
    if (modern && !h->count[READ_HOST]) return read_refuse(status, 400, "the request has no Host");
    if (h->count[READ_CODINGS] || h->count[READ_LENGTH] > 1 || h->has_body)
        return read_refuse(status, 413, "a request has no body here");
    if (parser->method != HTTP_GET && parser->method != HTTP_HEAD)
        return read_refuse(status, 405, "only GET and HEAD are answered here");
    if (!h->url.len || !read_split_url(h->url, request))
        return read_refuse(status, 400, "the request names no path");
    request->only_head = parser->method == HTTP_HEAD;
    request->keep_said = h->keeps;
    request->keep = !h->closes && (modern || h->keeps);
    request->gzips = h->gzips;
    request->open_metrics = h->open_metrics;
    request->login = h->login;
    request->foreign = h->foreign;
    return RILL_OK;
}

/* The parser takes a bare LF for the end of a line, and does not always see that a header goes on
 * in the next line: somebody in between may see other headers there. NULL: all is well. */
static const char *read_odd_line(ri_str head)
{
    for (size_t i = 0; i < head.len; i++) {
        if (head.ptr[i] != '\n') continue;
        if (i == 0 || head.ptr[i - 1] != '\r') return "a line ends with a bare LF";
        if (i + 1 < head.len && (head.ptr[i + 1] == ' ' || head.ptr[i + 1] == '\t'))
            return "a header is continued on the next line";
    }
    return NULL;
}

int ri_http_read(ri_str head, ri_http_request *request, int *status)
{
    http_parser_settings calls;
    http_parser parser;
    read_head h = {.whole = false};
    RI_ASSERT(head.len > 0 && head.len <= RI_HTTP_HEAD_MAX);
    *request = (ri_http_request){.keep = false};
    *status = 200;
    const char *odd = read_odd_line(head);
    if (odd) return read_refuse(status, 400, odd);
    http_parser_settings_init(&calls);
    calls.on_url = read_on_url;
    calls.on_header_field = read_on_field;
    calls.on_header_value = read_on_value;
    calls.on_headers_complete = read_on_end;
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = &h;
    size_t used = http_parser_execute(&parser, &calls, head.ptr, head.len);
    enum http_errno err = HTTP_PARSER_ERRNO(&parser);
    if (err != HPE_OK) return read_refuse(status, 400, http_errno_description(err));
    if (!h.whole || used != head.len)
        return read_refuse(status, 400, "an empty line stands within the head");
    return read_judge(&parser, &h, request, status);
}
