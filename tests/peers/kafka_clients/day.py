# SPDX-License-Identifier: Apache-2.0
"""day.py BROKERS: a day's work of confluent-kafka, which brings a librdkafka of its own, at rilld
or at a Kafka, with counts and order checked."""
import sys
import time

import confluent_kafka
from confluent_kafka import (Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException,
                             Producer, TopicPartition, OFFSET_BEGINNING)
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource,
                                   NewPartitions, NewTopic, OffsetSpec, ResourceType)

BROKERS, TOPIC, PARTITIONS, KEYS, BOUND_S = sys.argv[1], "confluent.day", 6, 50, 30
ADMIN = AdminClient({"bootstrap.servers": BROKERS})
SENT = 0


def check(what, good, *more):
    if not good:
        print("FAILED:", what, *more)
        sys.exit(1)


def same(what, got, wanted):
    check(what, got == wanted, got, "not", wanted)


def done(futures):
    return {key: future.result(BOUND_S) for key, future in futures.items()}


def fails(what, code, futures):
    for future in futures.values():
        try:
            check(what, False, future.result(BOUND_S))
        except KafkaException as error:
            same(what, error.args[0].code(), code)


class Member:
    """What a consumer has seen: offsets of a partition without a hole, numbers of a key that rise.
    A partition that is given to it anew may begin anywhere."""

    def __init__(self, group, **more):
        self.numbers, self.assigned, self.next, self.last = {}, set(), {}, {}
        self.consumer = Consumer({
            "bootstrap.servers": BROKERS, "group.id": group, "auto.offset.reset": "earliest",
            "auto.commit.interval.ms": 100, "topic.metadata.refresh.interval.ms": 1000,
            **{name.replace("_", "."): value for name, value in more.items()}})
        self.consumer.subscribe([TOPIC], on_assign=self.given, on_revoke=self.taken,
                                on_lost=self.taken)

    def given(self, consumer, places):
        for place in places:
            self.assigned.add(place.partition)
            self.next.pop(place.partition, None)
        self.last = {}

    def taken(self, consumer, places):
        self.assigned -= {place.partition for place in places}

    def turn(self):
        for message in self.consumer.consume(2000, 0.02):
            check("a record: %s" % message.error(), message.error() is None)
            self.note(message)

    def note(self, message):
        key, number = message.value().decode().split()
        same("the key and the header", [message.key().decode(), message.headers()],
             [key, [("number", number.encode())]])
        place = message.partition()
        same("the offset in partition %d" % place, message.offset(),
             self.next.get(place, message.offset()))
        self.next[place] = message.offset() + 1
        check("order of " + key, self.last.get(key, -1) < int(number), number, self.last.get(key))
        self.last[key] = int(number)
        self.numbers[int(number)] = self.numbers.get(int(number), 0) + 1

    def anew(self):
        self.numbers, self.next, self.last = {}, {}, {}


def until(what, condition, *members):
    end = time.monotonic() + BOUND_S
    while not condition():
        check("waited in vain for " + what, time.monotonic() < end,
              [(len(m.numbers), m.assigned) for m in members])
        for member in members:
            member.turn()


def seen(*members):
    return len(set().union(*(m.numbers for m in members)))


def produce(producer, n):
    """Records "KEY NUMBER", numbered in the order in which they are sent."""
    global SENT
    bad = []

    def told(error, message):
        if error:
            bad.append(error)

    for number in range(SENT, SENT + n):
        key = "k%d" % (number % KEYS)
        producer.produce(TOPIC, "%s %d" % (key, number), key, on_delivery=told,
                         headers={"number": str(number)})
        if number % 1000 == 0:
            producer.poll(0)
    same("what is left", producer.flush(BOUND_S), 0)
    same("what was not taken", bad, [])
    SENT += n


def offsets(spec):
    places = {TopicPartition(TOPIC, p): spec for p in range(PARTITIONS)}
    return {p.partition: r.offset for p, r in done(ADMIN.list_offsets(places)).items()}


def describe():
    return done(ADMIN.describe_topics(confluent_kafka.TopicCollection([TOPIC])))[TOPIC]


def topics():
    """A Kafka's broker hears a little later what its controller has done."""
    new = NewTopic(TOPIC, 3, 1, config={"retention.ms": "3600000"})
    done(ADMIN.create_topics([new]))
    fails("it is there already", KafkaError.TOPIC_ALREADY_EXISTS, ADMIN.create_topics([new]))
    done(ADMIN.create_partitions([NewPartitions(TOPIC, PARTITIONS)]))
    fails("fewer partitions", KafkaError.INVALID_PARTITIONS,
          ADMIN.create_partitions([NewPartitions(TOPIC, 2)]))
    until("its partitions",
          lambda: [p.id for p in describe().partitions] == list(range(PARTITIONS)))
    change = ConfigResource(ResourceType.TOPIC, TOPIC, incremental_configs=[
        ConfigEntry("retention.ms", "7200000", incremental_operation=AlterConfigOpType.SET)])
    done(ADMIN.incremental_alter_configs([change]))
    configs = lambda: done(ADMIN.describe_configs([ConfigResource(ResourceType.TOPIC, TOPIC)]))
    until("its setting",
          lambda: list(configs().values())[0]["retention.ms"].value == "7200000")
    check("it is listed", TOPIC in ADMIN.list_topics(timeout=BOUND_S).topics)
    fails("a topic that is not there", KafkaError.UNKNOWN_TOPIC_OR_PART,
          ADMIN.delete_topics(["confluent.nobody"]))


def come_and_go(producer, group, others, **more):
    """A member, then others beside it, one after the other; all but the last go again."""
    produce(producer, 3000)
    members = []
    for n in range(1, others + 2):
        members.append(Member(group, **more))
        until("each of %d to have some" % n,
              lambda: all(len(m.assigned) == PARTITIONS // n for m in members), *members)
        produce(producer, 3000)
        until("what %d read" % n, lambda: seen(*members) == SENT, *members)
    about = done(ADMIN.describe_consumer_groups([group]))[group]
    same("the group", (about.state.name, len(about.members)), ("STABLE", len(members)))
    fails("a group in use", KafkaError.NON_EMPTY_GROUP, ADMIN.delete_consumer_groups([group]))
    for n in range(others, 0, -1):
        members[-n - 1].consumer.close()
        left = members[-n:]
        until("%d to have all" % n,
              lambda: all(len(m.assigned) == PARTITIONS // n for m in left), *left)
        produce(producer, 1000)
        until("what those read", lambda: seen(*members) == SENT, *left)
    members[-1].consumer.close()
    committed = done(ADMIN.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]))
    same("what was committed", {p.partition: p.offset for p in committed[group].topic_partitions},
         offsets(OffsetSpec.latest()))
    again = Member(group, **more)
    until("its partitions", lambda: len(again.assigned) == PARTITIONS, again)
    produce(producer, 10)
    until("what is new", lambda: seen(again) == 10, again)
    again.consumer.close()


def places(producer):
    it = Member("confluent.places", **BRIEF)
    until("all of it", lambda: seen(it) == SENT, it)
    ends = offsets(OffsetSpec.latest())
    same("the sum of the ends", sum(ends.values()), SENT)
    it.anew()
    it.consumer.seek(TopicPartition(TOPIC, 2, ends[2] - 10))
    until("what was sought", lambda: seen(it) == 10, it)
    others = [TopicPartition(TOPIC, p) for p in range(PARTITIONS - 1)]
    it.consumer.pause(others)
    it.anew()
    produce(producer, 500)
    there = offsets(OffsetSpec.latest())[PARTITIONS - 1] - ends[PARTITIONS - 1]
    check("some go to each partition", 0 < there < 500, there)
    until("what is not paused", lambda: seen(it) == there, it)
    it.consumer.resume(others)
    until("what was paused", lambda: seen(it) == 500, it)
    it.consumer.close()


def by_hand():
    """Without a group: from the beginning, by time, and behind the end."""
    it = Consumer({"bootstrap.servers": BROKERS, "group.id": "confluent.none",
                   "enable.auto.commit": False, "enable.partition.eof": True})
    it.assign([TopicPartition(TOPIC, 0, OFFSET_BEGINNING)])
    last = -1
    end = time.monotonic() + BOUND_S
    while time.monotonic() < end:
        message = it.poll(1)
        if message is None:
            continue
        if message.error() is not None:
            same("the end", message.error().code(), KafkaError._PARTITION_EOF)
            break
        same("the next", message.offset(), last + 1)
        last = message.offset()
    same("the end of it", last + 1, it.get_watermark_offsets(TopicPartition(TOPIC, 0))[1])
    late = it.offsets_for_times([TopicPartition(TOPIC, 0, int(time.time() * 1000) + 60000)])
    same("nothing is so late", late[0].offset, -1)
    early = it.offsets_for_times([TopicPartition(TOPIC, 0, 0)])
    same("all are later", early[0].offset, 0)
    it.close()


def ends():
    done(ADMIN.delete_records([TopicPartition(TOPIC, 1, 5)]))
    same("where it begins", offsets(OffsetSpec.earliest())[1], 5)
    mine = lambda: sorted(g.group_id for g in ADMIN.list_consumer_groups().result(BOUND_S).valid
                          if g.group_id.startswith("confluent."))
    same("the groups", mine(), ["confluent.classic", "confluent.modern", "confluent.places",
                                "confluent.together"])
    done(ADMIN.delete_consumer_groups(mine()))
    same("no group is left", mine(), [])
    done(ADMIN.delete_topics([TOPIC]))
    until("its end", lambda: TOPIC not in ADMIN.list_topics(timeout=BOUND_S).topics)


topics()
PRODUCER = Producer({"bootstrap.servers": BROKERS, "enable.idempotence": True, "acks": "all",
                     "linger.ms": 5, "compression.type": "lz4", "batch.num.messages": 500})
BRIEF = {"heartbeat_interval_ms": 200, "session_timeout_ms": 6000}
come_and_go(PRODUCER, "confluent.classic", 2, **BRIEF)
come_and_go(PRODUCER, "confluent.together", 2, **BRIEF,
            partition_assignment_strategy="cooperative-sticky")
come_and_go(PRODUCER, "confluent.modern", 1, group_protocol="consumer")
places(PRODUCER)
by_hand()
ends()
print("confluent-kafka %s, librdkafka %s: all steps, %d records" %
      (confluent_kafka.__version__, confluent_kafka.libversion()[0], SENT))
