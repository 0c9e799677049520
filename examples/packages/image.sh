#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# image.sh ROOT [BUILD_DIR]: make in ROOT what an image of rilld holds, and in ROOT.oci.tar that image
# for whoever reads OCI's form (podman, containerd, skopeo), if umoci and skopeo are here:
#
#     /rilld  /rill   two static files: the daemon, and the tool by which its health is asked for
#     /data           streams, for anybody to write
#
# BUILD_DIR has the two already; otherwise they are built. The Dockerfile beside this makes the same of
# ROOT, and adds a health check, for which OCI's form has no place.
set -eu
root=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build=${2:-}
if [ -z "$build" ]; then
    build=$work/build
    meson setup "$build" "$here/../.." --buildtype=release -Dtests=disabled \
        -Drilld_static=enabled -Dkafka_peer=disabled
    ninja -C "$build" examples/rilld examples/rill-static
fi

mkdir -p "$root/data"
chmod 1777 "$root/data"
strip "$build/examples/rilld" -o "$root/rilld"
strip "$build/examples/rill-static" -o "$root/rill"
for program in rilld rill; do
    if readelf -l "$root/$program" | grep -q INTERP; then
        echo "image.sh: $program asks for a loader, which an image does not have" >&2
        exit 1
    fi
done

command -v umoci >/dev/null && command -v skopeo >/dev/null || exit 0
image=$work/oci:rilld
umoci init --layout "$work/oci"
umoci new --image "$image"
for path in rilld rill data; do
    umoci insert --image "$image" "$root/$path" "/$path"
done
# As in the Dockerfile.
umoci config --image "$image" --config.user 10001:10001 --config.volume /data \
    --config.exposedports 4222 --config.exposedports 8222 --config.exposedports 9092 \
    --config.entrypoint /rilld \
    --config.cmd -js --config.cmd -sd --config.cmd /data --config.cmd -m --config.cmd 8222
rm -f "$root.oci.tar"
skopeo copy --quiet --insecure-policy "oci:$image" "oci-archive:$root.oci.tar:rilld"
