"""One step of a life: when a lead leaves its stage and where it goes. Both engines call these functions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from funnelsim.arrays import Floats, Integers
from funnelsim.model.model import Model
from funnelsim.simulation.jit import bare, inlined
from funnelsim.simulation.luck import BIRTH, MOVE, W32, W64, on_grid, uniform, unit_exponential, words

HAZARD, AGE, DAYS, RATE = range(4)
GUIDES = 1024
GUIDES_PER_UNIT = 256.0
NEVER = 1e300


class Plan(NamedTuple):
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


def plan(model: Model, seed: int, replicate: int = 0, rate: Floats | None = None) -> Plan:
    """Return a model as a plan.

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
    return Plan(
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
    cuts[:, :-1, AGE] = age
    with np.errstate(divide="ignore"):
        cuts[:, :-1, DAYS] = np.minimum(1.0 / total, NEVER)
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
def bin_of(plan: Plan, row: int, hazard: float) -> int:
    """Return the bin in which a cumulative hazard is reached."""
    found = int(plan.guide[row, min(int(min(hazard * GUIDES_PER_UNIT, 1e6)), GUIDES - 1)])
    found += hazard >= plan.cuts[row, found + 1, HAZARD]  # mostly enough, and no branch to guess wrong
    while hazard >= plan.cuts[row, found + 1, HAZARD]:
        found += 1
    return int(found)


@inlined
def hazard_at(plan: Plan, row: int, age: float) -> float:
    """Return the hazard accumulated up to an age."""
    low, high = 0, plan.cuts.shape[1] - 1
    while high - low > 1:
        middle = (low + high) // 2
        if plan.cuts[row, middle, HAZARD] < np.inf and plan.cuts[row, middle, AGE] <= age:
            low = middle
        else:
            high = middle
    return float(plan.cuts[row, low, HAZARD] + (age - plan.cuts[row, low, AGE]) * plan.cuts[row, low, RATE])


@inlined
def leave(plan: Plan, kind: int, age: float, now: float, luck: float) -> tuple[float, int, int]:
    """Return when a lead leaves its stage, and the row and bin of its rates at that moment.

    The lead leaves when its cumulative hazard since `now` reaches `luck`, walking over bins and eras.

    Args:
        plan: the model.
        kind: group * stages + stage.
        age: days of age in the stage now; an open deal starts where it is.
        now: moment in days.
        luck: exponential variable of mean 1.
    """
    kinds = plan.shape[0] * plan.shape[1]
    row, end = kind, plan.starts[1]
    while now >= end:
        row += kinds
        end = plan.starts[row // kinds + 1]
    while True:
        past = hazard_at(plan, row, age) if age > 0.0 else 0.0
        hazard = past + luck
        found = bin_of(plan, row, hazard)
        days = (
            plan.cuts[row, found, AGE]
            - age
            + (hazard - plan.cuts[row, found, HAZARD]) * plan.cuts[row, found, DAYS]
        )
        moment = now + days * plan.speed[row, 1]
        if moment < end or end == np.inf:
            return max(on_grid(moment), now), row, found
        reached = age + (end - now) * plan.speed[row, 0]
        luck = max(luck - (hazard_at(plan, row, reached) - past), 0.0)
        age, now, row = reached, end, row + kinds
        end = plan.starts[row // kinds + 1]


@inlined
def place_of(plan: Plan, kind: int, row: int, found: int, chance: float) -> int:
    """Return the place that a lead leaves to, given the bin in which it leaves."""
    column = 0
    for other in range(plan.split.shape[2] - 1):
        column += chance >= plan.split[row, found, other]
    return int(plan.targets[kind, column])


@inlined
def depart(plan: Plan, kind: int, age: float, now: float, luck: float, chance: float) -> tuple[float, int]:
    """Return when a lead leaves its stage and the place it goes to, given its luck (see `leave`)."""
    moment, row, found = leave(plan, kind, age, now, luck)
    if moment > 1e15:
        return np.inf, 0
    return moment, place_of(plan, kind, row, found, chance)


@bare
def move(plan: Plan, lead: W64, visit: int, kind: int, age: float, now: float) -> tuple[float, int]:
    """Return the moment at which a lead leaves its stage and the place it goes to.

    Args:
        plan: the model.
        lead: identity.
        visit: number of stages that the lead has been in before.
        kind: group * stages + stage.
        age: days of age in the stage at `now`.
        now: moment in days.
    """
    first, second = words(plan.seed, plan.replicate, lead, visit, MOVE)
    return depart(plan, kind, age, now, unit_exponential(first), uniform(second))


@inlined
def birth_moment(plan: Plan, lead: W64) -> float:
    """Return the part of its first day, in [0, 1), at which a lead comes."""
    first, _ = words(plan.seed, plan.replicate, lead, 0, BIRTH)
    return float(np.float64(np.int64(first >> W64(32))) * 2.0**-32)


@bare
def drawn_amount(plan: Plan, lead: W64, group: int) -> float:
    """Return the value of a lead that is not born on day 0: one of its group's, equally likely."""
    _, second = words(plan.seed, plan.replicate, lead, 0, BIRTH)
    return float(plan.amounts[group, int(uniform(second) * plan.amounts.shape[1])])


@inlined
def drawn(quantiles: Floats, chance: float) -> float:
    """Return a duration by its equally spaced quantiles, at least one tick: nothing takes no time."""
    place = chance * (quantiles.size - 1)
    low = min(int(place), max(quantiles.size - 2, 0))
    high = min(low + 1, quantiles.size - 1)
    days = quantiles[low] + (quantiles[high] - quantiles[low]) * (place - low)
    return max(on_grid(days), 2.0**-32)


@bare
def advance(
    plan: Plan, visit: int, count: int, lead: NDArray[np.uint64], kind: Integers, age: Floats, now: Floats,
    luck: Floats, chance: Floats, moment: Floats, place: Integers,
) -> None:  # fmt: skip
    """Do `move` for the first `count` leads of a block, all at the same visit, into `moment` and `place`.

    The loop over random words has no branches, so that it becomes vector instructions.
    """
    for i in range(count):
        first, second = words(plan.seed, plan.replicate, lead[i], visit, MOVE)
        luck[i] = unit_exponential(first)
        chance[i] = uniform(second)
    for i in range(count):
        moment[i], row, found = leave(plan, kind[i], age[i], now[i], luck[i])
        place[i] = place_of(plan, kind[i], row, found, chance[i])
