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
# The tests wait more than they work; on a busy machine a case has as much more time as its test.
CK_TIMEOUT_MULTIPLIER=4 meson test -C "$build" --no-rebuild --print-errorlogs -t 4 \
    --num-processes $(($(nproc) * 2)) --no-suite registry --no-suite cluster
status=$?

counts=$(python3 tests/count.py "$build/meson-logs/testlog.json") || stop "no test log was written"
echo "$counts"
exit $status
