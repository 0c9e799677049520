# SPDX-License-Identifier: Apache-2.0
"""micro.py FULL MICRO: bench_micro of both libraries, turn and turn about, medians of seven. The
one for firmware must not be slower."""
import statistics
import subprocess
import sys

ROUNDS = 7
times = [[], []]
for _ in range(ROUNDS):
    for program, found in zip(sys.argv[1:], times):
        found.append(float(subprocess.run([program], check=True, capture_output=True).stdout))
full, micro = map(statistics.median, times)
print(f"publish to callback, 128 B: the library {full:.1f} ns, for firmware {micro:.1f} ns, "
      f"{full / micro:.2f}x  must 1x  {'ok' if micro <= full else 'short'}")
sys.exit(micro > full)
