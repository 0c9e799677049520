# SPDX-License-Identifier: Apache-2.0
"""header.py ROOT: the crates have what rill.h has. The declarations of rill-sys are those that
declare.py makes of it; each call stands in the sources of the crate rill, or in the list below with
the reason, and so do the fields of structs, the verbs, the enumerators and the error codes."""
import re
import subprocess
import sys
from pathlib import Path

root = Path(sys.argv[1])
folder = root / "bindings/rust"
header = re.sub(r"/\*.*?\*/", "", (root / "include/rill.h").read_text(), flags=re.S)
sources = "".join(p.read_text() for p in sorted((folder / "rill/src").glob("*.rs")))
code = re.sub(r"//[^\n]*", "", sources)

WITHOUT = {
    "rill_sub_end": "what a function uses lives as long as it runs, so nobody has to wait for it",
    "rill_next": "rill_read() of one is the same, and has the form that takes many",
}
# Fields that have a counterpart of another name, or none.
APART = {
    "size": "it is filled in", "arg": "a function's own", "reserved": "", "reserved2": "",
    "idle": "of a build for firmware, whose programs are in C", "lock": "likewise",
    "memory": "likewise", "flash": "likewise", "task": "likewise",
    "alloc": "of rill_host: memory of C's stays C's; Rust's allocator knows no old sizes of it",
    "on_page": "a Rust program's own pages are served by a server of its own",
    "on_page_arg": "likewise",
    "on_creds": "all connections wait for it; creds_file is read again before each",
    "nheaders": "headers()", "nbackoff": "backoff()", "item": "", "why": "",
}
problems = []
for form, name in (("rust", "rill-sys/src/declared.rs"), ("c", "rill-sys/tests/layout.inc")):
    made = subprocess.run([sys.executable, folder / "declare.py", form, root / "include/rill.h"],
                          check=True, capture_output=True, text=True).stdout
    if made != (folder / name).read_text():
        problems.append(f"{name} is not what `declare.py {form}` makes of rill.h")

calls = sorted(set(re.findall(r"^RILL_API[^;(]*?\b(rill_[a-z_]+)\(", header, flags=re.M)))
assert len(calls) > 90, "the calls of rill.h were not found"
for call in calls:
    named = re.search(rf"\bsys::{call}\b", code)
    if not named and not re.search(rf"closed_when_dropped.*\b{call}\b", code, flags=re.S) and \
            call not in WITHOUT:
        problems.append(f"no {call}()")
    if named and call in WITHOUT:
        problems.append(f"{call}() is named, and listed as one that is not")
problems += [f"rill.h has no {call}()" for call in WITHOUT if call not in calls]
for verb in set(re.findall(r"\bRILL_DO_\w+", header)):
    if len(re.findall(rf"\b{verb}\b", code)) < 2:  # waited for, and begun
        problems.append(f"no {verb}")

# Options have a setter a field, and what calls tell is read field by field.
LENT = {"rill_msg": "msg.rs", "rill_event": "events.rs", "rill_item": "call.rs",
        "rill_reaped": "reap.rs", "rill_damage": "care.rs", "rill_care": "care.rs",
        "rill_login": "broker.rs", "rill_stream_desc": "records.rs", "rill_obj_info": "records.rs",
        "rill_forward_info": "records.rs", "rill_host": "options.rs", "rill_wire_ops": "wire.rs",
        "rill_call": "call.rs", "rill_header": "options.rs", "rill_str": "text.rs"}
fields = 0
structs = re.findall(r"typedef struct (\w+) \{(.*?)\n\} \1;", header, flags=re.S)
assert len(structs) > 30
for struct, body in structs:
    body = re.sub(r"\w[\w ]*\*?\(\*(\w+)\)\([^)]*\)", r"int \1", body)
    rows = re.search(rf"\b\w+: {struct} \{{(.*?)\n    \}}", code, flags=re.S)
    if struct in LENT:
        have = code if struct in ("rill_call", "rill_item") else \
            (folder / "rill/src" / LENT[struct]).read_text()
    elif rows:
        name = re.search(rf"\b(\w+): {struct} \{{", code).group(1)
        own = re.findall(rf"impl {name} \{{(.*?)\n\}}", code, flags=re.S)
        have = rows.group(1) + "".join(own)
        if struct == "rill_opts":
            have += (folder / "rill/src/events.rs").read_text()
        if struct == "rill_sub_opts":
            have += (folder / "rill/src/call.rs").read_text()
        if struct == "rill_broker_opts":
            have += (folder / "rill/src/broker.rs").read_text()
    elif struct in ("rill_page", "rill_creds", "rill_memory", "rill_flash"):
        continue  # of on_page; of on_creds; of a build for firmware
    else:
        problems.append(f"nothing stands for {struct}")
        continue
    for line in body.split(";"):
        names = re.sub(r"\[[^\]]*\]", "", line).replace("*const *", " ").replace("*", " ")
        for words in (part.split() for part in names.split(",") if part.split()):
            fields += 1
            field = words[-1]
            if not re.search(rf"\b{field}\b", have) and field not in APART:
                problems.append(f"{struct} has {field}, for which nothing stands")

for prefix in ("DRIVE", "SYNC", "FULL", "FROM", "ACK", "KEEP", "EV", "CAN", "MSG", "ITEM"):
    for name in re.findall(rf"\bRILL_{prefix}_([A-Z_]+)(?: = [^,]*)?,", header):
        if not re.search(rf"\bRILL_{prefix}_{name}\b", code) and name != "DONE":
            problems.append(f"no RILL_{prefix}_{name}")
for name in re.findall(r"X\((E\w+), \d+,", header):
    if not re.search(rf"\b{name} = RILL_{name}\b", code):
        problems.append(f"no code {name}")
print(f"{len(calls)} calls, {fields} fields of {len(structs)} structs; {len(WITHOUT)} of these "
      "calls are listed")
for problem in problems:
    print("   ", problem)
sys.exit(1 if problems else 0)
