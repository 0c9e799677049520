# SPDX-License-Identifier: Apache-2.0
"""declare.py rust|c HEADER: what rill.h declares, as the declarations of rill-sys, or as a program
in C that prints each size, offset and constant by which rill-sys compares them (tests/layout.rs).
The declarations are checked in, so that whoever builds the crate needs neither this nor bindgen;
the meta test `rust header` compares them with rill.h."""
import re
import sys
from pathlib import Path

form, path = sys.argv[1:]
text = re.sub(r"/\*.*?\*/", "", Path(path).read_text(), flags=re.S)
text = re.sub(r"#ifdef __cplusplus\n(.*?)#(else|endif)", "", text, flags=re.S)

PLAIN = {"void": "c_void", "char": "c_char", "int": "c_int", "bool": "bool", "size_t": "usize",
         "int32_t": "i32", "int64_t": "i64", "uint8_t": "u8", "uint32_t": "u32", "uint64_t": "u64"}
KEYWORDS = {"type", "match", "move", "ref", "loop", "in", "as", "fn"}
FUNCTION = re.compile(r"^(?P<out>[\w ]+?[ *]+)\(\*(?P<name>\w*)\)\((?P<args>.*)\)$")


def split(args):
    """At commas that are in no parentheses."""
    parts, depth, last = [], 0, 0
    for i, c in enumerate(args):
        depth += (c == "(") - (c == ")")
        if c == "," and depth == 0:
            parts.append(args[last:i])
            last = i + 1
    return [p.strip() for p in [*parts, args[last:]] if p.strip() not in ("", "void")]


def rust_type(words):
    """Of a type without its name: 'const rill_msg *const *'."""
    tokens = re.findall(r"\w+|\*", words)
    base = next(t for t in tokens if t not in ("const", "struct", "*"))
    at = tokens.index(base)
    name = PLAIN.get(base, base)
    const = "const" in tokens[:at]
    for token in tokens[at + 1:]:
        if token == "*":
            name = f"*{'const' if const else 'mut'} {name}"
            const = False
        elif token == "const":
            const = True
    return name


def rust_function(found):
    args = ", ".join("{}: {}".format(*declared(a, i)) for i, a in enumerate(split(found["args"])))
    out = found["out"].strip()
    arrow = "" if out == "void" else f" -> {rust_type(out)}"
    return f"unsafe extern \"C\" fn({args}){arrow}"


def declared(words, i=0):
    """Name and type of a declaration."""
    words = " ".join(words.split())
    found = FUNCTION.match(words)
    if found:
        return found["name"], f"Option<{rust_function(found)}>"
    array = re.search(r"\[([^\]]+)\]$", words)
    words = words[:array.start()] if array else words
    found = re.match(r"^(.*?)(\w+)$", words)
    kind, name = found.groups()
    if not re.search(r"\w", kind.replace("const", "")):  # no name is given
        kind, name = words, f"a{i}"
    name = name + "_" if name in KEYWORDS else name
    kind = rust_type(kind)
    if array:
        size = re.sub(r"\b(RILL_\w+)", r"\1 as usize", array.group(1))
        kind = f"[{kind}; {size}]"
    return name, kind


def fields_of(body):
    rows = []
    for line in body.split(";"):
        line = " ".join(line.split())
        if not line:
            continue
        if FUNCTION.match(line):
            rows.append(declared(line))
            continue
        first, *more = split(line)
        base = re.match(r"^(const )?(struct )?\w+", first).group(0)
        rows += [declared(first)] + [declared(f"{base} {m}") for m in more]
    return rows


constants = []  # name, type, value or None for what the one before has and one more
for name, number in re.findall(r"X\((E\w+), (\d+),", text):
    constants.append((f"RILL_{name}", "rill_err", f"-{number}"))
enums = []
for kind, body in re.findall(r"\bRILL_ENUM\((\w+)\) \{(.*?)\n?\};?", text,
                             flags=re.S):
    if kind == "T":
        continue
    enums.append(kind)
    value = 0
    for part in re.sub(r"#.*|RILL_ERROR_MAP.*", "", body).split(","):
        words = part.split("=")
        name = words[0].strip()
        if not name or not name.startswith("RILL_") or name == "RILL_ERR_FIRST_":
            continue
        if len(words) > 1:
            value = int(words[1])
        constants.append((name, kind, str(value)))
        value += 1
for body in re.findall(r"\nenum \{(.*?)\n\};", text, flags=re.S):
    for name, value in re.findall(r"(\w+) = ([^,]+),", body):
        constants.append((name, "u32", value.strip()))
for name, value in re.findall(r"#define (RILL_\w+)\s+(\(?\d[^\n/]*|UINT32_MAX)", text):
    constants.append((name, "u32", value.strip().replace("UINT32_MAX", "u32::MAX").strip("()")))

structs = re.findall(r"typedef struct (\w+) \{(.*?)\n\} \1;", text, flags=re.S)
structs += [(n, b) for n, b in re.findall(r"typedef struct (\w+) \{([^\n]*)\} \1;", text)]
opaque = re.findall(r"typedef struct (\w+) \1;", text)
pointers = re.findall(r"^typedef (\w[\w ]*?[ *]+)\(\*(\w+)\)\(([^;]*)\);", text, flags=re.M)
calls = re.findall(r"^RILL_API (.*?);", text, flags=re.M | re.S)
assert len(structs) > 30 and len(calls) > 90 and len(constants) > 100 and len(pointers) > 10


def rust():
    print("// SPDX-License-Identifier: Apache-2.0\n"
          "// Made by declare.py from rill.h, which has the manual. Not to be changed by hand.\n")
    print("use core::ffi::{c_char, c_int, c_void};\n")
    for kind in enums:
        print(f"pub type {kind} = i32;")
    print()
    for name, kind, value in constants:
        print(f"pub const {name}: {kind} = {value};")
    print()
    for name in opaque:
        print(f"#[repr(C)]\npub struct {name} {{\n    _opaque: [u8; 0],\n"
              "    _thread: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,\n}")
    for name, body in structs:
        print(f"\n#[repr(C)]\n#[derive(Clone, Copy)]\npub struct {name} {{")
        for field, kind in fields_of(body):
            print(f"    pub {field}: {kind},")
        print("}")
    print()
    for out, name, args in pointers:
        found = dict(out=out, args=args)
        print(f"pub type {name} = Option<{rust_function(found)}>;")
    print('\nextern "C" {')
    for call in calls:
        call = " ".join(call.replace("RILL_ASKS", "").split())
        found = re.match(r"^(.*?)\b(rill_\w+)\((.*)\)$", call)
        out, name, args = found.groups()
        row = ", ".join("{}: {}".format(*declared(a, i)) for i, a in enumerate(split(args)))
        arrow = "" if out.strip() == "void" else f" -> {rust_type(out)}"
        print(f"    pub fn {name}({row}){arrow};")
    print("}\n\n/// For the test of the layout: each size, offset and constant, as C prints them.\n"
          "#[doc(hidden)]")
    print("pub fn layout() -> Vec<String> {\n    use core::mem::{offset_of, size_of};\n    vec![")
    for name, body in structs:
        print(f'        format!("{name} {{}}", size_of::<{name}>()),')
        for field, _ in fields_of(body):
            bare = field.rstrip("_") if field[:-1] in KEYWORDS else field
            print(f'        format!("{name}.{bare} {{}}", offset_of!({name}, {field})),')
    for name, _, _ in constants:
        print(f'        format!("{name} {{}}", {name}),')
    print("    ]\n}")


def c():
    print("/* Made by declare.py from rill.h, for layout.rs. */\n"
          "#include <rill.h>\n#include <stdio.h>\n\nint main(void)\n{")
    for name, body in structs:
        print(f'    printf("{name} %zu\\n", sizeof({name}));')
        for field, _ in fields_of(body):
            bare = field.rstrip("_") if field[:-1] in KEYWORDS else field
            print(f'    printf("{name}.{bare} %zu\\n", offsetof({name}, {bare}));')
    for name, _, _ in constants:
        print(f'    printf("{name} %lld\\n", (long long)({name}));')
    print("}")


{"rust": rust, "c": c}[form]()
