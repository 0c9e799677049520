# SPDX-License-Identifier: Apache-2.0
"""The other end of uart_wire.c: a serial line, which QEMU has as a socket, to a server's port. Each
time that the device asks for a connection (10 44), the one before is closed."""
import select
import socket

ESCAPE, DIAL, CLOSED = 0x10, 0x44, 0x43


class Bridge:
    """`line` is a connected socket; turn() moves what can be moved within `seconds`."""

    def __init__(self, line, host, port):
        self.line, self.address, self.server = line, (host, port), None
        self.escaped = False
        self.dials = 0

    def say(self, what):
        self.line.sendall(bytes((ESCAPE, what)))

    def hang_up(self):
        if self.server:
            self.server.close()
        self.server = None

    def dial(self):
        self.hang_up()
        self.dials += 1
        self.say(DIAL)
        try:
            self.server = socket.create_connection(self.address, timeout=5)
        except OSError:
            self.say(CLOSED)

    def from_device(self, data):
        """What the device has sent, without its escapes, up to where it dials."""
        out = bytearray()
        for byte in data:
            if self.escaped:
                self.escaped = False
                if byte == DIAL:
                    self.dial()
                    out.clear()
                else:
                    out.append(byte)
            elif byte == ESCAPE:
                self.escaped = True
            else:
                out.append(byte)
        if self.server and out:
            self.server.sendall(out)

    def from_server(self):
        try:
            data = self.server.recv(256)
        except OSError:
            data = b""
        if data:
            self.line.sendall(data.replace(b"\x10", b"\x10\x10"))
        else:
            self.hang_up()
            self.say(CLOSED)

    def turn(self, seconds):
        """False when the line has gone."""
        watched = [self.line] + ([self.server] if self.server else [])
        for ready in select.select(watched, [], [], seconds)[0]:
            if ready is self.line:
                data = self.line.recv(4096)
                if not data:
                    return False
                try:
                    self.from_device(data)
                except OSError:
                    self.hang_up()
                    self.say(CLOSED)
            elif ready is self.server:
                self.from_server()
        return True
