#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# with_server.sh SERVER [ARG...] -- COMMAND...: run the command with a server of its own on a free
# port of loopback, named by NATS_URL, and NATS_WEB_URL for WebSocket; then end the server and demand that it ends. @DIR@ in the
# server's arguments is a directory that goes with it.
# shellcheck disable=SC2086  # lists are words, split at blanks
set -u
work=$(mktemp -d)
server=$1
shift
args=""
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    args="$args $(echo "$1" | sed "s|@DIR@|$work|g")"
    shift
done
shift
: >"$work/log"
"$server" -a 127.0.0.1 -p -1 $args >"$work/log" 2>&1 &
pid=$!
trap 'kill -9 $pid 2>/dev/null; rm -rf "$work"' EXIT

port="" tries=0
until [ -n "$port" ] && grep -q "Server is ready" "$work/log"; do
    port=$(sed -n 's/.*Listening for client connections on .*:\([0-9][0-9]*\)$/\1/p' "$work/log")
    tries=$((tries + 1))
    if [ $tries -gt 2000 ] || ! kill -0 $pid 2>/dev/null; then
        echo "the server does not listen:"
        cat "$work/log"
        exit 1
    fi
    sleep 0.05
done
# Where the server listens for WebSocket, if its configuration says so.
web=$(sed -n 's|.*Listening for websocket clients on \(ws.*\)$|\1|p' "$work/log")
NATS_URL=nats://127.0.0.1:$port NATS_WEB_URL=$web SERVER_PID=$pid SERVER_DIR=$work "$@"
status=$?
kill -0 $pid 2>/dev/null || { echo "the server is gone"; status=1; }
kill -TERM $pid 2>/dev/null
tries=0
while kill -0 $pid 2>/dev/null; do
    tries=$((tries + 1))
    [ $tries -le 2000 ] || { echo "the server does not end on SIGTERM"; exit 1; }
    sleep 0.05
done
[ $status = 0 ] || cat "$work/log"
exit $status
