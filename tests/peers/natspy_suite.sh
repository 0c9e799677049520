#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# natspy_suite.sh DIR RILLD MODULE...: nats.py's own test suite, of the newest source archive on
# PyPI that holds it, with rilld standing in for nats-server. What passes against the real server
# (RILL_PEER, else the one on PATH) must pass against rilld.
# shellcheck disable=SC2086  # lists are words, split at blanks
set -u
here=$(cd "$(dirname "$0")" && pwd)
dir=$1
rilld=$(realpath "$2")
shift 2
release=nats-py-2.6.0
mkdir -p "$dir" && dir=$(cd "$dir" && pwd)
suite=$dir/natspy
exec 9>"$dir/fetch-natspy.lock"
flock 9 # two parts of the suite may come at once
if [ ! -f "$suite/ready" ]; then
    { python3 -m venv "$suite/venv" &&
        timeout 300 "$suite/venv/bin/pip" download --no-deps --no-binary :all: -d "$suite" \
            "nats-py==${release#nats-py-}" && tar xzf "$suite/$release.tar.gz" -C "$suite" &&
        timeout 300 "$suite/venv/bin/pip" install "$suite/$release" pytest; } >"$dir/fetch-natspy.log" 2>&1 ||
        { echo "skipped: nats.py's suite was not to be had from PyPI"; exit 77; }
    touch "$suite/ready"
fi
cp "$here/natspy_utils.py" "$suite/$release/tests/utils.py"
touch "$suite/$release/tests/__init__.py"
peer=${RILL_PEER:-$(command -v nats-server)}
[ -x "$dir/bin/nats-server" ] && peer=${RILL_PEER:-$dir/bin/nats-server}

# The suite wants fixed ports: where the kernel allows it, each run has a loopback of its own.
own="unshare --net --map-root-user"
$own ip link set lo up 2>/dev/null || own=""
[ -z "$own" ] || exec 9>&- # else the ports are one run's until it ends
# shellcheck disable=SC2016  # another shell expands them
run() {
    (cd "$suite/$release" && SUITE_SERVER=$1 PYTHONPATH=.:$here/../support timeout 900 $own sh -c \
        '[ -z "$1" ] || ip link set lo up; shift; exec "$@"' sh "$own" \
        "$suite/venv/bin/python" "$here/natspy_suite.py" $modules) >"$2" 2>"$2.err"
}
modules=""
for module; do modules="$modules tests.$module"; done
label=$(echo "$*" | tr ' ' -)
run "$rilld" "$dir/natspy-$label-rilld"
run "$peer" "$dir/natspy-$label-peer"
count() { grep -c " $1\$" "$dir/natspy-$label-$2"; }
for who in rilld peer; do
    echo "$who: $(count OK $who) passed, $(count FAIL $who) failed, $(count SKIP $who) skipped"
done
[ "$(count OK rilld)" -gt 0 ] || { tail -n 5 "$dir/natspy-$label-rilld.err"; exit 1; }
# This one cuts its connection before its last messages and closes it when it has them: whether it is
# connected again by then is chance, with the real server, too.
chance="test_ordered_consumer_larger_streams"
grep ' OK$' "$dir/natspy-$label-peer" | grep -v "$chance" | sort >"$dir/natspy-$label-want"
lost() { grep ' OK$' "$dir/natspy-$label-rilld" | sort | comm -23 "$dir/natspy-$label-want" -; }
# The suite waits for fixed times here and there: what a busy machine lost gets another chance.
if [ -n "$(lost)" ]; then
    modules=$(lost | sed 's/ OK$//')
    cp "$dir/natspy-$label-rilld" "$dir/natspy-$label-first"
    run "$rilld" "$dir/natspy-$label-rilld" </dev/null
    cat "$dir/natspy-$label-first" >>"$dir/natspy-$label-rilld"
fi
[ -z "$(lost)" ] || { echo "passes with the real server and not with rilld:"; lost; exit 1; }
