/* SPDX-License-Identifier: Apache-2.0 */
#include "front/broker/departed.h"

#include "base/assert.h"
#include "base/error.h"

enum { DEPARTED_MEMORY_PART = 128 };

int ri_departed_keep(ri_broker *broker)
{
    RI_ASSERT(ri_broker_is_entered(broker));
    if (broker->departed) return RILL_OK;
    broker->departed = ri_new(&broker->host, ri_departed);
    if (!broker->departed) return RILL_ENOMEM;
    broker->departed->first = broker->departed->next = 1;
    return RILL_OK;
}

static ri_departed_one **departed_place(ri_departed *departed, uint64_t number)
{
    return &departed->ring[number % RI_LIMIT_DEPARTED];
}

static void departed_forget(ri_departed *departed, const ri_host *host)
{
    RI_ASSERT(departed->first < departed->next);
    RI_ASSERT(departed->next - departed->first <= RI_LIMIT_DEPARTED);
    ri_departed_one **place = departed_place(departed, departed->first++);
    departed->bytes -= (*place)->size;
    ri_free(host, *place, (*place)->size);
    *place = NULL;
}

void ri_departed_free(ri_broker *broker)
{
    ri_departed *departed = broker->departed;
    if (!departed) return;
    while (departed->first < departed->next) departed_forget(departed, &broker->host);
    RI_ASSERT(departed->bytes == 0);
    ri_delete(&broker->host, departed);
    broker->departed = NULL;
}

/* Part of a JWT, or of a list, is none: one that is too long is left out. As who it was known
 * nobody asks who sees as whom it came. */
static void departed_leave_out(ri_broker_conn *conn)
{
    conn->user = RI_STR_NONE;
    if (conn->jwt.len > RI_LIMIT_DEPARTED_JWT) conn->jwt = RI_STR_NONE;
    if (conn->tags.len > RI_LIMIT_DEPARTED_JWT) conn->tags = RI_STR_NONE;
    if (conn->subs.len > RI_LIMIT_DEPARTED_SUBS_BYTES) conn->subs = RI_STR_NONE;
}

typedef struct departed_sub { /* its texts lie behind it */
    uint64_t msgs, max_msgs;
    uint32_t subject, queue, sid; /* bytes */
} departed_sub;

void ri_departed_put_sub(void *arg, const ri_broker_sub *sub)
{
    ri_departed_subs *subs = arg;
    ri_buffer *out = &subs->text;
    const departed_sub row = {.msgs = sub->info.msgs, .max_msgs = sub->info.max_msgs,
                              .subject = (uint32_t)sub->subject.len,
                              .queue = (uint32_t)sub->queue.len, .sid = (uint32_t)sub->sid.len};
    size_t size = sizeof row + sub->subject.len + sub->queue.len + sub->sid.len;
    subs->full = subs->full || out->len + size > RI_LIMIT_DEPARTED_SUBS_BYTES;
    if (subs->full) return;
    ri_buffer_put(out, &row, sizeof row);
    ri_buffer_put_str(out, sub->subject);
    ri_buffer_put_str(out, sub->queue);
    ri_buffer_put_str(out, sub->sid);
}

bool ri_departed_sub(const ri_departed_one *one, size_t *at, ri_broker_sub *sub)
{
    ri_str all = one->conn.subs;
    departed_sub row;
    if (*at == all.len) return false;
    RI_ASSERT(*at + sizeof row <= all.len);
    memcpy(&row, all.ptr + *at, sizeof row);
    const char *text = all.ptr + *at + sizeof row;
    *sub = (ri_broker_sub){
        .info = {.conn = one->conn.info.id, .msgs = row.msgs, .max_msgs = row.max_msgs},
        .subject = {text, row.subject}, .queue = {text + row.subject, row.queue},
        .sid = {text + row.subject + row.queue, row.sid}};
    *at += sizeof row + row.subject + row.queue + row.sid;
    RI_ASSERT(*at <= all.len);
    return true;
}

/* The texts of `conn`, one after the other, each with a 0; how many bytes that are. `at` NULL: they
 * are only counted. */
static size_t departed_texts(ri_broker_conn *conn, char *at)
{
    ri_str *const texts[] = {&conn->peer, &conn->given, &conn->account, &conn->name, &conn->lang,
                             &conn->version, &conn->tls_version, &conn->tls_cipher,
                             &conn->issuer, &conn->name_tag, &conn->tags, &conn->jwt, &conn->subs};
    size_t bytes = 0;
    for (size_t i = 0; i < RI_LEN(texts); i++) {
        bool whole = texts[i] == &conn->tags || texts[i] == &conn->jwt || texts[i] == &conn->subs;
        size_t len = whole ? texts[i]->len : RI_MIN(texts[i]->len, (size_t)RI_LIMIT_DEPARTED_TEXT);
        if (at && len) memcpy(at + bytes, texts[i]->ptr, len);
        if (at) at[bytes + len] = 0;
        if (at) *texts[i] = (ri_str){at + bytes, len};
        bytes += len + 1;
    }
    return bytes;
}

static ri_departed_one *departed_copy(const ri_host *host, const ri_broker_conn *conn)
{
    ri_broker_conn own = *conn;
    departed_leave_out(&own);
    size_t size = sizeof(ri_departed_one) + departed_texts(&own, NULL);
    ri_departed_one *one = ri_alloc(host, size);
    if (!one) return NULL;
    *one = (ri_departed_one){.size = (uint32_t)size};
    size_t used = departed_texts(&own, (char *)(one + 1));
    RI_ASSERT(used == size - sizeof *one);
    (void)used;
    one->conn = own;
    return one;
}

void ri_departed_note(ri_broker *broker, const ri_broker_conn *conn, const char *reason)
{
    RI_ASSERT(ri_broker_is_entered(broker) && reason);
    ri_departed *departed = broker->departed;
    if (!departed || broker->closed) return;
    ri_departed_one *one = departed_copy(&broker->host, conn);
    if (!one) return;
    one->reason = reason;
    one->stop_ns = ri_wall_ns(&broker->host);
    uint64_t limit = RI_MIN(broker->conf.memory_bytes / DEPARTED_MEMORY_PART,
                            (uint64_t)RI_LIMIT_DEPARTED_BYTES);
    while (departed->first < departed->next &&
           (departed->next - departed->first == RI_LIMIT_DEPARTED ||
            departed->bytes + one->size > limit))
        departed_forget(departed, &broker->host);
    *departed_place(departed, departed->next++) = one;
    departed->bytes += one->size;
}

const ri_departed_one *ri_departed_at(const ri_departed *departed, uint64_t number)
{
    RI_ASSERT(departed->first <= departed->next);
    bool there = number >= departed->first && number < departed->next;
    return there ? departed->ring[number % RI_LIMIT_DEPARTED] : NULL;
}
