/* SPDX-License-Identifier: Apache-2.0 */
/* One block holds the peers and a copy of the text, in which %XX is undone in place and every
 * part gets its 0: parts are parted by at least one byte, and decoding only makes them shorter. */
#include "codec/nats/url.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/number.h"
#include "codec/limits.h"

typedef struct url_scheme {
    const char *name;
    ri_url_scheme scheme;
    uint16_t port; /* 0: it has no peers */
} url_scheme;

static const url_scheme url_schemes[] = {
    {"mem", RI_URL_MEM, 0},    {"file", RI_URL_FILE, 0},      {"unix", RI_URL_UNIX, 0},
    {"nats", RI_URL_NATS, 4222}, {"tls", RI_URL_TLS, 4222},   {"ws", RI_URL_WS, 80},
    {"wss", RI_URL_WSS, 443},  {"kafka", RI_URL_KAFKA, 9092},
    {"kafkas", RI_URL_KAFKAS, 9092}, {"http", RI_URL_HTTP, 8222},
    {"https", RI_URL_HTTPS, 8222},
};

const char *ri_url_scheme_name(ri_url_scheme scheme)
{
    for (size_t i = 0; i < RI_LEN(url_schemes); i++)
        if (url_schemes[i].scheme == scheme) return url_schemes[i].name;
    return "unknown";
}

/* A span of the block's copy of the text. */
typedef struct url_span {
    char *ptr;
    size_t len;
} url_span;

static url_span url_cut(url_span *rest, char sep, bool *found)
{
    char *at = rest->len ? memchr(rest->ptr, sep, rest->len) : NULL;
    url_span part = *rest;
    RI_ASSERT(!at || (at >= rest->ptr && at < rest->ptr + rest->len));
    *found = at != NULL;
    if (!at) {
        *rest = (url_span){rest->ptr + rest->len, 0};
        return part;
    }
    part.len = (size_t)(at - rest->ptr);
    *rest = (url_span){at + 1, rest->len - part.len - 1};
    return part;
}

static ri_str url_end(url_span span)
{
    RI_ASSERT(span.ptr);
    span.ptr[span.len] = 0;
    return (ri_str){span.ptr, span.len};
}

static int url_hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static int url_decode(url_span *span)
{
    size_t out = 0;
    for (size_t i = 0; i < span->len; i++) {
        char c = span->ptr[i];
        if (c == '%') {
            int high = i + 2 < span->len ? url_hex(span->ptr[i + 1]) : -1;
            int low = i + 2 < span->len ? url_hex(span->ptr[i + 2]) : -1;
            if (high < 0 || low < 0 || (high == 0 && low == 0))
                return ri_err(RILL_EINVAL, "the credentials of the URL have a bad %%XX");
            c = (char)(high * 16 + low);
            i += 2;
        }
        span->ptr[out++] = c;
    }
    RI_ASSERT(out <= span->len);
    span->len = out;
    return RILL_OK;
}

static int url_credentials(ri_url_peer *peer, url_span info)
{
    RI_ASSERT(info.ptr);
    bool colon;
    url_span rest = info, first = url_cut(&rest, ':', &colon);
    int rc;
    if (first.len == 0 && !colon)
        return ri_err(RILL_EINVAL, "the URL has nothing before its @");
    if ((rc = url_decode(&first)) < 0 || (rc = url_decode(&rest)) < 0) return rc;
    if (colon) {
        peer->user = url_end(first);
        peer->password = url_end(rest);
    } else {
        peer->token = url_end(first);
    }
    return RILL_OK;
}

static int url_port(ri_url_peer *peer, url_span digits)
{
    uint64_t port;
    if (!ri_number_read((ri_str){digits.ptr, digits.len}, &port) || port > UINT16_MAX)
        return ri_err(RILL_EINVAL, "\"%.*s\" is no port (0 to 65535)", (int)digits.len, digits.ptr);
    peer->port = (uint16_t)port;
    RI_ASSERT(peer->port == port);
    peer->has_port = true;
    return RILL_OK;
}

static int url_check_host(url_span host, bool bracketed)
{
    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.ptr[i];
        bool hex = url_hex((char)c) >= 0 || c == ':' || c == '.' || c == '%';
        bool zone = bracketed && memchr(host.ptr, '%', i) != NULL;
        if (c <= ' ' || c == 0x7f || strchr("/@[]?#", c) || (!bracketed && c == ':') ||
            (bracketed && !hex && !zone))
            return ri_err(RILL_EINVAL, "host \"%.*s\" has a bad character at %zu", (int)host.len,
                          host.ptr, i + 1);
    }
    return RILL_OK;
}

/* HOST, HOST:PORT, [HOST], [HOST]:PORT */
static int url_address(ri_url_peer *peer, url_span address)
{
    bool colon, bracketed = address.len > 0 && address.ptr[0] == '[';
    url_span host, rest = address;
    if (bracketed) {
        bool closed;
        rest = (url_span){address.ptr + 1, address.len - 1};
        host = url_cut(&rest, ']', &closed);
        if (!closed) return ri_err(RILL_EINVAL, "the URL's [ has no ]");
        colon = rest.len > 0;
        if (colon && rest.ptr[0] != ':')
            return ri_err(RILL_EINVAL, "the URL has \"%.*s\" behind its ]", (int)rest.len,
                          rest.ptr);
        if (colon) rest = (url_span){rest.ptr + 1, rest.len - 1};
    } else {
        host = url_cut(&rest, ':', &colon);
        if (memchr(rest.ptr, ':', rest.len))
            return ri_err(RILL_EINVAL, "an IPv6 host must stand in []");
    }
    int rc = url_check_host(host, bracketed);
    if (rc < 0) return rc;
    if (colon && (rc = url_port(peer, rest)) < 0) return rc;
    if (host.len == 0 && !colon) return ri_err(RILL_EINVAL, "the URL has no host");
    peer->host = url_end(host);
    return RILL_OK;
}

/* "scheme:" in front of `text`, or a length of 0. */
static size_t url_scheme_len(url_span text)
{
    size_t i = 0;
    while (i < text.len && ((text.ptr[i] | 0x20) >= 'a' && (text.ptr[i] | 0x20) <= 'z')) i++;
    return i > 0 && i < text.len && text.ptr[i] == ':' ? i : 0;
}

/* What stands behind the host's / is cut off; it goes into a line of HTTP as it is. */
static int url_web_path(ri_url_peer *peer, url_span *text)
{
    bool slash;
    url_span path = *text;
    *text = url_cut(&path, '/', &slash);
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '#')
            return ri_err(RILL_EINVAL, "the path of the URL has a bad character at %zu", i + 1);
    }
    if (path.len) peer->path = url_end(path);
    return RILL_OK;
}

static int url_peer(const url_scheme *scheme, ri_url_peer *peer, url_span text, bool first)
{
    RI_ASSERT(scheme->port > 0);
    size_t len = first ? 0 : url_scheme_len(text);
    if (len > 0 && text.len >= len + 3 && memcmp(text.ptr + len, "://", 3) == 0) {
        if (!ri_str_eq_nocase((ri_str){text.ptr, len}, ri_str_of(scheme->name)))
            return ri_err(RILL_EINVAL, "the URL mixes %s:// and %.*s://", scheme->name, (int)len,
                          text.ptr);
        text = (url_span){text.ptr + len + 3, text.len - len - 3};
    }
    *peer = (ri_url_peer){.port = scheme->port};
    peer->host = peer->user = peer->password = peer->token = peer->path = RI_STR("");
    int rc = RILL_OK;
    if (scheme->scheme == RI_URL_WS || scheme->scheme == RI_URL_WSS) rc = url_web_path(peer, &text);
    if (rc < 0) return rc;
    while (text.len > 0 && text.ptr[text.len - 1] == '/') text.len--;
    size_t at = text.len; /* the last @: passwords may hold one */
    while (at > 0 && text.ptr[at - 1] != '@') at--;
    if (at > 0) rc = url_credentials(peer, (url_span){text.ptr, at - 1});
    return rc < 0 ? rc : url_address(peer, (url_span){text.ptr + at, text.len - at});
}

static int url_peers(ri_url *url, const url_scheme *scheme, url_span rest)
{
    bool more = true;
    for (uint32_t i = 0; more; i++) {
        url_span part = url_cut(&rest, ',', &more);
        RI_ASSERT(i < url->npeers);
        int rc = url_peer(scheme, &url->peers[i], part, i == 0);
        if (rc < 0) return rc;
    }
    return RILL_OK;
}

static int url_path(ri_url *url, url_span path)
{
    RI_ASSERT(url->scheme == RI_URL_MEM || url->scheme == RI_URL_FILE ||
              url->scheme == RI_URL_UNIX);
    if (path.len >= 2 && path.ptr[0] == '/' && path.ptr[1] == '/' && url->scheme != RI_URL_MEM)
        path = (url_span){path.ptr + 2, path.len - 2}; /* file:///a is file:/a */
    url->path = url_end(path);
    if (path.len == 0 && url->scheme != RI_URL_MEM)
        return ri_err(RILL_EINVAL, "%s: needs a path", ri_url_scheme_name(url->scheme));
    if (url->scheme == RI_URL_UNIX && path.len > RI_LIMIT_UNIX_PATH)
        return ri_err(RILL_EINVAL, "a unix: path may have %d bytes, not %zu", RI_LIMIT_UNIX_PATH,
                      path.len);
    return RILL_OK;
}

static uint32_t url_count(const url_scheme *scheme, const char *text)
{
    uint32_t n = scheme->port > 0;
    for (; scheme->port > 0 && *text; text++) n += *text == ',';
    return n;
}

static int url_alloc(ri_url *url, const url_scheme *scheme, const char *text, url_span *copy)
{
    RI_ASSERT(!url->block);
    size_t len = strlen(text);
    uint32_t npeers = url_count(scheme, text);
    if (npeers > RI_LIMIT_URL_PEERS)
        return ri_err(RILL_EINVAL, "the URL lists %lu peers, more than %d",
                      (unsigned long)npeers, RI_LIMIT_URL_PEERS);
    url->block_size = npeers * sizeof *url->peers + len + 1;
    url->block = ri_alloc(url->alloc_host, url->block_size);
    if (!url->block) return RILL_ENOMEM;
    url->peers = npeers ? url->block : NULL;
    url->npeers = npeers;
    copy->ptr = (char *)url->block + npeers * sizeof *url->peers;
    copy->len = len;
    memcpy(copy->ptr, text, len + 1);
    return RILL_OK;
}

static const url_scheme *url_find_scheme(ri_str name)
{
    for (size_t i = 0; i < RI_LEN(url_schemes); i++)
        if (ri_str_eq_nocase(name, ri_str_of(url_schemes[i].name))) return &url_schemes[i];
    return NULL;
}

int ri_url_parse(ri_url *url, const ri_host *host, const char *text)
{
    RI_ASSERT(host && host->alloc);
    *url = (ri_url){.alloc_host = host};
    if (!text || !*text) return ri_err(RILL_EINVAL, "the URL is empty");
    url_span copy = {(char *)(uintptr_t)text, strnlen(text, RI_LIMIT_URL + 1)};
    if (copy.len > RI_LIMIT_URL)
        return ri_err(RILL_EINVAL, "the URL has more than %d bytes", RI_LIMIT_URL);
    size_t len = url_scheme_len(copy);
    if (len == 0) return ri_err(RILL_EINVAL, "the URL has no scheme, such as mem: or nats://");
    const url_scheme *scheme = url_find_scheme((ri_str){text, len});
    if (!scheme) return ri_err(RILL_EINVAL, "%.*s: is no scheme of rill", (int)len, text);
    if (scheme->port && strncmp(text + len, "://", 3) != 0)
        return ri_err(RILL_EINVAL, "%s: must be followed by //", scheme->name);
    url->scheme = scheme->scheme;
    url->path = RI_STR("");
    int rc = url_alloc(url, scheme, text, &copy);
    size_t skip = len + (scheme->port ? 3 : 1);
    if (rc >= 0 && scheme->port)
        rc = url_peers(url, scheme, (url_span){copy.ptr + skip, copy.len - skip});
    else if (rc >= 0)
        rc = url_path(url, (url_span){copy.ptr + skip, copy.len - skip});
    if (rc < 0) ri_url_fini(url);
    return rc;
}

void ri_url_fini(ri_url *url)
{
    RI_ASSERT(!url->block || url->block_size > 0);
    if (url->block) ri_free(url->alloc_host, url->block, url->block_size);
    *url = (ri_url){.alloc_host = url->alloc_host};
}
