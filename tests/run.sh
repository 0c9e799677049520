#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh [BUILD_DIR]: install what is missing (Debian packages only), build, run every test, and
# end with "N passed, N failed". The suites that fetch from other registries are in .ci/run.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${1:-build-tests}

stop() { echo "$1" >&2; echo "0 passed, 1 failed"; exit 1; }

sh tests/install.sh build test || stop "packages could not be installed"
if [ ! -f "$build/build.ninja" ]; then
    meson setup "$build" || stop "meson setup failed"
fi
ninja -C "$build" || stop "the build failed"
meson test -C "$build" --no-rebuild --print-errorlogs -t 4 --no-suite registry --no-suite cluster
status=$?

counts=$(python3 tests/count.py "$build/meson-logs/testlog.json") || stop "no test log was written"
echo "$counts"
exit $status
