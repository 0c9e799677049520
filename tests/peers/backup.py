# SPDX-License-Identifier: Apache-2.0
"""backup.py RILLD SERVER TOOL: a stream moves by the nats tool's backups from a real nats-server to
rilld, from there to another nats-server, and back to rilld; each time it is told as before, with
its consumers. The tool takes what rilld made for a backup of its own server."""
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from server import Server

LIMIT_S = 60
# 33 messages, of which the limit keeps the last 6 of each subject, and three are deleted.
GONE = (5, 13, 33)
THERE = [seq for first in (4, 12, 20, 28) for seq in range(first, first + 6) if seq not in GONE]


def serve(program, work):
    """A server on a free port of loopback with a directory of its own."""
    folder = tempfile.mkdtemp(dir=work)
    return Server(program, "-a", "127.0.0.1", "-p", "-1", "-js", "-sd", folder + "/store",
                  folder=folder).ready(seconds=LIMIT_S)


class Tool:
    def __init__(self, program, home):
        self.program = program
        self.env = dict(os.environ, HOME=home, XDG_CONFIG_HOME=home)

    def run(self, *words, url=None):
        where = ["-s", url] if url else []
        done = subprocess.run([self.program, "--no-context", *where, *words], env=self.env,
                              capture_output=True, text=True, timeout=LIMIT_S)
        if done.returncode:
            sys.exit(f"nats {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def json(self, *words, url):
        return json.loads(self.run(*words, "--json", url=url))


def fill(tool, url):
    """Messages with holes between them, and consumers that stand at several places."""
    def nats(*words):
        return tool.run(*words, url=url)
    nats("stream", "add", "ORDERS", "--subjects", "orders.>", "--defaults", "--storage", "file",
         "--max-msgs-per-subject", "6")
    nats("pub", "orders.0", "first", "--jetstream", "-H", "Number:1")
    for subject in range(4):
        nats("pub", f"orders.{subject}", "message {{Count}} {{Random 200 400}}", "--count", "8",
             "--jetstream", "-H", "Number:{{Count}}")
    for seq in GONE:
        nats("stream", "rmm", "ORDERS", str(seq), "-f")
    add = ("--pull", "--defaults", "--ack", "explicit")
    nats("consumer", "add", "ORDERS", "C", *add, "--deliver", "all")
    nats("consumer", "next", "ORDERS", "C", "--count", "4", "--ack")
    nats("consumer", "next", "ORDERS", "C", "--count", "3", "--no-ack")
    nats("consumer", "add", "ORDERS", "F", *add, "--deliver", "all", "--filter", "orders.1")
    nats("consumer", "next", "ORDERS", "F", "--count", "2", "--ack")
    nats("consumer", "add", "ORDERS", "N", *add, "--deliver", "new")


def told(tool, url):
    """What does not change when a stream moves."""
    state = tool.json("stream", "info", "ORDERS", url=url)["state"]
    lines = [json.dumps({key: state.get(key) for key in (
        "messages", "bytes", "first_seq", "first_ts", "last_seq", "num_deleted", "num_subjects",
        "consumer_count")})]
    for name in "C", "F", "N":
        info = tool.json("consumer", "info", "ORDERS", name, url=url)
        lines.append(json.dumps([name, info["delivered"]["consumer_seq"],
                                 info["delivered"]["stream_seq"],
                                 info["ack_floor"]["consumer_seq"], info["num_ack_pending"],
                                 info["num_redelivered"], info["num_pending"]]))
    for seq in THERE:
        message = tool.json("stream", "get", "ORDERS", str(seq), url=url)
        lines.append(json.dumps([message[key]
                                 for key in ("seq", "subject", "hdrs", "data", "time")]))
    return lines


def same(what, before, after):
    if before != after:
        sys.exit(f"{what}:\n" + "\n".join(f"- {a}\n+ {b}" for a, b in zip(before, after) if a != b))
    print(what + ": the same")


def main(rilld, server, program):
    with tempfile.TemporaryDirectory() as work:
        tool = Tool(program, work)
        with serve(server, work) as theirs:
            fill(tool, theirs.url)
            before = told(tool, theirs.url)
            tool.run("backup", "stream", "ORDERS", work + "/1", "--no-progress", url=theirs.url)
        for step, (name, peer) in enumerate((("rilld", rilld), ("nats-server", server),
                                             ("rilld again", rilld)), 1):
            with serve(peer, work) as here:
                tool.run("backup", "restore", "stream", f"{work}/{step}", "--no-progress",
                         url=here.url)
                same("in " + name, before, told(tool, here.url))
                tool.run("backup", "stream", "ORDERS", f"{work}/{step + 1}", "--no-progress",
                         url=here.url)
            valid = tool.run("backup", "validate", f"{work}/{step + 1}")
            if "3 consumers" not in valid:
                sys.exit(valid)
        tool.run("backup", "info", work + "/2", "--subjects")
        tool.run("backup", "edit", work + "/2", work + "/edited", "--last-per-subject", "1")
        with serve(rilld, work) as here:
            tool.run("backup", "restore", "stream", work + "/edited", "--no-progress", url=here.url)
            count = tool.json("stream", "info", "ORDERS", url=here.url)["state"]["messages"]
            if count != 4:
                sys.exit(f"{count} messages of an edited backup")
        print("edited by the tool: restored")


main(*sys.argv[1:])
