# SPDX-License-Identifier: Apache-2.0
"""count.py [--why] TESTLOG...: "N passed, N failed" of meson's test logs; skipped tests are named,
and with --why each that failed shows the end of what it printed."""
import json
import sys

LINES, COLUMNS = 25, 300


def end_of(test):
    """The last lines of what a test printed."""
    printed = (test.get("stdout") or "") + (test.get("stderr") or "")
    return [line[:COLUMNS] for line in printed.rstrip().split("\n")[-LINES:]]


why = "--why" in sys.argv[1:]
passed = failed = 0
for path in [arg for arg in sys.argv[1:] if arg != "--why"]:
    for line in open(path, encoding="utf-8"):
        test = json.loads(line)
        if test["result"] in ("OK", "EXPECTEDFAIL"):
            passed += 1
        elif test["result"] == "SKIP":
            print(f"skipped: {test['name']}: {(test.get('stdout') or '').strip()[-200:]}")
        else:
            failed += 1
            print(f"failed: {test['name']} ({test['result']})")
            for text in end_of(test) if why else []:
                print(f"    | {text}")
print(f"{passed} passed, {failed} failed")
