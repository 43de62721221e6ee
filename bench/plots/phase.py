#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The phase diagrams: from phase.csv and crossover.csv, a picture of two planes each.

Only reshaping: which mode a cell belongs to, by how much, and where the line between the families
runs has been decided by build/phase.
"""

import csv
import os
import sys

import reshape
from figure import INK, WIDTH, Axis, Figure

COLOURS = {mode: colour for engine, mode, _, colour, _ in reshape.SERIES if engine == "penumbra"}
EMPTY = "#ffffff"
FLAT = {"tie": ("tie (2 %)", "#d9d9d9"), "undecided": ("undecided", "#fbf3d5")}
# Black text must stay readable on the strongest tint, and a weak one must keep its hue.
TINTS = ((1.1, 0.30), (1.5, 0.45), (3, 0.60), (float("inf"), 0.80))

CELL = 15  # points high
LEFT, RIGHT, HEAD = 36, 46, 13
# The picture of this CPU is phase.svg; those of others have its name.
FIRST = "Skylake-X"


def read(directory, name):
    """Rows of one of the two files."""
    with open(os.path.join(directory, name), newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def view_of(row):
    """What tells one plane from another."""
    return (row["kind"], row["metric"], row["unit"], row["cpu"], row["ept_page"])


def heading(view):
    """What stands above a plane."""
    _, metric, unit, cpu, page = view
    if cpu:
        return f"EPT with {page[:-1]} {page[-1].upper()}iB pages"
    if metric == "with_refs":
        return "instructions + walk references"
    if unit == "ticks":
        return "instructions alone: walks cost nothing"
    return f"elapsed {reshape.UNITS.get(unit, unit)}"


def tint(row):
    """A cell's colour: its mode's, the paler the smaller the difference."""
    if row["best"] not in COLOURS:
        return FLAT.get(row["best"], ("", EMPTY))[1]
    ratio = float(row["ratio"] or "inf")
    weight = next(weight for limit, weight in TINTS if ratio < limit or limit == float("inf"))
    colour = COLOURS[row["best"]]
    parts = [255 + weight * (int(colour[i : i + 2], 16) - 255) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(part):02x}" for part in parts)


def cell_text(row):
    """What stands in a cell: how much dearer the other family is."""
    if row["best"] == "undecided":
        return "?"
    if row["best"] not in COLOURS or not row["ratio"]:
        return ""
    value = float(row["ratio"])
    return f"{value:.{2 if value < 1.1 else 1 if value < 10 else 0}f}"


def rate_text(rate, most):
    """A rate from which ept wins."""
    if rate == float("inf"):
        return f">{most:.0f}"
    return "<0.1" if 0 < rate < 0.095 else reshape.short(rate)


def crossover_text(row, most):
    """The rates from which ept wins; build/phase has rounded them to what is known."""
    if not row["ept_wins"]:
        return ""
    low, high = (rate_text(float(row[end]), most) for end in ("from_low", "from_high"))
    return low if low == high else f"{low}\u2013{high}"


def staircase(grid, sizes, rates):
    """Between the cells in which ept wins at this and every greater rate, and the others."""
    points = []
    for y, size in enumerate(sizes):
        edge = len(rates)
        while edge and grid[size, rates[edge - 1]]["best"] == "ept":
            edge -= 1
        points += [(edge - 0.5, y - 0.5), (edge - 0.5, y + 0.5)]
    return points


def plane(figure, view, rows, lines, last):
    """One view: cells, the staircase, and the rates at the end of its lines."""
    rows = [row for row in rows if view_of(row) == view]
    sizes = sorted({float(row["size"]) for row in rows})
    rates = sorted({float(row["updates"]) for row in rows})
    grid = {(float(r["size"]), float(r["updates"])): r for r in rows}
    top = max(figure.top + 2, figure.bottom + 10)
    width, tall = WIDTH - LEFT - RIGHT, CELL * len(sizes)
    figure.text(LEFT + width / 2, top + 5, heading(view), "center", bold=True)
    figure.text(LEFT + width + 4, top + 5, "ept from")
    tics = [(x, f"{rate:.0f}") for x, rate in enumerate(rates)]
    labels = [(y, f"{reshape.binary(s)[:-1]} {reshape.binary(s)[-1]}iB") for y, s in enumerate(sizes)]
    panel = figure.panel((LEFT, top + HEAD, width, tall), Axis(-0.5, len(rates) - 0.5, tics),
                         Axis(-0.5, len(sizes) - 0.5, labels), frame=0)
    for y, size in enumerate(sizes):
        for x, rate in enumerate(rates):
            row = grid[size, rate]
            panel.box_at(x - 0.48, x + 0.48, y - 0.47, y + 0.47, tint(row))
            if cell_text(row):
                panel.text(x, y, cell_text(row), "center", colour="#000000")
        figure.text(LEFT + width + 4, top + HEAD + tall - CELL * (y + 0.5),
                    crossover_text(lines[view, size], rates[-1]), bold=True, colour=INK)
    panel.line(staircase(grid, sizes, rates), "#000000", 2)
    figure.bottom += 11
    if last:
        figure.text(LEFT + width / 2, figure.bottom + 4, "page-table updates per 1,000 accesses",
                    "center")
        figure.bottom += 10


def picture(name, views, rows, lines, source):
    """Two views below each other."""
    cpu = views[0][3]
    what = f"modelled cycles of a {cpu.replace('-', ' ')}" if cpu else "measured"
    caption = (
        "Which paging mode costs least, for a working set (up) and a rate of page-table updates "
        f"(right), {what}. The number in a cell says how many times dearer the best of the other kind "
        "is; shadow modes within 2 % are the first of them. Right of the black line, from the rate at "
        "its end on, ept costs least"
    )
    caption += "; what the prices of exits, flushes, walks and instructions leave open is \u201c?\u201d." if cpu else "."
    assumed = {row["assumptions"] for row in rows if row["cpu"] == cpu and row["assumptions"]}
    if assumed:
        caption += f" The model rests on {', '.join(sorted(assumed))} assumptions (bench/walk/cpus)."
    title = f"Which mode costs least: {cpu.replace('-', ' ')}, modelled" if cpu else (
        "Which mode costs least: measured")
    figure = Figure(name, title, caption, source)
    shown = {row["best"] for row in rows if view_of(row) in views}
    entries = [(mode, COLOURS[mode], "box") for mode in COLOURS if mode in shown]
    figure.legend(entries + [(*FLAT[best], "box") for best in FLAT if best in shown])
    for view in views:
        plane(figure, view, rows, lines, view == views[-1])
    return figure


def main():
    """phase.py RESULTS OUT"""
    rows = read(sys.argv[1], "phase.csv")
    lines = {(view_of(row), float(row["size"])): row for row in read(sys.argv[1], "crossover.csv")}
    views = list(dict.fromkeys(view_of(row) for row in rows))
    cpus = list(dict.fromkeys(view[3] for view in views))
    named = [cpu for cpu in cpus if cpu]
    first = FIRST if FIRST in named else (named or [""])[0]
    for cpu in cpus:
        name = "phase" if cpu == first else f"phase_{(cpu or 'measured').lower().replace('-', '_')}"
        what = "Modelled from counts" if cpu else "Measured"
        picture(name, [v for v in views if v[3] == cpu], rows, lines,
                reshape.source(sys.argv[1], rows, what)).write(sys.argv[2])


if __name__ == "__main__":
    main()
