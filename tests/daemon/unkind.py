# SPDX-License-Identifier: Apache-2.0
"""unkind.py EXE [TEST...]: the daemon among readers that do not read, visitors that do not speak,
who says that he is somebody else now, and a host that has nothing left; what others have of it must
stay as it is."""

import http.client
import os
import resource
import signal
import socket
import subprocess
import time

from case import BOUND_S, Case, Client, free_port, main, wait_for

# Many logins fail here on purpose, and a friend comes from the same address.
NO_BOUND = "authorization { user: u, password: p, failed_logins: -1 }\n"


class Unkind(Case):
    def monitored(self, *args, **popen):
        port = free_port()
        server = self.serve("-m", str(port), *args, **popen)
        server.monitor = port
        return server

    def visit(self, server):
        visitor = socket.create_connection(("127.0.0.1", server.monitor), timeout=BOUND_S)
        self.stack.callback(visitor.close)
        return visitor

    def get(self, server, path):
        page = http.client.HTTPConnection("127.0.0.1", server.monitor, timeout=BOUND_S)
        try:
            page.request("GET", path)
            return page.getresponse().status
        finally:
            page.close()

    def cpu_s(self, server):
        with open("/proc/%d/stat" % server.pid) as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def test_log_nobody_reads(self):
        """700 failed logins fill the pipe that standard error is; then somebody reads it."""
        ours, theirs = os.pipe()
        process = subprocess.Popen([self.path("nats-server"), "-a", "127.0.0.1", "-p", "-1",
                                    "-c", self.write("a.conf", NO_BOUND), "--ports_file_dir",
                                    self.folder],
                                   stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        text = b""
        while b"Server is ready" not in text:
            text += os.read(ours, 65536)
        port = int(text.split(b"Listening for client connections on 127.0.0.1:")[1].split(b"\n")[0])
        for _ in range(1500):
            stranger = Client(port, connect='{"user":"u","pass":"wrong"}')
            stranger.read_end()
            stranger.close()
        friend = Client(port, connect='{"user":"u","pass":"p"}')
        self.assertTrue(friend.ping())
        lines = b""
        os.set_blocking(ours, False)
        while b"were lost" not in lines:
            try:
                lines += os.read(ours, 65536)
            except BlockingIOError:  # it told all that it kept: the next line tells of the rest
                Client(port, connect='{"user":"u","pass":"wrong"}').close()
                time.sleep(0.01)
        self.assertRegex(lines.decode(errors="replace"),
                         r"\[WRN\] \d+ lines of the log were lost: it took no more\n")
        friend.close()
        process.send_signal(signal.SIGTERM)
        wait_for("its end", lambda: process.poll() is not None)
        os.close(ours)

    def test_another_name_while_a_reload_is_checked(self):
        """A password that was right is not taken for that of a name which comes meanwhile."""
        # "s3cret", by two salts, and another word: each takes a while to be looked at.
        first = "$2b$12$abcdefghijklmnopqrstuuIkD3QUGeSzQARHziTZIsG4D8yrNpG.S"
        second = "$2b$12$bcdefghijklmnopqrstuvuZcklASGaQQnpzjoyXWrBkUjT3jP46t2"
        admin = "$2b$12$cdefghijklmnopqrstuvwu7pM4xiy0xV/tHYLRyFVJvny3XnokJSS"

        def conf(of_ann):
            return self.write("a.conf", """port: -1
                authorization { timeout: 60, users: [ { user: watch, password: w },
                    { user: ann, password: "%s", permissions: { publish: "open.>" } },
                    { user: admin, password: "%s" } ] }""" % (of_ann, admin))
        server = self.serve("-c", conf(first))
        watch = self.client(server, connect='{"user":"watch","pass":"w"}')
        watch.say("SUB > 1")
        self.assertTrue(watch.ping())
        ann = self.client(server, connect='{"verbose":false,"user":"ann","pass":"s3cret"}')
        self.assertTrue(ann.ping())
        conf(second)
        server.send_signal(signal.SIGHUP)
        server.logged("[INF] Reloaded server configuration")
        ann.say('CONNECT {"verbose":false,"user":"admin","pass":"guessed"}\r\n'
                "PUB closed.x 1\r\nx\r\nPUB open.x 1\r\nx\r\nPING")
        self.assertEqual(ann.read_end(), ["-ERR 'Authorization Violation'"])
        self.assertTrue(watch.ping())  # and nothing of it was heard

    def test_silent_visitors(self):
        """Those who say nothing keep nobody out, however many they are."""
        server = self.monitored()
        for _ in range(100):
            self.visit(server)
        for _ in range(20):
            self.assertEqual(self.get(server, "/healthz"), 200)

    def test_slow_visitors(self):
        """A request that comes a byte at a time does not keep its place from who asks at once."""
        server = self.monitored()
        slow = [self.visit(server) for _ in range(40)]
        for visitor in slow:
            visitor.sendall(b"GET /varz HT")
        for _ in range(20):
            self.assertEqual(self.get(server, "/healthz"), 200)

    def test_visitors_of_long_pages(self):
        """Many who want the longest pages at once, and one who asks for its health meanwhile."""
        server = self.monitored("-js", "-sd", self.path("js"))
        many = [self.visit(server) for _ in range(30)]
        for visitor in many:
            visitor.sendall(b"GET /jsz?streams=1&consumers=1 HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        self.assertEqual(self.get(server, "/healthz"), 200)
        for visitor in many:
            self.assertTrue(visitor.recv(100).startswith(b"HTTP/1.1 200"))

    def test_no_descriptor_left(self):
        """Nobody can be accepted, on either port: the daemon rests, and goes on when it can."""
        server = self.monitored(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE,
                                                                      (60, 60)))
        clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(90)]
        visitor = self.visit(server)
        visitor.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        before, began = self.cpu_s(server), time.monotonic()
        time.sleep(1)  # a stretch of time over which its processor time is counted
        used, took = self.cpu_s(server) - before, time.monotonic() - began
        self.assertLess(used / took, 0.3)
        for client in clients:
            client.close()
        self.assertTrue(visitor.recv(100).startswith(b"HTTP/1.1 200"))
        self.assertTrue(self.client(server).ping())


if __name__ == "__main__":
    main(Unkind)
