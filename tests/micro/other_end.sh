#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# other_end.sh DIR NAME: tests/micro/test_NAME.c on s390x, whose numbers have their high byte first,
# in qemu-user. DIR has cortex-m3/lib/micro/rill_micro.c, which is the same for every machine.
set -eu
dir=$1 name=$2
top=$(cd "$(dirname "$0")/../.." && pwd)
s390x-linux-gnu-gcc -std=gnu11 -O1 -g -static -D_GNU_SOURCE -DRI_NUID_POOL=64 -DRI_MICRO_MEM \
    -DRI_MICRO_NATS -DRI_MICRO_JETSTREAM -Wno-unused-function -Wno-format-truncation \
    -I"$top/tests/micro/lone" -I"$top/include" -I"$top/lib" -I"$top/tests" \
    "$top/tests/micro/test_$name.c" "$dir/cortex-m3/lib/micro/rill_micro.c" -o "$dir/$name-s390x"
qemu-s390x "$dir/$name-s390x"
