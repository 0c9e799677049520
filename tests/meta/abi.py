# SPDX-License-Identifier: Apache-2.0
"""abi.py [--record]: programs that were built with an earlier rill.h run with this one. What they
rely on is recorded in rill.abi: functions with the release that brought them, types, constants, and
where each field of a struct lies. What is recorded stays as it is; what is new is welcome.

With --record, rill.abi is written anew: after additions that were landed, or when an interface
is changed on purpose, which before 1.0 the changelog tells of."""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from support import ROOT, finish, read, released, run

RECORD = "tests/meta/rill.abi"
HEAD = "# What programs rely on, 64-bit. Written by: python3 tests/meta/abi.py --record\n"
DELIBERATE = ("A program that was built before would break. If that is meant, record it: "
              "python3 tests/meta/abi.py --record")
COMPILER = next((cc for cc in ("gcc", "clang", "cc") if shutil.which(cc)), None)


def spaced(text):
    return re.sub(r"\s+", " ", text).strip()


def own_text():
    """rill.h without comments, macros and what it includes."""
    lines, ours = [], False
    text = run(COMPILER, "-E", "-std=c11", "-DRILL_API=", ROOT / "include/rill.h")
    for line in text.splitlines():
        mark = re.match(r'# \d+ "(.*)"', line)
        if mark:
            ours = mark[1].endswith("rill.h")
        elif ours:
            lines.append(line)
    return "\n".join(lines).replace("_Bool", "bool")


def declarations(text):
    """Each with its braces, without its semicolon."""
    start = depth = 0
    for i, c in enumerate(text):
        depth += (c in "{(") - (c in "})")
        if c == ";" and depth == 0:
            yield spaced(text[start:i])
            start = i + 1


def without_names(declaration):
    """A prototype or the type of a function, whose parameters have no names."""
    head, parameters = re.match(r"(.*?\w\(|.*?\(\*\w+\)\()(.*)", declaration).groups()
    return head + re.sub(r"(?<=\*)\w+(?=[,)\[])|(?<=\w) \w+(?=[,)\[])", "", parameters)


def fields(body):
    """(name, declaration) of each field of a struct's body."""
    for line in filter(None, map(spaced, body.split(";"))):
        called = re.search(r"\(\*(\w+)\)\(", line)
        if called:
            yield called[1], without_names(line)
            continue
        kind, names = re.match(r"((?:const )?\w+) (.*)", line).groups()
        for name in names.split(", "):
            yield re.search(r"\w+", re.sub(r"\bconst\b", "", name))[0], f"{kind} {name}"


def macros():
    found = re.findall(r"^#define (RILL_\w+) (\S.*)$",
                       run(COMPILER, "-E", "-dM", "-std=c11", ROOT / "include/rill.h"), re.M)
    return sorted(name for name, body in found if name not in ("RILL_VERSION", "RILL_API")
                  and "__attribute__" not in body)


def measured(expressions):
    """What each of these is, asked of the compiler."""
    source = '#include <stdio.h>\n#include "rill.h"\nint main(void)\n{\n' + "".join(
        f'    printf("%lld\\n", (long long)({e}));\n' for e in expressions) + "}\n"
    with tempfile.TemporaryDirectory() as work:
        program = pathlib.Path(work, "ask.c")
        program.write_text(source, encoding="utf-8")
        run(COMPILER, "-std=c11", "-I", ROOT / "include", program, "-o", program.with_suffix(""))
        return [int(line) for line in run(program.with_suffix("")).split()]


def interface():
    """The lines of a record, in the order of rill.h."""
    lines, asked, release = [], [], released()
    for text in declarations(own_text()):
        struct = re.match(r"typedef struct (\w+) \{(.*)\} \w+$", text)
        if struct:
            lines.append(f"struct {struct[1]} %d")
            asked.append(f"sizeof({struct[1]})")
            for name, declaration in fields(struct[2]):
                lines.append(f"    %d %d {struct[1]}.{name}: {declaration}")
                asked += [f"offsetof({struct[1]}, {name})", f"sizeof((({struct[1]} *)0)->{name})"]
        elif text.startswith("enum"):
            for name in re.findall(r"(?<=[{,]) ?(\w+)", text):
                lines.append(f"constant {name} %d")
                asked.append(name)
        elif text.startswith("typedef"):
            lines.append("type " + (without_names(text) if "(*" in text else text))
        else:
            name = re.search(r"(\w+)\(", text)[1]
            lines.append(f"function {release.get(name, 'unreleased')} {without_names(text)}")
    for name in macros():
        lines.append(f"constant {name} %d")
        asked.append(name)
    return HEAD + "\n".join(lines) % tuple(measured(asked)) + "\n"


# ---- Comparing ----

class Record:
    """What the lines of a record say, by name."""

    def __init__(self, text):
        self.said, self.sizes, self.fields = {}, {}, {}
        for line in text.splitlines():
            field = re.match(r" +(\d+) (\d+) (\w+)\.(\w+): (.*)", line)
            kind, _, rest = line.partition(" ")
            if field:
                at, size, struct, name, declaration = field.groups()
                self.fields[struct][name] = (int(at), int(size), declaration)
            elif kind == "struct":
                struct, size = rest.split()
                self.sizes[struct], self.fields[struct] = int(size), {}
            elif kind == "constant":
                self.said[rest.split()[0]] = line
            elif kind in ("type", "function"):
                self.said[re.search(r"(\w+)\)?\(|(\w+)$", rest)[0].strip("()")] = line

    def by_value(self, struct):
        """Is it part of another struct, or passed as it is? Then its size is the others', too."""
        texts = [line for line in self.said.values() if line.startswith("function")]
        texts += [d for fields_of in self.fields.values() for _, _, d in fields_of.values()]
        return any(re.search(rf"\b{struct}\b(?! *\*)", text) for text in texts)


def reserved(name):
    return name.startswith("reserved")


def struct_problems(old, new, struct):
    before, after = old.fields[struct], new.fields.get(struct)
    if after is None:
        return [f"struct {struct} is gone"]
    problems = [f"{struct}.{name} was {field}, and is {after.get(name, 'gone')}"
                for name, field in before.items()
                if not reserved(name) and after.get(name) != field]
    room = [(at, at + size) for name, (at, size, _) in before.items() if reserved(name)]
    room.append((old.sizes[struct], 1 << 62))
    for name, (at, size, _) in after.items():
        if name not in before and not any(a <= at and at + size <= b for a, b in room):
            problems.append(f"{struct}.{name} is new, and neither at the end nor in reserved bytes")
    if new.sizes[struct] < old.sizes[struct]:
        problems.append(f"{struct} has become smaller")
    if new.sizes[struct] > old.sizes[struct] and old.by_value(struct):
        problems.append(f"{struct} is passed by value, or part of another: it cannot grow")
    return problems


def compare(recorded, now):
    """(what breaks programs, what is new)"""
    old, new = Record(recorded), Record(now)
    problems = [f"was {line}\n is {new.said.get(name, 'gone')}" for name, line in old.said.items()
                if new.said.get(name) != line]
    for struct in old.sizes:
        problems += struct_problems(old, new, struct)
    added = [name for name in new.said if name not in old.said]
    added += [f"{struct}.{name}" for struct in new.fields for name in new.fields[struct]
              if name not in old.fields.get(struct, {})]
    return problems, added


# ---- The same question, asked of abidiff ----

def stub(text, into):
    """A library of these declarations whose functions do nothing, with debug information."""
    record = Record(text)
    lines = ["#include <stdbool.h>", "#include <stddef.h>", "#include <stdint.h>"]
    lines += [f"typedef struct {s} {s};" for s in record.sizes]
    lines += [line[len("type "):] + ";" for line in text.splitlines() if line.startswith("type ")]
    for struct, of in record.fields.items():
        lines.append(f"struct {struct} {{ " + " ".join(f"{d};" for _, _, d in of.values()) + " };")
    for line in record.said.values():
        if line.startswith("function"):
            lines.append(line.split(" ", 2)[2] + " { __builtin_trap(); }")
    source = into.with_suffix(".c")
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    run(COMPILER, "-std=gnu2x", "-w", "-g", "-shared", "-fPIC", "-Wl,-soname,librill.so", source,
        "-o", into)


def abidiff(recorded, now):
    """abidiff's own words if something that is not an addition has changed."""
    with tempfile.TemporaryDirectory() as work:
        old, new = pathlib.Path(work, "old.so"), pathlib.Path(work, "new.so")
        stub(recorded, old)
        stub(now, new)
        done = subprocess.run(["abidiff", "--no-added-syms", old, new], capture_output=True,
                              text=True, check=False)
    return done.returncode, done.stdout


# ---- Does the check catch what it is for? (what is planted, the text that goes, what comes) ----

BREAKS = [
    ("a function goes", r"function .* rill_flush\(.*\n", ""),
    ("a parameter's type", r"(rill_publish\(.*), size_t,", r"\1, uint32_t,"),
    ("a function's release", r"function \S+ (.*\brill_open\()", r"function RILL_9.9 \1"),
    ("a constant", r"constant RILL_EAGAIN -3\n", "constant RILL_EAGAIN -4\n"),
    ("a limit", r"constant RILL_SUBJECT_MAX \d+\n", "constant RILL_SUBJECT_MAX 99\n"),
    ("a field's type", r"rill_opts\.sync: \w+ sync", "rill_opts.sync: uint32_t sync"),
    ("a field moves", r"    \d+ (\d+ rill_msg\.seq)", r"    4 \1"),
    ("a field between others", r"(struct rill_opts .*\n)", r"\1    4 4 rill_opts.odd: int odd\n"),
    ("a value grows", r"struct rill_str 16\n", "struct rill_str 24\n"),
    ("a struct shrinks", r"struct rill_stats \d+\n", "struct rill_stats 8\n"),
    ("a function's type", r"\(\*rill_name_fn\)\(const char \*", "(*rill_name_fn)(char *"),
]
KEEPS = [
    ("a function comes", r"\Z", "function RILL_0.2 int rill_new(rill_bus *)\n"),
    ("a constant comes", r"\Z", "constant RILL_NEW 7\n"),
    ("a field at the end", r"struct rill_event (\d+)\n((    .*\n)*)",
     r"struct rill_event 4096\n\2    \1 8 rill_event.new: int64_t new\n"),
    ("a field in reserved bytes", r"    (\d+) 1 rill_bucket_opts\.reserved: bool reserved\n",
     r"    \1 1 rill_bucket_opts.new: bool new\n"),
]


def planted(now):
    problems = []
    for breaks, rows in ((True, BREAKS), (False, KEEPS)):
        for what, old, new in rows:
            text, n = re.subn(old, new, now, count=1)
            if n == 0 or bool(compare(now, text)[0]) != breaks:
                problems.append(f"planted: {what}: {'not caught' if breaks else 'not welcome'}")
    return problems


def main():
    if COMPILER is None:
        print("skipped: no C compiler is here")
        sys.exit(77)
    if measured(["sizeof(void *)"]) != [8]:
        print("skipped: rill.abi is of machines of 64 bits")
        sys.exit(77)
    now = interface()
    if sys.argv[1:] == ["--record"]:
        (ROOT / RECORD).write_text(now, encoding="utf-8")
        return
    recorded = read(RECORD)
    problems, added = compare(recorded, now)
    if problems:
        problems.append(DELIBERATE)
    if shutil.which("abidiff") is None:
        print("abidiff (Debian: abigail-tools) is not here, and was not asked")
    else:
        status, report = abidiff(recorded, now)
        if problems or status & 8 or status & 3:
            problems.append(f"abidiff (status {status}):\n{report}")
        if abidiff(now, re.sub(BREAKS[0][1], "", now))[0] & 8 == 0:
            problems.append("planted: abidiff does not miss a function")
    print(f"new, and not recorded: {', '.join(added) or 'nothing'}")
    finish("what programs rely on", problems + planted(now))


main()
