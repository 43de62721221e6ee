#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""From summary.csv to what gnuplot draws: for each plot NAME.dat and NAME.var.

Only reshaping: which rows stand where, under which label and colour. Every figure is one that
build/summarize has written. What a CSV does not have (a mode, a workload, a column) is left out of
the plot; a plot for which nothing is left is not made, with a sentence.
"""

import csv
import math
import os
import sys

# Okabe-Ito. A mode keeps its colour and shape wherever it appears; gnuplot's point types.
SERIES = [
    # engine, mode, legend, colour, shape
    ("penumbra", "shadow", "shadow", "#D55E00", 7),
    ("penumbra", "ssp", "ssp", "#009E73", 5),
    ("penumbra", "hybrid", "hybrid", "#E69F00", 9),
    ("penumbra", "ept", "ept", "#0072B2", 13),
    ("kvm", "shadow", "KVM shadow", "#CC79A7", 6),
    ("kvm", "ept", "KVM ept", "#56B4E9", 12),
    ("native", "native", "native", "#000000", 2),
]
SPARE_COLOURS = ["#F0E442", "#999999", "#000000"]

CAUSES = [
    ("exits_pt_write", "table write", "#D55E00"),
    ("exits_hidden_fault", "hidden fault", "#E69F00"),
    ("exits_true_fault", "true fault", "#F0E442"),
    ("exits_cr3", "MOV to CR3", "#56B4E9"),
    ("exits_invlpg", "INVLPG", "#0072B2"),
    ("exits_nested", "EPT violation", "#009E73"),
    ("exits_other", "other", "#999999"),
]

FLUSHES = [
    ("flush_guest_invlpg", "guest: INVLPG", "#0072B2"),
    ("flush_guest_cr3", "guest: MOV to CR3", "#56B4E9"),
    ("flush_guest_invpcid", "guest: INVPCID", "#009E73"),
    ("flush_host", "host: INVVPID, INVEPT", "#D55E00"),
]

# Fewer events per operation than this come from the host (its clock), not from the operation.
FEW = 0.001

# Parameters that are bytes; people read 64K.
SIZES = ("size", "ws", "bytes")

UNITS = {"ticks": "ticks (emulated instructions)", "tsc": "TSC cycles"}


def number(row, column):
    """A figure, or None where it was not taken."""
    text = row.get(column, "")
    return float(text) if text else None


def parse_params(text):
    """'a:1;b:2' in its order."""
    if text in ("", "-"):
        return {}
    return dict(part.split(":", 1) if ":" in part else (part, "") for part in text.split(";"))


def numeric(text):
    """The value of 64, 64K or 2M, or None."""
    scale = {"K": 1024, "M": 1024**2, "G": 1024**3}.get(text[-1:].upper(), 1)
    try:
        return float(text if scale == 1 else text[:-1]) * scale
    except ValueError:
        return None


def quote(text):
    """A gnuplot string."""
    return "'" + text.replace("'", "''") + "'"


def short(value):
    """A figure as people read it: three digits, no exponent, no needless zeros."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{min(digits, 9)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def binary(value):
    """65536 as 64K."""
    for scale, letter in ((1024**3, "G"), (1024**2, "M"), (1024, "K")):
        if value >= scale:
            return short(value / scale) + letter
    return short(value)


def param_text(name, value):
    """A parameter's value as people read it."""
    return binary(numeric(value)) if name in SIZES and numeric(value) is not None else value


class Results:
    """summary.csv, grouped: work (workload and parameters) by series (engine and mode)."""

    def __init__(self, directory):
        with open(os.path.join(directory, "summary.csv"), newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["reps"] != "0"]
        # The GTT device and the workload growth have plots of their own: gtt.py, growth.py.
        self.rows = [r for r in rows if not r.get("gtt_mode") and r["workload"] != "growth"]
        self.only_others = bool(rows) and not self.rows
        self.works = []  # (workload, params) in the order of the file
        self.cell = {}  # (work, series) -> row
        found = []
        for row in self.rows:
            work = (row["workload"], row["params"])
            series = (row["engine"], row["mode"])
            if work not in self.works:
                self.works.append(work)
            if series not in found:
                found.append(series)
            # The same work twice, on other hosts or backings: the last one stands.
            self.cell[work, series] = row
        known = [s for s in SERIES if s[:2] in found]
        self.series = []  # (key, legend, colour, shape)
        for engine, mode, legend, colour, shape in known:
            self.series.append(((engine, mode), legend, colour, shape))
        taken = [s[0] for s in self.series]
        for i, key in enumerate(k for k in found if k not in taken):
            colour = SPARE_COLOURS[i % len(SPARE_COLOURS)]
            self.series.append((key, " ".join(key), colour, 4 + 2 * (i % 5)))
        self.works.sort(key=lambda work: self.workloads().index(work[0]))
        self.clock = self.rows[0]["clock"] if self.rows else ""
        self.caption = caption(directory, self.rows)

    def workloads(self):
        """Names in the order of the file."""
        return list(dict.fromkeys(row["workload"] for row in self.rows))

    def params_of(self, workload):
        """Parameter sets of a workload, parsed."""
        return [parse_params(params) for name, params in self.works if name == workload]

    def varying(self, workload):
        """The parameters in which a workload's rows differ."""
        sets = self.params_of(workload)
        names = dict.fromkeys(name for params in sets for name in params)
        return [name for name in names if len({params.get(name) for params in sets}) > 1]

    def usual(self, workload, name, value):
        """Do more than three quarters of a workload's parameter sets have this value?"""
        sets = self.params_of(workload)
        return 4 * sum(params.get(name) == value for params in sets) > 3 * len(sets)

    def label(self, work):
        """A workload with the parameters that tell it from its other rows."""
        params = parse_params(work[1])
        if work[0] == "cost" and "kind" in params:
            more = [f", {name}={params[name]}" for name in ("direct_faults",) if name in params]
            return params["kind"] + (", populated" if "populate" in params else "") + "".join(more)
        names = [name for name in self.varying(work[0]) if name in params]
        shown = [name for name in names if not self.usual(work[0], name, params[name])]
        return " ".join([work[0]] + [f"{name}={param_text(name, params[name])}" for name in shown])


def environment(directory):
    """env.txt; empty where there is none."""
    env = {}
    try:
        with open(os.path.join(directory, "env.txt"), encoding="utf-8") as file:
            for line in file:
                key, _, value = line.rstrip("\n").partition(" ")
                env.setdefault(key, value)
    except OSError:
        pass
    return env


def caption(directory, rows):
    """Host, clock and revision in one line: no picture without its kind."""
    env = environment(directory)
    kinds = sorted({row["host"] for row in rows})
    text = {
        "emulated": "Emulated VT-x host: counts are exact, ticks are instructions and not time",
        "metal": "VT-x of this machine",
        "nested": "Nested VT-x: inside another virtual machine, expect noise",
    }
    parts = [text.get(kind, f"host={kind}") for kind in kinds]
    cpu = env.get("emulated_cpu_model") or env.get("host_cpu")
    emulator = env.get("emulator", "").split(" ")
    if emulator[0]:
        cpu = f"{emulator[0].capitalize()} {emulator[-1].split('+')[0]}, model {cpu}"
    if env.get("mitigations") == "on":
        cpu = f"{cpu}, mitigations on"
    parts += [part for part in (cpu, env.get("revision")) if part]
    return ". ".join(parts)


class Plot:
    """One NAME.dat and NAME.var, written when it is complete."""

    def __init__(self, results, directory, name, template, **variables):
        self.base = os.path.join(directory, name)
        self.template = template
        self.blocks = []
        self.lines = []
        self.set(caption=results.caption, **variables)

    def set(self, **variables):
        """Strings and numbers."""
        for name, value in variables.items():
            self.lines.append(f"{name} = {quote(value) if isinstance(value, str) else value}")

    def array(self, name, values):
        """gnuplot's arrays start at 1."""
        self.lines.append(f"array {name}[{len(values)}]")
        for i, value in enumerate(values, 1):
            text = quote(value) if isinstance(value, str) else value
            self.lines.append(f"{name}[{i}] = {text}")

    def block(self, rows):
        """One index of the data; gnuplot wants at least one line in each."""
        text = [" ".join("NaN" if v is None else f"{v:.10g}" for v in row) for row in rows]
        self.blocks.append("\n".join(text or ["NaN NaN NaN NaN NaN"]))

    def write(self):
        """Both files."""
        with open(self.base + ".dat", "w", encoding="utf-8") as file:
            file.write("\n\n\n".join(self.blocks) + "\n")
        with open(self.base + ".var", "w", encoding="utf-8") as file:
            file.write(f"# {self.template}\n" + "\n".join(self.lines) + "\n")


def tics(axis, pairs):
    """A gnuplot command that sets labelled tics."""
    inner = ", ".join(f'"{text}" {position:.10g}' for position, text in pairs)
    return f"set {axis}tics ({inner})"


def legend(entries, width, y, first_tag, box=False):
    """gnuplot commands for one centred row of (text, colour, point type).

    Not gnuplot's own key: that wraps and grows over the title when there are many modes.
    """
    gap, mark = 26, 18  # pixels

    def text_width(text):
        return sum(10 if c.isupper() else 4 if c in "il:, " else 7.6 for c in text)

    total = sum(mark + text_width(text) for text, *_ in entries) + gap * (len(entries) - 1)
    x = (width - total) / 2
    commands = []
    for tag, (text, colour, shape) in enumerate(entries, first_tag):
        at = (x + mark) / width
        point = "" if box else f'point pointtype {shape} linecolor rgb "{colour}" pointsize 1.4 '
        commands.append(f'set label {tag} "  {text}" at screen {at:.5f}, screen {y:.5f} left {point}')
        if box:
            commands.append(
                f"set object {tag} rectangle center screen {at:.5f}, screen {y:.5f} "
                f'size screen {12 / width:.5f}, screen {box:.5f} fillstyle solid noborder '
                f'fillcolor rgb "{colour}"'
            )
        x += mark + text_width(text) + gap
    return "; ".join(commands)


def thin_out(results, works, limit):
    """At most so many of a workload's parameter sets.

    Of a swept parameter the least, the middle and the greatest stay; the sweep has its own plot.
    """
    # The workload "cost" is a list of operations: it is shown whole.
    if len(works) <= limit or works[0][0] == "cost":
        return works
    for param in results.varying(works[0][0]):
        values = [numeric(parse_params(params).get(param, "")) for _, params in works]
        if None in values or len(set(values)) <= 3:
            continue
        ordered = sorted(set(values))
        keep = (ordered[0], ordered[len(ordered) // 2], ordered[-1])
        works = [work for work, value in zip(works, values) if value in keep]
    if len(works) <= limit + 2:
        return works
    step = (len(works) - 1) / (limit - 1)
    return [works[round(i * step)] for i in range(limit)]


def decade_label(exponent):
    """1000 rather than 10^3 where that is easy to read."""
    if -3 <= exponent <= 4:
        return short(10.0**exponent)
    return f"1e{exponent}"


def dots(
    results,
    directory,
    name,
    title,
    x_label,
    pick,
    reference=None,
    note=None,
    only=None,
    words=("cheaper", "dearer"),
):
    """A dot plot over all works; pick(row) gives (value, min, max) or None.

    only is the workload it is about, if it is about one.

    reference is (name, colour) of what the line at 1 stands for; words say what is left and right
    of it.

    note(work) says in words why a line has no point, or gives None: then there is no line.
    """
    works = []
    for workload in [only] if only in results.workloads() else results.workloads():
        works += thin_out(results, [w for w in results.works if w[0] == workload], 6)
    points = {}
    for work in works:
        for key, *_ in results.series:
            row = results.cell.get((work, key))
            value = pick(row, key) if row else None
            if value is not None:
                points[work, key] = value
    pointless = {work: note(work) for work in works} if note else {}
    shown = {work for work, _ in points}
    works = [work for work in works if work in shown or pointless.get(work)]
    if not shown:
        return f"{name}: no row has what it shows"
    series = [s for s in results.series if any(k == s[0] for _, k in points)]

    positive = [v for value in points.values() for v in value if v >= FEW]
    zeros = any(value[0] < FEW for value in points.values())
    few = any(0 < value[0] < FEW for value in points.values())
    low = math.floor(math.log10(min(positive)) + 1e-9) if positive else 0
    high = math.ceil(math.log10(max(positive)) - 1e-9) if positive else 1
    if reference is not None:
        low, high = min(low, -1), max(high, 1)
    high = max(high, low + 1)
    # Far enough from the axis for its label, which is wider where it is not plainly 0.
    gap = 1.1 if few else 0.75
    zero_at = 10.0 ** (low - gap)
    x_min = 10.0 ** (low - (gap + 0.4 if zeros else 0.1))
    step = max(1, math.ceil((high - low) / 8))
    x_tics = [(10.0**e, decade_label(e)) for e in range(low, high + 1, step)]
    decorations = []
    if zeros:
        x_tics.insert(0, (zero_at, f"< {FEW}" if few else "0"))
        edge = 10.0 ** (low - 0.35)
        decorations.append(
            f"set arrow from {edge:.6g}, graph 0 to {edge:.6g}, graph 1 nohead linestyle 101"
        )
    if reference is not None:
        name_of_one, colour_of_one = reference
        decorations.append(
            "set arrow from 1, graph 0 to 1, graph 1 nohead "
            f'linecolor rgb "{colour_of_one}" linewidth 2'
        )
        style = 'font "DejaVu Sans,10" textcolor rgb "#505050"'
        decorations.append(
            f'set label "{words[0]} than {name_of_one}" at graph 0, graph 1 left '
            f"offset 0, 0.6 {style}"
        )
        decorations.append(
            f'set label "{words[1]} than {name_of_one}" at graph 1, graph 1 right '
            f"offset 0, 0.6 {style}"
        )
    # A line between workloads, so that the eye finds each one's rows.
    for i in range(1, len(works)):
        if works[i][0] != works[i - 1][0]:
            decorations.append(
                f"set arrow from graph 0, first {i + 0.5} to graph 1, first {i + 0.5} nohead "
                'linecolor rgb "#a0a0a0" linewidth 0.8'
            )
    for y, work in enumerate(works, 1):
        if work not in shown:
            decorations.append(
                f'set label "  {pointless[work]}" at {1 if reference else zero_at:.6g}, first {y} left '
                'font "DejaVu Sans,9" textcolor rgb "#505050" boxed'
            )
    labels = [results.label(work) for work in works]
    row_height = 22 if len(series) <= 3 else 28 if len(series) <= 5 else 40
    height = 164 + row_height * len(works)
    plot = Plot(results, directory, name, "dots.gp", plot_title=title, x_label=x_label)
    plot.set(
        width=900,
        height=height,
        caption_y=14 / height,
        bottom_margin=78 / height,
        top_margin=1 - 86 / height,
        title_y=1 - 20 / height,
        legend=legend([(s[1], s[2], s[3]) for s in series], 900, 1 - 46 / height, 10),
        rows=len(works),
        point_size=1.4 if len(series) <= 5 else 1.1,
        x_min=x_min,
        x_max=10.0 ** (high + 0.1),
        left_margin=max(len(label) for label in labels) + 2,
        n_series=len(series),
        colours=" ".join(s[2] for s in series),
        shapes=" ".join(str(s[3]) for s in series),
        set_ytics=tics("y", list(enumerate(labels, 1))),
        set_xtics=tics("x", x_tics),
        decorations="; ".join(decorations),
    )
    # Points of one line that would hide each other stand a little apart, up and down.
    spread = min(0.2, 0.8 / len(series))
    for i, (key, *_) in enumerate(series):
        shift = (i - (len(series) - 1) / 2) * spread
        marks, bars = [], []
        for y, work in enumerate(works, 1):
            if (work, key) not in points:
                continue
            value, least, most = points[work, key]
            marks.append((y + shift, value if value >= FEW else zero_at))
            if most > least >= FEW:
                bars.append((y + shift, value, least, most))
        plot.block(marks)
        plot.block(bars)
    plot.write()
    return None


def panels(results, directory, name, title, x_label, parts, bars_of):
    """A panel per workload; bars_of(work) gives [(label, [value or None per part], note)]."""
    chosen = []
    for workload in results.workloads():
        best = None
        for work in results.works:
            bars = bars_of(work) if work[0] == workload else []
            if not bars:
                continue
            top = max(sum(v or 0 for v in values) for _, values in bars)
            if best is None or top > best[0]:
                best = (top, work, bars)
        if best:
            chosen.append(best)
    if not chosen:
        return f"{name}: no row has what it shows"
    bar_names = list(dict.fromkeys(label for _, _, bars in chosen for label, _ in bars))
    order = {s[1]: i for i, s in enumerate(results.series)}
    bar_names.sort(key=lambda label: order.get(label, -1))
    # A part that is zero everywhere needs no place in the legend; one must stay.
    used = [
        any(values[k] for _, _, bars in chosen for _, values in bars) for k in range(len(parts))
    ]
    used[-1] = used[-1] or not any(used)
    columns = min(3, len(chosen))
    lines = math.ceil(len(chosen) / columns)
    bar_height = 17
    panel = bar_height * len(bar_names) + 8
    step = panel + 66
    width = 1120
    head, foot = 112, 58
    height = head + lines * step - 28 + foot
    left = (max(len(n) for n in bar_names) * 8.4 + 28) / width
    step_x = (1 - 0.01) / columns
    plot = Plot(results, directory, name, "panels.gp", plot_title=title, x_label=x_label)
    plot.set(
        width=width,
        height=height,
        caption_y=14 / height,
        title_y=1 - 20 / height,
        legend=legend(
            [(part[1], part[2], 0) for k, part in enumerate(parts) if used[k]],
            width,
            1 - 50 / height,
            10,
            box=12 / height,
        ),
        label_y=36 / height,
        columns=columns,
        n_panels=len(chosen),
        n_bars=len(bar_names),
        panel_left=left,
        panel_top=1 - head / height,
        panel_step_x=step_x,
        panel_width=step_x - left - 0.02,
        panel_step_y=step / height,
        panel_height=panel / height,
        set_ytics=tics("y", list(enumerate(bar_names, 1))),
        n_parts=sum(used),
        colours=" ".join(part[2] for k, part in enumerate(parts) if used[k]),
    )
    plot.array("panel_titles", [results.label(work) for _, work, _ in chosen])
    plot.array("panel_max", [float(top) * 1.22 if top >= FEW else 1.0 for top, _, _ in chosen])
    plot.array("panel_xtics", [panel_tics(top) for top, _, _ in chosen])
    labels = []
    for top, _, bars in chosen:
        shown = dict(bars)
        commands = []
        for y, bar in enumerate(bar_names, 1):
            values = shown.get(bar)
            if values is None or all(v is None for v in values):
                text, at = "not taken", 0
            else:
                at = sum(v or 0 for v in values)
                text = short(at)
            commands.append(
                f'set label "{text}" at first {at:.10g}, first {y} left offset 0.4, 0 '
                'font "DejaVu Sans,9" textcolor rgb "#303030"'
            )
        labels.append("; ".join(commands))
        for k in range(len(parts)):
            if not used[k]:
                continue
            block = []
            for y, bar in enumerate(bar_names, 1):
                values = shown.get(bar)
                if values and values[k]:
                    start = sum(v or 0 for v in values[:k])
                    block.append((y, start, start + values[k]))
            plot.block(block)
    plot.array("panel_labels", labels)
    plot.write()
    return None


def panel_tics(top):
    """Three or four round tics, written as people read them."""
    if top < FEW:
        return 'set xtics ("0" 0)'
    step = 10.0 ** math.floor(math.log10(top))
    for factor in (0.25, 0.5, 1, 2, 2.5):
        if top / (step * factor) <= 4.2:
            step *= factor
            break
    count = int(top * 1.1 / step + 1e-9)
    return tics("x", [(i * step, short(i * step)) for i in range(count + 1)])


def sweeps(results, directory, skipped):
    """A plot for each numeric parameter that some workload was run with three values of."""
    for workload in results.workloads():
        varying = results.varying(workload)
        for param in varying:
            values = [numeric(params.get(param, "")) for params in results.params_of(workload)]
            if None in values or len(set(values)) < 3:
                continue
            main = workload == "pt_update" and param == "share"
            name = "sweep" if main else f"sweep_{workload}_{param}"
            reason = sweep(results, directory, name, workload, param)
            if reason:
                skipped.append(reason)
    if not os.path.exists(os.path.join(directory, "sweep.var")):
        skipped.append("sweep: pt_update was not run with three shares or more")


def sweep(results, directory, name, workload, param):
    """One swept parameter; what else varies makes more lines, told apart by their dashes."""
    others = [other for other in results.varying(workload) if other != param]
    lines = []
    slices = []
    for work in results.works:
        if work[0] != workload:
            continue
        params = parse_params(work[1])
        rest = tuple((other, params.get(other, "")) for other in others)
        if rest not in slices:
            slices.append(rest)
    # Values of another sweep of the same workload are not slices of this one.
    counts = {
        rest: len(
            {
                parse_params(work[1]).get(param)
                for work in results.works
                if work[0] == workload
                and all(parse_params(work[1]).get(o, "") == v for o, v in rest)
            }
        )
        for rest in slices
    }
    slices = [rest for rest in slices if counts[rest] >= 3][:3]
    xs = set()
    for key, name_, colour, shape in results.series:
        for dash, rest in enumerate(slices, 1):
            points = []
            for work in results.works:
                row = results.cell.get((work, key))
                params = parse_params(work[1])
                if row is None or work[0] != workload:
                    continue
                if any(params.get(other, "") != value for other, value in rest):
                    continue
                x = numeric(params[param])
                cost = [number(row, c) for c in ("cost_median", "cost_min", "cost_max")]
                points.append((x, *cost, number(row, "exits_per_op")))
                xs.add(x)
            if points:
                lines.append((name_, colour, shape, dash, sorted(points)))
    if not lines or len(xs) < 3:
        return f"{name}: fewer than three values of {param} with the rest equal"
    rows = [results.cell[cell] for cell in results.cell if cell[0][0] == workload]
    if not any(resolved(row) or (number(row, "exits_per_op") or 0) >= FEW for row in rows):
        return f"{name}: {workload} costs no more than its control on this clock"
    unit = {"share": "share of operations that update a table entry (%)"}.get(param, param)
    unit = {"pages": "pages", "processes": "processes", "procs": "processes"}.get(param, unit)
    logarithmic = min(xs) > 0 and max(xs) / min(xs) >= 16
    commands = ["set xtics auto", "set offsets graph 0.04, graph 0.04, graph 0.08, 0"]
    if param == "share":
        commands = ["set xtics 0, 20, 100", "set xrange [-3:103]", "set offsets 0, 0, graph 0.08, 0"]
    if logarithmic:
        commands = ["set logscale x 2", "set offsets graph 0.04, graph 0.04, graph 0.08, 0"]
        commands.append(tics("x", [(x, param_text(param, f"{x:.0f}")) for x in sorted(xs)]))
    modes = list(dict.fromkeys(line[:3] for line in lines))
    legends = legend(modes, 1120, 1 - 56 / 480, 10)
    if len(slices) > 1:
        legends += "; " + dash_legend(slices, 1120, 1 - 78 / 480, 40)
    plot = Plot(results, directory, name, "sweep.gp")
    plot.set(
        plot_title=f"{workload}: {unit}" if param != "share" else f"{workload}: update share",
        x_label=unit,
        cost_label="cost per operation, " + UNITS.get(results.clock, results.clock),
        width=1120,
        height=480,
        caption_y=14 / 480,
        legend=legends,
        y_min=min([0] + [point[2] for line in lines for point in line[4] if point[2] is not None]),
        set_xaxis="; ".join(commands),
        n_series=len(lines),
        colours=" ".join(line[1] for line in lines),
        shapes=" ".join(str(line[2]) for line in lines),
        dashes=" ".join(str(line[3]) for line in lines),
    )
    for line in lines:
        plot.block(line[4])
    plot.write()
    return None


def slice_text(slices, rest):
    """The parameters in which the slices differ, in words where there are some."""
    words = {"ad": ("accessed flags clear", "accessed and dirty flags preset")}
    differ = [i for i in range(len(rest)) if len({other[i] for other in slices}) > 1]
    return ", ".join(
        words[rest[i][0]][rest[i][1] == "1"] if rest[i][0] in words else "=".join(rest[i])
        for i in differ
    )


def dash_legend(slices, width, y, first_tag):
    """What solid and dashed lines stand for."""
    texts = [slice_text(slices, rest) for rest in slices]
    steps = [48 + 8 * len(text) + 30 for text in texts]
    commands = []
    x = (width - sum(steps)) / 2
    for i, (text, step) in enumerate(zip(texts, steps)):
        commands.append(
            f"set arrow {first_tag + i} from screen {x / width:.5f}, screen {y:.5f} "
            f"to screen {(x + 40) / width:.5f}, screen {y:.5f} nohead linewidth 2 "
            f'dashtype {i + 1} linecolor rgb "#303030"'
        )
        commands.append(
            f'set label {first_tag + i} "{text}" at screen {(x + 48) / width:.5f}, '
            f"screen {y:.5f} left"
        )
        x += step
    return "; ".join(commands)


def exits(row, _key):
    """VM exits per operation; repetitions agree so closely that they need no bars."""
    value = number(row, "exits_per_op")
    return None if value is None else (value, value, value)


def memory(row, _key):
    """KiB at the peak."""
    value = number(row, "shadow_bytes_peak")
    return None if value is None else (value / 1024,) * 3


def resolved(row):
    """Does the body cost more than its control, by more than the two differ in loop overhead?"""
    cost, elapsed = number(row, "cost_median"), number(row, "elapsed_per_op")
    return cost is not None and elapsed is not None and cost > 0.03 * elapsed


def relative_cost(row, key):
    """Cost as a multiple of EPT's; EPT itself is the line at 1."""
    ratio = number(row, "cost_vs_ept")
    if key == ("penumbra", "ept") or not ratio or not resolved(row):
        return None
    median = number(row, "cost_median")
    least, most = number(row, "cost_min"), number(row, "cost_max")
    return (ratio, ratio * least / median, ratio * most / median)


def relative_exits(results):
    """VM exits as a multiple of those under write-protected shadow tables, which are the line."""
    strict = {
        (row["workload"], row["params"]): number(row, "exits_per_op")
        for row in results.rows
        if row["engine"] == "penumbra" and row["mode"] == "shadow"
    }

    def pick(row, key):
        base = strict.get((row["workload"], row["params"]))
        value = number(row, "exits_per_op")
        # Fewer than one exit in a hundred operations is the clock's interrupts, not paging.
        if key[0] != "penumbra" or key[1] == "shadow" or value is None or not base or base < 0.01:
            return None
        return (value / base,) * 3

    return pick


def reference_name(results):
    """Whose ept is the line at 1: summarize prefers Penumbra's."""
    ours = any(key == ("penumbra", "ept") for key, *_ in results.series)
    return "Penumbra's ept" if ours else "the same hypervisor's ept"


def absolute_cost(row, _key):
    """In units of the clock; what the control's loop hides is drawn as nothing."""
    if number(row, "cost_median") is None:
        return None
    if not resolved(row):
        return (0, 0, 0)
    return tuple(number(row, f"cost_{which}") for which in ("median", "min", "max"))


def relative_to_native(row, key):
    """The whole body as a multiple of the bare machine's, which is the line at 1."""
    ratio = number(row, "elapsed_vs_native")
    return None if key[0] == "native" or not ratio else (ratio, ratio, ratio)


def no_cost(results):
    """For a work of which no mode costs more than the control."""

    def note(work):
        rows = [results.cell[cell] for cell in results.cell if cell[0] == work]
        if any(resolved(row) for row in rows):
            return None
        return "no cost beyond its control on this clock, in any mode"

    return note


def stacks(results, parts):
    """Bars of one work: a stack per mode."""

    def bars_of(work):
        bars = []
        for key, legend, *_ in results.series:
            row = results.cell.get((work, key))
            values = [number(row, f"{part[0]}_per_op") for part in parts] if row else []
            if any(value is not None for value in values):
                bars.append((legend, values))
        return bars

    return bars_of


def flush_bars(results):
    """What the guest asked for, once (all modes see the same guest), then each mode's own."""

    def bars_of(work):
        bars = []
        for key, legend, *_ in results.series:
            row = results.cell.get((work, key))
            if not row:
                continue
            values = [number(row, f"{part[0]}_per_op") for part in FLUSHES]
            if not bars and any(v is not None for v in values[:3]):
                bars.append(("guest", values[:3] + [None]))
            if values[3] is not None:
                bars.append((legend, [None] * 3 + values[3:]))
        return bars

    return bars_of


def main():
    """reshape.py RESULTS OUT"""
    if len(sys.argv) != 3:
        sys.exit("usage: reshape.py RESULTS-DIR OUT-DIR")
    try:
        results = Results(sys.argv[1])
    except (OSError, KeyError) as error:
        sys.exit(f"plot: cannot use {sys.argv[1]}/summary.csv: {error}")
    if results.only_others:
        return
    if not results.rows:
        sys.exit(f"plot: {sys.argv[1]}/summary.csv has no row that is ok")
    out = sys.argv[2]
    unit = UNITS.get(results.clock, results.clock)
    skipped = [
        dots(results, out, "exits", "VM exits per operation", "VM exits per operation", exits),
        dots(
            results,
            out,
            "cost",
            "Cost per operation relative to EPT",
            f"cost relative to {reference_name(results)}, from {unit}",
            relative_cost,
            reference=("EPT", "#0072B2"),
            note=no_cost(results),
        ),
        dots(
            results,
            out,
            "headline",
            "VM exits relative to write-protected shadow paging",
            "VM exits per operation, as a multiple of paging_mode=shadow's",
            relative_exits(results),
            reference=("shadow", "#D55E00"),
            words=("fewer", "more"),
        ),
        dots(
            results,
            out,
            "native",
            "Body of each workload relative to the bare machine",
            f"elapsed relative to native, from {unit}",
            relative_to_native,
            reference=("native", "#000000"),
        ),
        dots(
            results,
            out,
            "operations",
            "Cost of one operation",
            f"cost, {unit}",
            absolute_cost,
            only="cost",
        )
        if "cost" in results.workloads()
        else None,
        dots(
            results,
            out,
            "memory",
            "Memory for shadow or nested tables, at the peak",
            "KiB",
            memory,
        ),
        panels(
            results,
            out,
            "causes",
            "VM exits by cause",
            "VM exits per operation, median repetition; each panel has its own axis",
            CAUSES,
            stacks(results, CAUSES),
        ),
        panels(
            results,
            out,
            "flushes",
            "TLB flushes: what the guest asked for, what the host executed",
            "flushes per operation; each panel has its own axis",
            FLUSHES,
            flush_bars(results),
        ),
    ]
    sweeps(results, out, skipped)
    for reason in skipped:
        if reason:
            print(f"plot: left out {reason}", file=sys.stderr)


if __name__ == "__main__":
    main()
