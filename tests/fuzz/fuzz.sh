#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# fuzz.sh NAME [SECONDS [CORPUS_DIR]]: build tests/fuzz/fuzz_NAME.c with clang's libFuzzer and
# the address and undefined behaviour sanitizers, and search. A signed number that overflows ends
# the program, and so does a shift, an index or a cast to an integer out of range. Inputs that
# fail stay in the current directory. One that takes 20 s, or 2 GB, fails. The search for Kafka
# begins with what real clients have sent. fuzz.sh --sources: the files of the library that all
# targets share, which tests/meta/fuzzed.py looks at.
# shellcheck disable=SC2046,SC2086  # lists are words, split at blanks
set -eu
name=$1 seconds=${2:-60} corpus=${3:-}
root=$(cd "$(dirname "$0")/../.." && pwd)

# The floors without sockets, and JetStream's API without the files that connect it to a broker.
sources() {
    find "$root/lib/base" "$root/lib/codec" "$root/lib/store" "$root/lib/engine" -name '*.c' "$@"
    find "$root/lib/front/jetstream" \( -name jetstream_api.c -o -name 'js_*.c' \) \
        ! -name js_service.c ! -name js_pages.c ! -name js_acts.c
    echo "$root/lib/front/broker/accounts.c"
    echo "$root/lib/front/broker/labels.c"
    echo "$root/lib/front/pages/page_query.c"
    ls "$root"/lib/micro/flash/*.c
}
if [ "$name" = --sources ]; then sources; exit; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="-std=c11 -g -O1 -D_GNU_SOURCE
    -fsanitize=address,undefined,local-bounds,float-cast-overflow,float-divide-by-zero
    -fno-sanitize-recover=all
    -DRILL_LIBFUZZER -I$root/include -I$root/lib -I$root/tests $(pkg-config --cflags check)"

# Codecs that are features of the build.
absent="" libs=""
for codec in lz4 zstd; do
    if pkg-config --exists "lib$codec"; then
        flags="$flags -DRI_HAVE_$(echo "$codec" | tr '[:lower:]' '[:upper:]')" libs="$libs -l$codec"
    else
        absent="$absent ! -name $codec.c"
    fi
done

# Keys of NATS: without them the targets of JWTs say nothing.
if pkg-config --exists libsodium; then
    flags="$flags -DRI_HAVE_SODIUM" libs="$libs -lsodium"
fi

# HTTP's parser, or the files that stand in for those which need it.
if [ -f /usr/include/http_parser.h ]; then
    absent="$absent ! -name ws_absent.c ! -name http_absent.c" libs="$libs -lhttp_parser"
else
    absent="$absent ! -name ws_http.c ! -name http_read.c"
fi

# What all targets share. FUZZ_LIB names where it is kept from one target to the next; of two that
# come at once one makes it.
lib=${FUZZ_LIB:-$work/librill.a}
exec 9>"$lib.lock"
flock 9
if [ ! -f "$lib" ]; then
    mkdir "$work/objects"
    { sources $absent; ls "$root"/tests/support/*.c; } | (cd "$work/objects" && xargs -n 12 -P 2 clang $flags -fsanitize=fuzzer-no-link -c)
    ar rc "$lib.part" "$work"/objects/*.o && mv "$lib.part" "$lib"
fi
exec 9>&-

# Of TLS only what stands upon OpenSSL, and sentences.
more=""
if [ "$name" = tls_record ]; then
    more="$root/lib/net/tls_record.c $root/lib/net/tls.c $root/lib/net/tls_mbedtls.c"
    libs="$libs -lmbedtls -lmbedx509 -lssl -lcrypto"
fi
clang $flags -fsanitize=fuzzer "$root/tests/fuzz/fuzz_$name.c" "$root/tests/fuzz/fuzz_main.c" \
    $more "$lib" -o "$work/fuzz" $(pkg-config --libs check) -lz $libs -lmbedcrypto
# What the search begins with; the first folder is where it keeps what it finds.
seeds=""
case $name in
kafka_frame | kafka_batch)
    clang $flags "$root/tests/fuzz/kafka_seeds.c" "$lib" -o "$work/seeds" \
        $(pkg-config --libs check) -lz $libs -lmbedcrypto
    mkdir "$work/found" "$work/first"
    "$work/seeds" "$root/tests/golden/kafka/apis.frames" "${name#kafka_}" "$work/first"
    seeds=$work/first corpus=${corpus:-$work/found} ;;
esac
# Its own code for a crash is 77, by which a test says that it is skipped.
"$work/fuzz" -max_total_time="$seconds" -max_len=65536 -timeout=20 -error_exitcode=1 \
    ${corpus:+"$corpus"} ${seeds:+"$seeds"}
