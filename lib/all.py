# SPDX-License-Identifier: Apache-2.0
"""all.py LIB_DIR VERSION ARGUMENT... FILE...: the library as one C file, on standard output.
What its files include of each other stands in it, a header once, a table as often as it is
included; what they include of the system and `rill.h` stays included. The arguments that begin
with -D are what the build was configured with: they become lines at the top, so that the file wants
no option of a compiler."""
import pathlib
import re
import sys

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)".*\n', re.M)
HEAD = """/* SPDX-License-Identifier: Apache-2.0
 *
 * rill_all.c - rill {version} in one file, made by lib/all.py from the files that its lines name.
 * It wants rill.h beside it, libevent_core, Mbed TLS 2.28 or 3, zlib, xxhash.h, threads, and what
 * the definitions below stand for:
 *
 *     cc -std=c11 -O2 -DNDEBUG -c rill_all.c
 */
"""

MICRO = """/* SPDX-License-Identifier: Apache-2.0 */
/* rill_micro.c - rill {version} for firmware in one file, made by lib/all.py from the files that
 * its lines name. It wants rill.h beside it and, of a C library, string.h alone:
 *
 *     arm-none-eabi-gcc -std=c11 -Os -mcpu=cortex-m3 -mthumb -DNDEBUG -c rill_micro.c
 *
 * It has all parts unless some are named: -DRI_MICRO_MEM, the bus of this process, -DRI_MICRO_NATS,
 * the client of NATS, and, with that, -DRI_MICRO_JETSTREAM; -DRI_MICRO_FLASH, a store on flash.
 * -DRI_MICRO_TLS, beside any of them, is TLS by a key that is shared, and wants mbedTLS. */
"""


class One:
    """A file that grows by others."""

    def __init__(self, lib):
        self.lib, self.seen, self.out = lib, set(), []

    def find(self, name, beside):
        for folder in (beside, self.lib):
            path = (folder / name).resolve()
            if path.is_file():
                return path
        return None

    def add(self, path):
        text = path.read_text(encoding="utf-8")
        if re.search(r"^#ifndef (RI_\w+_H)\n#define \1\n", text, re.M):
            if path in self.seen:
                return
            self.seen.add(path)
        self.out.append(f"\n/* ==== {path.relative_to(self.lib)} ==== */\n")
        at = 0
        for found in INCLUDE.finditer(text):
            self.out.append(text[at:found.start()])
            at = found.end()
            inner = None if found[1] == "rill.h" else self.find(found[1], path.parent)
            if inner:
                self.add(inner)
            else:
                self.out.append(found.group())
        self.out.append(text[at:])


def main():
    lib, version, rest = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2], sys.argv[3:]
    definitions = [word[2:].replace("=", " ", 1) for word in rest if word.startswith("-D")]
    one = One(lib)
    for word in rest:
        if not word.startswith("-"):
            one.add(pathlib.Path(word).resolve())
    sys.stdout.write((MICRO if "--micro" in rest else HEAD).format(version=version))
    for definition in definitions:
        name = definition.split()[0]
        sys.stdout.write(f"#ifndef {name}\n#define {definition}\n#endif\n")
    sys.stdout.write("".join(one.out))


main()
