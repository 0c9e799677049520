#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# asyncnats_suite.sh CHECKOUT RILLD [NATS_SERVER]: the own tests of async-nats, Rust's client, with
# rilld standing in for the nats-server that they start. CHECKOUT is its repository. What passes
# against the real server (NATS_SERVER, else the one on PATH) must pass against rilld, but for the
# tests below. By hand, with cargo: building takes minutes, so .ci/run leaves it out.
# shellcheck disable=SC2086  # lists are words, split at blanks
set -u
checkout=$1
rilld=$(realpath "$2")
peer=$(realpath "${3:-$(command -v nats-server)}")
suites="client_tests jetstream_tests kv_tests object_store service_tests server_pool_tests
    subject_validation_test"
# What rilld does not have: clusters, then operators and their JWTs.
without="create_stream_with_replicas server_pool_contains_discovered_servers
    set_server_pool_marks_all_as_explicit custom_auth_callback_jwt multiple_auth_methods"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/ours" "$work/theirs"
ln -s "$rilld" "$work/ours/nats-server"
ln -s "$peer" "$work/theirs/nats-server"
skips=""
for name in $without; do skips="$skips --skip $name"; done
cd "$checkout" || exit 1
for suite in $suites; do
    cargo test -q -p async-nats --no-run --test "$suite" || exit 1
    for side in ours theirs; do
        PATH=$work/$side:$PATH timeout 900 cargo test -p async-nats --test "$suite" -- $skips \
            --test-threads=2 >"$work/log" 2>&1
        sed -n 's/^test \(.*\) \.\.\. ok$/\1/p' "$work/log" | sort >>"$work/$side.ok"
    done
done
sort -o "$work/ours.ok" "$work/ours.ok"
sort -o "$work/theirs.ok" "$work/theirs.ok"
comm -13 "$work/ours.ok" "$work/theirs.ok" | sed 's/^/passes with nats-server alone: /'
echo "$(wc -l <"$work/ours.ok") passed with rilld, $(wc -l <"$work/theirs.ok") with nats-server"
[ -z "$(comm -13 "$work/ours.ok" "$work/theirs.ok")" ]
