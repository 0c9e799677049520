/* SPDX-License-Identifier: Apache-2.0 */
/* Who may do what: the users of a broker, and for each of them the subjects that may be published
 * to and subscribed to as this user. Whoever checks passwords and holds connections is above; here
 * is no clock and no door.
 *
 *     rill_user ...  --ri_access_new()-->  ri_access         counted; never changes, but for what
 *                                            |  |  |         was seen last
 *                                            users, by name
 *
 * The rules are nats-server's, and each is one of four lists of a user:
 *
 *     publish    allow, if there is one, has to match, and deny must not
 *     subscribe  the same of filters: one in allow has to cover what is asked for, and none in deny
 *                may. "SUBJECT QUEUE" is a rule of queue groups: where such ones cover the subject
 *                they decide for members of groups, by the name of the group
 *     deliver    a filter with wildcards may be wider than what deny has: then each message is
 *                looked at, by the same rules
 *     answer     what has come with a reply subject may be answered there, whatever the lists say
 *                (replies.h)
 *
 * In one thing this is stricter: "foo.>" is not covered by "foo.*", of which nats-server takes the
 * `>` for a word.
 *
 * Cost. Most publish to what they have published to before: each user has the last subject, and
 * there is one table of verdicts for all (verdicts.h), so that the rules are seldom asked. They are
 * compiled (codec/subject/filters.h), so that their number does not matter then. A subscription is
 * compared with all rules of its user: ri_access_units(). */
#ifndef RI_ACCESS_H
#define RI_ACCESS_H

#include "base/alloc.h"
#include "base/str.h"
#include "engine/access/verdicts.h"
#include "rill.h"

typedef struct ri_access ri_access;
typedef struct ri_access_user ri_access_user;

/* With one reference; no users: NULL. RILL_EINVAL and RILL_ETOOBIG name the user and what is wrong
 * with him. The rows are not kept. */
int ri_access_new(const ri_host *host, const rill_user *const *users, size_t n, ri_access **out);
ri_access *ri_access_ref(ri_access *access);   /* any thread; NULL is one, too */
void ri_access_unref(ri_access *access);       /* likewise */
bool ri_access_same(const ri_access *a, const ri_access *b); /* the same users and rights */

/* NULL: there is none of that name, or key. Lent as long as the table is. */
ri_access_user *ri_access_find(const ri_access *access, ri_str name);
ri_access_user *ri_access_first(ri_access *access);
size_t ri_access_count(const ri_access *access);
ri_access_user *ri_access_at(const ri_access *access, size_t i); /* of these, in their order */
bool ri_access_has_keys(const ri_access *access); /* one of them logs in by a key */

const char *ri_access_name(const ri_access_user *user);
const char *ri_access_account(const ri_access_user *user); /* its name; "$G" if none is given */
bool ri_access_is_key(const ri_access_user *user); /* the name is the key, and shown by signing */
/* The name, of no key, is a distinguished one: then the hash of it (codec/web/dn.h). */
bool ri_access_is_dn(const ri_access_user *user, uint64_t *hash);
const char *ri_access_password(const ri_access_user *user); /* "": none; may be a hash */
/* Is the same to be shown by whoever is the one as by whoever is the other? */
bool ri_access_same_secret(const ri_access_user *a, const ri_access_user *b);
typedef struct ri_access_badge { /* what the JWT of a user says of him; all may be empty */
    ri_str issuer, name;
    ri_str tags;             /* a JSON array of texts */
} ri_access_badge;

/* Once, before he is used; it is copied. RILL_ENOMEM. */
int ri_access_pin(ri_access_user *user, const ri_access_badge *badge);
/* Of who came by a key that is configured his account is the issuer. Lent, as he is. */
ri_access_badge ri_access_badge_of(const ri_access_user *user);
/* What he may have at most, besides what others say: subscriptions of a connection, and bytes of a
 * message. `limit`, before he is used: -1 is none. */
void ri_access_limit(ri_access_user *user, int64_t subs, int64_t msg_bytes);
uint32_t ri_access_max_subs(const ri_access_user *user);      /* UINT32_MAX: none */
uint32_t ri_access_max_msg_bytes(const ri_access_user *user); /* likewise */
/* May this user answer, beyond what may be published? Then how often, and for how long. */
bool ri_access_answers(const ri_access_user *user, uint32_t *max, int64_t *for_ns);

/* No message may ask for its answer there, whoever sends it: who answers it would do so with rights
 * of his own, as when he settles a message. */
static inline bool ri_access_keeps_reply(ri_str reply)
{
    if (!reply.len || (reply.ptr[0] != '_' && reply.ptr[0] != '$')) return false;
    return ri_str_starts(reply, RI_STR("_R_.")) || ri_str_starts(reply, RI_STR("_GR_.")) ||
           ri_str_starts(reply, RI_STR("$JS.ACK."));
}

/* ---- Inside the lock of whoever has the table ---- */

bool ri_access_may_publish(ri_access_user *user, ri_verdicts *verdicts, ri_str subject);
/* `queue` empty: of no group. *watch: for each message the next has to be asked. */
bool ri_access_may_subscribe(const ri_access_user *user, ri_str subject, ri_str queue, bool *watch);
bool ri_access_may_get(ri_access_user *user, ri_str subject, ri_str queue);
/* May a message come, whatever the subscription is that it would come by? */
bool ri_access_may_hear(ri_access_user *user, ri_str subject, ri_str queue);
/* Of the turn, that a subscription costs. */
uint32_t ri_access_units(const ri_access_user *user);

#endif
