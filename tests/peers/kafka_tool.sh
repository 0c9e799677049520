# SPDX-License-Identifier: Apache-2.0
# To be sourced: how Kafka's own tools are run against rilld, whose clients of Kafka are at $broker. The
# script that sources it has fetched them into $JARS, and was started by with_server.sh.
broker=127.0.0.1:$(sed -n "s/.*Listening for Kafka.s clients on .*:\([0-9][0-9]*\)$/\1/p" \
    "$SERVER_DIR/log")
at="--bootstrap-server $broker"
out=$SERVER_DIR/out
t=org.apache.kafka.tools
java="java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"

# tool CLASS ARG...: what it prints goes to $out; what it says of failures, too.
tool() {
    class=$1
    shift
    timeout 120 $java -cp "$JARS/*" "$class" "$@" >"$out" 2>&1 || fail "$class $*: exit $?"
}
fail() { echo "FAILED: $1"; cat "$out"; exit 1; }
says() { grep -q -- "$1" "$out" || fail "no \"$1\""; }
