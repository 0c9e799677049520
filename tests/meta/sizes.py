# SPDX-License-Identifier: Apache-2.0
"""Functions stay within 70 lines, files within 900 and lines, in C and in Python, within 100
columns. A function or a file that is longer says why: "Over 70 lines: <reason>" in the comment
above the function, "Over 900 lines: <reason>" in the file."""
import re

from support import finish, planted

FUNCTION_LINES, FILE_LINES, COLUMNS = 70, 900, 100


def functions(lines):
    """(first line, lines, signature) of each function whose brace stands alone on its line."""
    head = start = None
    for i, line in enumerate(lines):
        if line == "{":
            start = i
        elif line.startswith("}"):
            if start is not None and line == "}":
                yield head, i - head + 1, lines[head].strip()
            start = None
        elif start is None and re.match(r"[A-Za-z_]", line) and not line.endswith(":"):
            head = i


def long_functions(name, text):
    lines = text.split("\n")
    for first, length, signature in functions(lines):
        above = "\n".join(lines[max(0, first - 12):first])
        if length > FUNCTION_LINES and "over 70 lines:" not in above.lower():
            yield f"{name}:{first + 1}: {length} lines: {signature[:60]}"


def long_lines(name, text):
    for i, line in enumerate(text.split("\n")):
        if len(line) > COLUMNS:
            yield f"{name}:{i + 1}: {len(line)} columns"


def check(tree):
    problems, longest, most, columns = [], 0, 0, 0
    for name, text in tree.items():
        problems += long_lines(name, text)
        columns = max([columns, *map(len, text.split("\n"))])
        if name.endswith(".py"):
            continue
        problems += long_functions(name, text)
        count = text.count("\n")
        longest = max([longest, *(n for _, n, _ in functions(text.split("\n")))])
        most = max(most, count)
        if count > FILE_LINES and "over 900 lines:" not in text.lower():
            problems.append(f"{name}: {count} lines")
    return (f"sizes and columns of {len(tree)} files: the longest function has {longest} lines, "
            f"the longest file {most}, the longest line {columns} columns"), problems


BODY = "\nint f(void)\n{\n" + "    x();\n" * 80 + "}\n"
PLANTS = [("lib/base/x.c", BODY), ("lib/base/x.h", "\n" * 901), ("tests/x.py", "x" * 101)]
assert not list(long_functions("x.c", "/* Over 70 lines: a table. */" + BODY))
assert not list(long_functions("x.c", BODY.replace("    x();\n" * 80, "    x();\n")))
assert not list(long_lines("x.c", "\u00fc" * 100)), "columns are not bytes"
if __name__ == "__main__":
    finish(*planted(check, PLANTS))
