#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# page.sh DIR RILLD: nats.js from a page in a headless Chromium, both fetched first, at rilld, which
# must print what a real nats-server printed (page.expected). RILL_PEER names one to print it anew.
set -u
here=$(cd "$(dirname "$0")" && pwd)
dir=$1
sh "$here/fetch.sh" page "$dir" || exit
browser=$(command -v chromium-headless-shell || command -v chromium)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
visit() {
    timeout 400 node "$here/page.mjs" "$dir/page" "$browser" "$1" "$here/../golden/tls" \
        >"$out/said" 2>&1 &&
        diff -u "$here/page.expected" "$out/said"
}

for server in ${RILL_PEER:+"$RILL_PEER"} "$2"; do
    visit "$server" || { echo "at $server:"; cat "$out/said"; exit 1; }
done
cat "$out/said"
