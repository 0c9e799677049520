#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# packages.sh BUILD_DIR: what `meson dist` packs becomes Debian packages that lintian has nothing
# against. In a root of Debian's own, where rill has never been, apt installs them; a message goes
# through rilld and is there after a restart; a program is built and runs; a purge leaves nothing.
# README's first command does there what it says.
# The image of rilld answers in a root that holds nothing else.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
build=$(realpath "$1")
recipes=$top/examples/packages
work=$(mktemp -d)
root=$work/root
maker=""
trap '[ -z "$maker" ] || kill "$maker" 2>/dev/null || :; rm -rf "$work"' EXIT

skip() { echo "skipped: $1"; exit 77; }
fail() { echo "FAILED: $1"; [ ! -f "${2:-}" ] || tail -n 40 "$2"; exit 1; }
# Nobody else's ports are in the way of who runs there, nor any network.
alone() { unshare --net --mount sh -c 'ip link set lo up && exec "$@"' alone "$@"; }

[ "$(id -u)" = 0 ] || skip "a root of its own is for root to make"
[ -e "$top/.git" ] || skip "meson dist packs what is committed, and this is no checkout"
for tool in dh fakeroot ip lintian mmdebstrap umoci skopeo; do
    command -v $tool >/dev/null || skip "no $tool here: sh tests/install.sh ci"
done
alone true 2>"$work/log" || skip "no namespaces here: $(cat "$work/log")"

# The root is fetched while the packages are built.
codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
mmdebstrap --quiet --variant=apt --include=gcc,libc6-dev,pkg-config --skip=cleanup/apt \
    --dpkgopt=force-unsafe-io --dpkgopt=path-exclude='/usr/share/doc/*' \
    --aptopt='Acquire::Languages "none"' --aptopt='Acquire::Retries "3"' \
    "$codename" "$root" >"$work/root.log" 2>&1 &
maker=$!

PATH=/usr/bin:$PATH # what debhelper runs is Debian's
meson dist -C "$build" --allow-dirty --no-tests --formats gztar >"$work/log" 2>&1 ||
    fail "meson dist" "$work/log"
DEBEMAIL=maintainers@rill.example DEB_BUILD_OPTIONS="parallel=2 noautodbgsym" \
    DEB_CFLAGS_APPEND="-O1 -g0" sh "$recipes/debian.sh" "$build"/meson-dist/rill-*.tar.gz \
    "$work/packages" >"$work/log" 2>&1 || fail "debian.sh" "$work/log"
lintian --allow-root --fail-on error,warning "$work"/packages/*.changes >"$work/log" 2>&1 ||
    fail "lintian" "$work/log"
[ ! -s "$work/log" ] || fail "lintian has something to say" "$work/log"
echo "ok: packages, and lintian has nothing against them"

wait "$maker" || { maker=""; skip "no root was to be had: $(tail -n 2 "$work/root.log")"; }
maker=""
mkdir "$root/packages"
cp "$work"/packages/*.deb "$recipes"/debian/tests/hello "$recipes"/debian/tests/program "$root/packages"
in_root() { DEBIAN_FRONTEND=noninteractive chroot "$root" "$@" >"$work/log" 2>&1; }
find "$root" | sort >"$work/before"
in_root sh -c 'apt-get install -y --no-install-recommends /packages/*.deb' ||
    fail "apt-get install" "$work/log"
alone chroot "$root" /packages/hello || fail "hello"
in_root /packages/program || fail "program" "$work/log"
echo "ok: a message, and a program, in a root of their own"
in_root apt-get purge -y librill0 librill-dev rilld rill || fail "apt-get purge" "$work/log"
find "$root" -name '*rill*' ! -path "$root/packages/*" >"$work/log"
[ ! -s "$work/log" ] || fail "the purge has left behind" "$work/log"
echo "ok: a purge leaves nothing"

# README's first command, where nobody has installed a compiler's friends before.
mkdir "$root/checkout"
tar -xf "$build"/meson-dist/rill-*.tar.gz -C "$root/checkout" --strip-components=1
# A program finds the library beside it by what /proc says of itself.
# shellcheck disable=SC2016  # the other shell expands
DEBIAN_FRONTEND=noninteractive unshare --mount sh -c '
    mount --bind /proc "$1/proc" && exec chroot "$1" sh /checkout/examples/quickstart.sh' \
    mounted "$root" >"$work/log" 2>&1 || fail "quickstart.sh" "$work/log"
grep -qx "The NATS client sent: hello over the socket" "$work/log" || fail "quickstart.sh" "$work/log"
echo "ok: README's first command, in a root of its own"

sh "$recipes/image.sh" "$work/image" "$build" >"$work/log" 2>&1 || fail "image.sh" "$work/log"
# What it holds is what is run: the tar is taken apart, by who has not made it.
skopeo copy --quiet --insecure-policy "oci-archive:$work/image.oci.tar:rilld" "oci:$work/read:rilld"
umoci unpack --image "$work/read:rilld" "$work/bundle" >"$work/log" 2>&1 || fail "umoci" "$work/log"
python3 - "$work/bundle/config.json" "$recipes/Dockerfile" >"$work/args" <<'X' || fail "its command"
import json, re, sys
process = json.load(open(sys.argv[1]))["process"]
docker = open(sys.argv[2]).read()
said = [json.loads(re.search(rf"^{word} (\[.*\])$", docker, re.M)[1])
        for word in ("ENTRYPOINT", "CMD")]
assert process["args"] == said[0] + said[1], (process["args"], said)
user = re.search(r"^USER (\S+)$", docker, re.M)[1]
assert f"{process['user']['uid']}:{process['user']['gid']}" == user, (process["user"], user)
print(" ".join(process["args"]))
X
health=$(sed -n 's/^HEALTHCHECK.* CMD \[\(.*\)\]$/\1/p' "$recipes/Dockerfile" | tr -d '",')
[ -n "$health" ] || fail "the Dockerfile asks for no health"
cat >"$work/run.sh" <<'X'
# shellcheck disable=SC2086  # commands are words
chroot --userspec=10001:10001 "$1" $2 2>"$1.log" &
tries=0
# shellcheck disable=SC2086
until chroot --userspec=10001:10001 "$1" $3; do
    [ $((tries += 1)) -le 600 ] && kill -0 $! || { cat "$1.log"; exit 1; }
    sleep 0.1
done
kill $! && wait $!
X
alone sh "$work/run.sh" "$work/bundle/rootfs" "$(cat "$work/args")" "$health" >"$work/log" 2>&1 ||
    fail "the image" "$work/log"
echo "ok: the image, in which nothing else is: $(tail -n 1 "$work/log")"
