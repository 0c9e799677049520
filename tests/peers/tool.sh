#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tool.sh NATS core|js: the nats tool does its work against the server of NATS_URL. Prints what is
# the same for any server; times and rates are looked at and not printed.
set -u
tool=$1
part=$2
work=$(mktemp -d)
pids=""
trap 'kill $pids 2>/dev/null; rm -rf "$work"' EXIT
export HOME="$work" XDG_CONFIG_HOME="$work" # no context of whoever runs this

n() { timeout 100 "$tool" --no-context --timeout 30s -s "$NATS_URL" "$@"; }
die() { echo "$1"; cat "$work"/*.out "$work/err" 2>/dev/null; exit 1; }
try() { what=$1; shift; n "$@" >"$work/out" 2>"$work/err" || { cat "$work/out"; die "$what failed"; }; }
# Wait until a command succeeds, at most a minute.
await() { for _ in $(seq 600); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done; die "waited in vain: $*"; }

core() {
    n sub 'tool.>' --raw --count 3 >"$work/sub.out" 2>"$work/suberr" & sub=$!
    n reply tool_help 'at your service' >"$work/reply.out" 2>&1 & pids="$pids $!"
    await n request tool_help ready
    # The subscriber is known to be there once a message has come; the first ones may be too early.
    until [ -s "$work/sub.out" ] || ! kill -0 $sub 2>/dev/null; do n pub tool.a hello >/dev/null 2>&1; done
    for _ in 1 2 3; do n pub -H Trace:one tool.a hello >/dev/null 2>&1; done
    wait $sub || die "sub failed"
    echo "sub: $(grep -c '^hello$' "$work/sub.out") messages"
    try request request tool_help ask --raw
    echo "request: $(cat "$work/out")"
    n request tool_nobody ask >"$work/out" 2>"$work/err"
    echo "request, nobody there: $(cat "$work/out" "$work/err" | grep -ic 'no responders')"
    try rtt rtt
    try "server check" server check connection --format text
    echo "server check: $(grep -c '^OK\|OK$\|OK ' "$work/out" | sed 's/^[1-9].*/ok/')"
    try "bench pub" bench pub tool_bench --msgs 100000 --size 128 --no-progress
    n bench sub tool_pair --msgs 100000 --size 128 --no-progress >"$work/bench.out" 2>&1 & sub=$!
    until ! kill -0 $sub 2>/dev/null; do
        n bench pub tool_pair --msgs 50000 --size 128 --no-progress >/dev/null 2>&1
    done
    wait $sub || die "bench sub failed"
    echo "bench: done"
}

js() {
    try "stream add" stream add T --subjects 'tool.>' --defaults --storage file
    for i in 1 2 3 4 5; do try pub pub "tool.$i" "message $i" --jetstream; done
    try "stream info" stream info T --json
    echo "stream: $(tr -d ' \n\t' <"$work/out" | sed 's/.*"state":{"messages":\([0-9]*\).*/\1/') messages"
    try "stream get" stream get T 2 --json
    echo "get: $(grep -c '"tool.2"' "$work/out")"
    try "consumer add" consumer add T C --pull --defaults --ack explicit
    try "consumer next" consumer next T C --count 2 --raw --ack
    echo "next: $(grep -c '^message' "$work/out")"
    try "consumer ls" consumer ls T --names
    echo "consumers: $(tr -d ' \n' <"$work/out")"
    try "account info" account info
    try "kv add" kv add B --history 3
    try "kv put" kv put B key value
    try "kv get" kv get B key --raw
    echo "kv: $(cat "$work/out")"
    try "kv del" kv del B key -f
    n kv get B key --raw >"$work/out" 2>"$work/err" && die "a deleted key was read"
    echo "kv: $(grep -o 'key not found' "$work/err" "$work/out" | head -n 1 | sed 's/.*://')"
    head -c 300000 /dev/urandom >"$work/blob"
    try "object add" object add O
    try "object put" object put O "$work/blob" --name blob -f --no-progress
    try "object get" object get O blob -O "$work/back" -f --no-progress
    cmp "$work/blob" "$work/back" || die "the object came back changed"
    echo "object: whole"
    try "backup" stream backup T "$work/backup" --no-progress
    try "stream rm" stream rm T -f
    try "restore" stream restore "$work/backup" --no-progress
    try "stream info" stream info T --json
    echo "restored: $(tr -d ' \n\t' <"$work/out" | sed 's/.*"state":{"messages":\([0-9]*\).*/\1/') messages"
    try "bench js" bench js pub sync tool.bench --msgs 500 --stream T --no-progress
    echo "bench: done"
}

$part
