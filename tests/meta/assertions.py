# SPDX-License-Identifier: Apache-2.0
"""At least 20 assertions in 1000 lines of the library's code. An assertion says something and does
nothing: no constant, no change, not what the function has asserted already. That they catch is
shown by tests/unit/test_assert.c."""
import re

from support import FLOORS, finish, library, planted

LEAST = 20  # in 1000 lines of all of lib/
# ... and of each floor. `api` looks at what programs give it, whose faults are error codes.
OF_FLOOR = {"base": 20, "codec": 18, "store": 20, "engine": 15, "net": 16, "front": 14, "api": 0,
            "micro": 15}
ASSERTION = re.compile(r"\bRI_(?:ASSERT|CHECK)\(([^;]*?)\);", re.S)  # of what cleaned() left
CHANGES = re.compile(r"\+\+|--|(?<![=!<>])=(?!=)|_(?:take|pop|push|put|set|add|remove|free|unref|"
                     r"init|fini|grow|move)\((?!const)")


def cleaned(text):
    """Without comments, strings and characters, which keep their lines."""
    gone = re.compile(r"/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)
    return gone.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)


def of_function(text, at):
    """Where the function around `at` begins."""
    return text.rfind("\n{\n", 0, at)


def check(tree):
    problems = []
    count, lines = dict.fromkeys(FLOORS, 0), dict.fromkeys(FLOORS, 0)
    for path, text in library(tree):
        floor = path.split("/")[0]
        if "{" not in cleaned(text):  # rows of a table, which others include
            continue
        lines[floor] += text.count("\n")
        if path == "base/assert.h":
            continue
        plain, seen = cleaned(text), set()
        for match in ASSERTION.finditer(plain):
            count[floor] += 1
            said = " ".join(match.group(1).split())
            line = plain.count("\n", 0, match.start()) + 1
            if CHANGES.search(said):
                problems.append(f"lib/{path}:{line}: the assertion changes something: {said}")
            if re.fullmatch(r"true|[0-9]+", said):
                problems.append(f"lib/{path}:{line}: the assertion says nothing: {said}")
            key = of_function(plain, match.start()), said, plain.rfind("}", 0, match.start())
            if key in seen:
                problems.append(f"lib/{path}:{line}: this was asserted already: {said}")
            seen.add(key)
    rates = []
    for floor in FLOORS:
        rate = 1000 * count[floor] / max(lines[floor], 1)
        rates.append(f"{floor} {rate:.0f}")
        if rate < OF_FLOOR[floor]:
            problems.append(f"lib/{floor}: {rate:.1f} assertions in 1000 lines, "
                            f"less than {OF_FLOOR[floor]}")
    rate = 1000 * sum(count.values()) / max(sum(lines.values()), 1)
    if rate < LEAST:
        problems.append(f"lib: {rate:.1f} assertions in 1000 lines, less than {LEAST}")
    return f"assertions in 1000 lines: {rate:.1f} ({', '.join(rates)})", problems


PLANTS = [("lib/store/log/log.c", "\n" * 20000),
          ("lib/base/heap.c", "\nvoid f(int n)\n{\n    RI_ASSERT(n++ > 0);\n}\n"),
          ("lib/base/heap.c", "\nvoid f(int n)\n{\n    RI_ASSERT(n = 1);\n}\n"),
          ("lib/base/heap.c", "\nvoid f(ri_list *l)\n{\n    RI_ASSERT(ri_list_pop(l));\n}\n"),
          ("lib/base/heap.c", "\nvoid f(void)\n{\n    RI_ASSERT(true);\n}\n"),
          ("lib/base/heap.c", "\nvoid f(int n)\n{\n    RI_ASSERT(n);\n    RI_ASSERT(n);\n}\n")]

if __name__ == "__main__":
    finish(*planted(check, PLANTS))
