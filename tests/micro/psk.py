# SPDX-License-Identifier: Apache-2.0
"""psk.py PSK RILLD: the client for firmware at a listener of rilld with a key that both share: INFO
before TLS and behind it, a wire that takes a byte now and then; and who has another key, another
name of it, or speaks to a server that has none, is told so."""
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from server import Server, free_port  # noqa: E402

CLIENT, RILLD = sys.argv[1:3]
KEY, NAME = "000102030405060708090a0b0c0d0e0f", "pump 7"


def client(port, *args):
    """What it says, and its exit code."""
    done = subprocess.run([CLIENT, f"127.0.0.1:{port}", *args], capture_output=True, text=True,
                          timeout=120)
    return done.stdout.strip() + done.stderr.strip(), done.returncode


def server(folder, tls):
    port = free_port()
    config = Path(folder) / "conf"
    config.write_text(f'listen: "127.0.0.1:{port}"\n'
                      f'jetstream {{ store_dir: "{folder}/js" }}\n{tls}')
    return Server(RILLD, "-c", str(config), folder=folder)


def with_key(more):
    return f'tls {{ psk: "{KEY}", psk_identity: "{NAME}", timeout: 20\n{more} }}\n'


def main():
    for more, args in (("", ()), ("", ("3",)), ("handshake_first: true", ("first",))):
        with tempfile.TemporaryDirectory() as folder, server(folder, with_key(more)) as broker:
            broker.ready()
            said, code = client(broker.port, KEY, NAME, *args)
            assert code == 0 and said == "300 messages, there and back", (said, code)
            for key, name in ((KEY[:-1] + "0", NAME), (KEY, "pump 8")):
                said, code = client(broker.port, key, name, *args)
                # An alert says so, unless the end of the connection has overtaken it.
                assert code == 1 and "another psk or psk_identity" in said, said
            said, code = client(broker.port, KEY[:-2], NAME)
            assert code == 1 and "EINVAL: psk is 32 to 128 digits of base 16" in said, said
    with tempfile.TemporaryDirectory() as folder, server(folder, "") as broker:
        broker.ready()
        said, code = client(broker.port, KEY, NAME)
        assert code == 1 and "ENOTSUP: the server offers no TLS" in said, said
    print("a key that is shared: all as it should be")


main()
