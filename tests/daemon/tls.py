# SPDX-License-Identifier: Apache-2.0
"""tls.py EXE [TEST...]: TLS of the daemon: flags, the tls block, reload of certificates, what the
log and the monitoring pages say of it, and what openssl's own client makes of it."""
import base64
import glob
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import urllib.error
import urllib.request

from case import BOUND_S, Case, Client, main, wait_for

TLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "tls")


def golden(name):
    return os.path.abspath(os.path.join(TLS, name))


def context(ca="ca.pem"):
    return ssl.create_default_context(cafile=golden(ca))


class TlsClient(Client):
    """One that begins TLS when it has read INFO."""

    def __init__(self, port, with_context=None, **kwargs):
        super().__init__(port, connect=None, **kwargs)
        self.input.close()
        self.socket = (with_context or context()).wrap_socket(self.socket,
                                                              server_hostname="localhost")
        self.input = self.socket.makefile("rb", 1 << 16)
        self.say('CONNECT {"verbose":false}')


class Tls(Case):
    def tls_client(self, server, **kwargs):
        client = TlsClient(server.port, **kwargs)
        self.stack.callback(client.close)
        return client

    def block(self, cert="server", more=""):
        return 'tls { cert_file: "%s", key_file: "%s"\n%s }\n' % (
            golden(cert + ".pem"), golden(cert + ".key"), more)

    def config(self, *args):
        return self.write("a.conf", self.block(*args))

    def page(self, server, name):
        port = re.search(r"Starting http monitor on 127\.0\.0\.1:(\d+)", server.log())[1]
        with urllib.request.urlopen("http://127.0.0.1:%s/%s" % (port, name), timeout=BOUND_S) as f:
            return json.load(f)

    def test_flags(self):
        flags = ["--tlscert", golden("server.pem"), "--tlskey", golden("server.key")]
        for more in ([], ["--tls"]):
            server = self.serve(*flags, *more)
            self.assertIn("[INF] TLS required for client connections\n", server.log())
            self.assertTrue(self.tls_client(server).ping())
            server.end()
        server = self.serve(*flags, "--tlsverify", "--tlscacert", golden("ca.pem"))
        with self.assertRaises((ssl.SSLError, ConnectionResetError)):
            client = self.tls_client(server)
            client.read_info()
        known = context()
        known.load_cert_chain(golden("client.pem"), golden("client.key"))
        self.assertTrue(self.tls_client(server, with_context=known).ping())

    def test_refused(self):
        for args, what in ((["--tls"], "TLS needs a certificate"),
                           (["--tlscert", golden("server.pem")], "needs its key"),
                           (["--tlscert", "x.pem", "--tlskey", "y"], "open x.pem: No such file")):
            done = self.run_once("-a", "127.0.0.1", "-p", "-1", *args)
            self.assertEqual(done.returncode, 1, args)
            self.assertIn(what, done.stderr, args)
        for text, what in (
                (self.block("server", "pinned_certs: []"), "guards access"),
                (self.block("server", "verify: optional"), "guards access"),
                (self.block("server", "pinned_certs: [ x ]"), "guards access"),
                (self.block("server", "verfy: true"), '"verify" was meant'),
                (self.block("server", "ciphers: true"), 'unknown field "ciphers"'),
                (self.block("server", "min_version: '1.1'"), "min_version is"),
                (self.block("server", "cipher_suites: [ TLS_ROT13 ]"), "TLS_ROT13 is none"),
                (self.block("server", "cipher_suites: [ ]"), "none is named"),
                (self.block("server", "timeout: never"), "error parsing timeout"),
                (self.block("nobody"), "nobody.pem: No such file"),
                ('tls { cert_file: "%s", key_file: "%s" }' % (golden("server.pem"),
                                                              golden("client.key")),
                 "is not that of the certificate"),
                ("tls: true", "tls should be"),
                (self.block("server", "handshake_first: true") + "allow_non_tls: true\n",
                 "wants first_ms"),
                ("allow_non_tls: true", "allow_non_tls without a tls block")):
            path = self.write("a.conf", text)
            for flags in ([], ["-t"]):
                done = self.run_once("-a", "127.0.0.1", "-p", "-1", "-c", path, *flags)
                self.assertEqual(done.returncode, 1, (text, flags))
                self.assertIn(what, done.stderr, (text, flags))
        self.assertEqual(self.run_once("-t", "-c", self.config()).returncode, 0)

    def test_config(self):
        """The block as nats-server has it; what does nothing here is named."""
        path = self.write("a.conf", "http: '127.0.0.1:-1'\n" + self.block("server", """
            ca_file: "%s", timeout: "3s", min_version: "1.2"
            cipher_suites: [ TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256 ]
            curve_preferences: [ CurveP256 ]
            """ % golden("ca.pem")))
        server = self.serve("-c", path)
        self.assertRegex(server.log(), r'\[WRN\] \S*a\.conf:\d+: "curve_preferences"')
        twelve = context()
        twelve.maximum_version = ssl.TLSVersion.TLSv1_2
        client = self.tls_client(server, with_context=twelve)
        self.assertTrue(client.ping())
        self.assertEqual(client.socket.cipher()[0], "ECDHE-ECDSA-AES256-GCM-SHA384")
        conn = self.page(server, "connz")["connections"][0]
        self.assertEqual((conn["tls_version"], conn["tls_cipher_suite"]),
                         ("1.2", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"))
        varz = self.page(server, "varz")
        self.assertTrue(varz["tls_required"])
        self.assertEqual(varz["tls_timeout"], 3)
        self.assertTrue(varz["tls_cert_not_after"].startswith("2076-01-01T00:00:00"))
        self.assertNotIn("tls_verify", varz)

    def test_reload(self):
        """New certificates are for new connections, and those that are there stay; bad ones change
        nothing; TLS comes and goes."""
        cert, key = self.path("cert.pem"), self.path("key.pem")

        def install(name):
            shutil.copy(golden(name + ".pem"), cert)
            shutil.copy(golden(name + ".key"), key)

        def reload(says):
            count = server.log().count(says)
            server.send_signal(signal.SIGHUP)
            wait_for(says, lambda: server.log().count(says) > count)

        install("server")
        plain = "port: -1\n"
        text = plain + 'tls { cert_file: "%s", key_file: "%s" }\n' % (cert, key)
        path = self.write("a.conf", text)
        server = self.start("-a", "127.0.0.1", "-c", path).ready()
        old = self.tls_client(server)
        self.assertTrue(old.ping())
        install("rsa")
        reload("Reloaded server configuration")
        new = self.tls_client(server)
        self.assertTrue(new.ping() and old.ping())
        certs = [ssl.DER_cert_to_PEM_cert(c.socket.getpeercert(True)) for c in (old, new)]
        self.assertNotEqual(*certs)
        shutil.copy(golden("server.key"), key)  # which is not that of the certificate
        reload("Failed to reload server configuration: the key")
        self.assertTrue(self.tls_client(server).ping())
        self.write("a.conf", plain)
        reload("Reloaded server configuration")
        client = self.client(server)
        self.assertNotIn("tls_required", client.info)
        self.assertTrue(client.ping() and old.ping() and new.ping())
        install("server")
        self.write("a.conf", text)
        reload("Reloaded server configuration")
        self.assertTrue(self.tls_client(server).info["tls_required"])
        self.assertTrue(client.ping())

    def secure_page(self, server, name, login=None):
        port = re.search(r"Starting https monitor on 127\.0\.0\.1:(\d+)", server.log())[1]
        request = urllib.request.Request("https://localhost:%s/%s" % (port, name))
        if login:
            request.add_header("Authorization", "Basic " + base64.b64encode(login).decode())
        with urllib.request.urlopen(request, timeout=BOUND_S, context=context()) as answer:
            return json.load(answer)

    def test_https(self):
        """Visitors show no certificate, and log in with what clients log in with. A reload brings
        the next certificate."""
        more = "verify: true, ca_file: \"%s\"" % golden("ca.pem")
        users = "authorization { user: ann, password: pw }\n"
        config = self.write("a.conf", self.block(more=more) + users + 'https: "127.0.0.1:-1"\n')
        server = self.serve("-c", config, "--ports_file_dir", self.folder)
        self.assertEqual(self.secure_page(server, "healthz"), {"status": "ok"})
        self.assertFalse(self.secure_page(server, "who")["login"])
        self.assertFalse(self.secure_page(server, "who", b"ann:no")["login"])
        self.assertTrue(self.secure_page(server, "who", b"ann:pw")["login"])
        with open(glob.glob(os.path.join(self.folder, "*.ports"))[0]) as file:
            self.assertTrue(json.load(file)["monitoring"][0].startswith("https://"))
        self.write("a.conf", self.block("stranger", more) + users + 'https: "127.0.0.1:-1"\n')
        server.send_signal(signal.SIGHUP)
        server.logged("Reloaded server configuration")
        with self.assertRaises(urllib.error.URLError):
            self.secure_page(server, "healthz")

    def who(self, server, login):
        port = re.search(r"Starting http monitor on 127\.0\.0\.1:(\d+)", server.log())[1]
        request = urllib.request.Request("http://127.0.0.1:%s/who" % port)
        request.add_header("Authorization", "Basic " + base64.b64encode(login).decode())
        with urllib.request.urlopen(request, timeout=BOUND_S) as answer:
            return json.load(answer)["login"]

    def test_certificates_alone(self):
        """Who has no password, since he comes by his certificate, comes by nothing else: over HTTP,
        or WebSocket without TLS, his name alone is nothing."""
        users = 'authorization { users: [ {user: "al@acme.com"}, {user: ann, password: pw} ] }\n'
        config = self.write("a.conf", self.block(
            more='verify_and_map: true, ca_file: "%s"' % golden("ca.pem")) + users +
            'http: "127.0.0.1:-1"\nwebsocket { listen: "127.0.0.1:-1", no_tls: true }\n')
        server = self.serve("-c", config)
        self.assertFalse(self.who(server, b"al@acme.com:"))
        self.assertFalse(self.who(server, b"al@acme.com:x"))
        self.assertTrue(self.who(server, b"ann:pw"))
        port = int(re.search(r"websocket clients on ws://127\.0\.0\.1:(\d+)", server.log())[1])
        for connect, answer in (({"user": "al@acme.com"}, b"-ERR 'Authorization Violation'"),
                                ({"user": "ann", "pass": "pw"}, b"PONG")):
            self.assertIn(answer, self.said_by_web(port, connect))

    def said_by_web(self, port, connect):
        """All that is answered to a CONNECT and a PING over WebSocket, up to the first answer."""
        sock = socket.create_connection(("127.0.0.1", port), BOUND_S)
        self.stack.callback(sock.close)
        got = b""
        sock.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                     b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                     b"Sec-WebSocket-Version: 13\r\n\r\n")
        while b"\r\n\r\n" not in got:
            got += sock.recv(4096)
        text = ("CONNECT %s\r\nPING\r\n" % json.dumps({"verbose": False, **connect})).encode()
        sock.sendall(bytes([0x82, 0x80 | len(text), 0, 0, 0, 0]) + text)
        while not re.search(rb"PONG|-ERR [^\r]*\r\n", got):
            some = sock.recv(4096)
            self.assertTrue(some, got)
            got += some
        return got

    def test_https_refused(self):
        for args, why in ((["-ms", "1"], "TLS cert and key required for HTTPS"),
                          (["-ms", "1", "-m", "2"], "can't specify both HTTP (2) and HTTPs (1)"),
                          (["-ms", "70000"], "70000 is no port")):
            done = self.run_once(*args)
            self.assertEqual(done.returncode, 1)
            self.assertIn(why, done.stderr)

    def test_expiry(self):
        """A certificate that ends soon, and one that has ended, are named at the start."""
        key, cert = self.path("key.pem"), self.path("cert.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", cert,
                        "-subj", "/CN=soon", "-days", "3", "-addext",
                        "subjectAltName=DNS:localhost"], check=True, capture_output=True)
        server = self.serve("--tlscert", cert, "--tlskey", key)
        server.logged("[WRN] The certificate of the listener 127.0.0.1:%d expires at 20"
                      % server.port)
        self.assertRegex(server.log(), r"expires at \S+Z, in 7[12] hours\n")
        server.end()
        server = self.serve("-c", self.config("expired"))
        server.logged("has expired at 2021-01-01T00:00:00Z")
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.tls_client(server)
        server.end()
        server = self.serve("-c", self.config())
        self.assertTrue(self.tls_client(server).ping())
        self.assertNotIn("xpire", server.log())

    def openssl(self, server, *args, data=b""):
        """What openssl's client prints, speaking TLS at once."""
        done = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % server.port,
                               "-CAfile", golden("ca.pem"), *args], input=data,
                              capture_output=True, timeout=BOUND_S)
        return (done.stdout + done.stderr).decode(errors="replace")

    def test_openssl(self):
        """What may be agreed upon, and what not."""
        server = self.serve("-c", self.config("server", "handshake_first: true"))
        said = self.openssl(server, "-tls1_2", "-no_ign_eof")
        self.assertIn("Verify return code: 0 (ok)", said)
        self.assertIn("ECDHE-ECDSA", said)
        self.assertIn("Compression: NONE", said)
        self.assertRegex(said, r"Extended master secret: yes")
        for args in (["-tls1_1"], ["-tls1"], ["-cipher", "NULL:@SECLEVEL=0", "-tls1_2"],
                     ["-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0", "-tls1_2"],
                     ["-cipher", "AES128-SHA", "-tls1_2"]):
            self.assertNotIn("Server certificate", self.openssl(server, *args), args)
        self.assertTrue(self.first_client(server).ping())
        # R asks for a renegotiation, which is refused.
        said = self.openssl(server, "-tls1_2", data=b"R\nPING\r\n")
        self.assertRegex(said, "no renegotiation|RENEGOTIATING")
        self.assertNotRegex(said, r"(?s)RENEGOTIATING.*verify return:1")

    def first_client(self, server):
        class First(Client):
            def read_info(self):
                self.input.close()
                self.socket = context().wrap_socket(self.socket, server_hostname="localhost")
                self.input = self.socket.makefile("rb", 1 << 16)
                return super().read_info()
        client = First(server.port)
        self.stack.callback(client.close)
        return client

    def test_records(self):
        """What is said comes back as it was, and an end on this side is one on the other; records
        that are none end their connection alone, also behind the server's last word."""
        server = self.serve("-c", self.write("a.conf", self.block() + "max_payload: 2MB\n"))
        data = os.urandom(1 << 20)
        client = self.tls_client(server)
        client.say("SUB a 1")
        self.assertTrue(client.ping())
        for size in (1, 100, 16383, 16384, 16385, len(data)):
            head = b"PUB a %d\r\n" % size
            client.socket.sendall(head + data[:size] + b"\r\n")
            while (line := client.input.readline()) == b"PING\r\n":
                client.say("PONG")
            self.assertEqual(line, b"MSG a 1 %d\r\n" % size)
            self.assertEqual(client.input.read(size + 2), data[:size] + b"\r\n")
        client.socket.settimeout(BOUND_S)
        client.socket.unwrap().close()
        for says in (b"", b"NONSENSE\r\n"):
            bad = self.tls_client(server)
            self.assertTrue(bad.ping())
            if says:
                bad.socket.sendall(says)
                while bad.input.readline():
                    pass # its last word, and close_notify
            with socket.socket(fileno=os.dup(bad.socket.fileno())) as below:
                try:
                    below.sendall(b"\x17\3\3\0\x20" + bytes(32))
                except OSError:
                    pass # it has gone already
            bad.close()
        self.assertTrue(self.tls_client(server).ping())

    def test_tickets(self):
        """A session is resumed by its ticket, and after a reload, by other keys, it is not."""
        path = self.config("server", "handshake_first: true")
        server = self.serve("-c", path)
        ticket = self.path("ticket")
        said = self.openssl(server, "-tls1_2", "-sess_out", ticket)
        self.assertIn("New, TLSv1.2", said)
        self.assertIn("Reused, TLSv1.2", self.openssl(server, "-tls1_2", "-sess_in", ticket))
        server.send_signal(signal.SIGHUP)
        server.logged("Reloaded server configuration")
        self.assertIn("New, TLSv1.2", self.openssl(server, "-tls1_2", "-sess_in", ticket))

    def test_twin(self):
        """Where TLS is configured the faster program takes over, if it lies beside this one: under
        the same name, and unless the configuration can be read only once."""
        exe = os.path.realpath(self.path("nats-server"))
        twin = os.path.join(os.path.dirname(exe), self.twin_name())

        def serves(*args):
            server = self.serve("-D", *args)
            return server, os.readlink("/proc/%d/exe" % server.pid)

        os.symlink(exe, self.path("rilld"))
        self.assertRegex(self.run_once("-v", name="rilld").stdout, r"^rilld: .*OpenSSL 3")
        self.assertEqual(serves()[1], exe)
        server, program = serves("-c", self.config())
        self.assertEqual(program, twin)
        self.assertTrue(self.tls_client(server).ping())
        server.end()
        os.mkfifo(self.path("fifo"))
        writer = subprocess.Popen(["cp", self.config(), self.path("fifo")])
        server, program = serves("-c", self.path("fifo"))
        self.assertEqual(writer.wait(), 0)
        self.assertEqual(program, exe)
        self.assertTrue(self.tls_client(server).ping())
        lonely = self.path("lonely")
        shutil.copy(exe, lonely)
        self.is_not_taken_over(lonely)

    def twin_name(self):
        exe = os.path.realpath(self.path("nats-server"))
        twins = [path for path in glob.glob(exe + "-openssl-*.*.*") if os.path.isfile(path)]
        if not twins:
            self.skipTest("rilld does TLS itself in this build")
        self.assertEqual(len(twins), 1)
        return os.path.basename(twins[0])

    def is_not_taken_over(self, exe):
        """This program serves TLS itself, whatever lies around it."""
        os.remove(self.path("nats-server"))
        os.symlink(exe, self.path("nats-server"))
        server = self.serve("-c", self.config())
        self.assertEqual(os.readlink("/proc/%d/exe" % server.pid), exe)
        self.assertTrue(self.tls_client(server).ping())
        server.end()

    def stranger(self, path):
        """A program that is none of ours, where the faster one might lie."""
        with open(path, "w") as f:
            f.write("#!/bin/sh\nexit 7\n")
        os.chmod(path, 0o755)

    def test_twin_of_another_version(self):
        """What an upgrade has left behind does not take over."""
        self.twin_name()
        exe = os.path.realpath(self.path("nats-server"))
        home = self.path("home")
        os.mkdir(home)
        shutil.copy(exe, os.path.join(home, "rilld"))
        for name in ("rilld-openssl", "rilld-openssl-0.0.1"):
            self.stranger(os.path.join(home, name))
        self.is_not_taken_over(os.path.join(home, "rilld"))

    def test_twin_far_down(self):
        """A path that is too long to be read whole leads into no other directory."""
        name = self.twin_name()
        exe = os.path.realpath(self.path("nats-server"))
        longest = 4096 - len(name) - 1
        above = self.path("")
        while longest - len(above) > 240:
            above = os.path.join(above, "d" * 200)
        last = longest - len(above) + 5  # with its slash, and cut in the middle of its name
        below = os.path.join(above, "e" * last)
        os.makedirs(below)
        self.stranger(os.path.join(above, name))
        shutil.copy(exe, os.path.join(below, "r"))
        self.is_not_taken_over(os.path.join(below, "r"))

    # ---- The port for Kafka's clients ----

    ASKS = bytes.fromhex("0000000e" "0012" "0000" "00000007" "0004") + b"test"

    def kafka(self, cert="server", more="", tail=""):
        """A server whose Kafka has TLS, and the port."""
        path = self.write("kafka.conf", 'kafka { listen: "127.0.0.1:-1"\n%s }\n%s' % (
            self.block(cert, more) if cert else "", tail))
        server = self.serve("-D", "-c", path, "-sd", self.path("store"))
        return server, int(re.search(r"Kafka's clients on 127\.0\.0\.1:(\d+)", server.log())[1])

    def kafka_client(self, port, with_context=None, plain=False):
        client = socket.create_connection(("127.0.0.1", port), BOUND_S)
        self.stack.callback(client.close)
        if plain:
            return client
        client = (with_context or context()).wrap_socket(client, server_hostname="localhost")
        self.stack.callback(client.close)
        return client

    def versions(self, client):
        """Is ApiVersions answered, whole?"""
        client.sendall(self.ASKS)
        answer = b""
        while len(answer) < 4 or len(answer) < 4 + int.from_bytes(answer[:4], "big"):
            some = client.recv(4096)
            if not some:
                return False
            answer += some
        return answer[4:10] == bytes.fromhex("00000007" "0000")

    def test_kafka(self):
        server, port = self.kafka(tail="http: '127.0.0.1:-1'\n")
        self.assertIn("[INF] TLS required for Kafka's clients\n", server.log())
        client = self.kafka_client(port)
        self.assertTrue(self.versions(client) and self.versions(client))
        conn = self.page(server, "connz")["connections"][0]
        self.assertIn(conn["tls_version"], ("1.2", "1.3"))
        self.assertTrue(self.client(server).ping())  # the other port has none
        plain = self.kafka_client(port, plain=True)
        self.assertFalse(self.versions(plain))
        server.logged("TLS handshake error: a client speaks no TLS, which is wanted here")
        self.assertTrue(self.versions(client))

    def test_kafka_without(self):
        """Who speaks TLS to a port without is named in the log, and nobody else is held up."""
        server, port = self.kafka(cert=None)
        plain = self.kafka_client(port, plain=True)
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.kafka_client(port)
        server.logged("a handshake of TLS, which this port does not speak")
        self.assertTrue(self.versions(plain))

    def test_kafka_slow(self):
        """A handshake that does not come to its end is over when its time is."""
        server, port = self.kafka(more='timeout: "2s"')
        silent = [self.kafka_client(port, plain=True) for _ in range(3)]
        silent[1].sendall(b"\x16\x03")
        silent[2].sendall(bytes.fromhex("1603010200") + bytes(16))
        self.assertTrue(self.versions(self.kafka_client(port)))
        for client in silent:
            self.assertEqual(client.recv(1), b"")
        wait_for("three lines", lambda: server.log().count("TLS handshake error") == 3)

    def test_kafka_verify(self):
        server, port = self.kafka(more='verify: true, ca_file: "%s"' % golden("ca.pem"))
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            if not self.versions(self.kafka_client(port)):
                raise ConnectionError
        server.logged("TLS handshake error: no certificate was shown")
        known = context()
        known.load_cert_chain(golden("client.pem"), golden("client.key"))
        self.assertTrue(self.versions(self.kafka_client(port, with_context=known)))

    def test_kafka_reload(self):
        """As test_reload, of the other port."""
        cert, key = self.path("cert.pem"), self.path("key.pem")

        def install(name):
            shutil.copy(golden(name + ".pem"), cert)
            shutil.copy(golden(name + ".key"), key)

        def reload(says):
            count = server.log().count(says)
            server.send_signal(signal.SIGHUP)
            wait_for(says, lambda: server.log().count(says) > count)

        install("expired")
        path = self.write("a.conf", 'port: -1\nkafka { listen: "127.0.0.1:-1"\n'
                          'tls { cert_file: "%s", key_file: "%s" } }\n' % (cert, key))
        server = self.start("-a", "127.0.0.1", "-c", path, "-sd", self.path("store")).ready()
        port = int(re.search(r"Kafka's clients on 127\.0\.0\.1:(\d+)", server.log())[1])
        server.logged("has expired at 2021-01-01T00:00:00Z")
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.kafka_client(port)
        install("server")
        reload("Reloaded server configuration")
        old = self.kafka_client(port)
        self.assertTrue(self.versions(old))
        shutil.copy(golden("client.key"), key)
        reload("Failed to reload server configuration: the key")
        self.assertTrue(self.versions(self.kafka_client(port)) and self.versions(old))

    def test_kafka_refused(self):
        for more, what in (("pinned_certs: []", "guards access"),
                           ("verfy: true", '"verify" was meant'),
                           ("handshake_first: auto", "TLS comes first"),
                           ("min_version: '1.1'", "min_version is"),
                           ("cipher_suites: [ TLS_ROT13 ]", "TLS_ROT13 is none")):
            path = self.write("a.conf", 'kafka { listen: "127.0.0.1:-1"\n%s }\n' %
                              self.block("server", more))
            for flags in ([], ["-t"]):
                done = self.run_once("-a", "127.0.0.1", "-p", "-1", "-sd", self.path("store"),
                                     "-c", path, *flags)
                self.assertEqual(done.returncode, 1, (more, flags))
                self.assertIn(what, done.stderr, (more, flags))

    def test_secrets(self):
        """No line of the log has a byte of what was said in clear to a port of TLS, or of a key."""
        server = self.serve("-DV", "-c", self.config())
        client = self.client(server, connect='{"user":"u","pass":"topsecret"}')
        self.assertIn("-ERR 'Secure Connection - TLS Required'", client.read_end())
        server.logged("a client speaks no TLS")
        self.assertNotIn("topsecret", server.log())


if __name__ == "__main__":
    main(Tls)
