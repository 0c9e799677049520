#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Play wire scripts: what goes over the sockets of a NATS server, line by line.

    wire.py --server EXE SCRIPT...          start EXE for each script, as nats-server is started
    wire.py --against HOST:PORT SCRIPT...   use a server that runs already; scripts that want a
                                            configuration of their own are left out

A script is read top down. Empty lines and lines that begin with # say nothing. A and B stand for
names of connections, TEXT for the rest of the line.

    config TEXT            a line of the server's configuration file (before all else); @TLS@ is the
                           directory of certificates, @DIR@ one of the server alone
    connect A [B ...]      open connections
    hello A [JSON]         open one and greet: INFO, CONNECT JSON, PING, PONG
                           (JSON left out: neither verbose nor pedantic, with headers)
    crowd N                N connections without a name that stay and say nothing
    A send TEXT            TEXT and CRLF
    A send-raw TEXT        TEXT alone
    A drip MS TEXT         TEXT and CRLF, a byte at a time, MS milliseconds apart
    A repeat N TEXT        TEXT and CRLF N times; {i} counts from 1
    A expect TEXT          the next line is TEXT (and ended with CRLF)
    A expect-info K=V ...  the next line is an INFO with these fields; V is a JSON value,
                           a /regular expression/, `there` or `absent`
    A sync                 PING, and the next line is PONG: nothing else was waiting
    A tls [CERT]           begin TLS, believing ca.pem there, and showing CERT.pem
    A tls-fails TEXT       try to, and fail with a reason that has TEXT in it
    A expect-close         the server ends the connection, without another byte
    A expect-end TEXT      the same, with the line TEXT before it or without
    A close                we end it; A half-close: no more from us, but we still read;
                           A reset: we end it with a TCP reset
    total N A[,B...] TEXT  on these connections PING is sent and all is read up to PONG: N
                           messages in all, and each one's first line is TEXT
    anew TEXT              a line of another configuration, which `reload` makes it read, wholly;
                           then it has said so in its log
    reload
    signal NAME            to the server that was started
    expect-log TEXT        it says so in its log
    expect-exit CODE       the server ends with this code

In TEXT \\r \\n \\t \\s (a space) \\0 \\\\ and \\xHH stand for bytes, {x*100} for 100 times x,
{name} for what an earlier {name:regular expression} in an expect has matched. A PING of the server
that no `expect PING` waits for is answered. Every wait ends after BOUND_S seconds.
"""

import argparse
import json
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from server import BOUND_S, Server, many_files, wait_for

TLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "tls")
HELLO = '{"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"protocol":0}'
ESCAPES = {"r": "\r", "n": "\n", "t": "\t", "s": " ", "0": "\0", "\\": "\\"}


class Failure(Exception):
    pass


def unescape(text):
    def one(m):
        return ESCAPES[m[1]] if m[1] in ESCAPES else chr(int(m[1][1:], 16))
    text = re.sub(r"\\(x[0-9A-Fa-f]{2}|[rnts0\\])", one, text)
    return re.sub(r"\{(.)\*(\d+)\}", lambda m: m[1] * int(m[2]), text, flags=re.S)


def pieces(text):
    """Cut TEXT at {name} and {name:regex}: yields (literal, None, None) or (None, name, regex)."""
    pos = 0
    for m in re.finditer(r"\{([a-z]\w*)([:}])", text):
        if m.start() < pos:
            continue
        end = m.end()
        if m[2] == ":":
            depth = 1
            while depth > 0:
                if end == len(text):
                    raise Failure("{%s: has no end" % m[1])
                depth += {"{": 1, "}": -1}.get(text[end], 0)
                end += 1
        yield text[pos:m.start()], None, None
        yield None, m[1], text[m.end():end - 1] if m[2] == ":" else None
        pos = end
    yield text[pos:], None, None


def fill(text, names):
    """The bytes of a TEXT to send."""
    out = ""
    for literal, name, regex in pieces(text):
        if name is None:
            out += unescape(literal)
        elif regex is None and name in names:
            out += names[name]
        else:
            raise Failure("{%s} was not matched before" % name)
    return out.encode("latin-1")


def matcher(text, names):
    """A compiled pattern of a TEXT to expect."""
    out = ""
    for literal, name, regex in pieces(text):
        if name is None:
            out += re.escape(unescape(literal))
        elif regex is not None:
            out += "(?P<%s>%s)" % (name, regex)
        elif name in names:
            out += re.escape(names[name])
        else:
            raise Failure("{%s} was not matched before" % name)
    return re.compile(out, re.S)


class Conn:
    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=BOUND_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def send(self, data):
        # A server that has had enough may close while we still send: what it said is what counts.
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        except socket.timeout:
            raise Failure("the server takes no more bytes")

    def more(self):
        """Read on; False at the end of the stream."""
        try:
            data = self.socket.recv(1 << 16)
        except (ConnectionResetError, ssl.SSLEOFError):
            data = b""
        except socket.timeout:
            raise Failure("nothing came for %d s; waiting: %r" % (BOUND_S, self.buffer[:200]))
        self.buffer += data
        return data != b""

    def tls(self, cert=""):
        context = ssl.create_default_context(cafile=os.path.join(TLS, "ca.pem"))
        if cert:
            context.load_cert_chain(os.path.join(TLS, cert + ".pem"),
                                    os.path.join(TLS, cert + ".key"))
        if self.buffer:
            raise Failure("in clear: %r" % self.buffer[:200])
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost",
                                          suppress_ragged_eofs=False)

    def line(self, answer_pings=True):
        while True:
            line = self.raw_line()
            if line != "PING" or not answer_pings:
                return line
            self.send(b"PONG\r\n")

    def raw_line(self):
        deadline = time.monotonic() + BOUND_S
        while b"\n" not in self.buffer:
            if not self.more():
                raise Failure("the server closed; waiting: %r" % self.buffer[:200])
            if time.monotonic() > deadline:
                raise Failure("no whole line came: %r" % self.buffer[:200])
        line, self.buffer = self.buffer.split(b"\n", 1)
        if not line.endswith(b"\r"):
            raise Failure("line without CR: %r" % line)
        return line[:-1].decode("latin-1")

    def skip(self, count):
        while len(self.buffer) < count:
            if not self.more():
                raise Failure("the server closed within a message")
        self.buffer = self.buffer[count:]


class Player:
    def __init__(self, address, server):
        self.address = address
        self.server = server
        self.conns = {}
        self.crowd = []
        self.names = {}
        self.anew = []

    def fini(self):
        for conn in list(self.conns.values()) + self.crowd:
            conn.socket.close()

    def open(self, name):
        if name in self.conns:
            self.conns[name].socket.close()
        self.conns[name] = Conn(self.address)
        return self.conns[name]

    def play(self, line):
        word, _, rest = line.partition(" ")
        if word == "connect":
            for name in rest.split():
                self.open(name)
        elif word == "hello":
            name, _, text = rest.partition(" ")
            self.open(name)
            self.on_expect_info(self.conns[name], "version=there")
            self.conns[name].send(b"CONNECT %s\r\n" % (text or HELLO).encode())
            self.on_sync(self.conns[name], "")
        elif word == "crowd":
            self.crowd += [Conn(self.address) for _ in range(int(rest))]
        elif word == "total":
            self.total(*rest.split(" ", 2))
        elif word == "anew":
            self.anew.append(rest)
        elif word == "reload":
            self.reload()
        elif word == "signal":
            self.server.send_signal(getattr(signal, "SIG" + rest))
        elif word == "expect-log":
            self.server.logged(rest)
        elif word == "expect-exit":
            code = self.server.process.wait(BOUND_S)
            if code != int(rest):
                raise Failure("the server ended with %d" % code)
        elif word in self.conns:
            verb, _, text = rest.partition(" ")
            act = getattr(self, "on_" + verb.replace("-", "_"), None)
            if act is None:
                raise Failure("no such verb: " + verb)
            act(self.conns[word], text)
        else:
            raise Failure("no such verb or connection: " + word)

    def reload(self):
        said = "Reloaded server configuration"
        before = self.server.log().count(said)
        write_config(os.path.dirname(self.server.log_path), self.anew)
        self.anew = []
        self.server.send_signal(signal.SIGHUP)
        wait_for("the reload", lambda: self.server.log().count(said) > before)

    def total(self, count, names, text):
        got = 0
        for name in names.split(","):
            conn = self.conns[name]
            conn.send(b"PING\r\n")
            while True:
                line = conn.line()
                if line == "PONG":
                    break
                if not matcher(text, self.names).fullmatch(line):
                    raise Failure("%s got %r" % (name, line))
                if line.split(" ", 1)[0] in ("MSG", "HMSG"):
                    conn.skip(int(line.split()[-1]) + 2)
                got += 1
        if got != int(count):
            raise Failure("%d in all" % got)

    def on_send(self, conn, text):
        conn.send(fill(text, self.names) + b"\r\n")

    def on_send_raw(self, conn, text):
        conn.send(fill(text, self.names))

    def on_drip(self, conn, text):
        pace, _, text = text.partition(" ")
        for byte in fill(text, self.names) + b"\r\n":
            conn.send(bytes([byte]))
            time.sleep(int(pace) / 1000)

    def on_repeat(self, conn, text):
        count, _, text = text.partition(" ")
        out = [fill(text, dict(self.names, i=str(i))) for i in range(1, int(count) + 1)]
        conn.send(b"\r\n".join(out) + b"\r\n")

    def on_expect(self, conn, text):
        line = conn.line(answer_pings=text != "PING")
        match = matcher(text, self.names).fullmatch(line)
        if match is None:
            raise Failure("got %r" % line)
        self.names.update(match.groupdict())

    def on_expect_info(self, conn, text):
        line = conn.line()
        if not line.startswith("INFO "):
            raise Failure("got %r" % line)
        info = json.loads(line[5:])
        for want in text.split():
            key, value = want.split("=", 1)
            if value in ("there", "absent"):
                good = (key in info) == (value == "there")
            elif value.startswith("/"):
                good = re.fullmatch(value.strip("/"), str(info.get(key, ""))) is not None
            else:
                good = key in info and info[key] == json.loads(value)
            if not good:
                raise Failure("%s is not so in %s" % (want, line))

    def on_sync(self, conn, text):
        conn.send(b"PING\r\n")
        line = conn.line()
        if line != "PONG":
            raise Failure("got %r" % line)

    def on_tls(self, conn, text):
        conn.tls(text)

    def on_tls_fails(self, conn, text):
        try:
            conn.tls()
            conn.send(b"PING\r\n")
            conn.socket.recv(1)  # of TLS 1.3, in which a server hears of certificates last
        except (ssl.SSLError, ConnectionResetError) as error:
            if text in str(error):
                return
            raise Failure("failed for another reason: %s" % error)
        raise Failure("it went well")

    def on_expect_close(self, conn, text):
        while not conn.buffer and conn.more():
            pass
        if conn.buffer:
            raise Failure("got %r" % conn.buffer[:200])

    def on_expect_end(self, conn, text):
        while conn.more():
            pass
        if conn.buffer and not matcher(text + "\\r\\n", self.names).fullmatch(
                conn.buffer.decode("latin-1")):
            raise Failure("got %r" % conn.buffer[:200])

    def on_close(self, conn, text):
        conn.socket.close()

    def on_half_close(self, conn, text):
        conn.socket.shutdown(socket.SHUT_WR)

    def on_reset(self, conn, text):
        conn.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        conn.socket.close()


def write_config(folder, lines):
    path = os.path.join(folder, "wire.conf")
    with open(path, "w") as file:
        file.write("".join(line.replace("@TLS@", TLS).replace("@DIR@", folder) + "\n"
                           for line in lines))
    return path


def start(exe, config, folder):
    path = write_config(folder, config)
    return Server(exe, "-a", "127.0.0.1", "-p", "-1", "-c", path, folder=folder).ready()


def run(path, args):
    with open(path) as file:
        lines = [line.rstrip("\n") for line in file]
    config = [line[7:] for line in lines if line.startswith("config ")]
    if config and args.against:
        return "left out"
    server = player = None
    number = 0
    with tempfile.TemporaryDirectory() as folder:
        try:
            if args.against:
                host, _, port = args.against.rpartition(":")
                address = (host, int(port))
            else:
                server = start(args.server, config, folder)
                address = (server.host, server.port)
            player = Player(address, server)
            for number, line in enumerate(lines, 1):
                if line.strip() and not line.startswith(("#", "config ")):
                    player.play(line)
            if server is not None and server.process.poll() not in (None, 0):
                raise Failure("the server ended with %d" % server.process.returncode)
            return None
        except (Failure, OSError, RuntimeError, ValueError, AssertionError,
                subprocess.TimeoutExpired) as failure:
            at = lines[number - 1] if number else ""
            return "line %d: %s\n    %s" % (number, at, failure)
        finally:
            if player is not None:
                player.fini()
            if server is not None:
                server.kill()


def main():
    many_files()  # which a crowd wants, here and in the server
    parser = argparse.ArgumentParser(description="Play wire scripts.")
    parser.add_argument("--server")
    parser.add_argument("--against")
    parser.add_argument("scripts", nargs="+")
    args = parser.parse_args()
    if (args.server is None) == (args.against is None):
        parser.error("one of --server and --against, please")
    failed = 0
    for path in args.scripts:
        answer = run(path, args)
        name = os.path.basename(path)
        if answer is None:
            print("ok    " + name)
        elif answer == "left out":
            print("skip  %s: it wants a configuration of its own" % name)
        else:
            failed += 1
            print("FAIL  %s %s" % (name, answer))
    print("%d scripts, %d failed" % (len(args.scripts), failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
