#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# quickstart.sh: install what is missing, build, and show what rill is for.
set -eu
cd "$(dirname "$0")/.."
sh tests/install.sh build
if ! [ -f build/build.ninja ]; then
    said=$(meson setup build) || { echo "$said" >&2; exit 1; }
fi
ninja -C build --quiet examples/quickstart examples/anywhere
echo
./build/examples/quickstart
./build/examples/anywhere
cat <<'END'

What happened: examples/quickstart.c opened a message broker inside its own process and a NATS
listener on it. A NATS client connected over TCP and published; the program received it. The
program published from the inside, without a socket; the client received that. No server was
installed or started: the broker is the library in build/lib/librill.so. Then examples/anywhere.c ran the same
code twice: over a broker in the process, and as a client of a NATS server.
END
