#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tls_day.sh RILLD CERTS: Java's own TLS moves 20 MB each way, with new keys each megabyte, and closes
# as TLS wants it (TlsDay.java). Exit 77, with a line that says why, where there is no Java.
# shellcheck disable=SC2153  # NATS_URL and SERVER_DIR are with_server.sh's
set -u
here=$(cd "$(dirname "$0")" && pwd)
skip() { echo "skipped: $1"; exit 77; }
command -v javac >/dev/null || skip "no javac here: apt-get install openjdk-17-jdk-headless"
"$1" -v | grep -q OpenSSL || skip "this rilld has no TLS 1.3: build it with -Dtls=openssl"
if [ -z "${NATS_URL:-}" ]; then
    exec sh "$here/with_server.sh" "$(realpath "$1")" --tls --tlscert "$2/server.pem" \
        --tlskey "$2/server.key" -- sh "$0" "$@"
fi
timeout 100 java -Xmx256m -XX:+UseSerialGC "$here/TlsDay.java" "${NATS_URL##*:}" "$2/ca.pem"
