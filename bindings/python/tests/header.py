# SPDX-License-Identifier: Apache-2.0
"""header.py ROOT: the package has what rill.h has. Each call stands in the C sources, each field of
its structs in the tables there, each enumerator, code and verb in the package."""
import re
import sys
from pathlib import Path

import rill
from rill import _rill

root = Path(sys.argv[1])
header = re.sub(r"/\*.*?\*/", "", (root / "include/rill.h").read_text(), flags=re.S)
sources = "".join(p.read_text() for p in (root / "bindings/python/src").glob("*.[ch]"))
problems = []

# What C needs and Python has otherwise: a host's hooks, and the end of what rill lends.
calls = set(re.findall(r"^RILL_API[^;(]*?\b(rill_[a-z_]+)\(", header, flags=re.M))
assert len(calls) > 90, "the calls of rill.h were not found"
WITHOUT = {"rill_sub_end"}  # what a function uses lives as long as it runs: nobody has to wait
problems += [f"no {call}()" for call in sorted(calls - WITHOUT)
             if not re.search(rf"\b{call}\b", sources)]

# Functions, handles and what only C needs are no fields.
APART = {"size", "host", "arg", "on_event", "on_ready", "dial", "on_msg", "sub",
         "on_login", "on_login_arg",
         "on_creds",  # all connections wait for it, and it for the interpreter; creds_file is read
                      # again before each
         "memory", "flash",  # of a build for firmware, whose programs are in C
         "on_page", "on_page_arg"}  # http.server serves a Python program's own pages
for name, fields in _rill.fields().items():
    body = re.search(rf"typedef struct {name} \{{(.*?)\n\}} {name};", header, flags=re.S).group(1)
    body = re.sub(r"\w[\w ]*\(\*(\w+)\)\([^)]*\)", r"int \1", body)
    want = []
    for line in body.split(";"):
        names = re.sub(r"\[[^\]]*\]", "", line).replace("*const *", " ").replace("*", " ")
        parts = [part.split() for part in names.split(",") if part.split()]
        want += [words[-1] for words in parts]
    have = set(fields)
    for field in want:
        counts = field[0] == "n" and field[1:] in have | {"backoff"}
        if field not in have | APART and not counts and not field.startswith("reserved"):
            problems.append(f"{name} has no {field}")
    problems += [f"rill.h has no {name}.{f}" for f in have if f not in want]


def enum(prefix, kind, skip=()):
    for name in re.findall(rf"\bRILL_{prefix}_([A-Z_]+)(?: = [^,]*)?,", header):
        if name not in kind.__members__ and name not in skip:
            problems.append(f"{kind.__name__} has no {name}")


enum("DRIVE", rill.Drive)
enum("SYNC", rill.Sync)
enum("FULL", rill.WhenFull)
enum("FROM", rill.From)
enum("ACK", rill.Ack)
enum("KEEP", rill.Keep)
enum("EV", rill.EventKind)
enum("ITEM", rill.ItemKind)
enum("CAN", rill.Can)
enum("DO", rill.Verb)
verbs = re.search(r"RILL_ENUM\(rill_verb\) \{(.*?)\}", header, flags=re.S).group(1)
for i, name in enumerate(re.findall(r"RILL_DO_(\w+)", verbs), 1):
    if rill.Verb[name] != i:
        problems.append(f"Verb.{name} is not {i}")
for name, code in re.findall(r"X\((E\w+), (\d+),", header):
    made = rill._errors.make(-int(code), "why")
    if (made.name, made.code) != (name, -int(code)) or type(made) is rill.Error:
        problems.append(f"{name} has no exception")

print(f"{len(calls)} calls, {sum(map(len, _rill.fields().values()))} fields of "
      f"{len(_rill.fields())} structs, {len(rill.Verb)} verbs")
for problem in problems:
    print("   ", problem)
sys.exit(1 if problems else 0)
