#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A reader written from the essay alone and the library see the same records, in logs made now
# and in the golden ones, which every version of the library must read for ever.
#     read_store.sh DUMP_STORE READ_STORE.PY GOLDEN_DIRECTORY
set -eu
dump=$1 reader=$2 golden=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for seed in 1 2; do
    "$dump" --make "$work/$seed" "$seed"
    "$dump" "$work/$seed" >"$work/c"
    python3 "$reader" "$work/$seed" >"$work/py"
    cmp "$work/c" "$work/py"
    test -s "$work/c"
done
for version in "$golden"/v*/; do
    want=${version%/}.txt
    "$dump" "$version" | cmp - "$want"
    python3 "$reader" "$version" | cmp - "$want"
    cp -R "$version" "$work/grown"
    "$dump" --grow "$work/grown"
    "$dump" "$work/grown" >"$work/c"
    python3 "$reader" "$work/grown" >"$work/py"
    cmp "$work/c" "$work/py"
    test "$(wc -l <"$work/c")" -gt "$(wc -l <"$want")"
    grep -v grown "$work/c" | cut -d' ' -f1-5 >"$work/was" # the cleaner makes batches anew
    cut -d' ' -f1-5 "$want" | cmp - "$work/was"
    rm -rf "$work/grown"
done
echo "two logs and the golden ones, as they are and grown: both readers agree"
