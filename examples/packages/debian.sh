#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# debian.sh TARBALL DIR: make Debian packages of what `meson dist` has packed: the source package
# and librill0, librill-dev, rilld and rill, in DIR. debian/ beside this is the recipe; its version
# and its maintainer (DEBFULLNAME, DEBEMAIL) are filled in here.
#
#     meson dist -C build --no-tests --formats gztar
#     sh examples/packages/debian.sh build/meson-dist/rill-*.tar.gz packages
#
# Debian: apt-get install debhelper, and what dpkg-buildpackage then says is missing.
set -eu
recipe=$(cd "$(dirname "$0")/debian" && pwd)
tarball=$(realpath "$1")
mkdir -p "$2" && cd "$2"

name=$(basename "$tarball")
version=${name#rill-}
version=${version%.tar.*}
cp "$tarball" "rill_$version.orig.${name#rill-"$version".}"
rm -rf "rill-$version"
tar xf "$tarball"
cp -R "$recipe" "rill-$version/debian"
cd "rill-$version"

mail=${DEBEMAIL:-maintainers@$(hostname -f)}
sed -i "s|@MAIL@|$mail|" debian/control
cat >debian/changelog <<X
rill ($version-0rill1) unstable; urgency=medium

  * Release $version; what is new stands in the file CHANGELOG.md.

 -- ${DEBFULLNAME:-The rill maintainers} <$mail>  $(date -R -d "@${SOURCE_DATE_EPOCH:-$(date +%s)}")
X
dpkg-buildpackage --unsigned-source --unsigned-changes
