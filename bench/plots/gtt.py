#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The pictures of the GTT device, and its figures as a table for people, gtt.md.

Rows that have a gtt_mode are drawn here and left out of the other pictures. Everything stands in
relation to strict or to passthrough of the same workload, parameters and paging mode.
"""

import csv
import os
import sys

import reshape
from charts import dots, log_axis
from figure import Axis, Figure

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
        self.source = reshape.source(directory, self.rows)
        self.caption = f"{self.source}. paging_mode={self.paging}"

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


def speed(gtt):
    """How much of passthrough's speed is left, and the exits behind it: a line per workload."""
    works = [w for w in gtt.works if any(gtt.ratio(w, s[0], "passthrough") for s in SERIES)]
    series = [(s[0], *s) for s in SERIES if s[0] != "passthrough"]
    exits = [gtt.figure(w, s[0], "exits_per_op") for w in works for s in series]
    exits = [value for value in exits if value]
    if not works or not exits:
        return "gtt_speed: no row has what it shows"
    figure = Figure(
        "gtt_speed",
        "The device's page table: speed left, and exits",
        "Speed as a share of that without a shadow (passthrough), and VM exits per operation, for each "
        f"gtt_mode and every workload of the device, in paging_mode={gtt.paging}.",
        gtt.source,
    )
    figure.legend([(s[1], s[2], s[3]) for s in series])

    def share(y, key):
        value = gtt.ratio(works[y], key, "passthrough", True)
        return None if value is None else (value,) * 3

    def count(y, key):
        value = gtt.figure(works[y], key, "exits_per_op")
        return (value,) * 3 if value else None

    tics = [(v, str(v)) for v in (0, 50, 100)]
    columns = [
        ("speed, %", Axis(-3, 106, tics, grid=True), share, None),
        ("VM exits per op.", log_axis(exits, room=3), count, None),
    ]
    return dots(figure, [(gtt.label(w), w[0]) for w in works], series, columns, lane=2.6)


def crossover(gtt):
    """Where strict and relaxed cross: one parameter of one workload."""
    found = []
    for work in gtt.works:
        params = reshape.parse_params(work[1])
        if work[0] == "upload" and params.get("ring") == "512":
            found.append((reshape.numeric(params["burst"]), work))
    found.sort()
    if len(found) < 3:
        return "gtt_crossover: upload was not run with three values of burst"
    figure = Figure(
        "gtt_crossover",
        "upload: where strict and relaxed cross",
        f"Elapsed {reshape.UNITS.get(gtt.clock, gtt.clock)} and VM exits per submission against the "
        "number of entries that change between two submissions; both axes logarithmic.",
        gtt.source,
    )
    figure.legend([(s[0], s[1], s[2]) for s in SERIES])
    top, left, width, tall = figure.top + 4, 44, 193, 90
    x = found[-1][0] / found[0][0]
    tics = [(v, f"{v:.0f}") for v, _ in found]
    lines = ((f"elapsed {reshape.CLOCKS.get(gtt.clock, gtt.clock)}", "elapsed_per_op"), ("VM exits", "exits_per_op"))
    for line, (label, column) in enumerate(lines):
        curves = {s[0]: [(v, gtt.figure(w, s[0], column)) for v, w in found] for s in SERIES}
        curves = {m: [p for p in points if p[1]] for m, points in curves.items()}
        values = [p[1] for points in curves.values() for p in points]
        if not values:
            return "gtt_crossover: no row has what it shows"
        axis = Axis(found[0][0] / x**0.04, found[-1][0] * x**0.04,
                    tics if line else [(v, "") for v, _ in tics], log=2)
        panel = figure.panel((left, top, width, tall), axis, log_axis(values))
        figure.text(7, top + tall / 2, label, "center", rotate=True)
        for order, (mode, colour, shape) in enumerate(SERIES):
            panel.line(curves[mode], colour, 1.2)
            panel.points(curves[mode], colour, shape, 1.2 - 0.15 * order)
        top += tall + 8
    figure.text(left + width / 2, top + 9, "entries changed between two submissions", "center")
    figure.bottom = top + 14
    return figure


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
    for figure in (speed(gtt), crossover(gtt)):
        if isinstance(figure, str):
            print(f"plot: left out {figure}", file=sys.stderr)
        else:
            figure.write(sys.argv[2])
    table(gtt, os.path.join(sys.argv[2], "gtt.md"))


if __name__ == "__main__":
    main()
