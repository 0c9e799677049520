#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# budget.sh LIBRARY DAEMON: the size of each without its symbols, against its budget. The library,
# which is broker and client, may have a twentieth of nats-server's 17.3 MB and, for the handles
# over servers, a third of libnats' 432 KB; the daemon, which may have everything down to the C
# library in it, a seventh of nats-server's.
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
check "$1" 1011000
check "$2" 2440000
exit $failed
