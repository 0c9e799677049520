# SPDX-License-Identifier: Apache-2.0
"""recording.py RILL: what README records of a terminal is what the tool prints: each command is
run again, in its order, and only times of day and the port may differ."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

BOUND_S = 30
README = pathlib.Path(__file__).resolve().parents[2] / "README.md"


def recorded(text):
    """[command, what it printed] of each, from the section's indented lines."""
    block = text[text.index("## The command line"):text.index("| `pub` `sub`")]
    lines = [line[4:] for line in block.splitlines() if line.startswith("    ")]
    parts = re.split(r"^\$ ", "\n".join(lines), flags=re.M)[1:]
    return [[part.partition("\n")[0], part.partition("\n")[2].strip()] for part in parts]


def same_times(text):
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "TIME", text)


rill = os.path.abspath(sys.argv[1])
(serve, said), *commands = recorded(README.read_text())
assert serve == "rill serve --dir ./data &" and len(commands) >= 9, serve
wrong = 0
with tempfile.TemporaryDirectory() as folder:
    os.symlink(rill, os.path.join(folder, "rill"))
    env = {**os.environ, "PATH": folder + ":" + os.environ["PATH"], "HOME": folder,
           "XDG_CONFIG_HOME": folder}
    broker = subprocess.Popen([rill, "serve", "--dir", os.path.join(folder, "data"), "--listen",
                               "nats://127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    try:
        first = broker.stdout.readline().strip()
        env["RILL_URL"] = first.rpartition(" ")[2]
        if re.sub(r"\d+$", "4222", first) != said:
            wrong += 1
            print(f"$ {serve}\nREADME has: {said}\nit says: {first}")
        for command, want in commands:
            got = subprocess.run(["sh", "-c", command], env=env, text=True, timeout=BOUND_S,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout.strip()
            if same_times(got) != same_times(want):
                wrong += 1
                print(f"$ {command}\nREADME has: {want}\nit says: {got}")
    finally:
        broker.terminate()
        broker.wait(BOUND_S)
print(f"{len(commands) + 1} commands of README: {wrong} differ")
sys.exit(wrong > 0)
