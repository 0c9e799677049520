/* SPDX-License-Identifier: Apache-2.0 */
/* Logins by keys, against a nats-server that login.py starts.
 *
 *     login write DIR        DIR/jwt.conf, DIR/nkey.conf, DIR/user.creds and DIR/wrong.creds: an
 *                            operator, an account and a user, whose JWTs are signed here
 *     login try URL FILE     opens a handle by that file of credentials, or, FILE beginning with
 *                            SU, by that seed: prints "in", or the name of the failure
 *     login ask URL FILE     the same by on_creds, which signs with what stands in that file, or
 *                            with that seed
 *     login expiring URL     as a user of that account by on_creds, whose first JWT runs out soon
 *                            and whose second does not
 *     login named URL USER PASSWORD    by a name; USER "-": PASSWORD is a token
 *     login denied URL SEED  appends and asks where its user may not publish; listens to what it
 *                            may, to what it may not, and to what it may not any more when a line
 *                            comes on its input */
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base64.h"
#include "base/error.h"
#include "codec/web/creds.h"
#include "codec/web/nkey.h"
#include "rill.h"

#define OPERATOR "SOAK3X4763MVK7SFWSV4XLA6E7IZOCV2GBW3JDFIRZHWJE2TQSDHPN47P4"
#define ACCOUNT "SAABRKGXI4CPRJR44Y6N4XIAMPROXGYFI6OO2AVZQOQKA33267CEZ2BGFA"
#define USER "SUANPDM7WJ4XJAZ6PVQZYZM7GIJL7HNAY62PFLZN7EYWGBVLD55HHVJ3OI"
#define STRANGER "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"

enum { WAIT_MS = 20000 };

static ri_host host;

static void must(int rc, const char *what)
{
    if (rc >= 0) return;
    printf("%s: %s\n", what, rill_errmsg());
    exit(2);
}

static FILE *create(const char *dir, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    if (file) return file;
    perror(path);
    exit(2);
}

typedef struct key {
    const char *seed;
    char key[RI_NKEY_LEN + 1];
} key;

static key key_of(const char *seed)
{
    key k = {.seed = seed};
    must(ri_nkey_public(ri_str_of(seed), k.key), seed);
    return k;
}

static void put_part(ri_buffer *out, const char *text)
{
    ri_base64_put_url(out, ri_str_of(text));
    while (out->ptr[out->len - 1] == '=') ri_buffer_cut(out, ri_buffer_size(out) - 1);
}

/* What `by` says of `of`, for ever or until then. */
static void put_jwt(ri_buffer *out, const key *by, const key *of, time_t ends, const char *claims)
{
    char body[1024], exp[48] = "";
    ri_buffer jwt;
    if (ends) snprintf(exp, sizeof exp, "\"exp\":%lld,", (long long)ends);
    snprintf(body, sizeof body, "{\"jti\":\"x\",\"iat\":1700000000,%s\"iss\":\"%s\",\"name\":\"n\","
             "\"sub\":\"%s\",\"nats\":%s}", exp, by->key, of->key, claims);
    ri_buffer_init(&jwt, &host);
    put_part(&jwt, "{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}");
    ri_buffer_puts(&jwt, ".");
    put_part(&jwt, body);
    ri_buffer_put_str(out, ri_buffer_str(&jwt));
    ri_buffer_puts(out, ".");
    must(ri_nkey_sign(ri_str_of(by->seed), ri_buffer_str(&jwt), out), "sign");
    ri_buffer_fini(&jwt);
}

static const char user_claims[] = "{\"pub\":{},\"sub\":{},\"subs\":-1,\"data\":-1,"
                                  "\"payload\":-1,\"type\":\"user\",\"version\":2}";

static void write_creds(const char *dir, const char *name, const key *by, const char *seed)
{
    key of = key_of(USER);
    ri_buffer jwt;
    ri_buffer_init(&jwt, &host);
    put_jwt(&jwt, by, &of, 0, user_claims);
    FILE *file = create(dir, name);
    fprintf(file, "-----BEGIN NATS USER JWT-----\n%.*s\n------END NATS USER JWT------\n\n"
            "-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n",
            RI_ARG(ri_buffer_str(&jwt)), seed);
    fclose(file);
    ri_buffer_fini(&jwt);
}

static void write_all(const char *dir)
{
    static const char account[] = "{\"limits\":{\"subs\":-1,\"data\":-1,\"payload\":-1,"
        "\"imports\":-1,\"exports\":-1,\"wildcards\":true,\"conn\":-1,\"leaf\":-1},"
        "\"default_permissions\":{\"pub\":{},\"sub\":{}},\"type\":\"account\",\"version\":2}";
    key operator = key_of(OPERATOR), of = key_of(ACCOUNT), user = key_of(USER);
    ri_buffer jwt;
    FILE *file = create(dir, "jwt.conf");
    ri_buffer_init(&jwt, &host);
    put_jwt(&jwt, &operator, &operator, 0, "{\"type\":\"operator\",\"version\":2}");
    fprintf(file, "listen: \"127.0.0.1:-1\"\noperator: %.*s\n", RI_ARG(ri_buffer_str(&jwt)));
    ri_buffer_reset(&jwt);
    put_jwt(&jwt, &operator, &of, 0, account);
    fprintf(file, "resolver: MEMORY\nresolver_preload: { %s: %.*s }\n", of.key,
            RI_ARG(ri_buffer_str(&jwt)));
    fclose(file);
    ri_buffer_fini(&jwt);
    file = create(dir, "nkey.conf");
    fprintf(file, "listen: \"127.0.0.1:-1\"\nauthorization { users: [ { nkey: %s, permissions: "
            "{ subscribe: { deny: [\"secret.>\"] }, publish: { deny: [\"shut.>\", "
            "\"$JS.API.STREAM.DELETE.>\"] } } } ] }\n", user.key);
    fclose(file);
    write_creds(dir, "user.creds", &of, USER);
    write_creds(dir, "wrong.creds", &of, STRANGER); /* of another key than the JWT names */
    write_creds(dir, "foreign.creds", &user, USER); /* nobody's account */
}

static void fill(rill_opts *opts, const char *by)
{
    if (strncmp(by, "SU", 2) == 0) opts->nkey_seed = by;
    else opts->creds_file = by;
}

static int try_opts(const char *url, const rill_opts *opts)
{
    rill_bus *bus;
    int rc = rill_open(&bus, url, opts);
    if (rc >= 0) rc = rill_flush(bus, WAIT_MS);
    puts(rc >= 0 ? "in" : rill_errname(rc));
    return rc >= 0 ? rill_close(bus, WAIT_MS) : 0;
}

static int try_login(const char *url, const char *by)
{
    rill_opts opts = {.size = sizeof opts};
    fill(&opts, by);
    return try_opts(url, &opts);
}

/* ---- Who is asked ---- */

static void sign(rill_creds *out, ri_str seed)
{
    ri_buffer text;
    char raw[96];
    size_t len;
    ri_buffer_init(&text, &host);
    must(ri_nkey_sign(seed, ri_str_of(out->nonce), &text), "sign");
    must(ri_base64_read_url(ri_buffer_str(&text), raw, &len), "a signature");
    if (len != sizeof out->signature) exit(2);
    memcpy(out->signature, raw, len);
    out->is_signed = true;
    ri_buffer_fini(&text);
}

/* The texts are the heap's, and freed by let_go(). */
static void let_go(rill_creds *out, void *arg)
{
    (void)arg;
    free((char *)(uintptr_t)out->jwt);
    free((char *)(uintptr_t)out->nkey);
}

static int on_creds(rill_creds *out, void *arg)
{
    char text[8192] = "";
    const char *by = arg;
    if (!out->nonce) return RILL_EINVAL;
    if (strncmp(by, "SU", 2) == 0) {
        sign(out, ri_str_of(by));
        out->nkey = strdup(key_of(by).key);
    } else {
        ri_creds creds;
        FILE *file = fopen(by, "r");
        if (!file || fread(text, 1, sizeof text - 1, file) == 0) exit(2);
        fclose(file);
        must(ri_creds_read(ri_str_of(text), &creds), by);
        sign(out, creds.seed);
        out->jwt = strndup(creds.jwt.ptr, creds.jwt.len);
    }
    out->release = let_go;
    return RILL_OK;
}

static int ask_login(const char *url, char *by)
{
    return try_opts(url, RILL_OPTS(rill_opts, .on_creds = on_creds, .arg = by));
}

typedef struct expiry {
    int asked;
    char jwt[2048];
    sem_t up;
} expiry;

static int on_expiry(rill_creds *out, void *arg)
{
    expiry *e = arg;
    key by = key_of(ACCOUNT), of = key_of(USER);
    ri_buffer jwt;
    ri_buffer_init(&jwt, &host);
    put_jwt(&jwt, &by, &of, e->asked++ ? 0 : time(NULL) + 3, user_claims);
    snprintf(e->jwt, sizeof e->jwt, "%.*s", RI_ARG(ri_buffer_str(&jwt)));
    ri_buffer_fini(&jwt);
    out->jwt = e->jwt;
    out->seed = USER;
    return RILL_OK;
}

static void on_expiry_event(rill_bus *bus, const rill_event *ev, void *arg)
{
    (void)bus;
    if (ev->kind == RILL_EV_DOWN) printf("%s %s\n", rill_errname(ev->err), ev->detail);
    if (ev->kind == RILL_EV_UP) sem_post(&((expiry *)arg)->up);
}

/* It is up twice, and in between it is told why not. */
static int expiring(const char *url)
{
    static expiry e;
    rill_bus *bus;
    sem_init(&e.up, 0, 0);
    must(rill_open(&bus, url, RILL_OPTS(rill_opts, .on_creds = on_expiry, .arg = &e,
                                        .on_event = on_expiry_event)), url);
    for (int ups = 0; ups < 2;) ups += sem_wait(&e.up) == 0;
    must(rill_flush(bus, WAIT_MS), "flush");
    must(rill_close(bus, WAIT_MS), "close");
    printf("asked %d times\n", e.asked);
    return 0;
}

static int named_login(const char *url, const char *user, const char *password)
{
    if (strcmp(user, "-") == 0) return try_opts(url, RILL_OPTS(rill_opts, .token = password));
    return try_opts(url, RILL_OPTS(rill_opts, .user = user, .password = password));
}

typedef struct ended {
    sem_t some;        /* posted for each event ... */
    rill_sub *sub;     /* ... which was about that */
} ended;

static void on_event(rill_bus *bus, const rill_event *ev, void *arg)
{
    (void)bus;
    ended *e = arg;
    if (ev->kind != RILL_EV_ERROR) return;
    printf("%s %s\n", rill_errname(ev->err), ev->subject ? ev->subject : "");
    e->sub = ev->sub;
    sem_post(&e->some);
}

/* Until something was refused, which has to be `sub`, and over. */
static void await(ended *e, rill_sub *sub)
{
    const rill_msg *m;
    struct timespec until;
    int rc = rill_next(sub, &m, WAIT_MS);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    if (rc == RILL_ECLOSED && sem_timedwait(&e->some, &until) == 0 && e->sub == sub) return;
    printf("the reader says %s, or the event is about another\n", rill_errname(rc));
    exit(1);
}

/* The server's own words, and not after the time that was given. */
static void must_be_refused(int rc, const char *what)
{
    if (rc == RILL_EAUTH && strstr(rill_errmsg(), "ermissions Violation for Publish")) return;
    printf("%s: %s: %s\n", what, rill_errname(rc), rill_errmsg());
    exit(1);
}

static void on_refused(int err, const rill_receipt *receipt, void *arg)
{
    (void)receipt;
    if (err < 0) must_be_refused(err, "append, told later");
    sem_post(arg);
}

/* A server answers nothing to what may not be published; it says so beside the answers. */
static void publish_denied(rill_bus *bus)
{
    rill_receipt receipt = {.size = sizeof receipt};
    rill_msg *m = NULL;
    sem_t told;
    sem_init(&told, 0, 0);
    must(rill_append_async(bus, "shut.y", "x", 1, NULL, on_refused, &told), "append, later");
    must_be_refused(rill_append(bus, "shut.x", "x", 1, NULL, &receipt, WAIT_MS), "append");
    must_be_refused(rill_request(bus, "shut.x", "x", 1, NULL, &m, WAIT_MS), "request");
    must_be_refused(rill_stream_delete(bus, "S"), "delete");
    while (sem_wait(&told) < 0) continue;
    sem_destroy(&told);
}

static int denied(const char *url, const char *seed)
{
    rill_bus *bus;
    rill_sub *open, *secret, *later;
    const rill_msg *m;
    char line[16];
    ended e;
    sem_init(&e.some, 0, 0);
    rill_opts opts = {.size = sizeof opts, .on_event = on_event, .arg = &e};
    fill(&opts, seed);
    must(rill_open(&bus, url, &opts), "open");
    must(rill_subscribe(bus, &open, "open.*", NULL), "subscribe");
    must(rill_subscribe(bus, &later, "later.x", RILL_OPTS(rill_sub_opts, .group = "g")),
         "subscribe");
    must(rill_subscribe(bus, &secret, "secret.x", NULL), "subscribe");
    await(&e, secret);
    publish_denied(bus);
    must(rill_publish(bus, "open.x", "x", 1, NULL), "publish");
    must(rill_next(open, &m, WAIT_MS), "next");
    puts("waits");
    fflush(stdout);
    if (fgets(line, sizeof line, stdin)) await(&e, later);
    must(rill_publish(bus, "open.x", "x", 1, NULL), "publish");
    must(rill_next(open, &m, WAIT_MS), "next");
    rill_sub_close(open);
    rill_sub_close(secret);
    rill_sub_close(later);
    return rill_close(bus, WAIT_MS) < 0;
}

int main(int argc, char **argv)
{
    ri_host_init(&host, NULL);
    if (argc == 3 && strcmp(argv[1], "write") == 0) return write_all(argv[2]), 0;
    if (argc == 4 && strcmp(argv[1], "try") == 0) return try_login(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "ask") == 0) return ask_login(argv[2], argv[3]);
    if (argc == 3 && strcmp(argv[1], "expiring") == 0) return expiring(argv[2]);
    if (argc == 5 && strcmp(argv[1], "named") == 0)
        return named_login(argv[2], argv[3], argv[4]);
    if (argc == 4 && strcmp(argv[1], "denied") == 0) return denied(argv[2], argv[3]);
    fprintf(stderr, "login write DIR | try URL FILE | ask URL FILE | "
            "expiring URL | named URL USER PASSWORD | denied URL SEED\n");
    return 2;
}
