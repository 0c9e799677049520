#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# browser.sh DIR RILLD: the page of a broker in a headless Chromium, which is fetched first, with
# what drives it. Pictures of it lie in DIR/browser/shots afterwards.
set -u
here=$(cd "$(dirname "$0")" && pwd)
dir=$1
sh "$here/fetch.sh" browser "$dir" || exit
browser=$(command -v chromium-headless-shell || command -v chromium)
exec timeout 300 node "$here/browser.mjs" "$dir/browser" "$browser" "$2" "$dir/browser/shots"
