#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# firmware.sh DIR RILLD [NATS_SERVER]: all that needs toolchains of processors other than this one: the
# library for each of them, its sizes, its stack and what a message costs on a Cortex-M3; the device of
# examples/firmware in QEMU at rilld and at a real nats-server; the tests of the library on a machine
# whose bytes stand the other way round. What is not here is named, and passed over.
set -u
dir=$1 rilld=$2 peer=${3:-}
cd "$(dirname "$0")/../.." || exit 1
mkdir -p "$dir" && dir=$(cd "$dir" && pwd) || exit 1
failed=0
note() { echo "== $*"; }
run() { "$@" || { echo "FAILED: $*"; failed=1; }; }
have() { command -v "$1" >/dev/null || { echo "skipped, for want of $1: $2"; return 1; }; }

for cpu in cortex-m3 cortex-m0plus cortex-m4f rv32imac; do
    compiler=arm-none-eabi-gcc
    [ $cpu != rv32imac ] || compiler=riscv64-unknown-elf-gcc
    have $compiler "the library for $cpu" || continue
    note "the library for $cpu"
    [ -f "$dir/$cpu/build.ninja" ] || run meson setup "$dir/$cpu" -Dprofile=micro \
        --cross-file "examples/firmware/cross/$cpu.ini" >"$dir/$cpu.log" 2>&1
    ninja -C "$dir/$cpu" >>"$dir/$cpu.log" 2>&1 || { tail -n 20 "$dir/$cpu.log"; failed=1; }
done

if have arm-none-eabi-gcc "sizes, stack, costs, and the device in QEMU"; then
    one=$dir/cortex-m3/lib/micro/rill_micro.c
    note "sizes"
    run python3 tests/micro/sizes.py "$one"
    ! have qemu-system-arm "RAM" || run python3 tests/micro/ram.py "$one"
    js="-DRI_MICRO_NATS -DRI_MICRO_JETSTREAM"
    for parts in "-DRI_MICRO_MEM" "-DRI_MICRO_NATS" "$js" "-DRI_MICRO_MEM -DRI_MICRO_FLASH" \
        "-DRI_MICRO_MEM $js -DRI_MICRO_FLASH"; do
        note "stack, $parts"
        # shellcheck disable=SC2086  # the parts are words
        run arm-none-eabi-gcc -std=c11 -Os --specs=picolibc.specs -mcpu=cortex-m3 -mthumb \
            -DNDEBUG $parts -Iinclude -fcallgraph-info=su -c "$one" -o "$dir/stack.o"
        run python3 tests/micro/stack.py "$dir/stack.ci"
    done
    if have qemu-system-arm "costs, and the device"; then
        note "costs"
        run python3 tests/micro/cost.py "$dir/cortex-m3/examples/firmware/cost.elf"
        device=$dir/cortex-m3/examples/firmware/device.elf
        note "the device"
        run python3 tests/micro/firmware.py "$device" "$rilld"
        if [ -x "${peer:-}" ]; then run python3 tests/micro/firmware.py "$device" "$peer"
        else echo "skipped, for want of a nats-server: the device at one"; fi
        note "two tasks"
        run python3 tests/micro/tasks.py "$dir/cortex-m3/examples/firmware/tasks.elf" "$rilld"
        note "the sensor"
        store=$dir/cortex-m3/examples/firmware/store.elf
        run python3 tests/micro/store.py "$store" "$rilld"
        [ ! -x "${peer:-}" ] || run python3 tests/micro/store.py "$store" "$peer"
    fi
fi

if have s390x-linux-gnu-gcc "the other order of bytes" && have qemu-s390x "the other order of bytes"; then
    note "the tests on s390x"
    for name in micro_bus micro_nats micro_js micro_scan; do
        run sh tests/micro/other_end.sh "$dir" "$name"
    done
fi
exit $failed
