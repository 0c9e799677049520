# SPDX-License-Identifier: Apache-2.0
"""sizes.py RILL_MICRO.C [WORK]: what the library for firmware takes of flash, for each option and
each processor whose compiler is here, and of RAM besides the arena; the table of the README, and
what is allowed. A program that links it with --gc-sections takes less. What is not here is
named. Of TLS it is the adapter, over the headers of this machine's mbedTLS, which comes on top."""
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = [("client", ["NATS"]), ("+ JetStream", ["NATS", "JETSTREAM"]),
         ("+ bus of the process", ["NATS", "JETSTREAM", "MEM"]),
         ("+ store on flash", ["NATS", "JETSTREAM", "MEM", "FLASH"]), ("that bus alone", ["MEM"])]
TLS = ["NATS", "TLS"]  # beside "client"
KIB = 1024
# Of a Cortex-M3: flash of the client, and what each option may add to it.
BOUNDS = {"client": 48 * KIB, "+ JetStream": 64 * KIB, "+ bus of the process": 16 * KIB,
          "+ store on flash": 32 * KIB}
STATIC_BOUND = 512  # .data and .bss; all else is in the arena
ARM, RISCV = "arm-none-eabi", "riscv64-unknown-elf"
# mbedTLS's alone: the others of that folder are this machine's C library.
HEADERS = ["-idirafter", "/usr/include", f"-I{ROOT}/examples/firmware",
           '-DMBEDTLS_CONFIG_FILE="mbedtls_config.h"']
TARGETS = [
    ("Cortex-M0+", ARM, ["-mcpu=cortex-m0plus", "-mthumb"]),
    ("Cortex-M3", ARM, ["-mcpu=cortex-m3", "-mthumb"]),
    ("Cortex-M4F", ARM, ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"]),
    ("rv32imac", RISCV, ["-march=rv32imac", "-mabi=ilp32"]),
]


def size(tools, flags, parts, source, work):
    """(flash, RAM) of one object."""
    out = Path(work) / "rill_micro.o"
    subprocess.run([f"{tools}-gcc", "-std=c11", "-Os", "-DNDEBUG", "--specs=picolibc.specs",
                    "-Wall", "-Wextra", "-Werror", *flags, *[f"-DRI_MICRO_{p}" for p in parts],
                    f"-I{ROOT}/include", "-c", source, "-o", out], check=True)
    text, data, bss = subprocess.run([f"{tools}-size", out], check=True, capture_output=True,
                                     text=True).stdout.splitlines()[1].split()[:3]
    return int(text) + int(data), int(data) + int(bss)


def main():
    source, failed = sys.argv[1], 0
    tls = Path("/usr/include/mbedtls/ssl.h").is_file()
    print("| processor | " + " | ".join(name for name, _ in PARTS) + " | TLS adds | static RAM |")
    print("|---|" + "--:|" * (len(PARTS) + 2))
    for target, tools, flags in TARGETS:
        if not shutil.which(f"{tools}-gcc"):
            print(f"| {target} | skipped: there is no {tools}-gcc |")
            continue
        with tempfile.TemporaryDirectory() as work:
            found = [size(tools, flags, parts, source, work) for _, parts in PARTS]
            adds = size(tools, [*flags, *HEADERS], TLS, source, work)[0] if tls else None
        print(f"| {target} | " + " | ".join(f"{flash}" for flash, _ in found)
              + f" | {adds - found[0][0] if tls else 'skipped: no libmbedtls-dev'}"
              + f" | {max(ram for _, ram in found)} |")
        failed += any(ram > STATIC_BOUND for _, ram in found)
        before = 0
        for (name, _), (flash, _) in zip(PARTS, found):
            if target == "Cortex-M3" and name in BOUNDS and flash - before > BOUNDS[name]:
                print(f"{name}: {flash - before} bytes are more than {BOUNDS[name]}")
                failed += 1
            before = flash
    sys.exit(1 if failed else 0)


main()
