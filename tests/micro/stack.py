# SPDX-License-Identifier: Apache-2.0
"""stack.py CALLS.ci...: how much stack the library for firmware needs, from what gcc writes with
-fcallgraph-info=su (one file a source, or one for rill_micro.c). No function may come back to
itself, and none may have a frame whose size is not known; the deepest path is bounded.

What gcc does not know are calls through tables: the peer's functions (`peer->turn`), the reading of
answers (`verdict`), what a wait waits for (`done`), the allocator of base (the arena). They are
read from the sources. A program's own functions are where its stack begins anew: the deepest path
to a callback, and the deepest of what a callback may call, stand on one another, once, since no
callback is run within one."""
import collections
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BOUND = 2048       # of a call
BOTH = 2560        # of one whose callback calls the deepest that it may
# Of rill.h, what waits for others' callbacks, and is RILL_EDEADLK in a callback.
REFUSED = ("rill_close", "rill_flush", "rill_poll", "rill_request", "rill_open", "rill_drain")
OURS = {"alloc": ["micro_bus_alloc"], "entropy": ["micro_bus_entropy"]}
THEIRS = re.compile(r"(?:\bhost\.(?:lock|idle|mono_ns|entropy|wall_ns)|ops\.(?:read|write|close)"
                    r"|\bops\.close|on_event|on_ready|on_msg|->dial|done\.(?:reply|stored))\(")
CALLBACK = re.compile(r"(?:on_event|on_msg|done\.(?:reply|stored))\(")
FUNCTION = re.compile(r"^[A-Za-z_][\w \*]*?\b(\w+)\([^;{]*?\)\n\{\n(.*?)\n\}\n", re.M | re.S)


def graph(paths):
    """{function: bytes of its frame}, {function: whom it calls}."""
    frames, calls = {}, collections.defaultdict(set)
    for path in paths:
        text = Path(path).read_text()
        for name, label in re.findall(r'node: \{ title: "([^"]+)" label: "([^"]*)"', text):
            name, size = name.split(":")[-1], re.search(r"(\d+) bytes \((\w+)\)", label)
            if size:
                frames[name] = int(size[1])
                if size[2] != "static":
                    sys.exit(f"{name} has a frame of unknown size: {size[0]}")
        for name, to in re.findall(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', text):
            calls[name.split(":")[-1]].add(to.split(":")[-1])
    return frames, calls


def tables():
    """{name of a peer's function: those that fill it}, {function: the indirect calls in it}."""
    fills, indirect, callers = collections.defaultdict(set), collections.defaultdict(set), set()
    bodies = {}
    texts = [p.read_text() for p in sorted((ROOT / "lib/micro").glob("**/*.c"))]
    texts += [(ROOT / "lib" / p).read_text() for p in ("base/alloc.c", "base/nuid.c")]
    for text in texts:
        for body in re.findall(r"^const ri_micro_peer \w+ = \{(.*?)\n\};", text, re.M | re.S):
            for field, function in re.findall(r"\.(\w+) = (\w+)", body):
                fills[field].add(function)
        for function in re.findall(r"->verdict = (\w+);", text):
            fills["verdict"].add(function)
        for function in re.findall(r"ri_micro_bus_wait\(\w+, (\w+),", text):
            fills["done"].add(function)
        for name, body in FUNCTION.findall(text):
            bodies[name] = body
            indirect[name] |= set(re.findall(r"peer->(\w+)\(", body))
            indirect[name] |= {"verdict"} & set(re.findall(r"->(verdict)\(", body))
            indirect[name] |= {"done"} & set(re.findall(r"\b(done)\(arg\)", body))
            indirect[name] |= set(re.findall(r"host->(alloc|entropy)\(", body))
            if CALLBACK.search(body):
                callers.add(name)
    fills.update({k: set(v) for k, v in OURS.items()})
    return fills, indirect, callers, bodies


def resolve(frames, calls, fills, indirect, bodies):
    """The graph with the calls through tables in it. Copies that gcc has made have their origin's,
    and a function has those of what was put into it."""
    whole = {}
    for name in frames:
        to = {t for t in calls[name] if t in frames}
        if "__indirect_call" in calls[name]:
            for field in fields_of(name.split(".")[0], frames, indirect, bodies):
                to |= {f for f in fills.get(field, ()) if f in frames}
        whole[name] = to
    return whole


def fields_of(name, frames, indirect, bodies):
    found, seen, left = set(), set(), [name]
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        found |= indirect[name]
        left += [f for f in re.findall(r"\b(\w+)\(", bodies.get(name, "")) if f in bodies and
                 not any(g.split(".")[0] == f for g in frames)]
    return found


def deepest(whole, frames):
    """{function: (bytes, path)}; ends the program at a circle."""
    known, path = {}, []

    def walk(name):
        if name in path:
            sys.exit("a circle: " + " > ".join([*path[path.index(name):], name]))
        if name not in known:
            path.append(name)
            below = max((walk(to) for to in whole[name]), default=(0, []))
            path.pop()
            known[name] = (frames[name] + below[0], [name, *below[1]])
        return known[name]

    for name in frames:
        walk(name)
    return known


def above(whole, frames, wanted):
    """The deepest path that ends in one of `wanted`."""
    best = {}

    def walk(name):
        if name not in best:
            ends = [(0, [])] if name.split(".")[0] in wanted else []
            ends += [b for b in map(walk, whole[name]) if b]
            best[name] = None
            if ends:
                bytes_, path = max(ends)
                best[name] = (frames[name] + bytes_, [name, *path])
        return best[name]

    return max(filter(None, map(walk, [n for n in frames if n.startswith("rill_")])))


def main():
    frames, calls = graph(sys.argv[1:])
    fills, indirect, callers, bodies = tables()
    assert "rill_poll" in frames and len(fills["turn"]) >= 1, "the graph is not that of the library"
    whole = resolve(frames, calls, fills, indirect, bodies)
    known = deepest(whole, frames)
    alone = max(known[n] for n in known if n.startswith("rill_"))
    before = above(whole, frames, callers)
    # Within a callback no other is run: the functions that run them are not reached.
    still = {name: {t for t in to if t.split(".")[0] not in callers} for name, to in whole.items()}
    known = deepest(still, frames)
    within = max(known[n] for n in known if n.startswith("rill_") and n not in REFUSED)
    print(f"{len(frames)} functions, no circle; the deepest call takes {alone[0]} bytes: "
          + " > ".join(alone[1]))
    print(f"to a callback {before[0]} bytes: " + " > ".join(before[1]))
    print(f"within a callback {within[0]} bytes: " + " > ".join(within[1]))
    print(f"both, at most {before[0] + within[0]} bytes and the callback's own; "
          f"bounds {BOUND} and {BOTH}")
    sys.exit(0 if before[0] + within[0] <= BOTH and alone[0] <= BOUND else 1)


main()
