"""How one value of a table is written, in a terminal and on a page alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from funnelsim.show import words

KINDS = ("text", "money", "count", "number", "share", "days", "date", "flag")
SHARES = {"share", "p_better", "p_target", "age_percentile", "nominal", "covered", "weight", "skill", "pit"}
MONEY = {
    "value",
    "expected",
    "revenue",
    "amount",
    "mean",
    "sd",
    "difference",
    "low",
    "high",
    "chance",
    "parameter",
}
MONEY |= {"total", "part", "spend"}
DAYS = {"age", "days", "wait", "half", "ninety", "horizon"}


def kind_of(column: str, series: pd.Series[Any]) -> str:
    """Return what a column holds, from its type and, for numbers, from its name.

    >>> kind_of("P(win 2026 Q3)", pd.Series([0.3])), kind_of("value", pd.Series([1.0]))
    ('share', 'money')
    """
    if pd.api.types.is_bool_dtype(series):
        return "flag"
    if pd.api.types.is_datetime64_any_dtype(series):
        return "date"
    if not pd.api.types.is_numeric_dtype(series):
        return "text"
    if column.startswith("P(") or column in SHARES:
        return "share"
    if column in DAYS:
        return "days"
    if column in MONEY:
        return "money"
    return "count" if pd.api.types.is_integer_dtype(series) else "number"


def kinds_of(frame: pd.DataFrame, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the kind of every column, those in `given` as they are said there."""
    kinds = {str(column): kind_of(str(column), frame[column]) for column in frame.columns}
    return kinds | {column: kind for column, kind in (given or {}).items() if column in kinds}


def cell(value: object, kind: str) -> str:
    """Return one value as text: thousands are separated, shares are percents, what is missing is a dash.

    >>> cell(1234567.8, "money"), cell(0.314, "share"), cell(12.345, "number"), cell(None, "text")
    ('1,234,568', '31 %', '12.3', '–')
    >>> cell(pd.Timestamp("2026-07-01"), "date"), cell(True, "flag"), cell(41.26, "days")
    ('2026-07-01', 'yes', '41')
    """
    if value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return words.DASH
    if kind == "text":
        return words.clean(value, 200)
    if kind == "flag":
        return "yes" if value else ""
    if kind == "date":
        return str(value)[:10]
    number = float(str(value))
    if kind == "share":
        return words.percent(number)
    if kind in ("money", "count") or (kind == "days" and abs(number) >= 10):
        return f"{number:,.0f}".replace("-", words.MINUS)
    return words.digits(number, 2 if kind == "days" else 3)


def label(column: object) -> str:
    """Return a column's name as a heading.

    >>> label("age_percentile")
    'age percentile'
    """
    return words.clean(column, 60).replace("_", " ")
