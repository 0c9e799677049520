# SPDX-License-Identifier: Apache-2.0
"""hello.py BUILD [LANGUAGE...]: what README.md promises to a stranger.

For each language an empty folder, the command that installs the binding from this checkout, and the
lines under "Hello in LANGUAGE", which have to print hello. librill is that of BUILD, laid where
pkg-config finds it. A language whose tools are not here, or whose registry is not
reached, is said and left out."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
LIMIT = 900


class NotHere(Exception):
    pass


def hello(language):
    text = (HERE / "README.md").read_text()
    lines = re.search(rf"Hello in {re.escape(language)}:\n\n((?:    .*\n)+)", text).group(1)
    return re.sub("^    ", "", lines, flags=re.M)


def tool(name, *elsewhere):
    path = shutil.which(name) or next((p for p in elsewhere if os.path.exists(p)), None)
    if path is None:
        raise NotHere(f"no {name}")
    return path


def ran(folder, words, env):
    done = subprocess.run(words, cwd=folder, env={**os.environ, **env}, text=True, timeout=LIMIT,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def run(folder, *words, **env):
    code, said = ran(folder, words, env)
    if code != 0:
        raise SystemExit(f"{' '.join(map(str, words))}:\n{said[-3000:]}")
    return said


def fetched(folder, *words, **env):
    """What needs a registry: that it is not reached is no failure."""
    code, said = ran(folder, words, env)
    if code != 0:
        raise NotHere(f"{' '.join(map(str, words))}: {said[-300:]}")


def cpp(folder):
    cc = tool("c++")
    head, body = hello("C++").split("\n", 1)
    (folder / "hello.cc").write_text(f"#include <iostream>\n{head}\nint main() {{\n{body}}}\n")
    flags = run(folder, "pkg-config", "--cflags", "--libs", "rill").split()
    run(folder, cc, "-std=c++17", "hello.cc", *flags, "-o", "hello")
    return run(folder, "./hello")


def python(folder):
    run(folder, sys.executable, "-m", "venv", "env")
    pip = folder / "env/bin/pip"
    fetched(folder, pip, "download", "--no-deps", "-q", "setuptools>=61", "-d", "probe")
    # Not in the checkout's folder, where another test may build the wheel.
    (folder / "build.cfg").write_text(f"[build]\nbuild_base = {folder / 'build'}\n")
    run(folder, pip, "install", "-q", HERE / "python", DIST_EXTRA_CONFIG=str(folder / "build.cfg"))
    (folder / "hello.py").write_text(hello("Python"))
    return run(folder, folder / "env/bin/python", "hello.py", PYTHONPATH="")


def go(folder):
    go = tool("go", "/usr/local/go/bin/go")
    (folder / "main.go").write_text(
        'package main\n\nimport (\n"context"\n"fmt"\n\n"rill"\n)\n\n'
        "var ctx = context.Background()\n\n"
        f"func main() {{\n{hello('Go')}_ = err\n}}\n")
    run(folder, go, "mod", "init", "hello")
    run(folder, go, "mod", "edit", "-require", "rill@v0.0.0", "-replace", f"rill={HERE / 'go'}")
    # Go keeps what it has built without looking at what pkg-config says.
    run(folder, go, "build", GOFLAGS="-mod=mod", GOCACHE=str(folder / "cache"))
    return run(folder, "./hello")


def node(folder):
    node, npm = tool("node"), tool("npm")
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    run(folder, npm, "install", "--no-audit", "--no-fund", "--install-links", HERE / "node",
        RILL_FROM="installed")
    (folder / "hello.mjs").write_text(f"{hello('Node')}await bus.close();\n")
    return run(folder, node, "hello.mjs")


def rust(folder):
    cargo = tool("cargo", os.path.expanduser("~/.cargo/bin/cargo"))
    run(folder, cargo, "init", "--name", "hello", "--vcs", "none")
    fetched(folder, cargo, "add", "-q", "rill", "--path", HERE / "rust/rill")
    fetched(folder, cargo, "fetch", "-q")
    (folder / "src/main.rs").write_text(
        f"fn main() -> rill::Result<()> {{\n{hello('Rust')}Ok(())\n}}\n")
    run(folder, cargo, "build", "-q", CARGO_TARGET_DIR=str(folder / "target"))
    return run(folder, "target/debug/hello")


LANGUAGES = {"C++": cpp, "Python": python, "Go": go, "Node": node, "Rust": rust}


def lay(build, prefix):
    """What an installed librill is; tests/meta/install.sh looks at the real one."""
    (prefix / "include").mkdir()
    (prefix / "lib").mkdir()
    for header in HERE / "../include/rill.h", HERE / "cpp/rill.hpp":
        shutil.copy(header, prefix / "include")
    for library in (build / "lib").glob("librill.so*"):
        if library.is_file():
            shutil.copy(library, prefix / "lib", follow_symlinks=False)
    (prefix / "lib/rill.pc").write_text(
        f"prefix={prefix}\nName: rill\nDescription: messaging\nVersion: 0.1.0\n"
        "Cflags: -I${prefix}/include\nLibs: -L${prefix}/lib -lrill\n")
    os.environ["PKG_CONFIG_PATH"] = os.environ["LD_LIBRARY_PATH"] = f"{prefix}/lib"


def main(build, wanted):
    with tempfile.TemporaryDirectory(prefix="rill-installed-") as prefix:
        lay(build, pathlib.Path(prefix))
        return greet(wanted)


def greet(wanted):
    failed = False
    for language in wanted or LANGUAGES:
        with tempfile.TemporaryDirectory(prefix="rill-hello-") as folder:
            try:
                said = LANGUAGES[language](pathlib.Path(folder))
            except NotHere as why:
                print(f"skipped: {language}: {why}", flush=True)
                continue
            except SystemExit as why:
                said = str(why)
            fine = "hello" in said and len(said) < 30
            failed = failed or not fine
            print(f"{'ok  ' if fine else 'FAIL'} {language}: {said.strip()}", flush=True)
    return failed


sys.exit(main(pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:]))
