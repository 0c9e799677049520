# SPDX-License-Identifier: Apache-2.0
"""Where a peer that is a server differs from a broker in this process: one row each, with its
reason. Tests that say of themselves that they are of this process (LOCAL_KINDS) are not run."""

PROGRAMS = ("topics ends live slow request drive close drain stream batch place options kv obj "
            "groups refused").split()

NATS = "path newest cluster"   # nats-server, whatever its version
ALL = "rilld " + NATS
OLD = "path"                   # 2.9, as Debian 12 has it
MOCK = "kafka-mock"            # librdkafka's
KAFKA = "kafka-mock kafka-rilld kafka"

# targets, program, test (with a ? if it holds now and then), reason
ROWS = [
    # Kafka's topics, and JetStream's streams.
    (ALL, "topics", "keys_pick_partitions", "a stream of JetStream has one partition"),
    (MOCK, "topics", "a_purge_empties_from_the_front",
     "the cluster for tests deletes no records: RILL_ENOTSUP"),
    (MOCK, "topics", "groups_are_listed_moved_and_deleted", "it lists no groups"),
    (MOCK, "topics", "nobody_takes_what_has_no_stream", "it makes each topic that is asked for"),
    (MOCK, "topics", "streams_are_made_listed_and_deleted", "it has no controller, who makes them"),
    (MOCK, "topics", "times_are_places", "it finds no offset by its time"),
    # Live messages: a publish is over when the server's socket has it.
    (ALL, "live", "a_message_of_a_publisher_can_be_kept?",
     "on_publisher: who publishes does not run the callbacks of those who get it"),
    (ALL, "live", "on_publisher_runs_in_the_publish_and_does_not_recurse", "the same"),
    (ALL, "live", "names_share_a_broker_and_others_do_not?",
     "all these names are one server here, which may hear the last of three connections first"),
    (ALL, "live", "stats_count_what_was_sent_and_delivered",
     "out_msgs counts answers of the server's, too"),
    (ALL, "slow", "a_group_falls_through_to_the_member_that_has_room?",
     "the server picks the member, and does not know which one is full"),
    (ALL, "slow", "block_answers_eagain_and_nobody_has_it",
     "a reader of this process that is full holds up no publisher behind a server"),
    (ALL, "slow", "block_waits_for_room_and_loses_nothing", "the same"),
    (ALL, "request", "an_asynchronous_request_is_told_once",
     "that nobody listens is told by the callback, not by the call"),
    (ALL, "request", "what_waits_for_a_stream_may_be_called_in_a_callback",
     "the flush of this suite runs the callback that the test waits for"),
    (ALL, "request", "an_inbox_takes_many_answers?",
     "the second answer is on its way when the first one is read"),
    (ALL, "drive", "a_timeout_is_part_of_the_wait", "the connection has work of its own to do"),
    (ALL, "drive", "callbacks_run_in_poll_and_nowhere_else",
     "the flush of this suite runs callbacks"),
    (ALL, "drive", "a_wait_is_woken_by_another_thread?", "the same, on another thread"),
    (ALL, "drive", "events_come_in_poll_and_closed_is_the_last",
     "RILL_EV_UP is told while rill_open() waits for the connection"),
    (ALL, "drive", "only_a_driven_bus_is_polled", "one thread reads all connections of a process"),
    (ALL, "request", "an_answer_comes_back?",
     "a request that must not wait cannot have an answer of the server's"),
    # Streams.
    (OLD, "stream", "a_limit_that_is_lowered_takes_no_job?",
     "a limit that is lowered takes messages there, whatever is rejected from then on"),
    (NATS, "stream", "a_delivery_counts_however_soon_the_close_comes?",
     "what was sent to a reader that closes has been delivered, whether it was read or not"),
    (ALL, "stream", "what_is_published_and_refused_is_told",
     "a publish wants no answer, so that nothing comes back that could tell"),
    (NATS, "stream", "a_compacted_stream_keeps_the_last_of_each_subject",
     "compact is rill's: RILL_ENOTSUP"),
    (NATS, "stream", "what_is_given_up_is_moved", "dead_letters are rill's: RILL_ENOTSUP"),
    (ALL, "stream", "many_appends_are_under_way_at_once?",
     "more than max_inflight are RILL_EAGAIN, if the server does not answer soon"),
    (NATS, "groups", "who_joins_gets_the_group_as_it_is", "the same"),
    (NATS, "options", "a_configuration_is_read_back", "dedupe_strictly is rill's: RILL_ENOTSUP"),
    (NATS, "options", "what_is_denied_stays_denied?",
     "a stream that is made again under a name that was deleted now and then has its old messages"),
    (NATS, "options", "readers_have_options?", "a reader's place ends a moment after the reader"),
    (NATS, "place", "acks_come_by_themselves?", "an ack is heeded a moment after it was sent"),
    ("rilld newest cluster", "batch", "batches_have_bounds",
     "what the messages of a batch may have in common is said by the server, in its words"),
    # A cluster answers when most of its servers have it; the others follow.
    ("cluster", "obj", "many_writers_leave_one_object_and_no_piece_more?",
     "that there is a new bucket is known to all servers a moment later"),
    ("cluster", "obj", "a_put_that_fails_on_disk_leaves_nothing?", "the same"),
    ("cluster", "obj", "it_lies_as_nats_clients_lay_it?", "the same"),
    ("cluster", "obj", "a_replacement_is_atomic?", "the same"),
    ("cluster", "obj", "objects_of_every_length_come_back?", "the same"),
    ("cluster", "stream", "what_is_not_waited_for_is_sent?",
     "the same, and what is not waited for is not sent again"),
    ("cluster", "place", "a_group_can_be_held_up?", "a pause begins a moment later"),
    ("cluster", "groups", "anybody_may_look_at_a_group?", "the same"),
    ("cluster", "options", "a_stream_copies_others?", "a source is found seconds later"),
    # What an older server does not have.
    (OLD, "batch", "batches_have_bounds", "batches: RILL_ENOTSUP"),
    (OLD, "batch", "a_batch_that_is_sent_again_says_so", "batches: RILL_ENOTSUP"),
    (OLD, "batch", "the_end_of_a_batch_is_told_again", "batches: RILL_ENOTSUP"),
    (OLD, "place", "a_reader_goes_back_and_ahead?",
     "2.9 may pass over what is appended behind a place by a time to come"),
    (OLD, "place", "a_group_can_be_held_up", "pauses: RILL_ENOTSUP"),
    (OLD, "groups", "anybody_may_look_at_a_group", "pauses: RILL_ENOTSUP"),
    (OLD, "place", "one_message_is_had_by_its_place", "a message by its time: RILL_ENOTSUP"),
    (OLD, "topics", "times_are_places", "the same"),
    (OLD, "options", "a_message_can_wait_for_its_time", "schedules: RILL_ENOTSUP"),
    (OLD, "options", "a_message_has_a_time_to_live_of_its_own", "ttl_ms: RILL_ENOTSUP"),
    (OLD, "kv", "a_key_may_die_by_itself", "ttl_ms: RILL_ENOTSUP"),
    (OLD, "options", "a_stream_copies_others", "first_seq: RILL_ENOTSUP"),
    (OLD, "options", "subjects_are_changed_and_messages_published_anew",
     "transforms: RILL_ENOTSUP"),
]

# Programs that are not run over a target, and why.
NOT_RUN = {MOCK: ("drive stream batch options refused".split(),
                  "its topics are there: it has no controller, who makes others")}

LIVE = "^Kafka has no live messages and no answers: rill_tail[(][)] reads a topic"
BUCKETS = "^Kafka holds no buckets: it finds no message by its key"
OPTION = "^Kafka has no such option for a (topic|reader): [a-z_]+"

# Programs whose tests ask for what Kafka has not: targets, program, what the sentences of their
# RILL_ENOTSUP say, the tests that hold all the same, reason.
LACKS = [
    (KAFKA, "live", LIVE, "", "subjects that are live and not stored"),
    (KAFKA, "slow", LIVE, "", "the same"),
    (KAFKA, "request", LIVE, "", "who answers has to be listening"),
    (KAFKA, "drain", LIVE, "", "subjects that are live and not stored"),
    (KAFKA, "drive", LIVE + "|" + BUCKETS, "only_a_driven_bus_is_polled doors_in_either_order",
     "the same, and a bucket"),
    (KAFKA, "close", LIVE, "a_broker_closes_before_its_buses "
     "a_bus_hears_that_its_broker_is_gone null_is_a_no_op", "the same"),
    (KAFKA, "kv", BUCKETS, "", "buckets"),
    (KAFKA, "obj", BUCKETS, "", "buckets"),
    (KAFKA, "stream", OPTION,
     "many_appends_are_under_way_at_once what_is_not_waited_for_is_sent",
     "streams of several subjects, and limits that are not Kafka's: what a topic has is in topics"),
    (KAFKA, "batch", OPTION, "", "the same"),
    (KAFKA, "place", OPTION, "", "the same"),
    (KAFKA, "groups", OPTION, "", "the same"),
    (KAFKA, "options", OPTION + "|" + BUCKETS,
     "all_streams_are_described streams_are_promised_no_more_than_there_may_be "
     "messages_come_without_headers", "the same, and a bucket"),
    (KAFKA, "refused", BUCKETS, "nulls_in_appends nulls_in_streams nulls_in_brokers "
     "the_broker_is_gone", "buckets"),
]
