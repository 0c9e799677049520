#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kafka_jars.sh DIR: fetch Kafka, its tools and its file connectors from the Maven registry into
# DIR/kafka, once, and print where the jars are. Exit 77, with a line that says why, when there is no
# Java, or no Maven, or the registry is not reached.
set -u
version=4.1.0
skip() { echo "skipped: $1"; exit 77; }
command -v java >/dev/null || skip "no java here: apt-get install openjdk-17-jre-headless"
command -v mvn >/dev/null || skip "no mvn here, which fetches Kafka: apt-get install maven"
mkdir -p "$1/kafka" && dir=$(cd "$1/kafka" && pwd) || exit 1
jars=$dir/$version
exec 9>"$dir/lock"
flock 9
if [ ! -f "$jars/.with_connect" ]; then
    cat >"$dir/pom.xml" <<X
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>test</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
<version>$version</version></dependency>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId>
<version>$version</version></dependency>
<dependency><groupId>org.apache.kafka</groupId><artifactId>connect-file</artifactId>
<version>$version</version></dependency>
</dependencies></project>
X
    timeout 900 mvn -B -q -f "$dir/pom.xml" dependency:copy-dependencies \
        -DoutputDirectory="$jars" -DincludeScope=runtime >"$dir/fetch.log" 2>&1 ||
        skip "Kafka was not to be had from the registry: $(tail -n 1 "$dir/fetch.log")"
    : >"$jars/.with_connect"
fi
echo "$jars"
