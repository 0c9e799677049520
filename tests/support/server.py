# SPDX-License-Identifier: Apache-2.0
"""What tests in Python share: a server that they start, rilld or the nats-server beside it, and a
client of it that knows lines and little else."""
import contextlib
import json
import os
import random
import re
import resource
import signal
import socket
import subprocess
import time

BOUND_S = 50  # far more than anything takes, on a machine that stands still for a while, too
LISTENS = re.compile(r"\[INF\] Listening for client connections on (\S+):(\d+)\n")


class Gone(ConnectionError):
    """The server has closed the connection, or told an error that ends it."""


def wait_for(what, condition, seconds=BOUND_S):
    """Poll until the condition gives something true, and give that."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("waited in vain for " + what)
        time.sleep(0.005)


def free_port():
    """A port that is free, and likely to stay so: below those that the system gives to whoever does
    not say which, so that none of many tests beside this one has it by the time that it is used."""
    while True:
        port = random.randrange(10000, 32000)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port


def many_files():
    """As many descriptors as this process may have, and those that it starts."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Server:
    """A process that was started with these arguments; what it prints goes to a file in `folder`.
    The end of a `with` is its end."""

    def __init__(self, program, *args, folder, **popen):
        self.log_path = os.path.join(folder, "stderr")
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen([program, *args], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, **popen)
        self.pid = self.process.pid

    def log(self, path=None):
        with contextlib.suppress(FileNotFoundError), \
                open(path or self.log_path, errors="replace") as file:
            return file.read()
        return ""

    def ready(self, path=None, seconds=BOUND_S):
        """Wait until it says, in that log, where it listens, and that it is ready."""
        def look():
            text = self.log(path)
            if self.process.poll() is not None:
                raise RuntimeError("it ended with %d: %s" % (self.process.returncode, text))
            return LISTENS.search(text) if "[INF] Server is ready\n" in text else None
        try:
            found = wait_for("the server", look, seconds)
        except BaseException:
            self.kill()
            raise
        self.host = found[1]
        self.port = int(found[2])
        self.url = "nats://%s:%d" % (self.host, self.port)
        return self

    def logged(self, text, path=None):
        wait_for(repr(text) + " in the log", lambda: text in self.log(path))

    def send_signal(self, number):
        self.process.send_signal(number)

    def end(self, number=signal.SIGTERM, seconds=BOUND_S):
        """Its exit code, once the signal has ended it."""
        self.send_signal(number)
        return self.process.wait(seconds)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        """Let it end if it can."""
        try:
            self.end(seconds=60)
        except subprocess.TimeoutExpired:
            self.kill()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stop()


class Client:
    """A connection that has read the INFO and sent CONNECT, or nothing if `connect` is None."""

    answers = False  # PINGs of the server, so that read() does not show them

    def __init__(self, port, host="127.0.0.1", connect="{}", timeout=BOUND_S, receive_bytes=0):
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect((host, port))
        except OSError:
            self.socket.close()
            raise
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = self.socket.makefile("rb", 1 << 16)
        self.info = self.read_info()
        self.asked = 0
        if connect is not None:
            self.say("CONNECT " + connect)

    def close(self):
        self.input.close()
        self.socket.close()

    def write(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def say(self, line):
        self.write(line + "\r\n")

    def read_line(self):
        """The next line without its end, whatever it is; None at the end of the stream."""
        line = self.input.readline().decode(errors="replace")
        return line.rstrip("\r\n") if line else None

    def read(self):
        """The next line; PINGs, which come whenever the server likes, are answered if `answers`. An
        answer that the server has not read when it closes is a reset: an end as well."""
        if not self.answers:
            return self.read_line()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while (line := self.read_line()) == "PING":
                self.say("PONG")
            return line
        return None

    def read_info(self):
        """The next INFO; PINGs are answered."""
        while True:
            line = self.read()
            if line == "PING":
                self.say("PONG")
            elif line is not None and line.startswith("INFO "):
                return json.loads(line[5:])
            elif line is None or not line.startswith(("PONG", "+OK")):
                raise Gone("no INFO, but %r" % line)

    def read_end(self):
        """All lines up to the end of the stream."""
        lines = []
        with contextlib.suppress(ConnectionResetError):
            while (line := self.read()) is not None:
                lines.append(line)
        return lines

    def read_body(self, line):
        """Of a MSG or HMSG whose line was read: subject, reply, headers and data."""
        words = line.split()
        total = int(words[-1])
        data = self.input.read(total + 2)[:total]
        headed = words[0] == "HMSG"
        head = int(words[-2]) if headed else 0
        reply = words[3] if len(words) > 4 + headed else ""
        return words[1], reply, data[:head], data[head:]

    def ping(self):
        """Does it answer? False if it says otherwise or has closed."""
        try:
            self.say("PING")
            while True:
                line = self.read()
                if line is None or line == "PONG" or line.startswith("-ERR"):
                    return line == "PONG"
        except (BrokenPipeError, ConnectionResetError):
            return False

    def request(self, subject, body=""):
        """The JSON that answers."""
        self.asked += 1
        self.say("SUB answer.%d %d\r\nUNSUB %d 1\r\nPUB %s answer.%d %d\r\n%s" %
                 (self.asked, self.asked, self.asked, subject, self.asked, len(body), body))
        while True:
            line = self.read()
            if line is None or line.startswith("-ERR"):
                raise Gone("no answer, but %r" % line)
            if line == "PING":
                self.say("PONG")
            if line.startswith("MSG answer."):
                return json.loads(self.read_body(line)[3])
