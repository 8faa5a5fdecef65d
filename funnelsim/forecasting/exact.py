"""The chance that a lead wins in each period, exactly: one backward pass over days, no Monte Carlo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from funnelsim.arrays import Flags, Floats, Integers
from funnelsim.model.funnel import Funnel, winning_exits
from funnelsim.model.model import Pace, run_until
from funnelsim.model.rates import RateTable
from funnelsim.simulation.jit import instead, strict

NEGLIGIBLE = 1e-9  # a chance that nobody would miss
FACTOR_DIGITS = 12  # factors that differ by less are one: a mean over a cell leaves its last bits to chance


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
    pace: Pace | None = None,
    once: bool = False,
) -> Chances:
    """Return the chance of a revenue event in each period, for every stage, age and day of entry.

    V_t[r, a] = exp(-H) V_{t+1}[r, a+1] + sum_s P_s {e(t) + (1 - w_s) V_t[s, 0] + w_s V_{t+1}[s, 0]},
    where H is the integrated hazard of the cell, P_s the chance to leave to s within it and w_s the
    mean time of leaving as a share of the cell; V_t[., 0] is solved jointly over stages, so that
    several moves on one day and loops are allowed. Second order in the step. Where a lever changes a
    stage's speed, its age lattice is stretched, so that leads still age by one cell a step. The pace of
    winning multiplies the rates of winning exits in each cell of time.

    Args:
        funnel: the map.
        table: rates by era.
        edges: (periods + 1,) ends of the periods, in days since the as-of date, ascending.
        step: width of the lattice in days; the funnel's own step by default.
        oldest: greatest age in days that will be looked up.
        pace: how fast leads win on each day, over their rates; everywhere 1 by default.
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
    moments = width * np.arange(times + 1, dtype=np.float64)
    paces, which = _paces(pace, moments)
    earns = (funnel.booked > 0).astype(float)
    start, entry = _backward(
        table.edges, table.rate, table.speed, eras, funnel.targets, earns, _shares(edges, moments, pace),
        width, ages, once, paces, which, winning_exits(funnel),
    )  # fmt: skip
    first = eras[0] if times else 0
    return Chances(width, width * table.speed[first], start, entry)


def _paces(pace: Pace | None, moments: Floats) -> tuple[Floats, Integers]:
    """Return the distinct factors on winning, and which of them each cell of time has, (times,)."""
    times = len(moments) - 1
    if pace is None or not times:
        return np.ones(1), np.zeros(times, dtype=np.int64)
    mean = np.diff(run_until(pace, moments)) / np.diff(moments)
    distinct, which = np.unique(mean.round(FACTOR_DIGITS), return_inverse=True)
    return distinct, which.astype(np.int64)


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
    value, day = found.at_entry[:, group, stage, :], _days(found, per_day)
    expected: Floats = (per_day[day] * found.step) @ (value[1:] + value[:-1]) / 2
    return expected


def from_ways(found: Chances, group: Integers, stage: Integers, per_day: Floats) -> Floats:
    """Do `from_entries` for many ways in at once: (ways, periods).

    Args:
        group, stage: (ways,) of the leads that come in by each.
        per_day: (ways, days) expected leads per day.
    """
    return from_value(found.at_entry[:, group, stage], found.step, per_day)


def from_value(at_entry: Floats, step: float, per_day: Floats) -> Floats:
    """Return expected revenue events of leads whose value of entering is known, (ways, periods).

    Args:
        at_entry: (times, ways, periods), see `Chances`.
        step: days between the times.
        per_day: (ways, days) expected leads per day.
    """
    leads = per_day[:, _day_of(len(at_entry) - 1, step, per_day.shape[-1])] * step
    value = (at_entry[1:] + at_entry[:-1]).transpose(1, 0, 2)
    expected: Floats = (leads[:, None] @ value)[:, 0] / 2
    return expected


def _days(found: Chances, per_day: Floats) -> Integers:
    """Return the day that each cell of time lies in, (times,)."""
    return _day_of(len(found.at_entry) - 1, found.step, per_day.shape[-1])


def _day_of(times: int, step: float, days: int) -> Integers:
    day: Integers = np.minimum((step * (np.arange(times) + 0.5)).astype(np.int64), days - 1)
    return day


def _shares(edges: Floats, moments: Floats, pace: Pace | None) -> Floats:
    """Return the share of each time cell's wins that lies in each period, shape (times, periods)."""
    inner = np.clip(edges, moments[:-1, None], moments[1:, None])
    if pace is not None:
        passed = run_until(pace, moments)
        inner, moments = run_until(pace, inner), passed
    width = np.maximum(np.diff(moments), 1e-300)[:, None]
    share: Floats = np.clip(np.diff(inner, axis=1) / width, 0.0, 1.0)
    return share


@strict
def _cell(edges: Floats, rate: Floats, left: float, right: float, leave: Floats, late: Floats) -> float:
    """Fill the chances to leave by each exit between two ages, and those times the time of leaving.

    Returns the chance to stay. Within the cell the hazard is constant between bin edges."""
    for x in range(rate.shape[0]):
        leave[x], late[x] = 0.0, 0.0
    stay, begin, b = 1.0, left, 0
    last = edges.size - 1
    while begin < right:
        while b < last and edges[b + 1] <= begin:
            b += 1
        end = right if b == last else min(right, edges[b + 1])
        total = 0.0
        for x in range(rate.shape[0]):
            total += rate[x, b]
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


@strict
def _runs(edges: Floats, wide: float, ages: int, ends: Integers) -> int:
    """Fill the ends of runs of ages whose cells are alike, and return how many there are.

    Hazards are constant within a bin, so the cells that lie whole in it are one run, and a cell that an edge
    cuts is a run of its own; age 0 stands apart, as leads that enter have it."""
    ends[0], count = 1, 1
    for b in range(1, edges.size):
        if not np.isfinite(edges[b]):
            break
        place = edges[b] / wide
        uncut = abs(place - round(place)) < 1e-9
        first = round(place) if uncut else np.int64(np.floor(place))
        for end in (first, first if uncut else first + 1):
            if ends[count - 1] < end < ages:
                ends[count] = end
                count += 1
    ends[count] = ages
    return count + 1


@strict
def _cells(
    edges: Floats, rate: Floats, speed: Floats, step: float, ages: int, paces: Floats, wins: Flags
) -> tuple[Integers, Integers, Floats, Floats, Floats]:
    """Return the runs of one era: how many (g, s), their ends (g, s, runs), stay (paces, g, s, runs), and
    leave and late (paces, g, s, exits, runs)."""
    groups, stages, exits, bins = rate.shape
    most = 2 * bins + 2
    count, ends = np.zeros((groups, stages), dtype=np.int64), np.zeros((groups, stages, most), dtype=np.int64)
    stay = np.ones((paces.size, groups, stages, most))
    leave = np.zeros((paces.size, groups, stages, exits, most))
    late = np.zeros((paces.size, groups, stages, exits, most))
    one, two, now = np.zeros(exits), np.zeros(exits), np.zeros((exits, bins))
    for g in range(groups):
        for s in range(stages):
            wide = speed[g, s] * step
            count[g, s] = _runs(edges[g, s], wide, ages, ends[g, s])
            for f in range(paces.size):
                for x in range(exits):
                    pace = paces[f] if wins[s, x] else 1.0
                    for b in range(bins):
                        now[x, b] = rate[g, s, x, b] * pace
                begin = 0
                for run in range(count[g, s]):
                    left = begin * wide
                    stay[f, g, s, run] = _cell(edges[g, s], now, left, left + wide, one, two)
                    for x in range(exits):
                        leave[f, g, s, x, run] = one[x]
                        late[f, g, s, x, run] = two[x]
                    begin = ends[g, s, run]
    return count, ends, stay, leave, late


@strict
def _at_once(leave: Floats, late: Floats, targets: Integers, stages: int, onward: Floats) -> Floats:
    """Return the inverse of I - M for leads of age 0, M[r, s] = P_s (1 - w_s) times what counts onward."""
    matrix = np.eye(stages)
    for r in range(stages):
        for x in range(targets.shape[1]):
            if 0 <= targets[r, x] < stages:
                matrix[r, targets[r, x]] -= onward[targets[r, x]] * (leave[r, x, 0] - late[r, x, 0])
    _turn_over(matrix)
    return matrix


@strict
def _turn_over(matrix: Floats) -> None:
    """Invert I - M in place, by Gauss and Jordan; as rows of M sum to less than 1, no pivot is looked for.

    numba's own way loads all of SciPy's linear algebra first, a sixth of a second for ten rows."""
    size = len(matrix)
    for p in range(size):
        pivot = matrix[p, p]
        matrix[p, p] = 1.0
        for c in range(size):
            matrix[p, c] /= pivot
        for r in range(size):
            if r != p:
                share = matrix[r, p]
                matrix[r, p] = 0.0
                for c in range(size):
                    matrix[r, c] -= share * matrix[p, c]


@strict
def _inverses(leave: Floats, late: Floats, targets: Integers, stages: int, onward: Floats) -> Floats:
    """Do `_at_once` for every pace and group, (paces, groups, stages, stages)."""
    paces, groups = leave.shape[:2]
    inverse = np.zeros((paces, groups, stages, stages))
    for f in range(paces):
        for g in range(groups):
            # Cell by cell: that a whole row fits into its place takes seconds to compile, here and below.
            one = _at_once(leave[f, g], late[f, g], targets, stages, onward)
            for r in range(stages):
                for s in range(stages):
                    inverse[f, g, r, s] = one[r, s]
    return inverse


@strict
def _stretch(value: Floats, old: Floats, new: Floats) -> None:
    """Move values from an age lattice of width `old` to one of width `new`, in place, as `np.interp` does."""
    ages = value.shape[2]
    line = np.zeros(ages)
    for k in range(value.shape[0]):
        for r in range(value.shape[1]):
            if old[r] == new[r]:
                continue
            for a in range(ages):
                line[a] = value[k, r, a]
            low = 0
            for a in range(ages):
                place = a * new[r]
                while low < ages - 1 and (low + 1) * old[r] <= place:
                    low += 1
                value[k, r, a] = line[low]
                if low < ages - 1:
                    slope = (line[low + 1] - line[low]) / ((low + 1) * old[r] - low * old[r])
                    value[k, r, a] = slope * (place - low * old[r]) + line[low]


@strict
def _entering(
    value: Floats,
    cell: tuple[Floats, Floats, Floats],
    inverse: Floats,
    targets: Integers,
    earns: Floats,
    booked: float,
    onward: Floats,
) -> Floats:
    """Return the value of entering each stage one cell of time back, (stages,); see `_period`."""
    stay, leave, late = cell
    stages = len(value)
    known, now = np.zeros(stages), np.zeros(stages)
    for r in range(stages):
        known[r] = stay[r, 0] * value[r, 1]
        for x in range(targets.shape[1]):
            s = targets[r, x]
            if s >= 0:
                known[r] += leave[r, x, 0] * earns[s] * booked
                if s < stages:
                    known[r] += late[r, x, 0] * onward[s] * value[s, 0]
    for r in range(stages):
        for s in range(stages):
            now[r] += inverse[r, s] * known[s]
    return now


@strict
def _period(
    value: Floats,
    runs: tuple[Integers, Integers],
    cell: tuple[Floats, Floats, Floats],
    inverse: Floats,
    targets: Integers,
    earns: Floats,
    booked: float,
    onward: Floats,
) -> None:
    """Step one group's value of one period, (stages, ages), one cell of time back, in place.

    Args:
        runs: how many runs of ages each stage has, and their ends.
        onward: (places,) share of a place's own value that counts for a lead that enters it.
    """
    count, ends = runs
    stay, leave, late = cell
    stages, ages = value.shape
    before = value[:, 0].copy()
    now = _entering(value, cell, inverse, targets, earns, booked, onward)
    at_end, on_the_way = np.zeros(targets.shape[1]), np.zeros(targets.shape[1])
    for r in range(stages):
        for x in range(targets.shape[1]):
            s = targets[r, x]
            at_end[x] = earns[s] * booked if s >= 0 else 0.0
            on_the_way[x] = 0.0
            if 0 <= s < stages:
                at_end[x] += onward[s] * now[s]
                on_the_way[x] = onward[s] * (before[s] - now[s])
        line, begin = value[r], 1
        for run in range(1, count[r]):
            gain = 0.0
            for x in range(targets.shape[1]):
                gain += leave[r, x, run] * at_end[x] + late[r, x, run] * on_the_way[x]
            keep, end = stay[r, run], ends[r, run]
            part = line[begin : min(end, ages - 1) + 1]  # indices from 0 on become vector instructions
            for a in range(part.size - 1):
                part[a] = keep * part[a + 1] + gain
            if end == ages:
                line[ages - 1] = keep * line[ages - 1] + gain
            begin = end
        line[0] = now[r]


def plain_backward(
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
    paces: Floats,
    which: Integers,
    wins: Flags,
) -> tuple[Floats, Floats]:
    """Do `_backward` with arrays in the place of loops, for Pythons that compile nothing."""
    groups, stages = rate.shape[1:3]
    times, periods = overlap.shape
    value, entry = np.zeros((groups, periods, stages, ages)), np.zeros((times + 1, groups, stages, periods))
    place = np.where(targets < 0, 0, targets)
    earned, inside = np.where(targets < 0, 0.0, earns[place]), (targets >= 0) & (targets < stages)
    place, counts = np.where(inside, place, 0), np.where(inside, 1.0, 0.0)
    era, whole = -1, np.broadcast_to(counts, (periods, *counts.shape))
    made: dict[int, tuple[Floats, Floats, Floats, Floats, Floats]] = {}
    for t in range(times - 1, -1, -1):
        if eras[t] != era:
            for g in range(groups if era >= 0 else 0):
                _stretch(value[g], speed[era, g], speed[eras[t], g])
            era, made = eras[t], {}
            count, ends, *cells = _cells(edges, rate[era], speed[era], step, ages, paces, wins)
            run = _run_at(count, ends, ages, periods)
        if which[t] not in made:
            stay, leave, late = (cell[which[t]][:, None] for cell in cells)
            keep = np.take(np.repeat(stay, periods, axis=1), run)
            solve = _solve(leave, late, place, whole)
            made[which[t]] = keep, stay[..., 0], leave, late, solve
        keep, first, leave, late, solve = made[which[t]]
        share = whole
        if once:
            share = counts * (1.0 - np.outer(np.minimum(overlap[t], 1.0), earns)[:, place])
            solve = _solve(leave, late, place, share)
        booked, before = earned * overlap[t][:, None, None], value[..., 0].copy()
        known = first * value[..., 1] + (leave[..., 0] * booked).sum(axis=-1)
        known += (late[..., 0] * share * before[..., place]).sum(axis=-1)
        now = (solve @ known[..., None])[..., 0]
        at_end, on_the_way = booked + share * now[..., place], share * (before - now)[..., place]
        gain = (at_end[..., None, :] @ leave + on_the_way[..., None, :] @ late)[..., 0, :]
        value[..., :-1] = value[..., 1:]
        value *= keep
        value += np.take(gain, run)
        value[..., 0] = now
        entry[t] = now.transpose(0, 2, 1)
    return value.transpose(0, 2, 1, 3).copy(), entry


def _solve(leave: Floats, late: Floats, place: Integers, share: Floats) -> Floats:
    """Do `_at_once` for every group and period, (groups, periods, stages, stages)."""
    stages = len(place)
    matrix = np.zeros((len(leave), len(share), stages, stages)) + np.eye(stages)
    for x in range(place.shape[1]):
        matrix[:, :, np.arange(stages), place[:, x]] -= share[..., x] * (leave - late)[..., x, 0]
    inverse: Floats = np.linalg.inv(matrix).astype(np.float64)
    return inverse


def _run_at(count: Integers, ends: Integers, ages: int, periods: int) -> Integers:
    """Return where the run of each age lies in a flat (groups, periods, stages, runs)."""
    groups, stages, most = ends.shape
    run = np.zeros((groups, periods, stages, ages), dtype=np.int64)
    for g, s in np.ndindex(groups, stages):
        run[g, :, s] = np.searchsorted(ends[g, s, : count[g, s]], np.arange(ages), side="right")
    rows: Integers = most * np.arange(groups * periods * stages).reshape(groups, periods, stages, 1)
    return run + rows


@instead(plain_backward)
@strict
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
    paces: Floats,
    which: Integers,
    wins: Flags,
) -> tuple[Floats, Floats]:
    """Return value at time 0 (g, s, k, ages) and value of entering at each time (t, g, s, k)."""
    _, groups, stages, _, _ = rate.shape
    times, periods = overlap.shape
    value = np.zeros((groups, periods, stages, ages))
    entry = np.zeros((times + 1, groups, stages, periods))
    onward, begun = np.ones(earns.size), np.zeros(periods, dtype=np.bool_)
    era = -1
    for t in range(times - 1, -1, -1):
        if eras[t] != era:
            for g in range(groups):
                if era >= 0:
                    _stretch(value[g], speed[era, g], speed[eras[t], g])
            era = eras[t]
            count, ends, stay, leave, late = _cells(edges, rate[era], speed[era], step, ages, paces, wins)
            inverse = _inverses(leave, late, targets, stages, onward)
        f = which[t]
        for k in range(periods):
            begun[k] = begun[k] or overlap[t, k] != 0.0
        for g in range(groups):
            runs, cell = (count[g], ends[g]), (stay[f, g], leave[f, g], late[f, g])
            solve = inverse[f, g]
            for k in range(periods):
                if begun[k]:
                    if once:
                        for place in range(earns.size):
                            onward[place] = 1.0 - earns[place] * min(overlap[t, k], 1.0)
                        solve = _at_once(leave[f, g], late[f, g], targets, stages, onward)
                    _period(value[g, k], runs, cell, solve, targets, earns, overlap[t, k], onward)
                    for s in range(stages):
                        entry[t, g, s, k] = value[g, k, s, 0]
        if once:
            for place in range(earns.size):
                onward[place] = 1.0
    turned = np.zeros((groups, stages, periods, ages))
    for g in range(groups):
        for s in range(stages):
            for k in range(periods):
                for a in range(ages):
                    turned[g, s, k, a] = value[g, k, s, a]
    return turned, entry
