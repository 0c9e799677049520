/* SPDX-License-Identifier: Apache-2.0 */
/* What a peer refuses, in the words of rill.h.
 *
 * The sentences of JetStream are part of its protocol: clients and test suites compare them, so the
 * engine makes each error as NATS words it. A program that calls rill.h asked for `max_age_ms`, a
 * group or a key, and never said "retention" or "consumer": whoever hands such an error to it calls
 * ri_bus_words_say(), which puts the program's words in their place. What is in none of the rows
 * below stays as it is.
 *
 *     stream S does not store a message on a: maximum messages exceeded
 *     \___________ what stands before stays ___________/\_ a row's _/
 *
 * A row finds its sentence by the number of the error, whose text stands in jserror.h, or, where
 * that is "{err}", by how it begins. What the text has in its {} is put behind a sentence that ends
 * with a blank. */
#include <stdio.h>

#include "base/error.h"
#include "codec/jetstream/jserror.h"
#include "front/handle/bus.h"

typedef struct words_row {
    int code;           /* ri_js_code; 0: none, the text is `begins` */
    const char *begins; /* NULL: as the text of `code` does */
    const char *says;   /* the words of rill.h */
} words_row;

static const words_row words_rows[] = {
    /* Streams: their options. */
    {0, "stream name is required and can not contain",
     "a stream's name has 1 to 255 characters, and no blanks, dots, slashes or wildcards"},
    {0, "stream name is too long, maximum allowed is ", "the stream's name is longer than "},
    {0, "stream description is too long, maximum allowed is ", "description is longer than "},
    {0, "max age needs to be >= 100ms", "max_age_ms is less than 100"},
    {0, "duplicates window can not be larger then max age",
     "dedupe_window_ms is more than max_age_ms"},
    {0, "duplicates window can not be larger then server limit of ",
     "dedupe_window_ms is more than the broker's max_dedupe_ms, "},
    {0, "duplicates window needs to be >= 100ms", "dedupe_window_ms is less than 100"},
    {0, "discard new per subject requires discard new policy to be set",
     "reject_per_subject goes with reject_when_full"},
    {0, "discard new per subject requires max msgs per subject > 0",
     "reject_per_subject goes with max_msgs_per_subject"},
    {0, "subject delete marker TTL must be at least 1 second", "marker_ttl_ms is less than 1000"},
    {0, "message scheduling cannot use discard new",
     "allow_schedules does not go with reject_when_full"},
    {0, "subjects that overlap with jetstream api require no-ack to be true",
     "subjects: no stream takes those of the JetStream API, such as $JS.>"},
    {0, "subjects that overlap with system api require no-ack to be true",
     "subjects: no stream takes those of the system, $SYS.>"},
    {0, "capturing all subjects requires no-ack to be true",
     "subjects: > alone would take what programs answer to each other, too"},
    {0, "stream configuration for republish destination forms a cycle",
     "republish_to leads back to the subjects of the stream"},
    {0, "stream configuration for republish with transform from ",
     "republish_from and republish_to do not go together: from "},
    {0, "subject delete markers forbidden on mirrors", "marker_ttl_ms is not for a mirror"},
    {0, "detected cycle", "the mirror or a source leads back to the stream itself"},
    {0, "first sequence is too great", "first_seq is too great"},
    {RI_JS_STREAM_NAME_EXIST, NULL, "the stream is there, otherwise configured"},
    {RI_JS_STREAM_SUBJECT_OVERLAP, NULL, "another stream takes one of the subjects"},
    {RI_JS_MAXIMUM_STREAMS_LIMIT, NULL, "the broker has as many streams as it may have"},
    {RI_JS_STREAM_MAX_STREAM_BYTES_EXCEEDED, NULL, "max_bytes is more than the broker allows"},
    {RI_JS_STORAGE_RESOURCES_EXCEEDED, NULL,
     "max_bytes of all streams on disk would be more than the broker's max_store_bytes"},
    {RI_JS_MEMORY_RESOURCES_EXCEEDED, NULL,
     "max_bytes of all streams in memory would be more than the broker's "
     "max_stream_memory_bytes"},
    {RI_JS_MIRROR_WITH_FIRST_SEQ, NULL, "first_seq is not for a mirror"},
    {RI_JS_MIRROR_WITH_SUBJECTS, NULL, "subjects are not for a mirror"},
    {RI_JS_MIRROR_WITH_MSG_SCHEDULES, NULL, "allow_schedules is not for a mirror"},
    {RI_JS_MIRROR_INVALID_STREAM_NAME, NULL, "mirror: no stream can have that name"},
    {RI_JS_MIRROR_INVALID_SUBJECT_FILTER, NULL, "mirror: its filter: "},
    {RI_JS_MIRROR_INVALID_TRANSFORM_DESTINATION, NULL, "mirror: its `to`: "},
    {RI_JS_SOURCE_INVALID_STREAM_NAME, NULL, "sources: no stream can have that name"},
    {RI_JS_SOURCE_DUPLICATE_DETECTED, NULL, "sources: two are the same"},
    {RI_JS_SOURCE_WITH_MSG_SCHEDULES, NULL, "allow_schedules does not go with sources"},
    {RI_JS_SOURCE_INVALID_SUBJECT_FILTER, NULL, "sources: a filter: "},
    {RI_JS_SOURCE_INVALID_TRANSFORM_DESTINATION, NULL, "sources: a `to`: "},
    {RI_JS_STREAM_TRANSFORM_INVALID_SOURCE, NULL, "transform_from: "},
    {RI_JS_STREAM_TRANSFORM_INVALID_DESTINATION, NULL, "transform_to: "},
    /* Streams: what cannot change. */
    {0, "stream configuration update can not change storage type", "in_memory cannot change"},
    {0, "stream configuration update can not change retention policy to/from workqueue",
     "keep cannot change to RILL_KEEP_WORK, nor from it"},
    {0, "stream configuration update can not unseal a sealed stream",
     "what is sealed stays sealed"},
    {0, "stream configuration update can not cancel deny message deletes",
     "deny_erase cannot be taken back"},
    {0, "stream configuration update can not cancel deny purge",
     "deny_purge cannot be taken back"},
    {0, "stream configuration update can not change message counter setting",
     "a NATS client has made it a stream that counts, which only NATS clients can change"},
    {0, "message TTL status can not be disabled", "allow_ttl cannot be taken back"},
    {0, "message schedules can not be disabled", "allow_schedules cannot be taken back"},
    {0, "change to limits violates consumers: ", "the new limits do not suit these groups: "},
    {RI_JS_STREAM_MIRROR_NOT_UPDATABLE, NULL, "mirror cannot change"},
    {RI_JS_STREAM_SEALED, NULL, "it is sealed: nothing in it changes any more"},
    {RI_JS_STREAM_OFFLINE_REASON, NULL, "the stream is not served: "},
    {0, "message delete not permitted", "the stream has deny_erase"},
    {0, "stream purge not permitted", "the stream has deny_purge"},
    {RI_JS_SEQUENCE_NOT_FOUND, NULL, "the stream has no message number "},
    /* Groups. */
    {0, "consumer name can not contain",
     "a group's name has no blanks, dots, slashes or wildcards"},
    {0, "consumer durable name can not contain",
     "a group's name has no blanks, dots, slashes or wildcards"},
    {RI_JS_CONSUMER_NAME_TOO_LONG, NULL, "the group's name is longer than "},
    {0, "a consumer has at most ", "a group has at most "},
    {RI_JS_CONSUMER_MAX_PENDING_ACK_EXCESS, NULL,
     "max_unacked is more than the broker's max_unacked, "},
    {RI_JS_CONSUMER_MAX_DELIVER_BACKOFF, NULL, "max_deliveries is less than nbackoff"},
    {RI_JS_CONSUMER_OVERLAPPING_SUBJECT_FILTERS, NULL, "filter: two of them overlap"},
    {0, "consumer delivery policy is deliver by start sequence, but", "from_seq is 0"},
    {0, "consumer delivery policy is deliver by start time, but", "from_time_ns is 0"},
    {0, "ack policy can not be updated", "ack cannot change"},
    {0, "replay policy can not be updated", "original_speed cannot change"},
    {0, "storage type can not be updated", "a NATS client has made the group: where its state is "
                                           "kept cannot change"},
    {0, "max waiting can not be updated", "a NATS client has made the group: how many requests "
                                          "wait cannot change"},
    {0, "can not update push consumer to pull based",
     "a NATS client has made the group: messages are pushed to its readers, which cannot change"},
    {RI_JS_MAXIMUM_CONSUMERS_LIMIT, NULL, "there are as many groups as there may be: max_groups of "
                                          "the stream, or the broker's"},
    {RI_JS_CONSUMER_NAME_EXIST, NULL, "the group is there, otherwise configured"},
    {RI_JS_CONSUMER_ALREADY_EXISTS, NULL, "the group is there, otherwise configured"},
    {RI_JS_CONSUMER_NOT_FOUND, NULL, "there is no such group"},
    {RI_JS_CONSUMER_OFFLINE_REASON, NULL, "the group is not served: "},
    {RI_JS_CONSUMER_WQ_REQUIRES_EXPLICIT_ACK, NULL,
     "ack: a group of a RILL_KEEP_WORK stream has EACH or AUTO"},
    {RI_JS_CONSUMER_PULL_REQUIRES_ACK, NULL,
     "ack: a group of a RILL_KEEP_WORK stream has EACH or AUTO"},
    {RI_JS_CONSUMER_WQ_CONSUMER_NOT_DELIVER_ALL, NULL,
     "from: a group of a RILL_KEEP_WORK stream begins with FIRST"},
    {RI_JS_CONSUMER_WQ_MULTIPLE_UNFILTERED, NULL,
     "the RILL_KEEP_WORK stream has a group, and this one, without a filter, would take its jobs"},
    {RI_JS_CONSUMER_WQ_CONSUMER_NOT_UNIQUE, NULL,
     "filter: another group of the RILL_KEEP_WORK stream takes some of these jobs"},
    {0, "insufficient resources: no room for another consumer: ",
     "there is no room for another group: "},
    {0, "insufficient resources: no room for more in a consumer's configuration: ",
     "there is no room for more in a group's configuration: "},
    {0, "insufficient resources: no room for ", "there is no room for "},
    {0, "insufficient resources", "there is no room for it in the broker's memory or store"},
    {0, "the configuration of the consumer ", "the configuration of the group "},
    {0, "the state of the consumer ", "the state of the group "},
    {0, "the states of consumers: ", "the states of groups: "},
    {0, "the list of streams and consumers: ", "the list of streams and groups: "},
    /* Messages, and keys. */
    {RI_JS_STREAM_WRONG_LAST_SEQUENCE, NULL,
     "the last number, or the key's revision, is not the one that was expected, but "},
    {RI_JS_STREAM_WRONG_LAST_SEQUENCE_CONSTANT, NULL,
     "a message of the batch expects what one before it has changed"},
    {RI_JS_STREAM_EXPECTED_LAST_SEQ_PER_SUBJECT_INVALID, NULL,
     "expect_subject goes with expect_last_seq, and not with a stream of record batches"},
    {RI_JS_MESSAGE_TTL_INVALID, NULL, "ttl_ms is less than 1000"},
    {RI_JS_MESSAGE_TTL_DISABLED, NULL, "ttl_ms: the stream has no allow_ttl, or the bucket no "
                                       "key_ttl"},
    {RI_JS_STREAM_MESSAGE_EXCEEDS_MAXIMUM, NULL, "the message is larger than max_msg_bytes of the "
                                                 "stream"},
    {RI_JS_STREAM_HEADER_EXCEEDS_MAXIMUM, NULL, "the headers are larger than 64 KiB"},
    {0, "maximum messages exceeded", "the stream has max_msgs, and rejects what is more"},
    {0, "maximum bytes exceeded", "the stream has max_bytes, and rejects what is more"},
    {0, "maximum messages per subject exceeded",
     "the subject has max_msgs_per_subject, and the stream rejects what is more"},
    {0, "maximum message ids exceeded: ", "the stream knows as many msg_ids as it may: "},
    {0, "rollup not permitted", "the stream has deny_purge"},
    {RI_JS_MESSAGE_SCHEDULES_DISABLED, NULL, "schedule: the stream has no allow_schedules"},
    {RI_JS_MESSAGE_SCHEDULES_PATTERN_INVALID, NULL, "schedule: that is no time, or never comes"},
    {RI_JS_MESSAGE_SCHEDULES_TARGET_INVALID, NULL,
     "deliver_to: the stream does not take that subject, or it is the message's own"},
    {RI_JS_MESSAGE_SCHEDULES_TTL_INVALID, NULL, "ttl_ms is less than 1000"},
    {RI_JS_MESSAGE_SCHEDULES_TIME_ZONE_INVALID, NULL, "schedule_zone: there is no such zone"},
    {RI_JS_ATOMIC_PUBLISH_CONTAINS_DUPLICATE_MESSAGE, NULL,
     "a msg_id of the batch is known already, or stands in it twice"},
};

/* Is `text` the row's? *rest is what was in its {}, or what follows. */
static bool words_match(const words_row *row, const char *text, ri_str *rest)
{
    const char *want = row->begins ? row->begins : ri_jserror_text(row->code);
    RI_ASSERT(want && want[0] && want[0] != '{');
    const char *hole = strchr(want, '{');
    size_t len = hole ? (size_t)(hole - want) : strlen(want);
    if (strncmp(text, want, len) != 0) return false;
    *rest = ri_str_of(text + len);
    if (!hole) return row->begins || rest->len == 0;
    ri_str end = ri_str_of(strchr(hole, '}') + 1);
    if (rest->len < end.len || !ri_str_eq(ri_str_from(*rest, rest->len - end.len), end))
        return false;
    rest->len -= end.len;
    return true;
}

static const words_row *words_find(const char *text, ri_str *rest)
{
    for (size_t i = 0; i < RI_LEN(words_rows); i++)
        if (words_match(&words_rows[i], text, rest)) return &words_rows[i];
    return NULL;
}

int ri_bus_words_say(int rc)
{
    RI_ASSERT(rc < 0);
    char text[RI_ERROR_TEXT_MAX];
    snprintf(text, sizeof text, "%s", ri_err_text());
    for (const char *at = text, *end; at; at = end ? end + 2 : NULL) {
        ri_str rest;
        const words_row *row = words_find(at, &rest);
        end = strstr(at, ": ");
        if (!row) continue;
        if (row->says[strlen(row->says) - 1] != ' ') rest.len = 0;
        return ri_err(rc, "%.*s%s%.*s", (int)(at - text), text, row->says, RI_ARG(rest));
    }
    return rc;
}

int ri_bus_js_error(const ri_js_error *e, int rc)
{
    if (!e->code) return rc;
    if (rc >= 0) rc = ri_jserror_nearest(e);
    if (e->err_code == RI_JS_STREAM_SUBJECT_OVERLAP) rc = RILL_EEXIST;
    return ri_bus_words_say(ri_err(rc, "%s", e->text));
}
