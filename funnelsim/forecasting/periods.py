"""Calendar periods, from weeks to years, also of a fiscal year; their days, and the targets set for them."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.errors import FunnelError, check_word, nearest
from funnelsim.model.units import quantity, span

MONTHS = {"month": 1, "quarter": 3, "half": 6, "year": 12}
KINDS = ("week", *MONTHS)
TOTAL = "total"  # what all periods together are called
Targets: TypeAlias = float | str | Mapping[str, float | str]


@dataclass(frozen=True)
class Period:
    """A stretch of the calendar: start included, end not; `cut` where it ends before its kind does."""

    label: str
    start: pd.Timestamp
    end: pd.Timestamp
    cut: bool = False


def periods_from(moment: pd.Timestamp, kind: str, count: int, first_month: int = 1) -> tuple[Period, ...]:
    """Return `count` periods, the first being the one that holds `moment`.

    Args:
        moment: the as-of moment.
        kind: "week" (Monday to Sunday), "month", "quarter", "half" or "year".
        count: how many periods, at least 1.
        first_month: month in which the fiscal year starts; it moves quarters, halves and years.

    Raises:
        FunnelError: an unknown kind, or a count below 1.

    >>> [p.label for p in periods_from(pd.Timestamp("2026-04-01"), "quarter", 2)]
    ['2026 Q2', '2026 Q3']
    >>> periods_from(pd.Timestamp("2026-05-20"), "quarter", 1, first_month=2)[0].label
    'FY2027 Q2'
    """
    check_word("period", kind, KINDS)
    if count < 1:
        raise FunnelError(f"periods {count}: expected a whole number from 1 on")
    try:
        start, length = _first(moment, kind, first_month), _length(kind)
        starts = [start + i * length for i in range(count + 1)]
    except (ValueError, OverflowError):
        problem = f"so many {spoken(kind, count)} end after the year 9999"
        raise FunnelError(f"periods {count} from {moment:%Y-%m-%d} on: {problem}") from None
    return tuple(Period(_label(a, kind, first_month), a, b) for a, b in pairwise(starts))


def periods_until(
    moment: pd.Timestamp, kind: str, until: str | datetime.date, first_month: int = 1
) -> tuple[Period, ...]:
    """Return the periods from the one that holds `moment` to the end of a day, at which the last may be cut.

    Args:
        moment, kind, first_month: see `periods_from`.
        until: the last day, as in 2026-11-15; of a span such as 2026-12, 2026Q4 or 2026 its last day.

    Raises:
        FunnelError: an unknown kind, no such date, or one that is over.

    >>> [p.label for p in periods_until(pd.Timestamp("2026-07-01"), "quarter", "2026-11-15")]
    ['2026 Q3', '2026 Q4 to 2026-11-15']
    >>> [p.label for p in periods_until(pd.Timestamp("2026-07-01"), "half", "2027")]
    ['2026 H2', '2027 H1', '2027 H2']
    """
    check_word("period", kind, KINDS)
    try:
        day = span(until, first_month)[1] if isinstance(until, str) else until
    except FunnelError as error:
        raise FunnelError(f"until {error}") from None
    end = pd.Timestamp(day) + pd.Timedelta(days=1)
    if end <= moment:
        raise FunnelError(
            f"until {day}: is over; all is known until {moment - pd.Timedelta(days=1):%Y-%m-%d}"
        )
    most = most_within((end - moment).days, kind)
    found = [one for one in periods_from(moment, kind, most, first_month) if one.start < end]
    last = found[-1]
    if end < last.end:
        found[-1] = replace(last, label=f"{last.label} to {day}", end=end, cut=True)
    return tuple(found)


def most_within(days: float, kind: str) -> int:
    """Return how many periods of a kind may be touched by so many days.

    >>> most_within(365, "quarter"), most_within(10, "year")
    (6, 2)
    """
    shortest = 7 if kind == "week" else 365 * MONTHS[kind] // 12 - 3
    return int(days / shortest) + 2


def spoken(kind: str, count: int = 2) -> str:
    """Return a kind of period as it is spoken of.

    >>> spoken("quarter", 1), spoken("half"), spoken("year")
    ('quarter', 'half-years', 'years')
    """
    return f"{'half-year' if kind == 'half' else kind}{'s' * (count != 1)}"


def past_periods(moment: pd.Timestamp, kind: str, count: int, first_month: int = 1) -> tuple[Period, ...]:
    """Return the `count` whole periods before the one that holds `moment`, oldest first.

    >>> [p.label for p in past_periods(pd.Timestamp("2026-04-01"), "month", 2)]
    ['2026-02', '2026-03']
    """
    first = _first(moment, kind, first_month) - count * _length(kind)
    return periods_from(first, kind, count, first_month)


def days_of(periods: tuple[Period, ...], moment: pd.Timestamp) -> NDArray[np.float64]:
    """Return the edges of adjoining periods in days after `moment`, shape (periods + 1,); the past is 0."""
    edges = [periods[0].start, *(period.end for period in periods)]
    return np.array([max((edge - moment) / pd.Timedelta(days=1), 0.0) for edge in edges])


def within(wins: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp) -> tuple[float, float]:
    """Return revenue and number of wins from `start` (included) to `end` (not); a win without amount adds 0.

    >>> wins = pd.DataFrame({"at": pd.to_datetime(["2026-03-31", "2026-04-01"]), "value": [5.0, 7.0]})
    >>> within(wins, pd.Timestamp("2026-04-01"), pd.Timestamp("2026-05-01"))
    (7.0, 1.0)
    """
    inside = wins["value"][((wins["at"] >= start) & (wins["at"] < end)).to_numpy()]
    return float(inside.fillna(0.0).sum()), float(len(inside))


def _length(kind: str) -> pd.DateOffset:
    return pd.DateOffset(days=7) if kind == "week" else pd.DateOffset(months=MONTHS[kind])


def _first(moment: pd.Timestamp, kind: str, first_month: int) -> pd.Timestamp:
    day = moment.normalize()
    if kind == "week":
        return day - pd.Timedelta(days=day.day_of_week)
    month = day.replace(day=1)
    if kind == "month":
        return month
    return month - pd.DateOffset(months=(month.month - first_month) % MONTHS[kind])


def _label(start: pd.Timestamp, kind: str, first_month: int) -> str:
    if kind == "week":
        year, week, _ = start.isocalendar()
        return f"{year} W{week:02d}"
    if kind == "month":
        return f"{start:%Y-%m}"
    months = (start.month - first_month) % 12
    year = start.year if first_month == 1 else start.year + (start.month >= first_month)
    part = {"quarter": f" Q{months // 3 + 1}", "half": f" H{months // 6 + 1}", "year": ""}[kind]
    return f"{'' if first_month == 1 else 'FY'}{year}{part}"


def amounts_wanted(given: Targets | None) -> dict[str, float]:
    """Return targets as they are given: name of a period, "total", or "" for every period -> money.

    Args:
        given: a number; text such as "2.5M" or "2026Q3=2.5M, total=6M"; or a mapping.

    Raises:
        FunnelError: no amount of money above 0, or a period named twice.

    >>> amounts_wanted("2026Q3=2.5M,total=1,5 Mio"), amounts_wanted(3e6), amounts_wanted(None)
    ({'2026Q3': 2500000.0, 'total': 1500000.0}, {'': 3000000.0}, {})
    """
    if given is None:
        return {}
    if isinstance(given, str):
        pieces = re.split(r"[,;](?=[^,;=]*=)", given) if "=" in given else [f"={given}"]
        pairs: Sequence[tuple[str, float | str]] = [(a, c) for a, _, c in (p.partition("=") for p in pieces)]
    else:
        pairs = list(given.items()) if isinstance(given, Mapping) else [("", given)]
    wanted: dict[str, float] = {}
    for name, amount in pairs:
        key = str(name).strip()
        if key in wanted:
            raise FunnelError(f"target: '{key}' is given twice")
        wanted[key] = _wanted(key, amount)
    return wanted


def _wanted(key: str, amount: float | str) -> float:
    where = f"target {key}={amount}" if key else f"target {amount}"
    expected = "expected an amount of money above 0, such as 2500000, 2.5M, 300k or 1,5 Mio"
    try:
        money = quantity(amount) if isinstance(amount, str) else float(amount)
    except FunnelError as error:
        raise FunnelError(f"{where}: {error if 'could be' in str(error) else expected}") from None
    if not 0 < money < np.inf:
        raise FunnelError(f"{where}: {expected}")
    return money


def targets_of(given: Targets | None, periods: Sequence[Period]) -> dict[str, float]:
    """Return the target of each period, and of all together ("total"), that has one; see `amounts_wanted`.

    Raises:
        FunnelError: as there, or no such period.

    >>> targets_of("2026q3=2M, total=6M", periods_from(pd.Timestamp("2026-07-01"), "quarter", 2))
    {'2026 Q3': 2000000.0, 'total': 6000000.0}
    """
    wanted = amounts_wanted(given)
    if set(wanted) == {""}:
        return dict.fromkeys([period.label for period in periods], wanted[""])
    names = [period.label for period in periods] + [TOTAL]
    short = {_short(name.split(" to ")[0]): name for name in names}
    found: dict[str, float] = {}
    for key, money in wanted.items():
        if _short(key) not in short:
            raise FunnelError(f"target {key}: no such period is forecast; {nearest(key, names)}")
        if short[_short(key)] in found:
            raise FunnelError(f"target: '{short[_short(key)]}' is given twice")
        found[short[_short(key)]] = money
    return found


def _short(name: str) -> str:
    """Return the name of a period without spaces and hyphens, so that 2026Q3 is 2026 Q3."""
    return re.sub(r"[\s-]", "", name).casefold()
