# SPDX-License-Identifier: Apache-2.0
"""login.py PROGRAM RILLD: logins by keys, JWTs and names against rilld and a real nats-server,
and what they let nobody listen to. Exit code 77: no nats-server is here."""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from server import Server, free_port  # noqa: E402

GOLDEN = os.path.join(HERE, "..", "golden", "tls")
USER = "SUANPDM7WJ4XJAZ6PVQZYZM7GIJL7HNAY62PFLZN7EYWGBVLD55HHVJ3OI"
STRANGER = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
program, rilld = sys.argv[1:3]
problems = []


def expect(what, is_, wanted):
    if is_ != wanted:
        problems.append("%s: %r, not %r" % (what, is_, wanted))


def login(url, *by, verb="try"):
    env = dict(os.environ, SSL_CERT_FILE=os.path.join(GOLDEN, "ca.pem"))
    return subprocess.run([program, verb, url, *by], stdout=subprocess.PIPE, text=True, timeout=60,
                          env=env).stdout.strip()


def check_jwts(peer, folder):
    def path(name):
        return os.path.join(folder, name)
    with Server(peer, "-c", path("jwt.conf"), folder=folder).ready() as server:
        expect("by a file", login(server.url, path("user.creds")), "in")
        expect("by the seed of another", login(server.url, path("wrong.creds")), "EAUTH")
        expect("by a JWT of nobody's", login(server.url, path("foreign.creds")), "EAUTH")
        expect("by a key alone", login(server.url, USER), "EAUTH")
        expect("asked for a JWT", login(server.url, path("user.creds"), verb="ask"), "in")
        lines = login(server.url, verb="expiring").split("\n")
        expect("asked again", [lines[0].split(" ")[0], *lines[1:]], ["EAUTH", "asked 2 times"])
        expect("asked again, since", "Expired" in lines[0], True)
        expect("asked, and signed by another", login(server.url, path("wrong.creds"), verb="ask"),
               "EAUTH")


def check_keys(peer, folder):
    with Server(peer, "-c", os.path.join(folder, "nkey.conf"), folder=folder).ready() as server:
        expect("by a key", login(server.url, USER), "in")
        expect("by another key", login(server.url, STRANGER), "EAUTH")
        expect("asked for a key", login(server.url, USER, verb="ask"), "in")
        expect("asked for another", login(server.url, STRANGER, verb="ask"), "EAUTH")


def check_names(peer, folder):
    conf = os.path.join(folder, "names.conf")
    for who, right, wrong in (('user: "ada", password: "p@ss"', ("ada", "p@ss"), ("ada", "pass")),
                              ('token: "t0ken"', ("-", "t0ken"), ("-", "token"))):
        with open(conf, "w") as file:
            file.write('listen: "127.0.0.1:-1"\nauthorization { %s }\n' % who)
        with Server(peer, "-c", conf, folder=folder).ready() as server:
            expect("by " + who, login(server.url, *right, verb="named"), "in")
            expect("by no " + who, login(server.url, *wrong, verb="named"), "EAUTH")


def check_wires(peer, folder):
    """The same by WebSocket and over TLS."""
    conf, web = os.path.join(folder, "wires.conf"), free_port()
    with open(os.path.join(folder, "nkey.conf")) as file:
        text = file.read()
    for more in ('websocket { listen: "127.0.0.1:%d", no_tls: true }\n' % web,
                 'tls { cert_file: "%s", key_file: "%s" }\n'
                 % tuple(os.path.join(GOLDEN, name) for name in ("server.pem", "server.key"))):
        with open(conf, "w") as file:
            file.write(text.replace("users: [", 'users: [ { user: "ada", password: "p@ss" }, ')
                       + more)
        with Server(peer, "-c", conf, folder=folder).ready() as server:
            url = ("ws://127.0.0.1:%d" % web if more.startswith("web")
                   else "tls://127.0.0.1:%d" % server.port)
            expect("by a name, " + url, login(url, "ada", "p@ss", verb="named"), "in")
            expect("by a wrong one, " + url, login(url, "ada", "pass", verb="named"), "EAUTH")
            expect("asked, " + url, login(url, USER, verb="ask"), "in")
            expect("asked for another, " + url, login(url, STRANGER, verb="ask"), "EAUTH")


def check_denied(peer, folder):
    """A subscription that is not allowed, and one that ceases to be."""
    conf = os.path.join(folder, "nkey.conf")
    with Server(peer, "-c", conf, folder=folder).ready() as server, \
            subprocess.Popen([program, "denied", server.url, USER], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline().strip() for _ in range(2)]
        expect("before", lines, ["EAUTH secret.x", "waits"])
        with open(conf) as file:
            text = file.read()
        with open(conf, "w") as file:
            file.write(text.replace('"secret.>"', '"secret.>", "later.>"'))
        subprocess.run([peer, "--signal", "reload=%d" % server.pid], check=True, timeout=60)
        server.logged("Reloaded server configuration")
        out, _ = process.communicate("go on\n", timeout=60)
        expect("then", out.split("\n")[0], "EAUTH later.x")
        expect("the program", process.returncode, 0)


def main():
    peer = os.environ.get("RILL_PEER") or shutil.which("nats-server")
    there = bool(peer) and os.path.exists(peer)
    for server in [rilld, peer][:1 + there]:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([program, "write", folder], check=True, timeout=60)
            check_jwts(server, folder)
            check_keys(server, folder)
            check_names(server, folder)
            check_wires(server, folder)
            check_denied(server, folder)
    for problem in problems:
        print(problem)
    print("logins by keys: %d problem(s)" % len(problems))
    if problems:
        sys.exit(1)
    if not there:
        print("skipped, of a real one: no nats-server is here")
        sys.exit(77)


main()
