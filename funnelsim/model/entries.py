"""Leads that do not exist yet: where they come in, how many a day, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """One way into the funnel: leads of a group, from a channel, that start at a stage."""

    stage: int
    group: int
    channel: str = ""


@dataclass(frozen=True)
class Change:
    """A change of the intake of some cells between two days (start included, end not).

    Args:
        cells: numbers of the ways in that change.
        start, end: days since the as-of date; end may be inf.
        multiply: factor on the leads per day.
        add: leads per day added to all these cells together, spread by their shares.
    """

    cells: tuple[int, ...]
    start: float
    end: float
    multiply: float = 1.0
    add: float = 0.0


@dataclass(frozen=True)
class Spend:
    """Money spent on a channel, and how its leads answer: leads are proportional to spend ** elasticity.

    Args:
        channel: name of the channel.
        per_day: money spent per day now.
        elasticity: 0 (money brings nothing) to 1 (twice the money, twice the leads).
        error: standard error of the elasticity; 0 when it is stated.
        lag_days: days until money brings its leads.
    """

    channel: str
    per_day: float
    elasticity: float
    error: float = 0.0
    lag_days: float = 0.0


@dataclass(frozen=True)
class Entries:
    """Expected leads per day from the as-of date on, by way in.

    Args:
        cells: the ways in.
        share: (cells,) share of all leads, summing to 1 (0 leads: all zero).
        path: (days,) expected leads per day, all cells together, day 0 being the first after the
            as-of date; beyond its end the last 365 days (or all, if fewer) repeat.
        spread: standard deviation of a common Gamma factor of mean 1 on all intake of the horizon:
            0 is a plain Poisson intake.
        changes: what a scenario does to it, in order.
        spend: today's spend by channel, where known.
        clock: (points,) parts of the day at which leads come, at equally spaced chances 0 to 1 (see
            `clock_of`); empty: evenly over day and night. It matters where reps have working hours.
    """

    cells: tuple[Cell, ...]
    share: Floats
    path: Floats
    spread: float = 0.0
    changes: tuple[Change, ...] = ()
    spend: tuple[Spend, ...] = ()
    clock: Floats = field(default_factory=lambda: np.zeros(0))


def expected(entries: Entries, days: int) -> Floats:
    """Return expected leads of each cell on each of the next `days` days, shape (cells, days).

    >>> expected(Entries((Cell(0, 0),), np.array([1.0]), np.array([2.0, 4.0])), 5)
    array([[2., 4., 2., 4., 2.]])
    """
    path = entries.path
    if days > path.size:
        season = path[-min(365, path.size) :]
        path = np.concatenate([path, np.resize(season, days - path.size)])
    leads = entries.share[:, None] * path[None, :days]
    for change in entries.changes:
        rows = np.array(change.cells, dtype=np.int64)
        span = slice(*(int(np.clip(np.ceil(day), 0, days)) for day in (change.start, change.end)))
        weight = entries.share[rows] / (entries.share[rows].sum() or 1.0)
        leads[rows, span] = leads[rows, span] * change.multiply + weight[:, None] * change.add
    return leads


def clock_of(moments: pd.Series) -> Floats:
    """Return at which parts of the day moments lie, as 1,441 quantiles; empty where only dates are known.

    >>> clock_of(pd.Series(pd.to_datetime(["2026-01-05 06:00", "2026-01-09 18:00"])))[[0, 720, 1440]]
    array([0.25, 0.5 , 0.75])
    >>> clock_of(pd.Series(pd.to_datetime(["2026-01-05", "2026-01-09"]))).size
    0
    """
    part = ((moments - moments.dt.normalize()) / pd.Timedelta(days=1)).to_numpy()
    if not np.any(part > 0):
        return np.zeros(0)
    return np.asarray(np.quantile(part, np.linspace(0.0, 1.0, 1441)), dtype=np.float64)
