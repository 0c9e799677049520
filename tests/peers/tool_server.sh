#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tool_server.sh DIR RILLD: what the nats tool makes of rilld and of a nats-server (RILL_PEER, else
# the one of DIR/bin) when it looks at them; the tool and the server are fetched if they are absent.
set -u
here=$(cd "$(dirname "$0")" && pwd)
dir=$1
rilld=$2
sh "$here/fetch.sh" tool "$dir" || exit
[ -n "${RILL_PEER:-}" ] || sh "$here/fetch.sh" server "$dir" || exit
exec python3 "$here/tool_server.py" "$dir/bin/nats" "$rilld" "${RILL_PEER:-$dir/bin/nats-server}"
