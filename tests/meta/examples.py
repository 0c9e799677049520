# SPDX-License-Identifier: Apache-2.0
"""examples.py BUILD_DIR: each example has at most 60 lines, a test that runs it, and a place in the
cookbook, examples/README.md, which names no others. The daemon and the tool (rilld*, rill*) are
programs, no examples, and so is the device of examples/firmware, which tests/micro/firmware.sh
runs. The pages that speak of files of the tree (PAGES) name none that is not there. README shows
the page in two pictures, which tests/peers/picture.sh takes: they are there, and small."""
import json
import pathlib
import re
import sys

from support import ROOT, finish, read, run, tracked

PAGES = ("README.md", "examples/README.md", "examples/comparison.md", "lib/README.md",
         "lib/compatibility.md")

PICTURE_BYTES = 150_000


def named(text):
    """The files of the tree that a page speaks of: `tests/tool`, `examples/users.c`."""
    names = re.findall(r"`((?:tests|examples|lib|include|bindings)/[\w./-]*\w)`", text)
    return {name for name in names if not name.endswith(".so")}  # which the build makes


def pictures(text):
    """What is wrong with the pictures that a page shows."""
    names = re.findall(r'\bsrc(?:set)?="([^"]*)"', text)
    if len(names) != 2 or len(set(names)) != 2:
        yield f"README.md shows {len(names)} pictures, and not one for light and one for dark"
    for name in names:
        data = (ROOT / name).read_bytes() if (ROOT / name).exists() else b""
        if not data.startswith(b"\x89PNG\r\n\x1a\n") or len(data) > PICTURE_BYTES:
            yield f"README.md: {name}, of {len(data)} bytes, is no PNG of {PICTURE_BYTES} at most"


def cookbook(text, examples):
    """What is missing in the cookbook, and what it has too much."""
    said = {word for word in re.findall(r"`([a-z_]+\.(?:c|sh|h))`", text)
            if word not in ("rill.c", "rilld.c", "rill.h")}
    return ([f"examples/README.md does not name {name}" for name in sorted(examples - said)]
            + [f"examples/README.md names {name}, which is not there"
               for name in sorted(said - examples)])


build = sys.argv[1]
tests = json.loads(run("meson", "introspect", "--tests", build))
ran = {pathlib.Path(word).name for test in tests for word in test["cmd"]}
problems = []
examples = [n for n in tracked() if n.startswith("examples/") and n.endswith(".c")]
for name in examples:
    stem = pathlib.Path(name).stem
    if name.startswith(("examples/rill", "examples/firmware/")):
        continue
    lines = read(name).count("\n")
    if lines > 60:
        problems.append(f"{name}: {lines} lines")
    if stem not in ran:
        problems.append(f"{name}: no test runs it")
own = {pathlib.Path(n).name for n in tracked() if re.match(r"examples/[^/]*\.(c|sh|h)$", n)
       and not n.startswith("examples/rill")}
text = read("examples/README.md")
problems += cookbook(text, own)
for name in PAGES:
    problems += [f"{name} speaks of {path}, which is not there"
                 for path in sorted(named(read(name))) if not (ROOT / path).exists()]
page = read("README.md")
problems += pictures(page)
if not list(pictures(page.replace("page-dark", "page-none"))) or not list(pictures("")):
    problems.append("planted: a picture that is not there is not caught")
if not cookbook(text.replace("`queue.c`", ""), own) or not cookbook(text + "`nowhere.c`", own) or \
        not named("as `tests/nowhere.c` has it"):
    problems.append("planted: a cookbook without queue.c, or with what is not there, is not caught")
finish(f"{len(examples)} examples", problems)
