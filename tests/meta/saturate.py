# SPDX-License-Identifier: Apache-2.0
"""Times and sizes that may come from outside go through base/saturate.h: no product that makes
nanoseconds, no sum or difference with a time, and no product that is the size of an allocation is
written out, unless the other operand is a constant, the size is that of a capacity (which grew
from what is in memory), or the line is allowed below, with the reason. The check first has to
catch violations planted in a text of its own."""
import re
import sys

from support import finish, read, tracked

# A name of nanoseconds: by its suffix, or one of those that JetStream's fields have.
TIME = re.compile(r"(_ns|^(ack_wait|backoff|duplicate_window|expires|idle_heartbeat|"
                  r"inactive_threshold|max_age|max_expires|pause_until|priority_timeout|"
                  r"subject_delete_marker_ttl|until|timeout))$")
CLOCK = re.compile(r"^ri_(mono_ns|wall_ns|coarse_ns|loop_now)$")
ALLOCATES = re.compile(r"\bri_(?:alloc|calloc|arena_alloc)\(")
CAPACITY = re.compile(r"(^|_)cap(_|$)")
CONSTANT = re.compile(r"^\(*(\d\w*|[A-Z][A-Z0-9_]*)\)*$")
UNITS = re.compile(r"^\(*(RI_MS|RI_SEC|1000LL|1000000|1000000LL|1000000000|1000000000LL|"
                   r"PAGES_NS_OF_MS)\)*$")

OUR_CLOCK = "the difference of two looks at the host's clock, on the way of each turn"
# What is written out and cannot overflow, and why.
ALLOWED = {
    ("lib/base/host.c", "(int64_t)ts.tv_sec * RI_SEC"): "the clock itself",
    ("lib/front/broker/durable.c", "now_ns with d.opening_logged_ns"): OUR_CLOCK,
    ("lib/front/broker/durable.c", "ri_mono_ns(&d.broker.host) with d.opening_ns"): OUR_CLOCK,
    ("lib/net/loop.c", "ri_mono_ns(loop.host) with from_ns"): OUR_CLOCK,
    ("lib/net/loop.c", "ri_loop_now(loop) with from_ns"): OUR_CLOCK,
    ("lib/net/park.c", "ts.tv_nsec with timeout_ns"): "a rest of less than a second on each side",
}


def code(text):
    """Without comments and literals, lines kept; `->` is a `.`, so that no minus is in it."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match[0])
    text = re.sub(r"/\*.*?\*/|//[^\n]*|\"(\\.|[^\"\\\n])*\"|'(\\.|[^'\\\n])+'", blank, text,
                  flags=re.S)
    # What follows an operator at the end of a line is moved up to it.
    text = re.sub(r" ([-+*]=?)\n *([^\n]*)", r" \1 \2\n", text)
    return text.replace("->", ".")


def name(operand):
    """The word that says what an operand is: of a call the function, else the last member."""
    call = re.match(r"^[(!]*(\w+)\(", operand)
    words = re.findall(r"\w+", re.sub(r"\[[^\]]*\]", "", operand))
    return call[1] if call else words[-1] if words else ""


def operands(line, operator):
    """(left, right) of each binary operator, which stands between blanks."""
    for match in re.finditer(r"(?<=[\w)\]]) (%s) (?=[\w(&*])" % operator, line):
        yield ending(line[:match.start()]), beginning(line[match.end():])


def ending(text):
    """The operand at the end of a text: words, members, and balanced brackets."""
    depth, i = 0, len(text)
    while i > 0:
        c = text[i - 1]
        if c in ")]":
            depth += 1
        elif c in "([":
            if depth == 0:
                break
            depth -= 1
        elif depth == 0 and not (c.isalnum() or c in "_."):
            break
        i -= 1
    return text[i:]


def beginning(text):
    depth = 0
    for i, c in enumerate(text):
        if c in "([":
            depth += 1
        elif c in ")]":
            if depth == 0:
                return text[:i]
            depth -= 1
        elif depth == 0 and not (c.isalnum() or c in "_.&*"):
            return text[:i]
    return text


def is_time(operand):
    return bool(TIME.search(name(operand)) or CLOCK.match(name(operand)))


def bare(text):
    """(line number, what) of each computation that goes around the header."""
    for number, line in enumerate(code(text).split("\n"), 1):
        if re.match(r"\s*#", line):
            continue
        for left, right in operands(line, r"\*"):
            if UNITS.match(left) and not CONSTANT.match(right):
                yield number, f"{left} * {right}"
            if UNITS.match(right) and not CONSTANT.match(left):
                yield number, f"{left} * {right}"
        for left, right in operands(line, r"\+|-|\+=|-="):
            constant = CONSTANT.match(left) or CONSTANT.match(right)
            if (is_time(left) or is_time(right)) and not constant:
                yield number, f"{left} with {right}"
        for call in ALLOCATES.finditer(line):
            for left, right in operands(beginning("(" + line[call.end():]), r"\*"):
                if not CONSTANT.match(left) and not CAPACITY.search(name(left)):
                    yield number, f"{left} * {right} bytes"


PLANTED = ["x = opts->max_age_ms * RI_MS;", "x = RI_SEC * seconds;", "x = ms * 1000000;",
           "due_ns = js->mono_ns + c->conf.ack_wait;", "x = now - pull->beat_ns;",
           "due_ns += wait;", "f(ri_mono_ns(&bus->host) + timeout);", "x = list[i].due_ns - y;",
           "f(b, ri_loop_now(loop) + (a ? b : c));", "x = wall_ns +\n    conf->max_age;",
           "p = ri_alloc(host, n * sizeof *p);", "p = ri_arena_alloc(&r->arena, (n + 1) * size);"]
INNOCENT = ["x = LINGER_MS * RI_MS;", "x = 2 * RI_SEC;", "x = ri_ns_add(js->mono_ns, wait_ns);",
            "/* a_ns + b_ns */", "f(\"a_ns + b_ns\");", "x = len + size;", "y = wait_ns / RI_MS;",
            "due_ns = now_ns + FAST_IDLE_NS;", "x = p->due_ns;",
            "p = ri_calloc(host, f->cap_nodes * sizeof *p);", "p = ri_alloc(h, ri_size_mul(n, 8));",
            "p = ri_alloc(host, BLOCKS * sizeof *p);", "#define A_NS(x) (x_ns + y)"]
for planted in PLANTED:
    if not list(bare(planted)):
        sys.exit(f"the check is blind: {planted} was not caught")
for innocent in INNOCENT:
    if list(bare(innocent)):
        sys.exit(f"the check is wrong: {innocent} was refused: {list(bare(innocent))}")

problems, used = [], set()
names = [n for n in tracked() if n.endswith((".c", ".h")) and n != "lib/base/saturate.h"
         and (n.startswith("lib/") or n.startswith("examples/rilld"))]
for source in names:
    for number, what in bare(read(source)):
        if (source, what) in ALLOWED:
            used.add((source, what))
        else:
            problems.append(f"{source}:{number}: {what}: use base/saturate.h")
problems += [f"{source}: {what} is allowed, but not there" for source, what in ALLOWED
             if (source, what) not in used]
finish(f"times computed in {len(names)} files", problems)
