#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The pictures of a run of the suite, and of single operations (`make cost`), from its summary.csv."""

import sys

from charts import dots, linear_axis, log_axis, ratio_axis, short, stacked
from figure import Axis, Figure
from reshape import CLOCKS, UNITS, Results, number, numeric, param_text, parse_params, parts_of

# Fewer events than this in an operation are none.
FEW = 0.0005
# Penumbra's own bars fill a panel; a peer's that is longer than so many times the longest is cut off.
CUT = 1.25


def listing(words):
    """a, b and c"""
    words = list(words)
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""


def word(clock):
    """What a clock counts."""
    return CLOCKS.get(clock, clock)


def per_workload(results, bars_of):
    """[(work, {bar: [(value, colour)]})]: of each workload the parameters with the longest bar."""
    chosen = []
    for workload in results.workloads():
        best = None
        for work in results.works:
            bars = bars_of(work) if work[0] == workload else {}
            top = max((total(parts) for parts in bars.values()), default=0)
            if bars and (best is None or top > best[0]):
                best = (top, work, bars)
        if best:
            chosen.append(best[1:])
    return chosen


def total(parts):
    """The length of a bar."""
    return sum(value for value, _ in parts)


def limit_of(results, bars):
    """Where bars are cut off: peers may be much longer than what the picture is about."""
    own = [legend for key, legend, *_ in results.series if key[0] == "penumbra"]
    longest = max(total(parts) for parts in bars.values())
    ours = max((total(bars[name]) for name in own if name in bars), default=longest)
    return min(longest, max(ours * CUT, 0)) or longest


def counter_panels(results, prefix, whole=None):
    """Panels of the counters with a prefix, the parts that occur, and a note on what is left out.

    whole is the column of their sum, for rows that have nothing but that.
    """
    parts = parts_of(results.rows, prefix)
    if whole:
        parts.append((None, "all causes", "#4D4D4D"))

    def bars_of(work):
        bars = {}
        for key, legend, *_ in results.series:
            row = results.cell.get((work, key))
            if not row:
                continue
            values = [number(row, column) if column else None for column, *_ in parts]
            if not any(value is not None for value in values) and whole:
                values = [None] * (len(parts) - 1) + [number(row, whole)]
            if any(value is not None for value in values):
                bars[legend] = [(v or 0, part[2]) for v, part in zip(values, parts)]
        return bars

    chosen = per_workload(results, bars_of)
    empty = [w[0] for w, bars in chosen if max(map(total, bars.values())) < FEW]
    equal = [w[0] for w, bars in chosen if w[0] not in empty and alike(map(total, bars.values()))]
    chosen = [(w, bars) for w, bars in chosen if w[0] not in empty + equal]
    used = {colour for _, bars in chosen for ps in bars.values() for value, colour in ps if value}
    entries = [(words, colour, "box") for _, words, colour in parts if colour in used]
    panels = [
        (
            results.label(work),
            {name: (ps, short(total(ps)) if total(ps) >= FEW else "0") for name, ps in bars.items()},
            limit_of(results, bars),
        )
        for work, bars in chosen
    ]
    note = cut_note(panels)
    note += f" None in any mode: {listing(empty)}." if empty else ""
    note += f" Equal in all modes: {listing(equal)}." if equal else ""
    return panels, entries, note


def alike(values):
    """Equal but for 1 %, all of them?"""
    values = list(values)
    return max(values) - min(values) <= 0.01 * max(values)


def bar_names(results, panels):
    """Those that occur, in the order of the series."""
    return [s[1] for s in results.series if any(s[1] in shown for _, shown, _ in panels)]


def cut_note(panels):
    """What a white double stroke means, where there is one."""
    cut = any(total(parts) > limit for _, shown, limit in panels for parts, _ in shown.values())
    return " A bar with a white double stroke is cut off; its number is whole." if cut else ""


def exits(results):
    """VM exits by cause."""
    panels, entries, note = counter_panels(results, "exits_", "exits_per_op")
    if not panels:
        return "exits: no row has what it shows"
    caption = (
        "VM exits per operation by cause, for each workload with the parameters that have most; each "
        "panel has its own axis." + note
    )
    figure = Figure("exits", "VM exits per operation, by cause", caption, results.source)
    figure.legend(entries)
    return stacked(figure, panels, bar_names(results, panels))


def flushes(results):
    """TLB flushes: the guest's, once, and what each hypervisor executed."""
    guest, host = parts_of(results.rows, "flush_guest_"), parts_of(results.rows, "flush_host")

    def bars_of(work):
        bars = {}
        for key, legend, *_ in results.series:
            row = results.cell.get((work, key))
            if not row:
                continue
            wanted = [(number(row, c), colour) for c, _, colour in guest]
            if "guest" not in bars and any(v is not None for v, _ in wanted):
                bars["guest"] = [(v or 0, colour) for v, colour in wanted]
            done = [(number(row, c), colour) for c, _, colour in host]
            if any(v is not None for v, _ in done):
                bars[legend] = [(v or 0, colour) for v, colour in done]
        return bars

    chosen = per_workload(results, bars_of)
    empty = [w[0] for w, bars in chosen if max(map(total, bars.values())) < 0.01]
    chosen = [(w, bars) for w, bars in chosen if w[0] not in empty]
    if not chosen:
        return "flushes: no row has what it shows"
    used = {colour for _, bars in chosen for ps in bars.values() for v, colour in ps if v}
    entries = [(f"{who}: {words}", colour, "box") for who, parts in (("guest", guest), ("host", host))
               for _, words, colour in parts if colour in used]
    panels = [(results.label(w), {n: (ps, short(total(ps))) for n, ps in bars.items()},
               max(map(total, bars.values()))) for w, bars in chosen]
    names = ["guest"] + [s[1] for s in results.series if any(s[1] in shown for _, shown, _ in panels)]
    caption = (
        "TLB flushes per operation: what the guest asked for (in every mode the same), and what the "
        "hypervisor executed for it in each mode."
    )
    if empty:
        caption += f" Left out, for they hardly flush: {listing(empty)}."
    figure = Figure("flushes", "TLB flushes: asked for, and executed", caption, results.source)
    figure.legend(entries)
    return stacked(figure, panels, names)


def walks(results):
    """References of page walks."""
    panels, entries, note = counter_panels(results, "walk_refs_")
    if not panels:
        return None  # not on this host, or not asked for: raw.csv says so
    caption = (
        "Page-walk references per operation, for each workload with the parameters that have most."
        + note
    )
    if any(row["host"] == "emulated" for row in results.rows):
        caption += (
            " Counted from the emulated CPU's walker: it has no paging-structure caches, and its TLB "
            "is flushed at each VM exit, for which shadow modes pay here and not on a CPU with VPID."
        )
    figure = Figure("walks", "Page-walk references per operation", caption, results.source)
    figure.legend(entries)
    return stacked(figure, panels, bar_names(results, panels))


def against_shadow(results):
    """Exits and time of the lazy modes as multiples of shadow's: where exits are saved, what it costs."""
    lazy = [s for s in results.series if s[0][0] == "penumbra" and s[0][1] not in ("shadow", "ept")]
    rows, same = [], []
    for work in results.works:
        base = results.cell.get((work, ("penumbra", "shadow")))
        if not base or (number(base, "exits_per_op") or 0) < 0.01:
            continue
        ratios = [ratio(results, work, s[0], "exits_per_op") for s in lazy]
        if any(r is not None and abs(r - 1) > 0.01 for r in ratios):
            rows.append(work)
        else:
            same.append(work)
    if not lazy or not rows:
        return "headline: no lazy shadow mode differs from shadow"
    figure = Figure(
        "headline",
        "Lazy shadow modes against shadow: exits saved, and their price",
        f"VM exits and elapsed {UNITS.get(results.clock, results.clock)} as multiples of those under "
        f"write-protected shadow paging (the line at 1), in all {len(rows)} rows of which a lazy mode "
        f"changes the exits by more than 1 %; in {len(same)} more rows with exits it does not.",
        results.source,
    )
    figure.legend([(s[1], s[2], s[3]) for s in lazy] + [("shadow", "#D55E00", "line")])
    columns = []
    for label, column in (("VM exits", "exits_per_op"), ("elapsed " + word(results.clock), "elapsed_per_op")):
        values = [ratio(results, w, s[0], column) for w in rows for s in lazy]
        values = [v for v in values if v] + [1]

        def pick(y, key, column=column):
            value = ratio(results, rows[y], key, column)
            return None if value is None else (value,) * 3

        columns.append((label, ratio_axis(values), pick, (1, "#D55E00")))
    return dots(figure, [(results.label(w), w[0]) for w in rows], lazy, columns, lane=3)


def ratio(results, work, key, column):
    """A figure over that of shadow."""
    row, base = results.cell.get((work, key)), results.cell.get((work, ("penumbra", "shadow")))
    value, under = (number(row, column), number(base, column)) if row and base else (None, None)
    return value / under if value is not None and under else None


def few_of(results, workload, limit):
    """At most so many of a workload's parameter sets: of a swept parameter least, middle, greatest."""
    works = [work for work in results.works if work[0] == workload]
    if len(works) <= limit:
        return works
    for param in results.varying(workload):
        values = [numeric(parse_params(params).get(param, "")) for _, params in works]
        ordered = sorted({v for v in values if v is not None})
        if None in values or len(ordered) <= 3:
            continue
        keep = (ordered[0], ordered[len(ordered) // 2], ordered[-1])
        works = [work for work, value in zip(works, values) if value in keep]
    step = (len(works) - 1) / (limit - 1)
    return works if len(works) <= limit else [works[round(i * step)] for i in range(limit)]


def relative(results):
    """Elapsed time as a multiple of the bare machine's, or where that was not run of ept's cost."""
    native = any(number(row, "elapsed_vs_native") for row in results.rows if row["engine"] != "native")
    column = "elapsed_vs_native" if native else "cost_vs_ept"
    base = ("native", "native") if native else ("penumbra", "ept")
    series = [s for s in results.series if s[0] != base]

    def pick_row(work, key):
        row = results.cell.get((work, key))
        value = number(row, column) if row else None
        if value is None or value <= 0 or (not native and not resolved(row)):
            return None
        return with_interval(row, value, "elapsed" if native else "cost")

    works, flat = [], []
    for workload in results.workloads():
        for work in few_of(results, workload, 3):
            values = [pick_row(work, s[0]) for s in series]
            values = [value[0] for value in values if value]
            if values and max(values) > 1.05:
                works.append(work)
            elif values:
                flat.append(results.label(work))
    if not works:
        return "cost: no row costs more than " + ("the bare machine's" if native else "under ept")
    every = [v for w in works for s in series for v in (pick_row(w, s[0]) or ())]
    what = "elapsed" if native else "cost"
    figure = Figure(
        "cost",
        f"{what.capitalize()} {word(results.clock)}, as multiples of " + ("the bare machine's" if native else "ept's"),
        f"{what.capitalize()} {UNITS.get(results.clock, results.clock)} per operation as multiples of "
        + ("those on the bare machine" if native else "those under ept")
        + (f". Within 5 % of it in every mode: {listing(flat)}." if flat else "."),
        results.source,
    )
    figure.legend([(s[1], s[2], s[3]) for s in series])
    axis = log_axis(every + [1])
    columns = [("", axis, lambda y, key: pick_row(works[y], key), (1, "#000000"))]
    return dots(figure, [(results.label(w), w[0]) for w in works], series, columns, lane=2.6)


def with_interval(row, value, what):
    """A figure made from a median, with the 95 % interval of that as bars where there is one."""
    median = number(row, "elapsed_per_op" if what == "elapsed" else "cost_median")
    ends = [number(row, f"{what}_{end}") for end in ("low", "high")]
    if not median or None in ends:
        return (value,) * 3
    return (value, value * ends[0] / median, value * ends[1] / median)


def resolved(row):
    """Does the body cost more than its control, by more than the two differ in loop overhead?"""
    cost, elapsed = number(row, "cost_median"), number(row, "elapsed_per_op")
    return cost is not None and elapsed is not None and cost > 0.03 * elapsed


def operations(results):
    """Single operations, all engines: the workload cost."""
    works = [work for work in results.works if work[0] == "cost"]

    def pick_row(work, key):
        row = results.cell.get((work, key))
        value = number(row, "cost_median") if row else None
        return None if value is None or value < 1 else with_interval(row, value, "cost")

    works = [w for w in works if any(pick_row(w, s[0]) for s in results.series)]
    if not works:
        return "operations: no operation costs anything"
    every = [v for w in works for s in results.series for v in (pick_row(w, s[0]) or ()) if v > 0]
    figure = Figure(
        "operations",
        f"Cost of one operation, {word(results.clock)}",
        f"Cost of single operations in {UNITS.get(results.clock, results.clock)}, the loop around them "
        "taken off. An engine without a mark takes less than one, or than can be told.",
        results.source,
    )
    figure.legend([(s[1], s[2], s[3]) for s in results.series])
    axis = log_axis([max(1, v) for v in every])
    columns = [("", axis, lambda y, key: pick_row(works[y], key), None)]
    return dots(figure, [(results.label(w), y) for y, w in enumerate(works)], results.series, columns,
                lane=2.4)


def sweeps(results):
    """A picture for each numeric parameter that some workload was run with three values of."""
    found = []
    for workload in results.workloads():
        for param in results.varying(workload):
            values = [numeric(params.get(param, "")) for params in results.params_of(workload)]
            if None not in values and len(set(values)) >= 3:
                found.append(sweep(results, workload, param))
    return found


def slices_of(results, workload, param):
    """What else varies: [{other: value}] of those with three values of param or more."""
    others = [other for other in results.varying(workload) if other != param]
    groups = {}
    for name, text in results.works:
        params = parse_params(text)
        if name == workload:
            rest = tuple((other, params.get(other, "")) for other in others)
            groups.setdefault(rest, set()).add(params.get(param))
    return [dict(rest) for rest, values in groups.items() if len(values) >= 3]


def slice_words(slices, one):
    """The parameters in which slices differ."""
    differ = [name for name in one if len({other[name] for other in slices}) > 1]
    words = [f"{name}={param_text(name, one[name])}" if one[name] else f"without {name}"
             for name in differ]
    return ", ".join(words)


def moves(points):
    """Does a curve leave the level by more than half?"""
    for column in (1, 2):
        values = [p[column] for p in points if p[column] is not None]
        if values and max(values) > 0.01 and max(values) > 1.5 * min(values):
            return True
    return False


def coincide(results, curves):
    """A sentence on the modes whose exits are the same all along."""
    groups = []
    for key, legend, *_ in results.series:
        mine = {i: [p[1] for p in points] for (i, k), points in curves.items() if k == key}
        if not mine or any(v is None for values in mine.values() for v in values):
            continue
        for values, legends in groups:
            pairs = [p for i in mine for p in zip(mine[i], values.get(i, []))]
            if values.keys() == mine.keys() and all(abs(a - b) <= 0.01 * max(a, b, 1) for a, b in pairs):
                legends.append(legend)
                break
        else:
            groups.append((mine, [legend]))
    texts = [listing(legends) for _, legends in groups if len(legends) > 1]
    return f" Equal in their exits: {'; '.join(texts)}." if texts else ""


def sweep(results, workload, param):
    """Exits above, elapsed time below, a column for each setting of what else varies."""
    name = f"sweep_{workload}_{param}"
    slices = slices_of(results, workload, param)[:2]
    curves = {}
    for i, one in enumerate(slices):
        for key, *_ in results.series:
            points = []
            for work in results.works:
                params = parse_params(work[1])
                row = results.cell.get((work, key))
                if row and work[0] == workload and all(params.get(k, "") == v for k, v in one.items()):
                    time = number(row, "elapsed_per_op")
                    points.append((numeric(params[param]), number(row, "exits_per_op"), time,
                                   *(with_interval(row, time, "elapsed")[1:] if time else (None, None))))
            if points:
                curves[i, key] = sorted(points)
    xs = sorted({point[0] for points in curves.values() for point in points})
    own = [p for (_, key), points in curves.items() for p in points if key[0] != "native"]
    times = [p[2] for points in curves.values() for p in points if p[2]]
    if len(xs) < 3 or not any(moves(points) for points in curves.values()):
        return f"{name}: {param} changes neither the exits nor the time of {workload} by half"
    logarithmic = xs[0] > 0 and xs[-1] / xs[0] >= 8
    tics = [(x, param_text(param, f"{x:.0f}")) for x in xs]
    if logarithmic:
        x_axis = Axis(xs[0] / 1.15, xs[-1] * 1.15, tics[:: 1 + len(tics) // 6], log=2)
    else:
        pad = (xs[-1] - xs[0]) * 0.05
        round_tics = linear_axis(xs[-1]).tics
        x_axis = Axis(xs[0] - pad, xs[-1] + pad, [t for t in round_tics if xs[0] <= t[0] <= xs[-1]])
    words = "share of operations that update an entry (%)" if param == "share" else param
    figure = Figure(
        name,
        f"{workload}: exits and time against {param}",
        f"{workload}, {words}: VM exits per operation, and elapsed "
        f"{UNITS.get(results.clock, results.clock)} per operation on a logarithmic axis, in each mode."
        + coincide(results, curves),
        results.source,
    )
    series = [s for s in results.series if any(key == s[0] for _, key in curves)]
    figure.legend([(s[1], s[2], s[3]) for s in series])
    lines = (
        ("VM exits per operation", 1, linear_axis(max((p[1] or 0) for p in own))),
        (f"elapsed {word(results.clock)} per operation", 2, log_axis(times)),
    )
    left, gap, tall = 34, 8, 96
    width = (245 - left - 8 - gap * (len(slices) - 1)) / len(slices)
    top = figure.top + 4
    if len(slices) > 1:
        for i, one in enumerate(slices):
            figure.text(left + i * (width + gap) + width / 2, top + 3, slice_words(slices, one), "center")
        top += 11
    for line, (label, column, y_axis) in enumerate(lines):
        figure.text(7, top + tall / 2, label, "center", rotate=True)
        for i in range(len(slices)):
            blank = [(v, "" if i else text) for v, text in y_axis.tics]
            shown_x = Axis(x_axis.low, x_axis.high,
                           [(v, text if line else "") for v, text in x_axis.tics], log=x_axis.log)
            panel = figure.panel((left + i * (width + gap), top, width, tall), shown_x,
                                 Axis(y_axis.low - (0 if y_axis.log else 0.03 * y_axis.high),
                                      y_axis.high, blank, log=y_axis.log, grid=True))
            for order, (key, _, colour, shape) in enumerate(series):
                points = [(p[0], p[column]) for p in curves.get((i, key), []) if p[column] is not None]
                if points:
                    # What lies below must show around what lies above.
                    panel.line(points, colour, 1.2)
                    panel.points(points, colour, shape, 1.3 - 0.12 * order)
                if column == 2:
                    panel.bars([(p[0], p[2], *p[3:]) for p in curves.get((i, key), [])
                                if p[2] is not None and p[4] > 1.02 * p[3]], colour, across=True)
        top += tall + 8
    figure.text(left + (245 - left - 8) / 2, top + 8, words, "center")
    figure.bottom = top + 13
    return figure


def figures(results):
    """All of them; a string says why one was left out."""
    if results.workloads() == ["cost"]:
        return [operations(results)]
    return [exits(results), against_shadow(results), relative(results), flushes(results),
            walks(results), *sweeps(results)]


def main():
    """suite.py RESULTS OUT"""
    try:
        results = Results(sys.argv[1])
    except (OSError, KeyError) as error:
        sys.exit(f"plot: cannot use {sys.argv[1]}/summary.csv: {error}")
    if results.only_others:
        return
    if not results.rows:
        sys.exit(f"plot: {sys.argv[1]}/summary.csv has no row that is ok")
    for figure in figures(results):
        if isinstance(figure, str):
            print(f"plot: left out {figure}", file=sys.stderr)
        elif figure:
            figure.write(sys.argv[2])


if __name__ == "__main__":
    main()
