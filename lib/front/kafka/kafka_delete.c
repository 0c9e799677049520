/* SPDX-License-Identifier: Apache-2.0 */
/* DeleteTopics. A topic goes with all its partitions, the last one first: what a crash between two
 * slices may leave is a topic with fewer of them, which its client deletes again. */
#include "base/assert.h"
#include "base/error.h"
#include "front/kafka/kafka_serve.h"

enum {
    KAFKA_DELETE_UNITS = 5,  /* of the turn, for a topic that is looked for, ... */
    KAFKA_DELETE_GONE = 100, /* ... and a stream that goes, with what is known of it */
};

typedef struct kafka_delete {
    ri_kafka_delete_topics_answer answer;
    ri_kafka_commit commit;
    uint32_t next;
    ri_str name;         /* of the topic that goes now; ptr NULL: none */
    ri_kafka_uuid id;
    int32_t partitions;  /* of it that are there still */
    bool gone;           /* some went */
} kafka_delete;

static uint32_t kafka_delete_count(const ri_kafka_request *r)
{
    const ri_kafka_delete_topics_request *q = r->body;
    return r->head.version >= 6 ? q->topics.len : q->topic_names.len;
}

/* Begin with the next one: is it there? */
static void kafka_delete_begin(ri_kafka_request *r, kafka_delete *d)
{
    const ri_kafka_delete_topics_request *q = r->body;
    ri_kafka_delete_topics_answer_response *out = &d->answer.responses.items[d->next];
    ri_js *js = ri_kafka_serve_js(r);
    ri_kafka_topic topic;
    bool by_id = r->head.version >= 6 && !q->topics.items[d->next].name.ptr, found;
    ri_budget_spend(&ri_js_router(js)->budget, KAFKA_DELETE_UNITS);
    out->name = r->head.version >= 6 ? q->topics.items[d->next].name
                                     : q->topic_names.items[d->next];
    if (by_id) {
        out->topic_id = q->topics.items[d->next].topic_id;
        found = ri_kafka_catalog_find_id(r->session->server->catalog, js, &out->topic_id, &topic);
    } else {
        found = ri_kafka_catalog_find(js, out->name, &topic);
    }
    if (!found) {
        out->error_code = by_id ? RI_KAFKA_E_UNKNOWN_TOPIC_ID : RI_KAFKA_E_UNKNOWN_TOPIC;
        out->error_message = RI_STR("there is no such topic");
        d->next++;
        return;
    }
    if (!ri_kafka_serve_copy(r, topic.name, &out->name)) return;
    d->id = out->topic_id = ri_kafka_catalog_id(&topic);
    d->name = out->name;
    d->partitions = ri_kafka_catalog_partitions(js, &topic);
}

/* A slice of the one that goes. */
static void kafka_delete_some(ri_kafka_request *r, kafka_delete *d)
{
    RI_ASSERT(d->name.ptr && d->partitions > 0);
    ri_kafka_delete_topics_answer_response *out = &d->answer.responses.items[d->next];
    ri_js *js = ri_kafka_serve_js(r);
    ri_js_error e = {0};
    ri_buffer name;
    ri_buffer_init(&name, ri_js_router(js)->host);
    ri_kafka_catalog_put_stream(d->name, d->partitions - 1, &name);
    ri_stream *stream = name.failed ? NULL : ri_js_stream(js, ri_buffer_str(&name));
    ri_buffer_fini(&name);
    int rc = stream ? ri_stream_delete_some(stream, &e) : RILL_OK;
    ri_budget_spend(&ri_js_router(js)->budget, rc == 1 ? 1 : KAFKA_DELETE_GONE);
    if (rc == 1) return;
    d->gone = true;
    if (rc < 0) {
        out->error_code = RI_KAFKA_E_STORAGE;
        ri_kafka_serve_why(r, &out->error_message);
    }
    if (rc == RILL_OK && --d->partitions > 0) return;
    ri_groups *groups = ri_kafka_serve_groups(r);
    if (rc == RILL_OK && groups && ri_groups_topic_gone(groups, d->name, d->id.bytes) < 0)
        ri_host_log(&r->session->server->broker->host, RILL_ERROR,
                    "offsets of topic %.*s stay until their time is over: %s", RI_ARG(d->name),
                    ri_err_text());
    d->name = RI_STR_NONE;
    d->next++;
}

bool ri_kafka_delete_step(ri_kafka_request *r)
{
    RI_ASSERT(ri_kafka_request_is_begun(r) && r->body);
    const ri_budget *budget = &r->session->server->broker->router.budget;
    kafka_delete *d = r->work;
    uint32_t n = kafka_delete_count(r);
    if (!d) {
        if (!(d = r->work = ri_kafka_request_alloc(r, sizeof *d))) return false;
        if (!RI_KAFKA_SERVE_LIST(r, &d->answer.responses, delete_topics_answer_response, n))
            return false;
    }
    while (d->next < n) {
        if (d->name.ptr) kafka_delete_some(r, d);
        else kafka_delete_begin(r, d);
        if (r->session->end) return false;
        if (!ri_budget_left(budget)) return ri_kafka_request_claim(r, 0);
    }
    if (ri_kafka_serve_stores(r, &d->commit, &d->gone)) return false;
    RI_KAFKA_SERVE_STORED(&d->commit, &d->answer.responses);
    ri_kafka_request_answer_kept(r, &d->answer);
    return false;
}

void ri_kafka_delete_drop(ri_kafka_request *r)
{
    kafka_delete *d = r->work;
    if (d) ri_kafka_serve_forget(&d->commit);
}
