#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The phase diagram: from phase.csv and crossover.csv to phase.dat and phase.var.

Only reshaping, as reshape.py does: which mode a cell belongs to, by how much, and where the line
between the families runs has been decided by build/phase.
"""

import csv
import os
import sys

import reshape

COLOURS = {mode: colour for engine, mode, _, colour, _ in reshape.SERIES if engine == "penumbra"}
TIE = "#d9d9d9"
UNDECIDED = "#fbf3d5"
EMPTY = "#ffffff"
FLAT = {"tie": TIE, "undecided": UNDECIDED}
# Black text must stay readable on the strongest tint, and a weak one must keep its hue.
TINTS = ((1.1, 0.30), (1.5, 0.45), (3, 0.60), (float("inf"), 0.80))

WIDTH, CELL_HEIGHT, GAP = 1120, 31, 62
LEFT, RIGHT, COLUMN = 84, 96, 560  # pixels of a panel's margins, and of a column
HEAD, FOOT = 92, 96


def read(directory, name):
    """Rows of one of the two files."""
    with open(os.path.join(directory, name), newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def view_of(row):
    """What tells one panel from another."""
    return (row["kind"], row["metric"], row["unit"], row["cpu"], row["ept_page"])


def title(view):
    """A panel's heading."""
    _, metric, unit, cpu, page = view
    if cpu:
        size = {"2m": "2 MiB", "4k": "4 KiB"}[page]
        return f"{cpu.replace('-', ' ')}, modelled cycles: EPT with {size} pages"
    if metric == "with_refs":
        return "Measured: instructions + walk references"
    if unit == "ticks":
        return "Measured: instructions alone, walks cost nothing"
    return f"Measured: {reshape.UNITS.get(unit, unit)}"


def tint(row):
    """A cell's colour as a number: its mode's, the paler the smaller the difference."""
    if row["best"] not in COLOURS:
        return int(FLAT.get(row["best"], EMPTY)[1:], 16)
    ratio = float(row["ratio"] or "inf")
    weight = next(weight for limit, weight in TINTS if ratio < limit or limit == float("inf"))
    colour = COLOURS[row["best"]]
    parts = [255 + weight * (int(colour[i : i + 2], 16) - 255) for i in (1, 3, 5)]
    return sum(round(part) << shift for part, shift in zip(parts, (16, 8, 0)))


def cell_text(row):
    """What stands in a cell."""
    if row["best"] == "undecided":
        return f"?\\n{float(row['ept_low']):.1f}\u2013{float(row['ept_high']):.1f}"
    if row["best"] not in COLOURS:
        return row["best"]
    ratio = row["ratio"]
    if not ratio:
        return row["best"]
    value = float(ratio)
    return f"{row['best']}\\n{value:.{2 if value < 1.1 else 1 if value < 10 else 0}f}x"


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


def main():
    """phase.py RESULTS OUT"""
    if len(sys.argv) != 3:
        sys.exit("usage: phase.py RESULTS-DIR OUT-DIR")
    rows = read(sys.argv[1], "phase.csv")
    lines = {(view_of(row), float(row["size"])): row for row in read(sys.argv[1], "crossover.csv")}
    sizes = sorted({float(row["size"]) for row in rows})
    rates = sorted({float(row["updates"]) for row in rows})
    views = list(dict.fromkeys(view_of(row) for row in rows))
    # Measured panels share a line, and so do those of a CPU.
    bands = list(dict.fromkeys((view[0], view[3]) for view in views))
    panel_height = CELL_HEIGHT * len(sizes)
    height = HEAD + FOOT + len(bands) * (panel_height + GAP) - GAP

    class Source:  # what Plot needs
        caption = reshape.caption(sys.argv[1], rows)

    assumed = [f"{row['cpu'].replace('-', ' ')} {row['assumptions']}" for row in rows if row["cpu"]]
    notes = [
        "A cell: the cheapest mode, and the best of the other kind (a shadow mode; ept) as a multiple"
        " of it. Shadow modes within 2 %: the first of them. Right of the line ept costs least."
    ]
    if assumed:
        notes.append(
            "Modelled = measured instructions, exits and flushes at the CPU's prices + walks and data of"
            " the model; ? = ept at so many times the best shadow mode: the winner changes within what is"
            " known of the prices. Assumptions: " + ", ".join(dict.fromkeys(assumed)) + "."
        )
    plot = reshape.Plot(Source, sys.argv[2], "phase", "phase.gp")
    legend = [(mode, COLOURS[mode], 0) for mode in ("shadow", "ssp", "hybrid", "ept")]
    legend.append(("tie: within 2 %", TIE, 0))
    legend.append(("?: prices decide", UNDECIDED, 0))
    plot.set(
        plot_title="Which paging mode costs least: working set against page-table updates",
        set_notes="; ".join(
            f'set label {5 + i} "{text}" at screen 0.01, screen {(12 + 16 * (len(notes) - i)) / height:.5f} '
            'left font "DejaVu Sans,9" textcolor rgb "#505050"' for i, text in enumerate(notes)
        ),
        width=WIDTH,
        height=height,
        caption_y=12 / height,
        title_y=1 - 20 / height,
        legend=reshape.legend(legend, WIDTH, 1 - 46 / height, 10, box=12 / height),
        n_panels=len(views),
        n_sizes=len(sizes),
        n_rates=len(rates),
        set_xtics=reshape.tics("x", [(x, f"{rate:.0f}") for x, rate in enumerate(rates)]),
        set_ytics=reshape.tics("y", [(y, f"{reshape.binary(s)[:-1]} {reshape.binary(s)[-1]}iB") for y, s in enumerate(sizes)]),
    )
    places = {"left": [], "right": [], "top": [], "bottom": [], "title": [], "labels": [], "x": []}
    for view in views:
        band = bands.index((view[0], view[3]))
        column = sum(other[0] == view[0] and other[3] == view[3] for other in views[: views.index(view)])
        top = HEAD + band * (panel_height + GAP)
        places["left"].append((column * COLUMN + LEFT) / WIDTH)
        places["right"].append(((column + 1) * COLUMN - RIGHT) / WIDTH)
        places["top"].append(1 - top / height)
        places["bottom"].append(1 - (top + panel_height) / height)
        places["title"].append(title(view))
        last = band == len(bands) - 1
        places["x"].append("page-table updates per 1,000 accesses" if last else "")
        grid = {(float(r["size"]), float(r["updates"])): r for r in rows if view_of(r) == view}
        plot.block([(x, y, tint(grid[size, rate])) for y, size in enumerate(sizes)
                    for x, rate in enumerate(rates)])
        plot.block(staircase(grid, sizes, rates))
        commands = []
        for y, size in enumerate(sizes):
            for x, rate in enumerate(rates):
                text = cell_text(grid[size, rate])
                shift = 0.38 if "\\n" in text else 0
                commands.append(f'set label "{text}" at {x}, {y} center front offset 0, {shift} '
                                'font "DejaVu Sans,8.5" textcolor rgb "#000000"')
            text = crossover_text(lines[view, size], rates[-1])
            commands.append(f'set label "{text}" at {len(rates) - 0.3}, {y} left front '
                            'font "DejaVu Sans Bold,9.5" textcolor rgb "#202020"')
        commands.append(f'set label "ept from" at {len(rates) - 0.3}, {len(sizes) - 0.5} left '
                        'offset 0, 0.55 font "DejaVu Sans,9" textcolor rgb "#202020"')
        places["labels"].append("; ".join(commands))
    for name, values in places.items():
        plot.array(f"panel_{name}", values)
    plot.write()


if __name__ == "__main__":
    main()
