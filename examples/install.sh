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
sh tests/install.sh build
again=""
[ ! -f build-release/build.ninja ] || again=--reconfigure
meson setup build-release $again --buildtype=release -Dtests=disabled --prefix="$prefix"
meson install -C build-release
"$prefix/bin/rilld" --version
