# SPDX-License-Identifier: GPL-2.0-only
"""Kinds of charts that several pictures share: stacked bars in small panels, rows of dots, curves."""

import math

from figure import GREY, LINE, PALE, WIDTH, Axis, text_width, wrap

BAR = 8.5  # points from one bar to the next


def short(value):
    """A figure as people read it: three digits, no exponent, no needless zeros."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{min(digits, 9)}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{float(text):,.0f}" if abs(value) >= 10000 else text


def ratio_axis(values, most=5):
    """A logarithmic axis of multiples, 1 among its labels."""
    low, high = min([0.95, *values]) / 1.08, max([1.05, *values]) * 1.08
    for tics in ((0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.2, 1.5, 2, 3, 4, 5, 7, 10),
                 (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20),
                 (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100),
                 (0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64), (0.25, 1, 4, 16, 64),
                 (0.001, 0.01, 0.1, 1, 10, 100, 1000, 10000)):
        inside = [v for v in tics if low <= v <= high]
        if len(inside) <= most:
            break
    return Axis(low, high, [(v, short(v)) for v in inside], log=10, grid=True)


def decade(exponent):
    """1000 rather than 10^3 where that is easy to read."""
    return short(float(f"1e{exponent}")) if -3 <= exponent <= 4 else f"1e{exponent}"


def log_axis(values, room=4, grid=True, least=1):
    """A logarithmic axis over positive values, with at most so many labels; decades, or 1 2 5."""
    low, high = math.log10(min(values)), math.log10(max(values))
    if high - low < least:
        low, high = (low + high - least) / 2, (low + high + least) / 2
    low, high = low - 0.04 * (high - low), high + 0.04 * (high - low)
    inside = [e for e in range(math.floor(low), math.ceil(high) + 1) if low <= e <= high]
    if len(inside) >= 3:
        step = math.ceil(len(inside) / room)
        tics = [(float(f"1e{e}"), decade(e)) for e in inside if e % step == 0]
    else:
        values = [f * 10.0**e for e in range(math.floor(low), math.ceil(high) + 1) for f in (1, 2, 5)]
        tics = [(v, short(v)) for v in values if low <= math.log10(v) <= high]
        tics = tics[:: math.ceil(len(tics) / (room + 1))]
    return Axis(10**low, 10**high, tics, log=10, grid=grid)


def linear_axis(top, room=4, grid=True, margin=1.06):
    """From nothing to the greatest value, with round labels."""
    if top <= 0:
        return Axis(0, 1, [(0, "0")], grid=grid)
    step = 10.0 ** math.floor(math.log10(top))
    step *= next(f for f in (0.1, 0.2, 0.25, 0.5, 1, 2, 2.5, 5) if top / (step * f) <= room + 0.2)
    count = int(top * margin / step + 1e-9)
    return Axis(0, top * margin, [(i * step, short(i * step)) for i in range(count + 1)], grid=grid)


def stacked(figure, panels, bars, columns=2):
    """Panels of horizontal bars, each with its own axis from zero.

    panels is [(heading, {bar: ([(value, colour)], text)}, limit)]: text stands at the end of the bar;
    a bar that is longer than limit is cut off there, and looks it. bars is [name] in their order.
    """
    left = max(text_width(name) for name in bars) + 6
    gap = 8
    width = (WIDTH - left - 5 - gap * (columns - 1)) / columns
    top = figure.top + 2
    rows = [panels[i : i + columns] for i in range(0, len(panels), columns)]
    for row in rows:
        heads = [wrap(heading, width, 7 * 1.13) for heading, *_ in row]
        head = LINE * max(len(lines) for lines in heads)
        tall = BAR * len(bars) + 2
        for column, (lines, (_, shown, limit)) in enumerate(zip(heads, row)):
            x = left + column * (width + gap)
            for i, line in enumerate(lines):
                y = top + head - LINE * (len(lines) - i) + 5
                figure.text(x, y, line, bold=True)
            room = max(text_width(text) for _, text in shown.values()) + 5
            limit = limit or 1
            scale = limit / max(20, width - room)  # units a point
            panel = figure.panel((x, top + head, width, tall), Axis(0, width * scale),
                                 Axis(len(bars) + 0.6, 0.4), frame=2)
            for y, name in enumerate(bars, 1):
                if column == 0:
                    figure.text(left - 3, top + head + 1 + BAR * (y - 0.5), name, "right")
                if name not in shown:
                    panel.text(0, y, "not taken", shift=(3, 0), colour=GREY)
                    continue
                parts, text = shown[name]
                end = draw_bar(panel, parts, y, limit, scale)
                panel.text(end, y, text, shift=(3, 0))
        top += head + tall + 5
    return figure


def draw_bar(panel, parts, y, limit, scale):
    """One bar; gives where it ends."""
    start = 0
    for value, colour in parts:
        end = min(start + value, limit)
        if end > start:
            panel.box_at(start, end, y - 0.4, y + 0.4, colour)
        start += value
    if start <= limit:
        return start
    # Cut off: two white slashes near its end.
    for at in (9, 6):
        x = limit - at * scale
        panel.line([(x - 1.5 * scale, y + 0.6), (x + 1.5 * scale, y - 0.6)], "#ffffff", 2)
    return limit


def dots(figure, rows, series, columns, lane=0):
    """A line for each row, a mark for each series; columns are panels side by side.

    rows is [(label, group)]: a line is drawn between groups. series is [(key, legend, colour, shape)].
    columns is [(label, axis, pick(row index, key) -> (value, low, high) or None, reference or None)];
    a reference is (value, colour). lane is the height of each series in a row: 0 puts all on one line.
    """
    row_height = max(LINE, lane * len(series) + 3)
    left = max(text_width(label) for label, _ in rows) + 6
    gap = 9
    width = (WIDTH - left - 8 - gap * (len(columns) - 1)) / len(columns)
    top = figure.top + (LINE * len(wrap_heads(columns, width)[0]) + 2 if columns[0][0] else 2)
    tall = row_height * len(rows)
    heads = wrap_heads(columns, width)
    for y, (label, _) in enumerate(rows):
        figure.text(left - 4, top + row_height * (y + 0.5), label, "right")
    for column, (_, axis, pick, reference) in enumerate(columns):
        x = left + column * (width + gap)
        for i, line in enumerate(heads[column]):
            figure.text(x + width / 2, figure.top + 5 + LINE * i, line, "center")
        panel = figure.panel((x, top, width, tall), axis, Axis(len(rows) + 0.5, 0.5), frame=3)
        for y in range(1, len(rows)):
            if rows[y][1] != rows[y - 1][1]:
                panel.line([(axis.low, y + 0.5), (axis.high, y + 0.5)], PALE, 0.8)
        if reference:
            panel.line([(reference[0], 0.5), (reference[0], len(rows) + 0.5)], reference[1], 1.5)
        for i, (key, _, colour, shape) in enumerate(series):
            shift = (i - (len(series) - 1) / 2) * lane / row_height
            found = [(y, pick(y - 1, key)) for y in range(1, len(rows) + 1)]
            found = [(y + shift, value) for y, value in found if value]
            panel.bars([(v, y, a, b) for y, (v, a, b) in found if b > 1.02 * a], colour)
            panel.points([(v, y) for y, (v, *_) in found], colour, shape, 0.9)
    figure.bottom += LINE + 1
    return figure


def wrap_heads(columns, width):
    """Headings of columns, all with as many lines."""
    heads = [wrap(label, width) for label, *_ in columns]
    most = max(len(lines) for lines in heads)
    return [[""] * (most - len(lines)) + lines for lines in heads]
