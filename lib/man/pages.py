# SPDX-License-Identifier: Apache-2.0
"""pages.py RILL_H OUT_DIR VERSION: the manual of the library, from rill.h alone. rill(3) has the
house rules and all groups of calls, a page each group what its part of the header says, and each
call and struct a page that leads there. An OUT_DIR that is not there is made; within `meson
install` it is below what that installs to.

The header is read as it is written: comments, declarations and the lines that begin a group. The
comment directly above a declaration is about that and the ones below it up to a blank line; one
that stands alone is about the group. A group that has no row in GROUPS fails the build."""
import os
import pathlib
import re
import sys
import time

# A group's heading in rill.h: (its page, what whatis(1) says of it).
GROUPS = {
    "Version": ("rill_version", "the version of the library"),
    "Errors": ("rill_errors", "errors and their sentences"),
    "Small types": ("rill_msg", "messages, texts and options"),
    "Hooks": ("rill_host", "memory, clocks and the log of the host"),
    "Your own wire": ("rill_wire", "connections whose bytes the program moves"),
    "TLS": ("rill_tls", "certificates of handles and listeners"),
    "Users": ("rill_user", "who may log in, and what may be done"),
    "The bus": ("rill_open", "open, drive and close a bus"),
    "Sending": ("rill_publish", "publish, append and request"),
    "Receiving": ("rill_subscribe", "subscribe, consume and settle"),
    "Streams": ("rill_stream_ensure", "streams of stored messages"),
    "Groups: readers of a stream that share its messages":
        ("rill_group_ensure", "groups that share the messages of a stream"),
    "Forwarding: a stream that goes on elsewhere":
        ("rill_forward_open", "carry a stream to another bus"),
    "Key-value": ("rill_kv_open", "buckets of keys and values"),
    "Objects": ("rill_objs_open", "buckets of objects of any length"),
    "Calls that do not wait": ("rill_start", "begin a call, and hear of its end"),
    "All that comes, in one call": ("rill_reap", "messages and ends of calls, many at a time"),
    "Care of a store": ("rill_store_check", "check, copy and salvage a store"),
    "Embedding a broker": ("rill_broker_open", "a broker of this process, and its listeners"),
}
WIDTH = 78


# ---- rill.h to items ----

class Item:
    """A comment, a #define or a declaration."""

    def __init__(self, kind, text, blank):
        self.kind, self.text, self.blank = kind, text, blank  # blank: an empty line stood before
        self.trailing = ""                                    # a comment behind it on its line

    def name(self):
        if self.kind == "define":
            return re.match(r"#define (\w+)", self.text)[1]
        if self.kind == "function":
            return re.search(r"(\w+)\(", self.text)[1]
        found = (re.match(r"(?:RILL_ENUM\(|typedef struct )(\w+)[) {]", self.text)
                 or re.search(r"\(\*(\w+)\)", self.text) or re.search(r"(\w+);$", self.text))
        return found[1] if found and not self.text.startswith("enum") else ""


def conditionals(text):
    """`text` as a C compiler sees it that has no __cplusplus, __GNUC__ set, no #includes."""
    kept, stack = [], []
    for line in text.split("\n"):
        if re.match(r"#if", line):
            stack.append("__cplusplus" not in line)
        elif line.startswith("#else"):
            stack[-1] = not stack[-1]
        elif line.startswith("#endif"):
            stack.pop()
        elif all(stack):
            kept.append(line)
    return "\n".join(kept)


def declaration_end(text, at):
    depth = 0
    while True:
        if text.startswith("/*", at):
            at = text.index("*/", at) + 2
            continue
        depth += (text[at] in "{(") - (text[at] in "})")
        at += 1
        if text[at - 1] == ";" and depth == 0:
            return at


def kind_of(text):
    for begin, kind in (("RILL_API", "function"), ("RILL_ENUM", "enum"), ("enum", "enum")):
        if text.startswith(begin):
            return kind
    if "{" in text:
        return "struct"
    return "callback" if "(*" in text else "opaque"


def items(text):
    at, out = 0, []
    while True:
        space = re.compile(r"\s*").match(text, at)
        at, blank = space.end(), space.group().count("\n") > 1
        if at == len(text):
            return out
        if text.startswith("/*", at):
            end = text.index("*/", at) + 2
            same_line = out and out[-1].kind != "comment" and "\n" not in space.group()
            if same_line:
                out[-1].trailing = text[at:end]
            else:
                out.append(Item("comment", text[at:end], blank))
        elif text[at] == "#":
            end = re.compile(r"#([^\n\\/]|\\\n|/(?!\*))*").match(text, at).end()
            if re.match(r"#define RILL_\w", text[at:end]):
                out.append(Item("define", text[at:end].rstrip(), blank))
        else:
            end = declaration_end(text, at)
            out.append(Item(kind_of(text[at:end]), text[at:end], blank))
        at = end


# ---- Words to mdoc ----

def quoted(text):
    """What roff would take for its own."""
    text = text.replace("\\", "\\e").replace("^", "\\(ha").replace("~", "\\(ti")
    text = re.sub(r"`([^`\s]+)`", r"\\fB\1\\fR", text).replace("`", "\\(ga")
    return text


def guarded(line):
    return "\\&" + line if line[:1] in (".", "'") else line


CALL = re.compile(r"([(\"]*)([a-z]\w+)\(\)('s)?([.,;:)\"]*)$")


def called(before, name, of, behind):
    """A word that is a call, as a line of its own."""
    behind = " ".join(c.replace('"', "\\(dq") for c in behind)
    return (f".Pf {before} " if before else ".").replace('"', "\\(dq") + f"Fn {name}" + (
        " Ns 's" if of else "") + (f" {behind}" if behind else "")


def filled(text):
    """Lines of at most WIDTH columns; a sentence begins on a line of its own."""
    out = []
    for sentence in re.split(r"(?<=[.!?])(?<!\.\.) +|(?<=[.!?][)\"']) +", " ".join(text.split())):
        line = ""
        for word in quoted(sentence).split(" "):
            call = CALL.match(word)
            if call:
                out += [guarded(line)] * bool(line) + [called(*call.groups())]
                line = ""
            elif line and len(line) + 1 + len(word) > WIDTH:
                out.append(guarded(line))
                line = word
            else:
                line = f"{line} {word}" if line else word
        out.append(guarded(line))
    return [line for line in out if line]


def literal(lines):
    strip = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    lines = [guarded(quoted(line[strip:].rstrip()).replace("'", "\\(aq")) for line in lines]
    return [".Bd -literal -offset indent", *lines, ".Ed"]


def uncommented(text):
    """The lines of a comment without its stars."""
    lines = text.removeprefix("/*").removesuffix("*/").split("\n")
    return [re.sub(r"^ ?\*? ?", "", line, count=1).rstrip() if i else line.strip()
            for i, line in enumerate(lines)]


def indent(line):
    return len(line) - len(line.lstrip(" "))


ROW = re.compile(r"( *)(\S(?:[^ ]| (?! ))*?) {2,}(\S.*)$|( {2,})(\d+\.) (\S.*)$")


def table(lines, at):
    """Rows of a tag and what it means, from lines[at] on: (rows, where they end)."""
    rows, margin = [], None
    while at < len(lines):
        row = ROW.match(lines[at])
        if row and (margin is None or indent(lines[at]) == margin):
            margin = indent(lines[at])
            rows.append([row[2] or row[5], row[3] or row[6]])
        elif rows and lines[at].strip() and indent(lines[at]) > margin:
            rows[-1][1] += " " + lines[at].strip()
        else:
            break
        at += 1
    return rows, at


def prose(lines):
    """A comment's lines: paragraphs, tables, and code, which is set in by four."""
    out, words, at = [], [], 0

    def flush():
        if words:
            out.append([".Pp", *filled(" ".join(words))])
            words.clear()

    while at < len(lines):
        line = lines[at]
        if not line.strip():
            flush()
            at += 1
        elif not words and re.match(r" {4}(?!.*\S  ).*[;,]$", line):
            end = next((i for i in range(at, len(lines)) if not lines[i].strip()), len(lines))
            out.append(literal(lines[at:end]))
            at = end
        elif ROW.match(line) and len(table(lines, at)[0]) > 1:
            flush()
            rows, at = table(lines, at)
            out.append(listed([(quoted(tag), filled(text)) for tag, text in rows], "Em"))
        else:
            if indent(line) in (2, 3):
                flush()
            words.append(line.strip())
            at += 1
    flush()
    return [line for part in out for line in part]


def listed(rows, macro):
    """[(tag, lines)] as a list of mdoc."""
    out = [".Bl -tag -width Ds"]
    for tag, lines in rows:
        tag += "\\&" * tag.endswith((".", ":"))
        quote = '"' * (" " in tag or "," in tag)
        out += [f".It {macro} {quote}{tag}{quote}", *lines]
    return [*out, ".El"]


# ---- Declarations to mdoc ----

# An error that a field's comment lists begins a line of it.
LISTED = re.compile(r"(RILL_E[A-Z]+(,? (RILL_E[A-Z]+|\.\.|with [^:]*))*|any): ")


def field_text(comment, lists=False):
    parts = [[]]
    for line in comment.removeprefix("/*").removesuffix("*/").split("\n"):
        line = re.sub(r"^ *\* ", "", line).strip()
        if lists and LISTED.match(line) and parts[0]:
            parts.append([])
        parts[-1].append(line)
    texts = [filled(" ".join(part)) for part in parts if any(part)]
    return [line for i, part in enumerate(texts) for line in ([".Pp"] if i else []) + part]


def fields(text, split):
    """A struct's or enumeration's body: [(declaration, comment)], [(None, comment)] between."""
    body = text[text.index("{") + 1:text.rindex("}")]
    body = re.sub(r"#\w.*|RILL_ERROR_MAP\(\w+\)", "", body)
    out, at, declared = [], 0, ""
    for comment in re.finditer(r"/\*.*?\*/", body, re.S):
        before = body[at:comment.start()]
        own_line = not before.rpartition("\n")[2].strip()
        done, _, rest = before.rpartition("\n") if own_line else (before, "", "")
        for one in re.split(split, done):
            if one.strip():
                out.append([" ".join(one.split()), ""])
        if own_line:
            out.append([None, comment.group()])
        elif out and out[-1][0] is not None:
            out[-1][1] += comment.group()
        else:
            out.append([None, comment.group()])
        at = comment.end()
    out += [[" ".join(one.split()), ""] for one in re.split(split, body[at:]) if one.strip()]
    return out


def body_list(item):
    rows, out, shown = fields(item.text, "," if item.kind == "enum" else ";"), [], False
    for what, comment in rows:
        if what is None:
            out += [".El"] * shown + [".Pp", *field_text(comment)]
            shown = False
            continue
        if re.search(r"\breserved\d*\b", what) or (what == "size_t size" and not comment):
            continue
        if not shown:
            out.append(".Bl -tag -width Ds -compact")
        shown = True
        macro = "Dv" if item.kind == "enum" else "Vt"
        text = quoted(what)
        out.append(f'.It {macro} "{text}"' if " " in text else f".It {macro} {text}")
        out += field_text(comment, item.kind == "enum")
    return out + [".El"] * shown


def shown_define(item):
    """A constant by its value, a macro with arguments as it is."""
    name, args, value = re.match(r"#define (\w+)(\([^)]*\))?\s*(.*)$", item.text, re.S).groups()
    text = field_text(item.trailing) if item.trailing else []
    if args or "(" in value.strip("()") or not value:
        return literal(item.text.split("\n")) + ([".Pp", *text] if text else [])
    return listed([(f"{name} ({quoted(value.strip('()'))})", text)], "Dv")


def parameters(text):
    inside = re.search(r"\w+\((.*)\)[^)]*;$", " ".join(text.split()).replace(" RILL_ASKS", ""))[1]
    return [part.strip() for part in inside.split(",")]


def prototype(item):
    text = " ".join(item.text.split()).removeprefix("RILL_API ")
    kind = text[:text.index(item.name())].strip()
    quote = f'"{kind}"' if " " in kind else kind
    return [f".Ft {quote}", f".Fo {item.name()}",
            *(f'.Fa "{part}"' for part in parameters(item.text)), ".Fc"]


# ---- Pages ----

class Group:
    def __init__(self, title, text):
        self.title, self.text, self.items = title, text, items(text)
        if title not in GROUPS:
            sys.exit(f'lib/man/pages.py: rill.h has a group "{title}" that has no row in GROUPS')
        self.page, self.brief = GROUPS[title]
        self.calls = [i.name() for i in self.items if i.kind == "function"]
        self.structs = [i.name() for i in self.items if i.kind in ("struct", "enum") and i.name()]

    def clusters(self):
        """[(comment or None, declarations that it is about)], in the order of the header."""
        out = []
        for item in self.items:
            if item.kind == "comment":
                out.append((item, []))
            elif not out or item.blank and out[-1][1] or (item.blank and out[-1][0]):
                out.append((None, [item]))
            else:
                out[-1][1].append(item)
        return out


def heading(of):
    names = [("Fn " if i.kind == "function" else "Vt ") + i.name() for i in of
             if i.name() and i.kind in ("function", "struct", "enum", "callback")]
    return [f".Ss {' , '.join(names)}"] if names else []


def described(comment, of):
    out = heading(of)
    if comment:
        out += prose(uncommented(comment.text))
    opaque = [(i.name(), field_text(i.trailing)) for i in of if i.kind == "opaque" and i.trailing]
    if opaque:
        out += listed(opaque, "Vt")
    for item in of:
        if item.kind == "define" and item.name() == "RILL_ERROR_MAP":
            out += listed([(f"RILL_{name}", filled(text + "."))
                           for name, text in errors(item.text)], "Er")
        elif item.kind == "define":
            out += shown_define(item)
        elif item.kind in ("struct", "enum"):
            if item.trailing:
                out += [".Pp", *field_text(item.trailing)]
            first = re.match(r"(?:typedef struct \w+|RILL_ENUM\(\w+\)|enum) \{\s*(/\*.*?\*/)?",
                             item.text, re.S)
            out += body_list(item) if first else []
        elif item.kind == "callback":
            out += literal(item.text.split("\n")) + (
                [".Pp", *field_text(item.trailing)] if item.trailing else [])
        elif item.kind == "function" and item.trailing:
            out += [".Pp", *filled(item.name() + "():"), *field_text(item.trailing)]
    asks = [i.name() + "()" for i in of if i.kind == "function" and "RILL_ASKS" in i.text]
    if asks:
        out += [".Pp", *filled(f"{', '.join(asks)}: marked RILL_ASKS; see Waiting in rill(3).")]
    return out


def errors(text):
    return re.findall(r"X\((\w+), \d+, \"([^\"]*)\"\)", text)


def section_errors(group, of_all):
    """Which errors the comments of a group name, and beside which calls."""
    by_name = {}
    for comment, of in group.clusters():
        calls = [i.name() + "()" for i in of if i.kind == "function"]
        for name in re.findall(r"RILL_(E[A-Z]+)\b", comment.text if comment and calls else ""):
            by_name.setdefault(name, []).extend(c for c in calls if c not in by_name.get(name, []))
    rows = [(f"RILL_{name}", filled(f"{text}: see {', '.join(by_name[name])}."))
            for name, text in of_all if name in by_name]
    if not group.calls:
        return []
    out = [".Sh ERRORS", "What each call returns is said above, and for all of them in",
           ".Xr rill 3 ."]
    return out + (["By name:", *listed(rows, "Er")] if rows else [])


def head(page, names, brief, date, version):
    return [".\\\" Made from rill.h by lib/man/pages.py.", f".Dd {date}", f".Dt {page.upper()} 3",
            ".Os", ".Sh NAME",
            *(f".Nm {name}" + (" ," if name != names[-1] else "") for name in names),
            f".Nd {brief}", ".Sh LIBRARY", f"librill {version}, by", ".Ql pkg-config rill"]


def see_also(pages):
    pages = sorted(set(pages))
    return [".Sh SEE ALSO", *(f".Xr {p} 3" + (" ," if p != pages[-1] else "") for p in pages)]


def group_page(group, every, date, version, all_errors):
    names = list(dict.fromkeys([group.page, *group.calls, *group.structs]))
    out = head(group.page, names, group.brief, date, version) + [".Sh SYNOPSIS", ".In rill.h"]
    for item in group.items:
        if item.kind == "function":
            out += prototype(item)
    out.append(".Sh DESCRIPTION")
    for comment, of in group.clusters():
        out += described(comment, of)
    out += section_errors(group, all_errors)
    said = set(re.findall(r"\brill_\w+", group.text))
    others = [g.page for g in every if g is not group and said & {g.page, *g.calls, *g.structs}]
    return out + see_also(["rill", *others])


def main_page(top, every, date, version):
    lines = uncommented(top)
    rules = next(i for i, line in enumerate(lines) if line.startswith("HOUSE RULES."))
    words = next(i for i, line in enumerate(lines) if line.startswith("WORDS of "))
    begin = next(i for i, line in enumerate(lines) if line.startswith("rill.h - "))
    about = [line for line in lines[begin:rules] if not line.startswith("Over 900 lines")]
    about[0] = about[0].removeprefix("rill.h - ").capitalize()
    rows, _ = table(lines, next(i for i in range(rules, words) if ROW.match(lines[i])))
    out = head("rill", ["rill"], "messaging that you link", date, version)
    out += [".Sh SYNOPSIS", ".In rill.h", ".Sh DESCRIPTION", *prose(about)]
    out += [".Sh HOUSE RULES", *filled(lines[rules].removeprefix("HOUSE RULES. ")
            .replace("comments below speak", "other pages speak"))]
    out += listed([(tag, filled(text)) for tag, text in rows], "Sy")
    out += [".Sh WORDS", *prose(lines[words:])]
    out += [".Sh CALLS", ".Bl -tag -width Ds"]
    for group in every:
        out += [f".It Xr {group.page} 3", *filled(f"{group.brief}."),
                *([".Pp", *filled(", ".join(c + "()" for c in group.calls) + ".")]
                  if group.calls else [])]
    return out + [".El", ".Sh SEE ALSO", ".Xr rill 1 ,",
                  *(f".Xr {p} 3 ," for p in sorted(g.page for g in every)), ".Xr rilld 8"]


def tidied(lines):
    """Without paragraphs that are none: behind a heading, before a list or a display."""
    out, behind, ahead = [], (".Ss", ".Sh", ".Pp", ".It"), (".Bl", ".Bd", ".El")
    for line, after in zip(lines, [*lines[1:], ".Sh"]):
        if line != ".Pp" or not (out[-1].startswith(behind) or after.startswith(behind + ahead)):
            out.append(line)
    return out


def groups(text):
    text = conditionals(text)
    text = text[text.index("#define RILL_VERSION"):]
    parts = re.split(r"^/\* -+ (.*?) -+ \*/$", text, flags=re.M)
    parts[-1] = parts[-1].rstrip().removesuffix("}").rstrip()
    return [Group("Version", parts[0])] + [Group(*pair) for pair in zip(parts[1::2], parts[2::2])]


def pages(header, version):
    """{file: text} of all that is installed."""
    text = header.read_text(encoding="utf-8")
    when = int(os.environ.get("SOURCE_DATE_EPOCH") or header.stat().st_mtime)
    at = time.gmtime(when)
    date = f"{time.strftime('%B', at)} {at.tm_mday}, {at.tm_year}"
    every = groups(text)
    all_errors = [e for g in every for i in g.items if i.kind == "define" for e in errors(i.text)]
    out = {"rill.3": main_page(text[:text.index("*/") + 2], every, date, version)}
    for group in every:
        out[f"{group.page}.3"] = group_page(group, every, date, version, all_errors)
        for name in [*group.calls, *group.structs]:
            out.setdefault(f"{name}.3", [f".so man3/{group.page}.3"])
    return {name: "\n".join(tidied(lines)) + "\n" for name, lines in out.items()}


def place(into):
    """Where `into` is, as meson has it of a directory that things are installed to."""
    if os.path.isabs(into):
        return pathlib.Path(os.environ.get("DESTDIR", "") + into)
    return pathlib.Path(os.environ.get("MESON_INSTALL_DESTDIR_PREFIX", ""), into)


def main():
    header, into, version = sys.argv[1:]
    into = place(into)
    into.mkdir(parents=True, exist_ok=True)
    for name, text in pages(pathlib.Path(header), version).items():
        (into / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
