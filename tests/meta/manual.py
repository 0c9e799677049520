# SPDX-License-Identifier: Apache-2.0
"""manual.py manual|mandoc RILL RILLD: the pages of the manual say what there is.

manual: each exported call has a page, and nothing that rill.h says of a group is missing on its
page; rilld(8) has the flags that rilld knows and shows by --help, rilld.conf(5) the keys of its
tables, block by block, obeyed ones, refused ones and ignored ones, and neither has others; the
pages that one names are there.
mandoc: `mandoc -Tlint` finds nothing to say of any page."""
import collections
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from support import ROOT, finish, read, released, run

sys.path.insert(0, str(ROOT / "lib/man"))
import pages as maker  # noqa: E402 (the folder is not a package)

VERSION = "0"
KINDS = {"REFUSED": "refused", "IDLE": "ignored"}
TABLES = {"top_keys": "Top level", "authorization_keys": "Authorization", "tls_keys": "TLS",
          "jetstream_keys": "JetStream", "limit_keys": "Limits", "kafka_keys": "Kafka",
          "web_keys": "WebSocket"}


# Keys whose meaning changes with the feature that obeys them: each leaves this list when the
# page has what it means then.
NEWER = {"operator", "operators", "roots", "root", "trusted", "trusted_keys", "resolver",
         "account_resolver", "accounts_resolver", "resolver_preload"}


# ---- The library ----

def words(text):
    return collections.Counter(re.findall(r"[A-Za-z0-9_]+", text))


def library_problems(header, made):
    problems = []
    for name in released():
        page = made.get(f"{name}.3", "")
        lead = re.match(r"\.so man3/(.*)$", page.strip())
        if not re.search(rf"^\.Fo {name}\(?\)?$", made.get(lead[1], "") if lead else page, re.M):
            problems.append(f"{name}() is exported and has no page")
    for group in maker.groups(header):
        page = re.sub(r"\\fB|\\fR|\\&|\\\((ti|ha|ga|aq|dq)", " ", made[f"{group.page}.3"])
        said = "\n".join(re.findall(r"/\*.*?\*/", group.text, re.S))
        missing = words(re.sub(r"\\", "e", said)) - words(page)
        if missing:
            problems.append(f"{group.page}(3) lacks words of rill.h: {', '.join(missing)}")
    return problems


# ---- The daemon ----

def flags_of_table():
    table = re.search(r"option_flags\[\] = \{(.*?)\n\};", read("examples/rilld/options.c"), re.S)[1]
    return {name for names in re.findall(r'\{"([^"]*)"', table) for name in names.split()}


def flags_of_page(page):
    """Each `.Fl` of a list or of the paragraph of those that are not supported."""
    body = page[page.index(".Sh DESCRIPTION"):page.index(".Sh SIGNALS")]
    return {name.removeprefix("-") for name in re.findall(r"Fl ([-\w]+)", body)}


def flag_problems(page, rilld):
    table, of_page = flags_of_table(), flags_of_page(page)
    shown = set(re.findall(r"(?<![\w<-])--?([A-Za-z_]+)", "\n".join(
        line[:37] for line in run(rilld, "--help").splitlines() if line.startswith("    -")
        or line.startswith("        --"))))
    problems = [f"rilld(8) lacks -{name}" for name in sorted((table | shown) - of_page)]
    return problems + [f"rilld(8) has -{name}, which rilld does not know"
                       for name in sorted(of_page - table)]


def keys_of_tables():
    """{block: {kind: names}} of keys.c; kind: obeyed, refused or ignored."""
    text, blocks = read("examples/rilld/keys.c"), {}
    for table, body in re.findall(r"key_row (\w+)\[\] = \{(.*?)\n\};", text, re.S):
        kinds = blocks.setdefault(TABLES.get(table, table), collections.defaultdict(set))
        body = re.sub(r'"\s*\n\s*"', "", body)
        for names, kind in re.findall(r'\{"([^"]*)",\s*KEY_(\w+)', body):
            kinds[KINDS.get(kind, "obeyed")] |= set(names.split())
    blocks["Mappings"] = {"obeyed": set(re.findall(r'strcasecmp\(node->key, "(\w+)"\)', text))}
    return blocks


def names_in(file, test):
    """What the functions of a file compare a key with."""
    text = read(file)
    names = {n for pair in re.findall(rf'\b{test}\(\w+, "(\w+)", "(\w+)"\)', text) for n in pair}
    for of in re.findall(r"const char \*const \w+\[\] = \{(.*?)\}", text, re.S):
        names |= set(re.findall(r'"(\w+)"', of))
    return names


def names_of_trades(text):
    """The keys of exports and imports: words of the calls that compare a key with some."""
    return {name for words_of in re.findall(r'trades_is\(\w+, "([^"]+)"\)', text)
            for name in words_of.split()}


def keys_of_page(page):
    """{block: {kind: names}} of rilld.conf(5)."""
    blocks = {}
    body = page[page.index(".Sh KEYS"):page.index(".Sh EXAMPLES")]
    for block, text in re.findall(r"^\.Ss (.*)\n((?:(?!\.Ss ).*\n)*)", body, re.M):
        kinds, kind = blocks.setdefault(block, collections.defaultdict(set)), None
        for line in text.splitlines():
            if line.startswith(".It "):
                kind = line[len(".It Em "):] if line.startswith(".It Em") else "obeyed"
                line = line if line.startswith(".It Ic ") else ""
            elif kind not in ("refused", "ignored") or not line.startswith(".Ic "):
                continue
            kinds[kind] |= {word for word in re.sub(r"^\.(It )?Ic ", "", line).split()
                            if word not in (",", ".")}
    return blocks


def key_problems(page):
    of_page, tables, problems = keys_of_page(page), keys_of_tables(), []
    for block, kinds in tables.items():
        for kind in ("obeyed", "refused", "ignored"):
            there = kinds.get(kind, set()) - NEWER
            here = of_page.get(block, {}).get(kind, set()) - NEWER
            problems += [f"rilld.conf(5), {block}: {name} is {kind}, and not there"
                         for name in sorted(there - here)]
            problems += [f"rilld.conf(5), {block}: {name} is not {kind}" for name in
                         sorted(here - there)]
    for block, file, test in (("Accounts", "examples/rilld/accounts.c", "accounts_is"),
                              ("Users", "examples/rilld/users.c", "users_is")):
        here = set().union(*of_page[block].values())
        there = names_in(file, test)
        problems += [f"rilld.conf(5), {block}: {name}" for name in sorted(there ^ here)]
    here = set().union(*of_page.get("Exports and imports", {}).values())
    there = names_of_trades(read("examples/rilld/trades.c"))
    return problems + [f"rilld.conf(5), Exports and imports: {name}"
                       for name in sorted(there ^ here)]


def reference_problems(made):
    """Pages that a page sends its reader to."""
    problems = []
    for name, text in made.items():
        for page, section in re.findall(r"^\.(?:It )?Xr (\S+) (\d)", text, re.M):
            if f"{page}.{section}" not in made:
                problems.append(f"{name}: there is no {page}({section})")
    return problems


# ---- Does the check catch what it is for? ----

def planted(header, made, flags, keys, rilld):
    lost = {**made, "rill_kv_open.3": made["rill_kv_open.3"].replace("CAUGHT_UP", "")}
    gone = {name: text for name, text in made.items() if name != "rill_ack.3"}
    caught = {
        "a word is lost": library_problems(header, lost),
        "a call without a page": library_problems(header, gone),
        "a page that is not there": reference_problems(gone | {"x.3": ".Xr rill_ack 3 ,\n"}),
        "a flag too many": flag_problems(flags.replace(".It Fl t\n", ".It Fl t , Fl -tt\n"), rilld),
        "a flag too few": flag_problems(flags.replace(".It Fl t\n", ""), rilld),
        "a key too few": key_problems(keys.replace(".It Ic spin\n", "")),
        "a key of an export too few": key_problems(keys.replace(".It Ic latency\n", "")),
        "a key of an import too many": key_problems(
            keys.replace(".It Ic to\n", ".It Ic to , by\n")),
        "a key of another block": key_problems(keys.replace(".It Ic token", ".It Ic domain")),
        "a key that is not refused": key_problems(keys.replace(".Ic ocsp ,", ".Ic")),
    }
    return [f"planted: {what}: not caught" for what, found in caught.items() if not found]


def lint(made):
    if not shutil.which("mandoc"):
        print("skipped: mandoc is not here (Debian: apt-get install mandoc)")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as work:
        whole = [name for name, text in made.items() if not text.startswith(".so ")]
        for name in whole:
            pathlib.Path(work, name).write_text(made[name], encoding="utf-8")
        pathlib.Path(work, "planted.3").write_text(".Dd x\n.Dt PLANTED 3\n.Os\n.Sh NAME\n",
                                                   encoding="utf-8")
        said = subprocess.run(["mandoc", "-Tlint", *whole, "planted.3"], cwd=work,
                              capture_output=True, text=True, check=False).stdout.splitlines()
    planted_found = any("planted.3" in line for line in said)
    problems = [line for line in said if "planted.3" not in line
                and "referenced manual not found" not in line]  # reference_problems() looks at that
    finish(f"mandoc of {len(whole)} pages",
           problems + ([] if planted_found else ["planted: mandoc says nothing of a bad page"]))


def main():
    what, rill, rilld = sys.argv[1:]
    made = maker.pages(ROOT / "include/rill.h", VERSION)
    flags, keys = read("examples/man/rilld.8"), read("examples/man/rilld.conf.5")
    made |= {"rill.1": run(rill, "man"), "rilld.8": flags, "rilld.conf.5": keys}
    if what == "mandoc":
        lint(made)
    header = read("include/rill.h")
    problems = library_problems(header, made) + flag_problems(flags, rilld) + key_problems(keys)
    problems += reference_problems(made) + planted(header, made, flags, keys, rilld)
    finish(f"{len(made)} pages of the manual", problems)


main()
