# SPDX-License-Identifier: Apache-2.0
"""The top level holds what the house says and nothing else; no line reads as unfinished; each
source begins with its licence."""
import re

from support import finish, read, tracked

TOP = {"meson.build", "lib", "include", "examples", "tests", "bindings", "README.md", "LICENSE",
       "CHANGELOG.md", ".github",
       "meson_options.txt"}  # meson looks for it nowhere else
UNFINISHED = re.compile(r"\bTO" r"DO\b|\bFIX" r"ME\b|\bXX" r"X\b|\bHA" r"CK\b|[Nn]ot (yet )?"
                        r"implemented|for no" r"w\b|place" r"holder")
CODE = (".c", ".h", ".py", ".sh", ".go", ".js", ".build")

assert UNFINISHED.search("TO" + "DO") and not UNFINISHED.search("mkstemp " + "X" * 6)
problems = []
names = tracked()
for top in sorted({name.split("/")[0] for name in names}):
    if top not in TOP and not top.startswith("."):
        problems.append(f"{top}: does not belong on the top level")
for name in names:
    if not name.endswith(CODE):
        continue
    text = read(name)
    for i, line in enumerate(text.split("\n")):
        if UNFINISHED.search(line):
            problems.append(f"{name}:{i + 1}: {line.strip()[:80]}")
    if name.endswith((".c", ".h")) and "SPDX-License-Identifier: Apache-2.0" not in text[:200]:
        problems.append(f"{name}: its first line is not the licence")
finish(f"the tree of {len(names)} files", problems)
