#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kafka_tools.sh DIR RILLD: the steps of Kafka's quickstart and of an operator's first day, by Kafka's
# own tools, which are fetched into DIR/kafka, against rilld. Exit 77, with a line that says why, when
# they cannot be had.
set -u
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "${NATS_URL:-}" ]; then
    jars=$(sh "$here/kafka_jars.sh" "$1") || { status=$?; echo "$jars"; exit $status; }
    JARS=$jars exec sh "$here/with_server.sh" "$(realpath "$2")" --kafka -1 -js -sd @DIR@/store -- \
        sh "$0" "$@"
fi
port=$(sed -n "s/.*Listening for Kafka.s clients on .*:\([0-9][0-9]*\)$/\1/p" "$SERVER_DIR/log")
at="--bootstrap-server 127.0.0.1:$port"
out=$SERVER_DIR/out
t=org.apache.kafka.tools

# tool CLASS ARG...: what it prints goes to $out; what it says of failures, too.
tool() {
    class=$1
    shift
    timeout 120 java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$JARS/*" \
        "$class" "$@" >"$out" 2>&1 || fail "$class $*: exit $?"
}
fail() { echo "FAILED: $1"; cat "$out"; exit 1; }
says() { grep -q -- "$1" "$out" || fail "no \"$1\""; }

tool $t.TopicCommand $at --create --topic quickstart-events
says "Created topic quickstart-events."
printf 'This is my first event\nThis is my second event\n' |
    tool $t.ConsoleProducer $at --topic quickstart-events
tool $t.consumer.ConsoleConsumer $at --topic quickstart-events --from-beginning --max-messages 2
says "This is my first event"
says "Processed a total of 2 messages"
tool $t.consumer.ConsoleConsumer $at --topic quickstart-events --from-beginning --max-messages 2 \
    --group g --consumer-property group.protocol=consumer
says "This is my second event"
tool $t.TopicCommand $at --alter --topic quickstart-events --partitions 3
tool $t.TopicCommand $at --describe --topic quickstart-events
says "PartitionCount: 3"
tool kafka.admin.ConfigCommand $at --alter --entity-type topics --entity-name quickstart-events \
    --add-config retention.ms=3600000
tool kafka.admin.ConfigCommand $at --describe --entity-type topics --entity-name quickstart-events
says "retention.ms=3600000"
tool $t.consumer.group.ConsumerGroupCommand $at --describe --group g
says "g  *quickstart-events 0  *2  *2  *0"
tool $t.consumer.group.ConsumerGroupCommand $at --reset-offsets --to-earliest --group g \
    --topic quickstart-events --execute
says "g  *quickstart-events  *0  *0"
tool $t.consumer.group.ConsumerGroupCommand $at --delete --group g
says "was successful"
tool $t.VerifiableProducer $at --topic verified --max-messages 2000
says '"sent":2000,"acked":2000'
tool $t.VerifiableConsumer $at --topic verified --group-id v --max-messages 2000 --reset-policy earliest
says '"partition":0,"offset":2000'
tool $t.GetOffsetShell $at --topic verified
says "verified:0:2000"
tool $t.TopicCommand $at --delete --topic quickstart-events
tool $t.TopicCommand $at --list
says "^verified$"
! grep -q quickstart "$out" || fail "a topic that was deleted is listed"
echo "Kafka's tools: all steps"
