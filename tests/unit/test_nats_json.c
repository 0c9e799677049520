/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "codec/nats/nats_json.h"
#include "support/fault.h"
#include "support/guard.h"
#include "support/suite.h"

static ri_str guarded(const char *text)
{
    return (ri_str){guard_copy(text, strlen(text)), strlen(text)};
}

static int info_round(fault *f, void *arg)
{
    (void)arg;
    ri_arena arena;
    ri_buffer b;
    ri_arena_init(&arena, &f->host);
    ri_buffer_init(&b, &f->host);
    ri_str urls[] = {RI_STR("10.0.0.1:4222"), RI_STR("[::1]:4223")};
    ri_nats_info in, out;
    ri_nats_info_init(&in);
    in.server_id = in.server_name = RI_STR("NABC");
    in.version = RI_STR("2.12.0");
    in.go = RI_STR("go1.25");
    in.host = RI_STR("0.0.0.0");
    in.port = 4222;
    in.headers = true;
    in.max_payload = 1048576;
    in.client_id = 7;
    in.client_ip = RI_STR("127.0.0.1");
    in.connect_urls = (ri_str_list){urls, 2};
    in.ldm = true;
    ri_nats_info_write(&in, &b);
    int rc = b.failed ? RILL_ENOMEM : RILL_OK;
    const char *want =
        "{\"server_id\":\"NABC\",\"server_name\":\"NABC\",\"version\":\"2.12.0\",\"proto\":1,"
        "\"go\":\"go1.25\",\"host\":\"0.0.0.0\",\"port\":4222,\"headers\":true,"
        "\"max_payload\":1048576,\"client_id\":7,\"client_ip\":\"127.0.0.1\","
        "\"connect_urls\":[\"10.0.0.1:4222\",\"[::1]:4223\"],\"ldm\":true}";
    if (rc == RILL_OK) {
        ck_assert_span(ri_buffer_str(&b), want);
        ri_nats_info_init(&out);
        rc = ri_nats_info_read(&out, ri_buffer_str(&b), &arena);
    }
    if (rc == RILL_OK) {
        ck_assert(ri_str_eq(out.server_id, in.server_id) && out.port == 4222 && out.ldm);
        ck_assert(out.connect_urls.len == 2 && out.client_id == 7 && out.headers);
        ck_assert_span(out.connect_urls.items[1], "[::1]:4223");
        ck_assert(!out.jetstream && out.nonce.len == 0 && out.max_payload == 1048576);
    }
    ri_buffer_fini(&b);
    ri_arena_fini(&arena);
    return rc;
}

START_TEST(test_info)
{
    ck_assert_uint_ge(fault_each(info_round, NULL), 2);
}
END_TEST

START_TEST(test_connect)
{
    fault f;
    fault_init(&f);
    ri_arena arena;
    ri_arena_init(&arena, &f.host);
    ri_nats_connect c;
    ri_nats_connect_init(&c);
    ck_assert_ok(ri_nats_connect_read(&c, guarded("{}"), &arena));
    ck_assert(c.verbose && c.pedantic && c.echo && !c.headers && c.protocol == 0);
    const char *text = "{\"Verbose\":false,\"pedantic\":false,\"ECHO\":false,"
                       "\"user\":\"d\\u0026rek\",\"pass\":\"s3\",\"protocol\":1,"
                       "\"headers\":true,\"no_responders\":true,"
                       "\"unknown\":{\"a\":[1]},\"name\":null,\"lang\":\"c\"}";
    for (size_t cut = 0; cut < strlen(text); cut++) {
        ri_nats_connect torn;
        ri_nats_connect_init(&torn);
        ck_assert_rc(ri_nats_connect_read(&torn, (ri_str){guard_copy(text, cut), cut}, &arena),
                     RILL_EPROTO);
    }
    ck_assert_ok(ri_nats_connect_read(&c, guarded(text), &arena));
    ck_assert(!c.verbose && !c.pedantic && !c.echo && c.headers && c.no_responders);
    ck_assert(c.protocol == 1 && c.name.len == 0);
    ck_assert_span(c.user, "d&rek");
    ck_assert_int_eq(c.user.ptr[c.user.len], 0);
    /* a wrong type changes nothing, and a second CONNECT keeps what it does not say */
    ck_assert_rc(ri_nats_connect_read(&c, guarded("{\"user\":\"x\",\"verbose\":1}"), &arena),
                 RILL_EPROTO);
    ck_assert_span(c.user, "d&rek");
    ck_assert_ok(ri_nats_connect_read(&c, guarded("{\"pass\":\"other\"}"), &arena));
    ck_assert(ri_str_is(c.user, "d&rek") && ri_str_is(c.pass, "other") && c.headers);
    static const char *bad[] = {"[]", "1", "null", "{\"protocol\":\"1\"}", "{\"user\":{}}", "\r"};
    for (size_t i = 0; i < RI_LEN(bad); i++)
        ck_assert_rc(ri_nats_connect_read(&c, guarded(bad[i]), &arena), RILL_EPROTO);

    ri_buffer b;
    ri_buffer_init(&b, &f.host);
    ri_nats_connect_write(&c, &b);
    ri_nats_connect again;
    ri_nats_connect_init(&again);
    ck_assert_ok(ri_nats_connect_read(&again, ri_buffer_str(&b), &arena));
    ck_assert(!again.echo && !again.verbose && again.headers && again.protocol == 1);
    ck_assert(ri_str_eq(again.user, c.user) && ri_str_eq(again.pass, c.pass));
    ri_buffer_fini(&b);
    ri_arena_fini(&arena);
    fault_fini(&f);
    guard_free();
}
END_TEST

SUITE_MAIN("nats_json", test_info, test_connect)
