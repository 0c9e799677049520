# SPDX-License-Identifier: Apache-2.0
"""Stands in for tests/utils.py of nats.py's own test suite, which its source archive leaves out:
starts the server that the suite runs against, SUITE_SERVER, on the ports that the suite expects.
Cases that need a cluster, TLS, nkeys or WebSocket are skipped."""
import asyncio
import functools
import os
import shutil
import tempfile
import unittest

import server

TEST_SECONDS = 60


class Server:
    def __init__(self, port, user="", password="", token="", jetstream=False, config=None):
        self.port, self.http_port = port, port + 4000
        self.uri = f"nats://127.0.0.1:{port}"
        self.args = ["-a", "127.0.0.1", "-p", str(port), "-m", str(self.http_port)]
        if user:
            self.args += ["--user", user, "--pass", password]
        if token:
            self.args += ["--auth", token]
        self.folder = tempfile.mkdtemp()
        if jetstream:
            self.args += ["-js", f"-sd={self.folder}/store"]
        if config:
            self.args += ["-c", config]
        self.running = None

    def start(self):
        self.running = server.Server(os.environ["SUITE_SERVER"], *self.args,
                                     folder=self.folder).ready()

    def stop(self):
        if self.running is not None:
            self.running.kill()
            self.running = None

    def forget(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class ServersCase(unittest.TestCase):
    servers = ()  # keyword arguments of each

    def setUp(self):
        self.server_pool = [Server(**kwargs) for kwargs in self.servers]
        for each in self.server_pool:
            each.start()
        self.loop = asyncio.new_event_loop()

    def tearDown(self):
        for each in self.server_pool:
            each.forget()
        self.loop.close()


class SingleServerTestCase(ServersCase):
    servers = ({"port": 4222},)


class SingleJetStreamServerTestCase(ServersCase):
    servers = ({"port": 4222, "jetstream": True},)


class MultiServerAuthTestCase(ServersCase):
    servers = ({"port": 4223, "user": "foo", "password": "bar"},
               {"port": 4224, "user": "hoge", "password": "fuga"})


class MultiServerAuthTokenTestCase(ServersCase):
    servers = ({"port": 4223, "token": "token"}, {"port": 4224, "token": "token"},
               {"port": 4225, "token": "secret"})


class ElsewhereCase(unittest.TestCase):
    def setUp(self):
        self.skipTest("of a part that this run does not cover")


ClusteringDiscoveryAuthTestCase = ClusteringTestCase = MultiTLSServerAuthTestCase = ElsewhereCase
TLSServerTestCase = TLSServerHandshakeFirstTestCase = NoAuthUserServerTestCase = ElsewhereCase
SingleJetStreamServerLimitsTestCase = NkeysServerTestCase = TrustedServerTestCase = ElsewhereCase
SingleWebSocketServerTestCase = SingleWebSocketTLSServerTestCase = ElsewhereCase


def get_config_file(name):
    return name


def async_test(test):
    @functools.wraps(test)
    def wrapper(*args, **kwargs):
        return asyncio.run(asyncio.wait_for(test(*args, **kwargs), TEST_SECONDS))
    return wrapper


async_long_test = async_debug_test = async_test
