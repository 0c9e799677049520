# SPDX-License-Identifier: Apache-2.0
"""What runs the rows of a test: each function that was marked is one, and prints "ok NAME"."""
import sys
import traceback

rows = []


def row(fn):
    rows.append(fn)
    return fn


def raises(kind, fn, *args, **named):
    """The exception of that kind which the call raises."""
    try:
        got = fn(*args, **named)
    except kind as e:
        assert str(e), "an exception without a sentence"
        return e
    raise AssertionError(f"{kind.__name__} was not raised, but {got!r} returned")


def until(what, seconds=50):
    """Wait for a condition; returns what it gave."""
    import time
    end = time.monotonic() + seconds
    while not (got := what()):
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.001)
    return got


def main(run=lambda fn: fn()):
    """Without arguments all rows run; else those that are named."""
    failed = 0
    for fn in rows:
        if len(sys.argv) > 1 and fn.__name__ not in sys.argv[1:]:
            continue
        try:
            run(fn)
            print("ok", fn.__name__, flush=True)
        except Exception:
            traceback.print_exc()
            print("FAIL", fn.__name__, flush=True)
            failed += 1
    print(f"{len(rows)} rows, {failed} failed")
    sys.exit(1 if failed else 0)
