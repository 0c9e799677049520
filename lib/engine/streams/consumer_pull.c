/* SPDX-License-Identifier: Apache-2.0 */
/* Pull consumers: requests wait in a row; each message goes to the first that may have it, which
 * then stands at the end of the row (not so with the prioritized policy).
 *
 * A request ends by: its batch, its bytes, its time, the end of the stream (no_wait), its inbox
 * gone (in silence), or the consumer's end; the others each have a status line.
 *
 * However many wait, a request costs as much as if it were alone: what is due first is in a heap,
 * those that the end of the stream ends are in a list of their own, what all want together is
 * added up, each priority knows its last, and a request pays for some looks (PULL_LOOKS) whether
 * others are still listened to, which go on where the ones before ended. Only the rules of overflow
 * and pinned clients look at all of them, once a step.
 *
 * What waits is a claim of its consumer to the broker's memory for work (base/claim.h); where it is
 * cut all of them end as if there were too many. */
#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/hash.h"
#include "codec/jetstream/duration.h"
#include "engine/streams/js_state.h"

#define PULL_PIN_NS (120 * RI_SEC)
#define PULL_WANTS (INT64_C(1) << 40) /* messages of one request, at most, as they are added up */

enum {
    PULL_LOOKS = 16,      /* at requests of others, for which each one pays */
    PULL_PRIORITIES = 10,
    PULL_UNIT = 8,        /* requests that are passed over for a unit of the turn */
};

typedef struct ri_pull ri_pull;

struct ri_pulls {
    ri_list row;           /* ri_pull.link, in turn */
    ri_list hasty;         /* ri_pull.hasty_link: the end of the stream ends them */
    ri_heap timers;        /* ri_pull.timer */
    ri_consumer *consumer;
    ri_claim claim;
    ri_list *place;        /* in the row: the next to be looked at, whether somebody listens */
    uint64_t looks;        /* that were paid for */
    uint64_t wanted;       /* messages, by all */
    ri_pull *last[PULL_PRIORITIES]; /* in the row, of each that was put there by it; or NULL */
};

struct ri_pull {
    ri_list link;          /* in c->pulls->row */
    ri_list hasty_link;
    ri_timer timer;        /* its end, or the next heartbeat */
    int64_t left;          /* messages */
    int64_t left_bytes;    /* if bounded */
    int64_t expires_ns;    /* monotonic; INT64_MAX: never */
    int64_t beat_ns;       /* idle_heartbeat; 0: none */
    int64_t beat_due_ns;   /* monotonic */
    int64_t min_pending, min_ack_pending;
    uint32_t group;        /* index in c->groups */
    uint8_t priority;
    bool no_wait, bounded, any, expires;  /* any: something was delivered */
    bool plain;            /* it named no group */
    uint32_t reader;       /* of this process, in whose queue messages wait; 0: none */
    char id[RI_NUID_LEN + 1]; /* pin id; empty: none */
    uint32_t inbox_len;
    char inbox[];
};

static ri_str pull_inbox(const ri_pull *pull)
{
    return (ri_str){pull->inbox, pull->inbox_len};
}

static uint64_t pull_wants(const ri_pull *pull)
{
    return (uint64_t)RI_MAX(RI_MIN(pull->left, PULL_WANTS), 0);
}

static uint64_t pull_bytes(const ri_pull *pull)
{
    return sizeof *pull + pull->inbox_len;
}

static bool pull_is_prioritized(const ri_consumer *c)
{
    return c->conf.priority_policy == RI_PRIORITY_PRIORITIZED;
}

/* Out of the row; what points to it there points to a neighbour. */
static void pull_unlink(ri_consumer *c, ri_pull *pull)
{
    ri_pulls *pulls = c->pulls;
    if (pulls->place == &pull->link) pulls->place = pull->link.next;
    if (pulls->last[pull->priority] == pull) {
        ri_pull *before = ri_container_of(pull->link.prev, ri_pull, link);
        bool same = pull->link.prev != &pulls->row && before->priority == pull->priority;
        pulls->last[pull->priority] = same ? before : NULL;
    }
    ri_list_remove(&pull->link);
}

static void pull_free(ri_consumer *c, ri_pull *pull)
{
    ri_js *js = c->stream->js;
    ri_pulls *pulls = c->pulls;
    pull_unlink(c, pull);
    ri_list_remove(&pull->hasty_link);
    ri_heap_cancel(&pulls->timers, &pull->timer);
    pulls->wanted -= pull_wants(pull);
    c->npulls--;
    ri_claim_shrink(&js->router->work, &pulls->claim, pull_bytes(pull));
    ri_free(js->host, pull, pull_bytes(pull));
}

/* All of them, by their steps. */
static void pull_cut(ri_claim *claim)
{
    ri_consumer *c = ri_container_of(claim, ri_pulls, claim)->consumer;
    ri_js_ready(c);
    ri_account_stir(c->stream->js->account); /* nothing has come for it that would */
}

static ri_pulls *pull_all(ri_consumer *c)
{
    if (c->pulls) return c->pulls;
    const ri_host *host = c->stream->js->host;
    ri_pulls *pulls = ri_new(host, ri_pulls);
    if (!pulls) return NULL;
    ri_list_init(&pulls->row);
    ri_list_init(&pulls->hasty);
    ri_heap_init(&pulls->timers, host);
    ri_claim_init(&pulls->claim, pull_cut);
    pulls->consumer = c;
    pulls->place = &pulls->row;
    return c->pulls = pulls;
}

static void pull_end(ri_consumer *c, ri_pull *pull, const char *status, bool remainder)
{
    char headers[96] = "";
    if (remainder)
        snprintf(headers, sizeof headers, "Nats-Pending-Messages: %lld\r\n"
                 "Nats-Pending-Bytes: %lld\r\n", (long long)pull->left,
                 (long long)(pull->bounded ? pull->left_bytes : 0));
    ri_deliver_status(c->stream->js, pull_inbox(pull), RI_STR_NONE, status, headers);
    c->busy_mono_ns = c->stream->js->mono_ns;
    pull_free(c, pull);
}

void ri_pull_end_all(ri_consumer *c, const char *status, bool remainder)
{
    if (!c->pulls) return;
    ri_list_each (link, &c->pulls->row)
        pull_end(c, ri_container_of(link, ri_pull, link), status, remainder);
}

void ri_pull_fini(ri_consumer *c)
{
    ri_pulls *pulls = c->pulls;
    if (!pulls) return;
    ri_list_each (link, &pulls->row) pull_free(c, ri_container_of(link, ri_pull, link));
    ri_claim_end(&c->stream->js->router->work, &pulls->claim);
    ri_heap_fini(&pulls->timers);
    ri_delete(c->stream->js->host, pulls);
    c->pulls = NULL;
}

static bool pull_heard(const ri_consumer *c, const ri_pull *pull)
{
    return ri_interest_any(&c->stream->js->account->interest, pull_inbox(pull));
}

/* Look at so many, from where the last looks ended. */
static void pull_look(ri_consumer *c, uint64_t looks)
{
    ri_pulls *pulls = c->pulls;
    ri_budget_spend(&c->stream->js->router->budget, looks);
    for (; looks > 0 && c->npulls > 0; looks--) {
        if (pulls->place == &pulls->row) pulls->place = pulls->row.next;
        ri_pull *pull = ri_container_of(pulls->place, ri_pull, link);
        pulls->place = pulls->place->next;
        if (!pull_heard(c, pull)) pull_free(c, pull);
    }
}

/* As many as were paid for. */
static void pull_sweep_some(ri_consumer *c)
{
    if (!c->pulls) return;
    uint64_t looks = RI_MIN(c->pulls->looks, c->npulls);
    c->pulls->looks -= looks;
    pull_look(c, looks);
}

void ri_pull_sweep(ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    if (c->pulls) pull_look(c, c->npulls);
}

bool ri_pull_any(ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    while (c->npulls > 0) {
        ri_pull *pull = ri_container_of(c->pulls->row.next, ri_pull, link);
        ri_budget_spend(&c->stream->js->router->budget, 1);
        if (pull_heard(c, pull)) return true;
        pull_free(c, pull);
    }
    return false;
}

/* ---- Priority groups ---- */

static void pull_notify_pin(ri_consumer *c, ri_js_group *group, ri_js_event_kind kind,
                            const char *reason)
{
    ri_js_event event = {.kind = kind, .stream = c->stream->conf.name, .consumer = c->name,
                         .group = group->name, .id = ri_str_of(group->pin),
                         .reason = ri_str_of(reason)};
    ri_js_notify(c->stream->js, &event);
}

static void pull_pin_renew(ri_consumer *c, ri_js_group *group)
{
    int64_t timeout = c->conf.priority_timeout > 0 ? c->conf.priority_timeout : PULL_PIN_NS;
    group->pin_due_ns = ri_ns_add(c->stream->js->mono_ns, timeout);
    ri_js_arm_consumer(c, group->pin_due_ns);
}

static void pull_unpin(ri_consumer *c, ri_js_group *group, const char *reason)
{
    pull_notify_pin(c, group, RI_JS_CONSUMER_UNPINNED, reason);
    group->pin[0] = 0;
    ri_js_ready(c);
}

static void pull_pin(ri_consumer *c, ri_js_group *group, ri_pull *pull)
{
    ri_js *js = c->stream->js;
    ri_nuid_next(&js->nuid, group->pin);
    group->pin[RI_NUID_LEN] = 0;
    group->pinned_wall_ns = js->wall_ns;
    memcpy(pull->id, group->pin, sizeof pull->id);
    pull_pin_renew(c, group);
    pull_notify_pin(c, group, RI_JS_CONSUMER_PINNED, "");
}

static bool pull_overflows(ri_consumer *c, int64_t min_pending, int64_t min_ack_pending)
{
    if (min_pending <= 0 && min_ack_pending <= 0) return true;
    return (min_pending > 0 && ri_ahead_of(c) + c->nagain >= (uint64_t)min_pending) ||
           (min_ack_pending > 0 && ri_consumer_npending(c) >= (uint64_t)min_ack_pending);
}

/* May this request have a message now, its group's rules allowing? */
static bool pull_eligible(ri_consumer *c, ri_pull *pull)
{
    switch (c->conf.priority_policy) {
    case RI_PRIORITY_NONE:
    case RI_PRIORITY_PRIORITIZED:
        return true;
    case RI_PRIORITY_OVERFLOW:
        return pull_overflows(c, pull->min_pending, pull->min_ack_pending);
    case RI_PRIORITY_PINNED_CLIENT:
        break;
    }
    ri_js_group *group = &c->groups[pull->group];
    if (!group->pin[0] && !pull_heard(c, pull)) return false;
    if (pull->plain) return !group->pin[0]; /* it is of no group: others are not held off for it */
    if (!group->pin[0]) pull_pin(c, group, pull);
    return strcmp(group->pin, pull->id) == 0;
}

int ri_consumer_unpin(ri_consumer *c, ri_str name, ri_js_error *e)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    for (uint32_t i = 0; i < c->ngroups; i++) {
        if (!ri_str_eq(c->groups[i].name, name)) continue;
        if (c->groups[i].pin[0]) pull_unpin(c, &c->groups[i], "admin");
        return RILL_OK;
    }
    return ri_jserror_set(e, RI_JS_CONSUMER_INVALID_PRIORITY_GROUP, NULL);
}

ri_js_group_states ri_pull_groups(ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    for (uint32_t i = 0; i < c->ngroups; i++) {
        const ri_js_group *group = &c->groups[i];
        c->group_states[i] = (ri_js_group_state){
            .group = group->name, .pinned_client_id = ri_str_of(group->pin),
            .pinned_ts = group->pin[0] ? group->pinned_wall_ns : 0};
    }
    return (ri_js_group_states){c->group_states, c->ngroups};
}

/* ---- Requests ---- */

int ri_consumer_pull_read(ri_str body, ri_arena *arena, ri_js_pull_request *out)
{
    if (ri_jshot_pull_read(body, out) == RILL_OK) return RILL_OK;
    if (body.ptr[0] != '{') return ri_jshot_pull_read(RI_STR_NONE, out);
    int rc = ri_jsapi_decode(&ri_jsapi_pull_request, body, false, arena, out);
    if (rc == RILL_OK && !out->batch) out->batch = 1;
    return rc;
}

/* What is wrong with its group; NULL: nothing. */
static const char *pull_check_group(ri_consumer *c, const ri_js_pull_request *r, uint32_t *group)
{
    bool overflow = c->conf.priority_policy == RI_PRIORITY_OVERFLOW;
    *group = 0;
    if ((r->min_pending > 0 || r->min_ack_pending > 0) && !overflow)
        return "400 Bad Request - Not a Overflow Priority consumer";
    if (r->id.len && c->conf.priority_policy != RI_PRIORITY_PINNED_CLIENT)
        return "400 Bad Request - Not a Pinned Client Priority consumer";
    if (r->priority < 0 || r->priority > 9)
        return "400 Bad Request - Priority must be between 0 and 9";
    if (c->conf.priority_policy == RI_PRIORITY_NONE || r->plain) return NULL;
    if (r->group.len == 0) return "400 Bad Request - Priority Group missing";
    for (; *group < c->ngroups; ++*group)
        if (ri_str_eq(c->groups[*group].name, r->group)) break;
    if (*group == c->ngroups) return "400 Bad Request - Invalid Priority Group";
    const ri_js_group *g = &c->groups[*group];
    if (r->id.len && g->pin[0] && !ri_str_eq(r->id, ri_str_of(g->pin)))
        return "423 Nats-Pin-Id mismatch";
    return NULL;
}

static const char *pull_check(ri_consumer *c, const ri_js_pull_request *r, char *text, size_t size)
{
    const ri_consumer_conf *conf = &c->conf;
    if (ri_consumer_is_push(c)) return "409 Consumer is push based";
    if (r->idle_heartbeat > 0 && (r->expires <= 0 || r->idle_heartbeat > r->expires / 2))
        return "400 Bad Request - heartbeat value too large";
    if (conf->max_batch > 0 && r->batch > conf->max_batch) {
        snprintf(text, size, "409 Exceeded MaxRequestBatch of %lld", (long long)conf->max_batch);
        return text;
    }
    if (conf->max_expires > 0 && r->expires > conf->max_expires) {
        char duration[RI_DURATION_MAX];
        size_t len = ri_duration_write(duration, conf->max_expires);
        snprintf(text, size, "409 Exceeded MaxRequestExpires of %.*s", (int)len, duration);
        return text;
    }
    if (conf->max_bytes > 0 && r->max_bytes > conf->max_bytes) {
        snprintf(text, size, "409 Exceeded MaxRequestMaxBytes of %lld", (long long)conf->max_bytes);
        return text;
    }
    return NULL;
}

/* no_wait: is there anything that it could have at once? If not, how it ends; with expires it may
 * wait for a first message, but not behind others who have all there is. */
static const char *pull_check_no_wait(ri_consumer *c, const ri_js_pull_request *r)
{
    if (!r->no_wait || r->expires < 0) return NULL;
    uint64_t there = ri_ahead_of(c) + c->nagain;
    if (c->conf.pause_until > c->stream->js->wall_ns) there = 0;
    if (there == 0) return r->expires > 0 ? NULL : "404 No Messages";
    if (c->conf.priority_policy == RI_PRIORITY_OVERFLOW && r->expires <= 0 &&
        !pull_overflows(c, r->min_pending, r->min_ack_pending))
        return "404 No Messages";
    if (!c->pulls || there >= c->pulls->wanted) return NULL;
    pull_sweep_some(c);
    return there < c->pulls->wanted ? "408 Requests Pending" : NULL;
}

static bool pull_make_room(ri_consumer *c)
{
    int64_t max = c->conf.max_waiting > 0 ? c->conf.max_waiting : RI_LIMIT_JS_WAITING;
    if (c->npulls < (uint64_t)max) return true;
    pull_sweep_some(c);
    return c->npulls < (uint64_t)max;
}

/* In the row: at its end, or in order of priority, the older first. */
static void pull_place(ri_consumer *c, ri_pull *pull)
{
    ri_pulls *pulls = c->pulls;
    if (!pull_is_prioritized(c)) {
        ri_list_push(&pulls->row, &pull->link);
        return;
    }
    int i = pull->priority;
    while (i >= 0 && !pulls->last[i]) i--;
    ri_list *before = i < 0 ? &pulls->row : &pulls->last[i]->link;
    ri_list_push(before->next, &pull->link);
    pulls->last[pull->priority] = pull;
}

/* When something is to be done about it next; INT64_MAX: never. */
static int64_t pull_due_ns(const ri_pull *pull)
{
    return pull->beat_ns ? RI_MIN(pull->expires_ns, pull->beat_due_ns) : pull->expires_ns;
}

static int pull_set_timer(ri_consumer *c, ri_pull *pull)
{
    int64_t due_ns = pull_due_ns(pull);
    return due_ns == INT64_MAX ? RILL_OK : ri_heap_set(&c->pulls->timers, &pull->timer, due_ns);
}

/* The end of the stream ends it from now on. */
static void pull_hasten(ri_consumer *c, ri_pull *pull)
{
    if (!pull->no_wait || ri_list_linked(&pull->hasty_link)) return;
    if (pull->any || !pull->expires) ri_list_push(&c->pulls->hasty, &pull->hasty_link);
}

static ri_pull *pull_new(ri_consumer *c, ri_str inbox)
{
    ri_js *js = c->stream->js;
    ri_pulls *pulls = c->pulls;
    ri_pull *pull = ri_calloc(js->host, sizeof *pull + inbox.len);
    if (!pull) return NULL;
    memcpy(pull->inbox, inbox.ptr, inbox.len);
    pull->inbox_len = (uint32_t)inbox.len;
    pulls->looks = RI_MIN(pulls->looks + PULL_LOOKS, (uint64_t)c->npulls + PULL_LOOKS);
    return pull;
}

/* It waits from now on. RILL_ENOMEM: it is gone. */
static int pull_begin(ri_consumer *c, ri_pull *pull)
{
    ri_list_init(&pull->hasty_link);
    pull_place(c, pull);
    c->npulls++;
    c->pulls->wanted += pull_wants(pull);
    pull_hasten(c, pull);
    int rc = pull_set_timer(c, pull);
    if (rc < 0) pull_free(c, pull);
    return rc;
}

static int pull_add(ri_consumer *c, ri_str inbox, const ri_js_pull_request *r, uint32_t group,
                    uint32_t reader)
{
    ri_js *js = c->stream->js;
    ri_pull *pull = pull_new(c, inbox);
    if (!pull) {
        ri_claim_shrink(&js->router->work, &c->pulls->claim, sizeof *pull + inbox.len);
        return RILL_ENOMEM;
    }
    pull->left = r->batch > 0 || r->expires < 0 ? r->batch : 1;
    pull->bounded = r->max_bytes > 0;
    pull->left_bytes = r->max_bytes;
    pull->expires = r->expires != 0; /* below 0: its time is up already */
    pull->expires_ns = pull->expires ? ri_ns_add(js->mono_ns, r->expires) : INT64_MAX;
    pull->no_wait = r->no_wait;
    pull->plain = r->plain;
    pull->reader = reader;
    pull->beat_ns = r->idle_heartbeat;
    pull->beat_due_ns = ri_ns_add(js->mono_ns, r->idle_heartbeat);
    pull->min_pending = r->min_pending;
    pull->min_ack_pending = r->min_ack_pending;
    pull->group = group;
    pull->priority = (uint8_t)r->priority;
    if (r->id.len && r->id.len <= RI_NUID_LEN) memcpy(pull->id, r->id.ptr, r->id.len);
    int rc = pull_begin(c, pull);
    if (rc < 0) return rc;
    if (c->ngroups && pull->id[0] && strcmp(c->groups[group].pin, pull->id) == 0)
        pull_pin_renew(c, &c->groups[group]);
    if (r->expires < 0) {
        pull_end(c, pull, "408 Request Timeout", true);
        return RILL_OK;
    }
    ri_js_arm_consumer(c, pull->expires_ns);
    if (pull->beat_ns) ri_js_arm_consumer(c, pull->beat_due_ns);
    ri_js_ready(c);
    return RILL_OK;
}

static bool pull_charge(ri_consumer *c, ri_str inbox)
{
    return ri_claim_grow(&c->stream->js->router->work, &c->pulls->claim,
                         sizeof(ri_pull) + inbox.len);
}

static int pull_take(ri_consumer *c, ri_str inbox, const ri_js_pull_request *request,
                     uint32_t reader)
{
    ri_js *js = c->stream->js;
    char text[96];
    uint32_t group = 0;
    c->busy_mono_ns = js->mono_ns;
    const char *status = pull_check(c, request, text, sizeof text);
    if (!status) status = pull_check_group(c, request, &group);
    if (!status) status = pull_check_no_wait(c, request);
    if (!status && !pull_all(c)) return RILL_ENOMEM;
    if (!status && (!pull_make_room(c) || !pull_charge(c, inbox))) {
        if (request->idle_heartbeat > 0) return RILL_OK; /* it will miss its heartbeats */
        status = "409 Exceeded MaxWaiting";
    }
    if (!status) return pull_add(c, inbox, request, group, reader);
    ri_deliver_status(js, inbox, RI_STR_NONE, status, "");
    return RILL_OK;
}

int ri_consumer_pull(ri_consumer *c, ri_str inbox, const ri_js_pull_request *request)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    return pull_take(c, inbox, request, 0);
}

int ri_consumer_ask(ri_consumer *c, uint32_t reader, ri_str inbox, uint32_t batch)
{
    RI_ASSERT(reader);
    RI_ASSERT(ri_consumer_is_sound(c));
    return pull_take(c, inbox, &(ri_js_pull_request){.batch = batch, .plain = true}, reader);
}

void ri_pull_asleep(ri_consumer *c, uint32_t reader)
{
    if (!c->pulls) return;
    ri_list_each (link, &c->pulls->row) {
        ri_pull *pull = ri_container_of(link, ri_pull, link);
        if (pull->reader == reader) pull_end(c, pull, "408 Request Timeout", true);
    }
}

void ri_consumer_unask(ri_consumer *c, ri_str inbox)
{
    if (!c->pulls) return;
    ri_list_each (link, &c->pulls->row) {
        ri_pull *pull = ri_container_of(link, ri_pull, link);
        if (ri_str_eq(pull_inbox(pull), inbox)) pull_free(c, pull);
    }
}

/* ---- Serving ---- */

/* It names a pin that nobody has: only a request that names none can be given one. */
static bool pull_lost_pin(const ri_consumer *c, const ri_pull *pull)
{
    return c->conf.priority_policy == RI_PRIORITY_PINNED_CLIENT && pull->id[0] &&
           strcmp(c->groups[pull->group].pin, pull->id) != 0;
}

/* The first that may have a message. That nobody listens to its inbox shows when it is sent. */
static ri_pull *pull_first(ri_consumer *c)
{
    ri_budget *budget = &c->stream->js->router->budget;
    uint32_t passed = 0;
    if (!c->pulls) return NULL;
    ri_list_each (link, &c->pulls->row) {
        ri_pull *pull = ri_container_of(link, ri_pull, link);
        if (++passed % PULL_UNIT == 0) ri_budget_spend(budget, 1);
        if (pull_lost_pin(c, pull))
            pull_end(c, pull, "423 Nats-Wrong-Pin-Id", false);
        else if (pull_eligible(c, pull))
            return pull;
    }
    return NULL;
}

/* The stream has no more: who did not want to wait is answered so. */
static void pull_end_no_wait(ri_consumer *c)
{
    for (ri_list *link; (link = ri_list_pop(&c->pulls->hasty)) != NULL;)
        pull_end(c, ri_container_of(link, ri_pull, hasty_link), "404 No Messages", false);
}

static void pull_served(ri_consumer *c, ri_pull *pull, size_t bytes)
{
    pull->any = true;
    c->busy_mono_ns = c->stream->js->mono_ns;
    c->pulls->wanted -= pull_wants(pull);
    pull->left--;
    c->pulls->wanted += pull_wants(pull);
    if (pull->bounded) pull->left_bytes -= (int64_t)bytes;
    if (pull->left == 0) {
        if (pull->bounded && pull->left_bytes > 0)
            pull_end(c, pull, "409 Batch Completed", true);
        else
            pull_free(c, pull);
        return;
    }
    pull_hasten(c, pull);
    pull->beat_due_ns = ri_ns_add(c->stream->js->mono_ns, pull->beat_ns);
    if (pull->beat_ns) pull_set_timer(c, pull); /* it has a place there: that cannot fail */
    if (pull_is_prioritized(c) || c->npulls == 1) return;
    pull_unlink(c, pull);
    ri_list_push(&c->pulls->row, &pull->link);
}

/* The pinned client cannot take what is next: another one may. */
static void pull_let_go(ri_consumer *c, const ri_pull *pull)
{
    if (c->conf.priority_policy == RI_PRIORITY_PINNED_CLIENT && pull->id[0])
        c->groups[pull->group].pin[0] = 0;
}

/* One message to one request; false when nothing more can be done in this step. */
static bool pull_serve(ri_consumer *c, ri_pull *pull)
{
    char header[64] = "";
    ri_parcel parcel;
    if (c->conf.priority_policy == RI_PRIORITY_PINNED_CLIENT)
        snprintf(header, sizeof header, "Nats-Pin-Id: %s\r\n", c->groups[pull->group].pin);
    ri_supply supply = ri_deliver_next(c, header, &parcel);
    if (supply != RI_SUPPLY_PARCEL) {
        pull_look(c, RI_MIN(c->npulls, PULL_LOOKS));
        if (supply != RI_SUPPLY_DRY) return false; /* what is held up will come */
        pull_end_no_wait(c);
        if (c->npulls > 0) ri_wake_sleep(c);
        return false;
    }
    if (pull->bounded && (int64_t)parcel.bytes > pull->left_bytes) {
        pull_let_go(c, pull);
        pull_end(c, pull, "409 Message Size Exceeds MaxBytes", true);
        return true;
    }
    parcel.reader = pull->reader;
    int sent = ri_deliver_send(c, &parcel, pull_inbox(pull));
    if (sent > 0) pull_served(c, pull, parcel.bytes);
    if (sent == 0) pull_free(c, pull);
    return sent >= 0;
}

void ri_pull_step(ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    if (c->pulls && c->pulls->claim.cut) {
        ri_pull_end_all(c, "409 Exceeded MaxWaiting", true);
        ri_claim_end(&c->stream->js->router->work, &c->pulls->claim);
    }
    if (c->npulls == 0 && ri_wake_idle(c)) return;
    do {
        ri_pull *pull = pull_first(c);
        if (!pull) {
            /* Those that wait for an overflow look again when the stream grows. */
            if (c->npulls > 0) ri_js_park(c, RI_PARKED_HUNGRY);
            return;
        }
        if (!pull_serve(c, pull)) return;
    } while (ri_budget_left(&c->stream->js->router->budget));
    ri_js_ready(c);
}

/* Its time is up, or its heartbeat is due. */
static void pull_due(ri_consumer *c, ri_pull *pull, int64_t now)
{
    if (pull->expires_ns <= now) {
        pull_end(c, pull, "408 Request Timeout", true);
    } else if (!pull_heard(c, pull)) {
        pull_free(c, pull);
    } else if (ri_list_linked(&pull->hasty_link)) { /* held up, by max_ack_pending perhaps */
        pull_end(c, pull, "404 No Messages", false);
    } else {
        ri_deliver_heartbeat(c, pull_inbox(pull), RI_STR_NONE);
        pull->beat_due_ns = ri_ns_add(now, pull->beat_ns);
        pull_set_timer(c, pull); /* where it was: that cannot fail */
    }
}

void ri_pull_due(ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    int64_t now = c->stream->js->mono_ns;
    ri_timer *timer;
    bool left = c->pulls != NULL; /* what the budget does not allow is as due in the next turn */
    while (left && (timer = ri_heap_due(&c->pulls->timers, now)) != NULL) {
        pull_due(c, ri_container_of(timer, ri_pull, timer), now);
        left = ri_budget_spend(&c->stream->js->router->budget, 1);
    }
    for (uint32_t i = 0; i < c->ngroups; i++)
        if (c->groups[i].pin[0] && c->groups[i].pin_due_ns <= now)
            pull_unpin(c, &c->groups[i], "timeout");
}

int64_t ri_pull_next_ns(const ri_consumer *c)
{
    RI_ASSERT(ri_consumer_is_sound(c));
    int64_t due = c->pulls ? ri_heap_next(&c->pulls->timers) : INT64_MAX;
    for (uint32_t i = 0; i < c->ngroups; i++)
        if (c->groups[i].pin[0]) due = RI_MIN(due, c->groups[i].pin_due_ns);
    return due;
}
