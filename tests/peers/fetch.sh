#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# fetch.sh WHAT DIR: bring a peer from its registry into DIR, once; later calls find it there.
#   server tool     newest nats-server and the nats tool, built with Go into DIR/bin
#   go python node  a client library: DIR/go/client, DIR/python (a venv), DIR/node
#   browser       a headless Chromium of Debian, and playwright-core in DIR/browser
#   promtool      of Debian's package of Prometheus, of which nothing else is kept, in DIR/bin
#   page          nats.js, and what makes it a script of a page, in DIR/page; needs `browser`
#   kafka-go kafka-python kafka-node  the same of Kafka: DIR/kafka-go/day, and so on
# Exit 77, with one line that says why, when the toolchain is absent or the registry is not reached.
# shellcheck disable=SC3013  # -nt is in each sh that we know
set -u
what=$1
dir=$2
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$dir" && dir=$(cd "$dir" && pwd)
log=$dir/fetch-$what.log
exec 9>"$dir/fetch-$what.lock"
flock 9 # two tests of one client may come at once

skip() { echo "skipped: $1"; exit 77; }
# A registry may fail once: it is asked again, unless all the time was used.
fetch() { "$@" || { [ $? != 124 ] && sleep 2 && "$@"; }; }
need() { command -v "$1" >/dev/null || skip "no $1 here"; }
# Go keeps what it fetched in its own cache; a newer toolchain may be fetched where Go can do it.
go_install() { fetch env GOBIN="$dir/bin" timeout 900 go install "$1" >"$log" 2>&1; }

case $what in
server)
    [ -x "$dir/bin/nats-server" ] && exit 0
    need go
    go_install github.com/nats-io/nats-server/v2@latest || go_install github.com/nats-io/nats-server/v2@v2.10.27 ||
        skip "nats-server was not to be had from the Go registry: $(tail -n 1 "$log")" ;;
tool)
    [ -x "$dir/bin/nats" ] && exit 0
    need go
    go_install github.com/nats-io/natscli/nats@latest ||
        skip "the nats tool was not to be had from the Go registry: $(tail -n 1 "$log")" ;;
go)
    [ "$dir/go/client" -nt "$here/client.go" ] && exit 0
    need go
    mkdir -p "$dir/go" && cp "$here/client.go" "$dir/go/" && cd "$dir/go" || exit 1
    [ -f go.mod ] || go mod init rill.test/peers >"$log" 2>&1
    for version in latest v1.37.0 v1.31.0; do
        fetch timeout 300 go get "github.com/nats-io/nats.go@$version" >"$log" 2>&1 &&
            timeout 300 go build -o client . >>"$log" 2>&1 && exit 0
    done
    skip "nats.go was not to be had from the Go registry: $(tail -n 1 "$log")" ;;
python)
    [ -f "$dir/python/ready" ] && exit 0
    need python3
    { python3 -m venv "$dir/python" &&
        fetch timeout 300 "$dir/python/bin/pip" install nats-py nkeys; } >"$log" 2>&1 ||
        skip "nats.py was not to be had from PyPI: $(tail -n 1 "$log")"
    touch "$dir/python/ready" ;;
node)
    [ -f "$dir/node/ready" ] && [ -d "$dir/node/node_modules/ws" ] && exit 0
    need node
    need npm
    mkdir -p "$dir/node"
    fetch timeout 300 npm install --prefix "$dir/node" --no-audit --no-fund @nats-io/transport-node \
        @nats-io/jetstream @nats-io/kv ws >"$log" 2>&1 ||
        skip "nats.js was not to be had from npm: $(tail -n 1 "$log")"
    touch "$dir/node/ready" ;;
browser)
    [ -f "$dir/browser/ready" ] && exit 0
    need node
    need npm
    mkdir -p "$dir/browser"
    if ! command -v chromium-headless-shell >/dev/null && ! command -v chromium >/dev/null; then
        fetch timeout 600 apt-get install -y --no-install-recommends chromium-headless-shell \
            >"$log" 2>&1 || skip "no Chromium here, nor from Debian: $(tail -n 1 "$log")"
    fi
    fetch timeout 300 npm install --prefix "$dir/browser" --no-audit --no-fund playwright-core \
        >"$log" 2>&1 || skip "playwright-core was not to be had from npm: $(tail -n 1 "$log")"
    touch "$dir/browser/ready" ;;
promtool)
    [ -x "$dir/bin/promtool" ] && exit 0
    need apt-get
    mkdir -p "$dir/bin" "$dir/promtool" && cd "$dir/promtool" || exit 1
    { fetch timeout 300 apt-get download prometheus &&
        dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x -O ./usr/bin/promtool >promtool &&
        chmod +x promtool && mv promtool ../bin/; } >"$log" 2>&1 ||
        skip "promtool was not to be had from Debian: $(tail -n 1 "$log")"
    rm -f prometheus_*.deb ;;
page)
    sh "$here/fetch.sh" browser "$dir" || exit
    [ -f "$dir/page/ready" ] && exit 0
    mkdir -p "$dir/page"
    fetch timeout 300 npm install --prefix "$dir/page" --no-audit --no-fund playwright-core esbuild \
        @nats-io/nats-core @nats-io/jetstream @nats-io/kv @nats-io/transport-node >"$log" 2>&1 ||
        skip "nats.js for pages was not to be had from npm: $(tail -n 1 "$log")"
    touch "$dir/page/ready" ;;
kafka-go)
    program=$here/kafka_clients
    [ -n "$(find "$dir/kafka-go/day" -newer "$program/day.go" -newer "$program/franz.go" \
        -newer "$program/sarama.go" -newer "$program/go.mod" 2>/dev/null)" ] && exit 0
    need go
    mkdir -p "$dir/kafka-go" && cp "$program"/*.go "$program"/go.* "$dir/kafka-go/" || exit 1
    cd "$dir/kafka-go" || exit 1
    fetch timeout 900 go build -o day . >"$log" 2>&1 ||
        skip "franz-go and sarama were not to be had from the Go registry: $(tail -n 1 "$log")" ;;
kafka-python)
    [ -f "$dir/kafka-python/ready" ] && exit 0
    need python3
    { python3 -m venv "$dir/kafka-python" &&
        fetch timeout 300 "$dir/kafka-python/bin/pip" install confluent-kafka==2.16.1; } >"$log" 2>&1 ||
        skip "confluent-kafka was not to be had from PyPI: $(tail -n 1 "$log")"
    touch "$dir/kafka-python/ready" ;;
kafka-node)
    [ -f "$dir/kafka-node/ready" ] && exit 0
    need node
    need npm
    mkdir -p "$dir/kafka-node"
    fetch timeout 300 npm install --prefix "$dir/kafka-node" --no-audit --no-fund kafkajs@2.2.4 \
        >"$log" 2>&1 || skip "kafkajs was not to be had from npm: $(tail -n 1 "$log")"
    touch "$dir/kafka-node/ready" ;;
*) echo "fetch.sh: no peer $what"; exit 2 ;;
esac
