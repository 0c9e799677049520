#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# header.sh RILL_ALL_C: rill.h alone compiles pedantically as C11 and as C++20, and the library
# compiles as one unit, with gcc and with clang. A compiler that is absent is named.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

try() {
    if "$@" 2>"$work/err"; then echo "ok   $*"; else echo "FAIL $*"; cat "$work/err"; failed=1; fi
}

cat >"$work/use.c" <<'END'
#include "rill.h"
static int opened(rill_bus **bus)
{
    static rill_host host;
    host.size = sizeof host;
    return rill_open(bus, "mem:", RILL_OPTS(rill_opts, .drive = RILL_DRIVE_HOST, .host = &host));
}
int main(void)
{
    rill_bus *bus = NULL;
    rill_str word = RILL_STR("word");
    return opened(&bus) + (int)word.len + (RILL_EBUG < RILL_OK);
}
END
cp "$work/use.c" "$work/use.cc"
mkdir "$work/bare"
sed '/pragma GCC system_header/d' "$root/include/rill.h" >"$work/bare/rill.h"
warn="-Wall -Wextra -Wshadow -Wconversion -Werror"
for cc in gcc clang; do
    if ! command -v "$cc" >/dev/null; then echo "$cc is not here"; continue; fi
    try $cc -std=c11 -pedantic $warn -I"$root/include" -fsyntax-only "$work/use.c"
    # In one scope a local name may hide a static of another file, and what is inlined across
    # files makes gcc guess wrong about what may be uninitialized. Neither is a fault.
    try $cc -std=c11 $warn -Wno-sign-conversion -Wno-shadow -Wno-unknown-warning-option \
        -Wno-maybe-uninitialized -Wno-format-truncation -O0 -D_GNU_SOURCE -I"$root/include" -I"$root/lib" \
        -c "$1" -o "$work/all.o"
done
for cxx in g++ clang++; do
    if ! command -v "$cxx" >/dev/null; then echo "$cxx is not here"; continue; fi
    try $cxx -std=c++20 -pedantic $warn -I"$root/include" -fsyntax-only "$work/use.cc"
    # The header asks C++ compilers not to look at it: a copy does not.
    try $cxx -std=c++20 -pedantic $warn -Wno-missing-field-initializers \
        -I"$work/bare" -fsyntax-only "$work/use.cc"
done
exit $failed
