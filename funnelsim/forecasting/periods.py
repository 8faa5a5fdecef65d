"""Calendar periods: weeks, months and quarters, also of a fiscal year, and their days from the as-of date."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.errors import FunnelError, check_word

KINDS = ("week", "month", "quarter")


@dataclass(frozen=True)
class Period:
    """A stretch of the calendar: start included, end not."""

    label: str
    start: pd.Timestamp
    end: pd.Timestamp


def periods_from(moment: pd.Timestamp, kind: str, count: int, first_month: int = 1) -> tuple[Period, ...]:
    """Return `count` periods, the first being the one that holds `moment`.

    Args:
        moment: the as-of moment.
        kind: "week" (Monday to Sunday), "month" or "quarter".
        count: how many periods, at least 1.
        first_month: month in which the fiscal year starts; it moves the quarters.

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
        problem = f"so many {kind}s end after the year 9999"
        raise FunnelError(f"periods {count} from {moment:%Y-%m-%d} on: {problem}") from None
    return tuple(Period(_label(a, kind, first_month), a, b) for a, b in pairwise(starts))


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
    inside = wins[((wins["at"] >= start) & (wins["at"] < end)).to_numpy()]
    return float(inside["value"].fillna(0.0).sum()), float(len(inside))


def _length(kind: str) -> pd.DateOffset:
    lengths = {"month": 1, "quarter": 3}
    return pd.DateOffset(days=7) if kind == "week" else pd.DateOffset(months=lengths[kind])


def _first(moment: pd.Timestamp, kind: str, first_month: int) -> pd.Timestamp:
    day = moment.normalize()
    if kind == "week":
        return day - pd.Timedelta(days=day.day_of_week)
    month = day.replace(day=1)
    if kind == "month":
        return month
    return month - pd.DateOffset(months=(month.month - first_month) % 3)


def _label(start: pd.Timestamp, kind: str, first_month: int) -> str:
    if kind == "week":
        year, week, _ = start.isocalendar()
        return f"{year} W{week:02d}"
    if kind == "month":
        return f"{start:%Y-%m}"
    months = (start.month - first_month) % 12
    year = start.year if first_month == 1 else start.year + (start.month >= first_month)
    return f"{'' if first_month == 1 else 'FY'}{year} Q{months // 3 + 1}"
