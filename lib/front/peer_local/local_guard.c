/* SPDX-License-Identifier: Apache-2.0 */
/* What a handle may do that was given an identity (rill_opts.identity): no more than a connection
 * that has logged in as the same user (engine/access/access.h), though there is no wire between.
 *
 *     live        publish    the subject, or what was asked and may be answered
 *                 subscribe  the subject and the group; each message that comes by a wider filter
 *     stored      append     the subject, of a batch each
 *                 ask        the right to publish what a client of NATS would ask with: the row of
 *                            its kind below
 *                 pull       $JS.API.CONSUMER.MSG.NEXT.STREAM.GROUP
 *                 settle     the reply subject of the message, $JS.ACK...
 *                 partitions, all of this for the stream of each (codec/topic.h)
 *     the store   its check and its copies: nobody with an identity, since they concern all
 *
 * A reader of a stream and a request need an inbox, _INBOX.>, as they do over the wire. What ends
 * something of the handle's own (the consumer of a reader that is closed) is always allowed.
 *
 * A handle without an identity pays one comparison a call. The table has one user, is the handle's
 * own, and is guarded by the gate. */
#include "base/assert.h"
#include "base/error.h"
#include "codec/subject/subject.h"
#include "codec/topic.h"
#include "front/peer_local/local.h"

static ri_local_bus *guard_of(rill_bus *bus)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    return ri_container_of(bus, ri_local_bus, bus);
}

/* ---- Live ---- */

static int guard_refuse(const ri_local_bus *local, const char *what, ri_str subject)
{
    RI_ASSERT(local->who);
    return ri_err(RILL_EAUTH, "user \"%.100s\" may not %s %.*s", ri_access_name(local->who), what,
                  RI_ARG(subject));
}

static bool guard_rules_let(ri_local_bus *local, ri_str subject)
{
    return ri_access_may_publish(local->who, &local->bus.broker->verdicts, subject);
}

static bool guard_lets_publish(ri_local_bus *local, ri_str subject)
{
    uint32_t max;
    int64_t for_ns;
    if (ri_likely(guard_rules_let(local, subject))) return true;
    if (!ri_access_answers(local->who, &max, &for_ns)) return false;
    return ri_replies_use(&local->replies, subject, ri_mono_ns(&local->bus.host), for_ns, max);
}

int ri_local_guard_message(rill_bus *bus, const ri_message *m)
{
    if (!ri_access_keeps_reply(m->reply)) return ri_local_guard_publish(bus, m->subject);
    return guard_refuse(guard_of(bus), "publish with the reply subject", m->reply);
}

int ri_local_guard_publish(rill_bus *bus, ri_str subject)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    ri_local_bus *local = guard_of(bus);
    return guard_lets_publish(local, subject) ? RILL_OK
                                              : guard_refuse(local, "publish to", subject);
}

static int guard_subject(ri_local_bus *local, ri_str subject, ri_str queue)
{
    bool watch; /* each message is looked at, whatever it comes by */
    ri_budget_spend(&local->bus.broker->router.budget, ri_access_units(local->who) + 1);
    if (ri_access_may_subscribe(local->who, subject, queue, &watch)) return RILL_OK;
    return guard_refuse(local, "subscribe to", subject);
}

int ri_local_guard_subscribe(rill_bus *bus, const ri_subscription *core)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker));
    return guard_subject(guard_of(bus), core->entry.subject, core->entry.queue);
}

/* That something may be answered is known of those that may not be published to anyway. */
static void guard_note(ri_local_bus *local, ri_str reply)
{
    uint32_t max;
    int64_t for_ns;
    if (!ri_access_answers(local->who, &max, &for_ns)) return;
    if (guard_rules_let(local, reply)) return;
    ri_budget_spend(&local->bus.broker->router.budget, 1);
    ri_replies_note(&local->replies, reply, ri_mono_ns(&local->bus.host), for_ns);
}

static bool guard_deliver(ri_party *party, ri_subscription *core, ri_delivery *d)
{
    ri_local_bus *local = guard_of(ri_container_of(party, rill_bus, party));
    ri_str queue = core->entry.queue;
    ri_str subject = d->p->route.len ? d->p->route : d->m->subject;
    if (queue.len) /* rules of groups are looked at one by one */
        ri_budget_spend(&d->router->budget, ri_access_units(local->who) + 1);
    if (!ri_access_may_get(local->who, subject, queue)) return false;
    if (d->m->reply.len) guard_note(local, d->m->reply);
    return ri_bus_client_ops.deliver(party, core, d);
}

/* ---- Stored ---- */

int ri_local_guard_batch(rill_bus *bus, const ri_js_batch *batch)
{
    int rc = RILL_OK;
    for (size_t i = 0; rc == RILL_OK && i < batch->count; i++)
        rc = ri_local_guard_publish(bus, ri_js_batch_at(batch, i).subject);
    return rc;
}

/* $JS.API.VERB[.STREAM[.NAME[.REST]]] */
static void guard_name(ri_buffer *subject, const char *verb, const char *stream, ri_str name,
                       ri_str rest)
{
    ri_buffer_cut(subject, 0);
    ri_buffer_printf(subject, "$JS.API.%s", verb);
    if (stream) ri_buffer_printf(subject, ".%s", stream);
    if (name.len) ri_buffer_printf(subject, ".%.*s", RI_ARG(name));
    if (rest.len) ri_buffer_printf(subject, ".%.*s", RI_ARG(rest));
}

static int guard_lets_ask(ri_local_bus *local, const ri_buffer *subject)
{
    if (subject->failed) return RILL_ENOMEM;
    int rc = ri_subject_check_filter(ri_buffer_str(subject)); /* a filter may be part of it */
    if (rc < 0) return rc;
    if (guard_lets_publish(local, ri_buffer_str(subject))) return RILL_OK;
    return guard_refuse(local, "publish to", ri_buffer_str(subject));
}

static const char *guard_verb(rill_bus *bus, const ri_ask *ask)
{
    static const char *const verbs[RI_ASK_KINDS] = {
        [RI_ASK_STREAM_SEAL] = "STREAM.UPDATE",
        [RI_ASK_STREAM_DELETE] = "STREAM.DELETE",
        [RI_ASK_STREAM_STATUS] = "STREAM.INFO",
        [RI_ASK_STREAM_DESCRIBE] = "STREAM.INFO",
        [RI_ASK_STREAM_NAMES] = "STREAM.NAMES",
        [RI_ASK_STREAM_PURGE] = "STREAM.PURGE",
        [RI_ASK_STREAM_DROP] = "STREAM.PURGE",
        [RI_ASK_STREAM_ERASE] = "STREAM.MSG.DELETE",
        [RI_ASK_GET] = "DIRECT.GET",
        [RI_ASK_LAST] = "DIRECT.GET",
        [RI_ASK_NEXT] = "DIRECT.GET",
        [RI_ASK_SUBJECTS] = "STREAM.INFO",
        [RI_ASK_KEYS] = "DIRECT.GET",
        [RI_ASK_JOIN] = "CONSUMER.CREATE",
        [RI_ASK_SEEK] = "CONSUMER.RESET",
        [RI_ASK_GROUP_ENSURE] = "CONSUMER.CREATE",
        [RI_ASK_GROUP_DELETE] = "CONSUMER.DELETE",
        [RI_ASK_GROUP_STATUS] = "CONSUMER.INFO",
        [RI_ASK_GROUP_NAMES] = "CONSUMER.LIST",
        [RI_ASK_GROUP_PAUSE] = "CONSUMER.PAUSE",
    };
    if (ask->kind != RI_ASK_STREAM_MAKE && ask->kind != RI_ASK_STREAM_ENSURE)
        return verbs[ask->kind];
    bool is_there = ri_js_stream(ri_durable_js(bus->broker->durable), ri_str_of(ask->stream));
    if (ask->kind == RI_ASK_STREAM_ENSURE) return is_there ? "STREAM.UPDATE" : "STREAM.CREATE";
    return is_there || !ask->conf ? "STREAM.INFO" : "STREAM.CREATE";
}

/* Who joins a group that is there looks at it; else it is made, and so is what is a reader's own,
 * by a name that nobody has chosen. */
static int guard_join(ri_local_bus *local, const ri_ask *ask, ri_buffer *subject)
{
    char own[RI_NUID_LEN];
    rill_bus *bus = &local->bus;
    const ri_consumer_conf *conf = &ask->draft->request.conf;
    ri_str name = conf->name;
    ri_stream *stream = ri_js_stream(ri_durable_js(bus->broker->durable), ri_str_of(ask->stream));
    bool is_there = ask->kind == RI_ASK_JOIN && name.len && stream &&
                    ri_stream_consumer(stream, name);
    ri_nuid_next(&bus->nuid, own);
    if (!name.len) name = (ri_str){own, RI_NUID_LEN};
    if (is_there) guard_name(subject, "CONSUMER.INFO", ask->stream, name, RI_STR_NONE);
    else guard_name(subject, "CONSUMER.CREATE", ask->stream, name, conf->filter_subject);
    int rc = guard_lets_ask(local, subject);
    if (rc < 0 || ask->kind == RI_ASK_GROUP_ENSURE) return rc;
    ri_buffer_cut(subject, 0); /* the inbox that the reader is going to have */
    ri_buffer_printf(subject, "_INBOX.%.*s", RI_NUID_LEN, own);
    return subject->failed ? RILL_ENOMEM
                           : guard_subject(local, ri_buffer_str(subject), RI_STR_NONE);
}

/* A message can be asked for in three ways, of which one is enough. */
static int guard_get(ri_local_bus *local, const ri_ask *ask, ri_buffer *subject)
{
    bool by_subject = ask->kind == RI_ASK_LAST && ask->subject.len;
    guard_name(subject, "STREAM.MSG.GET", ask->stream, RI_STR_NONE, RI_STR_NONE);
    if (guard_lets_ask(local, subject) == RILL_OK) return RILL_OK;
    guard_name(subject, "DIRECT.GET", ask->stream, RI_STR_NONE, RI_STR_NONE);
    int rc = guard_lets_ask(local, subject);
    if (rc != RILL_EAUTH || !by_subject) return rc;
    guard_name(subject, "DIRECT.GET", ask->stream, ask->subject, RI_STR_NONE);
    return guard_lets_ask(local, subject);
}

static int guard_ask(ri_local_bus *local, const ri_ask *ask, ri_buffer *subject)
{
    bool makes = ask->kind == RI_ASK_JOIN || ask->kind == RI_ASK_GROUP_ENSURE;
    bool gets = ask->kind == RI_ASK_GET || ask->kind == RI_ASK_LAST || ask->kind == RI_ASK_NEXT;
    if (ask->kind == RI_ASK_API) ri_buffer_put_str(subject, ask->subject);
    if (makes) return guard_join(local, ask, subject);
    if (gets) return guard_get(local, ask, subject);
    const char *verb = ask->kind == RI_ASK_API ? NULL : guard_verb(&local->bus, ask);
    if (verb) guard_name(subject, verb, ask->stream, ri_str_of(ask->group), RI_STR_NONE);
    return verb || ask->kind == RI_ASK_API ? guard_lets_ask(local, subject) : RILL_OK;
}

int ri_local_guard_ask(rill_bus *bus, const ri_ask *ask)
{
    RI_ASSERT(ri_broker_is_entered(bus->broker) && bus->broker->durable);
    ri_buffer subject;
    ri_buffer_init(&subject, &bus->host);
    int rc = guard_ask(guard_of(bus), ask, &subject);
    ri_buffer_fini(&subject);
    return rc;
}

int ri_local_guard_more(rill_sub *sub)
{
    ri_buffer subject, stream;
    const ri_bus_consumer *c = sub->consumer;
    int rc = RILL_OK;
    ri_buffer_init(&subject, &sub->bus->host);
    ri_buffer_init(&stream, &sub->bus->host);
    for (uint32_t i = 0; i < c->parts && rc == RILL_OK; i++) {
        ri_buffer_cut(&stream, 0);
        ri_topic_put(ri_str_of(c->stream), RI_TOPIC_STREAM, i, &stream);
        ri_buffer_put(&stream, "", 1);
        guard_name(&subject, "CONSUMER.MSG.NEXT", stream.failed ? c->stream : stream.ptr,
                   ri_str_of(c->name), RI_STR_NONE);
        rc = stream.failed ? RILL_ENOMEM : guard_lets_ask(guard_of(sub->bus), &subject);
    }
    ri_buffer_fini(&stream);
    ri_buffer_fini(&subject);
    return rc;
}

int ri_local_guard_store(rill_bus *bus)
{
    const ri_local_bus *local = guard_of(bus);
    if (!local->who) return RILL_OK;
    return ri_err(RILL_EAUTH, "user \"%.100s\" may not look at the store as a whole",
                  ri_access_name(local->who));
}

/* ---- Coming and going ---- */

int ri_local_guard_set(rill_bus *bus, ri_access *access)
{
    RI_ASSERT(access && ri_broker_is_entered(bus->broker));
    ri_local_bus *local = guard_of(bus);
    local->access = access;
    local->who = ri_access_first(access);
    local->ops = ri_bus_client_ops;
    local->ops.deliver = guard_deliver;
    bus->party.ops = &local->ops;
    ri_replies_init(&local->replies, &bus->host, &bus->broker->router.memory);
    const char *name = ri_access_account(local->who);
    if (strcmp(name, RI_ACCOUNT_GLOBAL) == 0) return RILL_OK;
    ri_account *account = ri_accounts_find(bus->broker->conf.accounts, name);
    if (!account) return ri_err(RILL_EINVAL, "identity: there is no account \"%.100s\"", name);
    ri_party_enter(&bus->party, account);
    local->elsewhere = true;
    return RILL_OK;
}

void ri_local_guard_fini(rill_bus *bus)
{
    ri_local_bus *local = ri_container_of(bus, ri_local_bus, bus);
    ri_replies_fini(&local->replies);
    ri_access_unref(local->access);
}
