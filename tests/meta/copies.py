# SPDX-License-Identifier: Apache-2.0
"""What rill_start() copies: each pointer of a struct that api/copy.c has a table of is in that
table, or is one that is taken as it is. The fields are those of rill.abi. The check first has to
catch a row that is taken away."""
import re
import sys

from support import finish, read

# Pointers that are values to rill_start(): handles, functions, and what goes to these.
AS_THEY_ARE = {"rill_call.sub", "rill_call.kv", "rill_call.objs", "rill_call.to", "rill_call.batch",
               "rill_call.forward",
               "rill_sub_opts.on_msg", "rill_sub_opts.arg"}


def tables(text):
    """{struct: the fields that its table has}."""
    found = {}
    for name, rows in re.findall(r"copy_row (\w+)_rows\[\] = \{(.*?)\n\};", text, re.S):
        fields = re.findall(rf"(?:COPY_\w+\({name}|offsetof\({name}), (?:COPY_\w+, )?(\w+)", rows)
        found[name] = set(fields)
    for name in re.findall(r"ri_copy_type \w+ = \{\"(\w+)\"", text):
        found.setdefault(name, set())
    return found


def missing(text, abi):
    found = []
    for name, fields in tables(text).items():
        for field, kind in re.findall(rf"^    \d+ \d+ {name}\.(\w+): (.*)$", abi, re.M):
            if "*" in kind and field not in fields and f"{name}.{field}" not in AS_THEY_ARE:
                found.append(f"{name}.{field}: lib/api/copy.c has no row for that pointer")
    return found


copy, abi = read("lib/api/copy.c"), read("tests/meta/rill.abi")
planted = copy.replace("    COPY_AT(rill_post, COPY_TEXT, msg_id),\n", "")
if planted == copy or missing(planted, abi) == missing(copy, abi):
    sys.exit("the check is blind: a row that is not there was not missed")
if __name__ == "__main__":
    finish(f"{len(tables(copy))} structs that rill_start() copies", missing(copy, abi))
