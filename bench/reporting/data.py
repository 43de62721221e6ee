# SPDX-License-Identifier: GPL-2.0-only
"""The CSV files behind a report, read once, and how to find one figure in them.

A figure that was not taken is never a number: asking for it raises NotTaken, which says how to
take it. A file that is there but cannot be understood is an error, not something not taken.
"""

import csv
import fnmatch
import os
import statistics

import reshape

# What can be looked up by name: name, folder below the results, file, title, how to take it.
# "main" is the run that the report is about, and has no folder of its own.
SOURCES = [
    ("main", "", "summary.csv", "The suite", "make bench"),
    ("cost", "cost", "summary.csv", "Single operations", "make cost"),
    ("walks", "walks", "walks.csv", "Page walks", "bench/walk/measure results/walks"),
    (
        "walks-4k",
        "walks-4k",
        "walks.csv",
        "Page walks, guest memory in 4K pages",
        "BACKING=off bench/walk/measure results/walks-4k",
    ),
    (
        "modelled",
        "walks",
        "walks_modelled.csv",
        "Page walks on models of named CPUs",
        "bench/walk/measure results/walks",
    ),
    (
        "modelled-4k",
        "walks-4k",
        "walks_modelled.csv",
        "The same, guest memory in 4K pages",
        "BACKING=off bench/walk/measure results/walks-4k",
    ),
    ("phase", "phase", "phase.csv", "Phases", "make phase"),
    ("growth", "growth", "summary.csv", "Growth", "make growth"),
]

# Columns that tell rows apart besides engine, mode, workload and parameters, where they vary.
FURTHER_KEYS = ("cpu", "guest_mib")

ALL_ENGINES = 'make bench ENGINES="native kvm penumbra"'


class NotTaken(Exception):
    """A figure that is in no file; the text says how to take it."""


class BadInput(Exception):
    """A file that is there and is not what it should be."""


def read_raw(path):
    """Rows of a raw.csv as they came, and what is wrong with the file: a run may have been stopped, or
    two put together, and all of its whole lines count."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            lines = file.read().splitlines(keepends=True)
    except FileNotFoundError:
        return [], []
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: {error}") from error
    rows, notes, header = [], [], []
    for number, line in enumerate(lines, 1):
        fields = line.rstrip("\r\n").split(",")
        if fields[0] == "engine":
            header = fields
            if number > 1:
                notes.append(f"line {number} is a second header")
        elif number == len(lines) and (len(fields) < len(header) or not line.endswith("\n")):
            notes.append(f"the last line, {number}, is cut off and left out")
        elif len(fields) != len(header):
            notes.append(f"line {number} is no row and left out")
        else:
            rows.append(dict(zip(header, fields)))
    return rows, notes


def read_csv(path):
    """Rows of a file, or nothing where it is not there."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path}: {error}") from error
    for line, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise BadInput(f"{path}: line {line}: wrong number of fields")
    return rows


def read_env(folder):
    """env.txt as pairs, in its order."""
    try:
        with open(os.path.join(folder, "env.txt"), encoding="utf-8") as file:
            lines = [line.rstrip("\n").partition(" ") for line in file if line.strip()]
    except OSError:
        return []
    return [(key, value.strip()) for key, _, value in lines]


class Table:
    """One CSV file with the columns engine, mode, workload and params."""

    def __init__(self, name, folder, file, title, how):
        self.name, self.folder, self.title, self.how = name, folder, title, how
        self.path = os.path.join(folder, file)
        self.rows = read_csv(self.path)
        self.env = read_env(folder)
        self.keys = [k for k in FURTHER_KEYS if len({r[k] for r in self.rows if r.get(k)}) > 1]
        gtt = [row["mode"] for row in self.rows if row.get("gtt_mode") and "mode" in row]
        self.gtt_paging = max(gtt, key=gtt.count) if gtt else None

    def number(self, row, column):
        """A figure, or None where it was not taken."""
        text = row.get(column) or ""
        try:
            return float(text) if text else None
        except ValueError as error:
            raise BadInput(f"{self.path}: {column} is not a number: {text}") from error

    def total(self, row, columns):
        """'a - b + c' over one row; None where one of them is."""
        words, value, sign = columns.split(), 0.0, 1
        for word in words:
            if word in "+-":
                sign = 1 if word == "+" else -1
                continue
            figure = self.number(row, word)
            if figure is None:
                return None
            value += sign * figure
        return value

    def series(self, name):
        """Rows of shadow, kvm/ept, native, gtt/strict: an engine and its mode."""
        if name.startswith("gtt/"):
            return [
                row
                for row in self.rows
                if row.get("gtt_mode") == name[4:] and row.get("mode") == self.gtt_paging
            ]
        engine, _, mode = name.rpartition("/")
        if name == "native":
            engine, mode = "native", "*"
        return [
            row
            for row in self.rows
            if row.get("engine") == (engine or "penumbra")
            and fnmatch.fnmatchcase(row.get("mode", ""), mode)
            and not row.get("gtt_mode")
        ]

    def find(self, name, works, columns):
        """{work: (value, rows)} of a series; works is 'gups page=4k, mix'.

        Repetitions of the same work become their median; a summary's lines are such already, and
        where the same work is there twice (on another host) the last one stands, as in the plots.
        """
        rows = self.series(name)
        found = {}
        for spec in works.split(","):
            for row in rows:
                if matches(row, spec.split()):
                    key = tuple(row.get(k, "") for k in ["workload", "params"] + self.keys)
                    found.setdefault(key, []).append(row)
        figures = {}
        for key, group in found.items():
            values = [self.total(row, columns) for row in group]
            values = [value for value in values if value is not None]
            if values:
                value = statistics.median(values) if "rep" in group[0] else values[-1]
                figures[key] = (value, group)
        return figures

    def missing(self, name, column=""):
        """What to say of a figure that is not here."""
        foreign = name.split("/")[0] in ("kvm", "native") and not self.series(name)
        if self.name == "main" and (foreign or "native" in column):
            return NotTaken(ALL_ENGINES)
        return NotTaken(self.how)


def same(text, wanted):
    """Is a value the one wanted? 16M is 16777216."""
    if fnmatch.fnmatchcase(text, wanted):
        return True
    value = reshape.numeric(wanted)
    return value is not None and bool(text) and reshape.numeric(text) == value


def matches(row, words):
    """Does a row have this workload, and these parameters? 'ad=' means without ad.

    The bare machine has memory of its own: it stands beside guests of any size.
    """
    if not words or not fnmatch.fnmatchcase(row.get("workload", ""), words[0]):
        return False
    params = reshape.parse_params(row.get("params", ""))
    for word in words[1:]:
        name, _, wanted = word.partition("=")
        if name == "guest_mib" and row.get("engine") == "native":
            continue
        if not same(params.get(name, row.get(name, "")), wanted):
            return False
    return True


def folder_of(root, name):
    """The newest results of a kind: root/name/latest where there is such, else root/name."""
    latest = os.path.join(root, name, "latest")
    return latest if os.path.isdir(latest) else os.path.join(root, name)


def load(main, root):
    """All tables by name."""
    tables = {
        name: Table(name, folder_of(root, folder) if folder else main, file, title, how)
        for name, folder, file, title, how in SOURCES
    }
    for name, table in tables.items():
        needed = () if name == "phase" else ("engine", "mode", "workload", "params")
        for column in needed if table.rows else ():
            if column not in table.rows[0]:
                raise BadInput(f"{table.path}: it has no column {column}")
    return tables


def other_folders(root, main):
    """Folders of results that no source names, as (name, folder); not that of the run itself."""
    known = {source[1] for source in SOURCES}
    found = []
    for name in sorted(os.listdir(root)) if os.path.isdir(root) else []:
        folder = folder_of(root, name)
        # Folders of the suite's own runs start with their date.
        if name in known or name == "latest" or name[:1].isdigit() or not os.path.isdir(folder):
            continue
        if os.path.realpath(folder) == os.path.realpath(main):
            continue
        if any(file.endswith((".csv", ".svg")) for file in os.listdir(folder)):
            found.append((name, folder))
    return found
