# SPDX-License-Identifier: Apache-2.0
"""header.py ROOT: the Node package has what rill.h has. Each call stands in its sources, by its
name or by the verb that begins it, or in the list below with the reason; so do the fields of
structs, the values of enumerations and the error codes; and index.d.ts has each field by its name
in JavaScript, and each method of the classes."""
import re
import sys
from pathlib import Path

root = Path(sys.argv[1])
header = re.sub(r"/\*.*?\*/", "", (root / "include/rill.h").read_text(), flags=re.S)
folder = root / "bindings/node"
sources = "".join(p.read_text() for p in sorted((folder / "src").glob("*.[ch]")))
code = re.sub(r"/\*.*?\*/", "", sources, flags=re.S)
scripts = {p.name: p.read_text() for p in sorted((folder / "lib").glob("*.js"))}
types = (folder / "index.d.ts").read_text()

WITHOUT = {
    "rill_sub_end": "what a function uses lives as long as it runs, so nobody has to wait for it",
    "rill_next": "rill_read() of one is the same, and has the form that takes many",
    "rill_header_get": "a message's headers are copied with it",
    "rill_reply": "a message that has been copied is answered by rill_publish() to its reply, "
                  "which is what rill_reply() does",
    "rill_poll": "rill's threads drive: a loop that does other work would let a store wait",
    "rill_fd": "likewise", "rill_wait_ms": "likewise",
    "rill_reap": "each subscription is read by whoever wants its messages, many at a time; one "
                 "queue of the bus for all of them would be a second one, without rill's bounds",
    "rill_reaped_free": "of rill_reap()",
}
# The fields of structs that have a counterpart, and are not in it.
APART = {
    "size": "it is filled in", "arg": "a handle", "reserved": "", "reserved2": "",
    "host": "its hooks may be called with a lock of rill's held, where no JavaScript can run",
    "memory": "of a build for firmware, whose programs are in C", "flash": "likewise",
    "on_ready": "of rill_reap()", "reap": "see rill_reap() above", "drive": "see rill_poll() above",
    "on_publisher": "JavaScript runs on one thread, and rill's callbacks on others",
    "on_event": "onEvent", "dial": "dial", "on_msg": "onMsg", "on_login": "onLogin",
    "on_page": "a page has to be there at once, on a thread of rill's, where no JavaScript runs",
    "on_page_arg": "likewise",
    "on_creds": "the connection waits for it on a thread of rill's, where no JavaScript runs; "
                "creds_file is read again before each",
    "on_login_arg": "a handle", "sub": "sub, of an event",
}
ENUMS = {"SYNC": "sync_names", "FULL": "full_names", "FROM": "from_names", "ACK": "ack_names",
         "KEEP": "keep_names", "EV": "event_names"}

problems = []


def camel(name):
    return re.sub(r"_(\w)", lambda m: m.group(1).upper(), name.lower())


calls = sorted(set(re.findall(r"^RILL_API[^;(]*?\b(rill_[a-z_]+)\(", header, flags=re.M)))
assert len(calls) > 90, "the calls of rill.h were not found"
verbs = re.findall(r"\bRILL_DO_(\w+)", header)
assert len(verbs) > 40, "the verbs of rill.h were not found"
table = set(re.findall(r"\bV\((\w+)\)", code))
asked = set(re.findall(r"\bverbs\.(\w+)", "".join(scripts.values())))
for verb in verbs:
    if verb not in table:
        problems.append(f"no verb {verb}")
    if verb not in asked:
        problems.append(f"nothing in lib/ asks for {verb}")
for call in calls:
    named = re.search(rf"\b{call}\(", code) or call[5:].upper() in table & asked
    if not named and call not in WITHOUT:
        problems.append(f"no {call}()")
    if named and call in WITHOUT:
        problems.append(f"{call}() is named, and listed as one that is not")
problems += [f"rill.h has no {call}()" for call in WITHOUT if call not in calls]

# What the native half defines is called by lib/, and the other way round.
defined = set(re.findall(r'nd_define\(e, exports, "(\w+)"', code)) | {"errors", "verbs", "version"}
called = set(re.findall(r"\bnative\.(?!js\b)(\w+)", "".join(scripts.values())))
problems += [f"lib/ never calls native.{name}" for name in sorted(defined - called)]
problems += [f"the native half has no {name}" for name in sorted(called - defined)]

fields = 0
records = re.findall(r"field (\w+)_fields\[\] = \{(.*?)END\};", code, flags=re.S)
structs = {}
for record, body in records:
    c = re.search(rf"(?:RECORD|PLAIN)\({record}, (rill_\w+)\)", code).group(1)
    body = re.sub(r"\bS\((?:(\w+), )?(\w+)\)", r"F(x, y, \2)", body)
    body = re.sub(r'\{"(\w+)", U32S', r"F(x, y, \1), {", body)
    structs[c] = set(re.findall(r"(?:F|ROOM|LIST)\(\w+, \w+, (\w+)\)", body)) | set(
        re.findall(r"(?:ONE|MANY|NAMED)\(\w+, (\w+),", body))
assert len(structs) > 28
for c, have in structs.items():
    body = re.search(rf"typedef struct {c} \{{(.*?)\n\}} {c};", header, flags=re.S).group(1)
    body = re.sub(r"\w[\w ]*\(\*(\w+)\)\([^)]*\)", r"int \1", body)
    told = re.search(rf"// {c}\n.*?\n}}\n", types, flags=re.S)
    if not told:
        problems.append(f"index.d.ts has no {c}")
        continue
    for line in body.split(";"):
        names = re.sub(r"\[[^\]]*\]", "", line).replace("*const *", " ").replace("*", " ")
        for words in (part.split() for part in names.split(",") if part.split()):
            field = words[-1]
            fields += 1
            if field[0] == "n" and field[1:] in have or field == "nbackoff":
                continue
            if field not in have and field not in APART:
                problems.append(f"{c} has no {field} here")
            typed = rf"^    (readonly )?{camel(field)}\??:"
            if field in have and not re.search(typed, told.group(0), flags=re.M):
                problems.append(f"index.d.ts: {c} has no {camel(field)}")
for prefix, table in ENUMS.items():
    names = re.search(rf"{table}\[\] = \{{(.*?)NULL", code, flags=re.S).group(1)
    have = [n for n in re.findall(r'"(\w*)"', names) if n]
    block = re.search(rf"RILL_ENUM\(\w+\) \{{([^}}]*\bRILL_{prefix}_[^}}]*)\}}", header).group(1)
    want = [camel(n) for n in re.findall(rf"\bRILL_{prefix}_([A-Z_]+)\b", block)]
    if have != want:
        problems.append(f"{table} are {have}, and those of rill.h {want}")
    for name in want:
        if f"'{name}'" not in types:
            problems.append(f"index.d.ts has no '{name}'")
for name in re.findall(r"X\((E\w+), \d+,", header):
    if f"'RILL_{name}'" not in types:
        problems.append(f"index.d.ts has no code RILL_{name}")

# Classes and their methods.
for script in scripts.values():
    for name, body in re.findall(r"^class (\w+)[^\n]*\{\n(.*?)^\}", script, flags=re.S | re.M):
        if name in ("Slab",):
            continue
        told = re.search(rf"^export class {name}\b.*?^\}}", types, flags=re.S | re.M)
        if not told:
            problems.append(f"index.d.ts has no class {name}")
            continue
        methods = re.findall(r"^    (?:async |get )?(\w+)\([^\n]*\{", body, flags=re.M)
        known = {m for m in methods if m[0] != "_" and m not in ("constructor", "if", "for")}
        assert known, f"the methods of {name} were not found"
        for method in sorted(known):
            if not re.search(rf"^    (readonly )?{method}\b", told.group(0), flags=re.M):
                problems.append(f"index.d.ts: {name} has no {method}")
print(f"{len(calls)} calls, {fields} fields of {len(structs)} structs; {len(WITHOUT)} calls are "
      "listed")
for problem in problems:
    print("   ", problem)
sys.exit(1 if problems else 0)
