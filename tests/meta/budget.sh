#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# budget.sh FILE...: the size of each file without its symbols, against the budget: a twentieth
# of nats-server's 17.4 MB.
set -u
budget=870000
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
for file; do
    strip -o "$work/stripped" "$file" || exit 1
    size=$(wc -c <"$work/stripped")
    echo "$(basename "$file"): $size bytes stripped, budget $budget"
    [ "$size" -le "$budget" ] || failed=1
done
exit $failed
