/* SPDX-License-Identifier: Apache-2.0 */
/* An operation is a line, and for messages the bytes behind it:
 *
 *     PUB  subject [reply] 5 CRLF  hello CRLF
 *     ^--^ ^-- words, split in one pass that finds the LF, too
 *     verb, known by three bytes at once
 *
 * While it is not whole nothing is remembered but how far there is no LF (`sought`), or how many
 * bytes the whole will have (`need`): a slow writer costs each byte once, and a big payload is
 * not looked at before it is all there. What can be refused early is: a verb by its first wrong
 * byte, a line that is too long, a size before the first byte of its payload. */
#include "codec/nats/nats.h"

#include "base/assert.h"
#include "codec/limits.h"

enum {
    NATS_WORDS = 5,      /* HMSG has the most */
    NATS_VERB_BYTES = 3, /* in which each verb differs from all others */
};

typedef enum nats_blank {
    NATS_BLANK_NEEDED,   /* behind the verb */
    NATS_BLANK_OPTIONAL, /* CONNECT{} is fine */
    NATS_BLANK_IGNORED,  /* with all else up to the LF */
} nats_blank;

typedef struct nats_verb {
    char text[8]; /* lower case */
    uint8_t len;
    ri_nats_kind kind;
    nats_blank blank;
    bool from_client, from_server;
} nats_verb;

/* In the order of ri_nats_kind. */
static const nats_verb nats_verbs[] = {
    {"pub", 3, RI_NATS_PUB, NATS_BLANK_NEEDED, true, false},
    {"hpub", 4, RI_NATS_HPUB, NATS_BLANK_NEEDED, true, false},
    {"sub", 3, RI_NATS_SUB, NATS_BLANK_NEEDED, true, false},
    {"unsub", 5, RI_NATS_UNSUB, NATS_BLANK_NEEDED, true, false},
    {"connect", 7, RI_NATS_CONNECT, NATS_BLANK_OPTIONAL, true, false},
    {"ping", 4, RI_NATS_PING, NATS_BLANK_IGNORED, true, true},
    {"pong", 4, RI_NATS_PONG, NATS_BLANK_IGNORED, true, true},
    {"info", 4, RI_NATS_INFO, NATS_BLANK_OPTIONAL, true, true},
    {"+ok", 3, RI_NATS_OK, NATS_BLANK_IGNORED, true, true},
    {"-err", 4, RI_NATS_ERR, NATS_BLANK_NEEDED, true, true},
    {"msg", 3, RI_NATS_MSG, NATS_BLANK_NEEDED, false, true},
    {"hmsg", 4, RI_NATS_HMSG, NATS_BLANK_NEEDED, false, true},
};

void ri_nats_init(ri_nats *p, ri_nats_side side)
{
    RI_ASSERT(side == RI_NATS_FROM_CLIENT || side == RI_NATS_FROM_SERVER);
    bool client = side == RI_NATS_FROM_CLIENT;
    *p = (ri_nats){.side = side, .headers = true};
    p->max_line = client ? RI_LIMIT_CONTROL_LINE : RI_LIMIT_SERVER_LINE;
    p->max_payload = client ? RI_LIMIT_PAYLOAD : RI_LIMIT_PAYLOAD_MAX;
}

const char *ri_nats_failure_text(ri_nats_failure failure)
{
    switch (failure) {
    case RI_NATS_FINE: return NULL;
    case RI_NATS_BAD_OPERATION: return "Unknown Protocol Operation";
    case RI_NATS_BAD_ARGUMENTS: return NULL;
    case RI_NATS_LONG_LINE: return "maximum control line exceeded";
    case RI_NATS_BIG_PAYLOAD: return "Maximum Payload Violation";
    case RI_NATS_NO_LOGIN: return "Authorization Violation";
    case RI_NATS_NO_HEADERS: return NULL;
    }
    return NULL;
}

static int nats_fail(ri_nats *p, ri_nats_failure failure)
{
    RI_ASSERT(failure != RI_NATS_FINE);
    p->failure = failure;
    p->need = p->sought = 0;
    return RILL_EPROTO;
}

static int nats_done(ri_nats *p, size_t used)
{
    RI_ASSERT(used > 0 && used <= INT32_MAX);
    p->need = p->sought = 0;
    return (int)used;
}

/* ---- Verbs ---- */

#define NATS_WORD(a, b, c) ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16)
#define NATS_WORD4(a, b, c, d) (NATS_WORD(a, b, c) | (uint32_t)(d) << 24)

static uint32_t nats_word(const char *s) /* one load where bytes stand the right way */
{
    const unsigned char *u = (const unsigned char *)s;
    return NATS_WORD4(u[0], u[1], u[2], u[3]);
}

static bool nats_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static char nats_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* As far as there are bytes, do they begin with this verb and what must be behind it? */
static bool nats_begins(const nats_verb *verb, const char *s, size_t len)
{
    for (size_t i = 0; i < len && i < verb->len; i++)
        if (nats_lower(s[i]) != verb->text[i]) return false;
    return len <= verb->len || verb->blank != NATS_BLANK_NEEDED || nats_is_blank(s[verb->len]);
}

static bool nats_allowed(const ri_nats *p, const nats_verb *verb)
{
    return p->side == RI_NATS_FROM_CLIENT ? verb->from_client : verb->from_server;
}

static const nats_verb *nats_verb_of(ri_nats_kind kind)
{
    RI_ASSERT(kind >= RI_NATS_PUB && (size_t)(kind - RI_NATS_PUB) < RI_LEN(nats_verbs) &&
              nats_verbs[kind - RI_NATS_PUB].kind == kind);
    return &nats_verbs[kind - RI_NATS_PUB];
}

/* The only verb that these four bytes may begin; to be verified by nats_begins(). Bit 5 makes
 * letters small, and changes neither + nor -. */
static const nats_verb *nats_verb_at(const char *s)
{
    switch ((nats_word(s) | 0x202020) & 0xffffff) {
    case NATS_WORD('p', 'u', 'b'): return nats_verb_of(RI_NATS_PUB);
    case NATS_WORD('h', 'p', 'u'): return nats_verb_of(RI_NATS_HPUB);
    case NATS_WORD('s', 'u', 'b'): return nats_verb_of(RI_NATS_SUB);
    case NATS_WORD('u', 'n', 's'): return nats_verb_of(RI_NATS_UNSUB);
    case NATS_WORD('c', 'o', 'n'): return nats_verb_of(RI_NATS_CONNECT);
    case NATS_WORD('p', 'i', 'n'): return nats_verb_of(RI_NATS_PING);
    case NATS_WORD('p', 'o', 'n'): return nats_verb_of(RI_NATS_PONG);
    case NATS_WORD('i', 'n', 'f'): return nats_verb_of(RI_NATS_INFO);
    case NATS_WORD('+', 'o', 'k'): return nats_verb_of(RI_NATS_OK);
    case NATS_WORD('-', 'e', 'r'): return nats_verb_of(RI_NATS_ERR);
    case NATS_WORD('m', 's', 'g'): return nats_verb_of(RI_NATS_MSG);
    case NATS_WORD('h', 'm', 's'): return nats_verb_of(RI_NATS_HMSG);
    default: return NULL;
    }
}

/* ---- Lines ---- */

typedef struct nats_line {
    size_t nwords;             /* may be more than are kept */
    ri_str words[NATS_WORDS];
    const char *next;          /* behind the LF */
} nats_line;

/* A bit 7 for each byte of the eight that is a blank, CR, LF or another control character. */
static uint64_t nats_low_bytes(const char *s)
{
    const unsigned char *u = (const unsigned char *)s;
    uint64_t x = (uint64_t)u[0] | (uint64_t)u[1] << 8 | (uint64_t)u[2] << 16 |
                 (uint64_t)u[3] << 24 | (uint64_t)u[4] << 32 | (uint64_t)u[5] << 40 |
                 (uint64_t)u[6] << 48 | (uint64_t)u[7] << 56;
    uint64_t high = 0x8080808080808080ULL;
    return ~(((x & ~high) + 0x5f5f5f5f5f5f5f5fULL) | x) & high; /* 0x5f + 0x21 reaches bit 7 */
}

/* What a low byte at `at` does to the word that began at *start; true at the LF. */
static inline bool nats_line_stop(nats_line *line, const char **start, const char *at,
                                  const char *end)
{
    RI_ASSERT(*start <= at && at < end);
    if (*at != ' ' && *at != '\n' && *at != '\t' &&
        !(*at == '\r' && at + 1 < end && at[1] == '\n'))
        return false;
    if (at > *start) {
        if (line->nwords < NATS_WORDS)
            line->words[line->nwords] = (ri_str){*start, (size_t)(at - *start)};
        line->nwords++;
    }
    *start = at + 1;
    return *at == '\n';
}

static unsigned nats_low_bit(uint64_t bits)
{
    RI_ASSERT(bits != 0);
#ifdef __GNUC__
    return (unsigned)__builtin_ctzll(bits);
#else
    unsigned n = 0;
    while (!(bits >> n & 1)) n++;
    return n;
#endif
}

/* Split the arguments that begin at `at`; false if there is no LF. */
static inline bool nats_line_split(nats_line *line, const char *at, const char *end)
{
    const char *start = at;
    line->nwords = 0;
    for (; end - at >= 8; at += 8)
        for (uint64_t low = nats_low_bytes(at); low; low &= low - 1) {
            const char *stop = at + (nats_low_bit(low) >> 3);
            if (!nats_line_stop(line, &start, stop, end)) continue;
            line->next = stop + 1;
            return true;
        }
    for (; at < end; at++)
        if ((unsigned char)*at <= ' ' && nats_line_stop(line, &start, at, end)) {
            line->next = at + 1;
            return true;
        }
    return false;
}

/* The arguments from the first that is no blank up to CRLF or LF, as one. */
static ri_str nats_line_rest(const char *at, const char *lf)
{
    RI_ASSERT(at <= lf);
    while (at < lf && nats_is_blank(*at)) at++;
    size_t len = (size_t)(lf - at);
    if (len > 0 && at[len - 1] == '\r') len--;
    return (ri_str){at, len};
}

/* Are the arguments of a line that ends, or is cut off, before `end` more than is allowed? Blanks
 * before them are not counted as one, but are bounded alike. */
static bool nats_too_long(const ri_nats *p, const char *args, const char *end)
{
    RI_ASSERT(args <= end && p->max_line > 0);
    if ((size_t)(end - args) <= p->max_line) return false;
    ri_str rest = nats_line_rest(args, end);
    return rest.len > p->max_line || (size_t)(rest.ptr - args) > p->max_line;
}

/* No whole line yet, or too few bytes for a verb: more, if what there is may become one. */
static int nats_partial(ri_nats *p, const char *s, size_t len)
{
    const nats_verb *verb = NULL;
    for (size_t i = 0; i < RI_LEN(nats_verbs) && !verb; i++)
        if (nats_allowed(p, &nats_verbs[i]) && nats_begins(&nats_verbs[i], s, len))
            verb = &nats_verbs[i];
    if (!verb) return nats_fail(p, RI_NATS_BAD_OPERATION);
    if (len > verb->len && nats_too_long(p, s + verb->len, s + len))
        return nats_fail(p, RI_NATS_LONG_LINE);
    p->sought = len;
    p->need = 0;
    return 0;
}

/* ---- Operations ---- */

/* As nats-server reads them: digits only, and not many. */
static bool nats_size(ri_str word, uint32_t *size)
{
    if (word.len == 0 || word.len > RI_LIMIT_SIZE_DIGITS) return false;
    uint32_t n = 0;
    for (size_t i = 0; i < word.len; i++) {
        unsigned digit = (unsigned)(unsigned char)word.ptr[i] - '0';
        if (digit > 9) return false;
        n = n * 10 + digit;
    }
    *size = n;
    return true;
}

/* PUB, HPUB, MSG, HMSG. */
static int nats_message(ri_nats *p, ri_nats_kind kind, const char *s, const char *end,
                        ri_nats_op *op)
{
    RI_ASSERT(s + 4 <= end);
    nats_line line;
    bool headers = kind == RI_NATS_HPUB || kind == RI_NATS_HMSG;
    const char *args = s + 3 + headers; /* behind PUB, MSG; HPUB, HMSG */
    if (!nats_line_split(&line, args, end)) return nats_partial(p, s, (size_t)(end - s));
    if (ri_unlikely(nats_too_long(p, args, line.next - 1))) return nats_fail(p, RI_NATS_LONG_LINE);
    bool sid = kind == RI_NATS_MSG || kind == RI_NATS_HMSG;
    if (ri_unlikely(headers && !p->headers)) return nats_fail(p, RI_NATS_NO_HEADERS);
    size_t fixed = 2 + (size_t)sid + (size_t)headers;
    if (line.nwords != fixed && line.nwords != fixed + 1)
        return nats_fail(p, RI_NATS_BAD_ARGUMENTS);
    uint32_t header_len = 0, size;
    if (!nats_size(line.words[line.nwords - 1], &size) ||
        (headers && !nats_size(line.words[line.nwords - 2], &header_len)) || header_len > size)
        return nats_fail(p, RI_NATS_BAD_ARGUMENTS);
    if (ri_unlikely(size > p->max_payload)) return nats_fail(p, RI_NATS_BIG_PAYLOAD);

    size_t have = (size_t)(end - line.next);
    if ((have > size && line.next[size] != '\r') ||
        (have > (size_t)size + 1 && line.next[size + 1] != '\n'))
        return nats_fail(p, RI_NATS_BAD_OPERATION);
    size_t whole = (size_t)(line.next - s) + size + 2;
    if (have < (size_t)size + 2) {
        p->need = whole;
        return 0;
    }
    op->kind = kind;
    op->m.subject = line.words[0];
    if (sid) op->sid = line.words[1];
    op->m.reply = line.nwords > fixed ? line.words[1 + sid] : RI_STR_NONE;
    op->m.headers = (ri_str){line.next, header_len};
    op->m.data = (ri_str){line.next + header_len, size - header_len};
    op->m.hash = 0;
    return nats_done(p, whole);
}

/* The low bytes of a line, one by one; it stops short of the last seven bytes of the input. */
typedef struct nats_scan {
    const char *at, *end; /* eight bytes at `at` are looked at */
    uint64_t low;         /* a bit 7 for each of them that is low and was not reported yet */
} nats_scan;

static inline const char *nats_scan_next(nats_scan *scan)
{
    while (!scan->low) {
        if (scan->end - scan->at < 16) return NULL;
        scan->at += 8;
        scan->low = nats_low_bytes(scan->at);
    }
    const char *stop = scan->at + (nats_low_bit(scan->low) >> 3);
    scan->low &= scan->low - 1;
    return stop;
}

/* Nearly all messages are "PUB subject size CRLF" or "MSG subject sid size CRLF", or with a reply
 * in front of the size, with one blank between the words, and are here whole. 0: this one is not,
 * and is to be read with more care. */
static inline int nats_quick(ri_nats *p, ri_nats_kind kind, const char *s, const char *end,
                             ri_nats_op *op)
{
    const char *subject = s + 4, *reply = NULL;
    if (end - subject < 8) return 0;
    nats_scan scan = {subject, end, nats_low_bytes(subject)};
    const char *stop = nats_scan_next(&scan);
    if (!stop || *stop != ' ' || stop == subject) return 0;
    size_t subject_len = (size_t)(stop - subject), reply_len = 0;
    const char *digits = stop + 1;
    if (!(stop = nats_scan_next(&scan)) || stop == digits) return 0;
    if (kind == RI_NATS_MSG) {
        if (*stop != ' ') return 0;
        op->sid = (ri_str){digits, (size_t)(stop - digits)};
        digits = stop + 1;
        if (!(stop = nats_scan_next(&scan)) || stop == digits) return 0;
    }
    if (*stop == ' ') {
        reply = digits;
        reply_len = (size_t)(stop - digits);
        digits = stop + 1;
        if (!(stop = nats_scan_next(&scan))) return 0;
    }
    const char *data = stop + 2;
    if (*stop != '\r' || data > end || stop[1] != '\n' ||
        (size_t)(data - subject) > p->max_line)
        return 0;
    uint32_t size;
    if (!nats_size((ri_str){digits, (size_t)(stop - digits)}, &size) || size > p->max_payload ||
        (size_t)(end - data) < (size_t)size + 2 || data[size] != '\r' || data[size + 1] != '\n')
        return 0;
    op->kind = kind;
    op->m.subject = (ri_str){subject, subject_len};
    op->m.reply = (ri_str){reply, reply_len};
    op->m.headers = (ri_str){data, 0};
    op->m.data = (ri_str){data, size};
    op->m.hash = 0;
    return nats_done(p, (size_t)(data - s) + size + 2);
}

static int nats_sub(ri_nats *p, const char *s, const nats_line *line, ri_nats_op *op)
{
    if (line->nwords != 2 && line->nwords != 3) return nats_fail(p, RI_NATS_BAD_ARGUMENTS);
    op->kind = RI_NATS_SUB;
    op->m.subject = line->words[0];
    op->queue = line->nwords == 3 ? line->words[1] : RI_STR_NONE;
    op->sid = line->words[line->nwords - 1];
    return nats_done(p, (size_t)(line->next - s));
}

static int nats_unsub(ri_nats *p, const char *s, const nats_line *line, ri_nats_op *op)
{
    if (line->nwords != 1 && line->nwords != 2) return nats_fail(p, RI_NATS_BAD_ARGUMENTS);
    uint32_t max = 0;
    if (line->nwords == 2 && !nats_size(line->words[1], &max)) max = 0; /* nonsense is "now" */
    op->kind = RI_NATS_UNSUB;
    op->sid = line->words[0];
    op->max = max;
    return nats_done(p, (size_t)(line->next - s));
}

/* -ERR 'text': what is between the quotes, if there are any. */
static ri_str nats_unquote(ri_str text)
{
    while (text.len > 0 && nats_is_blank(text.ptr[text.len - 1])) text.len--;
    if (text.len >= 2 && text.ptr[0] == '\'' && text.ptr[text.len - 1] == '\'')
        return (ri_str){text.ptr + 1, text.len - 2};
    return text;
}

/* CONNECT, INFO, -ERR, PING, PONG, +OK: the rest of the line is one thing or nothing. */
static int nats_plain(ri_nats *p, const nats_verb *verb, const char *s, const char *end,
                      ri_nats_op *op)
{
    RI_ASSERT(end - s >= verb->len);
    const char *args = s + verb->len, *from = s + RI_MAX(p->sought, (size_t)verb->len);
    const char *lf = memchr(from, '\n', (size_t)(end - from));
    if (!lf) return nats_partial(p, s, (size_t)(end - s));
    if (nats_too_long(p, args, lf)) return nats_fail(p, RI_NATS_LONG_LINE);
    op->kind = verb->kind;
    if (verb->blank != NATS_BLANK_IGNORED) {
        op->text = nats_line_rest(args, lf);
        if (verb->kind == RI_NATS_ERR) op->text = nats_unquote(op->text);
        while (op->text.len > 0 && nats_is_blank(op->text.ptr[op->text.len - 1])) op->text.len--;
    }
    return nats_done(p, (size_t)(lf + 1 - s));
}

static int nats_interest(ri_nats *p, const nats_verb *verb, const char *s, const char *end,
                         ri_nats_op *op)
{
    RI_ASSERT(verb->kind == RI_NATS_SUB || verb->kind == RI_NATS_UNSUB);
    nats_line line;
    const char *args = s + verb->len;
    if (!nats_line_split(&line, args, end)) return nats_partial(p, s, (size_t)(end - s));
    if (nats_too_long(p, args, line.next - 1)) return nats_fail(p, RI_NATS_LONG_LINE);
    return verb->kind == RI_NATS_SUB ? nats_sub(p, s, &line, op) : nats_unsub(p, s, &line, op);
}

int ri_nats_parse(ri_nats *p, const char *s, const char *end, ri_nats_op *op)
{
    RI_ASSERT(s <= end);
    RI_ASSERT(op && p->max_line > 0);
    size_t len = (size_t)(end - s);
    if (len == 0 || len + 1 < p->need) return 0; /* one less: the CR may be wrong already */
    if (ri_unlikely(p->connect_only) && nats_lower(s[0]) != 'c')
        return nats_fail(p, RI_NATS_NO_LOGIN);
    if (len <= NATS_VERB_BYTES) return nats_partial(p, s, len);
    bool serves = p->side == RI_NATS_FROM_CLIENT;
    uint32_t often = serves ? NATS_WORD4('p', 'u', 'b', ' ') : NATS_WORD4('m', 's', 'g', ' ');
    if (ri_likely(p->sought == 0 && (nats_word(s) | 0x202020) == often)) {
        ri_nats_kind kind = serves ? RI_NATS_PUB : RI_NATS_MSG;
        int used = nats_quick(p, kind, s, end, op);
        return ri_likely(used > 0) ? used : nats_message(p, kind, s, end, op);
    }
    if (p->sought > 0) { /* looked at before: only a LF can help */
        const char *from = s + RI_MIN(p->sought, len);
        if (!memchr(from, '\n', (size_t)(end - from))) return nats_partial(p, s, len);
    }
    const nats_verb *verb = nats_verb_at(s);
    if (ri_unlikely(!verb || !nats_allowed(p, verb) || !nats_begins(verb, s, len)))
        return nats_fail(p, RI_NATS_BAD_OPERATION);
    if (len < verb->len) return nats_partial(p, s, len);
    switch (verb->kind) {
    case RI_NATS_PUB:
    case RI_NATS_HPUB:
    case RI_NATS_MSG:
    case RI_NATS_HMSG: return nats_message(p, verb->kind, s, end, op);
    case RI_NATS_SUB:
    case RI_NATS_UNSUB: return nats_interest(p, verb, s, end, op);
    case RI_NATS_CONNECT:
    case RI_NATS_PING:
    case RI_NATS_PONG:
    case RI_NATS_INFO:
    case RI_NATS_OK:
    case RI_NATS_ERR: return nats_plain(p, verb, s, end, op);
    }
    return nats_fail(p, RI_NATS_BAD_OPERATION);
}

/* A message that was read, and where its bytes are. */
typedef struct nats_model {
    const ri_nats_op *op; /* NULL: there is none */
    ri_str line;
    size_t whole;         /* bytes of all of it */
} nats_model;

/* While one publisher sends to one subject, lines are the same as those before them: then the
 * operation is like the model, with other data. False if it is not, or not here whole. */
static inline bool nats_again(const nats_model *model, const char *s, const char *end,
                              ri_nats_op *op)
{
    RI_ASSERT(!model->op || model->whole >= 2);
    size_t whole = model->whole, line_len = model->line.len;
    if ((size_t)(end - s) < whole || !ri_str_same((ri_str){s, line_len}, model->line) ||
        s[whole - 2] != '\r' || s[whole - 1] != '\n')
        return false;
    op->kind = model->op->kind;
    op->m.subject = model->op->m.subject;
    op->m.reply = model->op->m.reply;
    op->sid = model->op->sid;
    op->m.headers = (ri_str){s + line_len, model->op->m.headers.len};
    op->m.data = (ri_str){op->m.headers.ptr + op->m.headers.len, model->op->m.data.len};
    op->m.hash = 0;
    return true;
}

int ri_nats_parse_many(ri_nats *p, ri_str *in, ri_nats_op *ops, int max)
{
    RI_ASSERT(max > 0 && (in->ptr || in->len == 0));
    const char *s = in->ptr, *end = s + in->len;
    nats_model model = {NULL, RI_STR_NONE, 0};
    int n = 0, used = 0;
    while (n < max) {
        ri_nats_op *op = &ops[n];
        if (!model.op || !nats_again(&model, s, end, op)) {
            op->sid = RI_STR_NONE;
            if ((used = ri_nats_parse(p, s, end, op)) <= 0) break;
            model.op = ri_nats_is_message(op->kind) ? op : NULL;
            model.line = (ri_str){s, model.op ? (size_t)(op->m.headers.ptr - s) : 0};
            model.whole = (size_t)used;
        }
        n++;
        s += model.whole;
        if (!model.op) break;
    }
    *in = (ri_str){s, (size_t)(end - s)};
    return n > 0 ? n : used;
}

/* ---- Writing ---- */

/* "[headers' ]size CRLF" */
static char *nats_put_sizes(char *at, size_t header_len, size_t data_len)
{
    if (header_len > 0) {
        at += ri_number_write(at, header_len);
        *at++ = ' ';
    }
    at += ri_number_write(at, header_len + data_len);
    *at++ = '\r';
    *at++ = '\n';
    return at;
}

void ri_nats_line_init(ri_nats_line *line, ri_str subject, ri_str reply, size_t header_len,
                       size_t data_len)
{
    RI_ASSERT(subject.len > 0);
    line->subject = subject;
    line->reply = reply;
    line->headers = header_len > 0;
    line->tail_len = (uint8_t)(nats_put_sizes(line->tail, header_len, data_len) - line->tail);
    RI_ASSERT(line->tail_len <= sizeof line->tail);
}

char *ri_nats_put_pub(char *out, ri_str subject, ri_str reply, size_t header_len, size_t data_len)
{
    RI_ASSERT(subject.len > 0);
    if (header_len > 0) *out++ = 'H';
    memcpy(out, "PUB ", 4);
    out = ri_str_put(out + 4, subject);
    *out++ = ' ';
    if (reply.len > 0) {
        out = ri_str_put(out, reply);
        *out++ = ' ';
    }
    return nats_put_sizes(out, header_len, data_len);
}

char *ri_nats_put_sub(char *out, ri_str subject, ri_str queue, uint64_t sid)
{
    RI_ASSERT(subject.len > 0);
    out = ri_str_put(out, RI_STR("SUB "));
    out = ri_str_put(out, subject);
    *out++ = ' ';
    if (queue.len > 0) {
        out = ri_str_put(out, queue);
        *out++ = ' ';
    }
    out += ri_number_write(out, sid);
    return ri_str_put(out, RI_NATS_CRLF);
}

char *ri_nats_put_unsub(char *out, uint64_t sid, uint64_t max)
{
    out = ri_str_put(out, RI_STR("UNSUB "));
    out += ri_number_write(out, sid);
    if (max > 0) {
        *out++ = ' ';
        out += ri_number_write(out, max);
    }
    return ri_str_put(out, RI_NATS_CRLF);
}

char *ri_nats_put_err(char *out, ri_str text)
{
    RI_ASSERT(text.len > 0 && !memchr(text.ptr, '\n', text.len));
    out = ri_str_put(out, RI_STR("-ERR '"));
    out = ri_str_put(out, text);
    return ri_str_put(out, RI_STR("'\r\n"));
}
