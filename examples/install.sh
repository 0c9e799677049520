#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install.sh [PREFIX]: install what is missing, build a release without tests in build-release/, and
# install the library, its header, pkg-config's file and rilld under PREFIX (default: /usr/local).
set -eu
case ${1:-/usr/local} in
/*) prefix=${1:-/usr/local} ;;
*) prefix=$(pwd)/$1 ;;
esac
cd "$(dirname "$0")/.."
sh tests/install.sh build whole
again=""
if [ -f build-release/build.ninja ]; then # what was missing then may be here now
    again=--reconfigure
    meson configure build-release --clearcache
fi
meson setup build-release $again --buildtype=release -Dtests=disabled --prefix="$prefix" \
    --libdir=lib
meson install -C build-release
if [ "$(id -u)" = 0 ]; then ldconfig; fi
"$prefix/bin/rilld" --version
if pkg-config --exists rill; then exit; fi
echo "to build programs with it:  export PKG_CONFIG_PATH=$prefix/lib/pkgconfig"
echo "to run them:                export LD_LIBRARY_PATH=$prefix/lib"
