#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# js_diff.sh DIR RILLD: the script of js_diff.py against rilld and a nats-server of 2.14 or newer:
# RILL_PEER, else the one of DIR/bin, which is fetched if it is not there, else the one on PATH.
set -u
here=$(cd "$(dirname "$0")" && pwd)
dir=$1
rilld=$2
peer=${RILL_PEER:-}
[ -n "$peer" ] || { sh "$here/fetch.sh" server "$dir" && peer=$dir/bin/nats-server; }
exec python3 "$here/js_diff.py" --ours "$rilld" --theirs "${peer:-nats-server}"
