/* SPDX-License-Identifier: Apache-2.0 */
/* The NATS parser: however the bytes are cut into pieces, the same operations come out, and the
 * connection ends by the same failure or waits for more at the same place. The first byte says
 * whose bytes they are, the second whether they are taken as they are or as choices of a grammar,
 * which gets random inputs past the verbs. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "codec/nats/nats.h"
#include "support/fuzz.h"

enum { STREAM_MAX = 1 << 17, LINE_MAX = 512, PAYLOAD_MAX = 4096 };

static void inside(ri_str part, const char *s, const char *end)
{
    if (part.len == 0) return;
    fuzz_require(part.ptr >= s && part.ptr <= end && part.len <= (size_t)(end - part.ptr),
                 "a part lies outside of the operation");
}

static uint64_t mix(uint64_t digest, ri_str part)
{
    return ri_hash_u64(digest * 31 + ri_hash(part) + part.len);
}

static uint64_t digest_op(uint64_t digest, const ri_nats_op *op, const char *s, const char *end)
{
    bool message = op->kind == RI_NATS_PUB || op->kind == RI_NATS_HPUB ||
                   op->kind == RI_NATS_MSG || op->kind == RI_NATS_HMSG;
    const ri_str none = RI_STR_NONE;
    const ri_str parts[] = {
        message || op->kind == RI_NATS_SUB ? op->m.subject : none,
        message ? op->m.reply : none,
        message ? op->m.headers : none,
        message ? op->m.data : none,
        op->kind == RI_NATS_SUB ? op->queue : none,
        op->kind == RI_NATS_SUB || op->kind == RI_NATS_UNSUB || op->kind == RI_NATS_MSG ||
                op->kind == RI_NATS_HMSG ? op->sid : none,
        op->kind == RI_NATS_CONNECT || op->kind == RI_NATS_INFO || op->kind == RI_NATS_ERR
            ? op->text : none,
    };
    digest = ri_hash_u64(digest + (uint64_t)op->kind +
                         (op->kind == RI_NATS_UNSUB ? op->max << 8 : 0));
    for (size_t i = 0; i < RI_LEN(parts); i++) {
        inside(parts[i], s, end);
        digest = mix(digest, parts[i]);
    }
    return digest;
}

/* Parse the stream in pieces of `step` bytes (0: of changing sizes), each in memory of its own. */
static uint64_t run(const char *stream, size_t len, ri_nats_side side, size_t step)
{
    ri_nats p;
    ri_nats_init(&p, side);
    p.max_line = LINE_MAX;
    p.max_payload = PAYLOAD_MAX;
    uint64_t digest = 1;
    size_t at = 0, have = 0;
    for (size_t turn = 0; have < len; turn++) {
        have = RI_MIN(len, have + (step ? step : 1 + turn * 7 % 23));
        int used = 1;
        while (used > 0 && at < have) {
            char *piece = malloc(have - at);
            fuzz_require(piece != NULL, "memory");
            memcpy(piece, stream + at, have - at);
            ri_nats_op op;
            used = ri_nats_parse(&p, piece, piece + (have - at), &op);
            fuzz_require(used <= (int)(have - at), "more used than there was");
            if (used > 0) digest = digest_op(digest, &op, piece, piece + used);
            free(piece);
            if (used > 0) at += (size_t)used;
        }
        if (used < 0) {
            fuzz_require(p.failure != RI_NATS_FINE, "a failure without a reason");
            return ri_hash_u64(digest + at * 64 + (uint64_t)p.failure);
        }
        fuzz_require(have - at <= LINE_MAX * 2 + PAYLOAD_MAX + 32, "too much is kept waiting");
    }
    return ri_hash_u64(digest + at * 64);
}

/* The same, many at once: a stream that is all there, in memory that ends with it. */
static uint64_t run_many(const char *stream, size_t len, ri_nats_side side, int max)
{
    ri_nats p;
    ri_nats_init(&p, side);
    p.max_line = LINE_MAX;
    p.max_payload = PAYLOAD_MAX;
    char *copy = malloc(len ? len : 1);
    fuzz_require(copy != NULL, "memory");
    if (len) memcpy(copy, stream, len);
    ri_str in = {copy, len};
    ri_nats_op ops[32];
    uint64_t digest = 1;
    int n;
    while ((n = ri_nats_parse_many(&p, &in, ops, max)) > 0)
        for (int i = 0; i < n; i++) digest = digest_op(digest, &ops[i], copy, in.ptr);
    size_t at = len - in.len;
    free(copy);
    return ri_hash_u64(digest + at * 64 + (n < 0 ? (uint64_t)p.failure : 0));
}

static size_t grammar(const uint8_t *data, size_t size, char *out, size_t room)
{
    static const char *words[] = {
        "PUB ", "pub\t", "HPUB ", "SUB ", "UNSUB ", "CONNECT ", "PING", "PONG", "INFO ", "+OK",
        "-ERR ", "MSG ", "HMSG ", "\r\n", "\r\n", "\r\n", "\n", " ", "  ", "\t", "a", "foo.bar",
        "q",
        "1", "2", "5", "12", "99", "4097", "NATS/1.0\r\n\r\n", "hello", "{}", "'x'", "\r", "x\r\n",
        "PUB a 1\r\nx\r\n", "SUB a 1\r\n", "MSG a 1 0\r\n\r\n", "PING\r\n",
        "aaaaaaaaaaaaaaaaaaaaaaaa",
    };
    return fuzz_words(out, room, words, RI_LEN(words), data, size);
}

int fuzz_one(const uint8_t *data, size_t size)
{
    static char stream[STREAM_MAX];
    if (size < 2) return 0;
    ri_nats_side side = data[0] & 1 ? RI_NATS_FROM_CLIENT : RI_NATS_FROM_SERVER;
    size_t len = RI_MIN(size - 2, (size_t)STREAM_MAX);
    if (data[1] & 1) len = grammar(data + 2, size - 2, stream, sizeof stream);
    else memcpy(stream, data + 2, len);
    uint64_t whole = run(stream, len, side, len);
    fuzz_require(run(stream, len, side, 0) == whole, "pieces differ from the whole");
    fuzz_require(run_many(stream, len, side, 1 + data[0] / 2 % 32) == whole,
                 "many at once differ from one by one");
    if (len < 2000) fuzz_require(run(stream, len, side, 1) == whole, "bytes differ from the whole");
    return 0;
}
