# SPDX-License-Identifier: GPL-2.0-only
"""Pictures as gnuplot scripts: a column of a paper wide, measured in points from the top left.

It knows nothing of what is shown. A Figure has a title, a caption (a sentence, for the page around
it) and panels; a Panel has axes, and boxes, lines, points and text in its own coordinates. No text is
smaller than FONT, so that a picture can be printed as it is.
"""

import os

WIDTH = 245  # 3.4 inches: style.gp has it, too
FONT = 7
LINE = 9  # from one line of text to the next
INK, PALE, GREY = "#202020", "#d8d8d8", "#606060"

# Advance widths of DejaVu Sans, in thousandths of the size.
NARROW = {"i": 278, "j": 278, "l": 278, "f": 352, "t": 392, "r": 411, "I": 295, "J": 295, " ": 318,
          ".": 318, ",": 318, ":": 337, ";": 337, "/": 337, "-": 361, "(": 390, ")": 390, "'": 275}
WIDE = {"m": 974, "w": 818, "M": 863, "W": 989, "%": 950, "=": 838, "+": 838, "<": 838, ">": 838,
        "\u00d7": 838, "O": 787, "Q": 787, "G": 775, "D": 770, "N": 748, "H": 752}
LETTERS = {"c": 550, "s": 521, "z": 525, "k": 579, "v": 592, "x": 592, "y": 592, "_": 500, "T": 611,
           "L": 557, "F": 575, "P": 603, "Y": 611}
WIDTHS = {**NARROW, **WIDE, **LETTERS}


def text_width(text, size=FONT, bold=False):
    """Points from the first to the last dot, a little too many rather than too few."""
    units = sum(WIDTHS.get(c, 690 if c.isupper() else 636) for c in text)
    return units * size / 1000 * (1.13 if bold else 1.0)


def quote(text):
    """A gnuplot string."""
    return "'" + str(text).replace("'", "''") + "'"


def rgb(colour):
    """#112233 as gnuplot's variable colours want it."""
    return int(colour[1:], 16)


def wrap(text, width, size=FONT):
    """Lines of a text that are no wider than that."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def font(size, bold):
    """gnuplot's word for it."""
    return f'font "DejaVu Sans{" Bold" if bold else ""},{max(size, FONT)}"'


class Axis:
    """A range, and tics as (value, text); tics without text are lines of a grid."""

    def __init__(self, low, high, tics=(), log=None, grid=False, label=""):
        self.low, self.high, self.tics = low, high, list(tics)
        self.log, self.grid, self.label = log, grid, label

    def commands(self, axis):
        """What gnuplot wants to be told."""
        lines = [f"set logscale {axis} {self.log}" if self.log else f"unset logscale {axis}"]
        lines.append(f"set {axis}range [{self.low:.10g}:{self.high:.10g}]")
        pairs = ", ".join(f"{quote(text)} {value:.10g}" for value, text in self.tics)
        lines.append(f"set {axis}tics ({pairs}) nomirror scale 0" if pairs else f"unset {axis}tics")
        if pairs:
            offset = "0, 0.5" if axis == "x" else "0.4, 0"
            lines.append(f'set {axis}tics offset {offset} textcolor rgb "{INK}"')
        if self.grid and pairs:
            lines.append(f'set grid {axis}tics linecolor rgb "{PALE}" linewidth 0.8')
        return lines


class Panel:
    """One pair of axes."""

    def __init__(self, box, x, y, frame):
        self.box, self.x, self.y, self.frame = box, x, y, frame
        self.parts, self.labels, self.boxed = [], [], []

    def box_at(self, x1, x2, y1, y2, colour):
        """A filled rectangle."""
        self.boxed.append((x1, x2, y1, y2, rgb(colour)))

    def line(self, points, colour, width=1.5, dash=1):
        """A polyline; None breaks it."""
        rows = ["" if p is None else f"{p[0]:.10g} {p[1]:.10g}" for p in points]
        self.parts.append((rows, f'using 1:2 with lines linecolor rgb "{colour}" '
                                 f"linewidth {width} dashtype {dash}"))

    def points(self, points, colour, shape, size=1.0, width=1):
        """Marks of one series."""
        rows = [f"{x:.10g} {y:.10g}" for x, y in points]
        self.parts.append((rows, f'using 1:2 with points linecolor rgb "{colour}" '
                                 f"pointtype {shape} pointsize mark*{size} linewidth {width}"))

    def bars(self, bars, colour, across=False):
        """Error bars: (x, y, from, to) along x, or along y."""
        rows = [f"{x:.10g} {y:.10g} {a:.10g} {b:.10g}" for x, y, a, b in bars]
        kind = "yerrorbars" if across else "xerrorbars"
        self.parts.append((rows, f'using 1:2:3:4 with {kind} linecolor rgb "{colour}" pointtype 0'))

    def text(self, x, y, text, anchor="left", shift=(0, 0), colour=INK, bold=False, size=FONT):
        """A label in the panel's coordinates; shift is in points."""
        offset = f"offset {shift[0] / 4.2:.3f}, {shift[1] / 7.7:.3f}"
        self.labels.append(f"{quote(text)} at first {x:.10g}, first {y:.10g} {anchor} {offset} "
                           f'{font(size, bold)} textcolor rgb "{colour}" front')

    def commands(self, height, number):
        """All of it."""
        left, top, width, tall = self.box
        lines = [
            f"set lmargin at screen {left / WIDTH:.6f}",
            f"set rmargin at screen {(left + width) / WIDTH:.6f}",
            f"set tmargin at screen {1 - top / height:.6f}",
            f"set bmargin at screen {1 - (top + tall) / height:.6f}",
            "unset label",
            "unset grid",
            f'set border {self.frame} linecolor rgb "#909090" linewidth 0.8',
        ]
        lines += self.x.commands("x") + self.y.commands("y")
        lines += [f"set label {tag} {label}" for tag, label in enumerate(self.labels, 1)]
        parts = [([" ".join(f"{v:.10g}" for v in row) for row in self.boxed],
                  "using 1:3:1:2:3:4:5 with boxxyerror fillstyle solid 1.0 noborder "
                  "linecolor rgb variable")] if self.boxed else []
        parts += [part for part in self.parts if any(part[0])]
        plots = []
        for i, (rows, how) in enumerate(parts):
            name = f"$data_{number}_{i}"
            lines += [f"{name} << END", *rows, "END"]
            plots.append(f"{name} {how} notitle")
        lines.append("plot " + (", \\\n\t".join(plots) or "1/0 notitle"))
        return lines


class Figure:
    """One picture; what stands outside of its panels is placed in points from the top left."""

    def __init__(self, name, title, caption, source):
        self.name, self.title, self.caption, self.source = name, title, caption, source
        self.panels, self.overlay = [], []
        self.bottom = 0
        self.top = 4
        for line in wrap(title, WIDTH - 8, 8 * 1.13):
            self.text(WIDTH / 2, self.top + 5, line, "center", bold=True, size=8)
            self.top += 11

    def text(self, x, y, text, anchor="left", colour=INK, bold=False, size=FONT, rotate=False):
        """A label, centred on y."""
        self.overlay.append(("text", x, y, text, anchor, colour, bold, size, rotate))

    def panel(self, box, x, y, frame=3):
        """Axes at (left, top, width, height)."""
        panel = Panel(box, x, y, frame)
        self.panels.append(panel)
        self.bottom = max(self.bottom, box[1] + box[3])
        return panel

    def legend(self, entries):
        """Rows of (text, colour, mark) below the title; a mark is a point type, "box" or "line"."""
        gap, mark = 9, 9
        rows, room = [[]], 0
        for entry in entries:
            width = mark + text_width(entry[0]) + gap
            if rows[-1] and room + width - gap > WIDTH - 8:
                rows.append([])
                room = 0
            rows[-1].append((entry, width))
            room += width
        for row in rows:
            x = (WIDTH - sum(width for _, width in row) + gap) / 2
            for (text, colour, kind, *dash), width in row:
                self.overlay.append(("mark", x + 3, self.top + 5, kind, colour, *dash))
                self.text(x + mark, self.top + 5, text)
                x += width
            self.top += LINE
        self.top += 2

    def commands(self):
        """(height, the script)"""
        foot = self.bottom
        for line in wrap(self.source, WIDTH - 6):
            self.text(4, foot + 6, line, colour=GREY)
            foot += LINE
        height = round(foot + 4)
        lines = ["set multiplot", "unset border", "unset tics", "unset grid", "unset label",
                 "set xrange [0:1]", "set yrange [0:1]", "set lmargin at screen 0",
                 "set rmargin at screen 1", "set bmargin at screen 0", "set tmargin at screen 1"]
        for tag, (kind, x, y, *rest) in enumerate(self.overlay, 1):
            at = f"screen {x / WIDTH:.6f}, screen {1 - y / height:.6f}"
            if kind == "text":
                text, anchor, colour, bold, size, rotate = rest
                lines.append(f"set label {tag} {quote(text)} at {at} {anchor} {font(size, bold)} "
                             f'textcolor rgb "{colour}"{" rotate by 90" if rotate else ""}')
                continue
            shape, colour, *dash = rest
            if shape == "box":
                lines.append(f"set object {tag} rectangle center {at} size screen {6 / WIDTH:.6f}, "
                             f"screen {6 / height:.6f} fillstyle solid noborder fillcolor rgb "
                             f'"{colour}"')
            elif shape == "line":
                ends = [f"screen {(x + dx) / WIDTH:.6f}, screen {1 - y / height:.6f}" for dx in (-4, 5)]
                lines.append(f"set arrow {tag} from {ends[0]} to {ends[1]} nohead linewidth 1.5 "
                             f'linecolor rgb "{colour}" dashtype {dash[0] if dash else 1}')
            else:
                lines.append(f"set label {tag} '' at {at} point pointtype {shape} pointsize 1 "
                             f'linecolor rgb "{colour}"')
        lines += ["plot 1/0 notitle", "unset object", "unset arrow"]
        for number, panel in enumerate(self.panels):
            lines += panel.commands(height, number)
        lines.append("unset multiplot")
        return height, "\n".join(lines) + "\n"

    def write(self, directory):
        """NAME.gp for gnuplot, NAME.caption for publish.py."""
        height, script = self.commands()
        with open(os.path.join(directory, self.name + ".gp"), "w", encoding="utf-8") as file:
            file.write(f"# {height}\n{script}")
        with open(os.path.join(directory, self.name + ".caption"), "w", encoding="utf-8") as file:
            file.write(f"{self.title}\n{self.caption} {self.source}.\n")
