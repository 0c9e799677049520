#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tests.sh PART: with $NODE, the addon of the build in $RILL_NODE, and the build in $RILL_BUILD.
#   examples  the programs of examples/ in Node, compared with what those in C say that they print
#   registry  the tarball, installed where nothing else is, and the rows there; the rows with an
#             addon that AddressSanitizer watches; and what needs npm's registry: tsc --strict, and
#             nats.js beside the package
# shellcheck disable=SC2086  # lists are words, split at blanks
# shellcheck disable=SC2317  # steps are called by their names
set -u
here=$(cd "$(dirname "$0")" && pwd)
NODE=${NODE:-node}
dir=$RILL_BUILD/bindings/node/tests
mkdir -p "$dir" && cd "$dir" || exit 1

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

# A folder of its own with the package from its tarball, and nothing of this build. That the library
# is built is looked at, not how fast it is.
clean() {
    unset RILL_NODE PKG_CONFIG_PATH LD_LIBRARY_PATH
    rm -rf "$dir/clean" && mkdir -p "$dir/clean" && cd "$dir/clean" || exit 1
    npm pack --silent "$here" || exit 1
    echo '{ "private": true, "type": "module" }' >package.json
    CFLAGS=-O0 RILL_FROM=checkout timeout 1500 npm install --no-audit --no-fund \
        --foreground-scripts ./rill-*.tgz
}

# The same by the folder of the checkout, which npm makes a link to.
linked() {
    unset RILL_NODE PKG_CONFIG_PATH LD_LIBRARY_PATH
    rm -rf "$dir/linked" && mkdir -p "$dir/linked" && cd "$dir/linked" || exit 1
    echo '{ "private": true, "type": "module" }' >package.json
    RILL_FROM=checkout timeout 1500 npm install --no-audit --no-fund --foreground-scripts "$here" &&
        says
}

says() {
    printf '%s\n' "import * as rill from 'rill'; const bus = await rill.open('mem:');" \
        "const sub = await bus.subscribe('a'); bus.publish('a', 'hello');" \
        "console.log((await sub.next()).text(), rill.version); await bus.close();" >hello.mjs
    "$NODE" hello.mjs | grep hello &&
        "$NODE" -e "require('rill').openSync('mem:').closeNow()"
}

rows() {
    unset RILL_NODE LD_LIBRARY_PATH
    cd "$dir/clean" || exit 1
    says || exit 1
    for name in conformance bad_input; do
        RILL_NODE=$dir/clean/node_modules/rill/build/rill.node \
            "$NODE" --expose-gc "$here/test/$name.test.mjs" || exit 1
    done
}

# The addon is instrumented, and all memory is the sanitizer's, librill's too. Node leaves much behind
# when it ends, and has for a reference or a promise what it will not free then: what the addon or
# librill has allocated itself is looked for.
asan() {
    cc=${CC:-gcc}
    include=$("$NODE" "$here/build.js" --headers | tail -n 1)
    $cc -g -O1 -fPIC -shared -fsanitize=address -fno-omit-frame-pointer -D_GNU_SOURCE \
        -isystem "$include" -I"$here/../../include" -o asan.node "$here"/src/*.c \
        -L"$RILL_BUILD/lib" -lrill -Wl,-rpath,"$RILL_BUILD/lib" -Wl,-z,nodelete || exit 1
    LD_PRELOAD=$($cc -print-file-name=libasan.so)
    export RILL_NODE=$dir/asan.node LD_PRELOAD
    export ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=1
    for name in conformance bad_input; do
        timeout 400 "$NODE" --expose-gc "$here/test/$name.test.mjs" >asan.log 2>&1
        status=$?
        grep -A40 "ERROR: AddressSanitizer" asan.log && exit 1
        [ $status = 0 ] || { grep -B2 -A25 "^not ok" asan.log; exit 1; }
    done
    ASAN_OPTIONS=detect_leaks=1:fast_unwind_on_malloc=0 timeout 300 "$NODE" --expose-gc \
        "$here/test/leaks.mjs" >asan.log 2>&1
    grep -q "^done" asan.log || { tail -n 40 asan.log; exit 1; }
    awk '/leak of/ { block = "" } { block = block $0 "\n" }
        /#1 / && /bindings\/node\/src|asan\.node|librill|\.\.\/lib\// { ours = 1 }
        /^$/ { if (ours) { print block; bad = 1 } ours = 0; block = "" }
        END { exit bad }' asan.log
}

types() {
    cd "$dir/clean" && cp "$here/test/types.mts" types.mts || exit 1
    node_modules/.bin/tsc --strict --noEmit --target es2022 --module nodenext --types node types.mts
}

case $1 in
examples)
    for name in hello request_reply worker_queue own_loop queue replay kv_watch batch dead_letters \
        anywhere object_copy embedded_broker own_wire backup users own_login bounded_bus; do
        step "$name" python3 "$here/../../tests/examples/prints.py" \
            "$here/../../examples/$name.c" "$NODE" "$here/examples/main.mjs" "$name"
    done ;;
registry)
    command -v npm >/dev/null || { echo "skipped: no npm here"; exit 77; }
    step "a tarball with the library's source, installed" "$0" clean
    step "its rows" "$0" rows
    step "npm install of the folder" "$0" linked
    step "AddressSanitizer" "$0" asan
    if (cd "$dir/clean" && timeout 300 npm install --no-audit --no-fund typescript @types/node@20) \
        >"$dir/step.log" 2>&1; then
        step "tsc --strict" "$0" types
    else
        echo "skipped: TypeScript was not to be had from npm: $(tail -n 1 "$dir/step.log")"
    fi
    if sh "$here/../../tests/peers/fetch.sh" node "$RILL_BUILD/peers" >"$dir/step.log" 2>&1; then
        step "its bench, beside nats.js" timeout 300 "$NODE" "$here/bench/bench.mjs" --rounds 2 \
            --msgs 20000 --nats "$RILL_BUILD/peers/node"
        cat "$dir/step.log"
    else
        tail -n 1 "$dir/step.log"
    fi ;;
clean | linked | rows | types | asan) "$1" || exit 1 ;;
*) echo "usage: tests.sh examples|registry" >&2; exit 2 ;;
esac
exit $failed
