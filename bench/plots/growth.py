#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The plot of `make growth`: from summary.csv to growth.dat and growth.var, as reshape.py does.

Rows of the workload growth are drawn here and left out there: cost of each operation over the number
of processes, of table pages, and guest memory.
"""

import csv
import math
import os
import sys

import reshape

AXES = [
    # parameter or column, heading
    ("procs", "processes"),
    ("tables", "live table pages"),
    ("guest_mib", "guest memory, MiB"),
]

LABELS = {
    "invlpg": "INVLPG",
    "cr3_write": "MOV to CR3, same",
    "switch": "MOV to CR3, next",
    "pf": "true fault",
    "first_load": "first touch",
    "ept_violation": "first touch,\\nnew memory",
    "pte_invlpg_load": "PTE, INVLPG,\\nload",
    "pte_cr3_load": "PTE, full flush,\\nload",
    "unmap": "unmap",
    "process": "process: made,\\nused, ended",
    "scatter": "map in another\\ntable, load",
    "destroy": "table page\\ndestroyed",
    "retable": "shared frame\\nbecomes a table",
}


def points_of(rows):
    """(kind, axis, series) -> [(size, cost)], for what has three sizes or more."""
    parsed = []
    for row in rows:
        params = reshape.parse_params(row["params"])
        params["guest_mib"] = row["guest_mib"]
        parsed.append((params.pop("kind", ""), params, row))
    points = {}
    for axis, _ in AXES:
        groups = {}
        for kind, params, row in parsed:
            cost, size = reshape.number(row, "cost_median"), reshape.numeric(params.get(axis, ""))
            if cost is None or not size:
                continue
            rest = tuple(sorted((k, v) for k, v in params.items() if k != axis))
            key = (kind, (row["engine"], row["mode"]), rest)
            groups.setdefault(key, {})[size] = cost
        for (kind, series, _), sizes in groups.items():
            if len(sizes) >= 3:
                points[kind, axis, series] = sorted(sizes.items())
    return points


def decades(values):
    """Two decades at least, whole ones; what costs less than 1 is drawn at 1."""
    low = math.floor(math.log10(max(1, min(values))) + 1e-9)
    high = max(low + 2, math.ceil(math.log10(max(1, *values)) - 1e-9))
    return low, high


def y_tics(low, high):
    """Labels that do not touch each other, whatever the range."""
    step = 1 if high - low <= 2 else 2
    return [(10.0**e, reshape.decade_label(e)) for e in range(low, high + 1, step)]


def without_text(pairs):
    """The same places without labels."""
    return [(position, "") for position, _ in pairs]


def grid(directory, rows, points):
    """The whole picture."""
    present = {key for _, _, key in points}
    series = [(s[:2], *s[2:]) for s in reshape.SERIES if s[:2] in present]
    axes = [axis for axis in AXES if any(key[1] == axis[0] for key in points)]
    kinds = list(dict.fromkeys(kind for kind, _, _ in points))
    # What is run along fewer axes stands below.
    kinds.sort(key=lambda kind: -len({axis for k, axis, _ in points if k == kind}))
    width, panel, step, head, foot = 1000, 62, 78, 112, 76
    height = head + step * len(kinds) - (step - panel) + foot
    left, label_x = 226 / width, 14 / width
    step_x = (1 - left - 14 / width) / len(axes)

    class Caption:  # what reshape.Plot wants of results
        caption = reshape.caption(directory, rows)

    plot = reshape.Plot(Caption, directory, "growth", "growth.gp")
    unit = reshape.UNITS.get(rows[0]["clock"], rows[0]["clock"])
    headings = []
    for column, (_, text) in enumerate(axes):
        x = left + column * step_x + (step_x - 24 / width) / 2
        headings.append(
            f'set label {100 + column} "{text}" at screen {x:.5f}, '
            f'screen {1 - 90 / height:.5f} center font "DejaVu Sans Bold,11"'
        )
    for line, kind in enumerate(kinds):
        text = LABELS.get(kind, kind)
        y = 1 - (head + line * step + panel / 2 - (7 if "\\n" in text else 0)) / height
        headings.append(
            f'set label {200 + line} "{text}" at screen {(left * width - 58) / width:.5f}, '
            f"screen {y:.5f} right"
        )
    plot.set(
        plot_title="What an operation costs as the guest grows",
        y_label=f"cost per operation, {unit}",
        label_x=label_x,
        width=width,
        height=height,
        caption_y=14 / height,
        title_y=1 - 20 / height,
        legend=reshape.legend([(s[1], s[2], s[3]) for s in series], width, 1 - 52 / height, 10),
        headings="; ".join(headings),
        lines=len(kinds),
        columns=len(axes),
        panel_left=left,
        panel_top=1 - head / height,
        panel_step_x=step_x,
        panel_width=step_x - 24 / width,
        panel_step_y=step / height,
        panel_height=panel / height,
        n_series=len(series),
        colours=" ".join(s[2] for s in series),
        shapes=" ".join(str(s[3]) for s in series),
        # What lies below must show around what lies above.
        sizes=" ".join(f"{1.5 - 0.9 * i / max(1, len(series) - 1):.2f}" for i in range(len(series))),
    )
    sizes = [
        sorted({x for key, line in points.items() if key[1] == axis for x, _ in line})
        for axis, _ in axes
    ]
    x_pairs = [[(x, reshape.short(x)) for x in column] for column in sizes]
    plot.array("x_min", [column[0] / (column[-1] / column[0]) ** 0.06 for column in sizes])
    plot.array("x_max", [column[-1] * (column[-1] / column[0]) ** 0.06 for column in sizes])
    plot.array("set_xtics", [reshape.tics("x", pairs) for pairs in x_pairs])
    plot.array("no_xtics", [reshape.tics("x", without_text(pairs)) for pairs in x_pairs])
    ranges = [decades([y for key, line in points.items() if key[0] == kind for _, y in line])
              for kind in kinds]
    plot.array("y_min", [10.0 ** (low - 0.15) for low, _ in ranges])
    plot.array("y_max", [10.0 ** (high + 0.15) for _, high in ranges])
    y_pairs = [y_tics(low, high) for low, high in ranges]
    plot.array("set_ytics", [reshape.tics("y", pairs) for pairs in y_pairs])
    plot.array("no_ytics", [reshape.tics("y", without_text(pairs)) for pairs in y_pairs])
    notes = []
    for kind in kinds:
        for axis, _ in axes:
            lines = [points.get((kind, axis, s[0]), []) for s in series]
            notes.append("" if any(lines) else
                         'set label "not run" at graph 0.5, graph 0.5 center '
                         'font "DejaVu Sans,9" textcolor rgb "#707070"')
            for line in lines:
                plot.block([(x, max(1, y)) for x, y in line])
    plot.array("notes", notes)
    plot.write()


def main():
    """growth.py RESULTS OUT"""
    if len(sys.argv) != 3:
        sys.exit("usage: growth.py RESULTS-DIR OUT-DIR")
    with open(os.path.join(sys.argv[1], "summary.csv"), newline="", encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r["workload"] == "growth" and r["reps"] != "0"]
    points = points_of(rows)
    if points:
        grid(sys.argv[2], rows, points)


if __name__ == "__main__":
    main()
