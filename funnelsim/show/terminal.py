"""Tables for the terminal: aligned, in plain text when nobody is looking."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping
from typing import Any, Literal, TextIO

import pandas as pd
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from funnelsim.show import words
from funnelsim.show.words import cell, kinds_of, label, measure_texts

MOST_ROWS = 60  # a screen or two
PAGE_WIDTH = 100  # columns where nobody is looking: what a log shows without folding
NAME_WIDTH = 24
PERIOD_WIDTH = 15
UNBOUNDED = 1000  # columns of text that a program reads: no line is folded
GAP = 2


def show_table(
    frame: pd.DataFrame,
    title: str = "",
    *,
    kinds: Mapping[str, str] | None = None,
    rows: int = MOST_ROWS,
    file: TextIO | None = None,
) -> None:
    """Print a frame: names left, numbers right, thousands separated.

    Args:
        frame: any frame; its index is not shown.
        title: a line above it.
        kinds: column -> text, money, count, number, share, days, span, date or flag, where a guess is wrong.
        rows: how many are shown; a line says how many are not.
        file: where to, standard output if None.
    """
    told = kinds_of(frame, kinds)
    texts = [
        [cell(value, told[str(column)]) for column, value in zip(frame.columns, row, strict=True)]
        for row in frame.head(rows).itertuples(index=False, name=None)
    ]
    right = [told[str(column)] not in ("text", "date", "flag") for column in frame.columns]
    left_out = f"({len(frame) - rows:,} more rows)" if len(frame) > rows else ""
    _print([label(column) for column in frame.columns], texts, right, title, left_out, file)


def show_metrics(metrics: pd.DataFrame, title: str = "", *, file: TextIO | None = None) -> None:
    """Print measures, each value and its 95 % interval in the manner of its unit.

    Args:
        metrics: metric, scope, value, unit, low, high, leads, note.
        title: above the table.
        file: where to, standard output if None.
    """
    told = measure_texts(metrics)[["metric", "scope", "value", "low", "high", "unit", "leads", "note"]]
    show_table(told, title, kinds={"value": "text", "low": "text", "high": "text"}, file=file)


def print_forecast(
    periods: pd.DataFrame,
    widths: pd.DataFrame,
    *,
    currency: str = "",
    file: TextIO | None = None,
) -> None:
    """Print what is expected in each period, how sure that is, and where it comes from.

    Args:
        periods: the forecast's periods frame: period, origin, measure, mean, quantiles "0.01".."0.99".
        widths: the forecast's widths frame: period, chance, and target and p_target where one was given.
        currency: three letters, or nothing.
        file: where to, standard output if None.
    """
    order = list(dict.fromkeys(periods["period"]))
    out = file or sys.stdout
    room = Console(file=out).width if out.isatty() else PAGE_WIDTH
    beside = max(1, (room - NAME_WIDTH) // PERIOD_WIDTH)
    title = f"Forecast of {words.titled('revenue', currency)} and wins"
    for first in range(0, len(order), beside):
        block = order[first : first + beside]
        lines = _forecast_lines(periods, widths, block)
        texts = [[name, *values] for name, values in lines.items()]
        heads = ["", *[words.name(period) for period in block]]
        _print(heads, texts, [False] + [True] * len(block), title if first == 0 else "", "", out)


def forecast_table(periods: pd.DataFrame, widths: pd.DataFrame) -> pd.DataFrame:
    """Return the forecast as the terminal prints it: a row for each line, a column for each period."""
    order = list(dict.fromkeys(periods["period"]))
    lines = _forecast_lines(periods, widths, order)
    rows = [[name.strip(), *values] for name, values in lines.items()]
    return pd.DataFrame(rows, columns=["", *map(words.name, order)])


def _forecast_lines(periods: pd.DataFrame, widths: pd.DataFrame, order: list[Any]) -> dict[str, list[str]]:
    """Return the lines of the forecast table: what it is -> its text in every period."""
    by = periods.set_index(["measure", "origin", "period"])

    def told(measure: str, origin: str, column: str, kind: str = "money") -> list[str]:
        return [cell(_at(by, (measure, origin, period), column), kind) for period in order]

    lines = {"expected revenue": told("revenue", "total", "mean")}
    lines |= {"  booked": told("revenue", "booked", "mean"), "  open deals": told("revenue", "open", "mean")}
    lines["  leads not yet created"] = told("revenue", "new", "mean")
    lines["80 % interval from"] = told("revenue", "total", "0.10")
    lines["80 % interval to"] = told("revenue", "total", "0.90")
    known = widths.set_index("period")
    if "p_target" in known and known["p_target"].notna().any():
        goals = sorted(set(known["target"].dropna())) if "target" in known else []
        if len(goals) > 1:
            lines["target"] = [cell(_at(known, period, "target"), "money") for period in order]
        goal = words.short(float(goals[0])) if len(goals) == 1 else "it" if goals else "target"
        lines[f"chance to reach {goal}"] = [cell(_at(known, period, "p_target"), "share") for period in order]
    if "chance" in known:
        lines["noise floor (sd)"] = [cell(_at(known, period, "chance"), "money") for period in order]
    low, high = told("wins", "total", "0.10", "count"), told("wins", "total", "0.90", "count")
    lines["expected wins"] = told("wins", "total", "mean", "number")
    lines["  80 % interval"] = [f"{a} to {b}" for a, b in zip(low, high, strict=True)]
    return lines


def _at(frame: pd.DataFrame, row: Any, column: str) -> float:
    return float(str(frame.at[row, column])) if row in frame.index else float("nan")


def print_comparison(compared: pd.DataFrame, currency: str = "", *, file: TextIO | None = None) -> None:
    """Print what each scenario changes and whether that could be luck.

    Args:
        compared: scenario, period, mean, difference, low, high, p_better, optionally futures (that differ),
            p_mean, and the standard errors error, low_error and high_error, to which numbers are rounded.
        currency: three letters, or nothing.
        file: where to, standard output if None.
    """
    texts = []
    for row in compared.to_dict("records"):
        low, gap, high = (
            words.short(words.to_error(row[name], row.get(error, 0.0)), sign=True)
            for name, error in (("low", "low_error"), ("difference", "error"), ("high", "high_error"))
        )
        same = row["difference"] == 0 and row["low"] == 0 and row["high"] == 0
        judged = words.judged(row["p_better"], row.get("futures", 100.0), row.get("p_mean", float("nan")))
        told = ["", "", ""] if same else [gap, f"{low} to {high}", judged]
        texts.append(
            [words.name(row["scenario"]), words.name(row["period"]), cell(row["mean"], "money"), *told]
        )
    heads = ["scenario", "period", "expected", "difference", "80 % interval", "better? (futures that differ)"]
    title = f"{words.titled('Revenue', currency)} under each scenario: same leads, same luck"
    _print(heads, texts, [False, False, True, True, True, False], title, "", file)


def _print(
    heads: list[str], rows: list[list[str]], right: list[bool], title: str, below: str, file: TextIO | None
) -> None:
    """Print a table: with a rule under its heads in a terminal, as bare aligned text elsewhere."""
    out = file or sys.stdout
    live = out.isatty()
    table = Table(box=box.SIMPLE_HEAD if live else None, pad_edge=False, show_edge=False, header_style="bold")
    table.padding = (0, 1, 0, 0) if live else (0, 1)
    if live:
        heads = _folded(heads, rows, right, Console(file=out).width)
    for head, numeric in zip(heads, right, strict=True):
        side: Literal["left", "right"] = "right" if numeric else "left"
        table.add_column(
            Text(_sayable(head, out)),
            justify=side,
            no_wrap=numeric,
            overflow="ellipsis" if numeric else "fold",
        )
    for row in rows:
        table.add_row(*[Text(_sayable(value, out)) for value in row])
    parts = [Text(_sayable(title, out), style="bold")] if title else []
    shown = [*parts, table, Text(_sayable(below, out))] if below else [*parts, table]
    console = Console(file=out, width=None if live else UNBOUNDED, highlight=False, markup=False, emoji=False)
    if live:
        console.print(*shown, "", sep="\n")
        return
    with console.capture() as plain:
        console.print(*shown, sep="\n")
    out.write("\n".join(line.rstrip() for line in plain.get().splitlines()) + "\n\n")


def _folded(heads: list[str], rows: list[list[str]], right: list[bool], room: int) -> list[str]:
    """Return heads in lines no wider than their numbers, or their longest word, where a table is too wide."""
    cells = [max((cell_len(row[column]) for row in rows), default=0) for column in range(len(heads))]
    natural = sum(max(cell_len(head), width) for head, width in zip(heads, cells, strict=True))
    if natural + GAP * len(heads) <= room:
        return heads
    return [
        textwrap.fill(head, max(width, *map(cell_len, head.split())), break_long_words=False)
        if numeric and head.split()
        else head
        for head, width, numeric in zip(heads, cells, right, strict=True)
    ]


def _sayable(text: str, out: TextIO) -> str:
    """Return text that the output's encoding can hold: an old terminal must not stop a forecast."""
    encoding = getattr(out, "encoding", None) or "utf-8"
    plain = (
        text
        if encoding.lower().startswith("utf")
        else text.replace(words.MINUS, "-").replace(words.DASH, "-")
    )
    return plain.encode(encoding, "replace").decode(encoding)
