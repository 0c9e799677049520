#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# fuzz.sh NAME [SECONDS [CORPUS_DIR]]: build tests/fuzz/fuzz_NAME.c with clang's libFuzzer and
# the address and undefined behaviour sanitizers, and search. Inputs that fail stay in the
# current directory. One that takes 20 s, or 2 GB, fails.
set -eu
name=$1 seconds=${2:-60} corpus=${3:-}
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
clang -std=c11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
    -D_GNU_SOURCE -DRILL_LIBFUZZER -I"$root/include" -I"$root/lib" -I"$root/tests" \
    $(pkg-config --cflags jansson check) \
    "$root/tests/fuzz/fuzz_$name.c" "$root/tests/fuzz/fuzz_main.c" \
    "$root/tests/support/guard.c" "$root/tests/support/fault.c" \
    "$root/tests/support/fake_os.c" "$root/tests/support/world.c" "$root/tests/support/desk.c" \
    "$root/tests/support/texts.c" \
    $(find "$root/lib/base" "$root/lib/codec" "$root/lib/store" "$root/lib/engine" -name '*.c') \
    "$root"/lib/front/jetstream_api.c "$root"/lib/front/js_*.c \
    -o "$work/fuzz" $(pkg-config --libs jansson check) -lz -lmbedcrypto
"$work/fuzz" -max_total_time="$seconds" -max_len=65536 -timeout=20 ${corpus:+"$corpus"}
