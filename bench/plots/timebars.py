#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The picture of modelled time: from time.csv of build/breakdown, a bar for each mode and workload.

Everything is in time.csv; here is decided which parameters of a workload are shown, and in what colour.
"""

import csv
import os
import sys

import reshape
from charts import short, stacked
from figure import Figure
from suite import cut_note, limit_of, listing, total

# Parts that are no exit of a cause; what an exit is called, reshape.py knows.
PARTS = {
    "instructions": ("guest and hypervisor", "#b0a890"),
    "guest": ("guest work", "#c8c8c8"),
    "walks": ("page walks", "#CC79A7"),
    "flushes": ("TLB flushes", "#332288"),
    "hypervisor": ("hypervisor's code", "#8C510A"),
}

def read(directory):
    """{work: {series: {part: (cycles, low, high)}}} of one CPU, and its name."""
    with open(os.path.join(directory, "time.csv"), newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    cpu = rows[0]["cpu"]  # the figures of all are in the file
    cells = {}
    for row in rows:
        if row["cpu"] == cpu:
            work, series = (row["workload"], row["params"]), (row["engine"], row["mode"])
            figures = tuple(float(row[c]) for c in ("cycles", "low", "high"))
            cells.setdefault(work, {}).setdefault(series, {})[row["part"]] = figures
    return cpu, cells


# What the others are compared with: the bare machine, or where it was not run the mode nearest to it.
BASES = (("native", "native"), ("penumbra", "ept"), ("kvm", "ept"))


def base_of(cells, work):
    """Which of them a work has."""
    return next((base for base in BASES if base in cells[work]), None)


def chosen_works(results, cells):
    """Of each workload one: with modelled walks if some have them, and where the modes differ most."""

    def rank(work):
        totals = [parts["total"][0] for key, parts in cells[work].items() if key[0] == "penumbra"]
        base = cells[work][base_of(cells, work)]
        return ("walks" in base, max(totals, default=0) / base["total"][0])

    found = []
    for workload in results.workloads():
        works = [w for w in cells if w[0] == workload and base_of(cells, w) and len(cells[w]) > 1]
        if works:
            found.append(max(works, key=rank))
    return found


def draw(directory):
    """One panel for each workload."""
    results = reshape.Results(directory)
    cpu, cells = read(directory)
    works = chosen_works(results, cells)
    # Exits and nothing else are no question of paging.
    works = [w for w in works if w[0] != "null_exit"]
    if not works:
        return "time: neither the bare machine was run nor ept"
    every = [part for w in works for parts in cells[w].values() for part in parts]
    causes = dict.fromkeys(part for part in every if part.startswith("exits_"))
    spare = iter(reshape.SPARE_PARTS)
    words = {**PARTS}
    for part in causes:
        words[part] = reshape.COUNTERS.get(part) or (part[6:].replace("_", " "), next(spare, "#000000"))
        words[part] = ("exits: " + words[part][0], words[part][1])
    order = ["instructions", "guest", "walks", "flushes", *causes, "hypervisor"]
    without = [w[0] for w in works if "walks" not in cells[w][base_of(cells, w)]]
    series = sorted(results.series, key=lambda s: s[0] != base_of(cells, works[0]))
    peer = "on the bare machine" if base_of(cells, works[0]) == BASES[0] else "under ept"
    panels, band = [], []
    for work in works:
        base = cells[work][base_of(cells, work)]["total"][0]
        shown = {}
        for key, legend, *_ in series:
            parts = cells[work].get(key)
            if not parts:
                continue
            cycles, low, high = parts["total"]
            band += [low / cycles, high / cycles]
            bar = [(parts[p][0], words[p][1]) for p in order if p in parts]
            text = f"{short(float(f'{base:.3g}'))} cycles" if key == base_of(cells, work) else (
                f"{cycles / base:.{1 if cycles < 9.95 * base else 0}f}\u00d7")
            shown[legend] = (bar, text)
        only_bars = {legend: bar for legend, (bar, _) in shown.items()}
        mark = "*" if work[0] in without else ""
        panels.append((results.label(work) + mark, shown, limit_of(results, only_bars)))
    used = {colour for _, shown, _ in panels for parts, _ in shown.values() for v, colour in parts
            if v > 0.002 * total(parts)}
    caption = (
        f"Cycles per operation that each workload would take on a {cpu.replace('-', ' ')}, by what they "
        "go into: counts are measured, cycles modelled (bench/walk/cpus). Numbers are multiples of those "
        f"{peer}. The prices leave each bar between {min(band):.1f} and {max(band):.1f} times "
        "its length. What the guest's own data misses in the caches is left out: it is the same in every "
        "mode, and how much of it a CPU overlaps nobody can say." + cut_note(panels)
    )
    if without:
        caption += f" * The walks of {listing(without)} were not traced (bench/walk/measure), and are left out."
    figure = Figure("time", f"Where the time goes: {cpu.replace('-', ' ')}, modelled", caption,
                    reshape.source(directory, results.rows, "Modelled from counts"))
    figure.legend([(*words[p], "box") for p in order if p in words and words[p][1] in used])
    names = [s[1] for s in series if any(s[1] in shown for _, shown, _ in panels)]
    return stacked(figure, panels, names)


def main():
    """timebars.py RESULTS OUT"""
    if not os.path.exists(os.path.join(sys.argv[1], "time.csv")):
        return
    figure = draw(sys.argv[1])
    if isinstance(figure, str):
        print(f"plot: left out {figure}", file=sys.stderr)
    else:
        figure.write(sys.argv[2])


if __name__ == "__main__":
    main()
