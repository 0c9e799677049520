#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kafka_diff.sh DIR RILLD: ask rilld what a Kafka 4.4 was asked, and compare the answers field by
# field with those that it gave, which are kept in kafka_diff/; what may differ says
# kafka_diff/accepted.txt, with the reason. KAFKA_BROKERS names a Kafka that is new, and is asked
# beside rilld instead. Exit 77, with a line that says why, when there is no Go, or its registry is
# not reached.
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

work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || { kill "$pid"; wait "$pid"; } 2>/dev/null; rm -rf "$work"' EXIT
: >"$work/log"
"$rilld" -a 127.0.0.1 -p -1 --kafka -1 -js -sd "$work/store" >"$work/log" 2>&1 &
pid=$!
port="" tries=0
while [ -z "$port" ]; do
    port=$(sed -n "s/.*Listening for Kafka's clients on .*:\([0-9][0-9]*\)$/\1/p" "$work/log")
    tries=$((tries + 1))
    if [ $tries -gt 100 ] || ! kill -0 $pid 2>/dev/null; then
        echo "rilld does not listen:"
        cat "$work/log"
        exit 1
    fi
    [ -n "$port" ] || sleep 0.05
done
gunzip -c "$here/kafka_diff/answers.jsonl.gz" >"$work/answers" || exit 1
cd "$here/kafka_diff" || exit 1
KDIFF_ACCEPT=accepted.txt "$dir/kdiff" run "${KAFKA_BROKERS:-@$work/answers}" "127.0.0.1:$port" \
    ./0*.txt
status=$?
kill -0 $pid 2>/dev/null || { echo "rilld is gone:"; cat "$work/log"; status=1; }
exit $status
