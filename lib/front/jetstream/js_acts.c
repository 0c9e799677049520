/* SPDX-License-Identifier: Apache-2.0 */
/* $SYS.REQ.SERVER.<id>.KICK and LDM: {"cid":N} names a connection, which is ended, or hears that
 * its server is about to go. As in nats-server a request that is no JSON has no answer.
 * And RELOAD, which is for the program that has the broker. */
#include "base/assert.h"
#include "base/hash.h"
#include "codec/limits.h"
#include "front/broker/broker.h"
#include "front/broker/act.h"
#include "front/jetstream/js_request.h"

static const ri_str acts_texts[] = {
    [RI_ACTED_YES] = RI_STR_NONE,
    [RI_ACTED_NOBODY] = RI_STR("no such client id"),
    [RI_ACTED_CANNOT] = RI_STR("client does not support Lame Duck Mode or is not ready to receive "
                              "the notification"),
};

static void acts_say(ri_js_request *r, const ri_act *act)
{
    ri_buffer out;
    if (act->acted != RI_ACTED_YES && act->kind == RI_ACT_KICK) {
        ri_js_system_fail(r, 500, false, RI_STR("no such client or leafnode id"));
    } else if (act->acted != RI_ACTED_YES) {
        ri_js_system_fail(r, 500, false, acts_texts[act->acted]);
    } else {
        ri_js_system_begin(r, &out);
        ri_js_system_end(r, &out);
    }
}

static bool acts_step(ri_js_request *r)
{
    ri_act *act = r->work;
    if (ri_act_some(act, r->api->opts.broker, ri_js_request_budget(r))) return true;
    acts_say(r, act);
    return false;
}

/* What no number of a connection could be is none. */
static bool acts_read(const ri_js_request *r, ri_json *root, uint64_t *cid)
{
    if (!r->body.len || r->body.len > RI_LIMIT_SYSTEM_BODY) return false;
    if (ri_json_parse(root, r->body) < 0 || ri_json_kind_of(*root) != RI_JSON_OBJECT) return false;
    ri_json value = ri_json_get(*root, "cid");
    ri_json_kind kind = ri_json_kind_of(value);
    *cid = (uint64_t)RI_MAX(ri_json_integer(value), 0);
    return kind == RI_JSON_INTEGER || kind == RI_JSON_NULL;
}

/* The program that has the broker may listen to that and do so; who listens to it is in the
 * system's account. Else it cannot be done. */
static void acts_reload(ri_js_request *r)
{
    ri_json root;
    const ri_interest *interest = &ri_js_request_account(r)->interest;
    if (ri_interest_has_literal(interest, r->subject, ri_hash(r->subject))) return;
    if (!r->body.len || ri_js_pages_read(r, &root))
        ri_js_system_fail(r, 500, false, RI_STR("config reload not supported: the program that "
                                                "has this server does not do it"));
}

static void acts_begin(ri_js_request *r, ri_act_kind kind)
{
    static const ri_js_route route = {.silent = true};
    ri_json root;
    uint64_t cid;
    if (!acts_read(r, &root, &cid) || !ri_js_pages_read(r, &root)) return;
    ri_act *act = ri_arena_alloc(&r->arena, sizeof *act);
    if (!act) return;
    *act = (ri_act){.id = cid, .kind = kind};
    r->route = &route;
    r->work = act;
    ri_js_request_go_on(r, acts_step);
}

void ri_js_acts_answer(ri_js_request *r, ri_str verb)
{
    RI_ASSERT(r->there);
    if (!r->reply.len) return; /* as in nats-server nothing is done for who wants no answer */
    if (ri_str_is(verb, "RELOAD")) acts_reload(r);
    else acts_begin(r, ri_str_is(verb, "KICK") ? RI_ACT_KICK : RI_ACT_LAME_DUCK);
}
