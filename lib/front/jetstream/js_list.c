/* SPDX-License-Identifier: Apache-2.0 */
/* STREAM.NAMES and LIST, CONSUMER.NAMES and LIST: pages in order of names, put together in slices.
 *
 * The place is the name that was looked at last: what comes or goes in between before it counts as
 * it was, behind it as it is. What is said of an item is that of the moment when it was reached.
 *
 * A page ends at its limit, or at RI_LIMIT_JS_PAGE bytes: then its limit is given as what it has,
 * and who asks for the rest by offset and total gets it. */
#include "base/assert.h"
#include "base/error.h"
#include "base/json.h"
#include "codec/limits.h"
#include "codec/subject/subject.h"
#include "front/jetstream/js_request.h"

enum { LIST_UNITS = 10 }; /* of an item that is listed, beside its bytes */

typedef struct list_work {
    bool infos;           /* not only names */
    bool of_streams;
    ri_str filter;        /* streams: only those with subjects that overlap; empty: all */
    ri_buffer after;      /* the name that was looked at last; empty: none */
    ri_buffer items;      /* as JSON, with commas between them */
    uint32_t len;         /* of these */
    int64_t from, total, limit;
} list_work;

static void list_put_info(list_work *w, const ri_jsapi_type *type, const void *info)
{
    ri_jsapi_encode(type, info, &w->items);
}

static bool list_matches(ri_js_request *r, const list_work *w, const ri_stream_conf *conf)
{
    if (!w->filter.len) return true;
    bool found = false;
    for (uint32_t i = 0; i < conf->subjects.len && !found; i++)
        found = ri_subject_overlaps(conf->subjects.items[i], w->filter);
    ri_budget_spend(ri_js_request_budget(r), conf->subjects.len / 4);
    return found;
}

/* Is this one of the page? It counts in any case. */
static bool list_is_wanted(list_work *w)
{
    if (w->len && w->items.len >= RI_LIMIT_JS_PAGE) w->limit = RI_MIN(w->limit, w->len);
    bool wanted = w->total++ >= w->from && w->len < w->limit;
    if (wanted && w->len++) ri_buffer_puts(&w->items, ",");
    return wanted;
}

static void list_stream(ri_js_request *r, list_work *w, ri_stream *stream)
{
    const ri_stream_conf *conf = ri_stream_conf_of(stream);
    if (!list_matches(r, w, conf) || !list_is_wanted(w)) return;
    if (!w->infos) {
        ri_json_put_string(&w->items, conf->name);
        return;
    }
    ri_stream_info info = {0};
    ri_stream_info_of(stream, &info); /* lists have the metadata as it is stored */
    info.domain = ri_js_request_domain(r->api);
    list_put_info(w, &ri_jsapi_stream_info, &info);
}

static void list_consumer(ri_js_request *r, list_work *w, ri_consumer *consumer)
{
    if (w->infos && ri_consumer_is_offline(consumer)) return; /* that is listed apart */
    if (!list_is_wanted(w)) return;
    ri_consumer_info info = {0};
    if (!w->infos)
        ri_json_put_string(&w->items, ri_consumer_name(consumer));
    else if (ri_js_consumer_api_fill(r, consumer, &info))
        list_put_info(w, &ri_jsapi_consumer_info, &info);
    else
        w->items.failed = true;
}

static void list_answer(ri_js_request *r, const list_work *w)
{
    union {
        ri_js_stream_names_reply stream_names;
        ri_js_stream_list_reply streams;
        ri_js_consumer_names_reply consumer_names;
        ri_js_consumer_list_reply consumers;
    } reply;
    memset(&reply, 0, sizeof reply);
    ri_js_paged paged = {.total = w->total, .offset = RI_MIN(w->from, w->total),
                         .limit = w->limit};
    ri_js_map offline = {0};
    ri_stream *of = w->of_streams ? NULL : ri_js_stream(r->js, r->stream);
    if (w->infos && ri_fence_each(r->js, of, &r->arena, &offline) < 0) return;
    if (w->of_streams && !w->infos) reply.stream_names.paged = paged;
    else if (w->of_streams) reply.streams.paged = paged, reply.streams.offline = offline;
    else if (!w->infos) reply.consumer_names.paged = paged;
    else reply.consumers.paged = paged, reply.consumers.offline = offline;
    if (!w->items.failed && !w->after.failed)
        ri_js_request_answer_items(r, &reply, ri_buffer_str(&w->items));
}

/* As many of the items as the budget allows: true if there are more. */
static bool list_some(ri_js_request *r, list_work *w, const void *all, size_t n)
{
    ri_budget *budget = ri_js_request_budget(r);
    bool left = true;
    size_t i = 0;
    for (; left && i < n; i++) {
        size_t before = w->items.len;
        bool counts = !w->of_streams && w->infos && w->total >= w->from && w->len < w->limit;
        if (counts && !ri_ahead_count_on(((ri_consumer *const *)all)[i])) break;
        if (w->of_streams) list_stream(r, w, ((ri_stream *const *)all)[i]);
        else list_consumer(r, w, ((ri_consumer *const *)all)[i]);
        left = ri_budget_spend(budget, 1 + (w->items.len > before ? LIST_UNITS : 0) +
                                           (w->items.len - before) / RI_JS_TEXT_BYTES);
    }
    if (i == n) return false;
    if (i == 0) return true;
    ri_str last = w->of_streams ? ri_stream_conf_of(((ri_stream *const *)all)[i - 1])->name
                                : ri_consumer_name(((ri_consumer *const *)all)[i - 1]);
    ri_buffer_reset(&w->after);
    ri_buffer_put_str(&w->after, last);
    return !w->after.failed;
}

static bool list_step(ri_js_request *r)
{
    list_work *w = r->work;
    ri_str after = ri_buffer_str(&w->after);
    const void *all;
    size_t n;
    if (w->of_streams) {
        all = ri_js_streams_after(r->js, after, &n);
    } else {
        ri_stream *stream = ri_js_request_again(r);
        if (!stream) return false;
        all = ri_js_consumers_after(stream, after, &n);
    }
    bool more = list_some(r, w, all, n);
    r->held = w->items.cap;
    if (more) return true;
    list_answer(r, w);
    return false;
}

static void list_drop(ri_js_request *r)
{
    list_work *w = r->work;
    ri_buffer_fini(&w->after);
    ri_buffer_fini(&w->items);
}

static void list_begin(ri_js_request *r, const ri_jsapi_type *type, bool of_streams, bool infos)
{
    ri_js_list_request request;
    if (!ri_js_request_decode_optional(r, type, &request)) return;
    if (!of_streams && !ri_js_request_stream(r)) return;
    list_work *w = ri_arena_alloc(&r->arena, sizeof *w);
    if (!w) return;
    *w = (list_work){.infos = infos, .of_streams = of_streams, .from = RI_MAX(request.offset, 0),
                     .limit = infos ? RI_LIMIT_JS_INFOS : RI_LIMIT_JS_NAMES};
    if (of_streams) w->filter = request.subject;
    ri_buffer_init(&w->after, &r->api->host);
    ri_buffer_init(&w->items, &r->api->host);
    r->work = w;
    r->drop = list_drop;
    if (w->filter.len && !ri_subject_is_filter(w->filter)) list_answer(r, w);
    else ri_js_request_go_on(r, list_step);
}

void ri_js_list_stream_names(ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    list_begin(r, &ri_jsapi_stream_names_request, true, false);
}

void ri_js_list_streams(ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    list_begin(r, &ri_jsapi_stream_list_request, true, true);
}

void ri_js_list_consumer_names(ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    list_begin(r, &ri_jsapi_consumer_list_request, false, false);
}

void ri_js_list_consumers(ri_js_request *r)
{
    RI_ASSERT(ri_js_request_is_sound(r));
    list_begin(r, &ri_jsapi_consumer_list_request, false, true);
}
