#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kafka_quickstart.sh DIR RILLD: Kafka's quickstart page, line by line: a topic, its events by the
# console's producer and consumer, a file that Kafka Connect reads into a topic and writes out of it
# again, and the groups of all that. The scripts of its bin/ are the classes that are named here, the
# files of its config/ have the lines that are in them there; the tools are fetched into DIR/kafka.
# Exit 77, with a line that says why, when they cannot be had.
# shellcheck disable=SC2153  # JARS is kafka.sh's
# shellcheck disable=SC2086  # lists are words, split at blanks
set -u
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "${NATS_URL:-}" ]; then
    jars=$(sh "$here/kafka_jars.sh" "$1") || { status=$?; echo "$jars"; exit $status; }
    JARS=$jars exec sh "$here/with_server.sh" "$(realpath "$2")" --kafka -1 -js -sd @DIR@/store -- \
        sh "$0" "$@"
fi
# shellcheck source=tests/peers/kafka_tool.sh
. "$here/kafka_tool.sh"
began=$(date +%s)

# Create a topic to store your events
tool $t.TopicCommand --create --topic quickstart-events $at
says "^Created topic quickstart-events.$"
tool $t.TopicCommand --describe --topic quickstart-events $at
says "^Topic: quickstart-events	TopicId: [A-Za-z0-9_-]\{22\}	PartitionCount: 1	ReplicationFactor: 1	"
says "	Topic: quickstart-events	Partition: 0	Leader: 1	Replicas: 1	Isr: 1"

# Write some events into the topic, and read them
events='This is my first event
This is my second event'
echo "$events" | tool $t.ConsoleProducer --topic quickstart-events $at
tool $t.consumer.ConsoleConsumer --topic quickstart-events --from-beginning --max-messages 2 $at
[ "$(grep '^This is' "$out")" = "$events" ] || fail "not the events, in their order"

# Import and export your data as streams of events with Kafka Connect
cd "$SERVER_DIR" || exit 1
cat >connect-standalone.properties <<X
bootstrap.servers=$broker
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
key.converter.schemas.enable=true
value.converter.schemas.enable=true
offset.storage.file.filename=$SERVER_DIR/connect.offsets
offset.flush.interval.ms=10000
listeners=http://127.0.0.1:0
plugin.path=$(ls "$JARS"/connect-file-*.jar)
X
cat >connect-file-source.properties <<X
name=local-file-source
connector.class=FileStreamSource
tasks.max=1
file=test.txt
topic=connect-test
X
cat >connect-file-sink.properties <<X
name=local-file-sink
connector.class=FileStreamSink
tasks.max=1
file=test.sink.txt
topics=connect-test
X
printf 'foo\nbar\n' >test.txt
$java -cp "$JARS/*" org.apache.kafka.connect.cli.ConnectStandalone connect-standalone.properties \
    connect-file-source.properties connect-file-sink.properties >connect.log 2>&1 &
connect=$!
trap 'kill $connect 2>/dev/null; wait $connect 2>/dev/null' EXIT

# sinks LINE: the file that is written ends with that line, before the time is over.
sinks() {
    for _ in $(seq 1200); do
        [ "$(tail -n 1 test.sink.txt 2>/dev/null)" = "$1" ] && return
        kill -0 $connect || break
        sleep 0.1
    done
    tail -n 40 connect.log
    cp test.sink.txt "$out" 2>/dev/null
    fail "Connect has not written \"$1\""
}
sinks bar
echo "Another line" >>test.txt
sinks "Another line"
printf 'foo\nbar\nAnother line\n' | cmp - test.sink.txt || fail "the lines of test.sink.txt"
tool $t.consumer.ConsoleConsumer $at --topic connect-test --from-beginning --max-messages 3
says '^{"schema":{"type":"string","optional":false},"payload":"foo"}$'
says '^{"schema":{"type":"string","optional":false},"payload":"Another line"}$'
tool $t.GroupsCommand $at --list
says "^connect-local-file-sink *Classic *consumer"
kill $connect
wait $connect
trap - EXIT

# What is left of it all
tool $t.consumer.group.ConsumerGroupCommand $at --describe --group connect-local-file-sink
says "connect-local-file-sink *connect-test *0 *3 *3 *0"
took=$(($(date +%s) - began))
echo "Kafka's quickstart: all lines, in $took s"
