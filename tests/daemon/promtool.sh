#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# promtool.sh DIR METRICS RILLD: metrics.py with promtool, which is fetched into DIR first.
set -u
sh "$(dirname "$0")/../peers/fetch.sh" promtool "$1" || exit
PROMTOOL=$1/bin/promtool exec python3 "$2" "$3"
