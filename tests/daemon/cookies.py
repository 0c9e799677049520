# SPDX-License-Identifier: Apache-2.0
"""cookies.py EXE [TEST...]: who a client of WebSocket is, as the cookies of its handshake say. Each
test asks a nats-server the same, where RILL_PEER names one, and wants the same of it."""
import json
import os
import re
import socket

from case import BOUND_S, free_port, main
from operators import ACCOUNT, FREE, USER, OperatorCase, account, user
from server import Server

GET = ("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n")


class Cookies(OperatorCase):
    def peers(self, text, more=""):
        """A server each, with this configuration; theirs comes after ours has ended."""
        peer = os.environ.get("RILL_PEER")
        for exe in [self.exe] + ([peer] if peer and os.path.exists(peer) else []):
            port = free_port()
            path = self.write("ws.conf", text + "listen: '127.0.0.1:-1'\nwebsocket { port: %d, "
                              "host: '127.0.0.1', no_tls: true, same_origin: true\n%s }\n"
                              % (port, more))
            server = Server(exe, "-DV", "-c", path, folder=self.folder, cwd=self.folder).ready()
            self.stack.callback(server.kill)
            with self.subTest(server=exe):
                yield server, port
            code = server.end()
            if exe == self.exe:  # theirs ends with 0 or 1, as it comes
                self.assertEqual(code, 0)

    def upgrade(self, port, *cookies):
        """The socket, and what came first, with INFO in it."""
        sock = socket.create_connection(("127.0.0.1", port), timeout=BOUND_S)
        self.stack.callback(sock.close)
        sock.sendall((GET + "".join("%s\r\n" % cookie for cookie in cookies) + "\r\n").encode())
        got = b""
        while not re.search(rb"\r\n\r\n.*\}|^HTTP/1.1 [45].*\r\n\r\n", got, re.S):
            part = sock.recv(4096)
            self.assertTrue(part, got)
            got += part
        return sock, got

    def said(self, sock, **connect):
        """PONG, or the error in its place, to one frame with CONNECT and PING."""
        text = ("CONNECT %s\r\nPING\r\n" % json.dumps({"verbose": False, **connect})).encode()
        sock.sendall(b"\x82\xfe" + len(text).to_bytes(2, "big") + bytes(4) + text)
        got = b""
        while not (found := re.search(rb"PONG|-ERR '[^']*'", got)):
            part = sock.recv(4096)
            self.assertTrue(part, got)
            got += part
        return found[0].decode()

    def test_passwords(self):
        rows = [
            ([], {}, False), (["Cookie: u=ann; p=pw"], {}, True), (["cookie:u=ann;p=pw"], {}, True),
            (["Cookie: u=ann; p=pw"], {"user": "bob", "pass": "x"}, False),
            (["Cookie: u=ann"], {"pass": "pw"}, True), (["Cookie: p=pw"], {"user": "ann"}, True),
            (["Cookie: u=bob; p=zz"], {"user": "ann", "pass": "pw"}, True),
            (['Cookie: x; u="ann"; p=pw'], {}, True), (["Cookie: u=ann", "Cookie: p=pw"], {}, True),
            (["Cookie: u=bob; u=ann; p=pw"], {}, True), (["Cookie: u=ann; u=bob; p=pw"], {}, False),
            (["Cookie: U=ann; p=pw"], {}, False), (["X-Cookie: u=ann; p=pw"], {}, False),
            (["Cookie: uu=ann; p=pw"], {}, False), (["Cookie: u=; p=pw"], {}, False),
        ]
        conf = "authorization { user: ann, password: pw }\n"
        for server, port in self.peers(conf, "user_cookie: u, pass_cookie: p"):
            for i, (cookies, connect, good) in enumerate(rows):
                self.assertEqual(self.said(self.upgrade(port, *cookies)[0], **connect),
                                 "PONG" if good else "-ERR 'Authorization Violation'", "row %d" % i)
        for server, port in self.peers(conf):
            self.assertNotEqual(self.said(self.upgrade(port, "Cookie: u=ann; p=pw")[0]), "PONG")

    def test_tokens(self):
        rows = [("t=s3", {}, True), ("t=s3", {"auth_token": "x"}, False),
                ("t=x", {"auth_token": "s3"}, True), ("t=x", {}, False)]
        for server, port in self.peers("authorization { token: s3 }\n", "token_cookie: t"):
            for cookie, connect, good in rows:
                said = self.said(self.upgrade(port, "Cookie: " + cookie)[0], **connect)
                self.assertEqual(said == "PONG", good, cookie)

    def test_jwts(self):
        with open(self.conf((ACCOUNT, account()))) as file:
            conf = file.read()
        bearer, signs = user({**FREE, "bearer_token": True}), user()
        of_web = user({**FREE, "bearer_token": True, "allowed_connection_types": ["WEBSOCKET"]})
        elsewhere = user({**FREE, "bearer_token": True, "allowed_connection_types": ["STANDARD"]})
        for server, port in self.peers(conf, "jwt_cookie: j"):
            for jwt, connect, good in ((bearer, {}, True), (signs, {}, False),
                                       (bearer, {"jwt": "x"}, False), ("x", {"jwt": bearer}, True),
                                       (of_web, {}, True), (elsewhere, {}, False), ("", {}, False)):
                said = self.said(self.upgrade(port, "Cookie: j=" + jwt)[0], **connect)
                self.assertEqual(said == "PONG", good)
            sock, got = self.upgrade(port, "Cookie: j=" + signs)
            nonce = re.search(rb'"nonce":"([^"]*)"', got)[1].decode()
            self.assertEqual(self.said(sock, sig=USER.sign(nonce)), "PONG")
            if server.process.args[0] == self.exe:  # theirs shows that of a CONNECT
                self.assertNotIn(bearer.split(".")[2], server.log())

    def test_long_ones(self):
        """What is kept of a connection before it logs in is bounded. nats-server keeps 8 KiB."""
        os.environ.pop("RILL_PEER", None)
        for server, port in self.peers("authorization { token: s3 }\n", "token_cookie: t"):
            self.assertIn(b" 101 ", self.upgrade(port, "Cookie: t=" + "x" * 4096)[1])
            self.assertIn(b"HTTP/1.1 431 ", self.upgrade(port, "Cookie: t=" + "x" * 4097)[1])
            self.assertIn(b" 101 ", self.upgrade(port, "Cookie: other=" + "x" * 6000)[1])
            self.assertEqual(self.said(self.upgrade(port, "Cookie: t=s3")[0]), "PONG")

    def test_strange_pages(self):
        """Who does not say whose pages may come is warned."""
        for more, warned in (("", True), (", same_origin: true", False),
                             (", allowed_origins: 'https://a'", False)):
            done = self.run_once("-t", "-c", self.write("a.conf", "websocket { port: -1, no_tls: "
                                                        "true, token_cookie: t%s }\n" % more))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual("pages of any origin" in done.stderr, warned, more)


if __name__ == "__main__":
    main(Cookies)
