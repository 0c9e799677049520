/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/access/access.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/saturate.h"
#include "codec/limits.h"
#include "codec/subject/filters.h"
#include "codec/subject/subject.h"
#include "codec/web/dn.h"
#include "codec/web/nkey.h"

enum {
    ACCESS_SEEN_LEN = 94,     /* bytes of the longest subject that is known to be the last */
    ACCESS_RULES_A_UNIT = 4,  /* compared with a subscription */
    ACCESS_ANSWERS_MS = 120000,
};

typedef struct access_list { /* rules of one kind; those of queue groups are last */
    ri_str *subjects;        /* owned, as their bytes */
    ri_str *queues;          /* of those behind nplain, at the same places */
    size_t n, nplain;
    ri_filters filters;      /* of the plain ones */
    ri_filters groups;       /* of the others, without their queues */
} access_list;

typedef enum access_kind {
    ACCESS_PUB_ALLOW,
    ACCESS_PUB_DENY,
    ACCESS_SUB_ALLOW,
    ACCESS_SUB_DENY,
    ACCESS_KINDS,
} access_kind;

typedef struct access_seen {
    uint8_t len;             /* 0: none */
    bool may;
    char bytes[ACCESS_SEEN_LEN];
} access_seen;

struct ri_access_user {
    const ri_host *host;
    char *name, *password;   /* owned */
    char *account;           /* owned; NULL: $G */
    bool is_key;             /* the name is a public key, and there is no password */
    bool is_dn;              /* it is a distinguished one, of this hash */
    uint64_t dn_hash;
    bool answers;
    uint32_t answers_max;    /* of one request; UINT32_MAX: no limit */
    int64_t answers_ns;      /* INT64_MAX: no limit */
    uint32_t max_subs, max_msg_bytes; /* UINT32_MAX: no limit */
    ri_access_badge badge;   /* owned texts */
    access_list lists[ACCESS_KINDS];
    access_seen last;        /* what was published to last */
    access_seen last_got;    /* what was looked at last, of deny */
    uint64_t number;         /* by the dice: no other user that there was has it */
};

struct ri_access {
    const ri_host *host;
    atomic_uint refs;
    ri_map by_name;
    ri_access_user *users;
    size_t n;
    bool has_keys;
};

static const char *const access_words[] = {"publish allow", "publish deny", "subscribe allow",
                                           "subscribe deny"};

/* ---- Making it ---- */

static bool access_is_named(const void *item, const void *key)
{
    const ri_access_user *user = item;
    return ri_str_eq(ri_str_of(user->name), *(const ri_str *)key);
}

static void access_list_fini(access_list *list, const ri_host *host)
{
    for (size_t i = 0; i < list->n; i++) {
        ri_free(host, (char *)(uintptr_t)list->subjects[i].ptr, list->subjects[i].len + 1);
        if (list->queues[i].len)
            ri_free(host, (char *)(uintptr_t)list->queues[i].ptr, list->queues[i].len + 1);
    }
    ri_filters_fini(&list->filters);
    ri_filters_fini(&list->groups);
}

static int access_copy(ri_str *to, const ri_host *host, ri_str from)
{
    char *bytes = ri_strdup(host, from.ptr, from.len);
    if (!bytes) return RILL_ENOMEM;
    *to = (ri_str){bytes, from.len};
    return RILL_OK;
}

/* The parts of "SUBJECT" or "SUBJECT QUEUE"; false: it is neither. */
static bool access_split(access_kind kind, ri_str text, ri_str *subject, ri_str *queue)
{
    const char *blank = text.len ? memchr(text.ptr, ' ', text.len) : NULL;
    size_t len = blank ? (size_t)(blank - text.ptr) : text.len;
    *subject = (ri_str){text.ptr, len};
    *queue = blank ? ri_str_from(text, len + 1) : RI_STR_NONE;
    if (!ri_subject_is_filter(*subject)) return false;
    return !blank || (kind >= ACCESS_SUB_ALLOW && ri_subject_is_filter(*queue));
}

/* Rules that name a queue group come in a second pass, behind the other rules of the list. */
static int access_list_pass(access_list *list, const ri_host *host, access_kind kind,
                            const char *const *texts, size_t n, bool with_queue)
{
    for (size_t i = 0; i < n; i++) {
        ri_str text = ri_str_of(texts[i]), subject, queue;
        if (!texts[i] || !access_split(kind, text, &subject, &queue))
            return ri_err(RILL_EINVAL, "%s: subject \"%.100s\" is not a valid subject",
                          access_words[kind], texts[i] ? texts[i] : "NULL");
        if ((queue.len > 0) != with_queue) continue;
        if (access_copy(&list->subjects[list->n], host, subject) < 0) return RILL_ENOMEM;
        if (queue.len && access_copy(&list->queues[list->n], host, queue) < 0) {
            ri_free(host, (char *)(uintptr_t)list->subjects[list->n].ptr, subject.len + 1);
            return RILL_ENOMEM;
        }
        list->n++;
    }
    return RILL_OK;
}

/* The arrays of subjects and queues lie in one piece. */
static size_t access_rows_size(size_t n)
{
    return ri_size_mul(n, 2 * sizeof(ri_str));
}

static int access_list_init(access_list *list, const ri_host *host, access_kind kind,
                            const char *const *texts, size_t n)
{
    if (n == 0) return RILL_OK;
    if (!texts) return ri_err(RILL_EINVAL, "%s: %zu subjects, at NULL", access_words[kind], n);
    if (n > RI_LIMIT_RULES)
        return ri_err(RILL_ETOOBIG, "%s: %zu subjects; at most %d", access_words[kind], n,
                      RI_LIMIT_RULES);
    ri_str *rows = ri_calloc(host, access_rows_size(n));
    if (!rows) return RILL_ENOMEM;
    list->subjects = rows;
    list->queues = rows + n;
    int rc = access_list_pass(list, host, kind, texts, n, false);
    list->nplain = list->n;
    if (rc == RILL_OK) rc = access_list_pass(list, host, kind, texts, n, true);
    if (rc == RILL_OK)
        rc = ri_filters_compile(&list->filters, host, list->subjects, list->nplain);
    if (rc == RILL_OK)
        rc = ri_filters_compile(&list->groups, host, list->subjects + list->nplain,
                                list->n - list->nplain);
    RI_ASSERT(rc < 0 || list->n == n);
    if (rc == RILL_OK) return RILL_OK;
    access_list_fini(list, host);
    ri_free(host, rows, access_rows_size(n));
    *list = (access_list){0};
    return rc;
}

static void access_free_text(const ri_host *host, char *text)
{
    if (!text) return;
    size_t size = strlen(text) + 1;
    explicit_bzero(text, size); /* it may be a password */
    ri_free(host, text, size);
}

static void access_user_fini(ri_access_user *user)
{
    const ri_host *host = user->host;
    if (!host) return; /* it was not begun */
    for (int kind = 0; kind < ACCESS_KINDS; kind++) {
        access_list *list = &user->lists[kind];
        if (!list->subjects) continue;
        size_t size = access_rows_size(list->n);
        access_list_fini(list, host);
        ri_free(host, list->subjects, size);
    }
    access_free_text(host, user->name);
    access_free_text(host, user->password);
    access_free_text(host, user->account);
    access_free_text(host, (char *)(uintptr_t)user->badge.issuer.ptr);
    access_free_text(host, (char *)(uintptr_t)user->badge.name.ptr);
    access_free_text(host, (char *)(uintptr_t)user->badge.tags.ptr);
}

static void access_user_dn(ri_access_user *user)
{
    ri_dn dn;
    ri_str name = ri_str_of(user->name);
    if (user->is_key || !memchr(name.ptr, '=', name.len) || !ri_dn_parse(&dn, name)) return;
    user->is_dn = true;
    user->dn_hash = ri_dn_hash(&dn);
}

/* What is not a list. */
static int access_user_head(ri_access_user *user, const rill_user *row)
{
    const ri_host *host = user->host;
    const char *name = row->nkey ? row->nkey : row->user, *password = row->password;
    RI_ASSERT(name);
    if (!password) password = "";
    if (row->nkey) {
        int rc = ri_nkey_check_user(ri_str_of(row->nkey));
        if (rc < 0) return rc;
    }
    user->is_key = row->nkey != NULL;
    user->max_subs = user->max_msg_bytes = UINT32_MAX;
    user->answers = row->allow_responses;
    user->answers_max = row->responses_max ? row->responses_max : 1;
    uint32_t ms = row->responses_ms ? row->responses_ms : ACCESS_ANSWERS_MS;
    user->answers_ns = ms == UINT32_MAX ? INT64_MAX : ri_ns_of_ms(ms);
    user->name = ri_strdup(host, name, strlen(name));
    user->password = ri_strdup(host, password, strlen(password));
    bool own = row->account && row->account[0];
    if (own) user->account = ri_strdup(host, row->account, strlen(row->account));
    bool all = user->name && user->password && (user->account || !own);
    if (all) access_user_dn(user);
    return all ? RILL_OK : RILL_ENOMEM;
}

static int access_user_init(ri_access_user *user, const ri_host *host, const rill_user *row)
{
    user->host = host;
    host->entropy(host->arg, &user->number, sizeof user->number);
    int rc = access_user_head(user, row);
    const struct {
        const char *const *texts;
        size_t n;
    } given[ACCESS_KINDS] = {
        {row->publish_allow, row->npublish_allow}, {row->publish_deny, row->npublish_deny},
        {row->subscribe_allow, row->nsubscribe_allow}, {row->subscribe_deny, row->nsubscribe_deny}};
    for (int kind = 0; rc == RILL_OK && kind < ACCESS_KINDS; kind++)
        rc = access_list_init(&user->lists[kind], host, (access_kind)kind, given[kind].texts,
                              given[kind].n);
    return rc;
}

static int access_add(ri_access *access, const rill_user *row)
{
    const char *what = row->nkey ? "nkey" : "user", *text = row->nkey ? row->nkey : row->user;
    ri_str name = ri_str_of(text);
    if (name.len == 0) return ri_err(RILL_EINVAL, "a user without a name");
    if (row->nkey && (row->user || row->password))
        return ri_err(RILL_EINVAL, "Nkey users do not take usernames or passwords: %.100s", text);
    if (ri_access_find(access, name))
        return ri_err(RILL_EINVAL, "Duplicate %s \"%.100s\" detected", what, text);
    ri_access_user *user = &access->users[access->n++];
    if (row->nkey) access->has_keys = true;
    int rc = access_user_init(user, access->host, row);
    if (rc < 0 && rc != RILL_ENOMEM) {
        char why[256];
        snprintf(why, sizeof why, "%s", ri_err_text());
        return ri_err(rc, "%s \"%.100s\": %s", what, text, why);
    }
    return rc < 0 ? rc : ri_map_put(&access->by_name, ri_hash(name), user);
}

static void access_free(ri_access *access, size_t room)
{
    const ri_host *host = access->host;
    for (size_t i = 0; i < access->n; i++) access_user_fini(&access->users[i]);
    ri_map_fini(&access->by_name);
    if (access->users) ri_free(host, access->users, ri_size_mul(room, sizeof *access->users));
    ri_delete(host, access);
}

ri_access_user *ri_access_first(ri_access *access)
{
    return ri_access_at(access, 0);
}

size_t ri_access_count(const ri_access *access)
{
    RI_ASSERT(access);
    return access->n;
}

ri_access_user *ri_access_at(const ri_access *access, size_t i)
{
    RI_ASSERT(i < access->n);
    return &access->users[i];
}

int ri_access_new(const ri_host *host, const rill_user *const *users, size_t n, ri_access **out)
{
    RI_ASSERT(host && out && (users || !n));
    *out = NULL;
    if (n == 0) return RILL_OK;
    if (n > RI_LIMIT_USERS)
        return ri_err(RILL_ETOOBIG, "%zu users; at most %d", n, RI_LIMIT_USERS);
    ri_access *access = ri_new(host, ri_access);
    if (!access) return RILL_ENOMEM;
    access->host = host;
    atomic_init(&access->refs, 1);
    ri_map_init(&access->by_name, host, access_is_named);
    access->users = ri_calloc(host, ri_size_mul(n, sizeof *access->users));
    int rc = access->users ? RILL_OK : RILL_ENOMEM;
    for (size_t i = 0; rc == RILL_OK && i < n; i++) rc = access_add(access, users[i]);
    if (rc < 0) access_free(access, n);
    else *out = access;
    return rc;
}

ri_access *ri_access_ref(ri_access *access)
{
    if (!access) return NULL;
    RI_ASSERT(atomic_load(&access->refs) > 0);
    atomic_fetch_add_explicit(&access->refs, 1, memory_order_relaxed);
    return access;
}

void ri_access_unref(ri_access *access)
{
    if (!access) return;
    RI_ASSERT(atomic_load(&access->refs) > 0);
    if (atomic_fetch_sub_explicit(&access->refs, 1, memory_order_acq_rel) == 1)
        access_free(access, access->n);
}

static bool access_same_list(const access_list *a, const access_list *b)
{
    if (a->n != b->n || a->nplain != b->nplain) return false;
    for (size_t i = 0; i < a->n; i++)
        if (!ri_str_eq(a->subjects[i], b->subjects[i]) || !ri_str_eq(a->queues[i], b->queues[i]))
            return false;
    return true;
}

static bool access_same_user(const ri_access_user *a, const ri_access_user *b)
{
    bool same = ri_access_same_secret(a, b) && a->answers == b->answers &&
                strcmp(ri_access_account(a), ri_access_account(b)) == 0 &&
                a->answers_max == b->answers_max && a->answers_ns == b->answers_ns &&
                a->max_subs == b->max_subs && a->max_msg_bytes == b->max_msg_bytes;
    for (int kind = 0; same && kind < ACCESS_KINDS; kind++)
        same = access_same_list(&a->lists[kind], &b->lists[kind]);
    return same;
}

bool ri_access_same(const ri_access *a, const ri_access *b)
{
    if (!a || !b) return a == b;
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++) same = access_same_user(&a->users[i], &b->users[i]);
    return same;
}

ri_access_user *ri_access_find(const ri_access *access, ri_str name)
{
    RI_ASSERT(access);
    return ri_map_get(&access->by_name, ri_hash(name), &name);
}

bool ri_access_has_keys(const ri_access *access)
{
    return access && access->has_keys;
}

const char *ri_access_name(const ri_access_user *user)
{
    RI_ASSERT(user && user->name);
    return user->name;
}

const char *ri_access_account(const ri_access_user *user)
{
    RI_ASSERT(user && user->name);
    return user->account ? user->account : "$G";
}

bool ri_access_is_dn(const ri_access_user *user, uint64_t *hash)
{
    RI_ASSERT(user && hash);
    *hash = user->dn_hash;
    return user->is_dn;
}

bool ri_access_is_key(const ri_access_user *user)
{
    RI_ASSERT(user && user->name);
    return user->is_key;
}

const char *ri_access_password(const ri_access_user *user)
{
    RI_ASSERT(user && user->password);
    return user->password;
}

bool ri_access_same_secret(const ri_access_user *a, const ri_access_user *b)
{
    return strcmp(a->name, b->name) == 0 && a->is_key == b->is_key &&
           strcmp(a->password, b->password) == 0;
}

static uint32_t access_limit(int64_t limit)
{
    return limit < 0 || limit > UINT32_MAX ? UINT32_MAX : (uint32_t)limit;
}

void ri_access_limit(ri_access_user *user, int64_t subs, int64_t msg_bytes)
{
    RI_ASSERT(user && user->name);
    user->max_subs = access_limit(subs);
    user->max_msg_bytes = access_limit(msg_bytes);
}

int ri_access_pin(ri_access_user *user, const ri_access_badge *badge)
{
    RI_ASSERT(user && !user->badge.issuer.len && !user->badge.name.len && !user->badge.tags.len);
    const ri_str given[] = {badge->issuer, badge->name, badge->tags};
    ri_str *const to[] = {&user->badge.issuer, &user->badge.name, &user->badge.tags};
    for (size_t i = 0; i < RI_LEN(to); i++)
        if (given[i].len && access_copy(to[i], user->host, given[i]) < 0) return RILL_ENOMEM;
    return RILL_OK;
}

ri_access_badge ri_access_badge_of(const ri_access_user *user)
{
    RI_ASSERT(user && user->name);
    ri_access_badge badge = user->badge;
    if (user->is_key && !badge.issuer.len) badge.issuer = ri_str_of(ri_access_account(user));
    return badge;
}

uint32_t ri_access_max_subs(const ri_access_user *user)
{
    RI_ASSERT(user && user->name);
    return user->max_subs;
}

uint32_t ri_access_max_msg_bytes(const ri_access_user *user)
{
    RI_ASSERT(user && user->name);
    return user->max_msg_bytes;
}

bool ri_access_answers(const ri_access_user *user, uint32_t *max, int64_t *for_ns)
{
    RI_ASSERT(user);
    *max = user->answers_max;
    *for_ns = user->answers_ns;
    return user->answers;
}

/* ---- Publishing ---- */

static bool access_rules_let(const ri_access_user *user, ri_str subject)
{
    const access_list *allow = &user->lists[ACCESS_PUB_ALLOW];
    const access_list *deny = &user->lists[ACCESS_PUB_DENY];
    RI_ASSERT(subject.len > 0);
    if (allow->n && !ri_filters_match(&allow->filters, subject)) return false;
    return !deny->n || !ri_filters_match(&deny->filters, subject);
}

static bool access_seen_is(const access_seen *seen, ri_str subject)
{
    return seen->len == subject.len && memcmp(seen->bytes, subject.ptr, subject.len) == 0;
}

static void access_see(access_seen *seen, ri_str subject, bool may)
{
    RI_ASSERT(subject.len <= ACCESS_SEEN_LEN);
    seen->len = (uint8_t)subject.len;
    seen->may = may;
    memcpy(seen->bytes, subject.ptr, subject.len);
}

/* Of a subject that is not the last one: the table remembers the verdict, or the rules give it. */
static bool access_look(ri_access_user *user, ri_verdicts *verdicts, ri_str subject)
{
    bool may;
    if (subject.len > ACCESS_SEEN_LEN) return access_rules_let(user, subject);
    if (!ri_verdicts_get(verdicts, user->number, subject, &may)) {
        may = access_rules_let(user, subject);
        ri_verdicts_put(verdicts, user->number, subject, may);
    }
    access_see(&user->last, subject, may);
    return may;
}

bool ri_access_may_publish(ri_access_user *user, ri_verdicts *verdicts, ri_str subject)
{
    RI_ASSERT(user && verdicts && subject.len > 0);
    if (!user->lists[ACCESS_PUB_ALLOW].n) {
        if (user->answers) return false; /* there is nothing else to publish to */
        if (!user->lists[ACCESS_PUB_DENY].n) return true;
    }
    if (access_seen_is(&user->last, subject)) return user->last.may;
    return access_look(user, verdicts, subject);
}

/* ---- Subscribing ---- */

/* Does a plain rule cover the subject? And do rules of groups, then which: *groups, *named. */
static bool access_covers(const access_list *list, ri_str subject, ri_str queue, bool *groups,
                          bool *named)
{
    bool plain = false;
    *groups = *named = false;
    for (size_t i = 0; i < list->nplain && !plain; i++)
        plain = ri_subject_covers(list->subjects[i], subject);
    if (!queue.len) return plain;
    for (size_t i = list->nplain; i < list->n && !*named; i++) {
        if (!ri_subject_covers(list->subjects[i], subject)) continue;
        *groups = true;
        *named = ri_subject_covers(list->queues[i], queue);
    }
    return plain;
}

/* Rules of groups concern members alone. */
static bool access_is_wider(const access_list *deny, ri_str subject, ri_str queue)
{
    size_t n = queue.len ? deny->n : deny->nplain;
    for (size_t i = 0; i < n; i++)
        if (ri_subject_overlaps(deny->subjects[i], subject)) return true;
    return false;
}

bool ri_access_may_subscribe(const ri_access_user *user, ri_str subject, ri_str queue, bool *watch)
{
    const access_list *allow = &user->lists[ACCESS_SUB_ALLOW];
    const access_list *deny = &user->lists[ACCESS_SUB_DENY];
    bool groups, named, may = true;
    RI_ASSERT(subject.len > 0);
    *watch = false;
    if (allow->n) {
        may = access_covers(allow, subject, queue, &groups, &named);
        if (groups) may = named;
    }
    if (may && deny->n) {
        may = !access_covers(deny, subject, queue, &groups, &named);
        if (groups) may = !named;
    }
    *watch = may && !ri_subject_is_literal(subject) && access_is_wider(deny, subject, queue);
    return may;
}

/* A rule of groups has its subject: does one of them name the group? */
static bool access_names_group(const access_list *list, ri_str subject, ri_str queue)
{
    for (size_t i = list->nplain; i < list->n; i++)
        if (ri_subject_covers(list->subjects[i], subject) &&
            ri_subject_covers(list->queues[i], queue))
            return true;
    return false;
}

bool ri_access_may_get(ri_access_user *user, ri_str subject, ri_str queue)
{
    const access_list *deny = &user->lists[ACCESS_SUB_DENY];
    RI_ASSERT(subject.len > 0);
    if (queue.len && deny->n > deny->nplain && ri_filters_match(&deny->groups, subject))
        return !access_names_group(deny, subject, queue);
    if (deny->nplain == 0) return true;
    if (access_seen_is(&user->last_got, subject)) return user->last_got.may;
    bool may = !ri_filters_match(&deny->filters, subject);
    if (subject.len <= ACCESS_SEEN_LEN) access_see(&user->last_got, subject, may);
    return may;
}

bool ri_access_may_hear(ri_access_user *user, ri_str subject, ri_str queue)
{
    const access_list *allow = &user->lists[ACCESS_SUB_ALLOW];
    RI_ASSERT(subject.len > 0);
    if (allow->n && !ri_filters_match(&allow->filters, subject)) return false;
    return ri_access_may_get(user, subject, queue);
}

uint32_t ri_access_units(const ri_access_user *user)
{
    size_t n = user->lists[ACCESS_SUB_ALLOW].n + 2 * user->lists[ACCESS_SUB_DENY].n;
    return (uint32_t)(n / ACCESS_RULES_A_UNIT);
}
