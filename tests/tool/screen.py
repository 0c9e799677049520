# SPDX-License-Identifier: Apache-2.0
"""A terminal for tests: a pty, and what a screen of it would show."""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

BOUND_S = 20
CODE = re.compile(rb"\x1b\[([?0-9;]*)([A-Za-z])")
CUT = re.compile(rb"\x1b(\[[?0-9;]*)?")


class Terminal:
    """A process whose standard input, output and error are one terminal."""

    def __init__(self, command, rows=24, columns=80, **popen):
        self.master, self.slave = pty.openpty()
        self.resize(rows, columns)
        self.modes = termios.tcgetattr(self.slave)
        self.raw = b""
        self.process = subprocess.Popen(command, stdin=self.slave, stdout=self.slave,
                                        stderr=self.slave, start_new_session=True,
                                        preexec_fn=self.take, **popen)

    def take(self):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def resize(self, rows, columns):
        self.rows, self.columns = rows, columns
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, size)

    def type(self, keys):
        os.write(self.master, keys.encode())

    def read(self, seconds=0.05):
        """All that has come, waiting so long for the first of it."""
        while select.select([self.master], [], [], seconds)[0]:
            try:
                self.raw += os.read(self.master, 65536)
            except OSError:
                break
            seconds = 0
        return self.raw

    def until(self, what, seconds=BOUND_S):
        """Wait until what has come satisfies `what`, and give that."""
        end = time.monotonic() + seconds
        while True:
            value = what(self.read())
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError("waited in vain; the terminal got %r" % self.raw[-3000:])

    def wait(self):
        """Its exit code, and all that it has printed."""
        self.until(lambda raw: self.process.poll() is not None)
        self.read(0)
        return self.process.returncode, self.raw

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def lines(self):
        """What stands on the screen, by the codes that this tool uses; another one is an error."""
        screen, row, column = {}, 0, 0
        text, at = self.raw, 0
        while at < len(text):
            code = CODE.match(text, at)
            if code:
                at = code.end()
                what = code.group(2)
                if what == b"H":
                    row = column = 0
                elif what == b"K":
                    screen[row] = screen.get(row, "")[:column]
                elif what == b"J":
                    screen = {n: line[:column] if n == row else line
                              for n, line in screen.items() if n <= row}
                elif what in b"hl":
                    if code.group(1) == b"?1049":
                        screen, row, column = {}, 0, 0
                elif what != b"m":
                    raise AssertionError("a terminal got %r" % code.group(0))
                continue
            if CUT.fullmatch(text, at):
                break  # the rest of this code has not come yet
            byte = text[at:at + 1]
            if byte == b"\r":
                column = 0
            elif byte == b"\n":
                row += 1
            elif byte < b" ":
                raise AssertionError("a terminal got %r" % byte)
            else:
                line = screen.get(row, "").ljust(column)
                screen[row] = line[:column] + byte.decode("latin-1") + line[column + 1:]
                column += 1
            at += 1
        return [screen.get(n, "") for n in range(max(screen, default=-1) + 1)]
