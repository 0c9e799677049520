# SPDX-License-Identifier: Apache-2.0
"""What a shell runs is read by shellcheck: every file whose first line says that it is for one."""
import re
import shutil
import subprocess
import sys

from support import ROOT, finish, tracked


def for_shell(name):
    """Does the file begin with #! and a shell?"""
    if not (ROOT / name).is_file():
        return False
    with open(ROOT / name, "rb") as file:
        return re.match(rb"#!\s*/bin/(ba)?sh\b", file.read(32)) is not None


if not shutil.which("shellcheck"):
    print("skipped: no shellcheck here: apt-get install shellcheck")
    sys.exit(77)
planted = subprocess.run(["shellcheck", "-"], input=b"#!/bin/sh\nrm $1\n", capture_output=True)
assert planted.returncode == 1 and b"SC2086" in planted.stdout, "shellcheck finds nothing"
names = [name for name in tracked() if for_shell(name)]
assert ".ci/run" in names and "tests/run.sh" in names
found = subprocess.run(["shellcheck", "-x", "-P", "SCRIPTDIR", "--format=gcc", *names], cwd=ROOT,
                       capture_output=True, text=True)
finish(f"shellcheck of {len(names)} files", found.stdout.splitlines() + found.stderr.splitlines())
