# SPDX-License-Identifier: Apache-2.0
"""count.py TESTLOG...: "N passed, N failed" of meson's test logs; skipped tests are named."""
import json
import sys

passed = failed = 0
for path in sys.argv[1:]:
    for line in open(path, encoding="utf-8"):
        test = json.loads(line)
        if test["result"] in ("OK", "EXPECTEDFAIL"):
            passed += 1
        elif test["result"] == "SKIP":
            print(f"skipped: {test['name']}: {(test.get('stdout') or '').strip()[-200:]}")
        else:
            failed += 1
            print(f"failed: {test['name']} ({test['result']})")
print(f"{passed} passed, {failed} failed")
