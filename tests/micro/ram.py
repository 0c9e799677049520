# SPDX-License-Identifier: Apache-2.0
"""ram.py RILL_MICRO.C: the RAM that the library takes beside what the program sizes, for each
option, on a Cortex-M3: its static data, and of the arena of a handle what is there whatever the
sizes in rill_opts.memory and the URL are (ram.c measures it in QEMU). No more than is allowed."""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BOARD = ROOT / "examples" / "firmware"
BOUND = 4096
STATIC_BOUND = 512  # of that
PARTS = [("bus of the process", ["MEM"]), ("client", ["NATS"]),
         ("client with JetStream", ["NATS", "JETSTREAM"]), ("store on flash", ["FLASH"]),
         ("all of them", ["MEM", "NATS", "JETSTREAM", "FLASH"])]
FLAGS = ["-std=gnu11", "-Os", "-mcpu=cortex-m3", "-mthumb", "-DNDEBUG", "--specs=picolibc.specs",
         f"-I{ROOT}/include", f"-I{BOARD}"]
QEMU = ["qemu-system-arm", "-M", "mps2-an385", "-nographic", "-monitor", "none", "-serial", "null",
        "-serial", "stdio", "-semihosting"]


def run(*words, **more):
    return subprocess.run(words, check=True, capture_output=True, text=True, **more).stdout


def measure(source, parts, work):
    """Bytes of static data, {scheme: bytes of the arena}."""
    given = [*FLAGS, *(f"-DRI_MICRO_{p}" for p in parts)]
    run("arm-none-eabi-gcc", *given, "-c", source, "-o", f"{work}/rill_micro.o")
    data, bss = run("arm-none-eabi-size", f"{work}/rill_micro.o").splitlines()[1].split()[1:3]
    run("arm-none-eabi-gcc", *given, "-nostartfiles", "-Wl,--gc-sections", f"-T{BOARD}/board.ld",
        f"{ROOT}/tests/micro/ram.c", f"{BOARD}/board.c", f"{work}/rill_micro.o", "-o",
        f"{work}/ram.elf")
    said = run(*QEMU, "-kernel", f"{work}/ram.elf", stdin=subprocess.DEVNULL, timeout=120)
    found = {scheme: int(n) for scheme, n in re.findall(r"(\w+):\S* (\d+) bytes", said)}
    assert len(found) == len(parts) - ("JETSTREAM" in parts), said
    return int(data) + int(bss), found


failed = 0
for name, parts in PARTS:
    with tempfile.TemporaryDirectory() as scratch:
        static, arenas = measure(sys.argv[1], parts, scratch)
    most = static + max(arenas.values())
    print(f"{name}: {static} static, of an arena "
          + ", ".join(f"{scheme}: {n}" for scheme, n in arenas.items())
          + f"; together {most} of {BOUND}")
    failed += most > BOUND or static > STATIC_BOUND
sys.exit(1 if failed else 0)
