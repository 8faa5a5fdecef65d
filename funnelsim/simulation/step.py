"""One step of a life: when a lead leaves its stage and where it goes. Both engines call these functions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from funnelsim.arrays import Floats, Integers
from funnelsim.model.model import Model
from funnelsim.simulation.jit import bare, inlined
from funnelsim.simulation.luck import BIRTH, MOVE, TICK, W32, W64, on_grid, uniform, unit_exponential, words

HAZARD, CUT_AGE, CUT_DAYS, RATE = range(4)
# The guide finds the bin of any hazard below 4, which 98 % of leads do not reach, in about one look.
GUIDES = 1024
GUIDES_PER_UNIT = 256.0
# Stands for an infinite wait where an infinity times 0 would be no number; later than NO_DAY is never.
NEVER = 1e300
NO_DAY = 1e15


class Rules(NamedTuple):
    """A model and a replicate's luck as arrays that compiled code reads; row = (era, group, stage).

    Args:
        seed, replicate: the key of all luck.
        shape: (groups, stages).
        cuts: (rows, bins + 1, 4) at each bin's left edge: cumulative hazard, age in days, mean days to
            an exit (1 / rate) and rate per day within the bin; hazard is inf past the last bin.
        guide: (rows, GUIDES) a bin at or before the one that holds a cumulative hazard.
        split: (rows, bins, exits) cumulative chances of the exits in a bin, 2 from the last open one on.
        starts: (eras + 1,) day on which each era begins; the first is -inf, the last inf.
        speed: (rows, 2) days of age per calendar day, and calendar days per day of age.
        targets: (kinds, exits) place that each exit leads to; kind = group * stages + stage.
        group: (kinds,) group number.
        booked: (places,) share of the value booked on entering a place.
        amounts: (groups, atoms) equally likely values of a lead.
    """

    seed: W64
    replicate: W32
    shape: tuple[int, int]
    cuts: Floats
    guide: NDArray[np.int32]
    split: Floats
    starts: Floats
    speed: Floats
    targets: Integers
    group: Integers
    booked: Floats
    amounts: Floats


def rules_of(model: Model, seed: int, replicate: int = 0, rate: Floats | None = None) -> Rules:
    """Return the rules of a model.

    Args:
        model: the model.
        seed, replicate: the key of all luck.
        rate: (eras, groups, stages, exits, bins) to use instead of the model's own, such as one draw.
    """
    table = model.table
    rate = table.rate if rate is None else rate
    eras, groups, stages, exits, bins = rate.shape
    edges = np.broadcast_to(table.edges, (eras, groups, stages, bins)).reshape(-1, bins)
    by_exit = rate.reshape(-1, exits, bins)
    cuts = _cuts(edges, by_exit.sum(axis=1))
    speed = table.speed.reshape(-1, 1)
    with np.errstate(divide="ignore"):
        both = np.hstack([speed, np.minimum(1.0 / speed, NEVER)])
    return Rules(
        W64(seed), W32(replicate), (groups, stages), cuts, _guide(cuts), _split(by_exit),
        np.append(table.starts, np.inf), both, np.tile(model.funnel.targets, (groups, 1)),
        np.repeat(np.arange(groups), stages), model.funnel.booked, np.ascontiguousarray(model.values.amounts),
    )  # fmt: skip


def _cuts(edges: Floats, total: Floats) -> Floats:
    """Return the cut table of each row; bins that are padding hold an infinite hazard."""
    rows, bins = edges.shape
    finite = np.isfinite(edges)
    age = np.where(finite, edges, 0.0)
    width = np.where(finite[:, 1:], np.diff(age, axis=1), 0.0)
    hazard = np.zeros((rows, bins + 1))
    hazard[:, 1:-1] = np.cumsum(total[:, :-1] * width, axis=1)
    hazard[:, 1:-1][~finite[:, 1:]] = np.inf
    hazard[:, -1] = np.inf
    cuts = np.zeros((rows, bins + 1, 4))
    cuts[:, :, HAZARD] = hazard
    cuts[:, :-1, CUT_AGE] = age
    with np.errstate(divide="ignore"):
        cuts[:, :-1, CUT_DAYS] = np.minimum(1.0 / total, NEVER)
    cuts[:, :-1, RATE] = total
    return cuts


def _guide(cuts: Floats) -> NDArray[np.int32]:
    """Return for each multiple of 1 / GUIDES_PER_UNIT the last bin that begins at or before it."""
    grid = np.arange(GUIDES) / GUIDES_PER_UNIT
    return np.array(
        [np.searchsorted(row, grid, side="right") - 1 for row in cuts[:, :, HAZARD]], dtype=np.int32
    )


def _split(by_exit: Floats) -> Floats:
    """Return cumulative chances of the exits in each bin, shape (rows, bins, exits)."""
    total = by_exit.sum(axis=1, keepdims=True)
    share = np.divide(by_exit, total, out=np.zeros_like(by_exit), where=total > 0)
    open_later: Integers = np.cumsum(by_exit[:, ::-1] > 0, axis=1)[:, ::-1] - (by_exit > 0)
    chances = np.where(open_later == 0, 2.0, np.cumsum(share, axis=1))
    return np.ascontiguousarray(chances.transpose(0, 2, 1))


@inlined
def bin_of(rules: Rules, row: int, hazard: float) -> int:
    """Return the bin in which a cumulative hazard is reached."""
    bin_ = int(rules.guide[row, min(int(min(hazard * GUIDES_PER_UNIT, 1e6)), GUIDES - 1)])
    bin_ += hazard >= rules.cuts[row, bin_ + 1, HAZARD]  # mostly enough, and no branch to guess wrong
    while hazard >= rules.cuts[row, bin_ + 1, HAZARD]:
        bin_ += 1
    return int(bin_)


@inlined
def hazard_at(rules: Rules, row: int, age: float) -> float:
    """Return the hazard accumulated up to an age."""
    low, high = 0, rules.cuts.shape[1] - 1
    while high - low > 1:
        middle = (low + high) // 2
        if rules.cuts[row, middle, HAZARD] < np.inf and rules.cuts[row, middle, CUT_AGE] <= age:
            low = middle
        else:
            high = middle
    return float(
        rules.cuts[row, low, HAZARD] + (age - rules.cuts[row, low, CUT_AGE]) * rules.cuts[row, low, RATE]
    )


@inlined
def leave(rules: Rules, kind: int, age: float, now: float, luck: float) -> tuple[float, int, int]:
    """Return when a lead leaves its stage, and the row and bin of its rates at that moment.

    The lead leaves when its cumulative hazard since `now` reaches `luck`, walking over bins and eras.

    Args:
        rules: the model.
        kind: group * stages + stage.
        age: days of age in the stage now; an open deal starts where it is.
        now: moment in days.
        luck: exponential variable of mean 1.
    """
    kinds = rules.shape[0] * rules.shape[1]
    row, end = kind, rules.starts[1]
    while now >= end:
        row += kinds
        end = rules.starts[row // kinds + 1]
    while True:
        past = hazard_at(rules, row, age) if age > 0.0 else 0.0
        hazard = past + luck
        bin_ = bin_of(rules, row, hazard)
        days = (
            rules.cuts[row, bin_, CUT_AGE]
            - age
            + (hazard - rules.cuts[row, bin_, HAZARD]) * rules.cuts[row, bin_, CUT_DAYS]
        )
        moment = now + days * rules.speed[row, 1]
        if moment < end or end == np.inf:
            return max(on_grid(moment), now), row, bin_
        reached = age + (end - now) * rules.speed[row, 0]
        luck = max(luck - (hazard_at(rules, row, reached) - past), 0.0)
        age, now, row = reached, end, row + kinds
        end = rules.starts[row // kinds + 1]


@inlined
def place_of(rules: Rules, kind: int, row: int, bin_: int, chance: float) -> int:
    """Return the place that a lead leaves to, given the bin in which it leaves."""
    column = 0
    for other in range(rules.split.shape[2] - 1):
        column += chance >= rules.split[row, bin_, other]
    return int(rules.targets[kind, column])


@inlined
def depart(rules: Rules, kind: int, age: float, now: float, luck: float, chance: float) -> tuple[float, int]:
    """Return when a lead leaves its stage and the place it goes to, given its luck (see `leave`)."""
    moment, row, bin_ = leave(rules, kind, age, now, luck)
    if moment > NO_DAY:
        return np.inf, 0
    return moment, place_of(rules, kind, row, bin_, chance)


@bare
def move(rules: Rules, lead: W64, visit: int, kind: int, age: float, now: float) -> tuple[float, int]:
    """Return the moment at which a lead leaves its stage and the place it goes to.

    Args:
        rules: the model.
        lead: identity.
        visit: number of stages that the lead has been in before.
        kind: group * stages + stage.
        age: days of age in the stage at `now`.
        now: moment in days.
    """
    first, second = words(rules.seed, rules.replicate, lead, visit, MOVE)
    return depart(rules, kind, age, now, unit_exponential(first), uniform(second))


@inlined
def birth_moment(rules: Rules, lead: W64) -> float:
    """Return the part of its first day, in [0, 1), at which a lead comes."""
    first, _ = words(rules.seed, rules.replicate, lead, 0, BIRTH)
    return float(np.float64(np.int64(first >> W64(32))) * 2.0**-32)


@bare
def amount_of(rules: Rules, lead: W64, group: int) -> float:
    """Return the value of a lead that comes after day 0: one of its group's, equally likely."""
    _, second = words(rules.seed, rules.replicate, lead, 0, BIRTH)
    return float(rules.amounts[group, int(uniform(second) * rules.amounts.shape[1])])


@inlined
def duration_at(quantiles: Floats, chance: float) -> float:
    """Return a duration by its equally spaced quantiles, at least one tick: nothing takes no time."""
    position = chance * (quantiles.size - 1)
    low = min(int(position), max(quantiles.size - 2, 0))
    high = min(low + 1, quantiles.size - 1)
    days = quantiles[low] + (quantiles[high] - quantiles[low]) * (position - low)
    return max(on_grid(days), TICK)


@bare
def advance(
    rules: Rules, visit: int, count: int, lead: NDArray[np.uint64], kind: Integers, age: Floats, now: Floats,
    luck: Floats, chance: Floats, moment: Floats, place: Integers,
) -> None:  # fmt: skip
    """Do `move` for the first `count` leads of a block, all at the same visit, into `moment` and `place`.

    The loop over random words has no branches, so that it becomes vector instructions.
    """
    for i in range(count):
        first, second = words(rules.seed, rules.replicate, lead[i], visit, MOVE)
        luck[i] = unit_exponential(first)
        chance[i] = uniform(second)
    for i in range(count):
        moment[i], row, bin_ = leave(rules, kind[i], age[i], now[i], luck[i])
        place[i] = place_of(rules, kind[i], row, bin_, chance[i])
