# SPDX-License-Identifier: Apache-2.0
"""A test of the command line tool: a folder of its own, and the same tests over each kind of URL
that keeps what one process has made for the next: a store on disk, and a rilld over nats://."""
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from server import BOUND_S, Server



class Case(unittest.TestCase):
    exe = rilld = ""

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.env = {"PATH": os.environ["PATH"], "HOME": self.folder, "TERM": "xterm",
                    "XDG_CONFIG_HOME": self.path("config"), "LC_ALL": "C.UTF-8"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]
        self.url = self.start()

    def start(self):
        """What the tests of this class are asked of."""
        return "file:" + self.path("store")

    def tearDown(self):
        self.stack.close()

    def path(self, name):
        return os.path.join(self.folder, name)

    def serve(self, *args, name="server", **popen):
        """A rilld with streams, in a folder of its own."""
        folder = self.path(name)
        os.makedirs(folder, exist_ok=True)
        server = Server(self.rilld, "-a", "127.0.0.1", "-p", "-1", "-js", "-sd", folder, *args,
                        folder=folder, **popen)
        self.stack.callback(server.kill)
        return server.ready()

    def command(self, *args, url=""):
        where = self.url if url == "" else url
        return [self.exe, *(["--url", where] if where else []), *args]

    def run_rill(self, *args, url="", stdin=b"", env=None, **popen):
        return subprocess.run(self.command(*args, url=url), input=stdin, capture_output=True,
                              timeout=BOUND_S, env={**self.env, **(env or {})}, cwd=self.folder,
                              **popen)

    def rill(self, *args, code=0, **kwargs):
        """What it prints, as bytes, when it ends with that code."""
        done = self.run_rill(*args, **kwargs)
        self.assertEqual(done.returncode, code, (args, done.stdout, done.stderr))
        self.assertEqual(bool(done.stderr), code not in (0, 130, 141), done.stderr)
        return done.stdout

    def rows(self, *args, **kwargs):
        """The JSON objects that it prints."""
        return [json.loads(line) for line in self.rill("--json", *args, **kwargs).splitlines()]

    def row(self, *args, **kwargs):
        rows = self.rows(*args, **kwargs)
        self.assertEqual(len(rows), 1, rows)
        return rows[0]

    def refused(self, *args, code, says, **kwargs):
        """It ends with that code, and a sentence that has these words."""
        done = self.run_rill(*args, **kwargs)
        self.assertEqual(done.returncode, code, (done.stdout, done.stderr))
        self.assertIn(says, done.stderr.decode())
        self.assertNotIn("\x1b", done.stderr.decode())
        return done

    def begin(self, *args, url="", **popen):
        """One that runs on, with pipes; killed at the end of the test."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(self.command(*args, url=url), env=self.env, cwd=self.folder,
                                   **{**pipes, **popen})
        self.stack.callback(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()


class Nats:
    """The tests of a class over nats:// in place of a store on disk."""

    def start(self):
        self.server = self.serve()
        return self.server.url


def main():
    """SCRIPT EXE RILLD [TEST...]"""
    Case.exe, Case.rilld = (os.path.abspath(sys.argv.pop(1)) for _ in range(2))
    unittest.main(module="__main__", verbosity=2)
