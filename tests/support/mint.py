# SPDX-License-Identifier: Apache-2.0
"""JWTs of NATS, signed by openssl: keys whose seeds are one byte, 32 times."""
import base64
import json
import os
import subprocess
import tempfile

KINDS = {"O": 14 << 3, "A": 0, "U": 20 << 3}
PKCS8 = bytes.fromhex("302e020100300506032b657004220420")


def crc16(data):
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def coded(data):
    """In base32, with its checksum."""
    return base64.b32encode(data + crc16(data).to_bytes(2, "little")).decode().rstrip("=")


def url64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Key:
    """That of an operator (O), an account (A) or a user (U)."""

    def __init__(self, kind, byte):
        raw = bytes([byte]) * 32
        self.seed = coded(bytes([0x90 | KINDS[kind] >> 5, (KINDS[kind] & 31) << 3]) + raw)
        self.private = PKCS8 + raw
        with tempfile.NamedTemporaryFile(suffix=".der") as file:
            file.write(self.private)
            file.flush()
            public = subprocess.run(["openssl", "pkey", "-inform", "DER", "-in", file.name,
                                     "-pubout", "-outform", "DER"], check=True,
                                    capture_output=True).stdout
        self.public = coded(bytes([KINDS[kind]]) + public[-32:])

    def sign(self, text):
        with tempfile.TemporaryDirectory() as folder:
            key, data = os.path.join(folder, "key"), os.path.join(folder, "data")
            for path, content in ((key, self.private), (data, text.encode())):
                with open(path, "wb") as file:
                    file.write(content)
            return url64(subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-keyform", "DER",
                                         "-inkey", key, "-in", data], check=True,
                                        capture_output=True).stdout)

    def jwt(self, kind, subject, nats, alg="ed25519-nkey", **claims):
        """About `subject`, signed by this key."""
        body = {"iat": 1000, "jti": "x", "iss": self.public, "sub": subject.public, **claims,
                "nats": {"type": kind, "version": 2, **nats}}
        text = url64(json.dumps({"typ": "JWT", "alg": alg}).encode()) + "." + \
            url64(json.dumps(body).encode())
        return text + "." + self.sign(text)
