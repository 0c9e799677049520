#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kafka_day.sh CLIENT DIR RILLD: a day's work of a Kafka client that nobody here wrote, which is
# fetched into DIR, against rilld: kafkajs, confluent, franz or sarama; kafkajs and franz over TLS.
# KAFKA_BROKERS names a Kafka without their topics and groups that is asked instead, and KAFKA_CA, a
# file, who has signed its certificate, if it has TLS. Exit 77, with a line that says why, when a
# client is not to be had.
set -u
here=$(cd "$(dirname "$0")" && pwd)
tls=$here/../golden/tls ca=
case $1 in
kafkajs) what=kafka-node ca=$tls/ca.pem ;;
confluent) what=kafka-python ;;
franz) what=kafka-go ca=$tls/ca.pem ;;
sarama) what=kafka-go ;;
*) echo "kafka_day.sh: no client $1"; exit 2 ;;
esac
if [ -z "${NATS_URL:-}" ]; then
    sh "$here/fetch.sh" "$what" "$2" || exit
    config=$2/kafka-day-$1.conf
    {
        echo 'kafka { listen: "127.0.0.1:-1"'
        [ -z "$ca" ] || echo "tls { cert_file: '$tls/server.pem', key_file: '$tls/server.key' }"
        echo '}'
    } >"$config" || exit 1
    [ -n "${KAFKA_BROKERS:-}" ] || KAFKA_CA=$ca exec sh "$here/with_server.sh" \
        "$(realpath "$3")" -c "$config" -sd @DIR@/store -- sh "$0" "$@"
fi
port=${SERVER_DIR:+$(sed -n "s/.*Listening for Kafka.s clients on .*:\([0-9][0-9]*\)$/\1/p" \
    "$SERVER_DIR/log")}
brokers=${KAFKA_BROKERS:-127.0.0.1:$port}
case $1 in
kafkajs)
    cp "$here/kafka_clients/day.mjs" "$2/kafka-node/day.mjs" || exit 1
    exec timeout 300 node "$2/kafka-node/day.mjs" "$brokers" ;;
confluent)
    exec timeout 300 "$2/kafka-python/bin/python" "$here/kafka_clients/day.py" "$brokers" ;;
*) exec timeout 300 "$2/kafka-go/day" "$1" "$brokers" ;;
esac
