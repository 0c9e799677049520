# SPDX-License-Identifier: Apache-2.0
"""store.py STORE.ELF SERVER: the sensor of examples/firmware in QEMU, which stores on its flash and
forwards: first there is no server, then there is, the sensor is reset, its connection is cut, the
server is away again, and the sensor is reset meanwhile. What the stream of the server has in the
end is each reading of each life of the sensor, once, in order. Ends with 77 where QEMU is not."""
import base64
import json
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "examples" / "firmware")]
import run  # noqa: E402
from emulator import Line, reset  # noqa: E402
from server import Client, Server, free_port, wait_for  # noqa: E402

BOUND_S = 30


class Stream:
    """READINGS, as the API of the server shows it."""

    def __init__(self, port):
        self.client = Client(port, timeout=BOUND_S)

    def ask(self, api, **body):
        answer = self.client.request(f"$JS.API.STREAM.{api}.READINGS", json.dumps(body))
        assert "error" not in answer, answer
        return answer

    def state(self):
        return self.ask("INFO")["state"]

    def readings(self):
        """(number at the sensor, boot, reading) of all."""
        state = self.state()
        for seq in range(state["first_seq"], state["last_seq"] + 1):
            message = self.ask("MSG.GET", seq=seq)["message"]
            data = base64.b64decode(message["data"])
            headers = base64.b64decode(message["hdrs"]).decode().split("\r\n")
            name = next(h for h in headers if h.startswith("Nats-Msg-Id: ")).split(": ")[1]
            assert name.startswith("sensor-7/READINGS/0/"), name
            yield (int(name.split("/")[3]), int.from_bytes(data[:4], "little"),
                   int.from_bytes(data[4:], "little"))


def grows(stream, by):
    goal = stream.state()["messages"] + by
    wait_for(f"{goal} messages", lambda: stream.state()["messages"] >= goal, BOUND_S)


def printed(path):
    with open(path, errors="replace") as file:
        return file.read()


def story(folder, server, text):
    nobody = ("127.0.0.1", free_port())
    machine, line = run.start(ELF, folder, stdout=text, stdin=-3)
    wire = Line(line, nobody[1])
    try:
        wire.start()
        wait_for("20 stored", lambda: "20 stored" in printed(text.name), BOUND_S)
        stream = Stream(server.port)
        stream.ask("CREATE", name="READINGS", subjects=["READINGS"])
        wire.bridge.address = ("127.0.0.1", server.port)
        grows(stream, 40)
        reset(folder)
        grows(stream, 20)
        wire.cut = True
        grows(stream, 20)
        wire.bridge.address = nobody
        wire.cut = True
        dials = wire.bridge.dials
        wait_for("vain attempts", lambda: wire.bridge.dials > dials + 2, BOUND_S)
        reset(folder)
        wait_for("more vain ones", lambda: wire.bridge.dials > dials + 5, BOUND_S)
        wire.bridge.address = ("127.0.0.1", server.port)
        grows(stream, 40)
        seen = list(stream.readings())
        assert [number for number, _, _ in seen] == list(range(1, len(seen) + 1)), seen
        for boot in (1, 2, 3):
            readings = [reading for _, b, reading in seen if b == boot]
            assert readings and readings == list(range(1, len(readings) + 1)), (boot, readings)
        assert "fault" not in printed(text.name)
        print(f"{SERVER}: {len(seen)} readings of 3 lives, each once, in order")
    finally:
        wire.end()
        machine.terminate()
        machine.wait()


ELF, SERVER = sys.argv[1:3]
if not shutil.which("qemu-system-arm"):
    print("skipped: there is no qemu-system-arm (apt-get install qemu-system-arm)")
    sys.exit(77)
with tempfile.TemporaryDirectory() as scratch, \
        Server(SERVER, "-a", "127.0.0.1", "-p", str(free_port()), "-js", "-sd", f"{scratch}/js",
               folder=scratch) as broker:
    broker.ready()
    with open(f"{scratch}/printed", "w") as out:
        story(scratch, broker, out)
