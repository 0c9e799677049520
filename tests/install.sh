#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install.sh GROUP...: install the Debian packages of these groups that are missing, as root or
# through sudo. Nothing is asked of apt when all are there.
#   build  what the library needs        whole  what makes it whole: see README, "Installing"
#   test   what the tests need besides
#   ci     sanitizers, fuzzing and the toolchains of other clients
#   look   other people's tools that look at brokers and terminals; a test without them is skipped
#   image  what rilld in an image can do besides (examples/packages)
#   firmware  compilers for other processors, and emulators of them
# shellcheck disable=SC2086  # lists are words, split at blanks
set -eu

build="gcc libc6-dev meson ninja-build pkg-config libevent-dev libmbedtls-dev
    libxxhash-dev zlib1g-dev"
whole="libssl-dev liblz4-dev libzstd-dev libsodium-dev libhttp-parser-dev librdkafka-dev"
test="g++ clang binutils python3 python3-dev check nats-server libnats-dev libzmq3-dev
    abigail-tools liblwip-dev libwslay-dev kcat mandoc shellcheck $whole"
ci="valgrind libclang-rt-14-dev strace golang-go nodejs npm python3-venv ca-certificates
    debhelper fakeroot lintian mmdebstrap libcrypt-dev cmake skopeo umoci"
look="tmux python3-prometheus-client zsh fish"
image="liblz4-dev libzstd-dev libsodium-dev libhttp-parser-dev"
firmware="gcc-arm-none-eabi picolibc-arm-none-eabi gcc-riscv64-unknown-elf
    picolibc-riscv64-unknown-elf qemu-system-arm qemu-user gcc-s390x-linux-gnu
    libc6-dev-s390x-cross"

missing=""
for group; do
    case $group in
    build) packages=$build ;;
    whole) packages=$whole ;;
    test) packages=$test ;;
    ci) packages=$ci ;;
    look) packages=$look ;;
    image) packages=$image ;;
    firmware) packages=$firmware ;;
    *) echo "install.sh: no group $group" >&2; exit 2 ;;
    esac
    for package in $packages; do
        # A tool that somebody installed by hand is as good as its package.
        case $package in
        golang-go) command -v go >/dev/null && continue ;;
        nodejs) command -v node >/dev/null && continue ;;
        npm) command -v npm >/dev/null && continue ;;
        esac
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
            missing="$missing $package"
    done
done
[ -n "$missing" ] || exit 0

sudo=""
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "not root, and no sudo: install$missing" >&2; exit 1; }
    sudo=sudo
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt="$sudo apt-get -o Acquire::Retries=3"
install() { $apt install -y --no-install-recommends $missing; }
# Package lists may be old or absent, so the second try is after an update.
install >"$log" 2>&1 || { $apt update >"$log" 2>&1 && install >>"$log" 2>&1; } ||
    { cat "$log" >&2; exit 1; }
