# SPDX-License-Identifier: Apache-2.0
"""run.py ELF [HOST:PORT]: the firmware in QEMU, its serial line at a NATS server or rilld (default:
127.0.0.1:4222), what it prints here."""
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from bridge import Bridge  # noqa: E402

QEMU = ["qemu-system-arm", "-M", "mps2-an385", "-nographic", "-monitor", "none"]


def start(elf, folder, *more, **popen):
    """QEMU, and the connected line. The monitor (QMP) is the socket `folder`/monitor."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{folder}/line")
    listener.listen(1)
    machine = subprocess.Popen(
        [*QEMU, "-kernel", str(elf), "-chardev", f"socket,id=line,path={folder}/line",
         "-serial", "chardev:line", "-serial", "stdio",
         "-qmp", f"unix:{folder}/monitor,server=on,wait=off", *more], **popen)
    listener.settimeout(20)
    line = listener.accept()[0]
    listener.close()
    return machine, line


def main():
    host, _, port = (sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1:4222").rpartition(":")
    with tempfile.TemporaryDirectory() as folder:
        machine, line = start(sys.argv[1], folder, stdin=subprocess.DEVNULL)
        try:
            bridge = Bridge(line, host, int(port))
            while bridge.turn(1):
                pass
        except KeyboardInterrupt:
            pass
        finally:
            machine.terminate()
            machine.wait()


if __name__ == "__main__":
    main()
