# SPDX-License-Identifier: GPL-2.0-only
"""What a summary.csv holds, grouped for pictures and for the report, and what things are called.

Only reshaping: which rows belong together, under which label and colour. Every figure is one that
build/summarize, build/breakdown or build/walkmodel has written. Modes, workloads and counters that are
not known here get a name and a colour all the same.
"""

import csv
import os

from charts import short

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

# Words and colours for counters; any other column is called by its name.
COUNTERS = {
    "exits_pt_write": ("table store", "#D55E00"),
    "exits_hidden_fault": ("hidden fault", "#E69F00"),
    "exits_true_fault": ("true fault", "#F0E442"),
    "exits_cr3": ("MOV to CR3", "#56B4E9"),
    "exits_invlpg": ("INVLPG", "#0072B2"),
    "exits_nested": ("EPT violation", "#009E73"),
    "exits_other": ("other", "#999999"),
    "flush_guest_invlpg": ("INVLPG", "#0072B2"),
    "flush_guest_cr3": ("MOV to CR3", "#56B4E9"),
    "flush_guest_invpcid": ("INVPCID", "#009E73"),
    "flush_host": ("INVVPID, INVEPT", "#D55E00"),
    "walk_refs_guest": ("guest tables, or a shadow of them", "#009E73"),
    "walk_refs_nested": ("second-level tables", "#0072B2"),
}
SPARE_PARTS = ["#CC79A7", "#8C510A", "#4D4D4D", "#B2ABD2", "#000000"]

# Parameters that are bytes; people read 64K.
SIZES = ("size", "ws", "bytes")

# Of a clock: a word, and what it means.
CLOCKS = {"tsc": "cycles"}
UNITS = {"ticks": "ticks (emulated instructions)", "tsc": "TSC cycles"}


def number(row, column):
    """A figure, or None where it was not taken."""
    text = row.get(column, "")
    return float(text) if text else None


def parts_of(rows, prefix):
    """[(column, words, colour)] of the counters with that prefix that a summary has per operation."""
    columns = [c for c in rows[0] if c.startswith(prefix) and c.endswith("_per_op")] if rows else []
    names = [column.removesuffix("_per_op") for column in columns]
    spare = iter(SPARE_PARTS * (1 + len(names) // len(SPARE_PARTS)))
    found = []
    for column, name in zip(columns, names):
        # What the host caused is no exit of the guest's, and the sum of all no cause.
        if name in ("exits", "exits_host"):
            continue
        words, colour = COUNTERS.get(name) or (name[len(prefix):].replace("_", " "), next(spare))
        found.append((column, words, colour))
    return found


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


def binary(value):
    """65536 as 64K."""
    for scale, letter in ((1024**3, "G"), (1024**2, "M"), (1024, "K")):
        if value >= scale:
            return short(value / scale) + letter
    return short(value)


def param_text(name, value):
    """A parameter's value as people read it."""
    return binary(numeric(value)) if name in SIZES and numeric(value) is not None else value


def series_of(rows):
    """[((engine, mode), legend, colour, shape)] of those that occur, known ones first."""
    found = list(dict.fromkeys((row["engine"], row["mode"]) for row in rows))
    series = [(s[:2], *s[2:]) for s in SERIES if s[:2] in found]
    taken = [s[0] for s in series]
    for i, key in enumerate(key for key in found if key not in taken):
        series.append((key, " ".join(key), SPARE_COLOURS[i % len(SPARE_COLOURS)], 4 + 2 * (i % 5)))
    return series


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
        for row in self.rows:
            work = (row["workload"], row["params"])
            series = (row["engine"], row["mode"])
            if work not in self.works:
                self.works.append(work)
            # The same work twice, on other hosts or backings: the last one stands.
            self.cell[work, series] = row
        self.series = series_of(self.rows)
        self.works.sort(key=lambda work: self.workloads().index(work[0]))
        self.clock = self.rows[0]["clock"] if self.rows else ""
        self.source = source(directory, self.rows)

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


HOSTS = {
    "emulated": "emulated VT-x host",
    "metal": "VT-x of the machine",
    "nested": "nested VT-x, inside another virtual machine",
}


def source(directory, rows, what="Measured"):
    """Kind of the figures, host and revision in one line: no picture without its kind."""
    revision = environment(directory).get("revision")
    kinds = [HOSTS.get(kind, f"host={kind}") for kind in sorted({row["host"] for row in rows})]
    return ", ".join([f"{what}: {' and '.join(kinds)}"] + ([revision] if revision else []))


def machine(directory):
    """The CPU behind it, for a caption."""
    env = environment(directory)
    cpu = env.get("emulated_cpu_model") or env.get("host_cpu") or ""
    emulator = env.get("emulator", "").split(" ")
    if emulator[0]:
        cpu = f"{emulator[0].capitalize()} {emulator[-1].split('+')[0]}, {cpu}".rstrip(", ")
    return f"{cpu}, mitigations on" if env.get("mitigations") == "on" else cpu
