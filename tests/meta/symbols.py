# SPDX-License-Identifier: Apache-2.0
"""symbols.py LIBRILL_SO LIBRILL_A: the shared library exports what rill.h declares, no more and
no less; the archive's global names are the house's own; nothing runs before main or at exit,
and no writable global exists beyond those listed here with a reason."""
import re
import sys

from support import finish, read, released, run

shared, archive = sys.argv[1:3]
# Writable data that the library may own, each with the reason why no handle can hold it.
GLOBALS = {
    "error_text": "a thread's last sentence outlives every handle (thread-local)",
    "hash_secret": "what strangers may not know of tables: one for the process, since a hash that "
                   "one handle computed is looked up by another's",
    "bus_frames": "which callbacks this thread is within, of whatever bus (thread-local)",
    "bus_floor": "from which of them on they are outside of the task that it runs (thread-local)",
    "ri_host_wire_depth": "which functions of wires this thread is within, of whatever handle "
                          "(thread-local)",
    "hurry_here": "whether somebody wants what this thread does to be over (thread-local)",
    "ri_process_page": "a forked child's copies of all handles must find the mark that the kernel "
                       "wiped",
    "registry_entries": "mem:NAME is found by name, by callers that share no handle",
    "registry_lock": "guards registry_entries",
    "hub_all": "handles of remote peers that share no more than a host table share a thread",
    "resolve_all": "a process has so many threads that look up names, whoever asks",
}


def symbols(*flags):
    for line in run("nm", *flags).splitlines():
        fields = line.split()
        if len(fields) == 3:
            yield fields[1], fields[2]


header = read("include/rill.h")
declared = set(re.findall(r"^RILL_API\b[^;]*?\b(rill_\w+)\(", header, re.M))
exported = {name.split("@")[0] for _, name in symbols("-D", "--defined-only", shared)}
releases = released()
exported -= set(releases.values())
problems = [f"{name}: exported, but not in rill.h" for name in sorted(exported - declared)]
problems += [f"{name}: in rill.h, but not exported" for name in sorted(declared - exported)]
problems += [f"{name}: in lib/rill.map, but not in rill.h"
             for name in sorted(set(releases) - declared)]
for kind, name in symbols("--defined-only", archive):
    if name.startswith(("__", ".L", "_")):  # the compiler's own
        continue
    if kind in "TDBRCV" and not name.startswith(("rill_", "ri_")):
        problems.append(f"{name}: a global name that is not of the house")
# address, seven flags, section, size, name. Tables of pointers lie in .data.rel.ro.
OBJECT = re.compile(r"^[0-9a-f]+ (.{7}) (\.(?:data|bss|tdata|tbss)\S*|\*COM\*)\t\S+ +(?:\.hidden "
                    r")?(\S+)$",
                    re.M)
owned = {name for flags, section, name in OBJECT.findall(run("objdump", "-t", archive))
         if "d" not in flags and not section.startswith(".data.rel.ro")}
problems += [f"{name}: writable data that no handle owns" for name in sorted(owned - set(GLOBALS))]
problems += [f"{name}: listed here, but not in the library"
             for name in sorted(set(GLOBALS) - owned)]
if "atexit" in run("nm", "-u", archive).split():
    problems.append("atexit is called")
if re.search(r"\.(init_array|ctors|fini_array)\b", run("objdump", "-h", archive)):
    problems.append("a constructor or destructor is linked in")
# What belongs to streams, groups and buckets asks the peer, and says so.
marked = set(re.findall(r"^RILL_API\b[^;]*?\b(rill_\w+)\([^;]*\)\s+RILL_ASKS;", header, re.M))
asking = {name for name in declared if re.match(r"rill_(stream|group|kv|objs?)_", name)
          and not name.endswith(("_close", "_told"))}
problems += [f"{name}: asks the peer, and has no mark RILL_ASKS"
             for name in sorted(asking - marked)]
if len(marked) <= len(asking):
    problems.append("no other call is marked RILL_ASKS")
if not declared:
    problems.append("no declaration was found in rill.h")
finish(f"{len(declared)} declarations, {len(exported)} exports", problems)
