# SPDX-License-Identifier: Apache-2.0
"""tls.py --rilld P --loadgen P [--peer P] [--rounds N] [--scale F]: TLS 1.3 over TCP,
rilld against nats-server with the same certificates and the same client, turn and turn about."""
import subprocess
import sys
import tempfile
import time

from servers import Server, alternate, generate, median, parser_of_servers, peer_or_skip, version
from table import Table

parser = parser_of_servers()
parser.add_argument("--conns", type=int, default=2000)
args = parser.parse_args()
peer = peer_or_skip(args.peer)
table = Table(f"{version(args.rilld)} against {version(peer)}")
certs = tempfile.TemporaryDirectory(prefix="bench-")


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


# What a server is expected to have today: ECDSA over P-256.
key, cert = certs.name + "/server.key", certs.name + "/server.pem"
openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
        "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key,
        "-out", cert)
CONFIG = f'tls {{ cert_file: "{cert}", key_file: "{key}", timeout: 30 }}\n'


def load(mode, *words):
    words = [*words[:-1], max(int(words[-1] * args.scale), 1)]
    with Server(args.rilld, config=CONFIG) as a, Server(peer, config=CONFIG) as b:
        return alternate(args.rounds,
                         lambda: generate(args.loadgen, mode, a.port, a.pid, cert, *words),
                         lambda: generate(args.loadgen, mode, b.port, b.pid, cert, *words))


def idle(program):
    with Server(program, config=CONFIG) as server:
        time.sleep(0.5)
        before = server.rss_kib()
        hold = subprocess.Popen([args.loadgen, "idle", str(server.port), str(server.pid), cert,
                                 str(args.conns)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if not hold.stdout.readline().startswith(b"idle"):
            raise RuntimeError("the connections were not made")
        after = server.rss_kib()
        hold.stdin.close()
        hold.wait()
        return {"conn": (after - before) / args.conns}


for size, count in ((128, 3_000_000), (1024, 800_000)):
    for mode, name in (("pub", "pub only"), ("one", "1:1")):
        ours, theirs = load(mode, size, count)
        table.rate(f"{name}, {size} B", ours, theirs, 2, 4)
        table.cost(f"CPU a message, {name}, {size} B", ours["cpu_ns"], theirs["cpu_ns"], "ns", 2, 4)
for mode, name in (("full", "full"), ("again", "resumed")):
    ours, theirs = load(mode, 1500)
    table.rate(f"handshakes, {name}, one client", ours, theirs, 1, 2)
    table.cost(f"CPU a handshake, {name}", ours["cpu_ns"], theirs["cpu_ns"], "ns", 1, 2)
ours, theirs = load("beside", 1000)
table.cost("PING p99 beside 1000 handshakes", ours["p99_us"], theirs["p99_us"], "us", 1, 2)
table.cost("PING at most beside 1000 handshakes", ours["max_us"], theirs["max_us"], "us", 1, 2)
table.rate("1000 handshakes at once", ours, theirs, 1, 2)
ours, theirs = median([idle(args.rilld)]), median([idle(peer)])
table.cost(f"one idle connection of {args.conns}", ours["conn"], theirs["conn"], "KiB", 3, 6)
sys.exit(1 if table.show() else 0)
