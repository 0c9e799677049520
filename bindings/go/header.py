# SPDX-License-Identifier: Apache-2.0
"""header.py ROOT: the Go package has what rill.h has. Each call stands in its sources, by its name
or by the verb that begins it, or in the list below with the reason; so do the fields of structs,
the enumerators and the error codes."""
import re
import sys
from pathlib import Path

from_root = Path(sys.argv[1])
header = re.sub(r"/\*.*?\*/", "", (from_root / "include/rill.h").read_text(), flags=re.S)
folder = from_root / "bindings/go"
sources = "".join(p.read_text() for p in sorted([*folder.glob("*.go"), *folder.glob("shim.*")])
                  if not p.name.endswith("_test.go"))
code = re.sub(r"//[^\n]*|/\*.*?\*/", "", re.sub(r"// #include[^\n]*", "", sources), flags=re.S)

WITHOUT = {
    "rill_sub_end": "what a function uses lives as long as it runs, so nobody has to wait for it",
    "rill_next": "rill_read() of one is the same, and has the form that takes many",
    "rill_header_get": "a message's headers are copied with it",
    "rill_reply": "a message that has been copied is answered by rill_publish() to its reply, "
                  "which is what rill_reply() does",
    "rill_request": "rill_request_async(), so that no thread stands still",
    "rill_append": "rill_append_async(), likewise",
    "rill_reap": "each subscription is read by whoever wants its messages, many at a time; one "
                 "queue of the bus for all of them would be a second one, without rill's bounds",
    "rill_reaped_free": "of rill_reap()",
}
# The fields of structs that have a counterpart, and are not in it.
APART = {
    "size": "it is filled in", "arg": "a handle", "reserved": "", "reserved2": "",
    "host": "its hooks may be called with a lock of rill's held, where no Go can run",
    "memory": "of a build for firmware, whose programs are in C", "flash": "likewise",
    "on_ready": "likewise; Go's own poller watches the descriptor", "reap": "see rill_reap above",
    "on_publisher": "a call that was begun may lead to it, on a stack of rill's on which Go's "
                    "scheduler must not wait",
    "on_event": "OnEvent", "dial": "Dial", "on_msg": "OnMsg", "on_login": "OnLogin",
    "on_page": "net/http serves a Go program's own pages", "on_page_arg": "likewise",
    "on_creds": "all connections of the process wait for it, which Go's scheduler must not make "
                "long; creds_file is read again before each",
    "on_login_arg": "a handle", "headers": "Headers", "sub": "Sub",
}
STRUCTS = {"rill_obj_info": "ObjInfo", "rill_kv_opts": "KVOptions", "rill_tls": "TLS",
           "rill_opts": "Options", "rill_login": "loginTexts"}
ENUMS = {"DRIVE": "Drive", "SYNC": "Sync", "FULL": "Full", "FROM": "From", "ACK": "Ack",
         "KEEP": "Keep", "EV": "Event", "CAN": "Can"}

# Verbs whose calls have a form that brings more: without a stack of its own, or with reports.
BY_FORM = ("RILL_DO_APPEND", "RILL_DO_REQUEST", "RILL_DO_STORE_CHECK")

problems = []
calls = sorted(set(re.findall(r"^RILL_API[^;(]*?\b(rill_[a-z_]+)\(", header, flags=re.M)))
assert len(calls) > 90, "the calls of rill.h were not found"
for call in calls:
    verb = "RILL_DO_" + call[5:].upper()
    named = re.search(rf"\b{call}\b|\b{verb}\b", code)
    if not named and call not in WITHOUT:
        problems.append(f"no {call}()")
    if named and call in WITHOUT and call not in ("rill_append", "rill_request"):
        problems.append(f"{call}() is named, and listed as one that is not")
problems += [f"rill.h has no {call}()" for call in WITHOUT if call not in calls]
for verb in re.findall(r"\bRILL_DO_\w+", header):
    if not re.search(rf"\b{verb}\b", code) and verb not in BY_FORM:
        problems.append(f"no {verb}")


def snake(name):
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name).lower()


fields = 0
pairs = re.findall(r"TypeFor\[(\w+)\]\(\), reflect\.TypeFor\[C\.(rill_\w+)\]", sources)
assert len(pairs) > 25
for go, c in pairs:
    body = re.search(rf"typedef struct {c} \{{(.*?)\n\}} {c};", header, flags=re.S).group(1)
    body = re.sub(r"\w[\w ]*\(\*(\w+)\)\([^)]*\)", r"int \1", body)
    have = set()
    struct = re.search(rf"type {go} struct \{{(.*?)\n\}}", sources, flags=re.S).group(1)
    for line in struct.split("\n"):
        tag = re.search(r'`c:"(\w+)"`', line)
        if tag:
            have.add(tag.group(1))
        else:
            have |= {snake(n) for n in re.findall(r"\b([A-Z]\w*)(?=[, ])", line.split("//")[0])}
    for line in body.split(";"):
        names = re.sub(r"\[[^\]]*\]", "", line).replace("*const *", " ").replace("*", " ")
        for words in (part.split() for part in names.split(",") if part.split()):
            field = words[-1]
            fields += 1
            bare = re.sub(r"_(ms|ns|us)$", "", field)
            counts = field[0] == "n" and field[1:] in have | {"headers"}
            if not {field, bare} & have and field not in APART and not counts:
                problems.append(f"{go} has no {field} of {c}")
for prefix, kind in ENUMS.items():
    for name in re.findall(rf"\bRILL_{prefix}_([A-Z_]+)(?: = [^,]*)?,", header):
        if not re.search(rf"C\.RILL_{prefix}_{name}\b", code):
            problems.append(f"{kind} has no {name}")
for name in re.findall(r"X\((E\w+), \d+,", header):
    if not re.search(rf"\b{name}\s+Code = C\.RILL_{name}\b", code):
        problems.append(f"no code {name}")
print(f"{len(calls)} calls, {fields} fields of {len(pairs)} structs; {len(WITHOUT)} calls are "
      "listed")
for problem in problems:
    print("   ", problem)
sys.exit(1 if problems else 0)
