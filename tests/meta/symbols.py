# SPDX-License-Identifier: Apache-2.0
"""symbols.py LIBRILL_SO LIBRILL_A: the shared library exports what rill.h declares, no more and
no less; the archive's global names are the house's own; nothing runs before main or at exit,
and no writable global exists beyond those listed here with a reason."""
import re
import sys

from support import finish, read, run

shared, archive = sys.argv[1:3]
# Writable data that the library may own, each with the reason why no handle can hold it.
GLOBALS = {
    "error_text": "a thread's last sentence outlives every handle (thread-local)",
    "broker_names": "mem:NAME is found by name by callers that share no handle",
    "broker_names_lock": "guards broker_names",
}


def symbols(*flags):
    for line in run("nm", *flags).splitlines():
        fields = line.split()
        if len(fields) == 3:
            yield fields[1], fields[2]


header = read("include/rill.h")
declared = set(re.findall(r"^RILL_API\b[^;]*?\b(rill_\w+)\(", header, re.M))
exported = {name.split("@")[0] for _, name in symbols("-D", "--defined-only", shared)}
exported.discard("RILL_0.1")
problems = [f"{name}: exported, but not in rill.h" for name in sorted(exported - declared)]
problems += [f"{name}: in rill.h, but not exported" for name in sorted(declared - exported)]
for kind, name in symbols("--defined-only", archive):
    if name.startswith(("__", ".L", "_")):  # the compiler's own
        continue
    if kind in "TDBRCV" and not name.startswith(("rill_", "ri_")):
        problems.append(f"{name}: a global name that is not of the house")
    if kind in "dDbBC" and not name.endswith(("_ops", "_table")) and name not in GLOBALS:
        problems.append(f"{name}: writable data that no handle owns")
if "atexit" in run("nm", "-u", archive).split():
    problems.append("atexit is called")
if re.search(r"\.(init_array|ctors|fini_array)\b", run("objdump", "-h", archive)):
    problems.append("a constructor or destructor is linked in")
if not declared:
    problems.append("no declaration was found in rill.h")
finish(f"{len(declared)} declarations, {len(exported)} exports", problems)
