# SPDX-License-Identifier: Apache-2.0
"""bench, check and top, and what the tool does at a terminal: colours, questions, progress, a
screen that is left as it was found."""
import re
import signal
import termios

from case import Case, Nats, main
from screen import Terminal
from server import free_port, wait_for


class Bench(Nats, Case):
    def measured(self, *args):
        row = self.row("bench", *args)
        self.assertGreater(row["messages_per_s"], 0)
        times = [row[name] for name in ("p50_ns", "p90_ns", "p99_ns", "p99_9_ns", "max_ns")
                 if name in row]
        self.assertEqual(times, sorted(times))
        return row

    def test_pub_and_sub(self):
        sub = self.begin("--json", "bench", "sub", "b", "-n", "1000")
        wait_for("its end", lambda: self.measured("pub", "b", "-n", "1000", "--clients", "3")
                 and sub.poll() is not None)
        self.assertEqual(sub.returncode, 0)
        self.assertIn(b'"messages":1000', sub.stdout.read())

    def test_request(self):
        row = self.measured("request", "r", "-n", "200", "--clients", "2")
        self.assertEqual((row["messages"], row["clients"]), (200, 2))
        self.assertGreater(row["p50_ns"], 1000)
        self.refused("bench", "request", "none", "--others", "-n", "1", code=7, says="none")

    def test_append_and_consume(self):
        self.refused("bench", "append", "s", "-n", "1", code=7, says="s")
        self.rill("stream", "add", "S", "s")
        row = self.measured("append", "s", "-n", "500", "--window", "32", "--clients", "2")
        self.assertEqual(row["messages"], 500)
        self.assertEqual(self.row("stream", "info", "S")["messages"], 500)
        self.assertEqual(self.measured("consume", "S", "-n", "500")["messages"], 500)
        self.refused("bench", "consume", "S", "-n", "501", "--timeout", "300ms", code=7, says="S")

    def test_a_histogram_is_drawn(self):
        text = self.rill("bench", "pub", "b", "-n", "500").decode()
        self.assertRegex(text, r"(?m)^ +P99\.9: [0-9.]+(ns|us|ms|s)$")
        shares = [float(x) for x in re.findall(r"(?m)^ *< \S+ +#* *([0-9.]+) %$", text)]
        self.assertAlmostEqual(sum(shares), 100, delta=1)

    def test_mistakes(self):
        for args, says in ((("pub", "b", "--clients", "0"), "1 to 256"),
                           (("append", "b", "--window", "0"), "1 to 65536"),
                           (("pub", "b", "--size", "1G"), "8 MiB"),
                           (("pub", "b", "-n", "1", "--clients", "2"), "each client")):
            self.refused("bench", *args, code=2, says=says)
        self.assertEqual(self.row("bench", "pub", "b", "-n", "100", url="mem:")["messages"], 100)


class Check(Nats, Case):
    def check(self, code, says, *args, **kwargs):
        done = self.run_rill("check", *args, **kwargs)
        self.assertEqual(done.returncode, code, (done.stdout, done.stderr))
        self.assertIn(says, done.stdout.decode())
        self.assertEqual(done.stdout.count(b"\n"), 1)

    def test_connection(self):
        self.check(0, "OK - ", "connection", "--warn", "5s", "--crit", "9s")
        self.check(2, "CRITICAL - ", "connection", "--crit", "0")
        self.check(1, "WARNING - ", "connection", "--warn", "0")
        self.check(2, "CRITICAL - it cannot be reached", "connection", url="nats://127.0.0.1:1")
        self.check(3, "UNKNOWN - ", "connection", "--warn", "soon")
        self.assertEqual(self.run_rill("check", "group", "S").returncode, 3)

    def test_lag(self):
        self.rill("stream", "add", "S", "s")
        self.check(0, "lag is 0", "stream", "S", "--warn", "0")
        self.rill("group", "add", "S", "g")
        self.rill("pub", "-a", "-n", "5", "s", "x")
        self.check(0, "| lag=5;5;9", "stream", "S", "--warn", "5", "--crit", "9")
        self.check(1, "WARNING", "stream", "S", "--warn", "4", "--crit", "9")
        self.check(2, "CRITICAL", "group", "S", "g", "--warn", "3", "--crit", "4")
        self.check(0, "OK", "group", "S", "g", "--age", "--crit", "1h")
        self.check(2, "CRITICAL", "group", "S", "g", "--age", "--crit", "0")
        self.check(0, "OK", "stream", "S", "--age", "--crit", "1h")
        self.check(2, "it is not there", "stream", "NONE")
        self.check(2, "it is not there", "group", "S", "none")
        self.check(3, "UNKNOWN", "stream", "S", "--warn", "5s")

    def test_kv(self):
        self.rill("kv", "add", "B")
        self.check(2, "it is not there", "kv", "B", "k")
        self.rill("kv", "put", "B", "k", "v")
        self.check(0, "age is ", "kv", "B", "k", "--crit", "1h")
        self.check(2, "CRITICAL", "kv", "B", "k", "--crit", "0")
        row = self.row("check", "kv", "B", "k")
        self.assertEqual(row["status"], "OK")
        self.assertGreaterEqual(row["age"], 0)


class AtTerminal(Nats, Case):
    def start(self):
        self.http = free_port()
        self.server = self.serve("-m", str(self.http))
        return self.server.url

    def terminal(self, *args, env=None, **kwargs):
        terminal = Terminal(self.command(*args), env={**self.env, **(env or {})}, cwd=self.folder,
                            **kwargs)
        self.stack.callback(terminal.close)
        return terminal

    def shown(self, *args, code=0, **kwargs):
        got, raw = self.terminal(*args, **kwargs).wait()
        self.assertEqual(got, code, raw)
        return raw

    def fill(self):
        self.rill("stream", "add", "S\u00fc", "s.>")
        self.rill("pub", "-a", "s.x", "-", stdin=b"\x1b[2Jdata\x07\xff")

    def test_colours(self):
        self.fill()
        self.assertIn(b"\x1b[1m", self.shown("stream", "ls"))
        for args, env in ((("stream", "ls"), {"NO_COLOR": "1"}),
                          (("stream", "ls"), {"TERM": "dumb"}),
                          (("stream", "ls", "--colour", "never"), {}),
                          (("stream", "ls", "--json"), {})):
            self.assertNotIn(b"\x1b", self.shown(*args, env=env))
        self.assertNotIn(b"\x1b", self.rill("stream", "ls"))
        self.assertIn(b"\x1b[1m", self.rill("stream", "ls", "--colour", "always"))
        self.assertIn(b"\x1b[31mrill\x1b[0m", self.shown("kv", "get", "B", "k", code=3)
                      .replace(b"rill:\x1b[0m", b"rill\x1b[0m"))

    def test_messages_do_not_reach_the_terminal(self):
        self.fill()
        raw = self.shown("stream", "get", "S\u00fc", "--colour", "never")
        self.assertIn(b"\\x1b[2Jdata\\x07\\xff", raw)
        self.assertNotIn(b"\x1b", raw)
        self.assertIn(b"\x1b[2Jdata", self.shown("stream", "get", "S\u00fc", "--raw"))

    def test_it_asks(self):
        self.fill()
        for answer, code in (("n\n", 2), ("\n", 2), ("y\n", 0)):
            terminal = self.terminal("stream", "rm", "S\u00fc")
            terminal.until(lambda raw: b"groups? [y/N] " in raw)
            terminal.type(answer)
            self.assertEqual(terminal.wait()[0], code)
        self.refused("stream", "info", "S\u00fc", code=3, says="S")

    def test_progress(self):
        self.rill("obj", "add", "O")
        size = 24 << 20
        with open(self.path("big"), "wb") as file:
            file.truncate(size)
        terminal = self.terminal("obj", "put", "O", "big", columns=120)
        code, raw = terminal.wait()
        self.assertEqual(code, 0, raw)
        bars = re.findall(rb"\rstoring \[(#*)(\.*)\] +(\d+) %", raw)
        self.assertTrue(bars)
        self.assertEqual({len(full) + len(rest) for full, rest, _ in bars}, {40})
        self.assertEqual((bars[-1][1], bars[-1][2]), (b"", b"100"))
        self.assertRegex(terminal.lines()[0], r"^storing \[#{40}\] 100 %, 24.0 MiB of 24.0 MiB, ")
        self.assertEqual(terminal.lines()[1], "stored big, 24.0 MiB")
        narrow = self.terminal("obj", "get", "O", "big", "-o", "out", columns=52)
        self.assertEqual(narrow.wait()[0], 0)
        self.assertNotIn("[#", narrow.lines()[0])

    def test_help_fits(self):
        for columns in (60, 100):
            terminal = self.terminal("stream", "add", "--help", columns=columns, rows=100)
            self.assertEqual(terminal.wait()[0], 0)
            self.assertLessEqual(max(map(len, terminal.lines())), columns)

    def top(self, *args, **kwargs):
        terminal = self.terminal("top", "--interval", "100ms", *args, **kwargs)
        terminal.until(lambda raw: b"(q ends)" in raw)
        self.assertTrue(terminal.raw.startswith(b"\x1b[?1049h\x1b[?25l"), terminal.raw)
        return terminal

    def left(self, terminal):
        """The screen is as it was, and so are the modes."""
        self.assertEqual(terminal.raw.count(b"\x1b[?1049h"), terminal.raw.count(b"\x1b[?1049l"))
        self.assertGreater(terminal.raw.rindex(b"\x1b[?25h"), terminal.raw.rindex(b"\x1b[?25l"))
        self.assertEqual(termios.tcgetattr(terminal.slave), terminal.modes)

    def test_top(self):
        self.fill()
        self.rill("stream", "add", "BUSY", "busy", "--memory")
        terminal = self.top("--monitor", "127.0.0.1:%d" % self.http, columns=100)
        self.rill("pub", "-a", "-n", "2000", "busy", "x")

        def busiest(raw):  # its rate stands in one frame, behind which others may have come
            lines = terminal.lines()
            return re.search(rb"BUSY +[1-9][0-9,]* +[1-9]", raw) and len(lines) > 4 and \
                re.match(r"BUSY +[0-9,]+ +2,000 ", lines[3]) and lines
        lines = terminal.until(busiest)
        self.assertIn(self.url, lines[0])
        self.assertIn("2 streams", lines[0])
        self.assertRegex(lines[1], r"^\d+ connections .* in [0-9,]+/s .* memory ")
        self.assertRegex(lines[4], "^S")
        terminal.read()
        terminal.raw = b"\x1b[?1049h\x1b[?25l"
        terminal.resize(5, 40)
        terminal.process.send_signal(signal.SIGWINCH)
        terminal.until(lambda raw: raw.count(b"(q ends)") > 2 and len(terminal.lines()) <= 5)
        terminal.raw = b"\x1b[?1049h\x1b[?25l"
        terminal.until(lambda raw: b"(q ends)" in raw)
        self.assertLessEqual(max(map(len, terminal.lines())), 40)
        for _ in range(300):  # who drags a corner of the window
            terminal.process.send_signal(signal.SIGWINCH)
            terminal.read(0.0003)
        terminal.raw = b"\x1b[?1049h\x1b[?25l"
        terminal.until(lambda raw: raw.count(b"(q ends)") > 2)
        terminal.type("q")
        self.assertEqual(terminal.wait()[0], 0)
        self.left(terminal)

    def test_top_ends_by_control_c(self):
        terminal = self.top()
        terminal.type("\x03")
        self.assertEqual(terminal.wait()[0], 130)
        self.left(terminal)

    def test_top_without_its_server(self):
        terminal = self.top()
        self.server.kill()
        code, raw = terminal.wait()
        self.assertEqual(code, 5, raw)
        self.left(terminal)
        self.assertIn(b"is lost", raw[raw.rindex(b"\x1b[?1049l"):])

    def test_top_once(self):
        self.fill()
        text = self.rill("top", "--once", "--interval", "50ms")
        self.assertNotIn(b"\x1b", text)
        self.assertRegex(text.decode(), r"(?m)^S\u00fc +0 +1 ")
        rows = self.rows("top", "--once", "--interval", "50ms", "--monitor",
                         "http://127.0.0.1:%d/" % self.http)
        self.assertEqual((rows[0]["streams"], rows[1]["stream"]), (1, "S\u00fc"))
        self.assertGreaterEqual(rows[0]["connections"], 1)
        self.refused("top", "--once", "--monitor", "127.0.0.1:1", code=5, says="127.0.0.1:1")
        self.refused("top", "--once", "--monitor", self.url, code=5, says="no monitoring port")
        self.refused("top", "--once", "--monitor", "x", code=2, says="HOST:PORT")


if __name__ == "__main__":
    main()
