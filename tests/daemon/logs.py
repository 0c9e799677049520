# SPDX-License-Identifier: Apache-2.0
"""logs.py EXE [TEST...]: where the lines of the daemon's log go: files that are put aside when they
are full, syslog here and elsewhere, JSON; and that none of these holds up the broker. What
nats-server does is asked of the one that RILL_PEER names, too."""

import json
import os
import re
import resource
import select
import signal
import socket

from case import BOUND_S, Case, Client, main, wait_for
from server import Server

BACKUP = re.compile(r"a\.log\.\d{4}(\.\d\d){5}\.\d{9}")
LOGIN = '{"verbose":false,"user":"u","pass":"hunter2hunter2"}'
LIMIT, FILES = 3000, 3


class Logs(Case):
    def file(self, name):
        with open(self.path(name), errors="replace") as file:
            return file.read()

    def log_some(self, server):
        """A connection is two lines and more, where lines for debugging are wanted."""
        client = Client(server.port)
        self.assertTrue(client.ping())
        client.close()

    # ---- Files

    def backups(self):
        """In the order of their times."""
        return sorted(name for name in os.listdir(self.path("logs")) if BACKUP.fullmatch(name))

    def look_at_rotation(self, server, *others):
        """Lines come until four files have been full; others' files stay."""
        others = [*others, "a.log.1", "b.log.2001.01.01.01.01.01.000000001",
                  "a.log.2001.01.01.01.01.01.00000000x", "a.log.2001.01.01.01.01.01.000000001.gz"]
        for name in [*others, "a.log.2001.01.01.01.01.01.000000001"]:
            self.write("logs/" + name, "")
        os.mkdir(self.path("logs/a.log.2002.01.01.01.01.01.000000001"))
        path, seen = self.path("logs/a.log"), set()
        server.ready(path)

        def filled():
            self.log_some(server)
            seen.update(self.backups())
            return len(seen) >= 2 + 4
        wait_for("four full files", filled)
        self.assertEqual(server.end(), 0)
        left = [name for name in self.backups() if not name.startswith("a.log.200")]
        self.assertEqual(len(left), FILES - 1)
        self.assertIn("a.log.2002.01.01.01.01.01.000000001", self.backups())
        self.assertNotIn("a.log.2001.01.01.01.01.01.000000001", self.backups())
        for name in others:
            self.assertTrue(os.path.exists(self.path("logs/" + name)), name)
        for name in left:
            self.assertGreater(os.path.getsize(self.path("logs/" + name)), LIMIT)
        text = "".join(self.file("logs/" + name) for name in [*left, "a.log"])
        self.assertRegex(text, r'\[INF\] Rotated log, backup saved as ".*logs/%s"\n'
                         % BACKUP.pattern)
        self.assertRegex(text, r'\[INF\] Purged log file "%s"\n' % BACKUP.pattern)
        cids = [int(n) for n in re.findall(r" - cid:(\d+) - Client connection created", text)]
        self.assertEqual(cids, list(range(cids[0], cids[0] + len(cids))))  # no line is missing

    def rotating(self, name="logs/a.log"):
        os.makedirs(self.path("logs"), exist_ok=True)
        return self.write("a.conf", "listen: '127.0.0.1:-1'\ndebug: true\nlog_file: '%s'\n"
                          "logfile_size_limit: %d\nlogfile_max_num: %d\n"
                          % (self.path(name), LIMIT, FILES))

    def test_rotation(self):
        self.look_at_rotation(self.start("-c", self.rotating()), "a.log.2001.01.01.01.01.01",
                              "a.log.2001.01.01.01.01.01.0")

    def test_rotation_of_the_peer(self):
        peer = os.environ.get("RILL_PEER")
        if not peer:
            self.skipTest("RILL_PEER names no nats-server")
        server = Server(peer, "-c", self.rotating(), folder=self.folder, cwd=self.folder)
        self.stack.callback(server.kill)
        self.look_at_rotation(server)

    def test_rotation_by_flag(self):
        """Without a number of files all stay; what is not a file has no limit."""
        os.mkdir(self.path("logs"))
        path = self.path("logs/a.log")
        server = self.serve_in(path, "-D", "--log_size_limit", str(LIMIT))

        def filled():
            self.log_some(server)
            return len(self.backups()) >= 5
        wait_for("five full files", filled)
        self.assertEqual(server.end(), 0)
        self.assertEqual(self.serve("--log_size_limit", "10").end(), 0)

    def serve_in(self, path, *args, **popen):
        server = self.start("-a", "127.0.0.1", "-p", "-1", "-l", path, *args, **popen)
        return server.ready(path)

    def start_in(self, path, *args):
        """... where one file does not have all that it says."""
        server = self.start("-a", "127.0.0.1", "-p", "-1", "-l", path, "--ports_file_dir",
                            self.folder, *args)
        ports = self.path("nats-server_%d.ports" % server.pid)
        wait_for("its ports", lambda: os.path.exists(ports) and self.file(ports))
        server.port = int(re.search(r"nats://127\.0\.0\.1:(\d+)", self.file(ports))[1])
        return server

    def test_no_rotation(self):
        """A file that cannot be put aside, here since its name would be too long, is written on."""
        name = "logs/" + "n" * 240
        server = self.start("-c", self.rotating(name))
        server.ready(self.path(name))

        def twice():
            self.log_some(server)
            return self.file(name).count("[ERR] Unable to rotate the log (rename ") >= 2
        wait_for("two attempts", twice)
        self.assertEqual(os.listdir(self.path("logs")), [os.path.basename(name)])
        self.assertEqual(server.end(), 0)
        self.assertIn("Server Exiting..", self.file(name))

    def test_no_descriptor(self):
        """A file that was put aside and cannot be begun anew comes back, until it can."""
        limit = (45, 45)
        server = self.start("-c", self.rotating(), preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_NOFILE, limit))
        server.ready(self.path("logs/a.log"))
        clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(60)]

        def refused():
            server.send_signal(signal.SIGUSR1)
            text = self.file("logs/a.log")
            return "File log could not be re-opened" in text and "rotate the log (open" in text
        wait_for("an attempt in vain", refused)
        first = self.backups()
        for client in clients:
            client.close()

        def rotated():
            server.send_signal(signal.SIGUSR1)
            return set(self.backups()) - set(first)  # only so many are kept
        wait_for("a file that was put aside", rotated)
        self.assertEqual(server.end(), 0)

    def test_full_disk(self):
        """Here a file that may not grow: lines are lost and counted, and nobody waits for them."""
        def small():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))
        path = self.path("a.log")
        server = self.serve_in(path, "-D", preexec_fn=small, restore_signals=False)

        def full():
            self.log_some(server)
            return os.path.getsize(path) == LIMIT
        wait_for("a full disk", full)
        self.log_some(server)
        self.log_some(server)
        os.rename(path, path + ".old")
        server.send_signal(signal.SIGUSR1)
        server.logged("File log re-opened", path)
        self.assertRegex(self.file("a.log"),
                         r"^\[\d+\] [^\n]* \[WRN\] \d+ lines of the log were lost: ")
        self.assertEqual(server.end(), 0)

    def test_moved_away(self):
        """Who moves the file away without a signal has what is written until it is full."""
        server = self.start("-c", self.rotating())
        path = self.path("logs/a.log")
        server.ready(path)
        os.rename(path, path + ".theirs")

        def anew():
            self.log_some(server)
            return os.path.exists(path)
        wait_for("a new file", anew)
        self.assertEqual(server.end(), 0)
        self.assertEqual(self.backups(), [])
        self.assertIn("Server Exiting..", self.file("logs/a.log"))

    def test_small_limit(self):
        """The log's own lines fill no file: at most one begins for each line that others want."""
        os.mkdir(self.path("logs"))
        server = self.start_in(self.path("logs/a.log"), "-D", "--log_size_limit", "10")
        for _ in range(3):
            self.log_some(server)
        self.assertEqual(server.end(), 0)
        lines = "".join(self.file("logs/" + name) for name in os.listdir(self.path("logs")))
        others = [line for line in lines.splitlines() if "Rotated log" not in line]
        self.assertGreater(len(self.backups()), 0)
        self.assertLessEqual(len(self.backups()), len(others))

    def test_rotation_in_a_flood(self):
        """However fast lines come: no line is the last for which a full file is put aside."""
        server = self.start("-c", self.rotating(), "-V", "--max_traced_msg_len", "1")
        server.ready(self.path("logs/a.log"))
        clients = [Client(server.port, connect='{"verbose":false}') for _ in range(2)]
        for _ in range(60):
            for client in clients:
                client.write(b"PUB a 1\r\nx\r\n" * 1000)
        for client in clients:
            self.assertTrue(client.ping())
            client.close()
        seen = set(self.backups())

        def anew():
            self.log_some(server)
            return len(set(self.backups()) - seen) >= FILES - 1
        wait_for("files that were full since", anew)
        self.assertEqual(server.end(), 0)

    def test_pipe_nobody_reads(self):
        """A pipe in the place of the file, from the beginning or since, holds nobody up; who reads
        it has what has come meanwhile."""
        path = self.path("a.log")

        def read():
            reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            self.stack.callback(os.close, reader)
            return os.read(reader, 65536)
        os.mkfifo(path)
        server = self.start_in(path)
        self.assertIn(b"Starting nats-server", read())
        self.assertEqual(server.end(), 0)
        os.unlink(path)
        server = self.serve_in(path)
        os.unlink(path)
        os.mkfifo(path)
        server.send_signal(signal.SIGUSR1)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.stack.callback(os.close, reader)
        self.assertTrue(select.select([reader], [], [], BOUND_S)[0])
        self.assertIn(b"File log re-opened", os.read(reader, 65536))
        self.assertEqual(server.end(), 0)

    def test_pipe_when_it_is_full(self):
        """... nor one that has come there when a full file is put aside."""
        server = self.start("-c", self.rotating())
        path = self.path("logs/a.log")
        server.ready(path)
        os.unlink(path)
        os.mkfifo(path)
        for _ in range(LIMIT // 100):  # each is two lines, which are longer than 50
            self.log_some(server)
        self.assertEqual(server.end(), 0)

    # ---- JSON

    def test_json(self):
        path = self.write("a.conf", "listen: '127.0.0.1:-1'\nlog_format: json\n"
                          "authorization { user: u, password: hunter2hunter2 }\n"
                          "log_file: '%s'\n" % self.path("a.log"))
        server = self.start("-c", path, "-DV")

        def line():
            found = re.search(r"Listening for client connections on 127\.0\.0\.1:(\d+)",
                              self.file("a.log")) if os.path.exists(self.path("a.log")) else None
            return found and int(found[1])
        server.port = wait_for("its port", line)
        client = Client(server.port, connect=LOGIN)
        client.write(b"PUB a 9\r\n\xff\"\\\x01\xc3\xa9\n<\r\r\nPING\r\n")
        self.assertEqual(client.read(), "PONG")
        client.close()
        self.assertEqual(server.end(), 0)
        lines = [json.loads(text) for text in self.file("a.log").splitlines()]
        for found in lines:
            self.assertEqual(list(found), ["time", "level", "pid", "msg"])
            self.assertEqual(found["pid"], server.pid)
            self.assertRegex(found["time"],
                             r"^\d{4}(-\d\d){2}T\d\d(:\d\d){2}\.\d{6}(Z|[+-]\d\d:\d\d)$")
        self.assertEqual({found["level"] for found in lines}, {"info", "debug", "trace"})
        self.assertIn("Server is ready", [found["msg"] for found in lines])
        self.assertTrue(any("MSG_PAYLOAD" in found["msg"] for found in lines))
        self.assertNotIn("hunter2", self.file("a.log"))
        done = self.run_once("-p", "-1", "--log_format=json", "-T=false", "-P", "/no/such/pid")
        last = json.loads(done.stderr.splitlines()[-1])
        self.assertEqual((done.returncode, list(last), last["level"]),
                         (1, ["level", "pid", "msg"], "fatal"))

    def test_names_of_strangers(self):
        """What they chose ends no line and moves no cursor; JSON has it as it is."""
        name = "a\x1b[2J\r\nb\x7f\tc\x9b2Jé"
        path = self.write("a.conf", "authorization { users: [%s] }" % (
            "{ user: \"%s\", password: x }," % name * 2))
        done = self.run_once("-p", "-1", "-T=false", "-c", path)
        self.assertEqual(done.returncode, 1)
        self.assertIn('[FTL] Duplicate user "a?[2J??b?\tc??2Jé" detected\n', done.stderr)
        self.assertNotRegex(done.stderr, r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
        done = self.run_once("-p", "-1", "--log_format", "json", "-c", path)
        self.assertEqual(json.loads(done.stderr.splitlines()[-1])["msg"],
                         'Duplicate user "%s" detected' % name)

    def test_wrong(self):
        for args, text, why in (
                (["--log_format", "xml"], "log_format: xml", "log_format is text or json"),
                (["-r", "http://a:1"], "remote_syslog: 'http://a:1'", "remote_syslog is udp://"),
                (["-r", "udp://a"], "remote_syslog: 'udp://a'", "remote_syslog is udp://"),
                (["-r", "tcp://a:0"], "remote_syslog: 'tcp://a:0'", "remote_syslog is udp://"),
                (["-r", "tcp://:514"], "remote_syslog: 'tcp://:514'", "remote_syslog is udp://")):
            path = self.write("a.conf", text)
            for flags in (["-p", "-1", *args], ["-t", "-c", path], ["-p", "-1", "-c", path]):
                done = self.run_once(*flags)
                self.assertEqual(done.returncode, 1, flags)
                self.assertIn(why, done.stderr, flags)
        done = self.run_once("-p", "-1", "-r", "unix://" + self.path("none"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("none: No such file or directory", done.stderr)

    # ---- Syslog

    def socket(self, family, kind, address):
        sock = socket.socket(family, kind)
        self.stack.callback(sock.close)
        sock.bind(address)
        sock.settimeout(BOUND_S)
        if kind == socket.SOCK_STREAM:
            sock.listen()
        return sock

    def until(self, sock, text, got=b""):
        """All that has come when this has; datagrams as lines."""
        while text not in got:
            part = sock.recv(65536)
            self.assertTrue(part, got)
            got += part if sock.type == socket.SOCK_STREAM else part.rstrip(b"\n") + b"\n"
        return got

    def port_in(self, lines):
        return int(re.search(rb"Listening for client connections on 127\.0\.0\.1:(\d+)", lines)[1])

    def severities(self, sock, program):
        """Of some lines; and the form that all have is looked at."""
        conf = self.write("a.conf", "listen: '127.0.0.1:-1'\n"
                          "authorization { user: u, password: hunter2hunter2 }\n")
        server = Server(program, "-c", conf, "-DV", "-r", "udp://127.0.0.1:%d"
                        % sock.getsockname()[1], folder=self.folder, cwd=self.folder)
        self.stack.callback(server.kill)
        lines = self.until(sock, b"Server is ready")
        good = Client(self.port_in(lines), connect=LOGIN)
        self.assertTrue(good.ping())
        good.close()
        lines = self.until(sock, b"connection closed", lines)
        bad = Client(self.port_in(lines), connect='{"user":"u","pass":"no"}')
        bad.read_end()
        bad.close()
        lines = self.until(sock, b"authentication error", lines)
        self.assertEqual(server.end(), 0)
        lines = self.until(sock, b"Server Exiting", lines)
        self.assertEqual(server.log(), "")
        self.assertNotIn(b"hunter2", lines)
        found = {}
        for line in lines.decode().splitlines():
            head = re.match(r"<(\d+)>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d) (\S+) "
                            r"nats-server\[%d\]: (.*)" % server.pid, line)
            self.assertIsNotNone(head, line)
            self.assertEqual(head[3], socket.gethostname())
            for word in ("Starting nats-server", "Server is ready", "connection created", "PONG",
                         "connection closed", "authentication error"):
                if word in head[4]:
                    found[word] = int(head[1]) & 7
        return found

    def test_syslog_udp(self):
        """As nats-server, whose traces are notices; the facility is daemon here."""
        want = {"Starting nats-server": 5, "Server is ready": 5, "connection created": 7, "PONG": 5,
                "connection closed": 7, "authentication error": 3}
        sock = self.socket(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0))
        self.assertEqual(self.severities(sock, self.path("nats-server")), want)
        if os.environ.get("RILL_PEER"):
            self.assertEqual(self.severities(sock, os.environ["RILL_PEER"]), want)

    def test_syslog_tcp(self):
        """What is logged before the other side listens waits for it; whole lines, each once; and
        when it goes, and comes back, too."""
        sock = socket.socket()
        self.stack.callback(sock.close)
        sock.bind(("127.0.0.1", 0))  # it listens later
        sock.settimeout(BOUND_S)
        server = self.start("-a", "127.0.0.1", "-p", "-1", "-D", "-r",
                            "tcp://localhost:%d" % sock.getsockname()[1])
        server.logged("Connection refused; lines are lost until it takes them")
        sock.listen()
        peer = sock.accept()[0]
        peer.settimeout(BOUND_S)
        lines = self.until(peer, b"Server is ready\n")
        server.port = self.port_in(lines)
        for text in (b"Starting nats-server", b"  Version:"):
            self.assertEqual(lines.count(text), 1)
        for line in lines.decode().splitlines():
            self.assertRegex(line, r"^<\d+>\d{4}-\S* \S+ nats-server\[%d\]: " % server.pid)
        peer.close()

        sock.settimeout(0.01)

        def again():
            self.log_some(server)
            try:
                return sock.accept()[0]
            except TimeoutError:
                return None
        peer = wait_for("another connection", again)
        self.stack.callback(peer.close)
        peer.settimeout(BOUND_S)
        self.log_some(server)
        lines = self.until(peer, b"connection closed")
        self.assertRegex(lines, rb"^<31>")
        self.assertEqual(server.end(), 0)
        self.assertRegex(self.until(peer, b"Server Exiting..\n", lines), rb"\n$")

    def test_syslog_unread(self):
        """One that takes no more holds nobody up; how many lines were lost is told when it does."""
        sock = self.socket(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        server = self.start("-a", "127.0.0.1", "-p", "-1", "-V", "--max_traced_msg_len", "8000",
                            "-r", "tcp://127.0.0.1:%d" % sock.getsockname()[1])
        peer = sock.accept()[0]
        self.stack.callback(peer.close)
        peer.settimeout(BOUND_S)
        lines = self.until(peer, b"Server is ready\n")
        client = Client(self.port_in(lines), connect='{"verbose":false}')
        for _ in range(200):  # 16 MB, more than all buffers between
            client.write(b"PUB a 8000\r\n%s\r\n" % (b"x" * 8000) * 10)
            self.assertTrue(client.ping())
        got = b""
        while b"lines of the log were lost: it took no more\n" not in got:
            got = got[-100:] + peer.recv(1 << 20)
            self.assertTrue(client.ping())
        client.close()
        peer.close()
        sock.close()
        self.assertEqual(server.end(), 0)

    def test_syslog_unix(self):
        """The form that a syslog of this machine wants, over either kind of socket."""
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            path = self.path("dev%d" % kind)
            sock = self.socket(socket.AF_UNIX, kind, path)
            server = self.start("-a", "127.0.0.1", "-p", "-1", "-r", "unix://" + path)
            peer = sock if kind == socket.SOCK_DGRAM else sock.accept()[0]
            lines = self.until(peer, b"Server is ready")
            for line in lines.decode().splitlines():
                self.assertRegex(line, r"^<29>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d "
                                 r"nats-server\[%d\]: " % server.pid)
            self.assertEqual(server.end(), 0)
            self.until(peer, b"Server Exiting..", lines)
            peer.close()

    def test_syslog_of_another_kind(self):
        """Lines that waited for a stream go a datagram each where that is what comes back."""
        path = self.path("dev")
        sock = self.socket(socket.AF_UNIX, socket.SOCK_STREAM, path)
        server = self.start("-a", "127.0.0.1", "-p", "-1", "-D", "-r", "unix://" + path)
        peer = sock.accept()[0]
        server.port = self.port_in(self.until(peer, b"Server is ready"))
        os.unlink(path)
        peer.close()
        sock.close()
        for _ in range(3):
            self.log_some(server)
        server.logged("lines are lost until it takes them")
        sock = self.socket(socket.AF_UNIX, socket.SOCK_DGRAM, path)
        seen = 0
        while seen < 3:
            line = sock.recv(65536)
            self.assertRegex(line, rb"^<\d+>[^\n]*$")
            seen += b"connection closed" in line
        self.assertEqual(server.end(), 0)

    def test_syslog_here(self):
        server = self.start("-a", "127.0.0.1", "-p", "-1", "-s", "--ports_file_dir", self.folder)
        if not os.path.exists("/dev/log"):
            self.assertEqual(server.process.wait(BOUND_S), 1)
            self.assertIn("syslog unix:///dev/log: No such file or directory", server.log())
            return
        wait_for("its ports", lambda: os.path.exists(
            self.path("nats-server_%d.ports" % server.pid)))
        self.assertEqual((server.end(), server.log()), (0, ""))

    def test_reload(self):
        """From standard error to a file, to syslog and back; what cannot be leaves all as it is."""
        sock = self.socket(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0))
        text = "listen: '127.0.0.1:-1'\n"
        server = self.start("-c", self.write("a.conf", text)).ready()

        def reload(more):
            self.write("a.conf", text + more)
            server.send_signal(signal.SIGHUP)
        reload("log_file: '%s'\nsyslog: true\n" % self.path("a.log"))  # the file goes before
        server.logged("Reloaded server configuration", self.path("a.log"))
        reload("remote_syslog: 'unix://%s'\n" % self.path("none"))
        server.logged("Failed to reload server configuration: syslog unix://", self.path("a.log"))
        reload("remote_syslog: 'udp://127.0.0.1:%d'\n" % sock.getsockname()[1])
        self.until(sock, b"Reloaded server configuration")
        server.send_signal(signal.SIGUSR1)
        self.until(sock, b"File log re-open ignored, not a file logger")
        reload("")
        server.logged("Reloaded server configuration")
        self.assertNotIn("Reloaded", server.log().split("Server is ready")[0])
        self.assertEqual(self.file("a.log").count("Reloaded"), 1)
        self.assertEqual(server.end(), 0)
        self.assertIn("Server Exiting..", server.log())


if __name__ == "__main__":
    main(Logs)
