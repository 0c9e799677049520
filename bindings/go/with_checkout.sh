#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# with_checkout.sh COMMAND...: run it, such as `go build ./...`, so that cgo finds librill of this
# checkout, which is built as a release in build-go/ first: nothing has to be installed. A program
# that is built so finds the library there again. RILL_BUILD=DIR takes a build that is there.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${RILL_BUILD:-$root/build-go}
if [ -z "${RILL_BUILD:-}" ]; then
    sh "$root/tests/install.sh" build
    [ -f "$build/build.ninja" ] ||
        meson setup "$build" "$root" --buildtype=release -Dtests=disabled >&2
    meson compile -C "$build" rill:shared_library >&2
fi
export PKG_CONFIG_PATH="$build/meson-uninstalled${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
export CGO_CFLAGS="${CGO_CFLAGS:--O2 -g} -I$root/include"
export CGO_LDFLAGS="${CGO_LDFLAGS:-} -L$build/lib -Wl,-rpath,$build/lib"
exec "$@"
