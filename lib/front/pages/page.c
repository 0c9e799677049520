/* SPDX-License-Identifier: Apache-2.0 */
#include "front/pages/page.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "codec/limits.h"

enum {
    PAGE_STEP = 160 * 1024, /* bytes that a step puts into one buffer, but for long names */
    PAGE_SENTENCE = 1200,   /* bytes of what is wrong, which may name a subject */
};

void ri_page_begin(ri_page *page, const ri_page_kind *kind, ri_broker *broker, ri_str query)
{
    RI_ASSERT(!page->kind && kind->begin);
    page->broker = broker;
    page->kind = kind;
    page->status = 200;
    page->type = "text/plain; charset=utf-8";
    ri_buffer_init(&page->body, &broker->host);
    if (ri_page_query_check(query, kind->bools, kind->ints, kind->uints, &page->body)) {
        kind->begin(page, query);
        return;
    }
    page->status = 400;
    page->said = page->misread = true;
}

bool ri_page_step(ri_page *page)
{
    RI_ASSERT(ri_broker_is_entered(page->broker));
    return page->kind->step && !page->said && page->kind->step(page);
}

bool ri_page_between(ri_page *page, ri_budget *budget)
{
    return page->kind->between && !page->said && page->kind->between(page, budget);
}

void ri_page_finish(ri_page *page)
{
    if (page->kind->finish && !page->said) page->kind->finish(page);
}

void ri_page_fini(ri_page *page)
{
    if (!page->kind) return;
    if (page->kind->drop && page->work) page->kind->drop(page);
    if (page->work) ri_free(page->body.host, page->work, page->work_size);
    if (page->charged)
        ri_memory_refund(&page->broker->router.memory, RI_MEMORY_WORK, page->charged);
    ri_buffer_fini(&page->body);
    *page = (ri_page){.kind = NULL};
}

void *ri_page_work(ri_page *page, size_t size)
{
    RI_ASSERT(!page->work && size > 0);
    page->work = ri_calloc(page->body.host, size);
    page->work_size = size;
    page->body.failed = !page->work;
    return page->work;
}

bool ri_page_charge(ri_page *page, uint64_t bytes)
{
    ri_memory *memory = &page->broker->router.memory;
    uint64_t all = bytes + page->body.cap;
    if (page->body.failed) return false;
    if (all <= page->charged) return true;
    if (ri_memory_take(memory, RI_MEMORY_WORK, all - page->charged)) {
        page->charged = all;
        return true;
    }
    ri_memory_refused(memory);
    page->body.failed = true;
    return false;
}

void ri_page_grow(ri_buffer *buffer)
{
    if (buffer->len > PAGE_STEP) ri_buffer_room(buffer, PAGE_STEP);
}

void ri_page_say(ri_page *page, int status, const char *format, ...)
{
    char text[PAGE_SENTENCE];
    RI_ASSERT(status >= 400);
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ri_buffer_reset(&page->body);
    ri_buffer_puts(&page->body, text);
    page->status = status;
    page->said = true;
    page->type = "text/plain; charset=utf-8";
}

void ri_page_json_begin(ri_page *page, ri_page_json *j, bool bare)
{
    const ri_broker *broker = page->broker;
    page->type = "application/json";
    *j = (ri_page_json){.out = &page->body, .flat = page->system, .tight = page->system};
    ri_page_json_open(j, NULL, '{');
    if (bare) return;
    ri_page_json_text(j, "server_id", broker->keys.id);
    ri_page_json_time(j, "now", ri_wall_ns(&broker->host));
}

bool ri_page_is_full(const ri_page *page, size_t bytes)
{
    return page->system && bytes >= RI_LIMIT_JS_JSZ;
}
