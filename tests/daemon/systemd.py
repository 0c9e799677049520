# SPDX-License-Identifier: Apache-2.0
"""systemd.py RILLD [TEST...]: what rilld and a service manager say to each other, this test being
the manager: signs of readiness and life, and sockets that were bound before it began."""
import os
import re
import select
import signal
import socket
import sys
import time

from case import BOUND_S, Case, Client, Server, main, wait_for

# Starts the program as the manager does: sockets are descriptors from 3 on, and the variables with
# _PID name the process. argv: the sockets' numbers here, then the program.
LAUNCH = """
import fcntl, os, sys
fds = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 50) for fd in sys.argv[1].split(",") if fd]
for i, fd in enumerate(fds):
    os.dup2(fd, 3 + i)
for name in ("LISTEN_PID", "WATCHDOG_PID"):
    if os.environ.get(name) == "self":
        os.environ[name] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


class Systemd(Case):
    def manager(self, name=None):
        """A socket that hears what is said, and its name as NOTIFY_SOCKET has it."""
        self.ears = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.stack.callback(self.ears.close)
        name = name or self.path("notify")
        self.ears.bind("\0" + name[1:] if name[0] == "@" else name)
        self.ears.settimeout(BOUND_S)
        return name

    def hear(self):
        return self.ears.recv(4096).decode().split("\n")

    def hear_until(self, word):
        said = []
        while word not in said:
            said += self.hear()
        return said

    def launch(self, *args, sockets=(), **env):
        clean = {name: value for name, value in os.environ.items()
                 if name not in ("NOTIFY_SOCKET", "LISTEN_FDS", "WATCHDOG_USEC")}
        fds = [s.fileno() for s in sockets]
        program = self.path("nats-server")
        server = Server(sys.executable, "-c", LAUNCH, ",".join(map(str, fds)), program,
                        "-a", "127.0.0.1", "-p", "-1", *args, folder=self.folder, cwd=self.folder,
                        pass_fds=fds, env={**clean, **env})
        self.stack.callback(server.kill)
        return server

    def listening(self, family=socket.AF_INET):
        s = socket.socket(family)
        self.stack.callback(s.close)
        s.bind(("127.0.0.1", 0) if family == socket.AF_INET else self.path("unix"))
        s.listen()
        return s

    def test_ready_reload_stop(self):
        config = self.write("c.conf", "debug: false\n")
        server = self.launch("-c", config, NOTIFY_SOCKET=self.manager())
        server.ready()
        said = self.hear()
        self.assertEqual(said[0], "READY=1")
        self.assertEqual(said[1], "STATUS=Listening on port %d" % server.port)
        for text in ("debug: true\n", "debug: {\n"):  # the second one fails, and is over as well
            self.write("c.conf", text)
            begun = time.monotonic_ns() // 1000
            server.send_signal(signal.SIGHUP)
            said = self.hear()
            self.assertEqual(said[0], "RELOADING=1")
            usec = int(re.fullmatch(r"MONOTONIC_USEC=(\d+)", said[1])[1])
            self.assertTrue(begun <= usec <= time.monotonic_ns() // 1000)
            self.assertEqual(self.hear(), ["READY=1"])
        self.assertEqual(server.end(), 0)
        self.assertEqual(self.hear(), ["STOPPING=1"])

    def test_abstract(self):
        name = self.manager("@rill-test-%d" % os.getpid())
        server = self.launch(NOTIFY_SOCKET=name).ready()
        self.assertEqual(self.hear()[0], "READY=1")
        server.send_signal(signal.SIGUSR2)  # there is nobody whom it waits for
        self.assertTrue(self.hear()[0].startswith("STATUS=Lame duck"))
        self.hear_until("STOPPING=1")

    def test_no_manager(self):
        """One that is not there, or cannot be, holds nothing up."""
        for name in (self.path("nobody"), "vsock:2:1", "@", "/" + "x" * 200):
            server = self.launch(NOTIFY_SOCKET=name, WATCHDOG_USEC="1000").ready()
            self.assertEqual(server.end(), 0)

    def test_watchdog(self):
        begun = time.monotonic()
        server = self.launch(NOTIFY_SOCKET=self.manager(), WATCHDOG_USEC="100000",
                             WATCHDOG_PID="self")
        server.ready()
        self.assertEqual(self.hear()[0], "READY=1")
        heard = 0
        while heard < 4 or select.select([self.ears], [], [], 0)[0]:
            self.assertEqual(self.hear(), ["WATCHDOG=1"])
            heard += 1
        # Each half of the time, not more often.
        self.assertLessEqual(heard, (time.monotonic() - begun) / 0.05 + 1)
        server.send_signal(signal.SIGSTOP)
        wait_for("nothing more", lambda: not select.select([self.ears], [], [], 0.3)[0] or
                 (self.hear() and False))
        server.send_signal(signal.SIGCONT)
        self.assertEqual(self.hear(), ["WATCHDOG=1"])
        self.assertEqual(server.end(), 0)

    def test_watchdog_of_another(self):
        server = self.launch(NOTIFY_SOCKET=self.manager(), WATCHDOG_USEC="2000", WATCHDOG_PID="1")
        server.ready()
        self.assertEqual(self.hear()[0], "READY=1")
        server.send_signal(signal.SIGUSR1)
        server.logged("File log re-open ignored")
        self.assertEqual(server.end(), 0)
        self.assertEqual(self.hear(), ["STOPPING=1"])

    def test_sockets(self):
        """A client that came before the server did is served; the socket stays the manager's."""
        nats, web, http = (self.listening() for _ in range(3))
        early = socket.create_connection(nats.getsockname(), timeout=BOUND_S)
        self.stack.callback(early.close)
        server = self.launch(sockets=(nats, http, web), LISTEN_FDS="3", LISTEN_PID="self",
                             LISTEN_FDNAMES="rilld.socket:http:websocket")
        server.ready()
        self.assertEqual(server.port, nats.getsockname()[1])
        self.assertTrue(early.makefile("rb").readline().startswith(b"INFO {"))
        client = Client(server.port)
        client.say("PING")
        while client.read() != "PONG":
            pass
        client.close()
        visitor = socket.create_connection(http.getsockname(), timeout=BOUND_S)
        visitor.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        self.assertIn(b"200 OK", visitor.makefile("rb").read())
        visitor.close()
        server.logged("Listening for websocket clients on ws://127.0.0.1:%d\n" %
                      web.getsockname()[1])
        self.assertEqual(server.end(), 0)
        socket.create_connection(nats.getsockname(), timeout=BOUND_S).close()

    def test_reload_with_a_socket(self):
        nats = self.listening()
        config = self.write("c.conf", "max_connections: 9\n")
        server = self.launch("-c", config, sockets=(nats,), LISTEN_FDS="1", LISTEN_PID="self")
        server.ready()
        self.write("c.conf", "max_connections: 8\n")
        server.send_signal(signal.SIGHUP)
        server.logged("Reloaded server configuration")
        Client(nats.getsockname()[1]).close()

    def test_sockets_of_another(self):
        server = self.launch(LISTEN_FDS="1", LISTEN_PID="1").ready()
        Client(server.port).close()

    def test_bad_sockets(self):
        plain = socket.socket()
        self.stack.callback(plain.close)
        for sockets, names, why in (
                ((plain,), "nats", "is no socket that listens"),
                ((self.listening(socket.AF_UNIX),), "nats", "is no socket of that kind"),
                ((self.listening(), self.listening()), "a:b", "two sockets are given for nats")):
            server = self.launch(sockets=sockets, LISTEN_FDS=str(len(sockets)), LISTEN_PID="self",
                                 LISTEN_FDNAMES=names)
            self.assertEqual(server.process.wait(BOUND_S), 1)
            self.assertIn(why, server.log())


main(Systemd)
