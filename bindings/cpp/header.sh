#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# header.sh: rill.hpp has all calls of rill.h, and what uses all of it compiles without a warning as
# C++17 and C++20, with g++ and with clang++. A compiler that is absent is named.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
failed=0
calls=$(sed -n 's/^RILL_API.*[ *]\(rill_[a-z_]*\)(.*/\1/p' "$root/include/rill.h")
[ "$(echo "$calls" | wc -l)" -gt 90 ] || { echo "the calls of rill.h were not found"; exit 1; }
for call in $calls; do
    grep -qw "$call" "$here/rill.hpp" || { echo "FAIL rill.hpp has no $call()"; failed=1; }
done
warn="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror"
for cxx in g++ clang++; do
    if ! command -v "$cxx" >/dev/null; then echo "$cxx is not here"; continue; fi
    for std in 17 20; do
        # shellcheck disable=SC2086
        if $cxx -std=c++$std $warn -I"$root/include" -I"$here" -fsyntax-only \
            "$here/conformance.cpp" "$here/bad_input.cpp"
        then
            echo "ok   $cxx -std=c++$std"
        else
            echo "FAIL $cxx -std=c++$std"; failed=1
        fi
    done
done
exit $failed
