#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install.sh BUILD_DIR: install into an empty place and use rill from there as a stranger would:
# by pkg-config against the shared and the static library, as a meson subproject, from C++ by
# pkg-config, and from both by CMake, where they are here.
# shellcheck disable=SC2046  # flags are words
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
DESTDIR=$work/dest meson install -C "$1" --no-rebuild --quiet >"$work/log" 2>&1 ||
    { cat "$work/log"; exit 1; }
pc=$(find "$work/dest" -name rill.pc)
prefix=$(sed -n 's/^prefix=//p' "$pc")
lib=$(dirname "$(dirname "$pc")")
for file in "$lib/librill.so" "$lib/librill.so.0" "$lib/librill.a" \
    "$work/dest$prefix/include/rill.h" "$work/dest$prefix/include/rill.hpp" "$work/dest$prefix/bin/rilld" \
    "$work/dest$prefix/bin/rill" "$work/dest$prefix/share/man/man1/rill.1" \
    "$work/dest$prefix/share/man/man3/rill.3" "$work/dest$prefix/share/man/man3/rill_append.3" \
    "$work/dest$prefix/share/man/man5/rilld.conf.5" "$work/dest$prefix/share/man/man8/rilld.8"; do
    [ -e "$file" ] || { echo "not installed: $file"; exit 1; }
done
readelf -d "$lib/librill.so" | grep -q 'SONAME.*\[librill\.so\.0\]' || { echo "no SONAME"; exit 1; }

cat >"$work/use.c" <<'END'
#include <rill.h>
#include <stdio.h>
int main(void)
{
    rill_bus *bus;
    if (rill_open(&bus, "mem:", NULL) < 0 || rill_version() != RILL_VERSION) return 1;
    rill_close(bus, 1000);
    puts("used");
    return 0;
}
END
export PKG_CONFIG_PATH="$lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$work/dest"
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1
# The libraries under rill are the system's, not the sysroot's.
flags() { pkg-config "$@" rill | sed "s|$work/dest/usr/lib|/usr/lib|g; s|$work/dest/usr/include|/usr/include|g"; }
cd "$work"
I="-I$work/dest$prefix/include"
cc use.c "$I" -L"$lib" $(flags --libs) -o shared
[ "$(LD_LIBRARY_PATH=$lib ./shared)" = used ]
echo "ok: shared, by pkg-config"
cc use.c "$I" "$lib/librill.a" $(flags --libs --static | sed 's/-lrill//') -o static
[ "$(./static)" = used ]
if readelf -d static | grep -q librill; then echo "static, and wants librill.so"; exit 1; fi
echo "ok: static, by pkg-config"

cat >use.cc <<'END'
#include <rill.hpp>
#include <cstdio>
int main()
{
    rill::bus bus("mem:");
    rill::sub sub = bus.subscribe("a");
    bus.publish("a", "used");
    std::puts(std::string(sub.next(1000)->data()).c_str());
}
END
if command -v c++ >/dev/null; then
    c++ -std=c++17 use.cc "$I" -L"$lib" $(flags --libs) -o cpp
    [ "$(LD_LIBRARY_PATH=$lib ./cpp)" = used ]
    echo "ok: C++, by pkg-config"
fi
if command -v c++ >/dev/null && command -v cmake >/dev/null; then
    cat >CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.13)
project(user C CXX)
set(CMAKE_CXX_STANDARD 17)
find_package(rill 0.1 REQUIRED)
add_executable(dynamic use.cc)
target_link_libraries(dynamic rill::rill)
add_executable(c use.c)
target_link_libraries(c rill::rill)
add_executable(whole use.cc)
target_link_libraries(whole rill::static)
END
    { cmake -S . -B cmake -Drill_DIR="$lib/cmake/rill" >"$work/log" 2>&1 &&
        cmake --build cmake >>"$work/log" 2>&1; } || { cat "$work/log"; exit 1; }
    [ "$(cmake/dynamic)" = used ]
    [ "$(cmake/c)" = used ]
    [ "$(cmake/whole)" = used ]
    if readelf -d cmake/whole | grep -q librill; then echo "rill::static wants librill.so"; exit 1; fi
    echo "ok: C and C++, by CMake"
fi

mkdir -p user/subprojects
ln -s "$root" user/subprojects/rill
mv use.c user/
cat >user/meson.build <<'END'
project('user', 'c', default_options: ['c_std=c11'])
executable('use', 'use.c', dependencies: dependency('rill', fallback: ['rill', 'rill_dep']))
END
{ PKG_CONFIG_PATH="" PKG_CONFIG_SYSROOT_DIR="" meson setup user/build user --force-fallback-for=rill \
    >"$work/log" 2>&1 && ninja -C user/build use >>"$work/log" 2>&1; } || { cat "$work/log"; exit 1; }
[ "$(user/build/use)" = used ]
echo "ok: meson subproject"

# What the README says to type makes a release without tests, in a folder of its own: one that is
# there already keeps its options.
options=$(sed -n 's/^ *meson setup build-release \(--.*\)$/\1/p' "$root/README.md")
[ -n "$options" ] || { echo "the README does not say how to install by hand"; exit 1; }
# shellcheck disable=SC2086
meson setup "$work/release" "$root" $options >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
meson introspect --buildoptions "$work/release" | python3 -c '
import json, sys
of = {option["name"]: option["value"] for option in json.load(sys.stdin)}
sys.exit(of["buildtype"] != "release")' || { echo "it is no release"; exit 1; }
[ "$(meson introspect --tests "$work/release")" = "[]" ] || { echo "it builds tests"; exit 1; }
echo "ok: a release, as the README says"
