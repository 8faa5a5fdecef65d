"""Levers: what a scenario can change, and what the levers on rates do to a rate table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from funnelsim.model.entries import Change as IntakeLever
from funnelsim.model.rates import RateTable

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RateLever:
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


@dataclass(frozen=True)
class SpendLever:
    """A change of what a channel costs; its leads answer with (new spend / today's spend) ** elasticity.

    Args:
        channel: name of the channel.
        cells: numbers of the channel's ways in.
        today: spend per day now.
        elasticity: 0 (money brings nothing) to 1 (twice the money, twice the leads).
        multiply, add: new spend per day = spend * multiply + add.
        start, end: days since the as-of date; end may be inf.
        lag: days until leads answer.
    """

    channel: str
    cells: tuple[int, ...]
    today: float
    elasticity: float
    multiply: float = 1.0
    add: float = 0.0
    start: float = 0.0
    end: float = np.inf
    lag: float = 0.0


@dataclass(frozen=True)
class ValueLever:
    """A factor on what every win of some groups brings from the as-of date on, open deals included."""

    groups: tuple[int, ...]
    multiply: float


@dataclass(frozen=True)
class RepsLever:
    """A change of a pool's size between two days, newcomers working at full speed after a ramp.

    Args:
        pool: pool number.
        add: reps that come, negative: that leave.
        to: the size that the pool gets instead; None: `add` counts.
        ramp: speed of those who come in each month (365.25 / 12 days) after they came, before 1; 0 at the
            beginning: not there yet.
        start, end: days since the as-of date; end may be inf.
    """

    pool: int
    add: int = 0
    to: int | None = None
    ramp: tuple[float, ...] = ()
    start: float = 0.0
    end: float = np.inf


@dataclass(frozen=True)
class ReferralLever:
    """A factor on how many new leads some referrals (by number) bring."""

    referrals: tuple[int, ...]
    multiply: float


@dataclass(frozen=True)
class WorkLever:
    """A factor on the rep time that some tasks (by number) need."""

    tasks: tuple[int, ...]
    multiply: float


Lever = RateLever | IntakeLever | SpendLever | ValueLever | RepsLever | ReferralLever | WorkLever


@dataclass(frozen=True)
class Change:
    """One line of a scenario: the levers it pulls, and the same in words."""

    words: str
    levers: tuple[Lever, ...]


@dataclass(frozen=True)
class Scenario:
    """A what-if question: changes to a model, checked against it.

    Args:
        name: what it is called, the file's stem.
        question: what it is to answer.
        changes: in the order in which they act.
        notes: what to mind, one sentence each, such as extrapolation.
    """

    name: str
    question: str = ""
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()

    def only(self, numbers: Iterable[int]) -> Scenario:
        """Return the scenario with only some of its changes, by number."""
        chosen = set(numbers)
        return replace(self, changes=tuple(c for i, c in enumerate(self.changes) if i in chosen))


def era_starts(levers: Sequence[RateLever]) -> Floats:
    """Return the days at which rates change, the first -inf, shape (eras,).

    The era before the first start is always the untouched base, so that levers can be added later.

    >>> era_starts([RateLever("days", 0, -1, 0.8, (0,), 0.0, 92.0), RateLever("rate", 0, 0, 2.0, (0,))])
    array([-inf,   0.,  92.])
    """
    moments = {lever.start for lever in levers} | {lever.end for lever in levers if np.isfinite(lever.end)}
    return np.array([-np.inf, *sorted(moments)])


def era_rates(levers: Sequence[RateLever], rate: Floats) -> Floats:
    """Return base rates as they are in every era under the levers, applied in order.

    With T the sum of the rates at an age and p = rate of the exit / T, "odds" gives the exit the
    rate m r / D and every other exit r / D with D = 1 + (m - 1) p: T stays, the odds are m times as high.

    Args:
        levers: what changes.
        rate: (..., groups, stages, exits, bins) per day, such as posterior draws.

    Returns:
        (..., eras, groups, stages, exits, bins) per day, eras as in `era_starts`.

    >>> base = np.array([[[[0.02], [0.02]]]])
    >>> era_rates([RateLever("odds", 0, 0, 3.0, (0,))], base)[1].ravel()
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


def era_speed(levers: Sequence[RateLever], groups: int, stages: int) -> Floats:
    """Return days of age per calendar day under the levers, shape (eras, groups, stages)."""
    starts = era_starts(levers)
    speed = np.ones((starts.size, groups, stages))
    for lever in levers:
        if lever.kind == "days":
            speed[_active(lever, starts)[:, None], list(lever.groups), lever.stage] /= lever.multiply
    return speed


def table_under(levers: Sequence[RateLever], base: RateTable) -> RateTable:
    """Return a one-era rate table as it is under the levers; without levers it is the same object."""
    if not levers:
        return base
    groups, stages = base.edges.shape[:2]
    speed = era_speed(levers, groups, stages) * base.speed[0]
    return RateTable(base.edges, era_rates(levers, base.rate[0]), era_starts(levers), speed)


def _active(lever: RateLever, starts: Floats) -> NDArray[np.intp]:
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
