# SPDX-License-Identifier: GPL-2.0-only
"""Expressions of claims.conf: a small arithmetic over figures of the CSV files.

    fig(SET, SERIES, WORK, COLUMN)            one figure
    ratio(SET, SERIES, SERIES, WORKS, COLUMN) first over second, for each work that both have
    change(SET, SERIES, SERIES, WORKS, COLUMN) the same as a change in percent of the second
    rows(SET, CONDITIONS, COLUMN)              a column as it is, of rows that are 'kind=modelled size=2M'
    low(X) high(X) median(X) count(X)          of several figures
    + - * /                                    numbers and figures

SET is a name of data.SOURCES; SERIES is shadow, kvm/ept, native, gtt/strict; WORK is a workload with
those of its parameters that tell it from others ('pt_update share=100 ad=': ad is not given);
WORKS are several of these, with commas between them; COLUMN may be a sum ('exits_per_op -
exits_other_per_op'). Nothing else is understood, so that no figure can be typed in by accident as
anything but a plain number.
"""

import ast
import operator
import statistics

from data import BadInput, NotTaken, matches

OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}


class Figure:
    """One or several values, and the rows that they were read from."""

    def __init__(self, values, sources=()):
        self.values = list(values)
        self.sources = list(sources)  # (table, row)

    def map(self, function, count=None):
        """The same sources, other values."""
        return Figure(count(self.values) if count else map(function, self.values), self.sources)


def divide(left, right):
    """A division by nothing is a figure that cannot be had."""
    if right == 0:
        raise NotTaken("no figure: it would divide by zero")
    return left / right


class Evaluator:
    """Expressions over a set of tables."""

    def __init__(self, tables):
        self.tables = tables
        self.functions = {
            "fig": self.fig,
            "rows": self.rows,
            "ratio": self.ratio,
            "change": self.change,
            "low": lambda x: x.map(None, lambda v: [min(v)]),
            "high": lambda x: x.map(None, lambda v: [max(v)]),
            "median": lambda x: x.map(None, lambda v: [statistics.median(v)]),
            "count": lambda x: x.map(None, lambda v: [len(v)]),
        }

    def table(self, name):
        """A table by its name."""
        if name not in self.tables:
            raise BadInput(f"there is no set of figures called {name}")
        return self.tables[name]

    def fig(self, name, series, work, column):
        """One figure: the work must be one."""
        table = self.table(name)
        found = table.find(series, work, column)
        if not found:
            raise table.missing(series, column)
        if len(found) > 1:
            raise NotTaken(f"no figure: {len(found)} rows are '{work}'")
        ((value, rows),) = found.values()
        return Figure([value], [(table, row) for row in rows])

    def rows(self, name, conditions, column):
        """Of a table that has no engines and modes: all values of a column, in their order."""
        table = self.table(name)
        words = conditions.split()
        chosen = [row for row in table.rows if matches(row, ["*"] + words)]
        values = [table.total(row, column) for row in chosen]
        if not values or None in values:
            raise table.missing("", column)
        return Figure(values, [(table, row) for row in chosen])

    def ratio(self, name, over, under, works, column):
        """One value for each work that both series have."""
        table = self.table(name)
        upper, lower = (table.find(series, works, column) for series in (over, under))
        for found, series in ((upper, over), (lower, under)):
            if not found:
                raise table.missing(series, column)
        keys = [key for key in upper if key in lower and lower[key][0] != 0]
        if not keys:
            raise table.missing(under, column)
        sources = [(table, row) for key in keys for row in upper[key][1] + lower[key][1]]
        return Figure((upper[key][0] / lower[key][0] for key in keys), sources)

    def change(self, *arguments):
        """In percent."""
        return self.ratio(*arguments).map(lambda value: 100 * (value - 1))

    def evaluate(self, text):
        """The figure that an expression stands for; NotTaken where a part of it was not taken."""
        try:
            figure = self.node(ast.parse(text.strip(), mode="eval").body)
        except (SyntaxError, TypeError, KeyError, AttributeError) as error:
            raise BadInput(f"not an expression: {text}: {error}") from error
        if not isinstance(figure, Figure):
            raise BadInput(f"not a figure: {text}")
        return figure

    def node(self, node):
        """A part of an expression."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else Figure([float(node.value)])
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return self.node(node.operand).map(operator.neg)
        if isinstance(node, ast.BinOp):
            function = divide if isinstance(node.op, ast.Div) else OPERATORS[type(node.op)]
            return combine(function, self.node(node.left), self.node(node.right))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            return self.functions[node.func.id](*(self.node(argument) for argument in node.args))
        raise TypeError("only figures, numbers and + - * / are understood")


def combine(function, left, right):
    """Value by value; one value goes with each of several."""
    count = max(len(left.values), len(right.values))
    sides = []
    for side in (left, right):
        if len(side.values) not in (1, count):
            raise NotTaken("no figure: its two sides have rows of their own")
        sides.append(side.values * count if len(side.values) == 1 else side.values)
    return Figure(map(function, *sides), left.sources + right.sources)
