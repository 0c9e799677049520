/* SPDX-License-Identifier: Apache-2.0 */
/* peer URL [LANGUAGE]: what the tests of a binding want of a program in another language: to read
 * what LANGUAGE ("go") has written, and to write what it reads. */
#include <rill.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OK(call) ok(call, #call)

static void ok(int rc, const char *call)
{
    if (rc >= 0) return;
    fprintf(stderr, "%s: %s\n", call, rill_errmsg());
    exit(1);
}

static int count(const void *buf, size_t len, void *arg)
{
    (void)buf;
    *(size_t *)arg += len;
    return 0;
}

static int64_t fill(void *buf, size_t cap, void *arg)
{
    size_t *left = arg, n = *left < cap ? *left : cap;
    memset(buf, 'x', n);
    *left -= n;
    return (int64_t)n;
}

static void read_what_is_there(rill_bus *bus, rill_kv *kv, rill_objs *objs, const char *language)
{
    char subject[64];
    rill_sub *sub;
    const rill_msg *m;
    rill_msg *own;
    rill_str from;
    size_t n = 0;
    OK(rill_consume(bus, &sub, "S", RILL_OPTS(rill_sub_opts, .group = "both")));
    OK(rill_next(sub, &m, 5000));
    OK(rill_header_get(m, "From", &from));
    printf("%.*s, from %.*s\n", RILL_ARG(m->data), RILL_ARG(from));
    OK(rill_ack(m));
    OK(rill_flush(bus, 5000));
    rill_sub_close(sub);
    OK(rill_kv_get(kv, language, &own));
    printf("%.*s\n", RILL_ARG(own->data));
    rill_msg_unref(own);
    OK(rill_obj_get(objs, language, count, &n));
    printf("%zu bytes\n", n);
    snprintf(subject, sizeof subject, "ask.%s", language);
    OK(rill_request(bus, subject, "a question", 10, NULL, &own, 5000));
    printf("%.*s\n", RILL_ARG(own->data));
    rill_msg_unref(own);
}

int main(int argc, char **argv)
{
    rill_bus *bus;
    rill_kv *kv;
    rill_objs *objs;
    size_t left = 300000;
    rill_header from = {RILL_STR("From"), RILL_STR("C")};
    OK(rill_open(&bus, argc > 1 ? argv[1] : "", NULL));
    OK(rill_kv_open(bus, &kv, "kv", NULL));
    OK(rill_objs_open(bus, &objs, "objs", NULL));
    read_what_is_there(bus, kv, objs, argc > 2 ? argv[2] : "go");
    OK(rill_publish(bus, "live", "published by C", 14,
                    RILL_OPTS(rill_post, .headers = &from, .nheaders = 1)));
    OK(rill_append(bus, "s.peer", "stored by C", 11, NULL, NULL, 5000));
    OK(rill_kv_put(kv, "peer", "set by C", 8, NULL, NULL));
    OK(rill_obj_put(objs, "peer", fill, &left));
    rill_kv_close(kv);
    rill_objs_close(objs);
    OK(rill_flush(bus, 5000));
    OK(rill_close(bus, 5000));
}
