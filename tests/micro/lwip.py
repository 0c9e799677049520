# SPDX-License-Identifier: Apache-2.0
"""lwip.py LWIP RILLD: the example of a wire over lwIP's TCP, at rilld; it says what its comment
says, again when it comes back, and that nobody is there when that is so."""
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from server import Server, free_port  # noqa: E402

PROGRAM, RILLD = sys.argv[1:3]
comment = (ROOT / "examples" / "firmware" / "lwip.c").read_text().split("*/")[1]
WANT = [line[7:] for line in comment.splitlines() if line.startswith(" *     ")]


def run(port):
    done = subprocess.run([PROGRAM, f"127.0.0.1:{port}"], capture_output=True, text=True,
                          timeout=60)
    return done.returncode, done.stdout.splitlines(), done.stderr


assert len(WANT) == 4, WANT
with tempfile.TemporaryDirectory() as folder, \
        Server(RILLD, "-a", "127.0.0.1", "-p", str(free_port()), folder=folder) as broker:
    broker.ready()
    for _ in range(3):
        code, said, error = run(broker.port)
        assert code == 0 and said == WANT, (code, said, error)
code, said, error = run(free_port())
assert code == 1 and len(said) == 1, (code, said, error)
print("over lwIP: all as it should be")
