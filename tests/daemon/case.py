# SPDX-License-Identifier: Apache-2.0
"""A test of the daemon: a folder of its own, in which rilld has the name nats-server."""
import contextlib
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from server import BOUND_S, Client, Server, free_port, wait_for


class Case(unittest.TestCase):
    exe = ""

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        os.symlink(self.exe, os.path.join(self.folder, "nats-server"))

    def tearDown(self):
        self.stack.close()

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        """In one step: a server that reads it meanwhile has the one or the other."""
        with open(self.path(name + ".new"), "w") as file:
            file.write(text)
        os.replace(file.name, self.path(name))
        return self.path(name)

    def start(self, *args, **popen):
        server = Server(self.path("nats-server"), *args, folder=self.folder, cwd=self.folder,
                        **popen)
        self.stack.callback(server.kill)
        return server

    def serve(self, *args, **popen):
        return self.start("-a", "127.0.0.1", "-p", "-1", *args, **popen).ready()

    def client(self, server, *args, **kwargs):
        client = Client(server.port, *args, **kwargs)
        client.answers = True
        self.stack.callback(client.close)
        return client

    def run_once(self, *args, name="nats-server", **popen):
        return subprocess.run([self.path(name), *args], capture_output=True, text=True,
                              timeout=BOUND_S, cwd=self.folder, **popen)


def main(case):
    """SCRIPT EXE [TEST...]: the tests of this class, or those that are named."""
    Case.exe = os.path.abspath(sys.argv.pop(1))
    unittest.main(argv=[sys.argv[0]] + [case.__name__ + "." + name for name in sys.argv[1:]],
                  defaultTest=case.__name__, verbosity=2)
