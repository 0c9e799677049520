# SPDX-License-Identifier: Apache-2.0
"""tmux.py RILL RILLD: the tool under tmux, a terminal that is not of these tests: what its screen
shows of top, bench and a progress bar, at several sizes, and that names and messages which are
codes of a terminal do nothing to it. Exit 77, with a line that says why, when there is no tmux."""
import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys

from case import BOUND_S, Case, Nats, main
from server import Client, wait_for

ATTACK = "\x1b[2J\x1b]0;owned\x07\x1b[31m\u009b5A\x1bc"

SPOKEN = ATTACK.replace("\u009b5A", "")


class Tmux(Nats, Case):
    panes = 0

    def tmux(self, *args):
        socket = self.path("socket%d" % self.panes)
        done = subprocess.run(["tmux", "-S", socket, "-f", "/dev/null", *args],
                              env=self.env, capture_output=True, timeout=BOUND_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.decode()

    def begin_pane(self, *args, columns=100, rows=24):
        """The command in a pane, which stays when it has ended and says with which code. Each has
        a server of its own, since that of the pane before may be about to end."""
        self.panes += 1
        script = "printf 'before\\n'; %s; printf 'ended %%d\\n' $?; exec cat" % shlex.join(
            self.command(*args))
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), "-c", self.folder,
                  "sh", "-c", script)
        pid = int(self.tmux("display-message", "-p", "#{pid}"))
        self.stack.callback(self.kill_tmux, pid)

    @staticmethod
    def kill_tmux(pid):
        with contextlib.suppress(ProcessLookupError):  # it ends with its last session
            os.kill(pid, signal.SIGKILL)

    def lines(self):
        return self.tmux("capture-pane", "-p").rstrip("\n").split("\n")

    def until(self, what):
        """Wait until the screen satisfies it, and give the screen."""
        last = []

        def look():
            last[:] = self.lines()
            return what(last) and list(last)
        try:
            return wait_for("the screen", look)
        except AssertionError:
            self.fail("waited in vain; the screen is\n" + "\n".join(last))

    def ended(self, code=0):
        return self.until(lambda lines: "ended %d" % code in lines)

    def test_top(self):
        self.rill("stream", "add", "BUSY", "busy", "--memory")
        self.rill("pub", "-a", "-n", "2000", "busy", "x")
        self.begin_pane("top", "--interval", "100ms")
        lines = self.until(lambda lines: any(line.startswith("BUSY") for line in lines))
        self.assertIn(self.url, lines[0])
        self.assertIn("1 stream", lines[0])
        self.assertEqual(self.tmux("display-message", "-p", "#{alternate_on}#{cursor_flag}"),
                         "10\n")
        for columns, rows in ((40, 6), (132, 40), (60, 5)):
            self.tmux("resize-window", "-x", str(columns), "-y", str(rows))
            row = r"BUSY +[\d,]+ +2,000 " if columns > 100 else "BUSY"
            self.until(lambda lines: lines[0].startswith("rill top") and "(q ends)" in lines[-1] and
                       len(lines) <= rows and any(re.match(row, line) for line in lines))
        self.tmux("send-keys", "q")
        self.assertEqual(self.ended()[0], "before")
        self.assertEqual(self.tmux("display-message", "-p", "#{alternate_on}#{cursor_flag}"),
                         "01\n")

    def test_bench(self):
        self.begin_pane("bench", "pub", "b", "-n", "20000", rows=60)
        lines = self.ended()
        self.assertIn("            Messages: 20,000", lines)
        rows = [re.fullmatch(r" +< \S+  (#*) +(\d+\.\d) %", line) for line in lines]
        rows = [row for row in rows if row]
        self.assertTrue(rows)
        self.assertEqual(max(len(row[1]) for row in rows), 40)
        self.assertAlmostEqual(sum(float(row[2]) for row in rows), 100, delta=len(rows) / 10)

    def test_a_bar(self):
        """Each of its states is written over the one before; the last stays."""
        self.rill("obj", "add", "O")
        with open(self.path("big"), "wb") as file:
            file.truncate(24 << 20)
        for columns, bar in ((120, r"storing \[#{40}\] 100 %, 24\.0 MiB of 24\.0 MiB, \S+ \wi?B/s"),
                             (52, r"storing 100 %.*")):
            with self.subTest(columns=columns):
                self.begin_pane("obj", "put", "O", "big", columns=columns)
                lines = self.ended()
                self.assertEqual([lines[0], *lines[2:]],
                                 ["before", "stored big, 24.0 MiB", "ended 0"])
                self.assertRegex(lines[1], "^(%s)$" % bar)
                self.tmux("kill-session")

    def test_a_hostile_subject(self):
        """As it comes: the message is shown, and its subject in print."""
        client = Client(self.server.port)
        self.stack.callback(client.close)
        self.begin_pane("sub", "live.>", "-n", "1")

        def shown(lines):  # the first ones may be too early
            client.say("PUB live.%s 0\r\n" % ATTACK)
            return "ended 0" in lines
        lines = self.until(shown)
        self.assertEqual(lines[0], "before")
        self.assertIn("live.\\x1b[2J\\x1b]0;owned\\x07\\x1b[31m", "".join(lines))
        self.assertNotIn("owned", self.tmux("display-message", "-p", "#{pane_title}"))

    def test_hostile(self):
        """A name of a stream, a subject and a message that would clear the screen, set the title,
        colour all that follows, and reset the terminal."""
        client = Client(self.server.port)
        self.stack.callback(client.close)
        answer = client.request("$JS.API.STREAM.CREATE." + ATTACK, json.dumps(
            {"name": ATTACK, "subjects": ["s.>"], "storage": "memory"}))
        self.assertNotIn("error", answer)
        self.rill("stream", "add", "plain", "p.>", "--memory")
        self.assertEqual(client.request("p.x", SPOKEN)["seq"], 1)
        self.assertEqual(client.request("s." + ATTACK, SPOKEN)["seq"], 1)
        for args in (("stream", "get", "plain", "1"), ("stream", "ls"),
                     ("stream", "info", ATTACK), ("top", "--interval", "100ms")):
            with self.subTest(args=args):
                self.begin_pane(*args)
                title = self.tmux("display-message", "-p", "#{pane_title}")
                seen = "\\x1b[2J\\x1b]0;owned\\x07\\x1b[31m"
                self.until(lambda lines: any(seen in line for line in lines))
                if args[0] == "top":
                    self.tmux("send-keys", "q")
                self.assertEqual(self.ended()[0], "before")
                self.assertEqual(self.tmux("display-message", "-p", "#{pane_title}"), title)
                self.assertNotIn("owned", title)
                self.assertNotIn("\x1b[31m", self.tmux("capture-pane", "-p", "-e"))
                self.tmux("kill-session")


if __name__ == "__main__":
    if not shutil.which("tmux"):
        print("skipped: no tmux")
        sys.exit(77)
    main()
