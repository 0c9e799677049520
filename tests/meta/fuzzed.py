# SPDX-License-Identifier: Apache-2.0
"""fuzzed.py LIBRILL_A: the files that tests/fuzz/fuzz.sh builds its targets from call no other file
of the library, so that what is built here is built there, too, where only .ci/run looks."""
import os
import re
import sys

from support import ROOT, finish, run

SYMBOL = re.compile(r"(?:.*[:/])?([^:/]*)\.c\.o:(?:[0-9a-f]+)? +(\w) (\S+)$")
listed = run("sh", os.path.join(ROOT, "tests", "fuzz", "fuzz.sh"), "--sources").split()
files = {os.path.relpath(path, os.path.join(ROOT, "lib"))[:-2].replace("/", "_") for path in listed}
where, wanted = {}, []
for line in run("nm", "-A", sys.argv[1]).splitlines():
    if found := SYMBOL.match(line):
        file, kind, name = found.groups()
        if kind == "U":
            wanted.append((file, name))
        elif kind.isupper():
            where[name] = file
built = files & set(where.values())
problems = [f"{file}.c calls {name}(), which is of {where[name]}.c: add it to sources() of fuzz.sh"
            for file, name in sorted(wanted)
            if file in built and name in where and where[name] not in built]
if len(built) < 100:
    problems.append(f"only {len(built)} of these files were found in the library")
finish(f"what is fuzzed: {len(built)} files of the library, which need no other", problems)
