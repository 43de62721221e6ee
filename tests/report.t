#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The report, made from small files with figures that occur nowhere else: each must be on the page
where it belongs, and nothing may be there that is in no file. TAP."""

import ast
import csv
import fnmatch
import html.parser
import os
import re
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BENCH = os.path.join(TOP, "bench")
sys.path[:0] = [os.path.join(BENCH, "reporting"), os.path.join(BENCH, "plots")]
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import data
import figures

VOID = {"meta", "link", "br", "hr", "img", "input"}
SUMMARY = (
    "engine,mode,workload,params,clock,host,backing,gtt_mode,guest_mib,reps,failed,ops,elapsed_per_op,cost_median,cost_below,"
    "elapsed_vs_native,exits_per_op,exits_other_per_op,gtt_entries_rebuilt_per_op,shadow_bytes_peak,"
    "checksum_agrees"
)
UPDATE = "pages:1024;share:100;flush:invlpg;stride:1"
LEGENDS = {
    "shadow": ("penumbra", "shadow"),
    "ssp": ("penumbra", "ssp"),
    "ept": ("penumbra", "ept"),
    "KVM, ept=0": ("kvm", "shadow"),
    "native": ("native", "native"),
}
SVG = """<?xml version="1.0"?>
<svg width="400" height="200" viewBox="0 0 400 200" xmlns="http://www.w3.org/2000/svg"
 xmlns:xlink="http://www.w3.org/1999/xlink"><title>Gnuplot</title><script>alert(1)</script>
<image xlink:href="http://example.org/x.png"/>
<defs><circle id="gpPt5" r="1"/><use xlink:href="#gpPt5" id="gpPt6"/>
<clipPath id="clip"><rect width="9" height="9"/></clipPath></defs>
<g id="gnuplot_plot_1" clip-path="url(#clip)"><use xlink:href="#gpPt6"/></g>
<g id="gnuplot_plot_1" font-size="13.00" font-weight="bold"><text xml:space="preserve"><tspan>  A plot
</tspan></text></g></svg>
"""

tests = failures = 0


def check(good, name, detail=""):
    """One line of TAP."""
    global tests, failures  # pylint: disable=global-statement
    tests += 1
    failures += not good
    print(f"{'ok' if good else 'not ok'} {tests} - {name}")
    if not good and detail:
        print("\n".join("# " + line for line in str(detail).splitlines()[:12]))


class Document(html.parser.HTMLParser):
    """What the tests ask of a page: balance, ids, references, tables."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.wrong, self.ids, self.loads, self.targets = [], [], [], [], []
        self.tables = {}  # caption -> [[(text, [values])]]
        self.row = self.cell = self.caption = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "caption":
            self.caption = ""
        elif tag == "tr":
            self.row = []
        elif tag in ("td", "th"):
            self.cell = ["", []]

    def handle_startendtag(self, tag, attrs):
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            elif name in ("src", "srcset", "data", "action", "poster", "background"):
                self.loads.append(value)
            elif name.rpartition(":")[2] == "href":
                (self.targets if value.startswith("#") else self.loads).append(value)
            for target in re.findall(r"url\(([^)]*)\)", value or ""):
                (self.targets if target.startswith("#") else self.loads).append(target)
            if tag == "data" and name == "value" and self.cell:
                self.cell[1].append(value)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)
        if tag == "caption":
            self.tables[self.caption] = []
        elif tag in ("td", "th") and self.cell:
            self.row.append((self.cell[0].strip(), self.cell[1]))
            self.cell = None
        elif tag == "tr" and self.caption in self.tables:
            self.tables[self.caption].append(self.row)

    def handle_data(self, data):  # pylint: disable=redefined-outer-name
        if self.open and self.open[-1] == "caption":
            self.caption += data
        if self.cell:
            self.cell[0] += data


def write(path, text):
    """A file, with its folders."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def row(engine, mode, workload, params, **figures_):
    """A line of summary.csv."""
    values = {
        "engine": engine,
        "mode": mode,
        "workload": workload,
        "params": params,
        "clock": "ticks",
        "host": "emulated",
        "backing": "thp",
        # The bare machine's memory is its own.
        "guest_mib": "" if engine == "native" else "256",
        "reps": "3",
        "failed": "0",
        "ops": "7",
    }
    values.update({name: str(value) for name, value in figures_.items()})
    return ",".join(values.get(name, "") for name in SUMMARY.split(","))


def fixtures(root):
    """A run with KVM and the bare machine, without hybrid, and what stands beside it."""
    lines = [SUMMARY]
    for i, (engine, mode) in enumerate(LEGENDS.values(), 1):
        native = engine == "native"
        for j, params in enumerate((UPDATE, UPDATE + ";ad:1"), 1):
            lines.append(
                row(
                    engine,
                    mode,
                    "pt_update",
                    params,
                    elapsed_per_op=1000 * i + j + 0.125,
                    cost_median=900 * i + j + 0.25,
                    elapsed_vs_native="" if native else i + 0.5,
                    exits_per_op="" if native else 3.0625 * j / i,
                    exits_other_per_op="" if native else 0.0625 * j / i,
                    shadow_bytes_peak="" if native else 4096 * i,
                )
            )
    lines.append(
        row(
            "penumbra",
            "shadow",
            "mix",
            "-",
            elapsed_per_op=51234.5,
            cost_median=50321.25,
            exits_per_op=613.5,
            exits_other_per_op=1.5,
            shadow_bytes_peak=430080,
        )
    )
    lines.append(row("penumbra", "ssp", "gups", "-", elapsed_per_op=14, cost_below=0.0625))
    lines.append(
        row(
            "penumbra",
            "ept",
            "mix",
            "-",
            elapsed_per_op=7123.5,
            cost_median=7001,
            exits_per_op=0,
            exits_other_per_op=0,
        )
    )
    for mode, elapsed in (
        ("strict", 1310),
        ("relaxed", 655),
        ("hybrid", 262),
        ("passthrough", 131),
    ):
        lines.append(
            row(
                "penumbra",
                "ept",
                "gmedia",
                "threads:1;size:cif",
                gtt_mode=mode,
                elapsed_per_op=elapsed,
                exits_per_op=elapsed / 10,
            )
        )
    write(f"{root}/run/summary.csv", "\n".join(lines) + "\n")
    write(
        f"{root}/run/raw.csv",
        "engine,mode,workload,gtt_mode,status\n"
        "penumbra,ssp,mix,,timeout\n"
        "penumbra,ept,gmedia,strict,failed\n",
    )
    write(
        f"{root}/run/env.txt",
        "date 2001-02-03T04:05:06Z\nrevision abc1234\nhost emulated\n"
        'host_cmdline <b>&"quoted"\n',
    )
    write(f"{root}/run/exits.svg", SVG)
    write(f"{root}/run/gtt_x.svg", SVG)
    lines = [SUMMARY]
    for engine, mode, cost in (
        ("penumbra", "shadow", 271.5),
        ("kvm", "shadow", 1086),
        ("native", "native", 5),
    ):
        lines.append(row(engine, mode, "cost", "kind:invlpg", cost_median=cost, exits_per_op=1))
    noted = "kind:pf;direct_faults:1"
    lines.append(row("penumbra", "shadow", "cost", noted, cost_median=6.5, exits_per_op=0))
    # Memory of another size than the others'.
    lines.append(row("kvm", "shadow", "cost", "kind:ept_violation", cost_median=8, guest_mib=64))
    write(f"{root}/beside/cost/latest/summary.csv", "\n".join(lines) + "\n")
    keys = "engine,mode,workload,params,rep,host"
    write(
        f"{root}/beside/walks/walks.csv",
        f"{keys},walks,refs_per_walk,host_walk_refs,kind\n"
        "penumbra,shadow,chase,size:64K,1,emulated,11,4.25,0,measured\n"
        "penumbra,ept,chase,size:64K,1,emulated,12,21.25,0,measured\n",
    )
    write(
        f"{root}/beside/walks/walks_modelled.csv",
        f"{keys},cpu,refs_per_walk,translation_cycles_per_access,kind\n"
        "penumbra,ept,chase,size:64K,1,emulated,Model-A,1.125,33.75,modelled\n"
        "penumbra,ept,chase,size:64K,1,emulated,Model-B,1.25,35.75,modelled\n",
    )
    write(
        f"{root}/beside/phase/latest/phase.csv",
        "size,updates,winner,cost\n64K,0,shadow,12.75\n64K,9,ept,13.75\n64K,99,ept,\n",
    )
    write(f"{root}/beside/phase/latest/phase.svg", SVG)
    write(f"{root}/beside/later/latest/some.svg", SVG)


def report(root, run="run", beside="beside"):
    """Make it: (status, page, errors)."""
    out = f"{root}/report.html"
    if os.path.exists(out):
        os.remove(out)
    done = subprocess.run(
        [f"{BENCH}/report", f"{root}/{run}", "--beside", f"{root}/{beside}", "--out", out],
        capture_output=True,
        text=True,
        check=False,
    )
    text = ""
    if os.path.exists(out):
        with open(out, encoding="utf-8") as file:
            text = file.read()
    return done.returncode, text, done.stderr


def sound(text, name):
    """What holds for every page."""
    document = Document(text)
    check(
        text and not document.open and not document.wrong,
        f"{name}: every element is closed",
        document.wrong or document.open,
    )
    twice = {i for i in document.ids if document.ids.count(i) > 1}
    check(document.ids and not twice, f"{name}: no id is there twice", twice)
    lost = {t for t in document.targets if t[1:] not in document.ids}
    check(document.targets and not lost, f"{name}: what is referred to is there", lost)
    loads = [load for load in document.loads if not load.startswith("data:")]
    check(
        not loads
        and "http:" not in text
        and "https:" not in text
        and "@import" not in text
        and "<script" not in text,
        f"{name}: nothing is loaded from outside",
        loads,
    )
    return document


def rounded(shown, exact):
    """Is the text what a value rounds to? Three digits at least."""
    text = shown.replace(",", "").replace("\u2212", "-").rstrip("\u00d7%")
    if text.startswith("<"):
        return 0 < float(exact) < float(text[1:])
    return abs(float(text) - float(exact)) <= 0.005 * abs(float(exact))


def compare(table, rows, column, name):
    """All cells of a table of engines and modes against the CSV."""
    heads = [
        re.sub(r"(per operation|ticks per operation|bytes|\u00d7 native)$", "", text).strip()
        for text, _ in table[0]
    ]
    wrong, seen = [], 0
    for line in table[1:]:
        label = line[0][0]
        for head, (shown, values) in zip(heads[1:], line[1:]):
            if head not in LEGENDS:
                continue
            found = [
                r
                for r in rows
                if (r["engine"], r["mode"]) == LEGENDS[head]
                and not r["gtt_mode"]
                and r["workload"] == label.split()[0]
                and ("ad:1" in r["params"]) == ("ad=1" in label)
            ]
            expected = found[0][column] if found else ""
            seen += bool(expected)
            below = found[0]["cost_below"] if found and column == "cost_median" else ""
            if below and shown == f"<{below}" and not values:
                continue
            if not expected and (values or shown != "not taken"):
                wrong.append(f"{label}, {head}: {shown}, and was not taken")
            elif expected and (
                not values or float(values[0]) != float(expected) or not rounded(shown, expected)
            ):
                wrong.append(f"{label}, {head}: {shown} {values}, not {expected}")
    want = sum(1 for r in rows if r[column] and not r["gtt_mode"])
    check(not wrong and seen == want, name, wrong or f"{seen} of {want}")


def cells(document, caption, label):
    """A line of a table, by its caption's and its label's beginning."""
    for title, rows in document.tables.items():
        if title.startswith(caption):
            for line in rows:
                if line and line[0][0].startswith(label):
                    return line
    return []


def test_figures(root, text):
    """Figures are where they belong."""
    document = sound(text, "a page of all")
    with open(f"{root}/run/summary.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    compare(
        document.tables.get("VM exits of every workload", [[]]),
        rows,
        "exits_per_op",
        "all VM exits are those of the CSV, and no others",
    )
    title = "Time of every workload, the loop around it taken off"
    compare(document.tables.get(title, [[]]), rows, "cost_median", "all times are those of the CSV")
    line = cells(document, "Time of every workload", "gups")
    check("<0.0625" in [shown for shown, _ in line], "a time that is less than can be told", line)
    line = cells(document, "Single operations", "INVLPG invlpg")
    check(
        [v for _, v in line[1:]] == [["271.5"], ["1086"], ["5"], ["4"]],
        "single operations, with KVM over shadow",
        line,
    )
    line = cells(document, "Single operations", "#PF that goes past the hypervisor")
    check(line and line[1][1] == ["6.5"], "what the matrix did to the module tells rows apart", line)
    line = cells(document, "Page walks: references of one walk", "chase")
    check([v for _, v in line[1:]] == [["4.25"], ["21.25"]], "references of a walk", line)
    line = cells(document, "Models of named CPUs: what translation", "chase size=64K, cpu Model-B")
    check([v for _, v in line[1:]] == [["35.75"]], "cycles of a model, which say modelled", line)
    line = cells(document, "Published claims", "Two modes of shadow")
    check(
        line and line[2][1] == ["5"] and "5\u00d7" in line[2][0],
        "a claim's figure is computed",
        line,
    )
    line = cells(document, "Published claims", "Lazy synchronisation")
    # Exits but for other: 3 j / i under shadow (i = 1) and ssp (i = 2).
    check(line and line[2][1] == ["-50"], "and one of a difference of columns", line)
    line = cells(document, "Share of passthrough", "gmedia")
    check(
        [v for _, v in line[1:]] == [["10"], ["20"], ["50"], ["100"]], "shares of passthrough", line
    )
    line = cells(document, "Phases: phase.csv", "64K") or cells(document, "Phases: phase.csv", "0")
    check(
        "12.75" in str(line) and "not taken" in text,
        "a table that nobody knows is there as it is",
        line,
    )
    check(
        text.count("<svg") == 4 and "later" in text, "all plots are there, of unknown folders too"
    )
    check('xml:space="preserve"' in text, "and their labels keep their distance")
    check("&lt;b&gt;&amp;&quot;quoted&quot;" in text, "text of env.txt is text")
    check(
        "mix (penumbra ssp: timeout), gmedia (penumbra ept strict: failed)" in text,
        "a repetition that failed is named, with its gtt_mode",
    )
    check("abc1234" in text and "2001-02-03" in text, "revision and date")


def test_front(root):
    """The two pictures that every reader wants come first, once, each with its own sentence."""
    for name in ("time", "walkcost"):
        said = SVG.replace(
            "<title>Gnuplot</title>", f"<title>{name}!</title>\n<desc>The sentence of {name}.</desc>"
        )
        write(f"{root}/run/{name}.svg", said)
    status, text, errors = report(root)
    found = [text.find(f"The sentence of {name}.") for name in ("time", "walkcost")]
    check(status == 0 and 0 < found[0] < found[1] < text.find(">Findings<"), "two pictures first", errors)
    check(all(text.count(f"The sentence of {n}.") == 1 for n in ("time", "walkcost")), "and not again")
    check('aria-label="time!"' in text, "a picture's title is what those hear who do not see it")
    for name in ("time", "walkcost"):
        os.remove(f"{root}/run/{name}.svg")


def test_styles(text):
    """What a browser needs for dark rooms, narrow screens and paper; seen in one, held here."""
    style = text[text.index("<style>") : text.index("</style>")]
    for query in ("prefers-color-scheme: dark", "max-width: 46rem", "@media print"):
        check(query in style, f"the page has a style for {query}")
    # Outside of the two places that define them, no colour is a number.
    rules = re.sub(r"--[a-z]+: #[0-9a-f]+", "", style)
    check(not re.search(r"(color|background|border[a-z-]*): [^;]*#[0-9a-f]{3}", rules),
          "every colour follows the reader's mode", re.findall(r"[^;{]*#[0-9a-f]{3,6}", rules))
    check(re.search(r"figure {[^}]*break-inside: avoid", style), "no picture is cut in print")
    bare = re.sub(r'<div class="scroll"[^>]*><table.*?</table></div>', "", text, flags=re.S)
    check("<table" not in bare, "every table scrolls on its own")


def test_no_section_twice(root):
    """A run that stands among the folders beside it, as the reference does, is shown once."""
    os.rename(f"{root}/run", f"{root}/beside/run")
    status, text, errors = report(root, "beside/run")
    headings = re.findall(r"<h2>\d+\. ([^<]*)</h2>", text)
    check(status == 0 and len(headings) > 8, "a page of a folder among others", errors)
    twice = [title for title in headings if headings.count(title) > 1]
    check(not twice and "Run" not in headings, "no section is there twice", headings)
    check(text.count("VM exits of every workload") == 1, "nor a table")
    os.rename(f"{root}/beside/run", f"{root}/run")


def test_published(text):
    """All of published.csv, with an answer each."""
    with open(f"{BENCH}/published.csv", newline="", encoding="utf-8") as file:
        published = list(csv.DictReader(file))
    document, wrong = Document(text), []
    for entry in published:
        title = f"{entry['source']}: {entry['platform']}"
        line = cells(document, title, entry["metric"].replace("_", " "))
        exact = [v[0] if v else "" for _, v in line[1:3]]
        for value, field in zip(exact or [None, None], ("ept", "shadow")):
            if value is None or (float(value or -1) != float(entry[field] or -1)):
                wrong.append(f"{title} {entry['metric']} {field}: {value}, not {entry[field]}")
        if "claims.conf" in str(line):
            wrong.append(f"{title} {entry['metric']}: claims.conf has no answer")
    check(
        published and not wrong,
        "published.csv is there to the last figure, with an answer each",
        "\n".join(wrong),
    )


def test_missing(root):
    """Nothing was taken: nothing is claimed."""
    os.makedirs(f"{root}/empty")
    status, text, errors = report(root, "empty", "empty")
    check(status == 0, "a page without any figure", errors)
    document = sound(text, "an empty page")
    here = [
        line[2]
        for title, rows in document.tables.items()
        if title.startswith("Published claims")
        for line in rows[1:]
    ]
    check(
        here and not any(values for _, values in here),
        "no claim has a figure of ours",
        [h for h in here if h[1]],
    )
    lacking = [shown for shown, _ in here if "not taken" not in shown]
    check(not lacking, "each says that it was not taken", lacking)
    for how in ("make bench", "make cost", "make phase", "make growth", "bench/walk/measure"):
        check(how in text, f"and how: {how}")
    published = [line for rows in document.tables.values() for line in rows[1:] if len(line) == 11]
    check(
        published and not any(values for line in published for _, values in line[4:10]),
        "nor is there one beside the published ones",
    )


def test_bad_input(root):
    """A sentence, and no page."""
    write(f"{root}/short/summary.csv", "engine,mode,workload,params\npenumbra,ept\n")
    write(
        f"{root}/words/summary.csv",
        SUMMARY + "\n" + row("penumbra", "ept", "mix", "-", exits_per_op="many") + "\n",
    )
    write(f"{root}/drawing/x.svg", "<svg")
    write(f"{root}/column/summary.csv", "engine,mode,workload\npenumbra,ept,mix\n")
    for run, sentence in (
        ("short", "line 2: wrong number of fields"),
        ("words", "not a number: many"),
        ("drawing", "x.svg"),
        ("column", "it has no column params"),
        ("absent", "is not there"),
    ):
        status, text, errors = report(root, run)
        check(
            status == 2 and sentence in errors and "Traceback" not in errors and not text,
            f"bad input: {sentence}",
            errors,
        )


def test_raw(root):
    """A raw.csv that is not whole: its whole lines count, and the page says what is wrong."""
    good = "engine,mode,workload,gtt_mode,status\npenumbra,ssp,mix,,ok\n"
    for text, sentence in (
        (good + "penumbra,ept", "1 repetitions in the suite&#x27;s raw.csv, 0 of them not ok; of that "
         "file, the last line, 3, is cut off"),
        (good + good, "2 repetitions in the suite&#x27;s raw.csv, 0 of them not ok; of that file, line 3 "
         "is a second header"),
    ):
        write(f"{root}/run/raw.csv", text)
        status, page, errors = report(root)
        check(status == 0 and sentence in page, f"a raw.csv: {sentence[-32:]}", errors)
    write(f"{root}/run/raw.csv", good + "penumbra\n" + good)
    status, page, errors = report(root)
    check(status == 0 and "line 3 is no row and left out; line 4 is a second" in page, "a cut in the middle",
          errors)


def expression(root, text):
    """Its value, or how it ends."""
    evaluator = figures.Evaluator(data.load(f"{root}/run", f"{root}/beside"))
    try:
        return evaluator.evaluate(text).values
    except (data.NotTaken, data.BadInput) as error:
        return f"{type(error).__name__}: {error}"


def test_expressions(root):
    """The small arithmetic of claims.conf."""
    mix = 'fig("main", "shadow", "mix", "exits_per_op")'
    ad = 'fig("main", "kvm/shadow", "pt_update share=100 ad=1", "exits_per_op")'
    for text, wanted in (
        (mix, [613.5]),
        (f"({mix} - 13.5) / 2 + -1", [299.0]),
        (ad, [1.53125]),
        (
            'fig("main", "ept", "pt_update share=100", "exits_per_op")',
            "NotTaken: no figure: 2 rows",
        ),
        (
            'ratio("main", "ssp", "shadow", "pt_update ad=1, pt_update ad=, mix", "exits_per_op")',
            [0.5, 0.5],
        ),
        ('high(change("main", "ept", "shadow", "mix", "exits_per_op"))', [-100.0]),
        ('count(ratio("main", "ssp", "shadow", "*", "exits_per_op"))', [2]),
        ('fig("main", "hybrid", "mix", "exits_per_op")', "NotTaken: make bench"),
        ('fig("main", "shadow", "mix", "elapsed_vs_native")', "NotTaken: make bench ENGINES="),
        ('fig("cost", "ssp", "cost kind=invlpg", "cost_median")', "NotTaken: make cost"),
        (f"{mix} / 0", "NotTaken: no figure: it would divide by zero"),
        ('fig("nowhere", "ept", "mix", "exits_per_op")', "BadInput: there is no set"),
        ('__import__("os").getpid()', "BadInput: not an expression"),
        ('high(rows("phase", "size=65536", "updates"))', [99.0]),
        ('rows("phase", "winner=ept", "cost")', "NotTaken: make phase"),
        ("mix.real", "BadInput: not an expression"),
        (f"{mix} ** 2", "BadInput: not an expression"),
    ):
        found = expression(root, text)
        good = (
            found.startswith(wanted)
            if isinstance(found, str) and isinstance(wanted, str)
            else found == wanted
        )
        check(good, f"{text} is {wanted}", found)


def any_kind(kind, works):
    """Is an operation of make cost among these?"""
    patterns = re.findall(r"kind=([^ ,]+)", works)
    return any(fnmatch.fnmatchcase(kind, pattern) for pattern in patterns)


def test_names():
    """No typing error in claims.conf can pass for a figure that was not taken."""
    with open(f"{BENCH}/claims.conf", encoding="utf-8") as file:
        text = "".join(line for line in file if not line.startswith("#"))
    columns = set(SUMMARY.split(",")) | {"refs_per_walk", "translation_cycles_per_access"}
    with tempfile.NamedTemporaryFile() as raw:
        subprocess.run([f"{TOP}/build/runner", "--columns"], stdout=raw, check=True)
        header = subprocess.run([f"{TOP}/build/summarize", raw.name], capture_output=True, text=True)
    columns |= set(header.stdout.strip().split(","))
    workloads = {"*", "cost"}
    for conf in ("matrix.conf", "cost.conf"):
        with open(f"{BENCH}/{conf}", encoding="utf-8") as file:
            workloads |= {line.split()[3].rstrip("?") for line in file if line[0] not in "#\n"}
    with open(f"{BENCH}/cost.conf", encoding="utf-8") as file:
        kinds = set(re.findall(r"kind=(\w+)", "".join(line for line in file if line[0] != "#")))
    calls, wrong, chosen, left_out = 0, [], [], set()
    for found in re.finditer(r"\{([^{}]*);[^{};]*\}", text):
        for node in ast.walk(ast.parse(" ".join(found[1].split()), mode="eval")):
            if not isinstance(node, ast.Call) or len(node.args) < 4:
                continue
            calls += 1
            words = [argument.value for argument in node.args]
            # share=[1-9]* (what edits tables) and roots= (without) are kinds; share=100 is a choice.
            if "," in words[-2] and words[-2].startswith("cost "):
                left_out |= {k for k in kinds if not any_kind(k, words[-2])}
            elif "," in words[-2] and re.search(r"=\w", words[-2]):
                chosen.append(words[-2])
            wrong += [w for w in words[-1].split() if w not in columns and w not in "+-"]
            wrong += [
                w for spec in words[-2].split(",") for w in spec.split()[:1] if w not in workloads
            ]
    check(calls > 40 and not wrong, "claims.conf names columns and workloads that there are", wrong)
    check(
        left_out == {"cpuid", "vmcall", "out", "ioctl_run", "ioctl_version"},
        "what KVM's shadow costs is over all operations that are about memory",
        left_out,
    )
    check(not chosen, "a range over several workloads leaves out no row of theirs", chosen)
    claims = re.sub(r"\n\s+", " ", text[text.index("[claims]") : text.index("[published]")])
    sources = [line.split("|")[2].strip() for line in claims.split("\n")[1:] if "|" in line]
    unsaid = [source for source in sources if not re.search(r"; (not )?confirmed$", source)]
    check(len(sources) > 30 and not unsaid, "every claim says whether it is confirmed", unsaid)
    with open(f"{BENCH}/published.csv", encoding="utf-8") as file:
        own = [line for line in file if "this" in line.split(",")[0] or "Bochs" in line]
    check(not own, "what was measured here is no published figure", own)


def main():
    """All of it."""
    with tempfile.TemporaryDirectory() as root:
        fixtures(root)
        status, text, errors = report(root)
        check(status == 0, "a page is made", errors)
        test_figures(root, text)
        test_published(text)
        test_styles(text)
        test_front(root)
        test_no_section_twice(root)
        test_missing(root)
        test_bad_input(root)
        test_expressions(root)
        test_raw(root)
    test_names()
    print(f"1..{tests}")
    return failures != 0


if __name__ == "__main__":
    sys.exit(main())
