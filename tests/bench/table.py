# SPDX-License-Identifier: Apache-2.0
"""The table of a benchmark: one row per kind of work, the factor by which rill is better, and
whether that is what must be and what is aimed at."""
import os


class Table:
    def __init__(self, title):
        self.title = title
        self.rows = []

    def add(self, work, rill, peer, factor, must, aim, note=""):
        """A row; without `must` and `aim` it is told and not judged."""
        bounds = ("", "", "")
        if must is not None:
            verdict = "aim" if factor >= aim else "ok" if factor >= must else "short"
            bounds = (f"{must:g}x", f"{aim:g}x", verdict)
        self.rows.append((work, rill, peer, f"{factor:.2f}x", *bounds, note))
        print("  ".join(self.rows[-1]), flush=True)

    def rate(self, work, rill, peer, must, aim, key="per_s"):
        """A row of two rates, more is better, with the server's CPU for each message beside."""
        note = ""
        if rill.get("cpu_ns") and peer.get("cpu_ns"):
            note = f"CPU {rill['cpu_ns']:.0f} / {peer['cpu_ns']:.0f} ns"
        self.add(work, rate_text(rill[key]), rate_text(peer[key]), rill[key] / peer[key], must, aim,
                 note)

    def cost(self, work, rill, peer, unit, must, aim):
        """A row of two costs, less is better."""
        self.add(work, f"{rill:.4g} {unit}", f"{peer:.4g} {unit}",
                 peer / rill if rill > 0 else float("inf"), must, aim)

    def zero(self, work, rill, peer):
        """A row of what must not be at all."""
        self.rows.append((work, f"{rill:g}", f"{peer:g}", "", "0", "0", "short" if rill else "aim",
                          ""))

    def show(self):
        """Print the whole; returns how many rows fall short."""
        head = ("work", "rill", "peer", "factor", "must", "aim", "", "")
        widths = [max(len(row[i]) for row in [head, *self.rows]) for i in range(len(head))]
        print(f"\n{self.title} (load {os.getloadavg()[0]:.1f})")
        for row in [head, *self.rows]:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
        short = sum(row[6] == "short" for row in self.rows)
        hold = sum(row[6] in ("ok", "aim") for row in self.rows)
        print(f"{hold} rows hold, {short} fall short")
        return short


def rate_text(per_s):
    if per_s >= 1e6:
        return f"{per_s / 1e6:.2f} M/s"
    return f"{per_s / 1e3:.1f} K/s"
