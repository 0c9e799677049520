#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# header.sh RILL_ALL_C BUILD: rill.h alone compiles pedantically as C11 and as C++20, without padding in
# any struct and with enumerations of 32 bits. The library compiles as one file, which has nothing but
# rill.h beside it and no option that says what is there, and a program runs with it; with gcc and with
# clang. A compiler that is absent is named.
# shellcheck disable=SC2086  # lists are words, split at blanks
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
mkdir "$work/alone"
cp "$1" "$root/include/rill.h" "$root/examples/hello.c" "$work/alone"
libraries=$(PKG_CONFIG_PATH=$2/meson-private pkg-config --libs-only-l --static rill | sed 's/-lrill//')
trap 'rm -rf "$work"' EXIT
failed=0

try() {
    if "$@" 2>"$work/err"; then echo "ok   $*"; else echo "FAIL $*"; cat "$work/err"; failed=1; fi
}

# What has a fault planted in it must not compile.
refuse() {
    if "$@" 2>"$work/err"; then echo "FAIL accepted: $*"; failed=1; else echo "ok   refused: $*"; fi
}

cat >"$work/use.c" <<'END'
#include "rill.h"
static int opened(rill_bus **bus, int lazy)
{
    static rill_host host;
    host.size = sizeof host;
    return rill_open(bus, "mem:", RILL_OPTS(rill_opts, .host = &host, .drive = RILL_DRIVE_HOST,
                                            .sync = lazy ? RILL_SYNC_LAZY : RILL_SYNC_ALWAYS));
}
static int told(const rill_stream_desc *desc, void *arg)
{
    *(uint64_t *)arg += desc->opts->nsources + desc->info->msgs;
    return 0;
}
static int used(rill_bus *bus, rill_sub *sub, rill_kv *kv, uint64_t *n)
{
    rill_msg *m;
    rill_batch *batch;
    return rill_seek(sub, RILL_AT(7)) + rill_group_seek(bus, "S", "g", RILL_AT_TIME(1)) +
           rill_stream_get(bus, "S", RILL_AT_LAST("s.a"), &m) +
           rill_stream_purge(bus, "S", RILL_OPTS(rill_purge_opts, .keep_msgs = 1), n) +
           rill_kv_put(kv, "k", "", 0, RILL_OPTS(rill_kv_opts, .expect = n, .ttl_ms = 1000), n) +
           rill_batch_begin(bus, &batch, RILL_OPTS(rill_batch_opts, .sync = RILL_SYNC_NEVER)) +
           rill_stream_describe(bus, NULL, told, n);
}
int main(void)
{
    rill_bus *bus = NULL;
    uint64_t n = 0;
    rill_str word = RILL_STR("word");
    return opened(&bus, 1) + used(bus, NULL, NULL, &n) + (int)word.len + (RILL_EBUG < RILL_OK);
}
END
cp "$work/use.c" "$work/use.cc"
mkdir "$work/bare"
sed '/pragma GCC system_header/d' "$root/include/rill.h" >"$work/bare/rill.h"
mkdir "$work/padded" "$work/short"
sed '/ reserved/d' "$work/bare/rill.h" >"$work/padded/rill.h"
sed 's/^RILL_ENUM(\(rill_keep\)) /typedef enum \1 \1; enum \1 /' "$work/bare/rill.h" >"$work/short/rill.h"
# Padding would be ABI that no field stands for, and an enum of its own size another one.
cat >"$work/enums.c" <<'END'
#include "rill.h"
#define IS_32(type) _Static_assert(sizeof(type) == 4, #type)
END
sed -n 's/^RILL_ENUM(\(rill_[a-z_]*\)).*/IS_32(\1);/p' "$root/include/rill.h" >>"$work/enums.c"
grep -q IS_32.rill_err "$work/enums.c" || { echo "FAIL no enumeration was found"; failed=1; }
if grep -n 'enum rill_' "$root/include/rill.h"; then echo "FAIL say RILL_ENUM(rill_...)"; failed=1; fi
warn="-Wall -Wextra -Wshadow -Wconversion -Wpadded -Werror"
for cc in gcc clang; do
    if ! command -v "$cc" >/dev/null; then echo "$cc is not here"; continue; fi
    try $cc -std=c11 -pedantic $warn -I"$root/include" -fsyntax-only "$work/use.c"
    try $cc -std=c11 -pedantic $warn -fshort-enums -I"$work/bare" -fsyntax-only "$work/enums.c"
    # clang looks at the layout of those structs only that it needs.
    [ "$cc" = clang ] || refuse $cc -std=c11 $warn -I"$work/padded" -fsyntax-only "$work/use.c"
    refuse $cc -std=c11 $warn -fshort-enums -I"$work/short" -fsyntax-only "$work/enums.c"
    # In one scope a local name may hide a static of another file, and what is inlined across
    # files makes gcc guess wrong about what may be uninitialized. Neither is a fault.
    try $cc -std=c11 $warn -Wno-padded -Wno-sign-conversion -Wno-shadow -Wno-unknown-warning-option \
        -Wno-maybe-uninitialized -Wno-format-truncation -Wno-unused-function -O0 -c "$work/alone/rill_all.c" -o "$work/alone/all.o"
    try $cc -std=c11 "$work/alone/hello.c" "$work/alone/all.o" $libraries -o "$work/alone/hello"
    try "$work/alone/hello"
done
for cxx in g++ clang++; do
    if ! command -v "$cxx" >/dev/null; then echo "$cxx is not here"; continue; fi
    try $cxx -std=c++20 -pedantic $warn -I"$root/include" -fsyntax-only "$work/use.cc"
    # The header asks C++ compilers not to look at it: a copy does not.
    try $cxx -std=c++20 -pedantic $warn -Wno-missing-field-initializers \
        -I"$work/bare" -fsyntax-only "$work/use.cc"
done
exit $failed
