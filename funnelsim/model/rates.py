"""The rate table: how fast a lead of each group leaves each stage, by each exit, at each age."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DEFAULT_BINS = (0.0, 1.0, 3.0, 7.0, 14.0, 30.0, 60.0, 90.0, 150.0, 240.0, 400.0)


@dataclass(frozen=True)
class RateTable:
    """Piecewise-constant cause-specific hazards, and how they change at dates (eras).

    The age of a lead in a stage runs `speed` times as fast as the calendar; at age a, in era e, the
    lead leaves by exit x at the rate speed * rate[e, group, stage, x, bin of a] per calendar day.

    Args:
        edges: (groups, stages, bins) left edge of each age bin in days, first 0, padded with inf;
            the last finite bin is open-ended.
        rate: (eras, groups, stages, exits, bins) per day of age, 0 where padded. Exits are in the
            order of `Funnel.exits`.
        starts: (eras,) day since the as-of date on which each era begins; the first is -inf.
        speed: (eras, groups, stages) days of age per calendar day.
    """

    edges: Floats
    rate: Floats
    starts: Floats
    speed: Floats

    def with_rate(self, rate: Floats) -> RateTable:
        """Return the same table with other rates, such as one posterior draw."""
        return replace(self, rate=rate)


def constant_table(edges: Floats, rate: Floats) -> RateTable:
    """Return a table of one era, so that nothing changes at any date.

    Args:
        edges: (groups, stages, bins) days, padded with inf.
        rate: (groups, stages, exits, bins) per day.

    >>> constant_table(np.zeros((1, 1, 1)), np.ones((1, 1, 2, 1))).rate.shape
    (1, 1, 1, 2, 1)
    """
    return RateTable(edges, rate[None], np.array([-np.inf]), np.ones((1, *edges.shape[:2])))


@dataclass(frozen=True)
class Counts:
    """What the rates were counted from; counts of two histories add up.

    Args:
        edges: (bins,) left edges in days, first 0.
        events: (groups, stages, exits, bins) leads that left, weighted by recency if asked.
        exposure: (groups, stages, bins) days that leads spent at risk.
        spent: (groups, stages, bins) the part of the exposure spent by leads in the bin in which they
            left; it tells how many leads a bin began with, which exposure alone does not.
    """

    edges: Floats
    events: Floats
    exposure: Floats
    spent: Floats | None = None

    def __add__(self, other: Counts) -> Counts:
        spent = None if self.spent is None or other.spent is None else self.spent + other.spent
        return Counts(self.edges, self.events + other.events, self.exposure + other.exposure, spent)
