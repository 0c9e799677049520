# SPDX-License-Identifier: Apache-2.0
"""examples.py BUILD_DIR: each example has at most 60 lines and a test that runs it. The daemon
(rilld*) is a program, not an example."""
import json
import pathlib
import sys

from support import finish, read, run, tracked

build = sys.argv[1]
tests = json.loads(run("meson", "introspect", "--tests", build))
ran = {pathlib.Path(word).name for test in tests for word in test["cmd"]}
problems = []
examples = [n for n in tracked() if n.startswith("examples/") and n.endswith(".c")]
for name in examples:
    stem = pathlib.Path(name).stem
    if name.startswith("examples/rilld"):
        continue
    lines = read(name).count("\n")
    if lines > 60:
        problems.append(f"{name}: {lines} lines")
    if stem not in ran:
        problems.append(f"{name}: no test runs it")
finish(f"{len(examples)} examples", problems)
