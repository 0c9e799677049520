# SPDX-License-Identifier: Apache-2.0
"""prints.py SOURCE EXE [ARGUMENT...]: the example prints what the comment on its top says that it
prints, and nothing on standard error, and ends with 0."""
import subprocess
import sys

source, *command = sys.argv[1:]
want = []
within = False
with open(source) as file:
    for line in file:
        if line.startswith(" */"):
            break
        if within and line.startswith(" *     "):
            want.append(line[7:])
        within = within or line.rstrip().endswith("Prints")
if not want:
    sys.exit(source + ": its comment does not say what it prints")
done = subprocess.run(command, capture_output=True, text=True, timeout=30)
print(done.stdout + done.stderr, end="")
# AddressSanitizer says so of every program that changes its stack, whatever it was told of them.
said = [line for line in done.stderr.splitlines() if "ASan doesn't fully support" not in line]
if done.returncode != 0 or said or done.stdout != "".join(want):
    sys.exit("exit code %d; it should print\n%s" % (done.returncode, "".join(want)))
