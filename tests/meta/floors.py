# SPDX-License-Identifier: Apache-2.0
"""A file of lib/ includes its own floor and those below, the sockets and clocks stay above
engine, and programs see rill.h alone. The check first has to catch violations planted in a
text of its own."""
import re
import sys

from support import FLOORS, finish, read, tracked

QUOTED = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)
ANGLED = re.compile(r"^\s*#\s*include\s*<([^>]+)>", re.M)
# Headers by which a floor that must be pure would reach a socket, a thread, a lock or a clock.
IMPURE = {"pthread.h", "threads.h", "sys/socket.h", "sys/epoll.h", "poll.h",
          "netinet/in.h", "time.h", "sys/time.h", "signal.h", "event2/event.h"}
PURE = {"codec", "store", "engine"}


def upward(name, text):
    """The includes of `name` (a path under lib/) that its floor does not allow."""
    floor = name.split("/")[0]
    found = []
    for target in QUOTED.findall(text):
        other = target.split("/")[0]
        if target == "rill.h":
            continue
        if other not in FLOORS or "/" not in target:
            found.append(f'lib/{name}: "{target}" does not begin with a floor')
        elif FLOORS.index(other) > FLOORS.index(floor):
            found.append(f'lib/{name}: "{target}" is above {floor}')
    if floor in PURE:
        found += [f"lib/{name}: <{h}> in {floor}, which is pure"
                  for h in ANGLED.findall(text) if h in IMPURE]
    return found


def outside(name, text):
    """The includes of a program by which it would reach into the library."""
    return [f'{name}: "{h}" is not public' for h in QUOTED.findall(text)
            if h.split("/")[0] in FLOORS]


planted = [("base/x.c", '#include "engine/x.h"'), ("engine/x.h", '# include "api/x.h"'),
           ("engine/x.c", "#include <pthread.h>"), ("codec/x.c", '#include "x.h"')]
for name, text in planted:
    if not upward(name, text):
        sys.exit(f"the check is blind: {text} in {name} was not caught")
if upward("engine/x.c", '#include "engine/x.h"\n#include "base/x.h"\n#include <string.h>'):
    sys.exit("the check is wrong: includes that are allowed were refused")

problems = []
sources = [n for n in tracked() if n.endswith((".c", ".h"))]
for name in sources:
    if name.startswith("lib/"):
        problems += upward(name[len("lib/"):], read(name))
    elif name.startswith("examples/"):
        problems += outside(name, read(name))
if not any(n.startswith("lib/") for n in sources):
    sys.exit("no source of the library was found")
finish(f"floors of {len(sources)} files", problems)
