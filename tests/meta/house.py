# SPDX-License-Identifier: Apache-2.0
"""The house in figures: floors and rooms, names, sizes and columns, assertions. Each check is a
file of its own, which says what it wants; here they print what they found in one place, and each
has to find the violations that are planted for it, in the tree as it is."""
import sys

import assertions
import floors
import names
import sizes
from support import planted, sources

tree = sources()
failed = 0
for part in (floors, names, sizes, assertions):
    what, problems = planted(part.check, part.PLANTS, tree)
    print(f"{part.__name__}: {what}; {len(part.PLANTS)} planted violations were found")
    for problem in problems:
        print(f"    {problem}")
    failed += len(problems)
print(f"the house: {failed} problem(s)")
sys.exit(1 if failed else 0)
