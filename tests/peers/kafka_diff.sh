#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kafka_diff.sh DIR RILLD: ask rilld what a Kafka 4.4 was asked, and compare the answers field by
# field with those that it gave, which are kept in kafka_diff/; what may differ says
# kafka_diff/accepted.txt, with the reason. KAFKA_BROKERS names a Kafka that is new, and is asked
# beside rilld instead. Exit 77, with a line that says why, when there is no Go, or its registry is
# not reached.
# shellcheck disable=SC3013  # -nt is in each sh that we know
set -u
dir=$1
rilld=$(realpath "$2")
here=$(cd "$(dirname "$0")" && pwd)

skip() { echo "skipped: $1"; exit 77; }
command -v go >/dev/null || skip "no go here: apt-get install golang-go"
mkdir -p "$dir/kafka_diff" && dir=$(cd "$dir/kafka_diff" && pwd) || exit 1
if [ ! "$dir/kdiff" -nt "$here/kafka_diff/main.go" ]; then
    cp "$here"/kafka_diff/go.* "$here/kafka_diff/main.go" "$dir/" || exit 1
    (cd "$dir" && timeout 900 go build -o kdiff .) >"$dir/log" 2>&1 ||
        skip "kmsg was not to be had from the Go registry: $(tail -n 1 "$dir/log")"
fi

cd "$here/kafka_diff" || exit 1
KDIFF=$dir/kdiff exec sh "$here/with_server.sh" "$rilld" --kafka -1 -js -sd @DIR@/store -- sh -c '
    port=$(sed -n "s/.*Listening for Kafka.s clients on .*:\([0-9][0-9]*\)$/\1/p" "$SERVER_DIR/log")
    gunzip -c answers.jsonl.gz >"$SERVER_DIR/answers" || exit 1
    KDIFF_ACCEPT=accepted.txt "$KDIFF" run "${KAFKA_BROKERS:-@$SERVER_DIR/answers}" \
        "127.0.0.1:$port" ./0*.txt'
