#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# budget.sh LIBRARY DAEMON: the size of each without its symbols, against its budget. The library
# was to stay within 867000 bytes, a twentieth of nats-server's 17.3 MB, while it was a NATS broker
# alone. It is a client of two kinds of servers since, has TLS, and serves Kafka's clients and their
# partitions: it stays within about a twelfth. The daemon, which may have everything down to the C
# library in it, and what unpacks Kafka's batches, stays within a quarter.
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
check() {
    strip -o "$work/stripped" "$1" || exit 1
    size=$(wc -c <"$work/stripped")
    budget=$2
    echo "$(basename "$1"): $size bytes stripped, budget $budget"
    [ "$size" -le "$budget" ] || failed=1
}
check "$1" 1460000
check "$2" 3800000
exit $failed
