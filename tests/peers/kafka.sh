#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kafka.sh DIR PROGRAM...: run PROGRAM with the address of a real Kafka as its last argument: one
# node on loopback, whose jars are fetched into DIR/kafka once, and whose data goes with it.
# KAFKA_PID, KAFKA_JARS and KAFKA_PROPERTIES say what it is, for a program that starts another.
# KAFKA_BROKERS names one that runs already, KAFKA_HEAP another heap. Exit 77, with a line that says
# why, when there is no Java, or no Maven, or the registry is not reached.
# shellcheck disable=SC2086  # lists are words, split at blanks
set -u
dir=$1
shift
if [ -n "${KAFKA_BROKERS:-}" ]; then exec "$@" "$KAFKA_BROKERS"; fi

jars=$(sh "$(dirname "$0")/kafka_jars.sh" "$dir") || { status=$?; echo "$jars"; exit $status; }
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || { kill "$pid"; wait "$pid"; } 2>/dev/null; rm -rf "$work"' EXIT
here=$(cd "$(dirname "$0")" && pwd)
free() { PYTHONPATH=$here/../support python3 -c 'from server import free_port; print(free_port())'; }
port=$(free) control=$(free)
cat >"$work/properties" <<X
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$control
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$control
controller.listener.names=CONTROLLER
log.dirs=$work/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=200
auto.create.topics.enable=false
X
kafka() { exec java ${KAFKA_HEAP:--Xms256m -Xmx512m} -cp "$jars/*" "$@"; }
(kafka kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAQ -c "$work/properties") \
    >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
(kafka kafka.Kafka "$work/properties") >"$work/log" 2>&1 &
pid=$!
for _ in $(seq 1800); do
    grep -q "Kafka Server started" "$work/log" && break
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
    kill -0 "$pid" 2>/dev/null || { tail -n 30 "$work/log"; exit 1; }
    read -rt 0.1 <> <(:) || :
done
KAFKA_PID=$pid KAFKA_JARS=$jars KAFKA_PROPERTIES=$work/properties "$@" "127.0.0.1:$port"
