#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# exchange.sh [NATS_AND_KAFKA]: a client of NATS and one of Kafka (kcat, of Debian) talk to each
# other through examples/nats_and_kafka.c: no bridge runs between them, since a topic is a stream.
# Prints
#
#     a client of NATS hears:   sold out
#     a client of Kafka reads:  hello from NATS, with key k
#     a client of Kafka reads:  sold out, with key apples
set -eu
command -v kcat >/dev/null || { echo "skipped: no kcat here: apt-get install kcat"; exit 77; }
program=${1:-$(dirname "$0")/../build/examples/nats_and_kafka}
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
nats=$(free) kafka=$(free)
coproc broker { exec "$program" "$nats" "$kafka"; }
# shellcheck disable=SC2154  # coproc assigns it
trap 'kill "$broker_PID" 2>/dev/null' EXIT
read -r _ <&"${broker[0]}" # it is ready

exec 3<>"/dev/tcp/127.0.0.1/$nats"
kcat -b "127.0.0.1:$kafka" -L -t news >/dev/null
printf 'early' | kcat -b "127.0.0.1:$kafka" -P -t news
printf 'CONNECT {"headers":true,"verbose":false}\r\nSUB news 1\r\nPING\r\n' >&3
until read -r line <&3 && [ "$line" = $'PONG\r' ]; do :; done
printf 'HPUB news 26 41\r\nNATS/1.0\r\nKafka-Key: k\r\n\r\nhello from NATS\r\nPING\r\n' >&3
until read -r line <&3 && [ "$line" = $'PONG\r' ]; do :; done
printf 'sold out' | kcat -b "127.0.0.1:$kafka" -P -t news -k apples
until read -r line <&3 && [ "$line" = $'sold out\r' ]; do :; done
echo "a client of NATS hears:   sold out"
kcat -b "127.0.0.1:$kafka" -C -t news -o 1 -e -q -f 'a client of Kafka reads:  %s, with key %k\n'
