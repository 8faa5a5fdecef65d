"""The chance that a lead wins in each period, exactly: one backward pass over days, no Monte Carlo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from funnelsim.arrays import Floats, Integers
from funnelsim.model.funnel import Funnel
from funnelsim.model.rates import RateTable


@dataclass(frozen=True)
class Chances:
    """Expected number of revenue events per period (a chance where a lead earns at most once).

    Args:
        step: width of the lattice in calendar days.
        age_step: (groups, stages) width of the age lattice in days of age: step * speed on day 0.
        at_start: (groups, stages, periods, ages) for a lead that on day 0 has the age j * age_step.
        at_entry: (times, groups, stages, periods) for a lead that enters the stage at time i * step.
    """

    step: float
    age_step: Floats
    at_start: Floats
    at_entry: Floats


def chances(
    funnel: Funnel,
    table: RateTable,
    edges: Floats,
    *,
    step: float | None = None,
    oldest: float = 0.0,
    busy: Floats | None = None,
    once: bool = False,
) -> Chances:
    """Return the chance of a revenue event in each period, for every stage, age and day of entry.

    V_t[r, a] = exp(-H) V_{t+1}[r, a+1] + sum_s P_s {e(t) + (1 - w_s) V_t[s, 0] + w_s V_{t+1}[s, 0]},
    where H is the integrated hazard of the cell, P_s the chance to leave to s within it and w_s the
    mean time of leaving as a share of the cell; V_t[., 0] is solved jointly over stages, so that
    several moves on one day and loops are allowed. Second order in the step. Where a lever changes a
    stage's speed, its age lattice is stretched, so that leads still age by one cell a step.

    Args:
        funnel: the map.
        table: rates by era.
        edges: (periods + 1,) ends of the periods, in days since the as-of date, ascending.
        step: width of the lattice in days; the funnel's own step by default.
        oldest: greatest age in days that will be looked up.
        busy: (days,) factor on what is booked on each day, averaging 1: a win due on a quiet day is
            booked on busier ones around it.
        once: count no more than one revenue event of a lead in a period: the chance of any, where leads
            may earn again.

    >>> map_ = Funnel("one", ("Open",), ("Won", "Lost"), (("Won", "Lost"),), {"Won": 1.0})
    >>> from funnelsim.model.rates import constant_table
    >>> table = constant_table(np.zeros((1, 1, 1)), np.array([[[[0.02], [0.01]]]]))
    >>> round(float(chances(map_, table, np.array([0.0, 30.0])).at_start[0, 0, 0, 0]), 6)
    0.39562
    """
    width = funnel.step if step is None else step
    times = int(np.ceil(edges[-1] / width - 1e-9))
    eras = np.searchsorted(table.starts, width * (np.arange(times) + 0.5), side="right") - 1
    finite = float(table.edges[np.isfinite(table.edges)].max())
    reach = min(finite, times * width * max(1.0, float(table.speed.max())) + oldest)
    ages = 2 + int(np.ceil(reach / (width * min(1.0, float(table.speed.min())))))
    booked = _overlap(edges, times, width)
    if busy is not None:
        day = np.minimum((width * (np.arange(times) + 0.5)).astype(np.int64), len(busy) - 1)
        booked = booked * busy[day, None]
    start, entry = _backward(
        table.edges, table.rate, table.speed, eras, funnel.targets, (funnel.booked > 0).astype(float),
        booked, width, ages, once,
    )  # fmt: skip
    first = eras[0] if times else 0
    return Chances(width, width * table.speed[first], start, entry)


def at_ages(found: Chances, group: Integers, stage: Integers, age: Floats) -> Floats:
    """Return the chances of leads of given ages on day 0, shape (leads, periods).

    Ages between lattice points are interpolated; ages beyond the lattice have its last hazard.
    """
    last = found.at_start.shape[-1] - 1
    place = np.clip(age / found.age_step[group, stage], 0.0, last)
    low = np.minimum(place.astype(np.int64), last - 1)
    part = (place - low)[:, None]
    below = found.at_start[group, stage, :, low]
    above = found.at_start[group, stage, :, low + 1]
    mixed: Floats = below * (1 - part) + above * part
    return mixed


def from_entries(found: Chances, group: int, stage: int, per_day: Floats) -> Floats:
    """Return expected revenue events per period of leads that enter a stage, shape (periods,).

    Leads of a day enter evenly over it; the chance is linear between lattice times.

    Args:
        per_day: (days,) expected leads per day.
    """
    value = found.at_entry[:, group, stage, :]
    middle = (value[1:] + value[:-1]) / 2
    day = np.minimum((found.step * (np.arange(len(middle)) + 0.5)).astype(np.int64), len(per_day) - 1)
    expected: Floats = (per_day[day] * found.step) @ middle
    return expected


def _overlap(edges: Floats, times: int, width: float) -> Floats:
    """Return the share of each time cell that lies in each period, shape (times, periods)."""
    left = width * np.arange(times)[:, None]
    shared = np.minimum(left + width, edges[None, 1:]) - np.maximum(left, edges[None, :-1])
    share: Floats = np.clip(shared / width, 0.0, 1.0)
    return share


@njit(cache=True, nogil=True)
def _cell(edges: Floats, rate: Floats, left: float, right: float, leave: Floats, late: Floats) -> float:
    """Fill the chances to leave by each exit between two ages, and those times the time of leaving.

    Returns the chance to stay. Within the cell the hazard is constant between bin edges."""
    leave[:] = 0.0
    late[:] = 0.0
    stay, begin, b = 1.0, left, 0
    last = edges.size - 1
    while begin < right:
        while b < last and edges[b + 1] <= begin:
            b += 1
        end = right if b == last else min(right, edges[b + 1])
        total = rate[:, b].sum()
        if total > 0.0:
            hazard = total * (end - begin)
            gone = -np.expm1(-hazard)
            inside = 0.5 - hazard / 12 if hazard < 1e-3 else 1 / hazard - np.exp(-hazard) / gone
            moment = (begin - left + inside * (end - begin)) / (right - left)
            for x in range(rate.shape[0]):
                leave[x] += stay * gone * rate[x, b] / total
                late[x] += stay * gone * rate[x, b] / total * moment
            stay *= 1.0 - gone
        begin = end
    return stay


@njit(cache=True, nogil=True)
def _cells(
    edges: Floats, rate: Floats, speed: Floats, step: float, ages: int
) -> tuple[Floats, Floats, Floats]:
    """Return stay (g, s, ages), leave and late (g, s, exits, ages) of one era."""
    groups, stages, exits, _ = rate.shape
    stay = np.ones((groups, stages, ages))
    leave = np.zeros((groups, stages, exits, ages))
    late = np.zeros((groups, stages, exits, ages))
    one, two = np.zeros(exits), np.zeros(exits)
    for g in range(groups):
        for s in range(stages):
            for a in range(ages):
                wide = speed[g, s] * step
                stay[g, s, a] = _cell(edges[g, s], rate[g, s], a * wide, (a + 1) * wide, one, two)
                leave[g, s, :, a] = one
                late[g, s, :, a] = two
    return stay, leave, late


@njit(cache=True, nogil=True)
def _at_once(leave: Floats, late: Floats, targets: Integers, stages: int, onward: Floats) -> Floats:
    """Return the inverse of I - M for leads of age 0, M[r, s] = P_s (1 - w_s) times what counts onward."""
    matrix = np.eye(stages)
    for r in range(stages):
        for x in range(targets.shape[1]):
            if 0 <= targets[r, x] < stages:
                matrix[r, targets[r, x]] -= onward[targets[r, x]] * (leave[r, x, 0] - late[r, x, 0])
    inverse: Floats = np.linalg.inv(matrix).astype(np.float64)
    return inverse


@njit(cache=True, nogil=True)
def _stretch(value: Floats, old: Floats, new: Floats) -> None:
    """Move values from an age lattice of width `old` to one of width `new`, in place."""
    ages = np.arange(value.shape[-1]).astype(np.float64)
    for k in range(value.shape[0]):
        for r in range(value.shape[1]):
            if old[r] != new[r]:
                value[k, r] = np.interp(ages * new[r], ages * old[r], value[k, r])


@njit(cache=True, nogil=True)
def _period(
    value: Floats,
    cell: tuple[Floats, Floats, Floats],
    inverse: Floats,
    targets: Integers,
    earns: Floats,
    booked: float,
    onward: Floats,
    before: Floats,
) -> None:
    """Step one group's value of one period, (stages, ages), one cell of time back, in place.

    Args:
        onward: (places,) share of a place's own value that counts for a lead that enters it.
    """
    stay, leave, late = cell
    stages, ages = value.shape
    known = np.zeros(stages)
    for r in range(stages):
        before[r] = value[r, 0]
    for r in range(stages):
        for a in range(ages - 1):
            value[r, a] = stay[r, a] * value[r, a + 1]
        value[r, ages - 1] *= stay[r, ages - 1]
        known[r] = value[r, 0]
        for x in range(targets.shape[1]):
            s = targets[r, x]
            if s >= 0:
                known[r] += leave[r, x, 0] * earns[s] * booked
                if s < stages:
                    known[r] += late[r, x, 0] * onward[s] * before[s]
    now = inverse @ known
    for r in range(stages):
        for x in range(targets.shape[1]):
            s = targets[r, x]
            if s < 0:
                continue
            gain = earns[s] * booked + (onward[s] * now[s] if s < stages else 0.0)
            drift = onward[s] * (before[s] - now[s]) if s < stages else 0.0
            if gain != 0.0 or drift != 0.0:
                for a in range(1, ages):
                    value[r, a] += leave[r, x, a] * gain + late[r, x, a] * drift
        value[r, 0] = now[r]


@njit(cache=True, nogil=True)
def _backward(
    edges: Floats,
    rate: Floats,
    speed: Floats,
    eras: Integers,
    targets: Integers,
    earns: Floats,
    overlap: Floats,
    step: float,
    ages: int,
    once: bool,
) -> tuple[Floats, Floats]:
    """Return value at time 0 (g, s, k, ages) and value of entering at each time (t, g, s, k)."""
    _, groups, stages, _, _ = rate.shape
    times, periods = overlap.shape
    value = np.zeros((groups, periods, stages, ages))
    entry = np.zeros((times + 1, groups, stages, periods))
    before, onward = np.zeros(stages), np.ones(earns.size)
    era = -1
    for t in range(times - 1, -1, -1):
        if eras[t] != era:
            for g in range(groups):
                if era >= 0:
                    _stretch(value[g], speed[era, g], speed[eras[t], g])
            era = eras[t]
            stay, leave, late = _cells(edges, rate[era], speed[era], step, ages)
            inverse = np.zeros((groups, stages, stages))
            for g in range(groups):
                inverse[g] = _at_once(leave[g], late[g], targets, stages, onward)
        for g in range(groups):
            cell = (stay[g], leave[g], late[g])
            for k in range(periods):
                if overlap[t:, k].any():
                    if once:
                        onward[:] = 1.0 - earns * min(overlap[t, k], 1.0)
                        inverse[g] = _at_once(leave[g], late[g], targets, stages, onward)
                    _period(value[g, k], cell, inverse[g], targets, earns, overlap[t, k], onward, before)
                    for s in range(stages):
                        entry[t, g, s, k] = value[g, k, s, 0]
    return value.transpose(0, 2, 1, 3).copy(), entry
