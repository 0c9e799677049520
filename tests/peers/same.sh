#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# same.sh RILLD [SERVER ARG...] -- COMMAND...: run the command with rilld and with the real
# nats-server (RILL_PEER, else the one on PATH); both must succeed and print the same.
set -u
here=$(dirname "$0")
rilld=$1
shift
peer=${RILL_PEER:-$(command -v nats-server)}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
sh "$here/with_server.sh" "$rilld" "$@" >"$out/rilld" || { cat "$out/rilld"; exit 1; }
if [ -z "$peer" ]; then
    cat "$out/rilld"
    echo "no nats-server to compare with"
    exit 0
fi
sh "$here/with_server.sh" "$peer" "$@" >"$out/peer" ||
    { echo "the real server failed:"; cat "$out/peer"; exit 1; }
diff -u "$out/peer" "$out/rilld" && cat "$out/rilld"
