# SPDX-License-Identifier: Apache-2.0
"""firmware.py DEVICE.ELF SERVER [ARGS..]: the device of examples/firmware in QEMU, its serial line
at a server: it connects, publishes, hears what it is sent, answers requests, is reset in the middle
of all that, and goes on; and so it does when the server's connection is cut, and when there is none
for a while. Ends with 77 where QEMU is not."""
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "examples" / "firmware")]
import run  # noqa: E402
from emulator import Line, reset  # noqa: E402
from server import Client, Server, free_port, wait_for  # noqa: E402

BOUND_S = 20


class Watcher:
    """A client that hears all that the device says."""

    def __init__(self, port):
        self.client = Client(port, timeout=BOUND_S)
        self.client.say("SUB device.> 1")
        self.client.say("SUB back 2")
        assert self.client.ping()

    def message(self, subject):
        """The data of the next message on it; others are passed over."""
        while True:
            line = self.client.read()
            if line is None:
                raise AssertionError("the server has closed the watcher")
            if line == "PING":
                self.client.say("PONG")
            elif line.startswith("MSG "):
                name, _, _, data = self.client.read_body(line)
                if name == subject:
                    return data.decode()

    def publish(self, subject, data, reply=""):
        self.client.say(f"PUB {subject} {reply} {len(data)}\r\n{data}")

    def ask(self, data):
        self.publish("device.echo", data, "back")
        return self.message("back")


def story(folder, server, printed):
    machine, line = run.start(ELF, folder, stdout=printed, stdin=-3)
    wire = Line(line, server.port)
    try:
        watcher = Watcher(server.port)
        wire.start()
        assert watcher.message("device.hello") == "1"
        readings = [int(watcher.message("device.reading")) for _ in range(3)]
        assert readings == list(range(readings[0], readings[0] + 3)), readings
        watcher.publish("device.orders", "dig here")
        for data in ("hello", "x" * 300, "\x10D\x10C\x10\x10", ""):
            assert watcher.ask(data) == data

        for boots in (2, 3):  # reset while requests are under way
            for i in range(20):
                watcher.publish("device.echo", f"in the middle {i}", "back")
            reset(folder)
            assert watcher.message("device.hello") == str(boots)
            assert int(watcher.message("device.reading")) <= 2
            assert watcher.ask("after") in ("after", *(f"in the middle {i}" for i in range(20)))

        dials = wire.bridge.dials
        wire.cut = True  # the connection, and not the device
        wait_for("another connection", lambda: wire.bridge.dials > dials, BOUND_S)
        wait_for("the device", lambda: asks(watcher, "again"), BOUND_S)

        wire.bridge.address = ("127.0.0.1", free_port())  # nobody is there for a while
        wire.cut = True
        wait_for("vain attempts", lambda: wire.bridge.dials > dials + 3, BOUND_S)
        wire.bridge.address = ("127.0.0.1", server.port)
        wait_for("the device", lambda: asks(watcher, "still"), BOUND_S)
        first = int(watcher.message("device.reading"))
        assert int(watcher.message("device.reading")) > first
    finally:
        wire.end()
        machine.terminate()
        machine.wait()
    with open(printed.name, errors="replace") as file:
        text = file.read()
    assert "heard: dig here" in text and text.count("up: ") >= 5 and "fault" not in text, text


def asks(watcher, data):
    """Does the device answer this very request? It may be away: its answers to others count not."""
    watcher.publish("device.echo", data, "back")
    watcher.publish("back", "nobody")
    while (answer := watcher.message("back")) != "nobody":
        if answer == data:
            return True
    return False


ELF, SERVER, ARGS = sys.argv[1], sys.argv[2], sys.argv[3:]
if not shutil.which("qemu-system-arm"):
    print("skipped: there is no qemu-system-arm (apt-get install qemu-system-arm)")
    sys.exit(77)
with tempfile.TemporaryDirectory() as scratch, \
        Server(SERVER, "-a", "127.0.0.1", "-p", str(free_port()), *ARGS, folder=scratch) as broker:
    broker.ready()
    with open(f"{scratch}/printed", "w") as out:
        story(scratch, broker, out)
print(f"the device in the emulator, at {Path(SERVER).name}: all as it should be")
