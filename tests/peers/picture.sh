#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# picture.sh DIR RILLD RILL: takes the two pictures of the page that README.md shows anew, of a
# broker that works, by the headless Chromium of browser.sh. DIR is where that is fetched to.
set -u
here=$(cd "$(dirname "$0")" && pwd)
sh "$here/fetch.sh" browser "$1" || exit
browser=$(command -v chromium-headless-shell || command -v chromium)
exec timeout 120 node "$here/picture.mjs" "$1/browser" "$browser" "$2" "$3" "$here/../../examples"
