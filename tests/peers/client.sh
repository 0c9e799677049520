#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# client.sh LANGUAGE DIR RILLD PART [SERVER ARG...]: fetch a client library, then run its program
# (core or js) against rilld and, where one is found, a real nats-server; both must print the same.
set -u
here=$(cd "$(dirname "$0")" && pwd)
language=$1
dir=$2
rilld=$3
part=$4
shift 4
sh "$here/fetch.sh" "$language" "$dir" || exit
# A real server as new as the client expects; without it the one on PATH has to do.
if [ -z "${RILL_PEER:-}" ] && [ -x "$dir/bin/nats-server" ]; then export RILL_PEER="$dir/bin/nats-server"; fi
case $language in
go) set -- "$@" -- "$dir/go/client" "$part" ;;
python) set -- "$@" -- "$dir/python/bin/python" "$here/client.py" "$part" ;;
node)
    cp "$here/client.mjs" "$dir/node/client.mjs"
    set -- "$@" -- node "$dir/node/client.mjs" "$part" ;;
tool) set -- "$@" -- sh "$here/tool.sh" "$dir/bin/nats" "$part" ;;
esac
exec sh "$here/same.sh" "$rilld" "$@"
