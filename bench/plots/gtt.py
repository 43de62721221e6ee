#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The plots of the GTT device: from summary.csv to NAME.dat and NAME.var, as reshape.py does.

Rows that have a gtt_mode are drawn here and left out there. Series are the gtt_modes; everything
stands in relation to strict or to passthrough of the same workload, parameters and paging mode.
The figures are also written as a table, gtt.md.
"""

import csv
import math
import os
import sys

import reshape

SERIES = [
    # gtt_mode, colour (Okabe-Ito), shape
    ("strict", "#D55E00", 7),
    ("relaxed", "#009E73", 5),
    ("hybrid", "#E69F00", 9),
    ("passthrough", "#0072B2", 13),
]


class Gtt:
    """Rows by workload, parameters and gtt_mode, of the paging mode that has most of them."""

    def __init__(self, directory):
        with open(os.path.join(directory, "summary.csv"), newline="", encoding="utf-8") as file:
            rows = [r for r in csv.DictReader(file) if r["reps"] != "0" and r.get("gtt_mode")]
        modes = [row["mode"] for row in rows]
        self.paging = max(modes, key=modes.count) if rows else ""
        self.rows = [row for row in rows if row["mode"] == self.paging]
        self.works = list(dict.fromkeys((r["workload"], r["params"]) for r in self.rows))
        self.cell = {((r["workload"], r["params"]), r["gtt_mode"]): r for r in self.rows}
        self.clock = self.rows[0]["clock"] if rows else ""
        khz = reshape.environment(directory).get("host_tsc_khz", "")
        self.hertz = float(khz) * 1000 if khz else None
        self.caption = reshape.caption(directory, self.rows) + f". paging_mode={self.paging}"

    def figure(self, work, mode, column):
        """A figure of one cell, or None."""
        row = self.cell.get((work, mode))
        return reshape.number(row, column) if row else None

    def ratio(self, work, mode, other, inverse=False):
        """How often as fast as @other; inverse: the share of @other's speed in percent."""
        mine = self.figure(work, mode, "elapsed_per_op")
        theirs = self.figure(work, other, "elapsed_per_op")
        if not mine or not theirs:
            return None
        return 100 * theirs / mine if inverse else theirs / mine

    def frames(self, work, mode):
        """Frames per second of the host's clock, or None where its frequency is not known."""
        ticks = self.figure(work, mode, "elapsed_per_op")
        return self.hertz / ticks if ticks and self.hertz else None

    def shadowing(self, work, mode):
        """Percent of the time that goes into trapped stores and making the shadow again."""
        part = self.figure(work, mode, "gtt_shadow_cycles_per_op")
        ticks = self.figure(work, mode, "elapsed_per_op")
        return 100 * part / ticks if part is not None and ticks else None

    def loss(self, work):
        """By how many percent hybrid is slower than the better of strict and relaxed, or None."""
        ticks = [self.figure(work, m, "elapsed_per_op") for m in ("strict", "relaxed", "hybrid")]
        return 100 * (ticks[2] / min(ticks[:2]) - 1) if all(ticks) else None

    def label(self, work):
        """A workload with those of its parameters that most of its rows do not have."""
        sets = [reshape.parse_params(params) for name, params in self.works if name == work[0]]

        def usual(name):
            values = [other.get(name) for other in sets]
            return max(values, key=values.count)

        params = reshape.parse_params(work[1])
        return " ".join([work[0]] + [f"{n}={v}" for n, v in params.items() if v != usual(n)])


def log_axis(values):
    """Range, tics and the place of zero on a logarithmic axis."""
    positive = [v for v in values if v > 0]
    low = math.floor(math.log10(min(positive)) + 1e-9) if positive else 0
    high = max(low + 1, math.ceil(math.log10(max(positive)) - 1e-9)) if positive else 1
    zeros = any(v <= 0 for v in values)
    zero_at = 10.0 ** (low - 0.5)
    pairs = [(10.0**e, reshape.decade_label(e)) for e in range(low, high + 1)]
    if zeros:
        pairs.insert(0, (zero_at, "0"))
    first = 10.0 ** (low - (0.8 if zeros else 0.1))
    axis = f"set logscale x 10; set xrange [{first:.6g}:{10.0 ** (high + 0.1):.6g}]; "
    return axis + reshape.tics("x", pairs), zero_at


def dots(gtt, directory, name, title, sides):
    """Two panels of dots with one line per workload; a side is (label, log, pick(work, mode))."""
    works = [w for w in gtt.works if any(pick(w, s[0]) is not None for *_, pick in sides
                                         for s in SERIES)]
    if not all(any(pick(w, s[0]) is not None for w in works for s in SERIES) for *_, pick in sides):
        return f"{name}: no row has what it shows"
    height = 166 + 24 * len(works)
    plot = reshape.Plot(gtt, directory, name, "gtt_dots.gp")
    blocks = []
    for side, (label, log, pick) in enumerate(sides, 1):
        points = {s[0]: [(pick(w, s[0]), y) for y, w in enumerate(works, 1)] for s in SERIES}
        values = [v for p in points.values() for v, _ in p if v is not None]
        axis, zero_at = log_axis(values) if log else ("unset logscale; set xrange [0:*]; set xtics auto", 0)
        plot.set(**{f"axis{side}": axis, f"label{side}": label})
        for mode, *_ in SERIES:
            blocks.append([(v if v > 0 or not log else zero_at, y)
                           for v, y in points[mode] if v is not None])
    plot.set(
        plot_title=title,
        width=1120,
        height=height,
        rows=len(works),
        caption_y=14 / height,
        title_y=1 - 20 / height,
        top=1 - 70 / height,
        bottom=80 / height,
        legend=reshape.legend(SERIES, 1120, 1 - 46 / height, 10),
        set_ytics=reshape.tics("y", [(y, gtt.label(w)) for y, w in enumerate(works, 1)]),
        no_ytics=reshape.tics("y", [(y, "") for y in range(1, len(works) + 1)]),
        colours=" ".join(s[1] for s in SERIES),
        shapes=" ".join(str(s[2]) for s in SERIES),
    )
    for block in blocks:
        plot.block(block)
    plot.write()
    return None


def lines(gtt, directory, name, title, workload, param, where, sides):
    """Two panels of lines over one parameter; a side is (label, log, pick(work, mode))."""
    found = []
    for work in gtt.works:
        params = reshape.parse_params(work[1])
        if work[0] == workload and all(params.get(k) == v for k, v in where.items()):
            found.append((reshape.numeric(params[param]), work))
    found.sort()
    works = [work for _, work in found]
    if not all(any(pick(w, s[0]) is not None for w in works for s in SERIES) for *_, pick in sides):
        return f"{name}: no row has what it shows"
    if len(found) < 3:
        return f"{name}: {workload} was not run with three values of {param}"
    plot = reshape.Plot(gtt, directory, name, "gtt_lines.gp")
    plot.set(
        plot_title=title[0],
        x_label=title[1],
        width=1120,
        height=480,
        caption_y=14 / 480,
        legend=reshape.legend(SERIES, 1120, 1 - 56 / 480, 10),
        set_xaxis="set logscale x 2; set offsets graph 0.04, graph 0.04, graph 0.05, 0; "
        + reshape.tics("x", [(x, f"{x:.0f}") for x, _ in found]),
        colours=" ".join(s[1] for s in SERIES),
        shapes=" ".join(str(s[2]) for s in SERIES),
    )
    for side, (label, log, pick) in enumerate(sides, 1):
        axis = "unset logscale y; set yrange [0:*]; set format y"
        if log:
            axis = "set logscale y 10; set yrange [*:*]; set format y '%.0s%c'"
        plot.set(**{f"label{side}": label, f"axis{side}": axis})
        for mode, *_ in SERIES:
            points = [(x, pick(work, mode)) for x, work in found]
            plot.block([(x, y) for x, y in points if y is not None and (y > 0 or not log)])
    plot.write()
    return None


# A column of the table: head, how a figure is written, pick(gtt, work, mode).
TABLE = [
    (None, "{:.0f}", lambda g, w, m: g.figure(w, m, "elapsed_per_op")),
    ("frames/s", "{:.0f}", Gtt.frames),
    ("speed-up over strict", "{:.2f}x", lambda g, w, m: g.ratio(w, m, "strict")),
    ("share of passthrough", "{:.0f}%", lambda g, w, m: g.ratio(w, m, "passthrough", True)),
    ("in shadowing", "{:.1f}%", Gtt.shadowing),
    ("exits", "{:.5g}", lambda g, w, m: g.figure(w, m, "exits_per_op")),
    ("rebuilt", "{:.5g}", lambda g, w, m: g.figure(w, m, "gtt_entries_rebuilt_per_op")),
    ("compared", "{:.3g}", lambda g, w, m: g.figure(w, m, "gtt_portions_compared_per_op")),
    ("clean", "{:.3g}", lambda g, w, m: g.figure(w, m, "gtt_portions_clean_per_op")),
    ("loss", "{:+.1f}%", lambda g, w, m: g.loss(w) if m == "hybrid" else None),
]


def table(gtt, path):
    """The figures as a table for people."""
    heads = [head or f"{gtt.clock} a frame" for head, *_ in TABLE]
    with open(path, "w", encoding="utf-8") as file:
        print(f"""{gtt.caption}.

All figures are measured. A frame is what a workload counts as an operation: an upload's burst, a
kernel of compute. Exits, rebuilt entries, portions compared with their snapshot, and portions that
dirty flags spared that, are per frame. In shadowing: the share of {gtt.clock} from where an exit is
known to be a store to the table until the guest may run on, and of bringing the shadow in step at
the doorbell. Loss: by how much hybrid is slower than the better of strict and relaxed.
""", file=file)
        if gtt.hertz:
            print(f"Seconds are of the host's clock, {gtt.hertz / 1e6:.0f} million {gtt.clock} a "
                  "second.\n", file=file)
        print("| workload | mode | " + " | ".join(heads) + " |", file=file)
        print("|---|---|" + "---:|" * len(heads), file=file)
        for work in gtt.works:
            for mode, *_ in SERIES:
                if gtt.figure(work, mode, "elapsed_per_op") is None:
                    continue
                values = [(form, pick(gtt, work, mode)) for _, form, pick in TABLE]
                text = ["" if value is None else form.format(value) for form, value in values]
                print(f"| {gtt.label(work)} | {mode} | " + " | ".join(text) + " |", file=file)


def main():
    """The command line: where summary.csv is, and where to write."""
    gtt = Gtt(sys.argv[1])
    if not gtt.rows:
        return
    out = sys.argv[2]
    unit = gtt.clock
    speed = ("times as fast as strict", True, lambda w, m: gtt.ratio(w, m, "strict"))
    share = ("share of passthrough's speed (%)", False,
             lambda w, m: gtt.ratio(w, m, "passthrough", True))
    second = f"frames per second of {gtt.hertz / 1e6:.0f} million {unit}" if gtt.hertz else ""
    skipped = [
        dots(gtt, out, "gtt_speedup", "The device's page table: what shadowing costs",
             [speed, share]),
        dots(gtt, out, "gtt_counts", "The device's page table: what shadowing does",
             [("VM exits per frame", True, lambda w, m: gtt.figure(w, m, "exits_per_op")),
              ("shadow entries rebuilt per frame", True,
               lambda w, m: gtt.figure(w, m, "gtt_entries_rebuilt_per_op"))]),
        dots(gtt, out, "gtt_time", "The device's page table: speed, and what shadowing takes of it",
             [(second, True, gtt.frames),
              (f"{unit} in shadowing (% of all)", False, gtt.shadowing)])
        if gtt.hertz and any(gtt.shadowing(w, s[0]) is not None for w in gtt.works for s in SERIES)
        else "gtt_time: the clock's frequency or the time in shadowing is not known",
        lines(gtt, out, "gtt_threads", ("gmedia: clients of the device", "threads"), "gmedia",
              "threads", {"size": "cif"}, [speed[:1] + (False,) + speed[2:], share]),
        lines(gtt, out, "gtt_crossover",
              ("upload: where strict and relaxed cross", "entries changed between submissions"),
              "upload", "burst", {"ring": "512"},
              [(unit + " per submission", True, lambda w, m: gtt.figure(w, m, "elapsed_per_op")),
               ("VM exits per submission", True, lambda w, m: gtt.figure(w, m, "exits_per_op"))]),
    ]
    for reason in skipped:
        if reason:
            print(f"plot: left out {reason}", file=sys.stderr)
    table(gtt, os.path.join(out, "gtt.md"))


if __name__ == "__main__":
    main()
