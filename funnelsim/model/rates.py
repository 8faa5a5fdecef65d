"""The rate table: how fast a lead of each group leaves each stage, by each exit, at each age."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from funnelsim.arrays import Flags, Floats

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

    @property
    def first_era(self) -> RateTable:
        """The table before any lever is pulled."""
        return RateTable(self.edges, self.rate[:1], self.starts[:1], self.speed[:1])


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


@dataclass(frozen=True)
class RateChange:
    """A change of how the leads of some groups leave a stage, between two days (end not included).

    Args:
        kind: "odds" re-splits the exits at every age and leaves the time of leaving alone; "days"
            stretches the stage's time and leaves the split alone; "rate" multiplies one exit's rate.
        stage: stage number.
        exit: number of the exit among the stage's exits; -1 for "days".
        multiply: factor on the odds, on the days or on the rate.
        groups: numbers of the groups that it acts on.
        start, end: days since the as-of date, 0 <= start < end; end may be inf.
    """

    kind: str
    stage: int
    exit: int
    multiply: float
    groups: tuple[int, ...]
    start: float = 0.0
    end: float = np.inf


def era_starts(levers: Sequence[RateChange]) -> Floats:
    """Return the days at which rates change, the first -inf, shape (eras,).

    The era before the first start is always the untouched base, so that levers can be added later.

    >>> era_starts([RateChange("days", 0, -1, 0.8, (0,), 0.0, 92.0), RateChange("rate", 0, 0, 2.0, (0,))])
    array([-inf,   0.,  92.])
    """
    moments = {lever.start for lever in levers} | {lever.end for lever in levers if np.isfinite(lever.end)}
    return np.array([-np.inf, *sorted(moments)])


def era_rates(levers: Sequence[RateChange], rate: Floats) -> Floats:
    """Return base rates as they are in every era under the levers, applied in order.

    With T the sum of the rates at an age and p = rate of the exit / T, "odds" gives the exit the
    rate m r / D and every other exit r / D with D = 1 + (m - 1) p: T stays, the odds are m times as high.

    Args:
        levers: what changes.
        rate: (..., groups, stages, exits, bins) per day, such as posterior draws.

    Returns:
        (..., eras, groups, stages, exits, bins) per day, eras as in `era_starts`.

    >>> base = np.array([[[[0.02], [0.02]]]])
    >>> era_rates([RateChange("odds", 0, 0, 3.0, (0,))], base)[1].ravel()
    array([0.03, 0.01])
    """
    starts = era_starts(levers)
    eras: Floats = np.repeat(rate[..., None, :, :, :, :], starts.size, axis=-5)
    for lever in levers:
        for era in _active(lever, starts):
            for group in lever.groups:
                cell = eras[..., era, group, lever.stage, :, :]
                if lever.kind == "rate":
                    cell[..., lever.exit, :] *= lever.multiply
                elif lever.kind == "odds":
                    cell[...] = _resplit(cell, lever.exit, lever.multiply)
    return eras


def era_speed(levers: Sequence[RateChange], groups: int, stages: int) -> Floats:
    """Return days of age per calendar day under the levers, shape (eras, groups, stages)."""
    starts = era_starts(levers)
    speed = np.ones((starts.size, groups, stages))
    for lever in levers:
        if lever.kind == "days":
            speed[_active(lever, starts)[:, None], list(lever.groups), lever.stage] /= lever.multiply
    return speed


def era_leaving(levers: Sequence[RateChange], leaving: Floats, wins: Flags) -> Floats:
    """Return rates of leaving by days to an expected date as they are in every era under the levers.

    Levers on exits that do not win act as in `era_rates`; a shorter stage is left sooner, by all of them.

    Args:
        levers: what changes.
        leaving: (..., groups, stages, exits, bins) per day, 0 at winning exits.
        wins: (stages, exits) which exits win.

    Returns:
        (..., eras, groups, stages, exits, bins) per day.
    """
    starts, groups, stages = era_starts(levers), leaving.shape[-4], leaving.shape[-3]
    others = [lever for lever in levers if lever.exit < 0 or not wins[lever.stage, lever.exit]]
    own = era_rates(others, leaving)
    eras = own[..., np.searchsorted(era_starts(others), starts, side="right") - 1, :, :, :, :]
    return np.asarray(eras * era_speed(levers, groups, stages)[..., None, None])


def era_hits(levers: Sequence[RateChange], hits: Floats, wins: Flags) -> Floats:
    """Return the chance to win on an expected date as it is in every era under the levers.

    A lever on the odds of winning multiplies the odds; one on its rate m takes 1 - (1 - p)^m.

    Args:
        levers: what changes.
        hits: (..., groups, stages) chances.
        wins: (stages, exits) which exits win.

    Returns:
        (..., eras, groups, stages).

    >>> double = RateChange("odds", 0, 0, 2.0, (0,), 10.0)
    >>> era_hits([double], np.array([[0.5]]), np.array([[True]])).round(3).tolist()
    [[[0.5]], [[0.667]]]
    """
    starts = era_starts(levers)
    eras: Floats = np.repeat(hits[..., None, :, :], starts.size, axis=-3)
    for lever in levers:
        if lever.exit < 0 or not wins[lever.stage, lever.exit]:
            continue
        for era in _active(lever, starts):
            for group in lever.groups:
                p, m = eras[..., era, group, lever.stage], lever.multiply
                changed = m * p / (1 + (m - 1) * p) if lever.kind == "odds" else 1 - (1 - p) ** m
                eras[..., era, group, lever.stage] = changed
    return eras


def table_under(levers: Sequence[RateChange], base: RateTable) -> RateTable:
    """Return a one-era rate table as it is under the levers; without levers it is the same object."""
    if not levers:
        return base
    groups, stages = base.edges.shape[:2]
    speed = era_speed(levers, groups, stages) * base.speed[0]
    return RateTable(base.edges, era_rates(levers, base.rate[0]), era_starts(levers), speed)


def model_incidence(edges: Floats, rate: Floats, ages: Floats) -> Floats:
    """Return the chance to have left by each exit up to each age, under piecewise-constant rates.

    F_x(a) = sum over bins up to a of S(left edge) * rate_x / rate * (1 - exp(-rate * days in the bin)).

    Args:
        edges: (bins,) left edges in days; inf pads.
        rate: (exits, bins) per day.
        ages: (ages,) days since entering.

    Returns:
        (exits, ages), that age included.

    >>> rates = np.array([[0.02, 0.03, 0.005]])
    >>> left = model_incidence(np.array([0.0, 10.0, 30.0]), rates, np.array([10.0]))
    >>> round(float(left[0, 0]), 6)
    0.181269
    """
    finite = np.isfinite(edges)
    lower, rates = edges[finite], rate[:, finite]
    upper = np.append(lower[1:], np.inf)
    days = np.clip(ages[:, None], lower, upper) - lower
    total = rates.sum(axis=0)
    hazard = total * days
    before = np.exp(-np.concatenate([np.zeros((len(ages), 1)), np.cumsum(hazard, axis=1)[:, :-1]], axis=1))
    share = np.divide(rates, total, out=np.zeros_like(rates), where=total > 0)
    left: Floats = np.einsum("ab,xb->xa", before * -np.expm1(-hazard), share)
    return left


def _active(lever: RateChange, starts: Floats) -> NDArray[np.intp]:
    return np.flatnonzero((starts >= lever.start) & (starts < lever.end))


def _resplit(cell: Floats, column: int, multiply: float) -> Floats:
    """Return the rates (..., exits, bins) with the odds of one exit multiplied and the same sum.

    Where no other exit is open (or none at all) there is nothing to re-split.
    """
    total = cell.sum(axis=-2, keepdims=True)
    chosen = cell[..., column : column + 1, :]
    alone = chosen >= total
    share = np.divide(chosen, total, out=np.zeros_like(total), where=~alone)
    factor = np.ones((*cell.shape[:-2], cell.shape[-2], 1))
    factor[..., column, :] = multiply
    changed: Floats = np.where(alone, cell, cell * factor / (1.0 + (multiply - 1.0) * share))
    return changed
