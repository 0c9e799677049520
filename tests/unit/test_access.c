/* SPDX-License-Identifier: Apache-2.0 */
/* Who may do what: the rules by rows, and by the dice beside a model that knows nothing of filters
 * that are compiled, of what was seen before, or of hashes. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "codec/limits.h"
#include "engine/access/access.h"
#include "support/fault.h"
#include "support/rng.h"
#include "support/suite.h"

#define ALLOW_PUB(...)                                         \
    .publish_allow = (const char *const[]){__VA_ARGS__},       \
    .npublish_allow = sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)
#define DENY_PUB(...)                                          \
    .publish_deny = (const char *const[]){__VA_ARGS__},        \
    .npublish_deny = sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)
#define ALLOW_SUB(...)                                         \
    .subscribe_allow = (const char *const[]){__VA_ARGS__},     \
    .nsubscribe_allow = sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)
#define DENY_SUB(...)                                          \
    .subscribe_deny = (const char *const[]){__VA_ARGS__},      \
    .nsubscribe_deny = sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

static const rill_user ada = {
    .size = sizeof ada, .user = "ada", .password = "p", ALLOW_PUB("foo.*", "x.>"),
    DENY_PUB("x.no"), ALLOW_SUB("foo.*", "_INBOX.>", "bar.* q.*", "x.>"),
    DENY_SUB("x.secret", "x.q work")};
static const rill_user bob = {.size = sizeof bob, .user = "bob"};
static const rill_user *const both[] = {&ada, &bob};

static ri_verdicts seen;

static ri_str S(const char *text)
{
    return ri_str_of(text);
}

/* What nats-server does with the same rules, but for foo.>, which it would let pass. */
START_TEST(rules)
{
    static const struct {
        const char *subject, *queue;
        bool may, watch;
    } subs[] = {
        {"foo.*", "", true, false}, {"foo.>", "", false, false}, {">", "", false, false},
        {"foo.a.b", "", false, false}, {"bar.a", "", false, false}, {"bar.a", "q.x", true, false},
        {"bar.a", "z", false, false}, {"x.>", "", true, true}, {"x.*", "", true, true},
        {"x.secret", "", false, false}, {"foo.a", "q", true, false}, {"x.q", "", true, false},
        {"x.q", "work", false, false}, {"x.q", "home", true, false}, {"bar.*", "q.z", true, false},
        {"bar.*", "", false, false},
    };
    static const struct {
        const char *subject;
        bool may;
    } pubs[] = {{"foo.a", true}, {"nope", false}, {"x.no", false}, {"x.yes", true},
                {"foo.a.b", false}, {"foo", false}, {"foo..b", false}, {".", false}};
    fault f;
    ri_access *access;
    bool watch;
    fault_init(&f);
    ri_verdicts_init(&seen, &f.host, NULL);
    ck_assert_ok(ri_access_new(&f.host, both, 2, &access));
    ri_access_user *a = ri_access_find(access, S("ada")), *b = ri_access_find(access, S("bob"));
    ck_assert(a && b && !ri_access_find(access, S("eve")) && !ri_access_find(access, S("")));
    ck_assert_str_eq(ri_access_password(a), "p");
    ck_assert_str_eq(ri_access_password(b), "");
    for (size_t i = 0; i < RI_LEN(subs); i++) {
        bool may = ri_access_may_subscribe(a, S(subs[i].subject), S(subs[i].queue), &watch);
        ck_assert_msg(may == subs[i].may && watch == subs[i].watch, "%s %s: %d %d",
                      subs[i].subject, subs[i].queue, may, watch);
        ck_assert(ri_access_may_subscribe(b, S(subs[i].subject), S(subs[i].queue), &watch));
        ck_assert(!watch);
    }
    for (size_t i = 0; i < 4 * RI_LEN(pubs); i++) {
        size_t at = i / 2 % RI_LEN(pubs);
        ck_assert_msg(ri_access_may_publish(a, &seen, S(pubs[at].subject)) == pubs[at].may, "%s",
                      pubs[at].subject);
        ck_assert(ri_access_may_publish(b, &seen, S(pubs[at].subject)));
    }
    for (int i = 0; i < 2; i++)
        ck_assert(!ri_access_may_get(a, S("x.secret"), S("")) &&
                  ri_access_may_get(a, S("x.q"), S("")));
    ck_assert(!ri_access_may_get(a, S("x.q"), S("work")) && ri_access_may_get(a, S("x.q"), S("w")));
    ck_assert(ri_access_may_hear(a, S("foo.a"), S("")));
    ck_assert(!ri_access_may_hear(a, S("foo.a.b"), S("")));
    ck_assert(!ri_access_may_hear(a, S("x.secret"), S("")));
    ck_assert(ri_access_may_hear(b, S("x.secret"), S("")));
    ck_assert_uint_gt(ri_access_units(a), 0);
    ri_verdicts_fini(&seen);
    ri_access_unref(access);
    fault_fini(&f);
}
END_TEST

/* Without a list of its own nothing but answers may be published. */
START_TEST(answers)
{
    const rill_user once = {.size = sizeof once, .user = "once", .allow_responses = true};
    const rill_user often = {.size = sizeof often, .user = "often", .allow_responses = true,
                             .responses_max = UINT32_MAX, .responses_ms = UINT32_MAX,
                             ALLOW_PUB("log.>"), DENY_PUB("log.x")};
    const rill_user three = {.size = sizeof three, .user = "three", .allow_responses = true,
                             .responses_max = 3, .responses_ms = 50};
    const rill_user *const users[] = {&once, &often, &bob, &three};
    fault f;
    ri_access *access, *other;
    uint32_t max;
    int64_t for_ns;
    fault_init(&f);
    ri_verdicts_init(&seen, &f.host, NULL);
    ck_assert_ok(ri_access_new(&f.host, users, RI_LEN(users), &access));
    ri_access_user *user = ri_access_find(access, S("once"));
    ck_assert(ri_access_answers(user, &max, &for_ns) && max == 1 && for_ns == 120 * RI_SEC);
    ck_assert(!ri_access_may_publish(user, &seen, S("a")));
    user = ri_access_find(access, S("often"));
    ck_assert(ri_access_answers(user, &max, &for_ns) && max == UINT32_MAX && for_ns == INT64_MAX);
    ck_assert(ri_access_may_publish(user, &seen, S("log.a")));
    ck_assert(!ri_access_may_publish(user, &seen, S("log.x")));
    user = ri_access_find(access, S("three"));
    ck_assert(ri_access_answers(user, &max, &for_ns) && max == 3 && for_ns == 50 * RI_MS);
    ck_assert(!ri_access_answers(ri_access_find(access, S("bob")), &max, &for_ns));
    const rill_user slower = {.size = sizeof slower, .user = "three", .allow_responses = true,
                              .responses_max = 3, .responses_ms = 51};
    const rill_user *const changed[] = {&once, &often, &bob, &slower};
    ck_assert_ok(ri_access_new(&f.host, changed, RI_LEN(changed), &other));
    ck_assert(!ri_access_same(access, other));
    ck_assert(ri_access_same_secret(user, ri_access_find(other, S("three"))));
    ri_access_unref(other);
    ri_verdicts_fini(&seen);
    ri_access_unref(access);
    fault_fini(&f);
}
END_TEST

#define KEY "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"

START_TEST(keys)
{
    const rill_user key = {.size = sizeof key, .nkey = KEY, ALLOW_PUB("a")};
    const rill_user *const users[] = {&bob, &key};
    fault f;
    ri_access *access;
    fault_init(&f);
    int rc = ri_access_new(&f.host, users, 2, &access);
#ifdef RI_HAVE_SODIUM
    ck_assert_ok(rc);
    ck_assert(ri_access_has_keys(access) && ri_access_is_key(ri_access_find(access, S(KEY))));
    ck_assert(!ri_access_is_key(ri_access_find(access, S("bob"))));
    ck_assert_str_eq(ri_access_name(ri_access_find(access, S(KEY))), KEY);
#else
    ck_assert_rc(rc, RILL_ENOTSUP);
#endif
    ri_access_unref(access);
    ck_assert(!ri_access_has_keys(NULL));
    fault_fini(&f);
}
END_TEST

/* What is pinned to a user is copied; of a key that is configured the account is the issuer. */
START_TEST(badges)
{
    fault f;
    ri_access *access;
    char issuer[] = "issuer", name[] = "name", tags[] = "[\"t\"]";
    fault_init(&f);
    ck_assert_ok(ri_access_new(&f.host, both, 2, &access));
    ri_access_user *user = ri_access_find(access, S("ada"));
    ri_access_badge badge = ri_access_badge_of(user);
    ck_assert(!badge.issuer.len && !badge.name.len && !badge.tags.len);
    ck_assert_ok(ri_access_pin(user, &(const ri_access_badge){S(issuer), S(name), S(tags)}));
    issuer[0] = name[0] = tags[0] = '?';
    badge = ri_access_badge_of(user);
    ck_assert_span(badge.issuer, "issuer");
    ck_assert_span(badge.name, "name");
    ck_assert_span(badge.tags, "[\"t\"]");
    ri_access_unref(access);
#ifdef RI_HAVE_SODIUM
    const rill_user by_key = {.size = sizeof by_key, .nkey = KEY, .account = "A"};
    ck_assert_ok(ri_access_new(&f.host, &(const rill_user *){&by_key}, 1, &access));
    ck_assert_span(ri_access_badge_of(ri_access_first(access)).issuer, "A");
    ri_access_unref(access);
#endif
    fault_fini(&f);
}
END_TEST

static void fails(const rill_user *const *users, size_t n, int code, const char *why)
{
    fault f;
    ri_access *access;
    fault_init(&f);
    ck_assert_rc(ri_access_new(&f.host, users, n, &access), code);
    ck_assert_ptr_null(access);
    ck_assert_msg(strstr(ri_err_text(), why), "%s", ri_err_text());
    fault_fini(&f);
}
#define FAILS(code, why, ...)                                                          \
    fails((const rill_user *const[]){&bob, &(rill_user){.size = sizeof(rill_user), __VA_ARGS__}}, \
          2, code, why)

START_TEST(refused)
{
    static const char *const many[RI_LIMIT_RULES + 1];
    FAILS(RILL_EINVAL, "a user without a name", .user = "");
    FAILS(RILL_EINVAL, "a user without a name", .password = "p");
    FAILS(RILL_EINVAL, "Duplicate user \"bob\" detected", .user = "bob");
    FAILS(RILL_EINVAL, "user \"eve\": publish allow: subject \"a..b\" is not", .user = "eve",
          ALLOW_PUB("a", "a..b"));
    FAILS(RILL_EINVAL, "publish deny: subject \"a q\" is not", .user = "eve", DENY_PUB("a q"));
    FAILS(RILL_EINVAL, "subscribe allow: subject \"a q r\" is not", .user = "eve",
          ALLOW_SUB("a q", "a q r"));
    FAILS(RILL_EINVAL, "subscribe deny: subject \" q\" is not", .user = "eve", DENY_SUB(" q"));
    FAILS(RILL_EINVAL, "subject \"NULL\" is not", .user = "eve", DENY_SUB(NULL));
    FAILS(RILL_EINVAL, "2 subjects, at NULL", .user = "eve", .npublish_allow = 2);
    FAILS(RILL_ETOOBIG, "1001 subjects; at most 1000", .user = "eve", .publish_allow = many,
          .npublish_allow = RI_LEN(many));
    FAILS(RILL_EINVAL, "Nkey users do not take usernames", .nkey = KEY, .user = "eve");
    FAILS(RILL_EINVAL, "Nkey users do not take usernames", .nkey = KEY, .password = "p");
#ifdef RI_HAVE_SODIUM
    FAILS(RILL_EINVAL, "nkey \"UA\": Not a valid public nkey", .nkey = "UA");
#endif
    fails(both, RI_LIMIT_USERS + 1, RILL_ETOOBIG, "10001 users; at most 10000");
}
END_TEST

START_TEST(same)
{
    fault f;
    ri_access *a, *b, *c, *none;
    const rill_user other = {.size = sizeof other, .user = "bob", DENY_PUB("a")};
    const rill_user *const changed[] = {&ada, &other};
    fault_init(&f);
    ck_assert_ok(ri_access_new(&f.host, both, 2, &a));
    ck_assert_ok(ri_access_new(&f.host, both, 2, &b));
    ck_assert_ok(ri_access_new(&f.host, changed, 2, &c));
    ck_assert_ok(ri_access_new(&f.host, NULL, 0, &none));
    ck_assert(!none && ri_access_same(a, b) && !ri_access_same(a, c) && !ri_access_same(a, NULL));
    ck_assert(ri_access_same(NULL, NULL));
    ck_assert_ptr_eq(ri_access_ref(a), a);
    ri_access_unref(a);
    ck_assert_ptr_nonnull(ri_access_find(a, S("ada")));
    ri_access_unref(a);
    ri_access_unref(b);
    ri_access_unref(c);
    ri_access_unref(NULL);
    fault_fini(&f);
}
END_TEST

/* What is known of very many users, on very many subjects, has one bound, stands in the budget, and
 * is what the rules say. */
START_TEST(many_users)
{
    enum { USERS = 10000, ALL = 30000 };
    static const char *const allowed[] = {"a.*", "b.7"};
    static char names[USERS][8];
    static rill_user rows[USERS];
    static const rill_user *users[USERS];
    fault f;
    ri_access *access;
    ri_memory memory;
    char subject[32];
    fault_init(&f);
    ri_memory_init(&memory);
    ri_verdicts_init(&seen, &f.host, &memory);
    for (int i = 0; i < USERS; i++) {
        snprintf(names[i], sizeof names[i], "u%d", i);
        rows[i] = (rill_user){.size = sizeof *rows, .user = names[i], .publish_allow = allowed,
                              .npublish_allow = i % 2 ? 1 : 2};
        users[i] = &rows[i];
    }
    ck_assert_ok(ri_access_new(&f.host, users, USERS, &access));
    for (int i = 0; i < ALL; i++) {
        int at = i * 7 % USERS;
        ri_access_user *user = ri_access_find(access, S(names[at]));
        snprintf(subject, sizeof subject, "%c.%d", i % 3 ? 'b' : 'a', i % 10);
        bool may = i % 3 == 0 || (i % 10 == 7 && at % 2 == 0);
        ck_quick(ri_access_may_publish(user, &seen, S(subject)) == may);
        ck_quick(ri_access_may_publish(user, &seen, S(subject)) == may);
    }
    ck_assert_uint_gt(ri_verdicts_bytes(&seen), 0);
    ck_assert_uint_le(ri_verdicts_bytes(&seen), 1024 * 1024);
    ck_assert_uint_eq(ri_memory_used(&memory, RI_MEMORY_INTEREST), ri_verdicts_bytes(&seen));
    ri_verdicts_fini(&seen);
    ck_assert_uint_eq(ri_memory_used(&memory, RI_MEMORY_INTEREST), 0);
    ri_access_unref(access);
    fault_fini(&f);
}
END_TEST

/* Of who comes behind another of the same name, and maybe at the same address, nothing is known;
 * and without room in the budget the rules are asked each time. */
START_TEST(verdicts_are_of_one_user)
{
    fault f;
    ri_access *access;
    ri_memory memory;
    rill_user user = {.size = sizeof user, .user = "u", ALLOW_PUB("a")};
    const rill_user *const users[] = {&user};
    fault_init(&f);
    ri_memory_init(&memory);
    ri_verdicts_init(&seen, &f.host, &memory);
    for (int i = 0; i < 8; i++) {
        const char *rule = i % 2 ? "a" : "b";
        user.publish_allow = &rule;
        ck_assert_ok(ri_access_new(&f.host, users, 1, &access));
        for (int round = 0; round < 2; round++) {
            ck_assert(ri_access_may_publish(ri_access_first(access), &seen, S("a")) == i % 2);
            ck_assert(ri_access_may_publish(ri_access_first(access), &seen, S("b")) == !(i % 2));
        }
        ri_access_unref(access);
        if (i == 3) {
            ri_verdicts_fini(&seen);
            ri_memory_set_limit(&memory, 1024);
            ri_verdicts_init(&seen, &f.host, &memory);
        }
        ck_assert((ri_verdicts_bytes(&seen) > 0) == (i < 3));
    }
    ri_verdicts_fini(&seen);
    fault_fini(&f);
}
END_TEST

static int make(fault *f, void *arg)
{
    (void)arg;
    ri_access *access;
    ri_verdicts_init(&seen, &f->host, NULL);
    int rc = ri_access_new(&f->host, both, 2, &access);
    if (rc == RILL_OK)
        rc = ri_access_pin(ri_access_first(access),
                           &(const ri_access_badge){S("issuer"), S("name"), S("[]")});
    if (rc == RILL_OK) /* without memory for what was seen all is as it is with it */
        ck_assert(ri_access_may_publish(ri_access_find(access, S("ada")), &seen, S("foo.a")));
    ri_verdicts_fini(&seen);
    ri_access_unref(access);
    return rc;
}

START_TEST(no_memory)
{
    ck_assert_uint_gt(fault_each(make, NULL), 10);
}
END_TEST

/* ---- By the dice ---- */

enum { RULES = 12, TOKENS = 4, ROUNDS = 60, ASKED = 400 };

static void text_of(rng *r, bool filter, char out[64])
{
    static const char *const words[] = {"a", "b", "c", "*"};
    uint32_t n = 1 + (uint32_t)rng_below(r, TOKENS);
    size_t len = 0;
    for (uint32_t i = 0; i < n; i++) {
        const char *word = words[rng_below(r, filter ? 4 : 3)];
        if (filter && i + 1 == n && rng_below(r, 4) == 0) word = ">";
        len += (size_t)snprintf(out + len, 64 - len, "%s%s", i ? "." : "", word);
    }
}

/* Is every subject that `inner` matches matched by `outer`? Token by token. */
static bool model_covers(const char *outer, const char *inner)
{
    size_t o = strcspn(outer, "."), i = strcspn(inner, ".");
    bool outer_ends = !outer[o], inner_ends = !inner[i];
    if (o == 1 && outer[0] == '>') return true;
    if (i == 1 && inner[0] == '>') return false;
    bool star = o == 1 && outer[0] == '*';
    if (!star && (o != i || memcmp(outer, inner, o) != 0)) return false;
    if (outer_ends || inner_ends) return outer_ends && inner_ends;
    return model_covers(outer + o + 1, inner + i + 1);
}

typedef struct model_list {
    char texts[RULES][64], subjects[RULES][64], queues[RULES][64];
    const char *rows[RULES];
    size_t n;
} model_list;

static void model_list_make(model_list *list, rng *r, bool queues)
{
    list->n = rng_below(r, RULES + 1);
    for (size_t i = 0; i < list->n; i++) {
        text_of(r, true, list->subjects[i]);
        list->queues[i][0] = 0;
        if (queues && rng_below(r, 3) == 0) text_of(r, true, list->queues[i]);
        snprintf(list->texts[i], 64, "%.30s%s%.30s", list->subjects[i],
                 list->queues[i][0] ? " " : "", list->queues[i]);
        list->rows[i] = list->texts[i];
    }
}

static bool model_has(const model_list *list, const char *subject, const char *queue, bool *named)
{
    bool plain = false, groups = false;
    *named = false;
    for (size_t i = 0; i < list->n; i++) {
        if (!model_covers(list->subjects[i], subject)) continue;
        if (!list->queues[i][0]) {
            plain = true;
        } else if (queue[0]) {
            groups = true;
            *named = *named || model_covers(list->queues[i], queue);
        }
    }
    return groups ? *named : plain;
}

static bool model_has_plain(const model_list *list, const char *subject)
{
    bool has = false;
    for (size_t i = 0; i < list->n; i++)
        has = has || (!list->queues[i][0] && model_covers(list->subjects[i], subject));
    return has;
}

static bool model_may(const model_list *allow, const model_list *deny, const char *subject,
                      const char *queue)
{
    bool named;
    return (!allow->n || model_has(allow, subject, queue, &named)) &&
           !model_has(deny, subject, queue, &named);
}

START_TEST(dice)
{
    static model_list lists[4];
    fault f;
    rng r;
    rng_init(&r, (uint64_t)_i + 1);
    fault_init(&f);
    for (int i = 0; i < 4; i++) model_list_make(&lists[i], &r, i >= 2);
    const rill_user user = {
        .size = sizeof user, .user = "u", .publish_allow = lists[0].rows,
        .npublish_allow = lists[0].n, .publish_deny = lists[1].rows, .npublish_deny = lists[1].n,
        .subscribe_allow = lists[2].rows, .nsubscribe_allow = lists[2].n,
        .subscribe_deny = lists[3].rows, .nsubscribe_deny = lists[3].n};
    const rill_user *const users[] = {&user};
    ri_access *access;
    ri_verdicts_init(&seen, &f.host, NULL);
    ck_assert_ok(ri_access_new(&f.host, users, 1, &access));
    ri_access_user *u = ri_access_find(access, S("u"));
    for (int i = 0; i < ASKED; i++) {
        char subject[64], filter[64], queue[64] = "";
        bool watch;
        text_of(&r, false, subject);
        text_of(&r, true, filter);
        if (rng_below(&r, 2)) text_of(&r, false, queue);
        ck_quick(ri_access_may_publish(u, &seen, S(subject)) ==
                 model_may(&lists[0], &lists[1], subject, ""));
        bool may = ri_access_may_subscribe(u, S(filter), S(queue), &watch);
        ck_quick(may == model_may(&lists[2], &lists[3], filter, queue));
        bool named, denied = model_has(&lists[3], subject, queue, &named);
        ck_quick(ri_access_may_hear(u, S(subject), S(queue)) ==
                 ((!lists[2].n || model_has_plain(&lists[2], subject)) && !denied));
        /* What a message has that passes a filter with wildcards: no rule of deny. */
        bool literal = !strpbrk(filter, "*>");
        ck_quick(!(literal && watch));
        if (!may || literal || !model_covers(filter, subject)) continue;
        ck_quick(!(watch && !ri_access_may_get(u, S(subject), S(queue))) == !denied);
    }
    ri_verdicts_fini(&seen);
    ri_access_unref(access);
    fault_fini(&f);
}
END_TEST

SUITE_MAIN_ROWS("access", SUITE_ONCE(rules, answers, keys, badges, refused, same, many_users,
                                     verdicts_are_of_one_user, no_memory),
                SUITE_EACH(ROUNDS, dice))
