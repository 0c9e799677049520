/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of one stream S that takes s.>, in a world. */
#ifndef RI_TEST_STREAMS_H
#define RI_TEST_STREAMS_H

#include <stdio.h>

#include "base/error.h"
#include "engine/streams/stream.h"
#include "support/suite.h"
#include "support/world.h"

static inline world *open_world(void)
{
    static world w;
    ck_assert_ok(world_init(&w, NULL));
    return &w;
}

/* Publish with an answer, and compare it. */
static inline void expect(world *w, const char *subject, const char *headers, const char *data,
                   const char *answer)
{
    char line[1024];
    world_publish(w, subject, "ack", headers, data);
    world_turn(w);
    snprintf(line, sizeof line, "[%6lld] app: ack %s\n", (long long)(w->mono_ns / RI_MS), answer);
    WORLD_TOLD(w, line);
}

#define ACK(seq) "{\"stream\":\"S\",\"seq\":" #seq "}"
#define ERR(code, err, text) "{\"error\":{\"code\":" #code ",\"err_code\":" #err \
    ",\"description\":\"" text "\"},\"stream\":\"S\",\"seq\":0}"

static inline ri_stream *stream(world *w, const char *more)
{
    char json[1024];
    ri_stream *s;
    snprintf(json, sizeof json, "{\"name\":\"S\",\"subjects\":[\"s.>\"]%s%s}", *more ? "," : "",
             more);
    ck_assert_ok(world_stream(w, json, &s, NULL));
    world_listen(w, "app", "ack");
    return s;
}

static inline ri_stream_state state_of(ri_stream *s)
{
    ri_stream_info info;
    ri_stream_info_of(s, &info);
    return info.state;
}

#endif
