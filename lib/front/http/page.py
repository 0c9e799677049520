#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes http_page_bytes.h from page.html, both beside this file: the page as gzip, and the policy
that allows its script and its style alone, by their hashes. With --check nothing is written: the
page in the header has to be that file, and the policy its own."""
import base64
import gzip
import hashlib
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
HEADER = HERE / "http_page_bytes.h"


def policy(page):
    hashes = {}
    for tag in ("script", "style"):
        parts = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.S)
        assert len(parts) == 1, f"page.html has {len(parts)} <{tag}>"
        digest = base64.b64encode(hashlib.sha256(parts[0].encode()).digest()).decode()
        hashes[tag] = f"'sha256-{digest}'"
    assert not re.search(r"\son\w+=|\sstyle=|javascript:", re.sub(r"<script>.*", "", page,
                                                                  flags=re.S))
    return [f"default-src 'none'; script-src {hashes['script']};",
            f" style-src {hashes['style']};",
            " connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none';",
            " frame-ancestors 'none'"]


def header(page):
    packed = gzip.compress(page.encode(), 9, mtime=0)
    lines = [", ".join(str(b) for b in packed[i:i + 19]) + ","
             for i in range(0, len(packed), 19)]
    rows = "\n".join("    " + line for line in lines)
    words = "\n    ".join(f'"{part}"' for part in policy(page))
    return f"""/* SPDX-License-Identifier: Apache-2.0 */
/* page.py has made this of page.html: the page as gzip, and what it may load. */
#ifndef RI_HTTP_PAGE_BYTES_H
#define RI_HTTP_PAGE_BYTES_H

#define RI_HTTP_PAGE_POLICY \\
    {words.replace(chr(10), " " + chr(92) + chr(10))}

static const unsigned char http_page_bytes[] = {{
{rows}
}};

#endif
"""


def check(page):
    text = HEADER.read_text()
    body = text[text.index("{") + 1:text.rindex("}")]
    packed = bytes(int(n) for n in re.findall(r"\d+", body))
    if gzip.decompress(packed).decode() != page:
        return "http_page_bytes.h is not of page.html"
    if "".join(policy(page)) != "".join(re.findall(r'"(.*)"', text)):
        return "the policy in http_page_bytes.h is not that of page.html"
    return None


def main():
    page = (HERE / "page.html").read_text()
    if "--check" not in sys.argv:
        HEADER.write_text(header(page))
        return 0
    wrong = check(page)
    print(wrong or f"the page has {len(page)} bytes, and is the one that is served")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
