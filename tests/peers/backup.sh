#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# backup.sh DIR RILLD: backups go from a real nats-server to rilld and back, by the nats tool; both
# are fetched into DIR if they are not there.
set -u
here=$(cd "$(dirname "$0")" && pwd)
dir=$1
rilld=$2
sh "$here/fetch.sh" server "$dir" || exit
sh "$here/fetch.sh" tool "$dir" || exit
exec python3 "$here/backup.py" "$rilld" "$dir/bin/nats-server" "$dir/bin/nats"
