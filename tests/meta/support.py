# SPDX-License-Identifier: Apache-2.0
"""What the checks of the tree share: its files, and how a check reports."""
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLOORS = ["base", "codec", "store", "engine", "net", "front", "api", "micro"]


def tracked():
    """The files of the tree as git knows them, or, without git or a checkout, as they lie there."""
    if shutil.which("git") and (ROOT / ".git").exists():
        git = subprocess.run(["git", "-c", "safe.directory=*", "-C", ROOT, "ls-files", "-co",
                              "--exclude-standard"], capture_output=True, text=True, check=True)
        names = [name for name in git.stdout.splitlines() if (ROOT / name).exists()]
    else:
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file()
                 and path.suffix not in (".o", ".pyc")]
    return [name for name in names if not name.startswith(("build", ".git/"))]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8", errors="replace")


def library(tree):
    """(path under lib/, text) of each source of the library in `tree`, {name: text}."""
    for name, text in tree.items():
        if name.startswith("lib/") and name.endswith((".c", ".h")):
            yield name[len("lib/"):], text


def sources():
    """{name: text} of all C and Python of the tree."""
    return {n: read(n) for n in tracked() if n.endswith((".c", ".h", ".py"))}


def planted(check, plants, tree=None):
    """What check(tree) says, after it has found each of `plants`, (file, text to put at its end),
    in a tree that is otherwise as it is."""
    tree = tree or sources()
    if not any(library(tree)):
        sys.exit("no source of the library was found")
    what, problems = check(tree)
    for name, text in plants:
        before = tree.get(name)
        found = check({**tree, name: (before or "") + text})[1]
        if not set(found) - set(problems):
            sys.exit(f"the check of {what} is blind: this in {name} was not caught: {text}")
    return what, problems


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def released():
    """The names of lib/rill.map, each with its release."""
    names = {}
    for release, body in re.findall(r"(RILL_\S+) \{(.*?)\}", read("lib/rill.map"), re.S):
        exported = body.partition("global:")[2].partition("local:")[0]
        for name in re.findall(r"[^\s;]+", exported):
            names[name] = release
    return names


def finish(what, problems):
    """Print each problem, and end as a test does: 0, or 1 if there was any."""
    for problem in problems:
        print(problem)
    print(f"{what}: {len(problems)} problem(s)")
    sys.exit(1 if problems else 0)
