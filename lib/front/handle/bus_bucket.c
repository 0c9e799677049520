/* SPDX-License-Identifier: Apache-2.0 */
/* What buckets of keys and of objects have in common: a stream that is made as NATS clients make
 * theirs. */
#include "base/saturate.h"
#include "front/handle/ask.h"

ri_stream_conf ri_bus_bucket_conf(const char *stream, const rill_bucket_opts *opts)
{
    int64_t window = 120 * RI_SEC, ttl = ri_ns_of_ms(opts->ttl_ms);
    return (ri_stream_conf){
        .name = ri_str_of(stream),
        .max_consumers = -1,
        .max_msgs = -1,
        .max_bytes = opts->max_bytes ? (int64_t)RI_MIN(opts->max_bytes, (uint64_t)INT64_MAX) : -1,
        .max_age = ttl,
        .max_msgs_per_subject = -1,
        .max_msg_size = -1,
        .discard = RI_DISCARD_NEW,
        .storage = opts->in_memory ? RI_STORE_MEMORY : RI_STORE_FILE,
        .num_replicas = 1,
        .duplicate_window = ttl > 0 && ttl < window ? ttl : window,
        .allow_rollup_hdrs = true,
        .allow_direct = true,
    };
}

int ri_bus_bucket_open(rill_bus *bus, const ri_stream_conf *conf, const rill_bucket_opts *opts)
{
    RI_ASSERT(ri_bus_is_sound(bus));
    ri_ask ask = {.kind = RI_ASK_STREAM_MAKE, .stream = conf->name.ptr,
                  .conf = opts->must_exist ? NULL : conf};
    return ri_ask_run(bus, &ask);
}
