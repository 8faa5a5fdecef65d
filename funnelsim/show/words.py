"""Numbers as a planner says them: 1.24 M EUR, 63 %, better in 93 of 100 futures."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

STEPS = ((1e9, " bn"), (1e6, " M"), (1e3, " k"))
LONGEST_NAME = 40
MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"
KINDS = ("text", "figure", "money", "count", "number", "share", "days", "date", "flag")
SHARES = {"share", "p_better", "p_target", "winners_faster", "nominal", "covered", "weight", "skill", "pit"}
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
DAYS = {"age", "days", "wait", "half", "ninety", "horizon"}


def clean(text: object, longest: int = 0) -> str:
    """Return text on one line, without control characters, cut to `longest` characters when that is not 0.

    >>> clean("Deal\\x1b[31m\\n4711"), clean("abcdefgh", 5)
    ('Deal [31m 4711', 'abcd…')
    """
    limit = longest or 2000
    kept = "".join(sign if unicodedata.category(sign)[0] != "C" else " " for sign in str(text)[: 2 * limit])
    line = " ".join(kept.split())
    return line if len(line) <= limit else line[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"


def name(text: object) -> str:
    """Return the name of a stage, segment or scenario, short enough for an axis or a sentence.

    >>> name("Proposal")
    'Proposal'
    """
    return clean(text, LONGEST_NAME)


def digits(value: float, significant: int = 3) -> str:
    """Return a number with about three significant digits, and no decimals where they say nothing.

    >>> [digits(x) for x in (0.0, 0.123456, 4.5, 9.996, 12.34, 128.7, 12345.6, -3.0)]
    ['0', '0.123', '4.5', '10', '12.3', '129', '12,346', '−3']
    """
    if not math.isfinite(value):
        return DASH
    if value == 0:
        return "0"
    rounded = float(f"{value:.{significant}g}") if abs(value) < 10**significant else round(value)
    decimals = max(0, significant - 1 - math.floor(math.log10(abs(rounded))))
    text = f"{abs(rounded):,.{decimals}f}"
    return (MINUS if value < 0 else "") + (text.rstrip("0").rstrip(".") if "." in text else text)


def short(value: float, sign: bool = False) -> str:
    """Return an amount in thousands, millions or billions, without its currency.

    >>> short(1_240_000), short(840_300), short(9_500), short(999_600), short(120_000, sign=True)
    ('1.24 M', '840 k', '9.5 k', '1 M', '+120 k')
    """
    if not math.isfinite(value):
        return DASH
    plus = "+" if sign and value > 0 else ""
    rounded = float(f"{value:.3g}")
    for step, unit in STEPS:
        if abs(rounded) >= step:
            return plus + digits(rounded / step) + unit
    return plus + digits(rounded)


def money(value: float, currency: str = "", sign: bool = False) -> str:
    """Return an amount with its currency, where one is stated, in three significant digits.

    >>> money(1_240_000, "EUR"), money(-5_000, "USD"), money(1_240_000), money(float("nan"), "EUR")
    ('1.24 M EUR', '−5 k USD', '1.24 M', '–')
    """
    text = short(value, sign)
    return text if text == DASH else f"{text} {currency}".rstrip()


def titled(words: str, currency: str) -> str:
    """Return a heading for amounts, with their currency where one is stated.

    >>> titled("Revenue", "EUR"), titled("Revenue", "")
    ('Revenue (EUR)', 'Revenue')
    """
    return f"{words} ({currency})" if currency else words


def amount(value: float, unit: str, sign: bool = False) -> str:
    """Return money when `unit` is a currency or none is stated (""), else a count of things such as wins.

    >>> amount(1_240_000, "EUR"), amount(1e6, ""), amount(41.26, "wins"), amount(-2.5, "wins", sign=True)
    ('1.24 M EUR', '1 M', '41.3 wins', '−2.5 wins')
    """
    if not unit or unit.isupper():
        return money(value, unit, sign)
    text = digits(value)
    return f"{'+' if sign and value > 0 else ''}{text} {unit}"


def percent(share: float) -> str:
    """Return a share as whole percents, without claiming certainty that is not there.

    >>> percent(0.634), percent(0.004), percent(0.997), percent(0.0), percent(1.0), percent(float("nan"))
    ('63 %', 'under 1 %', 'over 99 %', '0 %', '100 %', '–')
    """
    if not math.isfinite(share):
        return DASH
    if 0 < share < 0.01:
        return "under 1 %"
    if 0.99 < share < 1:
        return "over 99 %"
    return f"{100 * share:.0f} %".replace("-", MINUS)


def days(value: float) -> str:
    """Return a duration in the unit that a person would use.

    >>> days(0.02), days(0.5), days(1), days(21.4), days(400), days(float("nan"))
    ('29 minutes', '12 hours', '1 day', '21.4 days', '400 days', '–')
    >>> days(0.0005), days(0.002)
    ('43 seconds', '2.9 minutes')
    """
    if not math.isfinite(value):
        return DASH
    if 0 < value < 1 / 1440:
        return f"{value * 86400:.0f} seconds"
    if 0 < value < 1 / 24:
        return f"{digits(value * 1440, 2)} minutes"
    if 0 < value < 1:
        return f"{digits(value * 24, 2)} hours"
    text = digits(value)
    return f"{text} day" if text == "1" else f"{text} days"


def odds(chance: float) -> str:
    """Return a chance in words, as a headline begins with it.

    >>> [odds(chance) for chance in (0.02, 0.1, 0.3, 0.52)]
    ['Almost no chance', 'Unlikely', 'Less likely than not', 'Even odds']
    >>> [odds(chance) for chance in (0.7, 0.9, 0.99)]
    ['Likely', 'Very likely', 'Almost certain']
    """
    steps = (
        (0.05, "Almost no chance"), (0.2, "Unlikely"), (0.45, "Less likely than not"), (0.55, "Even odds"),
        (0.8, "Likely"), (0.95, "Very likely"),
    )  # fmt: skip
    return next((said for edge, said in steps if chance <= edge), "Almost certain")


def futures(chance: float, number: float = 100) -> str:
    """Return a chance as a count of imagined futures: of 100, or of those that there were, if fewer.

    >>> futures(0.93), futures(1.0), futures(0.001)
    ('93 of 100 futures', 'all of 100 futures', 'fewer than 1 of 100 futures')
    >>> futures(1.0, 4)
    '4 of 4 futures'
    """
    if not math.isfinite(chance):
        return "an unknown number of futures"
    if number < 100:
        return f"{round(chance * number)} of {round(number)} futures"
    if 0 < chance < 0.005:
        return "fewer than 1 of 100 futures"
    count = round(100 * chance)
    if count == 100:
        return "all of 100 futures" if chance == 1 else "more than 99 of 100 futures"
    return f"{'none' if chance == 0 else count} of 100 futures"


def to_error(value: float, error: float) -> float:
    """Return a value rounded to a step (1, 2 or 5 times a power of ten) no finer than its standard error.

    >>> to_error(123_456, 300), to_error(123_456, 13_000), to_error(123_456, 0.0)
    (123500.0, 120000.0, 123456)
    """
    if not (error > 0 and math.isfinite(value) and math.isfinite(error)):
        return value
    ten = 10.0 ** math.floor(math.log10(error))
    step = next(ten * times for times in (1, 2, 5, 10) if ten * times >= error)
    return round(value / step) * step


def verdict(p_better: float, number: float = math.inf, on_average: float = math.nan) -> str:
    """Return in words whether a difference is real or could be luck; few futures make nothing sure.

    Of n futures the chance is taken as (n p + 1/2) / (n + 1), Jeffreys' posterior mean. What infinitely many
    futures say alike is sure. A gain small beside luck, that every draw of the rates expects (`on_average`
    0 or 1), is better on average.

    >>> [verdict(p) for p in (0.97, 0.85, 0.5, 0.1, 0.01)]
    ['almost surely better', 'probably better', 'could be luck', 'probably worse', 'almost surely worse']
    >>> verdict(1.0, 4)
    'probably better'
    """
    if not math.isfinite(p_better):
        return "not known"
    if number == math.inf and p_better in (0, 1):
        return "surely better" if p_better else "surely worse"
    if math.isfinite(number):
        p_better = (number * p_better + 0.5) / (number + 1)
    edges = ((0.05, "almost surely worse"), (0.2, "probably worse"), (0.8, "could be luck"))
    for edge, words in edges:
        if p_better <= edge:
            on = {0.0: "worse on average", 1.0: "better on average"}.get(on_average)
            return on if on and words == "could be luck" else words
    return "probably better" if p_better < 0.95 else "almost surely better"


def judged(p_better: float, number: float = 100, on_average: float = math.nan) -> str:
    """Return verdict and count together, as tables and charts show them.

    >>> judged(0.97)
    'almost surely better (97 of 100)'
    """
    said = verdict(p_better, number, on_average)
    if said.startswith("surely"):
        return f"{said} (in every future)"
    return f"{said} ({futures(p_better, number).removesuffix(' futures')})"


def width_of(text: str) -> int:
    """Return how many columns a text takes: Chinese, Japanese and Korean signs take two.

    >>> width_of("Won"), width_of("潜在客户")
    (3, 8)
    """
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def wrap(text: str, columns: int) -> list[str]:
    """Return text broken into lines of at most `columns`, at spaces or between wide signs.

    >>> wrap("one two three", 8)
    ['one two', 'three']
    >>> wrap("潜在客户", 4)
    ['潜在', '客户']
    """
    lines, line = [], ""
    for piece in _pieces(text):
        if line and width_of((line + piece).rstrip()) > columns:
            lines.append(line.rstrip())
            line = piece.lstrip()
        else:
            line += piece
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


def _pieces(text: str) -> Sequence[str]:
    """Split after every wide sign and every space, but not between a number and its unit."""
    pieces, piece = [], ""
    for sign in text:
        loose = sign == " " and not piece[-1:].isdigit()
        piece += sign
        if loose or unicodedata.east_asian_width(sign) in "WF":
            pieces.append(piece)
            piece = ""
    return [*pieces, piece] if piece else pieces


MONEY |= {"total", "part", "spend"}


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
        return DASH
    if kind in ("text", "figure"):  # a figure is a number that was written already
        return clean(value, 200)
    if kind == "flag":
        return "yes" if value else ""
    if kind == "date":
        return str(value)[:10]
    number = float(str(value))
    if kind == "share":
        return percent(number)
    if kind == "span":
        return days(number)
    if kind in ("money", "count") or (kind == "days" and abs(number) >= 10):
        return f"{number:,.0f}".replace("-", MINUS)
    return digits(number, 2 if kind == "days" else 3)


def measure_texts(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return measures as texts, each value and its interval with its unit, where that is no money or number.

    Args:
        metrics: metric, scope, value, unit, low, high, leads, note.
    """
    kinds = metrics["unit"].map({"share": "share", "days": "span"}).fillna("number")
    ends = {
        column: [cell(value, kind) for value, kind in zip(metrics[column], kinds, strict=True)]
        for column in ("value", "low", "high")
    }
    return metrics.assign(**ends, unit=metrics["unit"].where(kinds == "number", ""))


def label(column: object) -> str:
    """Return a column's name as a heading.

    >>> label("winners_faster")
    'winners faster'
    """
    return clean(column, 60).replace("_", " ")
