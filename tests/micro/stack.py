# SPDX-License-Identifier: Apache-2.0
"""stack.py CALLS.ci...: how much stack the library for firmware needs, from what gcc writes with
-fcallgraph-info=su (one file a source, or one for rill_micro.c). No function may come back to
itself, and none may have a frame whose size is not known; the deepest path is bounded.

What gcc does not know are calls through tables: the peer's functions (`peer->turn`), the reading of
answers (`verdict`), what a wait waits for (`done`), what a forward does when a message has landed
(`stored`), the allocator of base (the arena). They are read from the sources. A bus has one peer,
so there is one graph a peer, and the forward alone goes from one to another; of a peer that says
`at_once` nobody waits for a call (ri_micro_call_wait() asserts it).

A program's own functions are where its stack begins anew: the deepest path to a callback, and the
deepest of what a callback may call, of whatever peers, stand on one another, once, since no
callback is run within one; but one that turns another bus adds what that takes."""
import collections
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BOUND = 2048  # of a call, and of one whose callback calls the deepest that it may
# Of rill.h, what waits for others' callbacks, and is RILL_EDEADLK in a callback.
REFUSED = ("rill_close", "rill_flush", "rill_poll", "rill_request", "rill_open", "rill_drain")
OURS = {"alloc": {"micro_bus_alloc"}, "entropy": {"micro_bus_entropy"},
        "stored": {"micro_forward_done"}}
CALLBACK = re.compile(r"\b(?:on_event|on_msg)\(|\b(?:reply|stored)\(err, ")
FUNCTION = re.compile(r"^[A-Za-z_][\w \*]*?\b(\w+)\([^;{]*?\)\n\{\n(.*?)\n\}\n", re.M | re.S)
FORWARD = re.compile(r"(?:ri_micro|micro|rill)_forward_")


def origin(name):
    """Copies that gcc has made have a point in their names."""
    return name.split(".")[0]


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


class Sources:
    """What the sources say of calls through tables."""

    def __init__(self):
        self.peers = {}                           # {peer: {field: function}}
        self.at_once = set()                      # peers
        self.fills = collections.defaultdict(set)  # {what is called: those that it may be}
        self.indirect = collections.defaultdict(set)  # {function: what is called in it}
        self.callers = set()                      # of callbacks
        self.bodies = {}
        files = sorted((ROOT / "lib/micro").glob("**/*.c"))
        for path in files + [ROOT / "lib" / p for p in ("base/alloc.c", "base/nuid.c")]:
            self.read(path.read_text())
        self.fills.update(OURS)

    def read(self, text):
        table = r"^const ri_micro_peer (\w+) = \{(.*?)\n\};"
        for peer, body in re.findall(table, text, re.M | re.S):
            self.peers[peer] = {f: {to} for f, to in re.findall(r"\.(\w+) = (\w+)", body)}
            if "at_once" in self.peers[peer]:
                self.at_once.add(peer)
        self.fills["verdict"] |= set(re.findall(r"->verdict = (\w+);", text))
        self.fills["done"] |= set(re.findall(r"ri_micro_bus_wait\(\w+, (\w+),", text))
        for name, body in FUNCTION.findall(text):
            self.bodies[name] = body
            here = self.indirect[name]
            here |= {f"peer->{f}" for f in re.findall(r"peer->(\w+)\(", body)}
            here |= {"verdict"} & set(re.findall(r"->(verdict)\(", body))
            here |= {"done"} & set(re.findall(r"\b(done)\(arg\)", body))
            here |= {"stored"} & set(re.findall(r"\b(stored)\(err, ", body))
            here |= set(re.findall(r"host->(alloc|entropy)\(", body))
            if CALLBACK.search(body):
                self.callers.add(name)

    def of(self, name, frames):
        """What is called through tables in it, and in what was put into it."""
        found, seen, left = set(), set(), [name]
        whole = {origin(f) for f in frames}
        while left:
            name = left.pop()
            if name in seen:
                continue
            seen.add(name)
            found |= self.indirect[name]
            left += [f for f in re.findall(r"\b(\w+)\(", self.bodies.get(name, ""))
                     if f in self.bodies and f not in whole]
        return found


def resolve(frames, calls, sources):
    """{(peer, function): those that it calls}."""
    whole = {}
    for peer, table in sources.peers.items():
        for name in frames:
            to = {t for t in calls[name] if t in frames}
            if origin(name) == "ri_micro_call_wait" and peer in sources.at_once:
                to -= {"ri_micro_bus_wait"}
            through = sources.of(origin(name), frames) if "__indirect_call" in calls[name] else ()
            for what in through:
                field = what[6:] if what.startswith("peer->") else None
                to |= (table.get(field, set()) if field else sources.fills[what]) & set(frames)
            peers = sources.peers if FORWARD.match(name) else [peer]
            whole[peer, name] = {(p, t) for p in peers for t in to}
    return whole


def deepest(whole, frames):
    """{function: (bytes, path)}; ends the program at a circle."""
    known, path = {}, []

    def walk(node):
        if node in path:
            sys.exit("a circle: " + " > ".join(n for _, n in [*path[path.index(node):], node]))
        if node not in known:
            path.append(node)
            below = max((walk(to) for to in whole[node]), default=(0, []))
            path.pop()
            known[node] = (frames[node[1]] + below[0], [node[1], *below[1]])
        return known[node]

    for node in whole:
        walk(node)
    return known


def above(whole, frames, wanted):
    """The deepest path that ends in one of `wanted`."""
    best = {}

    def walk(node):
        if node not in best:
            ends = [(0, [])] if origin(node[1]) in wanted else []
            ends += [b for b in map(walk, whole[node]) if b]
            best[node] = None
            if ends:
                bytes_, path = max(ends)
                best[node] = (frames[node[1]] + bytes_, [node[1], *path])
        return best[node]

    return max(filter(None, map(walk, [n for n in whole if n[1].startswith("rill_")])))


def told(what, found, frames):
    steps = " > ".join(f"{name} {frames[name]}" for name in found[1])
    print(f"{what} {found[0]} bytes: {steps}")


def main():
    sys.setrecursionlimit(10000)
    frames, calls = graph(sys.argv[1:])
    sources = Sources()
    assert "rill_poll" in frames and len(sources.peers) >= 1, "the graph is not that of the library"
    assert sources.callers == {"micro_call_run", "micro_sub_run", "micro_bus_raise"}
    whole = resolve(frames, calls, sources)
    known = deepest(whole, frames)
    alone = max(known[n] for n in known if n[1].startswith("rill_"))
    before = above(whole, frames, sources.callers)
    # Within a callback no other is run: the functions that run them are not reached.
    still = {node: {t for t in to if origin(t[1]) not in sources.callers}
             for node, to in whole.items()}
    known = deepest(still, frames)
    within = max(known[n] for n in known if n[1].startswith("rill_") and n[1] not in REFUSED)
    both = before[0] + within[0]
    told(f"{len(frames)} functions, no circle; the deepest call takes", alone, frames)
    told("to a callback", before, frames)
    told("within a callback", within, frames)
    print(f"both, at most {both} bytes and the callback's own; bound {BOUND}")
    sys.exit(0 if max(both, alone[0]) <= BOUND else 1)


main()
