#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# budget.sh LIBRARY DAEMON: the size of each without its symbols, against its budget. The library
# was to stay within 867000 bytes, a twentieth of nats-server's 17.3 MB, while it was a NATS broker
# alone. It is a client of two kinds of servers since, has TLS and accounts, and serves Kafka's
# clients and their partitions: it stays within a tenth. The daemon, which may have
# everything down to the C library in it, and what unpacks Kafka's batches, stays within a quarter.
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
check() {
    strip -o "$work/stripped" "$1" || exit 1
    size=$(wc -c <"$work/stripped")
    budget=$2
    echo "$(basename "$1"): $size bytes stripped, budget $budget"
    [ "$size" -le "$budget" ] || failed=1
}
# WebSocket, with the parser of HTTP in the daemon, costs 30 and 50 KB.
# Accounts, with streams of each, cost 14 and 20 KB.
# kafka://: transactions, and records that wait to go together, cost 8 KB of the library.
# Kafka's door: batches that are thinned when they are read, rounds of compaction when a topic's
# settings ask for them, and what tools ask of a quorum and of directories: 8 KB.
# http://: the door, its metrics and its page, which is 5 KB of gzip, cost 36 and 30 KB.
# What accounts export and import costs 19 and 25 KB.
# Operator mode: JWTs, whom a broker believes, and templates of scoped keys: 27 and 30 KB.
# nats-server's monitoring answers, which were the daemon's own code before, the connections that
# have gone, and events: 39 KB of the library.
# An auth callout, with its keys and seals: 18 KB; records of kafka:// that are read where librdkafka
# has them, and slices of Kafka's door: 10 KB.
# http://: logins, messages that are followed and replayed, histograms, and the page's part of these:
# 29 KB of the library.
# Samples of how long services take, and who asks them: 8 KB.
# JWTs of accounts that come while the daemon runs: it has a handle of its own for that, with all
# that handles are made of, 135 KB of the daemon.
# What the system's account asks about all others, accounts whose streams come by a JWT, and who may
# neither ask nor hear an auth callout: 12 to 16 KB of each.
# What the system's account asks of the server: KICK, LDM and RELOAD, the latter by a bus of the
# daemon's own, and all pages by one maker: a page of memory, 4 KB of the daemon.
# Log files that are put aside, syslog, and lines of JSON: 13 KB of the daemon. Users' JWTs over
# HTTP and cookies of WebSockets: 8 KB of each.
# What is said in the system's account of who comes and goes: 8 KB of each.
# Samples of Kafka's groups, a page that shows them, compression of a handle at ws://, and claims of
# accounts that are kept together: 10 KB of the library, 13 of the daemon.
# Logins that fail, bounded by user and address: 3 KB. Who a handle is by rill_opts, or by a function
# that is asked: a page of memory of the library. What JWTs say of a user, in pages and events, the
# tags of a server, a base path of its pages, what the closed had subscribed to: 14 KB of each.
check "$1" 1793000
check "$2" 4187000
exit $failed
