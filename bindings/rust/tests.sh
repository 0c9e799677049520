#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tests.sh PART: with $CARGO, and librill of the build in $RILL_BUILD. Each skips (77) where
# crates.io is not reached.
#   rows      rustfmt, clippy, cargo test: a row a feature or a case, and the examples of the manual
#   examples  the programs of examples/ in Rust, compared with what those in C say that they print
#   valgrind  the rows again, and no byte may be lost
#   package   cargo package, and what comes of that, built by who has nothing but that; and the
#             bench, beside async-nats
# shellcheck disable=SC2086  # lists are words, split at blanks
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cargo=${CARGO:-cargo}
dir=$RILL_BUILD/bindings/rust
mkdir -p "$dir" && cd "$here" || exit 1
export CARGO_TARGET_DIR="$dir/target" CARGO_TERM_COLOR=never RILL_FROM=installed
export PKG_CONFIG_PATH="$RILL_BUILD/meson-uninstalled"
export LD_LIBRARY_PATH="$RILL_BUILD/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
features="--features bytes,futures"

if ! timeout 300 "$cargo" fetch --locked >"$dir/fetch.log" 2>&1; then
    echo "skipped: crates were not to be had from crates.io: $(tail -n 1 "$dir/fetch.log")"
    exit 77
fi

failed=0
step() { # NAME COMMAND...: say how it went
    name=$1
    shift
    if "$@" >"$dir/step.log" 2>&1; then echo "ok   $name"; else
        echo "FAIL $name"
        grep -v '\.\.\. ok$' "$dir/step.log" | tail -n 60
        failed=1
    fi
}

# The newest test program of that name.
built() { find "$CARGO_TARGET_DIR/debug/deps" -name "$1-*" -perm -u+x -type f -exec ls -t {} + | head -n 1; }

case $1 in
rows)
    if "$cargo" fmt --version >/dev/null 2>&1; then step "rustfmt" "$cargo" fmt --check; fi
    if "$cargo" clippy --version >/dev/null 2>&1; then
        step "clippy" "$cargo" clippy --locked --all-targets $features -- -D warnings
    fi
    step "without features" "$cargo" check --locked -p rill
    go=${GO:-$(command -v go || echo /usr/local/go/bin/go)}
    if [ -x "$go" ] && (cd ../go && GOPROXY=off GOTOOLCHAIN=local \
        sh with_checkout.sh "$go" build -o "$dir/peer_go" ./peer/go) >"$dir/step.log" 2>&1; then
        export RILL_PEER_GO="$dir/peer_go"
    else
        echo "skipped: no Go, so no program of Go's beside Rust's: $(tail -n 1 "$dir/step.log")"
    fi
    step "cargo test" timeout 600 "$cargo" test --locked --no-fail-fast $features -- --show-output
    grep -E '^(test |skipped|beside )' "$dir/step.log" ;;
examples)
    step "cargo build" "$cargo" build --locked -p rill --examples $features
    cd "$dir" || exit 1
    for name in hello request_reply worker_queue own_loop queue replay kv_watch batch dead_letters \
        anywhere object_copy embedded_broker own_wire backup users own_login bounded_bus; do
        step "$name" python3 "$root/tests/examples/prints.py" "$root/examples/$name.c" \
            "$CARGO_TARGET_DIR/debug/examples/programs" "$name"
    done
    step "tokio" "$CARGO_TARGET_DIR/debug/examples/tokio" ;;
valgrind)
    step "cargo build" "$cargo" test --locked -p rill --no-run $features
    export RILL_MESSAGES=20000 RUST_BACKTRACE=0
    for name in conformance bad_input executors; do
        step "$name" timeout 800 valgrind -q --error-exitcode=99 --leak-check=full \
            --show-leak-kinds=definite --errors-for-leak-kinds=definite --fair-sched=yes \
            "$(built $name)" --skip a_child_of_fork # whose threads' memory is lost to it
    done ;;
package) sh "$here/package.sh" || failed=1 ;;
*) echo "usage: tests.sh rows|examples|valgrind|package" >&2; exit 2 ;;
esac
exit $failed
