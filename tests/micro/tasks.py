# SPDX-License-Identifier: Apache-2.0
"""tasks.py TASKS.ELF SERVER: two tasks at one handle, on a scheduler of their own in QEMU: while
the callback of one takes its time, the other's requests are answered. Ends with 77 where QEMU is
not."""
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "examples" / "firmware")]
import run  # noqa: E402
from emulator import Line  # noqa: E402
from server import Client, Server, free_port  # noqa: E402

BOUND_S = 30
SLOW, ANSWERS = 6, 30


def serve(client):
    """Answer what the device asks until it has asked, and has answered, often enough."""
    slow = asked = sent = during = 0
    while slow < SLOW or asked < ANSWERS:
        line = client.read()
        assert line is not None, "the server has closed the connection"
        if line == "PING":
            client.say("PONG")
        if not line.startswith("MSG "):
            continue
        subject, reply, _, data = client.read_body(line)
        if subject == "server.ask":
            asked += 1
            during += sent > slow
            client.say(f"PUB {reply} 2\r\nok")
            if sent == slow and sent < SLOW:
                client.say(f"PUB device.slow back 4\r\n{sent:04d}")
                sent += 1
        elif subject == "back":
            assert int(data) == slow, (data, slow)
            slow += 1
    return during


def story(folder, broker, printed):
    machine, line = run.start(ELF, folder, stdout=printed, stdin=-3)
    wire = Line(line, broker.port)
    try:
        client = Client(broker.port, timeout=BOUND_S)
        client.say("SUB server.ask 1")
        client.say("SUB back 2")
        assert client.ping()
        wire.start()
        during = serve(client)
    finally:
        wire.end()
        machine.terminate()
        machine.wait()
    text = Path(printed.name).read_text(errors="replace")
    assert during > 0 and text.count("answered") >= ANSWERS // 2, (during, text)
    assert "EDEADLK" not in text and "fault" not in text and "no reply" not in text, text
    print(f"{SLOW} slow answers, and {during} requests of the other task meanwhile")


ELF, SERVER = sys.argv[1:3]
if not shutil.which("qemu-system-arm"):
    print("skipped: there is no qemu-system-arm (apt-get install qemu-system-arm)")
    sys.exit(77)
with tempfile.TemporaryDirectory() as scratch, \
        Server(SERVER, "-a", "127.0.0.1", "-p", str(free_port()), folder=scratch) as broker:
    broker.ready()
    with open(f"{scratch}/printed", "w") as out:
        story(scratch, broker, out)
