#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# interop.sh PYTHON: build the programs in Go and Rust, where those are, and let interop.py have one
# program a language at one broker. The build in $RILL_BUILD has librill; $RILL_PEER_CPP, $RILL_NODE,
# $NODE, $GO and $CARGO say what else there is, and PYTHONPATH has the package.
set -u
here=$(cd "$(dirname "$0")" && pwd)
dir=$RILL_BUILD/bindings/interop
mkdir -p "$dir" && cd "$here" || exit 1
export PKG_CONFIG_PATH="$RILL_BUILD/meson-uninstalled" RILL_FROM=installed
export LD_LIBRARY_PATH="$RILL_BUILD/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"

# built PROGRAM COMMAND...: the program that the command makes, which needs no network.
built() {
    program=$1
    shift
    rm -f "$program"
    timeout 600 "$@" >"$dir/build.log" 2>&1 || tail -n 20 "$dir/build.log" >&2
    [ -x "$program" ] && echo "$program"
}

go_program() {
    cd go && GOPROXY=off GOTOOLCHAIN=local GOFLAGS=-mod=mod \
        sh "$here/../go/with_checkout.sh" "$GO" build -o "$dir/peer_go" .
}

rust_program() {
    CARGO_TARGET_DIR="$dir/target" "$CARGO" build --locked --manifest-path rust/Cargo.toml &&
        cp "$dir/target/debug/rill-interop" "$dir/peer_rust"
}

case $1 in
go | rust) "$1_program"; exit ;;
esac
go='' rust='' node=''
[ -z "${GO:-}" ] || go=$(built "$dir/peer_go" sh "$0" go) || exit 1
[ -z "${CARGO:-}" ] || rust=$(built "$dir/peer_rust" sh "$0" rust) || exit 1
[ -z "${RILL_NODE:-}" ] || node="${NODE:-node} peer.mjs"
timeout 120 "$1" interop.py "Cpp=${RILL_PEER_CPP:-}" "Python=$1 peer.py" "Go=$go" "Rust=$rust" \
    "Node=$node"
