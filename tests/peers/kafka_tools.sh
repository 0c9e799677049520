#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kafka_tools.sh DIR RILLD: the steps of an operator's first day, by Kafka's own tools, which are
# fetched into DIR/kafka, against rilld. Exit 77, with a line that says why, when they cannot be had.
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
tool $t.TransactionsCommand $at list
says "TransactionalId"
tool $t.TransactionsCommand $at describe-producers --topic quickstart-events --partition 0
says "^[0-9][0-9]*[[:space:]]*0[[:space:]].*None"
tool $t.TransactionsCommand $at find-hanging --topic verified
tool $t.MetadataQuorumCommand $at describe --status
says "LeaderId: *1"
says '"endpoints": \["KAFKA://127.0.0.1:'
tool $t.MetadataQuorumCommand $at describe --replication
says "Leader"
tool $t.LogDirsCommand $at --describe --topic-list quickstart-events
says '"partition":"quickstart-events-0"'
where=$(sed -n 's/.*"logDir":"\([^"]*\)".*/\1/p' "$out")
cat >"$SERVER_DIR/moves.json" <<X
{"version":1,"partitions":[{"topic":"quickstart-events","partition":0,"replicas":[1],"log_dirs":["$where"]}]}
X
moves="$t.reassign.ReassignPartitionsCommand $at --reassignment-json-file $SERVER_DIR/moves.json"
tool $moves --execute
says "Successfully started moving log directory"
tool $moves --verify
says "Reassignment of replica quickstart-events-0-1 completed successfully"
tool $t.TopicCommand $at --delete --topic quickstart-events
tool $t.TopicCommand $at --list
says "^verified$"
! grep -q quickstart "$out" || fail "a topic that was deleted is listed"
echo "Kafka's tools: all steps"
