# SPDX-License-Identifier: Apache-2.0
"""A file of lib/ includes its own floor and those below, and of its floor only the rooms that its
room may know; the sockets and clocks stay above engine, and programs see rill.h alone. The check
first has to catch violations planted in a text of its own."""
import re
import sys

from support import FLOORS, finish, planted

QUOTED = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)
ANGLED = re.compile(r"^\s*#\s*include\s*<([^>]+)>", re.M)
# Headers by which a floor that must be pure would reach a socket, a thread, a lock or a clock.
IMPURE = {"pthread.h", "threads.h", "sys/socket.h", "sys/epoll.h", "poll.h",
          "netinet/in.h", "time.h", "sys/time.h", "signal.h", "event2/event.h"}
PURE = {"codec", "store", "engine"}
# The rooms of a floor, and which other rooms of that floor each may know.
ROOMS = {
    "codec/subject": (),
    "codec/nats": (),
    "codec/kafka": ("codec/nats", "codec/subject"),
    "codec/jetstream": ("codec/nats", "codec/subject"),
    "codec/archive": ("codec/jetstream",),
    "codec/web": (),
    "store/index": (),
    "store/memory": (),
    "store/log": ("store/index", "store/memory"),
    "store/keep": ("store/log",),
    "engine/access": (),
    "engine/live": (),
    "engine/streams": ("engine/live",),
    "engine/groups": ("engine/live", "engine/streams"),
    "front/broker": (),
    "front/pages": ("front/broker",),
    "front/jetstream": ("front/broker", "front/pages"),
    "front/nats": ("front/broker", "front/jetstream"),
    "front/kafka": ("front/broker",),
    "front/http": ("front/broker", "front/pages"),
    "front/handle": ("front/broker",),
    "front/forward": ("front/broker", "front/handle"),
    "front/peer_local": ("front/broker", "front/handle", "front/jetstream"),
    "front/peer_nats": ("front/broker", "front/handle"),
    "front/peer_kafka": ("front/broker", "front/handle"),
}
# The library for firmware stands in place of what is above codec: of the others it knows these.
MICRO = ("base", "codec/nats", "codec/subject", "codec/limits.h", "micro")
# What the daemon reads as the library does, which it has within itself.
SHARED = {("examples/rilld/config.c", "codec/jetstream/duration.h"),
          ("examples/rilld/jwt_dir.c", "base/sha256.h"),
          ("examples/rilld/jwt_dir.c", "codec/web/nkey.h"),
          ("examples/rilld/log.c", "base/json_text.h"),
          ("examples/rilld/resolver.c", "base/error.h"),
          ("examples/rilld/reloads.c", "base/buffer.h"),
          ("examples/rilld/reloads.c", "base/json.h"),
          ("examples/rilld/reloads.c", "base/rfc3339.h"),
          ("examples/rilld/resolver.c", "codec/web/nkey.h"),
          ("examples/rilld/resolver.c", "engine/access/claims.h")}


def room(name):
    """The folder of a path under lib/, "" for a file that lies on its floor itself."""
    parts = name.split("/")
    return "/".join(parts[:2]) if len(parts) > 2 else ""


# What programs call stands over these; one file names the doors and peers of a build.
BELOW_API = ("front/handle", "front/forward", "front/broker")
BUILD = "api/build.c"


def too_deep(name, target):
    """Why a file of api may not include `target`; None: it may."""
    if not name.startswith("api/") or name == BUILD or not target.startswith("front/"):
        return None
    if room(target) in BELOW_API:
        return None
    return f'lib/{name}: "{target}" is for {BUILD} to know'


def next_door(name, target):
    """Why `name` may not include `target` of its own floor; None: it may."""
    here, there = room(name), room(target)
    if here == there or not there:
        return None
    if here not in ROOMS:
        return f"lib/{name}: no room {here or name.split('/')[0]} is known to floors.py"
    if there not in ROOMS[here]:
        return f'lib/{name}: "{target}" is in a room that {here} does not know'
    return None


def too_large(name, target):
    """Why a file of micro may not include `target`; None: it may."""
    if not name.startswith("micro/"):
        return None
    if target.startswith(MICRO) and (room(name) or room(target) in ("", "micro/flash",
                                                                    "codec/nats", "codec/subject")):
        return None
    return f'lib/{name}: "{target}" is not for firmware'


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
        elif why := too_large(name, target):
            found.append(why)
        elif other == floor and floor != "micro" and (why := next_door(name, target)):
            found.append(why)
        elif why := too_deep(name, target):
            found.append(why)
    if floor in PURE:
        found += [f"lib/{name}: <{h}> in {floor}, which is pure"
                  for h in ANGLED.findall(text) if h in IMPURE]
    return found


def outside(name, text):
    """The includes of a program by which it would reach into the library."""
    return [f'{name}: "{h}" is not public' for h in QUOTED.findall(text)
            if h.split("/")[0] in FLOORS and (name, h) not in SHARED]


def check(tree):
    problems = []
    for name, text in tree.items():
        if name.startswith("lib/") and name.endswith((".c", ".h")):
            problems += upward(name[len("lib/"):], text)
        elif name.startswith("examples/"):
            problems += outside(name, text)
    what = f"floors ({' < '.join(FLOORS)}), and which of {len(ROOMS)} rooms may know which"
    return what, problems


PLANTS = [
    ("lib/base/x.c", '#include "engine/x.h"'),
    ("lib/engine/x.h", '# include "api/x.h"'),
    ("lib/engine/live/x.c", "#include <pthread.h>"),
    ("lib/codec/x.c", '#include "x.h"'),
    ("lib/engine/live/x.c", '#include "engine/streams/x.h"'),
    ("lib/store/index/x.c", '#include "store/log/log.h"'),
    ("lib/front/nats/x.c", '#include "front/peer_local/local.h"'),
    ("lib/front/broker/x.c", '#include "front/nats/nats_server.h"'),
    ("lib/front/broker/x.h", '#include "front/peer_local/local.h"'),
    ("lib/front/broker/x.c", '#include "front/jetstream/jetstream_api.h"'),
    ("lib/front/peer_local/x.c", '#include "front/nats/nats_server.h"'),
    ("lib/front/handle/x.c", '#include "front/peer_local/local.h"'),
    ("lib/front/handle/x.h", '#include "front/jetstream/jetstream_api.h"'),
    ("lib/front/handle/x.c", '#include "front/forward/forward.h"'),
    ("lib/front/forward/x.c", '#include "front/peer_nats/nats_peer.h"'),
    ("lib/api/x.c", '#include "front/peer_local/local.h"'),
    ("lib/api/x.c", '#include "front/nats/nats_server.h"'),
    ("lib/micro/x.c", '#include "store/log/log.h"'),
    ("lib/micro/x.c", '#include "codec/jetstream/jsapi.h"'),
    ("lib/base/x.c", '#include "micro/micro.h"'),
    ("lib/front/cellar/x.c", '#include "front/broker/broker.h"'),
    ("examples/x.c", '#include "base/x.h"'),
]

if upward("engine/streams/x.c",
          '#include "engine/live/x.h"\n#include "base/x.h"\n#include <string.h>'):
    sys.exit("the check is wrong: includes that are allowed were refused")
if upward(BUILD, '#include "front/peer_local/local.h"\n#include "front/nats/nats_server.h"'):
    sys.exit(f"the check is wrong: {BUILD} may name what a build has")
if __name__ == "__main__":
    finish(*planted(check, PLANTS))
