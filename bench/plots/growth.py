#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The picture of `make growth`, from summary.csv: what the cost of an operation becomes as the guest
grows. Rows of the workload growth are drawn here and left out of the other pictures.
"""

import csv
import os
import sys

import reshape
from charts import dots, ratio_axis
from figure import Figure

AXES = {
    # parameter or column: what grows
    "procs": "processes",
    "tables": "table pages",
    "guest_mib": "MiB of memory",
}
# An operation whose cost at the greatest size is within this of that at the least is level.
LEVEL = 1.25


def points_of(rows):
    """{(axis, kind): {series: [(size, cost)]}}, of what has three sizes or more."""
    found = {}
    for row in rows:
        params = reshape.parse_params(row["params"])
        params["guest_mib"] = row["guest_mib"]
        kind, cost = params.pop("kind", ""), reshape.number(row, "cost_median")
        for axis in AXES:
            size = reshape.numeric(params.get(axis, ""))
            if cost is not None and size:
                rest = tuple(sorted((k, v) for k, v in params.items() if k != axis))
                key = (axis, kind, (row["engine"], row["mode"]), rest)
                found.setdefault(key, {})[size] = cost
    points = {}
    for (axis, kind, series, _), sizes in found.items():
        if len(sizes) >= 3:
            points.setdefault((axis, kind), {})[series] = sorted(sizes.items())
    return points


def factor(line):
    """Cost at the greatest size over cost at the least; what is below one counts as one."""
    return max(1, line[-1][1]) / max(1, line[0][1])


def draw(directory, rows):
    """One line for each operation and axis on which some mode is not level."""
    points = points_of(rows)
    works, level = [], 0
    for axis in AXES:
        for key in points:
            if key[0] == axis:
                moves = any(not 1 / LEVEL < factor(line) < LEVEL for line in points[key].values())
                level += not moves
                works += [key] if moves else []
    present = {series for lines in points.values() for series in lines}
    series = [s for s in reshape.series_of(rows) if s[0] in present]
    clock = reshape.UNITS.get(rows[0]["clock"], rows[0]["clock"])
    caption = (
        f"Cost of an operation ({clock}) in the largest guest as a multiple of that in the smallest. "
        f"Shown are the {len(works)} of {len(points)} pairs of operation and what grows where a mode "
        f"moves by more than {100 * (LEVEL - 1):.0f} %; in all others every mode stays level."
    )
    if not works:
        return f"growth: all {level} pairs of operation and what grows stay level"
    figure = Figure("growth", "What costs more as the guest grows", caption,
                    reshape.source(directory, rows))
    figure.legend([(s[1], s[2], s[3]) for s in series])
    every = [factor(line) for key in works for line in points[key].values()]

    def pick(y, key):
        line = points[works[y]].get(key)
        return (factor(line),) * 3 if line else None

    labels = []
    for axis, kind in works:
        line = next(iter(points[axis, kind].values()))
        ends = f"{reshape.short(line[0][0])} to {reshape.short(line[-1][0])} {AXES[axis]}"
        labels.append((f"{kind}, {ends}", axis))
    columns = [("cost at the largest / at the smallest", ratio_axis(every), pick, (1, "#909090"))]
    return dots(figure, labels, series, columns, lane=3)


def main():
    """growth.py RESULTS OUT"""
    with open(os.path.join(sys.argv[1], "summary.csv"), newline="", encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r["workload"] == "growth" and r["reps"] != "0"]
    if not points_of(rows):
        return
    figure = draw(sys.argv[1], rows)
    if isinstance(figure, str):
        print(f"plot: left out {figure}", file=sys.stderr)
    else:
        figure.write(sys.argv[2])


if __name__ == "__main__":
    main()
