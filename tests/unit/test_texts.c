/* SPDX-License-Identifier: Apache-2.0 */
/* The small readers of texts: of each text that they take, every front and every byte changed,
 * against a page that may not be touched; and what they must not take. */
#include "support/texts.h"

#include <string.h>

#include "base/error.h"
#include "support/guard.h"
#include "support/suite.h"

#define ROW(text) text, sizeof text - 1

/* One change, an hour to the east as it was in 1916, and a rule. */
#define ZONE_FILE                                                                                 \
    "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" "\0\0\0\0" "\0\0\0\0" "\0\0\0\0" "\0\0\0\0" "\0\0\0\1" \
    "\0\0\0\1" "\0\0\0\0\0\0" "\0"                                                              \
    "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" "\0\0\0\0" "\0\0\0\0" "\0\0\0\0" "\0\0\0\1" "\0\0\0\2" \
    "\0\0\0\5" "\xff\xff\xff\xff\x9b\x0c\x17\x60" "\1" "\0\0\x0e\x10\0\0" "\0\0\x1c\x20\1\4" \
    "CEST\0" "\nCET-1CEST,M3.5.0,M10.5.0/3\n"

static const struct {
    text_kind kind;
    const char *text;
    size_t len;
} good[] = {
    {TEXT_NUMBER, ROW("18446744073709551615")},
    {TEXT_NUMBER, ROW("-9223372036854775808")},
    {TEXT_DURATION, ROW("2562047h47m16.854775807s")},
    {TEXT_DURATION, ROW("1.5ms")},
    {TEXT_RFC3339, ROW("2026-02-28T23:59:59.000000001Z")},
    {TEXT_RFC3339, ROW("2024-02-29T00:00:00-07:30")},
    {TEXT_RFC3339, ROW("9999-12-31T23:59:59Z")},
    {TEXT_CRON, ROW("*/5 0-30/3,59 * 29 2 *")},
    {TEXT_CRON, ROW("@midnight")},
    {TEXT_BASE64, ROW("aGVsbG8+/w==")},
    {TEXT_BASE64_URL, ROW("aGVsbG8-_w==")},
    {TEXT_BASE64_URL, ROW("aGVsbG8-_w")},
    {TEXT_JSON, ROW("{\"a\":[\"x\\u0000y\",1,-2.5e3,true,null,\"\\ud83d\\ude00\"],\"c\":{}}")},
    {TEXT_JSON, ROW("\"x\\n\\\"\"")},
    {TEXT_URL, ROW("nats://us%65r:p%40ss@host:4222,tok@[::1]:99,other")},
    {TEXT_URL, ROW("file:/var/lib/x")},
    {TEXT_URL, ROW("mem:name")},
    {TEXT_TRANSFORM, ROW("a.*.*.> b.$2.{{partition(3,1,2)}}.{{split(1,-)}}.> a.x-y.z.rest.of")},
    {TEXT_TRANSFORM, ROW("* {{left(1,2)}}.{{random(9)}} abc")},
    {TEXT_ACK, ROW("$JS.ACK.S.c.1.22.333.1800000000000000000.4")},
    {TEXT_ACK, ROW("$JS.ACK.hub.HASH.S.c.1.22.333.1800000000000000000.4.rnd")},
    {TEXT_OBJMETA, ROW("{\"name\":\"a.txt\",\"bucket\":\"B\",\"nuid\":\"AbC\",\"size\":7,"
                       "\"chunks\":1,\"digest\":\"SHA-256="
                       "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=\"}")},
    {TEXT_OBJMETA, ROW("{\"name\":\"l\",\"nuid\":\"x\",\"options\":{\"link\":{\"bucket\":\"B\","
                       "\"name\":\"n\"}},\"deleted\":true}")},
    {TEXT_S2, ROW("\x01\x07\0\0\x6e\x57\xf1\x21" "abc")},
    {TEXT_S2, ROW("\xff\x06\0\0S2sTwO")},
    {TEXT_SUBJECT, ROW("a.b.*.c.>")},
    {TEXT_ORIGIN, ROW("n/S/0/1/0")},
    {TEXT_ORIGIN, ROW("n/S/4294967295/18446744073709551615/9223372036854775807")},
    {TEXT_ZONE, ROW("")},
    {TEXT_ZONE, ROW("CET-1CEST,M3.5.0,M10.5.0/3")},
    {TEXT_ZONE, ROW("<-03>3<-02>-2:30:15,J60/-1,365/167:59")},
    {TEXT_ZONE, ROW(ZONE_FILE)},
};

static const struct {
    text_kind kind;
    const char *text;
    size_t len;
} bad[] = {
    {TEXT_NUMBER, ROW("")}, {TEXT_NUMBER, ROW("18446744073709551616")}, {TEXT_NUMBER, ROW("-")},
    {TEXT_NUMBER, ROW("-9223372036854775809")}, {TEXT_NUMBER, ROW("1 ")},
    {TEXT_DURATION, ROW("")}, {TEXT_DURATION, ROW("1")}, {TEXT_DURATION, ROW("h")},
    {TEXT_DURATION, ROW("2562047h47m16.854775808s")}, {TEXT_DURATION, ROW("1.5")},
    {TEXT_ORIGIN, ROW("")}, {TEXT_ORIGIN, ROW("n/S/")}, {TEXT_ORIGIN, ROW("n/T/0/1/2")},
    {TEXT_ORIGIN, ROW("n/S/0/1")}, {TEXT_ORIGIN, ROW("n/S/0/1/")}, {TEXT_ORIGIN, ROW("n/S/0/1/2/")},
    {TEXT_ORIGIN, ROW("n/S/0/0/2")}, {TEXT_ORIGIN, ROW("n/S/4294967296/1/2")},
    {TEXT_ORIGIN, ROW("n/S/0/1/9223372036854775808")}, {TEXT_ORIGIN, ROW("n/S/0//2")},
    {TEXT_ORIGIN, ROW("n/S/0/1/2 ")}, {TEXT_ORIGIN, ROW("n/S/0/-1/2")},
    {TEXT_RFC3339, ROW("2026-02-29T00:00:00Z")}, {TEXT_RFC3339, ROW("2026-13-01T00:00:00Z")},
    {TEXT_RFC3339, ROW("2026-01-01T24:00:00Z")}, {TEXT_RFC3339, ROW("2026-01-01T00:60:00Z")},
    {TEXT_RFC3339, ROW("2026-01-01 00:00:00Z")}, {TEXT_RFC3339, ROW("2026-01-01T00:00:00")},
    {TEXT_RFC3339, ROW("2026-01-01T00:00:00.Z")}, {TEXT_RFC3339, ROW("2026-01-01T00:00:00+25:00")},
    {TEXT_CRON, ROW("60 * * * * *")}, {TEXT_CRON, ROW("* * * * *")}, {TEXT_CRON, ROW("@never")},
    {TEXT_CRON, ROW("5-1 * * * * *")}, {TEXT_CRON, ROW("*/0 * * * * *")},
    {TEXT_BASE64, ROW("aGVsbG8-_w==")}, {TEXT_BASE64, ROW("a")}, {TEXT_BASE64, ROW("aaa=a")},
    {TEXT_BASE64_URL, ROW("aGVsbG8+/w==")}, {TEXT_BASE64_URL, ROW("a")},
    {TEXT_JSON, ROW("")}, {TEXT_JSON, ROW("{\"a\":1}x")}, {TEXT_JSON, ROW("[1,]")},
    {TEXT_JSON, ROW("\"\xff\"")}, {TEXT_JSON, ROW("nul")},
    {TEXT_URL, ROW("")}, {TEXT_URL, ROW("ftp://x")}, {TEXT_URL, ROW("nats://h:65536")},
    {TEXT_URL, ROW("nats://[::1")}, {TEXT_URL, ROW("nats://a%4@h")}, {TEXT_URL, ROW("file:")},
    {TEXT_TRANSFORM, ROW("a b..c a")}, {TEXT_TRANSFORM, ROW("a.* $2 a.b")},
    {TEXT_TRANSFORM, ROW("a.> b a.c")}, {TEXT_TRANSFORM, ROW("* {{nope(1)}} a")},
    {TEXT_ACK, ROW("$JS.ACK.S.c.1.2.3.4")}, {TEXT_ACK, ROW("$JS.ACK.S.c.x.2.3.4.5")},
    {TEXT_ACK, ROW("$JS.NAK.S.c.1.2.3.4.5")}, {TEXT_ACK, ROW("$JS.ACK.S.c.1.2.3.4.5.6")},
    {TEXT_OBJMETA, ROW("{}")}, {TEXT_OBJMETA, ROW("[]")}, {TEXT_OBJMETA, ROW("{\"nuid\":\"a.>\"}")},
    {TEXT_OBJMETA, ROW("{\"nuid\":\"x\",\"size\":-1}")},
    {TEXT_OBJMETA, ROW("{\"nuid\":\"x\",\"digest\":\"MD5=abcd\"}")},
    {TEXT_OBJMETA, ROW("{\"nuid\":\"x\",\"digest\":\"SHA\"}")},
    {TEXT_OBJMETA, ROW("{\"nuid\":\"x\",\"digest\":\"SHA-256=AAAA\"}")},
    {TEXT_S2, ROW("\x01\x07\0\0\x6e\x57\xf1\x22" "abc")}, {TEXT_S2, ROW("\x02\x01\0\0x")},
    {TEXT_SUBJECT, ROW("")}, {TEXT_SUBJECT, ROW("a..b")}, {TEXT_SUBJECT, ROW("a.>.b")},
    {TEXT_SUBJECT, ROW("a b")}, {TEXT_SUBJECT, ROW(".")},
    {TEXT_ZONE, ROW("CE-1")}, {TEXT_ZONE, ROW("CET")}, {TEXT_ZONE, ROW("CET-25")},
    {TEXT_ZONE, ROW("CET-1CEST")}, {TEXT_ZONE, ROW("CET-1CEST,M3.5.0")}, {TEXT_ZONE, ROW("<CET-1")},
    {TEXT_ZONE, ROW("CET-1CEST,M13.5.0,M10.5.0")}, {TEXT_ZONE, ROW("CET-1CEST,M3.0.0,M10.5.0")},
    {TEXT_ZONE, ROW("CET-1CEST,J0,J366")}, {TEXT_ZONE, ROW("CET-1CEST,M3.5.0,M10.5.0x")},
    {TEXT_ZONE, ROW("TZif")},
};

START_TEST(test_taken_and_refused)
{
    ri_host host;
    ri_host_init(&host, NULL);
    for (size_t i = 0; i < RI_LEN(good); i++)
        ck_assert_msg(text_taken(good[i].kind, &host, good[i].text, good[i].len), "refused: %s",
                      good[i].text);
    for (size_t i = 0; i < RI_LEN(bad); i++)
        ck_assert_msg(!text_taken(bad[i].kind, &host, bad[i].text, bad[i].len), "taken: %s",
                      bad[i].text);
    guard_free();
}
END_TEST

START_TEST(test_every_front)
{
    ri_host host;
    ri_host_init(&host, NULL);
    for (size_t i = 0; i < RI_LEN(good); i++)
        for (size_t n = 0; n < good[i].len; n++) text_taken(good[i].kind, &host, good[i].text, n);
    guard_free();
}
END_TEST

START_TEST(test_every_byte)
{
    ri_host host;
    char text[256];
    ri_host_init(&host, NULL);
    for (size_t i = 0; i < RI_LEN(good); i++) {
        ck_assert_uint_le(good[i].len, sizeof text);
        memcpy(text, good[i].text, good[i].len);
        for (size_t at = 0; at < good[i].len; at++) {
            for (int byte = 0; byte < 256; byte++) {
                text[at] = (char)byte;
                text_taken(good[i].kind, &host, text, good[i].len);
            }
            text[at] = good[i].text[at];
        }
    }
    guard_free();
}
END_TEST

SUITE_MAIN("texts", test_taken_and_refused, test_every_front, test_every_byte)
