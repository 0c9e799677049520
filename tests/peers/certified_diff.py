# SPDX-License-Identifier: Apache-2.0
"""certified_diff.py RILLD [PEER]: who a client is by its certificate (verify_and_map), the same
for rilld and for a nats-server (PEER, RILL_PEER, else the one on PATH). Each case is a list of
users; the client shows one of two certificates, and which user it has become is seen by what it may
publish."""
import os
import shutil
import ssl
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from server import Client, Server

TLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "tls")
WHOLE = "CN=Bob\\, Jr,OU=all,OU=ops+OU=dev,O=Acme,L=Berlin,C=DE,DC=example,DC=com"
TURNED = "DC=com,DC=example,C=DE,L=Berlin,O=Acme,%s,CN=Bob\\"
GO = "CN=Bob\\, Jr,OU=dev+OU=ops+OU=all,O=Acme,L=Berlin,C=DE"
# Certificate, users, what stands in CONNECT.
CASES = [
    ("named", ["other", "first@example.com", "second@example.com", "named.example"], "{}"),
    ("named", ["second@example.com", "named.example"], "{}"),
    ("named", ["other.example", "spiffe://example/named"], "{}"),
    ("named", ["https://example/n", "CN=named"], "{}"),
    ("named", ["CN=named"], "{}"),
    ("named", [" cn = named "], "{}"),
    ("named", ["CN=Named"], "{}"),
    ("named", ["named"], "{}"),
    ("named", ["CN=named"], '{"user":"somebody"}'),
    ("named", ["CN=named"], '{"pass":"p"}'),
    ("named", ["CN=named:p"], "{}"),
    ("named", ["CN=named:p"], '{"pass":"p"}'),
    ("named", ["CN=named:p"], '{"user":"CN=named","pass":"p"}'),
    ("named", ["CN=named", "anybody"], '{"auth_token":"t"}'),
    ("subject", [WHOLE], "{}"),
    ("subject", [WHOLE.replace(",", ", ").replace("\\, ", "\\,")], "{}"),
    ("subject", [TURNED % "OU=dev+OU=ops,OU=all" + "2C Jr"], "{}"),
    ("subject", [TURNED % "OU=dev+OU=ops,OU=all" + ", Jr", WHOLE], "{}"),
    ("subject", [TURNED % "OU=all+OU=ops,OU=dev" + ", Jr"], "{}"),
    ("subject", ["O=Acme,CN=Bob\\, Jr"], "{}"),
    ("subject", [GO], "{}"),
    ("subject", [GO, GO + ",DC=com,DC=example"], "{}"),
    ("subject", [GO + ",DC=example,DC=com"], "{}"),
    ("subject", ["CN=Bob\\, Jr,L=Berlin,OU=dev+OU=ops+OU=all,O=Acme,C=DE"], "{}"),
    ("subject", ["Bob, Jr", "bob"], "{}"),
    (None, ["CN=named"], "{}"),
]


def quoted(text):
    return '"%s"' % text.replace("\\", "\\\\")


def config(users):
    rows = []
    for i, text in enumerate(users):
        parts = text.split(":") if text.endswith(":p") else [text]
        secret = ", password: %s" % parts[1] if len(parts) == 2 else ""
        rows.append("{ user: %s%s, permissions: { publish: as.%d } }" %
                    (quoted(parts[0]), secret, i))
    return ("authorization { users: [\n%s ] }\ntls { cert_file: \"%s/server.pem\", key_file: "
            "\"%s/server.key\", ca_file: \"%s/maps.pem\", verify_and_map: true }\n"
            % (",\n".join(rows), TLS, TLS, TLS))


def ask(port, cert, connect, nusers):
    """What the server answers: the number of the user, or its last words."""
    context = ssl.create_default_context(cafile=os.path.join(TLS, "ca.pem"))
    if cert:
        context.load_cert_chain(os.path.join(TLS, cert + ".pem"), os.path.join(TLS, cert + ".key"))
    client = Client(port, connect=None)
    try:
        client.socket = context.wrap_socket(client.socket, server_hostname="localhost")
        client.input = client.socket.makefile("rb")
        text = connect[:-1] + (", " if len(connect) > 2 else "") + '"verbose":true,"protocol":0}'
        client.socket.sendall(("CONNECT %s\r\n" % text).encode())
        line = client.input.readline().decode().strip()
        if line != "+OK":
            return line
        who = []
        for i in range(nusers):
            client.socket.sendall(b"PUB as.%d 1\r\nx\r\n" % i)
            if client.input.readline() == b"+OK\r\n":
                who.append(i)
        return who
    except (ssl.SSLError, ConnectionError):
        return "no TLS"
    finally:
        client.socket.close()


def play(programs, cert, users, connect):
    said = []
    for program in programs:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "users.conf")
            with open(path, "w") as file:
                file.write(config(users))
            server = Server(program, "-a", "127.0.0.1", "-p", "-1", "-c", path,
                            folder=folder).ready()
            try:
                said.append(ask(server.port, cert, connect, len(users)))
            finally:
                server.kill()
    return said


def main():
    peer = (sys.argv[2] if len(sys.argv) > 2 else "") or os.environ.get("RILL_PEER") or \
        shutil.which("nats-server")
    if not peer:
        print("no nats-server to compare with")
        return 77
    wrong = entered = 0
    for cert, users, connect in CASES:
        ours, theirs = play((sys.argv[1], peer), cert, users, connect)
        entered += isinstance(theirs, list)
        if ours != theirs:
            wrong += 1
            print("%s, %r, %s\nrilld:  %r\nserver: %r" % (cert, users, connect, ours, theirs))
    print("%d cases, %d let in; %d answered otherwise" % (len(CASES), entered, wrong))
    return 1 if wrong or not entered or entered == len(CASES) else 0


if __name__ == "__main__":
    sys.exit(main())
