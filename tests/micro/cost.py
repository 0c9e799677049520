# SPDX-License-Identifier: Apache-2.0
"""cost.py COST.ELF: the instructions of a publish and a delivery of 32 bytes on a Cortex-M3, as
QEMU counts them, and that they are no more than is allowed."""
import re
import subprocess
import sys

BOUND = 3000
QEMU = ["qemu-system-arm", "-M", "mps2-an385", "-nographic", "-monitor", "none", "-serial", "null",
        "-serial", "stdio", "-icount", "shift=0", "-semihosting"]

out = subprocess.run([*QEMU, "-kernel", sys.argv[1]], stdin=subprocess.DEVNULL, timeout=60,
                     capture_output=True, text=True)
print(out.stdout.strip())
found = [int(n) for n in re.findall(r"(\d+) instructions", out.stdout)]
if out.returncode != 0 or len(found) != 2 or max(found) > BOUND:
    sys.exit(f"not as it should be (at most {BOUND} each): {out.returncode} {out.stderr}")
