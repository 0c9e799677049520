#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kafka_diff.sh DIR RILLD [run | sweep | walk SEED...]: ask rilld what a Kafka was asked, and compare
# the answers field by field with those that it gave, which are kept in kafka_diff/; what may differ
# says kafka_diff/accepted.txt, with the reason. run: the scenarios, of which a Kafka 4.4 was asked.
# sweep: each request that both announce in each version, bare, cut short, too long and empty. walk:
# groups by the dice; a Kafka 4.1 was asked for those that are kept, and other seeds are for
# KAFKA_BROKERS, which names a Kafka that is new, and is asked beside rilld instead. Exit 77, with a
# line that says why, when there is no Go, or its registry is not reached.
# shellcheck disable=SC3013  # -nt is in each sh that we know
set -u
dir=$1
rilld=$(realpath "$2")
here=$(cd "$(dirname "$0")" && pwd)
shift 2
what=${1:-run}
[ $# -eq 0 ] || shift

skip() { echo "skipped: $1"; exit 77; }
command -v go >/dev/null || skip "no go here: apt-get install golang-go"
mkdir -p "$dir/kafka_diff" && dir=$(cd "$dir/kafka_diff" && pwd) || exit 1
exec 9>"$dir/lock"
flock 9
cat "$here"/kafka_diff/*.go "$here"/kafka_diff/go.* >"$dir/wanted" || exit 1
if [ ! -x "$dir/kdiff" ] || ! cmp -s "$dir/wanted" "$dir/made"; then
    cp "$here"/kafka_diff/go.* "$here"/kafka_diff/*.go "$dir/" || exit 1
    (cd "$dir" && timeout 900 go build -o kdiff .) >"$dir/log" 2>&1 ||
        skip "kmsg was not to be had from the Go registry: $(tail -n 1 "$dir/log")"
    mv "$dir/wanted" "$dir/made"
fi
exec 9>&-

# The groups of a walk begin at once, as those of tests/peers/kafka.sh do nearly.
cd "$here/kafka_diff" || exit 1
rules=$dir/$what.conf
echo 'kafka { listen: "127.0.0.1:-1" }' >"$rules"
case $what in
run) answers=answers set -- ./0*.txt ;;
sweep) answers=sweep set -- ;;
walk)
    echo 'kafka { group.initial.rebalance.delay.ms: 200 }' >>"$rules"
    answers=walks
    # shellcheck disable=SC2046  # numbers
    [ $# -gt 0 ] || set -- $(seq 201 220) ;;
*) echo "kafka_diff.sh: nothing is called $what"; exit 2 ;;
esac

export ANSWERS="$answers.jsonl.gz" WHAT="$what" KDIFF="$dir/kdiff"
exec sh "$here/with_server.sh" "$rilld" -c "$rules" -js -sd @DIR@/store -- sh -c '
    port=$(sed -n "s/.*Listening for Kafka.s clients on .*:\([0-9][0-9]*\)$/\1/p" "$SERVER_DIR/log")
    gunzip -c "$ANSWERS" >"$SERVER_DIR/answers" || exit 1
    KDIFF_ACCEPT=accepted.txt "$KDIFF" "$WHAT" "${KAFKA_BROKERS:-@$SERVER_DIR/answers}" \
        "127.0.0.1:$port" "$@"' sh "$@"
