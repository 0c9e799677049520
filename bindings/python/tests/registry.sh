#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# registry.sh PYTHON DIR: what needs PyPI. A wheel is built from this checkout with librill inside,
# and installed where nothing else is; the rows of the tests run there, mypy checks the package in
# strict mode, and nats-py talks to it. What is not to be had is said, and skipped.
set -u
here=$(cd "$(dirname "$0")" && pwd)
python=$1
mkdir -p "$2" && dir=$(cd "$2" && pwd)
log=$dir/python-package.log

say() { echo "skipped: $1"; tail -n 5 "$log"; exit 77; }
"$python" -m venv "$dir/tools" >"$log" 2>&1 || say "no venv: apt-get install python3-venv"
timeout 300 "$dir/tools/bin/pip" install 'setuptools>=61' wheel mypy >>"$log" 2>&1 ||
    say "setuptools and mypy were not to be had from PyPI"

failed=0
step() { # NAME COMMAND...: say how it went
    name=$1
    shift
    if "$@" >"$dir/step.log" 2>&1; then echo "ok   $name"; else
        echo "FAIL $name"
        tail -n 30 "$dir/step.log"
        failed=1
    fi
}
set -- timeout 900 "$dir/tools/bin/pip" wheel --no-build-isolation --no-deps -w "$dir/wheel" \
    "$here/.."
rm -rf "$dir/wheel" "$dir/clean"
if [ -f "$dir/../meson-uninstalled/rill-uninstalled.pc" ]; then # the next is not to be of this one
    rm -rf "$here"/../build/lib.*
    step "a wheel of the build's librill" env RILL_FROM=installed \
        PKG_CONFIG_PATH="$dir/../meson-uninstalled" CFLAGS="-I$here/../../../include" "$@"
    rm -rf "$dir/wheel"
fi
step "a wheel with librill inside" env RILL_FROM=checkout "$@"
"$python" -m venv "$dir/clean" || exit 1
step "its installation" "$dir/clean/bin/pip" install --no-index --no-deps "$dir"/wheel/*.whl
cd "$dir" || exit 1
for test in conformance async bad_input; do
    step "$test" timeout 300 "$dir/clean/bin/python" "$here/$test.py"
done
step "mypy --strict" "$dir/tools/bin/mypy" --strict --python-executable "$dir/clean/bin/python" \
    -p rill
step "mypy --strict of a program" "$dir/tools/bin/mypy" --strict --python-executable \
    "$dir/clean/bin/python" "$here/typed.py"
if timeout 300 "$dir/clean/bin/pip" install nats-py >>"$log" 2>&1; then
    step "nats-py beside it" timeout 100 "$dir/clean/bin/python" "$here/beside_natspy.py"
else
    echo "skipped: nats-py was not to be had from PyPI"
fi
exit $failed
