#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tests.sh PART: with $GO, and librill of the build in $RILL_BUILD.
#   rows      go vet and go test: a row a feature or a case
#   examples  the programs of examples/ in Go, compared with what those in C say that they print
#   registry  the rows with the race detector, with AddressSanitizer and with all checks of cgo's
#             pointers; and what needs the Go proxy, which is nats.go beside the package
set -u
here=$(cd "$(dirname "$0")" && pwd)
export GO="${GO:-go}" GOTOOLCHAIN=local GOFLAGS=-mod=mod
dir=$RILL_BUILD/bindings/go
mkdir -p "$dir" && cd "$here" || exit 1
go() { sh "$here/with_checkout.sh" "$GO" "$@"; }

failed=0
step() { # NAME COMMAND...: say how it went
    name=$1
    shift
    if "$@" >"$dir/step.log" 2>&1; then echo "ok   $name"; else
        echo "FAIL $name"
        tail -n 40 "$dir/step.log"
        failed=1
    fi
}

case $1 in
rows)
    export GOPROXY=off
    step "go vet" go vet . ./examples
    step "go build" go test -c -o "$dir/rows" .
    step "go test" timeout 200 "$dir/rows" -test.v -test.timeout 180s
    grep -- '^--- ' "$dir/step.log" ;;
examples)
    export GOPROXY=off
    step "go build" go build -o "$dir/examples" ./examples
    cd "$dir" || exit 1
    for name in hello request_reply worker_queue own_loop queue replay kv_watch batch dead_letters \
        anywhere object_copy embedded_broker own_wire backup users own_login bounded_bus; do
        step "$name" python3 "$here/../../tests/examples/prints.py" \
            "$here/../../examples/$name.c" "$dir/examples" "$name"
    done ;;
registry)
    step "the race detector" go test -race -count=1 -timeout 300s .
    step "AddressSanitizer" env ASAN_OPTIONS=quarantine_size_mb=1 "$0" asan
    step "all checks of cgo" env GOEXPERIMENT=cgocheck2 "$0" checked
    cd "$here/bench" || exit 1
    export GOTOOLCHAIN=auto
    if timeout 300 "$GO" mod download >"$dir/step.log" 2>&1; then
        step "its bench, beside nats.go" "$0" bench
        cat "$dir/step.log"
    else
        echo "skipped: nats.go was not to be had from the Go proxy: $(tail -n 1 "$dir/step.log")"
    fi ;;
bench) cd bench && go run . -rounds 2 -msgs 20000 || exit 1 ;;
asan) go test -asan -count=1 -timeout 300s . || exit 1 ;;
checked) go test -count=1 -timeout 300s . || exit 1 ;;
*) echo "usage: tests.sh rows|examples|registry" >&2; exit 2 ;;
esac
exit $failed
