# SPDX-License-Identifier: Apache-2.0
"""What the tests of firmware in QEMU share: the other end of its line, and its reset."""
import json
import socket
import sys
import threading
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "examples" / "firmware"))
from bridge import Bridge  # noqa: E402

BOUND_S = 50


class Line(threading.Thread):
    """The bridge, on a thread of its own."""

    def __init__(self, line, port):
        super().__init__(daemon=True)
        self.bridge = Bridge(line, "127.0.0.1", port)
        self.over = self.cut = False

    def run(self):
        while not self.over and self.bridge.turn(0.05):
            if self.cut:
                self.cut = False
                if self.bridge.server:
                    self.bridge.server.shutdown(socket.SHUT_RDWR)

    def end(self):
        """Before the machine is ended, so that its line is whole as long as it is read."""
        self.over = True
        if self.is_alive():
            self.join(BOUND_S)


def reset(folder):
    """As by the button, by the monitor of the emulator."""
    monitor = socket.socket(socket.AF_UNIX)
    monitor.settimeout(BOUND_S)
    monitor.connect(f"{folder}/monitor")
    lines = monitor.makefile("rw")
    lines.readline()
    for command in ("qmp_capabilities", "system_reset"):
        lines.write(json.dumps({"execute": command}) + "\n")
        lines.flush()
        while "return" not in json.loads(lines.readline()):
            pass
    monitor.close()
