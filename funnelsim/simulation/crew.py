"""Teams of reps as arrays: who is there, when they work, how quickly, and what work a lead needs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from funnelsim.arrays import Floats, Integers
from funnelsim.errors import FunnelError
from funnelsim.model.funnel import ORDERS, Draw, Pool
from funnelsim.model.model import Model
from funnelsim.simulation.births import end_to_end
from funnelsim.simulation.jit import bare, inlined
from funnelsim.simulation.luck import TICK, W64, WORK, on_grid, uniform, words
from funnelsim.simulation.step import Rules, duration_at

BY_JOINING, BY_VALUE, BY_AGE = range(len(ORDERS))
ORDER, CAPACITY, MOST, PLAIN, CHANGE, CHANGE_END, RAMP, RAMP_END, SPAN, SPAN_END = range(10)
POOL, GIVES_UP_TO, TIME_BEGIN, PATIENCE_BEGIN, PATIENCE_END = range(5)
MOST_SLOTS = 10_000_000  # 160 MB of slots: more is a mistake in the file, not a team
LONG_AGO, FOR_EVER = -1e15, 1e15


class Crew(NamedTuple):
    """Pools and work as arrays.

    Args:
        pool: (pools, 10) order; deals per rep; most reps ever; 1 if plain: first come first served by a
            constant number of equally quick reps; first and last of its changes, ramp steps, spans.
        change: (changes, 4) moment from which a pool has a size, the size, and first and last ramp step of
            those hired then.
        ramp: (steps, 2) days since being hired before which a rep has a speed, and the speed.
        span: (spans, 2) when working time opens and closes.
        task: (kinds,) work that leads of a kind need on entering their stage, -1 for none.
        work: (works, 5) pool; place where leads go that lose patience; where its quantiles of time begin,
            where they end and those of patience begin, and where these end.
        quantiles: quantiles of all works end to end.
    """

    pool: Integers
    change: Floats
    ramp: Floats
    span: Floats
    task: Integers
    work: Integers
    quantiles: Floats


def crew_of(model: Model, days: float) -> Crew:
    """Return a model's pools and work, with working time up to a horizon.

    Raises:
        FunnelError: a pool too large to be simulated, or work for a pool that does not exist.
    """
    for pool in model.pools:
        if pool.size.max(initial=0) * pool.capacity > MOST_SLOTS:
            raise FunnelError(
                f"pool '{pool.name}' has {pool.size.max():,} reps; at most {MOST_SLOTS:,} deals at once"
            )
    ramps = [_ramps(pool) for pool in model.pools]
    before = np.cumsum([0, *(len(ramp) for ramp in ramps)])
    changes = [_changes(pool, first) for pool, first in zip(model.pools, before[:-1], strict=True)]
    spans = [_spans(pool, model.as_of, days) for pool in model.pools]
    columns = [
        [ORDERS.index(pool.order) for pool in model.pools],
        [pool.capacity for pool in model.pools],
        [int(pool.size.max(initial=0)) for pool in model.pools],
        [pool.order == "fifo" and pool.size.size == 1 for pool in model.pools],
    ]
    for tables in (changes, ramps, spans):
        ends = np.cumsum([0, *(len(table) for table in tables)])
        columns += [ends[:-1], ends[1:]]
    table = np.array(columns, dtype=np.int64).reshape(10, -1).T
    change = np.concatenate([np.zeros((0, 4)), *changes])
    ramp, span = (np.concatenate([np.zeros((0, 2)), *tables]) for tables in (ramps, spans))
    work, quantiles = _works(model)
    return Crew(np.ascontiguousarray(table), change, ramp, span, _tasks(model), work, quantiles)


def _ramps(pool: Pool) -> Floats:
    """Return a pool's ramps end to end: days since being hired up to which a speed holds, and the speed."""
    until = pool.ramp_days * (1 + np.arange(pool.ramp.shape[-1]))
    return np.column_stack([np.broadcast_to(until, pool.ramp.shape).ravel(), pool.ramp.ravel()])


def _changes(pool: Pool, first: int) -> Floats:
    """Return a pool's changes of size; `first` is the number of its first ramp step."""
    steps = pool.ramp.shape[-1]
    begin = first + steps * np.arange(pool.size.size) * (pool.ramp.ndim > 1)
    return np.column_stack([on_ticks(pool.starts), pool.size, begin, begin + steps])


def _works(model: Model) -> tuple[Integers, Floats]:
    """Return the table of works and their quantiles end to end."""
    draws = [draw for one in model.work for draw in (one.time, one.patience or Draw(np.zeros(0)))]
    quantiles, cut = end_to_end(draws)
    rows = [
        [one.pool, one.gives_up_to, *cut[2 * number : 2 * number + 3]]
        for number, one in enumerate(model.work)
    ]
    return np.array(rows, dtype=np.int64).reshape(-1, 5), quantiles


def _tasks(model: Model) -> Integers:
    """Return the work needed by group and stage, flat, -1 for none."""
    task = np.full((len(model.groups), len(model.funnel.stages)), -1, dtype=np.int64)
    for number, work in enumerate(model.work):
        if not 0 <= work.pool < len(model.pools):
            raise FunnelError(
                f"work at stage {work.stage} is for pool {work.pool}; there are {len(model.pools)} pools"
            )
        task[list(work.groups) or slice(None), work.stage] = number
    return task.ravel()


def _spans(pool: Pool, as_of: pd.Timestamp, days: float) -> Floats:
    """Return when a pool's working time opens and closes, in days since the as-of moment, (spans, 2)."""
    if np.all(pool.week == 1) and not pool.holidays:
        return np.array([[LONG_AGO, FOR_EVER]])
    midnight = as_of.normalize()
    late = (as_of - midnight) / pd.Timedelta(days=1)
    day = np.setdiff1d(np.arange(int(np.ceil(days + late)) + 1), np.array(pool.holidays, dtype=np.int64))
    weekday = (midnight.weekday() + day) % 7
    day, weekday = day[pool.week[weekday] > 0], weekday[pool.week[weekday] > 0]
    share = pool.week[weekday]
    opens = day - late + np.minimum(np.broadcast_to(pool.opens, 7)[weekday], 1.0 - share)
    return on_ticks(np.column_stack([opens, opens + share]))


def on_ticks(moments: NDArray[np.floating]) -> Floats:
    """Return moments rounded to the grid of ticks."""
    return np.asarray(np.round(moments * 2.0**32) / 2.0**32, dtype=np.float64)


@bare
def reps_at(crew: Crew, pool: int, moment: float) -> int:
    """Return how many reps a pool has."""
    change = crew.pool[pool, CHANGE]
    while change + 1 < crew.pool[pool, CHANGE_END] and crew.change[change + 1, 0] <= moment:
        change += 1
    return int(crew.change[change, 1])


@bare
def speed_of(crew: Crew, pool: int, seat: int, moment: float) -> float:
    """Return how quickly the rep of a seat works, by the time since being hired."""
    hired, first, last = LONG_AGO, 0, 0
    for change in range(crew.pool[pool, CHANGE] + 1, crew.pool[pool, CHANGE_END]):
        here, seats, before = crew.change[change, 0], crew.change[change, 1], crew.change[change - 1, 1]
        if here <= moment and before <= seat < seats:
            hired, first, last = here, int(crew.change[change, 2]), int(crew.change[change, 3])
    for step in range(first, last):
        if moment - hired < crew.ramp[step, 0]:
            return float(crew.ramp[step, 1])
    return 1.0


@bare
def opening(crew: Crew, pool: int, moment: float) -> float:
    """Return the first moment of working time from a moment on; inf when there is none before the horizon."""
    span = _span(crew, pool, moment)
    return np.inf if span == crew.pool[pool, SPAN_END] else max(moment, crew.span[span, 0])


@bare
def finish(crew: Crew, pool: int, begin: float, work: float) -> float:
    """Return when work begun in working time is finished; inf when that is past the known working time."""
    span, last = _span(crew, pool, begin), crew.pool[pool, SPAN_END]
    while span < last and work > crew.span[span, 1] - begin:
        work -= crew.span[span, 1] - begin
        span += 1
        begin = crew.span[span, 0] if span < last else np.inf
    return begin + work


@inlined
def _span(crew: Crew, pool: int, moment: float) -> int:
    """Return the first span that closes after a moment."""
    low, high = int(crew.pool[pool, SPAN]), int(crew.pool[pool, SPAN_END])
    while low < high:
        middle = (low + high) // 2
        if crew.span[middle, 1] > moment:
            high = middle
        else:
            low = middle + 1
    return low


@bare
def needs(rules: Rules, crew: Crew, task: int, lead: W64, visit: int) -> tuple[float, float]:
    """Return the work time that a lead needs, and the days after which it gives up waiting (inf: never)."""
    first, second = words(rules.seed, rules.replicate, lead, visit, WORK)
    return times(crew, task, uniform(first), uniform(second))


@inlined
def times(crew: Crew, task: int, chance: float, other: float) -> tuple[float, float]:
    """Return work time and patience, given a lead's luck."""
    begin, middle = crew.work[task, TIME_BEGIN], crew.work[task, PATIENCE_BEGIN]
    end = crew.work[task, PATIENCE_END]
    time = duration_at(crew.quantiles[begin:middle], chance)
    return time, duration_at(crew.quantiles[middle:end], other) if end > middle else np.inf


@inlined
def work_time(time: float, speed: float) -> float:
    """Return the working time that a rep of some speed takes, on the grid."""
    return time if speed == 1.0 else max(on_grid(time / speed), TICK)
