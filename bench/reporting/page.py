# SPDX-License-Identifier: GPL-2.0-only
"""HTML: figures, tables, plots, and the page around them. It knows nothing of what they mean.

The page loads nothing from anywhere: style and plots are in it, fonts are the reader's own.
Every figure is a <data> element whose value is the one of the CSV file, to the last digit; what is
shown is rounded.
"""

import html
import os

import reshape
import svg

STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --soft: #f4f6f8; --dim: #555;
  --rule: #d9d9d9; --strong: #707070; --link: #004f7c; --accent: #0072b2; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --paper: #16181b; --soft: #22262b; --dim: #a8adb3; --rule: #3a3f45;
    --strong: #8a9097; --link: #7cc4f0; --accent: #56b4e9; }
  /* Pictures are drawn on white, and stay on it. */
  figure > svg { border-radius: 4px; filter: brightness(.93); }
}
body { margin: 0 auto; padding: 1rem 1.25rem 4rem; max-width: 74rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.5 system-ui, "DejaVu Sans", Verdana, sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 1rem 0 .2rem; }
h2 { font-size: 1.4rem; margin: 2.8rem 0 .6rem; padding-top: .6rem; border-top: 2px solid var(--ink); }
h3 { font-size: 1.08rem; margin: 1.8rem 0 .4rem; }
p, ul, ol { max-width: 48rem; }
.subtitle { color: var(--dim); margin: 0 0 1.5rem; }
.abstract { background: var(--soft); padding: .6rem 1.2rem .8rem; border-left: 4px solid var(--accent); }
.abstract ul { padding-left: 1.1rem; margin: .4rem 0; max-width: none; }
.abstract li { margin: .35rem 0; }
nav ol { columns: 2; column-gap: 2rem; }
a { color: var(--link); }
.scroll { overflow-x: auto; margin: .6rem 0 1.2rem; }
table { border-collapse: collapse; font-size: .84rem; line-height: 1.35;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; font-size: 1.1em; }
th, td { padding: .26rem .6rem; border-bottom: 1px solid var(--rule); text-align: left;
  vertical-align: top; }
thead th { border-bottom: 2px solid var(--strong); vertical-align: bottom; }
thead th small { font-weight: 400; color: var(--dim); display: block; }
tbody th { font-weight: 400; }
tbody tr:hover { background: var(--soft); }
.number { text-align: right; white-space: nowrap; }
.none { color: var(--dim); font-style: italic; }
.none code { font-style: normal; }
td.number .none { font-size: .93em; }
.source { color: var(--dim); font-size: .92em; }
.claims { width: 100%; }
.claims td { overflow-wrap: anywhere; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr));
  gap: 1.2rem 1.6rem; align-items: start; margin: 1.2rem 0 1.8rem; }
figure { margin: 0; max-width: 36rem; }
figure svg { display: block; width: 100%; height: auto; }
figcaption { font-size: .84rem; color: var(--dim); margin-top: .3rem; overflow-wrap: anywhere; }
details { margin: .3rem 0; }
summary { cursor: pointer; color: var(--link); }
.claims summary { font-size: .9em; }
code { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .88em; }
pre { overflow-x: auto; background: var(--soft); padding: .6rem .8rem; font-size: .84rem; }
@media (max-width: 46rem) {
  body { padding: .5rem .8rem 3rem; }
  h1 { font-size: 1.5rem; }
  p, li, summary, figcaption { overflow-wrap: anywhere; }
  nav ol { columns: 1; }
  tbody th { position: sticky; left: 0; background: var(--paper); min-width: 8.5rem; }
  .stack thead { display: none; }
  .stack, .stack caption, .stack tbody, .stack tr, .stack td, .stack th { display: block; }
  .stack tbody th { position: static; }
  .stack tr { border-bottom: 2px solid var(--strong); padding: .5rem 0; }
  .stack td, .stack th { border: 0; padding: .12rem 0; text-align: left; white-space: normal; }
  .stack [data-label]::before { content: attr(data-label) ": "; font-weight: 600; }
}
@media print {
  @page { size: A4; margin: 12mm; }
  :root { color-scheme: light; --ink: #000; --paper: #fff; --soft: #fff; --dim: #444; --rule: #ccc;
    --strong: #707070; --link: #000; }
  body { max-width: none; padding: 0; font-size: 8.5pt; line-height: 1.35; }
  h2 { margin: 1.2rem 0 .4rem; font-size: 12pt; }
  table { font-size: 6.5pt; line-height: 1.2; }
  th, td { padding: .08rem .3rem; }
  td.number, th.number { padding-left: .15rem; }
  pre { font-size: 5.6pt; white-space: pre-wrap; }
  .scroll { overflow: visible; margin: .3rem 0 .6rem; }
  .figures { display: block; columns: 2; column-gap: 8mm; }
  figure { break-inside: avoid; width: 3.4in; margin: 0 0 5mm; filter: none; }
  figure > svg { filter: none; }
  figcaption { font-size: 7pt; }
  tr { break-inside: avoid; }
  thead { display: table-header-group; }
  h2, h3, caption, thead { break-after: avoid; }
  nav, summary, .contents, .screen { display: none; }
  a { color: inherit; text-decoration: none; }
}
"""


class Markup(str):
    """Text that is HTML already; everything else is escaped."""


def markup(text):
    """HTML of anything."""
    return text if isinstance(text, Markup) else Markup(html.escape(str(text)))


def element(name, content, **attributes):
    """<name attributes>content</name>; class_ is class, data_label is data-label."""
    inner = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{inner}>{markup(content)}</{name}>")


def join(parts, between=""):
    """Several pieces as one."""
    return Markup(between.join(markup(part) for part in parts))


def written(value, sign=False, least=None):
    """A number as people read it; less than least is said to be so."""
    if least is not None and 0 < abs(value) < least:
        return f"<{least}" if value > 0 else f">\u2212{least}"
    size = abs(value)
    text = f"{size:,.0f}" if size >= 1000 else reshape.short(float(f"{size:.12g}"))
    if text != "0" and (value < 0 or sign):
        text = ("\u2212" if value < 0 else "+") + text
    return text


def number(value, unit="", sign=False, least=None):
    """A figure with its exact value."""
    exact = repr(float(value)).removesuffix(".0")
    return element("data", written(value, sign, least) + unit, value=exact, title=exact)


def below(value):
    """A figure that is less than can be told."""
    return element("span", f"<{written(value)}", class_="none", title="less than can be told")


UNITS = {"%": ("%", False), "+%": ("%", True), "x": ("\u00d7", False)}


def figure(values, unit):
    """One figure, or from where to where several go."""
    suffix, sign = UNITS.get(unit, ("", False))
    word = "" if unit in UNITS or not unit else "\u00a0" + unit
    if len(values) == 1:
        return join([number(values[0], suffix, sign), word])
    low, high = min(values), max(values)
    note = f" ({len(values)} rows)"
    if written(low, sign) == written(high, sign):
        return join([number(low, suffix, sign), word, note])
    return join([number(low, suffix, sign), " to ", number(high, suffix, sign), word, note])


def not_taken(how):
    """What stands where a figure was not taken."""
    if how.startswith("no figure"):
        return element("span", how, class_="none")
    command = element("code", how)
    return element("span", join(["not taken: ", command]), class_="none")


def blank():
    """The same in a table of figures, whose text says how to take them."""
    return element("span", "not taken", class_="none")


class Column:
    """A heading: text, unit, colour of the series that it stands for."""

    def __init__(self, text, unit="", colour=None, numeric=True, width=None):
        self.text, self.unit, self.colour = text, unit, colour
        self.numeric, self.width = numeric, width

    def heading(self):
        """<th>"""
        style = ""
        if self.colour:
            style += f"box-shadow: inset 0 -4px {self.colour}; padding-bottom: .45rem;"
        if self.width:
            style += f"width: {self.width};"
        unit = element("small", self.unit) if self.unit else ""
        return element(
            "th",
            join([self.text, unit]),
            scope="col",
            class_="number" if self.numeric else None,
            style=style or None,
        )


def table(caption, columns, rows, kind="", id_=None):
    """A table; the first cell of a row names it, None in a column of figures is not taken."""
    body = []
    for row in rows:
        cells = []
        for index, (column, cell) in enumerate(zip(columns, row)):
            cells.append(
                element(
                    "td" if index else "th",
                    blank() if cell is None else cell,
                    scope=None if index else "row",
                    class_="number" if column.numeric else None,
                    data_label=column.text if index and "stack" in kind else None,
                )
            )
        body.append(element("tr", join(cells)))
    head = element("thead", element("tr", join(column.heading() for column in columns)))
    parts = [element("caption", caption), head, element("tbody", join(body, "\n"))]
    inner = element("table", join(parts, "\n"), class_=kind or None, id=id_)
    return element("div", inner, class_="scroll", tabindex="0")


def paragraph(*parts):
    """Text, with pieces of markup in it."""
    return element("p", join(parts))


class Page:
    """Sections in their order; plots are numbered over the whole page."""

    def __init__(self, title):
        self.title = title
        self.sections = []
        self.plots = 0

    def section(self, id_, title, parts):
        """One more section; None and empty parts are left out."""
        self.sections.append((id_, title, [part for part in parts if part]))

    def plot(self, path, from_):
        """One drawing with its number, and the sentence that it brings."""
        self.plots += 1
        title, sentence = svg.about(path)
        label = title or os.path.basename(path)
        drawing = Markup(svg.inline(path, f"plot{self.plots}-", label))
        text = ["Figure ", self.plots, ". ", sentence or f"{label}.", " "]
        text += [element("code", os.path.join(from_, os.path.basename(path))), "."]
        return element("figure", join([drawing, element("figcaption", join(text))]))

    def plots_of(self, folder, from_, chosen=lambda name: True):
        """All drawings of a folder, two beside each other where there is room."""
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        names = [name for name in names if name.endswith(".svg") and chosen(name)]
        drawn = [self.plot(os.path.join(folder, name), from_) for name in names]
        return [element("div", join(drawn), class_="figures")] if drawn else []

    def text(self, subtitle, lead, abstract):
        """The whole page: lead is what every reader wants, before all else."""
        contents = element(
            "ol",
            join(
                element("li", element("a", title, href=f"#{id_}"))
                for id_, title, _ in self.sections
            ),
        )
        nav = element("nav", contents, aria_label="Contents")
        body = [
            element("h1", self.title),
            element("p", subtitle, class_="subtitle"),
            join(lead),
            element(
                "section",
                join([element("h2", "Findings", style="border:0;margin:0"), abstract]),
                class_="abstract",
            ),
            element("h2", "Contents", class_="contents"),
            nav,
        ]
        for number_, (id_, title, parts) in enumerate(self.sections, 1):
            heading = element("h2", f"{number_}. {title}")
            body.append(element("section", join([heading, *parts], "\n"), id=id_))
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            + '<link rel="icon" href="data:,">\n'
            + element("title", self.title)
            + f"\n<style>{STYLE}</style>\n</head>\n<body>\n"
            + element("main", join(body, "\n"))
            + "\n</body>\n</html>\n"
        )
