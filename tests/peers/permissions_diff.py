# SPDX-License-Identifier: Apache-2.0
"""permissions_diff.py RILLD [PEER] [SEED...]: users with permissions by the dice, the same for
rilld and for a nats-server (PEER, RILL_PEER, else the one on PATH), and clients that subscribe,
publish and answer by the dice: each operation has to be answered the same by both.

Left out is what nats-server takes for covered and is not: the last token of "a.>" for a word that
"a.*" matches; and what it does with the rest of a client once one of its subscriptions has to be
looked at message by message: rules of groups are on subjects of their own here. Old servers look at
no rules of groups then, which the seeds that are played by default do not show."""
import os
import random
import re
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from server import Client, Server

USERS, STEPS = 12, 120
WORDS = ["a", "b", "c"]


def subject(dice, wild, first=WORDS):
    tokens = [dice.choice(first)]
    for _ in range(dice.randrange(3)):
        tokens.append(dice.choice(WORDS + (["*"] if wild else [])))
    if wild and dice.random() < 0.3:
        tokens.append(">")
    return ".".join(tokens)


def rules(dice, side):
    out = [subject(dice, True) for _ in range(dice.randrange(4))]
    if side == "subscribe":
        for _ in range(dice.randrange(3)):
            out.append("%s %s" % (subject(dice, True, ["g"]), dice.choice(["w", "x", "*", "w.*"])))
    return out


def permissions(dice):
    out, lists = [], []
    for side in ("publish", "subscribe"):
        kinds = {kind: rules(dice, side) for kind in ("allow", "deny") if dice.random() < 0.6}
        lists += [rule for kind in kinds.values() for rule in kind]
        if any(kinds.values()):
            out.append("%s: { %s }" % (side, ", ".join(
                "%s: [%s]" % (kind, ", ".join('"%s"' % rule for rule in listed))
                for kind, listed in kinds.items() if listed)))
    if dice.random() < 0.4:
        out.append("allow_responses: { max: %d }" % dice.choice([1, 2, -1]))
    return "{ %s }" % ", ".join(out), [rule.split()[0] for rule in lists]


def misread(filter_, listed):
    """Would nats-server take the last token of this filter for a word of one of the rules?"""
    asked = filter_.split(".")
    for rule in listed:
        tokens = rule.split(".")
        if asked[-1] == ">" and len(tokens) == len(asked) and tokens[-1] == "*" and \
                all(t in ("*", s) for t, s in zip(tokens, asked)):
            return True
    return False


def steps(dice, listed):
    sid = 0
    for _ in range(STEPS):
        kind = dice.random()
        if kind < 0.35:
            first = WORDS + ["g"]
            asked = subject(dice, True, first)
            queue = dice.choice(["", "", " w", " x", " w.x", " z"])
            if not misread(asked, listed):
                sid += 1
                yield "SUB %s%s %d" % (asked, queue, sid)
        elif kind < 0.42 and sid:
            yield "UNSUB %d" % dice.randrange(1, sid + 1)
        elif kind < 0.7:
            yield "PUB %s 1\r\nx" % subject(dice, False, WORDS + ["g", "r"])
        else:
            yield "PUB %s r.%d 1\r\n?" % (subject(dice, False, WORDS + ["g"]), dice.randrange(4))


def answers(client, step):
    """All lines that come of it; what several subscriptions get may come in any order, and which
    member of a group gets it is by lot."""
    client.write(step + "\r\nPING\r\n")
    lines = []
    while True:
        line = client.input.readline().decode().rstrip("\r\n")
        if line == "PONG":
            return sorted(lines)
        if line == "":
            raise ConnectionError("closed after %r, having said %r" % (step, lines))
        if line != "PING":
            lines.append(re.sub(r"^(MSG \S+ )\S+", r"\1*", line))


def play(seed, programs):
    dice = random.Random(seed)
    made = [permissions(dice) for _ in range(USERS)]
    config = "authorization { users: [\n%s ] }\n" % "".join(
        "{ user: u%d, password: p, permissions: %s }\n" % (i, text)
        for i, (text, _) in enumerate(made))
    folders = [tempfile.TemporaryDirectory() for _ in programs]
    servers = []
    try:
        for program, folder in zip(programs, folders):
            path = os.path.join(folder.name, "users.conf")
            with open(path, "w") as file:
                file.write(config)
            servers.append(Server(program, "-a", "127.0.0.1", "-p", "-1", "-c", path,
                                  folder=folder.name).ready())
        compared = refused = 0
        for i, (text, listed) in enumerate(made):
            clients = [Client(server.port, connect='{"verbose":true,"user":"u%d","pass":"p",'
                              '"protocol":0}' % i) for server in servers]
            for client in clients:
                answers(client, "SUB first.%d 0" % i)
            before = []
            for step in steps(dice, listed):
                ours, theirs = (answers(client, step) for client in clients)
                compared += 1
                refused += any(line.startswith("-ERR") for line in theirs)
                if ours != theirs:
                    print("seed %s, user %d, %s\n%s\n%r\nrilld:  %r\nserver: %r" %
                          (seed, i, text, "\n".join(before), step, ours, theirs))
                    return None
                if "SUB" in step:
                    before.append("%s: %s" % (step, ours))
            for client in clients:
                client.close()
        return compared, refused
    finally:
        for server in servers:
            server.kill()
        for folder in folders:
            folder.cleanup()


def main():
    peer = (sys.argv[2] if len(sys.argv) > 2 else "") or os.environ.get("RILL_PEER") or \
        shutil.which("nats-server")
    if not peer:
        print("no nats-server to compare with")
        return 77
    compared = refused = 0
    for seed in sys.argv[3:] or range(1, 5):
        done = play(int(seed), (sys.argv[1], peer))
        if done is None:
            return 1
        compared += done[0]
        refused += done[1]
    print("%d operations answered the same, %d of them refused" % (compared, refused))
    return 0 if compared and refused else 1


if __name__ == "__main__":
    sys.exit(main())
