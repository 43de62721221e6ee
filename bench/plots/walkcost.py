#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The picture of walk cost against the working set: lines of build/walkmodel (walkcost.csv), and the
references that the emulated walker was seen to make, where some were measured.

walkcost.py RESULTS OUT [WALKS-DIR...]: measured are rows of the workload chase with 4K pages in
RESULTS/summary.csv and in walks.csv of each WALKS-DIR.
"""

import csv
import os
import sys

import reshape
from charts import linear_axis
from figure import GREY, WIDTH, Axis, Figure

# nested: legend, colour, shape, dash. Without a second dimension a walk is the same under a shadow.
KINDS = {
    "none": ("native, and any shadow", "#D55E00", 7, 1),
    "2m": ("EPT 2M", "#0072B2", 13, 1),
    "4k": ("EPT 4K", "#56B4E9", 5, 1),
}


def read(path):
    """Rows of a CSV file; none where it is not there."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except OSError:
        return []


def references(row):
    """References of page walks per operation, of a row of either file."""
    values = [reshape.number(row, f"walk_refs_{which}_per_op") for which in ("guest", "nested")]
    if None in values and row.get("ops"):
        values = [reshape.number(row, f"walk_refs_{which}") for which in ("guest", "nested")]
        values = [None if v is None else v / float(row["ops"]) for v in values]
    return None if None in values else sum(values)


def measured(folders):
    """{kind: {size: references per access}}: which kind a row is, the pages behind it say."""
    found = {}
    for path in folders:
        small = {line.split()[1] for line in open_env(path) if line.startswith("guest_pages_asked_for ")}
        for row in read(path):
            params = reshape.parse_params(row.get("params", ""))
            if row.get("workload") != "chase" or params.get("page") != "4k":
                continue
            refs, size = references(row), reshape.numeric(params.get("size", ""))
            # KVM's ept=1 walks as ours does; one mark stands for both.
            nested = row["mode"] in ("ept", "npt")
            pages = "4k" if small == {"off"} or row.get("backing", "").startswith("4k") else "2m"
            if refs and size:
                found.setdefault(pages if nested else "none", {}).setdefault(size, refs)
    return found


def open_env(path):
    """Lines of the env.txt beside a file."""
    try:
        with open(os.path.join(os.path.dirname(path), "env.txt"), encoding="utf-8") as file:
            return file.readlines()
    except OSError:
        return []


def draw(directory, folders):
    """Cycles above, references below."""
    rows = read(os.path.join(directory, "walkcost.csv"))
    if not rows:
        return "walkcost: the model was not run"
    cpu = rows[0]["cpu"]
    lines = {}
    for row in rows:
        lines.setdefault(row["nested"], []).append(
            (float(row["size"]), float(row["translation_cycles_per_access"]),
             (float(row["walk_refs_guest"]) + float(row["walk_refs_nested"])) / float(row["accesses"]))
        )
    points = measured(folders)
    sizes = sorted({p[0] for line in lines.values() for p in line})
    top_cycles = max(p[1] for line in lines.values() for p in line)
    figure = Figure(
        "walkcost",
        "What translating an access costs",
        f"One load from each 4 KiB page of a working set in random order (chase). Above: cycles that "
        f"translation adds to a load, modelled on a {cpu.replace('-', ' ')}. Below: page-walk references "
        + ("per load, modelled (lines) and as the emulated CPU's walker made them (marks): it has no "
           "paging-structure caches, which is why its walks are whole." if points else
           "per load, modelled."),
        reshape.source(directory, read(os.path.join(directory, "summary.csv")), "Lines modelled, marks")
        if points else "Modelled",
    )
    figure.legend([(KINDS[k][0], KINDS[k][1], "line", KINDS[k][3]) for k in KINDS if k in lines])
    if points:
        figure.legend([(f"measured: {KINDS[k][0]}", KINDS[k][1], KINDS[k][2]) for k in KINDS
                       if k in points])
    left, width, tall, top = 34, WIDTH - 34 - 8, 100, figure.top + 4
    tics = [(s, reshape.binary(s)) for s in sizes[::2]]
    axis = (sizes[0] / 1.2, sizes[-1] * 1.2)
    most = max([24] + [v for line in points.values() for v in line.values()])
    reference_tics = [(v, reshape.short(v)) for v in (0.1, 1, 4, 10, 24)]
    for line, (label, y_axis) in enumerate((
        ("cycles per load", linear_axis(top_cycles)),
        ("references per load", Axis(0.08, most * 1.3, reference_tics, log=10, grid=True)),
    )):
        shown = Axis(*axis, tics if line else [(v, "") for v, _ in tics], log=2)
        panel = figure.panel((left, top, width, tall), shown, y_axis)
        figure.text(7, top + tall / 2, label, "center", rotate=True)
        for kind, (_, colour, shape, dash) in KINDS.items():
            curve = [(p[0], p[1 + line]) for p in lines.get(kind, [])]
            curve = [p if not line or p[1] > 0.08 else None for p in curve]
            # The widest lies below, and shows around those that cover it.
            panel.line(curve, colour, 4 if kind == "none" else 1.4, dash)
            if line and kind in points:
                marks = [(s, v) for s, v in sorted(points[kind].items()) if v >= 0.08]
                panel.points([m for m in marks if axis[0] <= m[0] <= axis[1]], colour, shape, 1.1)
        if not line:
            for reach, text in reaches(rows, sizes):
                panel.line([(reach, 0), (reach, top_cycles)], "#909090", 0.8, 3)
                panel.text(reach, top_cycles, text, "right", (-3, 0), GREY)
        top += tall + 8
    figure.text(left + width / 2, top + 9, "working set", "center")
    figure.bottom = top + 14
    return figure


def reaches(rows, sizes):
    """Where the lines leave a level: the greatest set that the TLBs hold."""
    plain = {float(row["size"]): row for row in rows if row["nested"] == "none"}
    first = [s for s in sizes if float(plain[s]["translation_cycles_per_access"]) == 0]
    second = [s for s in sizes if float(plain[s]["walks"]) == 0]
    found = [(max(first), "L1 TLB")] if first else []
    return found + ([(max(second), "L2 TLB")] if second and second[-1:] != first[-1:] else [])


def main():
    """The command line."""
    directory, out, *walks = sys.argv[1:]
    if not os.path.exists(os.path.join(directory, "walkcost.csv")):
        return
    folders = [os.path.join(directory, "summary.csv")] + [os.path.join(w, "walks.csv") for w in walks]
    figure = draw(directory, folders)
    if isinstance(figure, str):
        print(f"plot: left out {figure}", file=sys.stderr)
    else:
        figure.write(out)


if __name__ == "__main__":
    main()
