"""Leads that do not exist yet: where they come in, how many a day, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
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
    """

    cells: tuple[Cell, ...]
    share: Floats
    path: Floats
    spread: float = 0.0
    changes: tuple[Change, ...] = ()
    spend: tuple[Spend, ...] = ()


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
