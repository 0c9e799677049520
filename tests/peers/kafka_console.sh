#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kafka_console.sh DIR RILLD: what web consoles ask a cluster for, by Kafka's AdminClient, which is
# fetched into DIR/kafka, of rilld, and what a Kafka 4.1 has answered (kafka_console.expected).
# KAFKA_BROKERS names a Kafka whose answers are printed instead. Exit 77, with a line that says why,
# when Java's compiler or the jars cannot be had.
# shellcheck disable=SC2153  # JARS is kafka.sh's
set -u
here=$(cd "$(dirname "$0")" && pwd)
skip() { echo "skipped: $1"; exit 77; }
command -v javac >/dev/null || skip "no javac here: apt-get install openjdk-17-jdk-headless"
if [ -z "${JARS:-}" ]; then
    JARS=$(sh "$here/kafka_jars.sh" "$1") || { status=$?; echo "$JARS"; exit $status; }
    export JARS
fi
ask() {
    timeout 240 java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$JARS/*" \
        "$here/KafkaConsole.java" "$1" 2>"$2"
}
if [ -n "${KAFKA_BROKERS:-}" ]; then
    ask "$KAFKA_BROKERS" /dev/stderr
    exit
fi
if [ -z "${NATS_URL:-}" ]; then
    exec sh "$here/with_server.sh" "$(realpath "$2")" --kafka -1 -js -sd @DIR@/store -- \
        sh "$0" "$@"
fi
broker=127.0.0.1:$(sed -n "s/.*Listening for Kafka.s clients on .*:\([0-9][0-9]*\)$/\1/p" \
    "$SERVER_DIR/log")
ask "$broker" "$SERVER_DIR/errors" >"$SERVER_DIR/out" || { cat "$SERVER_DIR/errors"; exit 1; }
diff -u "$here/kafka_console.expected" "$SERVER_DIR/out" || exit 1
echo "$(wc -l <"$SERVER_DIR/out") answers are a Kafka's"
